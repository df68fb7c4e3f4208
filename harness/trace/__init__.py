"""What a run yields: typed, frozen records, and their form as JSON Lines. In come records from the stage; everybody reads them.

Nothing looks at a run from a second angle: who judges, tells or tests reads a Run, or its file (TRACE.md).
"""
from .jsonl import is_trace, lines, load
from .plain import plain
from .records import (Call, Connection, End, Ending, Event, Holder, Listener, Output, Record, Role, Run, Segment, Socket, Start, Stop,
                      Waiting)

__all__ = ["Call", "Connection", "End", "Ending", "Event", "Holder", "Listener", "Output", "Record", "Role", "Run", "Segment", "Socket", "Start",
           "Stop", "Waiting", "is_trace", "lines", "load", "plain"]
