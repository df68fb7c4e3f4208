"""Has each question of the quiz exactly one right answer, and is it the one that the quiz takes for right?

Every kind is asked QUESTIONS times over real runs, and each question is answered a second way: of a table of segments, every value that
the blank could have is tried in a small model of two kernels; orders are those that the contract lists; what the kernels hold is derived
from the calls and the segments, while the quiz asked the kernel for its sockets.
"""
from __future__ import annotations

import dataclasses
import itertools
import random
import re
import signal
import subprocess

import pytest

from harness.cli.quiz import Quiz
from harness.explore.schedules import Delays, parse
from harness.judge.contract import Line
from harness.judge.moments import moments
from harness.learn.quiz import KINDS, fields
from harness.learn.quiz.asked import Asked
from harness.learn.quiz.seen import Runs
from harness.stage.build import build
from harness.stage.conductor import Conductor
from harness.stage.scenarios import find
from pairs import lent
import started
from terminal import Terminal

QUESTIONS = 500
NUMBERS = ("1", "2", "3", "4", "5", "6", "8", "9")
DELAYS = 2          # runs of each scenario with one delay, besides the one without


@pytest.fixture(scope="module")
def seen():
    """The runs that are asked about."""
    scenarios = [find(number) for number in NUMBERS]
    build(scenarios)
    runs, chance = Runs(lent), random.Random(1)
    return [runs.of(scenario, schedule) for scenario in scenarios
            for schedule in ((), *((place,) for place in chance.sample(runs.places(scenario), DELAYS)))]


@pytest.fixture(scope="module")
def asked(seen):
    """{kind: QUESTIONS questions, each with the run that it is about}"""
    chance, found = random.Random(2), {}
    for kind, ask in KINDS.items():
        found[kind] = []
        while len(found[kind]) < QUESTIONS:
            one = chance.choice(seen)
            question = ask(one, chance)
            if question is not None:
                found[kind].append((one, question))
    return found


def shown(asked: Asked) -> str:
    return "\n".join(asked.lines)


def different(questions) -> int:
    return len({question.lines for _, question in questions})


# --- field: every value is tried in a model --------------------------------------------------------------------------

def rows_of(text: str) -> "list[list[str]]":
    """The cells of the table, as the learner sees them."""
    return [[m[1], m[2].strip(), m[3], m[4], m[5]] for line in text.splitlines()
            if (m := re.fullmatch(r"    (client|server) +(\?|[A-Z ]+?) +(\?|\d+) +(\?|\d+) +(\?|\d+|-)", line))]


def keeps_the_rules(rows) -> bool:
    """Two kernels that send these segments, each of which arrives before the next: do all numbers fit?"""
    sent, got = {"client": 0, "server": 0}, {"client": 0, "server": 0}
    for sender, flags, first, length, ack in rows:
        other = "server" if sender == "client" else "client"
        acks = "ACK" in flags
        opens = "SYN" in flags
        if int(first) != sent[sender] or (ack != "-") != acks or acks and int(ack) != got[sender] or opens != (sent[sender] == 0) or opens and int(length):
            return False
        if "RST" in flags:
            continue
        if not opens and acks is False:
            return False
        sent[sender] = got[other] = int(first) + int(length) + opens + ("FIN" in flags)
    return True


def answers(question: Asked) -> "list[str]":
    """All answers under which the table keeps the rules."""
    rows = rows_of(shown(question))
    (n, cell), = [(n, cell) for n, row in enumerate(rows) for cell, text in enumerate(row) if text == "?"]
    tried = {str(i): flags for i, flags in enumerate(fields.FLAGS, 1)} if cell == 1 else {str(i): str(i) for i in range(400)}
    return [answer for answer, value in tried.items() if keeps_the_rules([row if i != n else [*row[:cell], value, *row[cell + 1:]] for i, row in enumerate(rows)])]


def test_a_blank_field_has_one_value_that_fits(asked):
    for _, question in asked["field"]:
        assert answers(question) == [question.answer], shown(question)
    assert different(asked["field"]) > 100 and {q.form for _, q in asked["field"]} == {"choice", "number"}


def test_the_only_bare_acknowledgement_of_a_table_is_the_one_that_its_words_name(asked):
    for _, question in asked["field"]:
        bare = [n for n, row in enumerate(rows_of(shown(question))) if row[1] == "ACK" and row[3] == "0"]
        assert not bare or bare == [2] and "except the one that completes the connection" in " ".join(question.lines), shown(question)


def test_a_table_with_a_wrong_number_is_refused_by_the_model(asked):
    _, question = next((s, q) for s, q in asked["field"] if q.form == "number")
    rows = [row for row in rows_of(shown(question))]
    assert not keeps_the_rules([[cell.replace("?", str(int(question.answer) + 1)) for cell in row] for row in rows])


# --- shuffled, possible: what the contract lists ---------------------------------------------------------------------

class Listed:
    """What a contract lists: each program's lines in their order, and the lines that `after` names."""

    def __init__(self, one) -> None:
        contract = one.scenario.load_contract()
        plan, lines = contract.plans[0], [s for s in contract.statements if isinstance(s, Line)]
        self.before: "dict[int, set[int]]" = {line.number: set() for line in lines}
        for who in contract.whos:
            mine = [line.number for line in lines if line.who == who]
            for early, late in zip(mine, mine[1:]):
                self.before[late].add(early)
        for line in lines:
            self.before[line.number] |= {plan.named(ref).number for ref in line.after if not ref.clock}
        self.number = {str(line): line.number for line in lines}

    def forces(self, early: str, late: str) -> bool:
        todo, found = [self.numbered(late)], set()
        while todo:
            for number in self.before[todo.pop()] - found:
                found.add(number)
                todo.append(number)
        return self.numbered(early) in found

    def numbered(self, text: str) -> int:
        """The line of a card, which may be cut."""
        number, = [n for line, n in self.number.items() if line == text or text.endswith("...") and line.startswith(text[:-3])]
        return number


@pytest.fixture(scope="module")
def listed(seen):
    return {one.scenario.name: Listed(one) for one in seen}


def cards(question: Asked) -> "list[str]":
    return [re.sub(r"^\d  ", "", line.strip()) for line in question.lines if re.match(r"    (\d  )?(client|server): ", line)]


def test_shuffled_lines_have_one_order(asked, listed):
    for one, question in asked["shuffled"]:
        contract, texts = listed[one.scenario.name], cards(question)
        right = [order for order in itertools.permutations(range(4)) if not any(contract.forces(texts[b], texts[a]) for a, b in itertools.combinations(order, 2))]
        assert [" ".join(str(n + 1) for n in order) for order in right] == [question.answer], shown(question)
        assert question.answer != "1 2 3 4"
    assert different(asked["shuffled"]) > 100


def test_an_order_is_possible_as_the_contract_and_a_run_say(asked, listed):
    ran = {}
    for one, question in asked["possible"]:
        first, second = cards(question)
        assert listed[one.scenario.name].forces(second, first) == (question.answer == "2"), shown(question)
        if question.answer == "1":
            schedule = re.search(r"SCHEDULE=(?:'(.*)'|(nobody)) make scenario-", question.why)
            key = one.scenario.name, schedule[1] or ""
            ran.setdefault(key, []).append((one, first, second))
    for (_, schedule), pairs in ran.items():
        run = Conductor(pairs[0][0].scenario, Delays(parse(schedule)), keeper=lent()).run()
        lines = [f"{e.who}: {e.text}" for e in sorted(run.events, key=lambda e: e.seq)]

        def at(card: str) -> int:
            return next(n for n, line in enumerate(lines) if line == card or card.endswith("...") and line.startswith(card[:-3]))
        assert all(at(first) < at(second) for _, first, second in pairs), schedule
    answers_given = [question.answer for _, question in asked["possible"]]
    assert different(asked["possible"]) > 100 and min(map(answers_given.count, "12")) > 100


# --- knows, state, bytes: from calls and segments --------------------------------------------------------------------

def at(one, question, side):
    """What was so of that end when the question was asked, as calls and segments have it."""
    return [moment for moment in moments(one.run) if moment.side == side and moment.seq < question.place][-1]


def test_the_state_is_the_one_that_the_segments_lead_to(asked):
    answered = set()
    for one, question in asked["state"]:
        choices = dict(re.findall(r"(\d) ([A-Z][A-Z-]*[A-Z])(?:-1 or -2)?", question.lines[-1]))
        assert choices[question.answer] == re.sub(r"-[12]$", "", at(one, question, question.side).state), shown(question)
        assert len(set(choices.values())) == 4
        answered.add(choices[question.answer])
    assert answered >= {"ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT"} and different(asked["state"]) > 100


def test_the_bytes_are_those_of_segments_and_calls(asked):
    for one, question in asked["bytes"]:
        way = at(one, question, question.side).way
        assert question.answer == str(way.unread if "lie in the" in shown(question) else way.read), shown(question)
    assert different(asked["bytes"]) > 100 and len({question.answer for _, question in asked["bytes"]}) > 8


def test_how_far_a_message_has_come_is_what_segments_and_calls_say(asked):
    for one, question in asked["knows"]:
        way = at(one, question, question.side).way
        text = re.search(r"`(.*)`: how far (?:have these (\d+) bytes|has this byte) ", " ".join(question.lines))
        before = [e for e in one.events if e.seq < question.place and e.kind == "send" and one.sides.of(e) == question.side]
        event, = [e for e in before if e.text == text[1] or text[1].endswith("...") and e.text.startswith(text[1][:-3])]
        begin = sum(e.count for e in before if e.seq < event.seq)
        assert int(text[2] or 1) == event.count
        reached = [1] + [n for n, count in ((2, way.written), (3, way.arrived), (4, way.read)) if count >= begin + event.count]
        partly = [n for n, count in ((2, way.written), (3, way.arrived), (4, way.read)) if begin < count < begin + event.count]
        assert question.answer == str(max(reached)) and not partly, shown(question)
    assert {question.answer for _, question in asked["knows"]} >= {"1", "3", "4"} and different(asked["knows"]) > 50


# --- how it is asked -------------------------------------------------------------------------------------------------

def test_a_question_fits_on_a_screen_and_shows_no_time_and_no_port(asked):
    for _, question in itertools.chain(*asked.values()):
        assert len(question.lines) <= 22 and max(map(len, question.lines)) <= 79, shown(question)
        assert not re.search(r"\d\.\d{3}|8080|127\.0", shown(question) + question.why)


def test_a_question_about_a_run_with_a_delay_shows_the_whole_schedule(asked):
    delayed = [question for kind in sorted(set(KINDS) - {"possible"}) for _, question in asked[kind] if question.schedule != "nobody"]
    assert delayed and all(f"held at a line for a while: SCHEDULE='{question.schedule}' " in " ".join(question.lines) + " " for question in delayed)


def test_who_waits_is_told_once_for_each_program(asked):
    moments = [" ".join(question.lines).partition("Nobody moves now.")[2] for kind in ("state", "bytes", "knows") for _, question in asked[kind]]
    assert all(text.count(f"The {name} waits") <= 1 for text in moments for name in ("client", "server"))
    assert any("waits in accept and in read, a thread in each." in text for text in moments)


def test_each_answer_is_explained_in_a_sentence_or_two(asked):
    for _, question in itertools.chain(*asked.values()):
        assert 1 <= len(re.findall(r"[.?!](?: |$)", question.why)) <= 4 and question.why[0].isupper(), question.why
        assert not re.search(r"\b(have|are|these|lie) 1 byte\b", shown(question) + question.why), (question.lines, question.why)


@pytest.mark.parametrize("form, most, typed, read", [
    ("number", 0, "12", "12"), ("number", 0, "012", "12"), ("number", 0, "", None), ("number", 0, "1 2", None), ("number", 0, "twelve", None), ("number", 0, "9" * 50, None),
    ("choice", 2, "2", "2"), ("choice", 2, "3", None), ("choice", 2, "0", None), ("order", 4, "2143", "2 1 4 3"), ("order", 4, "2, 1 4,3", "2 1 4 3"),
    ("order", 4, "2 1 4", None), ("order", 4, "1123", None), ("order", 4, "²143", None)])
def test_what_is_typed_is_read(form, most, typed, read):
    assert Asked("x", "x", "x", (), "1", "x", form, most).read(typed) == read


def test_yes_and_no_may_be_said_in_words():
    question = Asked("possible", "x", "x", (), "1", "x", "choice", 2)
    assert [question.read(typed) for typed in ("yes", "N", "1", "maybe")] == ["1", "2", "1", None]
    assert question.prompt == "yes or no" and [dataclasses.replace(question, answer=n).told for n in "12"] == ["yes", "no"]
    other = Asked("state", "x", "x", (), "1", "x", "choice", 2)
    assert other.read("yes") is None and other.told == "1"


def quiz(typed: str, *numbers: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return started.run("quiz", *numbers, typed=typed, **{"SEED": "7", **env})


def test_the_same_seed_asks_the_same_questions():
    typed = "\n".join(["1"] * 7 + ["1234"] * 7 + ["1"] * 7) + "\n"
    one, other, another = quiz(typed), quiz(typed), quiz(typed, SEED="8")
    assert one.returncode == 0 and one.stdout == other.stdout and one.stdout.count("\n\n") > 4
    assert one.stdout.splitlines()[1:] != another.stdout.splitlines()[1:]
    assert one.stdout.startswith("SEED=7 make quiz asks these questions again.")


def test_a_quiz_of_one_lesson_keeps_to_it():
    done = quiz("1\n1\n1\n1\n1\n1\nq\n", "4")
    assert done.returncode == 0 and set(re.findall(r"Scenario (\d\d)", done.stdout)) == {"04"} and "make quiz-4 asks these" in done.stdout


def test_leaving_tells_the_score():
    assert quiz("", "4").stdout.endswith("Nothing was answered.\n")
    done = quiz("1\nwhat\nq\n", "4", SEED="1")
    assert done.returncode == 0 and re.search(r"You had [01] of 1 right\.\n$", done.stdout) and "q leaves." in done.stdout


def test_a_question_with_other_choices_or_cards_in_another_order_is_the_same_one():
    one = Asked("state", "04-half-close", "", ("In which state?", "1 LISTEN   2 ESTABLISHED"), "2", "", "choice", 2)
    assert one.subject == dataclasses.replace(one, lines=("In which state?", "1 ESTABLISHED   2 SYN-SENT"), answer="1").subject
    assert one.subject != dataclasses.replace(one, lines=("Which end?", "1 LISTEN   2 ESTABLISHED")).subject
    cards = dataclasses.replace(one, lines=("In which order?", "    1  a", "    2  b"), form="order")
    assert cards.subject == dataclasses.replace(cards, lines=("In which order?", "    1  b", "    2  a")).subject
    assert cards.subject != dataclasses.replace(cards, lines=("In which order?", "    1  b", "    2  c")).subject


def test_no_question_of_a_quiz_comes_twice_while_there_are_others():
    build([find("4")])
    quiz = Quiz([find("4")], Runs(lent), 3701, sorted(KINDS))
    assert len({quiz.next().subject for _ in range(20)}) == 20


def test_each_line_fits_into_the_terminal_also_after_what_is_no_answer():
    terminal = Terminal("4", command="quiz", prompt=" > ", SEED="3701")
    said = terminal.until_asked()
    while "with blanks" not in said:
        said = terminal.key("1")
    said = terminal.key("what")
    assert "q leaves." in said.replace("\r\n  ", " ") and all(len(line) <= 80 for line in said.split("\r\n"))
    terminal.key("q")
    assert terminal.status() == 0


def test_ctrl_c_is_clean():
    terminal = Terminal("4", command="quiz", prompt=" > ", SEED="7")
    assert "Scenario 04" in terminal.until_asked()
    terminal.child.send_signal(signal.SIGINT)
    assert "Nothing was answered." in terminal.until_asked() and terminal.status() == 130


@pytest.mark.parametrize("arguments, env, words", [(["77"], {}, "there is no scenario 77"), (["4"], {"SEED": "x"}, "SEED='x': a seed is a whole number")])
def test_wrong_usage_is_said(arguments, env, words):
    done = quiz("", *arguments, **env)
    assert done.returncode == 2 and words in done.stderr
