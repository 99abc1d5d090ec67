# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Debian root of tree.py as a volume that bootkeep has built, any number of times: what is done to one is gone with it.

A copy has the inodes and times of what it was copied from, so its stamp still holds, and a scan of an untouched one says
fresh. Copies are kept in memory, where one takes a tenth of a second."""

import contextlib
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

# pylint: disable=wrong-import-position
import tools
import tree
from changelist import Root
from lib.content import MANIFEST, manifest
from lib.disk import run

PROFILES = os.path.join(HERE, "..", "..", "profiles", "builders.d")

# As the manual has it: what people write who do not know what the tool reads.
NAMED = {"initramfs-tools": "/etc/initramfs-tools/conf.d", "dracut": "/etc/dracut.conf.d"}


def image_manifest(tool, body=False):
    text = f"""
  <cache name="initramfs" each="/usr/lib/modules/*" builder="{tool.name}">
    <source path="/usr/lib/modules/%i/modules.dep.bin"/>
    <source path="{NAMED[tool.name]}" optional="yes"/>
    <output path="{tool.output}"/>
  </cache>"""
    return text if body else manifest(text)


DEPMOD = """
  <cache name="modules-dep" each="/usr/lib/modules/*" builder="depmod">
    <source path="/usr/lib/modules/%i/kernel"/>
    <output path="/usr/lib/modules/%i/modules.dep.bin"/>
  </cache>"""
GRUB = """
  <cache name="grub" builder="grub-mkconfig">
    <source path="/etc/default/grub"/>
    <output path="/boot/grub/grub.cfg"/>
  </cache>"""


def definitions(world, learn):
    """A folder with the builders as they are installed, but with Learn=LEARN."""
    folder = world.path(f"builders-{learn}")
    os.mkdir(folder)
    for name in os.listdir(PROFILES):
        if name.endswith(".conf"):
            with open(os.path.join(PROFILES, name), encoding="utf-8") as f:
                lines = [line for line in f if not line.startswith("Learn=")]
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.writelines([*lines, f"Learn={learn}\n"])
    return folder


TREE, PACKAGES = "BOOTKEEP_TEST_TREE", "BOOTKEEP_TEST_PACKAGES"


def make_tree():
    """Called before the sandbox is entered, in which nothing can be written below build-vm."""
    if TREE not in os.environ and os.getuid() == 0:
        try:
            os.environ[PACKAGES] = tree.fetch()
            os.environ[TREE] = tree.image()
        except tree.Missing as e:
            print(f"1..0 # SKIP {e}")
            sys.exit(0)


class Volume(Root):
    """What `Programs` of the integration tests want of a volume."""

    def __init__(self, world, path, builders):
        super().__init__(path)
        self.world, self.root, self.builders = world, path, builders

    def scan(self, *arguments):
        return self.world.programs.scan(self, *arguments, timeout=600)

    def build(self, *arguments):
        """The result, and of each cache that was built (name, instance): outcome."""
        done = self.world.programs.build(self, "--caches-only", *arguments, timeout=1200)
        return done, {(name, instance): outcome for name, instance, outcome, *_ in done.all("BUILT")}

    def alone(self, tool):
        """What is in the image that the tool alone makes now; None if it fails."""
        path, said = tool.make(self.root, self.kernel, self.world.out)
        for line in said.splitlines():
            self.world.note(line)
        return path and tools.unpacked(path)

    def built(self, tool):
        """What is in the image on the volume."""
        return tools.unpacked(self.at(tool.output.replace("%i", self.kernel)))


class Lab:
    """Copies of the root, in WORLD."""

    def __init__(self, world, builders=PROFILES):
        self.world, self.builders = world, builders
        # below /dev, where grub-probe in a chroot finds the file of a loop device
        self.memory = "/dev/shm"
        if world.folder.startswith(self.memory):
            self.memory = world.path("memory")
            os.mkdir(self.memory)
        else:  # in our namespace
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", self.memory)
            world.later(lambda: run("umount", "--lazy", self.memory))  # udev may still look at a loop device
        world.out = self.path("out")
        os.mkdir(world.out)
        self.place = world.path("tree")
        os.mkdir(self.place)

    def path(self, name):
        return os.path.join(self.memory, name)

    @contextlib.contextmanager
    def volume(self, image=None, keep=None):
        """A copy of IMAGE, or of the root as it was installed, mounted; with KEEP it stays as this image."""
        copy = self.path("copy.img")
        run("cp", "--sparse=always", image or os.environ[TREE], copy)
        run("mount", "-o", "loop", copy, self.place)
        try:
            yield Volume(self.world, self.place, self.builders)
        finally:
            run("umount", self.place)
            if keep:
                os.rename(copy, keep)
            else:
                os.unlink(copy)

    def prepared(self, name, text):
        """The path of an image in which bootkeep has built what the manifest TEXT says."""
        image = self.path(name + ".img")
        with self.volume(keep=image) as volume:
            volume.write(MANIFEST, text)
            volume.build()[0].expect(0)
            volume.scan().expect(0, "fresh")
        return image
