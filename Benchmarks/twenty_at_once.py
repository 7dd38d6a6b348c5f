"""Twenty sandboxes at once: made, used, removed, beside the same twenty one after another."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

from benchmark import Benchmark
from measure import Failure, alternating, output

SANDBOXES = 20
AT_ONCE, IN_TURN = "20 at once", "20 in turn"


def measure(setting):
    """Times whole rounds; each takes seconds, so that five are enough."""
    failures = []

    def attempt(step, *arguments):
        """The step's result; None when it failed, or when an earlier one of the same sandbox did."""
        if None in arguments:
            return None
        try:
            return step(*arguments)
        except Failure as failure:
            failures.append(str(failure))
            return None

    def use(sandbox):
        word = f"word of {sandbox}"
        answer = output(setting.exec(sandbox, "/bin/echo", word), setting.environment)
        if answer != word:
            raise Failure(f"sandbox {sandbox} answered '{answer}'")

    def in_turn():
        begin = perf_counter()
        for _ in range(SANDBOXES):
            sandbox = attempt(setting.create)
            attempt(use, sandbox)
            attempt(setting.remove, sandbox)
        return perf_counter() - begin

    def at_once():
        # Nobody uses a sandbox before all are there, and none is removed before all were used.
        with ThreadPoolExecutor(SANDBOXES) as pool:
            begin = perf_counter()
            sandboxes = list(pool.map(lambda _: attempt(setting.create), range(SANDBOXES)))
            list(pool.map(lambda sandbox: attempt(use, sandbox), sandboxes))
            list(pool.map(lambda sandbox: attempt(setting.remove, sandbox), sandboxes))
            return perf_counter() - begin

    runs, warm_ups = (1, 0) if setting.is_quick else (min(setting.runs, 5), 1)
    samples = alternating({AT_ONCE: at_once, IN_TURN: in_turn}, runs, warm_ups)
    setting.require_nothing_left()
    benchmark = Benchmark("twenty-at-once", "s", ours=AT_ONCE)
    for who, times in samples.items():
        benchmark.add(who, times)
    benchmark.promise("times the time of the same one after another", benchmark.times(IN_TURN), at_most=0.9)
    benchmark.promise("failures", len(failures), at_most=0)
    benchmark.notes += failures[:3]
    yield benchmark
