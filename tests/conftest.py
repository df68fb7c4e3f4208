"""With this, `pytest tests scenarios` also collects the contracts. A conftest's own hooks would see only its own folder, and a
plugin's see all."""
from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Iterator

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = map(str, (TESTS.parent, TESTS, TESTS / "common", TESTS / "lessons"))     # the harness and the shared modules

from harness.observe import kernel      # noqa: E402  (found by the path above)

# Tests that take long, or that wait for real time. If they come last, one processor is busy while the others have nothing left to do.
FIRST = ("torture", "test_the_solution_passes", "test_a_mutant_is_told")
LIMIT = 300     # seconds for one test; the slowest one takes a tenth of it. It only turns a hang into a failure.


def pytest_configure(config: pytest.Config) -> None:
    # A shell script starts a job in the background with these signals ignored, and the programs of a test would inherit that.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)
    if not config.pluginmanager.hasplugin("contract_items"):
        import contract_items
        config.pluginmanager.register(contract_items, "contract_items")


def pytest_collection_modifyitems(items: "list[pytest.Item]") -> None:
    items.sort(key=lambda item: not any(part in item.nodeid for part in FIRST))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    if "pairs" in sys.modules:
        sys.modules["pairs"].make_ready()
    with _limited(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _limited(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    with _limited(item):
        yield


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that spins is stopped after 1 s of processor time, and not after 5 s. A run without progress ends after 4 s, and not
    after 10 s."""
    monkeypatch.setattr("harness.stage.limits.SPIN", 1.0)
    monkeypatch.setattr("harness.stage.conductor.IDLE", 4.0)


@contextlib.contextmanager
def _limited(item: pytest.Item) -> Iterator[None]:
    """Fails a test that hangs, in its fixtures or in itself, and ends the processes that it left. (It does nothing if xdist runs the
    tests in another thread than the main one, because no signal comes there.)"""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = set(kernel.descendants(os.getpid()))

    def too_long(number: int, frame: object) -> None:
        for pid in set(kernel.descendants(os.getpid())) - before:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        raise TimeoutError(f"{item.nodeid} has not ended within {LIMIT} s")

    old = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
