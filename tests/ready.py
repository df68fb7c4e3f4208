"""Build folders in which the programs of the lab are built already, as they are. So a test compiles only what it changes."""
from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Iterable, Mapping
from unittest import mock

import pytest

from harness.stage import sources
from harness.stage.build import build as have_made
from harness.stage.scenarios import ROOT, find
from once import once

NOT_OURS = ("SCENARIOS", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
BUILD = os.environ.get("BUILD") or "build"      # before a test sets another one


def ready(build: Path, names: "Iterable[str]" = ()) -> Path:
    """Puts what make has made of common/, and of these scenarios of the lab, into a build folder, with its times, so that make takes
    it as it is. What the folder had of these scenarios goes. Where the test asks for other flags, make builds all anew. Returns the folder."""
    if not (build / "libcommon.a").exists():
        made = library().parent
        shutil.copytree(made / "common", build / "common")
        for name in (".flags", "libcommon.a"):
            shutil.copy2(made / name, build)
    for name in names:
        _put(_made(name), build / name)
    return build


def library() -> Path:
    """Returns common/ as make has built it."""
    return _made("00-anatomy").parent / "libcommon.a"


def _put(made: Path, build: Path) -> None:
    """Makes one folder of programs like another. A file that is alike stays the same file. The record is made anew: another test may be writing theirs."""
    theirs = {path.relative_to(made): path for path in made.rglob("*")
              if not path.name.startswith(sources.RECORD) and path.relative_to(made).parts[0] != "exercises" and path.is_file()}
    ours = {path.relative_to(build): path for path in build.rglob("*") if path.is_file()}
    for name in [name for name in ours if name not in theirs or _looks(ours[name]) != _looks(theirs[name])]:
        ours.pop(name).unlink()         # and not written to: it may still run
    for name in theirs.keys() - ours.keys():
        (build / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(theirs[name], build / name)
    record = sources.load(made)     # where the objects are now, and that the compiler says nothing about the lab's own programs
    record.objects = {name: sources.made(build, name) for name in record.objects}
    record.said = {name: "" for name in record.objects if name.endswith(".c")}
    sources.save(build, record)


def _looks(path: Path) -> "tuple[int, int]":
    return path.stat().st_mtime_ns, path.stat().st_size


@functools.lru_cache(maxsize=None)
def _made(name: str) -> Path:
    """Returns the folder with the programs of a scenario of the lab, in the build folder of the lab itself."""
    env = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    with mock.patch.dict(os.environ, {**env, "BUILD": BUILD}, clear=True):
        have_made([find(name)])
    return ROOT / BUILD / name


def program(factory: pytest.TempPathFactory, name: str, files: "Mapping[str, str]", file: str) -> Path:
    """Returns the program that a scenario has of FILE.c if these are its files. It is compiled once for all tests, and not at all if the
    lab's own program is the same. It has no lines for a debugger, and the compiler's warnings are not shown. The program of an exercise is
    asked for as exercises/a/other/client."""
    home = ROOT / "scenarios" / name
    others = {f"{one.file}.c" for one in find(name).stage.programs} - {f"{file}.c"}
    texts = {path: text for path, text in files.items() if path.endswith((".c", ".h")) and path not in others}
    own = {path for path, text in texts.items() if not path.startswith("exercises/") and (home / path).is_file() and (home / path).read_text() == text}
    if own == texts.keys():
        return _made(name) / file

    def compile(folder: Path) -> None:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        as_they_are = own if all(path in own for path in texts if path.endswith(".h")) else set()
        units = [str(_made(name) / f"{path[:-2]}.o") if path in as_they_are else str(folder / path) for path in texts if path.endswith(".c")]
        subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-w", "-O1", "-pthread", f"-I{ROOT / 'common'}", *units,
                        str(library()), "-o", str(folder / Path(file).name)], check=True)
    told = "\0".join(word for path in sorted(texts) for word in (path, texts[path]))
    return once(factory, f"{name}-{hashlib.sha256((file + told).encode()).hexdigest()[:20]}", compile) / Path(file).name
