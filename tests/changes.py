"""A change to a scenario, as a lesson's Modify step or a mutant writes it; and a place where it is made, built and run.

    words about the change, or none
    --- scenarios/04-half-close/client.c
         say(conn, "This is a message 2\n test");
    -    event("shutting down SHUT_WR");
    +    event("closing");

A line begins with a sign: `-` to take away, `+` to add, a blank for what stays. What stays and what goes, together, is found
in the file, where it must stand exactly once. A line `@@` goes on at another place of the file; another `---` in another file.
"""
from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator
from unittest import mock

from harness import trace
from harness.__main__ import main
from harness.cli import shared
from harness.stage.scenarios import ROOT
from pairs import lent
from ready import ready


def places(change: str) -> Iterator[tuple[Path, list[str]]]:
    """Yields (file, lines with their signs) for each place that a change touches."""
    for part in re.split(r"^--- ", change, flags=re.M)[1:]:
        file, _, body = part.partition("\n")
        for place in re.split(r"^@@.*\n", body, flags=re.M):
            if place.strip():
                yield Path(file.strip()), place.splitlines()


def apply(change: str, scenarios: Path) -> None:
    """Makes the change in a copy of the scenarios. Raises AssertionError if it does not fit."""
    for file, lines in places(change):
        path = scenarios.joinpath(*file.parts[1:])
        old, new = ("".join(line[1:] + "\n" for line in lines if line[:1] in ("", " ", sign)) for sign in "-+")
        text = path.read_text()
        assert text.count(old) == 1, f"{file}: {text.count(old)} places that read\n{old}"
        path.write_text(text.replace(old, new))


@dataclass(frozen=True)
class Shown:
    """What a command printed, the run's records, the exit status, and the verdict as the trace (and --json) has it."""

    text: str
    run: trace.Run
    status: int
    verdict: "dict[str, Any]"


def ask(*arguments: str) -> "tuple[int, str, str]":
    """Runs a command of the harness in this process. Returns its status, and what it printed on standard output and standard
    error. The handlers of signals are put back."""
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main(list(arguments))
    finally:
        for one, handler in handlers.items() if threading.current_thread() is threading.main_thread() else ():
            signal.signal(one, handler)
    return status, out.getvalue(), err.getvalue()


class _Borrowed(shared.Lab):
    """The keeper that the tests of a process share. Making one for each command costs more than its run."""

    def __init__(self) -> None:
        self._keeper = lent()

    def __enter__(self) -> "_Borrowed":
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Lab:
    """A folder with its own copy of the scenarios, or of the named ones, without their mutants, and with their programs. Labs may share a
    build folder, one after the other. A bare copy is without the exercises, too. The copy has the times of the original, and the harness tells by the texts what is to be built anew."""

    def __init__(self, folder: Path, build: Path, names: Iterable[str] = (), bare: bool = False) -> None:
        self.scenarios = folder / "scenarios"
        names = list(names) or [entry.name for entry in (ROOT / "scenarios").iterdir()]
        self.build = ready(build, names)
        for name in names:
            shutil.copytree(ROOT / "scenarios" / name, self.scenarios / name, ignore=shutil.ignore_patterns("mutants", *["exercises"][:bare]))

    def show(self, command: str, number: str, *more: str) -> Shown:
        """Does what `python3 -m harness run` (or check) does, in this process. Pauses take no time."""
        env = {"SCENARIOS": str(self.scenarios), "BUILD": str(self.build), "PAUSE": "0", "NOPAUSE": "0"}
        file = self.scenarios.parent / "trace.jsonl"
        file.unlink(missing_ok=True)
        with mock.patch.dict(os.environ, env), mock.patch.object(shared, "Lab", _Borrowed):
            status, out, err = ask(command, number, "--trace", str(file), *more)
        assert file.exists(), out + err
        run, verdict = trace.load(file.read_text())
        return Shown(out, run, status, verdict)
