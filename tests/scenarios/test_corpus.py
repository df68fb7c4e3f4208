"""Small wrong changes that beginners and hurried engineers make: is each refused, at its own place, and in words that are true?

A mutant is a scenario with one such change: scenarios/NN-name/mutants/slug.diff, in the form that changes.py describes. (Those that a
misconception leads to are called MXX-slug.diff; test_mutants.py has them.) corpus.tsv says of each what the verdict must be: its word, the
file that is told first, a finding of the run (`-` for none), and words of the verdict. Mutants that a run can't show are `as expected`.
`a.c|b.c` is a race between the programs: luck decides which of them is told first.
"""
from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from changes import Lab, apply
from harness.judge import findings
from harness.stage.scenarios import ROOT

TABLE = Path(__file__).with_name("corpus.tsv")
ROWS = list(csv.DictReader(TABLE.open(encoding="utf-8"), delimiter="\t", restval="-"))
CORPUS = sorted(f"{path.parents[1].name}/{path.stem}" for path in (ROOT / "scenarios").glob("*/mutants/*.diff") if not re.match(r"M\d\d-", path.name))

# What no verdict and no story may say, whatever the run: claims that rest on a log line alone.
CLAIMS = ("It was there:", "{late}", "{early}", "waits in  ", "so some bytes were sent without a line")


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """Where this module's programs are built, one after the other."""
    return tmp_path_factory.mktemp("programs") / "build"


def _name(row: "dict[str, str]") -> str:
    return row["mutant"]


def test_the_table_and_the_folders_have_the_same_mutants():
    assert sorted(map(_name, ROWS)) == CORPUS


@pytest.mark.parametrize("row", ROWS, ids=_name)
def test_a_mutant_is_told_as_the_table_says(row, tmp_path, programs, monkeypatch):
    if row["word"] == "runaway":
        monkeypatch.setattr("harness.stage.limits.SPIN", 1.0)       # the verdict is the same after five seconds of processor time
    scenario, _, slug = row["mutant"].partition("/")
    lab = Lab(tmp_path, programs, [scenario], bare=True)
    apply((ROOT / "scenarios" / scenario / "mutants" / f"{slug}.diff").read_text(), lab.scenarios)
    shown = lab.show("check", scenario)
    place = re.search(r"scenarios/[\w-]+/((?:[\w-]+/)?[\w.]+):\d+", shown.text)
    word = re.match(r"(?:\d[\w-]+: )?([a-z ]+)", shown.text)
    assert word and word[1] == row["word"] and (place[1] if place else "-") in row["file"].split("|"), shown.text
    assert not [claim for claim in CLAIMS if claim in shown.text], shown.text
    assert row["says"] == "-" or row["says"] in " ".join(shown.text.split()), shown.text
    codes = {one.code for one in findings.find(shown.run)}
    assert row["finding"] in ("-", *codes), codes
