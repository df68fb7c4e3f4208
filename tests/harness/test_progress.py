"""Is what a learner did kept once, read back, and lost by nothing?"""
from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

import changes
from changes import ask
from harness.learn import progress
from harness.stage.scenarios import ROOT


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


def test_a_fact_is_kept_once(build):
    for _ in range(2):
        progress.note(build, "ran", "02")
        progress.note(build, "passed", "02a")
    assert (build / "progress.txt").read_text() == "ran 02\npassed 02a\n"
    known = progress.read(build)
    assert known.has("ran", "02") and known.has("passed", "02a") and not known.has("predicted", "02") and known.broken == ()


def test_many_writers_at_once_lose_nothing_and_write_nothing_twice(build):
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda n: progress.note(build, "ran", f"{n % 40:02}"), range(400)):
            pass
    assert sorted((build / "progress.txt").read_text().split("\n")) == sorted(["", *(f"ran {n:02}" for n in range(40))])


@pytest.mark.parametrize("line", ["ran two", "ran 2", "passed 02", "ran 02a", "run 02", "\x1b[31m", "ran 02 ran 03", "\udcff"])
def test_a_broken_line_costs_that_line_and_is_told_in_one(build, line):
    build.mkdir()
    (build / "progress.txt").write_bytes(f"ran 01\n{line}\n# mine\n\npassed 01b".encode("utf-8", "surrogateescape"))
    known = progress.read(build)
    assert known.facts == {"ran 01", "passed 01b"}
    assert [re.sub("^.*progress.txt", "", words)[:3] for words in known.broken] == [":2:"] and "\n" not in known.broken[0]
    progress.note(build, "ran", "03")       # the last line had no end
    assert progress.read(build).facts == {"ran 01", "passed 01b", "ran 03"}


def test_where_it_cannot_be_written_nothing_happens(build):
    build.parent.joinpath("build").write_text("a file")
    progress.note(build, "ran", "02")
    assert progress.read(build).facts == frozenset()


def test_a_fifo_in_its_place_is_told_and_not_waited_for(build):
    build.mkdir()
    os.mkfifo(build / "progress.txt")
    progress.note(build, "ran", "02")
    assert "no regular file" in progress.read(build).broken[0]


def test_the_command_tells_each_lesson_and_what_comes_next(build, tmp_path, monkeypatch):
    lab = changes.Lab(tmp_path / "lab", build, ["02-no-break-deadlock", "04-half-close"])
    monkeypatch.setenv("SCENARIOS", str(lab.scenarios))
    assert "\nnext: make predict-2   lesson: lessons/02-no-break-deadlock.md\n" in ask("progress")[1]
    for what, number, then in (("predicted", "02", "make scenario-2"), ("ran", "02", "make (exercise-2a|predict-4)")):
        progress.note(build, what, number)
        assert re.search(f"^next: {then} ", ask("progress")[1], re.MULTILINE)
    for letter in "abcdefgh":
        progress.note(build, "passed", f"02{letter}")
    status, out, err = ask("progress")
    assert (status, err) == (0, "") and re.search(r"^02  no-break-deadlock  yes        yes", out, re.MULTILINE)
    assert re.search(r"^04  half-close         -          -    \. \. \.$", out, re.MULTILINE) and "next: make predict-4 " in out
    for fact in (("predicted", "04"), ("ran", "04"), ("passed", "04a"), ("passed", "04b"), ("passed", "04c")):
        progress.note(build, *fact)
    assert "All lessons are done." in ask("progress")[1] and " a b c\n" in ask("progress")[1]


def test_the_command_tells_a_broken_line_and_goes_on(build):
    build.mkdir()
    (build / "progress.txt").write_text("nonsense\nran 00\n")
    status, out, err = ask("progress")
    assert status == 0 and err.count("\n") == 1 and "progress.txt:1: 'nonsense' says nothing" in err
    assert re.search(r"^00  anatomy +- +yes", out, re.MULTILINE)


def test_all_lessons_fit_a_terminal(build):
    lines = ask("progress")[1].splitlines()
    assert max(map(len, lines)) < 80 and len(lines) > len(list((ROOT / "lessons").glob("[0-9]*.md")))


def test_a_run_is_noted_and_a_check_is_not(build, tmp_path, monkeypatch):
    lab = changes.Lab(tmp_path / "lab", build, ["02-no-break-deadlock"])
    lab.show("check", "2")
    assert not progress.read(build).facts
    lab.show("run", "2")
    assert progress.read(build).facts == {"ran 02"}
