"""Children of a running sandbox: from the command to the end of the first process of each."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from benchmark import OURS, Benchmark
from measure import alternating, output, seconds

COUNTS = (1, 10, 50)
# Clients at one time: as many as a machine of a few processors serves.
CLIENTS = 4


def measure(setting):
    """Forks a sandbox of 512 MiB, beside a fresh container of docker's."""
    docker = setting.docker
    with setting.sandbox() as parent:
        output(setting.exec(parent, "/bin/sh", "-c", "echo set up > /file"), setting.environment)

        def fork(count):
            begin = perf_counter()
            children = output([setting.sandpiper, "fork", "-n", str(count), parent], setting.environment).split()
            forked = perf_counter()
            try:
                with ThreadPoolExecutor(min(count, CLIENTS)) as pool:
                    list(pool.map(lambda child: output(setting.exec(child, "/bin/cat", "/file"), setting.environment),
                                  children))
                return perf_counter() - begin, forked - begin
            finally:
                output([setting.sandpiper, "rm", "-f", *children], setting.environment)

        for count in COUNTS:
            contenders = {OURS: lambda count=count: fork(count)}
            if docker is not None and count == 1:
                contenders["docker run"] = lambda: seconds(docker.run_true)[0]
            runs, warm_ups = (setting.runs, setting.warm_ups) if count == 1 else (min(setting.runs, 3), 1)
            samples = alternating(contenders, runs, warm_ups)
            benchmark = Benchmark(f"fork-{count}", "ms")
            benchmark.add(OURS, [taken * 1000 for taken, _ in samples[OURS]])
            benchmark.add("fork alone", [taken * 1000 for _, taken in samples[OURS]])
            if "docker run" in samples:
                benchmark.add("docker run", [taken * 1000 for taken in samples["docker run"]])
                benchmark.promise("times the time of docker run", benchmark.times("docker run"), at_most=0.5)
            yield benchmark
    setting.require_nothing_left()
