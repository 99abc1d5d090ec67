#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon with five volumes is driven at random, and whenever all is quiet each volume must be as a model predicts:
its state, every output and every helper, byte for byte.

    test_model.py [--steps N] [--seed S]

The seed is printed. Builders are functions of their sources only, so the expected outputs are computed here from the
current sources; mounts, trust and manifests are the model's own."""

import argparse
import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from lib import main, test
from lib.content import MACHINE_ID, MANIFEST, VENDOR_MANIFEST, Volume, booted, manifest
from lib.daemon import Daemon
from lib.dbus import DBusError
from lib.disk import run

QUIET = 90  # seconds until everything has to come to rest, including retries of killed builds
CONFIG = {
    "Watch": {"SettleSec": "100ms", "SettleMaxSec": "1"},
    "Build": {"RetrySec": "50ms", "MaxFailures": "1000", "MaxAttempts": "100000", "MaxBuilds": "2"},
}
DISKS = [
    {"esps": 2},
    {"esps": 1, "xbootldr": True},
    {"esps": 1, "fs": "btrfs", "volume_mib": 128},
    {"esps": 0, "fs": "xfs", "volume_mib": 320},
    {"esps": 0},
]
KERNELS = ["6.1.0", "6.2.0-rc1+b2", "6.10 büro"]

CACHES = """
  <cache name="list" each="/usr/lib/modules/*" builder="list">
    <source path="/usr/lib/modules/%i"/>
    <output path="/boot/list-%i"/>
  </cache>
  <cache name="initramfs" each="/usr/lib/modules/*" builder="pack">
    <source path="/boot/list-%i"/>
    <source path="/usr/lib/modules/%i"/>
    <source path="/etc/initramfs.conf" optional="yes"/>
    <output path="/boot/initrd-%i"/>
  </cache>"""
COPIES = """
  <copy role="required" each="/usr/lib/modules/*" from="/boot/vmlinuz-%i" to="/%m/%i/linux"/>
  <copy role="required" each="/usr/lib/modules/*" from="/boot/initrd-%i" to="/%m/%i/initrd"/>
  <copy role="entry" each="/usr/lib/modules/*" from="/boot/entries/os-%i.conf" to="/loader/entries/os-%i.conf"/>
  <copy role="booter" from="/usr/lib/bootx64.efi" to="/EFI/BOOT/BOOTX64.EFI"/>
  <copy role="misc" helper="xbootldr" from="/etc/shared.conf" to="/shared.conf"/>"""
SPLASH = '\n  <copy role="misc" from="/boot/splash.bmp" to="/splash.bmp"/>'

# Their outputs are computed by Model.list_of() and Model.pack_of() as well.
LIST = """
cd "$1/usr/lib/modules/$2"
find . -type f -printf '%P\\n' | LC_ALL=C sort >"$3"
"""
PACK = """
out=$3
{
        echo "version $4"
        cat "$1/boot/list-$2"
        cat "$1/etc/initramfs.conf" 2>/dev/null || true
        cd "$1/usr/lib/modules/$2"
        find . -printf '%P %y %m %U %l\\n' | LC_ALL=C sort
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0r cat
} >"$out"
"""


def kinds_of(mode):
    return {0o100000: "f", 0o040000: "d", 0o120000: "l"}[mode & 0o170000]


class Member:
    """One volume and what the model knows about it."""

    def __init__(self, world, number, options):
        self.world = world
        self.disk = world.disk(name=f"disk{number}", **options)
        self.btrfs = options.get("fs") == "btrfs"
        self.places = [world.path(f"place {number} {n}") for n in ("á", "b", "c", "d")]
        for place in self.places:
            os.mkdir(place)
        world.later(self.umount_all)
        self.at = []  # where it is mounted
        self.options = None
        if self.btrfs:
            self.disk.volume.shell("btrfs subvolume create @ >/dev/null")
            self.options = "subvol=@"
        self.mount()
        self.volume = Volume(world, self.disk)
        self.name = self.volume.name + ("[/@]" if self.btrfs else "")
        self.follow()
        self.covered = self.read_only = self.trusted = self.lost_a_kernel = False
        self.manifest = "full"

    def follow(self):
        """`volume` works through the first mount."""
        self.volume.root = self.at[0] if self.at else "/nowhere"

    def free_places(self):
        return [p for p in self.places if p not in self.at]

    def mount(self):
        self.disk.mount(self.options, self.free_places()[0])
        self.at.append(self.free_places()[0])

    def umount_all(self):
        for place in self.places:
            while subprocess.run(["umount", "-q", place], stderr=subprocess.DEVNULL).returncode == 0:
                pass

    @property
    def seen(self):
        """Whether it is a volume to the daemon."""
        return bool(self.at) and not self.covered and not self.read_only

    @property
    def state(self):
        """What the daemon has to report about it when all is quiet; None: nothing."""
        if not self.seen:
            return None
        if self.manifest in ("plain", "refused"):
            return self.manifest
        return "fresh" if self.trusted else "untrusted"

    def kernels(self):
        return os.listdir(self.volume.path("/usr/lib/modules"))

    def entry(self, kernel):
        base = f"/{MACHINE_ID}/{kernel}"
        return f"title {kernel}\nlinux {base}/linux\ninitrd {base}/initrd\n"


class Model:
    def __init__(self, world, seed):
        self.world = world
        self.random = random.Random(seed)
        self.serial = 0
        self.version = 1
        self.settle = 100
        self.counts = collections.Counter()
        self.members = [Member(world, i, options) for i, options in enumerate(DISKS)]
        for member in self.members:
            self.populate(member)
        self.builders = self.members[0].volume
        self.builders.builder("list", LIST, "%r", "%i", "%o")
        self.builders.builder("pack", PACK, "%r", "%i", "%o", "1")
        self.daemon = Daemon(world, config=CONFIG)
        self.daemon.start()
        for member in self.members:
            self.trust(member, True)

    # the trees

    def words(self):
        self.serial += 1
        return f"words {self.serial}\n" * self.random.choice((1, 1, 3, 100))

    def install(self, member, kernel):
        v = member.volume
        v.write(f"/boot/vmlinuz-{kernel}", f"kernel {self.words()}" * 500)
        v.write(f"/boot/entries/os-{kernel}.conf", member.entry(kernel))
        v.write(f"/usr/lib/modules/{kernel}/modules", self.words())
        v.write(f"/usr/lib/modules/{kernel}/net/e1000.ko", self.words())
        v.write(f"/usr/lib/modules/{kernel}/fs/odd \n näme", self.words())

    def populate(self, member):
        v = member.volume
        v.write("/etc/machine-id", MACHINE_ID + "\n")
        v.write("/etc/shared.conf", "shared\n")
        v.write("/etc/set-a/conf", "set a\n")
        v.symlink("/etc/set-b/conf", "../shared.conf")
        v.symlink("/etc/current", "set-a")
        v.symlink("/etc/initramfs.conf", "current/conf")
        v.write("/usr/lib/bootx64.efi", self.words() * 100)
        v.write("/boot/splash.bmp", self.words())
        v.mkdir("/spare")
        self.install(member, KERNELS[0])
        self.write_manifest(member, "full")

    @staticmethod
    def write_manifest(member, kind):
        texts = {"full": manifest(CACHES, COPIES, SPLASH), "lean": manifest(CACHES, COPIES), "refused": "<bootcaches"}
        for path in (MANIFEST, VENDOR_MANIFEST):
            if member.volume.exists(path):
                member.volume.remove(path)
        if kind != "plain":
            path = MANIFEST if kind in ("full", "refused") else VENDOR_MANIFEST
            member.volume.replace(path, texts[kind])
        member.manifest = kind

    # what must be there

    @staticmethod
    def tree_of(member, kernel):
        """(path, lstat) of everything below a kernel's modules, as bytes, the top as b''."""
        top = os.fsencode(member.volume.path(f"/usr/lib/modules/{kernel}"))
        found = {b"": os.lstat(top)}
        for folder, folders, names in os.walk(top):
            for name in folders + names:
                full = os.path.join(folder, name)
                found[full[len(top) + 1:]] = os.lstat(full)
        return top, found

    def list_of(self, member, kernel):
        _, tree = self.tree_of(member, kernel)
        text = b"".join(path + b"\n" for path, s in tree.items() if kinds_of(s.st_mode) == "f")
        return b"".join(line + b"\n" for line in sorted(text.split(b"\n")[:-1]))

    def pack_of(self, member, kernel):
        top, tree = self.tree_of(member, kernel)
        text = b""
        for path, s in tree.items():
            kind = kinds_of(s.st_mode)
            target = os.readlink(os.path.join(top, path)) if kind == "l" else b""
            text += b"%s %s %o %d %s\n" % (path, kind.encode(), s.st_mode & 0o7777, s.st_uid, target)
        data = b"version %d\n" % self.version + self.list_of(member, kernel)
        if os.path.exists(member.volume.path("/etc/initramfs.conf")):
            data += member.volume.read("/etc/initramfs.conf")
        data += b"".join(line + b"\n" for line in sorted(text.split(b"\n")[:-1]))
        for path in sorted(p for p, s in tree.items() if kinds_of(s.st_mode) == "f"):
            with open(os.path.join(top, path), "rb") as f:
                data += f.read()
        return data

    def helper_problem(self, member, helper):
        v, files = member.volume, helper.files()
        wanted = {}
        if helper.type == "esp":
            wanted = {"/EFI/BOOT/BOOTX64.EFI": v.read("/usr/lib/bootx64.efi")}
            if member.manifest == "full":
                wanted["/splash.bmp"] = v.read("/boot/splash.bmp")
            for kernel in member.kernels():
                path = f"/loader/entries/os-{kernel}.conf"
                if path not in files:
                    return f"{helper.name}: no entry of {kernel}"
                # the content of the entry except for the names of its files, and the content of these
                names = {w[0]: w[1].strip() for w in (line.split(" ", 1) for line in files[path].decode().splitlines())
                         if len(w) == 2}
                text = member.entry(kernel)
                for key in ("linux", "initrd"):
                    text = text.replace(f"/{MACHINE_ID}/{kernel}/{key}\n", names[key] + "\n")
                wanted[path] = text.encode().ljust(512, b"\n")
                wanted[names["linux"]] = v.read(f"/boot/vmlinuz-{kernel}")
                wanted[names["initrd"]] = v.read(f"/boot/initrd-{kernel}")
                booted(files, path)
        if helper.type == "xbootldr" or not member.disk.xbootldr:
            wanted["/shared.conf"] = v.read("/etc/shared.conf")
        if files == wanted:
            return None
        wrong = [p for p in set(files) | set(wanted) if files.get(p) != wanted.get(p)]
        return f"{helper.name}: {wrong} differ"

    def content_problem(self, member):
        v = member.volume
        for kernel in member.kernels():
            for path, data in ((f"/boot/list-{kernel}", self.list_of(member, kernel)),
                               (f"/boot/initrd-{kernel}", self.pack_of(member, kernel))):
                if not v.exists(path) or v.read(path) != data:
                    return f"{path} is not what its sources make"
        return next(filter(None, (self.helper_problem(member, h) for h in member.disk.helpers)), None)

    def problem(self, member):
        is_state = self.daemon.volume(member.name).properties.get("State")
        if is_state != member.state:
            return f"is {is_state}, must be {member.state}"
        if member.state != "fresh":
            return None
        member.volume.builders = self.builders.builders
        scan = self.world.programs.scan(member.volume)
        return self.content_problem(member) or (f"the daemon says fresh, a scan {scan.stdout}" if scan.status else None)

    def compare(self):
        """Waits for quiet: until everything is, and stays, as the model predicts."""
        deadline = time.monotonic() + QUIET
        while True:
            found = [f"{m.name}: {p}" for m, p in ((m, self.problem(m)) for m in self.members) if p]
            if not found:
                break
            assert time.monotonic() < deadline, "; ".join(found)
            with self.daemon.changed:
                self.daemon.changed.wait(0.1)
        for member in self.members:  # the helpers of what is not built have not lost it yet
            member.lost_a_kernel = member.lost_a_kernel and member.state != "fresh"

    # steps on a tree

    def some(self, member, kind="f"):
        """A random kernel, and a file of its tree (as a path of the volume)."""
        kernel = self.random.choice(sorted(member.kernels()))
        _, tree = self.tree_of(member, kernel)
        paths = sorted(os.fsdecode(p) for p, s in tree.items() if p and kinds_of(s.st_mode) == kind)
        top = f"/usr/lib/modules/{kernel}"
        return f"{top}/{self.random.choice(paths)}" if paths else None, top

    def step_create(self, m):
        _, top = self.some(m)
        deep = self.random.choice(("", "net/", f"new{self.serial % 7}/deeper/", "fs/"))
        m.volume.write(f"{top}/{deep}m{self.serial % 20}.ko", self.words())

    def step_write(self, m):
        path, top = self.some(m)
        m.volume.write(path or f"{top}/modules", self.words())

    def step_append(self, m):
        path, _ = self.some(m)
        if path:
            with open(m.volume.path(path), "a", encoding="ascii") as f:
                f.write(self.words())

    def step_unlink(self, m):
        path, _ = self.some(m)
        if path:
            m.volume.remove(path)

    def step_chmod(self, m):
        path, _ = self.some(m, self.random.choice("fd"))
        if path:
            os.chmod(m.volume.path(path), self.random.choice((0o600, 0o640, 0o755, 0o711)))

    def step_chown(self, m):
        path, _ = self.some(m, self.random.choice("fd"))
        if path:
            os.chown(m.volume.path(path), self.random.randrange(5), 0)

    def step_replace(self, m):
        path, top = self.some(m)
        m.volume.write("/spare/next", self.words())
        os.rename(m.volume.path("/spare/next"), m.volume.path(path or f"{top}/modules"))

    def step_link_in_tree(self, m):
        _, top = self.some(m)
        link = m.volume.path(f"{top}/link")
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(f"nowhere-{self.serial}", link)
        self.serial += 1

    def step_repoint(self, m):
        """The configuration is reached through a link, whose path goes through another link."""
        target = self.random.choice(("set-a", "set-b"))
        os.symlink(target, m.volume.path("/etc/current.new"))
        os.rename(m.volume.path("/etc/current.new"), m.volume.path("/etc/current"))

    def step_behind_links(self, m):
        m.volume.write(self.random.choice(("/etc/shared.conf", "/etc/set-a/conf")), self.words())

    def step_optional(self, m):
        path = "/etc/initramfs.conf"
        if m.volume.exists(path):
            m.volume.remove(path)
        else:
            m.volume.symlink(path, "current/conf")

    def step_recreate_tree(self, m):
        _, top = self.some(m)
        kept = m.volume.path("/spare/kept")
        shutil.copytree(m.volume.path(top), kept, symlinks=True)
        shutil.rmtree(m.volume.path(top))
        shutil.copytree(kept, m.volume.path(top), symlinks=True)
        shutil.rmtree(kept)
        m.volume.write(f"{top}/modules", self.words())

    def step_move_in(self, m):
        _, top = self.some(m)
        name = f"/spare/tree{self.serial}"
        m.volume.write(name + "/inner/file", self.words())
        os.rename(m.volume.path(name), m.volume.path(f"{top}/tree{self.serial}"))

    def step_rename_directory(self, m):
        path, _ = self.some(m, "d")
        if path:
            self.serial += 1
            os.rename(m.volume.path(path), m.volume.path(f"{os.path.dirname(path)}/dir{self.serial}"))

    def step_move_out(self, m):
        path, _ = self.some(m, "d")
        if path:
            os.rename(m.volume.path(path), m.volume.path(f"/spare/out{self.serial}"))
            self.serial += 1

    def step_touch_back(self, m):
        path, _ = self.some(m)
        if not path:
            return
        full = m.volume.path(path)
        s = os.stat(full)
        self.serial += 1
        m.volume.write(path, str(self.serial).rjust(s.st_size)[:s.st_size] if s.st_size else "", s.st_mode & 0o7777)
        os.utime(full, ns=(s.st_atime_ns, s.st_mtime_ns))

    def step_hard_link(self, m):
        path, _ = self.some(m)
        outside = m.volume.path("/spare/other-name")
        if path:
            if os.path.lexists(outside):
                os.unlink(outside)
            os.link(m.volume.path(path), outside)
            # A directory gets no event when a file in it gets another name elsewhere, see docs/map.md: it is known from
            # the next scan on, which this requests.
            os.chmod(m.volume.path(path), self.random.choice((0o444, 0o604)))

    def step_write_by_other_name(self, m):
        if m.volume.exists("/spare/other-name"):
            m.volume.write("/spare/other-name", self.words())
        else:
            self.step_hard_link(m)

    def step_kernel(self, m):
        there = m.kernels()
        kernel = self.random.choice(KERNELS)
        if kernel not in there:
            self.install(m, kernel)
        elif len(there) > 1 and not m.lost_a_kernel:
            m.lost_a_kernel = True  # two at once may be more than a helper may lose without --force
            shutil.rmtree(m.volume.path(f"/usr/lib/modules/{kernel}"))

    def step_damage_output(self, m):
        path = f"/boot/{self.random.choice(('list', 'initrd'))}-{self.random.choice(sorted(m.kernels()))}"
        if m.volume.exists(path) and self.random.random() < 0.5:
            m.volume.remove(path)
        else:
            m.volume.write(path, self.words())

    def step_copied_file(self, m):
        kernel = self.random.choice(sorted(m.kernels()))
        m.volume.replace(self.random.choice(("/boot/splash.bmp", "/usr/lib/bootx64.efi", f"/boot/vmlinuz-{kernel}")),
                         self.words())

    def step_manifest(self, m):
        self.write_manifest(m, self.random.choice(("full", "full", "lean", "lean", "plain", "refused")))

    def step_storm(self, m):
        folder = m.volume.path(self.some(m)[1])
        for i in range(self.random.choice((200, 2000, 6000))):
            name = f"{folder}/storm{i % 40}"
            with open(name, "w", encoding="ascii") as f:
                f.write(str(i))
            os.unlink(name)

    # steps on mounts

    def umount(self, place, *options):
        """As soon as no scan or build is working there."""
        deadline = time.monotonic() + QUIET
        while subprocess.run(["umount", *options, place], stderr=subprocess.DEVNULL).returncode != 0:
            assert time.monotonic() < deadline, f"{place} stays busy"

    def step_umount(self, m):
        if m.at and not m.covered:
            place = m.at.pop(self.random.randrange(len(m.at)))
            self.umount(place, *self.random.choice(([], ["-l"])))
            m.read_only = m.read_only and bool(m.at)

    def step_mount(self, m):
        if len(m.at) < 3 and not m.read_only and not m.covered:
            m.mount()

    def step_bind(self, m):
        if m.at and len(m.at) < 3 and not m.read_only and not m.covered:
            place = m.free_places()[0]
            run("mount", "--bind", m.at[0], place)
            m.at.append(place)

    def step_bind_part(self, m):
        if m.at and not m.covered:
            place = m.free_places()[0]
            run("mount", "--bind", m.at[0] + "/usr", place)
            self.umount(place)

    def step_move(self, m):
        if m.at and not m.covered:
            place = m.free_places()[0]
            i = self.random.randrange(len(m.at))
            run("mount", "--move", m.at[i], place)
            m.at[i] = place

    def step_remount(self, m):
        if len(m.at) == 1 and not m.covered:
            options = self.random.choice((["remount"], ["remount", "bind"]))
            how = "rw" if m.read_only else "ro"
            if m.read_only:
                options = ["remount", "bind"]
            if subprocess.run(["mount", "-o", ",".join([*options, how]), m.at[0]],
                              stderr=subprocess.DEVNULL).returncode == 0:
                m.read_only = not m.read_only
            if not m.read_only:
                run("mount", "-o", "remount,rw", m.at[0])

    def step_cover(self, m):
        if m.covered:
            self.umount(m.at[0])
            m.covered = False
        elif len(m.at) == 1:
            run("mount", "-t", "tmpfs", "cover", m.at[0])
            m.covered = True

    def step_change_while_away(self, m):
        if not m.at:
            m.disk.volume.shell("cd ./$1 && echo away $2 >etc/shared.conf && echo away $2 >etc/set-a/conf",
                                "@" if m.btrfs else "", str(self.serial))
            self.serial += 1

    def step_mount_storm(self, _):
        place = self.world.path("storm")
        os.makedirs(place, exist_ok=True)
        script = 'for i in $(seq 30); do mount -t tmpfs storm "$1"; umount "$1"; done'
        run("sh", "-ec", script, "sh", place)

    # steps on the daemon

    def trust(self, member, trusted):
        if not member.seen:
            return
        self.daemon.volume(member.name).wait("there with its UUID", lambda p: p.get("UUID"))
        self.daemon.call("Trust" if trusted else "Distrust", "s", member.name)
        member.trusted = trusted

    def step_trust(self, m):
        self.trust(m, not m.trusted)

    def child(self, name, member=None):
        """A running child of the daemon with this name (for MEMBER), waited for for a while."""
        deadline = time.monotonic() + 1
        children = f"/proc/{self.daemon.process.pid}/task/{self.daemon.process.pid}/children"
        while time.monotonic() < deadline:
            with open(children, encoding="ascii") as f:
                pids = f.read().split()
            for pid in pids:
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as f:
                        words = os.fsdecode(f.read()).split("\0")
                    if words[0].endswith("/" + name) and (not member or any(w in member.at for w in words)):
                        return int(pid)
                except OSError:
                    pass
        return None

    @staticmethod
    def signal_child(pid, number):
        """Was there a child to signal?"""
        try:
            if pid:
                os.kill(pid, number)
            return bool(pid)
        except ProcessLookupError:
            return False

    def kill_child(self, m, name):
        if m.seen:
            self.step_write(m)
        pid = self.child(name)
        if pid:
            time.sleep(self.random.random() * 0.1)  # somewhere in its life
        self.counts[f"{name} killed"] += self.signal_child(pid, signal.SIGKILL)

    def step_kill_scan(self, m):
        self.kill_child(m, "bootkeep-scan")

    def step_kill_build(self, m):
        self.kill_child(m, "bootkeep-build")

    def change_under_way(self, m, name):
        """Changes made while a scan or build of the same volume is stopped somewhere in the middle."""
        pid = self.child(name, m)
        time.sleep(self.random.random() * self.random.choice((0, 0.005, 0.05)))
        self.counts[f"changes while a {name} ran"] += self.signal_child(pid, signal.SIGSTOP)
        for _ in range(self.random.randrange(1, 3)):
            self.step(self.random.choice(list(ON_A_TREE)), m)
        self.signal_child(pid, signal.SIGCONT)

    def step_change_while_scanned(self, m):
        if m.seen:
            self.daemon.signal(signal.SIGHUP)  # what the scan finds fresh is not examined again by a build
            self.change_under_way(m, "bootkeep-scan")

    def step_change_while_built(self, m):
        if m.seen:
            self.step_write(m)
            self.change_under_way(m, "bootkeep-build")

    def step_kill_daemon(self, _):
        self.daemon.kill()
        for _ in range(self.random.randrange(3)):
            self.step(self.random.choice(WITHOUT_DAEMON))
        self.daemon.start()

    def step_restart_daemon(self, _):
        assert self.daemon.stop() == 0
        for _ in range(self.random.randrange(3)):
            self.step(self.random.choice(WITHOUT_DAEMON))
        self.daemon.start()

    def step_reload(self, _):
        self.settle = self.random.choice((50, 100, 200))
        watch = {**CONFIG["Watch"], "SettleSec": f"{self.settle}ms"}
        self.daemon.configure({**CONFIG, "Watch": watch})
        self.daemon.signal(signal.SIGHUP)

    def step_builder(self, _):
        self.version += 1
        program = os.path.join(self.builders.builders, "pack.sh")
        self.builders.definition("pack", Exec=f"{program} %r %i %o {self.version}", Root="host")
        self.daemon.signal(signal.SIGHUP)

    def step_ask(self, m):
        if not m.seen:
            return
        try:
            if self.random.random() < 0.5:
                self.daemon.call("Scan", "s", m.name)
            else:
                self.daemon.call("Rebuild", "su", m.name, self.random.randrange(2))
        except DBusError as e:  # it may have no manifest, may change while it is built, or may not be known yet
            self.world.note(f"asked: {e}")

    def step_pause(self, _):
        time.sleep(self.random.random() * 0.4)

    # all of them

    def step(self, name, member=None):
        member = member or self.random.choice(self.members)
        if name in ON_A_TREE and not (member.seen and member.at):
            name = "mount" if not member.at else "cover" if member.covered else "remount"
        self.world.note(f"--- {name} on {member.name}")
        self.counts[name] += 1
        getattr(self, "step_" + name)(member)
        if name in TAKING_AWAY and member.seen:
            for kernel in member.kernels():
                member.volume.write(f"/usr/lib/modules/{kernel}/modules", self.words())
        member.follow()


ON_A_TREE = {"create": 4, "write": 6, "append": 2, "unlink": 2, "chmod": 2, "chown": 2, "replace": 3, "link_in_tree": 2,
             "repoint": 3, "behind_links": 3, "optional": 2, "recreate_tree": 2, "move_in": 2, "rename_directory": 2,
             "move_out": 1, "touch_back": 3, "hard_link": 2, "write_by_other_name": 3, "kernel": 3, "damage_output": 3,
             "copied_file": 3, "manifest": 4, "storm": 2}
ON_MOUNTS = {"umount": 3, "mount": 4, "bind": 2, "bind_part": 1, "move": 3, "remount": 3, "cover": 2,
             "change_while_away": 2, "mount_storm": 1}
ON_THE_DAEMON = {"trust": 2, "kill_scan": 4, "kill_build": 4, "change_while_scanned": 5,
                 "change_while_built": 4, "kill_daemon": 3, "restart_daemon": 1, "reload": 2, "builder": 1, "ask": 3,
                 "pause": 6}
# What came and went while a builder ran may have ended up in its output, and so may what somebody else wrote over the
# output before it was examined; no fingerprint shows it. So these are followed by another change.
TAKING_AWAY = ("storm", "unlink", "move_out", "optional", "damage_output")
STEPS = {**ON_A_TREE, **ON_MOUNTS, **ON_THE_DAEMON}
WITHOUT_DAEMON = [*ON_A_TREE, *ON_MOUNTS]


def options():
    """Read in the outer process, and passed to the inner one in the environment."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", default=os.environ.get("BOOTKEEP_MODEL_STEPS", "500"))
    parser.add_argument("--seed", default=os.environ.get("BOOTKEEP_MODEL_SEED", str(random.randrange(1 << 32))))
    given, _ = parser.parse_known_args()
    os.environ["BOOTKEEP_MODEL_STEPS"], os.environ["BOOTKEEP_MODEL_SEED"] = given.steps, given.seed
    # A process that is stopped while the sanitizer looks for leaks, at its end, never goes on: here one is stopped at any moment.
    os.environ["LSAN_OPTIONS"] = "detect_leaks=0"
    sys.argv[1:] = []  # no words that select a test
    return int(given.steps), int(given.seed)


STEPS_WANTED, SEED = options()


@test
def once_quiet_everything_is_as_the_model_predicts(world):
    print(f"# {STEPS_WANTED} steps, --seed={SEED}", flush=True)
    model = Model(world, SEED)
    model.compare()
    began, comparisons = time.monotonic(), 1
    for done in range(1, STEPS_WANTED + 1):
        name, = model.random.choices(list(STEPS), STEPS.values())
        try:
            model.step(name)
            if done == STEPS_WANTED or model.random.random() < 1 / 12:
                world.note("--- compare")
                model.compare()
                comparisons += 1
                world.lines.clear()  # what led to the next failure begins here
        except BaseException as e:
            raise AssertionError(f"step {done} ({name}) of --seed={SEED}: {e}") from e
    counts = ", ".join(f"{kind} {n}" for kind, n in sorted(model.counts.items()))
    print(f"# {comparisons} comparisons of all in {time.monotonic() - began:.0f} s; {counts}", flush=True)


main()
