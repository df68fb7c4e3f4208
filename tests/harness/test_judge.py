"""Does the judge accept what the contract says, refuse what it does not say, and put the causally first difference first?"""
from __future__ import annotations

import itertools
import os
import random
import re
from dataclasses import replace

import pytest

import runs
from harness.judge import causes, contract
from harness.judge import comparison as judge
from harness.tell import story, words
from harness.tell.phrases import again
from harness.trace import Ending, Holder, Output, Role, Socket, Start, Stop, Waiting
from work import grows

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def scenario(name: str) -> contract.Contract:
    return contract.load(f"{ROOT}/scenarios/{name}/contract.txt")


def verdict(rules: str, run) -> judge.Verdict:
    return judge.judge(run, contract.parse(rules))


def first(rules: str, run) -> judge.Difference:
    return verdict(rules, run).differences[0]


def told(rules: str, run, **how: object) -> str:
    loaded = contract.parse(rules)
    return words.tell(judge.judge(run, loaded), run, loaded, reproduce="make check-4", **how)


def kept(rules: str, run) -> bool:
    return verdict(rules, run).word == "as expected"


# --- lines ---

def test_the_same_lines_are_as_expected():
    assert kept("client: a\nclient: b\nserver: x", runs.run("client: a\nserver: x\nclient: b"))


@pytest.mark.parametrize("log, kind, observed, expected", [
    ("client: a\nclient: b", "missing", None, "c"), ("client: a\nclient: c", "missing", "c", "b"),
    ("client: a\nclient: z\nclient: b\nclient: c", "unexpected", "z", "b"),
    ("client: a\nclient: b\nclient: c\nclient: d", "unexpected", "d", ""), ("client: b\nclient: a\nclient: c", "unexpected", "b", "a")])
def test_one_line_less_one_more_or_another_order_is_a_difference(log, kind, observed, expected):
    found = verdict("client: a\nclient: b\nclient: c", runs.run(log))
    difference, = found.differences
    assert (found.word, found.status, difference.kind, difference.expected) == ("differs", 1, kind, expected)
    assert (difference.observed.text if difference.observed else None) == observed


def test_dots_stand_for_any_characters():
    assert kept("client: got ... bytes", runs.run("client: got 5 bytes"))
    assert not kept("client: got ... bytes", runs.run("client: got 5 messages"))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_star_takes_one_or_more_lines(count):
    assert kept("client: got ... *\nclient: got 9\nclient: z", runs.run("client: got 1\n" * count + "client: got 9\nclient: z"))


def test_a_star_does_not_take_none():
    assert first("client: a *\nclient: b", runs.run("client: b")).expected == "a"


def test_every_line_of_a_star_comes_after_what_its_after_names():
    rules = "client: a\nserver: got ... *  after client: a"
    assert first(rules, runs.run("server: got 1\nclient: a\nserver: got 2")).found == "before"


def test_numbered_participants_have_lines_of_their_own():
    rules = "server: listening\nserver[1]: a\nserver[2]: b\nclient[1]: c\nclient[2]: d"
    assert kept(rules, runs.run("server: listening\nclient: c\nclient[2]: d\nserver[2]: b\nserver: a"))
    swapped = runs.run("server: listening\nclient: c\nclient[2]: d\nserver[2]: a\nserver: b")
    assert {d.who for d in verdict(rules, swapped).differences} == {"server[1]", "server[2]"}


def test_lines_of_a_third_client_are_one_more():
    rules = "client[1]: a\nclient[2]: a"
    assert first(rules, runs.run("client: a\nclient[2]: a\nclient[3]: a")).who == "client"


def test_others_allowed_lets_lines_come_between_and_keeps_the_order():
    rules = "client others allowed\nclient: a\nclient: b"
    assert kept(rules, runs.run("client: z\nclient: a\nclient: y\nclient: b\nclient: x"))
    assert first(rules, runs.run("client: b\nclient: a")).expected == "b"


def test_where_others_are_allowed_a_hint_fits_each_line_behind_the_last_of_the_contract():
    rules = "client others allowed\nclient: a\nclient: b\n    ? [c] Which?\n    ? [d] Why?\n    ? Whose?"
    for log, shown in (("client: c\nclient: a\nclient: d", "Why?"), ("client: a\nclient: d\nclient: c", "Why?"), ("client: c\nclient: a\nclient: e", "Whose?")):
        assert first(rules, runs.run(log)).hints == (shown,)


def test_others_allowed_for_one_does_not_hold_for_the_other():
    assert first("client others allowed\nserver: a", runs.run("server: a\nserver: b")).kind == "unexpected"


# --- after ---

def test_an_after_that_a_cause_forced_holds():
    rules = 'client: sending "a"\nserver: received "a"  after client: sending "a"'
    found = verdict(rules, runs.run('client: sending "a"\nserver: received "a"'))
    assert (found.word, found.orders) == ("as expected", 1)


def test_an_after_that_was_not_observed_is_an_order_difference():
    rules = 'client: sending "a"\nserver: received "a"  after client: sending "a"'
    assert first(rules, runs.run('server: received "a"\nclient: sending "a"')).kind == "order"


def test_an_after_that_nothing_forces_is_luck():
    rules, run = "client: a\nserver: b  after client: a", runs.run("client: a\nserver: b")
    assert first(rules, run).kind == "luck"
    assert "true this time, but nothing guarantees it" in told(rules, run)


def test_an_after_with_a_number_means_that_line():
    rules = 'server: writing response\nserver: writing response\nclient: Received "{}"  after server: writing response #{}'
    run = runs.run('server: writing response\nserver: writing response\nclient: Received "123456789012345678"')
    assert kept(rules.format("...", 1), run) and first(rules.format("...", 2), run).kind == "luck"


CLOCK = "client: pausing 5 s\nclient: y  after clock: server: x\nserver: x"


def test_after_clock_needs_the_pause():
    assert kept(CLOCK, runs.run("client: pausing 5 s\nserver: x\nclient: y"))
    assert first(CLOCK, runs.run("client: pausing 5 s\nclient: y\nserver: x")).kind == "order"
    assert first(CLOCK.replace("client: pausing 5 s\n", ""), runs.run("server: x\nclient: y")).kind == "luck"


def test_a_plain_after_must_not_lean_on_the_pause():
    run = runs.run("client: pausing 5 s\nserver: x\nclient: y")
    assert first(CLOCK.replace("clock: ", ""), run).found == "clock"


def test_after_clock_in_real_time_is_taken_as_observed():
    run = runs.run("client: pausing 5 s\nserver: x\nclient: y", mode="live")
    assert kept(CLOCK, replace(run, events=tuple(replace(e, resumed_after=-1) for e in run.events)))


# --- never, free, either ---

@pytest.mark.parametrize("rule, log, holds", [
    ("never: server: b", "server: a", True), ("never: server: b", "server: a\nserver: b", False),
    ("never: server: b after client: c", "server: b\nclient: c", True),
    ("never: server: b after client: c", "client: c\nserver: b", False),
    ("never: server: b before client: c", "client: c\nserver: b", True),
    ("never: server: b before client: c", "server: b\nclient: c", False),
    ("never: server: b before client: c", "server: b", False)])
def test_never_forbids_a_line_at_all_or_at_one_side_of_another(rule, log, holds):
    found = verdict(f"others allowed\n{rule}", runs.run(log))
    assert (found.word == "as expected") is holds and (holds or found.differences[0].kind == "never")


def test_a_forbidden_line_at_which_the_program_left_the_contract_is_told_once():
    found, = verdict("client: a\nnever: client: b", runs.run("client: a\nclient: b")).differences
    assert found.kind == "unexpected"


FREE = "client: a\nserver: b\nfree: client: a / server: b"


def test_a_free_line_accepts_both_orders_and_says_which():
    one, other = verdict(FREE, runs.run("client: a\nserver: b")), verdict(FREE, runs.run("server: b\nclient: a"))
    assert one.freedom == ((3, "first"),) and other.freedom == ((3, "second"),)
    assert judge.explored([one, other], contract.parse(FREE)) == ()


def test_exploring_that_saw_one_order_only_is_told():
    missed, = judge.explored([verdict(FREE, runs.run("client: a\nserver: b"))], contract.parse(FREE))
    assert (missed.kind, missed.expected) == ("free", "server: b first")


EITHER = "client: x\neither:\n    client: EOF\nor:\n    client: ECONNRESET\n        ? Which?\nclient: closing"


def test_exactly_one_branch_is_observed_and_named():
    found = verdict(EITHER, runs.run("client: x\nclient: ECONNRESET\nclient: closing"))
    assert (found.word, found.choice, found.branches) == ("as expected", (1,), ("client: ECONNRESET",))


@pytest.mark.parametrize("log", ["x closing", "x EOF ECONNRESET closing", "x EPIPE closing"])
def test_no_branch_and_both_branches_are_refused(log):
    assert not kept(EITHER, runs.run("\n".join(f"client: {word}" for word in log.split())))


def test_of_branches_that_do_not_fit_the_one_that_fits_longest_is_told():
    found = verdict(EITHER, runs.run("client: x\nclient: ECONNRESET"))
    assert found.choice == (1,) and found.differences[0].expected == "closing"


def test_branches_may_differ_in_their_endings_alone():
    rules = "client: x\neither:\n    client ends: exit 0\nor:\n    client ends: exit 1"
    assert verdict(rules, runs.run("client: x", "client: exit 1")).choice == (1,)
    assert not kept(rules, runs.run("client: x", "client: exit 2"))


def test_exploring_that_never_saw_a_branch_is_told():
    seen = [verdict(EITHER, runs.run("client: x\nclient: EOF\nclient: closing"))]
    missed, = judge.explored(seen, contract.parse(EITHER))
    assert missed.expected == "client: ECONNRESET" and missed.hints == ("Which?",)


# --- ends, deadlock ---

@pytest.mark.parametrize("rule, ends, holds", [
    ("client ends: exit 0", "client: exit 0", True), ("client ends: exit 0", "client: exit 1", False),
    ("client ends: exit 0", "client: waiting in read", False), ("client ends: waiting in read", "client: waiting in read", True),
    ("client ends: exit 0", "server: exit 0", False), ("client[2] ends: exit 1", "client: exit 0, client[2]: exit 1", True)])
def test_an_ending_is_what_the_contract_says(rule, ends, holds):
    log = "client: a\nclient[2]: a" if "[2]" in rule else "client: a"
    rules = log.replace("client:", "client[1]:") if "[2]" in rule else log
    found = verdict(f"{rules}\n{rule}", runs.run(log, ends))
    assert (found.word == "as expected") is holds and (holds or found.differences[0].kind == "ends")


def test_a_second_waiting_thread_may_be_meant_but_accept_means_accept_alone():
    stop = replace(runs.deadlock(), kind="waiting", cycle=())
    run = runs.run("server: x", "server: waiting in write", stop)
    assert kept("server: x\nserver ends: waiting in read", run)
    assert not kept("server: x\nserver ends: waiting in accept", run)


def test_a_signal_that_the_contract_asks_for_is_no_crash():
    run = runs.run("client: x", "client: signal PIPE", Stop("crash", "the client died of SIGPIPE"))
    assert kept("client: x\nclient ends: signal PIPE", run)
    assert verdict("client: x\nclient ends: exit 0", run).word == "crash"


def test_a_proven_deadlock_that_the_contract_expects_is_right():
    assert judge.judge(runs.stuck(), scenario("02-no-break-deadlock")).word == "as expected"


def test_a_deadlock_that_does_not_come_is_a_difference():
    run = runs.run("client: a", "client: exit 0")
    assert first("client: a\ndeadlock: client, server", run).kind == "deadlock"


def test_a_deadlock_of_others_is_not_the_one_that_is_expected():
    stop = replace(runs.deadlock(), cycle=("client", "helper"))
    assert verdict("client: a\ndeadlock: client, server", runs.run("client: a", "", stop)).word == "deadlock"


def test_a_deadlock_that_the_kernel_does_not_tell_is_not_called_one():
    run = runs.run("client: a", "client: still running", Stop("no progress", "nothing happened for 10 s"))
    found = verdict("client: a\nclient ends: waiting in read\ndeadlock: client, server", run)
    assert found.word == "no progress" and len(found.unseen) == 2


@pytest.mark.parametrize("kind", ["crash", "runaway", "no progress"])
def test_how_a_run_was_stopped_goes_before_how_it_differs(kind):
    found = verdict("client: a", runs.run("client: b", "client: signal SEGV", Stop(kind, "words")))
    assert (found.word, found.status, len(found.differences)) == (kind, 1, 1)


# --- bytes and wire ---

@pytest.mark.parametrize("count, wire, holds", [(3, "", True), (4, "", False), (3, "client A 1+2, client A 3+1", True),
                                                (3, "client A 1+2", False), (3, "client A 1+3, client A 1+3", True)])
def test_bytes_are_counted_in_the_lines_and_on_the_wire(count, wire, holds):
    run = runs.run('client: sending "ab"\nclient: sending "c"', wire=wire)
    assert kept(f"client: sending ...\nclient: sending ...\nbytes: client -> server = {count}", run) is holds


def test_bytes_to_one_of_several_are_those_of_its_connection():
    run = runs.run('client: sending "ab"\nclient[2]: sending "c"')
    rules = "client[1]: sending ...\nclient[2]: sending ...\nbytes: client{} -> server{} = {}"
    assert kept(rules.format("", "[2]", 1), run) and kept(rules.format("[1]", "", 2), run) and kept(rules.format("", "", 3), run)
    assert not kept(rules.format("", "[2]", 3), run)


WIRE = "client S, server SA, client A, client PA 1+18, client PA 1+18, server FA, client PA 19+25, server R, client A w0"


@pytest.mark.parametrize("rule, holds", [
    ("wire: client SYN", True), ("wire: server SYN after wire: client SYN", True), ("wire: client FIN", False),
    ("wire: client byte 43 after wire: server FIN", True), ("wire: client byte 44", False),
    ("wire: client byte 18 after wire: server FIN", False), ("wire: server RST after wire: client byte 43", True),
    ("wire: client zero window", True), ("wire: server zero window", False)])
def test_a_wire_line_is_the_first_segment_of_its_kind(rule, holds):
    others = "".join(f"\nwire: {x}" for x in ("client SYN", "server FIN", "client byte 43") if not rule.startswith(f"wire: {x}"))
    assert kept(f"client: x\n{rule}{others}", runs.run("client: x", wire=WIRE)) is holds


def test_the_wire_of_the_second_connection_is_asked_for_by_its_number():
    run = runs.run("client: x", wire="client S, client S #2, server R #2")
    assert kept("client: x\nwire: server[2] RST", run) and not kept("client: x\nwire: server RST", run)


def test_a_refused_connect_counts_where_no_connection_shows_the_like():
    assert kept("client: x\nwire: server RST", runs.run("client: x", wire="client S #0, server RA #0, client S, server SA"))


def test_a_wire_that_was_not_captured_is_said_not_to_be_looked_at():
    found = verdict("client: x\nwire: client FIN", runs.run("client: x"))
    assert found.word == "as expected" and "wire" in found.unseen[0]


@pytest.mark.parametrize("rule", ["wire: client FIN", "bytes: client -> server = 3"])
def test_where_frames_are_missing_the_wire_is_no_evidence(rule):
    made = replace(runs.run('client: sending "abc"', wire="client S, client A 1+2"), missing=7)
    found = verdict(f"client: sending ...\n{rule}", made)
    assert found.word == "as expected" and found.unseen[0].endswith(": 7 frames are missing")
    assert verdict(f"client: sending ...\n{rule}", replace(made, missing=0)).word == "differs"


# --- any cast: what NAME[n] means ---

CHAIN = runs.cast("server listens", "relay listens", "client 3 times")
NAMES = ("client", "relay", "server")
RELAY = """
relay@300#1: accepted
client@101#1: sending "ab"
relay@300#1: received "ab"
relay@300#1: connecting
relay@300#2: connected
server@200#2: accepted
relay@300#2: sending "ab"
server@200#2: received "ab"
relay@300#2: closing
relay@300#1: closing
client@102#3: sending "abc"
relay@300#3: accepted
relay@300#3: received "abc"
relay@300#4: connected
relay@300#4: sending "xyz!"
server@200#4: received "xyz!"
relay@300#3: closing
relay@300#5: connected
"""


def relayed(log: str = RELAY, **more):
    """Two clients, each with a connection to the relay, for which the relay opens one to the server; and one more for nobody."""
    client, other, relay, server = runs.end("client", 101), runs.end("client", 102), runs.end("relay", 300), runs.end("server", 200)
    made = replace(runs.run(log, "relay@300: exit 0, client@101: exit 0, client@102: exit 1, server@200: waiting in accept"), cast=CHAIN)
    return replace(runs.facts(made, (client, relay), (relay, server), (other, relay), (relay, server), (relay, server)), **more)


def chained(rules: str, made) -> judge.Verdict:
    return judge.judge(made, contract.parse(rules, names=NAMES))


def lines_of(who: str, made, *whos: str):
    return [(e.connection, e.text.split()[0]) for e in judge.Cast(made, [who, *whos]).lines(who)]


def test_a_relays_number_counts_the_connections_that_it_accepted_and_takes_those_that_it_opened_meanwhile():
    assert lines_of("relay[1]", relayed()) == [(1, "accepted"), (1, "received"), (1, "connecting"), (2, "connected"), (2, "sending"),
                                               (2, "closing"), (1, "closing")]
    assert lines_of("relay[2]", relayed()) == [(3, "accepted"), (3, "received"), (4, "connected"), (4, "sending"), (3, "closing")]


def test_what_a_relay_opens_when_it_handles_nothing_belongs_to_its_plain_name():
    assert lines_of("relay", relayed(), "relay[1]", "relay[2]") == [(5, "connected")]


def test_a_servers_number_counts_the_connections_that_it_accepted_itself():
    assert {e[0] for e in lines_of("server[2]", relayed())} == {4} and lines_of("server[3]", relayed()) == []


def test_a_thread_of_a_relay_has_what_another_one_opened_for_the_same_connection():
    log = "relay@300.1#1: accepted\nrelay@300.1#2: connected\nrelay@300.2#2: received 1\nrelay@300.2#1: sending"
    assert [e[0] for e in lines_of("relay[1]", relayed(log))] == [1, 2, 2, 1]


def test_a_relays_child_handles_the_connection_that_its_parent_accepted():
    log = "relay@300#1: accepted\nrelay@350#1: received 1\nrelay@300#3: accepted\nrelay@350.351#2: connected"
    assert lines_of("relay[1]", relayed(log)) == [(1, "accepted"), (1, "received"), (2, "connected")]


def test_without_facts_the_number_is_that_of_the_connection():
    made = replace(relayed(), connections=(), observed=False)
    assert {e[0] for e in lines_of("server[2]", made)} == {2}


def test_a_forked_childs_lines_about_the_first_connection_are_the_servers_first():
    log = 'server@200#1: accepted\nserver@250#1: received "ab"\nclient: sending "ab"'
    run = runs.facts(runs.run(log), (runs.end("client", 101), runs.end("server", 200)), calls="1-1 server@250#1 read 99 = 2\n4-5 client@101#1 write 2 = 2")
    assert kept('server[1]: accepted\nserver[1]: received ...\nclient: sending ...', run)


def test_the_ending_of_a_numbered_server_is_its_childs_where_one_was_forked():
    run = runs.facts(runs.run("server@200#1: accepted\nserver@250#1: done", "server@200: waiting in accept"),
                     (runs.end("client", 101), runs.end("server", 200)), children=(Ending(90, 0, "server", 250, "exit 3", 2, True),))
    rules = "server[1]: accepted\nserver[1]: done\nserver[1] ends: {}\nserver ends: waiting in accept"
    assert kept(rules.format("exit 3"), run) and not kept(rules.format("waiting in accept"), run)


def test_a_program_that_does_not_listen_is_numbered_by_its_starts():
    log = "client@103: c\nclient@101: a\nclient@102: b"
    rules = "client[1]: a\nclient[2]: b\nclient[3]: c"
    made = replace(runs.run(log), starts=tuple(Start(n, 0, "client", 100 + n) for n in (1, 2, 3)))
    assert kept(rules, made) and not kept(rules, replace(made, starts=()))
    assert kept("client[1]: c\nclient[2]: a\nclient[3]: b", replace(made, starts=()))


def test_a_client_that_logs_nothing_has_its_number_all_the_same():
    ends = "client@101: exit 0, client@102: exit 1, client@103: exit 0, client@104: exit 0"
    made = replace(runs.run("client@101: a\nclient@103: c", ends),
                   starts=tuple(Start(n, 0, "client", 100 + n) for n in (1, 2, 3, 4)))
    assert kept("client[1]: a\nclient[3]: c\nclient[2] ends: exit 1\nclient ends: exit 0", made)


def test_a_plain_ending_means_all_that_no_number_claims():
    assert chained("others allowed\nclient ends: exit 0", relayed()).differences[0].found == "exit 1"
    assert chained("others allowed\nclient[2]: ...\nclient[2] ends: exit 1\nclient ends: exit 0", relayed()).word == "as expected"


@pytest.mark.parametrize("rule, holds", [
    ("bytes: client -> relay = 5", True), ("bytes: relay -> server = 6", True), ("bytes: client[1] -> relay = 2", True),
    ("bytes: client -> relay[2] = 3", True), ("bytes: relay[2] -> server = 4", True), ("bytes: relay -> server[1] = 2", True), ("bytes: relay -> client = 0", True),
    ("bytes: client -> relay = 11", False), ("bytes: relay[1] -> server = 6", False)])
def test_bytes_are_those_of_the_connections_between_the_two(rule, holds):
    whos = "".join(f"{who}: ...\n" for who in ("client[1]", "relay[1]", "relay[2]", "server[1]") if who in rule)
    assert (chained(f"others allowed\n{whos}{rule}", relayed(observed=False)).word == "as expected") is holds


@pytest.mark.parametrize("rule, holds", [
    ("wire: server FIN", True), ("wire: client FIN", False), ("wire: relay RST", True), ("wire: server byte 1", False)])
def test_the_wire_of_a_name_is_that_of_its_first_connection(rule, holds):
    made = replace(relayed(), wire=True, segments=runs.segments("client S, server FA #2, client FA #3, relay RA, server A 1+9 #4"))
    assert (chained(f"others allowed\n{rule}", made).word == "as expected") is holds


def test_a_cycle_may_be_of_any_names():
    made = replace(relayed(), stop=Stop("deadlock", "", ("relay", "server")))
    assert chained("others allowed\ndeadlock: relay, server", made).word == "as expected"
    assert chained("others allowed\ndeadlock: relay, client", made).word == "deadlock"


def test_a_program_that_the_contract_does_not_tell_of_is_named():
    assert "the relay's lines: the contract lists none" in chained("client: ... *\nserver: ... *", relayed()).unseen


def test_several_processes_that_only_print_are_not_told_apart():
    made = runs.run("", "client@101: exit 0, client@102: exit 0", outputs=runs.outputs("client: a\nclient: b\nserver: x"))
    found = verdict("client[1]: a\nclient[2]: c\nserver: x", made)
    assert found.word == "as expected" and "the client[2]'s lines: plain output does not tell which process printed it" in found.unseen


def test_gaps_in_the_order_change_no_verdict():
    for log, name in ((runs.HALF_CLOSE, "04-half-close"), (runs.BREAK, "01-break-after-first-message")):
        plain, gaps = (judge.judge(made, scenario(name)) for made in (runs.run(log), runs.spread(runs.run(log))))
        assert plain.word == gaps.word == "as expected"
        assert [(line, 10 * seq) for line, seq in plain.matched] == list(gaps.matched)


# --- an end that another process brought ---

HELPER = """
client@101#1: connected
server@200#1: accepted
server@200#1: closing
{}@299#1: helper exiting
client@101#1: EOF
"""


def helped(name: str = "server"):
    server = replace(runs.end("server", 200), holders=(Holder("server", 200, 5, 35, "close", 200), Holder(name, 299, 25, 45, "exit", 0)))
    return runs.facts(runs.spread(runs.run(HELPER.format(name))), (runs.end("client", 101, (101, 1, -1, "", 0)), server))


HELPED = "others allowed\nserver: closing\nclient: EOF  after server: {}\nserver: helper exiting"


def test_the_closing_of_a_process_that_was_not_the_last_to_hold_the_connection_is_refused_with_the_reason():
    assert kept(HELPED.format("helper exiting"), helped())
    difference = first(HELPED.format("closing"), helped())
    assert (difference.kind, difference.found, difference.brought.pid) == ("luck", "held", 299)
    text = told(HELPED.format("closing"), helped())
    assert 'the client said "EOF" after the server said "closing": but that did not bring the EOF' in text
    assert "Another process still held the connection then: process 299 of the server." in text
    assert "The EOF came when process 299 of the server ended." in text
    assert "guarantees" not in text and "No cause leads" not in text and "pause" not in text


def test_a_process_of_another_name_is_told_by_its_name():
    rules = contract.parse(HELPED.replace("server: helper", "helper: helper").format("closing"), names=("client", "server", "helper"))
    made = replace(helped("helper"), cast=runs.cast("server listens", "client", "helper"))
    text = words.tell(judge.judge(made, rules), made, rules, reproduce="")
    assert "The EOF came when the helper ended." in text and "299" not in text


def test_what_a_process_says_after_it_gave_the_connection_up_is_plain_luck():
    made = helped()
    late = runs.event(38, "server@200#1: bye")
    made = replace(made, events=tuple(sorted((*made.events, late), key=lambda e: e.seq)))
    assert first("others allowed\nclient: EOF after server: bye\nserver: bye", made).found == ""


def test_without_calls_it_is_not_known_whether_a_childs_end_brought_the_eof():
    made = replace(helped(), observed=False)
    found = verdict(HELPED.format("helper exiting"), made)
    assert found.word == "as expected" and "without the calls nobody knows when process 299 of the server ended" in found.unseen[0]
    later = replace(made, events=(*made.events, runs.event(60, "client@101#1: b")))
    assert first("others allowed\nclient: b  after server: helper exiting\nserver: helper exiting", later).kind == "luck"
    server = runs.end("server", 200, (200, 5, -1, "", 0), (299, 25, 45, "exit", 0))
    held_on = runs.facts(made, (runs.end("client", 101, (101, 1, -1, "", 0)), server))
    assert [d.kind for d in verdict(HELPED.format("helper exiting"), held_on).differences] == ["open", "luck"]


def test_without_calls_a_child_with_no_line_about_the_connection_may_have_held_it():
    made = replace(helped(), observed=False)
    made = replace(made, events=tuple(replace(event, connection=0) if event.pid == 299 else event for event in made.events))
    found = verdict(HELPED.format("helper exiting"), made)
    assert found.word == "as expected" and "without the calls nobody knows when process 299 of the server ended" in found.unseen[0]
    ended = replace(made, endings=(*made.endings, Ending(45, 0, "server", 299, "exit 0", 45)))
    assert first(HELPED.format("helper exiting"), ended).kind == "luck"


def test_a_line_of_somebody_who_never_held_the_connection_is_plain_luck():
    ends = helped().connections[0]
    made = runs.facts(runs.spread(runs.run(HELPER.format("server") + "client@101#1: b")), (ends.opener, ends.acceptor))
    assert first("others allowed\nclient: b after server: closing\nserver: closing", made).found == ""


# --- programs that log nothing ---

ANATOMY = "listening|accepted|Received message: This is a message|writing response|closing"
ANATOMY_CLIENT = "connecting|connected|sending message|Received message: Message received.|EOF"


def anatomy(server: str = ANATOMY):
    lines = [f"server: {x}" for x in server.split("|")] + [f"client: {x}" for x in ANATOMY_CLIENT.split("|")]
    return runs.run("", "client: exit 0, server: exit 0", outputs=runs.outputs("\n".join(lines)), name="00-anatomy",
                    wire="client S, server SA, client A 1+18, server A 1+18, server FA")


def test_programs_without_events_are_judged_by_their_output():
    assert judge.judge(anatomy(), scenario("00-anatomy")).word == "as expected"
    found = judge.judge(anatomy("listening|accepted|writing response|closing"), scenario("00-anatomy"))
    assert found.differences[0].expected.startswith("Received message") and found.differences[0].observed.text == "writing response"


def test_bytes_of_programs_without_events_and_wire_are_not_looked_at():
    found = judge.judge(replace(anatomy(), wire=False, segments=()), scenario("00-anatomy"))
    assert found.word == "as expected" and len(found.unseen) == 4


# --- the causally first difference ---

def test_a_line_that_waits_for_a_missing_line_comes_behind_it():
    found = judge.judge(runs.stuck(), scenario("04-half-close"))
    assert found.word == "deadlock" and found.differences[0].expected == "shutting down SHUT_WR"
    assert found.differences[1].who == "server" and found.differences[0].blocked.call == "read"


def test_of_differences_that_do_not_wait_for_each_other_the_earlier_is_first():
    found = verdict("client: a\nserver: b", runs.run("server: x\nclient: y"))
    assert [d.who for d in found.differences] == ["server", "client"]


def test_a_program_that_left_the_contract_is_told_once():
    found = verdict("client: a\nclient: b\nclient: c\nclient ends: exit 0", runs.run("client: z\nclient: y", "client: exit 3"))
    assert len(found.differences) == 1


def test_a_server_that_forgot_its_break_is_told_before_the_client_that_waits():
    log = runs.without(runs.BREAK, "server: writing", "server: closing", "client: Received", "client: EOF", "client: closing")
    run = runs.run(log + "\nserver: reading data", runs.DEADLOCKED, runs.deadlock())
    found = judge.judge(run, scenario("01-break-after-first-message"))
    assert found.word == "deadlock" and found.differences[0].expected == "writing response"


# --- every legal order is accepted, every inverted one refused ---

def shuffled(log: str, seed: int) -> str:
    """Another order of the same lines that keeps every cause and every pause."""
    run, chooser = runs.run(log), random.Random(seed)
    order, left = causes.derive(run), list(run.events)
    lines = {e.seq: line for e, line in zip(run.events, log.strip().splitlines())}
    done = []
    while left:
        chosen = chooser.choice([e for e in left if not any(order.forced(other.seq, e.seq) for other in left)])
        left.remove(chosen)
        done.append(lines[chosen.seq])
    return "\n".join(done)


@pytest.mark.parametrize("log, name", [(runs.HALF_CLOSE, "04-half-close"), (runs.BREAK, "01-break-after-first-message")])
def test_every_order_that_keeps_the_causes_is_as_expected(log, name):
    rules, logs = scenario(name), {shuffled(log, seed) for seed in range(200)}
    assert len(logs) > 30
    assert {judge.judge(runs.run(each), rules).word for each in logs} == {"as expected"}


@pytest.mark.parametrize("late, early", [("server: accepted", "client: connecting"), ("server: EOF", "client: shutting"),
                                         ("client: EOF", "server: closing"), ("client: Received", "server: writing")])
def test_an_order_that_a_cause_forbids_is_refused(late, early):
    lines = runs.HALF_CLOSE.strip().splitlines()
    a, b = (next(n for n, x in enumerate(lines) if x.startswith(y)) for y in (early, late))
    who = late.split(":")[0]
    moved = [x for x in lines[a:b] if x.startswith(who)] + [lines[b]] + [x for x in lines[a:b] if not x.startswith(who)]
    found = judge.judge(runs.run("\n".join(lines[:a] + moved + lines[b + 1:])), scenario("04-half-close"))
    assert found.word == "differs" and "order" in [d.kind for d in found.differences]


# --- words ---

def half_close_told() -> str:
    rules = scenario("04-half-close")
    return words.tell(judge.judge(runs.stuck(), rules), runs.stuck(), rules, reproduce="make check-4", width=120)


@pytest.mark.parametrize("line", [
    'deadlock: the client never said "shutting down SHUT_WR"; it said "reading data" instead, and is reading since',
    'seen    client  sending "This is a message 2\\n test"', "then blocked", "scenarios/04-half-close/client.c:23",
    "EOF at the server comes only after the client's FIN. The client sends none while it waits.",
    "The client and the server wait for each other, and nothing is on its way.",
    'What says "I am done", and leaves the way back open?', "lesson 4: lessons/04-half-close.md", "more difference",
    "not looked at: the wire"])
def test_the_deleted_shutdown_is_told_as_the_design_tells_it(line):
    assert line in half_close_told()


def test_a_screen_that_can_not_be_asked_again_names_no_setting():
    rules = scenario("04-half-close")
    text = words.tell(judge.judge(runs.stuck(), rules), runs.stuck(), rules, reproduce="", hints=False)
    assert "mend this first" in text and "ALL=1" not in text and "mend this first (ALL=1 shows all)" in half_close_told()


def test_the_telling_keeps_the_designs_order():
    text = half_close_told()
    places = [text.index(x) for x in ("deadlock:", "seen", "EOF at", "The client and the server wait", "  > ", "What says", "lesson 4", "misconception M05:",
                                      "reproduce: make")]
    assert places == sorted(places) and text.endswith("reproduce: make check-4")


def test_the_verdict_has_the_code_of_the_first_differences_hint_and_tells_where_to_read_on():
    rules, run = "client: a\n    ? M05: Who?\nserver: b\n    ? M06: And who?", runs.run("server: x\nclient: y")
    assert verdict(rules, run).misconception == "M06"
    assert "M06: And who?\nlesson 4: lessons/04-half-close.md\nmisconception M06: lessons/misconceptions.md#m06\n" in told(rules, run)


def test_without_a_code_or_a_difference_there_is_no_misconception():
    rules = "client: a\n    ? Who?\nserver: b\n    ? M06: And who?"
    assert verdict(rules, runs.run("client: y")).misconception == ""
    assert "misconception" not in told(rules, runs.run("client: y"))
    assert verdict(rules, runs.run("client: a\nserver: b")).misconception == ""


SENTENCES = ("deadlock:", "EOF at", "The client and the server wait", "M05:", "not looked at:")


def stuck_told(**how: object) -> str:
    rules = scenario("04-half-close")
    return words.tell(judge.judge(runs.stuck(), rules), runs.stuck(), rules, reproduce="make check-4", **how)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_on_a_terminal_sentences_break_between_words(width):
    lines, whole = stuck_told(width=width, fold=True).splitlines(), stuck_told(width=width).splitlines()
    for beginning in SENTENCES:
        sentence = next(line for line in whole if line.startswith(beginning)).partition("   ")[0]
        at = next(n for n, line in enumerate(lines) if line.startswith(beginning))
        parts = [lines[at], *itertools.takewhile(lambda line: line.startswith("  ") and not line.startswith(("  seen", "  at")), lines[at + 1:])]
        assert max(map(len, parts)) <= width and " ".join(part.strip() for part in parts).partition("   ")[0].startswith(sentence)


def test_where_a_screen_is_short_fewer_lines_stand_around_the_place_and_nothing_else_is_left_out():
    long, short = stuck_told(width=80, fold=True).splitlines(), stuck_told(width=80, fold=True, rows=20).splitlines()
    around = [[line for line in told if line.startswith(("  > ", "       "))] for told in (long, short)]
    assert len(around[0]) > len(around[1]) >= 2 and sum(line.startswith("  > ") for line in short) == 1
    rest = [[line for line in told if not line.startswith(("  > ", "       ", "    ("))] for told in (long, short)]
    assert rest[0] == rest[1] and stuck_told(width=80, fold=True, rows=len(long)).splitlines() == long


def test_a_verdict_that_goes_to_a_file_is_not_broken():
    assert any(len(line) > 100 for line in stuck_told(width=60).splitlines())


def test_colours_take_no_room_and_a_lead_does():
    def bare(text: str) -> str:
        return re.sub("\x1b\\[[0-9]*m", "", text)
    assert bare(stuck_told(width=70, fold=True, colour=True)) == stuck_told(width=70, fold=True)
    led = stuck_told(width=70, fold=True, lead="04-half-close: ").splitlines()
    assert led[0].startswith("04-half-close: deadlock: the client never") and len(led[0]) <= 70
    run = runs.run("client: a", "client: exit 0")
    told = words.tell(verdict("client: a", run), run, contract.parse("client: a"), reproduce="", width=60, fold=True, colour=True, lead="4: ")
    assert told.startswith("4: \x1b[32mas expected\x1b[0m: 1 line") and max(map(len, bare(told).splitlines())) <= 60


def test_what_is_as_expected_takes_one_line():
    rules, run = scenario("04-half-close"), runs.run(runs.HALF_CLOSE, wire="client S")
    found = replace(judge.judge(run, rules), word="as expected")
    assert words.tell(found, run, rules, reproduce="") == (
        "as expected: 21 lines, 7 orders that TCP forced, both ends as the contract says")


@pytest.mark.parametrize("rules, log, sentence", [
    ("client: a", "client: a\nclient: b", 'the client said "b", and nothing more was to come'),
    ("client: a\nclient: b", "client: x\nclient: a\nclient: b", 'the client said "x" where "a" was to come'),
    ("client: a\nclient ends: exit 3", "client: a", "the client was to end with exit 3, but it ended with exit 0"),
    ('client: sending "ab"\nbytes: client -> server = 3', 'client: sending "ab"', "it sent 2 by its lines"),
    ("others allowed\nnever: client: b before client: c", "client: b", "which must never come before client: c"),
    ("client: a\ndeadlock: client, server", "client: a", "but the run came to its end"),
    ("client: EOF after server: closing\nserver: closing", "client: EOF\nserver: closing", "A log that says otherwise")])
def test_each_kind_of_difference_has_its_sentence(rules, log, sentence):
    assert sentence in told(rules, runs.run(log))


def test_an_eof_that_nobody_sent_is_not_put_on_the_other_side():
    rules = "client: Received 1 after server: writing response\nserver: writing response"
    text = told(rules, runs.run("client: EOF\nserver: writing response"))
    assert 'The server said "writing response" only later.' in text and "closed" not in text


def test_wrong_byte_counts_are_told_before_the_luck_that_follows_from_them():
    rules = 'client: sending "ab"\nserver: received "abc"  after client: sending "ab"'
    run = runs.run('client: sending "ab"\nserver: received "abc"')
    assert "but the lines count more bytes received than sent, so they prove no order" in told(rules, run) and "the contract is wrong" not in told(rules, run)
    assert [d.kind for d in verdict(rules + "\nbytes: client -> server = 3", run).differences] == ["bytes", "luck"]


def test_a_crash_is_told_first_and_then_where_the_contract_was_left():
    run = runs.run("client: a", "client: signal SEGV", Stop("crash"))
    text = told("client: a\nclient: b", run)
    assert text.startswith("crash: the client was ended by signal SEGV") and 'never said "b"; it was ended by signal SEGV' in text


def test_an_event_is_one_line_in_its_programs_column():
    client, server = runs.log("client: connecting\nserver: listening")
    assert words.format_event(client) == "   0.001  connecting"
    assert words.format_event(server, width=80) == "   0.002" + " " * 26 + "listening (port 8080)"
    assert "\x1b[36mconnecting" in words.format_event(client, colour=True)


def test_an_after_clock_without_its_pause_does_not_blame_the_contract():
    text = told("client: y  after clock: server: x\nserver: x", runs.run("server: x\nclient: y"))
    assert "in this run no pause held the client back" in text and "error of the contract" not in text


THREE = runs.cast("server listens", "relay listens", "client")


def test_three_programs_have_three_columns_where_there_is_room():
    lines = [words.format_event(e, width=100, cast=THREE) for e in runs.log("client@101: a\nrelay@300: b\nserver@200: c")]
    heads = words.column_heads(width=100, cast=THREE)
    assert [line.index(text) for line, text in zip(lines, "abc")] == [heads.index(name) for name in NAMES] == [10, 40, 70]


def test_on_a_wide_terminal_the_last_of_three_columns_has_room_for_a_message():
    line = words.format_event(runs.log('server@200#2: Received message: "This is a message\\n"')[0], width=120, cast=THREE)
    assert line.endswith('[2] Received message: "This is a message\\n"') and len(line) <= 120


def test_where_there_is_none_each_line_begins_with_its_programs_name():
    lines = [words.format_event(e, width=80, cast=THREE) for e in runs.log("client@101: a\nrelay@300#2: b")]
    assert lines == ["   0.001  client   a", "   0.002  relay    [2] b"]
    assert words.column_heads(width=80, cast=THREE) == " " * 10 + "program  line"


def test_each_column_has_a_colour_of_its_own():
    painted = [words.format_event(e, cast=THREE, colour=True) for e in runs.log("client@101: a\nrelay@300: b\nserver@200: c")]
    assert [re.search("\x1b\\[([0-9]+)m", line)[1] for line in painted] == list(words.COLOURS[:3])
    assert words.column_heads(cast=THREE, colour=True).count("\x1b[0m") == 3


def test_a_verdict_shows_the_columns_of_its_run():
    made = relayed()
    rules = contract.parse("client others allowed\nserver others allowed\nrelay: z", names=NAMES)
    text = words.tell(judge.judge(made, rules), made, rules, reproduce="", width=110)
    heads = next(line for line in text.splitlines() if line.split() == ["client", "relay", "server"])
    assert any(line.find("received") == heads.index("relay") for line in text.splitlines())


# --- how much work it is ---

LONG = {"one connection": 'client: sending "ab"\nserver: received "ab"\n', "lost": 'server: closing\nclient: sending "ab"\n',
        "failed": 'client: sending "ab"\nclient: Error writing: EPIPE\nserver: x\n',
        "many connections": 'client[{n}]: connecting\nclient[{n}]: connected\nserver[{n}]: accepted\n'
                            'client[{n}]: sending "ab"\nserver[{n}]: EOF\nserver[{n}]: closing\n'}
RULES = """
others allowed
client: sending ... *
server[1]: ...
server[2]: ...
client[1]: ...
client ends: exit 0
never: server: z
bytes: client -> server = 3
"""


def long(lines: str, n: int):
    text = "".join(lines.format(n=k) for k in range(1, n + 1))
    wire = ", ".join(f"client A {k}+2 #{k}, server R #{k}" for k in range(1, n + 1))
    return replace(runs.run(text), wire=True, segments=runs.segments(wire))


@pytest.mark.parametrize("lines", LONG.values(), ids=LONG)
def test_the_work_of_a_verdict_and_of_a_story_grows_with_the_length_of_a_run_and_not_with_its_square(lines):
    assert grows(story.happened, lambda n: long(lines, n)) < 2.3
    rules = contract.parse(RULES)

    def whole(made):
        words.tell(judge.judge(made, rules), made, rules, reproduce="")
    assert grows(whole, lambda n: long(lines, n)) < 2.3


def test_outputs_endings_and_heads_stand_in_the_same_columns_as_events():
    run = runs.run("client: a", "server: exit 0", outputs=runs.outputs("server: hello"))
    lines = [words.column_heads(width=60), words.format_output(run.outputs[0], width=60), words.format_ending(run.endings[0], width=60)]
    assert [lines[0].index("server"), lines[1].index("stdout: hello"), lines[2].index("(exit 0)")] == [18, 18, 18]
    assert lines[0].index("client") == words.format_event(run.events[0], width=60).index("a") == 10


@pytest.mark.parametrize("last", ["server: reading data", 'server[2]: Received message: "This is a message 2\\n"'])
def test_in_80_columns_a_verdict_has_no_line_that_the_terminal_breaks(last):
    lines = told("server: accepted\nclient: connecting", runs.run(f"client: connecting\n{last}"), width=80, fold=True).splitlines()
    assert any(line.startswith("  > ") for line in lines) and [line for line in lines if len(line) > 80] == []


def test_in_80_columns_a_long_line_that_blocks_is_followed_by_a_line_that_says_so():
    rules, run = scenario("04-half-close"), runs.stuck()
    long = replace(run, events=tuple(replace(one, text=f"{one.text} {'x' * 40}") for one in run.events))
    lines = words.tell(judge.judge(long, rules), long, rules, reproduce="", width=80, fold=True).splitlines()
    assert [line for line in lines if "then blocked" in line and "xxx" not in line] and max(len(line) for line in lines if line.startswith("  seen")) <= 80


# --- why ---

@pytest.mark.parametrize("said, why", [
    ('client: sending "other"', False),                 # it did say that it sends: the other one waits for nothing of it
    ("client: thinking", True),
])
def test_that_bytes_have_to_be_sent_is_told_only_where_their_sending_is_missing(said, why):
    rules = 'client: connected\nclient: sending "abc"\nserver: accepted\nserver: received "abc" after client: sending "abc"'
    words_ = told(rules, runs.run(f"client: connected\nserver: accepted\n{said}"))
    assert "the client never said 'sending \"abc\"'" in words_
    assert ("The server can receive only what the client has sent." in words_) == why


@pytest.mark.parametrize("read, says", [(3, True), (2, False)])
def test_a_wrong_line_about_bytes_that_had_all_come_counts_none_of_the_next_ones(read, says):
    run = apart('client: sending "abc"\nclient: sending "de"\nserver: thinking', f"2-3 client@101#1 write 3 = 3\n3-3 server@200#1 read 9 = {read}\n5-6 client@101#1 write 2 = 2")
    words_ = told('client: sending "abc"\nclient: sending "de"\nserver: received "abc" after client: sending "abc"', run)
    assert ("By then the server had read all that the client announces with 'sending \"abc\"'." in words_) is says
    assert not (says and "can receive only" in words_)


def test_a_wrong_word_of_the_clients_own_says_nothing_of_what_the_server_can_receive():
    rules = 'server: writing response\nclient: connected\nclient: the answer is 17 after server: writing response'
    assert "can receive only" not in told(rules, runs.run("server: writing response\nclient: connected\nclient: nothing is known at all"))
    read = rules.replace("the answer is 17", 'received "abc"')
    assert "The client can receive only what the server has sent." in told(read, runs.run('server: writing response\nclient: connected\nclient: received "xyz and more"'))


def apart(text: str, calls: str):
    """A run whose lines have room for calls between them: they stand at the places 1, 4, 7."""
    events = tuple(replace(event, seq=1 + 3 * n) for n, event in enumerate(runs.log(text)))
    return runs.facts(replace(runs.run(text), events=events), ENDS_OF_1, calls=calls, learnt=False)


ENDS_OF_1 = (runs.end("client", 101, (101, 1, -1, "", 101)), runs.end("server", 200, (200, 1, -1, "", 200)))


def test_a_hint_is_not_shown_where_only_the_line_is_missing():
    rules = "client: connected\nclient: shutting down SHUT_WR\n  ? What says that you are done?\nclient: going on"
    done, left = (told(rules, apart("client: connected\nclient: going on", calls)) for calls in ("2-3 client@101#1 shutdown SHUT_WR = 0", ""))
    assert "What says" not in done and "The client called shutdown before that." in done and "What says" in left


def test_a_hint_is_not_shown_where_the_line_is_untrue():
    rules = 'client: connected\nclient: received "abc"\n  ? What came?'
    learnt, unread = (told(rules, apart("client: connected\nclient: EOF", calls)) for calls in ("2-3 client@101#1 read 99 = 0", ""))
    assert "What came?" in learnt and "What came?" not in unread


@pytest.mark.parametrize("calls, again", [("0-0 server@200#1 accept 0 = 4\n5- server@200#0 accept 0", True), ("5- server@200#0 accept 0", False)])
def test_a_line_that_is_missing_behind_a_close_that_its_last_line_announced_is_told_by_the_wait_alone(calls, again):
    waits = Waiting("server", 200, 200, "accept", 3, 0, "", "")
    run = replace(apart("server@200#1: closing", f"2-3 server@200#1 close 0 = 0\n{calls}"), stop=Stop("waiting", waiting=(waits,)))
    run = replace(run, connections=tuple(replace(one, acceptor=runs.end("server", 200, (200, 0, 3, "close", 200))) for one in run.connections))
    said = told("server: closing\nserver: closing the listener", run)
    assert "What is missing" not in said and ("It called accept again, and waits there for another connection." in said) == again, said


@pytest.mark.parametrize("closes, told_of", [("2-2 client@101#1 close 0 = 0\n", True), ("", False)])
def test_a_close_before_a_connect_that_no_line_announces_is_told_with_it(closes, told_of):
    run = runs.facts(apart("client@101#1: connected\nserver@200#1: accepted\nserver@200#2: accepted", ""), ENDS_OF_1, ENDS_OF_1, calls=f"0-0 client@101#1 connect 0 = 0\n{closes}3-3 client@101#2 connect 0 = 0", learnt=False)
    said = told("client: connected\nserver: accepted\nserver: closing", run)
    assert "the client called connect, and no line of it says so" in said, said
    assert ("Before that it had closed connection 1, and no line of it says that, either." in said) == told_of, said


@pytest.mark.parametrize("data, told_of", [("\x3e\xff", True), ("ab", False), ("\x3e\0", False)])
def test_bytes_that_are_no_text_and_are_too_few_may_be_those_up_to_a_0(data, told_of):
    run = apart('client: sending "abcd"\nclient: reading data', "2-3 client@101#1 write 2 = 2\n5- client@101#1 read 9")
    run = replace(run, calls=tuple(replace(call, data=data) if call.name == "write" else call for call in run.calls))
    said = told('client: sending "abcd"\nclient: reading data', run)
    assert "it wrote 2 bytes" in said and ("`strlen` counts up to the first byte 0, and where" in said) == told_of, said


def test_a_line_that_the_contract_has_at_a_later_place_is_not_misspelt():
    rules = "client: binding again, option off\nclient: binding again, option on"
    assert "misspelt" not in told(rules, runs.run("client: binding again, option on"))
    assert "misspelt" in told(rules, runs.run("client: binding again, option of"))


def test_a_call_has_the_name_that_the_program_called():
    run = apart('client: connected\nclient: sending "abc"', "2-3 client@101#1 sendto 3 = 3")
    assert "the client said 'sending \"abc\"' only after it had called send\n" in told('client: connected\nclient: sending "abc"', run)


@pytest.mark.parametrize("calls, late", [
    ("2-3 client@101#1 read 99 = 3", True),
    ("2-3 client@101#1 read 99 = 3\n5-6 client@101#1 read 99 = 3", False),      # the line is about the second one
    ("5-6 client@101#1 read 99 = 3", False),
    ("2-3 client@101#1 read 99 = EAGAIN", False),
    ("2-3 server@200#1 read 99 = 3", False),
    ("2-3 client@101#1 write 3 = 3", False),
])
def test_reading_is_said_before_the_read(calls, late):
    run = apart('client: connected\nclient: reading data\nclient: received "abc"', calls)
    judged = verdict('client: connected\nclient: reading data\nclient: received "abc"', run)
    assert any((d.kind, d.found) == ("late", "read") for d in judged.differences) == late


def test_a_program_was_gone_when_its_end_closed_its_connection_and_not_when_the_lab_heard_of_it():
    run = runs.facts(runs.run("server: accepted\nclient: connected\nserver: waiting\nclient: EOF", ends="client: exit 0, server: exit 1"),
                     (runs.end("client", 101, (101, 1, -1, "", 101)), runs.end("server", 200, (200, 1, 3, "exit", 200))), learnt=False)
    run = replace(run, events=tuple(replace(event, kind="output", connection=0, source="") for event in run.events))
    judged = verdict('server: accepted\nserver: waiting\nserver: received "abc"\nclient: connected\nclient: received "def"', run)
    assert [(d.who, d.expected) for d in judged.differences[:1]] == [("server", 'received "abc"')]


@pytest.mark.parametrize("missing, calls, words_", [
    ("connected", "2-3 client@101#1 connect 0 = 0", "The client called connect before that, which made connection 1. What is missing is the line \"connected\"."),
    ("reading data", "2-3 client@101#1 read 99 = 3", "The client called read before that. What is missing is the line \"reading data\"."),
    ("shutting down SHUT_WR", "2-3 client@101#1 shutdown SHUT_WR = 0", "What is missing is the line \"shutting down SHUT_WR\"."),
    ("connected", "2-3 client@101#1 connect 0 = ECONNREFUSED", ""),
    ("connected", "2-3 client@101#1 write 3 = 3", ""),
    ("connected", "5-6 client@101#1 connect 0 = 0", ""),
    ("connected", "2-3 server@200#1 accept 0 = 4", ""),
])
def test_what_was_done_without_its_line_is_told_as_that(missing, calls, words_):
    run = apart("client: connecting\nclient: going on", calls)
    said = told(f"client: connecting\nclient: {missing}\nclient: going on", run)
    assert words_ in said and ("What is missing" in said) == bool(words_), said


@pytest.mark.parametrize("said, calls, fails", [
    ("Error reading: ECONNRESET", "2-3 client@101#1 read 99 = 3", False),
    ("Error reading: unknown error", "2-3 client@101#1 read 99 = 3", False),
    ("Error reading: ECONNRESET", "2-3 client@101#1 read 99 = ECONNRESET", True),
    ("Error in the message", "2-3 client@101#1 read 99 = 3", True),
    ("Error reading: ECONNRESET", "2-3 server@200#1 read 99 = 3", True),
])
def test_of_a_line_about_an_error_where_no_call_failed_the_verdict_says_so(said, calls, fails):
    run = apart(f"client: connected\nclient: {said}", calls)
    assert ("before that line is read, and it had not failed: it returned 3." not in told('client: connected\nclient: received "abc"', run)) == fails


def test_a_verdict_names_the_command_that_shows_the_run_as_a_page():
    assert again("PAUSE=0 make check-4") == ["as a page: PAUSE=0 make play-4", "reproduce: PAUSE=0 make check-4"]
    assert again("python3 -m harness check 4 --contract x") == ["reproduce: python3 -m harness check 4 --contract x"]


@pytest.mark.parametrize("call, words_", [
    ("5-6 client@101#1 write 1 = 1", "In place of it the client wrote 1 byte. No byte in a stream says that it ends"),
    ("5-6 client@101#1 write 0 = 0", "In place of it the client called write with 0 bytes: that sends nothing"),
    ("8-9 client@101#1 write 1 = 1", ""),
    ("5-6 server@200#1 write 1 = 1", ""),
])
def test_a_write_in_place_of_the_shutdown_that_a_line_announces_is_told(call, words_):
    rules = "client: connected\nclient: shutting down SHUT_WR\nclient: reading data"
    said = told(rules, apart(rules, call))
    assert "called no shutdown" in said and words_ in said and ("In place of it" in said) == bool(words_), said


@pytest.mark.parametrize("line, option, words_", [
    ("shutting down SHUT_WR", "SHUT_RD", "SHUT_RD ends the receiving alone and sends nothing: no FIN goes out."),
    ("shutting down SHUT_WR", "SHUT_RDWR", "SHUT_RDWR ends the receiving, too. SHUT_WR ends the sending alone."),
    ("pausing 5 s", "SHUT_RD", ""),
])
def test_a_shutdown_of_another_direction_than_its_line_says_is_told(line, option, words_):
    rules = f"client: connected\nclient: {line}\nclient: EOF"
    said = told(rules, apart(rules, f"5-6 client@101#1 shutdown {option} = 0\n6-6 client@101#1 read 9 = 0"))
    assert "ended its own reading" in said and words_ in said and ("SHUT_WR ends" in said) == bool(words_), said


@pytest.mark.parametrize("calls, holds", [("8- client@101#1 read 99", True), ("8-9 client@101#2 write 3 = 3", False), ("2- client@101#2 write 3", False)])
def test_bytes_that_no_call_wrote_may_lie_in_a_buffer_of_stdio(calls, holds):
    rules = 'client: connected\nclient: sending "abc"\nclient: reading data'
    said = told(rules, apart(rules, calls))
    assert "it wrote none" in said and ("If it used stdio" in said) == holds, said


@pytest.mark.parametrize("data, found", [("abc", True), ("xbc", False)])
def test_a_line_that_counts_fewer_bytes_than_its_read_returned_is_told_so_and_gets_no_hint(data, found):
    run = apart('client: connected\nserver: sending "abc"\nclient: received "a"', f"5-5 server@200#1 write {len(data)} = {len(data)}\n5-6 client@101#1 read 99 = {len(data)}")
    run = replace(run, calls=tuple(replace(call, data=data) for call in run.calls))
    said = told('client: connected\nserver: sending "abc"\nclient: received "abc"\n    ? [received...] M07: A hint.', run)
    assert ("The client's read had returned 3, and the line tells of 1." in said, "A hint." in said) == (found, not found), said


@pytest.mark.parametrize("name, told_of", [("send", True), ("writev", False)])
def test_eight_bytes_of_several_parts_are_no_size_of_a_pointer(name, told_of):
    rules = 'client: connected\nclient: sending "twelve bytes"\nclient: reading data'
    assert ("is the size of a pointer" in told(rules, apart(rules, f"5-6 client@101#1 {name} 8 = 8"))) == told_of


@pytest.mark.parametrize("data, told_of", [("ab\0", True), ("\0", False), ("\0\0", False)])
def test_a_byte_0_is_the_end_of_a_text_only_behind_a_text(data, told_of):
    rules = f'client: connected\nclient: sending "{"abc"[:len(data)]}"\nclient: reading data'
    run = apart(rules, f"5-6 client@101#1 write {len(data)} = {len(data)}")
    said = told(rules, replace(run, calls=tuple(replace(call, data=data) for call in run.calls)))
    assert "sent other bytes" in said and ("with which C ends a text" in said) == told_of, said


@pytest.mark.parametrize("calls, told_of", [("5-5 client@101#1 close 1 = 0\n8-9 client@101#0 write 3 = EBADF", True), ("5-5 client@101#1 close 1 = 0\n8-9 client@101#0 write 3 = 3", False)])
def test_a_close_before_a_write_that_was_to_come_first_tells_how_that_write_failed(calls, told_of):
    said = told('client: connected\nclient: sending "abc"\nclient: closing', apart('client: connected\nclient: closing\nclient: sending "abc"', calls))
    assert ("The client's write is on descriptor 4, which it had closed before. It failed with EBADF." in said) == told_of, said


@pytest.mark.parametrize("at, told_of", [(2, True), (8, False)])
def test_a_write_behind_the_line_that_was_wrong_is_no_reason_for_it(at, told_of):
    run = apart('client: connected\nclient: received "x"\nclient: closing', f"0-0 server@200#1 close 1 = 0\n{at}-{at} client@101#1 write 3 = 3")
    ends = (runs.end("client", 101, (101, 1, -1, "", 101)), runs.end("server", 200, (200, -1, 0, "close", 200)))
    segments = tuple(replace(one, seq=seq) for one, seq in zip(runs.segments("server F, client A 1+3, server R"), (0, at, at + 1)))
    run = replace(run, wire=True, segments=segments, connections=tuple(replace(one, opener=ends[0], acceptor=ends[1]) for one in run.connections))
    said = told("client: connected\nclient: closing", run)
    assert ("after the server had closed it" in said) == told_of, said


@pytest.mark.parametrize("stop, place", [("runaway", "server.c:12"), ("over", "client.c:11")])
def test_a_program_that_was_stopped_on_its_way_through_its_writes_has_not_left_the_contract(stop, place):
    run = runs.facts(runs.run('client: sending "abcd"\nserver: got 3', stop=Stop(stop), ends="client: still running, server: still running"), ENDS_OF_1, calls="1-1 client@101#1 write 2 = 2")
    said = told('client: sending "abcd"\nclient: closing\nserver: got 4\nbytes: client -> server = 4', run)
    assert place in said.split("seen")[0], said


@pytest.mark.parametrize("call, words_", [("5-6 client@102#1 shutdown SHUT_WR = 0", "and another process of it called shutdown on connection 1"),
                                          ("2-3 client@102#1 shutdown SHUT_WR = 0", "and called no shutdown on connection 1")])
def test_a_shutdown_of_another_process_is_told_as_that(call, words_):
    rules = "client: connected\nclient: shutting down SHUT_WR\nclient: reading data"
    assert words_ in told(rules, apart(rules, call + "\n8- client@101#1 read 9"))


@pytest.mark.parametrize("returned, asleep", [(6, True), (4, False)])
def test_a_sleep_that_was_longer_than_the_other_programs_pause_is_told(returned, asleep):
    run = apart('client: pausing 5 s\nclient: going on\nserver@200#1: closing', f"2-{returned} server@200#1 nanosleep 0 = 0")
    run = replace(run, calls=tuple(replace(call, limit=10**10) for call in run.calls))
    said = told("client: pausing 5 s\nclient: going on  after clock: server: closing\nserver: closing", run)
    assert (("The server slept then, for 10 s. So it had not come to its line." in said), "gives everything else the time" in said) == (asleep, not asleep), said


@pytest.mark.parametrize("result, over", [(0, True), (1, False)])
def test_a_poll_that_was_over_before_a_line_came_is_told(result, over):
    run = apart("client: connected\nclient: closing", f"2-3 client@101#1 poll 1 = {result}")
    said = told('client: connected\nclient: received "abc"\nclient: closing', replace(run, calls=tuple(replace(call, limit=3 * 10**9) for call in run.calls)))
    assert ("The client's poll ended because of its own limit of 3 s, with nothing ready." in said) == over, said


@pytest.mark.parametrize("child, words_", [(True, "The client has a child process (fork). Both processes go on"), (False, "The client's read on connection 1 failed with ECONNRESET")])
def test_a_line_that_a_child_process_may_have_printed_again_is_told_so(child, words_):
    run = apart("client: connected\nclient: sending\nclient: sending", "2-3 client@101#1 read 9 = ECONNRESET")
    run = replace(run, events=tuple(replace(event, kind="output", source="") for event in run.events), children=(Ending(9, 0, "client", 102, "exit 0", 8, True),) if child else ())
    said = told("client: connected\nclient: sending\nclient: closing", run)
    assert words_ in said and ("fork" in said) == child, said


def with_calls(run, **changes):
    return replace(run, calls=tuple(replace(call, **changes) for call in run.calls))


@pytest.mark.parametrize("data, found", [("abcd", True), ("abxd", False)])
def test_a_line_that_shows_only_the_first_bytes_of_what_came_is_told_so(data, found):
    run = with_calls(apart('client: connected\nclient: received "ab"\nclient: closing', "2-3 client@101#1 read 9 = 4"), data=data)
    said = told('client: connected\nclient: received "abc"\n  ? [received...] A hint.\nclient: closing', run)
    assert ("The next 3 bytes that had come are those of the contract. The line counts and shows only the first 2 of them." in said, "A hint." in said) == (found, not found), said


@pytest.mark.parametrize("line, found", [('client: EOF, 4 bytes unfinished: "abc"', True), ('client: EOF, 4 bytes unfinished: "abd"', False)])
def test_a_line_whose_text_has_another_number_than_its_count_is_told_so(line, found):
    run = apart(f"client: connected\n{line}", "2-3 client@101#1 read 9 = 3")
    run = replace(run, events=tuple(replace(event, kind="recv", count=3) if "EOF" in event.text else event for event in run.events))
    said = told('client: connected\nclient: EOF, 3 bytes unfinished: "abc"', run)
    assert ("The count that this line gives to the lab is 3, as the contract says. Its text has another number." in said) == found, said


def test_a_look_that_begins_behind_the_one_before_shows_other_bytes():
    calls = "1-1 client@101#1 setsockopt SO_PEEK_OFF = 0\n2-3 client@101#1 read 9 = 3\n3-4 client@101#1 read 9 = 3"
    run = apart("client: connected\nclient: x", calls)
    run = replace(run, calls=tuple(replace(call, option=call.option or "MSG_PEEK") for call in run.calls))
    assert "showed the same bytes" not in told("client: connected\nclient: y", run)


@pytest.mark.parametrize("flags, peeked", [("MSG_PEEK", True), ("", False)])
def test_a_line_behind_two_looks_at_the_same_bytes_is_told_so_and_gets_no_hint(flags, peeked):
    run = with_calls(apart("client: connected\nclient: x", "2-3 client@101#1 read 9 = 3\n3-4 client@101#1 read 9 = 3"), option=flags)
    said = told("client: connected\nclient: y\n  ? A hint.", run)
    assert ("so it showed the same bytes again." in said, "A hint." in said) == (peeked, not peeked), said


def test_who_has_read_more_than_its_lines_tell_of_is_told_so_where_it_says_eof_for_what_came():
    run = apart('client: received "ab"\nclient: EOF', "0-0 client@101#1 read 9 = 5\n2-3 client@101#1 read 9 = 0")
    assert "The client had read 5 bytes of the server by then, and its lines tell of 2: no line tells of the other 3." in told('client: received "ab"\nclient: received "cde"', run)


def test_what_a_flood_of_lines_says_comes_before_what_came_of_it():
    run = runs.facts(runs.run('client: received "ab"\n' * 2 + "client: x\n" * 1000, stop=Stop("runaway", "many lines")), ENDS_OF_1, calls="0-0 client@101#1 read 9 = 2", learnt=False)
    said = told('client: received "ab"\nclient: closing', run)
    assert 0 < said.index('The client said "x" 1,000 times.') < said.index("that it received 2 bytes"), said


@pytest.mark.parametrize("unacked, told_of", [(0, True), (3, False)])
def test_an_option_that_is_no_limit_for_reads_is_named_with_what_the_other_kernel_does(unacked, told_of):
    run = apart("client: connected\nclient: reading data", "2-2 client@101#1 setsockopt SO_KEEPALIVE = 0\n5- client@101#1 read 9")
    stop = Stop("waiting", waiting=(Waiting("client", 101, 101, "read", 4, 1, "", ""),), sockets=(Socket(0, "client", 101, 4, 1, "ESTABLISHED", "", "", 0, unacked, 0),))
    run = replace(run, stop=stop, calls=tuple(replace(call, value=1) if call.option else call for call in run.calls))
    said = told("client: connected\nclient: reading data\nclient: Error reading: EAGAIN", run)
    assert "No time limit for reads (SO_RCVTIMEO) was set on connection 1." in said
    assert ("SO_KEEPALIVE ends a connection whose other kernel does not answer. The server's kernel has acknowledged all bytes." in said) == told_of, said


@pytest.mark.parametrize("child, told_of", [(201, True), (0, False)])
def test_a_parent_that_took_the_branch_of_its_child_is_told_from_it(child, told_of):
    run = apart("server@200#1: helper ends\nserver@201#1: working", "")
    run = replace(run, endings=(Ending(9, 0, "server", 200, "exit 0", 9),), children=(Ending(9, 0, "server", child, "exit 1", 9, True),))
    said = told("server: helper ends\nserver: working\nserver ends: waiting in accept", run)
    assert ('The last line of the process that ended is "helper ends" (server.c:11). "working" (server.c:12) is a line of its child process. fork returns 0 in the child' in said) == told_of, said


@pytest.mark.parametrize("unread, missing", [(18, False), (0, True)])
def test_a_line_that_is_missing_is_not_the_reason_where_its_thread_waits_for_another_connection(unread, missing):
    run = apart("server: listening", "2-3 server@200#1 accept 0 = 4\n5- server@200#0 accept 0")
    stop = Stop("waiting", waiting=(Waiting("server", 200, 200, "accept", 3, 0, "", ""),), sockets=(Socket(0, "server", 200, 4, 1, "ESTABLISHED", "", "", unread, 0, 0, seq=9),))
    said = told("server: listening\nserver: accepted", replace(run, stop=stop))
    assert ("What is missing is the line" in said, "lie unread in the server's kernel" in said) == (missing, not missing), said


def printed(text: str, calls: str, **more: object):
    """A run of programs that only print: their lines, and their calls at the places between, as in apart()."""
    run = apart(text, calls)
    events = tuple(replace(event, kind="output", source="", count=0, connection=0) for event in run.events)
    return replace(run, events=events, **more)


@pytest.mark.parametrize("calls, told_of", [("2-3 server@200#1 write 9 = 9", True), ("2-3 server@200#1 read 9 = 9", False), ("2-3 server@200#0 read 9 = EBADF", False)])
def test_a_program_that_prints_what_it_received_and_called_no_read_is_told_so(calls, told_of):
    said = told("server: accepted\nserver: Received message: hello", printed("server: accepted\nserver: Received message: writing", calls))
    assert ("In the whole run the server called no read on connection 1." in said) is told_of, said


@pytest.mark.parametrize("text, wrote, told_of", [("hello", 0, True), ("hell", 0, False), ("hello", 6, False)])
def test_an_answer_that_went_to_the_standard_output_is_told(text, wrote, told_of):
    run = printed(f"server: writing\nserver: {text}", f"2-3 server@200#1 write {wrote} = {wrote}" if wrote else "2-3 server@200#1 read 9 = 9")
    said = told("server: writing\nserver: closing\nbytes: server -> client = 6", run)
    assert ("The server wrote none of the 6 bytes that it was to send to the client." in said) is told_of, said


@pytest.mark.parametrize("text, told_of", [("hello", True), ("hell", False)])
def test_announced_bytes_that_were_printed_are_told_as_that(text, told_of):
    run = replace(apart('server: sending "hello\\n"\nserver: closing', "8-9 server@200#1 read 9 = 9"), outputs=(Output(7, 7, "server", "stdout", text),))
    said = told('server: sending "hello\\n"\nserver: closing', run)
    assert "It called no write on a connection after that line" in said and ("It went to the standard output (descriptor 1)." in said) is told_of, said


def test_a_line_on_the_standard_error_of_a_program_that_only_prints_is_told_so():
    run = printed("client: a\nclient: c", "", outputs=(Output(5, 5, "client", "stderr", "b"),))
    assert "The client printed that text on its standard error." in told("client: a\nclient: b\nclient: c", run)
    assert "standard error" not in told("client: a\nclient: d\nclient: c", run)


@pytest.mark.parametrize("found, bytes_", [("36895", True), ("8081", False)])
def test_a_port_in_the_other_order_of_its_bytes_is_told_so(found, bytes_):
    run = replace(apart("server: listening", "5-6 server@200#0 bind 0 = 0"), cast=(Role("server", True, 1, 8080), Role("client", False, 1)))
    run = replace(run, events=tuple(replace(event, address=f"127.0.0.1:{found}") for event in run.events), calls=tuple(replace(call, address=f"127.0.0.1:{found}") for call in run.calls))
    assert ("the same two bytes in the other order" in told("server: listening", run)) is bytes_


@pytest.mark.parametrize("reset, place", [(True, "server.c"), (False, "client.c")])
def test_a_reset_that_followed_a_fin_is_told_before_the_write_that_it_broke(reset, place):
    run = apart('server@200#1: closing\nclient: sending "abc"', "2-3 server@200#1 shutdown SHUT_WR = 0\n3-4 server@200#1 close 0 = 0\n8-9 client@101#1 write 3 = EPIPE")
    run = replace(run, wire=True, calls=tuple(replace(call, seq=call.seq * 10, returned=call.returned * 10, source=f"{call.who}.c:7") for call in run.calls),
                  events=tuple(replace(event, seq=event.seq * 10) for event in run.events),
                  segments=tuple(replace(one, seq=seq) for one, seq in zip(runs.segments("server F, server R" if reset else "server F"), (25, 35))))
    ends = (runs.end("client", 101, (101, 1, 95, "exit", 0)), runs.end("server", 200, (200, 1, 40, "close", 200), shut=20))
    run = replace(run, connections=(replace(run.connections[0], opener=ends[0], acceptor=ends[1]),),
                  endings=(Ending(99, 0, "client", 101, "exit 1", 40), Ending(99, 0, "server", 200, "waiting in accept", 10)))
    said = told('server: closing\nclient: sending "abc"\nclient: going on', run)
    assert place in said.split("seen")[0] and ("server's close sent a reset (RST), and a write of the client then failed with EPIPE" in said) is reset, said


@pytest.mark.parametrize("since, word", [(5, "as expected"), (3, "differs")])
def test_a_child_that_was_forked_behind_the_line_shuts_down_for_its_parent(since, word):
    run = apart('client: connected\nclient: shutting down SHUT_WR\nserver@200#1: EOF', "5-6 client@102#1 shutdown SHUT_WR = 0\n6-7 server@200#1 read 9 = 0")
    opener = runs.end("client", 101, (101, 1, -1, "", 0), (102, since, 8, "exit", 0), shut=5)
    run = replace(run, connections=(replace(run.connections[0], opener=opener),))
    assert verdict("client: connected\nclient: shutting down SHUT_WR\nserver: EOF after client: shutting down SHUT_WR", run).word == word


@pytest.mark.parametrize("read, first_", [("2-3 server@200#1 read 9 = 0", "client"), ("2-3 server@200#1 read 9 = 4", "server")])
def test_a_printed_line_of_a_program_that_read_the_others_end_comes_behind_that_end(read, first_):
    """The client ended by itself and had read nothing. When the lab read the server's line is luck."""
    run = printed("client: a\nserver: nothing came", read)
    ends = (runs.end("client", 101, (101, 0, 1, "close", 101)), runs.end("server", 200, (200, 0, 9, "exit", 0)))
    run = replace(run, connections=(replace(run.connections[0], opener=ends[0], acceptor=ends[1]),), endings=(Ending(99, 0, "client", 101, "exit 1", 1), Ending(99, 0, "server", 200, "exit 0", 4)))
    assert first("client: a\nclient: b\nserver: Received", run).who == first_


def test_a_hint_without_a_condition_is_not_shown_where_only_other_bytes_were_sent():
    rules = 'client: connected\nclient: sending "abc"\n  ? What does the server know?\nclient: closing'
    assert "What does the server know?" not in told(rules, runs.run('client: connected\nclient: sending "ab"\nclient: closing'))
    assert "What does the server know?" in told(rules, runs.run('client: connected\nclient: sending "x"\nclient: sending "abc"\nclient: closing'))


@pytest.mark.parametrize("returned, waited", [(6, True), (3, False)])
def test_what_the_other_program_waited_in_when_a_pause_was_over_is_told(returned, waited):
    run = apart('client: pausing 5 s\nclient: going on\nserver@200#1: closing', f"2-{returned} server@200#1 read 9 = 3")
    said = told("client: pausing 5 s\nclient: going on  after clock: server: closing\nserver: closing", run)
    assert ("The server waited in read on connection 1 then. So it had not come to its line." in said) is waited, said


@pytest.mark.parametrize("result, over", [(0, True), (1, False)])
def test_a_poll_that_does_not_wait_is_told(result, over):
    run = apart("client: connected\nclient: closing", f"2-3 client@101#1 poll 1 = {result}")
    run = replace(run, calls=tuple(replace(call, limit=0) for call in run.calls))
    assert ("has a limit of 0, so it did not wait" in told('client: connected\nclient: received "abc"', run)) is over


@pytest.mark.parametrize("result, ended", [(0, True), (3, False)])
def test_a_loop_that_logs_on_behind_the_end_of_the_stream_is_told_of_that_end(result, ended):
    lines = "client: connected\n" + "client: reading data\n" * 1200
    run = replace(apart(lines, f"2-3 client@101#1 read 9 = {result}"), stop=Stop("runaway", words="more than 1000 lines were logged"))
    assert ("had returned 0: that is EOF, and nothing comes behind it." in told("client: connected\nclient: EOF", run)) is ended


def test_what_came_of_bytes_that_were_not_sent_is_told():
    rules = 'client: connected\nclient: sending "abc"\nserver: accepted\nserver: received "abc" after client: sending "abc"'
    said = told(rules, runs.run("client: connected\nserver: accepted\nclient: closing\nserver: EOF"))
    assert "So the server said \"EOF\" where 'received \"abc\"' was to come." in said


def test_a_line_that_came_later_waits_for_nothing():
    rules = 'server: sending "abc"\nclient: connected\nclient: received "abc" after server: sending "abc"'
    assert "can receive only" not in told(rules, runs.run('client: connected\nclient: pausing 1 s\nserver: sending "abc"\nclient: received "abc"'))


@pytest.mark.parametrize("right, told_of", [('received "abc\\n"', False), ("reading data", True)])
def test_who_had_a_whole_line_and_does_not_answer_is_not_told_to_wait_for_a_newline(right, told_of):
    stop = Stop("deadlock", "client, server", ("client", "server"), (Waiting("client", 101, 101, "read", 4, 1, "server", "client.c:9"), Waiting("server", 200, 200, "read", 4, 1, "client", "server.c:9")))
    run = apart(f'client: sending "abc\\nde"\nserver@200#1: {right}', '2-3 client@101#1 write 6 = 6\n3-3 server@200#1 read 9 = 6\n8- server@200#1 read 9\n8- client@101#1 read 9')
    run = replace(run, stop=stop, calls=tuple(replace(call, data="abc\nde") if call.result == 6 else call for call in run.calls))
    assert ("no newline" in told(f'client: sending "abc\\nde"\nserver: {right}\nserver: writing response', run)) is told_of


@pytest.mark.parametrize("calls, kind, words_", [("", "note", 'said "pausing 5 s", and did not pause'), ("2-3 client@101#0 clock_nanosleep 0 = 0", "note", ""), ("", "pause", "")])
def test_a_pause_that_was_only_said_is_told_first(calls, kind, words_):
    run = apart('client: pausing 5 s\nserver: x\nclient: b', calls)
    run = replace(run, events=tuple(replace(event, kind=kind) if "pausing" in event.text else event for event in run.events))
    said = told("client: pausing 5 s\nclient: b\nserver: a", run)
    assert (words_ in said.splitlines()[0]) if words_ else "did not pause" not in said, said


def test_a_hint_about_no_shutdown_is_not_shown_where_the_shutdown_was_on_another_descriptor():
    rules = "client: connected\nclient: shutting down SHUT_WR\n  ? [no shutdown] What sends nothing?\nclient: reading data"
    log = "client: connected\nclient: shutting down SHUT_WR\nclient: reading data"
    elsewhere, none = (told(rules, apart(log, calls + "8- client@101#1 read 9")) for calls in ("5-6 client@101#0 shutdown SHUT_WR = EBADF\n", ""))
    assert "was on descriptor 4" in elsewhere and "What sends nothing?" not in elsewhere and "What sends nothing?" in none


@pytest.mark.parametrize("option, told_of", [("SHUT_WR", False), ("SHUT_RD", True)])
def test_a_shutdown_of_the_receiving_behind_the_right_one_is_not_told_as_in_its_place(option, told_of):
    run = apart("client: shutting down SHUT_WR\nclient: closing", f"2-3 client@101#1 shutdown {option} = 0\n2-3 client@101#1 shutdown SHUT_RD = 0")
    run = replace(run, calls=tuple(replace(call, seq=call.seq + n) for n, call in enumerate(run.calls)))
    assert ("SHUT_RD ends the receiving alone" in told("client: shutting down SHUT_WR\nclient: EOF", run)) is told_of


@pytest.mark.parametrize("wrote, waits", [(6, False), (0, True)])
def test_who_read_less_than_was_written_did_not_wait_for_the_sender(wrote, waits):
    calls = "2-3 client@101#1 write 6 = 6\n3-3 server@200#1 read 2 = 2" if wrote else "3- server@200#1 read 2\n5-6 client@101#1 write 6 = 6"
    run = apart('client: sending "abcdef"\nserver: thinking', calls)
    said = told('client: sending "abcdef"\nserver: received "abcdef" after client: sending "abcdef"', run)
    assert ("can receive only" in said) is waits, said


@pytest.mark.parametrize("later, told_of", [("", True), ("\n8-9 client@101#1 read 3 = 3", False)])
def test_a_line_about_bytes_that_were_only_looked_at_counts_too_many_of_them(later, told_of):
    run = apart('client: connected\nclient: received "abc"\nclient: closing', f"2-3 client@101#1 recvfrom MSG_PEEK = 3{later}")
    said = told('client: connected\nclient: received "abc"\nclient: closing', run)
    assert ("counts 3 bytes; with it, its lines count more bytes than the 0 that it had read" in said and "Its recv has the flag MSG_PEEK" in said) is told_of, said


@pytest.mark.parametrize("error, shown", [("ENOTCONN", True), ("EAGAIN", False)])
def test_a_hint_can_name_the_error_with_which_a_program_ended(error, shown):
    run = replace(apart("client: connected\nserver: x", f"2-3 client@101#1 read 9 = {error}"), endings=(Ending(99, 0, "client", 101, "exit 1", 1),))
    assert ("Which descriptor?" in told("client: connected\nclient: received\n  ? [exit 1 ENOTCONN] Which descriptor?\nserver: x", run)) is shown


@pytest.mark.parametrize("reads, words_", [([18], 'the server\'s read returned "This is a message\\n".'), ([10, 8], "in 2 reads of 10 and 8 bytes."), ([17], "")])
def test_bytes_that_came_and_were_not_printed_are_told_as_that(reads, words_):
    run = printed("server: accepted\nserver: Received message: no", "\n".join(f"2-3 server@200#1 read 99 = {size}" for size in reads))
    data, calls = iter("This is a message\n"), [*run.calls]
    run = replace(run, calls=tuple(replace(call, seq=2 + n, data="".join(next(data) for _ in range(call.result))) for n, call in enumerate(calls)))
    said = told("server: accepted\nserver: Received message: This is a message\nserver: closing" if sum(reads) == 18 else "server: accepted\nserver: Received message: This is a message!", run)
    assert ("The bytes of that text did come" in said) is bool(words_) and words_ in said, said


@pytest.mark.parametrize("error, words_", [("EMSGSIZE", "So a function of the client itself set that error, or errno had it from before. The 4 bytes that it brought (15 00 00 00) are 352,321,536 with the highest byte first, and 21 in"),
                                           ("EPIPE", "errno says why a call failed.")])
def test_an_error_that_no_call_gave_may_be_the_programs_own(error, words_):
    run = apart(f"client: connected\nclient: Error reading: {error}", "2-3 client@101#1 read 4 = 4")
    run = replace(run, calls=tuple(replace(call, data="\x15\0\0\0") for call in run.calls))
    assert words_ in told('client: connected\nclient: received "abc"', run)


def test_who_closed_did_not_wait_for_bytes():
    rules = 'client: sending "abc"\nserver: received "abc" after client: sending "abc"'
    said = [told(rules, apart(f'client: sending "abc"\nserver: {text}', "3- server@200#1 read 2\n8-9 client@101#1 write 3 = 3")) for text in ("closing", "thinking")]
    assert ["can receive only" in one for one in said] == [False, True]


@pytest.mark.parametrize("second, told_of", [("bc", True), ("cd", False)])
def test_other_bytes_than_announced_are_told_before_a_later_write_of_too_many(second, told_of):
    run = apart('client: sending "abcd"\nclient: closing', "12-13 client@101#1 write 2 = 2\n14-15 client@101#1 write 2 = 2\n16-17 client@101#1 write 2 = 2")
    run = replace(run, calls=tuple(replace(call, data=data) for call, data in zip(run.calls, ("ab", second, "xy"))), events=tuple(replace(event, seq=event.seq * 10) for event in run.events))
    said = told('client: sending "abcd"\nclient: closing', run)
    assert ('and its write sent other bytes: "bc"' in said) is told_of and ("wrote 2 bytes on connection 1 that no line of it announces" in said) is not told_of, said


@pytest.mark.parametrize("kind, told_of", [("send", True), ("recv", False)])
def test_a_line_about_bytes_that_came_which_counts_them_as_sent_is_told(kind, told_of):
    run = runs.run('client: sending "abc"\nclient: sending "d"\nserver: x\nclient: received "ab"', wire="client A 1+3")
    run = replace(run, events=tuple(replace(event, kind=kind) if "received" in event.text else event for event in run.events))
    said = told('client: sending "abc"\nclient: sending "d"\nserver: x\nclient: received "ab"\nbytes: client -> server = 3', run)
    assert ("counts its bytes as sent ones." in said) is told_of and "The wire carried what the contract asks for" in said, said


def test_a_program_that_ended_is_not_told_that_it_called_no_read():
    run = replace(printed("server: accepted\nclient: x", "2-3 server@200#1 write 9 = 9"), endings=(Ending(99, 0, "server", 200, "exit 1", 1),))
    assert "called no read" not in told("server: accepted\nserver: Received message: hello\nclient: x", run)


@pytest.mark.parametrize("thread, found", [(5, True), (101, False)])
def test_an_order_that_a_thread_without_a_line_made_is_not_called_luck(thread, found):
    """Nobody knows when the thread was made."""
    run = apart("client@101#1: shutting down SHUT_WR\nserver@200#1: EOF", "2-2 client@101#1 shutdown SHUT_WR = 0\n3-3 server@200#1 read 9 = 0")
    run = replace(run, calls=tuple(replace(call, tid=thread) if call.name == "shutdown" else call for call in run.calls),
                  connections=tuple(replace(made, opener=replace(made.opener, shut=2)) for made in run.connections))
    said = told("client: shutting down SHUT_WR\nserver: EOF  after client: shutting down SHUT_WR", run)
    assert "nothing guarantees it" not in said
    assert ("Another thread of the client brought the EOF, and it had logged no line before that." in said, "no line proves it" in said) == (found, found), said
