"""predict: asks what the learner expects. Then it makes one run, and compares the run with the prediction."""
from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Optional

from ..explore import turned
from ..explore.schedules import Place
from ..judge.contract import Contract
from ..learn import cards, orders, predictions, progress, questions
from ..learn.cards import BadOrder, Card
from ..learn.keys import Ended, Keys
from ..learn.orders import Pair
from ..stage.scenarios import Scenario, belief, find, lesson, misconceptions
from ..tell import predicted, screen
from ..trace import Run
from . import shared
from .outcome import Usage

HOW = """Put the cards into the order that you expect: type their numbers, in one line
or in several. If cards have the same words, take any of them. Enter shows the
order so far and the cards that are left, b takes the last card back, q leaves.
A card may be one that never comes: n 3 says so of card 3.
{editor}"""
EDITOR = "e opens your editor: there you move the lines, and save.\n"


def add(commands: Any) -> None:
    text = "say what you expect, then see what happens"
    command = commands.add_parser("predict", help=text, description=text)
    command.add_argument("scenario", metavar="N", help="a scenario: 4, 04, half-close")
    command.set_defaults(go=go, contract=None, trace=None)


def go(args: argparse.Namespace) -> int:
    scenario = find(args.scenario)
    contract = scenario.load_contract()
    if contract is None or not cards.lines_of(contract):
        raise Usage(f"{scenario.name} has no lines to predict: a contract has them. make scenario-{scenario.number} shows what happens")
    asked = questions.load(scenario.folder, misconceptions())
    interrupt = shared.Interrupt()
    with shared.Lab() as lab:
        with interrupt.raising():
            shared.build([scenario])
        waker = interrupt.at_once()
        file = predictions.Predictions(scenario.build.parent / "predictions" / f"{scenario.name.partition('-')[0]}.txt")
        page = _Page(scenario, contract, asked, file, Keys(waker))
        try:
            page.ask()
        except _Left:
            kept = page.kept()
            print("\n".join(screen.fitted([kept[0].upper() + kept[1:]], sys.stdout)))
            return 0
        except Ended:
            return shared.complain("\n".join(screen.fitted([f"the input has ended; {page.kept()}"], sys.stderr)), 2)
        except KeyboardInterrupt:
            print("\n" + "\n".join(screen.fitted([page.kept()], sys.stderr)), file=sys.stderr)
            raise
        progress.note(scenario.build.parent, "predicted", scenario.name.partition("-")[0])
        return _show(page, args, lab, interrupt)


class _Left(Exception):
    """The learner has typed q."""


class _Page:
    """The questions and the learner's answers. Each answer is kept at once."""

    def __init__(self, scenario: Scenario, contract: Contract, asked: "Optional[questions.Question]", file: predictions.Predictions, keys: Keys) -> None:
        self.scenario, self.contract, self.asked, self.file, self.keys = scenario, contract, asked, file, keys
        self.dealt = cards.deal(contract, scenario.name)
        self.given = predictions.given(file.now, self.dealt)        # see cards.py
        if (file.now.order or file.now.never) and not self.given:
            file.begin()        # the contract has other lines by now
        self.width = screen.width_of(sys.stdout)

    def kept(self) -> str:
        now = self.file.now
        if not now.answer and not self.given:
            return "nothing was answered, and nothing ran"
        return f"your answers so far are kept in {_shown(self.file.path)}; make predict-{self.scenario.number} goes on with them"

    @property
    def order(self) -> "list[Card]":
        return [self.dealt[n - 1] for n in self.given if n > 0]

    @property
    def never(self) -> "list[Card]":
        return [self.dealt[-n - 1] for n in self.given if n < 0]

    def ask(self) -> None:
        """Asks all that is not answered yet. Raises _Left, Ended, KeyboardInterrupt."""
        print(screen.heading(f"scenario {self.scenario.name}: predict first", lesson(self.scenario.name), sys.stdout))
        now = self.file.now
        if now.answer or self.given:
            print("You have begun this prediction before; here it goes on." + (f" You said {now.answer}." if now.answer else ""))
        if self.asked is not None and not now.answer:
            print("\n".join(predicted.question(self.asked, self.width)))
            now.answer = self._letter()
            self._keep()
        if self.asked is not None and now.why is None:
            now.why = "".join(c if c.isprintable() else "?" for c in self.keys.line("Why? One line (Enter leaves it out) > "))
            self._keep()
        self._ask_order()
        now.done = True
        self._keep()

    def _letter(self) -> str:
        while True:
            typed = self.keys.line("Your answer, A, B, C or D > ").upper()
            if len(typed) == 1 and typed in questions.LETTERS:
                return typed
            if typed == "Q":
                raise _Left
            print("That is none of the four letters; q leaves." if typed else "Type one of the four letters; q leaves.")

    def _ask_order(self) -> None:
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
        editor = editor if self.keys.terminal else ""
        print("\n" + HOW.format(editor=EDITOR if editor else ""))
        self._cards()
        while len(self.given) < len(self.dealt):
            never = f", {len(self.never)} never come" + "s" * (len(self.never) == 1) if self.never else ""
            typed = self.keys.line(f"{len(self.order)} of {len(self.dealt)} have a place{never} > ")
            if not typed:
                self._cards()
            elif typed == "q":
                raise _Left
            elif typed == "b":
                self._take_back()
            elif typed == "e" and editor:
                self._edit(editor)
            else:
                self._place(lambda: cards.read_numbers(typed, len(self.dealt), self.given))

    def _cards(self) -> None:
        if self.given:
            print("\n".join([*predicted.so_far(self.order, self.never, self.width), "", "Cards that are left:"]))
        print("\n".join(predicted.cards(self.dealt, self.given, self.width)))

    def _place(self, read: "Callable[[], list[int]]") -> None:
        try:
            self.given += read()
        except BadOrder as error:
            self._say(str(error))
            return
        self._keep()

    def _take_back(self) -> None:
        if not self.given:
            print("You have named no card yet.")
            return
        number = abs(self.given.pop())
        self._keep()
        print(f"{number}  {self.dealt[number - 1]}  is left again.")

    def _edit(self, editor: str) -> None:
        """Opens a file with all cards in the learner's editor. The file stays if its list can't be used."""
        path = self.file.path.with_suffix(".order.txt")
        new = not path.exists()
        if new:
            rest = [card for n, card in enumerate(self.dealt, 1) if n not in self.given and -n not in self.given]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("# Put these lines into the order that you expect, save, and leave the editor. Write never before a line that never comes.\n" +
                            "".join(f"{card}\n" for card in [*self.order, *rest, *(f"never {card}" for card in self.never)]), encoding="utf-8")
        before = _saved(path)
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)
        except (OSError, ValueError) as error:
            self._say(f"The editor {editor!r} can't be started ({getattr(error, 'strerror', None) or error}). Type the numbers, or set EDITOR.")
            return
        if _saved(path) == before:
            self._say("You have not saved the list in your editor. So nothing was taken.")
            if new:
                path.unlink()       # the next one begins with the numbers that were typed until then
        elif done.returncode:
            self._say(f"The editor ended with status {done.returncode}, so nothing was taken. Your list is kept: e opens it again.")
        else:
            given, self.given = self.given, []
            self._place(lambda: cards.read_list(path.read_text(encoding="utf-8", errors="replace"), self.dealt))
            if self.given:
                path.unlink()
            else:
                self.given = given
                self._say("Nothing was taken. Your list is kept: e opens it again.")

    def _say(self, text: str) -> None:
        print("\n".join(screen.fitted(text.split("\n"), sys.stdout)))

    def _keep(self) -> None:
        self.file.now.order, self.file.now.never = self.order, self.never
        try:
            self.file.keep()
        except OSError as error:
            screen.say(f"note: your prediction could not be kept: {_shown(self.file.path)}: {error.strerror}", sys.stderr)


def _saved(path: Path) -> "Optional[tuple[int, int, int]]":
    """Returns what changes when the file is saved; None if there is no file."""
    with contextlib.suppress(FileNotFoundError):
        now = path.stat()
        return now.st_ino, now.st_size, now.st_mtime_ns
    return None


def _shown(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _show(page: _Page, args: argparse.Namespace, lab: shared.Lab, interrupt: shared.Interrupt) -> int:
    """Makes the run, and shows it beside the prediction."""
    scenario = page.scenario
    result = shared.one_run(scenario, args, shared.policy(scenario, real_time=False), lab, tick=lambda: interrupt.came)
    if interrupt.came or result.run.stop.kind == "interrupted":
        raise KeyboardInterrupt
    judged = orders.judge(page.order, page.never, page.contract, result.run, result.verdict)
    print("\n" + "\n".join(predicted.table(page.order, page.never, judged, page.width, screen.wants_colour(sys.stdout))), flush=True)
    if result.verdict.status:
        print(f"\nThis run left the contract. make check-{scenario.number} says where, and why.")
    every = os.environ.get("ALL", "") not in ("", "0")
    turner = turned.Turner(scenario, lambda: lab.keeper, skip=shared.no_pause(), isolate=shared.isolate(), observe=shared.observe(),
                           tick=lambda: interrupt.came)
    for line in predicted.pairs(judged, _other_way(result.run, turner), scenario.number, shared.no_pause(), every, page.width):
        print(line, flush=True)
    if page.asked is not None:
        print("\n" + "\n".join(predicted.answer(page.asked, page.file.now.answer, belief, page.width)))
    print("\n" + "\n".join(screen.fitted([f"Kept in {_shown(page.file.path)}. make scenario-{scenario.number} shows the run with its times, and what happened."],
                                           sys.stdout)))
    return 0


def _other_way(run: Run, turner: turned.Turner) -> "Callable[[Pair], Optional[tuple[Place, ...]]]":
    places = turned.places(run)
    return lambda pair: turner.turned(places[pair.first.seq], places[pair.second.seq])
