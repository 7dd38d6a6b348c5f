"""S10: of a second image with the same large base, only the new layers cost."""

from benchmark import Benchmark
from measure import seconds, settle


def measure(setting):
    """Loads an image and then, into the same store, one that has a small layer above it."""
    first, second = setting.images.base.layout, setting.images.child.layout
    times = {"second": [], "first": []}
    for _ in range(setting.import_runs):
        settle(first, second)
        with setting.fresh_folder() as home:
            times["first"].append(seconds(setting.load(first, "base"), setting.at_home(home))[0])
            times["second"].append(seconds(setting.load(second, "child"), setting.at_home(home))[0])
    benchmark = Benchmark("import-shared-base", "s", ours="second image")
    benchmark.add("second image", times["second"])
    benchmark.add("first image", times["first"])
    benchmark.promise("of the first image's time", 1 / benchmark.ratio("first image"), at_most=0.10)
    yield benchmark
