"""What a picture shows, before anything has a place: who takes part, the rows in the run's order, and which rows are left out."""
from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Iterable, Iterator, Optional

from ...judge import standard
from ...judge.moments import moments
from ...judge.sides import Side, Sides
from ...judge.states import Arrival, arrivals
from ...judge.wire import Reading
from ...trace import Run, Segment
from .. import rows as telling
from .. import wire
from ..copies import copies
from ..phrases import count
from ..player.data import UNKNOWN, stream, told
from ..words import names_of

MOST = 120          # if there are more rows, those that are like earlier ones are folded
LIKE = 3            # then so many rows of each kind are shown
EACH = 6            # if there are no more participants than this, each process of a client has lanes of its own
PAUSE = 0.5         # so many seconds without anything are shown as a gap
_LAST = 1 << 60     # the place of rows that come after all records


@dataclass(frozen=True)
class Participant:
    """One participant, which has one pair of lanes."""

    name: str               # the name above the lanes: "client", "client[2]"
    who: str
    pids: "frozenset[int]"


@dataclass(frozen=True)
class Row:
    """One row. `kind`: line, segment, copies, gap, more, cycle, held, kept."""

    seq: int
    ns: int
    kind: str
    words: str = ""
    title: str = ""
    source: str = ""
    at: int = -1                        # the participant whose line it is, or that sent the segment; -1: none
    to: int = -1                        # the participant to which the segment was sent. more: `at` and `to` are the two of all its segments
    last: int = -1                      # more: the place of the last row that is folded into this one
    arrival: Optional[Arrival] = None
    marks: "tuple[str, ...]" = ()
    alike: str = field(default="", compare=False)       # the same for all rows of one kind
    held: "tuple[tuple[int, list[str]], ...]" = ()      # held: (participant, what its kernel's lane says)


class Scene:
    """The scene of one run."""

    def __init__(self, run: Run) -> None:
        self.run, self.sides = run, Sides(run)
        self.people = _people(run)
        self._by_pid = {pid: n for n, one in enumerate(self.people) for pid in one.pids}
        self.told = wire.Told(run)
        self.came = arrivals(run)
        rows = sorted([*self._lines(), *self._segments()], key=lambda row: row.seq)
        rows = sorted([*rows, *self._copies(rows)], key=lambda row: row.seq)
        self.folded = 0
        if len(rows) > MOST:
            shown = list(_fold(rows))
            self.folded = len(rows) - sum(row.kind != "more" for row in shown)
            rows = shown
        self.rows = [*_with_gaps(run, rows), *self._held(), *self._kept(), *self._cycle()]

    # -- who ----------------------------------------------------------------------------------------------------------

    def of(self, who: str, pid: int = 0) -> int:
        """Returns the index of the participant to which a process belongs; -1 if it belongs to none."""
        found = self._by_pid.get(pid, -1)
        return found if found >= 0 else next((n for n, one in enumerate(self.people) if one.who == who), -1)

    def of_side(self, side: Optional[Side]) -> int:
        """Returns the index of the participant at one end of a connection; -1 if it is none."""
        end = self.sides.end(side) if side is not None else None
        return self.of(end.who, end.pid) if end is not None else self.of(self.sides.name(side))

    def _ends(self, s: Segment) -> "tuple[int, int]":
        side = self.sides.of_segment(s)
        sender, receiver = self.told.ends(s)
        one, two = self.of_side(side), self.of_side(self.sides.other(side))
        return one if one >= 0 else self.of(sender), two if two >= 0 else self.of(receiver)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[Row]:
        for row in telling.rows(self.run):
            place = f" ({row.source})" if row.source else ""
            yield Row(row.seq, row.ns, "line", row.text, f"e{row.seq} {row.who}: {row.text}{place}", row.source, self.of(row.who, row.pid),
                      alike=f"{row.who} {_alike(row.text)}")

    def _segments(self) -> Iterator[Row]:
        for reading in self.told.readings:
            s = reading.segment
            at, to = self._ends(s)
            arrival = self.came[s.seq]
            words = (f"[{s.connection}] " if s.connection > 1 else "") + wire.brief(reading)
            if at < 0 or to < 0:
                words = f"{s.source} > {s.target}: {words}"
            yield Row(s.seq, s.ns, "segment", words, self._title(reading, arrival), at=at, to=to, arrival=arrival, marks=reading.marks,
                      alike=f"{at} to {to} {s.flags} {bool(s.length)} {reading.marks}")

    def _title(self, reading: Reading, arrival: Arrival) -> str:
        s = reading.segment
        sender, receiver = self.told.ends(s)
        head, *more = wire.comments(self.told, reading)
        became = f"refused: the reset e{arrival.other} answers it" if arrival.lost == "refused" else \
            f"no acknowledgement came before it was sent again as e{arrival.other}" if arrival.other >= 0 else ""
        parts = [f"{head}; {sender} to {receiver}, {wire.flags(s)}, length {s.length}, acknowledges {wire.acknowledges(reading)}, window {s.window}",
                 wire.payload(s), *more, became]
        return "; ".join(filter(None, parts))

    def _copies(self, rows: "list[Row]") -> Iterator[Row]:
        """Yields a row where it changes how many processes have one end of a connection. Its time is that of the row above it."""
        places = [row.seq for row in rows]
        for end, number in ((end, made.number) for made in self.run.connections for end in (made.opener, made.acceptor) if end is not None):
            for place, words in copies(end):
                at = bisect_right(places, place)
                said = f"[{number}] ({words})" if number > 1 else f"({words})"
                if words:
                    yield Row(place, rows[at - 1].ns if at else 0, "copies", said, f"e{place} {end.who}: {said}", at=self.of(end.who, end.pid), alike=f"{end.who} copies")

    def _held(self) -> Iterator[Row]:
        """Yields a row with what the kernels held when the run was over."""
        held: "dict[int, list[str]]" = {}
        for one in self.run.stop.sockets:
            who = self.of(one.who, one.pid)
            if who < 0:
                continue
            number = f"[{one.connection}] " if one.connection > 1 else ""
            waiting = one.state == "LISTEN"
            held.setdefault(who, []).append(f"{number}{one.state}")
            if one.unread or not waiting:
                held[who].append(f"{one.unread:,} {'to accept' if waiting else 'unread'}")
            if one.unacked:
                held[who].append(f"{one.unacked:,} not acked")
        if held:
            yield Row(_LAST, 0, "held", "at the end", "what the kernels held when the run was over", held=tuple(held.items()))

    def _kept(self) -> Iterator[Row]:
        """Yields a row for each connection of which a program, when the run was over, had read more bytes than its lines tell of."""
        ways = {moment.side: moment.way for moment in moments(self.run)} if self.run.stop.sockets else {}
        ends = {self.sides.of(one): one for one in self.run.stop.sockets}      # several processes may hold one end
        for side, one in ends.items():
            other = self.sides.other(side)
            if side is None or other not in ways:
                continue
            counted = [upto for _, upto in told(self.sides, side)]
            read = ways[other].read
            if counted and read is not None and read > counted[-1]:
                data = stream(self.run, self.sides, other)[counted[-1]:read]
                text = f": {standard.quoted(data, read - counted[-1])}" if data and UNKNOWN not in data else ""
                words = f"has read {count(read - counted[-1], 'byte')} that its lines do not tell of{text}"
                number = f"[{one.connection}] " if one.connection > 1 else ""
                yield Row(_LAST, 0, "kept", number + words, f"the {one.who} {words}", at=self.of(one.who, one.pid))

    def _cycle(self) -> Iterator[Row]:
        """Yields who waits for whom in a deadlock, one row with an arrow each."""
        cycle = self.run.stop.cycle
        for n, name in enumerate(cycle if self.run.stop.kind == "deadlock" else ()):
            other = cycle[(n + 1) % len(cycle)]
            call = next((w.call for w in self.run.stop.waiting if w.who == name and other in w.on.split(" and ")), "")
            words = f"the {name} waits for the {other}" + (f" (in {call})" if call else "")
            yield Row(_LAST, 0, "cycle", words, f"deadlock: {words}", at=self.of(name), to=self.of(other))


def _people(run: Run) -> "list[Participant]":
    pids: "dict[str, list[int]]" = {name: [] for name in names_of(run.cast)}
    for start in run.starts:
        pids.setdefault(start.who, []).append(start.pid)
    listening = {role.name for role in run.cast if role.listens}
    for event in run.events if not run.starts else ():
        if event.pid not in pids.setdefault(event.who, []):
            pids[event.who].append(event.pid)
    apart = sum(1 if name in listening else max(len(those), 1) for name, those in pids.items()) <= EACH
    found = []
    for name, those in pids.items():
        if name in listening or len(those) < 2 or not apart:
            many = f" ({len(those)} processes)" if len(those) > 1 and name not in listening else ""
            found.append(Participant(f"{name}{many}", name, frozenset(those)))
        else:
            found += [Participant(name if n == 1 else f"{name}[{n}]", name, frozenset([pid])) for n, pid in enumerate(those, 1)]
    return found


# --- rows that are left out ----------------------------------------------------------------------------------------------

def _alike(text: str) -> str:
    """Returns the text without numbers, and without the words that it quotes."""
    return re.sub(r"\d+", "#", re.sub(r'"(?:[^"\\]|\\.)*"', '""', text[:300]))


def _fold(rows: "Iterable[Row]") -> Iterator[Row]:
    """Yields the rows. Of rows that are alike only the first ones are shown. If several of the others follow each other, one row
    counts them."""
    seen: "Counter[str]" = Counter()
    held: "list[Row]" = []
    for row in rows:
        seen[row.alike] += 1
        special = set(row.marks) & {"reset", "refused", "fin", "zero window", "again"} and seen[row.alike] <= MOST // 10
        if seen[row.alike] > LIKE and not special:
            held.append(row)
            continue
        yield from _more(held)
        held = []
        yield row
    yield from _more(held)


def _more(held: "list[Row]") -> Iterator[Row]:
    if len(held) < 3:
        yield from held
        return
    kinds = Counter((row.alike, _kind(row)) for row in held)
    words = "; ".join(f"{many} x {kind}" for (_, kind), many in kinds.most_common(4))
    rest = len(kinds) - 4
    words = f"x {len(held)}, like the ones above: {words}" + (f"; and {count(rest, 'kind')} more" if rest > 0 else "")
    pairs = {tuple(sorted((row.at, row.to))) if row.kind == "segment" else (-1, -1) for row in held}
    at, to = pairs.pop() if len(pairs) == 1 else (-1, -1)
    yield Row(held[0].seq, held[0].ns, "more", words, f"e{held[0].seq} to e{held[-1].seq}: {words}", at=at, to=to, last=held[-1].seq)


def _kind(row: Row) -> str:
    """Returns what a row is, without numbers, without the bytes that it quotes, and without its place in the source."""
    line = row.title.partition(" ")[2].removesuffix(f" ({row.source})")[:300]
    words = row.words if row.kind == "segment" else re.sub(r' *"(?:[^"\\]|\\.)*"(?:\.\.\.)?', "", line)
    return re.sub(r"\d+(?:,\d{3})*", "#", words)[:40]


# --- gaps ----------------------------------------------------------------------------------------------------------------

def _with_gaps(run: Run, rows: "list[Row]") -> Iterator[Row]:
    """Yields the rows, and between them the times in which nothing happened: real time, and time that the virtual clock left out."""
    pauses = [(e.resumed_after, e.seq, e.ns, e.count) for e in run.events if e.resumed_after >= 0]
    pauses = sorted(pauses + [(call.resumed_after, call.seq, call.ns, call.limit) for call in run.calls if call.resumed_after >= 0])
    left_out: "list[tuple[int, int]]" = []      # (the place after which the clock ended a pause, the ns that it left out there)
    before: Optional[Row] = None
    for row in rows:
        if before is not None:
            took = row.ns - before.ns
            begin = max(before.seq, before.last)
            while pauses and pauses[0][0] < row.seq:
                ended, began, ns, lasted = pauses.pop(0)
                # What was left out since this pause began is a part of it, and the times of the records lack it.
                rest = ns + lasted - sum(gone for place, gone in left_out if place >= began) - before.ns
                left_out.append((ended, max(rest, 0)))
                took = max(took, rest) if ended >= begin else took
            if took >= PAUSE * 1e9:
                yield Row(begin, row.ns, "gap", seconds(took / 1e9), f"nothing happened for {seconds(took / 1e9)}")
        yield row
        before = row if before is None or row.ns >= before.ns else replace(row, ns=before.ns)


def seconds(took: float) -> str:
    return f"{took:.1f}".removesuffix(".0") + " s" if took < 10 else f"{took:.0f} s"
