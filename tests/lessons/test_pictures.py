"""Does each lesson show its picture, and is the picture that of a run of today? `make pictures` draws them anew.

A fresh run is drawn and compared with the committed file: each program's rows in their order, each direction's segments in theirs, states,
the story, the stylesheet. Times, places in the order, and what luck decides between two programs are not compared. Where luck decides what
a program does, some run out of many must give the picture.
"""
from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as xml

import pytest

from harness.judge import comparison
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import ROOT, find_all
from harness.tell.diagram import draw
from pairs import lent

SCENARIOS = [scenario for scenario in find_all() if int(scenario.number) < 90]
SPACE = "{http://www.w3.org/2000/svg}"
RUNS = 200      # at most; a picture shows what most runs do


def picture(scenario) -> str:
    """The picture of a fresh run, with its pauses skipped, as `make pictures` draws it."""
    conductor = Conductor(scenario, VirtualClock(), keeper=lent())
    run = conductor.run()
    if not run.wire or not run.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    run = dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))
    contract = scenario.load_contract()
    return draw(run, comparison.judge(run, contract)).svg()


def signature(text: str) -> "dict[str, object]":
    """What two pictures of the same thing have in common."""
    root = xml.fromstring(text)
    found: "dict[str, object]" = {"style": root.findtext(f"{SPACE}style"), "title": root.findtext(f"{SPACE}title"), "wide": root.get("width")}
    found["story"] = sorted(re.sub(r"^\d+\. ", "", line) for line in (root.findtext(f"{SPACE}desc") or "").split("\n"))
    rows = [(one.findtext(f"{SPACE}title") or "", list(one)[1:]) for one in root.iter(f"{SPACE}g") if one.get("id")]
    folded = any(re.match(r"e\d+ to e\d+:", title) for title, _ in rows)
    for title, parts in rows:
        if re.match(r"e\d+ to e\d+:", title):
            continue
        said = re.fullmatch(r"e\d+ ([\w-]+): (.*)", title, re.S)
        sent = re.search(r"([\w-]+ to [\w-]+), ([A-Z ]+), length (\d+)", title)
        if sent and not set("SFR") & set(flag[0] for flag in sent[2].split()) and sent[3] == "0":
            continue        # an acknowledgement alone: how many there are is up to the kernels
        shape = [(one.tag.removeprefix(SPACE), one.get("class")) for one in parts if one.tag != f"{SPACE}text"]
        what = (re.sub(r"\d+", "#", said[2]) if folded else said[2], shape) if said else (sent[2], 0 if folded else sent[3], shape)
        # Plain output stands where it was read: it has an order of its own.
        key = sent[1] if not said else f"{said[1]} printed" if said[2].startswith(("stdout: ", "stderr: ")) else said[1]
        found.setdefault(key, []).append(what)
    for who, those in found.items():
        if folded and isinstance(those, list) and who != "story":
            found[who] = sorted({repr(one).replace("FIN PSH ACK", "FIN ACK") for one in those})      # which of equal rows are shown is up to the order between the programs, and
            # so is whether the last bytes go with the FIN
    found["foot"] = [one.text for one in root.iter(f"{SPACE}text") if one.get("x") == "12" and "Folded" not in (one.text or "")]
    found["kept"] = [title for title in (one.text for one in root.iter(f"{SPACE}title")) if title and "do not tell of" in title]
    found["cycle"] = [title for title in (one.text for one in root.iter(f"{SPACE}title")) if title and title.startswith("deadlock: ")]
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_the_picture_in_a_lesson_is_the_one_of_a_run_of_today(scenario):
    file = ROOT / "lessons/pictures" / f"{scenario.name}.svg"
    assert file.is_file(), "make pictures draws it"
    wanted = signature(file.read_text())
    build([scenario])
    for _ in range(RUNS):
        found = signature(picture(scenario))
        if found == wanted:
            return
    assert found == wanted, "make pictures draws it anew"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_each_lesson_shows_its_picture(scenario):
    page = (ROOT / "lessons" / f"{scenario.name}.md").read_text()
    assert f"](pictures/{scenario.name}.svg)" in page


def test_the_readme_shows_the_picture_of_scenario_2():
    assert "](lessons/pictures/02-no-break-deadlock.svg)" in (ROOT / "README.md").read_text()


def test_there_is_no_picture_of_a_scenario_that_is_gone():
    assert {file.stem for file in (ROOT / "lessons/pictures").iterdir()} == {scenario.name for scenario in SCENARIOS}


@pytest.mark.parametrize("old, new", [("reading data", "reading date"), ("length 25", "length 24"), ("waits for the server", "waits for nobody"), ("has read 5 bytes", "has read 6 bytes"), ("#0072b2", "#0072b3"),
                                      ("client.c:38", "client.c:39"), ("An arrow begins", "An arrow ends"), ('class="left w"', 'class="left w dash"'), ("The server has read all 43", "The server has read all 44")])
def test_a_picture_that_has_drifted_is_found(old, new):
    text = (ROOT / "lessons/pictures/02-no-break-deadlock.svg").read_text()
    assert old in text
    assert signature(text.replace(old, new)) != signature(text)
