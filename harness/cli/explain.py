"""explain: runs any programs, in any language. Shows what they did, as their system calls tell it, and why it went so."""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

from .. import trace
from ..explore.schedules import explore, parse
from ..judge.findings import find
from ..stage import brought
from ..stage.conductor import Conductor
from ..stage.keeper import CantStart
from ..tell import brought as page
from ..tell import player
from ..tell.phrases import sentence, titled, with_source
from ..tell.player import Played
from . import play, recorded, shared, step
from .outcome import Outcome, Usage

LIMIT = 200         # schedules that --explore runs at most, if --limit does not say another number
_TEXT = """Runs programs of your own in a network of their own, and tells what they did and why: any binaries or scripts, in any language, each
with its own arguments and port. They listen and connect on localhost, 127.0.0.1 or [::1]. A C file in place of a program is built first.
Servers start first; clients start when the servers listen. Each has a terminal of its own, at which nobody types."""
_EPILOG = """\
examples:
  python3 -m harness explain --server './srv 9000' \\
      --client './cli localhost 9000'
  python3 -m harness explain --server 'srv.c 9000' --client 'python3 cli.py' \\
      --client 'nc localhost 9000' --stdin client-2=names.txt

exit status:
  0    told, idle
  1    deadlock, crash, runaway, no progress
  2    can't be started, does not build, wrong usage
  130  Ctrl-C
"""


def add(commands: Any) -> None:
    command = commands.add_parser("explain", help="programs of your own: what they did, and why", description=_TEXT, epilog=_EPILOG,
                                  formatter_class=shared.Help)
    command.add_argument("--server", action="append", default=[], metavar="COMMAND", help="a program that listens, with its arguments; may be given again")
    command.add_argument("--client", action="append", default=[], metavar="COMMAND", help="a program that connects; may be given again: client-2")
    command.add_argument("--stdin", action="append", default=[], metavar="NAME=FILE", help="what a program reads: --stdin client=FILE")
    command.add_argument("--tty", default="", metavar="NAME", help="this program gets your terminal; the others are told of afterwards")
    command.add_argument("--step", action="store_true", help="one call at a time: you say who goes on")
    command.add_argument("--play", metavar="FILE", help="write the run as a page on which one goes back and forth")
    command.add_argument("--explore", action="store_true", help="every schedule with one delay at a call: which outcomes are there?")
    command.add_argument("--limit", type=int, default=LIMIT, metavar="N", help="--explore runs at most N schedules (default %(default)s)")
    command.add_argument("--until-idle", action="store_true", help="the run ends when all wait and nothing is on its way (so without --tty)")
    shared.add_records(command)
    command.set_defaults(go=go, scenario="explain")


def go(args: argparse.Namespace) -> int:
    if not args.server and not args.client:
        raise Usage("no program to run; write: --server './srv 9000' --client './cli localhost 9000'")
    if args.trace:
        shared.may_write(Path(args.trace), 1)
    if args.play:
        recorded.may_write(Path(args.play), "page", play.MAGIC)
    inputs = [brought.option(text) for text in args.stdin]
    if None in inputs:
        raise Usage(f"--stdin {args.stdin[inputs.index(None)]}: write NAME=FILE, as in --stdin client=names.txt")
    with tempfile.TemporaryDirectory(prefix="tcplab-") as folder:
        try:
            interrupt = shared.Interrupt()
            texts = _texts(args) if args.play else {}      # read before they are built and run
            cast = brought.cast(args.server, args.client, Path(folder), stdin=dict(one for one in inputs if one), tty=args.tty)
            if args.step:
                return _step(cast, interrupt)
            if args.explore:
                return _explore(cast, args, interrupt)
            with shared.Lab() as lab:
                return _run(cast, args, texts, lab, interrupt)
        except (brought.BadCommand, CantStart) as error:
            raise Usage(str(error)) from None


def _run(cast: brought.Brought, args: argparse.Namespace, texts: "dict[str, str]", lab: shared.Lab, interrupt: shared.Interrupt) -> int:
    policy = shared.policy(cast, real_time=True)
    shown = page.Page(sys.stderr if args.json else sys.stdout, policy.name == "live", cast.stage.roles(), late=bool(args.tty))
    shown.head()
    conductor = Conductor(cast, policy, keeper=lab.keeper, observe=shared.observe(), tell=shown.tell, tick=lambda: interrupt.came)
    conductor.waits_for_keys &= not args.until_idle
    try:
        run = conductor.run()
    finally:
        shown.end()
    run = dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))
    found = find(run)
    word, status, why = page.verdict(run)
    print("\n".join(page.ending(run, found, width=shown.width, fold=shown.terminal, colour=shown.colour)), file=shown.stream)
    outcome = Outcome(cast.name, word, status, why, findings=found, notes=run.notes, reproduce=_command(args))
    if args.trace:
        Path(args.trace).write_text("\n".join(trace.lines(run, outcome.reproduce, json.loads(outcome.json()))) + "\n", encoding="ascii")
    if args.play:
        sources = {name: player.Source(text, "run" if texts.get(name) == text else "") for name, text in _texts(args).items()}
        commands = zip(cast.stage.names, (*args.server, *args.client))
        main = {name: Path(files[0]).name for name, command in commands for files in [_files(command)] if files}
        played = Played(run, f"{word}: {why}", (*(with_source(one.words, one.source) for one in found), *map(sentence, page.waits(run))), outcome.reproduce, found, sources, main)
        play.show(Path(args.play), player.page(f"tcplab: {titled(run.name)}", [played]), stream=shown.stream)
    if args.json:
        print(outcome.json(), flush=True)
    return status


def _files(command: str) -> "list[str]":
    """Returns the source files that a command names."""
    return [word for word in shlex.split(command) if word.endswith((".c", ".py", ".go")) and Path(word).is_file()]


def _texts(args: argparse.Namespace) -> "dict[str, str]":
    files = [Path(word) for command in (*args.server, *args.client) for word in _files(command)]
    return {one.name: one.read_text(encoding="utf-8", errors="replace") for one in files}


def _step(cast: brought.Brought, interrupt: shared.Interrupt) -> int:
    """Lets the learner step from call to call. Each thread is held at each of its calls, before it is made and when it has
    returned."""
    step.need_terminal(sys.stdin)
    waker = interrupt.at_once()
    schedule = parse(os.environ.get("SCHEDULE", ""), cast.stage.names)
    while True:
        shown = page.Page(sys.stdout, False, cast.stage.roles())
        policy = step.Step(schedule, shared.no_pause(), waker)
        print(step.CALLS)
        shown.head()
        conductor = Conductor(cast, policy, isolate=shared.isolate(), tell=shown.tell, tick=lambda: bool(policy.wish))
        policy.conductor = conductor
        run = conductor.run()
        run = dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))
        shown.end()
        if policy.wish == "end":
            return shared.complain("\nthe input has ended; --step needs keys", 2)
        if policy.wish != "r":
            if policy.wish != "q":
                print("\n".join(page.ending(run, find(run), width=shown.width, fold=shown.terminal, colour=shown.colour)))
            return 0


def _explore(cast: brought.Brought, args: argparse.Namespace, interrupt: shared.Interrupt) -> int:
    drawn = sys.stderr.isatty()

    def progress(done: int, planned: int) -> None:
        if drawn:
            print(f"\r{done} of {planned} schedules", end="", file=sys.stderr, flush=True)
    try:
        found = explore(cast, limit=args.limit, skip=shared.no_pause(), isolate=shared.isolate(), observe=shared.observe(), progress=progress,
                        stop=lambda: interrupt.came)
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print("\n".join(page.outcomes(found, f"{_command(args)} --step")))
    return found.status


def _command(args: argparse.Namespace) -> str:
    """Returns the command that makes such a run again."""
    options = [("server", one) for one in args.server] + [("client", one) for one in args.client] + [("stdin", one) for one in args.stdin]
    return " ".join(["python3 -m harness explain", *(f"--{name} {shlex.quote(text)}" for name, text in options)])
