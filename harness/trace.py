"""What a run yields: typed, frozen records, and their form as JSON Lines (TRACE.md documents every field).

Everything that judges, draws or tests reads these records; nothing looks at a run from a second angle.
"""
from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Union


@dataclass(frozen=True)
class Event:
    """One log line of a program. `seq` is its place in the conductor's queue: the observed order, never the clock's."""

    seq: int
    ns: int                 # nanoseconds since the run began (CLOCK_MONOTONIC)
    who: str                # "client" or "server" (from TCPLAB_ROLE)
    pid: int
    tid: int
    kind: str               # note, listen, conn, send, recv, pause
    text: str
    source: str             # "client.c:38"
    fd: int = -1            # the descriptor that the line names, or -1
    count: int = 0          # send, recv: bytes; pause: nanoseconds
    address: str = ""       # listen: "127.0.0.1:8080"; conn: "127.0.0.1:41000>127.0.0.1:8080" (own, then peer)
    connection: int = 0     # the connection that the line is about (1 is the first one of the run); 0: none known
    resumed_after: int = -1  # pause: seq of the last event before the clock let it go on; -1: not (yet), or real time


@dataclass(frozen=True)
class Output:
    """One line of plain output (printf): shown, ordered within its program only."""

    seq: int                # place among this run's records; no order against other programs
    ns: int
    who: str
    stream: str             # stdout, stderr
    text: str


@dataclass(frozen=True)
class Segment:
    """One TCP segment, seen once, in the order in which the kernel sent them on the loopback device."""

    seq: int
    ns: int
    connection: int         # as in Event; 0 for a segment that belongs to none of them (a refused connect)
    sender: str             # "client" or "server"
    flags: str              # of S, F, R, P, A, in that order: "SA"
    first: int              # stream offset of its first payload byte, 1 for the first byte of the stream
    length: int             # payload bytes
    ack: int                # stream offset that it acknowledges: n says "n - 1 bytes received"; 0 without ACK
    window: int             # receive window in bytes (scaled), as announced


@dataclass(frozen=True)
class Socket:
    """What the kernel holds for one socket at one moment."""

    ns: int
    who: str                # "client", "server", or "nobody": no program holds it any more
    pid: int                # 0 for nobody
    fd: int                 # -1 for nobody
    connection: int         # 0 for a listener
    state: str              # RFC 9293 name: ESTABLISHED, CLOSE-WAIT, ...
    local: str              # "127.0.0.1:8080"
    peer: str               # "" for a listener
    unread: int             # bytes in the receive queue, FIN not counted; listener: connections waiting
    unacked: int            # bytes written but not acknowledged, FIN not counted; 0 for a listener
    unsent: int             # of these, bytes not sent at all
    eof: bool = False       # the peer's FIN has arrived


@dataclass(frozen=True)
class Waiting:
    """One blocked thread when the run was frozen."""

    who: str
    pid: int
    tid: int
    call: str               # read, write, accept, poll, connect, futex, wait4, pause, ...
    fd: int                 # -1 if the call has none
    connection: int         # 0 if none
    on: str                 # whom it waits for: "client", "server", or "" (nobody in this run)
    source: str = ""        # where the thread logged its last line


@dataclass(frozen=True)
class Ending:
    """How one program ended, or what it was doing when the run was over."""

    seq: int
    ns: int
    who: str
    pid: int
    how: str                # "exit 0", "signal PIPE", "waiting in read", "still running"
    after: int              # seq of the last event of that program, -1 if none


@dataclass(frozen=True)
class Stop:
    """Why the run was over. `kind`:

    over        every client has ended, and what still runs waits in accept (or everything has ended)
    deadlock    proven: `cycle` names who waits for whom
    waiting     quiescent, but no cycle: somebody waits for what nobody here will do
    crash       a program was ended by a signal that it did not ask for, or by a sanitizer
    runaway     a limit on what a program may do was passed: `words` says which
    no progress the kernel does not tell, and nothing happened for the limit
    interrupted Ctrl-C
    """

    kind: str
    words: str = ""
    cycle: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    sockets: tuple[Socket, ...] = ()
    under_way: int = 0      # bytes sent and not yet received, when last looked at (0 for a proof)


@dataclass(frozen=True)
class Run:
    """One run of one scenario."""

    number: str             # "04"
    name: str               # "04-half-close"
    mode: str               # live, virtual
    isolated: bool          # had a private network
    wire: bool              # segments were captured
    events: tuple[Event, ...]
    outputs: tuple[Output, ...]
    segments: tuple[Segment, ...]
    endings: tuple[Ending, ...]
    stop: Stop
    sockets: tuple[Socket, ...] = ()    # samples between events, where the mode took them
    notes: tuple[str, ...] = ()         # what the harness could not do here, one line each
    versions: dict[str, str] = field(default_factory=dict)
    missing: int = 0                    # frames on the wire that were lost to us: then that no segment is there proves nothing

    @property
    def whole_wire(self) -> bool:
        """Were all segments captured?"""
        return self.wire and not self.missing


Record = Union[Event, Output, Segment, Socket, Ending]

VERSION = 1
_NAMES = {Event: "event", Output: "output", Segment: "segment", Socket: "socket", Ending: "exit"}


def lines(run: Run, reproduce: str, verdict: dict[str, object]) -> list[str]:
    """The run as JSON Lines: a header, then events, output, segments, sockets and exits, then why it stopped, the verdict."""
    header = {"record": "header", "format": "tcplab trace", "version": VERSION, "scenario": run.name, "mode": run.mode,
              "isolated": run.isolated, "wire": run.wire, "missing": run.missing, "notes": list(run.notes), "reproduce": reproduce,
              **run.versions}
    records = [*run.events, *run.outputs, *run.segments, *run.sockets, *run.stop.sockets, *run.endings]
    stop = dataclasses.asdict(run.stop)
    del stop["sockets"]
    told: list[dict[str, object]] = [
        header, *({"record": _NAMES[type(record)], **dataclasses.asdict(record)} for record in records),
        {"record": "stop", **stop}, {"record": "verdict", **verdict}]
    return [json.dumps(record, ensure_ascii=False) for record in told]


def is_trace(first_line: str) -> bool:
    """Does a file that begins with this line hold a trace?"""
    try:
        header = json.loads(first_line)
    except ValueError:
        return False
    return isinstance(header, dict) and header.get("format") == "tcplab trace"


def load(text: str) -> tuple[Run, dict[str, object]]:
    """Reads back what lines() wrote: the run and its verdict. ValueError names the line that is no record."""
    kinds = {name: kind for kind, name in _NAMES.items()}
    found: dict[str, list[Record]] = {name: [] for name in kinds}
    header: dict[str, object] = {}
    stop: dict[str, object] = {}
    verdict: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = json.loads(line)
            name = record.pop("record")
            if name in kinds:
                found[name].append(kinds[name](**record))
            else:
                {"header": header, "stop": stop, "verdict": verdict}[name].update(record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} is no record of a trace ({error})") from None
    waiting = tuple(Waiting(**one) for one in stop.pop("waiting", []))  # type: ignore[attr-defined]
    cycle = tuple(stop.pop("cycle", ()))                                # type: ignore[arg-type]
    sockets = tuple(found["socket"])
    run = Run(str(header["scenario"]).split("-")[0], str(header["scenario"]), str(header["mode"]), bool(header["isolated"]),
              bool(header["wire"]), tuple(found["event"]), tuple(found["output"]), tuple(found["segment"]),  # type: ignore
              tuple(found["exit"]), Stop(waiting=waiting, cycle=cycle, sockets=sockets, **stop),             # type: ignore
              notes=tuple(header["notes"]), versions={"system": str(header.get("system", ""))},              # type: ignore
              missing=int(header.get("missing", 0)))                                                         # type: ignore
    return run, verdict
