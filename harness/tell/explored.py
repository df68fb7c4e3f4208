"""What a learner reads of an exploration: outcomes, an example schedule of each, where they part, what was broken."""
from __future__ import annotations

from typing import Iterator

from ..explore.schedules import Outcome, Place, Report, Tried
from ..judge import comparison
from ..stage.scenarios import Scenario
from . import words


def schedule_in_words(schedule: "tuple[Place, ...]") -> str:
    """hold the server before its first `reading data` goes on, ..."""
    if not schedule:
        return "nobody is delayed"
    return ", and ".join(f"hold the {p.who} at {_the(p)} until nothing else can happen" for p in schedule)


def command(schedule: "tuple[Place, ...]", number: str, skip: bool) -> str:
    """What replays it."""
    settings = ["NOPAUSE=1"] if skip else []
    settings.append("SCHEDULE='" + "; ".join(map(str, schedule)).replace("'", "'\\''") + "'" if schedule else "SCHEDULE=nobody")
    return " ".join([*settings, f"make step-{number}"])


def _the(place: Place) -> str:
    return f"`{place.text}`" + (f" (number {place.nth} of these)" if place.nth > 1 else "")


def report(found: Report, scenario: Scenario, always: bool) -> "list[str]":
    """The report, line by line."""
    return list(_lines(found, scenario, always))


def _lines(found: Report, scenario: Scenario, always: bool) -> Iterator[str]:
    outcomes = f"{len(found.groups)} outcome{'s' if len(found.groups) != 1 else ''}"
    yield f"{found.scenario}: {outcomes} in {found.count} schedules, each with at most {_count(found.delays)}" \
          f"{'; pauses are nothing' if found.skip else ''}"
    if found.ran < found.count:
        yield f"{found.ran} of them were run: where nobody else could go on, a delay changes nothing"
    if found.left:
        yield f"not run: {found.left} schedules more (--limit {found.ran}); what they would show is not known"
    first = found.groups[0][0].outcome
    for n, group in enumerate(found.groups):
        yield ""
        yield f"outcome {n + 1}, in {len(group)} of {found.count}: {_how_it_ended(group[0].outcome)}"
        if n > 0:
            yield f"  it parts from outcome 1 where {_parting(first, group[0].outcome)}"
        yield f"  {'for example' if group[0].schedule else 'among them'}: {schedule_in_words(group[0].schedule)}"
        if group[0].schedule:
            yield f"  {command(group[0].schedule, scenario.number, found.skip)}"
    yield ""
    yield from _contract(found, scenario)
    if always:
        yield ""
        yield "always so here (no schedule turned it round; only what `after` says in the contract is promised):"
        for before, after in found.always:
            yield f"  {before}   before   {after}"


def _count(delays: int) -> str:
    return "one delay" if delays == 1 else f"{delays} delays"


def _how_it_ended(outcome: Outcome) -> str:
    ends = [f"the {who} {'ended with ' if how.startswith(('exit', 'signal')) else 'was '}{how}" for who, how in outcome.endings]
    stop = {"deadlock": "; a deadlock, proven", "over": ""}.get(outcome.stop, f"; {outcome.stop}")
    return ", ".join(ends) + stop


def _parting(first: Outcome, other: Outcome) -> str:
    """The first line of a program that is not the same in both."""
    mine = dict(other.lines)
    for who, lines in first.lines:
        theirs = mine.get(who, ())
        for n in range(max(len(lines), len(theirs))):
            a, b = (l[n] if n < len(l) else None for l in (lines, theirs))
            if a != b:
                said = f"says `{b}`" if b is not None else "says nothing more"
                return f"the {who} {said}, and there {f'`{a}`' if a is not None else 'nothing more'}"
    return f"it stops otherwise ({other.stop}, and there {first.stop})"


def _contract(found: Report, scenario: Scenario) -> Iterator[str]:
    if found.skip:
        yield "the contract is not judged: it may count on the pauses"
        return
    for one in found.broken[:1]:
        if len(found.broken) == found.count:
            yield "the contract was broken in every schedule:"
        else:
            yield f"the contract was broken in {len(found.broken)} of {found.count} schedules, by luck kept in the others:"
        yield f"  {_first_difference(one)}"
        yield f"  {schedule_in_words(one.schedule)}"
        yield f"  {command(one.schedule, scenario.number, found.skip).replace('make step', 'make check')}"
    for never in found.never_seen:
        yield f"no schedule showed: {never.statement}  ({scenario.name}/contract.txt:{never.line})"
    if found.status == 0:
        yield "the contract was kept in each of them"


def _first_difference(one: Tried) -> str:
    difference: comparison.Difference = one.verdict.differences[0]
    return f"contract.txt:{difference.line}: {difference.statement}" + (f"   ({words.WHY[difference.kind]})" if difference.kind in words.WHY else "")
