#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trees of every shape, changed in every way: each change is noticed by itself, without anybody requesting a scan.

BOOTKEEP_DIRECTORIES=100000 makes the large tree as large as those found in practice."""

import mmap
import os
import shutil
import threading
import time

from lib import main, test
from lib.content import CACHE, KERNEL, MANIFEST, OUTPUT, manifest
from lib.disk import run

TREE = f"/usr/lib/modules/{KERNEL}"
CONF = "/etc/initramfs.conf"


def seen(world, volume, view, change, timeout=60):
    """CHANGE is followed by a build, which may find that the content is the same, without a request, and then everything
    matches the sources."""
    before = len(view.builds)
    change()
    view.wait("built", lambda p: len(view.builds) > before and p.get("State") == "fresh", timeout)
    assert volume.read(OUTPUT) == volume.packed()
    world.programs.scan(volume).expect(0, "fresh")


def watched(world, **options):
    volume = world.volume(esps=0, **options)
    return volume, world.daemon().trusted(volume)


@test
def in_a_large_tree_every_place_is_watched(world):
    directories = int(os.environ.get("BOOTKEEP_DIRECTORIES", "20000"))
    volume = world.volume(esps=0, volume_mib=256 + directories // 40)
    for i in range(directories // 100):
        for j in range(99):
            os.makedirs(volume.path(f"{TREE}/wide{i}/{j}"))
    timeout = 60 + directories // 200  # on a disk that is busy with other things, too
    daemon = world.daemon(config={"Watch": {"ScanTimeoutSec": str(timeout)}})
    view = daemon.volume(volume.name).wait("there with its UUID", lambda p: p.get("UUID"))
    began = time.monotonic()
    daemon.call("Trust", "s", volume.name, timeout=timeout)
    view.wait_state("fresh", timeout=timeout)
    print(f"# {directories} directories: fresh in {time.monotonic() - began:.1f} s", flush=True)
    changes = [lambda p=p: volume.write(f"{TREE}/{p}/file", f"in {p}\n")
               for p in ("wide0/0", f"wide{directories // 100 - 1}/98")]
    changes += [lambda: os.rename(volume.path(f"{TREE}/wide1"), volume.path(f"{TREE}/renamed")),
                lambda: volume.write(f"{TREE}/renamed/7/file", "in the renamed one\n")]
    for change in changes:
        seen(world, volume, view, change, timeout)


@test
def in_a_deep_tree_every_place_is_watched(world):
    volume = world.volume(esps=0)
    top = os.open(volume.path(TREE), os.O_PATH)
    for _ in range(1500):  # the whole path is longer than a single call accepts
        os.mkdir("d", dir_fd=top)
        below = os.open("d", os.O_PATH, dir_fd=top)
        os.close(top)
        top = below
    view = world.daemon().trusted(volume)
    runs = volume.runs()
    with open(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=top), "w", encoding="ascii") as f:
        f.write("at the bottom\n")
    view.wait("built", lambda p: volume.runs() == runs + 1 and p.get("State") == "fresh")
    with open(os.open("file", os.O_WRONLY, dir_fd=top), "w", encoding="ascii") as f:
        f.write("AT the bottom\n")
    view.wait("built", lambda p: volume.runs() == runs + 2 and p.get("State") == "fresh")
    os.close(top)
    assert b"AT the bottom" in volume.read(OUTPUT)


@test
def a_directory_replaced_by_a_rename_is_seen(world):
    volume, view = watched(world)
    seen(world, volume, view, lambda: volume.mkdir(f"{TREE}/empty"))
    volume.write("/srv/other/file", "from the other\n")
    seen(world, volume, view, lambda: os.rename(volume.path("/srv/other"), volume.path(f"{TREE}/empty")))
    seen(world, volume, view, lambda: volume.write(f"{TREE}/empty/file", "changed in it\n"))


@test
def a_tree_removed_and_made_again_is_seen(world):
    volume, view = watched(world)
    volume.write("/srv/keep", "so that /usr/lib/modules is another directory\n")

    def make_again():
        shutil.copytree(volume.path("/usr/lib/modules"), volume.path("/srv/modules"))
        shutil.rmtree(volume.path("/usr/lib/modules"))
        shutil.copytree(volume.path("/srv/modules"), volume.path("/usr/lib/modules"))

    seen(world, volume, view, make_again)
    seen(world, volume, view, lambda: volume.write(f"{TREE}/modules", "changed in the new one\n"))


@test
def an_ancestor_moved_away_and_back_is_seen(world):
    volume, view = watched(world)
    os.rename(volume.path("/usr/lib"), volume.path("/usr/away"))
    view.wait("not fresh", lambda p: p.get("State") != "fresh")
    volume.write(f"/usr/away/modules/{KERNEL}/modules", "changed while away\n")
    seen(world, volume, view, lambda: os.rename(volume.path("/usr/away"), volume.path("/usr/lib")))
    seen(world, volume, view, lambda: volume.write(f"{TREE}/modules", "changed when it was back\n"))


@test
def files_moved_in_from_elsewhere_on_the_volume_are_seen(world):
    volume, view = watched(world)
    volume.write("/srv/dir/deep/file", "moved in with its directory\n")
    volume.write("/srv/file", "moved in\n")
    seen(world, volume, view, lambda: os.rename(volume.path("/srv/dir"), volume.path(f"{TREE}/dir")))
    seen(world, volume, view, lambda: os.rename(volume.path("/srv/file"), volume.path(f"{TREE}/dir/deep/file")))
    seen(world, volume, view, lambda: volume.write(f"{TREE}/dir/deep/file", "written there\n"))
    seen(world, volume, view, lambda: os.rename(volume.path(f"{TREE}/dir"), volume.path("/srv/dir")))


@test
def a_write_through_a_hard_link_outside_is_seen(world):
    volume = world.volume(esps=0)
    os.mkdir(volume.path("/srv"))
    os.link(volume.path(f"{TREE}/modules"), volume.path("/srv/module"))
    os.link(volume.path(CONF), volume.path("/srv/conf"))
    view = world.daemon().trusted(volume)
    seen(world, volume, view, lambda: volume.write("/srv/module", "by the other name\n"))
    seen(world, volume, view, lambda: volume.write("/srv/conf", "by the other name too\n"))
    seen(world, volume, view, lambda: os.chmod(volume.path("/srv/module"), 0o600))


@test
def a_file_linked_into_the_tree_is_watched(world):
    volume, view = watched(world)
    volume.write("/srv/file", "from outside\n")
    seen(world, volume, view, lambda: os.link(volume.path("/srv/file"), volume.path(f"{TREE}/linked")))
    seen(world, volume, view, lambda: volume.write("/srv/file", "written outside\n"))


@test
def restoring_time_and_size_hides_nothing(world):
    volume, view = watched(world)
    for path in (f"{TREE}/modules", CONF):
        full = volume.path(path)

        def write_and_touch_back(full=full, path=path):
            s = os.stat(full)
            volume.write(path, "x" * s.st_size)
            os.utime(full, ns=(s.st_atime_ns, s.st_mtime_ns))
            assert os.stat(full).st_mtime_ns == s.st_mtime_ns and os.stat(full).st_size == s.st_size

        seen(world, volume, view, write_and_touch_back)


@test
def a_change_of_mode_or_owner_counts_for_directories_too(world):
    volume = world.volume(esps=0)
    volume.mkdir(f"{TREE}/dir")
    view = world.daemon().trusted(volume)
    for path in (f"{TREE}/dir", TREE, f"{TREE}/modules"):
        seen(world, volume, view, lambda p=path: os.chmod(volume.path(p), 0o710))
        seen(world, volume, view, lambda p=path: os.chown(volume.path(p), 7, 7))


def race(volume, view, swap, rounds):
    """Calls SWAP(n) as fast as possible during whole scans and builds, again and again; its last result must be what
    is built."""
    number = 0
    for _ in range(rounds):
        stop, runs = threading.Event(), volume.runs()

        def swapper(start, stop=stop):
            n = start
            while not stop.is_set():
                n += 1
                swap(n)
            return n

        result = []
        thread = threading.Thread(target=lambda start=number, result=result: result.append(swapper(start)))
        thread.start()
        try:
            view.wait("built", lambda p, runs=runs: volume.runs() > runs, timeout=60)
        finally:
            stop.set()
            thread.join()
        number = result[0]
        view.wait("fresh with the last word",
                  lambda p: p.get("State") == "fresh" and volume.read(OUTPUT) == volume.packed(), timeout=60)


@test
def a_file_replaced_while_it_is_examined_is_not_missed(world):
    volume = world.volume(esps=0)
    view = world.daemon(config={"Watch": {"SettleSec": "10ms", "SettleMaxSec": "50ms"}}).trusted(volume)
    race(volume, view, lambda n: volume.replace(CONF, f"word {n}\n"), 5)
    race(volume, view, lambda n: volume.replace(f"{TREE}/modules", f"word {n}\n"), 5)
    world.programs.scan(volume).expect(0, "fresh")


@test
def directories_exchanged_while_they_are_examined_are_not_missed(world):
    volume = world.volume(esps=0)
    for name in ("one", "two"):
        volume.write(f"/srv/{name}/modules", name + "\n")
    volume.write(f"{TREE}/sub/modules", "sub\n")
    view = world.daemon(config={"Watch": {"SettleSec": "10ms", "SettleMaxSec": "50ms"}}).trusted(volume)

    def exchange(n):
        name = volume.path(f"/srv/{'one' if n % 2 else 'two'}")
        os.rename(volume.path(f"{TREE}/sub"), volume.path("/srv/hold"))
        os.rename(name, volume.path(f"{TREE}/sub"))
        os.rename(volume.path("/srv/hold"), name)
        volume.write(f"{TREE}/sub/modules", f"{n}\n")

    race(volume, view, exchange, 6)
    world.programs.scan(volume).expect(0, "fresh")


def repoint(volume, link, target):
    os.symlink(target, volume.path(link + ".new"))
    os.rename(volume.path(link + ".new"), volume.path(link))


@test
def every_link_in_a_path_is_followed_and_watched(world):
    """conf -> current/conf, current -> /etc/sets/a (absolute: from the root of the volume), a/conf -> ../common"""
    volume = world.volume(esps=0)
    volume.write("/etc/sets/common", "common\n")
    volume.symlink("/etc/sets/a/conf", "../common")
    volume.write("/etc/sets/b/conf", "b\n")
    volume.symlink("/etc/current", "sets/a")
    volume.remove(CONF)
    volume.symlink(CONF, "current/conf")
    view = world.daemon().trusted(volume)
    seen(world, volume, view, lambda: volume.write("/etc/sets/common", "another common\n"))
    seen(world, volume, view, lambda: repoint(volume, "/etc/current", "sets/b"))
    seen(world, volume, view, lambda: volume.replace("/etc/sets/b/conf", "another b\n"))
    seen(world, volume, view, lambda: repoint(volume, "/etc/sets/b/conf", "../common"))
    seen(world, volume, view, lambda: volume.write("/etc/sets/common", "common of b\n"))
    seen(world, volume, view, lambda: os.rename(volume.path("/etc/sets"), volume.path("/etc/sets.away")))
    seen(world, volume, view, lambda: os.rename(volume.path("/etc/sets.away"), volume.path("/etc/sets")))


@test
def an_empty_directory_made_anew_is_seen_even_if_a_process_is_in_the_old_one(world):
    """Such a directory does not report its removal until nobody is in it."""
    volume = world.volume(esps=0)
    volume.remove(CONF)
    volume.mkdir("/etc/initramfs.d")  # later a source is in it
    volume.mkdir("/etc/conf.d")
    volume.write(MANIFEST, manifest(CACHE.replace(CONF, "/etc/initramfs.d/conf").replace(
        "<output", '<source path="/etc/conf.d" optional="yes"/><output')))
    volume.builder("pack", 'cat "$1"/etc/conf.d/* "$1"/etc/initramfs.d/conf 2>/dev/null >"$3" || true',
                   "%r", "%i", "%o")
    view = world.daemon().trusted(volume)
    for folder in ("/etc/conf.d", "/etc/initramfs.d"):
        held = os.open(volume.path(folder), os.O_RDONLY)
        os.rmdir(volume.path(folder))
        volume.write(folder + "/conf", f"in the new {folder}\n")
        view.wait("built", lambda p, f=folder: p.get("State") == "fresh" and
                  f"new {f}\n".encode() in volume.read(OUTPUT))
        os.close(held)


@test
def a_dangling_link_is_watched_for_its_target(world):
    volume = world.volume(esps=0)
    volume.remove(CONF)
    volume.symlink(CONF, "not/yet/there")
    view = world.daemon().trusted(volume)
    seen(world, volume, view, lambda: volume.write("/etc/not/yet/there", "there now\n"))
    seen(world, volume, view, lambda: volume.write("/etc/not/yet/there", "changed\n"))
    seen(world, volume, view, lambda: shutil.rmtree(volume.path("/etc/not")))


@test
def an_absolute_link_starts_at_the_root_of_the_volume(world):
    volume = world.volume(esps=0)
    volume.write("/srv/target", "the target\n")
    volume.symlink(f"{TREE}/link", "/srv/target")
    volume.builder("pack", 'cat "$1/srv/target" >"$3"\n', "%r", "%i", "%o")
    volume.remove(CONF)
    volume.symlink(CONF, "/srv/target")
    view = world.daemon().trusted(volume)
    runs = volume.runs()
    volume.write("/srv/target", "changed\n")
    view.wait("built", lambda p: volume.runs() == runs + 1 and p.get("State") == "fresh")
    assert volume.read(OUTPUT) == b"changed\n"


@test
def a_write_through_a_mapping_is_seen_when_it_is_unmapped(world):
    volume, view = watched(world)
    for path in (f"{TREE}/modules", CONF):

        def write(path=path):
            fd = os.open(volume.path(path), os.O_RDWR)
            with mmap.mmap(fd, 0) as m:
                os.close(fd)
                m[0:4] = b"MMAP"

        seen(world, volume, view, write)
        assert b"MMAP" in volume.read(OUTPUT)


@test
def all_of_it_on_xfs_and_btrfs_too(world):
    for fs, size in (("xfs", 320), ("btrfs", 128)):
        volume = world.volume(name=fs, esps=0, fs=fs, volume_mib=size)
        daemon = world.daemon()
        view = daemon.trusted(volume)
        seen(world, volume, view, lambda v=volume: v.replace(CONF, "replaced\n"))
        seen(world, volume, view, lambda v=volume: v.write(f"{TREE}/new/dir/file", "new\n"))
        seen(world, volume, view, lambda v=volume: v.write(f"{TREE}/new/dir/file", "NEW\n"))
        if fs == "btrfs":  # a snapshot inside a tree is another volume: it is not entered
            run("btrfs", "subvolume", "create", volume.path(f"{TREE}/subvolume"))
            view.wait_state("fresh")
        daemon.stop()


main()
