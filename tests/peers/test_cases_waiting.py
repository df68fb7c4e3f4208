"""Pairs that people bring, in plain C and with common/: is the cause told, and only it?"""
from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

import pairs
from harness.judge.findings import find
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import ROOT, Scenario

CASES = ROOT / "tests/peers/cases"
TOLD = {
    "second-client": ("in-accept-queue", "Connection 2 with 18 bytes waits in the accept queue", "the server waits in read on connection 1, on which nothing has come."),
    "v6-localhost": ("refused", "The client asked for [::1]:", "The server listens on 127.0.0.1:", "only: that is an IPv4 address, and [::1] is an IPv6 address."),
    "in-use": ("in-use", "The server could not bind 0.0.0.0:5000", "The server closed connection 1 first.", "TIME-WAIT",
               "SO_REUSEADDR, set before bind on both sockets, lets a new listener have the port."),
}


@pytest.mark.parametrize("form", ["plain", "common"])
@pytest.mark.parametrize("case", TOLD)
def test_the_cause_of_a_case_is_told_first(case: str, form: str, tmp_path: Path) -> None:
    folder = CASES / case / form
    for name in ("client", "server"):
        shared = [f"-I{ROOT / 'common'}", *map(str, sorted((ROOT / "common").glob("*.c")))] if form == "common" else []
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-g", "-w", "-pthread", str(folder / f"{name}.c"), *shared, "-o", str(tmp_path / name)], check=True)
    run = Conductor(Scenario("90-case", folder, tmp_path), VirtualClock(), keeper=pairs.lent()).run()
    first = find(dataclasses.replace(run))[0]
    code, *words = TOLD[case]
    assert first.code == code
    assert [part for part in words if part not in first.words] == []
