#!/usr/bin/env bash
# Fuzzes each parser of foreign bytes with libFuzzer and the address sanitizer. The fuzzers are the executables of the
# package `Fuzz/`: all are built, then each runs, and a table says how far it came. A find is written to
# `.build-fuzz/finds/`; what was learnt stays in `.build-fuzz/corpus/`, what libFuzzer said in `.build-fuzz/logs/`.
#
#   fuzz.sh SECONDS [FUZZER]…     SECONDS for each; all fuzzers when none is named
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
  echo "fuzz.sh: SECONDS must be a whole number from 1, not '$seconds'" >&2
  exit 2
}
shift
package=Fuzz scratch=$PWD/.build-fuzz
mapfile -t known < <(swift package --package-path "$package" --scratch-path "$scratch" dump-package |
  python3 -c 'import json, sys
for product in json.load(sys.stdin)["products"]:
    if "executable" in product["type"]: print(product["name"])')
[ ${#known[@]} -gt 0 ] || { echo "fuzz.sh: the package $package has no executable product" >&2; exit 1; }
fuzzers=("$@")
[ $# -gt 0 ] || fuzzers=("${known[@]}")
for fuzzer in "${fuzzers[@]}"; do
  [[ " ${known[*]} " == *" $fuzzer "* ]] || { echo "fuzz.sh: no fuzzer is called '$fuzzer': ${known[*]}" >&2; exit 2; }
done

echo "building ${#fuzzers[@]} fuzzers"
mkdir -p "$scratch"/{corpus,finds,logs}
for fuzzer in "${fuzzers[@]}"; do
  # Of several -sanitize the compiler takes the last alone, so it gets both in one; without the fuzzer's, nothing would
  # tell libFuzzer what an input reached. Optimized code traps as any other and runs some ten times as often.
  swift build --quiet --package-path "$package" --scratch-path "$scratch" --product "$fuzzer" \
    --sanitize=fuzzer --sanitize=address -Xswiftc -sanitize=fuzzer,address -Xswiftc -O -Xswiftc -parse-as-library \
    -Xswiftc -use-ld=lld
done

last() { sed -n "s/$1/\\1/p" "$log" | tail -n 1; } # EXPRESSION: its last match in what the fuzzer said
failed=()
echo "running each for $seconds s"
row='%-30s %8s %12s %8s %8s %6s\n'
# shellcheck disable=SC2059  # the format of all rows
printf "$row" fuzzer seconds executions edges features finds
for fuzzer in "${fuzzers[@]}"; do
  log=$scratch/logs/$fuzzer.log
  mkdir -p "$scratch/corpus/$fuzzer"
  seeds=(); [ ! -d "$package/Corpus/$fuzzer" ] || seeds=("$package/Corpus/$fuzzer")
  before=$(find "$scratch/finds" -name "$fuzzer-*" | wc -l)
  # Swift's own backtrace would hide the find from libFuzzer. Of freed memory less than the usual 256 MiB is kept from
  # use: what an input allocates is little, and fresh memory takes much of the time.
  ASAN_OPTIONS=quarantine_size_mb=16 SWIFT_BACKTRACE=enable=no "$scratch/debug/$fuzzer" -max_total_time="$seconds" \
    -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$scratch/finds/$fuzzer-" \
    "$scratch/corpus/$fuzzer" "${seeds[@]}" >"$log" 2>&1 || failed+=("$fuzzer")
  finds=$(($(find "$scratch/finds" -name "$fuzzer-*" | wc -l) - before))
  # shellcheck disable=SC2059
  printf "$row" "$fuzzer" "$(last '^Done [0-9]* runs in \([0-9]*\) second.*')" \
    "$(last '^stat::number_of_executed_units: *\([0-9]*\).*')" "$(last '^#.* cov: \([0-9]*\) .*')" \
    "$(last '^#.* ft: \([0-9]*\) .*')" "$finds"
done
[ ${#failed[@]} = 0 ] || {
  echo "finds: see $scratch/finds, what was said of them in $scratch/logs; to run one again:" >&2
  for fuzzer in "${failed[@]}"; do echo "  $scratch/debug/$fuzzer $scratch/finds/$fuzzer-…" >&2; done
  exit 1
}
