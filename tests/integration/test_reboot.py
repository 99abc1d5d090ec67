#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`bootkeepctl reboot`. Here logind is a stand-in, so that it can refuse, be silent or change its mind; the real one is
asked in tests/vm."""

import os
import pty
import re
import select
import signal
import subprocess
import threading

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import MANAGER
from lib.dbus import Connection
from lib.logind import ShutdownLogind
from lib.programs import SANITIZER, environment, program

OK, NO, USAGE, UNREACHABLE, DENIED = range(5)
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}
UNKNOWN = "org.freedesktop.DBus.Error.UnknownMethod"
SOFT = 4


class Running:
    """bootkeepctl in the background. With a terminal, what it prints goes there."""

    def __init__(self, world, *arguments, terminal=False):
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address, TERM="linux")
        self.world = world
        self.terminal = None
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if terminal:
            self.terminal, other = pty.openpty()
            out = {"stdout": other, "stderr": other, "stdin": other}
        # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
        self.process = subprocess.Popen(
            [program("bootkeepctl"), "reboot", *arguments], env=env, text=True, start_new_session=True,
            preexec_fn=own_terminal if terminal else None, **out)
        if terminal:
            os.close(other)
        world.later(self._clean)

    def shows(self, pattern, timeout=30):
        """Waits for PATTERN on its terminal."""
        shown = ""
        while not re.search(pattern, shown):
            assert select.select([self.terminal], [], [], timeout)[0], f"no /{pattern}/ within {timeout} s in {shown!r}"
            shown += os.read(self.terminal, 4096).decode(errors="replace")
        return shown

    def end(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        self.world.note(f"-> {self.process.returncode}\n{out}{err}")
        assert not SANITIZER.search(err or ""), err
        return self.process.returncode, out, err

    def _clean(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()
        if self.terminal:
            os.close(self.terminal)


def own_terminal():
    """Makes the standard input of this new session its controlling terminal."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))


class Announced:
    """The properties of the manager, as they are announced."""

    def __init__(self, world, daemon):
        self.changed = threading.Condition()
        self.values = {}
        connection = Connection(world.bus.path, self._signal)
        world.later(connection.close)
        connection.add_match("type='signal',sender='org.bootkeep1',path='/org/bootkeep1',member='PropertiesChanged'")
        for name in ("RebootLocked", "RebootWaiters"):
            self.values.setdefault(name, daemon.property(name))

    def _signal(self, message):
        if message.member == "PropertiesChanged":
            with self.changed:
                self.values.update(message.body[1])
                self.changed.notify_all()

    def wait(self, timeout=30, **expected):
        with self.changed:
            good = self.changed.wait_for(lambda: all(self.values.get(k) == v for k, v in expected.items()), timeout)
            assert good, (self.values, expected)


def fresh(world, **logind):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    view = daemon.trusted(volume)
    return volume, daemon, view, ShutdownLogind(world, **logind)


def owed(volume, view):
    volume.write("/etc/initramfs.conf", f"another {volume.runs()}\n")
    view.wait_state("settling")


@test
def when_nothing_is_owed_logind_is_asked_and_the_lock_held(world):
    _, daemon, _, logind = fresh(world)
    announced = Announced(world, daemon)
    running = Running(world)
    logind.wait_called(("RebootWithFlags", 0))
    announced.wait(RebootLocked=True)
    assert running.process.stdout.readline() == "Nothing is owed. The system goes down now.\n"
    logind.prepare(True)
    running.process.send_signal(signal.SIGINT)  # it is too late for that
    running.process.send_signal(signal.SIGHUP)
    assert daemon.property("RebootLocked") is True and running.process.poll() is None
    running.process.send_signal(signal.SIGTERM)  # as everything gets when the system goes down
    assert running.end()[0] == -signal.SIGTERM


@test
def each_way_down_is_asked_for(world):
    volume, _, _, logind = fresh(world)
    for option, call in (("--poweroff", ("PowerOffWithFlags", 0)), ("--halt", ("HaltWithFlags", 0)),
                         ("--soft", ("RebootWithFlags", SOFT))):
        logind.calls.clear()
        running = Running(world, option)
        logind.wait_called(call)
        running.process.terminate()
        running.end()
    logind.calls.clear()
    status, _, err = Running(world, "--kexec").end()
    assert status == NO and "no kernel is loaded" in err and not logind.calls, (status, err)
    assert Running(world, "--halt", "--soft").end()[0] == USAGE
    assert Running(world, volume.name).end()[0] == USAGE
    assert world.programs.ctl("flush", "--poweroff").returncode == USAGE


@test
def what_is_owed_is_said_and_logind_not_asked(world):
    volume, daemon, view, logind = fresh(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owed(volume, view)
    status, _, err = Running(world).end()
    assert status == NO and re.search(rf"not now: {volume.name} .*--wait", err), err
    assert not logind.calls and daemon.property("RebootLocked") is False
    gate.await_builder()  # what is owed goes on all the same
    gate.open()
    view.wait_state("fresh")


@test
def with_wait_it_goes_down_when_all_is_done(world):
    volume, daemon, view, logind = fresh(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owed(volume, view)
    running = Running(world, "--wait", terminal=True)
    running.shows(rf"waiting: {volume.name} is being built: cache initramfs 6\.1\.0: ")
    assert not logind.calls
    gate.open()
    logind.wait_called(("RebootWithFlags", 0))
    assert daemon.property("Ready") is True
    view.wait_state("fresh")


@test
def several_volumes_are_named_with_what_they_do(world):
    volume, daemon, view, _ = fresh(world)
    other = world.volume(name="two")
    view_of_other = daemon.trusted(other)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owed(volume, view)
    owed(other, view_of_other)
    running = Running(world, "--wait", terminal=True)
    running.shows(rf"waiting for .*{volume.name} \((building|stale)\)")
    for _ in (volume, other):
        gate.await_builder()
        gate.open()
    running.shows("The system goes down now")


@test
def interrupted_it_leaves_everything_as_before(world):
    volume, daemon, view, logind = fresh(world)
    announced = Announced(world, daemon)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        gate = Gate(world, f"gate{number}")
        volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
        owed(volume, view)
        running = Running(world, "--wait")
        announced.wait(RebootWaiters=1)
        running.process.send_signal(number)
        assert running.end()[0] == -number
        announced.wait(RebootWaiters=0, RebootLocked=False)
        gate.await_builder()
        gate.open()
        view.wait_state("fresh")
    assert not logind.calls


@test
def a_terminal_that_goes_away_takes_it_along(world):
    volume, daemon, view, logind = fresh(world)
    announced = Announced(world, daemon)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owed(volume, view)
    running = Running(world, "--wait", terminal=True)
    running.shows("waiting: ")
    os.close(running.terminal)
    running.terminal = None
    assert running.end()[0] == -signal.SIGHUP
    announced.wait(RebootWaiters=0, RebootLocked=False)
    gate.await_builder()
    gate.open()
    view.wait_state("fresh")
    assert not logind.calls


@test
def a_logind_that_refuses_gets_the_lock_back(world):
    refusal = ("org.freedesktop.login1.BlockedByInhibitorLock", "Operation denied due to active block inhibitor")
    _, daemon, _, _ = fresh(world, errors={"RebootWithFlags": refusal})
    announced = Announced(world, daemon)
    status, _, err = Running(world).end()
    assert status == NO and refusal[1] in err, (status, err)
    announced.wait(RebootLocked=False, RebootWaiters=0)


@test
def where_it_may_not_or_cannot_the_lock_is_not_even_taken(world):
    _, daemon, _, logind = fresh(world)
    mark = daemon.mark()
    for can, expected in (("no", DENIED), ("na", NO)):
        logind.can = can
        status, _, err = Running(world).end()
        assert status == expected and "logind says" in err, (status, err)
    logind.bus.close()
    status, _, err = Running(world).end()
    assert status == NO and err == "bootkeepctl: cannot reboot: systemd-logind is not running\n", (status, err)
    assert not daemon.logged("Reboot lock granted", mark)


@test
def a_logind_that_cannot_be_started_has_refused_nothing(world):
    broken = ("org.freedesktop.systemd1.LoadFailed", "Unit dbus-org.freedesktop.login1.service failed to load properly")
    fresh(world, errors={"CanReboot": broken})
    status, _, err = Running(world).end()
    assert status == NO and err == f"bootkeepctl: cannot reboot: systemd-logind cannot be asked: {broken[1]}\n", (status, err)


@test
def a_logind_that_never_answers_is_not_waited_for_endlessly(world):
    fresh(world, silent=("CanReboot",))
    status, _, err = Running(world).end()
    assert status == NO and err == "bootkeepctl: cannot reboot: systemd-logind does not answer\n", (status, err)


@test
def an_older_logind_is_asked_as_it_knows(world):
    _, _, _, logind = fresh(world, errors={"RebootWithFlags": (UNKNOWN, "Unknown method")})
    Running(world)
    logind.wait_called(("Reboot", True))
    logind.calls.clear()


@test
def a_shutdown_that_is_cancelled_is_said_and_gives_the_lock_back(world):
    _, daemon, _, logind = fresh(world)
    announced = Announced(world, daemon)
    running = Running(world)
    logind.wait_called(("RebootWithFlags", 0))
    logind.prepare(True)
    logind.prepare(False)
    status, _, err = running.end()
    assert status == NO and "cancelled" in err, (status, err)
    announced.wait(RebootLocked=False)


@test
def without_a_daemon_nothing_is_rebooted(world):
    logind = ShutdownLogind(world)
    status, _, err = Running(world).end()
    assert status == UNREACHABLE and "not running" in err, (status, err)
    assert not logind.calls


@test
def a_volume_that_is_locked_is_named_with_the_holder(world):
    volume, _, _, _ = fresh(world)
    holder = Connection(world.bus.path)
    world.later(holder.close)
    holder.call("org.bootkeep1", "/org/bootkeep1", MANAGER, "LockVolume", "su", volume.name, 0)
    status, _, err = Running(world).end()
    assert status == NO and f"{volume.name} is locked by" in err and f"({os.getpid()})" in err, (status, err)


main()
