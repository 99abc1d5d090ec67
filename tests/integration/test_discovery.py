#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes appear, change and go away with the mount table, and nothing else is mistaken for a volume."""

import os
import subprocess

from lib import Skip, main, test
from lib.content import MANIFEST, Volume
from lib.disk import kernel_has, run


def settled(daemon, world, name="probe"):
    """Waits until the daemon has seen the mount table as it is now: a volume mounted last has appeared."""
    probe = world.disk(name=name, esps=0)
    probe.mount()
    daemon.volume(probe.volume.name).wait("there", bool)


@test
def volumes_mounted_at_start_are_found(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    assert view["MountPoint"] == volume.root, view.properties
    assert view["Device"] == volume.disk.volume.node, view.properties
    assert view["FileSystemType"] == "ext4", view.properties
    assert view["UUID"] == volume.disk.volume.uuid, view.properties
    assert view["Manifest"] == MANIFEST, view.properties


@test
def volumes_mounted_later_appear_and_go_away_when_unmounted(world):
    daemon = world.daemon()
    disk = world.disk()
    disk.mount()
    view = daemon.volume(disk.volume.name).wait_state("plain")
    disk.umount()
    view.wait_gone()
    disk.mount()
    view.wait_state("plain")


@test
def a_watched_volume_can_be_unmounted_at_once(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.disk.umount()
    view.wait_gone()


@test
def a_volume_mounted_again_elsewhere_is_the_same_one(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    runs = volume.runs()
    volume.disk.umount()
    view.wait_gone()
    other = world.path("elsewhere")
    os.mkdir(other)
    volume.disk.mount(at=other)
    world.later(lambda: volume.disk.umount(at=other))
    view.wait_state("fresh")
    assert view["MountPoint"] == other
    assert volume.runs() == runs


@test
def a_change_made_while_it_was_away_is_found(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.disk.umount()
    view.wait_gone()
    volume.disk.volume.shell("echo changed >etc/initramfs.conf")
    builds = len(view.builds)
    volume.disk.mount()
    view.wait_build(builds)
    view.wait_state("fresh")
    assert b"changed" in volume.read("/boot/initrd-6.1.0")


@test
def a_volume_remounted_read_only_is_left_alone_until_it_is_writable_again(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.disk.remount("ro")
    view.wait_gone()
    volume.disk.remount("rw")
    view.wait_state("fresh")
    runs = volume.runs()
    volume.write("/etc/initramfs.conf", "after the remount\n")
    view.wait("built", lambda p: volume.runs() > runs and p.get("State") == "fresh")


@test
def a_moved_mount_is_followed(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    other = world.path("moved")
    os.mkdir(other)
    run("mount", "--move", volume.root, other)
    world.later(lambda: run("umount", other))
    view.wait("at its new place", lambda p: p.get("MountPoint") == other)
    view.wait_state("fresh")
    volume.root = other
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "after the move\n")
    view.wait_build(builds)
    view.wait_state("fresh")  # nothing holds it any more


@test
def read_only_and_pseudo_file_systems_are_left_alone(world):
    daemon = world.daemon()
    read_only = world.disk(name="ro", esps=0)
    read_only.mount("ro")
    for name, kind in (("tmp", "tmpfs"), ("proc", "proc")):
        os.mkdir(world.path(name))
        run("mount", "-t", kind, "none", world.path(name))
        world.later(lambda n=name: run("umount", world.path(n)))
    settled(daemon, world)
    places = [v.get("MountPoint") for v in daemon.objects.values()]
    assert not {read_only.mountpoint, world.path("tmp"), world.path("proc")} & set(places), places


@test
def overlay_file_systems_are_left_alone(world):
    if not kernel_has("overlay"):
        raise Skip("this kernel has no overlay")
    disk = world.disk(name="layers", esps=0)
    disk.mount()
    for part in ("lower", "upper", "work", "merged"):
        os.mkdir(os.path.join(disk.mountpoint, part))
    at = disk.mountpoint
    run("mount", "-t", "overlay", "none", "-o", f"lowerdir={at}/lower,upperdir={at}/upper,workdir={at}/work",
        f"{at}/merged")
    daemon = world.daemon()
    places = [v.get("MountPoint") for v in daemon.objects.values()]
    assert f"{at}/merged" not in places, places


@test
def subvolumes_are_volumes_of_their_own(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(fs="btrfs", volume_mib=128)
    disk.mount()
    for name in ("one", "two"):
        run("btrfs", "subvolume", "create", f"{disk.mountpoint}/@{name}")
    disk.umount()
    disk.mount("subvol=@one")
    daemon = world.daemon()
    daemon.volume(f"{disk.volume.name}[/@one]").wait_state("plain")
    other = world.path("two")
    os.mkdir(other)
    disk.mount("subvol=@two", at=other)
    world.later(lambda: disk.umount(at=other))
    daemon.volume(f"{disk.volume.name}[/@two]").wait_state("plain")


@test
def a_name_means_its_own_volume_before_a_subvolume_on_the_device(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(fs="btrfs", volume_mib=128)
    disk.mount()
    run("btrfs", "subvolume", "create", f"{disk.mountpoint}/@")
    disk.umount()
    disk.mount("subvol=@")
    daemon = world.daemon()
    subvolume = daemon.volume(f"{disk.volume.name}[/@]").wait_state("plain")
    assert daemon.call("GetVolume", "s", disk.volume.name) == [subvolume.path]  # while it is the only one there
    top = world.path("top")
    os.mkdir(top)
    disk.mount(at=top)
    world.later(lambda: disk.umount(at=top))
    whole = daemon.volume(disk.volume.name).wait_state("plain")
    assert daemon.call("GetVolume", "s", disk.volume.name) == [whole.path]
    assert daemon.call("GetVolume", "s", subvolume.name) == [subvolume.path]


@test
def a_bind_mounted_part_of_a_subvolume_is_not_a_volume(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(fs="btrfs", volume_mib=128)
    disk.mount()
    name = "@ odd\\040, subvol=\u00e4\n"
    run("btrfs", "subvolume", "create", f"{disk.mountpoint}/{name}")
    os.mkdir(f"{disk.mountpoint}/{name}/folder")
    for at in ("folder", "file", "whole"):
        os.mkdir(world.path(at)) if at != "file" else open(world.path(at), "x", encoding="ascii").close()
        of = {"folder": "/folder", "file": "/folder/../f", "whole": ""}[at]
        if at == "file":
            open(f"{disk.mountpoint}/{name}{of}", "x", encoding="ascii").close()
        run("mount", "--bind", f"{disk.mountpoint}/{name}{of}", world.path(at))
        world.later(lambda at=at: run("umount", world.path(at)))
    for prefix in ((), ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")):  # either source of mounts
        daemon = world.daemon(prefix=prefix)
        daemon.volume(f"{disk.volume.name}[/{name}]").wait_state("plain")
        places = {v.get("MountPoint") for v in daemon.objects.values()}
        assert places & {world.path(p) for p in ("folder", "file", "whole")} == {world.path("whole")}, places
        daemon.stop()


@test
def a_subvolume_is_built_like_any_other_volume(world):
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(fs="btrfs", volume_mib=128)
    disk.mount()
    run("btrfs", "subvolume", "create", f"{disk.mountpoint}/@")
    disk.umount()
    disk.mount("subvol=@")
    volume = Volume(world, disk)
    volume.name = f"{disk.volume.name}[/@]"
    volume.populate()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    assert view.wait_build(builds)[0] == 0


@test
def a_subvolume_that_takes_the_name_of_another_is_a_volume_of_its_own(world):
    """As a rollback does: the old one is renamed, and a copy of it gets its name."""
    if not kernel_has("btrfs"):
        raise Skip("this kernel has no btrfs")
    disk = world.disk(esps=0, fs="btrfs", volume_mib=128)
    top, new = world.path("top"), world.path("new")
    for at in (top, new):
        os.mkdir(at)
        world.later(lambda at=at: subprocess.run(["umount", "-q", at], stderr=subprocess.DEVNULL, check=False))
    disk.mount(at=top)
    run("btrfs", "subvolume", "create", f"{top}/@")
    disk.mount("subvol=@")
    old = Volume(world, disk)
    old.name = f"{disk.volume.name}[/@]"
    old.populate()
    daemon = world.daemon()
    daemon.trusted(old)
    os.rename(f"{top}/@", f"{top}/@old")
    run("btrfs", "subvolume", "snapshot", f"{top}/@old", f"{top}/@")
    disk.mount("subvol=@", at=new)
    copy = Volume(world, disk)
    copy.root = new
    for volume, name in ((copy, "/@"), (old, "/@old")):
        view = daemon.volume(f"{disk.volume.name}[{name}]")
        view.wait("the right one", lambda p, v=volume: p.get("MountPoint") == v.root and p["State"] == "fresh")
        runs = volume.runs()
        volume.write("/etc/initramfs.conf", f"changed in {name}\n")
        view.wait("built", lambda p, r=runs: copy.runs() > r and p.get("State") == "fresh")
        assert volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def xfs_is_watched_and_built(world):
    if not kernel_has("xfs"):
        raise Skip("this kernel has no xfs")
    volume = world.volume(fs="xfs", volume_mib=320)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    assert view.wait_build(builds)[0] == 0


@test
def a_second_mount_of_a_volume_does_not_make_a_second_volume(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    other = world.path("again")
    os.mkdir(other)
    run("mount", "--bind", volume.root, other)
    settled(daemon, world)
    run("umount", other)
    settled(daemon, world, "probe2")
    names = [v.get("Name") for v in daemon.objects.values()]
    assert names.count(volume.name) == 1, names
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "after the bind\n")
    assert view.wait_build(builds)[0] == 0


@test
def many_volumes_mounted_and_unmounted_at_once_are_all_seen(world):
    daemon = world.daemon()
    disks = [world.disk(name=f"d{i}", esps=0, volume_mib=8) for i in range(6)]
    for disk in disks:
        disk.mount()
    for disk in disks:
        daemon.volume(disk.volume.name).wait_state("plain")
    subprocess.run(["umount", *[d.mountpoint for d in disks]], check=True)
    for disk in disks:
        daemon.volume(disk.volume.name).wait_gone()


main()
