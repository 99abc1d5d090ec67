#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""dpkg installs something that the initramfs is made from: it is built once, after dpkg has ended, and either disk carries
it, or boots it alone."""

from cases import case, main
from changes import builds, mark, wait_built

PACKAGE = """
mkdir -p /run/p/DEBIAN "/run/p$(dirname {path})"
printf 'Package: changes\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody\\nDescription: a change\\n' >/run/p/DEBIAN/control
printf '#!/bin/sh\\nsleep 8\\n' >/run/p/DEBIAN/postinst
chmod 755 /run/p/DEBIAN/postinst
echo '{content}' >"/run/p{path}"
dpkg-deb -b --root-owner-group -Znone /run/p /run/changes.deb
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
        machine.run(PACKAGE.format(path=path, content=content))
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
def another_kernel(lab):
    # its own scripts run the real mkinitramfs
    with lab.resumed() as machine:
        installed(lab, machine, "/var/lib/later/linux-image-*.deb")
        kernel = machine.run("ls /usr/lib/modules | sort -V | tail -n 1")
        assert kernel != machine.run("uname -r")
        new = machine.run(f"mark {kernel}")
        machine.kill()
        lab.boots_alone(machine, new)


if __name__ == "__main__":
    main()
