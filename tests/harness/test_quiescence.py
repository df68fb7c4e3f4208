"""What may still end a wait, and what only looks like it: timers, time limits, full windows, idle servers, locks and pipes."""
from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace

import pytest

import scripts
from harness.judge import comparison as judge
from harness.judge import contract
from harness.observe import kernel, quiescence
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.tell import story, words
from pairs import pair, run, texts

pytestmark = pytest.mark.skipif(not kernel.tells(), reason="this system does not tell what a thread waits for")
HEARS = "listen; accept; hear 9; hear 9; close; closelistener"
SMALL = "rcvbuf 4096; sndbuf 65536"


def observed(made):
    if not made.observed:
        pytest.skip(f"system calls can't be looked at here: {made.notes}")
    return made


@pytest.mark.parametrize("client, server, who, text", [
    ("connect; rcvtimeo 1500; hear 9; event after; close", HEARS, "client", "EAGAIN"),
    ("connect; itimer 700; hear 9; event after; close", HEARS, "client", "EINTR"),
    ("connect; say 5; hear 9; close", "listen; accept; hear 5; itimer 700; hear 5; say 3; close; closelistener", "client", "received 3 bytes"),
    (f"{SMALL}; connect; user-timeout 700; writeall 1000000; event after; close", f"{SMALL}; listen; accept; hear 1; hear-nothing", "client", "ETIMEDOUT"),
])
def test_a_wait_that_a_timer_ends_is_no_deadlock(client, server, who, text, tmp_path):
    made = observed(run(tmp_path / "pair", client, server))
    assert made.stop.kind != "deadlock" and made.stop.kind != "no progress", made.stop
    assert text in texts(made, who)


def test_a_program_that_is_stopped_is_not_said_to_run():
    stopped = subprocess.Popen(["sh", "-c", "kill -STOP $$"])
    try:
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED | os.WNOWAIT)
        assert quiescence.look([stopped.pid], set(), set()).busy == "a thread is stopped, by a signal or by ptrace"
    finally:
        stopped.kill()
        stopped.wait()


@pytest.mark.usefixtures("soon")
def test_the_program_that_is_stopped_is_named(tmp_path):
    made = run(tmp_path / "pair", "connect; kill 19", HEARS)
    assert made.stop.kind == "no progress" and "a thread of the client is stopped" in made.stop.words


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("live", [False, True])
def test_a_read_with_a_limit_that_is_longer_than_the_usual_wait_is_waited_for(live, tmp_path):
    made = run(tmp_path / "pair", "connect; rcvtimeo 5000; hear 9; event after; close", HEARS, live=live)
    assert texts(made, "client")[1:3] == ["EAGAIN", "after"]
    assert made.stop.kind == "over"


def test_an_accept_with_a_limit_is_told_in_words_that_can_be_read(tmp_path):
    made = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(9)", "l = listen()\nc = l.accept()[0]\nl.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('=qq', 3600, 0))\nl.accept()")
    assert "an accept has a time limit of 3600 s" in made.stop.words


def test_a_limit_that_is_longer_than_a_run_waits_is_told_at_once(tmp_path):
    made = run(tmp_path / "pair", "connect; rcvtimeo 3600000; hear 9; close", HEARS)
    assert made.stop.kind == "waiting"
    assert "a read has a time limit of 3600 s" in made.stop.words
    assert made.endings[-1].ns < 5e9 or made.events[-1].ns < 5e9


def test_a_short_limit_is_waited_for_beside_a_sleep_that_is_too_long(tmp_path):
    made = run(tmp_path / "pair", "connect; rcvtimeo 300; hear 9; event after; close", "listen; accept; sleep 40; close; closelistener", live=True)
    assert texts(made, "client")[1:3] == ["EAGAIN", "after"]


def test_a_pause_ends_in_its_time_though_another_program_logs_each_time_limit_that_passes(tmp_path):
    made = run(tmp_path / "pair", "connect; pause 1; say 1; close", f"listen; accept; rcvtimeo 100; {'hear 1; ' * 60}close; closelistener")
    assert 0 < texts(made, "server").count("EAGAIN") < 50


def test_an_alarm_that_is_longer_than_a_run_waits_is_told_at_once(tmp_path):
    made = observed(run(tmp_path / "pair", "connect; alarm 3600; hear 9; close", HEARS))
    assert made.stop.kind == "waiting" and "an alarm of the client goes off in" in made.stop.words


def test_without_the_calls_an_alarm_is_not_seen_and_the_words_say_so(tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; hear 9; close", HEARS), VirtualClock(), observe=False).run()
    assert made.stop.kind == "deadlock" and not made.observed
    assert "As far as this system shows" in " ".join(story.happened(made))
    rules = contract.parse("client others allowed\nserver others allowed\nclient: connected\ndeadlock: client, server")
    verdict = judge.judge(made, rules)
    told = words.tell(verdict, made, rules, reproduce="")
    assert verdict.word == "as expected" and "a deadlock, as far as this system shows, as the contract says" in told and "roven" not in words.proof(made)


@pytest.mark.parametrize("act, word", [("event closing", "differs"), ("close", "as expected")])
def test_without_the_calls_a_connection_that_is_only_said_to_be_closed_is_seen_at_the_end(act, word, tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; say 5; close", f"listen; accept; hear 5; hear 5; {act}; accept"), VirtualClock(), observe=False).run()
    verdict = judge.judge(made, contract.parse("client others allowed\nserver others allowed\nserver: EOF\nserver: closing"))
    assert verdict.word == word and [d.found for d in verdict.differences] == (["holds"] if word == "differs" else [])


def test_without_the_calls_it_is_not_luck_what_a_child_receives_on_a_connection_that_it_inherited(tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; fork; hear 5; end; wait; close", "listen; accept; pause 1; say 5; hear 5; close; closelistener"), VirtualClock(), observe=False).run()
    rules = contract.parse("client others allowed\nserver others allowed\nserver: sending 5 bytes\nclient: received 5 bytes after server: sending 5 bytes")
    assert judge.judge(made, rules).word == "as expected"
    parent = next(event.pid for event in made.events if event.who == "client")
    # If the lab saw the child's descriptors while it waited, it knows the connection. Here it did not.
    blind = replace(made, events=tuple(replace(event, connection=0) if event.who == "client" and event.pid != parent else event for event in made.events))
    verdict = judge.judge(blind, rules)
    assert verdict.word == "as expected" and any("without the calls nobody knows on which connection" in words for words in verdict.unseen), verdict


def test_a_plain_sleep_costs_no_time_under_the_virtual_clock(tmp_path):
    made = observed(run(tmp_path / "pair", "connect; sleep 40; say 5; slow 30000; close", "listen; accept; hear 5; hear 5; close; closelistener"))
    assert texts(made, "server")[2:4] == ["received 5 bytes", "EOF"]
    assert max(e.ns for e in made.events) < 10e9
    slept = [c for c in made.calls if c.name in ("nanosleep", "clock_nanosleep")]
    assert [c.limit for c in slept] == [40 * 10**9, 30 * 10**9] and all(c.result == 0 and c.resumed_after >= 0 for c in slept)


def test_sleeps_and_pauses_end_in_the_order_of_their_times(tmp_path):
    made = observed(run(tmp_path / "pair", "connect; sleep 3; event three; pause 2; event five; close", "listen; accept; pause 4; event four; hear 1; close; closelistener"))
    order = [e.text for e in made.events if e.text in ("three", "four", "five")]
    assert order == ["three", "four", "five"]


def test_a_server_that_sleeps_again_and_again_is_over_when_its_clients_are(tmp_path):
    made = observed(run(tmp_path / "pair", "connect; close", "listen; accept; sleep-for-ever"))
    assert made.stop.kind == "over" and "sleeps again and again" in made.stop.words


def test_a_fin_behind_a_full_window_is_not_under_way(tmp_path):
    made = run(tmp_path / "pair", f"{SMALL}; connect; write 60000; close", f"{SMALL}; listen; accept; hear 1; pause-for-ever")
    assert made.stop.kind in ("waiting", "over"), made.stop
    assert made.stop.under_way == 0


def test_a_half_closed_senders_fin_behind_a_full_window_is_not_under_way(tmp_path):
    made = run(tmp_path / "pair", f"{SMALL}; connect; write 60000; shut; hear 1", f"{SMALL}; listen; accept; hear 1; lock")
    assert made.stop.kind in ("waiting", "deadlock"), made.stop


@pytest.mark.usefixtures("soon")
def test_a_live_pause_with_other_lines_between_is_no_lack_of_progress(tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; say 1; pause 5; say 1; close",
                          "listen; accept; hear 1; event one; event two; hear 1; close; closelistener"), Live()).run()
    assert made.stop.kind == "over", made.stop
    assert texts(made, "server")[-2:] == ["received 1 bytes", "closing"]


@pytest.mark.parametrize("server", [
    "listen; polllistener; accept; hear 5; close; polllistener",
    "listen; fork; accept; hear 5; close; accept; end; fork; accept; hear 5; close; accept; end; wait",
    "listen; thread; accept; hear 5; close; accept; end; join",
])
def test_a_server_that_idles_when_everybody_has_gone_is_over(server, tmp_path):
    made = run(tmp_path / "pair", "connect; say 5; hear 5; close", server)
    assert made.stop.kind == "over", made.stop
    assert "somebody still waits" not in " ".join(story.happened(made))


@pytest.mark.parametrize("act, said", [("pipe", "for a pipe"), ("lock", "a lock"), ("fork; pause-for-ever; end; wait", "a child process")])
def test_who_waits_for_its_own_lock_pipe_or_child_is_no_tcp_deadlock(act, said, tmp_path):
    made = run(tmp_path / "pair", "connect; say 5; hear 5; close", f"listen; accept; hear 5; {act}; say 5; close; closelistener")
    assert made.stop.kind == "waiting", made.stop
    told = " ".join(story.happened(made))
    assert "Deadlock" not in told and said in told
    verdict = judge.judge(made, contract.parse("others allowed\nclient: received 5 bytes\n"))
    assert verdict.word == "differs"


def test_an_environment_of_300_kb_is_no_obstacle(tmp_path, monkeypatch):
    for n in range(3):
        monkeypatch.setenv(f"LARGE_{n}", "x" * 100_000)
    made = run(tmp_path / "pair", "connect; close", "listen; accept; hear 1; close; closelistener")
    assert made.stop.kind == "over" and texts(made, "client") == ["connected", "closing"]
    assert os.environ["LARGE_0"]


def test_a_fork_beside_a_held_thread_keeps_nothing_of_it_open(tmp_path):
    """A thread is held at a line; another one forks a child that lives on. The first thread's release must reach it, and the
    child's end must not be waited for."""
    from harness.explore.schedules import Delays
    made = Conductor(pair(tmp_path / "pair", "connect; thread; event one; event two; end; fork; setsid; pause-for-ever; end; join; close",
                          "listen; accept; hear 1; close; closelistener"), Delays()).run()
    assert {"one", "two"} <= set(texts(made, "client"))
    assert made.stop.kind in ("waiting", "over"), made.stop


def test_what_an_interrupted_call_returned_is_known_however_late_the_signal_comes(tmp_path, monkeypatch):
    """The stop at the end interrupts a read that has some of its bytes. Here the programs get the signal in the second round of looks,
    right before the second look at each of them."""
    looks: "dict[int, int]" = {}
    send, stands = kernel.send_signal, kernel.stands

    def late(pid: int) -> bool:
        looks[pid] = looks.get(pid, 0) + 1
        if looks[pid] == 2:
            send(pid, signal.SIGSTOP)
            while not stands(pid):
                os.sched_yield()
        return looks[pid] == 1 or stands(pid)
    monkeypatch.setattr(kernel, "stands", late)
    monkeypatch.setattr(kernel, "signal_groups", lambda pids, number: None)
    monkeypatch.setattr(kernel, "send_signal", lambda pid, number: send(pid, number) if number != signal.SIGSTOP else None)
    made = Conductor(pair(tmp_path / "pair", "connect; say 3; hear 1", "listen; accept; waitall 8"), VirtualClock()).run()
    (read,) = [call for call in observed(made).calls if call.option == "MSG_WAITALL"]
    assert made.stop.kind == "deadlock" and (read.asked, read.result) == (8, 3)
