"""Timers that the observed calls show: a wait with one of them pending may end though nobody else does anything.

alarm(2), setitimer(2) and timer_settime(2) end a wait by a signal; they belong to a process. A sleep, and a poll, select or epoll_wait
with a limit, end by themselves; they belong to a thread. The limits of a socket (SO_RCVTIMEO, SO_SNDTIMEO, TCP_USER_TIMEOUT) belong
to it. A timerfd is a descriptor, and who waits on one is seen there.
"""
from __future__ import annotations

from dataclasses import dataclass

from ..trace import Call
from .sockets import Limits

_BY_SIGNAL = {"alarm": "an alarm", "setitimer": "an interval timer", "timer_settime": "a timer"}
_OPTIONS = ("SO_RCVTIMEO", "SO_SNDTIMEO", "TCP_USER_TIMEOUT")


@dataclass(frozen=True)
class Pending:
    """A timer of a process that is set and has not gone off."""

    who: str
    pid: int
    due: int        # ns since the run began
    words: str      # "an alarm"
    source: str


class Timers:
    """Takes calls in as they return."""

    def __init__(self) -> None:
        self._pending: dict[tuple[int, str], Pending] = {}
        self._low_water: dict[int, int] = {}                # inode: SO_RCVLOWAT in bytes
        self._listener: dict[int, int] = {}                 # inode of a socket that accept made: its listener's
        self._limits: dict[tuple[int, str], int] = {}       # inode and option: ns, 0 for none

    def returned(self, call: Call, inode: int) -> None:
        if call.error:
            return
        if call.name in _BY_SIGNAL:
            key = call.pid, call.name
            if call.limit > 0:
                self._pending[key] = Pending(call.who, call.pid, call.returned_ns + call.limit, _BY_SIGNAL[call.name], call.source)
            else:
                self._pending.pop(key, None)
        elif call.name == "setsockopt" and call.option in _OPTIONS and inode:
            self._limits[inode, call.option] = call.value
        elif call.name == "setsockopt" and call.option == "SO_RCVLOWAT" and inode:
            self._low_water[inode] = call.value

    def ended(self, pid: int) -> None:
        for key in [key for key in self._pending if key[0] == pid]:
            del self._pending[key]

    def pending(self, now: int) -> "list[Pending]":
        """Those that are still to go off, the first one first. One that is due and was not delivered yet counts for a moment more."""
        return sorted((one for one in self._pending.values() if one.due + _LATE > now), key=lambda one: one.due)

    def limits(self, inode: int) -> Limits:
        """A socket's time limits as its program set them. (One that accept(2) made has those of its listener.)"""
        of = self._listener.get(inode, inode)
        read, write, user = ((self._limits.get((inode, option), 0) or self._limits.get((of, option), 0)) / 1e9 for option in _OPTIONS)
        return Limits(read, write, user, self._low_water.get(inode, 1))

    def accepted(self, listener: int, inode: int) -> None:
        """accept(2) made a socket: it has its listener's options."""
        self._listener[inode] = listener


_LATE = 20_000_000      # ns: a signal's delivery, and the program's answer to it
