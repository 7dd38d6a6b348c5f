"""A sandbox that stays: from nothing to the first byte of its first process's output."""

from time import perf_counter

from benchmark import OURS, Benchmark
from measure import alternating, seconds, seconds_to_first_byte


def measure(setting):
    """Makes a sandbox and has it say a word, beside a docker container that does nothing."""
    docker = setting.docker

    def create_and_exec():
        begin = perf_counter()
        sandbox = setting.create()
        created = perf_counter()
        try:
            answered = seconds_to_first_byte(setting.exec(sandbox, "/bin/echo", "ready"), setting.environment)
        finally:
            setting.remove(sandbox)
        return created - begin + answered, created - begin, answered

    contenders = {OURS: create_and_exec}
    if docker is not None:
        contenders["docker run"] = lambda: seconds(docker.run_true)[0]
    samples = alternating(contenders, setting.runs, setting.warm_ups)
    setting.require_nothing_left()

    pair, create, answer = Benchmark("create-and-exec", "ms"), Benchmark("create", "ms"), Benchmark("first-exec", "ms")
    for benchmark, values in zip((pair, create, answer), zip(*samples[OURS])):
        benchmark.add(OURS, [taken * 1000 for taken in values])
    if docker is not None:
        pair.add("docker run", [taken * 1000 for taken in samples["docker run"]])
        pair.promise("times the time of docker run", pair.times("docker run"), at_most=0.45)
    yield pair
    yield create
    yield answer
