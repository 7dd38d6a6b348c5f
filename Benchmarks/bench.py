#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises, each beside a named peer in the same run, and prints a table of ratios.

The exit status is 1 when a measurement failed, or when a promise is broken that does not depend on the machine: a ratio
or an amount of memory. The absolute times and speeds of the specification are those of its reference machine.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import boot
import cli_start
import copy_files
import create_start
import exec_start
import fork
import idle
import import_docker
import import_gzip
import import_memory
import import_shared_base
import mounts
import network
import pause
import pull
import run_start
import start_by_size
import stdout
import thousand_in_a_row
import twenty_at_once
from docker_engine import DAEMON, DOCKER, DockerEngine
from measure import Failure
from setting import Setting

# In the order of the specification.
MODULES = [cli_start, boot, run_start, create_start, exec_start, twenty_at_once, fork, pause, idle,
           stdout, copy_files, mounts, network, thousand_in_a_row, import_gzip, import_docker, import_memory,
           import_shared_base, start_by_size, pull]
BENCHMARKS = {module.__name__: module.measure for module in MODULES}
# Runs of each contender and warm-ups before them, megabytes of the largest image, sandboxes in a row.
COMPLETE, QUICK = (20, 3, 2000, 1000), (3, 1, 100, 30)


def print_table(rows):
    """Prints rows of text in columns."""
    rows = [("benchmark", "who", "median", "range", "runs", "better by"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def machine(setting):
    """What the figures depend on."""
    def version(*command):
        try:
            process = subprocess.run(command, env=setting.environment, capture_output=True, text=True)
            return process.stdout.split("\n")[0]
        except OSError:
            return None
    with open("/proc/meminfo") as memory:
        kilobytes = int(memory.readline().split()[1])
    return {"cpus": os.cpu_count(), "memory_gib": round(kilobytes / 2**20, 1), "kernel": platform.release(),
            "sandpiper": version(setting.sandpiper, "--version"), "qemu": version("qemu-system-x86_64", "--version"),
            "docker": version(DOCKER, "--version"), "dockerd": version(DAEMON, "--version"),
            "umoci": version("umoci", "--version"),
            "skopeo": version("skopeo", "--version"), "megabytes": setting.megabytes}


def measure(setting, names):
    """The benchmarks of these names, and whether all of them could be measured."""
    benchmarks, complete = [], True
    setting.prepare()
    engine = DockerEngine(setting.busybox)
    with engine as setting.docker:
        if setting.docker is None:
            print(f"not compared with docker: {engine.reason}", file=sys.stderr)
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            begin = time.monotonic()
            try:
                benchmarks += BENCHMARKS[name](setting)
            except (Failure, OSError, subprocess.CalledProcessError) as failure:
                print(f"{name}: {failure}", file=sys.stderr)
                complete = False
            print(f"  {time.monotonic() - begin:.0f} s", file=sys.stderr)
    return benchmarks, complete


def end(number, _frame):
    """Ends with everything cleaned up, which a second signal does not disturb."""
    ignore_signals()
    print("cleaning up …", file=sys.stderr)
    raise SystemExit(128 + number)


def ignore_signals():
    """Lets nothing disturb what follows."""
    handle_signals(signal.SIG_IGN)


def handle_signals(handler):
    """Sets what happens on each signal by which a user ends a program."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handler)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executables", required=True, help="folder that holds `sandpiper`")
    parser.add_argument("--images", required=True,
                        help="folder that holds `busybox.tar`, `python.tar` and `network.tar`")
    parser.add_argument("--json", required=True, help="file to write the figures to")
    parser.add_argument("--quick", action="store_true",
                        help="little of everything, to try the benchmarks: {} runs after {} warm-up, an image of {} "
                        "MB, {} sandboxes in a row; the figures mean little".format(*QUICK))
    runs, warm_ups, megabytes, sandboxes = COMPLETE
    parser.add_argument("--runs", type=int, help=f"runs of each contender (default {runs}; of those that take long, at "
                        f"most 5 or 3), after {warm_ups} that do not count")
    parser.add_argument("--megabytes", type=int,
                        help=f"size of the largest image, uncompressed (default {megabytes})")
    parser.add_argument("--sandboxes", type=int, help=f"sandboxes in a row (default {sandboxes})")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME",
                        help=f"measure only this: {', '.join(BENCHMARKS)}")
    arguments = parser.parse_args()
    runs, arguments.warm_ups, megabytes, sandboxes = QUICK if arguments.quick else COMPLETE
    arguments.runs = arguments.runs or runs
    arguments.megabytes = arguments.megabytes or megabytes
    arguments.sandboxes = arguments.sandboxes or sandboxes
    return arguments


def main():
    """Measures, prints, writes."""
    arguments = parse_arguments()
    work = tempfile.mkdtemp(prefix="sandpiper-bench.")
    handle_signals(end)
    setting = Setting(arguments, work)
    try:
        about = machine(setting)
        print("\n".join(f"{what}: {value}" for what, value in about.items()))
        benchmarks, complete = measure(setting, arguments.only or BENCHMARKS)
    finally:
        ignore_signals()
        setting.clean_up()
        shutil.rmtree(work, ignore_errors=True)

    print_table([row for benchmark in benchmarks for row in benchmark.rows()])
    for benchmark in benchmarks:
        for promise in benchmark.promises:
            print(f"{'PASS' if promise.is_kept else 'FAIL'}  {benchmark.name}: {promise}")
        for note in benchmark.notes:
            print(f"      {benchmark.name}: {note}")
    with open(arguments.json, "w") as file:
        json.dump({"machine": about, "benchmarks": {b.name: b.as_json() for b in benchmarks}}, file, indent=2)
        file.write("\n")
    print(f"written to {arguments.json}")
    return 0 if complete and all(benchmark.is_fine for benchmark in benchmarks) else 1


if __name__ == "__main__":
    sys.exit(main())
