# SPDX-License-Identifier: LGPL-2.1-or-later
"""The state that cases go on from, made once and kept below build-vm: the machine of real.py with bootkeep's own package
installed and everything fresh, booted by OVMF from the ESP that bootkeep filled. Its disks, the variables of its firmware, and
its RAM."""

import glob
import hashlib
import inspect
import os
import shutil
import subprocess
import time

import debian
import real
from machine import SOURCE

# What the package is made of.
PARTS = ["dbus", "debian", "docs", "hooks", "include", "profiles", "src", "systemd", "meson.build", "meson_options.txt"]


class Saved:
    def __init__(self, folder):
        self.folder = folder
        self.disks = real.Disks([f"{folder}/disk{n}.qcow2" for n in (0, 1)])
        self.variables, self.ram = folder + "/variables.fd", folder + "/ram"


# The package


def _sources():
    """The files of the source, tracked by git or new."""
    listed = debian.run("git", "-C", SOURCE, "ls-files", "-co", "--exclude-standard").splitlines()
    return sorted(path for path in listed if os.path.isfile(os.path.join(SOURCE, path)))


def _source_hash():
    found = hashlib.sha256()
    for path in _sources():
        if path.split("/")[0] in PARTS:
            with open(os.path.join(SOURCE, path), "rb") as f:
                found.update(path.encode() + b"\0" + f.read() + b"\0")
    return found.hexdigest()[:16]


def _build_package(folder):
    tree = folder + "/bootkeep"
    for path in _sources():
        os.makedirs(os.path.dirname(f"{tree}/{path}"), exist_ok=True)
        shutil.copy2(os.path.join(SOURCE, path), f"{tree}/{path}", follow_symlinks=False)
    env = {**os.environ, "DEB_BUILD_OPTIONS": f"nocheck noautodbgsym parallel={os.cpu_count()}", "DEB_BUILD_PROFILES": "nocheck"}
    debian.run("dpkg-buildpackage", "-b", "-us", "-uc", cwd=tree, env=env)
    shutil.rmtree(tree)


def package():
    """The folder with bootkeep's Debian packages, made from this source without running its tests."""
    return debian.made_once("package", _source_hash(), _build_package)


# The state


def _install(machine):
    """Installs bootkeep on a stock Debian, tells it what to keep, and waits until it is kept."""
    machine.wait_up()
    machine.run("mkdir /run/packages && tar -C /run/packages -xf /dev/disk/by-id/scsi-*packages && "
                "dpkg -i /run/packages/bootkeep_*.deb && cp /run/packages/bootkeep_*.deb /var/lib/later/")
    machine.run("systemctl is-enabled bootkeepd && systemctl is-active bootkeepd && bootkeepctl status")
    machine.run("cp -a /root/keep/etc/bootkeep/. /etc/bootkeep/ && systemctl reload bootkeepd && bootkeepctl rebuild /")


def _save(machine, folder):
    machine.wait_up()
    machine.run("bootkeepctl check / && sync")
    machine.qemu.qmp("stop")  # a machine that goes on from there starts with `cont`
    machine.qemu.qmp("migrate", uri=f"exec:cat >{folder}/ram")
    while (status := machine.qemu.qmp("query-migrate")["status"]) != "completed":
        if status == "failed":
            raise RuntimeError("the RAM could not be saved")
        time.sleep(0.1)
    shutil.copy(machine.variables, folder + "/variables.fd")


def _make(folder):
    image, packages = debian.image(), package()
    subprocess.run(["tar", "-C", packages, "-cf", folder + "/packages.tar", *os.listdir(packages)], check=True)
    # Next to each other at the end, so that the overlays name what is below them by a path that holds.
    disks = real.Disks([f"{image}/disk{n}.img" for n in (0, 1)]).overlay(folder)
    with open(debian.TREE + "/root/etc/kernel/cmdline", encoding="ascii") as f:
        cmdline = f.read().strip()
    direct = ["-kernel", image + "/vmlinuz", "-initrd", image + "/initramfs", "-append", cmdline,
              "-blockdev", f"node-name=packages,driver=raw,read-only=on,file.driver=file,file.filename={folder}/packages.tar",
              "-device", "scsi-hd,drive=packages,serial=packages"]
    with real.Real(disks, folder, extra=direct) as machine:
        _install(machine)
        machine.start("systemctl poweroff")
        machine.ended()
    with real.Real(disks, folder, variables=real.OVMF % "VARS") as machine:
        _save(machine, folder)
    for n, file in enumerate(disks.files):
        os.rename(file, f"{folder}/disk{n}.qcow2")
    for left in [folder + "/packages.tar", *glob.glob(folder + "/qemu-*"), *glob.glob(folder + "/disks-*")]:
        if os.path.isdir(left):
            shutil.rmtree(left)
        else:
            os.remove(left)


def saved():
    """Makes it if it is not there, or no longer right."""
    made_of = [debian.recipe(), _source_hash(), inspect.getsource(real.Qemu), inspect.getsource(real.Real.__init__)]
    with open(__file__, encoding="utf-8") as f:
        made_of.append(f.read())
    return Saved(debian.made_once("saved", debian.hashed(*made_of), _make))
