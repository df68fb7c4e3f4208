"""Findings about waits that time ends: a limit of a socket, a limit of a poll, an alarm; and two kernels that wait for each other
for a while."""
from __future__ import annotations

from typing import Iterator, Optional

from ...trace import Call, Segment
from ..sides import READS, WRITES, Side
from .acts import ACCEPTS, POLLS, SLEEPS, at, count, name
from .facts import Facts, Finding

_DELAYED = 30_000_000       # ns: a kernel delays an acknowledgement by at least 40 ms (TCP_DELACK_MIN), or sends it at once
_SMALL = 500                # bytes: less than any kernel's largest segment, so that Nagle's algorithm may hold it back
_SLACK = 1_000_000_000      # ns: a signal counts as the alarm's if it comes within this time after the alarm was due, and a child has just ended


def seconds(ns: int) -> str:
    return f"{ns / 1e9:g} s" if ns >= 1_000_000_000 else f"{ns / 1e6:g} ms"


# --- limits ----------------------------------------------------------------------------------------------------------

def socket_limit(facts: Facts) -> "Iterator[Finding]":
    """SO_RCVTIMEO or SO_SNDTIMEO has ended a read, an accept or a write: it failed with EAGAIN, though the socket blocks."""
    found: "dict[tuple[int, int, str, int], list[tuple[Call, Call]]]" = {}
    for call in facts.run.calls:
        limit = limit_of(facts, call)
        if limit is not None:
            found.setdefault((call.pid, call.fd, call.name, limit.value), []).append((call, limit))
    for ended in found.values():
        call, limit = ended[0]
        nothing = "no connection came" if call.name in ACCEPTS else "no byte came" if call.name in READS else "the kernel had no room for more bytes"
        where = f" on connection {call.connection}" if call.connection else ""
        times = f". That happened {len(ended)} times" if len(ended) > 1 else ""
        yield Finding("socket-time-limit", f"The {call.who}'s {name(call)}{where}{at(call.source)} ended with {call.error} because of the socket's time limit "
                      f"({limit.option}, {seconds(limit.value)}{', ' + limit.source if limit.source else ''}): {nothing} within it{times}.",
                      (limit.seq, *(one.seq for one, _ in ended[:3])), call.returned, call.who, call.source)


def limit_of(facts: Facts, call: Call) -> Optional[Call]:
    """Returns the setsockopt whose time limit has ended this call; None if that is not certain. A socket that does not block
    fails with EAGAIN at once."""
    option = "SO_SNDTIMEO" if call.name in WRITES else "SO_RCVTIMEO"
    if call.error != "EAGAIN" or call.returned < 0 or call.name not in (*READS, *WRITES, *ACCEPTS):
        return None
    life = facts.life(call)
    if call.name in READS and any(one.option == "SO_RCVLOWAT" for one in life.options):
        return None
    set_so = [one for one in life.options if one.option == option and one.seq < call.seq]
    made = life.calls[0] if life.calls else call
    if not set_so and made.name in ACCEPTS:     # it has what its listener has
        set_so = [one for one in facts.life(made).options if one.option == option and one.seq < made.seq]
    last = set_so[-1] if set_so else None
    return last if last is not None and last.value > 0 and call.returned_ns - call.ns >= last.value * 0.9 else None


def does_not_wait(facts: Facts, call: Call) -> bool:
    """Did this read or accept fail with EAGAIN at once? False if the socket has a time limit that may have ended it, or if that is not known."""
    life = facts.life(call)
    made = life.calls[0] if life.calls else call
    options = [*life.options, *(facts.life(made).options if made.name in ACCEPTS else ())]
    return call.error == "EAGAIN" and bool(life.calls) and not any(one.option == "SO_RCVTIMEO" for one in options)


def other_limit(facts: Facts) -> "Iterator[Finding]":
    """A program waits in read (or in write) when the run is over, and the only time limit that it has set there is for the other one."""
    for wait in facts.run.stop.waiting if facts.all_wait else ():
        side = facts.sides.of(wait)
        wrong, right = ("SO_SNDTIMEO", "SO_RCVTIMEO") if wait.call == "read" else ("SO_RCVTIMEO", "SO_SNDTIMEO")
        options = [call for call in facts.calls(side, ("setsockopt",)) if not call.error and call.value > 0] if side is not None and wait.call in ("read", "write") else []
        limit = next((call for call in reversed(options) if call.option == wrong), None)
        if limit is None or side is None or not facts.seen(side) or any(call.option == right for call in options):
            continue
        ends, waits_in = ("writes", "read") if wrong == "SO_SNDTIMEO" else ("reads", "write")
        yield Finding("limit-of-the-other", f"The {wait.who} has set {wrong} on connection {side[0]}{at(limit.source)}: that is a limit for {ends}. "
                      f"It waits in {waits_in} there, and has set no limit for that ({right}).", (limit.seq,), limit.seq, wait.who, limit.source, "12", "M15")


def poll_limit(facts: Facts) -> "Iterator[Finding]":
    """A poll ended because of its limit, with nothing ready, and the program gave up, or waits so to the end of the run. Polls of one place in
    a program are told of together, whatever their limits."""
    found: "dict[tuple[int, str, str], list[Call]]" = {}
    for call in facts.run.calls:
        if call.name in POLLS and call.limit > 0 and call.result == 0 and not call.error and call.returned >= 0 and (call.asked or call.fd >= 0):
            found.setdefault((call.pid, call.name, call.source), []).append(call)
    for calls in found.values():
        if not _gave_up(facts, calls[-1]):
            continue            # it went on: such a limit is a sleep, or a look at the clock, as runtimes make them
        first, least, most = calls[0], *(seconds(find(call.limit for call in calls)) for find in (min, max))
        times = f" {len(calls):,} times" if len(calls) > 1 else ""
        limit = f"limit of {least}" if least == most else f"limits, of {least} to {most}"
        yield Finding("poll-time-limit", f"The {first.who}'s {name(first)}{at(first.source)} ended{times} because of its own {limit}, "
                      "with nothing ready.", tuple(call.seq for call in calls[:3]), first.returned, first.who, first.source)


def _gave_up(facts: Facts, poll: Call) -> bool:
    """Did a process close or end, or wait in the same way to the end of a run that this wait has ended, after its poll had found nothing?"""
    then = next((call for call in facts.behind(poll) if call.name not in SLEEPS and not (call.name in POLLS and (call.returned < 0 or call.result == 0))), None)
    ended = any(end.pid == poll.pid and end.how.startswith(("exit ", "signal ")) for end in (*facts.run.endings, *facts.run.children))
    return then.name in ("close", "shutdown") if then is not None else ended or facts.run.stop.kind != "over"


def alarm(facts: Facts) -> "Iterator[Finding]":
    """A signal ended a call when an alarm of the same process was due."""
    for call in facts.run.calls:
        if call.error != "EINTR" or call.returned < 0:
            continue
        timer = _alarm_of(facts, call)
        if timer is not None:
            where = f" on connection {call.connection}" if call.connection else ""
            yield Finding("alarm", f"The {call.who}'s {name(call)}{where}{at(call.source)} ended with EINTR: the alarm of {seconds(timer.limit)} went off, "
                          f"which it had set with {timer.name}{at(timer.source)}.", (timer.seq, call.seq), call.returned, call.who, call.source)


def alarm_ended_nothing(facts: Facts) -> "Iterator[Finding]":
    """An alarm went off while its process waited, and the wait goes on."""
    for wait in facts.run.stop.waiting if facts.all_wait else ():
        call = next((one for one in facts.run.calls if one.returned < 0 and (one.pid, one.tid) == (wait.pid, wait.tid) and one.name in (*READS, *WRITES, *ACCEPTS)), None)
        timer = facts.timer(wait.pid, _END) if call is not None else None
        end = next((one for one in facts.run.endings if one.pid == wait.pid), None)
        if call is None or timer is None or end is None or timer.name != "alarm" or timer.limit <= 0 or not call.ns < timer.ns + timer.limit < end.ns:
            continue
        where = f" on connection {call.connection}" if call.connection else ""
        yield Finding("alarm-and-no-end", f"The alarm of {seconds(timer.limit)} that the {timer.who} had set{at(timer.source)} went off while its {name(call)}{where}{at(call.source)} waited, and it waits there still. "
                      "A signal does not end such a call if it is ignored or blocked, or if its handler was set with SA_RESTART. signal() sets that in some builds and not in others. sigaction without SA_RESTART lets the call fail with EINTR.",
                      (timer.seq, call.seq), timer.seq, timer.who, call.source, "12")


_END = 1 << 62


def _alarm_of(facts: Facts, call: Call) -> Optional[Call]:
    """Returns the call that set the timer which was due when a signal ended this call; None if there is none."""
    return alarm_due(facts, call.pid, call.returned, call.returned_ns)


def alarm_due(facts: Facts, pid: int, place: int, ns: int) -> Optional[Call]:
    """Returns the call by which a process had set the timer that was due at that place and time; None if there is none."""
    timer = facts.timer(pid, place)
    return timer if timer is not None and timer.limit > 0 and 0 <= ns - (timer.ns + timer.limit) < _SLACK else None


def interrupted(facts: Facts) -> "Iterator[Finding]":
    """A signal ended a call, no alarm was due, and the program did not make that call again."""
    for call in facts.run.calls:
        if call.error != "EINTR" or call.returned < 0 or call.name not in (*READS, *WRITES, *ACCEPTS, *POLLS, "connect") or _alarm_of(facts, call) is not None:
            continue
        if not facts.all_wait or facts.last_of[call.tid, call.name, call.fd] > call.seq:
            continue
        where = f" on connection {call.connection}" if call.connection else ""
        child = next((end for end in facts.run.children if end.who == call.who and end.seq < call.returned and call.ns - end.ns < _SLACK), None)
        words = f"A signal interrupted the {call.who}'s {name(call)}{where}{at(call.source)}, which failed with EINTR; it did not call it again."
        words += f" A child process of the {call.who} had just ended, and that sends SIGCHLD." if child is not None else ""
        again = (f"The kernel restarts no {name(call)} that a signal has ended, also not with SA_RESTART: the program must call it again." if call.name in POLLS else
                 "SA_RESTART, set with sigaction for that signal's handler, lets the kernel go on with most such calls.")
        yield Finding("interrupted", f"{words} {again}",
                      (*([child.seq] if child is not None else []), call.seq), call.returned, call.who, call.source)


# --- two kernels that wait for each other ----------------------------------------------------------------------------

def small_write_stall(facts: Facts) -> "Iterator[Finding]":
    """Nagle's algorithm holds a small segment back until the one before it is acknowledged (RFC 1122, 4.2.3.4). The other kernel
    delays that acknowledgement in the hope of an answer that carries it (4.2.3.2)."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        other = facts.sides.other(side)
        if other is None or _told_to_hold(facts, side):
            continue
        stalls = list(_stalls(facts, side, other))
        if stalls:
            before, acknowledged, held = stalls[0]
            me, they = facts.sides.name(side), facts.sides.name(other)
            writer = _writer(facts, side, held)
            source = writer.source if writer is not None else ""
            ms = round((held.ns - before.ns) / 1e6)
            times = f" That happened {len(stalls)} times in this run." if len(stalls) > 1 else ""
            yield Finding("small-write-stall", f"The {me}'s kernel held {count(held.length, 'byte')} back until the {count(before.length, 'byte')} before {'it' if held.length == 1 else 'them'} "
                          f"{'was' if before.length == 1 else 'were'} acknowledged (Nagle's algorithm), and the {they}'s kernel delayed that acknowledgement. So the two segments e{before.seq} and e{held.seq} "
                          f"lie {ms} ms apart.{times} One write for both, or TCP_NODELAY, ends that.",
                          (before.seq, acknowledged.seq, held.seq), held.seq, me, source, "19", remark=True)


def _told_to_hold(facts: Facts, side: Side) -> bool:
    """Was Nagle's algorithm switched off at this end, or was the kernel told by other means to wait for more bytes?"""
    return any(call.option in ("TCP_NODELAY", "TCP_CORK", "MSG_MORE") for call in facts.calls(side))


def _stalls(facts: Facts, side: Side, other: Side) -> "Iterator[tuple[Segment, Segment, Segment]]":
    """Yields a small segment, the late acknowledgement of it, and the small segment that had waited for that."""
    before: Optional[Segment] = None
    answer: Optional[Segment] = None
    segments = [s for s in facts.run.segments if facts.sides.of_segment(s) in (side, other)]
    for segment in segments:
        if facts.sides.of_segment(segment) == other:
            answer = segment
            continue
        if not segment.length:
            continue
        if before is not None and answer is not None and answer.seq > before.seq and not answer.length and answer.ack == before.first + before.length == segment.first:
            late = answer.ns - before.ns >= _DELAYED
            writer = _writer(facts, side, segment)
            waited = writer is not None and 0 <= writer.returned < answer.seq
            if late and waited and answer.window >= segment.length and segment.length <= _SMALL:
                yield before, answer, segment
        before = segment


def _writer(facts: Facts, side: Side, segment: Segment) -> Optional[Call]:
    """Returns the write that gave the kernel the last byte of a segment; None if it is not known."""
    total = 0
    for call in facts.writes(side):
        total += max(call.result, 0)
        if total >= segment.first + segment.length - 1:
            return call
    return None


FINDINGS = (socket_limit, other_limit, poll_limit, alarm, alarm_ended_nothing, interrupted, small_write_stall)
