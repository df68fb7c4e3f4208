"""The watch over a scenario's files: the verdict of the text that lies there, and of no other; and a terminal that is put back."""
from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys

import pytest

import changes
from harness.cli import watch as cli
from harness.learn import board, exercises, files, originals
from harness.learn.board import Checked, State
from harness.stage.scenarios import ROOT, find
from started import left, under
from terminal import Watched

NAME = "07-unfinished-line"


@pytest.fixture
def lab(tmp_path) -> changes.Lab:
    return changes.Lab(tmp_path, tmp_path / "build", [NAME])


@pytest.fixture
def start(lab):
    """Starts a watch; sees to it that none is left."""
    begun = []

    def begin(*args, **more) -> Watched:
        made = Watched("7", *args, SCENARIOS=str(lab.scenarios), BUILD=str(lab.build), **more)
        begun.append(made)
        return made
    yield begin
    for one in begun:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait()


def says(lab: changes.Lab, word: str):
    """The client's source, changed so that its first line is this word. Written under another name and renamed, as editors do."""
    client = lab.scenarios / NAME / "client.c"
    new = client.with_name(".client.c.new")
    new.write_text(re.sub(r'event\("[a-z0-9-]+"\)', f'event("{word}")', client.read_text(), count=1))
    os.replace(new, client)


def test_each_save_gives_the_verdict_of_what_was_saved(lab, start):
    shown = start()
    shown.until("as expected", "check 1")
    says(lab, "dialling")
    shown.until("differs", '"dialling"', "check 2")
    says(lab, "connecting")
    assert "dialling" not in shown.until("as expected", "check 3")
    shown.key("q")
    assert shown.status() == 0


def test_the_contracts_lines_have_their_marks(lab, start):
    shown = start(120, 60)
    shown.until("as expected", "✓ client: connecting", "✓ client ends: exit 0")
    says(lab, "dialling")
    shown.until("✗ client: connecting", "· client: connected", "✓ server: listening")


def test_only_keys_that_do_something_now_are_named_and_work(lab, start):
    shown = start()
    assert "h hint" not in shown.until("as expected", "q quit", "s step")
    says(lab, "dialling")
    shown.until("h hint")
    shown.key("h")
    shown.until("hint 1 of 3", "h another hint")
    shown.key("hhh")
    assert "h another" not in shown.until("hint 3 of 3")
    says(lab, "connecting")
    assert "hint" not in shown.until("as expected")


def test_a_text_that_does_not_build_has_the_compilers_words_and_nothing_runs(lab, start):
    shown = start()
    shown.until("as expected")
    client = lab.scenarios / NAME / "client.c"
    good = client.read_text()
    client.write_text(good + "int broken\n")
    text = shown.until("does not build: nothing was run", "client.c", "error:")
    assert "s step" not in text and text.count("error:") == 1 and "contract.txt" not in text
    client.write_text(good)
    shown.until("as expected")


def test_a_file_that_is_put_back_with_its_old_time_gives_the_verdict_of_its_text(lab, start):
    client = lab.scenarios / NAME / "client.c"
    shutil.copy2(client, client.with_suffix(".kept"))
    shown = start()
    shown.until("as expected", "check 1")
    says(lab, "dialling")
    shown.until("differs", "check 2")
    os.replace(client.with_suffix(".kept"), client)
    shown.until("as expected", "check 3")


def test_a_file_that_is_gone_a_folder_or_a_fifo_is_told_and_its_return_is_seen(lab, start):
    client = lab.scenarios / NAME / "client.c"
    good = client.read_text()
    shown = start()
    shown.until("as expected", "check 1")
    client.unlink()
    shown.until("there is no client.c", "check 2")
    client.mkdir()
    client.rmdir()
    os.mkfifo(client)
    shown.until("not a regular file")
    client.unlink()
    client.write_text(good)
    shown.until("as expected")


def test_a_contract_with_a_mistake_is_told_with_its_line(lab, start):
    contract = lab.scenarios / NAME / "contract.txt"
    good = contract.read_text()
    shown = start()
    shown.until("as expected")
    contract.write_text(good + "\nsrver: hello\n")
    shown.until("contract.txt:", "srver")
    contract.write_text(good)
    shown.until("as expected")


def test_many_saves_in_a_row_end_with_the_verdict_of_the_last(lab, start):
    """Half of them come while the lab builds or runs. Each verdict that is shown is checked against the text that lay there before and after."""
    shown = start()
    shown.until("check 1")
    for n in range(30):
        says(lab, f"word-{n}")
        if n % 3:
            shown.read()
    shown.until('"word-29"', "differs")
    verdicts = re.findall(r'it said "word-(\d+)"', shown.seen.replace("\r\n  ", " "))
    assert verdicts and [int(n) for n in verdicts] == sorted(map(int, verdicts))


def test_a_touched_file_is_not_checked_again(lab, start):
    shown = start()
    shown.until("check 1", "q quit")
    os.utime(lab.scenarios / NAME / "client.c")
    says(lab, "dialling")
    shown.until("differs", "check 2")


def test_a_program_that_hangs_is_given_up_for_a_new_save(lab, start):
    client = lab.scenarios / NAME / "client.c"
    good = client.read_text()
    shown = start()
    shown.until("as expected")
    client.write_text(good.replace("{\n", "{\n    for (;;)\n        ;\n", 1))
    shown.until("running ...")
    client.write_text(good)
    assert "runaway" not in shown.until("as expected")


def test_after_three_failed_checks_it_asks_what_the_next_will_say(lab, start):
    shown = start()
    shown.until("as expected")
    for n in range(3):
        says(lab, f"word-{n}")
        shown.until("differs", f'"word-{n}"')
    shown.until("what will the next check say")
    shown.key("no\x15it holdz\x7fs up\r")
    shown.until("q quit")
    says(lab, "word-4")
    shown.until("You expected: it holds up", '"word-4"')
    assert (lab.build / f"predictions/{NAME}.watch.txt").read_text() == "check 5: it holds up\n"
    for n in range(5, 7):
        says(lab, f"word-{n}")
        shown.until("differs", f'"word-{n}"')
    shown.until("what will the next check say")
    shown.key("\r")
    shown.until("q quit")
    shown.key("q")
    assert shown.status() == 0


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signals_end_it_and_put_the_terminal_back(lab, start, number, status):
    shown = start()
    shown.until("check 1")
    os.killpg(shown.child.pid, number)
    assert shown.status() == status


def test_it_ends_while_a_program_runs_and_leaves_no_process(lab, start):
    shown = start()
    shown.until("check 1")
    client = lab.scenarios / NAME / "client.c"
    client.write_text(client.read_text().replace("{\n", "{\n    for (;;)\n        ;\n", 1))
    shown.until("running ...")
    processes = under(shown.child.pid)
    shown.key("\x03")
    assert shown.status() == 130 and processes and left(processes) == []


def test_an_error_of_its_own_puts_the_terminal_back(lab, start):
    code = ("import sys; from harness.learn import board; from harness import __main__ as m; board.lines = lambda *a: 1 / 0; "
            "sys.exit(m.main(['watch', '7']))")
    shown = start(argv=[sys.executable, "-c", code])
    assert shown.status() == 3 and "division" in shown.seen


def test_ctrl_z_gives_the_terminal_back_and_fg_shows_the_verdict_again(lab, start):
    """Under a shell: who has no parent in the session is never stopped by it."""
    shown = start(argv=["bash", "--norc", "-mc", f"{sys.executable} -m harness watch 7; stty -a | grep -o ' icanon'; read x; fg >/dev/null"])
    shown.until("check 1")
    shown.key("\x1a")
    while " icanon" not in shown.seen.rpartition("\x1b[?1049l")[2]:
        assert shown.read()
    says(lab, "dialling")
    shown.key("\n")
    shown.until("differs", "check 2")
    shown.key("q")
    assert shown.status() == 0


@pytest.mark.parametrize("columns, rows", [(120, 40), (50, 20), (30, 10)])
def test_another_size_is_drawn_at_once_and_fits(lab, start, columns, rows):
    shown = start()
    shown.until("check 1")
    says(lab, "dialling")
    shown.until("differs")
    shown.size(columns, rows)
    while len(shown.lines) != rows:
        assert shown.read()
    assert all(len(line) <= columns for line in shown.lines)


def test_step_has_the_terminal_for_a_while(lab, start):
    shown = start()
    shown.until("check 1")
    shown.key("s")
    while "q: quit >" not in shown.seen:
        assert shown.read()
    shown.key("q\n")
    while "Enter: back to the watch   q: quit > " not in shown.seen:
        assert shown.read()
    shown.key("\n")
    while shown.seen.count("\x1b[?1049h") < 2:
        assert shown.read()
    shown.until("as expected")
    shown.key("q")
    assert shown.status() == 0


def aside(shown, *words, key):
    """Waits until another command, which has the terminal, has said all of these, and answers it."""
    def said():
        text = shown.seen.rpartition("\x1b[?1049l")[2]
        return "" if "\x1b[?1049h" in text else text
    while not all(word in said() for word in words):
        assert shown.read(), f"it never said {words}:\n{shown.seen}"
    shown.key(key)


def back(shown, *words):
    """The same; then the watch has its screen again."""
    times = shown.seen.count("\x1b[?1049h")
    aside(shown, *words, "back to the watch", key="\n")
    while shown.seen.count("\x1b[?1049h") == times or not shown.seen.endswith("\x1b[J"):
        assert shown.read()


def test_diff_and_reset_are_there_while_the_scenario_is_changed(lab, start):
    client = lab.scenarios / NAME / "client.c"
    good = client.read_text()
    shown = start()
    assert "d diff" not in shown.until("as expected", "n exercise 7a")
    says(lab, "dialling")
    mine = client.read_text()
    shown.until("differs", "d diff", "r reset")
    shown.key("d")
    back(shown, '-    event("connecting")', '+    event("dialling")')
    shown.until("differs", "r reset")
    shown.key("r")
    aside(shown, "(y, or Enter", key="\n")
    asked = [line for line in shown.seen.split("\r\n") if "(y, or Enter for no) > " in line]
    assert asked and len(asked[0]) <= 80
    back(shown, "stays as it is")
    shown.until("differs", "r reset")
    assert client.read_text() == mine
    shown.key("r")
    aside(shown, "(y, or Enter", key="y\n")
    back(shown, "is as the lab has it")
    text = shown.until("as expected", "check 3", "n exercise 7a")
    assert "d diff" not in text and "r reset" not in text
    assert client.read_text() == good and (lab.build / f"kept/{NAME}-1/client.c").read_text() == mine


def test_a_changed_scenario_that_does_not_build_can_be_put_back(lab, start):
    client = lab.scenarios / NAME / "client.c"
    client.write_text(client.read_text() + "int broken\n")
    shown = start()
    shown.until("does not build", "d diff", "r reset")
    shown.key("r")
    aside(shown, "-int broken", "(y, or", key="y\n")
    back(shown)
    shown.until("as expected")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_interrupted_watch_loses_nothing(lab, start, number):
    """What the learner wrote lies in its place, or is put back whole with a copy of it in build/kept; no process is left."""
    folder = lab.scenarios / NAME
    client, names = folder / "client.c", {path.name for path in folder.iterdir()}
    good = client.read_text()
    for n, moment in enumerate(["building", "running", "asked", "answered"]):
        shown = start()
        shown.until("as expected", "n exercise")
        says(lab, f"word-{n}")
        mine = client.read_text()
        _interrupt(shown, moment, number)
        copies = [path.read_text() for path in lab.build.glob(f"kept/{NAME}-*/client.c")]
        assert client.read_text() == mine or (client.read_text() == good and mine in copies)
        left = {path.name for path in folder.iterdir()} - names
        assert left <= ({".client.c.reset"} if number == signal.SIGKILL else set())
        says(lab, "connecting")


def _interrupt(shown, moment, number):
    """Ends a watch whose text was just saved; waits for the end of all that it has started."""
    if moment in ("building", "running"):
        shown.until("changed:" if moment == "building" else "running ...")
    else:
        shown.until("differs", "r reset")
        shown.key("r")
        aside(shown, "client.c", "(y, or", key="y\n" if moment == "answered" else "")
    processes = under(shown.child.pid)
    if number == signal.SIGINT:
        if moment in ("asked", "answered"):
            shown.key("\x03" if moment == "asked" else "")       # meant for the command that has the terminal
            back(shown)
        shown.key("\x03")
    else:
        (os.killpg if number == signal.SIGHUP else os.kill)(shown.child.pid, number)
    if number == signal.SIGKILL:
        assert shown.child.wait() == -number
    else:
        assert shown.status() == 128 + number
    for handle in processes.values():
        select.select([handle], [], [])         # its end
        os.close(handle)


def test_n_shows_the_next_exercise_and_judges_by_it(lab, start):
    """The untouched scenario fails it, its solution passes it and is told why; what passes counts as progress."""
    found = exercises.load(lab.scenarios / NAME, "a")
    shown = start(100, 40)
    shown.until("as expected", "n exercise 7a")
    shown.key("n")
    text = shown.until("exercise 7a: " + found.title, found.task[:40], "differs", "n exercise 7b", "✗ ")
    assert "Why it works" not in text and "explore" not in text
    changed = exercises.solved(found, {path.name: path.read_text() for path in (lab.scenarios / NAME).glob("*.*")})
    for name in ("client.c", "server.c"):
        os.replace(written(lab.scenarios / NAME / f".{name}.new", changed[name]), lab.scenarios / NAME / name)
    text = shown.until("as expected", "Why it works:", "make exercise-7a shows", "d diff")
    assert found.task[:40] not in text and found.why[:40] in text and "passed 07a" in (lab.build / "progress.txt").read_text()
    shown.key("n")
    shown.until("exercise 7b: ", "n exercise 7c")
    shown.key("n")
    shown.until("exercise 7c: ", "make start-7c lays out a skeleton", "n lesson")
    shown.key("n")
    assert "exercise 7c" not in shown.until("contract.txt", "n exercise 7a", "differs")
    shown.key("q")
    assert shown.status() == 0


def written(path, text):
    path.write_text(text)
    return path


def test_an_exercise_in_a_folder_of_its_own_is_watched_there(lab, start, monkeypatch):
    monkeypatch.setenv("SCENARIOS", str(lab.scenarios))
    monkeypatch.setenv("BUILD", str(lab.build))
    assert changes.ask("start", "7c")[0] == 0
    own = lab.scenarios / "90-exercise-07c"
    shown = start(100, 40)
    shown.until("as expected", "n exercise 7a")
    for key in "abc":
        shown.key("n")
        shown.until(f"exercise 7{key}: ", "q quit", "n ")
    text = shown.until("watching scenarios/90-exercise-07c", "differs", "n lesson")
    assert "lays out" not in text and "d diff" not in text
    server = own / "server.c"
    os.replace(written(own / ".new", server.read_text().replace("{\n", "{\n    event(\"mine\");\n", 1)), server)
    shown.until("check 5", "differs", "n lesson")
    shown.key("q")
    assert shown.status() == 0
    alone = start(100, 40, argv=[sys.executable, "-m", "harness", "watch", "90"])
    alone.until("exercise 7c: ", "differs", "n lesson")
    alone.key("q")
    assert alone.status() == 0


def test_what_the_keys_do_is_found_out_once_a_check(lab, monkeypatch):
    """A draw asks nobody; a check asks git once."""
    asked = []
    monkeypatch.setattr(originals, "changed", lambda scenario: asked.append(scenario.name) or ["client.c"])
    monkeypatch.setenv("SCENARIOS", str(lab.scenarios))
    checker = cli.Checker(find(NAME), None)
    keys = cli._actions(checker)
    state = State(NAME, checked=checked())
    assert [one.key for one in keys if one.what(state)] == ["s", "e"] and asked == []
    checker.look_around()
    assert [one.what(state) for one in keys] == ["step", "explore", "diff", "reset", "exercise 7a"]
    assert asked == [NAME]


def test_without_a_terminal_it_says_so():
    made = subprocess.run([sys.executable, "-m", "harness", "watch", "7"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert made.returncode == 2 and "terminal" in made.stderr and made.stdout == ""


# -- without a terminal -----------------------------------------------------------------------------------------------------

def checked(told: str = "as expected: 3 lines", **more) -> Checked:
    return Checked("as expected", 0, lambda width, colour, picture: told, **more)


@pytest.mark.parametrize("columns", [20, 40, 80, 120])
@pytest.mark.parametrize("rows", [1, 5, 10, 24, 60])
def test_the_board_fits_every_screen(columns, rows):
    contract = tuple((n, f"client: line {n} " + "x" * 90) for n in range(1, 40))
    marks = tuple((n, ("held", "differs", "not reached")[min(n // 10, 2)]) for n in range(1, 40))
    state = State("04-half-close", 3, checked=checked("differs: " + "word " * 90, contract=contract, marks=marks, hints=("a " * 60, "b", "c")),
                  hints=2, keys=(("h", "hint"), ("q", "quit")))
    shown = board.lines(state, columns, rows, True)
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in shown]
    assert len(shown) == rows and all(len(line) <= columns for line in plain)
    if rows >= 24:
        assert any("h" in line and "q" in line for line in plain[-2:]) and any("✗" in line for line in plain)


def test_lines_of_a_contract_for_which_there_is_no_room_are_counted():
    contract, first = tuple((n, f"client: line {n} " + "x" * 90) for n in range(1, 40)), 20
    state = State("04-x", 1, checked=checked(contract=contract, marks=tuple((n, "held") for n in range(1, 40)), first=first))
    shown = [line for line in board.lines(state, 80, 24, False) if "line " in line or "lines" in line][1:]
    above, below = (int(re.fullmatch(r" {4}\.\.\. (\d+) lines (?:above|more)", line)[1]) for line in (shown[0], shown[-1]))
    assert above + below + len(shown) - 2 == 39 and all(line.endswith("xxx...") for line in shown[1:-1]) and any(f"line {first} " in line for line in shown)
    narrow = board.lines(State("04-x", 1, checked=checked(), keys=tuple((key, "something") for key in "hsedrnq")), 45, 24, False)
    assert narrow[-1].strip().endswith("q:something")


def test_without_colours_and_unicode_the_marks_are_letters():
    state = State("04-x", 1, checked=checked(contract=((1, "client: a"), (2, "client: b")), marks=((1, "held"), (2, "differs"))))
    text = "\n".join(board.lines(state, 80, 24, False, False))
    assert "+ client: a" in text and "x client: b" in text and "\x1b" not in text and text.isascii()


def test_no_control_character_reaches_the_screen():
    from harness.tell import fullscreen
    assert fullscreen.safe("\x1b[31mred\x1b[0m \x1b[2Jgone \x07") == "\x1b[31mred\x1b[0m \\x1b[2Jgone \\x07"
    assert fullscreen.cut("日本語", 4) == "日本" and fullscreen.cut("\x1b[31mabc\x1b[0m", 2) == "\x1b[31mab\x1b[0m"


def test_two_looks_differ_when_a_file_is_written_renamed_made_or_removed(tmp_path):
    (tmp_path / "a.c").write_text("1")
    looks = [files.look(tmp_path)]

    def act(do) -> None:
        do()
        looks.append(files.look(tmp_path))
    act(lambda: (tmp_path / "b.h").write_text("2"))
    act(lambda: os.replace(tmp_path / "b.h", tmp_path / "c.h"))
    act(lambda: (tmp_path / "c.h").unlink())
    act(lambda: os.symlink("nowhere", tmp_path / "d.c"))
    assert all(one != other for one, other in zip(looks, looks[1:]))
    (tmp_path / ".a.c.swp").write_text("an editor's")
    (tmp_path / "a.c~").write_text("an editor's")
    assert files.look(tmp_path) == looks[-1]
