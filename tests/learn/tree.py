#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian 12 root as a file system in a file, for real builders: initramfs-tools, dracut, depmod and grub-mkconfig, with
most of what they put into an image, and a few modules of a real kernel. It is made without network from packages that
`tools/deps --test` has fetched (`tree.py fetch`), and kept below build-vm under the hash of what it was made from.

MODULES is what is left of the kernel's package: what the tools treat in some way of its own (file systems, disks, network
cards, dm and md, keyboards, firmware), but not the thousands that are all alike, since builds are timed and repeated."""

import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "vm"))  # before the system's own "debian"

# pylint: disable=wrong-import-position
import debian
from machine import Missing

WANTED = ["?essential", "systemd", "systemd-sysv", "udev", "kmod", "initramfs-tools", "dracut-core", "grub-common", "cryptsetup-initramfs",
          "mdadm", "lvm2", "busybox", "console-setup", "keyboard-configuration", "dmsetup", "e2fsprogs", "btrfs-progs", "zstd",
          "procps", "usr-is-merged", "dbus"]
MODULES = {"btrfs", "xfs", "vfat", "nls_ascii", "nls_cp437", "nls_utf8", "isofs", "squashfs", "overlay", "loop",
           "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_balloon", "sd_mod", "sr_mod", "ata_piix",
           "raid0", "raid1", "raid456", "dm-crypt", "dm-snapshot", "dm-mirror", "dm-thin-pool", "dm-integrity", "aesni-intel", "xts",
           "ena", "gve", "ixgbevf", "mlx4_core", "bonding", "dummy", "veth", "hid-generic", "jr3_pci", "me_daq"}
LEAVE_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/i18n", "usr/share/perl", "usr/share/zoneinfo",
             "usr/share/bash-completion", "var/cache/apt", "var/cache/debconf", "usr/lib/python3")
SIZE_MIB = 700
UUID = "6c656172-6e65-6450-9a3c-0123456789ab"


def _download(folder):
    kernel = debian.kernels()[0]
    with open(folder + "/kernel", "w", encoding="ascii") as f:
        f.write(kernel.removeprefix("linux-image-"))
    for deb in glob.glob(debian.fetch() + "/*.deb"):  # most are the same
        os.link(deb, f"{folder}/{os.path.basename(deb)}")
    debian.download_all(folder, *WANTED, kernel)


def fetch():
    """The folder with the packages, downloaded only if this has not been done before."""
    return debian.fetched("learn-packages", debian.hashed(*WANTED), _download)


def _needed(folder):
    """What depmod of the whole package says that MODULES need."""
    needs = {}
    with open(folder + "/modules.dep", encoding="ascii") as f:
        for line in f:
            path, _, others = line.partition(":")
            needs[path] = others.split()
    keep = {p for p in needs if os.path.basename(p).split(".ko")[0] in MODULES}
    return keep.union(*(needs[p] for p in keep))


def _trim(folder):
    keep = _needed(folder)
    for path in glob.glob(folder + "/kernel/**/*.ko*", recursive=True):
        if os.path.relpath(path, folder) not in keep:
            os.remove(path)
    for place, _, _ in os.walk(folder, topdown=False):
        if not os.listdir(place):
            os.rmdir(place)


def _make_kernel(root, packages, chroot):
    with open(packages + "/kernel", encoding="ascii") as f:
        kernel = f.read()
    deb = glob.glob(f"{packages}/linux-image-{kernel}_*.deb")[0]
    debian.unpack(deb, root)
    chroot.run(f"depmod {kernel}")
    _trim(f"{root}/usr/lib/modules/{kernel}")
    chroot.run(f"depmod {kernel}")


SETTINGS = {
    "/etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "/etc/hostname": "tree\n",
    "/etc/fstab": f"UUID={UUID} / ext4 errors=remount-ro 0 1\n",
    "/etc/crypttab": "data UUID=11111111-2222-3333-4444-555555555555 none luks,initramfs\n",
    "/etc/mdadm/mdadm.conf": "HOMEHOST <system>\nMAILADDR root\nARRAY /dev/md/0 metadata=1.2 UUID=01234567:89abcdef:01234567:89abcdef\n",
    "/etc/default/keyboard": 'XKBMODEL="pc105"\nXKBLAYOUT="de"\nXKBVARIANT=""\nXKBOPTIONS=""\nBACKSPACE="guess"\n',
    "/etc/vconsole.conf": "KEYMAP=de\n",
    "/etc/initramfs-tools/conf.d/keymap": "KEYMAP=y\n",
    "/etc/cryptsetup-initramfs/conf-hook": "CRYPTSETUP=y\n",
    "/etc/initramfs-tools/conf.d/compress": "COMPRESS=zstd\nCOMPRESSLEVEL=1\n",
    "/etc/dracut.conf.d/10-tree.conf": 'hostonly="no"\nreproducible="yes"\ncompress="zstd -1"\n',
    "/etc/dracut.conf.d/30-less.conf": 'add_drivers+=" veth "\n',
    "/etc/default/grub": 'GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n',
    # the only modules of the kernel for clouds that ask for firmware; what one asks for is there
    "/etc/initramfs-tools/modules": "jr3_pci\nme_daq\n",
    "/etc/dracut.conf.d/20-modules.conf": 'add_drivers+=" jr3_pci me_daq "\n',
    "/usr/lib/firmware/comedi/jr3pci.idm": "jr3_pci\n" * 100,
    "/usr/lib/firmware/tree/unused.bin": "unused\n",
}


def _settle(root):
    for path, text in SETTINGS.items():
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
        with open(root + path, "w", encoding="ascii") as f:
            f.write(text)
    for place in LEAVE_OUT:
        shutil.rmtree(f"{root}/{place}", ignore_errors=True)
    os.rmdir(root + "/debs")
    os.mkdir(root + "/boot/grub")


def _make(folder, packages):
    root = folder + "/root"
    os.mkdir(root)
    debian.unpack_system(root, packages)
    chroot = debian.Chroot(root, packages)
    debian.install_system(chroot, *sorted("/debs/" + os.path.basename(p) for p in glob.glob(packages + "/*.deb") if "/linux-image" not in p))
    _make_kernel(root, packages, chroot)
    _settle(root)
    debian.run("mkfs.ext4", "-q", "-U", UUID, "-m0", "-E", "lazy_itable_init=0", "-d", root, folder + "/tree.img", f"{SIZE_MIB}M")
    shutil.rmtree(root)


def image():
    """The path of the file system's file, which nobody writes to."""
    packages = fetch()
    texts = sorted(map(os.path.basename, glob.glob(packages + "/*.deb")))
    for path in (__file__, debian.__file__):
        with open(path, encoding="utf-8") as f:
            texts.append(f.read())
    return debian.made_once("learn-tree", debian.hashed(*texts), lambda folder: _make(folder, packages)) + "/tree.img"


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["fetch"]):
        sys.exit("usage: tree.py [fetch]")
    try:
        print(fetch() if sys.argv[1:] else image())
    except Missing as missing:
        sys.exit(f"tree.py: {missing}")
