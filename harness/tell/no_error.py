"""Why an error that the contract asks for did not come: a bind that got its port, a connect that was answered, a read without a time limit.
Why EAGAIN came, which the contract does not ask for. And that no call failed where a line tells of an error.

why.py asks it about the first difference of a verdict. Each sentence is about calls, sockets and segments of the run.
"""
from __future__ import annotations

import re
from typing import Iterator, Optional

from ..judge.comparison import Difference
from ..judge.contract import role_of
from ..judge.findings import Facts, connecting, timing
from ..judge.findings.acts import ACCEPTS, at, because_nonblocking, capital, count, name, returned
from ..judge.findings.timing import seconds
from ..judge.sides import READS
from ..trace import Call, Run


def why(d: Difference, expected: str, run: Run) -> Iterator[str]:
    """Yields why WHO got no such error between its last line that was right and the place where it left the contract. `expected` is
    the contract's line, "Error binding: EADDRINUSE"."""
    error = re.match(r"Error\b.*\b(EADDRINUSE|ECONNREFUSED|EAGAIN)\b", expected)
    if error is None or not run.observed or not d.witnesses:
        return
    facts = Facts(run)
    if error[1] == "EAGAIN":
        yield from _no_limit(d, facts)
    elif d.observed is not None:
        asked = "bind" if error[1] == "EADDRINUSE" else "connect"
        right = d.right.seq if d.right else -1
        call = next((c for c in run.calls if c.name == asked and not c.error and (c.pid, c.tid) == (d.observed.pid, d.observed.tid) and right < c.seq < d.observed.seq), None)
        if call is not None:
            yield from _bound(call, facts) if asked == "bind" else _answered(call, facts)


def none_failed(d: Difference, run: Run) -> str:
    """Returns a sentence if WHO's line names an error, or says that none is known, and none of its thread's calls that were seen has failed
    since its last line that was right. Returns "" if one has failed, or if no call was seen there."""
    if d.observed is None or not re.fullmatch(r"Error\b.*\b(E[A-Z0-9]+|Success|unknown error)", d.observed.text) or not run.observed:
        return ""
    right = d.right.seq if d.right else -1
    since = [c for c in run.calls if (c.pid, c.tid) == (d.observed.pid, d.observed.tid) and right < c.returned < d.observed.seq]
    if not since or any(c.error for c in since):
        return ""
    error = re.search(r"E[A-Z0-9]+$", d.observed.text)
    if error is not None and error[0] in _SET_BY_PROGRAMS:
        return (f"None of the calls that were seen before that line had failed with {error[0]}: the last one, {name(since[-1])}{at(since[-1].source)}, {returned(since[-1])}. So a function of the "
                f"{since[-1].who} itself set that error, or errno had it from before.{_as_a_number(since[-1])}")
    return (f"The last call that was seen of the {since[-1].who} before that line is {name(since[-1])}{at(since[-1].source)}, and it had not failed: it {returned(since[-1])}. "
            "errno says why a call failed. After a call that did not fail it says nothing.")


# Errors that functions of programs and libraries set themselves, about a text, a number or a size.
_SET_BY_PROGRAMS = ("EMSGSIZE", "EINVAL", "ENOMEM", "ERANGE", "EPROTO", "EBADMSG", "EILSEQ", "EDOM", "EOVERFLOW", "E2BIG")


def _as_a_number(read: Call) -> str:
    """Returns a sentence about the number that a read of 2, 4 or 8 bytes brought; "" if it is no such read."""
    if read.name not in READS or read.result not in (2, 4, 8) or len(read.data) < read.result:
        return ""
    raw = read.data[:read.result].encode("latin-1")
    return f" The {len(raw)} bytes that it brought ({raw.hex(' ')}) are {int.from_bytes(raw, 'big'):,} with the highest byte first, and {int.from_bytes(raw, 'little'):,} in the other order."


def would_block(d: Difference, run: Run) -> Iterator[str]:
    """Yields why a call of WHO failed with EAGAIN, if its line says so: the call did not wait."""
    if d.observed is None or not re.match(r"Error\b.*\bEAGAIN\b", d.observed.text) or not run.observed:
        return
    mine = [c for c in run.calls if (c.pid, c.tid) == (d.observed.pid, d.observed.tid) and 0 <= c.returned < d.observed.seq]
    call = next((c for c in reversed(mine) if c.error == "EAGAIN"), None)
    if call is None or call.name not in (*READS, *ACCEPTS) or not timing.does_not_wait(Facts(run), call):
        return
    nothing = "no connection had come yet" if call.name in ACCEPTS else "no byte had come yet"
    yield f"The {call.who}'s {name(call)}{at(call.source)} failed with EAGAIN: {nothing}, and the call did not wait{because_nonblocking(Facts(run), call)}. poll waits until something has come."


def _answered(call: Call, facts: Facts) -> Iterator[str]:
    """Yields who listened at the address that a connect named."""
    found = connecting.who_took(facts, call)
    if found is not None:
        listen = next((one for one in facts.run.calls if one.name == "listen" and one.returned == found.since), None)
        yield (f"The {call.who}'s connect to {connecting.whom(call)}{at(call.source)} was answered: the {found.who} listened on {found.address}"
               f"{at(listen.source) if listen is not None else ''}.")


def _bound(call: Call, facts: Facts) -> Iterator[str]:
    """Yields why a bind got its port, although an earlier connection had that port."""
    if call.address.endswith(":0"):
        yield f"The {call.who}'s bind{at(call.source)} named port 0: with that a program asks the kernel for any port that is free."
        return
    ends = [(side[0], end) for side in facts.sides.all() if (end := facts.sides.end(side)) is not None and end.who == call.who]
    host = call.address.rpartition(":")[0]
    if ends and all(connecting.same_port(end.address, call.address) and end.address.rpartition(":")[0] != host for _, end in ends) and host not in ("0.0.0.0", "[::]"):
        yield f"The {call.who}'s bind{at(call.source)} named {call.address}. The {call.who}'s end of connection {ends[-1][0]} has another address, {ends[-1][1].address}."
        return
    if ends and not any(connecting.same_port(end.address, call.address) for _, end in ends):
        yield (f"The {call.who}'s bind{at(call.source)} named port {call.address.rpartition(':')[2]}. The {call.who}'s end of connection {ends[-1][0]} has another port, "
               f"{ends[-1][1].address.rpartition(':')[2]}.")
        return
    for side in facts.sides.all():
        end, other = facts.sides.end(side), facts.sides.other(side)
        if end is None or other is None or not facts.captured or not connecting.same_port(end.address, call.address):
            continue
        mine, theirs = connecting.fin(facts, side, call.seq), connecting.fin(facts, other, call.seq)
        reset = any(s.seq < call.seq for one in (side, other) for s in facts.segments(one, "R"))
        connection, peer = f"connection {side[0]}", facts.sides.name(other)
        if reset:
            yield f"{capital(connection)} ended with a reset (RST). After a reset neither end is kept in TIME-WAIT."
        elif mine is not None and theirs is not None and theirs.seq < mine.seq and not connecting.both_reuse(facts, call, side):
            act = next((c for c in reversed(facts.calls(other, ("shutdown", "close"))) if not c.error and c.option != "SHUT_RD" and c.seq < theirs.seq), None)
            yield (f"The {peer}'s FIN on {connection} went out before the {end.who}'s{at(act.source) if act is not None else ''}. The end that sends its FIN first is kept in TIME-WAIT: that is the {peer}'s here, "
                   f"and the port of the {end.who} is free.")
        elif mine is not None and theirs is not None and connecting.both_reuse(facts, call, side):
            yield (f"The {end.who}'s end of {connection} is kept in TIME-WAIT with that port. The earlier socket had SO_REUSEADDR, and so had this one: then the bind"
                   f"{at(call.source)} gets the port.")


def _no_limit(d: Difference, facts: Facts) -> Iterator[str]:
    """Yields which time limits a program had set for its connection, if none of them is one for reads, or if that one was not over."""
    line = max(d.witnesses, key=lambda e: e.seq)
    mine = [c for c in facts.run.calls if (c.pid, c.tid) == (line.pid, line.tid) and c.connection]
    read = next((c for c in reversed(mine) if c.name in READS and (d.observed is None or c.seq < d.observed.seq)), None)
    side = facts.sides.of(read) if read is not None else None
    if side is None or not facts.seen(side):
        return
    limits = [c for c in facts.run.calls if c.who == role_of(d.who) and c.option in ("SO_RCVTIMEO", "SO_SNDTIMEO") and not c.error]
    here: Optional[Call] = next((c for c in reversed(limits) if facts.sides.of(c) == side), None)
    last = next((c for c in reversed(limits) if c.option == "SO_RCVTIMEO" and facts.sides.of(c) == side and read is not None and c.seq < read.seq), None)
    if read is not None and last is not None and last.value and not read.error and not any(c.error == "EAGAIN" for c in facts.reads(side)):
        limit = f"its time limit of {seconds(last.value)} (SO_RCVTIMEO{', ' + last.source if last.source else ''})"
        yield (f"The {read.who}'s read on connection {side[0]}{at(read.source)} " +
               (f"returned {count(read.result, 'byte')} before {limit} had passed." if read.returned >= 0 else f"waits, and {limit} has not passed."))
    if any(c.option == "SO_RCVTIMEO" and c.value for c in limits):
        return
    if here is not None and here.option == "SO_RCVTIMEO":
        yield f"The {here.who} set SO_RCVTIMEO to 0 on connection {side[0]}{at(here.source)}, and 0 means no time limit."
    elif here is not None:
        yield f"The {here.who} set SO_SNDTIMEO on connection {side[0]}{at(here.source)}: that is a time limit for writes. Its reads there have none."
    elif not limits:
        yield f"No time limit for reads (SO_RCVTIMEO) was set on connection {side[0]}."
        other, socket = facts.sides.other(side), facts.socket(side)
        option = next((c for c in facts.calls(side, ("setsockopt",)) if c.option in ("TCP_USER_TIMEOUT", "SO_KEEPALIVE") and c.value and not c.error), None)
        if option is not None and other is not None and socket is not None and not socket.unacked and facts.all_wait:
            yield f"{option.option}{at(option.source)} ends a connection whose other kernel does not answer. The {facts.sides.name(other)}'s kernel has acknowledged all bytes."
