"""Has a scenario's folder changed? Looked at by stat(2), many times a second.

inotify would tell at once, but not on NFS, on drives that WSL mounts, or on what a container shares with its host. A look at a scenario
costs about ten calls of stat.
"""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Iterator, Tuple

NOT_WATCHED = ("exercises", "mutants")
ENDINGS = (".c", ".h", ".txt")

Look = Tuple[Tuple[str, ...], ...]      # (path in the folder, what stat says of it) of each file


def look(folder: Path) -> Look:
    """What stat says now of each file that a verdict depends on. Two equal looks: nothing was written in between, renamed, made or
    removed. Temporary files of editors are none of them."""
    return tuple(sorted(_files(str(folder), "")))


def _files(folder: str, lead: str) -> "Iterator[tuple[str, ...]]":
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        yield lead or ".", f"errno {error.errno}"
        return
    for entry in entries:
        name = lead + entry.name
        if entry.name.startswith(".") or name in NOT_WATCHED:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(entry.path, f"{name}/")
        elif entry.name.endswith(ENDINGS):
            try:
                found = os.stat(entry.path)
            except OSError as error:        # it has just gone, or its link leads nowhere
                yield name, f"errno {error.errno}"
            else:
                yield name, " ".join(map(str, (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))


def text(folder: Path) -> "dict[str, str]":
    """A checksum of what is in each of these files. Of one that can't be read: why not."""
    found = {}
    for name, *_ in look(folder):
        path = folder / name
        try:
            regular = stat.S_ISREG(path.stat().st_mode)     # to open a FIFO would wait for a writer
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if regular else "no regular file"
        except OSError as error:
            found[name] = f"errno {error.errno}"
    return found


def changed(old: "dict[str, str]", new: "dict[str, str]") -> "tuple[str, ...]":
    """The names of the files that are new, gone, or have another text."""
    return tuple(sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name)))
