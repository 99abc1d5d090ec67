# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the place of bootkeep-build, within its unit: tries what that promises. Prints each promise that is broken."""

import mmap
import os
import signal
import socket
import subprocess

BROKEN = []


def refused(what, attempt):
    """ATTEMPT must fail with an error."""
    try:
        got = attempt()
    except OSError as e:
        print(f"{what}: {e.strerror}")
    else:
        BROKEN.append(what)
        print(f"broken: {what} ({got!r})")


def works(what, attempt):
    try:
        attempt()
    except OSError as e:
        BROKEN.append(what)
        print(f"broken: {what}: {e}")


def write(path):
    os.close(os.open(path, os.O_WRONLY))


def create(path):
    with open(path, "w", encoding="ascii"):
        pass


def run(*words):
    """OSError if it fails."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise OSError(done.returncode, done.stdout.strip())


def empty(folder):
    if not os.listdir(folder):
        raise OSError(0, "there is nothing in it")


def main():
    os.umask(0o022)
    refused("writes a file of the host", lambda: create("/etc/bootkeep-was-here"))
    refused("writes to /usr", lambda: create("/usr/bootkeep-was-here"))
    refused("writes to /var", lambda: create("/var/lib/bootkeep-was-here"))
    refused("writes beside its folder in /run", lambda: create("/run/bootkeep-was-here"))
    refused("writes where a volume is mounted", lambda: create("/vm/bootkeep-was-here"))
    refused("looks into /root", lambda: empty("/root"))
    refused("looks into modules of the kernel", lambda: empty("/usr/lib/modules"))
    refused("sets the name of the machine", lambda: socket.sethostname("other"))
    refused("sets a tunable of the kernel", lambda: write("/proc/sys/kernel/sysrq"))
    refused("writes to /sys", lambda: write("/sys/power/state"))
    refused("reads the kernel's messages", lambda: os.open("/dev/kmsg", os.O_RDONLY))
    refused("opens a device that is no disk", lambda: os.open("/dev/mem", os.O_RDWR))
    refused("opens a terminal", lambda: os.open("/dev/ttyS1", os.O_RDWR | os.O_NOCTTY))
    refused("sees other processes", lambda: os.stat("/proc/1"))
    refused("makes a device", lambda: os.mknod("/run/bootkeep/node", 0o020600, os.makedev(1, 3)))
    refused("gives files away", lambda: os.chown("/run/bootkeep", 1, 1))
    refused("becomes somebody else", lambda: os.setuid(1))
    refused("enters a directory", lambda: os.chroot("/run"))
    refused("mounts", lambda: run("mount", "-t", "tmpfs", "none", "/run/bootkeep"))
    refused("makes a namespace", lambda: run("unshare", "--mount", "true"))
    refused("enters that of the host", lambda: run("nsenter", "--target", "1", "--mount", "true"))
    refused("follows another program", lambda: run("strace", "-o", "/dev/null", "true"))
    refused("is given the processor first", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
    refused("makes memory both writable and executable",
            lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))
    for name in ("AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET"):
        refused(f"has a socket of {name}", lambda n=name: socket.socket(getattr(socket, n), socket.SOCK_DGRAM))
    with open("/proc/self/status", encoding="ascii") as f:
        status = dict(line.split(":\t", 1) for line in f.read().splitlines())
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        BROKEN.append("no new privileges, and a filter of system calls")
    with open("/proc/net/dev", encoding="ascii") as f:
        interfaces = [line.split(":")[0].strip() for line in f if ":" in line]
    if interfaces != ["lo"]:
        BROKEN.append(f"network: {interfaces}")
    # what it must do all the same
    works("writes to its folder", lambda: create("/run/bootkeep/inside"))
    os.unlink("/run/bootkeep/inside")
    disk = next("/dev/" + name for name in os.listdir("/sys/class/block") if name[0] in "sv")
    works("opens disks", lambda: os.close(os.open(disk, os.O_RDWR)))
    with socket.socket(socket.AF_UNIX) as bus:
        works("reaches the bus", lambda: bus.connect("/run/dbus/system_bus_socket"))
    works("ends others of its own", lambda: os.kill(os.getpid(), signal.SIGCONT))
    for promise in BROKEN:
        print(f"broken: {promise}")
    if not BROKEN:
        print("all promises are kept")


main()
