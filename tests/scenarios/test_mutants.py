"""Does the lab answer each misconception with its own hint? Programs that hold one are run, and the verdict is read.

A mutant is a scenario with a small change that a holder of the misconception would make: scenarios/NN-name/mutants/MXX-slug.diff,
in the form that changes.py describes. The scenario as it is keeps its contract (contract_items.py); the mutant leaves it, at a line whose hint
begins with the misconception's code. So hints are tested like code.  (test_corpus.py has the other mutants.)

Each check returns its complaints, one a line; none is good.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Container, Iterable

import pytest

from changes import Lab, apply, places
from harness.judge import contract as contracts
from harness.stage.scenarios import ROOT, find_all

MUTANTS = sorted((ROOT / "scenarios").glob("*/mutants/M[0-9][0-9]-*.diff"))
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
    strangers = {str(file.parent) for file, _ in places(change)} - {f"scenarios/{path.parents[1].name}"}
    return found + [f"changes {folder}, and stands in {path.parents[1].name}/" for folder in sorted(strangers)]


def run_complaints(path: Path, folder: Path, build: Path) -> list[str]:
    """Changed so, the scenario leaves its contract, and both forms of the verdict show this code's hint and no other's."""
    code, name = path.name[:3], path.parents[1].name
    lab = Lab(folder, build, [name], bare=True)
    apply(path.read_text(), lab.scenarios)
    shown = lab.show("check", name)
    hints = [hint for difference in shown.verdict["differences"][:1] for hint in difference["hints"]]
    found = [] if shown.status == shown.verdict["status"] == 1 else [f"status {shown.status}, and {shown.verdict['status']} in the trace; not 1"]
    for words, codes in (("the verdict", codes_in(shown.text)), ("its trace", codes_in("\n".join(hints)))):
        found += [] if codes == [code] else [f"{words} shows the hints of {codes or 'none'}, and not that of {code}"]
    return found


def codes_in(text: str) -> list[str]:
    """The codes of the hints among these lines."""
    return re.findall(r"^(M\d\d): ", text, re.M)


def _id(path: Path) -> str:
    return f"{path.parents[1].name}/{path.stem}"


@pytest.mark.parametrize("path", MUTANTS, ids=_id)
def test_a_mutant_is_a_small_change_of_its_scenario(path):
    assert form_complaints(path) == []


@pytest.mark.parametrize("path", MUTANTS, ids=_id)
def test_a_mutant_fails_with_its_own_code(path, tmp_path, programs):
    assert run_complaints(path, tmp_path, programs) == []


@pytest.mark.parametrize("file, old, new, words", [
    ("05-glued-writes/server.c", "n <= 0", "n < 0", ["runaway: more than 10000 lines were logged", "\nEOF stays: "]),
    ("07-unfinished-line/server.c", "got != 1", "got < 0", ["runaway: more than 10000 lines were logged", "\nEOF stays: "]),
    ("06-short-reads/server.c", "have < sizeof buf", "have > sizeof buf",
     ['differs: the server never said "reading data, 5 bytes at most"; it said \'together "hello"\' instead']),
    ("20-gob-stream/client.c", '{"Text", ', '{"text", ', ["\n  stderr  client  client.c:33: field text: Go sees only names that begin with a capital"]),
])
def test_a_slip_is_told_so_that_one_can_go_on(file, old, new, words, tmp_path, programs):
    name = file.partition("/")[0]
    lab = Lab(tmp_path, programs, [name], bare=True)
    source = lab.scenarios / file
    assert source.read_text().count(old) == 1
    source.write_text(source.read_text().replace(old, new))
    told = lab.show("check", name)
    assert told.status == 1 and all(word in told.text for word in words), told.text


# --- the page that lists them ----------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Entry:
    """One misconception: as a believer says it, the scenarios that show it, its mutants ("04-half-close/M05-slug")."""

    code: str
    belief: str
    shown: tuple[str, ...]
    mutants: tuple[str, ...]
    body: str


def entries(page: str) -> list[Entry]:
    found = []
    for code, body in re.findall(r"^## (M\d\d)\n(.*?)(?=^## |\Z)", page, re.M | re.S):
        belief = re.match(r'\s*"([^"\n]+)"\n', body)
        shown, _, mutants = body.partition("Shown by: ")[2].partition("Mutants: ")
        found.append(Entry(code, belief[1] if belief else "", tuple(re.findall(r"\]\((\d\d-[\w-]+)\.md\)", shown)),
                           tuple(re.findall(r"`([\w/-]+)`", mutants)), body))
    return found


def page_complaints(page: str, mutants: Iterable[str], codes: Iterable[str], scenarios: Container[str]) -> list[str]:
    """Every misconception that a scenario of these shows has two mutants, the listed ones and those that exist are the same,
    and the hints have no other codes. Entries of scenarios that are not there (yet) are let be."""
    listed, mutants = entries(page), set(mutants)
    found = [f"{code}: no entry" for code in sorted({*codes, *map(_code, mutants)} - {e.code for e in listed})]
    if [e.code for e in listed] != sorted({e.code for e in listed}):
        found.append("the entries are not in the order of their codes, each once")
    for entry in listed:
        mine = {name for name in mutants if _code(name) == entry.code}
        told = {name for name in entry.mutants if name.partition("/")[0] in scenarios}
        found += [f"{entry.code}: no {what}" for what, there in (
            ("belief in quotes", entry.belief), ("scenario that shows it", entry.shown), ("source", re.search("RFC|POSIX", entry.body))) if not there]
        if len(mine) < 2 and any(name in scenarios for name in entry.shown):
            found.append(f"{entry.code}: {len(mine)} mutants; two are the least")
        found += [f"{entry.code}: {name}: is not listed" for name in sorted(mine - told)]
        found += [f"{entry.code}: {name}: there is no such mutant" for name in sorted(told - mine)]
        found += [f"{entry.code}: {name}: its scenario is not one that shows it" for name in sorted(mine)
                  if name.partition("/")[0] not in entry.shown]
    return found


def _code(mutant: str) -> str:
    return mutant.partition("/")[2][:3]


def hint_codes() -> set[str]:
    """The codes in the hints of all contracts."""
    statements = [said for scenario in find_all() for said in scenario.load_contract().statements]
    return {contracts.code_of([hint]) for said in statements for hint in said.hints} - {""}


def test_each_misconception_is_listed_with_its_mutants_and_has_two():
    assert MUTANTS and hint_codes()
    assert page_complaints(PAGE.read_text(), map(_id, MUTANTS), hint_codes(), SCENARIOS) == []


# --- negative controls: each check refuses what is wrong -------------------------------------------------------------

def _mutant(tmp_path: Path, change: str, name: str = "M06-made-up") -> Path:
    path = tmp_path / "04-half-close" / "mutants" / f"{name}.diff"
    path.parent.mkdir(parents=True)
    path.write_text("--- scenarios/04-half-close/client.c\n" + change)
    return path


def _known(name: str) -> str:
    return (ROOT / "scenarios/04-half-close/mutants" / f"{name}.diff").read_text().partition(".c\n")[2]


@pytest.mark.parametrize("change, name, words", [
    ("     event(\"connecting\");\n", "M06-nothing", "0 changed lines"),
    ("+// a comment\n" * 7, "M06-large", "7 changed lines"),
    ("-// a comment\n", "m6-a-name", "is not called MXX-slug.diff"),
    ("--- scenarios/02-no-break-deadlock/client.c\n+// a comment\n", "M06-a-stranger", "changes scenarios/02-no-break-deadlock")])
def test_a_mutant_of_another_form_is_refused(change, name, words, tmp_path):
    assert any(words in line for line in form_complaints(_mutant(tmp_path, change, name)))


@pytest.mark.parametrize("change, words", [
    ("-    event(\"connecting\");\n+    event(\"connecting\"); // no mutant\n", ["status 0", "hints of none"]),
    ("+// a mutant of another misconception\n" + _known("M05-no-shutdown"), ["M05"]),
    ("-    event(\"connecting\");\n+    event(\"calling\");\n", ["hints of none"])],
    ids=["one that changes nothing", "one of another misconception", "one at a line without a hint"])
def test_a_mutant_that_is_none_is_refused(change, words, tmp_path, programs):
    complaints = run_complaints(_mutant(tmp_path, change), tmp_path, programs)
    assert all(any(word in line for line in complaints) for word in words)


@pytest.mark.parametrize("change, words", [
    ("-    event(\"connecting to the server\");\n", "0 places that read"),
    ("-    event(\"connecting\");\n+    event(\"connecting\")\n", "does not build")])
def test_a_mutant_that_does_not_fit_or_does_not_build_is_refused(change, words, tmp_path, programs):
    with pytest.raises(AssertionError, match=words):
        run_complaints(_mutant(tmp_path, change), tmp_path, programs)


@pytest.mark.parametrize("doctor, words", [
    (lambda page: page.replace("## M05", "## M55"), "M05: no entry"),
    (lambda page: page.replace("`04-half-close/M06-close-for-shutdown`, ", ""), "M06-close-for-shutdown: is not listed"),
    (lambda page: page.replace("M06-close-for-shutdown", "M06-open"), "M06-open: there is no such mutant"),
    (lambda page: page.replace("04-half-close.md", "02-no-break-deadlock.md"), "its scenario is not one that shows it"),
    (lambda page: page.replace('"close is', "close is"), "M06: no belief in quotes"),
    (lambda page: page.replace("RFC", "rfc").replace("POSIX", "posix"), "M06: no source"),
    (lambda page: page + page, "each once"),
    (lambda page: page + "\n## M99\n\n\"all is well\"\n\nRFC 1149.\n\nShown by: [4](04-half-close.md).\n", "M99: 0 mutants")])
def test_a_doctored_page_is_refused(doctor, words):
    page = PAGE.read_text()
    found = page_complaints(doctor(page), map(_id, MUTANTS), hint_codes(), SCENARIOS)
    assert doctor(page) != page and any(words in line for line in found)
