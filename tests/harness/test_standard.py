"""Standard lines: what calls are told as, and how a long run of them is folded."""
from __future__ import annotations

from dataclasses import replace

import pytest
import runs
from harness.judge import standard
from harness.trace import Call, Segment

OWN, PEER = "127.0.0.1:40000", "127.0.0.1:9000"


def call(name, seq=0, **fields):
    """A call on connection 1 that returns one place after its entry."""
    return replace(Call(seq, seq, "client", 7, 7, name, 3, 1, returned=seq + 1, returned_ns=seq + 1), **fields)


def told(*calls, log="", segments=()):
    made = replace(runs.run(log), calls=calls, segments=segments)
    return [(line.seq, line.text) for line in standard.lines(made)]


@pytest.mark.parametrize("one, lines", [
    (call("write", asked=18, result=18), [(0, "sending 18 bytes")]),
    (call("write", asked=1, result=1), [(0, "sending 1 byte")]),
    (call("sendto", asked=18, result=7), [(0, "sending 18 bytes"), (1, "the kernel took 7 of them")]),
    (call("write", asked=18, result=-1, error="EPIPE"), [(0, "sending 18 bytes"), (1, "write: EPIPE")]),
    (call("recvfrom", asked=100, result=18), [(1, "received 18 bytes")]),
    (call("recvfrom", asked=100, result=18, option="MSG_PEEK"), [(1, "looked at 18 bytes")]),
    (call("read", asked=100), [(1, "EOF")]),
    (call("read", asked=0), []),                                    # nothing was asked for: no EOF
    (call("read", asked=9, result=-1, error="ECONNRESET"), [(1, "read: ECONNRESET")]),
    (call("read", asked=9, result=-1, error="EINTR"), []),
    (call("read", asked=9, returned=-1), []),                       # it waits: how the run ended tells that
    (call("read", asked=9, result=9, connection=0), []),            # no connection: a pipe
    (call("shutdown", option="SHUT_WR"), [(0, "shutting down SHUT_WR")]),
    (call("close"), [(0, "closing")]),
    (call("close", connection=0), []),
    (call("accept4", result=4), [(1, "accepted")]),
    (call("connect", address=f"{OWN}>{PEER}"), [(0, f"connecting to {PEER}"), (1, "connected")]),
    (call("connect", address=PEER, connection=0, result=-1, error="ECONNREFUSED"),
     [(0, f"connecting to {PEER}"), (1, f"connect to {PEER}: ECONNREFUSED")]),
    (call("bind", address="0.0.0.0:9000", connection=0, result=-1, error="EADDRINUSE"), [(1, "bind to 0.0.0.0:9000: EADDRINUSE")]),
    (call("nanosleep", limit=2_500_000_000, connection=0), [(0, "sleeping 2.5 s")]),
    (call("nanosleep", limit=1_000, connection=0), []),
])
def test_a_call_is_told_at_its_entry_or_at_its_return(one, lines):
    assert told(one) == lines


def test_a_listener_is_told_with_where_it_listens():
    for bound, words in (("0.0.0.0:9000", "listening (port 9000)"), ("127.0.0.1:9000", "listening (127.0.0.1:9000)"), ("[::]:9000", "listening ([::]:9000)")):
        calls = call("bind", 0, address=bound, connection=0), call("listen", 2, connection=0), call("close", 4, connection=0)
        assert told(*calls) == [(3, words), (4, "closing its listener")]


def test_a_connect_that_goes_on_by_itself_is_told_by_what_came_back():
    later = call("connect", 0, address=f"{OWN}>{PEER}", result=-1, error="EINPROGRESS", returned=3)
    answer = Segment(5, 5, 1, "server", "SA", 0, 0, 1, 65536, PEER, OWN)
    assert told(later, segments=(answer,))[1:] == [(5, "connected")]
    assert told(later, segments=(replace(answer, seq=2),))[1:] == [(3, "connected")]       # it came before the call had returned
    assert told(later, segments=(replace(answer, flags="RA"),))[1:] == [(5, f"connect to {PEER}: refused")]
    assert told(later)[1:] == []


def test_a_datagram_socket_has_no_connections():
    made = call("socket", 0, fd=-1, connection=0, asked=2, result=3)
    assert told(made, call("connect", 2, address=f"{OWN}>{PEER}", connection=0)) == []


def test_a_program_that_logs_lines_of_its_own_has_no_others():
    assert told(call("close"), log="client: connected") == []


def test_bytes_are_shown_as_c_writes_them():
    assert standard.quoted('a"b\\\n\r\t', 7) == r'"a\"b\\\n\r\t"'
    assert standard.quoted("\x00\x1b[2J\xff", 6) == r'"\x00\x1b[2J\xff"'
    assert standard.quoted("größe".encode().decode("latin-1"), 7) == '"größe"'
    assert standard.quoted("GET", 84) == '"GET"...'


def lines(*kinds, tid=7):
    return [standard.Line(n, n, "client", 7, tid, kind, kind, 1, 10) for n, kind in enumerate(kinds)]


def shown(all_lines):
    return [f"{one.count} more, {one.bytes}" if isinstance(one, standard.More) else one.text for one in standard.folded(tuple(all_lines))]


def test_a_string_that_is_cut_has_whole_characters_and_says_so():
    assert standard.quoted("\0\xff\n" * 20, 60, 20) == '"\\x00\\xff\\n\\x00"...'
    for most in range(5, 40):
        shown = standard.quoted("\0a\n\xc3\xa9" * 8, 999, most)
        assert len(shown) <= most and shown.endswith('"...') and standard.quoted("\0a\n\xc3\xa9" * 8, 40).startswith(shown[:-4])
    assert standard.quoted("hello", 5, 7) == '"hello"' and standard.quoted("hello", 9, 10) == '"hello"...' and standard.quoted("hello", 5) == '"hello"'


def test_a_long_run_of_equal_lines_is_folded_and_counted():
    assert shown(lines(*["EOF"] * 1004)) == ["EOF"] * 4 + ["1000 more, 10000"]
    assert shown(lines(*["received"] * 6, "EOF")) == ["received"] * 4 + ["2 more, 20", "EOF"]
    assert shown(lines(*["received"] * 5, "EOF")) == ["received"] * 5 + ["EOF"]     # "1 more like it" would be as long as the line


def test_a_line_of_another_thread_between_them_does_not_end_a_fold():
    mixed = [one for pair in zip(lines(*["sending"] * 9), lines(*["received"] * 9, tid=8)) for one in pair]
    assert shown(mixed) == ["sending", "received"] * 4 + ["5 more, 50"] * 2


def test_two_kinds_of_lines_in_turn_are_bounded_too():
    told_of = shown(lines(*["sending", "received"] * 5000, "EOF"))
    assert len(told_of) == 2 * standard.MANY + 2
    assert told_of[-2:] == [f"{10000 - 2 * standard.MANY} more, {(10000 - 2 * standard.MANY) * 10}", "EOF"]
