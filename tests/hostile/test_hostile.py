"""Nothing takes the lab down: whatever a program does, the run ends, is told, and leaves nothing behind."""
from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.observe import kernel
from harness.stage import conductor as stage
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.stage.keeper import GONE, KeeperError, open_keeper
from harness.stage.scenarios import ROOT, Scenario
from harness.trace import Run
from once import once

NET = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{ROOT / 'common'}"]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hostile client, and a server that reads until EOF."""
    def make(folder: Path) -> None:
        common = [str(path) for path in sorted((ROOT / "common").glob("*.c"))]
        for name, source in (("client", "tests/hostile/hostile.c"), ("server", "tests/hostile/server.c")):
            subprocess.run(["cc", *NET, str(ROOT / source), *common, "-o", str(folder / name)], check=True)
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


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("signal", [9, 19])
def test_the_keeper_is_killed_or_stopped(run, isolate, signal):
    if signal == 19:
        as_usual(run("kill-up 2 19", isolate=isolate))
    else:
        with pytest.raises(KeeperError) as error:
            run("kill-up 2 9", isolate=isolate)
        assert str(error.value) == GONE


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


def test_memory_that_nobody_has_mapped_counts(run):
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

@pytest.fixture
def lab(tmp_path: Path):
    """lab(*arguments, **environment) -> a command of the harness on a copy of the scenarios in tmp_path/scenarios."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios", ignore=shutil.ignore_patterns("mutants"))
    env = {**os.environ, "SCENARIOS": str(tmp_path / "scenarios"), "BUILD": str(tmp_path / "build")}
    return functools.partial(command, env)


def command(env, *arguments, **more):
    return subprocess.run([sys.executable, "-m", "harness", *arguments], cwd=ROOT, env={**env, **more}, capture_output=True, text=True)


@pytest.mark.parametrize("file", ["client.c", "contract.txt", "stage.txt", "notes.fifo"])
def test_what_is_no_file_is_refused(lab, tmp_path, file):
    path = tmp_path / "scenarios/01-break-after-first-message" / file
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    done = lab("check", "1")
    assert done.returncode == 2 and f"{path}: not a regular file" in done.stderr


def test_a_link_to_something_elsewhere_is_refused(lab, tmp_path):
    path = tmp_path / "scenarios/01-break-after-first-message/more.c"
    path.symlink_to("/etc/passwd")
    done = lab("check", "1")
    assert done.returncode == 2 and f"{path}: a link to something outside" in done.stderr and "daemon:" not in done.stdout + done.stderr


def test_a_program_that_a_run_has_overwritten_is_built_again(lab, tmp_path):
    assert lab("check", "1").returncode == 0
    program = tmp_path / "build/01-break-after-first-message/client"
    program.unlink()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    done = lab("check", "1")
    assert done.returncode == 0 and "as expected" in done.stdout


def test_a_build_that_is_too_large_is_ended(lab, tmp_path):
    source = tmp_path / "scenarios/01-break-after-first-message/client.c"
    source.write_text(source.read_text() + "\nchar large[1 << 30] = {1};\n")
    done = lab("check", "1")
    assert done.returncode == 2 and "a build may use" in done.stderr


def test_a_file_in_the_place_of_the_last_runs_is_told_and_mended(lab, tmp_path):
    (tmp_path / "build").mkdir()
    (tmp_path / "build/last").write_text("")
    done = lab("check", "1")
    assert done.returncode == 0 and "was no folder; it is one again" in done.stderr
    assert (tmp_path / "build/last/01-break-after-first-message.jsonl").is_file()


@pytest.mark.parametrize("name", ["BUILD", "SCENARIOS"])
@pytest.mark.parametrize("value", ["a b", "-x", "a:b", "a#b", "$(true)", "a'b", "a\nb", "a*"])
def test_a_name_that_make_can_not_work_with_is_refused(lab, name, value):
    done = lab("check", "1", **{name: value})
    assert done.returncode == 2 and done.stderr.startswith(f"{name}={value!r}: make can't work with that name")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_standard_descriptors_are_a_clean_end(closed):
    done = subprocess.run(["sh", "-c", f'"{sys.executable}" -m harness check 1 {closed}'], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr and "lab error" not in done.stderr


def test_many_checks_at_once_from_an_empty_build(lab):
    checks = [subprocess.Popen([sys.executable, "-m", "harness", "check", str(n % 3)], cwd=ROOT, env=lab.args[0], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True) for n in range(8)]
    said = [check.communicate()[0] for check in checks]
    assert [check.returncode for check in checks] == [0] * len(checks), said
