"""Is the table of formats at the end of lesson 20 true? The formats of tests/bench/formats.c are run: the bytes must be those of
the table, and so must be what becomes of a change. The time of each, against that of a text line, must be the table's within a
factor of BAND: the best of ROUNDS short runs, which a busy machine slows down least.

Also here: the bytes that the lesson explains are the ones that the client sends, and the JSON of the comparison is Python's.
"""
from __future__ import annotations

import json
import random
import re
import socket
import subprocess
from pathlib import Path

import pytest

from bench.run import FORMATS, compile_formats
from harness.stage.scenarios import ROOT
from ready import ready

PAGE = (ROOT / "lessons/20-gob-stream.md").read_text()
ROWS = {"line": "text line: `1 This is a message`", "length": "length and bytes, as in lesson 8",
        "memory": "the struct as it lies in memory", "json": "a line of JSON", "gob": "gob"}
BAND, ROUNDS, MESSAGES = 2.0, 15, 20000
LIMIT = 60      # seconds, a net for a program that hangs


@pytest.fixture(scope="module")
def formats(tmp_path_factory) -> str:
    return compile_formats(tmp_path_factory.mktemp("formats"))


def run(program: str, *args: str, text: str = "") -> "list[str]":
    done = subprocess.run([program, *args], input=text, capture_output=True, text=True, timeout=LIMIT, check=True)
    return done.stdout.splitlines()


# --- the table -------------------------------------------------------------------------------------------------------

def table(page: str) -> "dict[str, list[str]]":
    """{format: the cells behind its name} of the page's table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    return {name: row[1:] for name, title in ROWS.items() for row in rows if row[0] == title}


def facts(program: str) -> "dict[str, list[str]]":
    """The same cells, without the time."""
    sizes = {line.split()[0]: line.split()[1:] for line in run(program, "size")}
    changes = {line.partition(": ")[0]: line.partition(": ")[2].split(", ") for line in run(program, "change")}
    return {name: sizes[name] + changes[name] for name in sizes}


def times(program: str) -> "dict[str, float]":
    """Of each format, encoding and decoding, the best round, as a multiple of a text line's."""
    best: "dict[tuple[str, str], float]" = {}
    for _ in range(ROUNDS):
        for key in ((name, half) for name in FORMATS for half in ("encode", "decode")):
            seconds = float(run(program, "time", *key, str(MESSAGES))[0].split()[0])
            best[key] = min(seconds, best.get(key, seconds))
    sums = {name: best[name, "encode"] + best[name, "decode"] for name in FORMATS}
    return {name: sums[name] / sums["line"] for name in FORMATS}


def table_complaints(page: str, program: str) -> "list[str]":
    shown, real = table(page), facts(program)
    return [f"{name}: shown {shown.get(name)}, run {real[name]}" for name in FORMATS
            if shown.get(name, [])[:2] + shown.get(name, [])[3:] != real[name]]


def time_complaints(page: str, real: "dict[str, float]") -> "list[str]":
    shown = {name: float(cells[2]) for name, cells in table(page).items()}
    return [f"{name}: shown {shown[name]}, run {ratio:.2f}" for name, ratio in real.items()
            if not shown[name] / BAND <= ratio <= shown[name] * BAND]


def test_the_table_shows_the_bytes_and_what_becomes_of_a_change(formats):
    assert table_complaints(PAGE, formats) == []


def test_the_times_are_those_of_the_table(formats):
    assert time_complaints(PAGE, times(formats)) == []


def test_the_stream_of_gobs_that_is_timed_has_the_length_that_its_numbers_need(formats):
    assert run(formats, "time", "gob", "decode", "1000")[0].split()[1] == str(39 + 63 * 25 + 64 * 26 + 873 * 27)


@pytest.mark.parametrize("old, new", [("| 64 | 25 |", "| 64 | 26 |"), ("| understood | understood | refused |", "| understood | refused | refused |"),
                                      ("| a line of JSON |", "| a line of XML |")])
def test_a_doctored_table_is_refused(formats, old, new):
    assert PAGE.replace(old, new) != PAGE and table_complaints(PAGE.replace(old, new), formats) != []


def test_doctored_times_are_refused():
    real = {name: float(cells[2]) for name, cells in table(PAGE).items()}
    assert time_complaints(PAGE, real) == []
    assert time_complaints(PAGE, {**real, "json": real["json"] * 2.1}) != []
    assert time_complaints(PAGE, {**real, "gob": real["gob"] / 2.1}) != []


# --- the bytes that the lesson explains ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    return ready(tmp_path_factory.mktemp("programs") / "build", ["20-gob-stream"]) / "20-gob-stream"


def explained() -> bytes:
    """The first column of the lesson's table of bytes, one behind the other."""
    return bytes.fromhex(" ".join(re.findall(r"^\| `((?:[0-9a-f]{2} ?)+)` \|", PAGE, re.M)))


def test_the_bytes_that_the_lesson_explains_are_the_first_that_the_client_sends(programs):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        client = subprocess.Popen([programs / "client", "127.0.0.1", port], stderr=subprocess.DEVNULL)
        conn, _ = listener.accept()
        with conn, conn.makefile("rb") as stream:
            sent = stream.read()
        assert client.wait(LIMIT) == 0
    assert len(explained()) == 65 and sent.startswith(explained()) and len(sent) == 98


@pytest.mark.parametrize("value, heard", [("03 ff 82 00", '{Text: "", Seq: 0}'), ("06 ff 82 02 01 78 00", '{Text: "x", Seq: 0}')])
def test_a_value_without_its_zero_fields_is_understood_behind_the_description(programs, value, heard):
    assert f"`{value}`" in PAGE
    assert f"Received message: {heard}" in server_says(programs, explained()[:39] + bytes.fromhex(value))


def test_four_bytes_without_a_description_are_refused_by_hand(programs):
    assert "printf '\\3\\377\\202\\0'" in PAGE
    assert "Error: unknown type id 65" in server_says(programs, b"\3\377\202\0")


def test_a_description_alone_is_no_end(programs):
    assert "EOF inside a message, 39 bytes of it" in server_says(programs, explained()[:39])


def server_says(programs: Path, sent: bytes) -> "list[str]":
    """The lines of the server about a client that sends these bytes and half-closes."""
    server = subprocess.Popen([programs / "server", "127.0.0.1", "0"], stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.findall(r":(\d+)", server.stderr.readline())[0])
        with socket.create_connection(("127.0.0.1", port)) as conn:
            conn.sendall(sent)
            conn.shutdown(socket.SHUT_WR)
            said = [""]
            while said[-1] != "closing":
                said.append(server.stderr.readline().split(maxsplit=2)[2].rstrip("\n"))
    finally:
        server.kill()
        server.communicate()
    return said


# --- JSON: Python's json is the other end ----------------------------------------------------------------------------

TEXTS = ["", "This is a message", 'a "quoted" word', "back\\slash \\n \\u0041 \\", "\b\f\n\r\t\v\x00\x01\x1f\x7f", "/",
         "é ß Ω 中 \u2028 \ufeff \uffff", "\U0001f600 \U0010ffff", "".join(map(chr, range(256))), "x" * 20000, '"' * 5000]
NUMBERS = [0, 1, -1, 9, 10, 64, -65, 2**31, -2**31, 2**63 - 1, -2**63]
VALUES = [(seq, text) for seq in NUMBERS for text in TEXTS[:4]] + [(seq, text) for seq, text in zip(range(-5, 99), TEXTS)]


def written(program: str, values) -> "list[str]":
    """The lines of JSON that C writes."""
    text = "".join(f"{seq} {text.encode().hex()}\n" for seq, text in values)
    return subprocess.run([program, "write"], input=text, capture_output=True, encoding="utf-8", timeout=LIMIT, check=True).stdout.split("\n")[:-1]


def read(program: str, lines) -> "list[object]":
    """What C reads: (seq, text), or None for a line that it refuses."""
    said = subprocess.run([program, "read"], input="".join(line + "\n" for line in lines), capture_output=True, encoding="utf-8",
                          timeout=LIMIT, check=True).stdout.split("\n")[:-1]
    assert len(said) == len(lines)
    return [None if line == "refused" else (int(line.split(" ")[0]), bytes.fromhex(line.split(" ")[1]).decode()) for line in said]


def by_python(line: str) -> object:
    """(Seq, Text) as Python's json reads it, None where that refuses it or a type is another one."""
    try:
        value = json.loads(line, parse_constant=lambda word: 1 / 0)     # NaN is not JSON
    except (ValueError, ZeroDivisionError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    seq, text = value.get("Seq", 0), value.get("Text", "")
    fits = type(seq) is int and -2**63 <= seq < 2**63 and isinstance(text, str) and not re.search("[\ud800-\udfff]", line + text)
    return (seq, text) if fits else None


def test_python_reads_what_c_writes(formats):
    lines = written(formats, VALUES)
    assert [json.loads(line) for line in lines] == [{"Seq": seq, "Text": text} for seq, text in VALUES]
    assert lines[VALUES.index((1, "This is a message"))] == json.dumps({"Seq": 1, "Text": "This is a message"}, separators=(",", ":"))


@pytest.mark.parametrize("options", [{}, {"ensure_ascii": False}, {"separators": (",", ":")}, {"sort_keys": True, "separators": (" , ", "\t:\r ")}])
def test_c_reads_what_python_writes(formats, options):
    lines = [json.dumps({"Text": text, "Seq": seq}, **options) for seq, text in VALUES]
    assert read(formats, lines) == VALUES


@pytest.mark.parametrize("line", [
    '{}', ' { } ', '{"Seq":1}', '{"Text":"x"}', '{"Other":[1,{"Seq":2},[],{},null,true,false,-1.5e+3,"\\u00e9"],"Seq":3}', '{"Seq":1,"Seq":2}',
    '{"Text":"long","Other":"longer still","Text":"s","More":"and more"}', '{"\\u0053eq":5}', '{"Seq":-0}', '{"Text":"\\/\\ud83d\\ude00"}',
    '', '[]', '1', '{', '{"Seq"}', '{"Seq":}', '{"Seq":1,}', '{"Seq":01}', '{"Seq":+1}', '{"Seq":1.0}', '{"Seq":1e2}', '{"Seq":"1"}',
    '{"Seq":null}', '{"Seq":9223372036854775808}', '{"Seq":-9223372036854775809}', '{"Text":1}', '{"Text":"x}', '{"Text":"\\x"}',
    '{"Text":"\\u12g4"}', '{"Text":"\\ud83d"}', '{"Text":"\\ude00"}', '{"Text":"\\ud83dx"}', '{"Text":"a\tb"}', '{"Seq":1}x', '{"Seq":1}}',
    '{"a":tru}', '{"a":-}', '{"a":1.}', '{"a":.5}', '{"a":1e}', '{"a":[1,]}', '{"a":[}', '{"a":{"b"}}', '{a:1}', "{'Seq':1}", '{"Text":"\\'])
def test_c_and_python_agree_on_a_line(formats, line):
    assert read(formats, [line]) == [by_python(line)]


@pytest.mark.parametrize("seed", range(4))
def test_c_and_python_agree_on_lines_with_a_few_wrong_bytes(formats, seed):
    """Also the control: both sorts of lines are among them."""
    chance = random.Random(seed)
    seeds = ['{"Seq":12,"Text":"a\\u00e9\\n","Other":[1,{"b":null}]}', '{"Text":"x","Seq":-3,"More":{"c":[true,1.5e3]}}']
    lines = [mutated(chance, chance.choice(seeds)) for _ in range(3000)]
    expected = list(map(by_python, lines))
    assert read(formats, lines) == expected
    assert 300 < expected.count(None) < 2900


def mutated(chance: random.Random, line: str) -> str:
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(line))
        byte = chance.choice('"\\{}[]:,.eEu019-+ntSeqTx ')
        line = line[:at] + chance.choice([byte, byte + line[at], ""]) + line[at + 1:]
    return line


def test_a_wrong_line_would_be_seen(formats):
    assert read(formats, ['{"Seq":1,"Text":"x"}']) != [(1, "y")]
    assert json.loads(written(formats, [(1, "x")])[0]) != {"Seq": 2, "Text": "x"}
