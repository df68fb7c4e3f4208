"""How programs end: each finding has pairs that have it, and near misses that have not."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pairs
import runs
import scripts
from harness.judge.findings import Finding, find
from harness.observe import sanitizer
from harness.trace import Call, Output, Run


def of(run: Run, code: str) -> "list[Finding]":
    return [one for one in find(run) if one.code == code]


def test_a_crash_has_its_signal_the_last_call_and_the_last_line(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4", "listen; accept; read 4; print got it; crash")
    assert [one.words for one in of(run, "died-of-signal")] == [
        'The server died of SIGSEGV, which it had sent to itself. The last call that was seen of it is read, which returned 4. '
        'The last line that it printed is "got it".']
    assert (run.stop.kind, run.stop.words) == ("crash", "the server died of SIGSEGV")


KILLS = {    # the server's script, and how the finding begins
    "raise": ("import signal; signal.raise_signal(15)", "The server died of SIGTERM, which it had sent to itself."),
    "kill of itself": ("os.kill(os.getpid(), 11)", "The server died of SIGSEGV, which it had sent to itself."),
    "abort": ("os.abort()", "The server died of SIGABRT, which it had sent to itself: it called abort, raise or kill"),
    "a real fault": ("import ctypes; ctypes.memset(8, 0, 1)", "The server died of SIGSEGV: it used memory that is not its own."),
    "a child": ("if os.fork() == 0:\n    os.kill(os.getppid(), 10)\n    os._exit(0)\nselect.select([], [], [])", "The server died of SIGUSR1, which a child process of it had sent to it."),
    "its parent": ("pid = os.fork()\nif pid == 0:\n    c.recv(9)\nos.kill(pid, 15)\nos.wait()", "A child process of the server died of SIGTERM, which the server had sent to it."),
    "the other program": ("c.send(os.getpid().to_bytes(4, 'big'))\nc.recv(9)", "The server died of SIGINT, which the client had sent to it."),
    "a broken pipe, raised": ("import signal; signal.signal(13, signal.SIG_DFL); signal.raise_signal(13)", "The server died of SIGPIPE, which it had sent to itself."),
}


@pytest.mark.parametrize("server, words", KILLS.values(), ids=KILLS)
def test_who_sent_the_signal_of_which_a_program_died_is_told_where_the_kernel_tells_it(tmp_path: Path, server: str, words: str) -> None:
    client = "import signal\ns = dial()\ndata = s.recv(4)\nif data:\n    os.kill(int.from_bytes(data, 'big'), signal.SIGINT)\n"
    run = scripts.run(tmp_path / "pair", client, f"import signal\nsignal.signal(2, signal.SIG_DFL)\nc = listen().accept()[0]\n{server}")
    assert [one.words[:len(words)] for one in of(run, "died-of-signal")] == [words], find(run)


@pytest.mark.parametrize("server", ["os.kill(os.getpid(), 9)", "import signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)"], ids=["SIGKILL", "SIGPIPE by kill"])
def test_nobody_says_who_sent_a_signal_if_the_kernel_does_not_tell(tmp_path: Path, server: str) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(4)", f"c = listen().accept()[0]\n{server}")
    assert [end.by for end in run.endings if end.who == "server"] == [-1] and not [one for one in find(run) if "sent" in one.words and "signal" in one.code]


def test_without_the_calls_a_signal_has_no_sender(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(4)", "c = listen().accept()[0]\nos.abort()", observe=False)
    assert [one.words for one in of(run, "died-of-signal")] == ["The server died of SIGABRT. Most often that means: it called abort, or a check in it did, such as an assert."]


def test_a_crash_of_a_child_is_one_of_the_run(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4", "listen; accept; fork; read 4; crash; end; wait")
    assert run.stop.words == "a child process of the server died of SIGSEGV"
    assert of(run, "died-of-signal")[0].words.startswith("A child process of the server died of SIGSEGV")


def test_a_crash_is_not_told_as_one_in_the_call_in_which_another_thread_waits(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4; readall 1", "listen; accept; thread; read 4; crash; end; accept")
    words = of(run, "died-of-signal")[0].words
    assert "It was in" not in words and "The last call that was seen of it is read, which returned 4." in words


def test_a_signal_that_ends_a_wait_says_in_which_call(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; read 9", "listen; accept; alarm 1; read 4")
    assert "died of SIGALRM" in of(run, "died-of-signal")[0].words and "It was in read on connection 1." in of(run, "died-of-signal")[0].words


@pytest.mark.parametrize("status, found", [(0, []), (3, ["The server ended by itself, with exit 3."])])
def test_only_a_status_that_says_so_is_an_early_end(tmp_path: Path, status: int, found: "list[str]") -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4", f"listen; accept; read 4; exit {status}")
    assert [one.words for one in of(run, "ended-early")] == found


@pytest.mark.parametrize("server, found", [("listen; accept; read 4; exit 0", []), ("listen; accept; read 4; kill 9", []), ("listen; accept; read 4; kill 15", ["died-of-signal"])])
def test_who_ends_well_or_is_told_to_end_has_not_crashed(tmp_path: Path, server: str, found: "list[str]") -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 4", server)
    assert [one.code for one in find(run)] == found and run.stop.kind == "over"


def test_sigpipe_has_the_write_and_the_reset_before_it(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 1; close", "listen; accept; read 1; pause 1; write 1; pause 1; write 1")
    words = of(run, "sigpipe")[0].words
    assert words.startswith("The server died of SIGPIPE: its write on connection 1 failed with EPIPE. Before it the client's kernel had reset that connection (RST).")
    assert run.stop.kind == "crash"


def test_a_reset_that_is_only_read_is_no_sigpipe(tmp_path: Path) -> None:
    assert of(pairs.run(tmp_path / "pair", "connect; write 1; close", "listen; accept; read 1; pause 1; write 1; pause 1; read 1"), "sigpipe") == []


def test_a_program_that_gives_up_has_its_last_words(tmp_path: Path) -> None:
    run = pairs.run(tmp_path / "pair", "connect; nonsense", "listen; accept; read 1")
    assert [one.words for one in of(run, "ended-early")] == ['The client ended by itself, with exit 2. Its last words on standard error are "no such act: nonsense".']


ASAN = r"""starting
==25231==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014 at pc 0x7fd4edc47681 bp 0x7ffcf7755f30 sp 0x7ffcf77556e0
WRITE of size 7 at 0x602000000014 thread T0
    #0 0x7fd4edc47680 in __interceptor_memset ../../../../src/libsanitizer/sanitizer_common/sanitizer_common_interceptors.inc:799
    #1 0x564acb8252a9 in send_all common/net.c:4
    #2 0x564acb825cd6 in main scenarios/06-short-reads/server.c:13:7
    #3 0x7fd4ed245249 in __libc_start_call_main ../sysdeps/nptl/libc_start_call_main.h:58

allocated by thread T0 here:
    #1 0x564acb825c92 in main scenarios/06-short-reads/server.c:99
==25231==ABORTING"""
UBSAN = "scenarios/06-short-reads/server.c:7:60: runtime error: signed integer overflow: 2147483647 + 2 cannot be represented in type 'int'"
LSAN = r"""==25292==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 10 byte(s) in 1 object(s) allocated from:
    #0 0x7f5e8fab89cf in __interceptor_malloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:69
    #1 0x558ed86a2640 in main scenarios/06-short-reads/server.c:8
"""
FREED = r"""==25330==ERROR: AddressSanitizer: attempting double-free on 0x602000000010 in thread T0:
    #0 0x7f67592b76a8 in __interceptor_free ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:52
    #1 0x55f0eaffdc88 in main server.c:12
"""


@pytest.mark.parametrize("report, words", [
    (ASAN, "AddressSanitizer found an error in the server at server.c:13: heap-buffer-overflow, a write of 7 bytes."),
    (UBSAN, "UndefinedBehaviorSanitizer found an error in the server at server.c:7: signed integer overflow: 2147483647 + 2 cannot be represented in type 'int'."),
    (LSAN, "LeakSanitizer found an error in the server at server.c:8: detected memory leaks."),
    (FREED, "AddressSanitizer found an error in the server at server.c:12: attempting double-free."),
])
def test_a_sanitizers_report_is_told_by_kind_and_by_the_place_in_the_programs_own_file(report: str, words: str) -> None:
    outputs = tuple(Output(n, n, "server", "stderr", line) for n, line in enumerate(report.splitlines(), 10))
    run = replace(runs.run("client: x", "client: exit 0, server: exit 1"), outputs=outputs)
    assert [one.words for one in find(run)] == [words]


@pytest.mark.parametrize("line", ["panic: runtime error: index out of range [5] with length 3", "the AddressSanitizer is a tool", "runtime error: none"])
def test_what_only_sounds_like_a_report_is_none(line: str) -> None:
    assert not sanitizer.begins(line) and sanitizer.read([line]) is None


GIVES_UP = [
    ("s = dial()\ns.setblocking(False)\ntry: s.recv(1)\nexcept OSError: sys.exit(1)", "recv, which failed with EAGAIN: nothing had come yet, and the call did not wait."),
    ("s = dial()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 0, 50000))\ntry: s.recv(1)\nexcept OSError: sys.exit(1)", ""),
    ("s = socket.socket()\ns.setblocking(False)\ntry: s.connect(('127.0.0.1', 8080))\nexcept OSError: sys.exit(1)",
     "connect, which failed with EINPROGRESS: the socket does not block, and the connection was still being made. poll with POLLOUT tells when that is done."),
]


@pytest.mark.parametrize("client, words", GIVES_UP, ids=["does not wait", "waits up to a limit", "connect does not wait"])
def test_a_program_that_gives_up_because_nothing_had_come_yet(tmp_path: Path, client: str, words: str) -> None:
    told = [one.words for one in of(scripts.run(tmp_path / "pair", client, "c = listen().accept()[0]\nc.recv(9)"), "ended-early")]
    assert len(told) == 1 and words in told[0] and ("The last call" in told[0]) is bool(words), told


@pytest.mark.parametrize("says", ["Resource temporarily unavailable", "no idea"])
def test_a_program_of_several_threads_that_gives_up_because_nobody_had_come_yet(tmp_path: Path, says: str) -> None:
    server = f"import threading\nl = listen()\nt = threading.Thread(target=lambda c: c.recv(9), args=(l.accept()[0],))\nt.start()\nt.join()\nl.setblocking(False)\ntry: l.accept()\nexcept OSError: sys.exit('{says}')"
    told = [one.words for one in of(scripts.run(tmp_path / "pair", "dial().send(b'x')", server), "ended-early")]
    assert len(told) == 1 and ("its main thread is accept, which failed with EAGAIN: no connection waited to be accepted" in told[0]) is (says != "no idea")


WAYS = {    # what the server does first, how it sends, and what its failed call says
    "ignored": ("signal.signal(13, signal.SIG_IGN)", "os.write(c.fileno(), b'x')", "SIGPIPE ignored"),
    "handled": ("signal.signal(13, lambda *_: None)", "os.write(c.fileno(), b'x')", "SIGPIPE handled"),
    "blocked": ("signal.signal(13, signal.SIG_DFL)\nsignal.pthread_sigmask(signal.SIG_BLOCK, [13])", "os.write(c.fileno(), b'x')", "SIGPIPE blocked"),
    "MSG_NOSIGNAL": ("signal.signal(13, signal.SIG_DFL)", "c.send(b'x', socket.MSG_NOSIGNAL)", "MSG_NOSIGNAL"),
    "none": ("signal.signal(13, signal.SIG_DFL)", "c.send(b'x')", ""),
}


@pytest.mark.parametrize("first, send, option", WAYS.values(), ids=WAYS)
def test_a_write_that_failed_with_epipe_says_why_its_program_lived(tmp_path: Path, first: str, send: str, option: str) -> None:
    server = f"import signal\n{first}\nc = listen().accept()[0]\nc.shutdown(socket.SHUT_WR)\ntry:\n    {send}\nexcept OSError:\n    pass"
    run = scripts.run(tmp_path / "pair", "s = dial()\ns.recv(1)", server)
    assert [(call.option, call.error) for call in run.calls if call.error == "EPIPE"] == [(option, "EPIPE")]
    assert [end.how for end in run.endings if end.who == "server"] == ["exit 0" if option else "signal PIPE"]


@pytest.mark.parametrize("kind, source, told", [(2, "", False), (2, "client.c:9", True), (1, "", True)])
def test_a_call_that_the_c_library_made_to_a_name_server_is_not_told_as_the_programs_last(kind, source, told):
    calls = (Call(1, 0, "client", 101, 101, "socket", returned=2, result=3, asked=kind, source=source), Call(3, 0, "client", 101, 101, "connect", 3, returned=4, result=-1, error="ENETUNREACH"))
    run = replace(runs.facts(runs.run("", "client: exit 1")), calls=calls)
    words = next(one.words for one in find(run) if one.code == "ended-early")
    assert ("which failed with ENETUNREACH" in words) is told, words


@pytest.mark.parametrize("option, words", [("TCP_MAXSEG", "is setsockopt of TCP_MAXSEG, which failed with EINVAL."), ("41/9", "is setsockopt, which failed with EINVAL.")])
def test_a_setsockopt_that_was_a_programs_last_call_names_its_option(option, words):
    calls = (Call(1, 0, "client", 101, 101, "setsockopt", 3, returned=2, result=-1, error="EINVAL", option=option, asked=4),)
    assert words in next(one.words for one in find(replace(runs.facts(runs.run("", "client: exit 1")), calls=calls)) if one.code == "ended-early")

