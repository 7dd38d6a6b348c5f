"""Large images of real files, taken from this host's own /usr by a rule, as OCI layouts with gzip layers."""

import concurrent.futures
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import threading
import zlib
from typing import NamedTuple

from measure import Failure

ROOT = "/usr"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# The layers in sixteenths of the whole: those of the base image, then what the large image has above it.
BASE_PARTS, LARGE_PARTS = (4, 3, 1), (4, 4)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Layer(NamedTuple):
    """A blob, and the layer tar inside."""

    digest: str
    size: int
    diff_id: str
    tar_bytes: int


class Image(NamedTuple):
    """A layout of its own, whose one image is `latest`; `megabytes` (10^6) are those of its layer tars."""

    layout: str
    megabytes: float


@functools.cache
def _with_ancestors(directory):
    return () if directory == "/" else (*_with_ancestors(os.path.dirname(directory)), directory)


def _files(largest):
    """Paths and sizes of files: directory by directory, in an order that looks random but is the same each time.

    So each layer has neighbours that belong together, and is a sample of everything a system holds.
    """
    directories = [directory for directory, _, _ in os.walk(ROOT)]
    directories.sort(key=lambda directory: hashlib.sha256(os.fsencode(directory)).digest())
    for directory in directories:
        with os.scandir(directory) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                size = entry.stat(follow_symlinks=False).st_size
                is_file = entry.is_file(follow_symlinks=False) and size <= largest and os.access(entry.path, os.R_OK)
                if is_file or entry.is_symlink():
                    yield entry.path, size


class LargeImages:
    """The images `small` (2 MB), `base`, `child` (base and a small layer) and `large` (base and two more layers).

    All hold a static busybox; the layers they share are the same files. `large` has about `total_bytes`, `base` half of
    that.
    """

    def __init__(self, folder, total_bytes):
        os.makedirs(folder)
        free = shutil.disk_usage(folder).free
        if free < 4 * total_bytes:
            raise Failure(f"{folder}: {4 * total_bytes / 1e9:.1f} GB of free space are needed, and there are "
                          f"{free / 1e9:.1f}; name another folder with TMPDIR, or make the images smaller")
        self._folder = folder
        self._given_up = threading.Event()
        sizes = [total_bytes * part // 16 for part in BASE_PARTS + LARGE_PARTS] + [total_bytes // 128]
        commands = [self._tar_of_busybox(), *self._tars(sizes, largest=total_bytes // 32)]
        busybox, *others = self._make_layers(commands)
        base, above, child = others[:len(BASE_PARTS)], others[len(BASE_PARTS):-1], others[-1:]
        self.small = self._make_image("small", [busybox])
        self.base = self._make_image("base", [busybox, *base])
        self.child = self._make_image("child", [busybox, *base, *child])
        self.large = self._make_image("large", [busybox, *base, *above])

    @functools.cached_property
    def base_docker_archive(self):
        """The base image as `docker save` writes it: its layers uncompressed."""
        archive = f"{self._folder}/base.docker.tar"
        copy("oci:" + self.base.layout + ":latest", f"docker-archive:{archive}:bench/base:latest", self._folder)
        return archive

    def _tar_of_busybox(self):
        tree = f"{self._folder}/busybox"
        os.makedirs(f"{tree}/bin")
        shutil.copy("/bin/busybox", f"{tree}/bin/busybox")
        for applet in ("sh", "true"):
            os.symlink("busybox", f"{tree}/bin/{applet}")
        return ["tar", "--create", "--format=gnu", "--owner=0", "--group=0", "--directory", tree, "."]

    def _tars(self, sizes, largest):
        """The command lines that write layers of the given sizes (bytes)."""
        files = _files(largest)
        for number, wanted in enumerate(sizes):
            names, size = {}, 0
            for path, file_size in files:
                names.update(dict.fromkeys((*_with_ancestors(os.path.dirname(path)), path)))
                size += file_size
                if size >= wanted:
                    break
            else:
                raise Failure(f"{ROOT} of this host does not hold {sum(sizes) / 1e6:.0f} MB of files; measure with "
                              "smaller images (--megabytes)")
            listing = f"{self._folder}/files-{number}"
            with open(listing, "wb") as file:
                file.write(b"".join(os.fsencode(name).lstrip(b"/") + b"\0" for name in names))
            yield ["tar", "--create", "--format=gnu", "--numeric-owner", "--directory=/", "--no-recursion", "--null",
                   f"--files-from={listing}"]

    def _make_layers(self, commands):
        """Compresses as many layers at a time as there are processors."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                return list(pool.map(self._make_layer, commands, range(len(commands))))
            except BaseException:
                self._given_up.set()
                raise

    def _make_layer(self, command, number):
        """Writes the blob layer-`number`, as `gzip -6` would."""
        path = f"{self._folder}/layer-{number}"
        diff, digest, compressor = hashlib.sha256(), hashlib.sha256(), zlib.compressobj(6, wbits=31)
        tar_bytes = 0

        def write(piece):
            digest.update(piece)
            blob.write(piece)

        with open(path, "wb") as blob, subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            while chunk := tar.stdout.read(1 << 20):
                if self._given_up.is_set():
                    raise Failure("given up")
                tar_bytes += len(chunk)
                diff.update(chunk)
                write(compressor.compress(chunk))
            write(compressor.flush())
        if tar.returncode != 0:
            raise Failure(f"{' '.join(command)}: status {tar.returncode}")
        layer = Layer(digest.hexdigest(), os.path.getsize(path), diff.hexdigest(), tar_bytes)
        os.rename(path, f"{self._folder}/{layer.digest}")
        return layer

    def _make_image(self, name, layers):
        """Writes a layout that holds one image of these layers."""
        layout = f"{self._folder}/{name}"
        blobs = f"{layout}/blobs/sha256"
        os.makedirs(blobs)
        for layer in layers:
            os.link(f"{self._folder}/{layer.digest}", f"{blobs}/{layer.digest}")

        def blob(kind, content):
            data = json.dumps(content).encode()
            digest = hashlib.sha256(data).hexdigest()
            with open(f"{blobs}/{digest}", "wb") as file:
                file.write(data)
            return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", "digest": f"sha256:{digest}",
                    "size": len(data)}

        config = blob("config", {
            "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]}})
        manifest = blob("manifest", {"schemaVersion": 2, "config": config, "layers": [
            {"mediaType": LAYER, "digest": f"sha256:{layer.digest}", "size": layer.size} for layer in layers]})
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        for path, content in (("oci-layout", {"imageLayoutVersion": "1.0.0"}),
                              ("index.json", {"schemaVersion": 2, "manifests": [manifest]})):
            with open(f"{layout}/{path}", "w") as file:
                json.dump(content, file)
        return Image(layout, sum(layer.tar_bytes for layer in layers) / 1e6)


def copy(source, destination, temporary_folder, *options):
    """Copies an image with skopeo."""
    command = ["skopeo", "--tmpdir", temporary_folder, "copy", "--quiet", *options, source, destination]
    process = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if process.returncode != 0:
        raise Failure(f"{' '.join(command)}: {process.stderr.decode(errors='replace').strip()}")
