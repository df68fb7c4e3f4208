"""The records of a run, as frozen dataclasses. TRACE.md documents every field; jsonl.py writes and reads their form in a file.

`seq` is a record's place in the run's one order. One counter gives the places, in the order in which the records reach the
conductor's queue. So `e12` means the same record wherever it is told. The order is the observed one; no clock decides it.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Union


@dataclass(frozen=True)
class Event:
    """One log line of a program."""

    seq: int
    ns: int                 # nanoseconds from the run's beginning (CLOCK_MONOTONIC)
    who: str                # the program's name in the cast: "client"
    pid: int
    tid: int
    kind: str               # note, listen, conn, send, recv, pause
    text: str
    source: str             # "client.c:38"
    fd: int = -1            # the descriptor that the line names, or -1
    count: int = 0          # send, recv: bytes; pause: nanoseconds
    address: str = ""       # listen: "127.0.0.1:8080"; conn: "127.0.0.1:41000>127.0.0.1:8080" (own, then peer)
    connection: int = 0     # the connection that the line is about (1 is the first one of the run); 0: none known
    resumed_after: int = -1  # pause: seq of the last record before the virtual clock ended it; -1: the clock did not, or real time


@dataclass(frozen=True)
class Output:
    """One line of plain output (printf). Its place is where the harness read it, so its order is known only within its program
    and stream."""

    seq: int
    ns: int
    who: str
    stream: str             # stdout, stderr
    text: str


@dataclass(frozen=True)
class Segment:
    """One TCP segment. A capture of the loopback interface shows it once. The segments of a run stand in the order in which the
    kernel sent them."""

    seq: int
    ns: int
    connection: int         # as in Event; 0 for a segment that belongs to no connection (a refused connect)
    sender: str             # the name of the end that sent it
    flags: str              # of S, F, R, P, A, in that order: "SA"
    first: int              # stream offset of its first payload byte, 1 for the first byte of the stream
    length: int             # payload bytes
    ack: int                # stream offset that it acknowledges: n says "n - 1 bytes received"; 0 without ACK
    window: int             # receive window in bytes (scaled), as announced
    source: str = ""        # addresses: "127.0.0.1:41000"
    target: str = ""
    data: str = ""          # the first 64 bytes of its payload, one character a byte (ISO 8859-1)
    frame: str = ""         # its frame, from the Ethernet header on, in base64; a long one is cut; "": not kept


@dataclass(frozen=True)
class Socket:
    """What the kernel holds for one socket at one moment."""

    ns: int
    who: str                # the program that holds it; "nobody": none does any more
    pid: int                # 0 for nobody
    fd: int                 # -1 for nobody
    connection: int         # 0 for a listener
    state: str              # RFC 9293 name: ESTABLISHED, CLOSE-WAIT, ...
    local: str              # "127.0.0.1:8080"
    peer: str               # "" for a listener
    unread: int             # bytes in the receive queue, FIN not counted; listener: connections waiting
    unacked: int            # bytes written but not acknowledged, FIN not counted; 0 for a listener
    unsent: int             # how many of the `unacked` bytes were not sent at all
    eof: bool = False       # the peer's FIN has arrived
    seq: int = -1           # the place in the run's order at which it was looked at


@dataclass(frozen=True)
class Call:
    """One system call of a program. It has two places in the run's order: `seq`, where it was entered, and `returned`, where it
    returned."""

    seq: int                # place of the entry
    ns: int
    who: str
    pid: int
    tid: int
    name: str               # "write", as in the kernel's table
    fd: int = -1            # the descriptor that it is about, or -1
    connection: int = 0     # the connection behind the descriptor (epoll_ctl: the watched one); connect, accept: the one that they made
    asked: int = 0          # bytes asked for; bind, connect, setsockopt: the length that was given; listen: the backlog; socket: its type; poll: how many descriptors; epoll_ctl: which one
    data: str = ""          # the first 64 bytes that were written or read, one character a byte (ISO 8859-1)
    address: str = ""       # connect, bind, sendto: whom it names; accept: "own>peer"
    option: str = ""        # setsockopt: "SO_RCVTIMEO"; shutdown: "SHUT_WR"; epoll_ctl: "EPOLL_CTL_ADD"; recv: "MSG_PEEK"; send: "MSG_MORE"
    value: int = 0          # setsockopt: the value (times in ns); epoll_ctl: the events that are waited for
    limit: int = -1         # poll, select, epoll_wait, sleeps, timers: how long they may take, in ns; -1: for ever, or no limit
    source: str = ""        # "client.c:38", where known
    returned: int = -1      # place of the return; -1: it had not returned when the run was over
    returned_ns: int = -1
    result: int = 0         # what it returned; -1 with `error`
    error: str = ""         # errno by name: "EPIPE"
    resumed_after: int = -1     # a sleep: place of the last record before the clock let it go on; -1: as in Event


@dataclass(frozen=True)
class Holder:
    """A process that holds descriptors of one end of a connection, from the time when it got the first one until it lost the last
    one."""

    who: str
    pid: int                # -1: a copy was handed on (SCM_RIGHTS), and who has it now is not known
    since: int              # place at which it had the first one (connect, accept, fork, ...)
    until: int = -1         # place at which the last one went; -1: it had one to the end of the run
    how: str = ""           # what took the last one away: "close", "exit", "exec"
    tid: int = 0            # the thread that closed it; 0: no thread did (exit)


@dataclass(frozen=True)
class End:
    """One end of a connection: the process that made it, and the processes that hold it."""

    who: str
    pid: int
    address: str
    holders: tuple[Holder, ...] = ()
    shut: int = -1          # place of the first shutdown(SHUT_WR or SHUT_RDWR) of it that did not fail, or -1


@dataclass(frozen=True)
class Connection:
    """One connection of the run. The same pair of addresses used again is another connection."""

    number: int             # from 1, in the order in which they were made
    opener: Optional[End]   # who connected; None: not known
    acceptor: Optional[End]     # who accepted; None: nobody has, or it is not known


@dataclass(frozen=True)
class Listener:
    """A socket on which a program listened."""

    who: str
    pid: int                # the process that called listen(2)
    address: str            # "0.0.0.0:8080"; "" if it is not known
    since: int              # place at which listen(2) returned
    holders: tuple[Holder, ...] = ()    # the processes that had descriptors of it


@dataclass(frozen=True)
class Role:
    """One name of the run's cast."""

    name: str               # "server"
    listens: bool           # true: name[2] means what handles its second connection. Else name[2] means the second of its processes
    times: int = 1          # how often the stage starts it
    port: int = 0           # the port that it was given to listen on; 0: none, or the kernel was to choose one


@dataclass(frozen=True)
class Start:
    """One process that the stage started."""

    seq: int
    ns: int
    who: str
    pid: int
    after: tuple[int, ...] = ()     # places of the records for which the start waited: lines, endings; () for none


@dataclass(frozen=True)
class Exec:
    """A process that became another program, by execve(2). The first program of a process that the stage started is none."""

    seq: int
    ns: int
    who: str
    pid: int
    program: str            # the name of the program's file: "sleep"; "" if it is not known


@dataclass(frozen=True)
class Waiting:
    """One thread that was blocked when the run was over."""

    who: str
    pid: int
    tid: int
    call: str               # read, write, accept, poll, connect, futex, wait4, pause, ...
    fd: int                 # -1 if the call has none
    connection: int         # 0 if none
    on: str                 # whom it waits for, several joined by " and "; "" for nobody in this run
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
    child: bool = False     # true: a program started this process. False: the stage did
    by: int = -1            # the process that sent the signal of which it died; 0: the kernel did; -1: it died of none, or that is not known


@dataclass(frozen=True)
class Stop:
    """Why the run was over. `kind`:
    over        every client has ended, and what still runs waits in accept (or everything has ended)
    deadlock    proven: `cycle` names who waits for whom
    waiting     nothing can happen any more, and there is no cycle: somebody waits for what nobody in the run will do
    crash       a program was ended by a signal that it did not ask for, or by a sanitizer
    runaway     a limit on what a program may do was passed: `words` says which
    no progress the kernel does not tell what the programs wait for, and nothing happened for the time limit
    interrupted the learner pressed Ctrl-C
    """

    kind: str
    words: str = ""
    cycle: tuple[str, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    sockets: tuple[Socket, ...] = ()
    under_way: int = 0      # bytes sent and not yet received, when last looked at (0 for a proof)
    besides: str = ""       # crash: the kind that this would be without the crash

    @property
    def by_itself(self) -> bool:
        """Did the run end by itself, so that no program was stopped in the middle of something?"""
        return (self.besides or self.kind) in ("over", "waiting", "deadlock")


@dataclass(frozen=True)
class Run:
    """One run of one scenario."""

    number: str             # "04"
    name: str               # "04-half-close"
    mode: str               # live, virtual, explore, step
    isolated: bool          # had a private network
    wire: bool              # segments were captured
    events: tuple[Event, ...]
    outputs: tuple[Output, ...]
    segments: tuple[Segment, ...]
    endings: tuple[Ending, ...]
    stop: Stop
    sockets: tuple[Socket, ...] = ()    # samples between events, where the mode took them
    starts: tuple[Start, ...] = ()      # in their order
    execs: tuple[Exec, ...] = ()        # in their order; () where the calls were not seen
    children: tuple[Ending, ...] = ()   # how the processes ended that the programs started, where seen
    calls: tuple[Call, ...] = ()        # in the order of their entries
    observed: bool = False              # all of the programs' system calls were seen
    connections: tuple[Connection, ...] = ()    # as far as they are known; () if neither calls nor lines tell of any
    listeners: tuple[Listener, ...] = ()    # in the order in which they began to listen; () where the calls were not seen
    cast: tuple[Role, ...] = (Role("server", True), Role("client", False))
    missing: int = 0                    # frames that the capture lost; if not 0, a segment that is not here proves nothing
    notes: tuple[str, ...] = ()         # what the harness could not do here, one line each
    versions: dict[str, str] = field(default_factory=dict)
    began: str = ""                     # "2026-01-31T12:00:00Z", by the machine's clock
    sources: dict[str, str] = field(default_factory=dict)   # by path in the scenario's folder: SHA-256 of the text that was built; as far as known


Record = Union[Event, Output, Segment, Call, Socket, Start, Exec, Ending]
