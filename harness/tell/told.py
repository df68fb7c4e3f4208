"""What a learner reads of a run that no contract judges: how it ended, and each finding."""
from __future__ import annotations

from typing import Iterable, Iterator

from ..judge.comparison import Verdict
from ..judge.findings import Finding
from ..stage import scenarios
from ..trace import Run
from . import words
from .phrases import again, ended


def tell(verdict: Verdict, run: Run, findings: Iterable[Finding], *, reproduce: str, width: int = 100, colour: bool = False,
         fold: bool = False, lead: str = "", after_story: bool = False, why: str = "") -> str:
    """Returns the whole text. `why` says why nothing is judged; "" if there is no contract. With `after_story` the story of the
    run stands above it, with the findings and how each program ended."""
    head = f"{verdict.word}: {_headline(verdict, run, after_story, why or 'there is no contract.txt, so nothing is judged')}"
    lines = words.folded(lead + head, width, fold)
    lines[0] = lead + words.dyed(verdict.word, words.BAD if verdict.status else words.GOOD, colour) + lines[0][len(lead + verdict.word):]
    for one in () if after_story else findings:
        lines += [f"  {line}" for line in words.folded(_finding(one), width - 2, fold)]
    if verdict.word == "deadlock" and not after_story:
        lines += [f"  {line}" for line in words.folded(words.proof(run), width - 2, fold)]
    return "\n".join([*lines, *(again(reproduce) if verdict.status else [])])


def _headline(verdict: Verdict, run: Run, after_story: bool, nothing: str) -> str:
    if verdict.word in ("crash", "runaway", "no progress") and run.stop.words:
        return run.stop.words
    if verdict.word == "interrupted":
        return "the run was interrupted"
    names = words.names_of(run.cast)
    ends = ", ".join(dict.fromkeys(f"the {end.who} {ended(end.how)}" for name in names for end in run.endings if end.who == name))
    if verdict.word != "told":
        return ends or "how the programs ended is not known"
    return nothing if after_story or not ends else f"{ends}; {nothing}"


def _finding(one: Finding) -> str:
    places = ", ".join(_places(one))
    return f"{one.words} ({places})" if places else one.words


def _places(one: Finding) -> Iterator[str]:
    if one.source:
        yield one.source
    page = scenarios.lesson_of(one.lesson)
    if page:
        yield f"lesson {int(one.lesson)}: {page}"
