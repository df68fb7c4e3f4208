"""Finds scenarios: a scenario is a folder NN-name with a client.c, or with a contract.txt or a stage.txt. Numbers may have gaps."""
from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from . import cast

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scenario:
    """One scenario's places. `build` is the folder of its built programs."""

    name: str               # "04-half-close"
    folder: Path
    build: Path

    @property
    def number(self) -> str:
        """As in make targets: "4"."""
        return str(int(self.name.split("-")[0]))

    @property
    def contract(self) -> Path:
        return self.folder / "contract.txt"

    @functools.cached_property
    def stage(self) -> cast.Stage:
        """Its cast and stage; read once, when first asked for. Raises cast.StageError."""
        return cast.load(self.folder)

    def program(self, file: str) -> Path:
        """What make builds of FILE.c."""
        return self.build / file


class UnknownScenario(Exception):
    """No such scenario; the text lists those there are."""


def find_all() -> list[Scenario]:
    """All scenarios in the order of their numbers; from $SCENARIOS and $BUILD if set, as make does."""
    folder = ROOT / os.environ.get("SCENARIOS", "scenarios")
    build = ROOT / os.environ.get("BUILD", "build")
    names = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(r"\d+-[a-z0-9-]+", entry.name)) \
        if folder.is_dir() else []
    return [Scenario(name, folder / name, build / name) for name in names
            if any((folder / name / file).exists() for file in ("client.c", "contract.txt", "stage.txt"))]


def find(wanted: str) -> Scenario:
    """The scenario that a learner means by 4, 04, half-close or 04-half-close."""
    all_of_them = find_all()
    for scenario in all_of_them:
        number, _, slug = scenario.name.partition("-")
        if wanted in (scenario.name, slug) or (wanted.isdecimal() and int(wanted) == int(number)):
            return scenario
    lines = [f"there is no scenario {wanted}; there are:"] + [f"    {s.number:>2}  {s.name}" for s in all_of_them]
    raise UnknownScenario("\n".join(lines))
