"""Does make predict-N judge an order as what it is, and lose nothing of what a learner typed?

A prediction is compared with a real run in a second way here: every pair of its lines is looked at, and not only the nearest.
"""
from __future__ import annotations

import itertools
import os
import random
import re
import shutil
import signal
import subprocess
from dataclasses import replace

import pytest

from harness.explore import turned
from harness.explore.schedules import Delays, parse
from harness.judge import causes, comparison
from harness.learn import cards, orders, predictions
from harness.learn.cards import BadOrder, Card
from harness.learn.predictions import Prediction, Predictions
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import ROOT, find
from harness.tell import phrases, predicted
from pairs import lent
from ready import ready
import started
from terminal import Terminal

NAMES = ("01-break-after-first-message", "04-half-close", "08-length-prefix")
SHUFFLES = 40


@pytest.fixture(scope="module")
def runs():
    """{name: the scenario, its contract, a run of it, the verdict on it}"""
    found = {}
    for name in (*NAMES, "00-anatomy"):
        scenario = find(name)
        build([scenario])
        run = Conductor(scenario, VirtualClock(), keeper=lent()).run()
        contract = scenario.load_contract()
        found[name] = scenario, contract, run, comparison.judge(run, contract)
    return found


# --- a partial order -------------------------------------------------------------------------------------------------

def as_it_ran(contract, run):
    return [Card(e.who, e.text) for e in sorted(run.events, key=lambda e: e.seq)]


def broken(judged, run) -> "set[tuple[int, int]]":
    """All pairs, not only the nearest, that the run forces and that were predicted the other way round."""
    order = causes.derive(replace(run, starts=()))
    return {(late.seq, early.seq) for early, late in itertools.combinations(judged.events, 2) if order.forced(late.seq, early.seq)}


@pytest.mark.parametrize("name", NAMES)
def test_what_ran_is_right_in_all_that_was_forced(name, runs):
    _, contract, run, verdict = runs[name]
    judged = orders.judge(as_it_ran(contract, run), [], contract, run, verdict)
    assert judged.impossible == () and judged.right and judged.events == judged.ran


@pytest.mark.parametrize("name", NAMES)
def test_an_order_is_impossible_exactly_if_some_pair_of_it_is(name, runs):
    _, contract, run, verdict = runs[name]
    chance = random.Random(name)
    possible = impossible = 0
    for n in range(SHUFFLES):
        order = as_it_ran(contract, run)
        if n % 2:
            at = chance.randrange(len(order) - 1)
            order[at], order[at + 1] = order[at + 1], order[at]
        else:
            chance.shuffle(order)
        judged = orders.judge(order, [], contract, run, verdict)
        worst = broken(judged, run)
        assert bool(judged.impossible) == bool(worst)
        assert {(p.first.seq, p.second.seq) for p in judged.impossible} <= worst
        possible, impossible = possible + (not worst), impossible + bool(worst)
    assert possible and impossible


@pytest.mark.parametrize("name", NAMES)
def test_a_free_pair_can_really_come_the_other_way_round(name, runs):
    scenario, contract, run, verdict = runs[name]
    judged = orders.judge(as_it_ran(contract, run), [], contract, run, verdict)
    turner, places = turned.Turner(scenario, lent), turned.places(run)
    shown = 0
    for pair in judged.free[:4]:
        schedule = turner.turned(places[pair.first.seq], places[pair.second.seq])
        if schedule is not None:
            again = Conductor(scenario, Delays(parse("; ".join(map(str, schedule)))), keeper=lent()).run()
            seqs = {place: seq for seq, place in turned.places(again).items()}
            assert seqs[places[pair.second.seq]] < seqs[places[pair.first.seq]]
            shown += 1
    assert shown


def test_of_a_free_pair_that_came_the_other_way_round_no_other_run_is_looked_for(runs):
    _, contract, run, verdict = runs["04-half-close"]
    one, then = next((p.first, p.second) for p in orders.judge(as_it_ran(contract, run), [], contract, run, verdict).free)
    told = []
    for pair in (orders.Pair(then, one, ""), orders.Pair(one, then, "")):
        judged = orders.Judged((), (), (), (), (), (pair,), False)
        told.append("\n".join(predicted.pairs(judged, lambda pair: None, "4", False, False, 80)))
    assert "In this run it was the other way round." in told[0] and "No delay" not in told[0] and "No delay that was tried turned it round." in told[1]


def test_a_forced_pair_is_turned_round_by_no_schedule(runs):
    scenario, contract, run, verdict = runs["04-half-close"]
    judged = orders.judge(as_it_ran(contract, run), [], contract, run, verdict)
    turner, places = turned.Turner(scenario, lent), turned.places(run)
    assert [turner.turned(places[p.first.seq], places[p.second.seq]) for p in judged.right[:3]] == [None] * 3


def test_of_programs_that_print_only_the_order_within_each_is_judged(runs):
    _, contract, run, verdict = runs["00-anatomy"]
    dealt = [Card(line.who, line.text) for line in cards.lines_of(contract)]
    judged = orders.judge(dealt[::-1], [], contract, run, verdict)
    assert judged.unordered and judged.free == judged.right == ()
    assert {(p.first.who == p.second.who, p.cause) for p in judged.impossible} == {(True, "program")} and len(judged.impossible) == 8
    assert orders.judge(dealt, [], contract, run, verdict).impossible == ()


def test_equal_cards_may_change_places(runs):
    _, contract, run, verdict = runs["04-half-close"]
    order = as_it_ran(contract, run)
    one, other = [n for n, card in enumerate(order) if card == Card("client", "reading data")]
    order[one], order[other] = order[other], order[one]
    assert orders.judge(order, [], contract, run, verdict).impossible == ()


def test_a_line_that_the_contract_forbids_is_a_card_and_may_be_said_never_to_come():
    scenario = find("2")
    contract = scenario.load_contract()
    dealt = cards.deal(contract, scenario.name)
    forbidden = Card("server", "writing response")
    assert dealt.count(forbidden) == 1 and len(dealt) == len(cards.lines_of(contract)) + 1
    build([scenario])
    run = Conductor(scenario, VirtualClock(), keeper=lent()).run()
    verdict = comparison.judge(run, contract)
    order = as_it_ran(contract, run)
    right = orders.judge(order, [forbidden], contract, run, verdict)
    assert (right.never, right.impossible, len(right.ran)) == ((None,), (), len(order))
    assert "=     never: server: writing response" in "\n".join(predicted.table(order, [forbidden], right, 80, False))
    wrong = orders.judge([*order[:-1], forbidden], order[-1:], contract, run, verdict)
    assert [event is None for event in wrong.events] == [False] * (len(order) - 1) + [True] and wrong.never[0].text == order[-1].text
    told = predicted.table([*order[:-1], forbidden], order[-1:], wrong, 80, False)
    assert told[len(order)].startswith("- 13  server: writing response") and told[len(order) + 1].startswith(f"+     never: {order[-1]}") and told[len(order) + 1].endswith("it came")
    assert max(map(len, told)) <= 80 and told[-1].endswith("   - never came   + came after all")
    short = predicted.table(order[:-1], order[-1:], orders.judge(order[:-1], order[-1:], contract, run, verdict), 80, False)
    assert re.search(rf"^  13 {{30,}}{re.escape(str(order[-1]))}$", "\n".join(short), re.M), short


def test_the_cards_are_dealt_alike_each_time_and_not_in_the_contract_s_order(runs):
    _, contract, _, _ = runs["04-half-close"]
    dealt = cards.deal(contract, "04-half-close")
    assert dealt == cards.deal(contract, "04-half-close") != cards.deal(contract, "x")
    assert sorted(map(str, dealt)) == sorted(map(str, cards.lines_of(contract))) != list(map(str, dealt))


def test_a_program_that_the_lab_starts_later_is_named_as_a_program(runs):
    """Its name may be a word such as "second"."""
    _, _, run, _ = runs["04-half-close"]
    first, second = (replace(run.events[0], who=who) for who in ("client", "second"))
    assert predicted._why(orders.Pair(first, second, "start")) == 'The lab starts the program "second" only after that line of the client.'


def test_the_cards_of_three_programs_fit_into_a_screen_with_the_words_above_them():
    scenario = find("15")
    dealt = cards.deal(scenario.load_contract(), scenario.name)
    lines = predicted.cards(dealt, [], 80)
    assert len(dealt) == 29 and len(lines) < 24 - 5 and max(map(len, lines)) < 80
    shown = re.sub(r"\s+", "", "".join(line[:40].ljust(40) for line in lines) + "".join(line[40:] for line in lines))
    assert [int(n) for n in re.findall(r"(\d+)(?:client|second|server)", shown)] == list(range(1, 30))


# --- what is typed ---------------------------------------------------------------------------------------------------

def test_numbers_are_read():
    assert cards.read_numbers("3, 1 2", 3, []) == [3, 1, 2] and cards.read_numbers("", 3, []) == []
    assert cards.read_numbers("n 3, 1", 3, [2]) == cards.read_numbers("n3 1", 3, [2]) == [-3, -1]
    for typed, words in (("0", "'0' is no card"), ("4", "The cards are 1 to 3"), ("1 1", "Card 1 was named already"), ("2", "Card 2 was named already"), ("²", "no card"),
                         ("9" * 5000, "no card"), ("-1", "no card"), ("n", "such as n 3"), ("n2", "Card 2 was named already"), ("no", "'o' is no card")):
        with pytest.raises(BadOrder, match=re.escape(words)):
            cards.read_numbers(typed, 3, [2])


def test_an_edited_list_is_read():
    dealt = [Card("client", "a"), Card("server", "b"), Card("client", "a")]
    assert cards.read_list("# words\n\nserver: b\nclient: a\n client: a \n", dealt) == [2, 1, 3]
    assert cards.read_list("client: a\nnever  server: b\nnever client: a\n", dealt) == [1, -2, -3]
    for text, words in (("server: b\nserver: b\n", "Line 2 of your list is none of the cards"), ("client: a\nserver: b\n", "missing in your list:\n  client: a$")):
        with pytest.raises(BadOrder, match=words):
            cards.read_list(text, dealt)


def test_a_prediction_that_was_begun_goes_on_and_nothing_before_it_is_touched(tmp_path):
    path = tmp_path / "predictions/04.txt"
    first = Predictions(path)
    first.now.answer, first.now.why, first.now.done = "A", "", True
    first.now.order = [Card("client", "a: b")]
    first.keep()
    before = path.read_text()
    second = Predictions(path)
    assert second.number == 2 and second.now == Prediction()
    second.now.answer = "B"
    second.keep()
    third = Predictions(path)
    assert (third.number, third.now.answer, third.now.why) == (2, "B", None)
    third.now.why = "because"
    third.keep()
    assert path.read_text().startswith(before) and path.read_text().count("prediction ") == 2
    assert predictions.given(first.now, [Card("client", "x"), Card("client", "a: b")]) == [2]
    assert predictions.given(first.now, [Card("client", "x")]) == []


def test_a_spoilt_file_costs_nothing_but_its_own_lines(tmp_path):
    path = tmp_path / "04.txt"
    path.write_bytes(b"\xff\x00 rubbish\nprediction x\nanswer: C\ndone\nmore")
    found = Predictions(path)
    found.now.answer = "D"
    found.keep()
    assert path.read_text(errors="replace").count("prediction") == 2 and "more\nprediction 2\nanswer: D\n" in path.read_text(errors="replace")


# --- the command -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One folder for what is built."""
    return ready(tmp_path_factory.mktemp("build"))


@pytest.fixture
def home(built):
    """The same, with nothing of an earlier learner in it."""
    shutil.rmtree(built / "predictions", ignore_errors=True)
    (built / "progress.txt").unlink(missing_ok=True)
    return built


def predict(home, typed: str, number: str = "4", **env: str) -> "subprocess.CompletedProcess[str]":
    return started.run("predict", number, typed=typed, **{"BUILD": str(home), **env})


def test_a_prediction_from_a_pipe_is_judged_and_kept(home):
    done = predict(home, "x\n\na\nthe \x1b[31mclient\n" + "22\n" + " ".join(map(str, range(1, 22))) + "\n")
    assert done.returncode == 0, done.stderr
    for words in ("That is none of the four letters; q leaves.", "Type one of the four letters; q leaves.", "'22' is no card. The cards are 1 to 21.",
                  "Impossible: ", "Possible, and not forced: ", " more (with ALL=1 your next prediction shows all)",
                  'You said A. That is M06, "close is the way to say \'I am done\'".', "D is right."):
        assert words in done.stdout, words
    assert "\x1b" not in done.stdout
    kept = (home / "predictions/04.txt").read_text()
    assert kept.startswith("prediction 1\nanswer: A\nwhy: the ?[31mclient\ncard: ") and kept.endswith("done\n") and kept.count("card: ") == 21
    assert (home / "progress.txt").read_text() == "predicted 04\n"
    assert done.stdout.index("D  The server gets EOF") < done.stdout.index("you expected") < done.stdout.index("D is right.")


def test_cards_that_never_come_are_kept_and_can_be_taken_back(home):
    some = predict(home, "b\n\nn 3 14\nb\n\nq\n", "2")
    assert "14 cards" not in some.stdout and "0 of 14 have a place, 2 never come > " in some.stdout and "0 of 14 have a place, 1 never comes > " in some.stdout
    assert (home / "predictions/02.txt").read_text().count("never: ") == 1 and "\n    never: " in some.stdout
    rest = predict(home, "n 3\n" + " ".join(str(n) for n in range(1, 15) if n != 3) + "\n", "2")
    assert rest.returncode == 0 and "Card 3 was named already" in rest.stdout and "you expected" in rest.stdout and "never: " in rest.stdout.partition("you expected")[2]


def test_a_second_time_is_asked_anew_and_noted_once(home):
    typed = "d\n\n" + " ".join(map(str, range(1, 22))) + "\n"
    assert predict(home, typed).returncode == predict(home, typed).returncode == 0
    assert (home / "predictions/04.txt").read_text().count("answer: D") == 2
    assert (home / "progress.txt").read_text() == "predicted 04\n"


def test_where_the_input_ends_the_answers_stay_and_are_not_asked_for_again(home):
    nothing = predict(home, "")
    assert nothing.returncode == 2 and nothing.stderr == "the input has ended; nothing was answered, and nothing ran\n"
    some = predict(home, "d\nbecause\n1 2\n")
    assert some.returncode == 2 and some.stderr.startswith("the input has ended; your answers so far are kept in ") and "you expected" not in some.stdout
    assert not (home / "progress.txt").exists()
    rest = predict(home, " ".join(map(str, range(3, 22))) + "\n")
    assert rest.returncode == 0 and "here it goes on. You said D." in rest.stdout and "2 of 21 have a place" in rest.stdout
    first, second = cards.deal(find("4").load_contract(), "04-half-close")[:2]
    assert f"Your order so far:\n    {first}\n    {second}\n\nCards that are left:\n" in rest.stdout
    assert "D is right." in rest.stdout and "You said D. That" not in rest.stdout


def test_q_leaves_and_the_answers_stay(home):
    nothing = predict(home, "q\n")
    assert (nothing.returncode, nothing.stderr) == (0, "") and nothing.stdout.endswith("\nNothing was answered, and nothing ran\n")
    some = predict(home, "d\nq\n1 2\nq\n")       # the second one is the reason
    assert some.returncode == 0 and "\nYour answers so far are kept in " in some.stdout and "you expected" not in some.stdout
    assert "why: q\n" in (home / "predictions/04.txt").read_text() and not (home / "progress.txt").exists()
    assert predict(home, " ".join(map(str, range(3, 22))) + "\n").returncode == 0


def test_what_stands_between_backquotes_is_not_broken_if_a_line_has_room_for_it(home):
    terminal = Terminal("2", command="predict", prompt=" > ", BUILD=str(home))
    assert "\r\n`This is a message 2\\n test`, and reads until EOF." in terminal.until_asked()
    os.write(terminal.end, b"\x04")
    assert "the input has ended; nothing was answered" in terminal.until_asked() and terminal.status() == 2
    assert phrases.wrapped("a `bb bb` cc", 7, "  ") == ["a `bb", "  bb`", "  cc"] and phrases.wrapped("a `bb bb` cc", 8) == ["a", "`bb bb`", "cc"]


def test_a_message_that_begins_with_a_blank_is_not_broken_at_it():
    assert phrases.wrapped('"a" and " b" came', 9) == ['"a" and', '" b" came'] and phrases.wrapped('"a" and "b" came', 9) == ['"a" and', '"b" came']


def test_programs_that_leave_the_contract_are_said_to(tmp_path, home):
    folder = tmp_path / "scenarios/04-half-close"
    folder.mkdir(parents=True)
    for name in ("client.c", "server.c", "contract.txt"):
        text = (ROOT / "scenarios/04-half-close" / name).read_text()
        (folder / name).write_text(text.replace('    event("shutting down SHUT_WR");\n', "") if name == "client.c" else text)
    done = predict(home, " ".join(map(str, range(1, 22))) + "\n", SCENARIOS=str(tmp_path / "scenarios"))
    assert done.returncode == 0 and "This run left the contract. make check-4 says where" in done.stdout and "- never came" in done.stdout
    (folder / "question.txt").write_text("question: what\n")
    done = predict(home, "", SCENARIOS=str(tmp_path / "scenarios"))
    assert (done.returncode, done.stderr) == (2, "question error: scenarios/04-half-close/question.txt: no answer A; a question has the four answers A to D\n")
    (folder / "contract.txt").unlink()
    done = predict(home, "", SCENARIOS=str(tmp_path / "scenarios"))
    assert done.returncode == 2 and "has no lines to predict: a contract has them" in done.stderr


@pytest.mark.parametrize("status, words", [(130, "your answers so far are kept"), (2, "the input has ended; your answers so far")])
def test_ctrl_c_and_ctrl_d_keep_what_was_answered(status, words, home):
    terminal = Terminal("4", command="predict", prompt=" > ", BUILD=str(home))
    assert "A, B, C or D > " in terminal.until_asked()
    assert "Why?" in terminal.key("c")
    if status == 130:
        terminal.child.send_signal(signal.SIGINT)
    else:
        os.write(terminal.end, b"\x04")
    assert words in terminal.until_asked()
    assert terminal.status() == status
    assert (home / "predictions/04.txt").read_text() == "prediction 1\nanswer: C\n"


def test_the_cards_can_be_ordered_in_an_editor(tmp_path, home):
    (tmp_path / "sort.sh").write_text('#!/bin/sh\nsort -r "$1" >"$1.new" && mv "$1.new" "$1"\n')
    (tmp_path / "spoil.sh").write_text('#!/bin/sh\necho client: what >>"$1"\n')
    (tmp_path / "look.sh").write_text('#!/bin/sh\ncat "$1"\n')
    for name in ("sort.sh", "spoil.sh", "look.sh"):
        (tmp_path / name).chmod(0o755)
    (home / "predictions").mkdir()
    list_of_cards = home / "predictions/04.order.txt"
    terminal = Terminal("4", command="predict", prompt=" > ", BUILD=str(home), EDITOR=str(tmp_path / "look.sh"), VISUAL="")
    terminal.until_asked()
    terminal.key("c")
    terminal.key("")
    looked = terminal.key("e")      # who only looks at the shuffled cards has predicted nothing
    assert "You have not saved the list in your editor. So nothing was taken." in looked and "0 of 21 have a place" in looked and not list_of_cards.exists()
    os.write(terminal.end, b"\x04")
    terminal.until_asked()
    assert terminal.status() == 2
    terminal = Terminal("4", command="predict", prompt=" > ", BUILD=str(home), EDITOR=str(tmp_path / "spoil.sh"), VISUAL="")
    terminal.until_asked()
    assert "is none of the cards that are left: client: what" in terminal.key("e") and "client: what\n" in list_of_cards.read_text()
    os.write(terminal.end, b"\x04")
    terminal.until_asked()
    assert terminal.status() == 2
    list_of_cards.write_text(list_of_cards.read_text().replace("client: what\n", ""))
    terminal = Terminal("4", command="predict", prompt=" > ", BUILD=str(home), EDITOR=str(tmp_path / "sort.sh"), VISUAL="")
    assert "0 of 21 have a place" in terminal.until_asked()
    assert "Impossible: " in terminal.key("e")
    assert terminal.status() == 0 and not list_of_cards.exists()
