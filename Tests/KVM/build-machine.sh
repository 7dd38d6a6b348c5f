#!/usr/bin/env bash
# Builds the emulated machine in which KVM works: Debian's cloud kernel, an initrd that finds the disks, and a root
# file system with QEMU in it. Prints the folder that holds `vmlinuz`, `initrd` and `root.ext4`. Works as an ordinary
# user. The result is cached under a key made of these scripts and the kernel's version.
#
#   build-machine.sh               environment: SANDPIPER_CACHE (default ~/.cache/sandpiper)
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SANDPIPER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sandpiper}/kvm-machine
include=qemu-system-x86,kmod,procps,libstdc++6,zlib1g,libzstd1,libisal2,e2fsprogs

kernel_package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
if [ -z "$kernel_package" ]; then
  echo "build-machine.sh: apt does not know linux-image-cloud-amd64; run 'make packages'" >&2
  exit 1
fi
key=$(cat <(echo "$kernel_package $include") "${BASH_SOURCE[0]}" "$here/initrd-init" | sha256sum | cut -c1-16)
machine=$cache/$key
if [ -d "$machine" ]; then touch "$machine"; echo "$machine"; exit 0; fi

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -d "$machine" ]; then echo "$machine"; exit 0; fi
rm -rf "$cache"/build.*                   # left by a build that was killed: we hold the lock
find "$cache" -mindepth 1 -maxdepth 1 -type d -mtime +14 -exec rm -rf {} +     # of an older script, not used since
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir out

echo "building the machine for the KVM test (once; about 2 minutes) …" >&2
apt-get download -qq "$kernel_package" >&2 2>apt-messages || { cat apt-messages >&2; exit 1; }
dpkg-deb --extract "$kernel_package"_*.deb kernel
release=${kernel_package#linux-image-}
depmod --basedir kernel "$release"
cp "kernel/boot/vmlinuz-$release" out/vmlinuz

mkdir -p initrd/bin initrd/modules
cp /bin/busybox initrd/bin/
cp "$here/initrd-init" initrd/init
count=10                                  # the names sort in the order in which the modules must be loaded
for module in virtio_pci virtio_blk; do
  modprobe --dirname kernel --set-version "$release" --show-depends "$module" | while read -r _ file _; do
    name=$(basename "$file")
    compgen -G "initrd/modules/*-$name" >/dev/null || cp "$file" "initrd/modules/$count-$name"
    count=$((count + 1))
  done
  count=$((count + 10))
done
(cd initrd && find . | cpio --quiet --create --format=newc --owner=0:0) | gzip -1 > out/initrd

mmdebstrap --quiet --variant=minbase --include="$include" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' bookworm root.tar >&2
# fakeroot keeps the owners that the archive names, for tar and for mke2fs alike, when we are not root.
as_root=(); [ "$(id -u)" = 0 ] || as_root=(fakeroot)
"${as_root[@]}" bash -c '
  set -e
  mkdir root
  tar --extract --file root.tar --directory root --numeric-owner --exclude="./dev/*"
  cp -r --no-preserve=ownership kernel/lib/modules root/lib/
  mkdir -p root/job
  truncate --size 3G out/root.ext4
  mke2fs -q -t ext4 -E assume_storage_prezeroed=1,nodiscard -d root out/root.ext4'
mv out "$machine"
echo "$machine"
