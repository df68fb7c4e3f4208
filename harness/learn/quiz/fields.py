"""Kind `field`: shows the segments of a connection, with one field of one of them blank.

A field is asked for only if the rest of the table decides it. Sequence numbers follow from what the same end sent before.
Acknowledgements follow from what the other end sent before, because each row above has arrived, and the acknowledgements say so.
Lengths and FINs follow from what is counted later.
"""
from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

from ...judge.sides import WRITES
from ...tell.phrases import count
from ...trace import Segment
from .asked import Asked
from .seen import Seen
from .shown import head

FLAGS = ("SYN", "SYN ACK", "ACK", "FIN ACK", "RST")
ROWS = 12       # a longer table does not fit on a screen


@dataclass(frozen=True)
class Row:
    sender: str
    flags: str          # one of FLAGS, or "RST ACK": without PSH
    first: int
    length: int
    ack: Optional[int]  # None: the segment has no ACK

    @property
    def end(self) -> int:
        """The number with which its sender's next segment begins. SYN and FIN count as one each."""
        return self.first + self.length + ("SYN" in self.flags or "FIN" in self.flags)


@dataclass(frozen=True)
class Blank:
    row: int
    field: str
    answer: str
    why: str


def ask(seen: Seen, chance: random.Random) -> Optional[Asked]:
    tables = [rows for made in seen.run.connections if (rows := table(seen, made.number)) and len(rows) <= ROWS]
    if not tables:
        return None
    rows = chance.choice(tables)
    found = [one for n in range(len(rows)) for one in _blanks(rows, n)]
    if not found:
        return None
    field = chance.choice(sorted({one.field for one in found}))
    blank = chance.choice([one for one in found if one.field == field])
    lines = [*head(seen), *textwrap.wrap("The segments of a connection. Two things are left out: the flag PSH, and segments that only acknowledge, except the one that completes the "
                                         "connection. Each segment had arrived before the next was sent. The first byte of a stream has the number 1, and the SYN has 0.",
                                         seen.width), "", *shown(rows, blank)]
    if field == "flags":
        lines += ["", "Which flags stand at the ?", "   ".join(f"{n} {flags}" for n, flags in enumerate(FLAGS, 1))]
        return Asked("field", seen.scenario.name, seen.named, tuple(lines), blank.answer, blank.why, "choice", len(FLAGS))
    return Asked("field", seen.scenario.name, seen.named, (*lines, "", "Which number stands at the ?"), blank.answer, blank.why)


def table(seen: Seen, connection: int) -> "list[Row]":
    """Returns the segments of a connection in their order. Returns [] if the rules do not give all of its numbers, or if a write
    did not go as one segment: then the kernel's timers decided on the segments."""
    run = seen.run
    segments = [s for s in run.segments if s.connection == connection]
    rows: "list[Row]" = []
    for n, segment in enumerate(segments):
        if not _is_bare(segment) or n == 2:     # the third one ends the handshake
            rows.append(_row(segment))
    senders = {row.sender for row in rows}
    return rows if run.wire and run.observed and not run.missing and len(senders) == 2 and _counts(rows) and _as_written(seen, connection, rows) else []


def _as_written(seen: Seen, connection: int, rows: "list[Row]") -> bool:
    """Is each segment with data one write, and is each write one segment?"""
    for side in (side for side in seen.sides.all() if side[0] == connection):
        written = [call.result for call in seen.run.calls if call.name in WRITES and call.result > 0 and seen.sides.of(call) == side]
        if written != [row.length for row in rows if row.length and row.sender == seen.sides.name(side)]:
            return False
    return True


def _is_bare(segment: Segment) -> bool:
    return segment.length == 0 and not set(segment.flags) & set("SFR")


def _row(segment: Segment) -> Row:
    names = [name for letter, name in (("S", "SYN"), ("F", "FIN"), ("R", "RST"), ("A", "ACK")) if letter in segment.flags]
    return Row(segment.sender, " ".join(names), segment.first, segment.length, segment.ack if "A" in segment.flags else None)


def _counts(rows: "Sequence[Row]") -> bool:
    """Do all numbers follow from the rows above? (A segment that was sent again, or that crossed another one, has other numbers.)"""
    for n, row in enumerate(rows):
        if "RST" in row.flags:
            return n == len(rows) - 1
        if row.first != _sent(rows[:n], row.sender) or row.ack is not None and row.ack != _sent(rows[:n], _other(rows, row.sender)):
            return False
    return True


def _sent(rows: "Sequence[Row]", sender: str) -> int:
    """Returns the number with which an end's next segment begins."""
    return max((row.end for row in rows if row.sender == sender), default=0)


def _other(rows: "Sequence[Row]", sender: str) -> str:
    return next(row.sender for row in rows if row.sender != sender)


def _blanks(rows: "list[Row]", n: int) -> "Iterator[Blank]":
    row, above = rows[n], rows[:n]
    if "RST" in row.flags:
        return
    other = _other(rows, row.sender)
    sent, got = _sent(above, row.sender), _sent(above, other)
    if above:
        yield Blank(n, "first", str(row.first), f"The {row.sender} had sent {_in_words(above, row.sender)} before. So its next segment begins with number {sent}.")
    if row.ack is not None:
        yield Blank(n, "ack", str(row.ack), f"The {row.sender}'s kernel had received {_in_words(above, other)}. It names the number that it expects next: {got}.")
    later = _later(rows, n, other)
    if "SYN" in row.flags:
        yield Blank(n, "flags", _choice(row), "A SYN opens a connection and has the number 0. " +
                    ("It acknowledges the other end's SYN, so it has the ACK, too." if row.ack is not None else "There is nothing to acknowledge yet, so there is no ACK."))
    elif later is not None:
        name, number = later
        counted = f"{name} {number}" + (", and this one begins with " + str(row.first) if row.first else "")
        fin = "FIN" in row.flags
        yield Blank(n, "length", str(row.length), f"{counted}. " + ("A FIN counts as one. " if fin else "") + f"So it carries {count(row.length, 'byte')}.")
        if fin or row.length:
            yield Blank(n, "flags", _choice(row), f"{counted}. The difference is {count(row.length, 'byte')} and " +
                        ("a FIN, which counts as one." if fin else "nothing else, so there is no FIN."))
        else:
            yield Blank(n, "flags", _choice(row), f"{counted}. So nothing was counted in it: it only acknowledges.")


def _later(rows: "list[Row]", n: int, other: str) -> "Optional[tuple[str, int]]":
    """Returns where the rows below show the end of a row: in words, and as the number. Returns None if they do not show it."""
    for row in rows[n + 1:]:
        if "RST" in row.flags:
            return None
        if row.sender == rows[n].sender:
            return f"The {row.sender}'s next segment begins with number", row.first
        if row.ack is not None:
            return f"Behind it the {other} expects number", row.ack
    return None


def _choice(row: Row) -> str:
    return str(FLAGS.index(row.flags) + 1)


def _in_words(rows: "Sequence[Row]", sender: str) -> str:
    """Returns what an end has sent in these rows: "a SYN and 18 bytes"."""
    mine = [row for row in rows if row.sender == sender]
    total = sum(row.length for row in mine)
    parts = (["a SYN"] if any("SYN" in row.flags for row in mine) else []) + ([count(total, "byte")] if total else [])
    parts += ["a FIN"] if any("FIN" in row.flags for row in mine) else []
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts) or "nothing"


def shown(rows: "Sequence[Row]", blank: Optional[Blank] = None) -> "list[str]":
    """Returns the lines of the table, with a ? in the blank field."""
    longest = max(len(row.sender) for row in rows)
    found = [f"    {'sender':{max(longest, 6)}}  {'flags':8} {'first':>6} {'length':>7} {'ack':>6}"]
    for n, row in enumerate(rows):
        cells = {"flags": row.flags, "first": str(row.first), "length": str(row.length), "ack": "-" if row.ack is None else str(row.ack)}
        if blank is not None and blank.row == n:
            cells[blank.field] = "?"
        found.append(f"    {row.sender:{max(longest, 6)}}  {cells['flags']:8} {cells['first']:>6} {cells['length']:>7} {cells['ack']:>6}")
    return found
