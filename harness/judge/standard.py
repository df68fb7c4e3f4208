"""Standard lines: for programs that log nothing, lines in the words of log lines that say what the programs did. They are made
from records.

Each line stands at a place of the call that it is about. What a program is about to do (`sending`, `closing`) stands at the
call's entry. What it learnt (`received`, `EOF`, `connected`) stands at the return. A program that logs lines of its own has no
standard lines.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterator, Union

from ..trace import Call, Event, Record, Run, Segment
from .sides import READS, WRITES

_ACCEPTS = ("accept", "accept4")
_SLEEPS = ("nanosleep", "clock_nanosleep")
_SHORT = 10_000_000         # ns: a shorter sleep is not told
_DATAGRAM = 2               # SOCK_DGRAM
_NAMES = {"accept4": "accept", "recvfrom": "recv", "sendto": "send", "recvmsg": "recv", "sendmsg": "send", "recvmmsg": "recv", "sendmmsg": "send"}
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


@dataclass(frozen=True)
class Line:
    """One standard line of a program."""

    seq: int                # the place of the call's entry, or of its return
    ns: int
    who: str
    pid: int
    tid: int
    kind: str               # calls that do the same and end in the same way have the same kind: "received", "read: ECONNRESET"
    text: str
    connection: int = 0
    count: int = 0          # bytes
    data: str = ""          # the first of these bytes, quoted; shown behind the text as far as there is room
    failed: bool = False


@dataclass
class Reader:
    """Takes the records of one run in their order, and returns the standard lines that each of them makes."""

    logs: "set[str]" = field(default_factory=set)               # programs that log lines of their own
    _bound: "dict[tuple[int, int], str]" = field(default_factory=dict)         # by process and descriptor: the address to which it is bound
    _listeners: "set[tuple[int, int]]" = field(default_factory=set)
    _datagrams: "set[tuple[int, int]]" = field(default_factory=set)
    _asked: "dict[tuple[str, str], Call]" = field(default_factory=dict)        # by own and peer address: connects that returned EINPROGRESS
    _answers: "dict[tuple[str, str], Segment]" = field(default_factory=dict)   # by own and peer address: the answer to its SYN

    def take(self, record: Record) -> "list[Line]":
        """Returns the lines that this record makes. A call is to be given twice: when it is entered, and when it has returned."""
        if isinstance(record, Event):
            self.logs.add(record.who)
        elif isinstance(record, Segment):
            return [line for line in self._segment(record) if line.who not in self.logs]
        elif isinstance(record, Call):
            found = list(self._entered(record) if record.returned < 0 else self._returned(record))
            return [] if record.who in self.logs else found
        return []

    def _segment(self, segment: Segment) -> Iterator[Line]:
        pair = segment.target, segment.source
        if "S" in segment.flags and "A" not in segment.flags:
            self._answers.pop((segment.source, segment.target), None)       # these addresses are used again
        elif ("S" in segment.flags or "R" in segment.flags) and pair not in self._answers:
            self._answers[pair] = segment
            if pair in self._asked:
                yield self._answered(pair, segment.seq, segment.ns)

    def _answered(self, pair: "tuple[str, str]", seq: int, ns: int) -> Line:
        """Returns the line that says how a connect ended that had returned EINPROGRESS."""
        call = self._asked.pop(pair)
        refused = "R" in self._answers[pair].flags
        text = f"connect to {pair[1]}: refused" if refused else "connected"
        return Line(seq, ns, call.who, call.pid, call.tid, text.partition(" ")[0], text, 0 if refused else call.connection, failed=refused)

    def _entered(self, call: Call) -> Iterator[Line]:
        own = call.pid, call.fd
        if call.name in WRITES and call.connection:
            count = f"{call.asked:,} bytes" if call.asked != 1 else "1 byte"
            yield _line(call, "sending", f"sending {count}" if call.asked or call.name not in ("sendfile", "sendmmsg") else f"sending ({call.name})",
                        call.asked, call.data)
        elif call.name == "connect" and call.address and own not in self._datagrams:
            yield _line(call, "connecting", f"connecting to {call.address}")
        elif call.name == "shutdown" and call.connection:
            yield _line(call, "shutting down", f"shutting down {call.option}")
        elif call.name == "close" and (call.connection or own in self._listeners):
            yield _line(call, "closing", ("closing" if call.connection else "closing its listener") + (f" ({call.option})" if call.option else ""))
            self._forget(own)
        elif call.name == "close":
            self._forget(own)
        elif call.name in _SLEEPS and call.limit >= _SHORT:
            yield _line(call, "sleeping", f"sleeping {call.limit / 1e9:g} s")

    def _forget(self, own: "tuple[int, int]") -> None:
        self._bound.pop(own, None)
        self._listeners.discard(own)
        self._datagrams.discard(own)

    def _returned(self, call: Call) -> Iterator[Line]:
        name = _NAMES.get(call.name, call.name)
        own = call.pid, call.fd
        if call.error:
            yield from self._failed(call, name)
        elif call.name == "socket" and call.asked == _DATAGRAM:
            self._datagrams.add((call.pid, call.result))
        elif call.name == "socket":
            self._forget((call.pid, call.result))
        elif call.name == "bind":
            self._bound[own] = call.address
        elif call.name == "listen":
            self._listeners.add(own)
            yield _line(call, "listening", f"listening{_where(call.address or self._bound.get(own, ''))}", back=True)
        elif call.name in _ACCEPTS and call.connection:
            yield _line(call, "accepted", "accepted", back=True)
        elif call.name == "connect" and own not in self._datagrams and ">" in call.address:
            yield _line(call, "connected", "connected", back=True)
        elif call.name in READS and call.connection:
            yield from self._read(call)
        elif call.name in WRITES and call.connection and 0 <= call.result < call.asked:
            yield _line(call, "short", f"the kernel took {call.result:,} of them", back=True, failed=True)

    def _failed(self, call: Call, name: str) -> Iterator[Line]:
        if call.name == "connect" and (call.pid, call.fd) not in self._datagrams:
            own, arrow, peer = call.address.partition(">")
            if call.error != "EINPROGRESS":
                yield _line(call, f"connect: {call.error}", f"connect to {peer or own}: {call.error}" if call.address else f"connect: {call.error}", back=True, failed=True)
            elif arrow:
                self._asked[own, peer] = call
                if (own, peer) in self._answers:
                    yield self._answered((own, peer), call.returned, call.returned_ns)
        elif call.name in ("bind", "listen"):
            yield _line(call, f"{name}: {call.error}", f"{name} to {call.address}: {call.error}" if call.address else f"{name}: {call.error}", back=True, failed=True)
        elif call.connection and call.name in (*READS, *WRITES, "shutdown") or call.name in _ACCEPTS:
            if call.error != "EINTR":
                yield _line(call, f"{name}: {call.error}", f"{name}: {call.error}{_MEANS.get(call.error, '')}", back=True, failed=True)

    @staticmethod
    def _read(call: Call) -> Iterator[Line]:
        if call.result > 0:
            what = "looked at" if call.option == "MSG_PEEK" else "received"
            part = f" of {call.asked:,}" if call.option == "MSG_WAITALL" and call.result < call.asked else ""
            yield _line(call, what, f"{what} {call.result:,}{part} {'byte' if call.result == 1 and not part else 'bytes'}", call.result, call.data, back=True)
        elif call.result == 0 and call.asked > 0:
            yield _line(call, "EOF", "EOF", back=True)


_MEANS = {"EAGAIN": " (not now)"}


def _line(call: Call, kind: str, text: str, count: int = 0, data: str = "", *, back: bool = False, failed: bool = False) -> Line:
    return Line(call.returned if back else call.seq, call.returned_ns if back else call.ns, call.who, call.pid, call.tid, kind, text,
                call.connection, count, quoted(data, count) if data else "", failed)


def _where(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f" (port {port})" if host == "0.0.0.0" else f" ({address})" if address else ""


def quoted(data: str, count: int, most: int = 0) -> str:
    r"""Returns bytes (one character each) as a C string: "GET / HTTP/1.1\r\n". Three dots follow if `count` is more than `data`
    has, or if the string is cut: it has at most `most` characters then (0: it is not cut)."""
    parts = [printable(c) for c in data.encode("latin-1").decode("utf-8", "surrogateescape")]
    dots = "..." if count > len(data) else ""
    if most and sum(map(len, parts)) + len(dots) + 2 > most:
        dots = "..."
        while parts and sum(map(len, parts)) + len(dots) + 2 > most:
            parts.pop()
    return f'"{"".join(parts)}"{dots}'


def printable(text: str) -> str:
    """Returns the text without characters that move a cursor. Such characters, and bytes that are no text, are written as C
    writes them."""
    return "".join(_ESCAPES.get(c) or (c if c.isprintable() else _hex(c)) for c in text)


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def lines(run: Run) -> "tuple[Line, ...]":
    """Returns all standard lines of a run, in the run's order."""
    reader = Reader({event.who for event in run.events})
    calls = [call for call in run.calls if call.who not in reader.logs]
    if not calls:
        return ()
    moments: "list[tuple[int, Record]]" = [(segment.seq, segment) for segment in run.segments]
    for call in calls:
        moments.append((call.seq, _as_entered(call)))
        if call.returned >= 0:
            moments.append((call.returned, call))
    return tuple(line for _, record in sorted(moments, key=lambda one: one[0]) for line in reader.take(record))


def _as_entered(call: Call) -> Call:
    """Returns the call as it was known before it returned."""
    connection = 0 if call.name in ("connect", *_ACCEPTS) else call.connection
    address = call.address.rpartition(">")[2] if call.name == "connect" else call.address
    return replace(call, returned=-1, connection=connection, address=address)


# --- a long run of equal lines -----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class More:
    """Lines of one thread that are not shown, because they are like the ones before. `seq` and `ns` are those of the last of
    them."""

    seq: int
    ns: int
    who: str
    count: int
    bytes: int


FEW = 4         # how many lines of one kind in a row are shown
MANY = 40       # how many lines of one kind and one thread are shown in all
Shown = Union[Line, More]


@dataclass
class _Thread:
    last: str = ""
    row: int = 0
    seen: "dict[str, int]" = field(default_factory=dict)
    hidden: "list[Line]" = field(default_factory=list)
    bytes: int = 0
    count: int = 0


class Fold:
    """Shortens long rows of equal lines: shows the first ones of each thread, and says how many more there are."""

    def __init__(self) -> None:
        self._threads: "dict[tuple[int, int], _Thread]" = {}

    def take(self, line: Line) -> "list[Shown]":
        """Returns what is to be shown now that this line has come."""
        thread = self._threads.setdefault((line.pid, line.tid), _Thread())
        thread.row = thread.row + 1 if line.kind == thread.last else 1
        thread.last = line.kind
        thread.seen[line.kind] = thread.seen.get(line.kind, 0) + 1
        if thread.row > FEW or thread.seen[line.kind] > MANY:
            thread.count += 1
            thread.bytes += line.count
            thread.hidden[:] = [line]
            return []
        return [*self._more(thread), line]

    def _more(self, thread: _Thread) -> "list[Shown]":
        """Returns what stands for the lines that were held back. A single one is shown as it is."""
        found: "list[Shown]" = []
        if thread.count == 1:
            found = list(thread.hidden)
        elif thread.count:
            last = thread.hidden[0]
            found = [More(last.seq, last.ns, last.who, thread.count, thread.bytes)]
        thread.count = thread.bytes = 0
        thread.hidden.clear()
        return found

    def end(self, pid: int = 0) -> "list[Shown]":
        """Returns what stands for the lines that are still held back: those of this process, or with pid 0 of all."""
        found = [one for (of, _), thread in self._threads.items() if pid in (0, of) for one in self._more(thread)]
        return sorted(found, key=lambda one: one.seq)


def folded(all_lines: "tuple[Line, ...]") -> "tuple[Shown, ...]":
    """Returns the lines of a run as they are shown."""
    fold = Fold()
    return (*(one for line in all_lines for one in fold.take(line)), *fold.end())

