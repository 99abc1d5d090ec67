#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes a volume in several ways and builds, on a disk whose writes are recorded. Marks on the disk structure the
record, which test_powercut.py replays outside.

The OS volume is mounted without barriers, so that no flush of its own makes a helper's writes durable by luck."""

import mmap
import os
import random

from realdisk import real_volume

# pylint: disable=wrong-import-order
from lib import main, test
from lib.content import KERNEL, assert_carries

LONG = "# " + "#" * 600 + "\n"  # more than one sector


def mark(volume, text):
    """Writes TEXT to the partition of marks, at once."""
    page = mmap.mmap(-1, 512)
    page[:] = f"bootkeep mark {text}\n".encode().ljust(512, b"\0")
    fd = os.open(f"/dev/{volume.disk.name}3", os.O_WRONLY | os.O_DIRECT | os.O_SYNC)
    os.write(fd, page)
    os.close(fd)


def noise(seed, size):
    """Content like that of a kernel or an initramfs: no two sectors are equal."""
    return random.Random(seed).randbytes(size)


def prepare(volume):
    volume.write("/etc/initramfs.conf", noise("initramfs", 9000))
    volume.write(f"/boot/vmlinuz-{KERNEL}", noise("kernel", 20000))
    volume.write("/usr/lib/bootx64.efi", noise("booter", 7000))


def initramfs(volume):
    volume.write("/etc/initramfs.conf", noise("another", 12000))


def kernel_update(volume):
    volume.kernel("6.2.0")
    volume.write("/boot/vmlinuz-6.2.0", noise("newer", 21000))


def kernel_removal(volume):
    os.unlink(volume.path("/usr/lib/modules/6.2.0/modules"))
    os.rmdir(volume.path("/usr/lib/modules/6.2.0"))


def entry_grows(volume):
    """From one sector to more."""
    volume.write(f"/boot/entries/os-{KERNEL}.conf", volume.entry() + LONG)
    volume.write("/etc/initramfs.conf", noise("a third", 3000))


def entry_long(volume):
    """More than one sector before and after."""
    volume.write("/etc/initramfs.conf", noise("a fourth", 14000))


def entry_shrinks(volume):
    volume.write(f"/boot/entries/os-{KERNEL}.conf", volume.entry())
    volume.write("/etc/initramfs.conf", noise("a fifth", 5000))


def booter(volume):
    volume.write("/usr/lib/bootx64.efi", noise("another booter", 11000))


def booter_shrinks(volume):
    volume.write("/usr/lib/bootx64.efi", noise("a small booter", 900))


def everything(volume):
    initramfs(volume)
    volume.write(f"/boot/vmlinuz-{KERNEL}", noise("all new", 15000))
    volume.write("/usr/lib/bootx64.efi", noise("yet another booter", 8000))
    volume.write("/boot/splash.bmp", noise("splash", 4000))


def crowd(volume):
    """Makes the directories larger than a sector, so that the entries that follow lie across two."""
    volume.disk.esp[0].shell("for n in 1 2 3 4 5 6 7; do for d in EFI/BOOT loader/entries */6.1.0; do"
                             ' echo $n >"$d/someone else\'s file $n"; done; done')


def nothing(_volume):
    pass


SCENARIOS = [("first-build", nothing), ("initramfs", initramfs), ("kernel-update", kernel_update),
             ("kernel-removal", kernel_removal), ("booter", booter), ("entry-grows", entry_grows),
             ("entry-long", entry_long), ("entry-shrinks", entry_shrinks), ("booter-shrinks", booter_shrinks)]
CROWDED = [("crowded-everything", everything), ("crowded-booter", booter), ("crowded-entry-grows", entry_grows),
           ("crowded-entry-long", entry_long), ("crowded-booter-shrinks", booter_shrinks)]


def record(world, volume, scenarios):
    for name, change in scenarios:
        change(volume)
        world.programs.build(volume, "--caches-only").expect(0)
        os.sync()
        mark(volume, f"begin {name}")
        world.programs.build(volume, "--helpers-only").expect(0, "success")
        os.sync()
        mark(volume, f"end {name}")
        assert_carries(volume, volume.disk.esp[0])


def record_all(world, **options):
    volume = real_volume(world, mount_options="barrier=0", esps=1, **options)
    prepare(volume)
    record(world, volume, SCENARIOS)
    crowd(volume)
    record(world, volume, CROWDED)


@test
def fat16_is_recorded(world):
    record_all(world, name="sda", helper_mib=8, fat=["-F16", "-s1"])


@test
def fat32_is_recorded(world):
    record_all(world, name="sdb", helper_mib=36, fat=["-F32", "-s1"])


main()
