#!/usr/bin/env python3
"""Writes archives of snapshots with digests of zeros, as FuzzSnapshotArchive reads them, into the folder named."""
import json, struct, subprocess, sys

ZERO, END = bytes(32), struct.pack("<QII", 2**64 - 1, 0, 0)
MIB = 1 << 20

def block(offset, content):
    stored = subprocess.run(["zstd", "-q", "-c"], input=content, stdout=subprocess.PIPE, check=True).stdout
    return struct.pack("<QII", offset, len(content), len(stored)) + stored

def archive(manifest, *files):
    text = json.dumps(manifest).encode()
    parts = [b"SPSNAP\r\n", struct.pack("<II", 1, len(text)), text, ZERO]
    parts += [b"".join(blocks) + END + ZERO for blocks in files]
    return b"".join(parts) + b"SPSNEND\n" + ZERO

def file(name, size, most):
    return {"name": name, "size": size, "most": most}

sandbox = {
    "id": "a" * 20, "name": "box", "labels": {"a": "b"}, "image": "busybox", "imageDigest": "sha256:" + "0" * 64,
    "limits": {"cpus": 1, "memory": 512 * MIB, "disk": 8 << 30, "processes": 0}, "requireKVM": False, "kernel": "",
    "initramfs": "", "created": 1, "defaults": {"environment": ["A=b"], "workingDirectory": "/", "user": ""},
    "removesItself": False, "endsWithClient": False, "restart": {"never": {}}, "scratch": [],
    "mounts": [{"type": "tmpfs", "target": "/m", "readOnly": False, "size": 8192, "mode": 511}]}
snapshot = {"id": "b" * 20, "name": "first", "created": 1, "sandbox": sandbox, "hasMemory": False, "pause": 1}
machine = {
    "cpus": 1, "memory": 512 * MIB, "diskIsFresh": True, "created": 1, "layout": 3, "accelerator": "emulated",
    "processor": "max", "engineChecksum": 1, "counterKilohertz": 2000000}
manifest = {"snapshot": snapshot, "imageNames": ["busybox"], "imageDisk": "sha256:" + "1" * 64}
disk = [block(0, b"x" * 4096), block(131072, b"y" * 4096 + bytes(4096) + b"z" * 4096)]
folder = sys.argv[1]
with open(f"{folder}/disk", "wb") as out:
    out.write(archive(manifest | {"files": [file("disk", 8 << 40, 16384)]}, disk))
whole = manifest | {"machine": machine, "snapshot": snapshot | {"hasMemory": True}, "files": [
    file("session", 14, 14), file("state", 5000, 5000), file("memory", 512 * MIB, 16384), file("disk", 8 << 40, 16384),
    file("jobs/1/job.json", 2, 2), file("jobs/1/log", 8, 8)]}
with open(f"{folder}/machine", "wb") as out:
    out.write(archive(
        whole, [block(0, b'{"streams":[]}')], [block(0, b"s" * 5000)], disk, disk, [block(0, b"{}")], [block(0, b"\1" * 8)]))
