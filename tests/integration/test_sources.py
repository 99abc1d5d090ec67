#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a cache is made from, as bootkeepctl sources and bootkeep-scan --sources tell it."""

import json

from lib import main, test
from lib.content import CACHE, KERNEL, MANIFEST, cache, manifest
from lib.programs import NOBODY

OK, NO, DENIED = 0, 1, 4

# what is learned: opens a file that no manifest names
READ = """\
root=$1 output=$2
cat "$root/etc/learned.conf" >/dev/null
ls "$root/etc/hooks" >/dev/null
cat "$root/etc/initramfs.conf" >"$output"
"""


def sources(world, *arguments):
    process = world.programs.ctl("sources", *arguments, "--json=short")
    assert process.returncode == OK, process.stderr
    return json.loads(process.stdout)["sources"]


def found(listed, path):
    return [s for s in listed if s["path"] == path]


def learning(world, **keys):
    volume = world.volume(esps=0)
    volume.write("/etc/learned.conf", "x" * 1000)
    volume.write("/etc/hooks/one", "1\n")
    volume.builder("pack", READ, "%r", "%o", **keys)
    return volume


@test
def named_sources_are_listed_with_their_sizes(world):
    volume = world.volume(esps=0)
    volume.write("/etc/other.conf", "123")
    volume.write(MANIFEST, manifest(CACHE, '<cache name="menu" builder="pack"><source path="/etc/other.conf"/>'
                                    '<source path="/etc/none" optional="yes"/><source cache="initramfs"/>'
                                    '<output path="/boot/menu"/></cache>'))
    daemon = world.daemon()
    daemon.trusted(volume)
    everything = sources(world, volume.name)
    module, = [s for s in found(everything, f"/usr/lib/modules/{KERNEL}") if s["how"] == "named"]
    assert (module["cache"], module["instance"], module["kind"]) == ("initramfs", KERNEL, "folder"), module
    assert module["size"] == len(f"modules of {KERNEL}\n"), module
    menu = sources(world, volume.name, "menu")
    assert menu == [s for s in everything if s["cache"] == "menu"], menu
    named = {s["path"]: (s["kind"], s["size"], s["how"]) for s in menu if s["how"].startswith("named")}
    assert named == {"/etc/other.conf": ("file", 3, "named"), "/etc/none": ("missing", 0, "named"),
                     f"/boot/initrd-{KERNEL}": ("file", len(volume.packed()), "named as cache initramfs")}, named
    table = world.programs.ctl("sources", volume.name, "menu")
    assert table.returncode == OK and "named as cache initramfs" in table.stdout, table.stdout


@test
def what_was_learned_is_listed_and_that_it_was(world):
    volume = learning(world)
    view = world.daemon().trusted(volume)
    listed = sources(world, volume.name, "initramfs")
    assert [(s["kind"], s["size"], s["how"]) for s in found(listed, "/etc/learned.conf")] == \
        [("file", 1000, "learned: opens")], listed
    assert [(s["kind"], s["how"]) for s in found(listed, "/etc/hooks")] == [("listed", "learned: opens")], listed
    assert view["Learned"] == [("initramfs", "yes")], view["Learned"]
    status = world.programs.ctl("status", volume.name)
    assert "Learned: yes" in status.stdout, status.stdout


@test
def what_is_not_learned_is_said(world):
    volume = learning(world, Learn="no")
    view = world.daemon().trusted(volume)
    (cache, text), = view["Learned"]
    assert cache == "initramfs" and text.startswith("no"), view["Learned"]
    assert not found(sources(world, volume.name), "/etc/learned.conf")
    status = world.programs.ctl("status", volume.name)
    assert f"Learned: {text} (initramfs)" in status.stdout, status.stdout


def made_from_too_much(world, n):
    """A volume with N caches, each of which was learned to be made from 1.9 MiB of names, as its stamp says."""
    volume = learning(world)
    volume.write(MANIFEST, manifest(*(cache(f"c{i}", "pack", f"/etc/named-{i}", f"/boot/c{i}") for i in range(n))))
    for i in range(n):
        volume.write(f"/etc/named-{i}", "first\n")
    world.programs.build(volume).expect(0, "success")
    names = "".join(f"miss /none/{i:04}/" + "/".join(["x" * 250] * 15) + "\n" for i in range(520))
    for i in range(n):
        stamp = f"/var/lib/bootkeep/caches/c{i}.stamp"
        head, line, rest = volume.read(stamp).decode().partition("learned opens\n")
        volume.write(stamp, head + line + names + rest, 0o600)
    return volume


@test
def what_is_too_much_to_show_is_left_out_and_how_much_it_is_is_said(world):
    volume = made_from_too_much(world, 3)
    world.daemon().trusted(volume)
    listed = sources(world, volume.name)
    last = listed.pop()
    assert (last["cache"], last["instance"], last["kind"], last["path"], last["size"]) == ("", "", "more", "", 0), last
    left_out = int(last["how"].removesuffix(" more are not shown"))
    assert left_out > 0 and all(s["kind"] != "more" for s in listed), last
    absent = sum(s["path"].startswith("/none/") for s in listed)
    assert 500 < absent < 3 * 520 and sum(len(s["path"]) for s in listed) < 4 << 20, absent
    table = world.programs.ctl("sources", volume.name)
    assert table.returncode == OK and table.stdout.split("\n")[-2].split()[2:] == \
        ["more", "-", *last["how"].split(), "-"], table.stdout[-500:]
    one = sources(world, volume.name, "c2")
    assert sum(s["path"].startswith("/none/") for s in one) == 520 and one[-1]["kind"] != "more"


@test
def lists_that_are_too_large_are_left_out_and_said(world):
    """There is room for four of them: the fifth counts as named, until it is built again."""
    volume = made_from_too_much(world, 5)
    fresh = world.programs.scan(volume).expect(0, "fresh")
    note = "the learned lists are too large: 1 cache is compared by the sources in the manifest alone"
    assert [" ".join(n) for n in fresh.all("NOTE")] == [note], fresh.stdout
    assert [fresh.one("LEARNED", f"c{i}", "-")[0] for i in range(5)] == ["yes"] * 4 + ["no"], fresh.stdout
    daemon = world.daemon()
    view = daemon.trusted(volume)
    daemon.stop()  # the first scan may have been one of an untrusted volume, whose notes are of no concern
    daemon.start()
    daemon.wait_for(note)
    view.wait_state("fresh")
    status = world.programs.ctl("status", volume.name)
    assert "Learned: no: the list of what was learned is too large (c4)" in status.stdout, status.stdout
    volume.write("/etc/learned.conf", "what they all read\n")
    stale = world.programs.scan(volume).expect(1, "stale")
    assert [stale.one("CACHE", f"c{i}", "-")[0] for i in range(5)] == ["stale"] * 4 + ["fresh"], stale.stdout
    view.wait("all built", lambda p: p.get("State") == "fresh" and volume.runs() == 2 * 5)
    assert not world.programs.scan(volume).expect(0, "fresh").all("NOTE")


@test
def who_may_not_have_it_scanned_may_not_ask(world):
    volume = world.volume(esps=0)
    world.daemon().trusted(volume)
    assert world.programs.ctl("sources", volume.name, prefix=NOBODY).returncode == DENIED


@test
def what_cannot_be_told_is_an_error_in_words(world):
    volume = world.volume(esps=0)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    process = world.programs.ctl("sources", volume.name, "none")
    assert process.returncode == NO and "no cache is called none" in process.stderr, process.stderr
    volume.remove(MANIFEST)
    view.wait_state("plain", "refused")
    process = world.programs.ctl("sources", volume.name)
    assert process.returncode == NO and "manifest" in process.stderr, process.stderr


if __name__ == "__main__":
    main()
