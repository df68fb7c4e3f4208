"""draft: writes a first contract from what real runs did. The author then deletes what is not meant."""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..explore import drafts, schedules
from ..stage.scenarios import find
from ..tell import screen
from . import shared
from .outcome import Usage


def add(commands: Any) -> None:
    command = commands.add_parser("draft", help="write a first contract from runs", description=drafts.__doc__,
                                  formatter_class=shared.Help)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.add_argument("-o", "--output", metavar="FILE", help="write it to this file, which must not exist yet; default: standard output")
    command.add_argument("--limit", type=int, default=schedules.LIMIT, metavar="N", help="run at most N schedules (default %(default)s)")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    if args.output and Path(args.output).exists():
        raise _exists(args.output)
    interrupt = shared.Interrupt()
    with interrupt.raising():
        shared.build([scenario])
    try:
        text = drafts.draft(scenario, limit=args.limit, isolate=shared.isolate(), observe=shared.observe(), stop=lambda: interrupt.came)
    except drafts.NoDraft as error:
        return shared.complain(f"{scenario.name}: {error}", 1)
    if not args.output:
        print(text, end="")
        return 0
    try:
        with open(args.output, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise _exists(args.output) from None
    except OSError as error:
        raise Usage(f"{args.output}: can't be written ({error.strerror}); name a file in a folder that exists") from None
    screen.say(f"{args.output} written. Now delete what you do not mean, and say why: a hint (? ...) below a line is shown when a run leaves the "
               "contract there (harness/CONTRACT.md).", sys.stderr)
    return 0


def _exists(path: str) -> Usage:
    return Usage(f"{path}: exists, and stays as it is; name another file, or remove it")
