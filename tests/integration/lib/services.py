# SPDX-License-Identifier: LGPL-2.1-or-later
"""The services that bootkeep depends on: udevd and the system bus."""

import os
import signal
import subprocess
import tempfile

from . import sandbox

SOURCE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))

# Like the distribution's system bus: nobody may call or own anything except what a policy allows. Ours is the installed
# one, so it is tested, too.
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <!-- what the packages of polkit, logind and systemd would bring, for the tests that stand in for them -->
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow own="org.freedesktop.login1"/>
    <allow own="org.freedesktop.systemd1"/>
  </policy>
  <policy context="default">
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.login1"/>
    <allow send_destination="org.freedesktop.systemd1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


class Udevd:
    """The machine's udevd if one is running, else one of our own, whose events stay inside the namespace."""

    def __enter__(self):
        self.process = None
        if sandbox.own_udev():
            self.process = subprocess.Popen(["/lib/systemd/systemd-udevd"], stderr=subprocess.DEVNULL)
            # `settle` and `--ping` need its socket, which works as soon as the file exists: inotify would be more code
            # than the few tries that this takes
            while subprocess.run(["udevadm", "control", "--ping", "--timeout=10"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL).returncode != 0:
                if self.process.poll() is not None:
                    raise RuntimeError("systemd-udevd exited at once")
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()


def udev_settle():
    subprocess.run(["udevadm", "settle", "--timeout=300"], check=True)


def udev_look(node):
    """Makes udevd probe NODE now. It may have missed what was written while it was probing the last time."""
    udev_settle()
    subprocess.run(["udevadm", "trigger", "--settle", "--action=change", node], check=True, timeout=300)


class Bus:
    """A private dbus-daemon that acts as the system bus."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "bus")
        self.address = "unix:path=" + self.path
        self.config = os.path.join(folder, "bus.conf")

    def text(self):
        """The configuration."""
        return BUS_CONFIG.format(path=self.path, policy=os.path.join(SOURCE, "dbus", "org.bootkeep1.conf"))

    def __enter__(self):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(self.text())
        self.errors = tempfile.TemporaryFile()  # pylint: disable=consider-using-with
        # it prints its address once it is listening
        self.process = subprocess.Popen(["dbus-daemon", "--config-file", self.config, "--nofork", "--nopidfile",
                                         "--nosyslog", "--print-address=1"], stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        if not self.process.stdout.readline():
            self.errors.seek(0)
            raise RuntimeError("dbus-daemon does not start: " + self.errors.read().decode())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


class OwnBus:
    """A bus for one test only, which may be stopped and killed."""

    def __init__(self, world):
        folder = world.path("own-bus")
        os.mkdir(folder)
        os.chmod(folder, 0o755)
        self.bus = Bus(folder)
        self.bus.__enter__()
        world.later(self.end)

    def end(self):
        self.bus.process.send_signal(signal.SIGCONT)
        self.bus.__exit__()

    def kill(self):
        self.bus.process.kill()
        self.bus.process.wait()

    def restart(self):
        os.unlink(self.bus.path)
        self.bus.__enter__()
