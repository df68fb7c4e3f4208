"""A contract asks for a call: is it held by a call alone, refused without one, and not looked at where nobody could look?"""
from __future__ import annotations

from dataclasses import replace

import pytest

import runs
from harness.judge import contract
from harness.judge.comparison import judge
from harness.tell import words

LOG = "server: accepted\nclient: connected"
CLIENT, SERVER = runs.end("client", 101, (101, 1, 90, "exit", 0)), runs.end("server", 200, (200, 2, -1, "", 0))


def verdict(rules: str, *calls: str, made=None):
    run = made or runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="\n".join(calls))
    return judge(run, contract.parse(f"server: accepted\nclient: connected\n{rules}"))


@pytest.mark.parametrize("rule, call, held", [
    ("client shutdown", "10-11 client@101#1 shutdown SHUT_WR = 0", True),
    ("client shutdown SHUT_WR", "10-11 client@101#1 shutdown SHUT_WR = 0", True),
    ("client shutdown SHUT_WR", "10-11 client@101#1 shutdown SHUT_RDWR = 0", False),
    ("client shutdown", "10-11 server@200#1 shutdown SHUT_WR = 0", False),
    ("client shutdown", "10-11 client@101#0 shutdown SHUT_WR = EBADF", False),
    ("client shutdown", "10-11 client@101#1 shutdown SHUT_WR = ENOTCONN", False),
    ("client close", "10-11 client@101#0 close x = 0", False),
    ("server read", "10-11 server@200#1 recvfrom 100 = 18", True), ("server read", "10- server@200#1 read 100", True),
    ("client write", "10-11 client@101#1 sendto 18 = 18", True), ("client write", "10-11 client@101#1 sendto 18 = EPIPE", False),
    ("client write 34", "10-11 client@101#1 write 34 = 34", True), ("client write 34", "10-11 client@101#1 write 34 = 18", False),
    ("client write 34", "10-11 client@101#1 write 34 = EPIPE", False), ("server read 0", "10-11 server@200#1 recvfrom 100 = 0", True),
    ("server read 0", "10-11 server@200#1 read 100 = 18", False), ("server read 0", "10- server@200#1 read 100", False),
    ("client write EPIPE", "10-11 client@101#1 sendto 18 = EPIPE", True), ("client write EPIPE", "10-11 client@101#1 sendto 18 = ECONNRESET", False),
    ("client write EPIPE", "10-11 client@101#1 sendto 18 = 18", False),
    ("client shutdown SHUT_WR ENOTCONN", "10-11 client@101#1 shutdown SHUT_WR = ENOTCONN", True),
    ("client look", "10-11 client@101#1 recvfrom MSG_PEEK = 1", True), ("client look", "10-11 client@101#1 read 1 = 0", True),
    ("client look", "10-11 client@101#1 read 1 = EAGAIN", True), ("client look", "10-11 client@101#1 read 100 = 18", False),
    ("client look", "10-11 server@200#1 read 1 = 0", False),
    ("client[1] write", "10-11 client@101#1 write 18 = 18", True), ("server[1] write", "10-11 server@200#1 write 18 = 18", True)])
def test_a_call_is_held_by_a_call_on_a_connection_that_did_not_fail(rule, call, held):
    found = verdict(f"call: {rule}", call)
    assert [mark for _, mark in found.marks] == ["held", "held", "held" if held else "differs"]
    assert [d.kind for d in found.differences] == ([] if held else ["call"]) and found.unseen == ()


@pytest.mark.parametrize("rule, error, address, held", [
    ("client connect ECONNREFUSED", "ECONNREFUSED", "[::1]:8080", True), ("client connect ECONNREFUSED", "ETIMEDOUT", "[::1]:8080", False),
    ("client connect ECONNREFUSED", "ECONNREFUSED", "", False), ("client connect", "ECONNREFUSED", "[::1]:8080", False),
    ("client connect ::1 ECONNREFUSED", "ECONNREFUSED", "[::1]:8080", True), ("client connect ::1 ECONNREFUSED", "ECONNREFUSED", "127.0.0.1:8080", False),
    ("client connect 127.0.0.1 ECONNREFUSED", "ECONNREFUSED", "127.0.0.1:8080", True), ("client connect ::1", "ECONNREFUSED", "[::1]:8080", False),
    ("server connect ECONNREFUSED", "ECONNREFUSED", "[::1]:8080", False)])
def test_a_refused_connect_makes_no_connection_and_is_found_by_its_error(rule, error, address, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=f"10-11 client@101#0 connect x = {error}")
    found = verdict(f"call: {rule}", made=replace(run, calls=tuple(replace(call, address=address) for call in run.calls)))
    assert [d.kind for d in found.differences] == ([] if held else ["call"])


@pytest.mark.parametrize("rule, address, held", [
    ("client connect ::1", "[::1]:4000>[::1]:8080", True), ("client connect ::1", "127.0.0.1:4000>127.0.0.1:8080", False),
    ("client connect 127.0.0.1", "127.0.0.1:4000>127.0.0.1:8080", True), ("client connect 127.0.0.1", "127.0.0.1:4000>127.0.0.2:8080", False)])
def test_a_connect_is_asked_for_with_the_address_to_which_it_goes(rule, address, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="10-11 client@101#1 connect x = 0")
    found = verdict(f"call: {rule}", made=replace(run, calls=tuple(replace(call, address=address) for call in run.calls)))
    assert [d.kind for d in found.differences] == ([] if held else ["call"])


def test_a_connect_that_failed_is_not_said_to_be_missing():
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="10-11 client@101#0 connect x = ECONNREFUSED")
    run = replace(run, calls=tuple(replace(call, address="[::1]:8080") for call in run.calls))
    for rule, sentence in (("client connect ::1", "the client called connect to ::1, and it failed (ECONNREFUSED)"), ("client connect 127.0.0.1", "the client never called connect to 127.0.0.1")):
        assert [words._call(d, run) for d in verdict(f"call: {rule}", made=run).differences] == [sentence]


@pytest.mark.parametrize("value, again, bound, rule, held", [
    (1, False, "EADDRINUSE", "bind SO_REUSEADDR EADDRINUSE", True), (0, False, "EADDRINUSE", "bind SO_REUSEADDR EADDRINUSE", False),
    (1, True, "EADDRINUSE", "bind SO_REUSEADDR EADDRINUSE", False), (1, False, "0", "bind SO_REUSEADDR EADDRINUSE", False),
    (1, False, "0", "bind SO_REUSEADDR", True), (1, False, "EADDRINUSE", "bind SO_REUSEADDR", False), (0, True, "EADDRINUSE", "bind EADDRINUSE", True)])
def test_a_bind_is_asked_for_with_its_error_and_with_the_option_of_its_socket(value, again, bound, rule, held):
    """With `again` the option was set on an earlier socket, which had the same descriptor."""
    calls = ["10-11 server@200#0 socket 1 = 5", "12-13 server@200#0 setsockopt SO_REUSEADDR = 0", *["14-15 server@200#0 socket 1 = 5"] * again, f"16-17 server@200#0 bind x = {bound}"]
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="\n".join(calls))
    run = replace(run, calls=tuple(replace(call, fd=-1 if call.name == "socket" else 5, value=value if call.name == "setsockopt" else 0) for call in run.calls))
    assert [d.kind for d in verdict(f"call: server {rule}", made=run).differences] == ([] if held else ["call"])


@pytest.mark.parametrize("name, looked, held", [
    ("poll", "5", True), ("poll", "3 5 7", True), ("poll", "3", False), ("poll", "", False), ("select", "|5", False), ("epoll_wait", "", False)])
def test_a_poll_looks_only_if_one_of_its_descriptors_is_that_of_a_connection(name, looked, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=f"10-11 client@101#1 write 5 = 5\n12-13 client@101#0 {name} 0 = 1")
    run = replace(run, calls=tuple(replace(call, fd=5, limit=0, data=looked if call.name == name else call.data) for call in run.calls))
    assert [d.kind for d in verdict("call: client look", made=run).differences] == ([] if held else ["call"])


def test_an_epoll_instance_looks_once_a_connection_is_in_it():
    for place, held in ((8, True), (14, False)):
        run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=f"{place}-{place + 1} client@101#1 epoll_ctl EPOLL_CTL_ADD = 0\n12-13 client@101#0 epoll_wait 0 = 0")
        run = replace(run, calls=tuple(replace(call, limit=0) for call in run.calls))
        assert [d.kind for d in verdict("call: client look", made=run).differences] == ([] if held else ["call"])


@pytest.mark.parametrize("limit, held", [(0, True), (10**9, False), (-1, False)])
def test_a_poll_looks_if_it_may_not_wait(limit, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="10-11 client@101#0 poll 1 = 1")
    found = verdict("call: client look", made=replace(run, calls=tuple(replace(call, limit=limit) for call in run.calls)))
    assert [d.kind for d in found.differences] == ([] if held else ["call"])


@pytest.mark.parametrize("option, read, wrote, closed, held", [
    ("MSG_WAITALL", 3, 3, 15, True), ("MSG_WAITALL", 3, 3, 25, False), ("MSG_WAITALL", 3, 4, 15, False), ("MSG_WAITALL", 10, 10, 15, False),
    ("", 3, 3, 15, False)])
def test_a_read_that_waits_for_all_and_falls_short_at_the_end_of_the_stream_has_met_it(option, read, wrote, closed, held):
    """It asks for 10 bytes. A signal could end it, too: then the stream has not ended, or there are bytes that it has not taken."""
    run = runs.facts(runs.run(LOG), (runs.end("client", 101, (101, 1, closed, "close", 101)), SERVER),
                     calls=f"10-11 client@101#1 write 10 = {wrote}\n12-20 server@200#1 recvfrom 10 = {read}")
    found = verdict("call: server read 0", made=replace(run, calls=tuple(replace(one, option=option if one.name == "recvfrom" else "") for one in run.calls)))
    assert [d.kind for d in found.differences] == ([] if held else ["call"])


@pytest.mark.parametrize("call, limit, held", [
    ("poll 1 = 1", 0, True), ("poll 1 = 0", 10**9, True), ("epoll_wait 0 = 1", -1, True), ("poll 0 = 0", 10**9, False), ("poll 1 = EINTR", -1, False),
    ("accept4 1 = 1", -1, False)])
def test_a_poll_is_asked_for_with_any_time_limit_and_names_a_descriptor(call, limit, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=f"10-11 client@101#0 {call}")
    run = replace(run, calls=tuple(replace(call, limit=limit) for call in run.calls))
    found, sentence = verdict("call: client poll", made=run), "the client never asked with poll, select or epoll_wait which of its descriptors is ready"
    assert [words._call(d, run) for d in found.differences] == ([] if held else [sentence])


@pytest.mark.parametrize("call, limit, held", [
    ("accept4 1 = EAGAIN", -1, True), ("poll 1 = 0", 0, True), ("poll 1 = 1", 0, False), ("poll 1 = 0", 10**9, False), ("accept4 1 = 5", -1, False),
    ("poll 1 = EINTR", -1, False)])
def test_an_accept_queue_is_found_empty_by_an_accept_or_by_a_poll_that_does_not_wait(call, limit, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=f"10-11 server@200#0 {call}")
    run = replace(run, calls=tuple(replace(call, limit=limit) for call in run.calls))
    found = verdict("call: server empty", made=run)
    assert [words._call(d, run)[:44] for d in found.differences] == ([] if held else ["the server never found its accept queue empt"])


@pytest.mark.parametrize("looked, held", [("5", True), ("4 5", True), ("4", False), ("", False)])
def test_a_poll_finds_an_accept_queue_empty_only_if_it_looks_at_the_listener(looked, held):
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="1-2 server@200#0 listen 10 = 0\n10-11 server@200#0 poll 0 = 0")
    run = replace(run, calls=tuple(replace(call, fd=5 if call.name == "listen" else -1, limit=0, data=looked if call.name == "poll" else "") for call in run.calls))
    assert [d.kind for d in verdict("call: server empty", made=run).differences] == ([] if held else ["call"])


def test_a_child_is_asked_for_and_a_second_process_of_the_stage_is_none():
    run = runs.facts(runs.run(LOG), (CLIENT, SERVER))
    found = verdict("call: server fork", made=run)
    assert [words._call(d, run) for d in found.differences] == ["the server never made a child process, as fork does"]
    ended = replace(run.endings[0], who="server", pid=250, child=True)
    assert verdict("call: server fork", made=replace(run, children=(ended,))).differences == ()
    held = runs.end("server", 200, (200, 2, 8, "close", 200), (250, 3, 9, "close", 250))
    assert verdict("call: server fork", made=runs.facts(runs.run(LOG), (CLIENT, held))).differences == ()


def test_a_log_line_makes_no_call():
    run = runs.facts(runs.run(LOG + "\nclient: shutting down SHUT_WR"), (CLIENT, SERVER))
    found = judge(run, contract.parse("others allowed\nclient: shutting down SHUT_WR\ncall: client shutdown"))
    assert found.word == "differs" and "call" in [d.kind for d in found.differences]


def test_what_is_missing_is_told_with_the_contracts_line_and_its_hint():
    rules = "server: accepted\nclient: connected\ncall: client shutdown SHUT_WR\n    ? Who ends the stream?\n    ? [ENOTCONN] Which descriptor?"
    for calls, sentence, hint in (("", "the client never called shutdown(SHUT_WR) on a connection", "Who ends the stream?"),
                                  ("10-11 client@101#1 shutdown SHUT_WR = ENOTCONN",
                                   "the client called shutdown(SHUT_WR) on a connection, and it failed (ENOTCONN)", "Which descriptor?")):
        run, loaded = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls=calls), contract.parse(rules)
        told = words.tell(judge(run, loaded), run, loaded, reproduce="make check-4")
        assert f"differs: {sentence}" in told and "contract.txt:3" in told and hint in told


def test_what_a_read_or_a_write_was_to_return_is_told():
    for rule, sentence in (("client write 34", "the client never called write on a connection with the result 34"),
                           ("client write EPIPE", "the client never called write on a connection with the error EPIPE"),
                           ("client connect ::1 ECONNREFUSED", "the client never called connect to ::1 with the error ECONNREFUSED"),
                           ("server bind SO_REUSEADDR EADDRINUSE", "the server never called bind with SO_REUSEADDR set, with the error EADDRINUSE"),
                           ("server read 0", "the server never called read on a connection with the result 0 (EOF)")):
        loaded = contract.parse(f"server: accepted\nclient: connected\ncall: {rule}")
        run = runs.facts(runs.run(LOG), (CLIENT, SERVER), calls="10-11 client@101#1 write 18 = 18")
        assert f"differs: {sentence}" in words.tell(judge(run, loaded), run, loaded, reproduce="make check-4")


def test_where_calls_were_not_seen_it_is_not_looked_at():
    found = verdict("call: client shutdown\ncall: server close", made=runs.run(LOG))
    assert found.word == "as expected" and [mark for _, mark in found.marks] == ["held", "held", "not reached", "not reached"]
    assert found.unseen == ("call: client shutdown: the programs' calls were not seen", "call: server close: the programs' calls were not seen")


def test_where_the_connection_of_a_call_is_not_known_it_is_not_looked_at():
    found = verdict("call: client shutdown", "10-11 client@101#0 shutdown SHUT_WR = 0")
    assert found.word == "as expected" and "call: client shutdown: some calls of the client could not be seen" in found.unseen[0]


def test_it_is_not_asked_of_a_program_that_left_the_contract_earlier():
    run = replace(runs.facts(runs.run("server: accepted\nclient: hello"), (CLIENT, SERVER)))
    found = judge(run, contract.parse("server: accepted\nclient: connected\ncall: client shutdown"))
    assert [d.kind for d in found.differences] == ["missing"] and found.marks[-1] == (3, "not reached")


@pytest.mark.parametrize("results, held", [((0, 0), True), ((0, 0, 0), True), ((0,), False), ((0, 3), False)])
def test_a_number_behind_a_read_asks_for_so_many_of_them(results, held):
    found = verdict("call: client read 0 #2", *(f"{10 + 2 * n}-{11 + 2 * n} client@101#1 read 9 = {result}" for n, result in enumerate(results)))
    assert [(d.kind, d.expected) for d in found.differences] == ([] if held else [("call", "read on a connection with the result 0 (EOF) 2 times")])


@pytest.mark.parametrize("rule", ["client shutdown #2", "client read #0", "client read #2 0"])
def test_only_reads_and_writes_are_counted(rule):
    with pytest.raises(contract.ContractError):
        contract.parse(f"server: accepted\ncall: {rule}")
