"""Finds the line at which it was decided how a run ends: from it on, all schedules that went the same way end in the same way.

decided() takes a Report whose runs were kept. Two schedules go the same way up to a turn if the same lines came in the same turns
until then. All that is said holds for the schedules of the report, and for no others.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

from ..trace import Event
from .schedules import Report, Tried


@dataclass(frozen=True)
class Share:
    """How the schedules end that go as this one does up to the turn of this line: how many of them have each outcome. `counts`
    has the order of Report.groups. `seq` is the turn's first line."""

    seq: int
    counts: "tuple[int, ...]"


@dataclass(frozen=True)
class Decided:
    """Where the ending of one schedule was decided. `outcome` is its index in Report.groups. `lines` are the lines of the turn
    from which on the ending is certain; () if it is certain from the beginning. Up to the turn before, `before` schedules go the
    same way, and `otherwise` of these end in another way."""

    tried: Tried
    outcome: int
    shares: "tuple[Share, ...]"
    lines: "tuple[Event, ...]"
    before: int = 0
    otherwise: int = 0


def decided(report: Report, outcome: int) -> Decided:
    """Returns where the ending of an outcome's shortest schedule was decided. The run of that schedule must have been kept."""
    mine = report.groups[outcome][0]
    assert mine.run is not None
    parts = [(_parting(mine, other), n) for n, group in enumerate(report.groups) for other in group]

    def counts(turn: "float") -> "tuple[int, ...]":
        """Returns, by outcome, how many of the schedules part from this one only after this turn."""
        found = [0] * len(report.groups)
        for part, n in parts:
            found[n] += part > turn
        return tuple(found)
    turns = sorted({turn for _, turn in mine.came})
    by_turn = {turn: counts(turn) for turn in turns}
    firsts: "dict[int, int]" = {}
    for seq, turn in mine.came:
        firsts[turn] = min(seq, firsts.get(turn, seq))
    shares = tuple(Share(firsts[turn], by_turn[turn]) for turn in turns)
    if sum(map(bool, counts(-1))) == 1:
        return Decided(mine, outcome, shares, ())
    at = next(turn for turn in turns if sum(map(bool, by_turn[turn])) == 1)
    earlier = [turn for turn in turns if turn < at]
    before = by_turn[earlier[-1]] if earlier else counts(-1)
    events = {event.seq: event for event in mine.run.events}
    lines = tuple(events[seq] for seq, turn in mine.came if turn == at and seq in events)
    return Decided(mine, outcome, shares, lines, sum(before), sum(before) - before[outcome])


def _parting(one: Tried, other: Tried) -> float:
    """Returns the first turn in which different lines came; infinity if there is none."""
    return min((turn for _, turn in set(one.turns) ^ set(other.turns)), default=math.inf)
