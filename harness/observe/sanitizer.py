"""Reads the reports of the sanitizers of gcc and clang. A program that is built with one writes them to its standard error.

The tools promise nothing about the form of a report. This module knows the first line, which has the kind of the error, and the
stack frames behind it: `#1 0x55f0 in fill scenarios/06-short-reads/server.c:31:5`.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Optional

_FIRST = re.compile(r"==\d+==\s*(?:ERROR|WARNING): (\w+Sanitizer): ?(.*)")
_UNDEFINED = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+):\d+: runtime error: (?P<what>.*)")
_FRAME = re.compile(r"\s*#\d+ (?:0x[0-9a-f]+ )?(?:in )?\S+ (?P<file>\S+?):(?P<line>\d+)(?::\d+)?(?: .*)?$")
_ACCESS = re.compile(r"(?:\s*)(READ|WRITE|Read|Write) of size (\d+)")
_NO_PLACE = re.compile(r"\s*\b(on|in|at|for) (0x|unknown|address|thread|object).*| \(.*|: .*")


@dataclass(frozen=True)
class Report:
    """One report. `place` says where the program's own code made the error, "server.c:31"; "" if the report does not tell."""

    tool: str       # "AddressSanitizer"
    what: str       # "heap-buffer-overflow, a write of 7 bytes"
    place: str

    def words(self, who: str) -> str:
        """Returns the report as a sentence about `who`, without a full stop at the end."""
        return f"{self.tool} found an error in the {who}{f' at {self.place}' if self.place else ''}: {self.what}"


def begins(line: str) -> bool:
    """Does this line of standard error begin a report? (Go's `panic: runtime error: ...` does not.)"""
    return bool(_FIRST.match(line) or _UNDEFINED.match(line))


def read(lines: Iterable[str]) -> Optional[Report]:
    """Returns the first report in what a program wrote to standard error; None if there is none."""
    tool = what = access = ""
    places: "list[tuple[str, str]]" = []
    for line in lines:
        if not tool:
            first, undefined = _FIRST.match(line), _UNDEFINED.match(line)
            if undefined:
                return Report("UndefinedBehaviorSanitizer", undefined["what"], _place([(undefined["file"], undefined["line"])]))
            if first:
                tool, what = first[1], _NO_PLACE.sub("", first[2], count=1).strip()
            continue
        frame, size = _FRAME.match(line), _ACCESS.match(line)
        if frame:
            places.append((frame["file"], frame["line"]))
        elif size and not access:
            access = f", a {size[1].lower()} of {size[2]} byte{'s' if size[2] != '1' else ''}"
        elif places and not line.strip():
            break               # later stacks say where the memory was allocated or freed
    return Report(tool, what + access, _place(places)) if tool else None


def _place(frames: "list[tuple[str, str]]") -> str:
    """Returns "file:line" of the innermost frame in the program's own code. A frame in common/ counts only if there is no other."""
    own = [(file, line) for file, line in frames if not file.startswith(("../", "/usr/")) and "libsanitizer" not in file and "/compiler-rt/" not in file]
    best = [one for one in own if one[0].split("/")[-2:-1] != ["common"]] or own
    return f"{best[0][0].split('/')[-1]}:{best[0][1]}" if best else ""
