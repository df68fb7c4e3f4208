"""System calls as facts: the tracer that sees each call's entry and its return, and can hold a thread at either of them.

The tracer lives in the keeper's process, in the one thread that traces. It takes wait(2) statuses, and gives reports: JSON
datagrams for the conductor's queue. A thread that is stopped is restarted only when its report is in the queue. So a call's entry
stands in the queue before anything that the call does, and its return before anything that the thread does next. The tracer never
waits: if the queue is full, the report waits, and so does its thread.

Not seen are: calls on descriptors below 3 (except those that fail because no socket is there), and on those from LAB on, which
common/ uses for itself; the close_range(2) by which common/ closes the low numbers of what it held a thread at; calls on files and
devices; what a program does through io_uring (the tracer reports that a program uses it); a 32-bit program.
"""
from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from . import address, kernel, ptrace, sockets

LAB = 500                   # common/ uses the descriptors from this one on (event.c)
_OURS = 0x7463706C          # the fourth argument of common/'s own close_range(2), a call with three arguments (hold.c)
_DATA = 64                  # bytes of a buffer that are kept
_STACK = 4096               # bytes of the stack in which the callers are looked for
_FRAMES = 6                 # how many addresses of callers are kept, the innermost first

# Call numbers on x86-64 and aarch64; -1: the machine has no such call. The first table has the calls whose first argument is a descriptor.
_ON_DESCRIPTOR = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "readv": (19, 65), "writev": (20, 66), "epoll_ctl": (233, 21),
    "epoll_wait": (232, -1), "epoll_pwait": (281, 22), "dup": (32, 23), "dup2": (33, -1), "dup3": (292, 24), "connect": (42, 203),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211), "recvmsg": (47, 212),
    "sendmmsg": (307, 269), "recvmmsg": (299, 243), "shutdown": (48, 210), "bind": (49, 200), "listen": (50, 201),
    "setsockopt": (54, 208), "sendfile": (40, 71), "fcntl": (72, 25), "timerfd_settime": (286, 86), "close_range": (436, 436),
    "splice": (275, 76),
}
_ALWAYS = {
    "poll": (7, -1), "ppoll": (271, 73), "select": (23, -1), "pselect6": (270, 72), "socket": (41, 198), "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115), "alarm": (37, -1), "setitimer": (38, 103), "timer_settime": (223, 110), "timer_delete": (226, 111),
    "wait4": (61, 260), "waitid": (247, 95), "pause": (34, -1), "rt_sigsuspend": (130, 133), "vfork": (58, -1), "restart_syscall": (219, 128), "io_uring_setup": (425, 425),
}
_PLACE = 0 if ptrace.MACHINE == "x86_64" else 1
_NAMES = {both[_PLACE]: name for name, both in {**_ON_DESCRIPTOR, **_ALWAYS}.items() if both[_PLACE] >= 0}

_FOR_OTHERS = ("wait4", "waitid", "pause", "rt_sigsuspend", "vfork")     # they wait for a child, or for a signal
SLEEPS = ("nanosleep", "clock_nanosleep")
_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
# These are reported even if their descriptor is not open: a program may have closed it too early, and may ask again and again.
_FAILS_ON_NONE = ("close", "accept", "accept4", "connect", "shutdown", "read", "readv", "recvfrom", "recvmsg", "write", "writev", "sendto", "sendmsg")
_OVER = ("dup2", "dup3")    # they close what was behind their second argument
# These are also reported on the descriptors 0, 1 and 2 if no socket is there, because then they fail.
_ON_SOCKETS = ("connect", "accept", "accept4", "sendto", "recvfrom", "sendmsg", "recvmsg", "shutdown", "bind", "listen")
_READS = ("read", "recvfrom")
_WRITES = ("write", "sendto")
_WHOLE = socket.MSG_WAITALL | socket.MSG_PEEK      # flags of reads that are never cut short
_VECTORS = ("readv", "writev")
_MESSAGES = ("recvmsg", "sendmsg")
_SOL_SOCKET = {getattr(socket, name): name for name in dir(socket)
               if name.startswith("SO_") and not name.startswith("SO_VM_") and isinstance(getattr(socket, name), int)}
_TCP = {getattr(socket, name): name for name in dir(socket) if name.startswith("TCP_") and isinstance(getattr(socket, name), int)}
_SOL_SOCKET.update({20: "SO_RCVTIMEO", 21: "SO_SNDTIMEO", 66: "SO_RCVTIMEO", 67: "SO_SNDTIMEO"})
_ERRORS = {**errno.errorcode, errno.EOPNOTSUPP: "EOPNOTSUPP"}     # on Linux ENOTSUP is the same number, and the pages of socket calls say EOPNOTSUPP
_RESTARTS = (512, 513, 514, 516)    # ERESTARTSYS and its kin (linux/errno.h): a program never sees them
_libc = ctypes.CDLL(None, use_errno=True)
_BY_A_PROCESS = (0, -1, -6)     # si_code of kill(2), of sigqueue(3), and of raise(3), abort(3), pthread_kill(3): SI_USER, SI_QUEUE, SI_TKILL
_BY_THE_KERNEL = (0x80, -2)     # SI_KERNEL, SI_TIMER; so are all others above 0


def filter_program() -> bytes:
    """Returns the filter that a process installs so that its calls, and the calls of all that it starts, stop for the tracer."""
    on_low = (*_ON_SOCKETS, *_OVER)
    with_descriptor = {name: both for name, both in _ON_DESCRIPTOR.items() if name not in on_low}
    numbers = [[both[_PLACE] for both in table if both[_PLACE] >= 0] for table in (with_descriptor.values(), map(_ON_DESCRIPTOR.__getitem__, on_low), _ALWAYS.values())]
    made = _ALWAYS["socket"][_PLACE]
    but = [(_ON_DESCRIPTOR["fcntl"][_PLACE], 2, LAB, 1024), (_ON_DESCRIPTOR["close_range"][_PLACE], 3, _OURS, _OURS + 1),
           (made, 0, 0, socket.AF_INET), (made, 0, socket.AF_INET + 1, socket.AF_INET6), (made, 0, socket.AF_INET6 + 1, 0xFFFFFFFF)]
    return ptrace.build_filter(numbers[0], numbers[1], numbers[2], 3, LAB, but)


@dataclass
class _Thread:
    """One traced thread. `pid` is 0 if it was seen before its parent's report."""

    tid: int
    pid: int
    asked: Optional["dict[str, Any]"] = None    # the report of the call that it is in
    buffer: "tuple[int, int]" = (0, 0)          # the buffer into which that call reads: address and size
    held: str = ""                              # where it is held, "entry" or "exit"; "": it is not held
    interrupted: "Optional[tuple[int, tuple[int, ...]]]" = None     # a signal has ended that call for now: the kernel may make it again
    untold: bool = False                        # the report of its birth is not in the queue yet, so it may not go on
    made: "tuple[int, tuple[int, ...]]" = (-1, ())  # the number and the arguments of the call that it is in
    none: int = -1                              # the descriptor of its last close that was not open
    cut: int = 0                                # bytes to which this read was cut; 0: it asks for as many as its program does


@dataclass
class _Program:
    """What is known of one traced process."""

    told: bool = False          # whether it belongs to the run, so that its calls are reported
    hold: str = ""              # which of its calls are held: "", "sleeps", "reads", "all"
    text: "Optional[tuple[int, int, int, str, bytes]]" = None   # its executable's code: begin, end, load base, path, the bytes
    signals: "dict[int, tuple[int, int]]" = field(default_factory=dict)     # by number: the thread to which such a signal came last, and who sent it


class Tracer:
    """Traces what the spawner starts. It calls `ended` with the process id and the wait status of each process that has ended."""

    def __init__(self, ended: Callable[[int, int], None]) -> None:
        self.ended = ended
        self.queue: Optional[socket.socket] = None      # where reports are sent; None: nowhere
        self.spawner = 0
        self.apart = False                              # the programs are in a PID namespace of their own
        self.child = 0                                  # the spawner's last child
        self.began = 0                                  # the last process that has become a program by exec
        self.frozen = self.silent = False
        self.backlog: "deque[tuple[bytes, Callable[[], None]]]" = deque()
        self.hold = ""                                  # which calls are held of the programs that are started next
        self._threads: dict[int, _Thread] = {}
        self._programs: dict[int, _Program] = {}
        self._inet: set[int] = set()                    # inodes of the IPv4 and IPv6 sockets: only their calls are reported
        self._early: dict[int, int] = {}                # the statuses of new threads that stopped before their parent's event came
        self._serial = 0

    # -- what the keeper calls ----------------------------------------------------------------------------------------

    def trace_spawner(self, pid: int) -> None:
        """Begins to trace the process that will start the programs. Raises OSError if the system does not allow it."""
        ptrace.seize(pid)
        self.spawner = pid
        self._threads[pid] = _Thread(pid, pid)
        self._programs[pid] = _Program()

    def renew(self, queue: Optional[socket.socket]) -> None:
        """Begins a new run, whose reports go to this queue."""
        self.queue = queue
        self.backlog.clear()
        self.frozen = self.silent = False
        self._threads = {tid: one for tid, one in self._threads.items() if one.pid == self.spawner}
        self._programs = {pid: one for pid, one in self._programs.items() if pid == self.spawner}
        self._early.clear()
        self._inet.clear()

    def status(self, tid: int, status: int) -> bool:
        """Takes a status from waitpid(2). Returns False if it is of a process that the tracer does not trace."""
        if os.WIFSTOPPED(status):
            event, number = status >> 16, os.WSTOPSIG(status)
            thread = self._threads.get(tid)
            if thread is None and event == ptrace.EXIT:
                ptrace.go_on(tid)               # it dies, and its parent died before it could report the birth
            elif thread is None or thread.untold and event != ptrace.EXIT:
                self._early[tid] = status       # its parent's event comes, or its birth still waits for room in the queue
            elif event == ptrace.SECCOMP:
                self._entry(thread)
            elif number == ptrace.SYSCALL_STOP:
                self._exit(thread)
            elif event in (ptrace.FORK, ptrace.VFORK, ptrace.CLONE):
                self._born(thread, event)
            elif event == ptrace.EXEC:
                self._executed(thread)
            elif event == ptrace.EXIT:
                self._exiting(thread)
            elif event == ptrace.STOP:
                if number in _STOPS:
                    ptrace.listen(tid)
                else:
                    self._on(thread)
            else:
                self._signalled(thread, number)
                stopped = thread.pid == self.spawner and number in _STOPS       # a program may try that: it must not get its way
                self._on(thread, 0 if stopped else number)
            return True
        thread = self._threads.pop(tid, None)
        self._early.pop(tid, None)
        if thread is None or tid != thread.pid:
            return thread is not None
        self._gone(tid, status)
        return True

    def go(self, tid: int, skip: Optional[int], length: int = 0) -> None:
        """Lets a held thread go on. With `skip`, at an entry, the call is not made and returns this value. With `length`, at the
        entry of a read, the read asks for so many bytes only. A read with MSG_WAITALL or MSG_PEEK is never cut."""
        thread = self._threads.get(tid)
        if thread is None or not thread.held:
            return
        where, thread.held = thread.held, ""
        if where == "entry" and skip is not None:
            ptrace.skip_call(tid, skip)
            self._report(self._returned(thread, {"result": skip, "error": ""}), thread)
        else:
            asked = thread.asked or {}
            if where == "entry" and 0 < length < asked.get("asked", 0) and asked["name"] in _READS and not asked.get("flags", 0) & _WHOLE:
                ptrace.set_length(tid, length)
                thread.cut = length
            self._on(thread)

    def flush(self) -> None:
        """Sends the reports that wait, as long as the queue has room."""
        while self.backlog:
            data, then = self.backlog[0]
            if not self._put(data):
                return
            self.backlog.popleft()
            then()

    def freeze(self) -> None:
        """From now on no thread is restarted, except to be stopped or killed."""
        self.frozen = True

    def stop(self, pid: int) -> None:
        """Stops all threads of a process. SIGSTOP did not reach them: the thread that it woke is stopped where its call returned,
        and takes no signal there."""
        for thread in list(self._threads.values()):
            if thread.pid == pid:
                ptrace.interrupt(thread.tid)

    def let_die(self) -> None:
        """All programs have been killed. Restarts the threads that are stopped at their exit, because SIGKILL does not wake them
        there."""
        for tid in (*self._threads, *self._early):
            if tid != self.spawner:
                ptrace.go_on(tid)

    # -- stops --------------------------------------------------------------------------------------------------------

    def _on(self, thread: _Thread, number: int = 0) -> None:
        """Restarts a thread, unless all threads are to stand still."""
        if self.frozen and number not in (signal.SIGSTOP, signal.SIGKILL) and thread.pid != self.spawner:
            return
        ptrace.go_on(thread.tid, thread.asked is not None and thread.interrupted is None, number)

    def _signalled(self, thread: _Thread, number: int) -> None:
        """Keeps who sent a signal that is about to come to a thread: a process, as the receiver numbers it; 0 for the kernel; -1 if that
        is not known, also if two threads of a process get such a signal of two senders, since either may end it."""
        code, pid = ptrace.signal_info(thread.tid) or (-128, 0)
        sender = pid if code in _BY_A_PROCESS and pid > 0 else 0 if code > 0 or code in _BY_THE_KERNEL else -1
        if code == 0 and number in (signal.SIGPIPE, signal.SIGXFSZ):
            sender = -1             # the kernel sends these as if the thread had called kill(2) itself
        signals = self._programs[thread.pid].signals
        before = signals.get(number, (thread.tid, sender))
        signals[number] = thread.tid, sender if sender == before[1] or thread.tid == before[0] else -1

    def _born(self, thread: _Thread, event: int) -> None:
        child = ptrace.event_message(thread.tid)
        same = event == ptrace.CLONE and os.path.exists(f"/proc/{thread.pid}/task/{child}")
        pid = thread.pid if same else child
        self._threads[child] = born = _Thread(child, pid, untold=True)
        parent = self._programs[thread.pid]
        if thread.pid == self.spawner:
            self.child = child
        if not same:
            self._programs[child] = _Program(parent.told, parent.hold, parent.text)
        own = {"own": kernel.own_id(pid, child)} if self.apart else {}

        def told() -> None:
            born.untold = False
            if self._early.pop(child, None) is not None:
                self._on(born)
        vfork = {"vfork": True} if event == ptrace.VFORK else {}
        self._report({"t": "fork", "pid": thread.pid, "tid": thread.tid, "child": child, "thread": same, **own, **vfork}, thread, told)

    def _executed(self, thread: _Thread) -> None:
        pid = thread.pid if thread.pid else thread.tid
        for tid in [tid for tid, one in self._threads.items() if one.pid == pid and tid != thread.tid]:
            del self._threads[tid]      # the other threads of a process end when one of them calls exec
        program = self._programs[pid]
        thread.asked = thread.interrupted = None
        began = not program.told
        program.told, program.text = True, _text_of(pid)
        if began:
            self.began, program.hold = pid, self.hold
        own = {"own": kernel.own_id(pid, pid)} if self.apart else {}
        became = {} if began else {"program": os.path.basename(program.text[3]) if program.text is not None else ""}
        self._report({"t": "exec", "pid": pid, "tid": thread.tid, "fds": _descriptors(pid), **own, **became}, thread)

    def _exiting(self, thread: _Thread) -> None:
        alone = not any(one.pid == thread.pid and one.tid != thread.tid for one in self._threads.values())
        thread.asked = None
        if alone:
            self._report({"t": "exiting", "pid": thread.pid, "tid": thread.tid}, thread)
        else:
            self._report({"t": "left", "pid": thread.pid, "tid": thread.tid}, thread)

    def _gone(self, pid: int, status: int) -> None:
        program = self._programs.pop(pid, None)
        for tid in [tid for tid, one in self._threads.items() if one.pid == pid]:
            del self._threads[tid]
        told = {"t": "gone", "ns": time.monotonic_ns(), "pid": pid, "status": status}
        if program is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) in program.signals:
            told["by"] = program.signals[os.WTERMSIG(status)][1]
        if program is not None and program.told:
            self._send(json.dumps(told).encode(), lambda: self.ended(pid, status))
        else:
            self.ended(pid, status)

    def _entry(self, thread: _Thread) -> None:
        info = ptrace.call_info(thread.tid)
        if info is None:
            return
        program = self._programs[thread.pid]
        name = _NAMES.get(info[0], "")
        if thread.interrupted is not None:
            again = name == "restart_syscall" or thread.interrupted == (info[0], info[2])
            thread.interrupted = None
            if again:
                self._on(thread)        # the same call goes on
                return
            self._send(json.dumps(self._returned(thread, {"result": -1, "error": "EINTR"})).encode(), lambda: None)
        if not program.told or self.silent or not name:
            self._on(thread)
            return
        if name == "io_uring_setup":
            self._send(_unseen("what a program does through io_uring, which is no call"), lambda: self._on(thread))
            return
        told = _asked(thread, name, info[2]) if name != "restart_syscall" else None
        inode = kernel.socket_inode(told.get("what", "")) if told is not None else 0
        handed = _handed_on(thread.pid, info[2][1]) & self._inet if name == "sendmsg" and inode not in self._inet else set()
        if handed:
            self._report({"t": "handed", "pid": thread.pid, "tid": thread.tid, "inodes": sorted(handed)}, thread)
            return
        if told is None or inode and inode not in self._inet:
            self._on(thread)
            return
        self._serial += 1
        told.update(t="call", n=self._serial, pid=thread.pid, tid=thread.tid, name=told.get("name", name))
        if program.text is not None:
            told["at"], told["object"] = _callers(thread.pid, info[1], program.text), program.text[3]
        thread.asked, thread.made = told, (info[0], info[2])
        holds = told.get("sleep", False) or program.hold == "reads" and inode and name in (*_READS, "readv", "recvmsg")
        self._stop(thread, told, "entry", program.hold == "all" or program.hold in ("sleeps", "reads") and bool(holds))

    def _exit(self, thread: _Thread) -> None:
        info = ptrace.call_info(thread.tid)
        cut, thread.cut = thread.cut, 0
        if cut:                 # a program may use the register again in which it passed the length
            ptrace.set_length(thread.tid, thread.made[1][2])
        asked = thread.asked
        if info is None or asked is None:
            self._on(thread)
            return
        result = int(info[2][0])
        if -result in _RESTARTS:
            thread.interrupted = thread.made
            ptrace.go_on(thread.tid)        # a signal has woken it: the kernel handles the signal before the thread runs code of its own
            return
        error = _ERRORS.get(-result, f"errno {-result}") if result < 0 else ""
        told = self._returned(thread, {"result": -1 if error else result, "error": error})
        told.update({"asked": cut} if cut else {})
        self._result(thread, asked, told)
        if asked["name"] in ("socket", "accept", "accept4"):
            self._inet.add(kernel.socket_inode(told.get("what", "")))
        if not error and asked["name"] in _MAKES and result >= LAB and _is_tcp(thread.pid, result):
            self._send(_unseen(f"calls on descriptors from {LAB} on, which common/ keeps for itself"), lambda: None)
        self._stop(thread, told, "exit", self._programs[thread.pid].hold == "all")

    def _returned(self, thread: _Thread, what: "dict[str, Any]") -> "dict[str, Any]":
        """Returns the report that the thread's call has returned. From then on the thread counts as in no call."""
        asked, thread.asked = thread.asked or {}, None
        return {"t": "return", "ns": time.monotonic_ns(), "n": asked.get("n", 0), "pid": thread.pid, "tid": thread.tid,
                "name": asked.get("name", ""), **what}

    def _stop(self, thread: _Thread, told: "dict[str, Any]", where: str, held: bool) -> None:
        if held:
            thread.held, told["held"] = where, True
            self._report(told, thread, lambda: None, go_on=False)
        else:
            self._report(told, thread)

    # -- reports ------------------------------------------------------------------------------------------------------

    def _report(self, told: "dict[str, Any]", thread: _Thread, then: Callable[[], None] = lambda: None, go_on: bool = True) -> None:
        """Puts a report into the queue. Then the thread goes on (unless `go_on` is false), and `then` is called."""
        def done() -> None:
            if go_on:
                self._on(thread)
            then()
        if self._programs[thread.pid].told or told["t"] == "exec":
            told["ns"] = time.monotonic_ns()
            self._send(json.dumps(told).encode(), done)
        else:
            done()

    def _send(self, data: bytes, then: Callable[[], None]) -> None:
        if self.backlog or not self._put(data):
            self.backlog.append((data, then))
        else:
            then()

    def _put(self, data: bytes) -> bool:
        """Sends a report. Returns False if the queue is full."""
        if self.queue is not None and not self.silent:
            try:
                self.queue.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            except OSError:         # the conductor has gone
                pass
        return True

    # -- what a call did ----------------------------------------------------------------------------------------------

    def _result(self, thread: _Thread, asked: "dict[str, Any]", told: "dict[str, Any]") -> None:
        """Adds to the report of a return what the call brought: bytes, a descriptor, addresses."""
        name, result, pid = asked["name"], told["result"], thread.pid
        if thread.buffer[0] and result > 0:
            data = b""
            if name in _READS:
                data = ptrace.memory(pid, thread.buffer[0], min(result, _DATA))
            else:
                for base, size in _pieces(pid, *thread.buffer):
                    data += ptrace.memory(pid, base, min(size, result - len(data), _DATA - len(data)))
                    if len(data) >= min(result, _DATA):
                        break
            told["data"] = data.decode("latin-1")
        thread.buffer = (0, 0)
        if name in _MAKES and result >= 0:
            told["what"] = _what(pid, result)
        if name in ("accept", "accept4") and result >= 0:
            told["address"] = _ends(pid, result)
        elif name == "listen" and result == 0:
            told["address"] = _own(pid, asked["fd"])
        elif told["error"] == "EPIPE" and not asked.get("option"):
            way = kernel.takes_signal(pid, thread.tid, signal.SIGPIPE)
            told["events"] = "MSG_NOSIGNAL" if asked.get("flags", 0) & socket.MSG_NOSIGNAL else f"SIGPIPE {way}" if way else ""
        elif name in ("wait4", "waitid") and told["error"] == "ECHILD":
            way = kernel.takes_signal(pid, thread.tid, signal.SIGCHLD)
            told["events"] = "SIGCHLD ignored" if way == "ignored" else ""
        elif name in _POLLS and result > 0:
            told["events"] = _ready(pid, name, thread.made[1], result)
        elif name == "connect" and (result == 0 or told["error"] == "EINPROGRESS"):
            told["address"] = _ends(pid, asked["fd"], asked.get("address", ""))


_POLLS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
_TO_READ = 1 | 0x40     # POLLIN, POLLRDNORM
_EVENTS = {1: "POLLIN", 2: "POLLPRI", 4: "POLLOUT", 8: "POLLERR", 16: "POLLHUP", 32: "POLLNVAL", 0x2000: "POLLRDHUP"}     # epoll's are the same


def _ready(pid: int, name: str, args: "tuple[int, ...]", result: int) -> str:
    """Returns which events a poll has reported, for all its descriptors together: "POLLIN|POLLHUP". For a select, returns which
    sets it has filled: "readfds"."""
    if name in ("select", "pselect6"):
        size = (min(args[0], 1024) + 7) // 8
        return "|".join(which for which, pointer in zip(("readfds", "writefds", "exceptfds"), args[1:4]) if pointer and any(ptrace.memory(pid, pointer, size)))
    if name in ("poll", "ppoll"):
        raw = ptrace.memory(pid, args[0], 8 * min(args[1], 1024))
        each = [events for _, _, events in struct.iter_unpack("=ihH", raw[:len(raw) // 8 * 8])]
        begin = ""
    else:
        form = "=IQ" if _PLACE == 0 else "=IxxxxQ"      # struct epoll_event is packed on x86-64 alone
        raw = ptrace.memory(pid, args[1], struct.calcsize(form) * min(result, 1024))
        each = [events for events, _ in struct.iter_unpack(form, raw[:len(raw) // struct.calcsize(form) * struct.calcsize(form)])]
        begin = "E"
    return "|".join(begin + word for bit, word in _EVENTS.items() if any(events & bit for events in each))


_MAKES = ("socket", "accept", "accept4", "dup", "dup2", "dup3", "fcntl")


def _unseen(words: str) -> bytes:
    return json.dumps({"t": "unseen", "ns": time.monotonic_ns(), "words": words}).encode()


def _is_tcp(pid: int, fd: int) -> bool:
    sock = sockets.copy_of(pid, fd)
    if sock is None:
        return False
    with sock:
        return sock.family in (socket.AF_INET, socket.AF_INET6)


def _what(pid: int, fd: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}")
    except OSError:
        return ""


def _descriptors(pid: int) -> "list[int]":
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def _ends(pid: int, fd: int, peer: str = "") -> str:
    """Returns "own>peer" for a connection, asked of the socket itself; "" if it does not tell."""
    sock = sockets.copy_of(pid, fd)
    if sock is None:
        return ""
    with sock:
        own, other = address.of_name(sock.getsockname), address.of_name(sock.getpeername) or peer
    return f"{own}>{other}" if own and other else ""


def _own(pid: int, fd: int) -> str:
    """Returns the address of a socket, asked of the socket itself; "" if it does not tell."""
    sock = sockets.copy_of(pid, fd)
    if sock is None:
        return ""
    with sock:
        return address.of_name(sock.getsockname)


# -- what was asked -------------------------------------------------------------------------------------------------------

def _asked(thread: _Thread, name: str, args: "tuple[int, ...]") -> Optional["dict[str, Any]"]:
    """Returns what a call asks for, as the fields of its report; None if such a call is not reported."""
    pid = thread.pid
    if name in _ON_DESCRIPTOR:
        fd = ctypes.c_int(args[0] & 0xFFFFFFFF).value
        told: "dict[str, Any]" = {"fd": fd}
        if name == "splice":        # it reads a socket into a pipe, or writes a pipe into a socket
            reads = kernel.socket_inode(_what(pid, fd)) > 0
            fd = fd if reads else ctypes.c_int(args[2] & 0xFFFFFFFF).value
            told = {"fd": fd, "name": "read" if reads else "write", "option": "splice", "asked": args[4]}
        if name != "close_range":
            what = _what(pid, fd)
            if name in _OVER and what and (fd < 3 or not what.startswith("socket:")) and 3 <= args[1] < LAB and _what(pid, args[1]).startswith("socket:"):
                thread.buffer = (0, 0)      # for the socket that was there, this is a close
                return {"fd": args[1], "name": "close", "option": name, "what": _what(pid, args[1])}
            if 0 <= fd < 3 and (what.startswith("socket:") or name not in _ON_SOCKETS):
                return None
            if not (0 <= fd < 3) and not what.startswith(("socket:", "pipe:", "anon_inode:")) and (what or name not in _FAILS_ON_NONE):
                return None
            if name == "close" and not what:
                thread.none, before = fd, thread.none
                if fd == before + 1:        # it closes all numbers, one after the other
                    return None
            told["what"] = what
        return _on_descriptor(thread, name, args, told)
    if name == "socket":
        return {"asked": args[1] & 0xF, "value": args[0]} if args[0] in (socket.AF_INET, socket.AF_INET6) else None
    if name in SLEEPS:
        limit = _timespec(pid, args[0] if name == "nanosleep" else args[2])
        if name == "clock_nanosleep" and args[1] & 1 and limit >= 0:       # TIMER_ABSTIME
            limit = max(0, limit - time.clock_gettime_ns(args[0]))
            limit += -limit % 1_000_000 if limit >= 10_000_000 else 0       # some of it has passed since the program asked for a whole number
        return {"limit": limit, "sleep": limit >= 0}
    if name == "alarm":
        return {"limit": (args[0] & 0xFFFFFFFF) * 1_000_000_000}
    if name == "timer_delete":
        return {"asked": args[0] & 0xFFFFFFFF, "limit": 0}
    if name in ("setitimer", "timer_settime"):
        return _timer(pid, name, args)
    if name in _FOR_OTHERS:
        return {}
    return _waits(pid, name, args)


def _timer(pid: int, name: str, args: "tuple[int, ...]") -> Optional["dict[str, Any]"]:
    if name == "setitimer" and args[0] != 0:        # not ITIMER_REAL: processor time
        return None
    raw = ptrace.memory(pid, args[2] if name == "timer_settime" else args[1], 32)
    if len(raw) < 32:
        return None
    seconds_again, again, seconds, rest = struct.unpack("=4q", raw)
    unit = 1000 if name == "setitimer" else 1
    limit = seconds * 1_000_000_000 + rest * unit
    told = {"limit": limit, "value": seconds_again * 1_000_000_000 + again * unit}
    if name == "timer_settime":
        told["asked"] = args[0] & 0xFFFFFFFF
        if args[1] & 1 and limit:       # TIMER_ABSTIME
            told["limit"] = max(1, limit - time.clock_gettime_ns(kernel.clock_of_timer(pid, told["asked"])))
    return told


def _waits(pid: int, name: str, args: "tuple[int, ...]") -> "dict[str, Any]":
    """Returns how many descriptors a poll or select watches, and for how long. For a select it also returns its first argument
    (`value`). Behind a `|` stand those that a poll does not watch for bytes to read, or that a select would have in its set."""
    if name in ("poll", "ppoll"):
        raw = ptrace.memory(pid, args[0], 8 * min(args[1], 1024))
        asked_for = [(fd, events) for fd, events, _ in struct.iter_unpack("=ihh", raw[:len(raw) // 8 * 8]) if fd >= 0]
        fds, over = [fd for fd, _ in asked_for], [fd for fd, events in asked_for if not events & _TO_READ]
        if name == "poll":
            ms = ctypes.c_int(args[2] & 0xFFFFFFFF).value
            limit = -1 if ms < 0 else ms * 1_000_000
        else:
            limit = _timespec(pid, args[2]) if args[2] else -1
    else:
        bits = 0
        for pointer in filter(None, args[1:4]):
            bits |= int.from_bytes(ptrace.memory(pid, pointer, 1024 // 8) or ptrace.memory(pid, pointer, (min(args[0], 1024) + 7) // 8), "little")
        fds = [fd for fd in range(min(args[0], 1024)) if bits >> fd & 1]
        over = [fd for fd in range(min(args[0], 1024), 1024) if bits >> fd & 1]     # in a set, and not below the first argument
        limit = -1 if not args[4] else _timespec(pid, args[4], 1000 if name == "select" else 1)
    first = {} if name in ("poll", "ppoll") else {"value": min(args[0], 1024)}
    watched = " ".join(map(str, fds)) if len(fds) <= _DATA else ""
    if over and (name in ("poll", "ppoll") or all(_what(pid, fd) for fd in over)):      # else the set of a select is shorter, and that is other memory
        watched += " | " + " ".join(map(str, over))
    return {"asked": len(fds), "limit": limit, "sleep": not fds and limit >= 0, "data": watched, **first}


def _timespec(pid: int, address: int, unit: int = 1) -> int:
    raw = ptrace.memory(pid, address, 16)
    if len(raw) < 16:
        return -1
    seconds, rest = struct.unpack("=qq", raw)
    return int(seconds * 1_000_000_000 + rest * unit) if seconds >= 0 and 0 <= rest * unit < 1_000_000_000 else -1     # else EINVAL


def _on_descriptor(thread: _Thread, name: str, args: "tuple[int, ...]", told: "dict[str, Any]") -> Optional["dict[str, Any]"]:
    pid = thread.pid
    thread.buffer = (0, 0)
    if name in _READS or name in _WRITES:
        told["asked"] = args[2]
        if name in _READS:
            thread.buffer = (args[1], args[2])
        else:
            told["data"] = ptrace.memory(pid, args[1], min(args[2], _DATA)).decode("latin-1")
        if name in ("recvfrom", "sendto"):
            told["flags"] = args[3] & 0xFFFFFFFF
            if name == "sendto" and args[4]:
                told["address"] = address.of_struct(ptrace.memory(pid, args[4], min(args[5], 28)))
    elif name in _VECTORS or name in _MESSAGES:
        vector, count = args[1], args[2]
        if name in _MESSAGES:
            raw = ptrace.memory(pid, args[1], 56)
            vector, count = struct.unpack_from("=QQ", raw, 16) if len(raw) == 56 else (0, 0)
            told["flags"] = args[2] & 0xFFFFFFFF
        pieces = _pieces(pid, vector, count)
        told["asked"] = sum(size for _, size in pieces)
        if name in ("readv", "recvmsg"):
            thread.buffer = (vector, count)
        else:
            data = b""
            for base, size in pieces:
                data += ptrace.memory(pid, base, min(size, _DATA - len(data)))
                if len(data) >= _DATA:
                    break
            told["data"] = data.decode("latin-1")
    elif name in ("connect", "bind"):
        raw = ptrace.memory(pid, args[1], min(args[2], 28))
        told["address"], told["value"], told["asked"] = address.of_struct(raw), int.from_bytes(raw[:2], sys.byteorder), ctypes.c_int(args[2] & 0xFFFFFFFF).value
    elif name == "shutdown":
        told["how"] = {0: "SHUT_RD", 1: "SHUT_WR", 2: "SHUT_RDWR"}.get(args[1], str(args[1]))
    elif name == "listen":
        told["asked"] = ctypes.c_int(args[1] & 0xFFFFFFFF).value
    elif name == "sendfile":
        told["asked"] = args[3]
    elif name == "setsockopt":
        told["option"], told["value"] = _option(pid, args)
        told["asked"] = ctypes.c_int(args[4] & 0xFFFFFFFF).value
    elif name == "fcntl":
        if args[1] == 4:        # F_SETFL
            told["option"], told["value"] = "O_NONBLOCK", int(bool(args[2] & os.O_NONBLOCK))
        elif args[1] not in (0, 1030):      # F_DUPFD, F_DUPFD_CLOEXEC
            return None
    elif name == "close_range":
        told["fds"] = [args[0] & 0xFFFFFFFF, min(args[1] & 0xFFFFFFFF, LAB)]
    elif name in ("epoll_wait", "epoll_pwait"):
        ms = ctypes.c_int(args[3] & 0xFFFFFFFF).value
        told["limit"] = -1 if ms < 0 else ms * 1_000_000
    elif name == "epoll_ctl":
        told["asked"] = ctypes.c_int(args[2] & 0xFFFFFFFF).value
        told["how"] = {1: "EPOLL_CTL_ADD", 2: "EPOLL_CTL_DEL", 3: "EPOLL_CTL_MOD"}.get(args[1], "")
        told["value"] = int.from_bytes(ptrace.memory(pid, args[3], 4), sys.byteorder) if args[1] != 2 else 0
    elif name == "timerfd_settime":
        raw = ptrace.memory(pid, args[2], 32)
        if len(raw) == 32:
            seconds, rest = struct.unpack_from("=qq", raw, 16)
            told["limit"] = seconds * 1_000_000_000 + rest
    return told


def _option(pid: int, args: "tuple[int, ...]") -> "tuple[str, int]":
    level, option = args[1] & 0xFFFFFFFF, args[2] & 0xFFFFFFFF
    raw = ptrace.memory(pid, args[3], min(args[4] & 0xFFFFFFFF, 16))
    value = int.from_bytes(raw[:4], "little", signed=True)
    name = {socket.SOL_SOCKET: _SOL_SOCKET, socket.IPPROTO_TCP: _TCP, socket.IPPROTO_IPV6: {socket.IPV6_V6ONLY: "IPV6_V6ONLY"}}.get(level, {}).get(option, f"{level}/{option}")
    if name in ("SO_RCVTIMEO", "SO_SNDTIMEO") and len(raw) == 16:
        seconds, rest = struct.unpack("=qq", raw)
        value = seconds * 1_000_000_000 + rest * 1000
    elif name == "TCP_USER_TIMEOUT":
        value *= 1_000_000
    return name, value


def _pieces(pid: int, vector: int, count: int) -> "list[tuple[int, int]]":
    """Returns address and size of each buffer of an iovec array; of at most 64 buffers."""
    raw = ptrace.memory(pid, vector, 16 * min(count, 64))
    return [(base, size) for base, size in struct.iter_unpack("=QQ", raw[:len(raw) // 16 * 16])]


def _handed_on(pid: int, message: int) -> "set[int]":
    """Returns the inodes of the sockets that a sendmsg(2) sends to another process: SCM_RIGHTS, unix(7)."""
    raw = ptrace.memory(pid, message, 56)
    control, size = struct.unpack_from("=QQ", raw, 32) if len(raw) == 56 else (0, 0)
    raw = ptrace.memory(pid, control, min(size, 4096)) if control and size else b""
    found: "set[int]" = set()
    while len(raw) >= 16:
        length, level, kind = struct.unpack_from("=Qii", raw)
        if length < 16:
            break
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            body = raw[16:length]
            found |= {kernel.socket_inode(_what(pid, fd)) for fd, in struct.iter_unpack("=i", body[:len(body) // 4 * 4])}
        raw = raw[(length + 7) // 8 * 8:]
    return found - {0}


# -- who called -----------------------------------------------------------------------------------------------------------

def _text_of(pid: int) -> "Optional[tuple[int, int, int, str, bytes]]":
    """Returns the code of a process's own executable: begin and end in memory, the load base, the path and the bytes. None if it
    can't be read."""
    try:
        path = os.readlink(f"/proc/{pid}/exe")
        base = -1
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.rstrip("\n").endswith(path):
                    continue
                words = line.split(None, 5)
                begin, end = (int(part, 16) for part in words[0].split("-"))
                offset = int(words[2], 16)
                base = begin - offset if base < 0 else base
                if "x" in words[1]:
                    with open(path, "rb") as program:
                        kind = program.read(18)[16:18]
                        program.seek(offset)
                        text = program.read(min(end - begin, 1 << 22))
                    return begin, begin + len(text), base if kind == b"\3\0" else 0, path, text     # ET_DYN is moved, ET_EXEC is not
    except (OSError, ValueError, IndexError):
        pass
    return None


def _callers(pid: int, stack: int, text: "tuple[int, int, int, str, bytes]") -> "list[int]":
    """Returns the return addresses on the stack that follow a call in the executable's own code, the innermost first, without the
    load base."""
    begin, end, base, _, code = text
    raw = ptrace.memory(pid, stack, _STACK)
    found = []
    for word in memoryview(raw[:len(raw) // 8 * 8]).cast("Q"):
        if begin < word < end and _follows_a_call(code, word - begin):
            found.append(word - base)
            if len(found) == _FRAMES:
                break
    return found


def _follows_a_call(code: bytes, at: int) -> bool:
    if _PLACE == 1:
        word = int.from_bytes(code[at - 4:at], "little") if at >= 4 else 0
        return word >> 26 == 0b100101 or word & 0xFFFFFC1F == 0xD63F0000       # BL, BLR
    if at >= 5 and code[at - 5] == 0xE8 or at >= 6 and code[at - 6:at - 4] == b"\xff\x15":
        return True
    return any(at >= n and code[at - n] == 0xFF and code[at - n + 1] >> 3 & 7 == 2 for n in (2, 3))
