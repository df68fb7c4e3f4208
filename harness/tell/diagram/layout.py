"""Gives everything of a scene its place: lanes from left to right, rows from top to bottom. No two texts overlap: each row is as
high as its highest text needs, and no text is wider than its lane.

A participant has two lanes: one for its program and one for its kernel. The kernel's lane shows the states of its connections as
bands. Two strips stand beside each band: the bytes that it sent and that are not acknowledged, and the bytes that nobody has read
yet.
"""
from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import Iterator

from ...judge.sides import Side
from ...judge.states import CLOSED, Change, Waits, changes, stopped
from ...trace import Call
from ..phrases import count, titled
from . import svg
from .scene import Row, Scene
from .svg import LINE, SMALL, Bar, Group, Path, Picture, Text

LEFT, TOP, FOOT = 100.0, 8.0, 10.0      # LEFT is the room for the numbers of records, the times, and the numbers of the story's sentences
MARK = 18.0                             # the room for the numbers of sentences, a part of LEFT
NAMES = 30                              # after so many rows the names are shown again
BAND, SENT, STRIP, WAIT = 12.0, 5.0, 9.0, 7.0       # the widths of: a band, its strip of bytes not acknowledged, its strip of unread bytes, a blocked call
PITCH = BAND + SENT + STRIP + 8         # from one connection's band to the next
STATES = 74.0                           # room for the names of states
TRACKS = 4                              # how many bands, and how many blocked calls, one participant has side by side at most
_OPENING = ("SYN-SENT", "SYN-RECEIVED")
_BLOCKS = ("read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg", "sendfile", "connect", "accept", "accept4", "poll", "ppoll",
           "select", "pselect6", "epoll_wait", "epoll_pwait", "nanosleep", "clock_nanosleep", "pause", "rt_sigsuspend", "wait4", "waitid")


@dataclass
class Lane:
    """The two lanes of one participant. `mirrored`: its kernel is at the left of its program."""

    program: float          # the left edge of the program's lane
    kernel: float           # the left edge of the kernel's lane
    wide: float             # the width of the program's lane
    kernel_wide: float      # the width of the kernel's lane
    mirrored: bool

    def edge(self, towards: float) -> float:
        """Returns the x at which an arrow begins or ends that leads to `towards`."""
        return self.kernel + self.kernel_wide if towards > self.kernel else self.kernel

    def band(self, track: int) -> float:
        return self.kernel + 2 + track * PITCH if self.mirrored else self.kernel + self.kernel_wide - 2 - BAND - track * PITCH

    def sent(self, track: int) -> float:
        return self.band(track) + BAND + 2 if self.mirrored else self.band(track) - SENT - 2

    def strip(self, track: int) -> float:
        return self.sent(track) + SENT + 2 if self.mirrored else self.sent(track) - STRIP - 2

    def notes(self) -> float:
        """Returns the x at which the words in the kernel's lane begin."""
        return self.kernel + self.kernel_wide - STATES if self.mirrored else self.kernel + 5

    def wait(self, track: int) -> float:
        return self.program + 3 + track * (WAIT + 2) if self.mirrored else self.program + self.wide - (track + 1) * (WAIT + 2)


@dataclass
class Placed:
    """One row with its place."""

    row: Row
    y: float
    high: float
    words: "list[str]"
    notes: "dict[int, list[str]]" = field(default_factory=dict)     # by participant: what its kernel's lane says here

    @property
    def above(self) -> int:
        """Returns how many lines stand above the notes: words that reach over all lanes."""
        row = self.row
        return len(self.words) if row.kind in ("line", "segment") and row.at < 0 or row.kind == "more" and row.at in (-1, row.to) else 0


class Layout:
    """Lays out one scene. `told` is the story. `places` are triples: a place of the run, the program that acts
    there ("" if it is not known), and the number of the sentence about it."""

    def __init__(self, scene: Scene, told: "list[str]", places: "list[tuple[int, str, int]]") -> None:
        self.scene, self.run, self.told = scene, scene.run, told
        self.changes = changes(self.run)
        self.waits = Waits(self.run, self.changes)
        self.tracks = _tracks(scene, self.changes)
        self.lanes = self._lanes()
        self.wide = max((lane.program + lane.wide for lane in self.lanes), default=LEFT) + FOOT
        self.wide = max([self.wide, *(lane.kernel + lane.kernel_wide + FOOT for lane in self.lanes)])
        self.gap = 250.0 if len(self.lanes) <= 2 else 190.0
        self.rows: "list[Placed]" = []
        self.heads: "list[float]" = []
        self.hanging: "dict[int, int]" = {}     # by thread: the track of its last wait
        self._ends: "list[int]" = []        # for each row the last place that it covers; sorted
        self._place()
        self.numbers: "dict[int, list[int]]" = {}       # by row: the sentences that begin there
        for place, who, number in places:
            at = self.index(place)
            mine = (n for n in range(at, len(self.rows)) if self.rows[n].row.at == scene.of(who) and self.rows[n].row.kind in ("line", "segment"))
            self.numbers.setdefault(next(mine, at), []).append(number)

    # -- lanes --------------------------------------------------------------------------------------------------------

    def _lanes(self) -> "list[Lane]":
        few = len(self.scene.people) <= 2
        program, gap, found, at = (286.0, 250.0, [], LEFT) if few else (214.0, 190.0, [], LEFT)
        for n in range(len(self.scene.people)):
            many = max(self.tracks.count(n), 1)
            kernel = STATES + 2 + many * PITCH
            mirrored = n == len(self.scene.people) - 1 and n > 0
            found.append(Lane(at + kernel if mirrored else at, at if mirrored else at + program, program, kernel, mirrored))
            at += program + kernel + gap
        return found

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        notes = self._notes()
        y, since = TOP + 22, NAMES
        for n, row in enumerate(self.scene.rows):
            if since >= NAMES and (n == 0 or len(self.scene.rows) - n > NAMES // 5):       # a few last rows need no names of their own
                self.heads.append(y)
                y, since = y + LINE * self._head_lines() + 8, 0
            lines_of = {who: [line for words in held for line in svg.wrap(words, STATES - 6, SMALL)] for who, held in row.held}
            placed = Placed(row, y, 0, self._words(row), lines_of or notes.get(n, {}))
            lines = max([len(placed.words), *(placed.above + len(those) for those in placed.notes.values())])
            placed.high = lines * LINE + {"segment": 12, "cycle": 12, "gap": 8}.get(row.kind, 5)
            if row.kind == "segment":
                placed.high = max(placed.high, len(placed.words) * LINE + 14)
            self.rows.append(placed)
            self._ends.append(max(row.seq, row.last))
            y, since = y + placed.high, since + 1
        self.bottom = y + 4

    def _head_lines(self) -> int:
        return max((len(svg.wrap(one.name, lane.wide - 8)) for one, lane in zip(self.scene.people, self.lanes)), default=1)

    def _words(self, row: Row) -> "list[str]":
        if row.kind in ("gap", "held"):
            return [row.words]
        if row.kind == "more" and row.at >= 0 and row.at != row.to:
            return svg.wrap(row.words, self.gap - 16, most=9)
        if row.kind == "more" or row.at < 0:
            return svg.wrap(row.words, self.wide - LEFT - 40)
        lane = self.lanes[row.at]
        if row.kind == "cycle":
            return svg.wrap(row.words, self.gap)
        if row.kind == "segment":
            return svg.wrap(row.words, self.gap - 12 if row.to != row.at else lane.wide - 40)
        room = lane.wide - TRACKS * (WAIT + 2) - 12
        lines = svg.wrap(row.words, room, most=4)
        place = f"  {row.source}" if row.source else ""
        if place and svg.width(lines[-1]) + svg.width(place, SMALL) > room:
            lines += svg.wrap(row.source, room, SMALL, most=1)
        return lines

    def index(self, place: int) -> int:
        """Returns the index of the row at which something with that place is drawn: the first row that does not come before it."""
        return bisect_left(self._ends, place)

    def y_of(self, place: int) -> float:
        at = self.index(place)
        return self.rows[at].y if at < len(self.rows) else self.bottom

    def _notes(self) -> "dict[int, dict[int, list[str]]]":
        """Returns what the kernels' lanes say: the lines, by row and by participant. The places are those of the rows that are
        shown."""
        ends = [max(row.seq, row.last) for row in self.scene.rows if row.kind not in ("held", "kept", "cycle")]
        last: "dict[tuple[int, Side, bool], Change]" = {}
        for change in (one for one in self.changes if one.unacked < 0):
            last[min(bisect_left(ends, change.place), max(len(ends) - 1, 0)), change.side, bool(change.state)] = change
        found: "dict[int, dict[int, list[str]]]" = {}
        for (at, side, is_state), change in last.items():
            who = self.scene.of_side(side)
            if who >= 0 and ends:
                number = f"[{side[0]}] " if side[0] > 1 else ""
                words = change.state if is_state else f"{change.gone:,} bytes never read" if change.gone else f"{change.unread:,} unread"
                found.setdefault(at, {}).setdefault(who, []).extend(svg.wrap(f"{number}{words}", STATES - 6, SMALL))
        return found

    # -- pieces -------------------------------------------------------------------------------------------------------

    def picture(self) -> Picture:
        foot = list(self._foot())
        name = titled(self.run.name)
        groups = [Group("", "", [Text(LEFT, TOP + 12, name, "b")]), *self._rules(), *self._bands(), *self._waits(),
                  *(Group("", "", list(self._head(y))) for y in self.heads), *self._records(), *foot]
        high = max((piece.y for group in foot for piece in group.pieces if isinstance(piece, Text)), default=self.bottom) + FOOT
        return Picture(self.wide, high, f"{name}: what the programs, their kernels and the wire did", self.told, groups)

    def _rules(self) -> Iterator[Group]:
        top = TOP + 20
        for lane in self.lanes:
            data = "".join(f"M{svg.number(x)} {svg.number(top)}V{svg.number(self.bottom)}" for x in (lane.kernel, lane.kernel + lane.kernel_wide))
            yield Group("", "", [Path(data, "lane")])

    def _head(self, y: float) -> Iterator[svg.Piece]:
        for one, lane in zip(self.scene.people, self.lanes):
            for n, line in enumerate(svg.wrap(one.name, lane.wide - 8)):
                yield Text(lane.program + lane.wide / 2, y + 11 + n * LINE, line, "b", "middle")
            yield Text(lane.notes(), y + 11, "its kernel", "s dim")
        bars = TRACKS * (WAIT + 2) + 4
        data = "".join(f"M{svg.number(lane.program + (bars if lane.mirrored else 6))} {svg.number(y + LINE * self._head_lines() + 3)}h{svg.number(lane.wide - 6 - bars)}" for lane in self.lanes)
        yield Path(data, "w")

    def _records(self) -> Iterator[Group]:
        shown = ""
        for at, placed in enumerate(self.rows):
            row, base = placed.row, placed.y + 11
            numbers = " ".join(map(str, self.numbers.get(at, ())[:2]))
            pieces: "list[svg.Piece]" = [Text(LEFT - 3, base, numbers, "s b", "end")] if numbers else []
            if row.kind in ("line", "segment", "more"):
                clock = f"{row.ns / 1e9:.3f}"
                pieces.append(Text(4, base, f"e{row.seq}", "s dim"))
                if clock != shown:
                    pieces.append(Text(LEFT - MARK - 4, base, clock, "s dim t", "end"))
                shown = clock
            if row.kind == "held":
                pieces.append(Text(LEFT - MARK - 4, base, row.words, "s dim", "end"))
            else:
                pieces += getattr(self, f"_{row.kind}")(placed)
            for who, lines in placed.notes.items():
                pieces += [Text(self.lanes[who].notes(), base + (placed.above + n) * LINE, line, "s") for n, line in enumerate(lines)]
            yield Group(f"e{row.seq}" if row.kind in ("line", "segment", "more") else "", row.title, pieces)

    def _line(self, placed: Placed) -> Iterator[svg.Piece]:
        row = placed.row
        lane = self.lanes[row.at] if row.at >= 0 else Lane(LEFT, 0, self.wide - LEFT, 0, False)
        x = lane.program + (TRACKS * (WAIT + 2) + 8 if lane.mirrored else 6)
        lines = placed.words
        own = bool(row.source) and len(lines) > 1 and row.source.startswith(lines[-1].removesuffix(" ..."))
        for n, line in enumerate(lines):
            yield Text(x, placed.y + 11 + n * LINE, line, "s dim" if own and n == len(lines) - 1 else "")
        if row.source and not own and row.at >= 0:
            yield Text(x + svg.width(lines[-1] + "  "), placed.y + 11 + (len(lines) - 1) * LINE, row.source, "s dim")

    _kept = _copies = _line

    def _segment(self, placed: Placed) -> Iterator[svg.Piece]:
        row, base = placed.row, placed.y + 11
        if row.at < 0 or row.to < 0:
            yield from (Text(LEFT, base + n * LINE, line) for n, line in enumerate(placed.words))
            return
        lane, other = self.lanes[row.at], self.lanes[row.to]
        begin = placed.y + len(placed.words) * LINE + 1
        end = self._arrives(placed)
        if row.at == row.to:
            x = lane.edge(1e9)
            yield from (Text(x + 8, base + n * LINE, line) for n, line in enumerate(placed.words))
            yield Path(f"M{svg.number(x)} {svg.number(begin)}h30L{svg.number(x)} {svg.number(end)}" + _head_at(x, end, -1), "ink")
            return
        start, stop = lane.edge(other.kernel), other.edge(lane.kernel)
        right = stop > start
        for n, line in enumerate(placed.words):
            yield Text(start + (8 if right else -8), base + n * LINE, line, "", "start" if right else "end")
        lost = row.arrival.lost if row.arrival is not None else ""
        side = "left" if right else "right"
        if lost == "again":
            stop, end = start + (stop - start) * 0.6, begin + (end - begin) * 0.6
        line_of = f"M{svg.number(start)} {svg.number(begin)}L{svg.number(stop)} {svg.number(end)}"
        if not lost:
            yield Path(line_of + _head_at(stop, end, 1 if right else -1), f"{side} w")
        else:
            yield Path(line_of, f"{side} w dash")
            if lost == "refused":
                yield Path(f"M{svg.number(stop - 5)} {svg.number(end - 5)}l10 10m0 -10l-10 10", "ink x")

    def _arrives(self, placed: Placed) -> float:
        """Returns the y at which an arrow ends: the bottom of the row after which the segment arrived."""
        behind = placed.row.arrival.behind if placed.row.arrival is not None else placed.row.seq
        at = self.index(behind)
        last = self.rows[at] if behind > placed.row.seq and at < len(self.rows) else placed
        return last.y + last.high - 3

    def _more(self, placed: Placed) -> Iterator[svg.Piece]:
        """Yields the words of a row that stands for many: on the wire between two participants, if all of them are segments there."""
        row = placed.row
        x = self.lanes[row.at].edge(1e9) + 8 if row.at >= 0 and row.at != row.to else LEFT + 12
        yield from (Text(x, placed.y + 11 + n * LINE, line, "b") for n, line in enumerate(placed.words))

    def _gap(self, placed: Placed) -> Iterator[svg.Piece]:
        """Yields a zigzag beside the times, and how long nothing happened."""
        yield Path(f"M{svg.number(LEFT - MARK - 20)} {svg.number(placed.y + 1)}" + "l8 4l-8 4" * 2 + "l8 4", "ink w")
        yield Text(LEFT - MARK - 24, placed.y + 13, placed.row.words, "s t", "end")

    def _cycle(self, placed: Placed) -> Iterator[svg.Piece]:
        row, base = placed.row, placed.y + 11
        if row.at < 0 or row.to < 0:
            yield from (Text(LEFT, base + n * LINE, line, "b") for n, line in enumerate(placed.words))
            return
        lane, other = self.lanes[row.at], self.lanes[row.to]
        start, stop = lane.edge(other.kernel), other.edge(lane.kernel)
        right = stop > start
        for n, line in enumerate(placed.words):
            yield Text(start + (8 if right else -8), base + n * LINE, line, "b", "start" if right else "end")
        y = placed.y + len(placed.words) * LINE + 5
        begin, end = (self._bar_of(who) + WAIT / 2 for who in (row.at, row.to))
        yield Path(f"M{svg.number(begin)} {svg.number(y)}H{svg.number(end)}" + _head_at(end, y, 1 if right else -1), "ink x")

    def _bar_of(self, who: int) -> float:
        """Returns the x of the bar of a participant in a deadlock that waits for ever."""
        threads = [w.tid for w in self.run.stop.waiting if w.on and self.scene.of(w.who, w.pid) == who]
        return self.lanes[who].wait(max((self.hanging.get(tid, 0) for tid in threads), default=0))

    # -- what lasts ---------------------------------------------------------------------------------------------------

    def _bands(self) -> Iterator[Group]:
        """Yields the bands and strips of each end: its states, its bytes that are not acknowledged, and its unread bytes."""
        for side, track in self.tracks.of.items():
            who = self.scene.of_side(side)
            lane, mine = self.lanes[who], [one for one in self.changes if one.side == side]
            name = f"connection {side[0]}, at the {self.scene.people[who].name}"
            pieces: "list[svg.Piece]" = []
            for state, begin, end in _spans([(self._y_within(one), one.state) for one in mine if one.state], CLOSED):
                kind = "open" if state in _OPENING else "made" if state == "ESTABLISHED" else "shut"
                pieces.append(self._bar(lane.band(track), BAND, begin, end, kind, f"{name}: {state}"))
            for unacked, begin, end in _spans([(self._y_within(one), str(one.unacked)) for one in mine if one.unacked >= 0], "0"):
                pieces.append(self._bar(lane.sent(track), SENT, begin, end, "sent", f"{name}: {count(int(unacked), 'byte')} sent and not acknowledged"))
            for unread, begin, end in _spans([(self._y_within(one), str(one.unread)) for one in mine if one.unread >= 0], "0"):
                pieces.append(self._bar(lane.strip(track), STRIP, begin, end, "queue", f"{name}: {count(int(unread), 'byte')} unread"))
            yield Group("", "", pieces)

    def _bar(self, x: float, wide: float, begin: float, end: float, kind: str, title: str) -> Bar:
        return Bar(x, begin, wide, (end if end >= 0 else self.bottom) - begin, kind, title)

    def _y_within(self, change: Change) -> float:
        """Returns the y of a change: the beginning or the end of its segment's arrow; if it belongs to no segment, the top of the
        next row."""
        at = self.index(change.place)
        if at >= len(self.rows):
            return self.bottom
        placed = self.rows[at]
        if placed.row.seq != change.place or placed.row.kind != "segment":
            return placed.y + 3
        return placed.y + placed.high - 5 if change.arrived else placed.y + len(placed.words) * LINE + 1

    def _waits(self) -> Iterator[Group]:
        """Yields the bars of calls that wait: those during which something else happened, and those that never returned."""
        busy: "dict[int, list[float]]" = {}
        ended = stopped(self.run)
        for call in sorted(self.run.calls, key=lambda one: one.seq):
            call = replace(call, returned=-1) if call.seq in ended else call
            who = self.scene.of(call.who, call.pid)
            if call.name not in _BLOCKS or who < 0 or call.name in ("nanosleep", "clock_nanosleep") and call.limit < 1e7:
                continue
            first, last = self.index(call.seq), self.index(call.returned) if call.returned >= 0 else len(self.rows)
            if call.returned >= 0 and (self.waits.at_once(call) or not any(placed.row.at != who or placed.row.kind not in ("line", "copies") for placed in self.rows[first:last])):
                continue
            y, end = (self.rows[first].y if first < len(self.rows) else self.bottom), (self.rows[last].y if last < len(self.rows) else self.bottom)
            free = busy.setdefault(who, [])
            track = next((n for n, until in enumerate(free) if until <= y), len(free))
            free[track:track + 1] = [end]
            if track < TRACKS:
                self.hanging[call.tid] = track
                yield Group("", "", list(self._wait(self.lanes[who].wait(track), y, end, call)))

    def _wait(self, x: float, y: float, end: float, call: Call) -> Iterator[svg.Piece]:
        place = f" ({call.source})" if call.source else ""
        lasts = f"since e{call.seq}; it has not returned" if call.returned < 0 else f"from e{call.seq} until e{call.returned}"
        yield Bar(x, y, WAIT, end - y, "wait", f"the {call.who} is in {call.name}{f' on connection {call.connection}' if call.connection else ''}{place}, {lasts}")
        if call.returned < 0:
            yield Path(f"M{svg.number(x - 1)} {svg.number(self.bottom + 2)}l{svg.number(WAIT / 2 + 1)} 6l{svg.number(WAIT / 2 + 1)} -6", "ink w")

    # -- the foot -----------------------------------------------------------------------------------------------------

    def _foot(self) -> Iterator[Group]:
        y = self.bottom + 28
        for n, words in enumerate(self.told, 1):
            number = f"{n}. "
            for k, line in enumerate(svg.wrap(words, self.wide - 24 - svg.width(number), most=9)):
                yield Group("", "", [Text(12 + svg.width(number), y, line), *([Text(12 + svg.width(number), y, number.strip() + " ", "b", "end")] if not k else [])])
                y += LINE
        y += 6
        for words in self._remarks():
            for line in svg.wrap(words, self.wide - 24, SMALL, most=9):
                yield Group("", "", [Text(12, y, line, "s dim")])
                y += 12

    def _remarks(self) -> Iterator[str]:
        run = self.run
        yield ("Rows stand in the run's order. A time can be a little earlier than the one above it, because programs, kernels and the lab each take their own. "
               "An arrow begins where a segment left, and ends where it had arrived. A cross ends what a reset refused. Band: the state of a connection's end; hatched: "
               "it opens, full: ESTABLISHED, striped: it closes. Thin strip beside it: bytes that it sent and that are not acknowledged. Crossed strip: bytes that "
               "arrived and are not read. Bar beside a program: it is in a call. A bold number at a row: the sentence about what was done there, or shortly before."
               f"{' [2]: on connection 2.' if any(one.number > 1 for one in run.connections) else ''} "
               "Open the picture by itself in a browser, and point at anything for more.")
        if any(arrival.lost == "again" for arrival in self.scene.came.values()):
            yield "An arrow that ends on its way: the segment had not arrived when the other side sent something later, and it was sent again."
        if self.scene.folded:
            yield f"Folded: {self.scene.folded} rows that are like earlier ones; each bold row says how many, and of which kinds (# is a number). There the strips show what was so at its end. The trace has all rows."
        if run.outputs:
            yield "A line with stdout: or stderr: stands where the lab read it. Its order is known only within its program."
        if not run.wire:
            yield "No segment was seen: packets can't be captured here."
        elif run.missing:
            yield f"{run.missing} frames are missing: the capture lost them, or there were too many to keep. So no states are drawn."
        if not run.observed:
            yield "The programs' calls were not seen, or not all: waits and unread bytes are not drawn, or not all."
        if self.tracks.left:
            yield f"{self.tracks.left} ends of connections have no band: there is room for {TRACKS} at a time."
        yield from run.notes


def _head_at(x: float, y: float, way: int) -> str:
    """Returns the head of an arrow that comes to this point from the left (1) or from the right (-1)."""
    return f"m{-6 * way} -4l{6 * way} 4l{-6 * way} 4"


def _spans(changes: "list[tuple[float, str]]", nothing: str) -> "Iterator[tuple[str, float, float]]":
    """Yields (what, from, to) for what lasts from one change to the next one. `to` is -1 if it lasts to the end. Of several changes
    at one place, as in a row that stands for many, the last one counts."""
    for n, (place, what) in enumerate(changes):
        if what != nothing and (n + 1 == len(changes) or changes[n + 1][0] > place):
            yield what, place, changes[n + 1][0] if n + 1 < len(changes) else -1


@dataclass
class _Tracks:
    """Which band each end of a connection has."""

    of: "dict[Side, int]" = field(default_factory=dict)
    many: "dict[int, int]" = field(default_factory=dict)        # by participant: how many bands it needs side by side
    left: int = 0

    def count(self, who: int) -> int:
        return max(self.many.get(who, 0), 1)


def _tracks(scene: Scene, found: "tuple[Change, ...]") -> _Tracks:
    tracks, free = _Tracks(), {}        # type: _Tracks, dict[int, list[int]]
    mine: "dict[Side, list[Change]]" = {}
    for change in found:
        mine.setdefault(change.side, []).append(change)
    for side, those in mine.items():        # in the order of their first changes
        begin, who = those[0].place, scene.of_side(side)
        states, unread = [one for one in those if one.state], [one for one in those if one.unread >= 0]
        over = (not states or states[-1].state == CLOSED) and (not unread or unread[-1].unread == 0)
        end = those[-1].place if over else -1
        used = free.setdefault(who, [])
        track = next((n for n, until in enumerate(used) if 0 <= until <= begin), len(used))
        if who < 0 or track >= TRACKS:
            tracks.left += who >= 0
            continue
        used[track:track + 1] = [end]
        tracks.of[side] = track
        tracks.many[who] = max(tracks.many.get(who, 0), track + 1)
    return tracks
