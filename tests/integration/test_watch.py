#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever changes is noticed, and settles before anything is done."""

import os
import shutil
import threading
import time

from lib import main, test
from lib.content import Gate, KERNEL, OUTPUT, assert_carries


def changes(volume, view, change):
    """CHANGE is noticed and built, and the volume is fresh again."""
    builds = len(view.builds)
    change()
    status, summary = view.wait_build(builds)
    assert status == 0, summary
    view.wait_state("fresh")


@test
def every_way_to_change_a_source_is_seen(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    module = f"/usr/lib/modules/{KERNEL}/modules"
    ways = {
        "written": lambda: volume.write(module, "written\n"),
        "replaced": lambda: volume.replace(module, "replaced\n"),
        "its mode": lambda: os.chmod(volume.path(module), 0o600),
        "its owner": lambda: os.chown(volume.path(module), 1, 1),
        "its time": lambda: os.utime(volume.path(module), (1, 1)),
        "a new file": lambda: volume.write(f"/usr/lib/modules/{KERNEL}/new", "new"),
        "renamed": lambda: os.rename(volume.path(f"/usr/lib/modules/{KERNEL}/new"),
                                     volume.path(f"/usr/lib/modules/{KERNEL}/renamed")),
        "removed": lambda: volume.remove(f"/usr/lib/modules/{KERNEL}/renamed"),
        "an optional one gone": lambda: volume.remove("/etc/initramfs.conf"),
        "an optional one back": lambda: volume.write("/etc/initramfs.conf", "back\n"),
    }
    for name, change in ways.items():
        world.note("changing: " + name)
        changes(volume, view, change)
    assert volume.read(OUTPUT) == volume.packed()


@test
def a_new_directory_in_a_tree_is_watched_too(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    deep = f"/usr/lib/modules/{KERNEL}/extra/very/deep"
    changes(volume, view, lambda: volume.mkdir(deep))
    changes(volume, view, lambda: volume.write(deep + "/module.ko", "x"))
    changes(volume, view, lambda: volume.write(deep + "/module.ko", "y"))


@test
def a_new_instance_is_built_and_reaches_the_helpers(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    changes(volume, view, lambda: volume.kernel("6.2.0"))
    assert view.wait_state("fresh")["Caches"] and volume.exists("/boot/initrd-6.2.0")
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
        assert_carries(volume, helper, "6.2.0")


@test
def a_deleted_output_is_built_again(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    changes(volume, view, lambda: volume.remove(OUTPUT))
    assert volume.read(OUTPUT) == volume.packed()


@test
def a_changed_output_is_built_again(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    changes(volume, view, lambda: volume.write(OUTPUT, "somebody else's\n"))
    assert volume.read(OUTPUT) == volume.packed()


@test
def a_symbolic_link_and_what_it_leads_to_are_watched(world):
    volume = world.volume()
    volume.write("/etc/conf.a", "a\n")
    volume.write("/etc/conf.b", "b\n")
    volume.remove("/etc/initramfs.conf")
    volume.symlink("/etc/initramfs.conf", "conf.a")
    view = world.daemon().trusted(volume)
    changes(volume, view, lambda: volume.write("/etc/conf.a", "another a\n"))

    def turn():
        os.symlink("conf.b", volume.path("/etc/link.new"))
        os.rename(volume.path("/etc/link.new"), volume.path("/etc/initramfs.conf"))

    changes(volume, view, turn)
    changes(volume, view, lambda: volume.write("/etc/conf.b", "another b\n"))


@test
def a_tree_swapped_by_renames_is_seen(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    tree = volume.path(f"/usr/lib/modules/{KERNEL}")

    def swap():
        shutil.copytree(tree, volume.path("/usr/lib/next"))
        volume.write("/usr/lib/next/modules", "swapped\n")
        os.rename(tree, volume.path("/usr/lib/last"))
        os.rename(volume.path("/usr/lib/next"), tree)

    changes(volume, view, swap)
    assert b"swapped" in volume.read(OUTPUT)
    runs = volume.runs()
    volume.write("/usr/lib/last/modules", "nobody reads this\n")
    changes(volume, view, lambda: volume.write(f"/usr/lib/modules/{KERNEL}/modules", "again\n"))
    assert volume.runs() == runs + 1


@test
def one_burst_of_changes_is_one_build(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    runs = volume.runs()

    def burst():
        for i in range(2000):
            volume.write(f"/usr/lib/modules/{KERNEL}/m{i % 50}", f"{i}\n")

    changes(volume, view, burst)
    assert volume.runs() == runs + 1, volume.runs() - runs


@test
def nothing_is_scanned_until_it_has_been_quiet_for_settle_sec(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "1", "SettleMaxSec": "30"}})
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "a change\n")
    changed = time.monotonic()
    view.wait_state("settling")
    view.wait_state("scanning", "stale", "building")
    assert time.monotonic() - changed >= 0.9


@test
def endless_change_is_built_after_settle_max_sec(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "1", "SettleMaxSec": "3"}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    stop = threading.Event()

    def write_for_ever():
        number = 0
        while not stop.wait(0.05):
            number += 1
            volume.write("/etc/initramfs.conf", f"{number}\n")

    began = time.monotonic()
    writer = threading.Thread(target=write_for_ever)
    writer.start()
    try:
        view.wait_build(builds, timeout=30)
    finally:
        stop.set()
        writer.join()
    assert time.monotonic() - began >= 2.5
    view.wait_state("fresh")
    assert volume.read(OUTPUT) == volume.packed()


@test
def a_change_during_a_build_is_built_after_it(world):
    volume = world.volume()
    gate = Gate(world)
    view = world.daemon().trusted(volume)
    volume.builder("pack", 'cat "$1/etc/initramfs.conf" >"$3"\n' + gate.script, "%r", "%i", "%o")
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "first\n")
    gate.await_builder()  # it has read its sources
    volume.write("/etc/initramfs.conf", "second\n")
    gate.open()
    gate.await_builder()
    gate.open()
    view.wait_build(builds + 1)
    view.wait_state("fresh")
    assert volume.read(OUTPUT) == b"second\n"


@test
def an_overflowing_queue_loses_nothing(world):
    volume = world.volume()
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as f:
        limit = int(f.read())
    daemon = world.daemon(config={"Watch": {"SettleSec": "500ms", "SettleMaxSec": "60"}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    folder = volume.path(f"/usr/lib/modules/{KERNEL}")
    for i in range(limit // 2 + 1000):  # two names in turn: equal events that follow each other would be one
        os.utime(f"{folder}/modules", (i, i))
        os.utime(volume.path("/etc/initramfs.conf"), (i, i))
    volume.write(f"/usr/lib/modules/{KERNEL}/last", "the last word\n")
    view.wait_build(builds, timeout=120)
    view.wait_state("fresh")
    assert b"the last word" in volume.read(OUTPUT)


@test
def with_no_watch_nothing_is_watched(world):
    volume = world.volume()
    first = world.daemon()
    first.trusted(volume)
    first.stop()
    daemon = world.daemon(arguments=["--no-watch"])
    assert daemon.property("Watching") is False
    pid = daemon.process.pid
    watches = []
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as f:
            watches += [line for line in f if line.startswith("inotify wd:")]
    assert not watches, watches


main()
