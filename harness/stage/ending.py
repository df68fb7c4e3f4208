"""How a run ends: why it is over, what each program was doing then, and the Run that is made of it."""
from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Optional

from ..observe import kernel, quiescence, sanitizer
from ..trace import Ending, Run, Socket, Stop, Waiting
from .keeper import PROCESSES
from .limits import AGAIN, OUTPUT, PATIENCE, SEGMENTS
from .starts import Process

if TYPE_CHECKING:
    from .conductor import Conductor

_POLLS = ("poll", "select", "epoll_wait")
_PARENTS = ("futex", "wait4", "vfork", "pause", "rt_sigsuspend", "rt_sigtimedwait")     # calls that wait for a program's own threads or children, or signals


def _records(conductor: "Conductor") -> quiescence.Records:
    intake = conductor.intake
    return quiescence.Records(intake.members.who, intake.number, lambda tid: intake.sources.get(tid, ""), conductor.stage.names)


def sockets(conductor: "Conductor", seen: quiescence.Look) -> "tuple[Socket, ...]":
    """Returns the sockets of a look as records, each with its place."""
    return tuple(replace(one, seq=conductor.book.place()) for one in _records(conductor).sockets(seen, conductor.intake.now()))


def waiting(conductor: "Conductor", seen: quiescence.Look) -> "tuple[Waiting, ...]":
    """Returns the threads of a look that wait for somebody."""
    return _records(conductor).waiting(seen)


def why(conductor: "Conductor", seen: quiescence.Look) -> Stop:
    """Returns why a run is over in which nothing can happen any more. The look `seen` proves that."""
    records = _records(conductor)
    waiting, cycle = records.waiting(seen), records.cycle(seen)
    stop = Stop("waiting", waiting=waiting, sockets=sockets(conductor, seen))
    ended = conductor._clients_ended()
    if seen.unasked and (cycle or not ended):
        return replace(stop, kind="no progress", cycle=cycle,
                       words="all wait, and nothing is on its way; but this system does not let a socket be asked for "
                             "a time limit (SO_RCVTIMEO) that may end a wait, so no deadlock is proven")
    if cycle:
        blind = "" if all_observed(conductor) else "a timer that a program has set (alarm, setitimer) would not be seen here"
        return replace(stop, kind="deadlock", cycle=cycle, words=blind)
    if ended and _serves_on(seen):
        return replace(stop, kind="over")
    return replace(stop, words=_for_their_own(conductor, seen))


def all_observed(conductor: "Conductor") -> bool:
    return conductor.observe and not conductor._unobserved and not conductor.intake.unseen


def _for_their_own(conductor: "Conductor", seen: quiescence.Look) -> str:
    """Returns in words which programs wait for something of their own program, and so not for the other end of a connection; ""
    if none does."""
    found = []
    for thread in seen.threads:
        on = [seen.names.get(thread.pid, {}).get(fd, "") for fd in seen.targets.get(thread.tid, ())]
        what = {"futex": "another thread of its own (a lock, a condition, or a thread's end)", "wait4": "a child process of its own", "vfork": "a child process of its own, until that ends or runs another program",
                "pause": "a signal", "rt_sigsuspend": "a signal", "rt_sigtimedwait": "a signal"}.get(thread.call, "")
        if not what and on and all(name.startswith("pipe:") for name in on):
            what = "a pipe, to which nobody writes" if thread.call != "write" else "a pipe, from which nobody reads"
        if what:
            found.append(f"the {conductor.intake.members.who(thread.pid)} waits for {what}, in {thread.call}")
    return "nothing can happen any more: " + "; ".join(dict.fromkeys(found)) if found else ""


def most(conductor: "Conductor") -> float:
    """Returns for how many seconds a run waits at most for a wait to end by itself."""
    return max(PATIENCE, conductor.stage.limit)


def too_long(conductor: "Conductor", seen: quiescence.Look) -> "Optional[Stop]":
    """Returns the end of a run in which all threads wait, if the first wait that ends by itself lasts longer than the run waits
    for it."""
    if seen.soonest <= most(conductor):
        return None
    words = f"all wait, and nothing is on its way; but {seen.busy}. The run does not wait longer than {most(conductor):.0f} s for such an end"
    return Stop("waiting", words, waiting=_records(conductor).waiting(seen), sockets=sockets(conductor, seen))


def waits_on(conductor: "Conductor", seen: quiescence.Look) -> "Optional[Stop]":
    """Returns the end of a run in which all threads wait, if each wait with a time limit has ended by it again and again, and
    nothing came of it. If clients still run, that must have gone on for as long as a run may have no progress. Else returns None.
    Waits that are longer than the run waits do not count."""
    timed = [thread for thread in seen.threads if not kernel.waits_for_ever(thread) and (kernel.limit(thread) or 0.0) <= most(conductor)]
    if not timed or any(conductor.intake.fruitless.get(thread.tid, 0) < AGAIN for thread in timed):
        return None
    ended = conductor._clients_ended()
    early = ended and all(program.as_written for program in conductor.stage.programs)
    if not early and time.monotonic() - conductor.watch.since < conductor.watch.most:
        return None
    found = [f"the {conductor.intake.members.who(thread.pid)} in {thread.call}" for thread in timed]
    words = f"all wait, some with a time limit, again and again, and nothing comes of it: {', '.join(dict.fromkeys(found))}"
    return Stop("over" if ended else "waiting", "" if ended else words, waiting=_records(conductor).waiting(seen), sockets=sockets(conductor, seen))


def _serves_on(seen: quiescence.Look) -> bool:
    """Is each thread that is left ready for the next client: in accept, in a poll of listeners only, or waiting for such a thread
    or child?"""
    def ready(thread: kernel.Thread) -> bool:
        if thread.call == "accept":
            return True
        socks = [seen.network.held[thread.pid, fd] for fd in seen.targets.get(thread.tid, ()) if (thread.pid, fd) in seen.network.held]
        return thread.call in _POLLS and bool(socks) and all(sock.state == "LISTEN" for sock in socks)
    serving = {thread.pid for thread in seen.threads if ready(thread)}
    families = serving | {parent for pid in serving for parent in quiescence.parents(pid)}
    return all(ready(thread) or thread.call in _PARENTS and thread.pid in families for thread in seen.threads)


def run(conductor: "Conductor") -> Run:
    """Returns the run's records, when all programs have been stopped. A program that had not ended gets an ending that says what
    it was doing."""
    intake, book, stage = conductor.intake, conductor.book, conductor.stage
    stop = conductor.stop
    assert stop is not None
    if stop.kind in ("interrupted", "runaway", "no progress"):
        pending = {call.tid for call in book.calls if call.returned < 0}
        seen = quiescence.frozen(conductor._pids()[:PROCESSES], conductor.last, conductor.network, pending if conductor.observe else None)
        stop = replace(stop, waiting=_records(conductor).waiting(seen), sockets=sockets(conductor, seen), under_way=seen.under_way)
    if intake.crash:
        report = sanitizer.read(output.text for output in book.outputs if output.who == intake.reported and output.stream == "stderr")
        stop = replace(stop, kind="crash", besides=stop.kind, words=report.words(intake.reported) if report is not None else intake.crash)
    for process in conductor.starts.started.values():
        if not process.ended:
            doing = _what_it_does(process, stop) if conductor.told else "not known"
            book.endings.append(Ending(book.place(), intake.now(), process.who, process.pid, doing, intake.last(process.pid)))
    stop = replace(stop, waiting=tuple(one for one in stop.waiting if one.call))     # a thread that ran waits for nothing
    for program in conductor.starts.left():
        conductor.notes.append(f"the {program.name} was not started: what its start waits for never came{f' ({stage.path})' if stage.path else ''}")
    reasons: "dict[str, list[str]]" = {}
    for name, reason in conductor._unobserved.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        whose = "" if set(names) == set(stage.names) else f" of the {' and the '.join(names)}"
        conductor.notes.append(f"system calls{whose} are not looked at: {reason}")
    conductor.notes.extend(f"not seen: {words}" for words in intake.unseen)
    if intake.ignored:
        n = intake.ignored
        conductor.notes.append(f"ignored: {n} datagram{'s' if n > 1 else ''} to the lab's own socket, which {'were' if n > 1 else 'was'} no "
                               "log line of a program of this run")
    conductor.notes.extend(f"what the {who} printed after the first {OUTPUT >> 20} MiB of output is not kept" for who in sorted(intake.cut))
    missing = intake.wire.missing if intake.wire is not None else 0
    if missing:
        conductor.notes.append(f"{missing} frames of the wire are missing: the capture lost them")
    if intake.left_out:
        conductor.notes.append(f"{intake.left_out} segments are left out of the records: there were more than {SEGMENTS}")
    missing += intake.left_out
    name = conductor.scenario.name
    return Run(name.split("-")[0], name, conductor.policy.name, conductor.keeper.isolated, intake.wire is not None, tuple(book.events),
               tuple(book.outputs), tuple(intake.segments()), tuple(replace(end, by=intake.by.get(end.pid, -1)) for end in book.endings), stop, sockets=tuple(book.samples), starts=tuple(book.starts), execs=tuple(book.execs), children=tuple(book.children), calls=tuple(book.calls),
               observed=all_observed(conductor), connections=intake.connections(), listeners=intake.registry.listeners(),
               cast=stage.roles(conductor.keeper.isolated), missing=missing, notes=tuple(conductor.notes), versions=_versions(),
               began=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - intake.now() / 1e9)))


def _what_it_does(process: Process, stop: Stop) -> str:
    """Returns what a process was doing when the run was over. A thread that handles a connection goes before the thread that
    accepts."""
    calls = [w.call for w in stop.waiting if w.pid == process.pid] or [w.call for w in stop.waiting if w.who == process.who]
    calls.sort(key=lambda call: (call in _PARENTS, call == "accept"))
    return f"waiting in {calls[0]}" if calls and calls[0] else "still running"


def _versions() -> "dict[str, str]":
    return {"system": " ".join((os.uname().sysname, os.uname().release, os.uname().machine))}
