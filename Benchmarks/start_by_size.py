"""S11: a sandbox of a large image starts as fast as one of a small image."""

from benchmark import Benchmark
from measure import interleaved, seconds


def measure(setting):
    """Runs `true` in sandboxes of both images, in turn."""
    images = {f"{image.megabytes:.0f} MB image": image for image in (setting.images.large, setting.images.small)}
    large, small = images
    with setting.fresh_folder() as home:
        environment = setting.at_home(home)
        for name, image in (("large", images[large]), ("small", images[small])):
            seconds(setting.load(image.layout, name), environment)
        commands = {large: setting.run("large", "--", "/bin/true"), small: setting.run("small", "--", "/bin/true")}
        samples = interleaved(commands, setting.runs, setting.warm_ups, environment)
    benchmark = Benchmark("start-by-size", "ms", ours=large)
    for who, measured in samples.items():
        benchmark.add(who, [taken * 1000 for taken, _ in measured])
    benchmark.promise(f"times the time of the {small}", 1 / benchmark.ratio(small), at_most=1.10)
    yield benchmark
