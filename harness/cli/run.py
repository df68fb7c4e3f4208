"""run: shows one run of a scenario as it happens, then its story and its verdict."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..stage.scenarios import Scenario, lesson
from ..tell import screen, story
from . import shared
from .outcome import Outcome, Usage, attempt, failed


def add(commands: Any) -> None:
    text = "show one run as it happens"
    command = commands.add_parser("run", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    shared.add_records(command)
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenarios, unknown = shared.wanted([args.scenario])
    if unknown:
        return _tell(unknown[0], args)
    scenario, = shared.with_contract(scenarios, args.contract, 1)
    try:
        if args.trace:
            shared.may_write(Path(args.trace), 1)
    except Usage as error:
        return _tell(failed(scenario.name, error), args)
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each([scenario], interrupt, later=True)
        outcome = broken.get(scenario.name) or attempt(scenario.name, lambda: _show(scenario, args, lab, interrupt))
    return _tell(outcome, args)


def _tell(outcome: Outcome, args: argparse.Namespace) -> int:
    """Prints what is not yet printed of an outcome. Returns the exit status: 0 if there was a run, whatever the programs did."""
    if args.json:
        print(outcome.json())
    else:
        outcome.complain()
    return 0 if outcome.verdict is not None else outcome.status


def _show(scenario: Scenario, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    policy = shared.policy(scenario, real_time=True)
    scenario.load_contract()        # a wrong contract is refused before anything is shown
    shown = screen.Screen(sys.stderr if args.json else sys.stdout, policy.name == "live", scenario.stage.roles())
    page = lesson(scenario.name)
    print(screen.heading(f"scenario {scenario.name}", page, shown.stream), file=shown.stream)
    shown.head()

    def tick() -> bool:
        shown.tick()
        return interrupt.came
    try:
        judged = shared.one_run(scenario, args, policy, lab, story=True, tell=shown.tell, tick=tick)
    finally:
        shown.end()
    for note in judged.run.notes:
        screen.say(f"note: {note}", shown.stream)
    print("\n".join(["", *map(shown.wrap, story.happened(judged.run, judged.verdict)), ""]), file=shown.stream)
    if interrupt.came:
        return failed(scenario.name, KeyboardInterrupt())
    print(judged.tell(after_story=True, width=shown.width, colour=shown.colour, fold=shown.terminal), file=shown.stream)
    print("".join(f"{line}\n" for line in judged.look() if shown.terminal), end="", file=shown.stream)
    shared.compiler_said(scenario, judged.verdict.status != 0, file=shown.stream)
    shared.tell_if_changed(scenario, file=shown.stream)
    shared.note_run(scenario, judged.verdict.word)
    return judged.outcome()
