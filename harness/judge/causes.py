"""Derives which orders of a run's lines were forced: by the programs, by TCP, by the stage or by the clock. Any other order was
luck.

The lines of a run are the nodes of a graph. A cause is an edge from an earlier line to a later one. There are seven kinds of
cause (CONTRACT.md). Each is derived from this run alone: from threads, from the ends of connections (sides.py), from byte counts,
and from the few texts in `TEXTS`. If the programs' calls were seen, the calls tell who ended a connection; else the texts do. No
edge points backward in the observed order: if the log contradicts a cause, the edge is left out. So `forced` never claims what
was not seen.

Line a is forced before line b if a way of edges leads from a to b. This is the graph's transitive closure, kept as one bit mask
for each line. A pause adds no edge but a barrier: all lines up to the moment at which the clock ended the pause come before the
line that the thread logs next. There are two closures, with the barriers and without them, because a plain `after` may not depend
on a pause.
"""
from __future__ import annotations

import bisect
import itertools
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Optional

from ..observe import address
from ..trace import Call, End, Event, Holder, Run
from .seen import Seen
from .sides import OPENER, Side, Sides

KINDS = ("program", "bytes", "FIN", "reset", "connect", "start", "clock")

# The words of log lines by which causes are found. If a learner's line uses other words, only the causes that need them are not found.
TEXTS = {
    "EOF": re.compile(r"EOF\b"),
    "half-closing": re.compile(r"shutting down SHUT_(WR|RDWR)\b"),      # our FIN leaves
    "closing": re.compile(r"closing\b(?! (the )?listener)"),
    "reset": re.compile(r".*\b(ECONNRESET|EPIPE)\b", re.DOTALL),
    "broken pipe": re.compile(r".*\bEPIPE\b", re.DOTALL),
    "connecting": re.compile(r"connecting\b"),
    "accepting": re.compile(r"accepting\b"),
    "sending": re.compile(r"(sending|writing)\b"),
    "reading": re.compile(r"reading data\b"),
}


@dataclass(frozen=True)
class Cause:
    """One edge: the line with seq `before` was forced to come before the line with seq `after`, by a cause of this `kind`."""

    kind: str
    before: int
    after: int


@dataclass(frozen=True)
class Brought:
    """What made a program read EOF or an error of a reset: the act of `who`, known from the calls. `how`:
    shutdown    a shutdown at the other end sent the FIN
    close, exit, exec   the last process that held the other end gave it up in this way; `earlier` are those that gave it up before
    own reading no act of the other end: a shutdown of the program's own reading gives EOF
    """

    how: str
    who: str
    pid: int
    tid: int = 0            # 0: every thread of the process (exit)
    place: int = -1         # in the run's order
    earlier: tuple[Holder, ...] = ()


@dataclass
class Order:
    """Which orders of lines were forced in one run. A line is named by its seq."""

    place: dict[int, int]                           # by the seq of a line: its position among the lines
    edges: dict[int, list[Cause]]                   # by the seq of the later line
    barrier: dict[int, int]                         # by the seq of a line after a pause: the last position that the pause puts before it
    notes: tuple[str, ...] = ()                     # for which orders the records did not suffice, a sentence each
    brought: dict[int, Brought] = field(default_factory=dict)   # by the seq of a line that says EOF or reset; empty if no calls were seen
    doubtful: frozenset[Side] = frozenset()         # ends whose lines count more bytes received than the other end's lines count sent
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
        """Did line a have to come before line b? With clock=False, only causes other than pauses count."""
        return bool(self._masks[clock][self.place[b]] >> self.place[a] & 1)

    def by_clock(self, a: int, b: int) -> bool:
        """Does a way of causes lead from a to b through a pause?"""
        return any(barrier >= self.place[a] and (seq == b or self.forced(seq, b)) for seq, barrier in self.barrier.items())

    def why(self, a: int, b: int, *, clock: bool = True) -> Optional[tuple[Cause, ...]]:
        """Returns a shortest way of causes from a to b. A way without the clock is preferred. Returns None if nothing forces the
        order."""
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


def derive(run: Run, sides: Optional[Sides] = None) -> Order:
    """Returns the order that was forced in this run. `sides` may hold the run's Sides if the caller has them already."""
    sides = sides or Sides(run)
    events = tuple(sorted(run.events, key=lambda e: e.seq))
    notes: list[str] = []
    partings = _Partings(run, events, sides)
    doubtful: set[Side] = set()
    causes = [*_program(events), *_bytes(run, sides, notes, doubtful), *_fin(events, partings), *_reset(events, partings),
              *_connect(sides, events), *_start(run, events)]
    edges: dict[int, list[Cause]] = {}
    for cause in causes:
        if cause.before < cause.after and cause not in edges.setdefault(cause.after, []):
            edges[cause.after].append(cause)
    place = {event.seq: n for n, event in enumerate(events)}
    return Order(place, edges, _barriers(run, events, place), tuple(notes), partings.brought, frozenset(doubtful))


def brought_by(run: Run, sides: Sides, read: Call) -> Optional[Brought]:
    """Returns what made this read return EOF or a reset's error; None if that is not known."""
    learnt = Event(read.returned, 0, read.who, read.pid, read.tid, "note", "", "", read.fd, connection=read.connection)
    partings = _Partings(run, (), sides)
    if read.error:
        partings.before_reset(learnt)
    else:
        partings.before_eof(learnt)
    return partings.brought.get(learnt.seq)


def is_a(event: Event, what: str) -> bool:
    """Returns whether the line's text matches the expression of that name in TEXTS."""
    return TEXTS[what].match(event.text) is not None


def alike(text: str, other: str) -> bool:
    """Do two lines announce the same kind of act, or begin with the same word?"""
    return text.split(None, 1)[:1] == other.split(None, 1)[:1] or any(one.match(text) and one.match(other) for one in TEXTS.values())


Thread = tuple[int, int]


def _thread(event: Event) -> Thread:
    return event.pid, event.tid


# --- program ---------------------------------------------------------------------------------------------------------

def _program(events: Iterable[Event]) -> Iterator[Cause]:
    last: dict[Thread, Event] = {}
    for event in events:
        if _thread(event) in last:
            yield Cause("program", last[_thread(event)].seq, event.seq)
        last[_thread(event)] = event


# --- bytes -----------------------------------------------------------------------------------------------------------

def _bytes(run: Run, sides: Sides, notes: list[str], doubtful: set[Side]) -> Iterator[Cause]:
    events, other_line = run.events, "" if run.observed else ", or a line is about another connection"
    unsure = sorted({e.connection for e in events if e.kind in ("send", "recv") and e.connection > 0 and sides.of(e) is None})
    notes.extend(f"orders on connection {number}: which of its two ends a line is about can't be told" for number in unsure)
    for side in sides.known():
        other = sides.other(side)
        if other is None or side[0] in unsure:
            continue
        sends = [e for e in sides.lines(side) if e.kind == "send"]
        recvs = [e for e in sides.lines(other) if e.kind == "recv"]
        sent, received = sum(e.count for e in sends), sum(e.count for e in recvs)
        if received > sent:
            doubtful.add(other)
            notes.append(f"orders by bytes from {sides.name(side)} to {sides.name(other)}: the lines count {sent} sent and {received} "
                         f"received, so they prove no order: a count is wrong, or bytes went without a line{other_line}")
        else:
            yield from _covered(sends, recvs)


def _covered(sends: list[Event], recvs: list[Event]) -> Iterator[Cause]:
    """Yields a cause for each received line and each thread that sent: the last of that thread's sends of which this line, or a
    received line before it, needed bytes."""
    reached = start = at = 0
    needed: dict[Thread, Event] = {}
    for recv in recvs:
        reached += recv.count
        while at < len(sends) and start < reached:
            needed[_thread(sends[at])] = sends[at]
            start += sends[at].count
            at += 1
        for send in needed.values():
            yield Cause("bytes", send.seq, recv.seq)


# --- FIN and reset ---------------------------------------------------------------------------------------------------

def _fin(events: Iterable[Event], partings: "_Partings") -> Iterator[Cause]:
    for eof in events:
        if eof.connection > 0 and is_a(eof, "EOF"):
            yield from (Cause("FIN", seq, eof.seq) for seq in partings.before_eof(eof))


def _reset(events: Iterable[Event], partings: "_Partings") -> Iterator[Cause]:
    said_enough: set[tuple[int, int]] = set()       # process and connection that had its own SHUT_WR
    for event in events:
        if event.connection > 0 and is_a(event, "half-closing"):
            said_enough.add((event.pid, event.connection))
        own_doing = is_a(event, "broken pipe") and ((event.pid, event.connection) in said_enough or partings.has_shut(event))
        if event.connection > 0 and is_a(event, "reset") and not own_doing:
            yield from (Cause("reset", seq, event.seq) for seq in partings.before_reset(event))


class _Partings:
    """Finds the lines that ended a connection's other end, for a line that says EOF or reset.

    If the calls were seen, they tell which act sent the FIN: the first shutdown of that end's sending, or the close or the end of
    the last process that held the end. The cause is the last line that the acting thread logged before; for an exit, the last
    line of each thread of the process.

    If the calls were not seen, the lines tell: a half-close, or else for each process that took part in the connection its first
    `closing`, or its last line if it ended without one. All of them count, because a FIN needs all who hold the socket.

    For an EOF, the last `send` that each thread of the other end logged before the FIN is a cause as well.
    """

    def __init__(self, run: Run, events: tuple[Event, ...], sides: Sides) -> None:
        self.run, self.events, self.sides = run, events, sides
        self.brought: dict[int, Brought] = {}
        self.ended = {end.pid for end in (*run.endings, *run.children) if end.how.startswith(("exit ", "signal "))}
        self._seen = Seen(run, sides)
        self._places: dict[Thread, list[int]] = {}          # each thread's lines
        self._threads: dict[int, list[Thread]] = {}         # each process's threads
        self._pids: dict[str, set[int]] = {}                # each program's processes
        self._last: dict[int, Event] = {}                   # each process's last line
        for event in events:
            if _thread(event) not in self._places:
                self._threads.setdefault(event.pid, []).append(_thread(event))
            self._places.setdefault(_thread(event), []).append(event.seq)
            self._pids.setdefault(event.who, set()).add(event.pid)
            self._last[event.pid] = event
        self._said: dict[tuple[Side, bool], list[Event]] = {}
        self._sent: dict[Side, dict[Thread, list[int]]] = {}
        self._shuts = {call.seq: call for call in run.calls if call.name == "shutdown" and not call.error}
        self._deaf: dict[Side, int] = {}                    # by end: the place of the first shutdown of its own reading
        for call in self._shuts.values():
            side = sides.of(call)
            if side is not None and call.option in ("SHUT_RD", "SHUT_RDWR"):
                self._deaf.setdefault(side, call.seq)

    def before_eof(self, eof: Event) -> list[int]:
        """Returns the seqs of the lines that forced this EOF: the lines before the act that sent the other end's FIN, and that
        end's last sends before it. Only lines that came before this one are in it."""
        own = self.sides.of(eof)
        other = self.sides.other(own)
        if own is None or other is None or not self._seen.may_know_of_an_end(own, eof):
            return []
        if not self._is_seen(other):
            partings = [event for event in self._by_lines(other, half=True) if event.seq < eof.seq]
            return [seq for parting in partings for seq in (parting.seq, *self._sends(other, parting.seq))]
        if 0 <= self._deaf.get(own, -1) < eof.seq:
            call = self._shuts[self._deaf[own]]
            self.brought[eof.seq] = Brought("own reading", call.who, call.pid, call.tid, call.seq)
            return []
        found = self._shut(other, eof.seq) or self._given_up(other, eof.seq)
        if found is None:
            return []
        self.brought[eof.seq] = found
        return [*self._lines_before(found, other), *self._sends(other, found.place)]

    def before_reset(self, learnt: Event) -> list[int]:
        """Returns the seqs of the lines that forced this reset: the lines before the act that closed the other end altogether.
        Only lines that came before this one are in it."""
        own = self.sides.of(learnt)
        other = self.sides.other(own)
        if own is None or other is None or not self._seen.may_know_of_an_end(own, learnt):
            return []
        if not self._is_seen(other):
            return [event.seq for event in self._by_lines(other, half=False) if event.seq < learnt.seq]
        found = self._given_up(other, learnt.seq)
        if found is None:
            return []
        self.brought[learnt.seq] = found
        return self._lines_before(found, other)

    def has_shut(self, event: Event) -> bool:
        """Had the end to which this line belongs shut down its own sending before the line?"""
        side = self.sides.of(event)
        end = self.sides.end(side) if side is not None else None
        return end is not None and 0 <= end.shut < event.seq and (end.shut in self._shuts or not self.run.calls)

    # from calls

    def _is_seen(self, side: Side) -> bool:
        end = self.sides.end(side)
        return end is not None and bool(end.holders) and self._seen.all_of(side)

    def _shut(self, side: Side, before: int) -> Optional[Brought]:
        end = self.sides.end(side)
        call = self._shuts.get(end.shut) if end is not None else None
        if call is None or call.seq >= before:
            return None
        return Brought("shutdown", call.who, call.pid, call.tid, call.seq)

    def _given_up(self, side: Side, before: int) -> Optional[Brought]:
        """Returns the act by which the last holder of the end gave it up; None if some process still held the end at the place
        `before`."""
        end = self.sides.end(side)
        holders = sorted(end.holders, key=lambda h: h.until) if end is not None else []
        if not holders or any(h.until < 0 for h in holders) or any(h.until >= before for h in holders[:-1]):
            return None
        last = holders[-1]
        # An exec and an exit are seen when they are done: the other side may have read before that.
        if last.until >= before and last.how != "exec" and not (last.how == "exit" and self._had_ended(last.pid, end, before)):
            return None
        return Brought(last.how, last.who, last.pid, last.tid, min(last.until, before), tuple(holders[:-1]))

    def _had_ended(self, pid: int, end: Optional[End], before: int) -> bool:
        """Had this process, the last one that held the end, ended before that place, at which the other side knew of an EOF or a reset?
        Yes if the process did nothing from then on, and nothing else brings one: no shutdown, and no reset by the lab."""
        did = itertools.chain((e.seq for e in self.events if e.pid == pid), (max(c.seq, c.returned) for c in self.run.calls if c.pid == pid))
        return end is not None and end.shut < 0 and self.run.mode != "reset" and all(place < before for place in did)

    def _lines_before(self, act: Brought, side: Side) -> list[int]:
        """Returns the seq of the last line that the acting thread logged before the act. For an exit, returns one for each thread
        of the process. For a child process that had logged nothing, returns the last line of its parent before the fork, if it is known which
        thread forked: the process that held the end alone then, and that has one thread."""
        threads = [(act.pid, act.tid)] if act.tid else self._threads.get(act.pid, [])
        found = [seq for thread in threads for seq in _last_before(self._places.get(thread, []), act.place)]
        end = self.sides.end(side)
        child = next((h for h in end.holders if h.pid == act.pid), None) if end is not None and not found and act.pid not in self._threads else None
        had = [h.pid for h in end.holders if h.since < child.since and (h.until < 0 or h.until > child.since)] if end is not None and child is not None else []
        if child is None or len(had) != 1 or len(self._threads.get(had[0], [])) != 1:
            return found
        return _last_before(self._places[self._threads[had[0]][0]], child.since)

    # from lines

    def _by_lines(self, side: Side, half: bool) -> list[Event]:
        """Returns the lines by which this end was given up, by their texts. With `half`, a half-close counts as well."""
        if (side, half) not in self._said:
            self._said[side, half] = self._read(side, ("half-closing", "closing") if half else ("closing",))
        return self._said[side, half]

    def _read(self, side: Side, words: tuple[str, ...]) -> list[Event]:
        about = self.sides.lines(side)
        firsts: dict[int, Event] = {}
        for event in about:
            if event.pid not in firsts and any(is_a(event, word) for word in words):
                firsts[event.pid] = event
        pids = {e.pid for e in about} or self._all_of(side)
        lasts = [self._last[pid] for pid in pids & self.ended & set(self._last) if pid not in firsts]
        found = sorted([*firsts.values(), *lasts], key=lambda e: e.seq)
        return [e for e in found if is_a(e, "half-closing")][:1] or found

    def _all_of(self, side: Side) -> set[int]:
        """Returns the pids of an end that no line is about: the process that made the end, or all processes of that name."""
        end = self.sides.end(side)
        return {end.pid} if end is not None else self._pids.get(self.sides.name(side), set())

    def _sends(self, side: Side, before: int) -> list[int]:
        if side not in self._sent:
            self._sent[side] = {}
            for event in self.sides.lines(side):
                if event.kind == "send":
                    self._sent[side].setdefault(_thread(event), []).append(event.seq)
        return [seq for seqs in self._sent[side].values() for seq in _last_before(seqs, before)]


def _last_before(seqs: list[int], place: int) -> list[int]:
    """Returns the last of the sorted places that is smaller than `place`, as a list of one; an empty list if there is none."""
    at = bisect.bisect_left(seqs, place)
    return seqs[max(at - 1, 0):at]


# --- connect ---------------------------------------------------------------------------------------------------------

def _connect(sides: Sides, events: tuple[Event, ...]) -> Iterator[Cause]:
    openers = _Openers(sides, events)
    listens = [e for e in events if e.kind == "listen"]
    tries = _Tries(sides, events, openers)
    for conn in (e for e in events if e.kind == "conn"):
        opens = openers.opens(conn)
        port = _port(_ends(conn)[1 if opens else 0])
        by = sides.name(sides.other(sides.of(conn))) if opens else conn.who
        heard = next((e for e in listens if port in ("", _port(e.address)) and by in ("", e.who)), None)
        connecting = None if opens else tries.of(conn)
        yield from (Cause("connect", e.seq, conn.seq) for e in (heard, connecting) if e is not None)


class _Openers:
    """Tells for a `conn` line whether its program opened the connection or accepted it. If the run's records do not say so, a
    program that listens counts as the one that accepted, unless the connection's own port is none of its listeners' ports."""

    def __init__(self, sides: Sides, events: Iterable[Event]) -> None:
        self.sides = sides
        self.ports: dict[str, set[str]] = {role.name: set() for role in sides.run.cast if role.listens}
        for event in events:
            if event.kind == "listen":
                self.ports.setdefault(event.who, set()).add(_port(event.address))

    def opens(self, conn: Event) -> bool:
        side = self.sides.of(conn)
        if side is not None and side[1] != conn.who:
            return side[1] == OPENER
        ports, own = self.ports.get(conn.who), _port(_ends(conn)[0])
        return ports is None or bool(ports and own) and own not in ports


class _Tries:
    """Finds the `connecting` line that belongs to an `accepted` line: the last one that the opener logged before its `connected`,
    at the other end of the same connection. If the records do not say who opened it, the addresses tell, or the connection's
    number if a line has no addresses. If the opener never logged `connected`, in a run of two programs it is the last
    `connecting` of the only thread that has not connected."""

    def __init__(self, sides: Sides, events: tuple[Event, ...], openers: _Openers) -> None:
        self.sides = sides
        self.by_ends: dict[tuple[str, str], Optional[Event]] = {}
        self.by_number: dict[int, Optional[Event]] = {}
        self.last: dict[Thread, Event] = {}
        connected = set()
        for event in events:
            if is_a(event, "connecting"):
                self.last[_thread(event)] = event
            elif event.kind == "conn" and openers.opens(event):
                connected.add(event.pid)
                self.by_ends.setdefault(_ends(event), self.last.get(_thread(event)))
                self.by_number.setdefault(event.connection, self.last.get(_thread(event)))
        self.pending = [e for e in self.last.values() if e.pid not in connected]

    def of(self, accepted: Event) -> Optional[Event]:
        own, other = _ends(accepted)
        opener = self.sides.end((accepted.connection, OPENER))
        if (other, own) in self.by_ends and opener is None:
            return self.by_ends[other, own]
        if accepted.connection in self.by_number and (opener is not None or accepted.connection > 0 and not (own and other)):
            return self.by_number[accepted.connection]
        if opener is not None:
            pending = [e for e in self.pending if e.pid == opener.pid]
        else:
            pending = self.pending if self.sides.two else []
        return pending[0] if len(pending) == 1 else None


def _ends(event: Event) -> tuple[str, str]:
    own, _, other = event.address.partition(">")
    return address.plain(own), address.plain(other)


def _port(end: str) -> str:
    return end.rpartition(":")[2]


# --- start -----------------------------------------------------------------------------------------------------------

def _start(run: Run, events: Iterable[Event]) -> Iterator[Cause]:
    """Yields a cause from each line that a start waited for, and from the last lines of each process for whose end it waited, to
    the first line of each thread of the started process."""
    ended = {end.seq: end.pid for end in (*run.endings, *run.children)}
    waited = {place for start in run.starts for place in start.after}
    pids = {ended[place] for place in waited if place in ended} | {start.pid for start in run.starts if start.after}
    firsts: dict[Thread, int] = {}
    lasts: dict[Thread, int] = {}
    lines = {place for place in waited if place not in ended}
    known = set()
    for event in events:
        if event.seq in lines:
            known.add(event.seq)
        if event.pid in pids:
            firsts.setdefault(_thread(event), event.seq)
            lasts[_thread(event)] = event.seq
    for start in run.starts:
        gone = {ended[place] for place in start.after if place in ended}
        before = [place for place in start.after if place in known] + [seq for thread, seq in lasts.items() if thread[0] in gone]
        yield from (Cause("start", seq, first) for thread, first in firsts.items() if thread[0] == start.pid for seq in before)


# --- clock -----------------------------------------------------------------------------------------------------------

def _barriers(run: Run, events: tuple[Event, ...], place: dict[int, int]) -> dict[int, int]:
    """Returns, by the seq of the line that a thread logs after a pause or a sleep, the position of the last line before the clock
    went on."""
    waits = [(e.seq, _thread(e), e.resumed_after) for e in events if e.kind == "pause" and e.resumed_after >= 0]
    waits += [(call.seq, (call.pid, call.tid), call.resumed_after) for call in run.calls if call.resumed_after >= 0]
    lines: dict[Thread, list[int]] = {}
    for event in events:
        lines.setdefault(_thread(event), []).append(event.seq)
    seqs = list(place)
    found: dict[int, int] = {}
    for seq, thread, resumed_after in sorted(waits):
        mine = lines.get(thread, [])
        at = bisect.bisect_right(mine, seq)
        if at < len(mine):
            found[mine[at]] = bisect.bisect_left(seqs, min(resumed_after + 1, mine[at])) - 1
    return found
