"""Finds scenarios, and what belongs to them: the contract, the lesson, the list of misconceptions.

A scenario is a folder NN-name that has at least one of client.c, server.c, contract.txt, stage.txt. Numbers may have gaps.
"""
from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..judge import contract as contracts
from . import cast

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scenario:
    """The places of one scenario's files. `build` is the folder of its built programs. `rules` is a contract outside of the
    scenario's folder. `other` is a built program that runs in place of the scenario's program of the same name."""

    name: str               # "04-half-close"
    folder: Path
    build: Path
    rules: Optional[Path] = None
    other: Optional[Path] = None

    @property
    def number(self) -> str:
        """The number as in make targets: "4"."""
        return str(int(self.name.split("-")[0]))

    @property
    def contract(self) -> Path:
        return self.rules or self.folder / "contract.txt"

    def load_contract(self) -> Optional[contracts.Contract]:
        """Returns the scenario's contract; None if it has none. Raises ContractError. Raises StageError, too, because a contract
        names programs of the cast."""
        if self.rules is None and not os.path.lexists(self.contract):
            return None
        return contracts.load(self.contract, self.stage.names, misconceptions())

    @functools.cached_property
    def stage(self) -> cast.Stage:
        """The scenario's cast and stage. It is read once, when it is first asked for. Raises cast.StageError."""
        return cast.load(self.folder)

    def program(self, file: str) -> Path:
        """Returns the path of the program that make builds of FILE.c, or of the other program that runs in its place."""
        return self.other if self.other is not None and self.other.name == file else self.build / file


def lesson(name: str) -> str:
    """Returns the path of a scenario's lesson, relative to the lab's folder; "" if it has none. The scenarios from 90 on have
    none."""
    page = f"lessons/{name}.md"
    return page if (ROOT / page).is_file() else ""


def lesson_of(number: str) -> str:
    """Returns the path of the lesson with that number, relative to the lab's folder; "" if there is none."""
    pages = sorted((ROOT / "lessons").glob(f"{int(number):02}-*.md")) if number.isdecimal() else []
    return f"lessons/{pages[0].name}" if pages else ""


@functools.lru_cache(maxsize=None)
def misconceptions() -> "Optional[frozenset[str]]":
    """Returns the codes of all misconceptions in lessons/misconceptions.md; None if there is no such page."""
    text = _page_of_misconceptions()
    return None if text is None else frozenset(re.findall(r"^## (M[0-9]{2})\b", text, re.MULTILINE))


def belief(code: str) -> str:
    """Returns what a person with that misconception would say ("one send is one recv"); "" if the page does not have the code."""
    found = re.search(rf'^## {re.escape(code)}\s+"([^"\n]+)"$', _page_of_misconceptions() or "", re.MULTILINE)
    return found[1] if found else ""


def _page_of_misconceptions() -> Optional[str]:
    try:
        return (ROOT / "lessons/misconceptions.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


class UnknownScenario(Exception):
    """There is no such scenario. The text lists those that exist."""


def find_all() -> list[Scenario]:
    """Returns all scenarios in the order of their numbers. As make does, it uses $SCENARIOS and $BUILD if they are set."""
    folder = ROOT / os.environ.get("SCENARIOS", "scenarios")
    build = ROOT / os.environ.get("BUILD", "build")
    names = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(r"\d+-[a-z0-9-]+", entry.name)) \
        if folder.is_dir() else []
    return [Scenario(name, folder / name, build / name) for name in names
            if any((folder / name / file).exists() for file in ("client.c", "server.c", "contract.txt", "stage.txt"))]


def find(wanted: str) -> Scenario:
    """Returns the scenario that a learner means by 4, 04, half-close or 04-half-close. Raises UnknownScenario."""
    all_of_them = find_all()
    for scenario in all_of_them:
        number, _, slug = scenario.name.partition("-")
        if wanted in (scenario.name, slug) or (wanted.isdecimal() and int(wanted) == int(number)):
            return scenario
    lines = [f"there is no scenario {wanted}; there are:"] + [f"    {s.number:>2}  {s.name}" for s in all_of_them]
    raise UnknownScenario("\n".join(lines))
