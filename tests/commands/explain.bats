#!/usr/bin/env bats
# What somebody types who brings programs of their own.

setup() {
    cd "$BATS_TEST_DIRNAME/../.." || return 1
    PAIRS=$PWD/tests/harness/brought
    unset MAKEFLAGS MFLAGS MAKELEVEL SERVER CLIENT
}

explain() {
    run python3 -m harness explain "$@"
}

@test "make explain tells what a pair did, in two columns, and why it ended" {
    printf 'hello\n' >"$BATS_TEST_TMPDIR/in"
    run make explain SERVER="$PAIRS/chat.c" CLIENT="$PAIRS/talker.c" ARGS="--stdin client=$BATS_TEST_TMPDIR/in"
    [ "$status" -eq 0 ]
    [[ "$output" == *'· sending 6 bytes "hello\n"'* ]]
    [[ "$output" == *'· received 6 bytes "hello\n"'* ]]
    [ "${lines[-1]}" = "told: the run is over" ]
    [[ "$output" != *$'\e'* ]]
}

@test "make explain without programs says how it is written" {
    run make explain SERVER=true
    [ "$status" -eq 2 ]
    [[ "$output" == *"make explain SERVER='./srv 9000' CLIENT='./cli localhost 9000'"* ]]
}

@test "words with quotes and blanks come through make as they are" {
    run make explain SERVER="sh -c 'echo \"a  b\"'" CLIENT=true
    [ "$status" -eq 0 ]
    [[ "$output" == *"a  b"* ]]
}

@test "a chat server with two silent clients is idle" {
    explain --server "$PAIRS/chat.c" --client "$PAIRS/talker.c" --client "$PAIRS/talker.c"
    [ "$status" -eq 0 ]
    [[ "$output" == *"idle: nothing more happens"* ]]
    [[ "$output" == *"the server waits in select for a new connection, or for the client and client-2"* ]]
}

@test "a proven deadlock exits with 1" {
    cat >"$BATS_TEST_TMPDIR/pair.py" <<'END'
import socket, sys
if sys.argv[1] == "server":
    conn = socket.create_server(("127.0.0.1", 9000)).accept()[0]
else:
    conn = socket.create_connection(("127.0.0.1", 9000))
conn.recv(1)
END
    explain --server "python3 $BATS_TEST_TMPDIR/pair.py server" --client "python3 $BATS_TEST_TMPDIR/pair.py client"
    [ "$status" -eq 1 ]
    [[ "$output" == *"deadlock: Proven:"* ]]
}

@test "a C file that does not build shows the compiler's own words" {
    echo 'int main(void) { retur 0; }' >"$BATS_TEST_TMPDIR/bad.c"
    explain --server "$BATS_TEST_TMPDIR/bad.c 9000"
    [ "$status" -eq 2 ]
    [[ "$output" == *"error:"*"retur"* ]]
}

@test "what can't be started is one line and status 2" {
    printf 'echo no first line\n' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    for command in nosuch "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/script"; do
        run bash -c "python3 -m harness explain --client '$command' 2>&1 >/dev/null"
        [ "$status" -eq 2 ]
        [ "${#lines[@]}" -eq 1 ]
    done
    explain --stdin client
    [ "$status" -eq 2 ]
    explain
    [ "$status" -eq 2 ]
    [[ "$output" == *"no program to run"* ]]
}

@test "with --json there is one object, and the trace reads back" {
    run bash -c "python3 -m harness explain --client 'echo hi' --json --trace '$BATS_TEST_TMPDIR/run.jsonl' 2>/dev/null"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    python3 - "$output" "$BATS_TEST_TMPDIR/run.jsonl" <<'END'
import json, sys
from harness.trace import jsonl
told = json.loads(sys.argv[1])
assert (told["scenario"], told["word"], told["status"], told["findings"]) == ("explain", "told", 0, [])
run, verdict = jsonl.load(open(sys.argv[2]).read())
assert [one.text for one in run.outputs] == ["hi"] and verdict["word"] == "told"
END
}

@test "with --json what can't be started is an object, too" {
    run bash -c "python3 -m harness explain --client nosuch --json 2>/dev/null"
    [ "$status" -eq 2 ]
    python3 -c 'import json, sys; told = json.loads(sys.argv[1]); assert (told["word"], told["status"]) == ("wrong usage", 2), told' "$output"
}

@test "nothing is left behind" {
    # A folder of its own tells this server from those of tests that run meanwhile.
    TMPDIR=$BATS_TEST_TMPDIR explain --server "$PAIRS/echo.c 9000 away" --client true
    [ "$status" -eq 0 ]
    run pgrep -f "$BATS_TEST_TMPDIR/tcplab-[^ ]*/server/echo"
    [ "$status" -eq 1 ]
    run ls -A "$BATS_TEST_TMPDIR"
    [[ "$output" != *tcplab-* ]]
}
