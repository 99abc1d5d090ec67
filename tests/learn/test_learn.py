#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What went into an image is noticed when it changes: real initramfs-tools and dracut on a real root, changed in every way of
changelist.py, one at a time. Whether a change matters is found out each time, by building with the tool alone and comparing
all that is in the image. `tools/test learn` makes all changes; otherwise those of TEN are made, whose truth is written there, and
all of them check that."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "integration"))

# pylint: disable=wrong-import-position
import tools
from changelist import CHANGES
from lab import Lab, image_manifest, make_tree
from lib import main, test

ALL = os.environ.get("BOOTKEEP_LEARN") == "all"
# (kind, change): does it change the image?
TEN = {
    "initramfs-tools": {
        ("hook", "a new hook"): True,
        ("library", "libcryptsetup"): True,
        ("keymap", "default/keyboard, another layout"): True,
        ("crypt", "crypttab, one more"): True,
        ("lvm", "lvm.conf"): True,
        ("nothing", "busybox installed again"): False,
    },
    "dracut": {
        ("hook", "a new dracut module"): True,
        ("systemd", "a unit"): True,
        ("udev", "a rule of a package"): True,
        ("nothing", "libc touched"): False,
    },
}


class Case:
    """One change, and what became of it."""

    def __init__(self, tool, kind, what, make):
        self.tool, self.kind, self.what, self.make = tool, kind, what, make
        self.stale = self.reason = self.built = self.differs = None

    @property
    def recorded(self):
        return TEN[self.tool.name].get((self.kind, self.what))

    def run(self, lab, image, before):
        with lab.volume(image) as volume:
            self.make(volume)
            scan = volume.scan()
            assert scan.status in (0, 1), scan.stdout + scan.stderr
            self.stale = scan.status == 1
            self.reason = " ".join(scan.one("CACHE", "initramfs")[2:])
            if ALL or self.recorded is False:
                self.built = volume.build()[1].get(("initramfs", volume.kernel))
            if not ALL:
                self.differs = ["as recorded"] if self.recorded else []
                return
            made = volume.alone(self.tool)
            self.differs = ["the tool fails"] if made is None else tools.difference(before, made)

    @property
    def missed(self):
        return bool(self.differs) and not self.stale

    @property
    def needless(self):
        """A builder ran, and the image is the same."""
        return not self.differs and self.built in ("ok", "failed")

    def line(self):
        verdict = "MISSED" if self.missed else "for nothing" if self.needless else ""
        return (f"{self.kind:13} {self.what:45} {f'{len(self.differs)} differ' if self.differs else 'same':12} "
                f"{'stale' if self.stale else 'fresh':6} {self.built or '-':8} {verdict:12} {self.reason}")


def all_changes(world, tool):
    lab = Lab(world)
    image = lab.prepared(tool.name, image_manifest(tool))
    with lab.volume(image) as volume:
        before = volume.alone(tool)
        other = [name for name in tools.difference(before, volume.built(tool)) if name != tool.own_words]
        assert not other, f"what bootkeep built is not what the tool alone makes: {other}"
    cases = [Case(tool, *change) for change in CHANGES]
    cases = [c for c in cases if ALL or c.recorded is not None]
    for case in cases:
        case.run(lab, image, before)
        print("# " + case.line(), flush=True)
    matter = [c for c in cases if c.differs]
    missed, needless = [c for c in cases if c.missed], [c for c in cases if c.needless]
    print(f"# {tool.name}: {len(cases)} changes, {len(matter)} change the image, {len(missed)} of them missed; of the {len(cases) - len(matter)} "
          f"others {len(needless)} built for nothing", flush=True)
    assert not missed, "\n".join(c.line() for c in missed)
    assert len(needless) * 10 <= len(cases) - len(matter), "\n".join(c.line() for c in needless)
    wrong = [c for c in cases if c.recorded is not None and c.recorded != bool(c.differs)]
    assert not wrong, "recorded otherwise:\n" + "\n".join(c.line() for c in wrong)


@test
def whatever_changes_an_image_of_initramfs_tools_is_noticed(world):
    all_changes(world, tools.INITRAMFS)


@test
def whatever_changes_an_image_of_dracut_is_noticed(world):
    all_changes(world, tools.DRACUT)


make_tree()
main()
