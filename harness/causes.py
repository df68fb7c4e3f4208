"""Which orders of a run's lines were forced: by the programs, by TCP, by the clock. Anything else was luck.

The lines of a run are the nodes of a graph; a cause is an edge from an earlier line to a later one. Six kinds of cause
exist and no others (CONTRACT.md). Each is derived from this run alone: from threads, connections, byte counts
and the few texts that `TEXTS` lists. No edge ever points backward in the observed order: where the log contradicts a
cause, the edge is left out, so `forced` never claims what was not seen.

The relation "comes before, whatever happens" is the graph's transitive closure, kept as one bit mask for each line.
Pauses add no edges but a barrier: all lines up to the moment at which the clock let the thread go on come before what it
logs next. The closure exists with the clock and without it, since a plain `after` may not lean on a pause.
"""
from __future__ import annotations

import bisect
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Optional

from .observe import address
from .trace import Event, Run

KINDS = ("program", "bytes", "FIN", "reset", "connect", "clock")

# The vocabulary of the log lines. A learner who words a line otherwise loses the causes that hang on it, no more.
TEXTS = {
    "EOF": re.compile(r"EOF\b"),
    "half-closing": re.compile(r"shutting down SHUT_(WR|RDWR)\b"),      # our FIN leaves
    "closing": re.compile(r"closing\b(?! (the )?listener)"),
    "reset": re.compile(r".*\b(ECONNRESET|EPIPE)\b", re.DOTALL),
    "broken pipe": re.compile(r".*\bEPIPE\b", re.DOTALL),
    "connecting": re.compile(r"connecting\b"),
}


@dataclass(frozen=True)
class Cause:
    """One edge: the line with seq `before` comes before the one with seq `after`, by `kind`."""

    kind: str
    before: int
    after: int


@dataclass
class Order:
    """What was forced in one run. Lines are named by their seq."""

    place: dict[int, int]                           # seq to position
    edges: dict[int, list[Cause]]                   # by the seq of the later line
    barrier: dict[int, int]                         # seq of a line to the position up to which all came before it
    notes: tuple[str, ...] = ()                     # where the records did not allow to derive a cause
    _masks: dict[bool, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._masks = {clock: self._closure(clock) for clock in (True, False)}

    def _closure(self, clock: bool) -> list[int]:
        masks: list[int] = []
        for seq in self.place:
            mask = (1 << self.barrier[seq] + 1) - 1 if clock and seq in self.barrier else 0
            for cause in self.edges.get(seq, ()):
                mask |= masks[self.place[cause.before]] | 1 << self.place[cause.before]
            masks.append(mask)
        return masks

    def forced(self, a: int, b: int, *, clock: bool = True) -> bool:
        """Did line a have to come before line b? With clock=False: also without any pause?"""
        return bool(self._masks[clock][self.place[b]] >> self.place[a] & 1)

    def by_clock(self, a: int, b: int) -> bool:
        """Does a way of causes from a to b lead through a pause?"""
        return any(barrier >= self.place[a] and (seq == b or self.forced(seq, b)) for seq, barrier in self.barrier.items())

    def why(self, a: int, b: int, *, clock: bool = True) -> Optional[tuple[Cause, ...]]:
        """A shortest way of causes from a to b, without the clock if there is one; None if nothing forces the order."""
        if self.forced(a, b, clock=False):
            return self._way(a, b, clock=False)
        return self._way(a, b, clock=True) if clock and self.forced(a, b) else None

    def _way(self, a: int, b: int, clock: bool) -> tuple[Cause, ...]:
        ways: deque[tuple[int, tuple[Cause, ...]]] = deque([(b, ())])
        seen = {b}
        while ways:
            at, way = ways.popleft()
            if at == a:
                return way
            for cause in self._into(at, a, clock):
                if cause.before not in seen and (cause.before == a or self.forced(a, cause.before, clock=clock)):
                    seen.add(cause.before)
                    ways.append((cause.before, (cause, *way)))
        raise AssertionError("forced, but no way leads there")

    def _into(self, at: int, a: int, clock: bool) -> Iterator[Cause]:
        yield from self.edges.get(at, ())
        if clock and self.barrier.get(at, -1) >= self.place[a]:
            yield Cause("clock", a, at)


def derive(run: Run) -> Order:
    """The order that was forced in this run."""
    events = tuple(sorted(run.events, key=lambda e: e.seq))
    notes: list[str] = []
    causes = [*_program(events), *_bytes(events, notes), *_fin(run, events), *_reset(run, events), *_connect(events)]
    edges: dict[int, list[Cause]] = {}
    for cause in causes:
        if cause.before < cause.after and cause not in edges.setdefault(cause.after, []):
            edges[cause.after].append(cause)
    place = {event.seq: n for n, event in enumerate(events)}
    return Order(place, edges, _barriers(events, place), tuple(notes))


def is_a(event: Event, what: str) -> bool:
    """Does the line's text say that, in the words of TEXTS?"""
    return TEXTS[what].match(event.text) is not None


def peer(role: str) -> str:
    return "server" if role == "client" else "client"


def _thread(event: Event) -> tuple[int, int]:
    return event.pid, event.tid


# --- program ---------------------------------------------------------------------------------------------------------

def _program(events: Iterable[Event]) -> Iterator[Cause]:
    last: dict[tuple[int, int], Event] = {}
    for event in events:
        if _thread(event) in last:
            yield Cause("program", last[_thread(event)].seq, event.seq)
        last[_thread(event)] = event


# --- bytes -----------------------------------------------------------------------------------------------------------

def _bytes(events: tuple[Event, ...], notes: list[str]) -> Iterator[Cause]:
    for connection in sorted({e.connection for e in events if e.connection > 0}):
        for sender in ("client", "server"):
            sends = [e for e in events if (e.connection, e.kind, e.who) == (connection, "send", sender)]
            recvs = [e for e in events if (e.connection, e.kind, e.who) == (connection, "recv", peer(sender))]
            sent, received = sum(e.count for e in sends), sum(e.count for e in recvs)
            if received > sent:
                notes.append(f"orders by bytes from {sender} to {peer(sender)}: the lines count {sent} sent and {received} "
                             "received, so some bytes were sent without a line")
            else:
                yield from _covered(sends, recvs)


def _covered(sends: list[Event], recvs: list[Event]) -> Iterator[Cause]:
    """From each received line to the sends whose bytes it needed: of each thread the last one."""
    reached = start = at = 0
    needed: dict[tuple[int, int], Event] = {}
    for recv in recvs:
        reached += recv.count
        while at < len(sends) and start < reached:
            needed[_thread(sends[at])] = sends[at]
            start += sends[at].count
            at += 1
        for send in needed.values():
            yield Cause("bytes", send.seq, recv.seq)


# --- FIN and reset ---------------------------------------------------------------------------------------------------

def _fin(run: Run, events: tuple[Event, ...]) -> Iterator[Cause]:
    partings = _Partings(run, events)
    for eof in events:
        if eof.connection > 0 and is_a(eof, "EOF"):
            for parting, sends in partings.of(eof, ("half-closing", "closing")):
                yield from (Cause("FIN", event.seq, eof.seq) for event in (parting, *sends))


def _reset(run: Run, events: tuple[Event, ...]) -> Iterator[Cause]:
    partings = _Partings(run, events)
    said_enough: set[tuple[int, int]] = set()       # process and connection that had its own SHUT_WR
    for event in events:
        if event.connection > 0 and is_a(event, "half-closing"):
            said_enough.add((event.pid, event.connection))
        own_doing = is_a(event, "broken pipe") and (event.pid, event.connection) in said_enough
        if event.connection > 0 and is_a(event, "reset") and not own_doing:
            yield from (Cause("reset", parting.seq, event.seq) for parting, _ in partings.of(event, ("closing",)))


class _Partings:
    """The lines by which one side gave a connection up: a half-close; else, of each of its processes that took part in it,
    the first `closing`, or the last line of one that has ended without (a FIN needs all who hold the socket). With each
    of them, of each thread of that side, the last `send` before it."""

    def __init__(self, run: Run, events: tuple[Event, ...]) -> None:
        self.ended = {end.pid for end in run.endings if end.how.startswith(("exit ", "signal "))}
        self.events = events
        self.known: dict[tuple[str, int], list[tuple[Event, tuple[Event, ...]]]] = {}

    def of(self, learnt: Event, words: tuple[str, ...]) -> list[tuple[Event, tuple[Event, ...]]]:
        """Those of the other side, as far as they came before `learnt`. `words` is the same in all calls."""
        key = peer(learnt.who), learnt.connection
        if key not in self.known:
            self.known[key] = [(event, self._sends(event, *key)) for event in self._lines(*key, words)]
        return [pair for pair in self.known[key] if pair[0].seq < learnt.seq]

    def _lines(self, role: str, connection: int, words: tuple[str, ...]) -> list[Event]:
        mine = [e for e in self.events if e.who == role]
        about = [e for e in mine if e.connection == connection]
        firsts: dict[int, Event] = {}
        for event in about:
            if event.pid not in firsts and any(is_a(event, word) for word in words):
                firsts[event.pid] = event
        lasts = {e.pid: e for e in mine}
        for pid in {e.pid for e in about or mine} & self.ended:
            firsts.setdefault(pid, lasts[pid])
        found = sorted(firsts.values(), key=lambda e: e.seq)
        return [e for e in found if is_a(e, "half-closing")][:1] or found

    def _sends(self, parting: Event, role: str, connection: int) -> tuple[Event, ...]:
        last = {_thread(e): e for e in self.events
                if (e.connection, e.kind, e.who) == (connection, "send", role) and e.seq < parting.seq}
        return tuple(last.values())


# --- connect ---------------------------------------------------------------------------------------------------------

def _connect(events: tuple[Event, ...]) -> Iterator[Cause]:
    listens = [e for e in events if e.kind == "listen" and e.who == "server"]
    tries = _Tries(events)
    for conn in (e for e in events if e.kind == "conn"):
        port = _port(_ends(conn)[1 if conn.who == "client" else 0])
        heard = next((e for e in listens if port in ("", _port(e.address))), None)
        connecting = tries.of(conn) if conn.who == "server" else None
        yield from (Cause("connect", e.seq, conn.seq) for e in (heard, connecting) if e is not None)


class _Tries:
    """Which `connecting` belongs to an `accepted`: the client's last one before its `connected`, the other end of the same
    connection by its addresses (where one has none, by its number). If the client never got so far, the last one of the
    only client that has not."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.by_ends: dict[tuple[str, str], Optional[Event]] = {}
        self.by_number: dict[int, Optional[Event]] = {}
        last: dict[tuple[int, int], Event] = {}
        connected = set()
        for event in (e for e in events if e.who == "client"):
            if is_a(event, "connecting"):
                last[_thread(event)] = event
            elif event.kind == "conn":
                connected.add(event.pid)
                self.by_ends.setdefault(_ends(event), last.get(_thread(event)))
                self.by_number.setdefault(event.connection, last.get(_thread(event)))
        pending = [e for e in last.values() if e.pid not in connected]
        self.pending = pending[0] if len(pending) == 1 else None

    def of(self, accepted: Event) -> Optional[Event]:
        own, other = _ends(accepted)
        if (other, own) in self.by_ends:
            return self.by_ends[other, own]
        if not (own and other) and accepted.connection > 0 and accepted.connection in self.by_number:
            return self.by_number[accepted.connection]
        return self.pending


def _ends(event: Event) -> tuple[str, str]:
    own, _, other = event.address.partition(">")
    return address.plain(own), address.plain(other)


def _port(ends: str) -> str:
    return ends.rpartition(":")[2]


# --- clock -----------------------------------------------------------------------------------------------------------

def _barriers(events: tuple[Event, ...], place: dict[int, int]) -> dict[int, int]:
    """For the line that follows a pause in its thread: the position of the last line before the clock went on."""
    found: dict[int, int] = {}
    seqs = list(place)
    for n, pause in enumerate(events):
        if pause.kind != "pause" or pause.resumed_after < 0:
            continue
        then = next((e for e in events[n + 1:] if _thread(e) == _thread(pause)), None)
        if then is not None:
            found[then.seq] = bisect.bisect_left(seqs, min(pause.resumed_after + 1, then.seq)) - 1
    return found
