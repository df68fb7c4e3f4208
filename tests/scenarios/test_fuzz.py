"""Do the fuzz targets (tests/fuzz) find what is wrong, and nothing in what is right? A run here is short: .ci/run fuzzes.

Each planted bug is a change of one place in a copy of the lab: a short run must end with an input that shows it.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("*.c"))
LIMIT = 280     # seconds: a net for a run that hangs; -runs ends it


@pytest.fixture(scope="module", autouse=True)
def fuzzer(tmp_path_factory) -> None:
    """Skips where clang or its libFuzzer is missing; in CI, where it must be there, fails."""
    program = tmp_path_factory.mktemp("probe") / "probe"
    try:
        subprocess.run(["clang", "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", program], check=True,
                       input=b"int LLVMFuzzerTestOneInput(void) { return 0; }", capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("clang's libFuzzer is not installed")


@dataclass(frozen=True)
class Fuzzed:
    status: int
    said: str
    build: Path


def fuzz(lab: Path, name: str, runs: int) -> Fuzzed:
    """tests/fuzz.sh of the lab in that folder: so many inputs, the same ones each time."""
    env = {**os.environ, "BUILD": str(lab / "build"), "FUZZ_FLAGS": f"-runs={runs} -seed=1"}
    done = subprocess.run(["sh", "tests/fuzz.sh", str(LIMIT), name], cwd=lab, env=env, capture_output=True, text=True, timeout=2 * LIMIT)
    return Fuzzed(done.returncode, done.stdout + done.stderr, lab / "build" / "fuzz")


@pytest.fixture
def lab(tmp_path) -> Path:
    """A copy of what is fuzzed."""
    for folder in ("common", "scenarios/08-length-prefix", "scenarios/20-gob-stream", "tests/fuzz"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("exercises", "mutants"))
    shutil.copy(ROOT / "tests/fuzz.sh", tmp_path / "tests")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_what_is_right(lab, name):
    fuzzed = fuzz(lab, name, runs=500)
    assert fuzzed.status == 0 and re.search(rf"^fuzz: {name}: fine, [5-9]\d\d inputs, cov: ", fuzzed.said, re.M), fuzzed.said


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_has_inputs_to_begin_with(name):
    assert len(list((ROOT / "tests/fuzz/corpus" / name).iterdir())) >= 3


READER, FRAME = "common/reader.c", "scenarios/08-length-prefix/frame.c"
BUGS = {
    "a newline that begins a piece is overlooked": ("reader", READER, "first + searched, '\\n', (size_t)n)", "first + searched + 1, '\\n', (size_t)n - 1)"),
    "the rest at the end is lost": ("reader", READER, "take(in, searched, line);\n            return 0;", "take(in, 0, line);\n            return 0;"),
    "the room's last byte is not moved": ("reader", READER, "in->buf + in->start, n)", "in->buf + in->start, n - (n == READER_ROOM))"),
    "a long line's last byte is not moved": ("reader", READER, "in->buf + in->start, n)", "in->buf + in->start, n - (n > READER_ROOM))"),
    "a line has no longest length": ("reader", READER, "} else if (n == READER_LINE_MAX) {", "} else if (n == READER_LINE_MAX + 1) {"),
    "more memory than is promised": ("reader", READER, "malloc(READER_LINE_MAX); //", "malloc(2 * READER_LINE_MAX); //"),
    "a long line's memory is never given back": ("reader", READER, "    if (in->buf != in->room)\n        free(in->buf);\n    in->buf = NULL;", "    in->buf = NULL;"),
    "the length is trusted": ("frame", FRAME, "length > FRAME_MAX", "length > 0x7fffffff"),
    "the length is signed": ("frame", FRAME, "if (length > FRAME_MAX)", "if ((int32_t)length > FRAME_MAX)"),
    "the limit is one too high": ("frame", FRAME, "if (length > FRAME_MAX)", "if (length > FRAME_MAX + 1)"),
    "the length's bytes are taken in this machine's order": ("frame", FRAME, "    length = ntohl(length);\n", ""),
    "one read is one payload": ("frame", FRAME, "in->got += n;", "in->got += in->got < FRAME_HEADER ? n : FRAME_HEADER + in->length - in->got;"),
    "an empty frame waits for a byte": ("frame", FRAME, "return in->got >= FRAME_HEADER && in->got", "return in->got > FRAME_HEADER && in->got"),
    "a payload is never given back": ("frame", FRAME, "    free(in->payload);\n", ""),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_its_input_shows_it_again(lab, bug):
    name, path, old, new = BUGS[bug]
    change(lab / path, old, new)
    fuzzed = fuzz(lab, name, runs=20000)
    again = re.search(rf"^fuzz: {name}: a finding, see \S+; again: (\S+) (\S+)$", fuzzed.said, re.M)
    assert fuzzed.status == 1 and again, fuzzed.said
    flags = re.findall(r"^// flags: (.*)$", (lab / f"tests/fuzz/{name}.c").read_text(), re.M)
    assert subprocess.run([*again.groups(), *" ".join(flags).split()], capture_output=True).returncode != 0


def test_a_target_that_does_not_build_says_so(lab):
    change(lab / FRAME, "free(in->payload);", "free(in->payload)")
    assert fuzz(lab, "frame", runs=1).status == 2
