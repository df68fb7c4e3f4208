"""Which connection is meant, and who holds it: over fork, dup and threads, and where a pair of addresses is used again."""
from __future__ import annotations

import pytest

from harness.judge import causes
from harness.judge import comparison as judge
from harness.judge import contract
from harness.observe.connections import Registry
from harness.tell import words
from pairs import run

A, B = "127.0.0.1:41000", "127.0.0.1:8080"
IN_TURN = ("from 5001; connect; say 5; hear 9; hear 9; hush; connect; say 7; hear 9; hear 9; hush",
           "listen; accept; hear 5; say 9; close; accept; hear 7; say 9; close; closelistener")
HELPER = ("connect; hear 4; hear 4; close",
          "listen; accept; fork; pause 5; event helper exiting; exit 0; end; say 4; close; closelistener; wait")
CHILD = ("connect; say 5; hear 3; hear 3; close", "listen; accept; fork; event serving; hear 5; say 3; event done; end; hush; closelistener; wait")
ORPHAN = ("connect; say 5; fork; setsid; pause 2; abort; end; event leaving; exit 0", "listen; accept; hear 5; hear 5; close; closelistener")


def observed(made):
    if not made.observed:
        pytest.skip(f"system calls can't be looked at here: {made.notes}")
    return made


def told(made, rules):
    wanted = contract.parse(rules)
    verdict = judge.judge(made, wanted)
    return verdict, words.tell(verdict, made, wanted, reproduce="make check-99")


# --- the registry alone ----------------------------------------------------------------------------------------------

def test_a_connection_is_made_by_connect_and_accept_whichever_is_seen_first():
    for first in ("connect", "accept"):
        made = Registry()
        steps = {"connect": lambda: made.connected(5, "client", 10, 100, A, B), "accept": lambda: made.accepted(6, "server", 20, 200, B, A)}
        numbers = [steps[first](), *(step() for name, step in steps.items() if name != first)]
        assert numbers == [1, 1]
        (one,) = made.records()
        assert (one.opener.who, one.acceptor.who, one.opener.address, one.acceptor.address) == ("client", "server", A, B)


def test_a_pair_of_addresses_that_is_used_again_is_a_new_connection():
    made = Registry()
    assert made.connected(1, "client", 10, 100, A, B) == made.accepted(2, "server", 20, 200, B, A) == 1
    assert made.connected(3, "client", 10, 101, A, B) == made.accepted(4, "server", 20, 201, B, A) == 2
    made.has(5, 1, 11, 100)
    made.has(6, 4, 21, 201)
    assert (made.number_of(1, 11), made.number_of(4, 21)) == (1, 2)


def test_an_accept_that_comes_late_takes_the_oldest_connection():
    made = Registry()
    for place in (1, 2):
        made.syn(A, B)
        made.answered(B, A)
    assert made.accepted(3, "server", 20, 200, B, A) == 1
    assert made.accepted(4, "server", 20, 201, B, A) == 2


def test_the_last_holder_is_the_one_whose_last_descriptor_goes_last():
    made = Registry()
    made.who.update({20: "server", 21: "server"})
    made.has(1, 20, 4, 200)
    made.accepted(1, "server", 20, 200, B, A)
    made.forked(2, 20, 21)
    made.has(3, 20, 9, 200)         # dup
    made.closed(4, 20, 20, 4)
    made.closed(5, 20, 20, 9)
    made.ended(6, 21)
    holders = made.records()[0].acceptor.holders
    assert [(h.pid, h.since, h.until, h.how) for h in holders] == [(20, 1, 5, "close"), (21, 2, 6, "exit")]


def test_exec_gives_up_what_is_close_on_exec():
    made = Registry()
    made.has(1, 20, 4, 200)
    made.accepted(1, "server", 20, 200, B, A)
    made.executed(2, 20, [0, 1, 2])
    assert [(h.until, h.how) for h in made.records()[0].acceptor.holders] == [(2, "exec")]


def test_a_refused_connect_is_no_connection():
    made = Registry()
    made.syn(A, B)
    assert made.of_segment(B, A) == 0
    assert made.records() == ()


def test_lines_alone_tell_the_two_ends():
    made = Registry()
    made.listens(B)
    assert made.said(1, "server", 20, B, A, True) == made.said(2, "client", 10, A, B, True) == 1
    assert (made.records()[0].opener.who, made.records()[0].acceptor.who) == ("client", "server")
    assert made.said(3, "client", 10, A, B, True) == made.said(4, "server", 20, B, A, True) == 2


# --- whole runs ------------------------------------------------------------------------------------------------------

def test_two_connections_in_turn_on_the_same_addresses_count_their_own_bytes(tmp_path):
    made = run(tmp_path / "pair", *IN_TURN)
    assert [(e.connection, e.count) for e in made.events if e.kind == "recv" and e.who == "server"] == [(1, 5), (2, 7)]
    if made.wire:
        assert [(s.connection, s.first, s.length) for s in made.segments if s.sender == "client" and s.length] == [(1, 1, 5), (2, 1, 7)]
    for n, count in ((1, 5), (2, 7)):
        verdict, text = told(made, f"others allowed\nserver: listening\nbytes: client -> server[{n}] = {count}\n")
        assert verdict.word == "as expected", text


def test_eof_comes_from_the_helper_that_keeps_the_connection(tmp_path):
    made = observed(run(tmp_path / "pair", *HELPER))
    rules = "others allowed\nserver: closing\nserver: helper exiting\nclient: received 4 bytes\nclient: EOF   after server: "
    verdict, text = told(made, rules + "helper exiting\n")
    assert verdict.word == "as expected", text
    verdict, text = told(made, rules + "closing\n")
    assert (verdict.word, verdict.differences[0].kind) == ("differs", "luck"), text
    assert "nothing guarantees it" not in text


def test_a_childs_lines_are_about_the_connection_that_its_parent_accepted(tmp_path):
    made = run(tmp_path / "pair", *CHILD)
    child = next(e.pid for e in made.events if e.text == "serving")
    assert {e.connection for e in made.events if e.pid == child} == {1}
    assert child != next(e.pid for e in made.events if e.text == "accepted")
    verdict, text = told(made, "others allowed\nclient: sending 5 bytes\nserver[1]: serving\nserver[1]: received 5 bytes after client: sending 5 bytes\nserver[1]: done\n")
    assert verdict.word == "as expected", text


def test_an_orphan_of_the_client_that_aborts_is_the_client(tmp_path):
    made = observed(run(tmp_path / "pair", *ORPHAN))
    assert {e.who for e in made.events if e.text == "closing" and e.seq < next(e.seq for e in made.events if e.text == "ECONNRESET")} == {"client"}
    if made.wire:
        assert [s.sender for s in made.segments if "R" in s.flags] == ["client"]
    reset = next(e for e in made.events if e.text == "ECONNRESET")
    aborted = next(e for e in made.events if e.text == "closing" and e.who == "client")
    assert causes.derive(made).forced(aborted.seq, reset.seq)
    leaving = next(e for e in made.events if e.text == "leaving")
    assert not causes.derive(made).forced(leaving.seq, reset.seq, clock=False)


def test_a_line_about_a_connection_that_was_reset_before_it_was_accepted_is_a_line(tmp_path):
    """The kernel does not tell any more who the peer was: getpeername(2) gives ENOTCONN."""
    made = run(tmp_path / "pair", "connect; say 5; abort", "listen; pause 1; accept; hear 5; hear-nothing")
    assert "accepted" in [e.text for e in made.events]
    assert not any("ignored" in note for note in made.notes)
