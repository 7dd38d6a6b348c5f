#!/usr/bin/env python3
"""Measures what SPECIFICATION.md promises, each beside a named peer in the same run, and prints a table of ratios."""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from docker_engine import DOCKER, DockerEngine
from measure import Failure, interleaved, summary, throughput

OURS = "sandpiper"


class Benchmark:
    """One promise: our figure and its peers', in one unit; `larger_is_better` tells speeds from times."""

    def __init__(self, name, unit, larger_is_better=False):
        self.name, self.unit, self.larger_is_better = name, unit, larger_is_better
        self.figures = {}
        self.notes = []

    def add(self, who, values):
        """Takes the values of one contender."""
        self.figures[who] = summary(values)

    def ratio(self, peer):
        """How many times better than the peer we are; less than 1 is worse."""
        ours, theirs = self.figures[OURS]["median"], self.figures[peer]["median"]
        return ours / theirs if self.larger_is_better else theirs / ours

    def rows(self):
        """Rows of the table: contender, median, range, ratio."""
        for who, figure in self.figures.items():
            ratio = "" if who == OURS or OURS not in self.figures else f"{self.ratio(who):.2f} x"
            yield (self.name, who, f"{figure['median']:.2f} {self.unit}", f"{figure['min']:.2f}–{figure['max']:.2f}",
                   str(figure["runs"]), ratio)

    def as_json(self):
        """The figures and the ratios."""
        ratios = {who: self.ratio(who) for who in self.figures if who != OURS} if OURS in self.figures else {}
        return {"unit": self.unit, "larger_is_better": self.larger_is_better, "figures": self.figures,
                "ratios": ratios, "notes": self.notes}


class Bench:
    """Everything that is measured, in the order of the specification."""

    def __init__(self, arguments, home):
        self.sandpiper = os.path.join(os.path.abspath(arguments.executables), "sandpiper")
        self.busybox = os.path.join(arguments.images, "busybox.tar")
        self.runs = arguments.runs
        self.environment = dict(os.environ, SANDPIPER_HOME=home)

    def run(self, *arguments):
        """Our command line for a sandbox."""
        return [self.sandpiper, "run", *arguments]

    def prepare(self):
        """Loads the image, and pays for what is paid once per boot of the host."""
        for command in ([self.sandpiper, "load", self.busybox], self.run("busybox", "--", "true")):
            subprocess.run(command, env=self.environment, check=True, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)

    def cli_start(self, _docker):
        """S1: the command line starts."""
        benchmark = Benchmark("cli-start", "ms")
        commands = {OURS: [self.sandpiper, "--version"], "python3 -c pass": ["python3", "-c", "pass"]}
        if os.access(DOCKER, os.X_OK):
            commands["docker --version"] = [DOCKER, "--version"]
        for who, samples in interleaved(commands, 10 * self.runs, 5, self.environment).items():
            benchmark.add(who, [taken * 1000 for taken, _ in samples])
        yield benchmark

    def boot(self, docker):
        """S2 and S3: cold boot to the agent, by the sandbox's own account, and to the end of a first process."""
        to_agent, to_process = Benchmark("boot-to-agent", "ms"), Benchmark("boot-to-process", "ms")
        commands = {OURS: self.run("--timings", "busybox", "--", "true")}
        if docker is not None:
            commands["docker run"] = docker.command("run", "--rm", "--network=none", "busybox", "true")
        samples = interleaved(commands, self.runs, 1, self.environment)
        for who, measured in samples.items():
            to_process.add(who, [taken * 1000 for taken, _ in measured])
        ready = [re.search(r"([\d.]+) ms  agent ready", stderr) for _, stderr in samples[OURS]]
        if all(ready):
            to_agent.add(OURS, [float(match.group(1)) for match in ready])
        else:
            to_agent.notes.append("`run --timings` does not say when the agent was ready")
        yield to_agent
        yield to_process

    def stdout(self, docker):
        """S4: standard output, beside a pipe inside the guest and beside docker's."""
        megabytes = 256
        flood = f"dd if=/dev/zero bs=65536 count={megabytes * 16} 2>/dev/null"
        benchmark = Benchmark("stdout", "MB/s", larger_is_better=True)
        contenders = {OURS: self.run("busybox", "--", "sh", "-c", flood)}
        if docker is not None:
            contenders["docker run"] = docker.command("run", "--rm", "--network=none", "busybox", "sh", "-c", flood)
        values = {who: [] for who in contenders}
        inside = []
        for _ in range(self.runs):
            for who, command in contenders.items():
                values[who].append(throughput(command, self.environment) / 1e6)
            inside.append(self._pipe_inside(megabytes))
        for who, figures in values.items():
            benchmark.add(who, figures)
        benchmark.add("dd | cat in the guest", inside)
        yield benchmark

    def _pipe_inside(self, megabytes):
        """MB/s of `dd | cat` in a sandbox, by the sandbox's own clock."""
        pipe = f"dd if=/dev/zero bs=65536 count={megabytes * 16} 2>/dev/null | cat >/dev/null"
        command = self.run("busybox", "--", "time", "-f", "elapsed %e", "sh", "-c", pipe)
        process = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True)
        match = re.search(rb"elapsed ([\d.]+)", process.stderr)
        if process.returncode != 0 or match is None:
            raise Failure(f"{' '.join(command)}: {process.stderr.decode(errors='replace').strip()}")
        return megabytes * 2**20 / 1e6 / float(match.group(1))


def print_table(rows):
    """Prints rows of text in columns."""
    rows = [("benchmark", "who", "median", "range", "runs", "sandpiper is better by"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def machine(sandpiper, environment):
    """What the figures depend on."""
    def version(*command):
        try:
            return subprocess.run(command, env=environment, capture_output=True, text=True).stdout.split("\n")[0]
        except OSError:
            return None
    with open("/proc/meminfo") as memory:
        kilobytes = int(memory.readline().split()[1])
    return {"cpus": os.cpu_count(), "memory_gib": round(kilobytes / 2**20, 1), "kernel": platform.release(),
            "sandpiper": version(sandpiper, "--version"), "qemu": version("qemu-system-x86_64", "--version"),
            "docker": version(DOCKER, "--version")}


def main():
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executables", required=True, help="folder that holds `sandpiper`")
    parser.add_argument("--images", required=True, help="folder that holds `busybox.tar`")
    parser.add_argument("--json", required=True, help="file to write the figures to")
    parser.add_argument("--runs", type=int, default=10, help="runs of each contender (default 10)")
    parser.add_argument("--only", action="append", choices=["cli_start", "boot", "stdout"], help="measure only this")
    arguments = parser.parse_args()

    home = tempfile.mkdtemp(prefix="sandpiper-bench.")
    benchmarks, failed = [], False
    try:
        bench = Bench(arguments, home)
        bench.prepare()
        engine = DockerEngine(bench.busybox)
        with engine as docker:
            if docker is None:
                print(f"not compared with docker: {engine.reason}", file=sys.stderr)
            for name in arguments.only or ["cli_start", "boot", "stdout"]:
                print(f"measuring {name} …", file=sys.stderr)
                try:
                    benchmarks += getattr(bench, name)(docker)
                except Failure as failure:
                    print(f"{name}: {failure}", file=sys.stderr)
                    failed = True
        about = machine(bench.sandpiper, bench.environment)
    finally:
        shutil.rmtree(home, ignore_errors=True)

    print_table([row for benchmark in benchmarks for row in benchmark.rows()])
    for benchmark in benchmarks:
        for note in benchmark.notes:
            print(f"{benchmark.name}: {note}")
    with open(arguments.json, "w") as file:
        json.dump({"machine": about, "benchmarks": {b.name: b.as_json() for b in benchmarks}}, file, indent=2)
        file.write("\n")
    print(f"written to {arguments.json}")
    return 1 if failed or any(benchmark.notes for benchmark in benchmarks) else 0


if __name__ == "__main__":
    sys.exit(main())
