"""What a learner reads of a prediction: the cards, the question, and the prediction compared with the run."""
from __future__ import annotations

import textwrap
from typing import Callable, Iterator, Optional, Sequence

from ..explore.schedules import Place
from ..judge.contract import role_of
from ..learn.cards import Card
from ..learn.orders import Judged, Pair
from ..learn.questions import Question
from ..trace import Event, plain
from . import explored, phrases, words
from .phrases import count
from .why import WHY

SHOWN = 3       # so many pairs of each sort are shown, unless ALL=1 asks for all

_SIGNS = {"=": "as you said", "~": "in another place", "!": "impossible there", "-": "never came", "+": "came after all"}


def question(asked: Question, width: int) -> "list[str]":
    """Returns the question and its four answers, in lines of at most `width` characters."""
    found = ["", *phrases.wrapped(asked.text, width)]
    for one in asked.answers:
        found += phrases.wrapped(f"  {one.letter}  {one.text}", width, "     ")
    return found


def cards(dealt: "Sequence[Card]", given: "Sequence[int]", width: int) -> "list[str]":
    """Returns the cards of which nothing is said yet, with their numbers, in two columns: one for each of two programs. The cards of more
    programs, or of one, stand in the order of their numbers, down the first column and then down the second one."""
    left = [(n, card) for n, card in enumerate(dealt, 1) if n not in given and -n not in given]
    whos = list(dict.fromkeys(sorted(card.who for card in dealt)))
    room = width // 2 - 1
    if len(whos) == 2:
        columns = [[f"    {who}", *(line for n, card in left if card.who == who for line in _entry(n, card.text, room))] for who in whos]
    else:
        longest, half = max(map(len, whos), default=0), (len(left) + 1) // 2
        columns = [[line for n, card in part for line in _entry(n, f"{card.who:{longest}}  {card.text}", room)] for part in (left[:half], left[half:])]
    height = max(map(len, columns))
    one, other = (column + [""] * (height - len(column)) for column in columns)
    return [f"{a:{room + 2}}{b}".rstrip() for a, b in zip(one, other)]


def so_far(order: "Sequence[Card]", never: "Sequence[Card]", width: int) -> "list[str]":
    """Returns the cards that have a place, in the order in which they were placed, and those that never come."""
    return ["Your order so far:", *(f"    {_cut(str(card), width - 4)}" for card in order), *(f"    never: {_cut(str(card), width - 11)}" for card in never)]


def _entry(number: int, text: str, room: int) -> "list[str]":
    return textwrap.wrap(f"{number:>2}  {plain(text)}", room, subsequent_indent="    ", break_on_hyphens=False)


def answer(asked: Question, letter: str, belief: "Callable[[str], str]", width: int) -> "list[str]":
    """Returns what is said about the chosen answer. `belief` returns the words of a misconception."""
    chosen, right = asked.answer(letter), asked.right
    if chosen == right:
        return phrases.wrapped(f"{letter} is right. {right.why}", width)
    told = f"You said {letter}. That is {chosen.code}, \"{belief(chosen.code)}\". {chosen.why}"
    return [*phrases.wrapped(told, width), *phrases.wrapped(f"{right.letter} is right. {right.why}", width)]


def table(order: "Sequence[Card]", never: "Sequence[Card]", judged: Judged, width: int, colour: bool) -> "list[str]":
    """Returns the prediction and the run side by side, line by line, and below it what was said never to come."""
    room = (width - 8) // 2
    too_early = {pair.second.seq for pair in judged.impossible}     # lines that had to come later than predicted
    found = [f"      {'you expected':{room}}  the run"]
    used = set()

    def row(sign: str, number: str, mine: str, there: str) -> str:
        used.add(sign)
        marked = words.dyed(sign, words.BAD, colour) if sign in "!-+" else sign
        return f"{marked} {number:>2}  {_cut(mine, room):{room}}  {_cut(there, room) if there else ''}".rstrip()

    for n, (card, event) in enumerate(zip(order, judged.events)):
        there = judged.ran[n] if n < len(judged.ran) else None
        found.append(row(_sign(event, there, too_early), str(n + 1), str(card), _said(there) if there else ""))
    found += [f"  {n:>2}  {'':{room}}  {_cut(_said(event), room)}" for n, event in enumerate(judged.ran[len(order):], len(order) + 1)]
    found += [row("+" if event else "=", "", f"never: {card}", "it came" if event else "it never came") for card, event in zip(never, judged.never)]
    meant = "   ".join(f"{sign} {what}".replace(" ", "\xa0") for sign, what in _SIGNS.items() if sign in used)       # no sign is parted from its words
    return [*found, *(line.replace("\xa0", " ") for line in textwrap.wrap(meant, width, initial_indent="   ", subsequent_indent="   "))]


def _sign(event: Optional[Event], there: Optional[Event], too_early: "set[int]") -> str:
    if event is None:
        return "-"
    if event.seq in too_early:
        return "!"
    return "=" if there is not None and (event.who, event.text) == (there.who, there.text) else "~"


def _said(event: Event) -> str:
    return f"{event.who}: {event.text}"


def _cut(text: str, room: int) -> str:
    text = plain(text)
    return text if len(text) <= room else text[:room - 3] + "..."


def pairs(judged: Judged, other_way: "Callable[[Pair], Optional[tuple[Place, ...]]]", number: str, skip: bool, every: bool, width: int) -> Iterator[str]:
    """Yields the lines about the three sorts of pairs. `other_way` returns a schedule that turns a free pair round, None if it
    knows none. With `every` no pair is left out."""
    most = max(map(len, (judged.impossible, judged.right, judged.free)), default=0) if every else SHOWN
    if judged.impossible:
        yield f"\nImpossible: {count(len(judged.impossible), 'order')}. You put:"
        for pair in judged.impossible[:most]:
            yield from _wrapped(f"{_said(pair.second)}  before  {_said(pair.first)}. {_why(pair)}", width)
        yield from _more(len(judged.impossible) - most)
    if judged.right:
        yield f"\nForced, and you have it right: {count(len(judged.right), 'order')} between the programs."
        for pair in judged.right[:most]:
            yield from _wrapped(f"{_said(pair.first)}  before  {_said(pair.second)}. {_why(pair)}", width)
        yield from _more(len(judged.right) - most)
    if judged.free:
        yield f"\nPossible, and not forced: {count(len(judged.free), 'order')}. It may also be the other way round."
        for pair in judged.free[:most]:
            yield from _free(pair, other_way, number, skip, width)
        yield from _more(len(judged.free) - most)
    if judged.unordered:
        yield from ("", *textwrap.wrap("These programs print their lines and log no events. So the lab knows the order of the lines within each program only, and "
                                       "says nothing of the order between the two.", width))


def _why(pair: Pair) -> str:
    if pair.cause == "start":
        return f'The lab starts the program "{role_of(pair.second.who)}" only after that line of the {role_of(pair.first.who)}.'
    return WHY[pair.cause].format(late=role_of(pair.second.who), early=role_of(pair.first.who))


def _free(pair: Pair, other_way: "Callable[[Pair], Optional[tuple[Place, ...]]]", number: str, skip: bool, width: int) -> Iterator[str]:
    yield from _wrapped(f"{_said(pair.first)}  before  {_said(pair.second)}. Nothing forces that.", width)
    if pair.second.seq < pair.first.seq:
        yield "    In this run it was the other way round."
    elif (schedule := other_way(pair)) is None:
        yield "    No delay that was tried turned it round."
    else:
        yield "    This command shows the other way:"
        yield f"    {explored.setting(schedule, skip)} make scenario-{number}"


def _wrapped(text: str, width: int) -> "list[str]":
    return textwrap.wrap(plain(text), width - 2, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)


def _more(left: int) -> "list[str]":
    return [f"  ... and {left} more (with ALL=1 your next prediction shows all)"] if left > 0 else []
