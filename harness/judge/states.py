"""What the two kernels of each connection held, derived from the segments and the calls: when a segment had arrived, which state each
end was in (RFC 9293, 3.3.2), how many bytes were unread.

A capture shows a segment when it leaves. That it had not arrived yet is known from the other side: what that one sent later, and did not
acknowledge it with, left before it came.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Iterator

from ..trace import Run, Segment
from .findings import Facts
from .sides import Side

CLOSED = "CLOSED"


@dataclass(frozen=True)
class Arrival:
    """What became of one segment. `behind`: the place behind which it arrived, at the earliest. `lost`: "refused" (a reset answered it),
    "again" (no acknowledgement came before it was sent again), or empty. `other`: the place of that reset, or of the one sent again."""

    behind: int
    lost: str = ""
    other: int = -1


@dataclass(frozen=True)
class Change:
    """From `place` on one end has another state, or another number of unread bytes. `gone`: bytes that were never read, and whose
    socket was closed there."""

    place: int
    side: Side
    state: str = ""         # "" if it is about unread bytes
    unread: int = -1
    gone: int = 0
    arrived: bool = False   # it came with a segment that arrived; else with one that left, or with a call


def _end(s: Segment) -> int:
    return s.first + s.length + ("S" in s.flags) + ("F" in s.flags)


def arrivals(run: Run) -> "dict[int, Arrival]":
    """Of each segment, by its seq."""
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
        return Arrival(s.seq)       # nothing in it is acknowledged: nobody tells when it came
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
            return Arrival(s.seq, "again", again.seq)
    return Arrival(places[answer - 1] if acked >= 0 and answer > later else s.seq)


# --- states --------------------------------------------------------------------------------------------------------------

def changes(run: Run) -> "tuple[Change, ...]":
    """All changes of all ends, in the order of their places. Nothing of it where segments are missing."""
    facts = Facts(run)
    if not facts.captured:
        return ()
    came = arrivals(run)
    found = [*_states(facts, came), *(one for side in facts.sides.all() for one in _unread(facts, side, came))]
    return tuple(sorted(found, key=lambda one: one.place))


def _states(facts: Facts, came: "dict[int, Arrival]") -> "Iterator[Change]":
    moments = [(s.seq, 0, s) for s in facts.run.segments] + [(came[s.seq].behind, 1, s) for s in facts.run.segments if not came[s.seq].lost]
    now: "dict[Side, str]" = {}
    fins: "dict[Side, int]" = {}
    for place, arrived, s in sorted(moments, key=lambda one: (one[0], one[1], one[2].seq)):
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
        return {"SYN-RECEIVED": "FIN-WAIT-1", "ESTABLISHED": "FIN-WAIT-1", "CLOSE-WAIT": "LAST-ACK"}.get(state, state)
    return state


def _received(state: str, s: Segment, fin: int) -> str:
    """`fin`: the offset behind the FIN that this end has sent."""
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


def _unread(facts: Facts, side: Side, came: "dict[int, Arrival]") -> "Iterator[Change]":
    """The bytes that wait for the program at one end; nothing where the calls do not account for all."""
    other = facts.sides.other(side)
    end = facts.sides.end(side)
    if other is None or end is None or not facts.counted(side):
        return
    moments = [(came[s.seq].behind, 0, s.first, s.length) for s in facts.segments(other) if s.length and not came[s.seq].lost]
    moments += [(call.returned, 1, 0, call.result) for call in facts.reads(side) if call.returned >= 0 and call.result > 0]
    arrived = took = unread = 0
    closed = -1 if facts.kept(side) else max((holder.until for holder in end.holders), default=-1)
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
