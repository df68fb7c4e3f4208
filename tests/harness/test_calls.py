"""System calls as facts: what the tracer reports of a program, what it holds, and that nothing hangs and nothing is left."""
from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.explore.schedules import Delays
from harness.observe import kernel, ptrace, source
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.keeper import Keeper
from harness.stage.scenarios import ROOT, Scenario, find
from pairs import lent, pair, run

HEAD = """
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static int pair_of_sockets(int fds[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    listen(listener, 5);
    getsockname(listener, (struct sockaddr *)&a, &n);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect(fds[0], (struct sockaddr *)&a, sizeof a);
    fds[1] = accept(listener, NULL, NULL);
    close(listener);
    return 0;
}
"""


def build(folder: Path, body: str, flags: str = "") -> str:
    """Compiles a program of which main's body is given, or the whole text behind HEAD if it has a main itself."""
    path = folder / "program.c"
    path.write_text(HEAD + (body if "main(" in body else f"int main(void)\n{{\n    int fds[2];\n    pair_of_sockets(fds);\n{body}\n    return 0;\n}}\n"))
    subprocess.run(["cc", "-g", "-w", "-pthread", *flags.split(), "-o", str(folder / "program"), str(path)], check=True)
    return str(folder / "program")


class Watch:
    """A keeper, one program, and what is reported of it. `act`: called with each report, as it comes."""

    def __init__(self) -> None:
        self.keeper = Keeper(True)
        self.reports: "list[dict]" = []
        self.status: "dict[int, int]" = {}
        self.out = b""
        self.act = lambda report: None

    def start(self, *argv: str, **how) -> int:
        made = self.keeper.spawn(list(argv), dict(os.environ), False, **how)
        if not made.observed and how.get("observe", True):
            pytest.skip(f"system calls can't be looked at here: {made.why_not}")
        os.close(made.err)
        self.pid, self.pipe = made.pid, made.out
        self.take_endings()     # one may have come before the answer to the start
        return made.pid

    def take_endings(self) -> None:
        self.status.update((one.pid, one.status) for one in self.keeper.ended())

    def until(self, done) -> None:
        while not done():
            ready = select.select([self.keeper.events, self.keeper.control, *([self.pipe] if self.pipe >= 0 else [])], [], [])[0]
            if self.keeper.events in ready:
                self.drain()
            if self.pipe in ready:
                data = os.read(self.pipe, 65536)
                self.out += data
                if not data:
                    os.close(self.pipe)
                    self.pipe = -1
            if self.keeper.control in ready:
                self.take_endings()

    def drain(self) -> None:
        while True:
            try:
                data = self.keeper.events.recv(1 << 16)
            except BlockingIOError:
                return
            if data.startswith(b"{"):
                self.reports.append(json.loads(data))
                self.act(self.reports[-1])

    def run(self, *argv: str, **how) -> int:
        """Runs it to its end; returns its wait status."""
        self.start(*argv, **how)
        self.until(lambda: self.pid in self.status and self.pipe < 0)
        self.drain()
        return self.status[self.pid]

    def of(self, kind: str, name: str = "") -> "list[dict]":
        return [one for one in self.reports if one["t"] == kind and name in ("", one.get("name"))]


@pytest.fixture
def watch():
    if not ptrace.SUPPORTED:
        pytest.skip("no call numbers for this machine")
    made = Watch()
    yield made
    made.keeper.end()
    if made.pid and getattr(made, "pipe", -1) >= 0:
        os.close(made.pipe)


@pytest.mark.parametrize("flags", ["-O0", "-O1 -static"])
def test_calls_are_reported_with_what_was_asked_and_what_came_of_it(flags, watch, tmp_path):
    assert watch.run(build(tmp_path, """
        char got[100];
        write(fds[0], "hello", 5);
        read(fds[1], got, sizeof got);
        shutdown(fds[0], SHUT_WR);
        read(fds[1], got, sizeof got);
        close(fds[1]);
        signal(SIGPIPE, SIG_IGN);
        write(fds[0], "x", 1);
        close(99);
        close(fds[0]);""", flags)) == 0
    returns = {one["n"]: one for one in watch.of("return")}
    told = [(one["name"], one.get("data") or returns[one["n"]].get("data", ""), returns[one["n"]]["result"], returns[one["n"]]["error"])
            for one in watch.of("call")][-8:]
    assert told == [
                    ("write", "hello", 5, ""), ("read", "hello", 5, ""), ("shutdown", "", 0, ""), ("read", "", 0, ""), ("close", "", 0, ""),
                    ("write", "x", -1, "EPIPE"), ("close", "", -1, "EBADF"), ("close", "", 0, "")]
    assert watch.of("call", "shutdown")[0]["how"] == "SHUT_WR"
    own, peer = returns[watch.of("call", "connect")[0]["n"]]["address"].split(">")
    assert returns[watch.of("call", "accept")[0]["n"]]["address"] == f"{peer}>{own}" and peer.startswith("127.0.0.1:")


def test_what_the_lab_closes_itself_is_no_call_of_the_program_and_what_the_program_closes_is(watch, tmp_path):
    """At each line a thread is held at a socket pair, of which common/ closes the low numbers."""
    lab = Conductor(find("1"), Delays(), keeper=lent(True)).run()
    assert len(lab.events) > 5 and lab.observed and [call for call in lab.calls if call.name == "close_range"] == []
    assert watch.run(build(tmp_path, "syscall(SYS_close_range, fds[0], fds[1], 0);")) == 0
    assert [one["fds"] for one in watch.of("call", "close_range")] != []


def test_of_a_program_that_closes_all_numbers_one_after_the_other_the_first_that_is_not_open_is_told_of(watch, tmp_path):
    assert watch.run(build(tmp_path, "for (int n = 60; n < 90; n++) close(n); close(70); close(70);")) == 0
    assert [one["fd"] for one in watch.of("call", "close")][-3:] == [60, 70, 70]


def test_only_sockets_of_the_internet_are_told_of(watch, tmp_path):
    families = ["AF_UNIX", "AF_INET", "AF_NETLINK", "AF_INET6", "AF_PACKET"]
    assert watch.run(build(tmp_path, "".join(f"close(socket({one}, SOCK_DGRAM, 0));" for one in families))) == 0
    kinds = [one["asked"] for one in watch.of("call", "socket")]
    assert kinds == [1, 1, 2, 2]      # two of the pair, SOCK_STREAM; then AF_INET and AF_INET6


def test_an_entry_is_in_the_queue_before_what_the_call_does_and_its_return_after(tmp_path):
    made = run(tmp_path / "pair", "connect; say 5; hear 3; close", "listen; accept; hear 5; say 3; close; closelistener")
    if not made.observed or not made.wire:
        pytest.skip("needs the calls and the wire")
    for who in ("client", "server"):
        write = next(call for call in made.calls if call.who == who and call.name == "write")
        line = next(e.seq for e in made.events if e.who == who and e.kind == "send")
        segment = next(s.seq for s in made.segments if s.sender == who and s.length)
        assert line < write.seq < segment < write.returned
        read = next(call for call in made.calls if call.who != who and call.name == "read" and call.result == write.result)
        assert segment < read.returned < next(e.seq for e in made.events if e.who != who and e.kind == "recv")


@pytest.mark.parametrize("how", ["fork();", "vfork_child();", "spawn_child();"])
def test_children_are_seen_with_their_calls_and_their_end(how, watch, tmp_path):
    program = build(tmp_path, """
        extern char **environ;
        int main(int argc, char **argv)
        {
            int fds[2];
            if (argc > 1) {
                pair_of_sockets(fds);
                write(fds[0], "child", 5);
                return 7;
            }
            pid_t child = 0;
            char *again[] = {argv[0], "again", NULL};
            HOW
            int status;
            waitpid(child, &status, 0);
            return WEXITSTATUS(status);
        }""".replace("HOW", {
            "fork();": "child = fork(); if (child == 0) { pair_of_sockets(fds); write(fds[0], \"child\", 5); _exit(7); }",
            "vfork_child();": "child = vfork(); if (child == 0) { execv(argv[0], again); _exit(1); }",
            "spawn_child();": "posix_spawn(&child, argv[0], NULL, NULL, again, environ);"}[how]))
    assert os.WEXITSTATUS(watch.run(program)) == 7
    (written,) = watch.of("call", "write")
    assert written["data"] == "child" and written["pid"] != watch.pid
    assert [one["child"] for one in watch.of("fork") if not one["thread"]] == [written["pid"]]
    assert {one["pid"] for one in watch.of("gone")} == {watch.pid, written["pid"]}
    assert {one["pid"] for one in watch.of("exiting")} == {watch.pid, written["pid"]}


def test_a_signal_ends_a_call_with_eintr_and_one_that_stops_does_not(watch, tmp_path):
    program = build(tmp_path, """
        char c;
        struct sigaction act = {.sa_handler = (void (*)(int))getpid};
        sigaction(SIGALRM, &act, NULL);
        ualarm(1000, 1000);     // again and again: the first may come before the read
        if (read(fds[0], &c, 1) == -1 && errno == EINTR)
            ualarm(0, 0), printf("interrupted\\n"), fflush(stdout);
        pid_t me = getpid();
        if (fork() == 0) {
            kill(me, SIGSTOP);
            kill(me, SIGCONT);
            write(fds[1], "x", 1);
            _exit(0);
        }
        return read(fds[0], &c, 1) == 1 ? 3 : 4;""")
    assert os.WEXITSTATUS(watch.run(program)) == 3 and watch.out == b"interrupted\n"
    numbers = [one["n"] for one in watch.of("call", "read")]
    returns = {one["n"]: one for one in watch.of("return")}
    assert [(returns[n]["result"], returns[n]["error"]) for n in numbers] == [(-1, "EINTR"), (1, "")]


def test_a_thread_is_held_at_a_calls_entry_and_at_its_return(watch, tmp_path):
    stops = []

    def act(report) -> None:
        if report.get("held"):
            stops.append((report["t"], report["name"]))
            assert kernel.process_state(report["tid"]) == "t"
            watch.keeper.go(report["tid"])
    watch.act = act
    assert watch.run(build(tmp_path, 'write(fds[0], "hello", 5);'), hold="all") == 0
    assert [one for one in stops if one[1] == "write"] == [("call", "write"), ("return", "write")]
    assert len(stops) == len(watch.of("call")) + len(watch.of("return"))


def test_a_held_sleep_is_skipped_and_returns_0(watch, tmp_path):
    def act(report) -> None:
        if report.get("held"):
            watch.keeper.go(report["tid"], 0)
    watch.act = act
    assert os.WEXITSTATUS(watch.run(build(tmp_path, """
        struct timespec bad = {0, 2000000000}, end;
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += 5000;
        int all = sleep(5000) + usleep(900000000) + clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
        return all == 0 && nanosleep(&bad, NULL) == -1 && errno == EINVAL ? 5 : 6;"""), hold="sleeps")) == 5
    assert len([one for one in watch.of("call") if one.get("held")]) == 3


@pytest.mark.parametrize("end", ["kill", "exit"])
def test_a_program_that_ends_while_a_thread_of_it_is_held_is_gone(end, watch, tmp_path):
    program = build(tmp_path, """
        int fds[2];
        void *talk(void *unused) { write(fds[0], "x", 1); return NULL; }
        int main(void)
        {
            pthread_t thread;
            pair_of_sockets(fds);
            pthread_create(&thread, NULL, talk, NULL);
            char c;
            if (END == 0) while (1) pause();
            while (read(0, &c, 1) == 1) ;
            for (volatile long i = 0; i < 300000000; i++) ;
            _exit(9);
        }""".replace("END", str(int(end == "exit"))))

    def act(report) -> None:
        if report.get("held") and report.get("name") != "write":
            watch.keeper.go(report["tid"])
        elif report.get("held") and end == "kill":
            watch.keeper.signal(report["pid"], signal.SIGKILL)
    watch.act = act
    status = watch.run(program, hold="all")
    assert os.WTERMSIG(status) == signal.SIGKILL if end == "kill" else os.WEXITSTATUS(status) == 9


def test_fifty_sockets_of_25_threads_are_told_apart(watch, tmp_path):
    program = build(tmp_path, """
        void *talk(void *number)
        {
            char text[8], got[8];
            for (int i = 0; i < 2; i++) {
                int fds[2];
                pair_of_sockets(fds);
                int n = sprintf(text, "%ld.%d", (long)number, i);
                write(fds[0], text, n);
                read(fds[1], got, sizeof got);
            }
            return NULL;
        }
        int main(void)
        {
            pthread_t threads[25];
            for (long i = 0; i < 25; i++) pthread_create(&threads[i], NULL, talk, (void *)i);
            for (int i = 0; i < 25; i++) pthread_join(threads[i], NULL);
        }""")
    assert watch.run(program) == 0
    returns = {one["n"]: one for one in watch.of("return")}
    assert sorted(one["data"] for one in watch.of("call", "write")) == sorted(f"{n}.{i}" for n in range(25) for i in range(2))
    assert sorted(returns[one["n"]]["data"] for one in watch.of("call", "read")) == sorted(one["data"] for one in watch.of("call", "write"))


def test_a_program_that_makes_thousands_of_calls_is_only_slowed_down(watch, tmp_path):
    program = build(tmp_path, 'char c; for (int i = 0; i < 5000; i++) { write(fds[0], "x", 1); read(fds[1], &c, 1); }')
    assert watch.run(program) == 0
    assert len(watch.of("call", "write")) == len(watch.of("call", "read")) == 5000


def test_what_a_program_is_started_with_is_the_same_observed_or_not(tmp_path):
    program = build(tmp_path, """
        int main(void)
        {
            sigset_t blocked;
            sigprocmask(SIG_BLOCK, NULL, &blocked);
            printf("%d %d %d", getpid() == getpgrp(), sigismember(&blocked, SIGINT), sigismember(&blocked, SIGCHLD));
            for (int i = 1; i < 32; i++) {
                struct sigaction act;
                sigaction(i, NULL, &act);
                printf(" %d", act.sa_handler == SIG_DFL);
            }
            for (int fd = 0; fd < 1024; fd++)
                if (fcntl(fd, 1) != -1) printf(" fd %d", fd);
            printf(" %d\\n", getchar());
        }""")
    (tmp_path / "input").write_text("A")
    said = []
    for observe in (False, True):
        watch = Watch()
        try:
            watch.run(program, observe=observe, stdin=str(tmp_path / "input"))
            said.append(watch.out)
        finally:
            watch.keeper.end()
    assert said[0] == said[1] and said[0].endswith(b" fd 0 fd 1 fd 2 65\n"), said


def test_whoever_stops_the_process_that_starts_the_programs_they_are_started(watch, tmp_path):
    """A program may do that before the start of that program itself was answered."""
    program = build(tmp_path, "int main(void) { return 3; }")
    assert watch.run(program) == 3 << 8
    for pid in watch.keeper.own:
        os.kill(pid, signal.SIGSTOP)
    assert watch.run(program) == 3 << 8


def test_a_killed_harness_takes_everything_with_it(tmp_path):
    """Threads are held, others wait: when the harness dies, all of it dies."""
    made = pair(tmp_path / "pair", "connect; say 1; pause-for-ever", "listen; accept; fork; setsid; hear 5; hear 5; end; wait")
    code = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}]
from pathlib import Path
from harness.stage.conductor import Conductor, Live
from harness.stage.scenarios import Scenario
folder = Path({str(made.folder)!r})
conductor = Conductor(Scenario("99-pair", folder, folder), Live(), tell=lambda r: hasattr(r, "kind") and print(r.pid, conductor.keeper.pid, flush=True))
conductor.run()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    lines = [child.stdout.readline().split() for _ in range(5)]
    keeper = int(lines[0][1])
    pids = set(kernel.descendants(keeper)) | {keeper}
    assert len(pids) >= 4
    child.kill()
    child.wait()
    for pid in pids:
        try:
            select.select([os.pidfd_open(pid)], [], [])     # readable when it has ended
        except ProcessLookupError:
            pass
    child.stdout.close()


def test_io_uring_is_named(watch, tmp_path):
    watch.run(build(tmp_path, "syscall(425, 1, NULL);"))
    assert any("io_uring" in one["words"] for one in watch.of("unseen"))


def test_switched_off_nothing_is_traced_and_one_line_says_so(tmp_path):
    made = Conductor(pair(tmp_path / "pair", "connect; say 1; close", "listen; accept; hear 1; close; closelistener"), VirtualClock(), observe=False).run()
    assert made.calls == () and not made.observed
    assert [note for note in made.notes if "system calls" in note] == ["system calls are not looked at: switched off (TCPLAB_CALLS=off)"]


@pytest.mark.skipif(shutil.which("addr2line") is None, reason="addr2line is not installed")
@pytest.mark.parametrize("flags", ["-O0", "-O1", "-static", "-no-pie", "-O2"])
def test_the_line_of_a_call_is_that_of_the_program(flags, watch, tmp_path):
    program = build(tmp_path, """
static void say(int fd)
{
    write(fd, "here", 4);     // LINE
}
int main(void)
{
    int fds[2];
    pair_of_sockets(fds);
    say(fds[0]);
    return 0;
}""", flags)
    watch.run(program)
    (written,) = watch.of("call", "write")
    known = source.lines_of(written["object"], written["at"])
    wanted = next(n for n, line in enumerate((tmp_path / "program.c").read_text().splitlines(), 1) if "// LINE" in line)
    assert source.of_call(written["at"], known) == f"program.c:{wanted}"


@pytest.mark.skipif(shutil.which("addr2line") is None, reason="addr2line is not installed")
def test_a_write_that_libc_makes_when_a_program_ends_is_of_no_line(watch, tmp_path):
    program = build(tmp_path, """
static void stop(void)
{
    exit(1);        // main begins right behind this call, and libc keeps a pointer to main on the stack
}
int main(int argc, char **argv)
{
    int fds[2];
    pair_of_sockets(fds);
    fputs("late", fdopen(fds[0], "w"));
    if (argc > 1)
        stop();
    return 0;
}""", "-O1 -fno-inline -fno-align-functions -fno-reorder-functions")
    watch.run(program)
    (written,) = watch.of("call", "write")
    assert source.of_call(written["at"], source.lines_of(written["object"], written["at"])) == ""


@pytest.mark.skipif(shutil.which("addr2line") is None, reason="addr2line is not installed")
def test_addr2line_is_asked_once_for_an_address_and_again_for_a_program_that_was_built_again(tmp_path, monkeypatch):
    program = build(tmp_path, "int main(void) { return 0; }\n")
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    inside = next(int(line.split()[0], 16) for line in symbols.splitlines() if line.endswith(" main")) + 1
    known = source.lines_of(program, [inside])
    assert known[inside][0].rpartition(":")[0] == str(tmp_path / "program.c")
    with monkeypatch.context() as nobody:
        nobody.setattr(subprocess, "run", None)
        assert source.lines_of(program, [inside]) == known
    shutil.copy("/bin/true", program)
    assert source.lines_of(program, [inside]) == {}


def test_a_scenario_of_a_sanitizer_build_is_not_traced_and_says_so(tmp_path):
    folder = tmp_path / "99-pair"
    folder.mkdir()
    for name, text in (("client", "return 0;"), ("server", "return 0;")):
        (folder / f"{name}.c").write_text(f"int main(void) {{ {text} }}\n")
        done = subprocess.run(["cc", "-fsanitize=address", "-o", str(folder / name), str(folder / f"{name}.c")], check=False)
        if done.returncode:
            pytest.skip("no AddressSanitizer here")
    made = Conductor(Scenario("99-pair", folder, folder), VirtualClock()).run()
    assert [note for note in made.notes if "sanitizer" in note] == ["system calls are not looked at: it is built with a sanitizer"]
    assert {ending.how for ending in made.endings} == {"exit 0"}


def test_no_line_of_a_new_thread_comes_before_its_birth_however_full_the_queue_is(tmp_path: Path) -> None:
    lines = "; ".join(f"event {letter}" for letter in "abcdefghijkl")
    server = "listen; accept; " + "; ".join(f"thread; {lines}; end" for _ in range(6)) + "; join; close"

    def slowly(record: object) -> None:
        sum(range(40_000))          # so the programs fill the queue, and what the tracer tells has to wait
    for n in range(5):
        made = Conductor(pair(tmp_path / str(n), "connect; readall 1", server), VirtualClock(), keeper=lent(), tell=slowly).run()
        assert len([event for event in made.events if event.who == "server" and len(event.text) == 1]) == 6 * 12
        assert made.notes == ()
