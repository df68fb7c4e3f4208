"""Pairs of programs that do what a script says (harness/acts.c). The real conductor runs them."""
from __future__ import annotations

import atexit
import dataclasses
import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterable, Sequence

from harness.judge.findings import Facts, Finding, find
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.stage.keeper import Keeper, open_keeper
from harness.stage.scenarios import ROOT, Scenario
from harness.trace import Run
from ready import library


@functools.lru_cache(maxsize=None)
def program() -> bytes:
    """Returns the compiled program."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "acts"
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread",
                        f"-I{ROOT / 'common'}", str(ROOT / "tests/harness/acts.c"), str(library()), "-o", str(out)], check=True)
        return out.read_bytes()


def pair(folder: Path, client: str, server: str) -> Scenario:
    """Returns a scenario of two scripts. Acts are separated by newlines or `;`."""
    folder.mkdir(parents=True, exist_ok=True)
    for role, script in (("client", client), ("server", server)):
        path = folder / role
        path.write_bytes(program())
        path.chmod(0o755)
        (folder / f"{role}.acts").write_text("\n".join(act.strip() for act in script.replace(";", "\n").splitlines()) + "\n")
    return Scenario("99-pair", folder, folder)


def run(folder: Path, client: str, server: str, *, live: bool = False, isolate: bool = True, observe: bool = True, sources: bool = False) -> Run:
    """Runs the two scripts under the virtual clock, or in real time. With `sources` the calls have the lines of acts.c."""
    shutil.rmtree(folder, ignore_errors=True)
    conductor = Conductor(pair(folder, client, server), Live() if live else VirtualClock(), keeper=lent(isolate), observe=observe)
    made = conductor.run()
    return dataclasses.replace(made, calls=conductor.intake.with_sources(made.calls)) if sources else made


def found(family: "Sequence[Callable[[Facts], Iterable[Finding]]]", folder: Path, client: str, server: str, **more: bool) -> "dict[str, Finding]":
    """Returns the findings of one family in a run of the two scripts, by code."""
    made = run(folder / "pair", client, server, sources=True, **more)
    mine = {one for ask in family for one in ask(Facts(made))}
    return {one.code: one for one in find(made) if one in mine}


def without_lines(words: str) -> str:
    """Returns a sentence without the numbers of lines in acts.c."""
    return re.sub(r"acts\.c:\d+", "acts.c:N", words)


_keepers: "dict[bool, Keeper]" = {}


def make_ready() -> None:
    """Makes the keepers that a test may borrow, before the test begins. A keeper is a fork. One that is made within a test would
    keep what the test has replaced for a while."""
    for isolate in (True, False):
        lent(isolate)


def lent(isolate: bool = True) -> Keeper:
    """Returns a keeper that the tests of a process share, as the runs of one command do. Making one costs more than a run."""
    if isolate not in _keepers or not _keepers[isolate].alive:
        _keepers[isolate] = open_keeper(isolate)
    return _keepers[isolate]


@atexit.register
def _end() -> None:
    for keeper in _keepers.values():
        keeper.end()


def texts(run: Run, who: str) -> "list[str]":
    """Returns the texts of a program's log lines."""
    return [event.text for event in run.events if event.who == who]
