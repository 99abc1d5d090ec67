# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people, packages and tools change on a Debian root, one thing at a time. Nothing says here whether an image differs after
one: that is found out each time, by building with the tool alone. Nor does anything undo one: each is made on a fresh copy of
the file system, which takes a tenth of a second and leaves no trace, no time and no inode."""

import glob
import os
import shutil
import subprocess


class Root:
    """A mounted root; paths are as in it."""

    def __init__(self, path):
        self.path = path

    def at(self, path):
        assert path.startswith("/")
        return self.path + path

    def one(self, pattern):
        """The only path that PATTERN matches."""
        found = glob.glob(self.path + pattern, recursive=True)
        assert len(found) == 1, (pattern, found)
        return found[0][len(self.path):]

    @property
    def kernel(self):
        return os.path.basename(self.one("/usr/lib/modules/*"))

    def module(self, name):
        return self.one(f"/usr/lib/modules/{self.kernel}/kernel/**/{name}.ko")

    def write(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        assert not os.path.islink(self.at(path))
        with open(self.at(path), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.at(path), mode)

    def append(self, path, text="# changed\n"):
        path = os.path.join(os.path.dirname(path), os.readlink(self.at(path))) if os.path.islink(self.at(path)) else path
        assert os.path.isfile(self.at(path)), path
        with open(self.at(path), "ab") as f:
            f.write(text.encode())

    def replace(self, path, old, new):
        with open(self.at(path), encoding="utf-8") as f:
            text = f.read()
        assert old in text, (path, old)
        self.write(path, text.replace(old, new), os.stat(self.at(path)).st_mode & 0o7777)

    def script(self, path, text):
        self.write(path, "#!/bin/sh\n" + text, 0o755)

    def remove(self, path):
        assert os.path.lexists(self.at(path)), path
        if os.path.isdir(self.at(path)):
            shutil.rmtree(self.at(path))
        else:
            os.unlink(self.at(path))

    def link(self, path, target):
        if os.path.lexists(self.at(path)):
            os.unlink(self.at(path))
        os.makedirs(os.path.dirname(self.at(path)), exist_ok=True)
        os.symlink(target, self.at(path))

    def again(self, path):
        """The same content as a new file, as a package does that is installed again."""
        shutil.copy2(self.at(path), self.at(path) + ".dpkg-new")
        os.utime(self.at(path) + ".dpkg-new")
        os.rename(self.at(path) + ".dpkg-new", self.at(path))

    def touch(self, path):
        os.utime(self.at(path))

    def below(self, *folders):
        """The real paths of all that is below FOLDERS and no folder."""
        for folder in folders:
            for place, _, names in os.walk(self.at(folder)):
                yield from (os.path.join(place, name) for name in names)

    def run(self, *command):
        subprocess.run(["chroot", self.path, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})


def _hook(text):
    return 'case "$1" in prereqs) exit 0 ;; esac\n. /usr/share/initramfs-tools/hook-functions\n' + text


_TRIPLET = "/usr/lib/x86_64-linux-gnu"
_DRACUT_MODULE = """check() { return 0; }
depends() { return 0; }
install() { echo tree >"$initdir/tree"; }
"""


def _new_library_version(root):
    old = root.one(f"{_TRIPLET}/libblkid.so.1.*")
    shutil.copy(root.at(old), root.at(old + ".9"))
    root.append(old + ".9")
    root.link(f"{_TRIPLET}/libblkid.so.1", os.path.basename(old) + ".9")


def _local_library(root):
    shutil.copy(root.at(root.one(f"{_TRIPLET}/libkmod.so.2.*")), root.at("/usr/local/lib/libkmod.so.2"))
    root.append("/usr/local/lib/libkmod.so.2")
    root.run("ldconfig")


def _preferred_library(root):
    os.makedirs(root.at(f"{_TRIPLET}/glibc-hwcaps/x86-64-v2"))
    shutil.copy(root.at(root.one(f"{_TRIPLET}/libkmod.so.2.*")), root.at(f"{_TRIPLET}/glibc-hwcaps/x86-64-v2/libkmod.so.2"))
    root.append(f"{_TRIPLET}/glibc-hwcaps/x86-64-v2/libkmod.so.2")
    root.run("ldconfig")


def _module_for_updates(root):
    shutil.copy(root.at(root.module("virtio_blk")), root.at("/virtio_blk.ko"))
    os.makedirs(root.at(f"/usr/lib/modules/{root.kernel}/updates"))
    os.rename(root.at("/virtio_blk.ko"), root.at(f"/usr/lib/modules/{root.kernel}/updates/virtio_blk.ko"))
    root.append(f"/usr/lib/modules/{root.kernel}/updates/virtio_blk.ko")
    root.run("depmod", root.kernel)


def _module_gone(root, name):
    root.remove(root.module(name))
    root.run("depmod", root.kernel)


def _second_kernel(root):
    for path in glob.glob(root.at(f"/boot/*-{root.kernel}")):
        shutil.copy(path, path.replace(root.kernel, "6.1.0-99-cloud-amd64"))


def _program_first_in_path(root, name):
    shutil.copy(root.at(f"/usr/sbin/{name}"), root.at(f"/usr/local/sbin/{name}"))
    root.append(f"/usr/local/sbin/{name}")


def _moved_away_and_back(root, path):
    for names in ((path, path + ".away"), (path + ".away", path)):
        os.rename(*map(root.at, names))


def _came_and_went(root, path):
    root.script(path, "true\n")
    root.remove(path)


def _restored(root, path):
    shutil.copytree(root.at(path), root.at(path) + ".restored", symlinks=True)
    root.remove(path)
    os.rename(root.at(path) + ".restored", root.at(path))


def _kernel_again(root):
    """As dpkg does it: new files with the times of the package; then what its scripts do."""
    paths = [p for p in [*root.below(f"/usr/lib/modules/{root.kernel}"), *glob.glob(root.at(f"/boot/*-{root.kernel}"))] if not os.path.islink(p)]
    for path in paths:
        if "/initrd.img-" not in path:
            shutil.copy2(path, path + ".dpkg-new")
            os.rename(path + ".dpkg-new", path)
    root.run("depmod", root.kernel)


def _touched(root, *folders):
    for path in root.below(*folders):
        os.utime(path, follow_symlinks=False)


def _modes_changed_and_back(root, *folders):
    for path in root.below(*folders):
        if not os.path.islink(path):
            mode = os.stat(path).st_mode & 0o7777
            os.chmod(path, 0o600)
            os.chmod(path, mode)


def _unpacked_over(root, *folders):
    for folder in folders:
        archive = root.at("/var/backup.tar")
        subprocess.run(["tar", "-C", root.at(folder), "-cf", archive, "."], check=True)
        subprocess.run(["tar", "-C", root.at(folder), "-xpf", archive], check=True)
        os.unlink(archive)


def _hard_links(root, *paths):
    for path in paths:
        other = root.at("/var/other-" + os.path.basename(path))
        shutil.copy2(root.at(path), other)
        os.unlink(root.at(path))
        os.link(other, root.at(path))


_INITRAMFS, _SHARED = "/etc/initramfs-tools", "/usr/share/initramfs-tools"

# (kind, what is changed, how)
CHANGES = [
    # configuration of the tools
    ("configuration", "initramfs.conf, a comment", lambda r: r.append(f"{_INITRAMFS}/initramfs.conf")),
    ("configuration", "initramfs.conf, MODULES=list", lambda r: r.replace(f"{_INITRAMFS}/initramfs.conf", "MODULES=most", "MODULES=list")),
    ("configuration", "update-initramfs.conf", lambda r: r.append(f"{_INITRAMFS}/update-initramfs.conf")),
    ("configuration", "conf.d, a new file", lambda r: r.write(f"{_INITRAMFS}/conf.d/resume", "RESUME=none\n")),
    ("configuration", "conf.d, a file less", lambda r: r.remove(f"{_INITRAMFS}/conf.d/keymap")),
    ("configuration", "conf.d, an editor's backup", lambda r: r.write(f"{_INITRAMFS}/conf.d/keymap.bak~", "KEYMAP=n\n")),
    ("configuration", "conf-hooks.d, a new file", lambda r: r.write(f"{_SHARED}/conf-hooks.d/tree", "KEYMAP=n\n")),
    ("configuration", "dracut.conf.d, a new file", lambda r: r.write("/etc/dracut.conf.d/40-more.conf", 'add_drivers+=" dummy "\n')),
    ("configuration", "dracut.conf.d, a file less", lambda r: r.remove("/etc/dracut.conf.d/30-less.conf")),
    ("configuration", "dracut.conf", lambda r: r.write("/etc/dracut.conf", 'install_items+=" /etc/motd "\n')),
    # lists of modules, hooks and scripts
    ("module list", "initramfs-tools/modules", lambda r: r.append(f"{_INITRAMFS}/modules", "dummy\n")),
    ("module list", "modules.d, a new file", lambda r: r.write(f"{_SHARED}/modules.d/tree", "veth\n")),
    ("module list", "modules-load.d, a new file", lambda r: r.write("/etc/modules-load.d/tree.conf", "dummy\n")),
    ("module list", "/etc/modules", lambda r: r.append("/etc/modules", "dummy\n")),
    ("hook", "a new hook", lambda r: r.script(f"{_INITRAMFS}/hooks/tree", _hook("echo tree >$DESTDIR/tree\n"))),
    ("hook", "a new hook that may not run", lambda r: r.write(f"{_INITRAMFS}/hooks/tree", "#!/bin/sh\nexit 1\n")),
    ("hook", "a hook of a package", lambda r: r.append(f"{_SHARED}/hooks/mdadm", "echo tree >$DESTDIR/tree\n")),
    ("hook", "a hook less", lambda r: r.remove(f"{_SHARED}/hooks/lvm2")),
    ("hook", "a hook may not run any more", lambda r: os.chmod(r.at(f"{_SHARED}/hooks/cryptroot"), 0o644)),
    ("hook", "hook-functions, a comment", lambda r: r.append(f"{_SHARED}/hook-functions")),
    ("hook", "a new boot script", lambda r: r.script(f"{_INITRAMFS}/scripts/init-premount/tree", _hook("true\n"))),
    ("hook", "a boot script of a package", lambda r: r.append(f"{_SHARED}/scripts/functions")),
    ("hook", "init", lambda r: r.append(f"{_SHARED}/init")),
    ("hook", "a new dracut module", lambda r: r.script("/usr/lib/dracut/modules.d/99tree/module-setup.sh", _DRACUT_MODULE)),
    ("hook", "a file of a dracut module", lambda r: r.append("/usr/lib/dracut/modules.d/99base/dracut-lib.sh")),
    ("hook", "a script of a dracut module", lambda r: r.append("/usr/lib/dracut/modules.d/99base/module-setup.sh")),
    ("hook", "a dracut module less", lambda r: r.remove("/usr/lib/dracut/modules.d/90nvdimm")),
    # modules and firmware
    ("module", "btrfs, another build", lambda r: r.append(r.module("btrfs"), "x")),
    ("module", "virtio_blk less", lambda r: _module_gone(r, "virtio_blk")),
    ("module", "virtio_blk in updates", _module_for_updates),
    ("module", "modules.builtin", lambda r: r.append(f"/usr/lib/modules/{r.kernel}/modules.builtin", "kernel/tree.ko\n")),
    ("module", "modules.dep less", lambda r: r.remove(f"/usr/lib/modules/{r.kernel}/modules.dep.bin")),
    ("module", "depmod once more", lambda r: r.run("depmod", r.kernel)),
    ("module", "files of a second kernel in /boot", _second_kernel),
    ("module", "modprobe.d, a new file", lambda r: r.write("/etc/modprobe.d/tree.conf", "options virtio_blk queue_depth=8\n")),
    ("module", "modprobe.d, a file of a package", lambda r: r.append("/usr/lib/modprobe.d/systemd.conf")),
    ("module", "the kernel's configuration", lambda r: r.append(f"/boot/config-{r.kernel}", "# CONFIG_TREE is not set\n")),
    ("module", "the kernel's configuration less", lambda r: r.remove(f"/boot/config-{r.kernel}")),
    ("firmware", "another version", lambda r: r.append("/usr/lib/firmware/comedi/jr3pci.idm")),
    ("firmware", "less", lambda r: r.remove("/usr/lib/firmware/comedi/jr3pci.idm")),
    ("firmware", "what a module asks for, new", lambda r: r.write("/usr/lib/firmware/me2600_firmware.bin", "new\n")),
    ("firmware", "what a module asks for, new in updates", lambda r: r.write("/usr/lib/firmware/updates/comedi/jr3pci.idm", "new\n")),
    ("firmware", "of no module", lambda r: r.append("/usr/lib/firmware/tree/unused.bin")),
    # libraries and programs
    ("library", "libc", lambda r: r.append(f"{_TRIPLET}/libc.so.6", "x")),
    ("library", "libcryptsetup", lambda r: r.append(f"{_TRIPLET}/libcryptsetup.so.12", "x")),
    ("library", "libblkid, a new version", _new_library_version),
    ("library", "libgcc_s, which is looked for by name", lambda r: r.append(f"{_TRIPLET}/libgcc_s.so.1", "x")),
    ("library", "one in /usr/local/lib before another", _local_library),
    ("library", "one in glibc-hwcaps before another", _preferred_library),
    ("library", "of nothing in an image", lambda r: r.append(r.one(f"{_TRIPLET}/libfreetype.so.6.*"), "x")),
    ("program", "busybox", lambda r: r.append("/usr/bin/busybox", "x")),
    ("program", "cryptsetup", lambda r: r.append("/usr/sbin/cryptsetup", "x")),
    ("program", "udevadm", lambda r: r.append("/usr/bin/udevadm", "x")),
    ("program", "mdadm, another mode", lambda r: os.chmod(r.at("/usr/sbin/mdadm"), 0o700)),
    ("program", "mdadm, another owner", lambda r: os.chown(r.at("/usr/sbin/mdadm"), 1, 1)),
    ("program", "lvm", lambda r: r.append("/usr/sbin/lvm", "x")),
    ("program", "kmod", lambda r: r.append("/usr/bin/kmod", "x")),
    ("program", "run-init of klibc", lambda r: r.append("/usr/lib/klibc/bin/run-init", "x")),
    ("program", "fsck.ext4 less", lambda r: r.remove("/usr/sbin/fsck.ext4")),
    ("program", "btrfs less", lambda r: r.remove("/usr/bin/btrfs")),
    ("program", "sh is bash", lambda r: r.link("/usr/bin/sh", "bash")),
    ("program", "mdadm first in the search path", lambda r: _program_first_in_path(r, "mdadm")),
    ("program", "of nothing in an image", lambda r: r.append("/usr/bin/grub-file", "x")),
    # what the image finds its root by
    ("udev", "a rule of a package", lambda r: r.append("/usr/lib/udev/rules.d/60-persistent-storage.rules")),
    ("udev", "a rule in place of a package's", lambda r: r.write("/etc/udev/rules.d/60-persistent-storage.rules", "# none\n")),
    ("udev", "a new rule", lambda r: r.write("/etc/udev/rules.d/99-tree.rules", "# none\n")),
    ("udev", "a rule less", lambda r: r.remove("/usr/lib/udev/rules.d/64-btrfs.rules")),
    ("udev", "a new .link file", lambda r: r.write("/etc/systemd/network/10-tree.link", "[Match]\nMACAddress=00:00:00:00:00:01\n[Link]\nName=lan\n")),
    ("keymap", "default/keyboard, another layout", lambda r: r.replace("/etc/default/keyboard", '"de"', '"us"')),
    ("keymap", "vconsole.conf", lambda r: r.write("/etc/vconsole.conf", "KEYMAP=us\n")),
    ("keymap", "default/console-setup, another font", lambda r: r.replace("/etc/default/console-setup", 'FONTFACE="Fixed"', 'FONTFACE="VGA"')),
    ("keymap", "symbols of the layout", lambda r: r.replace("/usr/share/X11/xkb/symbols/de", "[ udiaeresis,", "[ ediaeresis,")),
    ("crypt", "crypttab, one more", lambda r: r.append("/etc/crypttab", "more UUID=11111111-2222-3333-4444-555555555556 none luks,initramfs\n")),
    ("crypt", "crypttab less", lambda r: r.remove("/etc/crypttab")),
    ("crypt", "conf-hook", lambda r: r.append("/etc/cryptsetup-initramfs/conf-hook", "ASKPASS=n\n")),
    ("raid", "mdadm.conf", lambda r: r.append("/etc/mdadm/mdadm.conf")),
    ("raid", "default/mdadm", lambda r: r.write("/etc/default/mdadm", "VERBOSE=true\n")),
    ("lvm", "lvm.conf", lambda r: r.append("/etc/lvm/lvm.conf")),
    ("lvm", "lvmlocal.conf", lambda r: r.append("/etc/lvm/lvmlocal.conf")),
    ("lvm", "a new profile", lambda r: r.write("/etc/lvm/profile/tree.profile", "# none\n")),
    ("systemd", "a unit", lambda r: r.append("/usr/lib/systemd/system/systemd-udevd.service")),
    ("systemd", "a drop-in of a unit", lambda r: r.write("/etc/systemd/system/systemd-udevd.service.d/tree.conf", "[Service]\nNice=1\n")),
    ("systemd", "a unit masked", lambda r: r.link("/etc/systemd/system/systemd-fsck@.service", "/dev/null")),
    ("systemd", "tmpfiles.d", lambda r: r.append("/usr/lib/tmpfiles.d/systemd.conf")),
    ("machine", "fstab, another root", lambda r: r.replace("/etc/fstab", "ext4 errors=remount-ro", "btrfs subvol=@")),
    ("machine", "fstab, a /usr", lambda r: r.append("/etc/fstab", "UUID=11111111-2222-3333-4444-555555555557 /usr ext4 ro 0 2\n")),
    ("machine", "hostname", lambda r: r.write("/etc/hostname", "another\n")),
    ("machine", "machine-id", lambda r: r.write("/etc/machine-id", "fedcba98765432100123456789abcdef\n")),
    ("machine", "os-release", lambda r: r.append("/usr/lib/os-release", "TREE=1\n")),
    ("machine", "nsswitch.conf", lambda r: r.append("/etc/nsswitch.conf")),
    ("machine", "passwd, one more user", lambda r: r.append("/etc/passwd", "tree:x:1234:1234::/:/bin/sh\n")),
    ("machine", "ld.so.conf.d, a new file", lambda r: r.write("/etc/ld.so.conf.d/tree.conf", "/opt/tree\n")),
    ("machine", "mke2fs.conf", lambda r: r.append("/etc/mke2fs.conf")),
    ("machine", "sysctl.d, a new file", lambda r: r.write("/etc/sysctl.d/tree.conf", "kernel.panic = 1\n")),
    ("machine", "the terminal's description", lambda r: r.append("/usr/lib/terminfo/l/linux", "x")),
    # nothing that matters
    ("nothing", "libc touched", lambda r: r.touch(f"{_TRIPLET}/libc.so.6")),
    ("nothing", "initramfs.conf touched", lambda r: r.touch(f"{_INITRAMFS}/initramfs.conf")),
    ("nothing", "busybox installed again", lambda r: r.again("/usr/bin/busybox")),
    ("nothing", "a hook installed again", lambda r: r.again(f"{_SHARED}/hooks/mdadm")),
    ("nothing", "a dracut module installed again", lambda r: r.again("/usr/lib/dracut/modules.d/99base/dracut-lib.sh")),
    ("nothing", "libcryptsetup installed again", lambda r: r.again(r.one(f"{_TRIPLET}/libcryptsetup.so.12.*"))),
    ("nothing", "firmware installed again", lambda r: r.again("/usr/lib/firmware/comedi/jr3pci.idm")),
    ("nothing", "udev's rules installed again", lambda r: [r.again(p[len(r.path):]) for p in glob.glob(r.at("/usr/lib/udev/rules.d/*"))]),
    ("nothing", "a module installed again", lambda r: r.again(r.module("btrfs"))),
    ("nothing", "all programs touched", lambda r: [os.utime(p) for p in glob.glob(r.at("/usr/*bin/*")) if not os.path.islink(p)]),
    ("nothing", "/etc/initramfs-tools restored from a backup", lambda r: _restored(r, _INITRAMFS)),
    ("nothing", "/etc/dracut.conf.d restored from a backup", lambda r: _restored(r, "/etc/dracut.conf.d")),
    ("nothing", "the kernel's package installed again", _kernel_again),
    ("nothing", "everything touched", lambda r: _touched(r, "/etc", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/share/initramfs-tools")),
    ("nothing", "the image touched", lambda r: r.touch(f"/boot/initrd.img-{r.kernel}")),
    ("nothing", "modes changed and back", lambda r: _modes_changed_and_back(r, "/etc", "/usr/bin", "/usr/sbin", "/usr/lib/modules", "/boot")),
    ("nothing", "/etc, modules and /boot unpacked from a backup", lambda r: _unpacked_over(r, "/etc", "/usr/lib/modules", "/boot")),
    ("nothing", "modules restored from a backup", lambda r: _restored(r, "/usr/lib/modules")),
    ("nothing", "hard links in place of files", lambda r: _hard_links(r, "/usr/bin/busybox", "/usr/sbin/mdadm", r.module("btrfs"), "/etc/crypttab")),
    ("nothing", "crypttab moved away and back", lambda r: _moved_away_and_back(r, "/etc/crypttab")),
    ("nothing", "a hook came and went", lambda r: _came_and_went(r, f"{_INITRAMFS}/hooks/tree")),
    ("nothing", "a dracut module came and went", lambda r: _came_and_went(r, "/usr/lib/dracut/modules.d/99tree")),
    ("nothing", "motd", lambda r: r.append("/etc/motd")),
    ("nothing", "a new file in /etc", lambda r: r.write("/etc/tree.conf", "x\n")),
    ("nothing", "a new program in /usr/bin", lambda r: r.script("/usr/bin/tree", "true\n")),
    ("nothing", "a new program in /usr/sbin", lambda r: r.script("/usr/sbin/tree", "true\n")),
    ("nothing", "a new library", lambda r: (shutil.copy(r.at(r.one(f"{_TRIPLET}/libkmod.so.2.*")), r.at(f"{_TRIPLET}/libtree.so.1")), r.run("ldconfig"))),
    ("nothing", "a log", lambda r: r.write("/var/log/tree.log", "x\n")),
    ("nothing", "a cache", lambda r: r.write("/var/cache/tree/tree", "x\n")),
]

# Changes of what a tool does read, which by chance or by what they are do not change its image: nobody can know that without
# building it.
IN_VAIN = {
    "initramfs-tools": {"conf.d, an editor's backup", "a new hook that may not run", "hook-functions, a comment", "the kernel's configuration",
                        "sh is bash", "default/console-setup, another font", "symbols of the layout", "conf-hook",
                        "fstab, another root", "fstab, a /usr", "nsswitch.conf", "passwd, one more user"},
    "dracut": {"a script of a dracut module", "modprobe.d, a new file", "the kernel's configuration", "the kernel's configuration less",
               "busybox", "vconsole.conf", "default/console-setup, another font", "symbols of the layout", "nsswitch.conf",
               "passwd, one more user"},
}
