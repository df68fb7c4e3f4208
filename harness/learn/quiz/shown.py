"""What a question shows of a run: its lines in columns, and where each program is."""
from __future__ import annotations

import textwrap

from ...judge import causes
from ...tell import explored
from ...tell.phrases import all_of
from ...trace import Event, plain
from .seen import Look, Seen

MOST = 8        # lines of a run that a question shows


def cut(text: str, room: int) -> str:
    text = plain(text)
    return text if len(text) <= room else text[:room - 3] + "..."


def transcript(seen: Seen, look: Look) -> "list[str]":
    """Returns the last lines before a moment, each in its program's column, without times."""
    names = [role.name for role in seen.run.cast if not role.listens] + [role.name for role in seen.run.cast if role.listens][::-1]
    room = (seen.width - 4) // len(names)
    events = seen.before(look)
    found = ["    " + "".join(f"{name:{room}}" for name in names).rstrip()]
    return [*_hidden(seen, look), *found, *(_row(event, names, room) for event in events[-MOST:])]


def _hidden(seen: Seen, look: Look) -> "list[str]":
    """Returns what the lines that are not shown say about bytes."""
    events = seen.before(look)[:-MOST]
    told = []
    for name in dict.fromkeys(e.who for e in events):
        sent, got = (sum(e.count for e in events if (e.who, e.kind) == (name, kind)) for kind in ("send", "recv"))
        told += [f"the {name} has {' and '.join([*([f'sent {sent}'] if sent else []), *([f'received {got}'] if got else [])])}"] if sent or got else []
    if not events:
        return []
    words = "Above the first line that is shown, " + ", and ".join(told) + " bytes." if told else "The connection is made above the first line that is shown."
    return textwrap.wrap(words, seen.width)


def is_clear(seen: Seen, look: Look) -> bool:
    """Does the question show all that is needed for an answer about this moment? (A line about the end of a stream must be among
    the shown ones.)"""
    events = seen.before(look)
    return bool(events) and not any(causes.is_a(e, what) for e in events[:-MOST] for what in ("EOF", "half-closing", "closing", "reset"))


def _row(event: Event, names: "list[str]", room: int) -> str:
    return "    " + " " * (names.index(event.who) * room) + cut(event.text, room - 2)


def moment(seen: Seen, look: Look) -> "list[str]":
    """Returns a sentence or two about which programs are held at a line, and which wait in which call."""
    held = sorted({e.who for e in seen.events if (e.pid, e.tid) in look.held})
    words = []
    if held:
        them, have = ("its", "has") if len(held) == 1 else ("their", "have")
        words.append(f"{all_of(held)} {have} logged {them} last line here, and {have} done nothing since.")
    for name in sorted({w.who for w in look.waiting} - set(held)):
        calls = sorted({w.call for w in look.waiting if w.who == name})
        words.append(f"the {name} waits in {' and in '.join(calls)}" + (", a thread in each." if len(calls) > 1 else "."))
    text = "Nobody moves now. " + " ".join(word[:1].upper() + word[1:] for word in words)
    return textwrap.wrap(text, seen.width)


def head(seen: Seen) -> "list[str]":
    """Returns lines that say of which scenario a question is, and in which of its runs."""
    if not seen.schedule:
        return [f"Scenario {seen.scenario.name}."]
    return textwrap.wrap(f"Scenario {seen.scenario.name}, and one program is held at a line for a while: {explored.setting(seen.schedule, False)}", seen.width,
                         break_on_hyphens=False)
