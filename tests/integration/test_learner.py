#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is learned of a builder, as its user sees it: what makes the volume stale afterwards, and what does not."""

import os
import re
import subprocess

from lib import main, test
from lib.content import KERNEL, MANIFEST, OUTPUT, Gate, manifest
from lib.limits import without_fanotify

FRESH, STALE = 0, 1

CACHE = """
  <cache name="initramfs" each="/usr/lib/modules/*" builder="learned">
    <source path="/usr/lib/modules/%i"/>
    <output path="/boot/initrd-%i"/>
  </cache>"""

# Copies programs, and the libraries that they need.
INSTALL = """
set -e
cd "$1"; shift
mkdir -p bin
for p; do
        p=$(command -v "$p") && cp -L "$p" bin
        for l in $(ldd "$p" | grep -o '/[^ )]*'); do mkdir -p ".${l%/*}" && cp -L "$l" ".$l"; done
done
"""


def install(volume, path, *programs):
    volume.mkdir(path)
    subprocess.run(["sh", "-c", INSTALL, "sh", volume.path(path), *programs], check=True)


def volume_with(world, *files):
    volume = world.volume()
    for f in files:
        volume.write(f, "first\n")
    volume.write(MANIFEST, manifest(CACHE))
    return volume


def assert_learned(volume, scan, learned, others):
    """Each of LEARNED makes it stale when it changes, and is named; none of OTHERS does."""
    scan(volume).expect(FRESH)
    for path in others:
        volume.write(path, "changed and longer\n")
        scan(volume).expect(FRESH)
    for path in learned:
        before, mode = volume.read(path), os.stat(volume.path(path)).st_mode & 0o777
        volume.write(path, "changed and longer\n", mode)
        result = scan(volume).expect(STALE)
        assert path in result.stdout, (path, result.stdout)
        volume.write(path, before, mode)
        volume.world.programs.build(volume).expect(0)
        scan(volume).expect(FRESH)


@test
def what_it_starts_is_learned_and_nobody_elses(world):
    gate = Gate(world)
    volume = volume_with(world, "/etc/own", "/etc/background", "/sub/etc/below", "/etc/other", "/etc/never")
    install(volume, "/sub", "cat")
    volume.builder("learned", f"""
cat "$1/etc/own"
(cat "$1/etc/background") & wait
chroot "$1/sub" /bin/cat /etc/below
{gate.script}
test -e "$1/etc/never"
echo built >"$2"
""", "%r", "%o")
    process = subprocess.Popen(world.programs.build_command(volume), stdout=subprocess.DEVNULL)
    gate.await_builder()
    volume.read("/etc/other")  # nothing of the builder's
    gate.open()
    assert process.wait() == 0
    volume.builder("learned", """
cat "$1/etc/own" "$1/etc/background"
chroot "$1/sub" /bin/cat /etc/below
echo built >"$2"
""", "%r", "%o")
    assert_learned(volume, world.programs.scan, ["/etc/own", "/etc/background", "/sub/etc/below", "/sub/bin/cat"],
                   ["/etc/other", "/etc/never"])


@test
def in_the_volume_its_own_files_are_learned_and_its_tmp_is_not(world):
    volume = volume_with(world, "/etc/own", "/etc/never", "/tmp/x", "/var/tmp/x")
    install(volume, "/", "sh", "cat", "ls")
    volume.definition("learned", Exec='/bin/sh -c "cd /tmp && ls . /var/t*p && echo y >y && cat y /etc/own >$0" %o')
    world.programs.build(volume).expect(0)
    assert volume.read(OUTPUT) == b"y\nfirst\n", KERNEL
    for folder in ("/tmp", "/var/tmp"):
        names = subprocess.run(["ls", "-A", volume.path(folder)], stdout=subprocess.PIPE, check=True).stdout
        assert names == b"x\n", (folder, names)
    assert_learned(volume, world.programs.scan, ["/etc/own", "/bin/cat"], ["/etc/never", "/tmp/x", "/var/tmp/y"])


@test
def where_fanotify_is_refused_what_is_named_counts_and_that_is_said(world):
    kernels = [KERNEL, "6.2.0"]
    volume = volume_with(world, "/etc/own")
    volume.kernel(kernels[1])
    volume.builder("learned", 'cat "$1/etc/own" "$1/usr/lib/modules/$3/modules" >"$2"\n', "%r", "%o", "%i")
    daemon = world.daemon(prefix=without_fanotify())
    view = daemon.trusted(volume)
    assert [volume.read(f"/boot/initrd-{k}") for k in kernels] == \
        [f"first\nmodules of {k}\n".encode() for k in kernels]
    (cache, text), = view["Learned"]
    assert cache == "initramfs" and re.fullmatch(r"no: 6\.[12]\.0: fanotify: Operation not permitted", text), text
    status = world.programs.ctl("status", volume.name)
    assert f"Learned: {text} (initramfs)" in status.stdout, status.stdout
    said = [line for line in daemon.lines if "Not all is known that builder learned made" in line]
    assert len(said) == len(kernels) and all("fanotify" in line for line in said), said
    volume.write("/etc/own", "changed and longer\n")
    world.programs.scan(volume).expect(FRESH)
    builds = len(view.builds)
    volume.write(f"/usr/lib/modules/{KERNEL}/modules", "others\n")
    assert view.wait_build(builds)[0] == 0
    view.wait_state("fresh")
    assert volume.read(OUTPUT) == b"changed and longer\nothers\n"


main()
