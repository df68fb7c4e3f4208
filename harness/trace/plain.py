"""Text of others, made safe for a terminal: a program's output, a compiler's words, a file's name may hold control characters.

An escape sequence may hide what was printed before, or write what nobody printed. Characters of Unicode that turn the direction of
writing do the same in another way. So what is not printable is written as an escape, as Python and C write it: `\\x1b[31m`, `\\u202e`.
"""
from __future__ import annotations

import unicodedata


def plain(text: str, keep: str = "") -> str:
    """The text with an escape for each character that does not print itself, but for those in `keep`. Blanks of all kinds stay."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")
