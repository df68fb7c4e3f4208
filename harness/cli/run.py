"""run: one run of a scenario as it happens, then its story and its verdict."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..stage.scenarios import Scenario, find
from ..tell import screen, words
from . import shared


def add(commands: Any) -> None:
    text = "show one run as it happens"
    command = commands.add_parser("run", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    shared.add_records(command)
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    if args.trace:
        shared.may_write(Path(args.trace), 1)
    with shared.Lab() as lab:
        shared.build([scenario])
        return _show(scenario, args, lab, shared.Interrupt())


def _show(scenario: Scenario, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt) -> int:
    policy = shared.policy(scenario, real_time=True)
    shown = screen.Screen(sys.stderr if args.json else sys.stdout, policy.name == "live", scenario.stage.roles())
    print(f"scenario {scenario.name}   lesson: lessons/{scenario.name}.md", file=shown.stream)
    shown.head()

    def tick() -> bool:
        shown.tick()
        return interrupt.came
    try:
        run, verdict, contract, reproduce = shared.one_run(scenario, args, policy, lab, tell=shown.tell, tick=tick)
    finally:
        shown.end()
    for note in run.notes:
        print(f"note: {note}", file=shown.stream)
    print("\n".join(["", *map(shown.wrap, words.happened(run, verdict)), ""]), file=shown.stream)
    if interrupt.came:
        return 130
    print(words.tell(verdict, run, contract, reproduce=reproduce, width=shown.width, colour=shown.colour, fold=shown.terminal), file=shown.stream)
    if args.json:
        print(shared.as_json(scenario, verdict))
    return 0
