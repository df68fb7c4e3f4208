"""The pieces of a picture, and how they become SVG: text, lines, bars. What they say is decided elsewhere.

Text is measured here, without a font: a character of a monospaced font is at most 0.61 of its size wide, and an East Asian one at
most 1.3.
"""
from __future__ import annotations

import html
import unicodedata
from dataclasses import dataclass
from typing import Iterable, Iterator, Union

from ...trace import plain

CELL, WIDE = 0.61, 1.3      # widths of characters, as parts of the font's size
SIZE, SMALL = 11, 9         # pixels: the font's size for text, and for small text beside it
LINE = 14                   # pixels from one line of text to the next

# Okabe and Ito's colours. Each theme has those that can be told from its ground.
LIGHT = {"ground": "#ffffff", "text": "#1a1a1a", "dim": "#595959", "left": "#0072b2", "right": "#d55e00", "good": "#009e73", "rule": "#8c8c8c"}
DARK = {"ground": "#14171a", "text": "#f2f2f2", "dim": "#a8adb3", "left": "#56b4e9", "right": "#e69f00", "good": "#009e73", "rule": "#777d84"}
LINES = ("left", "right", "good", "rule", "text")       # colours of lines and areas
WORDS = ("text", "dim")                                 # colours of text

@dataclass(frozen=True)
class Text:
    """One line of text. At `x`, `y` its baseline begins (`anchor` start), ends (end), or has its middle (middle)."""

    x: float
    y: float
    words: str
    kind: str = ""          # classes of the style
    anchor: str = "start"

    @property
    def size(self) -> int:
        return SMALL if "s" in self.kind.split() else SIZE

    def box(self) -> "tuple[float, float, float, float]":
        """Returns the left, top, right and bottom edge."""
        wide = width(self.words, self.size)
        left = self.x - {"start": 0.0, "middle": wide / 2, "end": wide}[self.anchor]
        return left, self.y - self.size * 0.85, left + wide, self.y + self.size * 0.25

    def svg(self) -> str:
        anchor = {"start": "", "middle": " m", "end": " e"}[self.anchor]
        kind = f"{self.kind}{anchor}".strip()
        return f'<text x="{number(self.x)}" y="{number(self.y)}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{safe(self.words)}</text>'


@dataclass(frozen=True)
class Path:
    """Lines, as SVG's path data."""

    data: str
    kind: str

    def svg(self) -> str:
        return f'<path d="{self.data}" class="{self.kind}"/>'


@dataclass(frozen=True)
class Bar:
    """A rectangle. `kind` is its class in the style. `title` says what it is."""

    x: float
    y: float
    wide: float
    high: float
    kind: str
    title: str = ""

    def svg(self) -> str:
        title = f"<title>{safe(self.title)}</title>" if self.title else ""
        return f'<rect x="{number(self.x)}" y="{number(self.y)}" width="{number(self.wide)}" height="{number(max(self.high, 2))}" class="{self.kind}"' + \
            (f">{title}</rect>" if title else "/>")


Piece = Union[Text, Path, Bar]


@dataclass
class Group:
    """The pieces of one record: its id, its full text, and what is drawn of it."""

    name: str
    title: str
    pieces: "list[Piece]"

    def svg(self) -> str:
        inner = "".join(piece.svg() for piece in self.pieces)
        name = f' id="{self.name}"' if self.name else ""
        return f"<g{name}><title>{safe(self.title)}</title>{inner}</g>" if self.title else f"<g{name}>{inner}</g>"


@dataclass
class Picture:
    """The whole picture. `told` has the run as sentences."""

    wide: float
    high: float
    title: str
    told: "list[str]"
    groups: "list[Group]"

    def texts(self) -> "Iterator[Text]":
        return (piece for group in self.groups for piece in group.pieces if isinstance(piece, Text))

    def svg(self) -> str:
        sentences = "\n".join(f"{n}. {plain(words)}" for n, words in enumerate(self.told, 1))
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" role="graphics-document document" aria-labelledby="title story" '
            f'viewBox="0 0 {number(self.wide)} {number(self.high)}" width="{number(self.wide)}" height="{number(self.high)}">',
            f'<title id="title">{safe(self.title)}</title>', f'<desc id="story">{html.escape(sentences)}</desc>', f"<style>{style()}</style>", _DEFS,
            f'<rect class="ground" width="{number(self.wide)}" height="{number(self.high)}"/>', *(group.svg() for group in self.groups), "</svg>", ""])


def style() -> str:
    """Returns the stylesheet: the light theme, and the dark one if the reader's system asks for it."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in theme.items()) for theme in (LIGHT, DARK))
    return (f"svg{{{light}}}@media(prefers-color-scheme:dark){{svg{{{dark}}}}}"
            f"text{{font:{SIZE}px 'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace;fill:var(--text);white-space:pre;direction:ltr;unicode-bidi:isolate;"
            "paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}"
            f".s{{font-size:{SMALL}px}}.dim{{fill:var(--dim)}}.b{{font-weight:bold}}.e{{text-anchor:end}}.m{{text-anchor:middle}}.ground{{fill:var(--ground)}}"
            "path{fill:none;stroke:var(--rule)}path.ink{stroke:var(--text)}path.left{stroke:var(--left)}path.right{stroke:var(--right)}path.dash{stroke-dasharray:5 3}path.lane{stroke-dasharray:1 3}"
            "path.w{stroke-width:1.6}path.x{stroke-width:2.4}"
            "rect.open,rect.made,rect.shut,rect.queue,rect.sent{stroke-width:1}"
            "rect.left{fill:var(--left)}rect.right{fill:var(--right)}"
            "rect.open{fill:url(#open);stroke:var(--good)}rect.made{fill:var(--good);stroke:var(--good)}rect.shut{fill:url(#shut);stroke:var(--good)}"
            "rect.wait{fill:var(--ground);stroke:var(--text);stroke-width:1.2}"
            "rect.queue{fill:url(#queue);stroke:var(--right)}rect.sent{fill:url(#sent);stroke:var(--left)}"
            "pattern path{stroke:var(--good);stroke-width:1.5}#queue path{stroke:var(--right)}#sent path{stroke:var(--left)}")


_DEFS = ('<defs><pattern id="open" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M0 4L4 0"/></pattern>'
         '<pattern id="shut" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M0 2H4"/></pattern>'
         '<pattern id="queue" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M0 0L5 5M0 5L5 0"/></pattern>'
         '<pattern id="sent" width="3" height="4" patternUnits="userSpaceOnUse"><path d="M0 0V4"/></pattern></defs>')


def safe(words: str) -> str:
    """Returns a text of others as a part of the file, without markup and without control characters."""
    return html.escape(plain(words), quote=True)


def number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def width(words: str, size: int = SIZE) -> float:
    """Returns how many pixels wide the words are at most."""
    return size * (len(words) * CELL if words.isascii() else sum(map(_cell, words)))


def _cell(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF" or ord(character) > 0x2BFF:
        return WIDE
    return CELL if ord(character) < 0x590 else 1.0


def wrap(words: str, room: float, size: int = SIZE, most: int = 3) -> "list[str]":
    """Returns the text in lines that are at most `room` pixels wide. If there are more than `most` lines, the last one ends with
    "..." and the rest is left out."""
    lines, line = [], ""
    for word in _words(words):
        for part in _parts(word, room, size):
            if line.strip() and width(line + part.rstrip(" "), size) > room:
                lines.append(line.rstrip(" "))
                line = "" if part.isspace() else part
            else:
                line += part
        if len(lines) > most:
            break
    lines += [line.rstrip(" ")] if line.strip() or not lines else []
    if len(lines) > most:
        last = lines[most - 1]
        while last and width(last + " ...", size) > room:
            last = last[:-1]
        lines = [*lines[:most - 1], last + " ..."]
    return lines


def _words(words: str) -> "Iterable[str]":
    """Yields the words, each with the blanks behind it."""
    found = ""
    for n, character in enumerate(words):
        found += character
        if character == " " and words[n + 1:n + 2] != " ":
            yield found
            found = ""
    if found:
        yield found


def _parts(word: str, room: float, size: int) -> "Iterator[str]":
    """Yields a word; a word that is longer than a line comes in pieces."""
    if width(word.rstrip(" "), size) <= room:
        yield word
        return
    part = ""
    for character in word:
        if part and width(part + character, size) > room:
            yield part
            part = ""
        part += character
    yield part
