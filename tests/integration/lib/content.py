# SPDX-License-Identifier: LGPL-2.1-or-later
"""The content of an OS volume: a tree like that of a small distribution, a manifest, and the host's builder for it."""

import os
import select
import stat

MACHINE_ID = "0123456789abcdef0123456789abcdef"
MANIFEST = "/etc/bootkeep/bootcaches.xml"
VENDOR_MANIFEST = "/usr/lib/bootkeep/bootcaches.xml"
KERNEL = "6.1.0"
ENTRY = f"/loader/entries/os-{KERNEL}.conf"
OUTPUT = f"/boot/initrd-{KERNEL}"

CACHE = """
  <cache name="initramfs" each="/usr/lib/modules/*" builder="pack">
    <source path="/usr/lib/modules/%i"/>
    <source path="/etc/initramfs.conf" optional="yes"/>
    <output path="/boot/initrd-%i"/>
  </cache>"""
COPIES = """
  <copy role="required" each="/usr/lib/modules/*" from="/boot/vmlinuz-%i" to="/%m/%i/linux"/>
  <copy role="required" each="/usr/lib/modules/*" from="/boot/initrd-%i" to="/%m/%i/initrd"/>
  <copy role="entry" each="/usr/lib/modules/*" from="/boot/entries/os-%i.conf" to="/loader/entries/os-%i.conf"/>
  <copy role="booter" from="/usr/lib/bootx64.efi" to="/EFI/BOOT/BOOTX64.EFI"/>
  <copy role="misc" from="/boot/splash.bmp" to="/splash.bmp"/>"""

# Writes everything it reads to its output, and for each run a line to a file next to itself.
PACK = """
root=$1 instance=$2 output=$3
echo "packing $instance"
{
        find "$root/usr/lib/modules/$instance" -type f -print0 | LC_ALL=C sort -z | xargs -0r cat
        cat "$root/etc/initramfs.conf" 2>/dev/null || true
} >"$output"
"""


def manifest(*parts):
    """A complete manifest made of PARTS, or of the usual cache and copies without any."""
    body = "".join(parts or (CACHE, COPIES))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<bootcaches version="1">{body}\n</bootcaches>\n'


def cache(name, builder, source, output):
    return f"""
  <cache name="{name}" builder="{builder}">
    <source path="{source}"/>
    <output path="{output}"/>
  </cache>"""


def _install(path, text, mode):
    """Whoever reads PATH meanwhile sees what it was or what it is, never a part."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


class Volume:
    """A mounted OS volume. Paths are as on the volume."""

    def __init__(self, world, disk):
        self.world = world
        self.disk = disk
        self.name = disk.volume.name
        self.root = disk.mountpoint
        self.builders = world.path("builders")

    def path(self, path):
        # a mistake here would write to the machine itself
        assert self.root.startswith(self.world.folder + "/") and path.startswith("/"), (self.root, path)
        return self.root + path

    def write(self, path, content, mode=0o644):
        """Writes a file, and creates missing folders. Always in place, so that hard links and the inode are kept."""
        full = self.path(path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(full, mode)

    def replace(self, path, content):
        """Writes a new file and renames it over the old one, as editors do."""
        self.write(path + ".new", content)
        os.rename(self.path(path + ".new"), self.path(path))

    def read(self, path):
        with open(self.path(path), "rb") as f:
            return f.read()

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def remove(self, path):
        os.unlink(self.path(path))

    def mkdir(self, path):
        os.makedirs(self.path(path), exist_ok=True)

    def symlink(self, path, target):
        self.mkdir(os.path.dirname(path))
        os.symlink(target, self.path(path))

    def entry(self, kernel=KERNEL):
        """The text of the boot entry, as the volume has it."""
        base = f"/{MACHINE_ID}/{kernel}"
        return f"title bootkeep test\nversion {kernel}\nlinux {base}/linux\ninitrd {base}/initrd\n"

    def kernel(self, version=KERNEL):
        """Installs a kernel: everything that a distribution's package would, except an initrd."""
        self.write(f"/usr/lib/modules/{version}/modules", f"modules of {version}\n")
        self.write(f"/boot/vmlinuz-{version}", f"kernel {version}\n".encode() * 1000)
        self.write(f"/boot/entries/os-{version}.conf", self.entry(version))

    def populate(self):
        self.write("/etc/machine-id", MACHINE_ID + "\n")
        self.write("/etc/initramfs.conf", "compress=no\n")
        self.write("/usr/lib/bootx64.efi", b"MZ booter\n" * 500)
        self.write("/boot/splash.bmp", b"BM splash\n" * 50)
        self.kernel()
        self.builder("pack", PACK, "%r", "%i", "%o")
        self.write(MANIFEST, manifest())

    def builder(self, name, script, *arguments, **keys):
        """Makes a shell SCRIPT the host's builder NAME. KEYS are further lines of its definition."""
        os.makedirs(self.builders, exist_ok=True)
        program = os.path.join(self.builders, name + ".sh")
        _install(program, f"#!/bin/sh\nset -e\necho run >>{program}.runs\n{script}", 0o755)
        self.definition(name, Exec=" ".join([program, *arguments]), **{"Root": "host", **keys})

    def definition(self, name, **keys):
        """Writes only NAME.conf."""
        os.makedirs(self.builders, exist_ok=True)
        lines = "".join(f"{key}={value}\n" for key, value in keys.items())
        _install(os.path.join(self.builders, name + ".conf"), "[Builder]\n" + lines, 0o644)

    def runs(self, name="pack"):
        """How often the builder has run."""
        try:
            with open(os.path.join(self.builders, f"{name}.sh.runs"), encoding="ascii") as f:
                return len(f.readlines())
        except FileNotFoundError:
            return 0

    def packed(self, kernel=KERNEL):
        """What `pack` makes from the current sources."""
        files = sorted(os.fsencode(os.path.join(folder, name))
                       for folder, _, names in os.walk(self.path(f"/usr/lib/modules/{kernel}")) for name in names)
        data = b"".join(self.read(os.fsdecode(f)[len(self.root):]) for f in files)
        there = os.path.exists(self.path("/etc/initramfs.conf"))  # a link may lead nowhere
        return data + (self.read("/etc/initramfs.conf") if there else b"")

    def listing(self):
        """Every path on the volume except bootkeep's own state, with the attributes that would show a write to it."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                full = os.path.join(folder, name)
                s = os.lstat(full)
                times = () if stat.S_ISDIR(s.st_mode) else (s.st_ino, s.st_size, s.st_mtime_ns)
                found[full[len(self.root):]] = (s.st_mode, s.st_uid, *times)
        return {p: v for p, v in found.items() if not p.startswith("/var/lib/bootkeep")}


class Gate:
    """Stops a builder at a point of its script: `await_builder` returns when one is there, `open` lets it continue."""

    def __init__(self, world, name="gate"):
        self.ends = []
        for end in ("arrived", "go"):
            path = world.path(f"{name}.{end}")
            os.mkfifo(path)
            self.ends.append(os.open(path, os.O_RDWR))  # both ends, so that nobody blocks and nobody sees end-of-file
            world.later(lambda fd=self.ends[-1]: os.close(fd))
        self.script = f"echo x >{world.path(name)}.arrived; read -r go <{world.path(name)}.go\n"

    def await_builder(self, timeout=30):
        assert select.select([self.ends[0]], [], [], timeout)[0], f"no builder within {timeout} s"
        os.read(self.ends[0], 2)

    def open(self):
        os.write(self.ends[1], b"x\n")


def booted(files, entry=ENTRY):
    """Does what a boot loader would do with a helper's FILES: reads ENTRY and returns the contents of the files that
    it names, {"linux": b"…", "initrd": b"…"}. KeyError: the helper does not boot."""
    text = files[entry].decode()
    words = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return {key: files[value.strip()] for key, value in words if key in ("linux", "initrd")}


def assert_carries(volume, helper, kernel=KERNEL):
    """The helper boots what is on the volume now."""
    files = helper.files()
    entry = f"/loader/entries/os-{kernel}.conf"
    parts = booted(files, entry)
    assert parts["linux"] == volume.read(f"/boot/vmlinuz-{kernel}"), f"{helper.name}: another kernel"
    assert parts["initrd"] == volume.read(f"/boot/initrd-{kernel}"), f"{helper.name}: another initrd"
    assert files["/EFI/BOOT/BOOTX64.EFI"] == volume.read("/usr/lib/bootx64.efi"), f"{helper.name}: another booter"
    assert files["/splash.bmp"] == volume.read("/boot/splash.bmp"), f"{helper.name}: another splash"
    stray = [p for p in files if ".tmp" in p or p.startswith("/.bootkeep")]
    assert not stray, f"{helper.name}: temporaries left: {stray}"
