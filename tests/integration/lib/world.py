# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one test has, and what has to be gone behind it."""

import os

from . import sandbox
from .content import Volume
from .daemon import Daemon
from .disk import Disk
from .programs import Programs


class World:
    """One test's disks, daemons and folders. Whatever is registered with `later` is undone in reverse order."""

    def __init__(self, folder, bus, name):
        self.folder = os.path.join(folder, name)
        self.bus = bus
        self.undo = []
        self.lines = []
        self.processes = _processes()
        os.mkdir(self.folder)
        self.programs = Programs(self)

    def path(self, name):
        return os.path.join(self.folder, name)

    def later(self, function):
        self.undo.append(function)

    def note(self, line):
        """A line for the diagnosis of a failed test."""
        self.lines.append(line)

    def log(self):
        return self.lines

    def disk(self, **options):
        return Disk(self, **options)

    def volume(self, **options):
        """A disk whose OS volume is mounted and has a tree, a manifest and a builder that suits it."""
        disk = Disk(self, **options)
        disk.mount()
        volume = Volume(self, disk)
        volume.populate()
        return volume

    def daemon(self, **options):
        """A running daemon that has said READY=1."""
        daemon = Daemon(self, **options)
        daemon.start()
        return daemon

    def leave(self):
        """Undoes all; returns what went wrong with it or was left over."""
        problems = []
        for function in reversed(self.undo):
            try:
                function()
            except Exception as e:  # pylint: disable=broad-except
                problems.append(f"cleaning up: {e}")
        # The folder itself stays until the end of the program: the keeper removes it from outside, where none of our
        # mounts exists, so that nothing is ever removed through a mount that a test forgot.
        return problems + _leaks(self)


def _processes():
    """All processes of the sandbox but ours, udevd's workers and what merely waits to be reaped."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
                name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        except OSError:
            continue
        if rest.split()[0] != "Z" and "udev" not in name:
            found[int(pid)] = name
    return found


def _leaks(world):
    while True:  # what lost its parent is ours to reap: we are process 1 here
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    now = _processes()
    leaks = [f"left behind: process {pid} ({name})" for pid, name in now.items() if pid not in world.processes]
    leaks += [f"left behind: {loop}" for loop in sandbox.loops_of(world.folder)]
    leaks += [f"left behind: mount {m}" for m in sandbox.mounts_below(world.folder)]
    return leaks
