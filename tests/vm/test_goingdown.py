#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system goes down a second after a change of /etc/initramfs-tools/modules, in every way and with everything in the way:
what is booted next is what was changed, or it is said why not."""

import time

from cases import case, main
from changes import change, mark


def changed(lab, machine):
    """A change that nobody has looked at yet when the system goes down. Returns its mark."""
    new = change(machine, "a second before the system went down")
    machine.run("sleep 1")
    lab.say(f"mark of what was changed: {new}")
    return new


def boots(lab, machine, here, *expected):
    """The boot that follows is from one of these marks; returns after how long it was known, and what the console said."""
    got = machine.console.wait("initramfs: (.*)", here[0])[1]
    said = machine.said_by_bootkeep(here)
    lab.say("\n".join([*said, f"booted: {got}"]))
    assert got in expected, (got, expected)
    return said


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


@case
def systemctl_reboot(lab):
    with lab.resumed() as machine:
        lab.say(machine.run("systemd-inhibit --list --no-pager"))
        new = changed(lab, machine)
        here = machine.mark()
        machine.start("systemctl reboot")
        boots(lab, machine, here, new)
        machine.wait_up(here)
        machine.run("bootkeepctl check /")
        lab.say(machine.run("bootkeepctl status; systemctl --failed --no-pager"))


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


@case
def bootkeepctl_reboot(lab):
    with lab.resumed() as machine:
        new = changed(lab, machine)
        lab.say(machine.run("bootkeepctl ready", status=1))
        machine.end_at_reboot()
        machine.start("bootkeepctl reboot --wait")
        went_down_with(lab, machine, new, new)


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
def a_failing_builder_is_said_again(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        machine.run("echo 'echo nothing works here; exit 1' >/var/lib/test-builder")
        changed(lab, machine)
        here = machine.mark()
        machine.start("systemctl reboot")
        said = boots(lab, machine, here, old)
        assert said, "the console says nothing"
        machine.wait_up(here)
        lab.say(machine.run("systemctl status --no-pager bootkeep-owed.service; bootkeepctl status", status=None))
        assert machine.run("systemctl is-failed bootkeep-owed.service") == "failed"
        first = machine.run("bootkeepctl status", status=1).splitlines()[0]
        assert "went down" in first and "md0" in first, first
        machine.run("rm /var/lib/test-builder; bootkeepctl rebuild / && bootkeepctl flush")
        first = machine.run("bootkeepctl status").splitlines()[0]
        assert "went down" not in first, first


@case
def a_builder_that_hangs(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        machine.run("printf '[Shutdown]\\nFlushTimeoutSec=10\\n' >/etc/bootkeep/bootkeep.conf.d/20-flush.conf; "
                    "systemctl reload bootkeepd; echo 'sleep 100000' >/var/lib/test-builder")
        changed(lab, machine)
        here = machine.mark()
        began = time.monotonic()
        machine.start("systemctl reboot")
        said = boots(lab, machine, here, old)
        lab.say(f"booted again {time.monotonic() - began:.0f} s after it was told to go down")
        assert said, "the console says nothing"
        machine.wait_up(here)
        lab.say(machine.run("bootkeepctl status", status=None))
        assert machine.run("systemctl is-failed bootkeep-owed.service") == "failed"


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
