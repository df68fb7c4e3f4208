"""make exercise, solution, start, reset and diff: does each do what it says, and is nothing of a learner's ever lost?"""
from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

import changes
from changes import ask
from harness.__main__ import main
from harness.cli import shared
from harness.learn import exercises, originals, resets
from harness.stage.scenarios import ROOT, find
import started
from started import Started
from once import once
from ready import ready
from terminal import Terminal

NAME = "04-half-close"
FOLDER = ROOT / "scenarios" / NAME
QUESTION = "(y, or Enter for no) > "


@pytest.fixture
def lab(tmp_path, monkeypatch) -> changes.Lab:
    made = changes.Lab(tmp_path, tmp_path / "build", [NAME])
    monkeypatch.setenv("SCENARIOS", str(made.scenarios))
    monkeypatch.setenv("BUILD", str(made.build))
    return made


def solve(lab: changes.Lab, letter: str, name: str = NAME) -> None:
    changes.apply((FOLDER / "exercises" / letter / "solution.diff").read_text().replace(NAME, name), lab.scenarios)


def facts(lab: changes.Lab) -> str:
    path = lab.build / "progress.txt"
    return path.read_text() if path.exists() else ""


# --- exercise --------------------------------------------------------------------------------------------------------

def test_before_it_passes_it_tells_the_task_and_the_verdict(lab):
    status, out, err = ask("exercise", "4a")
    assert (status, err) == (1, "") and out.startswith(f"exercise 4a: The server ends its direction first   (scenarios/{NAME})\nLet the server")
    assert '\ndiffers: the server said "reading data" where "writing response" was to come' in out and out.endswith("reproduce: make exercise-4a\n")
    assert "Why it works" not in out and facts(lab) == ""


def test_after_success_it_tells_why_and_how_the_reference_differs(lab):
    solve(lab, "a")
    assert "Your code is the reference, letter by letter." in ask("exercise", "04a")[1]
    server = lab.scenarios / NAME / "server.c"
    server.write_text(server.read_text().replace("// ends the stream to the client; the one from the client goes on", "// mine"))
    status, out, err = ask("exercise", "4a")
    assert (status, err) == (0, "") and "\nas expected: " in out and "\nWhy it works:\nA connection is two streams" in out
    assert "\n-    if (shutdown(conn, SHUT_WR) == -1) // mine\n+    if (shutdown(conn, SHUT_WR) == -1) // ends the stream" in out
    assert facts(lab) == "passed 04a\n"


def test_who_counts_reads_passes_once_and_is_refused_where_each_read_brings_one_byte(tmp_path, monkeypatch):
    name = "00-anatomy"
    made = changes.Lab(tmp_path, tmp_path / "build", [name])
    monkeypatch.setenv("SCENARIOS", str(made.scenarios))
    monkeypatch.setenv("BUILD", str(made.build))
    client, server = made.scenarios / name / "client.c", made.scenarios / name / "server.c"
    client.write_text(client.read_text().replace('"This is a message\\n", 18', '"This is a message\\nAnd another one\\n", 34'))
    said = 'printf("Received message: %.*s", (int)have, buf);'
    server.write_text(server.read_text().replace(said, 'printf("Received message: This is a message\\nwriting response\\nReceived message: And another one\\n");')
                      .replace('"Message received.\\n", 18', '"Message received.\\nMessage received.\\n", 36'))
    status, out, _ = ask("exercise", "0a")
    assert status == 1 and "reproduce: DELIVERY=bytes make exercise-0a\n" in out and "\nnote: DELIVERY=bytes: the lab lets each read of a connection ask" in out
    assert "Why it works" not in out and facts(made) == ""


def test_who_knows_the_answer_by_heart_is_refused_beside_another_program(tmp_path, monkeypatch):
    name = "09-write-after-goodbye"
    made = changes.Lab(tmp_path, tmp_path / "build", [name])
    monkeypatch.setenv("SCENARIOS", str(made.scenarios))
    monkeypatch.setenv("BUILD", str(made.build))
    inside = made.scenarios / name / "exercises/b"
    shutil.copytree(made.scenarios / name, made.scenarios / "90-own", ignore=shutil.ignore_patterns("exercises", "mutants", "contract.txt"))
    assert "another client" not in ask("exercise", "9b")[1] and not (made.build / name / "exercises").exists()
    changes.apply((inside / "wrong/by-heart.diff").read_text(), made.scenarios)
    status, out, _ = ask("exercise", "9b")
    note = "your two programs passed together. Then your server was run with another client. This is that run, and it did not pass. " \
           f"The other client is scenarios/{name}/exercises/b/other/client.c"
    assert status == 1 and f'note: {note}\ndiffers: the server never said "Received 111 bytes in all"' in out and out.endswith("reproduce: make exercise-9b\n")
    assert "Why it works" not in out and facts(made) == ""
    told = json.loads(ask("exercise", "9b", "--json")[1])
    assert (told["status"], told["notes"][0], told["reproduce"]) == (1, note, "make exercise-9b")
    changes.apply((inside / "solution.diff").read_text().replace(name, "90-own"), made.scenarios)
    shutil.copy(made.scenarios / "90-own/server.c", made.scenarios / name)
    (made.scenarios / "90-own/client.c").write_text("int main(void) { return 1; }\n")
    assert ask("exercise", "9b")[0] == 0 and facts(made) == "passed 09b\n"
    assert ask("exercise", "9b", "--in", "90")[0] == 1
    shutil.copy(made.scenarios / name / "client.c", made.scenarios / "90-own")
    assert ask("exercise", "9b", "--in", "90")[::2] == (0, "")


def test_the_record_of_a_run_beside_another_program_has_the_text_of_that_program(tmp_path, monkeypatch):
    name = "09-write-after-goodbye"
    made = changes.Lab(tmp_path, tmp_path / "build", [name])
    monkeypatch.setenv("SCENARIOS", str(made.scenarios))
    monkeypatch.setenv("BUILD", str(made.build))
    changes.apply((made.scenarios / name / "exercises/b/solution.diff").read_text(), made.scenarios)
    assert ask("exercise", "9b")[0] == 0
    began = json.loads((made.build / "last" / f"{name}.jsonl").read_text().partition("\n")[0])
    files = {"client.c": made.scenarios / name / "exercises/b/other/client.c", "server.c": made.scenarios / name / "server.c"}
    assert began["sources"] == {file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in files.items()}


def test_a_message_about_a_mistake_is_broken_between_words(lab):
    terminal = Terminal("9z", command="exercise", SCENARIOS="scenarios")
    said = terminal.until_asked()
    assert terminal.status() == 2 and "there is no exercise 9z. There are: 0a 0b" in said
    assert said.count("\r\n") > 2 and all(len(line) <= 80 for line in said.split("\r\n")) and re.search(r"\r\n  \d+[abc] ", said)


def test_a_line_that_tells_no_number_of_bytes_is_named_as_such(lab):
    solve(lab, "b")
    server = lab.scenarios / NAME / "server.c"
    text, number = re.subn(r'event_sending\(conn, \w+, "sending .*', 'event("sending \\\\"And goodbye.\\\\\\\\n\\\\"");', server.read_text())
    server.write_text(text)
    status, out, _ = ask("exercise", "4b")
    assert (number, status) == (1, 1) and "differs: the server was to send 31 bytes to the client; it sent 18 by its lines\n" in out
    assert ("The wire carried what the contract asks for, 31 bytes. The server's lines tell the lab of 18: event_sending(conn, n, ...) tells of n bytes, "
            "event(...) of none.\n") in out


def test_a_delivery_of_which_the_exercise_says_nothing_is_no_way_to_pass_it(lab, monkeypatch):
    monkeypatch.setenv("DELIVERY", "bytes")
    status, out, err = ask("exercise", "4a")
    assert status == 2 and "exercise 4a says nothing of DELIVERY=bytes, so nothing can be judged; take DELIVERY away" in out + err
    assert "Why it works" not in out and facts(lab) == ""


def test_a_pass_that_nobody_could_look_at_is_not_counted(lab, monkeypatch):
    solve(lab, "b")
    monkeypatch.setenv("TCPLAB_CALLS", "off")
    status, out, _ = ask("exercise", "4b")
    assert status == 0 and "does not count this: the calls were not seen" in out and facts(lab) == ""


def test_json_is_one_object(lab):
    status, out, _ = ask("exercise", "4a", "--json")
    told = json.loads(out)
    assert status == told["status"] == 1 and told["scenario"] == NAME and out.count("\n") == 1


@pytest.mark.parametrize("name, words", [
    ("4z", "there is no exercise 4z. There are: 4a 4b 4c"), ("4", "'4' names no exercise; write a lesson's number and a letter, as 2a. There are: 4a"),
    ("\x1b[31m", "names no exercise"), ("77a", "there is no scenario 77; there are:")])
def test_what_is_no_exercise_is_refused(lab, name, words):
    for command in ("exercise", "solution", "start"):
        status, out, err = ask(command, name)
        assert (status, out) == (2, "") and words in err and "\x1b" not in err.replace("\\x1b", "")


def test_a_broken_exercise_is_an_error_of_its_own(lab):
    (lab.scenarios / NAME / "exercises/a/task.txt").write_text("\n")
    assert ask("exercise", "4a")[::2] == (2, f"scenarios/{NAME}/exercises/a/task.txt:1: the first line is empty; write the exercise's title there\n")
    told = json.loads(ask("exercise", "4a", "--json")[1])
    assert (told["word"], told["status"], told["line"]) == ("exercise error", 2, 1) and told["file"].endswith("exercises/a/task.txt")


def test_code_that_does_not_build_is_told_as_ever(lab):
    server = lab.scenarios / NAME / "server.c"
    server.write_text(server.read_text().replace("event(\"closing\");", "event(\"closing\")"))
    status, _, err = ask("exercise", "4a")
    assert status == 2 and "error: expected" in err and f"{NAME}: does not build" in err


# --- start -----------------------------------------------------------------------------------------------------------

def test_a_skeleton_gets_the_next_free_number_and_overwrites_nothing(lab):
    (lab.scenarios / "90-mine").mkdir()
    (lab.scenarios / "090-mine-too").mkdir()
    for number in (91, 92):
        status, out, err = ask("start", "4c")
        assert (status, err) == (0, "") and out.startswith(f"scenarios/{number}-exercise-04c is yours: a skeleton for exercise 4c, count")
        assert f"make draft-{number}" in out and "make exercise-4c" in out
    assert "make exercise-4c judges it, and gives a hint.\n" in ask("hint", "91")[1]
    made = lab.scenarios / "91-exercise-04c"
    assert sorted(path.name for path in made.iterdir()) == ["client.c", "server.c"]
    assert "Here the server must learn" in (made / "client.c").read_text() and (made.stat().st_mode & 0o777) == 0o755
    assert sorted(path.name for path in lab.scenarios.iterdir()) == [NAME, "090-mine-too", "90-mine", "91-exercise-04c", "92-exercise-04c"]


def test_the_exercise_finds_the_newest_folder_or_takes_the_one_that_is_told(lab):
    ask("start", "4c")
    assert "(scenarios/90-exercise-04c)" in ask("exercise", "4c")[1]
    shutil.copytree(lab.scenarios / NAME, lab.scenarios / "95-own", ignore=shutil.ignore_patterns("exercises", "mutants", "contract.txt"))
    solve(lab, "c", "95-own")
    status, out, _ = ask("exercise", "4c", "--in", "95")
    assert status == 0 and "(scenarios/95-own)" in out and "Your code is the reference" in out and facts(lab) == "passed 04c\n"
    status, out, _ = ask("exercise", "4c")
    assert status == 1 and "make start-4c" not in out


def test_an_exercise_with_a_skeleton_says_how_to_get_it(lab):
    assert ask("exercise", "4c")[1].endswith("make start-4c lays out a skeleton for this exercise, in a folder of its own.\n")


def test_two_starts_at_once_get_two_folders(lab):
    env = {**os.environ, "SCENARIOS": str(lab.scenarios), "BUILD": str(lab.build)}
    assert [one.wait() for one in [Started("start", "4c", env=env) for _ in range(6)]] == [0] * 6
    made = [path for path in lab.scenarios.iterdir() if path.name != NAME]
    assert sorted(path.name for path in made) == [f"{n}-exercise-04c" for n in range(90, 96)] and all((path / "server.c").exists() for path in made)


# --- solution --------------------------------------------------------------------------------------------------------

def test_a_solution_is_shown_after_a_question_only(lab):
    terminal = Terminal("4a", "solution", QUESTION, SCENARIOS=str(lab.scenarios), BUILD=str(lab.build))
    asked = terminal.until_asked()
    assert "shutdown(conn" not in asked and "make exercise-4a" in asked
    assert "shutdown(conn" not in terminal.key("") and terminal.status() == 0
    terminal = Terminal("4a", "solution", QUESTION, SCENARIOS=str(lab.scenarios), BUILD=str(lab.build))
    terminal.until_asked()
    said = terminal.key("y")
    assert "+    if (shutdown(conn, SHUT_WR) == -1)" in said and "Why it works" in said and terminal.status() == 0


def test_without_a_terminal_it_says_how(lab):
    told = started.run("solution", "4a")
    assert (told.returncode, told.stdout) == (2, "") and "python3 -m harness solution 4a --yes" in told.stderr
    assert "+    if (shutdown(conn, SHUT_WR) == -1)" in ask("solution", "4a", "--yes")[1]


# --- reset and diff --------------------------------------------------------------------------------------------------

def edit(folder: Path) -> "dict[str, bytes]":
    """What a learner may have done; returns all files as they are then."""
    (folder / "server.c").write_bytes(b"// mine \xff\n" + (folder / "server.c").read_bytes())
    (folder / "extra.c").write_text("int extra;\n")
    (folder / "notes.txt").write_text("my notes\n")
    (folder / "client.c").unlink()
    return contents(folder)


def contents(folder: Path) -> "dict[str, bytes]":
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_reset_shows_asks_keeps_and_restores(lab):
    folder = lab.scenarios / NAME
    before, original = edit(folder), contents(FOLDER)
    for answer in ("", "n"):
        terminal = Terminal("4", "reset", QUESTION, SCENARIOS=str(lab.scenarios), BUILD=str(lab.build))
        asked = terminal.until_asked()
        assert "-// mine" in asked and "-int extra;" in asked and "+int main(" in asked and "notes" not in asked
        assert "stays as it is" in terminal.key(answer) and terminal.status() == 0 and contents(folder) == before
    terminal = Terminal("4", "reset", QUESTION, SCENARIOS=str(lab.scenarios), BUILD=str(lab.build))
    terminal.until_asked()
    said = terminal.key("y")
    assert f"{NAME} is as the lab has it.\r\nYour extra.c, server.c: " in said and terminal.status() == 0
    assert contents(folder) == {**original, "notes.txt": b"my notes\n"}
    kept = lab.build / "kept" / f"{NAME}-1"
    assert contents(kept) == {name: before[name] for name in ("extra.c", "server.c")}
    assert "there is nothing to put back" in ask("reset", "4")[1]


def test_copies_never_collide(lab):
    folder = lab.scenarios / NAME
    for n in range(1, 4):
        (folder / "server.c").write_text(f"// {n}\n")
        assert ask("reset", "4", "--yes")[0] == 0
    assert [(lab.build / "kept" / f"{NAME}-{n}" / "server.c").read_text() for n in range(1, 4)] == ["// 1\n", "// 2\n", "// 3\n"]


def test_without_a_terminal_a_reset_changes_nothing(lab):
    before = edit(lab.scenarios / NAME)
    told = started.run("reset", "4", typed="y\n")
    assert told.returncode == 2 and "python3 -m harness reset 4 --yes" in told.stderr and contents(lab.scenarios / NAME) == before


def test_where_no_copy_can_be_kept_nothing_is_put_back(lab):
    before = edit(lab.scenarios / NAME)
    lab.build.mkdir(exist_ok=True)
    (lab.build / "kept").write_text("a file")
    status, _, err = ask("reset", "4", "--yes")
    assert status == 2 and "could not be put back" in err and contents(lab.scenarios / NAME) == before


def test_a_folder_for_builds_that_goes_with_the_command_is_no_place_for_a_copy(lab, monkeypatch):
    before = edit(lab.scenarios / NAME)
    monkeypatch.setattr(shared, "_makeshift", ["somewhere"])
    status, _, err = ask("reset", "4", "--yes")
    assert status == 2 and "no copy of your files can be kept" in err and contents(lab.scenarios / NAME) == before


def test_a_file_that_is_saved_meanwhile_is_not_overwritten(lab, monkeypatch):
    folder, real = lab.scenarios / NAME, resets._keep
    edit(folder)
    monkeypatch.setattr(resets, "_keep", lambda *args: (real(*args), (folder / "server.c").write_text("// newer\n"))[0])
    status, _, err = ask("reset", "4", "--yes")
    assert status == 2 and "has just changed" in err and (folder / "server.c").read_text() == "// newer\n"


def test_a_scenario_of_ones_own_has_no_other_state(lab):
    ask("start", "4c")
    for command in ("reset", "diff"):
        status, _, err = ask(command, "90")
        assert status == 2 and "a scenario of your own" in err


def _begin_a_reset(lab: changes.Lab, anew: bool) -> "tuple[int, int]":
    """Starts a reset in a child process. Returns its id, and a pipe with what it says. `anew`: in an interpreter of its own. Else in a
    copy of this one: how Python starts is not what the test is about, and takes longer than the reset."""
    shows, says = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.chdir(ROOT)
            os.environ.update(SCENARIOS=str(lab.scenarios), BUILD=str(lab.build))
            nothing = os.open(os.devnull, os.O_RDWR)
            for new, old in ((nothing, 0), (says, 1), (nothing, 2)):
                os.dup2(new, old)
            if anew:
                os.execv(sys.executable, [sys.executable, "-m", "harness", "reset", "4", "--yes"])
            sys.stdout, sys.stderr = open(1, "w", encoding="utf-8"), open(2, "w", encoding="utf-8")
            status = main(["reset", "4", "--yes"])
            sys.stdout.flush()
            os._exit(status)
        finally:
            os._exit(3)
    os.close(says)
    return child, shows


def test_fifty_interrupted_resets_lose_nothing(lab):
    """Killed, or interrupted, at a random moment: each byte of the learner's lies in its place or in a copy."""
    folder, chance = lab.scenarios / NAME, random.Random(4)
    cut = 0
    for n in range(50):
        (folder / "server.c").write_text(f"// server {n}\n" + "x" * 200000)
        (folder / "client.c").write_text(f"// client {n}\n" + "y" * 200000)
        (folder / "extra.c").write_text(f"// extra {n}\n")
        before, original = contents(folder), contents(FOLDER)
        child, shows = _begin_a_reset(lab, anew=n % 10 == 0)
        with open(shows, "rb", 0) as said:
            said.read(1)            # it shows what would go: the files were read
            moment = threading.Event()
            moment.wait(chance.random() * 0.03)
            os.kill(child, chance.choice((signal.SIGKILL, signal.SIGINT, signal.SIGTERM)))
            said.readall()
        cut += os.waitpid(child, 0)[1] != 0
        kept = [path.read_bytes() for path in (lab.build / "kept").glob("*/*")] if (lab.build / "kept").exists() else []
        for name in ("server.c", "client.c", "extra.c"):
            now = (folder / name).read_bytes() if (folder / name).exists() else None
            assert now in (before[name], original.get(name)), (n, name)
            assert now == before[name] or before[name] in kept, (n, name)
        assert ask("reset", "4", "--yes")[0] == 0 and contents(folder) == original
    assert cut > 10, "too few were interrupted to say anything"


def test_a_reset_that_was_killed_leaves_no_file_beside_the_next_one(lab):
    folder = lab.scenarios / NAME
    (folder / ".client.c.reset").write_text("half")
    (folder / "client.c").write_text("// mine\n")
    assert ask("reset", "4", "--yes")[0] == 0 and not (folder / ".client.c.reset").exists()


def test_diff_of_one_shows_what_was_changed(lab):
    assert ask("diff", "4")[1] == f"{NAME} is as the lab has it.\n"
    edit(lab.scenarios / NAME)
    status, out, _ = ask("diff", "4")
    assert status == 0 and "+// mine \\xff\n" in out and "+int extra;\n" in out and "client.c   yours (there is none)" in out


# --- where the original comes from -----------------------------------------------------------------------------------

@pytest.fixture
def unpacked(tmp_path, tmp_path_factory) -> Path:
    """The lab as from an archive: no repository. What Python compiles lies beside its sources."""
    return shutil.copytree(once(tmp_path_factory, "unpacked", unpack), tmp_path / "tcplab")


def unpack(root: Path) -> None:
    for name in ("harness", "common", "lessons", "scenarios", "Makefile", "tests/diff.sh", ".gitignore"):
        copy = partial(shutil.copytree, ignore=shutil.ignore_patterns("mutants", "pictures", "__pycache__")) if (ROOT / name).is_dir() else shutil.copy
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, root / name)
    assert run(root, sys.executable, "-m", "compileall", "-q", "harness").returncode == 0


def run(root: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    not_its_own = ("BUILD", "SCENARIOS", "MAKEFLAGS", "MAKELEVEL", "PYTHONPYCACHEPREFIX")
    env = {name: value for name, value in os.environ.items() if name not in not_its_own and not name.startswith("GIT_")}
    return subprocess.run(command, cwd=root, env={**env, "PAUSE": "0"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def commit(root: Path) -> None:
    for words in (("init", "-q"), ("add", "-A"), ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false", "commit", "-qm", "x")):
        assert run(root, "git", *words).returncode == 0


@pytest.mark.parametrize("repository", [True, False], ids=["repository", "archive"])
def test_a_changed_scenario_is_told_in_one_line_and_put_back(unpacked, repository):
    if repository:
        commit(unpacked)
    ready(unpacked / "build", ["02-no-break-deadlock", "03-ack-per-packet", NAME])
    server = unpacked / "scenarios" / NAME / "server.c"
    original = server.read_bytes()
    assert "note:" not in run(unpacked, "make", "check-4").stdout
    server.write_bytes(original.replace(b"SHUT_WR", b"SHUT_WR ") + b"// mine\n")
    note = "note: scenario 4 is changed (server.c): make diff-4 shows how, make reset-4 puts it back\n"
    for target in ("check-4", "scenario-4", "diff-2-4") if repository else ("check-4",):
        assert run(unpacked, "make", target).stdout.endswith(note) and run(unpacked, "make", target.replace("4", "3")).stdout.count("note: ") == 0
    assert run(unpacked, "make", "diff-4").stdout.endswith("+// mine\n")
    assert run(unpacked, sys.executable, "-m", "harness", "reset", "4", "--yes").returncode == 0 and server.read_bytes() == original
    assert (unpacked / "build" / "kept" / f"{NAME}-1" / "server.c").read_bytes().endswith(b"// mine\n")


def test_work_that_was_committed_is_still_ones_own(unpacked):
    commit(unpacked)
    ready(unpacked / "build", [NAME])
    server = unpacked / "scenarios" / NAME / "server.c"
    original = server.read_bytes()
    changes.apply((FOLDER / "exercises/a/solution.diff").read_text(), unpacked / "scenarios")
    commit(unpacked)
    server.write_bytes(server.read_bytes() + b"// mine\n")
    commit(unpacked)
    ready(unpacked / "build", [NAME])
    told = run(unpacked, sys.executable, "-m", "harness", "exercise", "4a")
    assert told.returncode == 0 and told.stdout.endswith("-// mine\n"), told.stdout + told.stderr
    assert "(server.c)" in run(unpacked, "make", "check-4").stdout and "Your code" not in run(unpacked, "make", "start-4c").stdout
    assert run(unpacked, sys.executable, "-m", "harness", "reset", "4", "--yes").returncode == 0 and server.read_bytes() == original


def test_in_a_clone_each_line_that_was_committed_is_ones_own(unpacked, tmp_path):
    commit(unpacked)
    mine = tmp_path / "mine"
    assert run(tmp_path, "git", "clone", "-q", str(unpacked), str(mine)).returncode == 0
    server = mine / "scenarios" / NAME / "server.c"
    original = server.read_bytes()
    assert run(mine, sys.executable, "-m", "harness", "diff", "4").stdout == f"{NAME} is as the lab has it.\n"
    server.write_bytes(original + b"// mine\n")        # no exercise changes anything there
    commit(mine)
    assert run(mine, sys.executable, "-m", "harness", "diff", "4").stdout.endswith("+// mine\n")
    fork = tmp_path / "fork"        # it has the learner's commits on its server, too
    for where, *words in ((tmp_path, "clone", "-q", str(mine), str(fork)), (fork, "remote", "add", "upstream", str(unpacked)), (fork, "fetch", "-q", "upstream")):
        assert run(where, "git", *words).returncode == 0
    assert run(fork, sys.executable, "-m", "harness", "diff", "4").stdout.endswith("+// mine\n")
    (unpacked / "scenarios" / NAME / "server.c").write_bytes(b"// of the lab\n" + original)
    commit(unpacked)
    assert run(mine, "git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false", "pull", "-q", "--no-rebase", "--no-edit").returncode == 0
    told = run(mine, sys.executable, "-m", "harness", "diff", "4").stdout
    assert told.endswith("+// mine\n") and "of the lab" not in told
    assert run(mine, sys.executable, "-m", "harness", "reset", "4", "--yes").returncode == 0 and server.read_bytes() == b"// of the lab\n" + original


def test_where_the_original_is_lost_a_success_is_still_one(unpacked):
    changes.apply((FOLDER / "exercises/a/solution.diff").read_text(), unpacked / "scenarios")
    commit(unpacked)
    ready(unpacked / "build", [NAME])
    told = run(unpacked, sys.executable, "-m", "harness", "exercise", "4a")
    assert told.returncode == 0 and "Why it works" in told.stdout and told.stderr == ""
    assert re.search(r"\nThe reference can't be compared with your code: .*solution\.diff:\d+: .*\n$", told.stdout)


def test_an_archive_that_was_never_built_says_that_nobody_knows(unpacked):
    told = run(unpacked, sys.executable, "-m", "harness", "reset", "4", "--yes")
    assert told.returncode == 2 and "nobody knows what 04-half-close was" in told.stderr and "nothing was changed" in told.stderr


def test_the_copy_of_an_archive_has_all_and_nothing_else(unpacked):
    ready(unpacked / "build", ["20-gob-stream"])
    run(unpacked, "make", "check-20")
    kept = unpacked / originals.COPIES / "20-gob-stream"
    files = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert files == set(originals.of(find("20"))) and "gob/gob.c" in files and not any(name.startswith(exercises.FOLDER) for name in files)
    assert [path.name for path in (unpacked / originals.COPIES).iterdir()] == ["20-gob-stream"]
