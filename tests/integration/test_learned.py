#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a builder really reads is watched and compared, whatever the manifest names: learned by a real builder on a real
volume, kept up by the real daemon."""

import os
import re

from lib import main, test
from lib.content import KERNEL, MANIFEST, OUTPUT, Gate, manifest

ONLY_MODULES = """
  <cache name="initramfs" each="/usr/lib/modules/*" builder="pack">
    <source path="/usr/lib/modules/%i"/>
    <output path="/boot/initrd-%i"/>
  </cache>"""

# Reads what no manifest names: a file, a folder of files, one that may not be there, one through a link.
READ_MORE = """
root=$1 instance=$2 output=$3
{before}
{{
        cat "$root/usr/lib/modules/$instance/modules"
        cat "$root/etc/crypttab"
        {between}
        for f in "$root"/etc/hooks.d/*; do cat "$f"; done
        cat "$root/etc/current"
}} >"$output"
{after}
"""


def learning(world, before="", between="", after="", **keys):
    volume = world.volume()
    volume.write("/etc/crypttab", "crypt\n")
    volume.write("/etc/hooks.d/a", "hook a\n")
    volume.write("/usr/share/conf-1", "conf 1\n")
    volume.write("/usr/share/conf-2", "conf 2\n")
    volume.symlink("/etc/current", "../usr/share/conf-1")
    volume.builder("pack", READ_MORE.format(before=before, between=between, after=after), "%r", "%i", "%o", **keys)
    volume.write(MANIFEST, manifest(ONLY_MODULES))
    return volume


def content(volume):
    hooks = "".join(volume.read(f"/etc/hooks.d/{f}").decode() for f in sorted(os.listdir(volume.path("/etc/hooks.d"))))
    files = [volume.read(f).decode() for f in (f"/usr/lib/modules/{KERNEL}/modules", "/etc/crypttab")]
    return ("".join(files) + hooks + volume.read("/etc/current").decode()).encode()


def changes(volume, view, change):
    builds = len(view.builds)
    change()
    status, summary = view.wait_build(builds)
    assert (status, summary) == (0, "success"), (status, summary)
    view.wait_state("fresh")
    assert volume.read(OUTPUT) == content(volume)


@test
def every_change_of_what_was_read_is_noticed(world):
    volume = learning(world)
    view = world.daemon().trusted(volume)
    ways = {
        "written": lambda: volume.write("/etc/crypttab", "another\n"),
        "of the same size": lambda: volume.write("/etc/crypttab", "anothEr\n"),
        "replaced": lambda: volume.replace("/etc/hooks.d/a", "hook A\n"),
        "a new name in a listed folder": lambda: volume.write("/etc/hooks.d/b", "hook b\n"),
        "its content": lambda: volume.write("/etc/hooks.d/b", "hook B\n"),
        "it is gone": lambda: volume.remove("/etc/hooks.d/a"),
        "behind a link": lambda: volume.write("/usr/share/conf-1", "conf one\n"),
        "the link": lambda: (os.symlink("../usr/share/conf-2", volume.path("/etc/new")),
                             os.rename(volume.path("/etc/new"), volume.path("/etc/current"))),
        "behind the new one": lambda: volume.write("/usr/share/conf-2", "conf two\n"),
    }
    for name, change in ways.items():
        world.note("changing: " + name)
        changes(volume, view, change)
    runs = volume.runs()
    volume.write("/usr/share/conf-1", "nobody reads it any more\n")
    volume.write("/etc/unrelated", "nobody\n")
    changes(volume, view, lambda: volume.write("/etc/crypttab", "the last\n"))
    assert volume.runs() == runs + 1


@test
def the_reason_names_what_was_learned(world):
    volume = learning(world)
    world.programs.build(volume).expect(0, "success")
    world.programs.scan(volume).expect(0, "fresh")
    volume.write("/etc/crypttab", "longer than before\n")
    reason = world.programs.scan(volume).expect(1, "stale").one("CACHE", "initramfs", KERNEL)
    assert reason[1:4] == ["/etc/crypttab", "changed", "size,"], reason


@test
def what_has_the_same_content_is_not_built(world):
    volume = learning(world)
    unread = f"/usr/lib/modules/{KERNEL}/unread"
    volume.write(unread, "not read\n")
    view = world.daemon().trusted(volume)
    text, inode = volume.read("/etc/crypttab"), os.stat(volume.path(OUTPUT)).st_ino
    module = f"/usr/lib/modules/{KERNEL}/modules"
    ways = {
        "touched": lambda: os.utime(volume.path("/etc/crypttab")),
        "written again": lambda: volume.write("/etc/crypttab", text),
        "replaced": lambda: volume.replace("/etc/crypttab", text),
        "named by the manifest": lambda: os.utime(volume.path(module)),
        "named and not read": lambda: os.utime(volume.path(unread)),
        "installed again": lambda: volume.replace(unread, "not read\n"),
        "the output": lambda: os.utime(volume.path(OUTPUT)),
    }
    for name, change in ways.items():
        world.note("changing: " + name)
        builds, runs = len(view.builds), volume.runs()
        change()
        assert view.wait_build(builds) == (0, "nothing to build")
        view.wait("fresh", lambda p: p.get("State") == "fresh" and p["Attempts"] == 0 and p["Failures"] == 0)
        assert volume.runs() == runs, f"{name}: it was built"
    assert os.stat(volume.path(OUTPUT)).st_ino == inode
    world.programs.build(volume).expect(0, "success")
    changes(volume, view, lambda: volume.write("/etc/crypttab", text + b"more\n"))
    changes(volume, view, lambda: volume.write(unread, "not READ\n"))


@test
def what_changes_while_it_is_built_is_built_again(world):
    """A writer, at each moment of a slow builder: the output ends with what is on the volume then."""
    gates = [Gate(world, name) for name in ("before", "between", "after")]
    volume = learning(world, *(g.script for g in gates))
    for gate in gates:
        gate.open()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    for moment in range(len(gates)):
        world.note(f"moment {moment}")
        for gate in gates:
            gate.await_builder()
        builds, runs = len(view.builds), volume.runs()
        volume.write("/etc/hooks.d/a", f"for moment {moment}\n")
        for i, gate in enumerate(gates):
            gate.await_builder()
            if i == moment:
                volume.write("/etc/crypttab", f"at moment {moment}\n")
                volume.write("/etc/hooks.d/b", f"at moment {moment}\n")
            gate.open()
        assert view.wait_build(builds)[0] == 0
        for gate in gates:
            gate.open()
        view.wait("built again", lambda p, n=runs: p.get("State") == "fresh" and volume.runs() == n + 2)
        assert volume.read(OUTPUT) == content(volume)


# Says what it saw, and opens nothing of it.
LOOK = """
root=$1 output=$2
see() {{
        test -e "$root/etc/local.conf" && echo local || echo none
        test -x "$root/etc/tool" && echo tool || echo none
        readlink "$root/etc/current"
}}
see >"$output"
{gate}"""


@test
def what_was_only_looked_at_and_changes_meanwhile_is_built_again(world):
    """After it was looked at: a name that was not there is made, a mode is changed, a link leads elsewhere."""
    gate = Gate(world)
    volume = world.volume()
    volume.write("/etc/tool", "tool\n")
    volume.symlink("/etc/current", "one")
    volume.builder("pack", LOOK.format(gate=gate.script), "%r", "%o", Learn="lookups")
    volume.write(MANIFEST, manifest(ONLY_MODULES))
    gate.open()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    gate.await_builder()
    seen = ["none", "none", "one"]
    assert volume.read(OUTPUT).decode().split() == seen
    meanwhile = {
        "/etc/local.conf": (0, "local", lambda: volume.write("/etc/local.conf", "new\n")),
        "/etc/tool": (1, "tool", lambda: os.chmod(volume.path("/etc/tool"), 0o755)),
        "/etc/current": (2, "two", lambda: (os.symlink("two", volume.path("/etc/new")),
                                            os.rename(volume.path("/etc/new"), volume.path("/etc/current")))),
    }
    for path, (line, word, change) in meanwhile.items():
        world.note(f"changing {path}")
        builds, runs = len(view.builds), volume.runs()
        volume.write(f"/usr/lib/modules/{KERNEL}/modules", f"before {path} changes\n")
        gate.await_builder()
        change()
        gate.open()
        assert view.wait_build(builds)[0] == 0
        gate.await_builder()  # of its own accord
        daemon.wait_for(re.escape(f"stale: cache initramfs {KERNEL}: {path} changed (while it was built)"))
        gate.open()
        view.wait("built again", lambda p, n=runs: p.get("State") == "fresh" and volume.runs() == n + 2)
        seen[line] = word
        assert volume.read(OUTPUT).decode().split() == seen


@test
def change_at_every_build_has_an_end(world):
    gate = Gate(world)
    volume = learning(world, between=gate.script)
    daemon = world.daemon(config={"Build": {"MaxAttempts": "3"}})
    view = daemon.volume(volume.name)
    view.wait("there with its UUID", lambda p: p.get("UUID"))
    daemon.call("Trust", "s", volume.name)
    for i in range(3):
        gate.await_builder()
        volume.write("/etc/crypttab", f"{i}\n")
        gate.open()
    view.wait_state("given-up")
    assert volume.runs() == 3 and not view["Busy"]
    assert "/etc/crypttab changed (while it was built)" in view["StateReason"], view["StateReason"]


@test
def what_a_builder_does_itself_is_no_change(world):
    """It writes a file that it reads, and makes and removes others, in a folder that it lists."""
    volume = learning(world, after='echo $$ >"$root/etc/hooks.d/z-own"; touch "$root/etc/hooks.d/tmp"\n'
                                   'rm "$root/etc/hooks.d/tmp"\n')
    volume.write("/etc/hooks.d/z-own", "old\n")
    for _ in range(3):
        world.programs.build(volume, "--force").expect(0, "success")
        world.programs.scan(volume).expect(0, "fresh")


@test
def who_is_not_to_be_learned_from_counts_as_named(world):
    volume = learning(world, Learn="no")
    world.programs.build(volume).expect(0, "success")
    volume.write("/etc/crypttab", "longer than before\n")
    world.programs.scan(volume).expect(0, "fresh")
    os.utime(volume.path(f"/usr/lib/modules/{KERNEL}/modules"))
    world.programs.scan(volume).expect(1, "stale")
    world.programs.build(volume).expect(0, "success")
    world.programs.scan(volume).expect(0, "fresh")
    assert volume.runs() == 1
    volume.write(f"/usr/lib/modules/{KERNEL}/modules", "another\n")
    world.programs.scan(volume).expect(1, "stale")
    world.programs.build(volume).expect(0, "success")
    assert volume.runs() == 2


main()
