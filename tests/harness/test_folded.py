"""In a terminal of 80 columns no sentence of the lab is broken within a word: it is folded at blanks. Code, commands and what programs
say stay as they are."""
from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios

import pytest

from harness.__main__ import _COMMANDS
import started


def shown(*command: str, **env: str) -> "list[str]":
    """What the harness prints in such a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    child = started.Started(*command, stdout=theirs, stderr=theirs, env={**os.environ, "NO_COLOR": "1", **env})
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:     # the command has ended
            break
    os.close(ours)
    assert child.wait() == 0, said
    return said.decode().replace("\r\n", "\n").split("\n")


def wide(lines: "list[str]") -> "list[str]":
    return [line for line in lines if len(line) > 80]


@pytest.mark.parametrize("command", ["", *_COMMANDS])
def test_help_fits(command):
    lines = shown(*filter(None, [command]), "--help")
    assert len(lines) > 5 and wide(lines) == []


def test_what_a_draft_says_of_itself_fits():
    about = [line for line in shown("draft", "1") if line.startswith("#")]
    assert len(about) > 2 and wide(about) == []


def test_the_commands_for_a_capture_stand_on_a_line_each(tmp_path):
    file = tmp_path / ("a-long-name-" * 5 + ".pcapng")
    lines = shown("wire", "1", "--pcap", str(file), NOPAUSE="1")
    assert [line.strip() for line in lines[-4:-1]] == [f"{tool} {file}" for tool in ("wireshark", "tshark -r", "tcpdump -r")]
    assert [line for line in wide(lines) if str(file) not in line] == []


def test_a_note_is_folded():
    lines = shown("check", "20", DELIVERY="reset")
    first, = (n for n, line in enumerate(lines) if line.startswith("note: DELIVERY=reset: "))
    assert wide(lines) == [] and lines[first + 1].startswith("  ")
