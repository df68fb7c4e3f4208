"""Which orders does a run force? Each of the six causes, with something beside it that it must not claim."""
from __future__ import annotations

import random
from dataclasses import replace

import runs
from harness.judge import causes
from harness.trace import Stop


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


def test_each_way_of_causes_is_a_chain_of_seen_orders():
    events = runs.run(runs.HALF_CLOSE).events
    order, chooser = causes.derive(runs.run(runs.HALF_CLOSE)), random.Random(4)
    for a, b in (sorted(chooser.sample(range(1, len(events) + 1), 2)) for _ in range(100)):
        way = order.why(a, b)
        assert (way is not None) == order.forced(a, b)
        if way:
            assert way[0].before == a and way[-1].after == b and all(x.after == y.before for x, y in zip(way, way[1:]))
