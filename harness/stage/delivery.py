"""Other ways in which the same bytes may reach the same programs: DELIVERY=bytes, coalesced, split, reset.

TCP carries a stream. It does not say how many bytes a read brings. One run shows one way, and a program that works only in this
way is wrong all the same. Under this policy each read of a connection is held before it is made, until nothing else can happen.
So everything has arrived that comes without this read. Then the read is made:

- coalesced: it is made unchanged, and brings all that is there, as far as its buffer goes;
- bytes: it asks for one byte;
- split: it asks for half of what is there. It never ends where a write of the peer ended, unless that is the next byte;
- reset: the first read of a connection brings half of what is there. At the next one the lab resets the connection, as a machine between
  the two ends might do it. Both ends learn of it by ECONNRESET (connect(2): AF_UNSPEC dissolves an association; the kernel sends RST).

The record of a read that is cut has the number of bytes for which the kernel was asked. Three kinds of reads are not cut: reads
that TCP would not cut either (MSG_WAITALL), reads that take nothing away (MSG_PEEK), and reads into several buffers (readv,
recvmsg).
"""
from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Optional

from ..observe import sockets
from ..observe.tcp import Sock
from ..trace import Call
from .policies import Held, VirtualClock

if TYPE_CHECKING:
    from .conductor import Conductor

WAYS = ("bytes", "coalesced", "split", "reset")
SAYS = {
    "bytes": "the lab lets each read of a connection ask for one byte",
    "coalesced": "the lab holds each read of a connection until nothing else can happen",
    "split": "the lab lets each read of a connection ask for half of what is there",
    "reset": "the lab resets each connection at the second read that one of its ends makes",
}
READS = ("read", "recvfrom", "readv", "recvmsg")
WRITES = ("write", "sendto", "writev", "sendmsg", "sendfile")
_libc = ctypes.CDLL(None, use_errno=True)


class Delivery(VirtualClock):
    """The policy of a run under another delivery. Its `conductor` is to be set before the run begins."""

    hold_calls = "reads"

    def __init__(self, way: str, skip: bool = False) -> None:
        super().__init__(skip)
        self.way = way
        if way == "reset":
            self.name = "reset"     # the run's mode. It tells the judge that the lab itself may have made a reset
        self.conductor: "Optional[Conductor]" = None
        self._served: "set[int]" = set()        # the connections of which a read has brought bytes

    def arrived(self, held: Held) -> bool:
        held.due = self.now + (held.count if held.kind == "pause" else 0)
        return self.skip and held.kind == "pause"

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        """Chooses first a read that brings something, then a pause, and only then a read that would wait."""
        reads = sorted((one for one in held if one.kind == "call"), key=lambda one: one.seq)
        for one in reads:
            sock = self._sock(one)
            if sock is not None and (sock.unread > 0 or sock.eof or sock.state == "CLOSED" or self._resets(one)):
                self._serve(one, sock)
                return one
        pauses = [one for one in held if one.kind == "pause"]
        chosen = super().quiet(pauses) if pauses else reads[0] if reads else None
        if chosen is not None and chosen.kind == "call" and self.way == "bytes" and self._may_be_cut(chosen):
            chosen.length = 1
        return chosen

    def _call(self, held: Held) -> Optional[Call]:
        return self.conductor.book.call(held.seq) if self.conductor is not None else None

    def _sock(self, held: Held) -> "Optional[Sock]":
        call = self._call(held)
        return self.conductor.last.network.held.get((held.pid, call.fd)) if self.conductor is not None and call is not None else None

    def _resets(self, held: Held) -> bool:
        call = self._call(held)
        return self.way == "reset" and call is not None and call.connection in self._served

    def _serve(self, held: Held, sock: Sock) -> None:
        """Sets how many bytes the read may bring, or resets the connection."""
        call = self._call(held)
        assert call is not None
        if self._resets(held):
            _reset(held.pid, call.fd)
        elif sock.unread > 0 and self._may_be_cut(held):
            self._served.add(call.connection)
            if self.way == "bytes":
                held.length = 1
            elif self.way in ("split", "reset"):
                held.length = self._half(call, min(sock.unread, call.asked))

    def _may_be_cut(self, held: Held) -> bool:
        call = self._call(held)
        return call is not None and call.name in ("read", "recvfrom") and call.asked > 1 and call.option != "MSG_PEEK"

    def _half(self, call: Call, there: int) -> int:
        """Returns about half of `there` bytes, so that the read does not end where one of the peer's writes ended."""
        if there < 2 or self.conductor is None:
            return 1
        calls = [one for one in self.conductor.book.calls if one.connection == call.connection and one.result > 0]
        mine = [one for one in calls if (one.pid, one.fd) == (call.pid, call.fd)]
        begin = sum(one.result for one in mine if one.name in READS)
        ends, at = set(), 0
        for one in calls:
            if one.name in WRITES and (one.pid, one.fd) != (call.pid, call.fd):
                at += one.result
                ends.add(at)
        half = there // 2
        return next((n for n in (half, half + 1, half - 1) if 0 < n < there and begin + n not in ends), half)


def _reset(pid: int, fd: int) -> None:
    """Resets the connection behind a descriptor of a program."""
    sock = sockets.copy_of(pid, fd)
    if sock is not None:
        with sock:
            _libc.connect(sock.fileno(), ctypes.create_string_buffer(16), 16)      # the family is 0, AF_UNSPEC
