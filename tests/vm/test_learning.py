#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is learned of a builder on Linux 6.1, the oldest kernel that bootkeep learns on as it should: the unit tests that use
fanotify and seccomp, then guest/learning.py, and, which takes minutes, guest/realtools.py.

With words, only the programs whose names contain one of them."""

import os
import re
import shlex
import sys

from machine import BUILD, SOURCE, Missing, guest, machine

sys.path.insert(0, os.path.join(SOURCE, "tests", "learn"))

# pylint: disable=wrong-import-order,wrong-import-position
from lab import PACKAGES, TREE, make_tree

UNITS = ("trace", "lookups", "learner")
FEW = 300
TIMEOUT = 3600


class Tap:
    """One test program made of several."""

    def __init__(self):
        self.tests = 0
        self.planned = 0

    def line(self, text):
        if found := re.fullmatch(r"1\.\.(\d+)", text):
            self.planned += int(found[1])
        elif found := re.fullmatch(r"(ok|not ok) \d+(.*)", text):
            self.tests += 1
            print(f"{found[1]} {self.tests}{found[2]}", flush=True)
        else:
            print(text if text.startswith("#") or text.startswith("Bail out!") else "# " + text, flush=True)

    def end(self):
        """Who died has said less than it planned."""
        print(f"1..{max(self.planned, self.tests)}", flush=True)


def commands(words):
    """{name: what runs it}"""
    found = {name: f"{shlex.quote(os.path.abspath(BUILD))}/tests/unit/test-{name}" for name in UNITS}
    found.update({"learning": guest("learning.py"), "realtools": guest("realtools.py")})
    if os.environ.get("CI") and not words:
        print(f"# not in CI, which has 40 minutes: realtools; {FEW} children instead of 10000", flush=True)
        found["lookups"] = f"BOOTKEEP_TEST_CHILDREN={FEW} {found['lookups']}"
        del found["realtools"]
    return {name: command for name, command in found.items() if not words or any(w in name for w in words)}


def main():
    tap = Tap()
    chosen = commands(sys.argv[1:])
    script = "export CMOCKA_MESSAGE_OUTPUT=TAP; uname -r; worst=0; "
    if "realtools" in chosen:
        make_tree()
        script += "".join(f"export {key}={shlex.quote(os.environ[key])}; " for key in (TREE, PACKAGES))
    for name, command in chosen.items():
        script += f"echo '{name}:'; SECONDS=0; {command} || worst=1; echo \"took $SECONDS s\"; "
    try:
        with machine(memory_mib=3072 if "realtools" in chosen else 1536) as m:
            m.disk(128)
            status = m.run(f"bash -c {shlex.quote(script + 'exit $worst')}", tap.line, TIMEOUT)
            m.explain(status, TIMEOUT)
    except Missing as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    tap.end()
    sys.exit(1 if status is None else status)


main()
