"""The run that a command is to draw: a new run of a scenario, or one that a trace file has."""
from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .. import trace
from ..judge.comparison import Verdict
from ..stage.scenarios import ROOT, UnknownScenario, find
from ..tell import screen
from . import shared
from .outcome import Usage


@dataclass(frozen=True)
class Recorded:
    """One run. `folder` is where the last runs are kept."""

    run: trace.Run
    verdict: Verdict        # if the run is from a trace file: only its word and its exit status
    reproduce: str
    folder: Path


def add(command: Any) -> None:
    command.add_argument("what", metavar="N|TRACE", help="a scenario: 4, 04, half-close; or a trace that --trace wrote (harness/TRACE.md)")
    command.add_argument("--trace", metavar="FILE", help="write the run as JSON Lines (harness/TRACE.md)")


def get(args: argparse.Namespace) -> "Optional[Recorded]":
    """Returns the run; None if Ctrl-C ended it. Raises the errors of a wrong scenario, and Usage for a file that is no trace."""
    try:
        scenario = find(args.what)
    except UnknownScenario:
        if Path(args.what).is_file():
            return load(Path(args.what))
        raise
    if args.trace:
        shared.may_write(Path(args.trace), 1)
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        with interrupt.raising():
            shared.build([scenario])
        judged = shared.one_run(scenario, args, shared.policy(scenario, real_time=True), lab, story=True, tick=lambda: interrupt.came)
    if interrupt.came:
        return None
    for note in judged.run.notes:
        screen.say(f"note: {note}", sys.stderr)
    return Recorded(judged.run, judged.verdict, judged.reproduce, scenario.build.parent / "last")


def load(path: Path) -> Recorded:
    """Returns the run in a trace file. Raises Usage."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline(1 << 20)
            if not trace.is_trace(first):
                raise Usage(f"{path}: is no trace; make one with: python3 -m harness check 4 --trace {path.stem}.jsonl")
            run, verdict = trace.load(first + file.read())
    except OSError as error:
        raise Usage(f"{path}: can't be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Usage(f"{path}: {error}; it may have been cut off: make the run again") from None
    return Recorded(run, Verdict(str(verdict.get("word", "")), int(verdict.get("status", 0))), str(json.loads(first).get("reproduce", "")),
                    ROOT / os.environ.get("BUILD", "build") / "last")


def may_write(path: Path, what: str, magic: bytes) -> None:
    """Raises Usage if a file can't be written there, or if it would replace a file that does not begin with `magic`. `what` names
    the kind of file."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise Usage(f"{path}: can't write a {what} there; name a file in a folder that exists")
    try:
        if path.is_file() and path.stat().st_size > 0:
            with path.open("rb") as file:
                if file.read(len(magic)) != magic:
                    raise Usage(f"{path}: exists and is no {what}; it stays as it is. Name another file, or remove it")
    except OSError as error:
        raise Usage(f"{path}: can't be read ({error.strerror}); name another file") from None


def write(path: Path, data: bytes) -> None:
    """Writes the file. Raises Usage if that can't be done."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Usage(f"{path}: can't be written ({error.strerror}); name a file in a folder that exists") from None


def plain_name(name: str) -> str:
    """Returns a name from a trace as the name of a file: without folders, and only with letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:80] or "run"


def shown(path: Path) -> str:
    """Returns a path as it is printed: relative to the current folder, if it is in it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
