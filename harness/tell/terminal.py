"""All that a command prints goes through here, so that no control character in a text of others reaches a terminal."""
from __future__ import annotations

import re
from typing import Any, TextIO

from ..trace import plain

# The sequences that the lab itself writes to a terminal: a colour (2 makes it pale), its end, and the ones that draw a line anew.
_A_COLOUR = r"\x1b\[(?:(?:2;)?(?:3[1-6]|9[3-6])|0)m"
COLOUR = re.compile(f"({_A_COLOUR})")
_OURS = re.compile(rf"({_A_COLOUR}|\r\x1b\[K|\r)")


class Stream:
    """Standard output or standard error. It writes an escape in place of what is not printable. On a terminal it lets the lab's
    own colours pass."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        parts = _OURS.split(text) if self._stream.isatty() else [text]
        self._stream.write("".join(part if n % 2 else plain(part, "\n\t") for n, part in enumerate(parts)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
