"""Takes news in: all that a run yields comes through here into the book, in one order.

Log lines and reports of calls share one queue, whose order is kept. A segment is put among them by its time. A line, or a call's
entry, is stamped before the program does what it announces, and a call's return is stamped after it, by the same machine's clock.
So a cause stands before its effect. What is stamped later than the moment at which a batch begins waits for the next batch,
because another source may still have something earlier.

Plain output is put in when it is read, and an ending after all that its program logged.
"""
from __future__ import annotations

import binascii
import functools
import json
import os
import signal
import socket
import struct
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Iterable, Optional

from ..judge.sides import READS
from ..observe import kernel, lines, sanitizer, source
from ..observe.connections import Pair, Registry
from ..observe.members import Members
from ..observe.pids import Pids
from ..observe.timers import Timers
from ..observe.wire import Seen, Wire
from ..trace import Call, Connection, End, Ending, Event, Exec, Output, Segment
from .book import Book
from .cast import Stage
from .keeper import Keeper
from .limits import ENDS, FRAMES, SEGMENTS
from .policies import Held

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS, signal.SIGTRAP, signal.SIGPIPE}
_ACCEPTS = ("accept", "accept4")
_COPIES = ("dup", "dup2", "dup3", "fcntl")
_SLEEPS = ("nanosleep", "clock_nanosleep")
_WAITS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait", *_SLEEPS)
_POLLS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
_MOVES = ("read", "readv", "recvfrom", "recvmsg", "recvmmsg", "write", "writev", "sendto", "sendmsg", "sendmmsg", "sendfile")
_IN_PARTS = ("write", "writev", "sendto", "sendmsg", "sendfile")       # a signal ends one that waits, with what it has done
_MANY = 100             # more connections than this are not asked for one by one
_ENDS_AND_MOVES = (*_MOVES, "close", "shutdown")


def clock_offset() -> int:
    """Returns by how many ns CLOCK_REALTIME is ahead of CLOCK_MONOTONIC. Of several tries the one counts that took the shortest
    time."""
    tries = []
    for _ in range(5):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        tries.append((after - before, real - (before + after) // 2))
    return min(tries)[1]


@dataclass
class _Pipe:
    """The read end of a program's standard output or standard error."""

    who: str
    pid: int
    stream: str
    rest: bytearray
    most: int           # bytes of output of all programs after which this program's output ends the run


class Intake:
    """Takes in the news of one run. It calls `hold` with each thread that waits for its release, and `over` with the words of a
    limit that was passed."""

    def __init__(self, keeper: Keeper, book: Book, stage: Stage, start: int, most_output: int,
                 hold: Callable[[Held], None], over: Callable[[str], None]) -> None:
        self.keeper, self.book, self.stage, self.start = keeper, book, stage, start
        self.members = Members(stage.names, keeper.pid)
        self.hold, self.over, self.most_output = hold, over, most_output
        self.pids = Pids()
        self.registry = Registry()
        self.registry.who = self.members.known
        self.timers = Timers()
        self.touched: "set[Optional[Pair]]" = set()     # connections with a new call or segment; None: one whose addresses are not known
        self.options = 0                            # how many calls have set an option of a socket
        self.wire = Wire(keeper.wire, clock_offset() + start) if keeper.wire is not None else None
        self.sources: dict[int, str] = {}           # by thread: where it logged its last line
        self.born = 0                               # processes and threads that the programs have made
        self.unseen: dict[str, None] = {}           # in words, which calls could not be looked at
        self.frozen = False                         # the run is over: all programs are being stopped
        self.moved = 0                              # counts progress: lines, output, segments, endings, calls that read or wrote bytes
        self.crash = ""                             # how a program of the run crashed, in words
        self.reported = ""                          # the program about which a sanitizer has written a report
        self.left_out = 0                           # segments that are not in the records
        self._furthest: dict[tuple[str, str], Segment] = {}     # of these, each direction's last one with data: it has the stream's length
        self.ignored = 0                            # datagrams that were no line of a program of this run
        self.connected: set[str] = set()            # the names of programs that have asked for a connection
        self.heard = 0                              # counts reads that brought bytes or an end, accepts, and connects
        self.fruitless: dict[int, int] = {}         # by thread: how often its time limit has ended a wait since anything moved
        self.in_vain: dict[tuple[int, str, int, str], int] = {}     # by thread, call, descriptor, error: how often it brought nothing
        self.cut: set[str] = set()                  # the names of programs whose output was not kept to its end
        self._datagrams: set[int] = set()           # inodes of the datagram sockets: they have no connections
        self._by_thread: dict[int, int] = {}        # by thread: the connection that its lines named last
        self._by_fd: dict[tuple[int, int], int] = {}    # by process and descriptor: the connection, as lines named it
        self._observed: set[int] = set()            # processes whose calls are seen
        self.alive: set[int] = set()                # observed processes that have not been seen to end
        self.by: dict[int, int] = {}                # by observed process that has ended: who sent the signal of which it died, as in Ending
        self._programs: set[int] = set()            # the processes that the stage started; all others are children of these
        self._running: dict[int, int] = {}          # by thread that is in no call that is seen, and was not seen to wait: its process
        self.idle: dict[int, int] = {}              # by thread: how many of its last calls brought nothing
        self._open: dict[int, int] = {}             # by serial number of a call that has not returned: the place of its entry
        self._limited: dict[int, int] = {}          # by serial number of such a call that has a time limit: when it ends, in ns of the run
        self._callers: dict[int, tuple[str, list[int]]] = {}    # by place of a call's entry: the program, and addresses on its stack
        self._inodes: dict[int, int] = {}           # by place of a call's entry: the inode of the socket behind its descriptor
        self._inner: set[int] = set()               # places of pending calls at which threads of one process wake each other
        self._users: dict[str, set[int]] = {}       # by pipe: the processes that have made calls on it
        self._bound: dict[int, str] = {}            # by inode: the address to which the socket is bound
        self._later: list[tuple[int, Any, Optional[socket.socket]]] = []     # news of the queue that wait for the next batch
        self._segments_later: list[Seen] = []
        self._pairs: set[Pair] = set()              # the two addresses of all segments; each pair once, in one direction
        self._syns: dict[tuple[str, str], list[int]] = {}       # by source and target: the indexes of the SYNs that wait for an answer
        self._pipes: dict[int, _Pipe] = {}
        self._watched: list[int] = []               # empty: a pipe has come or gone since
        self.pipe_names: set[str] = set()
        self._output_bytes = 0
        self._frame_bytes = 0

    # -- who is on the move -------------------------------------------------------------------------------------------

    def somebody_runs(self, held: "set[int]") -> bool:
        """Does a thread run, as far as calls and lines show? It has left its last call, and has not yet made its next one."""
        return not self._running.keys() <= held

    def spins(self, least: int = ENDS) -> str:
        """Returns in words which program makes the same call again and again, and in vain, since anything moved; "" if none has
        done so more often than `least`."""
        key, count = max(self.in_vain.items(), key=lambda one: one[1], default=((0, "", 0, ""), 0))
        if count <= least:
            return ""
        call = next(call for call in reversed(self.book.calls) if (call.tid, call.name, call.fd) == key[:3])
        where = f"connection {call.connection}" if call.connection else f"descriptor {call.fd}"
        ends = f"fails with {key[3]}" if key[3] else "returns 0"
        return f"the {call.who} spins: {kernel.PLAIN.get(call.name, call.name)} on {where} {ends} again and again, more than {least:,} times"

    def progress(self) -> None:
        """Notes that something has moved. What is done in vain is counted anew from here on."""
        self.moved += 1
        self.fruitless.clear()
        self.in_vain.clear()

    def seen_waiting(self, tids: "Iterable[int]") -> None:
        """Notes that a look at the kernel found these threads waiting."""
        for tid in tids:
            self._running.pop(tid, None)

    # -- what to wait for ---------------------------------------------------------------------------------------------

    def watched(self) -> "list[int]":
        """Returns the descriptors from which news come."""
        if not self._watched:
            self._watched = [sock.fileno() for sock in (self.keeper.events, self.keeper.control, self.keeper.wire) if sock] + [*self._pipes]
        return self._watched

    @property
    def pipes(self) -> "set[int]":
        return set(self._pipes)

    @property
    def waits(self) -> bool:
        """Does news wait here for the next batch?"""
        return bool(self._later or self._segments_later)

    def started(self, who: str, pid: int, out: int, err: int, terminal: str = "", most: int = 0) -> None:
        """Notes that a program was started. Its output comes from the descriptors `out` and `err`. `terminal` is the path of the
        terminal to which it writes, if there is one. After `most` bytes of output the run is over. Output after the first
        `most_output` bytes is not kept."""
        self.members.started(pid, who)
        self._programs.add(pid)
        for fd, stream in ((out, "stdout"), (err, "stderr")):
            os.set_blocking(fd, False)
            self._pipes[fd] = _Pipe(who, pid, stream, bytearray(), most or self.most_output)
            self._watched.clear()
            self.pipe_names.add(os.readlink(f"/proc/self/fd/{fd}"))
        if terminal:
            self.pipe_names.add(terminal)

    def now(self) -> int:
        return time.monotonic_ns() - self.start

    # -- a batch ------------------------------------------------------------------------------------------------------

    def take(self) -> bool:
        """Takes in the lines, calls and segments that are there. Returns whether there were any."""
        cut = self.now()
        queue = self._later + self._received(cut)
        seen = self._segments_later + (self.wire.take() if self.wire is not None else [])
        self._later, self._segments_later = [], []
        latest = 0
        at = 0
        for number, (ns, item, gate) in enumerate(queue):
            latest = max(latest, ns)
            if latest > cut:
                self._later = queue[number:]
                break
            while at < len(seen) and seen[at].ns < latest:
                self._segment(seen[at])
                at += 1
            self._item(item, gate)
        while at < len(seen) and seen[at].ns <= cut:
            self._segment(seen[at])
            at += 1
        self._segments_later = seen[at:]
        return bool(queue or seen)

    def _received(self, now: int) -> "list[tuple[int, Any, Optional[socket.socket]]]":
        """Returns what is in the queue. Nothing can come from a later moment than the one at which it is read, whatever it says. `now`
        is a moment that has passed."""
        found: list[tuple[int, Any, Optional[socket.socket]]] = []
        events = self.keeper.events
        while events is not None:
            try:
                size, extras, _, _ = events.recvmsg_into([_buffer], _EXTRAS)
            except BlockingIOError:
                break
            data = bytes(_buffer[:size])
            sender, gate = _sender(extras)
            item: Any = None
            if sender == self.keeper.pid:
                item = _report(data)
                if item is not None and "own" in item:      # this must be known before the first line of that thread is read
                    self._named_itself(item)
                if item is not None and item.get("vfork"):
                    self.pids.borrows(item["child"])
            elif gate is not _NO_GATE:
                item = self._believed(lines.parse(data), sender)
            if item is None:
                self.ignored += 1
                if gate is not None:
                    gate.close()
                continue
            ns = (item["ns"] if isinstance(item, dict) else item.ns) - self.start
            found.append((ns if ns <= now else min(ns, self.now()), item, gate))
        return found

    def _named_itself(self, told: "dict[str, Any]") -> None:
        tid = told.get("child", told["pid"])
        self.pids.born(told["pid"] if told["t"] == "exec" or told["thread"] else tid, tid, told["own"])

    def _believed(self, line: "Optional[lines.LogLine]", sender: int) -> "Optional[lines.LogLine]":
        """Returns the line, under the name of the program that sent it; None if no program of the run did. If the sender has
        ended meanwhile, and its start was not seen, the name in the line itself counts."""
        tid = self.pids.thread(sender, line.pid, line.tid) if line is not None else None
        if line is None or tid is None:
            return None
        who = self.members.who(sender)
        if not who and not kernel.process_state(sender):
            who = line.role if line.role in self.members.names else ""
        return line.of(who, sender, tid) if who else None

    def _item(self, item: Any, gate: Optional[socket.socket]) -> None:
        if isinstance(item, dict):
            getattr(self, f"_on_{item['t']}")(item)
        else:
            self._line(item, gate)

    # -- lines --------------------------------------------------------------------------------------------------------

    def _line(self, line: lines.LogLine, gate: Optional[socket.socket]) -> None:
        self.members.known.setdefault(line.pid, line.role)
        self.sources[line.tid] = line.source
        if line.tid not in self._running and line.pid in self._observed:
            self._running[line.tid] = line.pid
        self.progress()
        place = self.book.place()
        event = Event(place, line.ns - self.start, line.role, line.pid, line.tid, line.kind, line.text, line.source, line.fd,
                      line.count, line.address, self._connection(place, line))
        self.book.add_event(event)
        if gate is not None:
            self.hold(Held(place, event.who, event.pid, event.tid, event.kind, event.text, event.source, event.count,
                           functools.partial(_release, gate), gate.close))

    def _connection(self, place: int, line: lines.LogLine) -> int:
        """Returns the connection that a line is about: the one behind the descriptor that it names, or else the one that its
        thread named last."""
        if line.kind == "listen":
            self.registry.listens(line.address)
            return 0
        if line.tid not in self._by_thread and line.tid == line.pid:
            self._by_thread[line.tid] = self._by_thread.get(kernel.parent(line.pid), 0)     # the fork that made this process was not seen
        if line.kind in ("conn", "send", "recv"):
            number = self._named(place, line)
            if number:
                self._by_thread[line.tid] = number
        return self._by_thread.get(line.tid, 0)

    def _named(self, place: int, line: lines.LogLine) -> int:
        known = self.registry.number_of(line.pid, line.fd)
        if known:
            return known
        key = (line.pid, line.fd)
        if line.kind == "conn" and ">" in line.address:
            own, peer = line.address.split(">")
            self._by_fd[key] = self.registry.said(place, line.role, line.pid, own, peer, True)
        elif line.fd >= 0 and key not in self._by_fd:
            inherited = self._by_fd.get((kernel.parent(line.pid), line.fd))     # the parent had it before it forked
            if inherited:
                self._by_fd[key] = inherited
        return self._by_fd.get(key, 0)

    # -- calls --------------------------------------------------------------------------------------------------------

    def _on_call(self, told: "dict[str, Any]") -> None:
        pid, tid, name, fd = told["pid"], told["tid"], told["name"], told.get("fd", -1)
        place = self.book.place()
        inode = kernel.socket_inode(told.get("what", ""))
        if inode:
            self.registry.has(place, pid, fd, inode)
        if told.get("at"):
            self._callers[place] = told["object"], told["at"]
        call = Call(place, told["ns"] - self.start, self.members.who(pid), pid, tid, name, fd, self.registry.number_of(pid, told.get("asked", -1) if name == "epoll_ctl" else fd),
                    told.get("asked", 0), told.get("data", ""), told.get("address", ""), _option(name, told),
                    told.get("value", 0), told.get("limit", -1))
        self.book.add_call(call)
        self._touches(call, inode)
        self._open[told["n"]] = place
        if call.limit > 0:
            self._limited[told["n"]] = call.ns + call.limit
        self._running.pop(tid, None)
        self._inodes[place] = inode
        if self._is_inner(pid, told.get("what", "")):
            self._inner.add(place)
        if name == "close":
            self.registry.closed(place, pid, tid, fd)
        elif name == "shutdown" and told.get("how") != "SHUT_RD":
            self.registry.shut(place, pid, fd)
        elif name == "close_range":
            first, last = told.get("fds", (fd, fd))[:2]
            for one in [one for one in self.registry.descriptors(pid) if first <= one <= last]:
                self.registry.closed(place, pid, tid, one)
        if told.get("held"):
            self._held(call, place, entry=True)

    def _is_inner(self, pid: int, what: str) -> bool:
        """Is a descriptor one at which the threads of a single process wake each other: an eventfd, or a pipe that no other process
        has used? Bytes that move there are no progress of the run: a runtime moves some at each tick of a timer."""
        if not what.startswith("pipe:"):
            return what.startswith("anon_inode:")
        users = self._users.setdefault(what, set())
        users.add(pid)
        return len(users) == 1

    def _on_return(self, told: "dict[str, Any]") -> None:
        entry = self._open.pop(told["n"], None)
        self._limited.pop(told["n"], None)
        if entry is None:
            return
        before = self.book.call(entry)
        in_parts = before.name in _IN_PARTS or before.name in READS and before.option != "MSG_WAITALL"
        asked = told.get("asked", before.asked)
        if self.frozen and (told.get("error") == "EINTR" or in_parts and 0 < told["result"] < asked or before.name in READS and told["result"] == 0 < asked):
            # Stopping the programs did that, and not the run: a write that waits for room, or a read for SO_RCVLOWAT, returns what it has done. And a
            # connection that was closed while a thread read there ends when that read does: then the other end reads EOF.
            return
        place = self.book.place()
        self._running[told["tid"]] = told["pid"]
        call = replace(before, returned=place, returned_ns=told["ns"] - self.start, result=told["result"], error=told.get("error", ""),
                       asked=asked,
                       option=told.get("events", "") or before.option, data=before.data or ("" if before.option == "MSG_TRUNC" else told.get("data", "")), address=told.get("address", "") or before.address)
        call = self._made(place, call, told)
        self.book.update_call(call)
        self._touches(call, self._inodes.get(entry, 0))
        self.timers.returned(call, self._inodes.pop(entry, 0))
        inner = entry in self._inner
        self._inner.discard(entry)
        if call.name in _MOVES and call.result > 0 and call.option != "MSG_PEEK" and not inner:
            self.progress()
        if not call.error and call.option != "MSG_PEEK" and (call.name in READS and call.asked > 0 and not inner or call.name in ("connect", "accept", "accept4")):
            self.heard += 1
        if call.name in _WAITS and call.limit > 0 and call.result == 0 and not call.error:
            self.fruitless[call.tid] = self.fruitless.get(call.tid, 0) + 1
        elif call.name in ("connect", "accept", "accept4", "close", "shutdown"):
            self.fruitless.clear()
        if call.fd >= 0 and (call.error or call.name in READS and call.result == 0 and call.asked > 0):
            key = call.tid, call.name, call.fd, call.error
            self.in_vain[key] = self.in_vain.get(key, 0) + 1
            if self.in_vain[key] > ENDS and (not call.error and call.connection or call.error == "EBADF"):
                self.over(self.spins())
        self.idle[call.tid] = self.idle.get(call.tid, 0) + 1 if _brings_nothing(call) else 0
        if told.get("held"):
            self._held(call, place, entry=False)

    def _touches(self, call: Call, inode: int) -> None:
        if call.connection or inode and call.name in _ENDS_AND_MOVES and inode not in self._datagrams:
            self.touched.add(self.registry.pair(call.connection))
        if call.name == "setsockopt":
            self.options += 1

    def _made(self, place: int, call: Call, told: "dict[str, Any]") -> Call:
        """Notes what the call did to descriptors and connections. Returns the call, with the connection that it made."""
        pid, inode = call.pid, kernel.socket_inode(told.get("what", ""))
        if call.name == "connect" and self._inodes.get(call.seq, 0) in self._datagrams:
            return call
        if call.name == "connect":
            self.connected.add(call.who)
        if call.error and call.error != "EINPROGRESS":
            return call
        own, arrow, peer = call.address.partition(">")
        if call.name == "bind":
            self._bound[self._inodes.get(call.seq, 0)] = call.address
        elif call.name == "listen":
            inode = self._inodes.get(call.seq, 0)
            self.registry.listens(call.address or self._bound.get(inode, ""), place, call.who, pid, inode)
        elif call.name == "socket" and inode:
            self.registry.has(place, pid, call.result, inode)
            if call.asked == socket.SOCK_DGRAM:
                self._datagrams.add(inode)
        elif call.name in _COPIES and inode:
            if call.name != "fcntl" and call.result != call.fd and call.result in self.registry.descriptors(pid):
                self.registry.closed(place, pid, call.tid, call.result)     # dup2 closes what was there
            self.registry.has(place, pid, call.result, inode)
        elif call.name == "connect" and arrow:
            return replace(call, connection=self.registry.connected(place, call.who, pid, self._inodes.get(call.seq, 0), own, peer))
        elif call.name in _ACCEPTS and inode:
            self.registry.has(place, pid, call.result, inode)
            self.timers.accepted(self._inodes.get(call.seq, 0), inode)
            if arrow:
                return replace(call, connection=self.registry.accepted(place, call.who, pid, inode, own, peer))
        return call

    def _held(self, call: Call, place: int, entry: bool) -> None:
        sleeps = call.name in _SLEEPS or call.name in ("poll", "ppoll", "select", "pselect6") and call.limit >= 0 and not call.asked

        def release() -> None:
            self.keeper.go(call.tid, 0 if entry and sleeps else None, held.length)
        kind = "pause" if entry and sleeps else "call"
        text = f"sleeping {f'{call.limit / 1e9:g} s' if call.limit >= 1_000_000 else f'{call.limit / 1e6:g} ms'}" if kind == "pause" else in_words(call, entry)
        held = Held(place, call.who, call.pid, call.tid, kind, text, self.sources.get(call.tid, ""), max(call.limit, 0), release)
        self.hold(held)

    def _on_fork(self, told: "dict[str, Any]") -> None:
        self.born += 1
        pid, child = told["pid"], told["child"]
        self._by_thread.setdefault(child, self._by_thread.get(told["tid"], 0))
        self._running[child] = pid if told.get("thread") else child
        if not told.get("thread"):
            self._observed.add(child)
            self.members.born(pid, child)
            self.alive.add(child)
            self.registry.forked(self.book.place(), pid, child)
            for (parent, fd), number in list(self._by_fd.items()):
                if parent == pid:
                    self._by_fd.setdefault((child, fd), number)

    def _on_handed(self, told: "dict[str, Any]") -> None:
        place = self.book.place()
        for inode in told["inodes"]:
            self.registry.handed(place, inode)

    def _on_left(self, told: "dict[str, Any]") -> None:
        self._running.pop(told["tid"], None)

    def _on_exec(self, told: "dict[str, Any]") -> None:
        self._observed.add(told["pid"])
        self.alive.add(told["pid"])
        self._running = {tid: pid for tid, pid in self._running.items() if pid != told["pid"]}
        self._running[told["pid"]] = told["pid"]
        place = self.book.place()
        if "program" in told:
            self.book.execs.append(Exec(place, told["ns"] - self.start, self.members.who(told["pid"]), told["pid"], told["program"]))
        if "fds" in told:
            self.registry.executed(place, told["pid"], told["fds"])

    def _on_exiting(self, told: "dict[str, Any]") -> None:
        """The last thread of a process is about to end. The kernel closes its descriptors next."""
        self.registry.ended(self.book.place(), told["pid"])

    def _on_gone(self, told: "dict[str, Any]") -> None:
        pid = told["pid"]
        place = self.book.place()
        self._running = {tid: of for tid, of in self._running.items() if of != pid}
        self.alive.discard(pid)
        self.registry.ended(place, pid)
        self.timers.ended(pid)
        by = told.get("by", -1)
        sender = self.pids.process(by) if by > 0 else by
        self.by[pid] = sender if sender <= 0 or self.members.who(sender) else -1
        if pid not in self._programs:
            who = self.members.who(pid)
            self.book.children.append(Ending(place, self.now(), who, pid, how(told["status"]), self.last(pid), True, self.by[pid]))
            if how(told["status"]) != "signal PIPE" or any(call.pid == pid and call.error == "EPIPE" and call.connection for call in self.book.calls):
                self.crashed(f"a child process of the {who}", told["status"])      # a pipe whose reader has ended is no crash of the program
            self.progress()

    def _on_unseen(self, told: "dict[str, Any]") -> None:
        self.unseen[told["words"]] = None

    # -- segments -----------------------------------------------------------------------------------------------------

    def _segment(self, seen: Seen) -> None:
        place = self.book.place()
        self.progress()
        way = seen.source, seen.target
        pair = way if way[::-1] not in self._pairs else way[::-1]
        self._pairs.add(pair)
        self.touched.add(pair)
        number = 0
        if "S" in seen.flags and "A" not in seen.flags:
            if seen.opens:
                self.registry.syn(*way)
                self._syns[way] = []
            if way in self._syns:
                self._syns[way].append(len(self.book.segments))
            else:
                number = self.registry.of_segment(*way)
        elif "S" in seen.flags:
            number = self.registry.answered(*way)
            for at in self._syns.pop(way[::-1], ()):
                self.book.segments[at] = replace(self.book.segments[at], connection=number)
        else:
            number = self.registry.of_segment(*way)
        self._frame_bytes += len(seen.frame)
        frame = binascii.b2a_base64(seen.frame, newline=False).decode("ascii") if self._frame_bytes <= FRAMES else ""
        segment = Segment(place, seen.ns, number, "", seen.flags, seen.first, seen.length, seen.ack, seen.window, seen.source, seen.target,
                          seen.data.decode("latin-1"), frame)
        if len(self.book.segments) < SEGMENTS or set(seen.flags) & set("SFR"):
            self.book.add_segment(segment)
            return
        self.left_out += 1
        far = self._furthest.get(way)
        if seen.length and (far is None or far.connection != number or far.first < seen.first):
            self._furthest[way] = segment

    # -- output and endings -------------------------------------------------------------------------------------------

    def take_output(self, fd: int) -> bool:
        """Reads what a program printed. Returns True if there was anything, or if the program has closed its end."""
        pipe = self._pipes[fd]
        news = False
        while True:
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                return news
            except OSError:     # EIO: no program has this terminal open any more
                data = b""
            if not data:
                os.close(fd)
                del self._pipes[fd]
                self._watched.clear()
                self._rest(pipe)
                return True
            news = True
            self._output_bytes += len(data)
            if self._output_bytes > pipe.most:
                self.over(f"the {pipe.who} printed more than {pipe.most >> 20} MiB")
                return True
            if self._output_bytes > self.most_output:
                self.cut.add(pipe.who)
                self.progress()
                continue
            pipe.rest += data
            *whole, last = bytes(pipe.rest).split(b"\n")
            pipe.rest[:] = last
            for line in whole:
                self._output(pipe, line)

    def last_output(self) -> None:
        """Reads the rest of the output when the run is over, with lines that are not finished."""
        for fd in list(self._pipes):
            self.take_output(fd)
        for pipe in self._pipes.values():
            self._rest(pipe)

    def _rest(self, pipe: _Pipe) -> None:
        if pipe.rest:
            self._output(pipe, bytes(pipe.rest))
            pipe.rest.clear()

    def _output(self, pipe: _Pipe, line: bytes) -> None:
        text = line.decode("utf-8", "replace")
        self.progress()
        self.book.add_output(Output(self.book.place(), self.now(), pipe.who, pipe.stream, text))
        if pipe.stream == "stderr" and not self.crash and sanitizer.begins(text):
            self.crash, self.reported = f"a sanitizer stopped the {pipe.who}", pipe.who

    # -- where in the source ------------------------------------------------------------------------------------------

    def with_sources(self, calls: "Iterable[Call]") -> "tuple[Call, ...]":
        """Returns the calls, each with its line in the program's source as far as that is known. This takes some milliseconds for
        each program."""
        programs: "dict[str, set[int]]" = {}
        for program, callers in self._callers.values():
            programs.setdefault(program, set()).update(callers)
        known = {program: source.lines_of(program, addresses) for program, addresses in programs.items()}
        found = {place: source.of_call(callers, known[program]) for place, (program, callers) in self._callers.items()}
        return tuple(replace(call, source=found.get(call.seq, "")) for call in calls)

    # -- what others ask ----------------------------------------------------------------------------------------------

    def number(self, local: str, peer: str) -> int:
        """Returns the number of the connection between two addresses, 0 if none is known."""
        return self.registry.of_addresses(local, peer)

    def due(self, now: int) -> "list[int]":
        """Returns, in ns of the run, when each pending timer expires that expires only once, and when each open call with a time
        limit ends."""
        return [one.due for one in self.timers.pending(now) if not one.again] + [*self._limited.values()]

    def pairs(self) -> "Optional[set[Pair]]":
        """Returns the two addresses of each connection that was begun in the run's network, as the wire shows them. Returns None
        if the wire may not show all of them, or if they are so many that asking for all sockets costs less."""
        if self.wire is None or not self.keeper.isolated or len(self._pairs) > _MANY or self.wire.missing:
            return None
        return self._pairs

    def connections(self) -> "tuple[Connection, ...]":
        """Returns the connections so far. If neither a call nor a line showed whose an end is, and the stage lets only one
        program have it, then it is that program's."""
        pairs = self.registry.pairs()
        serves = {program.name: str(program.listens) for program in self.stage.programs if program.listens is not None}
        others = [program.name for program in self.stage.programs if program.listens is None]
        found = []
        for made in self.registry.records():
            opener, acceptor = pairs[made.number]
            named = [name for name, port in serves.items() if port == acceptor.rpartition(":")[2]] or list(serves)
            if made.opener is None and len(others) == 1 and not self._observed:
                made = replace(made, opener=End(others[0], 0, opener))
            if made.acceptor is None and len(named) == 1 and not self._observed:
                made = replace(made, acceptor=End(named[0], 0, acceptor))
            found.append(made)
        return tuple(found)

    def segments(self) -> "list[Segment]":
        """Returns the segments so far, each with its sender's name."""
        ends = {made.number: made for made in self.registry.records()}
        pairs = self.registry.pairs()
        kept = sorted((*self.book.segments, *self._furthest.values()), key=lambda s: s.seq)
        return [replace(s, sender=self._sender(s, ends, pairs)) for s in kept]

    def _sender(self, segment: Segment, ends: "dict[int, Connection]", pairs: "dict[int, tuple[str, str]]") -> str:
        """Returns the name of the program from whose end a segment comes. If nobody was seen to make that end, or if the connect
        was refused, the stage and the calls tell the name."""
        opens = pairs[segment.connection][0] == segment.source if segment.connection else "R" not in segment.flags
        if segment.connection:
            end = ends[segment.connection].opener if opens else ends[segment.connection].acceptor
            if end is not None:
                return end.who
        asked = [call.who for call in self.book.calls if call.name == "connect" and call.address.rpartition(">")[2] == segment.target]
        port = segment.source.rpartition(":")[2]
        serves = {program.name: str(program.listens) for program in self.stage.programs if program.listens is not None}
        named = [name for name, listens in serves.items() if listens == port] or list(serves)
        others = [program.name for program in self.stage.programs if program.listens is None]
        return ((asked or others) if opens else named or [""])[0]

    def crashed(self, who: str, status: int) -> None:
        """Notes a crash, if a process was ended by a signal that a program's own doing raises."""
        if not self.crash and os.WIFSIGNALED(status) and os.WTERMSIG(status) in _CRASHES:
            self.crash = f"{who} died of {how(status).replace('signal ', 'SIG')}"

    def polls(self, tid: int) -> int:
        """Returns how many descriptors the poll(2) watches in which a thread is; 0 if it is in none that is looked at."""
        return next((call.asked for call in map(self.book.call, self._open.values()) if call.tid == tid and call.name == "poll"), 0)

    def last(self, pid: int) -> int:
        """Returns the place of the last line of a process, -1 if it has none."""
        return next((e.seq for e in reversed(self.book.events) if e.pid == pid), -1)

    def close(self) -> None:
        if self.wire is not None:
            self.wire.close()
        for fd in self._pipes:
            os.close(fd)
        for _, _, gate in self._later:
            if gate is not None:
                gate.close()


_buffer = memoryview(bytearray(65536))
_EXTRAS = socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4)      # the sender's ids, and one descriptor
_NO_GATE = socket.socket()      # stands for a descriptor at which no thread of common/ waits
_NO_GATE.close()
_SO_DOMAIN = 39
_A_GATE = int(socket.AF_UNIX), int(socket.SOCK_STREAM)
_AT_ONCE = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_RECEIVES, _SENDS = ([(int(getattr(socket, word)), word) for word in words]     # numbers: Python's own flags take many times as long
                     for words in (("MSG_PEEK", "MSG_WAITALL", "MSG_OOB", "MSG_TRUNC"), ("MSG_OOB", "MSG_MORE")))


def _sender(extras: "list[tuple[int, int, bytes]]") -> "tuple[int, Optional[socket.socket]]":
    """Returns what came with a datagram: the id of the process that sent it, as the kernel says, and the socket at which its
    thread waits (its gate), None if it does not wait."""
    pid, gate = 0, None
    for level, kind, data in extras:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid, = struct.unpack_from("=i", data)
        elif level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fd, = struct.unpack_from("=i", data)
            try:
                gate = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)     # Python believes the kind: to find it out would take longer
            except OSError:     # the descriptor is no socket
                os.close(fd)
                gate = _NO_GATE
            if gate is not _NO_GATE and (gate.getsockopt(socket.SOL_SOCKET, _SO_DOMAIN), gate.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)) != _A_GATE:
                gate.close()
                gate = _NO_GATE
    return pid, gate


def _release(gate: socket.socket) -> None:
    try:
        gate.send(b"\0", _AT_ONCE)
    except OSError:
        pass            # the program was killed while it waited; or it is not common/ that waits, and the socket takes nothing
    gate.close()


def _brings_nothing(call: Call) -> bool:
    """Is this a call that a loop may make thousands of times without getting on? A wait for a time is no such call."""
    if call.name in _SLEEPS or call.limit > 0 and call.result == 0:
        return False
    return bool(call.error) or call.name in _POLLS or call.name in _MOVES and (call.result == 0 or call.option == "MSG_PEEK")


def _option(name: str, told: "dict[str, Any]") -> str:
    flags, which = told.get("flags", 0), _RECEIVES if name.startswith("recv") else _SENDS if name.startswith("send") else ()
    flag = next((word for bit, word in which if flags & bit), "")
    return str(told.get("option") or told.get("how") or flag)


def in_words(call: Call, entry: bool) -> str:
    """Returns a call as the place at which a thread is held: `write(4)`, and at its return `write(4) = 18`."""
    words = f"{call.name}({call.fd if call.fd >= 0 else ''})"
    return words if entry else f"{words} = {call.error or call.result}"


def how(status: int) -> str:
    """Returns a wait(2) status in words: "exit 0", "signal PIPE"."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"signal {signal.Signals(number).name[3:]}"
        except ValueError:
            return f"signal {number}"
    return f"exit {os.WEXITSTATUS(status)}"


def _report(data: bytes) -> Optional["dict[str, Any]"]:
    try:
        told = json.loads(data.decode("ascii"))
    except ValueError:
        return None
    return told if isinstance(told, dict) and told.get("t") in _REPORTS and isinstance(told.get("ns"), int) else None


_REPORTS = ("call", "return", "fork", "exec", "handed", "left", "exiting", "gone", "unseen")
