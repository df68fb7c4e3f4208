"""The wire of a run in the terminal: its segments between the programs' lines. And the comments on segments in a capture file.

Each of the lab's words stands beside the filter that shows such segments in Wireshark, and beside Wireshark's own word if it has
one.
"""
from __future__ import annotations

import re
import textwrap
from typing import Callable, Iterator, Sequence

from ..judge import standard
from ..judge.sides import WRITES, Sides
from ..judge.wire import Reading, readings
from ..trace import Call, Run, Segment, Socket, pcapng
from .phrases import count, titled
from .rows import Row, rows
from .words import names_of

SHOWN = 80         # so many characters of a payload stand in a short sentence
FLAGS = {"S": "SYN", "F": "FIN", "R": "RST", "P": "PSH", "A": "ACK"}

# By mark: the filter for such segments, and what Wireshark writes in its Info column ("": it has no word for it).
WIRESHARK = {
    "syn": ("tcp.flags.syn == 1 && tcp.flags.ack == 0", ""),
    "syn-ack": ("tcp.flags.syn == 1 && tcp.flags.ack == 1", ""),
    "made": ("", ""),
    "refused": ("tcp.flags.reset == 1", ""),
    "reset": ("tcp.flags.reset == 1", ""),
    "fin": ("tcp.flags.fin == 1", ""),
    "again": ("tcp.analysis.retransmission", "[TCP Retransmission]"),
    "gap": ("tcp.analysis.lost_segment", "[TCP Previous segment not captured]"),
    "zero window": ("tcp.analysis.zero_window", "[TCP ZeroWindow]"),
    "probe": ("tcp.analysis.zero_window_probe", "[TCP ZeroWindowProbe]"),
    "probe answer": ("tcp.analysis.zero_window_probe_ack", "[TCP ZeroWindowProbeAck]"),
    "keep-alive": ("tcp.analysis.keep_alive", "[TCP Keep-Alive]"),
    "keep-alive answer": ("tcp.analysis.keep_alive_ack", "[TCP Keep-Alive ACK]"),
    "window full": ("tcp.analysis.window_full", "[TCP Window Full]"),
    "window update": ("tcp.analysis.window_update", "[TCP Window Update]"),
    "same again": ("tcp.analysis.duplicate_ack", "[TCP Dup ACK]"),
    "late": ("tcp.analysis.ack_rtt > 0.02", ""),
}


class Told:
    """The segments of one run in words."""

    def __init__(self, run: Run) -> None:
        self.run, self.sides = run, Sides(run)
        self.readings = readings(run)
        self.names = names_of(run.cast)
        self._writes = _ranges(run, self.sides)

    def ends(self, segment: Segment) -> "tuple[str, str]":
        """Returns who sent the segment, and to whom: names, or addresses if the names are not known."""
        side = self.sides.of_segment(segment)
        receiver = self.sides.name(self.sides.other(side))
        return segment.sender or segment.source, receiver or self._other(segment)

    def _other(self, segment: Segment) -> str:
        others = [name for name in self.names if name != segment.sender]
        return others[0] if len(others) == 1 and segment.sender else segment.target

    def word(self, mark: str, reading: Reading) -> str:
        """Returns a clause that says what the mark means for this segment."""
        sender, receiver = self.ends(reading.segment)
        return _CLAUSES[mark](reading, sender, receiver)

    def written_at(self, segment: Segment) -> "list[Call]":
        """Returns the calls that wrote the segment's bytes; [] if that is not certain."""
        side = self.sides.of_segment(segment)
        if not segment.length or side is None:
            return []
        first, last = segment.first, segment.first + segment.length - 1
        return [call for begin, end, call in self._writes.get(side, ()) if begin <= last and first <= end]



def sizes(segment: Segment) -> str:
    """Returns the segment's payload in words: "bytes 1 to 18"."""
    if not segment.length:
        return ""
    return f"byte {segment.first}" if segment.length == 1 else f"bytes {segment.first} to {segment.first + segment.length - 1}"


def acknowledges(reading: Reading) -> str:
    """Returns in words what the segment acknowledges: "bytes up to 18"."""
    s = reading.segment
    upto = s.ack - 1 - reading.of_fin
    if upto:
        return f"bytes up to {upto}" + (", and the FIN" if reading.of_fin else "")
    return "the FIN" if reading.of_fin else "the SYN" if "S" in s.flags or "made" in reading.marks else "no byte"


def brief(reading: Reading, data: bool = False) -> str:
    """Returns the few words that stand beside an arrow: "bytes 1 to 18, ACK 20". With `data` they have the first bytes, too."""
    s = reading.segment
    shown = " ".join(FLAGS[flag] for flag in s.flags if flag in "SFR")
    size = sizes(s)
    upto = s.ack - 1 - reading.of_fin
    ack = f"ACK {upto}{' and the FIN' if reading.of_fin else ''}" if upto > 0 else "ACK of the FIN" if reading.of_fin else "ACK"
    ack = ack if "A" in s.flags and "R" not in s.flags else ""
    words = [shown, f"{size} {payload(s, SHOWN)}" if data and s.data else size, ack if s.ack > 1 else ""] if size else [f"{shown} {ack}".strip()]
    words += [note(reading) for mark, note in _NOTES.items() if mark in reading.marks]
    return ", ".join(filter(None, words))


_NOTES: "dict[str, Callable[[Reading], str]]" = {
    "again": lambda r: "sent again", "zero window": lambda r: "window 0", "probe": lambda r: "probe", "late": lambda r: f"{r.late / 1e6:.0f} ms late",
    "gap": lambda r: "gap before it", "keep-alive": lambda r: "probe or keep-alive" if r.closed else "keep-alive", "window full": lambda r: "window full", "window update": lambda r: f"window {r.segment.window}",
}


def flags(segment: Segment) -> str:
    return " ".join(FLAGS[flag] for flag in segment.flags)


def payload(segment: Segment, most: int = 0) -> str:
    """Returns the segment's first bytes as a C string of at most `most` characters (0: all that the record has)."""
    if not segment.data:
        return ""
    return standard.quoted(segment.data, segment.length, most)


_Clause = Callable[[Reading, str, str], str]
_CLAUSES: "dict[str, _Clause]" = {
    "syn": lambda r, a, b: f"the {a}'s kernel asks for a connection",
    "syn-ack": lambda r, a, b: f"the {a}'s kernel agrees; no call of the {a} is needed for this",
    "made": lambda r, a, b: "the connection is made",
    "refused": lambda r, a, b: "refused: nobody listens there",
    "reset": lambda r, a, b: "a reset: the connection is gone, at once",
    "fin": lambda r, a, b: f"a FIN: behind byte {r.segment.first + r.segment.length - 1} of the {a} there are no more" if r.segment.first + r.segment.length > 1
    else f"a FIN: the {a} sends nothing on this connection",
    "again": lambda r, a, b: f"a retransmission: {sizes(r.segment) or 'this'} {'was' if r.segment.length < 2 else 'were'} sent before",
    "gap": lambda r, a, b: "something before this is not in the capture",
    "zero window": lambda r, a, b: f"a zero window: the {a}'s kernel has no room, and the {b}'s must wait",
    "probe": lambda r, a, b: f"a probe: is there room again in the {b}'s kernel?",
    "probe answer": lambda r, a, b: "the answer to the probe: still no room",
    # Behind a zero window Linux asks for room with such a segment, too, and Wireshark calls both a keep-alive.
    "keep-alive": lambda r, a, b: f"is the {b}'s kernel still there{', and has it room again? (a probe, or a keep-alive)' if r.closed else '? (keep-alive)'}",
    "keep-alive answer": lambda r, a, b: "the answer to the keep-alive: yes",
    "window full": lambda r, a, b: f"this fills the window: the {a}'s kernel may send no more until the {b}'s tells of room",
    "window update": lambda r, a, b: f"a window update: now the {a}'s kernel has room for {r.segment.window:,} bytes",
    "same again": lambda r, a, b: "acknowledges what was acknowledged before (a duplicate acknowledgement)",
    "late": lambda r, a, b: f"a delayed acknowledgement: it comes {r.late / 1e6:.0f} ms after what it acknowledges",
}


def _ranges(run: Run, sides: Sides) -> "dict[tuple[int, str], list[tuple[int, int, Call]]]":
    """Returns, by end, the calls that wrote, each with the first and the last byte that it wrote. An end is left out if that is
    not certain: two calls ran at the same time, or the result of a call is no number of bytes."""
    found: "dict[tuple[int, str], list[Call]]" = {}
    for call in sorted(run.calls, key=lambda one: one.seq) if run.observed else ():
        side = sides.of(call) if call.name in WRITES and call.connection else None
        if side is not None and (call.returned < 0 or call.result > 0 or call.name == "sendmmsg"):
            found.setdefault(side, []).append(call)
    told: "dict[tuple[int, str], list[tuple[int, int, Call]]]" = {}
    for side, calls in found.items():
        if any(call.name == "sendmmsg" for call in calls) or any(a.returned < 0 or a.returned > b.seq for a, b in zip(calls, calls[1:])):
            continue
        at = 1
        for call in calls:
            size = call.result if call.returned >= 0 else call.asked
            told.setdefault(side, []).append((at, at + size - 1, call))
            at += size
    return told


# --- in the terminal -----------------------------------------------------------------------------------------------------

def table(run: Run, width: int = 100) -> "list[str]":
    """Returns the rows: the lines of the programs, and the segments between them, in the run's order. What is to be said about a
    segment follows its row."""
    told = Told(run)
    merged: "list[tuple[int, Row | Reading]]" = [(row.seq, row) for row in rows(run)]
    merged += [(reading.segment.seq, reading) for reading in told.readings]
    found = []
    for seq, one in sorted(merged, key=lambda pair: pair[0]):
        if isinstance(one, Row):
            place = f"   ({one.source})" if one.source else ""
            found += textwrap.wrap(f"{f'e{seq}':>6} {one.ns / 1e9:7.3f}  {one.who}: {one.text}{place}", max(width, 60), subsequent_indent=" " * 24,
                                   break_long_words=False, break_on_hyphens=False)
        else:
            found += _segment_rows(told, one, width)
    return found


def _segment_rows(told: Told, reading: Reading, width: int) -> "Iterator[str]":
    s = reading.segment
    sender, receiver = told.ends(s)
    left, right, arrow = (sender, receiver, "-->") if _at(told, sender) <= _at(told, receiver) else (receiver, sender, "<--")
    number = f" [{s.connection}]" if s.connection > 1 else ""
    what = ", ".join(filter(None, (flags(s), f"{sizes(s)} (length {s.length})" if s.length else "", f"acknowledges {acknowledges(reading)}" if "A" in s.flags and "R" not in s.flags else "",
                                   f"window {s.window}")))
    begin = f"{f'e{s.seq}':>6} {s.ns / 1e9:7.3f}      {left} {arrow} {right}{number}   "
    indent = " " * 24
    yield from textwrap.wrap(what, max(width, 60), initial_indent=begin, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    if s.data:
        yield indent + payload(s, max(width - len(indent), 20))
    for mark in reading.marks:
        word, (name, own) = told.word(mark, reading), WIRESHARK[mark]
        if name:
            word += f". Wireshark: {own + ' ' if own else ''}{name}"
        yield from textwrap.wrap(word, max(width, 60), initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False)


def _at(told: Told, name: str) -> int:
    return told.names.index(name) if name in told.names else len(told.names)


def held(sockets: "Sequence[Socket]") -> "list[str]":
    """Returns a table of what the kernels hold, with the column names of ss(8)."""
    if not sockets:
        return []
    shown = [("State", "Recv-Q", "Send-Q", "Local address", "Peer address", "whose")]
    shown += [(_ss_name(s.state), str(s.unread), str(s.unacked), s.local, s.peer or "*", s.who) for s in sockets]
    wide = [max(len(row[n]) for row in shown) for n in range(6)]
    return ["  " + "  ".join(f"{cell:>{wide[n]}}" if n in (1, 2) else f"{cell:{wide[n]}}" for n, cell in enumerate(row)).rstrip() for row in shown]


def _ss_name(state: str) -> str:
    """Returns ss's name of a state. RFC 9293 says ESTABLISHED, and ss says ESTAB."""
    return {"ESTABLISHED": "ESTAB", "SYN-RECEIVED": "SYN-RECV"}.get(state, re.sub(r"WAIT(\d)", r"WAIT-\1", state))


# --- in a capture file ---------------------------------------------------------------------------------------------------

def capture(run: Run, verdict: str, reproduce: str) -> bytes:
    """Returns the run as a pcapng file: its segments with comments, and its lines as rows of their own. `verdict` is the
    verdict's word."""
    told = Told(run)
    lines = [pcapng.Line(row.seq, row.ns, row.who, row.pid, row.text, row.source) for row in rows(run)]
    about = [f"tcplab, {titled(run.name)}, verdict: {verdict}", f"such a run again: {reproduce}", *run.notes]
    missing = pcapng.left_out(run)
    if missing:
        about.append(f"{count(missing, 'segment')} of this run {'is' if missing == 1 else 'are'} not in this file: the frame was not kept")
    return pcapng.write(run, lines, {reading.segment.seq: comments(told, reading) for reading in told.readings}, about)


def comments(told: Told, reading: Reading) -> "list[str]":
    """Returns what is said about one segment: its number, the lines of source that wrote its bytes, and a clause for each mark."""
    s = reading.segment
    calls = told.written_at(s)
    wrote = "; ".join(f"{standard_name(call)}{f' at {call.source}' if call.source else ''} (e{call.seq})" for call in calls[:3])
    more = f"; and {len(calls) - 3} calls more" if len(calls) > 3 else ""
    head = f"e{s.seq}: {sizes(s)}" + (f", written by {wrote}{more}" if wrote else "") if s.length else f"e{s.seq}"
    return [head, *(told.word(mark, reading) for mark in reading.marks)]


def standard_name(call: Call) -> str:
    """Returns the call as a program writes it: "send" for a sendto without an address."""
    return {"sendto": "send" if not call.address else "sendto"}.get(call.name, call.name)
