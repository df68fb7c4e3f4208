"""What a run may use before it is stopped: the limits of the conductor. Those of one process are the keeper's (rlimits)."""
from __future__ import annotations

import time
from typing import Iterable, Optional

from ..observe import kernel
from ..trace import Stop
from .spawner import MEMORY

EVENTS = 10_000             # log lines of one run
CALLS = 100_000             # system calls that are kept: those behind are not looked at
SEGMENTS = 100_000          # segments that are kept
FRAMES = 4 << 20            # bytes of their frames that are kept
OUTPUT = 1 << 20            # bytes of plain output of one run
FLOOD = 128 << 20           # the same of programs whose output behind OUTPUT is read, and not kept
SPIN = 5.0                  # seconds of processor time without a line, a segment or an ending
IDLE = 10.0                 # seconds without any: the run is given up
UNPROVEN = 3.0              # seconds in which all wait, where the time limits of a socket can't be read
GUESS = 1.0                 # seconds without any that pass for quiescence where the kernel does not tell: no proof
PATIENCE = 30.0             # seconds that a run waits for a time limit, or a timer, of a program; for a longer one it does not
LONGEST = 300.0             # seconds of a whole run, pauses not counted
ENDS = 1_000                # reads of one thread at the end of a stream, and calls that fail, without anything that moves: then it spins
AGAIN = 3                   # times that a wait with a limit ended by it, one after the other, and nothing came of it
SPIN_LEAST = 1.0            # the same of a program that runs when a run is given up, on a machine that has others to run
IDLE_CALLS = 500            # calls of one thread in a row of which nothing came: it may spin
SLEEPS = 1_000              # sleeps that the clock let end, and nothing came of any of them


class Watch:
    """How long nothing has happened, and what it has cost. `idle`: seconds without progress until the run is given up."""

    def __init__(self, idle: float = IDLE) -> None:
        self.most = idle
        self.since = time.monotonic()       # the last progress
        self.until = self.since             # up to here somebody has a reason to wait: a pause in real time, a timer
        self._cpu = -1.0
        self._end = self.since + LONGEST
        self._paused = self.since           # up to here pauses are in force that were not counted

    def pause(self, seconds: float) -> None:
        """A pause in real time goes on for so many seconds from now."""
        self.expect(seconds)
        now = time.monotonic()
        self._end += max(0.0, now + seconds - max(self._paused, now))
        self._paused = max(self._paused, now + seconds)

    def thought(self, seconds: float) -> None:
        """So long a policy took to say who goes on: it may have asked somebody."""
        self._end += seconds

    def over(self) -> Optional[Stop]:
        """The end of a run that goes on and on."""
        if time.monotonic() < self._end:
            return None
        return Stop("runaway", f"the run has gone on for {LONGEST:.0f} s, pauses not counted")

    def touch(self) -> None:
        """Something has happened."""
        self.since = time.monotonic()
        self._cpu = -1.0

    def expect(self, seconds: float) -> None:
        """Somebody has said that it will go on by itself in so many seconds from now."""
        self.until = max(self.until, time.monotonic() + seconds)

    def expect_since(self, seconds: float) -> None:
        """The same, counted from the last progress."""
        self.until = max(self.until, self.since + seconds)

    @property
    def quiet_for(self) -> float:
        """Seconds without progress, of a time in which somebody could have gone on."""
        return time.monotonic() - max(self.since, min(self.until, time.monotonic()))

    def stop(self, pids: Iterable[int], busy: str, who: str = "", idle: bool = False) -> Optional[Stop]:
        """The end of a run that has passed a limit. `busy`: why nobody is known to wait for ever, in words. `who`: the programs that run
        ("the server"). `idle`: they make calls of which nothing comes."""
        pids = list(pids)
        if sum(map(kernel.resident_bytes, pids)) > 2 * MEMORY or kernel.memory_files(pids) > 2 * MEMORY:
            return Stop("runaway", f"more than {2 * MEMORY >> 20} MiB of memory")
        if time.monotonic() - self.since <= 0.5:
            return None
        cpu = sum(map(kernel.cpu_seconds, pids))
        self._cpu = cpu if self._cpu < 0 else self._cpu
        if cpu - self._cpu > SPIN:
            return Stop("runaway", f"{who or 'a program'} has used {SPIN:.0f} s of processor time, and nothing came of it: it spins")
        if self.quiet_for > self.most and who and idle:
            return Stop("runaway", f"{who} makes calls again and again, and nothing comes of them: it spins")
        if self.quiet_for > self.most and who and cpu - self._cpu > SPIN_LEAST:
            return Stop("runaway", f"{who} runs on and on, and nothing comes of it: it spins")
        if self.quiet_for > self.most and cpu - self._cpu < SPIN / 2:
            return Stop("no progress", f"no progress for {self.most:.0f} s: {busy or 'the kernel does not tell more'}")
        return None
