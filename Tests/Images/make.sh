#!/usr/bin/env bash
# Makes the images that the demo, the tests and the benchmarks run, with Debian's own tools, and prints the folder that
# holds them. Works as root and as an ordinary user. Each image is made once: the folder's name is a key made of the
# scripts beside this one, and an image is moved there when it is complete.
#
#   make.sh [IMAGE]…               IMAGE is the name of a script here (default: python busybox layers dialects network)
#   environment: SANDPIPER_CACHE   default ~/.cache/sandpiper
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SANDPIPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sandpiper}/images
images=("$@"); [ $# -gt 0 ] || images=(python busybox layers dialects network)

key=$(cd "$here" && sha256sum ./* | sha256sum | cut -c1-16)
folder=$cache/$key
mkdir -p "$folder"
exec 9>"$folder/.lock"
flock 9
rm -rf "$folder"/.making.*                # left by a run that was killed: we hold the lock
touch "$folder"
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +14 -exec rm -rf {} +     # of older scripts, not used since
work=$(mktemp -d "$folder/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT
for image in "${images[@]}"; do
  if [ -e "$folder/.made-$image" ]; then continue; fi
  if [ ! -x "$here/$image.sh" ] || [ "$image" = make ]; then
    echo "make.sh: no image is called '$image' here" >&2
    exit 2
  fi
  echo "making the test image $image …" >&2
  mkdir "$work/$image" "$work/$image/out"
  (cd "$work/$image" && "$here/$image.sh" "$work/$image/out") >"$work/log" 2>&1 9>&- || {
    cat "$work/log" >&2
    echo "make.sh: the image $image could not be made; its tools' messages are above" >&2
    exit 1
  }
  chmod -R go+rX "$work/$image/out"
  mv "$work/$image/out"/* "$folder/"
  touch "$folder/.made-$image"
done
echo "$folder"
