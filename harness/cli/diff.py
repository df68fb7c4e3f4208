"""diff: shows how two scenarios differ, or what a learner has changed in one."""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any

from ..learn import changes, originals
from ..stage.scenarios import ROOT, UnknownScenario, find
from ..tell import screen
from .outcome import Usage


def add(commands: Any) -> None:
    text = "how two scenarios differ (1-2), or what you have changed in one (2)"
    command = commands.add_parser("diff", help=text, description=text)
    command.add_argument("scenario", metavar="N[-M]", help="a scenario: 2, half-close; or two numbers: 1-2")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    first, _, second = args.scenario.partition("-")
    return _two(first, second, args.scenario) if first.isdecimal() and second.isdecimal() else _own(args.scenario)


def _two(first: str, second: str, both: str) -> int:
    sys.stdout.flush()
    told = subprocess.run(["sh", str(ROOT / "tests/diff.sh"), os.environ.get("SCENARIOS", "scenarios"), both], cwd=ROOT, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    print(told.stdout.decode("utf-8", "backslashreplace"), end="")
    for number in dict.fromkeys((first, second)) if told.returncode == 0 else ():
        note = originals.note(find(number))
        if note:
            screen.say(note, sys.stdout)
    return told.returncode


def _own(wanted: str) -> int:
    try:
        scenario = find(wanted)
    except UnknownScenario as error:
        raise Usage(f"make diff-A-B, A and B two numbers: make diff-1-2. make diff-2: what have I changed in scenario 2?\n{error}") from None
    try:
        original = originals.of(scenario)
    except originals.NoOriginal as error:
        raise Usage(str(error)) from None
    now = originals.present(scenario, original)
    lines = list(changes.difference(originals.text(original), originals.text(now), ("the lab's", "yours"), f"scenarios/{scenario.name}/"))
    print("\n".join(lines) if lines else f"{scenario.name} is as the lab has it.")
    return 0
