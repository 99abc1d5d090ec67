#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds builds back, and for how long: package managers, a recent boot, continuing change."""

import fcntl
import os
import struct
import subprocess
import threading
import time

from lib import Skip, main, test
from lib.content import PACK, Gate

F_OFD_SETLK = 37


def lock_fcntl(fd):
    fcntl.lockf(fd, fcntl.LOCK_EX)


def lock_ofd(fd):
    fcntl.fcntl(fd, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def lock_flock(fd):
    fcntl.flock(fd, fcntl.LOCK_EX)


def uptime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def hold(world, lock):
    """A package manager's lock file, and the descriptor that holds the lock."""
    path = world.path("frontend.lock")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    lock(fd)
    return path, fd


def holding_daemon(world, path, **watch):
    return world.daemon(config={"Watch": {"HoldWhileLocked": path, **watch}})


def is_held(lock):
    """Tests one kind of lock: builds are held back, this is reported, and it ends soon after the release."""
    def run(world):
        volume = world.volume()
        path = world.path("frontend.lock")
        daemon = holding_daemon(world, f"/nowhere/else {path}")
        view = daemon.trusted(volume)
        builds = len(view.builds)
        path, fd = hold(world, lock)
        mark = daemon.mark()
        volume.write("/etc/initramfs.conf", "another\n")
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        daemon.wait_for(f"held back: {path} is locked", mark)
        said = world.programs.ctl("status", volume.name).stdout
        assert "held back while a package manager works" in said, said
        assert "/etc/initramfs.conf changed" in said, said  # the reason why it is stale is still shown
        assert len(view.builds) == builds and view["State"] == "stale"
        released = time.monotonic()
        os.close(fd)
        view.wait_state("building", "scanning", "fresh")
        assert time.monotonic() - released < 30, "nobody looked at the lock file"
        view.wait_build(builds)
        view.wait_state("fresh")
        assert volume.read("/boot/initrd-6.1.0") == volume.packed()
    return run


@test
def a_fcntl_lock_holds_builds_back(world):
    is_held(lock_fcntl)(world)


@test
def an_ofd_lock_holds_builds_back(world):
    is_held(lock_ofd)(world)


@test
def a_flock_lock_holds_builds_back(world):
    is_held(lock_flock)(world)


@test
def a_file_that_is_open_but_not_locked_holds_nothing_back(world):
    volume = world.volume()
    path, fd = hold(world, lambda fd: None)
    holding_daemon(world, path).trusted(volume)
    os.close(fd)


@test
def the_lock_is_checked_once_a_second_and_only_while_work_waits(world):
    if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL).returncode != 0:
        raise Skip("no strace")
    volume = world.volume()
    path, fd = hold(world, lock_flock)
    daemon = holding_daemon(world, path)
    view = daemon.volume(volume.name)
    view.wait_state("untrusted")
    command = ["strace", "-qq", "-ttt", "-e", "trace=openat", "-p", str(daemon.process.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as strace:
        daemon.call("Trust", "s", volume.name)
        looks = []
        for line in strace.stderr:
            if "/proc/locks" in line and view["State"] == "stale":
                looks.append(float(next(w for w in line.split() if "." in w and w[0].isdigit())))
            if len(looks) == 6:
                break
        # other events may cause it to be checked as well, so the total counts, not each step
        assert looks[-1] - looks[0] >= 0.95 * 4, looks
        assert looks[-1] - looks[0] < 8, looks
        os.close(fd)
        view.wait_state("fresh", timeout=60)
        volume.write("/etc/initramfs.conf", "another\n")  # something to do, so that the trace has an end
        view.wait("changed", lambda p: p["State"] != "fresh")
        strace.terminate()
        strace.stderr.read()


@test
def a_lock_file_that_exists_holds_builds_back_until_it_is_removed(world):
    """As pacman's db.lck, which is never locked."""
    volume = world.volume()
    path = world.path("db.lck")
    daemon = world.daemon(config={"Watch": {"HoldWhileExists": path}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    for i in range(2):
        mark = daemon.mark()
        with open(path, "x", encoding="ascii"):
            pass
        volume.write("/etc/initramfs.conf", f"{i}\n")
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        daemon.wait_for(f"held back: {path} exists", mark)
        volume.write("/etc/initramfs.conf", f"{i} again\n")  # it goes on working, and each scan sees the same
        view.wait_state("settling", "scanning")
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        assert len(view.builds) == builds
        os.unlink(path)
        assert view.wait_build(builds)[0] == 0
        builds += 1
        view.wait_state("fresh")
        daemon.wait_for("no longer held back", mark)
        assert len(daemon.logged("are held back", mark)) == len(daemon.logged("no longer held", mark)) == 1
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def a_package_manager_in_a_volume_holds_that_volume_and_one_on_the_host_all(world):
    volumes = [world.volume(name=f"v{i}") for i in range(2)]
    path = world.path("frontend.lock")
    daemon = holding_daemon(world, path)
    views = [daemon.trusted(v) for v in volumes]

    def change():
        for volume in volumes:
            volume.write("/etc/initramfs.conf", volume.read("/etc/initramfs.conf") + b"more\n")

    # where the folder of the lock file is made only now, below one that was there
    inside = volumes[0].path(path)
    os.makedirs(os.path.dirname(inside))
    fd = os.open(inside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    lock_fcntl(fd)
    builds = [len(v.builds) for v in views]
    change()
    views[0].wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
    views[1].wait_build(builds[1])
    views[1].wait_state("fresh")
    assert len(views[0].builds) == builds[0]
    os.close(fd)
    views[0].wait_build(builds[0])
    views[0].wait_state("fresh")
    # on the host
    _, fd = hold(world, lock_flock)
    builds = [len(v.builds) for v in views]
    mark = daemon.mark()
    change()
    for view in views:
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
    assert [len(v.builds) for v in views] == builds
    daemon.wait_for("are held back", mark)
    assert len(daemon.logged("are held back", mark)) == 1, daemon.logged("held back", mark)
    os.close(fd)
    for view, n in zip(views, builds):
        view.wait_build(n)
        view.wait_state("fresh")


@test
def the_daemon_itself_accesses_no_lock_file(world):
    """The disk that it is on may hang."""
    if subprocess.run(["sh", "-c", "command -v strace"], stdout=subprocess.DEVNULL).returncode != 0:
        raise Skip("no strace")
    volume = world.volume()
    path, exists = world.path("frontend.lock"), world.path("db.lck")
    daemon = holding_daemon(world, path, HoldWhileExists=exists)
    view = daemon.trusted(volume)
    trace = world.path("trace")
    command = ["strace", "-qq", "-e", "trace=%file", "-o", trace, "-p", str(daemon.process.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as strace:
        while not os.path.exists(trace):
            time.sleep(0.01)
        _, fd = hold(world, lock_flock)
        with open(exists, "x", encoding="ascii"):
            pass
        volume.write("/etc/initramfs.conf", "another\n")
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        os.unlink(exists)
        os.close(fd)
        view.wait_state("building", "scanning", "fresh")
        view.wait_state("fresh")
        strace.terminate()
    with open(trace, encoding="utf-8", errors="replace") as f:
        calls = f.read()
    assert "/proc/locks" in calls, calls
    assert "frontend.lock" not in calls and "db.lck" not in calls, calls


@test
def a_requested_rebuild_does_not_wait(world):
    volume = world.volume()
    path = world.path("frontend.lock")
    daemon = holding_daemon(world, path)
    view = daemon.trusted(volume)
    _, fd = hold(world, lock_flock)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
    assert world.programs.ctl("rebuild", volume.name).returncode == 0
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()
    os.close(fd)


@test
def a_caller_in_a_hurry_does_not_race_a_package_manager(world):
    volume = world.volume()
    path = world.path("frontend.lock")
    daemon = holding_daemon(world, path, SettleSec="60", SettleMaxSec="120")
    view = daemon.trusted(volume)
    runs = volume.runs()
    _, fd = hold(world, lock_flock)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("settling")  # so nobody has checked for the package manager yet
    assert daemon.call("Flush", "t", 2_000_000) == [[volume.name]]
    assert "package manager" in view["StateReason"] and volume.runs() == runs, view.properties
    os.close(fd)
    view.wait_state("fresh")
    assert volume.runs() == runs + 1


@test
def changes_while_builds_are_held_back_are_built_once_afterwards(world):
    volume = world.volume()
    path = world.path("frontend.lock")
    daemon = holding_daemon(world, path)
    view = daemon.trusted(volume)
    runs = volume.runs()
    _, fd = hold(world, lock_fcntl)
    for i in range(3):
        volume.write("/etc/initramfs.conf", f"{i}\n" * (i + 1))
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
    os.close(fd)
    view.wait("built", lambda p: volume.runs() > runs and p.get("State") == "fresh")
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()
    assert volume.runs() == runs + 1, volume.runs() - runs


@test
def several_package_managers_in_a_row_are_one_hold(world):
    """As many runs of dpkg as somebody's script makes: nothing is built in between, and each thing is said once."""
    volume = world.volume()
    path = world.path("frontend.lock")
    daemon = holding_daemon(world, path, SettleSec="60", SettleMaxSec="60")
    view = daemon.trusted(volume)
    runs = volume.runs()
    mark = daemon.mark()
    for i in range(3):
        _, fd = hold(world, lock_fcntl)
        volume.write("/etc/initramfs.conf", f"{i}\n")
        assert daemon.call("Scan", "s", volume.name) == ["stale"]
        view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        os.close(fd)
        assert daemon.call("Scan", "s", volume.name) == ["stale"]  # whatever happens, the lock is checked after that
    assert volume.runs() == runs
    assert not daemon.logged("no longer held", mark)
    assert daemon.call("Flush", "t", 60_000_000) == [[]]  # who is in a hurry does not wait for the time to pass
    assert volume.runs() == runs + 1
    said = daemon.logged("Builds are", mark)
    assert [line.rsplit("Builds are ", 1)[1][:9] for line in said] == ["held back", "no longer"], said


@test
def shortly_after_boot_builds_wait(world):
    volume = world.volume()
    end = int(uptime()) + 7
    daemon = world.daemon(config={"Watch": {"BootDelaySec": str(end)}})
    view = daemon.volume(volume.name).wait_state("untrusted")
    daemon.call("Trust", "s", volume.name)
    view.wait("held back", lambda p: "just booted" in p.get("StateReason", ""))
    assert "held back because the machine has just booted" in world.programs.ctl("status", volume.name).stdout
    view.wait_state("building", "fresh")
    assert end <= uptime() < end + 2, (end, uptime())
    view.wait_state("fresh")


@test
def a_mere_restart_is_no_boot(world):
    volume = world.volume()
    passed = str(int(uptime()))
    daemon = world.daemon(config={"Watch": {"BootDelaySec": passed}})
    daemon.trusted(volume)
    daemon.stop()
    volume.write("/etc/initramfs.conf", "another\n")
    daemon.start()
    view = daemon.volume(volume.name)
    view.wait("built", lambda p: volume.runs() == 2 and p.get("State") == "fresh", 20)
    assert not daemon.logged("just booted")


@test
def a_file_that_is_still_being_written_is_not_built_from(world):
    """The kernel merges equal events that follow each other: a queue that does not grow does not mean quiet."""
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "1", "SettleMaxSec": "60"}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    written = threading.Event()

    def write():
        with open(volume.path("/etc/initramfs.conf"), "wb", buffering=0) as f:
            end = time.monotonic() + 4
            while not written.wait(0.05) and time.monotonic() < end:
                f.write(b"another line\n")
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with daemon.changed:
            daemon.changed.wait_for(lambda: len(view._builds()) > builds or written.is_set(), 30)
            assert len(view._builds()) == builds, "built while it was being written"
    finally:
        written.set()
        writer.join()
    view.wait_build(builds)
    view.wait_state("fresh")
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()


@test
def each_change_during_a_build_leads_to_another(world):
    volume = world.volume()
    gate = Gate(world)
    view = world.daemon().trusted(volume)
    volume.builder("pack", PACK + gate.script, "%r", "%i", "%o")
    runs = volume.runs()
    for i in range(3):
        volume.write("/etc/initramfs.conf", f"{i}\n" * (i + 1))
        if i == 0:
            gate.await_builder()
        volume.write(f"/usr/lib/modules/6.1.0/new{i}", "x")  # while it is being built
        gate.open()
        gate.await_builder()  # another build, for that
    gate.open()
    view.wait_state("fresh")
    assert volume.read("/boot/initrd-6.1.0") == volume.packed()
    assert volume.runs() == runs + 4, volume.runs() - runs


main()
