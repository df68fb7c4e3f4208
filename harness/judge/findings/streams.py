"""Findings about the bytes of a stream: where they lie, which were never written, how reads cut what writes sent."""
from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Iterator, Optional

from ...trace import Call, Event, Socket, Waiting
from .. import causes, standard
from ..sides import READS, WRITES, Side
from .acts import ACCEPTS, POLLS, SLEEPS, STANDARD, at, because_nonblocking, between, capital, count, gone_before, listed, name, not_looked_at, returned, shut_down_before, waits
from .facts import Facts, Finding
from .timing import limit_of

_DATA = 64                  # bytes of a buffer that a call record keeps
_POINTER = 8                # bytes of a pointer on a 64-bit machine
_EOFS = 10                  # after so many reads that returned 0 a program counts as one that reads on after the end


# --- what is left at the end -----------------------------------------------------------------------------------------

def unread(facts: Facts) -> "Iterator[Finding]":
    """When the run is over, bytes lie in the receive queue of a connection that a program holds. Says what the program does
    meanwhile."""
    for side, socket in _held(facts):
        if socket.unread <= 0 or (facts.observed and facts.sides.end(side) is None):
            continue
        holders = {holder.pid for holder in facts.kept(side)} | {socket.pid}
        mine = [w for w in facts.run.stop.waiting if w.pid in holders]
        if any(w.call in (*POLLS, "read") for w in mine if w.connection == side[0]):
            continue            # the program is about to read, or waits for more bytes
        if any(call.returned < 0 for call in facts.calls(side, READS)):
            continue            # its read had not returned when the lab ended the run
        if any(w.call == "write" and facts.sides.of(w) == facts.sides.other(side) for w in facts.run.stop.waiting):
            continue            # window() reports these bytes
        tried = [call for call in facts.calls(side, READS) if call.returned >= 0]
        reads = [call for call in facts.reads(side) if call.returned >= 0 and call.result > 0]
        words = f"{count(socket.unread, 'byte')} {'lies' if socket.unread == 1 else 'lie'} unread in the {socket.who}'s kernel, on connection {side[0]}{between(facts, side[0])}."
        if facts.counted(side):
            words += f" The {socket.who} has read {count(facts.took(side), 'byte')} there" if reads else f" The {socket.who} has {'read no byte' if tried else 'called no read'} there"
            words += f", the last time at {reads[-1].source}." if reads and reads[-1].source else "."
        if len(mine) == 1 and facts.all_wait:
            back = reads and mine[0].call == "accept" and (mine[0].pid, mine[0].tid) == (reads[-1].pid, reads[-1].tid)
            ended = reads and mine[0].pid == reads[-1].pid and mine[0].tid != reads[-1].tid
            words += f" The thread that read there has ended. Now the {socket.who}" if ended else " Now it"
            took = next((c for c in facts.calls(side, ACCEPTS) if not c.error), None) if not reads and mine[0].call == "accept" else None
            again = took is not None and (took.pid, took.tid) == (mine[0].pid, mine[0].tid)
            words += f" {'has gone back to accept' if back else f'waits {waits(mine[0])}'}{_pending_at(facts, mine[0])}" + (
                f", for another connection: its accept{at(took.source)} had returned this one, as descriptor {took.result}." if again and took is not None else ".")
            words += not_looked_at(facts, mine[0], socket, f"connection {side[0]}")
        elif len(mine) > 2 and facts.all_wait and len({w.pid for w in mine}) == 1:
            words += f" {len(mine)} threads of {facts.process(mine[0].who, mine[0].pid)} wait: {listed(waits(w) for w in mine)}."
        elif len(mine) > 1 and facts.all_wait and mine[0].pid == mine[1].pid and waits(mine[0]) == waits(mine[1]):
            words += f" 2 threads of {facts.process(mine[0].who, mine[0].pid)} wait {waits(mine[0])}."
        elif len(mine) > 1 and facts.all_wait and mine[0].pid == mine[1].pid:
            words += f" One thread of {facts.process(mine[0].who, mine[0].pid)} waits {waits(mine[0])}, and another one {waits(mine[1])}." + "".join(not_looked_at(facts, w, socket, f"connection {side[0]}") for w in mine[:2])
        elif mine and facts.all_wait:
            words += "".join(f" {capital(facts.process(w.who, w.pid))} waits {waits(w)}." for w in mine[:2])
        last = reads[-1] if reads else None
        yield Finding("unread-at-end", words, tuple(n for n in (last.seq if last else -1, socket.seq) if n >= 0), last.returned if last else socket.seq,
                      socket.who, last.source if last else "", "1", "")


def wants_more(facts: Facts) -> "Iterator[Finding]":
    """A program asked for a number of bytes, got fewer, and waits in a read that asks for the rest. If text came, it may also be
    a reader of lines that fills its buffer: no_newline() and no_answer() report both."""
    for wait, side in _reading(facts):
        whole, other = _asked_in_all(facts, wait, side), facts.sides.other(side)
        if whole is None or other is None or not _all_taken(facts, side):
            continue
        reads, asked, got = whole
        wrote, peer = facts.wrote(other), facts.sides.name(other)
        insists = reads[0].option == "MSG_WAITALL"
        if not insists and _is_text(_that_brought(facts, side)):
            continue
        words = f"The {wait.who} asked {name(reads[0])} for {count(asked, 'byte')} on connection {side[0]}{at(reads[0].source)}{' with MSG_WAITALL' if insists else ''}, " \
                f"has got {got:,}, and waits in read for the other {asked - got:,}. The {peer} has written {count(wrote, 'byte')} there in all"
        peer_waits = any(w.connection == side[0] for w, one in _reading(facts) if one == other)
        words += ", and waits in read, too." if peer_waits else "."
        swapped = _swapped_length(facts, side, reads[0], asked)
        words += swapped or _other_size(facts, side, asked)
        if not insists:
            words += f" No FIN has come, either: if the {wait.who} reads until the end of the stream, the {peer} must end its sending (shutdown with SHUT_WR, or close)."
        yield Finding("wants-more", words, (reads[0].seq, *_pending(facts, wait)), reads[-1].seq if insists else reads[-1].returned,
                      wait.who, reads[0].source, "8" if swapped else "6")


def _asked_in_all(facts: Facts, wait: Waiting, side: Side) -> "Optional[tuple[list[Call], int, int]]":
    """Returns the reads with which a waiting thread has asked for a number of bytes (each one after the first asks for what was
    left), that number, and how many of the bytes have come. Returns None if the thread's read stands alone. (The record of a read
    with MSG_WAITALL has what had come when the run was stopped.)"""
    mine = [call for call in facts.reads(side) if call.tid == wait.tid]
    if mine and mine[-1].option == "MSG_WAITALL" and 0 <= mine[-1].result < mine[-1].asked:
        return [mine[-1]], mine[-1].asked, mine[-1].result
    if not mine or mine[-1].returned >= 0:
        return None
    left = mine[-1].asked
    chain: "list[Call]" = []
    for call in reversed(mine[:-1]):
        if call.error or call.result <= 0 or call.asked - call.result != left:
            break
        left = call.asked
        chain.insert(0, call)
    return (chain, left, sum(call.result for call in chain)) if chain else None


def _insists(whole: "Optional[tuple[list[Call], int, int]]") -> bool:
    return whole is not None and whole[0][0].option == "MSG_WAITALL"


def _if_it_wants_all(whole: "Optional[tuple[list[Call], int, int]]") -> str:
    """Returns a sentence that begins " If it goes on only when it has all the 18 bytes". Returns "" if the program has not asked
    for a rest, or if it asked to fill a buffer: the size of a buffer is mostly a power of two, and nobody waits until it is full."""
    if whole is None or whole[1] >= 256 and not (whole[1] & (whole[1] - 1) and whole[1] + 1 & whole[1]):
        return ""
    return f" If it goes on only when it has all the {whole[1]:,} bytes that it asked for{at(whole[0][0].source)}, {whole[1] - whole[2]:,} are missing."


def _that_brought(facts: Facts, side: Side) -> "list[Call]":
    """Returns the reads at this end that brought bytes."""
    return [call for call in facts.reads(side) if call.returned >= 0 and call.result > 0]


def _other_size(facts: Facts, side: Side, asked: int) -> str:
    """Returns a sentence if all writes to this end have the same number of bytes, which are no text, and the program here asks for another number
    each time, at most twice as many or half as many; else ""."""
    other = facts.sides.other(side)
    sizes = {call.asked for call in facts.writes(other)} if other is not None else set()
    whole, left = [], 0
    for call in facts.reads(side):
        if call.asked != left:      # it does not ask for the rest of what it asked for before
            whole.append(call.asked)
        left = call.asked - max(call.result, 0)
    size = next(iter(sizes), 0)
    if len(sizes) != 1 or set(whole) != {asked} or size == asked or not asked <= 2 * size <= 4 * asked or _is_text(_that_brought(facts, side)):
        return ""
    return (f" The {facts.sides.name(other)} writes {count(size, 'byte')} at a time, and the {facts.sides.name(side)} asks for {asked:,}. If both mean the same struct: sizeof counts the gaps, too, that C may "
            "leave between its fields (padding). And a long has 4 bytes in some programs and 8 in others.")


def _swapped_length(facts: Facts, side: Side, read: Call, asked: int) -> str:
    """Returns a sentence if the bytes that the program read just before are this number in one byte order, and a smaller one in
    the other; else ""."""
    before = next((call for call in reversed(facts.reads(side)) if call.returned >= 0 and call.seq < read.seq), None)
    if before is None or before.result not in (2, 4, 8) or len(before.data) < before.result:
        return ""
    raw = before.data[:before.result].encode("latin-1")
    big, little = int.from_bytes(raw, "big"), int.from_bytes(raw, "little")
    if asked not in (big, little) or asked != max(big, little) or big == little:
        return ""
    function = "htons() or ntohs()" if len(raw) == 2 else "htonl() or ntohl()" if len(raw) == 4 else "htobe64() or be64toh()"
    return f" The {len(raw)} bytes that it read before ({raw.hex(' ')}) are {big:,} in network byte order, and {little:,} in the other order: is one {function} missing, or one too many?"


def no_newline(facts: Facts) -> "Iterator[Finding]":
    """A program has read all that came, the last byte is no newline, and it waits in read for more."""
    for wait, side in _reading(facts):
        reads, whole = _that_brought(facts, side), _asked_in_all(facts, wait, side)
        last = _last_byte(reads[-1]) if reads else ""
        answered = reads and any(call.seq > reads[-1].seq for call in facts.writes(side))
        rest = _behind_the_last_newline(facts, side, reads) if reads else 0
        if last == "" or answered and not rest or not _all_taken(facts, side) or not (last.isprintable() or last == "\0") or not _is_text(reads) or _insists(whole):
            continue
        if _not_passed_on(facts, side) is not None or _body_too_short(facts, side) is not None:
            continue            # end_not_passed_on() and http_body() say more
        total, shown = facts.took(side), f'"{last}"' if last != "\0" else "a zero byte"
        shown = f"{shown}, no newline: {count(rest, 'byte')} came behind the last newline" if rest else f"{shown}, no newline"
        own = _in_a_buffer(facts, wait, reads[-1])
        scanf = " fscanf may wait, too: without a width, a number or a word ends only at a byte that does not belong to it." if _may_scan(facts, reads[-1]) else ""
        waits_for = own or ("The bytes begin as an HTTP answer. If its head has neither Content-Length nor Transfer-Encoding, the body ends only when the stream ends (RFC 9112, 6.3)."
                     if reads[0].data.startswith("HTTP/1.") else f"If it reads lines, it waits for a newline, or for the end of the stream.{scanf}")
        yield Finding("no-newline", f"The {wait.who} has read {'all ' if total > 1 else 'the '}{count(total, 'byte')} that came on connection {side[0]}, and the last one is "
                      f"{shown}. It waits in read for more, and no FIN has come. {waits_for}{_size_of_a_pointer(facts, side) if not own else ''}{_if_it_wants_all(whole)}", (reads[-1].seq, *_pending(facts, wait)), reads[-1].returned, wait.who,
                      reads[-1].source, "7", "M05")


def _in_a_buffer(facts: Facts, wait: Waiting, last: Call) -> str:
    """Returns sentences if the last read of a thread asked for a whole buffer and got more than one line, and the read in which it waits asks for
    half as many bytes at most: then a reader with a buffer may have what came behind the line. Returns "" if not, or if the records do not have all bytes."""
    pending = next((call for call in facts.run.calls if call.returned < 0 and (call.pid, call.tid) == (wait.pid, wait.tid)), None)
    line = last.data.find("\n") + 1
    if pending is None or last.tid != wait.tid or not 0 < line < last.result <= len(last.data) or not 1024 <= last.asked <= 65536 or pending.asked > last.asked // 2:
        return ""
    return (f"It asks {name(pending)}{at(pending.source)} for {count(pending.asked, 'byte')}. Its read before{at(last.source)} asked for {last.asked:,} and took {count(last.result - line, 'byte')} behind the first newline. "
            "If fgets, readline or another reader with a buffer made that read, these bytes lie in its buffer, and only that reader returns them.")


def _size_of_a_pointer(facts: Facts, side: Side) -> str:
    """Returns a sentence if the last write to this end, by a line of a C file, has as many bytes as a pointer; else ""."""
    other = facts.sides.other(side)
    writes = facts.writes(other) if other is not None else []
    if not writes or writes[-1].asked != _POINTER or ".c:" not in writes[-1].source or any(line.who == writes[-1].who and line.kind == "send" for line in facts.run.events):
        return ""
    return f" The last write of the {writes[-1].who}{at(writes[-1].source)} has {_POINTER} bytes: that is also the size of a pointer, which `sizeof` of a `char *` gives, however long the text is."


def end_not_passed_on(facts: Facts) -> "Iterator[Finding]":
    """A relay wrote on one connection as many bytes as it had read on another one, up to the end of that stream. It did not end the
    stream that it writes, and its reader waits there."""
    for wait, side in _reading(facts):
        passed = _not_passed_on(facts, side)
        if passed is None:
            continue
        end, last = passed
        relay, kept = capital(facts.process(end.who, end.pid)), facts.kept(facts.sides.other(side) or side)
        copy = facts.process(kept[0].who, kept[0].pid)
        keeps = "It has not ended its sending there, so" if end.pid in [h.pid for h in kept] else \
            f"It has given up its copy of that connection, and {copy} still has one. A close, or an end, sends a FIN only for the last copy. So"
        yield Finding("end-not-passed-on", f"{relay} has read the end of the stream on connection {end.connection}{at(end.source)}. It had read {count(facts.took(_of(facts, end)), 'byte')} there, "
                      f"and has written as many on connection {side[0]}. {keeps} no FIN has come, and the {wait.who} waits in read. A relay must pass on the end, too: "
                      "shutdown with SHUT_WR.", (last.seq, end.seq, *_pending(facts, wait)), last.seq, end.who, end.source, "4")


def _of(facts: Facts, call: Call) -> Side:
    side = facts.sides.of(call)
    assert side is not None
    return side


def _not_passed_on(facts: Facts, side: Side) -> "Optional[tuple[Call, Call]]":
    """Returns the read that gave the end of another stream to the process at the other end of this connection, and the last write of that process on
    this connection, if it wrote here as many bytes as it had read there, and ended nothing here. Else returns None."""
    other = facts.sides.other(side)
    ours = facts.sides.end(other) if other is not None else None
    if other is None or ours is None or ours.shut >= 0 or not facts.counted(other) or not facts.writes(other):
        return None
    last = facts.writes(other)[-1]
    for from_ in facts.sides.all():
        if from_[0] == side[0] or not facts.counted(from_) or not 0 < facts.took(from_) == facts.wrote(other):
            continue
        end = next((call for call in facts.reads(from_) if call.returned >= 0 and call.result == 0 and call.asked > 0 and not call.error), None)
        read, wrote = (next(call.data[:call.result] for call in calls if call.result > 0) for calls in (facts.reads(from_), facts.writes(other)))
        kept = facts.kept(other)
        if end is not None and end.pid == last.pid and (read.startswith(wrote) or wrote.startswith(read)) and kept and {h.who for h in kept} == {end.who}:
            return end, last
    return None


def http_head(facts: Facts) -> "Iterator[Finding]":
    """A program has read the begin of an HTTP request, and waits for more: the empty line that ends the head has not come."""
    for wait, side in _reading(facts):
        reads = _that_brought(facts, side)
        data = "".join(call.data[:call.result] for call in reads)
        if not reads or len(data) != facts.took(side) or not _all_taken(facts, side) or not re.match(r"[A-Z]+ \S+ HTTP/1\.[01]\r?\n", data) or "\r\n\r\n" in data:
            continue
        came = ' "\\n\\n" has come, without "\\r".' if "\n\n" in data else ""
        yield Finding("http-head", f"The {count(len(data), 'byte')} that the {wait.who} has read on connection {side[0]} begin an HTTP request. Its head ends with an empty line, "
                      f'"\\r\\n\\r\\n", and that has not come.{came} The {wait.who} waits in read for more.', (reads[-1].seq, *_pending(facts, wait)), reads[-1].seq, wait.who, reads[-1].source)


def http_body(facts: Facts) -> "Iterator[Finding]":
    """A program has read the head of an HTTP message and fewer bytes behind it than the head's Content-Length says, and waits for more."""
    for wait, side in _waiting_for_bytes(facts):
        reads, short = _that_brought(facts, side), _body_too_short(facts, side)
        if short is None or not _all_taken(facts, side):
            continue
        length, came = short
        yield Finding("http-body", f"The {wait.who} has read an HTTP head on connection {side[0]} whose Content-Length is {length:,}, and {count(came, 'byte')} came behind that head: {length - came:,} {'is' if length - came == 1 else 'are'} missing. "
                      f"The {wait.who} waits in {wait.call}, and the {facts.sides.name(facts.sides.other(side))} has written no more. Content-Length must be the number of bytes behind the empty line.",
                      (reads[-1].seq, *_pending(facts, wait)), reads[-1].seq, wait.who, reads[-1].source)


def _body_too_short(facts: Facts, side: Side) -> "Optional[tuple[int, int]]":
    """Returns the Content-Length of the only HTTP head that was read at this end, and how many bytes came behind that head, if these are fewer; else
    None. (The answer to HEAD has no body.)"""
    data = "".join(call.data[:call.result] for call in _that_brought(facts, side))
    head = re.match(r"(?:HTTP/1\.[01] \d{3} |[A-Z]+ \S+ HTTP/1\.[01]\r\n)[^\0]*?\r\n\r\n", data)
    told = re.search(r"(?i)\r\ncontent-length: *(\d{1,9}) *\r\n", head[0]) if head is not None and len(data) == facts.took(side) else None
    came, asked = len(data) - (head.end() if head is not None else 0), next((call.data for call in facts.writes(side)), "")
    return (int(told[1]), came) if told is not None and came < int(told[1]) and not asked.startswith("HEAD ") else None


def http_answer(facts: Facts) -> "Iterator[Finding]":
    """A program has read a whole HTTP answer, as its Content-Length tells, and waits for more on a connection that is kept open."""
    for wait, side in _reading(facts):
        other, reads = facts.sides.other(side), _that_brought(facts, side)
        data, length, at_ = "".join(call.data[:call.result] for call in reads), "", 0
        if not reads or other is None or len(data) != facts.took(side) or not _all_taken(facts, side) or any(call.seq > reads[-1].seq for call in facts.writes(side)):
            continue
        while (head := re.compile(r"HTTP/1\.1 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n").match(data, at_)) is not None:
            told = re.search(r"(?i)\r\ncontent-length: *(\d{1,9}) *\r\n", head[0])
            if told is None or re.search(r"(?i)\r\nconnection: *close", head[0]):
                break
            length, at_ = told[1], head.end() + int(told[1])
        if length and at_ == len(data):
            yield Finding("http-answer", f"The HTTP answer that the {wait.who} has read on connection {side[0]} is whole: its Content-Length is {length}, and {count(int(length), 'byte')} came "
                          f"behind its head. The {facts.sides.name(other)} keeps the connection open for a next request, as HTTP/1.1 does, so no FIN comes. The {wait.who} waits in read "
                          'for more. It must count the bytes, or ask for "Connection: close".', (reads[-1].seq, *_pending(facts, wait)), reads[-1].seq, wait.who, reads[-1].source)


def tls(facts: Facts) -> "Iterator[Finding]":
    """One end of a connection sent what a TLS handshake begins with, and the other end sent nothing, or something else; or one end sent a
    TLS alert to an end that sent something else."""
    for side in facts.sides.all():
        other = facts.sides.other(side)
        first, theirs = (next((call for call in facts.writes(one) if call.result > 0), None) if one is not None else None for one in (side, other))
        if first is None or other is None or not facts.sides.name(other) or theirs is not None and theirs.data[:2] in _TLS:
            continue
        alert, hello = re.match("\x15\x03[\0-\4]\0\2..$", first.data, re.S), re.match("\x16\x03[\0-\4]..\1", first.data, re.S)
        if hello and theirs is None and not (facts.all_wait and facts.counted(other)) or alert and theirs is None or not (alert or hello):
            continue
        raw = first.data[:3].encode("latin-1").hex(" ")
        peer = facts.sides.name(other)
        what = "a TLS handshake begins so" if hello else "a TLS alert begins so"
        answer = f"The {peer} has sent nothing." if theirs is None else f"The first bytes of the {peer} are others: {standard.quoted(theirs.data[:16], min(len(theirs.data), 16))}."
        yield Finding("tls", f"The first bytes that the {first.who} sent on connection {side[0]}{at(first.source)} are {raw}: {what}. {answer} Do both programs speak TLS there?",
                      (first.seq, *([theirs.seq] if theirs is not None else [])), min(first.seq, theirs.seq if theirs is not None else first.seq), first.who, first.source)


_TLS = ("\x16\x03", "\x15\x03")     # how a record of TLS begins: a handshake, an alert


def no_answer(facts: Facts) -> "Iterator[Finding]":
    """A program has read all that came and called no write, and its peer waits for what it would write."""
    told: "set[Side]" = set()
    waits_now = list(_waiting_for_bytes(facts))
    for wait, side in waits_now:
        other = facts.sides.other(side)
        peer = next((w for w, s in waits_now if s == other), None)
        if other is None or peer is None or side in told or any(True for _ in facts.writes(side)):
            continue
        reads, whole = _that_brought(facts, side), _asked_in_all(facts, wait, side)
        if _insists(whole) or whole and not _is_text(reads):
            continue            # wants_more() reports it
        if not reads or not facts.counted(side) or not _all_taken(facts, side) or _not_passed_on(facts, side) is not None or _body_too_short(facts, side) is not None or wait.call == "read" and _last_byte(reads[-1]) not in ("", "\n") and _is_text(reads):
            continue            # (no_newline() tells of who waits in read for the rest of a line)
        told.add(side)
        who = facts.sides.name(other)
        more, answer = (" for more" if wait.call == "read" else ""), (" for an answer" if peer.call == "read" else "")
        mine = [line for line in facts.run.events if line.who == wait.who]
        logs_its_acts = mine and not any(line.kind == "send" for line in mine)      # and announced no bytes: then it has written none
        buffered = "" if logs_its_acts else (f" If the {wait.who} has answered with stdio (fputs, fprintf) or through another buffer of its own, the bytes "
                                             "lie there until fflush, or until the buffer is full.")
        newline = ", the last one a newline" if _last_byte(reads[-1]) == "\n" and _is_text(reads) and facts.took(side) > 1 else ""
        own = _in_a_buffer(facts, wait, reads[-1])
        if own:
            yield Finding("no-write", f"The {wait.who} has read {count(facts.took(side), 'byte')} on connection {side[0]}{newline}, has called no write there, and waits in read for more; no FIN has come. {own}",
                          (reads[-1].seq, *_pending(facts, wait)), reads[-1].returned, wait.who, reads[-1].source)
            continue
        yield Finding("no-write", f"The {wait.who} has read {count(facts.took(side), 'byte')} on connection {side[0]}{newline}, has called no write there, and waits in {wait.call}{more}; "
                      f"no FIN has come. The {who} waits in {peer.call}{answer}.{_other_mark(facts, side, reads) if not mine else ''} If the {wait.who} answers only at the end of the stream, the {who} must end its "
                      f"sending first (shutdown with SHUT_WR).{_if_it_wants_all(whole)}{buffered}", (reads[-1].seq, *_pending(facts, wait)), reads[-1].returned,
                      wait.who, reads[-1].source)


def _other_mark(facts: Facts, side: Side, reads: "list[Call]") -> str:
    """Returns sentences about what a reader may wait for where lines came that end with a newline alone; "" if none came, or if that is not known."""
    data = "".join(call.data[:call.result] for call in reads)
    if len(data) != facts.took(side) or not data.endswith("\n") or "\r" in data or not _is_text(reads):
        return ""
    scanf = ' fscanf waits on if its format asks for one more value, or ends with a blank or a "\\n".' if _may_scan(facts, reads[-1]) else ""
    return f' What came ends with "\\n", and has no "\\r". If the {facts.sides.name(side)} looks for "\\r\\n", or for another mark than a newline, it waits for that.{scanf}'


def _may_scan(facts: Facts, read: Call) -> bool:
    """May stdio of C have made this read? It asks for a whole buffer. (A program that logs lines reads lines with common/reader.h.)"""
    return read.name == "read" and not any(line.who == read.who and line.kind != "output" for line in facts.run.events) and read.asked >= 1024 and not read.asked & (read.asked - 1) and ".c:" in read.source


def unanswered(facts: Facts) -> "Iterator[Finding]":
    """A program waits for bytes. Its peer has read all that came, and waits in a poll for that program and for others, too. Whether it
    owes an answer is not known, so this is a remark. (no_answer() reports a peer that waits for this program alone.)"""
    waits_now = list(_waiting_for_bytes(facts)) if facts.run.stop.kind != "deadlock" else []
    alone = {side for _, side in waits_now}
    for wait, side in waits_now:
        other, who = facts.sides.other(side), wait.who
        ends = [facts.sides.end(one) for one in (side, other) if one is not None]
        if other is None or other in alone or any(end is None or end.shut >= 0 for end in ends) or len(facts.kept(other)) != 1:
            continue
        pid, peer, reads = facts.kept(other)[0].pid, facts.sides.name(other), _that_brought(facts, other)
        poll = next((w for w in facts.run.stop.waiting if w.pid == pid and w.call in POLLS and who in w.on.split(" and ")), None)
        shared = [one for one in facts.sides.all() if pid in [holder.pid for holder in facts.kept(one)] and facts.sides.name(facts.sides.other(one)) == who]
        if poll is None or shared != [other] or not reads or not (facts.counted(side) and facts.counted(other) and _all_taken(facts, side) and _all_taken(facts, other)):
            continue
        since = sum(max(call.result, 0) for call in facts.writes(other) if call.seq > reads[-1].seq)
        last = _last_byte(reads[-1]) if _is_text(reads) else ""
        cut = last not in ("", "\n") and not since
        ends_with = f', and the last one is "{last}", no newline' if cut and last.isprintable() else ""
        wrote = f"has written {count(since, 'byte')} there since, which the {who} has read" if since else "has written nothing there since"
        if_lines = f" If the {peer} reads lines, it waits for a newline, or for the end of the stream." if ends_with else ""
        if_end = f" If the {who} reads until the end of the stream, the {peer} must end its sending first." if since else \
            f" If the {peer} answers only at the end of the stream, the {who} must end its sending first (shutdown with SHUT_WR)."
        yield Finding("unanswered", f"The {peer} has read {'all ' if facts.took(other) > 1 else 'the '}{count(facts.took(other), 'byte')} that came on connection {side[0]}{ends_with}. It {wrote}. "
                      f"Now the {who} waits in {wait.call}{' for more' if wait.call == 'read' else ''}, and the {peer} in {poll.call}; no FIN has come.{if_lines}{if_end}",
                      (reads[-1].seq, *_pending(facts, wait)), reads[-1].returned, peer, reads[-1].source, remark=True)


def unread_by_a_lock(facts: Facts) -> "Iterator[Finding]":
    """A program waits for bytes. Its peer has read all that came, no thread of it waits for more there, and one waits for a lock or another thread."""
    for wait, side in _reading(facts):
        other = facts.sides.other(side)
        if other is None or len(facts.kept(other)) != 1 or not facts.all_wait or not (facts.counted(side) and facts.counted(other) and _all_taken(facts, side) and _all_taken(facts, other)):
            continue
        pid, reads = facts.kept(other)[0].pid, _that_brought(facts, other)
        mine = [w for w in facts.run.stop.waiting if w.pid == pid]
        lock = next((w for w in mine if w.call == "futex"), None)
        if lock is None or len(mine) < 2 or not reads or wait.pid == pid or any(w.connection == side[0] or w.call in POLLS or not w.call for w in mine):
            continue
        yield Finding("held-by-a-lock", f"{capital(facts.process(lock.who, pid))} has read {'all ' if facts.took(other) > 1 else 'the '}{count(facts.took(other), 'byte')} that came on connection {side[0]}, "
                      f"and none of its threads waits there for more. {len(mine)} threads of it wait: {listed(waits(w) for w in mine)}. The {wait.who} waits in read on that connection.",
                      (reads[-1].seq, *_pending(facts, wait)), reads[-1].returned, lock.who, lock.source or reads[-1].source, remark=True)


def shared_reads(facts: Facts) -> "Iterator[Finding]":
    """Two threads, or two processes, wait in read on the same end of a connection."""
    waiting: "dict[Side, list[Waiting]]" = {}
    for wait, side in _reading(facts):
        waiting.setdefault(side, []).append(wait)
    for side, mine in waiting.items():
        if len(mine) > 1:
            what = f"{len(mine)} threads of {facts.process(mine[0].who, mine[0].pid)} wait" if len({w.pid for w in mine}) == 1 else \
                listed(facts.process(w.who, w.pid) for w in mine) + " each wait"
            pending = tuple(n for w in mine for n in _pending(facts, w))
            yield Finding("shared-reads", f"{capital(what)} in read on connection {side[0]}. Which of them gets which bytes is luck.", pending, max(pending, default=0),
                          mine[0].who, remark=True)


def window(facts: Facts) -> "Iterator[Finding]":
    """A program waits in write. Its peer's kernel has no room, because the peer does not read."""
    for wait in facts.run.stop.waiting:
        side = facts.sides.of(wait)
        other = facts.sides.other(side)
        socket = facts.socket(other) if other is not None else None
        if wait.call != "write" or socket is None or socket.unread <= 0 or facts.run.stop.kind == "deadlock":
            continue            # for a deadlock, deadlock() reports all of it
        peer = [w for w in facts.run.stop.waiting if w.pid == socket.pid]
        elsewhere = len(peer) == 1 and (peer[0].call != "read" or peer[0].connection != socket.connection)
        does = "" if not facts.all_wait else f" The {socket.who} does not read them: it waits {waits(peer[0])}." if elsewhere else f" The {socket.who} does not read them."
        pending = _pending(facts, wait)
        yield Finding("zero-window", f"The {wait.who} waits in write on connection {wait.connection}. {count(socket.unread, 'byte')} lie unread in the "
                      f"{socket.who}'s kernel, which has no room for more.{does}", (*pending, socket.seq), pending[0] if pending else socket.seq, socket.who, "", "18")


# --- what was not written --------------------------------------------------------------------------------------------

def announced(facts: Facts) -> "Iterator[Finding]":
    """A program logged that it sends, and made no write for that."""
    for side in facts.sides.known():
        if not facts.counted(side):
            continue
        lines = [line for line in facts.sides.lines(side) if line.kind == "send" and line.count > 0]
        asked = sum(call.asked for call in facts.writes(side))
        if sum(line.count for line in lines) <= asked:
            continue
        for n, line in enumerate(lines):
            if _stopped_there(facts, line):
                continue
            until = lines[n + 1].seq if n + 1 < len(lines) else 1 << 62
            if not any(line.seq < call.seq < until for call in facts.writes(side)) and not any(c.seq > line.seq for c in _elsewhere(facts, line)):
                behind = "after that" if n + 1 == len(lines) else "for that"
                yield Finding("announced-not-written", f"The {line.who} said that it sends {count(line.count, 'byte')} on connection {side[0]} ({line.text!r}). "
                              f"It called no write there {behind}.", (line.seq,), line.seq, line.who, line.source)
                break


def end_not_read(facts: Facts) -> "Iterator[Finding]":
    """A program logged EOF or a reset, and no call had told it of one."""
    for side in facts.sides.known():
        for line in facts.sides.lines(side):
            came = next((what for what in ("EOF", "reset") if causes.is_a(line, what)), "")
            if came and not facts.may_know_of_an_end(side, line):
                none = "None of its reads there had told it so" if came == "EOF" else "None of its calls there had failed so"
                reads = [call for call in facts.calls(side, READS) if 0 <= call.returned < line.seq]
                none = none if reads else "It had called no read there"
                last = f" Its last {name(reads[-1])} there{at(reads[-1].source)} {returned(reads[-1])}." if reads else ""
                yield Finding("said-not-read", f"The {line.who} said {line.text!r} on connection {side[0]}. {none} by then.{last}", (line.seq,), line.seq, line.who, line.source)
                break


def short_write(facts: Facts) -> "Iterator[Finding]":
    """The kernel took less than a write asked for, and the rest was never written."""
    for side in facts.sides.all():
        if not facts.counted(side):
            continue
        resets = facts.segments(facts.sides.other(side) or side, "R")
        reset = next((segment.seq for segment in resets), 1 << 62)
        later = sum(max(call.result, 0) for call in facts.writes(side))
        for call in facts.writes(side):
            took = max(call.result, 0)
            later -= took
            rest = call.asked - took - later
            if call.returned < 0:
                continue
            if call.name == "sendfile" or call.option == "splice":
                continue            # it may have asked for more than there was in the file, or in the pipe
            if call.error not in ("", "EAGAIN") or took >= call.asked or rest <= 0 or reset < call.returned or _wants_to_write(facts, call):
                continue
            if call.error:
                words = f"The {call.who}'s {name(call)} of {count(call.asked, 'byte')} on connection {side[0]} failed with EAGAIN: the kernel had no room."
            else:
                words = f"The {call.who} asked {name(call)} for {count(call.asked, 'byte')} on connection {side[0]}, and the kernel took {took:,}."
            if later:
                words += f" It wrote {count(later, 'byte')} later, so at least {rest:,} of the other {call.asked - took:,} were never written."
            else:
                words += " It never wrote them later." if call.error else f" It never wrote the other {count(rest, 'byte')}."
            yield Finding("short-write", words, (call.seq,), call.returned, call.who, call.source, "", "M03")
            break


def write_failed(facts: Facts) -> "Iterator[Finding]":
    """A write failed for good. Says what had happened before."""
    signalled = {end.pid for end in (*facts.run.endings, *facts.run.children) if end.how == "signal PIPE"}
    for side in facts.sides.all():
        for call in facts.writes(side):
            if not call.error or call.error in ("EAGAIN", "EINTR") or call.pid in signalled and call.error == "EPIPE":
                continue
            why, proof = _why_no_write(facts, side, call)
            yield Finding("write-failed", f"The {call.who}'s {name(call)} of {count(call.asked, 'byte')} on connection {side[0]} failed with {call.error}.{why}",
                          (*proof, call.seq), call.seq, call.who, call.source)
            break


def no_connection(facts: Facts) -> "Iterator[Finding]":
    """A read or a write is made on a socket that is no connection: on a listener, or on a socket that was never connected."""
    told: "set[tuple[int, int]]" = set()
    for call in facts.run.calls:
        calls = facts.life(call).calls
        if call.connection or call.name not in (*READS, *WRITES) or call.error not in ("EPIPE", "ENOTCONN") or not calls or (call.pid, call.fd) in told:
            continue
        told.add((call.pid, call.fd))
        listens = next((one for one in calls if one.name == "listen" and not one.error and one.seq < call.seq), None)
        if listens is None and any(one.name == "connect" for one in calls):
            continue
        what = f"a listener{at(listens.source)}: nobody is at its other end. What accept returns is the connection" if listens is not None else "not connected"
        yield Finding("no-connection", f"The {call.who}'s {name(call)}{at(call.source)} is on descriptor {call.fd}, which is {what}. It failed with {call.error}.",
                      (*([listens.seq] if listens is not None else []), call.seq), call.seq, call.who, call.source, "0")


def wrong_descriptor(facts: Facts) -> "Iterator[Finding]":
    """A call is made on something that is no socket: on a descriptor that was closed before, on -1, or on one that is something
    else."""
    told: "set[tuple[int, int]]" = set()
    for call in facts.run.calls:
        if call.error not in ("EBADF", "ENOTSOCK") or call.name not in (*READS, *WRITES, *ACCEPTS, "connect", "shutdown", "bind", "listen", "close") or (call.pid, call.fd) in told:
            continue
        kept = [side for side in facts.sides.all() if call.name == "close" and call.pid in [h.pid for h in facts.kept(side)]]
        if call.name == "close" and (not kept or any(one.fd == call.fd and one.name == "close" and not one.error for one in facts.run.calls if one.pid == call.pid)):
            continue            # a second close does no harm, as long as nothing else has got that number
        told.add((call.pid, call.fd))
        before = [one for one in facts.run.calls if one.pid == call.pid and 0 <= one.returned < call.seq]
        closed = next((one for one in reversed(before) if one.name == "close" and one.fd == call.fd and not one.error), None)
        failed = next((one for one in reversed(before) if one.name in ("socket", *ACCEPTS) and one.error), None)
        made = next((one for one in reversed(before) if one.name in ACCEPTS and one.connection and one.result != call.fd), None)
        proof = [call.seq]
        if call.error == "ENOTSOCK":
            what = f"which is no socket{f' ({call.fd} is the {STANDARD[call.fd]})' if call.fd in STANDARD else ''}"
            if closed is not None and closed.option:
                what = f"which is no socket any more: a {closed.option}{at(closed.source)} has put something else there"
                proof.insert(0, closed.seq)
        elif closed is not None:
            what = f"on which a {closed.option}{at(closed.source)} has put something else" if closed.option else f"which it had closed before{at(closed.source)}"
            proof.insert(0, closed.seq)
        else:
            what = "which is none" if call.fd < 0 else "which is not open"
        words = f"The {call.who}'s {name(call)}{at(call.source)} is on descriptor {call.fd}, {what}. It failed with {call.error}."
        if call.fd == -1 and failed is not None:
            words += f" Its {name(failed)}{at(failed.source)} had failed with {failed.error} before, and a call that fails returns -1."
        elif closed is not None and call.error == "EBADF" and call.name == "write" and not closed.option:
            words += " If stdio (fprintf, fputs) made that write, its bytes lay in a buffer until then. fflush before the close writes them in time, and so does fclose in place of it."
        elif made is not None and call.error == "ENOTSOCK":
            words += f" accept{at(made.source)} had returned {made.result}: that is the descriptor of connection {made.connection}."
        elif kept:
            words += f" The {call.who} still has {listed(f'connection {side[0]}' for side in kept[:3])}{' and more' if len(kept) > 3 else ''} when the run is over."
        yield Finding("wrong-descriptor", words, tuple(proof), call.seq, call.who, call.source, "0")


def _why_no_write(facts: Facts, side: Side, call: Call) -> "tuple[str, tuple[int, ...]]":
    if call.error == "EBADF":
        close = next((one for one in reversed(facts.calls(side, ("close",))) if one.pid == call.pid and one.fd == call.fd and not one.error and one.seq < call.returned), None)
        return (f" The {call.who} had closed that descriptor by then{at(close.source)}.", (close.seq,)) if close is not None else ("", ())
    if call.error not in ("EPIPE", "ECONNRESET"):
        return "", ()
    other = facts.sides.other(side)
    words, proof = shut_down_before(facts, side, call)
    if words:
        return words, proof
    reset = next((s for s in facts.segments(other, "R") if s.seq < call.returned), None) if other is not None else None
    if reset is not None:
        return f" The {facts.sides.name(other)}'s kernel had reset that connection (RST) before.", (reset.seq,)
    return gone_before(facts, other, call.seq) if other is not None and facts.run.mode != "reset" else "", ()      # else the lab may have reset it


def urgent(facts: Facts) -> "Iterator[Finding]":
    """A byte was sent as urgent data, and the other end made no recv with MSG_OOB."""
    for side in facts.sides.all():
        other = facts.sides.other(side)
        sent = next((call for call in facts.writes(side) if call.option == "MSG_OOB" and call.result > 0), None)
        if sent is None or other is None or not facts.seen(other) or any(call.option in ("MSG_OOB", "SO_OOBINLINE") for call in facts.calls(other)):
            continue
        yield Finding("urgent", f"The {sent.who}'s {name(sent)} on connection {side[0]}{at(sent.source)} has the flag MSG_OOB: its last byte goes as urgent data. A plain read "
                      "does not return that byte, unless its socket has SO_OOBINLINE.", (sent.seq,), sent.seq, sent.who, sent.source)


def thrown_away(facts: Facts) -> "Iterator[Finding]":
    """A recv had the flag MSG_TRUNC: its kernel threw the bytes away that it counts (tcp(7))."""
    for side in facts.sides.all():
        call = next((call for call in facts.reads(side) if call.option == "MSG_TRUNC" and call.result > 0), None)
        if call is not None:
            yield Finding("thrown-away", f"The {call.who}'s {name(call)} on connection {side[0]}{at(call.source)} has the flag MSG_TRUNC. On a TCP connection the kernel then throws the bytes away: "
                          f"it returned {call.result:,}, and put nothing into the buffer.", (call.seq,), call.returned, call.who, call.source)


def peeked_again(facts: Facts) -> "Iterator[Finding]":
    """Two reads with MSG_PEEK brought bytes, and none was taken between them: the second one showed the same bytes."""
    for side in facts.sides.all():
        before: Optional[Call] = None
        for call in facts.calls(side, READS) if not any(one.option == "SO_PEEK_OFF" for one in facts.calls(side, ("setsockopt",))) else ():
            if call.returned < 0 or call.result <= 0:
                continue
            if call.option == "MSG_PEEK" and before is not None and before.option == "MSG_PEEK":
                yield Finding("peeked-again", f"The {call.who}'s {name(call)} on connection {side[0]}{at(call.source)} has the flag MSG_PEEK: it shows bytes, and they stay in the kernel. The one before{at(before.source)} "
                              "had it, too, and no read had taken anything meanwhile: so it showed the same bytes again.", (before.seq, call.seq), call.returned, call.who, call.source, remark=True)
                break
            before = call


def read_reset(facts: Facts) -> "Iterator[Finding]":
    """A read failed with ECONNRESET. Says whose kernel sent the reset."""
    for side in facts.sides.all():
        for call in (one for one in facts.reads(side) if one.error == "ECONNRESET"):
            other = facts.sides.other(side)
            reset = next((s for s in facts.segments(other, "R") if s.seq < call.returned), None) if other is not None else None
            if reset is not None:
                yield Finding("read-reset", f"The {call.who}'s {name(call)} on connection {side[0]} failed with ECONNRESET: the {facts.sides.name(other)}'s kernel "
                              "had sent a reset (RST).", (reset.seq, call.seq), reset.seq, call.who, call.source)
                break
            if other is not None and not facts.captured:
                words = f"The {call.who}'s {name(call)} on connection {side[0]} failed with ECONNRESET: the kernel at the other end had sent a reset (RST).{gone_before(facts, other, call.returned)}"
                wrote, took = facts.wrote(side, call.seq), facts.took(other)
                if facts.counted(side) and facts.counted(other) and took < wrote:
                    words += f" Of the {count(wrote, 'byte')} that the {call.who} had written there, the {facts.sides.name(other)} has read {took:,}. A kernel answers with a reset where " \
                             "bytes come that nobody will read."
                yield Finding("read-reset", words, (call.seq,), call.returned, call.who, call.source)
                break


# --- how reads cut what writes sent ----------------------------------------------------------------------------------

@dataclass(frozen=True)
class _Piece:
    """The part of a stream that one call moved: the bytes from `first` to `behind` - 1, counted from 0."""

    call: Call
    first: int
    behind: int


def glued(facts: Facts) -> "Iterator[Finding]":
    """One read returned the bytes of several writes."""
    for side, writes, reads in _streams(facts):
        bounds = [one.behind for one in writes]
        for read in reads:
            inside = _inside(writes, bounds, read)
            if len(inside) > 1:
                sizes = [f"{one.behind - one.first:,}" for one in inside]
                whole = "" if (inside[0].first, inside[-1].behind) == (read.first, read.behind) else "bytes of "
                yield Finding("glued", f"{_wrote(writes)} One read of the {read.call.who}{at(read.call.source)} returned {count(read.behind - read.first, 'byte')}: {whole}"
                              f"{len(inside)} writes of {listed_sizes(sizes)} bytes.",
                              (*(one.call.seq for one in inside[:4]), read.call.seq), read.call.returned, read.call.who, read.call.source, "5", "M01", remark=True)
                break


def _inside(pieces: "list[_Piece]", bounds: "list[int]", part: _Piece) -> "list[_Piece]":
    """Returns the pieces of a stream that share bytes with that part. `bounds`: their `behind`."""
    first = bisect.bisect_right(bounds, part.first)
    return pieces[first:bisect.bisect_left(bounds, part.behind, first) + 1]


def _wrote(writes: "list[_Piece]") -> str:
    """Returns the sentence with which both findings begin. It says nothing of the reads, so it is the same whichever of the two a
    run has."""
    sizes = listed_sizes([f"{one.behind - one.first:,}" for one in writes])
    return f"The {writes[0].call.who} wrote {len(writes)} times ({sizes} bytes), and nothing in a stream marks where one write ended."


def listed_sizes(sizes: "list[str]") -> str:
    """Returns sizes in words, with equal ones: "9, 9 and 4". Of more than four sizes it names the first three: "1, 1, 1, ..."."""
    return " and ".join([", ".join(sizes[:-1]), sizes[-1]]) if len(sizes) <= 4 else f"{', '.join(sizes[:3])}, ..."


def kept_apart(facts: Facts) -> "Iterator[Finding]":
    """Several writes were made in a row, and each read returned one of them, though it had room for more. TCP did not keep them
    apart."""
    for side, writes, reads in _streams(facts):
        same = [(write, read) for write, read in zip(writes, reads) if (write.first, write.behind) == (read.first, read.behind)]
        if len(same) < 2 or len(same) < max(len(writes), len(reads)) or _answers_between(facts, side, writes):
            continue
        if not all(read.call.asked >= read.behind - read.first + following.behind - following.first for (_, read), (_, following) in zip(same, same[1:])):
            continue
        read = reads[0].call
        yield Finding("kept-apart-by-time", f"{_wrote(writes)} This time each read of the {read.who}{at(read.source)} returned what one write sent. Only time kept them apart: "
                      "each read had room for two.",
                      (*(one.call.seq for one in writes[:4]), read.seq), reads[1].call.returned, read.who, read.source, "5", "M01", remark=True)


def cut(facts: Facts) -> "Iterator[Finding]":
    """A read had room for all that one write sent, and returned only a part of it."""
    for side, writes, reads in _streams(facts):
        bounds = [one.behind for one in writes]
        for read in reads:
            one = next(iter(_inside(writes, bounds, read)), None)
            if one is not None and read.first == one.first and read.behind < one.behind and read.call.asked >= one.behind - one.first:
                yield Finding("one-write-several-reads", f"The {one.call.who} wrote {count(one.behind - one.first, 'byte')} in one call{at(one.call.source)}. The "
                              f"{read.call.who}'s read{at(read.call.source)} had room for them and returned {count(read.behind - read.first, 'byte')}: a read returns what "
                              "is there.", (one.call.seq, read.call.seq), read.call.returned, read.call.who, read.call.source, "6", "M01", remark=True)
                break


def eof_again(facts: Facts) -> "Iterator[Finding]":
    """A program reads on after the end of the stream: each read returns 0 at once."""
    for side in facts.sides.all():
        ends = [call for call in facts.reads(side) if call.returned >= 0 and call.result == 0 and not call.error and call.asked > 0]
        if len(ends) < _EOFS:
            continue
        first, other = ends[0], facts.sides.other(side)
        fin = next((s for s in facts.segments(other, "F") if s.seq < first.returned), None) if other is not None else None
        if facts.captured and fin is None:
            continue            # 0 may come of its own shutdown of reading, or of a reset
        means = f"that is the end of the stream: the {facts.sides.name(other)} has sent its FIN" if fin is not None else "that is the end of the stream"
        yield Finding("eof-again", f"The {first.who}'s {name(first)} on connection {side[0]}{at(first.source)} returned 0, {len(ends):,} times. 0 says EOF: {means}. "
                      "Nothing more will come, so a loop that reads must end at 0.", (*((fin.seq,) if fin else ()), first.seq, ends[-1].seq), first.returned,
                      first.who, first.source)


def asked_nothing(facts: Facts) -> "Iterator[Finding]":
    """A read or a write asked for 0 bytes: it returned 0 at once, and that says nothing of the stream."""
    for side in facts.sides.all():
        for calls, what in ((facts.reads(side), "That 0 is not the end of the stream."), (facts.writes(side), "It sent nothing.")):
            call = next((one for one in calls if one.returned >= 0 and one.asked == 0 and one.result == 0 and not one.error and one.name not in ("sendfile", "sendmmsg")), None)
            if call is not None and call.option != "splice":
                yield Finding("asked-nothing", f"The {call.who}'s {name(call)} on connection {side[0]}{at(call.source)} asked for 0 bytes, so it returned 0 at once. {what}", (call.seq,), call.seq, call.who, call.source, remark=what == "It sent nothing.")


def not_yet(facts: Facts) -> "Iterator[Finding]":
    """A read found nothing and failed with EAGAIN, and the next that its thread did with a connection was to close this one: it waited for
    nothing. (perror closes a descriptor of its own.)"""
    for side in facts.sides.all():
        for read in facts.reads(side):
            if read.error != "EAGAIN" or read.returned < 0:
                continue
            after = facts.next_of(read)
            while after is not None and not after.connection and after.name not in (*POLLS, *SLEEPS):
                after = facts.next_of(after)
            if (after is not None and after.name == "close" and after.fd == read.fd and limit_of(facts, read) is None
                    and not any(call.result > 0 for call in facts.reads(side))):
                because = because_nonblocking(facts, read)
                yield Finding("eagain-then-close", f"The {read.who}'s {name(read)} on connection {side[0]}{at(read.source)} failed with EAGAIN: nothing had come yet{because and f', and the call did not wait{because}'}. Then the {read.who} closed "
                              f"the connection{at(after.source)}. EAGAIN is no end of the stream: only a read that returns 0 tells that.", (read.seq, after.seq), read.returned,
                              read.who, after.source)
                break


def own_shutdown(facts: Facts) -> "Iterator[Finding]":
    """A read returned 0 because its own program had shut down its receiving. The other end had not ended the stream."""
    for side in facts.sides.all():
        end = next((call for call in facts.reads(side) if call.returned >= 0 and call.result == 0 and not call.error and call.asked > 0), None)
        shut = next((call for call in facts.calls(side, ("shutdown",)) if call.option in ("SHUT_RD", "SHUT_RDWR") and not call.error), None)
        other = facts.sides.other(side)
        if end is None or shut is None or other is None or shut.seq > end.returned or not facts.captured:
            continue
        if any(s.seq < end.returned for flag in "FR" for s in facts.segments(other, flag)):
            continue
        yield Finding("own-shutdown", f"The {end.who}'s {name(end)} on connection {side[0]}{at(end.source)} returned 0, the end of the stream. The {facts.sides.name(other)} had sent no FIN: "
                      f"the {shut.who} itself had shut down the receiving there ({shut.option}{', ' + shut.source if shut.source else ''}).", (shut.seq, end.seq), end.returned,
                      end.who, end.source, "4")


def lines_tell_more(facts: Facts) -> "Iterator[Finding]":
    """A program's lines say that it received more bytes than its reads returned."""
    for side in facts.sides.known():
        lines = [line for line in facts.sides.lines(side) if line.kind == "recv" and line.count > 0]
        told, taken = sum(line.count for line in lines), facts.took(side)
        if told > taken and facts.counted(side) and not any(call.returned < 0 and call.result for call in facts.reads(side)):
            reached = 0
            for line in lines:
                reached += line.count
                if reached > facts.took(side, line.seq):
                    peek = next((call for call in facts.calls(side, READS) if call.option == "MSG_PEEK" and 0 <= call.returned < line.seq), None)
                    peeked = f" Its {name(peek)}{at(peek.source)} has the flag MSG_PEEK: it shows bytes, and they stay in the kernel." if peek is not None else ""
                    yield Finding("lines-tell-more", f"The {line.who} says at {line.source} that it received {count(line.count, 'byte')} ({line.text!r}). All its lines up to this one "
                                  f"tell of {reached:,}, and its reads had returned {facts.took(side, line.seq):,}.{peeked}", (line.seq,), line.seq, line.who, line.source)
                    break


# --- helpers ---------------------------------------------------------------------------------------------------------

def _held(facts: Facts) -> "Iterator[tuple[Side, Socket]]":
    """Yields each end that a program held when the run was over, once, with its socket."""
    for side in facts.sides.all():
        socket = facts.socket(side)
        if socket is not None and socket.pid:
            yield side, socket


def _reading(facts: Facts) -> "Iterator[tuple[Waiting, Side]]":
    """Yields each thread that waits in read on a connection, with its end. Yields nothing if calls were not seen, or if something
    is on its way."""
    if not facts.observed or not facts.all_wait or facts.run.stop.under_way:
        return
    for wait in facts.run.stop.waiting:
        side = facts.sides.of(wait)
        if wait.call == "read" and side is not None:
            yield wait, side


def _waiting_for_bytes(facts: Facts) -> "Iterator[tuple[Waiting, Side]]":
    """Yields each thread that waits for what its peer writes, with its end: in read, or in a poll of a program that has one
    connection and waits only for that peer."""
    yield from _reading(facts)
    if not facts.observed or not facts.all_wait or facts.run.stop.under_way:
        return
    for wait in facts.run.stop.waiting:
        mine = [side for side in facts.sides.all() if wait.pid in [holder.pid for holder in facts.kept(side)]]
        pending = next((call for call in facts.run.calls if call.returned < 0 and (call.pid, call.tid) == (wait.pid, wait.tid)), None)
        looks_at = pending.data.split() if pending is not None else []
        listeners = [str(s.fd) for s in facts.run.stop.sockets if s.state == "LISTEN" and s.pid == wait.pid]
        if listeners and (not looks_at or set(looks_at) & set(listeners)):
            continue            # it waits for new connections, too: a server of a chat has nothing to answer
        if wait.call in POLLS and wait.fd != 0 and len(mine) == 1 and wait.on == facts.sides.name(facts.sides.other(mine[0])):
            yield wait, mine[0]


def _all_taken(facts: Facts, side: Side) -> bool:
    """Has the program at this end read all that was written at the other end?"""
    other = facts.sides.other(side)
    return other is not None and facts.seen(side) and facts.seen(other) and facts.wrote(other) == facts.took(side)


def _last_byte(call: Call) -> str:
    """Returns the last byte that a read returned; "" if the record does not have it."""
    return call.data[call.result - 1] if 0 < call.result <= min(len(call.data), _DATA) else ""


def _pending_at(facts: Facts, wait: Waiting) -> str:
    """Returns " (server.c:31)" for the call in which a thread waits; "" if that is not known."""
    call = next((call for call in facts.run.calls if call.returned < 0 and (call.pid, call.tid) == (wait.pid, wait.tid)), None)
    return at(call.source) if call is not None else ""


def _behind_the_last_newline(facts: Facts, side: Side, reads: "list[Call]") -> int:
    """Returns how many bytes came behind the last newline that came; 0 if none came, or if the records do not have all bytes."""
    data = "".join(call.data[:call.result] for call in reads)
    return len(data) - 1 - data.rindex("\n") if "\n" in data and len(data) == facts.took(side) else 0


def _is_text(reads: "list[Call]") -> bool:
    """Are the bytes that came text, as far as the records have them? A zero byte at the end counts as the end of a string."""
    data = "".join(call.data for call in reads).rstrip("\0")
    return data != "" and all(byte.isprintable() or byte in "\t\r\n" for byte in data)


def _stopped_there(facts: Facts, line: Event) -> bool:
    """May the run have ended before the thread could go on after this line?"""
    return not facts.all_wait and not any(call.seq > line.seq for call in facts.run.calls if call.tid == line.tid)


def _answers_between(facts: Facts, side: Side, writes: "list[_Piece]") -> bool:
    """Did the writer make a read between two of its writes? Then it may have waited for the reader."""
    return any(writes[0].call.seq < call.seq < writes[-1].call.seq for call in facts.reads(side))


def _pending(facts: Facts, wait: Waiting) -> "tuple[int, ...]":
    """Returns the place of the call in which a thread waits, as a tuple of one; () if none is known."""
    return tuple(call.seq for call in facts.run.calls if call.returned < 0 and (call.pid, call.tid) == (wait.pid, wait.tid))[-1:]


def _elsewhere(facts: Facts, line: Event) -> "list[Call]":
    """Returns the writes of the line's process whose connection is not known. One of them may have written the announced bytes."""
    return [call for call in facts.run.calls if call.name in WRITES and call.pid == line.pid and not call.connection]


def _wants_to_write(facts: Facts, last: Call) -> bool:
    """May the program still write the rest? It may wait until the connection takes more, or be in a write there."""
    return any(w.pid == last.pid and (w.call in POLLS or w.call == "write" and w.connection == last.connection) for w in facts.run.stop.waiting)


def _streams(facts: Facts) -> "Iterator[tuple[Side, list[_Piece], list[_Piece]]]":
    """Yields each direction of which all writes and reads are known: the end that sends, the writes and the reads, as pieces."""
    for side in facts.sides.all():
        other = facts.sides.other(side)
        if other is None:
            continue
        writes, reads = ([call for call in calls if call.returned >= 0 and call.result > 0] for calls in (facts.writes(side), facts.reads(other)))
        if not facts.counted(side) or not facts.counted(other) or len({call.tid for call in writes}) > 1 or len({call.tid for call in reads}) > 1:
            continue
        yield side, _pieces(writes), _pieces(reads)


def _pieces(calls: "list[Call]") -> "list[_Piece]":
    found, reached = [], 0
    for call in calls:
        found.append(_Piece(call, reached, reached + call.result))
        reached += call.result
    return found


FINDINGS = (unread, wants_more, end_not_passed_on, http_head, http_body, http_answer, tls, no_newline, no_answer, unanswered, unread_by_a_lock, shared_reads, window, announced, end_not_read, short_write, write_failed, no_connection, wrong_descriptor,
            thrown_away, peeked_again, read_reset, glued, kept_apart, cut, eof_again, asked_nothing, not_yet, own_shutdown, urgent, lines_tell_more)
