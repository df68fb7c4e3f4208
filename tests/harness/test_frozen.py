"""The lab's own `dataclass` behaves as the one of the standard library."""
from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from harness import frozen
from harness.stage.scenarios import ROOT


def made(decorator: Any) -> Any:
    @decorator(frozen=True)
    class Pair:
        """Two fields that count, and one that does not."""

        first: int
        second: "tuple[int, ...]" = ()
        beside: str = dataclasses.field(default="", compare=False)
    return Pair


OURS, THEIRS = made(frozen.dataclass), made(dataclasses.dataclass)


@pytest.mark.parametrize("kind", (OURS, THEIRS))
def test_objects_are_equal_if_all_fields_are_that_count(kind: Any) -> None:
    one = kind(1, (2,), "here")
    assert one == kind(1, (2,), "there") and hash(one) == hash(kind(1, (2,), "there"))
    assert one != kind(1, (3,), "here") and one != (1, (2,)) and len({one, kind(1, (2,)), kind(2)}) == 2
    assert dataclasses.replace(one, first=4) == kind(4, (2,))


def test_an_object_is_shown_with_its_fields() -> None:
    assert repr(OURS(1, (2,), "here")) == repr(THEIRS(1, (2,), "here"))


def test_only_a_frozen_object_may_be_in_a_set() -> None:
    @frozen.dataclass
    class Open:
        number: int
    with pytest.raises(TypeError, match="unhashable"):
        {Open(1)}


def test_objects_of_two_classes_are_never_equal() -> None:
    assert OURS(1) != made(frozen.dataclass)(1)


# Each class of the standard decorator would take half a millisecond of the start of each command.
def test_all_of_the_harness_uses_the_quick_decorator() -> None:
    slow = re.compile(r"from dataclasses import .*\bdataclass\b|dataclasses\.dataclass\(.*\n\s*class ")
    assert [path.name for path in (ROOT / "harness").rglob("*.py") if slow.search(path.read_text())] == ["frozen.py"]
