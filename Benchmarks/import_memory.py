"""S9: the memory that an import takes, however large the image."""

from benchmark import OURS, Benchmark
from measure import peak_memory, settle


def measure(setting):
    """Loads the largest image once: the peak hardly varies."""
    layout = setting.images.large.layout
    benchmark = Benchmark("import-memory", "MB")
    settle(layout)
    with setting.fresh_folder() as home:
        ours = peak_memory(setting.load(layout, "large"), setting.at_home(home)) / 1e6
    with setting.fresh_folder() as folder:
        theirs = peak_memory(setting.unpack(layout, f"{folder}/bundle")) / 1e6
    benchmark.add(OURS, [ours])
    benchmark.add("umoci unpack", [theirs])
    benchmark.promise("MB at the peak", ours, at_most=200)
    yield benchmark
