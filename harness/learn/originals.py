"""A scenario as the lab has it. It is used to tell what a learner has changed, and to put that back.

If the scenario is in a folder of somebody's own ($SCENARIOS), the original is in the lab's own folder. Else it is in the git
repository. A learner may have committed work of their own there. So the original is in the commit that the repository shares with the one
from which it was cloned; if there is none, or the learner's work is there, too, in the newest commit to which the changes of its exercises fit.
If there is no repository (the lab was unpacked from an archive), it is in a copy that the first build has made, in .originals/.
"""
from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator, Mapping

from ..stage.scenarios import ROOT, Scenario
from ..stage.sources import NOT_BUILT
from . import changes, exercises
from .exercises import OWN, Exercise

Bytes = Mapping[str, bytes]     # the content of each file, by its path in the scenario's folder
COPIES = ".originals"


class NoOriginal(Exception):
    """It is not known what the scenario was. The text says why, and what to do."""


def of(scenario: Scenario) -> "dict[str, bytes]":
    """Returns the files of the scenario as the lab has it, without its exercises and mutants. Raises NoOriginal."""
    if int(scenario.number) >= OWN:
        raise NoOriginal(f"{scenario.name} is a scenario of your own: the lab knows no other state of it")
    if not _is_the_labs(scenario):
        found = _read(ROOT / "scenarios" / scenario.name)
    elif (ROOT / ".git").exists():
        found = _committed(scenario)
    else:
        found = _read(ROOT / COPIES / scenario.name)
    if not found:
        raise NoOriginal(f"nobody knows what {scenario.name} was: neither a git repository has it, nor did a build keep a copy")
    return found


def present(scenario: Scenario, original: Bytes) -> "dict[str, bytes]":
    """Returns the same files as they are now, and each further .c or .h file, because that is built into the programs. A file
    that is not regular is left out."""
    names = {name for name in original} | {str(path.relative_to(scenario.folder)) for path in scenario.folder.rglob("*.[ch]")}
    found = {}
    for name in sorted(names):
        path = scenario.folder / name
        if name.partition("/")[0] not in NOT_BUILT and path.is_file():
            found[name] = path.read_bytes()
    return found


def changed(scenario: Scenario) -> "list[str]":
    """Returns the names of the files that are not as the lab has them; [] also if the original is not known."""
    try:
        original = of(scenario)
        now = present(scenario, original)
    except (NoOriginal, OSError):
        return []
    return sorted(name for name in {*original, *now} if original.get(name) != now.get(name))


def note(scenario: Scenario) -> str:
    """Returns one line about a scenario of the lab that has been changed, "" if it has not."""
    names = changed(scenario) if _is_the_labs(scenario) and int(scenario.number) < OWN else []
    if not names:
        return ""
    return f"note: scenario {scenario.number} is changed ({', '.join(names)}): make diff-{scenario.number} shows how, make reset-{scenario.number} puts it back"


def keep(scenario: Scenario) -> None:
    """If there is no repository: keeps a copy of a scenario of the lab when it is seen for the first time."""
    if not _is_the_labs(scenario) or int(scenario.number) >= OWN or (ROOT / ".git").exists() or (ROOT / COPIES / scenario.name).exists():
        return
    with contextlib.suppress(OSError):      # somebody who can't write there can't change the scenario either
        (ROOT / COPIES).mkdir(exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".", dir=ROOT / COPIES))
        try:
            write(_read(scenario.folder), new)
            os.rename(new, ROOT / COPIES / scenario.name)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def write(files: Bytes, folder: Path) -> None:
    """Writes files into a new folder. They are on the disk when it returns."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with open(folder / name, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def text(files: Bytes) -> "dict[str, str]":
    """Returns the files as text. Bytes that are not UTF-8 are written with backslashes."""
    return {name: data.decode("utf-8", "backslashreplace") for name, data in files.items()}


def _is_the_labs(scenario: Scenario) -> bool:
    return scenario.folder.resolve().parent == ROOT / "scenarios"


def _read(folder: Path) -> "dict[str, bytes]":
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")] if folder.is_dir() else []
    names = {str(path.relative_to(folder)): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if name.partition("/")[0] not in NOT_BUILT}


def _committed(scenario: Scenario) -> "dict[str, bytes]":
    """Returns the files of the first of these commits to which the exercises fit: the one that the repository shares with those from which it
    comes, the last one, and the older ones. If they fit to none, those of the last one. Raises NoOriginal if git can't tell."""
    meant, last = exercises.of_folder(scenario), None
    for commit in _candidates(scenario):
        with contextlib.suppress(NoOriginal):       # raised if the folder was not there
            found = _archived(scenario, commit)
            if _fits(meant, found):
                return found
            last = found if commit == "HEAD" else last
    return _archived(scenario, "HEAD") if last is None else last


def _candidates(scenario: Scenario) -> "Iterator[str]":
    """Yields commits that may have the original, the best one first."""
    remotes = _git(scenario, "for-each-ref", "--format=%(refname)", "refs/remotes/*/HEAD", "refs/remotes/upstream/main", "refs/remotes/upstream/master")
    if remotes:
        with contextlib.suppress(NoOriginal):       # raised if nothing is shared
            yield _git(scenario, "merge-base", "--octopus", "HEAD", *remotes.decode().split()).decode().strip()
    yield "HEAD"
    yield from _git(scenario, "log", "--format=%H", "HEAD", "--", f"scenarios/{scenario.name}").decode().split()[1:]


def _fits(meant: "list[Exercise]", files: Bytes) -> bool:
    """Tells whether all changes of the exercises can be made to these files."""
    texts = text(files)
    try:
        for exercise in meant:
            for change in (exercise.solution, exercise.start, *(path.read_text("utf-8") for path in exercise.wrong)):
                changes.apply(change, exercise.source, texts) if change else None
    except (changes.ChangeError, OSError, ValueError):
        return False
    return True


def _archived(scenario: Scenario, commit: str) -> "dict[str, bytes]":
    """Returns the scenario's files in a commit. Raises NoOriginal."""
    found = {}
    import tarfile      # here: all other commands start sooner without it
    with tarfile.open(fileobj=io.BytesIO(_git(scenario, "archive", "--format=tar", commit, f"scenarios/{scenario.name}"))) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            name = "/".join(member.name.split("/")[2:])
            if file is not None and name.partition("/")[0] not in NOT_BUILT:
                found[name] = file.read()
    return found


def _git(scenario: Scenario, *words: str) -> bytes:
    """Returns what git prints. Raises NoOriginal if it fails."""
    try:
        told = subprocess.run(["git", "-C", str(ROOT), *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise NoOriginal(f"git can't be asked what {scenario.name} was: {error.strerror}; install git") from None
    if told.returncode != 0:
        said = told.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise NoOriginal(f"git can't tell what {scenario.name} was: {said}")
    return told.stdout
