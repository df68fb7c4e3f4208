"""What a run may use before the conductor stops it. The keeper sets the limits of a single process (rlimits)."""
from __future__ import annotations

import time
from typing import Iterable, Optional

from ..observe import kernel
from ..trace import Stop
from .spawner import MEMORY

EVENTS = 10_000             # log lines of one run
CALLS = 100_000             # system calls of one run: later ones are not looked at
SEGMENTS = 100_000          # segments that are kept
FRAMES = 4 << 20            # bytes of their frames that are kept
OUTPUT = 1 << 20            # bytes of plain output of one run
FLOOD = 128 << 20           # the same for programs of which output after OUTPUT is read, but not kept
SPIN = 5.0                  # seconds of processor time without a line, a segment or an ending
IDLE = 10.0                 # seconds without progress, after which the run is given up
UNPROVEN = 3.0              # seconds for which all threads wait, if the time limits of a socket can't be read
GUESS = 1.0                 # seconds without progress that count as quiescence if the kernel does not tell; this is no proof
PATIENCE = 30.0             # seconds that a run waits at most for a program's time limit or timer
LONGEST = 300.0             # seconds of a whole run, pauses not counted
ENDS = 1_000                # so many reads of one thread at the end of a stream, or failing calls, and no progress: then it spins
AGAIN = 3                   # so many times in a row a time limit ended a wait, and nothing came of it
ASKS = 100                  # so many times a time limit ended a wait, each time something was sent or said, and nobody read a byte
SPIN_LEAST = 1.0            # seconds of processor time after which a program that runs when the run is given up counts as spinning
MEMORY_EVERY = 0.05         # seconds between two looks at how much memory all programs use
UNWAITED = 500              # processes of one parent that have ended, and that nobody has waited for
VAIN = 100                  # so many calls of one thread in a row brought nothing: then another one is no longer held for it
IDLE_CALLS = 500            # so many calls of one thread in a row brought nothing: it may spin
SLEEPS = 1_000              # so many sleeps in a row were ended by the clock, and nothing came of any of them


def unwaited(pids: Iterable[int]) -> Optional[Stop]:
    """Returns the end of a run in which a program does not wait for its children; else None. Each child that has ended keeps a
    process id of the machine until somebody has waited for it."""
    if not any(kernel.leaves_unwaited(pid, UNWAITED) for pid in pids):
        return None
    return Stop("runaway", f"more than {UNWAITED} child processes of one program have ended, and it has not waited for them")


class Watch:
    """Knows for how long nothing has happened, and how much processor time that has cost. `idle`: after so many seconds without
    progress the run is given up."""

    def __init__(self, idle: float = IDLE) -> None:
        self.most = idle
        self.since = time.monotonic()       # the time of the last progress
        self.until = self.since             # until then a program has a reason to wait: a pause in real time, a timer
        self._cpu = -1.0
        self._end = self.since + LONGEST
        self._memory_at = self.since + MEMORY_EVERY     # the time of the next look at the memory
        self._paused = self.since           # until then pauses last that do not count as time of the run

    def pause(self, seconds: float) -> None:
        """Notes that a pause in real time lasts for so many seconds from now."""
        self.expect(seconds)
        now = time.monotonic()
        self._end += max(0.0, now + seconds - max(self._paused, now))
        self._paused = max(self._paused, now + seconds)

    def thought(self, seconds: float) -> None:
        """Notes that a policy took so many seconds to choose. It may have asked a person. This time does not count."""
        self._end += seconds

    def over(self) -> Optional[Stop]:
        """Returns the end of a run that has gone on for too long; else None."""
        if time.monotonic() < self._end:
            return None
        return Stop("runaway", f"the run has gone on for {LONGEST:.0f} s, pauses not counted")

    def touch(self) -> None:
        """Notes that there was progress."""
        self.since = time.monotonic()
        self._cpu = -1.0

    def expect(self, seconds: float) -> None:
        """Notes that something will go on by itself in so many seconds from now."""
        self.until = max(self.until, time.monotonic() + seconds)

    def expect_since(self, seconds: float) -> None:
        """Notes that something will go on by itself in so many seconds, counted from the last progress."""
        self.until = max(self.until, self.since + seconds)

    @property
    def quiet_for(self) -> float:
        """For how many seconds there was no progress, without the time in which a program has a reason to wait."""
        return time.monotonic() - max(self.since, min(self.until, time.monotonic()))

    def stop(self, pids: Iterable[int], busy: str, who: str = "", idle: bool = False) -> Optional[Stop]:
        """Returns the end of a run that has passed a limit; else None. `busy` says why nobody is known to wait for ever. `who`
        names the programs that run ("the server"). `idle`: these make calls that bring nothing."""
        pids, now = list(pids), time.monotonic()
        if now >= self._memory_at:
            self._memory_at = now + MEMORY_EVERY
            if sum(map(kernel.resident_bytes, pids)) > 2 * MEMORY or kernel.memory_files(pids) > 2 * MEMORY:
                return Stop("runaway", f"more than {2 * MEMORY >> 20} MiB of memory")
        if now - self.since <= 0.5:
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
            return Stop("no progress", f"nothing happened for {self.most:.0f} s: {busy or 'the kernel does not tell more'}")
        return None
