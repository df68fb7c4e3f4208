"""What a learner has predicted, build/predictions/NN.txt: plain text, and nothing in it is ever taken away.

    prediction 1
    answer: C
    why: the kernel takes the bytes
    card: server: listening
    card: client: connecting
    never: client: EOF
    done

A prediction without `done` was left before its end: the next `make predict-N` goes on with it. A line that can't be read is passed over.
"""
from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional, Sequence

from .cards import Card


@dataclass
class Prediction:
    """One prediction. `why` is None if it was not asked for yet, and "" if it was left out. `order` has the cards that have a
    place, `never` those that never come."""

    answer: str = ""
    why: Optional[str] = None
    order: "list[Card]" = field(default_factory=list)
    never: "list[Card]" = field(default_factory=list)
    done: bool = False

    def text(self, number: int) -> str:
        lines = [f"prediction {number}"]
        lines += [f"answer: {self.answer}"] if self.answer else []
        lines += [f"why: {self.why}"] if self.why is not None else []
        lines += [f"card: {card}" for card in self.order] + [f"never: {card}" for card in self.never]
        return "\n".join([*lines, *(["done"] if self.done else [])]) + "\n"


class Predictions:
    """The file of one scenario. What was in it stays at its beginning, unchanged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._kept = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            self._kept = ""
        found = _read(self._kept)
        self.number = len(found) + 1
        self.now = Prediction()
        if found and not found[-1][0].done:
            self.now, at = found[-1]
            self.number -= 1
            self._kept = self._kept[:at]

    def begin(self) -> None:
        """Leaves the prediction that was begun as it is, and begins another one."""
        self._kept = self._kept + self.now.text(self.number)
        self.number, self.now = self.number + 1, Prediction()

    def keep(self) -> None:
        """Writes what is known now: all of it, or nothing. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        before = self._kept + ("" if not self._kept or self._kept.endswith("\n") else "\n")
        try:
            new.write_text(before + self.now.text(self.number), encoding="utf-8")
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)


def _read(text: str) -> "list[tuple[Prediction, int]]":
    """Returns the predictions of a file, each with the index at which it begins."""
    found: "list[tuple[Prediction, int]]" = []
    at = 0
    for line in text.splitlines(keepends=True):
        word, _, rest = line.strip().partition(":")
        if line.startswith("prediction "):
            found.append((Prediction(), at))
        elif found and word == "answer":
            found[-1][0].answer = rest.strip()
        elif found and word == "why":
            found[-1][0].why = rest.strip()
        elif found and word in ("card", "never"):
            who, _, words = rest.strip().partition(": ")
            (found[-1][0].order if word == "card" else found[-1][0].never).append(Card(who, words))
        elif found and word == "done":
            found[-1][0].done = True
        at += len(line)
    return found


def given(kept: Prediction, cards: "Sequence[Card]") -> "list[int]":
    """Returns what a prediction says of the cards that are dealt now, as numbers (see cards.py). Returns [] if it does not fit them, because the
    contract has changed."""
    left, found = list(range(1, len(cards) + 1)), []
    for card, sign in [*((card, 1) for card in kept.order), *((card, -1) for card in kept.never)]:
        number = next((n for n in left if cards[n - 1] == card), 0)
        if not number:
            return []
        left.remove(number)
        found.append(sign * number)
    return found
