"""A thousand sandboxes made and removed in a row: the last is as cheap as the first, and nothing of them stays."""

import os
import statistics
from time import perf_counter
from typing import NamedTuple

from benchmark import Benchmark
from measure import Failure
from processes import available_memory, open_files_of_host, processes_of

FIRST, LAST = "the first", "the last"
# What others on the host do meanwhile moves these figures of the whole host; a leak of one in each sandbox passes them.
OPEN_FILES_OF_OTHERS, MEBIBYTES_OF_OTHERS = 100, 64


class Remains(NamedTuple):
    """What there is on the host when a sandbox has been removed."""

    seconds: float  # that it took to make the sandbox and to remove it
    files: int      # files and folders of ours, temporary ones too
    disk_mb: float
    open_files: int
    memory_mib: float


def measure(setting):
    """Compares the first tenth with the last."""
    count, failures, remains = setting.sandboxes_in_a_row, [], []
    processes = len(processes_of(setting.home))
    for _ in range(count):
        try:
            begin = perf_counter()
            setting.remove(setting.create())
            remains.append(Remains(perf_counter() - begin, *_disk_use(setting.work), open_files_of_host(),
                                   available_memory() / 2**20))
        except Failure as failure:
            failures.append(str(failure))
    if not remains:
        raise Failure(failures[0])
    processes = len(processes_of(setting.home)) - processes
    tenth = max(1, len(remains) // 10)
    first, last = remains[:tenth], remains[-tenth:]

    benchmark = Benchmark("thousand-in-a-row", "ms", ours=LAST)
    for who, part in ((LAST, last), (FIRST, first)):
        benchmark.add(who, [each.seconds * 1000 for each in part])

    def growth(field):
        before, after = (statistics.median(getattr(each, field) for each in part) for part in (first, last))
        return after - before

    benchmark.promise(f"of {count} sandboxes failed", len(failures), at_most=0)
    benchmark.promise(f"times the time of the first {tenth} for the last", benchmark.times(FIRST), at_most=1.1)
    benchmark.promise("processes more", processes, at_most=0)
    benchmark.promise("files more", growth("files"), at_most=0)
    benchmark.promise("MB more on the disk", growth("disk_mb"), at_most=1)
    benchmark.promise("open files more on the whole host", growth("open_files"), at_most=OPEN_FILES_OF_OTHERS)
    benchmark.promise("MiB less free on the whole host", -growth("memory_mib"), at_most=MEBIBYTES_OF_OTHERS)
    benchmark.notes += failures[:3]
    yield benchmark


def _disk_use(folder):
    """How many files and folders are below a folder, and the MB they take."""
    count, blocks = 0, 0
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            count += 1
            blocks += os.lstat(os.path.join(path, name)).st_blocks
    return count, blocks * 512 / 1e6
