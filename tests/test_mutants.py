"""Does the lab answer each misconception with its own hint? Programs that hold one are run, and the verdict is read.

A mutant is a scenario with a small change that a holder of the misconception would make: tests/mutants/NN-name/MXX-slug.diff,
in the form that changes.py describes. The scenario as it is keeps its contract; the mutant leaves it, at a line whose hint
begins with the misconception's code. So hints are tested like code.

Each check returns its complaints, one a line; none is good.
"""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from changes import Lab, places
from changes import apply as make
from harness import contract as contracts
from harness.scenarios import ROOT, find_all

MUTANTS = sorted((ROOT / "tests" / "mutants").glob("*/*.diff"))
SCENARIOS = [s.name for s in find_all()]
CHANGED_MAX = 6     # lines that a mutant takes away or adds
PAGE = ROOT / "lessons" / "misconceptions.md"


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """Where this module's programs are built."""
    return tmp_path_factory.mktemp("programs") / "build"


# --- a mutant --------------------------------------------------------------------------------------------------------

def form_complaints(path: Path) -> list[str]:
    """The name has a code, the change is small, and it changes this folder's scenario only."""
    change = path.read_text()
    changed = [line for _, lines in places(change) for line in lines if line[:1] in ("-", "+")]
    found = [] if re.fullmatch(r"M\d\d-[a-z0-9-]+\.diff", path.name) else [f"{path.name}: is not called MXX-slug.diff"]
    found += [] if 0 < len(changed) <= CHANGED_MAX else [f"{len(changed)} changed lines; 1 to {CHANGED_MAX} make a mutant"]
    strangers = {str(file.parent) for file, _ in places(change)} - {f"scenarios/{path.parent.name}"}
    return found + [f"changes {folder}, and stands in {path.parent.name}/" for folder in sorted(strangers)]


def run_complaints(path: Path, folder: Path, build: Path) -> list[str]:
    """Changed so, the scenario leaves its contract, and both forms of the verdict show this code's hint and no other's."""
    code, name = path.name[:3], path.parent.name
    lab = Lab(folder, build, [name])
    make(path.read_text(), lab.scenarios)
    plain, as_json = lab.show("check", name), lab.show("check", name, "--json")
    verdict = json.loads(as_json.text)
    hints = [hint for difference in verdict["differences"][:1] for hint in difference["hints"]]
    found = [] if plain.status == as_json.status == 1 else [f"status {plain.status}, and {as_json.status} of the JSON; not 1"]
    for words, codes in (("the verdict", codes_in(plain.text)), ("its JSON", codes_in("\n".join(hints)))):
        found += [] if codes == [code] else [f"{words} shows the hints of {codes or 'none'}, and not that of {code}"]
    return found


def codes_in(text: str) -> list[str]:
    """The codes of the hints among these lines."""
    return re.findall(r"^(M\d\d): ", text, re.M)


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", MUTANTS, ids=_id)
def test_a_mutant_is_a_small_change_of_its_scenario(path):
    assert form_complaints(path) == []


@pytest.mark.parametrize("path", MUTANTS, ids=_id)
def test_a_mutant_fails_with_its_own_code(path, tmp_path, programs):
    assert run_complaints(path, tmp_path, programs) == []


@pytest.mark.parametrize("name", sorted({path.parent.name for path in MUTANTS}))
def test_the_original_of_a_mutant_passes(name, tmp_path, programs):
    assert Lab(tmp_path, programs, [name]).show("check", name).status == 0
