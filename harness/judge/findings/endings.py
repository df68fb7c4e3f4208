"""Findings about the end of a connection: a reset, a FIN that is not sent, a descriptor that stays open."""
from __future__ import annotations

from typing import Iterator, Optional

from ...trace import Call, End, Holder
from ..sides import Side
from .acts import at, count, waits
from .facts import Facts, Finding


def reset_by_unread(facts: Facts) -> "Iterator[Finding]":
    """An end was closed with bytes unread: its kernel answers with a reset, and sends no FIN (RFC 1122, 4.2.2.13; RFC 2525, 2.17)."""
    for side, last, reset in _resets_at_the_close(facts):
        left = facts.arrived(side, last.until) - facts.took(side, last.until)
        if left <= 0:
            continue
        call = _closing(facts, side, last)
        act = f"closed connection {side[0]}{at(call.source if call else '')}" if last.how == "close" else f"ended, and with it its end of connection {side[0]}"
        yield Finding("reset-by-unread", f"The {last.who} {act} while {count(left, 'byte')} lay unread in its kernel. So its kernel sent a reset (RST) and no FIN.",
                      (last.until, reset), last.until, last.who, call.source if call else "", "10")


def reset_by_linger(facts: Facts) -> "Iterator[Finding]":
    """An end was closed with SO_LINGER on: it may send a reset in place of the FIN."""
    for side, last, reset in _resets_at_the_close(facts):
        option = next((call for call in facts.calls(side, ("setsockopt",)) if call.option == "SO_LINGER" and call.value and not call.error), None)
        if option is not None and facts.arrived(side, last.until) <= facts.took(side, last.until):
            call = _closing(facts, side, last)
            yield Finding("reset-by-linger", f"The {last.who} had set SO_LINGER on connection {side[0]}{at(option.source)}. Its close sent a reset (RST) and no FIN.",
                          (option.seq, last.until, reset), last.until, last.who, call.source if call else option.source)


def written_after_close(facts: Facts) -> "Iterator[Finding]":
    """Bytes came to an end that had been closed: its kernel answers with a reset."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        last, other = _last_holder(facts.sides.end(side)), facts.sides.other(side)
        fin = next(facts.segments(side, "F"), None)
        reset = next(facts.segments(side, "R"), None)
        if last is None or other is None or fin is None or reset is None:
            continue
        late = [s for s in facts.segments(other) if s.length and s.seq > last.until and s.seq < reset.seq]
        writes = [call for call in facts.writes(other) if call.seq > last.until and call.result > 0]
        if late and writes:
            who = facts.sides.name(other)
            how = "closed" if last.how == "close" else "ended and so closed"
            yield Finding("written-after-close", f"The {who} wrote {count(writes[0].result, 'byte')} on connection {side[0]}{at(writes[0].source)} after the {last.who} had "
                          f"{how} it. Nobody could read them: the {last.who}'s kernel answered with a reset (RST).", (last.until, writes[0].seq, reset.seq),
                          last.until, last.who, writes[0].source, "1", "M03")


def held_by_another(facts: Facts) -> "Iterator[Finding]":
    """A process closed its copy of a connection, another one still has a copy: so there is no FIN."""
    if not facts.observed:
        return
    for side in facts.sides.all():
        end = facts.sides.end(side)
        gone = [h for h in end.holders if h.until >= 0] if end is not None else []
        still = [h for h in end.holders if h.until < 0] if end is not None else []
        if not gone or not still or end is None or end.shut >= 0:
            continue
        last = max(gone, key=lambda h: h.until)
        call = _closing(facts, side, last)
        fds = sorted({s.fd for s in facts.run.stop.sockets if s.connection == side[0] and s.pid == still[0].pid})
        where = f", as descriptor {fds[0]}" if len(fds) == 1 and fds[0] >= 0 else ""
        how = f"closed connection {side[0]}{at(call.source if call else '')}" if last.how == "close" else f"gave connection {side[0]} up ({last.how})"
        whom = f"process {still[0].pid} of the {still[0].who} still has it open{where}"
        wait = next((w for w in facts.run.stop.waiting if facts.sides.of(w) == facts.sides.other(side) and w.call == "read"), None)
        waiting = f" The {wait.who} waits {waits(wait)}." if wait is not None else ""
        yield Finding("held-by-another", f"Process {last.pid} of the {last.who} {how}, but {whom}. A FIN goes out only when the last copy of a connection is closed."
                      f"{waiting}", (last.until, still[0].since), last.until, still[0].who, call.source if call else "", "11")


def never_closed(facts: Facts) -> "Iterator[Finding]":
    """The peer's FIN has come, and a program that still runs has not closed its end."""
    told: "set[Side]" = set()
    for socket in facts.run.stop.sockets:
        side = next((s for s in facts.sides.all() if s[0] == socket.connection and facts.socket(s) == socket), None)
        if socket.state != "CLOSE-WAIT" or not socket.pid or side is None or side in told:
            continue
        if any(w.connection == socket.connection and w.pid == socket.pid for w in facts.run.stop.waiting):
            continue            # it still does something there
        told.add(side)
        other = facts.sides.other(side)
        fin = next(facts.segments(other, "F"), None) if other is not None else None
        peer = f"the {facts.sides.name(other)}" if facts.sides.name(other) else "the peer"
        doing = [w for w in facts.run.stop.waiting if w.pid == socket.pid]
        now = f" It waits {waits(doing[0])}." if len(doing) == 1 else ""
        yield Finding("never-closed", f"The {socket.who} has not closed connection {socket.connection}: {peer}'s FIN has come, and descriptor {socket.fd} is still open "
                      f"(CLOSE-WAIT).{now}", tuple(n for n in (fin.seq if fin else -1, socket.seq) if n >= 0), max(socket.seq, 0), socket.who, "", "")


# --- helpers ---------------------------------------------------------------------------------------------------------

def _last_holder(end: Optional[End]) -> Optional[Holder]:
    """Who gave an end up last; None if somebody still has it, or it is not known."""
    if end is None or not end.holders or any(holder.until < 0 for holder in end.holders):
        return None
    return max(end.holders, key=lambda holder: holder.until)


def _resets_at_the_close(facts: Facts) -> "Iterator[tuple[Side, Holder, int]]":
    """Ends that sent a reset and no FIN: who gave it up last, and the place of the reset."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        last = _last_holder(facts.sides.end(side))
        reset = next(facts.segments(side, "R"), None)
        if last is not None and reset is not None and next(facts.segments(side, "F"), None) is None:
            yield side, last, reset.seq


def _closing(facts: Facts, side: Side, holder: Holder) -> Optional[Call]:
    """The close by which a process gave its last descriptor up."""
    if holder.how != "close":
        return None
    return next((call for call in facts.calls(side, ("close",)) if call.pid == holder.pid and call.seq <= holder.until <= max(call.returned, call.seq)), None)


FINDINGS = (reset_by_unread, reset_by_linger, written_after_close, held_by_another, never_closed)
