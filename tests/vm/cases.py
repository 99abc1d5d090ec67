# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cases are functions marked @case that take a Lab; the name of the function states the behaviour. Each starts machines of
real.py, and says what it sees.

A test program is run as `test_NAME.py [WORD]...`: with words, only the cases whose names contain one of them. `cases.py`
itself opens a shell in a machine that cases start from."""

import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback

from machine import CACHE, Missing
from real import Real, would_boot
from saved import saved

_cases = []
_long = []


def case(function):
    _cases.append(function)
    return function


def long_case(function):
    """One that takes minutes of a processor: not in CI."""
    _long.append(function)
    return case(function)


class Lab:
    """What a case needs: machines that start from the saved state, and a place where all that is theirs goes away."""

    def __init__(self, state, folder):
        self.state, self.folder = state, folder

    def resumed(self):
        """A machine that has been booted, with everything fresh."""
        machine = Real(self.state.disks.overlay(self.folder), self.folder, incoming=self.state.ram,
                       variables=self.state.variables)
        return machine.go_on()

    def booted(self, machine=None, only=None):
        """From the firmware on, from what MACHINE, which has ended, left on its disks; ONLY=N: with that disk alone."""
        disks = machine.disks if machine else self.state.disks
        return Real(disks.overlay(self.folder), self.folder, only=only, variables=self.state.variables)

    def boots_alone(self, machine, *marks):
        """Each disk that MACHINE left boots without the other, from one of MARKS. Both start at the same time."""
        runs = [self.booted(machine, only=n) for n in (0, 1)]
        try:
            for n, run in enumerate(runs):
                mark = run.console.wait("initramfs: (.*)")[1]
                assert mark in marks, f"disk {n} alone booted {mark}, not one of {marks}"
                run.wait_up()
                self.say(f"disk {n} alone booted: {mark}, {run.run('cat /proc/mdstat | grep -A1 ^md | tail -n 1').strip()}")
        finally:
            for run in runs:
                run.close()

    def carried(self, machine):
        """What each of the disks that MACHINE left would boot: kernel's version to mark, read from outside."""
        found = [would_boot(machine.esp(n)) for n in (0, 1)]
        for n, what in enumerate(found):
            self.say(f"disk {n} would boot: {', '.join(what.values())}")
        return found

    @staticmethod
    def say(text):
        print("\n".join("# " + line for line in text.splitlines()), flush=True)


def _run_one(number, function, state):
    title = f"{number} - {function.__name__.replace('_', ' ')}"
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix="case-", dir=CACHE)
    try:
        function(Lab(state, folder))
        good = True
    except Exception:  # pylint: disable=broad-except
        Lab.say(traceback.format_exc())
        good = False
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    Lab.say(f"took {time.monotonic() - began:.0f} s")
    print(f"{'ok' if good else 'not ok'} {title}", flush=True)
    return good


class _Running:
    """A case in a process of its own, with what it has said so far."""

    def __init__(self, number, function, state):
        self.output = tempfile.TemporaryFile("w+", encoding="utf-8")  # pylint: disable=consider-using-with
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.dup2(self.output.fileno(), sys.stdout.fileno())
                status = 0 if _run_one(number, function, state) else 1
                sys.stdout.flush()
            finally:
                os._exit(status)

    def end(self):
        """Whether it went well; prints what it said."""
        pid, self.pid = self.pid, None
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.output.seek(0)
        sys.stdout.write(self.output.read())
        sys.stdout.flush()
        self.output.close()
        return status == 0

    def interrupt(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)
            os.waitpid(self.pid, 0)


def _run_all(functions, state):
    """One more at a time than there are processors: a machine often waits, for its firmware or the end of a timeout. Printed in
    their order."""
    waiting = list(enumerate(functions, 1))
    running = []
    good = True
    try:
        while waiting or running:
            while waiting and sum(_runs(r) for r in running) <= (os.cpu_count() or 1):
                running.append(_Running(*waiting.pop(0), state))
            if _runs(running[0]):
                _await_any(running)
            else:
                good = running.pop(0).end() and good
    finally:
        for one in running:
            one.interrupt()
    return good


def _runs(running):
    return os.waitid(os.P_PID, running.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def _await_any(running):
    """Until one more of those that run has ended."""
    fds = {os.pidfd_open(r.pid): r for r in running if _runs(r)}
    try:
        if len(fds) == sum(_runs(r) for r in running):
            select.select(list(fds), [], [])
    finally:
        for fd in fds:
            os.close(fd)


def main():
    """Runs the cases of the program, exits."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    chosen = [c for c in _cases if not sys.argv[1:] or any(w in c.__name__ for w in sys.argv[1:])]
    left_out = [c for c in chosen if c in _long and os.environ.get("CI") and not sys.argv[1:]]
    chosen = [c for c in chosen if c not in left_out]
    began = time.monotonic()
    try:
        state = saved()
    except Missing as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    print(f"1..{len(chosen)}", flush=True)
    for function in left_out:
        Lab.say(f"not in CI, which has 40 minutes: {function.__name__}")
    Lab.say(f"the machine was ready after {time.monotonic() - began:.0f} s")
    sys.exit(0 if _run_all(chosen, state) else 1)


def shell():
    folder = tempfile.mkdtemp(prefix="case-", dir=CACHE)
    try:
        with Lab(saved(), folder).resumed() as machine:
            print("this is Debian 12 with bootkeep, on two disks; exit ends the machine", flush=True)
            machine.shell()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    shell()
