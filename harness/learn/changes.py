"""A change to a scenario's programs, as an exercise or a mutant writes it.

    words about the change, or none
    --- scenarios/04-half-close/client.c
         say(conn, "This is a message 2\\n test");
    -    event("shutting down SHUT_WR");
    +    event("closing");

A line begins with a sign: `-` to take away, `+` to add, a blank for what stays. What stays and what goes, together, is found in the
file, where it must stand exactly once. A line `@@` goes on at another place of the file; another `---` in another file.
"""
from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Iterator, Mapping

Files = Mapping[str, str]       # the text of each file, by its path in the scenario's folder


class ChangeError(Exception):
    """A change that can't be read, or that does not fit. It has the line of the change (counted from 1), what is wrong and what
    to do."""

    def __init__(self, number: int, words: str) -> None:
        self.number, self.words = number, words
        super().__init__(f"{number}: {words}")


@dataclass
class Place:
    """One place of a file that is changed: the line at which it begins in the change, the file's path relative to the lab's
    folder, and the lines with their signs."""

    number: int
    file: str
    lines: "list[str]" = field(default_factory=list)

    def side(self, sign: str) -> str:
        """Returns what is at this place before the change (sign "-") or after it ("+")."""
        return "".join(line[1:] + "\n" for line in self.lines if line[:1] in ("", " ", sign))


def parse(text: str) -> "list[Place]":
    """Returns the places that a change touches. Raises ChangeError."""
    found: "list[Place]" = []
    file = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("--- "):
            file = line[4:].strip()
            found.append(Place(number, file))
        elif file and line.startswith("@@"):
            found.append(Place(number, file))
        elif file and line[:1] not in ("", " ", "-", "+"):
            raise ChangeError(number, "the line has no sign; begin it with -, with +, or with a blank for what stays")
        elif file:
            found[-1].lines.append(line)
    found = [place for place in found if any(line.strip() for line in place.lines)]
    if not found:
        raise ChangeError(1, "nothing is changed; write --- and the file's path, and below it the lines with their signs")
    return found


def apply(text: str, folder: str, files: Files) -> "dict[str, str]":
    """Returns the files after the change. `folder` is the scenario's folder, "scenarios/04-half-close". Raises ChangeError if the
    change does not fit."""
    after = dict(files)
    for place in parse(text):
        name = place.file[len(folder) + 1:] if place.file.startswith(f"{folder}/") else ""
        if name not in after:
            raise ChangeError(place.number, f"{place.file} is no file of {folder}; it has {', '.join(sorted(after))}")
        old = place.side("-")
        count = after[name].count(old)
        if count != 1:
            first = old.strip().partition("\n")[0].strip()
            raise ChangeError(place.number, f"{place.file} has {count} places that read so, and must have one; the place begins with: {first}")
        after[name] = after[name].replace(old, place.side("+"))
    return after


def difference(before: Files, after: Files, words: "tuple[str, str]", prefix: str = "") -> "Iterator[str]":
    """Yields how two states of the files differ, as lines of a unified diff. `words` name the two states, and `prefix` stands
    before each path."""
    for name in sorted({*before, *after}):
        old, new = (one.get(name, "").splitlines() for one in (before, after))
        missing = ["" if name in one else " (there is none)" for one in (before, after)]
        labels = [f"{prefix}{name}   {word}{none}" for word, none in zip(words, missing)]
        yield from difflib.unified_diff(old, new, labels[0], labels[1], lineterm="")
        if old == new and before.get(name) != after.get(name):
            yield f"{prefix}{name}: the two differ only in how their lines end"
