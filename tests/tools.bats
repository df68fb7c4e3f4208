#!/usr/bin/env bats
# tools.sh on machines that lack things.

load clone

setup() {
    mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/lab/tests"
    cp "$BATS_TEST_DIRNAME/tools.sh" "$BATS_TEST_TMPDIR/lab/tests/"
    for name in sh dirname mkdir id env sed cat mktemp rm grep getconf; do ln -s "$(command -v "$name")" "$BATS_TEST_TMPDIR/bin/$name"; done
}

fake() {
    rm -f "$BATS_TEST_TMPDIR/bin/$1"    # it may be a link to the system's own, which must not be written through
    printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

tools() {
    run env -i PATH="$BATS_TEST_TMPDIR/bin" PYTHON=python3 "$@" sh "$BATS_TEST_TMPDIR/lab/tests/tools.sh" "${act:-test}"
}

@test "nothing there and nothing to fetch with: it says what to install" {
    fake python3 'exit 1'
    [ ! -e /usr/bin/python3 ] || ! /usr/bin/python3 -c 'import pytest' 2>/dev/null || skip "the system's own python3 has pytest"
    tools
    [ "$status" -eq 2 ]
    [[ "$output" == *"apt-get install python3-pytest"* ]]
}

@test "bats missing, no apt-get, no npm: it says what to install" {
    fake python3 'exit 0'
    tools
    [ "$status" -eq 2 ]
    [[ "$output" == *"apt-get install bats"* ]]
}

@test "a user without root or sudo gets bats from npm, into the lab's own folder" {
    fake python3 'exit 0'
    fake id 'echo 1000'
    fake apt-get 'exit 1'
    # shellcheck disable=SC2016
    fake npm 'mkdir -p build/tools/node_modules/.bin; printf "#!/bin/sh\necho bats ran\n" >build/tools/node_modules/.bin/bats; /bin/chmod +x build/tools/node_modules/.bin/bats'
    tools
    [ "$status" -eq 0 ]
    [[ "$output" == *"bats ran"* ]]
}

@test "a python3 without pytest is passed over for one that has it" {
    # shellcheck disable=SC2016
    fake python3 'case "$*" in *"import pytest"*) exit 1 ;; esac; echo "wrong python"; exit 9'
    # shellcheck disable=SC2016
    fake other 'case "$*" in *"import pytest"*) exit 0 ;; esac; echo "right python"'
    fake bats 'exit 0'
    tools PYTHON=other
    [ "$status" -eq 0 ]
    [[ "$output" == *"right python"* ]]
}

@test "failing tests fail, whichever runner they are in" {
    fake python3 'exit 0'
    fake bats 'exit 1'
    tools
    [ "$status" -eq 1 ]
    # shellcheck disable=SC2016
    fake python3 'case "$*" in *"import pytest"*) exit 0 ;; esac; exit 1'
    fake bats 'exit 0'
    tools
    [ "$status" -eq 1 ]
}

@test "lint skips what is missing for a user, and fails in CI" {
    fake python3 'exit 1'
    fake find 'exit 0'
    act=lint tools
    [[ "$output" == *"skipped, clang-format is not installed"* ]]
    act=lint tools CI=true
    [ "$status" -eq 1 ]
    [[ "$output" == *"clang-format is missing"* ]]
}
