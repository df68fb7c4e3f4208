"""Does common/ keep what its headers promise? Small C programs (beside this file) try it, plainly and under judges of memory.

A program is run with the environment that the test names, and nothing waits for a time: only for a line or an end.
LIMIT (seconds) is a net for a program that hangs; no verdict depends on it.
"""
import ast
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.observe.lines import EVENT_KINDS
from once import once

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 120
FLAGS = ("-std=c11 -D_POSIX_C_SOURCE=200809L -g -O1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror "
         "-pthread -Icommon").split()
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
VALGRIND = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]
WRAPPED = {"reader_check": ["read"], "net_check": ["connect", "accept4", "pthread_create"]}
VARIANTS = {"plain": ("gcc", [], []), "gcc-sanitizers": ("gcc", SANITIZE, []),
            "clang-sanitizers": ("clang", SANITIZE, []), "valgrind": ("gcc", [], VALGRIND)}


def need(tool):
    """Skips the test if a tool is missing; in CI, where it must be there, fails it."""
    if shutil.which(tool) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{tool} is not installed")


def clean(env):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TCPLAB_")}
    return {**kept, **env}


@dataclass(frozen=True)
class Lab:
    """The check programs, built in one way, and how to run them."""
    folder: Path
    prefix: tuple
    is_plain: bool = True

    def start(self, program, *args, **env):
        command = [*self.prefix, str(self.folder / program), *map(str, args)]
        return subprocess.Popen(command, env=clean(env), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, program, *args, status=0, text="", **env):
        """What it said, after it has ended with the status."""
        child = self.start(program, *args, **env)
        out, err = collect(child, text)
        assert child.returncode == status, (child.returncode, out, err)
        return Said(out, err)


SAMPLE = "".join(bytes(range(start, start + 64)).hex() + "\n" for start in range(0, 256, 64))


class Said(str):
    """A program's standard output, and its standard error as stderr."""

    def __new__(cls, out, err):
        said = super().__new__(cls, out)
        said.stderr = err
        return said


def collect(child, text=""):
    try:
        out, err = child.communicate(text, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        pytest.fail(f"hangs: {child.args}\n{out}\n{err}")
    return out, err


def build(factory, variant):
    compiler, flags, prefix = VARIANTS[variant]
    need(compiler)
    if prefix:
        need(prefix[0])
    return Lab(once(factory, f"common-{variant}", lambda folder: compile_all(folder, compiler, flags)), tuple(prefix), variant == "plain")


def compile_all(folder, compiler, flags):
    common = sorted((ROOT / "common").glob("*.c"))
    subprocess.run([compiler, *FLAGS, f"-I{ROOT}/common", *flags, "-c", *map(str, common)], cwd=folder, check=True)
    objects = [str(folder / f"{path.stem}.o") for path in common]
    for source in (ROOT / "tests/common").glob("*.c"):
        wraps = [f"-Wl,--wrap={name}" for name in WRAPPED.get(source.stem, [])]
        subprocess.run([compiler, *FLAGS, *flags, *wraps, str(source), *objects, "-o", str(folder / source.stem)], cwd=ROOT,
                       check=True)


@pytest.fixture(scope="session", params=[name for name in VARIANTS if name != "valgrind"])
def lab(request, tmp_path_factory):
    return build(tmp_path_factory, request.param)


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """For what only the plain program can show: descriptors, system calls."""
    return build(tmp_path_factory, "plain")


@pytest.fixture(scope="session")
def watched(tmp_path_factory):
    """Under valgrind: a program starts slowly there, so each module's checks run once, in few processes."""
    return build(tmp_path_factory, "valgrind")


@pytest.mark.parametrize("program, args", [
    ("reader_check", ("model", 1)), ("reader_check", ("model", 2)), ("reader_check", ("memory",)), ("quote_check", ()),
    ("net_check", ("arguments", "::1", "0")), ("net_check", ("listen", "localhost", 0)), ("net_check", ("whole",)),
    ("event_check", ("kinds", "127.0.0.1")), ("event_check", ("threads", 4, 20)), ("event_check", ("errno",)),
])
def test_valgrind_finds_no_fault(watched, program, args):
    watched.run(program, *args, text=SAMPLE)


@pytest.mark.parametrize("fault", ["read", "leak"])
def test_valgrind_sees_a_fault(watched, fault):
    child = watched.start("judge_check", fault)
    collect(child)
    assert child.returncode != 0


@pytest.mark.parametrize("fault", ["read", "leak"])
def test_a_judge_of_memory_sees_a_fault(lab, fault):
    child = lab.start("judge_check", fault)
    collect(child)
    assert (child.returncode != 0) == (not lab.is_plain)


# --- reader ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(1, 25))
def test_the_reader_returns_what_a_naive_model_returns(lab, seed):
    lab.run("reader_check", "model", seed)


def test_the_comparison_with_the_model_sees_one_wrong_byte(lab):
    assert "seed 1" in lab.run("reader_check", "model", 1, "flip", status=1)


@pytest.mark.parametrize("check", ["interrupted", "error", "no-copy", "memory"])
def test_the_reader_keeps_its_promise(lab, check):
    lab.run("reader_check", check)


# --- quote ----------------------------------------------------------------------------------------------------------

PAIRS = [bytes([a, b]) for a in range(256) for b in (0, 0o7, ord("0"), ord("7"), ord("8"), ord("\\"), 0x80)]
SAMPLES = [b"", b"This is a message\n", b'"\\\t\r', bytes(range(64)), bytes(range(128, 192)), b"\377" * 64, *PAIRS]


def quote(lab, samples):
    return lab.run("quote_check", text="".join(sample.hex() + "\n" for sample in samples)).splitlines()


def test_quoted_bytes_read_as_a_literal_are_the_bytes_again(lab):
    assert [ast.literal_eval("b" + shown) for shown in quote(lab, SAMPLES)] == SAMPLES


def test_quoted_bytes_compiled_as_c_are_the_bytes_again(plain, tmp_path):
    checks = [f"    n += sizeof {shown} == {len(sample) + 1} && memcmp({shown}, (char[]){{{values(sample)}}}, "
              f"{len(sample)}) == 0;" for sample, shown in zip(SAMPLES, quote(plain, SAMPLES))]
    lines = ["#include <string.h>", "int main(void)", "{", "    int n = 0;", *checks,
             f"    return n != {len(SAMPLES)};", "}"]
    (tmp_path / "literals.c").write_text("\n".join(lines))
    subprocess.run(["gcc", "-std=gnu11", "literals.c", "-o", "literals"], cwd=tmp_path, check=True)
    assert subprocess.run([str(tmp_path / "literals")]).returncode == 0


def values(sample):
    return ", ".join(f"(char){byte}" for byte in sample) or "0"


def test_quoted_bytes_look_like_c(lab):
    shown = quote(lab, [b"This is a message\n", b"\0", b"\0001", b"\33[", b'say "\\"'])
    assert shown == [r'"This is a message\n"', r'"\0"', r'"\0001"', r'"\33["', r'"say \"\\\""']


def test_more_than_64_bytes_are_cut_and_counted(lab):
    shown = quote(lab, [b"x" * 65, b"\377" * 100])
    assert shown == ['"' + "x" * 64 + '"... (65 bytes)', '"' + r"\377" * 64 + '"... (100 bytes)']


# --- must and net ---------------------------------------------------------------------------------------------------

def test_must_names_the_line_the_call_and_the_errno(lab):
    said = lab.run("event_check", "must", status=1)
    assert re.fullmatch(r"event_check\.c:\d+: close\(\.\.\.\): EBADF \(Bad file descriptor\)\n", said.stderr)


def test_host_and_port_have_defaults(lab):
    assert lab.run("net_check", "arguments") == "localhost 8080\n"
    assert lab.run("net_check", "arguments", "::1", "0") == "::1 0\n"


@pytest.mark.parametrize("args", [["a", "65536"], ["a", "http"], ["a", "-1"], ["a", ""], ["a", "1", "2"]])
def test_wrong_arguments_end_in_status_2_and_a_usage_line(lab, args):
    said = lab.run("net_check", "arguments", *args, status=2)
    assert said.stderr.startswith("usage: ") and "[host [port]]" in said.stderr


@pytest.fixture
def server():
    """Listens on a port of 127.0.0.1 that the kernel chose."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port():
    """A port that is ours, and at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_dial_reaches_the_server(lab, server, host):
    assert lab.run("net_check", "dial", host, server).startswith("ok ")


def test_a_refused_connection_says_so_with_address_and_errno(lab, closed_port):
    words = f"connect to 127.0.0.1 port {closed_port}: ECONNREFUSED (Connection refused)"
    assert lab.run("net_check", "dial", "127.0.0.1", closed_port) == f"ECONNREFUSED {words}\n"


@pytest.mark.parametrize("what", ["dial", "listen"])
def test_a_name_that_does_not_resolve_is_told_in_the_resolvers_words(lab, what):
    said = lab.run("net_check", what, "no such host", 80)
    assert re.fullmatch(r"EHOSTUNREACH getaddrinfo of no such host port 80: \w.+\n", said)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_port_0_lets_the_kernel_choose(lab, host):
    assert int(lab.run("net_check", "listen", host, 0).split()[1]) > 0


def test_an_address_in_use_says_so(lab, server):
    words = f"bind to 127.0.0.1 port {server}: EADDRINUSE (Address already in use)"
    assert lab.run("net_check", "listen", "127.0.0.1", server) == f"EADDRINUSE {words}\n"


def test_a_server_does_not_evade_to_another_address_when_its_port_is_in_use(lab):
    first = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
    with socket.socket(first[0]) as taken:
        taken.bind(first[4])
        taken.listen()
        assert lab.run("net_check", "listen", "localhost", taken.getsockname()[1]).startswith("EADDRINUSE ")


def test_an_address_of_another_machine_can_not_be_listened_on(lab):
    assert lab.run("net_check", "listen", "192.0.2.1", 0).startswith("EADDRNOTAVAIL bind to 192.0.2.1 port 0: ")


def test_an_interrupted_connect_goes_on(lab):
    assert lab.run("net_check", "interrupted") == "ok\n"


def test_send_all_to_a_closed_peer_gives_epipe_and_no_signal(lab):
    assert lab.run("net_check", "closed", "send_all") == "EPIPE\n"


def test_write_to_a_closed_peer_kills(plain):
    plain.run("net_check", "closed", "write", status=-signal.SIGPIPE)


def test_send_all_of_8_mib_to_a_slow_reader_is_whole(lab):
    lab.run("net_check", "whole")


# --- serve ----------------------------------------------------------------------------------------------------------

class Serving:
    """A net_check that serves; ask(order) opens a connection."""

    def __init__(self, lab, files=0, threads=0, faults=0):
        self.child = lab.start("net_check", "serve", files, threads, faults)
        self.port = int(self.child.stdout.readline().split()[1])

    def open(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT)

    def ask(self, conn, order):
        """The handler's echo; nothing if the server has closed without one."""
        try:
            conn.sendall(order)
            return conn.recv(1)
        except (ConnectionResetError, BrokenPipeError):
            return b""

    def quit(self):
        """Ends its loop by a shutdown of the listener."""
        with self.open() as conn:
            assert self.ask(conn, b"q") == b"q"

    def end(self):
        """What it said: errno of each accept that failed, errno of serve(), how many accepts there were."""
        with self.child:
            try:
                self.child.wait(LIMIT)
            except subprocess.TimeoutExpired:
                self.child.kill()
            lines = self.child.stdout.read().splitlines()
            assert self.child.returncode == 0, (lines, self.child.stderr.read())
        return lines


def test_each_connection_is_served_while_the_others_wait(lab):
    serving = Serving(lab)
    conns = [serving.open() for _ in range(10)]
    assert [serving.ask(conn, b"e") for conn in reversed(conns)] == [b"e"] * 10
    for conn in conns:
        conn.close()
    serving.quit()
    assert serving.end() == ["EINVAL", "serve says EINVAL", f"calls {10 + 1 + 1}"]


def test_serve_skips_the_errors_of_one_connection(lab):
    serving = Serving(lab, faults=5)
    with serving.open() as conn:
        assert serving.ask(conn, b"e") == b"e"
    serving.quit()
    errors = ["EPERM", "ENETUNREACH", "EPROTO", "EINTR", "ECONNABORTED"]
    assert serving.end() == [*errors, "EINVAL", "serve says EINVAL", f"calls {5 + 1 + 1 + 1}"]


def test_serve_ends_and_says_why_when_no_descriptor_is_left(plain):
    """It does not spin: one accept fails, and that is the last one."""
    serving = Serving(plain, files=12)
    conns = []
    with contextlib.suppress(ConnectionError):      # when it ends, its kernel refuses or resets the rest
        for _ in range(20):
            conns.append(serving.open())
    *others, failed, said, calls = serving.end()
    assert (others, failed, said) == ([], "EMFILE", "serve says EMFILE")
    assert calls == f"calls {12 - 4 + 1}"   # 0, 1, 2 and the listener are open already
    for conn in conns:
        conn.close()


def test_serve_ends_and_says_why_when_no_thread_can_be_started(lab):
    serving = Serving(lab, threads=3)
    conns = [serving.open() for _ in range(3)]
    with serving.open() as one_too_many:
        assert serving.ask(one_too_many, b"e") == b""
    assert serving.end() == ["serve says EAGAIN", "calls 4"]
    for conn in conns:
        conn.close()


# --- events by hand -------------------------------------------------------------------------------------------------

BY_HAND = re.compile(r" *\d+\.\d{3} \S+ {2,}.*")


def test_a_line_by_hand_is_seconds_program_and_text(lab):
    lines = lab.run("event_check", "kinds", "127.0.0.1", TCPLAB_ROLE="server").stderr.splitlines()
    assert all(BY_HAND.fullmatch(line) for line in lines)
    assert re.fullmatch(r"   0\.\d{3} server  listening  \[127\.0\.0\.1:\d+\]", lines[0])
    assert re.fullmatch(r" {1,3}\d+\.\d{3} server  connected  \[127\.0\.0\.1:\d+ > 127\.0\.0\.1:\d+\]", lines[1])
    assert lines[4].endswith("server  a?note") and lines[5].endswith("server  pausing 0 s")


def test_an_ipv6_address_stands_in_brackets(lab):
    said = lab.run("event_check", "kinds", "::1")
    assert re.search(r"event_check  connected  \[\[::1\]:\d+ > \[::1\]:\d+\]\n", said.stderr)


def test_long_texts_are_cut_and_control_characters_hidden(lab):
    said = lab.run("event_check", "texts", TCPLAB_ROLE="x")
    whole, cut, control = [line.split("x       ", 1)[1] for line in said.stderr.splitlines()]
    assert whole == "x" * 1024 and cut == "x" * 1021 + "..." and control == "one?two??[31m\u00e9"


def test_events_keep_errno(lab):
    assert lab.run("event_check", "errno") == "EPIPE EPIPE\n"


def test_events_off_writes_nothing_and_still_pauses(plain):
    said = plain.run("event_check", "pause", 1, TCPLAB_EVENTS="off")
    assert int(said.split()[0]) >= 1_000_000_000 and said.stderr == ""


def test_a_pause_by_hand_is_not_cut_short_by_signals(lab):
    said = lab.run("event_check", "pause", 1)
    waited, signals = map(int, said.split())
    assert waited >= 1_000_000_000 and signals > 0
    assert said.stderr.endswith("  pausing 1 s\n")


# --- events under a conductor ---------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Event:
    ns: int
    pid: int
    tid: int
    role: str
    kind: str
    fd: int
    count: int
    address: str
    place: str
    text: str
    held: int  # the descriptor that lets the thread go on, or -1


class Conductor:
    """A socket with an abstract name, and what programs say to it."""

    def __init__(self):
        self.name = f"tcplab-test-{uuid.uuid4().hex}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name)
        self.socket.settimeout(LIMIT)
        self.env = {"TCPLAB_CONDUCTOR": "@" + self.name}

    def next(self):
        data, fds, flags, _ = socket.recv_fds(self.socket, 65536, 4)
        assert len(fds) <= 1 and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC)
        assert not re.search(rb"[\0-\x08\x0a-\x1f\x7f]", data)
        ns, pid, tid, role, kind, fd, count, address, place, text = data.decode().split("\t", 9)
        return Event(int(ns), int(pid), int(tid), role, kind, int(fd), int(count), address, place, text,
                     fds[0] if fds else -1)

    def until_end(self, child):
        """All events until the program has ended, whose output is then to be had from collect()."""
        events = []
        ended = os.pidfd_open(child.pid)
        while ended not in select.select([self.socket, ended], [], [])[0]:
            events.append(self.next())
        os.close(ended)
        while select.select([self.socket], [], [], 0)[0]:
            events.append(self.next())
        return events

    def run(self, lab, *args, **env):
        child = lab.start("event_check", *args, **{**self.env, **env})
        events = self.until_end(child)
        out, err = collect(child)
        assert child.returncode == 0, err
        return events, out


@pytest.fixture
def conductor():
    conductor = Conductor()
    yield conductor
    conductor.socket.close()


def go_on(event):
    os.write(event.held, b"g")
    os.close(event.held)


def test_a_datagram_holds_the_ten_fields(lab, conductor):
    child = lab.start("event_check", "kinds", "127.0.0.1", TCPLAB_ROLE="server", **conductor.env)
    events = conductor.until_end(child)
    listener, conn, port, own = map(int, collect(child)[0].split())
    here = f"127.0.0.1:{port}"
    assert [(e.kind, e.fd, e.count, e.address, e.text) for e in events] == [
        ("listen", listener, 0, here, "listening"), ("conn", conn, 0, f"127.0.0.1:{own}>{here}", "connected"),
        ("send", conn, 18, "-", "sending x"), ("recv", conn, 2**40, "-", "received"), ("note", -1, 0, "-", "a?note"),
        ("pause", -1, 0, "-", "pausing 0 s"), ("conn", -1, 0, "-", "no socket")]
    assert {(e.pid, e.tid, e.role, e.held) for e in events} == {(child.pid, child.pid, "server", -1)}
    assert all(re.fullmatch(r"event_check\.c:\d+", e.place) for e in events)
    assert [e.ns for e in events] == sorted(e.ns for e in events)


def test_the_kinds_of_a_line_are_those_that_the_harness_knows():
    """One list in event.h, and the same one where the harness reads lines."""
    written = re.findall(r'^    KIND\(EVENT_([A-Z]+), "(\w+)"\) +/\* \w.*\*/', (ROOT / "common/event.h").read_text(), re.M)
    known = EVENT_KINDS
    assert tuple(word for _, word in written) == tuple(known)
    assert [constant.lower() for constant, _ in written] == [word for _, word in written]


def test_the_role_is_the_programs_name_if_nobody_says_otherwise(plain, conductor):
    assert conductor.run(plain, "lines", 1)[0][0].role == "event_check"


def test_long_texts_reach_the_conductor_cut(lab, conductor):
    events, _ = conductor.run(lab, "texts")
    assert [e.text for e in events] == ["x" * 1024, "x" * 1021 + "...", "one?two??[31m\u00e9"]


def lines_by_teller(events):
    tellers = {}
    for event in events:
        number, line = map(int, event.text.split())
        tellers.setdefault((number, event.pid, event.tid), []).append(line)
    return tellers


@pytest.mark.parametrize("what", ["threads", "forks"])
def test_no_line_is_lost_and_each_tellers_own_are_in_order(lab, conductor, what):
    events, _ = conductor.run(lab, what, 8, 200)
    tellers = lines_by_teller(event for event in events if event.text != "parent")
    assert sorted(number for number, _, _ in tellers) == list(range(8))
    assert len({tid for _, _, tid in tellers}) == 8
    assert all(lines == list(range(200)) for lines in tellers.values())


def test_a_forked_child_has_its_own_ids(plain, conductor):
    parent, child = conductor.run(plain, "forks", 1, 1)[0]
    assert parent.pid == parent.tid and child.pid == child.tid and child.pid != parent.pid


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("what", ["threads", "forks"])
def test_held_threads_and_children_go_on_one_by_one_as_the_conductor_says(lab, conductor, what, order):
    child = lab.start("event_check", what, 3, 2, TCPLAB_HOLD="all", **conductor.env)
    if what == "forks":
        go_on(conductor.next())
    held = {event.text[0]: event for event in (conductor.next() for _ in range(3))}
    assert {event.text for event in held.values()} == {"0 0", "1 0", "2 0"}
    seen = []
    for number in map(str, order):  # each time the others are held: the next line can only be this one's
        go_on(held[number])
        held[number] = conductor.next()
        seen.append(held[number].text)
    assert seen == [f"{number} 1" for number in order]
    for event in held.values():
        os.close(event.held)  # the conductor's end is as good as its byte
    collect(child)
    assert child.returncode == 0


def test_hold_pauses_holds_pauses_only(lab, conductor):
    child = lab.start("event_check", "kinds", "::1", TCPLAB_HOLD="pauses", **conductor.env)
    events = [conductor.next() for _ in range(6)]
    assert [event.held != -1 for event in events] == [False] * 5 + [True] and events[-1].kind == "pause"
    assert not select.select([conductor.socket], [], [], 0)[0]
    go_on(events[-1])
    assert conductor.next().text == "no socket"
    collect(child)


def test_a_held_pause_takes_no_time_of_its_own(lab, conductor):
    child = lab.start("event_check", "pause", 4_000_000, TCPLAB_HOLD="pauses", **conductor.env)
    event = conductor.next()
    assert (event.kind, event.count, event.text) == ("pause", 4_000_000 * 10**9, "pausing 4000000 s")
    go_on(event)
    collect(child)
    assert child.returncode == 0


def test_a_line_for_which_no_descriptor_is_left_is_not_held(plain, conductor):
    events, _ = conductor.run(plain, "starved", TCPLAB_HOLD="pauses")
    assert [(event.text, event.held) for event in events] == [("before", -1), ("pausing 0 s", -1)]


def test_the_conductors_death_lets_go(lab, conductor):
    child = lab.start("event_check", "threads", 3, 5, TCPLAB_HOLD="all", **conductor.env)
    held = [conductor.next() for _ in range(3)]
    conductor.socket.close()
    for event in held:
        os.close(event.held)
    collect(child)
    assert child.returncode == 0


def sockets_of(pid):
    """The numbers of a process's descriptors that are sockets; one that goes while it is looked at is none."""
    def what(fd):
        try:
            return os.readlink(fd)
        except FileNotFoundError:
            return ""
    return [int(fd.name) for fd in Path(f"/proc/{pid}/fd").iterdir() if what(fd).startswith("socket:")]


def wait_until_a_thread_sends(pid):
    """Until one of its threads is inside sendmsg(2)."""
    number = {"x86_64": "46", "aarch64": "211"}[os.uname().machine]
    while not any(call.read_text().split()[0] == number for call in Path(f"/proc/{pid}/task").glob("*/syscall")):
        pass


@pytest.mark.parametrize("then", ["fork", "exec"])
def test_a_child_that_is_forked_during_a_hold_keeps_nobody_waiting(lab, conductor, then):
    """The conductor's queue is full, so that the thread stands in sendmsg with both ends of its gate open, when its program
    forks. Then the conductor takes the line, and dies; the child lives on. Does the thread go on?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.connect("\0" + conductor.name)
        filler.setblocking(False)
        filled = 0
        try:
            while filler.send(b"x"):
                filled += 1
        except BlockingIOError:
            pass
    program = lab.start("event_check", "fork-held", then, TCPLAB_HOLD="pauses", **conductor.env)
    try:
        wait_until_a_thread_sends(program.pid)
        program.stdin.write("f")
        program.stdin.flush()
        child = int(program.stdout.readline())
        for _ in range(filled):
            assert conductor.socket.recv(10) == b"x"
        held = conductor.next()
        assert sockets_of(child) == ([] if then == "exec" else [min(sockets_of(program.pid))])     # the conductor's
        conductor.socket.close()
        os.close(held.held)
        assert select.select([program.stdout], [], [], LIMIT)[0] and program.stdout.readline() == "gone on\n"
        collect(program)
        assert program.returncode == 0
    finally:
        program.kill()
        program.communicate()       # the child ends with its standard input


def test_a_program_without_its_conductor_goes_on_in_silence(lab):
    said = lab.run("event_check", "lines", 3, TCPLAB_CONDUCTOR="@tcplab-nobody-is-there", TCPLAB_HOLD="all")
    assert said.stderr == ""


@pytest.mark.parametrize("hold", ["", "all"])
def test_a_programs_own_descriptors_begin_at_3(plain, conductor, hold):
    child = plain.start("event_check", "descriptors", TCPLAB_HOLD=hold, **conductor.env)
    event = conductor.next()
    if hold:
        go_on(event)
    assert collect(child)[0] == "3\n"


@pytest.mark.parametrize("hold", ["", "all"])
def test_a_program_that_closes_all_descriptors_goes_on_logging(plain, conductor, hold):
    child = plain.start("event_check", "close-all", TCPLAB_HOLD=hold, **conductor.env)
    for text in ("before", "after", "again"):
        event = conductor.next()
        assert event.text == text and (event.held != -1) == bool(hold)
        if hold:
            go_on(event)
    collect(child)
    assert child.returncode == 0


def count_calls(plain, conductor, tmp_path, lines, **env):
    """How many system calls event_check makes for so many lines."""
    report = tmp_path / f"strace-{lines}"
    traced = Lab(plain.folder, ("strace", "-f", "-o", str(report)))
    if conductor is None:
        traced.run("event_check", "lines", lines, **env)
    else:
        assert len(conductor.run(traced, "lines", lines)[0]) == lines
    return len(report.read_text().splitlines())


def test_a_held_line_is_eight_system_calls_and_the_ones_that_a_tracer_looks_at_are_on_high_numbers(plain, conductor, tmp_path):
    need("strace")
    counts = []
    for lines in (1, 101):
        report = tmp_path / f"strace-{lines}"
        child = Lab(plain.folder, ("strace", "-o", str(report))).start("event_check", "lines", lines, TCPLAB_HOLD="all", **conductor.env)
        for _ in range(lines):
            go_on(conductor.next())
        collect(child)
        calls = re.findall(r"^(\w+)\((\d*)", report.read_text(), re.M)
        low = [call for call, fd in calls if call in ("close", "read", "sendmsg") and int(fd) < 500]
        counts.append((len(calls), len(low)))
    assert (counts[1][0] - counts[0][0], counts[1][1] - counts[0][1]) == (8 * 100, 0)


@pytest.mark.parametrize("conducted", [False, True])
def test_a_line_is_one_system_call(plain, conductor, tmp_path, conducted):
    need("strace")
    said_to = conductor if conducted else None
    assert count_calls(plain, said_to, tmp_path, 101) - count_calls(plain, said_to, tmp_path, 1) == 100


def test_events_off_is_no_system_call(plain, tmp_path):
    need("strace")
    counts = {count_calls(plain, None, tmp_path, lines, TCPLAB_EVENTS="off") for lines in (1, 101)}
    assert len(counts) == 1
