"""What became of each scenario that a command was asked for: a verdict, or the reason why there is none.

One broken scenario does not hide the others, and with --json each of them has its object (harness/TRACE.md, "Verdicts as JSON").
"""
from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from dataclasses import dataclass
from typing import Callable, Optional

from ..explore.schedules import BadSchedule
from ..judge import comparison
from ..judge.contract import ContractError
from ..judge.findings import Finding
from ..learn.questions import QuestionError
from ..learn.exercises import ExerciseError, UnknownExercise
from ..stage.build import DoesNotBuild
from ..stage.cast import StageError
from ..stage.scenarios import UnknownScenario
from ..tell import compiler, screen


class Usage(Exception):
    """A mistake that the user can mend. The text says what is wrong, and what to do."""


# The errors that have a word of their own: the word, and its exit status. Any other error is the lab's own: "lab error", 3.
_WORDS: "tuple[tuple[type[BaseException], str, int], ...]" = (
    (ContractError, "contract error", 2), (StageError, "stage error", 2), (ExerciseError, "exercise error", 2), (QuestionError, "question error", 2), (DoesNotBuild, "does not build", 2),
    (UnknownScenario, "wrong usage", 2), (UnknownExercise, "wrong usage", 2), (BadSchedule, "wrong usage", 2), (Usage, "wrong usage", 2),
    (KeyboardInterrupt, "interrupted", 130))


# The place of an error: `stage.txt:3: ...`, or the compiler's first `client.c:38:5: error: ...`
_PLACE = re.compile(r"\A([^\n:]+\.(?:txt|diff)):(?:(\d+):)? |^([^\n:]+):(\d+):\d+: (?:fatal )?error: ", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of one scenario: an error (`message`, `file`, `line`), or a verdict and its findings."""

    scenario: str
    word: str
    status: int
    message: str = ""
    file: str = ""
    line: int = 0
    verdict: Optional[comparison.Verdict] = None
    findings: "tuple[Finding, ...]" = ()
    notes: "tuple[str, ...]" = ()
    reproduce: str = ""

    def json(self) -> str:
        """Returns one JSON object on one line."""
        verdict = comparison.fields(self.verdict or comparison.Verdict(self.word, self.status))
        findings = [dataclasses.asdict(one) for one in self.findings]
        return json.dumps({"scenario": self.scenario, **verdict, "word": self.word, "status": self.status, "message": self.message,
                           "file": self.file, "line": self.line, "findings": findings, "notes": self.notes, "reproduce": self.reproduce})

    def complain(self) -> int:
        """Prints on standard error what is wrong. Returns the exit status."""
        if self.word == "does not build":       # the compiler's own words come first
            said = compiler.shown(self.message, screen.wants_colour(sys.stderr))
            print(f"{said}\n{self.scenario}: does not build" if self.scenario else f"{said}\ndoes not build", file=sys.stderr)
        elif self.message:
            said = self.message if self.word in ("stage error", "exercise error", "wrong usage") else f"{self.word}: {self.message}"
            print("\n".join(screen.fitted(said.split("\n"), sys.stderr)), file=sys.stderr)
        return self.status


def failed(scenario: str, error: BaseException) -> Outcome:
    """Returns the outcome of a scenario that an error kept from a verdict."""
    word, status = next(((word, status) for kind, word, status in _WORDS if isinstance(error, kind)), ("lab error", 3))
    known = status != 3 or isinstance(error, OSError) or type(error).__name__ == "KeeperError"
    message = str(error) if known else f"{type(error).__name__}: {error} (TCPLAB_DEBUG=1 shows where)"
    place = _PLACE.search(message) if status == 2 else None
    if isinstance(error, ContractError):
        return Outcome(scenario, word, status, message, error.path, error.number)
    return Outcome(scenario, word, status, message, (place[1] or place[3]) if place else "", int(place[2] or place[4] or 0) if place else 0)


def attempt(scenario: str, do: "Callable[[], Outcome]") -> Outcome:
    """Calls `do`, and returns its outcome; an error becomes an outcome, too. Only a reader that has gone (BrokenPipeError) ends
    the command."""
    try:
        return do()
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        outcome = failed(scenario, error)
        if outcome.status == 3 and os.environ.get("TCPLAB_DEBUG"):
            raise
        return outcome
