"""step: one line at a time, or one call if the programs log no lines. The learner says which program goes on, and sees between
two steps what the programs and the kernels hold."""
from __future__ import annotations

import argparse
import os
import select
import sys
from typing import Any, Iterable, Optional, TextIO

from ..explore.schedules import Delays, Place, parse
from ..stage.conductor import Conductor, Held
from ..stage.scenarios import Scenario, find
from ..tell import brought as page
from ..tell import screen, story
from ..trace import Segment, Socket, Waiting
from . import shared
from .outcome import Usage

KEYS = "Enter: the marked one  1, 2, ...: that one  c: run on  r: restart  q: quit > "
LINES = """Each program is held at each of its lines. You say who goes on to its next line."""
CALLS = """Each program is held before each of its calls, and when it has returned.
You say who goes on. "write(4)" is a write on descriptor 4 that is about to be
made. "write(4) = 18" is a write that has returned 18."""


def add(commands: Any) -> None:
    command = commands.add_parser("step", help="one line at a time", description="one line at a time: the learner says who goes on")
    command.add_argument("scenario", metavar="N")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    interrupt = shared.Interrupt()
    with interrupt.raising():
        shared.build([scenario])
    need_terminal(sys.stdin)
    waker = interrupt.at_once()
    schedule = parse(os.environ.get("SCHEDULE", ""), scenario.stage.names)
    lines = _logs_lines(scenario)
    if not lines and not shared.observe():
        raise Usage(f"the programs of {scenario.name} log no lines, and with TCPLAB_CALLS=off nobody looks at their calls: there is nothing to step at")
    while True:
        shown = screen.Screen(sys.stdout, False, scenario.stage.roles()) if lines else page.Page(sys.stdout, False, scenario.stage.roles())
        policy = Step(schedule, shared.no_pause(), waker)
        if lines:
            print(f"scenario {scenario.name}, one line at a time\n{LINES}")
        else:
            policy.hold_calls = "all"
            print(f"scenario {scenario.name}, one call at a time: its programs log no lines\n{CALLS}")
        if schedule:
            print(f"SCHEDULE: {'; '.join(map(str, schedule))}\n(who is held there goes on last; you may choose otherwise)")
        shown.head()
        conductor = Conductor(scenario, policy, isolate=shared.isolate(), observe=shared.observe(), tell=shown.tell, tick=lambda: bool(policy.wish))
        policy.conductor = conductor
        run = shared.judged(scenario, conductor, [], story=True).run
        shown.end()
        if policy.wish == "end":
            return shared.complain("\nthe input has ended; make step-N needs keys", 2)
        if policy.wish == "q":
            return 0
        if policy.wish != "r":
            print("\n".join([*(shown.wrap(f"note: {note}") for note in run.notes), "", *map(shown.wrap, story.happened(run))]))
            shared.note_run(scenario, run.stop.kind)
            shared.check_schedule(policy)
            return 0


def _logs_lines(scenario: Scenario) -> bool:
    """Does a program of the scenario contain what event() needs? (The linker takes from common/ only what is used.)"""
    return any(b"TCPLAB_CONDUCTOR" in scenario.program(one.file).read_bytes() for one in scenario.stage.programs)


class Step(Delays):
    """The policy that asks which thread goes on. `wish` is "" until the learner wants to quit ("q") or to start again ("r").
    `waker` is a descriptor that is readable after a signal."""

    name = "step"

    def __init__(self, schedule: Iterable[Place], skip: bool, waker: int) -> None:
        super().__init__(schedule, skip)
        self.waker = waker
        self.wish = ""
        self.run_on = False
        self.conductor: Optional[Conductor] = None
        self._segments = 0

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        waiting = self.order(held)
        if not waiting:
            return None
        if self.run_on:
            return self.let_go(waiting[0])
        self._show(waiting)
        chosen = self._ask(waiting)
        return self.let_go(chosen) if chosen is not None else None

    def _show(self, waiting: "list[Held]") -> None:
        assert self.conductor is not None
        sockets, blocked = self.conductor.moment()
        lines = ["", *self._kernel(sockets), *self._wire(self.conductor.segments()), *self._blocked(blocked), "", "  held, and can go on:"]
        for n, held in enumerate(waiting, 1):
            mark = ">" if n == 1 else " "
            delayed = "   (SCHEDULE)" if self.places[held.seq] in self.delays else ""
            lines.append(f"  {mark} {n}  {held.who:7} {held.text}   {held.source}{delayed}")
        print("\n".join(lines))

    def _blocked(self, waiting: "tuple[Waiting, ...]") -> "list[str]":
        told = [f"    {w.who:7} waits in {w.call}{f', on connection {w.connection}' if w.connection else ''}" for w in waiting]
        return ["  blocked, and can't go on now:", *told] if told else []

    def _kernel(self, sockets: "tuple[Socket, ...]") -> "list[str]":
        told = [f"    {s.who:7} {s.state:12} {s.unread:>6} waiting to be accepted" if s.state == "LISTEN" else
                f"    {s.who:7} {s.state:12}  a socket without a connection" if s.state == "CLOSED" and not s.connection else
                f"    {s.who:7} {s.state:12} {s.unread:>6} unread {s.unacked:>6} not acknowledged" + (f"   connection {s.connection}" if s.connection else "")
                for s in sockets]
        return ["  the kernels hold:", *told] if told else []

    def _wire(self, segments: "list[Segment]") -> "list[str]":
        assert self.conductor is not None
        new, self._segments = segments[self._segments:], len(segments)
        return ["  on the wire since the last step:", *(f"    {segment_in_words(s, self.conductor.stage.names)}" for s in new)] if new else []

    def _ask(self, waiting: "list[Held]") -> Optional[Held]:
        while True:
            print(KEYS, end="", flush=True)
            if self.waker in select.select([sys.stdin, self.waker], [], [])[0]:
                raise KeyboardInterrupt
            line = sys.stdin.readline()
            if not line:
                self.wish = "end"
                return None
            answer = line.strip().lower()
            if answer in ("q", "r"):
                self.wish = answer
                return None
            if answer == "c":
                self.run_on = True
            if answer in ("", "c"):
                return waiting[0]
            if answer.isdecimal() and 1 <= int(answer) <= len(waiting):
                return waiting[int(answer) - 1]
            print(f"  {answer!r} is none of the keys, or nobody is held under that number")


def segment_in_words(s: Segment, names: "tuple[str, ...]") -> str:
    """Returns a segment in words: "client -> server SYN connection 1", "client -> server bytes 19 to 43, ACK up to 18 connection
    1"."""
    flags = {"S": "SYN", "F": "FIN", "R": "RST"}
    parts = [flags[flag] for flag in s.flags if flag in flags]
    if s.length:
        parts.append(f"bytes {s.first} to {s.first + s.length - 1}")
    if "A" in s.flags and s.ack > 1:
        parts.append(f"ACK up to {s.ack - 1}")
    elif "A" in s.flags and not s.length:
        parts.append("ACK")
    others = [name for name in names if name != s.sender]
    return f"{s.sender} -> {others[0] if len(others) == 1 else s.target}   {', '.join(parts)}   connection {s.connection}"


def need_terminal(source: TextIO) -> None:
    """Raises Usage if the keys can't be asked for."""
    if not source.isatty():
        raise Usage("make step-N asks for keys: it needs a terminal (make scenario-N shows a run without asking)")

