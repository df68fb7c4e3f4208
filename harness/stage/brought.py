"""A stage from a command line: programs that somebody brings, in any language, each with its own arguments and ports.

`SERVER='./srv 9000'` is split into words as a shell does it. The first word is a program: a path, a name on PATH, a file of the
current folder, or a C file, which is built first. Words before it of the form NAME=VALUE are set in its environment. The harness
adds nothing to the program's code, and does not tell it of the lab. The program runs as in a terminal of its own at which nobody
types.
"""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Sequence

from .build import DoesNotBuild
from .cast import PROCESSES_MAX, Program, Stage, Start
from .scenarios import Scenario

ANY_PORT = 0        # the value of Program.listens for a server whose port is not known before it listens
COMPILE = ("-std=gnu11", "-g", "-pthread")


class BadCommand(Exception):
    """A program that can't be started, or an option that fits no program. The text says in one line what is wrong, and what to
    do."""


@dataclass(frozen=True)
class Brought(Scenario):
    """A run of somebody's own programs: a scenario that has no folder of its own."""

    brought: Stage = Stage("", ())

    @property
    def number(self) -> str:
        return ""

    @property
    def contract(self) -> Path:
        return self.build / "contract.txt"      # there is none

    @property
    def stage(self) -> Stage:
        return self.brought


def names(kind: str, count: int) -> "list[str]":
    """Returns the names of `count` programs of one kind: client, client-2, client-3."""
    return [kind if n == 1 else f"{kind}-{n}" for n in range(1, count + 1)]


def cast(servers: "Sequence[str]", clients: "Sequence[str]", folder: Path, *, stdin: "Mapping[str, str]", tty: str = "") -> Brought:
    """Returns the run that a command line describes. `folder` is where C files are built. `stdin` has, by name, a file that the
    program reads. `tty` is the name of the program that gets the harness's own terminal. Raises BadCommand and DoesNotBuild.

    Servers start one after the other: each one when the one before listens. Clients start when all servers listen: each one when
    the one before has asked for its connection.
    """
    if len(servers) + len(clients) > PROCESSES_MAX:
        raise BadCommand(f"more than {PROCESSES_MAX} programs; start fewer")
    serving, others = names("server", len(servers)), names("client", len(clients))
    for name in [*stdin, *([tty] if tty else [])]:
        if name not in serving + others:
            raise BadCommand(f"there is no program {name!r}; there are {', '.join(serving + others)}")
    if tty in stdin:
        raise BadCommand(f"the {tty} reads either a file (--stdin) or the terminal (--tty); give one of them")
    programs = []
    for n, (name, text) in enumerate(zip(serving + others, [*servers, *clients])):
        environment, words = _words(name, text)
        at = n - len(serving)
        start = Start("listens", tuple(serving[n - 1:n])) if 0 < n < len(serving) else Start("connected", (others[at - 1],)) if at > 0 else \
            Start("listens", tuple(serving)) if at == 0 and serving else Start()
        programs.append(Program(name, str(_file(name, words[0], folder / name)), start, listens=ANY_PORT if n < len(serving) else None,
                                words=tuple(words[1:]), input=_input(name, stdin.get(name, "")), environment=(*_PLAIN, *environment),
                                terminal="ours" if name == tty else "own", as_written=True))
    return Brought("explain", Path.cwd(), folder, brought=Stage("the command line", tuple(programs)))


_PLAIN = (("TERM", "dumb"),)        # no colours, no moving cursor: its output is shown in a column


def _words(name: str, text: str) -> "tuple[tuple[tuple[str, str], ...], list[str]]":
    """Returns the environment settings and the words of a command. Raises BadCommand."""
    try:
        words = shlex.split(text)
    except ValueError:
        raise BadCommand(f"{name}: a quote is not closed in {text!r}") from None
    settings = []
    while words and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=.*", words[0], re.DOTALL):
        variable, _, value = words.pop(0).partition("=")
        settings.append((variable, value))
    if not words:
        raise BadCommand(f"{name}: {text!r} names no program; write it as in a terminal: './srv 9000'")
    return tuple(settings), words


def _file(name: str, word: str, folder: Path) -> Path:
    """Returns the absolute path of the program to start. Raises BadCommand and DoesNotBuild."""
    if word.endswith(".c"):
        return _built(name, Path(word), folder)
    here = Path(word).expanduser().absolute()
    found = shutil.which(word) if os.sep not in word else None
    path = Path(found).absolute() if found else here
    if not path.exists():
        shell = " It is a command of the shell, or has signs of it: write sh -c '...'." if re.search(r"[|&;<>$`]", word) else ""
        raise BadCommand(f"{name}: there is no program {word!r}, here or on PATH.{shell}")
    if path.is_dir():
        raise BadCommand(f"{name}: {word} is a folder; name a program in it")
    if not os.access(path, os.X_OK):
        how = f"python3 {word}" if word.endswith(".py") else f"sh {word}" if word.endswith(".sh") else ""
        raise BadCommand(f"{name}: {word} is not executable; use chmod +x {word}" + (f", or write: {how}" if how else ""))
    return path


def _built(name: str, source: Path, folder: Path) -> Path:
    """Builds a program of one C file with the system's compiler. The compiler's warnings are not shown. Raises BadCommand and
    DoesNotBuild."""
    if not source.is_file():
        raise BadCommand(f"{name}: there is no file {source}")
    folder.mkdir(parents=True)
    out = folder / source.stem
    compiler = os.environ.get("CC") or "cc"
    try:
        made = subprocess.run([*shlex.split(compiler), *COMPILE, "-o", str(out), str(source)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    except OSError as error:
        raise DoesNotBuild(f"{name}: can't run {compiler}: {error.strerror}; install a C compiler") from None
    if made.returncode != 0:
        raise DoesNotBuild(made.stdout.rstrip())
    return out


def _input(name: str, path: str) -> str:
    if path and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise BadCommand(f"{name}: its standard input is to be {path}, which is no file that can be read")
    return os.path.abspath(path) if path else ""


def option(text: str) -> "Optional[tuple[str, str]]":
    """Returns NAME and FILE of a --stdin option; None if the text is not of the form NAME=FILE."""
    name, equals, path = text.partition("=")
    return (name, path) if equals and name and path else None
