"""Findings: why a run went as it did, told from facts. In comes a Run; out come sentences, each with the records that prove it.

facts.py asks the records what the findings need to know. Every other file is a family of small functions, one for each finding.
`find` asks them all. The story under a run, the reason behind a verdict and the hint are made of what it returns.

A finding never rests on what a program logs. Where a program's lines are told, they are told as lines ("the server said ...").
Where a fact could not be had (calls switched off, no wire), a finding is left out, or says less.
"""
from __future__ import annotations

from ...trace import Run
from . import connecting, crashes, endings, streams, timing, waiting
from .facts import Facts, Finding

__all__ = ["FAMILIES", "Facts", "Finding", "find"]

FAMILIES = (streams, endings, waiting, connecting, crashes, timing)


# What a program did to bring a reset about. Where the lab resets connections itself, nobody can tell.
_OF_A_RESET = ("reset-by-unread", "reset-by-linger", "reset-unaccepted", "written-after-close")


def find(run: Run) -> "tuple[Finding, ...]":
    """All findings of a run: the one first that happened first, and behind them the remarks."""
    facts = Facts(run)
    found = [one for family in FAMILIES for ask in family.FINDINGS for one in ask(facts) if run.mode != "reset" or one.code not in _OF_A_RESET]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.remark, one.at, one.code)))
