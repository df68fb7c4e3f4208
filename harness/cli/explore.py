"""explore: runs every schedule with one delay, or two, and shows their outcomes."""
from __future__ import annotations

import argparse
import functools
import sys
from typing import Any

from ..explore import schedules
from ..stage.scenarios import Scenario
from ..tell import explored, screen
from . import shared
from .outcome import Outcome, attempt


def add(commands: Any) -> None:
    command = commands.add_parser("explore", help="every schedule with one delay, or two", description=schedules.__doc__,
                                  formatter_class=shared.Help)
    command.add_argument("scenario", nargs="*", metavar="N", help="a scenario; all if none is named")
    command.add_argument("--delays", type=int, choices=(1, 2), default=1, help="how many programs are delayed at once")
    command.add_argument("--limit", type=int, default=schedules.LIMIT, metavar="N", help="run at most N schedules (default %(default)s)")
    command.add_argument("--always", action="store_true", help="also list the orders that no schedule turned round")
    command.add_argument("--where", action="store_true", help="also tell at which line each ending became certain")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenarios, unknown = shared.wanted(args.scenario)
    interrupt = shared.Interrupt()
    broken = shared.build_each(scenarios, interrupt)
    status = max((outcome.complain() for outcome in unknown), default=0)
    for scenario in scenarios:
        outcome = broken.get(scenario.name) or attempt(scenario.name, functools.partial(_explore, scenario, args, interrupt))
        status = max(status, outcome.complain())
        if interrupt.came:
            return 130
    return status


def _explore(scenario: Scenario, args: argparse.Namespace, interrupt: shared.Interrupt) -> Outcome:
    drawn = sys.stderr.isatty()

    def progress(done: int, planned: int) -> None:
        if drawn:
            print(f"\r{done} of {planned} schedules", end="", file=sys.stderr, flush=True)
    try:
        found = schedules.explore(scenario, delays=args.delays, limit=args.limit, skip=shared.no_pause(), isolate=shared.isolate(), observe=shared.observe(),
                                  keep=args.where, progress=progress, stop=lambda: interrupt.came)
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print("\n".join(screen.fitted(explored.report(found, scenario, args.always, args.where), sys.stdout)))
    return Outcome(scenario.name, "explored", found.status)
