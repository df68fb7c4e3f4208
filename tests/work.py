"""Counts how much work a function does. So a test can refuse work that grows with the square of a run's length, on any machine."""
from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Callable


def steps(function: Callable[..., object], *args: object) -> int:
    """Returns how many of Python's own instructions the call takes. A loop inside the interpreter (`x in numbers`) counts as one."""
    count = 0

    def trace(frame: FrameType, what: str, arg: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return counted

    def counted(frame: FrameType, what: str, arg: Any) -> Any:
        nonlocal count
        if what == "opcode":
            count += 1
        return counted
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*args)
    finally:
        sys.settrace(before)
    return count


def grows(function: Callable[[Any], object], make: Callable[[int], Any], n: int = 75) -> float:
    """Returns by which factor the work for make(2n) is more than for make(n): about 2 if it is linear, about 4 if it is
    quadratic."""
    function(make(2))       # what is done only once
    return steps(function, make(2 * n)) / steps(function, make(n))
