"""list: shows the scenarios."""
from __future__ import annotations

import argparse
from typing import Any

from ..stage.scenarios import find_all


def add(commands: Any) -> None:
    command = commands.add_parser("list", help="the scenarios", description="the scenarios")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    print("\n".join(f"{s.number:>2}  {s.name}" for s in find_all()))
    return 0
