"""The event cards of a prediction: the lines of a contract, shuffled, and the order into which a learner puts them."""
from __future__ import annotations

import random
from typing import Sequence

from ..frozen import dataclass
from ..judge.contract import Contract, Line


@dataclass(frozen=True)
class Card:
    """One line of the contract, without its place in it."""

    who: str
    text: str

    def __str__(self) -> str:
        return f"{self.who}: {self.text}"


class BadOrder(Exception):
    """Numbers that were typed, or a list of cards that was edited, can't be used. The text says what is wrong."""


def lines_of(contract: Contract) -> "tuple[Line, ...]":
    """Returns the lines that every run is to have, in the order of the file. Lines in a branch are left out."""
    return tuple(s for s in contract.statements if isinstance(s, Line) and s.branch is None)


def deal(contract: Contract, name: str) -> "tuple[Card, ...]":
    """Returns the cards in an order that tells nothing. It is the same for each learner, because the scenario's name decides it."""
    cards = [Card(line.who, line.text) for line in lines_of(contract)]
    random.Random(name).shuffle(cards)
    return tuple(cards)


def read_numbers(typed: str, count: int, placed: "Sequence[int]") -> "list[int]":
    """Returns the numbers that were typed. Cards are counted from 1, and none may be in `placed`. Raises BadOrder."""
    found: "list[int]" = []
    for word in typed.replace(",", " ").split():
        if not (word.isascii() and word.isdecimal() and len(word) < 5 and 1 <= int(word) <= count):
            raise BadOrder(f"{word!r} is no card. The cards are 1 to {count}. Nothing was taken: type all numbers of this line again.")
        if int(word) in placed or int(word) in found:
            raise BadOrder(f"Card {int(word)} has a place already. Nothing was taken: type all numbers of this line again.")
        found.append(int(word))
    return found


def read_list(text: str, cards: "Sequence[Card]") -> "list[int]":
    """Returns the order of the cards in a file with one card a line (lines with # are comments). Cards with the same words may
    change places. Raises BadOrder."""
    left = list(range(1, len(cards) + 1))
    found: "list[int]" = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            card = next((n for n in left if str(cards[n - 1]) == line.strip()), 0)
            if not card:
                raise BadOrder(f"Line {number} of your list is none of the cards that are left: {line.strip()[:60]}\n"
                               "Keep the words of each card, and each card once.")
            left.remove(card)
            found.append(card)
    if left:
        raise BadOrder("These cards are missing in your list:\n" + "\n".join(f"  {cards[n - 1]}" for n in left))
    return found
