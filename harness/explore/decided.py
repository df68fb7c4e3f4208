"""Where it was decided how a run ends: from which line on all schedules that go like it end like it.

In comes a Report whose runs were kept; out come shares. A schedule goes like another one up to a turn if in both the same lines came in
the same turns until then. All that is said holds for the schedules of the report, and for no others.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

from ..trace import Event
from .schedules import Report, Tried


@dataclass(frozen=True)
class Share:
    """From this line on: how many of the schedules that go like this one up to here end how. `counts`: by outcome, as in Report.groups."""

    seq: int
    counts: "tuple[int, ...]"


@dataclass(frozen=True)
class Decided:
    """One schedule's ending. `outcome`: which of Report.groups, from 0. `lines`: those of the turn from which on it is certain; () if it is
    certain from the beginning. `otherwise` of the `before` schedules that go like it up to the turn before end in another way."""

    tried: Tried
    outcome: int
    shares: "tuple[Share, ...]"
    lines: "tuple[Event, ...]"
    before: int = 0
    otherwise: int = 0


def decided(report: Report, outcome: int) -> Decided:
    """Where the ending of an outcome's shortest schedule was decided. Its run must have been kept."""
    mine = report.groups[outcome][0]
    assert mine.run is not None
    parts = [(_parting(mine, other), n) for n, group in enumerate(report.groups) for other in group]

    def counts(turn: "float") -> "tuple[int, ...]":
        """Of the schedules that part from this one only later than in this turn: how many end how."""
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
    """The first turn in which not the same lines came; infinity if there is none."""
    return min((turn for _, turn in set(one.turns) ^ set(other.turns)), default=math.inf)
