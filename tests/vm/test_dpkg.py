#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dpkg installs something that the initramfs is made from: it is built once, after dpkg has ended, and either disk carries
it, or boots it alone."""

from cases import case, main
from changes import builds, change, configure, hold_builder, let_go, mark, wait_built

PACKAGE = """
rm -rf /run/p && mkdir -p /run/p/DEBIAN "/run/p$(dirname {path})"
printf 'Package: {name}\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody\\nDescription: a change\\n' >/run/p/DEBIAN/control
printf '#!/bin/sh\\nsleep 8\\n' >/run/p/DEBIAN/postinst
chmod 755 /run/p/DEBIAN/postinst
echo '{content}' >"/run/p{path}"
dpkg-deb -b --root-owner-group -Znone /run/p /run/{name}.deb
"""


def installed(lab, machine, deb):
    """Installs it and waits until bootkeep has built what changed: once, after dpkg. Returns what dpkg took, in seconds."""
    before = builds(machine)
    began, ended = machine.run(f"date +%s%6N; dpkg -i {deb} >/run/dpkg.log 2>&1 || cat /run/dpkg.log; date +%s%6N").split()
    wait_built(machine, before)
    new = builds(machine)[len(before):]
    lab.say(f"dpkg took {(int(ended) - int(began)) / 1e6:.0f} s; built {len(new)} times, "
            f"{', '.join(f'{(t - int(ended)) / 1e6:.0f} s' for t in new)} after it had ended")
    assert len(new) == 1 and new[0] > int(ended), (new, began, ended)


def installs(lab, path, content):
    with lab.resumed() as machine:
        path = path.replace("%k", machine.run("uname -r"))
        old = mark(machine)
        machine.run(PACKAGE.format(name="changes", path=path, content=content))
        installed(lab, machine, "/run/changes.deb")
        new = mark(machine)
        assert new != old
        machine.kill()
        assert all(list(what.values()) == [new] for what in lab.carried(machine))


@case
def a_module(lab):
    installs(lab, "/usr/lib/modules/%k/updates/another.ko", "a module")


@case
def a_file_in_modprobe_d(lab):
    installs(lab, "/etc/modprobe.d/another.conf", "blacklist nothing")


@case
def apt_waits_in_its_last_hook_although_it_holds_its_lock(lab):
    with lab.resumed() as machine:
        before = builds(machine)
        machine.run(PACKAGE.format(name="awaited", path="/etc/modprobe.d/awaited.conf", content="blacklist nothing"))
        configure(machine, "[Hooks]", "Wait=yes", "[Shutdown]", "FlushTimeoutSec=15min")
        hold_builder(machine)
        apt = machine.start("script -qec 'apt-get install -y -qq /run/awaited.deb' /run/apt.log </dev/null >/dev/null && "
                            "busctl get-property org.bootkeep1 /org/bootkeep1/volume/md0 org.bootkeep1.Volume State")
        held = machine.run("until journalctl -q -b -o cat | grep 'initramfs.*: held$'; do sleep 0.3; done; "
                           "dpkg-query -W awaited; "
                           "lslocks -n -o COMMAND,PATH | grep /var/lib/dpkg/lock-frontend")
        lab.say(held)
        assert "apt-get" in held, held
        let_go(machine)
        status, state = machine.finish(apt)
        said = machine.run("cat /run/apt.log")
        lab.say(f"{said}\n{state}")
        assert status == 0 and state == 's "fresh"\n', (status, state)
        assert "is being built" in said and len(builds(machine)) == len(before) + 1, said


# What the kernel's package has depmod make before any hook can run is made once more, by bootkeep, and nothing else is.
MODULES_DEP = r"""
sed -i -e 's|<source path="/usr/lib/modules/%i/kernel"/>|&<source path="/usr/lib/modules/%i/modules.dep.bin"/>|' \
        -e '0,/<cache/s|<cache|<cache name="modules-dep" each="/usr/lib/modules/*" builder="depmod">\
        <source path="/usr/lib/modules/%i/kernel"/><output path="/usr/lib/modules/%i/modules.dep.bin"/></cache>&|' \
        /etc/bootkeep/bootcaches.xml
"""


@case
def another_kernel(lab):
    # its own scripts run the real mkinitramfs
    with lab.resumed() as machine:
        before = builds(machine)
        machine.run(MODULES_DEP)
        wait_built(machine, before)
        installed(lab, machine, "/var/lib/later/linux-image-*.deb")
        kernel = machine.run("ls /usr/lib/modules | sort -V | tail -n 1")
        assert kernel != machine.run("uname -r")
        lab.say(machine.run(f"journalctl -b -q -o cat BOOTKEEP_INSTANCE={kernel} | grep -e '^Building' -e 'another program'", status=None))
        new = machine.run(f"mark {kernel}")
        machine.kill()
        lab.boots_alone(machine, new)


# The same package with the next version.
UPGRADE = r"""
dpkg-deb -R /var/lib/later/bootkeep_*.deb /run/next
sed -i 's/^Version: .*/&+next/' /run/next/DEBIAN/control
dpkg-deb -b --root-owner-group -Znone /run/next /run/next.deb >/dev/null
dpkg -i /run/next.deb >/run/dpkg.log 2>&1 || { cat /run/dpkg.log; exit 1; }
dpkg-query -W -f '${Version} ${db:Status-Status}\n' bootkeep
"""
# Until the volume is in the state.
STATE = ("until busctl get-property org.bootkeep1 /org/bootkeep1/volume/md0 org.bootkeep1.Volume State | grep -qw {}; do "
         "sleep 0.2; done")
# Nothing of it stays, not even what it had said: only what the machine is booted from.
PURGE = """
mkdir -p /var/lib/bootkeep/owed
printf 'bootkeep-owed 1\\nvolume sdz1\\nuuid a\\nreason x\\n' >/var/lib/bootkeep/owed/a
! systemctl start bootkeep-owed && dpkg -P bootkeep && systemctl daemon-reload
! systemctl list-units --plain --no-legend 'bootkeep*' | grep . && ! ls -d /run/bootkeep /var/lib/bootkeep
"""
PID = "systemctl show -P MainPID {}"
RUNS = "journalctl --sync; journalctl -b -q -o cat BOOTKEEP_CACHE=initramfs | grep -c '^Building initramfs'"


@case
def an_upgrade_of_bootkeep_while_it_builds(lab):
    with lab.resumed() as machine:
        before = int(machine.run(RUNS, status=None))
        hold_builder(machine)
        change(machine, "built while bootkeep is upgraded")
        machine.run("until journalctl -b -q -o cat BOOTKEEP_CACHE=initramfs | grep -q held; do sleep 0.2; done")
        daemon, build = machine.run(PID.format("bootkeepd")), machine.run(PID.format("bootkeep-build@md0"))
        lab.say(machine.run(UPGRADE))
        machine.run(STATE.format("building"))
        assert machine.run(PID.format("bootkeepd")) != daemon
        assert machine.run(PID.format("bootkeep-build@md0")) == build != "0"
        let_go(machine)
        machine.run(STATE.format("fresh") + "; bootkeepctl check /")
        lab.say(machine.run("bootkeepctl status /; journalctl -b -q -o cat -u bootkeepd | tail -n 12"))
        assert int(machine.run(RUNS)) == before + 1
        before = builds(machine)
        new = change(machine, "watching goes on")
        wait_built(machine, before)
        machine.run(PURGE)
        machine.kill()
        assert all(list(what.values()) == [new] for what in lab.carried(machine))


if __name__ == "__main__":
    main()
