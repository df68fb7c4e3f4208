"""A terminal that one command has to itself for a while. Keys come as they are typed, and the whole screen is drawn anew from a
list of lines. On every way out the terminal is put back as it was before.

What is drawn may hold text of others. So it goes through the same filter as all that a command prints (terminal.py).
"""
from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import termios
import unicodedata
from typing import Any, Iterable, Iterator, Optional

from ..trace import plain
from .terminal import COLOUR

_ENTER, _LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"       # switch to a second screen without a cursor, and back


def why_not() -> str:
    """Returns why this command can't have the screen; "" if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "standard input or standard output is no terminal"
    return "TERM is dumb: this terminal can't move its cursor" if os.environ.get("TERM", "dumb") == "dumb" else ""


def size() -> "tuple[int, int]":
    """Returns the columns and the rows that the terminal has now."""
    try:
        columns, rows = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        columns, rows = 0, 0
    return (columns, rows) if columns and rows else shutil.get_terminal_size((80, 24))


class FullScreen:
    """The terminal. enter() and leave() may be called again and again. A second leave() does nothing."""

    def __init__(self) -> None:
        self.keyboard, self._out = sys.stdin.fileno(), sys.stdout.fileno()
        self._before: "Optional[list[Any]]" = None
        self._drawn: "list[str]" = []

    def enter(self) -> None:
        self._before = termios.tcgetattr(self.keyboard)
        ours = termios.tcgetattr(self.keyboard)
        ours[3] &= ~(termios.ICANON | termios.ECHO)     # ISIG stays: Ctrl-C and Ctrl-Z are signals
        ours[6][termios.VMIN], ours[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self.keyboard, termios.TCSADRAIN, ours)
        self._write(_ENTER)
        self._drawn = []

    def leave(self) -> None:
        """Puts the terminal back as it was. If the terminal has gone, nothing is done."""
        if self._before is None:
            return
        before, self._before = self._before, None
        with _not_stopped(), contextlib.suppress(OSError, termios.error):
            self._write(_LEAVE)
            termios.tcsetattr(self.keyboard, termios.TCSADRAIN, before)

    def draw(self, lines: Iterable[str]) -> None:
        """Shows these lines from the top on, and nothing else. If they are on the screen already, nothing is written."""
        new = list(lines)
        if new == self._drawn:
            return
        self._drawn = new
        text = "".join(f"{safe(line)}\x1b[K\r\n" for line in new[:-1]) + "".join(f"{safe(line)}\x1b[K" for line in new[-1:])
        self._write(b"\x1b[H" + text.encode(sys.stdout.encoding or "utf-8", "replace") + b"\x1b[J")

    def forget(self) -> None:
        """Makes the next draw() write everything, because the terminal has another size, or somebody else has written on it."""
        self._drawn = []

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data):]


@contextlib.contextmanager
def _not_stopped() -> Iterator[None]:
    """Inside of it, a process in the background may set its terminal back, and is not stopped for that."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def safe(line: str) -> str:
    """Returns a line with the lab's own colours and with no other control character."""
    return "".join(part if n % 2 else plain(part) for n, part in enumerate(COLOUR.split(line)))


def cut(line: str, columns: int) -> str:
    """Returns the part of a line that has room. Colours take no column, and a character of double width takes two."""
    found, room, coloured = "", columns, False
    for n, part in enumerate(COLOUR.split(line)):
        if n % 2:
            found, coloured = found + part, part != "\x1b[0m"
            continue
        for c in plain(part):
            room -= 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
            if room < 0:
                return found + ("\x1b[0m" if coloured else "")
            found += c
    return found
