#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`bootkeepctl ready` and the property Ready: may the system go down now, and why not. What reboots machines relies on
the exit status."""

import json
import os
import signal
import time

from lib import main, test
from lib.content import PACK, Gate
from lib.daemon import MANAGER
from lib.dbus import Connection
from lib.programs import NOBODY, program

OK, NO, USAGE, UNREACHABLE = range(4)
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}


def ready(world, status, *options, prefix=()):
    """What it prints, without the newline."""
    process = world.programs.ctl(*options, "ready", prefix=prefix)
    assert process.returncode == status, (process.returncode, process.stdout, process.stderr)
    assert process.stdout.count("\n") <= 1, process.stdout
    return (process.stderr if status == UNREACHABLE else process.stdout).rstrip("\n")


@test
def nothing_owed_is_ready_for_everybody(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    assert ready(world, OK) == "Ready: nothing is owed"
    assert ready(world, OK, prefix=NOBODY) == "Ready: nothing is owed"
    assert ready(world, OK, "--quiet") == ""
    assert daemon.property("Ready") is True


@test
def a_change_is_not_ready_until_it_is_built(world):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    view = daemon.trusted(volume)
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("settling")
    assert ready(world, NO) == f"Not ready: {volume.name} is settling: something changed"
    assert daemon.property("Ready") is False
    daemon.connection.send("org.bootkeep1", "/org/bootkeep1", MANAGER, "Rebuild", "su", volume.name, 0)
    gate.await_builder()
    said = ready(world, NO)
    assert said.startswith(f"Not ready: {volume.name} is being built: cache initramfs 6.1.0: "), said
    gate.open()
    view.wait_state("fresh")
    assert ready(world, OK) == "Ready: nothing is owed"


@test
def the_property_is_announced(world):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    heard = []

    def on_signal(message):
        if message.member == "PropertiesChanged" and "Ready" in message.body[1]:
            with daemon.changed:
                heard.append(message.body[1]["Ready"])
                daemon.changed.notify_all()

    def await_heard(value):
        with daemon.changed:
            assert daemon.changed.wait_for(lambda: heard and heard[-1] is value, 30), (heard, value)

    connection = Connection(world.bus.path, on_signal)
    world.later(connection.close)
    connection.add_match("type='signal',sender='org.bootkeep1',path='/org/bootkeep1'")
    daemon.trusted(volume)
    await_heard(True)
    volume.write("/etc/initramfs.conf", "another\n")
    await_heard(False)
    daemon.call("Rebuild", "su", volume.name, 0)
    await_heard(True)


@test
def a_lock_is_named_with_its_holder(world):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    daemon.trusted(volume)
    holder = Connection(world.bus.path)
    world.later(holder.close)
    holder.call("org.bootkeep1", "/org/bootkeep1", MANAGER, "LockVolume", "su", volume.name, 0)
    with open("/proc/self/comm", encoding="ascii") as f:
        name = f.read().strip()
    assert ready(world, NO) == f"Not ready: {volume.name} is locked by {name} ({os.getpid()})"


@test
def the_worst_comes_first(world):
    first, second = world.volume(name="one"), world.volume(name="two")
    daemon = world.daemon(config=QUIET)
    views = [daemon.trusted(first), daemon.trusted(second)]
    second.builder("pack", "echo no such module >&2; exit 7", "%r", "%i", "%o")
    second.write("/etc/initramfs.conf", "another\n")
    views[1].wait_state("settling")
    world.programs.ctl("rebuild", second.name)
    views[1].wait_state("failed")
    first.write("/etc/initramfs.conf", "another\n")
    views[0].wait_state("settling")
    said = ready(world, NO)
    assert said.startswith(f"Not ready: {second.name} failed: ") and said.endswith(" (and 1 more)"), said
    shown = json.loads(ready(world, NO, "--json=short"))
    assert shown["ready"] is False and shown["volume"] == second.name and shown["state"] == "failed", shown
    assert sorted(shown["busy"]) == sorted([first.name, second.name]), shown


@test
def what_was_given_up_holds_nothing_up_but_is_said(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "200ms", "MaxFailures": "1"}})
    view = daemon.trusted(volume)
    volume.builder("pack", "exit 7", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("given-up")
    said = ready(world, OK)
    assert said.startswith(f"Ready, but {volume.name} was given up: 1 failure"), said


@test
def an_odd_name_stays_on_one_line(world):
    volume = world.volume()
    view = world.daemon(config=QUIET).trusted(volume)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/usr/lib/modules/6.1.0/a new\n\x1bone", "x")
    view.wait_state("settling")
    world.programs.ctl("rebuild", volume.name)
    view.wait_state("failed")
    assert "\x1b" not in ready(world, NO)


@test
def a_volume_that_nobody_has_looked_at_is_not_ready(world):
    """Until its first scan ends nobody knows what it is owed, or whether it is trusted at all."""
    os.makedirs(world.path("libexec"))
    gate = Gate(world)
    with open(world.path("libexec/bootkeep-scan"), "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\n{gate.script}exec {program("bootkeep-scan")} "$@"\n')
    os.chmod(world.path("libexec/bootkeep-scan"), 0o755)
    volume = world.volume()
    daemon = world.daemon()
    gate.await_builder()
    assert ready(world, NO) == f"Not ready: {volume.name} was not scanned yet"
    gate.open()
    daemon.volume(volume.name).wait_state("untrusted")
    assert ready(world, OK) == "Ready: nothing is owed"


@test
def it_takes_no_arguments(world):
    process = world.programs.ctl("ready", "sda2")
    assert process.returncode == USAGE, process.returncode


@test
def without_a_daemon_no_gate_passes(world):
    assert "not running" in ready(world, UNREACHABLE)


@test
def a_daemon_or_bus_that_does_not_answer_lets_nothing_pass(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    for stopped in (daemon.process, world.bus.process):
        stopped.send_signal(signal.SIGSTOP)
        try:
            assert "does not answer" in ready(world, UNREACHABLE)
        finally:
            stopped.send_signal(signal.SIGCONT)
    assert ready(world, OK) == "Ready: nothing is owed"


@test
def it_is_quick(world):
    """How quick is printed and not asserted: a busy machine is no failure."""
    volume = world.volume()
    world.daemon().trusted(volume)
    took = []
    for _ in range(20):
        began = time.monotonic()
        ready(world, OK)
        took.append(time.monotonic() - began)
    median = sorted(took)[len(took) // 2]
    print(f"# it answered within {median * 1000:.1f} ms, at most {max(took) * 1000:.1f} ms", flush=True)


main()
