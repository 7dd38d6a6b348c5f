"""Images that a registry may serve: odd ones that are right, and ones no registry should have.

Each kind is a function from a whole image of one manifest and from the options of the command line.
"""

import gzip
import io
import json
import subprocess
import tarfile

from image_source import CONFIGURATION, INDEX, LAYER, MANIFEST, Image, digest_of, encode

DOCKER = "application/vnd.docker."


def _tar(name, content):
    """A tar archive of one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _remade(image, change_manifest=None, change_configuration=None, media_type=MANIFEST):
    """The image with a changed manifest or configuration, all digests right."""
    result = Image()
    result.blobs = dict(image.blobs)
    manifest = image.manifest
    if change_configuration:
        configuration = image.configuration
        configuration = change_configuration(configuration) or configuration
        if not isinstance(configuration, bytes):
            configuration = encode(configuration)
        manifest["config"] = result.blob(manifest["config"]["mediaType"], configuration)
    if change_manifest:
        manifest = change_manifest(manifest) or manifest
    result.document(media_type, manifest)
    return result


# Right, if odd.

def whole(image, _):
    """The image as it is."""
    return image


def mixed_layers(image, _):
    """On top of the image: a plain, a gzip and a zstd layer of one file each, and empty ones of each form."""
    result = Image()
    result.blobs = dict(image.blobs)
    manifest, configuration = image.manifest, image.configuration
    forms = {"": lambda content: content, "+gzip": lambda content: gzip.compress(content, mtime=0),
             "+zstd": lambda content: subprocess.run(["zstd", "-qc"], input=content, check=True,
                                                     capture_output=True).stdout}
    for form, compress in forms.items():
        name = form.removeprefix("+") or "plain"
        for content in (_tar(f"mixed/{name}", f"{name}\n".encode()), bytes(1024)):
            manifest["layers"].append(result.blob(LAYER + form, compress(content)))
            configuration["rootfs"]["diff_ids"].append(digest_of(content))
    configuration["history"] = [{"created_by": "something that made no layer", "empty_layer": True}]
    manifest["config"] = result.blob(CONFIGURATION, encode(configuration))
    result.document(MANIFEST, manifest)
    return result


def docker_types(image, _):
    """With the media types of Docker's "Image Manifest Version 2, Schema 2"."""
    def change(manifest):
        manifest["mediaType"] = DOCKER + "distribution.manifest.v2+json"
        manifest["config"]["mediaType"] = DOCKER + "container.image.v1+json"
        for layer in manifest["layers"]:
            layer["mediaType"] = DOCKER + "image.rootfs.diff.tar.gzip"
    return _remade(image, change, media_type=DOCKER + "distribution.manifest.v2+json")


def sha512(image, _):
    """With configuration and layers named by SHA-512."""
    result = Image()
    manifest = image.manifest
    for descriptor in [manifest["config"], *manifest["layers"]]:
        descriptor.update(result.blob(descriptor["mediaType"], image.blobs[descriptor["digest"]], "sha512"))
    result.document(MANIFEST, manifest)
    return result


def nested(image, options):
    """Below as many indexes in one another as --count says."""
    result = _remade(image)
    platform = {"os": image.configuration["os"], "architecture": image.configuration["architecture"]}
    descriptor = result.document(MANIFEST, image.documents[image.top][1], platform=platform)
    for _ in range(options.count or 2):
        descriptor = result.document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]})
    return result


def platforms(image, _):
    """In an index with an attestation, with an image for another machine, and with one whose blobs are not there."""
    result = _remade(image)
    own = image.configuration["architecture"]
    manifest = image.documents[image.top][1]
    def other(configuration):
        configuration["architecture"] = "s390x"
    foreign = _remade(image, change_configuration=other)
    result.blobs.update(foreign.blobs)
    entries = [
        result.document(MANIFEST, foreign.documents[foreign.top][1],
                        platform={"os": "linux", "architecture": "s390x"}),
        {"mediaType": MANIFEST, "digest": digest_of(b"nowhere"), "size": 7,
         "platform": {"os": "windows", "architecture": own}},
        _attestation(result),
        result.document(MANIFEST, manifest, platform={"os": "linux", "architecture": own})]
    result.document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    return result


# No images that could run here.

def _attestation(image):
    statement = image.blob("application/vnd.in-toto+json", encode({"_type": "https://in-toto.io/Statement/v0.1"}))
    configuration = image.blob(CONFIGURATION, encode({"os": "unknown", "architecture": "unknown", "config": {},
                                                      "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}}))
    return image.document(
        MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [statement]},
        platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest"})


def attestation_only(_image, _):
    """An index of an attestation and nothing else."""
    result = Image()
    result.document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [_attestation(result)]})
    return result


def other_platform(image, _):
    """An index of an image for another machine."""
    def other(configuration):
        configuration["architecture"] = "s390x"
    result = _remade(image, change_configuration=other)
    entry = result.document(MANIFEST, result.documents[result.top][1],
                            platform={"os": "linux", "architecture": "s390x"})
    result.document(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    return result


def helm(_image, _):
    """A chart of Helm."""
    result = Image()
    result.document(MANIFEST, {
        "schemaVersion": 2,
        "config": result.blob("application/vnd.cncf.helm.config.v1+json", encode({"name": "chart"})),
        "layers": [result.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                               gzip.compress(_tar("chart/Chart.yaml", b"name: chart\n")))]})
    return result


def artifact(_image, _):
    """An artifact of the OCI specification 1.1, with an empty configuration."""
    result = Image()
    empty = result.blob("application/vnd.oci.empty.v1+json", b"{}")
    result.document(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "text/x-nothing",
                               "config": empty, "layers": [empty]})
    return result


def schema1(_image, _):
    """A manifest as registries had it before 2016."""
    result = Image()
    result.document(DOCKER + "distribution.manifest.v1+prettyjws", {
        "schemaVersion": 1, "name": "old", "tag": "1", "architecture": "amd64",
        "fsLayers": [{"blobSum": digest_of(b"")}], "history": [{"v1Compatibility": "{}"}], "signatures": []})
    return result


def _with_layer_type(image, media_type, **extra):
    def change(manifest):
        manifest["layers"][0].update(mediaType=media_type, **extra)
    return _remade(image, change)


def foreign_layer(image, _):
    """A layer that lies somewhere else, as those of Windows do."""
    return _with_layer_type(image, DOCKER + "image.rootfs.foreign.diff.tar.gzip", urls=["http://127.0.0.1:1/layer"])


def encrypted_layer(image, _):
    """A layer that nobody here can decrypt."""
    return _with_layer_type(image, LAYER + "+gzip+encrypted")


def unknown_layer(image, _):
    """A layer of a media type that nobody knows."""
    return _with_layer_type(image, "application/vnd.example.squashfs")


def no_layers(image, _):
    """An image without layers."""
    def change(manifest):
        manifest["layers"] = []
    def empty(configuration):
        configuration["rootfs"]["diff_ids"] = []
    return _remade(image, change, empty)


# Documents that want too much.

def big_manifest(image, options):
    """A manifest of --bytes bytes, 100 MB if it is not said."""
    def change(manifest):
        manifest["annotations"] = {"x": "y" * (options.bytes or 100_000_000)}
    return _remade(image, change)


def big_configuration(image, options):
    """A configuration of --bytes bytes, 100 MB if it is not said."""
    def change(configuration):
        configuration["comment"] = "y" * (options.bytes or 100_000_000)
    return _remade(image, change_configuration=change)


def _deep(value, options):
    levels = options.count or 1_000_000
    return encode(value)[:-1] + b',"deep":' + b"[" * levels + b"]" * levels + b"}"


def deep_manifest(image, options):
    """A manifest with --count levels of brackets, a million if it is not said."""
    return _remade(image, lambda manifest: _deep(manifest, options))


def deep_configuration(image, options):
    """A configuration with --count levels of brackets, a million if it is not said."""
    return _remade(image, change_configuration=lambda configuration: _deep(configuration, options))


def many_layers(image, options):
    """An image of --count layers, 100,000 if it is not said; they are all one."""
    count = options.count or 100_000
    def change(manifest):
        manifest["layers"] = manifest["layers"][:1] * count
    def repeat(configuration):
        configuration["rootfs"]["diff_ids"] = configuration["rootfs"]["diff_ids"][:1] * count
    return _remade(image, change, repeat)


def wide_index(_image, options):
    """An index of --count images, 100,000 if it is not said, none of which runs here."""
    entry = {"mediaType": MANIFEST, "digest": digest_of(b"nowhere"), "size": 7,
             "platform": {"os": "plan9", "architecture": "mips"}}
    result = Image()
    result.document(INDEX, {"schemaVersion": 2, "manifests": [entry] * (options.count or 100_000)})
    return result


def gzip_bomb(image, options):
    """A layer of a few MB that becomes --bytes bytes of zeros in one file, 10 GB if it is not said."""
    size = (options.bytes or 10_000_000_000) // (10 << 20) * (10 << 20)
    header = tarfile.TarInfo("zeros")
    header.size = size
    # Members of gzip in a row are one stream (RFC 1952, section 2.2), so that making it costs little.
    head = header.tobuf(tarfile.GNU_FORMAT)
    bomb = gzip.compress(head) + gzip.compress(bytes(10 << 20)) * (size // (10 << 20)) + gzip.compress(bytes(1024))
    result = Image()
    result.blobs = dict(image.blobs)
    manifest, configuration = image.manifest, image.configuration
    manifest["layers"].append(result.blob(LAYER + "+gzip", bomb))
    configuration["rootfs"]["diff_ids"].append(digest_of(b"nobody will get that far"))
    manifest["config"] = result.blob(CONFIGURATION, encode(configuration))
    result.document(MANIFEST, manifest)
    return result


# Contents that are not what they are said to be.

def _first_layer(image):
    return image.manifest["layers"][0]["digest"]


def _with_blob(image, digest, content):
    result = _remade(image)
    result.blobs[digest] = content
    return result


def _with_size(image, size):
    def change(manifest):
        manifest["layers"][0]["size"] = size
    return _remade(image, change)


def wrong_blob(image, _):
    """The first layer has a wrong byte, and the right length."""
    digest = _first_layer(image)
    content = bytearray(image.blobs[digest])
    content[len(content) // 2] ^= 1
    return _with_blob(image, digest, bytes(content))


def wrong_configuration(image, _):
    """The configuration has the right length, but is another."""
    digest = image.manifest["config"]["digest"]
    return _with_blob(image, digest, image.blobs[digest].replace(b"amd64", b"arm64").replace(b'"sh"', b'"id"'))


def short_blob(image, _):
    """The first layer is shorter than the manifest says."""
    digest = _first_layer(image)
    return _with_blob(image, digest, image.blobs[digest][:-1000])


def long_blob(image, _):
    """The first layer is longer than the manifest says."""
    digest = _first_layer(image)
    return _with_blob(image, digest, image.blobs[digest] + bytes(1000))


def missing_blob(image, _):
    """The first layer is not there."""
    result = _remade(image)
    del result.blobs[_first_layer(image)]
    return result


def wrong_diff_id(image, _):
    """The first layer is not what the configuration says."""
    def change(configuration):
        configuration["rootfs"]["diff_ids"][0] = digest_of(b"something else")
    return _remade(image, change_configuration=change)


def more_diff_ids(image, _):
    """The configuration names more layers than the manifest has."""
    def change(configuration):
        configuration["rootfs"]["diff_ids"] *= 2
    return _remade(image, change_configuration=change)


def negative_size(image, _):
    """A layer of a negative size."""
    return _with_size(image, -1)


def huge_size(image, _):
    """A layer of 8 EiB."""
    return _with_size(image, 2**63 - 1)


def overflowing_size(image, _):
    """A layer whose size no 64 bits hold."""
    return _with_size(image, 2**64 + 1)


def path_as_digest(image, _):
    """A layer whose digest is a path."""
    def change(manifest):
        manifest["layers"][0]["digest"] = "sha256:../../../../../../../../etc/passwd"
    return _remade(image, change)


def not_json(_image, _):
    """A manifest that is a page for people."""
    result = Image()
    result.document(MANIFEST, b"<html>please log in</html>")
    return result


def truncated_manifest(image, _):
    """A manifest that ends in the middle."""
    result = Image()
    result.document(MANIFEST, json.dumps(image.manifest).encode()[:-20])
    return result


KINDS = {function.__name__.replace("_", "-"): function for function in (
    whole, mixed_layers, docker_types, sha512, nested, platforms, attestation_only, other_platform, helm, artifact,
    schema1, foreign_layer, encrypted_layer, unknown_layer, no_layers, big_manifest, big_configuration, deep_manifest,
    deep_configuration, many_layers, wide_index, gzip_bomb, wrong_blob, wrong_configuration, short_blob, long_blob,
    missing_blob, wrong_diff_id, more_diff_ids, negative_size, huge_size, overflowing_size, path_as_digest, not_json,
    truncated_manifest)}
