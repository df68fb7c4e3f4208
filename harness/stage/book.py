"""The book of a run. Every record has its place in one order. One counter gives the places, as things arrive in the conductor's
queue."""
from __future__ import annotations

from dataclasses import replace
from typing import Callable

from ..trace import Call, Ending, Event, Exec, Output, Record, Segment, Socket, Start


class Book:
    """Keeps the records. It calls `tell` with each record when it comes. A call comes twice: when it is entered, and when it has
    returned."""

    def __init__(self, tell: Callable[[Record], None]) -> None:
        self.tell = tell
        self.events: list[Event] = []
        self.outputs: list[Output] = []
        self.segments: list[Segment] = []
        self.calls: list[Call] = []
        self.starts: list[Start] = []
        self.execs: list[Exec] = []
        self.endings: list[Ending] = []         # how the programs ended that the stage started
        self.children: list[Ending] = []        # how the processes ended that these programs started
        self.samples: list[Socket] = []
        self.places = 0
        self._event_at: dict[int, int] = {}     # by place: the index in `events`
        self._call_at: dict[int, int] = {}

    def place(self) -> int:
        """Returns the next place."""
        self.places += 1
        return self.places - 1

    def add_event(self, event: Event) -> None:
        self._event_at[event.seq] = len(self.events)
        self.events.append(event)
        self.tell(event)

    def resumed(self, seq: int) -> None:
        """Notes that the clock has just ended the pause, or the sleep, at this place."""
        if seq in self._event_at:
            at = self._event_at[seq]
            self.events[at] = replace(self.events[at], resumed_after=self.places - 1)
        elif seq in self._call_at:
            at = self._call_at[seq]
            self.calls[at] = replace(self.calls[at], resumed_after=self.places - 1)

    def add_call(self, call: Call) -> None:
        self._call_at[call.seq] = len(self.calls)
        self.calls.append(call)
        self.tell(call)

    def call(self, seq: int) -> Call:
        return self.calls[self._call_at[seq]]

    def update_call(self, call: Call) -> None:
        """Replaces a call when it has returned, with what became known then."""
        self.calls[self._call_at[call.seq]] = call
        self.tell(call)

    def add_output(self, output: Output) -> None:
        self.outputs.append(output)
        self.tell(output)

    def add_segment(self, segment: Segment) -> None:
        self.segments.append(segment)
        self.tell(segment)

    def add_ending(self, ending: Ending) -> None:
        self.endings.append(ending)
        self.tell(ending)
