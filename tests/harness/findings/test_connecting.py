"""How connections begin: each finding has pairs that have it, and near misses that have not."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pairs
import runs
import scripts
from harness.judge.findings import Finding, find
from harness.trace import Call, Connection, Ending, Run

WAITS = "listener = listen()\nlistener.accept()[0].recv(10)\n"


def of(run: Run, code: str) -> "list[Finding]":
    return [one for one in find(run) if one.code == code]


@pytest.mark.parametrize("server, client, words", [
    ("listen('127.0.0.1').accept()", "dial('::1')", "The client asked for [::1]:8080, and was refused (ECONNREFUSED): nobody listened there. "
     "The server listens on 127.0.0.1:8080 only: that is an IPv4 address, and [::1] is an IPv6 address."),
    ("listen('::1').accept()", "dial()", "The server listens on [::1]:8080 only: that is an IPv6 address, and 127.0.0.1 is an IPv4 address."),
    ("listen('::').accept()", "dial()", "The server listens on [::]:8080 only: that is an IPv6 address, and 127.0.0.1 is an IPv4 address."),
    ("listen('127.0.0.2').accept()", "dial()", "The server listens on 127.0.0.2:8080 only, which is another address."),
    ("listen(port=socket.htons(8080)).accept()", "dial()", "The server listens on port 36895. 8080 is 0x1F90 and 36895 is 0x901F: "
     "the same two bytes in the other order. That is what a missing htons(), or one too many, does to a port."),
    ("listen(port=8080).accept()", "dial(port=socket.htons(8080))", "The server listens on port 8080. 36895 is 0x901F and 8080 is 0x1F90: "
     "the same two bytes in the other order."),
    ("listen(port=9090).accept()", "dial()", "The server listens on 127.0.0.1:9090: another port."),
    ("a = listen(port=9090)\nb = listen(port=9091)\na.accept()", "dial()", "The server listens on 127.0.0.1:9090 and the server listens on 127.0.0.1:9091: another port."),
    ("sys.exit(0)", "dial()", "No program of this run listened on any port then."),
])
def test_a_refused_connect_says_who_asked_for_what_and_who_listens_where(tmp_path: Path, server: str, client: str, words: str) -> None:
    found = of(scripts.run(tmp_path / "pair", client, server), "refused")
    assert len(found) == 1 and words in found[0].words
    assert found[0].who == "client"


def test_a_listener_that_was_given_up(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "dial()", "listen().close()", stage="client: starts after server ends\n")
    assert "The server had listened on 127.0.0.1:8080 before, and had closed that listener by then." in of(run, "refused")[0].words


def test_a_socket_that_is_bound_and_does_not_listen(tmp_path: Path) -> None:
    """The client is started all the same, once nothing else can happen."""
    run = scripts.run(tmp_path / "pair", "dial()", "s = socket.socket()\ns.bind(('127.0.0.1', 8080))\nimport signal\nsignal.pause()\n")
    assert "The server had bound a socket to 127.0.0.1:8080, and had not called listen." in of(run, "refused")[0].words


def test_a_connect_before_anybody_listens(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "dial()", "listen().accept()", stage="client: starts at once\nserver: starts after client ends\n")
    assert "The server began to listen on 127.0.0.1:8080 only later." in of(run, "refused")[0].words


@pytest.mark.parametrize("client", [
    "try:\n    dial('::1')\nexcept OSError:\n    dial()",       # it goes through a host's addresses
])
def test_who_gets_through_in_the_end_was_not_refused(tmp_path: Path, client: str) -> None:
    assert of(scripts.run(tmp_path / "pair", client, WAITS), "refused") == []


def test_who_tries_again_until_somebody_listens_was_not_refused(tmp_path: Path) -> None:
    client = "while True:\n    try:\n        dial()\n        break\n    except OSError:\n        time.sleep(1)\n"
    run = scripts.run(tmp_path / "pair", client, "time.sleep(3)\n" + WAITS, stage="client: starts at once\n")
    assert any(call.error == "ECONNREFUSED" for call in run.calls) and of(run, "refused") == []


def test_a_connect_that_does_not_block_learns_of_the_refusal_later(tmp_path: Path) -> None:
    client = "s = socket.socket()\ns.setblocking(False)\ns.connect_ex(('127.0.0.1', 9))\nselect.select([], [s], [])\n"
    assert "The client asked for 127.0.0.1:9, and was refused" in of(scripts.run(tmp_path / "pair", client, WAITS), "refused")[0].words


def test_without_calls_the_wire_tells_what_was_refused_and_not_who_asked(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "dial('::1')", "listen().accept()", observe=False)
    found = of(run, "refused")
    assert [one.words for one in found] == (["A connect to [::1]:8080 was refused: nobody listened there."] if run.wire else [])


ONCE = "l = listen(reuse={})\nc = l.accept()[0]\nc.send(b'bye')\nc.close()\nl.close()\ntime.sleep(1)\n"


@pytest.mark.parametrize("first, second, words", [
    (False, False, "SO_REUSEADDR, set before bind on both sockets, lets a new listener have the port."),
    (False, True, "This socket has SO_REUSEADDR; the earlier one had not, and both must have it."),
    (True, False, "The earlier socket had SO_REUSEADDR; this one has not, and both must have it before bind."),
])
def test_an_address_that_an_earlier_connection_keeps_in_time_wait(tmp_path: Path, first: bool, second: bool, words: str) -> None:
    run = scripts.run(tmp_path / "pair", "s = dial()\nwhile s.recv(9): pass\ns.close()", ONCE.format(first) + f"listen(reuse={second}).accept()")
    found = of(run, "in-use")[0]
    assert "The server could not bind 127.0.0.1:8080: EADDRINUSE. The server closed connection 1 first." in found.words
    assert "TIME-WAIT" in found.words and found.words.endswith(words)


def test_an_option_that_is_set_only_after_the_bind_is_told_so(tmp_path: Path) -> None:
    late = "l = socket.socket()\ntry: l.bind(('127.0.0.1', 8080))\nexcept OSError: l.setsockopt(1, 2, 1)\n"
    run = scripts.run(tmp_path / "pair", "s = dial()\nwhile s.recv(9): pass\ns.close()", ONCE.format(True) + late)
    assert of(run, "in-use")[0].words.endswith("this one got it only after its bind, and both must have it before bind.")


def test_an_end_that_was_shut_down_first_is_not_said_to_have_closed_first(tmp_path: Path) -> None:
    server = ONCE.format(True).replace("c.close()", "c.shutdown(socket.SHUT_WR)\nc.recv(9)\nc.close()")
    run = scripts.run(tmp_path / "pair", "s = dial()\nwhile s.recv(9): pass\ns.close()", server + "listen(reuse=False)")
    assert "The server ended its sending on connection 1 first (SHUT_WR). So its end of it keeps that port" in of(run, "in-use")[0].words


@pytest.mark.parametrize("client, server", [
    ("s = dial()\nwhile s.recv(9): pass\ns.close()", ONCE.format(True) + "listen()"),      # both have the option
    ("dial().close()", "l = listen(reuse=False)\nc = l.accept()[0]\nc.recv(9)\nc.close()\nl.close()\nlisten(reuse=False)"),     # the client closed first
])
def test_an_address_that_is_free_again(tmp_path: Path, client: str, server: str) -> None:
    assert of(scripts.run(tmp_path / "pair", client, server), "in-use") == []


@pytest.mark.parametrize("server, client, words", [
    ("l = listen()\nlisten()", "time.sleep(1)", "The server itself already listened on 127.0.0.1:8080."),
    ("l = listen('0.0.0.0')\nl.accept()", "listen()", "The server already listened on 0.0.0.0:8080."),
    ("l = listen()\nc = l.accept()[0]\nl.close()\nif os.fork() == 0:\n    c.recv(9)\n    os._exit(0)\nc.close()\nlisten(reuse=False)",
     "s = dial()\ntime.sleep(5)", "Another process of the server still held connection 1, whose end here has that port."),
    ("l = listen(reuse=False)\nc = l.accept()[0]\nc.close()\nl.close()\nlisten()", "s = dial()\ns.recv(9)\ntime.sleep(5)",
     "The server had closed connection 1, whose end here has that port. The other end had not: so the connection was not over."),
])
def test_an_address_that_somebody_has(tmp_path: Path, server: str, client: str, words: str) -> None:
    run = scripts.run(tmp_path / "pair", client, server)
    assert words in of(run, "in-use")[0].words


def test_accept_without_listen(tmp_path: Path) -> None:
    server = "s = socket.socket()\ns.bind(('127.0.0.1', 8080))\n{}s.accept()"
    assert "on a socket on which it had not called listen: EINVAL" in of(scripts.run(tmp_path / "a", "", server.format("")), "not-listening")[0].words
    assert of(scripts.run(tmp_path / "b", "dial()", server.format("s.listen(1)\n")), "not-listening") == []


@pytest.mark.parametrize("rest, found", [("", ["The server ended while connection 2 waited in its accept queue, with 5 bytes: nobody had accepted it. "
                                             "So its kernel sent a reset (RST)."]),
                                       ("; accept; hear 9", [])])
def test_a_listener_that_is_given_up_with_somebody_in_its_queue(tmp_path: Path, rest: str, found: "list[str]") -> None:
    run = pairs.run(tmp_path / "pair", "connect; connect; say 5; pause 1; hear 9", f"listen; accept; pause 1{rest}; exit 0")
    assert [one.words for one in of(run, "reset-unaccepted")] == found


SHUT = "try:\n    l.accept()\nexcept OSError:\n    pass\n"
ACCEPTS = {     # what the server does with its listener l, and how the findings of the run begin
    "it shuts it down": (f"time.sleep(1)\nl.shutdown(socket.SHUT_RDWR)\n{SHUT}", ["The server's accept failed with EINVAL: it had shut down that listener before (SHUT_RDWR",
                                                                                 "The server shut its listener down (SHUT_RDWR) while connection 1 waited in its accept queue"]),
    "its child does": (f"if os.fork() == 0:\n    l.shutdown(socket.SHUT_RD)\n    os._exit(0)\nos.wait()\n{SHUT}", ["The server's accept failed with EINVAL: the server's child process had shut down that listener before (SHUT_RD"]),
    "it listens again": ("l.shutdown(socket.SHUT_RD)\nl.listen(5)\nl.accept()\nl.shutdown(socket.SHUT_WR)\n", []),
}


@pytest.mark.parametrize("server, words", ACCEPTS.values(), ids=ACCEPTS)
def test_a_listener_that_was_shut_down_takes_no_connections(tmp_path: Path, server: str, words: "list[str]") -> None:
    run = scripts.run(tmp_path / "pair", "time.sleep(0.5)\ntry:\n    s = dial()\nexcept OSError:\n    pass", f"l = listen()\n{server}")
    found = [one.words for one in find(run) if one.code in ("shut-listener", "reset-unaccepted")]
    assert [one.startswith(begin) for one, begin in zip(sorted(found), sorted(words))] == [True] * max(len(found), len(words)), found


def test_a_connect_to_a_listener_that_was_shut_down_is_refused_for_that_reason(tmp_path: Path) -> None:
    run = scripts.run(tmp_path / "pair", "dial().close()\ntime.sleep(1)\ntry:\n    dial()\nexcept OSError:\n    pass", "l = listen()\nl.accept()\nl.shutdown(socket.SHUT_RDWR)\ntime.sleep(3)")
    assert "nobody listened there. The server had shut down that listener before (SHUT_RDWR)." in {one.code: one.words for one in find(run)}["refused"]


@pytest.mark.parametrize("server, words", [
    ("one.listen()\none.bind(('127.0.0.1', 8080))", "Its listen had given it one, with a port that the kernel chose: bind must come before listen."),
    ("one.bind(('127.0.0.1', 8081))\none.bind(('127.0.0.1', 8080))", "An earlier bind had given it one."),
    ("one.close()\none = socket.socket()\none.bind(('127.0.0.1', 8080))", ""),
])
def test_a_bind_of_a_socket_that_has_an_address_already(tmp_path: Path, server: str, words: str) -> None:
    found = of(scripts.run(tmp_path / "pair", "sys.exit(0)", f"one = socket.socket()\n{server}"), "bound-already")
    assert len(found) == bool(words) and all(one.who == "server" and words in one.words for one in found), [one.words for one in found]


def calls(*made: "tuple[str, dict[str, object]]") -> Run:
    """A run of a server that makes these calls, one after the other, on one descriptor."""
    return replace(runs.facts(runs.run("", "server: exit 1")), calls=tuple(
        Call(2 * n, 0, "server", 200, 200, name, -1 if name == "socket" else 3, returned=2 * n + 1, **{**({"result": 3, "asked": 1, "value": 2} if name == "socket" else {}), **more})
        for n, (name, more) in enumerate(made, 1)))


FAILS = {"result": -1, "error": "EINVAL"}


@pytest.mark.parametrize("made, words", [
    ([("socket", {}), ("bind", {**FAILS, "asked": 8, "value": 2})], "The server's bind failed with EINVAL: it gave 8 as the length of the address, and a struct sockaddr_in has 16 bytes. 8 bytes is the size of a pointer"),
    ([("socket", {"value": 10}), ("connect", {**FAILS, "asked": 16, "value": 10})], "it gave 16 as the length of the address, and a struct sockaddr_in6 has 28 bytes."),
    ([("socket", {}), ("bind", {**FAILS, "asked": 16, "value": 2})], ""),
    ([("socket", {}), ("setsockopt", {**FAILS, "asked": 1, "option": "SO_REUSEADDR"})], "it gave 1 as the length of the value of SO_REUSEADDR, and an int has 4 bytes."),
    ([("socket", {}), ("setsockopt", {**FAILS, "asked": 4, "option": "SO_LINGER"})], "and a struct linger has 8 bytes."),
    ([("socket", {}), ("setsockopt", {**FAILS, "asked": 4, "option": "SO_REUSEADDR"})], ""),
    ([("socket", {}), ("setsockopt", {**FAILS, "asked": 1, "option": "0/15"})], ""),
])
def test_a_length_that_does_not_fit_is_told(made: "list[tuple[str, dict[str, object]]]", words: str) -> None:
    found = of(calls(*made), "wrong-length")
    assert len(found) == bool(words) and all(words in one.words for one in found), found


@pytest.mark.parametrize("kind, error, found", [(2, "EOPNOTSUPP", 1), (1, "EOPNOTSUPP", 0), (2, "", 0)])
def test_a_listen_on_a_socket_of_udp_is_told(kind: int, error: str, found: int) -> None:
    assert len(of(calls(("socket", {"asked": kind}), ("listen", {"error": error})), "not-a-stream")) == found


@pytest.mark.parametrize("first, found", [({"connection": 1}, 1), ({"error": "EINPROGRESS", "connection": 1}, 0), ({"error": "ECONNREFUSED"}, 0)])
def test_a_second_connect_of_a_connected_socket_is_told(first: "dict[str, object]", found: int) -> None:
    assert len(of(calls(("socket", {}), ("connect", first), ("connect", {"error": "EISCONN", "connection": 1})), "connected-already")) == found


@pytest.mark.parametrize("error, flags, words", [
    ("EFAULT", "", "The second or the third argument is no place that it may write to. They are both NULL, or a buffer and a length to which a pointer points."),
    ("EFAULT", "FA", "It had taken connection 1 out of the queue, and the kernel closed that."),
    ("EINVAL", "FA", "the length to which the third argument points is negative."),
    ("EINVAL", "", ""),                 # it may have another reason
    ("ECONNABORTED", "FA", ""),
])
def test_an_accept_that_failed_because_of_its_arguments_is_told(error: str, flags: str, words: str) -> None:
    run = calls(("socket", {}), ("listen", {}), ("accept", {"error": error, "result": -1}))
    opened = Connection(1, runs.end("client", 101, (101, 1, -1, "", 101), address="127.0.0.1:41001"), None)
    sent = tuple(replace(one, seq=8, target="127.0.0.1:41001") for one in runs.segments(f"server {flags}")) if flags else ()
    found = of(replace(run, connections=(opened,), segments=sent, wire=True), "bad-argument")
    assert len(found) == bool(words) and all(words in one.words for one in found), found


@pytest.mark.parametrize("made, words", [
    ([], "No connect was made on that socket, so it has no connection."),
    ([("connect", {"asked": 16})], "named an address of AF_UNSPEC (0). It returned 0, but such a connect opens no connection. Was the address's family (sin_family) not set?"),
    ([("connect", {"asked": 16, "value": 2, "error": "ECONNREFUSED"})], "had failed with ECONNREFUSED: that socket has no connection."),
    ([("listen", {})], ""),
])
def test_a_write_that_kills_its_program_on_a_socket_without_a_connection_says_why_it_has_none(made: "list[tuple[str, dict[str, object]]]", words: str) -> None:
    run = replace(calls(("socket", {}), *made, ("write", {"error": "EPIPE", "result": -1})), endings=(Ending(99, 0, "server", 200, "signal PIPE", 0),))
    found = of(run, "sigpipe")[0].words
    assert words in found and bool(words) == ("connection" in found), found


@pytest.mark.parametrize("connection, value, ends", [(1, 0, True), (1, 2, False), (0, 0, False)])
def test_a_connect_to_no_family_ends_a_connection(connection: int, value: int, ends: bool) -> None:
    found = of(calls(("socket", {}), ("connect", {"connection": 1, "value": 2, "asked": 16, "address": "127.0.0.1:1>127.0.0.1:8080"}),
                     ("connect", {"connection": connection, "value": value, "asked": 16})), "address-family")
    assert any("ends the connection that its socket has" in one.words for one in found) is ends
