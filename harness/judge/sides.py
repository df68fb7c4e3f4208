"""The two ends of each connection: to which of them a line, a call or a segment belongs, and how many bytes it sent.

A side is a pair (number of the connection, which end). If the run's records say who opened and who accepted the connection, the
end is OPENER or ACCEPTOR, and a process belongs to the end that it holds. So the two ends may belong to programs of the same
name. If the records do not say it, the end is the program's name. A record whose end can't be told has no side (None), and
nothing is derived from it.
"""
from __future__ import annotations

import functools
from typing import Iterable, Optional, Union

from ..trace import Call, End, Ending, Event, Run, Segment, Socket, Waiting

OPENER, ACCEPTOR = "opener", "acceptor"
_OTHER = {OPENER: ACCEPTOR, ACCEPTOR: OPENER}
Side = tuple[int, str]

Told = Union[Event, Call, Socket, Waiting]      # the records that name a connection and a process

READS = ("read", "readv", "recvfrom", "recvmsg", "recv")
WRITES = ("write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile", "send")


class Sides:
    """The sides of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._ends: dict[Side, Optional[End]] = {}
        for made in run.connections:
            self._ends[made.number, OPENER] = made.opener
            self._ends[made.number, ACCEPTOR] = made.acceptor
        self._names: dict[int, set[str]] = {}       # by connection: the programs that have lines or segments on it
        for record in run.events:
            self._names.setdefault(record.connection, set()).add(record.who)
        for segment in run.segments:
            self._names.setdefault(segment.connection, set()).add(segment.sender)
        self._known: dict[tuple[int, int, str], Optional[Side]] = {}
        self._all: Optional[tuple[Side, ...]] = None
        lines: dict[Side, list[Event]] = {}
        for event in sorted(run.events, key=lambda e: e.seq):
            side = self.of(event)
            if side is not None:
                lines.setdefault(side, []).append(event)
        self._lines = {side: tuple(those) for side, those in lines.items()}

    @property
    def two(self) -> bool:
        """Is this a run of two programs with different names, so that each is the other's peer?"""
        return len({role.name for role in self.run.cast}) == 2

    def departure(self, end: Ending) -> int:
        """Returns the place at which a process was gone: where its end closed the first of its connections, or else where its ending
        was recorded. What that close caused comes after it."""
        ends = [one for one in self._ends.values() if one is not None]
        return min([end.seq, *(h.until for one in ends for h in one.holders if h.pid == end.pid and h.how == "exit" and h.until >= 0)])

    def of(self, record: Told) -> Optional[Side]:
        """Returns the end to which a record belongs. Returns None if the record has no connection, or if its end can't be told."""
        key = record.connection, record.pid, record.who
        if key not in self._known:
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, connection: int, pid: int, who: str) -> Optional[Side]:
        if connection <= 0:
            return None
        sides = [(connection, OPENER), (connection, ACCEPTOR)]
        if sides[0] not in self._ends:
            return connection, who
        ends = {side: end for side in sides if (end := self._ends[side]) is not None}
        mine = [side for side, end in ends.items() if pid == end.pid or any(h.pid == pid for h in end.holders)]
        if len(mine) == 1:
            return mine[0]
        named = [side for side in mine or ends if ends[side].who == who]
        if len(ends) == 2:
            return named[0] if len(named) == 1 else None
        unknown = [side for side in sides if side not in ends]
        return unknown[0] if len(unknown) == 1 and not named else None

    def of_segment(self, segment: Segment) -> Optional[Side]:
        """Returns the end that sent the segment; None if the segment belongs to no connection."""
        opener, acceptor = (segment.connection, OPENER), (segment.connection, ACCEPTOR)
        if segment.connection <= 0:
            return None
        if opener not in self._ends:
            return segment.connection, segment.sender
        named = [side for side in (opener, acceptor) if self.name(side) == segment.sender]
        if len(named) == 1:
            return named[0]
        end = self._ends[opener]        # both ends are of one name: the address tells them apart
        return opener if end is not None and end.address == segment.source else acceptor

    def other(self, side: Optional[Side]) -> Optional[Side]:
        """The other end of the same connection, None if nobody is known to be there."""
        if side is None:
            return None
        connection, end = side
        if side in self._ends:
            return connection, _OTHER[end]
        name = self._only_other(connection, end)
        return (connection, name) if name else None

    def end(self, side: Side) -> Optional[End]:
        """Returns who made this end and who holds it; None if that is not known."""
        return self._ends.get(side)

    def name(self, side: Optional[Side]) -> str:
        """Returns the name of the program at that end, "" if it is not known."""
        if side is None:
            return ""
        if side not in self._ends:
            return side[1]
        end, other = self._ends[side], self._ends[side[0], _OTHER[side[1]]]
        if end is not None:
            return end.who
        return self._only_other(side[0], other.who) if other is not None else ""

    def _only_other(self, connection: int, name: str) -> str:
        """Returns the name of the one other program that takes part in the connection; "" if there is none, or more than one."""
        others = self._names.get(connection, set()) - {name, ""}
        if not others and self.two:
            others = {role.name for role in self.run.cast} - {name}
        return others.pop() if len(others) == 1 else ""

    def peer(self, record: Told) -> str:
        """Returns the name of the program at the other end of the record's connection, "" if it is not known. For a record
        without a connection, in a run of two programs, returns the name of the other program."""
        name = self.name(self.other(self.of(record)))
        if not name and record.connection <= 0 and self.two:
            return next((role.name for role in self.run.cast if role.name != record.who), "")
        return name

    def known(self) -> tuple[Side, ...]:
        """Returns all sides that have lines, sorted by connection."""
        return tuple(sorted(self._lines))

    def lines(self, side: Optional[Side]) -> tuple[Event, ...]:
        """Returns the lines that belong to one end, in their order."""
        return self._lines.get(side, ()) if side is not None else ()

    def all(self) -> tuple[Side, ...]:
        """Returns all sides of which the run has a record: a connection, a line or a segment."""
        if self._all is None:
            self._all = tuple(dict.fromkeys([*self._ends, *self._lines, *filter(None, map(self.of_segment, self.run.segments))]))
        return self._all

    def between(self, sender: str, receiver: str) -> tuple[Side, ...]:
        """Returns the ends that `sender` has on its connections with `receiver`."""
        return tuple(side for side in self.all() if (self.name(side), self.name(self.other(side))) == (sender, receiver))

    def written(self, sides: Iterable[Side]) -> Optional[int]:
        """Returns how many bytes the calls wrote at these ends. Returns None if one of the calls does not return a number of
        bytes."""
        mine = set(sides)
        calls = [call for call in self.run.calls if call.name in WRITES and self.of(call) in mine]
        return None if any(call.name == "sendmmsg" for call in calls) else sum(max(call.result, 0) for call in calls)

    @functools.cached_property
    def carried(self) -> dict[Side, int]:
        """How many bytes of each end's stream the segments carried, without retransmissions. An end that sent no byte is not in it."""
        found: dict[Side, int] = {}
        for segment in self.run.segments:
            side = self.of_segment(segment)
            if segment.length and side is not None:
                found[side] = max(found.get(side, 0), segment.first + segment.length - 1)
        return found
