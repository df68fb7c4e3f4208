"""Everything a learner reads about a run: the verdict, the story of a run, an event as one line in its program's column.

A failure is told in this order: one sentence; the lines that witness it, with their sources; why it
had to be so; the picture; the hint and the lesson; the command. Each part is a function that yields lines. The causally
first difference is told, others are a count. Nothing is cut in silence, and a duration is never a reason.
"""
from __future__ import annotations

import re
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import Iterable, Iterator, Optional

from ..judge import causes
from ..judge.comparison import Cast, Difference, Verdict
from ..judge.contract import After, Contract, Ends, Line, role_of
from ..judge.sides import OPENER, READS, WRITES, Side, Sides, Told
from ..observe import sanitizer
from ..stage import scenarios
from ..trace import Call, Ending, Event, Output, Role, Run, Socket, Waiting, plain

COLOURS = ("36", "33", "35", "34", "96", "93", "95", "94")  # cyan, yellow, magenta, blue, then the bright ones: by column
GOOD, BAD = "32", "31"                                      # green, red
PAIR = (Role("server", True), Role("client", False))        # the default cast
NARROWEST = 30      # characters of a column where there are more than two
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
    "start": "The stage starts the {late} only after that (stage.txt).",
}
WHILE_WAITING = {"FIN": "The {early} sends none while it waits.", "bytes": "The {early} sends nothing while it waits."}


# --- one event, one line ---------------------------------------------------------------------------------------------

def format_event(event: Event, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """Seconds since the run began, then the text in its program's column: of two, the client's at the left, the server's from
    half the width on. More programs than have room side by side share one column, and each line begins with its program's name."""
    return _row(event.ns, event.who, said(event), width, colour, cast)


def format_output(output: Output, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """A line of plain output, marked as such: its place among the other program's lines says nothing."""
    return _row(output.ns, output.who, f"{output.stream}: {output.text.rstrip(chr(10))}", width, colour, cast)


def format_ending(ending: Ending, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """How a program ended, in its column."""
    return _row(ending.ns, ending.who, f"({ending.how})", width, colour, cast)


def column_heads(*, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """The line above the columns."""
    names, starts = names_of(cast), _starts(width, cast)
    if not starts:
        return f"{' ' * 10}{'program':{_longest(cast)}}  line"
    head, at = " " * 10, 0
    for name, start in zip(names, starts):
        head += " " * (start - at) + _painted(name, name, colour, cast)
        at = max(start, at) + len(name)
    return head


def names_of(cast: tuple[Role, ...]) -> tuple[str, ...]:
    """The cast's names from left to right: those that only connect, then those that listen, the first one to start last."""
    return (*(role.name for role in cast if not role.listens), *(role.name for role in cast[::-1] if role.listens))


def _starts(width: int, cast: tuple[Role, ...]) -> tuple[int, ...]:
    """For each name the place behind the seconds at which its column begins; () where they have no room side by side."""
    count = len(cast)
    if count <= 2:
        return (0, max(width // 2 - 10, 0))[:count]
    room = (width - 10) // count
    return tuple(n * room for n in range(count)) if room >= NARROWEST else ()


def _longest(cast: tuple[Role, ...]) -> int:
    return max(len("program"), *(len(role.name) for role in cast))


def row(ns: int, who: str, text: str, *, width: int, colour: bool, cast: tuple[Role, ...], dim: bool = False) -> str:
    """Any text in a program's column; `dim`: where there are colours it steps back behind the log lines."""
    return _row(ns, who, text, width, colour, cast, "2;" if dim else "")


def room_of(who: str, width: int, cast: tuple[Role, ...]) -> int:
    """How many characters a line has from the beginning of a program's column to the next column, or to the end of the width."""
    names, starts = names_of(cast), _starts(width, cast)
    if not starts:
        return width - 12 - _longest(cast)
    at = names.index(who) if who in names else 0
    return (starts[at + 1] - 1 if at + 1 < len(starts) else width - 10) - starts[at]


def verdict_word(word: str, good: bool, colour: bool) -> str:
    """The first word of a verdict."""
    return _dyed(word, GOOD if good else BAD, colour)


def _row(ns: int, who: str, text: str, width: int, colour: bool, cast: tuple[Role, ...], style: str = "") -> str:
    names, starts, text = names_of(cast), _starts(width, cast), plain(text)
    if starts:
        text = " " * (starts[names.index(who)] if who in names else 0) + _painted(text, who, colour, cast, style)
    else:
        text = _painted(f"{who:{_longest(cast)}}  {text}", who, colour, cast, style)
    return f"{ns / 1e9:8.3f}  {text}"


def said(event: Event) -> str:
    """The event's text, with the port that it listens on, and the number of any connection but the first."""
    port = event.address.rpartition(":")[2] if event.kind == "listen" else ""
    number = f"[{event.connection}] " if event.connection > 1 else ""
    return number + event.text + (f" (port {port})" if port else "")


def columns(events: Iterable[Event], *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> list[str]:
    """The events as lines in their columns, in the observed order."""
    return [format_event(event, width=width, colour=colour, cast=cast) for event in events]


def _painted(text: str, who: str, colour: bool, cast: tuple[Role, ...], style: str = "") -> str:
    names = names_of(cast)
    return _dyed(text, style + COLOURS[names.index(who) % len(COLOURS)], colour) if who in names else text


def _dyed(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


# --- the verdict -----------------------------------------------------------------------------------------------------

def tell(verdict: Verdict, run: Run, contract: Contract, *, reproduce: str, width: int = 100, colour: bool = False,
         fold: bool = False, lead: str = "") -> str:
    """The whole verdict. `reproduce` is the command that shows it again; the text ends without a newline. `lead` stands
    before the first word. fold: sentences are broken between words at `width`, as a terminal can't."""
    if verdict.word == "as expected":
        told = folded(lead + _as_expected(verdict, run, contract), width, fold)
        told[0] = lead + _dyed("as expected", GOOD, colour) + told[0][len(lead + "as expected"):]
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
    elif {role.name for role in run.cast} <= {role_of(ends.who) for ends in contract.plan(verdict.choice).of(Ends)}:
        parts.append(f"{'both' if len(run.cast) == 2 else 'all'} ends as the contract says")
    parts += [f"this time: {branch}" for branch in verdict.branches]
    parts += [f"the {who} {_ended(how)}, of which the contract says nothing" for who, how in _ends_unsaid(verdict, run, contract)]
    return f"as expected: {', '.join(parts)}"


def _ends_unsaid(verdict: Verdict, run: Run, contract: Contract) -> list[tuple[str, str]]:
    """Who ended how, of those whose end the contract does not tell, and who did not just end with 0 or wait for the next client."""
    plan = contract.plan(verdict.choice)
    said = {role_of(ends.who) for ends in plan.of(Ends)}
    return sorted({(end.who, end.how) for end in run.endings if end.who not in said and end.how not in ("exit 0", "waiting in accept")})


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
        self.wide = max(6, *(len(role.name) for role in run.cast)) + 2
        self.events = {e.seq: e for e in run.events}
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
        lines[0] = self.lead + _dyed(word, BAD, self.colour) + lines[0][len(self.lead + word):]
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
        stderr = {o.who: o.text.rstrip("\n") for o in self.run.outputs if o.stream == "stderr"}      # the last line of each
        for who in dict.fromkeys(e.who for e in self.run.endings if e.how.startswith("exit ") and e.how != "exit 0"):
            yield from [f"  stderr  {who:{self.wide}}{plain(stderr[who])}"] if who in stderr and not self._sanitized(who) else []
        if d and d.kind in ("order", "luck", "never"):
            yield f"  line    {d.statement}  ({self.contract.path}:{d.line})"

    def _sanitized(self, who: str) -> bool:
        """Has a sanitizer a report about it? Then the last line of its standard error is one of the report, and tells nothing."""
        return any(o.who == who and o.stream == "stderr" and sanitizer.begins(o.text) for o in self.run.outputs)

    def _event(self, seq: int) -> Event:
        return self.events[seq]

    def _seen(self, event: Event) -> str:
        here = "blocked here" if event.seq in self.blocked else ""
        room = max(self.width - self.wide - len("  seen    " + "  client.c:38   " + "blocked here"), 20)
        return f"  seen    {event.who:{self.wide}}{said(event):{room}}  {event.source:14}{here}".rstrip()

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
        elif d.kind == "port":
            yield f"It listens on port {d.found}. The lab looked for it and told the others; by hand a client would be refused."
        elif d.found == "nearly" and d.observed:
            yield (f"The two texts are nearly the same. Is one of them misspelt? The contract's stands in {self.contract.path}:{d.line}, "
                   f"the program's in {d.observed.source}.")
        elif d.kind in ("missing", "unexpected"):
            line = next((x for x in self.plan.of(Line) if x.number == d.line and d.expected), None)
            if line is not None:
                yield from self._why_missing(d, line)

    def _why_order(self, d: Difference) -> Iterator[str]:
        early = role_of(d.other.partition(":")[0])
        kind = "clock" if _by_clock(d) else cause_of(d.expected)
        if d.observed and any(start.after and start.pid == d.observed.pid for start in self.run.starts) and self._is_first(d.observed):
            kind = "start"
        elif early == role_of(d.who):
            if len({(e.pid, e.tid) for e in d.witnesses}) > 1:
                return      # two threads, or processes, of one program
            kind = "program"
        yield WHY[kind].format(late=role_of(d.who), early=early)
        if kind not in ("clock", "program", "start"):
            yield 'A log that says otherwise has a line in the wrong place: say before you act ("closing", then close), ' \
                  "say after you learn."

    def _is_first(self, event: Event) -> bool:
        """Is it the first line of its thread?"""
        return not any((e.pid, e.tid) == (event.pid, event.tid) and e.seq < event.seq for e in self.run.events)

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
        there = f"{_says(str(ref))[:1].upper()}{_says(str(ref))[1:]}"
        without = self._without_effect(self._event(came[0]))
        return f"{there}, but {without}." if without else f"It was there: {_says(str(ref))}."

    def _without_effect(self, event: Event) -> str:
        """Of a line that announces the end of a stream: why no FIN came of it. "" if one came, or nobody can say."""
        side = self.cast.sides.of(event)
        half = causes.is_a(event, "half-closing")
        if side is None or not half and not causes.is_a(event, "closing"):
            return ""
        flags = {flag for s in self.run.segments if self.cast.sides.of_segment(s) == side for flag in s.flags}
        shown = self.run.wire and not self.run.missing
        end = self.cast.sides.end(side)
        no_fin = "no FIN of its own was on the wire: " if shown else ""
        if shown and flags & set("FR"):
            return ""
        if not self.run.observed or end is None or not end.holders:
            return f"{no_fin}a line in the log is not a call" if shown else ""
        if half:
            return "" if end.shut > event.seq else f"{no_fin or 'no shutdown followed: '}a line in the log is not a call"
        if not any(h.pid == event.pid and h.until > event.seq for h in end.holders):
            return f"{no_fin or 'no close followed: '}a line in the log is not a call"
        return f"{no_fin}another process still held the connection" if any(h.until < 0 for h in end.holders) else ""

    def _whose_eof(self, eof: Event) -> Iterator[str]:
        """An EOF that no FIN of the other side explains."""
        order = causes.derive(self.run, self.cast.sides)
        brought = order.brought.get(eof.seq)
        if brought is not None and brought.how == "own reading":
            yield f"The {eof.who} had ended its own reading by shutdown: that gives EOF, whatever the other side does."
        elif brought is None and not any(cause.kind == "FIN" for cause in order.edges.get(eof.seq, ())):
            other = self.cast.sides.peer(eof)
            yield (f"No line of {f'the {other}' if other else 'another program'} says that it had closed by then. "
                   "One's own SHUT_RD or SHUT_RDWR gives EOF, too: it ends one's own reading.")

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
        yield f"    {column_heads(width=self.width - 4, colour=self.colour, cast=self.run.cast)}"
        if begin:
            yield f"    ({_count(begin, 'line')} before)"
        for n, event in enumerate(events[begin:end], begin):
            yield f"{'  > ' if n == at else '    '}{format_event(event, width=self.width - 4, colour=self.colour, cast=self.run.cast)}"
        if end < len(events):
            yield f"    ({_count(len(events) - end, 'line')} more)"
        yield ""

    def _marked(self) -> Optional[Event]:
        d = self.first
        if d is None or d.kind in ("bytes", "wire", "free"):
            return None
        event = d.observed or next((e for e in d.witnesses[::-1] if self.cast.is_about(e, d.who)), None)
        return event if event is not None and event.seq in self.events else None

    # the hint, and how many more

    def hint(self) -> Iterator[str]:
        page = scenarios.lesson(self.run.name)
        yield from (self.first.hints if self.first else ())
        if page:
            yield f"lesson {int(self.run.number)}: {page}"
        if self.verdict.misconception in (scenarios.misconceptions() or ()):
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
    pid = next((e.pid for e in d.witnesses[::-1] if e.who == role_of(d.who)), 0)
    mine = [e for e in run.endings if e.who == role_of(d.who)]
    hows = {e.how for e in mine if e.pid == pid} or {e.how for e in mine}
    return never + (f"; it {_ended(hows.pop())}" if len(hows) == 1 else "")


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
    if d.found == "before":
        return f"the {d.who} said {_quoted(d.expected)} before {_says(d.other)}, and nothing forces the order that the contract asks for"
    after = f"the {d.who} said {_quoted(d.expected)} after {_says(d.other)}"
    if d.found == "clock":
        return f"{after}: that is the pause's doing, not TCP's"
    if d.found == "tcp":
        return f"{after}: but no pause lies between"
    if d.found == "held" and d.observed:
        return f"{after}: but that did not bring the {_what_came(d.observed)}"
    return f"{after}: true this time, but nothing guarantees it"


def _why_luck(d: Difference, counted: bool) -> Iterator[str]:
    if d.found == "clock":
        yield f'The contract must say so: "after clock: {d.other}".'
    elif d.found == "before":
        who, other = role_of(d.who), role_of(d.other.partition(":")[0])
        yield f"Either line may come first: the {who} did not wait for anything of the {other} here."
        yield f"If the {who} is to wait, it needs something that it receives. If not, take the after away: then the contract is wrong, not the programs."
    elif d.found == "held" and d.brought and d.observed:
        yield from _why_held(d.brought, d.witnesses[0], _what_came(d.observed))
    elif d.found == "tcp":
        yield f'TCP alone forces this order: the contract must say "after {d.other}", without the clock.'
    elif _by_clock(d):
        yield f"The contract counts on a pause here, and in this run no pause held the {d.who} back until then."
    elif not counted:
        yield "The lines' byte counts do not add up, so they prove no order: does each sending and received line carry its count?"
    else:
        yield "No cause leads from the one to the other: no program, no byte, no FIN, no reset, no connect, no pause."
        yield "This is an error of the contract, not of the programs: take the after away."


def _what_came(event: Event) -> str:
    return "EOF" if causes.is_a(event, "EOF") else "reset"


def _why_held(brought: causes.Brought, earlier: Event, came: str) -> Iterator[str]:
    """Why the closing of one process was not the end of a connection: another one still held it. Process ids only where the
    name alone does not tell the two apart."""
    who = f"process {brought.pid} of the {brought.who}" if brought.who == earlier.who else f"the {brought.who}"
    did = {"close": f"{who} closed it", "exit": f"{who} ended", "exec": f"{who} ran another program"}[brought.how]
    yield f"Another process still held the connection then: {who}. The {came} came when {did}."
    yield "A connection ends when the last process that holds it gives it up: let the contract name that one's last line."


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


def _port(d: Difference, run: Run) -> str:
    return f"the {d.who} was given port {d.expected}, and does not listen on it"


def _free(d: Difference, run: Run) -> str:
    return f"exploring never saw this: {d.expected}"


_SENTENCES = {"missing": _missing, "unexpected": _unexpected, "order": _order, "luck": _luck, "never": _never,
              "ends": _ends, "deadlock": _deadlock, "bytes": _bytes, "wire": _wire, "free": _free, "port": _port}


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
    blind = f" As far as this system shows: {run.stop.words}." if run.stop.words else ""
    return f"Proven: {', '.join(dict.fromkeys([*waits, *_queues(run)]))}.{blind}"


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
    told = [line for way in _ways(run) for line in way.story()]
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


def _ways(run: Run) -> Iterator["_Way"]:
    """Each direction in which two programs of the run have a stream, the left program's first."""
    sides = Sides(run)
    follows = _next_lines(run)
    names = names_of(run.cast)
    log = {event.who for event in run.events}
    if sides.two:
        pairs = [(names[0], names[1])]
    else:
        found = {(sides.name(side), sides.name(sides.other(side))) for side in sides.all()}
        pairs = [(a, b) for n, a in enumerate(names) for b in names[n:] if (a, b) in found]
    for a, b in pairs:
        if a == b:
            opened = tuple(side for side in sides.between(a, a) if side[1] == OPENER)
            accepted = tuple(side for side in sides.between(a, a) if side[1] not in (OPENER, a))
            ways = [(f"connecting {a}", f"accepting {a}", opened, accepted), (f"accepting {a}", f"connecting {a}", accepted, opened)]
        else:
            ways = [(a, b, sides.between(a, b), sides.between(b, a)), (b, a, sides.between(b, a), sides.between(a, b))]
        for sender, receiver, theirs, others in ways:
            if not sides.two and not (theirs and others):
                continue
            yield _Way(run, sides, follows, sender, receiver, frozenset(theirs), frozenset(others), (b if sender == a else a) in log)


def _next_lines(run: Run) -> dict[int, Event]:
    """By the seq of a line: the next line of its thread."""
    found: dict[int, Event] = {}
    last: dict[tuple[int, int], Event] = {}
    for event in run.events:
        if (event.pid, event.tid) in last:
            found[last[event.pid, event.tid].seq] = event
        last[event.pid, event.tid] = event
    return found


@dataclass(frozen=True)
class _Write:
    """Bytes that were written, at their place in the run's order. connection: 0 for none known."""

    seq: int
    connection: int
    count: int


class _Way:
    """One direction between two programs: what was sent there, and what became of it.

    Where the programs' calls were seen, what was written is what the calls wrote. Else it is what lines announced, but for the last
    line of a thread whose program failed then: nobody knows whether that write was made.
    """

    def __init__(self, run: Run, sides: Sides, follows: dict[int, Event], sender: str, receiver: str,
                 theirs: frozenset[Side], others: frozenset[Side], answers: bool) -> None:
        self.run, self.sides, self.follows, self.sender, self.receiver = run, sides, follows, sender, receiver
        self.theirs, self.others, self.answers = theirs, others, answers        # answers: the receiver logs lines
        self.sent_lines = [e for e in run.events if e.kind == "send" and self._belongs(e, sender, theirs)]
        self.recvs = [e for e in run.events if e.kind == "recv" and self._belongs(e, receiver, others)]
        self.calls = self._moved(WRITES, sender, theirs) if run.observed else []
        self.seen = run.observed and all(call.name != "sendmmsg" for call in self.calls)    # which returns a number of messages
        self.pending = [call for call in self.calls if call.returned < 0]
        self.failed, self.doubtful = ({}, {}) if self.seen else self._by_lines()
        self.writes = self._writes()
        announced = sum(e.count for e in self.sent_lines) if self.seen else 0
        failed = sum(call.asked for call in self.calls if call.error)
        self.unwritten = max(0, announced - failed - sum(write.count for write in self.writes))

    def _belongs(self, record: Told, name: str, sides: frozenset[Side]) -> bool:
        """Is it one of this direction's end? Of two programs each sends to the other, whether or not the connection is known."""
        return record.who == name if self.sides.two else self.sides.of(record) in sides

    def _moved(self, names: tuple[str, ...], who: str, sides: frozenset[Side]) -> list[Call]:
        return [call for call in self.run.calls if call.name in names and call.connection and call.option != "MSG_PEEK"
                and self._belongs(call, who, sides)]

    def _by_lines(self) -> tuple[dict[int, str], dict[int, str]]:
        """By the seq of a sending line: how its write failed, if the thread's next line or a signal says so; and how the
        program failed behind it, if nothing says whether the write was made."""
        failed: dict[int, str] = {}
        doubtful: dict[int, str] = {}
        ends = {end.pid: end.how for end in (*self.run.children, *self.run.endings)}
        for send in self.sent_lines:
            how = ends.get(send.pid, "")
            if send.seq in self.follows:
                found = re.match(r"Error writing: (EPIPE|ECONNRESET)\b", self.follows[send.seq].text)
                failed.update({send.seq: found[1]} if found else {})
            elif how == "signal PIPE":
                failed[send.seq] = "EPIPE, and with it a signal"
            elif how.startswith(("exit ", "signal ")) and how != "exit 0":
                doubtful[send.seq] = how
        return failed, doubtful

    def _writes(self) -> list[_Write]:
        if self.seen:
            return [_Write(call.seq, call.connection, call.asked if call.returned < 0 else max(call.result, 0)) for call in self.calls]
        return [_Write(e.seq, e.connection, e.count) for e in self.sent_lines if e.seq not in self.failed and e.seq not in self.doubtful]

    # what is told

    def story(self) -> Iterator[str]:
        way = f"From {self.sender} to {self.receiver}"
        if not self.sent_lines and not self.recvs:
            crossed = sum(n for side, n in self.sides.carried().items() if side in self.theirs)
            if crossed:
                yield f"{way}: {'at least ' if self.run.missing else ''}{_count(crossed, 'byte')} went over the wire."
            return
        sent, received = sum(write.count for write in self.writes) + self.unwritten, sum(e.count for e in self.recvs)
        taken = sum(max(call.result, 0) for call in self._moved(READS, self.receiver, self.others)) if self.run.observed else 0
        if not self.recvs and not self.answers:
            told = f"{taken} of {_count(sent, 'byte')} came through" if self.run.observed else f"{_count(sent, 'byte')} {_was(sent)} sent"
            yield f"{way}: {told}; the {self.receiver} has no lines about it."
        else:
            # A failed write may have written a part; where calls were not seen nobody says how much.
            partly = self.failed or self.doubtful
            of_all = _count(received, "byte") if not sent or partly and received > sent else f"{received} of {_count(sent, 'byte')}"
            yield f"{way}: {_messages(self.recvs) if self.recvs else 'nothing'} came through ({of_all})."
            if received < sent:
                yield from self._lost(sent - received - self.unwritten, max(taken - received, 0))
        if self.unwritten:
            n = self.unwritten
            yield f"{_count(n, 'byte')} {_was(n)} announced by the {self.sender}'s lines and never written."
        yield from self._failures()

    def _failures(self) -> Iterator[str]:
        for send in self.sent_lines:
            count = _count(send.count, "byte")
            if send.seq in self.failed:
                yield f"The {self.sender}'s write of {count} failed: {self.failed[send.seq]}."
            elif send.seq in self.doubtful:
                yield (f"Whether the {self.sender}'s write of {count} was made is not known: the {self.sender} "
                       f"{_ended(self.doubtful[send.seq])} there, without another line.")
        if self.seen:
            killed = {end.pid for end in (*self.run.endings, *self.run.children) if end.how == "signal PIPE"}
            found = Counter((call.asked, call.error + (", and with it a signal" if call.error == "EPIPE" and call.pid in killed else ""))
                            for call in self.calls if call.error and call.error not in ("EAGAIN", "EINTR"))
            for (asked, how), n in found.items():
                writes = "write of" if n == 1 else f"{n} writes of"
                yield f"The {self.sender}'s {writes} {_count(asked, 'byte')}{' each' if n > 1 else ''} failed: {how}."

    def _lost(self, missing: int, taken: int) -> Iterator[str]:
        """Where the bytes are that no line of the receiver accounts for: only as far as the records show it. `taken`: bytes that its
        calls have read and no line of it tells of."""
        receiver, sender = self.receiver, self.sender
        unread = sum(s.unread for s in self._sockets(receiver, self.others))
        unsent = sum(s.unsent for s in self._sockets(sender, self.theirs))
        if unread:
            yield (f"{_count(unread, 'byte')} {'lies' if unread == 1 else 'lie'} unread in the {receiver}'s kernel: "
                   f"the {receiver} has not asked for them.")
        if unsent:
            yield f"{_count(unsent, 'byte')} never left the {sender}'s kernel."
        rest = missing - unread - unsent
        if self.pending and rest > taken:
            yield f"{_count(rest - taken, 'byte')} {_was(rest - taken)} not taken by the {sender}'s kernel yet: its write waits for room."
            rest = taken
        if rest <= 0:
            return
        said, late = self._after_the_close()
        if late:
            after = f"the {receiver}'s \"closing\"" if said else f"the {receiver} had closed"
            yield (f"{_count(min(late, rest), 'byte')} {_was(min(late, rest))} written after {after}: "
                   f"a write hands bytes to the {sender}'s own kernel, and nobody read them.")
        elif self._reader_has_them():
            yield (f"{_count(rest, 'byte')} {_was(rest)} taken from the kernel by the {receiver}'s reader "
                   f"but {'is' if rest == 1 else 'are'} no complete message yet.")
        elif taken >= rest:
            yield f"{_count(rest, 'byte')} {_was(rest)} read by the {receiver}, and no line of it tells of {'it' if rest == 1 else 'them'}."
        else:
            yield (f"{_count(rest, 'byte')} {_was(rest)} written, and no line of the {receiver} says "
                   f"that {'it was' if rest == 1 else 'they were'} received.")

    def _sockets(self, who: str, sides: frozenset[Side]) -> list[Socket]:
        """What the kernel still held for one end, each socket once, whoever holds it."""
        mine = [s for s in self.run.stop.sockets if s.connection and self._belongs(s, who, sides)]
        return list({(s.connection, s.local, s.peer): s for s in mine}.values())

    def _after_the_close(self) -> tuple[bool, int]:
        """How many bytes were written after the receiver had said that it closes their connection (True), or after all who held it
        had given it up without a line (False)."""
        closing: dict[int, int] = {}
        for event in self.run.events:
            if event.connection not in closing and causes.is_a(event, "closing") and self._belongs(event, self.receiver, self.others):
                closing[event.connection] = event.seq
        said = sum(w.count for w in self.writes if w.connection in closing and closing[w.connection] < w.seq)
        if said or not self.seen:
            return True, said
        gone = {side[0]: max(h.until for h in end.holders) for side in self.others
                if (end := self.sides.end(side)) is not None and end.holders and all(h.until >= 0 for h in end.holders)}
        return False, sum(w.count for w in self.writes if w.connection in gone and gone[w.connection] < w.seq)

    def _reader_has_them(self) -> bool:
        """The receiver waits in read on empty queues and nothing is under way: then its kernel has handed all over."""
        stop = self.run.stop
        reading = any(w.call == "read" and w.connection and self._belongs(w, self.receiver, self.others) for w in stop.waiting)
        return reading and stop.kind in ("deadlock", "waiting") and bool(self._sockets(self.receiver, self.others)) and stop.under_way == 0


def _resets(run: Run) -> Iterator[str]:
    senders: dict[int, str] = {}        # of the first reset of each connection
    for segment in run.segments:
        if "R" in segment.flags:
            senders.setdefault(segment.connection, segment.sender)
    if 0 in senders:
        yield f"A connect was refused: the {senders.pop(0)}'s kernel answered with a reset (RST), nobody listened there."
    for sender, n in Counter(sender for _, sender in sorted(senders.items())).items():
        if n == 1:
            yield f"The {sender}'s kernel sent a reset (RST): this connection takes nothing any more."
        else:
            yield f"The {sender}'s kernel sent a reset (RST) on {n} connections: they take nothing any more."


def _messages(recvs: list[Event]) -> str:
    texts = [(re.search(r'"(?:[^"\\]|\\.)*"', e.text) or [f"{_count(e.count, 'byte')}"])[0] for e in recvs]
    if len(texts) > 4:
        return f"{', '.join(texts[:3])} and {len(texts) - 3} pieces more"
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]


def _endings(run: Run) -> Iterator[str]:
    since = {(w.who, f"waiting in {w.call}"): f" since {w.source}" for w in run.stop.waiting if w.source and w.on}
    for (who, how), n in sorted(Counter((e.who, e.how) for e in run.endings).items()):
        more = ", for the next client" if how == "waiting in accept" else since.get((who, how), "")
        yield f"{n} {who}s each: {how}{more}." if n > 1 else f"The {who} {_ended(how)}{more}."
