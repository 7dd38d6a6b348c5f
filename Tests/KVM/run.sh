#!/usr/bin/env bash
# Runs jobs in an emulated machine whose KVM is real (an emulated AMD processor with nested paging) and passes on the
# status of the first that fails. Everything in there is slow, and all programs equally so.
#
#   run.sh [--with FILE[:NAME]]… [JOB]…     JOB is a script of this folder without `.sh` (default: main-job)
#                                           FILE (or folder) is found by the jobs as /job/NAME
#   environment: SANDPIPER_KVM_MINUTES      time limit (default 30)
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
minutes=${SANDPIPER_KVM_MINUTES:-30}

work=$(mktemp -d "${TMPDIR:-/tmp}/sandpiper-kvm.XXXXXX")
engine=
trap '[ -z "$engine" ] || kill "$engine" 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir "$work/job"
jobs=()
while [ $# -gt 0 ]; do
  case $1 in
    --with) file=${2%%:*}; name=${2#*:}; [ "$name" != "$2" ] || name=$(basename "$file")
            cp --recursive --dereference "$file" "$work/job/$name"; shift 2 ;;
    -*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
    *) jobs+=("$1"); shift ;;
  esac
done
[ ${#jobs[@]} -gt 0 ] || jobs=(main-job)

machine=$("$here/build-machine.sh")
cp /bin/busybox "$here/init" "$here"/*-job.sh "$work/job/"
chmod -R go+rX "$work/job"
size=$(du --summarize --block-size=1M "$work/job" | cut -f1)
truncate --size "$((size + size / 8 + 64))M" "$work/job.ext4"
mke2fs -q -t ext4 -E assume_storage_prezeroed=1,nodiscard,root_owner=0:0 -d "$work/job" "$work/job.ext4"

# `snapshot=on`: the root disk is shared between runs and stays as it was built.
command=(qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max,svm=on,npt=on -smp 2 -m 6G
  -nodefaults -no-user-config -display none -no-reboot -serial stdio
  -kernel "$machine/vmlinuz" -initrd "$machine/initrd"
  -append "console=ttyS0 quiet panic=-1 mitigations=off sandpiper.jobs=$(IFS=,; echo "${jobs[*]}")"
  -drive "if=virtio,format=raw,snapshot=on,file=$machine/root.ext4"
  -drive "if=virtio,format=raw,file=$work/job.ext4")
echo "booting the emulated machine for ${jobs[*]} (at most $minutes minutes) …" >&2
mkfifo "$work/serial"
timeout --foreground --kill-after=10 "$((minutes * 60))" nice -n 10 "${command[@]}" </dev/null >"$work/serial" 2>&1 &
engine=$!
sed --unbuffered 's/\r//g' <"$work/serial" | tee "$work/console" &
reader=$!
wait "$engine" || true
wait "$reader"
status=$(sed -n 's/^sandpiper-kvm-result \([0-9]*\)$/\1/p' "$work/console" | tail -n 1)
if [ -z "$status" ]; then
  echo "run.sh: the machine ended without a result (time limit: $minutes minutes)" >&2
  exit 1
fi
exit "$status"
