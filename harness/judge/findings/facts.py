"""What the findings ask the records of one run: who wrote, read and closed what, and when."""
from __future__ import annotations

import bisect
import functools
from dataclasses import dataclass
from typing import Iterable, Iterator, Optional

from ...trace import Call, Event, Holder, Run, Segment, Socket
from ..seen import Seen
from ..sides import READS, WRITES, Side, Sides

_NOT_COUNTED = ("sendmmsg", "recvmmsg")     # their results are messages, not bytes


@dataclass(frozen=True)
class Finding:
    """One reason, in the words that a reader sees."""

    code: str                   # its name, which never changes: "reset-by-unread"
    words: str                  # one or two plain sentences, true for this run
    evidence: "tuple[int, ...]"     # places (seq) of the records that prove it
    at: int                     # the place of the act from which the rest follows
    who: str = ""               # the program whose act it is
    source: str = ""            # where that act is in the program's source: "server.c:31"
    lesson: str = ""            # the number of the lesson that shows it: "10"; "" if none does
    misconception: str = ""     # the code of a misconception that leads there: "M08"; "" if there is none
    remark: bool = False        # true: it is worth knowing, and by itself it is no fault


@dataclass
class Life:
    """What one process did to one socket, from the call that made its descriptor until its close."""

    calls: "list[Call]"
    options: "list[Call]"       # the calls of setsockopt among them that did not fail


def _with_places(calls: "Iterable[tuple[int, Call]]") -> "dict[int, tuple[list[int], list[Call]]]":
    """Returns by id (of a thread or a process) its calls in their order, and beside them the places of their entries."""
    found: "dict[int, tuple[list[int], list[Call]]]" = {}
    for number, call in calls:
        places, mine = found.setdefault(number, ([], []))
        places.append(call.seq)
        mine.append(call)
    return found


class Facts:
    """The facts of one run. None of them relies on a log line."""

    def __init__(self, run: Run) -> None:
        self.run, self.sides = run, Sides(run)
        self._seen = Seen(run, self.sides)
        self._counted: "dict[Side, bool]" = {}

    @property
    def observed(self) -> bool:
        """Were the programs' calls seen? If not, a call that is missing proves nothing."""
        return self.run.observed

    def may_know_of_an_end(self, side: Side, line: Event) -> bool:
        """Could the program of a line know by then that the other end of its connection is done?"""
        return self._seen.may_know_of_an_end(side, line)

    @property
    def captured(self) -> bool:
        """Was every segment seen?"""
        return self.run.wire and not self.run.missing

    @property
    def all_wait(self) -> bool:
        """Did the run end by itself, so that each thread that was left waits? Else the lab stopped it, and a thread may have been
        about to go on."""
        return self.run.stop.kind in ("over", "deadlock", "waiting")

    @functools.cached_property
    def _by_side(self) -> "dict[Side, list[Call]]":
        found: "dict[Side, list[Call]]" = {}
        for call in self.run.calls:
            side = self.sides.of(call)
            if side is not None:
                found.setdefault(side, []).append(call)
        return found

    @functools.cached_property
    def _sent(self) -> "dict[Optional[Side], list[Segment]]":
        found: "dict[Optional[Side], list[Segment]]" = {}
        for segment in self.run.segments:
            found.setdefault(self.sides.of_segment(segment), []).append(segment)
        return found

    @functools.cached_property
    def _by_addresses(self) -> "dict[tuple[str, str], list[Segment]]":
        found: "dict[tuple[str, str], list[Segment]]" = {}
        for segment in self.run.segments:
            found.setdefault((segment.source, segment.target), []).append(segment)
        return found

    def between(self, source: str, target: str) -> "list[Segment]":
        """Returns the segments that went from one address to another one."""
        return self._by_addresses.get((source, target), [])

    @functools.cached_property
    def _by_thread(self) -> "dict[int, tuple[list[int], list[Call]]]":
        return _with_places((call.tid, call) for call in self.run.calls)

    def next_of(self, call: Call) -> "Optional[Call]":
        """Returns the next call of the same thread; None if it made none."""
        places, calls = self._by_thread[call.tid]
        at = bisect.bisect_right(places, call.seq)
        return calls[at] if at < len(calls) else None

    @functools.cached_property
    def _by_process(self) -> "dict[int, tuple[list[int], list[Call]]]":
        return _with_places((call.pid, call) for call in self.run.calls)

    def behind(self, call: Call) -> "Iterator[Call]":
        """Yields the calls of the same process that were made after this one had returned."""
        places, calls = self._by_process[call.pid]
        yield from (calls[at] for at in range(bisect.bisect_right(places, max(call.seq, call.returned)), len(calls)))

    @functools.cached_property
    def _timers(self) -> "dict[int, tuple[list[int], list[Call]]]":
        return _with_places((call.pid, call) for call in self.run.calls
                            if call.name in ("alarm", "setitimer", "timer_settime") and not call.error and call.returned >= 0)

    def timer(self, pid: int, before: int) -> "Optional[Call]":
        """Returns the last call before that place by which a process had set or stopped a timer; None if there is none."""
        places, calls = self._timers.get(pid, ([], []))
        return next((calls[at] for at in reversed(range(bisect.bisect_left(places, before))) if calls[at].returned < before), None)

    @functools.cached_property
    def last_of(self) -> "dict[tuple[int, str, int], int]":
        """By thread, name and descriptor: the place of the last such call."""
        return {(call.tid, call.name, call.fd): call.seq for call in self.run.calls}

    def calls(self, side: Side, names: "tuple[str, ...]" = ()) -> "list[Call]":
        """Returns the calls at one end of a connection, in the order of their entries: those with one of these names, or all."""
        return [call for call in self._by_side.get(side, ()) if not names or call.name in names]

    def writes(self, side: Side) -> "list[Call]":
        return self.calls(side, WRITES)

    def reads(self, side: Side) -> "list[Call]":
        """Returns the calls that take bytes at this end. A look at the bytes (MSG_PEEK) does not count."""
        return [call for call in self.calls(side, READS) if call.option != "MSG_PEEK"]

    def wrote(self, side: Side, before: "Optional[int]" = None) -> int:
        """Returns how many bytes the kernel took from the program at this end, before that place or in all."""
        return sum(max(call.result, 0) for call in self.writes(side) if call.returned >= 0 and (before is None or call.returned < before))

    def took(self, side: Side, before: "Optional[int]" = None) -> int:
        """Returns how many bytes the program at this end has read, before that place or in all."""
        return sum(max(call.result, 0) for call in self.reads(side) if call.returned >= 0 and (before is None or call.returned < before))

    def arrived(self, side: Side, before: int) -> int:
        """Returns how many bytes of the stream the wire had brought to this end before that place. Retransmissions count once."""
        other = self.sides.other(side)
        return max((s.first + s.length - 1 for s in self._sent.get(other, ()) if s.length and s.seq < before), default=0)

    def segments(self, side: Side, flag: str = "") -> "Iterator[Segment]":
        """Returns the segments that this end sent: those with a flag (S, F, R, P, A), or all."""
        return (s for s in self._sent.get(side, ()) if flag in s.flags)

    def socket(self, side: Side) -> "Optional[Socket]":
        """Returns what the kernel held for this end when the run was over. Returns None if the socket was gone, or if nobody
        looked."""
        end = self.sides.end(side)
        return next((s for s in self.run.stop.sockets if s.connection == side[0] and (end is None or s.local == end.address)), None)

    @property
    def listeners_seen(self) -> bool:
        """Were all calls seen on sockets that listen, or that may connect?"""
        return self._seen.listeners

    def seen(self, side: Side) -> bool:
        """Were all calls at this end seen? They were not if a program has the end on descriptor 0, 1 or 2."""
        return self._seen.all_of(side)

    def counted(self, side: Side) -> bool:
        """Do the calls account for every byte that this end wrote and read? If the wire was captured, it shows whether bytes are
        missing."""
        if side not in self._counted:
            self._counted[side] = self._counts(side)
        return self._counted[side]

    def _counts(self, side: Side) -> bool:
        end = self.sides.end(side)
        if end is None or not end.holders or not self.seen(side) or any(call.name in _NOT_COUNTED for call in self.calls(side)):
            return False
        other = self.sides.other(side)
        if other is not None and any(call.option == "MSG_OOB" for call in self.writes(other)):
            return False            # reads may leave an urgent byte out
        if not self.captured:
            return True
        writing = any(call.returned < 0 for call in self.writes(side))
        arrived, socket = self.arrived(side, 1 << 62), self.socket(side)
        if socket is not None and self.took(side) + socket.unread < arrived:
            return False
        return self.took(side) <= arrived and (writing or self.wrote(side) >= self.sides.carried.get(side, 0))

    def port_of(self, number: int) -> str:
        """Returns the port to which a connection was opened."""
        syn = next((s for s in self.run.segments if s.connection == number and s.flags == "S"), None)
        call = next((c for c in self.run.calls if c.connection == number and c.name == "connect"), None)
        return (call.address if call is not None else syn.target if syn is not None else "").rpartition(":")[2]

    def queued(self, listener: Socket) -> "list[int]":
        """Returns the connections that waited in the accept queue of this listener when the run was over. Returns nothing if these are not as
        many as the kernel counts there."""
        port = listener.local.rpartition(":")[2]
        waiting = [made.number for made in self.run.connections if made.opener is not None and made.acceptor is None and self.port_of(made.number) == port]
        return waiting if self.observed and len(waiting) == listener.unread else []

    @functools.cached_property
    def unaccepted(self) -> "frozenset[int]":
        """The connections of which it is known that nobody accepted them, and that they were there when the run was over."""
        return frozenset(number for one in self.run.stop.sockets if one.state == "LISTEN" for number in self.queued(one))

    def kept(self, side: Side) -> "tuple[Holder, ...]":
        """Returns the processes that held this end when the run was over."""
        end = self.sides.end(side)
        return tuple(holder for holder in end.holders if holder.until < 0) if end is not None else ()

    @functools.cached_property
    def _children(self) -> "dict[str, list[int]]":
        """By name: the ids of the processes that the stage did not start, if they made a call or held a connection."""
        started = {start.pid for start in self.run.starts}
        ends = [end for made in self.run.connections for end in (made.opener, made.acceptor) if end is not None]
        seen = {(one.who, one.pid) for one in self.run.calls} | {(holder.who, holder.pid) for end in ends for holder in end.holders if holder.pid > 0}
        found: "dict[str, list[int]]" = {}
        for who, pid in sorted(seen):
            if started and pid not in started:
                found.setdefault(who, []).append(pid)
        return found

    def process(self, who: str, pid: int) -> str:
        """Returns a process in words that are the same in each run: "the server", "client[2]", "the server's child process"."""
        started = [start.pid for start in self.run.starts if start.who == who]
        children = self._children.get(who, [])
        if pid in children:
            return f"the {who}'s child process" + (f" number {children.index(pid) + 1}" if len(children) > 1 else "")
        return f"{who}[{started.index(pid) + 1}]" if len(started) > 1 and pid in started else f"the {who}"

    @functools.cached_property
    def _lives(self) -> "dict[int, Life]":
        found: "dict[int, Life]" = {}
        now: "dict[tuple[int, int], Life]" = {}
        for call in self.run.calls:
            if call.name in ("socket", "accept", "accept4") and call.returned >= 0 and not call.error:
                now[call.pid, call.result] = made = Life([call], [])
                found.update({call.seq: made} if call.name == "socket" else {})
            life = now.get((call.pid, call.fd))
            if life is not None:
                life.calls.append(call)
                life.options += [call] if call.name == "setsockopt" and not call.error else []
                found[call.seq] = life
            if call.name == "close":
                now.pop((call.pid, call.fd), None)
        return found

    def life(self, call: Call) -> Life:
        """Returns the life of the socket behind a call's descriptor. It is empty if the process got that descriptor from a fork,
        an exec or a dup, because then it is not known how the socket was made."""
        return self._lives.get(call.seq, Life([], []))
