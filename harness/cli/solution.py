"""solution: asks, then shows the reference of an exercise."""
from __future__ import annotations

import argparse
import sys
from typing import Any

from ..learn import exercises
from ..tell import screen, words
from . import shared


def add(commands: Any) -> None:
    text = "ask, then show the reference of an exercise"
    command = commands.add_parser("solution", help=text, description=text)
    command.add_argument("exercise", metavar="NX", help="a lesson's number and a letter: 2a")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    exercise = exercises.find_exercise(args.exercise)
    what = f'the solution of exercise {exercise.name}, "{exercise.title}"'
    if not args.yes and not shared.agreed(f"This shows {what}. A hint tells less: make exercise-{exercise.name} gives one. Show it?",
                                          f"solution {exercise.name}"):
        return 0
    print(f"exercise {exercise.name}: {exercise.title}\n\n{exercise.solution.rstrip()}\n")
    width, terminal = screen.width_of(sys.stdout), sys.stdout.isatty()
    print("\n".join(part for line in ["Why it works:", *exercise.why.split("\n")] for part in words.folded(line, width, terminal)))
    return 0
