#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole build with this kernel, with the real daemon: what a builder opened, and what another one only looked for, is
listed, and noticed when it changes."""

import json
import os

from realdisk import real_volume

# pylint: disable=wrong-import-order
from lib import main, test
from lib.content import MANIFEST, cache, manifest

SUCCESS = 0
READ = """
cat "$1/etc/read.conf"
ls "$1/etc/hooks" >/dev/null
cat "$1/etc/linked.conf"
"""
LOOK = """
test -e "$1/etc/looked.conf"
! test -e "$1/etc/none.conf" || echo "there it is"
"""
SEEN = {("file", "/etc/read.conf"), ("listed", "/etc/hooks"), ("file", "/usr/share/target.conf"), ("link", "/etc/linked.conf")}
LOOKED = {("looked", "/etc/looked.conf"), ("absent", "/etc/none.conf")}


def learning(world):
    """A volume with two caches; the builder of the second one learns by look-ups."""
    volume = real_volume(world, esps=0)
    for name in ("read", "looked"):
        volume.write(f"/etc/{name}.conf", name + "\n")
    volume.write("/etc/hooks/one", "1\n")
    volume.write("/usr/share/target.conf", "target\n")
    volume.symlink("/etc/linked.conf", "../usr/share/target.conf")
    for how in ("opens", "lookups"):
        volume.builder(how, READ + LOOK + 'echo built >"$2"\n', "%r", "%o", Learn=how)
    volume.write(MANIFEST, manifest(*[cache(how, how, "/etc/machine-id", f"/boot/{how}") for how in ("opens", "lookups")]))
    return volume


def listed(world, volume, how):
    """{(kind, path)} of what cache HOW learned."""
    process = world.programs.ctl("sources", volume.name, how, "--json=short")
    assert process.returncode == 0, process.stderr
    return {(s["kind"], s["path"]) for s in json.loads(process.stdout)["sources"] if s["how"] == f"learned: {how}"}


@test
def what_went_into_a_build_is_learned_listed_and_noticed(world):
    volume = learning(world)
    view = world.daemon().trusted(volume)
    status = world.programs.ctl("status", volume.name).stdout
    assert "Learned: yes" in status, status
    for line in [f"kernel {os.uname().release}", *status.splitlines()]:
        print("# " + line)
    opens, lookups = (listed(world, volume, how) for how in ("opens", "lookups"))
    assert SEEN <= opens and not LOOKED & opens, opens
    assert SEEN | LOOKED <= lookups, lookups
    for path, caches in (("/etc/read.conf", ("opens", "lookups")), ("/etc/hooks/two", ("opens", "lookups")),
                         ("/etc/none.conf", ("lookups",))):
        before = {how: volume.runs(how) for how in ("opens", "lookups")}
        builds = len(view.builds)
        volume.write(path, f"{path} is another\n")
        assert view.wait_build(builds, timeout=180)[0] == SUCCESS
        view.wait_state("fresh", timeout=180)
        ran = {how for how, runs in before.items() if volume.runs(how) > runs}
        assert ran == set(caches), f"{path}: built {ran}"


main()
