"""Kinds `knows`, `state` and `bytes`: what a program and the two kernels hold at a moment at which no thread moves.

The answers are the kernel's own: its sockets as they were at that moment. What a program has written and read comes from its
calls.
"""
from __future__ import annotations

import random
import textwrap
from dataclasses import dataclass
from typing import Iterator, Optional

from ...judge.sides import READS, WRITES, Side
from ...tell.phrases import count
from ...trace import Event, Socket
from .asked import Asked
from .seen import Look, Seen
from .shown import cut, head, is_clear, moment, transcript

# The answers, by the kernel's state. A timer of the other kernel decides when a FIN is acknowledged, and not the programs. So the two
# states before and after that are one answer, and states that end with it are not asked for.
_STATES = {"ESTABLISHED": "ESTABLISHED", "FIN-WAIT-1": "FIN-WAIT-1 or -2", "FIN-WAIT-2": "FIN-WAIT-1 or -2", "CLOSE-WAIT": "CLOSE-WAIT", "TIME-WAIT": "TIME-WAIT"}
_CHOICES = ("LISTEN", "ESTABLISHED", "FIN-WAIT-1 or -2", "CLOSE-WAIT", "LAST-ACK", "TIME-WAIT", "SYN-SENT")
TRIES = 40


@dataclass(frozen=True)
class Stream:
    """One direction of a connection at a moment: how many bytes of its stream have come how far."""

    sender: str
    receiver: str
    written: int        # bytes that the sender's program has given to its kernel
    arrived: int        # bytes that have arrived at the receiver's kernel
    read: int           # bytes that the receiver's program has read


def state(seen: Seen, chance: random.Random) -> Optional[Asked]:
    """Asks: in which state is this end?"""
    found: "dict[str, list[tuple[Look, Socket]]]" = {}
    for look in _looks(seen):
        for socket in sorted(look.sockets, key=lambda s: (s.connection, s.who, s.fd)):
            if socket.connection and socket.pid and socket.state in _STATES and seen.sides.of(socket) is not None:
                found.setdefault(_STATES[socket.state], []).append((look, socket))
    if not found:
        return None
    name = chance.choice(sorted(found))
    look, socket = chance.choice(found[name])
    choices = sorted([name, *chance.sample([one for one in _CHOICES if one != name], 3)])
    question = f"In which state is the {socket.who}'s end of connection {socket.connection}?"
    return _asked(seen, look, seen.sides.of(socket), "state", [question, "   ".join(f"{n} {one}" for n, one in enumerate(choices, 1))], str(choices.index(name) + 1),
                  _of_state(name, socket.who), len(choices))


def _looks(seen: Seen) -> "list[Look]":
    return [look for look in seen.looks if is_clear(seen, look)]


def _of_state(name: str, who: str) -> str:
    """Returns a sentence that says what the kernel's state means for the FINs."""
    return f"The kernel says {name}: " + {
        "ESTABLISHED": f"the {who}'s end has sent no FIN, and none of the other end has come.",
        "FIN-WAIT-1 or -2": f"the {who}'s end has sent its FIN, and none of the other end has come. The number is 2 once the FIN is acknowledged.",
        "CLOSE-WAIT": f"the other end's FIN has come, and the {who}'s end has sent none of its own.",
        "TIME-WAIT": "both FINs were sent and acknowledged. This end waits, in case its last acknowledgement was lost."}[name]


def count_bytes(seen: Seen, chance: random.Random) -> Optional[Asked]:
    """Asks: how many bytes lie unread in a kernel, or how many has a program read?"""
    moments = [(look, side, stream) for look in _looks(seen) for side, stream in _streams(seen, look)]
    busy = [one for one in moments if one[2].arrived > one[2].read]
    if not moments:
        return None
    look, side, stream = chance.choice(busy if busy and chance.random() < 0.7 else moments)
    here = f" of connection {side[0]}" if len(seen.run.connections) > 1 else ""
    unread, read = stream.arrived - stream.read, count(stream.read, "byte")
    if chance.random() < 0.7:
        question = f"How many bytes of the {stream.sender} lie in the {stream.receiver}'s kernel{here}, not read by its program?"
        return _asked(seen, look, side, "bytes", [question], str(unread),
                      f"The {stream.sender} has written {count(stream.written, 'byte')}, and {stream.arrived} have arrived. The {stream.receiver}'s reads have taken {read}.")
    question = f"How many bytes of the {stream.sender} have the reads of the {stream.receiver}{here} returned so far, all together?"
    return _asked(seen, look, side, "bytes", [question], str(stream.read),
                  f"Of the {stream.sender}'s bytes {stream.arrived} have arrived, and {unread} of them lie unread in the {stream.receiver}'s kernel.")


def knows(seen: Seen, chance: random.Random) -> Optional[Asked]:
    """Asks: how far has a message come, and who has it now?"""
    looks = _looks(seen)
    for _ in range(TRIES if looks else 0):
        look = chance.choice(looks)
        streams = dict(_streams(seen, look))
        texts = [cut(e.text, 40) for e in seen.before(look)]
        sends = [e for e in seen.before(look) if e.kind == "send" and e.count and texts.count(cut(e.text, 40)) == 1]
        if not sends:
            continue
        event = chance.choice(sends)
        side = seen.sides.of(event)
        place = _place(seen, look, event, streams[side]) if side is not None and side in streams else 0
        if side is not None and place:
            return _told(seen, look, event, streams[side], place)
    return None


def _place(seen: Seen, look: Look, event: Event, stream: Stream) -> int:
    """Returns the choice (1 to 4) that says how far all bytes of the line have come. Returns 0 if they are in several places."""
    side = seen.sides.of(event)
    before = sum(e.count for e in seen.sides.lines(side) if e.kind == "send" and e.seq < event.seq) if side is not None else 0
    last = before + event.count
    if seen.stands(look, event):
        return 1 if stream.written == before else 0
    if stream.written < last:
        return 0
    for place, reached in ((4, stream.read), (3, stream.arrived), (2, stream.written)):
        if reached >= last:
            return place
        if reached > before:
            return 0
    return 0


def _told(seen: Seen, look: Look, event: Event, stream: Stream, place: int) -> Asked:
    one, other = stream.sender, stream.receiver
    them, those, have = ("it", "this byte", "has") if event.count == 1 else ("them", f"these {event.count} bytes", "have")
    question = f"`{cut(event.text, 40)}`: how far {have} {those} of the {one} come?"
    choices = [f"1 only the {one}'s program has {them}", f"2 the {one}'s kernel has {them}, the {other}'s kernel does not",
               f"3 the {other}'s kernel has {them}, its program has not read {them}", f"4 the {other}'s program has read {them}"]
    why = {1: f"The {one} has logged the line and has not called write since. So no kernel knows of {those}.",
           2: f"The write has returned. Not yet come to the {other}'s kernel: {count(stream.written - stream.arrived, 'byte')} of the {one}.",
           3: f"The {other}'s kernel holds {count(stream.arrived - stream.read, 'byte')} that its program has not read, {those} among them.",
           4: f"The reads of the {other} have returned {count(stream.read, 'byte')} so far, {those} among them."}[place]
    return _asked(seen, look, seen.sides.of(event), "knows", [question, *(f"    {words}" for words in choices)], str(place), why, 4)


def _streams(seen: Seen, look: Look) -> "Iterator[tuple[Side, Stream]]":
    """Yields the two directions of each connection that both kernels still have, as the kernels' sockets and the programs' calls
    show them."""
    if not seen.run.observed:
        return
    ends = {side: socket for socket in look.sockets if socket.connection and (side := seen.sides.of(socket)) is not None}
    for side, socket in sorted(ends.items()):
        other = seen.sides.other(side)
        if other is None or other not in ends or "CLOSED" in (socket.state, ends[other].state):
            continue
        calls = [c for c in seen.run.calls if 0 <= c.returned < look.seq and c.result > 0 and c.option not in ("MSG_PEEK", "splice")]
        written = sum(c.result for c in calls if c.name in WRITES and seen.sides.of(c) == side)
        read = sum(c.result for c in calls if c.name in READS and seen.sides.of(c) == other)
        arrived = read + ends[other].unread
        if written - socket.unacked <= arrived <= written:
            yield side, Stream(socket.who, ends[other].who, written, arrived, read)


def _asked(seen: Seen, look: Look, side: Optional[Side], kind: str, question: "list[str]", answer: str, why: str, choices: int = 0) -> Asked:
    lines = [*head(seen), *transcript(seen, look), *moment(seen, look), "", *textwrap.wrap(question[0], seen.width), *question[1:]]
    return Asked(kind, seen.scenario.name, seen.named, tuple(lines), answer, why, "choice" if choices else "number", choices, look.seq, side)
