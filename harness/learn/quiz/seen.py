"""Real runs for the quiz. One thread goes on at a time, and the kernel's own sockets are looked at at each moment at which no
thread moves."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Iterable, Optional

from ...explore.schedules import Delays, Place
from ...explore.turned import Turner, places
from ...judge import causes
from ...judge.sides import Sides
from ...stage.conductor import Conductor, Held
from ...stage.keeper import Keeper
from ...stage.scenarios import Scenario
from ...trace import Event, Run, Socket, Waiting


@dataclass(frozen=True)
class Look:
    """One moment at which no thread moves. Records with a smaller place than `seq` came before it."""

    seq: int
    sockets: "tuple[Socket, ...]"
    held: "tuple[tuple[int, int], ...]"         # the threads (process, thread) that are held at a line that they have logged
    waiting: "tuple[Waiting, ...]"              # the threads that are blocked


class Watched(Delays):
    """The policy of a quiz's run: delays, and a look at each moment."""

    def __init__(self, schedule: "Iterable[Place]" = ()) -> None:
        super().__init__(schedule)
        self.conductor: Optional[Conductor] = None
        self.looks: "list[Look]" = []

    def quiet(self, held: "list[Held]") -> Optional[Held]:
        assert self.conductor is not None
        self.conductor.segments()       # takes in the segments that have been sent
        sockets, waiting = self.conductor.moment()
        tids = {h.tid for h in held}
        threads = tuple(sorted({(e.pid, e.tid) for e in self.conductor.book.events if e.tid in tids}))
        self.looks.append(Look(self.conductor.book.places, sockets, threads, waiting))
        return super().quiet(held)


class Seen:
    """One run of a scenario, with what a question may ask about it."""

    def __init__(self, scenario: Scenario, run: Run, policy: "Watched", turner: Turner, width: int) -> None:
        self.scenario, self.schedule, self.run, self.turner, self.width = scenario, tuple(sorted(policy.delays)), run, turner, width
        self.looks = tuple(policy.looks)
        self.sides = Sides(run)
        # A start that waits for a listener waits for the kernel, and not for the line about it. Whether that line had come is luck.
        self.order = causes.derive(replace(run, starts=tuple(replace(start, after=()) for start in run.starts)), self.sides)
        self.events = tuple(self._always_so(policy.turns))

    def _always_so(self, turns: "dict[int, int]") -> "list[Event]":
        """Returns the lines in an order that another run under the same schedule has, too. Chance decides which line came first
        between the same two releases. So such lines are sorted by what forces them, then by who listens, and then by their names."""
        events = sorted(self.run.events, key=lambda e: e.seq)

        last = [role.name for role in self.run.cast if not role.listens]

        def rank(event: Event) -> "tuple[int, int, bool, str, int]":
            turn = turns.get(event.seq, len(turns))
            behind = sum(turns.get(e.seq, len(turns)) == turn and self.order.forced(e.seq, event.seq) for e in events)
            return turn, behind, event.who in last, event.who, event.seq
        return sorted(events, key=rank)

    @property
    def named(self) -> str:
        return "; ".join(map(str, self.schedule)) or "nobody"

    def before(self, look: Look) -> "tuple[Event, ...]":
        """Returns the lines that had been logged before that moment."""
        return tuple(e for e in self.events if e.seq < look.seq)

    def stands(self, look: Look, event: Event) -> bool:
        """Is the line's thread held at the line, so that it has done nothing after it?"""
        mine = [e for e in self.before(look) if (e.pid, e.tid) == (event.pid, event.tid)]
        return (event.pid, event.tid) in look.held and mine[-1] is event


class Runs:
    """The runs of a quiz, each made once. `lent` returns a keeper to use."""

    def __init__(self, lent: "Callable[[], Keeper]", *, width: int = 78, isolate: bool = True, observe: bool = True,
                 tick: "Callable[[], bool]" = lambda: False) -> None:
        self._lent, self.width, self._isolate, self._observe, self._tick = lent, width, isolate, observe, tick
        self._seen: "dict[tuple[str, tuple[Place, ...]], Seen]" = {}
        self._turners: "dict[str, Turner]" = {}

    def of(self, scenario: Scenario, schedule: "tuple[Place, ...]" = ()) -> Seen:
        """Returns the run under a schedule. Raises KeyboardInterrupt if the quiz is to stop."""
        key = scenario.name, schedule
        if key not in self._seen:
            policy = Watched(schedule)
            policy.conductor = Conductor(scenario, policy, isolate=self._isolate, keeper=self._lent(), observe=self._observe, tick=self._tick)
            run = policy.conductor.run()
            if self._tick():
                raise KeyboardInterrupt
            turner = self._turners.setdefault(scenario.name, Turner(scenario, self._lent, isolate=self._isolate, observe=self._observe, tick=self._tick))
            self._seen[key] = Seen(scenario, run, policy, turner, self.width)
        return self._seen[key]

    def places(self, scenario: Scenario) -> "list[Place]":
        """Returns the places at which a program can be held in the scenario's run without delays, in an order that is always the
        same."""
        return sorted(places(self.of(scenario).run).values())
