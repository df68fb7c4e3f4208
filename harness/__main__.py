"""The command line: python3 -m harness run|check|step|explore|list.

Exit statuses of check: 0 as expected; 1 the run left the contract; 2 it does not build, or wrong usage; 3 the lab itself
failed. Of several scenarios, the highest. run shows, and ends with 0 whatever the programs did (2, 3 as above).
130: ended by Ctrl-C.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any, Optional

from . import contract as contracts
from . import explore, explored, judge, screen, step, trace, words
from .build import DoesNotBuild, build
from .conductor import Conductor, Live, Policy, VirtualClock
from .keeper import KeeperError
from .scenarios import Scenario, UnknownScenario, find, find_all

_EPILOG = """\
exit status of check:  0 as expected   1 differs, deadlock, crash, runaway, no progress
                       2 does not build, wrong usage   3 the lab itself failed   130 Ctrl-C

environment:
  PAUSE=0                 run: pauses take no time (the virtual clock), as in check
  SCHEDULE='...'          hold programs at the named places, as explore prints it
  NOPAUSE=1               pauses are nothing at all: shows what they hide
  TCPLAB_ISOLATION=none   no private network: a free port of this machine, no look at the wire
  NO_COLOR=1              no colours
  BUILD=DIR SCENARIOS=DIR SANITIZE=1   as in make: other folders, other programs
"""


class Usage(Exception):
    """Something the caller can mend: what is wrong, and what to do."""


class _Interrupt:
    """Ctrl-C, SIGTERM and SIGHUP end a run at its next step, so that it can clean up."""

    def __init__(self) -> None:
        self.came = self._at_once = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.came = True
        if self._at_once:
            raise KeyboardInterrupt

    def at_once(self) -> int:
        """From now on by KeyboardInterrupt, for somebody who waits for a key. Returns a descriptor that is readable once a
        signal came: wait for it, too. Python only notes a signal, and a read(2) that begins a moment later goes on waiting."""
        self._at_once = True
        waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        return waker


def _arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m harness", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Runs a scenario's client and server, watches them and the kernel, says what happened.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text, count in (("run", "show one run as it happens", None), ("check", "the verdict alone; all scenarios if none is named", "*")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("scenario", nargs=count, metavar="N", help="a scenario: 4, 04, half-close")  # type: ignore[arg-type]
        command.add_argument("--trace", metavar="FILE", help="write the run as JSON Lines (harness/TRACE.md)")
        command.add_argument("--json", action="store_true", help="the verdict as one JSON object a scenario, nothing else on standard output")
    command = commands.add_parser("step", help="one line at a time", description="one line at a time: the learner says who goes on")
    command.add_argument("scenario", metavar="N")
    command = commands.add_parser("explore", help="every schedule with one delay, or two", description=explore.__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("scenario", nargs="*", metavar="N", help="a scenario; all if none is named")
    command.add_argument("--delays", type=int, choices=(1, 2), default=1, help="how many programs are delayed at once")
    command.add_argument("--limit", type=int, default=explore.LIMIT, metavar="N", help="run at most N schedules (default %(default)s)")
    command.add_argument("--always", action="store_true", help="also list the orders that no schedule turned round")
    commands.add_parser("list", help="the scenarios", description="the scenarios")
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    """Runs one command; returns its exit status."""
    args = _arguments(argv)
    try:
        if args.command == "list":
            print("\n".join(f"{s.number:>2}  {s.name}" for s in find_all()))
            return 0
        wanted = [find(args.scenario)] if args.command in ("run", "step") else [find(n) for n in args.scenario] or find_all()
        if getattr(args, "trace", None):
            _may_write(Path(args.trace), len(wanted))
        warnings = build(wanted)
        if warnings:
            print(warnings, file=sys.stderr)
        interrupt = _Interrupt()
        if args.command == "step":
            return _step(wanted[0], interrupt)
        if args.command == "explore":
            return max((_explore(scenario, args, interrupt) for scenario in wanted), default=0)
        if args.command == "run":
            return _show(wanted[0], args, interrupt)
        return max((_check(scenario, args, interrupt, len(wanted) > 1) for scenario in wanted), default=0)
    except (UnknownScenario, Usage, explore.BadSchedule, step.NoTerminal) as error:
        return _complain(str(error), 2)
    except DoesNotBuild as error:
        return _complain(f"{error}\ndoes not build", 2)
    except BrokenPipeError:
        raise
    except (contracts.ContractError, KeeperError, OSError) as error:
        return _complain(f"lab error: {error}", 3)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # whatever it is, it is the lab's fault and not the learner's
        if os.environ.get("TCPLAB_DEBUG"):
            raise
        return _complain(f"lab error: {type(error).__name__}: {error} (TCPLAB_DEBUG=1 shows where)", 3)


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr)
    return status


def _may_write(path: Path, runs: int) -> None:
    if runs != 1:
        raise Usage("--trace takes one scenario: name it")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise Usage(f"{path}: can't write a trace there; name a file in a folder that exists")
    if path.is_file() and path.stat().st_size > 0:
        with path.open(encoding="utf-8", errors="replace") as file:
            if not trace.is_trace(file.readline()):
                raise Usage(f"{path}: exists and is no trace; it stays as it is. Name another file, or remove it")


def _no_pause() -> bool:
    return os.environ.get("NOPAUSE", "0") not in ("", "0")


def _isolate() -> bool:
    return os.environ.get("TCPLAB_ISOLATION") != "none"


def _policy(real_time: bool) -> Policy:
    skip = _no_pause()
    if os.environ.get("SCHEDULE"):
        return explore.Delays(explore.parse(os.environ["SCHEDULE"]), skip)
    if real_time and not skip and os.environ.get("PAUSE", "1") != "0":
        return Live()
    return VirtualClock(skip)


def _run(scenario: Scenario, args: argparse.Namespace, policy: Policy, **watch: Any) -> tuple[trace.Run, judge.Verdict, contracts.Contract, str]:
    contract = contracts.load(scenario.contract)
    run = Conductor(scenario, policy, isolate=_isolate(), **watch).run()
    verdict = judge.judge(run, contract)
    reproduce = " ".join([*(f"{name}={shlex.quote(os.environ[name])}" for name in ("SCHEDULE", "NOPAUSE", "TCPLAB_ISOLATION", "BUILD", "SCENARIOS", "SANITIZE")
                            if os.environ.get(name)), f"make check-{scenario.number}"])
    text = "\n".join(trace.lines(run, reproduce, dataclasses.asdict(verdict))) + "\n"
    last = scenario.build.parent / "last"
    last.mkdir(parents=True, exist_ok=True)
    for path in [last / f"{scenario.name}.jsonl", *([Path(args.trace)] if args.trace else [])]:
        path.write_text(text, encoding="utf-8")
    return run, verdict, contract, reproduce


def _step(scenario: Scenario, interrupt: _Interrupt) -> int:
    step.need_terminal(sys.stdin)
    waker = interrupt.at_once()
    schedule = explore.parse(os.environ.get("SCHEDULE", ""))
    while True:
        shown = screen.Screen(sys.stdout, real_time=False)
        policy = step.Step(schedule, _no_pause(), waker)
        print(f"scenario {scenario.name}, one line at a time. A line is said before what it says is done: who goes on does it.")
        shown.head()
        conductor = Conductor(scenario, policy, isolate=_isolate(), tell=shown.tell, tick=lambda: bool(policy.wish))
        policy.conductor = conductor
        run = conductor.run()
        if policy.wish == "end":
            return _complain("\nthe input has ended; make step-N needs keys", 2)
        if policy.wish == "q":
            return 0
        if policy.wish != "r":
            print("\n".join([*(f"note: {note}" for note in run.notes), "", *map(shown.wrap, words.happened(run))]))
            return 0


def _explore(scenario: Scenario, args: argparse.Namespace, interrupt: _Interrupt) -> int:
    drawn = sys.stderr.isatty()

    def progress(done: int, planned: int) -> None:
        if drawn:
            print(f"\r{done} of {planned} schedules", end="", file=sys.stderr, flush=True)
    try:
        found = explore.explore(scenario, delays=args.delays, limit=args.limit, skip=_no_pause(), isolate=_isolate(),
                                progress=progress, stop=lambda: interrupt.came)
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print("\n".join(explored.report(found, scenario, args.always)))
    return found.status


def _json(scenario: Scenario, verdict: judge.Verdict) -> str:
    return json.dumps({"scenario": scenario.name, **dataclasses.asdict(verdict)}, ensure_ascii=False)


def _show(scenario: Scenario, args: argparse.Namespace, interrupt: _Interrupt) -> int:
    policy = _policy(real_time=True)
    shown = screen.Screen(sys.stderr if args.json else sys.stdout, policy.name == "live")
    print(f"scenario {scenario.name}   lesson: lessons/{scenario.name}.md", file=shown.stream)
    shown.head()

    def tick() -> bool:
        shown.tick()
        return interrupt.came
    try:
        run, verdict, contract, reproduce = _run(scenario, args, policy, tell=shown.tell, tick=tick)
    finally:
        shown.end()
    for note in run.notes:
        print(f"note: {note}", file=shown.stream)
    print("\n".join(["", *map(shown.wrap, words.happened(run, verdict)), ""]), file=shown.stream)
    if interrupt.came:
        return 130
    print(words.tell(verdict, run, contract, reproduce=reproduce, width=shown.width, colour=shown.colour, fold=shown.terminal), file=shown.stream)
    if args.json:
        print(_json(scenario, verdict))
    return 0


def _check(scenario: Scenario, args: argparse.Namespace, interrupt: _Interrupt, several: bool) -> int:
    if interrupt.came:
        return 130
    run, verdict, contract, reproduce = _run(scenario, args, _policy(real_time=False), tick=lambda: interrupt.came)
    if interrupt.came:
        return 130
    if args.json:
        print(_json(scenario, verdict), flush=True)
        return verdict.status
    lead = f"{scenario.name}: " if several or verdict.status == 0 else ""
    print(words.tell(verdict, run, contract, reproduce=reproduce, width=screen.width_of(sys.stdout),
                     colour=screen.wants_colour(sys.stdout), fold=sys.stdout.isatty(), lead=lead), flush=True)
    for note in run.notes if verdict.status or not several else ():
        print(f"note: {note}", flush=True)
    return verdict.status


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:     # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)
