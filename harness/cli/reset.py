"""reset: puts a scenario back as the lab has it. It shows what would be lost, asks, and keeps a copy."""
from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..learn import changes, originals, resets
from ..stage.scenarios import find
from . import shared
from .outcome import Usage


def add(commands: Any) -> None:
    text = "put a scenario back; shows what you would lose, asks, keeps a copy"
    command = commands.add_parser("reset", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    try:
        original = originals.of(scenario)
    except originals.NoOriginal as error:
        raise Usage(f"{error}; nothing was changed") from None
    now = originals.present(scenario, original)
    names = resets.differing(original, now)
    if not names:
        print(f"{scenario.name} is as the lab has it: there is nothing to put back.")
        return 0
    if shared.makeshift():
        raise Usage(f"{scenario.name} stays as it is: no copy of your files can be kept, since the folder for builds can't be written")
    print("\n".join(changes.difference(originals.text(now), originals.text(original), ("yours", "the lab's"), f"scenarios/{scenario.name}/")))
    print("\nThe lines with - would go, the lines with + would come back.")
    kept = shared.build_folder() / resets.KEPT
    if not args.yes and not shared.agreed(f"A copy of your files will be kept in {_short(kept)}. Put {scenario.name} back?", f"reset {scenario.number}"):
        print(f"{scenario.name} stays as it is.")
        return 0
    if originals.present(scenario, original) != now:
        raise Usage(f"{scenario.name} stays as it is: a file has changed since it was shown. Look again: make reset-{scenario.number}")
    try:
        with shared.Interrupt().raising():
            copy = resets.reset(scenario, original, now)
    except KeyboardInterrupt:
        shared.complain(f"\ninterrupted: your files lie in {_short(kept)}, or are as they were", 130)
        raise
    except OSError as error:
        left = ", ".join(resets.differing(original, originals.present(scenario, original)))
        raise Usage(f"{scenario.name} could not be put back: {error.filename or ''}: {error.strerror}. Not as the lab has them: {left}. "
                    f"What a reset has copied lies in {_short(kept)}") from None
    mine = [name for name in names if name in now]
    print(f"{scenario.name} is as the lab has it." + (f"\nYour {', '.join(mine)}: {_short(copy)}" if mine else ""))
    return 0


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
