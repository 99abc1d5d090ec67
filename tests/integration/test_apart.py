#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon in a mount namespace of its own, as in its unit: it follows what the machine mounts, and is in nobody's way."""

import fcntl
import re
import subprocess

from lib import apart, main, test
from lib.content import OUTPUT, Volume
from lib.daemon import Daemon
from lib.dbus import DBusError
from lib.disk import is_free
from lib.services import OwnBus
from lib.systemd import NAME, Systemd

QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}}


def confined(world, before="", bus=None, **options):
    systemd = Systemd(world, bus)
    daemon = Daemon(world, arguments=[*systemd.arguments(), apart.TABLE], prefix=apart.prefix(before), **options)
    daemon.bus = bus or world.bus
    return systemd, daemon.start()


def another(world):
    disk = world.disk(name="another", esps=1)
    disk.mount()
    volume = Volume(world, disk)
    volume.populate()
    return volume


def built(view, volume):
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


def status_of(daemon, key):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return re.search(rf"^{key}:\s+(\S+)", f.read(), re.M)[1]


def umount(place):
    return subprocess.run(["umount", place], stderr=subprocess.PIPE, text=True, check=False).stderr


@test
def volumes_of_the_machine_are_kept_whenever_they_were_mounted(world):
    before = world.volume()
    systemd, daemon = confined(world)
    assert int(status_of(daemon, "CapBnd"), 16) == 1 << 2  # CAP_DAC_READ_SEARCH
    after = another(world)
    for volume in (before, after):
        view = daemon.trusted(volume)
        volume.write("/etc/initramfs.conf", "changed\n")
        built(view, volume)
    assert len({unit for unit, _ in systemd.asked}) == 2, systemd.asked


@test
def what_the_machine_mounts_anew_is_noticed(world):
    volume = world.volume()
    _, daemon = confined(world)
    view = daemon.trusted(volume)
    volume.disk.remount("ro")
    view.wait_gone()
    volume.disk.remount("rw")
    view.wait_state("fresh")
    for _ in range(2):  # mounted before it was started, and after
        daemon.call("Scan", "s", volume.name)
        assert umount(volume.root) == ""
        view.wait_gone()
        assert is_free(volume.disk.volume.node), "something still holds the file system"
        volume.disk.mount()
        view.wait_state("fresh")


@test
def a_busy_volume_is_not_unmounted(world):
    before = world.volume()
    _, daemon = confined(world, config=QUIET)
    after = another(world)
    for volume in (before, after):
        view = daemon.trusted(volume)
        volume.write("/etc/initramfs.conf", "changed\n")
        view.wait_state("settling")
        assert "busy" in umount(volume.root)
        daemon.call("Rebuild", "su", volume.name, 0)
        built(view, volume)
        assert umount(volume.root) == ""
        view.wait_gone()


@test
def stamps_that_are_mounted_on_themselves_are_not_covered(world):
    """So systemd mounts StateDirectory=, where that is on the volume."""
    volume = world.volume()
    world.programs.build(volume).expect(0)
    stamps = volume.path("/var/lib/bootkeep")
    systemd, daemon = confined(world, f"mount --bind {stamps} {stamps}\n")
    daemon.trusted(volume)
    assert not systemd.asked and volume.runs() == 1, systemd.asked


@test
def stamps_below_a_separate_var_are_opened_by_a_unit(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    subprocess.run(["mount", "-t", "tmpfs", "var", volume.path("/var")], check=True)
    world.first(lambda: subprocess.run(["umount", "-q", volume.path("/var")], check=False))
    systemd, daemon = confined(world)
    daemon.trusted(volume)
    assert volume.runs() == 1
    assert all("stamps" in unit for unit, _ in systemd.asked) and systemd.asked, systemd.asked


@test
def what_another_program_builds_is_handed_over_by_units(world):
    volume = world.volume()
    lock = world.path("frontend.lock")
    systemd, daemon = confined(world, config={"Watch": {"HoldWhileLocked": lock}})
    daemon.trusted(volume)
    runs, asked = volume.runs(), len(systemd.asked)
    with open(lock, "w", encoding="ascii") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        volume.write("/etc/initramfs.conf", "changed\n")
        cookies = [daemon.call("Begin", "sss", volume.name, "", "")[0] for _ in range(2)]
        volume.replace(OUTPUT, volume.packed())
        daemon.call("Done", "ti", cookies[0], 0)
    units = [unit for unit, _ in systemd.asked[asked:]]
    assert len(units) == 3 and all(":handover" in unit for unit in units), units
    assert daemon.call("Flush", "t", 60_000_000) == [[]]
    assert volume.runs() == runs, "it was built once more"


@test
def what_systemd_refuses_is_a_failure_with_its_reason(world):
    volume = world.volume()
    systemd, daemon = confined(world)
    view = daemon.trusted(volume)
    systemd.refusals[None] = (NAME + ".UnitMasked", "Unit is masked.")
    volume.write("/etc/initramfs.conf", "changed\n")
    said = "systemd does not build: Unit is masked. To undo that: systemctl unmask bootkeep-build@.service"
    view.wait("failed", lambda p: p.get("Failures") and said in p["StateReason"])
    try:
        daemon.call("Begin", "sss", volume.name, "", "")
        raise AssertionError("begun without anybody to record it")
    except DBusError as e:
        assert "Unit is masked." in e.message, e
    systemd.refusals.clear()
    built(view, volume)
    assert not daemon.logged("children of bootkeepd")


@test
def a_masked_unit_of_builders_is_a_failure_with_its_reason(world):
    volume = world.volume()
    systemd, daemon = confined(world)
    view = daemon.trusted(volume)
    runs = volume.runs()
    systemd.builder_refusal = (NAME + ".UnitMasked", "Unit is masked.")
    volume.write("/etc/initramfs.conf", "changed\n")
    said = "systemd does not build: Unit is masked. To undo that: systemctl unmask bootkeep-builder@.service"
    view.wait("failed", lambda p: p.get("Failures") and said in p["StateReason"])
    assert volume.runs() == runs
    systemd.builder_refusal = None
    built(view, volume)


def held_back(volume, daemon, mark):
    """A change that is noticed, and only that."""
    daemon.wait_for(f"{volume.name}: stale: .*; held back: not connected to the system bus", mark)


def bus_is_back(own, systemd, daemon, mark):
    own.restart()
    systemd.connect()
    daemon.wait_for("Connected to the system bus", mark)
    daemon.connect()
    assert len(daemon.logged("Cannot serve on the system bus.*nothing is built until it is back", mark)) == 1, daemon.lines


@test
def without_a_bus_changes_wait_and_are_built_when_it_is_back(world):
    own = OwnBus(world)
    volume = world.volume()
    systemd, daemon = confined(world, bus=own.bus, config={"Build": {"MaxFailures": "1"}})
    daemon.trusted(volume)
    for lost in (True, False):  # or never there
        asked, mark = len(systemd.asked), daemon.mark()
        if lost:
            own.kill()
        else:
            assert daemon.stop() == 0
            own.kill()
            daemon.launch()
        daemon.wait_for("Cannot serve on the system bus", mark)
        for text in ("changed\n", "again\n"):
            noticed = daemon.mark()
            volume.write("/etc/initramfs.conf", f"{lost} {text}")
            held_back(volume, daemon, noticed)
        assert len(systemd.asked) == asked and not daemon.logged("put off|failed", mark), daemon.lines
        if lost:
            daemon.connection.close()
        bus_is_back(own, systemd, daemon, mark)
        view = daemon.volume(volume.name)
        built(view, volume)
        assert view["Failures"] == 0, view.properties
    assert daemon.stop() == 0


main()
