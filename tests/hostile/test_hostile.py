"""Nothing takes the lab down: whatever a program does, the run ends, is told, and leaves nothing behind."""
from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from changes import ask
from harness.observe import kernel
from harness.stage import conductor as stage
from harness.stage import limits, spawner
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.stage.keeper import GONE, KeeperError, open_keeper
from harness.stage.scenarios import ROOT, Scenario
from harness.trace import Run
from once import once
from ready import library

NET = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{ROOT / 'common'}"]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hostile client, and a server that reads until EOF."""
    def make(folder: Path) -> None:
        for name, source in (("client", "tests/hostile/hostile.c"), ("server", "tests/hostile/server.c")):
            subprocess.run(["cc", *NET, str(ROOT / source), str(library()), "-o", str(folder / name)], check=True)
    return once(tmp_path_factory, "hostile", make)


@pytest.fixture
def run(programs: Path, tmp_path: Path):
    """run("forge x") -> the run with such a client; `isolate`, `observe` and `live` as the conductor takes them."""
    def go(act: str, *, isolate: bool = True, observe: bool = True, live: bool = False) -> Run:
        for name in ("client", "server"):
            shutil.copy(programs / name, tmp_path)
        (tmp_path / "client.act").write_text(act + "\n")
        keeper = open_keeper(isolate, observe)
        try:
            return Conductor(Scenario("99-hostile", tmp_path, tmp_path), Live() if live else VirtualClock(), keeper=keeper, observe=observe).run()
        finally:
            keeper.end()
            assert strangers(tmp_path) == []
    return go


def strangers(folder: Path) -> "list[int]":
    """The processes of these programs that live."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if program.startswith(f"{folder}/") and kernel.process_state(pid) not in ("", "Z", "X"):
            found.append(pid)
    return found


def as_usual(run: Run) -> None:
    """It went as if the client had done no more than connect and close."""
    assert [e.text for e in run.events if e.who == "client"] == ["connecting", "connected"]
    assert run.stop.kind == "over" and ("client", "exit 0") in {(end.who, end.how) for end in run.endings}


ways = pytest.mark.parametrize("isolate, observe", [(True, True), (True, False), (False, True), (False, False)])


@ways
@pytest.mark.parametrize("signal", [9, 15, 19])
def test_who_started_the_programs_is_killed_or_stopped(run, isolate, observe, signal):
    """With calls observed that is a process of the lab's own; without, the keeper itself."""
    if observe or signal == 19:
        as_usual(run(f"kill-up 1 {signal}", isolate=isolate, observe=observe))
    else:
        with pytest.raises(KeeperError, match="was killed"):
            run(f"kill-up 1 {signal}", isolate=isolate, observe=observe)


@pytest.mark.parametrize("signal", [9, 15, 19])
def test_the_first_process_of_a_run_can_not_be_reached_from_inside(run, signal):
    as_usual(run(f"kill 1 {signal}"))


def test_a_program_that_kills_everybody_kills_its_run_alone(run):
    """kill(-1, SIGKILL) is an accident: fork has failed, and nobody looked."""
    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        ended = {(end.who, end.how) for end in run("kill -1 9").endings}
        assert bystander.poll() is None and ("server", "signal KILL") in ended
        assert dict(ended)["client"] in ("exit 0", "exit 1")    # it may connect before the server's last descriptor is closed
    finally:
        bystander.communicate()


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("signal", [9, 19])
def test_the_keeper_is_killed_or_stopped(run, isolate, signal, monkeypatch):
    monkeypatch.setattr(spawner, "_fork_apart", lambda: -1)     # as where a container allows no PID namespace: there it can be reached
    if signal == 19:
        as_usual(run("kill-up 2 19", isolate=isolate))
    else:
        with pytest.raises(KeeperError) as error:
            run("kill-up 2 9", isolate=isolate)
        assert str(error.value) == GONE


def test_children_that_nobody_waits_for_do_not_use_up_the_machines_process_ids(run, monkeypatch):
    """Root's processes are not counted by RLIMIT_NPROC. Where the calls are not looked at, root's forks are too fast for any look."""
    most = 0

    def counted(pid, limit, leaves=kernel.leaves_unwaited):
        nonlocal most
        most = max(most, len(kernel.children(pid)))
        return leaves(pid, limit)
    monkeypatch.setattr(kernel, "leaves_unwaited", counted)
    told = run("litter").stop
    assert (told.kind, told.words) == ("runaway", "more than 500 child processes of one program have ended, and it has not waited for them")
    assert 500 < most < 5_000


FORGED = ["x", "{", '{"t": "call", "ns": 1}', '{"t": "gone", "ns": 1, "pid": 1, "status": 0}', "1@1@1@client@conn@3@0@a>b>c@x:1@text",
          "1@1@1@client@note@3@0@-@x:1@said by another process", "1@1@1@nobody@note@3@0@-@x:1@text", "1@1@1@client@riddle@3@0@-@x:1@text",
          "99999999999999999999999999@1@1@client@note@3@0@-@x:1@text"]


@ways
@pytest.mark.parametrize("text", FORGED)
def test_a_forged_datagram_is_ignored_counted_and_told(run, text, isolate, observe):
    made = run(f"forge {text}", isolate=isolate, observe=observe)
    as_usual(made)
    assert [note for note in made.notes if note.startswith("ignored: 1 datagram")]


@ways
@pytest.mark.parametrize("kind", ["file", "listener"])
def test_a_descriptor_that_is_no_gate_is_ignored(run, kind, isolate, observe):
    made = run(f"forge-gate {kind}", isolate=isolate, observe=observe)
    as_usual(made)
    assert [note for note in made.notes if note.startswith("ignored: 1 datagram")]


@ways
def test_a_gate_that_takes_nothing_blocks_nobody(run, isolate, observe):
    made = run("forge-gate full", isolate=isolate, observe=observe)
    assert [e.text for e in made.events if e.who == "client"] == ["forged", "connecting", "connected"] and made.stop.kind == "over"


@ways
def test_a_program_whose_first_thread_has_ended_is_judged_by_the_others(run, isolate, observe):
    as_usual(run("leave-main", isolate=isolate, observe=observe))


def test_memory_that_nobody_has_mapped_counts(run, monkeypatch):
    monkeypatch.setattr(limits, "MEMORY", 32 << 20)     # reached soon, on a busy machine too
    made = run("memory-files")
    assert made.stop.kind == "runaway" and "MiB of memory" in made.stop.words


@ways
def test_an_epoll_in_an_epoll_that_a_timer_ends_is_waited_for(run, isolate, observe):
    as_usual(run("nested-epoll 1500", isolate=isolate, observe=observe))


def test_shared_memory_that_a_program_leaves_goes_with_its_run(programs, tmp_path):
    for name in ("client", "server"):
        shutil.copy(programs / name, tmp_path)
    (tmp_path / "client.act").write_text("shm /tcplab-left\n")
    keeper = open_keeper()
    try:
        if not keeper.isolated:
            pytest.skip(f"no namespaces here ({keeper.why_not})")
        for _ in range(2):
            as_usual(Conductor(Scenario("99-hostile", tmp_path, tmp_path), VirtualClock(), keeper=keeper).run())
            assert not os.path.exists("/dev/shm/tcplab-left")
    finally:
        keeper.end()


def test_a_run_that_goes_on_for_ever_is_ended(run, monkeypatch):
    monkeypatch.setattr("harness.stage.limits.LONGEST", 3.0)
    made = run("ticks", live=True)
    assert made.stop.kind == "runaway" and "has gone on for 3 s" in made.stop.words


def test_with_the_virtual_clock_too(run, monkeypatch):
    monkeypatch.setattr(stage, "EVENTS", 200)
    assert run("ticks").stop.kind == "runaway"


# --- the command ------------------------------------------------------------------------------------------------------

ONE = "01-break-after-first-message"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scenario, and its programs built: scenarios/, build/."""
    def make(folder: Path) -> None:
        shutil.copytree(ROOT / "scenarios" / ONE, folder / "scenarios" / ONE, ignore=shutil.ignore_patterns("mutants"))
        subprocess.run(["make", "-s", f"BUILD={folder / 'build'}", f"SCENARIOS={folder / 'scenarios'}"], cwd=ROOT, check=True)
    return once(tmp_path_factory, "built", make)


@pytest.fixture
def lab(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """lab(*arguments) -> a command of the harness on a copy of that in tmp_path, as ask() gives it."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True, copy_function=shutil.copy2)
    monkeypatch.setenv("SCENARIOS", str(tmp_path / "scenarios"))
    monkeypatch.setenv("BUILD", str(tmp_path / "build"))
    return ask


@pytest.mark.parametrize("file", ["client.c", "contract.txt", "stage.txt", "notes.fifo"])
def test_what_is_no_file_is_refused(lab, tmp_path, file):
    path = tmp_path / "scenarios" / ONE / file
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    status, _, err = lab("check", "1")
    assert status == 2 and f"{path}: not a regular file" in err


def test_a_link_to_something_elsewhere_is_refused(lab, tmp_path):
    path = tmp_path / "scenarios" / ONE / "more.c"
    path.symlink_to("/etc/passwd")
    status, out, err = lab("check", "1")
    assert status == 2 and f"{path}: a link to something outside" in err and "daemon:" not in out + err


def test_a_program_that_a_run_has_overwritten_is_built_again(lab, tmp_path):
    assert lab("check", "1")[0] == 0
    program = tmp_path / "build" / ONE / "client"
    program.unlink()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    status, out, _ = lab("check", "1")
    assert status == 0 and "as expected" in out


def test_a_build_that_is_too_large_is_ended(lab, tmp_path):
    source = tmp_path / "scenarios" / ONE / "client.c"
    source.write_text(source.read_text() + "\nchar large[1 << 30] = {1};\n")
    status, _, err = lab("check", "1")
    assert status == 2 and "a build may use" in err


def test_a_file_in_the_place_of_the_last_runs_is_told_and_mended(lab, tmp_path):
    (tmp_path / "build/last").write_text("")
    status, _, err = lab("check", "1")
    assert status == 0 and "was no folder; it is one again" in err
    assert (tmp_path / f"build/last/{ONE}.jsonl").is_file()


@pytest.mark.parametrize("name", ["BUILD", "SCENARIOS"])
@pytest.mark.parametrize("value", ["a b", "-x", "a:b", "a#b", "$(true)", "a'b", "a\nb", "a*"])
def test_a_name_that_make_can_not_work_with_is_refused(lab, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    status, _, err = lab("check", "1")
    assert status == 2 and err.startswith(f"{name}={value!r}: make can't work with that name")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_standard_descriptors_are_a_clean_end(lab, closed):
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -m harness check 1 {closed}'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "lab error" not in done.stderr


def test_many_checks_at_once_from_an_empty_build(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD", str(tmp_path / "empty"))
    checks = [subprocess.Popen([sys.executable, "-m", "harness", "check", "1"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
              for _ in range(6)]
    said = [check.communicate()[0] for check in checks]
    assert [check.returncode for check in checks] == [0] * len(checks), said


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------

def _interrupted(command: "list[str]", seconds: float, terminal: bool) -> "tuple[int, str]":
    """A command, and Ctrl-C after so long; where it has a terminal, once more when it is done. Its status, and standard error."""
    keys, theirs = pty.openpty()
    made = subprocess.Popen([sys.executable, "-m", "harness", *command], cwd=ROOT, stdin=theirs if terminal else subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    os.close(theirs)
    try:
        made.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(made.pid, signal.SIGINT)
    os.close(keys)      # who asks for keys hears the end of them
    assert made.stderr is not None
    said = made.stderr.read()
    made.stderr.close()
    return made.wait(), said


@pytest.mark.parametrize("command", ["check", "run", "explore", "step", "explain", "draft"])
def test_ctrl_c_at_any_moment_is_a_clean_end(lab, tmp_path, monkeypatch, command):
    """From the first moment on in which anything of the lab runs. (What Python says of a Ctrl-C before that is its own.)"""
    (tmp_path / "room").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "room"))
    monkeypatch.setenv("PAUSE", "0")
    programs = [str(tmp_path / "build" / ONE / name) for name in ("server", "client")]
    arguments = ["explain", "--server", programs[0], "--client", programs[1]] if command == "explain" else [command, "1"]
    began = time.monotonic()
    _interrupted(["check", "1"], 60, False)
    whole = time.monotonic() - began
    for part in (0.15, 0.35, 0.6, 0.85):
        status, said = _interrupted(arguments, whole * part, command == "step")
        if f"{ROOT}/harness" not in said and "KeyboardInterrupt" in said:
            continue        # Python's own
        assert said == "" and status in (0, 130, -signal.SIGINT) or (status, command) == (2, "step") and "the input has ended" in said
    assert os.listdir(tmp_path / "room") == [] and strangers(tmp_path / "build") == []
