#!/usr/bin/env bash
# Fuzzes each parser of foreign bytes with libFuzzer and the address sanitizer. The fuzzers are the executables of the
# package `Fuzzing/`; a find is written to `.build-fuzz/finds/`, what was learnt stays in `.build-fuzz/corpus/`.
#
#   fuzz.sh SECONDS [FUZZER]…
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=$1; shift
package=Fuzzing scratch=$PWD/.build-fuzz
fuzzers=("$@")
[ $# -gt 0 ] || mapfile -t fuzzers < <(swift package --package-path "$package" dump-package |
  python3 -c 'import json, sys
for product in json.load(sys.stdin)["products"]:
    if "executable" in product["type"]: print(product["name"])')
[ ${#fuzzers[@]} -gt 0 ] || { echo "fuzz.sh: the package $package has no executable product" >&2; exit 1; }

failed=()
for fuzzer in "${fuzzers[@]}"; do
  echo "== $fuzzer, $seconds s"
  # Of several -sanitize the compiler takes the last alone, so it gets both in one; without the fuzzer's, nothing would
  # tell libFuzzer what an input reached. Optimized code traps as any other and runs some ten times as often.
  swift build --package-path "$package" --scratch-path "$scratch" --product "$fuzzer" \
    --sanitize=fuzzer --sanitize=address -Xswiftc -sanitize=fuzzer,address -Xswiftc -O -Xswiftc -parse-as-library
  mkdir -p "$scratch/corpus/$fuzzer" "$scratch/finds"
  seeds=(); [ ! -d "$package/Corpus/$fuzzer" ] || seeds=("$package/Corpus/$fuzzer")
  # Swift's own backtrace would hide the find from libFuzzer.
  SWIFT_BACKTRACE=enable=no "$scratch/debug/$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$scratch/finds/$fuzzer-" "$scratch/corpus/$fuzzer" "${seeds[@]}" ||
    failed+=("$fuzzer")
done
[ ${#failed[@]} = 0 ] || { echo "finds by: ${failed[*]} (see $scratch/finds)" >&2; exit 1; }
