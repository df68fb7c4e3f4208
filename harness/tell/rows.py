"""The rows of a run that are no segments: what the programs logged, what they did if they log nothing, what they printed, and how
they ended."""
from __future__ import annotations

from dataclasses import dataclass

from ..judge import standard
from ..trace import Run
from . import words

MARK = "\u00b7 "        # stands before a standard line: the program did this, and logged no line about it


@dataclass(frozen=True)
class Row:
    """One row. `kind` is the kind of its event, or "did", "printed", "ended"."""

    seq: int
    ns: int
    who: str
    pid: int
    tid: int
    kind: str
    text: str
    source: str = ""
    connection: int = 0


def rows(run: Run) -> "tuple[Row, ...]":
    """Returns all rows of a run, in the run's order."""
    found = [Row(e.seq, e.ns, e.who, e.pid, e.tid, e.kind, words.said(e), e.source, e.connection) for e in run.events]
    found += [Row(o.seq, o.ns, o.who, 0, 0, "printed", f"{o.stream}: {o.text}", "") for o in run.outputs]
    found += [Row(e.seq, e.ns, e.who, e.pid, 0, "ended", f"({e.how})") for e in run.endings]
    sources = {place: call.source for call in run.calls for place in (call.seq, call.returned)}
    for line in standard.lines(run):
        number = f"[{line.connection}] " if line.connection > 1 else ""
        text = f"{MARK}{number}{line.text}" + (f" {line.data}" if line.data else "")
        found.append(Row(line.seq, line.ns, line.who, line.pid, line.tid, "did", text, sources.get(line.seq, ""), line.connection))
    return tuple(sorted(found, key=lambda row: row.seq))
