#!/usr/bin/env bash
# Debian with what real programs use a network by, as `network:latest`: clients of HTTP, TLS, DNS, SSH-less git, packages
# of Debian and of Python, WebSockets; tools that measure; servers. Written to the folder $1 as network.tar (docker
# archive).
set -euo pipefail
out=$1
mmdebstrap --quiet --variant=minbase \
  --include=ca-certificates,curl,openssl,python3,python3-requests,python3-websockets,python3-pip,bind9-dnsutils,git \
  --include=iperf3,wrk,socat,netcat-openbsd,iputils-ping,iproute2,nginx-light \
  --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin' \
  bookworm rootfs.tar

umoci init --layout layout
umoci new --image layout:latest
umoci raw add-layer --image layout:latest rootfs.tar
umoci config --image layout:latest --architecture amd64 --os linux --config.cmd bash \
  --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --config.env LANG=C.UTF-8
umoci gc --layout layout
skopeo copy --quiet oci:layout:latest "docker-archive:$out/network.tar:network:latest"
