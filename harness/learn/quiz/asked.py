"""A question of the quiz, and what is a right answer to it."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from ...judge.sides import Side


@dataclass(frozen=True)
class Asked:
    """One question. `answer`: the only right one: a number, "2 1 3", or a choice counted from 1. `form`: what an answer looks like:

    number    any number
    order     the numbers 1 to `most`, each once
    choice    one of the numbers 1 to `most`
    """

    kind: str
    scenario: str               # "04-half-close"
    schedule: str               # as SCHEDULE= takes it: under it the run was made
    lines: "tuple[str, ...]"    # what is shown
    answer: str
    why: str                    # one or two sentences, from the run's records
    form: str = "number"
    most: int = 0
    place: int = -1             # of a moment: records with a smaller place came before it
    side: Optional[Side] = None     # the end that it is about; of bytes, the one that sends them

    @property
    def words(self) -> "dict[str, str]":
        """What may be typed in place of a number."""
        return {"yes": "1", "y": "1", "no": "2", "n": "2"} if self.kind == "possible" else {}

    @property
    def prompt(self) -> str:
        if self.form == "number":
            return "A number"
        return f"A number, 1 to {self.most}" if self.form == "choice" else f"The numbers 1 to {self.most} in order"

    def read(self, typed: str) -> Optional[str]:
        """A typed answer in the form of `answer`; None if it is no answer to this question."""
        typed = self.words.get(typed.lower(), typed)
        numbers = re.findall(r"[0-9]+", typed) if re.fullmatch(r"[0-9][0-9 ,]*", typed) and len(typed) < 40 else []
        if self.form == "order":
            found = [int(n) for n in (list(typed) if len(numbers) == 1 and self.most < 10 else numbers)]
            return " ".join(map(str, found)) if sorted(found) == list(range(1, self.most + 1)) else None
        if len(numbers) != 1:
            return None
        number = int(numbers[0])
        return str(number) if self.form == "number" or 1 <= number <= self.most else None
