"""Finds scenarios, and what belongs to them: the contract, the lesson, the list of misconceptions.

A scenario is a folder NN-name with one of client.c, server.c, contract.txt, stage.txt. Numbers may have gaps.
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
    """One scenario's places. `build` is the folder of its built programs. `rules`: a contract that lies elsewhere."""

    name: str               # "04-half-close"
    folder: Path
    build: Path
    rules: Optional[Path] = None

    @property
    def number(self) -> str:
        """As in make targets: "4"."""
        return str(int(self.name.split("-")[0]))

    @property
    def contract(self) -> Path:
        return self.rules or self.folder / "contract.txt"

    def load_contract(self) -> Optional[contracts.Contract]:
        """Its contract; None if it has none. Raises ContractError, and StageError: a contract names programs of the cast."""
        if self.rules is None and not os.path.lexists(self.contract):
            return None
        return contracts.load(self.contract, self.stage.names, misconceptions())

    @functools.cached_property
    def stage(self) -> cast.Stage:
        """Its cast and stage; read once, when first asked for. Raises cast.StageError."""
        return cast.load(self.folder)

    def program(self, file: str) -> Path:
        """What make builds of FILE.c."""
        return self.build / file


def lesson(name: str) -> str:
    """The page of a scenario's lesson, from the lab's own folder on; "" if it has none, as those from 90 on."""
    page = f"lessons/{name}.md"
    return page if (ROOT / page).is_file() else ""


def lesson_of(number: str) -> str:
    """The page of the lesson of that number, as lesson() gives it; "" if there is none."""
    pages = sorted((ROOT / "lessons").glob(f"{int(number):02}-*.md")) if number.isdecimal() else []
    return f"lessons/{pages[0].name}" if pages else ""


@functools.lru_cache(maxsize=None)
def misconceptions() -> "Optional[frozenset[str]]":
    """The codes that lessons/misconceptions.md tells of; None if there is no such page."""
    text = _page_of_misconceptions()
    return None if text is None else frozenset(re.findall(r"^## (M[0-9]{2})\b", text, re.MULTILINE))


def belief(code: str) -> str:
    """What a holder of that misconception would say, "one send is one recv"; "" if the page does not tell of it."""
    found = re.search(rf'^## {re.escape(code)}\s+"([^"\n]+)"$', _page_of_misconceptions() or "", re.MULTILINE)
    return found[1] if found else ""


def _page_of_misconceptions() -> Optional[str]:
    try:
        return (ROOT / "lessons/misconceptions.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


class UnknownScenario(Exception):
    """No such scenario; the text lists those there are."""


def find_all() -> list[Scenario]:
    """All scenarios in the order of their numbers; from $SCENARIOS and $BUILD if set, as make does."""
    folder = ROOT / os.environ.get("SCENARIOS", "scenarios")
    build = ROOT / os.environ.get("BUILD", "build")
    names = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(r"\d+-[a-z0-9-]+", entry.name)) \
        if folder.is_dir() else []
    return [Scenario(name, folder / name, build / name) for name in names
            if any((folder / name / file).exists() for file in ("client.c", "server.c", "contract.txt", "stage.txt"))]


def find(wanted: str) -> Scenario:
    """The scenario that a learner means by 4, 04, half-close or 04-half-close."""
    all_of_them = find_all()
    for scenario in all_of_them:
        number, _, slug = scenario.name.partition("-")
        if wanted in (scenario.name, slug) or (wanted.isdecimal() and int(wanted) == int(number)):
            return scenario
    lines = [f"there is no scenario {wanted}; there are:"] + [f"    {s.number:>2}  {s.name}" for s in all_of_them]
    raise UnknownScenario("\n".join(lines))
