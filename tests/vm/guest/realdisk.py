# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disks of the machine: /dev/sda with real partitions, as a kernel finds them by itself, and FAT on its ESPs."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[1:1] = [os.path.dirname(HERE), os.path.join(HERE, "..", "..", "integration")]

# pylint: disable=wrong-import-position
from lib.content import Volume  # noqa: E402
from lib.disk import ESP, LINUX, Partition, run  # noqa: E402
from lib.services import udev_settle  # noqa: E402

from fat import Fat  # noqa: E402


class RealPartition(Partition):
    def __init__(self, disk, number, type_):
        super().__init__(disk, number, type_)
        self.name = f"{disk.name}{number}"
        self.node = f"/dev/{self.name}"

    def fat(self):
        """What is on the disk itself, whatever the kernel has cached."""
        return Fat(run("dd", f"if={self.node}", "bs=1M", "iflag=direct", stderr=subprocess.DEVNULL).stdout).files()

    def make_fat(self, *options):
        """FAT of the kind that OPTIONS select."""
        run("mkfs.vfat", *options, self.node)
        udev_settle()

    def fsck(self):
        """Asserts that there is nothing to repair."""
        found = subprocess.run(["fsck.vfat", "-n", self.node], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, check=False)
        assert found.returncode == 0, f"{self.name} is not clean:\n{found.stdout}"


class RealDisk:
    """Like lib.disk.Disk, on a disk of the machine."""

    def __init__(self, world, name="sda", esps=2, helper_mib=16, fat=()):
        self.world = world
        self.name = name
        self.node = f"/dev/{name}"
        self.mountpoint = world.path(f"{name}.mnt")
        world.later(self.remove)
        # the last one is for marks, see powercut.py
        table = ["label: gpt", *[f"size={helper_mib}MiB, type={ESP}"] * esps, f"size=32MiB, type={LINUX}",
                 f"size=1MiB, type={LINUX}"]
        # `--lock` keeps udev away: https://systemd.io/BLOCK_DEVICE_LOCKING
        run("sfdisk", "-q", "--lock=yes", "--wipe=always", "--wipe-partitions=always", self.node,
            input="\n".join(table) + "\n", text=True, stderr=subprocess.DEVNULL)
        udev_settle()
        self.esp = self.helpers = [RealPartition(self, n + 1, "esp") for n in range(esps)]
        self.volume = RealPartition(self, esps + 1, "linux")
        for helper in self.helpers:
            helper.make_fat(*fat)
        self.volume.make_fs("ext4")
        os.mkdir(self.mountpoint)

    def mount(self, options=None, at=None):
        run("mount", *(["-o", options] if options else []), self.volume.node, at or self.mountpoint)
        return at or self.mountpoint

    def umount(self, at=None):
        run("umount", at or self.mountpoint)

    def remove(self):
        subprocess.run(["umount", "-R", "-q", self.mountpoint], stderr=subprocess.DEVNULL, check=False)


def real_volume(world, mount_options=None, **options):
    """Like world.volume()."""
    disk = RealDisk(world, **options)
    disk.mount(mount_options)
    volume = Volume(world, disk)
    volume.populate()
    return volume
