"""Who waits, and who only seems to: each finding has pairs that have it, and near misses that have not."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pairs
import runs
import scripts
from harness.judge.findings import Finding, find
from harness.trace import Run


def of(run: Run, code: str) -> "list[Finding]":
    return [one for one in find(run) if one.code == code]


def test_a_connection_in_the_accept_queue_and_what_the_server_does_meanwhile(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; connect; write 18; read 9", "listen; accept; read 9")
    found = of(run, "in-accept-queue")
    assert [one.words for one in found] == ["Connection 2 with 18 bytes waits in the accept queue of 127.0.0.1:8080: the server has not accepted it. "
                                            "Meanwhile the server waits in read on connection 1, on which nothing has come."]


def test_what_came_on_the_other_connection_is_said(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 7; connect; read 9", "listen; accept; readall 7; read 9")
    assert of(run, "in-accept-queue")[0].words.endswith("Meanwhile the server waits in read on connection 1, whose 7 bytes it has read.")


@pytest.mark.parametrize("server", ["listen; accept; accept; read 9", "listen; accept; thread; read 9; end; accept; read 18; read 9"])
def test_a_connection_that_was_accepted_waits_in_no_queue(tmp_path: Path, server: str) -> None:
    assert of(pairs.run(tmp_path / "pair", "connect; connect; write 18; read 9", server), "in-accept-queue") == []


def test_a_listener_that_is_watched_edge_triggered_tells_of_two_connections_once(tmp_path: Path) -> None:
    server = ("l = listen()\nl.setblocking(False)\ne = select.epoll()\ne.register(l, select.EPOLLIN | select.EPOLLET)\ntime.sleep(2)\n"
              "while True:\n    e.poll()\n    c = l.accept()[0]\n    c.recv(9)\n    c.close()\n")
    run = scripts.run(tmp_path / "pair", "a = dial()\nb = dial()\na.send(b'x')\nb.send(b'x')\na.recv(9)\nb.recv(9)", server)
    assert "Its epoll tells of them once (EPOLLET)" in of(run, "in-accept-queue")[0].words


def test_a_deadlock_has_each_ones_call_and_last_act(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4; read 9", "listen; accept; read 4; read 6")
    found = of(run, "deadlock")
    assert len(found) == 1
    assert found[0].words.startswith("The client and the server wait for each other, and nothing is on its way.")
    assert "The client waits in read on connection 1; the last that it did there: it wrote 4 bytes" in found[0].words
    assert "The server waits in read on connection 1; the last that it did there: it read 4 bytes" in found[0].words
    assert "unread" not in found[0].words


def test_a_deadlock_of_writers_says_where_the_bytes_lie(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "sndbuf 4096; rcvbuf 4096; connect; writeall 1000000", "sndbuf 4096; rcvbuf 4096; listen; accept; writeall 1000000")
    words = of(run, "deadlock")[0].words
    assert "waits in write on connection 1" in words and "unread in the server's kernel" in words and "unread in the client's kernel" in words


def test_who_waits_for_a_child_that_works_is_in_no_circle(tmp_path: Path) -> None:
    assert of(pairs.run(tmp_path / "pair", "connect; write 4; read 9; close", "listen; accept; fork; read 4; write 1; end; wait"), "deadlock") == []


CHAT = ("l = listen()\nopen = []\nwhile True:\n    for s in select.select([l] + open, [], [])[0]:\n        if s is l:\n            open.append(l.accept()[0])\n"
        "        elif not s.recv(100):\n            open.remove(s)\n")


def test_a_server_that_polls_for_everybody_is_idle_and_nobody_is_blamed(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.send(b'hello')\ns.recv(9)", CHAT)
    assert (run.stop.kind, run.stop.cycle) == ("waiting", ())
    assert [(one.code, one.remark) for one in find(run)] == [("unanswered", True)]


READ = "The server has read all {} bytes that came on connection 1"
WAIT = "Now the client waits in read for more, and the server in epoll_wait; no FIN has come."
LINES = "If the server reads lines, it waits for a newline, or for the end of the stream."
END = "If the server answers only at the end of the stream, the client must end its sending first (shutdown with SHUT_WR)."
LOOP = "l = listen()\ne = select.epoll()\ne.register(l, 1)\nopen = {{}}\nwhile True:\n    for fd, _ in e.poll():\n        if fd == l.fileno():\n" \
       "            c = l.accept()[0]\n            open[c.fileno()] = c\n            e.register(c, 1)\n        else:\n            {}\n"


@pytest.mark.parametrize("client, does, words", [
    ("s.send(b'hello'); s.recv(9)", "open[fd].recv(9)", [f'{READ.format(5)}, and the last one is "o", no newline. It has written nothing there since. {WAIT} {LINES} {END}']),
    ("s.send(b'hello\\n'); s.recv(9)", "open[fd].recv(9)", [f"{READ.format(6)}. It has written nothing there since. {WAIT} {END}"]),
    ("s.send(b'hello\\n'); s.recv(9); s.recv(9)", "open[fd].send(open[fd].recv(9)[:2])", [f"{READ.format(6)}. It has written 2 bytes there since, which the client has read. {WAIT} If the client reads until the end of the stream, the server must end its sending first."]),
    ("s.send(b'hello\\n'); s.recv(9)", "time.sleep(0)\n            e.unregister(fd)", []),       # the bytes lie unread
    ("s.send(b'hello'); sys.stdin.read(1)", "open[fd].recv(9)", []),                                # nobody waits for an answer
])
def test_who_waits_for_an_event_loop_is_told_what_it_has_read_and_written(tmp_path: Path, client: str, does: str, words: "list[str]") -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial(); {client}", LOOP.format(does))
    assert [one.words for one in of(run, "unanswered")] == words


EPOLL = "c = listen().accept()[0]\ne = select.epoll()\ne.register(c, select.EPOLLIN{})\nwhile True:\n    e.poll()\n    if not c.recv({}):\n        break\n"


@pytest.mark.parametrize("flag, size, words", [
    (" | select.EPOLLET", 4, "7 bytes lie unread on connection 1, and the server waits in epoll_wait. With EPOLLET it is told once when bytes come, and not "
     "again while they lie there: it must read until EAGAIN. Its last read there returned 4."),
    (" | select.EPOLLONESHOT", 4, "With EPOLLONESHOT it is told once"),
    ("", 4, ""), (" | select.EPOLLET", 100, ""),
])
def test_an_edge_triggered_epoll_that_was_not_drained(tmp_path: Path, flag: str, size: int, words: str) -> None:
    found = of(scripts.run(tmp_path / "pair", "s = dial()\ns.send(b'hello world')\ns.recv(9)", EPOLL.format(flag, size)), "edge-not-drained")
    assert len(found) == bool(words) and all(words in one.words for one in found)


BUSY = ("c = listen().accept()[0]\nc.setblocking(False)\nwhile True:\n    try:\n        d = c.recv(9)\n        break\n"
        "    except BlockingIOError:\n        {}\n")


def test_a_loop_at_eagain_is_a_spin_with_its_program_and_its_call(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ntime.sleep(1)\ns.send(b'x')\ns.recv(9)", BUSY.format("pass"))
    assert run.stop.kind == "over"      # the virtual clock lets the sleep end, though somebody runs
    words = of(run, "spin")[0].words
    assert words.startswith("The server called recv on connection 1 again and again, ") and "each time it returned EAGAIN" in words


@pytest.mark.parametrize("reads", [True, False])
def test_a_loop_that_writes_behind_the_end_of_a_stream_is_told_of_that_end(tmp_path: Path, reads: bool) -> None:
    server = f"c = listen().accept()[0]\n{'c.recv(9)' if reads else 'select.select([c], [], [])'}\nfor n in range(400):\n    try: c.send(b'x')\n    except OSError: pass\n"
    words = of(scripts.run(tmp_path / "pair", "dial().close()", server), "spin")[0].words
    assert "EPIPE does not go away by itself" in words and ("had returned 0, which says EOF: a loop that reads must end there, too." in words) is reads


@pytest.mark.parametrize("locked", [True, False])
def test_a_connection_whose_thread_waits_for_a_lock(tmp_path: Path, locked: bool) -> None:
    server = f"import threading\nm = threading.Lock()\n{'m.acquire()' if locked else ''}\nl = listen()\nc = l.accept()[0]\ndef serve():\n    c.recv(9)\n    m.acquire()\n    c.recv(9)\n" \
             "threading.Thread(target=serve).start()\nl.accept()"
    told = [one.words for one in of(scripts.run(tmp_path / "pair", "s = dial()\ns.send(b'abc')\ns.recv(9)", server), "held-by-a-lock")]
    assert [("all 3 bytes that came on connection 1, and none of its threads waits there for more. 2 threads of it wait: " in words and "for a lock or a thread of its own, in futex" in words) for words in told] == [True] * locked


def test_a_loop_that_only_looks_at_what_came_is_a_spin(tmp_path: Path) -> None:
    client = "s = dial()\ns.send(b'x')\ntime.sleep(1)\ns.send(b'x')\ns.recv(9)"
    run = scripts.run(tmp_path / "pair", client, "c = listen().accept()[0]\nwhile len(c.recv(9, socket.MSG_PEEK)) < 2:\n    pass\n")
    assert run.stop.kind == "over"      # such looks bring nothing, so the virtual clock lets the sleep end
    words = of(run, "spin")[0].words
    assert "each time it returned 1. MSG_PEEK takes nothing out of the kernel: the 1 byte stayed there, so each recv returned at once." in words


def test_who_looks_before_each_read_does_not_spin(tmp_path: Path) -> None:
    server = "c = listen().accept()[0]\nfor n in range(300):\n    c.recv(1, socket.MSG_PEEK)\n    c.recv(1)\n"
    assert of(scripts.run(tmp_path / "pair", "s = dial()\ns.send(bytes(300))\ns.recv(9)", server), "spin") == []


@pytest.mark.parametrize("fd, found", [(0, ["The server waits for its standard input."]), (9, [])])
def test_who_waits_for_its_standard_input_and_who_for_a_pipe(tmp_path: Path, fd: int, found: "list[str]") -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(9)", f"c = listen().accept()[0]\nr, w = os.pipe()\nos.dup2(r, {fd})\nos.read({fd}, 1)")
    assert [one.words for one in of(run, "waits-for-input")] == found


@pytest.mark.parametrize("calls, found", [("15- server@200#0 accept 0\n21-22 server@200#0 close 0 = 0", True), ("15-16 server@200#0 accept 0 = 5\n21-22 server@200#0 close 0 = 0", False)])
def test_a_descriptor_that_is_closed_while_another_thread_waits_on_it(calls: str, found: bool) -> None:
    run = runs.facts(runs.spread(runs.run("server@200#0: listening")), calls=calls)
    run = replace(run, calls=tuple(replace(call, fd=3, tid=201 if call.name == "close" else 200) for call in run.calls))
    assert [one.words for one in of(run, "closed-while-waiting")] == [
        "The server closed descriptor 3 while another thread of it waited on it in accept. A close does not end such a wait."][:found]


@pytest.mark.usefixtures("soon")
def test_a_loop_of_calls_is_no_loop_without_calls(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(9)", BUSY.format("pass"))
    assert (len(of(run, "spin")), of(run, "spin-without-calls")) == (1, [])


def test_a_loop_that_sleeps_between_its_calls_is_no_spin(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ntime.sleep(60)\ns.send(b'x')\ns.recv(9)", BUSY.format("time.sleep(0.1)"))
    assert of(run, "spin") == [] and run.stop.kind == "over"


def test_many_equal_writes_are_no_spin(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\nfor _ in range(600):\n    s.send(b'0123456789')", "c = listen().accept()[0]\nwhile c.recv(10): pass")
    assert of(run, "spin") == []


@pytest.mark.usefixtures("soon")
def test_a_loop_without_calls_is_told_with_the_last_call_before(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4; read 9", "listen; accept; read 4; spin")
    assert run.stop.kind == "runaway" and run.stop.words.startswith("the server ") and "it spins" in run.stop.words
    assert [(w.who, w.call) for w in run.stop.waiting] == [("client", "read")]
    assert [one.words.partition(";")[0] for one in of(run, "spin-without-calls")] == ["The server ran on and on, and made none of the calls that are looked at any more "
                                                                                          "(those on descriptors 0, 1 and 2 are not)"]


def test_a_full_accept_queue_keeps_a_connect_waiting(tmp_path: Path) -> None:
    server = "s = socket.socket()\ns.bind(('127.0.0.1', 8080))\ns.listen({})\nsys.stdin.read()\ntime.sleep(100)\n"
    stage = "limit: 2 s\n"
    run = scripts.run(tmp_path / "a", "[dial() for n in range(3)]", server.format(1), stage=stage)
    assert "The client waits in connect" in of(run, "accept-queue-full")[0].words
    assert of(scripts.run(tmp_path / "b", "kept = [dial() for n in range(3)]", server.format(5), stage=stage), "accept-queue-full") == []


def test_a_call_on_a_closed_number_again_and_again_is_a_spin(tmp_path):
    run = pairs.run(tmp_path / "pair", "connect; hush; again 20000", "listen; accept; readall 1; accept")
    assert run.stop.kind == "runaway" and "fails with EBADF again and again" in run.stop.words
    assert ["EBADF does not go away by itself" in one.words for one in of(run, "spin")] == [True]


@pytest.mark.parametrize("first, told", [("", True), ("s.send(b'x')\n", False)], ids=["nobody wrote", "one wrote"])
def test_of_a_deadlock_in_which_nobody_wrote_this_is_told(tmp_path: Path, first: str, told: bool) -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\n{first}s.recv(9)", "c = listen().accept()[0]\nwhile True: c.recv(9)")
    assert ["Neither of them has called write there." in one.words for one in of(run, "deadlock")] == [told]


RELAY = "server: listens on 8080\nrelay: listens on 8081\nrelay: connects to server\nclient: connects to relay\n"


def test_a_deadlock_of_three_says_between_which_programs_each_connection_is(tmp_path: Path) -> None:
    relay = "l = listen(port=8081)\nc = l.accept()[0]\ns = dial()\nc.recv(4)\ns.send(b'half')\ns.recv(9)"
    run = scripts.run(tmp_path / "pair", "s = dial(port=8081)\ns.send(b'half')\ntime.sleep(1)\ns.send(b'rest\\n')\ns.recv(9)", "c = listen().accept()[0]\nc.recv(4)\nc.recv(9)", relay=relay, stage=RELAY)
    words = of(run, "deadlock")[0].words
    assert "5 bytes lie unread in the relay's kernel, on connection 1 (between the client and the relay)." in words
    assert "The relay waits in read on connection 2 (between the relay and the server)" in words


def test_of_two_connections_of_one_pair_the_number_says_enough(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s, t = dial(), dial()\nt.send(b'hello')\ns.recv(9)", "l = listen()\nc, d = l.accept()[0], l.accept()[0]\nc.recv(9)")
    assert "5 bytes lie unread in the server's kernel, on connection 2." in of(run, "deadlock")[0].words
