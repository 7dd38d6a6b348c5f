#!/usr/bin/env bash
# Debian's static busybox and as little else as possible, as `busybox:latest`: boots fast, and lacks /dev, /proc, /tmp
# and /etc/resolv.conf, which the agent must supply. Written to the folder $1 as
#   busybox.tar (docker archive), busybox.tar.gz, busybox.tar.zst, busybox.oci.tar (OCI layout archive) and
#   busybox.zstd-layers.oci.tar (its layer compressed with zstd)
set -euo pipefail
out=$1
mkdir -p rootfs/bin rootfs/etc rootfs/home/worker
cp /bin/busybox rootfs/bin/busybox
for applet in $(/bin/busybox --list); do
  [ "$applet" = busybox ] || ln -s busybox "rootfs/bin/$applet"
done
cat > rootfs/etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
worker:x:1000:1000:a user with two more groups:/home/worker:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
END
cat > rootfs/etc/group <<'END'
root:x:0:
worker:x:1000:
readers:x:2000:worker
writers:x:2001:nobody,worker
nogroup:x:65534:
END
{
  tar --create --file rootfs.tar --format=pax --sort=name --directory rootfs --numeric-owner --owner=0 --group=0 \
    --exclude=./home/worker .
  tar --append --file rootfs.tar --format=pax --directory rootfs --numeric-owner --owner=1000 --group=1000 ./home/worker
}

umoci init --layout layout
umoci new --image layout:latest
umoci raw add-layer --image layout:latest rootfs.tar
umoci config --image layout:latest --architecture amd64 --os linux --config.cmd sh --config.env PATH=/bin
umoci gc --layout layout

skopeo copy --quiet oci:layout:latest "docker-archive:$out/busybox.tar:busybox:latest"
skopeo copy --quiet oci:layout:latest "oci-archive:$out/busybox.oci.tar:latest"
skopeo copy --quiet --dest-compress-format zstd oci:layout:latest "oci-archive:$out/busybox.zstd-layers.oci.tar:latest"
gzip --keep "$out/busybox.tar"
zstd --quiet "$out/busybox.tar"
