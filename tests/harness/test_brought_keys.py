"""explain where it asks for keys: --tty, --step, and Ctrl-C."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from started import Started, left, under

HERE = Path(__file__).resolve().parent / "brought"
ECHO = f"{HERE}/echo.c 9000"


class Terminal:
    """`python3 -m harness explain` in a terminal of its own."""

    def __init__(self, *words):
        self.end, theirs = os.openpty()
        self.child = Started("explain", *words, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "NO_COLOR": "1"}, terminal=True)
        os.close(theirs)
        self.said = ""

    def until(self, text):
        """Reads until it has said that, or to its end; returns what it said."""
        said = ""
        while text not in said:
            try:
                said += os.read(self.end, 65536).decode("utf-8", "replace")
            except OSError:
                break
        self.said += said
        return said

    def type(self, keys):
        os.write(self.end, keys.encode())

    def status(self):
        self.until("\0")
        self.child.wait()
        os.close(self.end)
        return self.child.returncode


def client(tmp_path):
    path = tmp_path / "cli.py"
    path.write_text("import socket, sys\ns = socket.create_connection(('localhost', 9000))\nprint('ready', flush=True)\n"
                    "for line in sys.stdin:\n    s.sendall(line.encode())\n    print('heard', s.recv(99), flush=True)\n")
    return f"{sys.executable} {path}"


def test_one_program_gets_the_terminal_and_the_others_are_told_of_afterwards(tmp_path):
    terminal = Terminal("--server", ECHO, "--client", client(tmp_path), "--tty", "client")
    assert "ready" in terminal.until("ready")
    terminal.type("hello\n")
    assert "listening" not in terminal.until("heard b'hello\\n'")
    terminal.type("\x04")
    assert terminal.status() == 0
    assert "· received 6 bytes" in terminal.said and "told: the run is over" in terminal.said


def test_ctrl_c_ends_an_interactive_run_tells_of_it_and_leaves_nothing(tmp_path):
    terminal = Terminal("--server", ECHO, "--client", client(tmp_path), "--tty", "client")
    terminal.until("ready")
    processes = under(terminal.child.pid)
    assert len(processes) >= 3
    terminal.type("\x03")
    assert terminal.status() == 130
    assert "· accepted" in terminal.said and "interrupted: Ctrl-C" in terminal.said
    assert left(processes) == []


def test_step_holds_each_program_at_its_calls(tmp_path):
    terminal = Terminal("--server", ECHO, "--client", client(tmp_path), "--stdin", f"client={__file__}", "--step")
    assert "> 1  server  socket()" in terminal.until("quit >")
    terminal.type("\n")
    assert "socket() = 3" in terminal.until("quit >")
    terminal.type("c\n")
    assert terminal.status() == 0
    assert "told: the run is over" in terminal.said


def test_step_names_the_lines_of_the_source_as_a_run_does(tmp_path):
    terminal = Terminal("--server", ECHO, "--client", f"{sys.executable} -c 'import socket; socket.create_connection((\"localhost\", 9000)).recv(1)'", "--step")
    terminal.until("quit >")
    terminal.type("c\n")
    terminal.status()
    assert "(echo.c:" in terminal.said


def test_step_run_on_ends_where_a_program_spins(tmp_path):
    spins = ("import socket; c = socket.create_server((\"localhost\", 9000)).accept()[0]; c.setblocking(False)\n"
             "while True:\n try: c.recv(9); break\n except BlockingIOError: pass")
    terminal = Terminal("--server", f"{sys.executable} -c '{spins}'", "--client", f"{sys.executable} -c 'import socket; socket.create_connection((\"localhost\", 9000)).recv(1)'", "--step")
    terminal.until("quit >")
    terminal.type("c\n")
    terminal.status()
    assert "runaway: the server spins: read on connection 1 fails with EAGAIN again and again" in terminal.said
