"""Finds the programs that do not listen on the port that they were given. others() takes a Run."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Optional

from ..trace import Call, Event, Run


@dataclass(frozen=True)
class OtherPort:
    """A program that listens on another port than the one that its arguments named."""

    who: str
    given: int
    found: tuple[int, ...]      # the ports on which it listens instead
    event: Optional[Event]      # its line that says so, if it has one


def others(run: Run) -> Iterator[OtherPort]:
    """Yields the programs of a run that listen on another port. A program that was given no port, or whose port the kernel was to
    choose, is left out."""
    for role in run.cast:
        if not role.port:
            continue
        events = [event for event in run.events if event.who == role.name and event.kind == "listen"]
        calls = [call for call in run.calls if call.who == role.name and call.name == "listen" and not call.error]
        found = dict.fromkeys([*(_port(event.address) for event in events), *(_bound(run, call) for call in calls), *_seen(run, role.name)])
        found.pop(0, None)
        wrong = [event for event in events if _port(event.address) not in (0, role.port)]      # its own line says another port
        if found and role.port not in found or wrong:
            elsewhere = tuple(port for port in found if port != role.port)
            yield OtherPort(role.name, role.port, elsewhere, next(iter(wrong or events), None))


def _port(address: str) -> int:
    number = address.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _bound(run: Run, listen: Call) -> int:
    """Returns the port that the program bound before it called listen; 0 if it left the choice to the kernel, or if it is not
    known."""
    binds = [call for call in run.calls if call.name == "bind" and (call.pid, call.fd) == (listen.pid, listen.fd)
             and call.seq < listen.seq and not call.error]
    return _port(binds[-1].address) if binds else 0


def _seen(run: Run, who: str) -> Iterator[int]:
    """Yields the ports that the kernel showed: those of the program's listening sockets, and those at which it accepted
    connections."""
    for sock in (*run.sockets, *run.stop.sockets):
        if sock.who == who and sock.state == "LISTEN":
            yield _port(sock.local)
    for made in run.connections:
        if made.acceptor is not None and made.acceptor.who == who:
            yield _port(made.acceptor.address)
