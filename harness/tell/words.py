"""What a learner reads about a run: the verdict, and an event as one line in its program's column. (story.py tells the run
itself.)

A failure is told in this order: one sentence; the lines that show it, with their sources; why it had to be so; the picture; the
hint and the lesson; the command. Each part is a function that yields lines. The difference that caused the others is told; of the
others only their number. Nothing is cut without a word about it, and a duration is never a reason.
"""
from __future__ import annotations

import re
import textwrap
from typing import Iterable, Iterator, Optional

from ..judge import causes, standard
from ..judge.cast import Cast
from ..judge.comparison import Difference, Verdict
from ..judge.contract import Contract, Ends, Line, role_of
from ..judge.findings import acts
from ..judge.findings.acts import PLAIN
from ..observe import sanitizer
from ..stage import scenarios
from ..trace import Call, Ending, Event, Output, Role, Run, Waiting, plain
from .phrases import again, all_of, begin_alike, count, ended, quoted, shortened, the
from .why import Why, uncounted, what_came

COLOURS = ("36", "33", "35", "34", "96", "93", "95", "94")  # cyan, yellow, magenta, blue, then the bright ones: by column
GOOD, BAD = "32", "31"                                      # green, red
PAIR = (Role("server", True), Role("client", False))        # the default cast
MESSAGE = 44        # characters of a line such as [2] Received message: "This is a message\n"
NARROWEST = 30      # if there are more than two columns, each has at least so many characters
AROUND = 4      # so many lines are shown before the place, and after it

DOING = {"read": "is reading", "write": "is writing", "accept": "waits in accept"}


# --- one event, one line ---------------------------------------------------------------------------------------------

def format_event(event: Event, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """Returns a line with the seconds from the run's beginning, and the text in its program's column. With two programs the
    client's column is at the left. The server's column begins so that a line about a message has room on a terminal of 80
    columns. If there is no room for all programs side by side, they share one column, and each line begins with its program's
    name."""
    return _row(event.ns, event.who, said(event), width, colour, cast)


def format_output(output: Output, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """Returns a line of plain output. It is marked as output, because its place among the other program's lines says nothing."""
    return _row(output.ns, output.who, f"{output.stream}: {output.text.rstrip(chr(10))}", width, colour, cast)


def format_ending(ending: Ending, *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """Returns how a program ended, in its column."""
    return _row(ending.ns, ending.who, f"({ending.how})", width, colour, cast)


def column_heads(*, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> str:
    """Returns the line above the columns."""
    names, starts = names_of(cast), _starts(width, cast)
    if not starts:
        return f"{' ' * 10}{'program':{_longest(cast)}}  line"
    head, at = " " * 10, 0
    for name, start in zip(names, starts):
        head += " " * (start - at) + _painted(name, name, colour, cast)
        at = max(start, at) + len(name)
    return head


def names_of(cast: tuple[Role, ...]) -> tuple[str, ...]:
    """Returns the cast's names from left to right: first the programs that do not listen, then those that listen. The first one
    to start comes last."""
    return (*(role.name for role in cast if not role.listens), *(role.name for role in cast[::-1] if role.listens))


def _starts(width: int, cast: tuple[Role, ...]) -> tuple[int, ...]:
    """Returns for each name the character behind the seconds at which its column begins; () if there is no room for columns side
    by side."""
    count = len(cast)
    if count <= 2:
        return (0, max(width * 4 // 5 - 40, 8))[:count]
    room = min((width - 10) // count, max((width - 10 - MESSAGE) // (count - 1), NARROWEST))       # the last column has room for a message, if any can
    return tuple(n * room for n in range(count)) if room >= NARROWEST else ()


def _longest(cast: tuple[Role, ...]) -> int:
    return max(len("program"), *(len(role.name) for role in cast))


def row(ns: int, who: str, text: str, *, width: int, colour: bool, cast: tuple[Role, ...], dim: bool = False) -> str:
    """Returns any text in a program's column. With `dim`, it is paler than the log lines if there are colours."""
    return _row(ns, who, text, width, colour, cast, "2;" if dim else "")


def room_of(who: str, width: int, cast: tuple[Role, ...]) -> int:
    """Returns how many characters a line has from the beginning of a program's column to the next column, or to the end of the
    width."""
    names, starts = names_of(cast), _starts(width, cast)
    if not starts:
        return width - 12 - _longest(cast)
    at = names.index(who) if who in names else 0
    return (starts[at + 1] - 1 if at + 1 < len(starts) else width - 10) - starts[at]


def verdict_word(word: str, good: bool, colour: bool) -> str:
    """Returns the first word of a verdict, coloured."""
    return dyed(word, GOOD if good else BAD, colour)


def _row(ns: int, who: str, text: str, width: int, colour: bool, cast: tuple[Role, ...], style: str = "") -> str:
    names, starts, text = names_of(cast), _starts(width, cast), plain(text)
    if starts:
        text = " " * (starts[names.index(who)] if who in names else 0) + _painted(text, who, colour, cast, style)
    else:
        text = _painted(f"{who:{_longest(cast)}}  {text}", who, colour, cast, style)
    return f"{ns / 1e9:8.3f}  {text}"


def said(event: Event) -> str:
    """Returns the event's text, with the port on which it listens, and with the number of any connection but the first."""
    port = event.address.rpartition(":")[2] if event.kind == "listen" else ""
    number = f"[{event.connection}] " if event.connection > 1 else ""
    return number + shortened(event.text) + (f" (port {port})" if port else "")


def columns(events: Iterable[Event], *, width: int = 100, colour: bool = False, cast: tuple[Role, ...] = PAIR) -> list[str]:
    """Returns the events as lines in their columns, in the observed order."""
    return [format_event(event, width=width, colour=colour, cast=cast) for event in events]


def _painted(text: str, who: str, colour: bool, cast: tuple[Role, ...], style: str = "") -> str:
    names = names_of(cast)
    return dyed(text, style + COLOURS[names.index(who) % len(COLOURS)], colour) if who in names else text


def dyed(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


# --- the verdict -----------------------------------------------------------------------------------------------------

def tell(verdict: Verdict, run: Run, contract: Contract, *, reproduce: str, width: int = 100, colour: bool = False,
         fold: bool = False, lead: str = "", every: bool = False, picture: bool = True, hints: bool = True, rows: int = 0) -> str:
    """Returns the whole verdict, without a newline at its end. With `every` each difference is told, and not only the first one.
    Without `picture` the lines around the place are left out. Without `hints` the hints, the lesson and the commands are left out,
    because something else shows them. `reproduce` is the command that makes the run again. `lead` stands before the first word.
    With `fold` sentences are broken between words at `width`. Where the verdict has more lines than `rows`, fewer lines around the place
    are shown, so that its first line stays on the screen; 0 for no limit."""
    if verdict.word == "as expected":
        told = folded(lead + _as_expected(verdict, run, contract), width, fold)
        told[0] = lead + dyed("as expected", GOOD, colour) + told[0][len(lead + "as expected"):]
        return "\n".join([*told, *_not_looked_at(verdict, width, fold)])
    teller = _Teller(verdict, run, contract, width, colour, fold, lead)
    teller.every = every
    above = [*teller.headline(), *teller.witnesses(), *teller.folded(teller.why())]
    below = [*(teller.folded(teller.hint()) if hints else ()), *teller.others(hints), *_not_looked_at(verdict, width, fold), *(again(reproduce) if hints else [])]
    shown: "list[str]" = []
    for around in range(AROUND, 0, -1) if picture else ():
        shown = list(teller.picture(around))
        if not rows or len(above) + len(shown) + len(below) <= rows:
            break
    return "\n".join([*above, *shown, *below])


def folded(line: str, width: int, fold: bool = True) -> list[str]:
    """Returns a sentence as lines of at most that width, broken between words. The later lines are indented."""
    return textwrap.wrap(line, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False) if fold else [line]


def _as_expected(verdict: Verdict, run: Run, contract: Contract) -> str:
    parts = [count(verdict.lines, "line")]
    if verdict.orders:
        parts.append(f"{count(verdict.orders, 'order')} that TCP{' or the pause' if _paused(contract) else ''} forced")
    if run.stop.kind == "deadlock":
        parts.append(f"a deadlock, {'as far as this system shows' if run.stop.words else 'proven'}, as the contract says")
    elif {role.name for role in run.cast} <= {role_of(ends.who) for ends in contract.plan(verdict.choice).of(Ends)}:
        parts.append(f"{'both' if len(run.cast) == 2 else 'all'} ends as the contract says")
    parts += [f"this time: {branch}" for branch in verdict.branches]
    parts += [f"{the(who)} {ended(how)}, of which the contract says nothing" for who, how in _ends_unsaid(verdict, run, contract)]
    return f"as expected: {', '.join(parts)}"


def _ends_unsaid(verdict: Verdict, run: Run, contract: Contract) -> list[tuple[str, str]]:
    """Returns how programs ended about whose end the contract says nothing. Programs that ended with 0, or that wait for the next
    client, are left out."""
    plan = contract.plan(verdict.choice)
    said = {role_of(ends.who) for ends in plan.of(Ends)}
    return sorted({(end.who, end.how) for end in run.endings if end.who not in said and end.how not in ("exit 0", "waiting in accept")})


def _paused(contract: Contract) -> bool:
    return any(ref.clock for s in contract.statements if isinstance(s, Line) for ref in s.after)


def _not_looked_at(verdict: Verdict, width: int, fold: bool) -> list[str]:
    return [line for words in verdict.unseen for line in folded(f"not looked at: {words}", width, fold)]


def _says(ref: str) -> str:
    """Returns a reference as a clause: `the server said "closing"` for "server: closing"."""
    who, _, text = ref.partition(": ")
    return f"{the(who)} said {quoted(text)}"


class _Teller:
    def __init__(self, verdict: Verdict, run: Run, contract: Contract, width: int, colour: bool, fold: bool, lead: str) -> None:
        self.verdict, self.run, self.contract, self.width, self.colour = verdict, run, contract, width, colour
        self.fold, self.lead, self.every = fold, lead, False
        self.first: Optional[Difference] = verdict.differences[0] if verdict.differences else None
        self.plan = contract.plan(verdict.choice)
        self.cast = Cast(run, contract.whos)
        self.reasons = Why(verdict, run, contract, self.cast)
        self.calls = {call.seq: call for call in run.calls}
        self.wide = max(6, *(len(role.name) for role in run.cast)) + 2
        self.events = {e.seq: e for e in run.events}
        self.last = {(e.pid, e.tid): e for e in run.events}     # by thread: its last line
        self.blocked = {self.last[key].seq: w for w in run.stop.waiting if (key := (w.pid, w.tid)) in self.last and _stands(w, run)}

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
        """Returns what is said first about a run that a crash, a limit or Ctrl-C ended; "" for any other run."""
        word, stop = self.verdict.word, self.run.stop
        if word == "crash":
            asked = {end.who for end in self._asked_to_die()}
            dead = [f"the {e.who} was ended by signal {e.how[7:]}" for e in self.run.endings if e.how.startswith("signal ") and e not in self._asked_to_die()]
            told = stop.words if not any(stop.words.startswith(f"the {who} died of ") for who in asked) else ""
            return told or ", ".join(dead) or stop.words or "a program was stopped"
        if word == "runaway":
            return stop.words or "a program passed a limit"
        if word == "no progress":
            return stop.words or "nothing happened for the limit, and the kernel does not tell why"
        return "the run was interrupted" if word == "interrupted" else ""

    def _place(self) -> str:
        """Returns the file:line of the headline: where the program was; or the contract's line, if only the contract knows a
        place."""
        d = self.first
        if self.verdict.word == "crash":
            return self._where_it_died()
        if self.verdict.word == "runaway" and (place := self._where_it_runs()):
            return place
        if d is None:
            return ""
        act = self.calls.get(d.act)
        if act is not None and act.source:
            return self._path(act.source)
        if (line := self.reasons.place(d)):
            return self._path(line)
        if d.kind in ("bytes", "wire", "call", "luck", "free", "deadlock"):
            return f"{self.contract.path}:{d.line}" if d.line else ""
        event = d.observed or next((e for e in d.witnesses[::-1] if self.cast.is_about(e, d.who)), None)
        return f"scenarios/{self.run.name}/{event.source}" if event and event.source else ""

    def _asked_to_die(self) -> "list[Ending]":
        """Returns the endings by a signal that the contract asks for: those are no crash."""
        asked = {(role_of(ends.who), ends.how) for ends in self.contract.plan(self.verdict.choice).of(Ends)}
        return [end for end in self.run.endings if end.how.startswith("signal ") and (end.who, end.how) in asked]

    def _where_it_died(self) -> str:
        """Returns the place that the finding about a crash names; else where the program that died logged its last line."""
        asked = self._asked_to_die()
        found = next((one.source for one in self.reasons.findings if one.code in ("sanitizer", "sigpipe") and one.source and one.who not in {end.who for end in asked}), "")
        died = {end.pid for end in self.run.endings if end.how.startswith("signal ") and end not in asked}
        return self._path(found or next((e.source for e in reversed(self.run.events) if e.pid in died and e.source), ""))

    def _where_it_runs(self) -> str:
        """Returns the place of the call that a program makes again and again; else the place where the program that the stop
        names logged its last line. Returns "" if the stop names no program."""
        who = next((role.name for role in self.run.cast if re.search(rf"\bthe {re.escape(role.name)}\b", self.run.stop.words)), "")
        found = next((one.source for one in self.reasons.findings if one.code in ("spin", "eof-again", "asked-nothing") and one.who == who and one.source), "")
        last = next((e.source for e in reversed(self.run.events) if e.who == who and e.source), "")
        return self._path(found or last) if who else ""

    def _path(self, source: str) -> str:
        """Returns the path of a source file. The files of the programs, and those whose lines were logged, are in the scenario's
        folder. Of other files only the name is known."""
        file = source.partition(":")[0]
        own = {f"{role.name}.c" for role in self.run.cast} | {e.source.partition(":")[0] for e in self.run.events}
        return f"scenarios/{self.run.name}/{source}" if file in own else source

    def _with_source(self, text: str, source: str) -> Iterator[str]:
        lines = folded(self.lead + text, self.width, self.fold)
        room = self.width - len(lines[-1]) - len(source)
        word = text.partition(":")[0]
        lines[0] = self.lead + dyed(word, BAD, self.colour) + lines[0][len(self.lead + word):]
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
            yield from self._seen(event)
        act = self.calls.get(d.act) if d else None
        if act is not None:
            name = act.option if act.name == "close" and act.option else f"{PLAIN.get(act.name, act.name)} {act.option}".rstrip()
            what = f"{name} = {act.error or act.result}"
            yield f"  call    {act.who:{self.wide}}{what:{self._room}}  {act.source}".rstrip()
        stderr = {o.who: o.text.rstrip("\n") for o in self.run.outputs if o.stream == "stderr"}      # the last line of each
        for who in dict.fromkeys(e.who for e in self.run.endings if e.how.startswith("exit ") and e.how != "exit 0"):
            yield from folded(f"  stderr  {who:{self.wide}}{plain(stderr[who])}", self.width, self.fold) if who in stderr and not self._sanitized(who) else []
        if d and d.kind in ("order", "luck", "never"):
            yield from folded(f"  line    {d.statement}  ({self.contract.path}:{d.line})", self.width, self.fold)

    def _sanitized(self, who: str) -> bool:
        """Did a sanitizer write a report about this program? Then the last line of its standard error belongs to the report, and
        explains nothing."""
        return any(o.who == who and o.stream == "stderr" and sanitizer.begins(o.text) for o in self.run.outputs)

    def _event(self, seq: int) -> Event:
        return self.events[seq]

    def _seen(self, event: Event) -> Iterator[str]:
        here = "then blocked" if event.seq in self.blocked else ""
        text, place = f"  seen    {event.who:{self.wide}}{said(event):{self._room}}", f"{event.source:14}{here}".rstrip()
        if self.fold and len(text) + 2 + len(place) > self.width:
            yield from (*folded(text, self.width), *([f"{'':{10 + self.wide}}{place}"] if place else []))
        else:
            yield f"{text}  {place}".rstrip()

    @property
    def _room(self) -> int:
        """How many characters the text of a witness may have."""
        return max(self.width - self.wide - len("  seen    " + "  client.c:38   " + "then blocked"), 20)

    # why it had to be so

    def why(self) -> Iterator[str]:
        told = list(dict.fromkeys(self.reasons.lines(self.first)))
        yield from told
        if self.run.stop.kind == "deadlock" and not any(one.code == "deadlock" for one in self.reasons.findings):
            yield proof(self.run)
        elif self.run.stop.kind == "deadlock":
            yield from blind(self.run)

    # the picture

    def picture(self, around: int) -> Iterator[str]:
        events, place = list(self.run.events), self._marked()
        if not events or place is None:
            return
        at = next(n for n, e in enumerate(events) if e.seq == place.seq)
        begin, end = max(at - around, 0), min(at + around + 1, len(events))
        yield ""
        yield f"    {column_heads(width=self.width - 4, colour=self.colour, cast=self.run.cast)}"
        if begin:
            yield f"    ({count(begin, 'line')} before)"
        for n, event in enumerate(events[begin:end], begin):
            yield f"{'  > ' if n == at else '    '}{format_event(event, width=self.width - 4, colour=self.colour, cast=self.run.cast)}"
        if end < len(events):
            yield f"    ({count(len(events) - end, 'line')} more)"
        yield ""

    def _marked(self) -> Optional[Event]:
        d = self.first
        if d is None or d.kind in ("bytes", "wire", "call", "free"):
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

    def others(self, command: bool) -> Iterator[str]:
        others = self.verdict.differences[1:]
        if others and not self.every:
            yield f"{count(len(others), 'more difference')}; mend this first{' (ALL=1 shows all)' * command}"
        elif others:
            yield "what differs besides, and may follow from that:"
            yield from self.folded(f"  {sentence_of(one, self.run)}{f'  ({self.contract.path}:{one.line})' if one.line else ''}" for one in others)


def sentence_of(d: Difference, run: Run) -> str:
    """Returns one difference in one sentence: the program, what was expected, what was observed."""
    return _SENTENCES[d.kind](d, run)


def _missing(d: Difference, run: Run) -> str:
    never = f"{the(d.who)} never said {quoted(d.expected)}"
    still = d.blocked is not None and _stands(d.blocked, run) and not (d.observed and d.blocked.call == "accept")
    if d.observed:      # a handler that has ended: what it said tells more than its program's accept
        return f"{never}; it said {_instead(d.expected, d.observed)} instead" + (f", and {_doing(d.blocked)} since" if still and d.blocked else "")
    if still and d.blocked:
        others = d.blocked.call == "accept" and any(w.who == d.blocked.who and (w.pid, w.tid) != (d.blocked.pid, d.blocked.tid) for w in run.stop.waiting)
        behind = _behind(d, run, last=True) if d.blocked.call == "accept" and not others else ""
        return f"{never}; {behind or ('a thread of it' if others else 'it') + ' ' + _doing(d.blocked) + ' still'}"
    if d.who.endswith("]") and not d.witnesses:     # no line of it says which process it would be
        made = len(run.connections)
        few = made < int(d.who.rpartition("[")[2][:-1]) and role_of(d.who) in {role.name for role in run.cast if role.listens}
        return never + (f"; the run had only {count(made, 'connection')}" if few and made and run.observed else "")
    pid = next((e.pid for e in d.witnesses[::-1] if e.who == role_of(d.who)), 0)
    mine = [e for e in run.endings if e.who == role_of(d.who)]
    hows = {e.how for e in mine if e.pid == pid} or {e.how for e in mine}
    behind = _behind(d, run, last=False) or (f"it {ended(hows.pop())}" if len(hows) == 1 else "")
    return f"{never}; {behind}" if behind else never


def _behind(d: Difference, run: Run, last: bool) -> str:
    """Returns what the program said after its last line that is right: the next line that begins as the expected one, or else, if asked for, its
    last line."""
    right = next((e for e in d.witnesses[::-1] if e.who == d.who), None)
    behind = [e for e in run.events if right is not None and e.who == d.who and e.seq > right.seq]
    like = next((e for e in behind if begin_alike(d.expected, e.text)), None)
    if like is not None:
        return f"its next line that begins so is {_instead(d.expected, like)}"
    return f"its last line is {quoted(behind[-1].text)}" if behind and last else ""


def _instead(expected: str, observed: Event) -> str:
    """Returns what was said in place of the expected line. Bytes that are no text are left out, because they may differ from run
    to run; they are shown below, with the line."""
    lead, quote, text = observed.text.partition('"')
    strange = quote and observed.kind != "send" and re.search(_STRANGE, text) and not re.search(_STRANGE, expected)
    other = "other bytes" if expected.startswith(lead + quote) else "bytes that are no text"
    return f"{quoted(lead.strip())} with {other}" if strange else quoted(observed.text)


_STRANGE = r"\\[1-7][0-7]|\\0\\0"


def _stands(waiting: Waiting, run: Run) -> bool:
    """Does that thread certainly wait? In a run that a limit or Ctrl-C ended, a program that spins may have been seen in a call."""
    return bool(waiting.call) and run.stop.kind not in ("runaway", "no progress", "interrupted")


def _doing(waiting: Waiting) -> str:
    return DOING.get(waiting.call, f"waits in {waiting.call}")


def _unexpected(d: Difference, run: Run) -> str:
    what = f"{the(d.who)} said {quoted(d.observed.text)}" if d.observed else f"{the(d.who)} said more"
    return what + (f" where {quoted(d.expected)} was to come" if d.expected else ", and nothing more was to come")


def _order(d: Difference, run: Run) -> str:
    return f"{the(d.who)} said {quoted(d.expected)} before {_says(d.other)}"


def _late(d: Difference, run: Run) -> str:
    return f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)} only after it had called {PLAIN.get(d.found, d.found)}" + (", which closed the connection whose descriptor it took" if d.found.startswith("dup") else "")


def _open(d: Difference, run: Run) -> str:
    said, number = f"{the(d.who)} said {quoted(d.expected)}", f" {d.observed.connection}" if d.observed else ""
    act, still = _deed(d, run), f"still holds connection{number} when the run is over"
    if d.found == "elsewhere" and act is not None:
        failed = f", and failed with {act.error}" if act.error else ""
        return f"{said}, and its {acts.name(act)} was on descriptor {act.fd}, which is not connection{number}{failed}"
    if d.found == "used" and act is not None:
        return f"{said}, and called {acts.name(act)} on connection{number} after that"
    if d.found == "shutdown" and act is not None:
        kept = any(h.pid == act.pid and h.until < 0 for made in run.connections for end in (made.opener, made.acceptor) if made.number == act.connection and end is not None for h in end.holders)
        return f"{said}, and called shutdown({act.option}) in place of close: it {still if kept else f'had connection{number} until it ended'}"
    if d.found == "failed" and act is not None:
        return f"{said}, and its shutdown failed with {act.error}"
    if d.found == "a copy" and d.observed and causes.is_a(d.observed, "half-closing"):
        return f"{said}, and closed one descriptor of connection{number} in its place. It had another one still, so that close sent no FIN"
    return said + {"close": ", and called close in its place",
                   "another process": f", and another process of it called shutdown on connection{number}",
                   "no pause": ", and did not pause",
                   "no shutdown": f", and called no shutdown on connection{number}",
                   "again": f", and closed nothing of connection{number} before it said \"closing\" once more",
                   "exit": f" and went on, and had connection{number} until it ended: it did not close it",
                   "holds": f", and {still}",
                   "a copy": f" and closed one descriptor of connection{number}, and it still has another one when the run is over",
                   "": f", and {still}: it did not close it"}.get(d.found, f", and another process of it {still}")


def _deed(d: Difference, run: Run) -> Optional[Call]:
    """Returns the call that the difference is about; None if it is about none."""
    return next((call for call in run.calls if call.seq == d.act), None)


def _unwritten(d: Difference, run: Run) -> str:
    said = f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}"
    if int(d.expected) < 0:
        return f"{said} with a count of {d.expected} bytes"
    act = _deed(d, run)
    where = f" on connection {d.observed.connection}" if d.observed else ""
    if d.expected == "0":
        return f"{the(d.who)} wrote {count(int(d.found), 'byte')}{where} that no line of it announces"
    did = f"wrote none{where}" if d.found == "0" else f"wrote {count(int(d.found), 'byte')}"
    if d.found == "0" and act is not None:
        did = f"called {acts.name(act)} on descriptor {act.fd}, which is not {where[4:]}" + (f", and it failed with {act.error}" if act.error else "")
    return f"{said}, which announces {count(int(d.expected), 'byte')}; it {did}"


def _unlike(d: Difference, run: Run) -> str:
    act = next(call for call in run.calls if call.seq == d.act)
    said = f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}, and its {acts.name(act)}"
    if d.other:
        who, _, line = d.other.partition(": ")
        return f"{said} wrote {standard.quoted(act.data, act.result)}; {the(who)} was to read these bytes and say {quoted(line)}"
    return f"{said} sent other bytes: {standard.quoted(act.data, act.result)}"


def _miscount(d: Difference, run: Run) -> str:
    if d.other == "once":
        return (f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}, and the count that it gives to event_received() is {d.expected}: "
                f"its read had returned {d.found}")
    return (f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}, which counts {count(int(d.expected), 'byte')}; "
            f"with it, its lines count more bytes than the {d.found} that it had read")


def _unheard(d: Difference, run: Run) -> str:
    none = "none of its reads had told it so" if d.found == "EOF" else f"none of its calls had failed with {d.found}"
    return f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}, and {none} by then"


def _deaf(d: Difference, run: Run) -> str:
    return f"{the(d.who)} ended its own reading with shutdown({d.expected}), and the contract has it read on"


def _act(d: Difference, run: Run) -> str:
    pid = next((call.pid for call in run.calls if call.seq == d.act), 0)
    child = "'s child process" if pid in {end.pid for end in run.children} else ""
    if d.expected.startswith("dup") or d.found.startswith("dup"):
        return f"{the(d.who)}{child} called {d.expected or d.found}, which closed the connection whose descriptor it took, and no line of it says so"
    return f"{the(d.who)}{child} called {d.found}{f'({d.expected})' if d.expected else ''}, and no line of it says so"


def _reset(d: Difference, run: Run) -> str:
    if d.expected == "EPIPE":
        return f"{the(d.who)}'s close sent a reset (RST), and a write of the {d.found} then failed with EPIPE"
    if d.expected == "ECONNRESET":
        return f"{the(d.who)}'s close sent a FIN, and the {d.found} was to read {d.expected}"
    wanted = f"the contract has a FIN{f' of the {d.found}' if d.found else ''}" if d.expected == "FIN" else f"the {d.found} was to read EOF"
    return f"{the(d.who)}'s close sent a reset (RST), and {wanted}"


def _luck(d: Difference, run: Run) -> str:
    if d.found == "before":
        return f"{the(d.who)} said {quoted(d.expected)} before {_says(d.other)}, and nothing forces the order that the contract asks for"
    after = f"{the(d.who)} said {quoted(d.expected)} after {_says(d.other)}"
    if uncounted(d, run) or d.found == "thread":
        return f"{after}: true this time, but no line proves it"
    if d.found == "count":
        return f"{after}: but the lines count more bytes received than sent, so they prove no order"
    if d.found == "clock":
        return f"{after}: that is the pause's doing, not TCP's"
    if d.found == "tcp":
        return f"{after}: but no pause lies between"
    if d.found == "held" and d.observed:
        return f"{after}: but that did not bring the {what_came(d.observed)}"
    return f"{after}: true this time, but nothing guarantees it"


def _never(d: Difference, run: Run) -> str:
    where = f" {d.other}" if d.other else ""
    return f"{the(d.who)} said {quoted(d.observed.text if d.observed else d.expected)}, which must never come{where}"


def _ends(d: Difference, run: Run) -> str:
    found = d.found if d.found == "nothing known" else f"it {ended(d.found)}"
    wanted = "wait in " + d.expected[11:] if d.expected.startswith("waiting in ") else f"end with {d.expected}"
    return f"{the(d.who)} was to {wanted}, but {found}"


def _deadlock(d: Difference, run: Run) -> str:
    if not d.expected:
        return f"{all_of(d.found.split(', '))} wait for each other for ever"
    outcome = {"over": "the run came to its end", "waiting": "they do not wait for each other"}
    other = outcome.get(run.stop.kind, f"the run ended otherwise ({d.found})")
    return f"{all_of(d.expected.split(', '))} were to wait for each other for ever, but {other}"


def _bytes(d: Difference, run: Run) -> str:
    wanted, _, whom = d.expected.partition(" ")
    return f"{the(d.who)} was to send {count(int(wanted), 'byte')} {whom}; it sent {d.found}"


def _wire(d: Difference, run: Run) -> str:
    if d.other:
        return f"on the wire, the {d.who}'s {d.expected} came before the {d.other.replace(' ', chr(39) + 's ', 1)}"
    return f"on the wire, the {d.who}'s {d.expected} was never seen"


def _call(d: Difference, run: Run) -> str:
    if d.expected == "look":
        return f"{the(d.who)} never looked, without waiting, whether anything had come on a connection"
    if d.expected == "empty":
        return f"{the(d.who)} never found its accept queue empty: no accept gave EAGAIN, and no poll of its listener with a time limit of 0 found nothing"
    if d.expected == "poll":
        return f"{the(d.who)} never asked with poll, select or epoll_wait which of its descriptors is ready"
    if d.expected == "fork":
        return f"{the(d.who)} never made a child process, as fork does"
    if d.found:
        return f"{the(d.who)} called {d.expected}, and it failed ({d.found})"
    return f"{the(d.who)} never called {d.expected}"


def _port(d: Difference, run: Run) -> str:
    return f"{the(d.who)} was given port {d.expected}, and does not listen on it"


def _free(d: Difference, run: Run) -> str:
    return f"exploring never saw this: {d.expected}"


_SENTENCES = {"missing": _missing, "unexpected": _unexpected, "order": _order, "luck": _luck, "never": _never,
              "ends": _ends, "deadlock": _deadlock, "bytes": _bytes, "wire": _wire, "call": _call, "free": _free, "port": _port,
              "late": _late, "open": _open, "unwritten": _unwritten, "unlike": _unlike, "miscount": _miscount, "unheard": _unheard, "deaf": _deaf, "act": _act, "reset": _reset}


# --- the evidence of a deadlock --------------------------------------------------------------------------------------

def proof(run: Run) -> str:
    """Returns the proof of a deadlock in words: who waits for whom, in which call, and where the bytes are."""
    waits = [f"{w.who} waits for {w.on} in {w.call}" for w in sorted(run.stop.waiting, key=lambda w: w.who) if w.on]
    waits = waits or [f"{who} waits" for who in run.stop.cycle]
    word = "Seen" if run.stop.words else "Proven"
    return " ".join([f"{word}: {', '.join(dict.fromkeys([*waits, *_queues(run)]))}.", *blind(run)])


def blind(run: Run) -> Iterator[str]:
    """Yields what could not be seen here, and might still end the deadlock."""
    yield from [f"As far as this system shows: {run.stop.words}."] if run.stop.words else []


def _queues(run: Run) -> Iterator[str]:
    held = [s for s in run.stop.sockets if s.connection]
    if run.stop.under_way:
        yield f"{count(run.stop.under_way, 'byte')} under way"
    if any(s.unread or s.unsent for s in held):
        yield from (f"{s.who} has {count(s.unread, 'byte')} unread and {count(s.unsent, 'byte')} not sent" for s in held)
    elif not run.stop.under_way:    # bytes that have arrived and are not acknowledged yet hold nobody up
        yield "no byte is unread and none is on its way"
