"""An image as a registry keeps it: documents and blobs by their digests."""

import hashlib
import json
import os
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIGURATION = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(content, algorithm="sha256"):
    """The digest of bytes, as descriptors have it."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def encode(value):
    """JSON as bytes."""
    return json.dumps(value, separators=(",", ":")).encode()


class Image:
    """What a registry serves: for every tag `top`, and what hangs from it."""

    def __init__(self):
        self.top = None                 # digest of what a tag stands for
        self.documents = {}             # digest: (media type, bytes) of manifests and indexes
        self.blobs = {}                 # digest: bytes

    def descriptor(self, media_type, content, algorithm="sha256", **extra):
        """A descriptor of bytes."""
        return {"mediaType": media_type, "digest": digest_of(content, algorithm), "size": len(content), **extra}

    def blob(self, media_type, content, algorithm="sha256", **extra):
        """Keeps a blob; returns its descriptor."""
        descriptor = self.descriptor(media_type, content, algorithm, **extra)
        self.blobs[descriptor["digest"]] = content
        return descriptor

    def document(self, media_type, content, **extra):
        """Keeps a manifest or an index, which is now what tags stand for; returns its descriptor."""
        if not isinstance(content, bytes):
            content = encode(content)
        descriptor = self.descriptor(media_type, content, **extra)
        self.top = descriptor["digest"]
        self.documents[self.top] = (media_type, content)
        return descriptor

    @property
    def manifest(self):
        """What tags stand for, decoded."""
        return json.loads(self.documents[self.top][1])

    @property
    def configuration(self):
        """The configuration of the image that tags stand for, decoded."""
        return json.loads(self.blobs[self.manifest["config"]["digest"]])


def read_image(path):
    """The first image of an OCI layout, a folder or a tar archive."""
    files = {}
    if os.path.isdir(path):
        for folder, _, names in os.walk(path):
            for name in names:
                file = os.path.join(folder, name)
                with open(file, "rb") as opened:
                    files[os.path.relpath(file, path)] = opened.read()
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile():
                    files[os.path.normpath(member.name)] = archive.extractfile(member).read()
    image = Image()
    for name, content in files.items():
        if name.startswith("blobs/"):
            _, algorithm, value = name.split("/")
            image.blobs[f"{algorithm}:{value}"] = content
    first = json.loads(files["index.json"])["manifests"][0]
    image.document(first["mediaType"], image.blobs.pop(first["digest"]))
    return image
