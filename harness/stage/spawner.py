"""Starts programs: with posix_spawn(3) those whose calls are not looked at, and through the spawner those whose calls are.

A filter that stops a program's calls (seccomp(2)) is inherited, and can't be installed from outside. So the spawner, a fork of
the keeper, installs it on itself once, and then starts the programs. The keeper traces the spawner, and so all that it starts. A
fork of the keeper for each program would do as well, but costs several times as much.

If the system allows it, the spawner is the first process of a PID namespace of its own (pid_namespaces(7)). Its programs see each
other and no other process. So a `kill(-1, ...)` by mistake ends nothing outside of the run. And when the spawner ends, whatever
the reason, the kernel kills all of them.
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

MEMORY = 512 << 20          # bytes of data that one process may have; all processes together may have twice that
_CLONE_NEWNET, _CLONE_NEWPID, _CLONE_NEWNS = 0x40000000, 0x20000000, 0x00020000
_OWN = 800                  # the spawner's own descriptors begin with this one: no call on them stops
_libc = ctypes.CDLL(None, use_errno=True)
_clone_number = {"x86_64": 56, "aarch64": 220}.get(ptrace.MACHINE, -1)


def close_inherited(fd: int) -> None:
    """Closes a descriptor that a fork has and does not need."""
    try:
        os.close(fd)
    except OSError:     # it belonged to the listing of the folder, and is closed
        pass


def keep_from_programs(fd: int) -> None:
    """Makes sure that programs do not inherit this descriptor."""
    try:
        os.set_inheritable(fd, False)
    except OSError:     # it is closed already
        pass


def start(fds: "list[int]") -> "dict[str, Any]":
    """Starts the program that a letter describes. `fds` has three descriptors: for its output, for its errors, and the letter.
    Returns {"pid": N}, or {"error": words}."""
    letter = json.loads(os.pread(fds[2], os.fstat(fds[2]).st_size, 0))      # a call at which the spawner does not stop
    if letter["limit data"]:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    actions = [(os.POSIX_SPAWN_OPEN, 0, letter["stdin"], os.O_RDONLY | os.O_NOCTTY, 0),
               (os.POSIX_SPAWN_DUP2, fds[0], 1), (os.POSIX_SPAWN_DUP2, fds[1], 2)]
    if letter["ours"]:
        actions = []        # it keeps the input and output with which the harness was started
    try:
        pid = os.posix_spawn(letter["argv"][0], letter["argv"], letter["env"], file_actions=actions, setpgroup=0,
                             setsigmask=[], setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD])
        return {"pid": pid}
    except (OSError, ValueError) as error:
        return {"error": getattr(error, "strerror", None) or str(error)}


class Spawner:
    """The keeper's side of a spawner. Raises OSError if this system does not allow one. `apart`: its programs are to have a PID
    namespace of their own; the attribute says whether they have one. No other thread may run in the keeper while it is made."""

    def __init__(self, tracer: calls.Tracer, apart: bool) -> None:
        if not ptrace.SUPPORTED:
            raise OSError(0, f"no call numbers for {ptrace.MACHINE}")
        self.apart = apart and self._fork(True)
        if not self.apart:
            self._fork(False)
        try:
            tracer.trace_spawner(self.pid)
        except OSError:
            self._end()
            raise
        self._socket.send(b"traced")
        if (self._wait(tracer) or b"") != b"ready":
            self._end()
            raise OSError(0, "seccomp: refused")

    def _fork(self, apart: bool) -> bool:
        """Starts the process. Returns False if it should have a PID namespace of its own and the system does not allow that."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = _fork_apart() if apart else os.fork()
        if self.pid == 0:
            status = 1
            try:
                for fd in map(int, os.listdir("/proc/self/fd")):
                    if fd > 2 and fd != theirs.fileno():        # else their other ends could not see when the keeper ends
                        close_inherited(fd)
                if not apart or _own_proc():
                    theirs.send(b"there")
                    status = _serve(theirs)
            finally:
                os._exit(status)
        theirs.close()
        if self.pid > 0 and self._socket.recv(64):
            return True
        self._socket.close()
        if self.pid > 0:
            os.waitpid(self.pid, 0)
        return False

    def _wait(self, tracer: calls.Tracer) -> bytes:
        """Returns the spawner's first message, b"" if it has ended. Handles its stops meanwhile."""
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
        """Has the spawner start a program. answer() returns the result."""
        socket.send_fds(self._socket, [b"start"], fds)

    def join_network(self) -> None:
        """Has the spawner move into the network in which the keeper is now."""
        network = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        socket.send_fds(self._socket, [b"network"], [network])
        os.close(network)

    def answer(self) -> "Optional[dict[str, Any]]":
        """Returns {"pid": N} or {"error": words}; None if the spawner is gone."""
        try:
            message = self._socket.recv(65536)
        except OSError:
            message = b""
        if not message:
            return None
        told: "dict[str, Any]" = json.loads(message)
        return told


def _fork_apart() -> int:
    """Calls fork(2) into a new PID namespace. Returns -1 if the system does not allow one. unshare(2) would do that only once in
    a process's life."""
    fork = ctypes.PyDLL(None).syscall       # PyDLL keeps the interpreter's lock, so the child has it, as after os.fork()
    return int(fork(_clone_number, _CLONE_NEWPID | signal.SIGCHLD, 0, 0, 0, 0))


def _own_proc() -> bool:
    """Gives this process a /proc with the numbers of its own PID namespace. Returns False if the system does not allow it (a
    container may not)."""
    return bool(_libc.unshare(_CLONE_NEWNS) == 0 and _libc.mount(b"proc", b"/proc", b"proc", 14, None) == 0)    # MS_NOSUID, NODEV, NOEXEC


def _serve(control: socket.socket) -> int:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)       # the keeper waits for the programs, because it traces them
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
        os.closerange(min(fds), max(fds) + 1)       # one call: the spawner stops at each of its calls
