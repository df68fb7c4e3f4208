"""Findings about who waits: in an accept queue, in a circle, for an event that is reported once; and about who does not wait but
spins."""
from __future__ import annotations

from collections import Counter
from typing import Iterator, Optional

from ...trace import Call, Waiting
from ..sides import ACCEPTOR, OPENER, READS, WRITES
from .acts import ACCEPTS, POLLS, SLEEPS, at, between, capital, count, did, last_act, listed, name, returned, runs, not_looked_at, waits
from . import endings
from .facts import Facts, Finding

_FOR_EVER = 1 << 62
_EPOLLET, _EPOLLONESHOT = 1 << 31, 1 << 30
_SPINS = 200                # if the same calls came so many times and nothing moved, the program spins


# --- the accept queue ------------------------------------------------------------------------------------------------

def in_the_accept_queue(facts: Facts) -> "Iterator[Finding]":
    """Connections were made, and nobody had accepted them when the run was over. Says what the program that listens did
    meanwhile."""
    for socket in facts.run.stop.sockets:
        if socket.state != "LISTEN" or socket.unread <= 0 or socket.pid != _first_holder(facts, socket.local, socket.pid):
            continue
        waiting = facts.queued(socket)
        holders = {one.pid for one in facts.run.stop.sockets if one.state == "LISTEN" and one.local == socket.local}
        mine = [one for one in facts.run.stop.waiting if one.pid in holders]
        if any(one.call == "accept" and one.fd == socket.fd for one in mine if one.pid == socket.pid):
            continue
        if waiting:
            words = listed(_queued(facts, number) for number in waiting[:3])
            words += f" (and {len(waiting) - 3} more)" if len(waiting) > 3 else ""
            words = f"{words[:1].upper()}{words[1:]} {'waits' if len(waiting) == 1 else 'wait'} in the accept queue of {socket.local}: the {socket.who} has not accepted " \
                    f"{'it' if len(waiting) == 1 else 'them'}."
        else:
            words = f"{count(socket.unread, 'connection')} {'waits' if socket.unread == 1 else 'wait'} in the accept queue of {socket.local}, not accepted."
        once = any(call.name == "epoll_ctl" and (call.pid, call.asked) == (socket.pid, socket.fd) and call.value & _EPOLLET for call in facts.run.calls)
        words += " Its epoll tells of them once (EPOLLET): who is told must accept until EAGAIN." if once else ""
        meanwhile = [f"Meanwhile the {one.who} waits {waits(one)}{_what_came(facts, one)}." for one in mine]
        if len(mine) == 1:
            meanwhile[-1] += not_looked_at(facts, mine[0], socket, "its listener")
        acts = [call for one in mine for call in facts.run.calls if (call.pid, call.tid) == (one.pid, one.tid) and call.returned < 0]
        begun = min((s.seq for s in facts.run.segments if waiting and s.connection == waiting[0]), default=socket.seq)
        yield Finding("in-accept-queue", " ".join([words, *dict.fromkeys(meanwhile[:2])]), (*(call.seq for call in acts), socket.seq), max(begun, 0),
                      socket.who, acts[0].source if len(acts) == 1 else "", "15")


def _first_holder(facts: Facts, local: str, pid: int) -> int:
    """Returns the lowest id of the processes that hold this listener, so that the listener is reported once."""
    return min((one.pid for one in facts.run.stop.sockets if one.state == "LISTEN" and one.local == local), default=pid)


def _queued(facts: Facts, number: int) -> str:
    """Returns "connection 2 with 18 bytes", or "connection 2" if no bytes have come."""
    side = (number, ACCEPTOR)
    arrived = facts.arrived(side, _FOR_EVER) if facts.captured else facts.wrote((number, OPENER))
    return f"connection {number} with {count(arrived, 'byte')}" if arrived else f"connection {number}"


def _what_came(facts: Facts, one: Waiting) -> str:
    """Returns what has come on a connection, as words that follow "waits in read on connection 1"."""
    side = facts.sides.of(one)
    other = facts.sides.other(side)
    if one.call != "read" or side is None or other is None or not (facts.seen(side) and facts.seen(other)):
        return ""
    sent = facts.wrote(other)
    if sent == 0 and not (facts.captured and facts.arrived(side, _FOR_EVER)):
        return ", on which nothing has come"
    taken = facts.took(side)
    return f", whose {count(taken, 'byte')} it has read" if taken == sent else ""


# --- a circle --------------------------------------------------------------------------------------------------------

def deadlock(facts: Facts) -> "Iterator[Finding]":
    """The programs wait for each other, and this is proven. Says in which call each of them waits, and what each did last on that
    connection."""
    stop = facts.run.stop
    if stop.kind != "deadlock":
        return
    circle = [one for one in stop.waiting if one.who in stop.cycle and one.on and set(one.on.split(" and ")) & set(stop.cycle)]
    names = listed(f"the {who}" for who in stop.cycle)
    told, proof = [], []
    alike = Counter((one.pid, one.call, one.connection) for one in circle)
    for one in circle:
        threads = alike.pop((one.pid, one.call, one.connection), 0)
        if threads == 0:
            continue            # another thread of that process waits in the same call on the same connection, and was reported
        if threads > 1:
            told.append(f"{threads} threads of {facts.process(one.who, one.pid)} wait {waits(one)}.")
            continue
        side = facts.sides.of(one)
        last = last_act(facts, side) if side is not None else None
        words = f"{capital(facts.process(one.who, one.pid))}{runs(facts, one.pid)} waits {waits(one)}{between(facts, one.connection) if one.call in ('read', 'write') else ''}"
        if last is not None and (last.pid, last.tid) == (one.pid, one.tid):     # only what this thread did itself
            words += f"; the last that it did there: it {did(last)}{at(last.source)}"
            proof.append(last.seq)
        told.append(words + ".")
    pending = [call for call in facts.run.calls if call.returned < 0 and any((call.pid, call.tid) == (one.pid, one.tid) for one in circle)]
    full = {facts.sides.other(side) for side in map(facts.sides.of, (one for one in circle if one.call == "write")) if side is not None}
    lie = [f"{count(s.unread, 'byte')} {'lies' if s.unread == 1 else 'lie'} unread in the {s.who}'s kernel, on connection {s.connection}{between(facts, s.connection)}"
           f"{', which has no room for more' if facts.sides.of(s) in full else ''}." for s in stop.sockets if s.connection and s.unread]
    lie += [aside.strip() for one in circle for s in stop.sockets if s.connection and s.unread and (aside := not_looked_at(facts, one, s, f"connection {s.connection}"))]
    begins = f"{names[:1].upper()}{names[1:]} wait for each other, and nothing is on its way."
    told += _nothing_written(facts, circle)
    sent = [w for w in circle if w.call == "write"]
    yield Finding("deadlock", " ".join([begins, *dict.fromkeys(told), *dict.fromkeys(lie)]), tuple([*proof, *(call.seq for call in pending)]),
                  max([_end(facts), *(call.seq for call in pending)]), circle[0].who if circle else "", pending[0].source if pending else "",
                  "18" if sent else "2")


def _nothing_written(facts: Facts, circle: "list[Waiting]") -> "list[str]":
    """Returns a sentence if two programs wait in read on the same connection, and none of them has called write there; else []."""
    ends = {side for one in circle if one.call == "read" and (side := facts.sides.of(one)) is not None}
    if len(circle) != 2 or len(ends) != 2 or len({side[0] for side in ends}) != 1 or not all(facts.counted(side) and not facts.writes(side) for side in ends):
        return []
    return ["Neither of them has called write there. If one has written with stdio or through another buffer of its own, the bytes lie there until a flush."]


def _end(facts: Facts) -> int:
    return max((s.seq for s in facts.run.stop.sockets), default=0)


# --- told once -------------------------------------------------------------------------------------------------------

def edge_triggered(facts: Facts) -> "Iterator[Finding]":
    """Bytes lie unread, and their program waits in an epoll_wait that reports them only once."""
    for side in facts.sides.all():
        socket = facts.socket(side)
        watched = facts.calls(side, ("epoll_ctl",))
        if socket is None or socket.unread <= 0 or not watched:
            continue
        last = watched[-1]
        wait = next((call for call in facts.run.calls if call.name in ("epoll_wait", "epoll_pwait") and call.returned < 0
                     and (call.pid, call.fd) == (last.pid, last.fd)), None)
        once = "EPOLLET" if last.value & _EPOLLET else "EPOLLONESHOT" if last.value & _EPOLLONESHOT else ""
        if wait is None or not once or last.error or last.option == "EPOLL_CTL_DEL" or not any(w.tid == wait.tid for w in facts.run.stop.waiting):
            continue
        reads = [call for call in facts.reads(side) if call.returned >= 0]
        why = "With EPOLLET it is told once when bytes come, and not again while they lie there: it must read until EAGAIN." if once == "EPOLLET" else \
            "With EPOLLONESHOT it is told once, and then no more until it asks anew (EPOLL_CTL_MOD)."
        read = f" Its last read there {returned(reads[-1])}." if reads else ""
        yield Finding("edge-not-drained", f"{count(socket.unread, 'byte')} {'lies' if socket.unread == 1 else 'lie'} unread on connection {side[0]}, and the {wait.who} "
                      f"waits in epoll_wait. {why}{read}", (last.seq, *(call.seq for call in reads[-1:]), wait.seq, socket.seq), reads[-1].seq if reads else last.seq, wait.who,
                      reads[-1].source if reads else wait.source, "26")


def low_water(facts: Facts) -> "Iterator[Finding]":
    """A program waits in a read until a number of bytes have come that it has set itself (SO_RCVLOWAT)."""
    for wait in facts.run.stop.waiting:
        side = facts.sides.of(wait)
        if wait.call != "read" or side is None:
            continue
        read = next((call for call in facts.reads(side) if call.returned < 0 and call.tid == wait.tid), None)
        option = next((call for call in reversed(facts.calls(side, ("setsockopt",))) if call.option == "SO_RCVLOWAT" and not call.error), None)
        if read is not None and option is not None and 1 < option.value <= read.asked and read.option != "MSG_WAITALL":
            yield Finding("low-water", f"The {option.who} had set SO_RCVLOWAT to {option.value:,} on connection {side[0]}{at(option.source)}: a read there returns when "
                          f"{option.value:,} bytes have come, or the stream has ended.", (option.seq, read.seq), option.seq, option.who, option.source)


_AT_ONCE = 1_000_000        # ns: a call that does not wait is back by then, most times


# --- no wait at all --------------------------------------------------------------------------------------------------

def spins(facts: Facts) -> "Iterator[Finding]":
    """A program makes the same calls again and again, each with the same result, and nothing comes of them. (Reads that return 0
    again and again are in streams.py: eof_again.)"""
    threads: "dict[tuple[int, int], list[Call]]" = {}
    for call in facts.run.calls:
        if call.returned >= 0:
            threads.setdefault((call.pid, call.tid), []).append(call)
    for calls in threads.values():
        found = _repeated(calls)
        if found is not None:
            first, period, times = found
            round_ = calls[first:first + period]
            again = [call for call in calls[first:first + period * times] if call.error == "EAGAIN"]
            if again and all(call.returned_ns - call.ns > _AT_ONCE for call in again):
                continue            # a time limit may have ended these: timing.py has them
            yield Finding("spin", f"{capital(facts.process(round_[0].who, round_[0].pid))} {_again(round_, times)}. {_meaning(round_)}{_behind_the_end(facts, round_)}".strip(),
                          (round_[0].seq, calls[first + period * times - 1].seq), round_[0].seq, round_[0].who, round_[0].source)


def _behind_the_end(facts: Facts, round_: "list[Call]") -> str:
    """Returns a sentence if a loop writes to a connection on which its thread had read the end of the stream; else ""."""
    broken = next((call for call in round_ if call.error == "EPIPE" and call.connection), None)
    end = next((call for call in facts.run.calls if call.name in READS and call.result == 0 and call.asked and not call.error and 0 <= call.returned < broken.seq
                and (call.tid, call.connection) == (broken.tid, broken.connection)), None) if broken is not None else None
    return f" Before that its {name(end)} on connection {end.connection}{at(end.source)} had returned 0, which says EOF: a loop that reads must end there, too." if end is not None else ""


def _repeated(calls: "list[Call]") -> "Optional[tuple[int, int, int]]":
    """Returns where the longest idle stretch begins, how many calls make one round of it, and how many rounds it has; None if
    there is none."""
    keys = [(call.name, call.fd, call.result, call.error, call.option == "MSG_PEEK") for call in calls]
    for period in (1, 2, 3, 4):
        best, begin = (0, 0), 0
        for n in range(period, len(keys) + 1):
            if n == len(keys) or keys[n] != keys[n - period]:
                best = max(best, (n - begin, -begin))
                begin = n - period + 1
        length, first = best[0], -best[1]
        if length >= _SPINS * period and _is_idle(calls[first:first + period]):
            return first, period, length // period
    return None


def _is_idle(round_: "list[Call]") -> bool:
    """Did none of these calls move a byte, make anything, or wait for a time?"""
    if any(call.name in SLEEPS or call.name in POLLS and call.limit != 0 and call.result == 0 for call in round_):
        return False
    if any(call.result > 0 and call.name in (*READS, *WRITES) and call.option != "MSG_PEEK" or call.result >= 0 and call.name in (*ACCEPTS, "socket", "connect", "close") for call in round_):
        return False
    return not any(call.name in READS and call.result == 0 and call.asked for call in round_)


def _again(round_: "list[Call]", times: int) -> str:
    """Returns words such as "called recv on connection 1 again and again"."""
    acts = [f"{name(call)}{f' on connection {call.connection}' if call.connection else ''}{at(call.source)}" for call in round_]
    results = [f"{'it' if len(round_) == 1 else name(call)} {'returned ' + (call.error or str(call.result))}" for call in round_]
    return f"called {listed(acts)} again and again, {times:,} times, and each time {listed(results)}"


def _meaning(round_: "list[Call]") -> str:
    """Returns a sentence that says what the result of these calls means, if one of them has a result that is often met."""
    for call in round_:
        if call.error == "EAGAIN" and call.name in READS:
            return "EAGAIN: nothing had come, and the socket does not block. poll waits for bytes, and takes no processor time meanwhile."
        if call.error == "EAGAIN" and call.name in ACCEPTS:
            return "EAGAIN: no connection waited to be accepted, and the listener does not block. poll waits for one, and takes no processor time meanwhile."
        if call.error == "EAGAIN" and call.name in WRITES:
            return "EAGAIN: the kernel had no room for more bytes, and the socket does not block. poll with POLLOUT waits for room."
        if call.error in ("EMFILE", "ENFILE"):
            return f"{call.error}: there was no descriptor left. Are those that are done with closed?"
        if call.error in ("EPIPE", "ECONNRESET", "ENOTCONN", "EBADF", "EINVAL", "ENOTSOCK"):
            return f"{call.error} does not go away by itself: the loop must end at such an error."
    peek = next((call for call in round_ if call.option == "MSG_PEEK" and call.result > 0), None)
    if peek is not None:
        return (f"MSG_PEEK takes nothing out of the kernel: the {count(peek.result, 'byte')} stayed there, so each {name(peek)} returned at once. "
                "A program that needs more must read these into a buffer of its own.")
    ready = next((call for call in round_ if call.name in POLLS and call.result > 0), None)
    if ready is not None:
        events = [event.removeprefix("E") for event in ready.option.split("|")]      # epoll_wait's have the same meanings
        words = next((words for event, words in _READY if event in events), "")
        if ready.option.startswith("E"):
            words = words.replace("POLL", "EPOLL").replace("poll ", "epoll_wait ").replace("the list", "the interest list")
        told = f" {words}" if words else ""
        return f"Each {name(ready)} returned at once because something that it looks at is ready{f' ({ready.option})' if ready.option else ''}, and stays so until the program acts on it.{told}"
    return "Nothing came of these calls."


_READY = (("POLLNVAL", "POLLNVAL says that a descriptor in the list is not open."),
          ("POLLHUP", "POLLHUP says that something in the list has hung up: a connection has ended in both directions, or a socket is not connected, or the other end of a pipe is "
                      "closed. poll tells it whether it was asked for or not, until the program closes that descriptor or takes it out of the list."),
          ("POLLERR", "POLLERR says that a descriptor has an error. poll tells it whether it was asked for or not."),
          ("POLLIN", "POLLIN says that a read or an accept would return at once. Bytes or a connection have come, or the stream has ended: then a read returns 0."),
          ("readfds", "A read or an accept would return at once there. Bytes or a connection have come, or the stream has ended: then a read returns 0."),
          ("POLLOUT", "POLLOUT says that a write would return at once. That is so nearly always: ask for it only while there is something to write."),
          ("writefds", "A write would return at once there. That is so nearly always: ask for it only while there is something to write."))


def spins_without_calls(facts: Facts) -> "Iterator[Finding]":
    """A program runs on and on, and makes none of the calls that are looked at."""
    stop = facts.run.stop
    if stop.kind != "runaway" or "it spins" not in stop.words or not facts.observed:
        return
    for end in facts.run.endings:
        mine = [call for call in facts.run.calls if call.pid == end.pid]
        if end.how != "still running" or any(call.returned < 0 for call in mine) or any(w.pid == end.pid for w in stop.waiting):
            continue
        if any(call.ns > end.ns - 1_000_000_000 for call in mine):
            continue
        last = mine[-1] if mine else None
        words = f"; the last one was {name(last)}{f' on connection {last.connection}' if last.connection else ''}{at(last.source)}, which {returned(last)}" if last else ""
        yield Finding("spin-without-calls", f"The {end.who} ran on and on, and made none of the calls that are looked at any more (those on descriptors 0, 1 and 2 are not){words}.",
                      tuple(one for one in (last.seq if last else -1, end.seq) if one >= 0), last.returned if last else end.seq, end.who, last.source if last else "")


# --- a connect that waits --------------------------------------------------------------------------------------------

def queue_is_full(facts: Facts) -> "Iterator[Finding]":
    """A connect does not return. The listener's accept queue has no room, so its kernel drops the SYN."""
    for call in facts.run.calls:
        if call.name != "connect" or call.returned >= 0:
            continue
        port = call.address.rpartition(":")[2]
        for socket in facts.run.stop.sockets:
            listen = next((c for c in reversed(facts.run.calls) if c.name == "listen" and (c.pid, c.fd) == (socket.pid, socket.fd) and not c.error), None)
            if socket.state == "LISTEN" and socket.local.rpartition(":")[2] == port and listen is not None and socket.unread > listen.asked >= 0:
                yield Finding("accept-queue-full", f"The {call.who} waits in connect{at(call.source)}: the accept queue of {socket.local} is full. "
                              f"{count(socket.unread, 'connection')} {'waits' if socket.unread == 1 else 'wait'} there, the {socket.who} asked for a backlog of {listen.asked} "
                              "and does not accept.", (listen.seq, call.seq, socket.seq), call.seq, call.who, call.source, "15")
                return


def closed_while_waiting(facts: Facts) -> "Iterator[Finding]":
    """A thread waits on a descriptor that another thread of its process has closed."""
    for wait in facts.run.calls:
        if wait.returned >= 0 or wait.fd < 0 or wait.name == "close":
            continue
        close = next((call for call in facts.run.calls if call.name == "close" and (call.pid, call.fd) == (wait.pid, wait.fd) and call.tid != wait.tid
                      and call.returned > wait.seq and not call.error), None)
        side = facts.sides.of(wait)
        if close is not None and not (side is not None and any(read == wait for _, read in endings.closed_under(facts, side))):
            yield Finding("closed-while-waiting", f"{capital(facts.process(close.who, close.pid))} closed descriptor {close.fd}{at(close.source)} while another thread of it "
                          f"waited on it in {name(wait)}{at(wait.source)}. A close does not end such a wait.", (wait.seq, close.seq), close.seq, close.who, close.source)


def standard_input(facts: Facts) -> "Iterator[Finding]":
    """A program waits for its standard input: for a person, and not for another program of the run."""
    for one in facts.run.stop.waiting:
        if one.call == "read" and one.fd == 0 and not one.connection:
            yield Finding("waits-for-input", f"{capital(facts.process(one.who, one.pid))} waits for its standard input.", (), _end(facts), one.who)


FINDINGS = (low_water, in_the_accept_queue, deadlock, edge_triggered, spins, spins_without_calls, queue_is_full, closed_while_waiting, standard_input)
