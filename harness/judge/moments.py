"""What the two kernels held at each moment of a run: the state of each end of a connection, and how many bytes lie where.

moments() takes a Run, and returns a Moment for each record that changed something. The numbers are derived from the calls and the
segments; states.py derives the states, and when a segment arrived. If the calls or the wire were not seen, the numbers that need
them are None.
"""
from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Callable, Iterator, Optional

from ..trace import Call, Run, Segment, Socket
from .sides import READS, WRITES, Side, Sides
from .states import Change, arrivals, changes, stopped

_SENT, _ARRIVED = 0, 1      # what a segment does at the place where it is seen, and where it arrives: in this order

@dataclass(frozen=True)
class Way:
    """One direction of a connection: how many bytes of its stream have come how far. None: it is not known."""

    written: Optional[int] = 0      # bytes that the sender's kernel has taken from the program
    sent: Optional[int] = 0         # bytes that the sender's kernel has sent
    arrived: Optional[int] = 0      # bytes that have arrived at the receiver's kernel
    acked: Optional[int] = 0        # bytes of which the sender's kernel knows that they arrived
    read: Optional[int] = 0         # bytes that the receiving program has read
    taking: int = 0                 # bytes that a read which waits for more (MSG_WAITALL) takes as they arrive
    gone: int = 0                   # bytes that arrived and that were never read: the receiver's socket was closed
    refused: bool = False           # whether a reset answered what was sent last
    fin: bool = False               # whether a FIN was sent behind the bytes

    @property
    def unsent(self) -> Optional[int]:
        """Bytes that wait in the sender's kernel and have not been sent."""
        return None if self.written is None or self.sent is None else max(self.written - self.sent, 0)

    @property
    def unread(self) -> Optional[int]:
        """Bytes that wait in the receiver's kernel until its program reads them."""
        return None if self.arrived is None or self.read is None else max(self.arrived - self.read - self.taking - self.gone, 0)


@dataclass(frozen=True)
class Moment:
    """What holds at one end from this place of the run's order on: the end's state ("" if not known), and the direction in which
    it sends."""

    seq: int
    side: Side
    way: Way
    state: str


def moments(run: Run) -> "tuple[Moment, ...]":
    """Returns all moments of a run, in the run's order."""
    return tuple(_Kernels(run).moments())


class _Kernels:
    def __init__(self, run: Run) -> None:
        self.run, self.sides = run, Sides(run)
        self.ways: dict[Side, Way] = {}
        self.states: dict[Side, str] = {}
        self.inside: dict[Side, dict[int, int]] = {}        # by end: the writes that have not returned, and how many bytes they ask for
        self.blind: set[Side] = set()           # ends at which a call returned no number of bytes
        self.results: dict[Side, int] = {}      # by end: the sum of the bytes that its writes returned

    def moments(self) -> Iterator[Moment]:
        came, late = arrivals(self.run), stopped(self.run)
        acts: "list[tuple[int, int, Callable[[], tuple[Side, ...]]]]" = []
        for one in self.run.segments:
            acts.append((one.seq, _SENT, functools.partial(self._segment, one, came[one.seq].lost == "refused")))
            if one.length and not came[one.seq].lost:
                acts.append((came[one.seq].behind, _ARRIVED, functools.partial(self._arrived, one)))
        for call in self.run.calls:
            if call.name in WRITES or call.option == "MSG_WAITALL":
                acts.append((call.seq, _SENT, functools.partial(self._begins, call)))
            if call.returned >= 0 and call.seq not in late:
                acts.append((call.returned, _SENT, functools.partial(self._call, call)))
        acts += [(one.place, _ARRIVED, functools.partial(self._change, one)) for one in changes(self.run) if one.state or one.gone]
        acts += [(one.seq, _ARRIVED, functools.partial(self._look, one)) for one in (*self.run.sockets, *self.run.stop.sockets)]
        for seq, _, act in sorted(acts, key=lambda one: one[:2]):
            touched = act()
            for side in touched:
                yield Moment(seq, side, self.ways.get(side, self._nothing()), self.states.get(side, ""))

    def _nothing(self) -> Way:
        wire, calls = (0 if known else None for known in (self.run.wire and not self.run.missing, self.run.observed))
        return Way(calls, wire, wire, wire, calls)

    def _change(self, change: Change) -> "tuple[Side, ...]":
        if change.state:
            self.states[change.side] = change.state
            return (change.side,)
        other = self.sides.other(change.side)
        if other is None:
            return ()
        self.ways[other] = replace(self.ways.get(other, self._nothing()), gone=change.gone)
        return (other,)

    def _written(self, side: Side, way: Way) -> Optional[int]:
        """While a write has not returned, nobody knows how many of its bytes the kernel has taken, unless all of them were sent."""
        if side in self.blind or not self.run.observed:
            return None
        done, asked = self.results.get(side, 0), sum(self.inside.get(side, {}).values())
        if way.sent is not None and way.sent >= done + asked:
            return way.sent
        return None if asked else done

    def _begins(self, call: Call) -> "tuple[Side, ...]":
        side = self.sides.of(call)
        other = self.sides.other(side)
        if side is not None and other is not None and call.option == "MSG_WAITALL":
            self.ways[other] = replace(self.ways.get(other, self._nothing()), taking=call.asked)
            return (other,)
        if side is None:
            return ()
        self.inside.setdefault(side, {})[call.seq] = call.asked
        way = self.ways.get(side, self._nothing())
        way = replace(way, read=None) if call.option == "MSG_OOB" else way      # reads may leave an urgent byte out
        self.ways[side] = replace(way, written=self._written(side, way))
        return (side,)

    def _look(self, socket: Socket) -> "tuple[Side, ...]":
        """The kernel was asked."""
        side = self.sides.of(socket) if socket.connection else None
        way = self.ways.get(side, self._nothing()) if side is not None else None
        if side is None or way is None or way.written is not None or way.acked is None:
            return ()
        self.ways[side] = replace(way, written=way.acked + socket.unacked)
        return (side,)

    def _call(self, call: Call) -> "tuple[Side, ...]":
        side = self.sides.of(call)
        other = self.sides.other(side)
        if side is not None and call.name in WRITES:
            self.inside.get(side, {}).pop(call.seq, None)
            if call.name == "sendmmsg" and call.result > 0:
                self.blind.add(side)
            self.results[side] = self.results.get(side, 0) + max(call.result, 0)
            way = self.ways.get(side, self._nothing())
            self.ways[side] = replace(way, written=self._written(side, way))
            return (side,)
        if side is not None and other is not None and call.option == "MSG_WAITALL":
            self.ways[other] = replace(self.ways.get(other, self._nothing()), taking=0)
        if side is None or call.result <= 0 or call.name not in READS or call.option == "MSG_PEEK":
            return ()
        if other is None:
            return ()
        way = self.ways.get(other, self._nothing())
        self.ways[other] = replace(way, read=way.read + call.result if way.read is not None and call.name != "recvmmsg" else None)
        return (other,)

    def _arrived(self, segment: Segment) -> "tuple[Side, ...]":
        side = self.sides.of_segment(segment)
        way = self.ways.get(side, self._nothing()) if side is not None else None
        if side is None or way is None or way.arrived is None or segment.first + segment.length - 1 <= way.arrived:
            return ()
        self.ways[side] = replace(way, arrived=segment.first + segment.length - 1)
        return (side,)

    def _segment(self, segment: Segment, refused: bool) -> "tuple[Side, ...]":
        side = self.sides.of_segment(segment)
        other = self.sides.other(side)
        if side is None or other is None or "R" in segment.flags or "S" in segment.flags:
            return ()
        before = self.ways.get(side), self.ways.get(other)
        way = self.ways.get(other, self._nothing())
        if "A" in segment.flags and way.acked is not None and way.sent is not None:
            self.ways[other] = replace(way, acked=max(way.acked, min(segment.ack - 1, way.sent)))
        way = self.ways.get(side, self._nothing())
        if way.sent is not None and segment.length:     # a segment behind the FIN has no bytes; its offset counts the FIN
            sent = max(way.sent, segment.first + segment.length - 1)
            way = replace(way, sent=sent, refused=refused)
            way = replace(way, written=self._written(side, way))
        self.ways[side] = replace(way, fin=way.fin or "F" in segment.flags)
        return tuple(one for one, then in zip((side, other), before) if self.ways.get(one) != then)


def last(run: Run) -> "dict[Side, Moment]":
    """Returns the last moment of each end: what held when the run was over."""
    return {moment.side: moment for moment in moments(run)}
