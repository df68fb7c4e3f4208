"""quiz: asks small questions about real runs, as many as the learner likes."""
from __future__ import annotations

import argparse
import os
import random
import sys
import textwrap
from typing import Any

from ..learn.keys import Ended, Keys
from ..learn.quiz import KINDS
from ..learn.quiz.asked import Asked
from ..learn.quiz.seen import Runs
from ..stage.scenarios import Scenario, lesson
from ..tell import screen, words
from . import shared
from .outcome import Outcome, Usage

FRESH = 40      # tries to find a question that was not asked yet


def add(commands: Any) -> None:
    text = "questions about real runs"
    command = commands.add_parser("quiz", help=text, description=text + ": the same SEED, the same questions")
    command.add_argument("scenario", nargs="*", metavar="N", help="of these scenarios; of those that have a lesson if none is named")
    command.add_argument("--kind", action="append", choices=sorted(KINDS), metavar="KIND", help=f"only questions of this kind: {', '.join(sorted(KINDS))}")
    command.set_defaults(go=go)


def seed() -> int:
    """Returns the seed that SEED= names, or else a random one. Raises Usage."""
    asked = os.environ.get("SEED", "")
    if not asked:
        return random.SystemRandom().randrange(10000)
    if not (asked.isascii() and asked.isdecimal() and len(asked) < 10):
        raise Usage(f"SEED={asked!r}: a seed is a whole number of at most nine digits, SEED=7")
    return int(asked)


def go(args: argparse.Namespace) -> int:
    scenarios, unknown = shared.wanted(args.scenario)
    if unknown:
        return max(outcome.complain() for outcome in unknown)
    scenarios = [one for one in scenarios if args.scenario or lesson(one.name)]
    chosen, interrupt = seed(), shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each(scenarios, interrupt)
        scenarios = [one for one in scenarios if one.name not in broken]
        status = max((_left_out(one) for one in broken.values()), default=0)
        if not scenarios:
            return status
        keys = Keys(interrupt.at_once())
        runs = Runs(lambda: lab.keeper, width=min(screen.width_of(sys.stdout), 100) - 1, isolate=shared.isolate(), observe=shared.observe())
        quiz = Quiz(scenarios, runs, chosen, args.kind or sorted(KINDS))
        again = f"SEED={chosen} make quiz" + (f"-{scenarios[0].number}" if args.scenario and len(scenarios) == 1 else "")
        print(f"{again} asks these questions again. q or Ctrl-D leaves.")
        return _play(quiz, keys)


def _left_out(outcome: Outcome) -> int:
    status = outcome.complain()
    print(f"{outcome.scenario} is left out", file=sys.stderr)
    return status


class Quiz:
    """The questions of one seed, one after the other. The learner's answers do not change them."""

    def __init__(self, scenarios: "list[Scenario]", runs: Runs, number: int, kinds: "list[str]") -> None:
        self.scenarios, self.runs, self.kinds = scenarios, runs, kinds
        self.chance = random.Random(number)
        self.asked: "set[tuple[str, ...]]" = set()

    def next(self) -> Asked:
        """Returns another question. It is one that was asked before only if no new one was found. Raises Usage,
        KeyboardInterrupt."""
        spare = None
        for _ in range(FRESH):
            kind, scenario = self.chance.choice(self.kinds), self.chance.choice(self.scenarios)
            places = self.runs.places(scenario)
            schedule = (self.chance.choice(places),) if places and self.chance.random() < 0.5 else ()
            asked = KINDS[kind](self.runs.of(scenario, schedule), self.chance)
            if asked is not None and asked.subject not in self.asked:
                self.asked.add(asked.subject)
                return asked
            spare = asked or spare
        if spare is None:
            raise Usage("these runs give no question of that kind: where their calls or the wire are not seen, or the programs log no lines, there are fewer. "
                        "Take another scenario, or make quiz")
        return spare


def _play(quiz: Quiz, keys: Keys) -> int:
    right = done = 0
    try:
        while True:
            asked = quiz.next()
            print(f"\n{done + 1}. " + "\n".join(asked.lines))
            answer = _answer(asked, keys)
            done, right = done + 1, right + (answer == asked.answer)
            said = "Right." if answer == asked.answer else f"Not right. The answer is {asked.told}."
            print("\n".join(textwrap.wrap(f"{said} {asked.why}", quiz.runs.width, break_on_hyphens=False)))
    except Ended:
        print(f"You had {right} of {done} right." if done else "Nothing was answered.")
        return 0
    except KeyboardInterrupt:
        print(f"\nYou had {right} of {done} right." if done else "\nNothing was answered.")
        raise


def _answer(asked: Asked, keys: Keys) -> str:
    """Returns what was typed, in the form of an answer. Raises Ended if the learner leaves."""
    while True:
        typed = keys.line(f"{asked.prompt} > ")
        if typed.lower() == "q":
            raise Ended
        answer = asked.read(typed)
        if answer is not None:
            return answer
        print("\n".join(words.folded(f"That is no answer to this one. {asked.prompt}; q leaves.", screen.width_of(sys.stdout), True)))
