# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real machine for the tests that need one: Debian 12 on two disks (debian.py), started by OVMF, with bootkeep from
its own package.

It has been booted once, from the ESP that bootkeep filled, and its RAM saved when everything was fresh. `resumed()`
goes on from there within seconds, `booted()` begins with the firmware. All that a machine writes goes to overlays of its own."""

import base64
import codecs
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import termios
import threading
import time
import tty

import debian
from fat import Fat
from machine import ACCEL

OVMF = "/usr/share/OVMF/OVMF_%s_4M.fd"
MEMORY_MIB = 1024
PATIENCE = 600  # seconds; nothing takes that long, even on a host that is busy


class Gone(Exception):
    """The machine has ended."""


class Lines:
    """What a socket says, line by line, kept from the beginning."""

    def __init__(self, path):
        self.lines, self.changed, self.ended = [], threading.Condition(), False
        self.copy_to = None  # called with each piece as it comes
        self.log = open(path + ".log", "wb", buffering=0)  # pylint: disable=consider-using-with # for tail -f
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.connection = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        rest, decoder = "", codecs.getincrementaldecoder("utf-8")("replace")
        with contextlib.suppress(OSError):
            self.connection, _ = self.listener.accept()
            while data := self.connection.recv(65536):
                self.log.write(data)
                if self.copy_to:
                    self.copy_to(data)
                *lines, rest = re.split("[\r\n]", rest + decoder.decode(data))
                self._add(lines)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _add(self, lines):
        lines = [re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z=]?|\0", "", line) for line in lines if line]
        with self.changed:
            self.lines += lines
            self.changed.notify_all()

    def send(self, text):
        self.connection.sendall(text.encode())

    def count(self):
        with self.changed:
            return len(self.lines)

    def wait(self, pattern, since=0, timeout=PATIENCE):
        """The first line at or after SINCE that matches PATTERN, as a match."""
        end = time.monotonic() + timeout if timeout else None
        at = since
        with self.changed:
            while True:
                for at in range(at, len(self.lines)):
                    if found := re.search(pattern, self.lines[at]):
                        return found
                at = len(self.lines)
                if self.ended:
                    raise Gone(f"the machine ended, and never said {pattern!r}")
                if not self.changed.wait(end - time.monotonic() if end else None):
                    raise TimeoutError(f"{pattern!r} was not said within {timeout} s")

    def close(self):
        self.listener.close()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.log.close()


class Disks:
    """Overlays that belong together."""

    def __init__(self, files):
        self.files = files

    def overlay(self, folder):
        """New ones on top, below FOLDER."""
        folder = tempfile.mkdtemp(prefix="disks-", dir=folder)
        files = [f"{folder}/disk{n}.qcow2" for n in range(len(self.files))]
        for file, below in zip(files, self.files):
            debian.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw" if below.endswith(".img") else "qcow2", "-b",
                       below, file)
        return Disks(files)


class Qemu:
    """One process of QEMU, with the sockets to its console, its agent and its monitor."""

    def __init__(self, folder, words):
        self.folder = tempfile.mkdtemp(prefix="qemu-", dir=folder)
        self.console = Lines(self.folder + "/console")
        self.agent = Lines(self.folder + "/agent")
        self.monitor = Lines(self.folder + "/monitor")
        self.errors = open(self.folder + "/errors", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        sockets = [word for name in ("console", "agent") for word in (
            "-chardev", f"socket,id={name},path={self.folder}/{name}", "-serial", f"chardev:{name}")]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", ACCEL, "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults",
             "-no-user-config", "-display", "none", *sockets, "-qmp", f"unix:{self.folder}/monitor", *words],
            stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        threading.Thread(target=self._mourn, daemon=True).start()
        self.qmp("qmp_capabilities", start=True)

    def _mourn(self):
        """Nobody waits for what a dead QEMU would have said."""
        self.process.wait()
        for lines in (self.console, self.agent, self.monitor):
            if lines.connection is None:
                with contextlib.suppress(OSError):
                    lines.listener.shutdown(socket.SHUT_RDWR)

    def qmp(self, command, start=False, **arguments):
        """Runs a command of the monitor and returns its answer."""
        since = 0 if start else self.monitor.count()
        if start:
            self.monitor.wait('"QMP"')
        self.monitor.send(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        answer = json.loads(self.monitor.wait('^{"(return|error)"', since).string)
        if "error" in answer:
            raise RuntimeError(f"QMP {command}: {answer['error']}")
        return answer["return"]

    def said(self):
        with open(self.folder + "/errors", encoding="utf-8", errors="replace") as f:
            return [f"qemu: {line.rstrip()}" for line in f]

    def close(self):
        self.process.kill()
        self.process.wait()
        for lines in (self.console, self.agent, self.monitor):
            lines.close()
        self.errors.close()


class Real:
    """A machine that runs. Cases use it; `with` ends it."""

    def __init__(self, disks, folder, only=None, incoming=None, variables=None, extra=()):
        """ONLY=N: with that disk alone."""
        self.disks, self.numbers = disks, itertools.count()
        words = ["-machine", "q35", "-device", "virtio-scsi-pci", *extra]
        for n, file in enumerate(disks.files):
            if only in (None, n):
                words += ["-blockdev", f"node-name=disk{n},driver=qcow2,cache.no-flush=on,file.driver=file,file.filename={file}",
                          "-device", f"scsi-hd,id=scsi{n},drive=disk{n},serial=disk{n}"]
        if variables:
            self.variables = tempfile.mktemp(prefix="variables-", dir=folder)
            shutil.copy(variables, self.variables)
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF % 'CODE'}",
                      "-drive", f"if=pflash,format=raw,file={self.variables}"]
        if incoming:
            words += ["-incoming", f"exec:cat {incoming}"]
        self.began = time.monotonic()
        self.qemu = Qemu(folder, words)
        self.console = self.qemu.console

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind:
            print("\n".join(f"# | {line}" for line in [*self.qemu.said(), *self.console.lines[-150:]]), flush=True)
        self.close()

    def close(self):
        self.qemu.close()

    def go_on(self):
        """From the RAM that it came with."""
        while self.qemu.qmp("query-status")["status"] == "inmigrate":
            time.sleep(0.05)
        self.qemu.qmp("cont")
        return self

    # Commands

    def start(self, script):
        """Begins to run a script of bash; returns what `finish` needs."""
        number = next(self.numbers)
        since = self.qemu.agent.count()
        self.qemu.agent.send(f"{number} {base64.b64encode(script.encode()).decode()}\n")
        return number, since, script

    def finish(self, started, timeout=PATIENCE):
        """(status, output)"""
        number, since, _ = started
        found = self.qemu.agent.wait(rf"^{number} (\d+) (\S*)$", since, timeout)
        return int(found[1]), base64.b64decode(found[2]).decode("utf-8", "replace")

    def run(self, script, status=0, timeout=PATIENCE):
        """Runs a script of bash in the machine and returns its output; STATUS=None: whatever its status is."""
        got, output = self.finish(self.start(script), timeout)
        if status is not None and got != status:
            raise AssertionError(f"{script}: status {got}, not {status}\n{output}")
        return output.rstrip("\n")

    def mark(self):
        """Where console and agent are now, for what shall be waited for from here on."""
        return self.console.count(), self.qemu.agent.count()

    def wait_up(self, mark=(0, 0)):
        """Waits for the end of the boot that began after MARK."""
        self.qemu.agent.wait("ready$", mark[1])
        self.run("systemctl is-system-running --wait", status=None)

    # The machine as a whole

    def end_at_reboot(self):
        """From now on it ends instead of booting again."""
        self.qemu.qmp("set-action", reboot="shutdown")

    def said_by_bootkeep(self, mark):
        """What bootkeep-flush showed on the console since MARK."""
        return [line for line in self.console.lines[mark[0]:] if line.startswith("bootkeep: ")]

    def ended(self, timeout=PATIENCE):
        """Waits until QEMU has ended by itself."""
        self.qemu.process.wait(timeout)

    def kill(self):
        self.qemu.process.kill()
        self.qemu.process.wait()

    def press(self, *keys):
        self.qemu.qmp("send-key", keys=[{"type": "qcode", "data": key} for key in keys])

    def shell(self):
        """A shell on this terminal until it exits."""
        self.console.copy_to = lambda data: os.write(1, data)
        running = self.start("TERM=linux exec setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1")
        before = termios.tcgetattr(0)
        tty.setraw(0)
        try:
            threading.Thread(target=self._type, daemon=True).start()
            self.finish(running, timeout=None)
        except Gone:
            pass
        finally:
            termios.tcsetattr(0, termios.TCSADRAIN, before)

    def _type(self):
        while typed := os.read(0, 100):
            self.console.connection.sendall(typed)

    def esp(self, number):
        """The files on the ESP of a disk, as firmware reads them. The machine must have ended."""
        return read_esp(self.disks.files[number])


def read_esp(image):
    raw = image + ".esp"
    debian.run("qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", f"skip={debian.ESP_START}",
               f"count={debian.ESP_START + debian.ESP_MIB}", f"if={image}", f"of={raw}")
    with open(raw, "rb") as f:
        found = Fat(f.read()).files()
    os.remove(raw)
    return {path: file.data for path, file in found.items()}


def would_boot(files):
    """What firmware and systemd-boot would start from FILES of an ESP, for each kernel's version: the mark. All that is there
    must be whole, and so must the set kept for what was booted; that systemd-boot does not prefer that is seen in boots."""
    assert files.get("/EFI/BOOT/BOOTX64.EFI"), f"no booter: {sorted(files)}"
    found = {}
    for path, data in files.items():
        if path.startswith("/loader/entries/") and path.endswith(".conf"):
            words = dict(line.split(None, 1) for line in data.decode().splitlines() if line.strip())
            kernel, initramfs = files.get(words["linux"].strip()), files.get(words["initrd"].strip())
            assert kernel and initramfs, f"{path} names what is not there: {words}, {sorted(files)}"
            if not path.endswith("-previous.conf"):
                found[words["version"].strip()] = mark_of(initramfs)
    assert found, f"no entry: {sorted(files)}"
    return found


def mark_of(initramfs):
    """The mark that the stand-in put behind the initramfs."""
    at = initramfs.rindex(b"mark\0")
    header = initramfs[at - 110:at]
    assert header.startswith(b"070701"), header
    size = int(header[54:62], 16)
    start = at + 5 + -(110 + 5) % 4
    return initramfs[start:start + size].decode().strip()
