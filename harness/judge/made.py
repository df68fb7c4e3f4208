"""The calls that a contract asks for, `call: client shutdown`: has the program made them?

In come the contract's line and what is known of the run; out goes yes, no, or that nobody knows. A line in a log does not make a call:
only what the kernel was asked does.
"""
from __future__ import annotations

from dataclasses import dataclass

from ..observe.kernel import PLAIN
from ..trace import Call
from .cast import Cast
from .contract import Made, index_of, role_of
from .deeds import Deeds


@dataclass(frozen=True)
class Answer:
    """`unknown`: why nobody knows, in words, "" if it is known. `error`: of the last such call, if all of them failed ("ENOTCONN")."""

    made: bool
    error: str = ""
    unknown: str = ""


def ask(said: Made, cast: Cast, deeds: Deeds) -> Answer:
    """Did WHO make this call on a connection, so that it did not fail, or failed as the contract says? One that still waits was made."""
    if not cast.run.observed:
        return Answer(False, unknown="the programs' calls were not seen")
    name, numbers = role_of(said.who), cast.connections(said.who)
    pid = cast.pid(said.who) if index_of(said.who) and not cast.listens(name) else 0
    calls = [call for call in cast.run.calls if call.who == name and PLAIN.get(call.name, call.name) == said.name
             and (not said.half or call.option == said.half) and (not pid or call.pid == pid)]
    mine = [call for call in calls if _failed_to_connect(call) and said.error or call.connection > 0 and (numbers is None or call.connection in numbers)]
    if any(call.error == said.error for call in mine):
        return Answer(True)
    if any(map(deeds.is_blind, _processes(name, cast))):
        return Answer(False, unknown=f"some calls of the {name} could not be seen, or not on which connection")
    return Answer(False, error=mine[-1].error if mine and not said.error else "")


def _failed_to_connect(call: Call) -> bool:
    """Was this a connect to an address, from which no connection came? Only its error can be asked for."""
    return call.name == "connect" and call.connection == 0 and bool(call.error) and bool(call.address)


def _processes(name: str, cast: Cast) -> set[int]:
    """All of that name: those that the stage started, those that made a call, and those that hold a connection."""
    ends = [end for made in cast.run.connections for end in (made.opener, made.acceptor) if end is not None]
    return {*cast.processes(name), *(call.pid for call in cast.run.calls if call.who == name),
            *(holder.pid for end in ends for holder in end.holders if holder.who == name)}
