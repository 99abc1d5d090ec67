#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""However many volumes there are, only so many are scanned at a time; each has its turn."""

import os
import time

from lib import main, test
from lib.programs import program

# Logs when a scan begins and ends, and hangs while a file with the name of the volume exists.
SCAN = """#!/bin/sh
for last; do :; done
echo "begin $last" >>{log}
while [ -e {hang}/"${{last##*/}}" ]; do sleep 0.1; done
sleep {takes}
{real} "$@"
status=$?
echo "end $last" >>{log}
exit $status
"""


def slow_scans(world, takes):
    """Has the daemon start scans that take so many seconds."""
    os.makedirs(world.path("libexec"))
    os.makedirs(world.path("hang"))
    path = world.path("libexec/bootkeep-scan")
    with open(path, "w", encoding="ascii") as f:
        f.write(SCAN.format(log=world.path("scans"), hang=world.path("hang"), takes=takes, real=program("bootkeep-scan")))
    os.chmod(path, 0o755)


def scans(world):
    with open(world.path("scans"), encoding="ascii") as f:
        return [line.split(maxsplit=1) for line in f.read().splitlines()]


def most_at_a_time(world):
    running = most = 0
    for what, _ in scans(world):
        running += 1 if what == "begin" else -1
        most = max(most, running)
    return most


def mounted(world, number):
    disks = [world.disk(name=f"disk{i}", esps=0, volume_mib=16) for i in range(number)]
    for disk in disks:
        disk.mount()
    return disks


@test
def many_volumes_are_scanned_a_few_at_a_time(world):
    slow_scans(world, 0.2)
    disks = mounted(world, 12)
    daemon = world.daemon(config={"Watch": {"MaxScans": "2"}})
    for disk in disks:
        daemon.volume(disk.volume.name).wait_state("plain")
    assert most_at_a_time(world) == 2, scans(world)
    assert sorted(w for what, w in scans(world) if what == "end") == sorted(d.mountpoint for d in disks)
    daemon.configure({"Watch": {"MaxScans": "5"}})
    daemon.call("Reload")
    assert daemon.call("Flush", "t", 20000000) == [[]]
    daemon.call("LockReboot", "u", 1)  # every volume is scanned, whatever the slots
    assert most_at_a_time(world) in (3, 4, 5), scans(world)


@test
def a_scan_that_hangs_holds_no_slot(world):
    slow_scans(world, 0)
    disks = mounted(world, 4)
    hang = world.path("hang/" + os.path.basename(disks[0].mountpoint))
    with open(hang, "w", encoding="ascii"):
        pass
    daemon = world.daemon(config={"Watch": {"MaxScans": "1", "ScanTimeoutSec": "1"}})
    for disk in disks[1:]:
        daemon.volume(disk.volume.name).wait_state("plain")
    daemon.volume(disks[0].volume.name).wait_state("hung")
    daemon.call("LockReboot", "u", 1)
    os.unlink(hang)
    daemon.volume(disks[0].volume.name).wait_state("plain")


@test
def a_scan_that_somebody_waits_for_comes_first(world):
    slow_scans(world, 0.5)
    disks = mounted(world, 8)
    daemon = world.daemon(config={"Watch": {"MaxScans": "1"}})
    began = time.monotonic()
    assert daemon.call("Scan", "s", disks[-1].volume.name) == ["plain"]
    took = time.monotonic() - began
    ended = [w for what, w in scans(world) if what == "end"]
    assert disks[-1].mountpoint in ended and len(ended) <= 4, f"{took} {scans(world)}"


main()
