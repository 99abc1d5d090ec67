#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installs bootkeep into a folder, boots systemd in a machine with it, and runs guest/systemd.py there.

Built without sanitizers, as it is installed: these do not work within the limits of a unit."""

import os
import shlex
import subprocess
import sys

from machine import CACHE, EXIT, HERE, SOURCE, Missing, guest, machine

PLAIN = os.path.join(CACHE, "plain")
TIMEOUT = 1100


def install(folder):
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    commands = [] if os.path.exists(PLAIN + "/build.ninja") else [["meson", "setup", "-Dtests=false", PLAIN, SOURCE]]
    commands += [["ninja", "-C", PLAIN], ["meson", "install", "-C", PLAIN, "--no-rebuild", "--destdir", folder]]
    for command in commands:
        process = subprocess.run(command, check=False, **quiet)
        if process.returncode != 0:
            print("\n".join("# " + line for line in process.stdout.splitlines()[-40:]))
            print(f"Bail out! {' '.join(command)} failed")
            sys.exit(1)


def main():
    try:
        with machine() as m:
            m.disk(128)
            installed = os.path.join(m.folder, "installed")
            install(installed)
            test = " ".join([guest("systemd.py"), *map(shlex.quote, sys.argv[1:])])
            script = (f"INSTALLED={shlex.quote(installed)}\nTEST={shlex.quote(test)}\nEXIT={shlex.quote(EXIT)}\n"
                      f". {shlex.quote(HERE)}/guest/systemd-job\n")
            status = m.start(script, print, TIMEOUT)
            m.explain(status, TIMEOUT)
    except Missing as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    sys.exit(1 if status is None else status)


main()
