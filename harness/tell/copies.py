"""How many processes have one end of a connection, in words, from each place on at which that changes."""
from __future__ import annotations

from typing import Iterator

from ..trace import End

_LATER = 1 << 60        # a place behind all records


def copies(end: End) -> "Iterator[tuple[int, str]]":
    """Yields (place, words), as after fork: "2 processes have the connection". That one process has it goes without saying, so the
    words are "" where nobody has it any more. If a copy was sent to another process (SCM_RIGHTS), it is not known from then on how
    many have it."""
    began = next((one.since for one in end.holders if one.pid == end.pid), min((one.since for one in end.holders), default=0))
    spans = [(max(one.since, began), one.until if one.until >= 0 else _LATER) for one in end.holders]
    sent = min((one.since for one in end.holders if one.pid < 0), default=_LATER - 1)
    before = 1
    for place in sorted({place for span in spans for place in span if place <= sent}):
        many = sum(since <= place < until for since, until in spans)
        if place == sent:
            yield place, "a copy was sent to another process"
        elif not many:
            yield place, ""
        elif many != before:
            yield place, "1 process keeps the connection" if many == 1 else f"{many} processes {'keep' if many < before else 'have'} the connection"
        before = many or 1
