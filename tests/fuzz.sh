#!/bin/sh
# Fuzzes the decoders with clang's libFuzzer: those in tests/fuzz, or the ones that are named, all at once.
#
#     fuzz.sh [SECONDS [NAME...]]      60 seconds, and every tests/fuzz/NAME.c
#
# A target's first comment lines say `links: FILE...` (what is fuzzed; its folder's headers are found) and may say `flags: ...`
# for libFuzzer. It starts from the inputs in tests/fuzz/corpus/NAME; what it finds worth keeping stays in $BUILD/fuzz.
# Ends with 1 if there was a finding, and says which input shows it; with 2 if a target can't be built.
# FUZZ_FLAGS are handed on to libFuzzer (-runs=1000 -seed=1).
set -u
cd "$(dirname "$0")/.." || exit 3
seconds=${1:-60}
[ $# -gt 0 ] && shift
names=${*:-$(for file in tests/fuzz/*.c; do basename "$file" .c; done)}
out=${BUILD:-build}/fuzz
flags="-std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -g -O2 -pthread -Icommon
    -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all"

# said NAME WORD: what a target's comment says behind `WORD:`.
said() {
    sed -n "s|^// $2: ||p" "tests/fuzz/$1.c"
}

build() {
    links=$(said "$1" links)
    for file in $links; do
        links="$links -I$(dirname "$file")"
    done
    # shellcheck disable=SC2086  # several words each
    ${CLANG:-clang} $flags -o "$out/$1" "tests/fuzz/$1.c" $links
}

run() {
    mkdir -p "$out/corpus/$1"
    rm -f "$out/$1"-*
    # shellcheck disable=SC2046,SC2086
    "$out/$1" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 $(said "$1" flags) ${FUZZ_FLAGS:-} \
        -artifact_prefix="$out/$1-" "$out/corpus/$1" "tests/fuzz/corpus/$1" >"$out/$1.log" 2>&1
}

# How it went, in a line or a few.
report() {
    if [ "$2" = 0 ]; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/$1.log")
        seen=$(sed -n 's/.*\(cov: [0-9]* ft: [0-9]*\).*/\1/p' "$out/$1.log" | tail -n 1)
        echo "fuzz: $1: fine, $runs inputs, $seen"
        return
    fi
    grep -E 'not so:|ERROR:|runtime error:|SUMMARY:' "$out/$1.log" || tail -n 20 "$out/$1.log"
    input=$(ls "$out/$1"-* 2>/dev/null | head -n 1)
    echo "fuzz: $1: a finding, see $out/$1.log${input:+; again: $out/$1 $input}"
}

mkdir -p "$out"
status=0
for name in $names; do
    build "$name" || exit 2
done
children=
for name in $names; do
    run "$name" &
    children="$children $name:$!"
done
for child in $children; do
    wait "${child#*:}"
    how=$?
    [ "$how" = 0 ] || status=1
    report "${child%:*}" "$how"
done
exit $status
