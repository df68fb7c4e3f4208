"""Quiescence and deadlock: asked of the kernel, not of a timer.

A look takes every live thread with the call that it waits in, then every TCP socket that a program holds, then the threads
again. It is calm if each thread waits in a call that only another program can end, nothing that would end it is under way,
and both samples of the threads are equal, the count of times that each one has run included. Then no thread ran between its
first reading and its second: all waited at once, and the sockets are what they were at that moment. The conductor then makes
sure that no log line was on its way to it.

Under way are bytes that one end has sent and the other has not received, bytes that are not sent yet though the peer's
window has room, and a FIN that the other end has not seen. Bytes that were received and not yet acknowledged are not: no
need to wait 40 ms for a delayed ACK. Only a zero-window probe and keep-alive may still be sent, and neither wakes anybody.

A wait with a time limit of its own ends by itself. Where only such waits stand in the way, the look says so (`timed`), and for how
long. A timer that ends a wait by a signal is none of the kernel's facts here: timers.py has those that the observed calls show.

What can't be seen: whoever outside of the run would speak to it; without observed calls, an alarm(2) or setitimer(2) that is pending.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterable, Optional

from . import kernel
from .kernel import Sock, Thread
from ..trace import Socket, Waiting

_OWN_TIMERS = ("timerfd", "signalfd", "inotify", "fanotify", "io_uring")
_FIN_SENT = ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "LAST-ACK", "TIME-WAIT")


@dataclass(frozen=True)
class Look:
    """What the kernel said at one moment. `busy` is "" where the look is calm, which is a proof; else why it is not, in words."""

    threads: tuple[Thread, ...]
    sockets: tuple[Sock, ...] = ()
    busy: str = ""
    under_way: int = 0
    unknown: bool = False   # the kernel did not tell
    unasked: bool = False   # a socket that is waited on could not be asked for its time limits: calm is no proof then
    timed: bool = False     # only waits with a time limit of their own stand in the way
    limit: float = 0.0      # timed: the longest of these limits in seconds, from the beginning of its wait; 0: not known
    targets: "dict[int, tuple[int, ...]]" = field(default_factory=dict)     # tid: the descriptors that it waits on
    names: "dict[int, dict[int, str]]" = field(default_factory=dict)        # process: what its descriptors are, "pipe:[7]"


def look(pids: Iterable[int], held: "set[int]", ours: "set[str]") -> Look:
    """Looks at the processes. `held`: ids of the threads that the conductor holds; they are left out. `ours`: the pipes
    ("pipe:[7]") whose other end the harness reads."""
    pids = list(pids)
    threads = _threads(pids, held)
    timed: list[tuple[str, float]] = []
    for thread in threads:
        if thread.call == "?":
            return Look(threads, busy="the kernel does not tell what a thread waits for", unknown=True)
        if thread.call == "":
            return Look(threads, busy="a thread runs")
        if not kernel.waits_for_ever(thread):
            timed.append((_ends_by_itself(thread), kernel.limit_of(thread)))
    names = {pid: kernel.descriptors(pid) for pid in pids}
    sockets = tuple(sock for pid in pids for sock in kernel.tcp_sockets(pid, names[pid]))
    by_fd = {(sock.pid, sock.fd): sock for sock in sockets}
    targets: dict[int, tuple[int, ...]] = {}
    for thread in threads:
        fds = (thread.fd,) if thread.fd >= 0 else ()
        if thread.call in ("poll", "select", "epoll_wait"):
            read = kernel.polled(thread)
            if read is None:
                return Look(threads, sockets, busy=f"what a {thread.call} waits on can't be read", unknown=True)
            fds = tuple(read)
        targets[thread.tid] = fds
        for fd in fds:
            sock = by_fd.get((thread.pid, fd))
            busy = _may_end(thread, sock, names[thread.pid].get(fd, ""), ours)
            if busy:
                return Look(threads, sockets, busy=busy)
            timed += _limits(thread, sock)
    count, words = _under_way(sockets, pids)
    waited_on = (by_fd.get((t.pid, fd)) for t in threads for fd in targets.get(t.tid, ()) if t.call in ("read", "write", "accept"))
    unasked = any(sock is not None and not sock.asked and sock.state != "LISTEN" for sock in waited_on)
    if not words and _threads(pids, held) != threads:
        words = "a thread has run meanwhile"
    if timed and not words:
        words, limit = max(timed, key=lambda one: one[1])
        return Look(threads, sockets, busy=words, under_way=count, targets=targets, names=names, unasked=unasked, timed=True, limit=limit)
    return Look(threads, sockets, busy=words, under_way=count, targets=targets, names=names, unasked=unasked)


def _threads(pids: "list[int]", held: "set[int]") -> "tuple[Thread, ...]":
    return tuple(thread for pid in pids for thread in kernel.threads(pid, held))


def _ends_by_itself(thread: Thread) -> str:
    return "a thread sleeps" if thread.call == "sleep" else f"a {thread.call} ends by itself, or may"


def _limits(thread: Thread, sock: Optional[Sock]) -> "list[tuple[str, float]]":
    """The time limits that a socket sets to a wait on it: words, and seconds."""
    if sock is None:
        return []
    found = []
    if thread.call in ("read", "accept") and sock.read_limit:
        found.append((f"a {thread.call} has a time limit of {sock.read_limit / 1e9:g} s", sock.read_limit / 1e9))
    if thread.call in ("write", "connect") and sock.write_limit:
        found.append((f"a {thread.call} has a time limit of {sock.write_limit / 1e9:g} s", sock.write_limit / 1e9))
    if sock.user_timeout and sock.unacked > 0:      # asked at each probe: so it may take twice as long
        found.append((f"TCP_USER_TIMEOUT ends the connection when {sock.user_timeout / 1e9:g} s have passed without an acknowledgement",
                      2 * sock.user_timeout / 1e9 + 1))
    return found


def _may_end(thread: Thread, sock: Optional[Sock], name: str, ours: "set[str]") -> str:
    """Why the wait on this descriptor may end though no other program does anything; "" if it can't."""
    if sock is None:
        if any(word in name for word in _OWN_TIMERS):
            return f"a {thread.call} waits on {name}"
        if thread.call == "write" and (name in ours or name.startswith("socket:")):
            return "a program's output is being read"
        return ""
    if sock.error or sock.state in ("CLOSED", "SYN-SENT", "SYN-RECEIVED"):
        return f"a {thread.call} is about to end: the socket is {sock.state}"
    if thread.call == "read" and (sock.eof or sock.unread >= max(1, sock.low_water)):
        return "a read is about to end"
    if thread.call == "accept" and sock.unread > 0:
        return "a connection waits to be accepted"
    return ""


def _under_way(sockets: "tuple[Sock, ...]", pids: "list[int]") -> "tuple[int, str]":
    ends = {(sock.local, sock.peer): sock for sock in sockets if sock.peer}
    rows: "Optional[dict[tuple[str, str], kernel.Row]]" = None
    for sock in sockets:
        if sock.state in ("LISTEN", "CLOSED"):
            continue
        other = ends.get((sock.peer, sock.local))
        if other is None:   # nobody holds the other end: closed, or not accepted yet
            if sock.eof and sock.unacked == 0:
                continue
            if sock.unacked > 0:
                return sock.unacked, "bytes are on their way"
            if rows is None:    # the whole table is long to read
                rows = {(row.local, row.peer): row for row in kernel.tcp_rows(pids[0])} if kernel.orphans(pids[0]) else {}
            row = rows.get((sock.peer, sock.local))
            if row is not None and row.state in _FIN_SENT and not sock.eof and not row.probing:     # else it stands behind a full window
                return 1, "a FIN is on its way"
            continue
        if other.state == "CLOSED":
            continue
        count = _in_flight(sock, other)
        if count:
            return count, "bytes are on their way"
        if sock.state in _FIN_SENT and not other.eof and not _window_closed(sock):
            return 1, "a FIN is on its way"
    return 0, ""


def _in_flight(sock: Sock, other: Sock) -> int:
    """Bytes that will reach the other end without anybody doing anything."""
    if _window_closed(sock):
        return 0
    if sock.sent < 0 or other.received < 0:
        return sock.unacked
    return max(0, sock.sent - (other.received - other.eof)) + sock.unsent


def _window_closed(sock: Sock) -> bool:
    """Everything that was sent is acknowledged, more is to be sent, and the peer's window has no room for it."""
    return sock.unsent > 0 and sock.window == 0 and sock.unacked == sock.unsent


class Records:
    """Turns looks into records: who is who, which connection a socket belongs to, where a thread logged its last line."""

    def __init__(self, who: Callable[[int], str], number: Callable[[str, str], int], source: Callable[[int], str],
                 names: "tuple[str, ...]" = ()) -> None:
        self.who, self.number, self.source, self.names = who, number, source, names

    def sockets(self, seen: Look, ns: int) -> "tuple[Socket, ...]":
        """The looks' sockets as records; a socket that two descriptors share is told once for each process."""
        return tuple(Socket(ns, self.who(s.pid), s.pid, s.fd, self._connection(s), s.state, s.local, s.peer, s.unread,
                            s.unacked, s.unsent, s.eof) for s in seen.sockets)

    def _connection(self, sock: Optional[Sock]) -> int:
        return self.number(sock.local, sock.peer) if sock is not None and sock.peer else 0

    def waiting(self, seen: Look) -> "tuple[Waiting, ...]":
        """The threads that wait for somebody, and for whom."""
        by_fd = {(sock.pid, sock.fd): sock for sock in seen.sockets}
        found = []
        for thread in seen.threads:
            fds = seen.targets.get(thread.tid, (thread.fd,) if thread.fd >= 0 else ())
            socks = [by_fd[thread.pid, fd] for fd in fds if (thread.pid, fd) in by_fd]
            on = sorted({self.who(pid) for sock in socks for pid in _holders(sock, seen)} - {self.who(thread.pid)})
            conn = next((sock for sock in socks if sock.peer), None)
            found.append(Waiting(self.who(thread.pid), thread.pid, thread.tid, thread.call, fds[0] if fds else -1,
                                 self._connection(conn), " and ".join(on), self.source(thread.tid)))
        return tuple(found)

    def cycle(self, seen: Look) -> "tuple[str, ...]":
        """The names of a cycle of processes each of which has a thread that waits for the next one; () if there is none."""
        by_fd = {(sock.pid, sock.fd): sock for sock in seen.sockets}
        graph: dict[int, set[int]] = {}
        for thread in seen.threads:
            for fd in seen.targets.get(thread.tid, ()):
                if (thread.pid, fd) in by_fd:
                    graph.setdefault(thread.pid, set()).update(_holders(by_fd[thread.pid, fd], seen))
        for start in sorted(graph):
            path = _path_back(graph, start)
            if path:
                names = [self.who(pid) for pid in path]
                first = max(range(len(names)), key=lambda n: self.names.index(names[n]) if names[n] in self.names else -1)
                return tuple(dict.fromkeys(names[first:] + names[:first]))
        return ()


def _holders(sock: Sock, seen: Look) -> "set[int]":
    return {other.pid for other in seen.sockets if sock.peer and (other.local, other.peer) == (sock.peer, sock.local)}


def parents(pid: int) -> "set[int]":
    """The processes above this one."""
    found = set()
    while (pid := kernel.parent(pid)) > 1 and pid not in found:
        found.add(pid)
    return found


def _path_back(graph: "dict[int, set[int]]", start: int) -> "list[int]":
    """A path from start to itself through at least one other process, or []."""
    todo = [[start]]
    seen = {start}
    while todo:
        path = todo.pop()
        for following in sorted(graph.get(path[-1], ())):
            if following == start and len(path) > 1:
                return path
            if following not in seen:
                seen.add(following)
                todo.append([*path, following])
    return []
