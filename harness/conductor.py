"""The conductor: collects the events of a run in the order of one queue, and decides who goes on.

One conductor, several policies. A policy says which lines hold a thread (`hold`), whether a held thread may go on at once
(`arrived`), and, when nothing can happen any more, who goes on next (`quiet`). When it names nobody, the run is over.

The server starts first. The client starts when the server has logged that it listens and the kernel shows the socket in its
hands; a server that logs nothing, or does not listen, is waited for until it is quiescent. What happens is never waited for
by the clock: the conductor sleeps in select(2) until a line, some output, a segment or an ending comes, and between them it
looks at the kernel (waits.py), at growing distances.
"""
from __future__ import annotations

import os
import re
import select
import signal
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Optional, Protocol

from . import kernel, waits
from .capture import Wire
from .keeper import MEMORY, PROCESSES, Ended, Keeper, open_keeper
from .observe import sockets
from .scenarios import Scenario
from .trace import Ending, Event, Output, Record, Run, Segment, Socket, Stop

EVENTS = 10_000             # log lines of one run
OUTPUT = 1 << 20            # bytes of plain output of one run
SPIN = 5.0                  # seconds of processor time without a line, a segment or an ending
IDLE = 10.0                 # seconds without any: the run is given up
PATIENCE = 60.0             # seconds more, if a wait has a time limit that ends by then
UNPROVEN = 3.0              # seconds in which all wait, where the time limits of a socket can't be read
GUESS = 1.0                 # seconds without any that pass for quiescence where the kernel does not tell: no proof
_FIRST_LOOK, _LAST_LOOK = 0.0001, 0.02      # seconds between looks at the kernel
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS, signal.SIGTRAP}
_SANITIZER = re.compile(r"ERROR: (Address|Leak|Thread|Memory)Sanitizer|runtime error: ")


@dataclass
class Held:
    """A thread that waits at an event for its release."""

    event: Event
    gate: socket.socket
    due: int = 0            # virtual time at which a pause ends, in ns


class Policy(Protocol):
    """Who goes on when."""

    name: str
    hold: str               # TCPLAB_HOLD of the programs: "", "pauses", "all"
    clock: bool             # a pause ends when nothing else can happen: so what came before its end is ordered before it

    def arrived(self, held: Held) -> bool:
        """A thread has come to an event and is held. May it go on at once?"""

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        """Nothing can happen any more. Who goes on? None: nobody, the run is over."""


class Live:
    """Real time; nobody is held."""

    name, hold, clock = "live", "", False

    def arrived(self, held: Held) -> bool:
        return True

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        return None


class VirtualClock:
    """Pauses cost nothing: when nothing can happen any more, the earliest one ends. `skip`: they end at once."""

    name, hold = "virtual", "pauses"

    def __init__(self, skip: bool = False) -> None:
        self.skip, self.clock = skip, not skip
        self.now = 0

    def arrived(self, held: Held) -> bool:
        held.due = self.now + held.event.count
        return self.skip

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        first = min(held, key=lambda h: (h.due, h.event.seq), default=None)
        if first is not None:
            self.now = max(self.now, first.due)
        return first


@dataclass
class Program:
    """One of the run's two programs."""

    who: str
    pid: int
    ended: bool = False


class Conductor:
    """One run of one scenario. `tell` is called with each record as it comes; `tick` every now and then (at least 50 times
    a second), and says True to end the run (Ctrl-C). `keeper`: one to use, which stays; else the run has one of its own."""

    def __init__(self, scenario: Scenario, policy: Policy, *, isolate: bool = True, keeper: Optional[Keeper] = None,
                 tell: Callable[[Record], None] = lambda record: None, tick: Callable[[], bool] = lambda: False) -> None:
        self.scenario, self.policy, self.isolate, self._lent = scenario, policy, isolate, keeper
        self.tell, self.tick = tell, tick
        self.events: list[Event] = []
        self.outputs: list[Output] = []
        self.endings: list[Ending] = []
        self.notes: list[str] = []
        self.held: list[Held] = []
        self.programs: dict[int, Program] = {}
        self.stop: Optional[Stop] = None
        self.crash = ""
        self.port = 0
        self._pipes: dict[int, tuple[str, str, bytearray]] = {}     # read end: who, stream, what is there of a line
        self._pipe_names: set[str] = set()
        self._output_bytes = 0
        self._who: dict[int, str] = {}
        self._numbers: dict[frozenset[str], int] = {}
        self._by_fd: dict[tuple[int, int], int] = {}
        self._by_thread: dict[int, int] = {}
        self._sources: dict[int, str] = {}
        self.wire: Optional[Wire] = None
        self.told = kernel.tells()
        self._records = waits.Records(self._who_is, self._number, lambda tid: self._sources.get(tid, ""))
        self._reserved: Optional[socket.socket] = None

    # -- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Run:
        """Runs the pair to its end, and leaves nothing behind. Raises KeeperError if the lab itself fails."""
        self.keeper = self._lent or open_keeper(self.isolate)
        try:
            return self._run()
        finally:
            for held in self.held:
                held.gate.close()
            if self.wire is not None:
                self.wire.close()
            if self._lent:
                self._lent.renew()
            else:
                self.keeper.end()
            for fd in self._pipes:
                os.close(fd)
            if self._reserved is not None:
                self._reserved.close()

    def _run(self) -> Run:
        self.start = time.monotonic_ns()
        self.wire = Wire(self.keeper.wire, time.time_ns() - time.monotonic_ns() + self.start) if self.keeper.wire else None
        if not self.keeper.isolated:
            self.notes.append(f"no network of its own here ({self.keeper.why_not}): a free port of this machine, and no look at the wire")
        elif self.wire is None:
            self.notes.append("packets can't be captured here: no look at the wire")
        if not self.told:
            self.notes.append(f"this system does not tell what a thread waits for: a run that hangs ends after {IDLE:.0f} s "
                              "without progress, and no deadlock is proven")
        self._news_from = {sock.fileno() for sock in (self.keeper.events, self.keeper.control, self.keeper.wire) if sock}
        self._network = sockets.Network(*[self.keeper.diag] if self.keeper.diag else [])
        self._spawn("server", "localhost", "8080" if self.keeper.isolated else "0")
        self._loop()
        return self._finish()

    def _spawn(self, who: str, host: str, port: str) -> None:
        program = self.scenario.program(who)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("TCPLAB_", "MAKE", "MFLAGS"))}
        env.update(TCPLAB_CONDUCTOR=self.keeper.name, TCPLAB_ROLE=who, TCPLAB_HOLD=self.policy.hold)
        pid, out, err = self.keeper.spawn([str(program), host, port], env, limit_data=not _sanitized(program))
        self.programs[pid] = Program(who, pid)
        self._who[pid] = who
        for fd, stream in ((out, "stdout"), (err, "stderr")):
            os.set_blocking(fd, False)
            self._pipes[fd] = (who, stream, bytearray())
            self._pipe_names.add(os.readlink(f"/proc/self/fd/{fd}"))
            self._news_from.add(fd)

    def _loop(self) -> None:
        distance = _FIRST_LOOK
        self._touch()
        while self.stop is None:
            if self.tick():
                self.stop = Stop("interrupted", "Ctrl-C")
            elif self._pump(distance):
                distance = _FIRST_LOOK
                self._touch()
            elif self.stop is None and not self._all_ended():
                distance = self._consider(self._look(), distance)

    def _consider(self, seen: waits.Look, distance: float) -> float:
        """Does what the look shows let somebody go on, or end the run? Returns the seconds to the next look."""
        if self.stop is not None:
            return 0.0
        if not seen.busy:
            if self._pump(0.0):     # a line had been on its way
                self._touch()
            elif self.stop is None and not self._go_on(seen):
                if seen.unasked and time.monotonic() - self._since < UNPROVEN and not self._clients_ended():
                    return _LAST_LOOK
                self.stop = self._records.stop(seen, self._clients_ended(), self._now())
            return _FIRST_LOOK
        if not (seen.unknown and time.monotonic() - self._since > GUESS and self._guess()):
            self._check_limits(seen)
        return min(distance * 2, _LAST_LOOK)

    def _guess(self) -> bool:
        """The kernel does not tell what the threads wait for, and nothing has happened for a while: lets somebody go on, or
        ends a run whose clients have ended. False if there is nothing to do but to wait on. Never a deadlock."""
        if self._go_on(waits.Look(())):
            self._touch()
        elif len(self.programs) > 1 and self._clients_ended():
            self.stop = Stop("over")
        else:
            return False
        return True

    def _pump(self, seconds: float) -> bool:
        """Waits for news and takes them in. True if there were any that a program made."""
        fds = set(select.select(self._news_from, (), (), seconds)[0])   # poll(2) has no less than a millisecond
        if not fds:
            return False
        # What a program logged before it ended is in the queue before its ending is: so the ending is taken last.
        ended = self.keeper.ended() if self.keeper.control.fileno() in fds else []
        news = self._take_events() if ended or self.keeper.events.fileno() in fds else False
        for fd in list(self._pipes) if ended else fds & set(self._pipes):
            news |= self._take_output(fd)
        if self.wire is not None and self.keeper.wire.fileno() in fds:
            self.wire.drain()
        for one in ended:
            news |= self._take_ending(one)
        if len(self.programs) == 1 and not self.stop and any(event.kind == "listen" for event in self.events):
            self._start_client(False)   # a server that logs nothing is waited for until it is quiescent
        return news

    def _go_on(self, seen: waits.Look) -> bool:
        """Nothing can happen any more: lets somebody go on. False if there is nobody."""
        if len(self.programs) == 1 and self._start_client(False):
            return True
        held = self.policy.quiet(self.held) if self.held else None
        if held is not None:
            self.release(held)
            self._touch()
            return True
        return len(self.programs) == 1 and self._start_client(True)

    def _start_client(self, anyway: bool) -> bool:
        """Starts the client if the server listens; `anyway`: also if it does not (then it is refused)."""
        server = next(iter(self.programs.values()))
        found = [] if server.ended else sockets.listening(self._network, {pid: kernel.descriptors(pid) for pid in self._pids()})
        if not self.told:
            found += [int(e.address.rpartition(":")[2]) for e in self.events if e.kind == "listen"]
        if found:
            self.port = found[0]
        elif not anyway:
            return False
        elif self.keeper.isolated:
            self.port = 8080
        else:       # a port that is certainly closed: bound here, and never listened on
            self._reserved = socket.socket()
            self._reserved.bind(("127.0.0.1", 0))
            self.port = self._reserved.getsockname()[1]
        self._spawn("client", "localhost", str(self.port))
        return True

    def release(self, held: Held) -> None:
        """Lets a held thread go on."""
        self.held.remove(held)
        index = held.event.seq
        if held.event.kind == "pause" and self.policy.clock:
            self.events[index] = replace(self.events[index], resumed_after=len(self.events) - 1)
        try:
            held.gate.send(b"\0")
        except OSError:
            pass            # it was killed while it waited
        held.gate.close()

    # -- what comes in ------------------------------------------------------------------------------------------------

    def _take_events(self) -> bool:
        news = False
        while self.stop is None:
            try:
                data, fds, _, _ = socket.recv_fds(self.keeper.events, 65536, 1)
            except BlockingIOError:
                break
            event = self._event(data)
            gate = socket.socket(fileno=fds[0]) if fds else None
            if event is None:
                if gate is not None:
                    gate.close()
                continue
            news = True
            self.events.append(event)
            self.tell(event)
            if gate is not None:
                held = Held(event, gate)
                self.held.append(held)
                if self.policy.arrived(held):
                    self.release(held)
            if len(self.events) >= EVENTS:
                self.stop = Stop("runaway", f"more than {EVENTS} lines were logged")
        return news

    def _event(self, data: bytes) -> Optional[Event]:
        """Parses a datagram (common/event.h). None if it is none of ours: anybody on this machine may send one."""
        fields = data.decode("utf-8", "replace").split("\t", 9)
        try:
            ns, pid, tid, role, kind, fd, count, address, source, text = fields
            event = Event(len(self.events), int(ns) - self.start, role, int(pid), int(tid), kind, text, source, int(fd),
                          int(count), "" if address == "-" else address)
        except ValueError:
            return None
        if role not in ("client", "server"):
            return None
        self._who.setdefault(event.pid, role)
        self._sources[event.tid] = source
        return replace(event, connection=self._connection(event))

    def _connection(self, event: Event) -> int:
        key = (event.pid, event.fd)
        if event.kind == "conn" and ">" in event.address:
            self._by_fd[key] = self._number(*event.address.split(">"))
        elif event.fd >= 0 and event.kind in ("send", "recv") and key not in self._by_fd:
            inherited = self._by_fd.get((kernel.parent(event.pid), event.fd))   # from before a fork
            if inherited:
                self._by_fd[key] = inherited
        if event.kind in ("conn", "send", "recv") and key in self._by_fd:
            self._by_thread[event.tid] = self._by_fd[key]
        return 0 if event.kind == "listen" else self._by_thread.get(event.tid, 0)

    def _number(self, one: str, other: str) -> int:
        return self._numbers.setdefault(frozenset((one, other)), len(self._numbers) + 1)

    def _take_output(self, fd: int) -> bool:
        who, stream, rest = self._pipes[fd]
        news = False
        while True:
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                return news
            if not data:
                self._news_from.discard(fd)
                os.close(fd)
                del self._pipes[fd]
                if rest:
                    self._output(who, stream, bytes(rest))
                return True
            news = True
            self._output_bytes += len(data)
            if self._output_bytes > OUTPUT:
                self.stop = self.stop or Stop("runaway", f"the {who} printed more than {OUTPUT >> 20} MiB")
                return True
            rest += data
            *lines, last = bytes(rest).split(b"\n")
            rest[:] = last
            for line in lines:
                self._output(who, stream, line)

    def _output(self, who: str, stream: str, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        record = Output(len(self.outputs), self._now(), who, stream, text)
        self.outputs.append(record)
        self.tell(record)
        if _SANITIZER.search(text) and not self.crash:
            self.crash = f"a sanitizer stopped the {who}: {text.strip()}"

    def _take_ending(self, ended: Ended) -> bool:
        how = _how(ended.status)
        number = os.WTERMSIG(ended.status) if os.WIFSIGNALED(ended.status) else 0
        who = self._who_is(ended.pid)
        if number in _CRASHES and not self.crash:
            self.crash = f"the {who} died of {how.replace('signal ', 'SIG')}"
        if ended.pid not in self.programs:
            return True
        self.programs[ended.pid].ended = True
        ending = Ending(len(self.endings), self._now(), who, ended.pid, how, self._last(who))
        self.endings.append(ending)
        self.tell(ending)
        return True

    # -- looking ------------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return time.monotonic_ns() - self.start

    def _touch(self) -> None:
        self._since = time.monotonic()
        self._cpu = -1.0
        for held in self.events[-1:]:
            if held.kind == "pause" and self.policy.name == "live":
                self._since += held.count / 1e9

    def _pids(self) -> "list[int]":
        pids = kernel.descendants(self.keeper.pid, PROCESSES * 2)
        for pid in pids:
            self._who_is(pid)
        return pids

    def _who_is(self, pid: int) -> str:
        if pid not in self._who:
            above = kernel.parent(pid)
            self._who[pid] = self._who.get(above) or ("server" if above in (0, 1, self.keeper.pid) else self._who_is(above))
        return self._who[pid]

    def _held_tids(self) -> "set[int]":
        return {held.event.tid for held in self.held}

    def sockets(self) -> "tuple[Socket, ...]":
        """What the kernel holds now, for a policy that shows it."""
        return self._records.sockets(self._see(self._pids()), self._now())

    def segments(self) -> "list[Segment]":
        """The segments so far."""
        if self.wire is None or not self.port:
            return []
        self.wire.drain()
        return self.wire.segments(self.port, self._number)

    def _look(self) -> waits.Look:
        if not self.told:
            return waits.Look((), busy="the kernel does not tell what a thread waits for", unknown=True)
        pids = self._pids()
        if len(pids) > PROCESSES:
            self.stop = Stop("runaway", f"more than {PROCESSES} processes")
            return waits.Look((), busy="too many processes")
        if any(not program.ended and program.pid not in pids for program in self.programs.values()):
            return waits.Look((), busy="a program is ending")   # the keeper has yet to say how
        return self._see(pids)

    def _see(self, pids: "list[int]") -> waits.Look:
        return waits.look(pids, self._held_tids(), self._pipe_names, self._network)

    def _clients_ended(self) -> bool:
        return all(p.ended for p in self.programs.values() if p.who == "client")

    def _all_ended(self) -> bool:
        if len(self.programs) < 2 or not all(p.ended for p in self.programs.values()) or self._pids():
            return False
        self.stop = Stop("over")
        return True

    def _last(self, who: str) -> int:
        return next((e.seq for e in reversed(self.events) if e.who == who), -1)

    def _check_limits(self, seen: waits.Look) -> None:
        pids = {thread.pid for thread in seen.threads}
        if sum(map(kernel.resident_bytes, pids)) > 2 * MEMORY:
            self.stop = Stop("runaway", f"more than {2 * MEMORY >> 20} MiB of memory")
        idle = time.monotonic() - self._since
        if idle > 0.5 and self.stop is None:
            cpu = sum(map(kernel.cpu_seconds, pids))
            self._cpu = cpu if self._cpu < 0 else self._cpu
            if cpu - self._cpu > SPIN:
                self.stop = Stop("runaway", f"{SPIN:.0f} s of processor time without a line: something spins")
            elif idle > IDLE + min(seen.until or 0.0, PATIENCE) and cpu - self._cpu < SPIN / 2:
                self.stop = Stop("no progress", f"no progress for {idle:.0f} s: {seen.busy or 'the kernel does not tell more'}")

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self) -> Run:
        assert self.stop is not None
        kernel.freeze(self.keeper.pid)      # freeze, look, then kill: else one side would log the other's death
        if self.wire is not None:
            self.wire.drain()
        for fd in list(self._pipes):
            self._take_output(fd)
        if self.stop.kind in ("interrupted", "runaway", "no progress"):
            seen = self._see(self._pids()[:PROCESSES])
            self.stop = replace(self.stop, waiting=self._records.waiting(seen),
                                sockets=self._records.sockets(seen, self._now()), under_way=seen.under_way)
        if self.crash:
            self.stop = replace(self.stop, kind="crash", words=self.crash)
        for program in self.programs.values():
            if not program.ended:
                how = self._what_it_does(program)
                self.endings.append(Ending(len(self.endings), self._now(), program.who, program.pid, how, self._last(program.who)))
        segments = tuple(self.segments())
        missing = self.wire.missing if self.wire is not None else 0
        if missing:
            self.notes.append(f"{missing} segments on the wire were missed: what is said of the others may lack something")
        name = self.scenario.name
        return Run(name.split("-")[0], name, self.policy.name, self.keeper.isolated, self.wire is not None, tuple(self.events),
                   tuple(self.outputs), segments, tuple(self.endings), self.stop, notes=tuple(self.notes), versions=_versions(),
                   missing=missing)

    def _what_it_does(self, program: Program) -> str:
        """What it was doing when the run was over: what a handler waits in goes before the loop that accepts."""
        if not self.told:
            return "not known"
        calls = [w.call for w in self.stop.waiting if w.who == program.who] if self.stop else []
        calls.sort(key=lambda call: (call in ("futex", "wait4", "pause"), call == "accept"))
        return f"waiting in {calls[0]}" if calls and calls[0] else "still running"


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"signal {signal.Signals(number).name[3:]}"
        except ValueError:
            return f"signal {number}"
    return f"exit {os.WEXITSTATUS(status)}"


def _sanitized(program: Path) -> bool:
    """Is it built with a sanitizer, whose shadow memory no limit on data allows?"""
    try:
        return b"__asan_init" in program.read_bytes()
    except OSError:
        return False


def _versions() -> "dict[str, str]":
    return {"system": " ".join((os.uname().sysname, os.uname().release, os.uname().machine))}
