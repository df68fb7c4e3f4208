"""Is a program always made of the text that lies there now, and are the compiler's words told once, and in order?"""
from __future__ import annotations

import json
import os
import re
import shutil

import pytest

from harness.stage import build, scenarios, sources
from harness.stage.scenarios import ROOT
from harness.tell import compiler
from changes import ask
from ready import _put, ready

NAME = "00-anatomy"


@pytest.fixture
def scenario(tmp_path, monkeypatch) -> scenarios.Scenario:
    """A copy of a scenario, with a folder of its own for what is built."""
    shutil.copytree(ROOT / "scenarios" / NAME, tmp_path / "scenarios" / NAME, copy_function=shutil.copy)
    monkeypatch.setenv("SCENARIOS", str(tmp_path / "scenarios"))
    monkeypatch.setenv("BUILD", str(ready(tmp_path / "build")))
    return scenarios.find("0")


def says(scenario: scenarios.Scenario, word: str) -> bool:
    """Is a text in the client that was built?"""
    return word.encode() in scenario.program("client").read_bytes()


def write(scenario: scenarios.Scenario, word: str, old: str = "connecting") -> None:
    client = scenario.folder / "client.c"
    client.write_text(client.read_text().replace(f'"{old}', f'"{word}'))


def test_a_file_that_is_put_back_with_its_old_time_is_built_again(scenario):
    client = scenario.folder / "client.c"
    shutil.copy2(client, client.with_suffix(".kept"))
    build.build([scenario])
    write(scenario, "dialling")
    build.build([scenario])
    assert says(scenario, "dialling")
    os.replace(client.with_suffix(".kept"), client)
    build.build([scenario])
    assert not says(scenario, "dialling")


def test_a_file_that_changes_while_the_compiler_reads_it_is_built_again(scenario, monkeypatch):
    build.build([scenario])
    write(scenario, "dialling")
    real = build._make

    def slow(*args):
        said = real(*args)
        old = os.stat(scenario.folder / "client.c")
        write(scenario, "knocking", "dialling")
        os.utime(scenario.folder / "client.c", ns=(old.st_atime_ns, old.st_mtime_ns))     # the object is newer than the new text
        return said
    monkeypatch.setattr(build, "_make", slow)
    build.build([scenario])
    monkeypatch.setattr(build, "_make", real)
    build.build([scenario])
    assert says(scenario, "knocking")


@pytest.mark.parametrize("how", ["a new text", "a program that a run has overwritten", "the compiler's words are asked for"])
def test_while_a_program_is_built_again_the_old_one_can_be_run(scenario, monkeypatch, how):
    """Another command may have built it a moment ago, and be about to start it."""
    build.build([scenario])
    programs = [scenario.program(name) for name in ("client", "server")]
    before = [os.stat(program).st_mtime_ns for program in programs]
    if how == "a new text":
        write(scenario, "dialling")
    elif how == "a program that a run has overwritten":
        programs[0].write_bytes(b"#!/bin/true")
    else:
        os.remove(scenario.build / sources.RECORD)
    real, seen = build._make, []

    def look(*args):
        seen.append([program.is_file() for program in programs])
        return real(*args)
    monkeypatch.setattr(build, "_make", look)
    build.warnings(scenario) if "words" in how else build.build([scenario])
    assert seen and all(map(all, seen)) and [os.stat(program).st_mtime_ns for program in programs] != before


def test_a_link_in_the_place_of_a_program_is_taken_away(scenario, tmp_path):
    build.build([scenario])
    program = scenario.program("client")
    (tmp_path / "other").write_text("#!/bin/true")
    program.unlink()
    program.symlink_to(tmp_path / "other")
    build.build([scenario])
    assert not program.is_symlink() and says(scenario, "connecting") and (tmp_path / "other").stat().st_mtime > 1000


def test_what_make_built_by_hand_meanwhile_counts_for_nothing_else(scenario):
    client = scenario.folder / "client.c"
    shutil.copy2(client, client.with_suffix(".kept"))
    build.build([scenario])
    write(scenario, "dialling")
    assert os.system(f"make -s -C {ROOT} {scenario.program('client')}") == 0
    os.replace(client.with_suffix(".kept"), client)
    build.build([scenario])
    assert not says(scenario, "dialling")


def test_what_nobody_changed_is_not_built_again(scenario):
    build.build([scenario])
    before = scenario.program("client").stat().st_mtime_ns
    build.build([scenario])
    assert scenario.program("client").stat().st_mtime_ns == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sums": 3}', '{"sums": {"client.c": 5}, "said": null, "objects": {}}', "\0"])
def test_a_broken_record_is_an_empty_one(scenario, text):
    build.build([scenario])
    (scenario.build / sources.RECORD).write_text(text)
    write(scenario, "dialling")
    build.build([scenario])
    assert says(scenario, "dialling")


SLIP = "    int argc_is = 0;\n    if (argc_is = 1)\n        return 0;\n"


def test_the_compilers_warnings_are_known_after_the_build_too(scenario):
    server = scenario.folder / "server.c"
    server.write_text(server.read_text().replace("{\n", "{\n" + SLIP, 1))
    build.build([scenario])
    build.build([scenario])
    line = server.read_text().splitlines().index("    if (argc_is = 1)") + 1
    assert f"server.c:{line}:" in build.warnings(scenario) and "-Wparentheses" in build.warnings(scenario)


def test_they_are_asked_for_where_make_had_built_it_alone(scenario):
    server = scenario.folder / "server.c"
    server.write_text(server.read_text().replace("{\n", "{\n" + SLIP, 1))
    assert os.system(f"make -s -C {ROOT} {scenario.program('server')} {scenario.program('client')} 2>/dev/null") == 0
    build.build([scenario])
    assert "-Wparentheses" in build.warnings(scenario)


def test_a_program_without_warnings_has_none(scenario):
    build.build([scenario])
    assert build.warnings(scenario) == ""


def test_of_a_broken_build_the_first_error_comes_first_and_once(scenario):
    server = scenario.folder / "server.c"
    server.write_text(SLIP.replace("    int", "static int f(void)\n{\n    int", 1) + "    return 1;\n}\nint g(void) { return broken; }\nint h(void) { return worse; }\n")
    with pytest.raises(build.DoesNotBuild) as error:
        build.build([scenario])
    said = str(error.value)
    assert " error: " in "".join(said.splitlines()[:2])
    assert said.index("broken") < said.index("worse") < said.index("-Wparentheses")
    assert said.count(" error: ") == 2 and "***" not in said


def test_the_words_of_the_compiler_have_its_colours_on_a_terminal():
    said = "a.c: In function 'main':\na.c:3:9: error: no ';'\n    3 | int x\n      |      ^~\na.c:4:1: note: here"
    assert compiler.shown(said, False) == said
    shown = compiler.shown(said, True)
    assert "\x1b[31merror:\x1b[0m" in shown and "\x1b[31m^~\x1b[0m" in shown and "\x1b[36mnote:\x1b[0m" in shown
    assert compiler.shown(said, True).replace("\x1b[31m", "").replace("\x1b[36m", "").replace("\x1b[0m", "") == said


def test_a_slip_is_told_with_its_line_where_the_verdict_is_not_as_expected(scenario):
    server = scenario.folder / "server.c"
    server.write_text(re.sub(r"(int main\(.*\)\n\{\n)", "\\1" + SLIP, server.read_text()))
    for _ in range(2):      # built just now, and built before
        status, out, err = ask("check", "0")
        assert status == 1 and out.count("-Wparentheses") == 1 and err == ""
        assert out.index("\n") < out.index("The compiler warned") < out.index("server.c:")


def test_a_warning_about_a_program_that_is_as_expected_is_told_when_it_is_built(scenario):
    server = scenario.folder / "server.c"
    server.write_text(server.read_text().replace("{\n", "{\n    int unused;\n", 1))
    assert [ask("check", "0")[1].count("-Wunused-variable") for _ in range(2)] == [1, 0]


def test_json_is_not_mixed_with_the_compilers_words(scenario):
    server = scenario.folder / "server.c"
    server.write_text(server.read_text().replace("{\n", "{\n    int unused;\n", 1))
    assert json.loads(ask("check", "0", "--json")[1])["word"] == "as expected"


def test_only_the_program_whose_source_has_changed_is_linked_anew(scenario):
    build.build([scenario])
    before = {name: scenario.program(name).stat().st_ino for name in ("client", "server")}
    write(scenario, "dialling")
    build.build([scenario])
    assert says(scenario, "dialling")
    assert {name: scenario.program(name).stat().st_ino == before[name] for name in before} == {"client": False, "server": True}


def test_a_record_that_another_test_is_about_to_write_is_not_copied(tmp_path):
    """It has another name by the time of the copy."""
    for name in ("client", ".sources.7"):
        (tmp_path / "made").mkdir(exist_ok=True)
        (tmp_path / "made" / name).write_text("{}")
    _put(tmp_path / "made", tmp_path / "build")
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == [".sources", "client"]

