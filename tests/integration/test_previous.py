#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The set that the machine was booted from stays on the helper until the new one has booted. The builds here run in a
chroot on the volume, so that to them it is the root of the running system; a boot is simulated by another boot ID
in the stamp."""

import os
import re
import subprocess

from lib import main, test
from lib.content import ENTRY, KERNEL, MACHINE_ID, assert_carries, booted
from lib.programs import environment, program

PREVIOUS = ENTRY.replace(".conf", "-previous.conf")
PROGRAM = "/opt/bootkeep-build"


def running_system(world, **options):
    """A volume that can be the root directory of bootkeep-build: it has the program, its libraries, /proc, /sys and
    /dev."""
    volume = world.volume(esps=1, volume_mib=128, **options)
    binary = program("bootkeep-build")
    ldd = subprocess.run(["ldd", binary], stdout=subprocess.PIPE, text=True, check=True).stdout
    for source in re.findall(r"(/\S+) \(", ldd):
        with open(source, "rb") as f:
            volume.write(source, f.read(), 0o755)
    with open(binary, "rb") as f:
        volume.write(PROGRAM, f.read(), 0o755)
    for folder in ("/proc", "/sys", "/dev", "/builders"):
        volume.mkdir(folder)
    for folder in ("/proc", "/sys", "/dev"):
        subprocess.run(["mount", "--rbind", folder, volume.path(folder)], check=True)
        world.later(lambda at=volume.path(folder): subprocess.run(["umount", "-l", at], check=True))
    world.programs.build(volume, "--caches-only").expect(0)
    volume.write("/builders/pack.conf", "[Builder]\nExec=/bin/false\nRoot=host\n")
    return volume


def build_there(volume, words, *before):
    """A new initrd and kernel, and a build that runs on the volume; BEFORE is put before its command."""
    volume.write(f"/boot/initrd-{KERNEL}", f"initrd {words}\n" * 100)
    volume.write(f"/boot/vmlinuz-{KERNEL}", f"kernel {words}\n" * 100)
    command = [*before, "chroot", volume.root, PROGRAM, "--helpers-only", "--builders=/builders", "/"]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                          env={**environment(), **({"ASAN_OPTIONS": "detect_leaks=0"} if before else {})})


def update(volume, words):
    """All of the set is on the helper."""
    process = build_there(volume, words)
    assert process.returncode == 0, process.stdout
    helper = volume.disk.esp[0]
    assert_carries(volume, helper)
    return helper.files()


def update_killed_after_the_switch(volume, words):
    """The second file that is removed is the first one after the switch; the first was a temporary stamp."""
    killed = build_there(volume, words, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=unlinkat",
                         "-e", "inject=unlinkat:signal=KILL:when=2")
    files = volume.disk.esp[0].files()
    assert killed.returncode == -9, killed.stdout
    assert booted(files)["linux"] == volume.read(f"/boot/vmlinuz-{KERNEL}"), "it was killed too early"
    return files


def reboot(volume):
    folder = volume.path("/var/lib/bootkeep/helpers")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        now = f.read().strip()
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "r+", encoding="ascii") as f:
            text = f.read()
            f.seek(0)
            f.write(text.replace(now, "0" * 8 + now[8:]))


@test
def the_booted_set_stays_until_another_boot(world):
    volume = running_system(world)
    first = update(volume, "first")
    assert PREVIOUS not in first
    reboot(volume)

    second = update(volume, "second")
    assert booted(second, PREVIOUS) == booted(first), "the set that was booted does not boot any more"
    third = update(volume, "third")
    assert booted(third, PREVIOUS) == booted(first), "the set that was booted went with a second build"
    assert len([p for p in third if "/initrd-" in p]) == 2, "the second set, which never booted, is still there"

    reboot(volume)
    fourth = update(volume, "fourth")
    assert booted(fourth, PREVIOUS) == booted(third)
    assert len([p for p in fourth if "/initrd-" in p]) == 2, "the first set is still there"


def started_by(world, volume, words):
    """What a boot loader would have passed to the kernel."""
    with open(world.path("cmdline"), "w", encoding="ascii") as f:
        f.write(words + "\n")
    at = volume.path("/proc/cmdline")
    subprocess.run(["mount", "--bind", world.path("cmdline"), at], check=True)
    world.later(lambda: subprocess.run(["umount", at], check=True))


@test
def a_kept_set_that_was_booted_again_stays(world):
    volume = running_system(world)
    first = update(volume, "first")
    reboot(volume)
    second = update(volume, "second")
    reboot(volume)  # and the second set does not boot
    initrd = re.search(r"/initrd-[0-9a-f]{8}", second[PREVIOUS].decode())[0]
    started_by(world, volume, f"initrd=\\{MACHINE_ID}\\{KERNEL}\\{initrd[1:]} root=UUID=x")
    for words in ("third", "fourth"):
        files = update(volume, words)
        assert booted(files, PREVIOUS) == booted(first), f"the set that runs went with the {words}"
        assert len([p for p in files if "/initrd-" in p]) == 2, sorted(files)


@test
def the_booted_set_stays_even_if_the_first_build_was_killed(world):
    volume = running_system(world)
    first = update(volume, "first")
    reboot(volume)
    update_killed_after_the_switch(volume, "second")
    second = update(volume, "second")
    assert PREVIOUS in second, sorted(second)
    assert booted(second, PREVIOUS) == booted(first), "the set that was booted went with a killed build"
    third = update(volume, "third")
    assert booted(third, PREVIOUS) == booted(first)
    assert len([p for p in third if "/initrd-" in p]) == 2, sorted(third)


@test
def the_booted_set_stays_even_if_a_killed_build_had_written_it(world):
    volume = running_system(world)
    update(volume, "first")
    reboot(volume)
    second = update_killed_after_the_switch(volume, "second")
    reboot(volume)
    third = update(volume, "third")
    assert booted(third, PREVIOUS) == booted(second)
    assert len([p for p in third if "/initrd-" in p]) == 2, sorted(third)


@test
def a_set_that_was_never_booted_is_not_kept(world):
    volume = running_system(world)
    update(volume, "first")
    files = update(volume, "second")
    assert PREVIOUS not in files and len([p for p in files if "/initrd-" in p]) == 1, sorted(files)


main()
