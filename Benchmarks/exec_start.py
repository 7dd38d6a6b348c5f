"""A further process in a running sandbox."""

import contextlib

from benchmark import OURS, Benchmark
from measure import interleaved


def measure(setting):
    """Runs `true` in a sandbox, and in a container of docker's, that are there already."""
    benchmark = Benchmark("exec", "ms")
    with contextlib.ExitStack() as stack:
        commands = {OURS: setting.exec(stack.enter_context(setting.sandbox()), "/bin/true")}
        if setting.docker is not None:
            container = stack.enter_context(setting.docker.container())
            commands["docker exec"] = setting.docker.command("exec", container, "/bin/true")
        samples = interleaved(commands, setting.runs, setting.warm_ups, setting.environment)
    for who, measured in samples.items():
        benchmark.add(who, [taken * 1000 for taken, _ in measured])
    if setting.docker is not None:
        benchmark.promise("times the time of docker exec", benchmark.times("docker exec"), at_most=0.5)
    yield benchmark
