#!/usr/bin/env python3
"""Writes an archive of images as the text that FuzzImageArchive reads: `archive-text.py ARCHIVE > TEXT`.

Digests and sizes that are those of another file in the archive become references to it (see ArchiveText.swift).
"""
import hashlib
import re
import sys
import tarfile


def rank(name, content):
    """Files that name others come before them."""
    if name in ("index.json", "manifest.json"):
        return 0
    for place, mark in enumerate((b'"manifests"', b'"config"', b'"rootfs"'), 1):
        if content.startswith(b"{") and mark in content:
            return place + (place == 2 and b'"rootfs"' in content)
    return 4


with tarfile.open(sys.argv[1]) as archive:
    files = {}
    for member in archive:
        file = archive.extractfile(member) if member.isfile() else None
        # What readers of images do not look at would only make the seed longer.
        if file and member.name not in ("oci-layout", "repositories") and "VERSION" not in member.name:
            files[member.name] = file.read()

parts = sorted(files.items(), key=lambda part: rank(*part))
assert len(parts) <= 10, "ArchiveText has no room for more"
texts = []
for number, (name, content) in enumerate(parts):
    for other, (other_name, other_content) in enumerate(parts):
        digest, size = hashlib.sha256(other_content).hexdigest().encode(), len(other_content)
        name = name.replace(digest.decode(), f"@{other}")
        if other <= number or not content.startswith((b"{", b"[")):
            continue
        hashed = rb'"digest":\s*"sha256:%s"' % digest
        content = re.sub(rb'("size":\s*)%d(\s*,\s*%s)' % (size, hashed), rb"\1#%d\2" % other, content)
        content = re.sub(rb'(%s\s*,\s*"size":\s*)%d\b' % (hashed, size), rb"\1#%d" % other, content)
        content = content.replace(digest, b"@%d" % other)
    texts.append(name.encode() + b"\n" + content)
sys.stdout.buffer.write(b"\xff\xff".join(texts))
