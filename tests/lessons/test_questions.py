"""Does make predict-N ask what the lesson asks? Each scenario's question.txt is compared with the page: the question and the answers stand
in the section Predict, and what is right and which misconception the others are stands behind Run.
"""
from __future__ import annotations

import re

import pytest

from harness.learn import questions
from harness.learn.questions import QuestionError
from harness.stage.scenarios import ROOT, find_all, misconceptions

OWN = 90
SCENARIOS = {s.name: s for s in find_all() if int(s.number) < OWN}
ASKED = {name: s for name, s in SCENARIOS.items() if (s.folder / "question.txt").exists()}
FIRST = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "20")       # scenarios that must ask


def section(page: str, title: str) -> str:
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def complaints(page: str, asked: questions.Question, number: str) -> "list[str]":
    """In which ways a page and a question do not say the same."""
    before, after = page.partition("\n## Run\n")[0], " ".join(section(page, "Run").split())
    predict = " ".join(section(page, "Predict").split())
    found = [] if section(page, "Predict").lstrip("\n").startswith(f"    make predict-{number}\n") else [f"Predict does not begin with make predict-{number}"]
    found += [] if asked.text in predict else ["the question is another one"]
    shown = dict(re.findall(r"- \*\*([A-D])\*\* (.*?)(?= - \*\*[A-D]\*\*|$)", predict))
    found += [f"answer {one.letter} is another one" for one in asked.answers if not shown.get(one.letter, "").startswith(one.text)]
    found += ["the right answer stands above Run"] if re.search(r"\b[A-D] (is|are) (right|M\d\d)", before) else []
    found += [] if re.search(rf"\b{asked.right.letter} is right\b", after) else [f"Run does not say that {asked.right.letter} is right"]
    told = {letter: code for letters, code in re.findall(r"\b([A-D](?: and [A-D])*) (?:is|are) (M\d\d)", after) for letter in letters.split(" and ")}
    found += [f"answer {one.letter} is {one.code}; the page says {told.get(one.letter)}" for one in asked.answers if one.code and told.get(one.letter) != one.code]
    return found


@pytest.mark.parametrize("name", ASKED)
def test_a_question_and_its_lesson_say_the_same(name):
    asked = questions.load(ASKED[name].folder, misconceptions())
    assert complaints((ROOT / f"lessons/{name}.md").read_text(), asked, ASKED[name].number) == []


def test_the_first_lessons_and_the_last_one_ask():
    assert not set(FIRST) - {name[:2] for name in ASKED}


@pytest.mark.parametrize("old, new", [
    ("    make predict-1\n", ""), ("make predict-1\n", "make predict-2\n"), ("- **A** The write fails", "- **A** The write might fail"),
    ("and then reads. What does it see?", "and then reads. What now?"), ("\nC is right.", "\nD is right."), ("A is M10", "A is M03"),
    ("Write down your letter", "C is right. Write down your letter")])
def test_a_page_that_says_something_else_is_refused(old, new):
    page = (ROOT / "lessons/01-break-after-first-message.md").read_text()
    assert old in page
    assert complaints(page.replace(old, new, 1), questions.load(SCENARIOS["01-break-after-first-message"].folder), "1") != []


GOOD = """# a comment
question: How many?
question: Say a number.
A: One.
    M01: No.
B: Two: a pair.
    right: Yes,
    right: since it is so.
C: Three.
    M02: No.
D: Four.
    M01: No.
"""


def test_a_question_is_read():
    asked = questions.parse(GOOD)
    assert asked.text == "How many? Say a number." and [one.code for one in asked.answers] == ["M01", "", "M02", "M01"]
    assert (asked.right.letter, asked.right.text, asked.right.why) == ("B", "Two: a pair.", "Yes, since it is so.")


@pytest.mark.parametrize("old, new, words", [
    ("question: How many?\nquestion: Say a number.\n", "", "question.txt:2: an answer before the question"),
    ("A: One.\n", "A: One.\nwhat\n", "question.txt:5: a line is a word, a colon and a text"),
    ("A: One.\n", "A:\n", "question.txt:4: a line is a word"),
    ("    M01: No.\nB", "B", "question.txt:5: answer A has no reason"),
    ("B: Two", "C: Two", 'question.txt:6: "C:" is not what may come here'),
    ("    M02: No.\n", "    M2: No.\n", 'question.txt:10: "M2" is neither "right" nor the code'),
    ("    M02: No.\n", "    M77: No.\n", "question.txt:10: lessons/misconceptions.md has no M77; it has M01, M02"),
    ("    M02: No.\n", "    right: Yes.\n", "question.txt:9: 2 answers are right"),
    ("    right: Yes,\n    right: since it is so.\n", "    M01: No.\n", "question.txt: no answers are right"),
    ("    right: since it is so.\n", "    M01: No.\n", "question.txt:8: answer B has two sorts of reasons"),
    ("D: Four.\n    M01: No.\n", "", "question.txt: no answer D"),
    ("D: Four.\n    M01: No.\n", "D: Four.\n", "question.txt: answer D has no reason"),
    ("question: How many?", "    right: too early\nquestion: How many?", "question.txt:2: a reason before any answer"),
])
def test_a_broken_question_is_refused_with_its_place(old, new, words):
    assert old in GOOD
    with pytest.raises(QuestionError) as error:
        questions.parse(GOOD.replace(old, new), "question.txt", {"M01", "M02"})
    assert str(error.value).startswith(words)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "question.txt").write_bytes(b"question: a\n\xff\n")
    with pytest.raises(QuestionError, match=r"question\.txt:2: not UTF-8"):
        questions.load(tmp_path)
    (tmp_path / "question.txt").write_bytes(b"#" * (questions.SIZE_MAX + 1))
    with pytest.raises(QuestionError, match="more than"):
        questions.load(tmp_path)
    (tmp_path / "question.txt").unlink()
    assert questions.load(tmp_path) is None
    (tmp_path / "question.txt").mkdir()
    with pytest.raises(QuestionError, match="no regular file"):
        questions.load(tmp_path)
