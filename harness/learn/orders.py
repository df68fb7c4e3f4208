"""A predicted order against a run, as what it is: a partial order.

Of two lines one had to come first (something forced it), or nothing decides. So there are three sorts of pairs: forced and right;
impossible, because the run forces the other order; and free, which somebody who writes a list has to order all the same.

Only the nearest pairs are looked at, those that have no third line between them: who breaks a forced order breaks one of these.
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
    """Two predicted lines. `cause`: the kind of cause that forces the order first, then second; "" if nothing does."""

    first: Event
    second: Event
    cause: str


@dataclass(frozen=True)
class Judged:
    """A prediction against a run. `events`: in the predicted order, the line of the run that each card is; None: it never came."""

    events: "tuple[Optional[Event], ...]"
    ran: "tuple[Event, ...]"            # the same lines in the order of the run
    right: "tuple[Pair, ...]"           # forced, and predicted so; across programs
    impossible: "tuple[Pair, ...]"      # forced in this order, and predicted the other way round
    free: "tuple[Pair, ...]"            # predicted one behind the other, and nothing forces it
    unordered: bool                     # there are programs that print: their order against the others is not known


def judge(order: "Sequence[Card]", contract: Contract, run: Run, verdict: Verdict) -> Judged:
    """`order`: all cards of the contract, as the learner expects them."""
    events = _events(order, contract, run, verdict)
    known = [event for event in events if event is not None]
    relation = _Relation(run, known)
    place = {event.seq: n for n, event in enumerate(known)}
    nearest = relation.nearest()
    free = [Pair(one, then, "") for one, then in zip(known, known[1:]) if one.who != then.who and relation.is_free(one, then)]
    return Judged(tuple(events), tuple(sorted(known, key=lambda e: e.seq)),
                  tuple(p for p in nearest if p.first.who != p.second.who and place[p.first.seq] < place[p.second.seq]),
                  tuple(p for p in nearest if place[p.first.seq] > place[p.second.seq]), tuple(free),
                  any(event.kind == "output" for event in known))


def _events(order: "Sequence[Card]", contract: Contract, run: Run, verdict: Verdict) -> "list[Optional[Event]]":
    cast = Cast(run, contract.whos)
    by_seq = {event.seq: event for who in contract.whos for event in cast.lines(who)}
    places: "dict[int, int]" = {}       # of a line with * the first one
    for number, seq in verdict.matched:
        places.setdefault(number, seq)
    left: "dict[Card, list[Line]]" = {}
    for line in lines_of(contract):
        left.setdefault(Card(line.who, line.text), []).append(line)
    return [by_seq.get(places.get(left[card].pop(0).number, -1)) for card in order]


class _Relation:
    """Which of these lines come before which, whatever happens."""

    def __init__(self, run: Run, events: "Sequence[Event]") -> None:
        # Who starts when another program listens waits for the kernel, and not for the line about it: whether that line was there is luck.
        listens = {e.seq for e in run.events if e.kind == "listen"}
        self.order = causes.derive(replace(run, starts=tuple(replace(start, after=tuple(set(start.after) - listens)) for start in run.starts)))
        self.events = sorted(events, key=lambda e: e.seq)
        self.before = {e.seq: {o.seq for o in self.events if self._forced(o, e)} for e in self.events}

    def _forced(self, first: Event, second: Event) -> bool:
        if "output" in (first.kind, second.kind):
            return first.who == second.who and first.kind == second.kind and first.seq < second.seq
        return self.order.forced(first.seq, second.seq)

    def nearest(self) -> "list[Pair]":
        """The forced pairs without a third line between them, in the order of the run."""
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
        """Is it known that nothing orders the two?"""
        return "output" not in (one.kind, then.kind) and one.seq not in self.before[then.seq] and then.seq not in self.before[one.seq]
