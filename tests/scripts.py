"""Pairs of small Python programs, for acts that harness/acts.c does not have. The real conductor runs them, as in pairs.py.

A sleep in them races with nothing: under the virtual clock it takes no time, and ends when nothing else can happen.
"""
from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

import pairs
from harness.stage.conductor import Conductor, Live, VirtualClock
from harness.stage.scenarios import Scenario
from harness.trace import Run

HEAD = f"""#!{sys.executable} -ISu
import os, select, socket, struct, sys, time
def listen(host="127.0.0.1", port=8080, reuse=True):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
    if ":" in host:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((host, port))
    sock.listen(5)
    return sock
def dial(host="127.0.0.1", port=8080):
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.connect((host, port))
    return sock
"""


def run(folder: Path, client: str, server: str, *, relay: str = "", stage: str = "", live: bool = False, isolate: bool = True, observe: bool = True) -> Run:
    """Runs the two programs once, under the virtual clock or in real time. `relay` is a third program, and `stage` has the
    lines of a stage.txt."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in (("client", client), ("server", server), *([("relay", relay)] if relay else [])):
        (folder / name).write_text(HEAD + text)
        (folder / name).chmod(0o755)
        (folder / f"{name}.c").write_text("int main(void);\n")     # what a cast is made of
    if stage:
        (folder / "stage.txt").write_text(stage)
    conductor = Conductor(Scenario("99-pair", folder, folder), Live() if live else VirtualClock(), keeper=pairs.lent(isolate), observe=observe)
    made = conductor.run()
    return dataclasses.replace(made, calls=conductor.intake.with_sources(made.calls))
