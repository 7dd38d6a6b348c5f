#!/bin/bash
# Boots the guest kernel on KVM with each of Debian's engines and nothing of Sandpiper's, and says how long each takes:
# tells a kernel or an engine that is at fault from ours.
set -u
mkdir -p /tmp/initrd/bin && cd /tmp/initrd || exit 1
cp /job/busybox bin/
cat > init <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done' 
echo "guest-is-up $(/bin/busybox uname -r)" > /dev/hvc0
/bin/busybox reboot -f
INIT
chmod +x init
find . | /job/busybox cpio -o -H newc > /tmp/initrd.cpio 2>/dev/null

failed=0
boot() { # name, engine, accelerator, cpu, machine options
  local name=$1 engine=$2 accelerator=$3 cpu=$4 machine=$5 begin end
  begin=$(date +%s%N)
  timeout 240 "$engine" -M "microvm,x-option-roms=off,rtc=off,acpi=off,isa-serial=on,$machine" -accel "$accelerator" \
    -cpu "$cpu" -m 256 -smp 1 -nodefaults -no-user-config -nographic -no-reboot \
    -kernel /job/vmlinux -initrd /tmp/initrd.cpio -append 'console=hvc0 earlyprintk=ttyS0 panic=-1 reboot=t' \
    -serial file:/tmp/serial -device virtio-serial-device -chardev file,id=c,path=/tmp/console \
    -device virtconsole,chardev=c </dev/null >/tmp/engine 2>&1
  local status=$?
  end=$(date +%s%N)
  if grep -q guest-is-up /tmp/console 2>/dev/null; then
    echo "$name: $(tr -d '\r' < /tmp/console | grep guest-is-up), $(( (end - begin) / 1000000 )) ms whole process"
  else
    echo "$name: no sign of the guest after $(( (end - begin) / 1000000 )) ms, engine status $status"
    tail -n 15 /tmp/engine /tmp/serial /tmp/console 2>/dev/null
    failed=1
  fi
  rm -f /tmp/serial /tmp/console /tmp/engine
}
boot 'qemu-system-x86_64, KVM' qemu-system-x86_64 kvm host pit=on,pic=on
boot 'qemu-system-x86_64, KVM, no PIT and PIC' qemu-system-x86_64 kvm host pit=off,pic=off
boot 'qemu-system-x86_64-microvm, KVM' qemu-system-x86_64-microvm kvm host pit=on,pic=on
boot 'qemu-system-x86_64-microvm, KVM, no PIT and PIC' qemu-system-x86_64-microvm kvm host pit=off,pic=off
exit $failed
