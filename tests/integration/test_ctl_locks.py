#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeepctl lock, reboot-lock, flush; and bootkeep-build, which takes the same lock."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import NAME, VOLUME
from lib.dbus import Connection
from lib.programs import SANITIZER, environment, program

OK, NO, USAGE = 0, 1, 2
NOT_FOUND, CANNOT_START = 127, 126

# Reports that it is running, then exits with status 5 on any signal.
PATIENT = """
import signal, sys
for s in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(s, lambda *_: sys.exit(5))
print("there", flush=True)
while True:
    signal.pause()
"""
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}


class Running:
    """A program in the background. `end` waits for it and returns (status, stdout, stderr)."""

    def __init__(self, world, command, **options):
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(command, env=env, text=True, **pipes)
        self.world = world
        world.later(self._clean)

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def line(self, timeout=30):
        """Waits for a line on its stdout."""
        assert select.select([self.process.stdout], [], [], timeout)[0], f"no line within {timeout} s"
        return self.process.stdout.readline()

    def end(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        self.world.note(f"-> {self.process.returncode}\n{out}{err}")
        assert not SANITIZER.search(err or ""), err
        return self.process.returncode, out, err

    def _clean(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()


def ctl(world, *arguments, **options):
    return Running(world, [program("bootkeepctl"), *arguments], **options)


def lock(world, volume, *command, wait=False, **options):
    return ctl(world, "lock", volume.name, *(["--wait"] if wait else []), "--", *command, **options)


def patient(world, volume, **options):
    """A holder whose command is known to be running."""
    holder = lock(world, volume, sys.executable, "-c", PATIENT, **options)
    assert holder.line() == "there\n"
    return holder


class Counted:
    """Every value that Failures had: a failure counted by a lock is forgiven once a scan finds everything fresh."""

    def __init__(self, world):
        self.changed = threading.Condition()
        self.values = []
        connection = Connection(world.bus.path, self._signal)
        world.later(connection.close)
        connection.add_match(f"type='signal',sender='{NAME}',member='PropertiesChanged'")

    def _signal(self, message):
        if message.body[0] == VOLUME and "Failures" in message.body[1]:
            with self.changed:
                self.values.append(message.body[1]["Failures"])
                self.changed.notify_all()

    def wait(self, values, timeout=30):
        with self.changed:
            done = self.changed.wait_for(lambda: self.values == values, timeout)
        assert done, f"{self.values}, expected {values}"


def expect(result, status):
    assert result[0] == status, f"status {result[0]}, expected {status}: {result[1:]}"
    return result


def fresh(world, **options):
    volume = world.volume()
    daemon = world.daemon(**options)
    return volume, daemon, daemon.trusted(volume)


@test
def the_exit_status_of_the_command_is_returned_and_counts(world):
    volume, _, view = fresh(world)
    counted = Counted(world)
    expect(lock(world, volume, "sh", "-c", "exit 7").end(), 7)
    counted.wait([1, 0])
    expect(lock(world, volume, "sh", "-c", "exit 75").end(), 75)
    expect(lock(world, volume, "true").end(), OK)
    view.wait_state("fresh")
    expect(lock(world, volume, "sh", "-c", "kill -KILL $$").end(), 128 + signal.SIGKILL)
    counted.wait([1, 0, 1, 0])


@test
def a_success_clears_earlier_failures(world):
    volume, daemon, view = fresh(world, config=QUIET)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "changed\n")
    assert expect(ctl(world, "rebuild", volume.name).end(), NO)
    view.wait("one failure", lambda p: p["Failures"] == 1)
    mark = daemon.mark()
    # like a package manager that builds by itself: the scan then finds everything as it should be
    volume.builder("pack", PACK, "%r", "%i", "%o")
    expect(lock(world, volume, "true").end(), OK)
    view.wait("fresh", lambda p: p["State"] == "fresh" and p["Failures"] == 0)
    daemon.wait_for("succeeded, after 1 failure", mark)


@test
def the_lock_is_held_while_the_command_runs(world):
    volume, daemon, view = fresh(world)
    gate = Gate(world, "command")
    holder = lock(world, volume, "sh", "-c", gate.script)
    gate.await_builder()
    view.wait("the lock", lambda p: p["LockHolder"] and p["LockHolderPID"] == holder.pid)
    assert view["Busy"] is True and daemon.property("BusyVolumes") == [volume.name]
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", "changed under the lock\n")
    daemon.call("Scan", "s", volume.name)
    assert volume.runs() == runs, "it was built under another's lock"
    gate.open()
    expect(holder.end(), OK)
    view.wait("no lock", lambda p: p["LockHolder"] == "" and p["LockHolderPID"] == 0)
    view.wait_state("fresh")
    assert volume.runs() == runs + 1


@test
def a_stopped_command_or_bootkeepctl_keeps_the_lock(world):
    volume, daemon, view = fresh(world)
    holder = patient(world, volume)
    with open(f"/proc/{holder.pid}/task/{holder.pid}/children", encoding="ascii") as f:
        child = int(f.read())
    for pid in (holder.pid, child):
        os.kill(pid, signal.SIGSTOP)
    expect(lock(world, volume, "true").end(), NO)
    daemon.call("Scan", "s", volume.name)
    assert view["LockHolderPID"] == holder.pid, view.properties
    for pid in (child, holder.pid):
        os.kill(pid, signal.SIGCONT)
    holder.signal(signal.SIGTERM)
    expect(holder.end(), 5)


@test
def a_command_that_cannot_be_started_is_a_failure(world):
    volume, _, _ = fresh(world)
    counted = Counted(world)
    _, _, err = expect(lock(world, volume, "/nonesuch").end(), NOT_FOUND)
    assert "/nonesuch" in err and err.count("\n") == 1, err
    counted.wait([1, 0])
    expect(lock(world, volume, "/etc/passwd").end(), CANNOT_START)
    counted.wait([1, 0, 1, 0])


@test
def signals_are_forwarded_to_the_command(world):
    volume, _, _ = fresh(world)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
        holder = patient(world, volume)
        holder.signal(number)
        _, _, err = expect(holder.end(), 5)
        assert err == "", err


@test
def the_command_gets_the_hangup_of_its_terminal(world):
    """As with `ssh -t host bootkeepctl lock …` when the connection breaks: we lead the session, so only we are
    signalled."""
    volume, _, _ = fresh(world)
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = [program("bootkeepctl"), "lock", volume.name, "--", sys.executable, "-c", PATIENT]
        os.execve(arguments[0], arguments, environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address))
    assert select.select([terminal], [], [], 30)[0], "the command did not start"
    assert os.read(terminal, 100) == b"there\r\n"
    end = os.pidfd_open(pid)
    os.close(terminal)
    assert select.select([end], [], [], 30)[0], "the command was not signalled"
    os.close(end)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5


@test
def the_command_inherits_what_bootkeepctl_inherited(world):
    volume, _, _ = fresh(world)
    script = "grep -h '^SigBlk' /proc/self/status; ls /proc/self/fd; env; cat"
    direct = Running(world, ["sh", "-c", script], stdin=subprocess.PIPE)
    direct.process.stdin.write("what goes in\n")
    wanted = expect(direct.end(), OK)
    holder = lock(world, volume, "sh", "-c", script, stdin=subprocess.PIPE)
    holder.process.stdin.write("what goes in\n")
    got = expect(holder.end(), OK)
    assert got[1:] == wanted[1:], (got, wanted)


@test
def without_wait_the_holder_is_named(world):
    volume, _, view = fresh(world)
    holder = patient(world, volume)
    _, out, err = expect(lock(world, volume, "echo", "ran").end(), NO)
    assert out == "" and volume.name in err and view["LockHolder"] in err and err.count("\n") == 1, err
    holder.signal(signal.SIGTERM)
    holder.end()


@test
def waiters_get_the_lock_in_order(world):
    volume, _, view = fresh(world)
    holder = patient(world, volume)
    order = world.path("order")
    waiters = []
    for i in range(5):
        waiters.append(lock(world, volume, "sh", "-c", f"echo {i} >>{order}", wait=True))
        view.wait("in line", lambda p, n=i + 1: p["LockWaiters"] == n)
    holder.signal(signal.SIGTERM)
    holder.end()
    for waiter in waiters:
        expect(waiter.end(), OK)
    with open(order, encoding="ascii") as f:
        assert f.read().split() == ["0", "1", "2", "3", "4"]


@test
def a_waiter_that_is_interrupted_leaves_the_line(world):
    volume, _, view = fresh(world)
    holder = patient(world, volume)
    first = lock(world, volume, "true", wait=True)
    view.wait("in line", lambda p: p["LockWaiters"] == 1)
    first.signal(signal.SIGINT)
    expect(first.end(), -signal.SIGINT)
    view.wait("nobody in line", lambda p: p["LockWaiters"] == 0)
    assert view["Failures"] == 0
    holder.signal(signal.SIGTERM)
    holder.end()


@test
def a_killed_holder_loses_the_lock_to_the_next(world):
    volume, daemon, view = fresh(world)
    gate = Gate(world, "command")
    holder = lock(world, volume, "sh", "-c", gate.script)
    gate.await_builder()
    waiter = lock(world, volume, "echo", "mine", wait=True)
    view.wait("in line", lambda p: p["LockWaiters"] == 1)
    mark = daemon.mark()
    holder.signal(signal.SIGKILL)
    assert waiter.line() == "mine\n"
    expect(waiter.end(), OK)
    daemon.wait_for("vanished", mark)
    gate.open()  # the command kept running without it
    expect(holder.end(), -signal.SIGKILL)


@test
def the_command_outlives_the_daemon(world):
    volume, daemon, _ = fresh(world)
    gate = Gate(world, "command")
    holder = lock(world, volume, "sh", "-c", gate.script + "exit 3", stderr=subprocess.PIPE)
    gate.await_builder()
    daemon.stop()
    # it says so at once, not at the end
    assert select.select([holder.process.stderr], [], [], 30)[0], "no warning"
    warning = holder.process.stderr.readline()
    assert "lost" in warning and volume.name in warning, warning
    gate.open()
    _, _, err = expect(holder.end(), 3)
    assert err == "", err


@test
def losing_the_volume_under_a_lock_is_a_warning(world):
    volume, _, view = fresh(world)
    gate = Gate(world, "command")
    holder = lock(world, volume, "sh", "-c", gate.script + "exit 3")
    gate.await_builder()
    subprocess.run(["umount", "--lazy", volume.root], check=True)
    view.wait_gone()
    gate.open()
    _, _, err = expect(holder.end(), 3)
    assert volume.name in err and err.count("\n") == 1, err
    # the daemon's pin of a mount that is gone is closed by a process of its own, which nobody waits for
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            os.close(os.open(volume.disk.volume.node, os.O_RDONLY | os.O_EXCL))
            break
        except OSError:
            time.sleep(0.01)


@test
def a_terminal_shows_who_holds_the_lock(world):
    volume, _, view = fresh(world)
    holder = patient(world, volume)
    ours, theirs = pty.openpty()
    waiter = lock(world, volume, "true", wait=True, stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"..." not in shown:
        assert select.select([ours], [], [], 30)[0], f"not shown: {shown}"
        shown += os.read(ours, 4096)
    for word in (volume.name, view["LockHolder"], f"bootkeepctl ({holder.pid})"):
        assert word.encode() in shown, (word, shown)
    holder.signal(signal.SIGTERM)
    holder.end()
    expect(waiter.end(), OK)
    os.close(ours)


@test
def the_reboot_lock_is_granted_when_nothing_is_owed(world):
    volume, daemon, _ = fresh(world)
    gate = Gate(world, "command")
    holder = ctl(world, "reboot-lock", "--", "sh", "-c", gate.script + "exit 9")
    gate.await_builder()
    assert daemon.property("RebootLocked") is True and daemon.property("RebootLockHolder").startswith(":")
    _, _, err = expect(lock(world, volume, "echo", "ran", wait=True).end(), NO)
    assert "go down" in err, err
    gate.open()
    expect(holder.end(), 9)
    expect(lock(world, volume, "true").end(), OK)
    assert daemon.property("RebootLocked") is False


@test
def the_reboot_lock_is_not_granted_while_a_volume_is_busy(world):
    volume, _, _ = fresh(world)
    holder = patient(world, volume)
    _, out, err = expect(ctl(world, "reboot-lock", "--", "echo", "ran").end(), NO)
    assert out == "" and volume.name in err and err.count("\n") == 1, err
    waiter = ctl(world, "reboot-lock", "--wait", "--", "echo", "ran")
    expect(lock(world, volume, "true").end(), NO)
    assert waiter.process.poll() is None
    holder.signal(signal.SIGTERM)
    holder.end()
    _, out, _ = expect(lock_after_failure(world, volume, waiter), OK)
    assert out == "ran\n", out


def lock_after_failure(world, volume, waiter):
    """PATIENT ended with a failure; a success clears it unless the waiter has had its turn before."""
    lock(world, volume, "true").end()
    return waiter.end()


@test
def flush_completes_owed_work(world):
    volume, _, view = fresh(world, config=QUIET)
    expect(ctl(world, "flush").end(), OK)
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    expect(ctl(world, "flush").end(), OK)
    assert volume.runs() == runs + 1, view.properties
    view.wait_state("fresh")


@test
def flush_gives_up_waiting_and_names_what_is_owed(world):
    volume, _, view = fresh(world, config=QUIET)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    _, out, _ = expect(ctl(world, "flush", "--timeout=1").end(), NO)
    assert out.startswith(f"Still owed: {volume.name} is being built: "), out
    _, out, _ = expect(ctl(world, "flush", "--timeout=0", "--json=short").end(), NO)
    assert out == f'{{"busy":["{volume.name}"]}}\n', out
    gate.open()
    expect(ctl(world, "flush").end(), OK)


@test
def wrong_usage_runs_nothing(world):
    volume, _, _ = fresh(world)
    name = volume.name
    for arguments in (["lock"], ["lock", name], ["lock", name, "--"], ["lock", name, "echo", "ran"],
                      ["lock", "--force", name, "--", "echo", "ran"], ["reboot-lock"], ["reboot-lock", "echo", "ran"],
                      ["flush", name], ["flush", "--timeout=x"], ["flush", "--timeout=-1"], ["flush", "--wait"],
                      ["status", "--wait"], ["status", "--timeout=1"], ["unmount"], ["unmount", name, name]):
        _, out, err = expect(ctl(world, *arguments).end(), USAGE)
        assert out == "" and err, arguments
    _, _, err = expect(ctl(world, "lock", "sda99", "--", "echo", "ran").end(), NO)
    assert "sda99" in err, err


def build(world, volume):
    return Running(world, world.programs.build_command(volume))


@test
def a_build_by_hand_waits_its_turn(world):
    volume, _, view = fresh(world, config=QUIET)
    holder = patient(world, volume)
    volume.write("/etc/initramfs.conf", "changed\n")
    runs = volume.runs()
    builder = build(world, volume)
    view.wait("in line", lambda p: p["LockWaiters"] == 1)
    assert volume.runs() == runs
    holder.signal(signal.SIGTERM)
    holder.end()
    expect(builder.end(), OK)
    assert volume.runs() == runs + 1
    view.wait("fresh", lambda p: p["State"] == "fresh" and not p["LockHolder"])


@test
def a_build_in_line_is_interrupted_by_sigterm(world):
    volume, _, view = fresh(world)
    holder = patient(world, volume)
    builder = build(world, volume)
    view.wait("in line", lambda p: p["LockWaiters"] == 1)
    builder.signal(signal.SIGTERM)
    _, out, _ = expect(builder.end(), 75)
    assert "RESULT not-now\n" in out, out
    view.wait("nobody in line", lambda p: p["LockWaiters"] == 0)
    holder.signal(signal.SIGTERM)
    holder.end()


@test
def no_build_begins_while_the_system_goes_down(world):
    volume, _, _ = fresh(world, config=QUIET)
    gate = Gate(world, "command")
    holder = ctl(world, "reboot-lock", "--", "sh", "-c", gate.script)
    gate.await_builder()
    volume.write("/etc/initramfs.conf", "changed\n")
    runs = volume.runs()
    _, out, _ = expect(build(world, volume).end(), 75)
    assert "RESULT not-now\n" in out and "REASON" in out, out
    assert volume.runs() == runs
    gate.open()
    expect(holder.end(), OK)


@test
def a_build_by_hand_needs_no_watching_daemon(world):
    volume = world.volume()
    world.programs.build(volume).expect(OK, "success")
    world.daemon(arguments=["--no-watch"])
    volume.write("/etc/initramfs.conf", "changed\n")
    result = world.programs.build(volume).expect(OK, "success")
    assert "lock" not in result.stderr, result.stderr
    assert volume.runs() == 2


main()
