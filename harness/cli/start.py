"""start: lays out what an exercise begins with, as a scenario of the learner's own. It never overwrites anything."""
from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ..learn import exercises, originals
from ..learn.exercises import Exercise
from ..stage.scenarios import ROOT, find
from ..tell import screen, words
from .outcome import Usage


def add(commands: Any) -> None:
    text = "lay out an exercise's skeleton as a scenario of your own"
    command = commands.add_parser("start", help=text, description=text)
    command.add_argument("exercise", metavar="NX", help="a lesson's number and a letter: 2c")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    exercise = exercises.find_exercise(args.exercise)
    try:
        original = originals.of(find(exercise.scenario))
    except originals.NoOriginal as error:
        raise Usage(str(error)) from None
    texts = exercises.skeleton(exercise, originals.text(original))
    files = {name: data if texts[name] == originals.text({name: data})[name] else texts[name].encode() for name, data in original.items()
             if name not in exercises.OF_THE_LESSON}
    name = _lay_out(exercise, files)
    number = name.partition("-")[0]
    of_what = "a skeleton" if exercise.start else f"a copy of scenario {int(exercise.scenario.partition('-')[0])}"
    told = [f"scenarios/{name} is yours: {of_what} for exercise {exercise.name}, {exercise.title}", *exercise.task.split("\n"), "",
            f"make scenario-{number}: what does it do?", f"make exercise-{exercise.name}: does it do what the exercise asks for?", "",
            f"Write a contract of your own for it, contract.txt: make draft-{number} prints a first one, make check-{number} judges by it."]
    width, terminal = screen.width_of(sys.stdout), sys.stdout.isatty()
    print("\n".join(part for line in told for part in (words.folded(line, width, terminal) or [""])))
    return 0


def _lay_out(exercise: Exercise, files: originals.Bytes) -> str:
    """Writes the files into a new folder with the next free number. Returns the folder's name. The folder appears complete, or
    not at all."""
    folder = ROOT / os.environ.get("SCENARIOS", "scenarios")
    new = Path(tempfile.mkdtemp(prefix=".start-", dir=folder))
    try:
        originals.write(files, new)
        os.chmod(new, 0o755)
        taken = {int(found[0]) for entry in folder.iterdir() if (found := re.match("[0-9]+", entry.name))}
        number = exercises.OWN
        while True:
            number = next(n for n in range(number, number + len(taken) + 1) if n not in taken)
            name = f"{number}-exercise-{exercise.number}"
            try:
                (folder / name).mkdir()
                break
            except FileExistsError:     # another command has just taken this number
                taken.add(number)
        os.rename(new, folder / name)
        return name
    finally:
        shutil.rmtree(new, ignore_errors=True)
