"""S1: the command line starts."""

import os

from benchmark import OURS, Benchmark
from docker_engine import DOCKER
from measure import interleaved


def measure(setting):
    """Asks programs for their version."""
    benchmark = Benchmark("cli-start", "ms")
    commands = {OURS: [setting.sandpiper, "--version"], "python3 -c pass": ["python3", "-c", "pass"]}
    if os.access(DOCKER, os.X_OK):
        commands["docker --version"] = [DOCKER, "--version"]
    for who, samples in interleaved(commands, 10 * setting.runs, 5, setting.environment).items():
        benchmark.add(who, [taken * 1000 for taken, _ in samples])
    yield benchmark
