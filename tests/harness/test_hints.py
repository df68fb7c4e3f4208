"""Three hints for a difference, one more each time, the gentlest first, and never the answer."""
from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

import changes
from changes import ask
from harness.judge.contract import parse
from harness.learn import hints
from harness.stage import scenarios
from harness.stage.scenarios import ROOT


@pytest.fixture
def lab(tmp_path, monkeypatch) -> changes.Lab:
    made = changes.Lab(tmp_path, tmp_path / "build", ["04-half-close", "06-short-reads"])
    monkeypatch.setenv("SCENARIOS", str(made.scenarios))
    monkeypatch.setenv("BUILD", str(made.build))
    return made


def change(lab: changes.Lab, mutant: str) -> str:
    text = (ROOT / "scenarios" / mutant).read_text()
    changes.apply(text, lab.scenarios)
    return text


def given(number: str) -> str:
    """The hint that the command gives now, "" if none."""
    status, out, err = ask("hint", number)
    assert (status, err) == (0, "")
    return "\n".join(re.findall(r"^hint \d of \d: (.*)$", out, re.MULTILINE))


def test_each_time_there_is_one_more_and_then_all_again(lab):
    change(lab, "04-half-close/mutants/M05-no-shutdown.diff")
    found = [given("4") for _ in range(3)]
    assert len(set(found)) == 3 and all(text.count("\n") == 0 for text in found)
    assert given("4").splitlines() == found


def test_another_difference_has_hints_of_its_own(lab):
    change(lab, "04-half-close/mutants/M05-no-shutdown.diff")
    given("4")
    client = lab.scenarios / "04-half-close/client.c"
    client.write_text(client.read_text().replace('event("connecting")', 'event("dialling")'))
    assert "hint 1 of" in ask("hint", "4")[1]


def test_hints_are_forgotten_when_the_scenario_is_as_expected(lab):
    client = lab.scenarios / "04-half-close/client.c"
    right = client.read_text()
    change(lab, "04-half-close/mutants/M05-no-shutdown.diff")
    first, wrong = given("4"), client.read_text()
    client.write_text(right)
    assert given("4") == "" and "as expected" in ask("check", "4")[1]
    client.write_text(wrong)
    assert given("4") == first


@pytest.mark.parametrize("mutant", ["04-half-close/mutants/M05-no-shutdown.diff", "04-half-close/mutants/M06-close-for-shutdown.diff",
                                    "06-short-reads/mutants/M07-insist.diff", "06-short-reads/mutants/leak.diff"])
def test_no_hint_is_the_answer(lab, mutant):
    removed = [line[1:].strip() for _, lines in changes.places(change(lab, mutant)) for line in lines if line.startswith("-")]
    calls = {call for line in removed for call in re.findall(r"\b([a-z_]+\([^()]*\))", line)}
    found = [given(mutant[1]) for _ in range(3)]
    assert calls and not any(call in text for call in calls for text in found)


def test_a_broken_file_of_hints_begins_them_anew(lab):
    change(lab, "04-half-close/mutants/M05-no-shutdown.diff")
    first = given("4")
    for text in ("", "x y z", "9", "\0\n", "2 another difference"):
        (lab.build / "hints/04-half-close.txt").write_text(text)
        assert given("4") == first


def test_every_kind_of_difference_has_a_question():
    from harness.tell import words
    assert set(words._SENTENCES) - {"free"} == set(hints.QUESTIONS)
    assert all(len(text.split()) <= 25 for text in hints.QUESTIONS.values())


def test_where_only_the_line_is_missing_the_question_is_where_it_stands(lab):
    client = lab.scenarios / "06-short-reads/client.c"
    client.write_text(client.read_text().replace('    event("reading data, 1 byte at most");\n', ""))
    assert [given("6") for _ in range(2)][1].endswith('The client did what that line tells. Where in its program is the line "reading data, 1 byte at most" to stand?')


def test_where_a_line_has_another_text_the_question_is_where_the_text_comes_from(lab):
    client = lab.scenarios / "06-short-reads/client.c"
    client.write_text(client.read_text().replace('"hello"', '"hallo"'))
    assert [given("6") for _ in range(2)][1].endswith("Both lines begin alike. Where does the client's program take the rest of its line from?")


def test_what_does_not_build_has_the_compilers_words_and_no_hint(lab):
    (lab.scenarios / "04-half-close/client.c").write_text("int main(\n")
    status, out, err = ask("hint", "4")
    assert status == 2 and out == "" and "client.c:1" in err and "hint" not in err.replace("make hint", "")


def test_without_a_contract_there_is_nothing_to_hint_at(lab):
    (lab.scenarios / "04-half-close/contract.txt").unlink()
    assert "no contract" in ask("hint", "4")[1]
    assert scenarios.find("4").load_contract() is None


def test_a_hint_in_an_exercise_leads_to_the_exercises_contract():
    difference = SimpleNamespace(blocked=None, observed=None, witnesses=(), line=1, who="client")
    for path, shown in (("scenarios/00-anatomy/exercises/a/contract.txt", "exercises/a/contract.txt"), ("scenarios/00-anatomy/contract.txt", "contract.txt")):
        assert f"Look at line 1 of {shown}." in hints._where(difference, None, parse("client: a", path))
