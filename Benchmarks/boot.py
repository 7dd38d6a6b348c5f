"""S2 and S3: cold boot to the agent, by the sandbox's own account, and to the end of a first process."""

import re

from benchmark import OURS, Benchmark
from measure import interleaved


def measure(setting):
    """Runs `true` in a new sandbox, and in a container of docker's."""
    to_agent, to_process = Benchmark("boot-to-agent", "ms"), Benchmark("boot-to-process", "ms")
    commands = {OURS: setting.run("--timings", "busybox", "--", "true")}
    if setting.docker is not None:
        commands["docker run"] = setting.docker.command("run", "--rm", "--network=none", "busybox", "true")
    samples = interleaved(commands, setting.runs, 1, setting.environment)
    for who, measured in samples.items():
        to_process.add(who, [taken * 1000 for taken, _ in measured])
    ready = [re.search(r"([\d.]+) ms  agent ready", stderr) for _, stderr in samples[OURS]]
    if all(ready):
        to_agent.add(OURS, [float(match.group(1)) for match in ready])
    else:
        to_agent.notes.append("`run --timings` does not say when the agent was ready")
    yield to_agent
    yield to_process
