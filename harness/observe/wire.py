"""The wire: segments, from the frames that a packet socket sees on the loopback device.

The kernel puts the beginning of each TCP frame into a ring of memory that it shares with the harness (PACKET_RX_RING): all
headers, and more than 300 bytes of the payload. So a frame of 64 KiB takes no more room than an empty one. If the ring is full
all the same, the kernel counts the frames that it could not put in (PACKET_STATISTICS), and `missing` returns that number. Each
frame passes the device twice, going out and coming in; a filter keeps only the outgoing one.

Offsets count from each side's initial sequence number (RFC 9293, 3.4), so a stream's first byte is byte 1. The window scale is
taken from the two SYNs (RFC 7323). Sources: packet(7), linux/if_packet.h, linux/filter.h, RFC 791, RFC 8200, RFC 9293.
"""
from __future__ import annotations

import ctypes
import mmap
import socket
import struct
from typing import NamedTuple, Optional

from . import address

_SOL_PACKET, _RX_RING, _STATISTICS, _VERSION, _SO_ATTACH_FILTER, _ETH_P_ALL = 263, 5, 6, 10, 26, 3
_BLOCK, _FRAME, _FRAMES = 1 << 16, 512, 1 << 13     # bytes, bytes, and how many: 4 MiB
_KEPT = 440             # bytes of a frame that are kept. Each place in the ring begins with 66 bytes that the kernel uses
PAYLOAD = 64            # how many payload bytes a segment's `data` has at most
_STATUS = struct.Struct("=I")
_HEAD = struct.Struct("=IIIHHII")                   # struct tpacket2_hdr: status, length, kept, offset of the frame, of the network header, s, ns
_libc = ctypes.CDLL(None, use_errno=True)
_FLAGS = ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "A"))


class Seen(NamedTuple):
    """One segment, as it was sent."""

    ns: int             # from the run's beginning
    source: str         # addresses: "127.0.0.1:41000"
    target: str
    flags: str          # of S, F, R, P, A, in that order
    first: int          # stream offset of its first payload byte
    length: int         # payload bytes
    ack: int            # stream offset that it acknowledges; 0 without ACK
    window: int         # in bytes, scaled
    opens: bool         # whether it is a SYN, and the first one with its sequence number: it begins a connection
    data: bytes = b""   # the first PAYLOAD bytes of its payload
    frame: bytes = b""  # the frame, from the Ethernet header on, as much as was captured of it


def open_socket(device: str) -> Optional[socket.socket]:
    """Returns a packet socket with its ring, which sees the device from now on; None if the system does not allow it."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)      # protocol 0: it sees nothing before bind
    except OSError:
        return None
    try:
        program = b"".join(struct.pack("=HBBI", *line) for line in _program())
        buffer = ctypes.create_string_buffer(program, len(program))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer)))
        sock.setsockopt(_SOL_PACKET, _VERSION, 1)       # TPACKET_V2
        ring = struct.pack("=IIII", _BLOCK, _FRAME * _FRAMES // _BLOCK, _FRAME, _FRAMES)
        if _libc.setsockopt(sock.fileno(), _SOL_PACKET, _RX_RING, ring, len(ring)) != 0:    # it waits some 10 ms; Python's own would let no other thread run meanwhile
            raise OSError(ctypes.get_errno(), "no ring of frames")
        sock.bind((device, _ETH_P_ALL))
        return sock
    except OSError:
        sock.close()
        return None


def _program() -> "list[tuple[int, int, int, int]]":
    """Returns the filter (classic BPF) that keeps outgoing TCP over IPv4 or IPv6. Each line has a code, the jump if true, the
    jump if false, and a constant. The filter returns how many bytes to keep; 0 for none."""
    load_byte, load_half, equal, result = 0x30, 0x28, 0x15, 0x06
    return [
        (load_byte, 0, 0, 0xFFFFF004),      # 0: the packet's type (SKF_AD_PKTTYPE)
        (equal, 0, 8, 4),                   # 1: not PACKET_OUTGOING: to 10
        (load_half, 0, 0, 12),              # 2: the protocol
        (equal, 0, 2, 0x0800),              # 3: not IPv4: to 6
        (load_byte, 0, 0, 23),              # 4
        (equal, 3, 4, 6),                   # 5: TCP: to 9; else to 10
        (equal, 0, 3, 0x86DD),              # 6: not IPv6: to 10
        (load_byte, 0, 0, 20),              # 7
        (equal, 0, 1, 6),                   # 8: not TCP: to 10
        (result, 0, 0, _KEPT),               # 9
        (result, 0, 0, 0),                  # 10
    ]


class Wire:
    """Takes segments from a packet socket. `base` is the number of ns by which CLOCK_REALTIME is ahead of the run's own time."""

    def __init__(self, sock: socket.socket, base: int) -> None:
        self._sock, self._base = sock, base
        self._ring = mmap.mmap(sock.fileno(), _FRAME * _FRAMES, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._at = 0
        self._start: dict[tuple[str, str], int] = {}
        self._scale: dict[tuple[str, str], int] = {}
        self._reached: dict[tuple[str, str], int] = {}      # the highest stream offset at which a segment began
        self._missing = 0

    @property
    def missing(self) -> int:
        """How many frames the capture has lost so far."""
        _, lost = struct.unpack("=II", self._sock.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        self._missing += lost       # the kernel counts from the last time that it was asked
        return self._missing

    def take(self) -> "list[Seen]":
        """Returns the segments since the last call, in the order in which they were sent. It never waits."""
        found: "list[Seen]" = []
        while True:
            place = self._at * _FRAME
            status, _, kept, offset, _, seconds, nanoseconds = _HEAD.unpack_from(self._ring, place)
            if not status & 1:      # TP_STATUS_USER: the kernel has filled it
                return found
            frame = self._ring[place + offset:place + offset + kept]
            _STATUS.pack_into(self._ring, place, 0)
            self._at = (self._at + 1) % _FRAMES
            seen = self._segment(seconds * 1_000_000_000 + nanoseconds - self._base, frame)
            if seen is not None:
                found.append(seen)

    def close(self) -> None:
        self._ring.close()

    def _segment(self, ns: int, frame: bytes) -> Optional[Seen]:
        parsed = _parse(frame)
        if parsed is None:
            return None
        source, target, sequence, ack, flags, window, length, shift, data = parsed
        way, back = (source, target), (target, source)
        opens = False
        if "S" in flags:
            opens = self._start.get(way) != sequence
            self._start[way], self._scale[way] = sequence, shift
        elif self._scale.get(back, -1) >= 0:
            window <<= max(0, self._scale.get(way, 0))
        if opens:
            self._reached[way] = 0
        first = self._offset(way, sequence)
        self._reached[way] = max(first, self._reached.get(way, 0))
        return Seen(ns, source, target, flags, first, length, self._offset(back, ack) if "A" in flags else 0, window, opens, data, frame)

    def _offset(self, way: "tuple[str, str]", number: int) -> int:
        """Returns the stream offset of a sequence number. Sequence numbers begin again after 4 GiB, so the offset nearest to the
        last seen one counts."""
        reached = self._reached.get(way, 0)
        return max(0, reached + (number - self._start.get(way, number) - reached + (1 << 31)) % (1 << 32) - (1 << 31))


def _parse(frame: bytes) -> "Optional[tuple[str, str, int, int, str, int, int, int, bytes]]":
    """Returns source, target, sequence number, acknowledgement, flags, window, payload length, window scale (-1: none) and the
    beginning of the payload; None if the frame is neither IPv4 nor IPv6."""
    kind, = struct.unpack_from("!H", frame, 12)
    ip = frame[14:]
    if kind == 0x0800:
        header, total = (ip[0] & 15) * 4, struct.unpack_from("!H", ip, 2)[0]
        hosts = ip[12:16], ip[16:20]
    elif kind == 0x86DD:
        header, total = 40, struct.unpack_from("!H", ip, 4)[0] + 40
        hosts = ip[8:24], ip[24:40]
    else:
        return None
    tcp = ip[header:]
    source, target, sequence, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", tcp)
    options = (offset >> 4) * 4
    flags = "".join(letter for bit, letter in _FLAGS if bits & bit)
    length = total - header - options
    return (address.text(hosts[0], source), address.text(hosts[1], target), sequence, ack, flags, window, length,
            _window_scale(tcp[20:options]), tcp[options:options + min(length, PAYLOAD)] if length > 0 else b"")


def _window_scale(options: bytes) -> int:
    at = 0
    while at + 1 < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == 3 and at + 2 < len(options):
            return options[at + 2]
        at += max(2, options[at + 1])
    return -1
