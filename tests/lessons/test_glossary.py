"""Is each word of the field defined once, in one sentence, and linked where a reader meets it first?

The glossary is lessons/glossary.md: a heading for each word, and one sentence below. A word counts as used where it stands in a page's
prose: not in code, tables, headings, quotations or links, and not in the section Predict, which `make predict-N` shows on a terminal. A reader may come to any page first, so on each page
the first use of a word is a link to its sentence. Four words stand on each page from its first lines on; they are links where the lessons, one after the other, use them first.
"""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.stage.scenarios import ROOT

FOLDER = ROOT / "lessons"
FIRST = FOLDER / "two-programs.md"
LESSONS = sorted(FOLDER.glob("[0-9][0-9]-*.md"))
GLOSSARY = FOLDER / "glossary.md"

# Words of the field that need a sentence as soon as a lesson uses them.
WORDS = ("ACK backlog buffer client connection deadlock delimiter descriptor EOF FIN flag frame half-close kernel listener loopback payload "
         "peer port queue reset RST segment server socket stream SYN thread wire").split()
EVERYWHERE = {"client", "connection", "kernel", "server"}
# Capitals that are no word of the field: documents, other protocols, files, C.
NAMES = set("C DELETE DNS GET HTTP JSON NUL NULL POSIX PUT README RFC TCP TLS TRACE UNIX WSL XDR DAWN CLOSE".split())

# The section Predict; blocks of code, indented code, headings and rows of tables; code, quotations and links in a line.
NO_PROSE = (r"^## Predict\n[\s\S]*?(?=^## )", r"^```[\s\S]*?^```$", r"^    \S.*$", r"^[#|].*$", r"`[^`]*`", r'"[^"]{0,200}"', r"\[[^\]]*\]\([^)]*\)")


def prose(page: str) -> str:
    """The page with all that is no prose blanked out; what is left keeps its place."""
    for pattern in NO_PROSE:
        page = re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), page, flags=re.M)
    return page


def entries(page: str) -> "dict[str, str]":
    """word: what stands below its heading. A word that stands twice is an error."""
    found = re.findall(r"^## (.+)\n\n((?:.+\n)+)", page, re.M)
    assert len(dict(found)) == len(found), "a word is defined twice"
    return dict(found)


def uses(word: str) -> "re.Pattern[str]":
    return re.compile(rf"(?<![\w-]){re.escape(word)}s?(?![\w-])", 0 if word[:2].isupper() else re.I)


def link_of(word: str) -> str:
    return f"](glossary.md#{word.lower()})"


def sentence_complaints(found: "dict[str, str]") -> "list[str]":
    """Each word has one sentence."""
    return [f"{word}: no single sentence: {text!r}" for word, text in found.items()
            if text.count("\n") != 1 or not re.fullmatch(r"[A-Z][^\n]*[^.\n]\.", text.strip()) or re.search(r"[.!?] [A-Z]", text)]


def first_use_complaints(page: str, words: "list[str]", name: str) -> "list[str]":
    """Each of the words that the page uses is a link before it stands there without one."""
    found = []
    for word in words:
        plain, link = uses(word).search(prose(page)), page.find(link_of(word))
        if plain and not 0 <= link < plain.start():
            found.append(f"{name}: the first {word!r} is no link: [{plain[0]}{link_of(word)}")
    return found


def unknown(page: str, defined: "dict[str, str]") -> "set[str]":
    """Words in capitals, and words of the list, that a page uses and nobody defines."""
    text = prose(page)
    capitals = set(re.findall(r"(?<![\w-])[A-Z][A-Z0-9-]*[A-Z0-9](?![\w-])", text)) - NAMES
    listed = {word for word in WORDS if uses(word).search(text)}
    return {word for word in capitals | listed if word not in defined and not re.fullmatch(r"M\d\d|C11|NN", word)}


def _text(paths: "list[Path]") -> str:
    return "\n".join(path.read_text() for path in paths)


def test_each_word_is_defined_once_in_one_sentence():
    found = entries(GLOSSARY.read_text())
    assert len(found) >= len(WORDS) and sentence_complaints(found) == []


@pytest.mark.parametrize("path", [FIRST, *LESSONS], ids=lambda path: path.stem)
def test_each_word_of_the_field_that_a_page_uses_is_defined(path):
    assert unknown(path.read_text(), entries(GLOSSARY.read_text())) == set(), "define each in lessons/glossary.md, or name it in NAMES above"


def test_each_entry_is_used_by_a_lesson():
    pages = prose(_text(LESSONS)) + " ".join(re.findall(r"\[([^\]]*)\]\(glossary\.md#", _text(LESSONS)))
    assert [word for word in entries(GLOSSARY.read_text()) if not uses(word).search(pages)] == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_first_use_of_a_word_on_a_page_is_a_link_and_the_only_one(path):
    page, words = path.read_text(), set(entries(GLOSSARY.read_text())) - EVERYWHERE
    assert first_use_complaints(page, sorted(words), path.name) == []
    assert [word for word in sorted(words) if page.count(link_of(word)) > 1] == []


def test_the_first_use_of_each_word_is_a_link():
    words = list(entries(GLOSSARY.read_text()))
    assert first_use_complaints(FIRST.read_text(), words, FIRST.name) == []
    assert first_use_complaints(_text(LESSONS), words, "the lessons") == []


def test_each_link_names_its_word():
    for name, words, anchor in re.findall(r"(\[([^\]]+)\]\(glossary\.md#([\w-]+)\))", _text([FIRST, *LESSONS])):
        assert uses(anchor.upper() if words[:2].isupper() else anchor).fullmatch(words), name


def picture() -> "list[str]":
    return re.findall(r"^```text\n(.*?)^```$", FIRST.read_text(), re.M | re.S)[0].splitlines()


def test_the_picture_is_plain_and_its_boxes_are_closed():
    lines = picture()
    assert all(line.isascii() and len(line) <= 80 for line in lines)
    edges = [line for line in lines if "-+" in line and line.count("+--") >= 2]
    assert len({line.index("+") for line in edges}) == 1 and len({line.rindex("+") for line in edges}) == 1
    assert all(len(line) == len(edges[0]) for line in lines if line.rstrip().endswith(("|", "+")) and not line.startswith("       |"))
    assert {"client", "server", "kernel", "queue", "segments", "wire", "read", "write"} <= set(re.findall(r"\w+", "\n".join(lines)))


# --- do the checks refuse what they must? -------------------------------------------------------------------------------

def test_two_sentences_are_refused():
    assert sentence_complaints({"stream": "Bytes in order. They have an end.\n"}) and sentence_complaints({"x": "no sentence\n"})


def test_a_first_use_without_a_link_is_refused():
    page = "A segment carries bytes. A [segment](glossary.md#segment) has flags.\n"
    assert first_use_complaints(page, ["segment"], "page") and not first_use_complaints("A [segment](glossary.md#segment), segments.", ["segment"], "page")


def test_a_word_that_nobody_defines_is_refused():
    assert unknown("The kernel sends a PSH and a FIN over the wire.\n", {"FIN": "", "kernel": ""}) == {"PSH", "wire"}
    assert unknown("`SYN` and\n\n    FIN in code\n\n```\nRST\n```\n", {}) == set()
