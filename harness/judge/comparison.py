"""Compares a run with its contract, and returns the verdict. The difference that caused the others comes first.

A plan is the contract with one branch of each either block chosen. The run is compared with each plan. The plan that the run
keeps is taken; if it keeps none, the one that it kept for most lines.

A comparison begins with the lines. Each WHO's own lines are matched, in order, up to the place where that program left the
contract. What it logged after that is not compared, since it follows from it. Then all else is asked of the lines that did match:
their `after`s, by the observed order and by its causes (so luck is told apart), and the statements about endings, deadlock, bytes
and the wire. Then the system calls are compared with the lines (deeds.py): an act that no line tells, a line that came after its
act.

The differences are sorted by facts: who shut down or ended first, who had read what. None stands before one from which it
follows.

This module decides; words.py puts the decision into words.
"""
from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Iterable, Iterator, Optional, Sequence

from . import causes, made, marks, ports
from .cast import Cast
from .contract import (After, Bytes, Contract, Deadlock, Ends, Free, Line, Made, Never, Plan, Wire, code_of, fits, fitting, index_of,
                       misspelt, role_of)
from .deeds import FINISHED, Deeds, disconnects, quoted_bytes
from .sides import WRITES, Side
from ..trace import Call, Ending, Event, Run, Segment, Waiting

STATUS = {"as expected": 0, "told": 0, "differs": 1, "deadlock": 1, "crash": 1, "runaway": 1, "no progress": 1, "interrupted": 130}
LATE = math.inf     # the place of a line that never came


@dataclass(frozen=True)
class Difference:
    """One way in which the run left the contract. `kind`:
    missing     WHO never logged the expected line. `observed` is what it logged instead, None if it logged nothing more.
                found: "nearly" if the two texts are nearly the same, "done" if WHO did what the line tells and only the line is missing
    unexpected  WHO logged `observed` where another line was to come, or no line at all (expected "")
    order       the line came before the one that its `after` names (`other`)
    luck        nothing forces the order that the line's `after` asks for. found: "before" if the line came first this time. If it came
                second: "clock" if a pause forced that, "tcp" if something else did and the contract says `after clock:`, "held" if
                another process still held the connection, and its end brought the EOF or the reset (`brought`), "thread" if
                another thread brought that, and it is not known when it was made, "count" if WHO's lines count more bytes received than
                were announced, else ""
    never       WHO logged what it must not
    free        exploring never saw one of the two orders, or never took a branch (a single run has no such difference)
    port        WHO listens on another port (`found`) than the one that it was given (`expected`)
    late        WHO logged the line after the act that it announces; `act` is the call
    open        WHO said "closing" and still holds the connection when the run is over; found: "another" if another process of it does.
                Or WHO said "shutting down" and made no such call; found: "close" if it closed instead, else "no shutdown". found "failed": its
                shutdown, the call `act`, failed.
                found "no pause": WHO said "pausing", and went on at once.
                found "used": WHO said "closing", and then made the write `act`. found "elsewhere": WHO made the call `act` on
                another descriptor. found "holds": calls were not seen, and WHO may have closed a copy. found "again" and "exit":
                WHO went on and had not closed when it said "closing" once more, or when it ended. found "shutdown": WHO said "closing",
                and made the shutdown `act` in place of that
    unwritten   WHO announced `expected` bytes, and wrote `found`. `act` is the write that went beyond them, or a write on another
                descriptor. expected "0": no line announces the `found` bytes of the write `act`
    unlike      WHO's line quotes the bytes that it sends, and the write `act` has other bytes. Or the line quotes none, and the write has
                other bytes than the contract's line `other`, "client: Received ...", which is about just these
    miscount    WHO's lines say that it received `expected` bytes, and it had read `found`. other "once": the line itself names the
                `found` bytes of its last read, and counts `expected`
    unheard     WHO's line says that it learnt of an EOF or an error, `found`, and none of its calls had told it of one
    deaf        WHO ended its own reading by the call `act`, and was to read after that
    act         WHO gave up its end of the connection by the call `act`, and no line of it says so. Another program learnt of it
    reset       WHO's close, the call `act`, sent a reset. `expected` is EOF if the program `found` was to read that, or FIN if the
                contract has one there (of the program `found`, whose FIN could not come any more; "": WHO's own). Or `expected` is ECONNRESET: the close sent a FIN, and `found` was to read a reset.
                Or it is EPIPE: a FIN had gone out before, and a write of `found` failed because of the reset
    call        WHO did not make the call `expected` on a connection. found: the error, if it made the call and each one failed
    ends, deadlock, bytes, wire    `expected` is what the contract says, `found` is what the run shows
    """

    kind: str
    who: str
    line: int                               # the number of the contract's line; 0 if it has no line about this
    statement: str                          # that line as written
    expected: str = ""
    observed: Optional[Event] = None
    found: str = ""
    other: str = ""                         # order, luck: the line that `after` names, "server: closing"
    witnesses: tuple[Event, ...] = ()
    blocked: Optional[Waiting] = None       # where WHO waits, if it waits at this place
    hints: tuple[str, ...] = ()
    brought: Optional[causes.Brought] = None    # luck, found "held" or "thread": what brought the EOF or the reset
    act: int = -1                           # place of the call that it is about
    at: float = LATE                       # place in the run's order at which WHO left the contract
    extra: bool = False                     # unexpected: WHO's lines would be as the contract says without such lines

    @property
    def right(self) -> Optional[Event]:
        """WHO's last line that was as the contract says, if it has one."""
        found = [event for event in self.witnesses if event != self.observed]
        return max(found, key=lambda event: event.seq) if found else None


@dataclass(frozen=True)
class Verdict:
    """The verdict's word, and everything that words.py needs to explain it."""

    word: str
    status: int
    choice: tuple[int, ...] = ()                    # the branch taken in each either block, from 0
    branches: tuple[str, ...] = ()                  # the first line of each of these branches
    differences: tuple[Difference, ...] = ()        # sorted: none stands before one from which it follows
    unseen: tuple[str, ...] = ()                    # what was not looked at, in words
    lines: int = 0                                  # how many log lines the contract lists and the run has
    orders: int = 0                                 # how many `after`s held because something forced them
    freedom: tuple[tuple[int, str], ...] = ()       # (number of a `free` line, which of its two lines came first: "first", "second")
    matched: tuple[tuple[int, int], ...] = ()       # (contract line, seq of the event); a `*` line has several
    misconception: str = ""                         # the code of the first difference's hint, "M05"; "" if it has none
    marks: tuple[tuple[int, str], ...] = ()         # (contract line, "held", "differs" or "not reached"), of the plan that was taken


@dataclass(frozen=True)
class _Match:
    """One WHO's lines, matched with the contract's lines for it."""

    who: str
    events: tuple[Event, ...]
    lines: tuple[Line, ...]
    pairs: tuple[tuple[Line, Event], ...]
    left_at: int                            # how many of `lines` were met before WHO left the contract; all, if it never did
    stray: Optional[Event] = None           # the event at which WHO left the contract

    @property
    def whole(self) -> bool:
        return self.left_at == len(self.lines) and self.stray is None


def fields(verdict: Verdict) -> dict[str, Any]:
    """Returns a verdict as TRACE.md describes it. The field `at` of a difference is left out: it is only for sorting, and JSON
    has no infinity."""
    found = asdict(verdict)
    for one in found["differences"]:
        del one["at"]
    return found


def judge(run: Run, contract: Optional[Contract]) -> Verdict:
    """Returns the verdict on a run. Without a contract the verdict is `told`, unless the run ended in a way that is wrong for any
    program: then that is the word."""
    if contract is None:
        word = run.stop.kind if run.stop.kind in STATUS else "told"
        if word == "told" and any(end.how == "signal PIPE" for end in run.endings):
            word = "crash"
        return Verdict(word, STATUS[word])
    cast = Cast(run, contract.whos)
    order = causes.derive(run, cast.sides)
    deeds = Deeds(run, cast.sides)
    verdicts = [_Comparison(cast, contract, plan, order, deeds).verdict() for plan in contract.plans]
    return max(verdicts, key=lambda v: (not v.differences, v.lines, -len(v.differences)))


def explored(verdicts: Iterable[Verdict], contract: Optional[Contract]) -> tuple[Difference, ...]:
    """Returns what all runs of an exploration together failed to show: each order of two free lines that no run had, and each
    branch that no run took."""
    if contract is None:
        return ()
    verdicts = list(verdicts)
    seen = {pair for verdict in verdicts for pair in verdict.freedom}
    missed = []
    for said in contract.statements:
        if isinstance(said, Free):
            for which, words in (("first", said.first), ("second", said.second)):
                if (said.number, which) not in seen:
                    missed.append(Difference("free", words.who, said.number, said.written, f"{words} first", hints=fitting(said.hints, "", otherwise=True)))
    for block, names in enumerate(contract.blocks):
        for branch, name in enumerate(names):
            if not any(v.word == "as expected" and v.choice[block] == branch for v in verdicts):
                first = next(s for s in contract.statements if s.branch == (block, branch))
                missed.append(Difference("free", "", first.number, first.written, name, hints=fitting(first.hints, "", otherwise=True)))
    return tuple(missed)


# --- one WHO's lines -------------------------------------------------------------------------------------------------

_PORT = re.compile(r" \(port [0-9]+\)$")


def _meets(text: str, event: Event) -> bool:
    """Is the event what the contract's text says? The text for a program that begins to listen may end with its port, as it is
    shown: `listening (port 8080)`."""
    return fits(text, event.text) or event.kind == "listen" and fits(text, f"{event.text} (port {event.address.rpartition(':')[2]})")


def _match(who: str, lines: tuple[Line, ...], events: tuple[Event, ...], is_open: bool) -> _Match:
    return _match_open(who, lines, events) if is_open else _match_whole(who, lines, events)


def _match_whole(who: str, lines: tuple[Line, ...], events: tuple[Event, ...]) -> _Match:
    """Matches a WHO whose lines are complete. Lines with `*` may fit in several ways, so all ways are followed at once. State n
    means that n lines were met, and the last of them may repeat."""
    steps: list[dict[int, int]] = [{0: 0}]      # after each event: state, and the state before
    for event in events:
        now: dict[int, int] = {}
        for n in steps[-1]:
            if n < len(lines) and _meets(lines[n].text, event):
                now.setdefault(n + 1, n)
            if n > 0 and lines[n - 1].many and _meets(lines[n - 1].text, event):
                now.setdefault(n, n)
        if not now:
            break
        steps.append(now)
    done = len(steps) - 1 == len(events)
    state = left_at = max(steps[-1])
    pairs: list[tuple[Line, Event]] = []
    for place in range(len(steps) - 1, 0, -1):
        pairs.append((lines[state - 1], events[place - 1]))
        state = steps[place][state]
    return _Match(who, events, lines, tuple(pairs[::-1]), left_at, None if done else events[len(steps) - 1])


def _match_open(who: str, lines: tuple[Line, ...], events: tuple[Event, ...]) -> _Match:
    """Matches a WHO that may log other lines in between: each line of the contract takes the first event that fits."""
    pairs: list[tuple[Line, Event]] = []
    at = 0
    for event in events:
        if at < len(lines) and _meets(lines[at].text, event):
            pairs.append((lines[at], event))
            at += 1
        elif at > 0 and lines[at - 1].many and _meets(lines[at - 1].text, event):
            pairs.append((lines[at - 1], event))
    return _Match(who, events, lines, tuple(pairs), at)


# --- one plan --------------------------------------------------------------------------------------------------------

class _Comparison:
    def __init__(self, cast: Cast, contract: Contract, plan: Plan, order: causes.Order, deeds: Deeds) -> None:
        self.cast, self.run, self.contract, self.plan, self.order = cast, cast.run, contract, plan, order
        self.deeds = deeds
        self.unseen: list[str] = list(order.notes)
        self.skipped: set[int] = set()              # contract lines for which the run does not show whether it kept them
        self.orders = 0
        self.broken: set[int] = set()               # contract lines that the run broke, and that have no difference of their own
        whos = self._whos()
        self.matches = {who: _match(who, self._lines_of(who), self.cast.lines(who), contract.is_open(who)) for who in whos}
        self.met: dict[int, list[Event]] = {}       # by the number of a contract line: its events
        for match in self.matches.values():
            for line, event in match.pairs:
                self.met.setdefault(line.number, []).append(event)

    def _lines_of(self, who: str) -> tuple[Line, ...]:
        """Returns the contract's lines for WHO. Without a private network the kernel chooses the ports, so any port fits the one
        in the text."""
        lines = self.plan.lines_of(who)
        return lines if self.run.isolated else tuple(replace(line, text=_PORT.sub(" (port ...)", line.text)) for line in lines)

    def _whos(self) -> tuple[str, ...]:
        """Returns each WHO whose lines are compared. If the contract has only numbered WHOs of a name, the plain name is among
        them as well: a line that belongs to none of the numbered ones is a difference."""
        roles = {role_of(who) for who in self.contract.whos}
        for name, events in sorted(self.cast.events.items()):
            if name not in roles and events and not self.contract.is_open(name):
                self.unseen.append(f"the {name}'s lines: the contract lists none")
        whos = dict.fromkeys((*self.contract.whos, *sorted(roles)))
        mixed = {who: role_of(who) for who in whos if self.cast.mixed(who)}
        self.unseen += [f"the {who}'s lines: plain output does not tell which process printed it" for who in mixed]
        return tuple(who for who in whos if role_of(who) not in mixed.values())

    def verdict(self) -> Verdict:
        lines = list(self._line_differences())
        orders, wire = list(self._after_differences()), list(self._wire())
        deeds = self._once([*self._deeds(), *self._other_bytes(lines), *self._unsaid(lines), *self._early(orders), *self._no_fin(wire), *self._fin_too_early(wire)])
        found = lines + deeds + orders + list(self._never_differences(lines))
        found += [*self._ports(), *self._ends(lines), *self._calls(lines)] + list(self._deadlock(lines)) + list(self._bytes()) + wire
        found = self._sorted([d if d.at < LATE or d.observed is None else replace(d, at=self._place_of(d.observed)) for d in found])
        found = [*map(self._with_what_followed, found[:1], [found]), *found[1:]]
        word = self._word(found)
        branches = tuple(self.contract.blocks[n][branch] for n, branch in enumerate(self.plan.choice))
        matched = tuple((line.number, e.seq) for m in self.matches.values() for line, e in m.pairs)
        return Verdict(word, STATUS[word], self.plan.choice, branches, tuple(found), tuple(dict.fromkeys(self.unseen)),
                       len(matched), self.orders, tuple(self._freedom()), matched, code_of(found[0].hints if found else ()),
                       marks.of(self.plan, {d.line for d in found} | self.broken, self.met, self.skipped))

    def _place_of(self, event: Event) -> int:
        """Returns the place of a line. The lab reads a printed line some time later: its process had printed it before it was gone."""
        ends = [end for end in (*self.run.endings, *self.run.children) if event.kind == "output" and end.pid == event.pid and end.how.startswith(("exit ", "signal "))]
        return min([event.seq, *(self.cast.sides.departure(end) - 1 for end in ends)])

    def _word(self, found: list[Difference]) -> str:
        kind = self.run.stop.kind
        if kind in ("runaway", "interrupted") or kind == "no progress" and not self._deadlock_is_right():
            return kind
        if (kind == "crash" or self._died()) and not self._crash_is_right():
            return "crash"
        if kind == "deadlock" and not self._deadlock_is_right():
            return "deadlock"
        return "differs" if found else "as expected"

    def _crash_is_right(self) -> bool:
        """Did every process that a signal ended end as the contract asks (for example by SIGPIPE)? Then this is no crash."""
        dead = self._died()
        asked = [ends for ends in self.plan.of(Ends) if ends.how.startswith("signal ")]
        return bool(dead) and all(any(end.how == ends.how and end in self._endings(ends.who) for ends in asked) for end in dead)

    def _died(self) -> list[Ending]:
        """Returns the endings by a signal. Of the processes that programs started, only endings by SIGPIPE count, because a
        program may end its children by other signals on purpose."""
        return [*(end for end in self.run.endings if end.how.startswith("signal ")),
                *(end for end in self.run.children if end.how == "signal PIPE")]

    def _deadlock_is_right(self) -> bool:
        return any(self._same_cycle(said) for said in self.plan.of(Deadlock))

    def _same_cycle(self, said: Deadlock) -> bool:
        cycle = set(self.run.stop.cycle)
        return cycle in (set(said.whos), {role_of(who) for who in said.whos})

    # lines

    def _line_differences(self) -> Iterator[Difference]:
        for match in self.matches.values():
            if not match.whole:
                yield self._left(match)

    def _left(self, match: _Match) -> Difference:
        line = match.lines[match.left_at] if match.left_at < len(match.lines) else None
        rest = [e for e in match.events if match.stray and e.seq >= match.stray.seq]
        came = next((e for e in rest if line is not None and _meets(line.text, e)), None)
        about = line or (match.lines[-1] if match.lines else None)
        before = [e for _, e in match.pairs][-1:]
        nearly = line is not None and match.stray is not None and came is None and misspelt(line.text, match.stray.text) and not any(_meets(one.text, match.stray) for one in match.lines)
        blocked, end = None if nearly else self._blocked(match), None if match.stray else self._end_of(match)
        done = line is not None and came is None and self.deeds.unsaid(line.text, before[0] if before else None, match.stray) is not None
        return Difference(
            kind="unexpected" if match.stray and (line is None or came) else "missing", who=match.who,
            line=about.number if about else 0, statement=about.written if about else "",
            expected=line.text if line else "", observed=match.stray, hints=self._hints_of(match, about, came, blocked, end) if about and not done else (),
            witnesses=tuple(before + ([match.stray] if match.stray else [])), blocked=blocked,
            at=self.cast.sides.departure(end) if end and end.how.startswith(("exit ", "signal ")) else LATE, extra=self._is_extra(match),
            found="nearly" if nearly else "done" if done else "")

    def _hints_of(self, match: _Match, about: Line, came: Optional[Event], blocked: Optional[Waiting], end: Optional[Ending]) -> tuple[str, ...]:
        """Returns the hints below the line at which WHO left the contract that fit what was seen there: another line, a wait, an ending. There
        is none if WHO slept in place of a pause, if it only looked at what came (MSG_PEEK), or if WHO's line is untrue. Where WHO only sent other bytes, one
        without a condition does not fit."""
        stray, right = match.stray, next((event for _, event in match.pairs[-1:]), None)
        wanted = about.text if match.left_at < len(match.lines) else ""
        seen = f"waiting in {blocked.call}" if blocked else end.how if end else ""
        if stray is not None:
            slept = wanted.startswith("pausing") and right is not None and self.deeds.slept(right, stray.seq) is not None
            if slept or self.deeds.only_peeked(stray) or self.deeds.unheard(stray) or self.deeds.not_connected(stray):
                return ()
            seen = "" if self.deeds.misquoted(stray, wanted) or self.deeds.cut_short(stray, wanted) or self.deeds.begins_what_came(stray, wanted) else stray.text      # no hint is about that
        other_bytes = stray is not None and came is None and all(causes.TEXTS["sending"].match(text) for text in (wanted, stray.text))
        failed = end is not None and end.how in self._failures or other_bytes
        elsewhere = stray is not None and came is not None and came.pid != stray.pid
        others = [e.text for e in match.events if not stray and not (right and e.seq <= right.seq)]
        error = self.deeds.last_error(end.pid, end.seq) if end is not None else ""
        return fitting(about.hints, seen, not failed and not elsewhere, [*([f"{end.how} {error}"] if end is not None and error else []), *others])

    @property
    def _failures(self) -> set[str]:
        """How programs ended that failed: by a signal or with an exit status other than 0. A hint without a condition does not
        fit such an ending."""
        return {end.how for end in (*self.run.endings, *self.run.children) if end.how.startswith("signal ") or end.how.startswith("exit ") and end.how != "exit 0"}

    def _end_of(self, match: _Match) -> Optional[Ending]:
        """Returns how the process ended that logged WHO's last line. If WHO logged nothing, returns the ending of its only
        process. Returns None if that is not one process."""
        ends = [end for end in (*self.run.endings, *self.run.children) if end.who == role_of(match.who)]
        pids = {e.pid for e in match.events[-1:]} - {0} or {end.pid for end in ends if not end.child}
        mine = [end for end in ends if end.pid in pids]
        return mine[0] if len(mine) == 1 else None

    @staticmethod
    def _is_extra(match: _Match) -> bool:
        """Would the lines be as the contract says without the plain remarks that the contract does not list?"""
        if match.stray is None:
            return False
        left = [e for e in match.events if not _is_remark(e) or any(_meets(line.text, e) for line in match.lines)]
        return len(left) < len(match.events) and match.stray not in left and _match_whole(match.who, match.lines, tuple(left)).whole

    def _blocked(self, match: _Match) -> Optional[Waiting]:
        """Returns the blocked thread in which WHO waits. Returns None if there is none, or if WHO logged more after the place at
        which it left the contract."""
        last = match.events[-1] if match.events else None
        if match.stray and last != match.stray:
            return None
        mine = [w for w in self.run.stop.waiting if w.who == role_of(match.who)]
        if last is None and index_of(match.who):
            return None     # which thread, or process, that would be is not known
        if last is not None:
            exact = [w for w in mine if (w.pid, w.tid) == (last.pid, last.tid)]
            mine = exact or ([] if index_of(match.who) else mine)
        return next((w for w in mine if w.call != "accept"), mine[0] if mine else None)

    # the calls, compared with the lines

    def _deeds(self) -> Iterator[Difference]:
        """Yields for each WHO the first place at which its calls do not fit its lines. What it did wrong later may follow from
        that."""
        for who, match in self.matches.items():
            found = [d for line, event in match.pairs for d in self._deed(who, line, event)] + list(self._deaf(who, match))
            yield from sorted(found, key=lambda d: d.at)[:1]

    def _with_what_followed(self, first: Difference, found: list[Difference]) -> Difference:
        """Returns the difference. If it is a wrong number of bytes, it has as witness the line by which the receiver left the
        contract."""
        late = next((d.observed for d in found if first.kind == "bytes" and d.kind in _LINES and d.who != first.who and d.observed and self._has_sent(first, d)), None)
        if late is None:
            return first
        hints = next((said.hints for said in self.plan.of(Bytes) if said.number == first.line), ())
        return replace(first, witnesses=(late,), hints=fitting(hints, late.text, otherwise=True))

    @staticmethod
    def _once(deeds: list[Difference]) -> list[Difference]:
        """Returns the differences with each act of a WHO only once, even if several differences follow from it."""
        return list({(d.kind, d.who, d.act, d.at): d for d in deeds[::-1]}.values())[::-1]

    def _deed(self, who: str, line: Line, event: Event) -> Iterator[Difference]:
        told = Difference("late", who, line.number, line.written, line.text, event, witnesses=(event,), at=event.seq)
        call, written, read = self.deeds.before_its_line(event), self.deeds.written_after(event), self.deeds.read_by(event)
        on, half, unheard = self.deeds.wrote_on(event), self.deeds.in_place_of_shutdown(event), self.deeds.unheard(event)
        left = self.deeds.left_open(event)
        unlike, once = self.deeds.written_otherwise(event), self.deeds.read_once(event)
        if call is not None:
            yield replace(told, act=call.seq, at=call.seq, found=call.option if call.name == "close" and call.option else call.name, hints=fitting(line.hints, f"{call.name} before"))
        elif self.deeds.still_holds(event):
            copy = self.deeds.closed_a_copy(event)
            other = None if copy else self.deeds.misdirected(event, ("close",))
            half_closed = None if copy or other or not causes.is_a(event, "closing") else self.deeds.shut_down_after(event)
            act = other or half_closed
            yield replace(told, kind="open", found="a copy" if copy else "elsewhere" if other else "shutdown" if half_closed else "" if self.run.observed else "holds", act=act.seq if act else -1,
                          hints=fitting(line.hints, "a copy" if copy else "no close"))
        elif on is not None:
            yield replace(told, kind="open", found="used", act=on.seq, hints=fitting(line.hints, "no close"))
        elif left:
            other = self.deeds.misdirected(event, ("close",)) or (self.deeds.shut_down_after(event) if left == "shutdown" else None)
            yield replace(told, kind="open", found="elsewhere" if other and other.name == "close" else left, act=other.seq if other else -1, hints=fitting(line.hints, "no close"))
        elif half:
            other = self.deeds.misdirected(event, ("shutdown",)) if half == "no shutdown" else None
            act = self.deeds.failed_shutdown(event) if half == "failed" else other
            yield replace(told, kind="open", found="elsewhere" if other else half, act=act.seq if act else -1, hints=fitting(line.hints, "elsewhere" if other else half))
        elif unlike is not None and written is not None and written[0] > event.count and written[1] is not None and unlike.seq < written[1].seq:
            yield replace(told, kind="unlike", act=unlike.seq, at=unlike.seq)       # only later it wrote too many
        elif written is not None and not self._asked_for(event):
            yield self._unwritten(told, event, *written, fitting(line.hints, f"{written[0]} of {event.count} bytes"))
        elif unlike is not None:
            yield replace(told, kind="unlike", act=unlike.seq, at=unlike.seq)
        elif read is not None:
            yield replace(told, kind="miscount", expected=str(event.count), found=str(read))
        elif once is not None:
            yield replace(told, kind="miscount", expected=str(event.count), found=str(once), other="once")
        elif unheard:
            yield replace(told, kind="unheard", found=unheard)
        elif self.deeds.paused_not(event):
            yield replace(told, kind="open", found="no pause")

    def _unwritten(self, told: Difference, event: Event, written: int, beyond: Optional[Call], hints: tuple[str, ...]) -> Difference:
        """Returns the difference about bytes that were announced and not written, or written and not announced."""
        told = replace(told, kind="unwritten", expected=str(event.count), found=str(written), hints=hints)
        other = self.deeds.misdirected(event, WRITES) if written == 0 and event.count > 0 else None
        if other is not None:
            return replace(told, act=other.seq)
        if beyond is None:
            return told
        if written < event.count:
            return replace(told, act=beyond.seq)
        last = [e for e in self.cast.of(event.who) if (e.pid, e.tid) == (event.pid, event.tid) and e.seq < beyond.seq][-1]
        if self.deeds.begins_behind(beyond, event):      # a write more
            told = replace(told, expected="0", found=str(beyond.result), observed=last, witnesses=(last,), hints=())
        return replace(told, act=beyond.seq, at=beyond.seq)

    def _asked_for(self, event: Event) -> bool:
        """Does the contract's `bytes:` line say the number of bytes that was written, so that the lines' counts do not matter?"""
        side = self.cast.sides.of(event)
        return side is not None and event.count >= 0 and any(
            role_of(said.sender) == event.who and said.count == self.deeds.wrote(side) and role_of(said.receiver) == self.cast.sides.peer(event)
            for said in self.plan.of(Bytes))

    def _deaf(self, who: str, match: _Match) -> Iterator[Difference]:
        found = self.deeds.own_reading(role_of(who))
        if found is None or index_of(who) or any("SHUT_RD" in line.text for line, _ in match.pairs):
            return
        call, read = found
        silent = self.cast.silent(role_of(who))
        later = [line for line in match.lines[match.left_at:]] + [line for line, e in match.pairs if silent or e.seq > call.seq]
        wanted = [line for line in later if _READ.match(line.text) and (read or line in match.lines[match.left_at:])]
        if wanted:
            yield Difference("deaf", who, wanted[0].number, wanted[0].written, call.option, act=call.seq, at=call.seq)

    def _unsaid(self, lines: list[Difference]) -> Iterator[Difference]:
        """Yields an act that ended a connection without a line that says so, if another program left the contract where it learnt
        of that end."""
        for off in filter(disconnects, self.run.calls if lines else ()):
            before = [e for e in self.cast.of(off.who) if e.pid == off.pid and e.seq < off.seq][-1:]
            yield Difference("act", self._who_said(before[0]) if before else off.who, 0, "", "AF_UNSPEC", found=off.name, act=off.seq, at=off.seq, witnesses=tuple(before))
        for d in lines if self.run.mode != "reset" else ():      # in the mode `reset` the lab itself ends connections
            yield from self._kept(d)
            yield from self._own_end(d)
            yield from self._reset_behind_fin(d)
            connect = self.deeds.unsaid_connect(d.observed) if d.observed else None
            if connect is not None and connect.who != role_of(d.who):
                yield Difference("act", connect.who, 0, "", "", found="connect", act=connect.seq, at=connect.seq, witnesses=(d.observed,) if d.observed else ())
            brought = self._brought(d)
            yield from self._reset_early(d) if brought is None else ()
            if brought is None or brought.how not in ("shutdown", "close") or brought.who == role_of(d.who):
                continue
            before = [e for e in self.cast.of(brought.who) if e.seq < brought.place]
            last = [e for e in before if (e.pid, e.tid) == (brought.pid, brought.tid)][-1:]
            if not any(e.pid == brought.pid for e in self.cast.of(brought.who)):
                last = before[-1:]      # a child that logs nothing
            call = self.deeds.act(brought)
            if call is None or not last or last[0].kind == "output":
                continue
            who = self._who_said(last[0])
            if d.expected.startswith("EOF") and d.observed and causes.is_a(d.observed, "reset"):
                yield self._reset(call, "EOF", role_of(d.who), last)
            elif call.name == "close" and d.observed and self._wanted_reset(d) and causes.is_a(d.observed, "EOF") and self.deeds.read_end(d.observed):
                yield replace(self._reset(call, "ECONNRESET", role_of(d.who), last), hints=d.hints)
            elif not causes.is_a(last[0], "half-closing") and (not causes.is_a(last[0], "closing") or call.name == "shutdown" and self._wanted_reset(d)):
                yield Difference("act", who, 0, "", call.option, found=call.name, act=call.seq, at=call.seq, witnesses=(last[0],))

    def _other_bytes(self, lines: list[Difference]) -> Iterator[Difference]:
        """Yields a write of other bytes than the contract has another program receive. WHO's lines tell how many bytes they are, and not
        which. So the receiver's line in the contract tells, if it names the sender's line behind its `after`, and all earlier bytes are told."""
        for d in lines:
            line = next((x for x in self.plan.of(Line) if x.number == d.line and x.text == d.expected), None)
            said = quoted_bytes(d.expected) if line is not None and d.expected[1:].startswith("eceived") else ""
            named = self.plan.named(line.after[0]) if line is not None and said and len(line.after) == 1 else None
            event = self.met[named.number][0] if named is not None and named.number in self.met else None
            side = self.cast.sides.of(event) if event is not None else None
            other = self.cast.sides.other(side)
            if event is None or named is None or side is None or other is None or self.cast.sides.name(other) != role_of(d.who) or quoted_bytes(event.text):
                continue
            before = self.deeds.announced_until(side, event.seq)
            call = self.deeds.written_otherwise(event, d.expected) if self.deeds.told_until(other, d.observed.seq if d.observed else None) == before else None
            if call is not None:
                yield Difference("unlike", self._who_said(event), named.number, named.written, named.text, event, other=f"{d.who}: {d.expected}",
                                 act=call.seq, at=call.seq, witnesses=(event,))

    def _own_end(self, d: Difference) -> Iterator[Difference]:
        """Yields the shutdown by which WHO's own program ended the sending at which its write then failed, if no line of the thread
        that made it says so."""
        said = d.observed if d.observed and causes.is_a(d.observed, "broken pipe") else None
        last = d.witnesses[0] if d.witnesses and not d.observed else None
        call_failed = next((c for c in self.run.calls if last and c.error == "EPIPE" and (c.pid, c.tid) == (last.pid, last.tid) and c.seq > last.seq), None)
        failed = said or call_failed
        side = self.cast.sides.of(failed) if failed else None
        for call in self.deeds.by_side.get(side, ()) if side is not None and self.deeds.seen(side) else ():
            if call.name != "shutdown" or call.error or call.option == "SHUT_RD" or not failed or call.seq > failed.seq:
                continue
            mine = [e for e in self.cast.of(call.who) if (e.pid, e.tid) == (call.pid, call.tid)]
            if not any(causes.is_a(e, "half-closing") for e in mine) and not (mine and mine[0].kind == "output"):
                yield Difference("act", d.who, 0, "", call.option, found="shutdown", act=call.seq, at=call.seq, witnesses=d.witnesses[:1])
            return

    def _reset_behind_fin(self, d: Difference) -> Iterator[Difference]:
        """Yields the close of the other end that sent a reset behind its FIN, if a write of WHO failed with EPIPE because of that."""
        right, until = d.right, d.observed.seq if d.observed else LATE
        failed = next((c for c in self.run.calls if right and c.error == "EPIPE" and (c.pid, c.tid) == (right.pid, right.tid) and right.seq < c.seq < until), None)
        other = self.cast.sides.other(self.cast.sides.of(failed)) if failed is not None else None
        close = self.deeds.reset_behind_fin(other) if other is not None else None
        if failed is not None and close is not None and close.seq < failed.seq:
            yield self._reset(close, "EPIPE", role_of(d.who))

    def _reset_early(self, d: Difference) -> Iterator[Difference]:
        """Yields the close that sent a reset, if the other program read the reset before this close had returned."""
        if not d.expected.startswith("EOF") or d.observed is None or not causes.is_a(d.observed, "reset"):
            return
        side = self.cast.sides.other(self.cast.sides.of(d.observed))
        calls = self.deeds.by_side.get(side, ()) if side is not None else ()
        close = next((c for c in calls if c.name == "close" and c.seq < d.observed.seq), None)
        if close is not None and self.run.observed:
            yield self._reset(close, "EOF", role_of(d.who))

    def _who_said(self, event: Event) -> str:
        """Returns the WHO of the contract to which the line belongs; the program's name if it belongs to none."""
        return next((name for name, match in self.matches.items() if event in match.events), event.who)

    @staticmethod
    def _wanted_reset(d: Difference) -> bool:
        return causes.TEXTS["reset"].match(d.expected) is not None and not causes.TEXTS["broken pipe"].match(d.expected)

    def _early(self, orders: list[Difference]) -> Iterator[Difference]:
        """Yields the act that brought an EOF before the line that was to bring it: a shutdown, or the close of the process that
        logged that line."""
        for d in orders if self.run.mode != "reset" else ():
            side = self.cast.sides.other(self.cast.sides.of(d.observed)) if d.observed and causes.is_a(d.observed, "EOF") else None
            later = next((e for e in d.witnesses if e != d.observed and e.who != role_of(d.who)), None)
            if d.kind not in ("order", "luck") or side is None or later is None or not self.deeds.seen(side):
                continue
            gone = next((c for c in self.deeds.by_side.get(side, ()) if c.name in ("close", "shutdown") and c.option != "SHUT_RD" and not c.error
                         and c.seq < later.seq and (c.pid == later.pid == later.tid or c.name == "shutdown")), None)
            mine = [e for e in self.cast.sides.lines(side) if gone is not None and (e.pid, e.tid) == (gone.pid, gone.tid)]
            behind = next((e for e in mine if gone is not None and e.seq > gone.seq), None)
            if gone is None or any(self._tells(e, gone) for e in mine if e.seq < gone.seq):
                continue
            if behind is not None and causes.is_a(behind, "closing" if gone.name == "close" else "half-closing"):
                continue        # it says so, and too late: another difference tells that
            yield Difference("act", self._who_said(later), 0, "", gone.option, found=gone.name, act=gone.seq, at=gone.seq,
                             witnesses=(d.observed,) if d.observed else ())

    @staticmethod
    def _tells(event: Event, call: Call) -> bool:
        return causes.is_a(event, "half-closing") or call.name == "close" and causes.is_a(event, "closing")

    def _no_fin(self, wire: list[Difference]) -> Iterator[Difference]:
        """Yields why a FIN that the contract asks for never came: the close sent a reset, or a process that did not close still
        held the connection."""
        for d in wire:
            sides = [side for side in self.cast.sides.all() if self.cast.sides.name(side) == role_of(d.who)]
            if d.expected != "FIN" or d.found != "not seen" or self.run.mode == "reset" or len(sides) != 1:
                continue
            yield from self._held_on(sides[0])
            call = self.deeds.reset_by_close(sides[0])
            if call is None:
                yield from self._reset_before_its_fin(sides[0])
            else:
                peer = self.cast.sides.other(sides[0])
                reads = any(line.who == self.cast.sides.name(peer) and line.text.startswith("EOF") for line in self.plan.of(Line)) if peer else False
                yield self._reset(call, "EOF" if reads else "FIN", self.cast.sides.name(peer) if reads and peer else "")

    def _fin_too_early(self, wire: list[Difference]) -> Iterator[Difference]:
        """Yields the shutdown or the close that sent a FIN before the other end's FIN, after which the contract has it, if no line of its thread
        says so."""
        for d in wire if self.run.mode != "reset" else ():
            sides = [side for side in self.cast.sides.all() if self.cast.sides.name(side) == role_of(d.who)]
            if d.expected != "FIN" or not d.other.endswith(" FIN") or len(sides) != 1 or not self.deeds.seen(sides[0]):
                continue
            sent = next((s.seq for s in self.run.segments if "F" in s.flags and self.cast.sides.of_segment(s) == sides[0]), -1)
            gone = next((c for c in self.deeds.by_side.get(sides[0], ()) if c.name in ("close", "shutdown") and c.option != "SHUT_RD" and not c.error and c.seq < sent), None)
            mine = [e for e in self.cast.sides.lines(sides[0]) if gone is not None and (e.pid, e.tid) == (gone.pid, gone.tid)]
            last = [e for e in mine if gone is not None and e.seq < gone.seq][-1:]
            behind = next((e for e in mine if gone is not None and e.seq > gone.seq), None)
            if gone is None or not last or any(self._tells(e, gone) for e in mine if e.seq < gone.seq):
                continue
            if behind is None or not causes.is_a(behind, "closing" if gone.name == "close" else "half-closing"):     # else another difference tells that
                yield Difference("act", self._who_said(last[0]), 0, "", gone.option, found=gone.name, act=gone.seq, at=gone.seq, witnesses=tuple(last))

    def _reset_before_its_fin(self, side: Side) -> Iterator[Difference]:
        """Yields the close of the other end that sent a reset, if this end was given up only after that: then its kernel sent no FIN."""
        other, end = self.cast.sides.other(side), self.cast.sides.end(side)
        call = self.deeds.reset_by_close(other) if other is not None else None
        reset = next((s.seq for s in self.run.segments if "R" in s.flags and self.cast.sides.of_segment(s) == other), LATE)
        if call is not None and end is not None and end.shut < 0 and end.holders and all(h.until > reset for h in end.holders):
            yield self._reset(call, "FIN", self.cast.sides.name(side))

    def _reset(self, close: Call, expected: str, found: str, last: Sequence[Event] = ()) -> Difference:
        """Returns the difference about a close that ended the connection otherwise than it was to. Its place is that of the segment
        which the close sent: another program may still have written while the close began. `last` is the line before the close, if
        it is not one of the same thread."""
        last = last or [e for e in self.cast.of(close.who) if (e.pid, e.tid) == (close.pid, close.tid) and e.seq < close.seq][-1:]
        side = self.cast.sides.of(close)
        sent = next((s.seq for s in self.run.segments if close.seq < s.seq <= max(close.returned, close.seq) and self.cast.sides.of_segment(s) == side and set(s.flags) & set("FR")), close.seq)
        return Difference("reset", self._who_said(last[0]) if last else close.who, 0, "", expected, act=close.seq, at=sent, witnesses=tuple(last), found=found)

    def _kept(self, d: Difference) -> Iterator[Difference]:
        """Yields the "closing" of a process if another process of the same program held the connection on. So a WHO that waits
        got no EOF."""
        side = self.cast.sides.other(self.cast.sides.of(d.blocked)) if d.expected.startswith("EOF") and not d.observed and d.blocked else None
        yield from self._held_on(side) if side is not None else ()

    def _held_on(self, side: Side) -> Iterator[Difference]:
        """Yields the "closing" of a process at this end if another process of its program held the connection on."""
        end = self.cast.sides.end(side)
        holders = [h for h in end.holders if h.until < 0] if end is not None and self.deeds.seen(side) else []
        closing = next((e for e in self.cast.sides.lines(side) if causes.is_a(e, "closing")), None)
        if closing is not None and any(h.pid > 0 for h in holders) and closing.pid not in {h.pid for h in holders}:
            who = self._who_said(closing)
            hints = next((fitting(line.hints, "a copy") for match in self.matches.values() for line, event in match.pairs if event is closing), ())
            yield Difference("open", who, 0, "", closing.text, closing, witnesses=(closing,), found="another", hints=hints, at=closing.seq)

    def _brought(self, d: Difference) -> Optional[causes.Brought]:
        """Returns what brought the EOF or the reset at which WHO left the contract; None if it left at another line, or if that
        is not known. A line of plain output is placed by the read of its program."""
        event = d.observed
        if event is None or not (causes.is_a(event, "EOF") or causes.is_a(event, "reset")):
            return None
        if event.kind != "output":
            return self.order.brought.get(event.seq)
        call = self.deeds.end_read(role_of(d.who))
        return causes.brought_by(self.run, self.cast.sides, call) if call is not None else None

    # after

    def _after_differences(self) -> Iterator[Difference]:
        for line in self.plan.of(Line):
            for ref in line.after:
                named = self.plan.named(ref)
                if named is not None and line.number in self.met and named.number in self.met:
                    yield from self._after(line, ref, self.met[named.number][-1], self.met[line.number][0])

    def _after(self, line: Line, ref: After, before: Event, event: Event) -> Iterator[Difference]:
        if "output" in (before.kind, event.kind):
            self.unseen.append("orders between the programs: one that logs no events is judged by its own output only")
            self.skipped.add(line.number)
            return
        told = Difference("order", line.who, line.number, line.written, line.text, event, other=str(ref),
                          witnesses=tuple(sorted((before, event), key=lambda e: e.seq)), hints=fitting(line.hints, event.text, otherwise=True))
        if before.seq > event.seq:
            yield told if ref.clock or self._may_be_forced(before, event) else replace(told, kind="luck", found="before")
        elif self._is_luck(ref, before, event) and self._may_have_brought(before, event):
            self.unseen.append(f'"{line.who}: {line.text} after {ref}": without the calls nobody knows when process {before.pid} of '
                               f"the {before.who} ended")
            self.skipped.add(line.number)
        elif self._is_luck(ref, before, event) and self._is_of_nobody(event):
            self.unseen.append(f'"{line.who}: {line.text} after {ref}": without the calls nobody knows on which connection process {event.pid} of '
                               f"the {event.who} learnt of that")
            self.skipped.add(line.number)
        elif self._is_luck(ref, before, event):
            forced = self.order.forced(before.seq, event.seq)
            brought, thread = self._by_another_holder(before, event), self._by_another_thread(before, event)
            found = "tcp" if ref.clock and forced else "held" if brought else "thread" if thread else "count" if self._is_doubtful(event) else "clock" if forced else ""
            yield replace(told, kind="luck", found=found, brought=brought or thread)
        else:
            self.orders += 1

    def _is_of_nobody(self, event: Event) -> bool:
        """Does a line of a run without calls tell what came, and is it not known on which connection? A child that was forked logs no
        line about the connection that it inherited."""
        tells = event.kind == "recv" or any(causes.is_a(event, what) for what in ("EOF", "reset"))
        return tells and not self.run.observed and event.pid > 0 and self.cast.sides.of(event) is None

    def _is_doubtful(self, event: Event) -> bool:
        """Does the line count bytes of a stream of which more were received than sent, if one believes the lines? Then the bytes may
        force an order, and the lines do not show it."""
        return event.kind == "recv" and self.cast.sides.of(event) in self.order.doubtful

    def _may_be_forced(self, before: Event, event: Event) -> bool:
        """Is there a kind of cause that could put `event` after `before` in some run? Yes if the two lines belong to one program,
        if a start waited before the process of `event`, or if `event` says what its program learnt from the other side."""
        if event.who == before.who or any(start.after and start.pid == event.pid for start in self.run.starts):
            return True
        return event.kind in ("recv", "conn") or any(causes.is_a(event, what) for what in ("EOF", "reset"))

    def _by_another_holder(self, before: Event, event: Event) -> Optional[causes.Brought]:
        """Returns what brought this EOF or reset, if the line before it belongs to a process that had given the connection up
        earlier."""
        brought = self.order.brought.get(event.seq)
        if brought is None or not any(h.pid == before.pid and before.seq < h.until for h in brought.earlier):
            return None
        return brought

    def _by_another_thread(self, before: Event, event: Event) -> Optional[causes.Brought]:
        """Returns what brought this EOF or reset, if another thread of the process that logged `before` did it, and had logged nothing until then.
        Nobody knows when a thread was made: it may have been made behind that line."""
        act = self.order.brought.get(event.seq)
        if act is None or act.pid != before.pid or act.tid in (0, before.tid) or any(e.tid == act.tid and e.seq < act.place for e in self.run.events):
            return None
        return act

    def _may_have_brought(self, before: Event, event: Event) -> bool:
        """Could the end of the process that logged `before` have brought this EOF or reset, in a run whose calls were not seen?
        In such a run only the endings of the processes that the stage started are known. And nobody knows whether a process of the
        other program holds the connection if its lines are about none: it may have inherited it."""
        if self.run.observed or not (causes.is_a(event, "EOF") or causes.is_a(event, "reset")):
            return False
        other = self.cast.sides.other(self.cast.sides.of(event))
        side = self.cast.sides.of(before)
        holds = side == other if side is not None else before.connection == 0 and before.who == self.cast.sides.name(other)
        return other is not None and holds and before.pid not in {end.pid for end in (*self.run.endings, *self.run.children)}

    def _is_luck(self, ref: After, before: Event, event: Event) -> bool:
        if ref.clock:
            return self.run.mode != "live" and not self.order.by_clock(before.seq, event.seq)
        return not self.order.forced(before.seq, event.seq, clock=False)

    def _freedom(self) -> Iterator[tuple[int, str]]:
        for free in self.plan.of(Free):
            met = [self.met.get(named.number, []) if named else [] for named in map(self.plan.named, (free.first, free.second))]
            if all(met):
                yield free.number, "first" if met[0][0].seq < met[1][0].seq else "second"

    # never

    def _never_differences(self, lines: list[Difference]) -> Iterator[Difference]:
        for never in self.plan.of(Never):
            event, other = self._forbidden(never)
            if event is not None and self._told(event, lines):
                self.broken.add(never.number)
            elif event is not None:
                yield Difference("never", never.who, never.number, never.written, never.text, event,
                                 other=f"{never.where} {never.other}" if never.where else "",
                                 witnesses=tuple(e for e in (other, event) if e), hints=fitting(never.hints, event.text, otherwise=True))

    def _forbidden(self, never: Never) -> tuple[Optional[Event], Optional[Event]]:
        """Returns the first event that a `never` line forbids, and the line after or before which it is forbidden. Each is None
        if there is none."""
        found = self._logged(never.who, never.text)
        if not never.where or never.other is None:
            return (found[0] if found else None), None
        others = self._logged(never.other.who, never.other.text)
        at = max(never.other.nth, 1) - 1
        other = others[at] if at < len(others) else None
        if never.where == "before":
            return next((e for e in found if other is None or e.seq < other.seq), None), other
        return next((e for e in found if other is not None and e.seq > other.seq), None), other

    def _logged(self, who: str, text: str) -> list[Event]:
        return [e for e in self.cast.of(role_of(who)) if fits(text, e.text) and self.cast.is_about(e, who)]

    def _told(self, event: Event, lines: list[Difference]) -> bool:
        """Does a difference say already that this program had left the contract at or before this event?"""
        return any(d.observed and d.observed.seq <= event.seq and any(e.seq == event.seq for e in self.matches[d.who].events)
                   for d in lines)

    # endings and deadlock

    def _ends(self, lines: list[Difference]) -> Iterator[Difference]:
        left = {d.who for d in lines}
        for ends in self.plan.of(Ends):
            if ends.who in left:
                self.skipped.add(ends.number)
            else:
                yield from self._end(ends)

    def _end(self, ends: Ends) -> Iterator[Difference]:
        found = self._endings(ends.who)
        hows = [end.how for end in found]
        if index_of(ends.who) and self.cast.listens(role_of(ends.who)):
            hows = self._handler(ends.who) or hows
        wrong = [how for how in hows if how != ends.how and not self._also_waits(ends, how)]
        if ends.how.startswith("waiting") and ("not known" in hows or self.run.stop.kind == "no progress" and "still running" in hows):
            self.unseen.append(f"how the {ends.who} ends: the kernel does not tell what it waits for")
            self.skipped.add(ends.number)
        elif wrong or not hows:
            pids = {end.pid for end in found if wrong and end.how == wrong[0]}
            lines = self.cast.lines(ends.who)
            last = [e for e in lines if e.pid in pids][-1:] or lines[-1:]
            blocked = self._blocked(self.matches[ends.who]) if ends.who in self.matches else None
            yield Difference("ends", ends.who, ends.number, ends.written, ends.how, found=wrong[0] if wrong else "nothing known",
                             witnesses=tuple(last), blocked=blocked, hints=fitting(ends.hints, hows[0] if hows else "", otherwise=True))

    def _endings(self, who: str) -> list[Ending]:
        """Returns the endings that `WHO ends` is about. A plain name that listens means its program, and not the children that it
        forked. Another plain name means all of its processes that no numbered WHO means."""
        name = role_of(who)
        mine = [end for end in self.run.endings if end.who == name]
        if self.cast.listens(name):
            if index_of(who):
                pids = self._handling(who)
                return [end for end in (*mine, *self.run.children) if end.pid in pids]
            several = name in self.cast.roles and self.cast.roles[name].times > 1
            return mine if several else mine[:1]
        if index_of(who):
            return [end for end in mine if end.pid == self.cast.pid(who)]
        whos = {*self.cast.claimed, *(ends.who for ends in self.plan.of(Ends))}
        numbered = {self.cast.pid(other) for other in whos if role_of(other) == name and index_of(other)}
        return [end for end in mine if end.pid not in numbered]

    def _handling(self, who: str) -> set[int]:
        """Returns the pids that handle the connection of a numbered WHO: the child that was forked for it, or else each process
        that has lines about it."""
        pids = {e.pid for e in self.cast.lines(who)}
        children = pids - {end.pid for end in self.run.endings}
        return children or pids

    def _handler(self, who: str) -> list[str]:
        """Returns what the threads that handle the connection of WHO wait for, as "waiting in CALL"."""
        pids = self._handling(who)
        tids = {(e.pid, e.tid) for e in self.cast.lines(who) if e.pid in pids}
        return [f"waiting in {w.call}" for w in self.run.stop.waiting if (w.pid, w.tid) in tids]

    def _also_waits(self, ends: Ends, how: str) -> bool:
        """If several threads of a program wait, its ending tells only one of them. Does another one wait as the contract says?"""
        call, other = ends.how.rpartition(" ")[2], how.rpartition(" ")[2]
        if not (ends.how.startswith("waiting in ") and how.startswith("waiting in ")):
            return False
        mine = [w for w in self.run.stop.waiting if w.who == role_of(ends.who)]
        if other in _POLLS and call in ("read", "accept") and any(w.call == other and self._would(w) == call for w in mine):
            return True
        return call != "accept" and any(w.call == call for w in mine)

    def _would(self, waiting: Waiting) -> str:
        """Returns the call that a thread that waits in poll, select or epoll_wait would make next: read if it waits for a
        connection, accept if for a listener, else ""."""
        if waiting.connection:
            return "read"
        return "accept" if any(s.state == "LISTEN" and (s.pid, s.fd) == (waiting.pid, waiting.fd) for s in self.run.stop.sockets) else ""

    def _deadlock(self, lines: list[Difference]) -> Iterator[Difference]:
        stop, asked = self.run.stop, self.plan.of(Deadlock)
        found = ", ".join(stop.cycle) if stop.kind == "deadlock" else stop.kind
        if asked and stop.kind == "no progress":
            self.unseen.append("whether this is a deadlock: the kernel does not tell")
            self.skipped.add(asked[0].number)
        elif asked and (stop.kind != "deadlock" or not self._same_cycle(asked[0])):
            if lines:
                self.skipped.add(asked[0].number)
            else:
                yield Difference("deadlock", asked[0].whos[0], asked[0].number, asked[0].written, ", ".join(asked[0].whos),
                                 found=found, hints=fitting(asked[0].hints, stop.kind, otherwise=True))
        elif stop.kind == "deadlock" and not asked and not lines:
            yield Difference("deadlock", stop.cycle[0] if stop.cycle else self.run.cast[-1].name, 0, "", "", found=found)

    # calls that the contract asks for

    def _calls(self, lines: list[Difference]) -> Iterator[Difference]:
        left = {d.who for d in lines}
        for said in self.plan.of(Made):
            answer = made.ask(said, self.cast, self.deeds)
            if answer.unknown:
                self.unseen.append(f"{said.written}: {answer.unknown}")
            if answer.unknown or said.who in left and not answer.made:
                self.skipped.add(said.number)
            elif not answer.made:
                yield Difference("call", said.who, said.number, said.written, str(said), found=answer.error,
                                 witnesses=tuple(self.cast.lines(said.who)[-1:]), hints=fitting(said.hints, answer.error, otherwise=True))

    # ports

    def _ports(self) -> Iterator[Difference]:
        for one in ports.others(self.run):
            line = next((said for said in self.plan.of(Line) if one.event in self.met.get(said.number, ())), None)
            yield Difference("port", one.who, line.number if line else 0, line.written if line else "", str(one.given), one.event,
                             found=" and ".join(map(str, one.found)), witnesses=(one.event,) if one.event else ())

    # bytes and the wire

    def _bytes(self) -> Iterator[Difference]:
        for said in self.plan.of(Bytes):
            found = list(self._counted(said))
            if not found:
                self.unseen.append(f"bytes {said.sender} -> {said.receiver}: no line of the program tells, and "
                                   + (_missing(self.run) if self.run.missing else "no packets were captured"))
                self.skipped.add(said.number)
            elif self.run.wire and self.run.missing:
                self.unseen.append(f"bytes {said.sender} -> {said.receiver} on the wire: {_missing(self.run)}")
            wrong = [f"{count} {where}" for count, where in found if count != said.count]
            if wrong:
                yield Difference("bytes", said.sender, said.number, said.written, f"{said.count} to the {said.receiver}",
                                 found=" and ".join(wrong), hints=fitting(said.hints, "", otherwise=True), act=self._wrong_write(said))

    def _wrong_write(self, said: Bytes) -> int:
        """Returns the place of the first write that no line announces; else of the last write that did not fail; -1 if none is known."""
        unsaid = next((call for side in self._sides(said) if (call := self.deeds.unannounced(side)) is not None), None)
        return unsaid.seq if unsaid is not None else self.deeds.last_write(self._sides(said))

    def _counted(self, said: Bytes) -> Iterator[tuple[int, str]]:
        """Yields (number of bytes, source) for the stream that a `bytes:` line is about: as the program's lines count it, or its
        calls if no line does; and as the wire shows it."""
        sender, sides = role_of(said.sender), self.cast.sides
        only = self._only(said)
        mine = self._sides(said)
        lines = [e for side in mine for e in sides.lines(side)]
        if sides.two and not only:      # with two programs, whatever one of them sends goes to the other one
            lines = list(self.cast.of(sender))
        if not sides.two and any(e.kind == "send" and not sides.peer(e) for e in self.cast.of(sender)):
            self.unseen.append(f"bytes {said.sender} -> {said.receiver} by lines: the {sender} has lines of which nobody knows "
                               "to whom it sends")
        elif any(e.kind == "send" for e in lines):
            yield sum(e.count for e in lines if e.kind == "send"), "by its lines"
        elif self.run.observed and mine:
            written = sides.written(mine)
            if written is not None and all(self.deeds.seen(side) for side in mine):
                yield written, "by its calls"
        elif lines and not self.cast.silent(sender):
            yield 0, "by its lines"
        if self.run.wire and not self.run.missing:
            carried = sides.carried
            yield sum(carried.get(side, 0) for side in mine), "on the wire"

    def _only(self, said: Bytes) -> list[set[int]]:
        """Returns the sets of connections that the numbered names of a `bytes:` line mean. An empty list means all connections."""
        return [c for c in (self.cast.connections(said.sender), self.cast.connections(said.receiver)) if c is not None]

    def _sides(self, said: Bytes) -> list[Side]:
        """Returns the ends that send the bytes of a `bytes:` line."""
        only = self._only(said)
        return [side for side in self.cast.sides.between(role_of(said.sender), role_of(said.receiver)) if all(side[0] in c for c in only)]

    def _wire(self) -> Iterator[Difference]:
        said = self.plan.of(Wire)
        if said and (not self.run.wire or self.run.missing):
            self.unseen.append(f"the wire: {_missing(self.run)}")
            self.skipped.update(wire.number for wire in said)
            return
        at = {wire.fact: self._place(wire) for wire in said}
        for wire in said:
            place = at[wire.fact]
            told = Difference("wire", wire.who, wire.number, wire.written, wire.what, hints=fitting(wire.hints, "", otherwise=True))
            if place is None:
                yield replace(told, found="not seen")
            for other in wire.after:
                before = at.get(other)
                if before is None:
                    self.skipped.add(wire.number)
                if place is not None and before is not None and place < before:
                    yield replace(told, found="seen before", other=other)

    def _place(self, wire: Wire) -> Optional[int]:
        """Returns the index of the first segment that shows this fact, None if none does. So a retransmission does not count. The
        segments of a refused connect belong to no connection: they count if WHO's first connection has no segment of the kind."""
        numbers = [self.cast.first_connection(wire.who), *([] if index_of(wire.who) else [0])]
        for number in numbers:
            for place, s in enumerate(self.run.segments):
                if s.connection == number and s.sender == role_of(wire.who) and _shows(s, wire.what):
                    return place
        return None

    # causally first

    def _sorted(self, found: list[Difference]) -> list[Difference]:
        """Sorts the differences so that none stands before one from which it follows. Of those that do not follow from each
        other, the first one in the contract comes first: which of them came first in this run is luck."""
        rest, done = sorted(found, key=_lateness), []
        while rest:
            free = [d for d in rest if not any(self._follows(d, other) for other in rest if other is not d)]
            lines = [d for d in rest if d.kind in _DEPARTURES]
            if lines and all(any(self._follows(d, other) for other in lines if other is not d) for d in lines):     # a circle: some only may follow
                free = [d for d in lines if not any(self._follows(d, other, sure=True) for other in lines if other is not d)]
            chosen = (free or rest)[0]
            rest.remove(chosen)
            done.append(chosen)
        return done

    def _follows(self, late: Difference, early: Difference, sure: bool = False) -> bool:
        """Does the difference `late` follow from the difference `early`, or may it? With `sure`: does it?"""
        if early.kind == "bytes" and late.kind in _LINES:
            return self._has_sent(early, late)
        if early.kind == "ends" and late.kind in _LINES and late.who != early.who:
            brought = self._brought(late)
            return brought is not None and brought.how == "exit" and brought.pid in {end.pid for end in self._endings(early.who)}
        if late.kind not in _DEPARTURES or early.kind not in _DEPARTURES:
            return False
        if late.who == early.who:
            reset = next((d for d in (late, early) if d.kind == "reset"), None)
            if reset is not None and self.deeds.went_on_after(reset.act):
                return late is reset    # it closed too early: whether bytes had come by then, and so made it a reset, is luck
            # A line that was only printed stood in the program before the lab read it. So it may come before an act that has an earlier place.
            printed = [d for d in (late, early) if d.observed and d.observed.kind == "output"]
            return printed == [early] if printed and "reset" in (late.kind, early.kind) else late.at > early.at
        if self._unheard(late):
            return False
        since = int(early.at) - 1 if early.kind == "unwritten" and early.at < LATE else early.at      # then the write is that act itself
        if late.kind == "reset" and early.at < late.at and self.deeds.wrote_since(role_of(early.who), int(since), int(late.at)):
            return True     # a close with bytes unread sends a reset
        brought = self._brought(late)
        if brought is not None and brought.who == role_of(early.who) and self._since(early) <= brought.place:
            return True
        if self._ended_first(early, late) != self._ended_first(late, early):
            return self._ended_first(early, late)
        if late.kind in _LINES and early.kind in _LINES and self._waits_for(late, early):
            return True
        if late.kind == early.kind == "missing" and late.blocked and early.blocked and _READ.match(late.expected) and causes.TEXTS["sending"].match(early.expected):
            return True     # both wait, and the one was to send first
        if early.at >= late.at or late.kind in _LINES and early.kind in _LINES and not self._unheard(early) and self._waits_for(early, late):
            return False
        if late.at == LATE or "output" in {d.observed.kind for d in (late, early) if d.observed}:
            return not sure
        if early.observed and late.observed and self.order.forced(early.observed.seq, late.observed.seq):
            return True
        if not self.run.observed or len(self.run.cast) != 2:
            return True     # nobody knows that it does not
        return self.deeds.reached(role_of(late.who), role_of(early.who), int(early.at), int(late.at))

    def _ended_first(self, early: Difference, late: Difference) -> bool:
        """Did WHO of `early` end by itself before its next line, having read nothing, and did the other WHO read the end that this brought? Then that WHO
        left the contract later, wherever its printed line or its own end stands. An accept that fails may have ended a connection, too (its arguments were wrong)."""
        if early.kind != "missing" or early.observed is not None or early.at == LATE or late.kind not in _LINES or late.observed is not None and late.observed.kind != "output":
            return False
        who, read = role_of(early.who), self.deeds.end_read(role_of(late.who))
        if read is None or self.deeds.has_read(who):
            return False
        brought = causes.brought_by(self.run, self.cast.sides, read)
        lost = any(c.who == who and c.name in ("accept", "accept4") and c.error in ("EFAULT", "EINVAL") and c.seq < read.returned for c in self.run.calls)
        return brought is not None and brought.who == who or lost

    def _unheard(self, d: Difference) -> bool:
        """Is it a line about an end of which nothing had told the program? Then it follows from nothing that another program did."""
        return d.kind in _LINES and d.observed is not None and bool(self.deeds.unheard(d.observed))

    def _since(self, d: Difference) -> float:
        """Returns the place of WHO's last line that was as the contract says, -1 if there is none. WHO left the contract after
        that."""
        pairs = self.matches[d.who].pairs if d.who in self.matches else ()
        return max((e.seq for _, e in pairs), default=-1)

    def _has_sent(self, early: Difference, late: Difference) -> bool:
        """`early` is a wrong number of bytes. Had its sender sent all that it was to send? Only then can the receiver's lines, or
        the sender's wait for an answer, follow from the number. What a numbered WHO of the sender was to send belongs to it."""
        senders = [match for who, match in self.matches.items() if who == early.who or not index_of(early.who) and role_of(who) == early.who]
        if not senders or self.deeds.write_failed(early.who):
            return False
        if any(one.stray is not None and any(e.kind == "send" and e.seq >= one.stray.seq for e in one.events) for one in senders):
            return False
        if self.run.stop.kind not in FINISHED and any(one.events and one.events[-1].kind in ("send", "pause") for one in senders):
            return False        # the run was stopped when the sender may have been on its way through its writes
        left = any(causes.TEXTS["sending"].match(line.text) for one in senders for line in one.lines[one.left_at:])
        if late.who == early.who and (late.at == LATE or late.at > early.act >= 0):     # it waits for an answer to what it sent, or got another one
            return not left
        if role_of(late.who) != early.expected.partition(" to the ")[2].partition("[")[0]:
            return False
        return not left

    def _waits_for(self, late: Difference, early: Difference) -> bool:
        """Does the expected line of `late` name, behind its `after`, a line that is missing because of `early`?"""
        match = self.matches[early.who]
        lost = {line.number for line in match.lines[match.left_at:]}
        line = next((x for x in self.plan.of(Line) if x.number == late.line and late.expected), None)
        return any(named.number in lost for named in map(self.plan.named, line.after if line else ()) if named)


# Luck comes last: it is about the contract, or it follows from wrong byte counts, which are a difference of the kind `bytes`. Nothing
# follows from a port, because the stage tells the other programs on which port one really listens.
_LINES = ("missing", "unexpected")
_DEPARTURES = (*_LINES, "order", "never", "late", "open", "unwritten", "unlike", "miscount", "unheard", "deaf", "act", "reset")
_RANK = {**dict.fromkeys(_DEPARTURES, 0), "ends": 1, "call": 1, "deadlock": 1, "bytes": 2, "wire": 3, "port": 4, "luck": 5}
_POLLS = ("poll", "select", "epoll_wait")
_READ = re.compile(r"EOF\b|[Rr]eceived\b")


def _lateness(d: Difference) -> tuple[int, bool, int, float]:
    return _RANK[d.kind], d.at == LATE, d.line, d.at


def _is_remark(event: Event) -> bool:
    """Is this line a remark: a note that is no error, and that says nothing of the kinds in TEXTS?"""
    return event.kind == "note" and not event.text.startswith("Error") and not any(causes.is_a(event, what) for what in causes.TEXTS)


def _missing(run: Run) -> str:
    """Returns in words why the wire was not looked at."""
    return f"{run.missing} frames are missing" if run.missing else "packets can't be seen here"


def _shows(s: Segment, what: str) -> bool:
    if what == "zero window":
        return s.window == 0 and "A" in s.flags and not set(s.flags) & set("RS")
    if what.startswith("byte "):
        return s.first <= int(what[5:]) < s.first + s.length
    return what[0] in s.flags
