"""The story of a run in a few lines: what came through, what else happened and why, how each program ended.

If the programs' calls were seen, the numbers of bytes are what the calls wrote and read. Else they are what the lines say, and
the story says so. If neither tells a number, the story says nothing about it.
"""
from __future__ import annotations

import re
from collections import Counter
from typing import Iterable, Iterator, Optional

from ..judge import findings
from ..judge.comparison import Verdict
from ..judge.seen import Seen
from ..judge.sides import OPENER, READS, WRITES, Side, Sides, Told
from ..trace import Event, Run, plain
from .phrases import count, ended, sentence, was, with_source
from .words import blind, names_of, proof


def happened(run: Run, verdict: Optional[Verdict] = None) -> list[str]:
    """Returns the lines of the story. What the verdict is about is among them, because the story may stand alone. If the run kept
    its contract, remarks are left out."""
    kept = verdict is not None and verdict.word == "as expected"
    found = [one for one in findings.find(run) if not (kept and one.remark)]
    shown = {place for one in found for place in one.evidence}
    told = [line for way in _ways(run) for line in way.story()]
    told += [with_source(one.words, one.source) for one in found]
    told += [*_resets(run, shown), *_endings(run, shown)]
    if run.stop.kind == "deadlock":
        told += blind(run) if any(one.code == "deadlock" for one in found) else [f"Deadlock. {proof(run)}"]
    elif run.stop.words and not any(one.code in _TELLS_THE_STOP for one in found):
        told.append(sentence(plain(run.stop.words)))
    elif run.stop.kind == "waiting" and not any(one.code in _TELLS_THE_STOP for one in found):
        told.append("Nothing can happen any more, and somebody still waits.")
    return told + [f"It could have gone otherwise; this time: {branch}." for branch in (verdict.branches if verdict else ())]


_TELLS_THE_STOP = ("died-of-signal", "sigpipe", "sanitizer", "waits-for-input")


def _ways(run: Run) -> Iterator["_Way"]:
    """Yields each direction in which two programs of the run have a stream, the left program's direction first."""
    sides = Sides(run)
    names = names_of(run.cast)
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
            if sides.two or theirs and others:
                yield _Way(run, sides, sender, receiver, frozenset(theirs), frozenset(others))


class _Way:
    """One direction between two programs: what was sent there, and how much of it came through."""

    def __init__(self, run: Run, sides: Sides, sender: str, receiver: str, theirs: frozenset[Side], others: frozenset[Side]) -> None:
        self.run, self.sides, self.sender, self.receiver, self.theirs = run, sides, sender, receiver, theirs
        self.inward = {made.number for made in run.connections if made.opener and made.acceptor and made.opener.who == made.acceptor.who}
        self.sent_lines = [e for e in run.events if e.kind == "send" and self._belongs(e, sender, theirs)]
        self.recvs = [e for e in run.events if e.kind == "recv" and e.count > 0 and self._belongs(e, receiver, others)]
        writes, reads = self._moved(WRITES, sender, theirs), self._moved(READS, receiver, others)
        seen = Seen(run, sides)
        self.exact = run.observed and not any(call.name == "sendmmsg" for call in run.calls) \
            and all(seen.all_of(side) for side in theirs | others)      # sendmmsg returns a number of messages
        self.written, self.read = sum(writes), sum(reads)

    def _belongs(self, record: Told, name: str, sides: frozenset[Side]) -> bool:
        """Does the record belong to this direction's end? In a run of two programs each of them sends to the other one, whether
        or not the connection is known. What one of them sends to itself belongs to neither direction."""
        return record.who == name and record.connection not in self.inward if self.sides.two else self.sides.of(record) in sides

    def _moved(self, names: tuple[str, ...], who: str, sides: frozenset[Side]) -> list[int]:
        """Returns how many bytes each of these calls moved."""
        return [max(call.result, 0) for call in self.run.calls if call.name in names and call.connection and call.returned >= 0
                and call.option != "MSG_PEEK" and self._belongs(call, who, sides)]

    def story(self) -> Iterator[str]:
        yield from (f"From {self.sender} to {self.receiver}: {words}" for words in (self._by_calls() if self.exact else self._by_lines()))

    def _by_calls(self) -> Iterator[str]:
        if not self.sent_lines and not self.written and not self.read:
            return
        told = sum(e.count for e in self.recvs)
        of_all = f"{self.read} of {count(self.written, 'byte')}" if self.read <= self.written else count(self.read, "byte")
        if not self.written and not self.read:
            yield "no byte was written."
        elif self.recvs and told == self.read:
            yield f"{_messages(self.recvs)} came through ({of_all})."
        elif self.recvs and self.read:
            yield f"{_messages(self.recvs)} came through; the {self.receiver} read {of_all}, and its lines tell of {told}."
        else:
            yield f"{of_all if self.read else 'nothing'} came through{'' if self.read else f' ({of_all})'}."

    def _by_lines(self) -> Iterator[str]:
        sent, told = sum(e.count for e in self.sent_lines), sum(e.count for e in self.recvs)
        crossed = sum(n for side, n in self.sides.carried.items() if side in self.theirs)
        if self.recvs:
            of_all = f"{told} of {count(sent, 'byte')}" if told <= sent else count(told, "byte")
            yield f"{_messages(self.recvs)} came through ({of_all}, by the lines)."
        elif crossed:
            yield f"{'at least ' if self.run.missing else ''}{count(crossed, 'byte')} went over the wire."
        elif self.sent_lines:
            yield f"{count(sent, 'byte')} {was(sent)} announced; no line of the {self.receiver} tells of any."


def _messages(recvs: list[Event]) -> str:
    texts = [(re.search(r'"(?:[^"\\]|\\.)*"', plain(e.text)) or [f"{count(e.count, 'byte')}"])[0] for e in recvs]
    if len(texts) > 4:
        return f"{', '.join(texts[:3])} and {len(texts) - 3} pieces more"
    return ", ".join(texts[:-1]) + (" and " if len(texts) > 1 else "") + texts[-1]


def _resets(run: Run, shown: Iterable[int]) -> Iterator[str]:
    """Yields a sentence about the first reset of each connection, if no finding reports it. A reset that answers a SYN has
    refused a connection."""
    firsts: dict[int, tuple[str, bool, int]] = {}
    greeted: dict[int, set[str]] = {}       # by connection: the programs that sent a SYN on it
    for segment in run.segments:
        hello = greeted.setdefault(segment.connection, set())
        if "S" in segment.flags:
            hello.add(segment.sender)
        elif "R" in segment.flags:
            made = segment.connection > 0 and (segment.sender in hello or not hello)
            firsts.setdefault(segment.connection, (segment.sender, made, segment.seq))
    told = Counter((sender, made) for sender, made, seq in firsts.values() if seq not in set(shown))
    for (sender, made), n in sorted(told.items()):
        if not made:
            yield f"{'A connect was' if n == 1 else f'{n} connects were'} refused: the {sender}'s kernel answered with a reset (RST), nobody listened there."
        elif n == 1:
            yield f"The {sender}'s kernel sent a reset (RST): this connection takes nothing any more."
        else:
            yield f"The {sender}'s kernel sent a reset (RST) on {n} connections: they take nothing any more."


def _endings(run: Run, shown: Iterable[int]) -> Iterator[str]:
    """Yields how each program ended, except for those whose end a finding reports."""
    since = {(w.who, f"waiting in {w.call}"): f" since {w.source}" for w in run.stop.waiting if w.source and w.on}
    left = [e for e in run.endings if e.seq not in set(shown)]
    for (who, how), n in sorted(Counter((e.who, e.how) for e in left).items()):
        more = ", for the next client" if how == "waiting in accept" else since.get((who, how), "")
        yield f"{n} {who}s each: {how}{more}." if n > 1 else f"The {who} {ended(how)}{more}."
