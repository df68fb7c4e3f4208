"""Synthetic runs for the tests: a few lines of log become a trace.Run, with the kinds, counts and addresses of real ones.

A line is WHO: TEXT; `client[2]` is the second client process, `server[2]` the handler of the second connection. What the
text says decides the kind: listening, connected, accepted, sending "...", Received message: "...", pausing N s.

`relay@301#2: TEXT` says the process and the connection; `relay@301.5#2` the thread, too. What the programs' calls would have told is
added by facts().
"""
from __future__ import annotations

import ast
import re
from dataclasses import replace

from harness.trace import Call, Connection, End, Ending, Event, Holder, Output, Role, Run, Segment, Socket, Stop, Waiting

CLIENT_ENDED = "client: exit 0, server: waiting in accept"


def event(seq: int, line: str) -> Event:
    """Returns one event made from a line such as "client: connecting"."""
    who, _, text = line.strip().partition(": ")
    exact = re.fullmatch(r"([a-z-]+)@(\d+)(?:\.(\d+))?(?:#(\d+))?", who)
    if exact:
        name, pid, tid, connection = exact[1], int(exact[2]), int(exact[3] or exact[2]), int(exact[4] or 0)
        kind, count = _kind(text)
        return Event(seq, seq * 1000000, name, pid, tid, kind, text, f"{name}.c:{10 + seq}", 4, count, "", connection)
    role, _, number = who.partition("[")
    n = int(number.rstrip("]") or 1)
    pid = 100 + n if role == "client" else 200
    main = role == "server" and text == "listening"
    kind, count = _kind(text)
    ours, theirs = f"127.0.0.1:{41000 + n}", "127.0.0.1:8080"
    ends = (ours, theirs) if role == "client" else (theirs, ours)
    address = {"listen": theirs, "conn": ">".join(ends)}.get(kind, "")
    known = not main and text not in ("connecting",)
    return Event(seq, seq * 1000000, role, pid, pid if role == "client" or main else pid + n, kind, text,
                 f"{role}.c:{10 + seq}", 4, count, address, n if known else 0)


def _kind(text: str) -> tuple[str, int]:
    quoted = re.search(r'"(?:[^"\\]|\\.)*"', text)
    size = len(ast.literal_eval(quoted[0])) if quoted else 18
    for beginning, kind, count in (("listening", "listen", 0), ("connected", "conn", 0), ("accepted", "conn", 0),
                                   ("sending", "send", size), ("writing response", "send", 18), ("pausing", "pause", 5 * 10**9),
                                   ("Received", "recv", size), ("received", "recv", size), ("EOF, ", "recv", size)):
        if text.startswith(beginning):
            return kind, count
    return "note", 0


def log(text: str) -> tuple[Event, ...]:
    """Returns the events made from lines. A pause of the virtual clock ends right before its thread's next line."""
    events = [event(seq, line) for seq, line in enumerate(text.strip().splitlines(), 1)]
    for n, pause in enumerate(events):
        then = [e.seq for e in events[n + 1:] if e.tid == pause.tid]
        if pause.kind == "pause" and then:
            events[n] = replace(pause, resumed_after=then[0] - 1)
    return tuple(events)


def run(text: str, ends: str = CLIENT_ENDED, stop: Stop = Stop("over"), wire: str = "", mode: str = "virtual",
        name: str = "04-half-close", **more: object) -> Run:
    """Returns a run made from its log. `ends` is as in "client: exit 0, server: waiting in accept", and `wire` as in segments()."""
    events = log(text)
    return Run(name[:2], name, mode, True, bool(wire), events, outputs=more.pop("outputs", ()), segments=segments(wire),
               endings=tuple(_ending(n, words, events) for n, words in enumerate(ends.split(", ")) if words), stop=stop, **more)


def _ending(n: int, words: str, events: tuple[Event, ...]) -> Ending:
    who, _, how = words.partition(": ")
    if "@" in who:
        name, _, exact = who.partition("@")
        return Ending(900 + n, 0, name, int(exact), how, max((e.seq for e in events if e.pid == int(exact)), default=-1))
    role, _, number = who.partition("[")
    pid = 100 + int(number.rstrip("]") or 1) if role == "client" else 200
    return Ending(900 + n, 0, role, pid, how, max((e.seq for e in events if e.pid == pid), default=-1))


def segments(text: str) -> tuple[Segment, ...]:
    """Returns segments made from "client S, server SA, client A 1+18, server A 1+18 w0": the sender, the flags, the first byte +
    the length, window 0."""
    found = []
    for n, words in enumerate(filter(None, text.split(", "))):
        sender, flags, *rest = words.split()
        first, _, length = next((w for w in rest if "+" in w), "1+0").partition("+")
        connection = next((int(w[1:]) for w in rest if w.startswith("#")), 1)
        found.append(Segment(n, n, connection, sender, flags, int(first), int(length), 1, 0 if "w0" in rest else 65536))
    return tuple(found)


def cast(*names: str) -> tuple[Role, ...]:
    """Returns roles made from "server listens", "client" or "client 3 times"."""
    found = []
    for words in names:
        name, *rest = words.split()
        found.append(Role(name, "listens" in rest, next((int(word) for word in rest if word.isdigit()), 1)))
    return tuple(found)


def end(who: str, pid: int, *holders: "tuple[int, int, int, str, int]", shut: int = -1, address: str = "") -> End:
    """Returns one end of a connection. A holder is (process, since, until, how, thread)."""
    return End(who, pid, address, tuple(Holder(who, *holder) for holder in holders), shut)


def facts(made: Run, *connections: "tuple[End | None, End | None]", calls: str = "", learnt: bool = True, **more: object) -> Run:
    """Returns the same run with what its programs' calls would have told: each connection's opener and acceptor, and some calls
    (see call()). With `learnt`, each line that says EOF or a reset has a read that returned so."""
    numbered = tuple(Connection(n, *ends) for n, ends in enumerate(connections, 1))
    told = tuple(call(line) for line in calls.strip().splitlines())
    reads = [Call(e.seq, 0, e.who, e.pid, e.tid, "read", 4, e.connection, 4096, returned=e.seq, result=-1 if error else 0, error=error)
             for e in made.events for error in ["" if e.text.startswith("EOF") else next((name for name in ("ECONNRESET", "EPIPE") if name in e.text), None)]
             if learnt and e.connection and error is not None]
    return replace(made, observed=True, connections=numbered, calls=tuple(sorted((*told, *reads), key=lambda one: one.seq)), **more)


def call(line: str) -> Call:
    """Returns a call made from "5-6 client@101#1 write 18 = EPIPE": the places of its entry and its return, the program and the
    process, the connection, the name, the bytes asked for (or an option), the result or errno. `5-` has not returned."""
    found = re.fullmatch(r"(\d+)-(\d*) ([a-z-]+)@(\d+)#(\d+) (\w+) (\w+)(?: = (\w+))?", line.strip())
    seq, returned, who, pid, connection, name, asked, result = found.groups()
    number = int(asked) if asked.isdigit() else 0
    return Call(int(seq), 0, who, int(pid), int(pid), name, 4, int(connection), number, option="" if number else asked,
                returned=int(returned or -1), result=int(result) if (result or "").isdigit() else -1 if result else 0,
                error=result if result and not result.isdigit() else "")


def spread(made: Run, by: int = 10) -> Run:
    """Returns the same run with gaps in its order, as in a real run that has other records between the lines."""
    events = tuple(replace(e, seq=e.seq * by, resumed_after=e.resumed_after * by if e.resumed_after >= 0 else -1) for e in made.events)
    endings = tuple(replace(e, seq=e.seq * by, after=e.after * by if e.after >= 0 else -1) for e in made.endings)
    return replace(made, events=events, endings=endings)


def outputs(text: str) -> tuple[Output, ...]:
    """Returns lines of plain output made from "server: listening"."""
    lines = (line.strip().partition(": ") for line in text.strip().splitlines())
    return tuple(Output(n, n, who, "stdout", said) for n, (who, _, said) in enumerate(lines, 1))


def deadlock(*, call: str = "read", unread: int = 0, unsent: int = 0) -> Stop:
    """Returns a Stop in which client and server wait for each other. The server's main thread waits in accept."""
    waiting = (Waiting("client", 101, 101, call, 4, 1, "server", "client.c:41"),
               Waiting("server", 200, 200, "accept", 3, 0, "", "server.c:50"),
               Waiting("server", 200, 201, call, 4, 1, "client", "server.c:27"))
    ends = ("127.0.0.1:41001", "127.0.0.1:8080")
    sockets = (Socket(0, "client", 101, 4, 1, "ESTABLISHED", *ends, unread, unsent, unsent),
               Socket(0, "server", 200, 4, 1, "ESTABLISHED", *ends[::-1], unread, unsent, unsent))
    return Stop("deadlock", "", ("client", "server"), waiting, sockets)


DEADLOCKED = "client: waiting in read, server: waiting in read"

HALF_CLOSE = r"""
server: listening
client: connecting
client: connected
client: sending "This is a message\n"
client: pausing 5 s
server: accepted
server: reading data
server: Received message: "This is a message\n"
server: reading data
client: sending "This is a message 2\n test"
server: Received message: "This is a message 2\n"
client: shutting down SHUT_WR
server: reading data
client: reading data
server: EOF, 5 bytes unfinished: " test"
server: writing response
server: closing
client: Received message: "Message received.\n"
client: reading data
client: EOF
client: closing
"""

BREAK = r"""
server: listening
client: connecting
client: connected
client: sending "This is a message\n"
client: pausing 5 s
server: accepted
server: reading data
server: Received message: "This is a message\n"
server: writing response
server: closing
client: sending "This is a message 2\n test"
client: reading data
client: Received message: "Message received.\n"
client: reading data
client: EOF
client: closing
"""


def without(log_text: str, *beginnings: str) -> str:
    """Returns the log without the lines that begin with one of these texts."""
    return "\n".join(line for line in log_text.strip().splitlines() if not line.startswith(beginnings))


def stuck() -> Run:
    """Returns a run of scenario 4 without its shutdown: both programs wait."""
    gone = ("client: shutting", "server: EOF", "server: writing", "server: closing", "client: Received", "client: EOF",
            "client: closing")
    lines = without(HALF_CLOSE, *gone).splitlines()
    return run("\n".join(lines[:-1]), DEADLOCKED, deadlock())
