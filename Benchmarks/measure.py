"""Measures commands: how long they take, how fast bytes come out of them, how much memory they need."""

import functools
import os
import statistics
import subprocess
import sys
import tempfile
import time


# How much of an output passes between two looks at what the programs it passes through need.
WATCH_BYTES = 8 << 20


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


def output(command, environment=None):
    """What `command` wrote to its standard output, without the white space around it."""
    # What the command leaves running may keep its standard error open: a file has its end nevertheless.
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=stderr)
        if process.returncode != 0:
            stderr.seek(0)
            _fail(command, process, stderr.read())
    return process.stdout.decode(errors="replace").strip()


def seconds_to_first_byte(command, environment=None):
    """The wall time from the start of `command` to the first byte of its standard output; returns when it has ended."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        first = os.read(process.stdout.fileno(), 1)
        taken = time.perf_counter() - begin
        _, stderr = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        _fail(command, process, stderr)
    if not first:
        raise Failure(f"{' '.join(command)}: no output")
    return taken


def alternating(contenders, runs, warm_ups):
    """Calls each of the named functions `runs` times, in turn, so that a slow moment of the machine hits all alike.

    Returns, for each name, the list of what its function returned, without that of the warm-ups.
    """
    samples = {name: [] for name in contenders}
    for run in range(warm_ups + runs):
        for name, once in contenders.items():
            sample = once()
            if run >= warm_ups:
                samples[name].append(sample)
    return samples


def interleaved(commands, runs, warm_ups=1, environment=None):
    """Runs each of the named commands `runs` times, in turn; for each name, the list of (seconds, standard error)."""
    contenders = {name: functools.partial(seconds, command, environment) for name, command in commands.items()}
    return alternating(contenders, runs, warm_ups)


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


def throughput(command, environment=None, watch=None):
    """The bytes per second that `command` writes to its standard output, from its first byte to its last.

    `watch` is called with the process's id now and then while bytes come, every `WATCH_BYTES` of them.
    """
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    try:
        first, total, next_watch = None, 0, WATCH_BYTES
        while chunk := os.read(process.stdout.fileno(), 1 << 20):
            if first is None:
                first = time.perf_counter()
            else:
                total += len(chunk)
            if watch is not None and total >= next_watch:
                watch(process.pid)
                next_watch += WATCH_BYTES
        last = time.perf_counter()
        stderr = process.stderr.read()
        process.stdout.close()
        process.stderr.close()
        process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        _fail(command, process, stderr)
    if not total:
        raise Failure(f"{' '.join(command)}: too little output to measure")
    return total / (last - first)


# The kernel counts what a process was before it became a command, so that a command is charged at least with what
# started it. This is as small as a starter can be here, 10 MB; and its command does not outlive it.
_STARTER = """
import os, sys
silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
command = ["setpriv", "--pdeathsig", "KILL", *sys.argv[1:]]
_, status, usage = os.wait4(os.posix_spawnp(command[0], command, os.environ, file_actions=silent), 0)
print(usage.ru_maxrss)
sys.exit(min(abs(os.waitstatus_to_exitcode(status)), 255))
"""


def peak_memory(command, environment=None):
    """The largest amount of memory (bytes) that `command` had resident."""
    process = subprocess.run([sys.executable, "-I", "-S", "-c", _STARTER, *command], env=environment,
                             stdin=subprocess.DEVNULL, capture_output=True)
    if process.returncode != 0:
        _fail(command, process, process.stderr)
    return int(process.stdout) * 1024


def summary(values):
    """Median, smallest and largest of some values, and how many they are."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}
