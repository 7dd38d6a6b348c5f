"""Measures commands: how long they take, how fast bytes come out of them, how much memory they need."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time


class Failure(Exception):
    """A measured command failed; the message says which, how, and what it printed."""


def _fail(command, process, stderr):
    tail = stderr.decode(errors="replace").strip().splitlines()[-3:]
    raise Failure(f"{' '.join(command)}: status {process.returncode}: {' / '.join(tail)}")


def seconds(command, environment=None):
    """The wall time of one run of `command`, and what it wrote to its standard error."""
    begin = time.perf_counter()
    process = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE)
    taken = time.perf_counter() - begin
    if process.returncode != 0:
        _fail(command, process, process.stderr)
    return taken, process.stderr.decode(errors="replace")


def interleaved(commands, runs, warm_ups=1, environment=None):
    """Runs each of the named commands `runs` times, in turn, so that a slow moment of the machine hits all alike.

    Returns, for each name, the list of (seconds, standard error).
    """
    samples = {name: [] for name in commands}
    for run in range(warm_ups + runs):
        for name, command in commands.items():
            sample = seconds(command, environment)
            if run >= warm_ups:
                samples[name].append(sample)
    return samples


def settle(*paths):
    """Writes out what others left to be written, and puts the files below `paths` in the page cache."""
    os.sync()
    for path in paths:
        files = [path] if os.path.isfile(path) else [
            os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
        for name in files:
            with open(name, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def in_turn(contenders, runs, source):
    """Calls each of the named functions `runs` times, in turn; each returns the seconds it took to read `source`."""
    samples = {name: [] for name in contenders}
    for _ in range(runs):
        for name, once in contenders.items():
            settle(source)
            samples[name].append(once())
    return samples


@contextlib.contextmanager
def _started(command, environment, **streams):
    """A process that does not outlive an interruption of whoever waits for it."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, **streams)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def throughput(command, environment=None):
    """The bytes per second that `command` writes to its standard output, from its first byte to its last."""
    with _started(command, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        first, total = None, 0
        while chunk := os.read(process.stdout.fileno(), 1 << 20):
            if first is None:
                first = time.perf_counter()
            else:
                total += len(chunk)
        last = time.perf_counter()
        stderr = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        if process.wait() != 0:
            _fail(command, process, stderr)
    if not total:
        raise Failure(f"{' '.join(command)}: too little output to measure")
    return total / (last - first)


def peak_memory(command, environment=None):
    """The largest amount of memory (bytes) that `command` had resident.

    The kernel counts what the process was before it became the command: never less than this program itself.
    """
    with tempfile.TemporaryFile() as stderr:
        with _started(command, environment, stdout=subprocess.DEVNULL, stderr=stderr) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            stderr.seek(0)
            _fail(command, process, stderr.read())
    return usage.ru_maxrss * 1024


def summary(values):
    """Median, smallest and largest of some values, and how many they are."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
