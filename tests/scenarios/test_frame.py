"""Does the codec of scenario 8 agree with Python's struct, on every stream, however it is cut? tests/scenarios/frame_check.c asks it.

A stream is a list of pieces (bytes). The model below decodes it as a whole.
"""
from __future__ import annotations

import random
import resource
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Optional

import pytest

from once import once
from ready import ready
from test_common import FLAGS, LIMIT, SANITIZE, need

ROOT = Path(__file__).resolve().parents[2]
CODEC = ROOT / "scenarios/08-length-prefix/frame.c"
FRAME_MAX = 64 * 1024
VARIANTS = {"plain": ("gcc", []), "gcc-sanitizers": ("gcc", SANITIZE), "clang-sanitizers": ("clang", SANITIZE)}
STREAM = b"\0\0\0\5hello" + b"\0\0\0\0" + b"\0\0\0\ttwo\nlines" + b"\0\0\0\1\0"


def frame(payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + payload


def model(stream: bytes) -> str:
    """What frame_check says of it."""
    said, at = [], 0
    while len(stream) - at >= 4:
        length, = struct.unpack_from(">I", stream, at)
        if length > FRAME_MAX:
            return " ".join([*said, f"refused 4 {length}"])
        if len(stream) - at - 4 < length:
            return " ".join([*said, f"end {len(stream) - at} {length}"])
        said.append(stream[at + 4:at + 4 + length].hex() or "-")
        at += 4 + length
    return " ".join([*said, f"end {len(stream) - at} 0"])


@dataclass(frozen=True)
class Check:
    program: Path

    def run(self, what: str, lines: Iterable[str], memory: Optional[int] = None) -> tuple[list[str], int]:
        """An answer for each line, and the largest allocation. memory: bytes of address space, no more."""
        limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))) if memory else None
        done = subprocess.run([self.program, what], input="".join(line + "\n" for line in lines), capture_output=True, text=True,
                              timeout=LIMIT, preexec_fn=limit)
        assert done.returncode == 0, done.stderr
        *answers, last = done.stdout.splitlines()
        return answers, int(last.split()[1])

    def decode(self, streams: Iterable[list[bytes]], how: str = "decode", memory: Optional[int] = None) -> list[str]:
        answers, largest = self.run(how, [" ".join(piece.hex() for piece in pieces if piece) for pieces in streams], memory)
        assert largest <= FRAME_MAX
        return answers


def build(folder: Path, variant: str, codec: Path = CODEC) -> Check:
    compiler, flags = VARIANTS[variant]
    need(compiler)
    program = folder / "frame_check"
    common = [ready(folder / "build") / "libcommon.a"] if variant == "plain" else sorted((ROOT / "common").glob("*.c"))
    sources = [ROOT / "tests/scenarios/frame_check.c", codec, *common]
    subprocess.run([compiler, *FLAGS, *flags, f"-I{CODEC.parent}", "-Wl,--wrap=malloc", *sources, "-o", program], cwd=ROOT, check=True)
    return Check(program)


@pytest.fixture(scope="module", params=VARIANTS)
def check(request, tmp_path_factory) -> Check:
    folder = once(tmp_path_factory, f"frame-{request.param}", lambda folder: build(folder, request.param))
    return Check(folder / "frame_check")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Check:
    return build(tmp_path_factory.mktemp("plain-only"), "plain")


def pieces_of(stream: bytes, luck: random.Random) -> list[bytes]:
    """The stream, cut at random places."""
    ends = sorted(luck.sample(range(len(stream) + 1), luck.randint(0, min(len(stream), 12))))
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)])]


def payload(luck: random.Random) -> bytes:
    sizes = [0, 1, luck.randint(0, 9), luck.randint(0, 300), luck.choice([255, 256, 257, FRAME_MAX - 1, FRAME_MAX])]
    return luck.randbytes(luck.choice(sizes))


def test_a_length_is_four_bytes_the_highest_first(check):
    answers, _ = check.run("encode", [b"hello".hex(), "", (b"x" * 258).hex()])
    assert answers == [(b"\0\0\0\5hello").hex(), "00000000", (b"\0\0\1\2" + b"x" * 258).hex()]


@pytest.mark.parametrize("seed", range(5))
def test_frames_are_encoded_as_struct_does_it(check, seed):
    payloads = [payload(random.Random(f"{seed} {n}")) for n in range(40)]
    assert check.run("encode", [p.hex() for p in payloads])[0] == [frame(p).hex() for p in payloads]


def test_a_payload_over_the_limit_is_not_encoded(check):
    payloads = [b"x" * FRAME_MAX, b"x" * (FRAME_MAX + 1)]
    assert [answer[:8] for answer in check.run("encode", [p.hex() for p in payloads])[0]] == ["00010000", "EMSGSIZE"]


@pytest.mark.parametrize("how", ["decode", "read"])
@pytest.mark.parametrize("seed", range(5))
def test_frames_by_struct_are_decoded_however_they_are_cut(check, seed, how):
    streams = []
    for n in range(30):
        luck = random.Random(f"{seed} {n}")
        stream = b"".join(frame(payload(luck)) for _ in range(luck.randint(0, 6)))
        streams.append(pieces_of(stream[:luck.choice([len(stream), luck.randint(0, len(stream))])], luck))
    assert check.decode(streams, how) == [model(b"".join(pieces)) for pieces in streams]


@pytest.mark.parametrize("how", ["decode", "read"])
def test_every_prefix_says_how_much_of_a_frame_has_come(check, how):
    prefixes = [STREAM[:n] for n in range(len(STREAM) + 1)]
    whole = check.decode([[p] for p in prefixes], how)
    assert whole == check.decode([[bytes([b]) for b in p] for p in prefixes], how) == [model(p) for p in prefixes]
    assert sum(answer.endswith("end 0 0") for answer in whole) == 5     # before, between and behind the four frames


@pytest.mark.parametrize("how", ["decode", "read"])
def test_every_flip_of_a_byte_or_of_a_bit_gives_what_the_model_gives(check, how):
    masks = [255, *(1 << n for n in range(8))]
    flipped = [STREAM[:n] + bytes([STREAM[n] ^ mask]) + STREAM[n + 1:] for n in range(len(STREAM)) for mask in masks]
    answers = check.decode([[stream] for stream in flipped], how)
    assert answers == [model(stream) for stream in flipped]
    assert any("refused" in answer for answer in answers) and any("refused" not in answer for answer in answers)


@pytest.mark.parametrize("seed", range(3))
def test_any_bytes_give_what_the_model_gives(check, seed):
    luck = random.Random(seed)
    streams = [pieces_of(bytes(luck.choice([0, 0, 0, 1, 4, 255, luck.randrange(256)]) for _ in range(luck.randint(0, 60))), luck)
               for _ in range(2000)]
    assert check.decode(streams) == [model(b"".join(pieces)) for pieces in streams]


LIES = [b"\xff\xff\xff\xff", b"\x80\0\0\0", b"\x7f\xff\xff\xff", b"\5\0\0\0", b"\0\1\0\1", b"GET "]


@pytest.mark.parametrize("how", ["decode", "read"])
def test_a_lie_is_refused_before_any_memory_is_taken_for_it(plain, how):
    streams = [[lie, b"abc"] for lie in LIES] * 100
    answers, largest = plain.run(how, [" ".join(piece.hex() for piece in pieces) for pieces in streams], memory=128 << 20)
    assert answers == [model(b"".join(pieces)) for pieces in streams] and all(answer.startswith("refused 4 ") for answer in answers)
    assert largest < 1024


def test_the_largest_frame_takes_as_much_memory_as_it_has_bytes(plain):
    assert plain.run("decode", [frame(b"x" * FRAME_MAX).hex()])[1] == FRAME_MAX


def test_an_empty_frame_is_a_frame_and_what_follows_is_the_next_length(check):
    assert check.decode([[b"\0\0\0\0abc"], [b"\0\0\0\0" * 3]]) == ["- end 3 0", "- - - end 0 0"]


# --- negative controls ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("old, new", [
    ("length > FRAME_MAX", "length > 0xfffffffe"), ("(length > FRAME_MAX)", "((int32_t)length > FRAME_MAX)"),
], ids=["trusted", "signed"])
def test_a_decoder_that_believes_a_lie_is_seen_to_take_the_memory(tmp_path, old, new):
    text = CODEC.read_text()
    assert text.count(old) == 1
    (tmp_path / "frame.c").write_text(text.replace(old, new))
    answers, largest = build(tmp_path, "plain", tmp_path / "frame.c").run("decode", [(b"\x80\0\0\0" + b"abc").hex()], memory=128 << 20)
    assert (answers, largest) == (["error ENOMEM"], 1 << 31)


@pytest.mark.parametrize("old, new", [
    ("    length = ntohl(length);\n", ""), ("length = htonl((uint32_t)n)", "length = (uint32_t)n"),
    ("FRAME_HEADER - in->got;", "FRAME_HEADER;"), ("length > FRAME_MAX", "length >= FRAME_MAX"),
    ("in->got += n;", "in->got += n > 1 ? n : 1 + (in->got == 6);"),
], ids=["no ntohl", "no htonl", "room for too much", "limit", "a byte is counted twice"])
def test_the_comparison_with_struct_sees_a_wrong_codec(tmp_path, old, new):
    text = CODEC.read_text()
    assert text.count(old) == 1
    (tmp_path / "frame.c").write_text(text.replace(old, new))
    wrong = build(tmp_path, "plain", tmp_path / "frame.c")
    streams = [[bytes([b]) for b in STREAM], [STREAM[:2], STREAM[2:]], [frame(b"x" * FRAME_MAX)], [STREAM]]
    with pytest.raises(AssertionError):
        assert wrong.run("encode", [b"hello".hex()])[0] == [frame(b"hello").hex()]
        assert wrong.decode(streams) == [model(b"".join(pieces)) for pieces in streams]
