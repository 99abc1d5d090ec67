#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""When a limit of the kernel is reached, it is reported by name, the volume is scanned on a timer, and nothing is
lost.

The limits of inotify are those of a user namespace of the daemon's own, so that nobody else on the machine is
affected."""

import os
import re
import subprocess
import time

from lib import main, test
from lib.content import KERNEL, MANIFEST, OUTPUT, Volume
from lib.disk import run
from lib.limits import limited

SHORT = {"Watch": {"SettleMaxSec": "1"}}  # the interval of the timer too


def set_limit(daemon, name, value):
    run("nsenter", f"--target={daemon.process.pid}", "--user", "--preserve-credentials", "sh", "-ec",
        f"echo {value} >/proc/sys/user/max_{name}")


def is_built(volume, view, words, timeout=60):
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", words)
    view.wait("built", lambda p: volume.runs() > runs and p.get("State") == "fresh", timeout)
    assert volume.read(OUTPUT) == volume.packed()


@test
def without_watches_left_a_volume_is_scanned_on_a_timer(world):
    volume = world.volume(esps=0)
    for i in range(40):
        volume.mkdir(f"/usr/lib/modules/{KERNEL}/d{i}")
    daemon = world.daemon(config=SHORT, prefix=limited(inotify_watches=20))
    view = daemon.trusted(volume)
    said = daemon.wait_for(f"{volume.name}: not watched, scanned on a timer")
    assert "fs.inotify.max_user_watches" in said and "at least" in said, said
    assert "max_user_watches" in view["StateReason"], view["StateReason"]
    for i in (0, 39):
        runs = volume.runs()
        volume.write(f"/usr/lib/modules/{KERNEL}/d{i}/file", "new\n")
        view.wait("built", lambda p, runs=runs: volume.runs() > runs and p.get("State") == "fresh")
    assert volume.read(OUTPUT) == volume.packed()
    assert len(daemon.logged(f"{volume.name}: not watched")) == 1, "said again and again"

    set_limit(daemon, "inotify_watches", 10000)
    daemon.wait_for(f"{volume.name}: watched again")
    is_built(volume, view, "watched again\n")
    view.wait_state("fresh")
    assert view["StateReason"] == "", view["StateReason"]


@test
def without_instances_left_volumes_are_scanned_on_a_timer(world):
    volumes = [world.volume(name=f"v{i}", esps=0, volume_mib=16) for i in range(4)]
    daemon = world.daemon(config=SHORT, prefix=limited(inotify_instances=2))
    views = [daemon.trusted(v) for v in volumes]
    said = daemon.wait_for("not watched, scanned on a timer")
    with open("/proc/sys/fs/inotify/max_user_instances", encoding="ascii") as f:
        limit = f.read().strip()
    assert f"fs.inotify.max_user_instances is {limit} for" in said, said
    assert int(limit) < int(re.search(r"at least (\d+)", said)[1]) <= int(limit) + len(daemon.objects), said
    for volume, view in zip(volumes, views):
        is_built(volume, view, f"{volume.name} is built\n")
    set_limit(daemon, "inotify_instances", 100)
    deadline = time.monotonic() + 30
    while any("not watched" in view["StateReason"] for view in views):
        assert time.monotonic() < deadline, [view["StateReason"] for view in views]
        with daemon.changed:
            daemon.changed.wait(0.1)
    for volume, view in zip(volumes, views):
        is_built(volume, view, f"{volume.name} is built again\n")


@test
def with_few_descriptors_it_keeps_running_and_builds(world):
    volumes = [world.volume(name=f"v{i}", esps=0, volume_mib=16) for i in range(6)]
    daemon = world.daemon(config={**SHORT, "Build": {"RetrySec": "200ms", "MaxFailures": "100"}})
    for v in volumes:
        daemon.trusted(v)
    daemon.stop()
    daemon.prefix = ["prlimit", "--nofile=40:40"]
    daemon.start()
    for volume in volumes:
        is_built(volume, daemon.volume(volume.name), f"{volume.name} is built\n")
    assert daemon.property("Version")


@test
def two_hundred_volumes_are_kept_at_once(world):
    """Subvolumes of one btrfs, ten of which have something to build."""
    disk = world.disk(esps=0, fs="btrfs", volume_mib=256)
    disk.volume.shell("for i in $(seq 200); do btrfs subvolume create $i >/dev/null; done")
    volumes = []
    for i in range(1, 201):
        at = world.path(f"at{i}")
        os.mkdir(at)
        disk.mount(f"subvol={i}", at)
        world.later(lambda at=at: run("umount", at))
        volume = Volume(world, disk)
        volume.name, volume.root = f"{disk.volume.name}[/{i}]", at
        volumes.append(volume)
    kept = volumes[::20]
    for volume in kept:
        volume.populate()
    began = time.monotonic()
    daemon = world.daemon(prefix=limited(inotify_instances=100), config={"Build": {"MaxBuilds": "2"}})
    for volume in volumes:
        daemon.volume(volume.name).wait_state("untrusted" if volume in kept else "plain", timeout=120)
    print(f"# 200 volumes: all scanned in {time.monotonic() - began:.1f} s", flush=True)
    daemon.call("Trust", "s", kept[0].name)  # they have one UUID
    for volume in kept:
        daemon.volume(volume.name).wait_state("fresh", timeout=120)
    volume = volumes[1]
    volume.populate()
    daemon.volume(volume.name).wait_state("fresh", timeout=120)
    assert volume.exists(MANIFEST) and volume.read(OUTPUT) == volume.packed()
    began = time.monotonic()
    daemon.property("Version")
    assert time.monotonic() - began < 10


@test
def limits_are_those_of_the_daemon_alone(world):
    """Checks that the tests above test what they claim."""
    del world
    process = subprocess.run([*limited(inotify_instances=3), "cat", "/proc/sys/user/max_inotify_instances"],
                             stdout=subprocess.PIPE, check=True, text=True)
    assert process.stdout == "3\n"
    with open("/proc/sys/fs/inotify/max_user_instances", encoding="ascii") as f:
        assert int(f.read()) > 3


main()
