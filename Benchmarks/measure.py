"""Measures commands: how long they take, and how fast bytes come out of them."""

import os
import statistics
import subprocess
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


def throughput(command, environment=None):
    """The bytes per second that `command` writes to its standard output, from its first byte to its last."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
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


def summary(values):
    """Median, smallest and largest of some values, and how many they are."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
