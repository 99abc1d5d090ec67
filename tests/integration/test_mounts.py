#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mount table, whatever happens to it, and however often: the volumes in it are tracked, and nothing else is."""

import contextlib
import ctypes
import fcntl
import os
import random
import subprocess
import threading
import time

from lib import main, test
from lib.content import CACHE, KERNEL, MANIFEST, Volume, cache, manifest
from lib.dbus import DBusError
from lib.disk import run
from lib.services import udev_settle

STORM = 5000
LIBC = ctypes.CDLL(None, use_errno=True)
MNT_DETACH = 2


def mount_tmpfs(place):
    if LIBC.mount(b"storm", place.encode(), b"tmpfs", 0, b"size=4k") < 0:
        raise OSError(ctypes.get_errno(), "mount", place)


def umount(place, flags=0):
    if LIBC.umount2(place.encode(), flags) < 0:
        raise OSError(ctypes.get_errno(), "umount", place)


class Storm(threading.Thread):
    """Mounts one tmpfs after another, STORM of them, and unmounts them again."""

    def __init__(self, world):
        super().__init__()
        self.folder = world.path("storm")
        self.half = threading.Event()  # all of them are there
        self.failure = None
        os.mkdir(self.folder)
        run("mount", "-t", "tmpfs", "none", self.folder)
        # whatever is left goes away with it, at once
        world.later(lambda: umount(self.folder, MNT_DETACH))
        self.places = [os.path.join(self.folder, str(i)) for i in range(STORM)]
        for place in self.places:
            os.mkdir(place)

    def run(self):
        try:
            for place in self.places:
                mount_tmpfs(place)
            self.half.set()
            for place in reversed(self.places):
                umount(place)
        except OSError as e:
            self.failure = e
        self.half.set()


def cpu_seconds(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


class Image:
    """A file with a whole-disk ext4 of its own UUID."""

    def __init__(self, world, name):
        self.world = world
        self.file = world.path(name + ".img")
        with open(self.file, "wb") as f:
            f.truncate(32 << 20)
        run("mkfs.ext4", "-q", "-F", "-m0", self.file)
        self.uuid = run("blkid", "-p", "-o", "value", "-s", "UUID", self.file, text=True).stdout.strip()


LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81  # linux/loop.h


def loop_control(request, number):
    fd = os.open("/dev/loop-control", os.O_RDWR)
    try:
        fcntl.ioctl(fd, request, number)
    finally:
        os.close(fd)


class Loop:
    """A loop device that contains one image after another. Stands in for the Disk of a content.Volume. Its number is
    above all others, so that nobody who searches for a free one takes it while it is empty."""

    def __init__(self, world, image):
        self.number = 90000 + random.randrange(30000)
        loop_control(LOOP_CTL_ADD, self.number)
        self.node = f"/dev/loop{self.number}"
        run("losetup", self.node, image.file)
        self.name = os.path.basename(self.node)
        self.volume = self
        self.mountpoint = world.path("mnt")
        os.mkdir(self.mountpoint)
        world.later(self.remove)
        udev_settle()

    def mount(self):
        run("mount", self.node, self.mountpoint)

    def hold_another(self, image):
        """Unmounts, replaces the image by IMAGE, and mounts that in the same place, as fast as possible."""
        subprocess.run(["sh", "-euc", 'umount "$1"; losetup -d "$2"; losetup "$2" "$3"; mount "$2" "$1"', "sh",
                        self.mountpoint, self.node, image.file], check=True)

    def remove(self):
        subprocess.run(["umount", "-q", self.mountpoint], stderr=subprocess.DEVNULL, check=False)
        udev_settle()
        run("losetup", "-d", self.node)
        udev_settle()
        loop_control(LOOP_CTL_REMOVE, self.number)


@contextlib.contextmanager
def udev_held():
    """udevd probes nothing new meanwhile."""
    run("udevadm", "control", "--stop-exec-queue")
    try:
        yield
    finally:
        run("udevadm", "control", "--start-exec-queue")


@test
def a_storm_of_mounts_next_to_a_watched_volume_holds_up_nothing(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "100ms"}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    storm = Storm(world)
    start, cpu = time.monotonic(), cpu_seconds(daemon.process.pid)
    storm.start()
    answers = []
    changed = False
    while storm.is_alive():
        asked = time.monotonic()
        daemon.property("Version")
        answers.append(time.monotonic() - asked)
        if storm.half.is_set() and not changed:
            volume.write("/etc/initramfs.conf", "changed in the storm\n")
            changed = True
        storm.join(0.02)
    took, used = time.monotonic() - start, cpu_seconds(daemon.process.pid) - cpu
    world.note(f"{STORM} mounts and umounts took {took:.2f} s, of them bootkeepd's CPU {used:.3f} s, "
               f"slowest answer {max(answers):.3f} s")
    assert not storm.failure, storm.failure
    assert max(answers) < 1
    assert used < 0.25 * took + 0.25
    assert view.wait_build(builds)[0] == 0
    view.wait_state("fresh")
    assert b"in the storm" in volume.read(f"/boot/initrd-{KERNEL}")


@test
def among_thousands_of_mounts_volumes_come_and_go(world):
    storm = Storm(world)
    for place in storm.places:
        mount_tmpfs(place)
    daemon = world.daemon()
    disk = world.disk(esps=0)
    for _ in range(3):
        disk.mount()
        view = daemon.volume(disk.volume.name).wait_state("plain")
        disk.umount()
        view.wait_gone()


@test
def a_volume_mounted_and_unmounted_in_a_storm_is_not_missed(world):
    disk = world.disk(esps=0)
    daemon = world.daemon()
    storm = Storm(world)
    storm.start()
    disk.mount()
    view = daemon.volume(disk.volume.name).wait_state("plain")
    storm.half.wait()
    disk.umount()
    view.wait_gone()
    storm.join()
    assert not storm.failure, storm.failure


def held_by_loop(world):
    """A trusted, fresh volume on a loop device, and an image to replace it by, with the same content."""
    loop = Loop(world, Image(world, "one"))
    loop.mount()
    volume = Volume(world, loop)
    volume.populate()
    daemon = world.daemon()
    return loop, volume, daemon, daemon.trusted(volume)


@test
def a_device_reused_at_once_by_another_file_system_is_another_volume(world):
    loop, volume, daemon, view = held_by_loop(world)
    other = Image(world, "two")
    runs, uuid = volume.runs(), view["UUID"]
    loop.hold_another(other)
    view.wait("another", lambda p: p.get("UUID") == other.uuid and p.get("Trusted") is False)
    assert uuid != other.uuid
    volume.populate()
    view.wait_state("untrusted", "plain")
    assert volume.runs() == runs


@test
def what_udev_knew_about_the_previous_medium_is_not_believed(world):
    loop, volume, daemon, view = held_by_loop(world)
    other = Image(world, "two")
    seen = len(view.states)
    with udev_held():
        loop.hold_another(other)
        view.wait("another", lambda p: p.get("UUID") == "" and p.get("Trusted") is False)
    view.wait("known", lambda p: p.get("UUID") == other.uuid)
    assert "building" not in view.states[seen:], view.states


@test
def a_medium_put_back_is_the_same_volume_again(world):
    loop, volume, daemon, view = held_by_loop(world)
    uuid = view["UUID"]
    one = Image(world, "two")
    loop.hold_another(one)
    view.wait("another", lambda p: p.get("UUID") == one.uuid)
    one.file = world.path("one.img")
    loop.hold_another(one)
    view.wait("the first", lambda p: p.get("UUID") == uuid and p.get("State") == "fresh")


@test
def mounts_in_another_namespace_are_ignored(world):
    daemon = world.daemon()
    disk = world.disk(esps=0)
    disk.volume.shell("true")  # mounts it where nobody else can see it
    probe = world.disk(name="probe", esps=0)
    probe.mount()
    daemon.volume(probe.volume.name).wait_state("plain")
    assert disk.volume.name not in [v.get("Name") for v in daemon.objects.values()]
    assert not [line for line in daemon.lines if disk.volume.name in line], daemon.lines


@test
def volumes_at_odd_places_are_watched_and_built(world):
    for i, name in enumerate(("with space", "new\nline", "t\u00e4st\u2713", "back\\slash\ttab")):
        disk = world.disk(name=f"d{i}", esps=0, volume_mib=32)
        disk.mountpoint = world.path(name)
        os.mkdir(disk.mountpoint)
        disk.mount()
        volume = Volume(world, disk)
        volume.populate()
    daemon = world.daemon()
    assert sorted(v["MountPoint"] for v in daemon.objects.values()
                  if v.get("MountPoint", "").startswith(world.folder)) == sorted(
        world.path(name) for name in ("with space", "new\nline", "t\u00e4st\u2713", "back\\slash\ttab"))
    for path in [v["Name"] for v in daemon.objects.values() if v.get("MountPoint", "").startswith(world.folder)]:
        view = daemon.volume(path)
        daemon.call("Trust", "s", path)
        view.wait_state("fresh", timeout=60)


@test
def a_covered_volume_is_left_alone_until_it_is_uncovered(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    mount_tmpfs(volume.root)
    view.wait_gone()
    umount(volume.root)
    view.wait_state("fresh")
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "uncovered\n")
    assert view.wait_build(builds)[0] == 0


@test
def a_manifest_hidden_by_a_mount_is_picked_up_when_that_is_gone(world):
    volume = world.volume(esps=0)
    daemon = world.daemon(config={"Watch": {"SettleMaxSec": "1"}})  # the interval of the timer too
    view = daemon.trusted(volume)
    runs = volume.runs()
    folder = volume.path("/etc/bootkeep")
    mount_tmpfs(folder)
    volume.write("/etc/initramfs.conf", "while it is hidden\n")
    view.wait_state("refused")
    daemon.wait_for(f"{volume.name}: not watched, scanned on a timer: a mount covers")
    umount(folder)
    view.wait("built", lambda p: volume.runs() > runs and p.get("State") == "fresh")
    daemon.wait_for(f"{volume.name}: watched again")


@test
def a_mount_inside_a_source_tree_causes_a_scan_when_it_appears_and_when_it_is_gone(world):
    volume = world.volume(esps=0)
    place = f"/usr/lib/modules/{KERNEL}/kernel/extra"
    volume.write(f"{place}/module", "below")
    view = world.daemon().trusted(volume)
    for change in (mount_tmpfs, umount):
        runs = volume.runs()
        change(volume.path(place))
        view.wait("built", lambda p, n=runs: volume.runs() > n and p.get("State") == "fresh")


@test
def a_mount_elsewhere_on_a_volume_is_no_change(world):
    volume = world.volume(esps=0)
    os.mkdir(volume.path("/srv"))
    daemon = world.daemon()
    view = daemon.trusted(volume)
    before = len(view.states)
    for change in (mount_tmpfs, umount):
        change(volume.path("/srv"))
        other = world.volume(esps=0, name=change.__name__)  # after it the mount table was read
        daemon.volume(other.name)
    assert view.states[before:] == [], view.states


@test
def what_a_mount_covers_waits_and_is_built_when_that_goes(world):
    """It is no failure, and it keeps nobody from going down: there may be no other way to use the volume."""
    volume = world.volume(esps=0)
    daemon = world.daemon(config={"Build": {"MaxFailures": "1", "RetrySec": "60"}})
    view = daemon.trusted(volume)
    runs = volume.runs()
    mount_tmpfs(volume.path("/boot"))
    view.wait("held back", lambda p: p["State"] == "stale" and p["StateReason"].endswith(
        "; held back: a mount covers /boot/initrd-6.1.0"))
    volume.write("/etc/initramfs.conf", "while it is covered\n")
    view.wait("held back", lambda p: p["State"] == "stale" and "initramfs.conf" in p["StateReason"])
    try:
        daemon.call("Rebuild", "su", volume.name, 0)
        raise AssertionError("it was built")
    except DBusError as e:
        assert e.name.endswith(".NotReady") and "a mount covers /boot/initrd" in e.message, (e.name, e.message)
    assert daemon.call("Flush", "t", 20_000_000) == [[]]
    assert not view["Busy"] and view["Failures"] == 0 and volume.runs() == runs, view.properties
    umount(volume.path("/boot"))
    view.wait("built", lambda p: volume.runs() == runs + 1 and p.get("State") == "fresh")
    assert volume.read("/boot/initrd-6.1.0") == volume.packed() and view["Failures"] == 0


@test
def what_no_mount_covers_is_built_and_the_rest_put_off(world):
    volume = world.volume(esps=0)
    volume.write("/srv/.keep", "")
    volume.write(MANIFEST, manifest(CACHE, cache("other", "other", "/etc/initramfs.conf", "/srv/other")))
    volume.builder("other", 'cp "$1" "$2"\n', "%s", "%o")
    daemon = world.daemon(config={"Build": {"MaxFailures": "1", "RetrySec": "60"}})
    view = daemon.trusted(volume)
    mount_tmpfs(volume.path("/boot"))
    volume.write("/etc/initramfs.conf", "while one is covered\n")
    view.wait("held back", lambda p: volume.runs("other") == 2 and p["State"] == "stale" and p["StateReason"].endswith(
        "; held back: a mount covers /boot/initrd-6.1.0"))
    assert view["LastBuildStatus"] == 75 and view["Failures"] == 0, view.properties
    umount(volume.path("/boot"))
    daemon.call("Rebuild", "su", volume.name, 0)
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def a_build_by_hand_says_what_is_covered(world):
    volume = world.volume(esps=0)
    mount_tmpfs(volume.path("/boot"))
    result = world.programs.build(volume).expect(75, "not-now")
    assert "/boot/initrd-6.1.0 is not on the volume" in result.reason, result.reason
    umount(volume.path("/boot"))
    world.programs.build(volume).expect(0, "success")


@test
def a_folder_renamed_above_a_volume_does_not_lose_it(world):
    """There is no event: neither the mounts nor the watched folders have changed."""
    disk = world.disk(esps=0)
    disk.mountpoint = world.path("above/mnt")
    os.makedirs(disk.mountpoint)
    disk.mount()
    volume = Volume(world, disk)
    volume.populate()
    view = world.daemon().trusted(volume)
    runs = volume.runs()
    os.rename(world.path("above"), world.path("renamed"))
    volume.root = disk.mountpoint = world.path("renamed/mnt")
    volume.write("/etc/initramfs.conf", "after the rename\n")
    view.wait("built", lambda p: volume.runs() > runs and p.get("State") == "fresh")
    assert view["MountPoint"] == volume.root


@test
def a_lazily_unmounted_volume_is_gone_even_if_somebody_holds_it(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    fd = os.open(volume.path("/etc"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        umount(volume.root, MNT_DETACH)
        view.wait_gone()
    finally:
        os.close(fd)


@test
def a_volume_mounted_for_a_moment_is_not_found_busy(world):
    volume = world.volume(esps=0)
    daemon = world.daemon(config={"Watch": {"SettleSec": "5"}})
    assert daemon.call("Scan", "s", volume.name)  # after that none is running
    for i in range(20):
        umount(volume.root)
        volume.disk.mount()
        time.sleep(0.002 * i)
    daemon.volume(volume.name).wait_state("untrusted")  # and scanned in the end
    umount(volume.root)
    daemon.volume(volume.name).wait_gone()
    volume.disk.mount()
    assert daemon.call("Scan", "s", volume.name)  # a request does not wait


@test
def an_unmount_is_not_a_change_to_scan(world):
    """The watch is notified at once, the table later: here while it waits, since it was read just now."""
    volume = world.volume(esps=0)
    daemon = world.daemon(config={"Watch": {"SettleSec": "1ms"}})
    view = daemon.volume(volume.name)
    before = world.path("before")
    os.mkdir(before)
    for _ in range(5):
        view.wait_state("untrusted")
        assert daemon.call("Scan", "s", volume.name)  # after that none is running
        mount_tmpfs(before)
        run("umount", volume.root)
        umount(before)
        view.wait_gone()
        volume.disk.mount()
    assert not daemon.logged("failed")


@test
def without_permission_for_mount_events_the_table_is_read(world):
    daemon = world.daemon(level="debug", prefix=("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"))
    assert any("mount table by mountinfo: yes" in line for line in daemon.lines), daemon.lines
    disk = world.disk(esps=0)
    view = daemon.volume(disk.volume.name)
    for change, there in ((disk.mount, True), (lambda: disk.remount("ro"), False),
                          (lambda: disk.remount("rw"), True), (disk.umount, False)):
        change()
        if there:
            view.wait_state("plain")  # its scan, which would hold the mount, has exited
        else:
            view.wait_gone()


@test
def a_udev_that_runs_for_the_first_time_is_noticed(world):
    volume = world.volume()
    udev_settle()
    known = world.path("udev")
    os.mkdir(known)
    hide = f'mount --bind /run/udev {known} && mount -t tmpfs run /run && exec "$@"'
    daemon = world.daemon(prefix=["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", hide, "sh"])
    view = daemon.volume(volume.name).wait_state("untrusted")
    uuid = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
    assert view["UUID"] == "", view.properties
    device = os.stat(volume.disk.volume.node).st_rdev
    file = f"data/b{os.major(device)}:{os.minor(device)}"
    for change, expected in (("", volume.disk.volume.uuid), (f"s/ID_FS_UUID=.*/ID_FS_UUID={uuid}/", uuid)):
        run("nsenter", "--mount", f"--target={daemon.process.pid}", "sh", "-ec", f"mkdir -p /run/udev/data; "
            f"sed '{change}' {known}/{file} >/run/udev/new; mv /run/udev/new /run/udev/{file}")
        view.wait("known to udev", lambda p, expected=expected: p.get("UUID") == expected)


main()
