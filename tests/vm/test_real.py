#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian with bootkeep from its own package boots what it should: from either disk."""

from cases import case, main
from changes import change, mark


@case
def the_package_keeps_both_esps_and_either_disk_boots_alone(lab):
    with lab.resumed() as machine:
        lab.say(machine.run("dpkg-query -W bootkeep; systemctl is-active bootkeepd; bootkeepctl status /"))
        machine.run("bootkeepctl check /")
        now = mark(machine)
        machine.kill()
        assert all(list(what.values()) == [now] for what in lab.carried(machine))
        lab.boots_alone(machine, now)


def moment(machine, unit, what):
    """In microseconds since the machine was started."""
    return int(machine.run(f"systemctl show -P {what}TimestampMonotonic {unit}"))


@case
def logins_do_not_wait_for_bootkeep(lab):
    """bootkeep-flush is to stop after sessions have; started with the boot, it would hold them up until bootkeepd is there."""
    with lab.resumed() as machine:
        machine.run("systemctl is-active bootkeep-flush.service && ! systemctl is-failed bootkeepd.service")
        lab.say(machine.run("systemd-analyze time; systemd-analyze blame --no-pager | grep bootkeep; "
                            "systemd-analyze critical-chain --no-pager"))
        logins = moment(machine, "systemd-user-sessions.service", "InactiveExit")
        ready = moment(machine, "bootkeepd.service", "ActiveEnter")
        lab.say(f"logins from {logins / 1e6:.2f} s on, bootkeepd from {ready / 1e6:.2f} s on")
        wanted = machine.run("systemctl show -P Wants multi-user.target").split()
        assert "bootkeepd.service" in wanted and "bootkeep-flush.service" not in wanted, wanted
        assert 0 < logins < ready, "logins waited for bootkeepd"


MARKS_OF_A_REBOOT = "cat /run/reboot-required /run/reboot-required.pkgs"
BOOTED_STALE = "busctl get-property org.bootkeep1 /org/bootkeep1 org.bootkeep1.Manager BootedStale"


@case
def a_disk_that_was_left_behind_boots_the_past_says_so_and_catches_up(lab):
    with lab.resumed() as machine:
        old = mark(machine)
        machine.run("blockdev --setro /dev/disk/by-partlabel/esp1")
        new = change(machine, "only one disk gets it")
        lab.say(machine.run("bootkeepctl rebuild /", status=1))
        machine.run("sync")
        machine.kill()
        assert [list(what.values()) for what in lab.carried(machine)] == [[new], [old]]
    with lab.booted(machine, only=1) as alone:
        assert alone.console.wait("initramfs: (.*)")[1] == old
        alone.wait_up()
        before = alone.run(MARKS_OF_A_REBOOT, status=None)
        alone.run("until bootkeepctl check /; do sleep 1; done")
        said = alone.run("until bootkeepctl status | grep 'replaced since'; do sleep 0.3; done; " + BOOTED_STALE)
        marks = alone.run(MARKS_OF_A_REBOOT)
        lab.say("\n".join([said, before, marks]))
        assert "bootkeep" in marks.splitlines(), marks
        alone.end_at_reboot()
        alone.start("systemctl reboot")
        alone.ended()
    with lab.booted(alone, only=1) as again:
        assert again.console.wait("initramfs: (.*)")[1] == new
        again.wait_up()
        again.run("bootkeepctl check /")
        lab.say(again.run("bootkeepctl status; " + BOOTED_STALE))
        assert again.run(BOOTED_STALE) == 's ""'
        again.run("! ls /run/reboot-required*")


# Conditions on which the machine is killed, and seconds after them.
BUILDING = "pgrep -x bootkeep-build", "grep -qaF \"$(mark $(uname -r))\" /boot/initrd.img-$(uname -r)", \
    "find /var/lib/bootkeep/helpers -newer /etc/initramfs-tools/modules | grep -q stamp"  # one of the two is done
MOMENTS = ((BUILDING[0], 0), (BUILDING[1], 0), (BUILDING[1], 3), (BUILDING[2], 0))


@case
def killed_while_it_builds_it_has_the_old_or_the_new_set(lab):
    for condition, delay in MOMENTS:
        with lab.resumed() as machine:
            old = mark(machine)
            new = change(machine, "killed while it builds")
            machine.start("bootkeepctl rebuild /")
            machine.run(f"until {condition}; do sleep 0.05; done; sleep {delay}")
            machine.kill()
            for what in lab.carried(machine):
                assert list(what.values()) in ([old], [new]), (what, old, new)
    lab.boots_alone(machine, old, new)


if __name__ == "__main__":
    main()
