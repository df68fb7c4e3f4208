"""The wire: segments out of the frames that a packet socket sees on the loopback device.

A frame passes there twice, going out and coming in; the outgoing one is kept. A filter in the kernel leaves out all else, and
cuts a frame down to its headers. The kernel writes them into a ring in shared memory (PACKET_RX_RING), which unlike a receive
buffer has the same size on every system, and which a frame of 64 KiB fills no more than a small one. When it is full a frame is
lost, and counted (PACKET_STATISTICS).

Offsets count from each side's initial sequence number (RFC 9293, 3.4), so a stream's first byte is byte 1; window scale is
taken from the two SYNs (RFC 7323). Sources: packet(7), Documentation/networking/packet_mmap.rst (TPACKET_V2),
linux/filter.h, linux/if_ether.h, RFC 791, RFC 8200, RFC 9293.
"""
from __future__ import annotations

import ctypes
import mmap
import socket
import struct
from typing import Callable, NamedTuple, Optional

from .observe import address
from .trace import Segment

SEGMENTS = 200_000          # of one run; what comes after them is counted as missing
_SOL_PACKET, _PACKET_RX_RING, _PACKET_STATISTICS, _PACKET_VERSION, _TPACKET_V2 = 263, 5, 6, 10, 1
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 3
_HEADERS = 134              # Ethernet, IPv4 and TCP with all their options: 14, 60 and 60 bytes
_BLOCK, _BLOCKS = 1 << 16, 32
_SLOT = 208                 # struct tpacket2_hdr and sockaddr_ll, to the frame's beginning 66 bytes, then the headers; times 16
_SLOTS = _BLOCK // _SLOT    # in a block
_SLOT_HEAD = struct.Struct("=IIIHHII")      # status, length, cut length, where the frame begins, and its data; seconds, ns
_STATUS = struct.Struct("=I")
_FLAGS = ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "A"))

# Classic BPF, an instruction a line: code, jump if true, jump if false, operand (linux/bpf_common.h).
_FILTER = (
    (0x28, 0, 0, 0xFFFFF000 + 4),   # load the packet's type (SKF_AD_PKTTYPE)
    (0x15, 0, 9, 4),                # is it PACKET_OUTGOING?
    (0x28, 0, 0, 12),               # load EtherType
    (0x15, 0, 4, 0x0800),           # IPv4?
    (0x30, 0, 0, 23),               #   its protocol
    (0x15, 0, 5, 6),                #   TCP?
    (0x28, 0, 0, 20),               #   its fragment offset
    (0x45, 3, 4, 0x1FFF),           #   not the first fragment?
    (0x15, 0, 2, 0x86DD),           # IPv6?
    (0x30, 0, 0, 20),               #   its next header
    (0x15, 1, 0, 6),                #   TCP?
    (0x06, 0, 0, 0),                # take nothing
    (0x06, 0, 0, _HEADERS),         # take the headers
)


class Seen(NamedTuple):
    """One segment, as it was sent."""

    ns: int                 # when, in ns of the run's own time
    source: str             # "127.0.0.1:41000"
    target: str
    flags: str              # of S, F, R, P, A
    first: int              # offset of its first payload byte in the sender's stream, 1 for the stream's first byte; SYN: 0
    length: int             # payload bytes
    ack: int                # offset that it acknowledges: n says "n - 1 bytes received"; 0 without ACK
    window: int             # receive window in bytes, scaled
    opens: bool = False     # a SYN that begins a connection, also on a pair of addresses that was used before; not one sent again


def open_socket() -> Optional[socket.socket]:
    """A packet socket with its ring, on the loopback device of this process's network. None where that is refused."""
    code = b"".join(struct.pack("=HBBI", *line) for line in _FILTER)
    memory = ctypes.create_string_buffer(code, len(code))
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)      # bound below: until then it hears nothing
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(_FILTER), ctypes.addressof(memory)))
            sock.setsockopt(_SOL_PACKET, _PACKET_VERSION, struct.pack("=i", _TPACKET_V2))
            sock.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("=IIII", _BLOCK, _BLOCKS, _SLOT, _SLOTS * _BLOCKS))
            sock.bind(("lo", _ETH_P_ALL))
        except OSError:
            sock.close()
            raise
        return sock
    except OSError:
        return None


class Wire:
    """Takes segments from a packet socket that open_socket() made; `base` is what to take from CLOCK_REALTIME ns to get the
    run's own time. To be closed by who made it. The socket itself stays open, and must not be closed before the last look."""

    def __init__(self, sock: socket.socket, base: int) -> None:
        self._sock = sock
        self._base = base
        self._ring = mmap.mmap(sock.fileno(), _BLOCK * _BLOCKS, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._next = 0
        self._streams = _Streams()
        self._new: list[Seen] = []
        self._segments: list[Segment] = []
        self._count = 0
        self._missing = 0

    def close(self) -> None:
        """Gives the ring back."""
        self._ring.close()

    def drain(self) -> None:
        """Takes what is there out of the ring; never waits."""
        ring = self._ring
        while True:
            at = self._next // _SLOTS * _BLOCK + self._next % _SLOTS * _SLOT
            status, _, size, frame, _, seconds, nanoseconds = _SLOT_HEAD.unpack_from(ring, at)
            if not status & 1:      # TP_STATUS_USER, which the kernel writes last
                return
            seen = self._streams.parse(ring[at + frame:at + frame + size], seconds * 1_000_000_000 + nanoseconds - self._base)
            _STATUS.pack_into(ring, at, 0)
            self._next = (self._next + 1) % (_SLOTS * _BLOCKS)
            if seen is not None:
                self._count += 1
                if self._count <= SEGMENTS:
                    self._new.append(seen)

    def take(self) -> list[Seen]:
        """The segments since the last call, in the order in which the kernel sent them."""
        self.drain()
        new, self._new = self._new, []
        return new

    @property
    def missing(self) -> int:
        """How many frames were lost so far, because nobody took them in time, or there were more than SEGMENTS."""
        try:
            _, lost = struct.unpack("=II", self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))   # since the last time
            self._missing += lost
        except OSError:
            pass
        return self._missing + max(0, self._count - SEGMENTS)

    def segments(self, port: int, number: Callable[[str, str], int]) -> list[Segment]:
        """The segments to and from the server's port so far. number(client's address, server's address) gives the
        connection's number. What take() has given is not among them."""
        for seen in self.take():
            from_client = address.port_of(seen.target) == port
            if not from_client and address.port_of(seen.source) != port:
                continue
            ends = (seen.source, seen.target) if from_client else (seen.target, seen.source)
            self._segments.append(Segment(
                len(self._segments), seen.ns, number(*ends), "client" if from_client else "server", seen.flags, seen.first, seen.length,
                seen.ack, seen.window))
        return list(self._segments)


class _Streams:
    """Turns sequence numbers into offsets. Keeps, of each direction of each connection, its initial sequence number and its
    window scale (-1: none)."""

    def __init__(self) -> None:
        self._start: dict[tuple[str, str], int] = {}
        self._scale: dict[tuple[str, str], int] = {}

    def parse(self, frame: bytes, ns: int) -> Optional[Seen]:
        """One frame; None if it is none of TCP, or cut off."""
        try:
            parsed = _parse(frame)
        except (struct.error, IndexError):
            return None
        if parsed is None:
            return None
        source, target, sequence, ack, flags, window, length, shift = parsed
        way, back = (source, target), (target, source)
        opens = "S" in flags and "A" not in flags and self._opens(way, back, sequence)
        if opens:
            for one in (way, back):
                self._start.pop(one, None)
                self._scale.pop(one, None)
        if "S" in flags:
            self._start[way], self._scale[way] = sequence, shift
        elif "R" not in flags:      # without its SYN, which is missing: the first byte seen is byte 1
            self._start.setdefault(way, (sequence - 1) % (1 << 32))
        if "A" in flags and "R" not in flags:
            self._start.setdefault(back, (ack - 1) % (1 << 32))
        if "S" not in flags and self._scale.get(back, -1) >= 0:
            window <<= max(0, self._scale.get(way, 0))
        return Seen(ns, source, target, flags, (sequence - self._start.get(way, sequence)) % (1 << 32), length,
                    (ack - self._start.get(back, ack)) % (1 << 32) if "A" in flags else 0, window, opens)

    def _opens(self, way: "tuple[str, str]", back: "tuple[str, str]", sequence: int) -> bool:
        """Does a SYN begin a connection? Not if it is the last one again, nor if it is the second one of two that crossed
        (RFC 9293, 3.5: a simultaneous open)."""
        if way in self._start:
            return self._start[way] != sequence
        return back not in self._start


def _parse(frame: bytes) -> "Optional[tuple[str, str, int, int, str, int, int, int]]":
    """Source, target, sequence number, acknowledgement, flags, window, payload length, window scale (-1: none)."""
    kind, = struct.unpack_from("!H", frame, 12)
    ip = frame[14:]
    if kind == 0x0800 and ip[9] == socket.IPPROTO_TCP:
        header = (ip[0] & 15) * 4
        total, = struct.unpack_from("!H", ip, 2)
        hosts = ip[12:16], ip[16:20]
    elif kind == 0x86DD and ip[6] == socket.IPPROTO_TCP:
        header = 40
        total = struct.unpack_from("!H", ip, 4)[0] + 40
        hosts = ip[8:24], ip[24:40]
    else:
        return None
    source, target, sequence, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", ip, header)
    options = (offset >> 4) * 4
    flags = "".join(letter for bit, letter in _FLAGS if bits & bit)
    return (address.text(hosts[0], source), address.text(hosts[1], target), sequence, ack, flags, window, total - header - options,
            _window_scale(ip[header + 20:header + options]) if bits & 2 else -1)


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
