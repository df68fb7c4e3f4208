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


EPOLL = "epoll"     # stands for the descriptor of any epoll instance


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
    since = _since(name, said.name == "empty", cast) if said.name in ("empty", "look") else {}
    calls = [call for call in cast.run.calls if call.who == name and (not pid or call.pid == pid) and _is_meant(said, call, deeds, since)]
    mine = [call for call in calls if said.name in OF_NO_CONNECTION or _failed_to_connect(call) or call.connection > 0 and (numbers is None or call.connection in numbers)]
    if sum(call.error == said.error or said.name in OF_ANY_ERROR for call in mine) >= said.times:
        return Answer(True)
    if any(map(deeds.is_blind, _processes(name, cast))):
        return Answer(False, unknown=f"some calls of the {name} could not be seen, or not on which connection")
    return Answer(False, error=mine[-1].error if mine and not said.error else "")


def _is_meant(said: Made, call: Call, deeds: Deeds, since: "dict[str, int]") -> bool:
    """Is it the call that the contract names? Its connection and its error are not looked at here."""
    if said.name == "look":
        return _looks(call, since)
    if said.name in ("empty", "poll"):
        return _finds_none(call, since) if said.name == "empty" else _polls(call)
    if said.name == "bind":
        return call.name == "bind" and (not said.half or _may_reuse(call, deeds.run.calls))
    if PLAIN.get(call.name, call.name) != said.name or said.half and said.half not in (call.option, _host(call) if call.name == "connect" else ""):
        return False
    return said.count < 0 or call.returned >= 0 and call.result == said.count or (said.name, said.count) == ("read", 0) and _met_the_end(call, deeds)


def _host(call: Call) -> str:
    """Returns the address to which a connect goes, without its port: "::1"."""
    return call.address.rpartition(">")[2].rpartition(":")[0].strip("[]")


def _may_reuse(call: Call, calls: "tuple[Call, ...]") -> bool:
    """Was SO_REUSEADDR on for the socket of a bind?"""
    before = [one for one in calls if one.pid == call.pid and 0 <= one.returned < call.seq and not one.error
              and (one.name == "socket" and one.result == call.fd or one.fd == call.fd and one.option == "SO_REUSEADDR")]
    return bool(before) and before[-1].option == "SO_REUSEADDR" and before[-1].value != 0


def _looks(call: Call, since: "dict[str, int]") -> bool:
    """Does the call tell its program, without waiting, whether something has come on a connection? A poll that may not wait does, and a
    read that takes nothing away. So does a read that returned the end of the stream, or one that would have had to wait. The records do not
    say whether a read was to wait."""
    if call.name in POLLS:
        return call.limit == 0 and call.returned >= 0 and _names_one(call, since)
    return call.connection > 0 and call.name in READS and (call.option == "MSG_PEEK" or call.returned >= 0 and (call.result == 0 or call.error == "EAGAIN"))


def _names_one(poll: Call, since: "dict[str, int]") -> bool:
    """Is one of these descriptors among those at which a poll looks? A poll that looks at so many descriptors that the record does not name
    them is taken for one that does."""
    named = [EPOLL] if poll.name in ("epoll_wait", "epoll_pwait") else poll.data.partition("|")[0].split()
    return any(since.get(one, poll.seq) < poll.seq for one in named) or not named and poll.asked > 0


def _since(name: str, listeners: bool, cast: Cast) -> "dict[str, int]":
    """Returns the descriptors that a program's connections had, or its listeners, each with the place of the first call that shows it. EPOLL is
    among them if the program has put a connection into an epoll instance; of listeners the records do not say that, so any descriptor counts."""
    found: "dict[str, int]" = {}
    for call in cast.run.calls:
        if call.who != name or call.error:
            continue
        if call.name == "epoll_ctl":
            found.setdefault(EPOLL, call.seq) if listeners or call.connection else None
        elif listeners and call.name in ("listen", *ACCEPTS):
            found.setdefault(str(call.fd), call.seq)
        elif not listeners and call.connection:
            found.setdefault(str(call.result if call.name in ACCEPTS else call.fd), call.seq)
    return found


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


def _finds_none(call: Call, since: "dict[str, int]") -> bool:
    """Does the call tell its program that nobody waits in an accept queue? An accept that gave EAGAIN does, and a poll of a listener that may
    not wait and found nothing. The records do not say whether an accept was to wait."""
    if call.name in POLLS:
        return call.limit == 0 and call.returned >= 0 and call.result == 0 and _names_one(call, since)
    return call.name in ACCEPTS and call.error == "EAGAIN"


OF_NO_CONNECTION = ("bind", "empty", "look", "poll")     # they are asked of a program, and not of one of its connections
OF_ANY_ERROR = ("empty", "look", "poll")                 # they say themselves which results they mean


def _failed_to_connect(call: Call) -> bool:
    """Is this a connect to an address that failed, so that no connection was made?"""
    return call.name == "connect" and call.connection == 0 and bool(call.error) and bool(call.address)


def _processes(name: str, cast: Cast) -> set[int]:
    """Returns the pids of that name: the processes that the stage started, that log lines, that made a call, and that hold a
    connection."""
    ends = [end for made in cast.run.connections for end in (made.opener, made.acceptor) if end is not None]
    return {*cast.processes(name), *(call.pid for call in cast.run.calls if call.who == name),
            *(holder.pid for end in ends for holder in end.holders if holder.who == name)}
