#!/usr/bin/env bash
# Runs every test suite and closes with what failed, and `N passed, N failed`. When started as root, the main suite runs a
# second time as a user without any privilege, which is made for this and removed afterwards.
#
#   test.sh EXECUTABLES IMAGES      the folder that holds the release executables, and the one that holds the images
#
# The tests are told where things are: SANDPIPER_TEST_EXECUTABLES, SANDPIPER_TEST_IMAGES, SANDPIPER_KERNEL,
# SANDPIPER_INITRAMFS. SANDPIPER_HOME and TMPDIR are folders of this run.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
executables=$1
images=$2
limit=30m                                   # for one suite: a test that hangs must not hang us
user=

stage=$(mktemp -d "${TMPDIR:-/tmp}/sandpiper-test.XXXXXX")
clean() {
  trap - EXIT
  if [ -n "$user" ]; then
    # Only the user made below can own these.
    ps -o pid= --user "$user" | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
    userdel "$user" 2>/dev/null || true
  fi
  rm -rf "$stage"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

limited() { timeout --foreground --kill-after=10 "$limit" "$@"; }

passed=0 failed=0
failure() { # where: notes the lines of standard input, to be said at the end as well, where they are found
  sed "s/^/$1: /" | cut -c 1-400 | tee -a "$stage/failures"
}

suite() { # name, command…: runs a suite and counts its tests
  local name=$1 status=0 good bad; shift
  printf '\n== %s\n' "$name"
  "$@" </dev/null 2>&1 | tee "$stage/log" | grep -v --line-buffered '^◇' ||
    status=${PIPESTATUS[0]}
  good=$(grep -cE '^✔ Test .* passed after' "$stage/log" || true)
  bad=$(grep -cE '^✘ Test .* failed after' "$stage/log" || true)
  good=$((good - $(grep -c '^✔ Test run with' "$stage/log" || true)))
  bad=$((bad - $(grep -c '^✘ Test run with' "$stage/log" || true)))
  if [ "$bad" != 0 ]; then
    grep -A 2 -E '^✘ Test .* recorded an issue' "$stage/log" | grep -vE '^(--|[✔◇])' | head -n 20 | failure "$name" || true
  elif [ "$status" != 0 ]; then
    echo "ended with status $status" | failure "$name"
    bad=1
  elif [ "$good" = 0 ]; then
    echo 'ran no test' | failure "$name"
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad))
}

cd "$here"
mkdir "$stage/home" "$stage/tmp"
export SANDPIPER_TEST_EXECUTABLES=$executables SANDPIPER_TEST_IMAGES=$images
export SANDPIPER_KERNEL=$executables/guest/vmlinux SANDPIPER_INITRAMFS=$executables/guest/initramfs.cpio
export SANDPIPER_HOME=$stage/home TMPDIR=$stage/tmp
suite 'agent protocol' limited swift test --disable-xctest --package-path protocol
suite 'guest agent' limited swift test --disable-xctest --package-path guest/agent
# One after the other: each runs what it has in parallel, and together they would only wait for each other.
rooms=(--skip '^(IntegrationTests|InterceptionTests|NetworkStackTests|RegistryClientTests|SandpiperTests)\.')
network=(--filter '^(InterceptionTests|NetworkStackTests)\.')
registries=(--filter '^RegistryClientTests\.')
commands=(--filter '^IntegrationTests\.')
library=(--filter '^SandpiperTests\.')
suite "rooms, as $(id -un)" limited swift test --disable-xctest "${rooms[@]}"
suite "network, as $(id -un)" limited swift test --skip-build --disable-xctest "${network[@]}"
suite "registries, as $(id -un)" limited swift test --skip-build --disable-xctest "${registries[@]}"
suite "commands, as $(id -un)" limited swift test --skip-build --disable-xctest "${commands[@]}"
suite "library, as $(id -un)" limited swift test --skip-build --disable-xctest "${library[@]}"

printf '\n== examples\n'
if Scripts/examples.sh "$executables" "$images"; then
  passed=$((passed + 1))
else
  echo 'failed' | failure examples
  failed=$((failed + 1))
fi

if [ "$(id -u)" = 0 ]; then
  # The user can read neither our home nor perhaps this folder: what the suite needs is copied to where it can.
  bundle=$(swift build --show-bin-path)
  open=$stage/open
  mkdir -p "$open"/{bundle,executables/guest,images,home,tmp}
  cp --recursive Tests/Registries Tests/Network Tests/Workloads "$open/"
  # With the programs that tests start from beside it.
  cp --recursive "$bundle"/*.xctest "$bundle"/{sandpiper-image,sandpiper-mounts,sandpiper-policy,sandpiper-tls} \
    "$bundle"/{jail-probe,engine-holder,stack-peer} Tests/StackPeer/compare.py "$open/bundle/"
  find "$bundle" -maxdepth 1 -name '*.resources' -exec cp --recursive {} "$open/bundle/" \;
  # The bundle finds the toolchain's libraries beside itself as well, should the toolchain be out of reach.
  ldd "$open/bundle"/*.xctest | awk '/\/swift\// { print $3 }' | xargs --no-run-if-empty cp --target-directory="$open/bundle"
  cp "$executables"/sandpiper{,-supervisor,-image,-mounts,-policy,-tls} "$open/executables/"
  cp --dereference "$executables"/guest/* "$open/executables/guest/"
  cp "$images"/* "$open/images/"
  chmod -R go+rX "$open"
  chmod 755 "$stage"

  name=sandpiper-test-$$
  useradd --system --no-create-home --home-dir "$open/home" --shell /usr/sbin/nologin "$name"
  user=$name
  chown "$user:" "$open/home" "$open/tmp"
  chmod 700 "$open/home"
  unprivileged() { # the tests to run: options of the testing library
    setpriv --reuid="$user" --regid="$user" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
      env --ignore-environment --chdir="$open/home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 USER="$user" \
      HOME="$open/home" TMPDIR="$open/tmp" SANDPIPER_HOME="$open/home/sandpiper" \
      SANDPIPER_TEST_EXECUTABLES="$open/executables" SANDPIPER_TEST_IMAGES="$open/images" \
      SANDPIPER_TEST_SERVERS="$open/Registries" SANDPIPER_TEST_WORKLOADS="$open/Workloads" \
      SANDPIPER_TEST_NETWORK="$open/Network" \
      SANDPIPER_KERNEL="$open/executables/guest/vmlinux" SANDPIPER_INITRAMFS="$open/executables/guest/initramfs.cpio" \
      timeout --foreground --kill-after=10 "$limit" \
      "$(find "$open/bundle" -name '*.xctest')" --testing-library swift-testing "$@"
  }
  suite 'rooms, as a user without privileges' unprivileged "${rooms[@]}"
  suite 'network, as a user without privileges' unprivileged "${network[@]}"
  suite 'registries, as a user without privileges' unprivileged "${registries[@]}"
  suite 'commands, as a user without privileges' unprivileged "${commands[@]}"
  suite 'library, as a user without privileges' unprivileged "${library[@]}"
  # What the suite started must be gone with it.
  timeout 10 pidwait --uid "$user" || true
  if left=$(ps -o pid=,args= --user "$user") && [ -n "$left" ]; then
    printf 'processes left behind by the suite:\n%s\n' "$left" | failure 'user without privileges'
    failed=$((failed + 1))
  fi
fi

if [ -e "$stage/failures" ]; then printf '\n== what failed\n'; head -n 40 "$stage/failures"; fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
