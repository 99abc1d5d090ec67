#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeepctl monitor: events as they happen."""

import json
import os
import pty
import re
import signal
import subprocess
import threading

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import Daemon
from lib.programs import SANITIZER, environment, program

OK, UNREACHABLE = 0, 3
STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ")


class Monitor:
    """A running `bootkeepctl monitor` and its lines as they arrive. With --json each line is an object."""

    def __init__(self, world, *arguments, stdout=subprocess.PIPE):
        self.world = world
        self.json = "--json" in arguments
        self.changed = threading.Condition()
        self.lines = []
        self.ended = False
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
        self.process = subprocess.Popen([program("bootkeepctl"), "monitor", *arguments], env=env, text=True,
                                        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
        world.later(self.end)
        self.reader = self.stderr = None
        if stdout == subprocess.PIPE:
            self.reader = threading.Thread(target=self._follow)
            self.reader.start()

    def _follow(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(json.loads(line) if self.json else line.rstrip("\n"))
                self.changed.notify_all()
            self.world.note("monitor: " + line.rstrip("\n"))
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, what, timeout=30):
        """Waits for a line that matches the pattern WHAT, or an object that contains all of the dict WHAT."""
        def is_it(line):
            return what.items() <= line.items() if self.json else re.search(what, line)

        def found():
            return next((line for line in self.lines if is_it(line)), None)

        with self.changed:
            self.changed.wait_for(lambda: found() or self.ended, timeout)
            line = found()
            assert line, f"no {what!r} within {timeout} s in {self.lines}"
            return line

    def order(self, *whats):
        """Waits for all of WHATS, which must arrive in this order."""
        places = []
        for what in whats:
            self.wait(what)
            with self.changed:
                places += [next(i for i, line in enumerate(self.lines)
                                if re.search(what, line) and i not in places)]
        assert places == sorted(places), (whats, self.lines)

    def end(self, number=signal.SIGTERM):
        """Stops it, if it is running: (status, stderr)."""
        if self.stderr is None:
            self.process.send_signal(number)  # no effect if it has exited
            self.process.wait(10)
            if self.reader:
                self.reader.join()
                self.process.stdout.close()
            self.stderr = self.process.stderr.read()
            self.process.stderr.close()
            assert not SANITIZER.search(self.stderr), self.stderr
        return self.process.returncode, self.stderr


@test
def the_life_of_a_volume_reads_like_a_story(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    monitor = Monitor(world)
    monitor.wait(f"{volume.name}  untrusted")
    monitor.wait(f"{volume.name}  stale cache initramfs 6.1.0: never brought up to date")
    view = daemon.trusted(volume)
    monitor.order(f"{volume.name}  trusted", f"{volume.name}  building", f"{volume.name}  built in ",
                  f"{volume.name}  fresh cache initramfs 6.1.0$", f"{volume.name}  fresh$")
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another and longer\n")
    view.wait_build(builds)
    monitor.order("settling: something changed",
                  r"stale cache initramfs 6.1.0: /etc/initramfs.conf changed \(size, mtime, \d{4}-",
                  r"stale: cache initramfs 6.1.0: /etc/initramfs.conf changed \(size, mtime, \d{4}-")
    view.wait_state("fresh")
    volume.disk.umount()
    monitor.wait(f"{volume.name}  gone$")
    volume.disk.mount()
    monitor.wait(rf"{volume.name}  appeared on {re.escape(volume.root)} \(ext4\)")
    assert monitor.end(signal.SIGINT) == (OK, ""), monitor.stderr
    assert all(STAMP.match(line) for line in monitor.lines), monitor.lines
    assert not any("\x1b" in line for line in monitor.lines), monitor.lines


@test
def as_json_each_line_is_an_object(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    monitor = Monitor(world, "--json")
    name = volume.name
    monitor.wait({"event": "present", "volume": name, "state": "untrusted"})
    daemon.trusted(volume)
    monitor.wait({"event": "trust", "volume": name, "trusted": True})
    monitor.wait({"event": "state", "volume": name, "state": "fresh", "reason": ""})
    built = monitor.wait({"event": "build", "volume": name, "status": 0, "summary": "success"})
    assert built["duration"] > 0, built
    monitor.wait({"event": "cache", "volume": name, "name": "initramfs", "instance": "6.1.0", "fresh": False})
    monitor.wait({"event": "cache", "volume": name, "name": "initramfs", "instance": "6.1.0", "fresh": True,
                  "reason": ""})
    for helper in volume.disk.helpers:
        monitor.wait({"event": "helper", "volume": name, "device": helper.name, "type": "esp", "fresh": True})
    progress = monitor.wait({"event": "progress", "volume": name})
    assert 0 < progress["done"] <= progress["of"], progress
    volume.disk.umount()
    monitor.wait({"event": "gone", "volume": name})
    assert monitor.end()[0] == OK
    times = [line["time"] for line in monitor.lines]
    assert times == sorted(times), times


@test
def a_failed_build_is_reported_with_its_reason(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "60"}})
    daemon.trusted(volume)
    monitor = Monitor(world)
    monitor.wait(f"{volume.name}  fresh")
    volume.builder("pack", "exit 7", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    line = monitor.wait(f"{volume.name}  build failed in ")
    assert "initramfs" in line, line
    monitor.wait(f"{volume.name}  failed: ")


@test
def the_daemon_is_waited_for_and_never_started(world):
    volume = world.volume()
    daemon = Daemon(world)
    monitor = Monitor(world)
    monitor.wait("bootkeepd  not running")
    daemon.start()
    monitor.order("bootkeepd  not running", "bootkeepd  running", f"{volume.name}  (new|untrusted|appeared)")
    daemon.volume(volume.name).wait_state("untrusted")
    seen = len(monitor.lines)
    daemon.kill()
    with monitor.changed:
        gone = monitor.changed.wait_for(lambda: any("not running" in x for x in monitor.lines[seen:]), 30)
        assert gone, monitor.lines
        seen = len(monitor.lines)
    daemon.start()
    with monitor.changed:
        back = monitor.changed.wait_for(
            lambda: [x for x in monitor.lines[seen:] if volume.name in x.split()], 30)
        assert back and "bootkeepd  running" in monitor.lines[seen], monitor.lines
    assert monitor.end()[0] == OK


@test
def without_a_bus_it_says_so(world):
    env = environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    assert world.programs.run([program("bootkeepctl"), "monitor"], env=env).returncode == UNREACHABLE


@test
def only_the_named_volumes_are_reported(world):
    one, two = world.volume(name="one"), world.volume(name="two")
    daemon = world.daemon()
    for volume in (one, two):
        daemon.volume(volume.name).wait_state("untrusted")
    monitors = [Monitor(world, word) for word in (one.name, one.root, f"UUID={one.disk.volume.uuid}")]
    for monitor in monitors:
        monitor.wait(f"{one.name}  untrusted")
    daemon.trusted(two)
    daemon.trusted(one)
    for monitor in monitors:
        monitor.wait(f"{one.name}  fresh$")
        assert not any(two.name in line.split() for line in monitor.lines), monitor.lines


@test
def a_named_volume_may_appear_later(world):
    volume = world.volume()
    volume.disk.umount()
    world.daemon()
    monitor = Monitor(world, volume.name)
    other = world.volume(name="other")
    volume.disk.mount()
    monitor.wait(f"{volume.name}  appeared on")
    assert not any(other.name in line.split() for line in monitor.lines), monitor.lines


@test
def it_ends_when_nobody_reads_any_more(world):
    volume = world.volume()
    world.daemon().volume(volume.name).wait_state("untrusted")
    read, write = os.pipe()
    monitor = Monitor(world, stdout=write)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as f:
        assert volume.name in f.readline() + f.readline()
    assert monitor.process.wait(10) == OK  # although nothing happens that it could write
    assert monitor.end() == (OK, ""), monitor.stderr


@test
def on_a_terminal_progress_is_one_line_that_is_redrawn(world):
    volume = world.volume()
    volume.write("/boot/vmlinuz-6.1.0", b"kernel" * 2000000)
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    ours, theirs = pty.openpty()
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address, TERM="linux")
    process = subprocess.Popen([program("bootkeepctl"), "monitor"], env=env, stdin=theirs, stdout=theirs,
                               stderr=theirs)
    os.close(theirs)
    said, first = b"", threading.Event()

    def follow():
        nonlocal said
        try:
            while data := os.read(ours, 65536):
                said += data
                first.set()
        except OSError:
            pass

    reader = threading.Thread(target=follow)
    reader.start()
    assert first.wait(30)
    daemon.trusted(volume)
    volume.disk.umount()
    daemon.volume(volume.name).wait_gone()
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == OK
    reader.join()
    os.close(ours)
    text = said.decode()
    world.note(repr(text))
    assert re.search(r"\r\x1b\[K[^\n]*\d+% [^\n]* of ", text), text
    assert re.search(r" of [^\n]*\r\x1b\[K\d{4}-\d\d-\d\d ", text), text  # erased before the next line


@test
def hostile_names_are_harmless_for_a_terminal(world):
    volume = world.volume()
    volume.kernel("6.\x1b[31m\n2")
    volume.builder("pack", PACK, "%r", "%i", "%o")
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    monitor = Monitor(world)
    monitor.wait("stale cache initramfs 6.")
    monitor.end()
    assert not any("\x1b" in line for line in monitor.lines), monitor.lines
    assert all(STAMP.match(line) for line in monitor.lines), monitor.lines


@test
def events_during_its_start_are_not_lost(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    for i in range(5):
        volume.write("/etc/initramfs.conf", f"{i}\n" * (i + 1))
        gate.await_builder()
        monitor = Monitor(world, "--json")
        gate.open()  # the build ends while the monitor starts
        monitor.wait({"volume": volume.name, "state": "fresh"})  # present as such, or reported
        view.wait_state("fresh")
        monitor.end()


main()
