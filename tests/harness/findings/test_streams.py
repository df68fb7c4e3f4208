"""Each finding about a stream: a pair that has it, and a near miss that has not."""
from __future__ import annotations

from pathlib import Path

import pairs
import pytest
from harness.judge.findings import find


@pytest.mark.parametrize("server, codes", [
    ("listen; accept; read 4; close", ["reset-by-unread"]),
    ("listen; accept; read 5; close", []),
])
def test_an_end_that_is_closed_with_bytes_unread(tmp_path: Path, server: str, codes: "list[str]") -> None:
    run = pairs.run(tmp_path / "pair", "connect; write 5; readall 1", server)
    assert [one.code for one in find(run)] == codes
