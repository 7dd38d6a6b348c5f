#!/bin/bash
# Programs at work while their sandbox is frozen, on KVM: those of Tests/Workloads, as /job/workloads. Ends with the number
# of failures. The sizes are small, since this machine is a tenth as fast as others.
set -u
export HOME=/var/tmp/home-frozen PATH=/job:$PATH
export SANDPIPER_HOME=$HOME/sandpiper
forks=${WORKLOAD_FORKS:-1}
mkdir -p "$HOME" && cd "$HOME" || exit 1
failures=0

in_box() { # sandbox, arguments of workload.sh…
  local box=$1; shift
  timeout 300 sandpiper exec "$box" -- sh /workloads/workload.sh "$@"
}

check() { # sandbox, program, part: remembers the digest of its file
  local answer
  answer=$(in_box "$1" check "$2" "$3") || { echo "$1: $answer"; return 1; }
  echo "$answer" | tail -n 1 >>digests
}

finish() { # sandbox, program, expected status: the log has no gap
  local log status last
  in_box "$1" finish "$2" >/dev/null || { echo "$1: did not finish well"; return 1; }
  log=$(timeout 100 sandpiper attach --no-input "$1" 1); status=$?
  last=$(echo "$log" | sed -n '$s/^done //p')
  [ "$status" = "$3" ] && [ "${last:-0}" -gt 0 ] && [ "$log" = "$(seq -f 'step %g' "$last"; echo "done $last")" ] ||
    { echo "$1: status $status, log: $log"; return 1; }
}

workload() { # program, expected status
  local program=$1 status=$2 box
  sandpiper create --require-kvm --name first python >/dev/null && sandpiper cp /job/workloads first:/workloads &&
    sandpiper exec -d -e "WORKLOAD_MEGABYTES=${WORKLOAD_MEGABYTES:-40}" \
      -e "WORKLOAD_PROCESSES=${WORKLOAD_PROCESSES:-200}" -e "WORKLOAD_ROWS=${WORKLOAD_ROWS:-200}" \
      first -- sh /workloads/workload.sh start "$program" >/dev/null && check first "$program" 0 || return 1
  sandpiper pause first >/dev/null && sandpiper resume first >/dev/null && check first "$program" 1 || return 1
  sandpiper snapshot create first written >/dev/null && sandpiper restore --name restored written >/dev/null &&
    sandpiper snapshot rm written >/dev/null && check restored "$program" 2 || return 1
  sandpiper fork -n "$forks" --name child first >/dev/null || return 1
  [ "$forks" != 1 ] || sandpiper rename child child-1 >/dev/null || return 1
  for box in first restored $(seq -f 'child-%g' "$forks"); do
    check "$box" "$program" 3 && finish "$box" "$program" "$status" || return 1
  done
  [ "$(sort -u digests | wc -l)" = 1 ] || { echo "digests differ"; return 1; }
}

sandpiper load /job/python.tar >/dev/null || exit 1
status=11
for program in shell loop compile database server processes memory; do
  begin=$SECONDS
  rm -f digests
  if wrong=$(workload "$program" "$status" 2>stderr); then
    echo "passed: $program through pause, restore and $forks forks ($((SECONDS - begin)) s)"
  else
    echo "FAILED: $program ($((SECONDS - begin)) s): $wrong"
    tail -n 5 stderr
    failures=$((failures + 1))
  fi
  mapfile -t boxes < <(sandpiper ls -a -q)
  [ ${#boxes[@]} = 0 ] || sandpiper rm -f "${boxes[@]}" >/dev/null
  sandpiper snapshot ls -q | xargs --no-run-if-empty sandpiper snapshot rm >/dev/null
  status=$((status + 1))
done
if pgrep -x 'sandpiper-vm|sandpiper-super'; then echo "FAILED: engines or supervisors are left"; failures=$((failures + 1)); fi
exit "$failures"
