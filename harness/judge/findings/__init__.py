"""Findings: why a run went as it did, told from facts. find() takes a Run, and returns sentences, each with the records that
prove it.

facts.py asks the records what the findings need to know. Every other file is a family of small functions, one for each finding.
find() asks them all. The story under a run, the reason behind a verdict, and the hint are made of what it returns.

A finding never relies on what a program logs. If it quotes a program's lines, it says that they are lines ("the server said
..."). If a fact is not known (calls switched off, no wire), the finding is left out, or says less.
"""
from __future__ import annotations

from ...trace import Run
from . import connecting, crashes, endings, streams, timing, waiting
from .facts import Facts, Finding

__all__ = ["FAMILIES", "Facts", "Finding", "find"]

FAMILIES = (streams, endings, waiting, connecting, crashes, timing)


# Findings about a program's act that caused a reset. If the lab itself resets connections, nobody can tell who caused one.
_OF_A_RESET = ("reset-by-unread", "reset-by-linger", "reset-unaccepted", "written-after-close")


def find(run: Run) -> "tuple[Finding, ...]":
    """Returns all findings of a run in the order in which they happened, and after them the remarks."""
    facts = Facts(run)
    found = [one for family in FAMILIES for ask in family.FINDINGS for one in ask(facts) if run.mode != "reset" or one.code not in _OF_A_RESET]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.remark, one.at, one.code)))
