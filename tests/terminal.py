"""Runs a command of the harness that asks for keys in a terminal of its own."""
from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

from harness.cli import step
from harness.stage.scenarios import ROOT
from started import Started


class Terminal:
    """`python3 -m harness step N` in a terminal of its own, or another command that ends its question with `prompt`."""

    def __init__(self, number, command="step", prompt=step.KEYS, **env):
        self.prompt = prompt
        self.end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.child = Started(command, number, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "NO_COLOR": "1", **env}, session=True)
        os.close(theirs)

    def until_asked(self):
        """Returns what the command prints until it asks, or until it ends."""
        said = ""
        while not said.endswith(self.prompt):
            try:
                data = os.read(self.end, 65536).decode("utf-8", "replace")
            except OSError:
                break
            said += data
        return said

    def key(self, keys):
        os.write(self.end, (keys + "\n").encode())
        return self.until_asked()

    def status(self):
        self.child.wait()
        os.close(self.end)
        return self.child.returncode


class Watched:
    """`python3 -m harness watch N` in a terminal of its own, with the screen that was drawn last."""

    def __init__(self, number, columns=80, rows=24, argv=(), **env):
        self.end, theirs = pty.openpty()
        self.seen, self.columns, self.rows = "", columns, rows
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.size(columns, rows)
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8", **env}
        if argv:
            self.child = subprocess.Popen(argv, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True,
                                          preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        else:
            self.child = Started("watch", number, stdin=theirs, stdout=theirs, stderr=theirs, env=env, terminal=True)

    def size(self, columns, rows):
        """Gives the terminal another size; its programs get SIGWINCH."""
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def lines(self):
        """The lines of the screen that was drawn last."""
        whole = self.seen[:self.seen.rfind("\x1b[J") + 3]
        frame = whole[whole.rfind("\x1b[H") + 3:] if "\x1b[H" in whole else ""
        return [line.rstrip("\r") for line in frame.replace("\x1b[K", "").replace("\x1b[J", "").split("\n")]

    @property
    def text(self):
        return "\n".join(self.lines)

    def read(self):
        """Waits for more output. Returns False if there will be none."""
        try:
            data = os.read(self.end, 65536)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def until(self, *words):
        """Waits until all of these words are on the screen. Returns the screen's text."""
        while not all(word in self.text for word in words):
            assert self.read(), f"it ended, and never showed {words}:\n{self.text}"
        return self.text

    def key(self, keys):
        os.write(self.end, keys.encode())

    def status(self):
        """Waits for the command's end. Returns its exit status. Fails if the terminal was not put back as it was."""
        self.child.wait()
        after = termios.tcgetattr(self._theirs)
        os.close(self._theirs)
        while self.read():
            pass
        os.close(self.end)
        assert after == self.before, "the terminal was not put back"
        assert self.seen.count("\x1b[?1049h") == self.seen.count("\x1b[?1049l") and self.seen.count("\x1b[?25l") == self.seen.count("\x1b[?25h")
        return self.child.returncode
