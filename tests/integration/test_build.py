#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeep-build by hand and from the daemon: what is on the helpers afterwards, and what is not if something fails."""

import errno
import glob
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

from lib import main, test
from lib.content import (CACHE, COPIES, ENTRY, KERNEL, MACHINE_ID, MANIFEST, OUTPUT, PACK, Gate, assert_carries, booted,
                         cache, manifest)
from lib.programs import NOBODY, environment, program

SUCCESS, FAILED, USAGE, REFUSED, TEMPFAIL = 0, 1, 2, 3, 75


def built(world, **options):
    volume = world.volume(**options)
    world.programs.build(volume).expect(SUCCESS, "success")
    return volume


def old_set_stands(volume, before):
    """Every helper still boots what it did before: BEFORE is a list of results of `booted`."""
    for helper, parts in zip(volume.disk.helpers, before):
        files = helper.files()
        assert booted(files) == parts, f"{helper.name} no longer carries the old set"
        assert not [p for p in files if ".tmp" in p], f"{helper.name}: temporaries left: {sorted(files)}"


def carried(volume):
    return [booted(h.files()) for h in volume.disk.helpers]


# what a build does


@test
def every_helper_carries_everything(world):
    volume = world.volume()
    result = world.programs.build(volume).expect(SUCCESS, "success")
    assert volume.read(OUTPUT) == volume.packed()
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
        assert result.one("UPDATED", helper.name, "esp", helper.partuuid)[0] == "ok"
    assert result.one("BUILT", "initramfs", KERNEL)[0] == "ok"


@test
def files_that_an_entry_names_are_named_after_their_content(world):
    volume = built(world)
    files = volume.disk.esp[0].files()
    entry = files[ENTRY].decode()
    assert re.search(rf"^initrd /{MACHINE_ID}/{KERNEL}/initrd-[0-9a-f]{{8}}$", entry, re.M), entry


@test
def a_second_build_does_nothing(world):
    volume = built(world)
    result = world.programs.build(volume).expect(SUCCESS, "success")
    assert volume.runs() == 1
    assert not result.all("BUILT") and not result.all("UPDATED"), result.stdout


@test
def only_what_changed_is_written(world):
    volume = built(world)
    esp = volume.disk.esp[0]
    inodes = "find . -type f -printf '%P %i\\n' | sort"
    before = set(esp.shell(inodes).splitlines())
    volume.write("/etc/initramfs.conf", "another\n")
    world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, esp)
    kept = {line.split()[0].decode() for line in before & set(esp.shell(inodes).splitlines())}
    assert any("linux" in k for k in kept) and "EFI/BOOT/BOOTX64.EFI" in kept and "splash.bmp" in kept, kept


@test
def the_old_set_is_removed_and_files_of_others_stay(world):
    volume = built(world)
    esp = volume.disk.esp[0]
    esp.shell("mkdir -p EFI/Vendor && echo firmware >EFI/Vendor/fw.bin && echo mine >loader/entries/mine.conf"
              " && echo note >$1/note", f"{MACHINE_ID}/{KERNEL}")
    old = {p for p in esp.files() if "/initrd" in p}
    volume.write("/etc/initramfs.conf", "another\n")
    world.programs.build(volume).expect(SUCCESS)
    files = esp.files()
    assert not old & set(files), "the old initrd is still there"
    for path in ("/EFI/Vendor/fw.bin", "/loader/entries/mine.conf", f"/{MACHINE_ID}/{KERNEL}/note"):
        assert path in files, f"{path} was removed although it was not ours"


@test
def a_removed_kernel_leaves_the_helpers_entirely(world):
    volume = world.volume()
    volume.kernel("6.2.0")
    world.programs.build(volume).expect(SUCCESS)
    subprocess.run(["rm", "-r", volume.path("/usr/lib/modules/6.2.0")], check=True)
    world.programs.build(volume).expect(SUCCESS)
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
        assert not [p for p in helper.files() if "6.2.0" in p], sorted(helper.files())


@test
def caches_are_built_in_the_order_of_what_they_need(world):
    volume = world.volume()
    volume.builder("copy", 'cp "$1" "$2"; basename "$2" >>"$0.order"', "%s", "%o")
    volume.write(MANIFEST, manifest(cache("z", "copy", "/boot/b", "/boot/c"), cache("y", "copy", "/boot/a", "/boot/b"),
                                    cache("x", "copy", "/etc/machine-id", "/boot/a")))
    world.programs.build(volume).expect(SUCCESS)
    with open(os.path.join(volume.builders, "copy.sh.order"), encoding="ascii") as f:
        assert f.read().split() == ["a", "b", "c"]
    world.programs.scan(volume).expect(0)


@test
def a_chroot_builder_runs_inside_the_volume(world):
    volume = world.volume()
    for folder in ("bin", "lib", "lib64", "usr/lib/x86_64-linux-gnu", "proc", "dev", "sys", "run", "tmp"):
        volume.mkdir("/" + folder)
    for file in ("/bin/sh", "/bin/cat"):
        ldd = subprocess.run(["ldd", os.path.realpath(file)], stdout=subprocess.PIPE, text=True, check=True)
        for source in (file, *re.findall(r"(/\S+) \(", ldd.stdout)):
            with open(source, "rb") as f:
                volume.write(source, f.read(), 0o755)
    volume.write("/usr/bin/pack", '#!/bin/sh\nset -e\ncat /etc/initramfs.conf >"$2"\n'
                 'test ! -e /work\ntest -e /proc/self/fd\nread -r id </etc/machine-id; echo "$id $1" >>"$2"\n', 0o755)
    volume.definition("pack", Exec="/usr/bin/pack %i %o", Root="chroot")
    world.programs.build(volume).expect(SUCCESS)
    assert volume.read(OUTPUT).endswith(f"{MACHINE_ID} {KERNEL}\n".encode())


@test
def a_missing_chroot_builder_is_named(world):
    """Nor is anything else that a builder's root usually contains, such as /dev."""
    volume = world.volume()
    volume.definition("pack", Exec="/usr/bin/pack %i %o", Root="chroot")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "/usr/bin/pack: No such file" in result.stderr, result.stderr


@test
def force_builds_everything_again(world):
    volume = built(world)
    result = world.programs.build(volume, "--force").expect(SUCCESS)
    assert volume.runs() == 2
    assert len(result.all("UPDATED")) == 2


@test
def caches_only_leaves_the_helpers_alone(world):
    volume = world.volume()
    result = world.programs.build(volume, "--caches-only").expect(SUCCESS)
    assert volume.exists(OUTPUT) and not result.all("UPDATED")
    for helper in volume.disk.helpers:
        assert helper.files() == {}
    world.programs.scan(volume).expect(1)


@test
def helpers_only_runs_no_builder(world):
    volume = built(world)
    volume.write("/etc/initramfs.conf", "another\n")
    volume.write("/boot/splash.bmp", "BM another")
    world.programs.build(volume, "--helpers-only").expect(SUCCESS)
    assert volume.runs() == 1
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def a_copied_tree_is_carried_whole(world):
    volume = world.volume()
    volume.write("/boot/theme/a/b/font", "font")
    volume.write("/boot/theme/logo", "logo")
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/theme" to="/theme"/>'))
    world.programs.build(volume).expect(SUCCESS)
    subprocess.run(["rm", "-r", volume.path("/boot/theme/a")], check=True)
    world.programs.build(volume).expect(SUCCESS)
    files = volume.disk.esp[1].files()
    assert files["/theme/logo"] == b"logo" and "/theme/a/b/font" not in files


def theme(volume, **files):
    """The tree /boot/theme becomes FILES, whose names have `_` for `/`."""
    subprocess.run(["rm", "-rf", volume.path("/boot/theme")], check=True)
    for name, content in files.items():
        volume.write("/boot/theme/" + name.replace("_", "/"), content)


@test
def a_file_of_a_copied_tree_becomes_a_directory_and_the_reverse(world):
    volume = world.volume()
    theme(volume, a="a", d_x_y="y")
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/theme" to="/theme"/>'))
    world.programs.build(volume).expect(SUCCESS)
    for files in ({"a_b_c": "c", "d": "d"}, {"a": "again", "d_x_y": "again"}):
        theme(volume, **files)
        world.programs.build(volume).expect(SUCCESS)
        for helper in volume.disk.helpers:
            there = {p: c for p, c in helper.files().items() if p.startswith("/theme")}
            assert there == {"/theme/" + p.replace("_", "/"): c.encode() for p, c in files.items()}, there
            assert_carries(volume, helper)
    volume.write(MANIFEST, manifest())
    world.programs.build(volume, "--force").expect(SUCCESS)
    volume.disk.esp[0].shell("! test -e theme")


@test
def files_that_boot_make_way_for_others_only_with_force(world):
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    theme(volume, a="a")
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="required" from="/boot/theme" to="/theme"/>'))
    world.programs.build(volume).expect(SUCCESS)
    theme(volume, a_b="b")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "/theme/a is in the way of /theme/a/b" in result.stderr and "--force" in result.stderr, result.stderr
    assert helper.files()["/theme/a"] == b"a"
    world.programs.build(volume, "--force").expect(SUCCESS)
    assert helper.files()["/theme/a/b"] == b"b"


@test
def files_of_others_that_block_a_path_stay_and_are_named(world):
    volume = world.volume(esps=1)
    helper = volume.disk.esp[0]
    for place in ("mkdir -p EFI/BOOT/BOOTX64.EFI; echo mine >EFI/BOOT/BOOTX64.EFI/mine", "echo mine >EFI"):
        helper.shell("rm -rf EFI; " + place)
        for force in ([], ["--force"]):
            result = world.programs.build(volume, *force).expect(FAILED, "failed")
            assert "/EFI/BOOT/BOOTX64.EFI cannot be written" in result.stderr, result.stderr
            assert b"mine\n" in helper.files().values()
    helper.shell("rm EFI")
    world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, helper)


@test
def a_cache_made_of_all_of_var_settles_and_contains_no_stamp(world):
    volume = world.volume()
    volume.write("/var/lib/other/file", "of somebody else")
    volume.symlink("/srv/all", "/var")
    volume.write(MANIFEST, manifest(CACHE, cache("all", "pack", "/var", "/boot/all"), COPIES,
                                    '\n  <copy role="misc" from="/srv/all" to="/all"/>'))
    world.programs.build(volume).expect(SUCCESS)
    world.programs.build(volume).expect(SUCCESS)  # /var/lib has changed: the first build created our folder in it
    world.programs.scan(volume).expect(0, "fresh")
    assert [p for p in volume.disk.esp[0].files() if p.startswith("/all/")] == ["/all/lib/other/file"]
    volume.write("/var/lib/other/file", "changed")
    assert world.programs.scan(volume).expect(1).one("CACHE", "all", "-")[1] == "/var/lib/other/file"


@test
def copies_for_xbootldr_go_to_the_esp_where_there_is_none(world):
    with_one = world.volume(name="x", esps=1, xbootldr=True)
    without = world.volume(name="n", esps=1)
    copies = COPIES.replace('role="required"', 'role="required" helper="xbootldr"').replace(
        'role="entry"', 'role="entry" helper="xbootldr"')
    for volume in (with_one, without):
        volume.write(MANIFEST, manifest(CACHE, copies))
        world.programs.build(volume).expect(SUCCESS)
    assert booted(with_one.disk.xbootldr.files())["linux"] == with_one.read(f"/boot/vmlinuz-{KERNEL}")
    assert set(with_one.disk.esp[0].files()) == {"/EFI/BOOT/BOOTX64.EFI", "/splash.bmp"}
    assert_carries(without, without.disk.esp[0])


@test
def a_foreign_file_in_the_way_is_replaced_and_reported(world):
    volume = world.volume()
    esp = volume.disk.esp[0]
    esp.shell("mkdir -p EFI/BOOT && echo grub >EFI/BOOT/BOOTX64.EFI")
    result = world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, esp)
    assert "BOOTX64.EFI" in result.stderr, result.stderr


@test
def an_identical_file_that_was_there_before_outlives_its_copy(world):
    volume = world.volume(esps=1)
    esp = volume.disk.esp[0]
    esp.shell("mkdir -p EFI/BOOT && cat $1 >EFI/BOOT/BOOTX64.EFI", volume.path("/usr/lib/bootx64.efi"))
    world.programs.build(volume).expect(SUCCESS)
    world.programs.build(volume, "--force").expect(SUCCESS)
    without = "\n".join(line for line in COPIES.splitlines() if 'role="booter"' not in line and "misc" not in line)
    volume.write(MANIFEST, manifest(CACHE, without))
    world.programs.build(volume).expect(SUCCESS)
    files = esp.files()
    assert files["/EFI/BOOT/BOOTX64.EFI"] == volume.read("/usr/lib/bootx64.efi") and "/splash.bmp" not in files


@test
def a_helper_that_is_mounted_is_brought_up_to_date_too(world):
    volume = world.volume()
    at = world.path("esp")
    os.mkdir(at)
    subprocess.run(["mount", volume.disk.esp[0].node, at], check=True)
    world.later(lambda: subprocess.run(["umount", at], check=True))
    world.programs.build(volume).expect(SUCCESS)
    with open(at + "/EFI/BOOT/BOOTX64.EFI", "rb") as f:
        assert f.read() == volume.read("/usr/lib/bootx64.efi")
    mounts = subprocess.run(["findmnt", "-nro", "TARGET", volume.disk.esp[0].node], stdout=subprocess.PIPE, text=True)
    assert mounts.stdout.split() == [at]


@test
def a_formatted_helper_is_filled_again(world):
    volume = built(world)
    volume.disk.esp[1].make_fs()
    world.programs.build(volume).expect(SUCCESS)
    assert volume.runs() == 1
    assert_carries(volume, volume.disk.esp[1])


@test
def a_build_after_the_volume_was_mounted_elsewhere_does_nothing(world):
    volume = built(world)
    other = world.path("other")
    os.mkdir(other)
    volume.disk.umount()
    volume.disk.mount(at=other)
    world.later(lambda: volume.disk.umount(at=other))
    volume.root = other
    world.programs.build(volume).expect(SUCCESS)
    assert volume.runs() == 1


# builders that fail


def fails(world, volume, script, *words, status=FAILED, **keys):
    """With the builder SCRIPT the build fails, reports WORDS, and the old set is unchanged."""
    before = carried(volume)
    volume.builder("pack", script, "%r", "%i", "%o", **keys)
    volume.write("/etc/initramfs.conf", f"for {script}\n")
    result = world.programs.build(volume)
    result.expect(status, "not-now" if status == TEMPFAIL else "failed")
    said = result.stdout + result.stderr
    for word in words:
        assert word in said, f"no {word!r} in:\n{said}"
    old_set_stands(volume, before)
    world.programs.scan(volume).expect(1, "stale")
    return result


@test
def a_builder_that_fails_leaves_the_old_set(world):
    fails(world, built(world), "echo the reason >&2; exit 3", "initramfs", "3", "the reason")


@test
def a_builder_that_is_killed_leaves_the_old_set(world):
    fails(world, built(world), "kill -KILL $$", "KILL")


@test
def a_builder_that_hangs_is_ended_with_all_its_children(world):
    fails(world, built(world), "sleep 1000 & sleep 1000", "1", TimeoutSec="1")
    # the leak check of the harness sees the children


@test
def a_builder_that_hangs_and_ignores_sigterm_is_killed(world):
    fails(world, built(world), "trap '' TERM; while :; do sleep 1000; done", TimeoutSec="1")


@test
def a_builder_that_writes_nothing_has_failed(world):
    fails(world, built(world), "exit 0", OUTPUT)


@test
def a_builder_that_removes_its_output_has_failed(world):
    fails(world, built(world), 'rm -f "$3"', OUTPUT)


@test
def not_now_is_no_failure(world):
    fails(world, built(world), "exit 75", status=TEMPFAIL)


@test
def one_cache_that_is_not_now_does_not_hide_that_another_failed(world):
    volume = world.volume()
    volume.builder("later", "exit 75")
    volume.builder("bad", "exit 9")
    volume.write(MANIFEST, manifest(cache("a", "later", "/etc/machine-id", "/boot/a"),
                                    cache("b", "bad", "/etc/machine-id", "/boot/b"),
                                    cache("c", "later", "/etc/machine-id", "/boot/c")))
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "bad" in result.reason and "status 9" in result.reason, result.reason


@test
def a_missing_builder_is_named(world):
    volume = built(world)
    before = carried(volume)
    volume.definition("pack", Exec="/nonexistent/dracut %o", Root="host")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "/nonexistent/dracut" in result.stderr, result.stderr
    old_set_stands(volume, before)


@test
def a_builder_that_is_not_executable_is_named(world):
    volume = built(world)
    before = carried(volume)
    volume.write("/etc/initramfs.conf", "another\n")
    os.chmod(os.path.join(volume.builders, "pack.sh"), 0o644)
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "pack.sh" in result.stderr, result.stderr
    old_set_stands(volume, before)


@test
def caches_that_need_a_failed_one_are_skipped_and_the_rest_is_built(world):
    volume = world.volume()
    volume.builder("bad", "exit 1")
    volume.builder("copy", 'cp "$1" "$2"', "%s", "%o")
    volume.write(MANIFEST, manifest(cache("first", "bad", "/etc/machine-id", "/boot/a"),
                                    cache("second", "copy", "/boot/a", "/boot/b"),
                                    cache("third", "copy", "/etc/machine-id", "/boot/c")))
    result = world.programs.build(volume).expect(FAILED)
    assert result.one("BUILT", "first", "-")[0] == "failed"
    assert result.one("BUILT", "third", "-")[0] == "ok"
    assert not volume.exists("/boot/b") and volume.exists("/boot/c")


@test
def hostile_output_of_a_builder_is_made_harmless(world):
    volume = world.volume()
    volume.builder("pack", "printf '\\033[2J\\007 bell\\n'; head -c 20000 /dev/zero | tr '\\0' A; echo\n" + PACK,
                   "%r", "%i", "%o")
    result = world.programs.build(volume).expect(SUCCESS)
    assert "\x1b[2J" not in result.stderr and "\x07" not in result.stderr


@test
def endless_output_of_a_builder_is_cut_off(world):
    volume = world.volume()
    volume.builder("pack", "yes | head -n 200000\n" + PACK, "%r", "%i", "%o")
    result = world.programs.build(volume).expect(SUCCESS)
    assert result.stderr.count("\n") < 50000, result.stderr.count("\n")


@test
def a_builder_has_a_clean_environment(world):
    volume = world.volume()
    dump = world.path("env")
    volume.builder("pack", f"env >{dump}; ls -l /proc/self/fd >>{dump}\n" + PACK, "%r", "%i", "%o")
    command = world.programs.build_command(volume)
    world.programs.run(command, env=environment(SECRET="s3cret", LD_DEBUG_OUTPUT="/tmp/x"))
    with open(dump, encoding="utf-8") as f:
        text = f.read()
    assert "s3cret" not in text and "BOOTKEEP_VOLUME=" in text, text
    assert volume.disk.name not in text.split("BOOTKEEP_VOLUME", 1)[1].split("\n", 1)[1], text


# helpers that fail


@test
def a_full_helper_keeps_its_old_set_and_does_not_stop_the_other(world):
    volume = built(world)
    first, second = volume.disk.esp
    before = booted(first.files())
    first.shell("dd if=/dev/zero of=ballast bs=64k 2>/dev/null || true")
    volume.write("/etc/initramfs.conf", os.urandom(300000))
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert result.one("UPDATED", first.name, "esp", first.partuuid)[0] == "failed"
    assert result.one("UPDATED", second.name, "esp", second.partuuid)[0] == "ok"
    assert first.name in result.stderr and "free" in result.stderr, result.stderr
    files = first.files()
    assert booted(files) == before
    assert not [p for p in files if ".tmp" in p]
    assert_carries(volume, second)
    first.shell("rm ballast")
    world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, first)


@test
def a_helper_without_a_file_system_does_not_stop_the_other(world):
    volume = world.volume()
    first, second = volume.disk.esp
    subprocess.run(["wipefs", "-aq", first.node], check=True)
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert result.one("UPDATED", first.name, "esp", first.partuuid)[0] == "failed"
    assert_carries(volume, second)


@test
def a_helper_mounted_read_only_fails_with_a_clear_message(world):
    volume = built(world)
    first, second = volume.disk.esp
    at = world.path("esp")
    os.mkdir(at)
    subprocess.run(["mount", "-o", "ro", first.node, at], check=True)
    world.later(lambda: subprocess.run(["umount", at], check=True))
    volume.write("/etc/initramfs.conf", "another\n")
    result = world.programs.build(volume).expect(FAILED)
    assert "read-only" in result.stderr, result.stderr
    assert_carries(volume, second)


@test
def a_write_protected_helper_does_not_stop_the_other(world):
    volume = built(world)
    first, second = volume.disk.esp
    before = booted(first.files())
    subprocess.run(["blockdev", "--setro", first.node], check=True)
    volume.write("/etc/initramfs.conf", "another\n")
    result = world.programs.build(volume).expect(FAILED)
    assert f"{first.name}: the disk is write-protected" in result.stderr, result.stderr
    assert_carries(volume, second)
    assert booted(first.files()) == before
    subprocess.run(["blockdev", "--setrw", first.node], check=True)
    world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, first)


@test
def a_missing_required_file_is_named_and_nothing_is_switched(world):
    volume = built(world)
    before = carried(volume)
    volume.remove(f"/boot/vmlinuz-{KERNEL}")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert f"/boot/vmlinuz-{KERNEL}" in result.stderr, result.stderr
    old_set_stands(volume, before)


@test
def a_missing_misc_file_is_no_failure(world):
    volume = built(world)
    volume.remove("/boot/splash.bmp")
    volume.write("/etc/initramfs.conf", "another\n")
    world.programs.build(volume).expect(SUCCESS)
    assert booted(volume.disk.esp[0].files())["initrd"] == volume.read(OUTPUT)


@test
def a_build_that_would_empty_a_helper_stops_unless_forced(world):
    volume = world.volume()
    for version in ("6.2.0", "6.3.0"):
        volume.kernel(version)
    world.programs.build(volume).expect(SUCCESS)
    before = carried(volume)
    os.rename(volume.path("/usr/lib/modules"), volume.path("/usr/lib/modules.away"))
    volume.mkdir("/usr/lib/modules")
    result = world.programs.build(volume).expect(FAILED, "failed")
    assert "--force" in result.stderr, result.stderr
    old_set_stands(volume, before)
    world.programs.build(volume, "--force").expect(SUCCESS)
    assert ENTRY not in volume.disk.esp[0].files()


# links and other traps


def nothing_written_through(world, volume, status=None):
    """A build of VOLUME writes nothing below the test's folder `outside`, which a link points to."""
    outside = world.path("outside")
    result = world.programs.build(volume)
    assert os.listdir(outside) == [], f"written outside: {os.listdir(outside)}\n{result.stdout}{result.stderr}"
    assert status is None or result.status == status, f"{result.status}\n{result.stdout}{result.stderr}"
    return result


def lead_out(world, volume, path):
    """Replaces PATH by a symbolic link to a folder outside of the volume."""
    os.makedirs(world.path("outside"), exist_ok=True)
    if volume.exists(path):
        os.rename(volume.path(path), volume.path(path + ".real"))
    volume.symlink(path, world.path("outside"))


@test
def a_boot_folder_that_links_out_of_the_volume_is_refused(world):
    volume = world.volume()
    lead_out(world, volume, "/boot")
    result = nothing_written_through(world, volume, FAILED)
    assert "/boot" in result.stderr and "link" in result.stderr, result.stderr


@test
def paths_on_another_mount_are_reported_as_such(world):
    """/boot is where outputs would go: they wait until the mount goes. /usr is where the manifest expects kernels."""
    volume = world.volume()
    for place, status, word in (
        ("/boot", TEMPFAIL, f"{OUTPUT} is not on the volume"),
        ("/usr", FAILED, "/usr/lib/modules: its path leaves the volume"),
    ):
        subprocess.run(["mount", "-t", "tmpfs", "other", volume.path(place)], check=True)
        result = world.programs.build(volume).expect(status)
        assert word in result.reason and os.strerror(errno.EXDEV) not in result.reason, result.reason
        assert os.strerror(errno.EXDEV) not in world.programs.scan(volume).reason
        assert os.listdir(volume.path(place)) == []
        subprocess.run(["umount", volume.path(place)], check=True)
    world.programs.build(volume).expect(SUCCESS)


@test
def an_output_that_is_a_link_is_refused(world):
    volume = world.volume()
    os.mkdir(world.path("outside"))
    os.symlink(world.path("outside/initrd"), volume.path(OUTPUT))
    result = nothing_written_through(world, volume, FAILED)
    assert OUTPUT in result.stderr, result.stderr


@test
def a_hostile_stamp_of_a_helper_costs_little_whatever_it_says(world):
    volume = world.volume(esps=1, volume_mib=192)
    world.programs.build(volume).expect(0)
    helper = volume.disk.esp[0]
    name = f"/var/lib/bootkeep/helpers/{helper.partuuid}.stamp"
    uuid = next(line for line in volume.read(name).decode().splitlines() if line.startswith("filesystem "))
    head = f"bootkeep-stamp 1\nfingerprint {'0' * 32}\n{uuid}\n"
    for what, lines in (("as many as are read", 65000), ("too many", 200_000), ("far too many", 1_000_000)):
        for kind in ("ours /x/%x/y", "made /x%x", f"previous required /%x {'0' * 32} 1 b"):
            volume.write(name, head + "".join(f"{kind % i}\n" for i in range(lines)))
            start = time.monotonic()
            world.programs.build(volume).expect(0)
            took = time.monotonic() - start
            world.note(f"{lines} lines ({what}) of {kind.split()[0]}: {took:.1f} s")
            assert took < 120, f"{lines} lines of {kind}: {took} s"
            assert_carries(volume, helper)


@test
def a_stamps_folder_that_links_out_of_the_volume_is_refused(world):
    for path in ("/var", "/var/lib", "/var/lib/bootkeep"):
        volume = world.volume(name=path.replace("/", "-"))
        if path != "/var":
            volume.mkdir(os.path.dirname(path))
        lead_out(world, volume, path)
        nothing_written_through(world, volume, FAILED)


@test
def links_in_the_stamps_folder_are_refused(world):
    for name in ("caches", "helpers"):
        volume = world.volume(name=name)
        lead_out(world, volume, f"/var/lib/bootkeep/{name}")
        nothing_written_through(world, volume, FAILED)


@test
def links_on_a_helper_lead_nowhere(world):
    volume = world.volume()
    os.mkdir(world.path("outside"))
    first, second = volume.disk.esp
    for place in ("EFI", "loader", MACHINE_ID):
        first.shell("rm -rf EFI loader $2; ln -s $1 $3", world.path("outside"), MACHINE_ID, place)
        result = nothing_written_through(world, volume)
        assert result.one("UPDATED", first.name, "esp", first.partuuid)[0] == "failed", result.stdout
        assert "a symbolic link is in the way" in result.stderr, result.stderr
        first.shell("rm $1", place)
    assert_carries(volume, second)


@test
def a_link_in_the_path_of_a_misc_file_is_no_failure(world):
    volume = world.volume(esps=1)
    os.mkdir(world.path("outside"))
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/splash.bmp" to="/art/splash"/>'))
    volume.disk.esp[0].shell("ln -s $1 art", world.path("outside"))
    result = nothing_written_through(world, volume, SUCCESS)
    assert "/art/splash" in result.stderr, result.stderr
    assert_carries(volume, volume.disk.esp[0])


@test
def a_link_in_the_place_of_a_file_on_a_helper_is_replaced_not_followed(world):
    volume = world.volume()
    os.mkdir(world.path("outside"))
    first = volume.disk.esp[0]
    first.shell("mkdir -p EFI/BOOT && ln -s $1/x EFI/BOOT/BOOTX64.EFI && ln -s $1/y splash.bmp", world.path("outside"))
    nothing_written_through(world, volume)


@test
def a_link_in_a_copied_tree_is_not_followed(world):
    volume = world.volume()
    volume.write("/boot/theme/logo", "logo")
    volume.symlink("/boot/theme/secret", "/etc/shadow")
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="required" from="/boot/theme" to="/theme"/>'))
    result = world.programs.build(volume).expect(FAILED)
    assert "/boot/theme/secret" in result.stderr, result.stderr
    assert not [p for p in volume.disk.esp[0].files() if "secret" in p]


@test
def hostile_names_are_made_harmless(world):
    """A C1 control character has two bytes, or one on a terminal without UTF-8."""
    volume = world.volume()
    volume.mkdir("/boot/theme")
    for name in (b"\xc2\x9b31m", b"\x9b31m", b"\x1b[31m", b"new\nline"):
        os.symlink("x", os.path.join(os.fsencode(volume.path("/boot/theme")), name))
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="misc" from="/boot/theme" to="/theme"/>'))
    result = world.programs.build(volume).expect(SUCCESS)
    for evil in ("\x9b", "\udc9b", "\x1b", "\nline"):
        assert evil not in result.stderr, result.stderr
    for shown in (r"\xc2\x9b31m", r"/\x9b31m", r"\x1b[31m", r"new\x0aline"):
        assert f"{shown} is a symbolic link" in result.stderr, result.stderr


@test
def a_tree_that_changes_while_it_is_copied_is_no_failure(world):
    volume = world.volume(esps=1)
    names = [f"/boot/theme/{i % 7}/{i}" for i in range(200)]
    volume.write(MANIFEST, manifest(CACHE, COPIES, '\n  <copy role="required" from="/boot/theme" to="/theme"/>'))
    for name in names:
        volume.write(name, name)
    end, rng = threading.Event(), random.Random(1)

    def change():
        while not end.wait(0.001):
            name = rng.choice(names)
            if volume.exists(name):
                volume.remove(name)
            else:
                volume.write(name, str(rng.random()))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        results = [world.programs.build(volume) for _ in range(8)]
    finally:
        end.set()
        thread.join()
    assert {r.status for r in results} <= {SUCCESS, TEMPFAIL}, [r.reason for r in results]
    world.programs.build(volume).expect(SUCCESS)
    there = {p[len("/theme"):]: c for p, c in volume.disk.esp[0].files().items() if p.startswith("/theme")}
    assert there == {n[len("/boot/theme"):]: volume.read(n) for n in names if volume.exists(n)}


@test
def a_fifo_in_the_place_of_a_copied_file_blocks_nothing(world):
    volume = world.volume()
    volume.remove("/boot/splash.bmp")
    os.mkfifo(volume.path("/boot/splash.bmp"))
    os.rename(volume.path("/usr/lib/bootx64.efi"), volume.path("/usr/lib/real.efi"))
    os.mkfifo(volume.path("/usr/lib/bootx64.efi"))
    world.programs.build(volume).expect(FAILED)


# interruptions


@test
def sigterm_stops_the_builder_and_leaves_the_old_set(world):
    volume = built(world)
    before = carried(volume)
    gate = Gate(world)
    volume.builder("pack", gate.script, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    with subprocess.Popen(world.programs.build_command(volume), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(), text=True) as process:
        gate.await_builder()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == TEMPFAIL, (process.returncode, out, err)
    assert "REASON" in out and "interrupted" in out, out
    old_set_stands(volume, before)


def open_files(process):
    for link in glob.glob(f"/proc/{process.pid}/fd/*"):
        try:
            yield os.readlink(link)
        except FileNotFoundError:
            pass


@test
def sigterm_interrupts_reading_an_endless_file(world):
    volume = built(world)
    before = carried(volume)
    kernel = volume.path(f"/boot/vmlinuz-{KERNEL}")
    os.truncate(kernel, 1 << 40)
    with subprocess.Popen(world.programs.build_command(volume), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment(), text=True) as process:
        deadline = time.monotonic() + 20
        while kernel not in open_files(process):
            assert process.poll() is None and time.monotonic() < deadline, "it never read the kernel"
        process.send_signal(signal.SIGTERM)
        try:
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == TEMPFAIL, (process.returncode, out, err)
    old_set_stands(volume, before)


@test
def a_build_gives_signs_of_life_while_a_builder_runs(world):
    volume = built(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    with subprocess.Popen(world.programs.build_command(volume, "--quiet"), stdout=subprocess.PIPE, env=environment(),
                          text=True) as process:
        gate.await_builder()
        for line in process.stdout:  # what it did first may be one
            assert line in ("PROGRESS 0 0\n", "IDLE builder pack\n"), line
            if line.startswith("IDLE"):
                break
        gate.open()
        process.communicate(timeout=30)
    assert process.returncode == SUCCESS


@test
def two_builds_of_one_volume_run_one_after_the_other(world):
    volume = world.volume()
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment(), "text": True}
    with subprocess.Popen(world.programs.build_command(volume), **options) as first:
        gate.await_builder()
        with subprocess.Popen(world.programs.build_command(volume), **options) as second:
            assert second.stdout.readline(), "the second build does not say that it is waiting"
            gate.open()
            assert first.wait(30) == SUCCESS
            out, _ = second.communicate(timeout=30)
            assert second.returncode == SUCCESS, out
        first.communicate()
    assert volume.runs() == 1


def is_read(fifo):
    try:
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return True
    except OSError:  # ENXIO
        return False


@test
def processes_of_a_killed_build_end_before_the_next_build_begins(world):
    volume = world.volume(esps=1)
    gate = Gate(world)
    late = world.path("late")
    os.mkfifo(late)
    volume.builder("pack", f'(read -r x <{late}; echo late >>"$3") &\n' + gate.script, "%r", "%i", "%o")
    with subprocess.Popen(world.programs.build_command(volume), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env=environment()) as process:
        gate.await_builder()
        process.kill()
    volume.builder("pack", PACK, "%r", "%i", "%o")
    world.programs.build(volume).expect(SUCCESS)
    assert not is_read(late), "it would still write the output"


# Locks everything that it may open below the folder that its descriptor refers to, and prints the number.
LOCK_ALL = """
import fcntl, os, sys
held = []
for folder, _, names in os.walk(f"/proc/self/fd/{sys.argv[1]}"):
    for path in [folder, *(os.path.join(folder, n) for n in names)]:
        try:
            held.append(os.open(path, os.O_RDONLY))
            fcntl.flock(held[-1], fcntl.LOCK_EX)
        except PermissionError:
            pass
print(len(held), flush=True)
sys.stdin.read()
"""


@test
def users_who_may_only_read_the_volume_cannot_block_a_build(world):
    volume = built(world)
    state = os.open(volume.path("/var/lib/bootkeep"), os.O_PATH)
    world.later(lambda: os.close(state))
    with subprocess.Popen([*NOBODY, sys.executable, "-c", LOCK_ALL, str(state)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, pass_fds=[state]) as reader:
        assert int(reader.stdout.readline()) > 3
        volume.write("/etc/initramfs.conf", "another\n")
        world.programs.build(volume).expect(SUCCESS, "success")
    assert_carries(volume, volume.disk.esp[0])


@test
def after_a_kill_at_any_system_call_every_helper_boots_the_old_or_the_new_set(world):
    """strace injects SIGKILL after an increasing number of system calls that change something."""
    volume = built(world, esps=1)
    esp = volume.disk.esp[0]
    rng = random.Random(1)
    build = [program("bootkeep-build"), f"--builders={volume.builders}", volume.root]
    calls = "openat2,renameat2,rename,renameat,unlinkat,fsync,pwrite64,write,mkdirat,fdatasync,syncfs"
    plan = [(call, n) for call in calls.split(",") for n in (1, 2, 3, 4, 6, 9)]
    killed = 0
    for call, n in rng.sample(plan, 30):
        old = booted(esp.files())
        volume.write("/etc/initramfs.conf", f"{call} {n}\n")
        volume.write(f"/boot/vmlinuz-{KERNEL}", f"kernel for {call} {n}\n" * 50)
        trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                 "-e", f"inject={call}:signal=SIGKILL:when={n}"]
        env = {**environment(), "ASAN_OPTIONS": "detect_leaks=0"}
        process = subprocess.run([*trace, *build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False)
        killed += process.returncode != 0
        new = {"linux": volume.read(f"/boot/vmlinuz-{KERNEL}"), "initrd": volume.packed()}
        now = booted(esp.files())
        assert now in (old, new), f"killed at {call} number {n}: neither the old nor the new set: {now.keys()}"
        world.programs.build(volume).expect(SUCCESS)
        assert_carries(volume, esp)
    assert killed >= 5, f"only {killed} of the builds were killed: the test checks nothing"


@test
def files_staged_by_a_killed_build_are_removed_even_if_no_longer_wanted(world):
    volume = built(world, esps=1)
    esp = volume.disk.esp[0]
    volume.kernel("6.2.0")
    # the stamp of the cache and the intent are followed by the first file of the helper, when all are staged
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat",
             "-e", "inject=renameat:signal=SIGKILL:when=3"]
    env = {**environment(), "ASAN_OPTIONS": "detect_leaks=0"}
    subprocess.run([*trace, *world.programs.build_command(volume)], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=env, check=False)
    staged = [p for p in esp.files() if "6.2.0" in p and p.endswith(".tmp")]
    assert staged, f"nothing was staged: {sorted(esp.files())}"
    subprocess.run(["rm", "-r", volume.path("/usr/lib/modules/6.2.0")], check=True)
    world.programs.build(volume).expect(SUCCESS)
    assert_carries(volume, esp)
    esp.shell(f"test ! -e {MACHINE_ID}/6.2.0")


@test
def a_disk_that_does_not_sync_fails_the_helper(world):
    volume = built(world, esps=1)
    before = carried(volume)
    volume.write("/boot/splash.bmp", "BM another")
    volume.write(f"/boot/vmlinuz-{KERNEL}", "another kernel\n" * 100)
    build = [program("bootkeep-build"), f"--builders={volume.builders}", "--helpers-only", volume.root]
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1+"]
    env = {**environment(), "ASAN_OPTIONS": "detect_leaks=0"}
    process = subprocess.run([*trace, *build], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False,
                             text=True)
    assert process.returncode == FAILED, (process.returncode, process.stdout, process.stderr)
    assert "Input/output error" in process.stderr, process.stderr
    old_set_stands(volume, before)


# from the daemon


@test
def a_change_reaches_both_helpers(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    assert view.wait_build(builds)[0] == 0
    view.wait_state("fresh")
    assert volume.read(OUTPUT) == volume.packed()
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def a_failing_build_is_tried_again_and_given_up_in_the_end(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "100ms", "MaxFailures": "3"}})
    view = daemon.trusted(volume)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("given-up")
    assert view["Failures"] == 3 and view["Busy"] is False, view.properties
    volume.builder("pack", PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "a change begins anew\n")
    view.wait_state("fresh")
    assert view["Failures"] == 0


@test
def a_builder_that_changes_its_own_source_is_given_up_and_named(world):
    volume = world.volume()
    view = world.daemon(config={"Build": {"RetrySec": "100ms", "MaxAttempts": "4"}}).trusted(volume)
    volume.builder("pack", PACK + 'echo >>"$root/etc/initramfs.conf"\n', "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("given-up")
    assert not view["Busy"] and "initramfs" in view["StateReason"] and "/etc/initramfs.conf" in view["StateReason"], \
        view.properties


@test
def not_now_is_tried_again_and_not_counted(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "100ms"}})
    view = daemon.trusted(volume)
    flag = world.path("later")
    volume.builder("pack", f"test -e {flag} || {{ : >{flag}; exit 75; }}\n" + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait("built at the second try", lambda p: volume.runs() == 3 and p.get("State") == "fresh")
    assert "failed" not in view.states, view.states


@test
def a_volume_that_is_not_trusted_is_never_built(world):
    volume = world.volume()
    view = world.daemon().volume(volume.name).wait_state("untrusted")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("settling", "scanning")
    view.wait_state("untrusted")
    assert volume.runs() == 0 and "building" not in view.states


@test
def wrong_usage_is_status_2_with_a_message(world):
    build = program("bootkeep-build")
    at = world.path("nowhere")  # never a real mount point: an argument that is wrongly accepted must not cause a build
    for arguments in ([], ["--nonsense", at], [at, at], ["--mount-id=x", at], ["--trust-ctime=perhaps", at],
                      ["--caches-only", "--helpers-only", at]):
        process = world.programs.run([build, *arguments])
        assert process.returncode == USAGE and process.stderr, (arguments, process.returncode)


main()
