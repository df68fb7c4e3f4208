"""Acts against lines: a log line after its act, a "closing" without a close, counts that are wrong, an end that no line tells of. Each has
a near miss that is as expected. And whose fault is told first, by facts."""
from __future__ import annotations

from dataclasses import replace

import pytest

import runs
from harness.judge import comparison as judge
from harness.judge import contract
from harness.tell import words
from harness.trace import Call, Ending, Socket, Stop, Waiting

ENDS = "client@101: exit 0, server@200: waiting in accept"


def made(log: str, calls: str = "", client=(101, 1, 500, "close", 101), server=(200, 1, 500, "close", 200), ends: str = ENDS, **more):
    """A client and a server with one connection; lines have the places 10, 20, ..., calls those that they say."""
    run = runs.spread(runs.run(log, ends, **more))
    return runs.facts(run, (runs.end("client", 101, client), runs.end("server", 200, server)), calls=calls)


def found(rules: str, run):
    return judge.judge(run, contract.parse(rules)).differences


def kinds(rules: str, run) -> list[str]:
    return [d.kind for d in found(rules, run)]


def told(rules: str, run) -> str:
    loaded = contract.parse(rules)
    return words.tell(judge.judge(run, loaded), run, loaded, reproduce="")


# --- a line after its act ---

SENT = 'client@101#1: sending "ab"\nclient@101#1: closing'


@pytest.mark.parametrize("calls, late", [
    ("11-12 client@101#1 write 2 = 2\n21-22 client@101#1 close 0 = 0", []),
    ("5-6 client@101#1 write 2 = 2\n21-22 client@101#1 close 0 = 0", ["late"]),
    ("11-12 client@101#1 write 2 = 2\n15-16 client@101#1 close 0 = 0", ["late"]),
    ("5-6 client@101#1 write 1 = 1\n11-12 client@101#1 write 1 = 1\n21-22 client@101#1 close 0 = 0", []),
    ("5-6 client@101#1 write 4 = 4\n11-12 client@101#1 write 2 = 2\n21-22 client@101#1 close 0 = 0", []),
    ("11-12 client@101#1 write 2 = 2\n15-16 client@101#1 close 0 = 0\n21-22 client@101#1 close 0 = 0", [])],
    ids=["before", "written", "closed", "half of it", "other bytes, untold", "closed twice"])
def test_a_line_that_comes_after_its_act_is_refused(calls, late):
    rules = 'client: sending "ab"\nclient: closing'
    assert kinds(rules, made(SENT, calls)) == late
    assert kinds(rules, replace(made(SENT, calls), observed=False)) == []


def test_each_line_of_a_program_that_writes_first_and_logs_then_is_after_its_act():
    log = 'client@101#1: sending "ab"\nclient@101#1: sending "cd"'
    calls = "5-6 client@101#1 write 2 = 2\n15-16 client@101#1 write 2 = 2"
    rules = 'client: sending "ab"\nclient: sending "cd"'
    assert found(rules, made(log, calls))[0].observed.seq == 10
    assert "the client said 'sending \"ab\"' only after it had called write" in told(rules, made(log, calls))


@pytest.mark.parametrize("calls, late", [("21-22 server@200#1 accept 0 = 4", []), ("5-6 server@200#1 accept 0 = 4", ["late"]),
                                         ("2-3 server@200#2 accept 0 = 5\n5-6 server@200#1 accept 0 = 4", ["late"])])
def test_an_accept_before_the_line_that_announces_it_is_refused(calls, late):
    run = made("client@101#1: x\nserver@200#0: accepting\nserver@200#1: accepted", calls)
    assert kinds("client: x\nserver: accepting\nserver: accepted", run) == late


def test_a_server_that_announces_its_next_accept_before_a_thread_tells_of_the_last_one_is_not_late():
    run = made("server@200#0: accepting\nserver@200#0: accepting\nserver@200.201#1: accepted", "15-16 server@200#1 accept 0 = 4")
    assert kinds("server: accepting\nserver: accepting\nserver: accepted", run) == []


# --- an end that was announced, and never came ---

def test_a_closing_whose_program_holds_on_is_refused():
    rules, log = "client: closing", "client@101#1: closing"
    assert kinds(rules, made(log, client=(101, 1, -1, "", 0))) == ["open"]
    assert kinds(rules, made(log)) == []
    assert kinds(rules, made(log, "11- client@101#1 close 0", client=(101, 1, -1, "", 0))) == []
    assert kinds("others allowed\nclient: closing", made(log, client=(101, 1, -1, "", 0), stop=Stop("interrupted"))) == []


@pytest.mark.parametrize("besides, left", [("over", True), ("runaway", False)])
def test_a_closing_counts_in_a_run_with_a_crash_that_ended_by_itself(besides, left):
    run = made("client@101#1: closing", "11-12 client@101#1 shutdown SHUT_RDWR = 0", client=(101, 1, -1, "", 0), stop=Stop("crash", besides=besides))
    assert ('the client said "closing", and called shutdown(SHUT_RDWR) in place of close' in told("client: closing", run)) == left


def test_who_closed_one_of_two_descriptors_is_not_told_that_it_called_no_close():
    rules, log = "client: closing", "client@101#1: closing"
    kept = made(log, "11-12 client@101#1 close 0 = 0", client=(101, 1, -1, "", 0))
    assert kinds(rules, kept) == ["open"]
    assert 'the client said "closing" and closed one descriptor of connection 1, and it still has another one when the run is over' in told(rules, kept)
    assert "did not close it" not in told(rules, kept)
    assert "it did not close it" in told(rules, made(log, client=(101, 1, -1, "", 0)))


def test_who_has_its_connection_behind_a_low_descriptor_is_not_told_what_it_did_not_call():
    low = "5-6 client@101#1 dup2 4 = 0"
    for rules, log in (("client: closing", "client@101#1: closing"), ("client: shutting down SHUT_WR", "client@101#1: shutting down SHUT_WR"),
                       ('client: sending "ab"', 'client@101#1: sending "ab"')):
        assert len(kinds(rules, made(log, client=(101, 1, -1, "", 0)))) == 1
        assert kinds(rules, made(log, low, client=(101, 1, -1, "", 0))) == []


def elsewhere(run):
    """The same run; what was called on no connection was called on descriptor 7."""
    return replace(run, calls=tuple(replace(call, fd=4 if call.connection else 7) for call in run.calls))


@pytest.mark.parametrize("line, call, words", [
    ("closing", "close 0 = 0", "and its close was on descriptor 7, which is not connection 1"),
    ("closing", "close 0 = EBADF", "and its close was on descriptor 7, which is not connection 1, and failed with EBADF"),
    ("shutting down SHUT_WR", "shutdown SHUT_WR = EBADF", "and its shutdown was on descriptor 7, which is not connection 1, and failed with EBADF"),
    ('sending "ab"', "write 2 = EBADF", "which announces 2 bytes; it called write on descriptor 7, which is not connection 1, and it failed with EBADF")])
def test_a_call_on_another_descriptor_is_not_told_as_no_call(line, call, words):
    run = elsewhere(made(f"client@101#1: {line}\nclient@101#1: x", f"11-12 client@101#0 {call}", client=(101, 1, -1, "", 0)))
    text = told(f"client: {line}\nclient: x", run)
    assert words in text and "called no" not in text and "wrote none" not in text


def test_who_says_closing_and_writes_on_is_told_so():
    log, rules = "client@101#1: closing\nclient@101#1: connecting", "client: closing\nclient: connecting"
    assert kinds(rules, made(log, "25-26 client@101#1 write 2 = 2")) == ["open"]
    assert 'the client said "closing", and called write on connection 1 after that' in told(rules, made(log, "25-26 client@101#1 write 2 = 2"))
    assert kinds(rules, made(log, "15-16 client@101#1 shutdown SHUT_RD = 0\n25-26 client@101#1 write 2 = 2")) == []


@pytest.mark.parametrize("held_until, words", [((-1, ""), "it still holds connection 1 when the run is over"), ((500, "exit"), "it had connection 1 until it ended")])
def test_a_shutdown_in_place_of_a_close_is_told_so(held_until, words):
    log, rules = "client@101#1: closing\nclient@101#1: connecting", "client: closing\nclient: connecting"
    run = made(log, "11-12 client@101#1 shutdown SHUT_RDWR = 0", client=(101, 1, *held_until, 101))
    assert f'the client said "closing", and called shutdown(SHUT_RDWR) in place of close: {words}' in told(rules, run)
    assert "shutdown ends what is sent, or received, and keeps the descriptor. close gives it up." in told(rules, run)


@pytest.mark.parametrize("calls, held_until, left", [
    ("", (500, "exit"), True), ("11-12 client@101#1 close 0 = 0", (12, "close"), False), ("25-26 client@101#1 close 0 = 0", (26, "close"), False),
    ("11-12 client@101#1 close 0 = 0", (500, "exit"), False), ("11-12 client@101#1 shutdown SHUT_RDWR = 0\n13-14 client@101#1 close 0 = 0", (500, "exit"), False),
    ("", (500, "exec"), False), ("5-6 client@101#1 dup2 4 = 0", (500, "exit"), False)],
    ids=["never", "at once", "after the next line", "one of two copies", "shut down", "given up by exec", "behind a low descriptor"])
def test_who_says_closing_and_goes_on_with_the_connection_until_it_ends_is_told_so(calls, held_until, left):
    log, rules = "client@101#1: closing\nclient@101#1: connecting", "client: closing\nclient: connecting"
    run = made(log, calls, client=(101, 1, *held_until, 101))
    assert kinds(rules, run) == ["open"] * left
    assert ('the client said "closing" and went on, and had connection 1 until it ended: it did not close it' in told(rules, run)) == left
    assert kinds("client: closing", made("client@101#1: closing", client=(101, 1, 500, "exit", 101))) == []


@pytest.mark.parametrize("calls, left", [
    ("25-26 client@101#1 close 0 = 0", True), ("11-12 client@101#1 close 0 = 0\n25-26 client@101#1 close 0 = 0", False),
    ("11-12 client@101#1 shutdown SHUT_WR = 0\n25-26 client@101#1 close 0 = 0", False)], ids=["one close", "two closes", "a half-close"])
def test_who_says_closing_twice_has_closed_something_between(calls, left):
    log, rules = "client@101#1: closing\nclient@101#1: closing the copy", "client: closing\nclient: closing the copy"
    run = made(log, calls, client=(101, 1, 26, "close", 101))
    assert kinds(rules, run) == ["open"] * left
    assert ('the client said "closing", and closed nothing of connection 1 before it said "closing" once more' in told(rules, run)) == left


def test_a_handler_of_a_connection_that_nobody_made_waits_nowhere():
    waits = Waiting("server", 200, 200, "accept", 3, 0, "", "server.c:9")
    run = made("client@101#1: a\nserver@200#1: b", stop=Stop("over", waiting=(waits,)))
    text = told("client: a\nserver: b\nserver[2]: accepted", run)
    assert 'server[2] never said "accepted"; the run had only 1 connection' in text and "waits in accept" not in text


def test_a_call_behind_the_next_line_belongs_to_that_one():
    run = elsewhere(made("client@101#1: closing\nclient@101#1: x", "21-22 client@101#0 close 0 = 0", client=(101, 1, -1, "", 0)))
    assert "the client said \"closing\", and still holds connection 1 when the run is over: it did not close it" in told("client: closing\nclient: x", run)


def test_a_line_whose_bytes_another_thread_writes_is_not_told_as_unwritten():
    rules, log = 'client: sending "abcd"', 'client@101.101#1: sending "abcd"'
    assert kinds(rules, made(log, "11-12 client@101#1 write 2 = 2")) == ["unwritten"]
    run = made(log, "11-12 client@101#1 write 2 = 2")
    run = replace(run, calls=tuple(replace(call, tid=102) for call in run.calls))
    assert kinds(rules, run) == []


def test_a_child_that_closed_what_its_parent_holds_is_told_where_an_eof_is_missing():
    waits = Waiting("client", 101, 101, "read", 4, 1, "server", "client.c:9")
    log = "client@101#1: reading data\nserver@250#1: closing"
    run = made(log, stop=Stop("waiting", waiting=(waits,)), ends="client@101: waiting in read, server@200: waiting in accept")
    server = runs.end("server", 200, (200, 1, -1, "", 0), (250, 5, 25, "close", 250))
    kept = replace(run, connections=(replace(run.connections[0], acceptor=server),))
    rules = "client: reading data\nclient: EOF after server: closing\nserver: closing"
    assert kinds(rules, kept)[:2] == ["open", "missing"]
    assert "another process of it still holds connection 1" in told(rules, kept)
    assert kinds("client: reading data\nserver: closing\nclient ends: waiting in read", kept) == []


def test_a_child_that_closed_what_its_parent_holds_is_told_where_a_fin_is_missing():
    run = made("server@250#1: closing", wire="client S, server SA, client F")
    kept = replace(run, connections=(replace(run.connections[0], acceptor=runs.end("server", 200, (200, 1, -1, "", 0), (250, 5, 15, "close", 250))),))
    assert kinds("server: closing\nwire: server FIN", kept) == ["open", "wire"]
    assert kinds("server: closing\nwire: server SYN", kept) == []


# --- counts ---

@pytest.mark.parametrize("calls, kind, wrote", [
    ("11-12 client@101#1 write 2 = 2", [], ""),
    ("", ["unwritten"], "0"),
    ("11-12 client@101#1 write 1 = 1", ["unwritten"], "1"),
    ("11-12 client@101#1 write 3 = 3", ["unwritten"], "3"),
    ("11-12 client@101#1 write 2 = EPIPE", [], ""),
    ("11- client@101#1 write 2", [], ""),
    ("11-12 client@101#1 sendmmsg 1 = 1", [], "")], ids=["all", "none", "one", "more", "failed", "waits", "uncounted"])
def test_what_was_announced_is_set_against_what_was_written(calls, kind, wrote):
    run = made('client@101#1: sending "ab"\nclient@101#1: reading data', calls)
    differences = found('client: sending "ab"\nclient: reading data', run)
    assert [d.kind for d in differences] == kind and [d.found for d in differences] == ([wrote] if kind else [])


def test_bytes_that_no_line_announces_are_told_at_their_own_write():
    rules = 'client: sending "ab"\nclient: x'
    run = made('client@101#1: sending "ab"\nclient@101#1: x', "11-12 client@101#1 write 2 = 2\n25-26 client@101#1 write 3 = 3")
    first = found(rules, run)[0]
    assert (first.kind, first.observed.text, first.act) == ("unwritten", "x", 25)
    assert "the client wrote 3 bytes on connection 1 that no line of it announces" in told(rules, run)
    more = made('client@101#1: sending "ab"\nclient@101#1: x', "11-12 client@101#1 write 3 = 3")
    assert "which announces 2 bytes; it wrote 3 bytes" in told(rules, more)


@pytest.mark.parametrize("log, calls, said", [
    ("client@101#1: x", "15-16 client@101#1 write 2 = 2", True),
    ('client@101#1: x\nclient@101#1: sending "cd"', "25-26 client@101#1 write 2 = 2", False),
    ('client@101#1: x\nclient@101#1: sending "cd"', "23-24 client@101#1 write 1 = 1\n25-26 client@101#1 write 1 = 1", False),
    ('client@101#1: sending "cd"\nclient@101#1: x', "25-26 client@101#1 write 2 = 2", False),
    ('client@101#1: sending "cd"\nclient@101#1: x', "15-16 client@101#1 write 2 = 2\n25-26 client@101#1 write 2 = 2", True)],
    ids=["no line", "its line", "a line for two writes", "a line long before", "a line for another one"])
def test_a_write_that_another_line_announces_is_not_said_to_have_no_line(log, calls, said):
    run = made(log + "\nclient@101#1: y", calls)
    assert ("and no line of it announces them" in told('client others allowed\nclient: x\nclient: sending "ab"', run)) is said


@pytest.mark.parametrize("said, calls, kind", [
    ("EOF", "", ["unheard"]), ("EOF", "5-6 client@101#1 read 9 = 0", []), ("EOF", "5-6 client@101#0 poll 1 = 1", []),
    ("Error reading: ECONNRESET", "", ["unheard"]), ("Error reading: ECONNRESET", "5-6 client@101#1 read 9 = ECONNRESET", []),
    ("Error reading: EAGAIN", "5-6 client@101#1 read 9 = 2", ["unheard"]), ("Error reading: EAGAIN", "5-6 client@101#1 read 9 = EAGAIN", []),
    ("Error reading: EAGAIN", "5-6 client@101#0 poll 1 = 0", []), ("Error reading: EMSGSIZE", "", [])])
def test_a_line_about_an_end_or_an_error_that_no_call_has_told_is_refused(said, calls, kind):
    run = runs.spread(runs.run(f"client@101#1: {said}\nserver@200#1: x", ENDS))
    run = runs.facts(run, (runs.end("client", 101, (101, 1, 500, "close", 101)), runs.end("server", 200, (200, 1, 500, "close", 200))), calls=calls, learnt=False)
    assert kinds(f"client: {said}\nserver: x", run) == kind


@pytest.mark.parametrize("option, brought, known", [("MSG_WAITALL", 3, True), ("MSG_WAITALL", 9, False), ("", 3, False)])
def test_a_read_that_was_to_wait_for_all_tells_of_an_end_by_what_is_missing(option, brought, known):
    run = runs.spread(runs.run("client@101#1: EOF after 3 of 9 bytes\nserver@200#1: x", ENDS))
    ends = runs.end("client", 101, (101, 1, 500, "close", 101)), runs.end("server", 200, (200, 1, 500, "close", 200))
    run = runs.facts(run, ends, calls=f"5-6 client@101#1 recvfrom 9 = {brought}", learnt=False)
    run = replace(run, calls=tuple(replace(one, option=option) for one in run.calls))
    assert kinds("client: `EOF after 3 of 9 bytes`\nserver: x", run) == ([] if known else ["unheard"])


def test_a_connect_that_no_line_announces_is_told_before_who_accepted_it():
    log = "client@101#1: connecting\nclient@101#1: a\nserver@200#2: accepted"
    run = made(log, "15-16 client@101#1 connect 0 = 0\n25-26 client@101#2 connect 0 = 0")
    run = replace(run, connections=(*run.connections, replace(run.connections[0], number=2)))
    rules = "client: connecting\nclient: a\nserver: EOF"
    assert kinds(rules, run)[:1] == ["act"] and "the client called connect, and no line of it says so" in told(rules, run)
    said = replace(run, events=tuple(replace(e, text="connecting") if e.text == "a" else e for e in run.events))
    assert "act" not in kinds("client: connecting\nclient: connecting\nserver: EOF", said)


@pytest.mark.parametrize("log, server", [
    ("server@200#1: EOF", "server: received"), ("server@200#1: accepted", "server: received"), ("server@200#2: accepted", "server: received")])
def test_a_connect_that_no_line_announces_is_told_first_whichever_connection_the_server_speaks_of(log, server):
    run = made(f"client@101#1: connecting\nclient@101#1: a\n{log}", "15-16 client@101#1 connect 0 = 0\n25-26 client@101#2 connect 0 = 0\n27-28 client@101#2 write 3 = 3")
    run = replace(run, connections=(*run.connections, replace(run.connections[0], number=2)))
    assert [(d.kind, d.act) for d in found(f"client: connecting\nclient: a\n{server}", run)[:1]] == [("act", 25)]
    wrote = replace(run, calls=(*run.calls, runs.call("17-18 client@101#1 write 3 = 3")))
    assert ("act" in kinds(f"client: connecting\nclient: a\n{server}", wrote)) is ("#2" in log)


@pytest.mark.parametrize("result, hinted", [("ECONNREFUSED", False), ("EINPROGRESS", True), ("0", True)])
def test_a_line_that_tells_of_a_connection_behind_a_failed_connect_gets_no_hint(result, hinted):
    rules = "client: connecting\nclient: failed\n    ? [connected] M16: Who listens?\nserver: x"
    run = made("client@101: connecting\nclient@101: connected\nserver@200#1: x", f"15-16 client@101#0 connect 0 = {result}")
    run = replace(run, events=tuple(replace(e, kind="conn") if e.text == "connected" else e for e in run.events))
    assert bool(found(rules, run)[0].hints) is hinted


def test_what_a_program_did_behind_a_line_too_many_is_no_reason_for_it():
    rules = "client: x\nserver: hanging"
    run = made("client@101#1: x\nserver@200#1: hanging\nserver@200#1: reading data", "22-23 server@200#0 nanosleep 0 = 0\n35-36 server@200#1 write 3 = 3", client=(101, 1, 15, "close", 101))
    run = replace(run, calls=tuple(replace(c, limit=1.0) if c.name == "nanosleep" else c for c in run.calls), wire=True,
                  segments=tuple(replace(s, seq=seq) for s, seq in zip(runs.segments("client FA, server A 1+3, client R"), (16, 37, 38))))
    words_ = told(rules, run)
    assert "Before that line the server slept. That sleep was over, and it went on." in words_ and "Nobody could read" not in words_


def test_who_was_to_send_first_is_told_before_who_waits_for_it():
    waits = tuple(Waiting(who, pid, pid, "read", 4, 1, "", "") for who, pid in (("client", 101), ("server", 200)))
    run = made("client@101#1: a\nserver@200#1: a", stop=Stop("deadlock", cycle=("client", "server"), waiting=waits), ends="client@101: waiting in read, server@200: waiting in read")
    first = found("server: a\nserver: Received b\nclient: a\nclient: sending b\nclient: Received c", run)[0]
    assert (first.who, first.expected) == ("client", "sending b")


def test_what_is_written_late_is_written():
    log = 'client@101#1: sending "ab"\nclient@101#1: sending "cd"'
    assert kinds('client: sending "ab"\nclient: sending "cd"', made(log, "21-22 client@101#1 write 4 = 4")) == []


def test_a_contract_that_counts_what_was_written_is_kept_whatever_the_lines_announce():
    run = made('client@101#1: sending "ab"\nserver@200#1: x', "11-12 client@101#1 write 2 = 1")
    assert "unwritten" not in kinds('client: sending "ab"\nserver: x\nbytes: client -> server = 1', run)
    assert "unwritten" in kinds('client: sending "ab"\nserver: x\nbytes: client -> server = 2', run)


def test_the_words_for_bytes_that_never_left_do_not_say_that_they_were_there():
    rules = 'client: sending "ab"\nserver: received "ab" after client: sending "ab"'
    text = told(rules, made('client@101#1: sending "ab"\nserver@200#1: reading data'))
    assert "which announces 2 bytes; it wrote none on connection 1" in text and "It was there" not in text


@pytest.mark.parametrize("calls, kind", [
    ("15-16 server@200#1 read 99 = 2", []), ("15-16 server@200#1 read 99 = 1", ["miscount"]), ("", ["miscount"]),
    ("15-16 server@200#1 read 9 = 9", []), ("14-14 server@200#1 recvfrom MSG_PEEK = 2\n25-26 server@200#1 read 2 = 2", []),
    ("14-14 server@200#1 recvfrom MSG_PEEK = 2\n15-16 server@200#1 read 1 = 1", ["miscount"])],
    ids=["right", "fewer", "none", "more", "peeked, and taken later", "peeked, and not taken"])
def test_what_lines_say_was_received_is_set_against_what_was_read(calls, kind):
    run = made('client@101#1: connecting\nserver@200#1: received "ab"', calls)
    assert kinds('client: connecting\nserver: received "ab"', run) == kind


@pytest.mark.parametrize("text, data, kind", [
    ('sending "ab"', "ab", []), ('sending "ab"', "xy", ["unlike"]), ('sending "a\\n"', "a\n", []), ('sending "a\\n"', "an", ["unlike"]), ('sending "\\0\\5"', "\0\5", []),
    ('sending "ab" and "cd"', "xy", []), ("sending two bytes", "xy", []), ('sending "a... (2 bytes)', "xy", []), ('sending "abc"', "xy", [])])
def test_bytes_that_a_line_quotes_are_set_against_the_bytes_that_were_written(text, data, kind):
    run = made(f"client@101#1: {text}\nserver@200#1: x", "11-12 client@101#1 write 2 = 2")
    run = replace(run, events=tuple(replace(e, count=2 if e.kind == "send" else e.count) for e in run.events),
                  calls=tuple(replace(c, data=data) for c in run.calls))
    assert kinds(f"client: `{text}`\nserver: x", run) == kind


def test_bytes_of_an_earlier_line_that_are_written_late_are_not_set_against_a_later_line():
    log = 'client@101#1: sending "ab"\nclient@101#1: sending "cd"'
    run = made(log, "21-22 client@101#1 write 2 = 2\n23-24 client@101#1 write 2 = EPIPE")
    assert "unlike" not in kinds('client: sending "ab"\nclient: sending "cd"', replace(run, calls=tuple(replace(c, data="ab") for c in run.calls)))


@pytest.mark.parametrize("count, read, kind", [(3, 3, []), (2, 3, ["miscount"]), (2, 2, []), (2, 5, [])])
def test_a_line_that_names_one_number_and_counts_another_is_set_against_its_read(count, read, kind):
    run = made("client@101#1: x\nserver@200#1: Received 3 bytes", f"5-6 server@200#1 read 99 = {read}")
    run = replace(run, events=tuple(replace(e, kind="recv", count=count) if e.text != "x" else e for e in run.events))
    assert kinds("client: x\nserver: Received 3 bytes", run) == kind


# --- ends that somebody brought about without a word ---

def test_a_half_close_of_ones_own_is_told_before_the_write_that_failed_of_it():
    log = "server@200#1: reading data\nserver@200#1: Error writing: EPIPE\nclient@101#1: x"
    run = made(log, "11-12 server@250#1 shutdown SHUT_WR = 0\n13-14 server@200#1 write 2 = EPIPE")
    rules = "server: reading data\nserver: closing\nclient: x"
    assert kinds(rules, run) == ["act", "unexpected"] or kinds(rules, run) == ["act", "missing"]
    said = made("server@200#1: shutting down SHUT_WR\n" + log, "11-12 server@200#1 shutdown SHUT_WR = 0\n33-34 server@200#1 write 2 = EPIPE")
    assert "act" not in kinds("server: shutting down SHUT_WR\n" + rules, said)


def test_a_half_close_that_no_line_tells_is_told_before_the_luck_of_the_line_that_came_first():
    log = "client@101#1: reading data\nclient@101#1: closing\nserver@200#1: EOF"
    run = made(log, "11-12 client@101#1 shutdown SHUT_WR = 0\n15-16 server@200#1 read 9 = 0\n27-28 client@101#1 close 0 = 0")
    run = replace(run, connections=(replace(run.connections[0], opener=replace(run.connections[0].opener, shut=11)),))
    assert kinds("client: reading data\nclient: closing\nserver: EOF after client: closing", run)[:1] == ["act"]



def test_an_end_of_reading_of_ones_own_making_is_refused():
    rules, log = "client: reading data\nclient: EOF", "client@101#1: reading data\nclient@101#1: EOF"
    read = "15-16 client@101#1 read 9 = 0"
    assert kinds(rules, made(log, "5-6 client@101#1 shutdown SHUT_RD = 0\n" + read)) == ["deaf"]
    assert kinds(rules, made(log, read + "\n17-18 client@101#1 shutdown SHUT_RDWR = 0")) == []
    assert kinds(rules, made(log, "5-6 client@101#1 shutdown SHUT_WR = 0\n" + read)) == []
    said = "client: shutting down SHUT_RD\nclient: EOF"
    assert kinds(said, made(said.replace("client:", "client@101#1:"), "11-12 client@101#1 shutdown SHUT_RD = 0\n15-16 client@101#1 read 9 = 0")) == []


def test_a_half_close_that_no_line_tells_is_told_before_the_eof_that_it_brought():
    log = "client@101#1: reading data\nserver@200#1: EOF"
    run = made(log, "11-12 client@101#1 shutdown SHUT_WR = 0\n15-16 server@200#1 read 9 = 0")
    client = replace(run.connections[0].opener, shut=11)
    run = replace(run, connections=(replace(run.connections[0], opener=client),))
    assert kinds("client: reading data\nserver: reading data", run)[:2] == ["act", "missing"]
    assert "the client called shutdown(SHUT_WR), and no line of it says so" in told("client: reading data\nserver: reading data", run)
    assert kinds("client: reading data\nserver: EOF", run) == []


def test_a_program_that_ended_early_is_told_before_the_eof_that_follows_from_it():
    log = "client@101#1: sending \"ab\"\nserver@200#1: EOF"
    run = made(log, "11-12 client@101#1 write 2 = 2\n17-18 server@200#1 read 9 = 0", client=(101, 1, 15, "exit", 0))
    rules = 'server: reading data\nclient: sending "ab"\nclient: reading data'
    assert [(d.kind, d.who) for d in found(rules, run)][:2] == [("missing", "client"), ("missing", "server")]


def test_a_close_that_sent_a_reset_is_told_before_who_read_it():
    log = "client@101#1: closing\nserver@200#1: Error reading: ECONNRESET"
    calls = "11-15 client@101#1 close 0 = 0\n17-18 server@200#1 read 9 = ECONNRESET"
    run = made(log, calls, client=(101, 1, 15, "close", 101))
    assert kinds("client: closing\nserver: EOF after client: closing", run)[:1] == ["reset"]
    assert kinds("client: closing\nserver: Error reading: ECONNRESET", run) == []


def test_a_close_that_sent_a_reset_is_told_where_only_a_write_failed():
    log = "server@200#1: closing\nclient@101#1: sending \"ab\""
    calls = "11-15 server@200#1 close 0 = 0\n21-22 client@101#1 write 2 = ECONNRESET"
    run = made(log, calls, server=(200, 1, 15, "close", 200), ends="client@101: exit 1, server@200: waiting in accept", wire="client S, server SA, client A, server R")
    run = replace(run, segments=tuple(replace(s, seq=15 if "R" in s.flags else s.seq) for s in run.segments))
    rules = 'server: closing\nclient: sending "ab"\nclient: EOF after server: closing\nwire: server FIN'
    assert kinds(rules, run)[:2] == ["reset", "missing"]
    assert "the server's close sent a reset (RST), and the client was to read EOF" in told(rules, run)
    with_fin = replace(run, segments=tuple(replace(s, flags="F") if "R" in s.flags else s for s in run.segments))
    assert "reset" not in kinds(rules, with_fin)


def test_a_close_that_sent_a_reset_is_told_after_what_came_while_it_began():
    log = "client@101#1: connected\nclient@101#1: sending \"ab\"\nserver@200#1: closing\nclient@101#1: Error reading: ECONNRESET"
    calls = "32-33 client@101#1 write 2 = 2\n31-36 server@200#1 close 0 = 0\n38-39 client@101#1 read 9 = ECONNRESET"
    run = made(log, calls, server=(200, 1, 31, "close", 200), wire="client S, server SA, client A, server R")
    run = replace(run, segments=tuple(replace(s, seq=35 if "R" in s.flags else s.seq) for s in run.segments))
    rules = 'client: connected\nclient: pausing 5 s\nclient: sending "ab"\nclient: EOF after server: closing\nserver: closing\nwire: server FIN'
    assert kinds(rules, run)[:2] == ["missing", "reset"]     # the server had nothing unread before the client left the contract


def test_a_close_that_comes_too_early_is_told_by_the_call_that_then_failed_also_where_it_sent_a_reset():
    log = "server@200#1: answering\nserver@200#1: Error reading: EBADF"
    calls = "11-12 server@200#1 close 0 = 0"
    rules = 'server: answering\nserver: received "world"\nwire: server FIN'

    def first(calls):
        run = made(log, calls, server=(200, 1, 12, "close", 200), wire="client S, server SA, client A, server R")
        return kinds(rules, replace(run, segments=tuple(replace(s, seq=12 if "R" in s.flags else s.seq) for s in run.segments)))[:2]
    assert first(f"{calls}\n15-16 server@200#0 read 9 = EBADF") == ["missing", "reset"]
    assert first(calls) == ["reset", "missing"]


def test_a_printed_line_stands_before_what_came_of_its_programs_end_however_late_the_lab_reads_it():
    log = "server@200#1: accepted\nclient@101#1: connected\nserver@200#1: received other"
    calls = "21-22 server@200#1 close 0 = 0\n23-24 client@101#1 read 9 = ECONNRESET"
    run = made(log, calls, client=(101, 1, 26, "exit", 0), server=(200, 1, 22, "close", 200), ends="client@101: exit 1, server@200: exit 0",
               wire="client S, server SA, client A, server R")
    run = replace(run, segments=tuple(replace(s, seq=22 if "R" in s.flags else s.seq) for s in run.segments),
                  events=tuple(replace(e, kind="output", connection=0, source="") for e in run.events))
    rules = 'client: connected\nclient: received "x"\nserver: accepted\nserver: received "abc"\nwire: server FIN'
    assert [(d.kind, d.who) for d in found(rules, run)][:2] == [("missing", "server"), ("reset", "server")]


def test_a_line_that_a_program_printed_before_it_ended_stands_before_its_end():
    log = "server@200#1: accepted\nclient@101#1: connected\nserver@200#1: received other"
    run = made(log, "23-24 client@101#1 read 9 = ECONNRESET", client=(101, 1, 26, "exit", 0), server=(200, 1, 22, "exit", 0), ends="client@101: exit 1, server@200: exit 1")
    run = replace(run, events=tuple(replace(e, kind="output", connection=0, source="") for e in run.events))
    rules = 'client: connected\nclient: received "x"\nserver: accepted\nserver: received "abc"'
    assert [(d.who, d.at) for d in found(rules, run)] == [("server", 21), ("client", 26)]


def test_a_close_that_sent_a_fin_is_told_before_who_was_to_read_a_reset():
    log = "server@200#1: closing\nclient@101#1: EOF"
    run = made(log, "11-15 server@200#1 close 0 = 0\n17-18 client@101#1 read 9 = 0", server=(200, 1, 15, "close", 200))
    rules = "server: closing\nclient: Error reading: ECONNRESET after server: closing"
    assert kinds(rules, run)[0] == "reset" and "the server's close sent a FIN, and the client was to read ECONNRESET" in told(rules, run)
    reset = replace(run, calls=tuple(replace(c, error="ECONNRESET", result=-1) if c.name == "read" else c for c in run.calls))
    assert "reset" not in kinds(rules, reset)       # it says EOF of a reset


@pytest.mark.parametrize("calls, kind", [
    ("12-13 server@250#1 close 0 = 0\n15-16 server@200#1 close 0 = 0", ["act", "order"]), ("15-16 server@200#1 shutdown SHUT_WR = 0", ["act", "order"]),
    ("15-16 server@200#1 close 0 = 0\n35-36 server@250#1 close 0 = 0", ["order"])])
def test_what_brought_an_eof_too_early_is_told_before_it(calls, kind):
    log = "server@200#1: closing\nclient@101#1: EOF\nserver@250#1: helper ends"
    run = made(log, calls + "\n17-18 client@101#1 read 9 = 0", server=(200, 1, 16, "close", 200))
    rules = "server: closing\nserver: helper ends\nclient: EOF after server: helper ends"
    assert kinds(rules, run)[:2] == kind
    forked = replace(run, children=(Ending(90, 0, "server", 250, "exit 0", -1, True),))
    assert ("the server's child process called close" in told(rules, forked)) is ("12-13" in calls)


# --- which comes first ---

def test_two_departures_that_do_not_follow_from_each_other_are_told_in_the_contracts_order():
    rules = "server: a\nserver: b\nclient: a\nclient: b"
    one = made("server@200#1: a\nserver@200#1: x\nclient@101#1: a\nclient@101#1: y")
    other = made("client@101#1: a\nclient@101#1: y\nserver@200#1: a\nserver@200#1: x")
    assert found(rules, one)[0].who == found(rules, other)[0].who == "server"


def test_what_was_read_after_the_others_departure_follows_from_it():
    rules = "server: a\nserver: b\nclient: a\nclient: b"
    log = "client@101#1: a\nclient@101#1: y\nserver@200#1: a\nserver@200#1: x"
    read = "21-22 client@101#1 write 2 = 2\n35-36 server@200#1 read 9 = 2"
    assert found(rules, made(log, read))[0].who == "client"


def test_a_wrong_number_of_bytes_is_told_before_the_line_that_waits_for_the_rest():
    rules = "server: b\nclient: a\nclient ends: exit 0\nbytes: client -> server = 3"
    run = made("client@101#1: a\nserver@200#1: x", "11-12 client@101#1 write 2 = 2\n15-16 server@200#1 read 9 = 2")
    assert kinds(rules, run)[0] == "bytes" and found(rules, run)[0].act == 11
    went_on = made("client@101#1: a\nserver@200#1: x\nclient@101#1: y", "11-12 client@101#1 write 2 = 2\n15-16 server@200#1 read 9 = 2")
    assert kinds(rules, went_on)[0] == "bytes" and [e.text for e in found(rules, went_on)[0].witnesses] == ["x"]
    failed = made("client@101#1: a\nserver@200#1: x", "11-12 client@101#1 write 2 = 2\n13-14 client@101#1 write 1 = EPIPE")
    assert kinds(rules, failed)[0] == "missing"


def test_who_left_the_contract_before_its_peer_made_a_second_connection_is_told_before_the_bytes_that_lack_there():
    rules = "client: a\nclient: connecting\nserver[1]: a\nserver[2]: a\nserver[2]: sending \"xy\"\nbytes: server -> client = 4"
    run = made("client@101#1: a\nserver@200#1: a\nclient@101#1: y", "11-12 server@200#1 write 2 = 2\n13-14 client@101#1 read 9 = 2")
    assert kinds(rules, run)[0] == "missing" and found(rules, run)[0].who == "client" and "bytes" in kinds(rules, run)


def test_a_byte_0_at_the_end_is_told_only_where_it_is_one_too_many():
    run = made("client@101#1: a\nserver@200#1: b", "11-12 client@101#1 write 3 = 3")
    run = replace(run, calls=tuple(replace(call, data="ab\0") for call in run.calls))
    for most, slip in ((2, True), (4, False), (1, False)):
        assert ("count the byte 0" in told(f"client: a\nserver: b\nbytes: client -> server = {most}", run)) is slip


# --- told kindly ---

@pytest.mark.parametrize("log, extra", [("a|my own note|b", True), ("a|b|my own note", True), ("a|closing|b", False), ("a|Error: x|b", False), ("a|my own note|c", False)])
def test_one_line_more_is_said_to_be_that(log, extra):
    run = runs.run("\n".join(f"client: {line}" for line in log.split("|")))
    assert ("For notes of your own, write to standard error" in told("client: a\nclient: b", run)) is extra


def test_a_wait_in_poll_for_the_connection_is_as_good_as_one_in_read():
    def run(connection: int, state: str = ""):
        waits = Waiting("server", 200, 200, "poll", 5, connection, "client", "")
        sockets = (Socket(0, "server", 200, 5, 0, state, "127.0.0.1:8080", "", 0, 0, 0),) if state else ()
        return runs.run("server: a", "server: waiting in poll", Stop("waiting", waiting=(waits,), sockets=sockets))
    assert kinds("server: a\nserver ends: waiting in read", run(1)) == [] and kinds("server: a\nserver ends: waiting in accept", run(1)) == ["ends"]
    assert kinds("server: a\nserver ends: waiting in accept", run(0, "LISTEN")) == [] and kinds("server: a\nserver ends: waiting in read", run(0)) == ["ends"]


def test_a_sleep_in_place_of_a_pause_is_said_to_be_one():
    rules, log = "client: a\nclient: pausing 5 s\nclient: b", "client@101#1: a\nclient@101#1: b"
    run = made(log)
    slept = replace(run, calls=(Call(12, 0, "client", 101, 101, "clock_nanosleep", limit=10**9, returned=15),))
    assert "It slept in place of that" in told(rules, slept) and "slept" not in told(rules, run)


def test_a_line_that_only_says_that_it_pauses_is_told_as_such():
    rules = "server: a\nclient: pausing 5 s\nclient: b after clock: server: a"
    paused = made("client@101#1: pausing 5 s\nclient@101#1: b\nserver@200#1: a")
    said = replace(paused, events=tuple(replace(e, kind="note", count=0, resumed_after=-1) for e in paused.events))
    lucky = replace(said, events=(said.events[2], *said.events[:2]))
    lucky = replace(lucky, events=tuple(replace(e, seq=10 * n) for n, e in enumerate(lucky.events, 1)))
    assert 'client said "pausing 5 s", and did not pause' in told(rules, lucky)
    assert 'client said "pausing 5 s", and did not pause' in told(rules, said) and "did not pause" not in told(rules, paused)


# --- a broken pipe, and hints ---

def test_a_program_that_died_of_a_broken_pipe_has_crashed_unless_the_contract_asks_for_it():
    run = runs.run("client: a", "client: signal PIPE")
    assert judge.judge(run, contract.parse("client: a\nclient: b")).word == "crash"
    assert judge.judge(run, contract.parse("client: a\nclient ends: signal PIPE")).word == "as expected"
    child = replace(runs.run("client: a"), children=(Ending(90, 0, "server", 250, "signal PIPE", -1, True),))
    assert judge.judge(child, contract.parse("client: a")).word == "crash"


RULES = "client: b\n    ? [EOF... | waiting in read] M05: Who?\n    ? [c...] And who?\nclient: z"


@pytest.mark.parametrize("log, ends, hints", [
    ("client: EOF", "client: exit 0", ("M05: Who?",)), ("client: cd", "client: exit 0", ("And who?",)), ("client: x", "client: exit 0", ())])
def test_a_hint_is_shown_only_where_it_fits_what_was_seen(log, ends, hints):
    assert found(RULES, runs.run(log, ends))[0].hints == hints


def test_a_program_that_failed_before_the_line_gets_no_hint_for_it():
    rules = "client: a\nclient: b\n    ? Who?"
    assert found(rules, runs.run("client: a", "client: exit 1"))[0].hints == ()
    assert found(rules, runs.run("client: a", "client: exit 0"))[0].hints == ("Who?",)
