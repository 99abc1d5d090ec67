#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` installs where, and that it fits together."""

import configparser
import os
import re
import shlex
import subprocess
import xml.etree.ElementTree

from lib import main, test
from lib.programs import BUILD, program

SOURCE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..")

EXPECTED = """
etc/bootkeep
usr/bin/bootkeepctl
usr/include/bootkeep.h
usr/lib/bootkeep/bootkeep-build
usr/lib/bootkeep/bootkeep-flush
usr/lib/bootkeep/bootkeep-hook
usr/lib/bootkeep/bootkeep-scan
usr/lib/bootkeep/bootkeep.conf
usr/lib/bootkeep/builders.d/depmod.conf
usr/lib/bootkeep/builders.d/dracut.conf
usr/lib/bootkeep/builders.d/grub-mkconfig.conf
usr/lib/bootkeep/builders.d/initramfs-tools.conf
usr/lib/bootkeep/builders.d/mkinitcpio.conf
usr/lib/kernel/install.d/50-dm-bootkeep.install
usr/lib/kernel/install.d/98-bootkeep.install
usr/lib/sysctl.d/50-bootkeep.conf
usr/lib/systemd/catalog/bootkeep.catalog
usr/lib/systemd/system/bootkeep-build@.service
usr/lib/systemd/system/bootkeep-builder@.service
usr/lib/systemd/system/bootkeep-flush.service
usr/lib/systemd/system/bootkeep-owed.service
usr/lib/systemd/system/bootkeepd.service
usr/sbin/bootkeepd
usr/sbin/umount.bootkeep
usr/share/bash-completion/completions/bootkeepctl
usr/share/bootkeep/bootcaches.rng
usr/share/dbus-1/interfaces/org.bootkeep1.Manager.xml
usr/share/dbus-1/interfaces/org.bootkeep1.Volume.xml
usr/share/dbus-1/system-services/org.bootkeep1.service
usr/share/dbus-1/system.d/org.bootkeep1.conf
usr/share/doc/bootkeep/examples/hooks/debian/90bootkeep
usr/share/doc/bootkeep/examples/hooks/debian/dm-bootkeep
usr/share/doc/bootkeep/examples/hooks/debian/zzz-bootkeep-postinst
usr/share/doc/bootkeep/examples/hooks/debian/zzz-bootkeep-postrm
usr/share/doc/bootkeep/examples/hooks/debian/zzz-bootkeep-update
usr/share/doc/bootkeep/examples/hooks/dnf5/bootkeep.actions
usr/share/doc/bootkeep/examples/hooks/pacman/89-bootkeep-begin.hook
usr/share/doc/bootkeep/examples/hooks/pacman/91-bootkeep-done.hook
usr/share/doc/bootkeep/examples/hooks/pacman/zz-bootkeep.hook
usr/share/doc/bootkeep/examples/hooks/snapper/50-bootkeep
usr/share/doc/bootkeep/examples/README.md
usr/share/doc/bootkeep/examples/kured/bootkeep-reboot-sentinel
usr/share/doc/bootkeep/examples/kured/values.yaml
usr/share/doc/bootkeep/examples/molly-guard/40-bootkeep
usr/share/doc/bootkeep/examples/unattended-upgrades/52bootkeep
usr/share/doc/bootkeep/examples/unattended-upgrades/bootkeep-reboot.conf
usr/share/man/man1/bootkeepctl.1
usr/share/man/man5/bootcaches.xml.5
usr/share/man/man5/bootkeep-builder.5
usr/share/man/man5/bootkeep.conf.5
usr/share/man/man5/org.bootkeep1.5
usr/share/man/man7/bootkeep.7
usr/share/man/man8/bootkeep-build.8
usr/share/man/man8/bootkeep-flush.8
usr/share/man/man8/bootkeep-hook.8
usr/share/man/man8/bootkeep-scan.8
usr/share/man/man8/bootkeepd.8
usr/share/man/man8/umount.bootkeep.8
usr/share/pkgconfig/bootkeep.pc
usr/share/polkit-1/actions/org.bootkeep1.policy
usr/share/zsh/site-functions/_bootkeepctl
""".split()


def install(world):
    root = world.path("root")
    os.makedirs(os.path.join(root, "usr/lib"))
    os.symlink("usr/lib", os.path.join(root, "lib"))  # Debian 12's systemd names its folder /lib/systemd/system
    # meson writes a log into the build folder, which is read-only here (tools/alone)
    logs = shlex.quote(os.path.join(os.path.realpath(BUILD), "meson-logs"))
    subprocess.run(["unshare", "--mount", "sh", "-c", f'mount -t tmpfs tmpfs {logs} && exec "$@"', "sh",
                    "meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", root], check=True,
                   stdout=subprocess.DEVNULL)
    return root


def text(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


@test
def everything_is_where_a_distribution_expects_it(world):
    root = install(world)
    found = {os.path.relpath(os.path.join(folder, name), root)
             for folder, folders, names in os.walk(root)
             for name in names + [d for d in folders if not os.listdir(os.path.join(folder, d))]}
    assert found == set(EXPECTED), found ^ set(EXPECTED)
    for name in EXPECTED:
        mode = os.stat(os.path.join(root, name)).st_mode & 0o777
        program = re.search(r"bin/|lib/bootkeep/bootkeep-|^etc/", name)
        program = program or re.search(r"/install\.d/|/hooks/(debian/[dz]|snapper)|/(40-bootkeep|bootkeep-reboot-sentinel)$", name)
        assert mode == (0o755 if program else 0o644), (name, oct(mode))


# In tenths, as systemd-analyze(1) counts exposure: what a unit has reached it keeps.
# Builders are whatever the administrator runs.
EXPOSURE = {"bootkeepd.service": 18, "bootkeep-build@sda1.service": 17,
            "bootkeep-builder@sda1.service": 69}


@test
def units_are_as_closed_as_they_were_and_systemd_has_no_complaint(world):
    root = install(world)
    folder = world.path("units")
    os.mkdir(folder)
    for unit, most in EXPOSURE.items():
        path = os.path.join(folder, unit)
        with open(path, "w", encoding="utf-8") as f:  # its programs are not where they will be
            installed = text(root, "usr/lib/systemd/system/" + unit.replace("@sda1", "@"))
            f.write(re.sub(r"^(Exec\w+=[-+]?)/\S+", r"\1/bin/true", installed, flags=re.M))
        for command in (["verify", "--man=no", path],
                        ["security", "--offline=yes", f"--threshold={most}", path]):
            done = subprocess.run(["systemd-analyze", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True, check=False)
            assert done.returncode == 0 and (command[0] == "security" or not done.stdout), done.stdout[-3000:]


@test
def what_is_installed_names_what_is_installed(world):
    root = install(world)
    unit = text(root, "usr/lib/systemd/system/bootkeepd.service")
    assert os.path.exists(root + re.search(r"^ExecStart=(\S+)", unit, re.M)[1])
    activation = configparser.ConfigParser()
    activation.read(os.path.join(root, "usr/share/dbus-1/system-services/org.bootkeep1.service"))
    assert activation["D-BUS Service"]["SystemdService"] == "bootkeepd.service"
    for name in EXPECTED:
        if name.endswith((".xml", ".rng", ".policy", "org.bootkeep1.conf")):
            xml.etree.ElementTree.parse(os.path.join(root, name))


NEEDED = {
    "bootkeepd": "libsystemd libmount libeconf libudev libc",
    "bootkeep-scan": "libsystemd libmount libeconf libxxhash libxml2 libblkid libcap libseccomp libc",
    "bootkeep-build": "libsystemd libmount libeconf libxxhash libxml2 libblkid libseccomp libc",
    "bootkeepctl": "libsystemd libsmartcols libc",
    "umount.bootkeep": "libsystemd libmount libc",
    "bootkeep-flush": "libsystemd libc",
}


@test
def each_program_needs_its_libraries_and_no_other(world):
    """Every library that a program links costs memory and may have faults: this matters most for bootkeepd."""
    for name, expected in NEEDED.items():
        listed = subprocess.run(["readelf", "-d", program(name)], check=True, stdout=subprocess.PIPE, text=True).stdout
        needed = set(re.findall(r"\(NEEDED\)\s.*\[(\w+)\.so", listed))
        of_the_compiler = {library for library in needed if re.fullmatch(r"lib(asan|ubsan|lsan|gcov|gcc_s|m)", library)}
        assert needed - of_the_compiler == set(expected.split()), (name, needed)


def symbols(path):
    """The functions that PATH defines, for others or for itself."""
    listed = subprocess.run(["nm", "--format=posix", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {words[0] for words in map(str.split, listed.splitlines()) if len(words) > 1 and words[1] == "T"}


@test
def of_our_libraries_the_daemon_links_only_base(world):
    mine = symbols(program("bootkeepd"))
    assert "log_send" in mine  # of base
    for library in ("tree", "manifest", "helper", "freshness"):
        theirs = symbols(os.path.join(BUILD, "src", library, f"lib{library}.a"))
        assert theirs and not mine & theirs, (library, mine & theirs)


@test
def the_catalog_explains_every_message_and_no_other(world):
    header = dict(re.findall(r"#define (BOOTKEEP_MESSAGE_\w+) \"([0-9a-f]{32})\"",
                             text(SOURCE, "include", "bootkeep.h")))
    explained = re.findall(r"^-- ([0-9a-f]{32})$", text(SOURCE, "systemd", "bootkeep.catalog"), re.M)
    assert len(header) > 10 and sorted(header.values()) == sorted(explained), (header, explained)
    said = "".join(text(folder, name) for folder, _, names in os.walk(os.path.join(SOURCE, "src"))
                   for name in names if name.endswith((".c", ".h")))
    unsaid = [name for name in header if not re.search(rf"\b{name}\b", said)]
    assert not unsaid, unsaid


@test
def man_pages_are_without_mistakes(world):
    root = install(world)
    for name in EXPECTED:
        if "/man/" in name:
            process = world.programs.run(["man", "--warnings=w", "-E", "UTF-8", "-l", os.path.join(root, name)])
            assert process.returncode == 0 and process.stderr == "", (name, process.stderr)


@test
def with_another_prefix_the_bus_still_finds_its_policy(world):
    """dbus-daemon reads only /usr/share and /etc."""
    folder = world.path("local")
    subprocess.run(["meson", "setup", folder, SOURCE, "--prefix=/usr/local"], check=True, stdout=subprocess.DEVNULL)
    listed = subprocess.run(["meson", "introspect", folder, "--installed"], check=True, stdout=subprocess.PIPE,
                            text=True).stdout
    assert '"/etc/dbus-1/system.d/org.bootkeep1.conf"' in listed, listed
    assert '"/usr/local/lib/systemd/system/bootkeepd.service"' in listed, listed


main()
