#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Debian with bootkeep from its own package boots what it should: from either disk."""

from cases import case, main
from changes import builds, change, mark, wait_built


@case
def the_package_keeps_both_esps_and_either_disk_boots_alone(lab):
    with lab.resumed() as machine:
        lab.say(machine.run("dpkg-query -W bootkeep; systemctl is-active bootkeepd; bootkeepctl status /"))
        machine.run("bootkeepctl check /")
        now = mark(machine)
        machine.kill()
        assert all(list(what.values()) == [now] for what in lab.carried(machine))
        lab.boots_alone(machine, now)


@case
def a_change_is_booted_by_the_next_boot(lab):
    with lab.resumed() as machine:
        before = builds(machine)
        new = change(machine, "a change")
        wait_built(machine, before)
        here = machine.mark()
        machine.start("systemctl reboot")
        got = machine.console.wait("initramfs: (.*)", here[0])[1]
        assert got == new, (got, new)
        machine.wait_up(here)
        machine.run("bootkeepctl check /")
        lab.say(f"up again with {got}")


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
