#!/usr/bin/env bash
# Debian with Python and a C compiler (a small one: tcc), one layer, as `python:latest`: the image of the demo. Written to
# the folder $1 as
#   python.tar  (docker archive), python.tar.gz, python.tar.zst, and python.oci.tar (OCI layout archive)
set -euo pipefail
out=$1
mmdebstrap --quiet --variant=minbase --include=python3,python-is-python3,bubblewrap,tcc,libc6-dev \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
  bookworm rootfs.tar

umoci init --layout layout
umoci new --image layout:latest
umoci raw add-layer --image layout:latest rootfs.tar
umoci config --image layout:latest --architecture amd64 --os linux --config.cmd python3 \
  --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --config.env LANG=C.UTF-8
umoci gc --layout layout

skopeo copy --quiet oci:layout:latest "docker-archive:$out/python.tar:python:latest"
skopeo copy --quiet oci:layout:latest "oci-archive:$out/python.oci.tar:latest"
gzip -1 --keep "$out/python.tar"
zstd --quiet -1 "$out/python.tar"
