#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was built, when and why, as bootkeepctl history tells it."""

import json
import os

from lib import main, test
from lib.content import KERNEL, PACK
from lib.dbus import DBusError
from lib.programs import NOBODY

OK, NO = 0, 1


def history(world, *volumes, **options):
    process = world.programs.ctl("history", *volumes, "--json=short", **options)
    assert process.returncode == OK, process.stderr
    return json.loads(process.stdout)["builds"]


def rebuilt(world, volume, status=OK):
    process = world.programs.ctl("rebuild", volume.name)
    assert process.returncode == status, process.stderr


@test
def a_build_is_told_with_its_reason_and_every_helper(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    volume.write("/etc/initramfs.conf", "another\n")
    rebuilt(world, volume)
    view.wait_state("fresh")
    last, first = history(world, volume.name)
    assert first["why"] == f"cache initramfs {KERNEL}: never brought up to date", first
    assert last["why"].startswith(f"cache initramfs {KERNEL}: /etc/initramfs.conf changed"), last
    assert (last["volume"], last["result"], last["status"], last["reason"]) == (volume.name, "success", 0, ""), last
    assert first["start"] <= first["end"] <= last["start"] <= last["end"]
    cache, = last["caches"]
    assert (cache["name"], cache["instance"], cache["result"]) == ("initramfs", KERNEL, "ok") and cache["usec"] > 0, cache
    assert [(h["device"], h["type"], h["partuuid"], h["result"]) for h in last["helpers"]] == \
        [(h.name, "esp", h.partuuid, "ok") for h in volume.disk.helpers], last
    assert last["bytes"] == sum(h["bytes"] for h in last["helpers"]) > 0, last
    table = world.programs.ctl("history", volume.name)
    assert table.returncode == OK and "/etc/initramfs.conf changed" in table.stdout, table.stdout
    assert f"{volume.disk.esp[0].name} ok" in table.stdout, table.stdout
    assert history(world, prefix=NOBODY) == [last, first], "it is for everybody"


@test
def a_failure_is_told_and_everything_is_kept_across_a_restart(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": 3600}})
    view = daemon.trusted(volume)
    volume.builder("pack", "echo no room >&2; exit 3\n", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    rebuilt(world, volume, NO)
    view.wait_state("failed")
    before = history(world, volume.name)
    assert before[0]["result"] == "failed" and "status 3" in before[0]["reason"], before[0]
    assert [c["result"] for c in before[0]["caches"]] == ["failed"] and not before[0]["helpers"], before[0]
    daemon.stop()
    daemon.start()
    daemon.volume(volume.name).wait_state("failed", "stale", "building", "fresh")
    volume.builder("pack", PACK, "%r", "%i", "%o")
    rebuilt(world, volume)
    after = history(world, volume.name)
    assert after[-len(before):] == before and after[0]["result"] == "success", after


@test
def what_is_put_off_again_and_again_is_told_once(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": 1}})
    view = daemon.trusted(volume)
    volume.builder("pack", "exit 75\n", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    daemon.wait_for("build put off")
    since = daemon.mark()
    daemon.wait_for("build put off", since)
    volume.builder("pack", PACK, "%r", "%i", "%o")
    rebuilt(world, volume)
    view.wait_state("fresh")
    assert [b["result"] for b in history(world, volume.name)] == ["success", "not-now", "success"]


@test
def a_build_that_had_nothing_to_build_says_so(world):
    volume = world.volume()
    view = world.daemon().trusted(volume)
    first, builds = history(world, volume.name), len(view.builds)
    os.utime(volume.path("/etc/initramfs.conf"))
    assert view.wait_build(builds) == (0, "nothing to build")
    view.wait_state("fresh")
    last, *others = history(world, volume.name)
    assert others == first and (last["result"], last["status"], last["bytes"]) == ("nothing-to-build", 0, 0), last
    assert last["why"].startswith(f"cache initramfs {KERNEL}: /etc/initramfs.conf changed"), last
    assert [c["result"] for c in last["caches"]] == ["same"] and not last["helpers"], last
    table = world.programs.ctl("history", volume.name)
    assert table.returncode == OK and " nothing to build " in table.stdout.split("\n")[1], table.stdout


@test
def only_so_many_are_asked_for(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    rebuilt(world, volume)
    assert world.programs.ctl("rebuild", "--force", volume.name).returncode == OK
    everything = daemon.call("History", "su", volume.name, 0)[0]
    assert len(everything) == 2, everything
    assert daemon.call("History", "su", volume.name, 1)[0] == everything[:1]
    assert everything[0]["Why"] == "all anew, as requested", everything[0]
    try:
        daemon.call("History", "su", "no-such-volume", 0)
    except DBusError as e:
        assert e.name == "org.bootkeep1.Error.NoSuchVolume", e.name
    else:
        raise AssertionError("there is no such volume")


@test
def where_it_cannot_be_written_builds_go_on(world):
    volume = world.volume()
    daemon = world.daemon()
    with open(os.path.join(world.path("state"), "history"), "w", encoding="ascii"):
        pass
    view = daemon.trusted(volume)
    view.wait_state("fresh")
    daemon.wait_for("Cannot write the history of builds")
    process = world.programs.ctl("history", volume.name)
    assert process.returncode != OK and "Failed to read the history" in process.stderr, process.stderr


if __name__ == "__main__":
    main()
