"""Hints for the present difference, one more each time: where to look, a question, the rule behind it. None of them is the
answer.

of() takes a run, its verdict and its contract, and returns three short texts at most. How many of them a learner has seen is kept
in BUILD/hints/NN-name.txt, and forgotten when the scenario is as expected.
"""
from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Iterator, Optional

from ..judge.comparison import Difference, Verdict
from ..judge.contract import Contract, Line, code_of, role_of
from ..stage import scenarios
from ..stage.scenarios import ROOT, Scenario
from ..tell.phrases import begin_alike, quoted
from ..tell.why import WHY, cause_of
from ..trace import Run

# The question for each kind of difference, if the contract itself has no hint for it.
QUESTIONS = {
    "missing": "What has to happen before the {who} can say {expected}? Which of these things has not happened?",
    "unexpected": "Why does the {who} come to that line now? Which condition lets it go there?",
    "order": "Which of the two lines waits for something of the other program? What does it wait for?",
    "luck": "What does the later line wait for? If for nothing, either line may come first.",
    "never": "Which way through the {who}'s program leads to that line?",
    "port": "On which port is the {who} to listen, and where does it learn the number?",
    "late": "A line that announces an act stands before the act. Which of the two comes first in the {who}'s program?",
    "open": "The line says that something is done. Which call does it, and on which descriptor?",
    "unwritten": "How many bytes does the line announce, and how many does the write hand over? Where does each number come from?",
    "unlike": "Which bytes does the write hand over, and which are to come at the other side? Where do the two differ?",
    "miscount": "Where does the number in the line come from? Which value says how many bytes have come?",
    "unheard": "Which call tells the {who} of such an end? Has the program made that call when it comes to the line?",
    "deaf": "Which direction of the connection has the {who} ended, and which one does it still need?",
    "act": "Which call ends the connection there? Is the other program done with it?",
    "reset": "What decides whether a close sends a FIN or a reset? Which bytes had the {who} not read, and which option had it set?",
    "ends": "What is the last thing that the {who} does? What does it wait for, or what lets it end?",
    "deadlock": "What does each program wait for, and who could send it?",
    "bytes": "Which calls of the {who} send bytes? Count what each of them hands over.",
    "call": "Which line of the {who} makes that call? Does the program come to it, and with which descriptor?",
    "wire": "Which call makes the kernel send that segment? Does the {who} come to it?",
}
DONE = "The {who} did what that line tells. Where in its program is the line {expected} to stand?"       # missing, found "done"
ALIKE = "Both lines begin alike. Where does the {who}'s program take the rest of its line from?"           # missing, another text in its place
OF_A_STOP = {
    "crash": "What did the program do last? Which pointer, index or descriptor did it use there?",
    "runaway": "Which loop has no end? What is to end it, and does it ever become true?",
    "no progress": "What does each program wait for?",
}


def of(scenario: Scenario, verdict: Verdict, run: Run, contract: Optional[Contract]) -> "tuple[str, ...]":
    """Returns the hints for the verdict's first difference, the gentlest one first; () if nothing is wrong."""
    if not verdict.status or contract is None or verdict.word == "interrupted":
        return ()
    d = verdict.differences[0] if verdict.differences else None
    return tuple(dict.fromkeys((_where(d, run, contract), _question(verdict, d), _rule(scenario, verdict, d, contract))))


def _where(d: Optional[Difference], run: Run, contract: Contract) -> str:
    if d is None:
        return "Look at the last lines of each program. Which of them did you not expect?"
    if d.blocked is not None and d.blocked.source and run.stop.kind in ("deadlock", "waiting", "over"):
        return f"Look at {d.blocked.source}. The {role_of(d.who)} waits there: for what?"
    if d.observed is not None and d.observed.source:
        return f"Look at {d.observed.source}. What led the {role_of(d.observed.who)} to that line?"
    last = next((e for e in d.witnesses[::-1] if e.who == role_of(d.who) and e.source), None)
    if last is not None:
        return f"The last line of the {role_of(d.who)} that was right stands in {last.source}. What does the program do behind it?"
    if d.line:
        path = Path(contract.path)
        file = "/".join(path.parts[-3:]) if path.parts[-3:-2] == ("exercises",) else path.name
        return f"Look at line {d.line} of {file}. Which call of the {role_of(d.who)} makes it true?"
    return f"Look at the program of the {role_of(d.who)}."


def _question(verdict: Verdict, d: Optional[Difference]) -> str:
    if d is not None and d.hints:
        return re.sub(r"^M[0-9]{2}: ", "", d.hints[0])
    if verdict.word in OF_A_STOP or d is None:
        return OF_A_STOP.get(verdict.word, QUESTIONS["deadlock"])
    question = QUESTIONS.get(d.kind, QUESTIONS["deadlock"])
    if d.kind == "missing" and d.found == "done":
        question = DONE
    elif d.kind == "missing" and d.observed is not None and begin_alike(d.expected, d.observed.text):
        question = ALIKE
    return question.format(who=role_of(d.who), expected=quoted(d.expected) if d.expected else "that")


def _rule(scenario: Scenario, verdict: Verdict, d: Optional[Difference], contract: Contract) -> str:
    parts = [*_cause(verdict, d, contract), *_belief(code_of(d.hints if d else ())), *_page(scenario)]
    return " ".join(parts) or "Read the contract from its top, and say for each line which call of which program makes it true."


def _cause(verdict: Verdict, d: Optional[Difference], contract: Contract) -> Iterator[str]:
    """Yields a sentence that says why the expected line comes after a line of another program."""
    plan = contract.plan(verdict.choice)
    line = next((one for one in plan.of(Line) if d is not None and one.number == d.line and d.expected), None)
    ref = next((one for one in line.after if not one.clock and role_of(one.who) != role_of(line.who)), None) if line is not None else None
    if line is not None and ref is not None:
        yield WHY[cause_of(line.text)].format(late=role_of(line.who), early=role_of(ref.who))


def _belief(code: str) -> Iterator[str]:
    """Yields a sentence with the mistaken belief that the contract's own hint is about."""
    with contextlib.suppress(OSError):
        text = (ROOT / "lessons/misconceptions.md").read_text(encoding="utf-8", errors="replace") if code else ""
        found = re.search(rf'^## {code}\n+("[^\n]*")$', text, re.MULTILINE)
        if found:
            yield f"Many believe: {found[1]}. lessons/misconceptions.md#{code.lower()} says what is true."


def _page(scenario: Scenario) -> Iterator[str]:
    page = scenarios.lesson(scenario.name)
    if page:
        with contextlib.suppress(OSError):
            part = "Why it must be so" if re.search(r"^## Why it must be so", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE) else ""
            yield f'Read "{part}" in {page}.' if part else f"Read {page}."


# -- how many were seen ---------------------------------------------------------------------------------------------------

def key(verdict: Verdict) -> str:
    """Returns a text that names the present difference. If a changed program has the same difference, its hints go on where they
    were."""
    d = verdict.differences[0] if verdict.differences else None
    words = f"{verdict.word} {d.kind} {d.who} {d.statement or d.expected}" if d else verdict.word
    return " ".join(words.split())


def _file(scenario: Scenario) -> Path:
    return scenario.build.parent / "hints" / f"{scenario.name}.txt"


def seen(scenario: Scenario, of_what: str) -> int:
    """Returns how many hints of that difference were shown; 0 if the file is missing or broken, or is about another difference."""
    try:
        number, _, words = _file(scenario).read_text(encoding="utf-8", errors="replace").strip().partition(" ")
    except OSError:
        return 0
    return int(number) if re.fullmatch(r"[1-9]", number) and words == of_what else 0


def remember(scenario: Scenario, of_what: str, number: int) -> None:
    """Keeps how many hints were shown. If that can't be written, the hints begin anew the next time."""
    path = _file(scenario)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(f"{number} {of_what}\n", encoding="utf-8")
        os.replace(new, path)


def forget(scenario: Scenario) -> None:
    """Forgets the hints that were shown, because the scenario is as expected. The next difference is a new one."""
    with contextlib.suppress(OSError):
        _file(scenario).unlink()
