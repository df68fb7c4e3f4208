"""Are proofs proofs? This runs random pairs of programs. A pair that is proven to be done is left alone for longer than all of its timers.

    python3 tests/torture/proofs.py [--runs 2000] [--seed 1] [--jobs 4] [--show]

A pair has a number, and the same number gives the same pair (ops.c says what the programs can do). The conductor runs it as it runs any
scenario. If the conductor says that nothing can happen any more (`deadlock`, for example), the same processes are left as they are, not
stopped, for longer than their longest timer. The proof was false if a program makes a call, a call returns, a line or some output comes,
a process ends, or a thread has left its call. If calls are not looked at, the proof was also false if a thread has run.

It also counts what was not proven, and why: a "no progress" after which nothing happened either is a proof that was missed.
"""
from __future__ import annotations

import argparse
import collections
import concurrent.futures
import functools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from harness.explore import schedules                              # noqa: E402  (found by the path above)
from harness.stage import limits                                  # noqa: E402
from harness.stage.conductor import Conductor, Live, Policy, VirtualClock   # noqa: E402
from harness.stage.keeper import Keeper, KeeperError, open_keeper               # noqa: E402
from harness.stage.scenarios import Scenario                       # noqa: E402
from harness.trace import Run                                      # noqa: E402

SOL_SOCKET, SOL_TCP = 1, 6
RCVLOWAT, RCVTIMEO, SNDTIMEO, RCVBUF, SNDBUF, KEEPALIVE = 18, 20, 21, 8, 7, 9
NODELAY, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, USER_TIMEOUT = 1, 3, 4, 5, 6, 18
POLLIN, POLLOUT, POLLRDHUP = 1, 4, 0x2000
EXCLUSIVE, ONE_SHOT, EDGE = 1 << 28, 1 << 30, -(1 << 31)
PEEK, DONTWAIT, WAITALL, MORE = 2, 0x40, 0x100, 0x8000
ALARM, USR1, CHILD = 14, 10, 17
CONN, SECOND, PIPE, PIPE_END, UNIX, UNIX_END, UDP, UDP_END, TIMER, EVENT, COPY = range(1, 12)     # slots
LONGEST = 100       # seconds that a run may take, on a machine that also does other work
SLOW = 4.0          # seconds after which TCP_USER_TIMEOUT and TCP_DEFER_ACCEPT can do nothing more
FAULTS = ("hangs", "lab error")


@dataclass(frozen=True)
class Pair:
    """Two programs, as lists of operations. After `longest` seconds none of their timers can still be pending."""

    number: int
    server: "tuple[str, ...]"
    client: "tuple[str, ...]"
    how: str            # "virtual", "live", "held"
    isolate: bool
    observe: bool

    @property
    def longest(self) -> float:
        lines = [line.split() for line in (*self.server, *self.client)]
        slow = any(words[0] == "option" and words[3] == str(USER_TIMEOUT) or words[0] == "listen" and words[3] != "0" for words in lines)
        alarm = any(words[0] == "alarm" for words in lines)
        return SLOW if slow else 1.4 if alarm else 0.7

    def told(self) -> str:
        where = "" if self.isolate else ", network shared"
        return "\n".join([f"pair {self.number} ({self.how}{where}{'' if self.observe else ', calls not observed'})", "  server", *(f"    {line}" for line in self.server),
                          "  client", *(f"    {line}" for line in self.client)])


class Writer:
    """Writes one program's operations."""

    def __init__(self, dice: random.Random, serves: bool) -> None:
        self.dice, self.serves = dice, serves
        self.lines: "list[str]" = []
        self.most = dice.randint(3, 10)

    def write(self) -> "tuple[str, ...]":
        self._prelude()
        self._body(0)
        if self.chance(0.3):
            self.add("join")
        if self.chance(0.3):
            self.add("wait", 0)
        return tuple(self.lines)

    # -- what it is made of ------------------------------------------------------------------------------------------

    def chance(self, part: float) -> bool:
        return self.dice.random() < part

    def add(self, name: str, *numbers: int) -> None:
        self.lines.append(" ".join([name, *map(str, numbers), *["0"] * (4 - len(numbers))]) if numbers else name)

    def ms(self) -> int:
        return self.dice.choice((10, 30, 60, 100, 200, 300))

    def limit(self) -> int:
        """Returns the limit of a wait in ms; mostly -1, for none."""
        return self.ms() if self.chance(0.25) else -1

    def again(self) -> int:
        return self.ms() if self.chance(0.15) else 0

    def slot(self) -> int:
        return self.dice.choices((CONN, SECOND, PIPE, PIPE_END, UNIX, UNIX_END, UDP, UDP_END, TIMER, EVENT, COPY, 0),
                                 (80, 4, 4, 2, 4, 3, 4, 3, 4, 2, 3, 2))[0]

    def size(self) -> int:
        return self.dice.choice((1, 1, 5, 100, 5000, 300000))

    def _prelude(self) -> None:
        if self.serves:
            self.add("listen", self.dice.choice((0, 1, 5)), self.dice.choice((0, 0, 0, 4096)), int(self.chance(0.04)))
            if self.chance(0.08):
                self.add("limit", 0, RCVTIMEO, self.ms())
            if self.chance(0.05):
                self.add("option", 0, SOL_TCP, USER_TIMEOUT, self.ms())
            for _ in range(self.dice.choice((0, 0, 1, 2))):
                self._thing()
            self.add("accept", CONN)
        else:
            for _ in range(self.dice.choice((0, 0, 1, 2))):
                self._thing()
            self.add("connect", CONN, self.dice.choice((0, 0, 0, 4096)), int(self.chance(0.1)))

    def _body(self, depth: int) -> None:
        for _ in range(self.dice.randint(1, self.most if depth == 0 else 4)):
            if depth < 2 and self.chance(0.14):
                self.add(self.dice.choice(("thread", "fork")))
                self._body(depth + 1)
                self.add("end")
            else:
                self.dice.choices((self._wait, self._talk, self._thing, self._own, self._set), (45, 25, 10, 10, 10))[0]()

    def _thing(self) -> None:
        """Adds something on which a program can wait, or a timer."""
        do = self.dice.randrange(13)
        if do == 0:
            self.add("pipe", PIPE, PIPE_END)
        elif do == 1:
            self.add("pair", UNIX, UNIX_END, self.dice.choice((1, 2, 5)))
        elif do == 2:
            self.add("udp", UDP, UDP_END)
        elif do == 3:
            self.add("timerfd", TIMER, self.ms(), self.again())
        elif do == 4:
            self.add("eventfd", EVENT)
        elif do == 5:
            self.add("dup", CONN, COPY)
        elif do in (6, 7):
            self.add("handler", self.dice.choice((ALARM, ALARM, ALARM, USR1, CHILD)), int(self.chance(0.5)), int(self.chance(0.5)))
        elif do in (8, 9):
            self.add("handler", ALARM, int(self.chance(0.5)), int(self.chance(0.5)))
            self.add("itimer", self.ms(), self.again())
        elif do == 10:
            self.add("handler", ALARM, int(self.chance(0.5)), int(self.chance(0.5)))
            self.add("ptimer", self.ms(), self.again(), self.dice.randrange(3), int(self.chance(0.3)))
        elif do == 11 and self.chance(0.3):
            self.add("alarm", 1)
        elif do == 12:
            self.add("connect" if not self.serves else "accept", SECOND)

    def _set(self) -> None:
        """Adds a call that sets an option of a socket."""
        slot = self.dice.choice((CONN, CONN, CONN, CONN, SECOND, UNIX, UNIX_END, UDP, UDP_END, 0))
        do = self.dice.randrange(9)
        if do < 3:
            self.add("limit", slot, self.dice.choice((RCVTIMEO, RCVTIMEO, SNDTIMEO)), self.ms())
        elif do == 3 and self.chance(0.4):
            self.add("option", slot, SOL_TCP, USER_TIMEOUT, self.ms())
        elif do == 4:
            self.add("linger", slot, self.dice.choice((0, 0, 1)))
        elif do == 5:
            self.add("option", slot, SOL_SOCKET, RCVLOWAT, self.dice.choice((1, 5, 100)))
        elif do == 6:
            self.add("option", slot, SOL_TCP, self.dice.choice((NODELAY, CORK)), 1)
        elif do == 7:
            self.add("option", slot, SOL_SOCKET, self.dice.choice((RCVBUF, SNDBUF)), 4096)
        elif self.chance(0.3):
            self.add("nonblock", slot)

    def _talk(self) -> None:
        """Adds an operation that lets other threads go on."""
        do = self.dice.randrange(14)
        if do < 6:
            self.add("write", self.slot(), self.size())
        elif do == 6:
            self.add("send", self.slot(), self.size(), self.dice.choice((0, MORE, DONTWAIT)))
        elif do == 7:
            self.add("shutdown", self.slot(), self.dice.randrange(3))
        elif do == 8:
            self.add("close", self.slot())
        elif do == 9:
            self.add("wake", self.dice.randrange(3))
        elif do == 10:
            self.add("unlock", self.dice.randrange(2))
        elif do == 11:
            self.add(self.dice.choice(("signal", "post")))
        elif do == 12:
            self.add("kill", self.dice.randrange(2), USR1 if self.chance(0.2) else CHILD)
        else:
            self.add("event", self.dice.randrange(9))

    def _own(self) -> None:
        """Adds an operation that needs nobody else."""
        do = self.dice.randrange(10)
        if do < 5:
            self.add("sleep", self.ms(), self.dice.randrange(4))
        elif do == 5:
            self.add("rest", 1)
        elif do == 6 and self.chance(0.3):
            self.add("exit", 0)
        elif do == 7 and self.chance(0.3):
            self.add("leave")
        elif do == 8:
            self.add("setsid")
        else:
            self.add("wait", int(self.chance(0.2)))

    def _wait(self) -> None:
        slot = self.slot()
        do = self.dice.randrange(14 if self.chance(0.8) else 20)
        if do < 5:
            self.add("read", slot, self.size())
        elif do == 5:
            self.add("readall", slot, self.size())
        elif do == 6:
            self.add("recv", slot, self.size(), self.dice.choice((0, PEEK, WAITALL, DONTWAIT)))
        elif do == 7:
            self.add("readv", slot, self.dice.choice((1, 100)), int(self.chance(0.5)))
        elif do < 10:
            self.add("poll", slot, self.dice.choice((POLLIN, POLLIN, POLLOUT, POLLRDHUP, POLLIN | POLLRDHUP, 0)), self.limit(), self.dice.choice((-1, -1, self.slot())))
        elif do == 10:
            self.add("ppoll", slot, self.dice.choice((POLLIN, POLLOUT)), self.limit())
        elif do == 11:
            self.add("select", slot, int(self.chance(0.2)), self.limit())
        elif do < 14:
            self.add("epoll", slot, self.dice.choice((POLLIN, POLLIN, POLLIN | EDGE, POLLOUT, POLLIN | ONE_SHOT, POLLIN | EXCLUSIVE, POLLRDHUP)), self.limit(),
                     self.dice.choice((0, 0, 1, 2, 3, 4, 18)))
        elif do == 14:
            self.add("futex", self.dice.randrange(3), self.limit(), int(self.chance(0.5)))
        elif do == 15:
            self.add("lock", self.dice.randrange(2))
        elif do == 16:
            self.add("condition", self.dice.randrange(2), self.limit())
        elif do == 17:
            self.add("semaphore", self.limit())
        elif do == 18:
            self.add("sigwait", self.dice.choice((ALARM, USR1)), self.limit())
        else:
            self.add("pause")


def pair(number: int) -> Pair:
    dice = random.Random(f"pair {number}")
    server, client = Writer(dice, True).write(), Writer(dice, False).write()
    how = dice.choices(("virtual", "live", "held"), (60, 30, 10))[0]
    by_signal = any(line.split()[0] in ("itimer", "ptimer", "alarm") for line in (*server, *client))
    return Pair(number, server, client, how, dice.random() < 0.85, by_signal or dice.random() < 0.85)


# --- running -------------------------------------------------------------------------------------------------------------------

@dataclass
class Told:
    """What became of a pair. `moved` is what happened after a proof; it is empty if the proof was right."""

    number: int
    kind: str
    proven: bool
    words: str = ""
    moved: "list[str]" = field(default_factory=list)
    seconds: float = 0.0


class LeavesAlone(Conductor):
    """A conductor that leaves the programs alone when it has proven that they are done, and looks whether anything still happens."""

    longest = 0.0
    left_alone = guessed = False
    moved: "list[str]" = []

    @property
    def proven(self) -> bool:
        """Does the run's end say that nothing can happen any more, while programs are still alive? An end that is a guess does not."""
        stop = self.stop
        return stop is not None and not self.guessed and stop.kind in ("deadlock", "waiting", "over") and not stop.words.startswith("all wait") and bool(self._pids())

    def _guess(self) -> bool:
        went = super()._guess()
        self.guessed = self.stop is not None
        return went

    def _finish(self) -> Run:
        self.left_alone = self.proven
        if self.left_alone:
            self.moved = self._left_alone(self.longest)
        return super()._finish()

    def _left_alone(self, seconds: float) -> "list[str]":
        before, counts = {thread.tid: thread for thread in self.last.threads}, self._counts()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and self._counts() == counts:
            self._pump(left)
        found = [f"{after[what] - counts[what]} {what}" for after in [self._counts()] for what in after if after[what] != counts[what]]
        after = {thread.tid: thread for thread in self.look().threads}
        if self.observe:        # each return of a call was seen. A kernel also wakes a thread for nothing (an acknowledgement of its FIN), and it waits on
            before = {tid: replace(one, ran="") for tid, one in before.items()}
            after = {tid: replace(one, ran="") for tid, one in after.items()}
        found += [f"thread {tid} ({self.intake.members.who(one.pid)}, {one.call}) " + (f"has run: {after[tid].call or 'it runs'}" if tid in after else "has ended")
                  for tid, one in before.items() if after.get(tid) != one]
        return found

    def _counts(self) -> "dict[str, int]":
        book = self.book
        return {"lines": len(book.events), "calls": len(book.calls), "returns": sum(call.returned >= 0 for call in book.calls),
                "outputs": len(book.outputs), "endings": len(book.endings) + len(book.children)}


@functools.lru_cache(maxsize=None)
def program() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "ops"
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{ROOT / 'common'}",
                        str(ROOT / "tests/torture/ops.c"), *map(str, sorted((ROOT / "common").glob("*.c"))), "-o", str(out)], check=True)
        return out.read_bytes()


_keepers: "dict[tuple[bool, bool], Keeper]" = {}


def _keeper(isolate: bool, observe: bool) -> Keeper:
    key = isolate, observe
    if key not in _keepers or not _keepers[key].alive:
        _keepers[key] = open_keeper(isolate, observe)
    return _keepers[key]


def close() -> None:
    """Ends this process's keepers."""
    while _keepers:
        _keepers.popitem()[1].end()


def _policy(how: str) -> Policy:
    return Live() if how == "live" else schedules.Delays((), False) if how == "held" else VirtualClock()


def run(wanted: Pair) -> Told:
    """Runs a pair, and looks whether its proof was right."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        folder = Path(name)
        for role, script in (("server", wanted.server), ("client", wanted.client)):
            (folder / role).write_bytes(program())
            (folder / role).chmod(0o755)
            (folder / f"{role}.ops").write_text("\n".join(script) + "\n")
        conductor = LeavesAlone(Scenario("99-torture", folder, folder), _policy(wanted.how), keeper=_keeper(wanted.isolate, wanted.observe), observe=wanted.observe)
        conductor.longest = wanted.longest
        conductor.watch.most = 4.0
        stop = conductor.run().stop
    return Told(wanted.number, stop.kind, conductor.left_alone, stop.words, conductor.moved, time.monotonic() - began)


class Hangs(BaseException):
    """A run does not end. It is no Exception, so that nothing in the harness takes it for an error of its own."""


def run_number(number: int) -> Told:
    """Runs the pair with that number. If the run does not end, it is reported, and its keeper is killed."""
    def too_long(*_: object) -> None:
        raise Hangs
    program()
    wanted = pair(number)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST)
    try:
        return run(wanted)
    except Hangs as error:
        keeper = _keepers.pop((wanted.isolate, wanted.observe))
        os.kill(keeper.pid, signal.SIGKILL)
        keeper.end()
        where = traceback.extract_tb(error.__traceback__)[-2]
        return Told(number, "hangs", False, f"in {where.name}, {where.filename}:{where.lineno}")
    except KeeperError as error:
        return Told(number, "lab error", False, str(error))
    finally:
        signal.alarm(0)


def _worker() -> None:
    limits.LONGEST = LONGEST / 5        # a program may tick for ever
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program()


def run_all(numbers: "list[int]", jobs: int, tell: "Optional[Callable[[Told], None]]" = None) -> "list[Told]":
    """Runs pairs side by side."""
    found = []
    with concurrent.futures.ProcessPoolExecutor(jobs, initializer=_worker) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_number, number) for number in numbers]):
            told = done.result()
            found.append(told)
            if tell is not None:
                tell(told)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first pair")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--show", action="store_true", help="show each pair, and what became of it")
    args = parser.parse_args()

    def tell(told: Told) -> None:
        if told.moved or told.kind in FAULTS or args.show:
            print(f"{pair(told.number).told()}\n  {told.kind} {told.words} ({told.seconds:.1f} s)", *(f"  FALSE: {words}" for words in told.moved), sep="\n", flush=True)
    found = run_all(list(range(args.seed, args.seed + args.runs)), args.jobs, tell)
    false = [told.number for told in found if told.moved]
    kinds = collections.Counter(told.kind for told in found)
    print(f"pairs {args.seed} to {args.seed + args.runs - 1}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
    for (kind, words), count in collections.Counter((told.kind, told.words) for told in found if told.kind not in ("deadlock", "over")).most_common(25):
        example = next(told.number for told in found if (told.kind, told.words) == (kind, words))
        print(f"  {count:5} {kind}: {words}   (pair {example})")
    bad = [told.number for told in found if told.kind in FAULTS]
    print(f"{sum(told.proven for told in found)} proofs, {kinds['deadlock']} of a deadlock, {len(false)} false" + (f": pairs {false}" if false else ""))
    return 1 if false or bad else 0


if __name__ == "__main__":
    sys.exit(main())
