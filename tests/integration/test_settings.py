#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No mistake in the configuration opens a door: nothing is trusted that was not before, and nothing is built, until it
is mended; and that is said."""

import os
import re
import signal

from lib import main, test
from lib.content import manifest
from lib.daemon import Daemon
from lib.dbus import DBusError
from lib.programs import BUILD

# The daemon, as on a machine whose root is the volume at $1: all that it needs lies over the volume's own directories.
IN_VOLUME = """
root=$1; shift
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/lib64" "$root/usr/lib/x86_64-linux-gnu"
[ -e "$root/lib" ] || ln -s usr/lib "$root/lib"
for d in /proc /sys /dev /run /tmp /lib64 /usr/lib/x86_64-linux-gnu; do mount --rbind "$d" "$root$d"; done
mkdir -p "$root$BUILD"; mount --rbind "$BUILD" "$root$BUILD"
exec chroot "$root" "$@"
"""


def running_daemon(world, volume, text):
    """A daemon to which VOLUME is the running system, with a configuration of TEXT."""
    write(world, text)
    script = f"BUILD={BUILD}\n{IN_VOLUME}"
    daemon = Daemon(world, config_file=world.path("bootkeep.conf"),
                    prefix=["unshare", "--mount", "sh", "-euc", script, "sh", volume.root])
    daemon.start()
    return daemon


def write(world, text):
    with open(world.path("bootkeep.conf"), "w", encoding="utf-8") as f:
        f.write(text)


QUICK = "[Watch]\nSettleSec=200ms\nSettleMaxSec=2\nBootDelaySec=0\n"


def system(world):
    """A volume with nothing to build."""
    volume = world.volume()
    volume.write("/etc/bootkeep/bootcaches.xml", manifest("\n"))
    return volume


def reload(daemon):
    """Does it succeed?"""
    try:
        daemon.call("Reload")
        return True
    except DBusError:
        return False


def is_held(properties):
    return "held back" in properties["StateReason"]


def seen(daemon, volume):
    return daemon.volume(volume.name).wait("there", lambda p: p.get("State") not in (None, "new", "scanning"))


@test
def the_running_system_is_trusted_unless_forbidden(world):
    volume = system(world)
    daemon = running_daemon(world, volume, QUICK)
    assert seen(daemon, volume)["MountPoint"] == "/"
    assert daemon.volume(volume.name)["Trusted"] is True
    daemon.stop()
    daemon = running_daemon(world, volume, QUICK + "; a comment\n[Trust]\n; another\nRunningSystem=no\n")
    view = seen(daemon, volume)
    assert view["Trusted"] is False and "held back" not in view["StateReason"], view.properties
    assert not daemon.logged("cannot be read")


@test
def a_mistake_does_not_trust_the_running_system(world):
    volume = system(world)
    mistakes = {
        "[Trust]\nRunningSystem=nope\n": "bad value",
        "[Trust]\nRunningSytem=no\n": "unknown key",
        "[Trust]\nnonsense\nRunningSystem=no\n": "held back: .*bootkeep.conf:6 cannot be read",
        "[Trust\nRunningSystem=no\n": "held back: .*bootkeep.conf:5 cannot be read",
        "[Turst]\nRunningSystem=no\n": "held back: .*bootkeep.conf:6 cannot be read",
        "[Trust]\nRunningSystem=\\\nno\n": None,
        "[Trust]\nRunningSystem=no\0\n": "held back: .*bootkeep.conf",
    }
    for text, said in mistakes.items():
        daemon = running_daemon(world, volume, QUICK + text)
        view = seen(daemon, volume)
        assert view["Trusted"] is False, (text, view.properties)
        if said and said.startswith("held back"):
            view.wait(said, lambda p, s=said: re.search(s, p["StateReason"]))
            daemon.wait_for("until this is corrected")  # the bus may be faster than the log
            assert len(daemon.logged("until this is corrected")) == 1, daemon.lines
        elif said:
            daemon.wait_for(said)
        daemon.stop()


@test
def a_failed_reload_leaves_the_running_system_as_it_was(world):
    volume = system(world)
    daemon = running_daemon(world, volume, QUICK + "[Trust]\nRunningSystem=no\n")
    view = seen(daemon, volume)
    write(world, QUICK + "[Trust]\nRunningSystem=yes\nnonsense\n")
    assert not reload(daemon)
    view.wait("held back", is_held)
    assert view["Trusted"] is False
    write(world, QUICK)
    assert reload(daemon)
    view.wait("trusted", lambda p: p["Trusted"] and not is_held(p))
    write(world, QUICK + "[Trust]\nRunningSystem=no\nnonsense\n")
    daemon.signal(signal.SIGHUP)
    view.wait("held back", is_held)
    assert view["Trusted"] is True
    os.unlink(world.path("bootkeep.conf"))
    assert not reload(daemon)
    assert view["Trusted"] is True and is_held(view.properties)


@test
def nothing_is_built_until_the_configuration_is_repaired(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds = len(view.builds)
    with open(daemon.config, "a", encoding="utf-8") as f:
        f.write("[Watch\n")
    assert not reload(daemon)
    assert view["Trusted"] is True
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait("held back", lambda p: p["State"] == "stale" and "held back" in p["StateReason"])
    said = world.programs.ctl("status", volume.name).stdout
    assert "bootkeep.conf" in said and "cannot be read" in said, said
    assert view["Busy"] is False  # or nobody could reboot to mend it
    refused = world.programs.ctl("rebuild", volume.name)
    assert refused.returncode != 0 and "cannot be read" in refused.stderr, refused.stderr
    assert daemon.call("Scan", "s", volume.name) == ["stale"]  # a scan is as good as ever
    assert len(view.builds) == builds
    daemon.configure(None)
    assert reload(daemon)
    view.wait_build(builds)
    view.wait_state("fresh")
    assert "held back" not in view["StateReason"]


main()
