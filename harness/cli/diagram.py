"""diagram: draws a run as a picture, an SVG file."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..tell import diagram
from . import recorded

_MAGIC = b"<svg"


def add(commands: Any) -> None:
    text = "a run as a picture: programs, kernels and the wire, in an SVG file"
    command = commands.add_parser("diagram", help=text, description=text)
    recorded.add(command)
    command.add_argument("-o", "--output", metavar="FILE", help="write it to this file; default: NN-name.svg beside the last runs, and its path is printed")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    if args.output:
        recorded.may_write(Path(args.output), "picture (SVG)", _MAGIC)
    got = recorded.get(args)
    if got is None:
        return 130
    file = Path(args.output) if args.output else got.folder / f"{recorded.plain_name(got.run.name)}.svg"
    if not args.output:
        file.parent.mkdir(parents=True, exist_ok=True)
    recorded.write(file, diagram.draw(got.run, got.verdict).svg().encode("utf-8"))
    print(file if args.output else recorded.shown(file))
    return 0
