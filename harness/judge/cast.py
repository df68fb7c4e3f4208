"""Which lines, processes and connections of a run belong to which WHO of a contract. CONTRACT.md says what NAME[n] means."""
from __future__ import annotations

from typing import Iterable, Optional

from . import causes
from .contract import index_of, role_of
from .sides import OPENER, Sides
from ..trace import Event, Output, Run


class Cast:
    """The lines, processes and connections of each WHO of a contract. A plain NAME has all lines of its programs that no NAME[n]
    of the contract claims."""

    def __init__(self, run: Run, whos: Iterable[str]) -> None:
        self.run, self.sides = run, Sides(run)
        self.claimed = [who for who in dict.fromkeys(whos) if index_of(who)]
        self.roles = {role.name: role for role in run.cast}
        self.events = _events_by_name(run, [*self.roles, *map(role_of, whos)])
        self._started = _started(run)
        self._handled: dict[str, dict[int, int]] = {}
        self._opened: dict[str, dict[int, int]] = {}
        self._lines: dict[str, tuple[Event, ...]] = {}

    def listens(self, name: str) -> bool:
        """Returns whether the program of that name listens. If it does, name[2] means what handles its second connection. Else
        name[2] means its second process."""
        role = self.roles.get(name)
        return role.listens if role is not None else any(e.kind == "listen" for e in self.of(name))

    def of(self, name: str) -> tuple[Event, ...]:
        """Returns all lines of the programs of that name, in their order."""
        return self.events.get(name, ())

    def is_about(self, event: Event, who: str) -> bool:
        if event.who != role_of(who):
            return False
        index = index_of(who)
        if not index:
            return True
        if self.listens(event.who):
            return self._handlers(event.who).get(event.seq, 0) == index
        return self.processes(event.who)[index - 1:index] == (event.pid,)

    def lines(self, who: str) -> tuple[Event, ...]:
        """Returns the lines that belong to WHO, without those that a numbered WHO of the contract claims."""
        if who not in self._lines:
            mine = (e for e in self.of(role_of(who)) if self.is_about(e, who))
            rivals = [] if index_of(who) else [other for other in self.claimed if role_of(other) == who]
            self._lines[who] = tuple(e for e in mine if not any(self.is_about(e, other) for other in rivals))
        return self._lines[who]

    def silent(self, name: str) -> bool:
        """Returns whether the programs of that name log no events. Then the lines of their standard output stand for their
        events."""
        return self.of(name)[:1] != () and self.of(name)[0].kind == "output"

    def mixed(self, who: str) -> bool:
        """Returns whether WHO is one of several processes that print, so that nobody can say which of them printed which line."""
        return self.silent(role_of(who)) and bool(index_of(who)) and (self.listens(role_of(who)) or len(self.processes(role_of(who))) > 1)

    def processes(self, name: str) -> tuple[int, ...]:
        """Returns the pids of that name in the order of their starts: the processes that the stage started, and others that log
        lines."""
        return self._started.get(name, ())

    def pid(self, who: str) -> int:
        """Returns the pid of the process that client[n] means, -1 if there is none."""
        return (self.processes(role_of(who))[index_of(who) - 1:index_of(who)] or (-1,))[0]

    def connections(self, who: str) -> Optional[set[int]]:
        """Returns the numbers of the connections that belong to a numbered WHO. Returns None for a plain name, which means all
        connections."""
        name, index = role_of(who), index_of(who)
        if not index:
            return None
        if self.listens(name):
            self._handlers(name)
            accepted = {number for number, n in self._accepted(name).items() if n == index} if self._knows_who_accepted(name) else {index}
            return accepted | {number for number, n in self._opened[name].items() if n == index}
        pid = self.pid(who)
        held = {made.number for made in self.run.connections for end in (made.opener, made.acceptor)
                if end is not None and (end.pid == pid or any(h.pid == pid for h in end.holders))}
        return held | {e.connection for e in self.of(name) if e.pid == pid and e.connection}

    def first_connection(self, who: str) -> int:
        """Returns the number of the first connection that WHO takes part in: 1 if no connection of a plain name is known, 0 if
        none of a numbered WHO is."""
        if index_of(who):
            return min(self.connections(who) or {0})
        sides = self.sides
        return min((side[0] for side in sides.all() if who in (sides.name(side), sides.name(sides.other(side)))), default=1)

    def _knows_who_accepted(self, name: str) -> bool:
        accepted = any(made.acceptor is not None and made.acceptor.who == name for made in self.run.connections)
        return accepted or self.run.observed and bool(self.run.connections)

    def _accepted(self, name: str) -> dict[int, int]:
        """Returns, by the number of each connection that a program of that name accepted, its place among them, counted from 1."""
        numbers = [made.number for made in self.run.connections if made.acceptor is not None and made.acceptor.who == name]
        return {number: n for n, number in enumerate(sorted(numbers), 1)}

    def _handlers(self, name: str) -> dict[int, int]:
        """For a program that listens: returns, by the seq of a line, the n of the name[n] to which the line belongs. A line that
        belongs to none has 0 or is not in it."""
        if name not in self._handled:
            self._opened[name] = {}
            if self._knows_who_accepted(name):
                self._handled[name] = self._follow(name)
            else:
                self._handled[name] = {e.seq: e.connection for e in self.of(name)}
        return self._handled[name]

    def _follow(self, name: str) -> dict[int, int]:
        """Returns the same as _handlers, from the records of who accepted. A thread handles a connection that its process or its
        parent accepted, from the thread's first line about the connection until its line `closing`. A connection that the thread
        opens in between belongs to the one that it handles."""
        accepted, opened = self._accepted(name), self._opened[name]
        parents = {made.number: made.acceptor.pid for made in self.run.connections if made.acceptor is not None}
        handles: dict[tuple[int, int], int] = {}        # thread: what it handles now
        forked: dict[int, int] = {}                     # process that its parent made for a connection: that one
        found: dict[int, int] = {}
        for event in self.of(name):
            side, thread = self.sides.of(event), (event.pid, event.tid)
            number = event.connection
            if number in accepted and not (side is not None and side[1] == OPENER):
                found[event.seq] = handles[thread] = accepted[number]
                if event.pid != parents[number]:
                    forked[event.pid] = accepted[number]
                if causes.is_a(event, "closing"):
                    del handles[thread]
            elif number > 0:
                if number not in opened:
                    opened[number] = handles.get(thread, forked.get(event.pid, 0))
                found[event.seq] = opened[number]
        return found


def _events_by_name(run: Run, names: Iterable[str]) -> dict[str, tuple[Event, ...]]:
    """Returns each program's lines in their order. For a program that logs no line, each line of its standard output stands for
    one."""
    found: dict[str, list[Event]] = {name: [] for name in names}
    for event in sorted(run.events, key=lambda e: e.seq):
        found.setdefault(event.who, []).append(event)
    printed: dict[str, list[Output]] = {}
    for output in run.outputs:
        if output.stream == "stdout" and not found.get(output.who):
            printed.setdefault(output.who, []).append(output)
    for name, outputs in printed.items():
        pids = {end.pid for end in run.endings if end.who == name}
        pid = pids.pop() if len(pids) == 1 else 0
        found[name] = [Event(o.seq, o.ns, o.who, pid, pid, "output", o.text.rstrip("\n"), "") for o in outputs]
    return {name: tuple(events) for name, events in found.items()}


def _started(run: Run) -> dict[str, tuple[int, ...]]:
    """Returns the pids of each name, in the order of their starts. If no start is known of a process, its first record counts. A
    process that another program started, and that logs no line, is left out."""
    started = {start.pid for start in run.starts}
    firsts: dict[int, int] = {start.pid: start.seq for start in run.starts}
    for pid, seq in [*((e.pid, e.seq) for e in run.events), *((c.pid, c.seq) for c in run.calls), *((e.pid, e.seq) for e in run.endings)]:
        if pid not in started:
            firsts[pid] = min(firsts.get(pid, seq), seq)
    pids: dict[str, set[int]] = {}
    for who, pid in [*((s.who, s.pid) for s in run.starts), *((e.who, e.pid) for e in run.events),
                     *((e.who, e.pid) for e in run.endings if not e.child)]:
        pids.setdefault(who, set()).add(pid)
    return {name: tuple(sorted(those, key=lambda pid: firsts[pid])) for name, those in pids.items()}
