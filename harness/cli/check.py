"""check: the verdicts alone, of one scenario, of several, or of all."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..stage.scenarios import Scenario, find, find_all
from ..tell import screen, words
from . import shared


def add(commands: Any) -> None:
    text = "the verdict alone; all scenarios if none is named"
    command = commands.add_parser("check", help=text, description=text)
    command.add_argument("scenario", nargs="*", metavar="N", help="a scenario: 4, 04, half-close")
    shared.add_records(command)
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    wanted = [find(name) for name in args.scenario] or find_all()
    if args.trace:
        shared.may_write(Path(args.trace), len(wanted))
    with shared.Lab() as lab:
        shared.build(wanted)
        interrupt = shared.Interrupt()
        return max((_check(scenario, args, lab, interrupt, len(wanted) > 1) for scenario in wanted), default=0)


def _check(scenario: Scenario, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt, several: bool) -> int:
    if interrupt.came:
        return 130
    run, verdict, contract, reproduce = shared.one_run(scenario, args, shared.policy(scenario, real_time=False), lab, tick=lambda: interrupt.came)
    if interrupt.came:
        return 130
    if args.json:
        print(shared.as_json(scenario, verdict), flush=True)
        return verdict.status
    lead = f"{scenario.name}: " if several or verdict.status == 0 else ""
    print(words.tell(verdict, run, contract, reproduce=reproduce, width=screen.width_of(sys.stdout),
                     colour=screen.wants_colour(sys.stdout), fold=sys.stdout.isatty(), lead=lead), flush=True)
    for note in run.notes if verdict.status or not several else ():
        print(f"note: {note}", flush=True)
    return verdict.status
