#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeepd as a service: readiness, signals, configuration, log lines, stops and restarts."""

import os
import signal
import subprocess
import time

from lib import main, test
from lib.content import MANIFEST, PACK, Gate, assert_carries, booted
from lib.daemon import Daemon, config_text
from lib.programs import environment, libexec, program

SOON = 15  # a machine may be slow, and LeakSanitizer searches all memory at the end


def check_config(world, text, builders=None):
    """bootkeepd --check-config on TEXT: (status, stderr)."""
    path = world.path("checked.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.makedirs(world.path("builders"), exist_ok=True)
    command = [program("bootkeepd"), "--check-config", f"--config={path}",
               f"--libexec={libexec(world)}", f"--builders={builders or world.path('builders')}"]
    process = world.programs.run(command)
    return process.returncode, process.stderr


@test
def ready_is_reported_once_and_the_bus_name_is_owned_by_then(world):
    volume = world.volume()
    daemon = Daemon(world)
    daemon.launch()
    daemon.wait_ready()
    daemon.connect()
    daemon.volume(volume.name).wait_state("untrusted")
    assert daemon.said.count("READY=1") == 1, daemon.said


@test
def the_life_of_a_volume_reads_like_a_story(world):
    volume = world.volume()
    daemon = world.daemon()
    name = volume.name
    daemon.wait_for(rf"{name}: found on {volume.root} \(ext4\)")
    daemon.wait_for(rf"{name}: not trusted")
    daemon.trusted(volume)
    daemon.wait_for(rf"{name}: fresh")  # the log may lag behind the bus
    mark = daemon.mark()
    volume.write("/etc/initramfs.conf", "another and longer\n")
    for text in ("changed, settling", r"stale: .*initramfs.*/etc/initramfs\.conf changed", "building", "built",
                 "fresh"):
        daemon.wait_for(rf"{name}: {text}", mark)
    volume.disk.umount()
    daemon.wait_for(rf"{name}: gone", mark)


@test
def sigterm_ends_it_at_once(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < SOON


@test
def sigterm_during_a_build_leaves_the_old_set(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    view = daemon.trusted(volume)
    before = [booted(h.files()) for h in volume.disk.helpers]
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("building")
    gate.await_builder()
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < SOON
    assert [booted(h.files()) for h in volume.disk.helpers] == before
    assert not daemon.logged("failed|next try")


@test
def sigint_ends_it_too(world):
    daemon = world.daemon()
    daemon.signal(signal.SIGINT)
    assert daemon.process.wait(10) == 0


@test
def after_a_restart_nothing_is_rebuilt(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.stop()
    daemon.start()
    view = daemon.volume(volume.name).wait_state("fresh")
    assert view["Trusted"] is True
    assert volume.runs() == 1 and "building" not in view.states, view.states


@test
def changes_while_it_was_down_are_built_at_its_start(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.stop()
    volume.write("/etc/initramfs.conf", "changed in between\n")
    daemon.start()
    view = daemon.volume(volume.name)
    view.wait("built", lambda p: volume.runs() == 2 and p.get("State") == "fresh")
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def after_a_kill_during_a_build_a_restart_repairs_everything(world):
    volume = world.volume()
    gate = Gate(world)
    daemon = world.daemon()
    daemon.trusted(volume)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    daemon.kill()
    gate.open()  # for the orphan, in case it survives
    volume.builder("pack", PACK, "%r", "%i", "%o")
    daemon.start()
    daemon.volume(volume.name).wait_state("fresh", timeout=60)
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


@test
def after_a_kill_while_idle_a_restart_knows_everything(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.kill()
    daemon.start()
    daemon.volume(volume.name).wait_state("fresh")
    assert volume.runs() == 1


@test
def sighup_reads_the_configuration_again(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"SettleSec": "30", "SettleMaxSec": "60"}})
    view = daemon.trusted(volume)
    daemon.configure({"Watch": {"SettleSec": "100ms"}})
    daemon.said.clear()
    daemon.signal(signal.SIGHUP)
    daemon.wait_said("READY=1")
    assert daemon.said.index("RELOADING=1") < daemon.said.index("READY=1"), daemon.said
    builds = len(view.builds)
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_build(builds, timeout=20)


@test
def sighup_with_a_bad_file_warns_and_keeps_serving(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    with open(daemon.config, "w", encoding="utf-8") as f:
        f.write(config_text() + "[Watch]\nSettelSec=7\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("SettelSec")
    assert daemon.call("Scan", "s", volume.name) == ["fresh"]


@test
def a_changed_builder_takes_effect_on_reload(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    builds = len(view.builds)
    volume.builder("pack", PACK, "%r", "%i", "%o", "--more")
    daemon.call("Reload")
    daemon.call("Scan", "s", volume.name)
    assert view.wait_build(builds)[0] == 0


@test
def a_good_configuration_is_status_0(world):
    assert check_config(world, config_text()) == (0, "")
    assert check_config(world, "") == (0, "")


@test
def the_vendors_configuration_and_builders_are_good(world):
    source = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "profiles")
    with open(os.path.join(source, "bootkeep.conf"), encoding="utf-8") as f:
        assert check_config(world, f.read(), os.path.join(source, "builders.d")) == (0, "")


@test
def bad_configuration_is_named_with_file_and_line(world):
    bad = {
        "[Watch]\nSettelSec=5\n": (":2:", "SettelSec"),
        "[Wtach]\nSettleSec=5\n": (":", "Wtach"),
        "[Watch]\nSettleSec=soon\n": (":2:", "SettleSec"),
        "[Watch]\n\n# a comment\nSettleSec=-5\n": (":4:", "SettleSec"),
        "[Watch]\nTrustCTime=perhaps\n": (":2:", "TrustCTime"),
        "[Watch]\nHoldWhileLocked=relative/path\n": (":2:", "HoldWhileLocked"),
        "[Build]\nMaxBuilds=0\n": (":2:", "MaxBuilds"),
        "[Build]\nMaxBuilds=many\n": (":2:", "MaxBuilds"),
        "[Build]\nMaxFailures=99999999999999999999\n": (":2:", "MaxFailures"),
        "SettleSec=5\n": (":1:",),
        "[Watch\nSettleSec=5\n": (":",),
        "[Watch]\nno equals sign\n": (":2:",),
    }
    for text, words in bad.items():
        status, said = check_config(world, text)
        assert status == 1, f"{text!r}: status {status}, {said}"
        for word in ("checked.conf" + words[0], *words[1:]):
            assert word in said, f"{text!r}: no {word!r} in {said!r}"


@test
def the_standard_places_are_read_in_order_and_none_of_their_files_stops_it(world):
    files = {
        "/usr/local/lib/bootkeep/bootkeep.conf": "[Watch]\nVendor=1\n",
        "/etc/bootkeep/bootkeep.conf": "[Watch]\nAdmin=1\n",
        "/run/bootkeep/bootkeep.conf.d/10-masked.conf": "[Watch]\nMasked=1\n",
        "/usr/local/lib/bootkeep/bootkeep.conf.d/20-both.conf": "[Watch]\nLocal=1\n",
        "/run/bootkeep/bootkeep.conf.d/20-both.conf": "[Watch]\nRuntime=1\n",
        "/usr/local/lib/bootkeep/builders.d/masked.conf": "nonsense",
        "/usr/local/lib/bootkeep/builders.d/bad.conf": "[Builder]\nUser=x\nExec=/bin/true\n",
    }
    links = {
        "/etc/bootkeep/bootkeep.conf.d/10-masked.conf": "/dev/null",
        "/etc/bootkeep/bootkeep.conf.d/15-leads-nowhere.conf": "/nowhere",
        "/etc/bootkeep/builders.d/masked.conf": "/dev/null",
    }
    # each place is empty at first, and exists only for the command
    script = "for d in /etc /run /usr/local/lib; do\n" \
             "mount -t tmpfs test $d\nmkdir -p $d/bootkeep/bootkeep.conf.d $d/bootkeep/builders.d\ndone\n"
    script += "".join(f"printf '{text}' >{path}\n" for path, text in files.items())
    script += "".join(f"ln -s {target} {path}\n" for path, target in links.items())
    process = world.programs.run(["unshare", "--mount", "sh", "-euc", script + 'exec "$@"', "sh", program("bootkeepd"),
                                  "--check-config", f"--libexec={libexec(world)}"])
    said = process.stderr
    assert process.returncode == 1, said
    places = [said.find(words) for words in ("/etc/bootkeep/bootkeep.conf:2: ", "15-leads-nowhere.conf",
                                             "/run/bootkeep/bootkeep.conf.d/20-both.conf:2: ", "bad.conf:2: ")]
    assert -1 not in places and places == sorted(places), said
    for word in ("Vendor", "Masked", "Local", "masked"):
        assert word not in said, said


@test
def bad_builder_files_are_named_with_file_and_line(world):
    folder = world.path("bad-builders")
    bad = {
        "[Builder]\nExec=relative %o\n": (":2:", "Exec"),
        "[Builder]\nDescription=x\n": ("Exec",),
        "[Builder]\nExec=/bin/true \"open\n": (":2:",),
        "[Builder]\nExec=/bin/true %x\n": (":2:", "%x"),
        "[Builder]\nExec=/bin/true\nRoot=jail\n": (":3:", "Root"),
        "[Builder]\nExec=/bin/true\nTimeoutSec=never mind\n": (":3:", "TimeoutSec"),
        "[Builder]\nExec=/bin/true\nUser=root\n": (":3:", "User"),
        "nonsense": (":1:",),
        "": ("Exec",),
    }
    for text, words in bad.items():
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "bad.conf"), "w", encoding="utf-8") as f:
            f.write(text)
        status, said = check_config(world, "", folder)
        assert status == 1, f"{text!r}: status {status}, {said}"
        for word in ("bad.conf", *words):
            assert word in said, f"{text!r}: no {word!r} in {said!r}"


@test
def bad_values_leave_the_defaults_and_the_daemon_running(world):
    volume = world.volume()
    path = world.path("bad.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config_text({"Build": {"MaxBuilds": "lots", "Colour": "red"}}))
    daemon = world.daemon(config_file=path)
    daemon.wait_for(r"bad\.conf:\d+: .*MaxBuilds")
    daemon.wait_for(r"bad\.conf:\d+: .*Colour")
    daemon.trusted(volume)


@test
def two_volumes_are_kept_apart(world):
    one = world.volume(name="one")
    two = world.volume(name="two")
    daemon = world.daemon()
    first, second = daemon.trusted(one), daemon.trusted(two)
    builds = len(second.builds)
    one.write(MANIFEST, "broken")
    first.wait_state("refused")
    two.write("/etc/initramfs.conf", "another\n")
    assert second.wait_build(builds)[0] == 0
    second.wait_state("fresh")
    assert first["State"] == "refused"


@test
def max_builds_bounds_what_runs_at_once(world):
    volumes = [world.volume(name=f"v{i}") for i in range(2)]
    gate = Gate(world)
    daemon = world.daemon(config={"Build": {"MaxBuilds": "1"}})
    views = [daemon.trusted(v) for v in volumes]
    for volume in volumes:
        volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
        volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    building = next(v for v in views if v["State"] == "building")
    waiting = next(v for v in views if v is not building)
    waiting.wait_state("stale")
    gate.open()
    gate.await_builder()
    gate.open()
    for view in views:
        view.wait_state("fresh")


@test
def a_hanging_scan_is_reported_and_its_result_still_counts(world):
    volume = world.volume()
    daemon = world.daemon(config={"Watch": {"ScanTimeoutSec": "1"}})
    view = daemon.trusted(volume)
    real = os.readlink(world.path("libexec/bootkeep-scan"))
    gate = Gate(world)
    os.unlink(world.path("libexec/bootkeep-scan"))
    with open(world.path("libexec/bootkeep-scan"), "w", encoding="ascii") as f:
        f.write(f'#!/bin/sh\n{gate.script}exec {real} "$@"\n')
    os.chmod(world.path("libexec/bootkeep-scan"), 0o755)
    volume.write("/etc/initramfs.conf", "another\n")
    gate.await_builder()
    view.wait_state("hung")
    assert view["Busy"] is False
    os.unlink(world.path("libexec/bootkeep-scan"))
    os.symlink(real, world.path("libexec/bootkeep-scan"))
    gate.open()
    view.wait("built", lambda p: volume.runs() == 2 and p.get("State") == "fresh")


@test
def a_scan_that_prints_nonsense_is_harmless(world):
    volume = world.volume()
    daemon = world.daemon()
    view = daemon.trusted(volume)
    real = os.readlink(world.path("libexec/bootkeep-scan"))
    script = world.path("libexec/bootkeep-scan")
    bad = ("head -c 1000000 /dev/zero; exit 0", "yes CACHE a b fresh | head -n 100000; exit 0", "kill -SEGV $$",
           "printf 'RESULT \\\\xzz\\n\\377\\376\\nCACHE\\n'; exit 1", "exit 77", "echo RESULT fresh; exit 3")
    for text in bad:
        os.unlink(script)
        with open(script, "w", encoding="ascii") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(script, 0o755)
        try:
            daemon.call("Scan", "s", volume.name)
        except Exception as e:  # pylint: disable=broad-except
            world.note(f"{text}: {e}")
    os.unlink(script)
    os.symlink(real, script)
    daemon.call("Scan", "s", volume.name)
    view.wait_state("fresh")


@test
def without_the_programs_it_depends_on_it_says_so(world):
    volume = world.volume()
    empty = world.path("nothing")
    os.mkdir(empty)
    daemon = world.daemon(arguments=[f"--libexec={empty}"])
    daemon.wait_for("bootkeep-scan")
    assert daemon.volume(volume.name).wait("there", bool)


@test
def without_a_bus_it_still_keeps_the_caches(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    daemon.stop()
    command = daemon.command()
    env = environment(DBUS_SYSTEM_BUS_ADDRESS="unix:path=" + world.path("nobus"))
    volume.write("/etc/initramfs.conf", "another\n")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as process:
        for line in process.stderr:
            world.note(line.rstrip())
            if f"{volume.name}: fresh" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert volume.runs() == 2


@test
def a_second_daemon_does_not_start(world):
    world.daemon()
    second = Daemon(world)
    process = world.programs.run(second.command(), timeout=20)
    assert process.returncode != 0 and "org.bootkeep1" in process.stderr, process.stderr


@test
def wrong_usage_is_refused_with_a_message(world):
    daemon = program("bootkeepd")
    for arguments in (["--nonsense"], ["surplus"], ["--config"]):
        process = world.programs.run([daemon, *arguments])
        assert process.returncode != 0 and process.stderr, arguments
    assert "0.1" in world.programs.run([daemon, "--version"]).stdout
    assert "--check-config" in world.programs.run([daemon, "--help"]).stdout


@test
def when_all_is_fresh_it_only_waits_for_events(world):
    volume = world.volume()
    daemon = world.daemon()
    daemon.trusted(volume)
    with daemon.changed:  # including the machine's own volumes
        quiet = daemon.changed.wait_for(
            lambda: all(v.get("State") in ("fresh", "plain", "untrusted") for v in daemon.objects.values()), 30)
    assert quiet, daemon.objects
    folder = f"/proc/{daemon.process.pid}/fdinfo"
    deadline = time.monotonic() + 5  # the list of busy volumes lags some milliseconds behind
    while True:
        daemon.property("Version")  # one more iteration of its loop, so that disarmed timers really are
        armed = []
        for fd in os.listdir(folder):
            with open(f"{folder}/{fd}", encoding="ascii") as f:
                armed += [line for line in f if line.startswith("it_value:") and line.split(":")[1].strip() != "(0, 0)"]
        if not armed or time.monotonic() > deadline:
            break
    assert not armed, f"timers run on: {armed}"


@test
def the_daemon_says_why_a_build_failed(world):
    """What bootkeep-build and its builders log is not found by the daemon's unit if they are gone too soon."""
    volume = world.volume(esps=0)
    daemon = world.daemon(config={"Build": {"RetrySec": "30"}})
    view = daemon.trusted(volume)
    volume.builder("pack", "kill -KILL $$\n")
    volume.write("/etc/initramfs.conf", "for a builder that is killed\n")
    said = daemon.wait_for(f"bootkeepd: {volume.name}: build failed: ")
    assert "killed by SIGKILL" in said, said
    view.wait_state("failed")
    assert said.endswith(view["StateReason"]), (said, view["StateReason"])


main()
