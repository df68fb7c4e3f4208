"""What conftest.py promises each test."""
import os
import re
import subprocess
import sys

import pytest

from harness.observe import kernel
from harness.stage.scenarios import ROOT

ENV = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]


def test_the_tests_do_not_depend_on_who_started_them():
    """A shell script's background jobs begin with SIGINT ignored; the tests that send one must not wait for ever."""
    told = subprocess.run(["sh", "-c", 'trap "" INT QUIT HUP; exec "$@"', "sh", *PYTEST, "-k", "ctrl_c", "tests/harness/test_explore.py"],
                          cwd=ROOT, env=ENV, stdout=subprocess.PIPE, text=True)
    assert told.returncode == 0 and "1 passed" in told.stdout


@pytest.mark.parametrize("where", ["test", "fixture"])
def test_a_test_that_hangs_fails_and_what_it_started_ends(where, tmp_path):
    (tmp_path / "test_hangs.py").write_text(f"""
import pytest, subprocess, sys
sys.modules["conftest"].LIMIT = 1
def hang(where):
    if where == {where!r}:
        child = subprocess.Popen(["sleep", "1000"])
        print(f"child {{child.pid}}.")
        child.wait()
@pytest.fixture
def made():
    hang("fixture")
def test_hangs(made):
    hang("test")
""")
    told = subprocess.run([*PYTEST, "-p", "conftest", f"--rootdir={tmp_path}", str(tmp_path)], cwd=tmp_path, env=ENV, stdout=subprocess.PIPE, text=True)
    assert told.returncode == 1 and "test_hangs.py::test_hangs has not ended within 1 s" in told.stdout
    pid = int(re.search(r"^child (\d+)\.$", told.stdout, re.MULTILINE)[1])
    assert kernel.process_state(pid) in ("", "Z", "X")
