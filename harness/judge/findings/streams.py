"""Findings about a stream's bytes and its end: unread, never written, reset, never closed."""
from __future__ import annotations

from typing import Iterator

from .facts import Facts, Finding


def reset_by_unread(facts: Facts) -> "Iterator[Finding]":
    """An end was closed with bytes unread: its kernel answers with a reset, and sends no FIN (RFC 1122, 4.2.2.13)."""
    if not (facts.observed and facts.captured):
        return
    for side in facts.sides.all():
        end = facts.sides.end(side)
        if end is None or not end.holders or any(holder.until < 0 for holder in end.holders):
            continue
        last = max(end.holders, key=lambda holder: holder.until)
        reset = next(facts.segments(side, "R"), None)
        unread = facts.arrived(side, last.until) - facts.took(side, last.until)
        if reset is None or unread <= 0 or any(True for _ in facts.segments(side, "F")):
            continue
        call = next((call for call in facts.calls(side, ("close",)) if call.pid == last.pid and call.seq <= last.until <= max(call.returned, call.seq)), None)
        act = f"closed connection {side[0]}" if last.how == "close" else "ended"
        yield Finding("reset-by-unread", f"The {last.who} {act} while {unread} {'byte' if unread == 1 else 'bytes'} lay unread in its kernel. "
                      f"So its kernel sent a reset (RST) and no FIN.", (last.until, reset.seq), last.until, last.who,
                      call.source if call else "", "10")


FINDINGS = (reset_by_unread,)
