"""The player: a run as one HTML file in which a learner goes back and forth. It takes a Run with the story that is told of it,
and returns the page's text.

data.py makes of the run what the page shows: moments in the run's one order, each with the record's number (e12). page.py puts it
into one file, with the style (page.css) and the program (page.js). The file needs no network. Nothing that a program logs, sends
or is called can become markup: the program sets only text, and the page forbids every script but its own.
"""
from __future__ import annotations

from .data import Played, Source
from .page import page

__all__ = ["Played", "Source", "page"]
