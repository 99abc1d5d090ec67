#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeepctl: what it shows, what it does, and its exit statuses."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import termios

from lib import main, services, test
from lib.content import MANIFEST, PACK
from lib.programs import NOBODY, environment, program

OK, NO, USAGE, UNREACHABLE, DENIED = range(5)


def expect(process, status):
    shown = f"status {process.returncode}, expected {status}\n{process.stdout}{process.stderr}"
    assert process.returncode == status, shown
    return process


def row(process, name):
    found = [line for line in process.stdout.splitlines() if name in line.split()]
    assert len(found) == 1, f"{len(found)} lines of {name} in:\n{process.stdout}"
    return found[0]


@test
def without_a_daemon_it_says_so(world):
    for verb in (["status"], ["check"], ["rebuild"], ["trust", "sda1"]):
        process = expect(world.programs.ctl(*verb), UNREACHABLE)
        assert process.stderr.startswith("bootkeepctl: ") and process.stderr.count("\n") <= 2, process.stderr


@test
def without_a_bus_it_says_so(world):
    env = environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere")
    expect(world.programs.run([program("bootkeepctl")], env=env), UNREACHABLE)


class ActivatingBus(services.Bus):
    """A bus that starts the daemon when it is called, and fails."""

    def text(self):
        with open(os.path.join(os.path.dirname(self.config), "org.bootkeep1.service"), "w", encoding="ascii") as f:
            f.write("[D-BUS Service]\nName=org.bootkeep1\nExec=/bin/false\n")
        folder = f"<servicedir>{os.path.dirname(self.config)}</servicedir>"
        return super().text().replace("<type>system</type>", "<type>session</type>" + folder)


@test
def where_the_bus_cannot_start_the_daemon_it_says_so(world):
    folder = world.path("activating")
    os.mkdir(folder)
    with ActivatingBus(folder) as bus:
        env = environment(DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        for verb in (["status"], ["check"], ["trust", "sda1"], ["flush"]):
            process = expect(world.programs.run([program("bootkeepctl"), *verb], env=env), UNREACHABLE)
            assert process.stderr == "bootkeepctl: bootkeepd is not running\n", process.stderr


@test
def wrong_usage_is_status_2(world):
    world.daemon()
    for arguments in (["nonsense"], ["--nonsense"], ["trust"], ["trust", "a", "b"], ["distrust"], ["--json=yaml"],
                      ["status", "a", "b"]):
        process = expect(world.programs.ctl(*arguments), USAGE)
        assert process.stderr, arguments
    assert "0.1" in expect(world.programs.ctl("--version"), OK).stdout
    for verb in ("status", "check", "rebuild", "monitor", "trust", "distrust"):
        assert verb in expect(world.programs.ctl("--help"), OK).stdout


@test
def a_name_that_is_not_utf8_is_no_volume(world):
    world.daemon()
    for verb in (["status"], ["check"], ["rebuild"], ["trust"], ["unmount"], ["lock"]):
        process = expect(world.programs.ctl(*verb, "/mnt/\udcff", *(["--", "true"] if verb == ["lock"] else [])), NO)
        assert r"/mnt/\xff: no such volume" in process.stderr, process.stderr


@test
def status_is_the_default_and_shows_every_volume(world):
    volume = world.volume(name="one")
    plain = world.disk(name="two", esps=0)
    plain.mount()
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.volume(plain.volume.name).wait_state("plain")
    process = expect(world.programs.ctl(), OK)
    assert "fresh" in row(process, volume.name) and volume.root in row(process, volume.name)
    assert "plain" in row(process, plain.volume.name)
    assert process.stdout == expect(world.programs.ctl("status"), OK).stdout
    assert "\x1b" not in process.stdout


@test
def status_is_1_when_a_trusted_volume_is_not_fresh(world):
    volume = world.volume()
    daemon = world.daemon(config={"Build": {"RetrySec": "60"}})
    view = daemon.trusted(volume)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("failed")
    process = expect(world.programs.ctl("status"), NO)
    assert "failed" in row(process, volume.name)
    expect(world.programs.ctl("status", volume.name), NO)


@test
def an_untrusted_volume_is_no_failure_and_the_next_step_is_named(world):
    volume = world.volume()
    world.daemon().volume(volume.name).wait_state("untrusted")
    expect(world.programs.ctl("status"), OK)
    process = world.programs.ctl("status", volume.name)
    assert f"bootkeepctl trust {volume.name}" in process.stdout + process.stderr, process.stdout


@test
def status_of_one_volume_shows_everything(world):
    volume = world.volume()
    world.daemon().trusted(volume)
    process = expect(world.programs.ctl("status", volume.name), OK)
    for word in (volume.name, volume.root, "ext4", MANIFEST, "fresh", "initramfs", "6.1.0",
                 volume.disk.volume.uuid, *[h.name for h in volume.disk.helpers]):
        assert word in process.stdout, f"no {word!r} in:\n{process.stdout}"
    by_mountpoint = world.programs.ctl("status", volume.root)
    assert by_mountpoint.stdout.splitlines()[0] == process.stdout.splitlines()[0]


@test
def an_unknown_volume_is_named(world):
    world.daemon()
    process = world.programs.ctl("status", "sda99")
    assert process.returncode == NO and "sda99" in process.stderr, (process.returncode, process.stderr)


@test
def json_is_json(world):
    volume = world.volume()
    world.daemon().trusted(volume)
    for option in ("--json", "--json=short", "--json=pretty"):
        for verb in (["status"], ["status", volume.name], ["check", volume.name]):
            process = expect(world.programs.ctl(option, *verb), OK)
            assert volume.name in json.dumps(json.loads(process.stdout)), process.stdout
    short = world.programs.ctl("--json=short", "status").stdout
    assert short.count("\n") == 1, short
    assert world.programs.ctl("--json=off", "status").stdout == world.programs.ctl("status").stdout


@test
def colours_are_used_when_requested(world):
    volume = world.volume()
    world.daemon().trusted(volume)
    assert "\x1b[" in world.programs.ctl("status", SYSTEMD_COLORS="1").stdout
    assert "\x1b[" not in world.programs.ctl("status", NO_COLOR="1").stdout


@test
def no_legend_prints_only_the_rows(world):
    volume = world.volume()
    world.daemon().trusted(volume)
    lines = world.programs.ctl("--no-legend", "status").stdout.splitlines()
    assert lines and not any(line.startswith("VOLUME") for line in lines), lines
    assert all(volume.name in line or "plain" in line for line in lines), lines


@test
def check_says_what_is_stale_and_why(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}})
    daemon.trusted(volume)
    expect(world.programs.ctl("check"), OK)
    expect(world.programs.ctl("check", volume.name), OK)
    daemon.call("Distrust", "s", volume.name)
    volume.write("/etc/initramfs.conf", "another\n")
    process = expect(world.programs.ctl("check", volume.name), NO)
    since = r"cache initramfs 6\.1\.0 +stale +/etc/initramfs\.conf changed \(size, mtime, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)"
    assert re.search(since, process.stdout), process.stdout


@test
def an_odd_name_is_escaped_once(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}})
    daemon.trusted(volume)
    daemon.call("Distrust", "s", volume.name)
    volume.write("/usr/lib/modules/6.1.0/a new\n\x1bone", "x")
    said = expect(world.programs.ctl("check", volume.name), NO).stdout
    assert "/usr/lib/modules/6.1.0/a new\\x0a\\x1bone is new" in said, said


@test
def check_of_a_refused_manifest_names_the_line(world):
    volume = world.volume()
    volume.write(MANIFEST, "\n\nbroken")
    world.daemon().volume(volume.name).wait_state("refused")
    process = expect(world.programs.ctl("check", volume.name), NO)
    assert f"{MANIFEST}:" in process.stdout + process.stderr, process.stdout


@test
def rebuild_builds_and_reports_the_result(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}})
    daemon.trusted(volume)
    expect(world.programs.ctl("rebuild"), OK)
    assert volume.runs() == 1
    volume.write("/etc/initramfs.conf", "another\n")
    process = expect(world.programs.ctl("rebuild", volume.name), OK)
    assert volume.runs() == 2 and volume.name in process.stdout + process.stderr
    expect(world.programs.ctl("rebuild", "--force", volume.name), OK)
    assert volume.runs() == 3


@test
def a_rebuild_that_fails_is_status_1_and_says_why(world):
    volume = world.volume()
    world.daemon(config={"Build": {"RetrySec": "60"}}).trusted(volume)
    volume.builder("pack", "exit 1", "%r", "%i", "%o")
    process = expect(world.programs.ctl("rebuild", "--force", volume.name), NO)
    assert volume.name in process.stderr and "initramfs" in process.stderr, process.stderr
    assert process.stderr.count("\n") <= 3, process.stderr


@test
def trust_and_distrust(world):
    volume = world.volume()
    view = world.daemon().volume(volume.name).wait_state("untrusted")
    expect(world.programs.ctl("trust", volume.name), OK)
    view.wait_state("fresh", timeout=60)
    expect(world.programs.ctl("distrust", volume.root), OK)
    view.wait_state("untrusted")
    assert world.programs.ctl("trust", "nonesuch").returncode == NO


@test
def quiet_is_quiet(world):
    volume = world.volume()
    world.daemon().volume(volume.name).wait_state("untrusted")
    process = expect(world.programs.ctl("-q", "trust", volume.name), OK)
    assert process.stdout == "" and process.stderr == "", (process.stdout, process.stderr)
    process = expect(world.programs.ctl("-q", "rebuild", volume.name), OK)
    assert process.stdout == "", process.stdout


@test
def another_user_may_look_and_is_denied_the_rest(world):
    volume = world.volume()
    view = world.daemon().volume(volume.name).wait_state("untrusted")
    copy = world.path("bootkeepctl")  # the build directory may be accessible only to root
    shutil.copy(program("bootkeepctl"), copy)
    os.chmod(copy, 0o755)
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)

    def nobody(*arguments):
        return world.programs.run([*NOBODY, copy, *arguments], env=env)

    expect(nobody("status"), OK)
    for verb in ("trust", "distrust", "rebuild", "check"):
        process = expect(nobody(verb, volume.name), DENIED)
        assert process.stderr.count("\n") <= 2 and "org.bootkeep1.manage" in process.stderr, process.stderr
    assert view["Trusted"] is False


def on_a_terminal(world, columns, *arguments, pager="cat"):
    """What bootkeepctl prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 100, columns, 0, 0))
    expect(world.programs.ctl(*arguments, stdout=theirs, NO_COLOR="1", SYSTEMD_PAGER=pager), OK)
    os.close(theirs)
    text = b""
    try:
        while data := os.read(ours, 65536):
            text += data
    except OSError:  # the end, for a terminal
        pass
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


@test
def a_table_fits_a_narrow_terminal(world):
    volume = world.volume()
    plain = world.disk(name="two", esps=0)
    place = world.path("images of machines/" + "/".join(["a-long-name"] * 8) + "/über\nzwei")
    os.makedirs(place)
    plain.mount(at=place)
    world.later(lambda: plain.umount(at=place))
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.call("Distrust", "s", volume.name)
    volume.write("/usr/lib/modules/6.1.0/kernel/drivers/net/ethernet/vendor/family/module.ko", "x")
    daemon.volume(volume.name).wait_state("untrusted")
    daemon.volume(plain.volume.name).wait_state("plain")
    daemon.call("Scan", "s", volume.name)
    shown = on_a_terminal(world, 80, "status")
    assert all(len(line) <= 80 for line in shown.splitlines()[:-1]), shown  # the last is a sentence
    rows = shown[: shown.index("\n\n")].splitlines()
    why = rows[0].index("WHY")
    assert "".join(r[:why] for r in rows).count("a-long-name") == 8, shown
    whole = " ".join(r[why:].strip() for r in rows)
    assert "no manifest" in whole, shown
    assert "cache initramfs 6.1.0:" in whole, shown


@test
def a_pager_that_cannot_be_run_swallows_nothing(world):
    volume = world.volume()
    world.daemon().trusted(volume)
    assert f"paged {volume.name}" in on_a_terminal(world, 200, pager="sed 's/^/paged /'")
    assert volume.name in on_a_terminal(world, 200, pager="/nowhere/more -x")


@test
def a_name_that_the_bus_cannot_carry_is_no_volume(world):
    world.daemon()
    for verb in ("status", "check", "rebuild", "trust"):
        process = expect(world.programs.ctl(verb, os.fsdecode(b"/mnt/\xe4")), NO)
        assert r"/mnt/\xe4: no such volume: a name that is not UTF-8" in process.stderr, process.stderr


@test
def hostile_names_on_a_volume_are_harmless_for_a_terminal(world):
    volume = world.volume()
    volume.kernel("6.\x1b[31m\n2")
    volume.builder("pack", PACK, "%r", "%i", "%o")
    volume.write("/usr/lib/modules/6.1.0/\x1b[2J\nevil", "x")
    world.daemon().volume(volume.name).wait_state("untrusted")
    for arguments in (["status"], ["status", volume.name], ["check", volume.name], ["--json", "status"]):
        process = world.programs.ctl(*arguments, NO_COLOR="1")
        assert "\x1b" not in process.stdout + process.stderr, process.stdout


COMPLETIONS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "src", "ctl", "completion")


def completed(world, *words):
    """What bash offers to complete the last of WORDS."""
    script = 'source "$1" && shift && COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) && ' \
             "_bootkeepctl && printf '%s\\n' \"${COMPREPLY[@]}\" && wait"
    env = environment(DBUS_SYSTEM_BUS_ADDRESS=world.bus.address)
    env["PATH"] = os.path.dirname(program("bootkeepctl")) + ":" + env["PATH"]
    process = world.programs.run(["bash", "-c", script, "bash", os.path.join(COMPLETIONS, "bash", "bootkeepctl"),
                                  "bootkeepctl", *words], env=env, cwd=world.folder)
    assert process.stderr == "", process.stderr
    return process.stdout.split("\n")[:-1]


@test
def completion_offers_mount_points_verbatim_and_runs_nothing_in_them(world):
    daemon = world.daemon()
    names = ["$(>ran)-`>ran`", "two words", "it's *"]
    for name in names:
        disk = world.disk(name=name.replace("/", ""), esps=0)
        place = world.path("at-" + name)
        os.mkdir(place)
        disk.mount(at=place)
        world.later(lambda place=place, disk=disk: disk.umount(at=place))
        daemon.volume(disk.volume.name).wait_state("plain")
        assert completed(world, "status", disk.volume.name[:-1]) == [disk.volume.name]
    offered = completed(world, "status", "/tmp")
    shown = [world.programs.run(["bash", "-c", f"printf '%s' {word}"]).stdout for word in offered]
    assert sorted(shown) == sorted(world.path("at-" + name) for name in names), offered
    assert not os.path.exists(world.path("ran")), "a name was run"


@test
def every_verb_and_option_can_be_completed(world):
    told = expect(world.programs.ctl("--help"), OK).stdout
    verbs = re.findall(r"^  ([a-z-]+) ", told[: told.index("Options:")], re.M)
    options = re.findall(r"(--[a-z-]+)", told[told.index("Options:"):])
    assert len(verbs) >= 10 and len(options) >= 9, told
    assert sorted(completed(world, "")) == sorted(verbs)
    assert set(options) <= {w.rstrip("=") for w in completed(world, "-")}
    with open(os.path.join(COMPLETIONS, "zsh", "_bootkeepctl"), encoding="utf-8") as f:
        zsh = f.read()
    missing = [w for w in verbs if f"'{w}:" not in zsh] + [w for w in options if w not in zsh]
    assert not missing, missing


main()
