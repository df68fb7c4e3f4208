"""Puts runs into one HTML file: the data, the style, the program."""
from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import Sequence

from ...trace import plain
from .data import Played, data

_HERE = Path(__file__).resolve().parent
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src '{style_hash}'; script-src '{program_hash}'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page shows a run step by step, and needs JavaScript. The same run in the terminal: {reproduce}</noscript>
<main id="player"></main>
<script type="application/json" id="data">{data}</script>
<script>{program}</script>
</body>
</html>
"""


def page(title: str, runs: "Sequence[Played]") -> str:
    """Returns the text of the page. The first one of `runs` is shown first; #run=b shows the second one."""
    title = plain(title)
    style, program = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    told = json.dumps({"title": title, "runs": [data(one) for one in runs]}, separators=(",", ":"))
    return _PAGE.format(title=html.escape(title), style=style, program=program, style_hash=_hash(style), program_hash=_hash(program),
                        reproduce=html.escape(runs[0].reproduce), data=told.replace("<", "\\u003c"))


def _hash(text: str) -> str:
    """Returns the hash by which a Content-Security-Policy allows a script or a style that is in the page itself."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
