"""Live output of a run: one line per event as it happens, in its program's column, and a countdown in a pause."""
from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from typing import Iterable, Iterator, TextIO

from ..trace import Ending, Event, Output, Record, Role
from . import words


def wants_colour(stream: TextIO) -> bool:
    """On a terminal, unless NO_COLOR says no (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """Columns to write in: the terminal's, 60 to 120; 100 where there is none."""
    columns = shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 100
    return max(60, min(120, columns))


def fitted(lines: "Iterable[str]", stream: TextIO) -> "Iterator[str]":
    """The lines. On a terminal one that is too wide breaks between words; but not a command, which is there to be copied."""
    width = width_of(stream)
    for line in lines:
        if not stream.isatty() or len(line) <= width or "SCHEDULE=" in line:
            yield line
        else:
            indent = line[:len(line) - len(line.lstrip())]
            yield from textwrap.wrap(line.lstrip(), width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False, break_long_words=False)


class Screen:
    """Prints records as they come. `real_time`: a pause is really waited for, so count it down on a terminal. `cast`: whose
    columns there are."""

    def __init__(self, stream: TextIO = sys.stdout, real_time: bool = True, cast: tuple[Role, ...] = words.PAIR) -> None:
        self.stream, self.real_time, self.cast = stream, real_time, cast
        self.colour, self.width, self.terminal = wants_colour(stream), width_of(stream), stream.isatty()
        self._until = 0.0
        self._shown = ""

    def head(self) -> None:
        """The columns' names."""
        self._print(words.column_heads(width=self.width, colour=self.colour, cast=self.cast))

    def tell(self, record: Record) -> None:
        """Shows one record."""
        if isinstance(record, Event):
            if record.kind == "pause" and self.real_time:
                self._until = time.monotonic() + record.count / 1e9
            self._print(words.format_event(record, width=self.width, colour=self.colour, cast=self.cast))
        elif isinstance(record, Output):
            self._print(words.format_output(record, width=self.width, colour=self.colour, cast=self.cast))
        elif isinstance(record, Ending):
            self._print(words.format_ending(record, width=self.width, colour=self.colour, cast=self.cast))

    def wrap(self, line: str) -> str:
        """A sentence, broken between words where a terminal would break it within one."""
        return textwrap.fill(line, self.width, break_on_hyphens=False) if self.terminal else line

    def tick(self) -> None:
        """Called many times a second: the countdown, where there is a terminal to draw it on."""
        if not self.terminal or not self.real_time:
            return
        left = self._until - time.monotonic()
        self._draw(f"          ... {left:.0f} s" if left > 0.5 else "")

    def end(self) -> None:
        """Takes the countdown away."""
        self._draw("")

    def _draw(self, text: str) -> None:
        if text != self._shown:
            self.stream.write("\r\x1b[K" + text)
            self.stream.flush()
            self._shown = text

    def _print(self, line: str) -> None:
        self._draw("")
        self.stream.write(line + "\n")
        self.stream.flush()
