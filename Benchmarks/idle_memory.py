"""The memory of a sandbox that does nothing, while twenty run: supervisor and engine."""

import contextlib
import time

from benchmark import OURS, Benchmark
from measure import Failure, output
from processes import children_of, proportional_memory, supervisor_of

SANDBOXES = 20
# What a guest does by itself after its start or a command is over by then; nothing tells of it.
SECONDS_TO_REST = 2


def measure(setting):
    """Adds up what each sandbox's processes have of the memory, of shared pages their share."""
    fresh, supervisor, used = (Benchmark(name, "MiB") for name in
                               ("idle-memory", "idle-memory-supervisor", "idle-memory-after-exec"))
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
    largest, smallest = fresh.figures[OURS]["max"], fresh.figures[OURS]["min"]
    fresh.promise(f"MiB for the largest of {SANDBOXES} idle sandboxes", largest, at_most=45)
    fresh.promise("times the smallest for the largest", largest / smallest, at_most=1.15)
    yield from (fresh, supervisor, used)


def _mebibytes(sandbox):
    """The memory of a sandbox's supervisor, and of its engine with whatever else the supervisor started."""
    supervisor = supervisor_of(sandbox)
    engines = [] if supervisor is None else children_of(supervisor)
    if not engines:
        raise Failure(f"sandbox {sandbox} does not run")
    return proportional_memory(supervisor) / 2**20, sum(map(proportional_memory, engines)) / 2**20
