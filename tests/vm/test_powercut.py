#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A helper boots the old set or the new one, wherever the power is cut. guest/powercut.py builds on a disk whose
writes are recorded; here each state that a power cut could have left is made from the record and examined twice: as
firmware finds it, and after `fsck.vfat -a`."""

import collections
import concurrent.futures
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile

from crash import read_record, runs
from fat import Broken, Fat
from machine import Missing, guest, machine

BOOTER = "/EFI/BOOT/BOOTX64.EFI"
ENTRIES = "/loader/entries/"
DISKS = (("fat16", 64), ("fat32", 96))


def files_of(image):
    return {path: f.data for path, f in Fat(image).files().items()}


def named(entry):
    words = [line.split(None, 1) for line in entry.decode("ascii", "replace").splitlines() if line.strip()]
    return [w[1].strip() for w in words if len(w) == 2 and w[0] in ("linux", "initrd")]


class Judge:
    """Knows the old set and the new one, and says what is wrong with a state; None if nothing is."""

    def __init__(self, old, new):
        self.old, self.new = old, new
        self.texts = {data for files in (old, new) for path, data in files.items() if self._is_entry(path)}
        # entries of both sets must exist at every instant
        self.always = [p for p in old if self._is_entry(p) and p in new]

    @staticmethod
    def _is_entry(path):
        return path.startswith(ENTRIES) and path.endswith(".conf")

    def _whole(self, files, path):
        return files.get(path) is not None and files[path] in (self.old.get(path), self.new.get(path))

    def _entry(self, files, path):
        data = files[path]
        if data not in self.texts:
            return "empty" if data is not None and not data.strip() else "torn"
        broken = [p for p in named(data) if not self._whole(files, p)]
        return f"names {broken[0]}, which is not whole" if broken else None

    def __call__(self, image):
        try:
            files = files_of(image)
        except Broken as e:
            return f"the file system is broken: {e}"
        entries = {p: self._entry(files, p) for p in files if self._is_entry(p)}
        good = [p for p, wrong in entries.items() if wrong is None]
        for path, wrong in entries.items():
            # every boot loader skips an empty one, and its second name is next to it
            if wrong and not (wrong == "empty" and any(p.startswith(path[:-len(".conf")]) for p in good)):
                # during the first build the only promise is that no entry is wrong
                if not (wrong == "empty" and path not in self.old):
                    return f"{path} is {wrong}" if wrong in ("empty", "torn") else f"{path} {wrong}"
        for path in self.always:
            if not any(p.startswith(path[:-len(".conf")]) for p in good):
                return f"{path} is gone"
        if BOOTER in self.old and not self._whole(files, BOOTER):
            return f"{BOOTER} is {'gone' if BOOTER not in files else 'empty' if files[BOOTER] == b'' else 'torn'}"
        return None


class Look:
    """For one process of the pool: judges one state, as found and repaired."""

    def __init__(self, run):
        self.run = run
        self.size = run.used()
        self.judge = Judge(files_of(run.before), files_of(run.after))

    def __call__(self, state):
        image = self.run.image(state, self.size)
        with tempfile.NamedTemporaryFile(dir="/dev/shm", buffering=0) as f:
            f.write(image)
            f.truncate(len(self.run.before))
            fsck = subprocess.run(["fsck.vfat", "-a", f.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  check=False)
            repaired = os.pread(f.fileno(), self.size + 65536, 0)
        failed = f"fsck.vfat -a exited with status {fsck.returncode}" if fsck.returncode not in (0, 1) else None
        return self.judge(image), failed or self.judge(repaired)


LOOK = None


def look(state):
    return LOOK(state)


def examine(run, states):
    """Judges STATES, each once; returns (number, Counter of what is wrong as found, and when repaired)."""
    seen, unique = set(), []
    for state in states:
        key = hashlib.sha256(b"".join(b"%d" % k + state[k] for k in sorted(state))).digest()
        if key not in seen:
            seen.add(key)
            unique.append(state)
    global LOOK  # pylint: disable=global-statement # the pool's processes inherit it, images and all
    LOOK = Look(run)
    # not multiprocessing's Pool, which ends its workers by SIGTERM (which has a handler here), and then may wait for ever
    with concurrent.futures.ProcessPoolExecutor(initializer=signal.signal,
                                                initargs=(signal.SIGTERM, signal.SIG_DFL)) as pool:
        verdicts = list(pool.map(look, unique, chunksize=16))
    return len(unique), *(collections.Counter(v[i] for v in verdicts if v[i]) for i in (0, 1))


def partitions(image):
    table = json.loads(subprocess.run(["sfdisk", "--json", image], stdout=subprocess.PIPE, check=True).stdout)
    return [(p["start"] * 512, p["size"] * 512) for p in table["partitiontable"]["partitions"]]


def record(m):
    """Runs the guest; returns [(kind, {scenario: Run})]."""
    disks = [(kind, *m.disk(mib, recorded=True)) for kind, mib in DISKS]
    said = []
    status = m.run(guest("powercut.py"), said.append, timeout=900)
    print("\n".join("# " + text for text in said))
    assert status == 0, "\n".join(m.said())
    found = []
    for kind, image, log in disks:
        (start, size), _, (marks, _) = partitions(image)
        found.append((kind, runs(read_record(log), start, size, marks)))
    return found


def report(number, title, run):
    """One scenario: a line of the table for each way of cutting, and the test's verdict."""
    good = True
    for way, states in (("between writes", run.prefixes()), ("reordered", run.reordered())):
        count, found, repaired = examine(run, states)
        bad, after = sum(found.values()), sum(repaired.values())
        print(f"# {title:32} {way:15} {count:5} states  {bad:4} bad  {after:4} bad after fsck")
        for kind, wrong in (("as found", found), ("after fsck", repaired)):
            for text, times in wrong.most_common(5):
                print(f"#     {times} {kind}: {text}")
        good = good and not found and not repaired
    print(f"{'' if good else 'not '}ok {number} - {title}", flush=True)
    return good


def main():
    words = sys.argv[1:]
    try:
        with machine() as m:
            recorded = record(m)
    except Missing as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    chosen = [(f"{kind} {name.replace('-', ' ')}", run) for kind, found in recorded for name, run in found.items()
              if not words or any(w in name for w in words)]
    print(f"1..{len(chosen)}")
    verdicts = [report(n, title, run) for n, (title, run) in enumerate(chosen, 1)]
    sys.exit(0 if verdicts and all(verdicts) else 1)


if __name__ == "__main__":
    main()
