# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeepd, followed: the lines that it logs, what it tells systemd, and its objects on the bus."""

import os
import re
import signal
import socket
import subprocess
import threading

from . import dbus
from .programs import SANITIZER, environment, program

NAME = "org.bootkeep1"
PATH = "/org/bootkeep1"
MANAGER = "org.bootkeep1.Manager"
VOLUME = "org.bootkeep1.Volume"
OBJECTS = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"

# Quick, and blind to the machine's own system.
CONFIG = {
    "Watch": {"SettleSec": "200ms", "SettleMaxSec": "2", "BootDelaySec": "0", "ScanTimeoutSec": "30"},
    "Build": {"RetrySec": "200ms"},
    "Shutdown": {"Inhibit": "no"},
    "Trust": {"RunningSystem": "no"},
}


def config_text(changes=None):
    merged = {section: {**keys, **(changes or {}).get(section, {})} for section, keys in CONFIG.items()}
    return "".join(f"[{s}]\n" + "".join(f"{k}={v}\n" for k, v in keys.items()) for s, keys in merged.items())


class VolumeView:
    """A volume as a client of the bus sees it, kept up to date by signals."""

    def __init__(self, daemon, name):
        self.daemon = daemon
        self.name = name

    @property
    def path(self):
        with self.daemon.changed:
            return self._path()

    def _path(self):
        return next((p for p, v in self.daemon.objects.items() if v.get("Name") == self.name), None)

    @property
    def properties(self):
        with self.daemon.changed:
            return dict(self.daemon.objects.get(self._path(), {}))

    def __getitem__(self, key):
        return self.properties[key]

    def wait(self, what, predicate, timeout=30):
        """Awaits PREDICATE(properties); properties are {} while there is no such volume."""
        def holds():
            return predicate(self.daemon.objects.get(self._path(), {}))

        with self.daemon.changed:
            if self.daemon.changed.wait_for(holds, timeout):
                return self
        raise AssertionError(f"{self.name}: {what} not within {timeout} s; is {self.properties}")

    def wait_state(self, *states, timeout=30):
        return self.wait("state " + " or ".join(states), lambda p: p.get("State") in states, timeout)

    def wait_gone(self, timeout=30):
        return self.wait("gone", lambda p: not p, timeout)

    @property
    def states(self):
        """All states that were announced, in order."""
        with self.daemon.changed:
            return list(self.daemon.states.get(self.name, []))

    def wait_build(self, after, timeout=60):
        """Awaits the BuildFinished signal number AFTER + 1 and returns (status, summary)."""
        with self.daemon.changed:
            done = self.daemon.changed.wait_for(lambda: len(self._builds()) > after, timeout)
            builds = self._builds()
        assert done, f"{self.name}: {len(builds)} builds, expected more than {after}; is {self.properties}"
        return builds[after]

    def _builds(self):
        return self.daemon.builds.get(self.name, [])

    @property
    def builds(self):
        with self.daemon.changed:
            return list(self._builds())


class Daemon:
    def __init__(self, world, config=None, config_file=None, arguments=(), prefix=(), level="info"):
        self.world = world
        self.bus = world.bus
        self.config = config_file or world.path("bootkeep.conf")
        if config_file is None:
            self.configure(config)
        self.arguments = list(arguments)
        self.prefix = list(prefix)
        self.level = level
        self.process = self.connection = self.notify = None
        self.changed = threading.Condition()
        self.lines = []
        self.ended = False
        self.said = []

    def configure(self, changes):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config_text(changes))

    def _libexec(self):
        """One folder with the programs that it starts: in the build folder each has its own."""
        folder = self.world.path("libexec")
        os.makedirs(folder, exist_ok=True)
        for name in ("bootkeep-scan", "bootkeep-build"):
            if not os.path.lexists(os.path.join(folder, name)):
                os.symlink(program(name), os.path.join(folder, name))
        return folder

    def command(self):
        return [*self.prefix, program("bootkeepd"), f"--config={self.config}",
                f"--builders={self.world.path('builders')}", f"--libexec={self._libexec()}",
                f"--state={self.world.path('state')}", *self.arguments]

    def launch(self):
        """Starts the process without awaiting anything."""
        os.makedirs(self.world.path("state"), exist_ok=True)
        self.objects, self.states, self.builds = {}, {}, {}
        self.ended = False
        path = self.world.path("notify")
        if os.path.exists(path):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.said = []
        threading.Thread(target=self._listen, args=(self.notify,), daemon=True).start()
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=self.bus.address, NOTIFY_SOCKET=path,
                          BOOTKEEP_LOG_LEVEL=self.level)
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, errors="replace", env=env)
        self.world.later(self._clean)
        self.reader = threading.Thread(target=self._follow, args=(self.process.stderr,), daemon=True)
        self.reader.start()

    def start(self):
        self.launch()
        self.wait_ready()
        self.connect()
        return self

    def connect(self):
        """Follows the objects. Signals are asked for first, so that nothing falls between."""
        self.connection = dbus.Connection(self.bus.path, self._signal)
        self.connection.add_match(f"type='signal',sender='{NAME}'")
        self.connection.call(NAME, PATH, OBJECTS, "GetManagedObjects", then=self._take_objects)

    # what it says

    def _follow(self, stream):
        for line in stream:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
            self.world.note(line.rstrip("\n"))
        stream.close()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def mark(self):
        """A place in the log, for `wait_for` and `logged`."""
        with self.changed:
            return len(self.lines)

    def logged(self, pattern, since=0):
        with self.changed:
            return [line for line in self.lines[since:] if re.search(pattern, line)]

    def wait_for(self, pattern, since=0, timeout=30):
        """Awaits a line that matches PATTERN and returns it."""
        def found():
            return next((line for line in self.lines[since:] if re.search(pattern, line)), None)

        with self.changed:
            self.changed.wait_for(lambda: found() or self.ended, timeout)
            line = found()
        assert line, f"no line /{pattern}/ within {timeout} s" + (" before it ended" if self.ended else "")
        return line

    def wait_ready(self, timeout=30):
        """Awaits READY=1, as systemd would."""
        self.wait_said("READY=1", timeout)

    def _listen(self, notify):
        """As systemd does, whatever is awaited: a full queue would hold the daemon up."""
        while data := notify.recv(65536):
            with self.changed:
                self.said += data.decode().splitlines()
                self.changed.notify_all()
        notify.close()

    def wait_said(self, word, timeout=30):
        with self.changed:
            self.changed.wait_for(lambda: word in self.said or self.ended, timeout)
            assert word in self.said, f"{word} was not said within {timeout} s, but {self.said}"

    # the bus

    def _take_objects(self, body):
        with self.changed:
            for path, interfaces in body[0].items():
                if VOLUME in interfaces:
                    self._update(path, interfaces[VOLUME])
            self.changed.notify_all()

    def _update(self, path, properties):
        volume = self.objects.setdefault(path, {})
        volume.update(properties)
        if "State" in properties:
            self.states.setdefault(volume.get("Name"), []).append(properties["State"])

    def _signal(self, message):
        with self.changed:
            if message.member == "PropertiesChanged" and message.body[0] == VOLUME:
                self._update(message.path, message.body[1])
            elif message.member == "InterfacesAdded" and VOLUME in message.body[1]:
                self._update(message.body[0], message.body[1][VOLUME])
            elif message.member == "InterfacesRemoved" and VOLUME in message.body[1]:
                self.objects.pop(message.body[0], None)
            elif message.member == "BuildFinished":
                name = self.objects.get(message.path, {}).get("Name")
                self.builds.setdefault(name, []).append(tuple(message.body))
            self.changed.notify_all()

    def call(self, member, signature="", *arguments, timeout=60):
        """Calls a method of the manager."""
        return self.connection.call(NAME, PATH, MANAGER, member, signature, *arguments, timeout=timeout)

    def property(self, name, path=PATH, interface=MANAGER):
        return self.connection.call(NAME, path, PROPERTIES, "Get", "ss", interface, name)[0]

    def volume(self, name):
        return VolumeView(self, name)

    def trusted(self, volume):
        """Enrols VOLUME (of content.Volume), awaits its first build and that it is fresh."""
        view = self.volume(volume.name)
        view.wait("there with its UUID", lambda p: p.get("UUID"))
        self.call("Trust", "s", volume.name)
        return view.wait_state("fresh", timeout=60)

    # the end

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._reap(10)

    def _reap(self, timeout):
        status = self.process.wait(timeout)
        self.reader.join(timeout)
        if self.connection:
            self.connection.close()
        self.connection = None
        self.notify.shutdown(socket.SHUT_RD)  # ends the listener, which closes it
        return status

    def stop(self, timeout=10):
        """SIGTERM; returns the exit status."""
        self.signal(signal.SIGTERM)
        return self._reap(timeout)

    def _clean(self):
        if self.process.returncode is None:
            self.signal(signal.SIGTERM)
            try:
                status = self._reap(20)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("bootkeepd did not end within 20 s of SIGTERM") from None
            assert status == 0, f"bootkeepd ended with status {status}"
        found = [line for line in self.lines if SANITIZER.search(line)]
        assert not found, found
