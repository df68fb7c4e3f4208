"""The picture of a run. It takes a Run, and returns an SVG file.

scene decides who takes part and which rows there are. layout gives everything its place. svg measures text and writes the file.
"""
from __future__ import annotations

from typing import Optional

from ...judge.comparison import Verdict
from ...trace import Run
from .. import story
from .layout import Layout
from .scene import Scene
from .svg import Picture

__all__ = ["Picture", "draw"]


def draw(run: Run, verdict: Optional[Verdict] = None) -> Picture:
    """Returns the picture; its text is `draw(...).svg()`. With the verdict of a run that kept its contract, remarks are left out
    of its story."""
    return Layout(Scene(run), story.happened(run, verdict)).picture()
