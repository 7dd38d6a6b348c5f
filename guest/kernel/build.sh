#!/usr/bin/env bash
# Builds the guest kernel from Debian's linux-source-6.12 and prints the path of the vmlinux.
# The result is cached under a key made of the source archive's version and of this folder's files,
# so that it is built once; a build is published by rename and is never half there.
#
#   build.sh [--print-key]     environment: SANDPIPER_KERNEL_CACHE (default ~/.cache/sandpiper/kernel), JOBS
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
archive=/usr/src/linux-source-6.12.tar.xz
cache=${SANDPIPER_KERNEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sandpiper/kernel}

version=$(dpkg-query -W -f '${Version}' linux-source-6.12 2>/dev/null) && [ -r "$archive" ] || {
  echo "build.sh: Debian's package linux-source-6.12 is not installed; 'make packages' installs it" >&2
  exit 1
}
key=$(cat <(echo "$version") "$here/sandpiper.config" "$here"/*.patch "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)
if [ "${1:-}" = --print-key ]; then echo "$key"; exit 0; fi

kernel=$cache/vmlinux-$key
if [ -s "$kernel" ]; then echo "$kernel"; exit 0; fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9                                   # two builds at once would do the work twice
if [ -s "$kernel" ]; then echo "$kernel"; exit 0; fi
rm -rf "$cache"/build.*                   # left by a build that was killed: we hold the lock
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "building the guest kernel $version (once; about 6 minutes on 2 cores) …" >&2
tar --extract --xz --file "$archive" --directory "$work" --strip-components=1
for patch in "$here"/*.patch; do patch --quiet --fuzz=0 --strip=1 --directory "$work" <"$patch"; done
make_kernel() { make -C "$work" --silent ARCH=x86_64 KBUILD_BUILD_USER=sandpiper KBUILD_BUILD_HOST=sandpiper \
  KBUILD_BUILD_TIMESTAMP="@${SOURCE_DATE_EPOCH:-0}" "$@" >&2 9>&-; }
make_kernel tinyconfig
cp "$here/sandpiper.config" "$work/kernel/configs/sandpiper.config"
make_kernel sandpiper.config
make_kernel olddefconfig

# An option that a later source renamed or hides behind a new dependency must not vanish silently.
missing=0
while IFS= read -r line; do
  case $line in
    CONFIG_*=n) name=${line%%=*}; grep -qE "^$name=(y|m)" "$work/.config" && { echo "build.sh: $name is set" >&2; missing=1; } ;;
    CONFIG_*)   grep -qxF -- "$line" "$work/.config" || { echo "build.sh: $line did not survive" >&2; missing=1; } ;;
    '# CONFIG_'*' is not set') name=${line#\# }; name=${name%% *}
                grep -qE "^$name=(y|m)" "$work/.config" && { echo "build.sh: $name is set" >&2; missing=1; } ;;
  esac
done < "$here/sandpiper.config"
[ "$missing" = 0 ] || exit 1
if [ "${1:-}" = --check ]; then exit 0; fi

make_kernel -j"${JOBS:-$(nproc)}" vmlinux
strip --strip-all -o "$work/vmlinux.stripped" "$work/vmlinux"
cp "$work/.config" "$cache/config-$key"
mv "$work/vmlinux.stripped" "$kernel"
echo "$kernel"
