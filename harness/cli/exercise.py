"""exercise: judges whether the present code does what an exercise asks for. If it does, shows why it works, and how the reference
differs."""
from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from typing import Any, Callable, Iterator

from ..learn import changes, exercises, originals, progress
from ..learn.exercises import Exercise
from ..stage.build import build
from ..stage.conductor import VirtualClock
from ..stage.scenarios import Scenario, find
from ..tell import screen, words
from . import shared
from .outcome import Outcome, Usage, attempt


def add(commands: Any) -> None:
    text = "judge the present code by an exercise"
    command = commands.add_parser("exercise", help=text, description=text)
    command.add_argument("exercise", metavar="NX", help="a lesson's number and a letter: 2a")
    command.add_argument("--in", dest="place", metavar="N", default="", help="the scenario that holds the code, as 90; else the one that make start-NX "
                         "has laid out last, or the lesson's own")
    command.add_argument("--json", action="store_true", help="the verdict as one JSON object (harness/TRACE.md)")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    exercise = exercises.find_exercise(args.exercise)
    own = exercises.own_folder(exercise)
    scenario = find(args.place) if args.place else own or find(exercise.scenario)
    scenario = dataclasses.replace(scenario, rules=exercise.contract)
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each([scenario], interrupt, later=True)
        outcome = broken.get(scenario.name) or attempt(scenario.name, lambda: _judge(exercise, scenario, args, lab, interrupt))
    if args.json:
        print(outcome.json())
        return outcome.status
    return outcome.complain()


def _judge(exercise: Exercise, scenario: Scenario, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    judged = run(exercise, scenario, args.place, lab, lambda: interrupt.came)
    passed = judged.verdict.status == 0
    if judged.verdict.word == "interrupted" or args.json:
        note(exercise, judged)
        return judged.outcome()
    width, terminal = screen.width_of(sys.stdout), sys.stdout.isatty()
    print("\n".join(_fold([f"exercise {exercise.name}: {exercise.title}   (scenarios/{scenario.name})"], width, terminal)))
    if not passed:
        print("\n".join(_fold(exercise.task.split("\n"), width, terminal)) + "\n")
        for said in judged.run.notes:
            print("\n".join(_fold([f"note: {said}"], width, terminal)))
    print(judged.tell(width=width, colour=screen.wants_colour(sys.stdout), fold=terminal, rows=screen.rows_of(sys.stdout)), flush=True)
    shared.compiler_said(scenario, not passed)
    if passed:
        told = ["", "Why it works:", *exercise.why.split("\n"), "", *_compared(exercise, scenario), *uncounted(judged)]
        print("\n".join(_fold(told, width, terminal)))
    elif exercise.start and not args.place and scenario.name == exercise.scenario:
        print(f"make start-{exercise.name} lays out a skeleton for this exercise, in a folder of its own.")
    note(exercise, judged)
    return judged.outcome()


def run(exercise: Exercise, scenario: Scenario, place: str, lab: shared.Lab, stop: "Callable[[], bool]") -> shared.Judged:
    """Makes a run and judges it. If it passes, makes one more in each way of delivery under which the exercise's contract holds: so a program that
    counts reads, or only says that it has read, does not pass. Then runs one of the programs beside the exercise's other one, if it has one: so a
    program that only knows what the first run brings does not pass. Returns the first run that does not pass, else the first one."""
    first = shared.one_run(scenario, argparse.Namespace(trace=None), shared.policy(scenario, real_time=False), lab, tick=stop)
    first = dataclasses.replace(first, reproduce=command(exercise, place))
    asked = os.environ.get("DELIVERY") or os.environ.get("SCHEDULE")
    if not first.promised:
        raise Usage(f"exercise {exercise.name} says nothing of DELIVERY={first.way}, so nothing can be judged; take DELIVERY away")
    for way in first.contract.deliveries if first.contract and first.verdict.status == 0 and first.run.observed and not asked else ():
        other = shared.one_run(scenario, argparse.Namespace(trace=None), shared.delivery(way, shared.no_pause()), lab, tick=stop)
        if other.verdict.status or other.verdict.word == "interrupted":
            return dataclasses.replace(other, reproduce=f"DELIVERY={way} {first.reproduce}")
    if exercise.other and first.verdict.status == 0 and first.verdict.word != "interrupted":
        build([exercises.other(exercise)], only=exercise.other)
        other = shared.one_run(exercises.beside(exercise, scenario), argparse.Namespace(trace=None), VirtualClock(shared.no_pause()), lab, tick=stop)
        if other.verdict.status or other.verdict.word == "interrupted":
            notes = (_with_another(exercise), *other.run.notes)
            return dataclasses.replace(other, run=dataclasses.replace(other.run, notes=notes), reproduce=first.reproduce)
    return first


def _with_another(exercise: Exercise) -> str:
    """Returns in words what the run with the exercise's other program is."""
    mine = "server" if exercise.other == "client" else "client"
    return (f"your two programs passed together. Then your {mine} was run with another {exercise.other}. This is that run, and it did not pass. "
            f"The other {exercise.other} is {exercise.source}/{exercises.FOLDER}/{exercise.letter}/{exercises.OTHER}/{exercise.other}.c")


def command(exercise: Exercise, place: str) -> str:
    """Returns the command that judges the exercise again."""
    return f"make exercise-{exercise.name}{f' IN={place}' if place else ''}"


def _fold(lines: "list[str]", width: int, terminal: bool) -> "Iterator[str]":
    """Yields the lines. Sentences are broken at the width of a terminal. Code is not broken; its lines begin with a sign."""
    return (part for line in lines for part in (words.folded(line, width, terminal and line[:1] not in (" ", "+", "-", "@")) or [""]))


def note(exercise: Exercise, judged: shared.Judged) -> None:
    """Notes a pass as progress, if the pass counts."""
    if judged.verdict.status == 0 and judged.verdict.word != "interrupted" and not list(uncounted(judged)):
        progress.note(judged.scenario.build.parent, "passed", exercise.number)


def uncounted(judged: shared.Judged) -> "Iterator[str]":
    """Yields a sentence if a pass does not count as progress, because it proves too little."""
    if not judged.run.observed:
        yield "make progress does not count this: the calls were not seen, and a log line alone would have passed, too."
    elif shared.no_pause():
        yield "make progress does not count this: the pauses were switched off."


def _compared(exercise: Exercise, scenario: Scenario) -> "list[str]":
    """Returns in lines how the reference differs from the learner's code."""
    home = find(exercise.scenario)
    try:
        original = originals.of(home)
        theirs = _code(exercises.headed(exercise, originals.text(originals.present(scenario, original))))     # what is said at the top is not compared
        reference = _code(exercises.solved(exercise, originals.text(original)))
    except (originals.NoOriginal, exercises.ExerciseError, OSError) as error:
        return [f"The reference can't be compared with your code: {error}"]
    lines = list(changes.difference(theirs, reference, ("yours", "the reference")))
    return ["How the reference differs from your code (- yours, + the reference):", *lines] if lines else ["Your code is the reference, letter by letter."]


def _code(files: changes.Files) -> "dict[str, str]":
    """Returns the files that are compared. The contract and the question are left out."""
    return {name: text for name, text in files.items() if name not in exercises.OF_THE_LESSON}
