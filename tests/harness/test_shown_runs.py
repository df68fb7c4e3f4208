"""What a learner types to see a run: make wire-N, make diagram-N, and the same of a trace."""
from __future__ import annotations

import os
import re
import subprocess

import pytest

from harness import trace
from harness.stage.scenarios import ROOT
import started
from terminal import Terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With the trace of a run in it: t.jsonl."""
    made = tmp_path_factory.mktemp("wire")
    assert harness("check", "5", "--trace", str(made / "t.jsonl")).returncode == 0
    return made


def harness(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return started.run(*words, **{"PAUSE": "0", **env})


@pytest.fixture(scope="module")
def shown(folder):
    done = subprocess.run(["make", "-s", "wire-2", f"PCAP={folder / 'run.pcapng'}"], cwd=ROOT, env={**os.environ, "PAUSE": "0"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def last() -> trace.Run:
    return trace.load((ROOT / os.environ.get("BUILD", "build") / "last/02-no-break-deadlock.jsonl").read_text())[0]


def test_make_wire_shows_segments_between_the_lines_in_the_run_s_order(shown):
    run = last()
    if not run.wire:
        pytest.skip("packets can't be captured here")
    places = [int(one) for one in re.findall(r"^ +e(\d+) ", shown, re.M)]
    assert places == sorted(one.seq for kind in (run.events, run.segments, run.endings) for one in kind)
    assert 'client --> server   PSH ACK, bytes 19 to 43 (length 25), acknowledges no byte' in shown
    assert re.search(r'\n +"This is a message 2\\n test"\n', shown)
    assert "the client's kernel asks for a connection. Wireshark: tcp.flags.syn == 1 && tcp.flags.ack" in shown.replace("\n" + " " * 26, " ")
    assert re.search(r"ESTAB +0 +0 .* client\n", shown)


def test_the_capture_file_is_named_with_the_command_that_opens_it(shown, folder):
    assert f"tshark -r {folder / 'run.pcapng'}" in shown
    assert (folder / "run.pcapng").read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"


def test_a_trace_is_shown_without_a_run_of_its_own(folder):
    first, second = (harness("wire", str(folder / "t.jsonl")) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout and "scenario 05-glued-writes" in first.stdout
    assert "In front of each row stand its place in the order of all that the lab saw (e10), and the seconds since the start." in first.stdout


@pytest.mark.parametrize("what, wanted", [
    ("nothing", "nothing"), ("README.md", "README.md: is no trace"), ("FOLDER/cut.jsonl", "it may have been cut off"), ("FOLDER/other.jsonl", "is no trace")])
def test_what_is_no_run_is_refused_with_a_reason(what, wanted, folder):
    text = (folder / "t.jsonl").read_text()
    (folder / "cut.jsonl").write_text(text[:len(text) * 2 // 3])
    (folder / "other.jsonl").write_text('{"format": "another"}\n')
    done = harness("wire", what.replace("FOLDER", str(folder)))
    assert (done.returncode, done.stdout) == (2, "")
    assert wanted in done.stderr and "Traceback" not in done.stderr


def test_no_file_that_is_no_capture_is_lost(folder):
    (folder / "notes.txt").write_text("mine")
    done = harness("wire", str(folder / "t.jsonl"), "--pcap", str(folder / "notes.txt"))
    assert done.returncode == 2 and "exists and is no capture file" in done.stderr
    assert (folder / "notes.txt").read_text() == "mine"
    assert harness("wire", str(folder / "t.jsonl"), "--pcap", str(folder / "none/x")).returncode == 2


def test_without_a_private_network_it_says_that_no_segment_was_seen():
    done = harness("wire", "2", TCPLAB_ISOLATION="none")
    assert done.returncode == 0 and "no segment was seen" in done.stdout
    assert "client: connecting" in done.stdout


def test_text_of_others_reaches_the_terminal_escaped(folder):
    text = (folder / "t.jsonl").read_text().replace('"text": "connecting"', '"text": "\\u001b[31m\\u202e"')
    (folder / "evil.jsonl").write_text(text)
    done = harness("wire", str(folder / "evil.jsonl"))
    assert "\\x1b[31m\\u202e" in done.stdout and "\x1b" not in done.stdout


def test_make_diagram_writes_a_picture_and_prints_its_path():
    done = subprocess.run(["make", "-s", "diagram-2"], cwd=ROOT, env={**os.environ, "PAUSE": "0"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    path = ROOT / done.stdout.strip()
    assert path.name == "02-no-break-deadlock.svg" and path.read_text().startswith("<svg ")


def test_a_trace_is_drawn_to_a_file_of_ones_own_and_no_other_file_is_lost(folder):
    trace_file, picture = folder / "t.jsonl", folder / "five.svg"
    done = harness("diagram", str(trace_file), "-o", str(picture))
    assert (done.returncode, done.stdout.strip()) == (0, str(picture))
    assert harness("diagram", str(trace_file), "-o", str(picture)).returncode == 0      # its own picture may be drawn anew
    done = harness("diagram", str(trace_file), "-o", str(trace_file))
    assert done.returncode == 2 and "exists and is no picture" in done.stderr
    assert harness("wire", str(trace_file)).returncode == 0


def test_the_name_in_a_trace_leads_to_no_other_folder(folder):
    text = (folder / "t.jsonl").read_text().replace('"scenario": "05-glued-writes"', '"scenario": "../../evil name"', 1)
    (folder / "evil.jsonl").write_text(text)
    done = harness("diagram", str(folder / "evil.jsonl"))
    assert done.returncode == 0 and done.stdout.strip().endswith("last/______evil_name.svg"), done.stdout
    (ROOT / done.stdout.strip()).unlink()


@pytest.mark.parametrize("command, number", [("wire", "9"), ("wire", "0"), ("wire", "1"), ("explore", "9"), ("run", "1")])
def test_in_a_terminal_of_80_columns_no_line_is_wider(command, number):
    """The terminal itself would break a line within a word."""
    asked = Terminal(number, command, "no question", PAUSE="0")
    said = re.sub(r"[^\n]*\r(?!\n)|\x1b\[K", "", asked.until_asked()).replace("\r", "").splitlines()
    assert asked.status() == 0 and len(said) > 5 and [line for line in said if len(line) > 80] == []


@pytest.mark.parametrize("command", ["run", "check"])
def test_on_a_terminal_a_verdict_that_is_no_complaint_names_the_page(command):
    shown = Terminal("9", command, PAUSE="0")
    said = shown.until_asked()
    assert shown.status() == 0
    assert said.endswith("\r\nas a page: make play-9\r\n") and "\r\nas expected: " in f"\r\n{said.replace('09-write-after-goodbye: ', '')}", said
    assert "as a page" not in harness(command, "9").stdout
