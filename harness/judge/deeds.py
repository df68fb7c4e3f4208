"""Compares what the programs did with what their lines say: a line that came after its act, an act that no line tells, a wrong
count.

System calls prove all of it. Where the calls were not seen, nothing is said. Each question about a line is answered for the end
of the connection to which the line belongs. If that end is not known, there is no answer.
"""
from __future__ import annotations

import bisect
import itertools
import re
from typing import Iterable, Iterator, Optional, TypeVar

from . import causes
from .seen import Seen
from .sides import READS, WRITES, Side, Sides
from ..trace import Call, Event, Run

FINISHED = ("over", "waiting", "deadlock")      # a run that ended so stopped no program in the middle of something
# By the first words of a line's text: the calls that do what such a line tells.
_DOES = {"connect": ("connect",), "accept": ("accept", "accept4"), "listening": ("listen",), "reading data": READS, "sending": WRITES, "writing": WRITES,
         "closing": ("close",), "shutting down": ("shutdown",)}
_ANNOUNCES = ("reading data", "closing", "shutting down")    # lines that come before such an act, and never behind it
SLEEPS = ("nanosleep", "clock_nanosleep", "pause", "select", "poll")
_UNCOUNTED = ("sendmmsg", "recvmmsg", "splice")     # they move bytes, and do not return how many


class Deeds:
    """What the programs of one run did, by the ends of their connections."""

    def __init__(self, run: Run, sides: Sides) -> None:
        self.run, self.sides = run, sides
        self.by_side: dict[Side, list[Call]] = {}
        self._writes: dict[tuple[int, int], tuple[list[int], list[Call]]] = {}     # by thread: the places of its writes, and the writes
        self._peeked: set[Side] = set()
        self._lines: dict[tuple[int, int], list[Event]] = {}        # of each thread
        self._conns: dict[int, list[Event]] = {}                    # of each process: lines that name a connection
        self._calls: dict[tuple[int, int], list[Call]] = {}         # of each thread
        self._sends: dict[tuple[int, int, Side], list[int]] = {}        # "sending" lines of a thread about an end
        self._sums: dict[tuple[Side, bool, bool], tuple[list[int], list[int]]] = {}
        self._announced: dict[Side, tuple[list[int], list[int]]] = {}
        self._told: dict[Side, tuple[list[int], list[int]]] = {}
        self._failed = {end.pid for end in (*run.endings, *run.children)
                        if end.how.startswith("signal ") or end.how.startswith("exit ") and end.how != "exit 0"}
        self.exact = run.observed and not any(call.name in _UNCOUNTED for call in run.calls)
        self._seen = Seen(run, sides)
        # Processes that made calls on a connection that is not known, because the system does not let the harness ask the socket for its
        # addresses. And processes that hold a connection on a descriptor whose calls are not seen.
        self._blind = {call.pid for call in run.calls if call.connection <= 0 and not call.error
                       and (call.name in (*READS, *WRITES) and call.result > 0 or call.name == "shutdown")}
        unseen = [end for side in sides.all() if (end := sides.end(side)) is not None and not self._seen.all_of(side)]
        self._blind |= {pid for end in unseen for pid in (end.pid, *(holder.pid for holder in end.holders))}
        if not run.observed:
            return
        for event in run.events:
            self._lines.setdefault((event.pid, event.tid), []).append(event)
            if event.kind == "conn":
                self._conns.setdefault(event.pid, []).append(event)
        for call in run.calls:
            self._calls.setdefault((call.pid, call.tid), []).append(call)
            side = sides.of(call)
            if side is not None:
                self.by_side.setdefault(side, []).append(call)
                if call.option == "MSG_PEEK":
                    self._peeked.add(side)
                if call.name in WRITES:
                    places, writes = self._writes.setdefault((call.pid, call.tid), ([], []))
                    places.append(call.seq)
                    writes.append(call)
        for side in sides.known():
            lines = sides.lines(side)
            self._announced[side] = _sums((e.seq, e.count) for e in lines if e.kind == "send")
            for event in lines:
                if event.kind == "send":
                    self._sends.setdefault((event.pid, event.tid, side), []).append(event.seq)
            self._told[side] = _sums((e.seq, e.count) for e in lines if e.kind == "recv")

    def seen(self, side: Side) -> bool:
        """Were all calls at this end seen, and do they tell how many bytes they moved?"""
        return self.exact and self._seen.all_of(side)

    def is_blind(self, pid: int) -> bool:
        """Has that process made calls that can't be told apart by connection, or that were not seen?"""
        return pid in self._blind

    # -- counts -------------------------------------------------------------------------------------------------------

    def wrote(self, side: Side, before: Optional[int] = None, *, begun: bool = False) -> int:
        """Returns how many bytes the kernel took from the program at this end before that place, in the calls that had returned
        by then. With `begun`, counts the calls that had been made by then."""
        return _at(self._moved(side, True, begun), before)

    def took(self, side: Side, before: Optional[int] = None) -> int:
        """Returns how many bytes the program at this end had read before that place; None: in the whole run."""
        return _at(self._moved(side, False, False), before)

    def _moved(self, side: Side, writes: bool, begun: bool) -> tuple[list[int], list[int]]:
        key = side, writes, begun
        if key not in self._sums:
            calls = [c for c in self.by_side.get(side, ()) if c.name in (WRITES if writes else READS) and c.returned >= 0 and c.option != "MSG_PEEK"]
            self._sums[key] = _sums(sorted((c.seq if begun else c.returned, max(c.result, 0)) for c in calls))
        return self._sums[key]

    def last_write(self, ends: Iterable[Side]) -> int:
        """Returns the place of the last write at these ends that did not fail, -1 if none is known."""
        return max((c.seq for side in ends for c in self.by_side.get(side, ()) if c.name in WRITES and not c.error), default=-1)

    def unannounced(self, side: Optional[Side]) -> Optional[Call]:
        """Returns the first write at this end that has more bytes than the lines of its thread had announced by then and not seen written; None
        if there is none, if no line of that thread announces bytes there, or if that is not known."""
        if side is None or not self.seen(side):
            return None
        for thread in dict.fromkeys((c.pid, c.tid) for c in self.by_side.get(side, ()) if c.name in WRITES):
            lines = [e for e in self._lines.get(thread, []) if e.kind == "send" and self.sides.of(e) == side]
            writes = [c for c in self._writes.get(thread, ([], []))[1] if self.sides.of(c) == side and c.result > 0]
            if not lines or any(e.count < 0 for e in lines):
                continue
            done = 0
            for call in writes:
                done += call.result
                if done > sum(e.count for e in lines if e.seq < call.seq):
                    return call if sum(c.result for c in writes) > sum(e.count for e in lines) else None
        return None

    def write_failed(self, name: str) -> bool:
        """Did a write of a program of that name fail, or still wait when the run was over? Then it is not known what the program
        would have sent."""
        return any(c.returned < 0 or c.error not in ("", "EAGAIN", "EINTR") for side, calls in self.by_side.items() if self.sides.name(side) == name
                   for c in calls if c.name in WRITES)

    # -- a line and its act -------------------------------------------------------------------------------------------

    def before_its_line(self, event: Event) -> Optional[Call]:
        """Returns the call that a line announces ("sending", "closing", ...), if it was made before the line and not after it;
        else None."""
        if not self.exact or event.pid in self._blind:
            return None
        if event.kind == "send":
            return self._written_before(event)
        if causes.is_a(event, "reading"):
            return self._read_before(event)
        for what, names in (("accepting", ("accept", "accept4")), ("connecting", ("connect",))):
            if causes.is_a(event, what):
                return self._made_before(event, what, names)
        for what, name in (("closing", "close"), ("half-closing", "shutdown")):
            if causes.is_a(event, what) and event.connection > 0:
                side = self.sides.of(event)
                mine = [c for c in self.by_side.get(side, ()) if c.name == name and c.pid == event.pid and not c.error] if side is not None else []
                return mine[-1] if mine and mine[-1].seq < event.seq else None
        return None

    def _read_before(self, event: Event) -> Optional[Call]:
        """Returns the last read that this thread made between its line before and `event`, if it made none between `event` and its next
        line; else None. A thread that takes a line out of its buffer makes a read at neither place."""
        thread = event.pid, event.tid
        lines, calls = self._lines.get(thread, []), self._calls.get(thread, [])
        at = _place(lines, event.seq)
        since, until = lines[at - 1].seq if at > 0 else -1, lines[at + 1].seq if at + 1 < len(lines) else None
        if at > 0 and causes.is_a(lines[at - 1], "reading") or any(c.name in READS and c.connection for c in _behind(calls, event.seq, until)):
            return None
        return next((c for c in list(_behind(calls, since, event.seq))[::-1] if c.name in READS and c.connection and not c.error and c.option != "MSG_PEEK"), None)

    def _made_before(self, event: Event, what: str, names: "tuple[str, ...]") -> Optional[Call]:
        """Returns the call by which this thread made the connection that the next `conn` line of its process is about, if the
        call came before `event` and no line announced it. Returns None if there is no such call."""
        thread = event.pid, event.tid
        told = next(iter(_behind(self._conns.get(event.pid, []), event.seq)), None)
        side = self.sides.of(told) if told is not None else None
        call = next((c for c in self.by_side.get(side, ()) if c.name in names and (c.pid, c.tid) == thread and not c.error), None) if side is not None else None
        return call if call is not None and call.seq < event.seq and not self._is_announced(call, what, names) else None

    def _is_announced(self, call: Call, what: str, names: "tuple[str, ...]") -> bool:
        """Did the call's thread log such a line before the call, and behind its last call of these names?"""
        calls, lines = self._calls[call.pid, call.tid], self._lines.get((call.pid, call.tid), [])
        at, line = _place(calls, call.seq) - 1, _place(lines, call.seq) - 1
        while at >= 0 and (calls[at].name not in names or calls[at].error):
            at -= 1
        while line >= 0 and (at < 0 or lines[line].seq > calls[at].seq):
            if causes.is_a(lines[line], what):
                return True
            line -= 1
        return False

    def unsaid_connect(self, event: Event) -> Optional[Call]:
        """Returns the connect that made the connection which an "accepted" line is about, if no line of its program announces it. For an
        "accepted" or "EOF" on a connection on which the peer wrote nothing, returns such a connect by which the peer made another one."""
        side = self.sides.other(self.sides.of(event)) if self.exact and (event.kind == "conn" or causes.is_a(event, "EOF")) else None
        mine = self.by_side.get(side, []) if side is not None else []
        made = [c for c in mine if c.name == "connect" and not c.error and event.kind == "conn"][:1]
        if side is not None and mine and not self.wrote(side):
            made += [c for c in self.run.calls if c.pid == mine[0].pid and c.name == "connect" and not c.error and c.connection > side[0] and c.seq < event.seq]
        return next((c for c in made if self._lines.get((c.pid, c.tid)) and not self._is_announced(c, "connecting", ("connect",))), None)

    def unsaid(self, text: str, right: Optional[Event], observed: Optional[Event]) -> Optional[Call]:
        """Returns the first call by which a thread did what a line with this text tells, between its last line that was right and the line
        by which it left the contract (None: it logged no more). Returns None if there is no such call, or if the second of these lines
        tells of such an act in other words: a write before a "sending" line is one that no line announces. If the first line announces
        bytes, a write may be of those."""
        thread, names = observed or right, next((names for begins, names in _DOES.items() if text.startswith(begins)), ())
        if thread is None or thread.kind == "output" or observed is not None and names != WRITES and causes.alike(text, observed.text):
            return None
        if names == WRITES and (right is None or right.kind in ("send", "output")):
            return None
        if right is not None and any(right.text.startswith(begins) and _DOES[begins] == names for begins in _ANNOUNCES):
            return None             # its last line that was right announces such an act itself
        since, until = right.seq if right else -1, observed.seq if observed else float("inf")
        # One thread of a server may accept for another one.
        return next((c for c in self.run.calls if c.name in names and not c.error and (c.connection or c.name == "listen") and since < c.seq < until and 0 <= c.returned
                     and (c.name not in WRITES or c.result > 0 and not self._may_be_announced(c, since)) and c.pid == thread.pid
                     and (c.tid == thread.tid or c.name == "listen" or names == _DOES["accept"] and thread.connection in (0, c.connection))), None)

    def _may_be_announced(self, call: Call, since: float) -> bool:
        """Did the call's thread log a line about a write between `since` and this write, or do its lines announce as many bytes as it had written then?"""
        lines = [e for e in self._lines.get((call.pid, call.tid), []) if e.seq < call.seq and (e.kind == "send" or causes.is_a(e, "sending"))]
        wrote = sum(max(c.result, 0) for c in self._calls[call.pid, call.tid] if c.name in WRITES and c.connection == call.connection and c.seq <= call.seq)
        return any(e.seq > since or e.count < 0 for e in lines) or bool(lines) and sum(e.count for e in lines) >= wrote

    def _written_before(self, event: Event) -> Optional[Call]:
        side = self.sides.of(event)
        if side is None or event.count <= 0:
            return None
        earlier = _at(self._announced[side], event.seq)
        if self.wrote(side) > _at(self._announced[side], None) or self.wrote(side, event.seq, begun=True) < earlier + event.count:
            return None
        return next((c for c in reversed(self.by_side[side]) if c.name in WRITES and c.result > 0 and c.seq < event.seq and c.tid == event.tid), None)

    def still_holds(self, event: Event) -> bool:
        """Does the process that logged this "closing" still hold that connection when the run is over, though nothing kept it
        from closing? Where calls are not seen, the sockets at the end tell."""
        side = self.sides.of(event)
        if side is not None and not self.run.observed and self.run.stop.by_itself and causes.is_a(event, "closing"):
            return any(s.connection == side[0] and s.pid == event.pid and s.fd >= 0 for s in self.run.stop.sockets)
        end = self.sides.end(side) if side is not None else None
        if side is None or end is None or not self.run.observed or not self.run.stop.by_itself or not causes.is_a(event, "closing"):
            return False
        pending = any(c.name == "close" and c.returned < 0 and c.pid == event.pid for c in self.by_side.get(side, ()))
        return not pending and event.pid not in self._blind and any(h.pid == event.pid and h.until < 0 for h in end.holders)

    def left_open(self, event: Event) -> str:
        """Returns what shows that a process did not close when it had logged this "closing": "again" if its thread logged "closing" once
        more about this connection, and the process closed nothing of it between the two lines; "exit" if the thread logged more lines, and
        the process had the connection until it ended; "shutdown" if it had shut down in place of that. Returns "" if it closed, or if nobody
        knows."""
        side = self.sides.of(event)
        end = self.sides.end(side) if side is not None else None
        if side is None or end is None or not self.run.observed or not self.run.stop.by_itself or not causes.is_a(event, "closing") or event.pid in self._blind:
            return ""
        later = list(_behind(self._lines.get((event.pid, event.tid), []), event.seq))
        again = next((e.seq for e in later if causes.is_a(e, "closing") and self.sides.of(e) == side), -1)
        mine = [h for h in end.holders if h.pid == event.pid]
        gave = [c.seq for c in self.by_side.get(side, ()) if c.name in ("close", "shutdown") and c.pid == event.pid and c.seq > event.seq]
        gave += [h.until for h in mine if h.how != "exit" and h.until > event.seq]
        if again >= 0:
            return "again" if mine and not any(place < again for place in gave) and all(h.until < 0 or h.until > again for h in mine) else ""
        if not later or not any(h.how == "exit" and h.until > later[0].seq for h in mine):
            return ""
        return "exit" if not gave else "shutdown" if self.shut_down_after(event) is not None else ""

    def wrote_on(self, event: Event) -> Optional[Call]:
        """Returns the write that a thread made to a connection after it had logged "closing" and then another line, if the connection
        was neither closed nor shut down between those lines. Returns None if there is no such write."""
        side = self.sides.of(event)
        if side is None or not self.exact or not causes.is_a(event, "closing") or event.pid in self._blind:
            return None
        then = self._next_line(event)
        if then is None:
            return None
        calls = [c for c in self.by_side.get(side, ()) if c.seq > event.seq]
        if any(c.name in ("close", "shutdown") and c.seq < then for c in calls):
            return None
        return next((c for c in calls if c.name in WRITES and (c.pid, c.tid) == (event.pid, event.tid) and c.seq > then), None)

    def misdirected(self, event: Event, names: "tuple[str, ...]") -> Optional[Call]:
        """Returns the first call of these names that the line's thread made after the line, and before its next line, on a
        descriptor that is not the line's connection. Returns None if there is none. Calls on descriptors that are not looked at
        are not found."""
        side = self.sides.of(event)
        if side is None or not self.run.observed or event.pid in self._blind:
            return None
        then = self._next_line(event)
        return next((c for c in _behind(self._calls.get((event.pid, event.tid), []), event.seq, then) if c.name in names and c.fd >= 0 and self.sides.of(c) != side), None)

    def _next_line(self, event: Event) -> Optional[int]:
        """Returns the place of the next line of the same thread; None if there is none."""
        return next((e.seq for e in _behind(self._lines.get((event.pid, event.tid), []), event.seq)), None)

    def closed_a_copy(self, event: Event) -> bool:
        """Did the process that logged this line close a descriptor of the line's connection?"""
        side = self.sides.of(event)
        return side is not None and any(c.name == "close" and not c.error and c.pid == event.pid for c in self.by_side.get(side, ()))

    def in_place_of_shutdown(self, event: Event) -> str:
        """Returns what a program did that says "shutting down SHUT_WR" and does not do it: "close" if it closed in place of that, "failed" if
        its shutdown was wrong, "a copy" if it closed one descriptor and kept another one, "another process" if one of the same program shut
        down that was there before the line, else "no shutdown". Returns "" if it did shut down, or if it was ended before it could, or if nobody knows.
        (A shutdown fails with ENOTCONN if the other end has reset the connection: then the call is not wrong.)"""
        side = self.sides.of(event)
        if side is None or not self.run.observed or not self.run.stop.by_itself or not causes.is_a(event, "half-closing") or event.pid in self._blind:
            return ""
        calls = [c for c in self.by_side.get(side, ()) if c.pid == event.pid]
        then = next((c for c in calls if c.seq > event.seq and c.name in ("close", *READS, *WRITES)), None)
        if any(c.name == "shutdown" and c.error in ("", "ENOTCONN") for c in calls):
            return ""
        other = next((c for c in self.by_side.get(side, ()) if c.name == "shutdown" and not c.error and c.seq > event.seq), None)
        if other is not None:       # a child that was forked behind the line did it for its parent
            end = self.sides.end(side)
            return "" if end is not None and any(h.pid == other.pid and h.since > event.seq for h in end.holders) else "another process"
        if self.failed_shutdown(event) is not None:
            return "failed"
        if then is None and event.pid in self._failed:
            return ""
        if then is None or then.name != "close":
            return "no shutdown"
        end = self.sides.end(side)
        kept = end is not None and any(h.pid == event.pid and (h.until < 0 or h.until > max(then.seq, then.returned)) for h in end.holders)
        return "a copy" if kept else "close"

    def shut_down_after(self, event: Event) -> Optional[Call]:
        """Returns the shutdown that is all that a thread called on the line's connection after the line; None if it called something else there, too."""
        side = self.sides.of(event)
        after = [c for c in self.by_side.get(side, ()) if (c.pid, c.tid) == (event.pid, event.tid) and c.seq > event.seq] if side is not None else []
        return after[0] if len(after) == 1 and after[0].name == "shutdown" and not after[0].error else None

    def failed_shutdown(self, event: Event) -> Optional[Call]:
        """Returns the first shutdown that the process of a line made at the line's end of its connection, and that failed; None if there is none."""
        side = self.sides.of(event)
        return next((c for c in self.by_side.get(side, ()) if c.name == "shutdown" and c.error and c.pid == event.pid), None) if side is not None else None

    def written_after(self, event: Event) -> "Optional[tuple[int, Optional[Call]]]":
        """Returns how many bytes the thread of a "sending" line wrote before its next such line, if the line announced another
        number; and the write that went beyond the announced number, or the last one if none did; None if there was no write.
        Returns None if the number is right, or if nobody can tell: other lines make up for it, another thread writes to the
        connection, a write failed or still waits, or the program was ended there."""
        side = self.sides.of(event)
        if event.kind != "send" or not self.exact or side is None or event.pid in self._blind:
            return None
        if event.count < 0:
            return 0, None
        thread = event.pid, event.tid
        then = self._next(self._sends.get((*thread, side), []), event.seq)
        if then < 0 and event.pid in self._failed:
            return None
        announced, written = _at(self._announced[side], None), self.wrote(side)
        places, writes = self._writes.get(thread, ([], []))
        until = bisect.bisect_left(places, then) if then >= 0 else len(places)
        calls = [c for c in writes[bisect.bisect_right(places, event.seq):until] if self.sides.of(c) == side]
        if announced == written or any(c.returned < 0 or c.error for c in calls):
            return None
        if any(c.name in WRITES and (c.pid, c.tid) != thread and c.seq > event.seq for c in self.by_side.get(side, ())):
            return None
        sums = list(itertools.accumulate(max(c.result, 0) for c in calls))
        mine = sums[-1] if sums else 0
        if mine < event.count and self.run.stop.kind not in FINISHED and not any(
                (e.pid, e.tid) == thread and e.seq > event.seq and e.kind != "pause" for e in self.run.events):
            return None         # the run was stopped, and the thread may have been on its way through its writes
        beyond = next((c for c, so_far in zip(calls, sums) if so_far > event.count), calls[-1] if calls else None)
        return (mine, beyond) if mine != event.count and (mine < event.count) == (written < announced) else None

    def slept(self, line: Event, until: float) -> Optional[Call]:
        """Returns the first call by which the thread of a line slept behind the line, and before a place; None if there is none."""
        return next((c for c in _behind(self._calls.get((line.pid, line.tid), []), line.seq) if c.seq < until and c.name in SLEEPS and c.limit > 0 and not c.connection), None)

    def paused_not(self, event: Event) -> bool:
        """Does a line say that its thread pauses, and came the thread's next line long before that time was over, with no sleep and no wait between? Only a line
        that pause_seconds() has not logged is meant."""
        said = re.match(r"pausing (\d+) s\b", event.text)
        then = next(iter(_behind(self._lines.get((event.pid, event.tid), []), event.seq)), None)
        if event.kind != "note" or said is None or then is None or not self.exact or event.pid in self._blind:
            return False
        between = _behind(self._calls.get((event.pid, event.tid), []), event.seq, then.seq)
        return then.ns - event.ns < int(said[1]) * 900_000_000 and not any(c.limit > 0 or c.name in (*SLEEPS, "ppoll", "pselect6", "epoll_wait", "epoll_pwait") for c in between)

    def begins_behind(self, call: Call, event: Event) -> bool:
        """Did a write begin behind all bytes that a "sending" line of its thread announces? Then it is a write more, and no longer one."""
        places, writes = self._writes.get((event.pid, event.tid), ([], []))
        earlier = writes[bisect.bisect_right(places, event.seq):bisect.bisect_left(places, call.seq)]
        return sum(max(c.result, 0) for c in earlier if self.sides.of(c) == self.sides.of(event)) == event.count

    def written_otherwise(self, event: Event, expected: str = "") -> Optional[Call]:
        """Returns the first write of other bytes than a "sending" line quotes, or than the text `expected` quotes. Returns None if there is
        none, or if nobody can tell: the text quotes no bytes, or not as many as the line counts; or bytes of earlier lines were still
        to be written. What was written behind the counted bytes does not matter."""
        side, said = self.sides.of(event), quoted_bytes(expected or event.text)
        if event.kind != "send" or not self.exact or side is None or event.pid in self._blind or event.count <= 0 or len(said) != event.count:
            return None
        thread = event.pid, event.tid
        then = self._next(self._sends.get((*thread, side), []), event.seq)
        calls = [c for c in self._writes.get(thread, ([], []))[1] if self.sides.of(c) == side and event.seq < c.seq and (then < 0 or c.seq < then)]
        calls = [c for c in calls if c.returned >= 0 and not c.error]
        if self.wrote(side, event.seq, begun=True) != _at(self._announced[side], event.seq):
            return None
        at = 0
        for call in calls:
            known = call.data[:min(call.result, event.count - at)]
            if known != said[at:at + len(known)]:
                return call
            at += call.result
            if at >= event.count:
                break
        return None

    def told_until(self, side: Side, before: Optional[int]) -> int:
        """Returns how many received bytes the lines about this end tell of before that place; None: in the whole run."""
        return _at(self._told[side], before) if side in self._told else 0

    def announced_until(self, side: Side, before: int) -> int:
        """Returns how many sent bytes the lines about this end tell of before that place."""
        return _at(self._announced[side], before) if side in self._announced else 0

    @staticmethod
    def _next(places: list[int], place: int) -> int:
        at = bisect.bisect_right(places, place)
        return places[at] if at < len(places) else -1

    def unheard(self, event: Event) -> str:
        """Returns what a line says that its program learnt, if no call had told it to the program by then: "EOF", or the name of
        an error. Returns "" if a call had told it, or may have."""
        side = self.sides.of(event)
        if side is None or not self.exact or event.pid in self._blind or event.kind == "send":
            return ""
        if causes.is_a(event, "EOF") or causes.is_a(event, "reset"):
            what = "EOF" if causes.is_a(event, "EOF") else "EPIPE" if causes.is_a(event, "broken pipe") else "ECONNRESET"
            return "" if self._seen.may_know_of_an_end(side, event) else what
        return "EAGAIN" if re.match(r"Error\b.*\bEAGAIN\b", event.text) and not self._seen.may_know_of_eagain(side, event) else ""

    def not_connected(self, event: Event) -> bool:
        """Does a line say "connected", and had the last connect of its thread failed?"""
        calls = [c for c in self._calls.get((event.pid, event.tid), []) if c.name == "connect" and 0 <= c.returned < event.seq]
        return self.exact and event.kind == "conn" and event.text.startswith("connected") and self.sides.of(event) is None and bool(calls) and calls[-1].error not in ("", "EINPROGRESS", "EINTR", "EISCONN")

    def read_by(self, event: Event) -> Optional[int]:
        """Returns how many bytes a program had read, if its "received" lines up to this one say more. Returns None if they do
        not."""
        side = self.sides.of(event)
        if event.kind != "recv" or not self.exact or side is None or event.pid in self._blind:
            return None
        taken = self.took(side, None if side in self._peeked else event.seq)     # it may take later what it has looked at
        return taken if taken < _at(self._told[side], event.seq + 1) else None

    def read_once(self, event: Event) -> Optional[int]:
        """Returns how many bytes the last read of a thread brought, if its "received" line names just this number and counts another
        one. Returns None if not."""
        side, named = self.sides.of(event), re.match(r"[Rr]eceived (\d+) bytes?\b", event.text)
        if event.kind != "recv" or not self.exact or side is None or event.pid in self._blind or named is None or int(named[1]) == event.count:
            return None
        calls = [c for c in self._calls.get((event.pid, event.tid), []) if c.name in READS and self.sides.of(c) == side and 0 <= c.returned < event.seq and not c.error]
        return int(named[1]) if calls and calls[-1].result == int(named[1]) and side not in self._peeked else None

    def misquoted(self, event: Event, expected: str) -> int:
        """Returns how many bytes came for a "received" line, if they are those that the contract's line quotes, and the line itself quotes others.
        Returns 0 if not, or if nobody can tell."""
        side, wanted = self.sides.of(event), quoted_bytes(expected)
        if event.kind != "recv" or not self.exact or side is None or event.pid in self._blind or event.count != len(wanted) or quoted_bytes(event.text) == wanted:
            return 0
        reads = [c for c in self.by_side.get(side, ()) if c.name in READS and c.option != "MSG_PEEK" and c.result > 0 and 0 <= c.returned < event.seq]
        told = _at(self._told[side], event.seq)
        came = "".join(c.data[:c.result] for c in reads)[told:told + event.count]
        return event.count if came == wanted and all(len(c.data) >= c.result for c in reads) else 0

    def cut_short(self, event: Event, expected: str) -> Optional[Call]:
        """Returns the last read before a "received" line, if it brought just the bytes that the contract's line quotes, and the line counts fewer
        of them. Returns None if not, or if nobody can tell."""
        side, wanted = self.sides.of(event), quoted_bytes(expected)
        if event.kind != "recv" or not self.exact or side is None or event.pid in self._blind or event.count >= len(wanted) or not wanted.startswith(quoted_bytes(event.text)):
            return None
        read = next((c for c in reversed(self.by_side.get(side, ())) if c.name in READS and c.result > 0 and 0 <= c.returned < event.seq and c.tid == event.tid), None)
        return read if read is not None and read.data[:read.result] == wanted and read.result == len(wanted) else None

    def begins_what_came(self, event: Event, expected: str) -> int:
        """Returns how many bytes came for a "received" line, if they are those that the contract's line quotes, and the line itself quotes and
        counts only the first of them. Returns 0 if not, or if nobody can tell."""
        side, wanted, shown = self.sides.of(event), quoted_bytes(expected), quoted_bytes(event.text)
        if event.kind != "recv" or not self.exact or side is None or event.pid in self._blind or not 0 < len(shown) == event.count < len(wanted) or not wanted.startswith(shown):
            return 0
        reads = [c for c in self.by_side.get(side, ()) if c.name in READS and c.option != "MSG_PEEK" and c.result > 0 and 0 <= c.returned < event.seq]
        told = _at(self._told[side], event.seq)
        came = "".join(c.data[:c.result] for c in reads)[told:told + len(wanted)]
        return len(wanted) if came == wanted and all(len(c.data) >= c.result for c in reads) else 0

    def only_peeked(self, event: Event) -> bool:
        """Was the last read of a line's thread that brought bytes before the line a look at them (MSG_PEEK)?"""
        reads = [c for c in self._calls.get((event.pid, event.tid), []) if c.name in READS and c.connection and c.result > 0 and 0 <= c.returned < event.seq]
        return bool(reads) and reads[-1].option == "MSG_PEEK"

    # -- an end of reading --------------------------------------------------------------------------------------------

    def own_reading(self, name: str) -> Optional[tuple[Call, bool]]:
        """Returns the first shutdown by which a program of that name ended its own reading before it had read an end, and whether
        it read an end later. Returns None if there is no such call."""
        for side, calls in self.by_side.items():
            if self.sides.name(side) != name:
                continue
            shut = next((c for c in calls if c.name == "shutdown" and not c.error and c.option in ("SHUT_RD", "SHUT_RDWR")), None)
            ends = [c for c in calls if c.name in READS and c.result == 0 and c.asked and not c.error and c.returned >= 0]
            if shut is not None and not any(c.returned < shut.seq for c in ends):
                return shut, bool(ends)
        return None

    def last_error(self, pid: int, before: int) -> str:
        """Returns the error of the last call that a process made before a place, close left out; "" if it did not fail."""
        mine = [c for c in self.run.calls if c.pid == pid and 0 <= c.returned < before and c.name not in ("close", "close_range")]
        return max(mine, key=lambda c: c.returned).error if mine else ""

    def has_read(self, name: str) -> bool:
        """Did a program of that name read anything: bytes, or an end?"""
        return any(c.name in READS and c.returned >= 0 and c.asked and (not c.error or c.error == "ECONNRESET") for side, calls in self.by_side.items() if self.sides.name(side) == name for c in calls)

    def end_read(self, name: str) -> Optional[Call]:
        """Returns the first read of a program of that name that returned EOF or a reset's error; None if none did."""
        reads = [c for side, calls in self.by_side.items() if self.sides.name(side) == name
                 for c in calls if c.name in READS and c.returned >= 0 and (c.result == 0 and c.asked and not c.error or c.error == "ECONNRESET")]
        return min(reads, key=lambda c: c.returned) if reads else None

    def read_end(self, event: Event) -> bool:
        """Did the last read at a line's end of its connection, before that line, return 0: the end of the stream?"""
        side = self.sides.of(event)
        reads = [c for c in self.by_side.get(side, ()) if c.name in READS and 0 <= c.returned < event.seq] if side is not None else []
        return bool(reads) and reads[-1].result == 0 and reads[-1].asked > 0 and not reads[-1].error

    def act(self, brought: causes.Brought) -> Optional[Call]:
        """Returns the call by which an end of a connection was given up; None for an exit, an exec or a call that was not seen."""
        names = {"shutdown": ("shutdown",), "close": ("close", "close_range", "dup2", "dup3")}.get(brought.how, ())
        return next((c for c in self.run.calls if c.name in names and c.pid == brought.pid
                     and c.seq <= brought.place <= max(c.returned, c.seq)), None)

    def went_on_after(self, place: int) -> bool:
        """Did a process read or write, after the close at that place, on the descriptor that it had closed (EBADF)?"""
        close = next((c for c in self.run.calls if c.seq == place), None)
        return close is not None and any(c.error == "EBADF" and c.name in (*READS, *WRITES) and (c.pid, c.fd) == (close.pid, close.fd) and c.seq > place for c in self.run.calls)

    def reset_by_close(self, side: Side) -> Optional[Call]:
        """Returns the close of this end to which its kernel answered with a reset and no FIN. Returns None if there is none, or
        if not all of it was seen."""
        end = self.sides.end(side)
        last = max(end.holders, key=lambda h: h.until, default=None) if end is not None and all(h.until >= 0 for h in end.holders) else None
        sent = [s for s in self.run.segments if self.sides.of_segment(s) == side]
        if last is None or last.how != "close" or not self.seen(side) or self.run.missing or any("F" in s.flags for s in sent):
            return None
        call = next((c for c in self.by_side.get(side, ()) if c.name == "close" and c.pid == last.pid and c.seq <= last.until <= max(c.returned, c.seq)), None)
        first = next((s.seq for s in sent if "R" in s.flags), -1)
        return call if call is not None and first > call.seq else None

    def reset_behind_fin(self, side: Side) -> Optional[Call]:
        """Returns the close of this end that sent a reset, though a shutdown had sent a FIN before. Returns None if there is none, or if not all of it was seen."""
        sent = [s for s in self.run.segments if self.sides.of_segment(s) == side]
        fin, reset = (next((s.seq for s in sent if flag in s.flags), -1) for flag in "FR")
        closes = [c for c in self.by_side.get(side, ()) if c.name == "close" and not c.error and c.seq < reset < c.returned]
        return closes[0] if self.seen(side) and not self.run.missing and 0 <= fin < reset and closes and fin < closes[0].seq else None

    def wrote_since(self, name: str, since: int, until: int) -> bool:
        """Did a program of that name write anything to a connection between these places?"""
        return any(c.name in WRITES and c.result > 0 and since < c.seq < until for side, calls in self.by_side.items() if self.sides.name(side) == name for c in calls)

    def reached(self, name: str, sender: str, since: int, until: int) -> bool:
        """Had a program of that name, before the place `until`, read something that `sender` sent after the place `since`: bytes,
        or an end? Or had it accepted a connection that `sender` began to make after that place?"""
        for side, calls in self.by_side.items():
            other = self.sides.other(side)
            if other is None or self.sides.name(side) != name or self.sides.name(other) != sender:
                continue
            if self.took(side, until) > self.wrote(other, since, begun=True):
                return True
            if any(c.name in ("accept", "accept4") and since < c.returned < until for c in calls) and any(
                    c.name == "connect" and c.seq > since for c in self.by_side.get(other, ())):
                return True
            if any(c.name in READS and since < c.returned < until and c.asked and (c.error == "ECONNRESET" or c.result == 0 and not c.error) for c in calls):
                return True
        return False


def disconnects(call: Call) -> bool:
    """Is it a connect that ends the connection of its socket? One with an address of AF_UNSPEC does (connect(2))."""
    return call.name == "connect" and call.connection > 0 and call.asked > 0 and call.value == 0 and not call.address and not call.error and call.returned >= 0


def quoted_bytes(text: str) -> str:
    """Returns the bytes that a line quotes at its end as a C string, one character a byte; "" if it quotes none, or not all."""
    found = re.fullmatch(r'[^"]*"((?:[^"\\]|\\.)*)"', text)
    if found is None or not found[1].isascii():
        return ""
    return re.sub(r"\\([0-7]{1,3}|.)", lambda m: chr(int(m[1], 8) & 0xff) if m[1][0].isdigit() else {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), found[1])


Placed = TypeVar("Placed", Event, Call)


def _place(records: "list[Placed]", place: int) -> int:
    """Returns how many of these records, which stand in their order, come before a place."""
    low, high = 0, len(records)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if records[middle].seq < place else (low, middle)
    return low


def _behind(records: "list[Placed]", place: int, until: Optional[int] = None) -> "Iterator[Placed]":
    """Yields those of these records, which stand in their order, that come after a place, and before another one."""
    for n in range(_place(records, place + 1), len(records)):
        if until is not None and records[n].seq >= until:
            return
        yield records[n]


def _sums(pairs: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Returns the places, and for each place the sum of the counts up to it."""
    places: list[int] = []
    sums: list[int] = []
    total = 0
    for place, count in pairs:
        total += count
        places.append(place)
        sums.append(total)
    return places, sums


def _at(found: tuple[list[int], list[int]], before: Optional[int]) -> int:
    """Returns the sum of the counts at places before `before`; with None the sum of all."""
    places, sums = found
    n = len(places) if before is None else bisect.bisect_left(places, before)
    return sums[n - 1] if n else 0
