#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeep-scan by hand: records and exit statuses."""

import ctypes
import os
import pathlib
import socket
import time

from lib import main, test
from lib.content import KERNEL, MANIFEST, OUTPUT, VENDOR_MANIFEST, cache, manifest
from lib.disk import run
from lib.programs import Programs, Result, environment, plain_scan, program

FRESH, STALE, NO_MANIFEST, REFUSED, ERROR = range(5)
CLONE_NEWUSER = 0x10000000


@test
def a_volume_without_a_manifest_is_status_2(world):
    volume = world.volume()
    volume.remove(MANIFEST)
    world.programs.scan(volume).expect(NO_MANIFEST, "none")


@test
def without_a_manifest_it_does_not_matter_that_stamps_cannot_be_kept(world):
    volume = world.volume()
    volume.write("/var", "a file")
    result = world.programs.scan(volume).expect(ERROR, "error")
    assert result.reason == "/var/lib/bootkeep: a component of this path is not a directory", result.reason
    volume.remove("/var")
    volume.symlink("/var", "usr")
    result = world.programs.scan(volume).expect(ERROR, "error")
    assert result.reason.startswith("/var/lib/bootkeep: symbolic links in this path"), result.reason
    volume.remove(MANIFEST)
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("plain")
    volume.write(MANIFEST, manifest())
    view.wait("the link told", lambda p: "symbolic link" in p["StateReason"])


@test
def a_cache_that_was_never_built_is_stale_and_says_so(world):
    volume = world.volume()
    result = world.programs.scan(volume).expect(STALE, "stale")
    assert result.one("MANIFEST") == [MANIFEST]
    assert result.one("CACHE", "initramfs", KERNEL)[0] == "stale"
    for helper in volume.disk.helpers:
        assert result.one("HELPER", helper.name, "esp", helper.partuuid)[0] == "stale"
    assert result.records[-1] == ["RESULT", "stale"], result.stdout


@test
def what_was_built_is_fresh(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    result = world.programs.scan(volume).expect(FRESH, "fresh")
    assert result.one("CACHE", "initramfs", KERNEL) == ["fresh"]
    for helper in volume.disk.helpers:
        assert result.one("HELPER", helper.name, "esp", helper.partuuid) == ["fresh"]


@test
def a_changed_source_is_named_with_what_changed(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.write("/etc/initramfs.conf", "compress=zstd -19\n")
    result = world.programs.scan(volume).expect(STALE, "stale")
    state, path, *what = result.one("CACHE", "initramfs", KERNEL)
    assert (state, path, what[0]) == ("stale", "/etc/initramfs.conf", "changed"), result.stdout


@test
def the_time_of_a_change_is_local(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.write("/etc/initramfs.conf", "compress=zstd -19\n")
    changed = int(os.stat(volume.path("/etc/initramfs.conf")).st_ctime)
    zones = {"UTC0": 0, "EAST-5:30": 19800}
    if os.path.exists("/usr/share/zoneinfo/Asia/Kolkata"):  # a file: not to be read in the sandbox
        zones["Asia/Kolkata"] = 19800
    for zone, ahead in zones.items():
        result = world.programs.scan(volume, env=environment(TZ=zone)).expect(STALE)
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(changed + ahead))
        assert result.one("CACHE", "initramfs", KERNEL)[2:] == ["changed", *f"size, mtime, {at}".split()], zone
    volume.remove("/etc/initramfs.conf")
    gone = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(int(os.stat(volume.path("/etc")).st_mtime)))
    result = world.programs.scan(volume, env=environment(TZ="UTC0")).expect(STALE)
    assert result.one("CACHE", "initramfs", KERNEL)[1:] == ["/etc/initramfs.conf", "gone", *f"by {gone}".split()]


@test
def new_and_vanished_sources_are_named(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.write(f"/usr/lib/modules/{KERNEL}/extra/dm.ko", "dm")
    state, path, what, *_ = world.programs.scan(volume).expect(STALE).one("CACHE", "initramfs", KERNEL)
    assert (state, what) == ("stale", "new") and path.startswith(f"/usr/lib/modules/{KERNEL}/extra"), path
    run("rm", "-r", volume.path(f"/usr/lib/modules/{KERNEL}/extra"))
    volume.remove("/etc/initramfs.conf")
    state, path, what, *_ = world.programs.scan(volume).expect(STALE).one("CACHE", "initramfs", KERNEL)
    assert (state, path, what) == ("stale", "/etc/initramfs.conf", "gone")


@test
def a_missing_output_makes_its_cache_stale(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.remove(OUTPUT)
    state, path, what, *_ = world.programs.scan(volume).expect(STALE).one("CACHE", "initramfs", KERNEL)
    assert (state, path, what) == ("stale", OUTPUT, "missing")


@test
def a_formatted_helper_is_stale_even_if_its_stamp_matches(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    first, second = volume.disk.helpers
    first.make_fs()
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("HELPER", first.name, "esp", first.partuuid)[0] == "stale"
    assert result.one("HELPER", second.name, "esp", second.partuuid) == ["fresh"]


@test
def a_copied_file_that_changed_makes_the_helpers_stale_and_no_cache(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.write("/boot/splash.bmp", "BM another")
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("CACHE", "initramfs", KERNEL) == ["fresh"]
    for helper in volume.disk.helpers:
        assert result.one("HELPER", helper.name, "esp", helper.partuuid)[:3] == ["stale", "/boot/splash.bmp",
                                                                               "changed"]


@test
def each_kernel_is_an_instance_of_its_own(world):
    volume = world.volume()
    volume.kernel("6.2.0")
    world.programs.build(volume).expect(0, "success")
    volume.write("/usr/lib/modules/6.2.0/modules", "other modules\n")
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("CACHE", "initramfs", KERNEL) == ["fresh"]
    assert result.one("CACHE", "initramfs", "6.2.0")[0] == "stale"


@test
def a_changed_builder_makes_its_caches_stale(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    volume.builder("pack", "cat $1/usr/lib/modules/$2/modules >$3", "%r", "%i", "%o", TimeoutSec="30")
    world.programs.scan(volume).expect(FRESH)  # the same command: the timeout does not affect the output
    volume.builder("pack", "cat $1/usr/lib/modules/$2/modules >$3", "%r", "%i", "%o", "--more")
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("CACHE", "initramfs", KERNEL)[0] == "stale"


@test
def the_administrators_manifest_takes_precedence_over_the_vendors(world):
    volume = world.volume()
    volume.write(VENDOR_MANIFEST, "not even XML")
    assert world.programs.scan(volume).expect(STALE).one("MANIFEST") == [MANIFEST]
    volume.remove(MANIFEST)
    world.programs.scan(volume).expect(REFUSED, "refused")
    volume.write(VENDOR_MANIFEST, manifest())
    assert world.programs.scan(volume).expect(STALE).one("MANIFEST") == [VENDOR_MANIFEST]


@test
def a_refusal_names_file_and_line_on_stdout_and_on_stderr(world):
    volume = world.volume()
    volume.write(MANIFEST, manifest('\n  <cache name="x" colour="red"/>'))
    result = world.programs.scan(volume).expect(REFUSED, "refused")
    assert f"{MANIFEST}:3: " in result.reason, result.stdout
    assert f"{MANIFEST}:3: " in result.stderr, result.stderr
    result = world.programs.scan(volume, "--quiet").expect(REFUSED, "refused")
    assert result.stderr == "", result.stderr


@test
def names_may_contain_any_byte(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    odd = f"/usr/lib/modules/{KERNEL}/new\nline \\ \x1b[31m ü"
    volume.write(odd, "x")
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("CACHE", "initramfs", KERNEL)[1] == odd, result.stdout
    assert "\x1b" not in result.stdout + result.stderr


@test
def with_too_many_files_it_says_that_it_does_not_know_which_changed(world):
    volume = world.volume()
    world.programs.build(volume).expect(0, "success")
    stamp = f"/var/lib/bootkeep/caches/initramfs@{KERNEL}.stamp"
    lines = volume.read(stamp).decode().splitlines(keepends=True)
    first = next(i for i, line in enumerate(lines) if line.startswith("file "))
    volume.write(stamp, "".join([*lines[:first], "more 1\n", *(l for l in lines[first:] if "initramfs.conf" not in l)]))
    world.programs.scan(volume).expect(0, "fresh")
    volume.write("/etc/initramfs.conf", "another\n")
    result = world.programs.scan(volume).expect(STALE)
    assert "the stamp has no room for" in result.one("CACHE", "initramfs", KERNEL)[1], result.stdout


@test
def a_scan_writes_nothing(world):
    volume = world.volume()
    before = volume.listing()
    world.programs.scan(volume).expect(STALE)
    assert volume.listing() == before
    assert not volume.exists("/var/lib/bootkeep")


@test
def a_fifo_socket_or_device_among_the_sources_blocks_nothing(world):
    volume = world.volume()
    os.mkfifo(volume.path(f"/usr/lib/modules/{KERNEL}/fifo"))
    os.mknod(volume.path(f"/usr/lib/modules/{KERNEL}/tty"), 0o20666, os.makedev(5, 0))
    world.programs.scan(volume).expect(STALE, "stale")


@test
def xbootldr_is_found_and_named(world):
    volume = world.volume(esps=1, xbootldr=True)
    result = world.programs.scan(volume).expect(STALE)
    x = volume.disk.xbootldr
    assert result.one("HELPER", x.name, "xbootldr", x.partuuid)
    assert len(result.all("HELPER")) == 2


@test
def a_volume_without_helpers_is_scanned_for_its_caches(world):
    volume = world.volume(esps=0)
    result = world.programs.scan(volume).expect(STALE)
    assert result.all("HELPER") == []


@test
def a_missing_source_is_reported_only_for_its_cache(world):
    volume = world.volume()
    world.programs.build(volume).expect(0)
    volume.write("/etc/here", "x")
    volume.write(MANIFEST, manifest(cache("good", "pack", "/etc/here", "/boot/good"),
                                    cache("bad", "pack", "/etc/nowhere", "/boot/bad")))
    result = world.programs.scan(volume).expect(STALE)
    assert result.one("CACHE", "bad", "-")[:3] == ["stale", "/etc/nowhere", "missing"], result.stdout
    assert result.one("CACHE", "good", "-")[0] == "stale"


@test
def a_path_that_is_not_the_mount_point_of_a_disk_is_an_error(world):
    volume = world.volume()
    scan = program("bootkeep-scan")
    for place in (volume.path("/boot"), "/proc", "/nowhere"):
        process = world.programs.run([scan, place])
        assert process.returncode == ERROR, (place, process.returncode)
        assert place in process.stderr, process.stderr


@test
def a_mount_id_other_than_the_requested_one_is_an_error(world):
    volume = world.volume()
    result = world.programs.scan(volume, "--mount-id=1").expect(ERROR, "error")
    assert result.reason


@test
def wrong_usage_is_status_4_with_a_message(world):
    scan = program("bootkeep-scan")
    at = world.path("nowhere")
    for arguments in ([], ["--nonsense", at], [at, at], ["--mount-id=x", at], ["--inotify-fd=x", at],
                      ["--trust-ctime=perhaps", at]):
        process = world.programs.run([scan, *arguments])
        assert process.returncode == ERROR and process.stderr, (arguments, process.returncode)
    assert "0.1" in world.programs.run([scan, "--version"]).stdout
    assert "MOUNTPOINT" in world.programs.run([scan, "--help"]).stdout


@test
def with_ctime_not_trusted_a_restored_file_is_the_same(world):
    volume = world.volume()
    world.programs.build(volume, "--trust-ctime=no").expect(0, "success")
    os.chmod(volume.path("/etc/initramfs.conf"), 0o600)
    os.chmod(volume.path("/etc/initramfs.conf"), 0o644)
    world.programs.scan(volume, "--trust-ctime=no").expect(FRESH)


def few_watches(n):
    """A descriptor of an inotify instance with room for N watches: a limit of a user namespace of its own, so that the
    machine's is not touched."""
    ours, its = socket.socketpair()
    with ours, its:
        child = os.fork()
        if child == 0:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWUSER) == 0:
                with open("/proc/sys/user/max_inotify_watches", "w", encoding="ascii") as f:
                    f.write(str(n))
                socket.send_fds(its, [b"x"], [libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)])
            os._exit(0)
        its.close()
        fds = socket.recv_fds(ours, 1, 1)[1]
        os.waitpid(child, 0)
    assert fds, "no user namespace"
    return fds[0]


@test
def too_few_watches_are_reported_with_the_number_needed_and_all_is_compared(world):
    volume = world.volume()
    for i in range(20):
        volume.write(f"/usr/lib/modules/{KERNEL}/kernel/{i}/module", "x")
    expected = world.programs.scan(volume).expect(STALE)
    needed = int(expected.one("WATCHES")[0])
    limit = int(pathlib.Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    for had in (needed, needed - 1, 5):
        fd = few_watches(had)
        try:
            result = world.programs.scan(volume, f"--inotify-fd={fd}", pass_fds=[fd]).expect(STALE)
        finally:
            os.close(fd)
        assert result.one("WATCHES") == [str(needed)], result.stdout
        assert result.all("CACHE") == expected.all("CACHE"), result.stdout
        assert result.all("HELPER") == expected.all("HELPER"), result.stdout
        told = [" ".join(words) for words in result.all("UNWATCHED")]
        if had == needed:
            assert told == [], told
        else:
            assert told == [f"{needed - had} of {needed} inotify watches could not be added: "
                            f"fs.inotify.max_user_watches is {limit} for all programs of this user together, "
                            f"at least {limit + needed - had} are needed"], told


def file_record(path, outside, kind):
    """The record HOLD of the file OUTSIDE, reported as PATH."""
    found = os.stat(outside)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    return [path, f"{device}:{found.st_ino}", kind]


@test
def lock_files_of_package_managers_are_reported_on_the_volume_and_on_the_host(world):
    volume = world.volume()
    arguments = ["--hold-locked=/var/lib/dpkg/lock-frontend", f"--hold-exists={world.path('db.lck')}"]
    assert not [r for r in world.programs.scan(volume, *arguments).all("HOLD") if r[0] == world.path("db.lck")]
    volume.write("/var/lib/dpkg/lock-frontend", "")
    with open(world.path("db.lck"), "wb"):
        pass
    result = Result(world.programs.run(Programs.scan_command(volume, *arguments, of=plain_scan())))
    result.expect(STALE, "stale")
    told = result.all("HOLD")
    inside = volume.path("/var/lib/dpkg/lock-frontend")
    assert file_record("/var/lib/dpkg/lock-frontend", inside, "locked") in told, result.stdout
    assert file_record(world.path("db.lck"), world.path("db.lck"), "exists") in told, result.stdout
    volume.remove(MANIFEST)
    assert not world.programs.scan(volume, *arguments).expect(NO_MANIFEST, "none").all("HOLD")


main()
