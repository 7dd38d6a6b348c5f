"""Standard output of a process in a sandbox, beside a pipe inside the same guest and beside docker's."""

import contextlib
import re
import subprocess

from benchmark import OURS, Benchmark
from measure import Failure, alternating, throughput
from processes import resident_memory, supervisor_of

INSIDE = "dd | cat in the guest"


def measure(setting):
    """Lets programs write as fast as they can."""
    benchmark = Benchmark("stdout", "MB/s", larger_is_better=True)
    memory = Benchmark("stdout-memory", "MB")
    mebibytes = 64 if setting.is_quick else 256
    flood = f"dd if=/dev/zero bs=32k count={mebibytes * 32} 2>/dev/null"
    growths = []

    with contextlib.ExitStack() as stack:
        sandbox = stack.enter_context(setting.sandbox())
        supervisor = supervisor_of(sandbox)

        def exec_in_sandbox():
            """Notes as well by how much supervisor and client grow after the first look at them."""
            looks = []
            rate = throughput(setting.exec(sandbox, "sh", "-c", flood), setting.environment,
                              lambda client: looks.append(resident_memory(client) + resident_memory(supervisor)))
            growths.append((max(looks) - looks[0]) / 1e6)
            return rate / 1e6

        def in_turn_with(command):
            return lambda: throughput(command, setting.environment) / 1e6

        contenders = {OURS: exec_in_sandbox, INSIDE: lambda: _pipe_inside(setting, sandbox, flood, mebibytes),
                      "sandpiper run": in_turn_with(setting.run("busybox", "--", "sh", "-c", flood))}
        if setting.docker is not None:
            container = stack.enter_context(setting.docker.container())
            contenders["docker exec"] = in_turn_with(setting.docker.command("exec", container, "sh", "-c", flood))
        # Each takes many seconds, and they vary little.
        samples = alternating(contenders, min(setting.runs, 5), warm_ups=1)
    for who, rates in samples.items():
        benchmark.add(who, rates)
    benchmark.promise("times the speed of a pipe inside the guest", benchmark.ratio(INSIDE), at_least=0.7)
    memory.add(OURS, growths)
    memory.promise(f"MB that supervisor and client grow at most while {mebibytes} MiB pass", max(growths), at_most=4)
    yield benchmark
    yield memory


def _pipe_inside(setting, sandbox, flood, mebibytes):
    """MB/s of `dd | cat` in a sandbox, by the sandbox's own clock."""
    command = setting.exec(sandbox, "time", "-f", "elapsed %e", "sh", "-c", f"{flood} | cat >/dev/null")
    process = subprocess.run(command, env=setting.environment, stdin=subprocess.DEVNULL, capture_output=True)
    match = re.search(rb"elapsed ([\d.]+)", process.stderr)
    if process.returncode != 0 or match is None:
        raise Failure(f"{' '.join(command)}: {process.stderr.decode(errors='replace').strip()}")
    return mebibytes * 2**20 / 1e6 / float(match.group(1))
