"""The TCP sockets of a run: who holds which, what the kernel says of each, and how its options limit a wait.

State, queues, windows and counters come from NETLINK_SOCK_DIAG (diag.py), or from /proc/net/tcp if the system does not have that.
For what neither tells, the harness makes a copy of a program's descriptor (pidfd_getfd(2)): for time limits and other options of
a socket on which a thread waits, and once for the addresses of a new socket, because a dump of all sockets costs a hundred times
as much. Such a copy is closed at once, because as long as it is open the program's own close sends no FIN.
"""
from __future__ import annotations

import ctypes
import functools
import os
import select
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping, Optional

from . import address, tcp
from .diag import Diag, Name, Refused
from .tcp import Sock

_PIDFD_GETFD = 438                  # on x86-64 and aarch64
_TCP_USER_TIMEOUT = 18
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Limits:
    """How a socket's options limit a wait on it. Times are in seconds; 0 means no limit. An accepted socket inherits all options
    from its listener."""

    read: float = 0.0       # SO_RCVTIMEO: ends read, recv, accept
    write: float = 0.0      # SO_SNDTIMEO: ends write, send, connect
    user: float = 0.0       # TCP_USER_TIMEOUT: ends the connection while something is not acknowledged
    low_water: int = 1      # SO_RCVLOWAT: a read wakes up when so many bytes are there
    error: bool = False     # an error is pending (poll says so; asking for SO_ERROR would take it away)


@dataclass(frozen=True)
class Snapshot:
    """The TCP sockets at a moment in which no program runs."""

    sockets: "tuple[Sock, ...]" = ()    # each once: those that programs hold, their other ends, and all others if `whole`
    held: "Mapping[tuple[int, int], Sock]" = field(default_factory=dict)    # by process id and descriptor
    whole: bool = False                 # true: a socket that is not in `sockets` does not exist

    def other_end(self, sock: Sock) -> Optional[Sock]:
        """Returns the socket at the other end of a connection; None if there is none, or if it is in another network."""
        return self._ends.get((sock.peer, sock.local)) if sock.peer else None

    @functools.cached_property
    def _ends(self) -> "dict[tuple[str, str], Sock]":
        return {(one.local, one.peer): one for one in self.sockets if one.peer}

    def holders(self, sock: Optional[Sock]) -> "set[int]":
        """Returns the ids of the processes that hold a socket."""
        return {pid for (pid, _), one in self.held.items() if one is sock}


class Network:
    """Asks for the sockets of one run. `netlinks` has a NETLINK_SOCK_DIAG socket of each of its networks. Without one,
    /proc/net/tcp is read."""

    def __init__(self, *netlinks: socket.socket) -> None:
        self._diags = [Diag(one) for one in netlinks]
        self._names: "dict[int, Optional[Name]]" = {}   # by inode; None: a socket that is not of TCP

    def now(self, descriptors: "Mapping[int, Mapping[int, str]]", whole: bool = False, pairs: "Iterable[tuple[str, str]]" = ()) -> Snapshot:
        """Returns the sockets that programs hold, and the other end of each. `descriptors` has those of each process, as
        kernel.descriptors() returns them. With `whole`, all other sockets of the network that have to do with them are in it.
        `pairs` adds the ends of these connections."""
        holders: "dict[int, list[tuple[int, int]]]" = {}
        for pid, files in descriptors.items():
            for fd, what in files.items():
                if what.startswith("socket:["):
                    holders.setdefault(int(what[8:-1]), []).append((pid, fd))
        for inode in set(self._names) - set(holders):
            del self._names[inode]
        found = None if whole else self._single(holders, [name for pair in pairs for name in _names(pair)])
        if found is None:
            whole, found = True, _of_interest(self._all(next(iter(descriptors), 0)), holders)
        by_inode = {sock.inode: sock for sock in found if sock.inode}
        for inode, who in holders.items():
            if inode not in by_inode and self._is_tcp(inode, *who[0]):
                by_inode[inode] = Sock("", "", "CLOSED", inode)
        held = dict(sorted((one, by_inode[inode]) for inode, who in holders.items() if inode in by_inode for one in who))
        return Snapshot(tuple(dict.fromkeys((*held.values(), *found))), held, whole)

    def _single(self, holders: "dict[int, list[tuple[int, int]]]", more: "list[Name]") -> "Optional[list[Sock]]":
        """Asks for each socket by its name, and for the names in `more`. Returns None if that does not give all of them."""
        if not self._diags:
            return None
        found: "list[Sock]" = []
        names: "list[Name]" = []
        inodes: "list[int]" = []
        for inode, who in holders.items():
            if inode not in self._names:
                told = self._introduce(inode, *who[0])
                if told is None and inode not in self._names:
                    return None
                found += [told] if told is not None else []
            name = self._names.get(inode)
            if name is not None:
                names.append(name)
                inodes.append(inode)
        known = set(names)
        others = [name.turned() for name in names if name.peer_port and name.turned() not in known]
        others += [name for name in dict.fromkeys(more) if name not in known and name not in others]
        try:
            answers = self._find([*names, *others])
        except Refused:
            return None
        for inode, name, sock in zip(inodes, names, answers):
            if sock is None or sock.inode != inode:     # it was closed meanwhile, or it is one of several that share an address
                del self._names[inode]
                told = self._introduce(inode, *holders[inode][0])
                if told is None or told.state != "CLOSED":
                    return None
                sock = told
            found.append(sock)
        found += [sock for sock in answers[len(names):] if sock is not None]
        ends = {(sock.local, sock.peer) for sock in found}
        if any((sock.peer, sock.local) not in ends and must_have_an_end(sock) for sock in found):
            return None
        return found

    def ends(self, pairs: "Iterable[tuple[str, str]]") -> "Optional[list[Sock]]":
        """Returns the sockets at both ends of these pairs of addresses, as far as they exist. Returns None if single sockets
        can't be asked for."""
        if not self._diags:
            return None
        names = [name for pair in pairs for name in _names(pair)]
        try:
            return [sock for sock in self._find(names) if sock is not None]
        except Refused:
            return None

    def _find(self, names: "list[Name]") -> "list[Optional[Sock]]":
        found = self._diags[0].find(names)
        for diag in self._diags[1:]:
            missing = [n for n, sock in enumerate(found) if sock is None]
            for n, sock in zip(missing, diag.find([names[n] for n in missing])):
                found[n] = sock
        return found

    def _all(self, pid: int) -> "list[Sock]":
        try:
            pairs = [pair for diag in self._diags for pair in diag.dump()]
        except Refused:
            self._diags = []
        if not self._diags:
            return tcp.rows(pid)
        self._names.update((sock.inode, name) for name, sock in pairs if sock.inode and sock.state != "CLOSED")
        return [sock for _, sock in pairs]

    def _introduce(self, inode: int, pid: int, fd: int) -> Optional[Sock]:
        """Finds out the name of a new socket. Returns the socket if it has no name (it is not connected yet, or no longer).
        Returns None if the name is known now, or if it is no TCP socket, or if it can't be asked."""
        copy = copy_of(pid, fd)
        if copy is None:
            self._is_tcp(inode, pid, fd)
            return None
        with copy:
            try:
                state = tcp.STATES.get(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0], "CLOSED")
            except OSError:
                self._names[inode] = None
                return None
            host, port = _where(copy.getsockname, copy.family)
            peer, peer_port = _where(copy.getpeername, copy.family)
        if state in ("CLOSED", "SYN-SENT") or not port:
            local = address.text(host, port) if port else ""
            return Sock(local, address.text(peer, peer_port) if peer_port else "", state, inode)
        self._names[inode] = Name(host, port, peer, peer_port)
        return None

    def _is_tcp(self, inode: int, pid: int, fd: int) -> bool:
        if inode not in self._names:
            protocol = _protocol(pid, fd)   # MPTCP is TCP: its TCP connections have its inode
            if protocol and "TCP" not in protocol:
                self._names[inode] = None
            return "TCP" in protocol
        return self._names[inode] is not None


def _names(pair: "tuple[str, str]") -> "tuple[Name, Name]":
    """Returns the names of both ends of a connection, given its pair of addresses."""
    name = Name(*address.packed(pair[0]), *address.packed(pair[1]))
    return name, name.turned()


def must_have_an_end(sock: Sock) -> bool:
    """Must the other end of this connection exist in the same network? Yes, until its FIN has arrived, unless the connection
    leads to another host."""
    local, peer = sock.local.rpartition(":")[0], sock.peer.rpartition(":")[0]
    here = local == peer or local.startswith("127.") and peer.startswith("127.")
    return here and bool(peer) and not sock.eof and sock.state != "CLOSED"


def _of_interest(sockets: "list[Sock]", holders: "Mapping[int, object]") -> "list[Sock]":
    """Returns the sockets of the run out of all sockets of a network, which may be the whole machine's: those that the run's
    programs hold, those that come to their listeners, and the other end of each."""
    mine = [sock for sock in sockets if sock.inode in holders]
    ports = {sock.port for sock in mine if sock.state == "LISTEN"}
    mine += [sock for sock in sockets if not sock.inode and sock.port in ports]
    ends = {(sock.peer, sock.local) for sock in mine if sock.peer}
    return list(dict.fromkeys((*mine, *(sock for sock in sockets if (sock.local, sock.peer) in ends))))


def listening(network: Network, descriptors: "Mapping[int, Mapping[int, str]]") -> "list[int]":
    """Returns the ports on which programs listen."""
    return [sock.port for sock in network.now(descriptors).held.values() if sock.state == "LISTEN"]


def ask(descriptors: "Iterable[tuple[int, int]]") -> "dict[tuple[int, int], Limits]":
    """Asks these sockets (process id, descriptor) for their options. A socket that can't be asked is left out."""
    found = {}
    for pid, fd in descriptors:
        copy = copy_of(pid, fd)
        if copy is not None:
            with copy:
                found[pid, fd] = _limits(copy)
    return found


def _limits(sock: socket.socket) -> Limits:
    poller = select.poll()
    poller.register(sock, 0)
    try:
        user = sock.getsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT) / 1000
    except OSError:     # none of TCP
        user = 0.0
    return Limits(_seconds(sock, socket.SO_RCVTIMEO), _seconds(sock, socket.SO_SNDTIMEO), user,
                  sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT), any(got & select.POLLERR for _, got in poller.poll(0)))


def _seconds(sock: socket.socket, option: int) -> float:
    seconds, microseconds = struct.unpack("=qq", sock.getsockopt(socket.SOL_SOCKET, option, 16))
    return float(seconds + microseconds / 1e6)


def copy_of(pid: int, fd: int) -> Optional[socket.socket]:
    """Returns a copy of a program's socket, which the caller is to close at once; None if the system refuses it, or if it is no
    socket."""
    pidfd = _pidfd(pid)
    if pidfd < 0:
        return None
    try:
        copy = _libc.syscall(_PIDFD_GETFD, pidfd, fd, 0)
    finally:
        os.close(pidfd)
    if copy < 0:
        return None
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


def _protocol(pid: int, fd: int) -> str:
    """Returns the kernel's name of a socket's protocol: "TCP", "TCPv6", "MPTCP", "UDP", ...; "" if the socket has gone."""
    try:
        return os.getxattr(f"/proc/{pid}/fd/{fd}", "system.sockprotoname").decode("ascii", "replace").rstrip("\0")
    except OSError:
        return ""


def _where(ask: "Callable[[], tuple[Any, ...]]", family: int) -> "tuple[bytes, int]":
    """Calls getsockname or getpeername. Returns a host of 4 or 16 bytes, and the port; zeros if there is none."""
    try:
        host, port = ask()[:2]
    except OSError:
        return bytes(4 if family == socket.AF_INET else 16), 0
    return address.unmapped(socket.inet_pton(socket.AddressFamily(family), host.partition("%")[0])), port
