"""A short torture with fixed seeds, and that it notices what is false, hangs, or is left."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import proofs       # noqa: E402  (found by the path above)
import torture      # noqa: E402

LISTEN, CONNECT = ("listen 5 0 0 0", "accept 1"), ("connect 1 0 0 0",)
READS = (*CONNECT, "read 1 1")

# Pairs that look deadlocked, and are not: something goes off and ends it.
WAITED_FOR = {
    "a timer that goes off again and again, its handler answers at the third time": (
        (*LISTEN, "handler 14 0 0", "itimer 30 60", "read 1 1", "read 1 1", "write 1 1"), READS),
    "two timers, the longer one first": ((*LISTEN, "handler 14 1 1", "ptimer 300 0 0 0", "ptimer 10 0 0 0", "read 1 1"), (*READS, "read 1 1")),
    "a timer by the clock on the wall": ((*LISTEN, "handler 14 1 1", "ptimer 100 0 2 1", "read 1 1"), READS),
    "a sleep that a signal has interrupted, and that goes on": ((*LISTEN, "fork", "sleep 30 0", "end", "sleep 300 0", "write 1 1"), READS),
    "an epoll of a timer whose number is closed": ((*LISTEN, "timerfd 9 300 0", "epoll 9 1 -1 2", "write 1 1"), READS),
    "an epoll of a timer whose number is another thing": ((*LISTEN, "timerfd 9 300 0", "epoll 9 1 -1 18", "write 1 1"), READS),
    "a read with a limit, of what another thread has closed": ((*LISTEN, "limit 1 20 300", "thread", "read 1 1", "exit 0", "end", "sleep 100 0", "close 1",
                                                                 "pause"), READS),
    "a connection that a time limit ends, at an end where nobody waits": (
        ("listen 5 4096 0 0", "accept 1", "option 1 6 18 300", "send 1 300000 64", "send 1 300000 64", "pause"), ("connect 1 4096", *["write 1 1000000"] * 3)),
    "a timer that starts a thread": ((*LISTEN, "ptimer 200 0 1 0", "read 1 1"), READS),
}

# Pairs that are deadlocked, whatever was set before.
DEADLOCKED = {
    "an alarm that was taken back": ((*LISTEN, "itimer 300 0", "itimer 0 0", "read 1 1"), READS),
    "a poll that a signal has interrupted, and that goes on": ((*LISTEN, "fork", "kill 1 17", "end", "poll 1 1 -1 -1"), READS),
    "a timer that has gone off": ((*LISTEN, "handler 14 0 1", "itimer 30 0", "read 1 1", "read 1 1"), READS),
}


@pytest.fixture(autouse=True)
def no_keeper_left():
    yield
    proofs.close()


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("name", WAITED_FOR)
def test_what_a_timer_ends_is_waited_for(name, isolate):
    told = proofs.run(proofs.Pair(0, *WAITED_FOR[name], "live", isolate, True))
    assert told.moved == [] and told.kind != "deadlock"


@pytest.mark.parametrize("name", DEADLOCKED)
def test_what_no_timer_ends_is_proven(name):
    told = proofs.run(proofs.Pair(0, *DEADLOCKED[name], "virtual", True, True))
    assert (told.kind, told.moved) == ("deadlock", [])


def test_a_false_proof_is_noticed(monkeypatch):
    """Somebody else ends the wait of a program once it was proven deadlocked."""
    leave_alone = proofs.LeavesAlone._left_alone

    def disturbed(self, seconds):
        os.kill(self.starts.of("server")[0].pid, signal.SIGUSR1)
        return leave_alone(self, 60.0)
    monkeypatch.setattr(proofs.LeavesAlone, "_left_alone", disturbed)
    told = proofs.run(proofs.Pair(0, (*LISTEN, "handler 10 1 1", "read 1 1"), READS, "virtual", True, True))
    assert told.kind == "deadlock" and told.moved


def test_a_program_whose_thread_was_woken_at_its_return_is_stopped_as_a_whole():
    server = (*LISTEN, "thread", "poll 1 0 -1 -1", "end", "epoll 1 1 -1 0")
    assert proofs.run(proofs.Pair(0, server, (*CONNECT, "poll 1 1 -1 -1"), "virtual", True, True)).moved == []


def test_no_proof_of_random_pairs_is_false():
    found = proofs.run_all(list(range(1, 13)), 2)
    assert [told for told in found if told.moved or told.kind in proofs.FAULTS] == []
    assert any(told.proven for told in found)


def test_a_round_of_torture_leaves_nothing():
    """Commands side by side. Rounds that kill at random moments are make torture's: each run of them is another one."""
    made = torture.torture(1, [1], only="beside")
    assert made.faults == [] and made.counts["rounds"] == 1


def test_what_is_left_is_noticed(tmp_path):
    made = torture.Torture(tmp_path, 1)
    made.bad, made.killed = [], False
    before = made._outside()
    (made.tmp / "left").touch()
    made.build.mkdir()
    (made.build / "client.o.4711").touch()
    left = subprocess.Popen(["cat"], env={**os.environ, "TORTURE": made.token}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    left.stdin.write(b"x")
    left.stdin.flush()
    assert left.stdout.read(1) == b"x"      # it is up, and has its environment
    torture.GRACE, grace = 0.0, torture.GRACE
    try:
        made._look_for_what_is_left(before)
    finally:
        torture.GRACE = grace
    assert left.wait() == -signal.SIGKILL
    for words in (f"process {left.pid} is left", "left in /tmp: left", "half made:"):
        assert [bad for bad in made.bad if bad.startswith(words)]
