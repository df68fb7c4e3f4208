"""Quiescence and deadlock: the harness asks the kernel for them, and no timer.

A look reads every live thread with the call in which it waits. Then it reads the TCP sockets that the programs hold, with their
other ends. Then it reads the threads again. The look is calm if three things hold: each thread waits in a call that only another
program can end; nothing that would end it is under way; and both readings of the threads are equal, with the count of times that
each one has run. Then no thread ran between its first reading and its second one: all waited at the same time, and the sockets
are what they were at that moment. The kernel locks a socket while it reports it. So what had arrived by then had also woken up
whoever waits for it, and the second reading shows that. The conductor then makes sure that no log line was on its way to it.

Under way are: bytes that one end has sent and the other has not received; bytes that are not sent yet though the peer's window
has room; a FIN that the other end has not seen; and, for a thread that waits to write, an acknowledgement. Not under way is what
stands behind a closed window, with a FIN, as long as the other end has bytes that nobody reads: the zero-window probes wake
nobody. Nor is the acknowledgement of received bytes, if nobody waits for it. So a look need not wait 40 ms for a delayed ACK. All
this holds for both ends of a connection, also for an end that its program has closed.

A wait with a time limit of its own ends by itself. If only such waits prevent a calm look, the look says so (`timed`), and how
long they may take. The kernel does not show here whether a timer will end a wait by a signal: timers.py has the timers that the
observed calls show.

What can't be seen: whether somebody outside of the run will speak to it; and, if calls are not observed, a pending alarm(2) or
setitimer(2).
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Callable, Iterable, Iterator, Mapping, Optional

from ..trace import Socket, Waiting
from . import kernel, sockets, tcp
from .kernel import Thread
from .sockets import Limits, Network, Snapshot
from .tcp import Sock

_OWN_TIMERS = ("timerfd", "signalfd", "inotify", "fanotify", "io_uring")
_FIN_WRITTEN = ("FIN-WAIT-1", "CLOSING", "LAST-ACK")
_SAYS_NO_MORE = ("LISTEN", "CLOSED", "TIME-WAIT", "SYN-RECEIVED")

Polls = Callable[[int], int]            # takes a thread id; returns how many descriptors its poll(2) that has not returned watches; 0: none
Known = Callable[[int, int, int], Optional[Limits]]     # takes process id, descriptor, inode of a socket; returns its options


@dataclass(frozen=True)
class Look:
    """What the kernel said at one moment. `busy` is "" if the look is calm, and that is a proof. Else `busy` says in words why it
    is not calm."""

    threads: tuple[Thread, ...]
    network: Snapshot = Snapshot()
    busy: str = ""
    under_way: int = 0
    unknown: bool = False   # the kernel did not tell
    unasked: bool = False   # the time limits of a socket on which a thread waits are not known: then a calm look is no proof
    timed: bool = False     # only waits with a time limit of their own prevent a calm look
    limit: float = 0.0      # timed: the longest of these limits, in seconds from now at most; 0: not known
    soonest: float = 0.0    # timed: the shortest of these limits that is known; 0: none is
    limited: "frozenset[int]" = frozenset()     # timed: the threads in these waits; 0: a kernel waits
    targets: "dict[int, dict[int, int]]" = field(default_factory=dict)      # by tid: the descriptors on which it waits, and for what
    names: "Mapping[int, Mapping[int, str]]" = field(default_factory=dict)  # by process: what its descriptors are, "pipe:[7]"


def look(pids: Iterable[int], held: "set[int]", ours: "set[str]", network: Optional[Network] = None,
         known: Optional[Known] = None, polls: Polls = lambda tid: 0, pairs: "Optional[Iterable[tuple[str, str]]]" = None) -> Look:
    """Looks at the processes. `held` has the ids of the threads that the conductor holds; they are left out. `ours` has the pipes
    ("pipe:[7]") whose other end the harness reads. `network` is asked for the sockets. `known` returns the options of a socket
    that can't be asked for them, as far as the caller has observed its setsockopt(2) calls. `polls` returns the poll(2) that a
    thread in restart_syscall(2) continues. `pairs` has the addresses of all connections that were ever begun in this network.
    With None they are not known: then all of its sockets are asked for if there may be one that no program holds."""
    pids = list(pids)
    network = Network() if network is None else network
    threads = _threads(pids, held, polls)
    if any(thread.call == "?" for thread in threads):
        return Look(threads, busy="the kernel does not tell what a thread waits for", unknown=True)
    running = [thread for thread in threads if not thread.call]
    if running:
        return Look(threads, busy="a thread is stopped, by a signal or by ptrace" if all(thread.stopped for thread in running) else "a thread runs")
    targets: "dict[int, dict[int, int]]" = {}
    for thread in threads:
        fds = waited_on(thread)
        if fds is None:
            return Look(threads, busy=f"what a {thread.call} waits on can't be read", unknown=True)
        targets[thread.tid] = fds
    files = {pid: kernel.descriptors(pid) for pid in pids}
    closed = next((f"{thread.call} waits on descriptor {fd}, which has been closed meanwhile" for thread in threads for fd in targets[thread.tid]
                   if fd not in files[thread.pid]), "")
    if closed:      # it waits on what was behind that number, which the kernel no longer tells
        return Look(threads, busy=closed, unknown=True)
    limits = _limits({(thread.pid, fd) for thread in threads for fd in targets[thread.tid]}, files, known)
    seen = network.now(files)
    held_back = {one for one, sock in seen.held.items() if _user_timeout_counts(sock)} - set(limits)
    ends = _limits(held_back, files, known)
    waits = [_Wait(thread, fd, wants, seen.held.get((thread.pid, fd)), limits.get((thread.pid, fd)), files[thread.pid].get(fd, ""))
             for thread in threads for fd, wants in targets[thread.tid].items()]
    busy, count = next(filter(None, (wait.may_end(ours) for wait in waits)), ""), 0
    if not busy:
        count, busy = under_way(seen, waits)
    if not busy and not seen.whole and tcp.orphans(pids[0] if pids else 0):
        seen = network.now(files, whole=True) if pairs is None else network.now(files, pairs=pairs)
        count, busy = under_way(seen, waits)
    if not busy and _threads(pids, held, polls, again=True) != threads:
        busy = "a thread has run meanwhile"
    made = Look(threads, seen, busy, count, unasked=any(wait.unasked for wait in waits) or set(ends) != held_back, targets=targets, names=files)
    timed = [(_ends_by_itself(thread), kernel.limit(thread) or 0.0) for thread in threads if not kernel.waits_for_ever(thread)]
    timed += [one for wait in waits for one in wait.limited()] + [_user_timeout(one) for one in ends.values() if one.user]
    if busy or not timed:
        return made
    words, limit = max(timed, key=lambda one: one[1])
    tids = {thread.tid for thread in threads if not kernel.waits_for_ever(thread)} | {wait.thread.tid for wait in waits if any(True for _ in wait.limited())}
    tids |= {0} if any(one.user for one in ends.values()) else set()
    return replace(made, busy=words, timed=True, limit=limit, soonest=min((one for _, one in timed if one), default=0.0), limited=frozenset(tids))


def frozen(pids: "list[int]", last: Look, network: Network, pending: "Optional[set[int]]") -> Look:
    """Looks at the programs after they were stopped in the middle of a run. Then the place where a thread is stopped says
    nothing. A thread counts as waiting if it waited at the look `last`. If calls are seen, its call must also be one that has not
    returned (`pending`)."""
    before = {thread.tid: thread for thread in last.threads if thread.call and (pending is None or thread.tid in pending or thread.fd < 3)}
    threads = tuple(before.get(thread.tid, replace(thread, call="")) for thread in _threads(pids, set()))
    files = {pid: kernel.descriptors(pid) for pid in pids}
    return Look(threads, network.now(files), last.busy, last.under_way, targets=last.targets, names=files)


def _threads(pids: "list[int]", held: "set[int]", polls: Polls = lambda tid: 0, again: bool = False) -> "tuple[Thread, ...]":
    found = (thread for pid in pids for thread in kernel.threads(pid, held, again))
    return tuple(kernel.resumed(thread, polls(thread.tid)) if thread.call == "restart_syscall" and polls(thread.tid) else thread for thread in found)


def waited_on(thread: Thread) -> "Optional[dict[int, int]]":
    """Returns the descriptors on which a thread waits, each with the events for which it waits; None if that can't be read."""
    if thread.call in ("poll", "select", "epoll_wait"):
        return kernel.polled(thread)
    return {thread.fd: kernel.POLLOUT if thread.call in ("write", "connect") else kernel.POLLIN} if thread.fd >= 0 else {}


def _limits(waited_on: "set[tuple[int, int]]", files: "Mapping[int, Mapping[int, str]]",
            known: Optional[Known]) -> "dict[tuple[int, int], Limits]":
    """Returns the options of the sockets on which threads wait, by process id and descriptor, as far as they are known."""
    inodes = {(pid, fd): int(files[pid][fd][8:-1]) for pid, fd in waited_on if files[pid].get(fd, "").startswith("socket:[")}
    found = sockets.ask(inodes)
    if known is not None:
        for (pid, fd), inode in inodes.items():
            told = known(pid, fd, inode) if (pid, fd) not in found else None
            if told is not None:
                found[pid, fd] = told
    return found


def _limit(thread: Thread, limits: Limits) -> float:
    """Returns the time limit that a socket's options give to the thread's call, in seconds; 0 if none."""
    return {"read": limits.read, "accept": limits.read, "write": limits.write, "connect": limits.write}.get(thread.call, 0.0)


def _one(call: str) -> str:
    """Returns "a read", or "an accept"."""
    return f"{'an' if call[:1] in 'aeiou' else 'a'} {call}"


def _ends_by_itself(thread: Thread) -> str:
    return "a thread sleeps" if thread.call == "sleep" else f"{_one(thread.call)} ends by itself, or may"


@dataclass(frozen=True)
class _Wait:
    """The wait of one thread on one descriptor."""

    thread: Thread
    fd: int
    wants: int                  # POLLIN, POLLOUT, ONCE
    sock: Optional[Sock]        # None: it is no TCP socket
    limits: Optional[Limits]    # None: they are not known, or it is no socket
    name: str                   # "socket:[12]", "pipe:[3]", a path

    @property
    def unasked(self) -> bool:
        """May this wait have a time limit that is not known?"""
        if self.limits is not None or not self.name.startswith("socket:["):
            return False
        return self.thread.call not in ("poll", "select", "epoll_wait") or self.sock is not None and _user_timeout_counts(self.sock)

    def limited(self) -> "Iterator[tuple[str, float]]":
        """Yields the time limits that the socket sets to this wait: each in words, and in seconds."""
        limits = self.limits or Limits()
        seconds = _limit(self.thread, limits)
        if seconds:
            yield f"{_one(self.thread.call)} has a time limit of {seconds:g} s", seconds
        if limits.user and self.sock is not None and _user_timeout_counts(self.sock):
            yield _user_timeout(limits)

    def may_end(self, ours: "set[str]") -> str:
        """Returns why the wait may end although no other program does anything; "" if it can't."""
        call, sock, limits = self.thread.call, self.sock, self.limits or Limits()
        if sock is None:
            if any(word in self.name for word in _OWN_TIMERS):
                return f"{_one(call)} waits on {self.name}"
            if call == "write" and (self.name in ours or self.name.startswith("socket:")):
                return "a program's output is being read"
            return ""
        if limits.error or sock.state in ("CLOSED", "SYN-SENT", "SYN-RECEIVED"):
            return f"{_one(call)} is about to end: the socket is {sock.state}"
        if self.wants & kernel.POLLIN and not self.wants & kernel.ONCE:
            if sock.state == "LISTEN" and sock.unread > 0:
                return "a connection waits to be accepted"
            if sock.eof or sock.state != "LISTEN" and sock.unread >= max(1, limits.low_water):
                return f"{_one(call)} is about to end"
        return ""


def _user_timeout_counts(sock: Sock) -> bool:
    return sock.unacked > 0 or sock.state in _FIN_WRITTEN


def _user_timeout(limits: Limits) -> "tuple[str, float]":
    """Returns the time limit in words, and in seconds. The kernel compares it with the time at each probe only, so it may take
    twice as long."""
    return f"TCP_USER_TIMEOUT ends the connection when {limits.user:g} s have passed without an acknowledgement", 2 * limits.user + 1


def under_way(seen: Snapshot, waits: "list[_Wait]") -> "tuple[int, str]":
    """Returns what a kernel will still do by itself: how many bytes, and what it is in words; 0 and "" if nothing. `waits` tells
    who may wait for an acknowledgement."""
    writers = {wait.sock for wait in waits if wait.sock is not None and wait.wants & kernel.POLLOUT}
    listeners = [sock for sock in seen.sockets if sock.state == "LISTEN"]
    full = {sock.port for sock in listeners if sock.unread > sock.backlog >= 0}     # no connection is finished there until a program accepts
    full -= {sock.port for sock in listeners if sock.unread <= sock.backlog}
    for sock in seen.sockets:
        if sock.state == "SYN-SENT" or sock.state == "SYN-RECEIVED" and sock.port not in full:
            return 0, "a connection is being made"
        other = seen.other_end(sock)
        if sock.state in _SAYS_NO_MORE or not sock.inode and (other is None or not other.inode):
            continue
        if other is None:
            count, words = _to_nobody(sock)
        else:
            count, words = _coming(sock, other)
            if not words and sock in writers and sock.unacked - max(0, sock.unsent) > _in_flight(sock, other):
                words = "an acknowledgement is on its way"
        if words:
            return count, words
    return 0, ""


def _to_nobody(sock: Sock) -> "tuple[int, str]":
    """Returns what is under way to an end that does not exist here: it was reset, or a timeout ended it, or it was forgotten
    after its FIN, or it is on another host."""
    return (sock.unacked, "bytes are on their way") if sock.unacked > 0 else (0, "")


def _coming(sock: Sock, other: Sock) -> "tuple[int, str]":
    """Returns what the kernel of `sock` will still bring to the other end, although no program does anything."""
    if other.state == "CLOSED":
        return 0, ""
    count = _in_flight(sock, other)
    waiting = max(0, sock.unsent)
    closed = _window_closed(sock, other)
    if count + waiting and not closed:
        return count + waiting, "bytes are on their way"
    if sock.state in _FIN_WRITTEN and not other.eof and not (closed and (count or waiting or sock.fin_unsent)):
        return 1, "a FIN is on its way"
    return 0, ""


def _in_flight(sock: Sock, other: Sock) -> int:
    """Returns how many bytes were sent and are not in the other end's receive queue yet."""
    if sock.sent < 0 or other.received < 0:
        return sock.unacked - max(0, sock.unsent)
    return max(0, sock.sent - other.received)


def _window_closed(sock: Sock, other: Sock) -> bool:
    """Has the other end no room, so that the bytes that it has not received stay where they are until its program reads? Both
    kernels must say so. Else a window that has just been opened would be missed. If the other kernel does not tell its window,
    all that was sent must be acknowledged."""
    if sock.window != 0 or other.unread == 0:
        return False
    return other.receive_window == 0 if other.receive_window >= 0 else sock.unacked == sock.unsent


class Records:
    """Makes records of looks. It knows who is who, to which connection a socket belongs, and where a thread logged its last line."""

    def __init__(self, who: Callable[[int], str], number: Callable[[str, str], int], source: Callable[[int], str],
                 names: "tuple[str, ...]" = ()) -> None:
        self.who, self.number, self.source, self.names = who, number, source, names

    def sockets(self, seen: Look, ns: int) -> "tuple[Socket, ...]":
        """Returns the look's sockets as records. A socket that two processes share has one record for each of their descriptors."""
        return tuple(Socket(ns, self.who(pid), pid, fd, self._connection(s), s.state, s.local, s.peer, s.unread, s.unacked,
                            max(0, s.unsent), s.eof) for (pid, fd), s in seen.network.held.items())

    def _connection(self, sock: Optional[Sock]) -> int:
        return self.number(sock.local, sock.peer) if sock is not None and sock.peer else 0

    def waiting(self, seen: Look) -> "tuple[Waiting, ...]":
        """Returns the threads that wait, and for which programs."""
        found = []
        for thread in seen.threads:
            fds = list(seen.targets.get(thread.tid, (thread.fd,) if thread.fd >= 0 else ()))
            socks = _socks(thread, fds, seen)
            on = sorted({self.who(pid) for sock in socks for pid in _holders(sock, seen)} - {self.who(thread.pid)})
            conn = next((sock for sock in socks if sock.peer), None)
            found.append(Waiting(self.who(thread.pid), thread.pid, thread.tid, thread.call, fds[0] if fds else -1,
                                 self._connection(conn), " and ".join(on), self.source(thread.tid)))
        return tuple(found)

    def cycle(self, seen: Look) -> "tuple[str, ...]":
        """Returns the names of a cycle of processes: each has a thread that waits for the next one, and for nobody who may still
        move. Returns () if there is no cycle."""
        graph: dict[int, set[int]] = {}
        for thread in _stuck(seen):
            for sock in _socks(thread, seen.targets.get(thread.tid, ()), seen):
                graph.setdefault(thread.pid, set()).update(_holders(sock, seen))
        for start in sorted(graph):
            path = _path_back(graph, start)
            if path:
                names = [self.who(pid) for pid in path]
                first = max(range(len(names)), key=lambda n: self.names.index(names[n]) if names[n] in self.names else -1)
                return tuple(dict.fromkeys(names[first:] + names[:first]))
        return ()


def _socks(thread: Thread, fds: Iterable[int], seen: Look) -> "list[Sock]":
    return [seen.network.held[thread.pid, fd] for fd in fds if (thread.pid, fd) in seen.network.held]


def _holders(sock: Sock, seen: Look) -> "set[int]":
    """Returns the ids of the processes that hold the other end of a connection."""
    return seen.network.holders(seen.network.other_end(sock))


def _stuck(seen: Look) -> "list[Thread]":
    """Returns the threads that wait on connections, and only on such connections whose other end nobody will move: whoever could
    is stuck, too. A thread that may also be woken from outside (by a later client, or by somebody who types) is not stuck."""
    on = {thread.tid: [sock for sock in _socks(thread, seen.targets.get(thread.tid, ()), seen) if sock.peer] for thread in seen.threads}
    outside = {thread.tid for thread in seen.threads if _from_outside(thread, seen)}
    woken = _woken(seen, on)
    stuck = {thread.tid: thread for thread in seen.threads if on[thread.tid] and thread.tid not in outside and thread.tid not in woken}
    at: "dict[int, list[int]]" = {}     # by inode of a socket: the threads that wait on it
    of: "dict[int, list[int]]" = {}     # by process: its threads that wait on a connection, or for somebody outside
    for thread in seen.threads:
        for sock in on[thread.tid]:
            at.setdefault(sock.inode, []).append(thread.tid)
        if on[thread.tid] or thread.tid in outside:
            of.setdefault(thread.pid, []).append(thread.tid)
    while True:
        left = {tid: thread for tid, thread in stuck.items() if all(_nobody_moves(sock, seen, stuck, at, of) for sock in on[tid])}
        if len(left) == len(stuck):
            return list(stuck.values())
        stuck = left


def _nobody_moves(sock: Sock, seen: Look, stuck: "Mapping[int, Thread]", at: "Mapping[int, list[int]]", of: "Mapping[int, list[int]]") -> bool:
    """Can nobody move the other end of this connection any more? The threads that wait on that end must all be stuck. If no
    thread waits on it, then all threads of its holders that wait on a connection, or for somebody outside, must be."""
    other = seen.network.other_end(sock)
    tids = at.get(other.inode, []) if other is not None and other.inode else []
    return all(tid in stuck for tid in tids or [tid for pid in _holders(sock, seen) for tid in of.get(pid, [])])


def _woken(seen: Look, on: "Mapping[int, list[Sock]]") -> "set[int]":
    """Returns the threads that somebody who types could wake, at once or through others. `on` has the connections on which each
    thread waits. Whoever wakes up may write to all connections that its process holds: so a server with a thread for each client
    passes on to one client what another one sends. It may also wake any thread that waits for something else than a connection:
    a lock, a pipe, a child process, a signal."""
    woken = {thread.tid for thread in seen.threads if _for_keys(thread, seen)}
    while True:
        pids = {thread.pid for thread in seen.threads if thread.tid in woken}
        more = {thread.tid for thread in seen.threads if pids and thread.tid not in woken and (
            _waits_elsewhere(thread, seen) or any(_holders(sock, seen) & pids for sock in on[thread.tid]))}
        if not more:
            return woken
        woken |= more


def _waits_elsewhere(thread: Thread, seen: Look) -> bool:
    """Does this thread wait (perhaps among others) for something that is no TCP socket?"""
    fds = seen.targets.get(thread.tid, {})
    return not fds or any((thread.pid, fd) not in seen.network.held for fd in fds)


def _for_keys(thread: Thread, seen: Look) -> bool:
    """Does this thread wait (perhaps among others) for its standard input, or for a terminal?"""
    names = seen.names.get(thread.pid, {})
    return any((thread.pid, fd) not in seen.network.held and (fd == 0 and names.get(fd, "").startswith(("/", "pipe:")) or names.get(fd, "").startswith("/dev/"))
               for fd in seen.targets.get(thread.tid, ()))


def _from_outside(thread: Thread, seen: Look) -> bool:
    """Does this thread wait (perhaps among others) for a new connection, for its standard input, or for a terminal?"""
    return _for_keys(thread, seen) or any(sock.state == "LISTEN" for sock in _socks(thread, seen.targets.get(thread.tid, ()), seen))


def parents(pid: int) -> "set[int]":
    """Returns the ids of the processes above this one: its parent, the parent's parent, and so on."""
    found: "set[int]" = set()
    while (pid := kernel.parent(pid)) > 1 and pid not in found:
        found.add(pid)
    return found


def _path_back(graph: "dict[int, set[int]]", start: int) -> "list[int]":
    """Returns a path from start through at least one other process back to start; [] if there is none."""
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
