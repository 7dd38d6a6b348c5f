#!/usr/bin/env bash
# An image of three layers that buildah commits from a mounted container: whiteouts, directories emptied, replaced by
# files and back, hard links within and across layers, setuid, setgid and sticky bits, extended attributes and file
# capabilities, a user, a working directory and an entrypoint. Written to the folder $1 as
#   layers.tar (docker archive `localhost/layers:latest`) and layers.oci.tar (OCI layout archive)
set -euo pipefail
out=$1
# An ordinary user mounts the containers in a user namespace, for which Debian gives each user a range of ids.
if [ "$(id -u)" != 0 ] && [ -z "${SANDPIPER_IMAGES_UNSHARED:-}" ]; then
  if ! grep -q "^\($(id -un)\|$(id -u)\):" /etc/subuid; then
    echo "layers.sh: buildah needs subordinate ids for $(id -un); cure:" \
      "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)" >&2
    exit 1
  fi
  export SANDPIPER_IMAGES_UNSHARED=1
  export XDG_RUNTIME_DIR=$PWD/runtime
  mkdir -p "$XDG_RUNTIME_DIR"
  status=0
  buildah unshare "${BASH_SOURCE[0]}" "$out" || status=$?
  exit "$status"
fi

build() { command buildah --root "$PWD/storage" --runroot "$PWD/run" --storage-driver vfs "$@"; }
trap 'build rm --all >/dev/null; rm -rf storage run' EXIT

container=$(build from scratch)
root=$(build mount "$container")
mkdir -p "$root"/{bin,etc,data/gone,data/emptied/sub,data/becomes-file/deep,srv,home/worker,shared}
cp /bin/busybox "$root/bin/busybox"
for applet in sh ls cat id stat env pwd echo; do ln -s busybox "$root/bin/$applet"; done
printf '%s\n' root:x:0:0:root:/root:/bin/sh worker:x:1000:1000::/home/worker:/bin/sh > "$root/etc/passwd"
printf '%s\n' root:x:0: worker:x:1000: readers:x:2000:worker > "$root/etc/group"
chown 1000:1000 "$root/home/worker"
chmod 1777 "$root/shared"
echo removed > "$root/data/gone/file"
echo old > "$root/data/emptied/old"
echo older > "$root/data/emptied/sub/old"
echo below > "$root/data/becomes-file/deep/file"
echo plain > "$root/data/becomes-directory"
echo one > "$root/data/link-1"
ln "$root/data/link-1" "$root/data/link-2"
ln "$root/data/link-1" "$root/srv/link-3"
echo pair > "$root/data/pair-1"
ln "$root/data/pair-1" "$root/data/pair-2"
ln -s /data/link-1 "$root/srv/absolute"
ln -s ../data/link-2 "$root/srv/relative"
ln -s /nowhere "$root/srv/dangling"
mkfifo "$root/srv/fifo"
cp /bin/busybox "$root/bin/capable"
setcap cap_net_bind_service,cap_net_raw=ep "$root/bin/capable"
cp /bin/busybox "$root/bin/setuid"
chmod 4755 "$root/bin/setuid"
chown 0:2000 "$root/bin/sh" -h
echo grouped > "$root/srv/setgid"
chown 1000:2000 "$root/srv/setgid"
chmod 2750 "$root/srv/setgid"
touch --date '2001-02-03 04:05:06.789012345 UTC' "$root/srv/setgid"
build umount "$container" >/dev/null
build config --env PATH=/bin --env GREETING='hello layers' --user worker:readers --workingdir /home/worker \
  --entrypoint '["/bin/busybox","sh","-c"]' --cmd "'echo \$GREETING'" --label layer=1 "$container"
build commit --quiet "$container" layers-1

container=$(build from layers-1)
root=$(build mount "$container")
rm -r "$root/data/gone" "$root/data/emptied" "$root/data/becomes-file" "$root/data/becomes-directory"
mkdir -p "$root/data/emptied" "$root/data/becomes-directory"
echo new > "$root/data/emptied/new"
echo file > "$root/data/becomes-file"
echo inside > "$root/data/becomes-directory/inside"
rm "$root/data/pair-1"
chmod 0600 "$root/srv/setgid"
build umount "$container" >/dev/null
build commit --quiet "$container" layers-2

container=$(build from layers-2)
root=$(build mount "$container")
rm -r "$root/data/becomes-directory"
echo 'file again' > "$root/data/becomes-directory"
ln "$root/data/link-1" "$root/data/link-4"
head -c 3000000 /dev/zero | tr '\0' x > "$root/srv/three-million"
touch "$root/data/$(printf 'n%.0s' {1..255})"
build umount "$container" >/dev/null
build config --label layer=3 "$container"
build commit --quiet "$container" localhost/layers:latest

build push --quiet localhost/layers:latest "docker-archive:$out/layers.tar:localhost/layers:latest"
build push --quiet localhost/layers:latest "oci-archive:$out/layers.oci.tar:latest"
