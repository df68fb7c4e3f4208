"""`pytest tests scenarios` collects the contracts too: a conftest's own hooks would see its own folder only, a plugin's see all."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.hasplugin("contract_items"):
        import contract_items
        config.pluginmanager.register(contract_items, "contract_items")
