"""What the Linux kernel says about processes and threads. (sockets.py has what it says about sockets.)

Source: proc(5) (`/proc/PID/task/TID/syscall`, `schedstat`, ...). A process may read this about its own children without root,
also in a user namespace that it has made. Every function here returns at once. For a process that has gone meanwhile it returns
an empty answer, and no error.
"""
from __future__ import annotations

import ctypes
import os
import re
import struct
import time
from dataclasses import dataclass, replace
from typing import Container, Iterable, Optional

# The calls in which a thread can wait, by system call number.
_X86_64 = {
    0: "read", 1: "write", 7: "poll", 19: "readv", 20: "writev", 23: "select", 34: "pause", 35: "nanosleep", 42: "connect",
    43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 56: "clone", 58: "vfork", 61: "wait4", 130: "rt_sigsuspend",
    128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6",
    271: "ppoll", 281: "epoll_pwait", 288: "accept4", 219: "restart_syscall",
}
_AARCH64 = {
    63: "read", 64: "write", 65: "readv", 66: "writev", 72: "pselect6", 73: "ppoll", 22: "epoll_pwait", 101: "nanosleep",
    115: "clock_nanosleep", 203: "connect", 202: "accept", 242: "accept4", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
    212: "recvmsg", 260: "wait4", 95: "waitid", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 98: "futex", 220: "clone", 128: "restart_syscall",
}
_CALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(os.uname().machine, {})

# The names that a learner knows: those of libc's functions, and not of the system calls behind them.
PLAIN = {"recvfrom": "read", "recvmsg": "read", "readv": "read", "sendto": "write", "sendmsg": "write", "writev": "write",
         "accept4": "accept", "ppoll": "poll", "pselect6": "select", "epoll_pwait": "epoll_wait",
         "nanosleep": "sleep", "clock_nanosleep": "sleep", "waitid": "wait4"}

_CLONE_VFORK = 0x4000

POLLIN, POLLOUT = 1, 4      # the events for which a poll, select or epoll_wait waits
ONCE = 1 << 31 | 1 << 28    # EPOLLET, EPOLLEXCLUSIVE: this thread, or another one, may already have been told what is ready


@dataclass(frozen=True)
class Thread:
    """One thread. `call` is the call in which it waits; "" if it runs or is about to run; "?" if the kernel does not tell."""

    pid: int
    tid: int
    call: str
    args: tuple[int, ...]   # the call's arguments, as in the registers
    ran: str                # changes whenever the thread has run (schedstat, or its context switches)
    raw: str = ""           # the system call behind `call`: ppoll for poll
    stopped: bool = False   # `call` is "", and the thread is stopped: T or t of proc(5)

    @property
    def fd(self) -> int:
        """The descriptor on which the call waits, or -1."""
        has = self.call in ("read", "write", "accept", "connect")
        return ctypes.c_int(self.args[0] & 0xFFFFFFFF).value if has and self.args else -1


def _read(path: str, lines: bool = False) -> str:
    """Returns a file of /proc, "" if it can't be read. `lines` is for a file of more than a page, which a single read(2) would
    cut."""
    data = b""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)      # os.open is faster than open(), and a run has hundreds of these
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
    """Does this system tell in which call a thread waits? The function tries it with its own process."""
    return bool(_CALLS) and _read("/proc/self/syscall").startswith(("running", *map(str, range(10))))


def threads(pid: int, but: Container[int] = (), again: bool = False) -> list[Thread]:
    """Returns the live threads of a process, without those whose ids are in `but`. `again` is for the second of two readings. The
    first reading reads how often a thread has run before the rest, and the second one reads it after the rest. So equal numbers
    prove that the thread did not run between the two."""
    return [t for t in (_thread(pid, tid, again) for tid in thread_ids(pid) if tid not in but) if t is not None]


def thread_ids(pid: int, known: "Optional[list[int]]" = None) -> list[int]:
    """Returns the ids of the threads of a process; [] if it has gone. If there are as many as in `known`, returns those: whoever
    gives them learns by himself that one has ended, and of each birth."""
    folder = f"/proc/{pid}/task"
    try:
        count = os.stat(folder).st_nlink - 2    # itself, its parent, and a folder for each thread
        if count == 1 or known is not None and count == len(known):
            return [pid] if count == 1 else known or []
        return sorted(map(int, os.listdir(folder)))
    except OSError:
        return []


def _thread(pid: int, tid: int, again: bool) -> Optional[Thread]:
    ran = "" if again else _ran(pid, tid)
    state = _state(f"/proc/{pid}/task/{tid}/stat")
    if state in ("", "Z", "X"):
        return None
    found = _in_call(pid, tid, ran, state in "STD")
    if found.raw == "clone" and found.args[0] & _CLONE_VFORK:
        found = replace(found, call="vfork")
    if state == "D" and found.call not in ("vfork", "?"):     # the kernel does something for it, and it goes on by itself
        found = replace(found, call="")
    if state in "Tt" and not waits_for_ever(found) and found.call != "?":
        found = replace(found, call="", stopped=True)
    return replace(found, ran=_ran(pid, tid)) if again else found


def _ran(pid: int, tid: int) -> str:
    return _read(f"/proc/{pid}/task/{tid}/schedstat") or "".join(re.findall(r"ctxt_switches:\s*(\d+)", _read(f"/proc/{pid}/task/{tid}/status")))


def waiting_in(pid: int, tid: int, told: str = "") -> Optional[Thread]:
    """Returns a sleeping thread with the call in which it waits; None if it runs, if it has gone, or if the kernel does not tell. `told`
    is what its file syscall says, if that is known."""
    found = _in_call(pid, tid, "", True, told)
    return found if found.call not in ("", "?") else None


def _in_call(pid: int, tid: int, ran: str, sleeps: bool, told: str = "") -> Thread:
    words = (told or _read(f"/proc/{pid}/task/{tid}/syscall")).split()
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
    """Does the call have no time limit among its arguments? (sockets.py has the limits that a socket's options set, timers.py the
    timers that end a wait by a signal.)"""
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
    return call in ("read", "write", "accept", "wait4", "vfork", "pause", "rt_sigsuspend")


def resumed(thread: Thread, fds: int) -> Thread:
    """A signal has interrupted a poll(2) of `fds` descriptors, and the thread is in restart_syscall(2) now. Returns the thread as
    in that poll, whose arguments the registers still hold. Returns the thread unchanged if they do not fit such a poll."""
    poll = replace(thread, call="poll", raw="poll", args=_signed("poll", thread.args))
    asked = _asked_for(poll)
    return poll if asked is not None and len(asked) == fds else thread


def limit(thread: Thread) -> Optional[float]:
    """Returns after how many seconds from now, at most, the call ends by itself; None if it has no limit, or if that is not
    known."""
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
    if call == "futex" and a[1] & 127 != 0:     # only FUTEX_WAIT has a duration, the others a point in time; FUTEX_LOCK_PI is 6
        seconds -= time.clock_gettime(time.CLOCK_REALTIME if a[1] & 256 or a[1] & 127 == 6 else time.CLOCK_MONOTONIC)
    return max(0.0, seconds)


def _memory(pid: int, at: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(at)
        return memory.read(size)


def polled(thread: Thread) -> Optional[dict[int, int]]:
    """Reads from the program's memory on which descriptors a poll, select or epoll_wait waits. Returns by descriptor for what it
    waits (POLLIN, POLLOUT, ONCE); None if that can't be read. If it waits on an epoll, the descriptors of that epoll are in it
    instead."""
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
    """Returns the descriptors and events that are registered with an epoll. Returns None if one of the numbers means something
    else by now: an epoll keeps a closed descriptor as long as a copy of it is open."""
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
    """Returns the ids of the processes that the threads of a process have started."""
    return [int(child) for tid in thread_ids(pid) for child in _read(f"/proc/{pid}/task/{tid}/children", lines=True).split()]


def leaves_unwaited(pid: int, most: int) -> bool:
    """Have more than `most` children of a process ended, and nobody has waited for them?"""
    found = children(pid)
    return len(found) > most and sum(process_state(child) == "Z" for child in found) > most


def descendants(pid: int, most: int = 1 << 20, but: Container[int] = (), dead: bool = False) -> list[int]:
    """Returns the children of a process, their children, and so on: about `most` of them, without those in `but`. A process that
    has ended and is not yet waited for is left out, unless `dead`. A process whose first thread has ended counts as alive as long
    as another thread lives. A process in state X is always left out: nobody has to wait for it any more."""
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
    """Returns the process's state as in proc(5): R, S, D, T, Z, ...; "" if there is no such process."""
    return _state(f"/proc/{pid}/stat")


def own_id(pid: int, tid: int) -> int:
    """Returns the id that a thread has in its own PID namespace; 0 if it has gone, or if the system does not tell."""
    found = re.search(r"^NSpid:.*?(\d+)$", _read(f"/proc/{pid}/task/{tid}/status"), re.MULTILINE)
    return int(found[1]) if found else 0


def takes_signal(pid: int, tid: int, number: int) -> str:
    """Returns what a thread does with a signal that does not end it: "blocked", "ignored" or "handled"; "" if the signal does what it
    does by default, or if the system does not tell."""
    status = _read(f"/proc/{pid}/task/{tid}/status")
    for field, word in (("SigBlk", "blocked"), ("SigIgn", "ignored"), ("SigCgt", "handled")):
        found = re.search(rf"^{field}:\s*([0-9a-f]+)$", status, re.MULTILINE)
        if found and int(found[1], 16) >> number - 1 & 1:
            return word
    return ""


def parent(pid: int) -> int:
    """Returns the id of the process's parent, 0 if the process has gone."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return int(fields[1]) if len(fields) > 1 else 0


def environment(pid: int) -> "list[str]":
    """Returns the NAME=value entries of a process, as they were when its program was started; [""] if they can't be read."""
    return _read(f"/proc/{pid}/environ", lines=True).split("\0")


def clock_of_timer(pid: int, number: int) -> int:
    """Returns the clock of a timer that timer_create(2) made; CLOCK_MONOTONIC if the clock is not known, or is not one of the
    machine's."""
    found = re.search(rf"^ID: {number}\n(?:(?!ID:).*\n)*ClockID: (\d+)", _read(f"/proc/{pid}/timers", lines=True), re.MULTILINE)
    clock = int(found[1]) if found else time.CLOCK_MONOTONIC
    return clock if clock in (time.CLOCK_REALTIME, time.CLOCK_BOOTTIME, time.CLOCK_TAI) else time.CLOCK_MONOTONIC


def cpu_seconds(pid: int) -> float:
    """Returns how much processor time all threads of the process have used, user and system, in seconds."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def resident_bytes(pid: int) -> int:
    """Returns how many bytes of memory the process uses (its resident set)."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def memory_files(pids: Iterable[int]) -> int:
    """Returns how many bytes are in files that live in memory (memfd_create(2), /dev/shm) and that these processes have open.
    Each file counts once."""
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
    """Returns by descriptor what it is: "socket:[123]", "pipe:[4]", "anon_inode:[timerfd]", a path."""
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
    """Returns the inode in "socket:[123]", 0 for any other text."""
    return int(what[8:-1]) if what.startswith("socket:[") else 0


def send_signal(pid: int, number: int) -> None:
    """Calls kill(2). That a process has gone is no error."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def signal_groups(pids: Iterable[int], number: int) -> None:
    """Sends the signal to the process groups of these processes. Each group gets it at once, so that no process can fork away
    from it. The harness's own group is left out."""
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
    """Is every thread of a process stopped, gone, or in a sleep that no signal ends (state D)?"""
    folder = f"/proc/{pid}/task"
    try:
        tids = os.listdir(folder)
    except OSError:
        return True
    return all(_state(f"{folder}/{tid}/stat") in ("T", "t", "", "Z", "X", "D") for tid in tids)


def _state(path: str) -> str:
    stat = _read(path)
    return stat[stat.rfind(")") + 2:][:1]
