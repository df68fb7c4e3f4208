"""Finds scenarios: a scenario is a folder NN-name with client.c, server.c and contract.txt. Numbers may have gaps."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from . import cast

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Scenario:
    """One scenario's places. `build` is the folder of its two programs."""

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

    @property
    def stage(self) -> cast.Stage:
        """Who is on stage; as stage.txt says, if there is one. Raises StageError."""
        return cast.load(self.folder)

    def program(self, file: str) -> Path:
        """What make builds of that .c file."""
        return self.build / file


class UnknownScenario(Exception):
    """No such scenario; the text lists those there are."""


def find_all() -> list[Scenario]:
    """All scenarios in the order of their numbers; from $SCENARIOS and $BUILD if set, as make does."""
    folder = ROOT / os.environ.get("SCENARIOS", "scenarios")
    build = ROOT / os.environ.get("BUILD", "build")
    names = sorted(entry.name for entry in folder.iterdir() if re.fullmatch(r"\d+-[a-z0-9-]+", entry.name)) \
        if folder.is_dir() else []
    return [Scenario(name, folder / name, build / name) for name in names if (folder / name / "client.c").exists()]


def find(wanted: str) -> Scenario:
    """The scenario that a learner means by 4, 04, half-close or 04-half-close."""
    all_of_them = find_all()
    for scenario in all_of_them:
        number, _, slug = scenario.name.partition("-")
        if wanted in (scenario.name, slug) or (wanted.isdecimal() and int(wanted) == int(number)):
            return scenario
    lines = [f"there is no scenario {wanted}; there are:"] + [f"    {s.number:>2}  {s.name}" for s in all_of_them]
    raise UnknownScenario("\n".join(lines))
