"""Where calls are not seen, since a program has its connection behind descriptor 0, 1 or 2, the lab says less, and nothing false."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

import pairs
import scripts
from harness.judge import standard
from harness.judge.findings import find
from harness.judge.seen import Seen
from harness.judge.sides import ACCEPTOR, OPENER, Sides
from harness.tell import brought, story
from harness.trace import Run

AS_INETD = "os.dup2(c.fileno(), 0)\nos.dup2(c.fileno(), 1)\nc.close()\n"
READ_BOTH = "os.read(0, 100)\nos.read(0, 100)"
ASKS = "s = dial()\ns.send(b'hello\\n')\ns.recv(10)"
LOW = {     # what stands behind a low descriptor: the client's script, the server's, which ends are not seen
    "dup2": (ASKS, "c = listen().accept()[0]\n" + AS_INETD + READ_BOTH, {ACCEPTOR}),
    "dup2 before connect": ("s = socket.socket()\nos.dup2(s.fileno(), 1)\ns.connect(('127.0.0.1', 8080))\nos.write(1, b'hello\\n')\ns.recv(10)",
                            "c = listen().accept()[0]\nc.recv(100)\nc.recv(100)", {OPENER}),
    "F_DUPFD": (ASKS, "import fcntl\nc = listen().accept()[0]\nos.close(0)\nfcntl.fcntl(c.fileno(), fcntl.F_DUPFD, 0)\nc.close()\n" + READ_BOTH, {ACCEPTOR}),
    "accept": (ASKS, "l = listen()\nos.close(0)\nc = l.accept()[0]\nc.recv(100)\nc.recv(100)", {ACCEPTOR}),
    "socket": ("os.close(0)\n" + ASKS, "c = listen().accept()[0]\nc.recv(100)\nc.recv(100)", {OPENER}),
    "listener": (ASKS, "os.close(0)\nc = listen().accept()[0]\nc.recv(100)\nc.recv(100)", {ACCEPTOR}),
    "fork and exec": (ASKS, "c = listen().accept()[0]\nif os.fork() == 0:\n    " + AS_INETD.replace("\n", "; ")
                      + "os.execv('/bin/sh', ['sh', '-c', 'read x; read x'])\nc.close()\nos.wait()", {ACCEPTOR}),
}
FALSE = ("called no", "nothing came through", "no byte was written", "has read", "wrote nothing", "nothing has come", "it accepted it", "it opened it",
         "standard input, in read")


def seen(run: Run) -> "set[str]":
    sides = Sides(run)
    return {end for end in (OPENER, ACCEPTOR) if Seen(run, sides).all_of((1, end))}


def told(run: Run) -> "list[str]":
    return [*(one.words for one in find(run)), *story.happened(run), *brought.waits(run)]


@pytest.mark.parametrize("client, server, blind", LOW.values(), ids=LOW)
def test_calls_on_a_low_descriptor_are_not_seen_and_so_nothing_is_said_of_them(tmp_path: Path, client: str, server: str, blind: "set[str]") -> None:
    run = scripts.run(tmp_path / "pair", client, server)
    assert run.stop.kind == "deadlock"
    assert seen(run) == {OPENER, ACCEPTOR} - blind
    assert [(part, line) for line in told(run) for part in FALSE if part in line] == []
    assert "From client to server: 6 bytes went over the wire." in story.happened(run)


NOT_LOW = {
    "above": (ASKS, "c = listen().accept()[0]\nos.dup2(c.fileno(), 9)\nc.close()\nos.read(9, 100)\nos.read(9, 100)"),
    "a pipe as standard output": (ASKS, "c = listen().accept()[0]\nr, w = os.pipe()\nos.dup2(w, 1)\nc.recv(100)\nc.recv(100)"),
    "not accepted": (ASKS, "l = listen()\nl2 = listen(port=8081)\nl2.accept()"),
    "O_NONBLOCK": (ASKS, "c = listen().accept()[0]\nc.setblocking(False)\nc.recv(100)\nc.setblocking(True)\nc.recv(100)"),
}


@pytest.mark.parametrize("client, server", NOT_LOW.values(), ids=NOT_LOW)
def test_what_is_not_there_is_seen_elsewhere(tmp_path: Path, client: str, server: str) -> None:
    assert seen(scripts.run(tmp_path / "pair", client, server)) == {OPENER, ACCEPTOR}


def test_who_reads_its_standard_input_which_is_a_connection_waits_for_no_person(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", LOW["dup2"][0], LOW["dup2"][1])
    assert "the server waits in read on connection 1, its standard input, for the client" in list(brought.waits(run))
    assert "waits-for-input" not in {one.code for one in find(run)}


def test_a_copy_that_was_closed_by_a_call_that_nobody_saw_is_not_told_as_kept(tmp_path: Path) -> None:
    gone = scripts.run(tmp_path / "a", "s = dial()\ns.recv(9)", "l = listen()\nc = l.accept()[0]\nos.dup2(c.fileno(), 0)\nc.close()\nos.close(0)\nl.accept()")
    kept = scripts.run(tmp_path / "b", "s = dial()\ns.recv(9)", "l = listen()\nc = l.accept()[0]\nos.dup2(c.fileno(), 0)\nc.close()\nl.accept()")
    assert {one.code for one in find(gone)} == set()
    assert "but it still has it open as descriptor 0, which its dup2 made. A FIN" in find(kept)[0].words


@pytest.mark.parametrize("other", ["1", "os.open('/dev/null', os.O_RDWR)"], ids=["standard output", "a file"])
def test_dup2_closes_the_connection_on_whose_descriptor_it_puts_something_else(tmp_path: Path, other: str) -> None:
    run = scripts.run(tmp_path / "pair", ASKS, f"c = listen().accept()[0]\nos.dup2({other}, c.fileno())\nos.read(c.detach(), 0)\nsys.exit(3)")
    assert "closing (dup2)" in [line.text for line in standard.lines(run) if line.who == "server"]
    assert [h.how for h in run.connections[0].acceptor.holders] == ["close"]


@pytest.mark.parametrize("low, words", [("os.close(0)\n", ""), ("", " The server listens on 127.0.0.1:8080: another port.")])
def test_nobody_says_that_nobody_listened_where_a_listener_may_not_be_seen(tmp_path: Path, low: str, words: str) -> None:
    run = scripts.run(tmp_path / "pair", "try:\n    dial(port=8081)\nexcept OSError:\n    pass", f"{low}listen().accept()")
    assert find(run)[0].words == f"The client asked for 127.0.0.1:8081, and was refused (ECONNREFUSED): nobody listened there.{words}"


def test_the_last_act_of_another_thread_is_not_told_as_that_of_the_one_that_waits(tmp_path: Path) -> None:
    server = "listen; accept; thread; pause 1; write 3; sleep-for-ever; end; read 4; readall 9"
    run = pairs.run(tmp_path / "pair", "connect; write 4; readall 9", server)
    words = {one.code: one.words for one in find(run)}
    assert "last that it did there: it read 4" not in words.get("deadlock", "")
    alone = pairs.run(tmp_path / "pair", "connect; write 4; readall 9", "listen; accept; read 4; write 3; readall 9")
    assert "The server waits in read on connection 1; the last that it did there: it wrote 3 bytes" in {one.code: one.words for one in find(alone)}["deadlock"]


def test_what_a_program_sends_to_itself_goes_to_no_other_program(tmp_path: Path) -> None:
    itself = "l = listen()\ns = socket.socket()\ns.connect(('127.0.0.1', 8080))\nc = l.accept()[0]\nc.send(b'hello')\ns.recv(3)\n{}"
    assert [line for line in story.happened(scripts.run(tmp_path / "a", "pass", itself.format(""))) if line.startswith("From")] == []
    run = scripts.run(tmp_path / "b", "time.sleep(1)\nt = dial()\nt.send(b'ab')\nt.close()", itself.format("d = l.accept()[0]\nd.recv(9)\nd.recv(9)"))
    assert [line for line in story.happened(run) if line.startswith("From")] == ["From client to server: 2 of 2 bytes came through."]


@pytest.mark.parametrize("act", ["f = open(sys.executable, 'rb')\nos.sendfile(c.fileno(), f.fileno(), os.fstat(f.fileno()).st_size - 9, 1000)",
                                 pytest.param("r, w = os.pipe()\nos.write(w, b'hello')\nos.splice(r, c.fileno(), 100)",
                                              marks=pytest.mark.skipif(not hasattr(os, "splice"), reason="this Python has no os.splice"))])
def test_a_file_or_a_pipe_that_had_no_more_is_no_short_write(tmp_path: Path, act: str) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\nwhile s.recv(100):\n    pass", f"c = listen().accept()[0]\n{act}\nc.close()")
    assert "short-write" not in {one.code for one in find(run)}


def test_a_child_that_waits_for_its_standard_input_is_told_as_a_child(tmp_path: Path) -> None:
    server = "r, w = os.pipe()\nc = listen().accept()[0]\nif os.fork() == 0:\n    os.dup2(r, 0)\n    os.read(0, 1)\nos.wait()"
    words = {one.code: one.words for one in find(scripts.run(tmp_path / "pair", "s = dial()\ns.recv(9)", server))}
    assert words["waits-for-input"] == "The server's child process waits for its standard input."


HANDS_ON = """l = listen()
a, b = socket.socketpair()
if os.fork() == 0:
    l.close(); a.close()
    message, fds, _, _ = socket.recv_fds(b, 10, 1)
    {}
    os._exit(0)
c = l.accept()[0]
c.recv(2)
{}
c.close()
os.wait()
"""
QUIET = "try:\n    {}\n    s.recv(10)\nexcept OSError:\n    pass"


@pytest.mark.parametrize("then", ["time.sleep(3)", "os.read(fds[0], 1)\n    time.sleep(3)"])
def test_of_a_connection_that_was_handed_on_nobody_says_who_closed_it_last(tmp_path: Path, then: str) -> None:
    client = QUIET.format("s = dial()\n    s.send(b'hello')")
    run = scripts.run(tmp_path / "pair", client, HANDS_ON.format(then, "socket.send_fds(a, [b'x'], [c.fileno()])"))
    assert -1 in {holder.pid for holder in run.connections[0].acceptor.holders}
    assert [one.code for one in find(run)] == ["read-reset"]
    other = scripts.run(tmp_path / "other", client, HANDS_ON.format(then.replace("fds[0]", "b.fileno()"), "a.send(b'xyz')"))
    assert "reset-by-unread" in {one.code for one in find(other)}
