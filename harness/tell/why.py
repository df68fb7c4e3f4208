"""Why a run left its contract: the findings that explain it, or what the records say about what the missing line waits for.

It takes a run, its verdict and its contract, and yields sentences. Each one is true of this run, whatever the programs log. What
was announced (lines), what was written (calls) and what went over the wire (segments) are different things, and the sentences
name them so.
"""
from __future__ import annotations

import itertools
import os
import re
import sys
from collections import Counter
from typing import Iterator, Optional

from ..judge import causes, findings, standard
from ..judge.cast import Cast
from ..judge.comparison import LATE, Difference, Verdict
from ..judge.contract import After, Bytes, Contract, Deadlock, Ends, Line, Wire, role_of
from ..judge.deeds import SLEEPS, Deeds, quoted_bytes
from ..judge.findings import Finding, acts, connecting, timing
from ..judge.findings.acts import ACCEPTS
from ..judge.sides import READS, WRITES, Side
from ..trace import Call, Event, Run
from ..trace.plain import plain
from . import no_error, numbers
from .phrases import at, count, of_them, quoted, the, with_source

OFTEN = 1000    # so often a line counts as one that comes again and again
POINTER = 8     # bytes of a pointer on a 64-bit machine
MOST = 2        # how many findings a verdict shows at most
FIRST = {"deadlock": ("deadlock", "end-not-passed-on", "http-head", "http-body", "http-answer", "tls", "no-newline", "no-write", "wants-more", "edge-not-drained", "urgent", "low-water"),     # by word: the findings that go first
         "crash": ("died-of-signal", "sanitizer", "sigpipe"), "runaway": ("spin", "eof-again", "asked-nothing")}
ALONE = ("late", "open", "unwritten", "unlike", "miscount", "unheard", "deaf", "act", "reset", "bytes", "wire", "call", "free")     # need no finding

# By the kind of difference: the findings that explain one of those.
REASONS = {"act": ("address-family", "write-failed"), "reset": ("reset-by-linger", "reset-by-unread"), "unwritten": ("wrong-descriptor",), "open": ("held-by-another",), "unheard": ("asked-nothing",), "bytes": ("wrong-descriptor", "low-copy", "no-connection", "write-failed", "short-write")}

# What a contract may ask for: findings of a reset, of how a program waits when the run is over, and of how it ends.
RESETS = ("reset-by-unread", "reset-by-linger", "reset-unaccepted", "written-after-close", "read-reset")
BY_ITS_CLOSE = ("reset-by-unread", "reset-by-linger", "reset-unaccepted", "written-after-close")      # the other end learns of such a reset, and not the program that closed
FAILURES = ("ended-early", "refused", "write-failed", "read-reset")     # what another program met when this one had left the contract
WAITS = ("end-not-passed-on", "http-head", "http-body", "http-answer", "no-newline", "no-write", "wants-more", "unread-at-end", "in-accept-queue", "kept-open", "never-closed", "held-by-another",
         "edge-not-drained", "zero-window", "waits-for-input", "accept-queue-full")
ENDS = ("sigpipe", "died-of-signal", "ended-early")

# By the kind of cause: why a line of `late` comes only after a line of `early`.
WHY = {
    "FIN": "EOF at the {late} comes only after the {early}'s FIN.",
    "bytes": "The {late} can receive only what the {early} has sent.",
    "reset": "A reset comes to the {late} only after the {early} has closed or ended.",
    "connect": "A connection needs a server that listens and a client that connects.",
    "clock": "A pause before the {late}'s line gives everything else the time to happen.",
    "program": "A program does one thing after another.",
    "start": "The stage starts the {late} only after that (stage.txt).",
}
WHILE_WAITING = {"FIN": "The {early} sends none while it waits.", "bytes": "The {early} sends nothing while it waits."}
IN_PARTS = ("writev", "pwritev", "sendmsg", "sendmmsg")


class Why:
    """What explains the first difference of a verdict."""

    def __init__(self, verdict: Verdict, run: Run, contract: Contract, cast: Cast) -> None:
        self.verdict, self.run, self.cast = verdict, run, cast
        self.plan, self.path = contract.plan(verdict.choice), contract.path
        self.deeds = Deeds(run, cast.sides)
        self.events = {e.seq: e for e in run.events}
        self.findings = findings.find(run)

    def lines(self, d: Optional[Difference]) -> Iterator[str]:
        found = self._findings(d)
        number = list(self._number(d, d.observed)) if d is not None and d.kind == "missing" and d.observed else []
        if number:      # what the others did with that number is no reason for it
            found = [one for one in found if one.code == "deadlock"]
        yield from number
        circle = [one for one in found if one.code == "deadlock"]       # it says who waits for whom; the missing line says why
        told = [one for one in found if one not in circle]
        yield from self._flood() if self.verdict.word == "runaway" and not any(one.code in FIRST["runaway"] for one in told) else ()
        yield from (with_source(one.words, one.source) for one in told)
        yield from [self._no_read(d)] if d is not None and self._no_read(d) else ()
        yield from self._of(d, bool(told or number)) if d is not None else ()
        yield from (with_source(one.words, one.source) for one in circle)

    def _of(self, d: Difference, told: bool) -> Iterator[str]:
        """Yields what the difference itself tells. `told`: findings have said why."""
        slips = list(self._slips(d))
        yield from slips
        yield from self._no_signal(d) if d.kind in ("missing", "unexpected", "ends") else ()
        if d.kind == "order":
            yield from self._order(d)
        elif d.kind == "ends" and not told:
            yield from self._parent_ended(d)
        elif d.kind == "luck":
            read = uncounted(d, self.run)
            if read:
                yield (f"Before that line the {role_of(d.who)} read {count(sum(call.result for call in read), 'byte')}{at(read[-1].source)}, and its thread's lines since then do not tell the lab "
                       "so: event_received(conn, n, ...) does, event(...) does not.")
            elif self._untold(d)[0]:
                yield self._untold(d)[0]
            else:
                yield from _luck(d)
                yield from self._no_pause(d) if by_clock(d) else ()
        elif d.kind == "bytes" and self.run.wire and not self.run.missing and (told_of := re.fullmatch(r"(\d+) by its lines", d.found)):
            wrong = next((e for e in self.cast.of(role_of(d.who)) if e.kind == "send" and re.match(r"([Rr]eceived|EOF)\b", e.text)), None)
            yield (f"The wire carried what the contract asks for, {count(int(d.expected.split()[0]), 'byte')}. The {role_of(d.who)}'s lines tell the lab of {told_of[1]}: "
                   "event_sending(conn, n, ...) tells of n bytes, event(...) of none.")
            yield from [f"The line {quoted(wrong.text)}{at(wrong.source)} counts its bytes as sent ones. event_received(conn, n, ...) is for bytes that came."] if wrong is not None else ()
        elif d.kind == "bytes" and (printed := list(self._to_standard_output(d))):
            yield from printed
        elif d.kind == "bytes" and (call := self._unannounced(d)) is not None:
            yield f"No line of the {call.who} announces the {count(call.result, 'byte')} of that {acts.name(call)}."
        elif d.kind == "reset" and d.expected == "ECONNRESET":
            yield from self._nothing_unread(d)
        elif d.kind == "miscount" and d.observed is not None:
            yield from self._only_looked_at(d.observed)
        elif d.kind == "open" and d.found == "no pause":
            yield "That was a line and no more. pause_seconds() logs the line and waits."
        elif d.kind in ("deaf", "open"):
            yield from self._other_than_shut_wr(d)
            if d.found == "shutdown":
                yield "shutdown ends what is sent, or received, and keeps the descriptor. close gives it up."
        elif d.kind == "act" and d.found == "connect":
            yield from self._closed_before(d)
        elif d.kind == "act":
            early = next((one for one in self.verdict.differences if one.kind == "wire" and one.expected == "FIN" and one.other.endswith(" FIN") and role_of(one.who) == role_of(d.who)), None)
            yield from [f"So the {role_of(d.who)}'s FIN went out before the {role_of(early.other.rpartition(' ')[0])}'s, and the contract has it behind that."] if early is not None else ()
        elif d.kind == "port":
            yield f"It listens on port {d.found}. The lab looked for it and told the others; by hand a client would be refused."
            yield from self._other_order(d)
            yield from self._unbound(d)
        elif d.found == "nearly" and d.observed and not slips:
            theirs, came = f", the program's in {d.observed.source}" if d.observed.source else "", list(self._came_before(d, d.observed))
            yield (f"The two texts are nearly the same. Is one of them misspelt{', or did other bytes come' if came else ''}? The contract's stands in "
                   f"{self.path}:{d.line}{theirs}.")
            yield from came
        elif d.kind in ("missing", "unexpected"):
            line = next((x for x in self.plan.of(Line) if x.number == d.line and d.expected), None)
            call = self.deeds.unsaid(line.text, d.right, d.observed) if line is not None and d.kind == "missing" else None
            waits_on = told and d.blocked is not None and d.observed is None      # then the wait is the reason
            done = self._done_without_the_line(call, line) if call is not None and line is not None and not waits_on else ""
            done = done or no_error.none_failed(d, self.run)
            if done:
                yield done
                return
            misquoted = self.deeds.misquoted(d.observed, d.expected) if d.observed and d.kind == "missing" else 0
            if misquoted:
                yield f"The {count(misquoted, 'byte')} that came are those of the contract, and the line shows others. Does it quote the bytes of the buffer, and as many as came?"
                return
            cut = self.deeds.cut_short(d.observed, d.expected) if d.observed and d.kind == "missing" else None
            if cut is not None and d.observed:
                yield f"The {cut.who}'s {acts.name(cut)}{at(cut.source)} had returned {cut.result:,}, and the line tells of {d.observed.count:,}. What the call returned is how many bytes came."
                return
            begun = self.deeds.begins_what_came(d.observed, d.expected) if d.observed and d.kind == "missing" else 0
            if begun and d.observed:
                yield f"The next {count(begun, 'byte')} that had come are those of the contract. The line counts and shows only the first {'one' if d.observed.count == 1 else f'{d.observed.count:,}'} of them."
                return
            if self._text_says_other(d):
                yield f"The count that this line gives to the lab is {d.observed.count if d.observed else 0:,}, as the contract says. Its text has another number."
                return
            yield from self._awoke(d)
            yield from self._to_standard_output(d)
            yield from self._did_come(d)
            yield from self._accepts_again(d) if not told else ()
            yield from self._of_the_line(d, line)
            yield from no_error.why(d, line.text, self.run) if line is not None else ()
            yield from no_error.would_block(d, self.run) if not told else ()
            yield from self._poll_was_over(d) if not told else ()
            if line is not None and not told and d.kind == "missing" and self.verdict.word != "runaway":
                yield from self._missing(d, line)

    @staticmethod
    def _text_says_other(d: Difference) -> bool:
        """Does a line about bytes give the lab the count that the contract's text has, and differs its own text in that number alone?"""
        event = d.observed
        wanted, said = (re.split(r"(\d+)", text) for text in (d.expected, event.text if event else ""))
        other = [one for one, mine in zip(wanted, said) if one != mine]
        return event is not None and event.kind in ("send", "recv") and len(wanted) == len(said) and other == [str(event.count)]

    def _closed_before(self, d: Difference) -> Iterator[str]:
        """Yields the close of another connection that a thread made before a connect, if no line came between them."""
        made = next(call for call in self.run.calls if call.seq == d.act)
        last = max((e.seq for e in self.run.events if (e.pid, e.tid) == (made.pid, made.tid) and e.seq < made.seq), default=-1)
        close = next((c for c in self.run.calls if c.name == "close" and c.connection and not c.error and (c.pid, c.tid) == (made.pid, made.tid) and last < c.seq < made.seq), None)
        said = next((e for e in self.run.events if e.seq == last), None)
        if close is not None and not (said is not None and causes.is_a(said, "closing")):
            yield f"Before that it had closed connection {close.connection}{at(close.source)}, and no line of it says that, either."

    def _accepts_again(self, d: Difference) -> Iterator[str]:
        """Yields the accept in which WHO's thread waits, if that thread had accepted a connection before its last line that was right."""
        if d.observed is not None or d.blocked is None or d.blocked.call != "accept" or d.right is None or d.blocked.tid != d.right.tid:
            return
        mine = [c for c in self.run.calls if (c.pid, c.tid) == (d.right.pid, d.right.tid) and c.name in ACCEPTS]
        if mine and mine[-1].returned < 0 and mine[-1].seq > d.right.seq and any(not c.error and c.connection and c.seq < d.right.seq for c in mine[:-1]):
            yield f"It called accept again{at(mine[-1].source)}, and waits there for another connection."

    def _parent_ended(self, d: Difference) -> Iterator[str]:
        """Yields a sentence if a process ended well that was to go on, and a child process of it logged lines: which of the two is the child?"""
        ended = [end for end in self.run.endings if end.who == role_of(d.who) and end.how == d.found == "exit 0" and d.expected != end.how]
        last = [e for e in self.cast.of(role_of(d.who)) if len(ended) == 1 and e.pid == ended[0].pid and e.kind != "output"][-1:]
        child = next((e for e in self.cast.of(role_of(d.who)) if last and e.kind != "output" and e.pid in {end.pid for end in self.run.children}), None)
        if child is not None:
            yield (f"The last line of the process that ended is {quoted(last[0].text)}{at(last[0].source)}. {quoted(child.text)}{at(child.source)} is a line of its child process. "
                   "fork returns 0 in the child, and the child's number in its parent.")

    def _poll_was_over(self, d: Difference) -> Iterator[str]:
        """Yields the poll that ended because of its limit, if it is the last call on which a thread waited before it left the contract."""
        right = d.right.seq if d.right else -1
        mine = [c for c in self.run.calls if d.observed and (c.pid, c.tid) == (d.observed.pid, d.observed.tid) and right < c.seq and 0 <= c.returned < d.observed.seq]
        last = next((c for c in reversed(mine) if c.name in acts.POLLS or c.name in READS), None)
        if last is not None and last.name in acts.POLLS and last.limit >= 0 and last.result == 0 and not last.error and (last.asked or last.fd >= 0):
            yield (f"The {last.who}'s {acts.name(last)}{at(last.source)} ended because of its own limit of {timing.seconds(last.limit)}, with nothing ready." if last.limit else
                   f"The {last.who}'s {acts.name(last)}{at(last.source)} has a limit of 0, so it did not wait, and nothing was ready at that moment. What comes later it does not see.")

    def _no_signal(self, d: Difference) -> Iterator[str]:
        """Yields why a write that failed with EPIPE did not end a program that the contract has SIGPIPE end."""
        until, who = d.observed.seq if d.observed else LATE, role_of(d.who)
        if not any(ends.how == "signal PIPE" and role_of(ends.who) == who for ends in self.plan.of(Ends)) or any(end.who == who and end.how == "signal PIPE" for end in self.run.endings):
            return
        call = next((c for c in reversed(self.run.calls) if c.error == "EPIPE" and c.who == who and c.returned < until), None)
        way = {"MSG_NOSIGNAL": "MSG_NOSIGNAL asked the kernel for none", "SIGPIPE ignored": f"the {who} ignores it", "SIGPIPE handled": f"the {who} has a handler for it",
               "SIGPIPE blocked": f"the {who} has blocked it"}.get(call.option if call else "", "")
        if call is not None and way:
            yield f"With EPIPE a {acts.name(call)} brings the signal SIGPIPE. It did not end the {who}: {way}{at(call.source) if call.option == 'MSG_NOSIGNAL' else ''}."

    def _no_read(self, d: Difference) -> str:
        """Returns a sentence if WHO was to print what it received, and called no read in the whole run; else "". (Where its lines tell of what it does,
        another sentence says so.)"""
        who = role_of(d.who)
        ends = [side for side in self.cast.sides.all() if self.cast.sides.name(side) == who]
        if d.kind != "missing" or d.observed is None or not re.match(r"[Rr]eceived\b", d.expected) or any(e.who == who and e.kind != "output" for e in self.run.events):
            return ""
        if not ends or not all(map(self.deeds.seen, ends)) or any(c.name in READS and c.who == who for c in self.run.calls):
            return ""
        made = next((c for c in self.deeds.by_side.get(ends[0], ()) if c.name in ACCEPTS and not c.error), None)
        wrote = any(c.name in WRITES for c in self.deeds.by_side.get(ends[0], ()))
        had = "" if made is None or len(ends) > 1 else (f" Its accept{at(made.source)} had returned descriptor {made.result} for that connection, and it called "
                                                        f"{'no read' if wrote else 'neither read nor write'} on that descriptor.")
        return f"In the whole run the {who} called no read on {f'connection {ends[0][0]}' if len(ends) == 1 else 'any connection'}.{had}"

    def _did_come(self, d: Difference) -> Iterator[str]:
        """Yields in which reads the bytes came that a printed line was to show."""
        tail = d.expected.partition(": ")[2] if re.match(r"[Rr]eceived\b", d.expected) and d.observed and d.observed.kind == "output" and d.kind == "missing" else ""
        for side in self.cast.sides.all() if tail else ():
            reads = [c for c in self.deeds.by_side.get(side, ()) if c.name in READS and c.option != "MSG_PEEK" and c.result > 0 and c.returned >= 0]
            stream = "".join(c.data[:c.result] for c in reads)
            if self.cast.sides.name(side) != role_of(d.who) or tail not in stream or len(stream) != sum(c.result for c in reads):
                continue
            begin, ends = stream.index(tail), list(itertools.accumulate(c.result for c in reads))
            mine = [c for c, end in zip(reads, ends) if begin < end and end - c.result < begin + len(tail)]
            yield ("The bytes of that text did come: " + f"the {mine[0].who}'s {acts.name(mine[0])}{at(mine[0].source)} returned {standard.quoted(mine[0].data, mine[0].result)}." if len(mine) == 1 else
                   f"The bytes of that text did come, in {len(mine)} reads of {findings.streams.listed_sizes([str(c.result) for c in mine])} bytes{at(mine[0].source)}.")
            return

    def _to_standard_output(self, d: Difference) -> Iterator[str]:
        """Yields that a printed line which is none of the contract's has as many bytes as WHO was to send and did not write."""
        matched = {seq for _, seq in self.verdict.matched}
        lines = [d.observed] if d.observed else [e for e in self.cast.lines(d.who) if e.seq not in matched] if d.kind == "bytes" else []
        for said in self.plan.of(Bytes) if self.run.observed else ():
            line = next((e for e in lines if e.kind == "output" and len(e.text.encode()) + 1 == said.count), None)
            ends = self.cast.sides.between(role_of(said.sender), role_of(said.receiver))
            if line is not None and role_of(said.sender) == role_of(d.who) and ends and all(self.deeds.seen(side) and not self.deeds.wrote(side) for side in ends):
                yield (f"The {line.who} wrote none of the {said.count:,} bytes that it was to send to the {role_of(said.receiver)}. With its newline, the line {quoted(line.text)} has as many: it went to "
                       "the standard output (descriptor 1).")

    def _untold(self, d: Difference) -> "tuple[str, str]":
        """Returns a sentence about the earlier line of two, and its place, if that line tells of a write and gives no number of bytes. Returns ("", "") if it does not."""
        line = d.witnesses[0] if d.kind == "luck" and d.found == "count" and d.witnesses else None
        if line is None or line.kind == "send" or not causes.is_a(line, "sending"):
            return "", ""
        then = next((e.seq for e in self.run.events if (e.pid, e.tid) == (line.pid, line.tid) and e.seq > line.seq), LATE)
        writes = [c for c in self.run.calls if c.name in WRITES and c.connection and c.result > 0 and (c.pid, c.tid) == (line.pid, line.tid) and line.seq < c.seq < then]
        if not writes:
            return "", ""
        return (f"The line {quoted(line.text)} tells the lab of no bytes{at(line.source)}, and then the {line.who} wrote {count(sum(c.result for c in writes), 'byte')}{at(writes[0].source)}. "
                "event_sending(conn, n, ...) tells of n bytes, event(...) of none."), line.source

    def place(self, d: Difference) -> str:
        """Returns the place of the line by which a program left the contract, if luck is told, and that line is the reason; else ""."""
        if d.kind == "luck" and d.found == "held" and d.witnesses and d.brought:
            return d.witnesses[0].source
        return self._untold(d)[1]

    def _unannounced(self, d: Difference) -> Optional[Call]:
        """Returns the write that a wrong number of bytes names, if no line announces it; else None."""
        act = next((call for call in self.run.calls if call.seq == d.act), None)
        call = self.deeds.unannounced(self.cast.sides.of(act)) if act is not None else None
        return call if call is not None and call.seq == d.act else None

    def _flood(self) -> Iterator[str]:
        """Yields the one or two lines that a thread logged most often, if it logged one of them a thousand times."""
        threads = Counter((e.pid, e.tid) for e in self.run.events if e.kind != "output")
        most = threads.most_common(1)[0][0] if threads else (0, 0)
        mine = [e for e in self.run.events if (e.pid, e.tid) == most]
        often = [(text, n) for text, n in Counter(e.text for e in mine).most_common(2) if n >= OFTEN]
        if often:
            yield f"The {mine[0].who} said {' and '.join(f'{quoted(text)} {n:,} times' for text, n in often)}."
            last = next((c for c in reversed(self.run.calls) if c.name in READS and (c.pid, c.tid) == (mine[0].pid, mine[0].tid) and c.connection and c.returned >= 0), None)
            if any(causes.TEXTS["EOF"].match(text) for text, _ in often):
                yield "EOF stays: nothing comes behind it. So a loop that reads must end there."
            elif last is not None and last.result == 0 and last.asked and not last.error:
                yield f"Its last {acts.name(last)} on connection {last.connection}{at(last.source)} had returned 0: that is EOF, and nothing comes behind it. So a loop that reads must end there."

    def _other_order(self, d: Difference) -> Iterator[str]:
        """Yields a sentence if WHO bound the port that it was given with its two bytes in the other order."""
        bind = next((call for call in self.run.calls if call.name == "bind" and call.who == role_of(d.who) and not call.error and call.address.endswith(f":{d.found}")), None)
        if bind is not None and connecting.swapped(d.expected) == d.found:
            yield f"Its bind{at(bind.source)} named port {d.found}. {connecting.other_order(d.expected, d.found)}"

    def _unbound(self, d: Difference) -> Iterator[str]:
        """Yields a sentence if a program called listen on a socket that it had not bound."""
        mine = [call for call in self.run.calls if call.who == role_of(d.who) and not call.error]
        for call in mine if self.run.observed else ():
            before = [one.name for one in mine if (one.pid, one.fd) == (call.pid, call.fd) and one.seq < call.seq]
            if call.name == "listen" and not {"bind", "connect", "listen"} & set(before):
                yield f"It called listen{at(call.source)} and no bind before that. Then the kernel chooses the port."
                return

    def _number(self, d: Difference, event: Event) -> Iterator[str]:
        """Yields which bytes came, or were put, where WHO's line has another number than the contract."""
        yield from numbers.put(d.expected, event.text)
        side = self.cast.sides.of(event)
        if side is None or not self.deeds.seen(side):
            return
        reads = [call for call in self.deeds.by_side.get(side, ()) if call.name in READS and call.option != "MSG_PEEK" and 0 <= call.returned < event.seq and call.result > 0]
        if all(len(call.data) >= call.result for call in reads):
            stream = "".join(call.data[:call.result] for call in reads).encode("latin-1")
            told = sum(line.count for line in self.cast.sides.lines(side) if line.kind == "recv" and line.seq < event.seq)
            yield from numbers.taken(d.expected, event.text, [stream[told:], *(stream[-size:] for size in (4, 2, 8))])

    def _slips(self, d: Difference) -> Iterator[str]:
        """Yields sentences about a slip in C with a length, or with the end of a text. The sentences are about C, so they are
        true of every program. They are told if the run looks as it does after such a slip."""
        event, act = d.observed, next((call for call in self.run.calls if call.seq == d.act), None)
        wrote = {"unwritten": d.found, "bytes": str(act.result) if act else "", "missing": str(event.count) if event and (d.expected.startswith(event.text[:-1]) or event.text.startswith(d.expected[:-1] or "?")) else ""}
        wanted = int(d.expected) if d.expected.isdigit() else LATE
        read = self._last_read(event) if event and d.kind == "missing" else None
        parts = act is not None and act.name in IN_PARTS       # its length is the sum of several, so no single `sizeof` made it
        if wrote.get(d.kind) == str(POINTER) and wanted > POINTER and not parts and (d.kind != "unwritten" or self._wrote_at_once(d, POINTER)):
            yield f"{POINTER} bytes is the size of a pointer: `sizeof` of a `char *` gives that on a 64-bit machine, however long the text is."
        elif event and read and read.asked == read.result == POINTER and (os.path.commonprefix([d.expected, plain(event.text)]).endswith(read.data)
                                                                          or standard.quoted(read.data, POINTER)[:-1] in d.expected):
            yield (f"The {role_of(d.who)}'s read{at(read.source)} asked for {POINTER} bytes. That is the size of a pointer: `sizeof` of a `char *` gives it on a "
                   "64-bit machine, however much room the pointer leads to.")
        if event and d.kind == "missing":
            yield from self._other_errno(d, event)
        if d.kind == "unwritten" and d.found == "0" and event and act is None:
            yield from self._kept_in_a_buffer(event)
        if d.kind == "unwritten" and d.expected == "-1":
            yield "A call that fails returns -1. As a size (size_t) that is 18,446,744,073,709,551,615."
        if d.kind == "unwritten" and act and 0 < act.result == int(d.found) < wanted and len(act.data) >= act.result and re.search(r"[\x01-\x08\x0e-\x1f\x7f-\xff]", act.data[:act.result]) and "\0" not in act.data[:act.result]:
            yield "These bytes are no text, and none of them is 0. `strlen` counts up to the first byte 0, and where the bytes are no text, a 0 may be anywhere among them."
        if d.kind == "bytes" and act and self._zeros_too_many(d, act) or d.kind == "missing" and event and event.text == f'{d.expected[:-1]}\\0"':
            yield 'The last byte is a 0: `sizeof "text"` and `strlen(text) + 1` count the byte 0 that ends a text in C.'
        if d.kind == "unlike" and act and act.result > 1 and act.data[:act.result].find("\0") == act.result - 1:
            yield "The last byte is a 0, with which C ends a text. A length that is too large by one sends that 0."
        more = self._beyond(d, act)
        if more == "\0":
            yield 'The last byte is a 0: `sizeof "text"` and `strlen(text) + 1` count the byte 0 that ends a text in C.'
        elif more:
            c = "" if more in ("\n", "\r\n") else " `strlen` counts up to a byte 0, wherever that stands, and `sizeof` counts a whole array."
            yield f"Behind the {count(int(d.expected), 'byte')} that the line announces it sent {standard.quoted(more, len(more))}.{c}"
        if event and d.kind == "missing" and d.expected and event.text != d.expected and (event.text.endswith(d.expected) or event.text.startswith(d.expected)):
            before, _, behind = event.text.partition(d.expected)
            if any(not c.isprintable() or c == "\ufffd" for c in before + behind):
                yield (f"{'Before' if before else 'Behind'} {quoted(d.expected)} stand bytes that are no text. `%s` and `strlen` go on up to a byte 0, and `read` puts "
                       "none behind the bytes that it brings.")

    def _kept_in_a_buffer(self, event: Event) -> Iterator[str]:
        """Yields the later write that had the bytes of a line which was followed by no write."""
        said = quoted_bytes(event.text)
        later = next((c for c in self.run.calls if c.name in WRITES and (c.pid, c.fd) == (event.pid, event.fd) and c.seq > event.seq and said), None)
        mine = [c for c in self.run.calls if c.name in WRITES and c.pid == event.pid and (c.seq > event.seq or c.returned < 0)]
        printed = next((one for one in self.run.outputs if one.who == event.who and one.stream == "stdout" and one.seq > event.seq and len(one.text.encode()) + 1 == event.count), None)
        if self.run.observed and not mine and not self.deeds.is_blind(event.pid) and printed is not None:
            yield (f"It called no write on a connection after that line, and it printed {quoted(printed.text)}: with the newline that has {event.count:,} bytes, too. It went to the standard output "
                   "(descriptor 1).")
        elif self.run.observed and not mine and not self.deeds.is_blind(event.pid):
            yield (f"It called no write on a connection after that line. If it used stdio (fwrite, fprintf, fputs), the bytes lie in a buffer of the {event.who} until fflush or fclose, until the buffer "
                   "is full, or until the program ends.")
        elif later is not None and said in later.data:
            yield (f"A later {acts.name(later)} of the {later.who}{at(later.source)} has these bytes, and {acts.returned(later)}. stdio (fwrite, fprintf, fputs) keeps bytes in a buffer of the program until "
                   "fflush or fclose, until the buffer is full, or until the program ends.")

    def _other_errno(self, d: Difference, event: Event) -> Iterator[str]:
        """Yields the call that failed as the contract says, if the line behind it names another error."""
        wanted, said = (re.fullmatch(r"(Error\b.*\b)(E[A-Z0-9]+|unknown error)", text) for text in (d.expected, event.text))
        right = d.right.seq if d.right else -1
        call = next((c for c in self.run.calls if wanted and said and wanted[1] == said[1] and c.error == wanted[2] and (c.pid, c.tid) == (event.pid, event.tid)
                     and right < c.returned < event.seq), None)
        if call is not None and wanted is not None:
            yield (f"The {call.who}'s {acts.name(call)}{at(call.source)} failed with {wanted[2]}, as the contract says. errno keeps an error only until another call changes it: "
                   "keep its value in a variable, or log it, right behind the call that failed.")

    def _wrote_at_once(self, d: Difference, n: int) -> bool:
        """Did WHO ask one write for so many bytes, after the line that the difference is about?"""
        return d.observed is not None and any(c.name in WRITES and c.asked == n and c.seq > d.observed.seq and (c.pid, c.tid) == (d.observed.pid, d.observed.tid)
                                              for c in self.run.calls)

    def _zeros_too_many(self, d: Difference, act: Call) -> bool:
        """Did the sender send as many bytes too many as it made writes that end in a byte 0?"""
        writes = [call for call in self.run.calls if call.name in WRITES and self.cast.sides.of(call) == self.cast.sides.of(act)]
        extra = {int(words.split()[0]) - int(d.expected.split()[0]) for words in d.found.split(" and ")}
        return extra == {sum(call.data.endswith("\0") and call.result > 0 for call in writes)} != {0}

    def _beyond(self, d: Difference, act: Optional[Call]) -> str:
        """Returns the bytes that a write sent behind those that its "sending" line announces; "" if it sent none, or if the record has not all of it."""
        event = d.observed
        if d.kind != "unwritten" or event is None or act is None or not 0 < event.count == int(d.expected) < int(d.found):
            return ""
        before = sum(max(c.result, 0) for c in self.run.calls if c.name in WRITES and (c.pid, c.tid, c.connection) == (act.pid, act.tid, act.connection) and event.seq < c.seq < act.seq)
        more = before + act.result - event.count
        return act.data[act.result - more:act.result] if 0 < more <= act.result <= len(act.data) else ""

    def _other_than_shut_wr(self, d: Difference) -> Iterator[str]:
        """Yields what a program did between a line that announces SHUT_WR and its next line, if that was another shutdown, or a write."""
        shut = next((c for c in self.run.calls if c.seq == d.act), None) if d.kind == "deaf" else None
        said = d.observed if d.kind == "open" and d.found == "no shutdown" else next((
            e for e in reversed(self.run.events) if shut is not None and (e.pid, e.tid) == (shut.pid, shut.tid) and e.seq < shut.seq), None)
        if said is None or not re.match(r"shutting down SHUT_WR\b", said.text):
            return
        if shut is not None and any(c.name == "shutdown" and c.option == "SHUT_WR" and not c.error and said.seq < c.seq < shut.seq and (c.pid, c.tid) == (shut.pid, shut.tid) for c in self.run.calls):
            return              # it had done what the line says
        if shut is not None:
            yield ("SHUT_RD ends the receiving alone and sends nothing: no FIN goes out. SHUT_WR ends the sending." if shut.option == "SHUT_RD" else
                   f"{shut.option} ends the receiving, too. SHUT_WR ends the sending alone.")
            return
        then = next((e.seq for e in self.run.events if (e.pid, e.tid) == (said.pid, said.tid) and e.seq > said.seq), LATE)
        wrote = next((c for c in self.run.calls if c.name in WRITES and (c.pid, c.tid, c.connection) == (said.pid, said.tid, said.connection) and said.seq < c.seq < then
                      and not c.error and c.returned >= 0), None)
        if wrote is not None and wrote.result == 0:
            yield f"In place of it the {wrote.who} called {acts.name(wrote)} with 0 bytes{at(wrote.source)}: that sends nothing, and the other end does not learn of it."
        elif wrote is not None:
            shown = f", {standard.quoted(wrote.data, wrote.result)}" if len(wrote.data) >= wrote.result else ""
            yield f"In place of it the {wrote.who} wrote {count(wrote.result, 'byte')}{shown}{at(wrote.source)}. No byte in a stream says that it ends: a FIN does, and shutdown or close sends it."

    def _nothing_unread(self, d: Difference) -> Iterator[str]:
        """Yields why a close sent a FIN and no reset: its program had read all that had come."""
        close = next((call for call in self.run.calls if call.seq == d.act), None)
        side = self.cast.sides.of(close) if close is not None else None
        other = self.cast.sides.other(side)
        if close is None or side is None or other is None or not self.deeds.seen(side) or not self.deeds.seen(other):
            return
        wrote, took = self.deeds.wrote(other, close.seq), self.deeds.took(side, close.seq)
        last = next((call for call in reversed(self.deeds.by_side.get(side, ())) if call.name in READS and call.result > 0 and 0 <= call.returned < close.seq), None)
        if last is not None and took == wrote:
            yield (f"The {close.who} had read the {count(wrote, 'byte')} that had come, the last of them{at(last.source)}. Nothing lay unread in its kernel, and then a close sends a FIN. "
                   "It sends a reset if bytes lie unread.")

    def _only_looked_at(self, event: Event) -> Iterator[str]:
        """Yields a sentence if the last read that brought bytes before a line left them in the kernel."""
        side = self.cast.sides.of(event)
        read = next((c for c in reversed(self.deeds.by_side.get(side, ())) if c.name in READS and 0 <= c.returned < event.seq and c.result > 0), None) if side is not None else None
        if read is not None and read.option == "MSG_PEEK":
            yield f"Its {acts.name(read)}{at(read.source)} has the flag MSG_PEEK: it shows bytes, and they stay in the kernel."

    def _came_before(self, d: Difference, event: Event) -> Iterator[str]:
        """Yields which bytes a thread read between its last line that was right and a line that says what it received, and who had sent them."""
        right = d.right.seq if d.right else -1
        read = self._last_read(event) if _tells_of_what_came(event.text) else None
        other = self.cast.sides.other(self.cast.sides.of(read)) if read is not None and read.returned > right else None
        writes = [c for c in self.deeds.by_side.get(other, ()) if c.name in WRITES and c.result > 0 and c.seq < read.returned] if other is not None and read is not None else []
        if read is not None and writes:
            yield f"The last bytes that the {read.who} read before that line{at(read.source)} are bytes that the {writes[-1].who} had sent{at(writes[-1].source)}."

    def _last_read(self, event: Event) -> Optional[Call]:
        """Returns the last read of a connection that the line's thread made before the line, and that brought bytes; None if
        there is none."""
        reads = [call for call in self.run.calls if (call.pid, call.tid) == (event.pid, event.tid) and call.connection and call.name in READS
                 and 0 <= call.returned < event.seq and call.result > 0]
        return reads[-1] if reads else None

    # findings

    def _findings(self, d: Optional[Difference]) -> "list[Finding]":
        """Returns the last findings before the place where the run left the contract."""
        if d is not None and d.kind in ALONE and self.verdict.word == "runaway":
            return [one for one in self.findings if one.code in FIRST["runaway"]][-1:]
        if d is not None and d.kind in ALONE and self.verdict.word != "crash":
            return [one for one in self.findings if one.code == "deadlock" and not self._is_asked_for(one, d)
                    or one.code in REASONS.get(d.kind, ()) and one.who == role_of(d.who) and (d.kind not in ("unwritten", "act") or d.act in one.evidence)]
        printed = d is not None and d.observed is not None and d.observed.kind == "output"      # its place says nothing: the lab read it some time later
        place = d.at if d is not None and not printed and self.verdict.word == "differs" else LATE
        found = [one for one in self.findings if one.at <= place and not one.remark and not self._is_asked_for(one, d)] or [one for one in self.findings if self._is_its_reason(one, d)]
        first = FIRST.get(self.verdict.word, ())
        found = [one for one in found if one.code in first] or found
        if d is not None and d.observed is not None and re.search(r"\b(EBADF|ENOTSOCK)$", d.observed.text):
            found = [one for one in found if one.code == "wrong-descriptor" and one.who == role_of(d.who)] or found
        if self.verdict.word == "runaway":          # it was stopped on its way: what it had not done by then explains nothing
            found = [one for one in found if one.code not in ("never-closed", "kept-open") and (one.code != "unread-at-end" or d is None or one.who == role_of(d.who))]
        if self.verdict.word == "deadlock" and d is not None and d.observed is not None and not printed and d.kind in ("missing", "unexpected"):
            left = d.observed.seq                   # what another program waits for since then may come of that
            found = [one for one in found if one.code == "deadlock" or one.who == role_of(d.who) and d.blocked or one.at < left]
        if d is not None and d.right and d.right.kind == "recv" and quoted_bytes(d.right.text).endswith("\n") and causes.TEXTS["sending"].match(d.expected):
            found = [one for one in found if one.code != "no-newline" or one.who != role_of(d.who)]      # it had a whole line, and was to answer
        if self.verdict.word == "differs" and d is not None and d.observed is not None and not printed and d.kind in ("missing", "unexpected"):
            found = [one for one in found if not self._wrote_later(one, d.observed)]
        if d is not None and self._prints_twice(d):
            return []           # what came of that is no reason for it
        if d is not None and (d.kind == "ends" or printed):
            found = [one for one in found if one.who == role_of(d.who)] or found
        if d is not None and (self._no_read(d) or any(one.code == "ended-early" and one.who == role_of(d.who) for one in found) and (printed or d.observed is None)):
            found = [one for one in found if not (one.code in BY_ITS_CLOSE if one.who == role_of(d.who) else one.code in FAILURES)]
        elif printed and d is not None:
            found = [one for one in found if one.code not in BY_ITS_CLOSE or one.who != role_of(d.who)] or found
        if d is not None and (printed or d.observed is None):       # what came of its end is no reason for it
            gave_up = next((n for n, one in enumerate(found, 1) if one.code == "ended-early" and one.who == role_of(d.who)), len(found))
            found = [one for one in found[:gave_up] if self.verdict.word != "crash" or one.code not in RESETS or one.who != role_of(d.who)]
        if not found and d is not None and d.kind == "unexpected" and d.observed is not None and causes.is_a(d.observed, "closing"):
            found = [one for one in self.findings if one.code == "wrong-descriptor" and one.who == role_of(d.who) and self._closes(d.observed) in one.evidence]
        return found[-MOST:]

    def _closes(self, event: Event) -> int:
        """Returns the place of the close that a thread called behind a line, before its next one; -1 if it called none."""
        then = next((e.seq for e in self.run.events if (e.pid, e.tid) == (event.pid, event.tid) and e.seq > event.seq), LATE)
        return next((c.seq for c in self.run.calls if c.name == "close" and (c.pid, c.tid) == (event.pid, event.tid) and event.seq < c.seq < then), -1)

    def _prints_twice(self, d: Difference) -> bool:
        """Did a program print a line again that it had printed just before, and has it a child process?"""
        return (self.verdict.word == "differs" and d.kind in ("missing", "unexpected") and d.observed is not None and d.observed.kind == "output" and any(end.who == role_of(d.who) for end in self.run.children)
                and any(e != d.observed and e.text == d.observed.text for e in d.witnesses))

    def _wrote_later(self, one: Finding, event: Event) -> bool:
        """Is a finding about a reset which a write brought that the line's program made only after the line? Then it is no reason for the line."""
        return one.code in RESETS and any(c.seq in one.evidence and c.seq > event.seq and c.who == event.who and c.name in WRITES for c in self.run.calls)

    def _is_asked_for(self, one: Finding, d: Optional[Difference]) -> bool:
        """Does the contract ask for what a finding tells, and did the run do what the contract asks? It did if all lines about a
        reset were logged, or if the program came to its last line before it waited or ended. Such a finding explains no
        difference."""
        seen = {number for number, _ in self.verdict.matched}
        if one.code in RESETS:
            read = [line for line in self.plan.of(Line) if causes.TEXTS["reset"].match(line.text)]
            about = d is not None and (d.kind == "wire" or d.observed is not None and causes.is_a(d.observed, "reset"))
            asked = bool(read) or any(wire.what == "RST" for wire in self.plan.of(Wire))
            return asked and not about and all(line.number in seen for line in read)
        if one.code == "in-use":
            failed = [line for line in self.plan.of(Line) if role_of(line.who) == one.who and line.text.endswith("EADDRINUSE")]
            about = d is not None and d.observed is not None and d.observed.text.endswith("EADDRINUSE")
            return bool(failed) and not about and all(line.number in seen for line in failed)
        if one.code == "socket-time-limit":
            limits = [line for line in self.plan.of(Line) if role_of(line.who) == one.who and line.text.endswith("EAGAIN")]
            return bool(limits) and all(line.number in seen for line in limits)
        if one.code == "held-by-another" and d is not None and d.blocked and any(call.seq in one.evidence and call.connection == d.blocked.connection for call in self.run.calls):
            return False        # the program that left the contract waits for the FIN that the copy keeps back
        whos = [who for cycle in self.plan.of(Deadlock) for who in cycle.whos] if one.code == "deadlock" else [one.who]
        if not whos or d is not None and d.kind == "ends" and role_of(d.who) in whos:
            return False
        if any(line.number not in seen for line in self.plan.of(Line) if role_of(line.who) in whos):
            return False
        hows = {ends.how for ends in self.plan.of(Ends) if role_of(ends.who) == one.who}
        was = {end.how for end in self.run.endings if end.who == one.who}
        return one.code == "deadlock" or bool(was) and was <= hows and (one.code in WAITS and all(how.startswith("waiting") for how in was)
                                                                         or one.code in ENDS and not any(how.startswith("waiting") for how in was))

    def _is_its_reason(self, one: Finding, d: Optional[Difference]) -> bool:
        """Does a remark say what WHO did between its last line that was right and the line that was not?"""
        if d is None or not one.remark or one.who != role_of(d.who) or not d.observed or not one.evidence:
            return False
        read = next((call for call in self.run.calls if one.code == "glued" and call.seq in one.evidence and call.name in READS), None)
        if read is not None and (read.asked == read.result or standard.quoted(read.data, read.result) in d.expected or self._is_of_one_line(read)):
            return False        # the read took no more because it asked for no more, or it brought what the contract asks for
        if one.code == "kept-apart-by-time" and not d.observed.text.lower().startswith("received"):
            return False        # that is luck, and no line of another kind follows from it
        right = d.right.seq if d.right else -1
        return right < max(one.evidence) < d.observed.seq

    def _is_of_one_line(self, read: Call) -> bool:
        """Did a read bring only bytes that one line of the sender announces? Then that line's message was written in pieces, and no two
        messages came together."""
        side = self.cast.sides.of(read)
        other = self.cast.sides.other(side)
        if side is None or other is None or not self.deeds.seen(side):
            return False
        first, last = self.deeds.took(side, read.returned) + 1, self.deeds.took(side, read.returned) + read.result
        end = 0
        for line in self.cast.sides.lines(other):
            begin, end = end + 1, end + (line.count if line.kind == "send" else 0)
            if begin <= first and last <= end:
                return True
        return False

    # a line that came in the wrong place

    def _order(self, d: Difference) -> Iterator[str]:
        early = role_of(d.other.partition(":")[0])
        kind = "clock" if by_clock(d) else cause_of(d.expected)
        if d.observed and any(start.after and start.pid == d.observed.pid for start in self.run.starts) and self._is_first(d.observed):
            kind = "start"
        elif early == role_of(d.who):
            if len({(e.pid, e.tid) for e in d.witnesses}) > 1:
                return      # two threads, or processes, of one program
            kind = "program"
        asleep = self._asleep(d, early) or self._held_up(d, early) if kind == "clock" else ""
        yield asleep or WHY[kind].format(late=role_of(d.who), early=early)
        yield from self._no_pause(d) if kind == "clock" else ()
        yield from self._which_fin(d.observed) if kind == "FIN" and d.observed else ()
        if kind not in ("clock", "program", "start") and not self._ended_before(d, early):
            lacks = "" if self.run.observed else ", or lacks one"
            yield f'A log that says otherwise has a line in the wrong place{lacks}: say before you act ("closing", then close), say after you learn.'

    def _asleep(self, d: Difference, early: str) -> str:
        """Returns a sentence if the program whose line was to come first slept in a call of its own when the other line came; else ""."""
        line = next((e for e in d.witnesses if e.who == early and d.observed and e.seq > d.observed.seq), None)
        call = next((c for c in self.run.calls if line and d.observed and c.name in acts.SLEEPS and (c.pid, c.tid) == (line.pid, line.tid) and c.limit > 0
                     and c.seq < d.observed.seq < c.returned < line.seq), None)
        return f"The {early} slept then, for {timing.seconds(call.limit)}{at(call.source)}. So it had not come to its line." if call is not None else ""

    def _held_up(self, d: Difference, early: str) -> str:
        """Returns a sentence if the program whose line was to come first waited in a read, a write or an accept when the other line came; else ""."""
        line = next((e for e in d.witnesses if e.who == early and d.observed and e.seq > d.observed.seq), None)
        call = next((c for c in self.run.calls if line and d.observed and c.name in (*READS, *WRITES, *ACCEPTS) and (c.pid, c.tid) == (line.pid, line.tid)
                     and c.seq < d.observed.seq < c.returned < line.seq), None)
        where = f" on connection {call.connection}" if call is not None and call.name not in ACCEPTS else ""
        return f"The {early} waited in {acts.name(call)}{where}{at(call.source)} then. So it had not come to its line." if call is not None else ""

    def _which_fin(self, event: Event) -> Iterator[str]:
        """Yields the call by which the other end was given up, and so brought the EOF that a line tells of."""
        side = self.cast.sides.of(event)
        reads = [call for call in self.deeds.by_side.get(side, ()) if call.name in READS and 0 <= call.returned < event.seq] if side is not None else []
        brought = causes.brought_by(self.run, self.cast.sides, reads[-1]) if reads and reads[-1].result == 0 and not reads[-1].error else None
        call = self.deeds.act(brought) if brought is not None else None
        if call is not None:
            yield f"The {call.who}'s {acts.name(call)}{at(call.source)} sent it."

    def _no_pause(self, d: Difference) -> Iterator[str]:
        """Yields a sentence if WHO's last line said "pausing", and its thread did not wait."""
        mine = [e for e in self.run.events if d.observed and (e.pid, e.tid) == (d.observed.pid, d.observed.tid) and e.seq < d.observed.seq]
        if d.observed and mine and mine[-1].text.startswith("pausing") and mine[-1].kind == "note" and self.run.observed and not any(
                c.name in SLEEPS and (c.pid, c.tid) == (d.observed.pid, d.observed.tid) and mine[-1].seq < c.seq < d.observed.seq for c in self.run.calls):
            yield f"The {mine[-1].who} said {quoted(mine[-1].text)}, and did not pause: that was a line and no more. pause_seconds() logs the line and waits."

    def _ended_before(self, d: Difference, who: str) -> bool:
        """Had the program `who` logged before that line that it ends the connection? Then the line need not be in a wrong place:
        that may have ended it."""
        return d.observed is not None and any(
            e.who == who and e.connection == d.observed.connection and e.seq < d.observed.seq and (causes.is_a(e, "closing") or causes.is_a(e, "half-closing"))
            for e in self.run.events)

    def _is_first(self, event: Event) -> bool:
        """Is it the first line of its thread?"""
        return not any((e.pid, e.tid) == (event.pid, event.tid) and e.seq < event.seq for e in self.run.events)

    # a line that never came

    def _of_the_line(self, d: Difference, line: Optional[Line]) -> Iterator[str]:
        if self._prints_twice(d):
            yield f"The {role_of(d.who)} has a child process (fork). Both processes go on behind the fork, and what either of them prints stands here."
        if d.extra:
            yield "That is one line more than the contract lists; all others are as it says. For notes of your own, write to standard error."
        if d.observed and len({e.pid for e in d.witnesses}) == 2 and {e.who for e in d.witnesses} == {d.observed.who} and all(e.pid for e in d.witnesses):
            yield from self._of_two_processes(d, d.observed)
        elif d.kind == "unexpected" and d.observed and d.expected and (later := self._of_another_process(d, d.observed)) is not None:
            yield (f"{quoted(d.expected)} came later, from another process of the {later.who}{at(later.source)}. After a fork two processes go on side by side. "
                   "The one does not wait for the other, unless it calls wait.")
        elif d.kind == "unexpected" and d.observed and not d.expected and "child" in (process := findings.Facts(self.run).process(d.observed.who, d.observed.pid)):
            yield f"That line is of {process}. A child process goes on behind its fork until it ends, so it may come to lines that are meant for its parent."
        if d.kind == "missing" and not d.observed:
            yield from self._became_another(d)
        printed = next((one for one in self.run.outputs if d.kind == "missing" and one.who == role_of(d.who) and one.text == d.expected), None)
        judged = any(e.who == printed.who and e.kind != "output" for e in self.run.events) if printed is not None else False
        if printed is not None and not judged and printed.stream == "stderr":
            yield f"The {printed.who} printed that text on its standard error. The contract is compared with what it prints on its standard output."
        if printed is not None and judged:
            stream = {"stdout": "standard output", "stderr": "standard error"}[printed.stream]
            yield f"The {printed.who} printed that text on its {stream}. A contract counts the lines that event() logs, and not what a program prints besides."
        if line is not None and line.text.startswith("pausing"):
            slept = self.deeds.slept(d.right, d.observed.seq if d.observed else LATE) if d.right else None
            if slept is not None:
                yield (f"It slept in place of that{at(slept.source)}. The clock treats a sleep and a pause alike, but the contract asks for the line: "
                       "pause_seconds() logs it.")

    def _became_another(self, d: Difference) -> Iterator[str]:
        """Yields that a process of WHO's program, which had a connection, became another program before it came to the missing line."""
        right = max((e.seq for e in d.witnesses), default=-1)
        ends = [end for side in self.cast.sides.all() if (end := self.cast.sides.end(side)) is not None]
        had = {h.pid: h for end in ends for h in end.holders}
        gone = next((one for one in self.run.execs if one.who == role_of(d.who) and one.pid in had and not any(e.pid == one.pid and e.seq > one.seq for e in self.run.events)), None)
        if gone is not None and right >= 0:
            process, kept = findings.Facts(self.run).process(gone.who, gone.pid), had[gone.pid].how != "exec" and had[gone.pid].since < gone.seq
            yield (f"{process[:1].upper()}{process[1:]} became another program{f', {gone.program}' if gone.program else ''} (exec). No line of the {gone.who} that stands behind that call is "
                   f"reached in it.{' That program got the connection, too: the descriptor was not close-on-exec.' if kept else ''}")

    def _of_two_processes(self, d: Difference, event: Event) -> Iterator[str]:
        """Yields why the last line that was right and the line that was not belong to two processes of one program. If the first of these
        processes waited for a child when the line came, it says that."""
        waited = next((c for c in self.run.calls if c.name in ("wait4", "waitid", "vfork") and c.pid in {e.pid for e in d.witnesses if e != event} and c.seq < event.seq
                       and not 0 <= c.returned < event.seq), None)
        yield f"These two lines are of two processes of the {event.who}." + (
            f" One of them had called vfork{at(waited.source)}: in a parent it returns only when the child process has ended, or has become another program (exec)." if waited is not None and waited.name == "vfork" else
            f" One of them waited for the end of a child process{at(waited.source)} when the other one logged its line." if waited is not None else
            " A fork returns in both processes, and each goes on behind it.")

    def _of_another_process(self, d: Difference, event: Event) -> Optional[Event]:
        """Returns the line that was to come in place of this one, if another process of the program logged it later; else None."""
        came = next((e for e in self.run.events if e.who == event.who and e.text == d.expected and e.seq > event.seq), None)
        return came if came is not None and came.pid != event.pid else None

    def _done_without_the_line(self, call: Call, line: Line) -> str:
        """Returns what a call did that WHO's missing line was to tell of."""
        if call.name in WRITES:
            return (f"Before that the {call.who} wrote {count(call.result, 'byte')} on connection {call.connection}{at(call.source)}, and no line of it announces "
                    f"{'it' if call.result == 1 else 'them'}.")
        made = f", which {'made' if call.name == 'connect' else 'took'} connection {call.connection}" if call.name in ("connect", *ACCEPTS) else ""
        return f"The {call.who} called {acts.name(call)}{at(call.source)} before that{made}. What is missing is the line {quoted(line.text)}."

    def _awoke(self, d: Difference) -> Iterator[str]:
        """Yields the sleep of which WHO awoke before a line that was one too many."""
        if d.kind != "unexpected" or d.expected or d.observed is None or d.right is None:
            return
        slept = self.deeds.slept(d.right, d.observed.seq)
        if slept is not None and slept.name in acts.SLEEPS:
            yield f"Before that line the {role_of(d.who)} slept{at(slept.source)}. That sleep was over, and it went on."

    def _missing(self, d: Difference, line: Line) -> Iterator[str]:
        """Yields what waits for the missing line at the other side, or what the missing line itself waits for. Yields neither if
        the program did log such an act, in other words: then nobody waits for it."""
        seen = {number for number, _ in self.verdict.matched}
        kept = self._kept_to_itself(d) or self._right_end(d) or self._taken_before(d)
        if kept:
            yield kept
            return
        other_words = d.observed is not None and causes.alike(line.text, d.observed.text)
        for late in self.plan.of(Line) if d.kind == "missing" and not other_words else ():
            for ref in late.after:
                if self.plan.named(ref) == line and late.number not in seen and (not d.observed or cause_of(late.text) != "bytes" or _announces_bytes(line)):
                    yield from self._waits(late.who, ref, late.text, bool(d.blocked))
                    return
        for ref in line.after:
            named = self.plan.named(ref)
            if named is not None and not ref.clock and (not d.observed or _tells_of_what_came(line.text)):
                matched = [seq for number, seq in self.verdict.matched if number == named.number]
                came = self.events.get(matched[0]) if matched else None
                if came is not None and cause_of(line.text) == "bytes" and self._has_more_than(d, came):
                    yield f"By then the {role_of(d.who)} had read all that the {role_of(ref.who)} announces with {quoted(came.text)}."
                    return
                gave_up = d.observed is not None and any(causes.is_a(d.observed, what) for what in ("closing", "half-closing", "sending"))
                if not self._has_all(d, line, came) and not gave_up:
                    yield from self._waits(line.who, ref, line.text, blocked=False)
                yield from self._whether_it_came(d, ref, line.text, came)
                return

    def _has_all(self, d: Difference, line: Line, came: Optional[Event]) -> bool:
        """Had WHO read all bytes that were written to it, or had all been written that were announced, where its line was to tell of bytes? Then it did not wait
        for the other program."""
        side, place = self.cast.sides.of(came) if came is not None else None, None if d.at == LATE else int(d.at)
        other = self.cast.sides.other(side)
        if side is None or other is None or cause_of(line.text) != "bytes" or not self.deeds.seen(side) or not self.deeds.seen(other):
            return False
        wrote = self.deeds.wrote(side, place)
        return 0 < wrote <= self.deeds.took(other, place) or came is not None and wrote >= self.deeds.announced_until(side, came.seq + 1) > 0

    def _has_more_than(self, d: Difference, sending: Event) -> bool:
        """Had WHO read all bytes that are announced up to a line of another program, which announces more behind it? Then luck decides how many of
        these had been written by then, and they say nothing of WHO's line."""
        side = self.cast.sides.of(sending)
        other = self.cast.sides.other(side)
        if d.observed is None or sending.kind != "send" or side is None or other is None or not self.deeds.seen(other) or causes.is_a(d.observed, "EOF"):
            return False
        told = self.deeds.announced_until(side, sending.seq + 1)
        return self.cast.sides.of(d.observed) in (None, other) and told < self.deeds.announced_until(side, sys.maxsize) and told <= self.deeds.took(other, d.observed.seq)

    def _right_end(self, d: Difference) -> str:
        """Returns a sentence if WHO was to say EOF, had read the end of the stream just before, and says it in other words."""
        if d.kind != "missing" or d.observed is None or not re.fullmatch(r"EOF\b[^0-9]*", d.expected) or not self.deeds.read_end(d.observed):
            return ""
        return f"Its last read had returned 0: that is the end of the stream. So the end came, and only the words of the line differ: the contract asks for {quoted(d.expected)}."

    def _taken_before(self, d: Difference) -> str:
        """Returns a sentence if a line quotes what came without its first bytes, and an earlier read had taken just these."""
        side = self.cast.sides.of(d.observed) if d.kind == "missing" and d.observed else None
        if side is None or d.observed is None or not self.deeds.seen(side) or self.deeds.is_blind(d.observed.pid):
            return ""
        reads = [c for c in self.deeds.by_side.get(side, ()) if c.name in READS and c.option != "MSG_PEEK" and c.result > 0 and 0 <= c.returned < d.observed.seq]
        came, at_first = "".join(c.data[:c.result] for c in reads), self.deeds.told_until(side, d.observed.seq)
        begin, wanted, shown = 0, quoted_bytes(d.expected), quoted_bytes(d.observed.text)
        for read in reads if wanted and shown and len(came) == sum(c.result for c in reads) else ():
            if begin == at_first and read.result < len(wanted) and came[begin:].startswith(wanted) and came[begin + read.result:].startswith(shown):
                return (f"An earlier {acts.name(read)}{at(read.source)} had taken the first {'byte' if read.result == 1 else count(read.result, 'byte')}: "
                        f"{standard.quoted(read.data, read.result)}. The line shows what came behind.")
            begin += read.result
        return ""

    def _kept_to_itself(self, d: Difference) -> str:
        """Returns a sentence if WHO says EOF where the contract has it say that in other words, or has it say what came, and it had read more bytes by
        then than its lines tell of."""
        asks = causes.TEXTS["EOF"].match(d.expected) or re.match("[Rr]eceived", d.expected)
        side = self.cast.sides.of(d.observed) if d.observed and causes.is_a(d.observed, "EOF") and asks else None
        if side is None or d.observed is None or not self.deeds.seen(side) or self.deeds.is_blind(d.observed.pid):
            return ""
        took, told = self.deeds.took(side, d.observed.seq), self.deeds.told_until(side, d.observed.seq + 1)
        other = self.cast.sides.name(self.cast.sides.other(side))
        if took <= told or any(e.text == d.expected for e in self.cast.lines(d.who)):
            return ""
        return f"The {d.observed.who} had read {count(took, 'byte')} of the {other} by then, and its lines tell of {told:,}: no line tells of the other {took - told:,}."

    def _waits(self, late: str, ref: After, text: str, blocked: bool) -> Iterator[str]:
        kind = "clock" if ref.clock else cause_of(text)
        roles = {"late": role_of(late), "early": role_of(ref.who)}
        came = next((one.observed for one in self.verdict.differences if one.kind == "missing" and one.who == late and one.expected == text and one.observed and one.observed.kind != "output"), None)
        then = [f"So the {role_of(late)} said {quoted(came.text)} where {quoted(text)} was to come."] if came is not None and role_of(late) != role_of(ref.who) and self.verdict.differences[0].who != late else []
        still = blocked and self.run.stop.kind in ("deadlock", "waiting") and kind in WHILE_WAITING
        yield " ".join([WHY[kind].format(**roles)] + ([WHILE_WAITING[kind].format(**roles)] if still else []) + then)

    def _whether_it_came(self, d: Difference, ref: After, text: str, came: Optional[Event]) -> Iterator[str]:
        if came is None:
            yield f"{the(ref.who, begins=True)} never said {quoted(ref.text)}."
            return
        if d.observed and came.seq > d.observed.seq:
            yield f"{the(ref.who, begins=True)} said {quoted(ref.text)} only later."
            return
        side = self.cast.sides.of(came)
        if side is None:
            return
        place = None if d.at == LATE else int(d.at)
        if cause_of(text) == "bytes":
            yield from self._bytes(side, d, place)
        elif cause_of(text) == "FIN":
            yield from self._fin(side, came, place)

    def _bytes(self, side: Side, d: Difference, place: Optional[int]) -> Iterator[str]:
        """Yields how much was written, and how much of it was read."""
        other = self.cast.sides.other(side)
        if other is None or not self.deeds.seen(side) or not self.deeds.seen(other):
            return
        sender, receiver = self.cast.sides.name(side), self.cast.sides.name(other)
        took = self.deeds.took(other, place)
        wrote = max(self.deeds.wrote(side, place), took)        # what was read had been written, even if the write had not returned by then
        if wrote == 0:
            yield f"The {sender} had written no byte {'by then' if place else 'when the run was over'}."
        elif took <= wrote:
            yield f"{'By then the' if place else 'The'} {sender} had written {count(wrote, 'byte')}, and the {receiver} had read {of_them(took, wrote)}."
            if wrote and not any(call.name in READS and call.seq < (place or LATE) for call in self.deeds.by_side.get(other, ())):
                yield f"The {receiver} had called no read on that connection."
            last = next((call for call in reversed(self.deeds.by_side.get(other, ())) if call.name in READS and 0 <= call.returned < (place or LATE)), None)
            if last is not None and 0 < last.result == last.asked and took < wrote:
                yield f"Its last read by then{at(last.source)} asked for {count(last.asked, 'byte')}, and a read returns no more than it asks for."

    def _fin(self, side: Side, came: Event, place: Optional[int]) -> Iterator[str]:
        """Yields what became of the end of a stream that a line had announced."""
        name, end = self.cast.sides.name(side), self.cast.sides.end(side)
        segments = [s for s in self.run.segments if self.cast.sides.of_segment(s) == side and (place is None or s.seq < place)]
        flags = {flag for s in segments for flag in s.flags}
        captured = self.run.wire and not self.run.missing
        if "F" in flags:
            yield f"The {name}'s kernel had sent its FIN by then." if place else f"The {name}'s kernel has sent its FIN."
        elif "R" in flags:
            yield f"The {name}'s kernel sent a reset (RST) in place of a FIN."
        elif self.deeds.seen(side) and end is not None and end.holders:
            no_fin = " On the wire there was no FIN of its own." if captured else ""
            gone = any(h.pid == came.pid and h.until >= 0 and (place is None or h.until < place) for h in end.holders)
            others = [h for h in end.holders if 0 < h.pid != came.pid and (h.until < 0 or place is not None and h.until > place)]
            if not gone and self.deeds.closed_a_copy(came):
                yield f"The {name} said {quoted(came.text)} and closed one descriptor of that connection. It still had another one.{no_fin}"
            elif not gone and not (0 <= end.shut and (place is None or end.shut < place)):
                what = "no shutdown on it" if causes.is_a(came, "half-closing") else "no close on it"
                yield f"The {name} said {quoted(came.text)}, but called {what}: a line in the log is not a call.{no_fin}"
            elif gone and others:
                yield f"The {name} closed it, but another process (of the {others[0].who}) still held the connection.{no_fin}"
        elif captured:
            yield f"The {name} said {quoted(came.text)}, but on the wire there was no FIN of its own."


def _announces_bytes(line: Line) -> bool:
    return causes.TEXTS["sending"].match(line.text) is not None


def cause_of(text: str) -> str:
    """Returns the kind of cause that puts a line with this text after a line of the other side."""
    if causes.TEXTS["EOF"].match(text):
        return "FIN"
    if causes.TEXTS["reset"].match(text):
        return "reset"
    return "connect" if re.match(r"(connected|accepted)\b", text) else "bytes"


def _tells_of_what_came(text: str) -> bool:
    """Does a line say what its program learnt from the other side: bytes, an end, a reset, a connection?"""
    return bool(re.match(r"([Rr]eceived|EOF|connected|accepted)\b", text)) or causes.TEXTS["reset"].match(text) is not None


def by_clock(d: Difference) -> bool:
    """Does the contract's line name the other line behind `after clock:`?"""
    return f"clock: {d.other}" in d.statement


def uncounted(d: Difference, run: Run) -> "list[Call]":
    """Returns the reads that brought bytes before a line that nothing forces, and of which no line of its thread has told since then. Returns [] if
    the line itself tells how many bytes were received."""
    line = next((event for event in d.witnesses if role_of(d.who) == event.who and event.text == d.expected), None) if d.found in ("", "clock") else None
    if line is None or line.kind == "recv":
        return []
    begin = max((event.seq for event in run.events if (event.pid, event.tid) == (line.pid, line.tid) and event.seq < line.seq and event.kind == "recv"), default=-1)
    return [call for call in run.calls if (call.pid, call.tid) == (line.pid, line.tid) and call.connection and call.name in READS
            and begin < call.returned < line.seq and call.result > 0]


def what_came(d: Event) -> str:
    return "EOF" if causes.is_a(d, "EOF") else "reset"


def _luck(d: Difference) -> Iterator[str]:
    who, other = role_of(d.who), role_of(d.other.partition(":")[0])
    remedy = f"If the {who} is to wait, it needs something that it receives. If not, take the after away: then the contract is wrong, not the programs."
    if d.found == "clock":
        yield f'The contract must say so: "after clock: {d.other}".'
    elif d.found == "before":
        yield f"Either line may come first: the {who} did not wait for anything of the {other} here."
        yield remedy
    elif d.found == "held" and d.brought and d.observed:
        yield from _held(d.brought, d.witnesses[0], what_came(d.observed))
    elif d.found == "thread" and d.brought and d.observed:
        yield f"Another thread of the {d.brought.who} brought the {what_came(d.observed)}, and it had logged no line before that. The lab does not see when a thread is made. " \
              "So it does not know whether this order is forced. Log the line in the thread that makes the call."
    elif d.found == "tcp":
        yield f'TCP alone forces this order: the contract must say "after {d.other}", without the clock.'
    elif by_clock(d):
        yield f"The contract counts on a pause here, and in this run no pause held the {d.who} back until then."
    elif d.found == "count":
        yield "Does each line that tells of bytes sent or received give their number, and the right one? event_sending(conn, n, ...) and " \
              "event_received(conn, n, ...) tell the lab of n bytes, event(...) of none."
    else:
        yield "No cause leads from the one to the other: no program, no byte, no FIN, no reset, no connect, no pause."
        yield remedy


def _held(brought: causes.Brought, earlier: Event, came: str) -> Iterator[str]:
    """Yields why the closing of one process did not end a connection: another one still held it. Process ids are named only if
    the program's name does not tell the two apart."""
    who = f"process {brought.pid} of the {brought.who}" if brought.who == earlier.who else f"the {brought.who}"
    did = {"close": f"{who} closed it", "exit": f"{who} ended", "exec": f"{who} ran another program"}[brought.how]
    yield f"Another process still held the connection then: {who}. The {came} came when {did}."
    yield "A connection ends when the last process that holds it gives it up. If that process is to hold it so long, let the contract name its last line. " \
          "If not, it must close its copy before."
