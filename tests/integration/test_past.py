#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Booted from the past: the programs run in a chroot on the volume, so that to them it is the root of the running system.
A boot is simulated by another boot ID in the stamps, the firmware by a folder."""

import json
import os
import re
import subprocess

from lib import main, test
from lib.content import COPIES, MACHINE_ID, MANIFEST, manifest
from lib.programs import BUILD, Result, environment, program

KERNEL = os.uname().release
VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
PROGRAMS = ("bootkeepd", "bootkeep-scan", "bootkeep-build")


def mount(world, *arguments):
    subprocess.run(["mount", *arguments], check=True)
    world.later(lambda: subprocess.run(["umount", "-l", arguments[-1]], check=True))


def running_system(world, **options):
    """A volume that can be the root directory of our programs."""
    volume = world.volume(volume_mib=160, **options)
    subprocess.run(["rm", "-r", volume.path("/usr/lib/modules")], check=True)
    volume.kernel(KERNEL)
    volume.write(MANIFEST, manifest(COPIES))
    libraries = set()
    for name in PROGRAMS:
        ldd = subprocess.run(["ldd", program(name)], stdout=subprocess.PIPE, text=True, check=True).stdout
        libraries.update(re.findall(r"(/\S+) \(", ldd))
    for source in libraries:
        with open(source, "rb") as f:
            volume.write(source, f.read(), 0o755)
    for folder in ("/proc", "/sys", "/dev", "/run", "/firmware", BUILD, world.folder):
        volume.mkdir(folder)
    for folder in ("/proc", "/sys", "/dev"):
        mount(world, "--rbind", folder, volume.path(folder))
    mount(world, "-t", "tmpfs", "run", volume.path("/run"))
    bus = os.path.dirname(world.bus.path)
    for folder in ("/run/udev", BUILD, world.folder, bus):
        if os.path.isdir(folder):
            volume.mkdir(folder)
            mount(world, "--bind", folder, volume.path(folder))
    return volume


def there(volume, name, *arguments):
    """Runs a program on the volume."""
    command = ["chroot", volume.root, program(name), f"--builders={volume.builders}", *arguments, "/"]
    return Result(subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                                 env=environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")))


def update(volume, words):
    volume.write(f"/boot/initrd-{KERNEL}", f"initrd {words}\n" * 100)
    there(volume, "bootkeep-build").expect(0, "success")


def reboot(volume, *helpers):
    """What is on HELPERS (all if none is named) was put there during an earlier boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        now = f.read().strip()
    for helper in helpers or volume.disk.esp:
        path = volume.path(f"/var/lib/bootkeep/helpers/{helper.partuuid}.stamp")
        with open(path, "r+", encoding="ascii") as f:
            text = f.read()
            assert now in text or helpers, "it was not updated during this boot"
            f.seek(0)
            f.write(text.replace(now, "0" * 8 + now[8:]))


def firmware(volume, name, text):
    """A variable that the boot loader has set."""
    volume.write(f"/firmware/{name}-{VENDOR}", b"\7\0\0\0" + text.encode("utf-16-le") + b"\0\0")


def booted(volume):
    """What a scan says: the state and the text."""
    record = there(volume, "bootkeep-scan", "--efivars=/firmware").one("BOOTED")
    return record[0], " ".join(record[1:])


def started_by(world, volume, words):
    """What a boot loader would have passed to the kernel."""
    with open(world.path("cmdline"), "w", encoding="ascii") as f:
        f.write(words + "\n")
    mount(world, "--bind", world.path("cmdline"), volume.path("/proc/cmdline"))


@test
def what_is_written_after_the_boot_is_newer(world):
    volume = running_system(world, esps=1)
    helper = volume.disk.esp[0].name
    update(volume, "first")
    reboot(volume)
    assert booted(volume) == ("current", "")
    update(volume, "second")
    text = f"{helper}: {KERNEL} was booted, and its /{MACHINE_ID}/{KERNEL}/initrd has been replaced since"
    assert booted(volume) == ("replaced", text)
    reboot(volume)
    assert booted(volume) == ("current", "")


@test
def the_boot_loader_tells_which_helper_it_was(world):
    volume = running_system(world, esps=2)
    first, second = volume.disk.esp
    update(volume, "first")
    reboot(volume, second)
    assert booted(volume)[0] == "unknown"
    firmware(volume, "LoaderDevicePartUUID", second.partuuid.upper())
    assert booted(volume) == ("current", "")
    firmware(volume, "LoaderDevicePartUUID", first.partuuid.upper())
    state, text = booted(volume)
    assert state == "replaced" and text.startswith(f"{first.name}: "), text
    firmware(volume, "LoaderDevicePartUUID", "00000000-0000-4000-8000-000000000000")
    state, text = booted(volume)
    assert state == "unknown" and "which is no helper" in text, text


@test
def a_set_that_was_kept_and_booted_is_the_past(world):
    volume = running_system(world, esps=1)
    update(volume, "first")
    reboot(volume)
    first = [p for p in volume.disk.esp[0].files() if "/initrd-" in p][0]
    update(volume, "second")
    reboot(volume)
    assert booted(volume) == ("current", "")
    started_by(world, volume, f"initrd={first} root=/dev/x".replace("/", "\\"))
    state, text = booted(volume)
    assert state == "previous" and f"from {first}, though " in text, text
    update(volume, "third")  # and that one would be booted next
    assert booted(volume)[0] == "replaced"


@test
def another_volume_says_nothing(world):
    volume = world.volume(esps=1)
    world.programs.build(volume).expect(0)
    result = world.programs.scan(volume).expect(0)
    assert result.all("BOOTED") == [], result.stdout


def daemon_there(world, volume):
    config = {"Trust": {"RunningSystem": "yes"}}
    daemon = world.daemon(config=config, prefix=["chroot", volume.root])
    return daemon, daemon.volume(volume.name).wait_state("fresh")


def marks(volume):
    """What Debian's other programs see."""
    found = {}
    for name in ("reboot-required", "reboot-required.pkgs"):
        if volume.exists(f"/run/{name}"):
            found[name] = volume.read(f"/run/{name}").decode()
    return found


@test
def the_daemon_tells_everybody(world):
    volume = running_system(world, esps=1)
    volume.write("/etc/debian_version", "12.0\n")
    update(volume, "first")
    reboot(volume)
    daemon, view = daemon_there(world, volume)
    assert daemon.property("BootedStale") == "" and marks(volume) == {}
    assert json.loads(world.programs.ctl("--json", "status").stdout)["booted_stale"] == ""

    since = daemon.mark()
    volume.write(f"/boot/initrd-{KERNEL}", "another initrd\n" * 100)
    daemon.wait_for("runs from the past: ", since)
    view.wait_state("fresh")
    stale = daemon.property("BootedStale")
    assert stale.startswith(f"{volume.disk.esp[0].name}: {KERNEL} was booted, and its "), stale
    assert marks(volume).keys() == {"reboot-required", "reboot-required.pkgs"}
    assert marks(volume)["reboot-required.pkgs"] == "bootkeep\n"
    status = world.programs.ctl("status")
    assert status.returncode == 0 and status.stdout.startswith(f"Booted from the past: {stale}\n"), status.stdout
    assert json.loads(world.programs.ctl("--json", "status").stdout)["booted_stale"] == stale

    assert daemon.stop() == 0
    daemon, view = daemon_there(world, volume)
    assert daemon.property("BootedStale") == stale, "forgotten by a restart"
    reboot(volume)
    since = daemon.mark()
    daemon.call("Scan", "s", volume.name)
    daemon.wait_for("runs what its helpers carry", since)
    assert daemon.property("BootedStale") == "" and marks(volume) == {}


@test
def what_others_wrote_into_run_is_not_taken_back(world):
    volume = running_system(world, esps=1)
    volume.write("/etc/debian_version", "12.0\n")
    update(volume, "first")
    daemon, _ = daemon_there(world, volume)
    assert daemon.property("BootedStale"), "all of it was put there during this boot"
    volume.write("/run/reboot-required.pkgs", "bootkeep\nlinux-image-6.1\n")
    reboot(volume)
    daemon.call("Scan", "s", volume.name)
    daemon.wait_for("runs what its helpers carry")
    assert marks(volume)["reboot-required.pkgs"] == "linux-image-6.1\n" and "reboot-required" in marks(volume)


@test
def elsewhere_there_is_no_such_convention(world):
    volume = running_system(world, esps=1)
    update(volume, "first")
    daemon, _ = daemon_there(world, volume)
    assert daemon.property("BootedStale") and marks(volume) == {}


main()
