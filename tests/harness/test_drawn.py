"""A real browser draws the pictures: is every text as narrow as the layout thinks, and does the file open without a complaint?"""
from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess

import pytest

from harness.stage.scenarios import ROOT
from harness.tell.diagram import draw, svg
from test_diagram import CROWDS

# Every text with its width in the browser, as JSON in the page.
MEASURE = """<!DOCTYPE html><meta charset="utf-8"><body>%s<pre id="found"></pre><script>
const found = [...document.querySelectorAll('text')].map(one => [one.textContent, one.getComputedTextLength(), parseFloat(getComputedStyle(one).fontSize)]);
document.getElementById('found').textContent = JSON.stringify(found);
</script>"""


def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("chromium is not installed")
    return str(found)


def measured(folder, *pictures: str) -> "list[tuple[str, float, float]]":
    page = folder / "page.html"
    page.write_text(MEASURE % "".join(pictures), encoding="utf-8")
    done = subprocess.run([browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom", f"file://{page}"],
                          capture_output=True, text=True, check=False, timeout=200)
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return [tuple(one) for one in json.loads(html.unescape(found[1]))]


def test_no_text_is_wider_in_a_browser_than_the_layout_thinks(tmp_path):
    pictures = [file.read_text() for file in sorted((ROOT / "lessons/pictures").glob("*.svg"))]
    pictures += [draw(CROWDS[name]).svg() for name in CROWDS if name.startswith(("strange", "long", "deadlock", "a relay"))]
    texts = measured(tmp_path, *pictures)
    assert len(texts) > 500
    # A pixel of grace: a font's numbers are rounded.
    wider = [(words, wide, svg.width(words, int(size))) for words, wide, size in texts if wide > svg.width(words, int(size)) + 1]
    assert wider == []
    assert any(wide > 0.9 * svg.width(words, int(size)) for words, wide, size in texts if len(words) > 10), "nothing was measured"
