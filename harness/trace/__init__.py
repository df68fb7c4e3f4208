"""The records of a run: typed, frozen dataclasses, and their form as JSON Lines (TRACE.md).

The stage makes the records. Whoever judges, tells or tests a run reads them from a Run or from its file, and from nowhere else.
"""
from .jsonl import is_trace, lines, load
from .plain import plain
from .records import (Call, Connection, End, Ending, Event, Exec, Holder, Listener, Output, Record, Role, Run, Segment, Socket, Start, Stop,
                      Waiting)

__all__ = ["Call", "Connection", "End", "Ending", "Event", "Exec", "Holder", "Listener", "Output", "Record", "Role", "Run", "Segment", "Socket", "Start",
           "Stop", "Waiting", "is_trace", "lines", "load", "plain"]
