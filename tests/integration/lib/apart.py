# SPDX-License-Identifier: LGPL-2.1-or-later
"""A mount namespace of the daemon's own, as systemd makes it for bootkeepd.service: a slave of the machine's, in which all
that is mounted when it starts is read-only, with no capability but the one to read."""

import subprocess

TABLE = "--mount-table=/proc/1/mountinfo"
ENTER = """
for place in $(findmnt --noheadings --raw --output TARGET,FSROOT --types ext4 | sed -n 's, /$,,p'); do
        mount -o remount,bind,ro "$place" || exit
done
exec setpriv --bounding-set=-all,+dac_read_search --inh-caps=-all -- "$@"
"""


def prefix(before=""):
    """What bootkeepd is started by; BEFORE is run in its namespace. What is mounted in ours reaches it from now on."""
    subprocess.run(["mount", "--make-rshared", "/"], check=True)
    return ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", before + ENTER, "sh"]
