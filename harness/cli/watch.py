"""watch: builds and checks a scenario on each save, and shows the verdict in place."""
from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any, Callable, Optional

from ..judge.contract import Contract
from ..learn import exercises, hints, originals, watch
from ..learn.board import Checked, State, Task
from ..learn.exercises import Exercise
from ..stage import build as builds
from ..stage.keeper import KeeperError
from ..stage.scenarios import Scenario, find
from ..tell import fullscreen, screen
from . import exercise as exercise_command
from . import shared
from .outcome import Outcome, Usage, attempt, failed


def add(commands: Any) -> None:
    text = "on each save: build, check, and the verdict in place"
    command = commands.add_parser("watch", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    missing = fullscreen.why_not()
    if missing:
        raise Usage(f"make watch-N draws on a terminal and asks for keys: {missing} (make check-{scenario.number} shows one verdict)")
    with shared.Lab() as lab:
        checker = Checker(scenario, lab)
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        return watch.Watch(checker, _actions(checker), screen.wants_colour(sys.stdout), unicode).go()


def _actions(checker: "Checker") -> "tuple[watch.Action, ...]":
    def command(verb: str) -> "Callable[[], tuple[str, ...]]":
        return lambda: (sys.executable, "-m", "harness", verb, str(int(checker.name.split("-")[0])))

    def built(what: str) -> "Callable[[State], str]":
        return lambda state: what if state.checked is not None and not state.checked.message else ""

    def changed(what: str) -> "Callable[[State], str]":
        return lambda state: what if checker.changed else ""

    def explore(state: State) -> str:
        return "" if checker.task else built("explore")(state)      # explore judges by the scenario's own contract
    return (watch.Action("s", built("step"), command("step")), watch.Action("e", explore, command("explore")),
            watch.Action("d", changed("diff"), command("diff")), watch.Action("r", changed("reset"), command("reset")),
            watch.Action("n", lambda state: checker.next, checker.go_on))


class Checker:
    """What the watch needs to check one scenario and the exercises of its lesson. Either the scenario's contract judges, or the
    contract of an exercise."""

    def __init__(self, scenario: Scenario, lab: shared.Lab) -> None:
        self._lab, self._home = lab, scenario
        self._exercise: Optional[Exercise] = None
        mine = exercises.of_folder(scenario) if int(scenario.number) >= exercises.OWN and not scenario.contract.exists() else []
        self._take(mine[0] if mine else None)

    def _take(self, exercise: Optional[Exercise]) -> None:
        """From now on the contract of this exercise judges; None: the scenario's own contract."""
        own = exercises.own_folder(exercise) if exercise and int(self._home.number) < exercises.OWN else None
        self._exercise, self._scenario = exercise, own or self._home
        self.name, self.folder = self._scenario.name, self._scenario.folder
        self.task: Optional[Task] = None
        self.changed = False        # whether the scenario differs from the lab's
        self.next = ""              # what the key n does
        if exercise is not None:
            skeleton = exercise.start and int(self._scenario.number) < exercises.OWN
            place = f"make start-{exercise.name} lays out a skeleton for this exercise, in a folder of its own." if skeleton else ""
            self.task = Task(exercise.name, exercise.title, exercise.task, place)

    def _others(self) -> "list[Optional[Exercise]]":
        """Returns what the key n goes through, in order, beginning after the present one. None stands for the scenario itself."""
        every = [None, *exercises.of_folder(self._home)]
        at = next((n for n, one in enumerate(every) if (one and one.name) == (self._exercise and self._exercise.name)), 0)
        return [*every[at + 1:], *every[:at]]

    def go_on(self) -> "tuple[str, ...]":
        """Goes on to the next exercise, and after the last one to the scenario itself."""
        self._take(next(iter(self._others()), None))
        return ()

    def build(self) -> "Optional[Checked]":
        found: "list[Outcome]" = []
        try:
            self._scenario = find(self.name)        # its stage is read anew
            if self._exercise is not None:
                self._scenario = dataclasses.replace(self._scenario, rules=self._exercise.contract)
            self._scenario.load_contract()
            builds.build([self._scenario])
        except Exception as error:
            found.append(failed(self.name, error))
        return _of_an_error(found[0]) if found else None

    def run(self, stop: "Callable[[], bool]") -> "Optional[Checked]":
        scenario, exercise = self._scenario, self._exercise
        judged: "list[shared.Judged]" = []

        def once() -> Outcome:
            if exercise is not None:
                own = scenario.number if int(scenario.number) >= exercises.OWN else ""
                judged.append(exercise_command.run(exercise, scenario, own, self._lab, stop))
            else:
                judged.append(shared.one_run(scenario, argparse.Namespace(trace=None), shared.policy(scenario, real_time=False), self._lab, tick=stop))
            return judged[0].outcome()
        outcome = attempt(scenario.name, once)
        if not judged:
            return _of_an_error(outcome)
        return None if outcome.word == "interrupted" else _of_a_run(judged[0], exercise)

    def rest(self) -> None:
        with contextlib.suppress(KeeperError):       # the next run says what is wrong
            self._lab.keeper.fresh()

    def look_around(self) -> None:
        """Finds out what the keys do now. It asks git."""
        self.changed = bool(originals.changed(self._scenario))
        others = self._others()
        self.next = "" if not others else f"exercise {others[0].name}" if others[0] else "lesson"

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


def _of_a_run(judged: shared.Judged, exercise: Optional[Exercise]) -> Checked:
    if exercise is not None:
        exercise_command.note(exercise, judged)
    verdict, scenario = judged.verdict, judged.scenario
    notes = "".join(f"\nnote: {note}" for note in judged.run.notes) if verdict.status else ""
    warnings = ""
    if verdict.status:
        with contextlib.suppress(builds.DoesNotBuild):      # the files have changed meanwhile
            warnings = builds.warnings(scenario)

    def tell(width: int, colour: bool, picture: bool) -> str:
        parts = {} if judged.contract is None else {"picture": picture, "hints": False}
        return judged.tell(width=width, colour=colour, fold=True, **parts) + notes
    return Checked(verdict.word, verdict.status, tell, _statements(judged.contract), verdict.marks,
                   verdict.differences[0].line if verdict.differences else 0,
                   hints.of(scenario, verdict, judged.run, judged.contract), hints.key(verdict), warnings=warnings, why=_why(judged, exercise))


def _statements(contract: Optional[Contract]) -> "tuple[tuple[int, str], ...]":
    return tuple((said.number, said.written) for said in contract.statements) if contract is not None else ()


def _why(judged: shared.Judged, exercise: Optional[Exercise]) -> str:
    """Returns what an exercise says when it is done; "" if it is not done."""
    if exercise is None or judged.verdict.status:
        return ""
    told = ["Why it works:", *exercise.why.split("\n"), f"{judged.reproduce} shows how the reference differs from your code."]
    return "\n".join([*told, *exercise_command.uncounted(judged)])
