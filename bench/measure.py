# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the benchmarks share: a world of the integration tests on a tmpfs, and what the kernel knows of a process.

The programs come from the build folder in BOOTKEEP_BUILD, which should be one without sanitizers."""

import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("BOOTKEEP_BUILD", os.path.join(HERE, "..", "build"))
os.environ["TMPDIR"] = "/dev/shm"  # disks of memory: what is measured is not the disk
sys.path.insert(0, os.path.join(HERE, "..", "tests", "integration"))

# pylint: disable=wrong-import-position
from lib import World, enter, services
from lib.programs import BUILD


def in_world(function):
    """Calls FUNCTION(world) in the sandbox and exits."""
    folder = enter()
    with services.Udevd(), services.Bus(folder) as bus:
        world = World(folder, bus, "bench")
        try:
            function(world)
        finally:
            problems = world.leave()
    sys.exit("\n".join(problems) or 0)


class Process:
    """What a process has used since this was made."""

    def __init__(self, pid):
        self.pid = pid
        self.start = self._read()

    def _read(self):
        with open(f"/proc/{self.pid}/schedstat", encoding="ascii") as f:
            cpu = int(f.read().split()[0]) / 1e9
        with open(f"/proc/{self.pid}/status", encoding="ascii") as f:
            wakeups = next(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
            fields = f.read().rpartition(")")[2].split()
        children = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), cpu, wakeups, children

    def used(self):
        """(elapsed s, CPU s, wake-ups, CPU s of children that ended)."""
        return tuple(b - a for a, b in zip(self.start, self._read()))


def memory(pid):
    """(RSS, PSS) in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith("kB\n")}
    return sizes["Rss"], sizes["Pss"]


def inotifywait(folder):
    """A running `inotifywait -m -r -q` that has set up its watches."""
    process = subprocess.Popen(["inotifywait", "-m", "-r", folder], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "Watches established" in line:
            return process
    raise RuntimeError("inotifywait does not start")


def until_idle(pid):
    """Waits until PID has used no CPU for half a second."""
    while True:
        p = Process(pid)
        time.sleep(0.5)
        if p.used()[1] < 0.0002:
            return


def middle(values):
    return statistics.median(values)


def program(name):
    return os.path.join(BUILD, "bench", name)
