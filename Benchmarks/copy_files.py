"""Files into a sandbox and out of it: a large one, and many small ones."""

import contextlib
import filecmp
import os
import random
import shutil

from benchmark import OURS, Benchmark
from measure import Failure, alternating, output, seconds

FOLDERS = 100
PLACE = "/copied"  # where copies lie in the guest


def measure(setting):
    """Copies both ways and compares what came back; docker does the same."""
    mebibytes, files = (16, 1000) if setting.is_quick else (256, 10_000)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(setting.fresh_folder())
        sources = {f"{mebibytes}-mib": _large_file(f"{folder}/large", mebibytes),
                   f"{files}-files": _small_files(f"{folder}/small", files)}
        sandbox = stack.enter_context(setting.sandbox())
        copiers = {OURS: ([setting.sandpiper, "cp"], sandbox, setting.exec(sandbox))}
        if (docker := setting.docker) is not None:
            container = stack.enter_context(docker.container())
            copiers["docker cp"] = (docker.command("cp"), container, docker.command("exec", container))
        for what, source in sources.items():
            contenders = {who: _there_and_back(setting, source, f"{folder}/back", *copier)
                          for who, copier in copiers.items()}
            samples = alternating(contenders, min(setting.runs, 3), warm_ups=1)
            for way, direction in enumerate(("in", "out")):
                benchmark = Benchmark(f"cp-{direction}-{what}", "s")
                for who, times in samples.items():
                    benchmark.add(who, [taken[way] for taken in times])
                yield benchmark


def _there_and_back(setting, source, back, copy, machine, inside):
    """A function that copies `source` into a machine and out again, and returns the seconds of both ways."""
    def once():
        taken_in, _ = seconds([*copy, source, f"{machine}:{PLACE}"], setting.environment)
        try:
            taken_out, _ = seconds([*copy, f"{machine}:{PLACE}", back], setting.environment)
            if not _is_same(source, back):
                raise Failure(f"{' '.join(copy)}: what came back from {machine} is not what went in")
        finally:
            output([*inside, "rm", "-rf", PLACE], setting.environment)
            if os.path.isdir(back):
                shutil.rmtree(back)
            elif os.path.exists(back):
                os.remove(back)
        return taken_in, taken_out
    return once


def _is_same(one, other):
    """Whether two files, or the files of two trees, have the same names and contents."""
    if not os.path.isdir(one):
        return filecmp.cmp(one, other, shallow=False)
    names = _names(one)
    return names == _names(other) and filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def _names(tree):
    return sorted(os.path.relpath(os.path.join(folder, name), tree)
                  for folder, _, names in os.walk(tree) for name in names)


def _large_file(path, mebibytes):
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    return path


def _small_files(path, count):
    """A tree of files of up to 4 KiB, the same each time."""
    sizes = random.Random(1)
    for number in range(count):
        folder = f"{path}/{number % FOLDERS}"
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/{number}", "wb") as file:
            file.write(os.urandom(sizes.randrange(4096)))
    return path
