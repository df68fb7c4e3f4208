"""Shows a run live: one line for each event as it happens, in its program's column, and a countdown during a pause."""
from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from typing import Iterable, Iterator, TextIO

from ..trace import Ending, Event, Output, Record, Role
from . import phrases, words


def wants_colour(stream: TextIO) -> bool:
    """Returns whether to write colours: on a terminal, unless NO_COLOR is set (no-color.org) or TERM is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """Returns how many columns to write in: the terminal's number, but 60 to 120; 100 if there is no terminal."""
    columns = shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 100
    return max(60, min(120, columns))


def rows_of(stream: TextIO) -> int:
    """Lines that a terminal has for a verdict, if what make adds and a prompt are to stand below it; 0 where there is no terminal."""
    return max(shutil.get_terminal_size((100, 24)).lines - 4, 1) if stream.isatty() else 0


def fitted(lines: "Iterable[str]", stream: TextIO) -> "Iterator[str]":
    """Yields the lines. On a terminal a line that is too wide is broken between words. A command is not broken, because it is
    there to be copied."""
    width = width_of(stream)
    for line in lines:
        if not stream.isatty() or len(line) <= width or "SCHEDULE=" in line:
            yield line
        else:
            indent = line[:len(line) - len(line.lstrip())]
            yield from textwrap.wrap(line.lstrip(), width, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False, break_long_words=False)


def say(line: str, stream: TextIO, flush: bool = False) -> None:
    """Prints a sentence of the lab."""
    print("\n".join(fitted([line], stream)), file=stream, flush=flush)


def heading(words: str, page: str, stream: TextIO) -> str:
    """The first line of what a command says, with the lesson's page; in a second line where a terminal has no room for both."""
    line = f"{words}   lesson: {page}" if page else words
    return line if not page or not stream.isatty() or len(line) <= width_of(stream) else f"{words}\nlesson: {page}"


class Screen:
    """Prints records as they come. `real_time`: pauses take real time, so a terminal shows a countdown. `cast`: the programs that
    have columns."""

    def __init__(self, stream: TextIO = sys.stdout, real_time: bool = True, cast: tuple[Role, ...] = words.PAIR) -> None:
        self.stream, self.real_time, self.cast = stream, real_time, cast
        self.colour, self.width, self.terminal = wants_colour(stream), width_of(stream), stream.isatty()
        self._until = 0.0
        self._shown = ""

    def head(self) -> None:
        """Prints the columns' names."""
        self._print(words.column_heads(width=self.width, colour=self.colour, cast=self.cast))

    def tell(self, record: Record) -> None:
        """Prints one record."""
        if isinstance(record, Event):
            if record.kind == "pause" and self.real_time:
                self._until = time.monotonic() + record.count / 1e9
            self._print(words.format_event(record, width=self.width, colour=self.colour, cast=self.cast))
        elif isinstance(record, Output):
            self._print(words.format_output(record, width=self.width, colour=self.colour, cast=self.cast))
        elif isinstance(record, Ending):
            self._print(words.format_ending(record, width=self.width, colour=self.colour, cast=self.cast))

    def wrap(self, line: str) -> str:
        """Returns a sentence. On a terminal it is broken between words where the terminal would break it within a word."""
        return "\n".join(phrases.wrapped(line, self.width)) if self.terminal else line

    def tick(self) -> None:
        """Draws the countdown, if there is a terminal. It is called many times a second."""
        if not self.terminal or not self.real_time:
            return
        left = self._until - time.monotonic()
        self._draw(f"          ... {left:.0f} s" if left > 0.5 else "")

    def end(self) -> None:
        """Removes the countdown."""
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
