"""NETLINK_SOCK_DIAG: asks the kernel for one or all TCP sockets of a network, with queues, windows and counters (sock_diag(7)).

There are two kinds of request. `find` asks for single sockets by their addresses, and takes some microseconds for each. `dump`
asks for all sockets. For that the kernel walks through its whole hash table, which takes milliseconds on a machine with much
memory (3 ms for 7 sockets and 262,144 slots). Neither request needs a privilege. Both see the network namespace in which the
netlink socket was made.

Sources: sock_diag(7), netlink(7), linux/inet_diag.h (struct inet_diag_req_v2, inet_diag_msg), linux/tcp.h (struct tcp_info).
"""
from __future__ import annotations

import errno
import socket
import struct
from typing import Iterator, NamedTuple, Optional

from . import address
from .tcp import FIN_NOT_ACKED, HAS_PEERS_FIN, STATES, TIMERS, Sock

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _TCPDIAG_GETSOCK = 20, 18     # the second one is older, and knows no family: one walk for IPv4 and IPv6
_NLM_F_REQUEST, _NLM_F_DUMP = 1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_INDIVIDUAL = 64            # requests in one message: their answers fit into the smallest usual receive buffer
_WANT_INFO = 1 << 1         # INET_DIAG_INFO is attribute 2
_INFO = 2
_NO_COOKIE = b"\xff" * 8
_HEAD = struct.Struct("=IHHII")
_TAIL = struct.Struct("=IIIII")
_TIME_WAIT, _LISTEN = 6, 10


class Refused(Exception):
    """This system does not answer: it has no netlink or no tcp_diag module, or a filter of system calls refuses the request."""


class Name(NamedTuple):
    """The addresses by which a kernel finds a socket: hosts of 4 or 16 bytes in network order. A listener's peer is all zeros."""

    host: bytes
    port: int
    peer: bytes
    peer_port: int
    interface: int = 0      # the number of the interface to which it is bound; 0: none

    def turned(self) -> "Name":
        """Returns the name of the connection's other end."""
        return Name(self.peer, self.peer_port, self.host, self.port)


class Diag:
    """Asks through one netlink socket. The caller closes the socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._number = 0

    def dump(self) -> list[tuple[Name, Sock]]:
        """Returns all TCP sockets of the network, with those that no program holds. Raises Refused."""
        request = struct.pack("=BBBB48xII", socket.AF_INET, 0, 0, _WANT_INFO, 0xFFFFFFFF, 0)    # struct inet_diag_req
        self._number += 1
        self._send(_message(_TCPDIAG_GETSOCK, _NLM_F_REQUEST | _NLM_F_DUMP, self._number, request))
        found: "list[tuple[Name, Sock]]" = []
        for kind, number, body in self._answers():
            if number != self._number:      # it answers an earlier request that was given up
                continue
            if kind == _NLMSG_ERROR:
                raise Refused(_error(body))
            if kind == _NLMSG_DONE:
                return found
            found.append(_parse(body))
        raise Refused("no answer")

    def find(self, names: "list[Name]") -> "list[Optional[Sock]]":
        """Returns the sockets of these names, in their order; None for a name that has no socket. Raises Refused."""
        found: "list[Optional[Sock]]" = [None] * len(names)
        for first in range(0, len(names), _INDIVIDUAL):
            some = names[first:first + _INDIVIDUAL]
            start = self._number + 1
            self._number += len(some)
            self._send(b"".join(_message(_SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, start + n, _request(name)) for n, name in enumerate(some)))
            missing = len(some)
            for kind, number, body in self._answers():
                if not start <= number <= self._number:
                    continue
                if kind != _NLMSG_ERROR:
                    found[first + number - start] = _parse(body)[1]
                elif _error(body) != errno.ENOENT:
                    raise Refused(_error(body))
                missing -= 1
                if not missing:
                    break
        return found

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendto(data, (0, 0))
        except OSError as error:
            raise Refused(error.errno) from None

    def _answers(self) -> "Iterator[tuple[int, int, memoryview]]":
        """Yields (kind, number of the request, body) of each message that is there. It never waits, because the kernel answers
        within the request."""
        while True:
            try:
                data = memoryview(self._sock.recv(32768, socket.MSG_DONTWAIT))
            except OSError as error:
                raise Refused(error.errno) from None
            at = 0
            while at + _HEAD.size <= len(data):
                length, kind, _, number, _ = _HEAD.unpack_from(data, at)
                yield kind, number, data[at + _HEAD.size:at + length]
                at += max(length + 3 & ~3, _HEAD.size)


def _message(kind: int, flags: int, number: int, body: bytes) -> bytes:
    return _HEAD.pack(_HEAD.size + len(body), kind, flags, number, 0) + body


def _request(name: Name) -> bytes:
    """Returns a struct inet_diag_req_v2."""
    family = socket.AF_INET if len(name.host) == 4 else socket.AF_INET6
    return (struct.pack("=BBBBI", family, socket.IPPROTO_TCP, _WANT_INFO, 0, 0xFFFFFFFF) + struct.pack("!HH", name.port, name.peer_port)
            + name.host.ljust(16, b"\0") + name.peer.ljust(16, b"\0") + struct.pack("=I", name.interface) + _NO_COOKIE)


def _error(body: memoryview) -> int:
    return -int(struct.unpack_from("=i", body)[0])


def _parse(body: memoryview) -> "tuple[Name, Sock]":
    """Reads a struct inet_diag_msg and the attributes behind it."""
    family, number, timer, _, port, peer_port = struct.unpack_from("!BBBBHH", body)
    size = 4 if family == socket.AF_INET else 16
    host, peer_host = address.unmapped(bytes(body[8:8 + size])), address.unmapped(bytes(body[24:24 + size]))
    interface, = struct.unpack_from("=I", body, 40)
    expires, receive, send, _, inode = _TAIL.unpack_from(body, 52)
    name = Name(host, port, peer_host, peer_port, interface)
    state = STATES.get(number, str(number))
    local, running = address.text(host, port), TIMERS.get(timer, "")
    due = expires / 1000 if timer else -1.0
    if number == _LISTEN:
        return name, Sock(local, "", state, inode, unread=receive, backlog=send)
    peer = address.text(peer_host, peer_port) if peer_port else ""
    info = _info(body)
    if info is None:        # TIME-WAIT and SYN-RECEIVED: the kernel keeps nothing more about such a socket
        return name, Sock(local, peer, state, inode, timer=running, expires=due)
    received, = struct.unpack_from("=Q", info, 128)
    unsent, = struct.unpack_from("=I", info, 144)
    sent = again = window = announced = -1
    if len(info) >= 232:    # Linux 5.4
        sent, again = struct.unpack_from("=QQ", info, 200)
        window, = struct.unpack_from("=I", info, 228)
    if len(info) >= 236:    # Linux 6.2
        announced, = struct.unpack_from("=I", info, 232)
    fin = state in FIN_NOT_ACKED and send > 0
    eof = state in HAS_PEERS_FIN
    return name, Sock(
        local, peer, state, inode, unread=receive - (eof and receive > 0), unacked=0 if state == "SYN-SENT" else send - fin,
        unsent=unsent - (fin and unsent > 0), fin_unsent=fin and unsent > 0, sent=sent - again if sent >= 0 else -1, again=again,
        received=received - (eof and received > 0), window=window, receive_window=announced, timer=running, expires=due)


def _info(body: memoryview) -> Optional[memoryview]:
    at = 72
    while at + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, at)
        if kind == _INFO:
            return body[at + 4:at + length]
        at += max(length + 3 & ~3, 4)
    return None


def open_socket() -> Optional[socket.socket]:
    """Returns a netlink socket of this process's own network; None if the system refuses it."""
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    except OSError:
        return None
