#!/usr/bin/env bash
# An image whose layers speak every dialect of tar that GNU tar and Python write, put together with umoci's `raw
# add-layer`, `repack` and `insert`: old and new long names, base-256 numbers, the four ways to write a sparse file,
# sub-second times, 32-bit ids, opaque directories, devices, and entries that overlayfs would take for commands.
# Written to the folder $1 as
#   dialects.oci.tar (OCI layout archive `dialects`) and dialects.tar (docker archive): what `umoci unpack` can unpack
#   gnu-sparse.oci.tar, gnu-sparse.tree.tar: sparse files in GNU's old format, which umoci refuses; and what they hold
#   overlay-words.oci.tar: entries that mean something to overlayfs, and must not
set -euo pipefail
out=$1
as_root=(--numeric-owner --owner=0 --group=0)
rootless=(); [ "$(id -u)" = 0 ] || rootless=(--rootless)

umoci init --layout layout
umoci new --image layout:latest

# The first layer is made by umoci itself, out of a folder.
umoci unpack "${rootless[@]}" --image layout:latest bundle
mkdir -p bundle/rootfs/{bin,repacked/inner}
cp /bin/busybox bundle/rootfs/bin/busybox
ln -s busybox bundle/rootfs/bin/sh
echo 'by repack' > bundle/rootfs/repacked/inner/file
echo 'to be hidden' > bundle/rootfs/repacked/hidden
umoci repack --image layout:latest bundle

# One folder of files, written by GNU tar in each of its formats as dialect/FORMAT.
long=$(printf 'long%.0s' {1..60})                        # 240 bytes
mkdir -p files/directory "files/$long/$long/$long/$long"
echo contents > files/file
ln files/file files/directory/hard-link
ln -s file files/symbolic-link
ln -s "$long/$long/$long/$long" files/long-link
echo deep > "files/$long/$long/$long/$long/file"
touch --date '2020-01-02 03:04:05.123456789 UTC' files/file
echo 'before 1970' > files/early
touch --date '1969-12-31 23:59:58 UTC' files/early
truncate --size 3M files/sparse                          # data, hole, data, hole
printf start | dd of=files/sparse conv=notrunc status=none
printf middle | dd of=files/sparse bs=1 seek=1000003 conv=notrunc status=none
truncate --size 1M files/all-hole
for ((i = 0; i < 64; i++)); do                           # more fragments than the four that a header holds
  printf x | dd of=files/fragments bs=1 seek=$((i * 16384)) conv=notrunc status=none
done
setfattr -n user.note -v 'an attribute' files/file
add() { # FORMAT, tar's options…: the folder becomes dialect/FORMAT
  local format=$1; shift
  tar --create --file "$format.tar" "$@" --sort=name --transform "s,^\.,dialect/$format,rSh" --directory files .
  umoci raw add-layer --image layout:latest "$format.tar"
}
add gnu --format=gnu --numeric-owner --owner=4000000000 --group=3000000000
add oldgnu --format=oldgnu "${as_root[@]}"
add pax-0.0 --format=posix --sparse --sparse-version=0.0 "${as_root[@]}"
add pax-0.1 --format=posix --sparse --sparse-version=0.1 "${as_root[@]}"
add pax-1.0 --format=posix --sparse --sparse-version=1.0 --xattrs --xattrs-include='user.*' --numeric-owner \
  --owner=4000000000 --group=3000000000
tar --create --file gnu-sparse.tar --format=gnu --sparse --sort=name "${as_root[@]}" --directory files \
  file sparse all-hole fragments
tar --create --file gnu-sparse.tree.tar --format=posix --sort=name "${as_root[@]}" --directory files \
  file sparse all-hole fragments
rm -r "files/$long" files/long-link files/early          # more than the oldest formats can say
prefix=$(printf 'prefix%.0s' {1..15})                    # 90 bytes
mkdir -p "files/$prefix"
echo split > "files/$prefix/$prefix"                     # in two fields of the ustar header
add ustar --format=ustar "${as_root[@]}"
rm -r "files/$prefix"
add v7 --format=v7 "${as_root[@]}"

# What no tool writes on purpose.
python3 - <<'END'
import io, tarfile

def layer(name, entries):
    with tarfile.open(name, "w", format=tarfile.PAX_FORMAT) as archive:
        for path, kind, fields in entries:
            entry = tarfile.TarInfo(path)
            entry.type, entry.mtime, data = kind, 1_000_000_000, fields.pop("data", b"")
            entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
            entry.size = len(data)
            for field, value in fields.items():
                setattr(entry, field, value)
            archive.addfile(entry, io.BytesIO(data))

layer("odd-1.tar", [
    ("odd", tarfile.DIRTYPE, {}),
    ("odd/opaque", tarfile.DIRTYPE, {}),
    ("odd/opaque/below", tarfile.REGTYPE, {"data": b"below"}),
    ("odd/opaque/deep", tarfile.DIRTYPE, {}),
    ("odd/opaque/deep/below", tarfile.REGTYPE, {"data": b"below"}),
    ("odd/linked", tarfile.REGTYPE, {"data": b"survives its first name"}),
    ("odd/linked-too", tarfile.LNKTYPE, {"linkname": "odd/linked"}),
    ("odd/null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3, "mode": 0o666}),
    ("odd/block", tarfile.BLKTYPE, {"devmajor": 259, "devminor": 70000}),
    ("odd/fifo", tarfile.FIFOTYPE, {}),
    ("odd/no/parent/entry/file", tarfile.REGTYPE, {"data": b"its directories are implied"}),
    ("odd/twice", tarfile.REGTYPE, {"data": b"first"}),
    ("odd/twice", tarfile.REGTYPE, {"data": b"the last one counts"}),
    ("./odd//slashes/../slashes", tarfile.REGTYPE, {"data": b"cleaned"}),
    ("/odd/absolute", tarfile.REGTYPE, {"data": b"relative to the root"}),
    ("odd/sticky", tarfile.DIRTYPE, {"mode": 0o1777}),
    ("odd/setgid", tarfile.DIRTYPE, {"mode": 0o2775, "gid": 2000}),
    ("odd/empty", tarfile.REGTYPE, {}),
    ("odd/page", tarfile.REGTYPE, {"data": b"p" * 4096}),
    ("odd/page-and-one", tarfile.REGTYPE, {"data": b"p" * 4097}),
    ("odd/\u00fcn\u00efc\u00f6de \u2603", tarfile.REGTYPE, {"data": b"names are bytes"}),
])
layer("odd-2.tar", [
    ("odd/opaque/new", tarfile.REGTYPE, {"data": b"new, and before its marker"}),
    ("odd/opaque/.wh..wh..opq", tarfile.REGTYPE, {}),
    ("odd/.wh.linked", tarfile.REGTYPE, {}),
    ("odd/.wh.was-never-there", tarfile.REGTYPE, {}),
    ("odd/no/parent", tarfile.REGTYPE, {"data": b"a file where a directory was"}),
    ("odd/twice", tarfile.DIRTYPE, {}),
    ("odd/twice/inside", tarfile.REGTYPE, {"data": b"a directory where a file was"}),
])
layer("overlay-words.tar", [
    ("bin", tarfile.DIRTYPE, {}),
    ("bin/busybox", tarfile.REGTYPE, {"data": open("/bin/busybox", "rb").read(), "mode": 0o755}),
    ("bin/sh", tarfile.SYMTYPE, {"linkname": "busybox"}),
    ("words", tarfile.DIRTYPE, {"pax_headers": {"SCHILY.xattr.trusted.overlay.opaque": "y"}}),
    ("words/redirect", tarfile.DIRTYPE, {"pax_headers": {"SCHILY.xattr.trusted.overlay.redirect": "/etc"}}),
    ("words/whiteout", tarfile.CHRTYPE, {"devmajor": 0, "devminor": 0}),
    ("words/metacopy", tarfile.REGTYPE, {"data": b"data", "pax_headers": {"SCHILY.xattr.trusted.overlay.metacopy": ""}}),
])
END
umoci raw add-layer --image layout:latest odd-1.tar
umoci raw add-layer --image layout:latest odd-2.tar

mkdir -p inserted
echo inserted > inserted/file
umoci insert "${rootless[@]}" --image layout:latest inserted /inserted
umoci insert "${rootless[@]}" --image layout:latest --opaque inserted /repacked/inner
umoci insert "${rootless[@]}" --image layout:latest --whiteout /repacked/hidden

settings=(--architecture amd64 --os linux --config.env PATH=/bin --config.cmd sh)
umoci config --image layout:latest "${settings[@]}"
umoci gc --layout layout
skopeo copy --quiet oci:layout:latest "oci-archive:$out/dialects.oci.tar:dialects"
skopeo copy --quiet oci:layout:latest "docker-archive:$out/dialects.tar:dialects:latest"

one_layer() { # NAME: NAME.tar becomes an image of its own
  umoci init --layout "$1"
  umoci new --image "$1:latest"
  umoci raw add-layer --image "$1:latest" "$1.tar"
  umoci config --image "$1:latest" "${settings[@]}"
  umoci gc --layout "$1"
  skopeo copy --quiet "oci:$1:latest" "oci-archive:$out/$1.oci.tar:$1"
}
one_layer overlay-words
one_layer gnu-sparse
mv gnu-sparse.tree.tar "$out/"
