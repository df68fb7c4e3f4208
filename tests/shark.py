"""tshark and tcpdump for tests: how they read a capture file. A test that needs one of them is skipped if it is missing, but
never in CI."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

import pytest


def need(tool: str) -> str:
    """Returns the tool's path. Skips the test if the tool is missing; in CI the test fails."""
    found = shutil.which(tool) or next((path for path in (f"/usr/sbin/{tool}",) if os.access(path, os.X_OK)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool} is not installed")
    return str(found)


def rows(file: Path, fields: "Sequence[str]", only: str = "") -> "list[dict[str, str]]":
    """Returns the fields of each row of a capture file, as tshark reads them. `only` is a filter for the rows."""
    command = [need("tshark"), "-n", "-r", str(file), "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=\x1f"]
    done = subprocess.run([*command, *(["-Y", only] if only else []), *(word for field in fields for word in ("-e", field))], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cut short" not in done.stderr and "Bad" not in done.stderr, done.stderr
    return [dict(zip(fields, line.split("\t"))) for line in done.stdout.splitlines()]
