"""The network of a sandbox beside QEMU's own user-mode network and beside passt: same kernel, same image, same servers.

A bare minimum of the same guest is booted on QEMU with each of the peers' networks, with the settings that kernel and
engine have by themselves; ours has those that Sandpiper gives its machines. The servers are in a network namespace of
their own, joined by a wire to the one where the machines run: for all three they are somewhere else. While one is measured
the others stand still: what a guest does at rest would disturb whoever is at work.
"""

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time

from benchmark import OURS, Benchmark
from measure import Failure, alternating, output
from plain_machine import ADDRESSES, MEMORY, Disk, PlainMachine, is_emulated
from processes import children_of, processor_seconds, supervisor_of

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(_HERE, "..", "Tests", "Network"))
from namespaces import Namespaces  # noqa: E402 - the lab's own module, beside the tests that use it too

USER, PASST = "qemu -netdev user, 1500", "passt, 65520"
SERVER = Namespaces.OUTSIDE[0].split("/")[0]
STREAM_PORT, TALK_PORT = 5201, 7001
# On the host, of the guest's ports above.
PUBLISHED = {USER: 21000, PASST: 22000, OURS: 23000}


def _stream(run, *command):
    """Bytes per second that iperf3 tells its receiver got. Its server takes one at a time and may not be done yet."""
    for _ in range(5):
        try:
            end = json.loads(run(*command))["end"]
            # A peer may have stalled from the first moment on.
            return max(end["sum_received"]["bits_per_second"] / 8, 1)
        except Failure as failure:
            reason = failure
        except KeyError:
            reason = Failure(f"{' '.join(command)}: no result")
        time.sleep(0.5)
    raise reason


class Contender:
    """A machine with one of the networks: `run` runs a command in it, `carriers` are the processes of the network."""

    def __init__(self, name, host, run, engine, carriers=()):
        self.name, self._host, self.run, self.engine, self.carriers = name, host, run, engine, carriers
        base = PUBLISHED[name]
        self.stream_port, self.talk_port = base + 1, base + 2

    def prepare(self):
        """Starts the servers in the guest."""
        self.run("iperf3", "--server", "--daemon", "--port", str(STREAM_PORT))
        self.run("sh", "-c", f"conversations serve {TALK_PORT} >/dev/null 2>&1 </dev/null &")

    @contextlib.contextmanager
    def standing_still(self):
        """Stops the machine meanwhile."""
        os.kill(self.engine, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.engine, signal.SIGCONT)

    def outside(self, *command):
        """Runs a command on the host, in the machine's place among networks."""
        return output([*self._host, *command])

    def streams(self, seconds):
        """One measurement of streams each way, that long each, and of the processor's time that they take."""
        stream = ["iperf3", "--json", "--length", "1M", "--time", str(seconds), "--omit", "1"]
        figures = {}
        server = ["--client", SERVER, "--port", str(STREAM_PORT)]
        published = ["--client", "127.0.0.1", "--port", str(self.stream_port)]
        for name, run, options in (("out", self.run, server), ("in", self.run, [*server, "--reverse"]),
                                   ("published-in", self.outside, published),
                                   ("published-out", self.outside, [*published, "--reverse"])):
            before = [processor_seconds(process) for process in (self.engine, *self.carriers)]
            speed = _stream(run, *stream, *options)
            engine, *carriers = (processor_seconds(process) - was
                                 for process, was in zip((self.engine, *self.carriers), before))
            moved = speed * (seconds + 1)
            figures[name] = speed / 2**20
            figures[name + "-engine"] = engine / moved * 10**9
            figures[name + "-carriers"] = sum(carriers) / moved * 10**9
        return figures

    def conversations(self):
        """One measurement of short connections and of small requests."""
        figures = {}
        for prefix, run, address in (("", self.run, [SERVER, str(TALK_PORT)]),
                                     ("published-", self.outside, ["127.0.0.1", str(self.talk_port)])):
            figures[prefix + "connections"] = json.loads(
                run("conversations", "connect", *address, "500", "16"))["per_second"]
            taken = json.loads(run("conversations", "request", *address, "1000"))
            figures[prefix + "request-half"] = taken["half"]
            figures[prefix + "request-nearly-all"] = taken["nearly_all"]
        return figures


def _passt(start, ports, folder):
    """Starts passt as its manual has it; its process and the descriptor that QEMU shall have."""
    path = os.path.join(folder, "passt")
    forwards = ",".join(f"{outer}:{inner}" for outer, inner in ports.items())
    # On a socket of its own making passt sets the buffers as it wants them; those of a pair are too small for it.
    as_root = ["--runas", "0"] if os.geteuid() == 0 else []
    command = ["passt", "--foreground", "--quiet", "--socket", path, *as_root, "--ipv4-only", "--interface", "host0",
               "--address", ADDRESSES[0].split("/")[0], "--netmask", "24", "--gateway", ADDRESSES[1], "--no-map-gw",
               "--tcp-ports", forwards]
    process = start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    machine = socket.socket(socket.AF_UNIX)
    for _ in range(100):
        try:
            machine.connect(path)
            return process, machine
        except OSError:
            time.sleep(0.05)
    raise Failure("passt did not start")


@contextlib.contextmanager
def contenders(setting, names, executables):
    """The machines, by name."""
    with contextlib.ExitStack() as stack:
        networks = stack.enter_context(Namespaces())
        folder = stack.enter_context(setting.fresh_folder())
        os.chmod(folder, 0o755)
        talk = os.path.join(folder, "conversations")
        source = os.path.join(_HERE, "conversations.c")
        subprocess.run(["gcc", "-O2", "-Wall", "-static", "-o", talk, source], check=True)
        for command in (["iperf3", "--server", "--port", str(STREAM_PORT)], [talk, "serve", str(TALK_PORT)]):
            networks.start(networks.outside_root, command, stdout=subprocess.DEVNULL)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        start = functools.partial(networks.start, networks.host)
        host = [*networks.host, "env", f"PATH={environment['PATH']}"]
        machines = {}
        peers = [name for name in names if name != OURS]
        if peers:
            disk = Disk(setting.network, folder, [talk])
            kernel = os.path.join(executables, "guest", "vmlinux")
            emulated = is_emulated(os.path.join(executables, "sandpiper-supervisor"))
        for name in names:
            ports = {PUBLISHED[name] + 1: STREAM_PORT, PUBLISHED[name] + 2: TALK_PORT}
            carriers, descriptors = [], []
            if name == OURS:
                machines[name] = stack.enter_context(_ours(setting, networks, host, talk, ports))
                continue
            if name == USER:
                forwards = "".join(f",hostfwd=tcp:127.0.0.1:{outer}-:{inner}" for outer, inner in ports.items())
                options = [f"user,id=network,ipv6=off{forwards}"]
                device = "virtio-net-device,netdev=network"
            else:
                process, descriptor = _passt(start, ports, folder)
                carriers, descriptors = [process.pid], [descriptor.fileno()]
                stack.callback(descriptor.close)
                options = [f"stream,id=network,server=off,addr.type=fd,addr.str={descriptor.fileno()}"]
                device = "virtio-net-device,netdev=network,host_mtu=65520"
            machine = stack.enter_context(PlainMachine(
                start, emulated, kernel, disk, ["-netdev", *options, "-device", device], descriptors))
            machines[name] = Contender(name, host, machine.run, machine.process, carriers)
        for machine in machines.values():
            machine.prepare()
        yield machines


@contextlib.contextmanager
def _ours(setting, networks, host, talk, ports):
    """A sandbox with the default policy, which lets it reach the servers outside."""
    publish = [word for outer, inner in ports.items() for word in ("-p", f"127.0.0.1:{outer}:{inner}")]
    mount = ["-v", f"{os.path.dirname(talk)}:/measure:ro"]
    setting_words = [f"SANDPIPER_HOME={setting.home}", f"TMPDIR={setting.work}"]
    ours = [*host, *setting_words, setting.sandpiper]
    output([setting.sandpiper, "load", setting.network], setting.environment)
    # The servers outside have an address of the documentation's, which is as good as public.
    sandbox = output([*ours, "create", "--memory", MEMORY, *publish, *mount, "network"])
    try:
        def run(*command):
            return output([*ours, "exec", sandbox, "--", "env", "PATH=/measure:/usr/bin:/bin:/usr/sbin", *command])
        supervisor = supervisor_of(sandbox)
        engine = next(child for child in children_of(supervisor) if _name(child) == "sandpiper-vm")
        yield Contender(OURS, host, run, engine, [supervisor])
    finally:
        output([*ours, "rm", "--force", sandbox])


def _name(process):
    with open(f"/proc/{process}/comm") as file:
        return file.read().strip()


# Name of the benchmark, figure, unit, whether more is better, what is promised beside QEMU's network and beside passt.
_STREAMS = (
    ("network-out", "out", "MiB/s", True, 1.5, 1.0),
    ("network-in", "in", "MiB/s", True, 1.5, 1.0),
    ("published-in", "published-in", "MiB/s", True, 1.5, 1.0),
    ("published-out", "published-out", "MiB/s", True, 1.5, 1.0),
)
_CONVERSATIONS = (
    ("network-connections", "connections", "/s", True, 1.5, None),
    ("network-request-p50", "request-half", "µs", False, 1.0, 1.0),
    ("network-request-p99", "request-nearly-all", "µs", False, 1.0, 1.0),
    ("published-connections", "published-connections", "/s", True, 1.5, None),
    ("published-request-p50", "published-request-half", "µs", False, 1.0, 1.0),
    ("published-request-p99", "published-request-nearly-all", "µs", False, 1.0, 1.0),
)


def in_turn(machines, measurement, runs, warm_ups):
    """What a measurement says of each of the machines, by name, while the others stand still."""
    def alone(machine):
        with contextlib.ExitStack() as stack:
            for other in machines.values():
                if other is not machine:
                    stack.enter_context(other.standing_still())
            figures = measurement(machine)
            # Its connections come to their ends before it stands still, or they are in the way of later ones.
            time.sleep(0.5)
            return figures
    rounds = {name: functools.partial(alone, machine) for name, machine in machines.items()}
    return alternating(rounds, runs, warm_ups)


def measure(setting):
    """Streams each way, short connections and small requests, from the guest and to a published port."""
    executables = os.path.dirname(setting.sandpiper)
    seconds = 1 if setting.is_quick else 3
    with contenders(setting, (OURS, USER, PASST), executables) as machines:
        streams = in_turn(machines, lambda machine: machine.streams(seconds), min(setting.runs, 5), warm_ups=1)
        # Short ones in turn, many times: a moment in which the machine is busy with something else is longer than each.
        conversations = in_turn(machines, Contender.conversations, 7 if setting.is_quick else 25, warm_ups=2)
    yield from judged(streams, _STREAMS)
    yield from judged(conversations, _CONVERSATIONS)
    yield from processor(streams)
    setting.require_nothing_left()


def judged(samples, benchmarks):
    """The benchmarks of what was measured."""
    for name, figure, unit, larger, over_user, over_passt in benchmarks:
        benchmark = Benchmark(name, unit, larger_is_better=larger)
        for who, rounds in samples.items():
            benchmark.add(who, [figures[figure] for figures in rounds])
        if OURS in samples:
            for peer, limit in ((USER, over_user), (PASST, over_passt)):
                if limit is not None and peer in samples:
                    benchmark.promise(f"times as good as {peer}", benchmark.ratio(peer), at_least=limit)
        yield benchmark


def processor(samples):
    """The processor's time for what the streams moved."""
    for way in ("out", "in", "published-in", "published-out"):
        # Of the network's own process, which QEMU's network has not, and of the engine with it.
        for part in ("carriers", "engine"):
            benchmark = Benchmark(f"network-processor-{way}-{part}", "s/GB")
            for who, rounds in samples.items():
                benchmark.add(who, [figures[f"{way}-{part}"] for figures in rounds])
            yield benchmark
