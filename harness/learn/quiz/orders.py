"""Kinds `shuffled` and `possible`: in which order lines have to come, and whether they can come in another order."""
from __future__ import annotations

import itertools
import random
from typing import Optional

from ...explore import turned
from ...tell import explored
from ...tell.why import WHY
from ...trace import Event
from .asked import Asked
from .seen import Seen
from .shown import cut, head

TRIES = 60
CARDS = 4


def shuffled(seen: Seen, chance: random.Random) -> Optional[Asked]:
    """Asks for the order of four lines of two programs, each of which has to come before the next one."""
    events = _single(seen)
    for _ in range(TRIES if len(events) >= CARDS else 0):
        chain = [events[n] for n in sorted(chance.sample(range(len(events)), CARDS))]
        pairs = list(zip(chain, chain[1:]))
        across = [(a, b) for a, b in pairs if a.who != b.who]
        if across and all(seen.order.forced(a.seq, b.seq, clock=False) for a, b in pairs):
            shown = chance.choice([one for one in itertools.permutations(chain) if list(one) != chain])
            lines = [*head(seen), "In which order did these lines have to come?", ""]
            lines += [f"    {n}  {_card(seen, event)}" for n, event in enumerate(shown, 1)]
            answer = " ".join(str(shown.index(event) + 1) for event in chain)
            why = " ".join(dict.fromkeys(_cause(seen, a, b) for a, b in across[:2]))
            return Asked("shuffled", seen.scenario.name, seen.named, tuple(lines), answer, why, "order", CARDS)
    return None


def possible(seen: Seen, chance: random.Random) -> Optional[Asked]:
    """Asks about two lines of two programs: can the second one come before the first? If the answer is yes, a run shows it. If it
    is no, something forces the order."""
    events = _single(seen)
    wanted = chance.random() < 0.5
    for _ in range(TRIES if len(events) > 1 else 0):
        first, second = (events[n] for n in sorted(chance.sample(range(len(events)), 2)))
        if first.who == second.who:
            continue
        forced = seen.order.forced(first.seq, second.seq)
        if wanted and not forced:
            return _free(seen, first, second)
        if not wanted and seen.order.forced(first.seq, second.seq, clock=False):
            return _possible(seen, first, second, "2", _cause(seen, first, second))
    return None


def _free(seen: Seen, first: Event, second: Event) -> Optional[Asked]:
    places = turned.places(seen.run)
    schedule = seen.turner.turned(places[first.seq], places[second.seq])
    if schedule is None:
        return None
    return _possible(seen, first, second, "1", "Nothing forces their order. This run has it: " + explored.setting(schedule, False) + f" make scenario-{seen.scenario.number}")


def _possible(seen: Seen, first: Event, second: Event, answer: str, why: str) -> Asked:
    lines = (f"Scenario {seen.scenario.name}.", "Can these two lines come in this order, in some run?", "",
             f"    {_card(seen, second)}", f"    {_card(seen, first)}", "", "1 yes   2 no")
    return Asked("possible", seen.scenario.name, seen.named, lines, answer, why, "choice", 2)


def _single(seen: Seen) -> "list[Event]":
    """Returns the lines whose text comes once in the run, so that the text says which line is meant."""
    said = [_card(seen, e) for e in seen.events]
    return [e for e in seen.events if said.count(_card(seen, e)) == 1]


def _card(seen: Seen, event: Event) -> str:
    return f"{event.who}: {cut(event.text, seen.width - 20)}"


def _cause(seen: Seen, a: Event, b: Event) -> str:
    kinds = [cause for cause in seen.order.why(a.seq, b.seq, clock=False) or () if cause.kind != "program"]
    if not kinds:
        return WHY["program"]
    cause = kinds[-1]
    by_seq = {e.seq: e for e in seen.events}
    early, late = by_seq[cause.before], by_seq[cause.after]
    return WHY[cause.kind].format(late=late.who, early=early.who)
