# SPDX-License-Identifier: LGPL-2.1-or-later
"""The programs of the build directory, run by hand."""

import os
import re
import subprocess

BUILD = os.environ.get("BOOTKEEP_BUILD", "") and os.path.abspath(os.environ["BOOTKEEP_BUILD"])
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|: runtime error: ")
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


FOLDERS = {"bootkeepd": "daemon", "bootkeepctl": "ctl", "bootkeep-build": "builder", "umount.bootkeep": "umount"}  # the rest: bootkeep-NAME


def program(name):
    folder = FOLDERS.get(name, name.removeprefix("bootkeep-"))
    path = os.path.join(BUILD, "src", folder, name)
    if not BUILD or not os.path.exists(path):
        raise RuntimeError(f"{path} is not there; set BOOTKEEP_BUILD or run by `meson test`")
    return path


def libexec(world):
    """One folder with the programs that the daemon starts: in the build directory each has its own."""
    folder = world.path("libexec")
    os.makedirs(folder, exist_ok=True)
    for name in ("bootkeep-scan", "bootkeep-build"):
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(program(name), os.path.join(folder, name))
    return folder


def plain_scan():
    """bootkeep-scan as installed, without sanitizers: with the complete sandbox, and at its real cost."""
    path = os.path.join(BUILD, "src", "scan", "bootkeep-scan-plain")
    return path if os.path.exists(path) else program("bootkeep-scan")


def environment(**more):
    """For every program: a sanitizer terminates it by a signal, so that a finding is never mistaken for an exit
    status."""
    options = "halt_on_error=1:abort_on_error=1:print_stacktrace=1"
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "LSAN_OPTIONS")}
    return {**keep, "LANG": "C.UTF-8", "ASAN_OPTIONS": options, "UBSAN_OPTIONS": options, **more}


def unescape(word):
    """The inverse of escape_word: `\\xHH` is a byte; a lone `\\x` is the empty string."""
    if word == "\\x":
        return ""
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), word.encode(), flags=re.I)
    return raw.decode("utf-8", "surrogateescape")


class Result:
    """How a program exited and what it printed."""

    def __init__(self, process):
        self.status = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr
        self.records = [[unescape(w) for w in line.split(" ")] for line in process.stdout.splitlines()]

    def all(self, key, *first):
        """The records that begin with KEY FIRST…, without these words."""
        head = [key, *first]
        return [r[len(head):] for r in self.records if r[: len(head)] == head]

    def one(self, key, *first):
        found = self.all(key, *first)
        assert len(found) == 1, f"{len(found)} records {key} {first} in:\n{self.stdout}{self.stderr}"
        return found[0]

    @property
    def result(self):
        return self.one("RESULT")[0]

    @property
    def reason(self):
        return "\n".join(" ".join(r) for r in self.all("REASON"))

    def expect(self, status, result=None):
        shown = f"status {self.status}, expected {status}\n{self.stdout}{self.stderr}"
        assert self.status == status, shown
        assert result is None or self.result == result, shown
        return self


class Programs:
    def __init__(self, world):
        self.world = world

    def run(self, command, timeout=60, **options):
        env = options.pop("env", None) or environment(DBUS_SYSTEM_BUS_ADDRESS=self.world.bus.address)
        process = subprocess.run(command, text=True, errors="surrogateescape", timeout=timeout, env=env,
                                 **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})
        process.stderr = process.stderr or ""
        shown = " ".join(os.path.basename(w) if i == 0 else w for i, w in enumerate(command))
        for line in (f"$ {shown} -> {process.returncode}\n{process.stdout}{process.stderr}").splitlines():
            self.world.note(line)
        assert not SANITIZER.search(process.stderr), process.stderr
        assert process.returncode >= 0, f"{shown} was killed by signal {-process.returncode}"
        return process

    def scan(self, volume, *arguments, **options):
        return Result(self.run(self.scan_command(volume, *arguments), **options))

    @staticmethod
    def scan_command(volume, *arguments, of=None):
        return [of or program("bootkeep-scan"), f"--builders={volume.builders}", *arguments, volume.root]

    def build(self, volume, *arguments, **options):
        return Result(self.run(self.build_command(volume, *arguments), **options))

    @staticmethod
    def build_command(volume, *arguments):
        return [program("bootkeep-build"), f"--builders={volume.builders}", *arguments, volume.root]

    def ctl(self, *arguments, prefix=(), stdout=subprocess.PIPE, **more):
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=self.world.bus.address, **more)
        return self.run([*prefix, program("bootkeepctl"), *arguments], env=env, stdout=stdout)
