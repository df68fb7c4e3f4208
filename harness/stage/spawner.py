"""Starts programs: posix_spawn(3) for those that nobody looks into, and the spawner for those whose system calls are looked at.

A filter that stops a program's calls (seccomp(2)) is inherited, and can't be put on from outside. So the spawner, a fork of the keeper,
puts it on itself once, and starts the programs. The keeper traces it, and so all that it starts. A fork of the
keeper for each program would do as well, but costs several times as much.
"""
from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
from typing import Any, Optional

from ..observe import calls, ptrace

MEMORY = 512 << 20          # bytes of data of one process; twice that for all together
_CLONE_NEWNET = 0x40000000
_OWN = 800                  # the spawner's own descriptors are from here on: no call on them stops
_libc = ctypes.CDLL(None, use_errno=True)


def close_inherited(fd: int) -> None:
    """Closes what a fork has and does not need."""
    try:
        os.close(fd)
    except OSError:     # it was the listing's
        pass


def keep_from_programs(fd: int) -> None:
    """Programs do not inherit this descriptor."""
    try:
        os.set_inheritable(fd, False)
    except OSError:     # it is closed already
        pass


def start(fds: "list[int]") -> "dict[str, Any]":
    """Starts the program that a letter describes. fds: the ends of its output and error, the letter."""
    os.lseek(fds[2], 0, os.SEEK_SET)
    with open(os.dup(fds[2]), "rb") as file:
        letter = json.loads(file.read())
    if letter["limit data"]:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    actions = [(os.POSIX_SPAWN_OPEN, 0, letter["stdin"], os.O_RDONLY | os.O_NOCTTY, 0),
               (os.POSIX_SPAWN_DUP2, fds[0], 1), (os.POSIX_SPAWN_DUP2, fds[1], 2)]
    if letter["ours"]:
        actions = []        # it keeps what the harness itself was started with
    try:
        pid = os.posix_spawn(letter["argv"][0], letter["argv"], letter["env"], file_actions=actions, setpgroup=0,
                             setsigmask=[], setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD])
        return {"pid": pid}
    except (OSError, ValueError) as error:
        return {"error": getattr(error, "strerror", None) or str(error)}


class Spawner:
    """The keeper's end of a spawner. OSError: this system does not allow one."""

    def __init__(self, tracer: calls.Tracer) -> None:
        if not ptrace.SUPPORTED:
            raise OSError(0, f"no call numbers for {ptrace.MACHINE}")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                for fd in map(int, os.listdir("/proc/self/fd")):
                    if fd > 2 and fd != theirs.fileno():        # what is the keeper's: its end must be seen when it ends
                        close_inherited(fd)
                status = _serve(theirs)
            finally:
                os._exit(status)
        theirs.close()
        self._socket = ours
        try:
            tracer.trace_spawner(self.pid)
        except OSError:
            self._end()
            raise
        ours.send(b"traced")
        if (self._wait(tracer) or b"") != b"ready":
            self._end()
            raise OSError(0, "seccomp: refused")

    def _wait(self, tracer: calls.Tracer) -> bytes:
        """The spawner's first word. Its stops are dealt with meanwhile."""
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG | ptrace.WALL)
            if pid and not os.WIFSTOPPED(status):
                return b""
            if pid:
                tracer.status(pid, status)
            try:
                return self._socket.recv(64, socket.MSG_DONTWAIT)
            except BlockingIOError:
                os.sched_yield()

    def _end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, ptrace.WALL)
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, fds: "list[int]") -> None:
        """Has it start a program; answer() tells of it."""
        socket.send_fds(self._socket, [b"start"], fds)

    def join_network(self) -> None:
        """Has it move into the network in which the keeper is now."""
        network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        socket.send_fds(self._socket, [b"network"], [network])
        os.close(network)

    def answer(self) -> "Optional[dict[str, Any]]":
        """{"pid": N} or {"error": words}; None if it is gone."""
        try:
            message = self._socket.recv(65536)
        except OSError:
            message = b""
        if not message:
            return None
        told: "dict[str, Any]" = json.loads(message)
        return told


def _serve(control: socket.socket) -> int:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)       # what it started is waited for by the keeper, which traces it
    high = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, _OWN)
    control.close()
    control = socket.socket(fileno=high)
    if control.recv(64) != b"traced":
        return 1
    try:
        ptrace.install_filter(calls.filter_program())
        control.send(b"ready")
    except OSError:
        return 1
    while True:
        message, fds, _, _ = socket.recv_fds(control, 64, 3)
        if not message:
            return 0
        for fd in fds:
            keep_from_programs(fd)
        if message == b"network":
            _libc.setns(fds[0], _CLONE_NEWNET)
        else:
            control.send(json.dumps(start(fds)).encode())
        for fd in fds:
            os.close(fd)
