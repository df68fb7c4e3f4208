#!/usr/bin/env bats
# tools.sh on machines that lack things.

load clone

setup() {
    mkdir -p "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/lab/tests"
    cp "$BATS_TEST_DIRNAME/../tools.sh" "$BATS_TEST_TMPDIR/lab/tests/"
    for name in sh dirname mkdir id env sed cat mktemp rm grep getconf; do ln -s "$(command -v "$name")" "$BATS_TEST_TMPDIR/bin/$name"; done
}

fake() {
    rm -f "$BATS_TEST_TMPDIR/bin/$1"    # it may be a link to the system's own, which must not be written through
    printf '#!/bin/sh\n%s\n' "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

tools() {
    run env -i PATH="$BATS_TEST_TMPDIR/bin" PYTHON=python3 SYSTEM_PYTHON=/nonexistent "$@" sh "$BATS_TEST_TMPDIR/lab/tests/tools.sh" "${act:-test}"
}

@test "nothing there and nothing to fetch with: it says all that is to be installed" {
    fake python3 'exit 1'
    tools
    [ "$status" -eq 2 ]
    [[ "$output" == *"apt-get install python3-pytest bats)"* ]]
    [[ "$output" != *Traceback* ]]
}

@test "only bats missing, no apt-get, no npm: it says what to install" {
    fake python3 'exit 0'
    tools
    [ "$status" -eq 2 ]
    [[ "$output" == *"apt-get install bats)"* ]]
}

@test "sudo that asks for a password is not asked" {
    fake python3 'exit 1'
    fake id 'echo 1000'
    fake sudo 'case "$1" in -n) exit 1 ;; *) echo "Password:"; exit 1 ;; esac'
    fake apt-get 'echo "apt-get without being root"'
    tools
    [ "$status" -eq 2 ]
    [[ "$output" != *Password* ]]
    [[ "$output" != *"fetching"*"with apt-get"* ]]
}

@test "the system's own python3 has pytest: it is taken" {
    fake python3 'exit 1'
    # shellcheck disable=SC2016
    fake system 'case "$*" in *"import pytest"*) exit 0 ;; esac; echo "system python"'
    fake bats 'exit 0'
    tools SYSTEM_PYTHON="$BATS_TEST_TMPDIR/bin/system"
    [ "$status" -eq 0 ]
    [[ "$output" == *"system python"* ]]
}

@test "no venv, but pip: pytest comes into the lab's own folder" {
    fake bats 'exit 0'
    # shellcheck disable=SC2016
    fake python3 'case "$*" in
        *"-m venv"*) exit 1 ;;
        *"pip install"*"--target build/tools/python"*) mkdir -p build/tools/python; echo >build/tools/python/pytest.py ;;
        *"import pytest"*) cat build/tools/python/pytest.py ;;
        *) echo "pytest from $PYTHONPATH" ;;
    esac'
    tools
    [ "$status" -eq 0 ]
    [[ "$output" == *"pytest from build/tools/python"* ]]
}

@test "a fake takes the place of a link and leaves alone what it points to" {
    echo "the system's own" >"$BATS_TEST_TMPDIR/own"
    ln -s "$BATS_TEST_TMPDIR/own" "$BATS_TEST_TMPDIR/bin/linked"
    fake linked 'echo fake'
    [ "$("$BATS_TEST_TMPDIR/bin/linked")" = fake ]
    [ "$(cat "$BATS_TEST_TMPDIR/own")" = "the system's own" ]
}

@test "a user without root or sudo gets bats from npm, into the lab's own folder" {
    fake python3 'exit 0'
    fake id 'echo 1000'
    fake apt-get 'exit 1'
    # shellcheck disable=SC2016
    fake npm 'mkdir -p build/tools/node_modules/bats/bin; printf "#!/bin/sh\necho bats ran\n" >build/tools/node_modules/bats/bin/bats; /bin/chmod +x build/tools/node_modules/bats/bin/bats'
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
