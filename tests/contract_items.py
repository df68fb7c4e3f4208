"""A pytest plugin. Each scenario's contract.txt becomes two tests: one in a private network, and one without."""
from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from harness.judge import comparison as judge
from harness.judge import contract as contracts
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.tell import words
from harness.stage.scenarios import Scenario, find


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "pytest.Collector | None":
    if file_path.name == "contract.txt" and file_path.parent.parent.name == "scenarios":
        return ContractFile.from_parent(parent, path=file_path)
    return None


class ContractFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        scenario = find(self.path.parent.name)
        for isolate, name in ((True, "own network"), (False, "shared network")):
            yield ContractItem.from_parent(self, name=f"{scenario.name} keeps its contract ({name})", scenario=scenario, isolate=isolate)


class LeftContract(Exception):
    """A run left its contract. The text is the verdict in words."""


class ContractItem(pytest.Item):
    def __init__(self, *, scenario: Scenario, isolate: bool, **rest: object) -> None:
        super().__init__(**rest)    # type: ignore[arg-type]
        self.scenario, self.isolate = scenario, isolate

    def runtest(self) -> None:
        from pairs import lent      # its folder is on the path by now
        build([self.scenario])
        contract = contracts.load(self.scenario.contract, self.scenario.stage.names)
        run = Conductor(self.scenario, VirtualClock(), keeper=lent(self.isolate)).run()
        verdict = judge.judge(run, contract)
        if verdict.status:
            raise LeftContract(words.tell(verdict, run, contract, reproduce=f"make check-{self.scenario.number}"))

    def repr_failure(self, excinfo: "pytest.ExceptionInfo[BaseException]", style: "str | None" = None) -> object:
        return str(excinfo.value) if isinstance(excinfo.value, LeftContract) else super().repr_failure(excinfo)

    def reportinfo(self) -> "tuple[Path, int, str]":
        return self.path, 0, self.name
