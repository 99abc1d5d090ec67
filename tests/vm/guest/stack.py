#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes on devices that are made of others: device-mapper, which can be suspended as if its disk were gone, and a
mirror whose halves each have an ESP."""

import os
import signal
import subprocess
import time

from realdisk import RealDisk, RealPartition, real_volume

# pylint: disable=wrong-import-order
from lib import main, test
from lib.content import OUTPUT, Volume, assert_carries
from lib.disk import run
from lib.services import udev_settle

SUCCESS = 0
DEAF = {"Watch": {"SettleSec": "4", "SettleMaxSec": "10", "ScanTimeoutSec": "3"}}


class Stacked(RealPartition):
    """A device on top of a partition of DISK; its name is that of the kernel."""

    def __init__(self, disk, node):
        super().__init__(disk, 0, "linux")
        self.node = node
        self.name = os.path.basename(os.path.realpath(node))


def stacked_volume(world, disk, node):
    """Moves the OS volume of DISK to NODE, which is on top of it."""
    udev_settle()
    disk.volume = Stacked(disk, node)
    disk.volume.make_fs("ext4")
    disk.mount()
    volume = Volume(world, disk)
    volume.populate()
    return volume


def mirror(world, node, metadata, *members):
    run("mdadm", "--create", node, "--run", "--level=1", "--raid-devices=2", f"--metadata={metadata}", "--assume-clean",
        *members, stderr=subprocess.DEVNULL)
    world.later(lambda: (udev_settle(), run("mdadm", "--stop", node, stderr=subprocess.DEVNULL)))


def mirrored_volume(world, disks):
    mirror(world, "/dev/md0", "1.2", *[d.volume.node for d in disks])
    world.later(disks[0].remove)
    return stacked_volume(world, disks[0], "/dev/md0")


class Linear:
    """A linear device over the OS partition of DISK."""

    def __init__(self, world, disk):
        self.disk = disk
        self.name = "os"
        self.node = f"/dev/mapper/{self.name}"
        below = disk.volume.node
        sectors = run("blockdev", "--getsz", below, text=True).stdout.strip()
        run("dmsetup", "create", self.name, "--table", f"0 {sectors} linear {below} 0")
        world.later(self.remove)

    def forget(self):
        """Writes everything that is dirty and drops the caches, so that the next read goes to the disk."""
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3\n")

    def go_deaf(self):
        run("dmsetup", "suspend", "--noflush", "--nolockfs", self.name)

    def answer_again(self):
        run("dmsetup", "resume", self.name)

    def remove(self):
        self.answer_again()
        self.disk.remove()
        udev_settle()
        run("dmsetup", "remove", self.name)


def linear_volume(world):
    disk = RealDisk(world)
    linear = Linear(world, disk)
    return linear, stacked_volume(world, disk, linear.node)


def assert_served(daemon, other, view):
    """D-Bus is answered, and OTHER is watched and built. How soon is measured where the clock is real: test_hung.py."""
    began = time.monotonic()
    daemon.property("BusyVolumes")
    assert time.monotonic() - began < 60
    builds = len(view.builds)
    other.write("/etc/initramfs.conf", f"changed for the time {builds}\n")
    assert view.wait_build(builds, timeout=120)[0] == SUCCESS
    view.wait_state("fresh", timeout=120)


@test
def the_helpers_of_a_volume_on_device_mapper_are_those_of_the_disk_below(world):
    _, volume = linear_volume(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    assert sorted(h[0] for h in view["Helpers"]) == ["sda1", "sda2"]
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    assert daemon.stop(30) == 0


@test
def a_suspended_device_holds_up_only_its_volume(world):
    linear, volume = linear_volume(world)
    other = real_volume(world, name="sdb", esps=0)
    daemon = world.daemon(config=DEAF)
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    runs = volume.runs()

    def go_deaf(words):
        volume.write("/etc/initramfs.conf", words)
        linear.forget()
        linear.go_deaf()
        view.wait_state("hung", timeout=60)
        assert not view["Busy"], "it would hold up a reboot"

    def taken_back():
        linear.answer_again()
        view.wait("taken back and built", lambda p: p.get("State") == "fresh", timeout=120)
        assert volume.read(OUTPUT) == volume.packed()

    go_deaf("written before it was suspended\n")
    assert_served(daemon, other, other_view)
    taken_back()
    assert volume.runs() > runs

    go_deaf("written before it was suspended again\n")
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(30) == 0, "it waited for the disk"
    daemon.stop(timeout=1)
    daemon.start()
    view.wait_state("hung", timeout=60)
    other_view.wait_state("fresh", timeout=120)
    assert_served(daemon, other, other_view)
    taken_back()
    assert daemon.stop(30) == 0


@test
def both_halves_of_a_mirror_carry_everything(world):
    disks = [RealDisk(world, name=name, esps=1) for name in ("sda", "sdb")]
    volume = mirrored_volume(world, disks)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    assert sorted(h[0] for h in view["Helpers"]) == ["sda1", "sdb1"]
    for disk in disks:
        assert_carries(volume, disk.esp[0])
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    assert view.wait_build(builds, timeout=120)[0] == SUCCESS
    view.wait_state("fresh", timeout=120)
    for disk in disks:
        assert_carries(volume, disk.esp[0])
    assert daemon.stop(30) == 0


@test
def esps_that_are_halves_of_a_mirror_are_one_helper(world):
    """A half of it that was written alone would differ from the other, and the array would not know."""
    disks = [RealDisk(world, name=name, esps=1) for name in ("sda", "sdb")]
    halves = [d.esp[0] for d in disks]
    mirror(world, "/dev/md1", "1.0", *[h.node for h in halves])
    helper = Stacked(disks[0], "/dev/md1")
    helper.make_fat()
    volume = mirrored_volume(world, disks)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    assert [h[0] for h in view["Helpers"]] == ["md1"]
    assert_carries(volume, helper)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    assert view.wait_build(builds, timeout=120)[0] == SUCCESS
    view.wait_state("fresh", timeout=120)
    assert_carries(volume, helper)
    assert daemon.stop(30) == 0
    one, other = ({path: f.data for path, f in h.fat().items()} for h in halves)
    assert one == other == {path: f.data for path, f in helper.fat().items()}


main()
