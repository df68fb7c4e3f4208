"""The registry of connections. It tells to which connection a descriptor, a line, a socket or a segment belongs, and who holds
each end.

connect(2) and accept(2) make a connection. A descriptor is not a connection: fork, exec, dup and threads hand descriptors on, and
the end of a connection is given up when its last descriptor is closed. A pair of addresses is not a connection either: a later
connection may use the same pair again. Connections are numbered from 1, in the order in which they were made.

The registry joins three sources, and each of them may be missing. Segments: a connection is made when its SYN is answered by a
SYN. Calls: connect and accept tell which socket (inode) is which end, and later calls tell who holds it. Lines: a line that names
a descriptor with its addresses tells whose end that is.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Optional

from ..trace import Connection, End, Holder, Listener

ELSEWHERE = -1              # in place of a process id: a copy was sent to another process, and it is not known which one has it
Pair = tuple[str, str]      # the opener's address, the acceptor's address


@dataclass
class _End:
    who: str
    pid: int
    address: str
    inode: int = 0
    shut: int = -1
    holders: "dict[int, int]" = field(default_factory=dict)     # by pid: the place at which it got its first descriptor
    given_up: "list[Holder]" = field(default_factory=list)

    def record(self, who_is: "dict[int, str]") -> End:
        return End(self.who, self.pid, self.address, self.all_holders(who_is), self.shut)

    def all_holders(self, who_is: "dict[int, str]") -> "tuple[Holder, ...]":
        still = [Holder(who_is.get(pid, self.who), pid, since) for pid, since in self.holders.items()]
        return tuple(sorted([*self.given_up, *still], key=lambda h: (h.since, h.pid)))


@dataclass
class _Made:
    number: int
    pair: Pair
    opener: Optional[_End] = None
    acceptor: Optional[_End] = None
    said: "dict[str, int]" = field(default_factory=dict)        # 1 for each end ("opener", "acceptor") that a line has named


class Registry:
    """Takes in what is seen, in its order. `place` is always the place, in the run's one order, of what is reported."""

    def __init__(self) -> None:
        self._made: list[_Made] = []
        self._by_pair: dict[Pair, list[_Made]] = {}
        self._by_inode: dict[int, tuple[_Made, _End]] = {}
        self._fds: dict[int, dict[int, int]] = {}       # by pid and descriptor: the inode
        self._since: dict[tuple[int, int], int] = {}    # by pid and inode: the place at which the process got its first descriptor
        self._asked: dict[Pair, int] = {}               # by pair: how many SYNs were seen and not yet answered
        self._wire: dict[Pair, int] = {}                # by pair: the connection to which its segments belong now
        self.ports: set[str] = set()                    # the ports on which programs listen
        self._listeners: list[tuple[int, _End]] = []    # the place of each listen, and who listens
        self._listening: dict[int, _End] = {}           # by inode: who listens
        self.who: dict[int, str] = {}

    # -- what is known ------------------------------------------------------------------------------------------------

    def number_of(self, pid: int, fd: int) -> int:
        """Returns the number of the connection behind a descriptor, 0 if none is known."""
        found = self._by_inode.get(self._fds.get(pid, {}).get(fd, 0))
        return found[0].number if found else 0

    def of_addresses(self, local: str, peer: str) -> int:
        """Returns the number of the newest connection between two addresses, in either direction; 0 if there is none."""
        found = self._by_pair.get((local, peer)) or self._by_pair.get((peer, local))
        return found[-1].number if found else 0

    def descriptors(self, pid: int) -> "dict[int, int]":
        """Returns the sockets that a process holds, as far as its calls showed them: the inode by descriptor."""
        return self._fds.get(pid, {})

    def records(self) -> "tuple[Connection, ...]":
        return tuple(Connection(made.number, made.opener.record(self.who) if made.opener else None,
                                made.acceptor.record(self.who) if made.acceptor else None) for made in self._made)

    def listeners(self) -> "tuple[Listener, ...]":
        return tuple(Listener(end.who, end.pid, end.address, place, end.all_holders(self.who)) for place, end in self._listeners)

    def pairs(self) -> "dict[int, Pair]":
        """Returns, by the number of each connection, the opener's address and the acceptor's."""
        return {made.number: made.pair for made in self._made}

    def pair(self, number: int) -> Optional[Pair]:
        """Returns the opener's address and the acceptor's; None for number 0."""
        return self._made[number - 1].pair if number else None

    # -- segments -----------------------------------------------------------------------------------------------------

    def syn(self, source: str, target: str) -> None:
        """Notes a SYN that opens a connection. The connection is made when the SYN is answered."""
        self._asked[source, target] = self._asked.get((source, target), 0) + 1

    def answered(self, source: str, target: str) -> int:
        """Notes the acceptor's SYN, from source to target. Returns the connection's number. It is a new one if a SYN waited for
        this answer."""
        pair = (target, source)
        if self._asked.pop(pair, 0) or pair not in self._wire:
            self._wire[pair] = self._make(pair).number
        return self._wire[pair]

    def of_segment(self, source: str, target: str) -> int:
        """Returns the number of the connection of a segment without SYN; 0 if it belongs to none, as in a refused connect."""
        if (source, target) in self._asked or (target, source) in self._asked:
            return 0
        return self._wire.get((source, target), 0) or self._wire.get((target, source), 0)

    def _make(self, pair: Pair) -> _Made:
        made = _Made(len(self._made) + 1, pair)
        self._made.append(made)
        self._by_pair.setdefault(pair, []).append(made)
        return made

    # -- calls --------------------------------------------------------------------------------------------------------

    def has(self, place: int, pid: int, fd: int, inode: int) -> None:
        """Notes that the process has this socket behind this descriptor from now on."""
        self._fds.setdefault(pid, {})[fd] = inode
        self._since.setdefault((pid, inode), place)
        end = self._end(inode)
        if end is not None:
            end.holders.setdefault(pid, place)

    def _end(self, inode: int) -> Optional[_End]:
        """Returns the end of a connection, or the listener, that has this inode; None if there is none."""
        found = self._by_inode.get(inode)
        return found[1] if found is not None else self._listening.get(inode)

    def listens(self, address: str, place: int = -1, who: str = "", pid: int = 0, inode: int = 0) -> None:
        """Notes that somebody listens at this address. `inode` is the socket, if a call showed it; a log line has only the
        address."""
        self.ports.add(address.rpartition(":")[2])
        if inode and inode not in self._listening:      # a second listen(2) changes the backlog
            end = _End(who, pid, address, inode)
            self._listening[inode] = end
            self._listeners.append((place, end))
            self._hold_from_now(place, end)

    def connected(self, place: int, who: str, pid: int, inode: int, own: str, peer: str) -> int:
        """Notes that connect(2) has made a connection, or has begun to make one (EINPROGRESS). Returns the connection's number."""
        return self._attach(place, (own, peer), "opener", _End(who, pid, own, inode))

    def accepted(self, place: int, who: str, pid: int, inode: int, own: str, peer: str) -> int:
        """Notes that accept(2) has returned a connection. Returns the connection's number."""
        return self._attach(place, (peer, own), "acceptor", _End(who, pid, own, inode))

    def _attach(self, place: int, pair: Pair, side: str, end: _End) -> int:
        known = self._by_inode.get(end.inode)
        if known is not None and known[0].pair == pair:
            return known[0].number
        of_pair = self._by_pair.get(pair, [])
        # Takes the oldest one that no call has claimed, because an accept may come long after its connection was made.
        made = next((one for one in of_pair if getattr(one, side) is None or getattr(one, side).inode == 0), None) or self._make(pair)
        setattr(made, side, end)
        self._by_inode[end.inode] = (made, end)
        self._hold_from_now(place, end)
        return made.number

    def _hold_from_now(self, place: int, end: _End) -> None:
        """Makes each process that has this socket a holder of the end, or of the listener, that the socket has just become."""
        for pid, fds in self._fds.items():
            if end.inode in fds.values():
                end.holders.setdefault(pid, place if pid == end.pid else self._since.get((pid, end.inode), place))
        end.holders.setdefault(end.pid, place)

    def shut(self, place: int, pid: int, fd: int) -> None:
        """Notes a shutdown(2) of what this end sends."""
        found = self._by_inode.get(self._fds.get(pid, {}).get(fd, 0))
        if found is not None and found[1].shut < 0:
            found[1].shut = place

    def closed(self, place: int, pid: int, tid: int, fd: int, how: str = "close") -> None:
        inode = self._fds.get(pid, {}).pop(fd, 0)
        if inode and inode not in self._fds[pid].values():
            self._gives_up(place, pid, tid, inode, how)

    def _gives_up(self, place: int, pid: int, tid: int, inode: int, how: str) -> None:
        self._since.pop((pid, inode), None)
        end = self._end(inode)
        since = end.holders.pop(pid, None) if end is not None else None
        if end is not None and since is not None:
            end.given_up.append(Holder(self.who.get(pid, end.who), pid, since, place, how, tid))
            if not end.holders:
                self._listening.pop(inode, None)        # the kernel may give this number to another socket

    def handed(self, place: int, inode: int) -> None:
        """Notes that a copy of this socket was sent to another process (SCM_RIGHTS). It is not seen who gets the copy, and when
        it is closed."""
        end = self._end(inode)
        if end is not None:
            end.holders.setdefault(ELSEWHERE, place)

    def forked(self, place: int, pid: int, child: int) -> None:
        """Notes that a process (not a thread) was born. It has all descriptors of its parent."""
        for fd, inode in self._fds.get(pid, {}).items():
            self.has(place, child, fd, inode)

    def executed(self, place: int, pid: int, kept: Iterable[int]) -> None:
        """Notes that exec(3) closed the descriptors that were close-on-exec. `kept` are the descriptors that stayed open."""
        stays = set(kept)
        for fd in list(self._fds.get(pid, {})):
            if fd not in stays:
                self.closed(place, pid, 0, fd, "exec")

    def ended(self, place: int, pid: int) -> None:
        for inode in set(self._fds.pop(pid, {}).values()):
            self._gives_up(place, pid, 0, inode, "exit")

    # -- lines --------------------------------------------------------------------------------------------------------

    def said(self, place: int, who: str, pid: int, own: str, peer: str, new: bool) -> int:
        """Notes that a line names a connection by its addresses. With `new` the line says that the connection was made just now
        ("connected", "accepted"). Returns the connection's number, 0 if it is not known. It is only for programs whose calls are
        not seen."""
        if peer == "-":         # the connection was reset before the program made the line, so the line has no peer address
            waiting = [made for made in self._made if own == made.pair[1] and not made.said.get("acceptor")]
            if not waiting:
                return 0
            peer = waiting[0].pair[0]
        as_opener = (own, peer) in self._by_pair
        if not as_opener and (peer, own) not in self._by_pair:
            as_opener = own.rpartition(":")[2] not in self.ports
        pair, side = ((own, peer), "opener") if as_opener else ((peer, own), "acceptor")
        of_pair = self._by_pair.get(pair, [])
        if new:
            made = next((one for one in of_pair if not one.said.get(side)), None) or self._make(pair)
            made.said[side] = 1
        else:
            made = of_pair[-1] if of_pair else self._make(pair)
        if getattr(made, side) is None:
            setattr(made, side, _End(who, pid, own))
        return made.number
