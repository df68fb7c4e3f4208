"""Is a trace what TRACE.md says, in every mode, and does it read back as it was?"""
from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import runs
from harness import trace
from harness.explore.schedules import Delays
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.stage.scenarios import ROOT
from harness.trace import Output
from pairs import pair, run
from ready import ready
import started
from terminal import Terminal

PAGE = (ROOT / "harness/TRACE.md").read_text()
PAIR = "connect; event sending; write 5; pause 0; read 9; close", "listen; accept; read 5; write 9; close; closelistener"


def documented() -> "dict[str, set[str]]":
    """Record, or part of one (`stop.waiting`): its fields."""
    found: "dict[str, set[str]]" = {}
    name = ""
    for line in PAGE.splitlines():
        if not line.startswith("|"):
            continue
        row = [cell.strip() for cell in line.split("|")[1:3]]
        names = re.findall(r"`([\w.]+)`", row[0])
        name = names[0] if names else name
        if name:
            found.setdefault(name, set()).update(re.findall(r"`(\w+)`", row[1]))
    return found


def complaints(text: str) -> "list[str]":
    """Where the records of a trace have other fields than the page lists."""
    table, found = documented(), []
    for line in text.split("\n"):
        if line:
            record = json.loads(line)
            name = record.pop("record")
            found += _differences(table, name, record, more=name == "verdict")
    return found


def _differences(table: "dict[str, set[str]]", name: str, record: "dict[str, Any]", more: bool = False) -> "list[str]":
    fields = set(record)
    found = [f"{name}: {field} is not on the page" for field in fields - table.get(name, set()) if not more]
    found += [f"{name}: {field} is not in the trace" for field in table.get(name, set()) - fields]
    for field, value in record.items():
        part = f"{name}.{field}".replace("acceptor", "opener")
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and part in table:
                found += _differences(table, part, one)
    return found


def text_of(made: trace.Run) -> str:
    return "\n".join(trace.lines(made, "make check-4", {"word": "told", "status": 0, "misconception": ""})) + "\n"


@pytest.mark.parametrize("policy", [Live, VirtualClock, Delays])
def test_a_trace_has_the_fields_of_the_page_in_every_mode(policy, tmp_path):
    made = Conductor(pair(tmp_path / "pair", *PAIR), policy()).run()
    text = text_of(made)
    assert complaints(text) == []
    assert json.loads(text.split("\n")[0])["mode"] == made.mode == policy.name


def test_step_leaves_a_trace_too(tmp_path):
    terminal = Terminal("1", BUILD=str(ready(tmp_path / "build")), SCHEDULE="")
    terminal.until_asked()
    terminal.key("c")
    assert terminal.status() == 0
    text = (tmp_path / "build/last/01-break-after-first-message.jsonl").read_text()
    assert complaints(text) == []
    header = json.loads(text.split("\n")[0])
    assert (header["mode"], header["reproduce"]) == ("step", f"BUILD={tmp_path / 'build'} make step-1")
    assert {"socket", "segment", "event"} <= {json.loads(line)["record"] for line in text.split("\n") if line}


def test_the_modes_on_the_page_are_all_there_are():
    listed = re.search(r"\| `mode` \| (.*) \|", PAGE)
    assert set(re.findall(r"`(\w+)` \(", listed[1])) == {"live", "virtual", "explore", "step", "reset"}


def test_a_record_that_the_page_does_not_know_is_found():
    line = text_of(runs.run("client: a")).split("\n")[1]
    more = json.dumps({**json.loads(line), "colour": "red"})
    less = json.dumps({key: value for key, value in json.loads(line).items() if key != "source"})
    assert complaints(more) == ["event: colour is not on the page"]
    assert complaints(less) == ["event: source is not in the trace"]


@pytest.mark.parametrize("pairs", [PAIR, ("connect; write 5; read 1", "listen; accept; read 5; read 1"), ("connect; fork; write 5; end; wait", PAIR[1])])
def test_a_trace_reads_back_as_it_was(pairs, tmp_path):
    made = run(tmp_path / "pair", *pairs)
    assert trace.load(text_of(made))[0] == made


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb\x0cc", "a\rb", "\ufffd", "\U0001f600", "\"\\\n\"", "\x00\x1b[31m", "\ud800"])
def test_whatever_a_line_holds_it_reads_back(text):
    made = dataclasses.replace(runs.run("client: a\nserver: b"), outputs=(Output(7, 7, "client", "stdout", text),), versions={"system": "Linux"})
    made = dataclasses.replace(made, events=tuple(dataclasses.replace(e, text=e.text + text) for e in made.events))
    back, verdict = trace.load(text_of(made))
    assert back == made
    assert verdict == {"word": "told", "status": 0, "misconception": ""}


def test_another_version_is_refused_by_its_number():
    text = text_of(runs.run("client: a")).replace('"version": 2', '"version": 1')
    with pytest.raises(ValueError, match="line 1: a trace of version 1; this lab reads version 2"):
        trace.load(text)


def test_a_broken_line_is_named():
    with pytest.raises(ValueError, match="line 2 is no record"):
        trace.load(text_of(runs.run("client: a")).split("\n")[0] + "\n{\n")


def test_every_record_has_a_place_of_its_own(tmp_path):
    made = run(tmp_path / "pair", *PAIR)
    places = [one.seq for kind in (made.events, made.outputs, made.segments, made.calls, made.endings, made.children, made.stop.sockets) for one in kind]
    places += [call.returned for call in made.calls if call.returned >= 0]
    assert len(places) == len(set(places))
    assert max(places) < 10 * len(places)


def test_segments_stand_between_the_lines_that_cause_them_and_those_that_they_cause(tmp_path):
    for attempt in range(10):
        made = run(tmp_path / "pair", *PAIR)
        if not made.wire:
            pytest.skip("packets can't be captured here")
        sending = next(e.seq for e in made.events if (e.who, e.text) == ("client", "sending"))
        segment = next(s.seq for s in made.segments if s.sender == "client" and s.length)
        received = next(e.seq for e in made.events if (e.who, e.text) == ("server", "read 5"))
        assert sending < segment < received


@pytest.mark.parametrize("command, env, wanted", [
    ("check", {}, "make check-1"), ("run", {"PAUSE": "0"}, "make check-1"), ("check", {"NOPAUSE": "1"}, "NOPAUSE=1 make check-1"),
    ("check", {"SCHEDULE": "client: connecting #1"}, "SCHEDULE='client: connecting #1' make check-1"),
    ("check", {"TCPLAB_ISOLATION": "none", "TCPLAB_CALLS": "off"}, "TCPLAB_ISOLATION=none TCPLAB_CALLS=off make check-1")])
def test_reproduce_is_the_command_that_gives_such_a_run_again(command, env, wanted, tmp_path):
    file = tmp_path / "t.jsonl"
    started.Started(command, "1", "--trace", str(file), env={**_plain(), **env}).wait()
    first = json.loads(file.read_text().split("\n")[0])
    assert first["reproduce"] == wanted
    again = tmp_path / "again.jsonl"
    subprocess.run(["sh", "-c", f"{wanted.replace('make check-1', '')} {sys.executable} -m harness check 1 --trace {again}"], cwd=ROOT, env=_plain(),
                   stdout=subprocess.DEVNULL, check=False)
    second = json.loads(again.read_text().split("\n")[0])
    assert {**first, "notes": [], "began": ""} == {**second, "notes": [], "began": ""}


def _plain() -> "dict[str, str]":
    return {name: value for name, value in os.environ.items()
            if name not in ("SCHEDULE", "NOPAUSE", "PAUSE", "TCPLAB_ISOLATION", "TCPLAB_CALLS", "BUILD", "SCENARIOS", "SANITIZE")}


def test_the_page_and_the_records_name_the_same_kinds_of_lines():
    from harness.observe.lines import EVENT_KINDS
    row = re.search(r"\| `kind` \| (`note`.*) \|", PAGE)
    assert tuple(re.findall(r"`(\w+)`", row[1])) == EVENT_KINDS
    header = (Path(ROOT) / "common/event.h").read_text()
    assert tuple(re.findall(r'KIND\(EVENT_\w+, "(\w+)"\)', header)) == EVENT_KINDS
