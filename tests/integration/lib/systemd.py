# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for the systemd of the machine, as far as bootkeepd asks it for anything: it runs bootkeep-build@.service and
bootkeep-builder@.service as the unit files say, and refuses on request. (The real systemd is in tests/vm.)"""

import os
import re
import signal
import subprocess
import threading

from .dbus import Connection, Variant
from .programs import environment, program

BUS = "org.freedesktop.DBus"
NAME = "org.freedesktop.systemd1"


class Systemd:
    def __init__(self, world, bus=None):
        self.world = world
        self.address = (bus or world.bus).address
        self.path = (bus or world.bus).path
        self.runtime = world.path("run")
        self.asked = []  # (unit, mode)
        self.refusals = {}  # mode, or None for any: (error, text)
        self.running = {}  # by unit
        self.out_of_memory = False  # whatever ends was killed for it, and its ExecStopPost= as well
        self.ended = {}  # by unit: (ActiveState, Result, ExecMainCode, ExecMainStatus)
        self.builder_refusal = None
        self.builders = []  # processes of bootkeep-builder@.service, the last one last
        self.changed = threading.Condition()
        self.connect()
        world.later(self.end)

    def connect(self):
        """Also once more, to a bus that was restarted."""
        self.bus = Connection(self.path, method=self._called)
        self.bus.call(BUS, "/org/freedesktop/DBus", BUS, "RequestName", "su", NAME, 0)

    def arguments(self):
        """Those of a bootkeepd that it starts as a service."""
        return ["--build-units=yes", f"--runtime={self.runtime}"]

    def end(self):
        with self.changed:
            running = list(self.running.values())
        for process, thread in running:
            process.kill()
            thread.join()
        for process in self.builders:
            process.wait(60)
        self.bus.close()

    def _show(self, message):
        unit = re.sub("_([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), message.path.rsplit("/", 1)[1])
        state, result, code, status = self.ended.get(unit, ("active", "success", 0, 0))
        if unit.startswith("bootkeep-builder@"):
            state, result = "active" if self.builders[-1].poll() is None else "failed", "signal"
        if message.member == "Get":
            interface, name = message.body
            if name == "SystemState":
                self.bus.reply(message, "v", Variant("s", "stopping"))
                return
            assert (interface, name) in (("org.freedesktop.systemd1.Unit", "ActiveState"),
                                         ("org.freedesktop.systemd1.Service", "Result")), message.body
            self.bus.reply(message, "v", Variant("s", state if name == "ActiveState" else result))
        else:
            self.bus.reply(message, "a{sv}", {"Result": Variant("s", result), "ExecMainCode": Variant("i", code),
                                              "ExecMainStatus": Variant("i", status)})

    def _called(self, message):
        if message.interface == "org.freedesktop.DBus.Properties":
            self._show(message)
            return
        if message.member == "RestartUnit":
            self._start_builder(message, *message.body)
            return
        if message.member != "StartUnit":
            self.bus.reply(message)
            return
        unit, mode = message.body
        with self.changed:
            self.asked.append((unit, mode))
        refusal = self.refusals.get(mode) or self.refusals.get(None)
        if refusal:
            self.bus.reply_error(message, *refusal)
            return
        folder = os.path.join(self.runtime, "builds", unit.removeprefix("bootkeep-build@").removesuffix(".service"))
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=self.address)
        process = subprocess.Popen([program("bootkeep-build"), f"--job={folder}",
                                    f"--builder-unit={unit.replace('-build@', '-builder@')}"], env=env, stdin=subprocess.DEVNULL)
        thread = threading.Thread(target=self._await, args=(unit, folder, process, env), daemon=True)
        with self.changed:
            self.running[unit] = (process, thread)
            self.changed.notify_all()
        thread.start()
        self.bus.reply(message, "o", "/org/freedesktop/systemd1/job/1")

    def _start_builder(self, message, unit, mode):
        if self.builder_refusal:
            self.bus.reply_error(message, *self.builder_refusal)
            return
        assert unit.startswith("bootkeep-builder@") and mode == "ignore-dependencies", (unit, mode)
        folder = os.path.join(self.runtime, "builds", unit.removeprefix("bootkeep-builder@").removesuffix(".service"))
        self.builders.append(subprocess.Popen([program("bootkeep-build"), f"--run-builders={folder}"], stdin=subprocess.DEVNULL,
                                              env=environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nonexistent")))
        self.bus.reply(message, "o", "/org/freedesktop/systemd1/job/2")

    def _await(self, unit, folder, process, env):
        status = process.wait()
        killed = status < 0
        told = {"SERVICE_RESULT": "signal" if killed else "exit-code" if status else "success",
                "EXIT_CODE": "killed" if killed else "exited",
                "EXIT_STATUS": signal.Signals(-status).name[3:] if killed else str(status)}
        if self.out_of_memory:
            self._tell_state(unit, "deactivating", status)
            self._tell_state(unit, "failed", status)
        else:
            subprocess.run([program("bootkeep-build"), f"--job-ended={folder}"], env={**env, **told}, check=True)
        with self.changed:
            del self.running[unit]
            self.changed.notify_all()

    def _tell_state(self, unit, state, status):
        self.ended[unit] = (state, "oom-kill", 2 if status < 0 else 1, abs(status))
        path = "/org/freedesktop/systemd1/unit/" + re.sub("[^A-Za-z0-9]", lambda m: f"_{ord(m[0]):02x}", unit)
        self.bus.emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as",
                      "org.freedesktop.systemd1.Unit", {}, [])

    def unit(self):
        """The process of the one unit that runs."""
        with self.changed:
            assert len(self.running) == 1, self.running
            return next(iter(self.running.values()))[0]

    def await_none(self, timeout=60):
        """Waits until all units have ended, and ExecStopPost= with them."""
        with self.changed:
            assert self.changed.wait_for(lambda: not self.running, timeout), f"still running: {self.running}"
