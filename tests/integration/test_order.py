#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is built before what: a boot menu that lists /boot, as grub.cfg does, and what it finds there."""

import subprocess

from lib import main, test
from lib.content import CACHE, KERNEL, MANIFEST, manifest

SUCCESS, FAILED, REFUSED = 0, 1, 3
MENU = "/boot/grub/grub.cfg"

# a line for each kernel, and one for its initrd if that is there, as grub-mkconfig writes them
LIST = """\
root=$1 output=$2
for kernel in "$root"/boot/vmlinuz-*; do
        version=${kernel##*/vmlinuz-}
        echo "linux $version"
        test ! -e "$root/boot/initrd-$version" || echo "initrd $version"
done >"$output"
"""


def menu(*sources):
    return ('<cache name="menu" builder="list"><source path="/etc/default/grub"/>' + "".join(sources) +
            f'<output path="{MENU}"/></cache>')


def volume_with(world, *parts):
    volume = world.volume(esps=0)
    volume.write("/etc/default/grub", "timeout=5\n")
    volume.mkdir("/boot/grub")
    volume.builder("list", LIST, "%r", "%o")
    volume.write(MANIFEST, manifest(*parts))
    return volume


def listed(volume):
    return volume.read(MENU).decode().split("\n")[:-1]


@test
def the_menu_comes_after_the_initrd_in_the_order_of_the_manifest(world):
    """Whatever the initrd itself has to wait for."""
    index = ('<cache name="index" builder="index"><source path="/etc/machine-id"/><output path="/etc/initramfs.conf"/>'
             "</cache>")
    volume = volume_with(world, index, CACHE, menu())
    volume.builder("index", 'cat "$1" >"$2"', "%s", "%o")
    world.programs.build(volume).expect(SUCCESS, "success")
    assert listed(volume) == [f"linux {KERNEL}", f"initrd {KERNEL}"], listed(volume)


@test
def what_a_named_cache_makes_is_there_before_and_a_source(world):
    volume = volume_with(world, menu('<source cache="initramfs"/>'), CACHE)
    volume.kernel("6.2.0")
    world.programs.build(volume).expect(SUCCESS, "success")
    assert listed(volume) == [f"{what} {k}" for k in (KERNEL, "6.2.0") for what in ("linux", "initrd")], listed(volume)
    world.programs.scan(volume).expect(0, "fresh")
    volume.kernel("6.3.0")
    result = world.programs.scan(volume).expect(1, "stale")
    assert result.one("CACHE", "menu", "-")[:2] == ["stale", "/boot/initrd-6.3.0"], result.stdout
    world.programs.build(volume).expect(SUCCESS, "success")
    assert "initrd 6.3.0" in listed(volume)
    subprocess.run(["rm", "-r", volume.path("/usr/lib/modules/6.3.0"), volume.path("/boot/vmlinuz-6.3.0"),
                    volume.path("/boot/initrd-6.3.0")], check=True)
    world.programs.scan(volume).expect(1, "stale")
    world.programs.build(volume).expect(SUCCESS, "success")
    assert listed(volume) == [f"{what} {k}" for k in (KERNEL, "6.2.0") for what in ("linux", "initrd")], listed(volume)
    world.programs.scan(volume).expect(0, "fresh")


@test
def a_change_of_what_a_named_cache_makes_is_noticed(world):
    volume = volume_with(world, menu('<source cache="initramfs"/>'), CACHE)
    world.programs.build(volume).expect(SUCCESS, "success")
    volume.write("/etc/initramfs.conf", "another\n")
    result = world.programs.build(volume).expect(SUCCESS, "success")
    assert [r[0] for r in result.all("BUILT")] == ["initramfs", "menu"], result.stdout
    world.programs.scan(volume).expect(0, "fresh")


@test
def it_is_not_built_where_what_it_names_fails(world):
    volume = volume_with(world, menu('<source cache="initramfs"/>'), CACHE)
    world.programs.build(volume).expect(SUCCESS, "success")
    volume.builder("pack", "exit 1")
    volume.write("/etc/default/grub", "timeout=6\n")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert result.one("BUILT", "menu", "-")[0] == "failed", result.stdout
    assert f"skipped: initramfs {KERNEL} failed" in result.stdout, result.stdout
    assert volume.runs("list") == 1


@test
def a_cache_that_is_not_there_is_refused_with_its_line(world):
    volume = volume_with(world, "\n", menu('\n<source cache="initrd"/>'), CACHE)
    result = world.programs.scan(volume).expect(REFUSED, "refused")
    assert result.reason.endswith(f'{MANIFEST}:4: there is no cache "initrd"'), result.reason


@test
def what_lists_the_folder_of_another_is_put_right_at_once_and_built_after_it_from_then_on(world):
    volume = volume_with(world, menu(), CACHE)
    result = world.programs.build(volume).expect(SUCCESS, "success")
    assert [r[0] for r in result.all("BUILT")] == ["menu", "initramfs", "menu"], result.stdout
    assert listed(volume) == [f"linux {KERNEL}", f"initrd {KERNEL}"], listed(volume)
    world.programs.scan(volume).expect(0, "fresh")
    volume.kernel("6.2.0")
    result = world.programs.build(volume).expect(SUCCESS, "success")
    assert [r[0] for r in result.all("BUILT")] == ["initramfs", "menu"], result.stdout
    assert listed(volume) == [f"{what} {k}" for k in (KERNEL, "6.2.0") for what in ("linux", "initrd")], listed(volume)
    world.programs.scan(volume).expect(0, "fresh")


@test
def it_is_not_built_either_where_what_it_only_learned_fails(world):
    """A menu with a kernel and without its initrd would not boot; what the menu has said before does."""
    volume = volume_with(world, CACHE, menu())
    world.programs.build(volume).expect(SUCCESS, "success")
    before = listed(volume)
    volume.builder("pack", 'test "$2" != 6.2.0; echo "initrd $2" >"$3"', "%r", "%i", "%o")
    volume.kernel("6.2.0")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert result.one("BUILT", "menu", "-")[0] == "failed", result.stdout
    assert "skipped: initramfs 6.2.0 failed" in result.stdout, result.stdout
    assert listed(volume) == before and volume.runs("list") == 1
    volume.builder("pack", 'echo "initrd $2" >"$3"', "%r", "%i", "%o")
    world.programs.build(volume).expect(SUCCESS, "success")
    assert listed(volume) == [f"{what} {k}" for k in (KERNEL, "6.2.0") for what in ("linux", "initrd")], listed(volume)
    world.programs.scan(volume).expect(0, "fresh")


@test
def two_that_list_each_others_folder_come_to_an_end(world):
    part = '<cache name="{0}" builder="{0}"><source path="/etc/machine-id"/><output path="/boot/{0}/out"/></cache>'
    volume = volume_with(world, part.format("one"), part.format("two"))
    for name, other in (("one", "two"), ("two", "one")):
        volume.mkdir(f"/boot/{name}")
        volume.builder(name, f'ls "$1/boot/{other}" >"$2"', "%r", "%o")
    world.programs.build(volume).expect(SUCCESS, "success")
    world.programs.build(volume).expect(SUCCESS, "success")
    world.programs.scan(volume).expect(0, "fresh")
    assert (volume.runs("one"), volume.runs("two")) == (2, 1)


@test
def a_builder_for_the_running_system_alone_is_run_for_no_other(world):
    volume = volume_with(world, "\n", menu())
    volume.builder("list", LIST, "%r", "%o", RunningSystemOnly="yes")
    for result in (world.programs.scan(volume), world.programs.build(volume)):
        result.expect(REFUSED, "refused")
        assert result.reason.startswith(f'{MANIFEST}:3: builder "list" of cache "menu" looks at the machine'), result.reason
        assert "RunningSystemOnly=yes" in result.reason, result.reason
    assert volume.runs("list") == 0
    volume.builder("list", LIST, "%r", "%o", RunningSystemOnly="no")
    world.programs.build(volume).expect(SUCCESS, "success")


if __name__ == "__main__":
    main()
