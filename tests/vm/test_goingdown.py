#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system goes down a second after a change of /etc/initramfs-tools/modules, in every way and with everything in the way:
what is booted next is what was changed, or it is said why not."""

import contextlib
import time

from cases import case, long_case, main
from changes import builds, change, configure, hold_builder, let_go, mark


def changed(lab, machine):
    """A change that nobody has looked at yet when the system goes down. Returns its mark."""
    new = change(machine, "a second before the system went down")
    machine.run("sleep 1")
    lab.say(f"mark of what was changed: {new}")
    return new


@contextlib.contextmanager
def booted_again(lab, machine, *expected):
    """The machine, which has been told to reboot and to end then, and is now booted from one of these marks. By another QEMU:
    OVMF in one that was reset has been seen to hang."""
    machine.ended()
    lab.say("\n".join(machine.said_by_bootkeep((0, 0))))
    with lab.booted(machine) as again:
        boots(lab, again, (0, 0), *expected)
        again.wait_up()
        yield again


def boots(lab, machine, here, *expected):
    """What is booted after HERE is one of these marks."""
    got = machine.console.wait("initramfs: (.*)", here[0])[1]
    lab.say(f"booted: {got}")
    assert got in expected, (got, expected)


def went_down_with(lab, machine, *expected):
    """The machine, which has been told to go down, did. Its ESPs carry these marks: what the firmware would start now is read
    from outside, which takes less time than to boot it. Returns what bootkeep said on the console."""
    machine.ended()
    said = machine.said_by_bootkeep((0, 0))
    lab.say("\n".join(said))
    found = [list(what.values()) for what in lab.carried(machine)]
    assert found == [[mark] for mark in expected], (found, expected)
    return said


def goes_down_with(lab, command, before=":"):
    """Goes down by COMMAND, after BEFORE, a second after a change: both ESPs carry it."""
    with lab.resumed() as machine:
        machine.run(before)
        new = changed(lab, machine)
        machine.end_at_reboot()
        machine.start(command)
        return went_down_with(lab, machine, new, new)


@long_case  # begun first
def a_module_by_the_real_initramfs_tools(lab):
    with lab.resumed() as machine:
        configure(machine, "[Shutdown]", "FlushTimeoutSec=15min")
        machine.run("sed -i 's/builder=.initramfs./builder=\"initramfs-tools\"/' /etc/bootkeep/bootcaches.xml")
        machine.run("echo dummy >>/etc/initramfs-tools/modules; sleep 1; ! lsmod | grep dummy")
        new = mark(machine)
        began = time.monotonic()
        machine.end_at_reboot()
        machine.start("systemctl reboot")
        machine.ended(timeout=1100)
        lab.say(f"went down within {time.monotonic() - began:.0f} s")
        with booted_again(lab, machine, new) as again:
            lab.say(again.run("lsmod | grep dummy; bootkeepctl check /"))  # nothing else loads it


@case
def systemctl_reboot(lab):
    with lab.resumed() as machine:
        lab.say(machine.run("systemd-inhibit --list --no-pager"))
        new = changed(lab, machine)
        machine.end_at_reboot()
        machine.start("systemctl reboot")
        with booted_again(lab, machine, new) as again:
            again.run("bootkeepctl check /")
            lab.say(again.run("bootkeepctl status; systemctl --failed --no-pager"))
            assert not builds(again)


@case
def systemctl_poweroff(lab):
    goes_down_with(lab, "systemctl poweroff")


@case
def shutdown_in_a_minute(lab):
    goes_down_with(lab, "shutdown -r +1; sleep 1; date -s '+57 sec'")


@case
def ctrl_alt_del(lab):
    with lab.resumed() as machine:
        new = changed(lab, machine)
        machine.end_at_reboot()
        machine.press("ctrl", "alt", "delete")
        went_down_with(lab, machine, new, new)


HELD = "pid=$(pgrep -f /usr/local/lib/test/initramfs | head -n 1); echo $pid $(ps -o lstart= -p $pid) $(cat /proc/$pid/cgroup)"


@case
def a_build_between_two_sets_blocks_logind_and_outlives_the_daemon(lab):
    with lab.resumed() as machine:
        hold_builder(machine)
        new = change(machine, "held between two sets")
        machine.start("bootkeepctl rebuild /")
        said = machine.run("until systemd-inhibit --list --no-pager | grep -w block; do sleep 0.1; done; "
                           "systemctl reboot --check-inhibitors=yes; echo status $?")
        lab.say(said)
        assert "between the old and the new set on md0 (/)" in said and 'inhibited by "bootkeep"' in said, said
        assert said.endswith("status 1") and "bootkeepd" in said, said
        held = machine.run(HELD)
        machine.run("systemctl restart bootkeepd; bootkeepctl status /", status=None)
        machine.run("until busctl get-property org.bootkeep1 /org/bootkeep1/volume/md0 org.bootkeep1.Volume State | "
                    "grep -qw building; do sleep 0.2; done")
        assert machine.run(HELD) == held
        let_go(machine)
        machine.run("bootkeepctl flush && bootkeepctl check / && bootkeepctl ready")
        runs = machine.run("journalctl --sync; journalctl -q -b -o cat | grep -c 'initramfs.*: held$'")
        lab.say(f"the builder before and after a restart of the daemon: {held}; run {runs} time")
        assert runs == "1", runs
        lab.say(machine.run("systemd-inhibit --list --no-pager"))
        assert "block" not in machine.run("systemd-inhibit --list --no-pager | grep bootkeep")
        machine.end_at_reboot()
        machine.start("systemctl reboot --check-inhibitors=yes")
        went_down_with(lab, machine, new, new)


def refuses(machine):
    """Waits until systemd has been told to refuse."""
    machine.run("until systemctl show --value -p RefuseManualStart reboot.target | grep -q yes; do sleep 0.2; done")


def refuses_no_more(machine):
    machine.run("until systemctl show --value -p RefuseManualStart reboot.target | grep -q no; do sleep 0.2; done; "
                "! compgen -G '/run/systemd/system/*.target.d/50-bootkeep*'")


def refuses_every_way(lab, machine):
    """Also root."""
    machine.run(LOAD)
    ways = ["reboot", "poweroff", "halt", "kexec"]
    if "soft-reboot" in machine.run("systemctl --help"):
        ways.append("soft-reboot")
    for way in ways:
        said = machine.run(f"systemctl {way}", status=4)
        assert f"Operation refused, unit {way}.target may be requested by dependency only" in said, said
    lab.say(f"systemctl {way}: {said}")
    for way in ("shutdown now", "shutdown -r now", "reboot", "poweroff", "halt"):
        lab.say(f"{way}: {machine.run(way, status=None)}")
    machine.run("! systemctl list-jobs --no-legend | grep -E 'shutdown|reboot|poweroff|halt|kexec'; kexec -u")
    said = machine.run("systemctl status --no-pager reboot.target", status=3)
    lab.say(said)
    return said


KILL_FOR_GOOD = """
mkdir /run/systemd/system/bootkeepd.service.d
printf '[Unit]\\nStartLimitIntervalSec=1h\\nStartLimitBurst=2\\n[Service]\\nRestartSec=100ms\\n' \\
        >/run/systemd/system/bootkeepd.service.d/limit.conf
systemctl daemon-reload
until systemctl is-failed -q bootkeepd; do systemctl kill --kill-whom=main -s KILL bootkeepd 2>/dev/null; sleep 0.3; done
systemctl status --no-pager -n 3 bootkeepd
rm -r /run/systemd/system/bootkeepd.service.d
"""


@case
def systemd_refuses_while_work_is_owed_and_bootkeepctl_reboot_waits_for_it(lab):
    with lab.resumed() as machine:
        configure(machine, "[Shutdown]", "Refuse=yes")
        locked = machine.start("bootkeepctl lock / -- sh -c 'until [ -e /run/unlock ]; do sleep 0.2; done'")
        refuses(machine)
        lab.say(machine.run("bootkeepctl ready", status=1))
        assert "Refused by bootkeep: Boot files are owed on md0 (/): " in refuses_every_way(lab, machine)
        machine.run("touch /run/unlock")
        assert machine.finish(locked)[0] == 0
        refuses_no_more(machine)
        machine.run("bootkeepctl ready")
        hold_builder(machine)
        new = changed(lab, machine)
        refuses(machine)
        said = machine.run("systemctl reboot; echo status $?; systemctl status --no-pager reboot.target | head -n 1; "
                           "journalctl --sync; journalctl -q -b -o cat -p emerg")
        lab.say(said)
        assert "\nstatus 4\n" in said and "Refused by bootkeep: Boot files are owed on md0 (/): " in said, said
        assert "The system does not go down: Boot files are owed on md0 (/): " in said, said
        lab.say(machine.run(KILL_FOR_GOOD, status=None))
        refuses_no_more(machine)
        machine.run("systemctl daemon-reload; systemctl reset-failed bootkeepd; systemctl start bootkeepd")
        refuses(machine)
        lab.say(machine.run("bootkeepctl ready; systemctl status --no-pager reboot.target | head -n 1", status=None))
        machine.end_at_reboot()
        machine.start("bootkeepctl reboot --wait")
        machine.run("until busctl get-property org.bootkeep1 /org/bootkeep1 org.bootkeep1.Manager RebootWaiters | grep -q 1; "
                    "do sleep 0.2; done")
        let_go(machine)
        went_down_with(lab, machine, new, new)


LOAD = "kexec -l /boot/vmlinuz-$(uname -r) --initrd=/boot/initrd.img-$(uname -r) --reuse-cmdline"


@long_case
def kexec(lab):
    """It starts what was loaded, when it was loaded. All that is owed is done before nevertheless."""
    with lab.resumed() as machine:
        machine.run(LOAD)
        old, new = mark(machine), changed(lab, machine)
        here = machine.mark()
        machine.start("systemctl kexec")
        boots(lab, machine, here, old)
        machine.wait_up(here)
        assert mark(machine) == new
        machine.run("bootkeepctl check /")
        assert not builds(machine)
        lab.say(machine.run("journalctl -q -b -o cat -u bootkeepd | grep 'it is unknown whether the machine runs from the past'"))
        new = changed(lab, machine)
        here = machine.mark()
        machine.start(f"bootkeepctl flush && {LOAD} && bootkeepctl reboot --kexec")
        boots(lab, machine, here, new)


@case
def a_held_volume_lock(lab):
    goes_down_with(lab, "systemctl reboot", "systemd-run -q bootkeepctl lock / -- sleep 1000; "
                 "until ! bootkeepctl status / | grep -q 'Lock: free'; do sleep 0.2; done")


@case
def a_held_reboot_lock(lab):
    goes_down_with(lab, "systemctl reboot", "systemd-run -q bootkeepctl reboot-lock -- sleep 1000; "
                 "until busctl get-property org.bootkeep1 /org/bootkeep1 org.bootkeep1.Manager RebootLocked | grep -q true; "
                 "do sleep 0.2; done")


@case
def a_daemon_that_was_killed(lab):
    goes_down_with(lab, "systemctl reboot", "systemctl kill -s KILL bootkeepd; systemctl stop bootkeepd")


@case
def a_bus_that_was_stopped(lab):
    goes_down_with(lab, "systemctl reboot", "systemctl stop dbus.socket dbus.service")


@case
def an_automounted_esp(lab):
    goes_down_with(lab, "systemctl reboot", "mkdir -p /boot/efi; systemd-mount -q --automount=yes --timeout-idle-sec=1s "
                 "/dev/disk/by-partlabel/esp0 /boot/efi; ls /boot/efi")


@case
def a_failing_builder(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        machine.run("echo 'echo nothing works here; exit 1' >/var/lib/test-builder")
        changed(lab, machine)
        machine.end_at_reboot()
        machine.start("systemctl reboot")
        said = went_down_with(lab, machine, old, old)
        assert any("md0 goes down out of date" in line and "exited with status 1" in line for line in said), said


@case
def a_builder_that_hangs_is_said_again(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        configure(machine, "[Shutdown]", "FlushTimeoutSec=10")
        hold_builder(machine, every="20")  # to start a program takes so much of a processor here that it counts as being active
        changed(lab, machine)
        began = time.monotonic()
        machine.end_at_reboot()
        machine.start("systemctl reboot")
        machine.ended()
        lab.say(f"went down within {time.monotonic() - began:.0f} s")
        assert any("md0 goes down out of date: not finished in time" in line for line in machine.said_by_bootkeep((0, 0)))
        with booted_again(lab, machine, old) as again:
            lab.say(again.run("systemctl status --no-pager bootkeep-owed; systemctl --failed --no-pager; bootkeepctl status",
                              status=None))
            assert again.run("systemctl is-failed bootkeep-owed.service") == "failed"
            first = again.run("bootkeepctl status", status=1).splitlines()[0]
            assert "went down" in first and "md0" in first, first
            said = again.run("journalctl -b -1 -o cat -u bootkeepd | grep 'no longer waited for'")
            assert "no sign of life for 10 s" in said, said
            let_go(again)
            again.run("bootkeepctl flush")
            first = again.run("bootkeepctl status").splitlines()[0]
            assert "went down" not in first, first
            again.run("while systemctl is-failed -q bootkeep-owed.service; do sleep 0.2; done")


@case
def a_full_esp(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        machine.run("mount /dev/disk/by-partlabel/esp1 /mnt; cat /dev/zero >/mnt/full; umount /mnt", status=None)
        new = changed(lab, machine)
        machine.end_at_reboot()
        machine.start("systemctl reboot")
        said = went_down_with(lab, machine, new, old)
        assert any("out of date" in line for line in said), said


ANOTHER_VOLUME = """
printf '[Builder]\\nExec=/bin/cp %%s %%o\\nRoot=host\\n' >/etc/bootkeep/builders.d/copy.conf
truncate -s 32M /var/tmp/other
dmsetup create other --table "0 65536 linear $(losetup -f --show /var/tmp/other) 0"
mkfs.ext4 -q /dev/mapper/other
mkdir -p /srv/other && mount /dev/mapper/other /srv/other && cd /srv/other && mkdir -p etc/bootkeep boot
echo one >etc/source
cat >etc/bootkeep/bootcaches.xml <<END
<bootcaches version="1">
  <cache name="copy" builder="copy"><source path="/etc/source"/><output path="/boot/copy"/></cache>
</bootcaches>
END
printf '[Shutdown]\\nFlushTimeoutSec=10\\n' >/etc/bootkeep/bootkeep.conf.d/20-flush.conf
systemctl reload bootkeepd
bootkeepctl trust /srv/other && bootkeepctl rebuild /srv/other && bootkeepctl check /srv/other
"""


@case
def a_hung_disk(lab):
    with lab.resumed() as machine:
        lab.say(machine.run(ANOTHER_VOLUME))
        old = mark(machine)
        new = change(machine, "a disk hangs")
        machine.run("echo two >/srv/other/etc/source; dmsetup suspend --noflush --nolockfs other; sleep 1")
        machine.start("systemctl reboot")
        machine.console.wait("Stopped.*bootkeep-flush")  # systemd then has its own troubles with this disk
        said = machine.said_by_bootkeep((0, 0))
        lab.say("\n".join(said))
        assert any("goes down out of date" in line for line in said), said
        machine.kill()
        # Linux 6.1 makes each umount(2), also of an ESP, wait for inodes that change their cgroup, also on the hung disk.
        for what in lab.carried(machine):
            assert list(what.values()) in ([old], [new]), (what, old, new)


@case
def reboot_by_force(lab):
    with lab.resumed() as machine:
        old, new = mark(machine), changed(lab, machine)
        machine.end_at_reboot()
        machine.start("reboot -f")
        machine.ended()
        for what in lab.carried(machine):
            assert list(what.values()) in ([old], [new]), (what, old, new)


if __name__ == "__main__":
    main()
