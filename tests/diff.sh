#!/bin/sh
# How two scenarios differ: diff.sh SCENARIOS A-B. The code first; what only comments say differently is left to the files.
set -eu
scenarios=$1
wanted=$2

folder() {
    number=$(printf '%s' "$1" | sed 's/^0*\(.\)/\1/')
    for found in "$scenarios"/"$number"-* "$scenarios"/0"$number"-*; do
        if [ -d "$found" ]; then
            printf '%s\n' "$found"
            return
        fi
    done
    printf 'there is no scenario %s; there are:\n' "$1" >&2
    for found in "$scenarios"/*-*; do printf '    %s\n' "${found##*/}" >&2; done
    exit 2
}

case $wanted in
*[!0-9-]* | -* | *- | *-*-*) wanted= ;;
*-*) ;;
*) wanted= ;;
esac
if [ -z "$wanted" ]; then
    echo "make diff-A-B, A and B two numbers: make diff-1-2" >&2
    exit 2
fi
a=$(folder "${wanted%-*}")
b=$(folder "${wanted#*-}")

for file in client.c server.c; do
    # Comments of a line of their own are blanked, not removed: line numbers stay those of the files.
    left=$(mktemp) && right=$(mktemp)
    sed 's|^ *//.*||' "$a/$file" >"$left"
    sed 's|^ *//.*||' "$b/$file" >"$right"
    if diff -B "$left" "$right" >/dev/null; then
        echo "$file: the same code"
    else
        diff -u -B --label "$a/$file" --label "$b/$file" "$left" "$right" || true
    fi
    rm -f "$left" "$right"
done
