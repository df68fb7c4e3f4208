"""Each finding about bytes: a pair that has it, and near misses that have not."""
from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pairs
import pytest
import scripts
from harness.judge.findings import find
from harness.judge.findings.streams import FINDINGS
from harness.judge.moments import moments

found = functools.partial(pairs.found, FINDINGS)


HAVE = [
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; read 4; accept",
     "5 bytes lie unread in the server's kernel, on connection 1. The server has read 4 bytes there, the last time at acts.c:N. Now it has gone back to accept (acts.c:N)."),
    ("unread-at-end", "connect; write 1; readall 1", "listen; accept; accept",
     "1 byte lies unread in the server's kernel, on connection 1. The server has called no read there. Now it waits in accept (acts.c:N), for another connection: its accept (acts.c:N) had returned this one, as descriptor 4."),
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; select-low",
     "9 bytes lie unread in the server's kernel, on connection 1. The server has called no read there. Now it waits in select (acts.c:N). That select looks at descriptors "
     "below 4 only, since its first argument is 4, and connection 1 is descriptor 4, which is in a set: the first argument must be the highest descriptor plus 1."),
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; thread; polllistener; end; accept",
     "9 bytes lie unread in the server's kernel, on connection 1. The server has called no read there. One thread of the server waits in accept, and another one in poll. "
     "That poll does not look at descriptor 4, which is connection 1."),
    ("no-newline", "connect; text hello; readall 1", "listen; accept; readall 100",
     'The server has read all 5 bytes that came on connection 1, and the last one is "o", no newline. It waits in read for more, and no FIN has come. '
     "If it reads lines, it waits for a newline, or for the end of the stream."),
    ("no-newline", "connect; line one; text two; readall 100", "listen; accept; readall 7; read 9",
     'The server has read all 7 bytes that came on connection 1, and the last one is "o", no newline: 3 bytes came behind the last newline. It waits in read for more, '
     "and no FIN has come. If it reads lines, it waits for a newline, or for the end of the stream."),
    ("no-newline", "connect; line one; text two; readall 100", "listen; accept; readall 7; line ok; read 9",
     'The server has read all 7 bytes that came on connection 1, and the last one is "o", no newline: 3 bytes came behind the last newline. It waits in read for more, '
     "and no FIN has come. If it reads lines, it waits for a newline, or for the end of the stream."),
    ("no-write", "connect; line hello; readall 1", "listen; accept; readall 100",
     "The server has read 6 bytes on connection 1, the last one a newline, has called no write there, and waits in read for more; no FIN has come. The client waits in read for an answer. "
     "If the server answers only at the end of the stream, the client must end its sending first (shutdown with SHUT_WR)."),
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; thread; read 4; end; accept",
     "5 bytes lie unread in the server's kernel, on connection 1. The server has read 4 bytes there, the last time at acts.c:N. "
     "The thread that read there has ended. Now the server waits in accept (acts.c:N)."),
    ("announced-not-written", "connect; readall 1", "listen; accept; announce 6; read 1",
     "The server said that it sends 6 bytes on connection 1 ('sending 6 bytes'). It called no write there after that."),
    ("announced-not-written", "connect; readall 9", "listen; accept; announce 6; say 9; read 1",
     "The server said that it sends 6 bytes on connection 1 ('sending 6 bytes'). It called no write there for that."),
    ("said-not-read", "connect; say 3; readall 1", "listen; accept; hear 3; event EOF; close",
     "The server said 'EOF' on connection 1. None of its reads there had told it so by then. Its last read there (acts.c:N) returned 3."),
    ("said-not-read", "connect; write 3; readall 1", "listen; accept; event EOF; close",
     "The server said 'EOF' on connection 1. It had called no read there by then."),
    ("said-not-read", "connect; write 3; readall 1", "listen; accept; read 3; event Error reading: ECONNRESET; close",
     "The server said 'Error reading: ECONNRESET' on connection 1. None of its calls there had failed so by then. Its last read there (acts.c:N) returned 3."),
    ("short-write", "rcvbuf 4096; connect; hear-nothing", "sndbuf 4096; listen; accept; nonblock; try 1000000; accept", None),
    ("write-failed", "connect; shut; ignore 13; try 5", "listen; accept; read 1; close",
     "The client's write of 5 bytes on connection 1 failed with EPIPE. The client had shut down its own sending there before (SHUT_WR, acts.c:N)."),
    ("write-failed", "ignore 13; connect; read 1; try 5; try 6", "listen; accept; abort",
     "The client's write of 5 bytes on connection 1 failed with EPIPE. The server's kernel had reset that connection (RST) before."),
    ("no-newline", "connect; text hello; readall 1", "listen; accept; readall 4096",        # a buffer, and no number of bytes that is waited for
     'The server has read all 5 bytes that came on connection 1, and the last one is "o", no newline. It waits in read for more, and no FIN has come. '
     "If it reads lines, it waits for a newline, or for the end of the stream."),
    ("no-newline", "connect; line hello; readall 100", "listen; accept; read 100; text ok; accept",
     'The client has read all 2 bytes that came on connection 1, and the last one is "k", no newline. It waits in read for more, and no FIN has come. '
     "If it reads lines, it waits for a newline, or for the end of the stream."),
    ("short-write", "rcvbuf 4096; connect; read 1; write 1; readall 1000000", "sndbuf 4096; listen; accept; nonblock; try 1000000; poll; try 1; close", None),
    ("kept-apart-by-time", "connect; write 4; pause 1; write 5; readall 1", "listen; accept; read 100; read 100; close",
     "The client wrote 2 times (4 and 5 bytes), and nothing in a stream marks where one write ended. This time each read of the server (acts.c:N) returned what one "
     "write sent. Only time kept them apart: each read had room for two."),
    ("lines-tell-more", "connect; write 4; readall 1", "listen; accept; hear-too-much 4; close",
     "The server says at acts.c:N that it received 64 bytes ('received 64 bytes'). All its lines up to this one tell of 64, and its reads had returned 4."),
    ("no-connection", "connect; readall 1", "listen; accept; ignore 13; try-listener 5; close",
     "The server's write (acts.c:N) is on descriptor 3, which is a listener (acts.c:N): nobody is at its other end. What accept returns is the connection. "
     "It failed with EPIPE."),
    ("read-reset", "connect; readall 1", "listen; accept; abort",
     "The client's read on connection 1 failed with ECONNRESET: the server's kernel had sent a reset (RST)."),
    ("glued", "connect; write 4; write 5; text x; readall 1", "listen; accept; slow 200; read 100; close",
     "The client wrote 3 times (4, 5 and 1 bytes), and nothing in a stream marks where one write ended. One read of the server (acts.c:N) returned 10 bytes: 3 writes of 4, 5 "
     "and 1 bytes."),
    ("glued", "connect; write 4; write 5; text x; write 2; write 3; readall 1", "listen; accept; slow 200; read 100; close",
     "The client wrote 5 times (4, 5, 1, ... bytes), and nothing in a stream marks where one write ended. One read of the server (acts.c:N) returned 15 bytes: 5 writes of "
     "4, 5, 1, ... bytes."),
    ("one-write-several-reads", "connect; writeall 1000000; readall 1", "rcvbuf 4096; listen; accept; read 1000000; readall 1000000",
     None),
    ("eof-again", "connect; close", "listen; accept; again 12; close",
     "The server's read on connection 1 (acts.c:N) returned 0, 12 times. 0 says EOF: that is the end of the stream: the client has sent its FIN. "
     "Nothing more will come, so a loop that reads must end at 0."),
]

HAVE_NOT = [
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; select; read 9; select"),             # that one looks at it
    ("unread-at-end", "connect; write 9; readall 1", "listen; accept; read 9; accept"),
    ("unread-at-end", "connect; write 9; readall 1", "listen; sleep-for-ever"),                   # nobody has accepted it
    ("no-newline", "connect; line hello; readall 1", "listen; accept; readall 100"),
    ("no-newline", "connect; text hello; shut; readall 1", "listen; accept; readall 100; accept"),
    ("no-newline", "connect; text hello; readall 1", "listen; accept; read 5; text ok; accept"),   # the server waits for nobody's bytes
    ("no-write", "connect; line hello; readall 100", "listen; accept; read 100; text a; readall 1"),
    ("no-write", "connect; text hello; readall 1", "listen; accept; readall 100"),                # no whole line has come
    ("zero-window", "connect; readall 1000000", "listen; accept; writeall 1000000"),
    ("announced-not-written", "connect; readall 6", "listen; accept; say 6; read 1"),
    ("announced-not-written", "connect; readall 12", "listen; accept; announce 6; fork; write 6; end; write 6; wait"),  # a child wrote it
    ("said-not-read", "connect; close", "listen; accept; read 1; event EOF"),
    ("said-not-read", "connect; close", "listen; accept; poll; event EOF"),                         # it was told by poll, or might have been
    ("short-write", "connect; readall 100000", "listen; accept; nonblock; try 100000"),
    ("short-write", "rcvbuf 4096; connect; hear-nothing", "sndbuf 4096; listen; accept; writeall 1000000"),  # it still wants to write
    ("no-newline", "connect; text hello; readall 100", "listen; accept; read 5; text ok; shut; readall 1"),    # its FIN has come
    ("no-newline", "connect; write 3; readall 1", "listen; accept; readall 100"),                       # bytes that are no text
    ("short-write", "rcvbuf 4096; connect; slow 100; readall 1000000", "sndbuf 4096; listen; accept; write 1000000; close"),
    ("kept-apart-by-time", "connect; write 4; read 1; write 5; readall 1", "listen; accept; read 100; write 1; read 100; close"),   # an answer lay between
    ("kept-apart-by-time", "connect; write 4; pause 1; write 5; readall 1", "listen; accept; read 4; read 5; close"),      # it asked for so many
    ("lines-tell-more", "connect; say 4; close", "listen; accept; hear 64; close"),
    ("write-failed", "connect; write 5; close", "listen; accept; read 5; close"),
    ("no-connection", "connect; shut; ignore 13; try 5", "listen; accept; read 1; close"),
    ("read-reset", "connect; readall 1", "listen; accept; close"),
    ("glued", "connect; write 4; read 1; write 5; read 1", "listen; accept; read 100; write 1; read 100; write 1"),
    ("one-write-several-reads", "connect; write 8; readall 1", "listen; accept; read 4; read 4; close"),    # it asked for so few
    ("eof-again", "connect; close", "listen; accept; again 2; close"),
]


@pytest.mark.parametrize("code, client, server, words", HAVE)
def test_a_pair_has_it(tmp_path: Path, code: str, client: str, server: str, words: "str | None") -> None:
    mine = found(tmp_path, client, server)
    assert code in mine
    assert words is None or pairs.without_lines(mine[code].words) == words
    assert all(place >= 0 for place in mine[code].evidence)


@pytest.mark.parametrize("code, client, server", HAVE_NOT)
def test_a_near_miss_has_it_not(tmp_path: Path, code: str, client: str, server: str) -> None:
    assert code not in found(tmp_path, client, server)


@pytest.mark.parametrize("code, client, server, words", [one for one in HAVE if one[0] in ("announced-not-written", "no-write", "short-write", "glued", "eof-again")])
def test_where_calls_are_not_seen_nothing_is_concluded_from_them(tmp_path: Path, code: str, client: str, server: str, words: "str | None") -> None:
    assert code not in found(tmp_path, client, server, observe=False)


def test_the_zero_window_says_who_does_not_read(tmp_path: Path) -> None:
    words = found(tmp_path, "rcvbuf 4096; connect; hear-nothing", "sndbuf 4096; listen; accept; writeall 1000000")["zero-window"].words
    assert words.startswith("The server waits in write on connection 1. ") and "lie unread in the client's kernel, which has no room for more." in words
    assert words.endswith("The client does not read them: it waits in poll.")


@pytest.mark.parametrize("server, told", [("", ["urgent"]), ("p = select.poll(); p.register(c, select.POLLPRI); p.poll(); c.recv(1, socket.MSG_OOB)", [])])
def test_where_a_byte_is_urgent_nobody_says_which_bytes_a_read_returned(tmp_path: Path, server: str, told: "list[str]") -> None:
    client = "s = dial()\ns.send(b'abc')\ns.send(b'X', socket.MSG_OOB)\ns.send(b'def')\ns.shutdown(1)\ns.recv(1)"
    run = scripts.run(tmp_path / "pair", client, f"c = listen().accept()[0]\n{server}\nwhile c.recv(9):\n    pass\n")
    assert [one.code for one in find(run)] == told
    assert [one.way.read for one in moments(run) if one.side == (1, "opener")][-1] is None


def test_of_three_threads_that_leave_bytes_unread_none_is_left_out(tmp_path: Path) -> None:
    server = ("import threading\nl = listen()\nc = l.accept()[0]\nlock = threading.Lock()\nlock.acquire()\nthreading.Thread(target=lock.acquire).start()\n"
              "threading.Thread(target=l.accept).start()\nos.read(os.pipe()[0], 1)\n")
    words = next(one.words for one in find(scripts.run(tmp_path / "pair", "s = dial()\ns.send(b'x')\ns.recv(1)", server)) if one.code == "unread-at-end")
    assert "3 threads of the server wait: " in words and all(what in words for what in ("in accept", "in read", "for a lock or a thread of its own, in futex"))


@pytest.mark.parametrize("ends, told", [("", ["end-not-passed-on"]), ("b.shutdown(1)\n", [])])
def test_a_relay_that_does_not_pass_on_the_end_of_a_stream(tmp_path: Path, ends: str, told: "list[str]") -> None:
    client = "l = listen(port=8081)\ns = dial()\ns.send(b'hello')\ns.shutdown(1)\nc = l.accept()[0]\nwhile c.recv(9):\n    pass\n"
    server = "a = listen().accept()[0]\nb = dial(port=8081)\nwhile True:\n    d = a.recv(9)\n    if not d:\n        break\n    b.send(d)\n"
    found = [one for one in find(scripts.run(tmp_path / "pair", client, f"{server}{ends}b.recv(9)")) if one.code in ("end-not-passed-on", "no-newline")]
    assert [one.code for one in found] == told
    assert all("It had read 5 bytes there, and has written as many on connection 2. It has not ended its sending there" in one.words for one in found)


@pytest.mark.parametrize("then, told", [("a.close(); b.close()\n", ["end-not-passed-on", "held-by-another"]), ("b.shutdown(1)\n", [])], ids=["closes", "passes it on"])
def test_a_process_of_a_relay_that_closes_its_copy_at_the_end_of_a_stream(tmp_path: Path, then: str, told: "list[str]") -> None:
    client = "l = listen(port=8081)\ns = dial()\ns.send(b'hello\\n')\ns.shutdown(1)\nc = l.accept()[0]\nwhile c.recv(9):\n    pass\n"
    server = ("a = listen().accept()[0]\nb = dial(port=8081)\nif os.fork() == 0:\n    while True:\n        d = a.recv(9)\n        if not d:\n            break\n        b.send(d)\n    "
              f"{then}    os._exit(0)\nb.recv(9)\n")
    found = [one for one in find(scripts.run(tmp_path / "pair", client, server)) if one.code in ("end-not-passed-on", "held-by-another", "no-write")]
    assert [one.code for one in found] == told
    assert not told or "It has given up its copy of that connection, and the server still has one. A close, or an end, sends a FIN only for the last copy. So no FIN has come" in found[0].words


@pytest.mark.parametrize("sends, asked, words", [
    ("line 21", 4096, "If the server looks for \"\\r\\n\", or for another mark than a newline, it waits for that. fscanf waits on if its format asks for one more value, or ends with a blank or a \"\\n\"."),
    ("line 21", 100, "If the server looks for \"\\r\\n\", or for another mark than a newline, it waits for that. If the server answers"),
    ("text 21", 4096, "fscanf may wait, too: without a width, a number or a word ends only at a byte that does not belong to it."), ("text 21", 100, "")])
def test_what_a_program_that_logs_nothing_may_wait_for_in_what_came(tmp_path: Path, sends: str, asked: int, words: str) -> None:
    run = pairs.run(tmp_path / "pair", f"connect; {sends}; readall 1", f"listen; accept; read {asked}; read {asked}", sources=True)
    told, logs = ("".join(one.words for one in find(made)) for made in (dataclasses.replace(run, events=()), run))
    assert words in told and ("fscanf" in told) == ("fscanf" in words)
    assert "fscanf" not in logs and "looks for" not in logs


@pytest.mark.parametrize("sizes, asked, told", [((9,), 12, True), ((12, 12), 9, True), ((9, 3), 16, False), ((9,), 40, False)])
def test_a_struct_of_another_size_is_named(tmp_path: Path, sizes: "tuple[int, ...]", asked: int, told: bool) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\n" + "".join(f"s.send(bytes({n}))\n" for n in sizes) + "s.recv(1)\n",
                      f"c = listen().accept()[0]\nwhile c.recv({asked}, socket.MSG_WAITALL):\n    pass\n")
    words = next(one.words for one in find(run) if one.code == "wants-more")
    assert (f"The client writes {sizes[0]} bytes at a time, and the server asks for {asked}. If both mean the same struct" in words) == told, words


@pytest.mark.parametrize("head, told", [("GET / HTTP/1.0\\n\\n", ["http-head"]), ("GET / HTTP/1.0\\r\\n\\r\\n", []), ("GET me\\n\\n", [])])
def test_an_http_head_without_its_empty_line(tmp_path: Path, head: str, told: "list[str]") -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\ns.send(b'{head}')\ns.recv(9)", "c = listen().accept()[0]\nwhile c.recv(99):\n    pass\n")
    assert [one.code for one in find(run) if one.code == "http-head"] == told
    assert all('"\\n\\n" has come, without "\\r".' in one.words for one in find(run) if one.code == "http-head")


@pytest.mark.parametrize("ask, answer, words", [
    ("GET", "HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nhi", "whose Content-Length is 9, and 2 bytes came behind that head: 7 are missing. The client waits in read, and the server has written no more."),
    ("GET", "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi", ""), ("HEAD", "HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\n", "")])
def test_an_http_body_that_is_shorter_than_its_head_says(tmp_path: Path, ask: str, answer: str, words: str) -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\ns.send(b'{ask} / HTTP/1.1\\r\\n\\r\\n')\nwhile s.recv(99):\n    pass\n", f"c = listen().accept()[0]\nc.recv(99)\nc.send(b'{answer}')\nc.recv(1)\n")
    found = [one for one in find(run) if one.code in ("http-body", "no-newline") and one.who == "client"]
    assert [one.code for one in found if one.code == "http-body"] == ["http-body"] * bool(words) and all(words in one.words for one in found[:1] if words)
    assert not words or len(found) == 1


@pytest.mark.parametrize("text, first, then, code", [("5\\nhello", 4096, 5, "no-newline"), ("5\\nhello\\n", 4096, 6, "no-write"), ("5\\nhello", 4096, 4089, ""), ("5\\n", 4096, 5, ""), ("5\\nhello", 64, 5, "")])
def test_bytes_that_a_reader_with_a_buffer_took_behind_a_line_are_named_where_another_read_waits_for_them(tmp_path: Path, text: str, first: int, then: int, code: str) -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\ns.send(b'{text}')\ns.recv(1)\n", f"c = listen().accept()[0]\nc.recv({first})\nc.recv({then})\n")
    told = [one.code for one in find(run) if f"It asks recv for {then} bytes. Its read before asked for {first:,} and took {then} bytes behind the first newline." in one.words]
    assert told == [code] * bool(code), [one.words for one in find(run)]


@pytest.mark.parametrize("text, told", [("12345678", True), ("1234567", False)])
def test_a_write_of_as_many_bytes_as_a_pointer_has_is_named(tmp_path: Path, text: str, told: bool) -> None:
    run = dataclasses.replace(pairs.run(tmp_path / "pair", f"connect; text {text}; readall 1", "listen; accept; read 99; read 99", sources=True), events=())
    words = next(one.words for one in find(run) if one.code == "no-newline")
    assert ("has 8 bytes: that is also the size of a pointer" in words) == told, words


@pytest.mark.parametrize("answer, then, whole", [
    ("HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi", "", True), ("HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nhi", "", False),
    ("HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 2\\r\\n\\r\\nhi", "", False), ("HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi", "s.send(b'next')", False)])
def test_a_whole_http_answer_on_a_connection_that_is_kept(tmp_path: Path, answer: str, then: str, whole: bool) -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\ns.recv(99)\n{then}\ns.recv(9)", f"c = listen().accept()[0]\nc.send(b'{answer}')\nwhile c.recv(9):\n    pass\n")
    told = [one.words for one in find(run) if one.code == "http-answer"]
    assert bool(told) is whole and all("is whole: its Content-Length is 2, and 2 bytes came behind its head. The server keeps the connection open" in words for words in told)


def test_an_http_answer_whose_body_ends_with_the_stream(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\nwhile s.recv(99):\n    pass\n", "c = listen().accept()[0]\nc.send(b'HTTP/1.1 200 OK\\r\\n\\r\\nhi')\nc.recv(9)")
    assert "If its head has neither Content-Length nor Transfer-Encoding, the body ends only when the stream ends" in find(run)[0].words


@pytest.mark.parametrize("client, server, words", [
    ("\\x16\\x03\\x01\\0\\5\\1\\0\\0\\1\\x03", "", "The first bytes that the client sent on connection 1 are 16 03 01: a TLS handshake begins so. The server has sent nothing. "),
    ("\\x16\\x03\\x01\\0\\5\\1\\0\\0\\1\\x03", "HTTP/1.1 400 ", 'a TLS handshake begins so. The first bytes of the server are others: "HTTP/1.1 400 ". '),
    ("GET / HTTP/1.0", "\\x15\\x03\\x03\\0\\2\\2\\x46", 'are 15 03 03: a TLS alert begins so. The first bytes of the client are others: "GET / HTTP/1.0". '),
    ("\\x16\\x03\\x01\\0\\5\\1\\0\\0\\1\\x03", "\\x16\\x03\\x03\\0\\5\\2\\0\\0\\1\\x03", ""), ("\\x16\\x03four", "", ""), ("x", "\\x15\\x03four", "")])
def test_one_program_speaks_tls_and_the_other_does_not(tmp_path: Path, client: str, server: str, words: str) -> None:
    run = scripts.run(tmp_path / "pair", f"s = dial()\ns.send(b'{client}')\ns.recv(99)\ns.recv(9)", f"c = listen().accept()[0]\nc.recv(99)\nc.send(b'{server}')\nc.recv(9)")
    told = [one.words for one in find(run) if one.code == "tls"]
    assert told == [] if not words else words in told[0] and told[0].endswith("Do both programs speak TLS there?")
