# SPDX-License-Identifier: LGPL-2.1-or-later
"""A disk that can stop answering: a loop device whose file lies on a FUSE file system with one file, served by a
process of its own. While that is stopped (SIGSTOP) whoever waits for the disk waits in the kernel, as for a cable
that was pulled out. Nothing of the test may touch the disk then; a timer kills the server should the test forget."""

import ctypes
import os
import signal
import struct
import threading

from .disk import run
from .services import udev_look, udev_settle

MESSAGE = 1 << 20
NAME = b"disk.img"
DIRECTORY, FILE = 1, 2

LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS = 1, 2, 3, 4, 14, 15, 16, 17
RELEASE, FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR, ACCESS, INTERRUPT, BATCH_FORGET = 18, 20, 25, 26, 27, 29, 34, 36, 42
ENOENT, EIO, ENOSYS = 2, 5, 38


class Server:
    """Speaks as much of the protocol of linux/fuse.h as a loop device asks for."""

    def __init__(self, fuse, backing):
        self.fuse = fuse
        self.backing = backing

    def attributes(self, node):
        size = os.fstat(self.backing).st_size if node == FILE else 4096
        mode = 0o100600 if node == FILE else 0o040755
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def answer(self, opcode, node, body):
        """The body of the reply, or an errno."""
        if opcode == INIT:
            return struct.pack("<4I2H2I2HI28x", 7, 31, 0, 0, 16, 12, MESSAGE // 2, 1, 0, 0, 0)
        if opcode == LOOKUP:
            if body.rstrip(b"\0") != NAME:
                return ENOENT
            return struct.pack("<4Q2I", FILE, 0, 3600, 3600, 0, 0) + self.attributes(FILE)
        if opcode in (GETATTR, SETATTR):
            return struct.pack("<Q2I", 3600, 0, 0) + self.attributes(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<Q2I", node, 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<2QI", body)
            return os.pread(self.backing, size, offset)
        if opcode == WRITE:
            _, offset, size = struct.unpack_from("<2QI", body)
            return struct.pack("<2I", os.pwrite(self.backing, body[40:40 + size], offset), 0)
        if opcode == STATFS:
            return struct.pack("<5Q4I24x", 1 << 20, 1 << 20, 1 << 20, 2, 2, 4096, 255, 4096, 0)
        return b"" if opcode in (RELEASE, RELEASEDIR, FLUSH, FSYNC, ACCESS) else ENOSYS

    def serve(self):
        while True:
            request = os.read(self.fuse, MESSAGE)
            _, opcode, unique, node = struct.unpack_from("<2I2Q", request)
            if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            try:
                reply = self.answer(opcode, node, request[40:])
            except OSError:
                reply = EIO
            error, data = (-reply, b"") if isinstance(reply, int) else (0, reply)
            os.write(self.fuse, struct.pack("<IiQ", 16 + len(data), error, unique) + data)


def mount_fuse(fuse, at):
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"deaf", at.encode(), b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount of a FUSE file system")


class DeafDisk:
    """A file system, ext4, on the whole of a loop device."""

    def __init__(self, world, name="deaf", mib=64):
        self.world = world
        self.mountpoint = world.path(name + ".mnt")
        self.served = world.path(name + ".fuse")
        self.kill_timer = None
        os.mkdir(self.mountpoint)
        os.mkdir(self.served)
        backing = os.open(world.path(name + ".backing"), os.O_RDWR | os.O_CREAT, 0o600)
        os.truncate(backing, mib << 20)
        fuse = os.open("/dev/fuse", os.O_RDWR)
        mount_fuse(fuse, self.served)
        self.server = os.fork()
        if self.server == 0:
            try:
                Server(fuse, backing).serve()
            finally:
                os._exit(1)
        os.close(fuse)
        os.close(backing)
        world.later(self.remove)
        self.node = run("losetup", "--find", "--show", os.path.join(self.served, NAME.decode()),
                        text=True).stdout.strip()
        self.name = os.path.basename(self.node)
        self.volume = self  # as disk.Disk has it, for content.Volume
        self.helpers = []
        run("mkfs.ext4", "-q", "-F", "-m0", self.node)
        udev_look(self.node)

    def mount(self):
        run("mount", self.node, self.mountpoint)

    def forget(self):
        """Writes all that is dirty and drops what is cached, so that the next look asks the disk."""
        run("sync", "--file-system", self.mountpoint)
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3\n")

    def go_deaf(self):
        self.kill_timer = threading.Timer(90, lambda: os.kill(self.server, signal.SIGKILL))
        self.kill_timer.start()
        os.kill(self.server, signal.SIGSTOP)

    def answer_again(self):
        os.kill(self.server, signal.SIGCONT)
        self.kill_timer.cancel()
        self.kill_timer = None

    def remove(self):
        if self.kill_timer:
            self.answer_again()
        run("umount", "-q", self.mountpoint)
        run("losetup", "-d", self.node)
        udev_settle()
        run("umount", self.served)
        os.kill(self.server, signal.SIGKILL)
        os.waitpid(self.server, 0)
