"""A sandbox for one command: from the start of the command line to its end, with everything cleaned up."""

from benchmark import OURS, Benchmark
from measure import interleaved


def measure(setting):
    """Runs `true` in a new sandbox, and in a new container of docker's."""
    benchmark = Benchmark("run", "ms")
    commands = {OURS: setting.run("busybox", "--", "/bin/true")}
    if setting.docker is not None:
        commands["docker run"] = setting.docker.run_true
    samples = interleaved(commands, setting.runs, setting.warm_ups, setting.environment)
    setting.require_nothing_left()
    for who, measured in samples.items():
        benchmark.add(who, [taken * 1000 for taken, _ in measured])
    if setting.docker is not None:
        benchmark.promise("times the time of docker run", benchmark.times("docker run"), at_most=0.5)
    yield benchmark
