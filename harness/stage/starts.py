"""Decides which program starts when, by the conditions of the stage. The conductor asks again and again until all programs have
been started."""
from __future__ import annotations

import functools
import socket
from dataclasses import dataclass, field
from typing import Callable, Iterable, Optional

from ..judge.contract import fits
from ..trace import Event
from .book import Book
from .cast import Program, Stage


@dataclass
class Process:
    """One process of a program of the cast. `nth` is 1 for the first one."""

    program: Program
    nth: int
    pid: int
    ended: bool = False

    @property
    def who(self) -> str:
        return self.program.name


@dataclass
class Starts:
    """The programs of a stage that are still to be started. `ports` has, by name, the port on which each was found to listen."""

    stage: Stage
    isolated: bool
    started: "dict[int, Process]" = field(default_factory=dict)
    ports: "dict[str, int]" = field(default_factory=dict)
    connected: "set[str]" = field(default_factory=set)      # the names of programs that have asked for a connection
    reserved: Optional[socket.socket] = None

    def left(self) -> "list[Program]":
        """Returns the programs that have been started less often than the stage says."""
        if len(self.started) == self._times:
            return []
        return [program for program in self.stage.programs if self._count(program) < program.times]

    @functools.cached_property
    def _times(self) -> int:
        """How many processes the stage starts in all."""
        return sum(program.times for program in self.stage.programs)

    def of(self, name: str) -> "list[Process]":
        return [one for one in self.started.values() if one.who == name]

    def _count(self, program: Program) -> int:
        return len(self.of(program.name))

    def next(self, listening: Callable[[str], "list[int]"], events: Iterable[Event], about: "About") -> Optional[Program]:
        """Returns a program that is to be started now; None if there is none. listening(name) returns the ports on which
        processes of that name listen."""
        return next((program for program in self.left() if self._may(program, listening, events, about)), None)

    def anyway(self) -> Optional[Program]:
        """Returns a program that waits for a listener, or for a connection, that never comes; None if there is none. It is
        started all the same."""
        return next((p for p in self.left() if p.starts.kind in ("listens", "connected") and all(self._count(self.stage.program(w)) for w in p.starts.who)
                     and not self._in_turn(p)), None)

    def waited_for(self, program: Program, book: Book, about: "About") -> "tuple[int, ...]":
        """Returns the places of the lines and endings for which the program's start waited."""
        starts = program.starts
        found = {ending.seq for ending in book.endings if program.in_turn and ending.pid in [one.pid for one in self.of(program.name)]}
        if starts.kind == "line":
            found.update(one.seq for one in [told(book.events, about, starts.who[0], starts.text, starts.nth)] if one is not None)
        elif starts.kind == "ended":
            found.update(ending.seq for ending in book.endings if ending.who in starts.who)
        elif starts.kind == "listens":
            found.update(event.seq for name in starts.who for event in [next((e for e in book.events if e.who == name and e.kind == "listen"), None)] if event)
        return tuple(sorted(found))

    def _in_turn(self, program: Program) -> bool:
        """Must this program still wait because its processes run one after the other, and the one before has not ended?"""
        return program.in_turn and any(not one.ended for one in self.of(program.name))

    def _may(self, program: Program, listening: Callable[[str], "list[int]"], events: Iterable[Event], about: "About") -> bool:
        if self._in_turn(program):
            return False
        starts = program.starts
        if starts.kind == "at once":
            return True
        if starts.kind == "listens":
            return all(self._listens(name, listening) for name in starts.who)
        if starts.kind == "connected":
            return all(name in self.connected or self._ended(name) for name in starts.who)
        if starts.kind == "line":
            return said(events, about, starts.who[0], starts.text, starts.nth)
        return all(self._ended(name) for name in starts.who)

    def _ended(self, name: str) -> bool:
        """Has this program been started as often as the stage says, and have all of its processes ended?"""
        started = self.of(name)
        return len(started) == self.stage.program(name).times and all(one.ended for one in started)

    def _listens(self, name: str, listening: Callable[[str], "list[int]"]) -> bool:
        found = listening(name) if self.of(name) else []
        if found:
            wanted = self.stage.program(name).listens
            self.ports[name] = wanted if wanted in found else found[0]
        return bool(found)

    def arguments(self, program: Program, listening: Callable[[str], "list[int]"]) -> "list[str]":
        """Returns the words of a program's command line. For a program that is not known to listen, they have the port of the
        stage, or without a private network a port on which certainly nobody listens."""
        for name in program.connects:
            self._listens(name, listening)
        ports = dict(self.ports)
        for other in self.stage.programs:
            if other.name == program.name or other.name in ports or other.listens is None:
                continue
            ports[other.name] = other.listens if self.isolated else self._closed_port()
        return program.arguments(ports, self.isolated)

    def _closed_port(self) -> int:
        if self.reserved is None:       # bound here, and never listened on
            self.reserved = socket.socket()
            self.reserved.bind(("127.0.0.1", 0))
        return int(self.reserved.getsockname()[1])

    def close(self) -> None:
        if self.reserved is not None:
            self.reserved.close()


About = Callable[[Event, str], bool]    # takes a line and a WHO; returns whether the line belongs to WHO


def said(events: Iterable[Event], about: About, who: str, text: str, nth: int) -> bool:
    """Has WHO logged that line for the nth time? 0 counts as 1."""
    return told(events, about, who, text, nth) is not None


def told(events: Iterable[Event], about: About, who: str, text: str, nth: int) -> Optional[Event]:
    """Returns the line that WHO logged for the nth time; None if it has not been logged."""
    times = max(nth, 1)
    for event in events:
        if about(event, who) and fits(text, event.text):
            times -= 1
            if times == 0:
                return event
    return None
