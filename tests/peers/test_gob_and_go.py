"""Does scenario 20 talk to Go? Its client to a server made of encoding/gob (tests/peers/go/server.go), a client of that kind to its
server, with structs that agree and structs that do not; and Go's word on the changes that the lesson proposes.

Nothing here uses the network but 127.0.0.1, on ports that the kernel chose. Without go these tests are skipped; in CI they fail.
"""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from changes import Lab, apply
from harness.stage.scenarios import ROOT
from test_lessons import LESSONS, steps

LIMIT = 60      # seconds, a net for a program that hangs; no verdict depends on it
FIRST, SECOND = "This is a message\n", "This is a message 2\n test"
NAME = "20-gob-stream"
PAGE = LESSONS[NAME].read_text()
ANSWERED = [{"Seq": seq, "Text": "Message received."} for seq in (1, 2)]


@pytest.fixture(scope="module")
def go(tmp_path_factory) -> Path:
    """A folder with the two Go programs, client and server."""
    if shutil.which("go") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("go is not installed")
    folder = tmp_path_factory.mktemp("go")
    env = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    for role in ("client", "server"):
        subprocess.run(["go", "build", "-o", str(folder / role), str(ROOT / f"tests/peers/go/{role}.go")], env=env, check=True)
    return folder


def build(folder: Path, step: "int | None" = None) -> Path:
    """The folder of the scenario's programs, after that step of its lesson's section Modify."""
    lab = Lab(folder, folder / "build", [NAME])
    if step is not None:
        apply(steps(PAGE)[step].diff.body, lab.scenarios)
    targets = [f"{lab.build}/{NAME}/{role}" for role in ("client", "server")]
    subprocess.run(["make", "-s", f"SCENARIOS={lab.scenarios}", f"BUILD={lab.build}", *targets], cwd=ROOT, check=True)
    return lab.build / NAME


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("ours"))


def texts(log: str) -> "list[str]":
    """What a program said by hand, without time, name and addresses."""
    return [re.sub(r"  \[.*\]$", "", line.split(maxsplit=2)[2]) for line in log.splitlines()]


def ask_go(client: Path, go: Path, kind: str) -> "tuple[list[str], list[str]]":
    """(what our client says, what Go's server says)."""
    with subprocess.Popen([go / "server", kind], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().split()[1]
            mine = subprocess.run([client / "client", "127.0.0.1", port], capture_output=True, text=True, timeout=LIMIT)
            heard = server.communicate(timeout=LIMIT)[0]
        finally:
            server.kill()
    return texts(mine.stderr), heard.splitlines()


def ask_us(server: Path, go: Path, kind: str) -> "tuple[list[str], list[str]]":
    """(what our server says of one connection, what Go's client says)."""
    with subprocess.Popen([server / "server", "127.0.0.1", "0"], stderr=subprocess.PIPE, text=True) as ours:
        try:
            port = re.findall(r":(\d+)", ours.stderr.readline())[0]
            theirs = subprocess.run([go / "client", "127.0.0.1", port, kind], capture_output=True, text=True, timeout=LIMIT)
            log = ""
            while not log.endswith("closing\n"):
                line = ours.stderr.readline()
                assert line, log
                log += line
        finally:
            ours.kill()
    return texts(log), theirs.stdout.splitlines()


def answers(said: "list[str]") -> "list[str]":
    return [line for line in said if line.startswith(("Received", "EOF", "Error"))]


# --- our client, Go's server -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, heard", [
    ("same", [{"Seq": 1, "Text": FIRST}, {"Seq": 2, "Text": SECOND}]),
    ("other-order", [{"Urgent": False, "Text": FIRST, "Seq": 1}, {"Urgent": False, "Text": SECOND, "Seq": 2}]),
    ("text-only", [{"Text": FIRST}, {"Text": SECOND}]),
])
def test_a_go_server_understands_our_client_and_is_understood(ours, go, kind, heard):
    mine, theirs = ask_go(ours, go, kind)
    assert [json.loads(line) for line in theirs[:-1]] == heard and theirs[-1] == "EOF between messages"
    assert answers(mine) == ["Received description: answer {Text string, Seq int}",
                             'Received answer: {Seq: 1, Text: "Message received."}',
                             'Received answer: {Seq: 2, Text: "Message received."}', "EOF between messages"]


def test_a_go_server_that_wants_another_type_refuses_our_client(ours, go):
    mine, theirs = ask_go(ours, go, "seq-as-text")
    assert theirs == ["Error: gob: wrong type (string) for received field Message.Seq"]
    assert theirs[0][7:] in PAGE
    assert answers(mine) == ["EOF between messages"]


# --- Go's client, our server -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind, described, seqs", [
    ("same", ["same {Seq int, Text string}"], (1, 2)),
    ("other-order", ["otherOrder {Text string, Urgent bool, Words type 66, Seq int}", "[]string"], (1, 2)),
    ("text-only", ["textOnly {Text string}"], (0, 0)),
])
def test_our_server_understands_a_go_client_and_is_understood(ours, go, kind, described, seqs):
    mine, theirs = ask_us(ours, go, kind)
    assert answers(mine) == [*(f"Received description: {words}" for words in described),
                             f'Received message: {{Text: "This is a message\\n", Seq: {seqs[0]}}}',
                             f'Received message: {{Text: "This is a message 2\\n test", Seq: {seqs[1]}}}', "EOF between messages"]
    assert [json.loads(line) for line in theirs[:-1]] == [{**answer, "Seq": seq} for answer, seq in zip(ANSWERED, seqs)]
    assert theirs[-1] == "EOF between messages"


@pytest.mark.parametrize("kind, error", [("seq-as-text", "Error: field Seq: string received, int wanted"),
                                         ("strange", "Error: type strange: no field in common with Answer")])
def test_our_server_refuses_a_go_client_whose_struct_does_not_fit(ours, go, kind, error):
    mine, theirs = ask_us(ours, go, kind)
    assert answers(mine)[-1] == error
    assert not any(line.startswith("Received message") for line in mine)
    assert theirs == ["EOF between messages"]


# --- what the lesson changes, and Go's word on it ---------------------------------------------------------------------

@pytest.mark.parametrize("step, heard", [
    (0, ["Error: gob: unknown type id or corrupted data"]),
    (1, [{"Seq": 1, "Text": FIRST}, {"Seq": 2, "Text": SECOND}, "EOF between messages"]),
    (2, [{"Seq": 1, "Text": FIRST}, "Error: gob: duplicate type received"]),
    (3, [{"Seq": 1, "Text": FIRST}, "Error: unexpected EOF"]),
])
def test_go_says_of_each_step_of_the_lesson_what_the_lesson_says(go, tmp_path, step, heard):
    _, theirs = ask_go(build(tmp_path, step), go, "same")
    assert [json.loads(line) if line.startswith("{") else line for line in theirs] == heard
    assert all(line.partition(": ")[2] in PAGE for line in theirs if line.startswith("Error"))
