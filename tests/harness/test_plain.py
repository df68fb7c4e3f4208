"""Does anything that others wrote reach a terminal raw? A corpus of what terminals act on, through every way into what is printed."""
from __future__ import annotations

import io
import os
import pty
from pathlib import Path

import pytest

from harness.judge.findings import find
from harness.tell import terminal, words
from harness.trace import Output, Role, plain

import runs
from ready import ready
from started import Started

CORPUS = {
    "colour": "\x1b[31mred\x1b[0m", "clear": "\x1b[2J\x1b[H", "title": "\x1b]0;gone\x07", "answer": "\x1b[6n\x1b[c", "keys": "\x1bP+q\x1b\\",
    "C1": "\x9b31m\x85\x90", "bell": "\a", "back": "verdict: fine\b\b\b\b", "return": "line\rover", "delete": "\x7f", "form feed": "\f\v",
    "bidi": "\u202eesrever\u2066\u2069\u200f\u061c", "separators": "\u2028\u2029", "nul": "\x00", "surrogate": "\udcff", "tags": "\U000e0041", "private": "\ue000",
}
FINE = ["plain words", "Grüße, 你好, привет, 🙂", "a\u3000b\u00a0c", "x = 'it\\'s'"]


def raw(text: str) -> "list[str]":
    """The characters that a terminal may act on, and that are no line's end."""
    return [c for c in text if not c.isprintable() and c not in "\n\u3000\u00a0"]


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_what_a_terminal_acts_on_is_shown_as_an_escape(text: str) -> None:
    assert raw(text) and not raw(plain(text)) and "\\" in plain(text)


@pytest.mark.parametrize("text", FINE)
def test_what_prints_itself_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_no_line_of_a_program_is_printed_raw(text: str) -> None:
    event = runs.event(1, "client: x")
    told = [words.format_output(Output(1, 1, "client", "stdout", text)), words.format_event(type(event)(**{**event.__dict__, "text": text}))]
    run = runs.run("client: x", "client: exit 1", outputs=(Output(5, 5, "client", "stderr", text),))
    assert not raw("".join([*told, *(one.words for one in find(run))]))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("dim", [False, True])
def test_a_row_of_each_programs_colour_reaches_a_terminal_as_a_colour(dim: bool) -> None:
    cast = tuple(Role(f"p{n}", n == 0) for n in range(len(words.COLOURS)))
    for role in cast:
        row = words.row(1, role.name, "\u00b7 EOF", width=120, colour=True, cast=cast, dim=dim)
        out = terminal.Stream(_Terminal())
        out.write(row)
        assert "\x1b[" in row and out.getvalue() == row


def test_the_way_out_lets_the_labs_own_colours_pass_and_nothing_else() -> None:
    for stream, colour in ((io.StringIO(), "\\x1b[31mbad\\x1b[0m"), (_Terminal(), "\x1b[31mbad\x1b[0m")):
        out = terminal.Stream(stream)
        print("\x1b[31mbad\x1b[0m", "\x1b[2J", "\u202e", "\x9b1m", file=out)
        assert stream.getvalue() == f"{colour} \\x1b[2J \\u202e \\x9b1m\n"


def scenario(folder: Path, client: str, contract: str) -> "dict[str, str]":
    """A scenario 90 of its own; the environment in which a command finds it."""
    place = folder / "scenarios" / "90-odd"
    place.mkdir(parents=True)
    (place / "client.c").write_text("#include <stdio.h>\nint main(void)\n{\n" + client + "\n}\n")
    (place / "server.c").write_text("int main(void)\n{\n    return 0;\n}\n")
    if contract:
        (place / "contract.txt").write_text(contract)
    return {**os.environ, "SCENARIOS": str(folder / "scenarios"), "BUILD": str(ready(folder / "build")), "SCHEDULE": "", "TERM": "xterm", "CC": "cc"}


def on_a_terminal(command: str, env: "dict[str, str]") -> str:
    """What a command writes to a terminal that is its standard output and error."""
    ours, theirs = pty.openpty()
    done = Started(command, "90", env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    data = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:         # EIO: everybody has closed the other end
            break
        if not part:
            break
        data += part
    done.wait()
    os.close(ours)
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


OUTPUT = r"""    printf("\x1b[2J\x1b]0;gone\a\xc2\x9b" "31m\xe2\x80\xae\xff\r\n");
    fprintf(stderr, "\x1b[31mlast words\x1b[6n\n");
    return 3;"""
BROKEN = "    int \x1b[2J\u202e;\n    return 0;"


@pytest.mark.parametrize("command, client, contract", [
    ("run", OUTPUT, ""), ("check", OUTPUT, ""), ("check", OUTPUT, "client: listening\nclient ends: exit 0\n"), ("check", BROKEN, ""),
    ("check", "    return 0;", "client: \x1b[2J\u202e\nclient ends: exit 0\n"), ("check", "    return 0;", "client ends: \x1b[2J\n"),
], ids=["run", "told", "check", "compiler", "contract", "contract error"])
def test_no_command_writes_them_to_a_terminal(tmp_path: Path, command: str, client: str, contract: str) -> None:
    shown = on_a_terminal(command, scenario(tmp_path, client, contract))
    assert "\\x1b[" in shown
    for ours in ("\x1b[0m", "\r\x1b[K", *(f"\x1b[{n}m" for n in (31, 32, 33, 34, 35, 36))):
        shown = shown.replace(ours, "")
    assert not raw(shown.replace("\t", ""))
