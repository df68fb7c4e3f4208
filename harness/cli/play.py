"""play: one run of a scenario as a page on which one goes back and forth; the page's path is printed."""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional, TextIO

from .. import trace
from ..explore import schedules
from ..explore.decided import decided
from ..judge import findings
from ..stage.scenarios import ROOT, Scenario
from ..tell import explored, story
from ..tell.player import Played, page
from . import shared
from .outcome import Outcome, Usage, attempt, failed


def add(commands: Any) -> None:
    text = "a run as an HTML page: every moment, forth and back"
    command = commands.add_parser("play", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.add_argument("-o", "--output", metavar="FILE", help="write the page there (default: BUILD/play/NN-name.html)")
    command.add_argument("--where", action="store_true", help="explore it first: one run of each outcome, and where each was decided")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    scenarios, unknown = shared.wanted([args.scenario])
    if unknown:
        return unknown[0].complain()
    scenario, = scenarios
    file = Path(args.output) if args.output else scenario.build.parent / "play" / f"{scenario.name}.html"
    may_write(file, bool(args.output))
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each([scenario], interrupt)
        outcome = broken.get(scenario.name) or attempt(scenario.name, lambda: (_outcomes if args.where else _play)(scenario, file, lab, interrupt))
    outcome.complain()
    return 0 if outcome.verdict is not None or outcome.word == "explored" else outcome.status


def may_write(file: Path, named: bool) -> None:
    """Raises Usage where a page would take the place of a file that is none. `named`: by the user."""
    if file.is_dir() or named and not file.absolute().parent.is_dir():
        raise Usage(f"{file}: can't write a page there; name a file in a folder that exists")
    if named and file.is_file() and file.stat().st_size and not file.read_bytes().startswith(b"<!DOCTYPE html>"):
        raise Usage(f"{file}: exists and is no page; it stays as it is. Name another file, or remove it")


def _play(scenario: Scenario, file: Path, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    arguments = argparse.Namespace(trace=None)
    judged = shared.one_run(scenario, arguments, shared.policy(scenario, real_time=False), lab, story=True, tick=lambda: interrupt.came)
    if interrupt.came:
        return failed(scenario.name, KeyboardInterrupt())
    played = Played(judged.run, judged.verdict.word, tuple(story.happened(judged.run, judged.verdict)), judged.reproduce,
                    judged.findings, sources(scenario.folder, judged.run))
    show(file, page(f"tcplab: {scenario.name}", [played]))
    return judged.outcome()


def _outcomes(scenario: Scenario, file: Path, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    """One run of each outcome that exploring finds, the undelayed one first."""
    found = schedules.explore(scenario, skip=shared.no_pause(), isolate=shared.isolate(), observe=shared.observe(), keep=True, stop=lambda: interrupt.came)
    told = explored.headings(found)
    runs = []
    for n, group in enumerate(found.groups):
        run, where = group[0].run, decided(found, n)
        assert run is not None
        runs.append(Played(run, told[n], tuple(story.happened(run, group[0].verdict)), explored.command(group[0].schedule, scenario.number, found.skip),
                           findings.find(run), sources(scenario.folder, run), tuple(told), tuple((share.seq, share.counts) for share in where.shares),
                           explored.where_decided(where), where.lines[0].seq if where.lines else 0))
    show(file, page(f"tcplab: {scenario.name}, {len(runs)} outcome{'' if len(runs) == 1 else 's'}", runs))
    return Outcome(scenario.name, "explored", found.status)


def sources(folder: Path, run: trace.Run) -> "dict[str, str]":
    """The text of each source file that the run's records name: out of the scenario's folder, or of common/."""
    named = {source.rpartition(":")[0] for source in [*(e.source for e in run.events), *(c.source for c in run.calls)] if source}
    named |= {f"{role.name}.c" for role in run.cast}
    found = {}
    for name in sorted(named):
        for place in (folder / name, *folder.glob(f"*/{name}"), ROOT / "common" / name):
            if re.fullmatch(r"[\w.-]+", name) and place.is_file():
                found[name] = place.read_text(encoding="utf-8", errors="replace")
                break
    return found


def show(file: Path, text: str, stream: Optional[TextIO] = None) -> None:
    """Writes the page; opens it where there is a desktop; says where it is."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    print(f"the run as a page: {file}", file=stream or sys.stdout)
    opener = shutil.which("xdg-open")
    if opener and sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        subprocess.Popen([opener, str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
