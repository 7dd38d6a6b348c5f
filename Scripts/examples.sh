#!/usr/bin/env bash
# Runs the programs of Examples/, which the tests' build has built, in a home of their own, each against what it is to print.
#
#   examples.sh EXECUTABLES IMAGES    the folder that holds the executables, and the one that holds the images
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
executables=$1
images=$2

stage=$(mktemp -d "${TMPDIR:-/tmp}/sandpiper-examples.XXXXXX")
trap 'rm -rf "$stage"' EXIT
export SANDPIPER_HOME=$stage/home SANDPIPER_EXECUTABLES=$executables

"$executables/sandpiper-image" load "$images/python.tar" >"$stage/log" || { cat "$stage/log" >&2; exit 1; }
"$(swift build --package-path "$here" --show-bin-path)/RunPython" python | tee "$stage/output"
diff - "$stage/output" <<'EXPECTED'
result: 42
stream: got one
stream: got two
stream: got three
stream ended: exit code 0
file: {"squares": [0, 1, 4, 9, 16]}
cancelled
sandbox removed
EXPECTED
