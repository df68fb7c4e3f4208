"""Builds once what many tests need and what takes long, even if several pytest processes share the tests."""
from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path
from typing import Callable

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: "Callable[[Path], object]") -> Path:
    """Returns the folder of that name, which `make` has filled. The process that asks first fills it, and the others wait for
    that."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent          # each worker has a folder of its own in it
    folder, whole = base / f"once-{name}", base / f"once-{name}.whole"
    with (base / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder
