"""hint: shows one more hint for what is wrong with a scenario now. It runs the scenario, as check does, and ends with 0 whatever
the programs did."""
from __future__ import annotations

import argparse
import sys
from typing import Any

from ..learn import exercises, hints
from ..stage.scenarios import Scenario, find
from ..tell import screen, words
from . import shared
from .outcome import Outcome, attempt


def add(commands: Any) -> None:
    text = "one more hint each time, for what is wrong now"
    command = commands.add_parser("hint", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each([scenario], interrupt, later=True)
        outcome = broken.get(scenario.name) or attempt(scenario.name, lambda: _hint(scenario, lab, interrupt))
    outcome.complain()
    return 0 if outcome.verdict is not None else outcome.status      # as with run, what the programs did does not change the exit status


def _hint(scenario: Scenario, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    judged = shared.one_run(scenario, argparse.Namespace(trace=None), shared.policy(scenario, real_time=False), lab, tick=lambda: interrupt.came)
    outcome = judged.outcome()
    if outcome.word == "interrupted":
        return outcome
    steps = hints.of(scenario, judged.verdict, judged.run, judged.contract)
    told = _next(scenario, judged, steps) if steps else _nothing(judged)
    width, terminal = screen.width_of(sys.stdout), sys.stdout.isatty()
    print("\n".join(part for line in told for part in words.folded(line, width, terminal)), flush=True)
    return outcome


def _nothing(judged: shared.Judged) -> "list[str]":
    name, number = judged.scenario.name, judged.scenario.number
    if judged.contract is None:
        own = [f"make exercise-{one.name} judges it, and gives a hint." for one in exercises.of_folder(judged.scenario)]
        return [f"{name} has no contract.txt, so nothing is judged, and there is nothing to give a hint for. make scenario-{number} explains the run.", *own]
    return [f"{name} is as expected: there is nothing to give a hint for."]


def _next(scenario: Scenario, judged: shared.Judged, steps: "tuple[str, ...]") -> "list[str]":
    """Returns the lines with the next hint. If all were seen, they have all of them again."""
    what = hints.key(judged.verdict)
    seen = min(hints.seen(scenario, what), len(steps))
    first = judged.verdict.differences[0] if judged.verdict.differences else None
    head = f"{scenario.name}: {judged.verdict.word}" + (f": {words.sentence_of(first, judged.run)}" if first else "")
    if seen < len(steps):
        hints.remember(scenario, what, seen + 1)
        more = [f"The next one: make hint-{scenario.number}"] if seen + 1 < len(steps) else []
        return [head, f"hint {seen + 1} of {len(steps)}: {steps[seen]}", *more]
    return [head, *(f"hint {n} of {len(steps)}: {text}" for n, text in enumerate(steps, 1)), "There are no more hints for this."]
