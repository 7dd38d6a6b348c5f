#!/usr/bin/env bash
# Installs the Debian packages that the named purposes need, and says first which. Silent when all are there. This is
# the only step that needs root (through sudo when not root).
#
#   packages.sh PURPOSE…      build (executables and guest kernel), images (demo), test, kvm, bench
#   packages.sh --list PURPOSE…
set -euo pipefail

of_purpose() {
  case $1 in
    build) echo qemu-system-x86 e2fsprogs libisal-dev libzstd-dev \
      linux-source-6.12 gcc make bc bison flex libelf-dev cpio patch xz-utils ;;
    images) echo mmdebstrap fakechroot fakeroot uidmap umoci skopeo zstd ;;
    test) of_purpose images
      # From bind9-dnsutils on: the servers of the tests' little internet, and what they are asked with.
      echo apache2-utils attr buildah busybox-static curl docker-registry erofs-utils git jq libarchive-tools libcap2-bin openssl \
        passwd procps python3 util-linux \
        apt-utils bind9-dnsutils fcgiwrap iperf3 iproute2 knot microsocks nghttp2-client nghttp2-server nginx-light python3-websockets \
        socat tinyproxy-bin wrk ;;
    kvm) of_purpose images; echo busybox-static kmod cpio e2fsprogs ;;
    bench) of_purpose images
      echo busybox-static docker-registry docker.io e2fsprogs gcc iperf3 iproute2 libc6-dev passt python3 qemu-system-x86 util-linux ;;
    *) echo "packages.sh: no purpose is called '$1'" >&2; exit 2 ;;
  esac
}

list=no
if [ "${1:-}" = --list ]; then list=yes; shift; fi
wanted=$(for purpose in "$@"; do of_purpose "$purpose"; done | tr ' ' '\n' | sort -u)
if [ "$list" = yes ]; then echo "$wanted"; exit 0; fi

if ! command -v dpkg-query >/dev/null; then
  echo "packages.sh: this is not a Debian system; install what these are called here, then run make with PACKAGES=no:" >&2
  echo "$wanted" | paste -s -d ' ' >&2
  exit 1
fi
# shellcheck disable=SC2086  # one argument for each package
installed=$(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
  sed -n 's/ installed$//p' | sort -u) || true
mapfile -t missing < <(comm -23 <(echo "$wanted") <(echo "$installed"))
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing Debian packages: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
      echo "packages.sh: root is needed for: apt-get install ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq </dev/null
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

if ! command -v swift >/dev/null; then
  echo "packages.sh: there is no Swift toolchain on the PATH; install Swift 6.3 from https://swift.org/install/linux" >&2
  exit 1
fi
