#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""However many volumes there are, only so many are scanned at a time; each has its turn."""

import fcntl
import os
import threading
import time

from lib import main, test
from lib.content import OUTPUT
from lib.daemon import MANAGER, NAME, PATH
from lib.dbus import Connection
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


@test
def a_build_that_waits_for_another_one_holds_no_slot(world):
    """Another build of the same volume that the daemon did not start, nor any client of it."""
    one, other = (world.volume(name=name, esps=0) for name in ("one", "other"))
    daemon = world.daemon(config={"Build": {"MaxBuilds": "1"}})
    views = [daemon.trusted(volume) for volume in (one, other)]
    with open(one.path("/var/lib/bootkeep/lock"), "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        one.write("/etc/initramfs.conf", "for one\n")
        views[0].wait("waiting", lambda p: p["State"] == "building" and
                      p["StateReason"] == "waiting for another build of this volume")
        other.write("/etc/initramfs.conf", "for the other\n")
        views[1].wait("built", lambda p: other.read(OUTPUT) == other.packed() and p["State"] == "fresh")
        assert views[0]["State"] == "building" and one.read(OUTPUT) != one.packed()
    views[0].wait("built", lambda p: one.read(OUTPUT) == one.packed() and p["State"] == "fresh")


class Asking(threading.Thread):
    """A client that requests a scan as soon as it has the reply to the last one."""

    def __init__(self, world, volume):
        super().__init__(daemon=True)
        self.client = Connection(world.bus.path)
        self.volume = volume
        self.ends = False
        self.start()

    def run(self):
        while not self.ends:
            self.client.call(NAME, PATH, MANAGER, "Scan", "s", self.volume)

    def end(self):
        self.ends = True
        self.join(30)
        self.client.close()


@test
def clients_that_ask_for_scans_without_end_starve_nobody(world):
    slow_scans(world, 0.3)
    disks = mounted(world, 6)
    daemon = world.daemon(config={"Watch": {"MaxScans": "1"}})
    asking = [Asking(world, disk.volume.name) for disk in disks[:2]]  # one of them is always waited for
    for disk in disks[2:]:
        daemon.volume(disk.volume.name).wait_state("plain", timeout=20)
    assert all(a.is_alive() for a in asking)
    for one in asking:
        one.end()


main()
