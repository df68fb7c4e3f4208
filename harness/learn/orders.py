"""Compares a predicted order with a run. The order of a run is a partial order.

Of two lines either one had to come first (something forced it), or nothing decides which comes first. So there are three sorts of
pairs: forced and right; impossible, because the run forces the other order; and free. A person who writes a list has to order the
free pairs, too. Only the nearest pairs are looked at: those that have no third line between them. A list that breaks a forced
order breaks one of these.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Optional, Sequence

from ..judge import causes
from ..judge.cast import Cast
from ..judge.comparison import Verdict
from ..judge.contract import Contract, Line
from ..trace import Event, Run
from .cards import Card, lines_of


@dataclass(frozen=True)
class Pair:
    """Two predicted lines. `cause` is the kind of cause that forces the order first, then second; "" if nothing does."""

    first: Event
    second: Event
    cause: str


@dataclass(frozen=True)
class Judged:
    """A prediction, compared with a run. `events` has, in the predicted order, the run's line for each card; None if the line
    never came. `never` has the same for the cards that were predicted never to come."""

    events: "tuple[Optional[Event], ...]"
    never: "tuple[Optional[Event], ...]"
    ran: "tuple[Event, ...]"            # all these lines in the order of the run
    right: "tuple[Pair, ...]"           # of two programs: forced in this order, and predicted in this order
    impossible: "tuple[Pair, ...]"      # forced in this order, and predicted in the other order
    free: "tuple[Pair, ...]"            # predicted one after the other, and nothing forces an order
    unordered: bool                     # whether there are programs that only print: the place of their lines among the others is not known


def judge(order: "Sequence[Card]", never: "Sequence[Card]", contract: Contract, run: Run, verdict: Verdict) -> Judged:
    """Compares a prediction with a run. `order` has the cards as the learner expects them, `never` those that the learner expects never to come."""
    both = _events([*order, *never], contract, run, verdict)
    events, others = both[:len(order)], both[len(order):]
    known = [event for event in events if event is not None]
    relation = _Relation(run, known)
    place = {event.seq: n for n, event in enumerate(known)}
    nearest = relation.nearest()
    free = [Pair(one, then, "") for one, then in zip(known, known[1:]) if one.who != then.who and relation.is_free(one, then)]
    return Judged(tuple(events), tuple(others), tuple(sorted((event for event in both if event is not None), key=lambda e: e.seq)),
                  tuple(p for p in nearest if p.first.who != p.second.who and place[p.first.seq] < place[p.second.seq]),
                  tuple(p for p in nearest if place[p.first.seq] > place[p.second.seq]), tuple(free),
                  any(event.kind == "output" for event in known))


def _events(order: "Sequence[Card]", contract: Contract, run: Run, verdict: Verdict) -> "list[Optional[Event]]":
    cast = Cast(run, contract.whos)
    by_seq = {event.seq: event for who in contract.whos for event in cast.lines(who)}
    places: "dict[int, int]" = {}       # by line of the contract: the place of its first event
    for number, seq in verdict.matched:
        places.setdefault(number, seq)
    left: "dict[Card, list[Line]]" = {}
    for line in lines_of(contract):
        left.setdefault(Card(line.who, line.text), []).append(line)
    forbidden = {Card(event.who, event.text): event for event in sorted(by_seq.values(), key=lambda e: -e.seq)}     # the first one with that text
    return [by_seq.get(places.get(left[card].pop(0).number, -1)) if card in left else forbidden.get(card) for card in order]


class _Relation:
    """Which of these lines come before which others in every run."""

    def __init__(self, run: Run, events: "Sequence[Event]") -> None:
        # A start that waits for a listener waits for the kernel, and not for the line about it. Whether that line had come is luck.
        listens = {e.seq for e in run.events if e.kind == "listen"}
        self.order = causes.derive(replace(run, starts=tuple(replace(start, after=tuple(set(start.after) - listens)) for start in run.starts)))
        self.events = sorted(events, key=lambda e: e.seq)
        self.before = {e.seq: {o.seq for o in self.events if self._forced(o, e)} for e in self.events}

    def _forced(self, first: Event, second: Event) -> bool:
        if "output" in (first.kind, second.kind):
            return first.who == second.who and first.kind == second.kind and first.seq < second.seq
        return self.order.forced(first.seq, second.seq)

    def nearest(self) -> "list[Pair]":
        """Returns the forced pairs that have no third line between them, in the order of the run."""
        found = []
        for second in self.events:
            behind = self.before[second.seq]
            near = [e for e in self.events if e.seq in behind and not any(e.seq in self.before[other] for other in behind)]
            found += [Pair(first, second, self._cause(first, second)) for first in near]
        return found

    def _cause(self, first: Event, second: Event) -> str:
        if first.kind == "output":
            return "program"
        way = self.order.why(first.seq, second.seq) or ()
        kinds = [cause.kind for cause in way if cause.kind != "program"]
        return kinds[-1] if kinds else "program"

    def is_free(self, one: Event, then: Event) -> bool:
        """Is it known that nothing orders the two lines?"""
        return "output" not in (one.kind, then.kind) and one.seq not in self.before[then.seq] and then.seq not in self.before[one.seq]
