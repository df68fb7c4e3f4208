r"""Makes text of others safe for a terminal: a program's output, a compiler's words or a file's name may hold control characters.

An escape sequence can hide what was printed before, or show what nobody printed. Unicode's characters that turn the direction of
writing can do the same. So each character that is not printable is written as an escape, as Python and C write it: `\x1b[31m`,
`\u202e`.
"""
from __future__ import annotations

import unicodedata


def plain(text: str, keep: str = "") -> str:
    """Returns the text with an escape in place of each character that is not printable. The characters in `keep` and blanks of
    all kinds stay as they are."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")
