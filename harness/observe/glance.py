"""A glance: a quick look that proves nothing. It only lets a held thread go on. What ends a run is looked at in full
(quiescence.py).

A glance uses what the glance before it found. A thread that waited then, and that has not run since, still waits: its call is not
read again. A connection is as quiet as it was if no call and no segment of it was reported since: its sockets are not asked for.
So the cost of a glance depends on how much has happened since the last one. The cost of a full look depends on how much there is.

A glance believes the observed calls where a full look asks the kernel: which processes there are, and whether a socket's options
have changed. What it does not know at once it leaves to a full look: a wait with a time limit, a wait to write, a connection that
is being made.
"""
from __future__ import annotations

import enum
import os
from dataclasses import dataclass
from typing import Container, Iterable, Optional

from . import kernel, quiescence, sockets
from .sockets import Limits, Network, Snapshot

_IN_HAND = 200          # for so many threads at most, files of /proc stay open
_OPEN = ("syscall", "schedstat")


class Seen(enum.Enum):
    """What a glance found."""

    CALM = "all wait, and nothing is under way"
    MOVES = "somebody runs, or something is under way"
    UNKNOWN = "a full look is needed"


@dataclass
class _Thread:
    """A thread of the run. `ran` changes whenever the thread has run. It is b"" as long as the thread was not seen to wait."""

    pid: int
    tid: int
    files: "tuple[int, ...]"        # the open descriptors of its syscall and its schedstat; () if there are too many threads for that
    ran: bytes = b""

    def read(self, name: str) -> bytes:
        """Returns the beginning of one of its files in /proc; b"" if the thread has gone."""
        try:
            if self.files and name in _OPEN:
                return os.pread(self.files[_OPEN.index(name)], 256, 0)
            with open(f"/proc/{self.pid}/task/{self.tid}/{name}", "rb", buffering=0) as file:
                return file.read(4096)
        except OSError:
            return b""

    def rests(self) -> bool:
        """It slept in a call when `ran` was read. Does it sleep there still, and has it not run since? As soon as it is woken, the kernel
        says "running" in place of the call. (proc(5): to read syscall costs less than to read stat.)"""
        try:
            if self.files:      # in this order: else what it ran before its sleep could be missed
                return os.pread(self.files[0], 256, 0)[:1].isdigit() and os.pread(self.files[1], 128, 0) == self.ran
        except OSError:
            return False
        return self.read("syscall")[:1].isdigit() and self.read("schedstat") == self.ran

    @property
    def state(self) -> bytes:
        stat = self.read("stat")
        return stat[stat.rfind(b")") + 2:][:1]

    def close(self) -> None:
        for fd in self.files:
            os.close(fd)


class Glances:
    """The glances of one run. `waiting` has the ids of the threads that the last glance found asleep."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.waiting: "list[int]" = []
        self._options = 0
        self._threads: "dict[int, _Thread]" = {}
        self._limits: "dict[int, Limits]" = {}      # by inode
        self._tids: "dict[int, list[int]]" = {}     # by process: its threads at the last glance

    def glance(self, pids: "Iterable[int]", held: Container[int], touched: "set[Optional[tuple[str, str]]]", options: int) -> Seen:
        """Looks at the processes. `held` has the ids of the threads that the conductor holds; they are left out. `touched` has
        the connections of which something was reported since the last calm glance or look, as pairs of addresses; a calm glance
        clears it. None in it stands for a connection without known addresses: then a full look is needed. `options` changes
        whenever a program has set a socket's option."""
        self.waiting = []
        if None in touched:
            return Seen.UNKNOWN
        if options != self._options:
            self._limits.clear()
            self._options = options
        tids = {pid: kernel.thread_ids(pid, self._tids.get(pid)) for pid in pids}
        if not all(tids.values()):
            return Seen.MOVES       # a process is ending
        if tids != self._tids:
            self._tids = tids
            self._know({tid: pid for pid, its in tids.items() for tid in its})
        waiting = []
        for tid, thread in self._threads.items():
            if tid in held:
                thread.ran = b""
            elif thread.ran:
                waiting.append(thread)
            else:
                seen = self._first(thread)
                if seen is not Seen.CALM:
                    return seen
                if thread.ran:
                    waiting.append(thread)
        self.waiting = [thread.tid for thread in waiting]
        seen = self._connections({pair for pair in touched if pair is not None})
        if seen is not Seen.CALM:
            return seen
        for thread in waiting:
            if not thread.rests():
                thread.ran = b""
                seen = Seen.MOVES
        if seen is Seen.CALM:
            touched.clear()
        return seen

    def close(self) -> None:
        for thread in self._threads.values():
            thread.close()
        self._threads.clear()

    def _know(self, there: "dict[int, int]") -> None:
        """Notes which threads there are, each with its process."""
        for tid in [tid for tid in self._threads if tid not in there]:
            self._threads.pop(tid).close()
        for tid, pid in there.items():
            if tid not in self._threads:
                self._threads[tid] = self._begin(pid, tid)

    def _begin(self, pid: int, tid: int) -> _Thread:
        files: "list[int]" = []
        try:
            for name in _OPEN if len(self._threads) < _IN_HAND else ():
                files.append(os.open(f"/proc/{pid}/task/{tid}/{name}", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            pass
        made = _Thread(pid, tid, tuple(files) if len(files) == 2 else ())
        for fd in files if not made.files else ():
            os.close(fd)
        return made

    def _first(self, thread: _Thread) -> Seen:
        """Looks at a thread that is not known to wait. CALM if it waits, or if it has gone (then `ran` stays empty)."""
        ran = thread.read("schedstat")
        state = thread.state
        if state in (b"Z", b"X"):
            return Seen.CALM
        if state != b"S":
            if not state:       # its number may be another thread's by now
                self._threads.pop(thread.tid).close()
                self._tids.pop(thread.pid, None)
            return Seen.MOVES
        if not ran:
            return Seen.UNKNOWN
        call = kernel.waiting_in(thread.pid, thread.tid, thread.read("syscall").decode("ascii", "replace"))
        if call is None:
            return Seen.MOVES
        if not self._stays(call):
            return Seen.UNKNOWN
        thread.ran = ran
        return Seen.CALM

    def _stays(self, thread: kernel.Thread) -> bool:
        """Does this thread wait without a time limit, and only until somebody else gives it something to read?"""
        fds = quiescence.waited_on(thread) if kernel.waits_for_ever(thread) else None
        return fds is not None and all(wants == kernel.POLLIN and self._brings_no_end(thread.pid, fd) for fd, wants in fds.items())

    def _brings_no_end(self, pid: int, fd: int) -> bool:
        """Is this descriptor one that does not end a wait by itself: a file, a pipe, or a socket without time limits?"""
        try:
            what = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            return False
        inode = kernel.socket_inode(what)
        if not inode:
            return what.startswith(("/", "pipe:"))
        if inode not in self._limits:
            found = sockets.ask([(pid, fd)])
            if not found:
                return False
            self._limits[inode] = found[pid, fd]
        return self._limits[inode] == Limits()

    def _connections(self, touched: "set[tuple[str, str]]") -> Seen:
        """Is anything under way on the connections of which something was reported?"""
        if not touched:
            return Seen.CALM
        found = self.network.ends(touched)
        if found is None:
            return Seen.UNKNOWN
        ends = {(sock.local, sock.peer) for sock in found}
        for sock in found:
            if sock.state in ("SYN-SENT", "SYN-RECEIVED") or (sock.peer, sock.local) not in ends and sockets.must_have_an_end(sock):
                return Seen.UNKNOWN
        return Seen.MOVES if quiescence.under_way(Snapshot(tuple(found)), [])[1] else Seen.CALM
