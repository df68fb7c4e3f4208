"""A first contract for programs that have none, written from what their runs did.

Every schedule with one delay is run, and the plain run twice. The draft gets the lines of each program as they came; the orders
across programs that something forced in each of these runs; how each program ended; how many bytes went each way, and which facts
the wire showed, where all runs agree. If the runs had different outcomes, each outcome gets a branch of an either block.

Threads of one program whose lines nothing orders come in any order. Then the lines of the program's first thread are written, and
others are allowed. A number that differs between the two plain runs (a port, a process id) is written as `...`.

The draft is judged against all runs before it is printed, and what one of them does not keep is left out. So the programs keep it
at once, in explore as well. It says what the programs do, and not what they should do: the author deletes what is not meant.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Callable, Collection, Iterable, Iterator, Optional

from ..judge import causes, comparison
from ..judge import contract as contracts
from ..judge.cast import Cast
from ..judge.contract import index_of, role_of
from ..stage.conductor import Conductor, VirtualClock
from ..stage.scenarios import Scenario
from ..trace import Event, Run
from . import schedules

BRANCHES_MAX = 8        # up to so many outcomes get a branch each; if there are more, only what they share is written
_ATTEMPTS = 20          # how often the draft is judged, and written again without what some run does not keep
_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9]+")
_HOW = re.compile(rf"exit \d+|signal \w+|waiting in ({'|'.join(contracts.CALLS)})")


class NoDraft(Exception):
    """No contract can be drafted from these runs. The text says why, and what to do."""


def draft(scenario: Scenario, *, limit: int = schedules.LIMIT, isolate: bool = True, observe: bool = True,
          stop: Callable[[], bool] = lambda: False) -> str:
    """Returns the text of a contract. Raises NoDraft, and KeyboardInterrupt if `stop` returns True."""
    plain = [Conductor(scenario, VirtualClock(), isolate=isolate, observe=observe, tick=stop).run() for _ in range(2)]
    _refuse(plain)
    found = schedules.explore(scenario, limit=limit, isolate=isolate, observe=observe, draft=True, stop=stop)
    explored = [one.run for group in found.groups for one in group if one.ran and one.run is not None]
    _refuse(explored)
    return write(scenario.name, plain, explored, scenario.stage.names)


def _refuse(runs: Iterable[Run]) -> None:
    """Raises if a run ended in a way that nobody can mean."""
    for run in runs:
        if run.stop.kind == "interrupted":
            raise KeyboardInterrupt
        if run.stop.kind in ("crash", "runaway", "no progress"):
            raise NoDraft(f"a run ended as {run.stop.kind} ({run.stop.words}); mend the programs first, then draft the contract")


def write(name: str, plain: "list[Run]", explored: "list[Run]", names: "tuple[str, ...]" = contracts.NAMES) -> str:
    """Returns the text of a contract for these runs: the plain ones and the explored ones. Raises NoDraft."""
    made = _Draft(name, plain, explored)
    for one in (made.branches, made.shared):
        entries = one()
        text = _kept(name, entries, plain, explored, names) if entries else None
        if text is not None:
            return text
    raise NoDraft("its runs have no line in common that a contract could ask for; write the contract by hand (harness/CONTRACT.md)")


# --- what the draft is made of ---------------------------------------------------------------------------------------

@dataclass
class _Entry:
    """One statement of the draft. `afters` has its references: by the reference's text in a Difference, its text in the contract."""

    words: str
    branch: Optional[int] = None            # the number of its branch in the either block; None: it stands outside
    afters: "dict[str, str]" = field(default_factory=dict)
    is_line: bool = False
    block: str = ""                         # statements of one block stand together


Line = tuple[str, int]      # WHO, and the index of one of its lines


def _by_hand(run: Run) -> Run:
    """Returns the run as if no start had waited for a line `listening`, because it is the lab that waits for that, and not TCP."""
    listens = {event.seq for event in run.events if event.kind == "listen"}
    return replace(run, starts=tuple(replace(start, after=tuple(place for place in start.after if place not in listens)) for start in run.starts))


class _Seen:
    """One run, as the draft looks at it."""

    def __init__(self, run: Run, whos: "tuple[str, ...]", masks: "Collection[tuple[str, str, int]]" = (),
                 loose: "tuple[str, ...]" = ()) -> None:
        self.run, self.cast = run, Cast(run, whos)
        self.order = causes.derive(_by_hand(run), self.cast.sides)
        self.events = {who: () if self.cast.mixed(who) else self.cast.lines(who) for who in whos}
        for who in loose:
            self.events[who] = tuple(e for e in self.events[who] if (e.pid, e.tid) == (self.events[who][0].pid, self.events[who][0].tid))
        self.lines = {who: tuple(_masked(who, e.text, masks) for e in events) for who, events in self.events.items()}
        self.ends = {who: how for who in whos if (how := self._how(who))}
        self.cycle = run.stop.cycle if run.stop.kind == "deadlock" else ()

    @property
    def outcome(self) -> "tuple[object, ...]":
        return tuple(self.lines.items()), tuple(self.ends.items()), self.cycle

    def _how(self, who: str) -> str:
        """Returns how WHO ended, in the contract's words; "" if its processes ended in different ways, or in a way for which the
        contract has no words."""
        name = role_of(who)
        mine = [end for end in self.run.endings if end.who == name]
        if index_of(who) and self.cast.listens(name):
            return ""
        if index_of(who):
            mine = [end for end in mine if end.pid == self.cast.pid(who)]
        hows = {end.how for end in mine}
        return hows.pop() if len(hows) == 1 and _HOW.fullmatch(next(iter(hows))) else ""

    def is_loose(self, who: str) -> bool:
        """Are there two lines of WHO, one after the other, that nothing orders?"""
        return any(e.kind != "output" and not self.order.forced(e.seq, then.seq) for e, then in zip(self.events[who], self.events[who][1:]))

    def forced(self, before: Event, event: Event) -> bool:
        return "output" not in (before.kind, event.kind) and self.order.forced(before.seq, event.seq, clock=False)

    def by_clock(self, before: Event, event: Event) -> bool:
        return "output" not in (before.kind, event.kind) and self.order.by_clock(before.seq, event.seq)


def _masked(who: str, text: str, masks: "Collection[tuple[str, str, int]]") -> str:
    """Returns the text with `...` in place of the numbers that differ from run to run."""
    kind, counter = _NUMBER.sub("0", text), iter(range(len(text)))
    return _NUMBER.sub(lambda found: "..." if (who, kind, next(counter)) in masks else found[0], text)


def _masks(runs: "list[_Seen]") -> "set[tuple[str, str, int]]":
    """Returns the numbers that differ between runs of the same kind, each as (WHO, the text with 0 for each number, the index of
    the number)."""
    first, *others = runs
    found = set()
    for other in others:
        for who, lines in first.lines.items():
            for one, two in zip(lines, other.lines[who]):
                kind, pairs = _NUMBER.sub("0", one), enumerate(zip(_NUMBER.findall(one), _NUMBER.findall(two)))
                if kind == _NUMBER.sub("0", two):
                    found |= {(who, kind, n) for n, (a, b) in pairs if a != b}
    return found


def _whos(runs: "list[Run]") -> "tuple[str, ...]":
    """Returns each WHO that has lines of its own in the draft, in the order of the cast. If there are several of a name, they are
    NAME[n]."""
    found: "list[str]" = []
    for role in runs[0].cast:
        if role.listens:
            count = max(sum(made.acceptor is not None and made.acceptor.who == role.name for made in run.connections) for run in runs)
            found += [role.name, *(f"{role.name}[{n}]" for n in range(1, count + 1) if count > 1)]
        else:
            count = max(len(Cast(run, [role.name]).processes(role.name)) for run in runs)
            found += [f"{role.name}[{n}]" for n in range(1, count + 1)] if count > 1 else [role.name]
    return tuple(found)


class _Draft:
    def __init__(self, name: str, plain: "list[Run]", explored: "list[Run]") -> None:
        self.name, self.whos = name, _whos([*plain, *explored])
        bare = [_Seen(run, self.whos) for run in (*explored, *plain)]
        self.loose = tuple(who for who in self.whos if any(one.is_loose(who) for one in bare))
        masks = _masks([_Seen(run, self.whos, loose=self.loose) for run in plain])
        self.all = [_Seen(run, self.whos, masks, self.loose) for run in (*explored, *plain)]
        self.seen = self.all[:len(explored)]
        groups: "dict[tuple[object, ...], list[_Seen]]" = {}
        for one in self.seen:
            groups.setdefault(one.outcome, []).append(one)
        self.groups = list(groups.values())
        self.prefix = {who: self._common(who, self.seen) for who in self.whos}

    def _common(self, who: str, seen: "list[_Seen]") -> int:
        """Returns how many lines of WHO, from the first on, are the same in all of these runs."""
        lines = [one.lines[who] for one in seen]
        shortest = min(map(len, lines))
        return next((n for n in range(shortest) if len({those[n] for those in lines}) > 1), shortest)

    def branches(self) -> "list[_Entry]":
        """Returns all that was seen: what the runs share, and a branch for each outcome if there are several. Returns [] for too
        many outcomes."""
        if len(self.groups) > BRANCHES_MAX:
            return []
        found = [entry for who in self.whos for entry in self._lines(who, 0, self.prefix[who], self.all, None)]
        found += [_Entry(f"{who} others allowed", block="open") for who in self.loose]
        if len(self.groups) == 1:
            return [*found, *self._ends(self.groups[0][0], None), *self._facts()]
        for number, group in enumerate(self.groups):
            for who in self.whos:
                found += self._lines(who, self.prefix[who], len(group[0].lines[who]), group, number)
            found += self._ends(group[0], number)
        return [*found, *self._facts()]

    def shared(self) -> "list[_Entry]":
        """Returns only what all runs share; other lines are allowed. Returns [] if they share no line."""
        common = {who: self._common(who, self.all) for who in self.whos}
        self.prefix = common
        found = [entry for who in self.whos for entry in self._lines(who, 0, common[who], self.all, None)]
        found.append(_Entry("others allowed", block="open"))
        ends = {who: how for who, how in self.all[0].ends.items() if all(one.ends.get(who) == how for one in self.all)}
        return [*found, *(_Entry(f"{who} ends: {how}", block="ends") for who, how in ends.items()), *self._facts()] if any(common.values()) else []

    def _ends(self, one: _Seen, branch: Optional[int]) -> Iterator[_Entry]:
        for who, how in one.ends.items():
            yield _Entry(f"{who} ends: {how}", branch, block="ends")
        if one.cycle:
            yield _Entry(f"deadlock: {', '.join(one.cycle)}", branch, block="ends")

    # lines, and what was forced

    def _lines(self, who: str, begin: int, end: int, seen: "list[_Seen]", branch: Optional[int]) -> Iterator[_Entry]:
        for n in range(begin, end):
            text = seen[0].lines[who][n]
            entry = _Entry(f"{who}: {contracts.quoted(text)}", branch, is_line=True, block=who)
            for other in self.whos:
                if other != who:
                    self._order(entry, (who, n), other, seen, branch)
            yield entry

    def _order(self, entry: _Entry, line: Line, other: str, seen: "list[_Seen]", branch: Optional[int]) -> None:
        """Adds the last line of `other` that was forced to come before this one, unless that follows from the line above."""
        most = self.prefix[other] if branch is None else len(seen[0].lines[other])
        above = (line[0], line[1] - 1) if line[1] else None
        at = self._last(seen, (other, most), line, _Seen.forced)
        if at >= 0 and (above is None or self._last(seen, (other, most), above, _Seen.forced) < at):
            self._add(entry, (other, at), seen, "")
        late = self._last(seen, (other, most), line, _Seen.by_clock)
        if late > at and (above is None or self._last(seen, (other, most), above, _Seen.by_clock) < late):
            self._add(entry, (other, late), seen, "clock: ")

    def _last(self, seen: "list[_Seen]", before: Line, line: Line, so: "Callable[[_Seen, Event, Event], bool]") -> int:
        """Returns the index of a line of the WHO in `before`: the last one for which `so` holds in every run that has both lines.
        Returns -1 if there is none."""
        (other, most), (who, n) = before, line
        for at in range(most - 1, -1, -1):
            if all(so(one, one.events[other][at], one.events[who][n]) for one in seen if at < len(one.events[other]) and n < len(one.events[who])):
                return at
        return -1

    def _add(self, entry: _Entry, line: Line, seen: "list[_Seen]", clock: str) -> None:
        who, at = line
        text = seen[0].lines[who][at]
        several = any(one.lines[who].count(text) > 1 for one in self.all)
        number = f" #{seen[0].lines[who][:at + 1].count(text)}" if several else ""
        entry.afters[f"{who}: {text}{number}"] = f"{clock}{who}: {contracts.quoted(text)}{number}"

    # bytes and the wire

    def _facts(self) -> Iterator[_Entry]:
        names = [role.name for role in self.all[0].run.cast]
        totals: "dict[str, int]" = {}
        for sender in names:
            for receiver in names:
                counts = {_sent(one, sender, receiver) for one in self.all}
                if sender != receiver and len(counts) == 1 and None not in counts:
                    count = counts.pop() or 0
                    totals[sender] = count
                    yield _Entry(f"bytes: {sender} -> {receiver} = {count}", block="bytes")
        if all(one.run.wire and not one.run.missing and len(one.run.connections) == 1 for one in self.all):
            for name in names:
                yield from self._wire(name, totals.get(name, 0))

    def _wire(self, name: str, count: int) -> Iterator[_Entry]:
        flags = [{flag for s in one.run.segments if s.sender == name and s.connection for flag in s.flags} for one in self.all]
        last = f"{name} byte {count}"
        if count:
            yield _Entry(f"wire: {last}", block="wire")
        if all("F" in those for those in flags):
            yield _Entry(f"wire: {name} FIN" + (f"  after wire: {last}" if count else ""), block="wire")
        if all("R" in those for those in flags):
            yield _Entry(f"wire: {name} RST", block="wire")


def _sent(one: _Seen, sender: str, receiver: str) -> Optional[int]:
    """Returns how many bytes went that way. Returns None if no record tells, or if the records do not agree."""
    sides = one.cast.sides
    mine = sides.between(sender, receiver)
    if not mine:
        return None
    lines = [e for side in mine for e in sides.lines(side) if e.kind == "send"]
    told = {sum(e.count for e in lines)} if lines else set()
    if one.run.observed:
        written = sides.written(mine)
        told |= {written} if written is not None else set()
    if one.run.wire and not one.run.missing:
        told.add(sum(n for side, n in sides.carried.items() if side in mine))
    return told.pop() if len(told) == 1 else None


# --- is it kept? -----------------------------------------------------------------------------------------------------

def _kept(name: str, entries: "list[_Entry]", plain: "list[Run]", explored: "list[Run]", names: "tuple[str, ...]") -> Optional[str]:
    """Returns the draft, without what some run does not keep. Returns None if it does not keep one of the draft's lines."""
    for _ in range(_ATTEMPTS):
        text, numbers = _text(name, entries, len(plain) + len(explored))
        try:
            loaded = contracts.parse(text, names=names)
        except contracts.ContractError:     # nothing is left of a branch
            return None
        verdicts = [comparison.judge(run, loaded) for run in (*explored, *plain)]
        wrong = {(d.line, d.other): d for verdict in verdicts for d in verdict.differences}
        if not wrong:
            return text if not comparison.explored(verdicts[:len(explored)], loaded) and all(v.status == 0 for v in verdicts) else None
        for (number, other), d in wrong.items():
            entry = numbers.get(number)
            if d.kind == "port":
                raise NoDraft(f"the {d.who} was given port {d.expected}, and listens on port {d.found}; mend that first, then draft the contract")
            if entry is None or entry.is_line and other not in entry.afters:
                return None
            if entry.is_line:
                del entry.afters[other]
            elif entry in entries:
                entries = [one for one in entries if one is not entry]
    return None


def _text(name: str, entries: "list[_Entry]", runs: int) -> "tuple[str, dict[int, _Entry]]":
    """Returns the draft's text, and by its line numbers the statements."""
    lines = [f"# A first contract of {name}, drafted from {runs} runs.", "# It says what they did, and not what is meant: delete what you do not mean.",
             "# Then put a hint below each line that somebody may miss: a question, behind", "# \"    ? \"."]
    numbers: "dict[int, _Entry]" = {}

    def put(those: "list[_Entry]", indent: str) -> None:
        width = max((len(one.words) for one in those if one.afters), default=0) + 3
        block = None
        for one in those:
            if not indent and one.block != block:
                lines.append("")
            block = one.block
            after = " and ".join(one.afters.values())
            lines.append(indent + (f"{one.words:{width}} after {after}" if after else one.words))
            numbers[len(lines)] = one
    common = [one for one in entries if one.branch is None]
    ends_of_lines = next((n for n, one in enumerate(common) if not one.is_line), len(common))
    put(common[:ends_of_lines], "")
    branches = sorted({one.branch for one in entries if one.branch is not None})
    if branches:
        lines += ["", f"# The runs had {len(branches)} outcomes. Each branch is one of them."]
    for branch in branches:
        lines.append("either:" if branch == 0 else "or:")
        put([one for one in entries if one.branch == branch], "    ")
    put(common[ends_of_lines:], "")
    return "\n".join(lines) + "\n", numbers
