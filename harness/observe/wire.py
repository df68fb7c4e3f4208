"""The wire: segments out of the frames that a packet socket sees on the loopback device.

Each frame passes there twice, going out and coming in; the outgoing one is kept. Offsets count from each side's initial
sequence number (RFC 9293, 3.4), so a stream's first byte is byte 1; window scale is taken from the two SYNs (RFC 7323).
Sources: packet(7), linux/if_ether.h, RFC 791, RFC 8200, RFC 9293.
"""
from __future__ import annotations

import socket
import struct
from typing import Callable

from ..trace import Segment

_PACKET_OUTGOING = 4
_SCM_TIMESTAMPNS = 35
_HEADERS = 192              # Ethernet, IP and TCP with all options fit
_FLAGS = ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "A"))


from typing import NamedTuple
class Seen(NamedTuple):
    ns: int
    source: str
    target: str
    flags: str
    first: int
    length: int
    ack: int
    window: int
    opens: bool


class Wire:
    """Collects frames from a packet socket; `base` is what to take from CLOCK_REALTIME ns to get the run's own time."""

    def __init__(self, sock: socket.socket, base: int) -> None:
        self._sock = sock
        self._base = base
        self._frames: list[tuple[int, bytes]] = []

    def drain(self) -> None:
        """Takes what is there; never waits."""
        while True:
            try:
                data, ancillary, _, address = self._sock.recvmsg(_HEADERS, 64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if address[2] != _PACKET_OUTGOING:
                continue
            ns = 0
            for level, kind, raw in ancillary:
                if level == socket.SOL_SOCKET and kind == _SCM_TIMESTAMPNS:
                    seconds, nanoseconds = struct.unpack_from("=qq", raw)
                    ns = seconds * 1_000_000_000 + nanoseconds - self._base
            self._frames.append((ns, data))

    missing = 0

    def take(self):
        self.drain()
        frames, self._frames = self._frames, []
        if not hasattr(self, "start"):
            self.start, self.scale = {}, {}
        start, scale = self.start, self.scale
        found = []
        for ns, frame in frames:
            parsed = _parse(frame)
            if parsed is None:
                continue
            source, target, sequence, ack, flags, window, length, shift = parsed
            way, back = (source, target), (target, source)
            syn = "S" in flags
            opens = syn and start.get(way) != sequence
            if syn:
                start[way], scale[way] = sequence, shift
            scaled = window if syn or scale.get(back, -1) < 0 else window << max(0, scale.get(way, 0))
            found.append(Seen(ns, source, target, flags, (sequence - start.get(way, sequence)) % (1 << 32), length,
                (ack - start.get(back, ack)) % (1 << 32) if "A" in flags else 0, scaled, opens))
        return found

    def segments(self, port: int, number: Callable[[str, str], int], first: int = 0) -> list[Segment]:
        """The segments to and from the server's port so far, from the first-th frame on. number(client's address,
        server's address) gives the connection's number."""
        found: list[Segment] = []
        start: dict[tuple[str, str], int] = {}
        scale: dict[tuple[str, str], int] = {}
        for ns, frame in self._frames:
            parsed = _parse(frame)
            if parsed is None:
                continue
            source, target, sequence, ack, flags, window, length, shift = parsed
            if port not in (_port(source), _port(target)):
                continue
            way, back = (source, target), (target, source)
            syn = "S" in flags
            if syn:
                start[way], scale[way] = sequence, shift
            client = _port(target) == port
            scaled = window if syn or scale.get(back, -1) < 0 else window << max(0, scale.get(way, 0))
            found.append(Segment(
                seq=len(found), ns=ns, connection=number(*(way if client else back)), sender="client" if client else "server",
                flags=flags, first=(sequence - start.get(way, sequence)) % (1 << 32), length=length,
                ack=(ack - start.get(back, ack)) % (1 << 32) if "A" in flags else 0, window=scaled))
        return found[first:]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _parse(frame: bytes) -> "tuple[str, str, int, int, str, int, int, int] | None":
    """Source, target, sequence number, acknowledgement, flags, window, payload length, window scale (-1: none)."""
    kind, = struct.unpack_from("!H", frame, 12)
    ip = frame[14:]
    if kind == 0x0800 and ip[9] == socket.IPPROTO_TCP:
        header = (ip[0] & 15) * 4
        total, = struct.unpack_from("!H", ip, 2)
        hosts = [socket.inet_ntop(socket.AF_INET, ip[12:16]), socket.inet_ntop(socket.AF_INET, ip[16:20])]
    elif kind == 0x86DD and ip[6] == socket.IPPROTO_TCP:
        header = 40
        total = struct.unpack_from("!H", ip, 4)[0] + 40
        hosts = [f"[{socket.inet_ntop(socket.AF_INET6, ip[8:24])}]", f"[{socket.inet_ntop(socket.AF_INET6, ip[24:40])}]"]
    else:
        return None
    tcp = ip[header:]
    source, target, sequence, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", tcp)
    options = (offset >> 4) * 4
    flags = "".join(letter for bit, letter in _FLAGS if bits & bit)
    return (f"{hosts[0]}:{source}", f"{hosts[1]}:{target}", sequence, ack, flags, window, total - header - options,
            _window_scale(tcp[20:options]))


def _window_scale(options: bytes) -> int:
    at = 0
    while at + 1 < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == 3:
            return options[at + 2]
        at += max(2, options[at + 1])
    return -1
