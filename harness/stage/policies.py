"""Decides which thread goes on when. A conductor has one policy, and asks it.

A policy says which threads are held, whether a held thread may go on at once (`arrived`), and which thread goes on when nothing
else can happen any more (`quiet`). If it names none, the run is over. `explore` and `step` have policies of their own.
"""
from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Callable, Optional, Protocol


@dataclass
class Held:
    """A thread that is held until it is released: at a log line, or at a system call."""

    seq: int                # the place of the line, or of the call's entry or return
    who: str
    pid: int
    tid: int
    kind: str               # an event's kind; "pause" also for a sleep; "call" for any other call
    text: str               # the line, or the call in words
    source: str
    count: int              # pause: nanoseconds
    open: Callable[[], None]    # lets it go on
    drop: Callable[[], None] = lambda: None     # closes what holds it, at the end of the run
    due: int = 0            # virtual time at which a pause ends, in ns
    length: int = 0         # a read at its entry: how many bytes it is to ask for; 0: as many as its program asks for
    since: float = field(default_factory=time.monotonic)    # the real time at which it was held


class Policy(Protocol):
    """What a conductor asks of a policy. Each policy is a subclass, and has these values where it gives none of its own."""

    name: str               # the run's mode
    hold: str               # at which lines programs are held (their TCPLAB_HOLD): "", "pauses", "all"
    hold_calls: str         # which calls the keeper holds: "", "sleeps", "reads" (sleeps too), "all"
    clock: bool             # whether a pause ends only when nothing else can happen, so that what came before its end was forced to
    now: int = 0            # the virtual time, in ns: where the pause that ended last has ended
    vain: Callable[[], "set[int]"] = set    # set by the conductor: returns the threads whose calls bring nothing

    def arrived(self, held: Held) -> bool:
        """A thread has come to a place and is held there. Returns whether it may go on at once."""

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        """Nothing can happen any more. Returns the thread that goes on; None if none does and the run is over."""

    def goes_at_once(self, held: "list[Held]") -> bool:
        """Does one of the held threads go on before a time limit of another thread ends?"""
        return False


class Live(Policy):
    """The policy for real time. It holds no thread."""

    name, hold, hold_calls, clock = "live", "", "", False

    def arrived(self, held: Held) -> bool:
        return True

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        return None


class VirtualClock(Policy):
    """The policy for the virtual clock. Pauses and sleeps take no real time: when nothing can happen any more, the earliest one
    ends. With `skip` each of them ends at once."""

    name, hold, hold_calls = "virtual", "pauses", "sleeps"

    def __init__(self, skip: bool = False) -> None:
        self.skip, self.clock = skip, not skip

    def arrived(self, held: Held) -> bool:
        held.due = self.now + held.count
        return self.skip

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        first = min(held, key=lambda h: (h.due, h.seq), default=None)
        if first is not None:
            self.now = max(self.now, first.due)
        return first
