"""Explorations of the lab's scenarios that several tests look at. Each one is made once for all of them."""
from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from harness.explore import schedules
from harness.stage.build import build
from harness.stage.scenarios import find
from once import once


def explored(factory: pytest.TempPathFactory, number: str, skip: bool = False) -> schedules.Report:
    """Returns what comes of each schedule of a scenario with one delay, with the runs. `skip`: its pauses are lines like any other."""
    scenario = find(number)

    def make(folder: Path) -> None:
        build([scenario])
        (folder / "report").write_bytes(pickle.dumps(schedules.explore(scenario, skip=skip, keep=True)))
    return pickle.loads((once(factory, f"explored-{scenario.name}{'-without-pauses' * skip}", make) / "report").read_bytes())
