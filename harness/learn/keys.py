"""Reads what a learner types, a line at a time, from a terminal or from a pipe."""
from __future__ import annotations

import os
import select


class Ended(Exception):
    """The input has ended: Ctrl-D, or the end of a pipe."""


class Keys:
    """Reads lines from standard input. `waker` is a descriptor that becomes readable when a signal comes; then line() raises
    KeyboardInterrupt."""

    def __init__(self, waker: int, source: int = 0) -> None:
        self.waker, self.source = waker, source
        self.terminal = os.isatty(source)
        self._read = bytearray()
        self._over = False

    def line(self, prompt: str) -> str:
        """Prints the prompt, and returns the line that was typed, without blanks around it. Raises Ended, KeyboardInterrupt."""
        print(prompt, end="", flush=True)
        while b"\n" not in self._read and not self._over:
            if self.waker in select.select([self.source, self.waker], [], [])[0]:
                raise KeyboardInterrupt
            data = os.read(self.source, 4096)
            self._read += data
            self._over = not data
        if not self._read:
            print()
            self._over = False      # a terminal goes on after Ctrl-D
            raise Ended
        typed, _, rest = bytes(self._read).partition(b"\n")
        self._read = bytearray(rest)
        answer = typed.decode("utf-8", "replace").strip()
        if not self.terminal:
            print(answer)           # a terminal has shown it already
        return answer
