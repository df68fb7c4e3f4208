"""What the Linux kernel says about processes and TCP sockets: the one module that parses it.

Sources: proc(5) (`/proc/PID/task/TID/syscall`, `schedstat`, `/proc/PID/net/tcp`), tcp(7) (TCP_INFO, SIOCOUTQ), the layout
of `struct tcp_info` in linux/tcp.h, pidfd_getfd(2). No root is needed for one's own children, also in a user namespace
that one has made. Everything here returns at once, and a process that has gone meanwhile is an empty answer, no error.
"""
from __future__ import annotations

import array
import ctypes
import fcntl
import os
import platform
import re
import select
import socket
import struct
import sys
from dataclasses import dataclass
from typing import Any, Callable, Container, Iterable, Iterator, Optional

# The calls in which a thread can wait, by system call number. `fd` calls have a descriptor as first argument.
_X86_64 = {
    0: "read", 1: "write", 7: "poll", 19: "readv", 20: "writev", 23: "select", 34: "pause", 35: "nanosleep", 42: "connect",
    43: "accept", 44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4", 130: "rt_sigsuspend",
    128: "rt_sigtimedwait", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6",
    271: "ppoll", 281: "epoll_pwait", 288: "accept4",
}
_AARCH64 = {
    63: "read", 64: "write", 65: "readv", 66: "writev", 72: "pselect6", 73: "ppoll", 22: "epoll_pwait", 101: "nanosleep",
    115: "clock_nanosleep", 203: "connect", 202: "accept", 242: "accept4", 206: "sendto", 207: "recvfrom", 211: "sendmsg",
    212: "recvmsg", 260: "wait4", 95: "waitid", 133: "rt_sigsuspend", 137: "rt_sigtimedwait", 98: "futex",
}
_CALLS = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(platform.machine(), {})

# What a learner calls them: the function of libc, not the system call behind it.
PLAIN = {"recvfrom": "read", "recvmsg": "read", "readv": "read", "sendto": "write", "sendmsg": "write", "writev": "write",
         "accept4": "accept", "ppoll": "poll", "pselect6": "select", "epoll_pwait": "epoll_wait",
         "nanosleep": "sleep", "clock_nanosleep": "sleep", "waitid": "wait4"}

# RFC 9293's names for the states in /proc/net/tcp (include/net/tcp_states.h).
STATES = {1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECEIVED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "CLOSED",
          8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN-RECEIVED"}
HAS_PEERS_FIN = {"CLOSE-WAIT", "LAST-ACK", "CLOSING", "TIME-WAIT"}

_FIONREAD, _SIOCOUTQ, _SIOCOUTQNSD = 0x541B, 0x5411, 0x894B
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Thread:
    """One thread. `call` is "" while it runs (or is on its way to), "?" if the kernel does not tell."""

    pid: int
    tid: int
    call: str
    args: tuple[int, ...]   # the call's arguments, as in the registers
    ran: str                # changes whenever the thread has run (schedstat, or its context switches)

    @property
    def fd(self) -> int:
        """The descriptor that the call waits on, or -1."""
        has = self.call in ("read", "write", "accept", "connect")
        return ctypes.c_int(self.args[0] & 0xFFFFFFFF).value if has and self.args else -1


@dataclass(frozen=True)
class Row:
    """One line of /proc/net/tcp or tcp6. `inode` 0: no program holds the socket any more."""

    local: str              # "127.0.0.1:8080", "[::1]:8080"; IPv4 in IPv6 is written as IPv4
    peer: str
    state: str
    send_queue: int         # bytes not acknowledged, a FIN counted as one
    receive_queue: int      # bytes unread, a FIN counted as one; LISTEN: connections waiting
    inode: int
    probing: bool = False   # zero-window probes are running: all that was sent is acknowledged, and the window is closed

    @property
    def port(self) -> int:
        return int(self.local.rpartition(":")[2])


@dataclass(frozen=True)
class Sock:
    """One TCP socket that a program holds. Counts are bytes and leave a FIN out, except `received`; -1: not known."""

    pid: int
    fd: int
    inode: int
    state: str              # RFC 9293's name
    local: str
    peer: str               # "" if it has none
    unread: int             # in the receive queue; LISTEN: connections waiting to be accepted
    unacked: int            # written, not yet acknowledged
    unsent: int             # of these, not sent at all
    sent: int = -1          # ever, first transmissions only
    received: int = -1      # ever, a FIN counted as one
    window: int = -1        # how far beyond the last acknowledged byte the peer lets us send
    low_water: int = 1      # SO_RCVLOWAT
    read_limit: int = 0     # SO_RCVTIMEO, SO_SNDTIMEO in ns: a wait ends by itself; 0: none
    write_limit: int = 0
    user_timeout: int = 0   # TCP_USER_TIMEOUT in ns: what is not acknowledged for so long ends the connection; 0: none
    asked: bool = True      # the socket itself was asked; else the options are not known
    error: bool = False     # an error is pending (poll says so; SO_ERROR would take it away)

    @property
    def port(self) -> int:
        return int(self.local.rpartition(":")[2])

    @property
    def eof(self) -> bool:
        """Has the peer's FIN arrived?"""
        return self.state in HAS_PEERS_FIN


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


def threads(pid: int, but: Container[int] = ()) -> list[Thread]:
    """The live threads of a process, but for those with an id in `but`."""
    return [t for t in (_thread(pid, tid) for tid in _tids(pid) if tid not in but) if t is not None]


def _tids(pid: int) -> list[int]:
    folder = f"/proc/{pid}/task"
    try:
        if os.stat(folder).st_nlink == 3:   # itself, its parent, and one thread: no need to list it
            return [pid]
        return sorted(map(int, os.listdir(folder)))
    except OSError:
        return []


def _thread(pid: int, tid: int) -> Optional[Thread]:
    base = f"/proc/{pid}/task/{tid}/"
    ran = _read(base + "schedstat") or "".join(re.findall(r"ctxt_switches:\s*(\d+)", _read(base + "status")))
    stat = _read(base + "stat")
    state = stat[stat.rfind(")") + 2:][:1]
    if state in ("", "Z", "X"):
        return None
    words = _read(base + "syscall").split()
    if not words:
        return Thread(pid, tid, "?", (), ran)
    if words[0] == "running" or words[0] == "-1" or state not in "ST":
        return Thread(pid, tid, "", (), ran)
    call = _CALLS.get(int(words[0]), f"system call {words[0]}")
    return Thread(pid, tid, PLAIN.get(call, call), _arguments(call, words), ran)


def _arguments(call: str, words: list[str]) -> tuple[int, ...]:
    args = [int(word, 16) for word in words[1:7]]
    if call in ("poll", "epoll_wait", "epoll_pwait"):   # their limit is an int, in milliseconds
        place = 2 if call == "poll" else 3
        args[place] = ctypes.c_int(args[place] & 0xFFFFFFFF).value
    return tuple(args)


def limit_of(thread: Thread) -> float:
    """Seconds that the call lasts at most, from its beginning, as its arguments say; -1.0 where that can't be read."""
    call, a = thread.call, thread.args
    if call == "poll" and a[2] < 1 << 31:       # milliseconds; ppoll has a pointer there
        return a[2] / 1000
    if call == "epoll_wait":
        return a[3] / 1000
    return -1.0


def waits_for_ever(thread: Thread) -> bool:
    """Has the call no time limit of its own? (Those of a socket option are in Sock; timers are in timers.py.)"""
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


def polled(thread: Thread) -> Optional[list[int]]:
    """The descriptors that a poll, select or epoll_wait waits on, out of the program's memory; None if it can't be read."""
    a = thread.args
    try:
        if thread.call == "epoll_wait":
            info = _read(f"/proc/{thread.pid}/fdinfo/{a[0]}", lines=True)
            return [int(fd) for fd in re.findall(r"tfd:\s*(\d+)", info)]
        with open(f"/proc/{thread.pid}/mem", "rb", buffering=0) as memory:
            if thread.call == "poll":
                memory.seek(a[0])
                raw = memory.read(8 * min(a[1], 4096))
                return [fd for fd, _, _ in struct.iter_unpack("=ihh", raw) if fd >= 0]
            found = set()
            for pointer in filter(None, a[1:4]):
                memory.seek(pointer)
                bits = int.from_bytes(memory.read((min(a[0], 1024) + 7) // 8), "little")
                found |= {fd for fd in range(min(a[0], 1024)) if bits >> fd & 1}
            return sorted(found)
    except (OSError, ValueError, OverflowError, struct.error):
        return None


def children(pid: int) -> list[int]:
    """The children of a process, of all its threads."""
    return [int(child) for tid in _tids(pid) for child in _read(f"/proc/{pid}/task/{tid}/children", lines=True).split()]


def descendants(pid: int, most: int = 1 << 20, but: Container[int] = (), dead: bool = False) -> list[int]:
    """Children, their children, and so on, about `most` of them, without those in `but`. Those that have ended but are not yet
    waited for are left out, unless `dead`; a process whose first thread has ended lives as long as another one does."""
    found: set[int] = set()
    todo = children(pid)
    while todo and len(found) < most:
        child = todo.pop()
        if child not in found and child not in but and (dead or _lives(child)):
            found.add(child)
        todo += children(child)
    return sorted(found)


def _lives(pid: int) -> bool:
    state = process_state(pid)
    return state not in ("", "X") and (state != "Z" or any(_state(f"/proc/{pid}/task/{tid}/stat") not in ("", "Z", "X") for tid in _tids(pid)))


def process_state(pid: int) -> str:
    """R, S, D, T, Z, ... of proc(5); "" if there is no such process."""
    return _state(f"/proc/{pid}/stat")


def parent(pid: int) -> int:
    """Its parent's id, 0 if it has gone."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return int(fields[1]) if len(fields) > 1 else 0


def environment(pid: int) -> "list[str]":
    """NAME=value of a process, as it was when it was executed; [] if it can't be read."""
    return _read(f"/proc/{pid}/environ", lines=True).split("\0")


def cpu_seconds(pid: int) -> float:
    """User and system time used so far, all threads."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0


def resident_bytes(pid: int) -> int:
    """Memory in use (resident set)."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else 0


def descriptors(pid: int) -> dict[int, str]:
    """Descriptor to what it is: "socket:[123]", "pipe:[4]", "anon_inode:[timerfd]", a path."""
    found = {}
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


def tcp_rows(pid: int) -> list[Row]:
    """The TCP sockets of the network in which process pid lives."""
    return [*_rows(_read(f"/proc/{pid}/net/tcp", lines=True)), *_rows(_read(f"/proc/{pid}/net/tcp6", lines=True))]


def orphans(pid: int) -> bool:
    """Are there TCP sockets that no program holds and that have not said all yet (proc_net(5), sockstat)? The count is the
    whole machine's: False is certain, True is a reason to look."""
    found = re.search(r"orphan (\d+)", _read(f"/proc/{pid}/net/sockstat"))
    return found is None or found[1] != "0"


def _rows(text: str) -> Iterator[Row]:
    for line in text.splitlines()[1:]:
        words = line.split()
        send, receive = words[4].split(":")
        state = STATES.get(int(words[3], 16), words[3])
        yield Row(_address(words[1]), _address(words[2]), state, int(send, 16), int(receive, 16), int(words[9]),
                  words[5].startswith("04:"))


def _address(text: str) -> str:
    """0100007F:1F90 is 127.0.0.1:8080: words of four bytes in the machine's order, then the port in hex."""
    host, port = text.split(":")
    raw = b"".join(struct.pack("=I", int(host[i:i + 8], 16)) for i in range(0, len(host), 8))
    return endpoint(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw), int(port, 16))


def tcp_sockets(pid: int, held: "Optional[dict[int, str]]" = None) -> list[Sock]:
    """The TCP sockets that a process holds: asked of each socket itself, through a duplicate of its descriptor; where
    that can't be had (an old kernel, no permission), taken from /proc/net/tcp. `held`: its descriptors(), if known."""
    held = descriptors(pid) if held is None else held
    found = []
    rows: Optional[list[Row]] = None
    pidfd = _pidfd(pid)
    try:
        for fd, what in sorted(held.items()):
            inode = socket_inode(what)
            if not inode:
                continue
            copy = _libc.syscall(438, pidfd, fd, 0) if pidfd >= 0 else -1   # pidfd_getfd(2), on x86-64 and aarch64
            if copy >= 0:
                try:
                    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=copy)
                except OSError:     # it runs, and the descriptor is another file by now
                    os.close(copy)
                    continue
                with sock:
                    asked = _ask(sock, pid, fd, inode)
            else:
                rows = tcp_rows(pid) if rows is None else rows
                asked = next((_from_row(row, pid, fd) for row in rows if row.inode == inode), None)
            if asked is not None:
                found.append(asked)
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    return found


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


def _ask(sock: socket.socket, pid: int, fd: int, inode: int) -> Optional[Sock]:
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:     # a socket, and none of TCP
        return None
    state = STATES.get(info[0], "CLOSED")
    local, peer = name_of(sock.getsockname), name_of(sock.getpeername)
    if state == "LISTEN":
        waiting, = struct.unpack_from("=I", info, 24)
        return Sock(pid, fd, inode, state, local, "", waiting, 0, 0, read_limit=_limit(sock, socket.SO_RCVTIMEO))
    received, = struct.unpack_from("=Q", info, 128)
    sent, again = struct.unpack_from("=QQ", info.ljust(256, b"\0"), 200)
    window, = struct.unpack_from("=I", info.ljust(256, b"\0"), 228)
    known = len(info) >= 232
    unacked, unsent = _number(sock, _SIOCOUTQ), _number(sock, _SIOCOUTQNSD)
    fin = state in ("FIN-WAIT-1", "CLOSING", "LAST-ACK") and unacked > 0
    poller = select.poll()
    poller.register(sock, 0)
    return Sock(pid, fd, inode, state, local, peer, unread=_number(sock, _FIONREAD), unacked=unacked - fin,
                unsent=unsent - (fin and unsent > 0), sent=sent - again if known else -1, received=received if known else -1,
                window=window if known else -1, low_water=sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT),
                read_limit=_limit(sock, socket.SO_RCVTIMEO), write_limit=_limit(sock, socket.SO_SNDTIMEO),
                user_timeout=sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) * 1_000_000,
                error=any(got & select.POLLERR for _, got in poller.poll(0)))


def name_of(ask: Callable[[], Any]) -> str:
    """What a socket's getsockname() or getpeername() says; "" if it has none."""
    try:
        host, port, *_ = ask()
    except (OSError, ValueError):
        return ""
    return endpoint(str(host), int(port))


def endpoint(host: str, port: int) -> str:
    """An address as it is written everywhere: "127.0.0.1:8080", "[::1]:8080". IPv4 in IPv6 is written as IPv4."""
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def name_of_raw(raw: bytes) -> str:
    """The same of a struct sockaddr; "" if it is neither IPv4 nor IPv6."""
    family = int.from_bytes(raw[:2], sys.byteorder)
    port = int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET and len(raw) >= 8:
        return endpoint(socket.inet_ntop(socket.AF_INET, raw[4:8]), port)
    if family == socket.AF_INET6 and len(raw) >= 24:
        return endpoint(socket.inet_ntop(socket.AF_INET6, raw[8:24]), port)
    return ""


def borrowed(pid: int, fd: int) -> Optional[socket.socket]:
    """A duplicate of a process's socket (pidfd_getfd(2)); None where that is refused, or it is none."""
    pidfd = _pidfd(pid)
    if pidfd < 0:
        return None
    try:
        copy = _libc.syscall(438, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def _number(sock: socket.socket, request: int) -> int:
    value = array.array("i", [0])
    try:
        fcntl.ioctl(sock, request, value)
    except OSError:     # not connected yet
        return 0
    return value[0]


def _limit(sock: socket.socket, option: int) -> int:
    seconds, rest = struct.unpack("=qq", sock.getsockopt(socket.SOL_SOCKET, option, 16))
    return int(seconds * 1_000_000_000 + rest * 1000)


def _from_row(row: Row, pid: int, fd: int) -> Sock:
    ours = row.state in ("FIN-WAIT-1", "CLOSING", "LAST-ACK") and row.send_queue > 0
    theirs = row.state in HAS_PEERS_FIN and row.receive_queue > 0
    return Sock(pid, fd, row.inode, row.state, row.local, "" if row.state == "LISTEN" else row.peer,
                row.receive_queue - theirs, row.send_queue - ours, unsent=row.send_queue - ours if row.probing else 0,
                window=0 if row.probing else -1, asked=False)


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
