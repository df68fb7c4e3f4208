"""One order that nothing forces, the other way round: a schedule that really gives it.

Which schedule may do it is guessed from the lines of a run; whether it does is seen by running it. Delays are tried at the lines of
the program whose line is to come later, the nearest first, and then at those of the others.
"""
from __future__ import annotations

from typing import Callable, Iterator, Optional, Sequence

from ..stage.keeper import Keeper
from ..stage.scenarios import Scenario
from ..trace import Run
from .schedules import Job, Place, Tried

MOST = 16       # schedules that are tried for one order


def places(run: Run) -> "dict[int, Place]":
    """The place of each line of a run, by its seq: the nth line of that text of its program."""
    counts: "dict[tuple[str, str], int]" = {}
    found = {}
    for event in sorted(run.events, key=lambda e: e.seq):
        counts[event.who, event.text] = n = counts.get((event.who, event.text), 0) + 1
        found[event.seq] = Place(event.who, event.text, n)
    return found


class Turner:
    """Tries schedules of one scenario, each of them once. `lent`: gives a keeper that lives."""

    def __init__(self, scenario: Scenario, lent: "Callable[[], Keeper]", *, skip: bool = False, isolate: bool = True, observe: bool = True,
                 tick: Callable[[], bool] = lambda: False) -> None:
        self._job = Job(scenario, None, skip, isolate, observe, True, tick)
        self._lent = lent
        self._tried: "dict[tuple[Place, ...], Tried]" = {}

    def tried(self, schedule: "tuple[Place, ...]") -> Tried:
        """What came of a schedule. Raises KeyboardInterrupt when it is to stop."""
        if schedule not in self._tried:
            one = self._job.attempt(schedule, self._lent())
            if self._job.tick():
                raise KeyboardInterrupt
            self._tried[schedule] = one
        return self._tried[schedule]

    def turned(self, early: Place, late: Place) -> "Optional[tuple[Place, ...]]":
        """A schedule in which `late` came before `early`; None if none of those that were tried does it."""
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
