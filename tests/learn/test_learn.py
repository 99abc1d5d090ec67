#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What went into an image is noticed when it changes: real initramfs-tools and dracut on a real root, changed in every way of
changelist.py, one at a time. Whether a change matters is found out each time, by building with the tool alone and comparing
all that is in the image.

`tools/test learn` makes all changes. Otherwise those of TEN are made, and whether they matter is written there; a run of all
checks that, too. BOOTKEEP_LEARN=WORD makes those with the word in their name."""

import glob
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
import tools
from changelist import CHANGES, IN_VAIN
from lab import DEPMOD, GRUB, PACKAGES, PROFILES, Lab, definitions, image_manifest, make_tree
from lib import main, test
from lib.content import manifest
from lib.disk import run

CHOSEN = os.environ.get("BOOTKEEP_LEARN", "")  # "all", or a word
# (kind, change): does it change the image?
TEN = {
    "initramfs-tools": {
        ("hook", "a new hook"): True,
        ("library", "libcryptsetup"): True,
        ("keymap", "default/keyboard, another layout"): True,
        ("crypt", "crypttab, one more"): True,
        ("nothing", "busybox installed again"): False,
        ("firmware", "what a module asks for, new"): True,
    },
    "dracut": {
        ("hook", "a new dracut module"): True,
        ("systemd", "a unit"): True,
        ("udev", "a rule of a package"): True,
        ("nothing", "a dracut module installed again"): False,
    },
}


def by_hand(function):
    """A test of minutes."""
    return test(function) if CHOSEN == "all" else function


class Case:
    """One change, and what became of it."""

    def __init__(self, tool, kind, what, make):
        self.tool, self.kind, self.what, self.make = tool, kind, what, make
        self.stale = self.reason = self.named = self.built = self.differs = None

    @property
    def recorded(self):
        return TEN[self.tool.name].get((self.kind, self.what))

    @property
    def in_vain(self):
        return self.what in IN_VAIN[self.tool.name]

    def chosen(self):
        return CHOSEN == "all" or (CHOSEN in f"{self.kind} {self.what}" if CHOSEN else self.recorded is not None)

    def scan_named(self, named, image):
        """What a scan says that knows the sources of the manifest only."""
        with named.volume(image) as volume:
            self.make(volume)
            self.named = volume.scan().status == 1

    def find_truth(self, lab, image, before):
        """Is on a copy of its own: dracut keeps files of its own on the volume."""
        if not CHOSEN:
            self.differs = ["as recorded"] if self.recorded else []
            return
        with lab.volume(image) as volume:
            self.make(volume)
            made = volume.alone(self.tool)
            self.differs = ["the tool fails"] if made is None else tools.difference(before, made)

    def run(self, lab, image):
        with lab.volume(image) as volume:
            self.make(volume)
            scan = volume.scan()
            assert scan.status in (0, 1), scan.stdout + scan.stderr
            self.stale = scan.status == 1
            self.reason = " ".join(scan.one("CACHE", "initramfs")[2:])
            if not self.differs:
                self.built = volume.build()[1].get(("initramfs", volume.kernel))

    @property
    def missed(self):
        return bool(self.differs) and not self.stale

    @property
    def needless(self):
        """A builder ran, and the image is the same."""
        return not self.differs and self.built in ("ok", "failed")

    def line(self):
        verdict = "MISSED" if self.missed else "in vain" if self.needless and self.in_vain else "for nothing" if self.needless else ""
        return (f"{self.kind:13} {self.what:45} {f'{len(self.differs)} differ' if self.differs else 'same':12} "
                f"{'stale' if self.stale else 'fresh':6} {self.built or '-':8} {verdict:12} "
                f"{'' if self.named is None else 'named stale ' if self.named else 'named fresh '} {self.reason}")


def judge(tool, cases):
    matter = [c for c in cases if c.differs]
    others = [c for c in cases if not c.differs and not c.in_vain]
    missed, needless = [c for c in cases if c.missed], [c for c in others if c.needless]
    print(f"# {tool.name}: {len(cases)} changes, {len(matter)} change the image, {len(missed)} of them missed; of {len(others)} that do not "
          f"{len(needless)} built for nothing, and so did {len([c for c in cases if c.needless and c.in_vain])} of what the tool reads in vain",
          flush=True)
    if CHOSEN:
        print(f"# {tool.name}: with the manual's manifest alone {len([c for c in matter if not c.named])} of {len(matter)} would be missed", flush=True)
    assert not missed, "\n".join(c.line() for c in missed)
    assert len(needless) * 10 <= len(others), "\n".join(c.line() for c in needless)
    wrong = [c for c in cases if c.recorded is not None and c.recorded != bool(c.differs)]
    assert not wrong, "recorded otherwise:\n" + "\n".join(c.line() for c in wrong)


def all_changes(world, tool):
    lab = Lab(world)
    image = lab.prepared(tool.name, image_manifest(tool))
    with lab.volume(image) as volume:
        built, before = volume.built(tool), volume.alone(tool)
        other = [name for name in tools.difference(before, built) if name != tool.own_words]
        assert not other, f"what bootkeep built is not what the tool alone makes: {other}"
    cases = [Case(tool, *change) for change in CHANGES]
    cases = [c for c in cases if c.chosen()]
    if CHOSEN:
        lab.builders = definitions(world, "no")
        named = lab.prepared("named", image_manifest(tool))
        for case in cases:
            case.scan_named(lab, named)
        lab.builders = PROFILES
    for case in cases:
        case.find_truth(lab, image, before)
        case.run(lab, image)
        print("# " + case.line(), flush=True)
    judge(tool, cases)


@test
def whatever_changes_an_image_of_initramfs_tools_is_noticed(world):
    all_changes(world, tools.INITRAMFS)


@test
def whatever_changes_an_image_of_dracut_is_noticed(world):
    all_changes(world, tools.DRACUT)


def always_fresh(world, text, rounds):
    """ROUNDS builds of everything, one after the other: after each all is fresh, at the first look."""
    lab = Lab(world)
    with lab.volume(lab.prepared("always", text)) as volume:
        for number in range(rounds):
            done, built = volume.build("--force")
            done.expect(0)
            assert set(built.values()) == {"ok"}, (number, built)
            volume.scan().expect(0, "fresh")


@test
def a_build_of_depmod_and_grub_mkconfig_is_fresh_at_the_first(world):
    always_fresh(world, manifest(DEPMOD, GRUB), 50 if CHOSEN else 2)


@by_hand
def each_of_fifty_builds_of_initramfs_tools_is_fresh_at_the_first(world):
    always_fresh(world, image_manifest(tools.INITRAMFS), 50)


@by_hand
def each_of_fifty_builds_of_dracut_is_fresh_at_the_first(world):
    always_fresh(world, image_manifest(tools.DRACUT), 50)


@by_hand
def what_is_named_and_not_read_counts_by_its_content(world):
    """Whole folders as sources, as people name them; and depmod, whose output the kernel's package writes, too."""
    lab = Lab(world)
    more = '<source path="/usr/lib/modules/%i/kernel"/><source path="/usr/lib/udev"/><source path="/usr/lib/dracut"/><output '
    for tool in (tools.INITRAMFS, tools.DRACUT):
        image = lab.prepared(tool.name, manifest(DEPMOD, image_manifest(tool, body=True).replace("<output ", more), GRUB))
        for kind, what, make in CHANGES:
            if kind == "nothing" and what != "a new library":  # ldconfig takes that one for libkmod
                with lab.volume(image) as volume:
                    make(volume)
                    _, built = volume.build()
                    print(f"# {tool.name}: {what}: {built or 'fresh'}", flush=True)
                    assert set(built.values()) <= {"same"}, (what, built)
                    volume.scan().expect(0, "fresh")


# Packages


def installed(world, volume, *debs):
    """dpkg installs DEBS, as apt has it do; update-initramfs does nothing, as where bootkeep builds."""
    volume.replace("/etc/initramfs-tools/update-initramfs.conf", "update_initramfs=yes", "update_initramfs=no")
    for deb in debs:
        shutil.copy(deb, world.out)
    status, said = tools.alone(volume.root, world.out, "sh", "-ec", "DEBIAN_FRONTEND=noninteractive dpkg --force-unsafe-io -i /mnt/*.deb")
    assert status == 0, said
    for deb in debs:
        os.unlink(os.path.join(world.out, os.path.basename(deb)))


def packages(*names):
    return [glob.glob(f"{os.environ[PACKAGES]}/{name}_*.deb")[0] for name in names]


def changed_package(world, name, path):
    """The package NAME as a later version, in which PATH differs."""
    folder = world.path("changed")
    run("dpkg-deb", "-R", *packages(name), folder)
    run("sed", "-i", "s/^Version: .*/&+later/", folder + "/DEBIAN/control")
    with open(folder + path, "ab") as f:
        f.write(b"x")
    os.utime(folder + path, (10 ** 9, 10 ** 9))  # packages are not made in the second in which they are installed
    run("dpkg-deb", "-Znone", "-b", folder, world.path("changed.deb"))
    return world.path("changed.deb")


@by_hand
def packages_that_are_installed_again_build_nothing(world):
    lab = Lab(world)
    for tool in (tools.INITRAMFS, tools.DRACUT):
        image = lab.prepared(tool.name, image_manifest(tool))
        for names in (("busybox", "mdadm", "cryptsetup-bin"), ("grub-common", "libfreetype6", "gettext-base")):
            with lab.volume(image) as volume:
                installed(world, volume, *packages(*names))
                before = volume.scan()
                _, built = volume.build()
                print(f"# {tool.name}: {' '.join(names)} installed again: {' '.join(before.one('CACHE', 'initramfs')[2:])}, then {built or 'nothing built'}", flush=True)
                assert built.get(("initramfs", volume.kernel), "same") == "same", before.stdout
                volume.scan().expect(0, "fresh")


@by_hand
def a_package_that_went_into_an_image_builds_it_once(world):
    lab = Lab(world)
    for tool in (tools.INITRAMFS, tools.DRACUT):
        with lab.volume(lab.prepared(tool.name, image_manifest(tool))) as volume:
            deb = changed_package(world, "mdadm", "/sbin/mdadm")
            installed(world, volume, deb, *packages("busybox", "gettext-base"))
            _, built = volume.build()
            print(f"# {tool.name}: another mdadm, busybox and gettext-base again: {built}", flush=True)
            assert built == {("initramfs", volume.kernel): "ok"}
            volume.scan().expect(0, "fresh")
            assert tools.difference(volume.built(tool), volume.alone(tool)) in ([], [tool.own_words])
            shutil.rmtree(world.path("changed"))


make_tree()
main()
