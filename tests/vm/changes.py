# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cases change in the machine of real.py, and how they know that it was built."""

import json
import shlex

STARTED = "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e05"  # the message ID of the start of a build
MODULES = "/etc/initramfs-tools/modules"


def mark(machine):
    """What the initramfs of the running kernel should be made from now."""
    return machine.run("mark $(uname -r)")


def change(machine, text):
    """Changes a source of the initramfs and returns the mark of what is made from it from now on."""
    machine.run(f"echo '# {text}' >>{MODULES}")
    return mark(machine)


def hold_builder(machine, every="0.2"):
    """From now on the stand-in, when it is run, waits for `let_go`, which it looks for so often, in seconds."""
    machine.run(f"rm -f /var/lib/go; echo 'echo held; until [ -e /var/lib/go ]; do sleep {every}; done' >/var/lib/test-builder")


def let_go(machine):
    machine.run("touch /var/lib/go; rm /var/lib/test-builder")


def configure(machine, *lines):
    """Adds these lines to the configuration."""
    machine.run(f"printf '%s\\n' {' '.join(map(shlex.quote, lines))} >/etc/bootkeep/bootkeep.conf.d/20-case.conf; "
                "systemctl reload bootkeepd")


def builds(machine):
    """When builds began since the boot, in microseconds of the machine's clock."""
    said = machine.run(f"journalctl --sync; journalctl -q -b -o json MESSAGE_ID={STARTED}")
    return [int(json.loads(line)["__REALTIME_TIMESTAMP"]) for line in said.splitlines()]


def wait_built(machine, before):
    """Waits until bootkeep has by itself built what was changed after there had been BEFORE builds. Looks at its property
    and at the journal only: `bootkeepctl check` would hurry it."""
    machine.run(f"until [ \"$(journalctl -q -b -o cat MESSAGE_ID={STARTED} | wc -l)\" -gt {len(before)} ]; do sleep 0.3; done; "
                "until busctl get-property org.bootkeep1 /org/bootkeep1/volume/md0 org.bootkeep1.Volume State | "
                "grep -qw fresh; do sleep 0.3; done")
