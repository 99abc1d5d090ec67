#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/examples: what keeps others from taking the system down, run as they run it, against a real daemon."""

import os
import re
import shlex
import shutil
import signal
import subprocess

from lib import main, test
from lib.content import OUTPUT, PACK, Gate
from lib.logind import ShutdownLogind
from lib.programs import BUILD, environment, program
from lib.services import SOURCE

EXAMPLES = os.path.join(SOURCE, "docs", "examples")
QUIET = {"Watch": {"SettleSec": "60", "SettleMaxSec": "120"}, "Build": {"RetrySec": "60"}}


class Host:
    """A machine with bootkeepctl in its PATH, or without."""

    def __init__(self, world, installed=True):
        self.world = world
        self.folder = world.path("bin" if installed else "bin-without")
        os.makedirs(self.folder)
        self.required = world.path("reboot-required")
        if installed:
            os.symlink(program("bootkeepctl"), os.path.join(self.folder, "bootkeepctl"))

    def command(self, name, script):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + script)
        os.chmod(os.path.join(self.folder, name), 0o755)

    def environment(self, **more):
        return environment(**{"DBUS_SYSTEM_BUS_ADDRESS": self.world.bus.address, "PATH": f"{self.folder}:/usr/bin:/bin",
                              "REBOOT_REQUIRED": self.required, **more})

    def run(self, *words, **more):
        return self.world.programs.run(list(words), env=self.environment(**more))

    def require_reboot(self):
        with open(self.required, "w", encoding="ascii"):
            pass


def fresh(world):
    volume = world.volume()
    daemon = world.daemon(config=QUIET)
    return volume, daemon, daemon.trusted(volume)


def owe(volume, view):
    volume.write("/etc/initramfs.conf", "another\n")
    view.wait_state("settling")


@test
def molly_guard_lets_nothing_pass_while_work_is_owed(world):
    volume, daemon, view = fresh(world)
    host = Host(world)
    folder = world.path("run.d")
    os.makedirs(folder)
    shutil.copy(os.path.join(EXAMPLES, "molly-guard", "40-bootkeep"), folder)
    # as molly-guard does: it runs what run-parts names, and goes on if that exits with 0
    script = subprocess.run(["run-parts", "--test", folder], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    assert script.endswith("/40-bootkeep"), script
    assert host.run(script, MOLLYGUARD_CMD="reboot").returncode == 0
    owe(volume, view)
    for command in ("reboot", "poweroff", "halt", "shutdown"):
        process = host.run(script, MOLLYGUARD_CMD=command)
        assert process.returncode == 1, (command, process.returncode)
        assert f"Not ready: {volume.name} is settling" in process.stderr, process.stderr
        assert "bootkeepctl reboot --wait" in process.stderr, process.stderr
    assert host.run(script, MOLLYGUARD_CMD="pm-suspend").returncode == 0
    daemon.stop()
    assert host.run(script, MOLLYGUARD_CMD="reboot").returncode == 1
    assert Host(world, installed=False).run(script, MOLLYGUARD_CMD="reboot").returncode == 0


@test
def kured_reboots_a_node_that_needs_it_and_may(world):
    volume, daemon, view = fresh(world)
    host = Host(world)
    with open(os.path.join(EXAMPLES, "kured", "values.yaml"), encoding="ascii") as f:
        values = dict(re.findall(r"^  (\w+): (.*)$", f.read(), re.M))
    assert os.path.basename(values["rebootSentinelCommand"]) == "bootkeep-reboot-sentinel", values
    assert shlex.split(values["rebootCommand"]) == ["/usr/bin/bootkeepctl", "reboot", "--wait"], values
    sentinel = os.path.join(EXAMPLES, "kured", "bootkeep-reboot-sentinel")
    assert host.run(sentinel).returncode != 0  # nobody wants a reboot
    host.require_reboot()
    assert host.run(sentinel).returncode == 0
    owe(volume, view)
    assert host.run(sentinel).returncode != 0
    daemon.call("Rebuild", "su", volume.name, 0)
    view.wait_state("fresh")
    assert host.run(sentinel).returncode == 0
    daemon.stop()
    assert host.run(sentinel).returncode != 0


def post_upgrade(host):
    """The command that is run after unattended-upgrades, with its file in another place."""
    with open(os.path.join(EXAMPLES, "unattended-upgrades", "bootkeep-reboot.conf"), encoding="ascii") as f:
        line = re.search(r"^ExecStartPost=-(.*)$", f.read(), re.M)[1]
    assert "/run/reboot-required" in line and "%" not in line, line
    return [word.replace("/run/reboot-required", host.required) for word in shlex.split(line)]


@test
def unattended_upgrades_leaves_the_reboot_to_bootkeep(world):
    file = os.path.join(EXAMPLES, "unattended-upgrades", "52bootkeep")
    process = world.programs.run(["apt-config", "shell", "REBOOT", "Unattended-Upgrade::Automatic-Reboot"],
                                 env=environment(APT_CONFIG=file))
    assert process.stdout == "REBOOT='false'\n", process.stdout


@test
def after_an_upgrade_the_system_is_rebooted_when_all_is_done(world):
    volume, _, view = fresh(world)
    host, logind = Host(world), ShutdownLogind(world)
    host.command("systemd-run", 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"\n')
    assert host.run(*post_upgrade(host)).returncode == 0  # no reboot is required
    assert not logind.calls
    gate = Gate(world)
    volume.builder("pack", gate.script + PACK, "%r", "%i", "%o")
    owe(volume, view)
    host.require_reboot()
    # pylint: disable-next=consider-using-with
    running = subprocess.Popen(post_upgrade(host), env=host.environment(), stdout=subprocess.DEVNULL)
    world.later(lambda: (running.kill(), running.wait()))
    gate.await_builder()
    assert not logind.calls and running.poll() is None
    gate.open()
    logind.wait_called(("RebootWithFlags", 0))
    view.wait_state("fresh")


class Client:
    """client/lock-volume, which runs a shell script under the lock of a volume."""

    def __init__(self, world, volume):
        self.world, self.volume, self.host = world, volume, Host(world)
        self.program = os.path.join(BUILD, "docs", "lock-volume")

    def run(self, script, **more):
        return self.host.run(self.program, self.volume.name, "sh", "-c", script, **more)

    def start(self, script):
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([self.program, self.volume.name, "sh", "-c", script], env=self.host.environment(),
                                   start_new_session=True)
        self.world.later(lambda: process.poll() is None and self.kill(process))
        return process


    def kill(self, process):
        """With its command."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@test
def a_client_in_c_holds_the_lock_and_waits_for_what_is_owed(world):
    volume, daemon, _ = fresh(world)
    client = Client(world, volume)
    done = client.run(f"bootkeepctl status {volume.name}; echo other >{volume.path('/etc/initramfs.conf')}")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "Lock: held by PID" in done.stdout, done.stdout
    assert volume.read(OUTPUT) == volume.packed()  # long before it would have settled
    mark = daemon.mark()
    failed = client.run("exit 3")
    assert (failed.returncode, failed.stderr) == (3, ""), failed
    daemon.wait_for("released its lock with status 3", mark)
    assert client.run("true", DBUS_SYSTEM_BUS_ADDRESS="unix:path=/nowhere").returncode == 1
    refused = world.programs.run([client.program, "/nowhere", "true"], env=client.host.environment())
    assert refused.returncode == 1 and "cannot lock: " in refused.stderr and "/nowhere" in refused.stderr, refused


@test
def a_client_in_c_waits_in_line_and_may_be_killed(world):
    volume, daemon, view = fresh(world)
    client, gate = Client(world, volume), Gate(world)
    daemon.call("LockVolume", "su", volume.name, 0)
    process = client.start("exec sh -c '" + gate.script + "'")
    view.wait("in line", lambda p: p.get("LockWaiters") == 1)
    daemon.call("UnlockVolume", "si", volume.name, 0)
    gate.await_builder()
    view.wait("its lock", lambda p: p.get("LockHolderPID") == process.pid and p["LockWaiters"] == 0)
    mark = daemon.mark()
    client.kill(process)
    daemon.wait_for("vanished and lost its lock", mark)
    view.wait_state("fresh")


main()
