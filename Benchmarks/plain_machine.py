"""A virtual machine of QEMU's as ours are, with the same kernel and processor, but with another network: a peer."""

import json
import os
import re
import shutil
import socket
import subprocess
import tarfile

from measure import Failure

# The whole user space of such a machine: whoever reads commands at the other end of a port has all power.
_INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev 2>/dev/null
mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /run
ulimit -n 20000
. /network
exec python3 -u /commands.py
"""
_COMMANDS = """
import glob, json, subprocess, time
while not (found := glob.glob("/dev/vport*")): time.sleep(0.05)
port = open(found[0], "r+b", buffering=0)
port.write(b"{}\\n")
text = b""
while True:
    while b"\\n" not in text: text += port.read(4096) or time.sleep(0.1) or b""
    line, text = text.split(b"\\n", 1)
    done = subprocess.run(json.loads(line), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    port.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode() + b"\\n")
"""
# The guest and its way out.
ADDRESSES = ("10.0.2.15/24", "10.0.2.2")
MEMORY = "512M"


def counter_kilohertz():
    """The rate of the processor's time stamp counter, which an emulated guest is told, as ours are."""
    with open("/proc/cpuinfo") as file:
        return int(float(re.search(r"cpu MHz\s*: ([\d.]+)", file.read()).group(1)) * 1000)


def is_emulated(supervisor):
    """Whether ours are emulated here, as our supervisor tells."""
    report = subprocess.run([supervisor, "doctor"], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout
    return any(line.split()[1:2] == ["engine"] and "emulated" in line for line in report.splitlines())


class Disk:
    """A disk for such machines, from the archive of an image."""

    def __init__(self, archive, folder, programs):
        root = os.path.join(folder, "root")
        os.makedirs(root)
        with tarfile.open(archive) as outer:
            manifest = json.load(outer.extractfile("manifest.json"))[0]
            for layer in manifest["Layers"]:
                # tar rather than Python's: it is faster, and leaves out what an ordinary user may not make.
                command = ["tar", "--extract", "--directory", root, "--exclude=./dev/*"]
                process = subprocess.Popen(command, stdin=subprocess.PIPE)
                with outer.extractfile(layer) as content:
                    shutil.copyfileobj(content, process.stdin, 1 << 20)
                process.stdin.close()
                if process.wait() != 0:
                    raise Failure(f"{archive} could not be unpacked")
        for name, content in (("init", _INIT), ("commands.py", _COMMANDS)):
            self._write(os.path.join(root, "sbin" if name == "init" else "", name), content)
        for program in programs:
            shutil.copy(program, os.path.join(root, "usr/bin"))
        self._write(os.path.join(root, "network"), "ip link set lo up; ip link set eth0 up\n"
                    f"ip addr add {ADDRESSES[0]} dev eth0; ip route add default via {ADDRESSES[1]}\n"
                    "for mtu in $(sed -n 's/.*mtu=//p' /proc/cmdline); do ip link set eth0 mtu $mtu; done\n")
        self.path = os.path.join(folder, "disk")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, self.path, "1G"], check=True,
                       stdout=subprocess.DEVNULL,
                       env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
        shutil.rmtree(root, ignore_errors=True)

    @staticmethod
    def _write(path, content):
        if os.path.islink(path) or os.path.exists(path):
            os.unlink(path)
        with open(path, "w") as file:
            file.write(content)
        os.chmod(path, 0o755)


class PlainMachine:
    """A running machine; use as a context.

    `start` starts a program that ends with this one, `network` are the options of QEMU that make its network, and
    `descriptors` those that they speak of.
    """

    def __init__(self, start, emulated, kernel, disk, network, descriptors=()):
        ours, engines = socket.socketpair()
        words = ["console=hvc0", "reboot=t", "panic=-1", "quiet", "root=/dev/vda", "rootfstype=ext4", "rw"]
        clocks = "pit=off,pic=off,rtc=off"
        accelerator = ["-accel", "kvm", "-cpu", "host"]
        if emulated:
            clocks = "pit=on,pic=on,rtc=on"
            accelerator = ["-accel", "tcg,tb-size=256", "-cpu", "max"]
            words += ["mitigations=off", "no_timer_check", "tsc=reliable", f"tsc_early_khz={counter_kilohertz()}",
                      "lapic_timer_khz=1000000", "noreplace-smp"]
        self._command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", f"microvm,x-option-roms=off,acpi=off,isa-serial=off,{clocks}", *accelerator,
            "-smp", "1", "-m", MEMORY,
            "-kernel", kernel, "-append", " ".join(words), "-device", "virtio-serial-device",
            "-chardev", "null,id=console", "-device", "virtconsole,chardev=console",
            "-chardev", f"socket,id=commands,fd={engines.fileno()}",
            "-device", "virtserialport,name=commands,chardev=commands",
            "-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-device,rng=random",
            # Each has the disk as it was made.
            "-drive", f"if=none,id=disk,file={disk.path},format=raw,snapshot=on",
            "-device", "virtio-blk-device,drive=disk",
            *network]
        self._start, self._connection, self._engines, self._descriptors = start, ours, engines, descriptors

    def __enter__(self):
        self._process = self._start(self._command, pass_fds=[self._engines.fileno(), *self._descriptors])
        self._engines.close()
        self._connection.settimeout(120)
        self._lines = self._connection.makefile("rb")
        try:
            if not self._lines.readline():
                raise Failure(f"{' '.join(self._command)}: ended while the guest started")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._connection.close()

    @property
    def process(self):
        """The id of QEMU's process."""
        return self._process.pid

    def run(self, *command):
        """Runs a command in the guest to its end; what it printed."""
        self._connection.sendall(json.dumps(command).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise Failure(f"the machine ended during {' '.join(command)}")
        status, output, error = json.loads(line)
        if status != 0:
            raise Failure(f"{' '.join(command)} in a plain machine: status {status}: {error.strip() or output[-500:]}")
        return output
