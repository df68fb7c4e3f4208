"""The page of a run of somebody's own programs: standard lines, output and endings in columns; then the findings and the verdict."""
from __future__ import annotations

import re
import shlex
import textwrap
from dataclasses import replace
from typing import Iterator, Sequence, TextIO

from ..explore.schedules import Report
from ..judge import standard
from ..judge.findings import Finding
from ..stage import scenarios
from ..trace import Call, Ending, Event, Output, Record, Role, Run, Segment, Waiting
from . import explored, screen, words

MARK = "\u00b7 "        # stands before each standard line: the program did this, and logged no line about it
WIDEST = 2000           # how many characters of a line of output are shown at most


class Page(screen.Screen):
    """Prints records as they come. With `late`, nothing is printed before end()."""

    def __init__(self, stream: TextIO, real_time: bool, cast: "tuple[Role, ...]", late: bool = False) -> None:
        super().__init__(stream, real_time, cast)
        self.reader, self.fold, self.late = standard.Reader(), standard.Fold(), late
        self._kept: "list[str]" = []

    def tell(self, record: Record) -> None:
        if isinstance(record, (Call, Segment)):
            for line in self.reader.take(record):
                self._shown_lines(self.fold.take(line))
        elif isinstance(record, Output):
            self._rows(record.ns, record.who, f"{record.stream}: {_clean(record.text)}" if record.stream == "stderr" else _clean(record.text))
        elif isinstance(record, Ending):
            self._shown_lines(self.fold.end(record.pid))
            self._rows(record.ns, record.who, f"({record.how})")
        else:
            if isinstance(record, Event):
                self.reader.take(record)
            super().tell(record)

    def end(self) -> None:
        self._shown_lines(self.fold.end())
        super().end()
        for line in ["", *self._kept] if self.late else ():
            super()._print(line)
        self.late = False
        self._kept.clear()

    def _shown_lines(self, lines: "Sequence[standard.Shown]") -> None:
        for line in lines:
            if isinstance(line, standard.More):
                size = f" ({line.bytes:,} bytes)" if line.bytes else ""
                self._row(line.ns, line.who, f"{MARK}... {line.count:,} more like it{size}")
            else:
                self._row(line.ns, line.who, self._standard(line))

    def _standard(self, line: standard.Line) -> str:
        number = f"[{line.connection}] " if line.connection > 1 else ""
        text = f"{MARK}{number}{line.text}"
        room = self._room(line.who) - len(text) - 1
        return f"{text} {_cut(line.data, room)}" if line.data and room >= 8 else text

    def _room(self, who: str) -> int:
        return words.room_of(who, self.width, self.cast)

    def _rows(self, ns: int, who: str, text: str) -> None:
        """Prints a line of output in its program's column, broken where the column ends."""
        room = max(self._room(who), 20)
        self._in_column(ns, who, [text[n:n + room] for n in range(0, max(len(text), 1), room)], dim=False)

    def _row(self, ns: int, who: str, text: str) -> None:
        """Prints a standard line in its program's column, broken between words."""
        self._in_column(ns, who, textwrap.wrap(text, max(self._room(who), 20), subsequent_indent="    ", break_on_hyphens=False), dim=True)

    def _in_column(self, ns: int, who: str, parts: "list[str]", dim: bool) -> None:
        for n, part in enumerate(parts):
            row = words.row(ns, who, part, width=self.width, colour=self.colour, cast=self.cast, dim=dim)
            self._print(row if n == 0 else " " * 10 + row[10:])

    def _print(self, line: str) -> None:
        if self.late:
            self._kept.append(line)
        else:
            super()._print(line)


def _clean(text: str) -> str:
    """Returns a line of output without characters that move a cursor. A carriage return at its end is left out."""
    shown = "".join(c if c.isprintable() or c == "\t" else standard.printable(c) for c in text.rstrip("\r\n")).expandtabs(8)
    return shown if len(shown) <= WIDEST else f"{shown[:WIDEST]}... ({len(shown) - WIDEST:,} characters more)"


def _cut(data: str, room: int) -> str:
    return data if len(data) <= room else data[:room - 4] + '"...'


# --- what came of it ---------------------------------------------------------------------------------------------------

def verdict(run: Run) -> "tuple[str, int, str]":
    """Returns the verdict's word, its exit status, and a sentence."""
    stop = run.stop
    dead = _dead(run)
    if stop.kind == "interrupted":
        return "interrupted", 130, "Ctrl-C"
    if stop.kind == "crash" or dead:
        return "crash", 1, stop.words or dead
    if stop.kind == "deadlock":
        return "deadlock", 1, words.proof(run).removeprefix("Deadlock. ")
    if stop.kind in ("runaway", "no progress"):
        return stop.kind, 1, stop.words.removeprefix(f"{stop.kind} ")
    left = [one for one in run.endings if one.who in _clients(run) and not one.how.startswith(("exit ", "signal "))]
    if not left:
        return "told", 0, "the run is over"
    return "idle", 0, "nothing more happens, and nothing is on its way"


def _clients(run: Run) -> "set[str]":
    return {role.name for role in run.cast if not role.listens} or {role.name for role in run.cast}


def _dead(run: Run) -> str:
    """Returns in words which programs were ended by a signal. Of the processes that the programs started, only those count that
    wrote to a connection that was gone."""
    broken = {call.pid for call in run.calls if call.error == "EPIPE" and call.connection}
    ended = [one for one in run.endings if one.how.startswith("signal ")]
    ended += [one for one in run.children if one.how == "signal PIPE" and one.pid in broken]
    return ", ".join(dict.fromkeys(f"the {one.who} was ended by signal {one.how[7:]}" for one in ended))


def waits(run: Run) -> Iterator[str]:
    """Yields what each blocked thread waits for, one clause each. A thread that waits for its own threads or children is left out
    if another thread of its process waits for something else."""
    own = ("futex", "wait4", "vfork", "pause", "rt_sigsuspend", "rt_sigtimedwait")
    named = {w.pid for w in run.stop.waiting if w.call not in own}
    for w in run.stop.waiting:
        if w.call and w.call not in own or w.pid not in named:
            yield f"the {w.who} waits {_for_what(w, run)}"


def _for_what(w: Waiting, run: Run) -> str:
    place = f" ({w.source})" if w.source else ""
    if w.fd == 0 and w.call == "read" and w.connection:
        return f"in read on connection {w.connection}, its standard input{f', for the {w.on}' if w.on else ''}{place}"
    if w.fd == 0 and w.call in ("read", "poll", "select", "epoll_wait"):
        return f"in {w.call} for its standard input{f', or for connection {w.connection}' if w.connection else ''}{place}"
    if w.call == "accept":
        return f"in accept for the next connection{place}"
    if any((s.pid, s.fd, s.state) == (w.pid, w.fd, "LISTEN") for s in run.stop.sockets):
        return f"in {w.call} for a new connection{f', or for the {w.on}' if w.on else ''}{place}"
    if w.connection:
        return f"in {w.call} on connection {w.connection}{f', for the {w.on}' if w.on else ''}{place}"
    return {"futex": "for a lock or a thread of its own", "wait4": "for a child process", "vfork": "in vfork for its child process", "sleep": "in a sleep"}.get(w.call, f"in {w.call}") + place


_NUMBER = re.compile(r"\bconnection (\d+)")


def _once(found: "Sequence[Finding]") -> "list[Finding]":
    """Returns the findings. Those that say the same of several connections are put into one, at the place of the first."""
    alike: "dict[object, list[Finding]]" = {}
    for one in found:
        one_connection = len(set(_NUMBER.findall(one.words))) == 1
        alike.setdefault((one.code, one.who, one.source, _NUMBER.sub("connection", one.words)) if one_connection else one, []).append(one)
    return [replace(first, words=f"{first.words} The same holds for {_connections(rest)}.") if rest else first for first, *rest in alike.values()]


def _connections(found: "Sequence[Finding]") -> str:
    """Returns "connection 2 and connection 3", or "40 more connections"."""
    numbers = [one[1] for one in (_NUMBER.search(each.words) for each in found) if one]
    return " and ".join(f"connection {number}" for number in numbers) if len(numbers) <= 2 else f"{len(numbers)} more connections"


def ending(run: Run, found: "Sequence[Finding]", *, width: int, fold: bool, colour: bool) -> "list[str]":
    """Returns all that stands under the columns: the findings, one paragraph each, then the verdict."""
    told: "list[str]" = [""]
    for one in _once(found):
        more = [f"misconception {one.misconception}: lessons/misconceptions.md#{one.misconception.lower()}"] \
            if one.misconception in (scenarios.misconceptions() or ()) else []
        page = scenarios.lesson_of(one.lesson)
        more += [f"lesson {int(one.lesson)}: {page}"] if page else []
        place = f" (at {one.source})" if one.source and one.source not in one.words else ""
        told += [*words.folded(f"{one.words}{place} [{one.code}]", width, fold), *(f"  {line}" for line in more), ""]
    for note in run.notes:
        told += words.folded(f"note: {note}", width, fold)
    word, status, sentence = verdict(run)
    lines = words.folded(f"{word}: {sentence}" if sentence else word, width, fold)
    lines[0] = words.verdict_word(word, status == 0, colour) + lines[0][len(word):]
    if status != 130 and word not in ("told", "deadlock"):
        lines += [line for clause in dict.fromkeys(waits(run)) for line in words.folded(f"  {clause}", width, fold)]
    return [*told, *lines]


def outcomes(found: Report, command: str) -> "list[str]":
    """Returns what exploring found, as lines. `command` is the command that steps through a run."""
    many = "1 outcome" if len(found.groups) == 1 else f"{len(found.groups)} outcomes"
    told = [f"{many} in {found.count} schedules with at most one delay: a program is held before one of its calls, or behind it,",
            "until nothing else can happen but calls that bring nothing."]
    if found.left:
        told.append(f"not run: {found.left} schedules more (--limit); what they would show is not known")
    first = found.groups[0][0].outcome
    for n, group in enumerate(found.groups, 1):
        one = group[0]
        apart = "" if len(found.groups) == 1 else ": " + explored.parting(one.outcome, first if n > 1 else found.groups[1][0].outcome)[0]
        told += ["", f"outcome {n}, in {len(group)} of {found.count} schedules{apart}", f"  {explored.how_it_ended(one.outcome)}"]
        if one.schedule:
            places = "; ".join(map(str, one.schedule))
            told += [f"  to see it, {explored.schedule_in_words(one.schedule)}:", f"  SCHEDULE={shlex.quote(places)} {command}"]
    return told
