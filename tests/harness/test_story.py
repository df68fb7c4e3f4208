"""The story of a run: what came through, by calls where they were seen and else by lines; how everybody ended; nothing false, nothing twice."""
from __future__ import annotations

from dataclasses import replace

import pairs
import pytest

import runs
from harness.explore import schedules
from harness.judge import comparison, contract, findings
from harness.judge.findings import Finding
from harness.tell import explored, story, words
from harness.trace import Output

TWO = 'client@101#1: sending "ab"\nserver@200#1: {}\nclient@101#1: sending "efg"'
BOTH = "11-12 client@101#1 write 2 = 2\n31-32 client@101#1 write 3 = 3"


def called(log: str, calls: str, ends: str = "client@101: exit 0, server@200: waiting in accept", **more):
    """A client and a server with one connection, whose calls were seen."""
    client, server = runs.end("client", 101, (101, 1, -1, "", 0)), runs.end("server", 200, (200, 1, -1, "", 0))
    return runs.facts(runs.spread(runs.run(log, ends, **more)), (client, server), calls=calls)


def first(made) -> str:
    return story.happened(made)[0]


# --- from calls ---

def test_what_came_through_is_what_the_calls_moved():
    read = "\n41-42 server@200#1 read 99 = 5"
    assert first(called(TWO.format("x"), BOTH + read)) == "From client to server: 5 of 5 bytes came through."
    assert first(called(TWO.format("x"), BOTH)) == "From client to server: nothing came through (0 of 5 bytes)."


def test_the_messages_are_shown_where_the_lines_count_what_the_calls_read():
    log = 'client@101#1: sending "ab"\nserver@200#1: received "ab"'
    read = "11-12 client@101#1 write 2 = 2\n13-14 server@200#1 read 99 = 2"
    assert first(called(log, read)) == 'From client to server: "ab" came through (2 of 2 bytes).'
    more = read.replace("write 2 = 2", "write 5 = 5").replace("read 99 = 2", "read 99 = 5")
    assert first(called(log, more)) == 'From client to server: "ab" came through; the server read 5 of 5 bytes, and its lines tell of 2.'


@pytest.mark.parametrize("calls, whole", [
    ("11-12 client@101#1 write 2 = 2\n31-32 client@101#1 write 3 = EPIPE", "0 of 2 bytes"),
    ("11-12 client@101#1 write 2 = 2\n31-32 client@101#1 write 3 = 1", "0 of 3 bytes"),
    ("11-12 client@101#1 write 2 = 2\n31- client@101#1 write 3", "0 of 2 bytes")], ids=["failed", "partial", "waits"])
def test_only_what_a_write_returned_is_said_to_be_written(calls, whole):
    assert first(called(TWO.format("x"), calls)) == f"From client to server: nothing came through ({whole})."


def test_bytes_that_were_announced_only_were_not_written():
    assert first(called(TWO.format("x"), "")) == "From client to server: no byte was written."


def test_more_is_never_said_to_come_of_less():
    assert first(called(TWO.format("x"), "11-12 server@200#1 read 99 = 4")) == "From client to server: 4 bytes came through."


# --- from lines, where the calls were not seen ---

def test_without_calls_the_lines_are_told_as_lines():
    log = 'server: x\nclient: sending "ab"'
    assert first(runs.run(log)) == "From client to server: 2 bytes were announced; no line of the server tells of any."
    assert first(runs.run(log + '\nserver: received "ab"')) == 'From client to server: "ab" came through (2 of 2 bytes, by the lines).'
    assert first(runs.run(log + '\nserver: received "abc"')) == 'From client to server: "abc" came through (3 bytes, by the lines).'


def test_without_calls_and_lines_the_wire_tells():
    assert first(runs.run("client: a", wire="client S, client A 1+18")) == "From client to server: 18 bytes went over the wire."


# --- any cast ---

def test_two_processes_of_one_name_are_told_as_the_one_that_connects_and_the_one_that_accepts():
    made = replace(runs.run('peer@301#1: sending "ab"\npeer@302#1: received "ab"', ""), cast=runs.cast("peer 2 times"))
    made = replace(made, connections=runs.facts(made, (runs.end("peer", 301), runs.end("peer", 302))).connections)
    assert story.happened(made) == ['From connecting peer to accepting peer: "ab" came through (2 of 2 bytes, by the lines).']


# --- resets ---

def test_resets_of_many_connections_are_counted():
    told = story.happened(runs.run("client: a", wire="client S, server SA, server R, client S #2, server SA #2, client R #2, client S #3, server SA #3, server R #3, server R #3"))
    assert "The server's kernel sent a reset (RST) on 2 connections: they take nothing any more." in told
    assert "The client's kernel sent a reset (RST): this connection takes nothing any more." in told


@pytest.mark.parametrize("number", ["", " #0"])
def test_a_refused_connect_is_no_connection_that_takes_nothing_any_more(number):
    told = story.happened(runs.run("client: a", wire=f"client S{number}, server R{number}"))
    assert told[0].startswith("A connect") and "refused" in told[0]
    assert not any("takes nothing" in line for line in told)


# --- how it ended, and what findings tell ---

def test_how_everybody_ended_is_always_said():
    told = story.happened(runs.run("client: a", "client: signal SEGV, server: exit 3"))
    assert "died of SIGSEGV" in told[0] and "exit 3" in told[1] and len(told) == 2
    assert story.happened(runs.run("client: a")) == ["The client ended with exit 0.", "The server waits in accept, for the next client."]


def test_the_proof_of_a_deadlock_is_told_once(monkeypatch):
    assert sum("wait for each other" in line or "Proven" in line for line in story.happened(runs.stuck())) == 1
    monkeypatch.setattr(findings, "find", lambda run: ())
    assert sum("Proven" in line for line in story.happened(runs.stuck())) == 1


def test_what_a_finding_tells_is_not_told_again(monkeypatch):
    made = runs.run("client: a", "client: exit 1, server: waiting in accept", wire="client S, server S, server R")
    one = Finding("x", "The client ended by itself, with exit 1, after a reset.", (2, 900), 2, source="client.c:8")
    monkeypatch.setattr(findings, "find", lambda run: (one,))
    assert story.happened(made) == [f"{one.words} (client.c:8)", "The server waits in accept, for the next client."]


def test_bytes_that_are_no_text_are_shown_as_numbers():
    made = replace(runs.run("client: a", ""), stop=replace(runs.run("client: a").stop, kind="runaway", words="it said \x1b[2J"))
    assert story.happened(made) == ["It said \\x1b[2J."]


def test_a_story_has_three_to_six_lines():
    stories = [story.happened(r) for r in (runs.stuck(), runs.run(runs.HALF_CLOSE), runs.run(runs.BREAK, wire="client S, server S, server R"))]
    assert all(3 <= len(told) <= 6 for told in stories)


# --- what a contract asks for ---

BOTH_WAIT = """server: listening
server: accepted
client: connected
client ends: waiting in read
server ends: waiting in read
bytes: client -> server = 5
"""
PIPE = """server: listening
server: accepted
server: closing
client: connected
client: read 0
server ends: waiting in read
client ends: signal PIPE
"""


def reasons(tmp_path, rules: str, client: str, server: str) -> str:
    made, loaded = pairs.run(tmp_path, client, server), contract.parse(rules)
    return words.tell(comparison.judge(made, loaded), made, loaded, reproduce="make check-4")


@pytest.mark.parametrize("asked", [True, False])
def test_a_deadlock_that_the_contract_asks_for_is_no_reason(tmp_path, asked):
    told = reasons(tmp_path, BOTH_WAIT + "deadlock: client, server" * asked, "connect; readall 1", "listen; accept; readall 1")
    assert ("wait for each other" in told) is not asked


@pytest.mark.parametrize("asked", [True, False])
def test_a_signal_and_a_reset_that_the_contract_asks_for_are_no_reason(tmp_path, asked):
    rules = PIPE + "wire: server RST" if asked else PIPE.replace("signal PIPE", "exit 0")
    told = reasons(tmp_path, rules, "connect; read 1; write 1; slow 50; write 1", "listen; accept; close; accept")
    assert ("SIGPIPE" in told) is not asked and "answered with a reset" not in told


def test_a_wait_short_of_the_last_line_is_a_reason_though_the_contract_ends_in_one(tmp_path):
    rules = BOTH_WAIT.replace("bytes: client -> server = 5", "server: got it")
    assert "no newline" in reasons(tmp_path, rules, "connect; text hello; readall 1", "listen; accept; readall 100")


# --- nothing twice, and no riddles ---

def test_a_refused_connect_is_told_once(tmp_path):
    made = pairs.run(tmp_path, "connect", "print hello")
    assert sum("nobody listened there" in line for line in story.happened(made)) == 1


def test_no_bytes_are_no_message(tmp_path):
    log = 'client@101#1: sending "ab"\nserver@200#1: received "ab"\nserver@200#1: received ""'
    made = called(log, "11-12 client@101#1 write 2 = 2\n13-14 server@200#1 read 99 = 2")
    assert first(made) == 'From client to server: "ab" came through (2 of 2 bytes).'


def test_one_of_several_is_named_without_an_article():
    made = runs.run("client: connecting\nserver: listening\nserver#1: hello\nserver#1: closing")
    rules = contract.parse("client: connecting\nserver: listening\nserver[1]: hello\nserver[1]: goodbye")
    told = words.tell(comparison.judge(made, rules), made, rules, reproduce="make check-4")
    assert "server[1]" in told and "the server[1]" not in told.lower()


def test_a_signal_says_itself_that_it_was_a_crash(tmp_path):
    made = pairs.run(tmp_path, "connect; close", "listen; accept; crash")
    told = explored.how_it_ended(schedules.outcome_of(made, {}))
    assert "signal SEGV" in told and "; crash" not in told


def test_a_long_printed_line_leaves_no_empty_line_in_a_narrow_verdict():
    printed = (Output(1, 1, "client", "stdout", "hallo " * 12), Output(2, 2, "server", "stdout", "listening"))
    made = replace(runs.run("", ends="client: exit 0"), outputs=printed)
    rules = contract.parse("client: hello\nserver: listening")
    told = words.tell(comparison.judge(made, rules), made, rules, reproduce="make check-4", width=60, fold=True)
    assert "hallo hallo" in told and "  seen    client" in told and all(line.strip() for line in told.splitlines()), told
