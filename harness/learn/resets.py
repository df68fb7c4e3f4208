"""Puts a scenario back as the lab has it, and loses nothing: a copy of the learner's files is complete before the first file is touched.

Whoever ends it in the middle finds in BUILD/kept/ all that was there before, and beside it some files that are put back already.
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
_NEW = ".reset"     # a file that is not in its place yet: .client.c.reset


def differing(original: Bytes, now: Bytes) -> "list[str]":
    """The files that a reset would write or take away."""
    return sorted(name for name in {*original, *now} if original.get(name) != now.get(name))


def reset(scenario: Scenario, original: Bytes, now: Bytes) -> Path:
    """Makes the scenario's files the original ones; returns the folder with the copy of the others. Raises OSError: what was not
    put back then is as it was."""
    names = differing(original, now)
    kept = _keep(scenario, {name: now[name] for name in names if name in now})
    for name in names:
        path = scenario.folder / name
        if (path.read_bytes() if path.exists() else None) != now.get(name):     # somebody has saved it in this moment: that is in no copy
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
    for left in scenario.folder.rglob(f".*{_NEW}"):     # of a reset that was killed
        left.unlink()
    return kept


def _keep(scenario: Scenario, files: Bytes) -> Path:
    """A copy in a folder with a number that no other has. It has its name only when it is whole."""
    folder = scenario.build.parent / KEPT
    folder.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        originals.write(files, new)
        os.chmod(new, 0o755)
        number = 1
        while True:
            try:
                (folder / f"{scenario.name}-{number}").mkdir()      # the number is ours from here on
                break
            except FileExistsError:
                number += 1
        os.rename(new, folder / f"{scenario.name}-{number}")        # onto an empty folder: at once, or not at all
        return folder / f"{scenario.name}-{number}"
    finally:
        shutil.rmtree(new, ignore_errors=True)
