#!/usr/bin/env bats
# What a learner types, in a fresh clone.

load clone

setup_file() {
    load clone
    export CLONE=$BATS_FILE_TMPDIR/lab PAUSE=0
    fresh_clone "$CLONE"
    build_clone "$CLONE"
}

setup() {
    cd "$CLONE" || return 1
    mkdir "$BATS_TEST_TMPDIR/b"         # a build folder of the test's own, with what is in each of them
    cp -a build/.flags build/common build/libcommon.a "$BATS_TEST_TMPDIR/b"
    unset MAKEFLAGS MFLAGS MAKELEVEL BUILD SCENARIOS SANITIZE WERROR
}

teardown() {
    git -c safe.directory='*' checkout -q -- scenarios 2>/dev/null || true
}

@test "make help fits a screen and names every target" {
    run make help
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -le 24 ]
    for target in scenario-N check-N check draft-N diff-A-B exercise-Nx start-Nx reset-N progress; do
        [[ "$output" == *"make $target "* ]]
    done
    [[ "$output" == *"make all test lint fuzz torture bench pictures clean"* ]]
    [ "$(make help | wc -l)" -le 24 ]
    for line in "${lines[@]}"; do [ "${#line}" -le 80 ]; done
}

@test "make builds, and a second make has nothing to do" {
    make
    run make
    [ "$output" = "make: Nothing to be done for 'all'." ]
}

@test "a changed header rebuilds what uses it and nothing else" {
    make
    touch -r common/reader.h "$BATS_TEST_TMPDIR/time"
    touch common/reader.h
    run make -n
    touch -r "$BATS_TEST_TMPDIR/time" common/reader.h      # or the next make would build all that
    [[ "$output" == *"-c -o build/01-break-after-first-message/server.o"* ]]
    [[ "$output" != *"-c -o build/00-anatomy/server.o"* ]]
    [[ "$output" != *"-c -o build/common/quote.o"* ]]
}

@test "other flags rebuild" {
    make -s BUILD="$BATS_TEST_TMPDIR/b" "$BATS_TEST_TMPDIR/b/libcommon.a"
    run make -n BUILD="$BATS_TEST_TMPDIR/b" CFLAGS=-O2 "$BATS_TEST_TMPDIR/b/libcommon.a"
    [[ "$output" == *"common/reader.o"* ]]
}

@test "make scenario-1 shows the run, what happened and the verdict" {
    run make scenario-1
    [ "$status" -eq 0 ]
    [[ "$output" == *'sending "This is a message 2\n test"'* ]]
    [[ "$output" == *"The client wrote 25 bytes on connection 1 (client.c:21) after the server had closed it (server.c:41)"* ]]
    [[ "$output" == *"as expected"* ]]
    [[ "$output" != *$'\e'* ]]
}

@test "make scenario-01 is the same scenario" {
    run make scenario-01
    [ "$status" -eq 0 ]
    [[ "$output" == *"01-break-after-first-message"* ]]
}

@test "make scenario-2 proves the deadlock and ends by itself" {
    run make scenario-2
    [ "$status" -eq 0 ]
    [[ "$output" == *"The client and the server wait for each other, and nothing is on its way"* ]]
    [[ "$output" == *"a deadlock, proven, as the contract says"* ]]
}

@test "make explore-1 tells the outcomes, and its command repeats one" {
    run make explore-1 NOPAUSE=1
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "01-break-after-first-message: 2 outcomes in "*" schedules with at most one delay, pauses switched off" ]]
    [[ "$output" == *"SCHEDULE='client: pausing 5 s #1' make step-1"* ]]
    run make scenario-1 NOPAUSE=1 SCHEDULE='client: pausing 5 s #1'
    [[ "$output" == *"  EOF"* ]]
    run make explore-14 DELAYS=2
    [[ "${lines[0]}" == *"with at most 2 delays" ]]
}

@test "make predict-1 and make quiz-1 read lines where there is no terminal, and say that these have ended" {
    run make predict-1 < /dev/null
    [ "$status" -eq 2 ]
    [[ "$output" == *"the input has ended; nothing was answered, and nothing ran"* ]]
    run make quiz-1 SEED=3 < /dev/null
    [ "$status" -eq 0 ]
    [[ "$output" == *"SEED=3 make quiz-1 asks these questions again"*"Nothing was answered."* ]]
}

@test "make step-1 without a terminal says so" {
    run make step-1 < /dev/null
    [ "$status" -ne 0 ]
    [[ "$output" == *"terminal"* ]]
}

@test "an unknown scenario lists those there are" {
    for target in scenario-77 check-77 scenario-x; do
        run make "$target"
        [ "$status" -eq 2 ]
        [[ "$output" == *"there is no scenario"* ]]
        [[ "$output" == *"4  04-half-close"* ]]
        [[ "$output" != *Traceback* ]]
    done
}

@test "make check-N passes, and make check for all" {
    make check-0
    run make check
    [ "$status" -eq 0 ]
    [ "$(grep -c 'as expected' <<<"$output")" -eq "$(ls -d scenarios/* | wc -l)" ]
}

@test "make check passes where system calls are not looked at" {
    run env TCPLAB_CALLS=off make check
    [ "$status" -eq 0 ]
    [[ "$output" != *differs* ]]
}

@test "make check-1 without a network of its own says so and passes" {
    run env TCPLAB_ISOLATION=none make check-1
    [ "$status" -eq 0 ]
    [[ "$output" == *"no network of its own"* ]]
}

@test "without the break, make check-1 says what happened, where, and what to think about" {
    sed -i '/break; \/\/ one message/d' scenarios/01-break-after-first-message/server.c
    run make check-1
    [ "$status" -ne 0 ]
    [[ "$output" == *"deadlock"* ]]
    [[ "$output" == *'server never said "writing response"'* ]]
    [[ "$output" == *"scenarios/01-break-after-first-message/server.c:22"* ]]
    [[ "$output" == *"What makes it leave the loop"* ]]
    [[ "$output" == *"lessons/01-break-after-first-message.md"* ]]
    [[ "$output" == *"reproduce: make check-1"* ]]
}

@test "what was said to make goes into the command that reproduces it, and nothing else" {
    sed -i '/break; \/\/ one message/d' scenarios/01-break-after-first-message/server.c
    run make check-1 BUILD="$BATS_TEST_TMPDIR/b"
    [ "$status" -ne 0 ]
    [[ "$output" == *"reproduce: BUILD=$BATS_TEST_TMPDIR/b make check-1"* ]]
}

@test "the compiler's warnings about a change show, and the run goes on" {
    sed -i 's/^    reader_close(&in);/    int forgotten;\n&/' scenarios/01-break-after-first-message/server.c
    run make check-1
    [ "$status" -eq 0 ]
    [[ "$output" == *"server.c"*"warning: unused variable"*"forgotten"* ]]
}

@test "a file called check-1 or diff-1-2 is in nobody's way" {
    touch check-1 diff-1-2
    run make check-1
    [[ "$output" == *"as expected"* ]]
    run make diff-1-2
    rm check-1 diff-1-2
    [[ "$output" == *"-        break;"* ]]
}

@test "a new folder is a scenario, and its further files go into both programs" {
    cp -r scenarios "$BATS_TEST_TMPDIR"
    cd "$BATS_TEST_TMPDIR/scenarios"
    cp -r 04-half-close 07-codec
    echo 'int codec(void) { return 7; }' >07-codec/codec.c
    sed -i 's/^int main(.*/int codec(void);\n&/; s/^    struct address .*/&\n    if (codec() != 7)\n        return 7;/' 07-codec/*r.c 07-codec/*t.c
    cd "$CLONE"
    run make check-7 SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    [ "$status" -eq 0 ]
    [[ "$output" == *"07-codec: as expected"* ]]
    sed -i 's/return 7/return 8/' "$BATS_TEST_TMPDIR/scenarios/07-codec/codec.c"
    run make check-7 SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    [ "$status" -ne 0 ]
}

@test "a further file with a main is a program of its own, and the others go into it, too" {
    mkdir "$BATS_TEST_TMPDIR/scenarios"
    cp -r scenarios/04-half-close "$BATS_TEST_TMPDIR/scenarios"
    cd "$BATS_TEST_TMPDIR/scenarios/04-half-close"
    echo 'int codec(void); int codec(void) { return 7; }' >codec.c
    printf 'int codec(void);\nint\nmain(void)\n{\n    return codec();\n}\n' >relay.c
    mkdir -p exercises/a/other
    echo 'this is no C' | tee exercises/client.c >exercises/a/other/client.c
    cd "$CLONE"
    make -s SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    run "$BATS_TEST_TMPDIR/b/04-half-close/relay"
    [ "$status" -eq 7 ]
    run make SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    [ "$output" = "make: Nothing to be done for 'all'." ]
    sed -i 's/return 7/return 8/' "$BATS_TEST_TMPDIR/scenarios/04-half-close/codec.c"
    make -s SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    run "$BATS_TEST_TMPDIR/b/04-half-close/relay"
    [ "$status" -eq 8 ]
}

@test "a program that was asked for by name and has no main ends in the linker's own words" {
    cp -r scenarios "$BATS_TEST_TMPDIR"
    echo 'int mian(void) { return 0; }' >"$BATS_TEST_TMPDIR/scenarios/04-half-close/relay.c"
    run make -s SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b" "$BATS_TEST_TMPDIR/b/04-half-close/relay"
    [ "$status" -eq 2 ]
    [[ "$output" == *"main"* && "$output" != *"No rule"* ]]
}

@test "a scenario's folder with a blank in its name is in nobody's way" {
    mkdir "$BATS_TEST_TMPDIR/scenarios"
    cp -r scenarios/04-half-close "$BATS_TEST_TMPDIR/scenarios"
    cp -r scenarios/04-half-close "$BATS_TEST_TMPDIR/scenarios/99-my copy"
    make -s SCENARIOS="$BATS_TEST_TMPDIR/scenarios" BUILD="$BATS_TEST_TMPDIR/b"
    [ -x "$BATS_TEST_TMPDIR/b/04-half-close/client" ]
}

@test "what does not compile shows the compiler's own words" {
    sed -i 's/event("closing");/event("closing")/' scenarios/01-break-after-first-message/server.c
    run make check-1
    [ "$status" -eq 2 ]
    [[ "$output" == *"server.c"*"error"* ]]
    [[ "$output" != *Traceback* ]]
    run python3 -m harness check 1
    [ "$status" -eq 2 ]
}

@test "a contract with a mistake is a contract error with file, line and remedy, and the others are judged" {
    echo 'sever: listening' >>scenarios/03-ack-per-packet/contract.txt
    run python3 -m harness check 3 0
    [ "$status" -eq 2 ]
    [[ "$output" == *"contract error: scenarios/03-ack-per-packet/contract.txt:$(wc -l <scenarios/03-ack-per-packet/contract.txt): unknown participant \"sever\""*"Did you mean server?"* ]]
    [[ "$output" == *"00-anatomy: as expected"* ]]
    [[ "$output" != *Traceback* && "$output" != *"lab error"* ]]
    run make check-3
    [ "$status" -eq 2 ]
}

@test "a scenario without a contract is run, told, explored and drafted" {
    cp -r scenarios/06-short-reads "$BATS_TEST_TMPDIR/90-mine"
    rm "$BATS_TEST_TMPDIR/90-mine/contract.txt"
    export SCENARIOS=$BATS_TEST_TMPDIR BUILD=$BATS_TEST_TMPDIR/b
    run make scenario-90
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "scenario 90-mine" ]]
    [[ "$output" == *"told: there is no contract.txt, so nothing is judged"* ]]
    run make check-90
    [ "$status" -eq 0 ]
    [[ "$output" == "90-mine: told: the client ended with exit 0, the server waits in accept; there is no contract.txt"* ]]
    run make explore-90
    [ "$status" -eq 0 ]
    [[ "$output" == *"1 outcome"*"There is no contract.txt, so nothing is judged."* ]]
    make draft-90 >"$BATS_TEST_TMPDIR/90-mine/contract.txt"
    run make check-90
    [[ "$output" == "90-mine: as expected: "* ]]
    run python3 -m harness draft 90 -o "$BATS_TEST_TMPDIR/90-mine/contract.txt"
    [ "$status" -eq 2 ]
    [[ "$output" == *"exists, and stays as it is"* ]]
}

@test "a SCHEDULE with a line that never comes says which lines there are" {
    run env SCHEDULE='server: reding data #1' python3 -m harness check 1
    [ "$status" -eq 2 ]
    [[ "$output" == *"this run has no line 'server: reding data #1'; it has:"*"server: reading data #1"* ]]
}

@test "make diff-1-2 shows the break, and nothing else" {
    run make diff-1-2
    [ "$status" -eq 0 ]
    [ "$(grep -c '^[-+] ' <<<"$output")" -eq 1 ]
    [[ "$output" == *"-        break;"* ]]
    [[ "$output" == *"client.c: the same code"* ]]
}

@test "make diff-2-4 shows the shutdown" {
    run make diff-02-04
    [ "$status" -eq 0 ]
    [[ "$output" == *"+    if (shutdown(conn, SHUT_WR) == -1)"* ]]
    [[ "$output" == *"server.c: the same code"* ]]
}

@test "make diff with a wrong number or word ends with 2" {
    for target in diff-1-77 diff-1- diff-a-b; do
        run make "$target"
        [ "$status" -eq 2 ]
    done
}

@test "the command line has help, JSON and traces" {
    python3 -m harness --help | grep -q 'exit status'
    python3 -m harness check 2 --json --trace "$BATS_TEST_TMPDIR/t.jsonl" | python3 -c 'import json, sys; assert json.load(sys.stdin)["word"] == "as expected"'
    head -1 "$BATS_TEST_TMPDIR/t.jsonl" | grep -q '"format": "tcplab trace"'
    [ -s build/last/02-no-break-deadlock.jsonl ]
}

@test "a file that is no trace is never overwritten" {
    cp scenarios/01-break-after-first-message/client.c "$BATS_TEST_TMPDIR/mine.c"
    run python3 -m harness check 1 --trace "$BATS_TEST_TMPDIR/mine.c"
    [ "$status" -eq 2 ]
    cmp scenarios/01-break-after-first-message/client.c "$BATS_TEST_TMPDIR/mine.c"
}

@test "make clean removes what was built, and only that" {
    cp -a . "$BATS_TEST_TMPDIR/copy"
    cd "$BATS_TEST_TMPDIR/copy"
    rm -rf build/kept build/predictions build/progress.txt
    make clean
    [ ! -e build ]
    [ -e scenarios/01-break-after-first-message/client.c ]
    make -s build/libcommon.a
    mkdir build/kept
    echo 'ran 02' >build/progress.txt
    run make clean
    [ "$output" = "What is yours stays in build: kept progress.txt" ]
    [ "$(ls -A build)" = "$(printf 'kept\nprogress.txt')" ]
}

@test "an ordinary user's two commands work in a fresh clone" {
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" 2>/dev/null || true
    cp -a . "$BATS_TEST_TMPDIR/theirs"
    cd "$BATS_TEST_TMPDIR/theirs"
    make clean
    [ "$(id -u)" != 0 ] || chown -R 65534:65534 .
    run ordinary make scenario-1
    [ "$status" -eq 0 ]
    [[ "$output" == *"as expected"* ]]
    run ordinary make check
    [ "$status" -eq 0 ]
    run ordinary make -n test
    [ "$status" -eq 0 ]
}

@test "Ctrl-C before Python has started ends the command without a word of Python" {
    env --block-signal=INT true 2>/dev/null || skip "this env has no --block-signal"
    # A python3 to which Ctrl-C comes before it has read a line.
    printf '#!/bin/sh\nkill -INT $$\necho %s >"%s"\nexec %s "$@"\n' begun "$BATS_TEST_TMPDIR/begun" "$(command -v python3)" >"$BATS_TEST_TMPDIR/python3"
    chmod +x "$BATS_TEST_TMPDIR/python3"
    run env --default-signal=INT make check-1 PYTHON="$BATS_TEST_TMPDIR/python3"      # it is ignored in what a shell runs in the background
    [ "$status" -ne 0 ]
    [ "$(cat "$BATS_TEST_TMPDIR/begun")" = begun ]
    [[ "$output" == make:*130 || "$output" == make:*Interrupt ]]        # and nothing else
}

@test "Ctrl-C ends a run and leaves no process behind" {
    PAUSE=1 python3 -m harness run 1 >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
    harness=$!
    # The pause has begun when its line is there.
    until grep -q 'pausing 5 s' "$BATS_TEST_TMPDIR/out"; do kill -0 "$harness"; done
    keepers=$(pgrep -P "$harness")
    programs=$(for keeper in $keepers; do pgrep -P "$keeper"; done)
    [ -n "$programs" ]
    kill -TERM "$harness"       # bash starts background jobs with SIGINT ignored; both take the same way
    wait "$harness" || true
    for pid in $keepers $programs; do
        run kill -0 "$pid"
        [ "$status" -ne 0 ]
    done
}
