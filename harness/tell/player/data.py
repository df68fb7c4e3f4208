"""What the player shows of a run, as plain data for its page.

A moment is a record of the run, or the return of a call. Its number is its place in the run's order, as everywhere: e12.
"""
from __future__ import annotations

import hashlib
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any, Iterator, Union

from ...judge import standard
from ...judge.findings import Facts, Finding
from ...judge.moments import Way, moments
from ...judge.sides import ACCEPTOR, OPENER, READS, WRITES, Side, Sides
from ...judge.states import stopped
from ...judge.wire import readings
from ...trace import Call, Ending, Event, Output, Run, Segment, Start, plain
from .. import wire
from ..copies import copies
from ..phrases import ended

BYTES = 4096        # at most so many bytes of each direction's stream are kept to be shown


@dataclass(frozen=True)
class Source:
    """A source file. `state` is "run" if this is the text that was run, "changed" if another text was run, and "" if that is not
    known."""

    text: str
    state: str = ""


@dataclass(frozen=True)
class Played:
    """A run and what is told of it. `sources` has the text of each source file, by its name. `shares` has pairs (seq, counts):
    from this moment on, how many of the explored schedules that go the same way have each outcome."""

    run: Run
    heading: str
    sentences: "tuple[str, ...]"
    reproduce: str
    findings: "tuple[Finding, ...]" = ()
    sources: "dict[str, Source]" = field(default_factory=dict)
    main: "dict[str, str]" = field(default_factory=dict)
    outcomes: "tuple[str, ...]" = ()
    shares: "tuple[tuple[int, tuple[int, ...]], ...]" = ()
    decided: str = ""       # the sentence about the moment from which on the ending was certain
    decided_at: int = -1


def data(played: Played) -> "dict[str, Any]":
    """Returns all that the page shows of one run."""
    run = played.run
    steps = sorted(_steps(run), key=lambda one: int(one["e"]))
    numbers = {name: n for n, name in enumerate(_names(run))}
    for step in steps:
        step["w"] = numbers.get(step["w"], -1)
    return {
        "heading": plain(played.heading), "reproduce": plain(played.reproduce), "names": list(numbers),
        "steps": steps, "ways": list(_ways(run, steps)), "sentences": [plain(one) for one in played.sentences],
        "marks": [{"e": _step_of(steps, one, numbers), "words": plain(one.words), "code": one.code} for one in played.findings if one.at >= 0 and steps],
        "sources": {plain(name): _source(one) for name, one in played.sources.items()}, "began": plain(run.began),
        "skipped": any(one.resumed_after >= 0 for one in run.events) or any(one.resumed_after >= 0 for one in run.calls),
        "threadNames": dict(_threads(run)), "ended": dict(_ended(run)), "main": played.main, "stop": run.stop.kind, "cycle": list(run.stop.cycle),
        "wire": run.wire, "outcomes": [plain(one) for one in played.outcomes], "shares": [list(one) for one in played.shares],
        "decided": plain(played.decided), "decidedAt": played.decided_at,
        "unseen": [why for why, seen in (("The system calls were not seen: what lies where is not known.", run.observed),
                                         ("The wire was not seen: what lies where is not known.", run.wire)) if not seen],
    }


def _step_of(steps: "list[dict[str, Any]]", finding: Finding, numbers: "dict[str, int]") -> int:
    """Returns the place of the moment to which a finding leads: the act, or the first moment of its program after it."""
    mine = [int(one["e"]) for one in steps if one["w"] == numbers.get(finding.who, -1)] or [int(one["e"]) for one in steps]
    return mine[min(bisect_left(mine, finding.at), len(mine) - 1)]


def _names(run: Run) -> "list[str]":
    """Returns the names of the programs. Those at the left come first: they do not listen."""
    return [role.name for role in sorted(run.cast, key=lambda role: role.listens)]


def _threads(run: Run) -> "Iterator[tuple[int, str]]":
    """Yields (number of a thread, what tells it apart from the program's other threads): "process 2, thread 1". It is "" for the
    only thread."""
    mine: "dict[str, dict[int, list[int]]]" = {}
    for call in run.calls:
        those = mine.setdefault(call.who, {}).setdefault(call.pid, [])
        those += [call.tid] if call.tid not in those else []
    for processes in mine.values():
        for n, threads in enumerate(processes.values(), 1):
            for k, tid in enumerate(threads, 1):
                yield tid, ", ".join([*([f"process {n}"] if len(processes) > 1 else []), *([f"thread {k}"] if len(threads) > 1 else [])])


def _ended(run: Run) -> "Iterator[tuple[int, int]]":
    """Yields, for each call whose process has ended, the number of the call's thread and the place of the process's ending."""
    ended = {one.pid: one.seq for one in (*run.endings, *run.children) if one.how.startswith(("exit", "signal"))}
    return ((call.tid, ended[call.pid]) for call in run.calls if call.pid in ended)


def _source(one: Source) -> "dict[str, Any]":
    """Returns a source file for the page. If its text is not the one that was run it has no lines, because the line numbers of
    the run would not fit it."""
    lines = [] if one.state == "changed" else [plain(line, keep="\t") for line in one.text.removesuffix("\n").split("\n")]
    return {"lines": lines, "state": one.state, "hash": hashlib.sha256(one.text.encode("utf-8", "replace")).hexdigest()[:12]}


def _steps(run: Run) -> "Iterator[dict[str, Any]]":
    for event in run.events:
        yield _step(event, "line", event.text, tid=event.tid, source=event.source, connection=event.connection)
    lines: "dict[int, list[str]]" = {}
    for line in standard.lines(run):
        lines.setdefault(line.seq, []).append(line.text + (f" {line.data}" if line.data else ""))
    returned_late = stopped(run)
    for call in run.calls:
        yield _step(call, "call", in_words(call), tid=call.tid, source=call.source, connection=call.connection, also=lines.get(call.seq))
        if call.returned >= 0 and call.seq not in returned_late:
            yield {**_step(call, "return", returned_in_words(call), tid=call.tid, source=call.source, connection=call.connection, also=lines.get(call.returned)),
                   "e": call.returned, "t": call.returned_ns // 1000}
    for reading in readings(run):
        segment = reading.segment
        yield _step(segment, "segment", wire.brief(reading, data=True), connection=segment.connection)
    for output in run.outputs:
        yield _step(output, "output", output.text)
    for start in run.starts:
        yield _step(start, "start", "is started")
    for ending in (*run.endings, *run.children):
        yield _step(ending, "end", ("a child process " if ending.child else "") + ended(ending.how))


def _step(record: "Union[Event, Call, Segment, Output, Start, Ending]", kind: str, text: str, *, tid: int = 0, source: str = "", connection: int = 0,
          also: "Union[list[str], None]" = None) -> "dict[str, Any]":
    who = record.sender if isinstance(record, Segment) else record.who
    step: "dict[str, Any]" = {"e": record.seq, "t": record.ns // 1000, "w": who, "k": kind, "x": plain(text)}
    for name, value in (("i", tid), ("s", plain(source)), ("c", connection), ("a", [plain(one) for one in also or ()])):
        if value:
            step[name] = value
    return step


def in_words(call: Call) -> str:
    r"""Returns a call as it is made: read(4, ..., 65536), connect(3, 127.0.0.1:8080), write(4, "hello\n", 6)."""
    arguments = [str(call.fd)] if call.fd >= 0 else []
    if call.name in READS:
        arguments += ["...", str(call.asked)]
    elif call.name in WRITES:
        arguments += [standard.quoted(call.data, call.asked, wire.SHOWN), str(call.asked)]
    elif call.name in ("connect", "bind"):
        arguments += [call.address.rpartition(">")[2]]
    elif call.option:
        arguments += [call.option]
    return f"{call.name}({', '.join(arguments)})"


def returned_in_words(call: Call) -> str:
    """Returns what a call returned: read(4) = 18 "This is..."."""
    brief = f"{call.name}({call.fd if call.fd >= 0 else ''})"
    if call.error:
        return f"{brief} = -1 {call.error}"
    data = f" {standard.quoted(call.data, call.result, wire.SHOWN)}" if call.name in READS and call.result > 0 and call.data else ""
    return f"{brief} = {call.result}{data}{', end of the stream' if call.name in READS and call.result == 0 and call.asked else ''}"


# -- the kernels ----------------------------------------------------------------------------------------------------------

def _ways(run: Run, steps: "list[dict[str, Any]]") -> "Iterator[dict[str, Any]]":
    """Yields each direction of each connection: who sends to whom, the bytes that are known, and how far they had come from which
    moment on. A change is [seq, state of the sender's end, then the numbers of _numbers()]; a number that is not known is
    null."""
    facts = Facts(run)
    sides, last = facts.sides, max((int(step["e"]) for step in steps), default=0)
    names = {name: n for n, name in enumerate(_names(run))}
    changes: "dict[tuple[int, str], list[Any]]" = {}
    for moment in moments(run):     # the last look at the kernel comes behind all that the page shows
        changes.setdefault(moment.side, []).append([min(moment.seq, last), moment.state, *_numbers(moment.way)])
    for made in run.connections:
        for end in (OPENER, ACCEPTOR):
            side = made.number, end
            other, mine = sides.other(side), made.opener if end == OPENER else made.acceptor
            if side in changes and other is not None:
                yield {"c": made.number, "from": names.get(sides.name(side), -1), "to": names.get(sides.name(other), -1),
                       "bytes": stream(run, sides, side), "changes": changes[side], "told": list(told(sides, other)), "held": [*_queued(facts, side), *(copies(mine) if mine else ())]}


def _queued(facts: Facts, side: Side) -> "Iterator[tuple[int, str]]":
    """Yields from which place on this end waited in an accept queue, and from which on no more."""
    number, which = side
    end = facts.sides.end(side)
    begun = next((s.seq for s in facts.run.segments if s.connection == number), -1)
    if which == ACCEPTOR and begun >= 0 and facts.observed and (end is not None and end.holders or number in facts.unaccepted):
        yield begun, "not accepted yet"
        yield from [(min(one.since for one in end.holders), "")] if end is not None else []


def told(sides: Sides, side: "tuple[int, str]") -> "Iterator[list[int]]":
    """Yields [seq, how many received bytes the lines of this end have reported up to it]."""
    counted = 0
    for line in sides.lines(side):
        if line.kind == "recv":
            counted += line.count
            yield [line.seq, counted]


def _numbers(way: Way) -> "list[Any]":
    return [way.written, way.sent, way.arrived, way.acked, way.read, way.taking, way.gone, int(way.refused), int(way.fin)]


def stream(run: Run, sides: Sides, side: "tuple[int, str]") -> str:
    """Returns the stream's first bytes, one character each. A private-use character stands for a byte that no record kept."""
    known = [UNKNOWN] * BYTES
    longest = at = 0
    for call in run.calls:
        if call.name in WRITES and call.result > 0 and sides.of(call) == side and call.name != "sendmmsg":
            longest = max(longest, _put(known, at, call.data[:call.result]))
            at += call.result
    for segment in run.segments:
        if segment.length and sides.of_segment(segment) == side:
            longest = max(longest, _put(known, segment.first - 1, segment.data))
    return "".join(known[:longest])


UNKNOWN = "\ue000"


def _put(known: "list[str]", at: int, text: str) -> int:
    """Writes the text at this index, as far as there is room. Returns the index at which it ends."""
    if not 0 <= at < BYTES:
        return 0
    part = text[:BYTES - at]
    known[at:at + len(part)] = part
    return at + len(part)
