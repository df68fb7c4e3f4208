"""The picture of a run. It takes a Run, and returns an SVG file.

scene decides who takes part and which rows there are. layout gives everything its place. svg measures text and writes the file.
Below the rows stands the run's story. The row at which a sentence's facts begin has the number of that sentence.
"""
from __future__ import annotations

from typing import Optional

from ...judge import findings
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
    told = story.happened(run, verdict)
    places = [(one.at, one.who, n) for one in findings.find(run) if one.at >= 0 for n, words in enumerate(told, 1) if words.startswith(one.words)]
    return Layout(Scene(run), told, places).picture()
