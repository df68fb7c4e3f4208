"""One TCP socket as a kernel holds it; and /proc/net/tcp, the source that every system has.

Sources: proc_net(5) and Documentation/networking/proc_net_tcp.rst, include/net/tcp_states.h, RFC 9293 (the names of the states).
diag.py reads the better source. Both modules return the same type.
"""
from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from typing import Iterator

from . import address

STATES = {1: "ESTABLISHED", 2: "SYN-SENT", 3: "SYN-RECEIVED", 4: "FIN-WAIT-1", 5: "FIN-WAIT-2", 6: "TIME-WAIT", 7: "CLOSED",
          8: "CLOSE-WAIT", 9: "LAST-ACK", 10: "LISTEN", 11: "CLOSING", 12: "SYN-RECEIVED", 13: "CLOSED"}
HAS_PEERS_FIN = frozenset(("CLOSE-WAIT", "LAST-ACK", "CLOSING", "TIME-WAIT"))
FIN_NOT_ACKED = frozenset(("FIN-WAIT-1", "CLOSING", "LAST-ACK"))
TIMERS = {0: "", 1: "retransmit", 2: "keep-alive", 3: "TIME-WAIT", 4: "zero-window probe"}


@dataclass(frozen=True)
class Sock:
    """One TCP socket, whoever has a descriptor of it. Counts are bytes of the stream. A FIN takes a sequence number as a byte
    does, but it is not counted. -1: the source does not tell."""

    local: str              # "127.0.0.1:8080", see address.py; "" if it has none or none is known
    peer: str               # "" if it has none: a listener, a socket that is not connected
    state: str              # RFC 9293's name
    inode: int              # its number in /proc/PID/fd; 0: no program holds it (closed, or not accepted yet)
    unread: int = 0         # in the receive queue; LISTEN: connections that wait to be accepted
    unacked: int = 0        # written by the program, not yet acknowledged by the peer's kernel
    unsent: int = 0         # how many of the `unacked` bytes were not sent at all
    fin_unsent: bool = False    # this end's FIN waits behind the unsent bytes
    backlog: int = -1       # LISTEN: the backlog; one connection more than that may wait
    sent: int = -1          # in all; bytes that were sent again count once
    again: int = -1         # in all, bytes that were sent again
    received: int = -1      # in all, in order
    window: int = -1        # how many bytes behind the last acknowledged one the peer allows
    receive_window: int = -1    # the window that this end announced last
    timer: str = ""         # the timer that runs, one of TIMERS
    expires: float = -1.0   # seconds until that timer expires

    @property
    def port(self) -> int:
        return address.port_of(self.local)

    @property
    def eof(self) -> bool:
        """Has the peer's FIN arrived?"""
        return self.state in HAS_PEERS_FIN


def rows(pid: int) -> list[Sock]:
    """Returns the TCP sockets of the network in which process pid lives, from /proc/net/tcp and tcp6. Sockets that neither are
    connected nor listen are not in these files."""
    return [sock for name in ("tcp", "tcp6") for sock in _rows(_read(f"/proc/{pid}/net/{name}"))]


def orphans(pid: int) -> bool:
    """May there be TCP sockets that no program holds any more and that have not sent all yet (proc_net(5), sockstat)? The kernel
    counts them for the whole machine. So False is certain, and True is only a reason to look."""
    found = re.search(r"orphan (\d+)", _read(f"/proc/{pid}/net/sockstat"))
    return found is None or found[1] != "0"


def _read(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    data = b""
    try:
        while part := os.read(fd, 65536):
            data += part
    except OSError:
        return ""
    finally:
        os.close(fd)
    return data.decode("ascii", "replace")


def _rows(table: str) -> Iterator[Sock]:
    for line in table.splitlines()[1:]:
        words = line.split()
        send, receive = (int(word, 16) for word in words[4].split(":"))
        timer, ticks = (int(word, 16) for word in words[5].split(":"))
        state = STATES.get(int(words[3], 16), words[3])
        local, peer, inode = _address(words[1]), _address(words[2]), int(words[9])
        if state == "LISTEN":
            yield Sock(local, "", state, inode, unread=receive)
            continue
        fin = state in FIN_NOT_ACKED and send > 0
        probing = timer == 4    # then all that was sent is acknowledged, the rest waits, and the peer's window is closed
        yield Sock(local, peer, state, inode, receive - (state in HAS_PEERS_FIN and receive > 0), 0 if state == "SYN-SENT" else send - fin,
                   send - fin if probing else -1, fin_unsent=fin and probing, window=0 if probing else -1,
                   timer=TIMERS.get(timer, ""), expires=ticks / os.sysconf("SC_CLK_TCK") if timer else -1.0)


def _address(word: str) -> str:
    """Returns "127.0.0.1:8080" for "0100007F:1F90": words of four bytes in the machine's order, then the port in hex."""
    host, port = word.split(":")
    return address.text(b"".join(struct.pack("=I", int(host[i:i + 8], 16)) for i in range(0, len(host), 8)), int(port, 16))
