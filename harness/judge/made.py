"""Answers whether a program made a call that the contract asks for (`call: client shutdown`).

ask() takes the contract's line and what is known of the run. The answer is yes, no, or that nobody knows. A log line that says so
does not count, only the system call itself.
"""
from __future__ import annotations

from dataclasses import dataclass

from ..observe.kernel import PLAIN
from ..trace import Call
from .cast import Cast
from .causes import brought_by
from .contract import Made, index_of, role_of
from .deeds import Deeds
from .findings.acts import ACCEPTS, POLLS
from .seen import falls_short
from .sides import READS


@dataclass(frozen=True)
class Answer:
    """`made`: the call was made. `error`: if all such calls failed, the error of the last one ("ENOTCONN"). `unknown`: why nobody
    knows, in words; "" if it is known."""

    made: bool
    error: str = ""
    unknown: str = ""


def ask(said: Made, cast: Cast, deeds: Deeds) -> Answer:
    """Did WHO make this call on a connection, so that it did not fail, or failed as the contract says? A call that still waits
    counts as made."""
    if not cast.run.observed:
        return Answer(False, unknown="the programs' calls were not seen")
    name, numbers = role_of(said.who), cast.connections(said.who)
    if said.name == "fork":
        return Answer(bool(_processes(name, cast) - {one.pid for one in cast.run.endings}) or any(one.who == name for one in cast.run.children))
    pid = cast.pid(said.who) if index_of(said.who) and not cast.listens(name) else 0
    calls = [call for call in cast.run.calls if call.who == name and (OF_NO_CONNECTION[said.name](call) if said.name in OF_NO_CONNECTION else PLAIN.get(call.name, call.name) == said.name)
             and (not said.half or call.option == said.half) and (not pid or call.pid == pid)
             and (said.count < 0 or call.returned >= 0 and call.result == said.count or (said.name, said.count) == ("read", 0) and _met_the_end(call, deeds))]
    mine = calls if said.name in OF_NO_CONNECTION else [call for call in calls if _failed_to_connect(call) and said.error or call.connection > 0 and (numbers is None or call.connection in numbers)]
    if any(call.error == said.error or said.name in OF_NO_CONNECTION for call in mine):
        return Answer(True)
    if any(map(deeds.is_blind, _processes(name, cast))):
        return Answer(False, unknown=f"some calls of the {name} could not be seen, or not on which connection")
    return Answer(False, error=mine[-1].error if mine and not said.error else "")


def _looks(call: Call) -> bool:
    """Does the call tell its program, without waiting, whether something has come? A poll that may not wait does, and a read that
    takes nothing away. So does a read that returned the end of the stream, or one that would have had to wait. The records do not
    say whether a read was to wait."""
    if call.name in POLLS:
        return call.limit == 0
    return call.connection > 0 and call.name in READS and (call.option == "MSG_PEEK" or call.returned >= 0 and (call.result == 0 or call.error == "EAGAIN"))


def _met_the_end(call: Call, deeds: Deeds) -> bool:
    """Did a read with MSG_WAITALL return with fewer bytes than it asked for, when the stream had ended and no byte of it was left? It
    has met the end as a read that returns 0 has."""
    side = deeds.sides.of(call)
    other = deeds.sides.other(side)
    if side is None or other is None or not falls_short(call) or not deeds.seen(side) or not deeds.seen(other):
        return False
    return deeds.took(side, call.returned + 1) >= deeds.wrote(other) and brought_by(deeds.run, deeds.sides, call) is not None


def _polls(call: Call) -> bool:
    """Does the call ask, about descriptors that it names, which of them are ready?"""
    return call.name in POLLS and not call.error and (call.name in ("epoll_wait", "epoll_pwait") or bool(call.data) or call.asked > 0)


def _finds_none(call: Call) -> bool:
    """Does the call tell its program that nobody waits in an accept queue? An accept that gave EAGAIN does, and a poll that may not
    wait and found nothing. The records do not say on which sockets it looked, nor whether an accept was to wait."""
    return call.name in ACCEPTS and call.error == "EAGAIN" or call.name in POLLS and call.limit == 0 and call.returned >= 0 and call.result == 0


OF_NO_CONNECTION = {"empty": _finds_none, "look": _looks, "poll": _polls}     # they are asked of a program, and not of one of its connections


def _failed_to_connect(call: Call) -> bool:
    """Is this a connect to an address that failed, so that no connection was made? A contract can ask only for its error."""
    return call.name == "connect" and call.connection == 0 and bool(call.error) and bool(call.address)


def _processes(name: str, cast: Cast) -> set[int]:
    """Returns the pids of that name: the processes that the stage started, that log lines, that made a call, and that hold a
    connection."""
    ends = [end for made in cast.run.connections for end in (made.opener, made.acceptor) if end is not None]
    return {*cast.processes(name), *(call.pid for call in cast.run.calls if call.who == name),
            *(holder.pid for end in ends for holder in end.holders if holder.who == name)}
