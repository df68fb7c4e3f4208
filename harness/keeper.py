"""The keeper: a small process of the harness that makes a network, starts a run's programs in it, and ends them.

It is forked off for a run, or for several one after the other, each with a network of its own. It leads a session and a
process group of its own, and adopts what its programs leave behind (PR_SET_CHILD_SUBREAPER), so that nothing escapes it by
forking twice. Its life hangs on one socket to the harness: at end of file, for whatever reason (Ctrl-C, kill -9), it kills
all that descends from it, and only then goes itself.

The private network is a user and a network namespace, with `lo` brought up by an ioctl: no root, no helper program. It
vanishes with its last process. The sockets that watch it (segments, events) are made inside it and handed to the harness.
"""
from __future__ import annotations

import atexit
import ctypes
import fcntl
import gc
import json
import os
import resource
import secrets
import select
import signal
import socket
import struct
import threading
from dataclasses import dataclass
from typing import Any, Optional

from . import capture, kernel
from .observe import diag

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

PROCESSES = 64              # of one run, all programs together
THREADS = 512
MEMORY = 512 << 20          # bytes of data of one process; twice that for all together
FILE_SIZE = 64 << 20        # bytes of a file that a program writes
DESCRIPTORS = 1024


class KeeperError(Exception):
    """The lab itself failed."""


@dataclass(frozen=True)
class Ended:
    """A program that has ended: its wait(2) status."""

    pid: int
    status: int


class Keeper:
    """The harness's end. `events` is the conductor's socket; `wire` a packet socket on lo, or None; `diag` a NETLINK_SOCK_DIAG
    socket of the network in which the programs run, or None. `isolated` tells whether that is one of their own, `why_not` why not."""

    def __init__(self, isolate: bool = True) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.freeze()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                ours.close()
                status = _keep(theirs, isolate)
            finally:
                os._exit(status)
        gc.unfreeze()
        theirs.close()
        self.control = ours
        self.events: Optional[socket.socket] = None
        self.wire: Optional[socket.socket] = None
        self.diag: Optional[socket.socket] = None
        self.renew()

    def renew(self) -> None:
        """Ends what still runs of the last run, and makes the next one's network."""
        self._close()
        self.early: list[Ended] = []
        try:
            self.control.send(b'{"renew": true}')
            while True:
                message, fds, _, _ = socket.recv_fds(self.control, 65536, 3)
                if fds or not message:
                    break       # what came before are endings of the last run
        except OSError:
            message = b""
        if not message:
            self.end()
            raise KeeperError("the process that starts the programs is gone")
        told = json.loads(message)
        self.isolated: bool = told["isolated"]
        self.why_not: str = told["why not"]
        got = {name: socket.socket(fileno=fd) for name, fd in zip(told["sockets"], fds)}
        self.events, self.wire, self.diag = got["events"], got.get("wire"), got.get("diag")
        self.events.setblocking(False)      # recv_fds() drops its flags before Python 3.12
        self.name: str = told["name"]

    def _close(self) -> None:
        for sock in (self.events, self.wire, self.diag):
            if sock is not None:
                sock.close()
        self.events = self.wire = self.diag = None

    def spawn(self, argv: list[str], env: dict[str, str], limit_data: bool) -> tuple[int, int, int]:
        """Starts a program; returns its process id and the read ends of its standard output and standard error."""
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        request = {"argv": argv, "env": env, "limit data": limit_data}
        socket.send_fds(self.control, [json.dumps(request).encode()], [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        while True:     # a program that was started before may end just now
            answer = json.loads(self.control.recv(65536) or b'{"error": "it is gone"}')
            if "ended" not in answer:
                break
            self.early.append(Ended(*answer["ended"]))
        if "error" in answer:
            raise KeeperError(f"can't start {argv[0]}: {answer['error']}")
        return answer["pid"], out, err

    def ended(self) -> list[Ended]:
        """The programs that have ended since the last call; never waits."""
        found, self.early = self.early, []
        while True:
            try:
                message = self.control.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            if not message:
                raise KeeperError("the process that starts the programs is gone")
            found.append(Ended(*json.loads(message)["ended"]))

    def end(self) -> None:
        """Kills whatever still runs and waits until it is gone. May be called twice."""
        if not self.pid:
            return
        self._close()
        try:
            self.control.shutdown(socket.SHUT_WR)
            while self.control.recv(65536):     # until its programs are gone
                pass
        except OSError:
            pass            # it has ended by itself
        self.control.close()
        _leaving.append(self.pid)
        self.pid = 0
        see_off(os.WNOHANG)


def open_keeper(isolate: bool = True) -> Keeper:
    """A keeper with a network of its own if it is wanted and the system allows it."""
    keeper = Keeper(isolate)
    if not keeper.isolated and keeper.why_not.startswith("lost"):
        why_not = keeper.why_not    # it has left the machine's network, but its own does not work
        keeper.end()
        keeper = Keeper(False)
        keeper.why_not = why_not
    return keeper


# Keepers on their way out: closing a packet socket takes the kernel some 10 ms (it waits for an RCU grace period), which
# nobody needs to wait for, except the harness at its end.
_leaving: list[int] = []


@atexit.register
def see_off(flags: int = 0) -> None:
    for pid in list(_leaving):
        try:
            gone = os.waitpid(pid, flags)[0] == pid
        except ChildProcessError:
            gone = True
        if gone:
            _leaving.remove(pid)


# From here on: inside the keeper's process.

def _keep(control: socket.socket, isolate: bool) -> int:
    for fd in map(int, os.listdir("/proc/self/fd")):    # of whatever started the harness: nothing of it is a program's
        if fd > 2:
            _keep_from_programs(fd)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    waker, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        _serve(control, waker, isolate)
    finally:
        _kill_all()
        control.close()
    return 0        # and with this process go its copy of the wire's socket and the network


def _keep_from_programs(fd: int) -> None:
    try:
        os.set_inheritable(fd, False)
    except OSError:     # it is closed already
        pass


def _renew(control: socket.socket, isolate: bool, last: "Optional[_Network]") -> "_Network":
    """Makes the next run's network and tells of it; kills what is left of the last run's programs first."""
    if last is None:
        why_not = _leave_network(_CLONE_NEWUSER | _CLONE_NEWNET) if isolate else "switched off (TCPLAB_ISOLATION=none)"
    else:
        _kill_all()
        why_not = last.why_not or _leave_network(_CLONE_NEWNET)
        if last.wire is not None:   # it takes the kernel some 10 ms to close it (an RCU grace period): nobody waits
            threading.Thread(target=last.wire.close, daemon=True).start()
    events, name = _event_socket()
    network = _Network(why_not, None if why_not else capture.open_socket())
    made = {"events": events, "wire": network.wire, "diag": diag.open_socket()}
    there = {what: sock for what, sock in made.items() if sock is not None}
    told = {"isolated": not why_not, "why not": why_not, "name": name, "sockets": list(there)}
    socket.send_fds(control, [json.dumps(told).encode()], [sock.fileno() for sock in there.values()])
    for what, sock in there.items():
        if what != "wire":
            sock.close()
    if last is None:
        _limit(not why_not)
    return network


@dataclass(frozen=True)
class _Network:
    why_not: str                        # "", or why the run has no network of its own
    wire: Optional[socket.socket]       # the keeper's copy: so the harness never waits until it is closed


def _leave_network(flags: int) -> str:
    """Moves this process into a network of its own, with unshare(2). Returns "", or why the system does not let us."""
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(flags) != 0:
        return f"unshare: {os.strerror(ctypes.get_errno())}"
    maps = (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"))
    try:
        for name, text in maps if flags & _CLONE_NEWUSER else ():
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = bytearray(struct.pack("16sH22x", b"lo", 0))
            fcntl.ioctl(sock, 0x8913, request)          # SIOCGIFFLAGS
            flags, = struct.unpack_from("H", request, 16)
            struct.pack_into("H", request, 16, flags | 1)   # IFF_UP
            fcntl.ioctl(sock, 0x8914, request)          # SIOCSIFFLAGS
    except OSError as error:
        # Half-way is no way back: a network without lo. The harness forks another keeper, that does not try.
        return f"lost: {error}"
    return ""


def _event_socket() -> tuple[socket.socket, str]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"tcplab-{secrets.token_hex(8)}"
    sock.bind("\0" + name)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return sock, "@" + name


def _limit(isolated: bool) -> None:
    """What the programs inherit. RLIMIT_NPROC does not bind root: the conductor counts too. In a user namespace of its own
    it counts the run's threads, else all of the user's: so what the machine has now is added."""
    with open("/proc/loadavg", encoding="ascii") as file:
        others = 0 if isolated else int(file.read().split()[3].split("/")[1])
    for which, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, THREADS + others), (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_NOFILE, DESCRIPTORS)):
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def _serve(control: socket.socket, waker: int, isolate: bool) -> None:
    network: Optional[_Network] = None
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(waker, select.POLLIN)
    while True:
        for ready, _ in poller.poll():
            if ready == waker:
                os.read(waker, 512)
                _reap(control)
            else:
                message, fds, _, _ = socket.recv_fds(control, 1 << 18, 2)
                if not message:
                    return
                for fd in fds:
                    _keep_from_programs(fd)
                request = json.loads(message)
                if "renew" in request:
                    network = _renew(control, isolate, network)
                else:
                    control.send(json.dumps(_start(request, fds)).encode())


def _start(request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    if request["limit data"]:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    actions = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
               (os.POSIX_SPAWN_DUP2, fds[0], 1), (os.POSIX_SPAWN_DUP2, fds[1], 2)]
    try:
        pid = os.posix_spawn(request["argv"][0], request["argv"], request["env"], file_actions=actions, setpgroup=0,
                             setsigmask=[], setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD])
        return {"pid": pid}
    except OSError as error:
        return {"error": error.strerror}
    finally:
        for fd in fds:
            os.close(fd)


def _reap(control: Optional[socket.socket]) -> bool:
    """Collects what has ended and tells the harness; True while there are children left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        if control is not None:
            try:
                control.send(json.dumps({"ended": [pid, status]}).encode())
            except OSError:
                return True


def _kill_all() -> None:
    while _reap(None):
        # All stand still before the first one goes: else one side would log the other's death.
        for pid in kernel.freeze(os.getpid()):
            kernel.send_signal(pid, signal.SIGKILL)
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return
