#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why something failed is in the daemon's log, by volume, and in `status`, whoever ran it."""

import os
import re
import signal
import subprocess

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import MANAGER, NAME, PATH
from lib.dbus import Connection, DBusError
from lib.programs import NOBODY, environment, libexec, program

WAIT = 1
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}
KILLED = "kill -KILL $$\n"


class Holder:
    """The next in line for the lock: while it has the lock, the daemon builds nothing, so what was said stays."""

    def __init__(self, world, volume):
        self.volume = volume
        self.bus = Connection(world.bus.path)
        world.later(self.bus.close)
        self.call = None

    def get_in_line(self, view):
        self.call = self.bus.send(NAME, PATH, MANAGER, "LockVolume", "su", self.volume.name, WAIT)
        view.wait("in line", lambda p: p["LockWaiters"] == 1)

    def take(self):
        self.bus.finish(self.call or self.bus.send(NAME, PATH, MANAGER, "LockVolume", "su", self.volume.name, WAIT))

    def release(self, status, *reason):
        member, signature = ("UnlockVolumeWithReason", "sis") if reason else ("UnlockVolume", "si")
        self.bus.call(NAME, PATH, MANAGER, member, signature, self.volume.name, status, *reason)


def watched(world):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    return volume, daemon, daemon.trusted(volume)


def last_failure(world, volume):
    """What `status` shows."""
    out = world.programs.ctl("--no-pager", "status", volume.name).stdout
    found = re.search(r"Last failure: (.*)", out)
    return found[1] if found else None


def run_in_background(world, command):
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(command, env=environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    world.later(lambda: process.poll() is None and process.kill())
    return process


@test
def a_builder_killed_in_a_build_by_hand_is_the_reason(world):
    volume, daemon, view = watched(world)
    gate, next_one = Gate(world), Holder(world, volume)
    volume.builder("pack", gate.script + KILLED)
    volume.write("/etc/initramfs.conf", "for a builder that is killed\n")
    build = run_in_background(world, world.programs.build_command(volume))
    gate.await_builder()
    next_one.get_in_line(view)
    gate.open()
    assert build.wait(60) == 1
    next_one.take()
    said = daemon.wait_for(f"bootkeepd: {volume.name}: .*killed by SIGKILL")
    assert f"(PID {build.pid}) released its lock with status 1 and said: " in said, said
    view.wait("the reason", lambda p: p["Failures"] == 1 and said.endswith(p["LastFailure"]))
    assert last_failure(world, volume) == view["LastFailure"]


@test
def a_success_ends_what_failed(world):
    volume, daemon, view = watched(world)
    client = Holder(world, volume)
    client.take()
    client.release(1, "no room")
    daemon.wait_for("no room")
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]
    view.wait("forgotten", lambda p: p["Failures"] == 0 and p["LastFailure"] == "")
    assert last_failure(world, volume) is None


@test
def the_reason_of_the_daemons_own_build_is_shown(world):
    volume, daemon, view = watched(world)
    volume.builder("pack", KILLED)
    volume.write("/etc/initramfs.conf", "for a builder that is killed\n")
    mark = daemon.mark()
    world.programs.ctl("rebuild", volume.name)
    view.wait_state("failed")
    said = daemon.wait_for(f"{volume.name}: build failed: .*killed by SIGKILL", mark)
    assert said.endswith(view["LastFailure"]) and last_failure(world, volume) == view["LastFailure"], view.properties
    # it said so over the bus as well, when it released the lock
    assert not daemon.logged("released its lock", mark)


@test
def a_client_that_fails_while_our_own_build_starts_is_told(world):
    volume, daemon, view = watched(world)
    client, gate = Holder(world, volume), Gate(world)
    build = os.path.join(libexec(world), "bootkeep-build")
    os.unlink(build)
    with open(build, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\n{gate.script}exec {program("bootkeep-build")} "$@"\n')
    os.chmod(build, 0o755)
    volume.write("/etc/initramfs.conf", "for a build that comes second\n")
    run_in_background(world, [program("bootkeepctl"), "rebuild", volume.name])
    gate.await_builder()  # it runs, but has not asked for the lock
    client.take()
    client.release(1, "no room")
    daemon.wait_for(f"{volume.name}: .*released its lock with status 1 and said: no room")
    gate.open()
    view.wait_state("fresh")
    assert view["LastFailure"] == "" and view["Failures"] == 0, view.properties


@test
def a_build_that_is_put_off_hides_no_failure(world):
    volume, _, view = watched(world)
    volume.builder("pack", KILLED)
    volume.write("/etc/initramfs.conf", "for a builder that is killed\n")
    world.programs.ctl("rebuild", volume.name)
    failure = view.wait_state("failed")["LastFailure"]
    volume.builder("pack", "exit 75\n")
    world.programs.ctl("rebuild", volume.name)
    view.wait("put off", lambda p: p["LastBuildStatus"] == 75 and p["State"] == "stale")
    assert view["LastFailure"] == failure and view["Failures"] == 1, view.properties


@test
def a_build_by_hand_that_is_killed_is_told_by_the_daemon(world):
    volume, daemon, view = watched(world)
    gate, next_one = Gate(world), Holder(world, volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    build = run_in_background(world, [*world.programs.build_command(volume), "--force"])
    gate.await_builder()
    next_one.get_in_line(view)
    build.send_signal(signal.SIGKILL)
    build.wait()
    gate.open()
    next_one.take()
    said = daemon.wait_for(rf"{volume.name}: .*\(PID {build.pid}\) vanished and lost its lock")
    view.wait("the reason", lambda p: p["Failures"] == 1 and said.endswith(p["LastFailure"]))


@test
def a_command_under_the_lock_is_named(world):
    volume, daemon, _ = watched(world)
    lock = [program("bootkeepctl"), "lock", volume.name, "--", "sh", "-c"]
    for script, words in (("exit 3", "sh ended with status 3"), (KILLED, "sh ended with status 137, as after SIGKILL")):
        mark = daemon.mark()
        run_in_background(world, [*lock, script]).wait(60)
        said = daemon.wait_for(f"{volume.name}: .*released its lock", mark)
        assert said.endswith(f" and said: {words}"), said


@test
def a_client_cannot_forge_lines_or_fill_the_log(world):
    volume, daemon, view = watched(world)
    client, next_one = Holder(world, volume), Holder(world, volume)
    client.take()
    next_one.get_in_line(view)
    client.release(1, "a\nbootkeepd: sda: fresh\033[2J" + "x" * 100_000)
    next_one.take()
    said = daemon.wait_for("released its lock")
    assert r"said: a\x0abootkeepd: sda: fresh\x1b[2Jxxx" in said and said.endswith("x…") and len(said) < 1300, said
    view.wait("the same", lambda p: said.endswith(p["LastFailure"]))
    assert not daemon.logged("^bootkeepd: sda: fresh")


@test
def what_is_not_done_yet_is_no_failure(world):
    volume, daemon, view = watched(world)
    client = Holder(world, volume)
    client.take()
    client.release(75, "another time")
    daemon.wait_for(f"{volume.name}: .* released its lock with status 75 and said: another time")
    view.wait("free", lambda p: p["LockHolder"] == "")
    assert view["Failures"] == 0 and view["LastFailure"] == "", view.properties


@test
def only_the_holder_is_quoted(world):
    volume, daemon, view = watched(world)
    holder, other = Holder(world, volume), Holder(world, volume)
    holder.take()
    mark = daemon.mark()
    try:
        other.release(1, "a lie")
        raise AssertionError("another client released the lock")
    except DBusError as e:
        assert e.name.endswith(".NotHolder"), e.name
    call = ["busctl", f"--address={world.bus.address}", "call", NAME, PATH, MANAGER, "UnlockVolumeWithReason", "sis",
            volume.name, "1", "a lie"]
    process = subprocess.run([*NOBODY, *call], stderr=subprocess.PIPE, text=True, check=False, env=os.environ)
    assert process.returncode != 0 and "Access denied" in process.stderr, process.stderr
    view.wait("still held", lambda p: p["LockHolder"] == holder.bus.name)
    holder.release(0)
    view.wait("free", lambda p: p["LockHolder"] == "" and p["State"] == "fresh")
    assert not daemon.logged("a lie", mark) and view["Failures"] == 0


main()
