"""The event cards of a prediction: the lines of a contract, and lines that it forbids, shuffled. A learner gives each card a place, or says that
it never comes.

What a learner said of the cards is a list of numbers: n gives card n the next place, and -n says that card n never comes. Cards are counted
from 1."""
from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Sequence

from ..judge.contract import Contract, Line, Never


@dataclass(frozen=True)
class Card:
    """One line that the contract asks for or forbids, without its place in it."""

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
    cards += [Card(s.who, s.text) for s in contract.statements if isinstance(s, Never) and not s.where and "..." not in s.text]
    random.Random(name).shuffle(cards)
    return tuple(cards)


def read_numbers(typed: str, count: int, given: "Sequence[int]") -> "list[int]":
    """Returns what the typed numbers say; an n before them says that these cards never come. None may be in `given`. Raises BadOrder."""
    sign, typed = (-1, typed[1:]) if typed.startswith("n") else (1, typed)
    found: "list[int]" = []
    for word in typed.replace(",", " ").split():
        if not (word.isascii() and word.isdecimal() and len(word) < 5 and 1 <= int(word) <= count):
            raise BadOrder(f"{word!r} is no card. The cards are 1 to {count}. Nothing was taken: type all numbers of this line again.")
        if {int(word), -int(word)} & {*given, *found}:
            raise BadOrder(f"Card {int(word)} was named already. Nothing was taken: type all numbers of this line again.")
        found.append(sign * int(word))
    if sign == -1 and not found:
        raise BadOrder("Type n and the numbers of the cards that never come, such as n 3.")
    return found


def read_list(text: str, cards: "Sequence[Card]") -> "list[int]":
    """Returns what a file with one card a line says of the cards: their order, and which of them never come, because the word never stands before
    them. Lines with # are comments. Cards with the same words may change places. Raises BadOrder."""
    left = list(range(1, len(cards) + 1))
    found: "list[int]" = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            never = line.split()[0] == "never"
            card = next((n for n in left if str(cards[n - 1]) == line.strip()[6 * never:].strip()), 0)
            if not card:
                raise BadOrder(f"Line {number} of your list is none of the cards that are left: {line.strip()[:60]}\n"
                               "Keep the words of each card, and each card once.")
            left.remove(card)
            found.append(-card if never else card)
    if left:
        raise BadOrder("These cards are missing in your list:\n" + "\n".join(f"  {cards[n - 1]}" for n in left))
    return found
