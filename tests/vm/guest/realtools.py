#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mkinitramfs and dracut on the root of tests/learn, as they are shipped: with this kernel, too, what is learned of them is all
that they used."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "learn"))

# pylint: disable=wrong-import-position
import tools
from lab import Lab, image_manifest
from lib import main, test

STALE = 1


def noticed(lab, image, path):
    """A line more in PATH, or a new file."""
    with lab.volume(image) as volume:
        os.makedirs(os.path.dirname(volume.at(path)), exist_ok=True)
        with open(volume.at(path), "a", encoding="ascii") as f:
            f.write("# another\n")
        result = volume.scan().expect(STALE)
        assert path in result.stdout, result.stdout
        print("# " + " ".join(result.one("CACHE", "initramfs")[2:]), flush=True)


def all_is_learned(world, tool, path):
    """And it is noticed when PATH changes, or when firmware comes that was looked for in vain."""
    lab = Lab(world)
    image = lab.prepared("built", image_manifest(tool))
    with lab.volume(image) as volume, open(volume.at(volume.one("/var/lib/bootkeep/caches/*.stamp")), encoding="utf-8") as f:
        lines = f.read().splitlines()
    counts = {kind: sum(line.startswith(kind + " ") for line in lines) for kind in ("read", "list", "link", "look", "miss")}
    print(f"# {tool.name} on Linux {os.uname().release}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()), flush=True)
    assert [line for line in lines if line.startswith(("learned", "raced"))] == ["learned lookups"], lines[:20]
    assert all(counts.values()), counts
    noticed(lab, image, path)
    noticed(lab, image, next(line.split()[1] for line in lines if line.startswith("miss /usr/lib/firmware/")))


@test
def of_initramfs_tools_all_is_learned(world):
    all_is_learned(world, tools.INITRAMFS, "/etc/mdadm/mdadm.conf")


@test
def of_dracut_all_is_learned(world):
    all_is_learned(world, tools.DRACUT, "/etc/vconsole.conf")


main()
