"""Everything a learner reads about a run: the verdict, the story of a run, an event as one line of two columns.

A failure is told in this order: one sentence; the lines that witness it, with their sources; why it
had to be so; the picture; the hint and the lesson; the command. Each part is a function that yields lines. The causally
first difference is told, others are a count. Nothing is cut in silence, and a duration is never a reason.
"""
from __future__ import annotations

import re
import textwrap
from collections import Counter
from typing import Iterable, Iterator, Optional

from . import causes
from .contract import After, Contract, Line, role_of
from .judge import Cast, Difference, Verdict
from .trace import Ending, Event, Output, Run, Socket, Waiting

COLOURS = {"client": "36", "server": "33", "good": "32", "bad": "31"}   # cyan, yellow, green, red
AROUND = 4      # lines shown before the place, and behind it

DOING = {"read": "is reading", "write": "is writing", "accept": "waits in accept"}

# Why a line of `late` comes only after one of `early`, by the kind of cause.
WHY = {
    "FIN": "EOF at the {late} comes only after the {early}'s FIN.",
    "bytes": "The {late} can receive only what the {early} has sent.",
    "reset": "A reset comes to the {late} only after the {early} has closed or ended.",
    "connect": "A connection needs a server that listens and a client that connects.",
    "clock": "A pause lasts until everything else that can happen has happened.",
    "program": "A program does one thing after another.",
}
WHILE_WAITING = {"FIN": "The {early} sends none while it waits.", "bytes": "The {early} sends nothing while it waits."}


# --- one event, one line ---------------------------------------------------------------------------------------------

def format_event(event: Event, *, width: int = 100, colour: bool = False) -> str:
    """Seconds since the run began, then the text: the client's at the left, the server's from half the width on."""
    return _row(event.ns, event.who, said(event), width, colour)


def format_output(output: Output, *, width: int = 100, colour: bool = False) -> str:
    """A line of plain output, marked as such: its place among the other program's lines says nothing."""
    return _row(output.ns, output.who, f"{output.stream}: {output.text.rstrip(chr(10))}", width, colour)


def format_ending(ending: Ending, *, width: int = 100, colour: bool = False) -> str:
    """How a program ended, in its column."""
    return _row(ending.ns, ending.who, f"({ending.how})", width, colour)


def column_heads(*, width: int = 100, colour: bool = False) -> str:
    """The line above the two columns."""
    client, server = (_painted(role, role, colour) for role in ("client", "server"))
    return f"{' ' * 10}{client}{' ' * (max(width // 2 - 10, 0) - len('client'))}{server}"


def _row(ns: int, who: str, text: str, width: int, colour: bool) -> str:
    indent = 0 if who == "client" else max(width // 2 - 10, 0)
    return f"{ns / 1e9:8.3f}  {' ' * indent}{_painted(text, who, colour)}"


def said(event: Event) -> str:
    """The event's text, with the port that it listens on, and the number of any connection but the first."""
    port = event.address.rpartition(":")[2] if event.kind == "listen" else ""
    number = f"[{event.connection}] " if event.connection > 1 else ""
    return number + event.text + (f" (port {port})" if port else "")


def columns(events: Iterable[Event], *, width: int = 100, colour: bool = False) -> list[str]:
    """The events as lines of two columns, in the observed order."""
    return [format_event(event, width=width, colour=colour) for event in events]


def _painted(text: str, role: str, colour: bool) -> str:
    return f"\x1b[{COLOURS[role]}m{text}\x1b[0m" if colour and role in COLOURS else text


# --- the verdict -----------------------------------------------------------------------------------------------------

def tell(verdict: Verdict, run: Run, contract: Contract, *, reproduce: str, width: int = 100, colour: bool = False,
         fold: bool = False, lead: str = "") -> str:
    """The whole verdict. `reproduce` is the command that shows it again; the text ends without a newline. `lead` stands
    before the first word. fold: sentences are broken between words at `width`, as a terminal can't."""
    if verdict.word == "as expected":
        told = folded(lead + _as_expected(verdict, run, contract), width, fold)
        told[0] = lead + _painted("as expected", "good", colour) + told[0][len(lead + "as expected"):]
        return "\n".join([*told, *_not_looked_at(verdict, width, fold)])
    teller = _Teller(verdict, run, contract, width, colour, fold, lead)
    return "\n".join([*teller.headline(), *teller.witnesses(), *teller.folded(teller.why()), *teller.picture(),
                      *teller.folded(teller.hint()), *teller.others(), *_not_looked_at(verdict, width, fold), f"reproduce: {reproduce}"])


def folded(line: str, width: int, fold: bool = True) -> list[str]:
    """A sentence as lines of at most that width, broken between words, the later ones indented."""
    return textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False) if fold else [line]


def _as_expected(verdict: Verdict, run: Run, contract: Contract) -> str:
    parts = [_count(verdict.lines, "line")]
    if verdict.orders:
        parts.append(f"{_count(verdict.orders, 'order')} that TCP{' or the pause' if _paused(contract) else ''} forced")
    if run.stop.kind == "deadlock":
        parts.append("a deadlock, proven, as the contract says")
    else:
        parts.append("both ends as the contract says")
    parts += [f"this time: {branch}" for branch in verdict.branches]
    return f"as expected: {', '.join(parts)}"


def _paused(contract: Contract) -> bool:
    return any(ref.clock for s in contract.statements if isinstance(s, Line) for ref in s.after)


def _not_looked_at(verdict: Verdict, width: int, fold: bool) -> list[str]:
    return [line for words in verdict.unseen for line in folded(f"not looked at: {words}", width, fold)]


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _was(n: int) -> str:
    return "was" if n == 1 else "were"


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def _says(ref: str) -> str:
    """server: closing, as a clause: the server said "closing"."""
    who, _, text = ref.partition(": ")
    return f"the {who} said {_quoted(text)}"


class _Teller:
    def __init__(self, verdict: Verdict, run: Run, contract: Contract, width: int, colour: bool, fold: bool, lead: str) -> None:
        self.verdict, self.run, self.contract, self.width, self.colour = verdict, run, contract, width, colour
        self.fold, self.lead = fold, lead
        self.first: Optional[Difference] = verdict.differences[0] if verdict.differences else None
        self.plan = contract.plan(verdict.choice)
        self.cast = Cast(run, contract.whos)
        self.last = {(e.pid, e.tid): e for e in run.events}     # each thread's last line
        self.blocked = {self.last[key].seq: w for w in run.stop.waiting if (key := (w.pid, w.tid)) in self.last}

    def folded(self, lines: Iterable[str]) -> Iterator[str]:
        return (part for line in lines for part in folded(line, self.width, self.fold))

    # one sentence

    def headline(self) -> Iterator[str]:
        word, first = self.verdict.word, self.first
        own = self._of_the_stop()
        sentence = own or (sentence_of(first, self.run) if first else "")
        yield from self._with_source(f"{word}: {sentence}" if sentence else word, self._place())
        if own and first:
            yield from self.folded([f"  it left the contract so: {sentence_of(first, self.run)}"])

    def _of_the_stop(self) -> str:
        """What is to be said first of a run that a crash, a limit or Ctrl-C ended."""
        word, stop = self.verdict.word, self.run.stop
        if word == "crash":
            dead = [f"the {e.who} was ended by signal {e.how[7:]}" for e in self.run.endings if e.how.startswith("signal ")]
            return stop.words or ", ".join(dead) or "a program was stopped"
        if word == "runaway":
            return stop.words or "a program passed a limit"
        if word == "no progress":
            return stop.words or "nothing happened for the limit, and the kernel does not tell why"
        return "the run was interrupted" if word == "interrupted" else ""

    def _place(self) -> str:
        """file:line of the headline: where the program stood; for what only the contract knows, the contract's line."""
        d = self.first
        if d is None:
            return ""
        if d.kind in ("bytes", "wire", "luck", "free", "deadlock"):
            return f"{self.contract.path}:{d.line}" if d.line else ""
        event = d.observed or next((e for e in d.witnesses[::-1] if self.cast.is_about(e, d.who)), None)
        return f"scenarios/{self.run.name}/{event.source}" if event and event.source else ""

    def _with_source(self, text: str, source: str) -> Iterator[str]:
        lines = folded(self.lead + text, self.width, self.fold)
        room = self.width - len(lines[-1]) - len(source)
        word = text.partition(":")[0]
        lines[0] = self.lead + _painted(word, "bad", self.colour) + lines[0][len(self.lead + word):]
        if source and len(lines) == 1 and room >= 2:
            yield lines[0] + " " * room + source
        else:
            yield from lines
            yield from [f"  at {source}"] if source else []

    # the lines that witness it

    def witnesses(self) -> Iterator[str]:
        d = self.first
        shown = {e.seq: e for e in (d.witnesses if d else ())}
        if self.run.stop.kind == "deadlock":
            shown.update({seq: self._event(seq) for seq, w in self.blocked.items() if w.on})
        for _, event in sorted(shown.items()):
            yield self._seen(event)
        for who in (e.who for e in self.run.endings if e.how.startswith("exit ") and e.how != "exit 0"):
            said_last = [o.text.rstrip("\n") for o in self.run.outputs if o.who == who and o.stream == "stderr"][-1:]
            yield from (f"  stderr  {who:8}{text}" for text in said_last)
        if d and d.kind in ("order", "luck", "never"):
            yield f"  line    {d.statement}  ({self.contract.path}:{d.line})"

    def _event(self, seq: int) -> Event:
        return next(e for e in self.run.events if e.seq == seq)

    def _seen(self, event: Event) -> str:
        here = "blocked here" if event.seq in self.blocked else ""
        room = max(self.width - len("  seen    client  " + "  client.c:38   " + "blocked here"), 20)
        return f"  seen    {event.who:8}{said(event):{room}}  {event.source:14}{here}".rstrip()

    # why it had to be so

    def why(self) -> Iterator[str]:
        if self.first:
            yield from dict.fromkeys(self._causes(self.first))
        if self.run.stop.kind == "deadlock":
            yield proof(self.run)

    def _causes(self, d: Difference) -> Iterator[str]:
        if d.kind == "order":
            yield from self._why_order(d)
        elif d.kind == "luck":
            yield from _why_luck(d, counted=not any(words.startswith("orders by bytes") for words in self.verdict.unseen))
        elif d.kind in ("missing", "unexpected"):
            line = next((x for x in self.plan.of(Line) if x.number == d.line and d.expected), None)
            if line is not None:
                yield from self._why_missing(d, line)

    def _why_order(self, d: Difference) -> Iterator[str]:
        early = role_of(d.other.partition(":")[0])
        kind = "clock" if _by_clock(d) else cause_of(d.expected)
        if early == role_of(d.who):
            kind = "program"
        yield WHY[kind].format(late=role_of(d.who), early=early)
        if kind not in ("clock", "program"):
            yield 'A log that says otherwise has a line in the wrong place: say before you act ("closing", then close), ' \
                  "say after you learn."

    def _why_missing(self, d: Difference, line: Line) -> Iterator[str]:
        """What waits for the missing line at the other side; and what it waits for itself."""
        seen = {number for number, _ in self.verdict.matched}
        for late in self.plan.of(Line):
            for ref in late.after:
                if self.plan.named(ref) == line and late.number not in seen:
                    yield from self._waits(late.who, ref, late.text, bool(d.blocked))
                    return
        for ref in line.after:
            named = self.plan.named(ref)
            if named is not None:
                yield from self._waits(line.who, ref, line.text, blocked=False)
                yield self._whether_it_came(ref, named.number, d.observed)
                break
        if d.observed and causes.is_a(d.observed, "EOF") and not line.text.startswith("EOF"):
            yield from self._whose_eof(d.observed)

    def _whether_it_came(self, ref: After, number: int, observed: Optional[Event]) -> str:
        came = [seq for line, seq in self.verdict.matched if line == number]
        if not came:
            return f"That never came: {ref}."
        if observed and came[0] > observed.seq:
            return f"That came only later: {_says(str(ref))}."
        event = self._event(came[0])
        if self._said_no_fin(event):
            return f"{_says(str(ref))[:1].upper()}{_says(str(ref))[1:]}, but no FIN of its own was on the wire: a line in the log is not a call."
        return f"It was there: {_says(str(ref))}."

    def _said_no_fin(self, event: Event) -> bool:
        """Does a line announce the end of a stream, and the wire show none?"""
        announces = causes.is_a(event, "half-closing") or causes.is_a(event, "closing")
        return self.run.whole_wire and announces and not any(
            s.sender == event.who and s.connection == event.connection and set(s.flags) & set("FR") for s in self.run.segments)

    def _whose_eof(self, eof: Event) -> Iterator[str]:
        """An EOF that no FIN of the other side explains."""
        other = causes.peer(eof.who)
        if not any(cause.kind == "FIN" for cause in causes.derive(self.run).edges.get(eof.seq, ())):
            yield (f"No line of the {other} says that it had closed by then. One's own SHUT_RD or SHUT_RDWR gives EOF, too: "
                   "it ends one's own reading.")

    def _waits(self, late: str, ref: After, text: str, blocked: bool) -> Iterator[str]:
        kind = "clock" if ref.clock else cause_of(text)
        roles = {"late": role_of(late), "early": role_of(ref.who)}
        yield " ".join([WHY[kind].format(**roles)]
                       + ([WHILE_WAITING[kind].format(**roles)] if blocked and kind in WHILE_WAITING else []))

    # the picture

    def picture(self) -> Iterator[str]:
        events, place = list(self.run.events), self._marked()
        if not events or place is None:
            return
        at = next(n for n, e in enumerate(events) if e.seq == place.seq)
        begin, end = max(at - AROUND, 0), min(at + AROUND + 1, len(events))
        yield ""
        yield f"    {column_heads(width=self.width - 4, colour=self.colour)}"
        if begin:
            yield f"    ({_count(begin, 'line')} before)"
        for n, event in enumerate(events[begin:end], begin):
            yield f"{'  > ' if n == at else '    '}{format_event(event, width=self.width - 4, colour=self.colour)}"
        if end < len(events):
            yield f"    ({_count(len(events) - end, 'line')} more)"
        yield ""

    def _marked(self) -> Optional[Event]:
        d = self.first
        if d is None or d.kind in ("bytes", "wire", "free"):
            return None
        event = d.observed or next((e for e in d.witnesses[::-1] if self.cast.is_about(e, d.who)), None)
        return event if event in self.run.events else None

    # the hint, and how many more

    def hint(self) -> Iterator[str]:
        lesson = f"lesson {int(self.run.number)}: lessons/{self.run.name}.md" if self.run.number.isdigit() else ""
        yield from (self.first.hints if self.first else ())
        if lesson:
            yield lesson
        if self.verdict.misconception:
            yield f"misconception {self.verdict.misconception}: lessons/misconceptions.md#{self.verdict.misconception.lower()}"

    def others(self) -> Iterator[str]:
        more = len(self.verdict.differences) - 1
        if more > 0:
            yield f"and {_count(more, 'more difference')}"


def sentence_of(d: Difference, run: Run) -> str:
    """One difference in one sentence: who, expected, observed."""
    return _SENTENCES[d.kind](d, run)


def _missing(d: Difference, run: Run) -> str:
    never = f"the {d.who} never said {_quoted(d.expected)}"
    if d.blocked and not (d.observed and d.blocked.call == "accept"):     # a handler that has ended: what it said tells more
        return f"{never}; it {_doing(d.blocked)}{' instead' if d.observed else ' still'}"
    if d.observed:
        return f"{never}; it said {_quoted(d.observed.text)} instead"
    how = [e.how for e in run.endings if e.who == role_of(d.who)]
    return never + (f"; it {_ended(how[0])}" if how else "")


def _doing(waiting: Waiting) -> str:
    return DOING.get(waiting.call, f"waits in {waiting.call}")


def _ended(how: str) -> str:
    if how.startswith("exit "):
        return f"ended with {how}"
    if how.startswith("signal "):
        return f"was ended by signal {how[7:]}"
    if how.startswith("waiting in "):
        return f"waits in {how[11:]}"
    return {"still running": "still ran", "not known": "ended in a way that is not known here"}.get(how, how)


def _unexpected(d: Difference, run: Run) -> str:
    what = f"the {d.who} said {_quoted(d.observed.text)}" if d.observed else f"the {d.who} said more"
    return what + (f" where {_quoted(d.expected)} was to come" if d.expected else ", and nothing more was to come")


def _order(d: Difference, run: Run) -> str:
    return f"the {d.who} said {_quoted(d.expected)} before {_says(d.other)}"


def _luck(d: Difference, run: Run) -> str:
    after = f"the {d.who} said {_quoted(d.expected)} after {_says(d.other)}"
    if d.found == "clock":
        return f"{after}: that is the pause's doing, not TCP's"
    if d.found == "tcp":
        return f"{after}: but no pause lies between"
    return f"{after}: true this time, but nothing guarantees it"


def _why_luck(d: Difference, counted: bool) -> Iterator[str]:
    if d.found == "clock":
        yield f'The contract must say so: "after clock: {d.other}".'
    elif d.found == "tcp":
        yield f'TCP alone forces this order: the contract must say "after {d.other}", without the clock.'
    elif _by_clock(d):
        yield f"The contract counts on a pause here, and in this run no pause held the {d.who} back until then."
    elif not counted:
        yield "The lines' byte counts do not add up, so they prove no order: does each sending and received line carry its count?"
    else:
        yield "No cause leads from the one to the other: no program, no byte, no FIN, no reset, no connect, no pause."
        yield "This is an error of the contract, not of the programs: take the after away."


def _by_clock(d: Difference) -> bool:
    """Does the contract's line name the other one by `after clock:`?"""
    return f"clock: {d.other}" in d.statement


def _never(d: Difference, run: Run) -> str:
    where = f" {d.other}" if d.other else ""
    return f"the {d.who} said {_quoted(d.observed.text if d.observed else d.expected)}, which must never come{where}"


def _ends(d: Difference, run: Run) -> str:
    found = d.found if d.found == "nothing known" else f"it {_ended(d.found)}"
    wanted = "wait in " + d.expected[11:] if d.expected.startswith("waiting in ") else f"end with {d.expected}"
    return f"the {d.who} was to {wanted}, but {found}"


def _deadlock(d: Difference, run: Run) -> str:
    if not d.expected:
        return f"{_and(d.found.split(', '))} wait for each other for ever"
    outcome = {"over": "the run came to its end", "waiting": "they do not wait for each other"}
    other = outcome.get(run.stop.kind, f"the run ended otherwise ({d.found})")
    return f"{_and(d.expected.split(', '))} were to wait for each other for ever, but {other}"


def _and(names: list[str]) -> str:
    return " and ".join(f"the {name}" for name in names)


def _bytes(d: Difference, run: Run) -> str:
    count, _, whom = d.expected.partition(" ")
    return f"the {d.who} was to send {_count(int(count), 'byte')} {whom}; it sent {d.found}"


def _wire(d: Difference, run: Run) -> str:
    if d.other:
        return f"on the wire, the {d.who}'s {d.expected} came before the {d.other.replace(' ', chr(39) + 's ', 1)}"
    return f"on the wire, the {d.who}'s {d.expected} was never seen"


def _free(d: Difference, run: Run) -> str:
    return f"exploring never saw this: {d.expected}"


_SENTENCES = {"missing": _missing, "unexpected": _unexpected, "order": _order, "luck": _luck, "never": _never,
              "ends": _ends, "deadlock": _deadlock, "bytes": _bytes, "wire": _wire, "free": _free}


def cause_of(text: str) -> str:
    """Which cause puts a line with this text behind a line of the other side."""
    if causes.TEXTS["EOF"].match(text):
        return "FIN"
    if causes.TEXTS["reset"].match(text):
        return "reset"
    return "connect" if re.match(r"(connected|accepted)\b", text) else "bytes"


# --- the evidence of a deadlock --------------------------------------------------------------------------------------

def proof(run: Run) -> str:
    """Proven: client waits for server in read, ... and where the bytes are (or are not)."""
    waits = [f"{w.who} waits for {w.on} in {w.call}" for w in sorted(run.stop.waiting, key=lambda w: w.who) if w.on]
    waits = waits or [f"{who} waits" for who in run.stop.cycle]
    return f"Proven: {', '.join(dict.fromkeys([*waits, *_queues(run)]))}."


def _queues(run: Run) -> Iterator[str]:
    held = [s for s in run.stop.sockets if s.connection]
    if run.stop.under_way:
        yield f"{_count(run.stop.under_way, 'byte')} under way"
    if any(s.unread or s.unsent for s in held):
        yield from (f"{s.who} has {_count(s.unread, 'byte')} unread and {_count(s.unsent, 'byte')} not sent" for s in held)
    elif not run.stop.under_way:    # what has arrived and is not acknowledged yet is in nobody's way
        yield "no byte is unread and none is on its way"


# --- what happened, whatever it was ----------------------------------------------------------------------------------

def happened(run: Run, verdict: Optional[Verdict] = None) -> list[str]:
    """The story of a run in a few lines: what came through, what did not and where it is, how each program ended."""
    told = [line for sender in ("client", "server") for line in _direction(run, sender)]
    told += [*_resets(run), *_endings(run)]
    if run.stop.kind == "deadlock":
        told.append(f"Deadlock. {proof(run)}")
    elif run.stop.words:
        told.append(_sentence(run.stop.words))
    elif run.stop.kind == "waiting":
        told.append("Nothing can happen any more, and somebody still waits.")
    return told + [f"It could have gone otherwise; this time: {branch}." for branch in (verdict.branches if verdict else ())]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _direction(run: Run, sender: str) -> Iterator[str]:
    receiver = causes.peer(sender)
    said_to_send = [e for e in run.events if e.who == sender and e.kind == "send"]
    failed = {e.seq: error for e in said_to_send if (error := _write_error(run, e))}
    sends = [e for e in said_to_send if e.seq not in failed]
    recvs = [e for e in run.events if e.who == receiver and e.kind == "recv"]
    sent, received = sum(e.count for e in sends), sum(e.count for e in recvs)
    way = f"From {sender} to {receiver}"
    if not said_to_send and not recvs:
        crossed = sum(_on_the_wire(run, sender).values())
        if crossed:
            yield f"{way}: {'' if run.whole_wire else 'at least '}{_count(crossed, 'byte')} went over the wire."
        return
    # A failed write may have written a part; nobody says how much.
    of_all = _count(received, "byte") if failed and (received > sent or not sends) else f"{received} of {_count(sent, 'byte')}"
    yield f"{way}: {_messages(recvs) if recvs else 'nothing'} came through ({of_all})."
    if received < sent:
        yield from _lost(run, sender, receiver, sends, sent - received)
    for send in said_to_send:
        if send.seq in failed:
            yield f"The {sender}'s write of {_count(send.count, 'byte')} failed: {failed[send.seq]}."


def _write_error(run: Run, send: Event) -> str:
    """EPIPE or ECONNRESET if the write that this line announces failed so: the thread's next line says it, or, if it has
    none, what the program wrote to standard error when it stopped, or the signal that ended it. Else ""."""
    after = [e for e in run.events if e.seq > send.seq and (e.pid, e.tid) == (send.pid, send.tid)]
    if after:
        found = re.match(r"Error writing: (EPIPE|ECONNRESET)\b", after[0].text)
        return found[1] if found else ""
    how = next((e.how for e in run.endings if e.pid == send.pid and e.after == send.seq), "")
    if how == "signal PIPE":
        return "EPIPE, and with it a signal"
    stopped = (re.match(r"\S+\.c:\d+: (?:send_all|write|send)\(.*: (EPIPE|ECONNRESET)\b", o.text) for o in run.outputs
               if o.who == send.who and o.stream == "stderr" and how == "exit 1")
    return next((found[1] for found in stopped if found), "")


def _on_the_wire(run: Run, sender: str) -> dict[int, int]:
    """By connection: how many bytes of its stream the segments carried, retransmissions not counted."""
    ends: dict[int, int] = {}
    for s in run.segments:
        if s.sender == sender and s.length:
            ends[s.connection] = max(ends.get(s.connection, 0), s.first + s.length - 1)
    return ends


def _messages(recvs: list[Event]) -> str:
    texts = [(re.search(r'"(?:[^"\\]|\\.)*"', e.text) or [f"{_count(e.count, 'byte')}"])[0] for e in recvs]
    if len(texts) > 4:
        return f"{', '.join(texts[:3])} and {len(texts) - 3} pieces more"
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]


def _lost(run: Run, sender: str, receiver: str, sends: list[Event], missing: int) -> Iterator[str]:
    """Where the bytes are that no line of the receiver accounts for: only as far as the records show it."""
    ends = {role: [s for s in run.stop.sockets if s.who == role and s.connection] for role in (sender, receiver)}
    unread, unsent = sum(s.unread for s in ends[receiver]), sum(s.unsent for s in ends[sender])
    if unread:
        yield f"{_count(unread, 'byte')} {'lies' if unread == 1 else 'lie'} unread in the {receiver}'s kernel: the {receiver} has not asked for them."
    if unsent:
        yield f"{_count(unsent, 'byte')} never left the {sender}'s kernel."
    rest = missing - unread - unsent
    late = sum(e.count for e in sends if _closed_before(run, receiver, e))
    if rest <= 0:
        return
    if late:
        yield (f"{_count(min(late, rest), 'byte')} {_was(min(late, rest))} written after the {receiver}'s \"closing\": "
               f"a write hands bytes to the {sender}'s own kernel, and nobody read them.")
    elif _reader_has_them(run, receiver, ends[receiver]):
        yield f"{_count(rest, 'byte')} {_was(rest)} taken from the kernel by the {receiver}'s reader but {'is' if rest == 1 else 'are'} no complete message yet."
    else:
        yield f"{_count(rest, 'byte')} {_was(rest)} written, and no line of the {receiver} says that {'it was' if rest == 1 else 'they were'} received."


def _closed_before(run: Run, role: str, send: Event) -> bool:
    return any(e.who == role and e.connection == send.connection and e.seq < send.seq and causes.is_a(e, "closing")
               for e in run.events)


def _reader_has_them(run: Run, receiver: str, sockets: list[Socket]) -> bool:
    """The receiver waits in read on empty queues and nothing is under way: then its kernel has handed all over."""
    reading = any(w.who == receiver and w.call == "read" and w.connection for w in run.stop.waiting)
    return reading and run.stop.kind in ("deadlock", "waiting") and bool(sockets) and run.stop.under_way == 0


def _resets(run: Run) -> Iterator[str]:
    for connection in sorted({s.connection for s in run.segments if "R" in s.flags}):
        sender = next(s.sender for s in run.segments if s.connection == connection and "R" in s.flags)
        if connection == 0:
            yield f"A connect was refused: the {sender}'s kernel answered with a reset (RST), nobody listened there."
        else:
            yield f"The {sender}'s kernel sent a reset (RST): this connection takes nothing any more."


def _endings(run: Run) -> Iterator[str]:
    since = {(w.who, f"waiting in {w.call}"): f" since {w.source}" for w in run.stop.waiting if w.source and w.on}
    for (who, how), n in sorted(Counter((e.who, e.how) for e in run.endings).items()):
        more = ", for the next client" if how == "waiting in accept" else since.get((who, how), "")
        yield f"{n} {who}s each: {how}{more}." if n > 1 else f"The {who} {_ended(how)}{more}."
