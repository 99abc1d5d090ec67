#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One build, not two: what somebody else builds between Begin and Done counts as built, and nothing else does."""

import contextlib
import fcntl
import os
import signal
import time

from lib import main, test
from lib.content import CACHE, COPIES, KERNEL, MANIFEST, OUTPUT, assert_carries, cache, manifest
from lib.daemon import NAME, PATH, MANAGER
from lib.dbus import Connection, DBusError
from lib.programs import program

NOT_READY = "org.bootkeep1.Error.NotReady"
INVALID = "org.freedesktop.DBus.Error.InvalidArgs"


class Distribution:
    """A package manager that holds its lock, and builds what bootkeep would build."""

    def __init__(self, world, **watch):
        self.volume = world.volume()
        self.lock = world.path("frontend.lock")
        self.daemon = world.daemon(config={"Watch": {"HoldWhileLocked": self.lock, **watch}})
        self.view = self.daemon.trusted(self.volume)
        self.runs = self.volume.runs()

    @contextlib.contextmanager
    def at_work(self):
        with open(self.lock, "w", encoding="ascii") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            yield

    def begin(self, name="initramfs", instance=KERNEL):
        return self.daemon.call("Begin", "sss", self.volume.name, name, instance)[0]

    def done(self, cookie, status=0):
        return self.daemon.call("Done", "ti", cookie, status)

    def change(self, text="another"):
        self.volume.write("/etc/initramfs.conf", text + "\n")

    def build(self):
        self.volume.replace(OUTPUT, self.volume.packed())

    def records(self):
        folder = os.path.join(self.volume.world.path("run"), "begun")
        return os.listdir(folder) if os.path.isdir(folder) else []

    def assert_built_once(self):
        """Not by us, and the helpers carry it."""
        self.wait_fresh()
        assert self.volume.runs() == self.runs, "it was built once more"
        for helper in self.volume.disk.helpers:
            assert_carries(self.volume, helper)

    def assert_built_as_usual(self):
        self.wait_fresh()
        assert self.volume.runs() == self.runs + 1
        for helper in self.volume.disk.helpers:
            assert_carries(self.volume, helper)

    def wait_fresh(self):
        assert self.daemon.call("Flush", "t", 60_000_000) == [[]]
        assert self.daemon.call("Scan", "s", self.volume.name) == ["fresh"]


def refused(error, text, function, *arguments):
    try:
        function(*arguments)
    except DBusError as e:
        assert e.name == error and text in e.message, e
    else:
        raise AssertionError(f"not refused with {error}: {text}")


@test
def what_was_built_after_a_fingerprint_counts_as_built(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie = d.begin()
        assert d.records()
        d.build()
        mark = d.daemon.mark()
        assert d.done(cookie) == []
        assert not d.records()
        d.daemon.wait_for(f"initramfs {KERNEL} was built by another program", mark)
        d.view.wait("only helpers are owed", lambda p: all(fresh for _, _, fresh, _ in p["Caches"]))
    d.assert_built_once()


@test
def a_new_kernel_is_built_once(world):
    d = Distribution(world)
    with d.at_work():
        d.volume.kernel("6.2.0")
        cookie = d.begin("", "6.2.0")  # a hook knows the version, not what the manifest calls it
        d.volume.write("/boot/initrd-6.2.0", d.volume.packed("6.2.0"))
        d.done(cookie)
    d.assert_built_once()
    for helper in d.volume.disk.helpers:
        assert_carries(d.volume, helper, "6.2.0")


@test
def a_source_that_changes_in_between_is_built_as_usual(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie = d.begin()
        d.build()
        d.change("changed meanwhile")
        refused(NOT_READY, f"initramfs {KERNEL}: its sources changed meanwhile", d.done, cookie)
        assert not d.records()
    d.assert_built_as_usual()


@test
def a_builder_that_failed_hands_nothing_over(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie = d.begin()
        d.volume.replace(OUTPUT, "half of it")
        assert d.done(cookie, 1) == []
        assert not d.records()
    d.assert_built_as_usual()


@test
def what_nobody_wrote_was_not_built(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        refused(NOT_READY, "it was not built meanwhile", d.done, d.begin())
        cookie = d.begin()
        d.volume.remove(OUTPUT)
        refused(NOT_READY, "it was not built meanwhile", d.done, cookie)
    d.assert_built_as_usual()


@test
def an_output_that_cannot_be_one_is_not_taken(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie = d.begin()
        d.volume.remove(OUTPUT)
        d.volume.symlink(OUTPUT, "/etc/initramfs.conf")
        refused(NOT_READY, "symbolic link", d.done, cookie)
        d.volume.remove(OUTPUT)
    d.assert_built_as_usual()


@test
def a_cookie_is_good_once(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie = d.begin()
        for wrong in (0, cookie ^ 1, 2**64 - 1):
            refused(INVALID, "cookie", d.done, wrong)
        d.build()
        d.done(cookie)
        refused(INVALID, "cookie", d.done, cookie)
    d.assert_built_once()


@test
def several_begin_at_once(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookies = [d.begin() for _ in range(3)]
        assert len(set(cookies)) == 3
        d.build()
        d.done(cookies[2])
        d.done(cookies[0])
        d.done(cookies[1], 1)
    d.assert_built_once()


@test
def too_many_are_refused(world):
    d = Distribution(world, SettleSec="60")
    serials = [d.daemon.connection.send(NAME, PATH, MANAGER, "Begin", "sss", d.volume.name, "", "") for _ in range(65)]
    errors = []
    for serial in serials:
        try:
            d.daemon.connection.finish(serial, 120)
        except DBusError as e:
            errors.append(e)
    assert len(errors) == 1 and errors[0].name == NOT_READY and "too much is begun" in errors[0].message, errors


@test
def what_cannot_be_begun_is_refused(world):
    d = Distribution(world)
    refused(NOT_READY, "there is no such cache", d.begin, "nothing")
    refused(NOT_READY, "there is no such cache", d.begin, "initramfs", "6.6.6")
    refused(NOT_READY, "there is no such cache", d.begin, "-x", "--force")
    refused("org.bootkeep1.Error.NoSuchVolume", "/nowhere", d.daemon.call, "Begin", "sss", "/nowhere", "", "")
    d.daemon.call("Distrust", "s", d.volume.name)
    refused(NOT_READY, "not trusted", d.begin)
    assert not d.records()


@test
def a_volume_that_goes_or_is_no_longer_trusted_takes_nothing(world):
    d = Distribution(world)
    gone, distrusted = d.begin(), d.begin()
    d.daemon.call("Distrust", "s", d.volume.name)
    refused(NOT_READY, "not trusted", d.done, distrusted)
    d.volume.disk.umount()
    d.view.wait_gone()
    refused("org.bootkeep1.Error.NoSuchVolume", "is gone", d.done, gone)
    assert not d.records()


@test
def another_client_may_say_that_it_is_done(world):
    """Each hook is a process of its own; that they are gone says nothing."""
    d = Distribution(world)
    with d.at_work():
        d.change()
        client = Connection(d.daemon.bus.path)
        cookie = client.call(NAME, PATH, MANAGER, "Begin", "sss", d.volume.name, "initramfs", KERNEL)[0]
        client.close()
        d.build()
        d.done(cookie)
    d.assert_built_once()


@test
def who_vanishes_before_the_reply_has_begun_nothing(world):
    d = Distribution(world)
    for _ in range(5):
        client = Connection(d.daemon.bus.path)
        client.send(NAME, PATH, MANAGER, "Begin", "sss", d.volume.name, "initramfs", KERNEL)
        client.close()
    d.done(d.begin(), 1)  # the daemon has taken all of these
    end = time.monotonic() + 60
    while d.records() and time.monotonic() < end:
        time.sleep(0.05)
    assert not d.records()


@test
def a_restarted_daemon_goes_on_with_what_was_begun(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        cookie, other = d.begin(), d.begin()
        assert d.daemon.stop() == 0
        d.build()
        d.daemon.start()
        d.daemon.volume(d.volume.name).wait_state("stale")
        d.done(cookie)
        d.daemon.kill()
        with open(os.path.join(world.path("run"), "begun", "garbage"), "wb") as f:
            f.write(b"\0" * 5000)
        with open(os.path.join(world.path("run"), "begun", "0123456789abcdef"), "w", encoding="ascii") as f:
            f.write("bootkeep-stamp 1\n")
        d.daemon.start()
        assert d.records() == [f"{other:016x}"], d.records()
        d.done(other, 1)
    d.view.wait_state("fresh")
    d.assert_built_once()


@test
def a_record_that_is_damaged_counts_for_nothing(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        for text in ("", "bootkeep-stamp 1\nvolume elsewhere\n", "bootkeep-stamp 1\n" + "cache x\n" * 1000):
            cookie = d.begin()
            with open(os.path.join(world.path("run"), "begun", f"{cookie:016x}"), "w", encoding="ascii") as f:
                f.write(text)
            d.build()
            refused(NOT_READY, "", d.done, cookie)
    d.assert_built_as_usual()


TWO = (cache("first", "copy", "/etc/initramfs.conf", "/boot/first")
       + cache("second", "copy", "/boot/first", "/boot/second"))


def two_caches(d):
    """The second is made from the first."""
    d.volume.builder("copy", 'cp "$1" "$2"', "%s", "%o")
    d.volume.write(MANIFEST, manifest(CACHE, TWO, COPIES))
    d.wait_fresh()
    assert d.volume.runs("copy") == 2


@test
def what_it_is_made_from_must_be_built_or_handed_over_as_well(world):
    d = Distribution(world)
    two_caches(d)
    with d.at_work():
        d.change()
        cookie = d.begin("second", "")
        d.volume.replace("/boot/second", "another\n")
        refused(NOT_READY, "first, from which it is made, is not built yet", d.done, cookie)
    d.wait_fresh()
    assert d.volume.runs("copy") == 4
    with d.at_work():
        d.change("a third")
        first = d.begin("first", "")
        d.volume.replace("/boot/first", "a third\n")
        d.done(first)
        second = d.begin("second", "")
        d.volume.replace("/boot/second", "a third\n")
        d.done(second)
    d.wait_fresh()
    assert d.volume.runs("copy") == 4


KERNEL_CACHES = """
  <cache name="modules-dep" each="/usr/lib/modules/*" builder="depmod">
    <source path="/boot/vmlinuz-%i"/>
    <output path="/usr/lib/modules/%i/modules.dep"/>
  </cache>""" + CACHE


def with_depmod(d, script='cp "$1" "$2"; echo $$ >>"$2"'):
    """The initramfs is made from what a quick builder makes, which never is the same twice."""
    d.volume.builder("depmod", script, "%s", "%o", Quick="yes")
    d.volume.write(MANIFEST, manifest(KERNEL_CACHES, COPIES))
    d.wait_fresh()
    d.runs = d.volume.runs()
    assert d.volume.runs("depmod") == 1


def install_kernel(d):
    """As the scripts of a kernel's package: its modules.dep is there when the first hook runs."""
    d.volume.kernel("6.2.0")
    d.volume.write("/usr/lib/modules/6.2.0/modules.dep", "made by the package\n")
    cookie = d.begin("", "6.2.0")
    d.volume.write("/boot/initrd-6.2.0", d.volume.packed("6.2.0"))
    return cookie


@test
def quick_builders_run_before_so_that_the_rest_is_built_once(world):
    d = Distribution(world)
    with_depmod(d)
    with d.at_work():
        mark = d.daemon.mark()
        d.done(install_kernel(d))
        assert d.volume.runs("depmod") == 2
        d.daemon.wait_for("initramfs 6.2.0 was built by another program", mark)
    d.assert_built_once()
    assert d.volume.runs("depmod") == 2
    for helper in d.volume.disk.helpers:
        assert_carries(d.volume, helper, "6.2.0")


@test
def without_quick_builders_everything_is_built_as_usual(world):
    """They fail, or another client changes the volume: then the distribution's build does not count, and does no harm."""
    d = Distribution(world)
    with_depmod(d)
    with d.at_work():
        d.volume.builder("depmod", 'cp "$1" "$2"; exit 1', "%s", "%o", Quick="yes")
        refused(NOT_READY, "modules-dep 6.2.0: it was not built meanwhile", d.done, install_kernel(d))
        assert d.volume.runs("depmod") == 2
        d.volume.builder("depmod", 'cp "$1" "$2"', "%s", "%o", Quick="yes")
        d.daemon.call("LockVolume", "su", d.volume.name, 0)
        refused(NOT_READY, "modules-dep 6.2.0: it was not built meanwhile", d.done, install_kernel(d))
        assert d.volume.runs("depmod") == 2
        d.daemon.call("UnlockVolume", "si", d.volume.name, 0)
    d.wait_fresh()
    assert d.volume.runs() == d.runs + 1
    assert d.volume.runs("depmod") == 3


# By hand


def ctl(world, *arguments, **options):
    return world.programs.ctl(*arguments, **options)


@test
def hooks_begin_and_are_done_by_hand(world):
    d = Distribution(world)
    with d.at_work():
        d.change()
        begun = ctl(world, "begin", d.volume.root, "initramfs", KERNEL)
        assert begun.returncode == 0 and begun.stdout.strip().isdigit(), begun
        d.build()
        done = ctl(world, "done", begun.stdout.strip(), "0")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    d.assert_built_once()
    for arguments in (["begin", "/nowhere"], ["begin", d.volume.root, "nothing"], ["done", "1"], ["done", ""]):
        result = ctl(world, *arguments)
        assert result.returncode == 0 and result.stdout == "", result
        assert bool(result.stderr) == (arguments != ["done", ""]), result
        quiet = ctl(world, "-q", *arguments)
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", ""), quiet
    for arguments in (["done", "x"], ["done", "-1"], ["done", "1", "x"], ["done"], ["begin", "a", "b", "c", "d"]):
        assert ctl(world, *arguments).returncode == 2, arguments


@test
def without_a_daemon_or_a_bus_hooks_succeed_at_once(world):
    calls = [["begin"], ["done", "1"], ["check", "--no-wait", "/"], ["check", "--no-wait"]]
    for address in (None, "unix:path=/nowhere"):
        for arguments in calls:
            more = {"DBUS_SYSTEM_BUS_ADDRESS": address} if address else {}
            result = world.programs.run([program("bootkeepctl"), "-q", *arguments],
                                        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": world.bus.address, **more})
            expected = 3 if arguments[0] == "check" else 0
            assert (result.returncode, result.stdout, result.stderr) == (expected, "", ""), (arguments, result)


@test
def a_daemon_that_does_not_answer_holds_up_no_hook(world):
    """As with a bus that does not: the limit is set before anything else."""
    d = Distribution(world)
    calls = [["begin", d.volume.root], ["done", "1"], ["check", "--no-wait", d.volume.root], ["check", "--no-wait"]]
    for stopped in (d.daemon.process.pid, d.daemon.bus.process.pid):
        os.kill(stopped, signal.SIGSTOP)
        try:
            for arguments in calls:
                result = ctl(world, "-q", "--timeout=1", *arguments)  # which would wait for a minute here
                expected = 3 if arguments[0] == "check" else 0
                assert (result.returncode, result.stdout, result.stderr) == (expected, "", ""), (arguments, result)
        finally:
            os.kill(stopped, signal.SIGCONT)


@test
def a_scan_is_requested_without_waiting_for_it(world):
    d = Distribution(world, SettleSec="60", SettleMaxSec="60")
    for arguments in ([], [d.volume.root]):
        with d.at_work():
            d.change(" ".join(arguments))
            result = ctl(world, "check", "--no-wait", *arguments)
            assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
            d.view.wait_state("stale")  # long before it has settled
        d.daemon.call("Flush", "t", 60_000_000)
    assert d.volume.runs() == d.runs + 2
    assert ctl(world, "status", "--no-wait").returncode == 2


main()
