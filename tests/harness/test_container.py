"""A container's profile refuses some calls. What is proven must stay proven, and what can't be seen must be said."""
from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.observe import ptrace
from harness.stage.scenarios import ROOT

NUMBERS = {"pidfd_getfd": (438, 438), "unshare": (272, 97), "ptrace": (101, 117)}
FILTERED = """
import ctypes, os, struct, sys
numbers = [int(word) for word in sys.argv[1].split(",")]
lines = [(0x20, 0, 0, 0)]
for n, number in enumerate(numbers):
    lines.append((0x15, len(numbers) - n, 0, number))
lines += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]     # allow; EPERM
program = b"".join(struct.pack("=HBBI", *line) for line in lines)
buffer = ctypes.create_string_buffer(program, len(program))
head = ctypes.create_string_buffer(struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer)), 16)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(head), 0, 0) == 0
os.execv(sys.executable, [sys.executable, "-m", "harness", *sys.argv[2:]])
"""


def harness(refused, *words: str) -> subprocess.CompletedProcess:
    place = 0 if ptrace.MACHINE == "x86_64" else 1
    numbers = ",".join(str(NUMBERS[name][place]) for name in refused)
    return subprocess.run([sys.executable, "-c", FILTERED, numbers, *words], cwd=ROOT, capture_output=True, text=True, check=False,
                          env={name: value for name, value in os.environ.items() if not name.startswith("TCPLAB_")})


@pytest.mark.skipif(not ptrace.SUPPORTED, reason="no call numbers for this machine")
@pytest.mark.parametrize("refused", [("pidfd_getfd", "unshare"), ("pidfd_getfd",), ("unshare",)])
def test_the_deadlock_of_scenario_2_is_proven_all_the_same(refused):
    done = harness(refused, "check", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a deadlock, proven, as the contract says" in done.stdout
    assert ("no network of its own here" in done.stdout) == ("unshare" in refused), done.stdout


def test_where_tracing_is_refused_a_line_says_so_and_scenarios_keep_their_contracts():
    done = harness(("ptrace",), "check", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "system calls are not looked at: this system does not let one process trace another" in done.stdout
    assert done.stdout.count("system calls are not looked at") == 1, done.stdout


def test_with_neither_sockets_nor_calls_nothing_is_proven_and_it_is_said():
    done = harness(("pidfd_getfd", "unshare", "ptrace"), "check", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not looked at: whether this is a deadlock" in done.stdout
