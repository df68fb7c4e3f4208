"""A command of the harness that asks for keys, in a terminal of its own."""
from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

from harness.cli import step
from harness.stage.scenarios import ROOT


class Terminal:
    """`python3 -m harness step N` in a terminal of its own, or another command that ends its question with `prompt`."""

    def __init__(self, number, command="step", prompt=step.KEYS, **env):
        self.prompt = prompt
        self.end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.child = subprocess.Popen([sys.executable, "-m", "harness", command, number], cwd=ROOT, stdin=theirs, stdout=theirs,
                                      stderr=theirs, env={**os.environ, "NO_COLOR": "1", **env}, start_new_session=True)
        os.close(theirs)

    def until_asked(self):
        """What it says until it asks; or until its end."""
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
