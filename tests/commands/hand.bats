#!/usr/bin/env bats
# The programs by hand, in two terminals, and with nc on either side.

setup_file() {
    # They are not changed here, so those of the working tree will do.
    make -s -C "$BATS_TEST_DIRNAME/../.." -j2
}

setup() {
    cd "$BATS_TEST_DIRNAME/../.." && cd "${BUILD:-build}" || return 1
}

teardown() {
    [ -z "${server:-}" ] || stop_server
}

stop_server() {
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true  # or the shell would print "Killed"
}

# Starts a server on a free port; sets `server` and `port` from its first line.
serve() {
    mkfifo "$BATS_TEST_TMPDIR/lines"
    "$1" "${2:-127.0.0.1}" 0 2>"$BATS_TEST_TMPDIR/lines" 3>&- &
    server=$!
    exec 4<"$BATS_TEST_TMPDIR/lines"
    read -r line <&4
    port=${line##*:}
    port=${port%]}
}

@test "a port in use is refused by name" {
    serve 04-half-close/server
    run 03-ack-per-packet/server 127.0.0.1 "$port"
    [ "$status" -eq 1 ]
    [[ "$output" == *"EADDRINUSE"* ]]
}

@test "a line by hand has seconds, program and text" {
    serve 03-ack-per-packet/server
    [[ "$line" =~ ^\ *[0-9]+\.[0-9]{3}\ server\ +listening ]]
    run 03-ack-per-packet/client 127.0.0.1 "$port"
    [ "$status" -eq 0 ]
    [[ "$output" == *'client  Received message: "Message received.\n"'* ]]
}

@test "nc as the client of the half-close server gets its response" {
    command -v nc >/dev/null || skip "nc is not installed"
    serve 04-half-close/server
    run bash -c "printf 'one\ntwo' | nc -N 127.0.0.1 $port"
    [ "$output" = "Message received." ]
    for _ in accepted 'reading data' 'Received message: "one\n"' 'reading data'; do read -r line <&4; done
    read -r line <&4
    [[ "$line" == *'EOF, 3 bytes unfinished: "two"'* ]]
}

@test "nc as the server of scenario 3's client" {
    command -v nc >/dev/null || skip "nc is not installed"
    mkfifo "$BATS_TEST_TMPDIR/answers" "$BATS_TEST_TMPDIR/nc"
    nc -v -l -N 127.0.0.1 0 <"$BATS_TEST_TMPDIR/answers" >"$BATS_TEST_TMPDIR/heard" 2>"$BATS_TEST_TMPDIR/nc" 3>&- &
    server=$!
    exec 4<>"$BATS_TEST_TMPDIR/nc" 5>"$BATS_TEST_TMPDIR/answers"
    read -r line <&4                        # "Listening on localhost 33955"
    port=${line##* }
    printf 'first\nsecond\n' >&5
    run 03-ack-per-packet/client 127.0.0.1 "$port"
    exec 5>&-
    wait "$server" || true
    [[ "$output" == *'Received message: "first\n"'*'Received message: "second\n"'* ]]
    [ "$(cat "$BATS_TEST_TMPDIR/heard")" = $'This is a message\nThis is a message 2\n test' ]
}

@test "localhost, 127.0.0.1 and ::1 all work" {
    for host in localhost 127.0.0.1 ::1; do
        [ "$host" != ::1 ] || [ -e /proc/net/if_inet6 ] || continue
        rm -f "$BATS_TEST_TMPDIR/lines"
        serve 03-ack-per-packet/server "$host"
        03-ack-per-packet/client "$host" "$port"
        stop_server
    done
}

@test "wrong arguments end with 2 and say how it is used" {
    for program in 01-break-after-first-message/server 01-break-after-first-message/client; do
        run "$program" localhost 8080 more
        [ "$status" -eq 2 ]
        [[ "$output" == *"[host [port]]"* ]]
        run "$program" localhost 99999
        [ "$status" -eq 2 ]
    done
}

@test "a port alone is no host: each program says that the host comes first" {
    for program in [0-8][0-9]-*/client [0-8][0-9]-*/server; do
        run "$program" 8080
        [ "$status" -eq 2 ]
        [[ "$output" == usage:*"The host comes first: $program localhost 8080" ]]
    done
}

@test "a refused client says operation, address and errno's name" {
    # A port that is bound, so that nobody else gets it, and has no listener.
    coproc python3 -c 'import socket, sys; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()' 3>&-
    server=$COPROC_PID
    read -r port <&"${COPROC[0]}"
    run 03-ack-per-packet/client 127.0.0.1 "$port"
    [ "$status" -eq 1 ]
    [[ "$output" == *"client.c:"*"connect to 127.0.0.1 port $port: ECONNREFUSED"* ]]
}
