"""S7: import of an OCI layout with gzip layers, in MB of layer tar per second."""

from benchmark import OURS, Benchmark
from measure import in_turn


def measure(setting):
    """Gives the same layout to `sandpiper load` and to `umoci unpack`."""
    image = setting.images.base
    contenders = {OURS: lambda: setting.load_seconds(image.layout, "base"),
                  "umoci unpack": lambda: setting.unpack_seconds(image.layout)}
    benchmark = Benchmark("import-gzip", "MB/s", larger_is_better=True)
    for who, times in in_turn(contenders, setting.import_runs, image.layout).items():
        benchmark.add(who, [image.megabytes / taken for taken in times])
    benchmark.promise("times the speed of umoci unpack", benchmark.ratio("umoci unpack"), at_least=3)
    yield benchmark
