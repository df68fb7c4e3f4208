"""Slips that compile: does the verdict say what C, or the lab, does there, with the real programs? And says it nothing where nobody slipped?"""
from __future__ import annotations

import re

import pytest

import changes
from harness.tell import phrases

POINTER = "is the size of a pointer"
ENDLESS = "stand bytes that are no text. `%s` and `strlen` go on up to a byte 0"
ZERO = "The last byte is a 0"
SLIPS = {
    "sizeof of a pointer, announced": ("4", "client.c", "size_t n = strlen(message);", "size_t n = sizeof message;", POINTER),
    "sizeof of a pointer, not announced": ("4", "client.c", "must(send_all(conn, message, n));", "must(send_all(conn, message, sizeof message));", POINTER),
    "sizeof of a pointer in a raw write": ("0", "client.c", 'write(conn, "This is a message\\n", 18)', 'write(conn, (const char *){"This is a message\\n"}, sizeof(char *))', POINTER),
    "sizeof of a pointer in a read": ("0", "server.c", "char buf[1024];", "char *buf = malloc(1024);", POINTER),
    "sizeof of a pointer in a read, and one line more": ("5", "server.c", "char buf[4096];", "char *buf = (char[4096]){0};", POINTER),
    "no terminator": ("0", "client.c", 'printf("Received message: %.*s", (int)n, buf);', 'buf[n] = 127, buf[n + 1] = 0, printf("Received message: %s", buf);', ENDLESS),
    "the terminator is sent, too": ("4", "client.c", "size_t n = strlen(message);", "size_t n = strlen(message) + 1;", ZERO),
    "the terminator is sent, too, raw": ("0", "client.c", '"This is a message\\n", 18)', '"This is a message\\n", sizeof "This is a message\\n")', ZERO),
    "another length": ("4", "client.c", "size_t n = strlen(message);", "size_t n = strlen(message) - 1;", ""),
    "another word": ("0", "client.c", 'printf("EOF\\n");', 'printf("it is EOF\\n");', ""),
    "eight of nine bytes, in a write each": ("8", "client.c", "size_t i = 0; i < n; i++", "size_t i = 1; i < n; i++", ""),
    "eight bytes of another text": ("4", "client.c", '"This is a message\\n"', '"This it\\n"', ""),
}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return tmp_path_factory.mktemp("slips") / "build"


@pytest.mark.parametrize("number, file, right, slip, words", SLIPS.values(), ids=SLIPS)
def test_the_verdict_says_what_c_does_there(tmp_path, build, number, file, right, slip, words):
    name = {"0": "00-anatomy", "4": "04-half-close", "5": "05-glued-writes", "8": "08-length-prefix"}[number]
    lab = changes.Lab(tmp_path, build, [name], bare=True)
    path = lab.scenarios / name / file
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, slip))
    shown = lab.show("check", number)
    assert shown.status == 1
    assert [said for said in (POINTER, ENDLESS, ZERO) if said in re.sub(r"\s+", " ", shown.text)] == ([words] if words else [])


COUNTED = """    shutdown(conn, SHUT_WR);
    char buf[64];
    size_t sum = 0;
    for (ssize_t n; (n = read(conn, buf, sizeof buf)) > 0;)
        sum += (size_t)n;
    {}("Received %zu bytes in all", sum);
    event("closing");"""


@pytest.mark.parametrize("code, told", [("event(", True), ("event_received(conn, sum, ", False), ('event("that was all");\n    event(', True),
                                        ("event_sending(conn, 0, ", True)], ids=["event", "event_received", "another line between", "event_sending"])
def test_a_line_that_does_not_count_what_was_read_is_not_blamed_on_luck(tmp_path, build, code, told):
    """The order is forced, and the lab goes by lines: it says which line keeps it from the proof."""
    lab = changes.Lab(tmp_path, build, ["09-write-after-goodbye"])
    path, rules = lab.scenarios / "09-write-after-goodbye/server.c", tmp_path / "rules.txt"
    text = path.read_text().replace("#include <unistd.h>", "#include <sys/socket.h>\n#include <unistd.h>")
    path.write_text(text.replace('    event("closing");', COUNTED.replace("{}(", code)))
    rules.write_text('others allowed\nclient: sending "again"\nserver: Received 10 bytes in all  after client: sending "again"\n')
    said = re.sub(r"\s+", " ", lab.show("check", "9", "--contract", str(rules)).text)
    cause = re.search(r"Before that line the server read 10 bytes \(server\.c:\d+\), and its thread's lines since then do not tell the lab so", said)
    assert [("no line proves it" in said), cause is not None] == [told, told], said
    assert "No cause leads" not in said and ("as expected" in said) != told


def test_a_time_limit_that_the_contract_asks_for_is_no_reason_for_what_came_later(tmp_path, build):
    lab = changes.Lab(tmp_path, build, ["25-stale-connection"])
    path = lab.scenarios / "25-stale-connection/client.c"
    again = 'ask(conn, &in, "This is a message 2\\n");'
    path.write_text(path.read_text().replace(again, again + again.replace("2", "3")))
    shown = lab.show("check", "25")
    assert "the client never said" in shown.text and "time limit" not in shown.text


def test_of_a_very_long_line_a_sentence_shows_the_beginning():
    assert phrases.quoted("x" * 501) == f'"{"x" * 500}"...' and phrases.shortened("x" * 501) == "x" * 500 + "..."
    assert phrases.quoted("x" * 500) == f'"{"x" * 500}"' and phrases.shortened("x" * 500) == "x" * 500
