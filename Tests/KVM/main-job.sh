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
expect 'run'                                  0 ''                  "${run[@]}" python -- true
expect 'create'                               0 '.*'                sandpiper create --require-kvm --name first python
expect 'the first process of it'              0 'word'              sandpiper exec first -- echo word
expect 'a further process'                    0 'word'              sandpiper exec first -- echo word
expect 'much output'                          0 '67108864'          bash -c '
  sandpiper exec first -- head -c 67108864 /dev/zero | wc -c'
expect 'something to find again'              0 ''                  sandpiper exec first -- sh -c 'echo memory > /dev/shm/x'
expect 'a pause'                              0 '.*'                sandpiper pause first
expect 'a resumption'                         0 '.*'                sandpiper resume first
expect 'its memory is as it was'              0 'memory'            sandpiper exec first -- cat /dev/shm/x
expect 'a second pause and resumption'        0 '.*'                bash -c 'sandpiper pause first && sandpiper resume first'
expect 'a fork'                               0 '.*'                sandpiper fork --name second first
expect 'a snapshot and a restored sandbox'    0 '.*'                bash -c '
  sandpiper snapshot create second kept && sandpiper restore --name third kept && sandpiper snapshot rm kept'
expect 'their memory is that of the first'    0 'memory memory memory' bash -c '
  echo $(for name in first second third; do sandpiper exec $name -- cat /dev/shm/x; done)'
expect 'remove'                               0 '.*'                sandpiper rm -f first second third
one_of_twenty() {
  sandpiper create --require-kvm --memory 128m --name "box$1" python >/dev/null && sandpiper exec "box$1" -- echo used
}
export -f one_of_twenty
expect 'twenty at once, all used, all removed' 0 '20 0' bash -c '
  echo $(seq 20 | xargs -P 20 -I{} bash -c "one_of_twenty {}" | grep -c used) \
    $(sandpiper rm -f box{1..20} >/dev/null; sandpiper ls -a -q | wc -l)'
expect 'no engine and no supervisor is left'       1 ''                  pgrep -x 'sandpiper-vm|sandpiper-super'
sandpiper run --require-kvm --timings python -- true
exit "$failures"
