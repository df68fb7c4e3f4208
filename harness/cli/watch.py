"""watch: builds and checks a scenario on each save, and shows the verdict in place."""
from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any, Callable, Optional

from ..judge.contract import Contract
from ..learn import hints, watch
from ..learn.board import Checked, State
from ..stage import build as builds
from ..stage.keeper import KeeperError
from ..stage.scenarios import Scenario, find
from ..tell import fullscreen, screen
from . import shared
from .outcome import Outcome, attempt, failed
from .step import NoTerminal


def add(commands: Any) -> None:
    text = "on each save: build, check, and the verdict in place"
    command = commands.add_parser("watch", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    missing = fullscreen.why_not()
    if missing:
        raise NoTerminal(f"make watch-N draws on a terminal and asks for keys: {missing} (make check-{scenario.number} shows one verdict)")
    with shared.Lab() as lab:
        checker = Checker(scenario, lab)
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        return watch.Watch(scenario.name, checker, _actions(scenario), screen.wants_colour(sys.stdout), unicode).go()


def _actions(scenario: Scenario) -> "tuple[watch.Action, ...]":
    def command(verb: str) -> "tuple[str, ...]":
        return sys.executable, "-m", "harness", verb, scenario.number
    return (watch.Action("s", "step", command("step"), _was_built), watch.Action("e", "explore", command("explore"), _was_built))


def _was_built(state: State) -> bool:
    return state.checked is not None and not state.checked.message


class Checker:
    """What the watch asks for, of one scenario."""

    def __init__(self, scenario: Scenario, lab: shared.Lab) -> None:
        self.name, self.folder, self._lab = scenario.name, scenario.folder, lab
        self._scenario = scenario

    def build(self) -> "Optional[Checked]":
        found: "list[Outcome]" = []
        try:
            self._scenario = find(self.name)        # its stage is read anew
            self._scenario.load_contract()
            builds.build([self._scenario])
        except Exception as error:
            found.append(failed(self.name, error))
        return _of_an_error(found[0]) if found else None

    def run(self, stop: "Callable[[], bool]") -> "Optional[Checked]":
        scenario = self._scenario
        judged: "list[shared.Judged]" = []

        def once() -> Outcome:
            policy = shared.policy(scenario, real_time=False)
            judged.append(shared.one_run(scenario, argparse.Namespace(trace=None), policy, self._lab, tick=stop))
            return judged[0].outcome()
        outcome = attempt(scenario.name, once)
        if not judged:
            return _of_an_error(outcome)
        return None if outcome.word == "interrupted" else _of_a_run(judged[0])

    def rest(self) -> None:
        with contextlib.suppress(KeeperError):       # the next run says what is wrong
            self._lab.keeper.fresh()

    def seen(self, what: str) -> int:
        return hints.seen(self._scenario, what)

    def remember(self, what: str, number: int) -> None:
        hints.remember(self._scenario, what, number)

    def predicted(self, check: int, text: str) -> None:
        path: Path = self._scenario.build.parent / "predictions" / f"{self.name}.watch.txt"
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"check {check}: {text}\n")


def _of_an_error(outcome: Outcome) -> Checked:
    return Checked(outcome.word, outcome.status, lambda width, colour, picture: "", message=outcome.message or outcome.word)


def _of_a_run(judged: shared.Judged) -> Checked:
    verdict, scenario = judged.verdict, judged.scenario
    notes = "".join(f"\nnote: {note}" for note in judged.run.notes) if verdict.status else ""
    warnings = ""
    if verdict.status:
        with contextlib.suppress(builds.DoesNotBuild):      # the files have changed since
            warnings = builds.warnings(scenario)

    def tell(width: int, colour: bool, picture: bool) -> str:
        parts = {} if judged.contract is None else {"picture": picture, "hints": False}
        return judged.tell(width=width, colour=colour, fold=True, **parts) + notes
    return Checked(verdict.word, verdict.status, tell, _statements(judged.contract), verdict.marks,
                   verdict.differences[0].line if verdict.differences else 0,
                   hints.of(scenario, verdict, judged.run, judged.contract), hints.key(verdict), warnings=warnings)


def _statements(contract: Optional[Contract]) -> "tuple[tuple[int, str], ...]":
    return tuple((said.number, said.written) for said in contract.statements) if contract is not None else ()
