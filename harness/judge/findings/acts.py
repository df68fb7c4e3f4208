"""Words that several families of findings share: a count, a call's name, what a thread waits in, what it did last."""
from __future__ import annotations

from typing import Iterable, Optional

from ...trace import Call, Socket, Waiting
from ..sides import ACCEPTOR, OPENER, READS, WRITES, Side
from .facts import Facts

PLAIN = {"recvfrom": "recv", "sendto": "send", "accept4": "accept", "ppoll": "poll", "pselect6": "select", "epoll_pwait": "epoll_wait",
         "nanosleep": "sleep", "clock_nanosleep": "sleep"}
POLLS = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
ACCEPTS = ("accept", "accept4")
SLEEPS = ("nanosleep", "clock_nanosleep")
OVER = ("dup2", "dup3")     # they close what was behind the descriptor that they make
COPIES = ("dup", *OVER, "fcntl")
STANDARD = {0: "standard input", 1: "standard output", 2: "standard error"}
_FOR = {"futex": "for a lock or a thread of its own, in futex", "wait4": "for a child process, in wait4", "vfork": "for its child process to end or to run another program, in vfork", "pause": "for a signal, in pause",
        "rt_sigsuspend": "for a signal", "rt_sigtimedwait": "for a signal", "sleep": "in a sleep"}


def count(n: int, what: str) -> str:
    """Returns "1 byte" or "1,234 bytes"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def listed(words: "Iterable[str]") -> str:
    """Returns "a", "a and b" or "a, b and c". Equal words come once."""
    each = list(dict.fromkeys(words))
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


def capital(words: str) -> str:
    """Returns the words with a capital letter, to begin a sentence."""
    return words[:1].upper() + words[1:]


def name(call: Call) -> str:
    """Returns the function of libc that a program called, as far as the kernel's name shows it."""
    return PLAIN.get(call.name, call.name)


def at(source: str) -> str:
    """Returns " (server.c:31)"; "" if the place is not known."""
    return f" ({source})" if source else ""


def returned(call: Call) -> str:
    """Returns "returned 5" or "failed with EPIPE"."""
    return f"failed with {call.error}" if call.error else f"returned {call.result:,}"


def because_nonblocking(facts: Facts, call: Call) -> str:
    """Returns a clause such as ", because its descriptor had been set to O_NONBLOCK (server.c:30)"; "" if no call of its process had done that."""
    sets = [c for c in facts.run.calls if c.option == "O_NONBLOCK" and not c.error and (c.pid, c.fd, c.connection) == (call.pid, call.fd, call.connection) and c.seq < call.seq]
    return f", because its descriptor had been set to O_NONBLOCK{at(sets[-1].source)}" if sets and sets[-1].value else ""


def waits(waiting: Waiting) -> str:
    """Returns what a thread waits in, as words that follow "The server waits": "in read on connection 1"."""
    if waiting.call in _FOR:
        return _FOR[waiting.call]
    if waiting.call == "read" and waiting.fd == 0:
        return f"in read on connection {waiting.connection}, its standard input" if waiting.connection else "for its standard input, in read"
    return f"in {waiting.call}" + (f" on connection {waiting.connection}" if waiting.connection and waiting.call in ("read", "write") else "")


def not_looked_at(facts: Facts, waiting: Waiting, socket: Socket, what: str) -> str:
    """Returns a sentence if a thread waits in a poll or select that does not look at a socket of its own process; else "". `what` names
    the socket. The sentence says why, if it is because the first argument of select is too low, or if an earlier select had told of something."""
    mine = [one for one in facts.run.calls if (one.pid, one.tid) == (waiting.pid, waiting.tid) and one.name in ("poll", "ppoll", "select", "pselect6")]
    call = mine[-1] if mine and mine[-1].returned < 0 else None
    if call is None or socket.pid != waiting.pid or socket.fd < 0:
        return ""
    looked, _, over = call.data.partition("|")
    if str(socket.fd) not in over.split():
        if not call.data or str(socket.fd) in looked.split():
            return ""
        again = " select leaves only what was ready in its sets, so they must be filled anew before each call." if name(call) == "select" and any(
            one.result > 0 and one.fd == call.fd for one in mine[:-1]) else ""
        return f" That {name(call)} does not look at descriptor {socket.fd}, which is {what}.{again}"
    if name(call) == "poll":
        return f" That poll looks at descriptor {socket.fd}, which is {what}, but the events that it asks for lack POLLIN: it does not wait for bytes to read there."
    return f" That select looks at descriptors below {call.value} only, since its first argument is {call.value}, and {what} is descriptor {socket.fd}, which is in a set: the " \
           "first argument must be the highest descriptor plus 1."


def between(facts: Facts, number: int) -> str:
    """Returns " (between the client and the relay)" about a connection of a run in which connections are between other programs, too; ""
    in any other run, or if a program is not known."""
    pairs = {made.number: (facts.sides.name((made.number, OPENER)), facts.sides.name((made.number, ACCEPTOR))) for made in facts.run.connections}
    opener, acceptor = pairs.get(number, ("", ""))
    known = len({frozenset(pair) for pair in pairs.values()}) > 1 and opener and acceptor
    return f" (between the {opener} and the {acceptor})" if known and opener != acceptor else ""


def runs(facts: Facts, pid: int) -> str:
    """Returns ", which runs cat," about a process that has become another program; "" about any other."""
    last = next((one for one in reversed(facts.run.execs) if one.pid == pid and one.program), None)
    return f", which runs {last.program}," if last is not None else ""


def gone_before(facts: Facts, side: Side, place: int) -> str:
    """Returns a sentence such as " The client had closed connection 1 before (client.c:9).". Returns "" if a process still held
    that end at the place, or if that is not known."""
    end = facts.sides.end(side)
    if end is None or not end.holders or any(h.pid < 0 or not 0 <= h.until < place for h in end.holders):
        return ""
    last = max(end.holders, key=lambda h: h.until)
    close = next((call for call in facts.calls(side, ("close",)) if call.pid == last.pid and call.seq == last.until), None)
    act = {"close": f"closed connection {side[0]}", "exit": f"ended, which closed connection {side[0]},"}.get(last.how, f"given up connection {side[0]}")
    return f" {capital(facts.process(last.who, last.pid))} had {act} before{at(close.source if close is not None else '')}."


def shut_down_before(facts: Facts, side: Side, call: Call) -> "tuple[str, tuple[int, ...]]":
    """Returns a sentence such as " The client had shut down its own sending there before (SHUT_WR, client.c:9)." about a write that
    failed, and the place of that shutdown. Returns "" if nobody had shut down this end's sending before the write."""
    end = facts.sides.end(side)
    if end is None or not 0 <= end.shut < call.seq:
        return "", ()
    shut = next((one for one in facts.calls(side, ("shutdown",)) if not one.error and one.option != "SHUT_RD" and one.seq <= end.shut), None)
    if shut is None:
        return f" The {call.who} had shut down its own sending there before.", (end.shut,)
    who, which = (f"the {call.who}", "its own") if shut.pid == call.pid else (facts.process(shut.who, shut.pid), "the")
    where = f", {shut.source}" if shut.source else ""
    return f" {capital(who)} had shut down {which} sending there before ({shut.option}{where}).", (shut.seq,)


def did(call: Call) -> str:
    """Returns what a call on a connection did, as words that follow "it": "read 18 bytes"."""
    if call.error:
        return f"called {name(call)}, which failed with {call.error}"
    if call.name in READS:
        if call.option == "MSG_WAITALL" and 0 < call.result < call.asked:
            return f"read {call.result:,} of {count(call.asked, 'byte')}"
        return f"read {count(call.result, 'byte')}" if call.result or not call.asked else "read the end of the stream"
    if call.name in WRITES:
        return f"wrote {count(call.result, 'byte')}" if call.name != "sendmmsg" else "called sendmmsg"
    return {"connect": "opened it", "accept": "accepted it", "shutdown": f"called shutdown with {call.option}"}.get(name(call), f"called {name(call)}")


_ACTS = (*READS, *WRITES, *ACCEPTS, "connect", "shutdown")


def last_act(facts: Facts, side: Side) -> Optional[Call]:
    """Returns the last call at this end of a connection that has returned and did something to the connection. Returns None if
    there is none, or if not all calls were seen."""
    if not facts.seen(side):
        return None
    done = [call for call in facts.calls(side, _ACTS) if call.returned >= 0 and call.error not in ("EAGAIN", "EINTR") and call.option != "MSG_PEEK"]
    return max(done, key=lambda call: call.returned) if done else None
