"""A question of the quiz, and what a right answer to it is."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from ...judge.sides import Side


@dataclass(frozen=True)
class Asked:
    """One question. `answer` is the only right answer: a number, "2 1 3", or a choice counted from 1. `form` is its form:
    number    any number
    order     the numbers 1 to `most`, each once
    choice    one of the numbers 1 to `most`
    """

    kind: str
    scenario: str               # "04-half-close"
    schedule: str               # the schedule of the run, as SCHEDULE= takes it
    lines: "tuple[str, ...]"    # what is shown
    answer: str
    why: str                    # one or two sentences, from the run's records
    form: str = "number"
    most: int = 0
    place: int = -1             # the moment that it is about: records with a smaller place came before it
    side: Optional[Side] = None     # the end that it is about; for the kind `bytes` the end that sends them

    @property
    def words(self) -> "dict[str, str]":
        """The words that may be typed in place of a number."""
        return {"yes": "1", "y": "1", "no": "2", "n": "2"} if self.kind == "possible" else {}

    @property
    def prompt(self) -> str:
        if self.form == "number":
            return "A number"
        if self.words:
            return "yes or no"
        return f"A number, 1 to {self.most}" if self.form == "choice" else f"All {self.most} numbers in the right order, with blanks between"

    @property
    def told(self) -> str:
        """The right answer, as a learner reads it."""
        return {"1": "yes", "2": "no"}[self.answer] if self.kind == "possible" else self.answer

    @property
    def subject(self) -> "tuple[str, ...]":
        """What is asked, without the choices and without the order of the cards. Two questions with one subject are one question to a learner."""
        if self.form == "order":
            return tuple(sorted(re.sub("^ +[0-9]+ ", "", line) for line in self.lines))
        return tuple(line for line in self.lines if not re.match(" *[0-9]+ ", line))

    def read(self, typed: str) -> Optional[str]:
        """Returns a typed answer in the form of `answer`; None if it is no answer to this question."""
        typed = self.words.get(typed.lower(), typed)
        numbers = re.findall(r"[0-9]+", typed) if re.fullmatch(r"[0-9][0-9 ,]*", typed) and len(typed) < 40 else []
        if self.form == "order":
            found = [int(n) for n in (list(typed) if len(numbers) == 1 and self.most < 10 else numbers)]
            return " ".join(map(str, found)) if sorted(found) == list(range(1, self.most + 1)) else None
        if len(numbers) != 1:
            return None
        number = int(numbers[0])
        return str(number) if self.form == "number" or 1 <= number <= self.most else None
