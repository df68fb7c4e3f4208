"""Who is who: the name in the cast of each process of a run, children and orphans included."""
from __future__ import annotations

import os

from . import kernel


class Members:
    """Names by process id. `keeper` is the process under which all of them live."""

    def __init__(self, names: "tuple[str, ...]", keeper: int) -> None:
        self.names, self.keeper = names, keeper
        self.known: dict[int, str] = {}

    def started(self, pid: int, name: str) -> None:
        self.known[pid] = name

    def born(self, pid: int, child: int) -> None:
        """A process was seen to fork."""
        self.known.setdefault(child, self.who(pid))

    def who(self, pid: int) -> str:
        """The name of the program that a process belongs to: its parent's; of an orphan, what its environment and its process
        group say. "" for a stranger."""
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
