"""Process and thread ids. A program in a PID namespace of the run sees other numbers than the harness does (pid_namespaces(7)).

A log line names its sender by the program's own numbers, and the kernel tells the harness who really sent it. The tracer reports
at each birth by which number the new thread knows itself.
"""
from __future__ import annotations

from typing import Optional


class Pids:
    """The ids of one run. An id is the harness's number, unless it is called a thread's own."""

    def __init__(self) -> None:
        self._threads: dict[tuple[int, int], int] = {}      # by process and a thread's own id: the thread's id
        self._borrows: set[int] = set()                     # processes that have the memory of their parents: vfork(2)

    def born(self, pid: int, tid: int, own: int) -> None:
        """Notes that a thread of a process was born, or has executed a program. The thread knows itself as `own`."""
        self._threads[pid, own] = tid

    def borrows(self, pid: int) -> None:
        """Notes that a process has its parent's memory, until it ends or executes a program. So it knows itself by its parent's ids."""
        self._borrows.add(pid)

    def thread(self, pid: int, own_pid: int, own_tid: int) -> Optional[int]:
        """Returns the thread of process `pid` that calls itself `own_tid` and its process `own_pid`; None if the process has no
        such ids. A process whose birth was not reported has the ids that the harness knows."""
        if pid == own_pid:
            return own_tid
        if self._threads.get((pid, own_pid)) != pid:
            return pid if pid in self._borrows else None
        return self._threads.get((pid, own_tid))

    def process(self, own: int) -> int:
        """Returns the process that knows itself as `own`. If no thread's own id was told, all have the ids that the harness knows. Returns
        -1 if there is no such process."""
        found = [pid for (pid, its), tid in self._threads.items() if its == own and tid == pid]
        return found[-1] if found else -1 if self._threads else own
