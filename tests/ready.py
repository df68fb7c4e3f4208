"""Build folders in which common/ is built already. Compiling it costs more than a test's own programs do."""
from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.stage.scenarios import ROOT

NOT_OURS = ("BUILD", "SCENARIOS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")


def ready(build: Path) -> Path:
    """Puts what make has made of common/ into a build folder that has none, with its times, so that make takes it as it is.
    Where the test asks for other flags, make builds it anew. Returns the folder."""
    if not (build / "libcommon.a").exists():
        shutil.copytree(_common().name, build, dirs_exist_ok=True)
    return build


@functools.lru_cache(maxsize=None)
def _common() -> "tempfile.TemporaryDirectory[str]":
    """Returns a build folder with nothing but common/, built once in this process. It goes when the process ends."""
    folder = tempfile.TemporaryDirectory()
    env = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    subprocess.run(["make", "-s", f"BUILD={folder.name}", f"{folder.name}/libcommon.a"], cwd=ROOT, env=env, check=True)
    return folder
