"""Says what each segment is, from the segments alone: a retransmission, a closed window, a late acknowledgement, ...

The marks are those of Wireshark's analysis of sequence numbers (its User's Guide, "TCP Analysis"). So a reader finds in Wireshark
what the lab shows. The tests compare the two. If frames are missing, the marks say what Wireshark would say of the same capture:
a segment may then be a retransmission of one that was not captured.
"""
from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from ..trace import Run, Segment

LATE = 20_000_000       # ns: an acknowledgement that comes so long after its bytes is late. Linux delays one by 40 ms and more
Way = tuple[int, str, str]      # connection, source, target


@dataclass(frozen=True)
class Reading:
    """One segment, and what it is. `marks` are some of `MARKS`, in that order."""

    segment: Segment
    marks: "tuple[str, ...]"
    late: int = 0           # if it is a late acknowledgement: the ns between the bytes and it; else 0
    of_fin: bool = False    # its acknowledgement covers the other side's FIN
    closed: bool = False    # the other side had last announced a zero window


# refused: a reset that answers a SYN. made: the third segment of a connection's beginning.
MARKS = ("syn", "syn-ack", "made", "refused", "reset", "fin", "again", "gap", "zero window", "probe", "probe answer", "keep-alive", "keep-alive answer",
         "window full", "window update", "same again", "late")


@dataclass
class _Way:
    """What was seen so far of one direction of one connection."""

    next: int = -1          # the offset behind the last byte that was sent; -1: nothing was sent
    acked: int = -1         # the last acknowledgement of the other direction's bytes
    window: int = -1        # the last window that was announced
    last: str = ""          # the last segment was a "probe", or a "keep-alive"
    fin: int = -1           # the offset behind its FIN
    sent: "list[tuple[int, int]]" = field(default_factory=list)     # (offset behind it, ns) of each segment that is to be acknowledged


def readings(run: Run) -> "tuple[Reading, ...]":
    """Returns what each segment of a run is, in the run's order."""
    ways: "dict[Way, _Way]" = {}
    found = []
    for segment in sorted(run.segments, key=lambda one: one.seq):
        mine = ways.setdefault((segment.connection, segment.source, segment.target), _Way())
        other = ways.setdefault((segment.connection, segment.target, segment.source), _Way())
        if "S" in segment.flags and mine.next > 1:      # the addresses are used again
            mine = ways[segment.connection, segment.source, segment.target] = _Way()
        found.append(_read(segment, mine, other))
        _take(segment, mine)
    return tuple(found)


def _read(s: Segment, mine: _Way, other: _Way) -> Reading:
    size = s.length + ("S" in s.flags) + ("F" in s.flags)
    plain = not set("SFR") & set(s.flags)
    marks = set(_beginning(s, mine, other))
    empty = plain and not s.length
    expected = s.first == mine.next
    unchanged = empty and expected and s.ack == mine.acked
    probe = s.length == 1 and expected and other.window == 0
    alive = plain and s.length <= 1 and s.first == mine.next - 1
    mine.last = ""
    if probe:
        marks.add("probe")
        mine.last = "probe"
    else:
        if plain and s.window == 0:
            marks.add("zero window")
        if s.first > mine.next >= 0 and "R" not in s.flags:
            marks.add("gap")
        if alive:
            marks.add("keep-alive")
            mine.last = "keep-alive"
        if unchanged and s.window not in (0, mine.window):
            marks.add("window update")
        if plain and s.length and other.window >= 0 and s.first + s.length == other.acked + other.window:
            marks.add("window full")
        if unchanged and s.window == mine.window:
            marks |= _answers(s, other.last)
        if size and not alive and s.first < mine.next:
            marks.add("again")
    late = _late(s, mine, other)
    if late:
        marks.add("late")
    return Reading(s, tuple(mark for mark in MARKS if mark in marks), late, s.ack >= other.fin >= 0 and "A" in s.flags, other.window == 0)


def _answers(s: Segment, last: str) -> "set[str]":
    """Returns the mark of an empty segment that repeats what was said before. `last` is what the other side asked with its last
    segment."""
    if last == "keep-alive" and s.window:
        return {"keep-alive answer"}
    if last == "probe" and not s.window:
        return {"probe answer"}
    return {"same again"} if s.window else set()


def _beginning(s: Segment, mine: _Way, other: _Way) -> "list[str]":
    """Returns the marks that the flags tell."""
    if "R" in s.flags:
        return ["refused" if mine.next < 0 and other.next == 1 else "reset"]
    if "S" in s.flags:
        return ["syn-ack" if "A" in s.flags else "syn"]
    made = ["made"] if mine.next == 1 and mine.acked <= 0 and other.next == 1 and not s.length and s.ack == 1 else []
    return [*made, *(["fin"] if "F" in s.flags else [])]


def _late(s: Segment, mine: _Way, other: _Way) -> int:
    """Returns the ns between bytes and an acknowledgement that carries nothing else; 0 if that is not late."""
    if "A" not in s.flags or "R" in s.flags or "F" in s.flags or s.length or s.ack <= max(mine.acked, 1):
        return 0
    at = bisect_left(other.sent, (s.ack, 0))
    late = s.ns - other.sent[at][1] if at < len(other.sent) and other.sent[at][0] == s.ack else 0
    return late if late >= LATE else 0


def _take(s: Segment, mine: _Way) -> None:
    """Keeps what the segment says about its direction."""
    end = s.first + s.length + ("S" in s.flags) + ("F" in s.flags)
    if "R" not in s.flags:
        mine.next = max(mine.next, end)
    if "F" in s.flags:
        mine.fin = end
    if "A" in s.flags:
        mine.acked = max(mine.acked, s.ack)
    mine.window = s.window
    if s.length or "F" in s.flags:
        while mine.sent and mine.sent[-1][0] >= end:    # sent again: the last time counts
            mine.sent.pop()
        mine.sent.append((end, s.ns))
