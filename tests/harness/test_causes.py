"""Which orders does a run force? Each of the causes, with something beside it that it must not claim."""
from __future__ import annotations

import random
from dataclasses import replace

import pytest

import runs
from harness.judge import causes
from harness.trace import Ending, Start, Stop
from work import grows


def kinds(run, a: str, b: str, clock: bool = True):
    """The kinds of cause on the way from the line a to the last line b, None if nothing forces it."""
    seqs = {f"{e.who}: {e.text}": e.seq for e in run.events}
    way = causes.derive(run).why(seqs[a], seqs[b], clock=clock)
    return None if way is None else [cause.kind for cause in way]


def test_a_program_does_one_thing_after_another():
    run = runs.run("client: a\nclient: b\nclient: c")
    assert kinds(run, "client: a", "client: c") == ["program", "program"]


def test_two_programs_without_a_cause_are_free():
    assert kinds(runs.run("client: a\nserver: b"), "client: a", "server: b") is None


def test_two_threads_of_a_program_are_free():
    assert kinds(runs.run("server: listening\nserver: b\nserver[2]: c"), "server: b", "server: c") is None


def test_the_bytes_come_after_the_sending_that_covers_them():
    run = runs.run('client: sending "ab"\nclient: sending "cd"\nserver: received "abc"')
    assert kinds(run, 'client: sending "cd"', 'server: received "abc"') == ["bytes"]


def test_the_bytes_do_not_come_after_a_sending_that_they_do_not_need():
    run = runs.run('client: sending "ab"\nclient: sending "cd"\nserver: received "a"\nserver: received "b"')
    assert kinds(run, 'client: sending "cd"', 'server: received "b"') is None
    assert kinds(run, 'client: sending "ab"', 'server: received "b"') == ["bytes"]


def test_bytes_of_another_connection_force_nothing():
    run = runs.run('client[2]: sending "ab"\nclient: sending "ab"\nserver: received "ab"')
    causes_ = causes.derive(run)
    assert not causes_.forced(1, 3) and causes_.forced(2, 3)


def test_more_bytes_received_than_lines_say_were_sent_are_no_basis_for_an_order():
    order = causes.derive(runs.run('client: sending "ab"\nserver: received "abcd"'))
    assert not order.forced(1, 2) and "2 sent and 4 received" in order.notes[0]


def test_eof_comes_after_the_peers_half_close_and_all_that_it_sent():
    run = runs.run('client: sending "ab"\nclient: shutting down SHUT_WR\nserver: EOF')
    assert kinds(run, "client: shutting down SHUT_WR", "server: EOF") == ["FIN"]
    assert kinds(run, 'client: sending "ab"', "server: EOF") is not None


def test_eof_does_not_come_after_shut_rd_nor_after_a_later_close():
    deaf = runs.run("client: shutting down SHUT_RD\nserver: EOF", "client: waiting in read", Stop("waiting"))
    assert kinds(deaf, "client: shutting down SHUT_RD", "server: EOF") is None
    late = runs.run("client: shutting down SHUT_WR\nclient: closing\nserver: EOF")
    assert kinds(late, "client: closing", "server: EOF") is None


def test_eof_comes_after_the_last_line_of_a_peer_that_ended_without_closing():
    log = "server: x\nclient: last words\nserver: EOF"
    assert kinds(runs.run(log), "client: last words", "server: EOF") == ["FIN"]
    waiting = runs.run(log, "client: waiting in read", Stop("waiting"))
    assert kinds(waiting, "client: last words", "server: EOF") is None


def test_eof_on_an_unknown_connection_has_no_cause():
    run = runs.run("server: closing\nclient: EOF")
    unknown = replace(run, events=tuple(replace(e, connection=0) for e in run.events))
    assert kinds(unknown, "server: closing", "client: EOF") is None


def in_another_process(run, *seqs: int):
    return replace(run, events=tuple(replace(e, pid=299, tid=299) if e.seq in seqs else e for e in run.events))


def test_eof_needs_the_close_of_each_process_that_held_the_socket():
    order = causes.derive(in_another_process(runs.run("server: closing\nserver: closing\nclient: EOF"), 1))
    assert order.forced(1, 3) and order.forced(2, 3)


def test_after_a_half_close_no_other_process_needs_to_close():
    order = causes.derive(in_another_process(runs.run("server: closing\nserver: shutting down SHUT_WR\nclient: EOF"), 1))
    assert order.forced(2, 3) and not order.forced(1, 3)


def test_eof_comes_after_what_another_thread_had_sent_before():
    order = causes.derive(in_another_process(runs.run("server: writing response\nserver: shutting down SHUT_WR\nclient: EOF"), 1))
    assert order.forced(1, 3)


def test_closing_the_listener_sends_no_fin():
    assert kinds(runs.run("server: closing the listener\nclient: EOF"), "server: closing the listener", "client: EOF") is None


def test_a_reset_comes_after_the_peers_close():
    run = runs.run("server: closing\nclient: Error reading: ECONNRESET")
    assert kinds(run, "server: closing", "client: Error reading: ECONNRESET") == ["reset"]


def test_a_reset_does_not_come_after_a_mere_half_close():
    run = runs.run("server: shutting down SHUT_WR\nclient: Error writing: EPIPE", "client: exit 0, server: waiting in read")
    assert kinds(run, "server: shutting down SHUT_WR", "client: Error writing: EPIPE") is None


def test_epipe_after_ones_own_shutdown_says_nothing_about_the_peer():
    run = runs.run("server: closing\nclient: shutting down SHUT_WR\nclient: Error writing: EPIPE")
    assert kinds(run, "server: closing", "client: Error writing: EPIPE") is None


def test_connected_comes_after_listening_and_accepted_after_connecting():
    run = runs.run("server: listening\nclient: connecting\nclient: connected\nserver: accepted")
    assert kinds(run, "server: listening", "client: connected") == ["connect"]
    assert kinds(run, "client: connecting", "server: accepted") == ["connect"]


def test_accepted_and_connected_are_free():
    run = runs.run("server: listening\nclient: connecting\nclient: connected\nserver: accepted")
    assert kinds(run, "client: connected", "server: accepted") is None


def test_accepted_may_come_before_connected_and_still_after_connecting():
    run = runs.run("server: listening\nclient: connecting\nserver: accepted\nclient: connected")
    assert kinds(run, "client: connecting", "server: accepted") == ["connect"]
    assert kinds(run, "server: accepted", "client: connected") is None


def test_the_connecting_of_another_client_is_no_cause():
    order = causes.derive(runs.run("client: connecting\nclient[2]: connecting\nclient[2]: connected\nclient: connected\nserver: accepted"))
    assert order.forced(1, 5) and not order.forced(2, 5)


def test_of_two_clients_that_never_connected_neither_is_a_cause():
    order = causes.derive(runs.run("client: connecting\nclient[2]: connecting\nserver: accepted"))
    assert not order.forced(1, 3) and not order.forced(2, 3)


def test_a_client_that_never_logs_connected_still_comes_before_accepted():
    order = causes.derive(runs.run("client: connecting\nclient: connected\nclient[2]: connecting\nserver[2]: accepted"))
    assert order.forced(3, 4) and not order.forced(1, 4)


def test_another_port_is_no_cause():
    run = runs.run("server: listening\nclient: connecting\nclient: connected")
    other = replace(run.events[0], address="127.0.0.1:9999")
    assert kinds(replace(run, events=(other, *run.events[1:])), "server: listening", "client: connected") is None


def test_what_came_before_a_pause_ended_comes_before_what_follows_it():
    run = runs.run("client: pausing 5 s\nserver: x\nclient: y\nclient: z")
    assert kinds(run, "server: x", "client: z") == ["clock", "program"]
    assert kinds(run, "server: x", "client: z", clock=False) is None


def test_a_pause_in_real_time_forces_nothing():
    run = runs.run("server: w\nclient: pausing 5 s\nserver: x\nclient: y")
    real = replace(run, events=tuple(replace(e, resumed_after=-1) for e in run.events))
    assert kinds(real, "server: x", "client: y") is None and kinds(real, "server: w", "client: y") is None


def test_what_the_log_contradicts_is_never_forced():
    order = causes.derive(runs.run('server: received "ab"\nclient: sending "ab"\nserver: EOF\nclient: closing'))
    assert not any(order.forced(a, b) for a in (1, 3) for b in (2, 4)) and not order.forced(4, 3)


# --- who ended a connection, where calls were seen ---

HELPER = """
client@101#1: connected
server@200#1: accepted
server@200#1: sending "bye"
server@200#1: closing
client@101#1: received "bye"
server@299#1: helper exiting
client@101#1: EOF
"""
CLIENT = runs.end("client", 101, (101, 1, -1, "", 0))


def helped(parent, child, log: str = HELPER, **more):
    """The server's end is held by its parent process 200 and by its child 299."""
    return runs.facts(runs.spread(runs.run(log)), (CLIENT, runs.end("server", 200, (200, 2, *parent), (299, 3, *child), **more)))


def test_eof_comes_after_the_last_line_of_the_last_process_that_held_the_connection():
    made = helped((45, "close", 200), (65, "exit", 0))
    assert kinds(made, "server: helper exiting", "client: EOF") == ["FIN"]
    assert kinds(made, "server: closing", "client: EOF") is None
    brought = causes.derive(made).brought[70]
    assert (brought.how, brought.who, brought.pid, [h.pid for h in brought.earlier]) == ("exit", "server", 299, [200])


@pytest.mark.parametrize("how, log, calls, mode, forced", [
    ("exit", HELPER, "", "", True), ("close", HELPER, "", "", False), ("exit", HELPER + "server@299#1: still here", "", "", False),
    ("exit", HELPER, "68-72 server@299#1 write 1 = 1", "", False), ("exit", HELPER, "72- server@299#1 read 1", "", False),
    ("exit", HELPER, "", "reset", False)],
    ids=["seen late", "a close", "it logged later", "its call returned later", "it called later", "the lab resets"])
def test_an_exit_that_is_seen_after_the_eof_that_it_brought_is_its_cause_all_the_same(how, log, calls, mode, forced):
    made = runs.facts(helped((45, "close", 200), (85, how, 299 if how == "close" else 0), log), *_ends(helped((45, "close", 200), (85, how, 0), log)), calls=calls)
    made = replace(made, mode=mode or made.mode)
    assert kinds(made, "server: helper exiting", "client: EOF") == (["FIN"] if forced else None)


def _ends(made):
    return [(one.opener, one.acceptor) for one in made.connections]


def test_where_the_parent_closes_last_its_closing_is_the_cause():
    made = helped((65, "close", 200), (62, "exit", 0))
    assert kinds(made, "server: closing", "client: EOF") == ["FIN"]
    assert kinds(made, "server: helper exiting", "client: EOF") is None


def test_without_calls_each_process_that_took_part_is_a_cause():
    made = replace(helped((45, "close", 200), (65, "exit", 0)), observed=False, children=(Ending(20, 0, "server", 299, "exit 0", 6, True),))
    assert kinds(made, "server: helper exiting", "client: EOF") and kinds(made, "server: closing", "client: EOF")


def test_what_was_sent_before_the_last_holder_left_comes_before_eof():
    assert kinds(helped((45, "close", 200), (65, "exit", 0)), 'server: sending "bye"', "client: EOF") == ["FIN"]


def test_while_somebody_holds_the_connection_no_line_of_it_brings_eof():
    made = helped((45, "close", 200), (-1, "", 0))
    assert kinds(made, "server: closing", "client: EOF") is kinds(made, "server: helper exiting", "client: EOF") is None


def test_a_close_that_came_after_eof_did_not_bring_it():
    assert kinds(helped((45, "close", 200), (75, "close", 299)), "server: helper exiting", "client: EOF") is None


def test_an_exec_is_told_late_and_brings_eof_all_the_same():
    assert kinds(helped((45, "close", 200), (75, "exec", 0)), "server: helper exiting", "client: EOF") == ["FIN"]


def test_an_exec_brings_no_eof_while_another_process_still_holds_the_connection():
    assert kinds(helped((72, "close", 200), (75, "exec", 0)), "server: helper exiting", "client: EOF") is None


def test_eof_comes_after_the_call_of_shutdown_and_not_after_a_later_close():
    made = runs.facts(helped((45, "close", 200), (65, "exit", 0)),
                      (CLIENT, runs.end("server", 200, (200, 2, 45, "close", 200), (299, 3, 65, "exit", 0), shut=35)),
                      calls="35-36 server@200#1 shutdown SHUT_WR = 0")
    assert kinds(made, 'server: sending "bye"', "client: EOF") == ["FIN"]
    assert kinds(made, "server: helper exiting", "client: EOF") is None
    assert causes.derive(made).brought[70].how == "shutdown"


@pytest.mark.parametrize("said", ["EOF", "Error reading: ECONNRESET"])
@pytest.mark.parametrize("calls, known", [
    ("", False), ("30-31 client@101#1 read 4096 = 18", False), ("75-76 client@101#1 read 4096 = 0", False), ("66-67 client@101#1 read SHUT = 0", False),
    ("66-67 server@200#1 read 4096 = 0", False), ("66-67 client@101#1 read 4096 = 0", True), ("66-67 client@101#1 write 4 = EPIPE", True),
    ("66-67 client@101#0 poll 1 = 1", True), ("66-67 server@200#0 poll 1 = 1", False)])
def test_a_line_about_an_end_has_a_cause_only_if_its_program_could_know_of_the_end(said, calls, known):
    """It has said so, and the other end was closed by then: but nothing had told it."""
    made = runs.run(f"client@101#1: a\nserver@200#1: closing\nclient@101#1: {said}")
    made = runs.spread(replace(made, events=tuple(replace(e, seq=seq) for e, seq in zip(made.events, (2, 3, 7)))))
    made = runs.facts(made, (CLIENT, runs.end("server", 200, (200, 2, 35, "close", 200))), calls=calls, learnt=False)
    assert (kinds(made, "server: closing", f"client: {said}") is not None) is known


def test_after_ones_own_shutdown_of_reading_eof_says_nothing_about_the_peer():
    made = runs.facts(helped((45, "close", 200), (65, "exit", 0)), (CLIENT, runs.end("server", 200, (200, 2, 45, "close", 200))),
                      calls="66-67 client@101#1 shutdown SHUT_RDWR = 0")
    assert kinds(made, "server: closing", "client: EOF") is None
    assert causes.derive(made).brought[70].how == "own reading"


def test_at_an_exit_the_last_line_of_each_thread_counts_and_at_a_close_that_of_the_thread_alone():
    log = "server@200#1: accepted\nserver@200.201#1: one\nserver@200.202#1: other\nclient@101#1: EOF"
    for how, tid, found in (("exit", 0, [1, 2, 3]), ("close", 201, [2])):
        made = runs.facts(runs.spread(runs.run(log)), (CLIENT, runs.end("server", 200, (200, 0, 35, how, tid))))
        assert [seq for seq in (1, 2, 3) if causes.derive(made).forced(10 * seq, 40)] == found


ORPHAN = """
client@101#1: connected
server@200#1: accepted
client@101#1: leaving
client@150#1: closing
server@200#1: ECONNRESET
"""


def orphaned(parent, child):
    ends = runs.end("client", 101, (101, 1, *parent), (150, 2, *child)), runs.end("server", 200, (200, 2, -1, "", 0))
    return runs.facts(runs.spread(runs.run(ORPHAN)), ends)


def test_a_reset_comes_from_the_orphan_that_aborted_and_from_nobody_else():
    made = orphaned((35, "exit", 0), (45, "close", 150))
    assert kinds(made, "client: closing", "server: ECONNRESET") == ["reset"]
    assert kinds(made, "client: leaving", "server: ECONNRESET") is None
    assert causes.derive(made).brought[50].pid == 150


def test_a_reset_while_the_other_end_is_still_held_has_no_cause():
    made = orphaned((35, "exit", 0), (-1, "", 0))
    assert kinds(made, "client: closing", "server: ECONNRESET") is None and not causes.derive(made).brought


def test_epipe_after_ones_own_call_of_shutdown_says_nothing_about_the_peer():
    log = "client@101#1: closing\nserver@200#1: EPIPE"
    client = runs.end("client", 101, (101, 0, 15, "close", 101))
    for shut, forced in ((-1, True), (12, False)):
        made = runs.facts(runs.spread(runs.run(log)), (client, runs.end("server", 200, (200, 0, -1, "", 0), shut=shut)),
                          calls="12-13 server@200#1 shutdown SHUT_WR = 0" if forced is False else "")
        assert causes.derive(made).forced(10, 20) is forced


# --- ends of connections, in any cast ---

def peers(first: int, second: int):
    """One program's process 301 connects to another one of it."""
    log = f'peer@{first}#1: sending "ab"\npeer@{second}#1: received "ab"\npeer@{first}#1: closing\npeer@{second}#1: EOF'
    ends = runs.end("peer", first, (first, 0, 35, "close", first)), runs.end("peer", second, (second, 0, -1, "", 0))
    return runs.facts(runs.spread(runs.run(log, "")), ends, cast=runs.cast("peer listens 2 times"))


def test_two_ends_of_one_name_are_told_apart_by_their_processes():
    order = causes.derive(peers(301, 302))
    found = {(cause.kind, cause.before, cause.after) for edges in order.edges.values() for cause in edges if cause.kind != "program"}
    assert found == {("bytes", 10, 20), ("FIN", 10, 40), ("FIN", 30, 40)} and not order.notes


def test_where_the_two_ends_can_not_be_told_apart_nothing_is_claimed():
    order = causes.derive(peers(301, 301))
    assert {cause.kind for edges in order.edges.values() for cause in edges} == {"program"}
    assert order.notes == ("orders on connection 1: which of its two ends a line is about can't be told",)


def test_where_one_line_of_a_connection_can_not_be_placed_its_bytes_prove_nothing():
    third = runs.event(5, 'peer@303#1: sending "abc"')
    made = peers(301, 302)
    made = replace(made, events=(third, *made.events))
    assert not any(cause.kind == "bytes" for edges in causes.derive(made).edges.values() for cause in edges)


def test_an_end_that_no_line_is_about_is_its_makers_alone():
    log = "peer@303: c\npeer@301: b\npeer@302#1: EOF"
    made = replace(peers(301, 302), events=runs.log(log), observed=False, endings=runs.run(log, "peer@301: exit 0, peer@303: exit 0").endings)
    order = causes.derive(made)
    assert order.forced(2, 3) and not order.forced(1, 3)


def test_without_any_facts_a_single_name_has_no_peer():
    made = replace(runs.run('peer@301#1: sending "ab"\npeer@302#1: received "ab"'), cast=runs.cast("peer listens 2 times"))
    assert not causes.derive(made).forced(1, 2)


def test_two_connections_in_turn_on_the_same_addresses_count_their_own_bytes():
    log = """client@101#1: sending "ab"
             server@200#1: received "ab"
             client@101#2: sending "abc"
             server@200#2: received "abc"
             client@101#1: sending "late" """
    ends = runs.end("client", 101, address="127.0.0.1:41000"), runs.end("server", 200, address="127.0.0.1:8080")
    order = causes.derive(runs.facts(runs.run(log), ends, ends))
    assert {(c.before, c.after) for edges in order.edges.values() for c in edges if c.kind == "bytes"} == {(1, 2), (3, 4)}


RELAY = """
server@200: listening
relay@300: listening
client@101: connecting
client@101#1: connected
client@101#1: sending "ab"
relay@300#1: accepted
relay@300#1: connecting
relay@300#2: connected
server@200#2: accepted
relay@300#1: received "ab"
relay@300#2: sending "ab"
server@200#2: received "ab"
"""


def relayed(log: str = RELAY):
    made = replace(runs.run(log), cast=runs.cast("server listens", "relay listens", "client"))
    client, relay, server = runs.end("client", 101), runs.end("relay", 300), runs.end("server", 200)
    return replace(runs.facts(made, (client, relay), (relay, server)), observed=False)


@pytest.mark.parametrize("early, late", [
    ("client: connecting", "relay: accepted"), ("relay: connecting", "server: accepted"), ("relay: listening", "client: connected"),
    ('relay: sending "ab"', 'server: received "ab"'), ('client: sending "ab"', 'server: received "ab"')])
def test_a_relay_is_the_acceptor_of_the_one_and_the_opener_of_the_other(early, late):
    assert kinds(relayed(), early, late) is not None


def test_the_connecting_and_the_listening_of_others_are_no_cause_in_a_chain():
    order = causes.derive(relayed())
    connects = [(c.before, c.after) for edges in order.edges.values() for c in edges if c.kind == "connect"]
    assert sorted(connects) == [(1, 8), (1, 9), (2, 4), (2, 6), (3, 6), (7, 9)]


def test_in_a_chain_without_facts_a_connecting_that_came_to_nothing_is_nobodys():
    run = replace(runs.run("client@101: connecting\nserver@200#2: accepted"), cast=runs.cast("server listens", "relay listens", "client"))
    assert not causes.derive(run).forced(1, 2)
    assert causes.derive(replace(run, cast=runs.cast("server listens", "client"))).forced(1, 2)


def test_a_relay_without_facts_is_told_by_who_else_has_lines():
    order = causes.derive(replace(relayed(), connections=()))
    assert order.forced(5, 10) and order.forced(11, 12)


# --- start, clock, gaps ---

def started(*after: int):
    run = runs.run("client: a\nclient: closing\nclient[2]: b\nclient[2]: c")
    return replace(run, endings=(replace(run.endings[0], seq=20),), starts=(Start(2, 0, "client", 102, after),))


def test_a_program_starts_after_what_its_start_waited_for():
    assert causes.derive(started(1)).why(1, 3)[0].kind == "start"
    assert causes.derive(started()).why(1, 3) is None
    assert causes.derive(started(1)).why(2, 3) is None


def test_a_program_that_starts_after_the_end_of_another_comes_after_its_last_line():
    assert [cause.kind for cause in causes.derive(started(20)).why(2, 4)] == ["start", "program"]


def test_a_sleep_that_was_seen_as_a_call_orders_as_a_pause_does():
    run = runs.facts(runs.spread(runs.run("client: a\nserver: x\nclient: b")), calls="11-25 client@101#0 nanosleep 0")
    slept = replace(run, calls=(replace(run.calls[0], resumed_after=22),))
    assert kinds(slept, "server: x", "client: b") == ["clock"] and kinds(run, "server: x", "client: b") is None


def test_gaps_in_the_order_change_nothing():
    log = "client: pausing 5 s\nserver: x\nclient: y\nserver: z\nclient: w"
    plain, gaps = causes.derive(runs.run(log)), causes.derive(runs.spread(runs.run(log)))
    assert all(plain.forced(a, b) == gaps.forced(10 * a, 10 * b) for a in range(1, 6) for b in range(1, 6))


# --- how much work it is ---

LONG = {
    "one connection": 'client: sending "ab"\nserver: received "ab"\n',
    "many connections": "client[{n}]: connecting\nclient[{n}]: connected\nserver[{n}]: accepted\n"
                        "client[{n}]: closing\nserver[{n}]: EOF\nserver[{n}]: closing\n",
    "EOF stays": "client: closing\nserver: EOF\n", "pauses": "client: pausing 1 s\nserver: x\n",
    "resets": "server: closing\nclient: EPIPE\n"}


@pytest.mark.parametrize("lines", LONG.values(), ids=LONG)
def test_the_work_grows_with_the_length_of_a_run_and_not_with_its_square(lines):
    assert grows(causes.derive, lambda n: runs.run("".join(lines.format(n=k) for k in range(1, n + 1)))) < 2.3


def test_each_way_of_causes_is_a_chain_of_seen_orders():
    events = runs.run(runs.HALF_CLOSE).events
    order, chooser = causes.derive(runs.run(runs.HALF_CLOSE)), random.Random(4)
    for a, b in (sorted(chooser.sample(range(1, len(events) + 1), 2)) for _ in range(100)):
        way = order.why(a, b)
        assert (way is not None) == order.forced(a, b)
        if way:
            assert way[0].before == a and way[-1].after == b and all(x.after == y.before for x, y in zip(way, way[1:]))
