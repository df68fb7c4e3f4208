"""Knows for each process of a run its program's name in the cast, also for children and orphans."""
from __future__ import annotations

import os

from . import kernel


class Members:
    """The names by process id. All processes of the run are descendants of the process `keeper`."""

    def __init__(self, names: "tuple[str, ...]", keeper: int) -> None:
        self.names, self.keeper = names, keeper
        self.known: dict[int, str] = {}

    def started(self, pid: int, name: str) -> None:
        self.known[pid] = name

    def born(self, pid: int, child: int) -> None:
        """Notes that a process was seen to fork."""
        self.known.setdefault(child, self.who(pid))

    def who(self, pid: int) -> str:
        """Returns the name of the program to which a process belongs: the name of its parent, or for an orphan the name that its
        environment or its process group tells. Returns "" for a process that is not of the run."""
        if pid not in self.known:
            above = kernel.parent(pid)
            found = self.known.get(above) or self._from_environment(pid) or self._from_group(pid)
            if not found and above not in (0, 1, self.keeper):
                found = self.who(above)
            if not found:
                return ""
            self.known[pid] = found
        return self.known[pid]

    def _from_environment(self, pid: int) -> str:
        for entry in kernel.environment(pid):
            if entry.startswith("TCPLAB_ROLE="):
                name = entry.partition("=")[2]
                return name if name in self.names else ""
        return ""

    def _from_group(self, pid: int) -> str:
        try:
            return self.known.get(os.getpgid(pid), "")
        except (ProcessLookupError, PermissionError):
            return ""
