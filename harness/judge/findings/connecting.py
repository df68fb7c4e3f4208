"""Findings about how connections begin: refused, asked for too early, an address in use, reset before a program accepted them."""
from __future__ import annotations

from typing import Iterator, Optional

from ...trace import Call, Listener, Segment
from ..deeds import disconnects
from ..sides import ACCEPTOR, WRITES, Side
from .acts import ACCEPTS, at, capital, count, listed, name
from .facts import Facts, Finding

DATAGRAM = 2               # SOCK_DGRAM, as socket(2) numbers it
_TIME_WAIT = 60_000_000_000     # ns: how long Linux keeps the end of a connection that closed first (tcp(7) has no option for it)


# --- refused ---------------------------------------------------------------------------------------------------------

def refused(facts: Facts) -> "Iterator[Finding]":
    """A connect was answered by a reset. Says who asked for which address, and who listens where. If the process got through to
    that port later (it tried the host's other addresses, or tried again), the finding is left out."""
    through = _got_through(facts)
    found: "dict[tuple[str, str], list[tuple[Call, int]]]" = {}
    for call in facts.run.calls:
        answer = _refusal(facts, call)
        if answer is not None and through.get((call.pid, _port(whom(call))), -1) < call.seq:
            found.setdefault((call.who, _port(whom(call))), []).append((call, answer))
    for (who, port), tries in found.items():
        last, answer = tries[-1]
        asked = listed(whom(call) for call, _ in tries)
        words = f"The {who} asked for {asked}, and was refused (ECONNREFUSED)"
        words += ": nobody listened there." if all(_here(whom(call)) for call, _ in tries) else "."
        why, proof = _who_listens(facts, last, answer)
        resets = [s.seq for s in facts.run.segments if s.flags == "RA" and s.seq > tries[0][0].seq and _port(s.source) == port]
        yield Finding("refused", f"{words} {why}".strip(), (*(call.seq for call, _ in tries[-2:]), answer, *resets, *proof), last.seq, who, last.source, "13")
    if not facts.observed:
        yield from _refused_on_the_wire(facts)


def whom(call: Call) -> str:
    """Returns the address that a connect named."""
    return call.address.rpartition(">")[2]


def _refusal(facts: Facts, call: Call) -> Optional[int]:
    """Returns the place at which a connect was refused; None if it was not. For a connect that does not block, the wire shows the
    refusal later."""
    if call.name != "connect" or call.error not in ("ECONNREFUSED", "EINPROGRESS"):
        return None
    if call.error == "ECONNREFUSED":
        return call.returned
    own, _, peer = call.address.partition(">")
    first = next((s for s in facts.between(peer, own) if s.seq > call.seq), None)
    return first.seq if first is not None and "R" in first.flags else None


def _got_through(facts: Facts) -> "dict[tuple[int, str], int]":
    """Returns by process and port the place of the last connect that was not refused."""
    return {(call.pid, _port(whom(call))): call.seq for call in facts.run.calls
            if call.name == "connect" and (not call.error or call.error == "EINPROGRESS" and _refusal(facts, call) is None)}


def _refused_on_the_wire(facts: Facts) -> "Iterator[Finding]":
    """The finding `refused` for a run whose calls were not seen. It is not certain who asked, so it does not say that."""
    told = {whom(call) for call in facts.run.calls if _refusal(facts, call) is not None}
    syns: "dict[tuple[str, str], Segment]" = {}
    for segment in facts.run.segments:
        way = segment.source, segment.target
        if segment.flags == "S":
            syns[way] = segment
        elif way[::-1] in syns:
            syn = syns.pop(way[::-1])
            if "R" in segment.flags and syn.target not in told:
                told.add(syn.target)
                said = [f'The {e.who} said "{e.text}" at {e.address}.' for e in facts.run.events if e.kind == "listen" and e.seq < segment.seq and e.address]
                yield Finding("refused", " ".join([f"A connect to {syn.target} was refused: nobody listened there.", *dict.fromkeys(said)]),
                              (syn.seq, segment.seq), syn.seq)


def _who_listens(facts: Facts, call: Call, answer: int) -> "tuple[str, tuple[int, ...]]":
    """Returns in words why nobody answered at that address, and the places that show it; "" if that is not known."""
    asked = whom(call)
    port = _port(asked)
    open_now = [one for one in facts.run.listeners if one.address and one.since < call.seq and _held(one, call.seq, answer)]
    doubtful = [one for one in facts.run.listeners if one not in open_now and _held_at_all(one, call.seq, answer)]
    shut = next(filter(None, (_shut_down(facts, one, answer) for one in open_now if _takes(one.address, asked))), None)
    if shut is not None and len([one for one in open_now if _port(one.address) == port]) == 1:
        return f"{capital(_who_shut(facts, shut))}.", (shut.seq,)
    if doubtful or any(_port(one.address) == port and _takes(one.address, asked) and one.address[:4] != "[::]" for one in open_now):
        return "", ()
    same = [one for one in open_now if _port(one.address) == port]
    proof = tuple(one.since for one in same or open_now)
    if same:
        return _other_address(asked, same), proof
    with_htons = [one for one in open_now if _port(one.address) == swapped(port)]
    if with_htons:
        one = with_htons[0]
        return f"The {one.who} listens on port {_port(one.address)}. {other_order(port, _port(one.address))}", (one.since,)
    if open_now:
        where = listed(f"the {one.who} listens on {one.address}" for one in open_now)
        return f"{where[:1].upper()}{where[1:]}: another port.", proof
    return _nobody(facts, call, answer)


def _other_address(asked: str, same: "list[Listener]") -> str:
    where = listed(f"the {one.who} listens on {one.address}" for one in same)
    words = f"{where[:1].upper()}{where[1:]} only"
    families = {_family(one.address) for one in same}
    if families == {4} and _family(asked) == 6:
        return f"{words}: that is an IPv4 address, and {_host(asked)} is an IPv6 address."
    if families == {6} and _family(asked) == 4:
        return f"{words}: that is an IPv6 address, and {_host(asked)} is an IPv4 address."
    return f"{words}, which is another address."


def _nobody(facts: Facts, call: Call, answer: int) -> "tuple[str, tuple[int, ...]]":
    """Returns the same for the case that nobody listened on any port at that moment."""
    asked = whom(call)
    later = next((one for one in facts.run.listeners if one.since > answer and _takes(one.address, asked)), None)
    if later is not None:
        listen = next((one for one in facts.run.calls if one.name == "listen" and one.returned == later.since), None)
        return f"The {later.who} began to listen on {later.address} only later{at(listen.source if listen else '')}.", (later.since,)
    earlier = [one for one in facts.run.listeners if _takes(one.address, asked) and one.holders and all(0 <= h.until < call.seq for h in one.holders)]
    if earlier:
        last = max(earlier[-1].holders, key=lambda h: h.until)
        close = next((one for one in facts.run.calls if one.name == "close" and one.pid == last.pid and one.seq <= last.until <= max(one.returned, one.seq)), None)
        did = f"had closed that listener by then{at(close.source)}" if last.how == "close" and close is not None else "had given that listener up by then"
        return f"The {earlier[-1].who} had listened on {earlier[-1].address} before, and {did}.", (earlier[-1].since, last.until)
    bound = next((one for one in facts.run.calls if one.name == "bind" and not one.error and 0 <= one.returned < call.seq
                  and _takes(one.address, asked) and not any(b.name == "close" for b in facts.life(one).calls if b.seq < answer)
                  and not any(end.pid == one.pid and end.seq < answer for end in (*facts.run.endings, *facts.run.children))), None)
    if bound is not None and facts.life(bound).calls and facts.life(bound).calls[0].asked == DATAGRAM:
        return f"The {bound.who} had bound a UDP socket to {bound.address}{at(bound.source)} (SOCK_DGRAM), and that takes no TCP connections.", (bound.seq,)
    if bound is not None and facts.listeners_seen and not any(one.who == bound.who for one in facts.run.listeners):
        return f"The {bound.who} had bound a socket to {bound.address}{at(bound.source)}, and had not called listen.", (bound.seq,)
    return ("No program of this run listened on any port then.", ()) if facts.listeners_seen else ("", ())


def _held(one: Listener, since: int, until: int) -> bool:
    """Did a process certainly hold this listener during all that time?"""
    return any(h.pid > 0 and h.since <= since and (h.until < 0 or h.until > until) for h in one.holders)


def _held_at_all(one: Listener, since: int, until: int) -> bool:
    """May a process have held this listener during a part of that time?"""
    return one.since < until and any(h.until < 0 or h.until > since for h in one.holders)


def _takes(listener: str, asked: str) -> bool:
    """Does a listener at this address take connections to the asked address? [::] may take IPv4 connections, too."""
    if _port(listener) != _port(asked):
        return False
    host, wanted = _host(listener), _host(asked)
    if host == "[::]":
        return True
    return _family(listener) == _family(asked) and (host in (wanted, "0.0.0.0") or wanted == "0.0.0.0" and host.startswith("127."))


def who_took(facts: Facts, call: Call) -> "Optional[Listener]":
    """Returns the listener that took a connect; None if that is not known."""
    found = [one for one in facts.run.listeners if one.address and one.since < call.seq and _held(one, call.seq, call.returned) and _takes(one.address, whom(call))]
    return found[0] if len(found) == 1 else None


def same_port(one: str, other: str) -> bool:
    """Have two addresses the same port?"""
    return _port(one) == _port(other)


def _here(address: str) -> bool:
    """Is this an address of this machine? There a reset says that nobody listens. At another machine's address a firewall may
    have sent the reset."""
    return _host(address).startswith(("127.", "[::1]", "0.0.0.0", "[::]"))


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def _port(address: str) -> str:
    return address.rpartition(":")[2]


def _family(address: str) -> int:
    return 6 if address.startswith("[") else 4


def swapped(port: str) -> str:
    """Returns the port that has the same two bytes in the other order."""
    return str(int.from_bytes(int(port).to_bytes(2, "big"), "little")) if port.isdecimal() and int(port) < 1 << 16 else ""


def other_order(port: str, other: str) -> str:
    """Returns sentences about two ports that have the same two bytes in another order."""
    return (f"{port} is 0x{int(port):04X} and {other} is 0x{int(other):04X}: the same two bytes in the other order. That is what a missing htons(), or one too many, does to a port.")


def udp(facts: Facts) -> "Iterator[Finding]":
    """A program sends by UDP to a port on which another one listens for TCP."""
    for made in facts.run.calls:
        if made.name != "socket" or made.error or made.asked != DATAGRAM:
            continue
        calls = facts.life(made).calls
        sent = next((call for call in calls if call.name in WRITES), None)
        named = [call for call in calls if call.name in ("connect", *WRITES) and call.address]
        to = next(((call, one) for call in named for one in facts.run.listeners if _takes(one.address, whom(call))), None)
        if to is None or sent is None:
            continue
        call, listener = to
        failed = next((one for one in calls if one.error == "ECONNREFUSED"), None)
        words = f"The {made.who} sent to {whom(call)} by UDP: its socket{at(made.source)} is one of SOCK_DGRAM. The {listener.who} listens on {listener.address} for TCP. " \
                "UDP and TCP have ports of their own, so nothing of that comes to the listener."
        words += f" Its {name(failed)}{at(failed.source)} failed with ECONNREFUSED." if failed is not None else ""
        yield Finding("udp-to-tcp", words, (made.seq, sent.seq, listener.since), sent.seq, made.who, made.source)


def address_family(facts: Facts) -> "Iterator[Finding]":
    """A connect names an address of no family, or of another family than its socket's."""
    for call in facts.run.calls:
        calls = facts.life(call).calls
        if call.name != "connect" or call.returned < 0 or not calls or calls[0].asked == DATAGRAM:
            continue
        if disconnects(call):
            side = facts.sides.of(call)
            sent = side is not None and any(call.seq < s.seq < call.returned for s in facts.segments(side, "R"))
            yield Finding("address-family", f"The {call.who}'s connect{at(call.source)} names an address of AF_UNSPEC (0). Such a connect ends the connection that its socket has"
                          f"{', and the kernel sent a reset (RST)' if sent else ''}.", (call.seq,), call.seq, call.who, call.source)
        if call.connection:
            continue
        family = _FAMILIES.get(call.value, f"family {call.value}")
        if call.value == 0 and not call.address and not call.error:
            yield Finding("address-family", f"The {call.who}'s connect{at(call.source)} names an address of AF_UNSPEC (0). It returned 0, but such a connect opens no connection. "
                          "Was the address's family (sin_family) not set?", (call.seq,), call.seq, call.who, call.source)
        elif call.error == "EAFNOSUPPORT" or call.error == "EINVAL" and calls[0].name == "socket" and calls[0].value not in (0, call.value):
            yield Finding("address-family", f"The {call.who}'s connect{at(call.source)} names an address of {family}, which is not the family of its socket{at(calls[0].source)}: "
                          f"it failed with {call.error}.", (calls[0].seq, call.seq), call.seq, call.who, call.source)


_FAMILIES = {0: "AF_UNSPEC (0)", 1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6"}


def unconnected(facts: Facts, call: Call) -> str:
    """Returns a sentence about a call that failed on a socket of TCP because it has no connection; "" if it has one, or if that is not known."""
    calls = facts.life(call).calls
    if call.connection or not calls or calls[0].name != "socket" or calls[0].asked == DATAGRAM or any(one.name == "listen" for one in calls):
        return ""
    tried = [one for one in calls if one.name == "connect" and one.returned >= 0 and one.seq < call.seq]
    if tried and not tried[-1].error and tried[-1].value == 0:
        return f" Its connect{at(tried[-1].source)} named an address of AF_UNSPEC (0). It returned 0, but such a connect opens no connection. Was the address's family (sin_family) not set?"
    if tried and tried[-1].error not in ("", "EINPROGRESS", "EINTR", "EALREADY", "EISCONN"):
        return f" Its connect{at(tried[-1].source)} had failed with {tried[-1].error}: that socket has no connection."
    return "" if tried else f" No connect was made on that socket{at(calls[0].source)}, so it has no connection."


def unreachable(facts: Facts) -> "Iterator[Finding]":
    """A bind to an address that this network has not, or a connect to one to which no way leads."""
    through = _got_through(facts)
    for call in facts.run.calls:
        if (call.name, call.error) not in (("bind", "EADDRNOTAVAIL"), ("connect", "ENETUNREACH"), ("connect", "EHOSTUNREACH")) or not call.address:
            continue
        calls = facts.life(call).calls
        if not calls or calls[0].asked == DATAGRAM or call.name == "connect" and through.get((call.pid, _port(whom(call))), -1) > call.seq:
            continue
        host = _host(call.address)
        words = f"The {call.who} could not bind {call.address}{at(call.source)}: EADDRNOTAVAIL. {host} is no address of this network." if call.name == "bind" else \
                f"The {call.who} asked for {call.address}{at(call.source)}, and its kernel knows no way there ({call.error})."
        words += " The programs run in a network of their own, which has only the addresses of localhost: 127.0.0.1 and [::1]." if facts.run.isolated else ""
        yield Finding("unreachable", words, (call.seq,), call.seq, call.who, call.source)
        return


# --- in use ----------------------------------------------------------------------------------------------------------

def in_use(facts: Facts) -> "Iterator[Finding]":
    """A bind failed with EADDRINUSE. Says who has the address."""
    for call in facts.run.calls:
        if call.error == "EADDRINUSE" and call.name == "bind":
            why, proof = _who_has_it(facts, call)
            yield Finding("in-use", f"The {call.who} could not bind {call.address}{at(call.source)}: EADDRINUSE. {why}".strip(), (call.seq, *proof),
                          call.seq, call.who, call.source, "16")


def wrong_length(facts: Facts) -> "Iterator[Finding]":
    """A bind, a connect or a setsockopt failed with EINVAL: the length that the program gave does not fit what it is the length of."""
    for call in facts.run.calls:
        if call.error != "EINVAL" or call.name not in ("bind", "connect", "setsockopt"):
            continue
        calls = facts.life(call).calls
        if not calls or calls[0].name != "socket":
            continue
        if call.name == "setsockopt":
            what, least = _VALUES.get(call.option, ("an int", 4))
            whose = f"the value of {call.option}"
            fits = call.asked >= least or not call.option.startswith(("SO_", "TCP_")) or call.option in ("SO_RCVTIMEO", "SO_SNDTIMEO")     # crashes.py tells of a time limit
        else:
            what, least = ("a struct sockaddr_in6", 28) if calls[0].value == 10 else ("a struct sockaddr_in", 16)
            fits, whose = least - 4 * (least == 28) <= call.asked <= _LONGEST or calls[0].value not in (2, 10), "the address"
        if not fits:
            pointer = " 8 bytes is the size of a pointer: `sizeof` of a pointer gives that on a 64-bit machine, and not the size of what it points to." if call.asked == 8 else ""
            yield Finding("wrong-length", f"The {call.who}'s {call.name}{at(call.source)} failed with EINVAL: it gave {call.asked:,} as the length of {whose}, and {what} has {least} bytes.{pointer}",
                          (call.seq,), call.seq, call.who, call.source)


_VALUES = {"SO_LINGER": ("a struct linger", 8)}
_LONGEST = 128              # bytes of a struct sockaddr_storage


def not_a_stream(facts: Facts) -> "Iterator[Finding]":
    """A listen or an accept failed with EOPNOTSUPP: its socket is one of UDP."""
    for call in facts.run.calls:
        if call.name not in ("listen", *ACCEPTS) or call.error != "EOPNOTSUPP":
            continue
        calls = facts.life(call).calls
        if calls and calls[0].asked == DATAGRAM:
            yield Finding("not-a-stream", f"The {call.who}'s {name(call)}{at(call.source)} failed with EOPNOTSUPP: its socket{at(calls[0].source)} is one of SOCK_DGRAM. UDP has no connections, "
                          "so such a socket can't listen for any.", (calls[0].seq, call.seq), call.seq, call.who, call.source)
            return


def connected_already(facts: Facts) -> "Iterator[Finding]":
    """A connect failed with EISCONN: its socket has a connection."""
    for call in facts.run.calls:
        if call.name != "connect" or call.error != "EISCONN":
            continue
        first = next((one for one in facts.life(call).calls if one.name in ("connect", *ACCEPTS) and not one.error and one.connection and one.seq < call.seq), None)
        if first is not None:
            yield Finding("connected-already", f"The {call.who}'s connect{at(call.source)} failed with EISCONN: that socket had a connection already. Its {name(first)}{at(first.source)} had "
                          f"made connection {first.connection}. For a second connection it needs a second socket.", (first.seq, call.seq), call.seq, call.who, call.source)


def bad_address_of_accept(facts: Facts) -> "Iterator[Finding]":
    """An accept of a listener failed because of its second or third argument. The kernel had taken a connection for it by then, and closes that."""
    for call in facts.run.calls:
        if call.name not in ACCEPTS or call.error not in ("EFAULT", "EINVAL"):
            continue
        calls = facts.life(call).calls
        listens = next((one for one in calls if one.name == "listen" and not one.error and one.seq < call.seq), None)
        if listens is None or any(one.name == "shutdown" for one in calls):
            continue
        lost = lost_by(facts, call)
        why = ("accept(2) has one more reason for that: the length to which the third argument points is negative. It must hold the size of the address's buffer before each call."
               if call.error == "EINVAL" else "The second or the third argument is no place that it may write to. They are both NULL, or a buffer and a length to which a pointer points.")
        if call.error == "EFAULT" or lost:
            took = f" It had taken connection {lost} out of the queue, and the kernel closed that." if lost else ""
            yield Finding("bad-argument", f"The {call.who}'s {name(call)}{at(call.source)} failed with {call.error}, and its socket does listen. {why}{took}", (listens.seq, call.seq), call.seq,
                          call.who, call.source)
            return


def lost_by(facts: Facts, call: Call) -> int:
    """Returns the connection that a failed accept had taken, and that its kernel then ended; 0 if that is not known. (Of a connection that waits in the queue a kernel
    sends a reset when the listener is given up, and no FIN.)"""
    until = max((holder.until if holder.until >= 0 else 1 << 62 for one in facts.run.listeners for holder in one.holders if holder.pid == call.pid), default=-1)
    return next((s.connection for s in facts.run.segments for made in facts.run.connections if made.number == s.connection and made.opener is not None and made.acceptor is None
                 and s.target == made.opener.address and s.seq > call.seq and ("F" in s.flags or "R" in s.flags and s.seq < until)), 0)


def bound_already(facts: Facts) -> "Iterator[Finding]":
    """A bind failed with EINVAL: its socket had an address already."""
    for call in facts.run.calls:
        if call.name != "bind" or call.error != "EINVAL":
            continue
        first = next((one for one in facts.life(call).calls if one.name in ("bind", "listen", "connect") and not one.error and one.seq < call.seq), None)
        if first is not None:
            gave = "An earlier bind" if first.name == "bind" else f"Its {first.name}"
            order = "" if first.name == "bind" else f", with a port that the kernel chose: bind must come before {first.name}"
            yield Finding("bound-already", f"The {call.who}'s bind{at(call.source)} failed with EINVAL: that socket had an address already. {gave}{at(first.source)} had given it one{order}.", (first.seq, call.seq), call.seq, call.who, call.source)


def _who_has_it(facts: Facts, call: Call) -> "tuple[str, tuple[int, ...]]":
    port = _port(call.address)
    listener = next((one for one in facts.run.listeners if _port(one.address) == port and _overlap(facts, one.address, call.address)
                     and one.since < call.seq and _held(one, call.seq, call.returned)), None)
    if listener is not None:
        who = f"The {listener.who}" if listener.who != call.who else f"The {listener.who} itself" if listener.pid == call.pid \
            else f"Another process of the {listener.who}"
        return f"{who} already listened on {listener.address}. SO_REUSEADDR does not help there: only one of them can have the port.", (listener.since,)
    for side in facts.sides.all():
        end = facts.sides.end(side)
        if end is not None and _port(end.address) == port and end.pid and _overlap(facts, end.address, call.address) and not both_reuse(facts, call, side):
            why = _not_over(facts, call, side)
            if why is not None:
                return f"{why[0]} {_remedy(facts, call, side)}", why[1]
    return "", ()


def _overlap(facts: Facts, one: str, other: str) -> bool:
    """Is it impossible that two sockets have these two addresses at the same time? [::] also takes the addresses of IPv4, unless
    IPV6_V6ONLY is set."""
    hosts = {_host(one), _host(other)}
    if _family(one) == _family(other):
        return len(hosts) == 1 or bool(hosts & {"0.0.0.0", "[::]"})
    return "[::]" in hosts and not any(call.option == "IPV6_V6ONLY" and call.value for call in facts.run.calls)


def _not_over(facts: Facts, call: Call, side: Side) -> "Optional[tuple[str, tuple[int, ...]]]":
    """Does this end of an earlier connection still exist when the bind fails? Returns why, in words, and the places that show it.
    Returns None if it does not, or if that is not known."""
    end, other = facts.sides.end(side), facts.sides.other(side)
    if end is None or other is None or not facts.captured or any(h.since > call.seq for h in end.holders):
        return None
    mine, theirs = fin(facts, side, call.seq), fin(facts, other, call.seq)
    if any(s.seq < call.seq for one in (side, other) for s in facts.segments(one, "R")):
        return None
    held = [h for h in end.holders if h.until < 0 or h.until > call.returned]
    if any(h.pid < 0 for h in held):
        return None
    connection = f"connection {side[0]}"
    if held:
        who = f"The {held[-1].who}" if held[-1].who != call.who or held[-1].pid == call.pid else f"Another process of the {call.who}"
        return f"{who} still held {connection}, whose end here has that port.", (held[-1].since,)
    if mine is None:
        return None
    if theirs is None:
        return f"The {end.who} had closed {connection}, whose end here has that port. The other end had not: so the connection was not over.", (mine.seq,)
    if mine.seq < theirs.seq and call.ns - theirs.ns < _TIME_WAIT:
        shut = next((c for c in facts.calls(side, ("shutdown",)) if not c.error and c.option != "SHUT_RD" and c.seq <= end.shut), None)
        first = f"ended its sending on {connection} first ({shut.option}{f', {shut.source}' if shut.source else ''})" if shut is not None else f"closed {connection} first"
        return (f"The {end.who} {first}. So its end of it keeps that port for a minute after the end, in TIME-WAIT, "
                "in case a late segment comes."), (mine.seq, theirs.seq)
    return None


def fin(facts: Facts, side: Side, before: int) -> "Optional[Segment]":
    return next((s for s in facts.segments(side, "F") if s.seq < before), None)


def both_reuse(facts: Facts, call: Call, side: Side) -> bool:
    """Did both sockets have SO_REUSEADDR? Then the earlier connection is not the reason for the error."""
    return _reuses(facts, call) is True and _earlier_reuses(facts, side) is True


def _reuses(facts: Facts, call: Call) -> Optional[bool]:
    """Was SO_REUSEADDR set on this call's socket before the call? None: it is not known."""
    life = facts.life(call)
    if not life.calls:
        return None
    set_so = [one for one in life.options if one.option == "SO_REUSEADDR" and one.seq < call.seq]
    return bool(set_so) and set_so[-1].value != 0


def _earlier_reuses(facts: Facts, side: Side) -> Optional[bool]:
    """Was SO_REUSEADDR set on the socket of the earlier connection, before its connect or accept? None: it is not known."""
    made = next((one for one in facts.calls(side, (*ACCEPTS, "connect")) if one.returned >= 0), None)
    return _reuses(facts, made) if made is not None else None


def _remedy(facts: Facts, call: Call, side: Side) -> str:
    now, before = _reuses(facts, call), _earlier_reuses(facts, side)
    if now and before is False:
        return "This socket has SO_REUSEADDR; the earlier one had not, and both must have it."
    if before and now is False:
        late = next((one for one in facts.life(call).options if one.option == "SO_REUSEADDR" and one.value and one.seq > call.seq), None)
        has = "this one has not" if late is None else f"this one got it only after its bind{f' ({late.source})' if late.source else ''}"
        return f"The earlier socket had SO_REUSEADDR; {has}, and both must have it before bind."
    return "SO_REUSEADDR, set before bind on both sockets, lets a new listener have the port."


# --- no listener at all ----------------------------------------------------------------------------------------------

def not_listening(facts: Facts) -> "Iterator[Finding]":
    """An accept fails with EINVAL, because nobody called listen on its socket."""
    for call in facts.run.calls:
        if call.name in ACCEPTS and call.error == "EINVAL":
            mine = facts.life(call).calls
            if mine and not any(one.name == "listen" and not one.error for one in mine):
                yield Finding("not-listening", f"The {call.who} called accept{at(call.source)} on a socket on which it had not called listen: EINVAL. "
                              "A socket takes connections from listen on.", (mine[0].seq, call.seq), call.seq, call.who, call.source)
                return


def shut_listener(facts: Facts) -> "Iterator[Finding]":
    """An accept fails with EINVAL, because a shutdown has ended the listening of its socket."""
    for call in facts.run.calls:
        if call.name not in ACCEPTS or call.error != "EINVAL":
            continue
        for one in facts.run.listeners:
            listen = _call_of(facts, one)
            shut = _shut_down(facts, one, call.returned) if listen is not None and _is_on(facts, call, one, listen) else None
            if shut is not None:
                yield Finding("shut-listener", f"The {call.who}'s accept{at(call.source)} failed with EINVAL: {_who_shut(facts, shut, call)}. After that a listener takes no "
                              "connections any more, and its kernel resets those that wait there.", (shut.seq, call.seq), shut.seq, shut.who, shut.source)
                return


def _who_shut(facts: Facts, shut: Call, other: "Optional[Call]" = None) -> str:
    """Returns a clause such as "the server had shut down that listener before (SHUT_RDWR, server.c:47)". `other` is a call of the process that
    the sentence is about."""
    who = "it" if other is not None and other.pid == shut.pid else facts.process(shut.who, shut.pid)
    return f"{who} had shut down that listener before ({shut.option}{', ' + shut.source if shut.source else ''})"


def _call_of(facts: Facts, one: Listener) -> Optional[Call]:
    """Returns the call that made a listener."""
    return next((call for call in facts.run.calls if call.name == "listen" and call.returned == one.since), None)


def _is_on(facts: Facts, call: Call, one: Listener, listen: Call) -> bool:
    """Is this call on that listener? A process that inherited it has it behind the same descriptor."""
    return facts.life(call) is facts.life(listen) if call.pid == listen.pid else call.fd == listen.fd and call.pid in [h.pid for h in one.holders]


def _shut_down(facts: Facts, one: Listener, before: int) -> Optional[Call]:
    """Returns the shutdown that had ended a listener's listening before that place; None if none had, or if it listened again."""
    listen = _call_of(facts, one)
    if listen is None:
        return None
    mine = [call for call in facts.run.calls if call.name in ("shutdown", "listen") and not call.error and one.since < call.seq < before and _is_on(facts, call, one, listen)
            and call.option != "SHUT_WR"]
    return mine[-1] if mine and mine[-1].name == "shutdown" else None


# --- reset in the queue ----------------------------------------------------------------------------------------------

def _shut_before(facts: Facts, call: Call) -> bool:
    """Had a shutdown ended the listening of an accept's socket, so that it failed for that reason?"""
    return call.error == "EINVAL" and any(listen is not None and _is_on(facts, call, one, listen) and _shut_down(facts, one, call.returned) is not None
                                          for one in facts.run.listeners for listen in [_call_of(facts, one)])


def reset_unaccepted(facts: Facts) -> "Iterator[Finding]":
    """A listener was given up while a connection waited in its accept queue. Its kernel resets that connection. (An accept that fails because of its arguments
    has taken a connection out of the queue.)"""
    if not facts.observed or any(call.name in ACCEPTS and call.returned >= 0 and not call.connection and (call.result >= 0 or call.error in ("EFAULT", "EINVAL")) and not _shut_before(facts, call)
                                 for call in facts.run.calls):
        return
    for made in facts.run.connections:
        reset = next((s for s in facts.run.segments if s.connection == made.number and "R" in s.flags), None)
        if made.acceptor is not None or made.opener is None or reset is None or reset.target != made.opener.address:
            continue
        for listener in facts.run.listeners:
            last = max(listener.holders, key=lambda h: h.until, default=None)
            shut = _shut_down(facts, listener, reset.seq)
            if shut is not None and _takes(listener.address, reset.source):
                yield Finding("reset-unaccepted", f"{capital(facts.process(shut.who, shut.pid))} shut its listener down{at(shut.source)} ({shut.option}) while connection {made.number} waited in its "
                              "accept queue: nobody had accepted it. So its kernel sent a reset (RST).", (shut.seq, reset.seq), shut.seq, shut.who, shut.source)
                break
            if last is None or any(h.until < 0 for h in listener.holders) or not _takes(listener.address, reset.source) or not last.until < reset.seq:
                continue
            if any(listener.since < other.since < reset.seq and _takes(other.address, reset.source) for other in facts.run.listeners):
                continue
            arrived = facts.arrived((made.number, ACCEPTOR), last.until)
            act = "closed its listener" if last.how == "close" else "ended"
            bytes_ = f", with {count(arrived, 'byte')}" if arrived else ""
            yield Finding("reset-unaccepted", f"The {last.who} {act} while connection {made.number} waited in its accept queue{bytes_}: nobody had accepted it. "
                          "So its kernel sent a reset (RST).", (last.until, reset.seq), last.until, last.who)
            break


FINDINGS = (refused, unreachable, udp, address_family, in_use, bound_already, wrong_length, not_a_stream, connected_already, bad_address_of_accept, not_listening, shut_listener, reset_unaccepted)
