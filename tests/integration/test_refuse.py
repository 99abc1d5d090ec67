#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Refuse=yes: systemd refuses to go down while work is owed. Here systemd is a stand-in that reads the same drop-ins, and
can be told to answer late, with errors or not at all; the real one refuses in tests/vm."""

import os
import subprocess
import threading

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import MANAGER
from lib.dbus import Connection, DBusError, Variant
from lib.logind import Logind
from lib.programs import environment, program

NAME = "org.freedesktop.systemd1"
TARGETS = ("reboot", "poweroff", "halt", "kexec", "soft-reboot")
DROPIN = "50-bootkeep-owed.conf"
SETTINGS = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}
REFUSE = {**SETTINGS, "Shutdown": {"Refuse": "yes"}}


class Systemd:
    """LOADED: targets that somebody else has had loaded, so that only a reload reads their drop-ins again. UNKNOWN: those
    that this systemd does not have."""

    def __init__(self, world, loaded=(), unknown=("soft-reboot",)):
        self.world = world
        self.folder = world.path("units")
        os.makedirs(self.folder, exist_ok=True)
        self.unknown = unknown
        self.known = {t: False for t in loaded}  # what they were read to be
        self.changed = threading.Condition()
        self.reloads = self.asked = 0
        self.error = None
        self.silent = False
        self.kept = []
        self.bus = Connection(world.bus.path, method=self._called)
        world.later(self.bus.close)
        self.bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", NAME, 0)

    def path(self, target):
        return os.path.join(self.folder, target + ".target.d", DROPIN)

    def text(self, target="reboot"):
        with open(self.path(target), encoding="utf-8") as f:
            return f.read()

    def _read(self, target):
        try:
            return "RefuseManualStart=yes\n" in self.text(target)
        except FileNotFoundError:
            return False

    def _refuses(self, target):
        if target in self.unknown:
            return False
        return self.known[target] if target in self.known else self._read(target)

    def refuses(self):
        return [t for t in TARGETS if self._refuses(t)]

    def _called(self, message):
        target = message.path.rsplit("/", 1)[1].replace("_2etarget", "").replace("_2d", "-")
        if message.member != "Reload" and target not in TARGETS:  # others of ours ask it, too
            self.bus.reply_error(message, "org.freedesktop.DBus.Error.UnknownObject", "not here")
            return
        with self.changed:
            self.asked += 1
            if self.silent:
                self.kept.append(message)
            else:
                self._answer(message)
            self.changed.notify_all()

    def _answer(self, message):
        if self.error:
            self.bus.reply_error(message, *self.error)
        elif message.member == "Reload":
            self.reloads += 1
            self.known = {t: self._read(t) for t in self.known}
            self.bus.reply(message)
        else:
            target = message.path.rsplit("/", 1)[1].replace("_2etarget", "").replace("_2d", "-")
            if message.body[1] == "RefuseManualStart":
                self.bus.reply(message, "v", Variant("b", self._refuses(target)))
            else:
                assert message.body[1] == "LoadState", message.body
                self.bus.reply(message, "v", Variant("s", "not-found" if target in self.unknown else "loaded"))

    def speak(self):
        """Answers what was kept, and what comes."""
        with self.changed:
            self.silent = False
            for message in self.kept:
                self._answer(message)
            self.kept.clear()

    def wait_asked(self, more_than, timeout=30):
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked > more_than, timeout), self.asked


def wait_told(systemd, daemon, what, folder=None, timeout=60):
    """Waits until systemd refuses the targets WHAT and nothing is left in FOLDER. Nothing announces what becomes of files, so it
    is asked each time that the daemon has done something: it announces its own readiness, and systemd hears from it."""
    def holds():
        return systemd.refuses() == list(what) and not (folder and os.listdir(folder))

    with systemd.changed:
        good = systemd.changed.wait_for(holds, timeout)
    assert good, (systemd.refuses(), what, daemon.property("BusyVolumes"))


KNOWN = TARGETS[:4]


def fresh(world, config=None, **options):
    systemd = Systemd(world, **options)
    volume = world.volume()
    daemon = world.daemon(config=config or SETTINGS)
    view = daemon.trusted(volume)
    if config is None:
        daemon.configure(REFUSE)
        daemon.call("Reload")
        view.wait_state("fresh")
    return volume, daemon, view, systemd


def owe(volume, view):
    volume.write("/etc/initramfs.conf", f"another {volume.runs()}\n")
    view.wait_state("settling")


@test
def while_work_is_owed_systemd_refuses(world):
    volume, daemon, view, systemd = fresh(world)
    assert not systemd.refuses() and not os.listdir(systemd.folder)
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    for target in TARGETS:  # also for the one that this systemd does not have
        text = systemd.text(target)
        assert f"Description=Refused by bootkeep: Boot files are owed on {volume.name} ({volume.root}): settling" in text, text
        assert "bootkeepctl reboot --wait" in text and "Documentation=man:bootkeepctl(1)\n" in text, text
    daemon.call("Rebuild", "su", volume.name, 0)
    view.wait_state("fresh")
    wait_told(systemd, daemon, (), systemd.folder)  # it may be reloaded while they go, and read what has gone already
    print(f"# systemd was reloaded {systemd.reloads} times", flush=True)


@test
def by_default_nothing_is_refused(world):
    volume, daemon, view, systemd = fresh(world, config=SETTINGS)
    owe(volume, view)
    daemon.call("Rebuild", "su", volume.name, 0)
    assert systemd.asked == 0 and not os.listdir(systemd.folder)


@test
def a_lock_is_work_that_is_owed(world):
    volume, daemon, view, systemd = fresh(world)
    holder = Connection(world.bus.path)
    holder.call("org.bootkeep1", "/org/bootkeep1", MANAGER, "LockVolume", "su", volume.name, 0)
    wait_told(systemd, daemon, KNOWN)
    holder.call("org.bootkeep1", "/org/bootkeep1", MANAGER, "UnlockVolume", "si", volume.name, 0)
    holder.close()
    wait_told(systemd, daemon, ())


@test
def the_reboot_lock_waits_until_systemd_no_longer_refuses(world):
    volume, daemon, view, systemd = fresh(world)
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    systemd.silent = True
    asked = systemd.asked
    serial = daemon.connection.send("org.bootkeep1", "/org/bootkeep1", MANAGER, "LockReboot", "u", 1)
    systemd.wait_asked(asked)
    view.wait_state("fresh")
    assert daemon.property("RebootLocked") is False and daemon.property("RebootWaiters") == 1
    systemd.speak()
    daemon.connection.finish(serial)
    assert daemon.property("RebootLocked") is True and not systemd.refuses()
    # what is owed from now on is not refused: the holder goes down
    asked = systemd.asked
    owe(volume, view)
    assert daemon.property("BusyVolumes") == [volume.name] and not systemd.refuses() and systemd.asked == asked


@test
def a_target_that_is_loaded_makes_systemd_reload(world):
    volume, daemon, view, systemd = fresh(world, loaded=("reboot",))
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    before = systemd.reloads
    assert before > 0
    daemon.call("Rebuild", "su", volume.name, 0)
    wait_told(systemd, daemon, ())
    assert systemd.reloads > before


@test
def what_a_killed_daemon_leaves_goes_with_the_next_or_without_one(world):
    volume, daemon, view, systemd = fresh(world)
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    with open(os.path.join(systemd.folder, "halt.target.d", "other.conf"), "w", encoding="ascii") as f:
        f.write("[Unit]\n")
    daemon.kill()
    assert systemd.refuses() == list(KNOWN)
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
    for _ in range(2):  # the second time nothing is there
        subprocess.run([program("bootkeepd"), f"--units={systemd.folder}", "--allow-reboot"], env=env, check=True, timeout=60)
        assert not systemd.refuses() and os.listdir(systemd.folder) == ["halt.target.d"]
    os.makedirs(os.path.dirname(systemd.path("reboot")))
    with open(systemd.path("reboot"), "w", encoding="ascii") as f:
        f.write("[Unit]\nRefuseManualStart=yes\n")
    assert systemd.refuses() == ["reboot"]
    daemon.configure(SETTINGS)
    daemon.start()
    wait_told(systemd, daemon, ())


@test
def without_a_bus_what_was_left_goes_all_the_same(world):
    os.makedirs(world.path("units/reboot.target.d"))
    with open(world.path("units/reboot.target.d/" + DROPIN), "w", encoding="ascii") as f:
        f.write("[Unit]\nRefuseManualStart=yes\n")
    env = environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    subprocess.run([program("bootkeepd"), f"--units={world.path('units')}", "--allow-reboot"], env=env, check=True, timeout=60)
    assert not os.listdir(world.path("units"))


@test
def a_daemon_that_stops_takes_its_drop_ins_along(world):
    volume, daemon, view, systemd = fresh(world)
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    daemon.stop()
    assert not systemd.refuses() and not os.listdir(systemd.folder)


@test
def a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(world):
    logind = Logind(world)
    volume, daemon, view, systemd = fresh(world)
    os.rmdir(systemd.folder)
    with open(systemd.folder, "w", encoding="ascii"):
        pass
    mark = daemon.mark()
    owe(volume, view)
    daemon.wait_for("Failed to write drop-ins below .*nothing is refused", mark)
    logind.wait_modes("delay")  # a shutdown is delayed instead
    daemon.call("LockReboot", "u", 1)
    assert daemon.property("RebootLocked") is True
    assert len(daemon.logged("Failed to write drop-ins", mark)) == 1 and not daemon.logged("Failed to remove", mark)


@test
def a_text_that_cannot_be_replaced_takes_the_refusal_along(world):
    logind = Logind(world)
    volume, daemon, view, systemd = fresh(world)
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    logind.wait_modes()
    os.mkdir(os.path.join(systemd.folder, "poweroff.target.d", ".50-bootkeep-owed.tmp"))  # so that another cannot be written
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    try:
        daemon.call("Rebuild", "su", volume.name, 0)
    except DBusError:
        pass
    wait_told(systemd, daemon, ())
    logind.wait_modes("delay")


@test
def a_systemd_that_is_not_there_refuses_nothing(world):
    volume = world.volume()
    daemon = world.daemon(config=REFUSE)
    os.makedirs(world.path("units"), exist_ok=True)
    daemon.trusted(volume)
    daemon.wait_for("systemd cannot be told to refuse")
    daemon.call("LockReboot", "u", 1)
    assert not os.listdir(world.path("units"))
    assert len(daemon.logged("systemd cannot be told")) == 1


@test
def a_systemd_that_does_not_answer_holds_up_nothing(world):
    volume, daemon, view, systemd = fresh(world)
    systemd.silent = True
    owe(volume, view)
    daemon.wait_for("systemd cannot be told to refuse .*does not answer")
    assert not os.listdir(systemd.folder)
    daemon.call("LockReboot", "u", 1)


@test
def a_systemd_that_answers_with_errors_is_said_once(world):
    volume, daemon, view, systemd = fresh(world)
    systemd.error = ("org.freedesktop.DBus.Error.AccessDenied", "not you")
    owe(volume, view)
    daemon.wait_for("systemd cannot be told to refuse .*not you")
    daemon.call("LockReboot", "u", 1)
    assert len(daemon.logged("systemd cannot be told")) == 1 and not os.listdir(systemd.folder)


@test
def while_it_refuses_no_shutdown_is_delayed(world):
    logind = Logind(world)
    volume, daemon, view, systemd = fresh(world)
    logind.wait_modes("delay")
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    logind.wait_modes()
    daemon.call("Rebuild", "su", volume.name, 0)
    wait_told(systemd, daemon, ())
    logind.wait_modes("delay")


@test
def a_shutdown_that_is_refused_is_explained_to_everybody(world):
    logind = Logind(world)
    volume, daemon, view, systemd = fresh(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owe(volume, view)
    wait_told(systemd, daemon, KNOWN)
    logind.wait_modes()
    logind.prepare(True)  # as logind does
    logind.prepare(False)
    said = daemon.wait_for("The system does not go down: Boot files are owed on " + volume.name)
    assert "bootkeepctl reboot --wait" in said and "systemctl --force" in said, said
    gate.await_builder()  # and what is owed is done at once
    gate.open()
    view.wait_state("fresh")


@test
def a_name_cannot_add_to_what_systemd_reads(world):
    volume, daemon, view, systemd = fresh(world)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/usr/lib/modules/6.1.0/%n\n[Service]\nX=1\\", "x")
    view.wait_state("settling")
    try:
        daemon.call("Rebuild", "su", volume.name, 0)
    except DBusError:
        pass
    wait_told(systemd, daemon, KNOWN)
    lines = systemd.text().splitlines()
    assert [line.split("=")[0] for line in lines[1:]] == ["[Unit]", "Description", "Documentation", "RefuseManualStart"], lines
    assert "%" not in lines[2].replace("%%", "") and not lines[2].endswith("\\"), lines[2]


main()
