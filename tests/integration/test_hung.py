#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scan that hangs, on a disk that does not respond or for any other reason, holds up only its own volume."""

import fcntl
import os
import re
import signal
import time

from lib import Skip, main, test
from lib.content import CACHE, COPIES, KERNEL, MANIFEST, OUTPUT, PACK, Gate, Volume, manifest
from lib.dbus import DBusError
from lib.deaf import DeafDisk, DeafFolder
from lib.disk import run

CONFIG = {"Watch": {"SettleSec": "1", "SettleMaxSec": "5", "ScanTimeoutSec": "2"}}
SOON = 15  # what waits for a disk that hangs waits for ever; a machine may just be slow


def assert_answers(daemon):
    """D-Bus calls are answered, whatever hangs."""
    slowest = 0.0
    for _ in range(50):
        began = time.monotonic()
        daemon.property("BusyVolumes")
        slowest = max(slowest, time.monotonic() - began)
    print(f"# D-Bus was answered after {slowest:.3f} s at most", flush=True)
    assert slowest < SOON, f"D-Bus was answered after {slowest:.3f} s"


def assert_served(daemon, other, view):
    """The bus is, and OTHER is watched and built."""
    assert_answers(daemon)
    builds = len(view.builds)
    other.write("/etc/initramfs.conf", f"changed for the time {builds}\n")
    assert view.wait_build(builds)[0] == 0
    view.wait_state("fresh")


def assert_stops_quickly(daemon):
    began = time.monotonic()
    daemon.signal(signal.SIGTERM)
    assert daemon.process.wait(20) == 0
    took = time.monotonic() - began
    daemon.stop(timeout=1)  # its log stays open as long as the hanging scan has it open
    assert took < SOON, f"it stopped after {took:.1f} s"


def child_of(daemon, volume, name="bootkeep-scan"):
    """The running scan of VOLUME, waited for from its very beginning, which nothing else would report."""
    deadline = time.monotonic() + 10
    children = f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children"
    while time.monotonic() < deadline:
        with open(children, encoding="ascii") as f:
            for pid in map(int, f.read().split()):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as line:
                        words = line.read().split(b"\0")
                except OSError:
                    continue
                if name.encode() in words[0] and volume.root.encode() in words:
                    return pid
    raise AssertionError(f"no {name}")


def deaf_volume(world):
    if not os.path.exists("/dev/fuse"):
        raise Skip("no FUSE")
    disk = DeafDisk(world)
    disk.mount()
    volume = Volume(world, disk)
    volume.populate()
    return volume


@test
def a_disk_that_does_not_respond_holds_up_only_its_volume(world):
    volume = deaf_volume(world)
    disk, other = volume.disk, world.volume(esps=0)
    # it has to stop responding before the scan begins
    daemon = world.daemon(config={"Watch": {"SettleSec": "4", "SettleMaxSec": "10", "ScanTimeoutSec": "2"}})
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    runs = volume.runs()

    def go_deaf(words):
        volume.write("/etc/initramfs.conf", words)
        disk.forget()
        disk.go_deaf()
        view.wait_state("hung")
        assert not view["Busy"], "it would hold up a reboot"

    go_deaf("written before the disk went deaf\n")
    assert_served(daemon, other, other_view)
    disk.answer_again()
    view.wait("taken back and built", lambda p: p.get("State") == "fresh" and volume.runs() > runs)
    assert volume.read(OUTPUT) == volume.packed()

    go_deaf("written before it went deaf again\n")
    assert_stops_quickly(daemon)
    daemon.start()
    view.wait_state("hung")
    other_view.wait_state("fresh")
    assert_served(daemon, other, other_view)
    disk.answer_again()
    view.wait("taken back and built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def lock_files_on_a_disk_that_does_not_respond_hold_up_only_scans(world):
    """Those of package managers are on the root disk. Once that hangs, every scan does, but the daemon touches none of them:
    it answers, feeds its watchdog, and still sees in /proc/locks that one is released."""
    root, other = deaf_volume(world), world.volume(esps=0)
    root.write("/frontend.lock", "")
    run("umount", root.root)  # or its folders stay in memory, with its journal
    root.disk.mount()
    watch = {**CONFIG["Watch"], "HoldWhileLocked": root.path("/frontend.lock"), "HoldWhileExists": root.path("/db.lck")}
    daemon = world.daemon(config={"Watch": watch}, prefix=["env", "WATCHDOG_USEC=2000000"])
    view = daemon.trusted(other)
    builds = len(view.builds)
    with open(root.path("/frontend.lock"), "rb+") as package_manager:
        fcntl.lockf(package_manager, fcntl.LOCK_EX)
        other.write("/etc/initramfs.conf", "held back\n")
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        root.disk.forget()
        root.disk.go_deaf()
        assert_answers(daemon)
        assert len(view.builds) == builds
    assert view.wait_build(builds)[0] == 0
    view.wait_state("hung")  # the scan after it
    daemon.call("Reload")
    fed = daemon.said.count("WATCHDOG=1")
    assert_answers(daemon)
    daemon.wait_said("WATCHDOG=1", times=fed + 2)
    root.disk.answer_again()
    view.wait_state("fresh")
    assert other.read(OUTPUT) == other.packed()


def assert_sources(world, volume, status, words=""):
    process = world.programs.ctl("sources", volume.name)
    assert process.returncode == status and words in process.stdout + process.stderr, (process.stdout, process.stderr)


@test
def who_asks_what_a_volume_is_made_from_that_does_not_respond_is_told_so(world):
    """However often: others that ask, and all that the daemon does for other volumes, go on."""
    volume, other = deaf_volume(world), world.volume(esps=0)
    daemon = world.daemon(config=CONFIG)
    daemon.trusted(volume)
    view = daemon.trusted(other)
    assert_sources(world, volume, 0, "/etc/initramfs.conf")
    volume.disk.forget()
    volume.disk.go_deaf()
    for _ in range(6):  # more than may ask at the same time
        assert_sources(world, volume, 1, f"{volume.name} is not responding")
    assert_sources(world, other, 0, "/etc/initramfs.conf")
    assert_served(daemon, other, view)
    assert_stops_quickly(daemon)
    daemon.start()
    hung = daemon.volume(volume.name).wait_state("hung")
    assert_sources(world, volume, 1, f"{volume.name} is not responding")
    volume.disk.answer_again()
    hung.wait_state("fresh")
    assert_sources(world, volume, 0, "/etc/initramfs.conf")


@test
def a_path_to_a_volume_that_does_not_respond_holds_up_only_that_volume(world):
    if not os.path.exists("/dev/fuse"):
        raise Skip("no FUSE")
    way = DeafFolder(world)
    disk = world.disk(esps=0)
    world.later(way.answer_again)
    disk.mountpoint = way.path
    disk.mount()
    volume = Volume(world, disk)
    volume.populate()
    other = world.volume(name="other", esps=0)
    daemon = world.daemon(config=CONFIG)
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    with open(volume.path("/etc/initramfs.conf"), "w", encoding="ascii") as f:
        way.go_deaf()
        f.write("written by a process that was there already\n")
    view.wait_state("hung")
    assert_served(daemon, other, other_view)
    way.answer_again()
    view.wait("taken back and built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def a_stopped_scan_holds_up_only_its_volume(world):
    volume, other = world.volume(name="slow", esps=0), world.volume(name="other", esps=0)
    for i in range(3000):
        volume.mkdir(f"/usr/lib/modules/{KERNEL}/d{i}")
    daemon = world.daemon(config=CONFIG)
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    volume.write("/etc/initramfs.conf", "written before\n")
    scan = child_of(daemon, volume)
    os.kill(scan, signal.SIGSTOP)
    view.wait_state("hung")
    assert_served(daemon, other, other_view)
    volume.write(f"/usr/lib/modules/{KERNEL}/d1500/file", "written while it was stopped\n")
    os.kill(scan, signal.SIGCONT)
    view.wait("taken back and built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())

    volume.write("/etc/initramfs.conf", "written before it is stopped again\n")
    scan = child_of(daemon, volume)
    os.kill(scan, signal.SIGSTOP)
    view.wait_state("hung")
    assert_stops_quickly(daemon)
    daemon.start()
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


def stop_in_the_tree(daemon, volume):
    """Has VOLUME scanned until a scan is stopped with a directory dN of the tree open, N > 0."""
    while True:
        daemon.signal(signal.SIGHUP)
        scan = child_of(daemon, volume)
        try:
            while os.kill(scan, 0) is None:
                for stop in (True, False):
                    opened = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{scan}/fd")]
                    if not any(re.search("/d0*[1-9][0-9]*$", path) for path in opened):
                        os.kill(scan, signal.SIGCONT)
                        break
                    if not stop:
                        return scan
                    os.kill(scan, signal.SIGSTOP)
        except OSError:
            pass  # it has exited, or closed what it had open: try again


@test
def a_change_behind_the_back_of_a_scan_is_seen(world):
    """The scan finds everything fresh, so that no build examines it again."""
    volume = world.volume(esps=0)
    for i in range(3000):
        volume.mkdir(f"/usr/lib/modules/{KERNEL}/d{i:04}")
    daemon = world.daemon(config=CONFIG)
    view = daemon.trusted(volume)
    for i in range(3):
        builds = len(view.builds)
        scan = stop_in_the_tree(daemon, volume)
        volume.write(f"/usr/lib/modules/{KERNEL}/d0000/file", f"{i}\n")
        os.kill(scan, signal.SIGCONT)
        assert view.wait_build(builds)[0] == 0
        view.wait_state("fresh")
        assert volume.read(OUTPUT) == volume.packed()


def assert_refused(error, function, *arguments):
    try:
        function(*arguments)
    except DBusError as e:
        assert error in str(e), e
    else:
        raise AssertionError(f"no {error}")


@test
def a_stopped_build_holds_up_only_its_volume(world):
    """It does not even hold up the single build slot, or a reboot."""
    volume, other = world.volume(name="slow", esps=1), world.volume(name="other", esps=0)
    gate = Gate(world)
    daemon = world.daemon(config=CONFIG)
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    volume.builder("wait", gate.script + PACK, "%r", "%i", "%o")
    volume.write(MANIFEST, manifest(CACHE.replace('"pack"', '"wait"'), COPIES))
    gate.await_builder()
    build = child_of(daemon, volume, "bootkeep-build")
    os.kill(build, signal.SIGSTOP)
    view.wait_state("hung")
    assert not view["Busy"] and "build" in view["StateReason"], view.properties
    for call in (("Scan", "s", volume.name), ("Rebuild", "su", volume.name, 1)):
        assert_refused("NotReady", daemon.call, *call)
    assert_served(daemon, other, other_view)
    assert daemon.call("Flush", "t", 10000000) == [[]]
    assert world.programs.ctl("reboot-lock", "--", "true").returncode == 0
    volume.write("/etc/initramfs.conf", "written while it was stopped\n")
    gate.open()
    os.kill(build, signal.SIGCONT)
    gate.await_builder()
    gate.open()
    view.wait("taken back and built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def a_hung_volume_that_is_unmounted_is_gone(world):
    volume = world.volume(esps=0)
    for i in range(3000):
        volume.mkdir(f"/usr/lib/modules/{KERNEL}/d{i}")
    daemon = world.daemon(config=CONFIG)
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "written\n")
    os.kill(child_of(daemon, volume), signal.SIGSTOP)
    view.wait_state("hung")
    run("umount", "-l", volume.root)
    view.wait_gone()
    volume.disk.mount()
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def a_volume_pulled_while_work_is_owed_on_it_holds_up_nothing(world):
    """The daemon holds its mount, and is the last to do so: whoever releases it writes back what is dirty."""
    volume = deaf_volume(world)
    other = world.volume(esps=0)
    daemon = world.daemon(config={"Watch": {"SettleSec": "60", "SettleMaxSec": "60"}})
    view, other_view = daemon.trusted(volume), daemon.trusted(other)
    volume.write("/etc/initramfs.conf", "not written back\n")
    view.wait_state("settling")
    volume.disk.go_deaf()
    run("umount", "-l", volume.root)
    view.wait_gone()
    daemon.configure(CONFIG)
    daemon.call("Reload")
    other_view.wait_state("fresh")
    assert_served(daemon, other, other_view)
    volume.disk.answer_again()
    volume.disk.mount()
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


main()
