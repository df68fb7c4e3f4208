"""Gives each line of a contract a mark after a run: held, differs, or not reached.

A mark is given to every statement of the plan that a run can keep or break. `others allowed` and `holds under` are no such
statements. A branch that the run did not take has no marks.
"""
from __future__ import annotations

from typing import Collection, Iterable

from .contract import Any, Free, Holds, Line, Never, Open, Plan

HELD, DIFFERS, NOT_REACHED = "held", "differs", "not reached"


def of(plan: Plan, differs: Collection[int], met: Collection[int], skipped: Collection[int]) -> "tuple[tuple[int, str], ...]":
    """Returns pairs (contract line, mark) in the order of the lines. `differs` has the lines that the run broke. `met` has the
    log lines of the contract that the run has. `skipped` has the lines for which the comparison could not tell, because the run
    had left the contract before, or because something was not looked at."""
    return tuple(sorted(_marks(plan, differs, met, skipped)))


def _marks(plan: Plan, differs: Collection[int], met: Collection[int], skipped: Collection[int]) -> "Iterable[tuple[int, str]]":
    for said in plan.statements:
        if isinstance(said, (Holds, Open)):
            continue
        if said.number in differs:
            yield said.number, DIFFERS
        elif said.number in skipped or not _reached(plan, said, met):
            yield said.number, NOT_REACHED
        else:
            yield said.number, HELD


def _reached(plan: Plan, said: Any, met: Collection[int]) -> bool:
    """Did the run come to the log lines that the statement is about? An `after` can be judged only once the line that it names
    has come."""
    if isinstance(said, Line):
        return said.number in met and all(named.number in met for named in map(plan.named, said.after) if named is not None)
    if isinstance(said, Free):
        return all(named is not None and named.number in met for named in map(plan.named, (said.first, said.second)))
    if isinstance(said, Never) and said.where == "after" and said.other is not None:
        named = plan.named(said.other)
        return named is None or named.number in met
    return True
