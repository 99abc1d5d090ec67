#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A helper carries the old set or the new one at every instant: when killed at each system call that changes
something, and with the power cut there, that is, with only those writes on the disk that had reached it."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess

from lib import main, test
from lib.content import ENTRY, KERNEL, MACHINE_ID, booted
from lib.disk import run
from lib.programs import environment, program

CALLS = ("write", "fsync", "pwrite64", "renameat", "unlinkat")
SIBLING = ENTRY.replace(".conf", "-")
LONG = "# " + "#" * 600 + "\n"  # more than one sector


def build_struck_at(volume, call, n, signal="KILL"):
    """Updates the helpers; at the Nth CALL it gets SIGNAL. Returns its exit status."""
    build = [program("bootkeep-build"), "--quiet", f"--builders={volume.builders}", "--helpers-only", volume.root]
    trace = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal={signal}:when={n}"]
    process = subprocess.run([*trace, *build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                             env={**environment(), "ASAN_OPTIONS": "detect_leaks=0"})
    assert process.returncode in (0, -9, 75), (process.returncode, process.stdout, process.stderr)
    return process.returncode


def check(files, old, new, where):
    """Every entry boots, and the one with the fixed name boots one of the two sets."""
    assert booted(files) in (old, new), f"{where}: neither the old set nor the new one"
    for path in files:
        if path.startswith(SIBLING):
            assert booted(files, path) in (old, new), f"{where}: {path} boots neither set"
    booter = files["/EFI/BOOT/BOOTX64.EFI"]
    assert booter in (old["booter"], new["booter"]), f"{where}: the booter is torn"


class Set(dict):
    """linux and initrd, compared as they are; and the booter."""

    def __init__(self, linux, initrd, booter):
        super().__init__(linux=linux, initrd=initrd)
        self.booter = booter

    def __getitem__(self, key):
        return self.booter if key == "booter" else super().__getitem__(key)


def change(volume, words, padding):
    """Makes a new set on the volume; PADDING is added to the entry."""
    volume.write("/etc/initramfs.conf", words + "\n")
    volume.write(f"/boot/vmlinuz-{KERNEL}", f"kernel {words}\n" * 3000)
    volume.write("/usr/lib/bootx64.efi", f"booter {words}\n" * 700)
    volume.write(f"/boot/entries/os-{KERNEL}.conf", volume.entry() + f"# {words}\n" + padding)
    volume.world.programs.build(volume, "--caches-only").expect(0)
    return standing(volume)


def standing(volume):
    return Set(volume.read(f"/boot/vmlinuz-{KERNEL}"), volume.read(f"/boot/initrd-{KERNEL}"),
               volume.read("/usr/lib/bootx64.efi"))


@contextlib.contextmanager
def mounted(world, node, name):
    at = world.path(name)
    os.makedirs(at, exist_ok=True)
    run("mount", node, at)
    try:
        yield at
    finally:
        run("umount", at)


def read_tree(at):
    found = {}
    for folder, _, names in os.walk(at):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                found[os.path.join(folder, name)[len(at):]] = f.read()
    return found


def after_power_cut(world, volume, helper):
    """What HELPER carries on a disk with only those writes that have reached VOLUME's disk so far."""
    image = world.path("cut.img")
    table = json.loads(run("sfdisk", "--json", volume.disk.file).stdout)["partitiontable"]
    part = table["partitions"][helper.number - 1]
    run("dd", f"if={volume.disk.file}", f"of={image}", "bs=512", f"skip={part['start']}", f"count={part['size']}",
        stderr=subprocess.DEVNULL)
    loop = run("losetup", "--find", "--show", image, text=True).stdout.strip()
    try:
        with mounted(world, loop, "cut.mnt") as at:
            return read_tree(at)
    finally:
        run("losetup", "-d", loop)
        os.unlink(image)


def hold(world, helper):
    """Mounts HELPER elsewhere, too, so that killing a build does not write back what it had not synced."""
    at = world.path("held")
    os.mkdir(at)
    run("mount", helper.node, at)
    world.later(lambda: run("umount", at))


def try_every_call(world, padding, look, minimum, held=False):
    """LOOK returns what is on the helper after a kill at each call in turn."""
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    if held:
        hold(world, helper)
    world.programs.build(volume).expect(0)
    kills, old = 0, standing(volume)
    for call in CALLS:
        for n in itertools.count(1):
            where = f"{call} number {n}"
            new = change(volume, where, padding)
            status = build_struck_at(volume, call, n)
            check(look(volume, helper), old, new, f"killed at {where}")
            world.programs.build(volume).expect(0)
            files = helper.files()
            check(files, new, new, f"built after a kill at {where}")
            strays = [p for p in files if ".bootkeep" in p or p.startswith(SIBLING)]
            assert not strays and len(files) == 5, f"left behind by a kill at {where}: {sorted(files)}"
            old = new
            if status == 0:
                break
            kills += 1
    assert kills > minimum, f"only {kills} calls: the test checks nothing"


@test
def a_kill_at_any_call_leaves_one_of_the_two_sets(world):
    try_every_call(world, "", lambda volume, helper: helper.files(), 30)


@test
def a_kill_at_any_call_leaves_one_of_the_two_sets_where_entries_are_long(world):
    try_every_call(world, LONG, lambda volume, helper: helper.files(), 30)


@test
def a_power_cut_at_any_call_leaves_one_of_the_two_sets(world):
    def look(volume, helper):
        return after_power_cut(world, volume, helper)

    try_every_call(world, "", look, 30, held=True)


@test
def a_helper_still_boots_after_many_interruptions(world):
    """No build in between finishes: each starts with what the one before left behind."""
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    world.programs.build(volume).expect(0)
    sets = [standing(volume)]
    for n in range(4, 60, 3):
        sets.append(change(volume, f"set {n}", LONG if n % 2 else ""))
        build_struck_at(volume, CALLS[n % len(CALLS)], n // 4)
        files = helper.files()
        assert any(booted(files) == s for s in sets), f"killed for the time {n}: no whole set"
    world.programs.build(volume).expect(0)
    files = helper.files()
    check(files, sets[-1], sets[-1], "in the end")
    assert len(files) == 5, sorted(files)


@test
def files_staged_by_a_killed_build_are_removed_even_if_nothing_is_wanted_any_more(world):
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    world.programs.build(volume).expect(0)
    before = set(helper.files())
    volume.kernel("6.2.0")
    world.programs.build(volume, "--caches-only").expect(0)
    assert build_struck_at(volume, "renameat", 2) == -9
    staged = [p for p in helper.files() if "/6.2.0/.bootkeep-" in p]
    assert staged, "it was killed too early or too late"
    shutil.rmtree(volume.path("/usr/lib/modules/6.2.0"))
    world.programs.build(volume).expect(0)
    assert set(helper.files()) == before
    helper.shell("! test -e $1", f"{MACHINE_ID}/6.2.0")


@test
def files_of_killed_builds_make_room_for_the_next(world):
    """There is room for two sets on the helper, but not for three; builds are killed on either side of the switch."""
    volume = world.volume(esps=1, volume_mib=96)
    helper = volume.disk.esp[0]

    def another():
        volume.write("/etc/initramfs.conf", os.urandom(5 << 20))
        world.programs.build(volume, "--caches-only").expect(0)
        return standing(volume)

    def two_sets_stand():
        return len([p for p in helper.files() if "/initrd-" in p]) == 2

    another()
    world.programs.build(volume).expect(0)
    second = another()
    assert build_struck_at(volume, "unlinkat", 2) == -9  # the first of a temporary stamp, the second of the old set
    assert booted(helper.files()) == second and two_sets_stand()
    another()
    assert build_struck_at(volume, "pwrite64", 1) == -9  # the switch
    assert booted(helper.files()) == second and two_sets_stand()
    last = another()
    world.programs.build(volume).expect(0)
    files = helper.files()
    assert booted(files) == last and len(files) == 5, sorted(files)


@test
def a_build_stopped_at_any_call_undoes_or_finishes_its_work(world):
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    world.programs.build(volume).expect(0)
    old, stopped = standing(volume), 0
    for n in itertools.count(1):
        new = change(volume, f"set {n}", "")
        status = build_struck_at(volume, "fsync", n, "TERM")
        files = helper.files()
        check(files, old, new, f"stopped at fsync number {n}")
        assert booted(files) == (old if status == 75 else new), f"stopped at fsync number {n}: half switched"
        assert len(files) == 5, f"stopped at fsync number {n}: {sorted(files)}"
        stopped += status == 75
        old = new if status == 0 else old
        if n > 20 and status == 0:
            break
    assert stopped > 1, "it was never stopped: the test checks nothing"


@test
def damage_on_a_helper_is_repaired_with_force(world):
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    world.programs.build(volume).expect(0)
    before = helper.files()
    for path in before:
        helper.shell("printf X | dd of=.$1 bs=1 seek=3 conv=notrunc 2>/dev/null", path)
    assert not any(helper.files()[path] == content for path, content in before.items())
    world.programs.build(volume, "--force").expect(0)
    after = helper.files()
    check(after, standing(volume), standing(volume), "mended")
    assert after == before


def ours(volume, helper):
    """How many names the record of HELPER lists that are ours and not carried."""
    stamp = volume.read(f"/var/lib/bootkeep/helpers/{helper.partuuid}.stamp").decode()
    return sum(line.startswith("ours ") for line in stamp.splitlines())


@test
def failures_in_a_row_do_not_let_the_record_grow(world):
    """Each with another set, whose names are recorded before the first one is used: here none ever is."""
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    world.programs.build(volume).expect(0)
    counts = []
    for i in range(6):
        change(volume, f"set {i}", "")
        build = [program("bootkeep-build"), "--quiet", f"--builders={volume.builders}", "--helpers-only", volume.root]
        # the first one is that of the record itself
        trace = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e", "inject=renameat:error=EIO:when=2+"]
        process = subprocess.run([*trace, *build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                                 env={**environment(), "ASAN_OPTIONS": "detect_leaks=0"})
        assert process.returncode == 1, (process.returncode, process.stdout, process.stderr)
        counts.append(ours(volume, helper))
    assert counts[0] > 0 and max(counts[1:]) <= counts[1], counts
    world.programs.build(volume).expect(0)
    assert ours(volume, helper) == 0
    check(helper.files(), standing(volume), standing(volume), "after all")


main()
