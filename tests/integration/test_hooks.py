#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What package managers run: nothing of it fails or hangs, whatever the daemon does, and only the last one waits, if at
all, even for what its own package manager holds back."""

import contextlib
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys

from lib import Skip, main, test
from lib.content import KERNEL, OUTPUT, assert_carries
from lib.programs import BUILD, environment, program

HOOK = os.path.join(BUILD, "hooks", "bootkeep-hook")

# A package manager: holds its lock as dpkg does, runs the hook as its child, and says how that went while it still holds it.
MANAGER = """
import fcntl, subprocess, sys
f = open(sys.argv[1], "w")
fcntl.lockf(f, fcntl.LOCK_EX)
print(subprocess.run(["sh", "-c", '"$@"', "sh", *sys.argv[2:]]).returncode, flush=True)
sys.stdin.readline()
"""
SLOW = {"SettleSec": "60", "SettleMaxSec": "60"}


class System:
    def __init__(self, world, hooks=None, shutdown=None, **watch):
        self.world = world
        self.volume = world.volume()
        self.lock = world.path("frontend.lock")
        self.daemon = world.daemon(config={"Watch": {"HoldWhileLocked": self.lock, **watch}, "Hooks": hooks or {},
                                           "Shutdown": shutdown or {}})
        self.view = self.daemon.trusted(self.volume)
        self.runs = self.volume.runs()

    def environment(self, **more):
        usual = {"DBUS_SYSTEM_BUS_ADDRESS": self.world.bus.address, "BOOTKEEP_HOOK_VOLUME": self.volume.root,
                 "BOOTKEEP_HOOK_PROGRAM": program("bootkeepctl"), "BOOTKEEP_HOOK_COOKIES": self.world.path("cookies")}
        return environment(**{**usual, **more})

    def hook(self, *arguments, **more):
        """Each succeeds and says nothing."""
        result = self.world.programs.run([HOOK, *arguments], env=self.environment(**more))
        assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), (arguments, result)

    def change(self, text="another"):
        self.volume.write("/etc/initramfs.conf", text + "\n")

    @contextlib.contextmanager
    def manager(self, *command):
        """It holds its lock and has run the command: yields the status of that."""
        with subprocess.Popen([sys.executable, "-c", MANAGER, self.lock, *command], env=self.environment(), text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                yield process.stdout.readline().strip()
            finally:
                process.stdin.close()


@test
def what_a_kernels_hooks_build_is_not_built_again(world):
    s = System(world)
    with open(s.lock, "w", encoding="ascii") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        s.volume.kernel("6.2.0")
        s.hook("begin", "kernel-6.2.0", "6.2.0")
        assert os.listdir(world.path("cookies")) == ["kernel-6.2.0"]
        s.volume.write("/boot/initrd-6.2.0", s.volume.packed("6.2.0"))
        s.hook("done", "kernel-6.2.0")
        s.hook("scan")
        assert os.listdir(world.path("cookies")) == []
    assert s.daemon.call("Flush", "t", 60_000_000) == [[]]
    assert s.volume.runs() == s.runs
    for helper in s.volume.disk.helpers:
        assert_carries(s.volume, helper, "6.2.0")


@test
def what_was_not_begun_or_failed_is_built_as_usual(world):
    s = System(world, **SLOW)
    s.change()
    s.hook("done", "kernel-1")
    s.hook("begin", "kernel-1", KERNEL)
    s.volume.replace(OUTPUT, "half of it")
    s.hook("done", "kernel-1", "3")
    s.hook("done", "../x")
    s.hook("begin", "../x", KERNEL)
    s.hook("begin", "", KERNEL)
    s.hook("begin")
    s.hook("nothing")
    assert s.daemon.call("Flush", "t", 60_000_000) == [[]]
    assert s.volume.runs() == s.runs + 1
    assert s.volume.read(OUTPUT) == s.volume.packed()


@test
def every_hook_has_the_volume_scanned(world):
    s = System(world, **SLOW)
    for i, arguments in enumerate((["scan"], ["last"])):
        s.change(str(i))
        s.hook(*arguments)
        s.view.wait("scanned, long before it has settled",
                    lambda p, i=i: p["State"] == "fresh" and s.volume.runs() == s.runs + i + 1)


@test
def a_builder_of_our_own_may_run_hooks(world):
    """They do nothing then: we know what we do."""
    s = System(world, **SLOW)
    s.change()
    s.hook("begin", "x", KERNEL, BOOTKEEP_CACHE="initramfs")
    assert not os.path.exists(world.path("cookies"))


@test
def the_last_hook_does_not_wait_unless_it_is_told_to(world):
    s = System(world, **SLOW)
    s.change()
    with s.manager(HOOK, "last") as status:
        assert status == "0"
        s.view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))
        assert s.volume.runs() == s.runs


@test
def the_last_hook_waits_for_what_its_own_package_manager_holds_back(world):
    s = System(world, hooks={"Wait": "yes"}, **SLOW)
    s.change()
    with s.manager(HOOK, "last") as status:
        assert status == "0"
        assert s.volume.runs() == s.runs + 1  # the lock is held all the time
        s.view.wait_state("fresh")
        s.change("and again")
        assert s.daemon.call("Scan", "s", s.volume.name) == ["stale"]
        s.view.wait("held back", lambda p: "package manager" in p.get("StateReason", ""))  # from then on it counts again


@test
def the_last_hook_waits_as_long_as_is_configured(world):
    """It gives no limit of its own, which would be one for the whole wait."""
    told, program_told = world.path("told"), world.path("told-bootkeepctl")
    with open(program_told, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\necho "$@" >{told}\n')
    os.chmod(program_told, 0o755)
    assert world.programs.run([HOOK, "last"], env=environment(BOOTKEEP_HOOK_PROGRAM=program_told)).returncode == 0
    with open(told, encoding="ascii") as f:
        assert f.read() == "flush --hook\n"


@test
def flush_below_a_package_manager_does_the_same(world):
    s = System(world, **SLOW)
    s.change()
    with s.manager(program("bootkeepctl"), "flush") as status:
        assert status == "0"
        assert s.volume.runs() == s.runs + 1


@test
def another_package_manager_is_waited_for_but_not_for_ever(world):
    s = System(world, hooks={"Wait": "yes"}, shutdown={"FlushTimeoutSec": "2"}, **SLOW)
    s.change()
    with s.manager("true"):
        result = world.programs.run([HOOK, "last"], env=s.environment())
        said = f"bootkeep: still owed, and done later: {s.volume.name} is stale: "
        assert result.returncode == 0 and result.stdout == "", result
        assert result.stderr.startswith(said) and "package manager" in result.stderr, result
        assert s.volume.runs() == s.runs


@test
def a_lock_file_that_merely_exists_is_that_of_the_one_that_runs_the_hook(world):
    """As pacman's, which says nothing about who made it."""
    exists = world.path("db.lck")
    s = System(world, hooks={"Wait": "yes"}, shutdown={"FlushTimeoutSec": "60"}, HoldWhileExists=exists, **SLOW)
    with open(exists, "x", encoding="ascii"):
        s.change()
        assert s.daemon.call("Scan", "s", s.volume.name) == ["stale"]
        assert s.daemon.call("Flush", "t", 1) == [[s.volume.name]]
        s.hook("last")
        assert s.volume.runs() == s.runs + 1
    os.unlink(exists)


@test
def whatever_the_daemon_does_hooks_succeed(world):
    s = System(world, hooks={"Wait": "yes"}, **SLOW)
    calls = (["begin", "x", KERNEL], ["done", "x"], ["scan"], ["last"])
    # bootkeepctl is as it was, but knows no patience
    quick = world.path("quick")
    with open(quick, "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\nfor a; do shift; case $a in --timeout=*) ;; *) set -- "$@" "$a" ;; esac; done\n'
                f'exec {program("bootkeepctl")} --timeout=1 "$@"\n')
    os.chmod(quick, 0o755)

    def call_all(**more):
        for arguments in calls:
            os.makedirs(world.path("cookies"), exist_ok=True)
            with open(world.path("cookies/x"), "w", encoding="ascii") as f:
                f.write("1\n")
            s.hook(*arguments, **more)

    for stopped in (s.daemon.process.pid, world.bus.process.pid):
        os.kill(stopped, signal.SIGSTOP)
        try:
            call_all(BOOTKEEP_HOOK_PROGRAM=quick)
        finally:
            os.kill(stopped, signal.SIGCONT)
    s.daemon.stop()
    call_all()
    call_all(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    call_all(BOOTKEEP_HOOK_PROGRAM="/nowhere/bootkeepctl")
    call_all(BOOTKEEP_HOOK_COOKIES="/proc/nowhere")


@test
def hooks_succeed_where_not_even_dev_null_is(world):
    """As in a chroot that was just made, or on a file system mounted with nodev."""
    for device in ("true", "mknod /dev/null c 1 3"):
        for arguments in (["begin", "x", KERNEL], ["done", "x"], ["scan"], ["last"]):
            result = world.programs.run(["unshare", "--mount", "sh", "-ec", f'mount -t tmpfs -o nodev tmpfs /dev; {device}; exec "$@"',
                                         "sh", HOOK, *arguments])
            assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), (device, arguments, result)


# Where they are installed


@test
def all_hooks_succeed_without_bootkeep(world):
    """As after its removal, which leaves configuration files behind."""
    folder = world.path("hooks")
    scripts = [p for p in glob.glob(os.path.join(BUILD, "hooks", "*")) if os.path.isfile(p)]
    os.mkdir(folder)
    tried = 0
    for path in scripts:
        with open(path, "rb") as f:
            text = f.read()
        if not text.startswith(b"#!") or path == HOOK:
            continue
        copy = os.path.join(folder, os.path.basename(path))
        with open(copy, "wb") as f:
            f.write(text.replace(b"/usr/lib/bootkeep", b"/nowhere"))
        os.chmod(copy, 0o755)
        for arguments in ([], ["add", "6.1.0", "/x", "/y"], ["6.1.0", "/boot/vmlinuz"], ["rollback-post", "/", "btrfs"]):
            result = world.programs.run([copy, *arguments])
            assert (result.returncode, result.stdout, result.stderr) == (0, "", ""), (copy, result)
        tried += 1
    assert tried >= 6, scripts


POSTINST = """#!/bin/sh
set -e
exec run-parts --report --exit-on-error --arg={version} --arg=/boot/vmlinuz-{version} {folder}
"""
CONTROL = """Package: linux-image-test
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Description: a kernel
"""


def postinst_folder(s, version):
    """/etc/kernel/postinst.d with our hooks, and stand-ins for Debian's."""
    folder, built = s.world.path("postinst.d"), s.world.path("packed")
    os.mkdir(folder)
    scripts = {"dkms": f'echo more >"{s.volume.root}/usr/lib/modules/$1/dkms.ko"',
               "initramfs-tools": f'cp {built} "{s.volume.root}/boot/initrd-$1"', "zz-update-grub": "true"}
    for name, script in scripts.items():
        scripts[name] = f"#!/bin/sh\nset -e\n{script}\n"
    for name, file in (("dm-bootkeep", "dm-bootkeep"), ("zzz-bootkeep", "zzz-bootkeep-postinst")):
        with open(os.path.join(BUILD, "hooks", file), encoding="utf-8") as f:
            scripts[name] = f.read().replace("/usr/lib/bootkeep/bootkeep-hook", HOOK)
    for name, script in scripts.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(script)
        os.chmod(os.path.join(folder, name), 0o755)
    with open(built, "wb") as f:  # what bootkeep's builder would make of it
        f.write(f"more\nmodules of {version}\n".encode() + s.volume.read("/etc/initramfs.conf"))
    return folder


def kernel_package(s, version, folder):
    """A package that installs a kernel on the volume, wherever that is mounted."""
    tree = s.world.path("package")
    for path, content in ((f"/usr/lib/modules/{version}/modules", f"modules of {version}\n"),
                          (f"/boot/vmlinuz-{version}", f"kernel {version}\n" * 1000),
                          (f"/boot/entries/os-{version}.conf", s.volume.entry(version))):
        full = tree + s.volume.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as f:
            f.write(content)
    os.mkdir(tree + "/DEBIAN")
    for name, content in (("control", CONTROL), ("postinst", POSTINST.format(version=version, folder=folder))):
        with open(f"{tree}/DEBIAN/{name}", "w", encoding="ascii") as f:
            f.write(content)
    os.chmod(tree + "/DEBIAN/postinst", 0o755)
    package = s.world.path("kernel.deb")
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, package], check=True, stdout=subprocess.DEVNULL)
    return package


@test
def dpkg_installs_a_kernel_and_it_is_built_once(world):
    """The real dpkg, with its real lock, for which the daemon waits, and run-parts."""
    if not shutil.which("dpkg-deb") or not shutil.which("run-parts"):
        raise Skip("no dpkg")
    database = world.path("dpkg")
    s = System(world, HoldWhileLocked=f"{database}/lock-frontend")
    for name in ("info", "updates", "triggers"):
        os.makedirs(f"{database}/{name}")
    for name in ("status", "available"):
        with open(f"{database}/{name}", "w", encoding="ascii"):
            pass
    package = kernel_package(s, "6.2.0", postinst_folder(s, "6.2.0"))
    mark = s.daemon.mark()
    world.programs.run(["dpkg", f"--admindir={database}", f"--log={world.path('dpkg.log')}", "--force-all", "-i", package],
                       env={**s.environment(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    s.daemon.wait_for("initramfs 6.2.0 was built by another program", mark)
    assert s.daemon.call("Flush", "t", 60_000_000) == [[]]
    assert s.volume.runs() == s.runs, "it was built once more"
    for helper in s.volume.disk.helpers:
        assert_carries(s.volume, helper, "6.2.0")
    assert s.volume.read("/boot/initrd-6.2.0") == s.volume.packed("6.2.0")


main()
