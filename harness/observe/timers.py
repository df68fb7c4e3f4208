"""The timers that the observed calls show. While one of them is pending, a wait may end although nobody else does anything.

alarm(2), setitimer(2) and timer_settime(2) end a wait by a signal. They belong to a process. A sleep, and a poll, select or
epoll_wait with a time limit, end by themselves. They belong to a thread. The limits of a socket (SO_RCVTIMEO, SO_SNDTIMEO,
TCP_USER_TIMEOUT) belong to the socket. A timerfd is a descriptor: a look sees which threads wait on it.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from ..trace import Call
from .sockets import Limits

_BY_SIGNAL = {"alarm": "an alarm", "setitimer": "an interval timer", "timer_settime": "a timer", "timer_delete": "a timer"}
_REAL = -1      # the one timer of alarm(2) and setitimer(2); those of timer_create(2) have numbers from 0 on
_OPTIONS = ("SO_RCVTIMEO", "SO_SNDTIMEO", "TCP_USER_TIMEOUT")


@dataclass(frozen=True)
class Pending:
    """A timer of a process that is set and has not expired."""

    who: str
    pid: int
    due: int        # ns from the run's beginning
    again: int      # it expires again after each so many ns; 0: only once
    words: str      # "an alarm"
    source: str


class Timers:
    """The timers and the sockets' time limits of a run. It takes each call when the call returns."""

    def __init__(self) -> None:
        self._pending: dict[tuple[int, int], Pending] = {}  # by process and number of the timer
        self._low_water: dict[int, int] = {}                # by inode: SO_RCVLOWAT in bytes
        self._listener: dict[int, int] = {}                 # by inode of a socket that accept made: its listener's inode
        self._limits: dict[tuple[int, str], int] = {}       # by inode and option: ns, 0 for none

    def returned(self, call: Call, inode: int) -> None:
        if call.error:
            return
        if call.name in _BY_SIGNAL:
            key = call.pid, call.asked if call.name.startswith("timer_") else _REAL
            self._pending.pop(key, None)
            if call.limit > 0:
                again = call.value if call.name != "alarm" else 0
                self._pending[key] = Pending(call.who, call.pid, call.returned_ns + call.limit, again, _BY_SIGNAL[call.name], call.source)
        elif call.name == "setsockopt" and call.option in _OPTIONS and inode:
            self._limits[inode, call.option] = call.value
        elif call.name == "setsockopt" and call.option == "SO_RCVLOWAT" and inode:
            self._low_water[inode] = call.value

    def ended(self, pid: int) -> None:
        for key in [key for key in self._pending if key[0] == pid]:
            del self._pending[key]

    def pending(self, now: int) -> "list[Pending]":
        """Returns the timers that are still to expire, the first one first. A timer that is due, and whose signal may not have
        been delivered yet, counts for a moment more."""
        return sorted((_next(one, now) for one in self._pending.values() if one.again or one.due + _LATE > now), key=lambda one: one.due)

    def limits(self, inode: int) -> Limits:
        """Returns a socket's limits as its program set them. A socket that accept(2) made has those of its listener."""
        of = self._listener.get(inode, inode)
        read, write, user = ((self._limits.get((inode, option), 0) or self._limits.get((of, option), 0)) / 1e9 for option in _OPTIONS)
        return Limits(read, write, user, self._low_water.get(inode, 1))

    def accepted(self, listener: int, inode: int) -> None:
        """Notes that accept(2) made a socket. The socket has its listener's options."""
        self._listener[inode] = listener


def _next(one: Pending, now: int) -> Pending:
    """Returns a timer that expires again and again with its next time."""
    times = -(-(now - one.due) // one.again) if one.again else 0
    return replace(one, due=one.due + max(times, 0) * one.again)


_LATE = 20_000_000      # ns that a signal's delivery and the program's answer to it may take
