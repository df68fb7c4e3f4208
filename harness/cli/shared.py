"""What several commands need: signals, settings from the environment, one run with its verdict and its trace file."""
from __future__ import annotations

import argparse
import atexit
import contextlib
import dataclasses
import difflib
import os
import shlex
import shutil
import signal
import sys
import tempfile
import textwrap
import threading
from pathlib import Path
from typing import Any, Iterator, Optional

from .. import trace
from ..explore import schedules
from ..judge import comparison
from ..judge import contract as contracts
from ..judge import findings
from ..learn import hints
from ..learn import originals, progress
from ..learn.keys import Ended, Keys
from ..stage import sources
from ..stage.build import DoesNotBuild, warnings
from ..stage.build import build as make
from ..stage.conductor import Conductor, Live, Policy, VirtualClock
from ..stage.delivery import SAYS, WAYS, Delivery
from ..stage.keeper import Keeper, KeeperError, open_keeper
from ..stage.scenarios import ROOT, Scenario, UnknownScenario, find, find_all, lesson
from ..tell import compiler, screen, told, words
from ..tell.phrases import again
from .outcome import Outcome, Usage, failed


_SETTINGS = ("SCHEDULE", "DELIVERY", "NOPAUSE", "TCPLAB_ISOLATION", "TCPLAB_CALLS", "BUILD", "SCENARIOS", "SANITIZE")     # they change a run


_ODD = "][\"'`$#%:;&|<>()!*?{}~^\\"     # characters that make or the shell does not take as part of a name


class Interrupt:
    """Notes Ctrl-C, SIGTERM and SIGHUP. A run then ends at its next step, so that it can clean up."""

    def __init__(self) -> None:
        self.came = self._at_once = False
        if threading.current_thread() is not threading.main_thread():
            return      # signals come only to the main thread, so whoever runs a command in another thread must handle them
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, *_: object) -> None:
        self.came = True
        if self._at_once:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def raising(self) -> "Iterator[None]":
        """Inside of it, such a signal raises KeyboardInterrupt at once."""
        if self.came:
            raise KeyboardInterrupt
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def at_once(self) -> int:
        """From now on such a signal raises KeyboardInterrupt at once. Returns a descriptor that is readable after a signal. A
        command that waits for a key must wait for it, too: Python only notes a signal, and a read(2) that begins a moment later
        would go on waiting."""
        self._at_once = True
        waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        return waker


def complain(text: str, status: int) -> int:
    """Prints the text on standard error. Returns the exit status `status`."""
    print(text, file=sys.stderr)
    return status


def build_folder() -> Path:
    """Returns the build folder. It has the built programs, and what is kept of a learner's work."""
    return ROOT / os.environ.get("BUILD", "build")


_makeshift: "list[str]" = []      # the temporary build folder that find_room() has made, if it has


def makeshift() -> bool:
    """Is the build folder a temporary one, which is removed when this command ends?"""
    return bool(_makeshift)


def agreed(question: str, command: str) -> bool:
    """Asks a question at the terminal. Returns True for y, and False for anything else. `command` does the same without a
    question, as "reset 2". Raises Usage if there is no terminal, and KeyboardInterrupt."""
    keys = Keys(Interrupt().at_once())
    if not keys.terminal:
        raise Usage(f"{question} There is no terminal to ask at, so nothing was done. Without a question: python3 -m harness {command} --yes")
    width = screen.width_of(sys.stdout)
    *above, last = words.folded(question, width, sys.stdout.isatty())
    answers = "(y, or Enter for no) > "
    print("".join(f"{line}\n" for line in above), end="")
    try:
        return keys.line(f"{last} {answers}" if len(last) + len(answers) + 1 < width else f"{last}\n{answers}").lower() in ("y", "yes")
    except Ended:
        return False


def note_run(scenario: Scenario, word: str) -> None:
    """Notes as progress that a learner has seen this scenario run. A scenario of the learner's own has no lesson, and does not
    count."""
    if word != "interrupted" and scenario.rules is None and lesson(scenario.name):
        progress.note(scenario.build.parent, "ran", scenario.name.partition("-")[0])


class Help(argparse.RawDescriptionHelpFormatter):
    """Help whose paragraphs are broken between words. One with an indented line is shown as it stands."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(part if "\n " in part else textwrap.fill(part, width, break_on_hyphens=False) for part in text.split("\n\n"))


def find_room() -> None:
    """If the build folder can't be written (in a read-only checkout), makes a temporary one, which is removed when this command
    ends, and says so."""
    for name in ("BUILD", "SCENARIOS"):
        value = os.environ.get(name, "")
        if value.startswith("-") or set(value) & set(_ODD) or any(c.isspace() or not c.isprintable() for c in value):
            raise Usage(f"{name}={value!r}: make can't work with that name. Take one without blanks and without any of {_ODD}")
    folder = ROOT / os.environ.get("BUILD", "build")
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if os.access(there, os.W_OK):
        return
    os.environ["BUILD"] = tempfile.mkdtemp(prefix="tcplab-")
    _makeshift.append(os.environ["BUILD"])
    atexit.register(shutil.rmtree, os.environ["BUILD"], ignore_errors=True)
    screen.say(f"note: {folder} can't be written: the programs are built elsewhere, and neither they nor the runs are kept", sys.stderr)


def build(scenarios: list[Scenario]) -> None:
    """Has make build the scenarios' programs, and prints the compiler's warnings. Raises DoesNotBuild, StageError."""
    _keep_originals(scenarios)
    said = make(scenarios)
    if said:
        print(compiler.shown(said, screen.wants_colour(sys.stderr)), file=sys.stderr)


def _keep_originals(scenarios: "list[Scenario]") -> None:
    for scenario in scenarios:
        originals.keep(scenario)


_fresh: "set[str]" = set()      # scenarios of which this command has built a file about which the compiler warned


def build_each(scenarios: "list[Scenario]", interrupt: Interrupt, later: bool = False) -> "dict[str, Outcome]":
    """Builds scenarios of which some may be broken. Returns the outcomes of the broken ones, by name. Ctrl-C ends it at once.
    With `later`, the warnings are not printed now, but by compiler_said() below each verdict."""
    try:
        if scenarios:
            with interrupt.raising():
                _keep_originals(scenarios)
                if later:
                    _fresh.difference_update(scenario.name for scenario in scenarios)
                    said = make(scenarios)
                    _fresh.update(scenario.name for scenario in scenarios if f"{scenario.name}/" in said)
                else:
                    build(scenarios)
        return {}
    except Exception as error:
        if len(scenarios) == 1:
            return {scenarios[0].name: failed(scenarios[0].name, error)}
    return {name: outcome for scenario in scenarios for name, outcome in build_each([scenario], interrupt, later).items()}


def compiler_said(scenario: Scenario, bad: bool, **stream: Any) -> None:
    """Prints the compiler's warnings about a scenario, if a file was just built or the verdict is not as expected: a warning
    often names the reason."""
    if not bad and scenario.name not in _fresh:
        return
    try:
        said = warnings(scenario)
    except DoesNotBuild:        # the files have changed meanwhile
        return
    if said:
        print(f"The compiler warned:\n{compiler.shown(said, screen.wants_colour(stream.get('file', sys.stdout)))}", flush=True, **stream)


def tell_if_changed(scenario: Scenario, **stream: Any) -> None:
    """Prints one line if a scenario of the lab is not as the lab has it. So a change of yesterday does not puzzle the learner
    today."""
    note = originals.note(scenario)
    if note:
        print("\n".join(screen.fitted([note], stream.get("file", sys.stdout))), flush=True, **stream)


def wanted(names: "list[str]") -> "tuple[list[Scenario], list[Outcome]]":
    """Returns the scenarios of these names, or all if there are no names; and an outcome for each name that is no scenario's."""
    found: "list[Scenario]" = [] if names else find_all()
    unknown: "list[Outcome]" = []
    for name in names:
        try:
            found.append(find(name))
        except UnknownScenario as error:
            unknown.append(failed(name, error))
    return found, unknown


def no_pause() -> bool:
    return os.environ.get("NOPAUSE", "0") not in ("", "0")


def isolate() -> bool:
    return os.environ.get("TCPLAB_ISOLATION") != "none"


def observe() -> bool:
    return os.environ.get("TCPLAB_CALLS") != "off"


def policy(scenario: Scenario, real_time: bool) -> Policy:
    """Returns the policy that the environment asks for: DELIVERY, a schedule, real time if `real_time` allows it, or else the
    virtual clock. Raises Usage."""
    skip = no_pause()
    if os.environ.get("DELIVERY"):
        return delivery(os.environ["DELIVERY"], skip)
    if os.environ.get("SCHEDULE"):
        return schedules.Delays(schedules.parse(os.environ["SCHEDULE"], scenario.stage.names), skip)
    if real_time and not skip and os.environ.get("PAUSE", "1") != "0":
        return Live()
    return VirtualClock(skip)


def delivery(way: str, skip: bool) -> Policy:
    """Returns the policy for another way of delivery. Raises Usage."""
    if way not in WAYS:
        raise Usage(f"DELIVERY={way!r}: there are {', '.join(WAYS)}")
    if os.environ.get("SCHEDULE"):
        raise Usage("DELIVERY and SCHEDULE at once: take one of them")
    if not observe():
        raise Usage("DELIVERY changes what reads bring, and with TCPLAB_CALLS=off nobody looks at them: take TCPLAB_CALLS=off away")
    return Delivery(way, skip)


def add_records(command: argparse.ArgumentParser) -> None:
    """Adds the options of commands that make one run of a scenario."""
    command.add_argument("--trace", metavar="FILE", help="write the run as JSON Lines (harness/TRACE.md)")
    command.add_argument("--json", action="store_true",
                         help="one JSON object a scenario, whatever happens, and nothing else on standard output (harness/TRACE.md)")
    command.add_argument("--contract", metavar="FILE", help="judge by this contract, and not by the scenario's own contract.txt")


def with_contract(scenarios: "list[Scenario]", file: Optional[str], number: int) -> "list[Scenario]":
    """Returns the scenarios, judged by the contract that --contract names. `number` says how many scenarios were asked for.
    Raises Usage."""
    if file is None:
        return scenarios
    if number != 1:
        raise Usage("--contract takes one scenario: name it")
    return [dataclasses.replace(scenario, rules=Path(file)) for scenario in scenarios]


def may_write(path: Path, runs: int) -> None:
    """Raises Usage if --trace can't write that file, or if it would replace a file that is no trace."""
    if runs != 1:
        raise Usage("--trace takes one scenario: name it")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise Usage(f"{path}: can't write a trace there; name a file in a folder that exists")
    if path.is_file() and path.stat().st_size > 0:
        with path.open(encoding="utf-8", errors="replace") as file:
            if not trace.is_trace(file.readline()):
                raise Usage(f"{path}: exists and is no trace; it stays as it is. Name another file, or remove it")


class Lab:
    """The keeper for the runs of one command. The keeper prepares itself while make builds."""

    def __init__(self) -> None:
        self._keeper: Optional[Keeper] = None

    def __enter__(self) -> "Lab":
        try:
            self._keeper = open_keeper(isolate(), observe())
        except KeeperError:
            pass        # each run tries again, and reports the error
        return self

    def __exit__(self, *error: object) -> None:
        if self._keeper is not None:
            self._keeper.end()

    @property
    def keeper(self) -> Keeper:
        """A keeper that is alive. If a program of the last run has killed the keeper, this is a new one."""
        if self._keeper is None or not self._keeper.alive:
            self._keeper = open_keeper(isolate(), observe())
        return self._keeper


@dataclasses.dataclass(frozen=True)
class Judged:
    """One run, with all that is known of it. `contract` is None if nothing is judged."""

    scenario: Scenario
    run: trace.Run
    verdict: comparison.Verdict
    contract: Optional[contracts.Contract]
    findings: "tuple[findings.Finding, ...]"
    reproduce: str          # the command that gives such a run again
    way: str = ""           # the other way of delivery, if DELIVERY asked for one
    promised: bool = True   # whether the contract says that it holds under that way

    def outcome(self) -> Outcome:
        return Outcome(self.scenario.name, self.verdict.word, self.verdict.status, verdict=self.verdict, findings=self.findings,
                       notes=self.run.notes, reproduce=self.reproduce)

    def look(self) -> "list[str]":
        """Returns the line that a terminal shows below a good verdict: the command that shows the run as a page. A bad verdict
        has that line already."""
        return again(self.reproduce)[:-1] if self.verdict.status == 0 else []

    def tell(self, after_story: bool = False, rows: int = 0, **how: Any) -> str:
        """Returns the verdict in words. `after_story`: the run's story stands above it. `rows`: as in words.tell()."""
        if self.contract is None:
            why = "" if self.promised else f"the contract promises nothing under DELIVERY={self.way}, so nothing is judged"
            return told.tell(self.verdict, self.run, self.findings, reproduce=self.reproduce, after_story=after_story, why=why, **how)
        return words.tell(self.verdict, self.run, self.contract, reproduce=self.reproduce, every=os.environ.get("ALL", "") not in ("", "0"), rows=rows, **how)


def one_run(scenario: Scenario, args: argparse.Namespace, policy: Policy, lab: Lab, story: bool = False, **watch: Any) -> Judged:
    """Runs a scenario, judges the run, and writes its trace. `story` is as in judged()."""
    conductor = Conductor(scenario, policy, keeper=lab.keeper, observe=observe(), **watch)
    return judged(scenario, conductor, [Path(args.trace)] if args.trace else [], story)


def judged(scenario: Scenario, conductor: Conductor, files: "list[Path]", story: bool = False) -> Judged:
    """Runs a conductor, judges the run, and writes its trace to build/last and to `files`. With `story` the run will be told, so
    the source lines of the calls are looked up whatever the verdict is."""
    contract = scenario.load_contract()
    built = sources.load(scenario.build).sums
    if scenario.other is not None:
        built = {**built, **sources.load(scenario.other.parent).sums}
    way = ""
    if isinstance(conductor.policy, Delivery):
        way, conductor.policy.conductor = conductor.policy.way, conductor
    run = dataclasses.replace(conductor.run(), sources=built)
    if way:
        run = dataclasses.replace(run, notes=(*run.notes, f"DELIVERY={way}: {SAYS[way]}"))
    if way and not run.observed:
        raise Usage(f"DELIVERY={way} changes what reads bring, and here the calls can't be looked at: {'; '.join(run.notes)}")
    promised = contract is None or not way or way in contract.deliveries
    if not promised:
        contract = None
    if isinstance(conductor.policy, schedules.Delays) and run.mode == "explore" and run.stop.kind != "interrupted":
        check_schedule(conductor.policy)
    verdict = comparison.judge(run, contract)
    if story or files or verdict.status or contract is None:
        run = dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))
    reproduce = command(scenario, run.mode)
    text = "\n".join(trace.lines(run, reproduce, comparison.fields(verdict))) + "\n"
    if contract is not None and verdict.status == 0 and scenario.rules is None:
        hints.forget(scenario)
    _keep(scenario.build.parent / "last", f"{scenario.name}.jsonl", text)
    for path in files:
        path.write_text(text, encoding="ascii")
    return Judged(scenario, run, verdict, contract, findings.find(run), reproduce, way, promised)


def check_schedule(policy: schedules.Delays) -> None:
    """Raises BadSchedule if a place of the schedule never came in the run: then nothing was delayed there."""
    came = [str(place) for place in policy.places.values()]
    for place in sorted(policy.delays):
        if str(place) not in came:
            like = difflib.get_close_matches(str(place), came, 3, 0.5)
            near = [one for one in came if one in like] or [one for one in came if one.startswith(f"{place.who}: ")]
            others = "it has:" if near else f"the {place.who} logs no lines"
            raise schedules.BadSchedule("\n".join([f"SCHEDULE: this run has no line {str(place)!r}; {others}", *(f"    {one}" for one in near)]))


def _keep(folder: Path, name: str, text: str) -> None:
    """Writes a run's trace to the folder with the last runs. If that can't be done, it prints a note, and the run is judged all
    the same."""
    try:
        if folder.exists() and not folder.is_dir():
            folder.unlink()
            print(f"note: {folder} was no folder; it is one again", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")
    except OSError as error:
        screen.say(f"note: this run's trace could not be kept: {folder / name}: {error.strerror}", sys.stderr)


def command(scenario: Scenario, mode: str) -> str:
    """Returns the command that makes a run of this kind again, with the settings of this run."""
    settings = [f"{name}={shlex.quote(os.environ[name])}" for name in _SETTINGS if os.environ.get(name)]
    target = {"live": "scenario", "step": "step"}.get(mode, "check")
    if scenario.rules is not None:
        verb = "run" if mode == "live" else "check"
        return " ".join([*settings, f"python3 -m harness {verb} {scenario.number} --contract {shlex.quote(str(scenario.rules))}"])
    return " ".join([*settings, f"make {target}-{scenario.number}"])
