"""Who goes on when: a conductor has one policy, and asks it.

A policy says which threads are held, whether a held thread may go on at once (`arrived`), and, when nothing can happen any more,
who goes on next (`quiet`). When it names nobody, the run is over. Explore and step have policies of their own.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Protocol


@dataclass
class Held:
    """A thread that waits for its release: at a log line, or at a system call."""

    seq: int                # the place of the line, or of the call's entry or return
    who: str
    pid: int
    tid: int
    kind: str               # an event's kind; "pause" also for a sleep; "call" for any other call
    text: str               # the line, or the call in words
    source: str
    count: int              # pause: nanoseconds
    open: Callable[[], None]    # lets it go on
    drop: Callable[[], None] = lambda: None     # gives the gate up, at the end of the run
    due: int = 0            # virtual time at which a pause ends, in ns
    length: int = 0         # a read at its entry: it asks for so many bytes and no more; 0: for what its program asks for


class Policy(Protocol):
    """What a conductor asks."""

    name: str               # the run's mode
    hold: str               # TCPLAB_HOLD of the programs: "", "pauses", "all"
    hold_calls: str         # which calls the keeper holds: "", "sleeps", "reads" (sleeps too), "all"
    clock: bool             # a pause ends when nothing else can happen: so what came before its end is ordered before it

    def arrived(self, held: Held) -> bool:
        """A thread has come to a place and is held there. May it go on at once?"""

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        """Nothing can happen any more. Who goes on? None: nobody, the run is over."""


class Live:
    """Real time; nobody is held."""

    name, hold, hold_calls, clock = "live", "", "", False

    def arrived(self, held: Held) -> bool:
        return True

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        return None


class VirtualClock:
    """Pauses and sleeps cost nothing: when nothing can happen any more, the earliest one ends. `skip`: they end at once."""

    name, hold, hold_calls = "virtual", "pauses", "sleeps"

    def __init__(self, skip: bool = False) -> None:
        self.skip, self.clock = skip, not skip
        self.now = 0

    def arrived(self, held: Held) -> bool:
        held.due = self.now + held.count
        return self.skip

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        first = min(held, key=lambda h: (h.due, h.seq), default=None)
        if first is not None:
            self.now = max(self.now, first.due)
        return first
