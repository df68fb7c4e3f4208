"""Finds a schedule that turns round an order which nothing forces.

The lines of a run suggest which schedule may do it, and running the schedule shows whether it does. Delays are tried at the lines
of the program whose line is to come later, the nearest ones first, and then at the lines of the other programs.
"""
from __future__ import annotations

from typing import Callable, Iterator, Optional, Sequence

from ..stage.keeper import Keeper
from ..stage.scenarios import Scenario
from ..trace import Run
from .schedules import Job, Place, Tried

MOST = 16       # how many schedules are tried for one order


def places(run: Run) -> "dict[int, Place]":
    """Returns the place of each line of a run, by the line's seq: it is the nth line of its program with that text."""
    counts: "dict[tuple[str, str], int]" = {}
    found = {}
    for event in sorted(run.events, key=lambda e: e.seq):
        counts[event.who, event.text] = n = counts.get((event.who, event.text), 0) + 1
        found[event.seq] = Place(event.who, event.text, n)
    return found


class Turner:
    """Tries schedules of one scenario, each of them once. `lent` returns a keeper to use."""

    def __init__(self, scenario: Scenario, lent: "Callable[[], Keeper]", *, skip: bool = False, isolate: bool = True, observe: bool = True,
                 tick: Callable[[], bool] = lambda: False) -> None:
        self._job = Job(scenario, None, skip, isolate, observe, True, tick)
        self._lent = lent
        self._tried: "dict[tuple[Place, ...], Tried]" = {}

    def tried(self, schedule: "tuple[Place, ...]") -> Tried:
        """Returns the result of a schedule. Raises KeyboardInterrupt if the command is to stop."""
        if schedule not in self._tried:
            one = self._job.attempt(schedule, self._lent())
            if self._job.tick():
                raise KeyboardInterrupt
            self._tried[schedule] = one
        return self._tried[schedule]

    def turned(self, early: Place, late: Place) -> "Optional[tuple[Place, ...]]":
        """Returns a schedule in which `late` came before `early`; None if none of the tried ones did that."""
        plain = self.tried(())
        for schedule in _guesses([place for place, _ in plain.turns], early, late):
            turns = dict(self.tried(schedule).turns)
            if early in turns and late in turns and turns[late] < turns[early]:
                return schedule
        return None


def _guesses(came: "Sequence[Place]", early: Place, late: Place) -> "Iterator[tuple[Place, ...]]":
    own = [place for place in came if place.who == early.who]
    mine = own[:own.index(early)] if early in own else own
    others = [place for place in came if place.who not in (early.who, late.who)]
    for place in [None, *mine[::-1], *others][:MOST]:
        yield (place,) if place is not None else ()
