"""A sandbox that is paused and goes on, by how much of its memory it has changed; and how long a snapshot stops it."""

import re
import subprocess
from time import perf_counter

from benchmark import OURS, Benchmark
from measure import alternating, output

MEGABYTES = (0, 100, 200)


def measure(setting):
    """Pauses and resumes a sandbox of 512 MiB, beside the start of a fresh one."""
    def run(*arguments):
        begin = perf_counter()
        output([setting.sandpiper, *arguments], setting.environment)
        return perf_counter() - begin

    def create():
        begin = perf_counter()
        sandbox = setting.create()
        taken = perf_counter() - begin
        setting.remove(sandbox)
        return taken

    for megabytes in MEGABYTES:
        with setting.sandbox() as sandbox:
            if megabytes:
                script = f"dd if=/dev/urandom of=/dev/shm/x bs=1M count={megabytes} 2>/dev/null"
                output(setting.exec(sandbox, "/bin/sh", "-c", script), setting.environment)
            runs = min(setting.runs, 10)
            samples = alternating({OURS: lambda: (run("pause", sandbox), run("resume", sandbox)), "create": create},
                                  runs, setting.warm_ups)
            stood = [stop(setting, sandbox) for _ in range(3)]
        pause, resume = Benchmark(f"pause-{megabytes}", "ms"), Benchmark(f"resume-{megabytes}", "ms")
        pause.add(OURS, [paused * 1000 for paused, _ in samples[OURS]])
        resume.add(OURS, [resumed * 1000 for _, resumed in samples[OURS]])
        resume.add("create", [taken * 1000 for taken in samples["create"]])
        if megabytes == 0:
            resume.promise("times the time of a fresh start", resume.times("create"), at_most=1.5)
        snapshot = Benchmark(f"snapshot-pause-{megabytes}", "ms")
        snapshot.add(OURS, stood)
        yield from (pause, resume, snapshot)
    setting.require_nothing_left()


def stop(setting, sandbox):
    """For how many milliseconds a snapshot stops the sandbox."""
    command = [setting.sandpiper, "snapshot", "create", sandbox]
    process = subprocess.run(command, env=setting.environment, capture_output=True, text=True, check=True)
    output([setting.sandpiper, "snapshot", "rm", process.stdout.strip()], setting.environment)
    return float(re.search(r"stood still for (\d+) ms", process.stderr).group(1))
