"""progress: shows which lessons were run and predicted, which exercises have passed, and what comes next."""
from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any, Iterator

from ..learn import exercises, progress
from ..stage.scenarios import ROOT, find_all, lesson
from ..learn.exercises import OWN
from ..tell import screen
from . import shared


def add(commands: Any) -> None:
    text = "what you have done, and what comes next"
    command = commands.add_parser("progress", help=text, description=text)
    command.set_defaults(go=go)


@dataclass(frozen=True)
class _Row:
    """One lesson, with what the learner has done. `passed` has each exercise's letter, and whether it has passed."""

    number: str         # "02"
    name: str
    ran: bool
    predicted: bool
    passed: "tuple[tuple[str, bool], ...]"

    def line(self, wide: int) -> str:
        marks = " ".join(letter if done else "." for letter, done in self.passed)
        return f"{self.number}  {self.name:{wide}}  {'yes' if self.predicted else '-':9}  {'yes' if self.ran else '-':3}  {marks}".rstrip()

    def next(self) -> "Iterator[str]":
        """Yields the commands that are left to do, in the order of a lesson."""
        number = str(int(self.number))
        yield from [] if self.predicted else [f"make predict-{number}"]
        yield from [] if self.ran or not self.predicted else [f"make scenario-{number}"]
        yield from (f"make exercise-{number}{letter}" for letter, done in self.passed if not done)


def go(args: argparse.Namespace) -> int:
    known = progress.read(shared.build_folder())
    rows = list(_rows(known))
    if not rows:
        return shared.complain("there is no lesson here", 2)
    wide = max(len(row.name) for row in rows)
    print(f"{'':4}{'lesson':{wide}}  predicted  ran  exercises that passed")
    for row in rows:
        print(row.line(wide))
    todo = next(((row, command) for row in rows for command in row.next()), None)
    if todo is None:
        print("\nAll lessons are done.")
    else:
        print(f"\nnext: {todo[1]}   lesson: {lesson(f'{todo[0].number}-{todo[0].name}')}")
    for words in known.broken:
        screen.say(f"note: {words}", sys.stderr)
    return 0


def _rows(known: progress.Progress) -> "Iterator[_Row]":
    for scenario in find_all():
        number, _, name = scenario.name.partition("-")
        if int(number) >= OWN or not (ROOT / lesson(scenario.name)).is_file():
            continue
        passed = tuple((letter, known.has("passed", f"{number}{letter}")) for letter in exercises.letters(scenario.folder))
        yield _Row(number, name, known.has("ran", number), known.has("predicted", number), passed)
