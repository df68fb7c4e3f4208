"""Process and thread ids: a program in a PID namespace of the run sees other numbers than the harness does (pid_namespaces(7)).

A log line names its sender by the program's own numbers, and the kernel tells the harness who really sent it. Who traces the programs
tells of each birth by which number the new thread knows itself.
"""
from __future__ import annotations

from typing import Optional


class Pids:
    """One run's. Ids are the harness's, unless they are called a thread's own."""

    def __init__(self) -> None:
        self._threads: dict[tuple[int, int], int] = {}      # process, a thread's own id: that thread

    def born(self, pid: int, tid: int, own: int) -> None:
        """A thread of a process was born, or has executed a program, and knows itself as `own`."""
        self._threads[pid, own] = tid

    def thread(self, pid: int, own_pid: int, own_tid: int) -> Optional[int]:
        """The thread of process `pid` that calls itself `own_tid`, and its process `own_pid`. None if that process has other ids.
        A process of whose birth nobody told has no others than the harness knows."""
        if pid == own_pid:
            return own_tid
        if self._threads.get((pid, own_pid)) != pid:
            return None
        return self._threads.get((pid, own_tid))
