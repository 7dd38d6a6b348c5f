#!/bin/sh
# A program that is at work in a sandbox while that is frozen, and tells whether all is as it was. The programs are the
# other files here; the tests and the machine with KVM use the same.
#
#   workload.sh start NAME          becomes the program NAME
#   workload.sh check NAME [PART]   prints `ok …` and the digest of a file when all is well, PART (1 to 5) of what is
#                                   too much for one look; else says what is wrong, with status 1
#   workload.sh finish NAME         lets the program end, with a status of its own
#
# The log of a program has the lines `step 1`, `step 2` and so on, and at last `done` with the number of the last.
# Sizes: WORKLOAD_MEGABYTES (memory), WORKLOAD_PROCESSES (processes), WORKLOAD_ROWS (database).
set -eu
here=$(cd "${0%/*}" && pwd)
export WORKLOAD_FOLDER=/var/tmp/workload
verb=$1 name=$2

ask() { # request: prints the answer
  until [ -e "$WORKLOAD_FOLDER/ready" ]; do sleep 0.1; done
  echo "$*" >"$WORKLOAD_FOLDER/ask"
  read -r answer <"$WORKLOAD_FOLDER/answer"
  echo "$answer"
  case $answer in ok*) ;; *) exit 1 ;; esac
}

case $verb in
start)
  mkdir -p "$WORKLOAD_FOLDER"
  cd "$WORKLOAD_FOLDER"
  mkfifo ask answer
  head -c 3000000 /dev/urandom >file
  for program in "$here/$name".*; do
    case $program in
    *.py) exec python3 -B "$program" ;;
    *.sh) exec bash "$program" ;;
    *.c) exec tcc -run "$program" ;;
    esac
  done
  echo "workload.sh: there is no program $name" >&2
  exit 2 ;;
check) ask "check ${3:-0}"; sha256sum <"$WORKLOAD_FOLDER/file" ;;
finish) ask finish ;;
esac
