"""The first sandbox of its kind: the machine boots and is frozen, which all later ones are spared."""

import os
import re
import shutil

from benchmark import OURS, Benchmark
from measure import Failure, alternating, seconds


def measure(setting):
    """Runs `true` in a home without templates."""
    command = setting.run("--timings", "busybox", "--", "/bin/true")

    def first_run():
        shutil.rmtree(os.path.join(setting.home, "templates"))
        taken, stderr = seconds(command, setting.environment)
        found = re.search(r"([\d.]+) ms  template found", stderr)
        if found is None:
            raise Failure("`run --timings` does not say when it had its template")
        return float(found.group(1)), taken * 1000

    samples = alternating({OURS: first_run}, min(setting.runs, 5), warm_ups=0)
    for name, values in zip(("boot-to-template", "boot-to-process"), zip(*samples[OURS])):
        benchmark = Benchmark(name, "ms")
        benchmark.add(OURS, values)
        yield benchmark
