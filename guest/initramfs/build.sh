#!/usr/bin/env bash
# Builds the guest agent (static, stripped) and packs it as /init into an uncompressed newc archive, with the program
# that a machine rehearses with.
# Same sources, same bytes. It builds only when a source is newer than OUT, and OUT is published by rename.
#
#   build.sh OUT
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
out=$1
agent=$here/../agent
rehearsal=$here/../rehearsal/rehearsal.c

# Nothing newer than the archive: nothing to do. A folder's time tells of files that went.
sources=("$agent/Sources" "$agent/Package.swift" "$here/../../protocol/Sources" "$here/../../protocol/Package.swift"
  "$rehearsal" "${BASH_SOURCE[0]}")
if [ -s "$out" ] && [ -z "$(find "${sources[@]}" -newer "$out" -print -quit)" ]; then exit 0; fi

build() { swift build --package-path "$agent" --configuration release --static-swift-stdlib \
  -Xswiftc -static-executable --product sandpiper-agent "$@"; }
build >&2
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$(dirname "$out")/.initramfs.XXXXXX")
trap 'rm -rf "$work"' EXIT
strip --strip-all -o "$work/init" "$(build --show-bin-path)/sandpiper-agent"
clang -O1 -Wall -Werror -fPIE -ffreestanding -fno-stack-protector -nostdlib -pie -s \
  -Wl,--dynamic-linker=/rehearsal -Wl,--build-id=none -o "$work/rehearsal" "$rehearsal"

# One record of a newc archive: name, mode (octal), device numbers, file. All else is zero, so no root is needed
# to make a device node and nothing of this machine gets in.
inode=0
record() {
  local name=$1 mode=$2 major=$3 minor=$4 file=${5:-} size=0 length=$((${#1} + 1))
  [ -z "$file" ] || size=$(stat -c %s "$file")
  inode=$((inode + 1))
  printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
    "$inode" "$((8#$mode))" 0 0 1 0 "$size" 0 0 "$major" "$minor" "$length" 0 "$name"
  pad $((110 + length))
  [ -z "$file" ] || { cat "$file"; pad "$size"; }
}
pad() { local rest=$(($1 % 4)); [ "$rest" = 0 ] || head -c $((4 - rest)) /dev/zero; }

{
  record dev 040755 0 0
  # The kernel opens it for the first process before that can mount anything.
  record dev/console 020600 5 1
  record proc 040555 0 0
  record sys 040555 0 0
  record init 100755 0 0 "$work/init"
  record rehearsal 100755 0 0 "$work/rehearsal"
  record TRAILER!!! 0 0 0
} >"$work/archive"

mv "$work/archive" "$out"
