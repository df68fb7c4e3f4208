"""The decorator `dataclass` of the standard library, made in a quarter of the time.

The standard one compiles up to six methods for each class. A command has about ninety such classes, and would spend a third of
its start on them. Here `__init__` alone is compiled, and all classes share the code of the other methods. Nothing stops code that
changes a frozen object while the lab runs. The type checker refuses such code (`make lint`).
"""
from __future__ import annotations

import dataclasses
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    def dataclass(cls=None, *, frozen=False):
        """Gives a class __init__, __eq__ and __repr__, and __hash__ if it is frozen."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen)
        dataclasses.dataclass(eq=False, repr=False)(cls)
        key = operator.attrgetter(*(one.name for one in dataclasses.fields(cls) if one.compare))
        cls.__eq__ = lambda self, other: key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented
        cls.__hash__ = (lambda self: hash(key(self))) if frozen else None
        cls.__repr__ = _shown
        return cls

    def _shown(self):
        return f"{self.__class__.__qualname__}({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in dataclasses.fields(self))})"
