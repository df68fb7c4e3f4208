"""The way out: all that a command prints goes through here, so that nothing of what others wrote reaches a terminal raw."""
from __future__ import annotations

import re
from typing import Any, TextIO

from ..trace import plain

# What the lab itself writes to a terminal: a colour, its end, and the line that is drawn anew.
_A_COLOUR = r"\x1b\[(?:3[1-6]|9[3-6]|0)m"
COLOUR = re.compile(f"({_A_COLOUR})")
_OURS = re.compile(rf"({_A_COLOUR}|\r\x1b\[K|\r)")


class Stream:
    """Standard output or error. Escapes what is not printable; on a terminal it lets the lab's own colours pass."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        parts = _OURS.split(text) if self._stream.isatty() else [text]
        self._stream.write("".join(part if n % 2 else plain(part, "\n\t") for n, part in enumerate(parts)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
