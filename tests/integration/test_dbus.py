#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus interface: objects, properties, methods, errors, and who may call what."""

import os
import subprocess
import xml.etree.ElementTree as ET

from lib import main, test
from lib.content import MANIFEST, PACK, Gate
from lib.daemon import MANAGER, NAME, OBJECTS, PATH, PROPERTIES, VOLUME
from lib.dbus import Connection, DBusError
from lib.programs import NOBODY
from lib.services import SOURCE

ERROR = "org.bootkeep1.Error."


def error_of(function, *arguments):
    """The name of the error that the call fails with."""
    try:
        function(*arguments)
    except DBusError as e:
        assert e.message, f"{e.name} has no text"
        return e.name
    raise AssertionError("the call succeeded")


def as_nobody(world, *arguments):
    """Runs busctl call as another user; returns (status, stderr)."""
    command = [*NOBODY, "busctl", f"--address={world.bus.address}", *arguments]
    process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    world.note(f"{arguments}: {process.returncode} {process.stdout}{process.stderr}")
    return process.returncode, process.stderr


def members(xml, name):
    """The methods, properties and signals of the interface NAME, with their types."""
    interface = next(i for i in ET.fromstring(xml).iter("interface") if i.get("name") == name)
    found = set()
    for member in interface:
        args = tuple((a.get("name"), a.get("type"), a.get("direction")) for a in member.findall("arg"))
        if member.tag != "annotation":
            found.add((member.tag, member.get("name"), member.get("type"), member.get("access"), args))
    return found


@test
def the_installed_interfaces_match_introspection(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    for path, interface in ((PATH, MANAGER), (view.path, VOLUME)):
        live, = daemon.connection.call(NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect")
        with open(os.path.join(SOURCE, "dbus", interface + ".xml"), encoding="utf-8") as f:
            written = members(f.read(), interface)
        assert written and written == members(live, interface), written ^ members(live, interface)


@test
def the_root_manages_the_objects(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    objects = daemon.connection.call(NAME, PATH, OBJECTS, "GetManagedObjects")[0]
    assert view.path in objects and VOLUME in objects[view.path], objects.keys()
    assert view.path.startswith("/org/bootkeep1/volume/")


@test
def every_documented_property_exists_with_its_type(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    out = subprocess.run(["busctl", f"--address={world.bus.address}", "introspect", NAME, view.path, VOLUME],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    shown = {line.split()[0]: line.split()[2] for line in out.splitlines() if " property " in line}
    expected = {".Name": "s", ".Device": "s", ".MountPoint": "s", ".FileSystemType": "s", ".UUID": "s",
                ".Manifest": "s", ".State": "s", ".StateReason": "s", ".Busy": "b", ".Trusted": "b", ".Failures": "u",
                ".Attempts": "u", ".LastFailure": "s", ".LastBuildStart": "t", ".LastBuildEnd": "t", ".LastBuildStatus": "i",
                ".Caches": "a(ssbs)", ".Helpers": "a(sssbs)", ".Progress": "(tt)"}
    wrong = {k: (v, shown.get(k)) for k, v in expected.items() if shown.get(k) != v}
    assert not wrong, f"expected and found: {wrong}"
    out = subprocess.run(["busctl", f"--address={world.bus.address}", "introspect", NAME, PATH, MANAGER],
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in ("Scan", "Rebuild", "Trust", "Distrust", "GetVolume", "Reload", "Version", "Watching", "BusyVolumes",
                 "Inhibiting", "BeginSwitch", "EndSwitch"):
        assert f".{name} " in out, f"no {name} in:\n{out}"


@test
def properties_tell_the_truth(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    p = view.properties
    assert p["Trusted"] is True and p["Busy"] is False and p["LastBuildStatus"] == 0, p
    assert 0 < p["LastBuildStart"] <= p["LastBuildEnd"], p
    assert p["Caches"] == [("initramfs", "6.1.0", True, "")], p["Caches"]
    helpers = {(h.name, "esp", h.partuuid, True, "") for h in volume.disk.helpers}
    assert set(p["Helpers"]) == helpers, p["Helpers"]
    assert daemon.property("Version") == "0.1"
    assert daemon.property("Watching") is True
    got = daemon.connection.call(NAME, view.path, PROPERTIES, "GetAll", "s", VOLUME)[0]
    assert {k: got[k] for k in p} == p, "signals and GetAll differ"


@test
def every_state_of_a_build_is_announced(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    seen = len(view.states)
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_build(builds)
    view.wait_state("fresh")
    states = view.states[seen:]
    order = [s for s in states if s in ("settling", "scanning", "building", "fresh")]
    assert order[:3] == ["settling", "scanning", "building"] and order[-1] == "fresh", states


@test
def build_finished_carries_status_and_summary(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "60"}})
    view = daemon.trusted(volume)
    builds = len(view.builds)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    status, summary = view.wait_build(builds)
    assert status == 1 and "initramfs" in summary, (status, summary)
    view.wait_state("failed")
    assert view["LastBuildStatus"] == 1 and view["Failures"] == 1 and view["Busy"] is True, view.properties
    assert volume.name in daemon.property("BusyVolumes")


@test
def progress_is_announced_from_the_start(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    gate = Gate(world)
    build = world.path("libexec/bootkeep-build")
    os.unlink(build)
    with open(build, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\nfor step in '0 10' '10 10' '10 20' '20 20'; do echo PROGRESS $step; {gate.script}done\n")
    os.chmod(build, 0o755)
    serial = daemon.connection.send(NAME, PATH, MANAGER, "Rebuild", "su", volume.name, 1)
    for step in ((0, 10), (10, 10), (10, 20), (20, 20)):
        view.wait(f"at {step}", lambda p, s=step: p["Progress"] == s)
        gate.open()
    daemon.connection.finish(serial)
    assert view["Progress"] == (0, 0)


@test
def a_volume_is_found_by_all_its_names(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    part = volume.disk.volume
    link = f"/dev/disk/by-uuid/{part.uuid}"
    for name in (volume.name, part.node, link, f"UUID={part.uuid}", f"PARTUUID={part.partuuid}", volume.root):
        assert daemon.call("GetVolume", "s", name) == [view.path], name
    subprocess.run(["e2label", part.node, "bootkeep-label"], check=True)
    subprocess.run(["udevadm", "trigger", "--settle", part.node], check=True)
    assert daemon.call("GetVolume", "s", "LABEL=bootkeep-label") == [view.path]


@test
def unknown_names_are_no_such_volume(world):
    daemon = world.daemon()
    for name in ("nonesuch", "/dev/nonesuch", "UUID=x", "LABEL=x", "PARTUUID=x", "/nowhere", "", "UUID=", "x" * 9000,
                 "../../etc/passwd", "/dev/null", "sda2[", "[/@]", "\x01"):
        for member in ("GetVolume", "Scan", "Trust", "Distrust"):
            name_of_error = error_of(daemon.call, member, "s", name)
            assert name_of_error in (ERROR + "NoSuchVolume", "org.freedesktop.DBus.Error.InvalidArgs"), (
                member, name, name_of_error)
    assert error_of(daemon.call, "Rebuild", "su", "nonesuch", 0) == ERROR + "NoSuchVolume"


@test
def scan_replies_with_the_state_that_it_found(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "30", "SettleMaxSec": "60"}})
    daemon.volume(volume.name).wait_state("untrusted")
    assert daemon.call("Scan", "s", volume.name) == ["untrusted"]
    volume.write(MANIFEST, "broken")
    assert daemon.call("Scan", "s", volume.name) == ["refused"]
    volume.remove(MANIFEST)
    assert daemon.call("Scan", "s", volume.name) == ["plain"]


@test
def scan_of_a_fresh_volume_says_fresh(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]


@test
def rebuild_replies_when_it_is_done(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "30", "SettleMaxSec": "60"}})
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "another\n")
    daemon.call("Rebuild", "su", volume.name, 0)
    assert volume.runs() == 2
    daemon.call("Rebuild", "su", volume.name, 1)
    assert volume.runs() == 3
    view.wait_state("fresh")


@test
def a_rebuild_that_fails_is_an_error_that_says_why(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "60"}})
    daemon.trusted(volume)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    try:
        daemon.call("Rebuild", "su", volume.name, 1)
    except DBusError as e:
        assert e.name == ERROR + "BuildFailed" and "initramfs" in e.message, e
    else:
        raise AssertionError("Rebuild succeeded")


@test
def rebuild_of_an_untrusted_volume_is_refused(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    error_of(daemon.call, "Rebuild", "su", volume.name, 1)
    assert volume.runs() == 0


@test
def unknown_flags_are_refused(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    runs = volume.runs()
    assert error_of(daemon.call, "Rebuild", "su", volume.name, 0x80) == "org.freedesktop.DBus.Error.InvalidArgs"
    assert volume.runs() == runs


@test
def a_waiting_call_ends_when_its_volume_goes_away(world):
    volume = world.volume()
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    daemon = world.daemon()
    daemon.volume(volume.name).wait_state("untrusted")
    daemon.call("Trust", "s", volume.name)
    gate.await_builder()
    serial = daemon.connection.send(NAME, PATH, MANAGER, "Scan", "s", volume.name)
    subprocess.run(["umount", "-l", volume.root], check=True)
    gate.open()
    error_of(daemon.connection.finish, serial)
    daemon.volume(volume.name).wait_gone()


@test
def a_caller_that_vanishes_while_it_waits_hurts_nobody(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    caller = Connection(world.bus.path)
    caller.send(NAME, PATH, MANAGER, "Rebuild", "su", volume.name, 1)
    gate.await_builder()
    caller.close()
    gate.open()
    view.wait_state("fresh")
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]


@test
def distrust_ends_building_but_not_watching(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    daemon.call("Distrust", "s", volume.name)
    view.wait_state("untrusted")
    assert view["Trusted"] is False
    runs = volume.runs()
    seen = len(view.states)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait("scanned again", lambda p: "scanning" in daemon.states[volume.name][seen:])
    view.wait_state("untrusted")
    assert volume.runs() == runs


@test
def another_user_may_look_but_change_nothing(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.volume(volume.name).wait_state("untrusted")
    assert as_nobody(world, "get-property", NAME, view.path, VOLUME, "State")[0] == 0
    assert as_nobody(world, "call", NAME, PATH, OBJECTS, "GetManagedObjects")[0] == 0
    assert as_nobody(world, "call", NAME, PATH, MANAGER, "GetVolume", "s", volume.name)[0] == 0
    for member, signature, *arguments in (("Trust", "s", volume.name), ("Distrust", "s", volume.name),
                                          ("Scan", "s", volume.name), ("Rebuild", "su", volume.name, "1"),
                                          ("Reload", "")):
        status, text = as_nobody(world, "call", NAME, PATH, MANAGER, member, *([signature] if signature else []),
                                 *arguments)
        assert status != 0 and "denied" in text.lower(), (member, status, text)
    assert view["Trusted"] is False and volume.runs() == 0


@test
def another_user_cannot_take_the_name(world):
    world.daemon()
    status, _ = as_nobody(world, "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "ReleaseName", "s", NAME)
    status, text = as_nobody(world, "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                             "RequestName", "su", NAME, "4")
    assert status != 0, text


@test
def reload_reads_the_configuration_again(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "30", "SettleMaxSec": "60"}})
    view = daemon.trusted(volume)
    daemon.configure({"Watch": {"SettleSec": "100ms"}})
    daemon.call("Reload")
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_build(builds, timeout=20)


main()
