"""The conductor: one run of one scenario, from its first program's start to its end.

It starts the programs that are due (starts.py), takes in what comes (intake.py), and looks at the kernel when nothing new has
come (quiescence.py). When nothing can happen any more, it asks its policy which thread goes on (policies.py). If none does, the
run is over, and ending.py says how it ended. The conductor never waits a fixed time for something to happen. It sleeps in
select(2) until a line, a call, some output, a segment or an ending comes, and looks at the kernel at growing intervals.
"""
from __future__ import annotations

import os
import select
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Iterable, Optional

from ..judge.contract import index_of, role_of
from ..observe import kernel, quiescence, sockets
from ..observe.glance import Glances, Seen
from ..trace import Ending, Event, Record, Run, Segment, Socket, Start, Stop, Waiting
from . import cast, ending, limits
from .book import Book
from .intake import Intake, how
from .keeper import PROCESSES, CantStart, Ended, Keeper, open_keeper
from .limits import AGAIN, ASKS, CALLS, ENDS, EVENTS, FLOOD, GUESS, IDLE, IDLE_CALLS, OUTPUT, PATIENCE, SLEEPS, UNPROVEN, UNWAITED, VAIN, Watch
from .policies import Held, Live, Policy, VirtualClock
from .scenarios import Scenario
from .starts import Process, Starts, said

__all__ = ["Conductor", "Held", "Live", "Policy", "VirtualClock"]

# None of these calls waits, so a program may make them before it logs that it listens. common/ itself closes while it logs a line.
_SET_UP = ("socket", "setsockopt", "bind", "listen", "fcntl", "close", "dup", "dup2", "dup3", "epoll_ctl", "alarm", "setitimer", "timer_settime", "timerfd_settime")
_FIRST_LOOK, _LAST_LOOK = 0.0001, 0.02      # seconds between two looks at the kernel: the least and the most
_SURE_LOOK, _SURE_GLANCE = 0.006, 0.0003    # seconds after which the kernel is asked whether a thread that should be running really runs


class Conductor:
    """One run of one scenario. It calls `tell` with each record as it comes. It calls `tick` at least 50 times a second; if that
    returns True the run ends (Ctrl-C). `keeper` is a keeper to use, which stays when the run is over; without one the run makes
    its own. `observe`: the programs' system calls are looked at if the system allows it."""

    def __init__(self, scenario: Scenario, policy: Policy, *, isolate: bool = True, keeper: Optional[Keeper] = None, observe: bool = True,
                 tell: Callable[[Record], None] = lambda record: None, tick: Callable[[], bool] = lambda: False) -> None:
        self.scenario, self.policy, self.isolate, self._lent, self.observe = scenario, policy, isolate, keeper, observe
        self.stage = scenario.stage
        policy.vain = self.in_vain
        self.tick = tick
        self.book = Book(tell)
        self.notes: list[str] = []
        self.held: list[Held] = []
        self.stop: Optional[Stop] = None
        self.told = kernel.tells()
        self.watch = Watch(IDLE if self.stage.limit == cast.LIMIT else self.stage.limit)
        self._signals = list(self.stage.signals)
        self._unobserved: dict[str, str] = {}       # by program: why its calls are not looked at
        self.waits_for_keys = any(program.terminal == "ours" for program in self.stage.programs)
        self.last = quiescence.Look(())             # the last look
        self._count_at = UNWAITED                   # how many processes must have been born before those that ended are counted
        self._asked: "tuple[int, dict[int, tuple[str, int, int]]]" = (0, {})    # how much was heard; by thread: at its last wait that counts, its runs, what had moved, the number of these waits
        self._sleeps = 0                            # how many sleeps the clock has ended since anything came of one
        self._alone = 0, 0                          # what had moved, and how many calls one thread has made since then while nobody else could do anything
        self._moved = 0
        self._soon, self._sure = (0.0, _SURE_GLANCE) if policy.name == "explore" else (_FIRST_LOOK, _SURE_LOOK)     # a glance costs less than a look
        self._clock_moved = 0.0                     # the real time at which a held thread went on last

    # -- the run ------------------------------------------------------------------------------------------------------

    def run(self) -> Run:
        """Runs the cast to its end, and leaves no process behind. Raises KeeperError if the lab itself fails."""
        self.keeper = self._lent or open_keeper(self.isolate, self.observe)
        self.keeper.fresh()
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(("TCPLAB_", "MAKE", "MFLAGS"))}
        self.network = sockets.Network(*[self.keeper.diag] if self.keeper.diag is not None else [])
        self.glances = Glances(self.network)
        self.starts = Starts(self.stage, self.keeper.isolated)
        self.start = time.monotonic_ns()
        self.intake = Intake(self.keeper, self.book, self.stage, self.start, OUTPUT, self._hold, self._runaway)
        try:
            self._note_what_is_missing()
            self.keeper.set(self.stage.sysctls if self.keeper.isolated else ())
            self._start_who_is_due()
            self._loop()
            return self._finish()
        finally:
            for held in self.held:
                held.drop()
            self.intake.close()
            self.glances.close()
            self.starts.close()
            if self._lent is None:
                self.keeper.end()

    def _note_what_is_missing(self) -> None:
        if not self.keeper.isolated:
            ports = "the ports of this machine" if any(program.as_written for program in self.stage.programs) else "a free port of this machine"
            self.notes.append(f"no network of its own here ({self.keeper.why_not}): {ports}, and no look at the wire")
        elif self.intake.wire is None:
            self.notes.append("packets can't be captured here: no look at the wire")
        if self.stage.sysctls and not self.keeper.isolated:
            self.notes.append("without a network of its own its settings stay as they are: " + ", ".join(name for name, _ in self.stage.sysctls))
        if not self.told:
            self.notes.append(f"this system does not tell what a thread waits for: a run that hangs ends after {self.watch.most:.0f} s "
                              "without progress, and no deadlock is proven")

    def _loop(self) -> None:
        distance = _FIRST_LOOK
        self.watch.touch()
        while self.stop is None:
            if not distance:
                os.sched_yield()    # if this processor is the run's only one, all threads come to where they wait before the first glance
            if self.tick():
                self.stop = Stop("interrupted", "Ctrl-C")
            elif not self._somebody_types() and (over := self.watch.over()) is not None:
                self.stop = over
            elif distance and self._pump(distance):
                distance = self._first_look()
            elif distance < self._sure and self._first_look() > distance:
                distance = self._sure
            elif self.stop is None and not self._all_ended():
                after = self._glance(distance)
                distance = self._consider(self._look(), distance) if after is None else after

    def _first_look(self) -> float:
        """Returns the seconds until the next look at the kernel, if no news come before. No look is needed soon if a thread runs,
        because its next call or line will come by itself."""
        return self._sure if self.intake.somebody_runs(self._held_tids()) else self._soon

    def _pump(self, seconds: float) -> bool:
        """Waits for news and takes them in. Returns whether there were any."""
        intake, early = self.intake, bool(self.keeper.early)
        fds = select.select(intake.watched(), (), (), 0 if intake.waits or early else seconds)[0]     # poll(2) can't wait less than 1 ms
        if not fds and not intake.waits and not early:
            return False
        # What a program logged before it ended was in the queue before its ending. So the endings are taken last.
        ended = self.keeper.ended() if early or self.keeper.control.fileno() in fds else []
        news = intake.take()
        for fd in list(intake.pipes) if ended else intake.pipes.intersection(fds):
            news |= intake.take_output(fd)
        for one in ended:
            self._take_ending(one)
        self._after_news()
        return news or bool(ended)

    def _after_news(self) -> None:
        if self.intake.moved != self._moved:
            self._moved = self.intake.moved
            self._sleeps = 0
            self.watch.touch()
            self.starts.connected = self.intake.connected
        if len(self.book.events) >= EVENTS:
            self._runaway(f"more than {EVENTS} lines were logged")
        if self.intake.born >= self._count_at:      # here, too: while news come there is no look
            self._count_at += UNWAITED
            self.stop = self.stop or limits.unwaited(self._pids())
        if len(self.book.calls) >= CALLS and self.observe:
            self.observe = False
            self.keeper.look_away()
            self.intake.unseen[f"more than {CALLS} calls: those behind them"] = None
        self._expect()
        self._send_signals()
        if self.stop is None and self.starts.left() and self._may_know_listeners():
            self._start_who_is_due()

    def _expect(self) -> None:
        """Notes for how long a pause in real time, or a timer, is a reason to wait."""
        now = self.intake.now()
        if self.policy.name == "live":
            for event in self.book.events[-len(self.stage.programs):]:
                if event.kind == "pause":
                    self.watch.pause((event.ns + event.count - now) / 1e9)
        for due in self.intake.due(now):
            if due - now <= PATIENCE * 1e9:
                self.watch.expect((due - now) / 1e9)

    def _runaway(self, words: str) -> None:
        self.stop = self.stop or Stop("runaway", words)

    # -- who is started, and who gets a signal ------------------------------------------------------------------------

    def _may_know_listeners(self) -> bool:
        """Has a line or a call shown a port on which somebody listens? Else a program that waits for a listener is started only
        when nothing else can happen."""
        return bool(self.intake.registry.ports) or any(p.starts.kind != "listens" for p in self.starts.left())

    def _start_who_is_due(self, quiet: bool = False) -> bool:
        """Starts each program whose time has come. Returns whether it started one. `quiet`: nothing else can happen any more."""
        found = False
        while self.stop is None:
            program = self.starts.next(self._listening if quiet else self._said_to_listen, self.book.events, self._is_about)
            if program is None:
                return found
            try:
                self._spawn(Process(program, len(self.starts.of(program.name)) + 1, 0))
            except CantStart:       # the programs of this run may have left no room for one more
                pids = self._pids()
                if len(pids) <= PROCESSES:
                    raise
                self._runaway(f"more than {PROCESSES} processes{self._whose(pids)}")
            found = True
        return found

    def _is_about(self, event: Event, who: str) -> bool:
        """Does the line belong to WHO, as a contract means it: `client`, `server[2]`?"""
        name, index = role_of(who), index_of(who)
        if event.who != name or not index:
            return event.who == name
        if self.stage.program(name).listens is None:
            return [one.pid for one in self.starts.of(name)][index - 1:index] == [event.pid]
        accepted = [made.number for made in self.intake.registry.records() if made.acceptor is not None and made.acceptor.who == name]
        return bool(accepted[index - 1:index] == [event.connection])

    def _said_to_listen(self, name: str) -> "list[int]":
        """Returns the ports on which processes of that name listen. A program counts only if it has logged a line that says so,
        or has made a call since its listen that sets nothing up. Else the line of a program that is slow to log would come after
        the lines of a client that is quick to connect."""
        if not self.stage.program(name).as_written and not any(e.kind == "listen" and e.who == name for e in self.book.events):
            listens = {call.tid: call.returned for call in self.book.calls if call.who == name and call.name == "listen" and call.returned >= 0}
            if not any(call.seq > listens.get(call.tid, call.seq) and call.name not in _SET_UP for call in self.book.calls):
                return []
        return self._listening(name)

    def _listening(self, name: str) -> "list[int]":
        """Returns the ports on which processes of that name listen, as the kernel says; as their lines say if the kernel does not
        tell."""
        pids = [pid for pid in self._pids() if self.intake.members.who(pid) == name]
        found = sockets.listening(self.network, {pid: kernel.descriptors(pid) for pid in pids}) if pids else []
        if not self.told:
            found += [int(e.address.rpartition(":")[2]) for e in self.book.events if e.kind == "listen" and e.who == name]
        return found

    def _spawn(self, process: Process) -> None:
        program = process.program
        path = self.scenario.program(program.file)
        env = {**self._environment, **dict(program.environment)}
        env.update(TCPLAB_CONDUCTOR=self.keeper.name, TCPLAB_ROLE=program.name, TCPLAB_HOLD=self.policy.hold)
        sanitized = _sanitized(path)
        given = str(self.scenario.folder / program.input) if program.input else os.devnull
        # Somebody's own program logs no lines at which it could be held. So it is held at its calls.
        hold = "all" if program.as_written and self.policy.hold == "all" else self.policy.hold_calls
        made = self.keeper.spawn([str(path), *self.starts.arguments(program, self._listening)], env, limit_data=not (sanitized or program.as_written),
                                 stdin=given, observe=self.observe and not sanitized, hold=hold, terminal=program.terminal)
        if not made.observed:
            self._unobserved[program.name] = "it is built with a sanitizer" if sanitized else made.why_not
        process.pid = made.pid
        self.book.starts.append(Start(self.book.place(), self.intake.now(), program.name, made.pid, self.starts.waited_for(program, self.book, self._is_about)))
        self.starts.started[made.pid] = process
        self.intake.started(program.name, made.pid, made.out, made.err, made.terminal, FLOOD if program.as_written else OUTPUT)
        self.watch.touch()

    def _send_signals(self) -> None:
        for one in list(self._signals):
            if said(self.book.events, self._is_about, one.after, one.text, one.nth):
                self._signals.remove(one)
                for process in self.starts.of(one.who):
                    if not process.ended:
                        self.keeper.signal(process.pid, one.number)

    # -- when nothing more comes --------------------------------------------------------------------------------------

    def _glance(self, distance: float) -> Optional[float]:
        """Lets a thread go on if a glance is enough for that. Returns the seconds to the next look; None if a full look is needed."""
        if self.policy.name != "explore" or distance >= _LAST_LOOK or not ending.all_observed(self) or self.intake.timers.pending(self.intake.now()):
            return None
        proof = all(held.kind == "pause" for held in self.held)     # what comes before the end of a pause counts as forced: so only a proof may end a pause
        if proof and not self.intake.somebody_runs(self._held_tids()):
            return None
        pids = self.intake.alive
        if any(not one.ended and one.pid not in pids for one in self.starts.started.values()):
            return _later(distance)     # a program is ending, and the keeper has not yet said how
        seen = self.glances.glance(pids, self._held_tids(), self.intake.touched, self.intake.options)
        if seen is Seen.UNKNOWN:
            return None
        self.intake.seen_waiting(self.glances.waiting)
        if seen is Seen.MOVES:
            return _later(distance)
        if proof:
            return None
        return self._first_look() if self._pump(0.0) or self.stop is not None or self._go_on() else None

    def _consider(self, seen: quiescence.Look, distance: float) -> float:
        """Lets a thread go on, or ends the run, if the look allows it. Returns the seconds to the next look."""
        if self.stop is not None:
            return 0.0
        if not seen.busy:
            seen = self._with_timers(seen)
        if not seen.busy:
            if not self._pump(0.0) and self.stop is None and not self._go_on():      # after _pump: a line may have been on its way
                if seen.unasked and time.monotonic() - self.watch.since < UNPROVEN and not self._clients_ended():
                    return _LAST_LOOK
                stop = ending.why(self, seen)
                if self._somebody_types() and stop.kind != "deadlock":
                    return _LAST_LOOK
                self.stop = stop
            return self._first_look()
        if seen.timed and self._somebody_types():
            self.watch.touch()
            return _LAST_LOOK
        if seen.timed and self.held and self.policy.goes_at_once(self.held) and not self._pump(0.0) and self.stop is None:
            self._go_on()
            return self._first_look()
        if (seen.timed or self._spins(seen)) and self.held and all(held.kind == "pause" for held in self.held) and self._waited_as_long_as_a_pause():
            self._go_on()
            return _FIRST_LOOK
        if seen.timed and not self.held:
            self.stop = ending.too_long(self, seen) or ending.waits_on(self, seen) or self._asks_on(seen)
            self.watch.expect_since(min(seen.limit, ending.most(self)))
        if distance >= _LAST_LOOK:
            self.keeper.wake()
        if not (seen.unknown and time.monotonic() - self.watch.since > GUESS and self._guess()):
            running = [thread for thread in seen.threads if not thread.call]
            who = " and ".join(sorted({f"the {self.intake.members.who(thread.pid)}" for thread in running}))
            self.stop = self.stop or self.watch.stop({thread.pid for thread in seen.threads}, seen.busy.replace("a thread is stopped", f"a thread of {who} is stopped"), who,
                                                     any(self.intake.idle.get(thread.tid, 0) >= IDLE_CALLS for thread in running))
            spins = self.intake.spins() if self.stop is not None and self.stop.kind in ("runaway", "no progress") else ""
            if spins:
                self.stop = Stop("runaway", spins)
        return _later(distance)

    def _somebody_types(self) -> bool:
        """Does a program run that has the harness's own terminal? Then a person may end any wait."""
        return self.waits_for_keys and any(one.program.terminal == "ours" and not one.ended for one in self.starts.started.values())

    def _with_timers(self, seen: quiescence.Look) -> quiescence.Look:
        """Returns the look; if a program has set a timer that has not expired, a look that is not calm because of it. A timer of a program that
        pauses counts if it goes off before the pause ends."""
        now = self.intake.now()
        pids = {thread.pid for thread in seen.threads}
        pauses = {held.pid: held.due - self.policy.now for held in self.held if held.kind == "pause"}
        pending = [one for one in self.intake.timers.pending(now) if one.pid in pids or one.due - now < pauses.get(one.pid, 0)]
        if not pending:
            return seen
        last = pending[-1]
        seconds = (last.due - now) / 1e9
        if last.again:
            self.watch.expect_since(last.again / 1e9)       # once, and not for ever
        else:
            self.watch.expect(seconds)
        return replace(seen, busy=f"{last.words} of the {last.who} goes off in {max(seconds, 0):.1f} s", timed=True, limit=seconds, soonest=max((pending[0].due - now) / 1e9, 0.001))

    def _go_on(self) -> bool:
        """Lets a thread go on, or starts a program, because nothing else can happen any more. Returns False if there is neither."""
        if self._start_who_is_due(True):
            return True
        began = time.monotonic()
        held = self.policy.quiet(self.held) if self.held else None
        self.watch.thought(time.monotonic() - began)
        if held is not None:
            self.release(held)
            self._clock_moved = time.monotonic()
            self._count_sleeps(held)
            if self.policy.hold_calls != "reads" or held.kind != "call" or self.intake.moved != self._alone[0]:
                self.watch.touch()      # a read that is let go again, and has brought nothing since, is no progress
            self._count_alone(held)
            return True
        anyway = self.starts.anyway()
        if anyway is not None:
            self._spawn(Process(anyway, len(self.starts.of(anyway.name)) + 1, 0))
        return anyway is not None

    def _asks_on(self, seen: quiescence.Look) -> Optional[Stop]:
        """Returns the end of a run in which all wait, and each wait with a time limit has ended by it again and again. Between these waits something
        was sent or said, and nobody has read anything. If all clients have ended, that is the end of a run in which a server ticks on. Else returns
        None."""
        if self.intake.heard != self._asked[0]:
            self._asked = self.intake.heard, {}
        for thread in seen.threads:
            ran, moved, times = self._asked[1].get(thread.tid, (thread.ran, self.intake.moved, 0))
            if thread.tid not in self._asked[1] or ran != thread.ran and moved != self.intake.moved:
                self._asked[1][thread.tid] = thread.ran, self.intake.moved, times + (ran != thread.ran)
        if any(fd < 3 for _, fd in seen.network.held):
            return None             # reads there are not seen
        if self.intake.timers.pending(self.intake.now()) or any(self._asked[1].get(tid, ("", 0, 0))[2] < ASKS for tid in seen.limited):
            return None
        if self._clients_ended():
            return Stop("over", waiting=ending.waiting(self, seen), sockets=ending.sockets(self, seen))
        who = sorted({f"the {self.intake.members.who(thread.pid)}" for thread in seen.threads if thread.tid in seen.limited})
        return Stop("runaway", f"{' and '.join(who)} wait{'s' if len(who) == 1 else ''} with a time limit again and again, {ASKS} times and more, and nobody has read anything meanwhile")

    def _spins(self, seen: quiescence.Look) -> bool:
        """Do all running threads make calls that bring nothing? In this way they may wait for what a pause holds back."""
        running = [thread for thread in seen.threads if not thread.call]
        return bool(running) and all(self.intake.idle.get(thread.tid, 0) >= IDLE_CALLS for thread in running)

    def in_vain(self) -> "set[int]":
        """Returns the threads whose calls bring nothing: many of them in a row did not, or a time limit has ended their waits again and again."""
        idle, fruitless = self.intake.idle.items(), self.intake.fruitless.items()
        return {tid for tid, times in idle if times >= VAIN} | {tid for tid, times in fruitless if times >= AGAIN}

    def _waited_as_long_as_a_pause(self) -> bool:
        """All other threads have time limits of their own. Has as much real time passed as the first pause still has? What these
        threads do when a limit has passed does not make the pause longer: it would not in real time."""
        first = min(self.held, key=lambda held: held.due)
        left = (first.due - self.policy.now) / 1e9
        return self.policy.clock and time.monotonic() - max(first.since, self._clock_moved) >= left

    def _count_sleeps(self, held: Held) -> None:
        self._sleeps = self._sleeps + 1 if held.kind == "pause" and held.text.startswith("sleeping") else 0
        if self._sleeps > SLEEPS:
            self.stop = Stop("over" if self._clients_ended() else "waiting", f"the {held.who} sleeps again and again, and nothing comes of it")

    def _count_alone(self, held: Held) -> None:
        """Ends the run if a thread goes on from call to call, nothing comes of its calls, and nobody else can do anything."""
        alone = held.kind == "call" and not self.held and self.intake.moved == self._alone[0]
        self._alone = self.intake.moved, self._alone[1] + 1 if alone else 0
        if self._alone[1] > ENDS and self.intake.idle.get(held.tid, 0) > ENDS:
            self._runaway(self.intake.spins() or f"the {held.who} makes calls again and again, and nothing comes of them: it spins")

    def _guess(self) -> bool:
        """The kernel does not tell what the threads wait for, and nothing has happened for a while. Lets a thread go on, or ends
        a run whose clients have ended. Returns False if the run can only wait on. It never reports a deadlock."""
        if self._go_on():
            self.watch.touch()
        elif not self.starts.left() and self._clients_ended():
            self.stop = Stop("over")
        else:
            return False
        return True

    def _hold(self, held: Held) -> None:
        self.held.append(held)
        if self.policy.arrived(held):
            self.release(held)

    def release(self, held: Held) -> None:
        """Lets a held thread go on."""
        self.held.remove(held)
        if held.kind == "pause" and self.policy.clock:
            self.book.resumed(held.seq)
        held.open()

    # -- looking ------------------------------------------------------------------------------------------------------

    def _pids(self) -> "list[int]":
        pids = kernel.descendants(self.keeper.pid, PROCESSES * 2, but=self.keeper.own)
        for pid in pids:
            self.intake.members.who(pid)
        return pids

    def _whose(self, pids: "Iterable[int]") -> str:
        """Returns words to follow "more than 64 processes": the program to which more than half of them belong; "" if there is
        none."""
        names = [self.intake.members.who(pid) for pid in pids]
        most = max(names, key=names.count)
        return f", most of them the {most}'s" if most and names.count(most) > len(names) // 2 else ""

    def _held_tids(self) -> "set[int]":
        return {held.tid for held in self.held}

    def _look(self) -> quiescence.Look:
        if not self.told:
            return quiescence.Look((), busy="the kernel does not tell what a thread waits for", unknown=True)
        if not self.observe or self.intake.born > UNWAITED:
            self.stop = self.stop or limits.unwaited(self.starts.started)       # before the list of all, which takes long then
        pids = self._pids()
        if len(pids) > PROCESSES:
            self._runaway(f"more than {PROCESSES} processes{self._whose(pids)}")
            return quiescence.Look((), busy="too many processes")
        if any(not one.ended and one.pid not in pids for one in self.starts.started.values()):
            return quiescence.Look((), busy="a program is ending")   # the keeper has not yet said how
        if self.observe and not self.intake.alive <= set(pids):
            return quiescence.Look((), busy="a process is ending")   # its parent learns of it after the keeper does
        seen = self.last = self.look(pids)
        if not seen.busy:
            self.intake.touched.clear()
        self.intake.seen_waiting(thread.tid for thread in seen.threads if thread.call)
        return seen

    def look(self, pids: "Optional[list[int]]" = None) -> quiescence.Look:
        """Looks at these processes; with None at all processes of the run."""
        return quiescence.look(self._pids() if pids is None else pids, self._held_tids(), self.intake.pipe_names, self.network, self._known,
                               self.intake.polls, self.intake.pairs())

    def _known(self, pid: int, fd: int, inode: int) -> "Optional[sockets.Limits]":
        """Returns the options of a socket that can't be asked for them: those that its program set, if all calls were seen. Else
        returns None."""
        return self.intake.timers.limits(inode) if ending.all_observed(self) else None

    def moment(self) -> "tuple[tuple[Socket, ...], tuple[Waiting, ...]]":
        """Returns the sockets and the blocked threads of this moment, for a policy that shows them. The sockets become records of
        the run."""
        seen = self.look()
        found = ending.sockets(self, seen)
        self.book.samples.extend(found)
        return found, ending.waiting(self, seen)

    def segments(self) -> "list[Segment]":
        """Returns the segments so far."""
        self.intake.take()
        return self.intake.segments()

    def _clients_ended(self) -> bool:
        """Have all started programs ended that do not listen?"""
        return all(one.ended for one in self.starts.started.values() if one.program.listens is None)

    def _all_ended(self) -> bool:
        if self.starts.left() or not all(one.ended for one in self.starts.started.values()) or self._pids():
            return False
        self.stop = Stop("over")
        return True

    # -- the end ------------------------------------------------------------------------------------------------------

    def _take_ending(self, ended: Ended) -> None:
        who = self.intake.members.who(ended.pid)
        process = self.starts.started.get(ended.pid)
        if process is None and how(ended.status) != "signal PIPE":      # a child of a program; the write of one that died of SIGPIPE may have been to a pipe
            self.intake.crashed(f"a child process of the {who}", ended.status)
        if process is not None:
            self.intake.crashed(f"the {who}", ended.status)
            process.ended = True
            self.intake.progress()
            self.book.add_ending(Ending(self.book.place(), self.intake.now(), who, ended.pid, how(ended.status), self.intake.last(ended.pid)))

    def _finish(self) -> Run:
        assert self.stop is not None
        self.intake.frozen = True
        self.keeper.freeze()        # stops all programs before the first one is killed: else one would log the other's death
        while self.intake.take():
            pass
        self.intake.last_output()
        return ending.run(self)


def _later(distance: float) -> float:
    """Returns the seconds to the next look, if this one came after so many seconds and found that something moves."""
    return min(max(distance * 2, _FIRST_LOOK), _LAST_LOOK)


def _sanitized(program: Path) -> bool:
    """Is the program built with a sanitizer? A sanitizer's shadow memory would pass any limit on data."""
    try:
        return b"__asan_init" in program.read_bytes()
    except OSError:
        return False
