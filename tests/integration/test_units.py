#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds in units of their own: systemd starts them, a daemon that is restarted adopts them; where systemd does not start
them, they are children."""

import fcntl
import os
import signal

from lib import main, test
from lib.content import OUTPUT, PACK, Gate, assert_carries
from lib.dbus import Connection, DBusError
from lib.systemd import NAME, Systemd

MASKED = (NAME + ".UnitMasked", "Unit is masked.")
DESTRUCTIVE = (NAME + ".TransactionIsDestructive", "Transaction is destructive.")


def unit_of(volume):
    escaped = "".join(c if c.isalnum() or c in ":_." else f"\\x{ord(c):02x}" for c in volume.name)
    return f"bootkeep-build@{escaped}.service"


def folders(systemd):
    return os.listdir(systemd.runtime + "/builds")


def gated(world, systemd):
    """A daemon with a fresh volume, and a gate at which the next build waits."""
    volume = world.volume()
    daemon = world.daemon(arguments=systemd.arguments())
    view = daemon.trusted(volume)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    return volume, daemon, view, gate


def changed(volume, gate, text):
    volume.write("/etc/initramfs.conf", text)
    gate.await_builder()


def carries(volume):
    assert volume.read(OUTPUT) == volume.packed()
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


def lock_of(view):
    """The connection and the process that hold the lock; both are shown with some delay."""
    found = view.wait("locked", lambda p: p.get("LockHolder")).properties
    return found["LockHolder"], found["LockHolderPID"]


def parent(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return int(f.read().rsplit(")", 1)[1].split()[1])


def is_child(daemon, pid):
    return parent(pid) == daemon.process.pid


@test
def systemd_runs_the_builds_of_a_service(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    builds = len(view.builds)
    changed(volume, gate, "in a unit\n")
    assert systemd.asked[-1] == (unit_of(volume), "replace"), systemd.asked
    assert not is_child(daemon, systemd.unit().pid)
    assert lock_of(view)[1] == systemd.unit().pid
    gate.open()
    assert view.wait_build(builds)[0] == 0
    view.wait_state("fresh")
    carries(volume)
    assert not folders(systemd)


@test
def a_killed_daemon_adopts_its_build_with_its_lock(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    runs = volume.runs()
    changed(volume, gate, "adopted\n")
    holder, pid = lock_of(view)
    assert pid == systemd.unit().pid
    daemon.kill()
    mark = daemon.mark()
    daemon.start()
    daemon.wait_for(f"{volume.name}: still building, begun \\d+ s ago")
    view.wait_state("building")
    assert not daemon.logged(f"{volume.name}: building", mark), daemon.lines
    assert lock_of(view) == (holder, pid), view.properties
    try:
        daemon.call("LockVolume", "su", volume.name, 0)
        raise AssertionError("two clients hold the lock")
    except DBusError as e:
        assert e.name == "org.bootkeep1.Error.Busy" and holder in e.message, e
    assert systemd.unit().pid == pid
    gate.open()
    assert view.wait_build(0)[0] == 0
    view.wait_state("fresh")
    carries(volume)
    assert volume.runs() == runs + 1
    view.wait("free", lambda p: not p.get("LockHolder"))
    assert view["Failures"] == 0, view.properties
    assert not folders(systemd)


def builder_of(pid):
    """The process of the builder below that of bootkeep-builder@.service."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        nanny, = f.read().split()
    with open(f"/proc/{nanny}/task/{nanny}/children", encoding="ascii") as f:
        return int(f.read())


@test
def builders_run_in_a_unit_beside_the_build(world):
    systemd = Systemd(world)
    volume, _, view, gate = gated(world, systemd)
    volume.builder("pack", gate.script + "echo said by the builder\n" + PACK, "%r", "%i", "%o")
    changed(volume, gate, "beside\n")
    assert parent(systemd.builders[-1].pid) == os.getpid() != systemd.unit().pid
    assert builder_of(systemd.builders[-1].pid)
    with open(f"/proc/{systemd.unit().pid}/task/{systemd.unit().pid}/children", encoding="ascii") as f:
        assert not f.read()  # the build itself runs nothing
    gate.open()
    view.wait_state("fresh")
    carries(volume)
    assert systemd.builders[-1].wait(60) == 0


@test
def a_builder_goes_with_its_build_which_is_locked_until_then(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    daemon.stop()
    volume.builder("pack", gate.script + "trap '' TERM; sleep 1; echo >>$1/late\n" + PACK, "%r", "%i", "%o")
    daemon.start()
    changed(volume, gate, "to be killed\n")
    host, builder = systemd.builders[-1], builder_of(systemd.builders[-1].pid)
    os.kill(host.pid, signal.SIGSTOP)  # it does not know yet
    systemd.unit().kill()
    systemd.await_none()
    with open(volume.path("/var/lib/bootkeep/lock"), "rb") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            raise AssertionError("another build would begin beside the old builder")
        except BlockingIOError:
            pass
    os.kill(host.pid, signal.SIGCONT)
    assert host.wait(60) == 0
    assert not os.path.exists(f"/proc/{builder}")
    gate.await_builder()  # tried again
    gate.open()
    view.wait_state("fresh")
    carries(volume)


@test
def when_the_unit_of_the_builders_is_killed_the_build_says_so(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    changed(volume, gate, "alone\n")
    mark = daemon.mark()
    systemd.builders[-1].kill()
    daemon.wait_for(rf"builder pack was killed with {unit_of(volume).replace('-build@', '-builder@')} \(signal\)", mark)
    gate.await_builder()  # tried again
    gate.open()
    view.wait_state("fresh")
    carries(volume)


@test
def without_the_unit_of_the_builders_builds_are_children(world):
    systemd = Systemd(world)
    systemd.builder_refusal = MASKED
    volume, daemon, view, gate = gated(world, systemd)
    for text in ("masked\n", "masked again\n"):
        changed(volume, gate, text)
        assert is_child(daemon, lock_of(view)[1])
        gate.open()
        view.wait("carried", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())
    carries(volume)
    assert len(daemon.logged("children of bootkeepd.*Unit is masked.*unmask bootkeep-builder@.service")) == 1, daemon.lines
    assert not systemd.running and not systemd.builders and not folders(systemd)
    assert view["Failures"] == 0, view.properties


@test
def an_adopted_build_that_is_killed_is_one_failure(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    changed(volume, gate, "adopted and killed\n")
    daemon.kill()
    daemon.start()
    view.wait_state("building")
    mark = daemon.mark()
    systemd.unit().kill()
    assert view.wait_build(0)[0] == 128 + 9
    daemon.wait_for("terminated by signal 9", mark)
    gate.await_builder()  # tried again
    gate.open()
    view.wait_state("fresh")
    carries(volume)
    assert not daemon.logged("vanished", mark), daemon.logged("vanished", mark)


@test
def what_takes_the_end_of_a_build_as_well_is_named(world):
    """The OOM killer may take all of a unit, with the ExecStopPost= that would tell."""
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    systemd.out_of_memory = True
    for adopted in (False, True):
        changed(volume, gate, f"too much, {adopted}\n")
        if adopted:
            daemon.kill()
            daemon.start()
            view.wait_state("building")
        builds, mark = len(view.builds), daemon.mark()
        systemd.unit().kill()
        assert view.wait_build(builds)[0] == 128 + 9
        daemon.wait_for("ran out of memory", mark)
        assert not daemon.logged("nobody said how"), daemon.logged("nobody said how")
        gate.await_builder()  # tried again
        gate.open()
        view.wait_state("fresh")
        carries(volume)


@test
def a_build_that_ended_meanwhile_is_concluded(world):
    systemd = Systemd(world)
    volume, daemon, view, gate = gated(world, systemd)
    runs = volume.runs()
    changed(volume, gate, "concluded\n")
    assert daemon.stop() == 0
    assert systemd.unit().poll() is None  # it goes on
    gate.open()
    systemd.await_none()
    assert folders(systemd)
    daemon.start()
    daemon.wait_for(f"{volume.name}: the build that an earlier bootkeepd began has ended")
    view.wait("concluded", lambda p: p.get("LastBuildEnd") and p["LastBuildStatus"] == 0)
    view.wait_state("fresh")
    carries(volume)
    assert volume.runs() == runs + 1
    assert not folders(systemd)


@test
def what_systemd_refuses_is_a_child_and_that_is_said_once(world):
    systemd = Systemd(world)
    systemd.refusals[None] = MASKED
    volume, daemon, view, gate = gated(world, systemd)
    for text in ("masked\n", "masked again\n"):
        changed(volume, gate, text)
        assert is_child(daemon, lock_of(view)[1])
        gate.open()
        view.wait("carried", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())
    carries(volume)
    assert len(daemon.logged("children of bootkeepd.*Unit is masked")) == 1, daemon.logged("children")
    assert not systemd.running and not folders(systemd)
    systemd.refusals.clear()
    changed(volume, gate, "a unit again\n")
    assert not is_child(daemon, lock_of(view)[1])
    gate.open()
    view.wait("carried", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def without_systemd_builds_are_children(world):
    systemd = Systemd(world)
    systemd.bus.close()
    systemd.bus = Connection(world.bus.path)
    volume, daemon, view, gate = gated(world, systemd)
    changed(volume, gate, "no systemd\n")
    assert is_child(daemon, lock_of(view)[1])
    gate.open()
    view.wait("carried", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())
    assert len(daemon.logged("children of bootkeepd")) == 1, daemon.lines


@test
def while_the_system_goes_down_dependencies_are_ignored(world):
    systemd = Systemd(world)
    volume, _, view, gate = gated(world, systemd)
    systemd.refusals["replace"] = DESTRUCTIVE
    changed(volume, gate, "going down\n")
    assert systemd.asked[-2:] == [(unit_of(volume), "replace"), (unit_of(volume), "ignore-dependencies")]
    gate.open()
    view.wait("carried", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


@test
def garbage_in_the_folder_of_builds_harms_nobody(world):
    systemd = Systemd(world)
    volume = world.volume()
    place = os.path.join(systemd.runtime, "builds", unit_of(volume)[len("bootkeep-build@"):-len(".service")])
    os.makedirs(place)
    for name, text in (("report", b"\0\xff nonsense\n" * 1000), ("end", b"\xff" * 70000), ("arguments", b"--force")):
        with open(os.path.join(place, name), "wb") as f:
            f.write(text)
    world.daemon(arguments=systemd.arguments()).trusted(volume)
    carries(volume)


main()
