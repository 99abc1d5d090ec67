#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in bootkeepd.service beside the daemon, and tries what the unit forbids, and what it must not."""

import json
import mmap
import os
import socket
import subprocess
import sys

ROOT, NODE, LIBEXEC = sys.argv[1:]
WRITTEN = "/run/bootkeep-inside"


def run(*words):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.returncode, done.stdout.strip())


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def make(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))


def talk(family):
    socket.socket(family, socket.SOCK_DGRAM if family != socket.AF_NETLINK else socket.SOCK_RAW).close()


FORBIDDEN = {
    "write to /etc": lambda: make("/etc/inside"),
    "write to a volume": lambda: make(ROOT + "/inside"),
    "write to a disk": lambda: os.open(NODE, os.O_WRONLY),
    "read the memory": lambda: os.open("/dev/mem", os.O_RDONLY),
    "make a device": lambda: os.mknod("/run/inside-node", 0o600 | 0o060000, os.makedev(7, 0)),
    "mount": lambda: run("mount", "-t", "tmpfs", "none", "/mnt"),
    "unmount": lambda: run("umount", ROOT),
    "remount": lambda: run("mount", "-o", "remount,bind,rw", ROOT),
    "make a namespace": lambda: run("unshare", "--mount", "true"),
    "enter another": lambda: run("nsenter", "--mount=/proc/1/ns/mnt", "true"),
    "trace": lambda: os.open("/proc/1/mem", os.O_RDONLY),
    "leave by /proc": lambda: os.stat("/proc/1/root/etc"),
    "be somebody else": lambda: os.setresuid(65534, 65534, 65534),
    "give away": lambda: os.chown(WRITTEN, 65534, 65534),
    "write and run memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
    "set the clock": lambda: run("date", "-s", "2001-01-01"),
    "set a limit": lambda: os.nice(-5),
    "set a parameter of the kernel": lambda: os.open("/proc/sys/kernel/panic", os.O_WRONLY),
    "set the name of the machine": lambda: run("hostname", "inside"),
    "log as the kernel": lambda: os.open("/dev/kmsg", os.O_WRONLY),
    "change control groups": lambda: os.mkdir("/sys/fs/cgroup/inside"),
    "talk to the network": lambda: talk(socket.AF_INET),
    "talk to the kernel": lambda: talk(socket.AF_NETLINK),
    "change its root": lambda: run("chroot", ROOT, "true"),
}
NEEDED = {
    "write to /run": lambda: make(WRITTEN),
    "write to its state": lambda: make("/var/lib/bootkeep/inside"),
    "read what only another may": lambda: read(ROOT + "/private"),
    "read a disk": lambda: os.close(os.open(NODE, os.O_RDONLY)),
    "read the mount table": lambda: read("/proc/1/mountinfo"),
    "see what has started a process": lambda: read("/proc/1/stat"),
    "see who holds locks": lambda: read("/proc/locks"),
    "talk to the bus": lambda: talk(socket.AF_UNIX),
    "scan": lambda: run(LIBEXEC + "/bootkeep-scan", ROOT),
}
found = {}
for name, what in {**NEEDED, **FORBIDDEN}.items():
    try:
        what()
        found[name] = None
    except (OSError, ValueError) as e:
        found[name] = str(e)
os.unlink("/var/lib/bootkeep/inside")
with open("/run/bootkeep-inside.json", "w", encoding="utf-8") as f:
    json.dump({"needed": {n: found[n] for n in NEEDED}, "forbidden": {n: found[n] for n in FORBIDDEN},
               "interfaces": read("/proc/self/net/dev")}, f)
