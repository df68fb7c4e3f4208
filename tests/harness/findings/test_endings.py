"""Each finding about the end of a connection: a pair that has it, and near misses that have not."""
from __future__ import annotations

import functools
import re
from dataclasses import replace
from pathlib import Path

import pairs
import pytest
import runs
import scripts
from harness.judge.findings import Facts, find
from harness.judge.findings.endings import FINDINGS


found = functools.partial(pairs.found, FINDINGS)


HAVE = [
    ("reset-by-unread", "connect; write 5; readall 1", "listen; accept; read 4; close",
     "The server closed connection 1 (acts.c:N) while 1 byte lay unread in its kernel. So its kernel sent a reset (RST) and no FIN. "
     "Its last read there (acts.c:N) had asked for 4 bytes, and a read returns no more than it asks for."),
    ("reset-by-unread", "connect; write 5; readall 1", "listen; accept; read 3; exit 0",
     "The server ended while 2 bytes lay unread in its kernel, on connection 1. So its kernel sent a reset (RST) and no FIN. "
     "Its last read there (acts.c:N) had asked for 3 bytes, and a read returns no more than it asks for."),
    ("reset-by-linger", "connect; readall 1", "listen; accept; abort",
     "The server had set SO_LINGER on connection 1 (acts.c:N). Its close sent a reset (RST) and no FIN."),
    ("written-after-close", "connect; read 1; write 7; readall 1", "listen; accept; close; accept",
     "The client wrote 7 bytes on connection 1 (acts.c:N) after the server had closed it (acts.c:N). Nobody could read them: the server's kernel answered with a reset (RST)."),
    ("written-after-close", "connect; read 1; write 1; readall 1", "listen; accept; close; accept",
     "The client wrote 1 byte on connection 1 (acts.c:N) after the server had closed it (acts.c:N). Nobody could read it: the server's kernel answered with a reset (RST)."),
    ("written-after-close", "ignore 13; connect; read 1; write 7; readall 1", "listen; accept",
     "The client wrote 7 bytes on connection 1 (acts.c:N) after the server had ended, which closed it. Nobody could read them: the server's kernel answered with "
     "a reset (RST). The server's accept (acts.c:N) had returned descriptor N for that connection, and it called neither read nor write on that descriptor."),
    ("written-after-close", "connect; write 4; read 1; write 8; readall 1", "listen; accept; read 12; close; accept",     # half of a struct
     "The client wrote 8 bytes on connection 1 (acts.c:N) after the server had closed it (acts.c:N). Nobody could read them: the server's kernel answered with a reset (RST). "
     "The last read of the server there (acts.c:N) had asked for 12 bytes and got 4: a read returns what has come, and does not wait for the rest."),
    ("held-by-another", "connect; readall 1", "listen; accept; fork; close; end; wait; accept",
     "The server's child process closed connection 1 (acts.c:N), but the server still has it open as descriptor N, since its accept (acts.c:N). A FIN goes out only "
     "when the last copy of a connection is closed. The client waits in read on connection 1."),
    ("held-by-another", "connect; readall 1", "listen; accept; dup; close; accept",
     "The server closed one copy of connection 1 (acts.c:N), but it still has it open as descriptor N, which its dup (acts.c:N) made. A FIN goes out only "
     "when the last copy of a connection is closed. The client waits in read on connection 1."),
    ("never-closed", "connect; close", "listen; accept; thread; again 9000; end; accept",
     "The server has not closed connection 1: the client's FIN has come, and descriptor N is still open (CLOSE-WAIT)."),
    ("kept-open", "connect; readall 1", "listen; accept; pause-for-ever",
     "The client waits in read on connection 1, and has read all that came there. The server has not closed its end, so no FIN comes: it waits for a signal, "
     "in pause (acts.c:N)."),
    ("reset-by-unread", "connect; write 5; readall 1; hear-nothing", "listen; accept; read 4; shut; close; accept",
     "The server closed connection 1 (acts.c:N) while 1 byte lay unread in its kernel. So its kernel sent a reset (RST). "
     "Its last read there (acts.c:N) had asked for 4 bytes, and a read returns no more than it asks for."),
    ("never-closed", "connect; close", "listen; accept; read 1; accept",
     "The server has not closed connection 1: the client's FIN has come, and descriptor N is still open (CLOSE-WAIT). It waits in accept."),
]

HAVE_NOT = [
    ("reset-by-unread", "connect; write 5; readall 1", "listen; accept; read 5; close"),
    ("reset-by-unread", "connect; read 1; write 7; readall 1", "listen; accept; close; accept"),        # they came after the close
    ("reset-by-linger", "connect; readall 1", "listen; accept; close"),
    ("reset-by-linger", "connect; write 5; readall 1", "listen; accept; read 4; close"),
    ("written-after-close", "connect; write 7; readall 1", "listen; accept; read 7; close; accept"),
    ("written-after-close", "connect; read 1; write 7; close", "listen; accept; shut; read 7; close; accept"),   # it was not closed
    ("held-by-another", "connect; readall 1", "listen; accept; fork; close; end; close; wait; accept"),
    ("held-by-another", "connect; readall 1", "listen; accept; fork; shut; close; end; wait; accept"),   # the shutdown has sent the FIN
    ("held-by-another", "connect; readall 1", "listen; accept; fork; readall 1; end; close; accept"),     # the child serves it
    ("kept-open", "connect; readall 1", "listen; accept; shut; pause-for-ever"),
    ("kept-open", "connect; write 4; readall 1", "listen; accept; pause-for-ever"),      # bytes lie unread there: that is told
    ("kept-open", "connect; readall 1", "listen; accept; readall 1"),
    ("reset-by-unread", "connect; write 5; readall 1", "listen; accept; read 5; shut; close"),
    ("never-closed", "connect; close", "listen; accept; read 1; close; accept"),
    ("never-closed", "connect; shut; readall 9", "listen; accept; read 1; write 9; close; accept"),
]


@pytest.mark.parametrize("code, client, server, words", HAVE)
def test_a_pair_has_it(tmp_path: Path, code: str, client: str, server: str, words: str) -> None:
    mine = found(tmp_path, client, server)
    assert code in mine
    told = re.sub(r"descriptor \d+", "descriptor N", pairs.without_lines(mine[code].words))
    assert told == words
    assert all(place >= 0 for place in mine[code].evidence)


@pytest.mark.parametrize("code, client, server", HAVE_NOT)
def test_a_near_miss_has_it_not(tmp_path: Path, code: str, client: str, server: str) -> None:
    assert code not in found(tmp_path, client, server)


@pytest.mark.parametrize("code, client, server, words", [one for one in HAVE if one[0] != "never-closed"])
def test_where_calls_are_not_seen_nothing_is_concluded_from_them(tmp_path: Path, code: str, client: str, server: str, words: str) -> None:
    assert code not in found(tmp_path, client, server, observe=False)


def test_a_fin_that_stopping_the_run_brought_is_not_told_as_come(tmp_path: Path) -> None:
    """The server closes under a read of its own thread. Only stopping the run ends that read, and so sends the FIN."""
    server = ("import threading\nl = listen()\nc = l.accept()[0]\nthreading.Thread(target=os.read, args=(c.fileno(), 1), daemon=True).start()\n"
              "time.sleep(1)\nos.close(c.detach())\nl.accept()")
    run = scripts.run(tmp_path / "pair", "import signal\ns = dial()\nsignal.pause()", server)
    assert {one.code for ask in FINDINGS for one in ask(Facts(run))} == {"closed-under-a-read"}
    assert "closed-while-waiting" not in {one.code for one in find(run)}     # the same wait is not told twice


def test_a_descriptor_that_is_left_open_explains_no_wait_for_the_next_accept(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "dial().close()\ns = dial()\ns.recv(9)", "l = listen()\nc = l.accept()[0]\nc.recv(9)\nos.read(os.pipe()[0], 1)\n")
    assert [one.code for one in find(run)] == ["in-accept-queue", "never-closed"]


@pytest.mark.parametrize("option, told", [("MSG_PEEK", True), ("", False)])
def test_bytes_that_were_only_looked_at_and_so_brought_a_reset_are_told_as_that(option, told):
    ends = (runs.end("client", 101, (101, 0, 1, "close", 101)), runs.end("server", 200, (200, 0, 6, "close", 200)))
    run = runs.facts(runs.run("", "client: exit 0", wire="client A 1+5, server R"), ends, calls="1-2 client@101#1 write 5 = 5\n3-4 server@200#1 recvfrom 9 = 3\n6-7 server@200#1 close 0 = 0")
    run = replace(run, calls=tuple(replace(call, option=option) if call.name == "recvfrom" else call for call in run.calls), segments=tuple(replace(one, seq=seq) for one, seq in zip(run.segments, (2, 7))))
    words = [one.words for one in find(run) if one.code == "reset-by-unread"]
    assert len(words) == 1 and ("Its last recv there has the flag MSG_PEEK: it shows bytes, and they stay in the kernel." in words[0]) is told, words

