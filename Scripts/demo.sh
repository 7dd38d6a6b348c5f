#!/usr/bin/env bash
# Shows what Sandpiper does: loads a Debian image with Python and runs programs in microVMs made from it.
#
#   demo.sh EXECUTABLES IMAGES      the folder that holds `sandpiper`, and the one that holds `python.tar`
set -euo pipefail
export PATH=$1:$PATH
cd "$2"

show() { # a command line as a newcomer would type it
  printf '\n\033[1m$ %s\033[0m\n' "$1"
  bash -c "set -o pipefail; $1"
}
echo "The image $2/python.tar was made by mmdebstrap and umoci. Everything below is kept in ${SANDPIPER_HOME:-~/.sandpiper}."
show "sandpiper load python.tar"
show "sandpiper images"
show "sandpiper run python -- python3 -c 'print(6*7)'"
show "echo data | sandpiper run -i python -- wc -c"
show "sandpiper run python -- sh -c 'uname -sr; head -n 1 /etc/os-release; id -un'"
show "sandpiper run --timings python -- python3 -c 'import platform; print(platform.python_version())'"
cat <<END

That was a kernel and a file system of its own each time, and nothing of them is left. Try a shell in one:

    $1/sandpiper run -it python bash
END
