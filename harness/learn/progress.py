"""What a learner has done so far: BUILD/progress.txt, one fact a line.

    ran 02
    predicted 02
    passed 02a

A plain text file: it can be read, mended and thrown away. A broken line costs that line and no other.
"""
from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

FILE = "progress.txt"
WHAT = ("ran", "predicted", "passed")
SIZE_MAX = 1 << 20      # bytes; facts are few
_FACT = re.compile(r"(ran|predicted) ([0-9]{2,4})|passed ([0-9]{2,4}[a-z])")


@dataclass(frozen=True)
class Progress:
    """`facts` has the lines that say something, each once ("ran 02"). `broken` has a sentence for each line that does not."""

    facts: "frozenset[str]" = frozenset()
    broken: "tuple[str, ...]" = ()

    def has(self, what: str, number: str) -> bool:
        return f"{what} {number}" in self.facts


def read(build: Path) -> Progress:
    """Returns the progress in this build folder. A missing file is the same as an empty one."""
    path = build / FILE
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return Progress(broken=(f"{path}: no regular file; take it away, and the lab begins a new one",))
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX)
    except FileNotFoundError:
        return Progress()
    except OSError as error:
        return Progress(broken=(f"{path}: can't be read ({error.strerror})",))
    facts, broken = set(), []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        line = line.strip()
        if _FACT.fullmatch(line):
            facts.add(line)
        elif line and not line.startswith("#"):
            broken.append(f"{path}:{number}: {line[:40]!r} says nothing that the lab knows, and is left out; a line is \"ran 02\", "
                          '"predicted 02" or "passed 02a"')
    return Progress(frozenset(facts), tuple(broken))


def note(build: Path, what: str, number: str) -> None:
    """Adds a fact, once. `what` is one of WHAT, and `number` is as in "02" or "02a". If the file can't be written, nothing is
    kept."""
    fact = f"{what} {number}"
    assert _FACT.fullmatch(fact), fact
    with contextlib.suppress(OSError):
        build.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(build / FILE) and not (build / FILE).is_file():
            return      # opening a FIFO would wait for a reader
        with open(build / FILE, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = file.read()
            if fact not in before.decode("utf-8", "replace").split("\n"):
                begin = "\n" if before and not before.endswith(b"\n") else ""
                file.write(f"{begin}{fact}\n".encode())      # written in one call, so that nobody reads half a line
