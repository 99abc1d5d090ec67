#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""logind's inhibitors, and what is done when it announces a shutdown; and a logind that behaves badly."""

import os
import signal
import time

from lib import main, test
from lib.content import OUTPUT, PACK, Gate, assert_carries
from lib.daemon import PATH
from lib.dbus import Connection, DBusError
from lib.logind import MANAGER as LOGIND_MANAGER
from lib.logind import NAME as LOGIND
from lib.logind import PATH as LOGIND_PATH
from lib.logind import Logind

BUS = "org.freedesktop.DBus"
SLOW = {"Watch": {"SettleSec": "600", "SettleMaxSec": "1200"}}
IDLE = "nothing is owed"
GOING, STAYING = "The system is about to go down", "does not go down after all"
WITHOUT = "nothing delays a shutdown while work is owed"


def inhibits(setting, **more):
    return {**more, "Shutdown": {"Inhibit": setting}}


def started(world, config=None, **options):
    """A volume with its daemon, which is trusted and fresh, and the inhibitor says that nothing is owed."""
    logind = Logind(world, **options)
    volume = world.volume()
    daemon = world.daemon(config=config)
    view = daemon.trusted(volume)
    logind.wait_says(IDLE)
    return logind, volume, daemon, view


def change(volume, text="changed\n"):
    volume.write("/etc/initramfs.conf", text)


def error_of(function, *arguments):
    try:
        function(*arguments)
    except DBusError as e:
        assert e.message, f"{e.name} has no text"
        return e.name.removeprefix("org.bootkeep1.Error.")
    return "granted"


def wait_property(daemon, holds):
    """The property Inhibiting, once it is as it should be: it follows what logind has granted."""
    end = time.monotonic() + 30
    while not holds(value := daemon.property("Inhibiting")):
        assert time.monotonic() < end, value
        daemon.connection.call("org.bootkeep1", PATH, "org.freedesktop.DBus.Peer", "Ping")
    return value


@test
def a_delay_is_held_while_a_trusted_volume_is_watched_and_says_what_is_owed(world):
    logind = Logind(world)
    volume = world.volume()
    daemon = world.daemon(config=SLOW)
    daemon.volume(volume.name).wait_state("untrusted")
    assert logind.listed() == [] and daemon.property("Inhibiting") == ""
    view = daemon.trusted(volume)
    where = f"{volume.name} ({volume.disk.mountpoint})"
    logind.wait_says("watched on " + where, IDLE)
    assert [mode for mode, _ in logind.listed()] == ["delay"]
    change(volume)
    logind.wait_says(f"owed on {where}: settling, something changed")
    wait_property(daemon, lambda text: text == "delay: " + logind.listed()[0][1])
    daemon.call("Distrust", "s", volume.name)
    logind.wait_modes()
    wait_property(daemon, lambda text: text == "")
    assert view["Trusted"] is False


@test
def the_text_is_renewed_without_a_gap(world):
    gate = Gate(world)
    logind, volume, _, view = started(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    with logind.changed:
        logind.history.clear()
    for number in range(3):
        change(volume, f"{number}\n")
        gate.await_builder()
        logind.wait_says("owed on", "building")
        gate.open()
        view.wait_state("fresh")
        logind.wait_says(IDLE)
    with logind.changed:
        assert len(logind.history) >= 12 and all("delay" in held for held in logind.history), logind.history


@test
def what_settles_is_built_when_the_system_goes_down_and_then_it_is_let_go(world):
    logind, volume, daemon, view = started(world, SLOW)
    since = daemon.mark()
    change(volume)
    view.wait_state("settling")
    logind.prepare(True)
    logind.wait_modes()
    daemon.wait_for(GOING, since)
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    view.wait_state("fresh")
    # what changes after that is not left to settle either
    builds = len(view.builds)
    change(volume, "changed again\n")
    view.wait_build(builds)
    logind.prepare(False)
    daemon.wait_for(STAYING, since)
    logind.wait_says(IDLE)


@test
def with_nothing_owed_it_is_let_go_at_once(world):
    logind, _, _, view = started(world, SLOW)
    states = len(view.states)
    logind.prepare(True)
    logind.wait_modes()
    assert len(view.states) == states, view.states


@test
def a_lock_is_respected(world):
    logind, volume, daemon, view = started(world, SLOW)
    client = Connection(world.bus.path)
    client.call("org.bootkeep1", PATH, "org.bootkeep1.Manager", "LockVolume", "su", volume.name, 0)
    change(volume)
    builds = len(view.builds)
    logind.prepare(True)
    daemon.wait_for(GOING)
    view.wait_state("stale")
    assert [mode for mode, _ in logind.listed()] == ["delay"] and len(view.builds) == builds
    client.close()
    logind.wait_modes()
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    view.wait_build(builds)


@test
def a_build_that_failed_delays_nothing_more(world):
    logind, volume, daemon, view = started(world, {**SLOW, "Build": {"RetrySec": "600"}})
    volume.builder("pack", "exit 1\n")
    change(volume)
    logind.prepare(True)
    view.wait_state("failed")
    logind.wait_modes()
    assert daemon.property("BusyVolumes") == [volume.name]


@test
def with_no_there_is_none(world):
    logind = Logind(world)
    volume = world.volume()
    daemon = world.daemon(config=inhibits("no", **SLOW))
    view = daemon.trusted(volume)
    change(volume)
    view.wait_state("settling")
    assert logind.asked == 0 and daemon.property("Inhibiting") == ""
    daemon.configure(SLOW)
    daemon.call("Reload")
    logind.wait_modes("delay")
    daemon.configure(inhibits("no", **SLOW))
    daemon.call("Reload")
    logind.wait_modes()


@test
def with_block_it_is_blocked_while_anything_is_owed(world):
    gate = Gate(world)
    logind, volume, daemon, view = started(world, inhibits("block"))
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    change(volume)
    gate.await_builder()
    logind.wait_modes("block", "delay")
    logind.wait("what is built", lambda held: all("building" in why for _, why in held))
    text = wait_property(daemon, lambda text: "block: " in text and "delay: " in text)
    assert text.count("\n") == 1, text
    gate.open()
    view.wait_state("fresh")
    logind.wait_modes("delay")
    wait_property(daemon, lambda text: text.startswith("delay: ") and "\n" not in text)


@test
def it_is_released_with_the_daemon_even_while_its_children_live(world):
    gate = Gate(world)
    logind, volume, daemon, view = started(world)
    volume.builder("pack", gate.script)
    change(volume)
    gate.await_builder()
    logind.wait_modes("delay")
    build = view.wait("locked by its build", lambda p: p.get("LockHolderPID"))["LockHolderPID"]
    daemon.kill()
    logind.wait_modes()
    gate.open()
    os.waitpid(build, 0)  # it is ours now: we are process 1 here


@test
def it_is_released_at_the_end(world):
    logind, _, daemon, _ = started(world)
    daemon.stop()
    logind.wait_modes()


# Between two sets.


class Switcher:
    """A client that holds the lock of a volume, as bootkeep-build does."""

    def __init__(self, world, volume):
        self.bus = Connection(world.bus.path)
        self.name = volume.name
        self.call("LockVolume", "su", self.name, 0)

    def call(self, member, signature="s", *words):
        return self.bus.call("org.bootkeep1", PATH, "org.bootkeep1.Manager", member, signature, *(words or (self.name,)))

    def begin(self):
        self.call("BeginSwitch")

    def end(self):
        self.call("EndSwitch")


def blocks_while_between(world, knows_weak, mode):
    logind, volume, daemon, _ = started(world, SLOW, knows_weak=knows_weak)
    switcher = Switcher(world, volume)
    for _ in range(2):
        switcher.begin()  # it is held when this is answered
        held = dict(logind.listed())
        assert sorted(held) == [mode, "delay"], held
        assert held[mode] == ("Boot files are between the old and the new set on "
                              f"{volume.name} ({volume.disk.mountpoint}): locked"), held
        assert mode + ": " in daemon.property("Inhibiting")
        switcher.end()
        logind.wait_modes("delay")
    switcher.bus.close()


@test
def while_something_is_between_two_sets_a_shutdown_is_blocked_but_not_for_root(world):
    blocks_while_between(world, True, "block-weak")


@test
def before_systemd_257_every_block_is_weak(world):
    blocks_while_between(world, False, "block")


@test
def only_the_holder_of_the_lock_may_say_so(world):
    logind, volume, daemon, _ = started(world, SLOW)
    for member in ("BeginSwitch", "EndSwitch"):
        assert error_of(daemon.call, member, "s", volume.name) == "NotLocked"
        assert error_of(daemon.call, member, "s", "no-such-volume") == "NoSuchVolume"
    switcher = Switcher(world, volume)
    for member in ("BeginSwitch", "EndSwitch"):
        assert error_of(daemon.call, member, "s", volume.name) == "NotHolder"
    switcher.begin()
    assert error_of(daemon.call, "EndSwitch", "s", volume.name) == "NotHolder"
    logind.wait_modes("block", "delay")
    switcher.bus.close()


@test
def a_block_ends_with_its_client_and_with_the_lock(world):
    logind, volume, _, _ = started(world, SLOW)
    vanishes, unlocks = Switcher(world, volume), None
    vanishes.begin()
    logind.wait_modes("block", "delay")
    vanishes.bus.close()
    logind.wait_modes("delay")
    unlocks = Switcher(world, volume)
    unlocks.begin()
    logind.wait_modes("block", "delay")
    unlocks.call("UnlockVolume", "si", volume.name, 0)
    logind.wait_modes("delay")
    unlocks.bus.close()


@test
def a_switch_that_does_not_end_blocks_for_half_a_minute(world):
    logind, volume, _, _ = started(world, SLOW)
    switcher = Switcher(world, volume)
    began = time.monotonic()
    switcher.begin()
    logind.wait_modes("delay", timeout=300)
    assert time.monotonic() - began >= 30
    switcher.bus.close()


@test
def a_build_blocks_while_outputs_and_helpers_are_between_two_sets(world):
    gate = Gate(world)
    logind, volume, _, view = started(world, SLOW, knows_weak=True)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    builds = len(view.builds)
    with logind.changed:
        logind.history.clear()
    change(volume)
    caller = Connection(world.bus.path)
    serial = caller.send("org.bootkeep1", PATH, "org.bootkeep1.Manager", "Rebuild", "su", volume.name, 0)
    gate.await_builder()
    assert "block-weak" in [mode for mode, _ in logind.listed()]  # held before the builder began
    gate.open()
    caller.finish(serial)
    view.wait_build(builds)
    logind.wait_modes("delay")
    with logind.changed:
        blocks = [now.count("block-weak") for now in logind.history]
    rises = sum(1 for a, b in zip([0, *blocks], blocks) if b > a)
    assert max(blocks) == 1 and rises == 1 + len(volume.disk.helpers), logind.history
    caller.close()


@test
def a_build_that_hangs_blocks_no_longer(world):
    gate = Gate(world)
    logind, volume, _, view = started(world, {"Watch": {"ScanTimeoutSec": "2"}})
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    change(volume)
    gate.await_builder()
    logind.wait_modes("block", "delay")
    build = view.wait("locked by its build", lambda p: p.get("LockHolderPID"))["LockHolderPID"]
    os.kill(build, signal.SIGSTOP)
    try:
        logind.wait_modes("delay", timeout=90)
        view.wait_state("hung")
    finally:
        os.kill(build, signal.SIGCONT)
        gate.open()
    view.wait_state("fresh")


@test
def a_switch_does_not_wait_for_a_logind_that_does_not_answer(world):
    logind, volume, _, view = started(world, SLOW)
    logind.silent = True
    builds, asked = len(view.builds), logind.asked
    change(volume)
    switcher = Switcher(world, volume)
    switcher.begin()
    logind.wait_asked(asked)
    switcher.call("UnlockVolume", "si", volume.name, 0)
    view.wait_build(builds)
    view.wait_state("fresh")
    switcher.bus.close()


# Bad input.


@test
def without_logind_it_is_said_once_and_all_else_goes_on(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    daemon.wait_for("logind is not running: " + WITHOUT)
    change(volume)
    view.wait_build(len(view.builds))
    view.wait_state("fresh")
    logind = Logind(world)
    logind.wait_says(IDLE)
    daemon.wait_for("logind gives out inhibitors again")
    assert len(daemon.logged(WITHOUT)) == 1, daemon.logged("logind")


@test
def a_logind_that_is_restarted_is_asked_again_without_a_gap(world):
    logind, _, daemon, _ = started(world)
    for _ in range(3):
        asked = logind.asked
        logind.vanish()
        daemon.wait_for("logind is not running", timeout=30)
        assert [mode for mode, _ in logind.listed()] == ["delay"]  # it may come back knowing it
        logind.appear()
        logind.wait_asked(asked)
        logind.wait_modes("delay")
    with logind.changed:
        assert all("delay" in held for held in logind.history), logind.history


@test
def errors_are_said_once_and_asked_for_again(world):
    logind = Logind(world)
    logind.error = ("org.freedesktop.DBus.Error.AccessDenied", "not today")
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    daemon.wait_for("logind gives out no inhibitor: not today: " + WITHOUT)
    logind.wait_asked(2)
    change(volume)
    view.wait_build(len(view.builds))
    view.wait_state("fresh")
    logind.error = None
    logind.wait_modes("delay")
    daemon.wait_for("logind gives out inhibitors again")
    assert len(daemon.logged("not today")) == 1


@test
def a_logind_that_never_answers_holds_up_nothing(world):
    logind = Logind(world)
    logind.silent = True
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    logind.wait_asked(0)
    change(volume)
    view.wait_build(len(view.builds))
    view.wait_state("fresh")
    daemon.wait_for("logind does not answer: " + WITHOUT)
    logind.wait_asked(1)
    assert daemon.property("Inhibiting") == "" and len(daemon.logged(WITHOUT)) == 1
    logind.silent = False
    logind.wait_modes("delay")


@test
def a_daemon_that_starts_while_the_system_goes_down_knows_it(world):
    logind = Logind(world)
    volume = world.volume()
    daemon = world.daemon(config=SLOW)
    daemon.trusted(volume)
    daemon.stop()
    logind.preparing = True
    change(volume)
    daemon.start()
    view = daemon.volume(volume.name)
    daemon.wait_for(GOING)
    change(volume, "and while it goes down\n")
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())
    assert logind.listed() == []


@test
def a_flood_of_announcements_costs_little(world):
    logind, volume, daemon, view = started(world, SLOW)
    change(volume)
    view.wait_state("settling")
    began, asked, scans = time.monotonic(), logind.asked, view.states.count("scanning")
    for _ in range(3000):
        logind.prepare(True)
        logind.prepare(False)
    logind.prepare(True)
    logind.wait_modes()
    view.wait_state("fresh")
    logind.prepare(False)
    logind.wait_says(IDLE)
    seconds = time.monotonic() - began
    # a change of mind a second is taken in, and each may be followed by a scan, a build and a scan
    assert len(daemon.logged(GOING)) <= seconds + 2, len(daemon.logged(GOING))
    assert logind.asked - asked <= 3 * (seconds + 2), logind.asked - asked
    assert view.states.count("scanning") - scans <= 3 * (seconds + 2), view.states


def daemons_connections(world, daemon):
    """The unique names of its connections."""
    bus = Connection(world.bus.path)

    def ask(member, *words):
        return bus.call(BUS, "/org/freedesktop/DBus", BUS, member, "s" * len(words), *words)[0]

    names = [n for n in ask("ListNames") if n.startswith(":")]
    found = [n for n in names if ask("GetConnectionUnixProcessID", n) == daemon.process.pid]
    bus.close()
    return found


@test
def what_only_looks_like_logind_is_not_believed(world):
    logind, volume, daemon, view = started(world, SLOW)
    change(volume)
    view.wait_state("settling")
    liar = Connection(world.bus.path)
    names = daemons_connections(world, daemon)
    assert len(names) >= 2, names
    for name in names:
        liar.emit(LOGIND_PATH, LOGIND_MANAGER, "PrepareForShutdown", "b", True, to=name)
        liar.emit("/org/freedesktop/DBus", BUS, "NameOwnerChanged", "sss", LOGIND, logind.bus.name, "", to=name)
    # the bus has passed them on when this is answered, and what logind answers after that comes after them
    liar.call(BUS, "/org/freedesktop/DBus", BUS, "GetId")
    daemon.call("Distrust", "s", volume.name)
    wait_property(daemon, lambda text: text == "")
    daemon.call("Trust", "s", volume.name)
    wait_property(daemon, lambda text: "delay" in text)
    assert not daemon.logged(GOING) and not daemon.logged("not running")
    assert view["State"] == "settling" and [mode for mode, _ in logind.listed()] == ["delay"]
    liar.close()


main()
