"""Starts commands of the harness as subprocess does, without the tenth of a second that Python takes to load the harness.

A process beside the tests has loaded the harness and runs nothing of it. Each command is a fork of that process, with the arguments, the
environment and the streams that the test gives. What Python itself takes from the environment at its start (PYTHONIOENCODING, LANG) is that
of the tests. What a test proves about the start itself, or about another copy of the lab, it proves with a Python of its own.
"""
from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any, Callable, Mapping, Optional
from unittest import mock

from harness.observe import kernel

_TESTS = Path(__file__).resolve().parent
_START = "import sys; sys.path[:0] = sys.argv[1:]; import started; started._serve()"


class Started:
    """`python3 -m harness WORDS` in the lab's folder. The streams are descriptors; without one, standard input is empty, and what the command
    prints goes where the tests' own output goes. With `session` it leads a session of its own. With `terminal` it does, too, and its standard
    input is that session's terminal."""

    def __init__(self, *words: str, stdin: int = -1, stdout: int = 1, stderr: int = 2, env: "Optional[Mapping[str, str]]" = None,
                 session: bool = False, terminal: bool = False) -> None:
        asked = {"words": words, "env": dict(os.environ if env is None else env), "session": session or terminal, "terminal": terminal}
        with open(os.devnull) as nothing:
            socket.send_fds(_loaded(), [json.dumps(asked).encode()], (nothing.fileno() if stdin < 0 else stdin, stdout, stderr))
        self.pid = int(_loaded().recv(100))
        self._alive = os.pidfd_open(self.pid)
        self.returncode: Optional[int] = None

    def poll(self) -> Optional[int]:
        """Returns the exit status as subprocess has it, None while the command runs."""
        if self.returncode is None and select.select([self._alive], [], [], 0)[0]:
            _loaded().send(json.dumps({"ended": self.pid}).encode())
            self.returncode = os.waitstatus_to_exitcode(int(_loaded().recv(100)))
            os.close(self._alive)
        return self.returncode

    def wait(self) -> int:
        """Waits for the command's end. Returns its exit status."""
        while self.poll() is None:
            select.select([self._alive], [], [])
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def under(pid: int) -> "dict[int, int]":
    """Returns the processes under that one that have not ended, each with a descriptor. An id alone may be another process's as soon as
    its process has gone."""
    found = {}
    for one in kernel.descendants(pid):
        with contextlib.suppress(ProcessLookupError):
            found[one] = os.pidfd_open(one)
    return found


def left(processes: "dict[int, int]") -> "list[int]":
    """Returns those of the processes that have not ended. Their descriptors are closed then."""
    found = [pid for pid, pidfd in processes.items() if not select.select([pidfd], [], [], 0)[0]]
    for pidfd in processes.values():
        os.close(pidfd)
    return found


def run(*words: str, typed: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end. `typed` is its standard input; what it prints goes into no terminal. `env` is added to the environment."""
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        os.write(files[0], typed.encode())
        os.lseek(files[0], 0, os.SEEK_SET)
        status = Started(*words, stdin=files[0], stdout=files[1], stderr=files[2], env={**os.environ, **env}).wait()
        said = [os.pread(file, os.fstat(file).st_size, 0).decode() for file in files]
    finally:
        for file in files:
            os.close(file)
    return subprocess.CompletedProcess(list(words), status, *said[1:])


@functools.lru_cache(maxsize=None)
def _loaded() -> socket.socket:
    """Returns the way to the process that has loaded the harness. It ends when the tests' process ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = subprocess.Popen([sys.executable, "-c", _START, str(_TESTS.parent), str(_TESTS)], stdin=theirs, cwd=_TESTS.parent)
    theirs.close()

    def end() -> None:
        ours.close()
        child.wait()
    atexit.register(end)
    return ours


def _serve() -> None:
    loaded: "list[Callable[[], object]]" = []      # what modules have registered for the end while they were loaded
    with mock.patch.object(atexit, "register", lambda function: loaded.append(function) or function):
        for command in importlib.import_module("harness.__main__")._COMMANDS:
            importlib.import_module(f"harness.cli.{command}")
    gc.collect()
    gc.freeze()
    way = socket.socket(fileno=os.dup(0))
    while True:
        text, fds, *_ = socket.recv_fds(way, 1 << 21, 3)
        if not text:
            sys.exit(0)
        asked = json.loads(text)
        if "ended" in asked:
            way.send(str(os.waitpid(asked["ended"], 0)[1]).encode())
            continue
        child = os.fork()
        if child == 0:
            way.close()
            _become(asked, fds, loaded)
        for fd in fds:
            os.close(fd)
        way.send(str(child).encode())


def _become(asked: "dict[str, Any]", fds: "list[int]", loaded: "list[Callable[[], object]]") -> None:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    if asked["session"]:
        os.setsid()
    if asked["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["harness", *asked["words"]]
    sys.path[0] = os.getcwd()
    sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, encoding="utf-8", errors=errors, buffering=1 if fd == 2 or os.isatty(fd) else -1, closefd=False)
                                         for fd, mode, errors in ((0, "r", "strict"), (1, "w", "strict"), (2, "w", "backslashreplace")))
    del sys.modules["harness.__main__"]     # its text runs once more, as the program's
    register = atexit.register

    def first(function: "Callable[[], object]") -> None:
        atexit.register = register
        for one in (function, *loaded):     # in the order in which a Python that has loaded nothing comes to them
            register(one)
    atexit.register = first
    runpy.run_module("harness", run_name="__main__", alter_sys=True)
