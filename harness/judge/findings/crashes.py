"""Findings about how programs ended: by a signal, by a sanitizer, or by themselves and with an error."""
from __future__ import annotations

import errno
import os
from typing import Iterator, Optional

from ...observe import sanitizer
from ...trace import Call, Ending, plain
from ..sides import READS
from .acts import ACCEPTS, at, gone_before, name, returned, shut_down_before
from .connecting import DATAGRAM, unconnected
from .facts import Facts, Finding
from .timing import alarm_due, does_not_wait, seconds

MEANS = {"SEGV": "it used memory that is not its own", "BUS": "it used memory that is not there", "FPE": "a division by zero, or one that overflows",
         "ILL": "it ran into what is no instruction", "ABRT": "it called abort, or a check in it did, such as an assert",
         "SYS": "it made a system call that is not allowed here", "ALRM": "an alarm went off, and it had not said what to do then"}
_IN_ITS_OWN_CODE = ("SEGV", "BUS", "FPE", "ILL")     # an instruction of the program raises these, and a thread that waits in a call runs none
_SENT_BY_OTHERS = ("KILL", "TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "STOP", "PIPE")   # PIPE: broken_pipe() below says more

_TIMEVAL = 16       # bytes of a struct timeval on a 64-bit machine


def died(facts: Facts) -> "Iterator[Finding]":
    """A program was ended by a signal that its own doing raised, or that a process of the run had sent. Says which signal, who sent it, and
    what the program did last."""
    for end in (*facts.run.endings, *facts.run.children):
        number = end.how[7:] if end.how.startswith("signal ") else ""
        if not number or number in _SENT_BY_OTHERS and end.by <= 0 or sanitizer.read(_stderr(facts, end.who)) is not None:
            continue
        mine = [call for call in facts.run.calls if call.pid == end.pid]
        alone = len({call.tid for call in mine}) == 1       # else it may have been another thread that waited there
        within = next((call for call in mine if call.returned < 0), None) if alone and (number not in _IN_ITS_OWN_CODE or 0 < end.by != end.pid) else None
        last = within or _last_call(facts, end)
        words = f"{_process(end)} died of SIG{number}{_why(facts, end, number)}."
        if within is not None:
            words += f" It was in {name(within)}{f' on connection {within.connection}' if within.connection else ''}{at(within.source)}."
        elif last is not None:
            words += f" The last call that was seen of it is {name(last)}{at(last.source)}, which {returned(last)}."
        timer = facts.timer(end.pid, end.seq) if number == "ALRM" else None
        words += f" It had set an alarm of {seconds(timer.limit)} with {timer.name}{at(timer.source)}." if timer is not None and timer.limit > 0 else ""
        said = _last_output(facts, end)
        words += f' The last line that it printed is "{plain(said[0])}".' if said else ""
        yield Finding("died-of-signal", words, tuple(n for n in (last.seq if last else -1, said[1] if said else -1, end.seq) if n >= 0), facts.sides.departure(end), end.who,
                      last.source if last else "")


def _why(facts: Facts, end: Ending, number: str) -> str:
    """Returns what a signal means that ended a process, or who had sent it, as words that follow its name."""
    if end.by == end.pid:
        return f", which it had sent to itself{': it called abort, raise or kill, or a check in it did, such as an assert' if number == 'ABRT' else ''}"
    if end.by > 0:
        return f", which {_sender(facts, end)} had sent to it"
    if number not in MEANS:
        return ""
    return f": {MEANS[number]}" if end.by == 0 else f". Most often that means: {MEANS[number]}"


def _sender(facts: Facts, end: Ending) -> str:
    """Returns the process that sent the signal of which another one died, in words."""
    start = next((one for one in facts.run.starts if one.pid == end.by), None)
    if start is not None:
        return facts.process(start.who, start.pid)
    known = [(one.who, one.pid) for one in facts.run.children] + [(one.who, one.pid) for one in facts.run.calls] + [(one.who, one.pid) for one in facts.run.events]
    who = next((name for name, pid in known if pid == end.by), "")
    return f"a child process of {'it' if who == end.who and not end.child else f'the {who}'}" if who else "another process of the run"


def child_killed(facts: Facts) -> "Iterator[Finding]":
    """A child process of a program was ended by a signal that somebody sent to it."""
    for end in facts.run.children:
        number = end.how[7:] if end.how.startswith("signal ") else ""
        if number in _SENT_BY_OTHERS and number != "PIPE" and end.by <= 0:
            yield Finding("child-killed", f"{_process(end)} was ended by SIG{number}.", (end.seq,), end.seq, end.who)


def sanitized(facts: Facts) -> "Iterator[Finding]":
    """A sanitizer has found an error. Gives its report, with the place in the program's own file."""
    for who in dict.fromkeys(output.who for output in facts.run.outputs):
        lines = [output for output in facts.run.outputs if output.who == who and output.stream == "stderr"]
        report = sanitizer.read(output.text for output in lines)
        if report is not None:
            first = next(output for output in lines if sanitizer.begins(output.text))
            yield Finding("sanitizer", f"{plain(report.words(who))}.", (first.seq,), first.seq, who, report.place)


def broken_pipe(facts: Facts) -> "Iterator[Finding]":
    """A write went to a connection that takes nothing any more, and the signal SIGPIPE that came with it ended the program."""
    for end in (*facts.run.endings, *facts.run.children):
        if end.how != "signal PIPE" or end.by > 0:
            continue
        last = next((call for call in reversed(facts.run.calls) if call.pid == end.pid and call.error == "EPIPE"), None)
        if last is None or end.child and not last.connection:
            yield Finding("sigpipe", f"{_process(end)} died of SIGPIPE: it wrote to something that nobody can read from any more.", (end.seq,), end.seq, end.who, "",
                          "" if end.child else "9", "" if end.child else "M11", end.child)
            continue
        where = f" on connection {last.connection}" if last.connection else ""
        side = facts.sides.of(last)
        other = facts.sides.other(side) if side is not None else None
        reset = next((s for s in facts.segments(other, "R") if s.seq < last.returned), None) if other is not None else None
        why, proof = "", [last.seq, end.seq]
        if reset is not None:
            why = f" Before it the {facts.sides.name(other)}'s kernel had reset that connection (RST)."
            proof.insert(0, reset.seq)
        elif side is not None and shut_down_before(facts, side, last)[0]:
            why, places = shut_down_before(facts, side, last)
            proof[:0] = places
        elif other is not None:
            why = gone_before(facts, other, last.seq)
        else:
            why = unconnected(facts, last)
        yield Finding("sigpipe", f"{_process(end)} died of SIGPIPE: its {name(last)}{where}{at(last.source)} failed with EPIPE.{why} "
                      "SIGPIPE ends a program that neither ignores nor handles it.", tuple(proof), last.seq, end.who, last.source, "9", "M11")


def ended_early(facts: Facts) -> "Iterator[Finding]":
    """A program ended by itself with a status that means an error. Gives its last words on standard error, and the call that
    failed."""
    for end in facts.run.endings:
        if not end.how.startswith("exit ") or end.how == "exit 0" or sanitizer.read(_stderr(facts, end.who)) is not None:
            continue
        errors = [output for output in facts.run.outputs if output.who == end.who and output.stream == "stderr" and output.text.strip()]
        alone = sum(1 for other in facts.run.endings if other.who == end.who) == 1
        words = f"The {end.who} ended by itself, with {end.how}."
        failed = _last_call(facts, end)
        if failed is not None and failed.error and failed.name not in ("wait4", "waitid") and failed.error not in ("EAGAIN", "EINTR", "EINPROGRESS"):
            option = f" of {failed.option}" if failed.name == "setsockopt" and failed.option.isidentifier() else ""
            words += f" The last call that was seen of it is {name(failed)}{option}{at(failed.source)}, which {returned(failed)}.{_why_failed(failed)}"
        elif failed is not None and failed.option == "SIGCHLD ignored":
            words += f" Its wait for a child process{at(failed.source)} failed with ECHILD, because it ignores SIGCHLD: then a child process that ends leaves nothing to wait for."
        elif failed is not None and len({call.tid for call in facts.run.calls if call.pid == end.pid}) == 1 and _not_yet(facts, failed):
            words += f" The last call that was seen of it is {name(failed)}{at(failed.source)}, which {returned(failed)}: {_not_yet(facts, failed)}"
        else:
            failed = _main_threads_last(facts, end, errors[-1].text if errors and alone else "")
            words += f" The last call that was seen of its main thread is {name(failed)}{at(failed.source)}, which {returned(failed)}: {_not_yet(facts, failed)}" if failed else ""
        words += _in_an_alarm(facts, end)
        words += _no_error(facts, end, errors[-1].text if errors and alone else "")
        said = errors[-1] if errors and alone else None
        words += f' Its last words on standard error are "{plain(said.text.strip())}".' if said else ""
        yield Finding("ended-early", words, tuple(n for n in (failed.seq if failed else -1, said.seq if said else -1, end.seq) if n >= 0), facts.sides.departure(end), end.who,
                      failed.source if failed else "")


def _why_failed(call: Call) -> str:
    """Returns what was wrong with a setsockopt of a time limit that failed; "" if another reason is possible."""
    if call.option in ("SO_RCVTIMEO", "SO_SNDTIMEO") and call.error == "EDOM":
        return " EDOM: the microseconds (tv_usec) must be fewer than 1,000,000, which are a second."
    if call.option in ("SO_RCVTIMEO", "SO_SNDTIMEO") and call.error == "EINVAL" and call.asked < _TIMEVAL:
        return f" EINVAL: {call.option} wants a struct timeval, which has {_TIMEVAL} bytes, and the call names a length of {call.asked}."
    return ""


def _in_an_alarm(facts: Facts, end: Ending) -> str:
    """Returns a sentence if a process ended while it was in a call, and an alarm of it was due then; else ""."""
    within = [call for call in facts.run.calls if call.pid == end.pid and call.returned < 0 and call.seq < end.seq]
    timer = alarm_due(facts, end.pid, end.seq, end.ns)
    if len(within) != 1 or timer is None:
        return ""
    return (f" It was in {name(within[0])}{f' on connection {within[0].connection}' if within[0].connection else ''}{at(within[0].source)}, and the alarm of {seconds(timer.limit)} was due "
            f"that it had set with {timer.name}{at(timer.source)}.")


def _no_error(facts: Facts, end: Ending, said: str) -> str:
    """Returns a sentence if a program that ended had printed "Success" as its error, and its last call had not failed; else ""."""
    mine = [call for call in facts.run.calls if call.pid == end.pid and call.name not in ("close", "close_range")]
    if not said.rstrip().endswith(": Success") or len({call.tid for call in mine}) != 1 or mine[-1].returned < 0 or mine[-1].error:
        return ""
    return f" The last call that was seen of it is {name(mine[-1])}{at(mine[-1].source)}, which had not failed: it {returned(mine[-1])}."


def _main_threads_last(facts: Facts, end: Ending, said: str) -> Optional[Call]:
    """Returns the last call of the main thread of a program with several threads, if it failed because nothing had come yet, and the program's
    last words name that error; else None."""
    mine = [call for call in facts.run.calls if call.pid == end.pid == call.tid and call.name not in ("close", "close_range")]
    last = mine[-1] if mine else None
    words = os.strerror(getattr(errno, last.error, 0)) if last is not None and last.error else ""
    return last if last is not None and last.returned >= 0 and words and (last.error in said or words in said) and _not_yet(facts, last) else None


def _not_yet(facts: Facts, call: Call) -> str:
    """Returns what it means that a call has failed on a socket that does not block; "" if another reason is possible."""
    if call.name == "connect" and call.error == "EINPROGRESS":
        return "the socket does not block, and the connection was still being made. poll with POLLOUT tells when that is done."
    if call.name in ACCEPTS and does_not_wait(facts, call):
        return "no connection waited to be accepted, and the listener does not block."
    return "nothing had come yet, and the call did not wait." if call.name in READS and call.connection and does_not_wait(facts, call) else ""


def _process(end: Ending) -> str:
    return f"A child process of the {end.who}" if end.child else f"The {end.who}"


def _stderr(facts: Facts, who: str) -> "list[str]":
    return [output.text for output in facts.run.outputs if output.who == who and output.stream == "stderr"]


def _last_call(facts: Facts, end: Ending) -> Optional[Call]:
    """Returns the last call of a process that had returned when it ended. A close is left out, because it explains nothing."""
    mine = [call for call in facts.run.calls if call.pid == end.pid and call.returned >= 0 and call.name not in ("close", "close_range") and not _of_a_library(facts, call)]
    return max(mine, key=lambda call: call.returned) if mine else None


def _of_a_library(facts: Facts, call: Call) -> bool:
    """Is it a call on a socket of UDP at no known place of the program? The C library asks a name server so."""
    made = [call] if call.name == "socket" else facts.life(call).calls[:1]
    return not call.source and any(one.name == "socket" and one.asked == DATAGRAM and not one.source for one in made)


def _last_output(facts: Facts, end: Ending) -> "Optional[tuple[str, int]]":
    """Returns the last line that a program printed, and its place. Returns None if there is none, or if several processes may
    have printed it."""
    if end.child or sum(1 for other in facts.run.endings if other.who == end.who) != 1:
        return None
    lines = [output for output in facts.run.outputs if output.who == end.who and output.text.strip()]
    return (lines[-1].text.strip(), lines[-1].seq) if lines else None


FINDINGS = (died, child_killed, sanitized, broken_pipe, ended_early)
