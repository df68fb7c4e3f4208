"""`make watch-N`: on each save it builds, checks, and shows the verdict in place.

One loop waits for a key or for a signal, at most 50 ms, and then looks at the files (files.py). A text is taken when two looks, 50 ms
apart, agree; the build begins at the first of them. A verdict is shown only if the files are the same after the run as before the build. Else
it is thrown away, and the present text is checked. So no verdict of an older text is ever on the screen.
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
ASK_AFTER = 3           # failed checks in a row after which a prediction is asked for
LONGEST = 200           # characters of a prediction
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal ends the watch: `number`; 0: the key q. No error: whoever turns errors into verdicts lets it pass."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        super().__init__(number)


class Checker(Protocol):
    """What the loop asks for. `stop` says whether to give up what is being done."""

    name: str           # of the scenario, "04-half-close"
    folder: Path        # its files
    task: Optional[board.Task]      # the exercise whose contract judges it; None: the scenario's own does

    def build(self) -> "Optional[Checked]":
        """Builds what has changed; what came of it if it can't be run."""

    def run(self, stop: Callable[[], bool]) -> "Optional[Checked]":
        """Runs and judges it. None: it was given up."""

    def look_around(self) -> None:
        """Finds out what the keys do now; asked once a check."""

    def rest(self) -> None:
        """Nothing is to be done now: makes ready for the next run."""

    def seen(self, what: str) -> int:
        """How many hints of that difference were shown."""

    def remember(self, what: str, number: int) -> None:
        """Keeps that number."""

    def predicted(self, check: int, text: str) -> None:
        """Keeps what the learner expects of the next check."""


@dataclass(frozen=True)
class Action:
    """A key. `what()` says what it would do now, "" if nothing; it is asked once a check. `act()` does it: it gives another command of the
    lab, which has the terminal for a while, or () and has changed what is watched."""

    key: str
    what: Callable[[State], str]
    act: "Callable[[], tuple[str, ...]]"


class _Signals:
    """Signals are noted, and wake the loop. `raising`: one that ends the watch does so at once, wherever it is."""

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
        elif number in _ENDINGS and not (self.aside and number == signal.SIGINT):       # that one is meant for the other command
            self.ended = self.ended or number
            if self.raising:
                raise Ended(number)

    def clear(self) -> None:
        """Takes what has woken the loop."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.waker, 512):
                pass


class Watch:
    """The loop. `actions`: further keys."""

    def __init__(self, checker: Checker, actions: "tuple[Action, ...]", colour: bool, unicode: bool) -> None:
        self.checker, self.actions, self.colour, self.unicode = checker, actions, colour, unicode
        self.state = State(checker.name, task=checker.task)
        self.screen = fullscreen.FullScreen()
        self.signals = _Signals()
        self._text: "dict[str, str]" = {}           # what was checked, or is being checked
        self._look: files.Look = ()                 # the look at which that text was taken
        self._looked = 0.0
        self._typed = b""                           # keys that nobody has taken yet
        self._offers: "tuple[tuple[str, str], ...]" = ()    # (key, what it does now) of the actions

    def go(self) -> int:
        """Watches until it is ended; returns the exit status."""
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
        """Draws, and waits for a key or a signal, at most so long."""
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
        """Ctrl-Z: gives the terminal back, stops, and goes on when it is told to."""
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
        """Checks the present text, and again if it changes meanwhile, until there is a verdict about what lies there."""
        s = self.state
        while True:
            began, look = time.monotonic(), files.look(self.checker.folder)
            text = files.text(self.checker.folder)
            if text == self._text and s.checked is not None:
                self._look = look       # it was only touched
                return
            new = files.changed(self._text, text)
            s.changed = tuple(dict.fromkeys((*(s.changed if s.doing else ()), *new))) if self._look else ()
            self._text, self._look, s.checked, self._offers = text, look, None, ()
            found = self._attempt(began, look)
            if found is not None:
                self._accept(found)
                return

    def _attempt(self, began: float, look: files.Look) -> "Optional[Checked]":
        """One build and one run of the text that was looked at. None: the files are others by now."""
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
        """Within: a signal that ends the watch does so at once. make may take long."""
        if self.signals.ended:
            raise Ended(self.signals.ended)
        self.signals.raising = True
        try:
            yield
        finally:
            self.signals.raising = False

    def _give_up(self) -> bool:
        """Is the run of no use any more? Asked many times a second while programs run."""
        self._take(self.screen.keyboard in select.select([self.screen.keyboard], [], [], 0)[0])
        return self._due() and files.look(self.checker.folder) != self._look

    def _accept(self, found: Checked) -> None:
        s = self.state
        s.doing, s.changed, s.checked = "", (), found
        s.checks += 1
        s.notes = [f"You expected: {s.prediction}"] if s.prediction else []
        if s.asking and s.typed.strip():        # the text was saved before Enter came
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
        """Something else is watched from now on."""
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
        """Keys of a prediction: text, Backspace, Ctrl-U, Enter. Escape or Enter alone skips it."""
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
        """Lets another command have the terminal, then shows the verdict again. Ctrl-C ends that command alone."""
        self.screen.leave()
        self.signals.aside = True
        old = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            child = subprocess.Popen(command, cwd=ROOT)
            try:
                while child.poll() is None:
                    select.select([self.signals.waker], [], [])     # SIGCHLD, or one that ends the watch
                    self.signals.clear()
                    if self.signals.ended:
                        raise Ended(self.signals.ended)
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
            print("\nEnter: back to the watch ", end="", flush=True)
            self._enter()
        finally:
            signal.signal(signal.SIGTSTP, old)
            self.signals.aside = False
        self.screen.enter()

    def _enter(self) -> None:
        """Waits for Enter (or q). The terminal hands over whole lines now."""
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
