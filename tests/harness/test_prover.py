"""Quiescence and deadlock: what is proven, and what only looks like it."""
from __future__ import annotations

import contextlib
import os
import socket

import pytest

from harness.judge import comparison as judge
from harness.judge import contract
from harness.observe import kernel, sockets, tcp
from harness.stage import conductor
from harness.stage.scenarios import find
from pairs import run, texts

SMALL = "rcvbuf 4096; sndbuf 4096"

DEADLOCKED = {
    "both in read": ("connect; write 5; read 1", "listen; accept; read 5; read 1"),
    "both in write, all queues full": (f"{SMALL}; connect; write 1000000; readall 1000000", f"{SMALL}; listen; accept; write 1000000; readall 1000000"),
    "both in poll": ("connect; poll", "listen; accept; poll"),
    "one in select, one in epoll": ("connect; select", "listen; accept; epoll"),
    "read that waits for more than there is": ("connect; write 5; read 1", "listen; accept; lowat 9; read 9"),
    "after pauses on both sides": ("connect; pause 3; read 1", "listen; accept; pause 7; read 1"),
    "after a slow start": ("connect; slow 60; read 1", "listen; accept; slow 30; read 1"),
    "in threads": ("connect; thread; read 1; end; pause-for-ever", "listen; thread; accept; read 1; end; pause-for-ever"),
    "in a forked child": ("connect; read 1", "listen; accept; fork; read 1; end; close; wait"),
    "in a child that left the process group": ("connect; read 1", "listen; accept; fork; setsid; read 1; end; close; exit 0"),
}

NOT_DEADLOCKED = {
    "slow, then it speaks": ("connect; read 1", "listen; accept; slow 80; write 1; close; closelistener"),
    "both pause, then one speaks": ("connect; pause 5; read 1", "listen; accept; pause 9; write 1"),
    "data still queued": ("connect; write 9; slow 60; read 1", "listen; accept; slow 40; read 9; write 1"),
    "a FIN on its way": ("connect; read 1; close", "listen; accept; slow 40; close"),
    "the other end closed by exit": ("connect; read 1", "listen; accept; slow 20; exit 0"),
    "a third process about to speak": ("connect; read 1", "listen; accept; fork; slow 60; write 1; end; read 1"),
    "another thread about to speak": ("connect; read 1", "listen; accept; thread; slow 60; write 1; end; read 1"),
    "a thread that holds its breath": ("connect; read 1", "listen; accept; thread; pause 2; write 1; end; read 1"),
    "a poll with a limit": ("connect; read 1", "listen; accept; poll-ms 60; write 1"),
    "a read with a limit": ("connect; rcvtimeo 60; read 1; close", "listen; accept; read 1"),
    "a big message that takes many turns": (f"{SMALL}; connect; write 1000000; read 1", f"{SMALL}; listen; accept; slow 20; readall 1000000; write 1"),
    "a writer that waits for the reader's window": (f"{SMALL}; connect; write 300000; close", f"{SMALL}; listen; accept; pause 1; readall 300000; close"),
    "a small write held back by Nagle": ("connect; write 1; read 1; write 2; write 2; read 1", "listen; accept; read 1; write 1; readall 4; write 1"),
}


@pytest.mark.parametrize("isolate", [True, False], ids=["own network", "shared network"])
@pytest.mark.parametrize("name", DEADLOCKED)
def test_a_deadlocked_pair_is_proven_deadlocked(name, isolate, tmp_path):
    made = run(tmp_path / "pair", *DEADLOCKED[name], isolate=isolate)
    assert made.stop.kind == "deadlock", made.stop
    assert set(made.stop.cycle) == {"client", "server"}
    assert made.stop.under_way == 0


@pytest.mark.parametrize("isolate", [True, False], ids=["own network", "shared network"])
@pytest.mark.parametrize("name", NOT_DEADLOCKED)
def test_a_pair_that_only_looks_deadlocked_goes_on(name, isolate, tmp_path):
    made = run(tmp_path / "pair", *NOT_DEADLOCKED[name], isolate=isolate)
    assert made.stop.kind in ("over", "waiting"), made.stop
    assert [e.how for e in made.endings if e.who == "client"] == ["exit 0"]


def test_a_client_that_nobody_serves_waits_but_is_in_no_cycle(tmp_path):
    made = run(tmp_path / "pair", "connect; read 1", "listen; pause-for-ever")
    assert made.stop.kind == "waiting"
    assert [w.call for w in made.stop.waiting if w.who == "client"] == ["read"]


def test_a_long_table_of_the_network_is_read_to_its_end():
    with contextlib.ExitStack() as open_sockets:
        for _ in range(200):
            listener = open_sockets.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        ports = {row.port for row in tcp.rows(os.getpid())}
        assert listener.getsockname()[1] in ports
        assert len(ports) >= 200


def test_the_evidence_names_call_connection_and_the_other_side(tmp_path):
    made = run(tmp_path / "pair", "connect; write 5; read 1", "listen; accept; read 5; read 1")
    assert {(w.who, w.call, w.connection, w.on) for w in made.stop.waiting} == {
        ("client", "read", 1, "server"), ("server", "read", 1, "client")}
    assert all(s.unread == 0 and s.unsent == 0 for s in made.stop.sockets)


def test_full_queues_are_in_the_evidence(tmp_path):
    made = run(tmp_path / "pair", *DEADLOCKED["both in write, all queues full"])
    ends = [s for s in made.stop.sockets if s.state == "ESTABLISHED"]
    assert len(ends) == 2
    assert all(s.unread > 0 and s.unsent > 0 for s in ends)
    assert {w.call for w in made.stop.waiting} == {"write"}


def test_a_deadlock_is_proven_within_50_ms_of_its_last_call(tmp_path):
    waits = []
    for _ in range(5):
        made = run(tmp_path / "pair", *DEADLOCKED["both in read"])
        did = [event.ns for event in made.events] + [ns for call in made.calls for ns in (call.ns, call.returned_ns)]
        waits.append(made.stop.sockets[0].ns - max(did))
    assert min(waits) < 50_000_000


def test_the_earliest_pause_ends_first_whatever_the_order_of_arrival(tmp_path):
    made = run(tmp_path / "pair", "connect; pause 9; event late; close", "listen; accept; pause 2; event early; read 1")
    order = [e.text for e in made.events]
    assert order.index("early") < order.index("late")


def test_a_pause_costs_no_time_and_knows_what_came_before_its_end(tmp_path):
    made = run(tmp_path / "pair", "connect; write 1; pause 3600; event later; close", "listen; accept; read 1; event seen; read 1")
    pause = next(e for e in made.events if e.kind == "pause")
    seen = next(e for e in made.events if e.text == "seen")
    assert pause.resumed_after >= seen.seq
    assert made.endings[0].ns < 3600 * 10**9


def test_lines_of_threads_and_children_are_told_apart(tmp_path):
    made = run(tmp_path / "pair", "connect; fork; event in a child; end; wait; thread; event in a thread; exit 0; end; pause-for-ever", "listen; accept; read 1")
    mine = [e for e in made.events if e.who == "client"]
    assert len({e.tid for e in mine}) == 3
    assert len({e.pid for e in mine}) == 2
    assert texts(made, "client").count("in a child") == 1


@pytest.mark.parametrize("name", DEADLOCKED)
def test_without_the_sockets_themselves_only_what_the_table_of_the_network_shows_is_proven(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "_pidfd", lambda pid: -1)
    monkeypatch.setattr(conductor, "IDLE", 2.0)
    monkeypatch.setattr(conductor, "UNPROVEN", 0.2)
    made = run(tmp_path / "pair", *DEADLOCKED[name], observe=False)
    if "more than there is" in name:     # SO_RCVLOWAT is not in the table
        assert made.stop.kind == "no progress"
    elif "poll" in name or "select" in name:    # nothing that SO_RCVTIMEO would end
        assert (made.stop.kind, set(made.stop.cycle)) == ("deadlock", {"client", "server"})
    else:
        assert (made.stop.kind, set(made.stop.cycle)) == ("no progress", {"client", "server"})
        assert "no deadlock is proven" in made.stop.words


@pytest.mark.parametrize("name", NOT_DEADLOCKED)
def test_without_the_sockets_themselves_nothing_is_proven_wrongly(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "_pidfd", lambda pid: -1)
    made = run(tmp_path / "pair", *NOT_DEADLOCKED[name], observe=False)
    assert made.stop.kind in ("over", "waiting"), made.stop


@pytest.mark.parametrize("name", sorted(DEADLOCKED))
def test_the_observed_calls_tell_the_time_limits_that_a_socket_can_not_be_asked_for(name, tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "_pidfd", lambda pid: -1)
    made = run(tmp_path / "pair", *DEADLOCKED[name])
    if not made.observed:
        pytest.skip("system calls can't be looked at here")
    assert (made.stop.kind, set(made.stop.cycle)) == ("deadlock", {"client", "server"}), made.stop


@pytest.mark.parametrize("name", ["both in read", "after pauses on both sides"])
def test_a_system_that_does_not_tell_never_gives_a_deadlock(name, tmp_path, monkeypatch):
    monkeypatch.setattr(kernel, "tells", lambda: False)
    monkeypatch.setattr(conductor, "GUESS", 0.05)
    monkeypatch.setattr(conductor, "IDLE", 0.5)
    made = run(tmp_path / "pair", *DEADLOCKED[name])
    assert made.stop.kind == "no progress"
    assert any("no deadlock is proven" in note for note in made.notes)


def test_without_sockets_and_calls_scenario_2_is_as_expected_but_not_proven(monkeypatch):
    monkeypatch.setattr(sockets, "_pidfd", lambda pid: -1)
    monkeypatch.setattr(conductor, "UNPROVEN", 0.2)
    scenario = find("2")
    made = conductor.Conductor(scenario, conductor.VirtualClock(), isolate=False, observe=False).run()
    verdict = judge.judge(made, contract.load(scenario.contract))
    assert (made.stop.kind, verdict.word) == ("no progress", "as expected")
    assert any("whether this is a deadlock" in words for words in verdict.unseen)


def test_on_a_system_that_does_not_tell_a_scenario_still_keeps_its_contract(monkeypatch):
    monkeypatch.setattr(kernel, "tells", lambda: False)
    monkeypatch.setattr(conductor, "GUESS", 0.2)
    scenario = find("1")
    made = conductor.Conductor(scenario, conductor.VirtualClock()).run()
    verdict = judge.judge(made, contract.load(scenario.contract))
    assert verdict.word == "as expected"
    assert any("how the server ends" in words for words in verdict.unseen)
