"""check: shows only the verdict, of one scenario, of several, or of all."""
from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import Any

from ..stage.scenarios import Scenario
from ..tell import screen
from . import shared
from .outcome import Outcome, Usage, attempt, failed


def add(commands: Any) -> None:
    text = "the verdict alone; all scenarios if none is named"
    command = commands.add_parser("check", help=text, description=text)
    command.add_argument("scenario", nargs="*", metavar="N", help="a scenario: 4, 04, half-close")
    shared.add_records(command)
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenarios, unknown = shared.wanted(args.scenario)
    count = len(scenarios) + len(unknown)
    try:
        scenarios = shared.with_contract(scenarios, args.contract, count)
        if args.trace:
            shared.may_write(Path(args.trace), count)
    except Usage as error:
        unknown, scenarios = [failed(name, error) for name in (*(one.name for one in scenarios), *(one.scenario for one in unknown))], []
        unknown = unknown if args.json else unknown[:1]
    status = max((_tell(outcome, args) for outcome in unknown), default=0)
    if not scenarios:
        return status
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each(scenarios, interrupt, later=True)
        for scenario in scenarios:
            outcome = broken.get(scenario.name) or attempt(scenario.name, functools.partial(_check, scenario, args, lab, interrupt, count > 1))
            status = max(status, _tell(outcome, args))
    return status


def _tell(outcome: Outcome, args: argparse.Namespace) -> int:
    """Prints what is not yet printed of an outcome. Returns its exit status."""
    if args.json:
        print(outcome.json(), flush=True)
        return outcome.status
    return outcome.complain()


def _check(scenario: Scenario, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt, several: bool) -> Outcome:
    if interrupt.came:
        return failed(scenario.name, KeyboardInterrupt())
    judged = shared.one_run(scenario, args, shared.policy(scenario, real_time=False), lab, tick=lambda: interrupt.came)
    if interrupt.came:
        return failed(scenario.name, KeyboardInterrupt())
    if args.json:
        shared.compiler_said(scenario, False, file=sys.stderr)
        return judged.outcome()
    status = judged.verdict.status
    print(judged.tell(width=screen.width_of(sys.stdout), colour=screen.wants_colour(sys.stdout), fold=sys.stdout.isatty(),
                      rows=screen.rows_of(sys.stdout) if not several else 0, lead=f"{scenario.name}: " if several or status == 0 else ""), flush=True)
    print("".join(f"{line}\n" for line in judged.look() if sys.stdout.isatty() and not several), end="", flush=True)
    for note in judged.run.notes if status or not several else ():
        screen.say(f"note: {note}", sys.stdout, flush=True)
    shared.compiler_said(scenario, status != 0)
    shared.tell_if_changed(scenario)
    return judged.outcome()
