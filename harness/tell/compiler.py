"""Shows the compiler's words on a terminal, unchanged, in the colours that it would use there itself."""
from __future__ import annotations

import re

from ..trace import plain

_COLOURS = {"fatal error": "31", "error": "31", "warning": "35", "note": "36"}
_HEAD = re.compile(r"^([^:\s][^:]*:\d+:(?:\d+:)?) (fatal error|error|warning|note): (.*)$")


def shown(said: str, colour: bool) -> str:
    """Returns the text. With `colour`, the kinds of messages and the marks below the source are coloured."""
    return "\n".join(_lines(said)) if colour else said


def _lines(said: str) -> "list[str]":
    code, found = "", []
    for line in plain(said, "\n\t").split("\n"):      # it quotes the source, which may hold any character
        head = _HEAD.match(line)
        if head:
            code = _COLOURS[head[2]]
            line = f"{head[1]} \x1b[{code}m{head[2]}:\x1b[0m {head[3]}"
        elif code and re.fullmatch(r"\s*\|?[\s~^|]*[~^][\s~^|]*", line):
            line = re.sub(r"[~^][\s~^]*", lambda marks: f"\x1b[{code}m{marks[0].rstrip()}\x1b[0m", line, count=1)
        found.append(line)
    return found
