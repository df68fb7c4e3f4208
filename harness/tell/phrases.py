"""Small pieces of sentences: numbers with their nouns, quoted text, how a program ended."""
from __future__ import annotations

import re
import textwrap
from typing import Iterable

from ..trace import plain


def count(n: int, what: str) -> str:
    """Returns "1 byte" or "2 bytes"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def titled(name: str) -> str:
    """Returns the title of a run: "scenario 04-half-close"; of programs that were brought by hand "your programs"."""
    return "your programs" if name == "explain" else f"scenario {name}"


def the(who: str, begins: bool = False) -> str:
    """Returns a program's name as a part of a sentence: "the server"; with `begins` "The server". A name with a number stays as
    it is: "server[2]"."""
    return who if who.endswith("]") else f"{'The' if begins else 'the'} {who}"


def was(n: int) -> str:
    return "was" if n == 1 else "were"


def of_them(n: int, whole: int) -> str:
    """Returns how many of a number it is, in words: "all of them", "2 of them"."""
    if n == whole:
        return "it" if whole == 1 else "all of them"
    return "none of them" if n == 0 and whole > 1 else "nothing" if n == 0 else f"{n} of them"


def quoted(text: str) -> str:
    mark = "'" if '"' in text else '"'
    return f"{mark}{plain(text[:_MOST])}{mark}{'...' * (len(text) > _MOST)}"


def shortened(text: str) -> str:
    """Returns a text that is safe to show; of a very long one only the beginning."""
    return plain(text[:_MOST]) + "..." * (len(text) > _MOST)


_MOST = 500     # characters of a text that a sentence shows


def wrapped(text: str, width: int, indent: str = "") -> "list[str]":
    """Returns the text in lines of at most `width` characters; `indent` begins all but the first. What stands between backquotes is code. It is
    broken only where it is longer than a line. A message that begins with a blank is not broken at that blank: " test" would look like "test"."""
    blank = "\x1f"       # in place of a blank that is no place for a break
    whole = re.sub(r"`[^`]*`", lambda code: code[0].replace(" ", blank) if len(code[0]) <= width - len(indent) else code[0], text)
    whole = re.sub(r'(?<![^ ])" ', f'"{blank}', whole)
    return [line.replace(blank, " ") for line in textwrap.wrap(whole, width, subsequent_indent=indent, break_on_hyphens=False)]


def at(source: str) -> str:
    """Returns " (server.c:31)", to follow what a program did; "" if the place is not known."""
    return f" ({source})" if source else ""


def with_source(words: str, source: str) -> str:
    """Returns a finding's words, followed by its place if the words name no place."""
    return words if source in words or re.search(r"\([\w./-]+:\d+[,)]", words) else words + at(source)


def all_of(names: Iterable[str]) -> str:
    """Returns the names in words: "the client and the server"."""
    return " and ".join(f"the {name}" for name in names)


def ended(how: str) -> str:
    """Returns the predicate of a sentence for an Ending's `how`: "ended with exit 0"."""
    if how.startswith("exit "):
        return f"ended with {how}"
    if how.startswith("signal "):
        return f"was ended by signal {how[7:]}"
    if how.startswith("waiting in "):
        return f"waits in {how[11:]}"
    return {"still running": "had not ended", "not known": "ended in a way that is not known here"}.get(how, how)


def sentence(words: str) -> str:
    """Returns the words with a capital letter at the beginning and a full stop."""
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def begin_alike(expected: str, said: str) -> bool:
    """Do two lines have the same words in front of a number or of a quoted text?"""
    found = re.match(r"[^\"0-9]+(?=([\"0-9]))", expected)
    return found is not None and re.match(re.escape(found[0]) + ('"' if found[1] == '"' else "[0-9]"), said) is not None


def again(reproduce: str) -> "list[str]":
    """Returns the last lines of a verdict: the commands that make such a run again, once as a page and once as it was run."""
    page = re.sub(r"\bmake (?:check|scenario)-(\d+)$", r"make play-\1", reproduce)
    return [*([f"as a page: {page}"] if page != reproduce else []), f"reproduce: {reproduce}"]
