"""What the two kernels of each connection held: when a segment had arrived, which state each end was in (RFC 9293, 3.3.2), how
many bytes were unread, how many were not acknowledged. It is derived from the segments and the calls.

A capture shows a segment when it leaves. It does not show when the segment arrives. The other side shows that it had not arrived
yet: a segment that the other side sent later, and that does not acknowledge it, left before it arrived. A segment is often sent
again although it has arrived, because its acknowledgement was delayed.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Iterable, Iterator, TypeVar, Union

from ..trace import Call, Run, Segment
from .findings import Facts
from .sides import ACCEPTOR, READS, WRITES, Side

CLOSED = "CLOSED"
_Kind = TypeVar("_Kind")
_OPENS = ("SYN-SENT", "SYN-RECEIVED")
_HEARS = (*_OPENS, "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2")       # more may come from the other end
_ENDS = {"SYN-RECEIVED": "FIN-WAIT-1", "ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}     # what a FIN makes of it


@dataclass(frozen=True)
class Arrival:
    """What became of one segment. It arrived after the place `behind`. `lost` is "refused" if a reset answered it, "again" if it
    was sent again and had not arrived when the other end sent something later, else empty. `other` is the place of that reset, or
    of the segment that was sent again before an acknowledgement came."""

    behind: int
    lost: str = ""
    other: int = -1


@dataclass(frozen=True)
class Change:
    """From `place` on one end has another state, another number of unread bytes, or another number of bytes that it sent and that
    are not acknowledged. `gone`: how many bytes were never read, because their socket was closed there."""

    place: int
    side: Side
    state: str = ""         # "" if the change is about bytes
    unread: int = -1
    unacked: int = -1
    gone: int = 0
    arrived: bool = False   # true: a segment that arrived made it. False: a segment that left, or a call, made it


def _end(s: Segment) -> int:
    return s.first + s.length + ("S" in s.flags) + ("F" in s.flags)


def arrivals(run: Run) -> "dict[int, Arrival]":
    """Returns for each segment, by its seq, what became of it."""
    ways: "dict[tuple[int, str, str], list[Segment]]" = {}
    for s in sorted(run.segments, key=lambda one: one.seq):
        ways.setdefault((s.connection, s.source, s.target), []).append(s)
    found: "dict[int, Arrival]" = {}
    for (number, source, target), mine in ways.items():
        other = ways.get((number, target, source), [])
        acks = [s for s in other if "A" in s.flags and "R" not in s.flags]
        places, reached = [s.seq for s in acks], _rising([s.ack for s in acks])
        resets = [s for s in other if "R" in s.flags]
        for n, s in enumerate(mine):
            found[s.seq] = _arrival(s, mine, n, places, reached, resets)
    return found


def _rising(numbers: "list[int]") -> "list[int]":
    return list(accumulate(numbers, max))


def _arrival(s: Segment, mine: "list[Segment]", n: int, places: "list[int]", reached: "list[int]", resets: "list[Segment]") -> Arrival:
    if _end(s) == s.first or "R" in s.flags:
        return Arrival(s.seq)       # nothing in it is ever acknowledged, so nothing shows when it arrived
    later = bisect_right(places, s.seq)
    answer = max(later, bisect_left(reached, _end(s)))
    acked = places[answer] if answer < len(places) else -1
    for reset in resets:
        answers = reset.ack == _end(s) if "S" in s.flags else "A" not in reset.flags and reset.first == s.ack
        if reset.seq > s.seq and answers and (acked < 0 or reset.seq < acked):
            return Arrival(s.seq, "refused", reset.seq)
    for again in mine[n + 1:n + 50]:
        if acked >= 0 and again.seq > acked:
            break
        if again.first <= s.first and _end(again) >= _end(s):
            return Arrival(s.seq, "again" if later < len(places) and places[later] < again.seq else "", again.seq)
    return Arrival(places[answer - 1] if acked >= 0 and answer > later else s.seq)


# --- states --------------------------------------------------------------------------------------------------------------

def changes(run: Run) -> "tuple[Change, ...]":
    """Returns all changes of all ends, in the order of their places. Returns nothing if segments were not captured, or are
    missing."""
    facts = Facts(run)
    if not facts.captured:
        return ()
    came = arrivals(run)
    states = list(_states(facts, came))
    found = [*states, *(one for side in facts.sides.all() for one in (*_unread(facts, side, came), *_unacked(facts, side, came, states)))]
    return tuple(sorted(found, key=lambda one: one.place))


def _states(facts: Facts, came: "dict[int, Arrival]") -> "Iterator[Change]":
    moments: "list[tuple[int, int, Union[Segment, Side]]]" = [(s.seq, 0, s) for s in facts.run.segments]
    moments += [(came[s.seq].behind, 1, s) for s in facts.run.segments if not came[s.seq].lost]
    moments += [(place, 2, side) for side in facts.sides.all() for place in _ended(facts, side)]
    now: "dict[Side, str]" = {}
    fins: "dict[Side, int]" = {}
    for place, arrived, s in sorted(moments, key=lambda one: (one[0], one[1], one[2].seq if isinstance(one[2], Segment) else 0)):
        if not isinstance(s, Segment):
            old = now.get(s, CLOSED)
            if old in _ENDS:
                now[s] = _ENDS[old]
                yield Change(place, s, now[s])
            continue
        side = facts.sides.of_segment(s)
        other = facts.sides.other(side)
        mine = other if arrived else side
        if mine is None:
            continue
        if not arrived and "F" in s.flags:
            fins[mine] = _end(s)
        old = now.get(mine, CLOSED)
        new = _received(old, s, fins.get(mine, 1 << 62)) if arrived else _sent(old, s)
        if new != old:
            now[mine] = new
            yield Change(place, mine, new, arrived=bool(arrived))


def _sent(state: str, s: Segment) -> str:
    if "R" in s.flags:
        return CLOSED
    if "S" in s.flags:
        return state if state != CLOSED else "SYN-RECEIVED" if "A" in s.flags else "SYN-SENT"
    if "F" in s.flags:
        return _ENDS.get(state, state)
    return state


def _ended(facts: Facts, side: Side) -> "Iterator[int]":
    """Yields the places from which on the program at this end has nothing more to send. The end's state changes there, even if
    the FIN has to wait behind bytes that can't be sent yet. If the FIN or a reset leaves within the call, its segment comes first
    and changes the state."""
    end = facts.sides.end(side)
    if end is None:
        return
    calls = {call.seq: call.returned for call in facts.calls(side, ("shutdown", "close")) if call.returned >= 0 and not call.error}
    if end.shut in calls:
        yield calls[end.shut]
    if facts.seen(side) and _let_go(facts, side) >= 0:
        yield _let_go(facts, side)


def _let_go(facts: Facts, side: Side) -> int:
    """The place from which on nobody has a descriptor of an end; -1 if somebody has one to the end. A close lets go when it returns."""
    end = facts.sides.end(side)
    if end is None or facts.kept(side):
        return -1
    closes = {call.seq: call.returned for call in facts.calls(side, ("close",))}
    gone = {one.pid: one.seq for one in (*facts.run.endings, *facts.run.children)}
    return max((max(one.until, closes.get(one.until, -1) if one.how == "close" else gone.get(one.pid, -1) if one.how == "exit" else -1) for one in end.holders), default=-1)


def _received(state: str, s: Segment, fin: int) -> str:
    """Returns the state of an end after it got this segment. `fin` is the offset behind the FIN that this end has sent."""
    if "R" in s.flags:
        return CLOSED
    if "S" in s.flags:
        return "ESTABLISHED" if state == "SYN-SENT" and "A" in s.flags else state
    if state == "SYN-RECEIVED" and "A" in s.flags:
        state = "ESTABLISHED"
    if "A" in s.flags and s.ack >= fin:
        state = {"FIN-WAIT-1": "FIN-WAIT-2", "CLOSING": "TIME-WAIT", "LAST-ACK": CLOSED}.get(state, state)
    if "F" in s.flags:
        state = {"ESTABLISHED": "CLOSE-WAIT", "FIN-WAIT-1": "CLOSING", "FIN-WAIT-2": "TIME-WAIT"}.get(state, state)
    return state


def _unacked(facts: Facts, side: Side, came: "dict[int, Arrival]", found: "list[Change]") -> "Iterator[Change]":
    """Yields the changes of the number of bytes that one end has sent, and that its kernel keeps until they are acknowledged."""
    other = facts.sides.other(side)
    if other is None:
        return
    moments = [(s.seq, 0, s.first + s.length - 1, 0) for s in facts.segments(side) if s.length]
    moments += [(came[s.seq].behind, 1, 0, s.ack - 1) for s in facts.segments(other) if "A" in s.flags and not came[s.seq].lost]
    gone = min((one.place for one in found if one.side == side and one.state == CLOSED), default=1 << 62)
    sent = acked = unacked = 0
    for place, arrived, last, ack in sorted(moments):
        sent, acked = max(sent, last), max(acked, ack)
        left = 0 if place >= gone else max(sent - acked, 0)
        if left != unacked:
            unacked = left
            yield Change(place, side, unacked=unacked, arrived=bool(arrived))
    if unacked and gone < 1 << 62:
        yield Change(gone, side, unacked=0, arrived=next(one.arrived for one in found if one.side == side and one.place == gone and one.state == CLOSED))


def _unread(facts: Facts, side: Side, came: "dict[int, Arrival]") -> "Iterator[Change]":
    """Yields the changes of the number of bytes that wait for the program at one end. Yields nothing if the calls do not account
    for all."""
    other = facts.sides.other(side)
    end = facts.sides.end(side)
    waits = side[1] == ACCEPTOR and side[0] in facts.unaccepted      # in an accept queue: nobody can have read
    if other is None or not (facts.counted(side) or waits and not any(call.option == "MSG_OOB" for call in facts.writes(other))):
        return
    moments = [(came[s.seq].behind, 0, s.first, s.length) for s in facts.segments(other) if s.length and not came[s.seq].lost]
    for call in facts.reads(side):
        back, got = (call.returned, max(call.result, 0)) if call.returned >= 0 else (1 << 62, 0)
        moments += [(call.seq, 1, 0, call.asked), (back, 1, 0, got - call.asked)] if call.option == "MSG_WAITALL" else [(back, 1, 0, got)]     # it takes what comes while it waits
    arrived = took = unread = 0
    closed, begun = _let_go(facts, side), max((holder.until for holder in end.holders), default=-1) if end is not None else -1
    closed = min([closed, *(s.seq for s in facts.segments(side, "R") if s.seq > begun)]) if closed >= 0 else -1     # the reset leaves within the close
    for place, read, first, size in sorted(moments):
        if 0 <= closed < place:
            break
        if read:
            took += size
        elif first <= arrived + 1:
            arrived = max(arrived, first + size - 1)
        if max(arrived - took, 0) != unread:
            unread = max(arrived - took, 0)
            yield Change(place, side, unread=unread, arrived=not read)
    if closed >= 0 and unread:
        yield Change(closed, side, unread=0, gone=unread)


# --- waits ---------------------------------------------------------------------------------------------------------------

def stopped(run: Run) -> "set[int]":
    """The places of the calls that only the end of the run made return: their threads waited when the kernel was asked for the last time."""
    look = min((socket.seq for socket in run.stop.sockets), default=1 << 62)
    waiting = {wait.tid for wait in run.stop.waiting}
    return {call.seq for call in run.calls if call.returned > look and call.tid in waiting}


class Waits:
    """Tells which calls of a run did not have to wait, although other things happened between their entry and their return."""

    def __init__(self, run: Run, found: "Iterable[Change]") -> None:
        """`found` are the run's changes, in their order."""
        self.facts = Facts(run)
        self._states: "dict[Side, list[tuple[int, str]]]" = {}
        self._unread: "dict[Side, list[tuple[int, int]]]" = {}
        self._sent: "dict[Side, list[int]]" = {}        # places of segments with bytes
        self._took: "dict[Side, list[int]]" = {}        # places at which a read brought bytes
        for change in found:
            if change.state:
                self._states.setdefault(change.side, []).append((change.place, change.state))
            elif change.unread >= 0:
                self._unread.setdefault(change.side, []).append((change.place, change.unread))
        for side in self.facts.sides.all():
            self._took[side] = sorted(call.returned for call in self.facts.reads(side) if call.returned >= 0 and call.result > 0)
        for s in run.segments:
            of = self.facts.sides.of_segment(s) if s.length else None
            if of is not None:
                self._sent.setdefault(of, []).append(s.seq)

    def at_once(self, call: Call) -> bool:
        """Did this call find at once what it asked for? A read does if bytes or the end of the stream are there. An accept does
        if a connection is there. A write does if all of its bytes left before a read of its peer made room."""
        side = self.facts.sides.of(call)
        if side is None:
            return False
        if call.name in READS:
            return _at(self._unread, side, call.seq, 0) > 0 or _at(self._states, side, call.seq, "ESTABLISHED") not in _HEARS
        if call.name in ("accept", "accept4"):
            return _at(self._states, side, call.seq, "SYN-RECEIVED") not in _OPENS
        if call.name in WRITES and self.facts.captured:
            sent, took = self._sent.get(side, []), self._took.get(self.facts.sides.other(side) or side, [])
            first, last = bisect_right(sent, call.seq), bisect_left(sent, call.returned) - 1
            return first >= last or bisect_right(took, sent[first]) == bisect_left(took, sent[last])
        return False


def _at(kept: "dict[Side, list[tuple[int, _Kind]]]", side: Side, place: int, nothing: _Kind) -> _Kind:
    """Returns the value that held at a place; `nothing` if none was kept before it."""
    mine = kept.get(side, [])
    low, high = 0, len(mine)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if mine[middle][0] <= place else (low, middle)
    return mine[low - 1][1] if low else nothing
