#!/bin/bash
# The main job of Sandpiper on a machine with KVM, as root and as an ordinary user: the same commands that a newcomer
# types, and a look that the engine is KVM. Ends with the number of failures.
set -u
if [ -z "${MAIN_JOB_USER:-}" ]; then
  useradd --create-home tester
  # A part of the control groups for each, as a login session of systemd has one.
  groups=/sys/fs/cgroup
  mountpoint -q "$groups" || mount -t cgroup2 none "$groups"
  echo '+cpu +io' >"$groups/cgroup.subtree_control"
  failures=0
  for user in root tester; do
    mkdir -p "$groups/$user/shell"
    echo '+cpu +io' >"$groups/$user/cgroup.subtree_control"
    chown -R "$user" "$groups/$user"
    echo "-- as $user"
    (echo "$BASHPID" >"$groups/$user/shell/cgroup.procs"
     MAIN_JOB_USER=$user exec runuser --user "$user" -- bash "$0") || failures=$((failures + $?))
  done
  exit "$failures"
fi

export HOME=/var/tmp/home-$MAIN_JOB_USER PATH=/job:$PATH
export SANDPIPER_HOME=$HOME/sandpiper
mkdir -p "$HOME" && cd "$HOME" || exit 1
failures=0

expect() { # name, expected status, pattern that the output must match as a whole, command…
  local name=$1 status=$2 pattern=$3 output actual begin=$EPOCHREALTIME; shift 3
  output=$(timeout 300 "$@" 2>"$HOME/stderr"); actual=$?
  local took=$(( (${EPOCHREALTIME/./} - ${begin/./}) / 1000 ))
  if [ "$actual" = "$status" ] && [[ $output =~ ^($pattern)$ ]]; then
    echo "passed: $name ($took ms)"
  else
    echo "FAILED: $name ($took ms): status $actual instead of $status, output '$output' instead of '$pattern'"
    tail -n 20 "$HOME/stderr"
    failures=$((failures + 1))
  fi
}
run=(sandpiper run --require-kvm)

expect 'doctor finds KVM'                     0 '.*KVM.*'           sandpiper doctor
expect 'load'                                 0 '.*python:latest.*' sandpiper load /job/python.tar
expect 'python computes'                      0 '42'                "${run[@]}" python -- python3 -c 'print(6*7)'
expect 'stdin reaches the program'            0 ' *5'               bash -c 'echo data | sandpiper run --require-kvm -i python -- wc -c'
expect 'the exit status passes through'       7 ''                  "${run[@]}" python -- sh -c 'exit 7'
expect 'a program that is not there'        127 ''                  "${run[@]}" python -- /no/such/program
expect 'two processors'                       0 '2'                 "${run[@]}" --cpus 2 python -- nproc
expect 'a terminal'                           0 '.*/dev/pts/0.*'    script --quiet --return --command \
  'sandpiper run --require-kvm -it python -- tty' /dev/null
expect 'a time-out'                         124 ''                  "${run[@]}" --timeout 5s python -- sleep 1000
expect 'memory as asked for'                  0 ''                "${run[@]}" --memory 1G python -- python3 -c '
import os; pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"); assert pages > 900 << 20, pages'
expect 'a share of the processors holds'       0 '20000 100000 [12] 0' bash -c '
  sandpiper create --require-kvm --name slow --cpu-percent 20 python >/dev/null || exit 1
  group=$(echo /sys/fs/cgroup/$MAIN_JOB_USER/sandpiper-*)
  echo $(cat "$group/cpu.max") $(grep -c . "$group/cgroup.procs") $(sandpiper rm -f slow >/dev/null; ls -d "$group" 2>/dev/null | wc -l)'
one_of_twenty() { sandpiper create --require-kvm --memory 128m --name "box$1" python >/dev/null && sandpiper exec "box$1" -- echo used; }
export -f one_of_twenty
expect 'twenty at once, all used, all removed' 0 '20 0' bash -c '
  echo $(seq 20 | xargs -P 20 -I{} bash -c "one_of_twenty {}" | grep -c used) \
    $(sandpiper rm -f box{1..20} >/dev/null; sandpiper ls -a -q | wc -l)'

measured() { # name, command…
  local name=$1 times=() begin; shift
  for _ in 1 2 3; do
    begin=${EPOCHREALTIME/./}
    "$@" >/dev/null 2>&1 || { echo "FAILED: $name"; failures=$((failures + 1)); return; }
    times+=($(((${EPOCHREALTIME/./} - begin) / 1000)))
  done
  echo "median of 3: $name $(printf '%s\n' "${times[@]}" | sort -n | sed -n 2p) ms"
}
create_and_exec() { sandpiper create --require-kvm --name first python && sandpiper exec first -- echo word; }
remove_first() { sandpiper rm -f first >/dev/null 2>&1; }
measured 'run -- true' "${run[@]}" python -- true
measured 'create and the first output, removed' bash -c "$(declare -f create_and_exec remove_first); create_and_exec; remove_first"
create_and_exec >/dev/null
measured 'exec -- true' sandpiper exec first -- true
echo "128 MiB to a pipe: $(sandpiper exec first -- sh -c 'dd if=/dev/zero bs=32k count=4096 2>/dev/null' |
  dd of=/dev/null 2>&1 | tail -n 1)"
remove_first

expect 'no engine and no supervisor is left'       1 ''                  pgrep -x 'sandpiper-vm|sandpiper-super'
sandpiper run --require-kvm --timings python -- true
exit "$failures"
