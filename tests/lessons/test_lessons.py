"""Do the lessons and the README say what happens? Whatever they show is taken apart here, run, and compared.

What is found by its form in a page:

    ```text     first line `$ make scenario-N`    in a section Run, and in the README: the whole transcript;
                                                  elsewhere an excerpt, whose lines the run must have in that order
    ```text     first line `$ make check-N`       the first lines of that output
    ```text either                                several in a row: luck decides which one the run shows
    ```diff     `--- FILE`                        a change to try (Modify), in one place or, with `@@` between them, in
                                                  several: it is applied to a copy, and the texts behind it are what
                                                  that copy shows
    ```diff     `--- FILE` and `+++ OTHER`        how two scenarios' files differ, comment lines left out
    ```c        first line `// FILE`              lines of that file, in their order
    | sender | flags | first | length |           segments that a run's wire shows, in that order

Each check returns its complaints, one a line; none is good. Each has a doctored page below that it must refuse.
"""
from __future__ import annotations

import ast
import difflib
import functools
import re
import signal
import socket
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable

import pytest

from changes import Lab, Shown, apply, places
from harness import trace
from harness.judge import comparison as judge
from harness.stage.scenarios import ROOT, find, find_all

OWN = 90        # scenarios from this number on are a learner's own: they need no lesson
SCENARIOS = [s for s in find_all() if int(s.number) < OWN]
LESSONS = {s.name: ROOT / "lessons" / f"{s.name}.md" for s in SCENARIOS}
PAGES = [ROOT / "README.md", *sorted((ROOT / "lessons").glob("*.md"))]
HEADINGS = ["Predict", "Run", "Look", "Why it must be so", "Modify", "Make", "In the wild", "Remember"]
NARROW = "01 02 03 04 05 06 08".split()     # lessons whose programs have no line of code over 100 columns where the page shows them
EXERCISES = {f"{int(path.parents[1].name[:2])}{path.name}": path for path in (ROOT / "scenarios").glob("*/exercises/[a-z]")}
SKELETONS = {name for name, path in EXERCISES.items() if (path / "start.diff").exists()}
TARGETS = re.findall(r"^([a-z][\w%-]*):", (ROOT / "Makefile").read_text(), re.M)


# --- pages taken apart -----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Fence:
    """A fenced block: what stands behind its backticks, its lines, the section (##) that it is in."""

    info: str
    body: str
    section: str

    @property
    def lines(self) -> list[str]:
        return self.body.splitlines()

    @property
    def command(self) -> str:
        """scenario-1 of a block that begins with `$ make scenario-1`."""
        return self.body.partition("\n")[0][7:] if self.body.startswith("$ make ") else ""


def fences(page: str) -> list[Fence]:
    found, section, info, body = [], "", None, []
    for line in page.splitlines():
        if info is None and line.startswith("## "):
            section = line[3:]
        if line.startswith("```") and info is None:
            info, body = line[3:].strip(), []
        elif line == "```":
            found.append(Fence(info or "", "\n".join(body), section))
            info = None
        elif info is not None:
            body.append(line)
    return found


def transcripts(page: str) -> list[Fence]:
    return [f for f in fences(page) if f.command.startswith("scenario-") and f.section != "Modify"]


@dataclass(frozen=True)
class Step:
    """One step of a section Modify: the changes, and what is said to come of them."""

    diff: Fence
    shown: tuple[Fence, ...]

    @property
    def number(self) -> str:
        return str(int(re.findall(r"^--- scenarios/(\d+)", self.diff.body)[0]))


def steps(page: str) -> list[Step]:
    found: list[Step] = []
    for fence in (f for f in fences(page) if f.section == "Modify"):
        if fence.info == "diff":
            found.append(Step(fence, ()))
        elif fence.command and found:
            found[-1] = replace(found[-1], shown=(*found[-1].shown, fence))
    return found


# --- runs ------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """Where changed scenarios are built, one after the other."""
    return tmp_path_factory.mktemp("programs") / "build"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Lab:
    """The scenarios as they stand."""
    folder = tmp_path_factory.mktemp("lab")
    return Lab(folder, folder / "build")


@pytest.fixture(scope="module")
def shown(lab):
    """shown(N): one run of scenario N as it stands, run once for all tests."""
    return functools.lru_cache(maxsize=None)(functools.partial(lab.show, "run"))


# --- a transcript against a run --------------------------------------------------------------------------------------

LINE = re.compile(r" +\d+\.\d{3}  ( *)(\S.*)")


CAST = re.compile(r" {10}(client|server) +[a-z].*")


def columns(text: str) -> dict[str, int]:
    """Whose lines begin where, as the line above the first one says. An excerpt has none; without one: two programs."""
    heads = [line for line in text.splitlines() if CAST.fullmatch(line)]
    return {found[0]: found.start() - 10 for found in re.finditer(r"\S+", heads[0])} if heads else {"client": 0, "server": 40}


def logged(text: str, cast: "dict[str, int] | None" = None) -> list[tuple[str, str]]:
    """(who, text) of the log lines, in the order shown; each program's stand in its column. Ports differ where they must."""
    begin, found = cast or columns(text), []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match:
            who = min(begin, key=lambda name: abs(begin[name] - len(match[1])))
            found.append((who, re.sub(r"\(port \d+\)", "(port)", match[2])))
    return found


def clock_complaints(text: str) -> list[str]:
    """The times of a run whose pauses last: they never fall, and a program's next line after `pausing N s` is N seconds later."""
    lines = [line for line in text.splitlines() if LINE.fullmatch(line)]
    times = [float(line.split()[0]) for line in lines]
    found = [f"goes back: {line}" for line, before, now in zip(lines[1:], times, times[1:]) if now < before]
    for n, (who, said) in enumerate(logged(text)):
        seconds = re.match(r"(?:\[\d+\] )?pausing (\d+) s", said)
        after = [t for t, (w, _) in zip(times[n + 1:], logged(text)[n + 1:]) if w == who][:1]
        if seconds and after and after[0] - times[n] < int(seconds[1]) - 0.01:
            found.append(f"pauses {after[0] - times[n]:.3f} s: {lines[n]}")
    return found


def closing(text: str, wire: bool) -> list[str]:
    """The summary and the verdict. Which of two programs ended first is luck; without the wire nobody tells of it."""
    lines = [line for line in text.splitlines() if not line.startswith(("note: ", "not looked at: ", "$ ")) and not LINE.fullmatch(line)]
    if not wire:
        lines = [line for line in lines if "sent a reset (RST)" not in line and "over the wire" not in line]
    endings = sorted(line for line in lines if re.match(r"The [a-z-]+ (ended|waits|was)", line))
    return [line for line in lines if line not in endings] + endings


def transcript_complaints(page: str, real: Shown) -> list[str]:
    """Each program's lines in their order, the closing lines, and whether the lines could have come so."""
    found = [] if columns(page) == columns(real.text) else [f"columns: {columns(real.text)}"]
    for who in columns(real.text):
        ours, theirs = ([text for w, text in logged(t) if w == who] for t in (page, real.text))
        found += [f"{who}: {line}" for line in difflib.unified_diff(ours, theirs, "shown", "run", lineterm="")]
    found += difflib.unified_diff(closing(page, real.run.wire), closing(real.text, real.run.wire), "shown", "run", lineterm="")
    return found or interleaving_complaints(page, real.run)


def interleaving_complaints(page: str, run: trace.Run) -> list[str]:
    """The run's events in the order that the page shows: does the contract allow it?"""
    waiting = {who: iter([e for e in run.events if e.who == who]) for who in columns(page)}
    order = [next(waiting[who]) for who, text in logged(page) if not text.startswith(("(", "stdout:", "stderr:"))]
    events = [replace(event, seq=seq) for seq, event in enumerate(order)]
    for n, event in enumerate(events):
        then = [e.seq for e in events[n + 1:] if (e.pid, e.tid) == (event.pid, event.tid)]
        if event.kind == "pause" and event.resumed_after >= 0 and then:
            events[n] = replace(event, resumed_after=then[0] - 1)
    contract = next(scenario for scenario in SCENARIOS if scenario.name == run.name).load_contract()
    places = {event.seq: n for n, event in enumerate(order)}     # a start that waited for a line waits for it where the page has it
    starts = tuple(replace(start, after=tuple(places[seq] for seq in start.after if seq in places)) for start in run.starts)
    run = replace(run, events=tuple(events), starts=starts, calls=(), observed=False)   # the other records keep the run's own order
    verdict = judge.judge(run, contract)
    return [f"{d.kind}: {d.who}: {d.expected} {d.other}" for d in verdict.differences]


def excerpt_complaints(page: str, real: str, wire: bool = True) -> list[str]:
    """Lines of an excerpt: each program's in order, all others somewhere; `...` stands for what is left out."""
    found, cast = [], columns(real)
    for who in cast:
        rest = iter([text for w, text in logged(real) if w == who])
        found += [f"{who} did not say then: {text}" for w, text in logged(page, cast) if w == who and text not in rest]
    others = [line for line in closing(page, wire) if line.strip() not in ("", "...")]
    found += paused_complaints(page, real)
    return found + [f"not there: {line}" for line in others if line not in real.splitlines()]


def paused_complaints(page: str, real: str) -> list[str]:
    """A line that a program says behind its pauses is not shown with a time before their end."""
    found, cast = [], columns(real)
    times = [float(line.split()[0]) for line in page.splitlines() if LINE.fullmatch(line)]
    for who in cast:
        rest, least = iter([text for w, text in logged(real) if w == who]), 0
        for time, text in [(time, text) for time, (w, text) in zip(times, logged(page, cast)) if w == who]:
            for said in rest:
                if said == text:
                    break
                least += int((re.match(r"(?:\[\d+\] )?pausing (\d+) s", said) or (0, 0))[1])
            found += [f"said before {who} had paused for {least} s: {text}"] if time < least else []
            least += int((re.match(r"(?:\[\d+\] )?pausing (\d+) s", text) or (0, 0))[1])
    return found


def beginning_complaints(page: str, real: str) -> list[str]:
    """The first lines of what check prints."""
    ours = [line.rstrip() for line in page.splitlines()[1:]]
    theirs = [line.rstrip() for line in real.splitlines()][:len(ours)]
    return list(difflib.unified_diff(ours, theirs, "shown", "run", lineterm=""))


def step_complaints(step: Step, folder: Path, build: Path) -> list[str]:
    """Applies a Modify step to a copy, runs each command once, and compares what the page says will come of it."""
    numbers = {fence.command.split("-")[1] for fence in step.shown}
    lab = Lab(folder, build, {file.parts[1] for file, _ in places(step.diff.body)} | {find(number).name for number in numbers})
    apply(step.diff.body, lab.scenarios)
    found: list[str] = []
    for command in dict.fromkeys(fence.command for fence in step.shown):
        word, number = command.split("-")
        real = lab.show("run" if word == "scenario" else word, number)
        mine = [(fence, _shown_complaints(fence, real)) for fence in step.shown if fence.command == command]
        found += [line for fence, lines in mine if "either" not in fence.info for line in lines]
        either = [lines for fence, lines in mine if "either" in fence.info]
        found += [line for lines in either for line in lines] if all(either) else []
    return found


def _shown_complaints(fence: Fence, real: Shown) -> list[str]:
    if fence.command.startswith("scenario-"):
        return excerpt_complaints(fence.body, real.text, real.run.wire)
    return beginning_complaints(fence.body, real.text)


# --- code, diffs, the wire -------------------------------------------------------------------------------------------

def difference_complaints(diff: Fence) -> list[str]:
    """The lines shown as taken away and added, against the two files without their comment lines."""
    old, new = (_code(ROOT / line[4:]) for line in diff.lines[:2])
    real = [line for line in difflib.unified_diff(old, new, lineterm="", n=0)][2:]
    ours, theirs = (sorted(line for line in lines if line[:1] in "+-" and line[1:].strip()) for lines in (diff.lines[2:], real))
    return list(difflib.unified_diff(ours, theirs, "shown", "files", lineterm=""))


def _code(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip() and not line.strip().startswith("//")]


def excerpt_of_file_complaints(fence: Fence) -> list[str]:
    """Lines of a file in their order; `...` stands for lines left out."""
    rest = iter([line.strip() for line in (ROOT / fence.lines[0][3:]).read_text().splitlines()])
    wanted = [line.strip() for line in fence.lines[1:] if line.strip() not in ("", "...", "// ...")]
    return [f"{fence.lines[0]}: no such line there: {line}" for line in wanted if line not in rest]


def wide(page: str) -> list[str]:
    """Lines of code and of changes over 100 columns; what programs and commands print is as wide as it is."""
    return [line for fence in fences(page) if fence.info in ("c", "diff") for line in fence.lines if len(line) > 100]


def wire_rows(page: str) -> list[tuple[str, str, int, int]]:
    """(sender, flags, first, length) of the tables of segments; flags without A and P."""
    rows = re.findall(r"^\| ([a-z]+) \| ([SFRPA]+) \| (\d+) \| (\d+) \|", page, re.M)
    return [(who, re.sub("[AP]", "", flags), int(first), int(length)) for who, flags, first, length in rows]


def wire_complaints(page: str, run: trace.Run) -> list[str]:
    rest = iter([(s.sender, re.sub("[AP]", "", s.flags), s.first, s.length) for s in run.segments])
    return [f"not on the wire then: {row}" for row in wire_rows(page) if row not in rest]


# --- what a page names -----------------------------------------------------------------------------------------------

def code_of(page: str) -> str:
    """What stands in backticks or in blocks."""
    return "\n".join([f.body for f in fences(page)] + re.findall(r"(?<!`)`([^`\n]+)`(?!`)", page)
                     + re.findall(r"^    (\S.*)$", page, re.M))


def target_complaints(page: str) -> list[str]:
    """Each `make TARGET` exists, and its numbers are scenarios (N, A and B stand for any; 90 and up are one's own) or exercises."""
    return [f"make {target}: there is no such target" for target in re.findall(r"\bmake ((?:[a-z]+-)?[\w-]+)", code_of(page))
            if not _is_target(target)]


def _is_target(target: str) -> bool:
    word, *numbers = target.split("-")
    if word in ("exercise", "solution", "start") and numbers:
        return len(numbers) == 1 and (numbers[0] in ("Nx", *EXERCISES) if word != "start" else numbers[0] in SKELETONS)
    known = {int(s.number) for s in SCENARIOS}
    counts = {"diff": (1, 2)}.get(word, (1,)) if numbers else (0,)
    right = [n in ("N", "A", "B") or (n.isdigit() and (int(n) in known or int(n) >= OWN)) for n in numbers]
    return (f"{word}-%" if numbers else word) in TARGETS and len(numbers) in counts and all(right)


def link_complaints(page: str, at: Path) -> list[str]:
    """Each relative link leads to a file, and its #fragment to a heading there."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page):
        path, _, fragment = link.partition("#")
        to = (at.parent / path).resolve() if path else at
        if not re.match(r"https?:", link) and not to.exists():
            found.append(f"{link}: leads nowhere")
        elif to.exists() and fragment and not re.match(r"https?:", link) and fragment not in _anchors(to.read_text()):
            found.append(f"{link}: no such heading")
    return found


def _anchors(page: str) -> list[str]:
    return [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", page, re.M)]


def path_complaints(page: str) -> list[str]:
    """Each path of this folder that a page names exists; what is built or kept by a run goes by its scenario's name."""
    paths = re.findall(r"(?<![\w/.~-])((?:scenarios|common|harness|tests|lessons|build|\.ci)/[\w./-]*\w)", code_of(page))
    return [f"{path}: there is no such file" for path in paths if not _is_path(path)]


def _is_path(path: str) -> bool:
    own = re.search(r"/(\d\d)-", path)
    if "NN-name" in path or path == "build/kept" or (own and int(own[1]) >= OWN):
        return True
    built = re.fullmatch(r"build(?:/last)?/([\w-]+)(?:/(?:client|server)|\.jsonl)?", path)
    return built[1] in (*LESSONS, "last") if built else (ROOT / path).exists()


def heading_complaints(page: str) -> list[str]:
    """A title that asks, the misconceptions, the template's headings in their order."""
    title, found = page.splitlines()[0], []
    if not re.fullmatch(r"# \d\d [\w-]+: .*\?", title):
        found.append(f"the title is no question: {title}")
    if "Misconceptions" not in page.partition("\n## ")[0]:
        found.append("no misconception is named before the first heading")
    ours = re.findall(r"^## (.*)$", page, re.M)
    return found + ([f"headings: {ours}"] if ours != HEADINGS else [])


def index_complaints(page: str, names: Iterable[str], folder: str) -> list[str]:
    """A row of a table for each scenario, with its lesson and its target."""
    rows = [line for line in page.splitlines() if line.startswith("|")]
    return [f"{name}: no row" for name in names
            if not any(f"]({folder}{name}.md)" in row and f"`make scenario-{int(name[:2])}`" in row for row in rows)]


# --- the pages -------------------------------------------------------------------------------------------------------

def _all(kind) -> list:
    """(page's name, item) for each item that `kind` finds in a page, as parameters."""
    return [pytest.param(path, item, id=f"{path.stem}-{n}") for path in PAGES for n, item in enumerate(kind(path.read_text()))]


def _differences(page: str) -> list[Fence]:
    return [f for f in fences(page) if f.info == "diff" and f.section != "Modify"]


def _code_blocks(page: str) -> list[Fence]:
    return [f for f in fences(page) if f.info == "c" and f.body.startswith("// scenarios/")]


@pytest.mark.parametrize("name", LESSONS)
def test_each_scenario_has_a_lesson_in_the_order_of_the_template(name):
    page = LESSONS[name].read_text()
    assert heading_complaints(page) == []
    assert page.startswith(f"# {name.replace('-', ' ', 1)}: ")


@pytest.mark.parametrize("page, folder", [("README.md", "lessons/"), ("lessons/README.md", "")])
def test_each_scenario_has_a_row_in_both_indexes(page, folder):
    assert index_complaints((ROOT / page).read_text(), LESSONS, folder) == []


@pytest.mark.parametrize("name", LESSONS)
def test_each_lesson_shows_its_own_transcript_and_something_to_change(name):
    page, number = LESSONS[name].read_text(), str(int(name[:2]))
    assert [f.command for f in transcripts(page) if f.section == "Run"] == [f"scenario-{number}"]
    assert [step.number for step in steps(page)] == [number] * len(steps(page)) and len(steps(page)) >= 2
    assert all(step.shown for step in steps(page))


@pytest.mark.parametrize("path, fence", _all(transcripts))
def test_a_transcript_is_what_a_run_shows(path, fence, shown):
    assert transcript_complaints(fence.body, shown(fence.command.split("-")[1])) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_pause_lasts_as_long_as_the_page_says(path):
    assert [words for fence in fences(path.read_text()) if fence.command.startswith("scenario-") for words in clock_complaints(fence.body)] == []


@pytest.mark.parametrize("schedule, flags", [("nobody", "R"), ("server: closing #1", "")])
def test_after_its_goodbye_the_server_of_lesson_10_sends_a_reset_only_if_it_closes_first(schedule, flags, tmp_path, programs, monkeypatch):
    lab, change = Lab(tmp_path, programs, ["10-unread-data-reset"]), steps(LESSONS["10-unread-data-reset"].read_text())[1].diff.body
    kept = change if schedule == "nobody" else change.partition("--- scenarios/10-unread-data-reset/client.c")[0]
    apply(kept, lab.scenarios)
    monkeypatch.setenv("SCHEDULE", schedule)
    run = lab.show("check", "10").run
    assert ["R" for segment in run.segments if "R" in segment.flags] == list(flags)
    assert "EOF" in [event.text for event in run.events if event.who == "client"]


@pytest.mark.parametrize("path, step", _all(steps))
def test_a_change_to_try_does_what_the_lesson_says(path, step, tmp_path, programs):
    assert step_complaints(step, tmp_path, programs) == []


@pytest.mark.parametrize("path, diff", _all(_differences))
def test_a_difference_between_scenarios_is_that_of_the_files(path, diff):
    assert difference_complaints(diff) == []


@pytest.mark.parametrize("path, fence", _all(_code_blocks))
def test_code_that_is_shown_stands_in_the_file(path, fence):
    assert excerpt_of_file_complaints(fence) == []


@pytest.mark.parametrize("name", sorted(name for name in LESSONS if name[:2] in NARROW))
def test_no_line_of_code_is_wider_than_a_page(name):
    assert wide(LESSONS[name].read_text()) == []


@pytest.mark.parametrize("name", LESSONS)
def test_the_segments_that_are_shown_are_on_the_wire(name, shown):
    run = shown(str(int(name[:2]))).run
    if not run.wire:
        pytest.skip("packets can't be seen here")
    assert wire_rows(LESSONS[name].read_text()) and wire_complaints(LESSONS[name].read_text(), run) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_all_targets_links_and_paths_exist(path):
    page = path.read_text()
    assert target_complaints(page) + link_complaints(page, path) + path_complaints(page) == []


def test_a_misconception_is_worded_alike_wherever_it_is_named():
    named = [pair for path in PAGES for pair in re.findall(r'(M\d\d) "([^"]+)"', " ".join(path.read_text().split()))]
    assert named and len(dict(named)) == len(set(named))


# --- what the lessons say of programs by hand ------------------------------------------------------------------------

class ByHand:
    """A server as in a terminal of its own; its lines come from standard error."""

    def __init__(self, folder: Path) -> None:
        self.server = subprocess.Popen([folder / "server", "127.0.0.1", "0"], stderr=subprocess.PIPE, text=True)
        self.port = int(re.findall(r":(\d+)", self.until("listening"))[0])

    def until(self, words: str, stream=None) -> str:
        return next(line for line in stream or self.server.stderr if words in line)

    def __enter__(self) -> "ByHand":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        self.server.communicate()

    def said(self, words: str) -> list[str]:
        """The server's next lines up to one with these words, without time and name."""
        found: list[str] = []
        while not found or words not in found[-1]:
            found.append(self.server.stderr.readline().split(maxsplit=2)[2].rstrip("\n"))
        return found


def row_of(ends: str) -> tuple[str, int]:
    """State and receive queue, as in /proc/net/tcp, of the socket with these ends, "127.0.0.1:41000 > 127.0.0.1:8080"."""
    ports = [int(port) for port in re.findall(r":(\d+)", ends)]
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    row = next(row for row in rows if [int(end.split(":")[1], 16) for end in row[1:3]] == ports)
    return row[3], int(row[4].split(":")[1], 16)


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc/net/tcp")
def test_lesson_1_while_the_client_pauses_its_kernel_holds_the_response_and_the_fin(lab):
    folder = built(lab, "01-break-after-first-message")
    with ByHand(folder) as by_hand:
        client = subprocess.Popen([folder / "client", "127.0.0.1", str(by_hand.port)], stderr=subprocess.PIPE, text=True)
        ends = by_hand.until("connected", client.stderr)
        by_hand.until("pausing 5 s", client.stderr)
        client.send_signal(signal.SIGSTOP)      # so that the pause lasts as long as this looks
        by_hand.until("closing")
        while row_of(ends)[0] == "01":          # the FIN leaves behind that line
            pass
        assert row_of(ends) == ("08", 19)       # CLOSE-WAIT; 18 bytes and the FIN
        client.kill()
        client.communicate()


def test_lesson_2_when_the_client_is_killed_the_server_gets_eof_and_its_write_succeeds(lab):
    folder = built(lab, "02-no-break-deadlock")
    with ByHand(folder) as by_hand:
        client = subprocess.Popen([folder / "client", "127.0.0.1", str(by_hand.port)], stderr=subprocess.PIPE, text=True)
        by_hand.until("pausing 5 s", client.stderr)
        by_hand.until('Received message: "This is a message\\n"')
        client.send_signal(signal.SIGKILL)
        client.communicate()
        assert by_hand.said("closing") == ["reading data", "EOF", "writing response", "closing"]


def test_lesson_4_the_server_answers_whoever_half_closes(lab):
    with ByHand(built(lab, "04-half-close")) as by_hand, socket.create_connection(("127.0.0.1", by_hand.port)) as conn:
        conn.sendall(b"one\ntwo")
        conn.shutdown(socket.SHUT_WR)
        assert conn.makefile().read() == "Message received.\n"
        assert 'EOF, 3 bytes unfinished: "two"' in by_hand.said("closing")


def by_hand(conn: socket.socket, typed: str) -> None:
    """printf 'TYPED' | nc -N"""
    conn.sendall(ast.literal_eval(f"b'{typed}'"))
    conn.shutdown(socket.SHUT_WR)


def received(lines: list[str]) -> list[str]:
    return [line[len("Received message: "):] for line in lines if line.startswith("Received message: ")]


def built(lab: Lab, name: str) -> Path:
    """Where the lab's programs of that name are, built from its copy."""
    lab.show("run", str(int(name[:2])))
    return lab.build / name


def test_lesson_5_a_line_reader_finds_the_borders_and_takes_a_newline_in_a_payload_for_one(lab):
    client, server = built(lab, "05-glued-writes"), built(lab, "04-half-close")
    page = LESSONS["05-glued-writes"].read_text()
    with ByHand(server) as by:
        subprocess.run([client / "client", "127.0.0.1", str(by.port)], stderr=subprocess.DEVNULL, check=True)
        heard = received(by.said("closing"))
    assert heard == [r'"one\n"', r'"two\n"', r'"three!\n"']
    for typed, lines in ((r"tw\no\n", [r'"tw\n"', r'"o\n"']), (r"tw\\no\n", [r'"tw\\no\n"'])):
        with ByHand(server) as by, socket.create_connection(("127.0.0.1", by.port)) as conn:
            by_hand(conn, typed)
            heard += received(by.said("closing"))
            assert heard[-len(lines):] == lines and typed in page
    assert all(f"Received message: {line}" in page for line in heard)


def test_lesson_7_what_three_readers_make_of_the_same_bytes(tmp_path, programs):
    page = LESSONS["07-unfinished-line"].read_text()
    rows = re.findall(r"^\| `'(.+)'` \| (.+) \| (.+) \| (.+) \|$", page, re.M)
    changes = ["", *(step.diff.body for step in steps(page) if "fgets" in step.diff.body or "strtok" in step.diff.body)]
    assert len(rows) == 3 and len(changes) == 3
    for n, change in enumerate(changes):
        lab = Lab(tmp_path / str(n), programs, ["07-unfinished-line"])
        apply(change, lab.scenarios)
        server = built(lab, "07-unfinished-line")
        for typed, *cells in rows:
            with ByHand(server) as by, socket.create_connection(("127.0.0.1", by.port)) as conn:
                by_hand(conn, typed)
                assert received(by.said("closing")) == re.findall("`([^`]+)`", cells[n]), (typed, change)


@pytest.mark.parametrize("line", [b"x" * (2 ** 20 - 1) + b"\n", b"x" * 2 ** 20], ids=["fits", "does not fit"])
def test_lesson_7_what_the_server_says_to_a_line_at_the_limit(line, lab):
    server = built(lab, "07-unfinished-line")
    with ByHand(server) as by, socket.create_connection(("127.0.0.1", by.port)) as conn:
        conn.sendall(line)
        conn.shutdown(socket.SHUT_WR)
        said = by.said("closing")[2]
    assert said == ("Error reading: EMSGSIZE" if line[-1:] == b"x" else f'Received message: "{"x" * 64}"... (1048576 bytes)')
    assert f"\n{said}\n" in LESSONS["07-unfinished-line"].read_text()


def test_lesson_7_the_shell_drops_the_last_line():
    command = r"""printf 'first\nsecond' | while read -r x; do echo "$x"; done"""
    assert command in LESSONS["07-unfinished-line"].read_text()
    assert subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True).stdout == "first\n"


def test_lesson_8_what_the_server_says_to_bytes_by_hand(lab):
    server = built(lab, "08-length-prefix")
    rows = re.findall(r"^\| `'(.*)'` \| (.*) \|$", LESSONS["08-length-prefix"].read_text(), re.M)
    assert len(rows) == 4
    for typed, words in rows:
        with ByHand(server) as by_hand:
            with socket.create_connection(("127.0.0.1", by_hand.port)) as conn:
                conn.sendall(ast.literal_eval(f"b'{typed}'"))
            assert by_hand.said("closing")[1:] == ["reading data", *re.findall("`([^`]+)`", words), "closing"]


def test_lesson_0_connect_returns_although_nobody_accepts():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as conn:
        assert conn.send(b"hello\n") == 6       # and there is no accept() in this program


# --- negative controls: each check refuses a doctored page -----------------------------------------------------------

def _transcript(name: str) -> str:
    return transcripts(LESSONS[name].read_text())[0].body


def _swapped(text: str, first: str, second: str) -> str:
    """The text with two lines exchanged: the first ones that contain these words."""
    lines = text.splitlines()
    a, b = (next(n for n, line in enumerate(lines) if words in line) for words in (first, second))
    lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


@pytest.mark.parametrize("doctor", [
    lambda text: _swapped(text, "writing response", "   closing"),
    lambda text: text.replace("reading data", "reading dates"),
    lambda text: text.replace("EOF", "Error reading: ECONNRESET"),
    lambda text: text.replace("wrote 25 bytes", "wrote 24 bytes"),
    lambda text: text.replace("as expected:", "differs:"),
    lambda text: "\n".join(line for line in text.splitlines() if "accepted" not in line),
], ids=["order", "word", "event", "summary", "verdict", "missing line"])
def test_a_doctored_transcript_is_refused(doctor, shown):
    text = _transcript("01-break-after-first-message")
    assert transcript_complaints(text, shown("1")) == []
    assert doctor(text) != text and transcript_complaints(doctor(text), shown("1")) != []


def test_a_pause_that_took_no_time_and_times_that_fall_are_refused():
    text = _transcript("01-break-after-first-message")
    assert clock_complaints(text) == []
    assert clock_complaints(re.sub(r"\b5\.(\d{3})  ", r"0.\1  ", text)) != []
    assert clock_complaints(_swapped(text, "connecting", "EOF")) != []


@pytest.mark.parametrize("name", ["01-break-after-first-message", "02-no-break-deadlock", "04-half-close"])
def test_a_transcript_whose_lines_could_not_have_come_so_is_refused(name, shown):
    """Each program's lines are right; but all of the server's come before the client's."""
    lines = _transcript(name).splitlines()
    events = [n for n, line in enumerate(lines) if LINE.fullmatch(line)]
    sorted_by_who = sorted((lines[n] for n in events), key=lambda line: logged(line)[0][0], reverse=True)
    doctored = "\n".join(lines[:events[0]] + sorted_by_who + lines[events[-1] + 1:])
    complaints = transcript_complaints(doctored, shown(str(int(name[:2]))))
    assert complaints and all(line.startswith("order: ") for line in complaints)


def _step() -> Step:
    return steps(LESSONS["01-break-after-first-message"].read_text())[0]


def test_a_step_with_another_outcome_is_refused(tmp_path, programs):
    shown = tuple(replace(f, body=f.body.replace("deadlock:", "differs:")) for f in _step().shown)
    assert step_complaints(replace(_step(), shown=shown), tmp_path, programs) != []


def test_a_step_whose_change_does_not_fit_the_file_is_refused(tmp_path, programs):
    diff = replace(_step().diff, body=_step().diff.body.replace("break;", "brake;"))
    with pytest.raises(AssertionError, match="0 places"):
        step_complaints(replace(_step(), diff=diff), tmp_path, programs)


def test_a_step_of_several_places_must_fit_in_each_of_them(tmp_path):
    change = next(step.diff.body for step in steps(LESSONS["06-short-reads"].read_text()) if step.diff.body.count("--- ") == 2)
    for n, words in enumerate(["#include <errno.h>", "n is a limit", 'say(conn, "hello")', "no such words"]):
        lab = Lab(tmp_path / str(n), tmp_path / "build", ["06-short-reads"])
        if words in change:
            with pytest.raises(AssertionError, match="0 places"):
                apply(change.replace(words, "no such words"), lab.scenarios)
        else:
            apply(change, lab.scenarios)
    server, client = ((lab.scenarios / "06-short-reads" / f"{who}.c").read_text() for who in ("server", "client"))
    assert "sys/socket.h" in server and "MSG_WAITALL" in server and 'say(conn, "hel");' in client


def test_an_excerpt_with_a_line_that_never_came_is_refused():
    real = "   0.001  one\n   0.002  two\nThe client ended with exit 0.\n"
    assert excerpt_complaints("$ make scenario-1\n   0.000  one\n...\n   0.000  two", real) == []
    assert excerpt_complaints("$ make scenario-1\n   0.000  two\n   0.000  one", real) != []
    assert excerpt_complaints("$ make scenario-1\nThe client ended with exit 1.", real) != []


def test_a_difference_with_a_line_too_many_or_too_few_is_refused():
    diff = _differences(LESSONS["04-half-close"].read_text())[0]
    assert difference_complaints(replace(diff, body=diff.body + "\n-    must(close(conn));")) != []
    assert difference_complaints(replace(diff, body="\n".join(diff.lines[:-1]))) != []


def test_code_that_is_not_in_the_file_is_refused():
    fence = _code_blocks(LESSONS["01-break-after-first-message"].read_text())[0]
    assert excerpt_of_file_complaints(replace(fence, body=fence.body + "\n    reboot();")) != []
    assert excerpt_of_file_complaints(replace(fence, body="\n".join([fence.lines[0], *fence.lines[:0:-1]]))) != []


def test_segments_in_another_order_are_refused(shown):
    run = shown("4").run
    if not run.wire:
        pytest.skip("packets can't be seen here")
    table = "| client | FA | 44 | 0 |\n| server | PA | 1 | 18 |\n"
    assert wire_complaints(table, run) == []
    assert wire_complaints("\n".join(table.splitlines()[::-1]), run) != []


@pytest.mark.parametrize("words", ["make walk-1", "make scenario-77", "make check-1a", "make diff-1-2-3", "make all-1", "make sure"])
def test_a_target_that_does_not_exist_is_refused(words):
    assert target_complaints(f"Type `{words}` now.") != []


@pytest.mark.parametrize("words", ["make scenario-1", "make diff-A-B", "make", "make test", "PAUSE=0 make scenario-N", "make check-90"])
def test_a_target_that_exists_is_let_through(words):
    assert target_complaints(f"Type `{words}` now.") == []


def test_broken_links_and_paths_are_refused():
    at = ROOT / "lessons" / "README.md"
    assert link_complaints("[x](nowhere.md)", at) != [] and link_complaints("[x](../README.md#nowhere)", at) != []
    assert link_complaints("[x](README.md) [y](https://example.org/nowhere)", at) == []
    assert path_complaints("`harness/nowhere.py` and `build/77-nowhere/client`") != []
    assert path_complaints("`harness/judge/comparison.py`, `build/04-half-close/client`, `scenarios/NN-name/client.c`") == []


def test_a_lesson_without_a_question_a_name_or_in_another_order_is_refused():
    page = LESSONS["04-half-close"].read_text()
    assert heading_complaints(page.replace("?", ".", 1)) != []
    assert heading_complaints(page.replace("Misconceptions", "Thoughts", 1)) != []
    assert heading_complaints(page.replace("## Look", "## Run").replace("## Run", "## Look", 1)) != []


def test_an_index_without_a_scenario_is_refused():
    page = (ROOT / "README.md").read_text()
    without = "\n".join(line for line in page.splitlines() if "04-half-close.md" not in line)
    assert index_complaints(without, LESSONS, "lessons/") == ["04-half-close: no row"]
