#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bench.py NAME [WORD]...: runs bench/NAME with the kernel of the machine. Its clock counts instructions, so it does not matter
what else the host does, and times mean nothing: ratios do."""

import os
import shlex
import sys

from machine import SOURCE, Missing, machine

sys.path.insert(0, os.path.join(SOURCE, "tests", "learn"))

# pylint: disable=wrong-import-order,wrong-import-position
from lab import PACKAGES, TREE, make_tree

HOURS = 6


def main():
    name, *words = sys.argv[1:]
    if name == "learn":
        make_tree()
    env = [f"{key}={os.environ[key]}" for key in (TREE, PACKAGES) if key in os.environ]
    with machine(memory_mib=6144, counted=True) as m:  # what is measured is on disks of memory
        status = m.run(shlex.join(["env", *env, os.path.join(SOURCE, "bench", name), *words]),
                       lambda line: print(line, flush=True), HOURS * 3600)
        if status != 0:
            print("\n".join(m.said()))
    sys.exit(1 if status is None else status)


try:
    main()
except Missing as e:
    sys.exit(f"bench.py: {e}")
