"""Waits that time ends: each finding has pairs that have it, and near misses that have not."""
from __future__ import annotations

from pathlib import Path

import pytest

import pairs
import scripts
from harness.judge.findings import Finding, find
from harness.trace import Run


def of(run: Run, code: str) -> "list[Finding]":
    return [one for one in find(run) if one.code == code]


LIMITED = "l = listen()\n{}\nc = l.accept()[0]\n{}\ntry:\n    c.recv(9)\nexcept OSError:\n    pass\n"
OPTION = "setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('@ll', 2, 0))"     # long enough for the client to come


@pytest.mark.parametrize("of_listener, of_connection, found", [
    ("", "c." + OPTION, True), ("l." + OPTION, "", True),       # an accepted socket has what its listener has
    ("", "c.setblocking(False)", False),                        # EAGAIN, and no limit
    ("", f"c.{OPTION}\nc.setblocking(False)", False),           # EAGAIN at once, in spite of the limit
])
def test_a_read_that_a_sockets_limit_has_ended(tmp_path: Path, of_listener: str, of_connection: str, found: bool) -> None:
    run = scripts.run(tmp_path / "pair", "dial().recv(9)", LIMITED.format(of_listener, of_connection))
    assert any(call.error == "EAGAIN" for call in run.calls)
    told = of(run, "socket-time-limit")
    assert len(told) == found
    assert all("ended with EAGAIN because of the socket's time limit (SO_RCVTIMEO, 2 s" in one.words and "no byte came within it" in one.words for one in told)


@pytest.mark.parametrize("acts, found", [("sndtimeo 200; readall 10", True), ("rcvtimeo 200; sndtimeo 200; readall 10", False), ("sndtimeo 200; read 1", False)])
def test_a_limit_for_writes_is_none_for_the_read_that_waits(tmp_path: Path, acts: str, found: bool) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 9; readall 1", f"listen; accept; {acts}")
    told = of(run, "limit-of-the-other")
    assert len(told) == found
    assert all("The server has set SO_SNDTIMEO on connection 1: that is a limit for writes. It waits in read there, and has set no limit for that (SO_RCVTIMEO)." in one.words for one in told)


@pytest.mark.parametrize("client, found", [("connect; read 9", ["with nothing ready"]), ("connect; write 1; read 9", [])])
def test_a_poll_that_its_limit_has_ended(tmp_path: Path, client: str, found: "list[str]") -> None:
    run = pairs.run(tmp_path / "pair", client, "listen; accept; poll-ms 100")
    assert [one.words.rpartition(", ")[2].rstrip(".") for one in of(run, "poll-time-limit")] == found


GOES_ON = {     # what the client does behind a poll of 20 ms that found nothing, and whether that poll is told
    "it writes": ("s.send(b'x')\ns.recv(9)", False), "it waits on, and something comes": ("p.poll(2000)\ns.recv(9)", False), "it sleeps, and reads": ("time.sleep(0.1)\ns.recv(9)", False),
    "it closes": ("s.close()", True), "it ends": ("os._exit(0)", True), "it waits on": ("p.poll(20)", True),
}


@pytest.mark.parametrize("then, told", GOES_ON.values(), ids=GOES_ON)
def test_a_poll_is_told_only_where_the_program_gave_up_because_of_its_limit(tmp_path: Path, then: str, told: bool) -> None:
    client = f"s = dial()\np = select.poll()\np.register(s, select.POLLIN)\np.poll(20)\n{then}"
    run = scripts.run(tmp_path / "pair", client, "c = listen().accept()[0]\ntime.sleep(1)\ntry:\n    c.send(b'y')\nexcept OSError:\n    pass")
    assert len(of(run, "poll-time-limit")) == told


def test_polls_of_several_limits_are_told_of_together(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\np = select.poll()\np.register(s, select.POLLIN)\nfor n in (30, 20):\n    p.poll(n)", "listen().accept()[0].recv(1)")
    assert [one.words for one in of(run, "poll-time-limit")] == ["The client's poll ended 2 times because of its own limits, of 20 ms to 30 ms, with nothing ready."]


@pytest.mark.parametrize("act, words", [("itimer 200", "ended with EINTR: the alarm of 200 ms went off, which it had set with setitimer"), ("itimer 20000", "")])
def test_a_read_that_an_alarm_has_ended(tmp_path: Path, act: str, words: str) -> None:
    run = pairs.run(tmp_path / "pair", "connect; slow 500; write 1; read 9", f"listen; accept; {act}; read 9; write 1")
    found = of(run, "alarm")
    assert len(found) == bool(words) and all(words in one.words for one in found)


SERVES = ("c = listen().accept()[0]\nwhile True:\n    n = 0\n    while n < 8:\n        d = c.recv(8 - n)\n        n += len(d)\n"
          "        if not d:\n            sys.exit(0)\n    c.send(b'ok')\n")
ASKS = "s = dial()\n{}\nfor _ in range(5):\n    {}\n    s.recv(9)\n"


@pytest.mark.parametrize("option, sends, found", [
    ("", "s.send(b'head'); s.send(b'body')", True),
    ("s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)", "s.send(b'head'); s.send(b'body')", False),
    ("", "s.send(b'headbody')", False),
])
def test_two_kernels_that_wait_for_each_other(tmp_path: Path, option: str, sends: str, found: bool) -> None:
    run = scripts.run(tmp_path / "pair", ASKS.format(option, sends), SERVES)
    if not run.wire:
        pytest.skip("packets can't be captured here")
    told = of(run, "small-write-stall")
    assert len(told) == found
    assert all("held 4 bytes back until the 4 bytes before them were acknowledged (Nagle's algorithm)" in one.words for one in told)


@pytest.mark.parametrize("restart, told", [("False", 1), ("True", 0)])
def test_an_alarm_whose_handler_lets_the_read_go_on(tmp_path: Path, restart: str, told: int) -> None:
    client = ("import signal\nclass Up(Exception): pass\ndef up(*_): raise Up\nsignal.signal(signal.SIGALRM, up)\n"
              f"signal.siginterrupt(signal.SIGALRM, {restart})\ns = dial()\nsignal.alarm(1)\ntry: s.recv(1)\nexcept Up: pass\n")
    run = scripts.run(tmp_path / "pair", client, "import signal\nc = listen().accept()[0]\nsignal.pause()")
    assert len([one for one in find(run) if one.code == "alarm-and-no-end"]) == told
