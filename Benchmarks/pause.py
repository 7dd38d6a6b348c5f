"""A sandbox that is paused and goes on, by how much of its memory it has changed; and how long a snapshot stops it.

A resumed sandbox loads what it had changed when it is used: so it is read once, and that is counted as well, beside a
fresh start, the reading of a file of that size on the host, and the same reading of memory that is there.
"""

import os
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
            def read():
                begin = perf_counter()
                output(setting.exec(sandbox, "/bin/sh", "-c", "cat /dev/shm/* >/dev/null"), setting.environment)
                return perf_counter() - begin

            def change():
                script = f"for n in $(seq {megabytes}); do cat /block; done > /dev/shm/x; echo >> /dev/shm/x"
                output(setting.exec(sandbox, "/bin/sh", "-c", script), setting.environment)

            def there_and_back():
                change()
                return run("pause", sandbox), run("resume", sandbox), read()

            def load():
                begin = perf_counter()
                buffer = bytearray(1 << 20)
                with open(dirty, "rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass
                return perf_counter() - begin

            dirty = os.path.join(setting.work, "dirty")
            with open(dirty, "wb") as file:
                for _ in range(megabytes):
                    file.write(os.urandom(1 << 20))
            output(setting.exec(sandbox, "/bin/sh", "-c", "head -c 1048576 /dev/urandom > /block"),
                   setting.environment)
            runs = min(setting.runs, 10)
            samples = alternating({OURS: there_and_back, "create": lambda: (create(), load() + read())}, runs,
                                  setting.warm_ups)
            stood = [stop(setting, sandbox) for _ in range(3)]
        pause, resume = Benchmark(f"pause-{megabytes}", "ms"), Benchmark(f"resume-{megabytes}", "ms")
        used = Benchmark(f"resume-and-read-{megabytes}", "ms")
        pause.add(OURS, [paused * 1000 for paused, _, _ in samples[OURS]])
        resume.add(OURS, [resumed * 1000 for _, resumed, _ in samples[OURS]])
        resume.add("create", [created * 1000 for created, _ in samples["create"]])
        if megabytes == 0:
            resume.promise("times the time of a fresh start", resume.times("create"), at_most=1.5)
        used.add(OURS, [(resumed + reading) * 1000 for _, resumed, reading in samples[OURS]])
        used.add("create, read", [(created + reading) * 1000 for created, reading in samples["create"]])
        used.promise("times a fresh start and reading what was changed", used.times("create, read"), at_most=1.5)
        snapshot = Benchmark(f"snapshot-pause-{megabytes}", "ms")
        snapshot.add(OURS, stood)
        yield from (pause, resume, used, snapshot)
    setting.require_nothing_left()


def stop(setting, sandbox):
    """For how many milliseconds a snapshot stops the sandbox."""
    command = [setting.sandpiper, "snapshot", "create", sandbox]
    process = subprocess.run(command, env=setting.environment, capture_output=True, text=True, check=True)
    output([setting.sandpiper, "snapshot", "rm", process.stdout.strip()], setting.environment)
    return float(re.search(r"stood still for (\d+) ms", process.stderr).group(1))
