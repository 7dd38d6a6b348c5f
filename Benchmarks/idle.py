"""What a sandbox that does nothing needs, while twenty run: memory and processor time of supervisor and engine."""

import contextlib
import time

from benchmark import OURS, Benchmark
from measure import Failure, output
from processes import children_of, processor_seconds, proportional_memory, supervisor_of

SANDBOXES = 20
# What a guest does by itself after its start or a command is over by then; nothing tells of it.
SECONDS_TO_REST = 2
SECONDS_OF_REST = 5


def measure(setting):
    """Adds up what each sandbox's processes have of the memory, of shared pages their share, and of the processors."""
    fresh, supervisor, used = (Benchmark(name, "MiB") for name in
                               ("idle-memory", "idle-memory-supervisor", "idle-memory-after-exec"))
    processor = Benchmark("idle-processor", "ms/s")
    with contextlib.ExitStack() as stack:
        sandboxes = [stack.enter_context(setting.sandbox()) for _ in range(SANDBOXES)]
        time.sleep(SECONDS_TO_REST)
        memory = [_mebibytes(sandbox) for sandbox in sandboxes]
        fresh.add(OURS, [sum(both) for both in memory])
        supervisor.add(OURS, [own for own, _ in memory])
        for sandbox in sandboxes:
            output(setting.exec(sandbox, "/bin/true"), setting.environment)
        time.sleep(SECONDS_TO_REST)
        used.add(OURS, [sum(_mebibytes(sandbox)) for sandbox in sandboxes])
        before = [_processor_seconds(sandbox) for sandbox in sandboxes]
        time.sleep(SECONDS_OF_REST)
        rates = [(_processor_seconds(sandbox) - was) * 1000 / SECONDS_OF_REST for sandbox, was in zip(sandboxes, before)]
        processor.add(OURS, rates)
    largest, smallest = fresh.figures[OURS]["max"], fresh.figures[OURS]["min"]
    fresh.promise(f"MiB for the largest of {SANDBOXES} idle sandboxes", largest, at_most=45)
    fresh.promise("times the smallest for the largest", largest / smallest, at_most=1.15)
    mean = sum(rates) / len(rates)
    processor.promise("ms of a processor a second for an idle sandbox, on average", mean, at_most=10)
    yield from (fresh, supervisor, used, processor)


def _processes(sandbox):
    """A sandbox's supervisor, and its engine with whatever else the supervisor started."""
    supervisor = supervisor_of(sandbox)
    engines = [] if supervisor is None else children_of(supervisor)
    if not engines:
        raise Failure(f"sandbox {sandbox} does not run")
    return supervisor, engines


def _mebibytes(sandbox):
    """The memory of a sandbox's supervisor, and of its engine."""
    supervisor, engines = _processes(sandbox)
    return proportional_memory(supervisor) / 2**20, sum(map(proportional_memory, engines)) / 2**20


def _processor_seconds(sandbox):
    """The processor time that a sandbox's processes have had."""
    supervisor, engines = _processes(sandbox)
    return sum(map(processor_seconds, [supervisor, *engines]))
