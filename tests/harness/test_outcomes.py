"""What the commands answer for each scenario, whatever becomes of it: in words, by exit status, and as JSON."""
from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from unittest import mock

import pytest

from harness import __main__ as commands
from harness.cli import shared, step
from harness.judge import comparison, contract, findings
from harness.judge.contract import parse
from harness.stage import scenarios
from harness.stage.keeper import KeeperError
from harness.stage.scenarios import ROOT
from harness.tell import phrases, words
from harness.trace import Stop, Waiting
import pairs
import runs
from ready import ready
from terminal import Terminal

FIELDS = {"scenario", "word", "status", "message", "file", "line", "misconception", "differences", "findings", "notes", "reproduce",
          "choice", "branches", "unseen", "lines", "orders", "freedom", "matched", "marks"}
SPINS = "int main(void)\n{\n    for (;;)\n        ;\n}\n"


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Path:
    """Scenarios of all kinds of trouble, and a good one."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("90-good", "91-no-contract", "92-bad-contract", "93-no-build", "94-bad-stage", "95-spins", "96-no-client", "97-differs"):
        shutil.copytree(ROOT / "scenarios/00-anatomy", folder / name, copy_function=shutil.copy)
    (folder / "91-no-contract/contract.txt").unlink()
    (folder / "92-bad-contract/contract.txt").write_text("server: listening\nclient: EOF after server: closng\nserver: closing\n")
    (folder / "93-no-build/client.c").write_text("int main(\n")
    (folder / "94-bad-stage/stage.txt").write_text("limit: 60 s\nserver listens\n")
    (folder / "95-spins/client.c").write_text(SPINS)
    (folder / "96-no-client/client.c").unlink()
    (folder / "97-differs/contract.txt").write_text("server: listening\n    ? M05: Who?\n    ? Why?\nothers allowed\nserver ends: exit 3\n    ? M04: And then?\n")
    ready(folder / "build")
    return folder


def ask(lab: Path, *arguments: str, **env: str) -> "tuple[int, str, str]":
    """Exit status, standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    settings = {"SCENARIOS": str(lab), "BUILD": str(lab / "build"), "PAUSE": "0", **env}
    with mock.patch.dict(os.environ, settings), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = commands.main(list(arguments))
    return status, out.getvalue(), err.getvalue()


def objects(lab: Path, *arguments: str, **env: str) -> "tuple[int, dict[str, dict]]":
    status, out, _ = ask(lab, *arguments, "--json", **env)
    found = [json.loads(line, parse_constant=pytest.fail) for line in out.splitlines()]      # NaN and Infinity are no JSON
    assert len({one["scenario"] for one in found}) == len(found) and all(set(one) == FIELDS for one in found)
    return status, {one["scenario"]: one for one in found}


@pytest.mark.usefixtures("soon")
def test_each_of_them_has_its_object_and_none_swallows_another(lab):
    status, found = objects(lab, "check")
    assert {name: (one["word"], one["status"]) for name, one in found.items()} == {
        "90-good": ("as expected", 0), "91-no-contract": ("told", 0), "92-bad-contract": ("contract error", 2), "93-no-build": ("does not build", 2),
        "94-bad-stage": ("stage error", 2), "95-spins": ("runaway", 1), "96-no-client": ("does not build", 2), "97-differs": ("differs", 1)}
    assert status == 2
    assert [(Path(found[name]["file"]).name, found[name]["line"]) for name in ("92-bad-contract", "93-no-build", "94-bad-stage", "90-good")] == [
        ("contract.txt", 2), ("client.c", 1), ("stage.txt", 2), ("", 0)]
    assert 'did you mean line 3: server: closing?' in found["92-bad-contract"]["message"]
    assert (found["97-differs"]["misconception"], found["97-differs"]["differences"][0]["kind"]) == ("M04", "ends")


def test_each_field_of_an_object_is_described():
    page = (ROOT / "harness/TRACE.md").read_text().partition("## Verdicts as JSON")[2]
    told, of_a_difference, of_a_finding = [set(re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
                                           for table in page.split("\n\n| field")[-3:]]
    assert told == FIELDS
    assert of_a_difference == {field.name for field in fields(comparison.Difference)} - {"at"}
    assert of_a_finding == {field.name for field in fields(findings.Finding)}


def test_the_same_in_words_says_each_on_its_own_and_goes_on(lab):
    status, out, err = ask(lab, "check", "90", "91", "92", "93", "94", "nobody")
    assert status == 2 and "lab error" not in err and "Traceback" not in err
    assert "90-good: as expected" in out and "91-no-contract: told: the client ended with exit 0" in out
    assert "contract error: " in err and "does not build" in err and "stage.txt:2: " in err and "there is no scenario nobody" in err


def test_an_unknown_scenario_and_wrong_settings_have_their_objects_too(lab):
    status, found = objects(lab, "check", "90", "nobody")
    assert status == 2 and {one["word"] for one in found.values()} == {"as expected", "wrong usage"}
    for schedule in ("gibberish", "client: connecting #1"):     # what can't be read; a line that never comes, for this program logs none
        status, found = objects(lab, "check", "90", SCHEDULE=schedule)
        assert status == 2 and found["90-good"]["word"] == "wrong usage" and "SCHEDULE" in found["90-good"]["message"]


def test_an_interrupt_gives_each_scenario_its_object(lab):
    def came(self: shared.Interrupt) -> None:
        self.came = True
    with mock.patch.object(shared.Interrupt, "__init__", came):
        status, found = objects(lab, "check", "90", "91")
    assert status == 130 and [one["word"] for one in found.values()] == ["interrupted"] * 2


def test_an_error_of_the_labs_own_is_one_scenarios_and_not_the_others(lab):
    real = shared.one_run
    def broken(scenario, *rest, **more):
        if scenario.name == "90-good":
            raise ZeroDivisionError("no reason")
        return real(scenario, *rest, **more)
    with mock.patch.object(shared, "one_run", broken):
        status, found = objects(lab, "check", "90", "91")
    assert status == 3 and [one["word"] for one in found.values()] == ["lab error", "told"]


def test_wrong_use_and_a_keeper_that_does_not_start_have_their_objects(lab, tmp_path):
    status, found = objects(lab, "check", "90", "91", "--trace", str(tmp_path / "t"))
    assert status == 2 and [one["word"] for one in found.values()] == ["wrong usage"] * 2
    assert objects(lab, "run", "90", "--trace", str(tmp_path / "no/folder"))[0] == 2
    def broken(*_):
        raise KeeperError("no memory")
    with mock.patch.object(shared, "open_keeper", broken):
        status, found = objects(lab, "check", "90", "91", "92")
    assert status == 3 and [one["word"] for one in found.values()] == ["lab error", "lab error", "lab error"]
    assert "no memory" in found["90-good"]["message"]
    status, found = objects(lab, "check", "90", "91", BUILD="a b")
    assert status == 2 and [(name, one["word"]) for name, one in found.items()] == [("90", "wrong usage"), ("91", "wrong usage")]


def test_run_has_an_object_whatever_happens_and_ends_with_0_if_it_was_shown(lab):
    assert [(objects(lab, "run", name)[0], objects(lab, "run", name)[1][full]["word"]) for name, full in (
        ("97", "97-differs"), ("92", "92-bad-contract"), ("93", "93-no-build"), ("nobody", "nobody"))] == [
        (0, "differs"), (2, "contract error"), (2, "does not build"), (2, "wrong usage")]


def test_a_contract_elsewhere_judges_in_place_of_the_scenarios_own(lab, tmp_path):
    (tmp_path / "rules.txt").write_text("others allowed\nclient ends: exit 0\n")
    for name in ("90", "91", "92", "97"):
        status, out, _ = ask(lab, "check", name, "--contract", str(tmp_path / "rules.txt"))
        assert status == 0 and "as expected" in out
    (tmp_path / "rules.txt").write_text("others allowed\nclient ends: exit 9\n")
    status, out, _ = ask(lab, "check", "91", "--contract", str(tmp_path / "rules.txt"))
    assert status == 1 and "was to end with exit 9" in out
    assert out.splitlines()[-1].endswith(f"python3 -m harness check 91 --contract {tmp_path / 'rules.txt'}")
    assert objects(lab, "run", "90", "--contract", str(tmp_path / "rules.txt"))[1]["90-good"]["word"] == "differs"


def test_a_contract_elsewhere_is_for_one_scenario_and_must_be_there(lab, tmp_path):
    status, _, err = ask(lab, "check", "90", "91", "--contract", "x")
    assert status == 2 and "--contract takes one scenario" in err
    status, _, err = ask(lab, "check", "90", "--contract", str(tmp_path / "none.txt"))
    assert status == 2 and "contract error" in err and "can't be read (No such file or directory)" in err


def test_a_draft_is_written_and_nothing_is_overwritten(lab, tmp_path):
    file = tmp_path / "draft.txt"
    assert ask(lab, "draft", "92", "-o", str(file))[0] == 0        # whose own contract is wrong
    assert ask(lab, "check", "91", "--contract", str(file))[0] == 0
    status, _, err = ask(lab, "draft", "90", "-o", str(file))
    assert status == 2 and "exists, and stays as it is" in err
    assert ask(lab, "draft", "90", "-o", str(tmp_path / "no/folder"))[0] == 2


def test_exploring_goes_on_behind_a_broken_scenario(lab):
    status, out, err = ask(lab, "explore", "92", "91")
    assert status == 2 and "contract error" in err and "91-no-contract: 1 outcome" in out


# --- no contract: what is suspicious keeps its word -------------------------------------------------------------------

@pytest.mark.parametrize("client, server, word", [
    ("connect; write 1; close", "listen; accept; read 1; closelistener", "told"),
    ("connect; read 1", "listen; accept; read 1", "deadlock"),
    ("connect; crash", "listen; accept; read 1; closelistener", "crash"),
    ("connect; kill 13", "listen; accept; read 1; closelistener", "crash"),
    ("connect; exit 3", "listen; accept; read 1; closelistener", "told"),
    ("connect; flood", "listen; accept; read 1; closelistener", "runaway"),
    ("connect; pipe", "listen; accept; read 1; closelistener", "told"),
])
def test_a_run_without_a_contract_is_told_unless_it_is_suspicious(tmp_path, client, server, word):
    verdict = comparison.judge(pairs.run(tmp_path / "pair", client, server), None)
    assert (verdict.word, verdict.status) == (word, 0 if word == "told" else 1)


def test_each_finding_of_a_told_run_is_a_line(lab, tmp_path):
    run = pairs.run(tmp_path / "pair", "connect; write 5; readall 1", "listen; accept; read 4; close")
    told = shared.told.tell(comparison.judge(run, None), run, findings.find(run), reproduce="x").splitlines()
    assert told[0].startswith("told: the client ") and [line for line in told[1:] if "1 byte lay unread" in line]


def test_a_scenario_without_a_contract_can_be_stepped(lab):
    for schedule, status in (("", 0), ("client: no such line #1", 2)):
        terminal = Terminal("91", SCENARIOS=str(lab), BUILD=str(lab / "build"), SCHEDULE=schedule)
        said = terminal.until_asked()
        while said.endswith(step.KEYS):
            said += terminal.key("c")
        assert terminal.status() == status and "The client ended with exit 0." in said and "Traceback" not in said
        assert ("this run has no line" in said) is bool(schedule)


def test_programs_that_log_no_lines_are_stepped_at_their_calls(lab):
    terminal = Terminal("90", SCENARIOS=str(lab), BUILD=str(lab / "build"))
    said, steps = terminal.until_asked(), 0
    while said.endswith(step.KEYS):
        said, steps = said + terminal.key(""), steps + 1
    assert terminal.status() == 0 and steps > 20 and "one call at a time: its programs log no lines" in said
    for one in ("> 1  server  listen(3)", "client  connect(3)", "client  write(3) = 18", "server  read(4) = 18", "\u00b7 received 18 bytes"):
        assert one in said


def test_where_neither_lines_nor_calls_are_there_to_step_at_is_told(lab):
    terminal = Terminal("90", SCENARIOS=str(lab), BUILD=str(lab / "build"), TCPLAB_CALLS="off")
    assert "there is nothing to step at" in terminal.until_asked() and terminal.status() == 2


# --- lessons that are not there ------------------------------------------------------------------------------------------

def test_no_page_is_named_that_is_not_there(lab):
    status, out, _ = ask(lab, "check", "97")
    assert status == 1 and "lessons/97" not in out and "lessons/misconceptions.md#m04" in out
    assert "lesson:" not in ask(lab, "run", "90")[1]
    assert scenarios.lesson("04-half-close") == scenarios.lesson_of("4") == "lessons/04-half-close.md"
    assert scenarios.lesson_of("") == scenarios.lesson_of("99") == scenarios.lesson_of("x") == ""


def test_a_tree_without_lessons_takes_any_code(lab, monkeypatch, tmp_path):
    monkeypatch.setattr(scenarios, "ROOT", tmp_path)
    scenarios.misconceptions.cache_clear()
    try:
        assert scenarios.misconceptions() is None
        run = runs.run("client: a", "client: exit 0")
        rules = parse("client: b\n    ? M77: Who?")
        told = words.tell(comparison.judge(run, rules), run, rules, reproduce="")
        assert "M77: Who?" in told and "lessons/" not in told
    finally:
        scenarios.misconceptions.cache_clear()


def test_a_code_that_nobody_knows_is_a_contract_error(lab, tmp_path):
    (tmp_path / "rules.txt").write_text("others allowed\nserver: listening\n    ? M77: Who?\n")
    status, _, err = ask(lab, "check", "90", "--contract", str(tmp_path / "rules.txt"))
    assert status == 2 and f"{tmp_path}/rules.txt:3: lessons/misconceptions.md has no M77" in err


# --- ports --------------------------------------------------------------------------------------------------------------

TOLD = 'const char *port = argc > 2 ? argv[2] : "8080";'


@pytest.mark.parametrize("port, given, where", [('"8081"', True, "8081"), ('"0"', True, ""), ('argc > 2 ? "8080" : ""', False, "")])
def test_a_server_on_another_port_than_it_was_given_is_refused(port, given, where, tmp_path):
    shutil.copytree(ROOT / "scenarios/00-anatomy", tmp_path / "90-port", copy_function=shutil.copy)
    ready(tmp_path / "build")
    source = tmp_path / "90-port/server.c"
    assert TOLD in source.read_text()
    source.write_text(source.read_text().replace(TOLD, f"const char *port = {port};(void)argv;"))
    status, found = objects(tmp_path, "check", "90")
    one = found["90-port"]
    if "no network of its own" in str(one["notes"]):
        pytest.skip("needs a private network")
    if not given:
        assert one["word"] == "as expected"
        return
    first = one["differences"][0]
    assert (one["word"], first["kind"], first["who"], first["expected"], len(one["differences"])) == ("differs", "port", "server", "8080", 1)
    assert where in first["found"]
    out = ask(tmp_path, "check", "90")[1]
    assert out.startswith("differs: the server was given port 8080, and does not listen on it") and ":0:" not in out
    (tmp_path / "90-port/contract.txt").unlink()
    assert ask(tmp_path, "draft", "90")[0] == 1


def test_without_a_private_network_any_port_is_right(tmp_path):
    shutil.copytree(ROOT / "scenarios/05-glued-writes", tmp_path / "90-port", copy_function=shutil.copy)
    ready(tmp_path / "build")
    assert objects(tmp_path, "check", "90", TCPLAB_ISOLATION="none")[1]["90-port"]["word"] == "as expected"


@pytest.mark.parametrize("isolated, port, word", [(True, 8080, "as expected"), (True, 8081, "differs"), (False, 8081, "as expected")])
def test_a_contract_may_say_the_port_as_it_is_shown(isolated, port, word):
    rules = parse(f"server: listening (port {port})\nclient: connected after server: listening (port {port})\nothers allowed")
    run = replace(runs.run("server: listening\nclient: connected"), isolated=isolated)
    assert comparison.judge(run, rules).word == word


# --- orders, ends -------------------------------------------------------------------------------------------------------

def test_an_order_that_nothing_forces_is_told_as_luck_whichever_came_first():
    rules = parse("client: a\nserver: b after client: a")
    held = runs.run("client: a\nserver: b", ends="client: exit 0, server: waiting in accept")
    broken = runs.run("server: b\nclient: a", ends="client: exit 0, server: waiting in accept")
    for run, sentence in ((held, "true this time, but nothing guarantees it"), (broken, "nothing forces the order that the contract asks for")):
        told = words.tell(comparison.judge(run, rules), run, rules, reproduce="")
        assert told.startswith("differs: ") and sentence in told.splitlines()[0] and "take the after away" in told
        assert "can receive only what" not in told


def test_a_line_that_tells_what_was_learnt_is_not_said_to_be_free():
    rules = parse('client: sending "a"\nserver: received "a" after client: sending "a"')
    run = runs.run('server: received "a"\nclient: sending "a"')
    assert comparison.judge(run, rules).differences[0].kind == "order"


@pytest.mark.parametrize("line, logged, nearly", [
    ("readng data", "reading data", True), ("recieved message", "received message", True), ("closing", "reading data", False),
    ("shutting down SHUT_WR", "shutting down SHUT_RDWR", False), ("got 5 bytes", "got 6 bytes", False), ('got "abc"', 'got "abd"', False)])
def test_a_text_that_is_nearly_the_logged_one_is_asked_about_and_not_called_another_doing(line, logged, nearly):
    blocked = Waiting("client", 101, 101, "read", 4, 1, "server", "client.c:12")
    run = runs.run(f"client: a\nclient: {logged}", ends="client: waiting in read, server: waiting in read", stop=Stop("waiting", waiting=(blocked,)))
    rules = parse(f"client: a\nclient: {line}")
    told = words.tell(comparison.judge(run, rules), run, rules, reproduce="")
    assert ("nearly the same. Is one of them misspelt? The contract's stands in contract.txt:2, the program's in client.c:12." in told) is nearly
    assert not nearly or "is reading instead" not in told


@pytest.mark.parametrize("others, said", [((), "it waits in accept still"), ((Waiting("server", 200, 205, "write", 9, 0, "", ""),), "a thread of it waits in accept still")])
def test_of_several_threads_one_is_told_as_one(others, said):
    run = runs.run("server: listening\nclient: a", ends="client: exit 0, server: waiting in accept",
                   stop=Stop("over", waiting=(Waiting("server", 200, 200, "accept", 3, 0, "", "server.c:11"), *others)))
    rules = parse("server: listening\nserver: accepted\nclient: a")
    assert f'the server never said "accepted"; {said}' in words.tell(comparison.judge(run, rules), run, rules, reproduce="")


@pytest.mark.parametrize("said, told", [
    ('got "ab"\nserver: closing', """its next line that begins so is 'got "ab"'"""), ("closing", 'its last line is "closing"'),
    ('got "\\377\\200"', 'its next line that begins so is "got" with other bytes'), ("", "it waits in accept still")])
def test_what_a_server_said_in_place_of_a_line_is_told_and_not_only_that_it_waits_for_the_next_client(said, told):
    run = runs.run("server: listening\nclient: a" + (f"\nserver: {said}" if said else ""), ends="client: exit 0, server: waiting in accept",
                   stop=Stop("over", waiting=(Waiting("server", 200, 200, "accept", 3, 0, "", "server.c:11"),)))
    rules = parse('server others allowed\nserver: listening\nserver: got "a"\nclient: a')
    assert f"""the server never said 'got "a"'; {told}""" in words.tell(comparison.judge(run, rules), run, rules, reproduce="")


@pytest.mark.parametrize("expected, said, alike", [
    ("length 456", "length 200", True), ("length 456", "length refused", False), ('got 2 bytes "a"', 'got 3 bytes "b"', True), ('got "a"', 'got 3 bytes', False),
    ("closing", "closing", False), ('"a"', '"b"', False), ("5 bytes", "6 bytes", False)])
def test_lines_begin_alike_if_only_a_number_or_a_quoted_text_is_another(expected, said, alike):
    assert phrases.begin_alike(expected, said) is alike


def test_what_a_program_said_in_place_of_a_line_is_told_and_not_only_that_it_ended():
    run = runs.run('client: connected\nclient: x\nclient: sending "b"', ends="client: exit 0")
    rules = parse('client others allowed\nclient: connected\nclient: sending "a"')
    assert """never said 'sending "a"'; its next line that begins so is 'sending "b"'""" in words.tell(comparison.judge(run, rules), run, rules, reproduce="")
    rules = parse('client others allowed\nclient: connected\nclient: closing')
    assert 'never said "closing"; it ended with exit 0' in words.tell(comparison.judge(run, rules), run, rules, reproduce="")


def test_where_a_misspelt_line_stands_is_told_only_if_it_is_known():
    blocked = Waiting("client", 101, 101, "read", 4, 1, "server", "client.c:12")
    run = runs.run("client: a\nclient: reading data", ends="client: waiting in read, server: waiting in read", stop=Stop("waiting", waiting=(blocked,)))
    run = dataclasses.replace(run, events=tuple(dataclasses.replace(event, source="") for event in run.events))
    rules = parse("client: a\nclient: readng data")
    told = words.tell(comparison.judge(run, rules), run, rules, reproduce="")
    assert "The contract's stands in contract.txt:2." in told and "the program's" not in told


@pytest.mark.parametrize("ends, said", [
    ("client: exit 0, server: waiting in accept", ""), ("client: waiting in read, server: waiting in accept", "the client waits in read, of which"),
    ("client: exit 4, server: exit 1", "the client ended with exit 4, of which the contract says nothing")])
def test_an_end_of_which_the_contract_says_nothing_is_not_as_it_says(ends, said):
    run = runs.run("client: a\nserver: b", ends=ends)
    rules = parse("others allowed")
    told = words.tell(comparison.judge(run, rules), run, rules, reproduce="")
    assert "ends as the contract says" not in told and (said in told if said else "of which" not in told)


def test_both_ends_are_as_the_contract_says_if_it_says_both():
    run = runs.run("client: a\nserver: b")
    for text, both in (("client ends: exit 0\nserver ends: waiting in accept\nothers allowed", True), ("client ends: exit 0\nothers allowed", False)):
        told = words.tell(comparison.judge(run, parse(text)), run, parse(text), reproduce="")
        assert ("both ends as the contract says" in told) is both


def test_a_contract_is_not_read_where_there_is_none(tmp_path):
    assert pairs.pair(tmp_path / "pair", "connect", "listen").load_contract() is None
    os.symlink("nowhere", tmp_path / "pair/contract.txt")
    with pytest.raises(contract.ContractError, match="can't be read"):
        pairs.pair(tmp_path / "pair", "connect", "listen").load_contract()


def test_only_the_command_that_is_named_is_loaded():
    """To load all of them takes longer than a run."""
    ask = "import sys; from harness.__main__ import main; main(['list']); print(*sorted(m for m in sys.modules if m.startswith('harness.cli.')))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "harness.cli.list" in loaded and not loaded & {"harness.cli.diagram", "harness.cli.quiz", "harness.cli.play"}
