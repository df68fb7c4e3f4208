"""Tells whether a scenario's folder has changed. It asks stat(2), many times a second.

inotify would tell at once, but not on NFS, on drives that WSL mounts, or in a folder that a container shares with its host. A
look at a scenario costs about ten calls of stat.
"""
from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Iterator, Tuple

NOT_WATCHED = ("exercises", "mutants")
ENDINGS = (".c", ".h", ".txt")

Look = Tuple[Tuple[str, ...], ...]      # for each file (path in the folder, what stat says of it)


def look(folder: Path) -> Look:
    """Returns what stat says now of each file on which a verdict depends. If two looks are equal, nothing was written, renamed,
    made or removed in between. Temporary files of editors are left out."""
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
            except OSError as error:        # the file has just gone, or it is a link that leads nowhere
                yield name, f"errno {error.errno}"
            else:
                yield name, " ".join(map(str, (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))


def text(folder: Path) -> "dict[str, str]":
    """Returns a checksum of the content of each of these files. For a file that can't be read, returns why not."""
    found = {}
    for name, *_ in look(folder):
        path = folder / name
        try:
            regular = stat.S_ISREG(path.stat().st_mode)     # opening a FIFO would wait for a writer
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if regular else "no regular file"
        except OSError as error:
            found[name] = f"errno {error.errno}"
    return found


def changed(old: "dict[str, str]", new: "dict[str, str]") -> "tuple[str, ...]":
    """Returns the names of the files that are new, gone, or have another text."""
    return tuple(sorted(name for name in set(old) | set(new) if old.get(name) != new.get(name)))
