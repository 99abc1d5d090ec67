#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeep-scan in its sandbox, as installed: everything it is meant to do still works, and none of it attempts what
is forbidden. What an intruder would try is tried by tests/unit/test-sandbox.c."""

import os
import re
import shutil
import socket

from lib import Skip, main, test
from lib.content import KERNEL, MANIFEST, cache, manifest
from lib.disk import kernel_has, run
from lib.programs import Result, environment, plain_scan

FRESH, STALE, NO_MANIFEST, REFUSED, ERROR = range(5)


def scan(world, volume, *arguments, prefix=(), **options):
    command = world.programs.scan_command(volume, *arguments, of=plain_scan())
    return Result(world.programs.run([*prefix, *command], **options))


def calls_inside(trace):
    """The lines of strace after the one that loads the filter."""
    with open(trace, encoding="utf-8", errors="replace") as f:
        lines = f.readlines()
    entered = max(i for i, line in enumerate(lines) if "SECCOMP_SET_MODE_FILTER" in line and "= 0" in line)
    return lines[entered + 1:]


def no_call_is_forbidden(world, fs):
    if not shutil.which("strace"):
        raise Skip("no strace")
    if not kernel_has(fs):
        raise Skip(f"no {fs}")
    volume = world.volume(fs=fs, volume_mib=320)
    volume.symlink("/etc/link", "initramfs.conf")
    volume.write("/etc/shared", "x")
    os.link(volume.path("/etc/shared"), volume.path(f"/usr/lib/modules/{KERNEL}/shared"))
    os.mkfifo(volume.path(f"/usr/lib/modules/{KERNEL}/fifo"))
    volume.write(MANIFEST, manifest(cache("links", "pack", "/etc/link", "/boot/links")).replace(
        "</bootcaches>", manifest().split(">", 2)[2]))
    world.programs.build(volume)
    trace = world.path("trace")
    for expected in (None, STALE):
        result = scan(world, volume, prefix=["strace", "-f", "-o", trace])
        assert expected is None or result.status == expected, (result.status, result.stdout)
        calls = calls_inside(trace)
        assert len(calls) > 100, calls
        bad = [c for c in calls if re.search(r"EPERM|EACCES|SIGSYS|ENOSYS|O_WRONLY|O_RDWR|O_CREAT", c)]
        assert not bad, "".join(bad)
        volume.write("/etc/initramfs.conf", "compress=yes\n")


@test
def a_scan_of_ext4_makes_no_forbidden_call(world):
    no_call_is_forbidden(world, "ext4")


@test
def a_scan_of_xfs_makes_no_forbidden_call(world):
    no_call_is_forbidden(world, "xfs")


@test
def a_scan_of_btrfs_makes_no_forbidden_call(world):
    no_call_is_forbidden(world, "btrfs")


@test
def every_outcome_is_reached(world):
    volume = world.volume()
    scan(world, volume).expect(STALE, "stale")
    world.programs.build(volume).expect(0, "success")
    scan(world, volume).expect(FRESH, "fresh")
    volume.write("/boot/splash.bmp", "BM other")
    result = scan(world, volume).expect(STALE, "stale")
    assert all(h[3:6] == ["stale", "/boot/splash.bmp", "changed"] for h in result.all("HELPER")), result.stdout
    volume.write(MANIFEST, "<nonsense/>")
    scan(world, volume).expect(REFUSED, "refused")
    volume.remove(MANIFEST)
    scan(world, volume).expect(NO_MANIFEST, "none")
    scan(world, volume, "--mount-id=1").expect(ERROR, "error")


@test
def files_that_only_root_may_read_are_read(world):
    volume = world.volume()
    volume.write("/etc/secret/initramfs.conf", "x", mode=0o600)
    os.chmod(volume.path("/etc/secret"), 0o700)
    os.chmod(volume.path(f"/usr/lib/modules/{KERNEL}"), 0o700)
    os.chmod(volume.path(MANIFEST), 0o600)
    os.chmod(volume.builders, 0o700)
    os.chmod(os.path.join(volume.builders, "pack.conf"), 0o600)
    volume.write(MANIFEST, manifest(cache("secret", "pack", "/etc/secret/initramfs.conf", "/boot/secret")), mode=0o600)
    result = scan(world, volume).expect(STALE)
    assert result.one("CACHE", "secret", "-") == ["stale", "-", "never"], result.stdout


@test
def stamps_below_another_mount_are_reached(world):
    """Through a clone of the mount, which no path leads to."""
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    run("mount", "-t", "tmpfs", "bootkeep-test", volume.path("/var"))
    try:
        scan(world, volume).expect(FRESH)
    finally:
        run("umount", volume.path("/var"))


@test
def a_stamp_too_large_for_its_memory_means_stale(world):
    volume = world.volume(volume_mib=200)
    world.programs.build(volume).expect(0, "success")
    stamp = f"/var/lib/bootkeep/caches/initramfs@{KERNEL}.stamp"
    head = re.sub(r"(?m)^fingerprint .*$", "fingerprint " + "0" * 32, volume.read(stamp).decode().split("\nfile ")[0])
    for lines in ("".join(f"file /{i:040} {i:020}\n" for i in range(900000)), f"file /{'x' * (60 << 20)} 0\n"):
        volume.write(stamp, f"{head}\n{lines}")
        result = scan(world, volume).expect(STALE, "stale")
        assert result.one("CACHE", "initramfs", KERNEL)[0] == "stale", result.stdout
    world.programs.build(volume).expect(0, "success")
    scan(world, volume).expect(FRESH)


@test
def a_message_to_the_journal_needs_no_new_socket(world):
    """For programs started by systemd stderr is a stream to the journal; the sandbox allows no other way there."""
    volume = world.volume()
    volume.write(MANIFEST, manifest('\n  <cache name="x" colour="red"/>'))
    ours, its = socket.socketpair()
    with ours, its:
        s = os.fstat(its.fileno())
        env = environment(JOURNAL_STREAM=f"{s.st_dev}:{s.st_ino}")
        process = world.programs.run(world.programs.scan_command(volume, of=plain_scan()), env=env, stderr=its)
        its.close()
        said = ours.makefile("r", encoding="utf-8").read()
    assert process.returncode == REFUSED, process.returncode
    assert said.startswith(f"<3>bootkeep-scan: {volume.name}: {MANIFEST}:3: "), said


main()
