"""What a program may do, how a run ends, and that nothing is left of it."""
from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys

import pytest

from harness.observe import kernel
from harness.observe.lines import LogLine
from harness.stage.book import Book
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.intake import Intake
from harness.stage import keeper as keepers
from harness.stage.keeper import open_keeper
from harness.stage.scenarios import ROOT
from pairs import lent, pair, run, texts
from started import Started

QUIET_SERVER = "listen; accept; read 1; closelistener"


def endings(made):
    return {ending.who: ending.how for ending in made.endings}


@pytest.mark.parametrize("client, words", [
    ("connect; spin", "spins"), ("connect; flood", "lines"), ("connect; flood-output", "printed"),
    ("connect; fork-bomb", "processes"),
])
def test_a_program_that_runs_away_is_stopped(client, words, tmp_path):
    made = run(tmp_path / "pair", client, QUIET_SERVER)
    assert made.stop.kind == "runaway"
    assert words in made.stop.words
    assert ("most of them the client's" in made.stop.words) is ("fork" in client)


@pytest.mark.parametrize("times", [1, keepers.PROCESSES + 1])
def test_where_a_program_leaves_no_room_for_the_next_one_it_has_run_away(tmp_path, monkeypatch, times):
    """For an ordinary user the kernel starts no process any more where there are too many."""
    def spawn(keeper, argv, *more, **named):
        if argv[0].endswith("client"):
            raise keepers.CantStart(f"can't start {argv[0]}: Resource temporarily unavailable")
        return started(keeper, argv, *more, **named)

    started, pids = keepers.Keeper.spawn, Conductor._pids
    monkeypatch.setattr(keepers.Keeper, "spawn", spawn)
    monkeypatch.setattr(Conductor, "_pids", lambda conductor: pids(conductor) * times)
    if times == 1:
        with pytest.raises(keepers.CantStart):
            run(tmp_path / "pair", "connect", "listen; accept")
    else:
        made = run(tmp_path / "pair", "connect", "listen; accept")
        assert made.stop.kind == "runaway" and "processes, most of them the server's" in made.stop.words


def test_memory_has_a_limit(tmp_path):
    made = run(tmp_path / "pair", "connect; allocate; close", QUIET_SERVER)
    assert "malloc: ENOMEM" in texts(made, "client")


def test_a_file_has_a_limit(tmp_path):
    made = run(tmp_path / "pair", f"connect; fill-file {tmp_path / 'big'}; close", QUIET_SERVER)
    assert "file: EFBIG after 63 MiB" in texts(made, "client") or "file: EFBIG after 64 MiB" in texts(made, "client")


def test_a_crash_is_a_crash_and_names_the_signal(tmp_path):
    made = run(tmp_path / "pair", "connect; crash", QUIET_SERVER)
    assert (made.stop.kind, made.stop.words) == ("crash", "the client died of SIGSEGV")


def test_a_write_to_a_reset_connection_kills_as_it_does_by_hand(tmp_path):
    made = run(tmp_path / "pair", "connect; pause 1; write 1; pause 1; write 1", "listen; accept; close; closelistener")
    assert endings(made)["client"] == "signal PIPE"
    assert (made.stop.kind, made.stop.words) == ("crash", "the client died of SIGPIPE")


def test_exit_statuses_and_output_are_kept(tmp_path):
    made = run(tmp_path / "pair", "connect; print hello; exit 7", QUIET_SERVER)
    assert endings(made) == {"client": "exit 7", "server": "exit 0"}
    assert [(o.who, o.text) for o in made.outputs] == [("client", "hello")]


@pytest.mark.parametrize("isolate", [True, False])
def test_a_client_without_a_server_is_refused(isolate, tmp_path):
    made = run(tmp_path / "pair", "connect", "exit 0", isolate=isolate)
    assert endings(made)["client"] == "exit 1"
    assert any("ECONNREFUSED" in output.text for output in made.outputs)


def test_a_server_that_never_listens_does_not_keep_the_client_from_starting(tmp_path):
    made = run(tmp_path / "pair", "connect", "pause-for-ever")
    assert endings(made) == {"client": "exit 1", "server": "waiting in pause"}


def test_children_are_counted_and_killed_with_the_run(tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; fork; setsid; fork; setsid; pause-for-ever; end; exit 0; end; wait; event left; close", QUIET_SERVER),
                     VirtualClock()).run()
    assert "left" in texts(made, "client")
    for waiting in made.stop.waiting:
        assert kernel.process_state(waiting.pid) == ""


def test_two_runs_do_not_share_a_network(tmp_path):
    made = [run(tmp_path / str(i), "connect; close", QUIET_SERVER) for i in range(2)]
    assert all(e.address == "127.0.0.1:8080" for one in made if one.isolated for e in one.events if e.kind == "listen")


def test_all_that_watches_a_run_is_in_its_programs_network_and_no_other_run_was_there():
    """The keeper makes the network of the next run while this run goes on: nothing of a run may see the network of another one."""
    keeper, seen = open_keeper(), []
    try:
        if not keeper.isolated or keeper.wire is None or keeper.diag is None:
            pytest.skip("needs a network of its own, and captured packets")
        for _ in range(4):
            keeper.fresh()
            made = keeper.spawn(["/bin/cat"], dict(os.environ), True, stdin="/dev/zero")
            os.close(made.err)
            seen.append({_network_of(sock) for sock in (keeper.events, keeper.wire, keeper.diag)} | {os.stat(f"/proc/{made.pid}/ns/net").st_ino})
            os.close(made.out)
    finally:
        keeper.end()
    assert all(len(one) == 1 for one in seen) and len(set.union(*seen)) == 4, seen


def test_a_keeper_that_is_stopped_while_it_ends_is_made_to_go_on():
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    assert os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT).si_status == signal.SIGSTOP
    keepers._leaving.append(pid)
    keepers.see_off()
    assert pid not in keepers._leaving and kernel.process_state(pid) == ""


def _network_of(sock):
    """Returns the number of the network namespace in which the socket was made: SIOCGSKNS, see linux/sockios.h."""
    namespace = fcntl.ioctl(sock, 0x894C)
    try:
        return os.fstat(namespace).st_ino
    finally:
        os.close(namespace)


def test_without_a_network_of_its_own_a_run_says_so_and_takes_another_port(tmp_path):
    made = run(tmp_path / "pair", "connect; write 1; close", QUIET_SERVER, isolate=False)
    assert not made.isolated and not made.wire and made.segments == ()
    assert "no network of its own" in made.notes[0]
    assert endings(made)["client"] == "exit 0"


def test_segments_are_seen_from_syn_to_the_last_one(tmp_path):
    made = run(tmp_path / "pair", "connect; write 5; close", "listen; accept; readall 5; read 1; close")
    if not made.wire:
        pytest.skip("packets can't be captured here")
    assert [s.flags for s in made.segments[:3]] == ["S", "SA", "A"]
    assert [(s.first, s.length) for s in made.segments if s.length] == [(1, 5)]
    assert [s.sender for s in made.segments if "F" in s.flags] == ["client", "server"]


def test_in_real_time_a_pause_is_waited_for(tmp_path):
    made = run(tmp_path / "pair", "connect; pause 1; event later; close", QUIET_SERVER, live=True)
    pause, later = [e for e in made.events if e.text in ("pausing 1 s", "later")]
    assert later.ns - pause.ns >= 1_000_000_000
    assert pause.resumed_after == -1


CHILD = """
import sys
from pathlib import Path
from harness.stage.conductor import Conductor, Live
from harness.stage.scenarios import Scenario
folder = Path(sys.argv[1])
conductor = Conductor(Scenario("99-pair", folder, folder), Live(), tell=lambda r: hasattr(r, "pid") and print(type(r).__name__, r.pid, flush=True))
conductor.run()
"""


def start_and_wait_for_events(folder, count):
    """A harness of its own process, running; returns it and the pids of the programs and of the keeper."""
    pair(folder, "connect; event here; read 1; slow 60000", "listen; accept; fork; setsid; slow 60000; end; slow 60000")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for _ in range(count):
        assert child.stdout.readline()
    return child, kernel.descendants(child.pid)


def opened(pids):
    """A pidfd for each of these processes that has not gone. Its number may be another process's as soon as it has gone."""
    found = {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            found[pid] = os.pidfd_open(pid)
    return found


def wait_until_gone(pidfds):
    """Blocks until each process has ended. If one does not end, the time limit of the test does."""
    for pidfd in pidfds.values():
        select.select([pidfd], [], [])
        os.close(pidfd)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_whatever_ends_an_exploration_leaves_nothing(number):
    screen, theirs = pty.openpty()
    child = Started("explore", "4", "--delays", "2", stderr=theirs)
    os.close(theirs)
    said, pidfds = b"", {}
    while not re.search(rb" of \d{3} schedules", said):      # the schedules with two delays have begun
        said += os.read(screen, 65536)
    while len(pidfds) < 6:      # workers, keepers, programs
        pidfds.update(opened(set(kernel.descendants(child.pid)) - set(pidfds)))
        assert child.poll() is None
    pidfds.update(opened(set(kernel.descendants(child.pid)) - set(pidfds)))
    child.send_signal(number)
    assert child.wait() == (-number if number == signal.SIGKILL else 130)
    wait_until_gone(pidfds)
    os.close(screen)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_whatever_ends_the_harness_ends_its_programs(number, tmp_path):
    child, pids = start_and_wait_for_events(tmp_path / "pair", 4)
    assert len(pids) >= 3
    pidfds = opened(pids)
    child.send_signal(number)
    child.wait()
    child.stdout.close()
    wait_until_gone(pidfds)


def test_programs_inherit_no_descriptor_but_the_first_three(tmp_path):
    ends = os.pipe()
    for fd in ends:
        os.set_inheritable(fd, True)    # as a terminal, make or a test runner may leave them to the harness
    scenario = pair(tmp_path / "pair", "", QUIET_SERVER)
    scenario.program("client").write_text("#!/bin/sh\nexec ls /proc/self/fd\n")
    try:
        told = Conductor(scenario, VirtualClock()).run()
    finally:
        for fd in ends:
            os.close(fd)
    assert [out.text for out in told.outputs] == ["0", "1", "2", "3"]   # 3 is the folder that ls reads


def test_a_run_leaves_no_descriptor_open(tmp_path):
    run(tmp_path / "pair", "connect; close", QUIET_SERVER)
    before = sorted(os.listdir("/proc/self/fd"))
    run(tmp_path / "pair", "connect; pause 1; close", QUIET_SERVER)
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("observe", [True, False])
@pytest.mark.parametrize("before", ["", "rcvbuf 5000; "])
def test_a_client_starts_behind_the_servers_line_however_slow_the_server_is_to_log_it(tmp_path, before, observe):
    """And whatever options it sets on the listener before its line."""
    made = run(tmp_path / "pair", "connect; close", f"{before}listen-slowly; accept; close; accept", observe=observe)
    listening, start = next(e for e in made.events if e.kind == "listen"), next(s for s in made.starts if s.who == "client")
    assert listening.seq < start.seq


@pytest.mark.parametrize("observe", [True, False])
def test_the_ending_of_a_program_that_is_told_before_the_answer_to_its_start_is_not_forgotten(tmp_path, observe):
    """A program may be over before the conductor hears that it was started."""
    made = pair(tmp_path / "pair", "exit 3", "exit 3")
    keeper = open_keeper(True, observe)
    spawn = keeper.spawn

    def slowly(*args, **more):
        started = spawn(*args, **more)
        while started.pid not in {one.pid for one in keeper.early}:
            select.select([keeper.control], [], [])
            keeper.early = keeper.ended()
        return started
    keeper.spawn = slowly
    try:
        run = Conductor(made, VirtualClock(), keeper=keeper, observe=observe).run()
    finally:
        keeper.end()
    assert run.stop.kind == "over" and endings(run) == {"server": "exit 3", "client": "exit 3"}


@pytest.mark.parametrize("logs", [True, False])
def test_calls_in_vain_are_counted_since_a_program_logged_however_many_news_come_at_once(tmp_path, logs):
    """A loop that logs its vain calls ends at the limit of lines, whether the harness takes its news one by one or by thousands."""
    ended, who = [], {"ns": 0, "pid": 7, "tid": 7}
    intake = Intake(lent(), Book(lambda record: None), pair(tmp_path / "pair", "exit 0", "exit 0").stage, 0, 1000, lambda held: None, ended.append)
    for n in range(2000):
        intake._on_call({**who, "n": n, "name": "read", "fd": 5, "asked": 9})
        intake._on_return({**who, "n": n, "result": -1, "error": "EBADF"})
        if logs:
            intake._line(LogLine(0, 7, 7, "client", "note", -1, 0, "", "client.c:1", "again"), None)
    assert (not ended) is logs


@pytest.mark.parametrize("frozen", [False, True])
def test_an_eof_that_comes_while_the_programs_are_stopped_is_not_told_of_the_run(tmp_path, frozen):
    """A connection that was closed under a read of another thread ends when that read does. Stopping the programs ends it."""
    who, book = {"ns": 0, "pid": 7, "tid": 7}, Book(lambda record: None)
    intake = Intake(lent(), book, pair(tmp_path / "pair", "exit 0", "exit 0").stage, 0, 1000, lambda held: None, print)
    intake._on_call({**who, "n": 1, "name": "read", "fd": 5, "asked": 9})
    intake.frozen = frozen
    intake._on_return({**who, "n": 1, "result": 0, "error": ""})
    assert (book.calls[0].returned < 0) is frozen


def test_a_signal_while_the_keepers_end_is_no_traceback(monkeypatch):
    def interrupted(pid: int) -> None:
        waited.append(pid)
        raise KeyboardInterrupt

    waited: "list[int]" = []
    monkeypatch.setattr(keepers, "_leaving", [7])
    monkeypatch.setattr(keepers, "_wait_for_end", interrupted)
    keepers._at_the_end()
    assert waited == [7]
