"""Findings about the end of a connection: a reset, a FIN that is not sent, a descriptor that stays open."""
from __future__ import annotations

from typing import Iterator, Optional

from ...trace import Call, End, Holder
from ..sides import READS, Side
from .acts import ACCEPTS, COPIES, OVER, POLLS, STANDARD, at, capital, count, name, runs, waits
from .facts import Facts, Finding


def reset_by_unread(facts: Facts) -> "Iterator[Finding]":
    """An end was closed while bytes lay unread. Its kernel answers with a reset, and sends no FIN (RFC 1122, 4.2.2.13; RFC 2525,
    2.17)."""
    for side, last, reset in _resets_at_the_close(facts):
        left = facts.arrived(side, last.until) - facts.took(side, last.until)
        if left <= 0 or not facts.counted(side):
            continue
        call = _closing(facts, side, last)
        lay = f"while {count(left, 'byte')} lay unread in its kernel"
        act = f"ended {lay}, on connection {side[0]}" if last.how == "exit" else f"closed connection {side[0]}{at(call.source if call else '')} {lay}"
        no_fin = "" if _sent_fin(facts, side, reset) else " and no FIN"
        accept = _never_used(facts, side, last)
        yield Finding("reset-by-unread", f"{capital(facts.process(last.who, last.pid))} {act}. So its kernel sent a reset (RST){no_fin}.{_idle(accept, 'Its')}{_asked_for_less(facts, side, last)}{_peeked(facts, side, last)}",
                      (last.until, reset), accept.returned if accept else last.until, last.who, call.source if call else "", "10", "M12")


def _never_used(facts: Facts, side: Side, last: Holder) -> Optional[Call]:
    """Returns the accept of a connection that a process had until it ended, and on which it made no other call; else None."""
    accept = next((call for call in facts.calls(side) if call.name in ACCEPTS and not call.error), None)
    if accept is None or last.how != "exit" or not facts.seen(side) or any(call != accept for call in facts.calls(side)):
        return None
    return accept


def _idle(accept: Optional[Call], whose: str) -> str:
    """Returns a sentence about what _never_used() has found; "" if that is None."""
    if accept is None:
        return ""
    return f" {whose} accept{at(accept.source)} had returned descriptor {accept.result} for that connection, and it called neither read nor write on that descriptor."


def _asked_for_less(facts: Facts, side: Side, last: Holder) -> str:
    """Returns a sentence if the last read at an end, before it was closed, got all that it asked for; else ""."""
    read = next((call for call in reversed(facts.reads(side)) if 0 <= call.returned < last.until), None)
    if read is None or not 0 < read.result == read.asked:
        return ""
    return f" Its last read there{at(read.source)} had asked for {count(read.asked, 'byte')}, and a read returns no more than it asks for."


def _peeked(facts: Facts, side: Side, last: Holder) -> str:
    """Returns a sentence if the last read at an end, before it was closed, only looked at bytes; else ""."""
    read = next((call for call in reversed(facts.calls(side, READS)) if 0 <= call.returned < last.until), None)
    if read is None or read.option != "MSG_PEEK" or read.result <= 0:
        return ""
    return f" Its last {name(read)} there{at(read.source)} has the flag MSG_PEEK: it shows bytes, and they stay in the kernel."


def reset_by_linger(facts: Facts) -> "Iterator[Finding]":
    """An end was closed with SO_LINGER set. The close may send a reset in place of the FIN."""
    for side, last, reset in _resets_at_the_close(facts):
        option = next((call for call in facts.calls(side, ("setsockopt",)) if call.option == "SO_LINGER" and call.value and not call.error), None)
        if option is not None and facts.seen(side) and facts.arrived(side, last.until) <= facts.took(side, last.until):
            call = _closing(facts, side, last)
            no_fin = "" if _sent_fin(facts, side, reset) else " and no FIN"
            yield Finding("reset-by-linger", f"The {last.who} had set SO_LINGER on connection {side[0]}{at(option.source)}. Its close sent a reset (RST){no_fin}.",
                          (option.seq, last.until, reset), last.until, last.who, call.source if call else option.source)


def written_after_close(facts: Facts) -> "Iterator[Finding]":
    """Bytes came to an end that had been closed. Its kernel answers with a reset."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        last, other = _last_holder(facts.sides.end(side)), facts.sides.other(side)
        fin = next(facts.segments(side, "F"), None)
        reset = next(facts.segments(side, "R"), None)
        if last is None or other is None or fin is None or reset is None or not facts.seen(side):
            continue
        late = [s for s in facts.segments(other) if s.length and s.seq > last.until and s.seq < reset.seq]
        writes = [call for call in facts.writes(other) if call.seq > last.until and call.result > 0] if facts.seen(other) else []
        if not late:
            continue
        who, call = facts.sides.name(other), _closing(facts, side, last)
        how = f"closed it{at(call.source if call else '')}" if last.how != "exit" else "ended, which closed it"
        if writes:
            many = writes[0].result
            words = f"The {who} wrote {count(many, 'byte')} on connection {side[0]}{at(writes[0].source)} after the {last.who} had {how}."
        else:
            many = sum(s.length for s in late)
            words = f"{count(many, 'byte')} of the {who} arrived on connection {side[0]} after the {last.who} had {how}."
        proof, accept = writes[0].seq if writes else late[0].seq, _never_used(facts, side, last)
        idle = _idle(accept, f"The {last.who}'s")
        yield Finding("written-after-close", f"{words} Nobody could read {'it' if many == 1 else 'them'}: the {last.who}'s kernel answered with a reset (RST).{idle}{_missed(facts, side, writes)}",
                      (last.until, proof, reset.seq), accept.returned if accept else last.until, last.who, call.source if call else "", "1", "M10")


def _missed(facts: Facts, side: Side, late: "list[Call]") -> str:
    """Returns a sentence if the last read at an end got fewer bytes than it asked for, and just as many came when the end was closed; else ""."""
    read = facts.reads(side)[-1] if facts.reads(side) else None
    if read is None or not 0 < read.result < read.asked or read.asked != read.result + sum(call.result for call in late):
        return ""
    return f" The last read of the {read.who} there{at(read.source)} had asked for {count(read.asked, 'byte')} and got {read.result:,}: a read returns what has come, and does not wait for the rest."


def held_by_another(facts: Facts) -> "Iterator[Finding]":
    """A copy of a connection was closed, and another copy is still open, with which nobody does anything. So there is no FIN."""
    for side in facts.sides.all():
        end, still = facts.sides.end(side), facts.kept(side)
        last = _last_copy_closed(facts, side)
        if not facts.observed or end is None or not still or last is None or end.shut >= 0 or next(facts.segments(side, "F"), None) is not None:
            continue
        place, who, how, call = last
        if any(one.seq > place for one in facts.calls(side) if one.pid in [h.pid for h in still]) or any(facts.sides.of(w) == side for w in facts.run.stop.waiting):
            continue            # a program still uses the other copy
        keeps = still[0]
        fds = sorted({s.fd for s in facts.run.stop.sockets if s.connection == side[0] and s.pid == keeps.pid and s.fd >= 0})
        if not fds:
            continue            # it may have closed it by a call that nobody saw
        where = f" as descriptor {fds[0]}" if len(fds) == 1 else ""
        since = next((one for one in facts.calls(side, ("accept", "accept4", "connect")) if one.pid == keeps.pid and one.returned == keeps.since
                      and fds == [one.fd if one.name == "connect" else one.result]), None)
        copy = next((one for one in reversed(facts.calls(side, COPIES)) if one.pid == keeps.pid and fds == [one.result]), None)
        where += f", which its {copy.name}{at(copy.source)} made" if copy is not None else ""
        became = any(one.pid == keeps.pid and one.seq > keeps.since for one in facts.run.execs)
        kept = " exec closes only the descriptors that are close-on-exec." if became else ""
        wait = next((w for w in facts.run.stop.waiting if facts.sides.of(w) == facts.sides.other(side) and w.call == "read"), None)
        waiting = f" The {wait.who} waits {waits(wait)}." if wait is not None else ""
        yield Finding("held-by-another", f"{capital(who)} {how}, but {facts.process(keeps.who, keeps.pid) + runs(facts, keeps.pid) if keeps.pid != _pid(call) else 'it'} still has it open{where}"
                      f"{', since its ' + since.name.rstrip('4') + at(since.source) if since is not None else ''}. "
                      f"A FIN goes out only when the last copy of a connection is closed.{kept}{waiting}",
                      (keeps.since, place), place, keeps.who, call.source if call is not None else "", "11", "M13")


def overwritten(facts: Facts) -> "Iterator[Finding]":
    """A dup2 put something else onto the descriptor of a connection or a listener. For what was there, that is a close."""
    was = [(f"connection {side[0]}", end.holders) for side in facts.sides.all() if (end := facts.sides.end(side)) is not None]
    was += [(f"its listener on {one.address}" if one.address else "its listener", one.holders) for one in facts.run.listeners]
    calls = {call.seq if call.name == "close" else call.returned: call for call in facts.run.calls if call.option in OVER or call.name in OVER}
    for what, holders in was:
        for call in (calls[holder.until] for holder in holders if holder.how == "close" and holder.until in calls):
            over, fd = (call.option, call.fd) if call.name == "close" else (call.name, call.result)
            other = f"connection {call.connection}" if call.name != "close" and call.connection else "something else"
            yield Finding("overwritten-descriptor", f"{capital(facts.process(call.who, call.pid))} put {other} onto descriptor {fd} with {over}{at(call.source)}. Until then that descriptor was {what}, "
                          f"and {over} closes what it replaces.", (call.seq,), call.seq, call.who, call.source)


def low_copy(facts: Facts) -> "Iterator[Finding]":
    """More bytes of an end went over the wire than its calls wrote, and a process has a copy of it on descriptor 0, 1 or 2, whose calls are
    not looked at."""
    for side in facts.sides.all() if facts.observed and facts.captured else ():
        copy = next((call for call in facts.calls(side, COPIES) if call.returned >= 0 and not call.error and not call.option and call.result in STANDARD), None)
        sent = facts.sides.carried.get(side, 0)
        unseen = sent - facts.wrote(side)
        if copy is not None and unseen > 0 and not any(call.name == "sendmmsg" for call in facts.calls(side)):
            words = f"{capital(facts.process(copy.who, copy.pid))} made its {STANDARD[copy.result]} (descriptor {copy.result}) a copy of connection {side[0]} with {copy.name}{at(copy.source)}."
            words += " What is printed there goes to that connection." if copy.result else ""
            yield Finding("low-copy", f"{words} Of the {count(sent, 'byte')} that it sent, {unseen:,} {'was' if unseen == 1 else 'were'} written by calls that the lab does not look at: "
                          "those on descriptors 0, 1 and 2.", (copy.seq,), copy.seq, copy.who, copy.source)


def _last_copy_closed(facts: Facts, side: Side) -> "Optional[tuple[int, str, str, Optional[Call]]]":
    """Returns the last time that a process gave up a copy of this end: the place, the process in words, what it did in words, and
    the call. None if there is none."""
    end = facts.sides.end(side)
    gone = [h for h in end.holders if h.until >= 0] if end is not None else []
    last = max(gone, key=lambda h: h.until, default=None)
    closes = [call for call in facts.calls(side, ("close",)) if call.returned >= 0 and not call.error]
    call = max(closes, key=lambda one: one.seq, default=None)
    if call is not None and (last is None or call.seq >= last.until):
        copy = "" if last is not None and call.seq == last.until else "one copy of " if call.pid in [h.pid for h in facts.kept(side)] else ""
        return call.seq, facts.process(call.who, call.pid), f"closed {copy}connection {side[0]}{at(call.source)}", call
    if last is None:
        return None
    how = "ended, which closed its copy of" if last.how == "exit" else "closed"
    return last.until, facts.process(last.who, last.pid), f"{how} connection {side[0]}", None


def _pid(call: Optional[Call]) -> int:
    return call.pid if call is not None else 0


def kept_open(facts: Facts) -> "Iterator[Finding]":
    """A program waits in read for bytes or a FIN, and the program that holds the other end waits for something else."""
    for wait in facts.run.stop.waiting:
        side = facts.sides.of(wait)
        other = facts.sides.other(side)
        end = facts.sides.end(other) if other is not None else None
        if wait.call != "read" or side is None or other is None or end is None or end.shut >= 0 or not facts.all_wait or facts.run.stop.under_way:
            continue
        still, sockets = facts.kept(other), (facts.socket(side), facts.socket(other))
        doing = [w for w in facts.run.stop.waiting if w.pid == still[0].pid] if len(still) == 1 else []
        if len(end.holders) != 1 or len(doing) != 1 or doing[0].connection or doing[0].call in POLLS or any(s is None or s.unread for s in sockets):
            continue
        if not any(s.connection == other[0] and s.pid == still[0].pid for s in facts.run.stop.sockets):
            continue            # it has closed it by a call that nobody saw
        acts = [call for call in facts.calls(other) if call.returned >= 0]
        then = next((call for call in facts.run.calls if (call.pid, call.tid) == (doing[0].pid, doing[0].tid) and call.returned < 0), None)
        if not acts or then is None:
            continue
        last = acts[-1]
        place, source = (then.seq, then.source) if then.seq > last.seq else (last.returned, last.source)
        silent = f" It has written nothing there, and has read {count(facts.took(other), 'byte')}." if facts.counted(other) and not facts.wrote(other) and facts.took(other) else ""
        yield Finding("kept-open", f"The {wait.who} waits {waits(wait)}, and has read all that came there. The {still[0].who} has not closed its end, so no FIN comes: "
                      f"it waits {waits(doing[0])}{at(then.source)}.{silent}", (last.seq, then.seq), place, still[0].who, source)


def closed_under_a_read(facts: Facts) -> "Iterator[Finding]":
    """A thread closed a connection while another thread of its process waited in read there: the kernel keeps it for that read."""
    for side in facts.sides.all():
        for close, read in closed_under(facts, side):
            yield Finding("closed-under-a-read", f"The {close.who} closed connection {side[0]}{at(close.source)} while another thread of it waited in {name(read)} there{at(read.source)}. "
                          "A close does not end that wait, and the kernel sends no FIN until it ends. shutdown with SHUT_RDWR ends both.",
                          (read.seq, close.seq), close.seq, close.who, close.source)
            break


def closed_under(facts: Facts, side: Side) -> "Iterator[tuple[Call, Call]]":
    """Yields each close of an end, with a read of another thread that waits there still. (A FIN behind the close was sent when the run was
    stopped, which ended the read.)"""
    end = facts.sides.end(side)
    closes = [call for call in facts.calls(side, ("close",)) if not call.error and call.returned >= 0]
    for read in facts.calls(side, READS) if closes else ():
        close = next((call for call in closes if call.pid == read.pid and call.tid != read.tid and read.seq < call.seq), None)
        if read.returned < 0 and close is not None and end is not None and all(h.until >= 0 for h in end.holders) and not _sent_fin(facts, side, close.seq):
            yield close, read


def never_closed(facts: Facts) -> "Iterator[Finding]":
    """The peer's FIN has come, and a program that still runs has not closed its end."""
    told: "set[Side]" = set()
    for socket in facts.run.stop.sockets:
        side = next((s for s in facts.sides.all() if s[0] == socket.connection and facts.socket(s) == socket), None)
        if socket.state != "CLOSE-WAIT" or not socket.pid or side is None or side in told:
            continue
        if any(w.connection == socket.connection and w.pid == socket.pid for w in facts.run.stop.waiting):
            continue            # it still does something there
        if any(w.call == "read" and facts.sides.of(w) == facts.sides.other(side) for w in facts.run.stop.waiting):
            continue            # somebody waits for its FIN: held_by_another() and kept_open() report that
        told.add(side)
        other = facts.sides.other(side)
        if other is not None and any(closed_under(facts, other)):
            continue            # stopping the run has brought that FIN
        fin = next(facts.segments(other, "F"), None) if other is not None else None
        peer = f"the {facts.sides.name(other)}" if facts.sides.name(other) else "the peer"
        doing = [w for w in facts.run.stop.waiting if w.pid == socket.pid]
        now = f" It waits {waits(doing[0])}." if len(doing) == 1 and facts.all_wait else ""
        acts = [call for call in facts.calls(side) if call.pid == socket.pid and call.returned >= 0]
        went_on = next((call for call in facts.run.calls if acts and call.tid == acts[-1].tid and call.seq > acts[-1].seq and fin and call.seq > fin.seq), None)
        yield Finding("never-closed", f"{capital(facts.process(socket.who, socket.pid))} has not closed connection {socket.connection}: {peer}'s FIN has come, and "
                      f"descriptor {socket.fd} is still open (CLOSE-WAIT).{now}", tuple(n for n in (fin.seq if fin else -1, socket.seq) if n >= 0),
                      went_on.seq if went_on is not None and other is not None and facts.kept(other) else max(socket.seq, 0), socket.who, went_on.source if went_on is not None else "", "")


# --- helpers ---------------------------------------------------------------------------------------------------------

def _last_holder(end: Optional[End]) -> Optional[Holder]:
    """Returns the holder that gave an end up last. Returns None if a process still holds it, or if that is not known."""
    if end is None or not end.holders or any(holder.until < 0 for holder in end.holders):
        return None
    return max(end.holders, key=lambda holder: holder.until)


def _resets_at_the_close(facts: Facts) -> "Iterator[tuple[Side, Holder, int]]":
    """Yields each end whose close sent a reset, with its last holder and the place of the reset. An end that was reset later,
    because of what came, is left out."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        end, other = facts.sides.end(side), facts.sides.other(side)
        last = _last_holder(end)
        reset = next(facts.segments(side, "R"), None)
        if last is None or reset is None or end is None or reset.seq < last.until or other is None:
            continue
        came = any(s.length and last.until < s.seq < reset.seq for s in facts.segments(other))
        if not _sent_fin(facts, side, reset.seq) or 0 <= end.shut < last.until and not came:
            yield side, last, reset.seq


def _sent_fin(facts: Facts, side: Side, before: int) -> bool:
    """Had this end sent a FIN before that place?"""
    return any(segment.seq < before for segment in facts.segments(side, "F"))


def _closing(facts: Facts, side: Side, holder: Holder) -> Optional[Call]:
    """Returns the close by which a process gave its last descriptor up; None if it was no close."""
    if holder.how != "close":
        return None
    return next((call for call in facts.calls(side, ("close",)) if call.pid == holder.pid and call.seq <= holder.until <= max(call.returned, call.seq)), None)


FINDINGS = (overwritten, low_copy, closed_under_a_read, reset_by_unread, reset_by_linger, written_after_close, held_by_another, kept_open, never_closed)
