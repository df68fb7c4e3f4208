"""Every schedule with one delay, then with two: what is guaranteed, and what is luck.

All threads are held at each of their lines, and go on one at a time: the next one is let go when nothing can happen any more.
Whoever came first goes first; threads that came between the same two releases are told apart by program and by age, so
nothing depends on the machine's speed, and a schedule gives the same run again. A delay holds a program at one of its lines
until nothing else can happen. A pause is longer than any delay: it ends when nothing but pauses is left (with NOPAUSE it is a
line like any other).

The limits of this, said once: it permutes at log lines. What two threads do between two lines, and what the kernel does
inside a call, is not permuted; a program that logs nothing is not permuted at all; and one delay, or two, is not every order.
"""
from __future__ import annotations

import itertools
import multiprocessing
import os
import re
import signal
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Optional

from . import contract as contracts
from . import judge, keeper
from .conductor import Conductor, Held
from .scenarios import Scenario
from .trace import Run

LIMIT = 2000                # schedules, unless told otherwise


class BadSchedule(Exception):
    """What is wrong with a SCHEDULE, and how one looks."""


@dataclass(frozen=True, order=True)
class Place:
    """A line at which a program can be held: the nth line of that text."""

    who: str
    text: str
    nth: int

    def __str__(self) -> str:
        return f"{self.who}: {self.text} #{self.nth}"




def parse(text: str) -> "tuple[Place, ...]":
    """A SCHEDULE: places as Place's str gives them, joined by "; "."""
    places = []
    rest = text.strip()
    while rest:
        found = re.match(r"(client|server): (.*?) #(\d+)(?:\s*;\s*|$)", rest)
        if not found:
            raise BadSchedule(f"SCHEDULE: can't read {rest!r}; write: SCHEDULE='server: reading data #1' (several: joined by ';')")
        places.append(Place(found[1], found[2], int(found[3])))
        rest = rest[found.end():]
    return tuple(sorted(places))


class Delays:
    """The policy: one thread at a time, those at a delayed place last. `skip`: pauses are lines like any other."""

    name, hold = "explore", "all"

    def __init__(self, delays: Iterable[Place] = (), skip: bool = False) -> None:
        self.delays = frozenset(delays)
        self.skip, self.clock = skip, not skip
        self.now = 0
        self.turn = 0
        self.turns: dict[int, int] = {}             # seq of an event: between which two releases it came
        self.places: dict[int, Place] = {}          # seq of an event: its place
        self._counts: dict[tuple[str, str], int] = {}

    def arrived(self, held: Held) -> bool:
        held.due = self.now + held.event.count
        return False

    def order(self, held: "list[Held]") -> "list[Held]":
        """The held threads, the one that goes on next first."""
        for one in sorted((h for h in held if h.event.seq not in self.turns), key=lambda h: (h.event.who, h.event.tid)):
            key = (one.event.who, one.event.text)
            self._counts[key] = self._counts.get(key, 0) + 1
            self.places[one.event.seq] = Place(*key, self._counts[key])
            self.turns[one.event.seq] = self.turn
        return sorted(held, key=self._rank)

    def _rank(self, held: Held) -> "tuple[int, int, int, str, int]":
        seq = held.event.seq
        pausing = held.event.kind == "pause" and not self.skip
        return (2 if pausing else self.places[seq] in self.delays, held.due if pausing else 0, self.turns[seq],
                held.event.who, held.event.tid)

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        return self.let_go(self.order(held)[0]) if held else None

    def let_go(self, held: Held) -> Held:
        """Notes that this one goes on."""
        if held.event.kind == "pause" and not self.skip:
            self.now = max(self.now, held.due)
        self.turn += 1
        return held


@dataclass(frozen=True)
class Outcome:
    """What a learner can see of a run: each program's lines, its output, how it ended, and how the run stopped."""

    lines: "tuple[tuple[str, tuple[str, ...]], ...]"
    endings: "tuple[tuple[str, str], ...]"
    stop: str


@dataclass(frozen=True)
class Tried:
    """One schedule and what came of it. `turns`: the run's places, with the turn in which each came."""

    schedule: "tuple[Place, ...]"
    outcome: Outcome
    turns: "tuple[tuple[Place, int], ...]"
    verdict: judge.Verdict


def outcome_of(run: Run) -> Outcome:
    """The outcome of a run."""
    whos = sorted({e.who for e in run.events} | {o.who for o in run.outputs})
    lines = tuple((who, (*(e.text for e in run.events if e.who == who), *(o.text for o in run.outputs if o.who == who)))
                  for who in whos)
    return Outcome(lines, tuple(sorted((e.who, e.how) for e in run.endings)), run.stop.kind)


def attempt(scenario: Scenario, schedule: "tuple[Place, ...]", skip: bool, isolate: bool,
            tick: Callable[[], bool] = lambda: False) -> Tried:
    """Runs one schedule."""
    policy = Delays(schedule, skip)
    run = Conductor(scenario, policy, isolate=isolate, tick=tick).run()
    turns = tuple((policy.places[seq], turn) for seq, turn in sorted(policy.turns.items()))
    return Tried(schedule, outcome_of(run), turns, judge.judge(run, contracts.load(scenario.contract)))


@dataclass(frozen=True)
class Report:
    """What exploring found. `groups`: the runs by outcome, the undelayed run's outcome first. `left`: schedules not run."""

    scenario: str
    delays: int
    skip: bool
    groups: "tuple[tuple[Tried, ...], ...]"
    left: int
    broken: "tuple[Tried, ...]"                     # runs that left the contract
    never_seen: "tuple[judge.Difference, ...]"      # branches and free orders that no schedule showed
    always: "tuple[tuple[Place, Place], ...]"       # orders across programs that no schedule turned round

    @property
    def count(self) -> int:
        return sum(map(len, self.groups))

    @property
    def status(self) -> int:
        return 1 if (self.broken or self.never_seen) and not self.skip else 0


def explore(scenario: Scenario, *, delays: int = 1, limit: int = LIMIT, skip: bool = False, isolate: bool = True,
            progress: Callable[[int, int], None] = lambda done, all_of_them: None, stop: Callable[[], bool] = lambda: False) -> Report:
    """Runs every schedule with up to `delays` delays, at most `limit` of them, on all processors."""
    contract = contracts.load(scenario.contract)
    first = attempt(scenario, (), skip, isolate)
    tried = [first]
    planned = 1
    for n in range(1, delays + 1):
        places = sorted({place for one in tried for place, _ in one.turns})
        schedules = [tuple(s) for s in itertools.combinations(places, n)]
        planned += len(schedules)
        for one in _all(scenario, schedules[:max(0, limit - len(tried))], skip, isolate, stop):
            tried.append(one)
            progress(len(tried), planned)
    groups: dict[Outcome, list[Tried]] = {}
    for one in tried:
        groups.setdefault(one.outcome, []).append(one)
    return Report(scenario.name, delays, skip, tuple(map(tuple, groups.values())), planned - len(tried),
                  tuple(one for one in tried if one.verdict.status), judge.explored([one.verdict for one in tried], contract),
                  tuple(_always(tried)))


_job: "tuple[Scenario, bool, bool, Callable[[], bool]]"


def _try(schedule: "tuple[Place, ...]") -> Tried:
    scenario, skip, isolate, stop = _job
    try:
        return attempt(scenario, schedule, skip, isolate, stop)
    finally:
        keeper.see_off()


def _all(scenario: Scenario, schedules: "list[tuple[Place, ...]]", skip: bool, isolate: bool,
         stop: Callable[[], bool]) -> Iterator[Tried]:
    global _job
    _job = (scenario, skip, isolate, stop)     # the workers are forked, and inherit it
    workers = min(os.cpu_count() or 1, len(schedules))
    if workers < 2:
        yield from map(_try, schedules)
        return
    pool = multiprocessing.get_context("fork").Pool(workers, _as_worker)
    try:
        for one in pool.imap(_try, schedules, chunksize=4):
            yield one
            if stop():
                return
    finally:
        pool.terminate()    # a run that is cut off so is ended by its keeper
        pool.join()


def _as_worker() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)   # not what the harness does with it, which a worker inherits
    signal.signal(signal.SIGINT, signal.SIG_IGN)    # Ctrl-C is the parent's


def _always(tried: "list[Tried]") -> "Iterator[tuple[Place, Place]]":
    """Pairs across programs that came in this order in every schedule that had both; only the nearest ones: of a line of one
    program, the first line of the other one that always comes later, and for that one the last that comes before."""
    orders = [dict(one.turns) for one in tried]
    places = [place for place, _ in tried[0].turns]

    def holds(a: Place, b: Place) -> bool:
        both = [order for order in orders if a in order and b in order]
        return bool(both) and all(order[a] < order[b] for order in both)
    after: dict[Place, Place] = {}
    for a in places:
        b = next((b for b in places if b.who != a.who and holds(a, b)), None)
        if b is not None:
            after[b] = a            # places come in the first run's order: the last a stays
    return ((a, b) for b, a in after.items())
