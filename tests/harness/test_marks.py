"""Has each line of a contract the mark that the run gives it: held, differs, not reached?"""
from __future__ import annotations

from dataclasses import replace

import pytest

import runs
from harness.judge import contract
from harness.judge.comparison import judge
from harness.trace import Stop


def marks(rules: str, run) -> str:
    """The marks in the order of the contract's lines: "held differs -"."""
    return " ".join({"not reached": "-"}.get(mark, mark) for _, mark in judge(run, contract.parse(rules)).marks)


@pytest.mark.parametrize("log, wanted", [
    ("client: a\nclient: b\nserver: x", "held held held"), ("client: a\nserver: x", "held differs held"),
    ("client: z\nclient: b\nserver: x", "differs - held"), ("client: a\nclient: b\nclient: c\nserver: x", "held differs held"),
    ("client: a\nclient: b", "held held differs")])
def test_lines_are_held_up_to_the_one_at_which_their_program_left_the_contract(log, wanted):
    assert marks("client: a\nclient: b\nserver: x", runs.run(log)) == wanted


def test_a_line_whose_after_names_a_line_that_never_came_is_not_reached():
    assert marks("client: closing\nserver: EOF after client: closing", runs.run("server: EOF")) == "differs -"


def test_a_line_that_came_too_early_differs():
    rules = "client: sending \"hi\\n\"\nserver: Received message: \"hi\\n\" after client: sending \"hi\\n\""
    assert marks(rules, runs.run('server: Received message: "hi\\n"\nclient: sending "hi\\n"')) == "held differs"


@pytest.mark.parametrize("log, wanted", [
    ("client: a\nclient: b", "held held held"), ("client: a\nclient: b\nclient: no", "held differs differs"),
    ("client: a\nclient: no", "held differs differs"), ("client: a", "held differs held")])
def test_what_must_never_come_is_held_where_it_did_not_come(log, wanted):
    assert marks("client: a\nclient: b\nnever: client: no", runs.run(log)) == wanted


def test_what_must_not_come_behind_a_line_is_not_reached_before_that_line():
    rules = "client: a\nothers allowed\nnever: client: no after client: a"
    assert marks(rules, runs.run("client: a")) == "held held"
    assert marks(rules, runs.run("client: no")) == "differs -"


def test_how_a_program_ends_is_not_asked_of_one_that_left_the_contract():
    rules = "client: a\nclient ends: exit 0\nserver ends: exit 3"
    assert marks(rules, runs.run("client: b")) == "differs - differs"
    assert marks(rules, runs.run("client: a")) == "held held differs"


def test_a_deadlock_is_not_reached_where_a_line_differs():
    assert marks("client: a\ndeadlock: client, server", runs.run("client: b")) == "differs -"
    assert marks("client: a\ndeadlock: client, server", runs.run("client: a")) == "held differs"
    assert marks("client: a\ndeadlock: client, server", runs.run("client: a", stop=Stop("no progress"))) == "held -"


def test_the_wire_is_not_reached_where_nobody_could_look():
    rules = "client: a\nwire: client FIN\nwire: client RST after wire: client FIN"
    assert marks(rules, runs.run("client: a")) == "held - -"
    assert marks(rules, runs.run("client: a", wire="client S, client F, client R")) == "held held held"
    assert marks(rules, runs.run("client: a", wire="client S, client R")) == "held differs -"
    assert marks(rules, replace(runs.run("client: a", wire="client F, client R"), missing=3)) == "held - -"


def test_a_branch_that_was_not_taken_has_no_marks():
    rules = "client: a\neither:\n    server: x\nor:\n    server: y\n    server: z"
    verdict = judge(runs.run("client: a\nserver: y\nserver: z"), contract.parse(rules))
    assert verdict.marks == ((1, "held"), (5, "held"), (6, "held"))


def test_a_free_pair_is_held_once_both_came():
    assert marks("client: a\nserver: x\nfree: client: a / server: x", runs.run("client: a\nserver: x")) == "held held held"
    assert marks("client: a\nserver: x\nfree: client: a / server: x", runs.run("client: a")) == "held differs -"
