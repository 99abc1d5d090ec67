#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The last chance before the system goes down: bootkeep-flush with a bootkeepd that answers, with one that does not, and
without a bus; what it records, and who says that again."""

import json
import os
import queue
import re
import signal
import subprocess
import sys

from lib import main, test
from lib.content import KERNEL, PACK, Gate
from lib.daemon import MANAGER, NAME, PATH
from lib.dbus import Connection, DBusError, Variant
from lib.limits import limited
from lib.programs import NOBODY, environment, program
from lib.systemd import Systemd

SLOW = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}}
FAILS = "echo no more ink; exit 7"


class Flush:
    """bootkeep-flush as its unit runs it when the system goes down."""

    def __init__(self, world, daemon, address=None):
        self.world = world
        self.console = world.path("console")
        self.state = world.path("state")
        self.owed = os.path.join(self.state, "owed")
        self.wrapper = world.path("bootkeepd-alone")
        with open(self.console, "w", encoding="utf-8"):
            pass
        with open(self.wrapper, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec " + " ".join(daemon.command()) + ' "$@"\n')
        os.chmod(self.wrapper, 0o755)
        self.env = environment(DBUS_SYSTEM_BUS_ADDRESS=address or world.bus.address, BOOTKEEP_LOG_LEVEL="info")

    def command(self, *arguments):
        return [program("bootkeep-flush"), f"--state={self.state}", f"--console={self.console}",
                f"--bootkeepd={self.wrapper}", "--systemd=/nowhere", *arguments]

    def run(self, status=0):
        """Waits for its end, and returns what it logged."""
        process = self.world.programs.run(self.command(), env=self.env)
        assert process.returncode == status, (process.returncode, process.stderr)
        return process.stderr

    def start(self):
        process = subprocess.Popen(self.command(), env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        self.world.later(lambda: process.poll() is not None or process.kill() or process.wait())
        return process

    def said_owed(self):
        """(exit status, log) of bootkeep-owed.service at the next boot."""
        process = self.world.programs.run(self.command("--owed"), env=self.env)
        return process.returncode, process.stderr

    @property
    def shown(self):
        with open(self.console, encoding="utf-8") as f:
            return f.read()

    @property
    def records(self):
        try:
            return sorted(os.listdir(self.owed))
        except FileNotFoundError:
            return []

    def record(self, uuid):
        with open(os.path.join(self.owed, uuid), encoding="utf-8") as f:
            return f.read()


def changed(world, config=None, script=PACK, arguments=()):
    """A volume that would settle for a minute, its daemon, and what would run at shutdown."""
    volume = world.volume()
    daemon = world.daemon(config={**SLOW, **(config or {})}, arguments=arguments)
    view = daemon.trusted(volume)
    volume.builder("pack", script, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "changed just before\n")
    view.wait_state("settling")
    return volume, daemon, view


def is_built(volume):
    return volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def a_change_a_moment_ago_is_built_before_the_system_goes_down(world):
    volume, daemon, view = changed(world)
    flush = Flush(world, daemon)
    flush.run()
    assert is_built(volume) and view.wait_state("fresh")
    assert flush.records == []
    assert re.search(rf"^bootkeep: {re.escape(volume.name)}: .*\d+ s left$", flush.shown, re.M), flush.shown
    assert flush.shown.endswith("bootkeep: all boot files are up to date\n"), flush.shown
    assert flush.said_owed() == (0, "")


@test
def nothing_to_do_is_nothing_done(world):
    volume = world.volume()
    daemon = world.daemon(config=SLOW)
    view = daemon.trusted(volume)
    builds, states = len(view.builds), view.states
    flush = Flush(world, daemon)
    flush.run()
    assert flush.shown == "" and flush.records == []
    assert len(view.builds) == builds and view.states == states  # not even a scan


def serve_systemd(world, state, unit="static"):
    """Stands in for systemd on the bus, which says STATE, and that of the file of our UNIT. Returns
    the units that were to be no longer failed."""
    def answer(message):
        world.note(f"systemd is called: {message.member} {message.body}")
        if message.member == "ResetFailedUnit":
            reset.put(message.body[0])
            connection.reply(message)
        elif message.member == "GetUnitFileState":
            connection.reply(message, "s", unit)
        else:
            connection.reply(message, "v", state_variant)

    reset = queue.Queue()
    state_variant = Variant("s", state)
    connection = Connection(world.bus.path, method=answer)
    world.later(connection.close)
    connection.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su",
                    "org.freedesktop.systemd1", 0)
    return reset


@test
def what_is_not_watched_is_scanned_and_not_owed_meanwhile(world):
    volume = world.volume(esps=0)
    for i in range(40):
        volume.mkdir(f"/usr/lib/modules/{KERNEL}/d{i}")
    daemon = world.daemon(config=SLOW, prefix=limited(inotify_watches=20))
    view = daemon.trusted(volume)
    daemon.wait_for("not watched, scanned on a timer")
    flush = Flush(world, daemon)
    flush.run()
    assert "scanning" in view.states[-2:] and flush.shown == "" and not os.path.exists(flush.owed)
    volume.write(f"/usr/lib/modules/{KERNEL}/d39/file", "new\n")
    flush.run()
    assert is_built(volume)


@test
def stopping_the_unit_by_hand_changes_nothing(world):
    volume, daemon, view = changed(world)
    holder = Connection(world.bus.path)
    world.later(holder.close)
    holder.call(NAME, PATH, MANAGER, "LockVolume", "su", volume.name, 0)
    serve_systemd(world, "running")
    view.wait("locked", lambda p: p.get("LockHolder") == holder.name)
    flush = Flush(world, daemon)
    assert "does not go down" in flush.run()
    assert view["LockHolder"] == holder.name and view["State"] == "settling" and flush.records == []


@test
def a_system_that_says_that_it_stops_is_believed(world):
    volume, daemon, _ = changed(world)
    serve_systemd(world, "stopping")
    said = Flush(world, daemon).run()
    assert "Nobody says" not in said and is_built(volume)


@test
def a_masked_unit_is_said_with_what_is_done_without_it(world):
    without = {"flush": "what changes in the last seconds", "build@": "nothing is built", "builder@": "nothing is built",
               "owed": "what was out of date at a shutdown"}
    for unit, undo in (("masked", "unmask "), ("masked-runtime", "unmask --runtime "), ("static", None)):
        serve_systemd(world, "running", unit)
        daemon = world.daemon()
        for name, text in without.items():
            if undo:
                daemon.wait_for(rf"bootkeep-{name}.service is {unit}: {text}.*: systemctl {undo}bootkeep-{name}.service$")
        if not undo:
            daemon.call("Reload")  # its answer comes after systemd's
            assert not daemon.logged("systemctl")
        daemon.stop()
        world.undo.pop()()


@test
def builds_that_have_not_ended_in_time_are_stopped(world):
    """Those in units of their own; here a stand-in for systemctl says that it was called."""
    folder = world.path("bin")
    os.mkdir(folder)
    with open(folder + "/systemctl", "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\necho "$@" >>{world.path("called")}\n')
    os.chmod(folder + "/systemctl", 0o755)
    _, daemon, view, gate = hangs(world, "0")
    flush = Flush(world, daemon)
    flush.env["PATH"] = folder + ":" + flush.env["PATH"]
    flush.run(status=1)
    with open(world.path("called"), encoding="utf-8") as f:
        assert f.read() == ("--no-ask-password --job-mode=ignore-dependencies stop "
                            "bootkeep-build@*.service bootkeep-builder@*.service\n")
    gate.open()
    view.wait_state("fresh")
    flush.run()
    with open(world.path("called"), encoding="utf-8") as f:
        assert len(f.readlines()) == 1  # there are none


@test
def locks_are_void_and_count_as_lost(world):
    volume, daemon, view = changed(world)
    holder, waiter, late = (Connection(world.bus.path) for _ in range(3))
    for client in (holder, waiter, late):
        world.later(client.close)
    holder.call(NAME, PATH, MANAGER, "LockVolume", "su", volume.name, 0)
    serial = waiter.send(NAME, PATH, MANAGER, "LockVolume", "su", volume.name, 1)
    view.wait("a waiter", lambda p: p.get("LockWaiters") == 1)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    mark = daemon.mark()
    process = Flush(world, daemon).start()
    daemon.wait_for("still held its lock when the system went down", mark)
    for client, call in ((waiter, serial), (late, None)):
        gate.await_builder() if client is late else None  # pylint: disable=expression-not-assigned
        try:
            client.finish(call or client.send(NAME, PATH, MANAGER, "LockVolume", "su", volume.name, 0))
            raise AssertionError("a lock was granted")
        except DBusError as e:
            assert e.name == "org.bootkeep1.Error.RebootInProgress", e.name
    gate.open()
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert is_built(volume)


@test
def the_reboot_lock_holds_nothing_back(world):
    volume = world.volume()
    daemon = world.daemon(config=SLOW)
    view = daemon.trusted(volume)
    holder = Connection(world.bus.path)
    world.later(holder.close)
    holder.call(NAME, PATH, MANAGER, "LockReboot", "u", 0)
    volume.write("/etc/initramfs.conf", "changed after that\n")
    view.wait_state("settling")
    Flush(world, daemon).run()
    assert is_built(volume)


LOCKER = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"


@test
def a_package_manager_holds_while_its_process_lives(world):
    path = world.path("frontend.lock")
    volume, daemon, view = changed(world, {"Watch": {**SLOW["Watch"], "HoldWhileLocked": path}})
    with subprocess.Popen([sys.executable, "-c", LOCKER, path], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as locker:
        locker.stdout.readline()
        flush = Flush(world, daemon)
        process = flush.start()
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        assert process.poll() is None and not is_built(volume)
        locker.kill()  # as systemd kills what is left of a session
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert is_built(volume) and flush.records == []


@test
def a_lock_file_that_merely_exists_holds_nothing_back(world):
    path = world.path("db.lck")
    with open(path, "w", encoding="utf-8"):
        pass
    volume = world.volume()
    daemon = world.daemon(config={**SLOW, "Watch": {**SLOW["Watch"], "HoldWhileExists": path}})
    daemon.volume(volume.name).wait("known", lambda p: p.get("UUID"))
    daemon.call("Trust", "s", volume.name)
    daemon.volume(volume.name).wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
    Flush(world, daemon).run()
    assert is_built(volume)


@test
def a_failing_builder_is_said_again_until_a_build_succeeds(world):
    volume, daemon, view = changed(world, script=FAILS)
    flush = Flush(world, daemon)
    said = flush.run(status=1)
    uuid = view["UUID"]
    assert "goes down with boot files that are out of date" in said, said
    assert re.search(rf"^bootkeep: {re.escape(volume.name)} goes down out of date: .*pack", flush.shown, re.M), flush.shown
    assert flush.records == [uuid]
    assert "pack" in flush.record(uuid), flush.record(uuid)
    daemon.stop()
    status, again = flush.said_owed()
    assert status == 1 and "pack" in again and "went down with boot files" in again, again
    daemon.start()
    (owed,) = daemon.property("Owed")
    assert owed[0] == volume.name and owed[1] == uuid and "pack" in owed[3], owed
    first = world.programs.ctl("status").stdout.splitlines()[0]
    assert volume.name in first and "out of date" in first and "pack" in first, first
    listed = json.loads(world.programs.ctl("--json=short", "status").stdout)
    assert listed["owed"][0]["volume"] == volume.name and listed["owed"][0]["uuid"] == uuid, listed
    volume.builder("pack", PACK, "%r", "%i", "%o")
    reset = serve_systemd(world, "running")
    mark = daemon.mark()
    world.programs.ctl("rebuild", volume.name)
    daemon.wait_for("what was owed when the system went down is settled", mark)
    assert reset.get(timeout=30) == "bootkeep-owed.service"
    assert flush.records == [] and daemon.property("Owed") == []
    assert flush.said_owed() == (0, "")
    assert "out of date" not in world.programs.ctl("status").stdout.splitlines()[0]


@test
def a_distrusted_volume_owes_nothing(world):
    volume, daemon, view = changed(world, script=FAILS)
    flush = Flush(world, daemon)
    flush.run(status=1)
    assert flush.records == [view["UUID"]]
    daemon.stop()
    daemon.start()
    mark = daemon.mark()
    daemon.call("Distrust", "s", volume.name)
    daemon.wait_for("what was owed when the system went down is settled", mark)
    assert flush.records == []


SILENCE = "no longer waited for: no sign of life for {} s"
IN_ALL = "no longer waited for: it was for {} s"
# what a builder does that is not waited for any longer, and how long it is waited for, in terms of FlushTimeoutSec=
COMPUTES = "(while :; do :; done) & while :; do :; done"
PRINTS = "while :; do echo printing; sleep 0.3; done"
POLLS = "until [ -e /nowhere ]; do sleep 1; done"


def owed_to(script, bound, world, arguments=()):
    """A volume with such a builder, when the system goes down."""
    _, daemon, view = changed(world, {"Shutdown": {"FlushTimeoutSec": str(bound)}}, script, arguments)
    return daemon, Flush(world, daemon), view["UUID"]


def is_owed(flush, uuid):
    return flush.records == [uuid] and "not finished in time" in flush.record(uuid)


@test
def a_builder_that_computes_in_silence_is_waited_for_three_times_as_long(world):
    """It runs in a unit."""
    systemd = Systemd(world)
    daemon, flush, uuid = owed_to(COMPUTES, 4, world, systemd.arguments())
    mark = daemon.mark()
    flush.run(status=1)
    daemon.wait_for(IN_ALL.format(12), mark)
    assert is_owed(flush, uuid)
    systemd.unit().terminate()
    systemd.await_none()


def without_daemon_it_says(script, bound, text, world):
    daemon, flush, uuid = owed_to(script, bound, world)
    daemon.kill()
    said = flush.run(status=1)
    assert text in said, said
    assert is_owed(flush, uuid)


@test
def one_that_prints_is_too_without_a_daemon(world):
    without_daemon_it_says(PRINTS, 3, IN_ALL.format(9), world)


@test
def one_that_only_looks_from_time_to_time_is_not(world):
    without_daemon_it_says(POLLS, 2, SILENCE.format(2), world)


def hangs(world, flush_timeout="1s"):
    """As `changed`, but the builder waits for a gate that nobody opens."""
    gate = Gate(world)
    volume, daemon, view = changed(world, {"Shutdown": {"FlushTimeoutSec": flush_timeout}}, gate.script + PACK)
    return volume, daemon, view, gate


@test
def a_builder_that_hangs_is_not_waited_for_beyond_the_bound(world):
    volume, daemon, view, gate = hangs(world)
    flush = Flush(world, daemon)
    mark = daemon.mark()
    flush.run(status=1)
    daemon.wait_for(SILENCE.format(1), mark)
    assert flush.records == [view["UUID"]]
    assert "not finished in time" in flush.record(view["UUID"])
    assert "building initramfs 6.1.0" in flush.shown and "out of date: not finished in time" in flush.shown, flush.shown
    gate.open()
    view.wait_state("fresh")
    assert is_built(volume)


@test
def a_bound_of_nothing_waits_for_nothing(world):
    _, daemon, view, gate = hangs(world, "0")
    flush = Flush(world, daemon)
    flush.run(status=1)
    assert flush.records == [view["UUID"]] and daemon.property("FlushTimeoutUSec") == 0
    gate.open()


@test
def it_is_recorded_before_it_is_done(world):
    """The power may fail meanwhile."""
    volume, daemon, view, gate = hangs(world, "60")
    flush = Flush(world, daemon)
    process = flush.start()
    gate.await_builder()
    assert flush.records == [view["UUID"]] and "not finished in time" in flush.record(view["UUID"])
    gate.open()
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert flush.records == [] and is_built(volume)


def without_daemon(end):
    """Tests that it is done without a bootkeepd that END got rid of."""
    def run(world):
        volume, daemon, _ = changed(world)
        address = end(world, daemon)
        flush = Flush(world, daemon, address)
        said = flush.run()
        assert "doing what is owed without it" in said, said
        assert is_built(volume) and flush.records == []
        assert "all boot files are up to date" in flush.shown, flush.shown
        if address is None:
            daemon.signal(signal.SIGCONT)
    return run


@test
def a_daemon_that_was_killed_is_not_needed(world):
    def end(_, daemon):
        daemon.kill()
        return "unix:path=" + daemon.bus.path
    without_daemon(end)(world)


@test
def a_daemon_that_does_not_answer_is_not_waited_for(world):
    without_daemon(lambda _, daemon: daemon.signal(signal.SIGSTOP))(world)


@test
def a_bus_that_is_gone_is_not_needed(world):
    without_daemon(lambda *_: "unix:path=/nowhere/bus")(world)


@test
def a_daemon_that_dies_meanwhile_is_replaced(world):
    gate = Gate(world)
    volume, daemon, view = changed(world, script=gate.script + PACK)
    flush = Flush(world, daemon)
    process = flush.start()
    gate.await_builder()
    pid = view.wait("locked by its build", lambda p: p.get("LockHolderPID", 0) > 1)["LockHolderPID"]
    daemon.kill()
    os.kill(pid, signal.SIGKILL)  # in a unit it ends with the daemon, and so does its builder
    gate.await_builder()
    gate.open()
    gate.open()
    assert process.wait(60) == 0, process.stderr.read()
    process.stderr.close()
    assert is_built(volume) and flush.records == []


@test
def failures_are_recorded_without_a_daemon_too(world):
    volume, daemon, view = changed(world, script=FAILS)
    uuid = view["UUID"]
    daemon.kill()
    flush = Flush(world, daemon)
    flush.run(status=1)
    assert flush.records == [uuid] and "pack" in flush.record(uuid), flush.records
    assert not is_built(volume)


@test
def without_a_program_to_run_the_system_goes_down_and_it_is_said(world):
    _, daemon, _ = changed(world)
    daemon.kill()
    flush = Flush(world, daemon)
    os.unlink(flush.wrapper)
    said = flush.run(status=1)
    assert "Boot files may be out of date" in said and "bootkeepd cannot be run" in flush.shown, (said, flush.shown)


@test
def a_program_that_prints_anything_else_is_not_believed(world):
    _, daemon, _ = changed(world)
    daemon.kill()
    flush = Flush(world, daemon)
    for output in ("OWED a b c d e", "LEFT -1", "hello", "x" * 100000, "LEFT 5", "LEFT 1\\nSHOWN"):
        with open(flush.wrapper, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\nprintf '{output}\\n'\n")
        assert "Boot files may be out of date" in flush.run(status=1), output
        assert flush.records == []


@test
def only_root_takes_everybody_s_locks_away(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    result = world.programs.run([*NOBODY, "busctl", "--system", "call", NAME, PATH, MANAGER, "LastChance", "t", "1000000"])
    assert result.returncode != 0 and "denied" in result.stderr, result.stderr
    assert view["State"] == "fresh"


def put(flush, name, text, mode=0o644):
    os.makedirs(flush.owed, exist_ok=True)
    path = os.path.join(flush.owed, name)
    with open(path, "wb") as f:
        f.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


UUID = "11111111-2222-3333-4444-555555555555"
GOOD = f"bootkeep-owed 1\nvolume sdx2\nuuid {UUID}\nsince 1764000000000000\nreason the paper was out\n"


@test
def records_that_are_not_ours_are_said_and_ignored(world):
    daemon = world.daemon()
    flush = Flush(world, daemon)
    daemon.stop()
    elsewhere = world.path("elsewhere")
    with open(elsewhere, "w", encoding="utf-8") as f:
        f.write(GOOD)
    put(flush, UUID, GOOD)
    bad = {
        "empty": put(flush, "empty", ""),
        "noise": put(flush, "noise", os.urandom(512)),
        "huge": put(flush, "huge", GOOD + "more x\n" * 100000),
        "open": put(flush, "open", GOOD, 0o666),
        "other": put(flush, "other", GOOD),  # not the name that it should have
        "cut": put(flush, "cut", GOOD[:-30]),
        "number": put(flush, "number", GOOD.replace("since 1", "since x")),
        "nobody": put(flush, "nobody", GOOD),
    }
    os.chown(bad["nobody"], 65534, 65534)
    os.symlink(elsewhere, os.path.join(flush.owed, "link"))
    os.mkfifo(os.path.join(flush.owed, "fifo"))
    os.mkdir(os.path.join(flush.owed, "folder"))
    status, said = flush.said_owed()
    assert status == 1 and "the paper was out" in said, said
    mark = daemon.mark()
    daemon.start()
    for name in (*bad, "link", "fifo", "folder"):
        assert f"Ignoring the record {name} of what was owed" in said, (name, said)
        daemon.wait_for(f"Ignoring the record {name} of what was owed", mark)
    assert [o[0] for o in daemon.property("Owed")] == ["sdx2"]
    os.unlink(os.path.join(flush.owed, UUID))
    assert flush.said_owed()[0] == 0  # what is ignored does not fail the unit
    daemon.call("Reload")
    assert daemon.property("Owed") == []


@test
def a_folder_of_records_that_is_a_link_is_not_followed(world):
    daemon = world.daemon()
    flush = Flush(world, daemon)
    daemon.stop()
    put(flush, UUID, GOOD)
    os.rename(flush.owed, world.path("theirs"))
    os.symlink(world.path("theirs"), flush.owed)
    status, said = flush.said_owed()
    assert status == 0 and "Cannot read" in said, said
    daemon.start()
    assert daemon.property("Owed") == []
    os.unlink(flush.owed)


main()
