"""What a learner reads of an exploration: its outcomes, how each differs from the first one, a schedule that shows it, and what
was broken."""
from __future__ import annotations

import textwrap
from typing import Iterator

from ..explore.decided import Decided, decided
from ..explore.schedules import SEEN, Outcome, Place, Report, Tried
from ..stage.scenarios import Scenario
from ..trace import plain
from . import words
from .phrases import count


def schedule_in_words(schedule: "tuple[Place, ...]") -> str:
    """Returns words such as "hold the server at `reading data` until nothing else can happen"."""
    if not schedule:
        return "delay no program"
    return ", and ".join(f"hold the {p.who} at {_the(p)} until nothing else can happen" for p in schedule)


def command(schedule: "tuple[Place, ...]", number: str, skip: bool) -> str:
    """Returns the command that steps through a run under this schedule."""
    return f"{setting(schedule, skip)} make step-{number}"


def setting(schedule: "tuple[Place, ...]", skip: bool) -> str:
    """Returns the settings that stand in front of a command that is to run this schedule."""
    settings = ["NOPAUSE=1"] if skip else []
    settings.append("SCHEDULE='" + "; ".join(map(str, schedule)).replace("'", "'\\''") + "'" if schedule else "SCHEDULE=nobody")
    return " ".join(settings)


def _the(place: Place) -> str:
    return f"`{place.text}`" + (f" (number {place.nth} of these)" if place.nth > 1 else "")


def report(found: Report, scenario: Scenario, always: bool, where: bool = False) -> "list[str]":
    """Returns the lines of the report. With `where` they also say where each ending was decided; then the runs must have been
    kept."""
    lines = list(_lines(found, scenario, always))
    if where:
        told = [f"outcome {n + 1}: {where_decided(decided(found, n))}" for n in range(len(found.groups))]
        lines += ["", *(line for one in told for line in textwrap.wrap(one, 80, subsequent_indent="  ", break_on_hyphens=False))]
    return lines


def where_decided(one: Decided) -> str:
    """Returns in words at which line the ending became certain, as far as the schedules of the report show it."""
    if not one.lines:
        return "The ending is certain from the beginning: all schedules end so."
    places = " and ".join(f"the {line.who} comes to `{plain(line.text)}` ({line.source})" for line in one.lines)
    after = sum(next(share.counts for share in one.shares if share.seq == min(line.seq for line in one.lines)))
    return (f"The ending is certain once {places}. Until then {count(one.before, 'schedule')} {'goes' if one.before == 1 else 'go'} like this one, and "
            f"{one.otherwise} of them {'ends' if one.otherwise == 1 else 'end'} otherwise. From there on "
            f"{'1 schedule goes like it, and it ends so.' if after == 1 else f'{after} schedules go like it, and all of them end so.'}")


def _lines(found: Report, scenario: Scenario, always: bool) -> Iterator[str]:
    outcomes = "1 outcome" if len(found.groups) == 1 else f"{len(found.groups)} outcomes"
    off, alone = ", pauses switched off" if found.skip else "", found.count == 1 and not found.left
    if alone:
        yield f"{found.scenario}: 1 outcome in 1 schedule, that without a delay{off}: there was no line and no sleep at which the lab could hold a program"
    else:
        yield f"{found.scenario}: {outcomes} in {count(found.count, 'schedule')} with at most {_count(found.delays)}{off}"
    if found.ran < found.count:
        yield f"{found.ran} of these were run. In the other {found.count - found.ran} nobody else could go on during the delay,"
        yield "so it changes nothing."
    if found.left:
        yield f"not run: {found.left} schedules more (--limit {found.ran}); what they would show is not known"
    yield ""
    if len(found.groups) == 1:
        yield f"{'In it' if alone else 'In all of them'} {how_it_ended(found.groups[0][0].outcome)}."
    else:
        yield from _outcomes(found, scenario)
    yield ""
    yield from _contract(found, scenario)
    if always:
        yield ""
        yield "These orders held in every schedule. (The contract promises only what its `after` says.)"
        for before, after in found.always:
            yield f"  {before}   before   {after}"


def _outcomes(found: Report, scenario: Scenario) -> Iterator[str]:
    """Yields the lines about each outcome, with its heading."""
    first, told = found.groups[0][0].outcome, headings(found)
    for n, (group, this) in enumerate(zip(found.groups, told)):
        outcome, schedule = group[0].outcome, group[0].schedule
        there = parting(outcome, first)[1] if n else this
        yield from [""] if n else []
        yield f"outcome {n + 1}: {this}"
        yield f"  in {len(group)} of {found.count} schedules{'' if n else '; that without a delay is one of them'}"
        if there != told[0]:
            yield f"  where in outcome 1 {there}"
        yield f"  {how_it_ended(outcome)}"
        if schedule:
            yield f"  to see it, {schedule_in_words(schedule)}:"
            yield f"  {command(schedule, scenario.number, found.skip)}"


def headings(found: Report) -> "list[str]":
    """Returns, for each outcome, how it differs from the first one. For the first one, how it differs from the second."""
    told: "list[str]" = []
    for n, group in enumerate(found.groups):
        outcome = group[0].outcome
        this = parting(outcome, found.groups[0 if n else min(1, len(found.groups) - 1)][0].outcome)[0] if len(found.groups) > 1 else how_it_ended(outcome)
        for other, heading in zip(found.groups, told):
            if heading == this:
                this += f", and {parting(outcome, other[0].outcome)[0]}"
        told.append(this)
    return told


def _count(delays: int) -> str:
    return "one delay" if delays == 1 else f"{delays} delays"


def how_it_ended(outcome: Outcome) -> str:
    ends = [f"the {who} {'ended with ' if how.startswith(('exit', 'signal')) else 'was '}{how}" for who, how in outcome.endings]
    stop = {"deadlock": f"; a deadlock, {'proven' if outcome.proven else 'as far as this system shows'}", "over": "", "waiting": "", "crash": ""}.get(outcome.stop, f"; {outcome.stop}")
    return ", ".join(ends) + stop


def parting(one: Outcome, other: Outcome) -> "tuple[str, str]":
    """Finds the first line of a program that is not the same in both outcomes. Returns what happens there in the one, and in the
    other."""
    theirs = dict(other.lines)
    for who in dict.fromkeys([*dict(one.lines), *theirs]):
        a, b = dict(one.lines).get(who, ()), theirs.get(who, ())
        for n in range(max(len(a), len(b))):
            if a[n:n + 1] != b[n:n + 1]:
                return _at(who, a, n), _at(who, b, n)
    mine, others = dict(one.endings), dict(other.endings)
    for who in mine:
        if mine[who] != others.get(who, mine[who]):
            return f"the {who} ends with {mine[who]}", f"it ends with {others[who]}"
    return f"the run stops otherwise ({one.stop})", f"it stops so: {other.stop}"


def _at(who: str, lines: "tuple[str, ...]", n: int) -> str:
    if n < len(lines):
        seen = lines[n].startswith(SEEN)
        return f"a call of the {who} gives `{lines[n][len(SEEN):]}`" if seen else f"the {who} says `{lines[n]}`"
    if lines and lines[-1].startswith(SEEN):
        return f"nothing else of the {who} follows its call that gives `{lines[-1][len(SEEN):]}`"
    return f"the {who} says nothing after `{lines[-1]}`" if lines else f"the {who} says nothing"


def _contract(found: Report, scenario: Scenario) -> Iterator[str]:
    if not found.judged:
        yield "There is no contract.txt, so nothing is judged."
        for one in found.broken[:1]:
            yield f"{len(found.broken)} of {found.count} schedules ended in a crash, in a deadlock, or not at all:"
            yield f"  {one.verdict.word}: {schedule_in_words(one.schedule)}"
            yield f"  {command(one.schedule, scenario.number, found.skip).replace('make step', 'make check')}"
        return
    if found.skip:
        yield "The contract is not judged: it may count on the pauses."
        return
    for one in found.broken[:1]:
        if len(found.broken) == found.count:
            yield "The contract was broken in every schedule:"
        else:
            yield f"The contract was broken in {len(found.broken)} of {found.count} schedules. In the others luck kept it."
        yield from _first_difference(one)
        yield f"  {schedule_in_words(one.schedule)}"
        yield f"  {command(one.schedule, scenario.number, found.skip).replace('make step', 'make check')}"
    for never in found.never_seen:
        yield f"No schedule showed: {never.statement}  ({scenario.name}/contract.txt:{never.line})"
    if found.status == 0:
        yield "The contract held in each of them."


def _first_difference(one: Tried) -> Iterator[str]:
    """Yields what went wrong in one schedule, and the contract's line about it, if it has one."""
    first = one.verdict.differences[0] if one.verdict.differences else None
    sentence = words.sentence_of(first, one.run) if first and one.run else one.outcome.stop
    yield f"  {sentence if one.verdict.word == 'differs' else f'{one.verdict.word}: {sentence}'}"
    if first and first.line:
        yield f"  contract.txt:{first.line}: {first.statement}"
