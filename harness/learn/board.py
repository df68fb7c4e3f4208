"""What `make watch-N` shows: a pure function from its state to the lines of the screen.

From the top it shows: the scenario, and how often it was checked; what is going on, or the verdict in check's words; the
contract's lines with their marks; the hints that were asked for; at the bottom the keys that do something now. If the screen is
too small, the less important parts get shorter, and say how much is missing.
"""
from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import Callable, Optional

from ..judge import marks
from ..tell import compiler
from ..tell.fullscreen import cut
from ..tell.words import folded

SIGNS = {marks.HELD: ("✓", "+"), marks.DIFFERS: ("✗", "x"), marks.NOT_REACHED: ("·", ".")}
COLOURS = {marks.HELD: "32", marks.DIFFERS: "31", marks.NOT_REACHED: ""}
NARROW = 60         # with fewer columns, keys and heads are short
FEWEST = 4          # so many lines of the contract are always shown, if it has so many
TALL = 30           # with at least so many rows, earlier hints are shown, too


@dataclass(frozen=True)
class Checked:
    """The result of one check. `tell(width, colour, picture)` returns the verdict in check's words. `contract` has (line, words)
    of each statement, and `marks` the mark of each line. `hints` has all hints, and `what` names the difference that they are
    about."""

    word: str
    status: int
    tell: Callable[[int, bool, bool], str]
    contract: "tuple[tuple[int, str], ...]" = ()
    marks: "tuple[tuple[int, str], ...]" = ()
    first: int = 0          # the number of the contract's line that the first difference is about
    hints: "tuple[str, ...]" = ()
    what: str = ""
    message: str = ""       # why there is no verdict: the compiler's words, a mistake in the contract
    warnings: str = ""      # the compiler's warnings, if the verdict is not as expected
    why: str = ""           # if an exercise is done: why it works


@dataclass(frozen=True)
class Task:
    """An exercise: its name "2a", its title, what is to be done, and a line that says where its code is ("" if it is in the
    watched folder)."""

    name: str
    title: str
    text: str
    place: str = ""


@dataclass
class State:
    """All that the screen shows."""

    name: str
    checks: int = 0                         # how many checks have ended
    failed: int = 0                         # how many checks in a row found a difference
    doing: str = ""                         # what is going on now, "" if nothing is
    changed: "tuple[str, ...]" = ()         # the files whose change is being checked
    checked: Optional[Checked] = None       # the result for the present text; None: there is none yet
    hints: int = 0                          # how many hints are shown
    asking: bool = False                    # whether the screen asks for a prediction
    typed: str = ""
    prediction: str = ""
    notes: "list[str]" = field(default_factory=list)
    keys: "tuple[tuple[str, str], ...]" = ()    # (key, what it does) for each key that does something now
    task: Optional[Task] = None             # the exercise whose contract judges the programs

    @property
    def check(self) -> str:
        """The command that makes the same check."""
        return f"make exercise-{self.task.name}" if self.task else f"make check-{int(self.name.split('-')[0])}"


def lines(state: State, columns: int, rows: int, colour: bool, unicode: bool = True) -> "list[str]":
    """Returns at most `rows` lines of at most `columns` columns."""
    board = _Board(state, columns, colour, unicode)
    top, bottom = board.head(), [*board.hints(rows >= TALL), *board.question(), *board.keys()]
    room = max(rows - len(top) - len(bottom), 0)
    found = [*top, *board.middle(room)]
    found += [""] * (rows - len(found) - len(bottom)) + bottom
    return [cut(line.expandtabs(), columns) for line in found[:rows]]


class _Board:
    def __init__(self, state: State, columns: int, colour: bool, unicode: bool) -> None:
        self.state, self.columns, self.colour, self.unicode = state, columns, colour, unicode
        self.narrow = columns < NARROW

    def _dyed(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def _folded(self, text: str) -> "list[str]":
        return [part for line in text.split("\n") for part in (folded(line, self.columns) if line.strip() else [""])]

    # the parts

    def head(self) -> "list[str]":
        s = self.state
        left = s.name if self.narrow else f"watching scenarios/{s.name}"
        right = f"check {s.checks}" if s.checks else ""
        return [left + " " * max(self.columns - len(left) - len(right), 1) + right, "-" * self.columns if not self.unicode else "─" * self.columns,
                *self._task()]

    def _task(self) -> "list[str]":
        """What the exercise asks for, until it is done."""
        task, checked = self.state.task, self.state.checked
        if task is None:
            return []
        told = [task.text, *([task.place] if task.place else [])] if checked is None or checked.status else []
        return [*self._folded("\n".join([f"exercise {task.name}: {task.title}", *told])), ""]

    def middle(self, room: int) -> "list[str]":
        s = self.state
        if s.doing or s.checked is None:
            what = f"{' and '.join(s.changed)} changed: {s.doing}" if s.changed and s.doing else s.doing or "waiting"
            return self._folded(what)[:room]
        contract = self._contract()
        verdict = self._verdict(room - min(len(contract), FEWEST + 1) - 1)
        left = room - len(verdict) - 1
        return [*verdict, *([""] if contract else []), *self._window(contract, left)][:room]

    def _verdict(self, room: int) -> "list[str]":
        """Returns the verdict in check's words; without the lines around the place if there is no room for them."""
        s, checked = self.state, self.state.checked
        assert checked is not None
        notes = [line for note in s.notes for line in self._folded(note)]
        if checked.message:
            told = [*(self._compiler(checked.message) if checked.word == "does not build" else self._folded(checked.message)),
                    *([self._dyed("does not build", "31") + ": nothing was run"] if checked.word == "does not build" else [])]
        else:
            warned = ["The compiler warned:", *self._compiler(checked.warnings)] if checked.warnings else []
            warned += ["", *self._folded(checked.why)] if checked.why else []
            told = [*checked.tell(self.columns, self.colour, True).rstrip("\n").split("\n"), *warned]
            if len(told) + len(notes) > room:
                told = [*checked.tell(self.columns, self.colour, False).split("\n"), *warned]
        told = [*told, *notes]
        if len(told) > room > 0:
            told = [*told[:room - 1], f"({len(told) - room + 1} more lines: {s.check})"]
        return told

    def _compiler(self, said: str) -> "list[str]":
        """Returns the compiler's words. Messages are broken between words; the source lines that it quotes are not broken."""
        shown = compiler.shown(said, self.colour).split("\n")
        return [part for line in shown for part in ([line] if line.startswith(" ") or not line else
                                                    textwrap.wrap(line, self.columns, subsequent_indent="  ", break_on_hyphens=False))]

    def _contract(self) -> "list[tuple[int, str, str]]":
        """Returns (number, mark, line) for each statement of the contract that has a mark."""
        checked = self.state.checked
        known = dict(checked.marks) if checked is not None else {}
        return [(number, known[number], re.sub(r" {3,}", "  ", words)) for number, words in (checked.contract if checked else ()) if number in known]

    def _window(self, contract: "list[tuple[int, str, str]]", room: int) -> "list[str]":
        """Returns as many lines of the contract as have room, around the first one that differs. A head counts all lines by their
        marks."""
        if not contract or room <= 0:
            return []
        counts = {mark: sum(one == mark for _, one, _ in contract) for mark in SIGNS}
        total = "  ".join(f"{self._sign(mark)} {n} {'differ' if mark == marks.DIFFERS and n > 1 else mark}" for mark, n in counts.items() if n)
        head = total if self.narrow else f"contract.txt   {total}"
        wrong = [n for n, (number, mark, _) in enumerate(contract) if mark != marks.HELD]
        first = next((n for n, (number, _, _) in enumerate(contract) if self.state.checked and number == self.state.checked.first), (wrong or [0])[0])
        size = room - 1
        begin = 0 if len(contract) <= size else max(0, min(first - size // 2, len(contract) - size))
        shown = [f"  {self._sign(mark)} {self._short(line)}" for _, mark, line in contract[begin:begin + size]]
        if 2 < size < len(contract):
            above, below = begin, len(contract) - begin - size
            if above:
                shown[0] = f"    ... {above + 1} lines above"
            if below:
                shown[-1] = f"    ... {below + 1} lines more"
        return [head, *shown]

    def _short(self, line: str) -> str:
        room = self.columns - 4     # a sign stands before it
        return line if len(line) <= room else line[:room - 3] + "..."

    def _sign(self, mark: str) -> str:
        return self._dyed(SIGNS[mark][0 if self.unicode else 1], COLOURS[mark])

    def hints(self, every: bool) -> "list[str]":
        """Returns the hints that were asked for: all of them with `every`, else the last one."""
        s = self.state
        if s.checked is None or s.doing:
            return []
        shown = [f"hint {n} of {len(s.checked.hints)}: {text}" for n, text in enumerate(s.checked.hints[:s.hints], 1)]
        found = [part for text in (shown if every else shown[-1:]) for part in self._folded(text)]
        told = [self._dyed(line, "36") for line in found]
        return ["", *told] if told else []

    def question(self) -> "list[str]":
        s = self.state
        if s.asking:
            return ["", *self._folded("Before you change it again: what will the next check say? One line; Enter alone skips."), f"> {s.typed}_"]
        return []

    def keys(self) -> "list[str]":
        s = self.state
        if s.asking:
            return []
        if self.narrow:
            return ["", *self._folded(" ".join(f"{key}:{what.split()[0]}" for key, what in s.keys))]
        return ["", *self._folded("   ".join(f"{key} {what}" for key, what in s.keys))]
