"""Casts that are more than a client and a server: each folder of stages/ is played, and must keep its contract."""
from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.judge import comparison as judge
from harness.judge import contract
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import ROOT, Scenario
from harness.tell import words
from once import once
from pairs import lent
import started

STAGES = sorted(folder.name for folder in (ROOT / "tests/harness/stages").iterdir())
NEEDS_ITS_OWN_NETWORK = ("sysctl",)
RUNS = 2


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The stages as scenarios of a lab of their own, built by the Makefile."""
    return once(tmp_path_factory, "stages", make_stages)


def make_stages(lab: Path) -> None:
    for number, name in enumerate(STAGES, 50):
        shutil.copytree(ROOT / "tests/harness/stages" / name, lab / "scenarios" / f"{number}-{name}")
    subprocess.run(["make", "-s", "-j2", f"SCENARIOS={lab / 'scenarios'}", f"BUILD={lab / 'build'}", "WERROR=1", "all"], cwd=ROOT, check=True)


def scenario(lab: Path, name: str) -> Scenario:
    full = f"{50 + STAGES.index(name)}-{name}"
    return Scenario(full, lab / "scenarios" / full, lab / "build" / full)


def play(made: Scenario, rules: str = "contract.txt", isolate: bool = True):
    wanted = contract.load(made.folder / rules, made.stage.names)
    run = Conductor(made, VirtualClock(), keeper=lent(isolate)).run()
    verdict = judge.judge(run, wanted)
    return run, verdict, words.tell(verdict, run, wanted, reproduce=f"make check-{made.number}")


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_keeps_its_contract(name, isolate, built):
    for _ in range(RUNS):
        run, verdict, told = play(scenario(built, name), isolate=isolate)
        if name in NEEDS_ITS_OWN_NETWORK and not run.isolated:
            pytest.skip("needs a network of its own")
        if name == "deferred" and not run.observed:
            pytest.skip("needs the observed calls")
        assert verdict.word == "as expected", told


def test_an_eof_that_a_helper_brought_is_not_the_parents_doing(built):
    run, verdict, told = play(scenario(built, "deferred"), "luck.txt")
    if not run.observed:
        pytest.skip("needs the observed calls")
    assert (verdict.word, verdict.differences[0].kind) == ("differs", "luck"), told
    assert "nothing guarantees" not in told


def test_each_start_is_told_with_what_it_waited_for(built):
    run, _, _ = play(scenario(built, "three-in-turn"))
    assert [start.who for start in run.starts] == ["server", "client", "client", "client"]
    gone = {ending.seq: ending.pid for ending in run.endings if ending.who == "client"}
    clients = [start for start in run.starts if start.who == "client"]
    for before, after in zip(clients, clients[1:]):
        assert before.pid in {gone[place] for place in after.after if place in gone}


def test_a_program_whose_start_never_comes_is_told(built, tmp_path):
    made = scenario(built, "three-at-once")
    folder = tmp_path / made.name
    shutil.copytree(made.folder, folder)
    (folder / "stage.txt").write_text("late: program client\nlate: starts after client: nobody says this\n")
    changed = Scenario(made.name, folder, made.build)
    run = Conductor(changed, VirtualClock(), keeper=lent()).run()
    assert any(note.startswith("the late was not started") and "stage.txt" in note for note in run.notes), run.notes
    assert run.stop.kind in ("over", "waiting")


def test_a_broken_stage_is_the_stages_fault_and_not_the_labs(built, tmp_path):
    made = scenario(built, "relay")
    shutil.copytree(made.folder, tmp_path / "scenarios" / made.name)
    (tmp_path / "scenarios" / made.name / "stage.txt").write_text("relay: listens on 8081\nrelay: dances\n")
    done = started.run("check", made.number, SCENARIOS=str(tmp_path / "scenarios"), BUILD=str(built / "build"))
    assert done.returncode == 2
    assert "stage.txt:2:" in done.stderr and "lab error" not in done.stderr


def test_the_default_cast_is_a_server_and_a_client(built):
    made = scenario(built, "deferred")
    assert made.stage.names == ("server", "client")
    assert dataclasses.astuple(made.stage.roles()[0])[:2] == ("server", True)
