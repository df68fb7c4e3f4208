"""What a run yields: typed, frozen records, and their form as JSON Lines. In come records from the stage; everybody reads them.

Nothing looks at a run from a second angle: who judges, tells or tests reads a Run, or its file (TRACE.md).
"""
from .records import (Ending, Event, Output, Record, Run, Segment, Socket, Stop, Waiting, is_trace, lines, load)

__all__ = ["Ending", "Event", "Output", "Record", "Run", "Segment", "Socket", "Stop", "Waiting", "is_trace", "lines", "load"]
