"""Every schedule with one delay, then with two: what is guaranteed, and what is luck.

All threads are held at each of their lines, and go on one at a time: the next one goes on when nothing else can happen any more.
The thread that came first goes first. Threads that came between the same two releases are ordered by program and by age. So
nothing depends on the machine's speed, and the same schedule gives the same run again. A delay holds a program at one of its
lines until nothing else can happen, or until the others make only calls that bring nothing. A pause is longer than any delay: it
ends when nothing but pauses is left. (With NOPAUSE a pause is a line like any other.) If no other thread could go on during a
delay, the delay changes nothing: such a schedule is counted, and not run.

This has limits. It changes the order only at log lines. It does not change the order of what two threads do between two lines, or
of what the kernel does inside a call. It cannot delay a program that logs nothing. And one delay, or two, does not give every
order.
"""
from __future__ import annotations

import ctypes
import functools
import gc
import itertools
import math
import mmap
import os
import re
import signal
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence

from ..judge import comparison, standard
from ..judge import contract as contracts
from ..stage import keeper
from ..stage.conductor import Conductor, Held
from ..stage.policies import Policy
from ..stage.scenarios import Scenario
from ..trace import Run

if TYPE_CHECKING:
    import multiprocessing

LIMIT = 2000                # schedules that are run at most, if the command does not say another number
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class BadSchedule(Exception):
    """A SCHEDULE that can't be used. The text says what is wrong, and how to write one."""


class Place(NamedTuple):
    """A line at which a program can be held: the nth line with that text."""

    who: str
    text: str
    nth: int

    def __str__(self) -> str:
        return f"{self.who}: {self.text} #{self.nth}"


def parse(text: str, names: "Sequence[str]" = contracts.NAMES) -> "tuple[Place, ...]":
    """Returns the places of a SCHEDULE: texts as str(Place) gives them, joined by "; ", or "nobody". `names` are those of the
    cast. Raises BadSchedule."""
    places = []
    rest = "" if text == "nobody" else text.strip()
    while rest:
        found = re.match(r"([a-z][a-z0-9-]*): (.*?) #(\d+)(?:\s*;\s*|$)", rest)
        if not found:
            raise BadSchedule(f"SCHEDULE: can't read {rest!r}; write: SCHEDULE='server: reading data #1' (several: joined by ';')")
        if found[1] not in names:
            raise BadSchedule(f"SCHEDULE: nobody is called {found[1]!r}; there are {', '.join(sorted(names))}")
        places.append(Place(found[1], found[2], int(found[3])))
        rest = rest[found.end():]
    return tuple(sorted(places))


class Delays(Policy):
    """The policy of an exploration: one thread goes on at a time, and those at a delayed place go last. `skip`: pauses are lines
    like any other."""

    name, hold, hold_calls = "explore", "all", "sleeps"

    def __init__(self, delays: Iterable[Place] = (), skip: bool = False) -> None:
        self.delays = frozenset(delays)
        self.skip, self.clock = skip, not skip
        self.turn = 0
        self.turns: dict[int, int] = {}             # by seq of an event: its turn, the number of releases before it
        self.places: dict[int, Place] = {}          # by seq of an event: its place
        self.moot: set[Place] = set()               # the places at which a delay would have changed nothing
        self._counts: dict[tuple[str, str], int] = {}
        self._ranks: dict[int, tuple[int, int, int, str, int]] = {}     # by seq of an event: the thread that has the lowest one goes on next

    def arrived(self, held: Held) -> bool:
        held.due = self.now + held.count
        return False

    def order(self, held: "list[Held]") -> "list[Held]":
        """Returns the held threads. The one that goes on next comes first."""
        self._place(held)
        return sorted(held, key=lambda h: self._ranks[h.seq])

    def _place(self, held: "list[Held]") -> None:
        """Gives each thread that is new among these its turn, its place and its rank."""
        for one in sorted((h for h in held if h.seq not in self.turns), key=lambda h: (h.who, h.tid)):
            key = (one.who, one.text)
            self._counts[key] = self._counts.get(key, 0) + 1
            self.places[one.seq] = Place(*key, self._counts[key])
            self.turns[one.seq] = self.turn
            self._ranks[one.seq] = self._rank(one)

    def _rank(self, held: Held) -> "tuple[int, int, int, str, int]":
        seq = held.seq
        pausing = self._pauses(held)
        return (2 if pausing else self.places[seq] in self.delays, held.due if pausing else 0, self.turns[seq],
                held.who, held.tid)

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        if not held:
            return None
        self._place(held)
        first = min(held, key=lambda h: self._ranks[h.seq])
        if len(held) > 1 and first.tid in (vain := self.vain()):
            first = min((h for h in held if h.tid not in vain), key=lambda h: self._ranks[h.seq], default=first)
        if len(held) == 1 or self._pauses(first):
            self.moot.add(self.places[first.seq])
        return self.let_go(first)

    def goes_at_once(self, held: "list[Held]") -> bool:
        """Does a thread go on next that is held at a call, and not at a delayed place? What it does comes before the end of a time
        limit of another thread."""
        first = self.order(held)[0] if held else None
        return first is not None and first.kind == "call" and self.places[first.seq] not in self.delays

    def _pauses(self, held: Held) -> bool:
        return held.kind == "pause" and not self.skip

    def let_go(self, held: Held) -> Held:
        """Notes that this thread goes on, and returns it."""
        if self._pauses(held):
            self.now = max(self.now, held.due)
        self.turn += 1
        return held


@dataclass(frozen=True)
class Outcome:
    """What a learner can see of a run: each program's lines and output, how each program ended, and how the run stopped. A deadlock is
    `proven` if all was looked at that could end it."""

    lines: "tuple[tuple[str, tuple[str, ...]], ...]"
    endings: "tuple[tuple[str, str], ...]"
    stop: str
    proven: bool = True


@dataclass(frozen=True)
class Tried:
    """One schedule and its result. `turns` has the run's places, each with the turn in which it came. `moot` has those places at
    which one more delay would have changed nothing, because no other thread could have gone on."""

    schedule: "tuple[Place, ...]"
    outcome: Outcome
    turns: "tuple[tuple[Place, int], ...]"
    moot: "frozenset[Place]"
    verdict: comparison.Verdict
    ran: bool = True
    run: Optional[Run] = None           # if it was to be kept, or if the verdict is bad; then without calls, segments and samples
    came: "tuple[tuple[int, int], ...]" = ()    # of a kept run: the seq of each line at which a thread was held, and its turn

    @functools.cached_property
    def places(self) -> "frozenset[Place]":
        return frozenset(place for place, _ in self.turns)

    def same_with(self, place: Place) -> bool:
        """Would one more delay, at this place, give this run again?"""
        return place in self.moot or place not in self.places


SEEN = "\u00b7 "        # begins a line of an outcome that no program has said: its call gave that


def outcome_of(run: Run, turns: "dict[int, int]") -> Outcome:
    """Returns the outcome of a run. `turns` is as in Delays. Two lines of the same turn are ordered by the age of their threads,
    and not by which came first in this run. For a program that logs nothing, the ends of streams and the failed calls count, and
    not the number of pieces in which bytes came."""
    told = [line for line in standard.lines(run) if line.kind in ("EOF", "short") or line.failed and "EAGAIN" not in line.kind]
    whos = sorted({e.who for e in run.events} | {o.who for o in run.outputs} | {line.who for line in told})
    events = sorted(run.events, key=lambda e: (turns.get(e.seq, math.inf), e.tid, e.seq))
    told.sort(key=lambda line: (turns.get(line.seq, math.inf), line.tid, line.seq))
    lines = tuple((who, (*(e.text for e in events if e.who == who), *(SEEN + line.text for line in told if line.who == who), *(o.text for o in run.outputs if o.who == who))) for who in whos)
    return Outcome(lines, tuple(sorted((e.who, e.how) for e in run.endings)), run.stop.kind, run.stop.kind != "deadlock" or not run.stop.words)


@dataclass(frozen=True)
class Job:
    """What all schedules of an exploration have in common. If `tick` returns True, the run ends."""

    scenario: Scenario
    contract: Optional[contracts.Contract]      # None: nothing is judged
    skip: bool
    isolate: bool
    observe: bool = True
    keep: bool = False                  # whether each run is kept with its result
    tick: Callable[[], bool] = lambda: False

    def attempt(self, schedule: "tuple[Place, ...]", lent: Optional[keeper.Keeper] = None) -> Tried:
        """Runs one schedule. It uses the keeper `lent`, or one of its own."""
        policy = Delays(schedule, self.skip)
        conductor = Conductor(self.scenario, policy, isolate=self.isolate, observe=self.observe, keeper=lent, tick=self.tick)
        run = conductor.run()
        if self.keep:
            run = replace(run, calls=conductor.intake.with_sources(run.calls))
        turns = tuple(sorted(((policy.places[seq], turn) for seq, turn in policy.turns.items()), key=lambda one: (one[1], one[0])))
        verdict = comparison.judge(run, self.contract)
        return Tried(schedule, outcome_of(run, policy.turns), turns, frozenset(policy.moot), verdict,
                     run=run if self.keep else replace(run, calls=(), segments=(), sockets=()) if verdict.status else None,
                     came=tuple(sorted(policy.turns.items())) if self.keep else ())


@dataclass(frozen=True)
class Report:
    """What exploring found. `groups` has the runs by outcome; the outcome of the run without delays comes first. `left` is the
    number of schedules that were not run because there were too many."""

    scenario: str
    delays: int
    skip: bool
    groups: "tuple[tuple[Tried, ...], ...]"
    left: int
    broken: "tuple[Tried, ...]"                     # runs that left the contract
    never_seen: "tuple[comparison.Difference, ...]"      # the branches and free orders that no schedule showed
    always: "tuple[tuple[Place, Place], ...]"       # the orders across programs that were the same in every schedule
    judged: bool = True                             # whether there is a contract

    @property
    def count(self) -> int:
        return sum(map(len, self.groups))

    @property
    def ran(self) -> int:
        return sum(one.ran for group in self.groups for one in group)

    @property
    def status(self) -> int:
        return 1 if (self.broken or self.never_seen) and not (self.skip and self.judged) else 0


def explore(scenario: Scenario, *, delays: int = 1, limit: int = LIMIT, skip: bool = False, isolate: bool = True, observe: bool = True, draft: bool = False, keep: bool = False,
            progress: Callable[[int, int], None] = lambda done, all_of_them: None, stop: Callable[[], bool] = lambda: False) -> Report:
    """Runs every schedule with up to `delays` delays, at most `limit` runs, on all processors. With `draft` no contract is looked
    at, and the runs are kept. With `keep` the runs are kept, too. Raises KeyboardInterrupt if `stop` returns True."""
    job = Job(scenario, None if draft else scenario.load_contract(), skip, isolate, observe, draft or keep, stop)
    tried: dict[tuple[Place, ...], Tried] = {}
    with _Workers(job) as workers:
        tried.update((one.schedule, one) for one in workers.run([()]))
        planned = runs = 1
        for n in range(1, delays + 1):
            schedules = list(itertools.combinations(sorted({place for one in tried.values() for place, _ in one.turns}), n))
            planned += len(schedules)
            known = {schedule: same for schedule in schedules if (same := _same(schedule, tried)) is not None}
            todo = [schedule for schedule in schedules if schedule not in known][:max(0, limit - runs)]
            runs += len(todo)
            tried.update(known)
            for one in workers.run(todo):
                tried[one.schedule] = one
                progress(len(tried), planned)
    groups: dict[Outcome, list[Tried]] = {}
    found = sorted(tried.values(), key=lambda one: (len(one.schedule), one.schedule))
    for one in found:
        groups.setdefault(one.outcome, []).append(one)
    return Report(scenario.name, delays, skip, tuple(map(tuple, groups.values())), planned - len(found),
                  tuple(one for one in found if one.verdict.status), comparison.explored([one.verdict for one in found], job.contract),
                  tuple(_always([one for one in found if one.ran])), job.contract is not None)       # the others have the places of one that was run


def _same(schedule: "tuple[Place, ...]", tried: "dict[tuple[Place, ...], Tried]") -> Optional[Tried]:
    """Returns the result of a schedule that need not be run, because one of its delays changes nothing; None if it must be run."""
    for at, place in enumerate(schedule):
        fewer = tried.get(schedule[:at] + schedule[at + 1:])
        if fewer is not None and fewer.same_with(place):
            return replace(fewer, schedule=schedule, ran=False)
    return None


class _Workers:
    """A process for each processor, each with a keeper of its own. All that belongs to one of them stays on its processor. They
    wait for one another all the time, and waking a process on another processor takes longer than what it does then. The keepers
    belong to this process, so that each one is ended here whatever happens to its worker."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._processors = sorted(os.sched_getaffinity(0))
        self.keepers = []
        try:
            for one in self._processors:
                os.sched_setaffinity(0, {one})      # the keeper and its programs inherit it
                self.keepers.append(keeper.open_keeper(job.isolate, job.observe))
        finally:
            os.sched_setaffinity(0, self._processors)
        self._stopped = mmap.mmap(-1, 1)        # shared with the workers: if it is not 0, they end their runs

    def __enter__(self) -> "_Workers":
        import multiprocessing      # imported here, because all other commands start sooner without it
        from concurrent.futures import ProcessPoolExecutor
        context = multiprocessing.get_context("fork")   # so that the workers have the keepers
        free = context.SimpleQueue()
        for number in range(len(self.keepers)):
            free.put(number)
        self._pool = ProcessPoolExecutor(len(self.keepers), context, self._as_worker, (free, os.getpid()))
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped[0] = 1
        self._pool.shutdown(cancel_futures=True)
        for one in self.keepers:
            one.end()
        self._stopped.close()

    def run(self, schedules: "list[tuple[Place, ...]]") -> "Iterator[Tried]":
        """Runs all of these schedules, and yields the results in their order. Raises KeyboardInterrupt if the command is to stop."""
        from concurrent.futures import wait
        todo = deque(self._pool.submit(_attempt, schedules[i:i + 4]) for i in range(0, len(schedules), 4))
        while todo:
            if self.job.tick():
                raise KeyboardInterrupt
            if wait([todo[0]], 0.05).done:
                yield from todo.popleft().result()

    def _as_worker(self, free: "multiprocessing.SimpleQueue[int]", parent: int) -> None:
        global _worker
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)    # the parent handles Ctrl-C
        gc.freeze()     # what all runs share need not be looked through again and again
        number = free.get()
        os.sched_setaffinity(0, {self._processors[number]})
        _worker = replace(self.job, tick=lambda: self._stopped[0] != 0), self.keepers[number]


_worker: "tuple[Job, keeper.Keeper]"


def _attempt(schedules: "list[tuple[Place, ...]]") -> "list[Tried]":
    job, lent = _worker
    return [job.attempt(schedule, lent) for schedule in schedules if not job.tick()]


def _always(tried: "list[Tried]") -> "Iterator[tuple[Place, Place]]":
    """Yields pairs of places in different programs that came in this order in every schedule that had both. Only the nearest
    pairs are among them: for a line of one program the first line of another program that always comes later, and for that one
    the last line that always comes before."""
    places = [place for place, _ in tried[0].turns]
    number = {place: n for n, place in enumerate(places)}
    with_it, not_later = [0] * len(places), [0] * len(places)     # by place, as bits: what some schedule had with it; what did not come later
    for one in tried:
        turns: dict[int, int] = {}          # by turn: the places that came in it, as bits
        for place, turn in one.turns:
            if place in number:
                turns[turn] = turns.get(turn, 0) | 1 << number[place]
        all_of_them = sum(turns.values())
        so_far = 0
        for turn in sorted(turns):
            so_far |= turns[turn]
            for n in _bits(turns[turn]):
                with_it[n] |= all_of_them
                not_later[n] |= so_far
    others = {who: sum(1 << n for n, place in enumerate(places) if place.who != who) for who in {place.who for place in places}}
    after: dict[Place, Place] = {}
    for n, a in enumerate(places):
        b = next(_bits(with_it[n] & ~not_later[n] & others[a.who]), None)
        if b is not None:
            after[places[b]] = a            # the places have the first run's order, so the last `a` stays
    return ((a, b) for b, a in after.items())


def _bits(mask: int) -> "Iterator[int]":
    """Yields the numbers of the bits that are set, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
