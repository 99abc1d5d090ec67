# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits of the kernel for one program: those of a user namespace of its own, and a system call that is refused."""

import platform
import sys

# Enters a user namespace that maps all IDs to themselves, sets sysctls and executes the command.
NAMESPACE = """
import ctypes, os, sys
entered, enter = os.pipe()
child = os.fork()
if child == 0:
    os.read(entered, 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{os.getppid()}/{kind}_map", "w") as f:
            f.write("0 0 4294967294")
    os._exit(0)
if ctypes.CDLL(None).unshare(0x10000000) != 0:
    sys.exit("unshare")
os.write(enter, b"x")
if os.waitpid(child, 0)[1] != 0:
    sys.exit("uid_map")
count = int(sys.argv[1])
for setting in sys.argv[2:2 + count]:
    name, value = setting.split("=")
    with open("/proc/sys/user/max_" + name, "w") as f:
        f.write(value)
os.execvp(sys.argv[2 + count], sys.argv[2 + count:])
"""


def limited(**limits):
    """A command prefix that sets these user.max_… sysctls for the program and its children only."""
    return [sys.executable, "-c", NAMESPACE, str(len(limits)), *(f"{n}={v}" for n, v in limits.items())]


# Has the kernel refuse a system call, by its number, with EPERM, and executes the command.
FILTER = """
import ctypes, os, struct, sys
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
code = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, int(sys.argv[1])), (RETURN, 0, 0, 0x00050001), (RETURN, 0, 0, 0x7fff0000)]
text = b"".join(struct.pack("=HBBI", *c) for c in code)
lines = ctypes.create_string_buffer(text, len(text))
program = ctypes.create_string_buffer(struct.pack("@HP", len(code), ctypes.addressof(lines)))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, program, 0, 0) != 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def without_fanotify():
    """A command prefix for a program that the kernel refuses fanotify_init(2), as in many containers."""
    number = 300 if platform.machine() == "x86_64" else 262  # as on all that came later
    return [sys.executable, "-c", FILTER, str(number)]
