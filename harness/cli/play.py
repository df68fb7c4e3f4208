"""play: writes one run as a page on which a learner goes back and forth: a new run of a scenario, or one that was made before."""
from __future__ import annotations

import argparse
import dataclasses
import hashlib
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
from ..stage import sources as built_of
from ..stage.scenarios import ROOT, Scenario, UnknownScenario, find
from ..tell import explored, screen, story
from ..tell.phrases import titled
from ..tell.player import Played, Source, page
from . import recorded, shared
from .outcome import Outcome, attempt, failed

MAGIC = b"<!DOCTYPE html>"


def add(commands: Any) -> None:
    text = "a run as an HTML page: every moment, forth and back"
    command = commands.add_parser("play", help=text, description=text)
    command.add_argument("what", metavar="N|TRACE", help="a scenario: 4, 04, half-close; or a trace that --trace wrote (harness/TRACE.md)")
    command.add_argument("-o", "--output", metavar="FILE", help="write the page there (default: BUILD/play/NN-name.html)")
    command.add_argument("--where", action="store_true", help="explore it first: one run of each outcome, and where each was decided")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    try:
        scenario = find(args.what)
    except UnknownScenario as error:
        if Path(args.what).is_file() and not args.where:
            return _recorded(Path(args.what), args.output)
        return failed(args.what, error).complain()
    file = _file(args.output, scenario.build.parent / "play", scenario.name)
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        broken = shared.build_each([scenario], interrupt)
        outcome = broken.get(scenario.name) or attempt(scenario.name, lambda: (_outcomes if args.where else _play)(scenario, file, lab, interrupt))
    outcome.complain()
    return 0 if outcome.verdict is not None or outcome.word == "explored" else outcome.status


def _file(named: Optional[str], folder: Path, name: str) -> Path:
    """Returns the path of the page. Raises Usage if the page would replace a file that is no page."""
    if named:
        recorded.may_write(Path(named), "page", MAGIC)
    return Path(named) if named else folder / f"{name}.html"


def _play(scenario: Scenario, file: Path, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    arguments = argparse.Namespace(trace=None)
    judged = shared.one_run(scenario, arguments, shared.policy(scenario, real_time=False), lab, story=True, tick=lambda: interrupt.came)
    if interrupt.came:
        return failed(scenario.name, KeyboardInterrupt())
    played = Played(judged.run, judged.tell(after_story=True).split("\n")[0], tuple(story.happened(judged.run, judged.verdict)), judged.reproduce,
                    judged.findings, sources(scenario, judged.run), _main(scenario))
    show(file, page(f"tcplab: {titled(scenario.name)}", [played]))
    return judged.outcome()


def _recorded(trace_file: Path, output: Optional[str]) -> int:
    """Writes a page of a run that was made before. Source files that have changed since then are named, and are not on it."""
    got = recorded.load(trace_file)
    file = _file(output, got.folder.parent / "play", recorded.plain_name(got.run.name))
    try:
        scenario: Optional[Scenario] = find(got.run.name)
    except UnknownScenario:
        scenario = None
    found = sources(scenario, got.run) if scenario is not None else {}
    for name in (name for name, one in found.items() if one.state == "changed"):
        screen.say(f"note: {name} has changed since this run: its text is not on the page", sys.stderr)
    played = Played(got.run, got.verdict.word, tuple(story.happened(got.run, got.verdict)), got.reproduce, findings.find(got.run), found,
                    _main(scenario) if scenario is not None else {})
    show(file, page(f"tcplab: {titled(got.run.name)}", [played]))
    return 0


def _outcomes(scenario: Scenario, file: Path, lab: shared.Lab, interrupt: shared.Interrupt) -> Outcome:
    """Writes a page with one run of each outcome that exploring finds. The run without delays comes first."""
    built = built_of.load(scenario.build).sums
    found = schedules.explore(scenario, skip=shared.no_pause(), isolate=shared.isolate(), observe=shared.observe(), keep=True, stop=lambda: interrupt.came)
    told = explored.headings(found)
    runs = []
    for n, group in enumerate(found.groups):
        run, where = group[0].run, decided(found, n)
        assert run is not None
        run = dataclasses.replace(run, sources=built)
        runs.append(Played(run, told[n], tuple(story.happened(run, group[0].verdict)), explored.command(group[0].schedule, scenario.number, found.skip),
                           findings.find(run), sources(scenario, run), _main(scenario), tuple(told), tuple((share.seq, share.counts) for share in where.shares),
                           explored.where_decided(where), where.lines[0].seq if where.lines else 0))
    show(file, page(f"tcplab: {titled(scenario.name)}, {len(runs)} outcome{'' if len(runs) == 1 else 's'}", runs))
    return Outcome(scenario.name, "explored", found.status)


def _main(scenario: Scenario) -> "dict[str, str]":
    return {one.name: f"{one.file}.c" for one in scenario.stage.programs}


def sources(scenario: Scenario, run: trace.Run) -> "dict[str, Source]":
    """Returns each source file that the run's records name, from the scenario's folder or from common/."""
    named = {source.rpartition(":")[0] for source in [*(e.source for e in run.events), *(c.source for c in run.calls)] if source}
    named |= set(_main(scenario).values())
    found = {}
    for name in sorted(named):
        for place in (scenario.folder / name, *scenario.folder.glob(f"*/{name}"), ROOT / "common" / name):
            if re.fullmatch(r"[\w.-]+", name) and place.is_file():
                found[name] = _source(place, run.sources.get(str(place.relative_to(scenario.folder)), "") if scenario.folder in place.parents else "")
                break
    return found


def _source(place: Path, built: str) -> Source:
    """Returns one source file. `built` is the checksum of the text that was built, "" if it is not known."""
    data = place.read_bytes()
    same = hashlib.sha256(data).hexdigest() == built
    return Source(data.decode("utf-8", "replace"), "run" if same else "changed") if built else Source(data.decode("utf-8", "replace"))


def show(file: Path, text: str, stream: Optional[TextIO] = None) -> None:
    """Writes the page and prints where it is. If there is a desktop, opens the page."""
    file.parent.mkdir(parents=True, exist_ok=True)
    recorded.write(file, text.encode("utf-8"))
    print(f"the run as a page: {file}", file=stream or sys.stdout)
    opener = shutil.which("xdg-open")
    if opener and sys.stdout.isatty() and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        subprocess.Popen([opener, str(file)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
