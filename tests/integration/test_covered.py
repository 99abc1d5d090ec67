#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A file system of its own at /var, over the stamps of the volume, and scans that may not look below it: another process
opens the stamps for each of them."""

import json
import os
import subprocess

from lib import main, test
from lib.content import assert_carries
from lib.disk import is_free, run
from lib.programs import Result, libexec, program

ERROR = 4
WITHOUT = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", "--"]


def separate_var(world, volume):
    volume.mkdir("/var")
    run("mount", "-t", "tmpfs", "var", volume.path("/var"))
    world.first(lambda: subprocess.run(["umount", "-q", volume.path("/var")], check=False))
    volume.mkdir("/var/lib/bootkeep")


def confined(world):
    """The daemon's scans have no CAP_SYS_ADMIN, as in its unit."""
    path = os.path.join(libexec(world), "bootkeep-scan")
    os.unlink(path)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\nexec {" ".join(WITHOUT)} {program("bootkeep-scan")} "$@"\n')
    os.chmod(path, 0o755)


@test
def by_hand_it_goes_on_as_before(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    separate_var(world, volume)
    world.programs.scan(volume).expect(0, "fresh")
    process = world.programs.run([*WITHOUT, *world.programs.scan_command(volume)])
    result = Result(process).expect(ERROR, "error")
    assert "something is mounted over this path" in result.reason and "CAP_SYS_ADMIN" in result.reason, result.reason


@test
def a_volume_with_a_separate_var_stays_fresh(world):
    volume = world.volume()
    separate_var(world, volume)
    confined(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    assert volume.runs() == 1
    for helper in volume.disk.esp:
        assert_carries(volume, helper)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "compress=zstd\n")
    view.wait_build(builds)
    view.wait_state("fresh")
    assert volume.runs() == 2
    daemon.call("Scan", "s", volume.name)
    assert view["State"] == "fresh" and volume.runs() == 2, "it was built for nothing"
    assert os.listdir(volume.path("/var/lib/bootkeep")) == [], "stamps are in what is mounted there"


def sources(world, volume):
    """The paths of what was learned."""
    process = world.programs.ctl("sources", volume.name, "--json=short")
    assert process.returncode == 0, process.stderr
    return [s["path"] for s in json.loads(process.stdout)["sources"] if s["how"].startswith("learned")]


@test
def what_was_learned_is_listed_all_the_same(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    before = [w[3] for w in world.programs.scan(volume, "--sources").all("SOURCE") if w[5] == "learned:"]
    separate_var(world, volume)
    confined(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    assert before and sources(world, volume) == before
    assert sources(world, volume) == before and view["State"] == "fresh", "once more"
    assert not [f for f in os.listdir(world.path("run")) if "stamps" in f]


@test
def umount_and_unplug_go_on(world):
    volume = world.volume()
    separate_var(world, volume)
    confined(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    daemon.call("Scan", "s", volume.name)
    run("umount", volume.path("/var"))
    run("umount", volume.root)
    view.wait_gone()
    assert is_free(volume.disk.volume.node), "something still holds the file system"
    volume.disk.mount()
    daemon.volume(volume.name).wait_state("fresh")


def replace_build(world, target):
    """What the daemon starts as bootkeep-build."""
    build = os.path.join(libexec(world), "bootkeep-build")
    os.unlink(build)
    os.symlink(target, build)


@test
def who_cannot_open_it_is_told(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    separate_var(world, volume)
    confined(world)
    replace_build(world, "/nonexistent")
    daemon = world.daemon()
    daemon.wait_for("cannot look below what is mounted over the stamps: No such file or directory")
    daemon.wait_for("scan failed")
    replace_build(world, program("bootkeep-build"))
    daemon.trusted(volume)


@test
def an_opener_that_dies_ends_the_scan(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    separate_var(world, volume)
    confined(world)
    replace_build(world, "/bin/false")
    daemon = world.daemon()
    daemon.wait_for("cannot look below what is mounted over the stamps: bootkeep-build exited with status 1")
    daemon.wait_for("scan failed")


main()
