"""The keeper: a small process of the harness that makes a network, starts a run's programs in it, and ends them.

The harness forks it for one run, or for several runs one after the other, each with a network of its own. The keeper leads a
session and a process group of its own. It adopts the processes that its programs leave behind (PR_SET_CHILD_SUBREAPER), so that
none escapes it by forking twice. One socket connects it with the harness. At end of file there, whatever the reason (Ctrl-C, kill
-9), it kills all processes below it, and only then ends itself.

The private network is a user namespace and a network namespace, in which an ioctl brings `lo` up. That needs neither root nor a
helper program. The network vanishes with its last process. The sockets that watch it (segments, events) are made inside it and
sent to the harness.

Programs whose calls are looked at are started by the spawner (spawner.py), which the keeper traces (observe/calls.py). The keeper
itself starts the others.
"""
from __future__ import annotations

import atexit
import contextlib
import ctypes
import errno
import fcntl
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import termios
import threading
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Optional

from ..observe import diag, kernel, ptrace, wire
from ..observe.calls import Tracer
from .spawner import MEMORY, Spawner, close_inherited, keep_from_programs, start

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CLONE_NEWIPC, _CLONE_NEWNS = 0x08000000, 0x00020000     # so what shmget(2) and shm_open(3) make vanishes with the run
_SHM = "/dev/shm"
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

PROCESSES = 64              # processes of one run, of all programs together
THREADS = 512
FILE_SIZE = 64 << 20        # bytes of a file that a program writes
DESCRIPTORS = 1024
_YIELDS = 32                # how often the keeper lets programs run before it looks again whether the harness asks for something

GONE = "the lab's own process that starts the programs is gone: it was killed; a program of this run may have done that"
_GOODBYE = b'{"gone": true}'      # the keeper's last message: none of its programs is alive any more
_ENDINGS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_AWAKE = 0.5                # seconds without an answer, after which the harness looks whether the keeper was stopped


class KeeperError(Exception):
    """The lab itself failed."""


class CantStart(KeeperError):
    """The system does not start a program."""


@dataclass(frozen=True)
class Spawned:
    """A program that was started: its process, the read ends of its output, whether its calls are looked at, and why not."""

    pid: int
    out: int
    err: int
    observed: bool
    why_not: str
    terminal: str = ""      # the path of the terminal that is its standard output, if it has one


@dataclass(frozen=True)
class Ended:
    """A program that has ended, with its wait(2) status."""

    pid: int
    status: int


class Keeper:
    """The harness's side of a keeper. `events` is the conductor's socket. `wire` is a packet socket on lo, or None. `diag` is a
    NETLINK_SOCK_DIAG socket of the network in which the programs run, or None. `isolated` says whether they have a network of
    their own, and `why_not` why not."""

    def __init__(self, isolate: bool = True, observe: bool = True) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        gc.freeze()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)     # the keeper must not run the harness's handlers
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                ours.close()
                status = _keep(theirs, isolate, observe)
            finally:
                os._exit(status)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        gc.unfreeze()
        theirs.close()
        self.control = ours
        self.events: Optional[socket.socket] = None
        self.wire: Optional[socket.socket] = None
        self.diag: Optional[socket.socket] = None
        self.renew()

    def renew(self) -> None:
        """Ends what still runs of the last run, and makes the next run's network. Raises KeeperError if the keeper is gone."""
        self._close()
        self.early: list[Ended] = []
        self._used = False
        self.name = ""
        try:
            self.control.send(b'{"renew": true}')
            while True:
                while not select.select([self.control], [], [], _AWAKE)[0]:
                    self.wake()
                message, fds, _, _ = socket.recv_fds(self.control, 65536, 3)
                if fds or not message:
                    break       # earlier messages are endings of the last run
        except OSError:
            message = b""
        if not message:
            self.end()
            raise KeeperError(GONE)
        told = json.loads(message)
        self.isolated: bool = told["isolated"]
        self.why_not: str = told["why not"]
        got = {name: socket.socket(fileno=fd) for name, fd in zip(told["sockets"], fds)}
        self.events, self.wire, self.diag = got["events"], got.get("wire"), got.get("diag")
        self.events.setblocking(False)      # recv_fds() drops its flags before Python 3.12
        self.name = str(told["name"])
        self.own: "set[int]" = set(told["own"])     # processes under the keeper that are no programs

    def fresh(self) -> None:
        """Makes the keeper ready for a run, without anything that the last run left."""
        if self._used:
            self.renew()

    def _close(self) -> None:
        for sock in (self.events, self.wire, self.diag):
            if sock is not None:
                sock.close()
        self.events = self.wire = self.diag = None

    def spawn(self, argv: list[str], env: dict[str, str], limit_data: bool, *, stdin: str = os.devnull, observe: bool = True,
              hold: str = "", terminal: str = "") -> Spawned:
        """Starts a program. `stdin` is a file's path. `terminal` is as in cast.Program; a program with a terminal of its own and
        no `stdin` reads from that terminal. `observe`: its calls are looked at if the system allows it. `hold`: which of its
        calls hold their thread ("", "sleeps", "reads", "all"). Raises KeeperError if it can't be started."""
        self._used = True
        path = ""
        out, out_end = _terminal() if terminal == "own" else os.pipe()
        if os.isatty(out_end):
            path = os.ttyname(out_end)
            stdin = path if stdin == os.devnull else stdin
        err, err_end = os.pipe()
        letter = os.memfd_create("program")     # an environment may be larger than a datagram
        os.write(letter, json.dumps({"argv": argv, "env": env, "limit data": limit_data, "stdin": stdin, "ours": terminal == "ours"}).encode())
        try:
            answer = self._ask({"spawn": observe, "hold": hold}, [out_end, err_end, letter])
        finally:
            for fd in (out_end, err_end, letter):
                os.close(fd)
        if "error" in answer:
            os.close(out)
            os.close(err)
            hint = "; a script needs a first line such as #!/bin/sh" if answer["error"] == os.strerror(errno.ENOEXEC) else ""
            raise CantStart(f"can't start {argv[0]}: {answer['error']}{hint}")
        self.own |= set(answer["own"])
        return Spawned(answer["pid"], out, err, answer["observed"], answer["why not"], path)

    def _ask(self, request: dict[str, Any], fds: "list[int]") -> dict[str, Any]:
        try:
            socket.send_fds(self.control, [json.dumps(request).encode()], fds)
            while True:     # an earlier program may end just now: its ending comes before the answer
                message = self._receive()
                if not message:
                    raise KeeperError(GONE)
                answer: dict[str, Any] = json.loads(message)
                if "ended" not in answer:
                    return answer
                self.early.append(Ended(*answer["ended"]))
        except OSError:
            raise KeeperError(GONE) from None

    def _receive(self) -> bytes:
        """Returns the keeper's next message, b"" if the keeper has gone. If a program has stopped the keeper, it is made to go
        on."""
        while not select.select([self.control], [], [], _AWAKE)[0]:
            self.wake()
        return self.control.recv(65536)

    def wake(self) -> None:
        """Makes the keeper go on if somebody has stopped it."""
        if kernel.process_state(self.pid) in ("T", "t"):
            kernel.send_signal(self.pid, signal.SIGCONT)

    def set(self, sysctls: "Iterable[tuple[str, str]]") -> None:
        """Sets kernel settings (sysctl(8)) of the run's private network. Raises KeeperError, which says for which setting it
        failed, and why."""
        wanted = list(sysctls)
        if wanted:
            answer = self._ask({"set": wanted}, [])
            if answer.get("error"):
                raise KeeperError(answer["error"])

    def go(self, tid: int, skip: Optional[int] = None, length: int = 0) -> None:
        """Lets a thread go on that is held at a call. With `skip`, at the call's entry, the call is not made and returns this
        value. With `length`, at the entry of a read, the read asks for no more than so many bytes."""
        self._tell({"go": tid, "skip": skip, "length": length})

    def look_away(self) -> None:
        """From now on calls are not reported any more."""
        self._tell({"away": True})

    def signal(self, pid: int, number: int) -> None:
        """Sends a signal to a program of the run. It has been sent when this method returns, so that no later look can miss it."""
        self._ask({"signal": pid, "number": number}, [])

    def _tell(self, request: dict[str, Any]) -> None:
        try:
            self.control.send(json.dumps(request).encode())
        except OSError:
            pass            # the keeper is gone: the next request that waits for an answer will say so

    def freeze(self) -> None:
        """Stops all programs for good. Returns when all of them have stopped."""
        self._ask({"freeze": True}, [])

    def ended(self) -> list[Ended]:
        """Returns the programs that have ended since the last call. It never waits."""
        found, self.early = self.early, []
        while True:
            try:
                message = self.control.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return found
            if not message:
                raise KeeperError(GONE)
            found.append(Ended(*json.loads(message)["ended"]))

    @property
    def alive(self) -> bool:
        """Is the keeper's process alive, and still a child of this process?"""
        try:
            return bool(self.pid) and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

    def end(self) -> None:
        """Kills whatever still runs, and waits until it is gone. It may be called twice."""
        if not self.pid:
            return
        self._close()
        last = b""
        try:
            self.control.shutdown(socket.SHUT_WR)
            while message := self._receive():       # until its programs are gone
                last = message
        except OSError:
            pass            # the keeper has gone without a last message
        self.control.close()
        if self._used and last != _GOODBYE:
            _wait_for_end(self.pid)     # the keeper has ended, so it starts nothing any more
            kill_programs(self.name)
        _leaving.append(self.pid)
        self.pid = 0
        see_off(os.WNOHANG)


def open_keeper(isolate: bool = True, observe: bool = True) -> Keeper:
    """Returns a keeper. It has a private network if `isolate` asks for one and the system allows it. `observe`: it prepares to
    look at calls."""
    keeper = Keeper(isolate, observe)
    if not keeper.isolated and keeper.why_not.startswith("lost"):
        why_not = keeper.why_not    # it has left the machine's network, but its private one does not work
        keeper.end()
        keeper = Keeper(False, observe)
        keeper.why_not = why_not
    return keeper


def kill_programs(name: str) -> None:
    """Kills the programs whose log lines go to the socket of that name, and their children, after their keeper has gone."""
    while True:
        found = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
                 if f"TCPLAB_CONDUCTOR={name}" in kernel.environment(pid) and kernel.process_state(pid) not in ("", "Z", "X")]
        if not found:
            return
        for pid in found:
            kernel.send_signal(pid, signal.SIGKILL)


# Keepers that are ending. The kernel takes some 10 ms to close a packet socket (it waits for an RCU grace period). Nobody needs to wait for
# that, except the harness at its end.
_leaving: list[int] = []


@atexit.register
def _at_the_end() -> None:
    """Waits for the keepers that are ending. A signal that comes meanwhile ends the wait; they end all the same."""
    with contextlib.suppress(KeyboardInterrupt):
        see_off()


def _wait_for_end(pid: int) -> None:
    """Waits until a keeper has ended. If somebody stops it on its way, it is made to go on."""
    while (seen := os.waitid(os.P_PID, pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)) is not None and seen.si_code == os.CLD_STOPPED:
        kernel.send_signal(pid, signal.SIGCONT)


def see_off(flags: int = 0) -> None:
    for pid in list(_leaving):
        try:
            if not flags & os.WNOHANG:
                _wait_for_end(pid)
            gone = os.waitpid(pid, flags)[0] == pid
        except ChildProcessError:
            gone = True
        if gone:
            _leaving.remove(pid)


def _terminal() -> "tuple[int, int]":
    """Returns the harness's end and the program's end of a terminal that does not change what is written to it, and does not echo
    what is typed. Returns a pipe's ends if the system gives no terminal."""
    try:
        ours, theirs = os.openpty()
    except OSError:
        return os.pipe()
    settings = termios.tcgetattr(theirs)
    settings[1] &= ~termios.OPOST
    settings[3] &= ~(termios.ECHO | termios.ECHONL)
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    return ours, theirs


# From here on: inside the keeper's process.

def _keep(control: socket.socket, isolate: bool, observe: bool) -> int:
    for fd in map(int, os.listdir("/proc/self/fd")):    # closes what came from whoever started the harness, and from its other keepers
        if fd > 2 and fd != control.fileno():
            close_inherited(fd)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):      # the harness's handlers would raise an exception anywhere
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})      # a handler would cost time at each stop of a program
    waker = _libc.signalfd(-1, struct.pack("=Q120x", 1 << signal.SIGCHLD - 1), os.O_NONBLOCK | os.O_CLOEXEC)
    inside = _Inside(control, waker, isolate, observe)
    try:
        inside.serve()
    finally:
        inside.kill_all(True)
        try:
            control.send(_GOODBYE)
        except OSError:
            pass        # the harness is gone
        control.close()
    return 0        # the kernel now closes this process's copy of the wire's socket, and removes the network


@dataclass(frozen=True)
class _Network:
    """A run's network, and the sockets that watch it. The harness gets copies of them. `wire` stays open here, because closing it is
    slow. `place` is a descriptor of the network's namespace; -1 if the keeper's main thread made the network, and is in it."""

    why_not: str                        # why the run has no private network; "": it has one
    name: str                           # the name of the socket for events
    events: socket.socket
    wire: Optional[socket.socket]
    diag: Optional[socket.socket]
    place: int = -1


def _network(why_not: str, apart: bool = False) -> _Network:
    """Opens the sockets that watch the network of the calling thread. `apart`: the network is for another thread."""
    events, name = _event_socket()
    place = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC) if apart else -1
    return _Network(why_not, name, events, None if why_not else wire.open_socket("lo"), diag.open_socket(), place)


def _leave_network(flags: int) -> str:
    """Moves this process into a private network with unshare(2). Returns "", or why the system does not allow it."""
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
        # The process can't go back, and its network has no lo. So the harness forks another keeper, which does not try this.
        return f"lost: {error}"
    return ""


def _own_shm() -> bool:
    """Gives the programs a /dev/shm of their own, with room for twice as much as one process may have of memory. Returns False if
    the system does not allow it."""
    size = f"size={2 * MEMORY},mode=1777".encode()
    return bool(_libc.unshare(_CLONE_NEWNS) == 0 and _libc.mount(b"tmpfs", _SHM.encode(), b"tmpfs", 6, size) == 0)    # 6: MS_NOSUID, MS_NODEV


def _empty(folder: str) -> None:
    for one in os.scandir(folder):
        if one.is_dir(follow_symlinks=False):
            shutil.rmtree(one.path, ignore_errors=True)
        else:
            os.unlink(one.path)


def _event_socket() -> tuple[socket.socket, str]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"tcplab-{os.urandom(8).hex()}"
    sock.bind("\0" + name)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)       # the kernel says who sent a datagram; its text may say anything
    return sock, "@" + name


def _limit(isolated: bool) -> None:
    """Sets the limits that the programs inherit. RLIMIT_NPROC does not limit root, so the conductor counts processes as well. In
    a user namespace of its own the limit counts the run's threads. Else it counts all of the user's, so the number that the
    machine has now is added."""
    with open("/proc/loadavg", encoding="ascii") as file:
        others = 0 if isolated else int(file.read().split()[3].split("/")[1])
    for which, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, THREADS + others), (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_NOFILE, DESCRIPTORS)):
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


class _Inside:
    """What the keeper's process holds, and what it does at each request."""

    def __init__(self, control: socket.socket, waker: int, isolate: bool, observe: bool) -> None:
        self.control, self.waker, self.isolate, self.observe = control, waker, isolate, observe
        self.network: Optional[_Network] = None
        self.tracer = Tracer(self._ended)
        self.spawner: Optional[Spawner] = None
        self.why_not = ""           # why no program's calls can be looked at; "": they can
        self.asked = False          # whether the spawner has still to answer a request
        self.hold = ""
        self.taken = 0              # how many statuses wait(2) has given
        self.own_shm = False        # whether /dev/shm belongs to the run alone
        self.prepared: Optional[_Network] = None            # the network of the next run
        self.preparing: Optional[threading.Thread] = None   # the thread that makes it
        self.aside: "list[threading.Thread]" = []           # this thread, and those that close the wires of earlier runs

    def serve(self) -> None:
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(self.waker, select.POLLIN)
        while True:
            queue = self.tracer.queue if self.tracer.backlog else None
            if queue is not None:
                poller.register(queue, select.POLLOUT)
            ready = [fd for fd, _ in poller.poll()]
            if queue is not None:
                poller.unregister(queue)
                self.tracer.flush()
            if self.waker in ready:
                os.read(self.waker, 512)
                self.collect()
            if self.spawner is not None and self.spawner.fileno() in ready:
                self._spawned(poller)
            if self.control.fileno() in ready:
                message, fds, _, _ = socket.recv_fds(self.control, 1 << 16, 3)
                if not message:
                    return
                for fd in fds:
                    keep_from_programs(fd)
                self._do(json.loads(message), fds, poller)

    def _do(self, request: dict[str, Any], fds: "list[int]", poller: select.poll) -> None:
        if "renew" in request:
            self._renew()
            if self.observe and self.spawner is None and not self.why_not:
                self._start_spawner(poller)     # early: the harness has other things to do meanwhile
        elif "spawn" in request:
            self._spawn(request, fds, poller)
        elif "go" in request:
            self.tracer.go(request["go"], request["skip"], request["length"])
        elif "signal" in request:
            kernel.send_signal(request["signal"], request["number"])
            self._answer({"signalled": True})
        elif "freeze" in request:
            self.freeze()
            self._answer({"frozen": True})
        elif "set" in request:
            self._answer({"error": _set(request["set"])})
        elif "away" in request:
            self.tracer.silent = True
            self.tracer.flush()

    def _answer(self, told: dict[str, Any], fds: "Iterable[int]" = ()) -> None:
        try:
            socket.send_fds(self.control, [json.dumps(told).encode()], list(fds))
        except OSError:
            pass        # the harness is gone: the next recv will say so

    # -- starting -----------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        """Kills what is left of the last run's programs. Then makes the next run's network, and answers with its sockets."""
        last = self.network
        if last is None:
            why_not = _leave_network(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) if self.isolate else "switched off (TCPLAB_ISOLATION=none)"
            self.own_shm = not why_not and _own_shm()
            _limit(not why_not)
        else:
            self.kill_all(False)
            if self.own_shm:
                _empty(_SHM)
            why_not = last.why_not
        self.network = now = self._next_network() or _network(why_not)
        if last is not None and not why_not:
            if self.spawner is not None:
                self.spawner.join_network()
            self.preparing = self._aside(self._prepare)
            if last.wire is not None:
                self._aside(last.wire.close)
        reports = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        reports.connect("\0" + now.name[1:])
        self.tracer.renew(reports)
        there = {what: sock for what, sock in (("events", now.events), ("wire", now.wire), ("diag", now.diag)) if sock is not None}
        self._answer({"isolated": not now.why_not, "why not": now.why_not, "name": now.name, "own": [self.spawner.pid] if self.spawner else [],
                      "sockets": list(there)}, [sock.fileno() for sock in there.values()])
        for what, sock in there.items():
            if what != "wire":
                sock.close()

    def _aside(self, act: Callable[[], None]) -> threading.Thread:
        """Does something in a thread of its own: the kernel waits there for RCU grace periods, some 10 ms each, and the run need not."""
        self.aside = [*(thread for thread in self.aside if thread.is_alive()), threading.Thread(target=act, daemon=True)]
        self.aside[-1].start()
        return self.aside[-1]

    def _prepare(self) -> None:
        """Makes the network of the next run. unshare(2) moves the calling thread alone."""
        self.prepared = _network(_leave_network(_CLONE_NEWNET), apart=True)

    def _next_network(self) -> Optional[_Network]:
        """Moves the keeper into a network that nobody has used. Returns it, None if there is no run before this one, or no private
        network."""
        if self.network is None or self.network.why_not:
            return None
        if self.preparing is not None:
            self.preparing.join()
        prepared, self.prepared = self.prepared, None
        if prepared is None:
            return _network(_leave_network(_CLONE_NEWNET))
        _libc.setns(prepared.place, _CLONE_NEWNET)
        os.close(prepared.place)
        return prepared

    def _spawn(self, request: dict[str, Any], fds: "list[int]", poller: select.poll) -> None:
        self.tracer.hold = request["hold"]
        if request["spawn"] and self.spawner is None and not self.why_not:
            self._start_spawner(poller)
        if request["spawn"] and self.spawner is not None:
            self.tracer.began = 0
            self.spawner.ask(fds)
            self.asked = True
        else:
            why_not = self.why_not if request["spawn"] else "switched off (TCPLAB_CALLS=off)"
            self._answer({**start(fds), "observed": False, "why not": why_not, "own": []})
        for fd in fds:
            os.close(fd)

    def _start_spawner(self, poller: select.poll) -> None:
        for thread in self.aside:       # a fork has only the thread that called it
            thread.join()
        try:
            self.spawner = Spawner(self.tracer, self.network is not None and not self.network.why_not)
            self.tracer.apart = self.spawner.apart
            poller.register(self.spawner.fileno(), select.POLLIN)
        except OSError as error:
            self.spawner, self.why_not = None, f"this system does not let one process trace another ({error.strerror or error})"

    def _spawned(self, poller: select.poll) -> None:
        """Takes the spawner's answer, and passes it on to the harness."""
        assert self.spawner is not None
        told = self.spawner.answer()
        if told is None:        # somebody has killed the spawner: the next program will get another one
            poller.unregister(self.spawner.fileno())
            self.spawner = None         # perhaps the program that it has just started did that, before the spawner could answer
            told = {"pid": self.tracer.began} if self.tracer.began else {"error": "the process that starts programs was killed"}
        asked, self.asked = self.asked, False
        if not asked:
            return
        if "pid" in told:
            told["pid"] = self.tracer.child         # the spawner may know it by another number
        self._answer({**told, "observed": True, "why not": "", "own": [self.spawner.pid] if self.spawner is not None else []})

    # -- ending -------------------------------------------------------------------------------------------------------

    def collect(self) -> bool:
        """Takes all statuses that wait(2) has. Returns whether there are still processes to wait for."""
        yields, restarted = _YIELDS, False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | ptrace.WALL)
            except ChildProcessError:
                return False
            if pid == 0:
                if not restarted or not yields:
                    return True
                yields, restarted = yields - 1, False
                os.sched_yield()    # on one processor the thread that was restarted comes to its next stop now: that is cheaper than poll(2)
                continue
            restarted, self.taken = True, self.taken + 1
            if not self.tracer.status(pid, status) and not os.WIFSTOPPED(status):
                self._ended(pid, status)

    def _ended(self, pid: int, status: int) -> None:
        self._answer({"ended": [pid, status]})

    def _programs(self, dead: bool) -> "list[int]":
        own = (self.spawner.pid,) if self.spawner is not None else ()
        return kernel.descendants(os.getpid(), but=own, dead=dead)

    def freeze(self) -> "list[int]":
        """Stops all programs, also those that are born meanwhile. Returns their ids when each has stopped, or when the harness is
        gone."""
        self.tracer.freeze()
        gone = select.poll()
        gone.register(self.control, 0)      # only POLLHUP is reported
        kernel.signal_groups(self._programs(False)[:100], signal.SIGSTOP)
        stopped: set[int] = set()
        while True:
            alive = self._programs(False)
            for pid in set(alive) - stopped:
                kernel.send_signal(pid, signal.SIGSTOP)
            moving, taken = [pid for pid in alive if not kernel.stands(pid)], self.taken
            self.collect()      # a thread that stands may have a status left: what its interrupted call returned
            if set(alive) <= stopped and not moving and self.taken == taken or gone.poll(0):
                return alive
            for pid in stopped.intersection(moving):
                self.tracer.stop(pid)
            stopped |= set(alive)
            os.sched_yield()

    def kill_all(self, spawner_too: bool) -> None:
        """Kills the programs and waits until they are gone. With `spawner_too` it then kills the spawner."""
        self.tracer.silent = True
        while self._programs(True):
            if not self.tracer.frozen:
                self.freeze()   # all are stopped before the first one is killed: else one side would log the other's death
            for pid in self._programs(True):
                kernel.send_signal(pid, signal.SIGKILL)
            self.tracer.let_die()
            self._wait_until_gone()
        if spawner_too and self.spawner is not None:
            kernel.send_signal(self.spawner.pid, signal.SIGKILL)
            while self.collect():
                os.sched_yield()

    def _wait_until_gone(self) -> None:
        """Waits until all programs are gone. It does not block in wait(2): a process whose parent dies with it may still be
        listed, and the kernel removes it without a status."""
        while self._programs(True):
            while True:         # all that wait(2) has, before the programs are listed again: there may be very many
                try:
                    pid, status = os.waitpid(-1, ptrace.WALL | os.WNOHANG)
                except ChildProcessError:
                    return
                if not pid:
                    os.sched_yield()
                    break
                if os.WIFSTOPPED(status):
                    ptrace.go_on(pid)       # it was killed and is about to end
                elif not self.tracer.status(pid, status):
                    self._ended(pid, status)


def _set(wanted: "list[list[str]]") -> str:
    """Writes kernel settings. Returns "", or what went wrong."""
    for name, value in wanted:
        try:
            with open("/proc/sys/" + name.replace(".", "/"), "w", encoding="utf-8") as file:
                file.write(value)
        except OSError as error:
            return f"{name} = {value}: {error.strerror}"
    return ""
