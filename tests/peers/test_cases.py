"""Pairs that people bring, in plain C and with common/: is the cause told first? The words are parts of the sentence, in their order."""
from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest

import pairs
from harness.judge.findings import Finding, find
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import ROOT, Scenario
from harness.trace import Run
from ready import library

CASES = ROOT / "tests/peers/cases"
TOLD = {
    "eof-spin": ("eof-again", r"The server's \w+ on connection 1 \(server\.c:\d+\) returned 0, [\d,]+ times\. 0 says EOF", "the client has sent its FIN",
                 "a loop that reads must end at 0"),
    "first-only": ("unread-at-end", "7 bytes lie unread in the server's kernel, on connection 1", "The server has read 7 bytes there", "it has gone back to accept"),
    "fork-keeps-fd": ("held-by-another", r"The server's child process closed connection 1 \(server\.c:\d+\), but the server still has it open as descriptor \d+",
                      "A FIN goes out only when the last copy of a connection is closed", "The client waits in read on connection 1"),
    "glued": ("glued|kept-apart-by-time", r"22 bytes: 3 writes of 9, 9 and 4 bytes|bytes of 2 writes of 9 and |2 writes of 9 and |wrote 3 times \(9, 9 and 4 bytes\)",
              "othing in a stream marks where one write ended"),
    "no-newline": ("no-newline", "The client has read all 7 bytes that came on connection 1, and the last one is \"l\", no newline", "waits in read for more, and no FIN has come"),
    "partial-send": ("short-write", r"The server asked send for 20,000,000 bytes on connection 1, and the kernel took [\d,]+", r"It never wrote the other [\d,]+ bytes"),
    "sigpipe": ("written-after-close", r"The server wrote 7 bytes on connection 1 .* after the client had closed it", "answered with a reset"),
    "stdio-echo": ("no-write", "The server has read 6 bytes on connection 1, the last one a newline, has called no write there", "The client waits in read for an answer", "until fflush"),
    "second-client": ("in-accept-queue", "Connection 2 with 18 bytes waits in the accept queue",
                      r"the server waits in read on connection 1, on which nothing has come\."),
    "v6-localhost": ("refused", r"The client asked for \[::1\]:", r"The server listens on 127\.0\.0\.1:",
                     r"only: that is an IPv4 address, and \[::1\] is an IPv6 address\."),
    "in-use": ("in-use", r"The server could not bind 0\.0\.0\.0:5000", r"The server closed connection 1 first\.", "TIME-WAIT",
               r"SO_REUSEADDR, set before bind on both sockets, lets a new listener have the port\."),
    "unread-reset": ("reset-by-unread", r"The server closed connection 1 \(server\.c:\d+\) while 48 bytes lay unread in its kernel", r"sent a reset \(RST\) and no FIN"),
}


def played(case: str, form: str, folder: Path) -> Run:
    """One run of a case, as `plain` or with `common`."""
    source = CASES / case / form
    for name in ("client", "server"):
        shared = [f"-I{ROOT / 'common'}", f"-I{CASES}", str(library())] if form == "common" else []
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-g", "-w", "-pthread", str(source / f"{name}.c"), *shared, "-o", str(folder / name)], check=True)
    conductor = Conductor(Scenario("90-case", source, folder), VirtualClock(), keeper=pairs.lent())
    run = conductor.run()
    return dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))


@pytest.mark.parametrize("form", ["plain", "common"])
@pytest.mark.parametrize("case", TOLD)
def test_the_cause_of_a_case_is_told_first(case: str, form: str, tmp_path: Path) -> None:
    first: Finding = find(played(case, form, tmp_path))[0]
    code, *words = TOLD[case]
    assert re.fullmatch(code, first.code), first
    assert [part for part in words if not re.search(part, first.words)] == [], first.words
