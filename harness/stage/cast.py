"""Stand-in until stage.txt is read."""
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Mapping, Optional
from ..trace import Role

@dataclass(frozen=True)
class Start:
    kind: str
    who: tuple[str, ...] = ()
    text: str = ""
    nth: int = 0

@dataclass(frozen=True)
class Program:
    name: str
    file: str
    starts: Start
    times: int = 1
    in_turn: bool = False
    listens: Optional[int] = None
    connects: tuple[str, ...] = ()
    input: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    def arguments(self, ports: Mapping[str, int], isolated: bool) -> "list[str]":
        if self.listens is not None:
            return ["localhost", str(self.listens if isolated else 0)]
        return ["localhost", str(ports[self.connects[0]])]

@dataclass(frozen=True)
class Stage:
    path: str
    programs: tuple[Program, ...]
    signals: tuple = ()
    sysctls: tuple = ()
    limit: float = 10
    @property
    def names(self):
        return tuple(p.name for p in self.programs)
    def program(self, name):
        return next(p for p in self.programs if p.name == name)
    def roles(self):
        return tuple(Role(p.name, p.listens is not None, p.times) for p in self.programs)

def load(folder) -> Stage:
    return Stage("stage.txt", (Program("server", "server", Start("at once"), listens=8080), Program("client", "client", Start("listens", ("server",)), connects=("server",))))
