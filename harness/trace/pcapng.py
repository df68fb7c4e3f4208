"""Writes a run as a capture file (pcapng) for Wireshark, tshark and tcpdump: write() takes a Run and comments, and returns bytes.

The format's specification is draft-ietf-opsawg-pcapng. Each log line is a block of its own between the segments: a block of type
9, which holds one entry of systemd's Journal Export Format. The blocks have the run's order. Times count from the run's
beginning, so a file begins at 1970-01-01 00:00:00.
"""
from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Iterator, Mapping, Optional, Sequence

from .plain import plain
from .records import Run, Segment

_SECTION, _INTERFACE, _PACKET, _JOURNAL = 0x0A0D0D0A, 1, 6, 9
_COMMENT, _APPLICATION, _NAME, _RESOLUTION, _FLAGS, _PROCESS = 1, 4, 2, 9, 2, 8
_ETHERNET, _OUTBOUND = 1, 2
LONGEST = 60_000        # bytes of a comment: an option's length has 16 bits


@dataclass(frozen=True)
class Line:
    """One row of the file that is no segment: what a program logged, printed or did."""

    seq: int
    ns: int
    who: str
    pid: int
    text: str
    source: str = ""        # "client.c:38"


def write(run: Run, lines: "Sequence[Line]", comments: "Mapping[int, Sequence[str]]", about: "Sequence[str]" = ()) -> bytes:
    """Returns the bytes of the file. `comments` holds the comments on segments, by the segment's seq. `about` holds the comments
    on the whole file. A segment whose frame was not kept is left out: left_out() counts these."""
    section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options((_APPLICATION, b"tcplab"), *((_COMMENT, _text(one)) for one in about))
    interface = struct.pack("<HHI", _ETHERNET, 0, 0) + _options((_NAME, b"lo"), (_RESOLUTION, b"\x09"))
    made = {(connection.number, end.address): end.pid for connection in run.connections for end in (connection.opener, connection.acceptor) if end is not None}
    rows: "list[tuple[int, bytes]]" = [(one.seq, _block(_JOURNAL, _entry(one))) for one in lines]
    rows += [(one.seq, _block(_PACKET, _packet(one, made.get((one.connection, one.source)), comments.get(one.seq, ())))) for one in run.segments if one.frame]
    return b"".join([_block(_SECTION, section), _block(_INTERFACE, interface), *(row for _, row in sorted(rows))])


def left_out(run: Run) -> int:
    """How many segments have no frame."""
    return sum(not one.frame for one in run.segments)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _options(*given: "tuple[int, bytes]") -> bytes:
    return b"".join(struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in given) + bytes(4)


def _text(words: str) -> bytes:
    return plain(words, "\n").encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore").encode("utf-8")


def _packet(segment: Segment, pid: "Optional[int]", comments: "Sequence[str]") -> bytes:
    """Returns the body of a segment's block. `pid` is the process whose end of the connection sent the segment, None if it is not
    known."""
    process = () if pid is None else ((_PROCESS, struct.pack("<II", pid, pid)),)
    frame = base64.b64decode(segment.frame)
    at = max(segment.ns, 0)
    head = struct.pack("<IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(frame), _size(frame, segment))
    return head + frame + bytes(-len(frame) % 4) + _options(*((_COMMENT, _text(one)) for one in comments), (_FLAGS, struct.pack("<I", _OUTBOUND)), *process)


def _size(frame: bytes, segment: Segment) -> int:
    """Returns how many bytes the whole frame had on the wire. The frame that was kept may be shorter."""
    ip = (frame[14] & 15) * 4 if frame[12:14] == b"\x08\x00" else 40
    return 14 + ip + (frame[14 + ip + 12] >> 4) * 4 + segment.length


def _entry(line: Line) -> bytes:
    return "".join(f"{name}={plain(value)}\n" for name, value in _fields(line)).encode("utf-8", "replace")


def _fields(line: Line) -> "Iterator[tuple[str, str]]":
    yield "__REALTIME_TIMESTAMP", str(max(line.ns, 0) // 1000)
    yield "MESSAGE", line.text
    yield "SYSLOG_IDENTIFIER", line.who
    yield "_COMM", line.who
    if line.pid:
        yield "_PID", str(line.pid)
    file, _, number = line.source.rpartition(":")
    if file:
        yield "CODE_FILE", file
        yield "CODE_LINE", number
    yield "TCPLAB_RECORD", f"e{line.seq}"
