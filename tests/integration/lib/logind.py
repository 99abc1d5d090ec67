# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for systemd-logind, for what the real one does not do on request: it answers with errors, or not at all,
vanishes, or announces a shutdown a thousand times. Its inhibitors are what logind's are, pipes of which a client has
one end: what is held is what is really open. (The real logind is in tests/vm.)"""

import os
import select
import threading

from .dbus import Connection, Variant

BUS = "org.freedesktop.DBus"
NAME = "org.freedesktop.login1"
PATH = "/org/freedesktop/login1"
MANAGER = "org.freedesktop.login1.Manager"
PROPERTIES = "org.freedesktop.DBus.Properties"
IN_PROGRESS = NAME + ".OperationInProgress"
UNKNOWN = "org.freedesktop.DBus.Error.UnknownMethod"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


class Logind:
    """KNOWS_WEAK: as from systemd 257 on."""

    def __init__(self, world, knows_weak=False):
        self.world = world
        self.modes = ("delay", "block", "block-weak") if knows_weak else ("delay", "block")
        self.changed = threading.Condition()
        self.held = {}  # our end of a pipe: (mode, what it says)
        self.history = []  # the modes that were held after each change
        self.asked = 0
        self.error = None  # (name, text): what is answered
        self.silent = False
        self.preparing = False
        self.ended = False
        self.poll = select.epoll()
        self.bus = None
        self.appear()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()
        world.later(self.end)

    def appear(self):
        """Takes the name. What is held stays so, as over a restart of logind."""
        self.bus = Connection(self.world.bus.path, method=self._called)
        self.bus.call(BUS, "/org/freedesktop/DBus", BUS, "RequestName", "su", NAME, 0)

    def vanish(self):
        self.bus.close()

    def end(self):
        with self.changed:
            self.ended = True
        self.vanish()
        self.thread.join()
        for fd in self.held:
            os.close(fd)
        self.poll.close()

    def _called(self, message):
        if message.interface == PROPERTIES:
            self.bus.reply(message, "v", Variant("b", self.preparing))
            return
        with self.changed:
            self.asked += 1
            self.changed.notify_all()
            what, who, why, mode = message.body
            assert (what, who) == ("shutdown", "bootkeep"), message.body
            if self.silent:
                return
            if self.error or mode not in self.modes:
                self.bus.reply_error(message, *(self.error or (INVALID, f"Invalid mode specification {mode}")))
                return
            if self.preparing:
                self.bus.reply_error(message, IN_PROGRESS, "The operation is already running")
                return
            ours, theirs = os.pipe()
            try:
                self.bus.reply_descriptor(message, theirs)  # before anybody sees it, who may have us vanish
            except OSError:  # we have vanished
                os.close(ours)
                return
            finally:
                os.close(theirs)
            self.held[ours] = (mode, why)
            self._note()
        self.poll.register(ours, select.EPOLLHUP)

    def _note(self):
        self.history.append(sorted(mode for mode, _ in self.held.values()))
        self.changed.notify_all()

    def _follow(self):
        while True:
            for fd, _ in self.poll.poll(0.1):
                self.poll.unregister(fd)
                with self.changed:
                    del self.held[fd]
                    self._note()
                os.close(fd)
            with self.changed:
                if self.ended:
                    return

    def prepare(self, down):
        with self.changed:
            self.preparing = down
        self.bus.emit(PATH, MANAGER, "PrepareForShutdown", "b", down)

    def listed(self):
        """What `systemd-inhibit --list` would show: (mode, what it says)."""
        with self.changed:
            return sorted(self.held.values())

    def wait(self, what, holds, timeout=30):
        """Waits until HOLDS(what is listed)."""
        with self.changed:
            good = self.changed.wait_for(lambda: holds(sorted(self.held.values())), timeout)
            assert good, f"{what} not within {timeout} s; held are {sorted(self.held.values())}"

    def wait_modes(self, *modes, timeout=30):
        self.wait(f"{modes} held", lambda held: tuple(m for m, _ in held) == modes, timeout)

    def wait_says(self, *words, timeout=30):
        """Waits until one delay inhibitor is held and has all WORDS in what it says."""
        def holds(held):
            said = [why for mode, why in held if mode == "delay"]
            return len(said) == 1 and all(w in said[0] for w in words)

        self.wait(f"one that says {words}", holds, timeout)

    def wait_asked(self, more_than, timeout=30):
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked > more_than, timeout), f"asked {self.asked} times"


class ShutdownLogind:
    """What takes the machine down, except that it does not. ERRORS: (name, text) for a member; SILENT: members that get
    no answer."""

    def __init__(self, world, can="yes", errors=None, silent=()):
        self.can = can
        self.errors = errors or {}
        self.silent = silent
        self.calls = []
        self.changed = threading.Condition()
        self.bus = Connection(world.bus.path, method=self._called)
        world.later(self.bus.close)
        self.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", NAME, 0)

    def _called(self, message):
        if message.member in self.silent:
            return
        if message.member in self.errors:
            self.bus.reply_error(message, *self.errors[message.member])
        elif message.member.startswith("Can"):
            self.bus.reply(message, "s", self.can)
        elif message.member in ("Reboot", "PowerOff", "Halt") or message.member.endswith("WithFlags"):
            self.bus.reply(message)
            with self.changed:
                self.calls.append((message.member, message.body[0]))
                self.changed.notify_all()
        else:
            self.bus.reply_error(message, UNKNOWN, "not here")

    def wait_called(self, *calls, timeout=30):
        with self.changed:
            good = self.changed.wait_for(lambda: self.calls, timeout)
            assert good and self.calls == list(calls), self.calls

    def prepare(self, down):
        self.bus.emit(PATH, MANAGER, "PrepareForShutdown", "b", down)
