"""The exercises of the lessons: finds them in the scenarios' folders, reads them, and refuses broken ones.

scenarios/NN-name/exercises/a/ has task.txt, contract.txt, solution.diff, why.txt and wrong/*.diff. If the exercise begins with a
skeleton, it also has start.diff. If the learner's server (or client) is also judged beside another client (or server), that program
and its contract are in other/. CONTRACT.md, "Exercises", says what each of them is. All changes are made to the scenario as the
lab has it.
"""
from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..judge import contract as contracts
from ..stage.scenarios import Scenario, UnknownScenario, find, find_all, misconceptions
from . import changes

FOLDER = "exercises"
OTHER = "other"
SIZE_MAX = 1 << 16      # bytes of each file
OF_THE_LESSON = ("contract.txt", "question.txt")     # files of a scenario that an exercise's folder does not get
OWN = 90                # scenarios from this number on are a learner's own


class ExerciseError(Exception):
    """An exercise that can't be used. The text has the file, the line (if there is one), what is wrong and what to do."""

    def __init__(self, path: Path, number: int, words: str) -> None:
        shown = f"scenarios/{'/'.join(path.parts[-4:])}" if FOLDER in path.parts[-3:-1] else f"scenarios/{'/'.join(path.parts[-5:])}"
        super().__init__(f"{shown}:{number}: {words}" if number else f"{shown}: {words}")


class UnknownExercise(Exception):
    """There is no such exercise. The text lists those that exist."""


@dataclass(frozen=True)
class Exercise:
    """One exercise. `start` is the change that makes its skeleton of the scenario; "" if it begins with the scenario itself.
    `other` is the program that other/ has, "client" or "server"; "" if there is no such folder."""

    scenario: str           # "04-half-close"
    letter: str             # "a"
    folder: Path
    title: str
    task: str               # some sentences, as the file has them
    why: str
    solution: str
    start: str
    wrong: "tuple[Path, ...]"
    other: str = ""

    @property
    def name(self) -> str:
        """The name as in make targets: "4a"."""
        return f"{int(self.scenario.split('-')[0])}{self.letter}"

    @property
    def number(self) -> str:
        """The name as in file names: "04a"."""
        return f"{self.scenario.split('-')[0]}{self.letter}"

    @property
    def contract(self) -> Path:
        return self.folder / "contract.txt"

    @property
    def source(self) -> str:
        """The scenario's folder, as changes write it."""
        return f"scenarios/{self.scenario}"


def letters(folder: Path) -> "list[str]":
    """Returns the letters of the exercises in a scenario's folder."""
    inside = folder / FOLDER
    return sorted(entry.name for entry in inside.iterdir() if re.fullmatch("[a-z]", entry.name)) if inside.is_dir() else []


def find_exercise(wanted: str) -> Exercise:
    """Returns the exercise that a learner means by 4a or 04a. Raises UnknownExercise, UnknownScenario, ExerciseError."""
    named = re.fullmatch(r"([0-9]{1,4})([a-z])", wanted)
    if not named:
        raise UnknownExercise(f"{wanted!r} names no exercise; write a lesson's number and a letter, as 2a. {_there_are()}")
    scenario = find(named[1])
    if named[2] not in letters(scenario.folder):
        raise UnknownExercise(f"there is no exercise {wanted}. {_there_are()}")
    return load(scenario.folder, named[2])


def _there_are() -> str:
    found = [f"{one.number}{letter}" for one in find_all() for letter in letters(one.folder)]
    return f"There are: {' '.join(found)}" if found else "There are none here"


def load(folder: Path, letter: str) -> Exercise:
    """Returns the exercise of that letter in a scenario's folder. Raises ExerciseError."""
    here = folder / FOLDER / letter
    title, task = _task(here / "task.txt")
    why = _read(here / "why.txt").strip()
    if not why:
        raise ExerciseError(here / "why.txt", 1, "it is empty; say in three sentences why the solution works")
    wrong = tuple(sorted((here / "wrong").glob("*.diff")))
    if not wrong:
        raise ExerciseError(here / "wrong", 0, "there is no wrong answer; write one that must be refused, as wrong/log-only.diff")
    if not (here / "contract.txt").is_file():
        raise ExerciseError(here / "contract.txt", 0, "there is none; write what the exercise asks for, whole")
    start = _change(here / "start.diff") if os.path.lexists(here / "start.diff") else ""
    for path in wrong:
        _change(path)
    return Exercise(folder.name, letter, here, title, task, why, _change(here / "solution.diff"), start, wrong, _other(here / OTHER))


def _task(path: Path) -> "tuple[str, str]":
    lines = _read(path).splitlines()
    if not lines or not lines[0].strip():
        raise ExerciseError(path, 1, "the first line is empty; write the exercise's title there")
    if len(lines) > 1 and lines[1].strip():
        raise ExerciseError(path, 2, "the second line is not empty; leave it empty, the task begins in the third")
    task = "\n".join(lines[2:]).strip()
    if not task:
        raise ExerciseError(path, 3, "there is no task; say in about two sentences what is to be done")
    return lines[0].strip(), task


def _other(folder: Path) -> str:
    """Returns which program the folder has."""
    if not os.path.lexists(folder):
        return ""
    found = [name for name in ("client", "server") if (folder / f"{name}.c").is_file()]
    if len(found) != 1:
        raise ExerciseError(folder, 0, "has to have one program: client.c, if the learner's server is to be run with it, or server.c")
    if not (folder / "contract.txt").is_file():
        raise ExerciseError(folder / "contract.txt", 0, "there is none; write what must be observed beside the other program")
    return found[0]


def _change(path: Path) -> str:
    text = _read(path)
    try:
        changes.parse(text)
    except changes.ChangeError as error:
        raise ExerciseError(path, error.number, error.words) from None
    return text


def _read(path: Path) -> str:
    """Returns the text of a file. Checks that it is a regular file before it opens it, because opening a FIFO would wait for a
    writer."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ExerciseError(path, 0, "no regular file; it is to be a text file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ExerciseError(path, 0, "there is none; each exercise has one (harness/CONTRACT.md, Exercises)") from None
    except OSError as error:
        raise ExerciseError(path, 0, f"can't be read ({error.strerror})") from None
    if len(data) > SIZE_MAX:
        raise ExerciseError(path, 0, f"more than {SIZE_MAX} bytes; an exercise is short")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExerciseError(path, data[:error.start].count(b"\n") + 1, "not UTF-8; save the file as UTF-8") from None


def changed(exercise: Exercise, text: str, path: Path, files: changes.Files) -> "dict[str, str]":
    """Returns the scenario's files after one of the exercise's changes. Raises ExerciseError if the change does not fit."""
    try:
        return changes.apply(text, exercise.source, files)
    except changes.ChangeError as error:
        raise ExerciseError(path, error.number, error.words) from None


def solved(exercise: Exercise, files: changes.Files) -> "dict[str, str]":
    """Returns the reference solution: the scenario's files after the change in solution.diff."""
    return headed(exercise, changed(exercise, exercise.solution, exercise.folder / "solution.diff", files))


def skeleton(exercise: Exercise, files: changes.Files) -> "dict[str, str]":
    """Returns the files with which an exercise begins."""
    return headed(exercise, changed(exercise, exercise.start, exercise.folder / "start.diff", files)) if exercise.start else dict(files)


def headed(exercise: Exercise, files: "dict[str, str]") -> "dict[str, str]":
    """Returns the files of an exercise that has a skeleton. What the scenario's programs say of themselves at their top is not true of
    these programs: it is replaced by two lines about the exercise."""
    touched = {place.file for change in (exercise.start, exercise.solution) if exercise.start for place in changes.parse(change)}
    head = f"// Exercise {exercise.name}, {exercise.title}\n// `make exercise-{exercise.name}` tells the task, and judges this program.\n"
    return {name: re.sub(r"\A(//.*\n)+", lambda _: head, text) if f"{exercise.source}/{name}" in touched else text for name, text in files.items()}


def other(exercise: Exercise) -> Scenario:
    """Returns the program in other/ as a scenario that make can build. Its contract is that of the learner's program beside it."""
    home, inside = find(exercise.scenario), f"{FOLDER}/{exercise.letter}/{OTHER}"
    return Scenario(f"{home.name}/{inside}", exercise.folder / OTHER, home.build / inside, exercise.folder / OTHER / "contract.txt")


def beside(exercise: Exercise, scenario: Scenario) -> Scenario:
    """Returns the scenario with the program of other/ in place of the learner's, judged by the contract in other/."""
    there = other(exercise)
    return dataclasses.replace(scenario, rules=there.rules, other=there.program(exercise.other))


def own_folder(exercise: Exercise) -> "Optional[Scenario]":
    """Returns the newest of the learner's own scenarios that was laid out for this exercise; None if there is none."""
    mine = [one for one in find_all() if int(one.number) >= OWN and one.name.partition("-")[2] == f"exercise-{exercise.number}"]
    return mine[-1] if mine else None


def of_folder(scenario: Scenario) -> "list[Exercise]":
    """Returns the exercises that a scenario's code is for: those of its lesson, or the one for which a folder of the learner's
    own was laid out. Exercises that can't be used are left out."""
    named = re.fullmatch("[0-9]+-exercise-([0-9]+[a-z])", scenario.name) if int(scenario.number) >= OWN else None
    found = []
    for wanted in [named[1]] if named else [f"{scenario.number}{letter}" for letter in letters(scenario.folder)]:
        with contextlib.suppress(ExerciseError, UnknownExercise, UnknownScenario, OSError):
            found.append(find_exercise(wanted))
    return found


def load_contract(exercise: Exercise, scenario: Scenario) -> contracts.Contract:
    """Returns the exercise's contract, for the programs of this scenario. Raises ContractError, StageError."""
    return contracts.load(exercise.contract, scenario.stage.names, misconceptions())
