"""The source files of a scenario, and a record of the texts from which the built programs were made.

make compares times, but a time says little. A file that is moved back, or checked out, may be older than a program that was built
from another text. A file that is saved while the compiler reads it is older than the object. So each build leaves a record of the
texts, and of what the compiler said about each. If a text is not that of the record, the object is removed, and make builds it
anew.
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

RECORD = ".sources"
_OLD = 1                    # seconds from 1970: a time that is older than each object
NOT_BUILT = ("exercises", "mutants")
_PLACE = re.compile(r"^(?:In file included from|\s+from)?\s*([^\s:][^:\n]*\.[ch]):\d+", re.MULTILINE)


@dataclass
class Record:
    """The record of one scenario. By the path of a file in its folder, it has the checksum of the text that was built ("" if that
    is not certain), the compiler's warnings about it, and which object was made of it. A file that is not in `said` was built by
    a make that kept no record."""

    sums: "dict[str, str]" = field(default_factory=dict)
    said: "dict[str, str]" = field(default_factory=dict)
    objects: "dict[str, str]" = field(default_factory=dict)


def load(build: Path) -> Record:
    """Returns the record of a folder of built programs. If it is missing or broken, returns an empty record."""
    try:
        told = json.loads((build / RECORD).read_text(encoding="utf-8", errors="replace"))
        return Record(*({str(name): str(value) for name, value in told[key].items()} for key in ("sums", "said", "objects")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Record()


def save(build: Path, record: Record) -> None:
    """Writes the record under another name, and then renames it, so that nobody sees a part of it. A folder that can't be written
    has no record."""
    new = build / f"{RECORD}.{os.getpid()}"
    with contextlib.suppress(OSError):
        build.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(vars(record)), encoding="utf-8")
        os.replace(new, build / RECORD)


def sums(folder: Path) -> "dict[str, str]":
    """Returns the checksum of each .c and .h file that belongs to the programs of a scenario, by its path in the folder. A file
    that can't be read is left out: the compiler will report it."""
    found = {}
    for path in sorted(folder.rglob("*.[ch]")):
        name = path.relative_to(folder)
        if name.parts[0] not in NOT_BUILT and path.is_file():
            with contextlib.suppress(OSError):
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Build:
    """One build of one scenario. It is made before make runs, and built() is called when make has succeeded."""

    def __init__(self, folder: Path, build: Path, programs: "list[Path]") -> None:
        self.folder, self.build = folder, build
        self.record, self.before = load(build), sums(folder)
        old, new = self.record.sums, self.before
        changed = {name for name in set(old) | set(new) if old.get(name) != new.get(name) or made(self.build, name) != self.record.objects.get(name, "")}
        if old:
            self._take_away(changed, programs)
        for name in changed:        # what is built is not certain until make has succeeded
            self.record.sums[name] = ""
            self.record.said.pop(name, None)
        save(build, self.record)
        self._objects = {name: made(self.build, name) for name in new}

    def _take_away(self, changed: "set[str]", programs: "list[Path]") -> None:
        """Removes the objects that were made of another text than the present one, or by a build that kept no record, and has
        their programs linked anew."""
        if any(name.endswith(".h") for name in changed):
            changed = {name for name in self.before if name.endswith(".c")}
        gone = [self.build / f"{name[:-2]}.o" for name in changed if name.endswith(".c")]
        for path in gone:
            with contextlib.suppress(OSError):
                path.unlink()
        own = {f"{path.name}.c" for path in programs}       # a file that is no program's own goes into each of them
        for path in programs if changed - own else [path for path in programs if f"{path.name}.c" in changed]:
            outdate(path)

    def built(self, said: str) -> None:
        """make has built everything, and the compiler has said `said`. Writes the record."""
        now, record = sums(self.folder), self.record
        warnings = dict(_by_file(said, self.folder))
        record.objects = {name: made(self.build, name) for name in self.before}
        record.sums = {name: number if now.get(name) == number else "" for name, number in self.before.items()}
        for name in self.before:
            if name.endswith(".c") and record.objects[name] != self._objects[name]:
                record.said[name] = warnings.get(name, "")
        record.said = {name: text for name, text in record.said.items() if record.sums.get(name)}
        save(self.build, record)


def made(build: Path, name: str) -> str:
    """Returns a text that tells the present object of a .c file from earlier ones, because each compilation makes a new one.
    Returns "" if there is no object, and for a header."""
    try:
        found = (build / f"{name[:-2]}.o").stat() if name.endswith(".c") else None
    except OSError:
        return ""
    return f"{found.st_ino} {found.st_mtime_ns}" if found else ""


def outdate(path: Path) -> None:
    """Has make link a program anew. The old one stays until the new one takes its place, because another command may be about to
    run it."""
    with contextlib.suppress(OSError):
        try:
            if path.is_symlink():       # make looks at the time of the file to which it points
                raise PermissionError
            os.utime(path, (_OLD, _OLD))
        except PermissionError:         # another user's, or no file of the build
            path.unlink()


def forget(folder: Path, build: Path) -> None:
    """Has the next build compile each file again for which the record does not have the compiler's words."""
    record = load(build)
    now = sums(folder)
    record.sums = {name: number if name in record.said or not name.endswith(".c") else "" for name, number in (record.sums or now).items()}
    save(build, record)


def blocks(said: str) -> "Iterator[str]":
    """Yields the compiler's messages, one at a time: the lines that lead to a message's first line, that line, and the lines that
    belong to it."""
    block: "list[str]" = []
    for line in said.splitlines():
        leads = re.match(r"(In file included from |\s+from )|[^:\s][^:]*: (In|At) ", line)
        begins = re.match(r"[^:\s][^:]*:\d+:(\d+:)? (fatal error|error|warning): |\S*\bld(\.[a-z]+)?: ", line)
        led = bool(block) and all(re.match(r"(In file included from |\s+from )|[^:\s][^:]*: (In|At) ", one) for one in block)
        if block and (leads or begins) and not led:
            yield "\n".join(block)
            block = []
        block.append(line)
    if block:
        yield "\n".join(block)


def _by_file(said: str, folder: Path) -> "Iterator[tuple[str, str]]":
    """Yields the messages about each .c file of a scenario: (the file's path in the folder, the messages)."""
    found: "dict[str, list[str]]" = {}
    for block in blocks(said):
        places = [place for place in _PLACE.findall(block) if place.endswith(".c")] or _PLACE.findall(block)
        for name in places[:1]:
            inside = name.partition(f"{folder.name}/")[2]
            if inside:
                found.setdefault(inside, []).append(block)
    for name, texts in found.items():
        yield name, "\n".join(texts)
