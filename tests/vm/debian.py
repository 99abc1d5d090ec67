#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian 12 on two disks, for the machine of real.py: each disk has a GPT, an ESP, and one half of the md RAID 1 that
is the root. It is made without network from packages that `tools/deps --test` has fetched:

    packages  apt resolves and downloads what a machine without any package would need: `debian.py fetch`
    system    unpacked, then installed by dpkg in a chroot; debian/root is copied over it
    disks     mkfs.ext4 fills the halves; the machine of machine.py, whose kernel has md, makes the array of them

Nothing of bootkeep is in it, and its ESPs are empty: real.py starts its kernel directly, once, installs bootkeep's own
package, and boots from what that puts there. Everything is kept below build-vm, under the hash of what it was made from."""

import contextlib
import fcntl
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

from machine import CACHE, HERE, Machine, Missing

# What is installed; apt adds what these need.
WANTED = ["?essential", "systemd", "systemd-sysv", "libpam-systemd", "udev", "dbus", "polkitd", "mdadm", "dmsetup", "dosfstools", "e2fsprogs",
          "initramfs-tools", "kmod", "systemd-boot", "kexec-tools", "zstd", "procps", "usr-is-merged",
          # what bootkeep's package depends on, so that dpkg can install it
          "libblkid1", "libcap2", "libeconf0", "libmount1", "libseccomp2", "libsmartcols1", "libsystemd0", "libudev1",
          "libxml2", "libxxhash0"]
KERNEL = re.compile(r"^linux-image-6\.1\.0-(\d+)-cloud-amd64 ", re.M)  # the newest is laid by, the one before it runs
ROOT_UUID = "6b6f6f74-6b65-6570-9a3c-0123456789ab"
MD_UUID = "b6007bee:b6007bee:b6007bee:b6007bee"
ESP_MIB, ROOT_MIB = 192, 1300
ESP_START = 1  # MiB
ROOT_START = ESP_START + ESP_MIB
DATA_OFFSET = 1  # MiB, from the start of a half to the file system in it
TREE = os.path.join(HERE, "debian")
SHELL_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(*command, **options):
    """Returns what COMMAND printed; if it fails, the exception says it."""
    process = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace", stdin=subprocess.DEVNULL, **options)
    if process.returncode != 0:
        said = "\n".join(process.stdout.splitlines()[-40:])
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}\n{said}")
    return process.stdout


@contextlib.contextmanager
def locked(name):
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, name + ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(kind, key, make):
    """The folder KIND-KEY below build-vm, which MAKE fills; those of other keys are removed."""
    folder = os.path.join(CACHE, f"{kind}-{key}")
    with locked(kind):
        if not os.path.exists(folder):
            for old in glob.glob(os.path.join(CACHE, kind + "-*")):
                if os.path.isdir(old):
                    shutil.rmtree(old)
            os.mkdir(folder + ".new")
            make(folder + ".new")
            os.rename(folder + ".new", folder)
    return folder


def hashed(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


# The packages


def kernels():
    """The names of the two newest kernel packages, the newest last."""
    versions = sorted(set(map(int, KERNEL.findall(run("apt-cache", "search", "--names-only", "^linux-image-6.1.0-")))))
    if len(versions) < 2:
        raise Missing("apt's lists have no two kernels")
    return [f"linux-image-6.1.0-{v}-cloud-amd64" for v in versions[-2:]]


def download_all(folder, *words):
    """apt-get on a machine without any package, of which only the archives are real."""
    empty = os.path.join(folder, "status")
    with open(empty, "wb"):
        pass
    os.makedirs(os.path.join(folder, "partial"), exist_ok=True)
    run("apt-get", "install", "-qq", "-y", "--download-only", "--no-install-recommends", "-o", "APT::Sandbox::User=root",
        "-o", f"Dir::State::status={empty}", "-o", f"Dir::Cache::archives={folder}", "-o", "Dir::Etc::preferencesparts=-",
        "-o", "Acquire::Retries=3", *words)


def _download(folder):
    running, later = kernels()
    download_all(folder, *WANTED, running)
    os.mkdir(folder + "/later")
    run("apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", later, cwd=folder + "/later")


def fetched(kind, key, download):
    """The folder KIND-KEY, which DOWNLOAD fills with packages; apt's lists are made new if it cannot."""
    def make(folder):
        try:
            download(folder)
        except (OSError, RuntimeError, Missing):
            try:  # old lists name packages that are no longer there
                run("apt-get", "update", "-qq")
                shutil.rmtree(folder)
                os.mkdir(folder)
                download(folder)
            except (OSError, RuntimeError) as e:
                raise Missing(f"cannot download packages: {e}") from e

    return made_once(kind, key, make)


def fetch():
    """The folder with the packages, downloaded only if this has not been done before."""
    return fetched("packages", hashed(*WANTED, KERNEL.pattern), _download)


# The system


class Chroot:
    """Commands in ROOT with /proc and DEBS below it, mounted where nobody else sees it."""

    def __init__(self, root, debs):
        self.root, self.debs = root, debs

    def run(self, script):
        mounts = f"mount --bind {self.debs} {self.root}/debs && mount -t proc proc {self.root}/proc"
        env = {"PATH": SHELL_PATH, "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive",
               "DEBCONF_NONINTERACTIVE_SEEN": "true"}
        run("unshare", "--mount", "--propagation", "private", "sh", "-ec",
            f"{mounts} && exec chroot {self.root} sh -ec '{script}'", env=env)


def unpack(deb, root, *only):
    run("sh", "-ec", 'deb=$1; root=$2; shift 2; dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" "$@"',
        "sh", deb, root, *only)


def unpack_system(root, packages):
    """Unpacks everything but kernels, so that dpkg can run in there, which then installs it all properly (`install_system`)."""
    for folder in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{root}/usr/{folder}")
        os.symlink(f"usr/{folder}", f"{root}/{folder}")
    debs = glob.glob(packages + "/*.deb")
    for deb in debs:
        if not os.path.basename(deb).startswith("linux-image"):
            unpack(deb, root)
    for folder in ("debs", "dev", "proc", "sys", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    for name in ("status", "available"):
        with open(f"{root}/var/lib/dpkg/{name}", "wb"):
            pass
    for number, name in ((3, "null"), (5, "zero"), (8, "random"), (9, "urandom")):
        os.mknod(f"{root}/dev/{name}", 0o020666, os.makedev(1, number))
        os.chmod(f"{root}/dev/{name}", 0o666)
    for name in ("passwd", "group"):
        shutil.copy(f"{root}/usr/share/base-passwd/{name}.master", f"{root}/etc/{name}")
    os.symlink("mawk", f"{root}/usr/bin/awk")


def install_system(chroot, *debs):
    """dpkg installs DEBS, as they are called in the chroot, and nothing is started there."""
    policy = f"{chroot.root}/usr/sbin/policy-rc.d"
    with open(policy, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    chroot.run(f"dpkg --force-depends --force-unsafe-io --force-confold --install {' '.join(debs)}")
    chroot.run("! dpkg-query -W -f \"\\${db:Status-Abbrev} \\${Package}\\n\" | grep -v ^ii")
    os.remove(policy)


def _make_system(root, packages):
    unpack_system(root, packages)
    # The initramfs of the kernel's package would be made before debian/root is there.
    _copy_tree(root)
    chroot = Chroot(root, packages)
    install_system(chroot, "/debs/*.deb")
    chroot.run("systemctl enable test-agent && systemctl mask serial-getty@ttyS0 kexec-load")
    return chroot


def _copy_tree(root):
    run("cp", "-a", "--no-preserve=ownership", TREE + "/root/.", root)
    for path in glob.glob(TREE + "/root/**", recursive=True):
        os.chmod(root + path[len(TREE) + 5:], os.stat(path).st_mode & 0o755)
    os.chmod(root + "/root", 0o700)


def _make_goldens(root, packages, chroot):
    """One initramfs by mkinitramfs for each kernel, for the stand-in. Lays the second kernel's package by."""
    for deb in glob.glob(packages + "/later/*.deb"):
        os.makedirs(f"{root}/var/lib/later", exist_ok=True)
        shutil.copy(deb, f"{root}/var/lib/later/")
        later = re.search(r"linux-image-([^_]+)_", deb)[1]
        unpack(deb, root, f"./lib/modules/{later}", f"./boot/config-{later}")
        chroot.run(f"depmod {later}")
    for folder in os.listdir(root + "/usr/lib/modules"):
        chroot.run(f"mkinitramfs -o /usr/local/lib/test/initramfs-{folder} {folder}")
    shutil.rmtree(f"{root}/usr/lib/modules/{later}")
    os.remove(f"{root}/boot/config-{later}")


def _make_disks(folder, root):
    disks = [f"{folder}/disk{n}.img" for n in (0, 1)]
    size = ROOT_START + ROOT_MIB + 1
    with open(disks[0], "wb") as f:
        f.truncate(size << 20)
    run("mkfs.ext4", "-q", "-U", ROOT_UUID, "-E", f"offset={(ROOT_START + DATA_OFFSET) << 20},lazy_itable_init=0", "-d", root,
        disks[0], f"{ROOT_MIB - DATA_OFFSET - 2}M")
    run("cp", "--sparse=always", *disks)
    for n, disk in enumerate(disks):
        table = (f"label: gpt\nlabel-id: {n}b007bee-0000-4000-8000-000000000000\n"
                 f"start={ESP_START}MiB, size={ESP_MIB}MiB, type=U, name=esp{n}, uuid={n}b007bee-0000-4000-8000-000000000001\n"
                 f"start={ROOT_START}MiB, size={ROOT_MIB}MiB, type=R, name=root{n}, uuid={n}b007bee-0000-4000-8000-000000000002\n")
        subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", "-w", "never", "-W", "never", disk], input=table,
                       text=True, check=True)
        # Not with the clusters of 4 KiB that it chooses: these would be too few for FAT32, and firmware refuses that.
        run("mkfs.vfat", "-F", "32", "-s", "2", "-i", f"{n}b007bee", "-n", f"ESP{n}", "--offset", str(ESP_START << 11), disk,
            str(ESP_MIB << 10))
    _make_array(disks)


def _make_array(disks):
    machine = Machine()
    try:
        for disk in disks:
            machine.attach(disk)
        said = []
        status = machine.run(f"mdadm --create /dev/md0 --run --assume-clean --level=1 --raid-devices=2 --bitmap=none "
                             f"--metadata=1.2 --data-offset={DATA_OFFSET << 10} --homehost=any --uuid={MD_UUID} "
                             "/dev/sda2 /dev/sdb2 && e2fsck -fn /dev/md0 && mdadm --stop /dev/md0", said.append)
        if status != 0:
            raise RuntimeError("\n".join(["cannot make the array:", *said, *machine.said()]))
    finally:
        machine.close()


def _make_image(folder, packages):
    root = folder + "/root"
    os.mkdir(root)
    chroot = _make_system(root, packages)
    _make_goldens(root, packages, chroot)
    os.rmdir(root + "/debs")
    kernel = os.path.basename(glob.glob(root + "/boot/vmlinuz-*")[0])[8:]
    shutil.copy(f"{root}/boot/vmlinuz-{kernel}", f"{folder}/vmlinuz")
    shutil.copy(f"{root}/usr/local/lib/test/initramfs-{kernel}", f"{folder}/initramfs")
    _make_disks(folder, root)
    shutil.rmtree(root)


def recipe():
    """The hash of all that makes the image."""
    packages = fetch()
    texts = sorted(os.path.relpath(p, packages) for p in glob.glob(packages + "/**/*.deb", recursive=True))
    for path in [__file__, *sorted(glob.glob(TREE + "/**", recursive=True))]:
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as f:
                texts += [os.path.relpath(path, HERE), f"{os.stat(path).st_mode & 0o111:o}", f.read()]
    return hashed(*texts)


def image():
    """The folder with disk0.img, disk1.img, vmlinuz and initramfs."""
    for tool in ("qemu-img", "mkfs.vfat", "mkfs.ext4", "sfdisk"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed (tools/deps --test)")
    packages = fetch()
    return made_once("debian", recipe(), lambda folder: _make_image(folder, packages))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["fetch"]):
        sys.exit("usage: debian.py [fetch]")
    try:
        if sys.argv[1:]:
            fetch()
        else:
            print(image())
    except Missing as missing:
        sys.exit(f"debian.py: {missing}")
