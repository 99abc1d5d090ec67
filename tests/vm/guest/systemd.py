#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bootkeep as it is installed: a unit of systemd, on the system bus, with journal, catalog and activation. Each test
continues where the one before ended."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback

from realdisk import RealDisk

# pylint: disable=wrong-import-order
from lib.content import (CACHE, COPIES, KERNEL, MACHINE_ID, MANIFEST, OUTPUT, PACK, Volume, assert_carries, cache,
                         manifest)
from lib.disk import is_free, run
from lib.programs import NOBODY

UNIT = "bootkeepd.service"
MESSAGE = "f0d1a6f6d3a34f5e9c0b7b1d8a5c2e"
STARTED, SUCCEEDED, BUILDER_OUTPUT, CONFIG = (MESSAGE + end for end in ("05", "06", "0c", "0d"))
SLOW = 20  # timeouts for a machine that QEMU emulates on a busy host


class Place:
    """What RealDisk and Volume need of a World."""

    def __init__(self, folder):
        self.folder = folder
        os.mkdir(folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def later(self, function):
        """Nothing is undone: the machine goes away as a whole."""


def command(*words, status=0, timeout=300):
    """Runs WORDS and returns the output."""
    process = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                             check=False)
    got = process.returncode
    assert status is None or got == status, f"{' '.join(words)}: status {got}, expected {status}\n{process.stdout}"
    return process.stdout


def ctl(*words, status=0, prefix=()):
    return command(*prefix, "bootkeepctl", "--no-pager", *words, status=status)


def shown(key, unit=UNIT):
    return command("systemctl", "show", "--value", "-p", key, unit).strip()


def build_unit(volume):
    return f"bootkeep-build@{volume.name}.service"


def builder_unit(volume):
    return f"bootkeep-builder@{volume.name}.service"


def journal(*matches):
    command("journalctl", "--sync")
    said = command("journalctl", "-q", "--no-pager", "-o", "json", *matches)
    return [json.loads(line) for line in said.splitlines()]


def moment():
    """For `journal_since`."""
    return int(journal("-n", "1")[0]["__MONOTONIC_TIMESTAMP"])


def journal_since(when, *matches):
    """With --after-cursor= and matches, systemd 252 skips one (its issue 30288)."""
    return [e for e in journal(*matches) if int(e["__MONOTONIC_TIMESTAMP"]) > when]


def state_of(volume):
    found = re.search(r"\b(new|plain|refused|untrusted|fresh|settling|scanning|stale|building|failed|given-up|hung)\b",
                      command("busctl", "get-property", "org.bootkeep1", f"/org/bootkeep1/volume/{volume.name}",
                              "org.bootkeep1.Volume", "State"))
    return found[0]


def wait(what, holds, timeout=180):
    """Waits for something that sends no signal here."""
    end = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < end, f"{what} not within {timeout} s"
        time.sleep(0.2)


def wait_fresh(volume):
    wait(f"{volume.name} fresh", lambda: state_of(volume) == "fresh")


def builds():
    return len(journal(f"MESSAGE_ID={STARTED}"))


def carries(volume):
    for helper in volume.disk.helpers:
        assert_carries(volume, helper)


def a_call_on_the_bus_starts_the_service(_volume):
    assert shown("ActiveState") == "inactive", shown("ActiveState")
    command("busctl", "call", "org.bootkeep1", "/org/bootkeep1", "org.freedesktop.DBus.Peer", "Ping")
    wait("what its start has started as well", lambda: shown("ActiveState") == "active")
    assert shown("ActiveState", "bootkeep-flush.service") in ("active", "activating")
    assert shown("Type") == "notify" and shown("NRestarts") == "0"


def the_limits_of_inotify_are_raised(_volume):
    with open("/proc/sys/fs/inotify/max_user_instances", encoding="ascii") as f:
        assert int(f.read()) >= 1024


def a_trusted_volume_is_built_within_the_unit(volume):
    wait("untrusted", lambda: state_of(volume) == "untrusted")
    ctl("trust", volume.name)
    wait_fresh(volume)
    carries(volume)
    table = ctl("status")
    assert volume.name in table and "fresh" in table, table


def a_builder_in_a_chroot_works_within_the_unit(volume):
    # /proc and /dev are there, nothing of the host is, and what a builder of a distribution does is allowed
    assert volume.read("/boot/chrooted").startswith(MACHINE_ID.encode()), volume.read("/boot/chrooted")
    assert b"mounted" in volume.read("/boot/chrooted") and b"node" in volume.read("/boot/chrooted")


def the_journal_has_fields_and_message_ids(volume):
    for message_id in (STARTED, SUCCEEDED):
        found = journal(f"MESSAGE_ID={message_id}")
        assert found, f"no message {message_id}"
        for entry in found:
            assert entry["BOOTKEEP_VOLUME"] == volume.name, entry
            assert entry["_SYSTEMD_UNIT"] in (UNIT, build_unit(volume)), entry
    said = journal(f"MESSAGE_ID={BUILDER_OUTPUT}", f"BOOTKEEP_VOLUME={volume.name}", "-u", build_unit(volume))
    assert any(e["MESSAGE"].endswith(f"packing {KERNEL}") and e["BOOTKEEP_CACHE"] == "initramfs" for e in said), said


def the_catalog_explains(volume):
    command("journalctl", "--update-catalog")
    said = command("journalctl", "-q", "--no-pager", "-x", f"MESSAGE_ID={SUCCEEDED}")
    assert f"Built on volume {volume.name}" in said and "recorded as up to date" in said, said


def a_change_is_built(volume):
    before = builds()
    volume.write("/etc/initramfs.conf", "compress=zstd\n")
    wait("a build", lambda: builds() > before)
    wait_fresh(volume)
    carries(volume)


def why_it_failed(volume, when, *matches):
    """What the journal has since WHEN about the failure of VOLUME's builder, with its fields."""
    return [e for e in journal_since(when, *matches)
            if e.get("BOOTKEEP_VOLUME") == volume.name and "killed by SIGKILL" in e["MESSAGE"]]


def the_daemon_tells_why_a_build_failed_whoever_ran_it(volume):
    """A program that exits at once is gone before journald can tell which unit it was of: bootkeepd stays."""
    builder(volume, "kill -KILL $$\n")
    volume.write("/etc/initramfs.conf", "for a builder that is killed\n")
    try:
        by_hand = ("/usr/lib/bootkeep/bootkeep-build", "--force", volume.root)
        for what, words in ((lambda: ctl("rebuild", volume.name, status=1), "build failed: "),
                            (lambda: command(*by_hand, status=1), "released its lock with status 1 and said: ")):
            when = moment()
            what()
            for matches in (("-u", UNIT), (f"BOOTKEEP_VOLUME={volume.name}", f"_SYSTEMD_UNIT={UNIT}")):
                wait(f"{words} by {matches}",
                     lambda s=when, m=matches, w=words: any(w in e["MESSAGE"] for e in why_it_failed(volume, s, *m)))
            said = ctl("status", volume.name, status=1)
            assert re.search("Last failure: .*killed by SIGKILL", said), said
    finally:  # what follows needs a builder
        builder(volume, PACK)
    ctl("rebuild", volume.name)
    wait_fresh(volume)


def a_reload_reads_the_configuration_again(_volume):
    pid = shown("MainPID")
    configure("[Watch]\nSettleSec=nonsense\n", "90-broken.conf")
    command("systemctl", "reload", UNIT)
    wait("a warning", lambda: any("SettleSec" in e["MESSAGE"] for e in journal(f"MESSAGE_ID={CONFIG}", "-p", "warning")))
    os.unlink("/etc/bootkeep/bootkeep.conf.d/90-broken.conf")
    command("systemctl", "reload", UNIT)
    assert shown("MainPID") == pid and shown("ActiveState") == "active"


def other_users_may_look_but_not_change(volume):
    said = ctl("status", volume.name, prefix=NOBODY)
    assert "fresh" in said, said
    ctl("rebuild", volume.name, prefix=NOBODY, status=4)
    ctl("distrust", volume.name, prefix=NOBODY, status=4)
    assert state_of(volume) == "fresh"


def root_may_rebuild(volume):
    runs = volume.runs()
    ctl("rebuild", "--force", volume.name)
    assert volume.runs() == runs + 1
    carries(volume)


def inhibitors():
    return [line for line in command("systemd-inhibit", "--list", "--no-pager").splitlines() if "bootkeep " in line]


def logind_is_told_what_is_owed(volume):
    os.makedirs("/run/systemd/logind.conf.d", exist_ok=True)
    with open("/run/systemd/logind.conf.d/test.conf", "w", encoding="ascii") as f:
        f.write("[Login]\nInhibitDelayMaxSec=5min\n")
    command("systemctl", "start", "systemd-logind.service")
    wait("an inhibitor", lambda: any("nothing is owed" in line and "delay" in line for line in inhibitors()))
    configure("[Watch]\nSettleSec=600\nSettleMaxSec=600\n", "90-slow.conf")
    command("systemctl", "reload", UNIT)
    wait_fresh(volume)
    volume.write("/etc/initramfs.conf", "going down\n")
    where = f"owed on {volume.name} ({volume.disk.mountpoint}): settling, something changed"
    wait("what is owed", lambda: any(where in line for line in inhibitors()))
    for line in command("systemd-inhibit", "--list", "--no-pager").splitlines():
        print("# " + line)


def a_reboot_waits_for_what_is_owed(volume):
    """Of logind, which then asks systemd; a drop-in has that refuse in the end, so that the machine stays up."""
    os.makedirs("/run/systemd/system/reboot.target.d", exist_ok=True)
    with open("/run/systemd/system/reboot.target.d/50-test.conf", "w", encoding="ascii") as f:
        f.write("[Unit]\nRefuseManualStart=yes\n")
    command("systemctl", "daemon-reload")
    command("busctl", "call", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
            "Reboot", "b", "false")
    wait("the end of it", lambda: any("does not go down after all" in e["MESSAGE"] for e in journal("-u", UNIT)), 250)
    assert volume.read(OUTPUT) == volume.packed()
    carries(volume)
    wait_fresh(volume)
    wait("an inhibitor", lambda: any("nothing is owed" in line for line in inhibitors()))
    os.unlink("/run/systemd/system/reboot.target.d/50-test.conf")
    os.unlink("/etc/bootkeep/bootkeep.conf.d/90-slow.conf")
    command("systemctl", "daemon-reload")
    command("systemctl", "reload", UNIT)
    wait_fresh(volume)


def logind_may_be_restarted(_volume):
    command("systemctl", "restart", "systemd-logind.service")
    wait("an inhibitor", lambda: len(inhibitors()) == 1)
    command("systemctl", "stop", "systemd-logind.service")
    wait("a line about it", lambda: any("logind is not running" in e["MESSAGE"] for e in journal("-u", UNIT)))


def stop():
    """Stops the service and returns how many seconds that took."""
    since = time.monotonic()
    command("systemctl", "stop", UNIT)
    took = time.monotonic() - since
    # systemd forgets a unit that has ended well, but not one that failed
    assert shown("ActiveState") == "inactive" and shown("Result") == "success", shown("Result")
    print(f"# stopped within {took:.2f} s")
    return took


def stopping_takes_less_than_a_second(_volume):
    assert stop() < 1 * SLOW


def a_start_finds_that_all_is_fresh(volume):
    before = builds()
    command("systemctl", "start", UNIT)
    wait_fresh(volume)
    assert builds() == before


def changes_while_it_was_down_are_built(volume):
    command("systemctl", "stop", UNIT)
    volume.write("/etc/initramfs.conf", "compress=no\n")
    command("systemctl", "start", UNIT)
    wait("the change carried", lambda: state_of(volume) == "fresh" and volume.read(OUTPUT) == volume.packed())
    carries(volume)


def after_a_crash_it_is_restarted(volume):
    pid = shown("MainPID")
    command("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait("a restart", lambda: shown("ActiveState") == "active" and shown("MainPID") not in ("0", pid))
    wait_fresh(volume)


GO = "/run/bootkeep-test-go"
# Waits in the middle, with a process that has left its session.
GATE = f"""setsid sleep 1234 & echo waiting
until [ -e {GO} ]; do /bin/sleep 0.2; done
pkill -f 'sleep 1234'
""" + PACK


def begin_build(volume, text):
    """Changes something, and waits until the builder waits for `GO`."""
    if os.path.exists(GO):
        os.unlink(GO)
    builder(volume, GATE)
    when = moment()
    volume.write("/etc/initramfs.conf", text)
    wait("a builder", lambda: any(e["MESSAGE"].endswith("waiting") for e in
                                  journal_since(when, f"MESSAGE_ID={BUILDER_OUTPUT}")))


def end_build(volume, runs):
    """Lets the builder go on. It was run once, in all."""
    with open(GO, "w", encoding="ascii"):
        pass
    wait("the change carried", lambda: state_of(volume) == "fresh" and volume.read(OUTPUT) == volume.packed())
    carries(volume)
    assert volume.runs() == runs + 1, f"built {volume.runs() - runs} times"
    assert not os.path.exists(f"/run/bootkeep/builds/{volume.name}")
    builder(volume, PACK)


def a_build_runs_in_a_unit_of_its_own(volume):
    runs = volume.runs()
    begin_build(volume, "in a unit\n")
    unit = build_unit(volume)
    said = command("systemctl", "status", "--no-pager", unit)
    print("\n".join("# " + line for line in said.splitlines()))
    assert "active (running)" in said and "bootkeep-build" in said and "sleep 1234" not in said, said
    said = command("systemctl", "status", "--no-pager", builder_unit(volume))
    print("\n".join("# " + line for line in said.splitlines()))
    assert "active (running)" in said and "sleep 1234" in said, said
    for name in (unit, builder_unit(volume)):
        with open(f"/proc/{shown('MainPID', name)}/cgroup", encoding="ascii") as f:
            assert name in f.read()
    end_build(volume, runs)
    for name in (unit, builder_unit(volume)):
        wait("the unit over", lambda n=name: shown("ActiveState", n) == "inactive")
    assert not command("pgrep", "-f", "sleep 1234", status=1)


def holder_of(volume):
    return command("busctl", "get-property", "org.bootkeep1", f"/org/bootkeep1/volume/{volume.name}",
                   "org.bootkeep1.Volume", "LockHolder").split('"')[1]


def a_killed_daemon_finds_its_build_again(volume):
    runs, before = volume.runs(), builds()
    begin_build(volume, "adopted\n")
    pid, build, holder = shown("MainPID"), shown("MainPID", build_unit(volume)), holder_of(volume)
    assert holder.startswith(":")
    command("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait("a restart", lambda: shown("ActiveState") == "active" and shown("MainPID") not in ("0", pid))
    wait("the build adopted", lambda: state_of(volume) == "building")
    assert shown("MainPID", build_unit(volume)) == build
    assert holder_of(volume) == holder  # nobody else may change the volume
    refused = command("busctl", "call", "org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", "LockVolume", "su",
                      volume.name, "0", status=1)
    assert "locked by " + holder in refused, refused
    end_build(volume, runs)
    assert builds() == before + 1  # the second daemon says that it goes on
    assert [e for e in journal("-u", UNIT) if e["MESSAGE"].startswith("still building, begun ")]
    assert "Failures: none" in ctl("status", volume.name), ctl("status", volume.name)


def a_build_goes_on_while_the_daemon_is_stopped(volume):
    runs = volume.runs()
    begin_build(volume, "concluded\n")
    assert stop() < 1 * SLOW
    assert shown("ActiveState", build_unit(volume)) == "active"
    with open(GO, "w", encoding="ascii"):
        pass
    wait("the end of the build", lambda: os.path.exists(f"/run/bootkeep/builds/{volume.name}/end"))
    command("systemctl", "start", UNIT)
    end_build(volume, runs)


def what_is_stopped_is_stopped_as_a_whole(volume):
    begin_build(volume, "stopped\n")
    command("systemctl", "stop", build_unit(volume))
    assert not command("pgrep", "-f", "sleep 1234", status=1)
    runs = volume.runs()
    wait("the change carried", lambda: os.path.exists(GO) or not open(GO, "w", encoding="ascii").close())
    end_build(volume, runs)


def ends_with(volume, what, text):
    """After WHAT during a build, TEXT is why it failed."""
    runs = volume.runs()
    begin_build(volume, f"to be ended: {text}\n")
    what()
    wait(text, lambda: re.search(text, ctl("status", volume.name, status=None)))
    end_build(volume, runs + 1)


def a_build_that_is_killed_says_so(volume):
    ends_with(volume, lambda: command("systemctl", "kill", "--signal=KILL", build_unit(volume)),
              "terminated by signal 9")


def a_builder_that_is_killed_is_a_failed_build(volume):
    ends_with(volume, lambda: command("systemctl", "kill", "--signal=KILL", builder_unit(volume)),
              rf"builder pack was killed with {builder_unit(volume)} \(signal\)")
    assert "bootkeep-builder@" not in command("systemctl", "--failed", "--no-pager")


def a_builder_that_eats_all_memory_says_so(volume):
    dropin = "/run/systemd/system/bootkeep-builder@.service.d"
    os.makedirs(dropin)
    with open(dropin + "/50-test.conf", "w", encoding="ascii") as f:
        f.write("[Service]\nMemoryMax=64M\nMemorySwapMax=0\n")
    command("systemctl", "daemon-reload")
    builder(volume, "tail /dev/zero\n")
    volume.write("/etc/initramfs.conf", "hungry\n")
    wait("the reason", lambda: re.search(r"ran out of memory \(see MemoryMax= of bootkeep-builder@",
                                         ctl("status", volume.name, status=None)), 300)
    shutil.rmtree(dropin)
    command("systemctl", "daemon-reload")
    builder(volume, PACK)
    ctl("rebuild", volume.name)
    wait_fresh(volume)


def the_sandbox_of_builds_is_tried_from_inside(_volume):
    """Another program in the place of bootkeep-build."""
    dropin = "/run/systemd/system/bootkeep-build@inside.service.d"
    os.makedirs(dropin)
    shutil.copy(os.path.join(os.path.dirname(__file__), "inside.py"), "/vm/inside.py")
    with open(dropin + "/50-test.conf", "w", encoding="ascii") as f:
        f.write("[Service]\nType=oneshot\nExecStart=\nExecStart=/usr/bin/python3 -B /vm/inside.py\nExecStopPost=\n")
    command("systemctl", "daemon-reload")
    command("systemctl", "start", "bootkeep-build@inside.service", status=None)
    said = [e["MESSAGE"] for e in journal("-u", "bootkeep-build@inside.service")]
    print("\n".join("# " + line for line in said))
    assert "all promises are kept" in said and not [m for m in said if m.startswith("broken: ")], said
    shutil.rmtree(dropin)
    command("systemctl", "daemon-reload")


def where_a_unit_is_masked_it_says_why_nothing_is_built(volume):
    """Those that build, and those of the builders beside them."""
    for name in ("bootkeep-build", "bootkeep-builder"):
        command("systemctl", "mask", f"{name}@.service")
        volume.write("/etc/initramfs.conf", f"{name} is masked\n")
        said = f"systemd does not build: Unit {name}@"
        undo = f"service is masked. To undo that: systemctl unmask {name}@.service"
        wait("a failure", lambda: said in ctl("status", volume.name, status=None))
        assert undo in ctl("status", volume.name, status=None), ctl("status", volume.name, status=None)
        command(*undo.split(": ")[1].split())
        ctl("rebuild", volume.name)
        wait_fresh(volume)
        carries(volume)


def what_the_unit_promises_is_so(volume):
    """Tried from inside, by a process beside the daemon."""
    shutil.copy(os.path.join(os.path.dirname(__file__), "inside_daemon.py"), "/run/inside_daemon.py")
    volume.write("/private", "for somebody else\n", 0o600)
    os.chown(volume.path("/private"), 65534, 65534)
    dropin = f"/run/systemd/system/{UNIT}.d"
    os.makedirs(dropin)
    with open(dropin + "/inside.conf", "w", encoding="utf-8") as f:
        f.write(f"[Service]\nExecStartPost=/usr/bin/python3 -B /run/inside_daemon.py {volume.root} {volume.disk.volume.node} "
                "/usr/lib/bootkeep\n")
    command("systemctl", "daemon-reload")
    command("systemctl", "restart", UNIT)
    shutil.rmtree(dropin)
    command("systemctl", "daemon-reload")
    with open("/run/bootkeep-inside.json", encoding="utf-8") as f:
        found = json.load(f)
    for name, error in found["forbidden"].items():
        print(f"# to {name}: {error.splitlines()[0] if error else error}")
    refused = {name: error for name, error in found["needed"].items() if error}
    assert not refused, refused
    done = [name for name, error in found["forbidden"].items() if not error or "No such file" in error]
    assert not done, done
    assert [line.split(":")[0].strip() for line in found["interfaces"].splitlines()[2:]] == ["lo"], found["interfaces"]
    pid = shown("MainPID")
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        status = dict(line.split(":", 1) for line in f.read().splitlines())
    for key in ("CapPrm", "CapEff", "CapBnd"):
        assert int(status[key], 16) == 1 << 2, status  # CAP_DAC_READ_SEARCH
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", status
    wait_fresh(volume)


def the_unit_holds_no_volume(volume):
    """Mounted before it was started, and after."""
    for _ in range(2):
        volume.disk.umount()
        assert is_free(volume.disk.volume.node), "something still holds the file system"
        volume.disk.mount()
        wait("the volume", lambda: volume.name in ctl("status", status=None))
        wait_fresh(volume)


def ctl_output(*words):
    """Whatever the status."""
    return subprocess.run(["bootkeepctl", *words], stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout


def manager(name):
    return command("busctl", "get-property", "org.bootkeep1", "/org/bootkeep1", "org.bootkeep1.Manager", name).strip()


def refuses(target="reboot.target"):
    return command("systemctl", "show", "--value", "-p", "RefuseManualStart", target).strip() == "yes"


def owe(volume, content):
    """A change whose build waits for a file."""
    builder(volume, "until [ -e /run/finish ]; do sleep 0.2; done\n" + PACK)
    volume.write("/etc/initramfs.conf", content)


def systemd_refuses_root_while_work_is_owed(volume):
    command("systemctl", "start", "systemd-logind.service")
    configure("[Shutdown]\nRefuse=yes\n", "20-refuse.conf")
    command("systemctl", "reload", UNIT)
    wait_fresh(volume)
    ctl("ready")
    reloads = len(journal("_PID=1", "MESSAGE=Reloading."))
    owe(volume, "refused\n")
    wait("a refusal", refuses)
    assert refuses("poweroff.target") and refuses("halt.target") and refuses("kexec.target")
    wait("no inhibitor", lambda: "bootkeep" not in command("systemd-inhibit", "--list"))
    for verb in ("reboot", "poweroff", "halt"):
        said = command("systemctl", verb, status=4)
        assert f"unit {verb}.target may be requested by dependency only" in said, said
        print(f"# systemctl {verb}: {said.splitlines()[0]}")
    said = command("systemctl", "status", "reboot.target", status=3)
    assert f"Refused by bootkeep: Boot files are owed on {volume.name}" in said, said
    print("# " + said.splitlines()[0])
    wait("a message to everybody",
         lambda: any(f"does not go down: Boot files are owed on {volume.name}" in e["MESSAGE"]
                     for e in journal("-u", UNIT, "-p", "emerg")))
    print("# " + ctl("ready", status=1).strip())
    with open("/run/finish", "w", encoding="ascii"):
        pass
    wait_fresh(volume)
    wait("no refusal", lambda: not refuses())
    assert not os.path.exists("/run/systemd/system/reboot.target.d")
    print(f"# systemd was reloaded {len(journal('_PID=1', 'MESSAGE=Reloading.')) - reloads} times")
    os.unlink("/run/finish")


def a_killed_daemon_leaves_no_refusal(volume):
    os.makedirs(f"/run/systemd/system/{UNIT}.d")
    with open(f"/run/systemd/system/{UNIT}.d/once.conf", "w", encoding="ascii") as f:
        f.write("[Service]\nRestart=no\n")
    command("systemctl", "daemon-reload")
    owe(volume, "killed\n")
    wait("a refusal", refuses, 120)
    command("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    wait("its end", lambda: shown("ActiveState") == "failed")
    assert not refuses() and not os.path.exists("/run/systemd/system/reboot.target.d")
    os.unlink(f"/run/systemd/system/{UNIT}.d/once.conf")
    command("systemctl", "daemon-reload")
    builder(volume, PACK)
    with open("/run/finish", "w", encoding="ascii"):  # the build may have begun, and goes on
        pass
    command("systemctl", "start", UNIT)
    wait_fresh(volume)
    os.unlink("/run/finish")


def bootkeepctl_reboot_passes(volume):
    """Last: the system is about to go down then, for as long as somebody delays it."""
    os.makedirs("/run/systemd/logind.conf.d", exist_ok=True)
    with open("/run/systemd/logind.conf.d/vm.conf", "w", encoding="ascii") as f:
        f.write("[Login]\nInhibitDelayMaxSec=1h\n")
    command("systemctl", "restart", "systemd-logind.service")
    # pylint: disable-next=consider-using-with
    subprocess.Popen(["systemd-inhibit", "--what=shutdown", "--mode=delay", "sleep", "1000"])
    wait("an inhibitor", lambda: "sleep" in command("systemd-inhibit", "--list"))
    owe(volume, "waited for\n")
    wait("something owed", lambda: "Not ready" in ctl_output("ready"))
    # pylint: disable-next=consider-using-with
    subprocess.Popen(["bootkeepctl", "reboot", "--wait"])
    wait("somebody who waits", lambda: manager("RebootWaiters") == "u 1")
    with open("/run/finish", "w", encoding="ascii"):
        pass
    wait("logind's consent", lambda: command(
        "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager",
        "PreparingForShutdown").strip() == "b true")
    assert manager("RebootLocked") == "b true" and state_of(volume) == "fresh"
    carries(volume)


def the_journal_has_no_complaints(_volume):
    said = [e["MESSAGE"] for e in journal("-u", UNIT, "-p", "warning")]
    said = [m for m in said if isinstance(m, str) and "SettleSec" not in m]
    for text in said:
        print(f"# it said: {text}")
    assert not [m for m in said if "denied" in m or "not permitted" in m.lower()], said


TESTS = [a_call_on_the_bus_starts_the_service, the_limits_of_inotify_are_raised,
         a_trusted_volume_is_built_within_the_unit, a_builder_in_a_chroot_works_within_the_unit,
         the_journal_has_fields_and_message_ids, the_catalog_explains, a_change_is_built,
         the_daemon_tells_why_a_build_failed_whoever_ran_it, a_reload_reads_the_configuration_again,
         other_users_may_look_but_not_change, root_may_rebuild, logind_is_told_what_is_owed,
         a_reboot_waits_for_what_is_owed, logind_may_be_restarted, stopping_takes_less_than_a_second,
         a_start_finds_that_all_is_fresh, changes_while_it_was_down_are_built, after_a_crash_it_is_restarted,
         a_build_runs_in_a_unit_of_its_own, a_killed_daemon_finds_its_build_again,
         a_build_goes_on_while_the_daemon_is_stopped, what_is_stopped_is_stopped_as_a_whole,
         a_build_that_is_killed_says_so, a_builder_that_is_killed_is_a_failed_build,
         a_builder_that_eats_all_memory_says_so, the_sandbox_of_builds_is_tried_from_inside,
         where_a_unit_is_masked_it_says_why_nothing_is_built, what_the_unit_promises_is_so,
         the_unit_holds_no_volume, systemd_refuses_root_while_work_is_owed,
         a_killed_daemon_leaves_no_refusal, the_journal_has_no_complaints, bootkeepctl_reboot_passes]


def configure(text, name="10-test.conf"):
    with open("/etc/bootkeep/bootkeep.conf.d/" + name, "w", encoding="ascii") as f:
        f.write(text)


def builder(volume, script):
    volume.builder("pack", script, "%r", "%i", "%o")


def chroot_builder(volume):
    """A builder that is installed on the volume, as dracut is."""
    with open("/vm/busybox", "rb") as f:
        volume.write("/bin/busybox", f.read(), 0o755)
    for folder in ("proc", "dev", "sys", "run", "tmp", "mnt", "var/tmp"):
        volume.mkdir("/" + folder)
    volume.write("/usr/bin/make-it", '#!/bin/busybox sh\nset -e\nPATH=/bin\nbusybox cat /etc/machine-id >"$1"\n'
                 'test ! -e /vm\ntest -e /proc/self/fd\n'
                 # what dracut and mkinitcpio do
                 'busybox mount -t tmpfs none /mnt && echo mounted >>"$1" && busybox umount /mnt\n'
                 'busybox mknod /var/tmp/node c 1 3 && echo node >>"$1" && busybox rm /var/tmp/node\n', 0o755)
    volume.definition("make-it", Exec="/bin/busybox sh /usr/bin/make-it %o", Root="chroot")
    chrooted = cache("chrooted", "make-it", "/etc/machine-id", "/boot/chrooted")
    volume.write(MANIFEST, manifest(CACHE, chrooted, COPIES))


def main():
    place = Place("/vm/place")
    os.makedirs("/etc/bootkeep/bootkeep.conf.d", exist_ok=True)
    configure("[Watch]\nSettleSec=500ms\nBootDelaySec=0\n[Build]\nRetrySec=500ms\n")
    disk = RealDisk(place)
    disk.mount()
    volume = Volume(place, disk)
    volume.builders = "/etc/bootkeep/builders.d"
    volume.populate()
    chroot_builder(volume)
    words = sys.argv[1:]
    print(f"1..{len(TESTS)}")
    good = True
    for number, test in enumerate(TESTS, 1):
        title = f"{number} - {test.__name__.replace('_', ' ')}"
        if words and not any(w in test.__name__ for w in words) and number > 3:
            print(f"ok {title} # SKIP not chosen")
            continue
        try:
            test(volume)
            print(f"ok {title}")
        except Exception:  # pylint: disable=broad-except
            good = False
            said = subprocess.run(["journalctl", "-q", "--no-pager", "-n", "60", "-u", UNIT], stdout=subprocess.PIPE,
                                  text=True, check=False).stdout
            for line in (traceback.format_exc() + "--- journal:\n" + said).splitlines():
                print("# " + line)
            print(f"not ok {title}")
    sys.exit(0 if good else 1)


main()
