# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts a test program into namespaces of its own.

The program runs itself again: the outer process, the keeper, only waits and cleans up what a crash of the inner
one would leave (loop devices are the machine's, not a namespace's). The inner one has

  - its own mounts, which end with it;
  - its own process ids, so that whatever it started ends with it;
  - where no udevd runs on the machine: its own network, in which a udevd of our own can be heard, and its own /run.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

INNER = "BOOTKEEP_TEST_FOLDER"
OWN_UDEV = "BOOTKEEP_TEST_OWN_UDEV"


def host_udevd_runs():
    return subprocess.run(["udevadm", "control", "--ping", "--timeout=5"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def loops_of(folder):
    """The loop devices (/dev/loopN) whose files lie below FOLDER."""
    out = subprocess.run(["losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    pairs = [line.split(" ", 1) for line in out.splitlines() if " " in line]
    return [name for name, file in pairs if file.startswith(folder + "/")]


def mounts_below(folder):
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        places = [line.split()[4] for line in f]
    return [p for p in places if p == folder or p.startswith(folder + "/")]


def _sweep(folder):
    """Called in the machine's own namespace, where the tests' mounts never were. A bind mount below the folder would
    make the removal reach what it shows, on the same device too: so this is looked at, not taken for granted."""
    if mounts := mounts_below(folder):
        print(f"# {folder} is not removed: mounted below it are {' '.join(mounts)}", flush=True)
        return mounts
    left = loops_of(folder)
    for loop in left:
        subprocess.run(["partx", "-d", loop], stderr=subprocess.DEVNULL)
        subprocess.run(["losetup", "-d", loop])
    shutil.rmtree(folder, ignore_errors=True)
    return left


def _keep():
    """The outer process: runs the inner one to its end, then looks for what it left. Does not return."""
    folder = tempfile.mkdtemp(prefix="bootkeep-test-")
    os.chmod(folder, 0o755)  # another user has to reach the bus in it
    own_udev = not host_udevd_runs()
    namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    if own_udev:
        namespaces.append("--net")
    env = dict(os.environ, **{INNER: folder, OWN_UDEV: "yes" if own_udev else ""})
    # pylint: disable-next=consider-using-with
    inner = subprocess.Popen(["unshare", *namespaces, "--", sys.executable, *sys.argv], env=env)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: inner.kill())
    status = inner.wait()
    if left := _sweep(folder):
        print(f"# left behind and cleaned up: {' '.join(left)}", flush=True)
        status = status or 1
    sys.exit(status if status >= 0 else 128 - status)


def enter():
    """Returns in the inner process alone, with the path of a folder that ends with it."""
    if os.getuid() != 0:
        print("1..0 # SKIP needs root for loop devices and mounts")
        sys.exit(0)
    folder = os.environ.get(INNER)
    if not folder:
        _keep()
    if own_udev():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "bootkeep-test", "/run"], check=True)
    return folder


def own_udev():
    return bool(os.environ.get(OWN_UDEV))
