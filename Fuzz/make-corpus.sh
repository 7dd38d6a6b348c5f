#!/usr/bin/env bash
# Makes the seeds in `Corpus/` anew, with the tools whose output Sandpiper reads: GNU tar, gzip, zstd, Python, skopeo,
# umoci, GCC and QEMU, and with Sandpiper's own writers for its own formats. All are small, so that a fuzzer gets through
# many of them in a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
corpus=$PWD/Corpus package=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$corpus"
mkdir -p "$corpus"/Fuzz{ClientHello,HTTP1,InterceptionMessages,Placeholders} "$corpus"/Fuzz{ClientMessages,Compression,DockerConfiguration,ELF,FileMessages,Frames,ImageArchive,JobLog} \
  "$corpus"/Fuzz{LayerIndex,Manifest,MountRequests,QMP,Reference,RegistryConfiguration,RegistryHeaders,SnapshotArchive,Streams} \
  "$corpus"/Fuzz{SupervisorMessages,Tar,TarListing,TarReader,TarRecord,TreeExtractor,UserDatabase}

python3 "$package/snapshot-archive.py" "$corpus/FuzzSnapshotArchive"
python3 "$package/network-seeds.py" "$corpus"
python3 "$package/packet-seeds.py" "$corpus"

python3 "$package/interception.py" "$corpus"

# One folder in every dialect of GNU tar.
cd "$work"
long=$(printf 'long%.0s' {1..50})
mkdir -p files/directory
echo content > files/file
ln files/file files/directory/hard-link
ln -s ../file files/directory/symbolic-link
touch --date '2020-01-02 03:04:05.123456789 UTC' files/file
setfattr -n user.note -v attribute files/file
pack() { # NAME, tar's options…
  local name=$1; shift
  tar --create --file "$corpus/FuzzTar/$name.tar" --blocking-factor=1 --sort=name --numeric-owner \
    --owner=0 --group=0 "$@"
}
for format in v7 ustar oldgnu gnu posix; do pack "$format" --format=$format --directory files .; done
pack xattrs --format=posix --xattrs --xattrs-include='user.*' --directory files file
pack large-ids --format=gnu --owner=4000000000 --group=3000000000 --directory files file
mkdir sparse
truncate --size 64K sparse/hole
printf data | dd of=sparse/hole bs=1 seek=20000 conv=notrunc status=none
truncate --size 128K sparse/fragments
for ((i = 0; i < 5; i++)); do printf x | dd of=sparse/fragments bs=1 seek=$((i * 16384)) conv=notrunc status=none; done
pack sparse-gnu --format=gnu --sparse --directory sparse hole
pack sparse-gnu-extended --format=gnu --sparse --directory sparse fragments
for version in 0.0 0.1 1.0; do
  pack sparse-$version --format=posix --sparse --sparse-version=$version --directory sparse hole
done
mkdir long
echo deep > "long/$long"
ln -s "$long" "long/link"
for format in gnu posix; do pack long-$format --format=$format --directory long .; done

# What GNU tar does not write: devices without their being there, whiteouts, libarchive's and star's attributes.
CORPUS=$corpus python3 - <<'END'
import io, os, tarfile

def archive(name, *entries):
    with tarfile.open(f"{os.environ['CORPUS']}/FuzzTar/{name}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for path, kind, fields in entries:
            entry = tarfile.TarInfo(path)
            entry.type, data = kind, fields.pop("data", b"")
            entry.size = len(data)
            for field, value in fields.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(data))

archive("devices",
    ("null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}),
    ("block", tarfile.BLKTYPE, {"devmajor": 259, "devminor": 70000}),
    ("fifo", tarfile.FIFOTYPE, {}))
archive("whiteouts",
    ("d", tarfile.DIRTYPE, {}),
    ("d/.wh..wh..opq", tarfile.REGTYPE, {}),
    (".wh.gone", tarfile.REGTYPE, {}),
    ("d/e/new", tarfile.REGTYPE, {"data": b"new"}))
archive("odd-names",
    ("./a//b/../c", tarfile.REGTYPE, {"data": b"1"}),
    ("/absolute", tarfile.SYMTYPE, {"linkname": "/a"}),
    ("absolute/through", tarfile.REGTYPE, {"data": b"2"}),
    ("../../up", tarfile.LNKTYPE, {"linkname": "a/c"}))
archive("attributes",
    ("f", tarfile.REGTYPE, {"data": b"x", "pax_headers": {
        "SCHILY.xattr.security.capability": "v", "LIBARCHIVE.xattr.user.a%20b": "dmFsdWU",
        "SCHILY.xattr.trusted.overlay.opaque": "y", "mtime": "-1.5", "uid": "4000000000"}}))
END
for name in ustar posix gnu long-posix odd-names; do
  cp "$corpus/FuzzTar/$name.tar" "$corpus/FuzzTarListing/"
done
for name in gnu posix odd-names devices xattrs sparse-gnu sparse-1.0; do
  cp "$corpus/FuzzTar/$name.tar" "$corpus/FuzzTarReader/"
  cp "$corpus/FuzzTar/$name.tar" "$corpus/FuzzTreeExtractor/"
done

# Compressed bytes: of several members and frames, with and without names, checksums and sizes.
compressed() { cat > "$corpus/FuzzCompression/$1"; } # NAME, from standard input
tar="$corpus/FuzzTar/ustar.tar"
compressed plain < files/file
gzip --no-name < "$tar" | compressed gzip
gzip --name --stdout files/file | compressed gzip-named
{ gzip --fast < "$tar"; gzip < files/file; gzip < /dev/null; } | compressed gzip-members
head -c 200 /dev/urandom | gzip | compressed gzip-stored
zstd --quiet < "$tar" | compressed zstd
zstd --quiet -19 --no-check < "$tar" | compressed zstd-unchecked
zstd --quiet --stdout "$tar" | compressed zstd-sized
{ printf '\x50\x2a\x4d\x18\x03\0\0\0abc'; zstd --quiet < files/file; zstd --quiet < "$tar"; } | compressed zstd-frames
zstd --quiet --ultra --long=24 < "$tar" | compressed zstd-large-window

# Records of tar archives: runs of bytes of their own and of a data file's.
CORPUS=$corpus python3 - <<'END'
import os, struct

def record(name, *runs):
    length = sum(len(literals) + count for literals, _, count in runs)
    with open(f"{os.environ['CORPUS']}/FuzzTarRecord/{name}", "wb") as file:
        file.write(struct.pack("<q", length))
        for literals, start, count in runs:
            file.write(struct.pack("<Qqq", len(literals), start, count) + literals)

record("empty")
record("literals", (b"header", 0, 0), (b"another", 0, 0))
record("content", (b"", 0, 8192))
record("archive", (b"first header", 0, 700), (bytes(324) + b"second", 4096, 12288), (bytes(1024), 0, 0))
END

# Logs of jobs: records of an older file and a newer one.
CORPUS=$corpus python3 - <<'END'
import os, struct

def file(first, *records):
    return struct.pack("<Q", first) + b"".join(
        struct.pack("<QB3xI", 1_700_000_000_000_000_000 + i, channel, len(text)) + text
        for i, (channel, text) in enumerate(records))

def log(name, older, newer):
    with open(f"{os.environ['CORPUS']}/FuzzJobLog/{name}", "wb") as seed:
        seed.write(struct.pack("<H", len(older)) + older + newer)

log("one-file", b"", file(0, (1, b"hello\n"), (2, b"warning\n"), (3, b"0")))
log("two-files", file(0, (1, b"a"), (1, b"b")), file(2, (1, b"c"), (3, b"137")))
log("missed", file(40, (1, b"late")), file(41))
log("gap", file(0, (1, b"early")), file(9, (2, b"late")))
log("highest", file(2**64 - 1, (1, b"last")), file(9, (2, b"first")))
END

# Documents of images.
umoci init --layout image
umoci new --image image:latest
umoci raw add-layer --image image:latest "$corpus/FuzzTar/ustar.tar"
umoci config --image image:latest --architecture amd64 --os linux --config.user nobody:users --config.env PATH=/bin \
  --config.entrypoint python3 --config.cmd -c --config.cmd 'print(6*7)' --config.volume /data \
  --config.exposedports 80/tcp --config.workingdir /srv --config.stopsignal SIGTERM --config.label key=value
umoci gc --layout image
copy() { # NAME, FOLDER: the documents of a folder in skopeo's `dir` format, or of an OCI layout
  local file
  for file in $(find "$2" -type f -size -16k); do
    if python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$file" 2>/dev/null; then
      cp "$file" "$corpus/FuzzManifest/$1-$(basename "$file" | cut -c 1-12)"
    fi
  done
}
copy umoci image
skopeo copy --quiet --format v2s2 oci:image:latest dir:docker
copy docker docker
skopeo copy --quiet oci:image:latest docker-archive:docker.tar:example.org/team/image:1
mkdir docker-archive
tar --extract --file docker.tar --directory docker-archive
copy docker-archive docker-archive
skopeo copy --quiet oci:image:latest oci-archive:named.tar:example.org/team/image:1
mkdir named
tar --extract --file named.tar --directory named
tar --create --file "$corpus/FuzzTarListing/oci.tar" --blocking-factor=1 --directory named index.json oci-layout
tar --create --file "$corpus/FuzzTarListing/docker.tar" --blocking-factor=1 --directory docker-archive .
copy named named
cat > "$corpus/FuzzManifest/platforms" <<END
{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
$(for platform in '"amd64"' '"arm64", "variant": "v8"' '"arm", "variant": "v7"'; do
  echo '{"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 7, "digest":' \
    "\"sha256:$(echo "$platform" | sha256sum | cut -d ' ' -f 1)\"," \
    "\"platform\": {\"os\": \"linux\", \"architecture\": $platform}},"
done | sed '$ s/,$//')
], "annotations": {"key": "value"}}
END

# Whole archives, one of them with two names, with the layer as it is and compressed by gzip and zstd.
archive() { python3 -B "$package/archive-text.py" "$2" > "$corpus/FuzzImageArchive/$1"; } # NAME, ARCHIVE
archive docker docker.tar
archive oci named.tar
skopeo copy --quiet --additional-tag example.org/team/image:2 oci:image:latest \
  docker-archive:two-names.tar:example.org/team/image:1
archive docker-two-names two-names.tar
skopeo copy --quiet --dest-compress-format zstd oci:image:latest oci-archive:zstd.tar
archive oci-zstd zstd.tar
CORPUS=$corpus python3 - <<'END'
import json, os, re

def write(seed, *parts):
    """Numbers that are references stand in strings, since JSON has no place for them."""
    def text(content):
        if isinstance(content, bytes):
            return content
        return re.sub(r'"(#[0-9])"', r"\1", json.dumps(content)).encode()
    with open(f"{os.environ['CORPUS']}/FuzzImageArchive/{seed}", "wb") as file:
        file.write(b"\xff\xff".join(name.encode() + b"\n" + text(content) for name, content in parts))

def descriptor(kind, part, **more):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:@{part}", "size": f"#{part}"} | more

def index(*entries, kind="manifest.v1+json"):
    return {"schemaVersion": 2, "manifests": [
        descriptor(kind, part, platform={"os": "linux", "architecture": architecture},
                   annotations={"org.opencontainers.image.ref.name": name}) for part, architecture, name in entries]}

def manifest(configuration, *layers):
    return {"schemaVersion": 2, "config": descriptor("config.v1+json", configuration),
            "layers": [descriptor("layer.v1.tar", layer) for layer in layers]}

def configuration(*layers):
    return {"architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:@{layer}" for layer in layers]}}

empty, blob = bytes(1024), "blobs/sha256/@"
write("docker-two-images",
    ("manifest.json", [{"Config": "@1.json", "RepoTags": ["a:1", "b:1"], "Layers": ["x/layer.tar"]},
                       {"Config": "@2.json", "RepoTags": None, "Layers": ["x/layer.tar", "x/layer.tar"]}]),
    ("@1.json", configuration(3)), ("@2.json", configuration(3, 3)), ("x/layer.tar", empty))
write("oci-nested-index",
    ("index.json", index((1, "amd64", "app:1"), kind="index.v1+json")),
    (blob + "1", index((2, "arm64", "x"), (3, "amd64", "y"))), (blob + "2", {}),
    (blob + "3", manifest(4, 5)), (blob + "4", configuration(5)), (blob + "5", empty))
write("oci-two-images",
    ("index.json", index((1, "amd64", "app:1"), (2, "amd64", "app:2"))),
    (blob + "1", manifest(3, 5)), (blob + "2", manifest(4, 5, 5)),
    (blob + "3", configuration(5)), (blob + "4", configuration(5, 5)), (blob + "5", empty))
END

i=0
while read -r reference; do
  printf %s "$reference" > "$corpus/FuzzReference/$((++i))"
done <<END
python
python:3.13-slim
library/python
docker.io/library/python:latest
index.docker.io/team/image
localhost/image
localhost:5000/a/b:1
[::1]:5000/a/b__c.d---e:Tag_1.2-3
ghcr.io/team/image@sha256:$(sha256sum < /dev/null | cut -d ' ' -f 1)
image:tag@sha512:$(sha512sum < /dev/null | cut -d ' ' -f 1)
sha256:$(sha256sum < /dev/null | cut -d ' ' -f 1)
Registry/image
END

# What is written in the files that name registries and their credentials.
document() { printf '%s\xff%s' "$3" "$4" > "$corpus/$1/$2"; } # FUZZER, NAME, looked up, content
password=$(printf 'user:pass:word' | base64)
document FuzzDockerConfiguration hub docker.io/library/python \
  '{"auths": {"https://index.docker.io/v1/": {"auth": "'"$password"'"}}}'
document FuzzDockerConfiguration repository ghcr.io/team/image \
  '{"auths": {"ghcr.io": {"username": "a", "password": "b"}, "ghcr.io/team": {"identitytoken": "t"}}}'
document FuzzDockerConfiguration helpers localhost:5000/image \
  '{"auths": {"localhost:5000": {}}, "credHelpers": {"localhost:5000": "pass"}, "credsStore": "secretservice"}'
document FuzzDockerConfiguration token quay.io/a/b/c '{"auths": {"http://quay.io/v2": {"registrytoken": "t"}}}'
document FuzzDockerConfiguration invalid quay.io '{"auths": {"quay.io": {"auth": "bm9ib2R5"}}, "HttpHeaders": {}}'
document FuzzRegistryConfiguration mirrors docker.io '{"registries": {"docker.io": {"mirrors":
  ["https://mirror.example", "http://[::1]:5000/v2/"], "caCertificate": "/etc/ca.pem", "insecure": false}}}'
document FuzzRegistryConfiguration insecure localhost:5000 '{"registries": {"localhost:5000": {"insecure": true}}}'
document FuzzRegistryConfiguration unknown a '{"registries": {"a": {"mirror": "b"}}}'

# Header fields of registries' answers.
i=0
while read -r -d ';' field; do
  printf %s "$field" > "$corpus/FuzzRegistryHeaders/$((++i))"
done <<'END'
Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/python:pull";
Basic realm="a \"quoted\" realm", charset=UTF-8, Bearer realm=https://a, error="invalid_token";
Negotiate, NTLM TlRMTVNTUAAB==, Digest qop = auth , nonce=x;
https://registry.example:5000/v2/a/blobs/uploads/1?_state=x%20y#z
../other?digest=sha256:0
//cdn.example/b
?c;
http://[::1]:80/v2/
/v2/a/b;
120;
Sun, 06 Nov 1994 08:49:37 GMT
Fri, 31 Dec 9999 23:59:60 GMT;
END

# The files of this system, looked through for a few users.
groups=$'audio:x:29:nobody,games\nusers:x:100:games\n'
for user in '' nobody 65534 nobody:users 1000:1000 games :audio nobody:; do
  { printf '%s\xff' "$user"; head -n 18 /etc/passwd; printf '\xff%s' "$groups"; } \
    > "$corpus/FuzzUserDatabase/user-${user/:/-}"
done

# Programs, linked with libraries, with none at all and as a library.
program() { # NAME, options of the compiler…
  local name=$1; shift
  echo 'int main(void) { return 0; }' | gcc -x c -Os -s -nostartfiles -fno-asynchronous-unwind-tables \
    -Wl,--entry=main,--build-id=none,--no-as-needed,-z,noseparate-code,-z,norelro -o "$corpus/FuzzELF/$name" - "$@"
}
program linked -lm -lpthread
program static -static -nostdlib
program library -shared -lm

# What QEMU says, with an error and the events of a machine's life.
qmp() { # NAME, commands…
  local name=$1; shift
  printf '%s\n' '{"execute": "qmp_capabilities", "id": 1}' "$@" '{"execute": "quit", "id": 99}' |
    timeout 60 qemu-system-x86_64 -machine none -nodefaults -display none -qmp stdio > "$corpus/FuzzQMP/$name"
}
qmp quit
qmp events '{"execute": "stop", "id": 2}' '{"execute": "cont", "id": 3}' '{"execute": "query-status", "id": 4}'
qmp errors '{"execute": "nothing", "id": 2}' '{"execute": "device_del", "arguments": {"id": "x"}, "id": 3}' '}'

# What a guest's kernel asks of a served directory; see the fuzzer for how requests are written down.
CORPUS=$corpus python3 - <<'END'
import os
from struct import pack

def write(seed, *requests):
    with open(f"{os.environ['CORPUS']}/FuzzMountRequests/{seed}", "wb") as file:
        file.write(b"\0" + b"".join(bytes([operation, node, len(body)]) + body for operation, node, body in requests))

def name(text):
    return text.encode() + b"\0"

def transfer(handle, offset, size):
    return pack("<QQIIQII", handle, offset, size, 0, 0, 0, 0)

attributes = lambda valid, size=0, mode=0, user=0: pack("<IIQQQqqqIIIIIIII", valid, 0, 1, size, 0, 1, 2, 3, 4, 5, 6, mode, 0, user, 0, 0)
write("names", (1, 1, name("file")), (1, 1, name("dir")), (1, 3, name("file")), (5, 4, b""), (3, 2, bytes(16)),
      (13, 3, pack("<Q", 2) + name("linked")), (12, 1, pack("<Q", 3) + name("file") + name("moved")),
      (45, 1, pack("<QII", 3, 2, 0) + name("link") + name("moved")), (10, 3, name("linked")), (11, 1, name("dir")))
write("content", (1, 1, name("file")), (14, 2, pack("<II", 2, 0)), (15, 2, transfer(1, 0, 4096)),
      (16, 2, transfer(1, 3, 5) + b"bytes"), (20, 2, pack("<QII", 1, 0, 0)), (43, 2, pack("<QQQII", 1, 0, 8192, 0, 0)),
      (46, 2, pack("<QQII", 1, 0, 3, 0)), (47, 2, pack("<QQQQQQQ", 1, 0, 2, 1, 100, 7, 0)), (18, 2, pack("<QIIQ", 1, 0, 0, 0)))
write("made", (35, 1, pack("<IIII", 0x242, 0o644, 0o22, 0) + name("new")), (9, 1, pack("<II", 0o755, 0o22) + name("folder")),
      (6, 3, name("symbolic") + name("../../out/file")), (8, 3, pack("<IIII", 0o10644, 0, 0o22, 0) + name("fifo")),
      (4, 2, attributes(0b1111001, size=10, mode=0o600)), (4, 4, attributes(0b110000)))
write("lists", (27, 1, bytes(8)), (44, 1, transfer(1, 0, 4096)), (28, 1, transfer(1, 0, 100)), (28, 1, transfer(1, 2, 100)),
      (30, 1, pack("<QII", 1, 0, 0)), (29, 1, pack("<QIIQ", 1, 0, 0, 0)), (42, 0, pack("<IIQQQQ", 2, 0, 2, 1, 3, 1)), (2, 4, pack("<Q", 9)))
write("attributes", (1, 1, name("file")), (21, 2, pack("<II", 5, 0) + name("user.a") + b"value"), (22, 2, pack("<II", 0, 0) + name("user.a")),
      (22, 2, pack("<II", 100, 0) + name("user.a")), (23, 2, pack("<II", 100, 0)), (24, 2, name("user.a")), (17, 1, b""))
# States: the magic number, bytes written, versions, root, next numbers, one node that is cached, one open file.
link = lambda parent, text: pack("<QB", parent, len(text)) + text.encode()
node = lambda id, kind, *links: pack("<QIBQQqIQB", id, kind, 3, 0, 7, 8, 9, 1, len(links)) + b"".join(links)
def state(seed, *nodes, handles=b"", count=0):
    with open(f"{os.environ['CORPUS']}/FuzzMountRequests/{seed}", "wb") as file:
        file.write(b"\1SPMOUNT1" + pack("<BIQQqIIQQI", 1, 38, 0, 2, 3, 4, 0o40000, 9, 9, len(nodes)) + b"".join(nodes)
                   + pack("<I", count) + handles + pack("<II", 0, 0))
state("state-empty")
state("state", node(2, 0o40000, link(1, "dir")), node(3, 0o100000, link(2, "file"), link(1, "file")),
      handles=pack("<QQB", 1, 3, 2) + pack("<QQB", 2, 2, 0), count=2)
END

swift run --package-path "$package" --scratch-path "$package/../.build-fuzz/seeds" MakeSeeds "$corpus"
