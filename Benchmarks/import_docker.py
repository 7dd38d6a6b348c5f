"""S8: import of a docker archive, whose layers are not compressed, in MB of layer tar per second."""

import subprocess

from benchmark import OURS, Benchmark
from measure import in_turn, seconds


def measure(setting):
    """Gives the same archive to `sandpiper load` and to `docker load`."""
    image, archive, docker = setting.images.base, setting.images.base_docker_archive, setting.docker
    contenders = {OURS: lambda: setting.load_seconds(archive, "base")}

    def docker_load():
        taken, _ = seconds(docker.command("load", "-i", archive))
        subprocess.run(docker.command("rmi", "bench/base"), check=True, stdout=subprocess.DEVNULL)
        return taken

    if docker is not None:
        contenders["docker load"] = docker_load
    benchmark = Benchmark("import-docker", "MB/s", larger_is_better=True)
    for who, times in in_turn(contenders, setting.import_runs, archive).items():
        benchmark.add(who, [image.megabytes / taken for taken in times])
    if docker is not None:
        benchmark.promise("times the speed of docker load", benchmark.ratio("docker load"), at_least=3)
    yield benchmark
