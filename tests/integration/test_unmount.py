#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unmounting: umount.bootkeep as run by umount(8), bootkeepctl unmount, and the hold on a busy volume."""

import os
import select
import subprocess

from lib import main, test
from lib.content import PACK, Gate, assert_carries
from lib.programs import BUILD, environment, program

HELPER = os.path.join(BUILD, "src", "umount", "umount.bootkeep")
REFUSED = 32
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"},
         "Shutdown": {"PinBusyVolumes": "no"}}


def install(world):
    """Puts the helper program where umount(8) looks for it: into a copy of that folder which only this test program
    sees and from which nothing is written back."""
    if os.path.exists("/sbin/umount.bootkeep"):
        return
    layer = world.path("layer")
    os.mkdir(layer)
    subprocess.run(["mount", "-t", "tmpfs", "bootkeep-layer", layer], check=True)
    for name in ("upper", "work"):
        os.mkdir(os.path.join(layer, name))
    os.symlink(HELPER, os.path.join(layer, "upper", "umount.bootkeep"))
    sbin = os.path.realpath("/sbin")
    options = f"lowerdir={sbin},upperdir={layer}/upper,workdir={layer}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "bootkeep-sbin", sbin], check=True)
    world.later(lambda: (subprocess.run(["umount", "-i", sbin], check=True),
                         subprocess.run(["umount", "-i", layer], check=True)))


def is_mounted(volume):
    return os.path.ismount(volume.root)


def volume_with_helper(world):
    install(world)
    volume = world.volume()
    volume.disk.remount("helper=bootkeep")
    return volume


def umount(world, *arguments, level="info"):
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address, BOOTKEEP_LOG_LEVEL=level)
    return world.programs.run(["umount", *arguments], env=env)


def expect(process, status):
    assert process.returncode == status, f"status {process.returncode}, expected {status}: {process.stderr}"
    return process


def owed(world, **options):
    """A volume on which work is owed that is not done unless it is requested: it settles for a minute."""
    volume = volume_with_helper(world)
    daemon = world.daemon(config=QUIET, **options)
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    return volume, daemon, view


def unmounted_when_done(world, volume, view, *arguments):
    runs = volume.runs()
    wanted = volume.packed()
    expect(umount(world, *arguments), 0)
    assert not is_mounted(volume) and volume.runs() == runs + 1
    view.wait_gone()
    volume.disk.mount()
    assert volume.read("/boot/initrd-6.1.0") == wanted
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def umount_of_a_directory_finishes_first(world):
    volume, _, view = owed(world)
    unmounted_when_done(world, volume, view, volume.root)


@test
def umount_of_a_device_finishes_first(world):
    volume, _, view = owed(world)
    unmounted_when_done(world, volume, view, volume.disk.volume.node)


@test
def a_lazy_umount_finishes_first(world):
    volume, _, view = owed(world)
    unmounted_when_done(world, volume, view, "-l", volume.root)


@test
def a_recursive_umount_finishes_first(world):
    volume, _, view = owed(world)
    unmounted_when_done(world, volume, view, "-R", volume.root)


@test
def the_option_may_be_given_at_mount_time(world):
    install(world)
    volume = world.volume()
    volume.disk.umount()
    volume.disk.mount("helper=bootkeep")
    daemon = world.daemon(config=QUIET)
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    unmounted_when_done(world, volume, view, volume.root)


@test
def a_name_that_the_bus_cannot_carry_does_not_keep_it_from_asking(world):
    install(world)
    volume = world.volume()
    volume.disk.umount()
    volume.root = volume.disk.mountpoint = world.path("lat\udcff")
    os.mkdir(volume.root)
    for way in (lambda: umount(world, volume.root), lambda: unmount(world, volume.name)):
        volume.disk.mount("helper=bootkeep")
        daemon = world.daemon(config=QUIET)
        view = daemon.trusted(volume)
        volume.write("/etc/initramfs.conf", f"changed {volume.runs()}\n")
        view.wait_state("settling")
        runs = volume.runs()
        expect(way(), 0)
        assert not is_mounted(volume) and volume.runs() == runs + 1
        daemon.stop()


@test
def without_a_daemon_it_just_unmounts(world):
    volume = volume_with_helper(world)
    process = expect(umount(world, volume.root), 0)
    assert not is_mounted(volume) and process.stderr == "", process.stderr
    volume.disk.mount("helper=bootkeep")
    env = environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    expect(world.programs.run(["umount", volume.root], env=env), 0)
    assert not is_mounted(volume)


@test
def a_volume_that_nobody_watches_is_just_unmounted(world):
    volume = volume_with_helper(world)
    world.daemon(arguments=["--no-watch"])
    process = expect(umount(world, volume.root), 0)
    assert not is_mounted(volume) and process.stderr == "", process.stderr


@test
def an_untrusted_volume_is_just_unmounted(world):
    volume = volume_with_helper(world)
    world.daemon().volume(volume.name).wait_state("untrusted")
    expect(umount(world, volume.root), 0)
    assert not is_mounted(volume)


@test
def a_locked_volume_is_refused_with_a_line_that_helps(world):
    volume, daemon, _ = owed(world)
    daemon.call("LockVolume", "su", volume.name, 0)
    for arguments in ([volume.root], ["-l", volume.root], [volume.disk.volume.node], ["-f", volume.root]):
        process = expect(umount(world, *arguments), REFUSED)
        assert is_mounted(volume)
        lines = [line for line in process.stderr.splitlines() if line.startswith("umount.bootkeep: ")]
        assert len(lines) == 1 and "locked" in lines[0] and "umount -i" in lines[0], process.stderr
    daemon.call("UnlockVolume", "si", volume.name, 0)
    daemon.volume(volume.name).wait_state("fresh")
    expect(umount(world, volume.root), 0)


@test
def a_build_that_fails_is_a_refusal(world):
    volume, _, _ = owed(world)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    process = expect(umount(world, volume.root), REFUSED)
    assert is_mounted(volume) and "initramfs" in process.stderr, process.stderr
    expect(umount(world, "-i", volume.root), 0)
    assert not is_mounted(volume)


@test
def a_running_build_is_waited_for(world):
    volume, _, view = owed(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
    # pylint: disable-next=consider-using-with
    rebuild = subprocess.Popen([program("bootkeepctl"), "-q", "rebuild", volume.name], env=env)
    gate.await_builder()
    # pylint: disable-next=consider-using-with
    unmounting = subprocess.Popen(["umount", "-v", volume.root], env=env, stdout=subprocess.PIPE)
    assert not select.select([unmounting.stdout], [], [], 1)[0], "it ended before the build"
    gate.open()
    assert rebuild.wait(60) == 0 and unmounting.wait(60) == 0
    unmounting.stdout.close()
    view.wait_gone()
    assert volume.runs() == 2


@test
def a_daemon_that_is_killed_meanwhile_keeps_nothing_mounted(world):
    volume, daemon, _ = owed(world)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
    # pylint: disable-next=consider-using-with
    unmounting = subprocess.Popen(["umount", "-l", volume.root], env=env)
    gate.await_builder()
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        build = os.pidfd_open(int(f.read()))
    daemon.kill()
    assert unmounting.wait(60) == 0 and not is_mounted(volume)
    gate.open()
    assert select.select([build], [], [], 30)[0], "the build does not end"
    os.close(build)


@test
def a_failing_unmount_says_why_as_umount_does(world):
    volume = volume_with_helper(world)
    with open(volume.path("/etc/machine-id"), "rb"):
        process = expect(umount(world, volume.root), REFUSED)
    assert "target is busy" in process.stderr and is_mounted(volume), process.stderr
    # libmount has not forgotten its helper
    with open("/run/mount/utab", encoding="utf-8") as f:
        assert any(volume.root in line and "bootkeep" in line for line in f)
    process = expect(world.programs.run([HELPER, world.path("nowhere")], env=environment()), REFUSED)
    assert "nowhere" in process.stderr, process.stderr
    assert world.programs.run([HELPER], env=environment()).returncode == 1
    assert world.programs.run([HELPER, "-x", "y"], env=environment()).returncode == 1
    assert "0.1" in world.programs.run([HELPER, "--version"], env=environment()).stdout


@test
def an_unmount_in_another_namespace_asks_nobody(world):
    volume, _, view = owed(world)
    runs = volume.runs()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "echo there; read -r end"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        expect(umount(world, "-N", str(other.pid), volume.root), 0)
        other.stdin.close()
    assert is_mounted(volume) and volume.runs() == runs and view["State"] == "settling", view.properties


def unmount(world, *arguments):
    return world.programs.ctl("unmount", *arguments)


@test
def bootkeepctl_unmount_finishes_first(world):
    volume = world.volume()
    daemon = world.daemon()  # keeps it busy
    view = daemon.trusted(volume)
    for i, by in enumerate((volume.name, volume.root, volume.disk.volume.node)):
        volume.write("/etc/initramfs.conf", f"changed {i}\n")
        expect(unmount(world, by), 0)
        assert not is_mounted(volume)
        view.wait_gone()
        volume.disk.mount()
        view.wait_state("fresh")
        assert volume.runs() == i + 2


@test
def bootkeepctl_unmount_has_the_statuses_of_umount(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    with open(volume.path("/etc/machine-id"), "rb"):
        process = expect(unmount(world, volume.name), REFUSED)
    assert "busy" in process.stderr, process.stderr
    daemon.call("LockVolume", "su", volume.name, 0)
    process = expect(unmount(world, volume.name), 1)
    assert "locked" in process.stderr and is_mounted(volume), process.stderr
    process = expect(unmount(world, "sda99"), 1)
    assert "sda99" in process.stderr


@test
def a_busy_volume_is_held_and_an_idle_one_is_not(world):
    volume = world.volume()
    daemon = world.daemon(config={**QUIET, "Shutdown": {"PinBusyVolumes": "yes"}})
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    process = expect(umount(world, volume.root), REFUSED)
    assert "busy" in process.stderr
    daemon.call("Rebuild", "su", volume.name, 0)
    view.wait_state("fresh")
    expect(umount(world, volume.root), 0)


@test
def a_busy_volume_is_held_wherever_it_is_left_mounted(world):
    volume = world.volume()
    elsewhere = world.path("elsewhere")
    os.mkdir(elsewhere)
    volume.disk.mount(at=elsewhere)
    world.later(lambda: subprocess.run(["umount", "-q", elsewhere], check=False))
    daemon = world.daemon(config={**QUIET, "Shutdown": {"PinBusyVolumes": "yes"}})
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "changed\n")
    view.wait_state("settling")
    expect(umount(world, "-l", volume.root), 0)
    view.wait("at its other place", lambda p: p.get("MountPoint") == elsewhere)
    assert "busy" in expect(umount(world, elsewhere), REFUSED).stderr
    daemon.call("Rebuild", "su", volume.name, 0)
    view.wait_state("fresh")
    expect(umount(world, elsewhere), 0)


main()
