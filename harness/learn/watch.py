"""`make watch-N`: on each save it builds, checks, and shows the verdict in place.

One loop waits at most 50 ms for a key or a signal, and then looks at the files (files.py). A text is taken when two looks, 50 ms
apart, agree; the build begins at the first of them. A verdict is shown only if the files are the same after the run as before the
build. Else it is thrown away, and the present text is checked. So the verdict of an older text is never on the screen.
"""
from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Protocol

from ..stage.scenarios import ROOT
from ..tell import fullscreen
from . import board, files
from .board import Checked, State

PERIOD = 0.05           # seconds between two looks at the files
ASK_AFTER = 3           # after so many failed checks in a row the watch asks for a prediction
LONGEST = 200           # characters that a prediction may have
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """The watch is to end, because of the signal `number`, or because of the key q (0). It is no Exception, so that code which
    turns errors into verdicts lets it pass."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        super().__init__(number)


class Checker(Protocol):
    """What the loop needs of a checker. `stop` returns whether to give up what is being done."""

    name: str           # the scenario's name, "04-half-close"
    folder: Path        # the folder with its files
    task: Optional[board.Task]      # the exercise whose contract judges it; None: the scenario's own does

    def build(self) -> "Optional[Checked]":
        """Builds what has changed. Returns None, or the result if the programs can't be run."""

    def run(self, stop: Callable[[], bool]) -> "Optional[Checked]":
        """Runs and judges the programs. Returns None if the run was given up."""

    def look_around(self) -> None:
        """Finds out what the keys do now. It is called once for each check."""

    def rest(self) -> None:
        """Prepares the next run, because nothing else is to be done now."""

    def seen(self, what: str) -> int:
        """Returns how many hints of that difference were shown."""

    def remember(self, what: str, number: int) -> None:
        """Keeps how many hints of that difference were shown."""

    def predicted(self, check: int, text: str) -> None:
        """Keeps what the learner expects of the next check."""


@dataclass(frozen=True)
class Action:
    """A key. `what()` returns what it would do now, "" if nothing; it is called once for each check. `act()` does it. It returns
    another command of the lab, which then has the terminal for a while, or () if it has changed what is watched."""

    key: str
    what: Callable[[State], str]
    act: "Callable[[], tuple[str, ...]]"


class _Signals:
    """Notes signals, and wakes the loop. While `raising` is true, a signal that ends the watch raises Ended at once, wherever the
    program is."""

    def __init__(self) -> None:
        self.ended = 0
        self.raising = self.aside = self.stopped = self.resized = False
        self.waker, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: "dict[int, Any]" = {}

    def __enter__(self) -> "_Signals":
        self._fd = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (*_ENDINGS, signal.SIGTSTP, signal.SIGWINCH, signal.SIGCHLD):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._fd)
        os.close(self.waker)
        os.close(self._wake)

    def _note(self, number: int, frame: object) -> None:
        if number == signal.SIGTSTP:
            self.stopped = True
        elif number == signal.SIGWINCH:
            self.resized = True
        elif number in _ENDINGS and not (self.aside and number == signal.SIGINT):       # Ctrl-C is meant for the other command
            self.ended = self.ended or number
            if self.raising:
                raise Ended(number)

    def clear(self) -> None:
        """Reads the bytes that have woken the loop."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.waker, 512):
                pass


class Watch:
    """The loop. `actions` are further keys."""

    def __init__(self, checker: Checker, actions: "tuple[Action, ...]", colour: bool, unicode: bool) -> None:
        self.checker, self.actions, self.colour, self.unicode = checker, actions, colour, unicode
        self.state = State(checker.name, task=checker.task)
        self.screen = fullscreen.FullScreen()
        self.signals = _Signals()
        self._text: "dict[str, str]" = {}           # what was checked, or is being checked
        self._look: files.Look = ()                 # the look at which that text was taken
        self._looked = 0.0
        self._typed = b""                           # keys that have not been handled yet
        self._offers: "tuple[tuple[str, str], ...]" = ()    # (key, what it does now) of the actions

    def go(self) -> int:
        """Watches until it is ended. Returns the exit status."""
        with self.signals:
            try:
                self.screen.enter()
                self._check()
                while True:
                    self._wait(PERIOD)
                    self._keys()
                    if self._due() and files.look(self.checker.folder) != self._look:
                        self._check()
            except Ended as end:
                return 128 + end.number if end.number else 0
            except OSError as error:
                if not self.signals.ended and not self._terminal_is_gone():
                    raise
                return 128 + (self.signals.ended or signal.SIGHUP) if error else 0
            finally:
                self.screen.leave()

    def _terminal_is_gone(self) -> bool:
        try:
            return not os.isatty(self.screen.keyboard) or os.get_terminal_size(self.screen.keyboard) is None
        except OSError:
            return True

    # -- waiting --------------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Draws the screen, and waits for a key or a signal, at most so many seconds."""
        self._draw()
        ready = select.select([self.screen.keyboard, self.signals.waker], [], [], seconds)[0]
        self._take(self.screen.keyboard in ready)

    def _take(self, typed: bool) -> None:
        """Takes in keys and signals. Raises Ended."""
        self.signals.clear()
        if typed:
            data = os.read(self.screen.keyboard, 4096)
            if not data:
                raise Ended(signal.SIGHUP)      # the terminal has gone
            self._typed += data
        if self.signals.ended:
            raise Ended(self.signals.ended)
        if not self.state.asking and b"q" in self._typed:
            raise Ended
        if self.signals.stopped:
            self._stop()
        if self.signals.resized:
            self.signals.resized = False
            self.screen.forget()
            self._draw()

    def _stop(self) -> None:
        """Handles Ctrl-Z: gives the terminal back, stops, and goes on when SIGCONT comes."""
        self.signals.stopped = False
        self.screen.leave()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)      # here it goes on
        self.screen.enter()
        self._draw()

    def _due(self) -> bool:
        """Is it time for another look at the files?"""
        now = time.monotonic()
        if now - self._looked < PERIOD:
            return False
        self._looked = now
        return True

    def _draw(self) -> None:
        self.state.keys = self._useful_keys()
        self.screen.draw(board.lines(self.state, *fullscreen.size(), self.colour, self.unicode))

    # -- checking ---------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Checks the present text. If it changes meanwhile, checks again, until there is a verdict about the text that the files
        have."""
        s = self.state
        while True:
            began, look = time.monotonic(), files.look(self.checker.folder)
            text = files.text(self.checker.folder)
            if text == self._text and s.checked is not None:
                self._look = look       # the files were touched, and have the same text
                return
            new = files.changed(self._text, text)
            s.changed = tuple(dict.fromkeys((*(s.changed if s.doing else ()), *new))) if self._look else ()
            self._text, self._look, s.checked, self._offers = text, look, None, ()
            found = self._attempt(began, look)
            if found is not None:
                self._accept(found)
                return

    def _attempt(self, began: float, look: files.Look) -> "Optional[Checked]":
        """Builds and runs the text that was looked at once. Returns None if the files have changed meanwhile."""
        s = self.state
        s.doing = "building ..."
        self._draw()
        with self._raising():
            found = self.checker.build()
        while (left := began + PERIOD - time.monotonic()) > 0:
            self._wait(left)
        if files.look(self.checker.folder) != look:
            return None
        if found is None:
            s.doing = "running ..."
            self._draw()
            found = self.checker.run(self._give_up)
        return found if files.look(self.checker.folder) == look and files.text(self.checker.folder) == self._text else None

    @contextlib.contextmanager
    def _raising(self) -> Iterator[None]:
        """Inside of it, a signal that ends the watch raises Ended at once, because make may take long."""
        if self.signals.ended:
            raise Ended(self.signals.ended)
        self.signals.raising = True
        try:
            yield
        finally:
            self.signals.raising = False

    def _give_up(self) -> bool:
        """Is the run useless now, because the files have changed? This is asked many times a second while programs run."""
        self._take(self.screen.keyboard in select.select([self.screen.keyboard], [], [], 0)[0])
        return self._due() and files.look(self.checker.folder) != self._look

    def _accept(self, found: Checked) -> None:
        s = self.state
        s.doing, s.changed, s.checked = "", (), found
        s.checks += 1
        s.notes = [f"You expected: {s.prediction}"] if s.prediction else []
        if s.asking and s.typed.strip():        # the learner saved the text before pressing Enter
            self._answered()
        s.prediction, s.asking, s.typed = "", False, ""
        s.hints = min(self.checker.seen(found.what), len(found.hints)) if found.hints else 0
        if found.status == 0:
            s.failed = 0
        elif found.status == 1:
            s.failed += 1
            s.asking = s.failed % ASK_AFTER == 0
        self._draw()
        self.checker.look_around()
        offers = ((action.key, action.what(s)) for action in self.actions)
        self._offers = tuple((key, what) for key, what in offers if what)
        self.checker.rest()

    def _anew(self) -> None:
        """Begins to watch something else."""
        self.state = State(self.checker.name, checks=self.state.checks, task=self.checker.task)
        self._text, self._look = {}, ()
        self._check()

    # -- keys -------------------------------------------------------------------------------------------------------------

    def _useful_keys(self) -> "tuple[tuple[str, str], ...]":
        s = self.state
        found = []
        if s.checked is not None and not s.doing:
            left = len(s.checked.hints) - s.hints
            found += [("h", "hint" if not s.hints else "another hint")] if left > 0 else []
            found += self._offers
        return (*found, ("q", "quit"))

    def _keys(self) -> None:
        typed, self._typed = self._typed, b""
        if self.state.asking:
            self._type(typed)
            return
        useful = dict(self.state.keys)
        for key in typed.decode("ascii", "replace"):
            if key == "h" and key in useful:
                self._hint()
            elif key in useful:
                action = next((one for one in self.actions if one.key == key), None)
                command = action.act() if action is not None else ()
                if command:
                    self._aside(command)
                elif action is not None:
                    self._anew()
                return

    def _hint(self) -> None:
        s = self.state
        assert s.checked is not None
        s.hints += 1
        self.checker.remember(s.checked.what, s.hints)
        self.state.keys = self._useful_keys()

    def _type(self, typed: bytes) -> None:
        """Handles the keys of a prediction: text, Backspace, Ctrl-U, Enter. Escape, or Enter alone, skips the prediction."""
        s = self.state
        for c in typed.decode("utf-8", "replace"):
            if c in "\r\n" or c == "\x1b":
                self._answered(keep=c != "\x1b")
                return
            if c in "\x7f\b":
                s.typed = s.typed[:-1]
            elif c == "\x15":
                s.typed = ""
            elif c.isprintable() and len(s.typed) < LONGEST:
                s.typed += c

    def _answered(self, keep: bool = True) -> None:
        s = self.state
        s.prediction = s.typed.strip() if keep else ""
        if s.prediction:
            self.checker.predicted(s.checks + 1, s.prediction)
        s.asking, s.typed = False, ""

    # -- other commands -----------------------------------------------------------------------------------------------------

    def _aside(self, command: "tuple[str, ...]") -> None:
        """Gives the terminal to another command, then shows the verdict again. Ctrl-C ends only that command."""
        self.screen.leave()
        self.signals.aside = True
        old = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            child = subprocess.Popen(command, cwd=ROOT)
            try:
                while child.poll() is None:
                    select.select([self.signals.waker], [], [])     # SIGCHLD, or a signal that ends the watch
                    self.signals.clear()
                    if self.signals.ended:
                        raise Ended(self.signals.ended)
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
            print("\nEnter: back to the watch   q: quit > ", end="", flush=True)
            self._enter()
        finally:
            signal.signal(signal.SIGTSTP, old)
            self.signals.aside = False
        self.screen.enter()

    def _enter(self) -> None:
        """Waits for Enter (or q). The terminal passes on whole lines now."""
        while True:
            ready = select.select([self.screen.keyboard, self.signals.waker], [], [])[0]
            self.signals.clear()
            if self.signals.ended:
                raise Ended(self.signals.ended)
            if self.screen.keyboard in ready:
                data = os.read(self.screen.keyboard, 4096)
                if not data or data.strip() == b"q":
                    raise Ended(0 if data else signal.SIGHUP)
                return
