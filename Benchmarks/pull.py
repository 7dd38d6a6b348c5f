"""S12: an image from a registry, ready to run."""

import subprocess

from benchmark import OURS, Benchmark
from large_images import copy
from measure import in_turn, seconds
from registry import Registry


def measure(setting):
    """Pulls an image, beside those who fetch and unpack it otherwise."""
    layout, docker = setting.images.base.layout, setting.docker
    with setting.fresh_folder() as storage, Registry(storage) as address:
        name = f"{address}/bench/base:latest"
        copy(f"oci:{layout}:latest", f"docker://{name}", storage, "--dest-tls-verify=false")

        def sandpiper_pull():
            with setting.fresh_folder() as home:
                return seconds([setting.sandpiper, "pull", "--quiet", name], setting.at_home(home))[0]

        def skopeo_and_umoci():
            with setting.fresh_folder() as folder:
                command = ["skopeo", "--tmpdir", folder, "copy", "--quiet", "--src-tls-verify=false",
                           f"docker://{name}", f"oci:{folder}/layout:latest"]
                return seconds(command)[0] + seconds(setting.unpack(f"{folder}/layout", f"{folder}/bundle"))[0]

        def docker_pull():
            taken, _ = seconds(docker.command("pull", "--quiet", name))
            subprocess.run(docker.command("rmi", name), check=True, stdout=subprocess.DEVNULL)
            return taken

        contenders = {OURS: sandpiper_pull, "skopeo copy, umoci unpack": skopeo_and_umoci}
        if docker is not None:
            contenders["docker pull"] = docker_pull
        samples = in_turn(contenders, setting.import_runs, storage)
    benchmark = Benchmark("pull", "s")
    for who, times in samples.items():
        benchmark.add(who, times)
    for peer in list(contenders)[1:]:
        benchmark.promise(f"times as fast as {peer}", benchmark.ratio(peer), at_least=1)
    yield benchmark
