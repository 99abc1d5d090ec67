#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What bootkeepd depends on fails, hangs, floods it, or goes away at the wrong moment. Nobody is left waiting, nothing
is left behind, and it carries on when that is over."""

import os
import select
import signal
import subprocess
import sys
import time

from lib import Skip, main, test
from lib.content import MANIFEST, PACK, Gate, Volume, cache, manifest
from lib.daemon import Daemon
from lib.dbus import Connection, DBusError
from lib.disk import kernel_has, run
from lib.services import OwnBus

FAILED = "org.bootkeep1.Error.BuildFailed"
NOT_READY = "org.bootkeep1.Error.NotReady"

FLOOD = """
import sys
from lib.dbus import Connection
bus = Connection(sys.argv[1])
print("floods", flush=True)
while True:
    calls = [bus.send("org.bootkeep1", "/org/bootkeep1", "org.freedesktop.DBus.Properties", "GetAll", "s",
                      "org.bootkeep1.Manager") for _ in range(200)]
    for call in calls:
        bus.finish(call, 60)
"""


class Program:
    """One of the two programs that the daemon starts, replaced by a script or removed."""

    def __init__(self, world, name):
        self.path = world.path(f"libexec/{name}")
        self.real = os.readlink(self.path)

    def replace(self, script):
        self.remove()
        with open(self.path, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{script}\n")
        os.chmod(self.path, 0o755)

    def remove(self):
        if os.path.lexists(self.path):
            os.unlink(self.path)

    def restore(self):
        self.remove()
        os.symlink(self.real, self.path)


def error_of(call):
    """The name of the error that CALL ends with."""
    try:
        call()
    except DBusError as e:
        return e.name
    raise AssertionError("no error")


def children(daemon):
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        return [int(pid) for pid in f.read().split()]


def await_end_of(pids, timeout=30):
    """Waits for processes to exit, whether reaped or not."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        assert select.select([fd], [], [], timeout)[0], f"{pid} does not end"
        os.close(fd)


def send(daemon, member, signature, *arguments):
    """A call whose reply is waited for later, by `finish` of its connection."""
    return daemon.connection.send("org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", member, signature,
                                  *arguments)


@test
def calls_are_answered_where_no_scan_can_be_started(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    scan.remove()
    assert daemon.call("Scan", "s", volume.name, timeout=10) == ["failed"]
    assert "bootkeep-scan" in view["StateReason"], view.properties
    assert error_of(lambda: daemon.call("Rebuild", "su", volume.name, 0, timeout=10)) == FAILED
    scan.restore()
    daemon.call("Rebuild", "su", volume.name, 1)
    assert volume.runs() == 2


@test
def calls_are_answered_where_no_build_can_be_started(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "30"}})
    view = daemon.trusted(volume)
    build = Program(world, "bootkeep-build")
    build.remove()
    mark = daemon.mark()
    assert error_of(lambda: daemon.call("Rebuild", "su", volume.name, 1, timeout=10)) == FAILED
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("failed")
    daemon.wait_for("build failed: .*bootkeep-build", mark)
    build.restore()
    daemon.call("Rebuild", "su", volume.name, 0)
    view.wait_state("fresh")


@test
def calls_are_answered_when_their_scan_hangs(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"ScanTimeoutSec": "1"}})
    view = daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    gate = Gate(world)
    scan.replace(f'{gate.script}exec {scan.real} "$@"')
    calls = [send(daemon, "Scan", "s", volume.name), send(daemon, "Rebuild", "su", volume.name, 0)]
    gate.await_builder()
    for call in calls:
        assert error_of(lambda c=call: daemon.connection.finish(c, 15)) == NOT_READY
    view.wait_state("hung")
    scan.restore()
    gate.open()
    view.wait_state("fresh")


@test
def distrust_ends_a_rebuild_that_waits_for_its_turn(world):
    volumes = [world.volume(name=f"v{i}") for i in range(2)]
    gate = Gate(world)
    daemon = world.daemon(config={"Build": {"MaxBuilds": "1"}})
    first, second = [daemon.trusted(v) for v in volumes]
    volumes[0].builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volumes[0].write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    waiting = send(daemon, "Rebuild", "su", second.name, 1)
    second.wait_state("stale")
    daemon.call("Distrust", "s", second.name)
    assert error_of(lambda: daemon.connection.finish(waiting, 10)) == NOT_READY
    gate.open()
    first.wait_state("fresh")


@test
def thousands_of_waiting_calls_are_all_answered(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    gate = Gate(world)
    scan.replace(f'{gate.script}exec {scan.real} "$@"')
    clients = [Connection(world.bus.path) for _ in range(30)]
    calls = [(c, c.send("org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", "Scan", "s", volume.name))
             for _ in range(100) for c in clients]  # as many for each as the bus allows
    gate.await_builder()
    scan.restore()
    gate.open()
    answers = [client.finish(call, 60) for client, call in calls]
    for client in clients:
        client.close()
    assert len(answers) == 3000 and {a[0] for a in answers} == {"fresh"}


@test
def a_build_that_is_killed_counts_once(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon(config={"Build": {"RetrySec": "1h"}})
    view = daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    for i in range(1, 4):
        volume.write("/etc/initramfs.conf", f"{i}\n")
        gate.await_builder()
        view.wait("locked by its build", lambda p: p["LockHolder"])
        os.kill(children(daemon)[0], signal.SIGKILL)
        gate.open()  # the builder outlives it
        # the bus has reported the end of the killed one, too
        view.wait("failed", lambda p: not p["LockHolder"] and p["State"] == "failed")
        assert view["Failures"] == i, view.properties
    assert not daemon.logged("vanished and lost its lock")
    assert len(daemon.logged("build failed: bootkeep-build was terminated by signal 9")) == 3


@test
def a_build_that_succeeds_but_leaves_the_volume_stale_says_why(world):
    volume = world.volume(esps=0)
    volume.builder("one", "echo 1 >$1\n", "%o")
    volume.builder("two", "echo 2 >$1/boot/two; rm $1/boot/one\n", "%r")
    volume.write(MANIFEST, manifest(cache("one", "one", "/etc/initramfs.conf", "/boot/one"),
                                    cache("two", "two", "/etc/initramfs.conf", "/boot/two")))
    daemon = world.daemon(config={"Build": {"RetrySec": "1h"}})
    view = daemon.volume(volume.name).wait_state("untrusted")
    daemon.call("Trust", "s", volume.name)
    view.wait_state("failed")
    assert view["StateReason"].startswith("still stale: cache one: /boot/one is missing"), view.properties
    daemon.wait_for("build failed: still stale: cache one: /boot/one is missing")


@test
def nothing_remains_of_a_volume_that_went_away_during_its_build(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    build = children(daemon)
    assert len(build) == 1, build
    run("umount", "-l", volume.root)
    view.wait_gone()
    await_end_of(build)
    daemon.property("Version")
    assert not children(daemon), "not reaped"


@test
def nothing_remains_of_a_volume_that_went_away_during_its_scan(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    gate = Gate(world)
    scan.replace(f'{gate.script}exec {scan.real} "$@"')
    waiting = send(daemon, "Scan", "s", volume.name)
    gate.await_builder()
    pids = children(daemon)
    volume.disk.umount()
    view.wait_gone()
    assert error_of(lambda: daemon.connection.finish(waiting, 10)) == "org.bootkeep1.Error.NoSuchVolume"
    await_end_of(pids)
    daemon.property("Version")
    assert not children(daemon), "not reaped"
    scan.restore()
    volume.disk.mount()
    view.wait_state("fresh")


@test
def a_volume_that_comes_back_while_its_old_build_runs_is_built_after_it(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.builder("pack", "trap '' TERM\n" + gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    old = children(daemon)
    run("umount", "-l", volume.root)
    view.wait_gone()
    volume.builder("pack", PACK, "%r", "%i", "%o")
    volume.disk.mount()
    view.wait("known again", bool)
    gate.open()
    await_end_of(old, 60)
    view.wait("built", lambda p: p.get("State") == "fresh", timeout=60)
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def a_flood_of_calls_does_not_hold_up_a_build(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    tests = os.path.dirname(os.path.realpath(__file__))
    floods = [subprocess.Popen([sys.executable, "-c", FLOOD, world.bus.path], cwd=tests, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL) for _ in range(4)]
    try:
        for flood in floods:
            flood.stdout.readline()
        volume.write("/etc/initramfs.conf", "in the flood\n")
        daemon.wait_for(f"{volume.name}: built", timeout=30)
    finally:
        for flood in floods:
            flood.kill()
            flood.wait()
            flood.stdout.close()
    view.wait("built", lambda p: volume.runs() == 2 and p.get("State") == "fresh")


@test
def children_that_print_endlessly_hold_up_nothing(world):
    volume, other = world.volume(name="talks"), world.volume(name="other")
    daemon = world.daemon(config={"Build": {"MaxBuilds": "2", "RetrySec": "1h"}})
    view, quiet = daemon.trusted(volume), daemon.trusted(other)
    scan, build = Program(world, "bootkeep-scan"), Program(world, "bootkeep-build")
    talks = [f"yes '{line}'" for line in ("CACHE a b fresh", "WATCHES 5", "nonsense")] + ["cat /dev/zero"]
    for talk in talks:
        scan.replace(f'for last; do :; done; case $last in {volume.root}) exec {talk};; esac\n'
                     f'exec {scan.real} "$@"')
        waiting = send(daemon, "Scan", "s", volume.name)
        assert daemon.call("Scan", "s", other.name, timeout=20) == ["fresh"]
        assert daemon.connection.finish(waiting, 60) == ["failed"], talk
    scan.restore()
    daemon.call("Scan", "s", volume.name)
    view.wait_state("fresh")
    build.replace(f'for last; do :; done; case $last in {volume.root}) exec yes "PROGRESS 1 2";; esac\n'
                  f'exec {build.real} "$@"')
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("building")
    runs = other.runs()  # of both volumes: the builder is the same
    other.write("/etc/initramfs.conf", "another\n")
    quiet.wait("built", lambda p: other.runs() > runs and p.get("State") == "fresh")
    os.kill(children(daemon)[0], signal.SIGKILL)
    view.wait_state("failed")
    build.restore()


@test
def failed_scans_are_tried_again_even_after_giving_up(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "10ms"}})
    view = daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    scan.replace("exit 4")
    volume.write("/etc/initramfs.conf", "nobody saw this\n")
    view.wait_state("given-up")
    assert view["Busy"] is False
    scan.restore()  # no event reports it, and there is no telling what is still armed
    view.wait("built", lambda p: volume.runs() == 2 and p.get("State") == "fresh")


@test
def when_the_bus_goes_away_it_keeps_building_and_reconnects_later(world):
    own = OwnBus(world)
    volume = world.volume()
    daemon = Daemon(world)
    daemon.bus = own.bus
    daemon.start()
    daemon.trusted(volume)
    waiting = Program(world, "bootkeep-scan")
    gate = Gate(world)
    waiting.replace(f'{gate.script}exec {waiting.real} "$@"')
    send(daemon, "Scan", "s", volume.name)
    gate.await_builder()
    own.kill()  # the waiter is gone with it
    waiting.restore()
    mark = daemon.mark()
    gate.open()
    volume.write("/etc/initramfs.conf", "without a bus\n")
    daemon.wait_for(f"{volume.name}: built", mark)
    own.restart()
    daemon.wait_for("Connected to the system bus", mark)
    daemon.connection.close()
    daemon.connect()
    daemon.volume(volume.name).wait_state("fresh")
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]
    daemon.stop()


@test
def without_a_bus_it_becomes_ready_and_works(world):
    own = OwnBus(world)
    volume = world.volume()
    daemon = Daemon(world)
    daemon.bus = own.bus
    own.kill()
    daemon.launch()
    daemon.wait_ready()
    daemon.wait_for(f"{volume.name}: not trusted")
    own.restart()
    daemon.wait_for("Connected to the system bus")
    daemon.connect()
    daemon.trusted(volume)
    assert daemon.said.count("READY=1") == 1, daemon.said
    daemon.stop()


@test
def waiters_do_not_get_the_lock_when_the_bus_goes_away(world):
    own = OwnBus(world)
    volume = world.volume()
    daemon = Daemon(world)
    daemon.bus = own.bus
    daemon.start()
    view = daemon.trusted(volume)
    clients = [Connection(own.bus.path) for _ in range(4)]
    for client in clients:
        client.send("org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", "LockVolume", "su", volume.name, 1)
    view.wait("three in line", lambda p: p["LockWaiters"] == 3)
    own.kill()
    own.restart()
    daemon.wait_for("Connected to the system bus")
    for client in clients:
        client.close()
    daemon.connection.close()
    daemon.connect()
    daemon.volume(volume.name).wait("free", lambda p: p.get("State") == "fresh" and not p["LockHolder"])
    assert len(daemon.logged("vanished and lost its lock")) == 1
    daemon.stop()


@test
def a_bus_that_does_not_respond_delays_neither_work_nor_exit(world):
    own = OwnBus(world)
    volume = world.volume()
    daemon = Daemon(world)
    daemon.bus = own.bus
    daemon.start()
    view = daemon.trusted(volume)
    assert view["State"] == "fresh"
    own.bus.process.send_signal(signal.SIGSTOP)
    mark = daemon.mark()
    volume.write("/etc/initramfs.conf", "another\n")
    daemon.wait_for(f"{volume.name}: built", mark, timeout=60)
    daemon.connection.socket.close()
    daemon.connection = None
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 15


@test
def a_bus_that_never_greets_delays_neither_start_nor_exit(world):
    own = OwnBus(world)
    volume = world.volume()
    own.bus.process.send_signal(signal.SIGSTOP)
    daemon = Daemon(world)
    daemon.bus = own.bus
    daemon.launch()
    daemon.wait_for(f"{volume.name}: not trusted")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 15


@test
def reloads_during_a_build_do_not_disturb_it(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    for _ in range(20):
        daemon.signal(signal.SIGHUP)
    for _ in range(20):
        daemon.call("Reload")
    assert view["State"] == "building"
    gate.open()
    view.wait_state("fresh")
    assert volume.runs() == 2


@test
def sigterm_during_a_scan_ends_it_at_once(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    scan = Program(world, "bootkeep-scan")
    gate = Gate(world)
    scan.replace(f"trap '' TERM\n{gate.script}exit 0")
    send(daemon, "Scan", "s", volume.name)
    gate.await_builder()
    pids = children(daemon)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 15
    await_end_of(pids)
    assert not daemon.logged("failed")


@test
def volumes_with_names_that_are_not_utf8_can_be_addressed(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(fs="btrfs", volume_mib=128)
    disk.mount()
    run("btrfs", "subvolume", "create", os.fsencode(disk.mountpoint) + b"/@\xff")
    disk.umount()
    run("mount", "-o", b"subvol=@\xff", disk.volume.node, disk.mountpoint)
    volume = Volume(world, disk)
    volume.populate()
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    daemon = world.daemon()
    shown = f"{disk.volume.name}[/@?]"
    view = daemon.volume(shown)
    view.wait_state("untrusted")
    # addressed by its node: its name cannot be sent over the bus
    assert error_of(lambda: daemon.call("Rebuild", "su", disk.volume.node, 0, timeout=10)) == NOT_READY
    daemon.call("Trust", "s", disk.volume.node)
    gate.await_builder()
    assert daemon.property("BusyVolumes") == [shown]
    assert daemon.call("Flush", "t", 1000, timeout=10) == [[shown]]
    gate.open()
    view.wait_state("fresh")


@test
def volumes_with_huge_reports_do_not_cost_the_bus_connection(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    daemon = world.daemon()
    with open(world.path("said"), "w", encoding="ascii") as f:
        f.writelines(f"CACHE {'x' * 1000}{i} - fresh\n" for i in range(4000))
    Program(world, "bootkeep-scan").replace(f"cat {world.path('said')}")
    disk = world.disk(fs="btrfs", esps=0, volume_mib=128)
    disk.volume.shell("for i in $(seq 10); do btrfs subvolume create $i >/dev/null; done")
    for i in range(1, 11):
        os.mkdir(world.path(f"{i}"))
        disk.mount(f"subvol={i}", at=world.path(f"{i}"))
        world.later(lambda at=world.path(f"{i}"): disk.umount(at=at))
    for i in range(1, 11):
        daemon.volume(f"{disk.volume.name}[/{i}]").wait_state("untrusted")
    client = Connection(world.bus.path)
    objects = client.call("org.bootkeep1", "/org/bootkeep1", "org.freedesktop.DBus.ObjectManager",
                          "GetManagedObjects", timeout=60)[0]
    client.close()
    caches = [len(o["org.bootkeep1.Volume"]["Caches"]) for p, o in objects.items() if "/volume/" in p]
    assert len(caches) >= 10 and 4000 in caches and 0 in caches, caches
    daemon.wait_for("leaving out its caches and helpers")


@test
def a_caller_that_floods_and_vanishes_leaves_nothing_behind(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    for _ in range(5):
        client = Connection(world.bus.path)
        for _ in range(100):
            client.send("org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", "Scan", "s", volume.name)
        client.close()
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]
    view.wait_state("fresh")
    await_end_of(children(daemon))
    daemon.property("Version")
    assert not children(daemon)


main()
