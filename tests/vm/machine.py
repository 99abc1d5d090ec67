# SPDX-License-Identifier: LGPL-2.1-or-later
"""A virtual machine with Debian's kernel, for what a build host often lacks: a kernel with vfat, a systemd that may be
stopped, and a disk whose every write is recorded.

It has no disk image of its own: it shows the host's files through 9p, read-only on QEMU's side, below a tmpfs that
takes all writes. So what is installed here is there too, under the same paths, and nothing in it can harm the host.
The kernel is unpacked below the source folder and installed nowhere. QEMU emulates the CPU, at about a tenth of its
speed; KVM is used only on request (BOOTKEEP_VM_ACCEL=kvm), because it may be present inside another virtual machine
without working."""

import contextlib
import fcntl
import glob
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BOOTKEEP_BUILD") or os.path.join(SOURCE, "build-asan")
CACHE = os.path.join(SOURCE, "build-vm")  # shared by all build folders
MODULES = ["virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_scsi", "sd_mod", "ext4", "vfat", "nls_cp437",
           "nls_ascii", "nls_utf8", "loop", "dm_mod", "raid1"]
PACKAGES = ["linux-image-amd64", "busybox-static"]
ACCEL = os.environ.get("BOOTKEEP_VM_ACCEL") or "tcg,thread=multi"
EXIT = "BOOTKEEP-VM-EXIT "


class Missing(Exception):
    """Something that a machine needs is missing; the text says what."""


def _run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


# The kernel


def _real_package(name):
    """linux-image-amd64 depends on the one package with the kernel."""
    if not name.startswith("linux-image"):
        return name
    for line in _run("apt-cache", "depends", name).splitlines():
        if "Depends: linux-image" in line:
            return line.split()[-1]
    raise Missing(f"no package {name} in apt's lists")


def _download(folder):
    packages = [_real_package(p) for p in PACKAGES]
    _run("apt-get", "download", "-qq", *packages, cwd=folder, stderr=subprocess.STDOUT)


def _unpack_packages(folder):
    with tempfile.TemporaryDirectory(prefix="bootkeep-debs-") as debs:
        os.chmod(debs, 0o777)  # apt downloads as another user
        try:
            _download(debs)
        except (OSError, subprocess.CalledProcessError):
            try:  # old lists name packages that are no longer there
                _run("apt-get", "update", "-qq", stderr=subprocess.STDOUT)
                _download(debs)
            except (OSError, subprocess.CalledProcessError) as e:
                raise Missing(f"cannot download {' '.join(PACKAGES)}: {e} {getattr(e, 'output', '')}") from e
        for deb in glob.glob(debs + "/*.deb"):
            _run("dpkg-deb", "-x", deb, folder)


def prepare():
    """Unpacks the kernel once; returns (kernel, initramfs)."""
    if not shutil.which("qemu-system-x86_64"):
        raise Missing("qemu-system-x86_64 is not installed (tools/deps --test)")
    os.makedirs(CACHE, exist_ok=True)
    root = os.path.join(CACHE, "kernel")
    with open(os.path.join(CACHE, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(root):
            shutil.rmtree(root + ".new", ignore_errors=True)
            _unpack_packages(root + ".new")
            os.rename(root + ".new", root)
        initramfs = os.path.join(CACHE, "initramfs.cpio")
        with open(initramfs + ".new", "wb") as f:
            _write_initramfs(f, root)
        os.rename(initramfs + ".new", initramfs)
    return glob.glob(root + "/boot/vmlinuz-*")[0], initramfs


def _module_order(folder):
    """Paths of MODULES and all that they need, what is needed first."""
    files = {}
    for path in glob.glob(folder + "/kernel/**/*.ko", recursive=True):
        files[os.path.basename(path)[:-3].replace("-", "_")] = path
    with open(folder + "/modules.builtin", encoding="ascii") as f:
        builtin = {os.path.basename(line.strip())[:-3].replace("-", "_") for line in f}
    order = []

    def add(name):
        name = name.removeprefix("crypto_")
        path = files.get(name) or files.get(name + "_generic")
        if path is None and name not in builtin:
            raise Missing(f"this kernel has no module {name}")
        if path is None or path in order:
            return
        for needed in _needs(path):
            add(needed)
        order.append(path)

    for name in MODULES:
        add(name)
    return order


def _needs(path):
    """The modules that PATH declares as needed; a softdep is a cipher or checksum, requested by its plain name."""
    with open(path, "rb") as f:
        data = f.read()
    found = []
    for key in (b"\0depends=", b"\0softdep=pre: "):
        for piece in data.split(key)[1:]:
            found += piece.split(b"\0", 1)[0].decode().replace(",", " ").replace("-", "_").split()
    return found


def _write_initramfs(out, root):
    """A cpio archive, format newc."""
    folder = glob.glob(root + "/lib/modules/*")[0]
    order = _module_order(folder)
    names = [os.path.basename(p) for p in order]
    entries = [("bin", 0o40755, b""), ("dev", 0o40755, b""), ("modules", 0o40755, b"")]
    entries += [("modules/order", 0o100644, "".join(n + "\n" for n in names).encode())]
    for name, path in [("init", HERE + "/init"), ("bin/busybox", root + "/bin/busybox"),
                       *(("modules/" + n, p) for n, p in zip(names, order))]:
        with open(path, "rb") as f:
            entries.append((name, 0o100755, f.read()))
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out.write(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))


# The machine


class Machine:
    """One run of a machine. What the job prints goes to `line`, one call for each line."""

    def __init__(self, memory_mib=1536, counted=False):
        """COUNTED: its clock counts instructions of its one processor, whatever the host does meanwhile; waiting takes no time."""
        self.kernel, self.initramfs = prepare()
        self.folder = tempfile.mkdtemp(prefix="run-", dir=CACHE)
        self.console = os.path.join(self.folder, "console.log")
        self.memory_mib = memory_mib
        self.processor = ["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-smp", "1"] if counted else \
            ["-accel", ACCEL, "-smp", "2"]
        self.disks = []

    def close(self):
        shutil.rmtree(self.folder)

    def disk(self, mib, recorded=False):
        """Adds a disk, /dev/sda and so on, of zeros. Returns its file, and the record of its writes."""
        name = f"disk{len(self.disks) // 2}"
        image, record = (os.path.join(self.folder, name + suffix) for suffix in (".img", ".log"))
        for path, size in ((image, mib), (record, 4096)) if recorded else ((image, mib),):
            with open(path, "wb") as f:
                f.truncate(size << 20)  # of holes
        plain = f"driver=raw,file.driver=file,file.filename={image}"
        if recorded:
            plain = (f"driver=blklogwrites,file.driver=file,file.filename={image},"
                     f"log.driver=file,log.filename={record}")
        self.disks += ["-blockdev", f"node-name={name},{plain}"]
        self.disks += ["-device", f"scsi-hd,drive={name},serial={name}"]
        return image, record

    def attach(self, image):
        """Adds the disk that the file IMAGE is."""
        name = f"disk{len(self.disks) // 4}"
        self.disks += ["-blockdev", f"node-name={name},driver=raw,file.driver=file,file.filename={image}"]
        self.disks += ["-device", f"scsi-hd,drive={name},serial={name}"]

    def _command(self, job, result, interactive):
        console = ["-serial", "mon:stdio" if interactive else "file:" + self.console, "-serial", result]
        append = "console=ttyS0 panic=-1 quiet loglevel=4 net.ifnames=0 bootkeep.job=" + job
        append += " no_timer_check"  # which fails on a busy host
        return ["qemu-system-x86_64", *self.processor, "-cpu", "max",
                "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                "-kernel", self.kernel, "-initrd", self.initramfs, "-append", append,
                "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
                "-device", "virtio-scsi-pci", *self.disks, *console]

    def _write_job(self, script):
        """The script that continues where init ends, as process 1."""
        env = {k: os.environ[k] for k in ("BOOTKEEP_BUILD", "PYTHONDONTWRITEBYTECODE") if k in os.environ}
        env.setdefault("BOOTKEEP_BUILD", BUILD)
        exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in env.items())
        job = os.path.join(self.folder, "job")
        with open(job, "w", encoding="utf-8") as f:
            f.write("export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/vm LANG=C.UTF-8 TERM=linux\n"
                    "export PYTHONUNBUFFERED=1\n" + exports + script)
        return job

    def shell(self):
        """A shell on this terminal; ^A x ends the machine."""
        job = self._write_job("echo 'the host is / here, read-only below a tmpfs; exit ends the machine'\n"
                              "setsid -c bash -i </dev/ttyS0 >/dev/ttyS0 2>&1\n/vm/busybox reboot -f\n")
        return subprocess.run(self._command(job, "null", True), check=False).returncode

    def run(self, command, line, timeout=300):
        """Runs COMMAND (a shell's words) and returns its status; None: the machine did not finish."""
        return self.start("/vm/busybox stty -F /dev/ttyS1 raw\n"
                          f"{command} </dev/null >/dev/ttyS1 2>&1\n"
                          f"echo \"{EXIT}$?\" >/dev/ttyS1\n"
                          "sync; /vm/busybox reboot -f\n", line, timeout)

    def start(self, script, line, timeout):
        command = self._command(self._write_job(script), "stdio", False)
        status = None
        with open(os.path.join(self.folder, "qemu.log"), "w", encoding="utf-8") as errors, \
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                                 errors="replace") as qemu:
            timer = threading.Timer(timeout, qemu.kill)
            timer.start()
            try:
                for text in qemu.stdout:
                    text = text.rstrip("\r\n")
                    if text.startswith(EXIT):
                        status = int(text[len(EXIT):])
                    else:
                        line(text)
            finally:
                timer.cancel()
                qemu.kill()
        return status

    def explain(self, status, timeout):
        """For a TAP program that ended with STATUS (None: it did not, within TIMEOUT s): what went wrong, if anything did."""
        if status != 0:
            print("\n".join("# " + text for text in self.said()))
        if status is None:
            print(f"Bail out! the machine did not finish within {timeout} s, or crashed")

    def said(self, lines=80):
        """The end of what the kernel and QEMU printed, to find out why it failed."""
        found = []
        for name in ("qemu.log", "console.log"):
            with contextlib.suppress(OSError), open(os.path.join(self.folder, name), errors="replace",
                                                    encoding="utf-8") as f:
                found += [f"{name}: {text.rstrip()}" for text in f.readlines()[-lines:]]
        return found


@contextlib.contextmanager
def machine(**options):
    """A Machine that leaves nothing behind, even if the test is interrupted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    made = Machine(**options)
    try:
        yield made
    finally:
        made.close()


def guest(name):
    """The command that runs a program of guest/."""
    return f"/usr/bin/python3 {shlex.quote(os.path.join(HERE, 'guest', name))}"


def relay(name, words=(), timeout=900, disks=()):
    """Runs guest/NAME.py, a TAP program, with the sizes of DISKS in MiB, and forwards its output. Does not
    return."""
    try:
        with machine() as m:
            for mib in disks:
                m.disk(mib)
            status = m.run(" ".join([guest(name), *map(shlex.quote, words)]), print, timeout)
            m.explain(status, timeout)
    except Missing as e:
        print(f"1..0 # SKIP {e}")
        sys.exit(0)
    sys.exit(1 if status is None else status)


if __name__ == "__main__":
    with machine() as the_one:
        for _ in range(2):
            the_one.disk(256)
        sys.exit(the_one.shell())
