# SPDX-License-Identifier: LGPL-2.1-or-later
"""The real tools, run alone as a person would in a chroot, and what is in the images that they make."""

import hashlib
import os
import re
import subprocess

CONSTANT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C", "SOURCE_DATE_EPOCH": "1"}

# Where a tool sees the machine, with nothing of it kept; the folder OUT is /mnt.
ENTER = """
root=$1 out=$2; shift 2
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
for place in run tmp var/tmp; do mount -t tmpfs tmpfs "$root/$place"; done
mount --bind "$out" "$root/mnt"
exec chroot "$root" "$@"
"""


def command_alone(root, out, *command):
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh", root, out, *command]


def alone(root, out, *command):
    """Runs COMMAND in ROOT; returns its status and what it said. What it puts into /mnt is then in OUT."""
    done = subprocess.run(command_alone(root, out, *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          env=CONSTANT, check=False)
    return done.returncode, done.stdout.decode(errors="replace")


class Tool:
    """OUTPUT is where its cache is on the volume, with %i; COMMAND makes it at %o. OWN_WORDS is a file in the image that
    quotes the command."""

    def __init__(self, name, output, *command, own_words=None):
        self.name, self.output, self.command, self.own_words = name, output, command, own_words

    def words(self, kernel):
        return [w.replace("%i", kernel).replace("%o", "/mnt/" + self.name) for w in self.command]

    def make(self, root, kernel, out):
        """What the tool alone makes now: the path of the image, or None if it fails, and what it said."""
        path = os.path.join(out, self.name)
        if os.path.exists(path):
            os.unlink(path)
        status, said = alone(root, out, *self.words(kernel))
        return (path if status == 0 and os.path.exists(path) else None), said


INITRAMFS = Tool("initramfs-tools", "/boot/initrd.img-%i", "/usr/sbin/mkinitramfs", "-o", "%o", "%i")
DRACUT = Tool("dracut", "/boot/initrd.img-%i", "/usr/bin/dracut", "--force", "--quiet", "--reproducible", "--kver", "%i", "%o",
              own_words="usr/lib/dracut/build-parameter.txt")

# Images

PACKED = {b"\x1f\x8b": ("gzip", "-dc"), b"\x28\xb5": ("zstd", "-dcq"), b"\xfd7": ("xz", "-dc")}
# setupcon calls a file in the image by a name that it draws anew each time.
DRAWN = re.compile(rb"tmpkbd\.[A-Za-z0-9]{6}")


def _members(data):
    """(name, mode, owner, group, device, links' inode, content) of a series of archives, packed or not."""
    while data := data.lstrip(b"\0"):
        if data[:6] not in (b"070701", b"070702"):
            data = subprocess.run(PACKED[data[:2]], input=data, stdout=subprocess.PIPE, check=True).stdout
            continue
        at = 0
        while True:
            inode, mode, uid, gid, links, _, size, _, _, major, minor, name_size, _ = (
                int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13))
            name = data[at + 110:at + 110 + name_size - 1]
            start = at + 110 + name_size + 3 & ~3
            at = start + size + 3 & ~3
            if name == b"TRAILER!!!":
                break
            yield name, mode, uid, gid, (major, minor), inode if links > 1 else None, data[start:start + size]
        data = data[at:]


def unpacked(path):
    """{name: (mode, owner, group, device, content's hash)} of an image; a link's content is its target."""
    with open(path, "rb") as f:
        data = f.read()
    found, contents = {}, {}
    for name, mode, uid, gid, device, inode, content in _members(data):
        content = DRAWN.sub(b"tmpkbd", content)
        if content and inode is not None:
            contents[inode] = content  # hard links: the last one carries it
        found[DRAWN.sub(b"tmpkbd", name).decode(errors="surrogateescape")] = (mode, uid, gid, device, inode, content)
    return {name: (*rest, hashlib.sha256(contents.get(inode, content)).hexdigest() if mode & 0o170000 != 0o040000 else "")
            for name, (mode, *more, inode, content) in found.items() for rest in [(mode, *more)]}


def difference(before, after):
    """The names that differ, sorted, or [] if the images are the same."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
