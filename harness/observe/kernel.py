"""What the Linux kernel says about processes and threads. (sockets.py has what it says about sockets.)

Source: proc(5) (`/proc/PID/task/TID/syscall`, `schedstat`, ...). No root is needed for one's own children, also in a user
namespace that one has made. Everything here returns at once, and a process that has gone meanwhile is an empty answer, no error.
"""
from __future__ import annotations

import ctypes
import os
import platform
import re
import struct
import time
from dataclasses import dataclass, replace
from typing import Container, Iterable, Optional

# The calls in which a thread can wait, by system call number. `fd` calls have a descriptor as first argument.
_X86_64 = {
    0: "read", 1: "write", 7: "poll", 19: "readv", 20: "writev", 23: "select", 34: "pause", 35: "nanosleep", 42: "connect",
    43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4", 130: "rt_sigsuspend",
    128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6",
    271: "ppoll", 281: "epoll_pwait", 288: "accept4", 219: "restart_syscall",
}
_AARCH64 = {
    63: "read", 64: "write", 65: "readv", 66: "writev", 72: "pselect6", 73: "ppoll", 22: "epoll_pwait", 101: "nanosleep",
    115: "clock_nanosleep", 203: "connect", 202: "accept", 242: "accept4", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
    212: "recvmsg", 260: "wait4", 95: "waitid", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 98: "futex", 128: "restart_syscall",
}
_CALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), {})

# What a learner calls them: the function of libc, not the system call behind it.
PLAIN = {"recvfrom": "read", "recvmsg": "read", "readv": "read", "sendto": "write", "sendmsg": "write", "writev": "write",
         "accept4": "accept", "ppoll": "poll", "pselect6": "select", "epoll_pwait": "epoll_wait",
         "nanosleep": "sleep", "clock_nanosleep": "sleep", "waitid": "wait4"}

POLLIN, POLLOUT = 1, 4      # what a poll, select or epoll_wait waits for
ONCE = 1 << 31 | 1 << 28    # EPOLLET, EPOLLEXCLUSIVE: what is ready may already have been told, or told to another thread


@dataclass(frozen=True)
class Thread:
    """One thread. `call` is "" while it runs (or is on its way to), "?" if the kernel does not tell."""

    pid: int
    tid: int
    call: str
    args: tuple[int, ...]   # the call's arguments, as in the registers
    ran: str                # changes whenever the thread has run (schedstat, or its context switches)
    raw: str = ""           # the system call behind `call`: ppoll for poll

    @property
    def fd(self) -> int:
        """The descriptor that the call waits on, or -1."""
        has = self.call in ("read", "write", "accept", "connect")
        return ctypes.c_int(self.args[0] & 0xFFFFFFFF).value if has and self.args else -1


def _read(path: str, lines: bool = False) -> str:
    """A file of /proc; `lines`: one that has more than a page, which a single read(2) would cut."""
    data = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)      # not open(): there are hundreds of these in a run
        try:
            while part := os.read(fd, 65536):
                data += part
                if not lines:
                    break
        finally:
            os.close(fd)
    except OSError:
        return ""
    return data.decode("ascii", "replace")


def tells() -> bool:
    """Does this system tell in which call a thread waits? Asked of ourselves."""
    return bool(_CALLS) and _read("/proc/self/syscall").startswith(("running", *map(str, range(10))))


def threads(pid: int, but: Container[int] = (), again: bool = False) -> list[Thread]:
    """The live threads of a process, but for those with an id in `but`. `again`: for a second time. How often a thread has run is read
    before the rest the first time, and behind it the second time: so equal numbers say that it did not run between the two."""
    return [t for t in (_thread(pid, tid, again) for tid in thread_ids(pid) if tid not in but) if t is not None]


def thread_ids(pid: int) -> list[int]:
    """The threads of a process."""
    folder = f"/proc/{pid}/task"
    try:
        if os.stat(folder).st_nlink == 3:   # itself, its parent, and one thread: no need to list it
            return [pid]
        return sorted(map(int, os.listdir(folder)))
    except OSError:
        return []


def _thread(pid: int, tid: int, again: bool) -> Optional[Thread]:
    ran = "" if again else _ran(pid, tid)
    state = _state(f"/proc/{pid}/task/{tid}/stat")
    if state in ("", "Z", "X"):
        return None
    found = _in_call(pid, tid, ran, state in "ST")
    return replace(found, ran=_ran(pid, tid)) if again else found


def _ran(pid: int, tid: int) -> str:
    return _read(f"/proc/{pid}/task/{tid}/schedstat") or "".join(re.findall(r"ctxt_switches:\s*(\d+)", _read(f"/proc/{pid}/task/{tid}/status")))


def waiting_in(pid: int, tid: int) -> Optional[Thread]:
    """A thread that sleeps, with the call in which it waits; None if it runs, has gone, or if the kernel does not tell."""
    found = _in_call(pid, tid, "", True)
    return found if found.call not in ("", "?") else None


def _in_call(pid: int, tid: int, ran: str, sleeps: bool) -> Thread:
    words = _read(f"/proc/{pid}/task/{tid}/syscall").split()
    if not words:
        return Thread(pid, tid, "?", (), ran)
    if words[0] == "running" or words[0] == "-1" or not sleeps:
        return Thread(pid, tid, "", (), ran)
    call = _CALLS.get(int(words[0]), f"system call {words[0]}")
    return Thread(pid, tid, PLAIN.get(call, call), _signed(call, [int(word, 16) for word in words[1:7]]), ran, call)


def _signed(call: str, registers: Iterable[int]) -> tuple[int, ...]:
    args = list(registers)
    if call in ("poll", "epoll_wait", "epoll_pwait"):   # their limit is an int, in milliseconds
        place = 2 if call == "poll" else 3
        args[place] = ctypes.c_int(args[place] & 0xFFFFFFFF).value
    return tuple(args)


def waits_for_ever(thread: Thread) -> bool:
    """Has the call no time limit of its own? (Those of a socket option are in sockets.py, timers that end a wait by a signal in timers.py.)"""
    call, a = thread.call, thread.args
    if call == "poll":      # poll: milliseconds, made signed; ppoll: a pointer. Both are at place 2
        return a[2] <= 0
    if call == "select":
        return a[4] == 0
    if call == "epoll_wait":
        return a[3] < 0
    if call == "futex":     # FUTEX_WAIT, WAIT_BITSET, LOCK_PI ...: a pointer to the limit, or NULL
        return a[3] == 0
    if call == "rt_sigtimedwait":
        return a[2] == 0
    return call in ("read", "write", "accept", "wait4", "pause", "rt_sigsuspend")


def resumed(thread: Thread, fds: int) -> Thread:
    """A thread in restart_syscall(2), as in the poll(2) of so many descriptors that a signal had interrupted: the registers are still that
    one's. Itself if they can't be."""
    poll = replace(thread, call="poll", raw="poll", args=_signed("poll", thread.args))
    asked = _asked_for(poll)
    return poll if asked is not None and len(asked) == fds else thread


def limit(thread: Thread) -> Optional[float]:
    """Seconds that the call lasts at most if nothing else ends it, from now on at most; None if that is not known, or for ever."""
    call, a = thread.raw, thread.args
    if call in ("poll", "epoll_wait", "epoll_pwait"):
        limit = a[2 if call == "poll" else 3]
        return limit / 1000 if limit >= 0 else None
    place = {"ppoll": 2, "pselect6": 4, "select": 4, "nanosleep": 0, "clock_nanosleep": 2, "rt_sigtimedwait": 2, "futex": 3}.get(call)
    if place is None or not a[place]:
        return None
    try:
        whole, part = struct.unpack("=qq", _memory(thread.pid, a[place], 16))
    except (OSError, ValueError, OverflowError, struct.error):
        return None
    seconds = float(whole + part / (1e6 if call == "select" else 1e9))
    if call == "clock_nanosleep" and a[1] & 1:      # TIMER_ABSTIME
        seconds -= time.clock_gettime(a[0]) if a[0] in (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC) else 0
    if call == "futex" and a[1] & 127 != 0:     # all but FUTEX_WAIT: a moment, not a duration; FUTEX_LOCK_PI is 6
        seconds -= time.clock_gettime(time.CLOCK_REALTIME if a[1] & 256 or a[1] & 127 == 6 else time.CLOCK_MONOTONIC)
    return max(0.0, seconds)


def _memory(pid: int, at: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(at)
        return memory.read(size)


def polled(thread: Thread) -> Optional[dict[int, int]]:
    """The descriptors that a poll, select or epoll_wait waits on, each with what it waits for (POLLIN, POLLOUT, ONCE), out of the
    program's memory; None if that can't be read. In place of an epoll that one waits on stands what that epoll waits on."""
    found = _asked_for(thread)
    if found is None:
        return None
    told: dict[int, int] = {}
    todo, seen = list(found.items()), set()
    while todo:
        fd, events = todo.pop()
        if _is_epoll(thread.pid, fd):
            inner = _epoll(thread.pid, fd)
            if inner is None:
                return None
            todo += inner.items() if fd not in seen else ()
            seen.add(fd)
        else:
            told[fd] = told.get(fd, 0) | events
    return dict(sorted(told.items()))


def _is_epoll(pid: int, fd: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}") == "anon_inode:[eventpoll]"
    except OSError:
        return False


def _epoll(pid: int, fd: int) -> Optional[dict[int, int]]:
    """What is registered with an epoll: descriptors and events. None if a number of these means something else by now: an epoll keeps what
    was closed, if there is a copy of it."""
    info = _read(f"/proc/{pid}/fdinfo/{fd}", lines=True)
    found = {}
    for one, events, inode in re.findall(r"tfd:\s*(\d+)\s+events:\s*([0-9a-f]+)(?:.*\bino:([0-9a-f]+))?", info):
        found[int(one)] = int(events, 16)
        try:
            if inode and os.stat(f"/proc/{pid}/fd/{one}").st_ino != int(inode, 16):
                return None
        except OSError:
            return None
    return found


def _asked_for(thread: Thread) -> Optional[dict[int, int]]:
    a = thread.args
    try:
        if thread.call == "epoll_wait":
            return _epoll(thread.pid, a[0])
        found: dict[int, int] = {}
        if thread.call == "poll":
            for fd, events, _ in struct.iter_unpack("=ihh", _memory(thread.pid, a[0], 8 * min(a[1], 4096))):
                if fd >= 0:
                    found[fd] = found.get(fd, 0) | events
            return found
        size = min(a[0], 1024)
        for pointer, event in zip(a[1:4], (POLLIN, POLLOUT, 0)):
            if pointer and size > 0:
                bits = int.from_bytes(_memory(thread.pid, pointer, (size + 7) // 8), "little")
                found.update({fd: found.get(fd, 0) | event for fd in range(size) if bits >> fd & 1})
        return found
    except (OSError, ValueError, OverflowError, struct.error):
        return None


def children(pid: int) -> list[int]:
    """The children of a process, of all its threads."""
    return [int(child) for tid in thread_ids(pid) for child in _read(f"/proc/{pid}/task/{tid}/children", lines=True).split()]


def descendants(pid: int, most: int = 1 << 20, but: Container[int] = (), dead: bool = False) -> list[int]:
    """Children, their children, and so on, about `most` of them, without those in `but`. Those that have ended but are not yet
    waited for are left out, unless `dead`; a process whose first thread has ended lives as long as another one does. Those that nobody
    has to wait for any more (state X: their parent has ended, and who got them ignores SIGCHLD) are always left out."""
    found: set[int] = set()
    todo = children(pid)
    while todo and len(found) < most:
        child = todo.pop()
        if child not in found and child not in but and (process_state(child) not in ("", "X") if dead else _lives(child)):
            found.add(child)
        todo += children(child)
    return sorted(found)


def _lives(pid: int) -> bool:
    state = process_state(pid)
    return state not in ("", "X") and (state != "Z" or any(_state(f"/proc/{pid}/task/{tid}/stat") not in ("", "Z", "X") for tid in thread_ids(pid)))


def process_state(pid: int) -> str:
    """R, S, D, T, Z, ... of proc(5); "" if there is no such process."""
    return _state(f"/proc/{pid}/stat")


def own_id(pid: int, tid: int) -> int:
    """A thread's id as it sees it itself, in its PID namespace; 0 if it has gone, or if the system does not tell."""
    found = re.search(r"^NSpid:.*?(\d+)$", _read(f"/proc/{pid}/task/{tid}/status"), re.MULTILINE)
    return int(found[1]) if found else 0


def parent(pid: int) -> int:
    """Its parent's id, 0 if it has gone."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return int(fields[1]) if len(fields) > 1 else 0


def environment(pid: int) -> "list[str]":
    """NAME=value of a process, as it was when it was executed; [] if it can't be read."""
    return _read(f"/proc/{pid}/environ", lines=True).split("\0")


def clock_of_timer(pid: int, number: int) -> int:
    """The clock of a timer of timer_create(2); CLOCK_MONOTONIC if it is not known, or none of this machine's."""
    found = re.search(rf"^ID: {number}\n(?:(?!ID:).*\n)*ClockID: (\d+)", _read(f"/proc/{pid}/timers", lines=True), re.MULTILINE)
    clock = int(found[1]) if found else time.CLOCK_MONOTONIC
    return clock if clock in (time.CLOCK_REALTIME, time.CLOCK_BOOTTIME, time.CLOCK_TAI) else time.CLOCK_MONOTONIC


def cpu_seconds(pid: int) -> float:
    """User and system time used so far, all threads."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def resident_bytes(pid: int) -> int:
    """Memory in use (resident set)."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def memory_files(pids: Iterable[int]) -> int:
    """Bytes in files that are memory (memfd_create(2), /dev/shm), of those that these processes have open; each file once."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        for fd, what in descriptors(pid).items():
            if what.startswith(("/memfd:", "/dev/shm/")):
                try:
                    told = os.stat(f"/proc/{pid}/fd/{fd}")
                except OSError:
                    continue
                found[told.st_dev, told.st_ino] = told.st_blocks * 512
    return sum(found.values())


def descriptors(pid: int) -> dict[int, str]:
    """Descriptor to what it is: "socket:[123]", "pipe:[4]", "anon_inode:[timerfd]", a path."""
    found: dict[int, str] = {}
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return found
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            pass
    return found


def socket_inode(what: str) -> int:
    """The inode in "socket:[123]", or 0."""
    return int(what[8:-1]) if what.startswith("socket:[") else 0


def send_signal(pid: int, number: int) -> None:
    """kill(2); a process that has gone is fine."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def signal_groups(pids: Iterable[int], number: int) -> None:
    """Signals the process groups of these processes, each at one stroke, so that nobody can fork away from it; our own
    group is left out."""
    groups = set()
    for pid in pids:
        try:
            groups.add(os.getpgid(pid))
        except ProcessLookupError:
            pass
    for group in groups - {os.getpgrp()}:
        try:
            os.killpg(group, number)
        except (ProcessLookupError, PermissionError):
            pass


def stands(pid: int) -> bool:
    """Is every thread of a process stopped, or gone?"""
    folder = f"/proc/{pid}/task"
    try:
        tids = os.listdir(folder)
    except OSError:
        return True
    return all(_state(f"{folder}/{tid}/stat") in ("T", "t", "", "Z", "X", "D") for tid in tids)


def _state(path: str) -> str:
    stat = _read(path)
    return stat[stat.rfind(")") + 2:][:1]
