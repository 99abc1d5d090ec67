#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole way on FAT: a disk whose partitions the kernel found by itself, ESPs as firmware reads them. What is
reported is read from the sectors, and fsck.vfat finds nothing to repair."""

import os
import re
import subprocess

from realdisk import real_volume

# pylint: disable=wrong-import-order
from lib import main, test
from lib.content import CACHE, COPIES, ENTRY, KERNEL, MACHINE_ID, MANIFEST, assert_carries, booted, manifest
from lib.disk import run

SUCCESS, FAILED = 0, 1
PADDED = 512
INITRD = re.compile(rf"/{MACHINE_ID}/{KERNEL}/initrd-[0-9a-f]{{8}}")
BOOTER = "/EFI/BOOT/BOOTX64.EFI"


def built(world, **options):
    volume = real_volume(world, **options)
    world.programs.build(volume).expect(SUCCESS, "success")
    return volume


def clean(volume):
    for helper in volume.disk.helpers:
        helper.fsck()


def rebuilt(world, volume):
    """Builds; every helper carries the new set and is clean."""
    world.programs.build(volume).expect(SUCCESS, "success")
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    clean(volume)


def initrds(files):
    return [p for p in files if INITRD.fullmatch(p)]


@test
def both_esps_carry_everything_after_the_first_build(world):
    volume = built(world)
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
        on_disk = helper.fat()
        assert on_disk[BOOTER].data == volume.read("/usr/lib/bootx64.efi")
        assert len(on_disk[ENTRY].data) == PADDED and on_disk[ENTRY].data.rstrip(b"\n") + b"\n" in on_disk[ENTRY].data
        assert len(initrds(on_disk)) == 1, sorted(on_disk)
    clean(volume)
    world.programs.scan(volume).expect(0, "fresh")
    assert not world.programs.build(volume).expect(SUCCESS).all("UPDATED")


@test
def a_change_is_carried_by_the_daemon_and_the_entry_stays_in_its_sector(world):
    volume = real_volume(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    before = [h.fat() for h in volume.disk.helpers]
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "compress=zstd\n")
    assert view.wait_build(builds, timeout=120)[0] == SUCCESS
    view.wait_state("fresh", timeout=120)
    for helper, old in zip(volume.disk.helpers, before):
        assert_carries(volume, helper)
        new = helper.fat()
        assert new[ENTRY].cluster == old[ENTRY].cluster, "the entry was moved"
        assert new[ENTRY].data != old[ENTRY].data and len(new[ENTRY].data) == PADDED
        assert new[BOOTER].cluster == old[BOOTER].cluster, "the booter was written although it had not changed"
        assert len(initrds(new)) == 1 and initrds(new) != initrds(old), sorted(new)
    assert daemon.stop(30) == 0
    clean(volume)


@test
def an_entry_of_more_than_a_sector_is_switched_next_to_the_old_one(world):
    volume = real_volume(world)
    volume.write(f"/boot/entries/os-{KERNEL}.conf", volume.entry() + "# long\n" * 100)
    rebuilt(world, volume)
    volume.write("/etc/initramfs.conf", "another\n")
    rebuilt(world, volume)
    files = volume.disk.esp[0].fat()
    assert len(files[ENTRY].data) > PADDED
    assert [p for p in files if p.startswith("/loader/entries/")] == [ENTRY], sorted(files)


@test
def files_of_all_kinds_change_and_old_ones_are_removed(world):
    volume = built(world)
    volume.kernel("6.2.0")
    rebuilt(world, volume)
    assert_carries(volume, volume.disk.esp[0], "6.2.0")
    volume.write("/usr/lib/bootx64.efi", b"MZ another booter\n" * 900)
    volume.write("/boot/splash.bmp", b"BM")
    volume.write(f"/boot/vmlinuz-{KERNEL}", b"another kernel\n" * 5000)
    rebuilt(world, volume)
    subprocess.run(["rm", "-r", volume.path("/usr/lib/modules/6.2.0")], check=True)
    rebuilt(world, volume)
    for helper in volume.disk.helpers:
        files = helper.fat()
        assert not [p for p in files if "6.2.0" in p], sorted(files)
        assert len(files) == 5, sorted(files)


@test
def names_that_differ_only_in_case_are_one_file(world):
    volume = real_volume(world)
    esp = volume.disk.esp[0]
    esp.shell("mkdir -p efi/boot && echo firmware >efi/boot/bootx64.efi && mkdir -p LOADER/Entries"
              " && echo old >LOADER/Entries/OS-$1.CONF", KERNEL)
    rebuilt_files = _built_over_case(world, volume)
    assert [p.lower() for p in rebuilt_files].count(BOOTER.lower()) == 1, sorted(rebuilt_files)
    assert [p.lower() for p in rebuilt_files].count(ENTRY.lower()) == 1, sorted(rebuilt_files)
    # and again, over what we wrote ourselves
    volume.write("/etc/initramfs.conf", "another\n")
    _built_over_case(world, volume)


def _built_over_case(world, volume):
    world.programs.build(volume).expect(SUCCESS, "success")
    clean(volume)
    files = {p.lower(): f.data for p, f in volume.disk.esp[0].fat().items()}
    assert files[BOOTER.lower()] == volume.read("/usr/lib/bootx64.efi")
    assert booted(files, ENTRY.lower())["initrd"] == volume.read(f"/boot/initrd-{KERNEL}")
    return volume.disk.esp[0].fat()


@test
def a_manifest_with_two_names_that_are_one_on_fat_is_refused(world):
    volume = real_volume(world)
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/splash.bmp" to="/SPLASH.BMP"/>'))
    assert world.programs.build(volume).status not in (SUCCESS, 75)
    assert volume.disk.esp[0].fat() == {}


@test
def a_full_esp_keeps_the_old_set(world):
    volume = built(world, esps=1, helper_mib=8)
    esp = volume.disk.esp[0]
    before = booted(esp.files())
    esp.shell("head -c 20000000 /dev/zero >fill 2>/dev/null || true; sync fill")
    volume.write("/etc/initramfs.conf", "another\n" * 20000)
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert re.search(r"needed, .* free", result.reason), result.stderr
    files = esp.files()
    assert booted(files) == before and not [p for p in files if ".bootkeep" in p], sorted(files)
    clean(volume)
    esp.shell("rm fill")
    rebuilt(world, volume)


@test
def directories_may_have_many_clusters(world):
    """Many long names: a directory grows beyond its first cluster, and its entries lie across clusters."""
    volume = real_volume(world)
    for n in range(60):
        volume.write(f"/boot/theme/{n:03}-{'a long name ' * 8}.bmp", f"picture {n}\n")
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/theme" to="/theme"/>'))
    rebuilt(world, volume)
    assert len([p for p in volume.disk.esp[1].fat() if p.startswith("/theme/")]) == 60


@test
def a_formatted_esp_is_filled_again_by_the_daemon(world):
    volume = real_volume(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds, runs = len(view.builds), volume.runs()
    volume.disk.esp[1].make_fs("vfat")
    daemon.call("Scan", "s", volume.name, timeout=120)
    if len(view.builds) == builds:
        view.wait_build(builds, timeout=120)
    view.wait_state("fresh", timeout=120)
    assert volume.runs() == runs, "no cache was stale"
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    assert daemon.stop(30) == 0
    clean(volume)


@test
def an_esp_mounted_by_others_is_updated_where_they_see_it(world):
    volume = built(world)
    at = world.path("efi")
    os.mkdir(at)
    run("mount", "-o", "umask=077", volume.disk.esp[0].node, at)
    world.later(lambda: run("umount", at))
    volume.write("/etc/initramfs.conf", "another\n")
    world.programs.build(volume).expect(SUCCESS)
    with open(at + ENTRY, encoding="ascii") as f:
        named = INITRD.search(f.read())[0]
    with open(at + named, "rb") as f:
        assert f.read() == volume.packed()


main()
