"""Tells at which ends of connections calls were made that the harness does not see: calls on the descriptors 0, 1 and 2.

A program may have a connection or a listener on one of these: a server started it as inetd does, or it called dup2, or it closed
0 before it made a socket. No record shows what it then does there. So nobody may say of such an end "it called no write".
"""
from __future__ import annotations

from typing import Iterator, Union

from ..trace import Call, Event, Run, Socket
from .sides import READS, Side, Sides

FIRST = 3                   # the lowest descriptor whose calls are seen
_COPIES = ("dup", "dup2", "dup3", "fcntl")
_ASKS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")     # each asks about many descriptors
_UNTOLD = ("recvmmsg", "splice")        # their results do not say whether an end was read
_ENDED = ("ECONNRESET", "EPIPE", "ETIMEDOUT", "ECONNABORTED", "ENOTCONN")
_MAKES = ("socket", "accept", "accept4")


def _makes_a_low_one(call: Call) -> bool:
    """Does this call return a descriptor below 3? An fcntl with an `option` makes no descriptor."""
    return call.name in (*_COPIES, *_MAKES) and call.returned >= 0 and not call.error and not call.option and 0 <= call.result < FIRST


def _may_tell_of_an_end(call: Call) -> bool:
    """Did this call tell its program, or may it have told it, that the other end of some connection is done?"""
    return (call.name in (*_ASKS, *_UNTOLD) or call.error in _ENDED or
            call.name in READS and call.asked > 0 and call.result == 0 and not call.error or falls_short(call))


def falls_short(call: Call) -> bool:
    """Did a read that was to wait for all of its bytes (MSG_WAITALL) return with some of them? The end of the stream does this. So do
    a signal, a time limit, and an error behind these bytes."""
    return call.name in READS and call.option == "MSG_WAITALL" and call.returned >= 0 and 0 < call.result < call.asked


class Seen:
    """Which ends of one run's connections have only calls that were seen."""

    def __init__(self, run: Run, sides: Sides) -> None:
        self.run, self.sides = run, sides
        self._low = set(self._low_ends())
        self._told: "dict[int, int]" = {}       # by process: the place at which a call first told it, or may have told it, of an end
        self._again: "dict[int, int]" = {}      # by process: the same of EAGAIN
        for call in run.calls:
            if call.returned >= 0 and _may_tell_of_an_end(call):
                self._told[call.pid] = min(call.returned, self._told.get(call.pid, call.returned))
            if call.returned >= 0 and (call.error in ("EAGAIN", "ETIMEDOUT", "EINTR") or call.name in (*_ASKS, *_UNTOLD)):
                self._again[call.pid] = min(call.returned, self._again.get(call.pid, call.returned))
        self.listeners = run.observed and not any(self._low_sockets())

    def all_of(self, side: Side) -> bool:
        """Were all calls at this end of a connection seen? An end that nobody accepted has no calls. An end that only lines tell of was
        made by a call that was not seen."""
        end = self.sides.end(side)
        if not self.run.observed or side in self._low:
            return False
        return self.listeners and not self._nameless() if end is None else bool(end.holders)

    def may_know_of_an_end(self, side: Side, line: Event) -> bool:
        """Could the program know, when it logged this line, that the other end of its connection is done? Only a system call can
        tell a program so; the line alone proves nothing. If not all calls were seen, the answer is yes. What the process learnt
        on another connection counts as well, because a line may be about either."""
        return self._may_know(side, line, self._told)

    def may_know_of_eagain(self, side: Side, line: Event) -> bool:
        """Had a call of the program failed with EAGAIN when it logged this line? A poll that ended by its limit counts as well."""
        return self._may_know(side, line, self._again)

    def _may_know(self, side: Side, line: Event, told: "dict[int, int]") -> bool:
        end = self.sides.end(side)
        if end is None or not self.all_of(side):
            return True
        return any(told.get(pid, line.seq + 1) <= line.seq for pid in {line.pid, end.pid, *(holder.pid for holder in end.holders)})

    def _low_ends(self) -> Iterator[Side]:
        copies = [call for call in self.run.calls if _makes_a_low_one(call)]
        sockets = [socket for socket in self.run.stop.sockets if 0 <= socket.fd < FIRST]
        records: "list[Union[Call, Socket]]" = [*copies, *(later for call in copies for later in self._later(call)), *sockets]
        for record in records:
            side = self.sides.of(record)
            if side is not None:
                yield side

    def _later(self, copy: Call) -> Iterator[Call]:
        """Yields the later calls on the descriptor that was copied, up to its close. One of them may connect it."""
        for call in self.run.calls:
            if call.pid == copy.pid and call.fd == copy.fd >= FIRST and call.seq > copy.seq and copy.name in _COPIES:
                if call.name == "close":
                    return
                yield call

    def _low_sockets(self) -> "Iterator[Union[Call, Socket]]":
        """Yields the records of what may be a listener, or a socket that connects, on a descriptor below 3."""
        mine = {(call.pid, call.result) for call in self.run.calls if call.name in ("socket", "accept", "accept4") and not call.error}
        listening = {holder.pid for one in self.run.listeners for holder in one.holders}
        for call in self.run.calls:
            if not _makes_a_low_one(call):
                continue
            if call.name == "socket" or call.name in _COPIES and not call.connection and ((call.pid, call.fd) in mine or call.pid in listening):
                yield call
        yield from (socket for socket in self.run.stop.sockets if socket.state == "LISTEN" and 0 <= socket.fd < FIRST)

    def _nameless(self) -> bool:
        """Did an accept succeed without its connection being known?"""
        return any(call.name in ("accept", "accept4") and call.result >= 0 and call.returned >= 0 and not call.error and not call.connection for call in self.run.calls)
