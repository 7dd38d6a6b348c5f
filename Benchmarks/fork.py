"""Children of a running sandbox: from the command to the end of the first process of each, and the memory of each."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from benchmark import OURS, Benchmark
from measure import Failure, alternating, output
from processes import children_of, private_memory, proportional_memory, supervisor_of

COUNTS = (1, 10, 50)
# Clients at one time: as many as a machine of a few processors serves.
CLIENTS = 4


def measure(setting):
    """Forks a sandbox of 512 MiB, beside as many fresh containers of docker's."""
    docker = setting.docker
    with setting.sandbox() as parent:
        output(setting.exec(parent, "/bin/sh", "-c", "echo set up > /file"), setting.environment)

        def fork(count, memory):
            begin = perf_counter()
            children = output([setting.sandpiper, "fork", "-n", str(count), parent], setting.environment).split()
            forked = perf_counter()
            try:
                each(count, lambda child: output(setting.exec(child, "/bin/cat", "/file"), setting.environment), children)
                taken = perf_counter() - begin
                memory += [_mebibytes(child) for child in children]
                return taken, forked - begin
            finally:
                output([setting.sandpiper, "rm", "-f", *children], setting.environment)

        def run(count):
            begin = perf_counter()
            each(count, lambda _: output(docker.run_true), range(count))
            return perf_counter() - begin

        for count in COUNTS:
            memory = []
            contenders = {OURS: lambda count=count, memory=memory: fork(count, memory)}
            if docker is not None:
                contenders["docker run"] = lambda count=count: run(count)
            runs, warm_ups = (setting.runs, setting.warm_ups) if count == 1 else (min(setting.runs, 3), 1)
            samples = alternating(contenders, runs, warm_ups)
            benchmark = Benchmark(f"fork-{count}", "ms")
            benchmark.add(OURS, [taken * 1000 for taken, _ in samples[OURS]])
            benchmark.add("fork alone", [taken * 1000 for _, taken in samples[OURS]])
            if docker is not None:
                benchmark.add("docker run", [taken * 1000 for taken in samples["docker run"]])
                if count == 1:
                    benchmark.promise("times the time of docker run", benchmark.times("docker run"), at_most=0.5)
            private = Benchmark(f"fork-memory-{count}", "MiB")
            private.add(OURS, [own for own, _ in memory])
            private.add("with its share of what it shares", [share for _, share in memory])
            yield from (benchmark, private)
    setting.require_nothing_left()


def each(count, once, arguments):
    """Calls a function with each of the arguments, a few at a time."""
    with ThreadPoolExecutor(min(count, CLIENTS)) as pool:
        list(pool.map(once, arguments))


def _mebibytes(sandbox):
    """The memory that a sandbox's supervisor and engine share with nobody, and with their shares of what they share."""
    supervisor = supervisor_of(sandbox)
    engines = [] if supervisor is None else children_of(supervisor)
    if not engines:
        raise Failure(f"sandbox {sandbox} does not run")
    processes = [supervisor, *engines]
    return sum(map(private_memory, processes)) / 2**20, sum(map(proportional_memory, processes)) / 2**20
