#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon, a scan or a build is killed at any moment: what changed is found, what did not change is not built
again, no two builds run at once, and in the end everything is as if nothing had been killed.

    test_kill.py [--kills N] [--seed S]"""

import argparse
import os
import random
import signal
import sys
import time

from lib import main, test
from lib.content import COPIES, KERNEL, MANIFEST, OUTPUT, Gate, PACK, assert_carries, manifest
from lib.daemon import Daemon

CONFIG = {
    "Watch": {"SettleSec": "50ms", "SettleMaxSec": "500ms"},
    "Build": {"RetrySec": "50ms", "MaxFailures": "1000", "MaxAttempts": "100000", "MaxBuilds": "2"},
}
CACHE = """
  <cache name="initramfs" each="/usr/lib/modules/*" builder="once">
    <source path="/usr/lib/modules/%i"/>
    <source path="/etc/initramfs.conf" optional="yes"/>
    <output path="/boot/initrd-%i"/>
  </cache>"""
# Packs, slowly enough to be caught in the middle, and reports if another one is running on the same volume.
ONCE = """
folder=$4
exec 9>>"$folder/$(cat "$1/etc/hostname").lock"
flock -n 9 || echo doubled >>"$folder/doubled"
(
        exec 9>&-
        printf half >"$3"
        sleep 0.05
""" + PACK + ")\n"


def options():
    """Read in the outer process, and passed to the inner one in the environment. What is left selects tests."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", default=os.environ.get("BOOTKEEP_KILLS", "60"))
    parser.add_argument("--seed", default=os.environ.get("BOOTKEEP_SEED", str(random.randrange(1 << 32))))
    given, sys.argv[1:] = parser.parse_known_args()
    os.environ["BOOTKEEP_KILLS"], os.environ["BOOTKEEP_SEED"] = given.kills, given.seed
    return int(given.kills), int(given.seed)


KILLS, SEED = options()


def volume_of(world, name, **more):
    volume = world.volume(name=name, **more)
    volume.write("/etc/hostname", name + "\n")
    volume.write(MANIFEST, manifest(CACHE, COPIES))
    volume.builder("once", ONCE, "%r", "%i", "%o", world.folder)
    return volume


def children(process, name):
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as f:
        pids = [int(p) for p in f.read().split()]
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                found += [pid] if f.read().strip() == name else []
        except OSError:
            pass
    return found


def await_child(daemon, name, timeout=2.0):
    """Watches for a child from its very beginning, which nothing else would report."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := children(daemon.process, name):
            return found[0]
    return None


def load(volume, number):
    """Change number NUMBER of the scripted load."""
    module = f"/usr/lib/modules/{KERNEL}/m{number % 5}.ko"
    what = number % 4
    if what == 0:
        volume.write(module, f"module {number}\n" * 50)
    elif what == 1:
        volume.replace("/etc/initramfs.conf", f"conf {number}\n")
    elif what == 2:
        volume.replace(f"/boot/vmlinuz-{KERNEL}", f"kernel {number}\n" * 900)
    else:
        volume.write(f"/usr/lib/modules/{KERNEL}/d{number % 3}/x.ko", f"deep {number}\n")


def end_state(volume):
    """Everything that was made from VOLUME's sources: outputs, helpers and names of stamps, without the names of
    helpers' stamps."""
    made = {OUTPUT: volume.read(OUTPUT)}
    for i, helper in enumerate(volume.disk.helpers):
        made.update({f"{i}:{path}": data for path, data in helper.files().items()})
    for folder, _, names in os.walk(volume.path("/var/lib/bootkeep")):
        inside = folder[len(volume.root):]
        made[inside] = len(names) if inside.endswith("/helpers") else sorted(names)
    made["/boot"] = sorted(os.listdir(volume.path("/boot")))
    return made


def kill_something(world, daemon, rng, counts, volumes, number):
    what = rng.choice(("daemon", "daemon", "bootkeep-scan", "bootkeep-build", "idle"))
    if what == "idle":
        for v in volumes:
            daemon.volume(v.name).wait_state("fresh", timeout=60)
        # a state announced before the last change was seen is not final
        for v in volumes:
            assert daemon.call("Scan", "s", v.name)
            daemon.volume(v.name).wait_state("fresh", timeout=60)
        runs = volumes[0].runs("once")
        daemon.kill()
        daemon.start()
        for v in volumes:
            daemon.volume(v.name).wait_state("fresh", timeout=60)
        assert volumes[0].runs("once") == runs, "something was built again that had not changed"
    else:
        load(rng.choice(volumes), number)
        victim = await_child(daemon, what) if what != "daemon" else None
        time.sleep(rng.random() * rng.choice((0.02, 0.4)))
        if what == "daemon":
            daemon.kill()
            for more in range(rng.randrange(3)):
                load(rng.choice(volumes), number + more)
            daemon.start()
        elif victim:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                what = "too late"
        else:
            what = "nothing there"
    world.note(f"--- killed: {what}")
    counts[what] = counts.get(what, 0) + 1


@test
def kills_at_any_moment_make_no_difference_in_the_end(world):
    print(f"# {KILLS} kills, --seed={SEED}", flush=True)
    rng, counts = random.Random(SEED), {}
    volumes = [volume_of(world, "one"), volume_of(world, "two", esps=1)]
    daemon = Daemon(world, config=CONFIG)
    daemon.start()
    for v in volumes:
        daemon.trusted(v)
    number = 0
    while sum(n for what, n in counts.items() if what not in ("too late", "nothing there")) < KILLS:
        number += 1
        kill_something(world, daemon, rng, counts, volumes, number)
    for n in range(20):  # the load ends the same for all
        load(volumes[0], n)
        load(volumes[1], n)
    deadline = time.monotonic() + 60
    while any(v.read(OUTPUT) != v.packed() or daemon.volume(v.name).properties.get("State") != "fresh"
              for v in volumes):
        assert time.monotonic() < deadline, [daemon.volume(v.name).properties for v in volumes]
        with daemon.changed:
            daemon.changed.wait(0.1)
    for v in volumes:
        world.programs.scan(v).expect(0, "fresh")
    assert not os.path.exists(world.path("doubled")), "two builds of one volume ran at once"

    for v, esps in zip(volumes, (2, 1)):
        twin = volume_of(world, "twin-" + v.disk.file.rsplit("/", 1)[1].split(".")[0], esps=esps)
        for n in range(20):
            load(twin, n)
        world.programs.build(twin).expect(0)
        kept, undisturbed = end_state(v), end_state(twin)
        wrong = [k for k in set(kept) | set(undisturbed) if kept.get(k) != undisturbed.get(k)]
        assert not wrong, [(k, kept.get(k), undisturbed.get(k)) for k in wrong]
    print(f"# killed: {counts}", flush=True)


@test
def a_build_of_a_killed_daemon_is_awaited_and_not_repeated(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    builder, = (c for c in children(daemon.process, "bootkeep-build"))
    mark = daemon.mark()
    daemon.kill()
    assert os.path.exists(f"/proc/{builder}"), "the build ended with the daemon"
    daemon.start()
    daemon.wait_for("Another build of this volume is running: waiting", mark)
    assert volume.runs() == runs + 1
    gate.open()
    daemon.volume(volume.name).wait_state("fresh")
    assert volume.runs() == runs + 1, "what the build of the killed daemon had made was made again"
    assert volume.read(OUTPUT) == volume.packed()
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def a_killed_scan_is_followed_by_another(world):
    volume = world.volume()
    daemon = world.daemon(config=CONFIG)
    view = daemon.trusted(volume)
    builds = len(view.builds)
    killed = 0
    for i in range(40):
        volume.write("/etc/initramfs.conf", f"{i}\n")
        scan = await_child(daemon, "bootkeep-scan")
        if scan:
            try:
                os.kill(scan, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
        if killed == 5:
            break
    assert killed == 5
    view.wait_build(builds)
    view.wait("built", lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed())


main()
