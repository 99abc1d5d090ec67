#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""tools/try: it shows everything from a change to the helper, and leaves nothing behind, however it ends."""

import os
import signal
import subprocess

from lib import main, test
from lib.programs import BUILD, environment

TRY = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "tools", "try")


class Show:
    """A running tools/try."""

    def __init__(self, world):
        self.world = world
        self.said = ""
        self.folder = world.path("tmp")
        os.mkdir(self.folder)
        # a signal that is ignored where the tests run, as under nohup(1), would stay ignored in a shell
        env = environment(BOOTKEEP_BUILD=os.path.realpath(BUILD), BOOTKEEP_TRY_TMP=self.folder)
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["env", "--default-signal", TRY], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, env=env)

    def read_until(self, words):
        """Reads up to a line that contains WORDS, or to the end if it is None."""
        for line in self.process.stdout:
            self.world.note(line.rstrip("\n"))
            self.said += line
            if words and words in line:
                return
        assert words is None, f"{words!r} was not said"

    def end(self, *statuses):
        self.read_until(None)
        assert self.process.wait(30) in statuses, self.process.returncode
        assert "left over" not in self.said, self.said
        left = os.listdir(self.folder)
        assert not left, left  # World checks that no loop device, mount or process is left


@test
def everything_from_change_to_helper_is_shown(world):
    show = Show(world)
    show.read_until("Both ESPs carry the new initramfs")
    show.end(0)
    assert show.said.count("same as /boot/initrd-6.1.0 on the volume") == 2, show.said
    for words in ("not trusted", "held back by a lock", "lost its lock", "build failed", "both still boot",
                  "nothing is left"):
        assert words in show.said, words
    assert "\x1b" not in show.said


def ends_by(world, number, where, to_all=True):
    show = Show(world)
    show.read_until(where)
    (os.killpg if to_all else os.kill)(show.process.pid, number)
    show.end(128 + number, 130)  # from the wait that it interrupted, or from what ran inside


@test
def a_terminal_that_closes_ends_it_cleanly(world):
    ends_by(world, signal.SIGHUP, "The administrator trusts it")


@test
def a_signal_to_it_alone_ends_it_cleanly(world):
    ends_by(world, signal.SIGTERM, "Somebody edits a source", to_all=False)


@test
def a_signal_at_its_very_start_ends_it_cleanly(world):
    ends_by(world, signal.SIGTERM, "1. A disk with two ESPs")


main()
