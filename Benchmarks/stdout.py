"""S4: standard output, beside a pipe inside the guest and beside docker's."""

import re
import subprocess

from benchmark import OURS, Benchmark
from measure import Failure, throughput

MEGABYTES = 256
FLOOD = f"dd if=/dev/zero bs=65536 count={MEGABYTES * 16} 2>/dev/null"


def measure(setting):
    """Lets programs write as fast as they can."""
    benchmark = Benchmark("stdout", "MB/s", larger_is_better=True)
    contenders = {OURS: setting.run("busybox", "--", "sh", "-c", FLOOD)}
    if setting.docker is not None:
        contenders["docker run"] = setting.docker.command(
            "run", "--rm", "--network=none", "busybox", "sh", "-c", FLOOD)
    values = {who: [] for who in contenders}
    inside = []
    for _ in range(min(setting.runs, 5)):  # each takes many seconds, and they vary little
        for who, command in contenders.items():
            values[who].append(throughput(command, setting.environment) / 1e6)
        inside.append(_pipe_inside(setting))
    for who, figures in values.items():
        benchmark.add(who, figures)
    benchmark.add("dd | cat in the guest", inside)
    yield benchmark


def _pipe_inside(setting):
    """MB/s of `dd | cat` in a sandbox, by the sandbox's own clock."""
    pipe = FLOOD + " | cat >/dev/null"
    command = setting.run("busybox", "--", "time", "-f", "elapsed %e", "sh", "-c", pipe)
    process = subprocess.run(command, env=setting.environment, stdin=subprocess.DEVNULL, capture_output=True)
    match = re.search(rb"elapsed ([\d.]+)", process.stderr)
    if process.returncode != 0 or match is None:
        raise Failure(f"{' '.join(command)}: {process.stderr.decode(errors='replace').strip()}")
    return MEGABYTES * 2**20 / 1e6 / float(match.group(1))
