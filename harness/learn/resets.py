"""Puts a scenario back as the lab has it, and loses nothing: a copy of the learner's files is complete before the first file is
touched.

If it is ended in the middle, BUILD/kept/ has all files that were there before, and some files of the scenario are already put
back.
"""
from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path

from ..stage.scenarios import Scenario
from . import originals
from .originals import Bytes

KEPT = "kept"
_NEW = ".reset"     # the ending of a file that has not yet replaced the learner's: .client.c.reset


def differing(original: Bytes, now: Bytes) -> "list[str]":
    """Returns the names of the files that a reset would write or remove."""
    return sorted(name for name in {*original, *now} if original.get(name) != now.get(name))


def reset(scenario: Scenario, original: Bytes, now: Bytes) -> Path:
    """Puts the scenario's original files back. Returns the folder with the copy of the learner's files. Raises OSError; files
    that were not put back by then are unchanged."""
    names = differing(original, now)
    kept = _keep(scenario, {name: now[name] for name in names if name in now})
    for name in names:
        path = scenario.folder / name
        if (path.read_bytes() if path.exists() else None) != now.get(name):     # the file was saved just now, and no copy has that text
            raise OSError(errno.ESTALE, "the file has just changed", str(path))
        if name not in original:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}{_NEW}")
        try:
            new.write_bytes(original[name])
            if path.exists():
                shutil.copymode(path, new)
            os.replace(new, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
    for left in scenario.folder.rglob(f".*{_NEW}"):     # left by a reset that was killed
        left.unlink()
    return kept


def _keep(scenario: Scenario, files: Bytes) -> Path:
    """Returns a new folder with a copy of the files. It has a number that no other has, and gets its name only when the copy is
    complete."""
    folder = scenario.build.parent / KEPT
    folder.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        originals.write(files, new)
        os.chmod(new, 0o755)
        number = 1
        while True:
            try:
                (folder / f"{scenario.name}-{number}").mkdir()      # from here on no other reset takes this number
                break
            except FileExistsError:
                number += 1
        os.rename(new, folder / f"{scenario.name}-{number}")        # it replaces an empty folder, in one step or not at all
        return folder / f"{scenario.name}-{number}"
    finally:
        shutil.rmtree(new, ignore_errors=True)
