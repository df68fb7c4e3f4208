"""Measures how fast the lab itself is. Prints one line for each figure that it must reach. Exits with 1 if it misses one.

Each figure is the best one of several rounds, because other work of the machine can only make it slower. Ratios are taken within
a round.
"""
from __future__ import annotations

import binascii
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from harness import trace  # noqa: E402
from harness.explore import schedules  # noqa: E402
from harness.judge import comparison  # noqa: E402
from harness.judge import contract as contracts  # noqa: E402
from harness.stage.build import build  # noqa: E402
from harness.stage.conductor import Conductor, VirtualClock  # noqa: E402
from harness.stage.keeper import Keeper, open_keeper  # noqa: E402
from harness.stage.scenarios import Scenario, find_all  # noqa: E402
from harness.tell import diagram, story, words  # noqa: E402
from harness.tell.player import Played, page  # noqa: E402
from harness.trace import Event, Run, Stop  # noqa: E402
from browser import Browser  # noqa: E402
from terminal import Watched  # noqa: E402

ROUNDS = 5


@dataclass(frozen=True)
class Figure:
    """What was measured, and at most what it may be. `unit`: "s", "ms" or "times"."""

    what: str
    value: float
    most: float
    unit: str

    def __str__(self) -> str:
        verdict = "" if self.value <= self.most else "   MISSED"
        return f"{self.what:64} {self.value:8.2f} {self.unit:5} (at most {self.most:g}){verdict}"


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def best(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    return min(seconds(act) for _ in range(rounds))


def ms_a_schedule(scenario: Scenario, delays: int, limit: int = schedules.LIMIT) -> float:
    ran = 0

    def act() -> None:
        nonlocal ran
        ran = schedules.explore(scenario, delays=delays, limit=limit).ran
    took = seconds(act)
    return took * 1000 / ran


def crowd(folder: Path) -> Scenario:
    """Returns a scenario with 25 threads on 50 connections."""
    for name in ("client", "server"):
        subprocess.run(["cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1", "-g", "-pthread", f"-I{ROOT}/common", str(ROOT / f"tests/bench/crowd/{name}.c"),
                        *map(str, sorted((ROOT / "common").glob("*.c"))), "-o", str(folder / name)], check=True)
    (folder / "contract.txt").write_text("others allowed\nserver: listening\n")
    return Scenario("98-crowd", folder, folder)


@contextlib.contextmanager
def standing_by(observe: bool = True) -> Iterator[Keeper]:
    """Gives a keeper that has made a run already. A command, too, has its keeper ready while make builds, and uses it for all
    runs."""
    keeper = open_keeper(observe=observe)
    try:
        Conductor(find_all()[0], VirtualClock(), keeper=keeper, observe=observe).run()
        yield keeper
    finally:
        keeper.end()


def deadlock_after_its_last_call() -> float:
    """Returns how many milliseconds pass from the last thing that scenario 2's programs do until their deadlock is proven."""
    run = Conductor(next(s for s in find_all() if s.number == "2"), VirtualClock()).run()
    did = [e.ns for e in run.events] + [c.ns for c in run.calls] + [c.returned_ns for c in run.calls]
    return (max(s.ns for s in run.stop.sockets) - max(did)) / 1e6


def recording(scenario: Scenario, keeper: Keeper) -> float:
    """Returns by which factor a run takes more processor time because the frames of its segments are kept: they are encoded, and
    written to the trace."""
    def cost(act: Callable[[], object]) -> float:
        began = time.process_time()
        act()
        return time.process_time() - began
    runs: "list[Run]" = []
    whole = min(cost(lambda: runs.append(Conductor(scenario, VirtualClock(), keeper=keeper).run())) for _ in range(10 * ROUNDS))
    run = runs[-1]
    frames = [binascii.a2b_base64(one.frame) for one in run.segments]
    bare = replace(run, segments=tuple(replace(one, frame="", data="") for one in run.segments))
    extra = min(cost(lambda: [binascii.b2a_base64(frame, newline=False).decode("ascii") for frame in frames]) for _ in range(10 * ROUNDS))
    with_them, without = (min(cost(lambda: trace.lines(made, "", {})) for _ in range(10 * ROUNDS)) for made in (run, bare))
    return 1 + (extra + max(with_them - without, 0)) / (whole + without)


def long_run(n: int) -> Run:
    """Returns a run of n lines: a client sends n / 2 messages, and a server receives them."""
    events = []
    for i in range(n // 2):
        for at, (who, kind, text) in enumerate((("client", "send", 'sending "x"'), ("server", "recv", 'received "x"'))):
            events.append(Event(2 * i + at, i, who, 100 + at, 100 + at, kind, text, f"{who}.c:1", 4, 1, "", 1))
    return Run("99", "99-long", "virtual", True, False, tuple(events), (), (), (), Stop("over"))


def tell(run: Run) -> None:
    wanted = contracts.parse("others allowed\nclient: sending ... *\n")
    verdict = comparison.judge(run, wanted)
    story.happened(run, verdict)
    words.tell(verdict, run, wanted, reproduce="")
    words.tell(replace(verdict, word="differs"), run, wanted, reproduce="")


def save_to_verdict(folder: Path, saves: int = 20) -> float:
    """Returns how many seconds pass from the moment at which an editor has saved server.c until `make watch-1` has drawn the
    verdict: the median. Each text differs from the one before, so the compiler runs each time."""
    name = "01-break-after-first-message"
    shutil.copytree(ROOT / "scenarios" / name, folder / "scenarios" / name, copy_function=shutil.copy)
    server = folder / "scenarios" / name / "server.c"
    shown = Watched("1", SCENARIOS=str(folder / "scenarios"), BUILD=str(folder / "build"))
    shown.until("check 1", "as expected")
    took = []
    for n in range(2, saves + 2):
        (folder / "new.c").write_text(server.read_text() + f"// {n}\n")
        os.replace(folder / "new.c", server)
        began = time.perf_counter()
        shown.until(f"check {n}", "as expected")
        took.append(time.perf_counter() - began)
    shown.key("q")
    shown.status()
    return statistics.median(took)


def player(run: Run, folder: Path) -> Iterable[Figure]:
    """How long the page of a run takes to open, and to go to another moment, in a browser."""
    if not (shutil.which("chromedriver") and shutil.which("chromium")):
        return
    (folder / "page.html").write_text(page("a long run", [Played(run, "a long run", (), "")]), encoding="utf-8")
    browser = Browser(str(folder / "profile"))
    try:
        browser.open(f"file://{folder}/page.html")
        yield Figure("a run of 10,000 lines is opened in the player", browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000, 1, "s")
        yield Figure("a step in it, median of 50", browser.run("""
            const slider = document.querySelector("input"), took = [];
            for (let n = 1; n <= 50; n++) {
                const began = performance.now();
                slider.value = Math.floor(slider.max * n / 50);
                slider.dispatchEvent(new Event("input"));
                document.body.offsetHeight;     // laid out, too
                took.push(performance.now() - began);
            }
            return took.sort((a, b) => a - b)[25]"""), 50, "ms")
    finally:
        browser.close()


def figures(folder: Path) -> Iterable[Figure]:
    scenarios = find_all()
    build(scenarios)
    yield Figure("check of all scenarios (one process, calls looked at)",
                 best(lambda: subprocess.run([sys.executable, "-m", "harness", "check"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)), 2, "s")
    with standing_by() as keeper:
        for scenario in scenarios:
            if int(scenario.number) <= 8:
                yield Figure(f"one run of {scenario.name}", 1000 * best(lambda: Conductor(scenario, VirtualClock(), keeper=keeper).run()), 50, "ms")
    yield Figure("scenario 2: the proof of its deadlock after its last call", min(deadlock_after_its_last_call() for _ in range(ROUNDS)), 50, "ms")
    first = next(s for s in scenarios if s.number == "1")
    with standing_by() as looking, standing_by(False) as bare:
        ratios = [best(lambda: Conductor(first, VirtualClock(), keeper=looking).run())
                  / best(lambda: Conductor(first, VirtualClock(), keeper=bare, observe=False).run()) for _ in range(ROUNDS)]
    yield Figure("scenario 1: calls looked at, against not", sorted(ratios)[ROUNDS // 2], 2, "times")
    for scenario in scenarios:
        if 1 <= int(scenario.number) <= 8:
            yield Figure(f"explore {scenario.name}, two delays: a schedule", ms_a_schedule(scenario, 2), 10, "ms")
    yield Figure("explore 25 threads on 50 connections: a schedule", ms_a_schedule(crowd(folder), 1, 60), 100, "ms")
    yield Figure("make watch-1: from a save to its verdict, median of 20", save_to_verdict(folder), 0.4, "s")
    run = long_run(10_000)
    yield Figure("a run of 10,000 lines is judged and told", best(lambda: tell(run), 3), 1, "s")
    yield Figure("a run of 10,000 lines is drawn", best(lambda: diagram.draw(run).svg(), 3), 2, "s")
    yield from player(run, folder)
    with standing_by() as keeper:
        yield Figure("gob-stream: processor time with its frames kept, against without", recording(next(s for s in scenarios if s.number == "20"), keeper), 1.1, "times")


def main() -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder)):
            print(figure, flush=True)
            missed += figure.value > figure.most
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
