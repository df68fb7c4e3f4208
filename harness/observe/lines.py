"""The log lines of programs that use common/: datagrams, whose form common/event.h documents."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

_ADDRESS = re.compile(r"-|[^>]*:\d{1,5}(>([^>]*:\d{1,5}|-))?")
EVENT_KINDS = ("note", "listen", "conn", "send", "recv", "pause")   # as event.h has them


@dataclass(frozen=True)
class LogLine:
    """The ten fields of one datagram."""

    ns: int         # of CLOCK_MONOTONIC
    pid: int
    tid: int
    role: str
    kind: str
    fd: int
    count: int
    address: str    # "" for none; of a connection "own>peer", or "own" alone if a reset came before the program asked for the peer
    source: str
    text: str

    def of(self, role: str, pid: int, tid: int) -> "LogLine":
        """Returns the same line with this program name, process and thread."""
        return LogLine(self.ns, pid, tid, role, self.kind, self.fd, self.count, self.address, self.source, self.text)


def parse(data: bytes) -> Optional[LogLine]:
    """Returns the line in a datagram; None if the datagram is no log line, because a program may send anything."""
    try:
        ns, pid, tid, role, kind, fd, count, address, source, text = data.decode("utf-8", "replace").split("\t", 9)
        line = LogLine(int(ns), int(pid), int(tid), role, kind, int(fd), int(count), "" if address == "-" else address.removesuffix(">-"), source, text)
    except ValueError:
        return None
    right = kind in EVENT_KINDS and _ADDRESS.fullmatch(address) and all(abs(n) < 1 << 63 for n in (line.ns, line.pid, line.tid, line.fd, line.count))
    return line if right else None
