"""Does the codec of scenario 20 write and read what Go does, and can no stream hurt it?

tests/scenarios/gob_check.c is the codec on the command line; tests/peers/go/gob_check.go has Go's own behind the same lines. A stream is
a line of hex; what comes back is the values, as JSON, and one of "end", "unfinished: BYTES" and "refused: WORDS".
"""
import json
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from once import once
from test_common import FLAGS, LIMIT, ROOT, VARIANTS, need

CODEC = ROOT / "scenarios/20-gob-stream/gob/gob.c"
FIXTURES = ROOT / "tests/scenarios/gob"
KINDS = 20  # types in gob_check


@dataclass(frozen=True)
class Codec:
    """A program that speaks gob by lines: gob_check in C or in Go."""
    path: Path
    is_go: bool = False

    def run(self, *args, text=""):
        done = subprocess.run([str(self.path), *map(str, args)], input=text, capture_output=True, encoding="utf-8",
                              errors="backslashreplace", timeout=LIMIT)
        assert done.returncode == 0, (args, done.returncode, done.stdout[-500:], done.stderr[-3000:])
        return done.stdout.split("\n")[:-1]

    def streams(self, type, streams, chunks="all"):
        """What each of the streams (bytes) says to a receiver of this type."""
        text = "".join(stream.hex() + "\n" for stream in streams)
        said = self.run("streams", type, *([] if self.is_go else [chunks]), text=text)
        assert len(said) == len(streams)
        return said

    def stream(self, type, stream, chunks="all"):
        return self.streams(type, [stream], chunks)[0]

    def samples(self, *zero):
        """{type: a stream with one value of it}."""
        return {name: bytes.fromhex(stream) for name, stream in (line.split() for line in self.run("samples", *zero))}


CHECK = ROOT / "tests/scenarios/gob_check.c"


def compiled(variant, *arguments):
    compiler, flags, _ = VARIANTS[variant]
    need(compiler)
    subprocess.run([compiler, *FLAGS, *flags, *map(str, arguments)], cwd=ROOT, check=True)


def build(folder, variant, codec=CODEC, *more, check=CHECK):
    """`check`: gob_check.c, or an object made of it."""
    program = folder / f"gob_check-{variant}"
    compiled(variant, *more, check, codec, "-o", program)
    return Codec(program)


def built(factory, variant):
    return Codec(once(factory, f"gob-{variant}", lambda folder: build(folder, variant)) / f"gob_check-{variant}")


@pytest.fixture(scope="session", params=[name for name in VARIANTS if name != "valgrind"])
def codec(request, tmp_path_factory):
    return built(tmp_path_factory, request.param)


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    return built(tmp_path_factory, "plain")


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    need("go")
    source = str(ROOT / "tests/peers/go/gob_check.go")
    folder = once(tmp_path_factory, "gob-go", lambda folder: subprocess.run(["go", "build", "-o", str(folder / "gob_check"), source],
                                                                            check=True, timeout=LIMIT))
    return Codec(folder / "gob_check", is_go=True)


def how(said):
    """A line without the words and figures after "refused" or "unfinished", which are not Go's."""
    return said.partition(": ")[0]


# --- the bytes ------------------------------------------------------------------------------------------------------

MESSAGE = "22 ff81 03 0101 03 4d7367 01 ff82 00 0102 0103 536571 0104 00 0104 54657874 010c 00 00 00 "
MINIMUM, MAXIMUM = -2**63, 2**63 - 1
GOLDEN = [
    ((1, "hi"), MESSAGE + "09 ff82 01 02 01 02 6869 00"),
    ((2, "hello"), "0c ff82 01 04 01 05 68656c6c6f 00"),
    ((0, ""), "03 ff82 00"),
    ((0, "x"), "06 ff82 02 01 78 00"),
    ((3, ""), "05 ff82 01 06 00"),
    ((-1, "neg"), "0a ff82 01 01 01 03 6e6567 00"),
    ((64, "a"), "09 ff82 01 ff80 01 01 61 00"),
    ((1 << 40, "é"), "0f ff82 01 fa020000000000 01 02 c3a9 00"),
    ((7, "a" * 200), "ffd0 ff82 01 0e 01 ffc8" + "61" * 200 + "00"),
    ((MINIMUM, ""), "0d ff82 01 f8ffffffffffffffff 00"),
    ((MAXIMUM, ""), "0d ff82 01 f8fffffffffffffffe 00"),
]
# Slices of All: each number alone, since elements are sent whatever they are; the field Real is -0.0 and left out.
NUMBERS = bytes.fromhex("ff82"
                        "07 02 00 01"
                        "01 0a 00 02 01 7e ff80 ff81 fd1e8480 fa020000000000 f8ffffffffffffffff f8fffffffffffffffe"
                        "01 06 00 07 7f ff80 fe0100 f8ffffffffffffffff"
                        "01 04 fef83f fe3140 00 ff80"
                        "01 02 02 00ff 00"
                        "00")
STREAM = b"".join(bytes.fromhex(line) for _, line in GOLDEN)
THREE = b"".join(bytes.fromhex(line) for _, line in GOLDEN[:3])


def message(seq, text):
    return f'{{"Seq":{seq},"Text":"{text.encode().hex()}"}}'


SAID = " ".join(message(*value) for value, _ in GOLDEN) + " end"


def check_golden(codec):
    written = codec.run("golden")
    assert written[:-1] == [bytes.fromhex(line).hex() for _, line in GOLDEN]
    assert bytes.fromhex(written[-1]).endswith(bytes([len(NUMBERS)]) + NUMBERS)
    for chunks in ("all", 1, 7, -1):
        assert codec.stream("Msg", STREAM, chunks) == SAID


def test_the_golden_bytes_both_ways(codec):
    check_golden(codec)


def test_go_has_the_same_golden_bytes(go):
    values = "".join(message(*value) + "\n" for value, _ in GOLDEN)
    assert go.run("encode", "Msg", text=values) == [STREAM.hex()]
    assert go.stream("Msg", STREAM) == SAID


def test_the_golden_numbers_are_gos_too(plain, go):
    value = json.loads(plain.stream("All", bytes.fromhex(plain.run("golden")[-1]))[:-4])
    assert value["Wholes"] == [0, 1, -1, 63, 64, -65, 1000000, 1 << 40, MINIMUM, MAXIMUM]
    assert (value["Real"], value["Reals"][3]) == ("0000000000000000", "8000000000000000")
    value.update(Real="8000000000000000")  # and Go does not send that either
    assert bytes.fromhex(go.run("encode", "All", text=json.dumps(value) + "\n")[0]).endswith(NUMBERS)


# --- streams that end early, or are wrong ---------------------------------------------------------------------------

ENDS = {0: 0, 45: 1, 58: 2, 62: 3}  # where three messages may end, and how many values there are by then


def check_prefixes(codec):
    prefixes = [THREE[:n] for n in range(len(THREE) + 1)]
    expected = []
    for n in range(len(prefixes)):
        last = max(end for end in ENDS if end <= n)
        values = [message(*value) for value, _ in GOLDEN[:ENDS[last]]]
        expected.append(" ".join([*values, f"unfinished: {n - last}" if n > last else "end"]))
    for chunks in ("all", 1, 3):
        assert codec.streams("Msg", prefixes, chunks) == expected
    return expected


def test_every_prefix_is_a_clean_end_or_unfinished(codec):
    check_prefixes(codec)


def test_go_tells_the_same_of_every_prefix(plain, go):
    prefixes = [THREE[:n] for n in range(len(THREE) + 1)]
    assert go.streams("Msg", prefixes) == [how(said) for said in check_prefixes(plain)]


def flips(stream, masks):
    return [stream[:i] + bytes([stream[i] ^ mask]) + stream[i + 1:] for i in range(len(stream)) for mask in masks]


FLIPPED = {"Msg": flips(THREE, range(1, 256)),
           "All": flips((FIXTURES / "all.gob").read_bytes()[:360], [1, 2, 4, 8, 16, 32, 64, 128, 255])}


SOME = slice(None, None, 7)     # every byte, and every mask, but not each with each: what is done with these takes long


def check_flips(codec, type="Msg"):
    said = codec.streams(type, FLIPPED[type])
    assert codec.streams(type, FLIPPED[type][SOME], 1) == said[SOME]
    assert codec.streams(type, FLIPPED[type][SOME], -5) == said[SOME]
    return said


@pytest.mark.parametrize("type", FLIPPED)
def test_every_flipped_byte_is_survived_and_told_alike_however_it_comes(codec, type):
    said = check_flips(codec, type)
    assert sum("refused" in line for line in said) > len(said) / 4


# What Go lets pass, or would go on with: all that gob.h says, and ids, which it cuts to 32 bits.
STRICTER = ["left over at the end of a message", "calls itself", "message of ", "within a number", "is not supported",
            "a name with a zero byte", "a name of more", "a field without a name", "an empty description", "more than",
            "two descriptions in one", "is out of range", "unknown type id 18", "unknown type id 21"]


@pytest.mark.parametrize("type", FLIPPED)
def test_a_flipped_byte_means_the_same_to_go_or_is_refused_here_for_a_known_reason(plain, go, type):
    pairs = zip(plain.streams(type, FLIPPED[type][SOME]), go.streams(type, FLIPPED[type][SOME]))
    different = [(ours, theirs) for ours, theirs in pairs if how(ours) != how(theirs)]
    assert [pair for pair in different
            if not any(words in pair[0].partition("refused:")[2] for words in STRICTER)] == []


# --- limits -----------------------------------------------------------------------------------------------------------

def uint(u):
    if u < 128:
        return bytes([u])
    n = (u.bit_length() + 7) // 8
    return bytes([256 - n]) + u.to_bytes(n, "big")


def int_(i):
    return uint(2 * i if i >= 0 else 2 * ~i + 1)


def text(words):
    words = words.encode()
    return uint(len(words)) + words


def framed(*parts):
    body = b"".join(parts)
    return uint(len(body)) + body


def common(name, id):
    return b"\1" + text(name) + b"\1" + int_(id) + b"\0"


def struct(name, fields, id=65, inner=None):
    """The description of a struct: fields is {name: id}, or a list of pairs."""
    pairs = list(fields.items() if isinstance(fields, dict) else fields)
    return framed(int_(-id), b"\3\1", common(name, id if inner is None else inner), b"\1", uint(len(pairs)),
                  *[common(*pair) for pair in pairs], b"\0\0")


def slice_(name, elem, id):
    return framed(int_(-id), b"\2\1", common(name, id), b"\1", int_(elem), b"\0\0")


def value(*parts, id=65):
    return framed(int_(id), *parts)


MSG = struct("Msg", {"Seq": 2, "Text": 6})
LISTS = struct("All", {"Wholes": 66, "Texts": 67, "Yeses": 68}) + slice_("[]int", 2, 66) + slice_("[]string", 6, 67) + \
    slice_("[]bool", 1, 68)
LONG = "N" * 63
MESSAGES = 64 * 1024

REFUSED = [
    # numbers
    (b"\xf7" + bytes(9), "length of a message: a number of more than 8 bytes"),
    (b"\x80", "length of a message: a number of more than 8 bytes"),
    (MSG + value(b"\1\xf7", bytes(9), b"\0"), "field Seq: a number of more than 8 bytes"),
    (MSG + value(b"\1\xfe\1"), "field Seq: the message ends within a number"),
    # messages
    (b"\0", "message of 0 bytes (at most 65536)"),
    (uint(MESSAGES + 1), "message of 65537 bytes (at most 65536)"),
    (b"\xfc\xff\xff\xff\xff", "message of 4294967295 bytes (at most 65536)"),
    (b"\xf8" + b"\xff" * 8, "message of 18446744073709551615 bytes (at most 65536)"),
    (MSG + value(b"\1\2\0", b"\0"), "1 bytes left over at the end of a message"),
    (MSG + value(b"\0" + bytes(500)), "500 bytes left over at the end of a message"),
    (framed(MSG[1:], b"\0"), "1 bytes left over at the end of a message"),
    (framed(b"\xff"), "type id: the message ends within a number"),
    (framed(int_(2**31), b"\0"), "type id 2147483648 is out of range"),
    (framed(int_(-2**31), b"\0"), "type id -2147483648 is out of range"),
    (framed(int_(-2**63), b"\0"), "type id -9223372036854775808 is out of range"),
    # values
    (value(b"\0"), "unknown type id 65"),
    (value(b"\0", id=0), "unknown type id 0"),
    (MSG + value(b"\0", id=66), "unknown type id 66"),
    (value(b"\0\6", id=2), "int received, a struct wanted"),
    (value(b"\0\1\2", id=5), "[]byte received, a struct wanted"),
    (slice_("", 6, 70) + value(b"\0\0", id=70), "[]string received, a struct wanted"),
    (MSG + value(b"\3\2\0"), "type Msg: a field that its description does not have"),
    (MSG + value(b"\1\2\2\2\0"), "type Msg: a field that its description does not have"),
    (MSG + value(b"\1\2", b"\xf8" + b"\xff" * 8, b"\0"), "type Msg: a field that its description does not have"),
    (MSG + value(b"\1\2"), "type Msg: the message ends within a number"),
    (MSG + value(b"\2\5abc\0"), "field Text: longer than the rest of its message"),
    (MSG + value(b"\2\xf8" + b"\xff" * 8 + b"abc\0"), "field Text: longer than the rest of its message"),
    (struct("Msg", {"Seq": 2, "Old": 5}) + value(b"\2\5abc\0"), "field Old: longer than the rest of its message"),
    (struct("Msg", {"Seq": 2, "Old": 66}) + slice_("", 1, 66) + value(b"\2\5\1\1\1\0"),
     "field Old: more elements than the message has bytes"),
    (struct("Msg", {"Seq": 2, "Old": 66}) + slice_("", 6, 66) + value(b"\2\2\0\1"),
     "field Old: longer than the rest of its message"),
    (LISTS + value(b"\1\5\1\1\1\0"), "field Wholes: more elements than the message has bytes"),
    (LISTS + value(b"\1\xf8" + b"\xff" * 8, bytes(9)), "field Wholes: more elements than the message has bytes"),
    (LISTS + value(b"\1", uint(4097), bytes(4098)), "field Wholes: too many elements in the slices of one value (at most 4096)"),
    (LISTS + value(b"\1", uint(4096), bytes(4096), b"\1\1\0\0"),
     "field Texts: too many elements in the slices of one value (at most 4096)"),
    (LISTS + value(b"\2\2\1a\5b\0\0"), "field Texts: longer than the rest of its message"),
    (LISTS + value(b"\1\xfe\1"), "field Wholes: the message ends within a number"),
    # descriptions
    (framed(int_(-65), b"\3\1", common("T", 65), b"\1"), "type T: the message ends within a number"),
    (struct("A", {"Seq": 2}, 63), "type id 63 described, but ids below 64 are built in"),
    (struct("A", {"Seq": 2}, 2), "type id 2 described, but ids below 64 are built in"),
    (MSG + MSG, "type id 65 described twice"),
    (b"".join(struct(f"T{i}", {"A": 2}, i) for i in range(64, 97)), "more than 32 types described"),
    (struct("A", {"Seq": 2}, 65, inner=66), "type A: described as 65, but calls itself 66"),
    (framed(int_(-65), b"\0"), "type : an empty description"),
    (framed(int_(-65)), "type : the message ends within a number"),
    (framed(int_(-65), b"\x08\0"), "type : a field that its description does not have"),
    (framed(int_(-65), b"\2\1", common("T", 65), b"\1\4\0", b"\1\1", common("T", 65), b"\0\0"), "type T: two descriptions in one"),
    (struct("Wide", [(f"F{i}", 2) for i in range(17)]), "type Wide: more than 16 fields"),
    (framed(int_(-65), b"\3\1", common("T", 65), b"\1\xf8" + b"\xff" * 8), "type T: more than 16 fields"),
    (struct(LONG + "N", {"A": 2}), "type : a name of more than 63 bytes"),
    (struct("T", {LONG + "N": 2}), "type T: a name of more than 63 bytes"),
    (struct("T\0", {"A": 2}), "type : a name with a zero byte in it"),
    (struct("T", {"Seq\0x": 2}), "type T: a name with a zero byte in it"),
    (struct("T", {"": 2}), "type T: a field without a name"),
    (framed(int_(-65), b"\3\1\1\x40abc"), "type : longer than the rest of its message"),
    (slice_("[][]int", 66, 65), "type [][]int: a slice of type 66 is not supported"),
    (slice_("[]complex128", 7, 65), "type []complex128: a slice of complex is not supported"),
    (slice_("Self", 65, 65), "type Self: a slice of type 65 is not supported"),
    (framed(int_(-65), b"\2\1", common("T", 65), b"\0\0"), "type T: a slice of type 0 is not supported"),
    (struct("T", {"Seq": 2, "Z": 7}) + value(b"\0"), "field Z: complex is not supported"),
    (struct("T", {"Seq": 2, "Any": 8}) + value(b"\0"), "field Any: interface is not supported"),
    (struct("T", {"Seq": 2, "Next": 65}) + value(b"\0"), "field Next: T, a struct in a struct, is not supported"),
    (struct("T", {"Seq": 2, "Far": 66}) + value(b"\0"), "field Far: unknown type id 66"),
    (struct("T", {"Seq": 2, "Far": -1}) + value(b"\0"), "field Far: unknown type id -1"),
    # what does not fit
    (struct("T", {"Seq": 6}) + value(b"\0"), "field Seq: string received, int wanted"),
    (struct("T", {"Seq": 66}) + slice_("", 2, 66) + value(b"\0"), "field Seq: []int received, int wanted"),
    (struct("T", {"Text": 5}) + value(b"\0"), "field Text: []byte received, string wanted"),
    (struct("T", {"Texts": 2}) + value(b"\0"), "type T: no field in common with Msg"),
    (struct("T\n\x1b[1m", {"Texts": 2}) + value(b"\0"), "type T??[1m: no field in common with Msg"),
]


def check_refused(codec):
    for type in ("Msg", "All"):
        ours = [(stream, words) for stream, words in REFUSED if (stream.startswith(LISTS)) == (type == "All")]
        for chunks in ("all", 1):
            said = codec.streams(type, [stream for stream, _ in ours], chunks)
            for line, (_, words) in zip(said, ours):
                assert line == f"refused: {words}"


def test_what_is_refused_and_in_which_words(codec):
    check_refused(codec)


ZERO = message(0, "")
GOOD = [
    (struct("Msg", {"Seq": 2, "Text": 6}, 64) + value(b"\1\2\0", id=64), message(1, "")),
    (struct("Msg", {"Seq": 2, "Text": 6}, 2**31 - 1) + value(b"\0", id=2**31 - 1), ZERO),
    (MSG + value(b"\1\xff\2\0"), message(1, "")),
    (MSG + value(b"\1\xf8" + bytes(7) + b"\2\0"), message(1, "")),
    (b"\xf8" + bytes(7) + MSG + value(b"\0"), ZERO),
    (b"\xf8" + bytes(7) + MSG + b"\xf8" + bytes(5) + b"\1\0\0" + value(b"\2\xfd", (65536 - 8).to_bytes(3, "big"), b"a" * 65528, b"\0")[4:],
     message(0, "a" * 65528)),
    (MSG + value(b"\2", uint(65528), b"a" * 65528, b"\0"), message(0, "a" * 65528)),
    (struct(LONG, {LONG: 2, "Seq": 2}) + value(b"\2\2\0"), message(1, "")),
    (struct("Wide", [("Seq", 2)] + [(f"F{i}", 2) for i in range(15)]) + value(b"\1\2" * 16, b"\0"), message(1, "")),
    (b"".join(struct(f"T{i}", {"Seq": 2}, i) for i in range(64, 96)) + value(b"\0", id=95), ZERO),
    (struct("T", {"Seq": 2, "seq": 2}) + value(b"\1\2\1\4\0"), message(1, "")),
    (struct("T", [("Seq", 2), ("Seq", 2)]) + value(b"\1\2\1\4\0"), message(2, "")),
    (struct("T", {"Seq": 2, "Old": 66}) + slice_("", 6, 66) + value(b"\2\2\0\1a\0"), ZERO),
    (struct("", {"Seq": 2}) + value(b"\0"), ZERO),
]


def test_what_is_unusual_and_good(codec):
    for chunks in ("all", 1, -3):
        assert codec.streams("Msg", [stream for stream, _ in GOOD], chunks) == [f"{said} end" for _, said in GOOD]


def test_4096_elements_are_good(codec):
    said = codec.stream("All", LISTS + value(b"\1", uint(4000), bytes(4000), b"\1\x60", bytes(96), b"\0"), 1000)
    assert said.endswith(" end") and json.loads(said[:-4])["Texts"] == [""] * 96


def test_go_takes_what_is_unusual_and_good(go):
    assert go.streams("Msg", [stream for stream, _ in GOOD]) == [f"{said} end" for _, said in GOOD]


def test_what_the_encoder_refuses(codec):
    assert codec.run("refused") == [
        "field seq: Go sees only names that begin with a capital letter",
        "field _Seq: Go sees only names that begin with a capital letter",
        "field : Go sees only names that begin with a capital letter",
        "type Twice: two fields are called A",
        "field A: no such kind",
        f"field {'A' * 40}...: a name of 64 bytes (at most 63)",
        f"type {'A' * 40}...: a name of 64 bytes (at most 63)",
        "type Wide: 17 fields (at most 16)",
        "type All: 4097 elements in its slices (at most 4096)",
        "type Base: message of 65537 bytes (at most 65536)",
        "type Base: no room",
        "type []int: more than 32 types",
        "type Fewer: more than 32 types"]


def test_too_little_room_changes_nothing(codec):
    assert codec.run("rooms") == ["640"]


# --- schemas ----------------------------------------------------------------------------------------------------------

def matrix(receiver, senders):
    """{(sender, receiver): what is received} for all pairs of types."""
    streams = list(senders.values())
    return {(sender, type): how(said)
            for type in senders for sender, said in zip(senders, receiver.streams(type, streams))}


@pytest.mark.parametrize("zero", [(), ("zero",)])
def test_two_ends_with_different_structs_understand_each_other_as_in_go(plain, go, zero):
    theirs = matrix(go, go.samples(*zero))
    assert matrix(plain, go.samples(*zero)) == theirs
    assert matrix(plain, plain.samples(*zero)) == theirs
    assert matrix(go, plain.samples(*zero)) == theirs
    assert len(theirs) == KINDS ** 2 and 100 < sum(said == "refused" for said in theirs.values()) < 350


def test_a_slice_that_two_types_have_is_described_once(codec, go):
    stream = bytes.fromhex(codec.run("shared")[0])
    assert stream.count(b"[]int") == 1
    assert codec.stream("Fewer", stream) == go.stream("Fewer", stream) == '{"B":"62"} {"B":"62"} end'


def test_the_outcomes_of_different_structs_are_these(codec):
    """Without Go: who is refused, of those that differ from Base{A int; B string}."""
    received = codec.streams("Base", list(codec.samples().values()))
    refused = {name for name, said in zip(codec.samples(), received) if "refused" in said}
    assert refused == {"Msg", "All", "Other", "Yes", "Natural", "Real", "Bytes", "Text", "Yeses", "Wholes", "Naturals",
                       "Reals", "Byteses", "Texts"}
    assert codec.stream("Empty", codec.samples()["Base"]) == "{} end"
    assert codec.stream("Base", codec.samples()["Empty"]) == '{"A":0,"B":""} end'


# --- random values ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("seed", range(1, 7))
def test_random_values_come_back_from_c_to_c(codec, seed):
    stream, *values = codec.run("random", seed, 30)
    assert codec.stream("All", bytes.fromhex(stream), -seed) == " ".join([*values, "end"])


@pytest.mark.parametrize("seed", range(11, 17))
def test_random_values_are_the_same_bytes_in_c_and_go(plain, go, seed):
    stream, *values = plain.run("random", seed, 30)
    assert go.stream("All", bytes.fromhex(stream)) == " ".join([*values, "end"])
    theirs = go.run("encode", "All", text="".join(value + "\n" for value in values))[0]
    assert plain.stream("All", bytes.fromhex(theirs), -seed) == " ".join([*values, "end"])
    if go.samples()["Msg"].hex().startswith("22ff81"):  # a Go that numbers its types from 65 on, as 1.19 does
        assert theirs == stream


def random_value(dice):
    def one(kind):
        return {"Yes": lambda: dice.random() < 0.5, "Whole": lambda: dice.getrandbits(64) - 2**63 >> dice.randrange(64),
                "Natural": lambda: dice.getrandbits(64) >> dice.randrange(64), "Real": lambda: f"{dice.getrandbits(64):016x}",
                "Bytes": lambda: dice.randbytes(dice.choice([0, 1, 5, 127, 128, 300])).hex(),
                "Text": lambda: dice.randbytes(dice.randrange(9)).hex()}[kind]()

    kinds = ["Yes", "Whole", "Natural", "Real", "Bytes", "Text"]
    value = {kind: one(kind) for kind in kinds}
    for kind in kinds:
        value[kind + ("es" if kind in ("Yes", "Bytes") else "s")] = [one(kind) for _ in range(dice.choice([0, 0, 1, 3, 130]))]
    return value


@pytest.mark.parametrize("seed", range(21, 27))
def test_random_values_from_go_come_out_in_random_pieces(codec, go, seed):
    dice = random.Random(seed)
    values = [random_value(dice) for _ in range(20)]
    stream = go.run("encode", "All", text="".join(json.dumps(value) + "\n" for value in values))[0]
    *said, end = codec.stream("All", bytes.fromhex(stream), -seed).split()
    assert [json.loads(line) for line in said] == values and end == "end"


# --- recorded streams of Go -------------------------------------------------------------------------------------------

ALL = ('{"Yes":true,"Whole":-9223372036854775808,"Natural":18446744073709551615,"Real":"c004000000000000","Bytes":"00ff",'
       '"Text":"68c3a920e4b896","Yeses":[true,false,true],"Wholes":[0,-1,1,1099511627776],'
       '"Naturals":[0,127,128,9223372036854775808],'
       '"Reals":["0000000000000000","3fb999999999999a","7ff0000000000000","8000000000000000"],'
       '"Byteses":["","01"],"Texts":["","74776f"]}')
NOTHING = ('{"Yes":false,"Whole":0,"Natural":0,"Real":"0000000000000000","Bytes":"","Text":"","Yeses":[],"Wholes":[],'
           '"Naturals":[],"Reals":[],"Byteses":[],"Texts":[]}')
RECORDED = {
    "messages": ("Msg", " ".join(message(*value) for value, _ in GOLDEN[:9]) + " end"),
    "all": ("All", f"{ALL} {NOTHING} {ALL} end"),
    "narrow": ("All", NOTHING.replace('"Wholes":[]', '"Wholes":[-2147483648,7]').replace('"Texts":[]', '"Texts":["61","62"]') + " end"),
    "newer": ("Msg", " ".join([message(1, "hi"), message(2, ""), message(0, "last"), "end"])),
    "map": ("Msg", "refused: type map[string]int: a map is not supported"),
    "nested": ("Msg", "refused: field Inner: Msg, a struct in a struct, is not supported"),
    "time": ("Msg", "refused: type Time: a GobEncoder is not supported"),
    "array": ("Msg", "refused: type [3]int: an array is not supported"),
    "matrix": ("Msg", "refused: type [][]int: a slice of type 66 is not supported"),
    "complex": ("Msg", "refused: field Z: complex is not supported"),
    "interface": ("Msg", "refused: field Any: interface is not supported"),
    "number": ("Msg", "refused: int received, a struct wanted"),
    "list": ("Msg", "refused: []string received, a struct wanted"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_stream_recorded_from_go_is_read(codec, name):
    type, said = RECORDED[name]
    for chunks in ("all", 1, -2):
        assert codec.stream(type, (FIXTURES / f"{name}.gob").read_bytes(), chunks) == said


def test_each_recorded_stream_is_expected_to_say_something():
    assert {path.stem for path in FIXTURES.glob("*.gob")} == set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_go_still_sends_what_was_recorded(go, plain, name):
    sent = subprocess.run([str(go.path), "fixture", name], check=True, capture_output=True).stdout
    type, said = RECORDED[name]
    if go.samples()["Msg"].hex().startswith("22ff81"):
        assert sent == (FIXTURES / f"{name}.gob").read_bytes()
    assert plain.stream(type, sent).split(":")[0] == said.split(":")[0]


def test_descriptions_are_told(codec):
    stream = (FIXTURES / "newer.gob").read_bytes()
    said = codec.run("describe", "Msg", text=stream.hex() + "\n")[0]
    assert said.startswith("newer=65(Extra:type 66,Seq:int,Ratio:float64,Text:string,Raw:[]byte,Flags:type 67) "
                           "[]string=66[string] []bool=67[bool] {")


# --- would these tests see a fault? -------------------------------------------------------------------------------------

MUTANTS = {
    "the bytes that follow are counted wrongly": ("256 - n)", "257 - n)", check_golden),
    "the value is not cleared": ("memset(value, 0, type->size);", "", check_golden),
    "the rest does not move to the front": ("memmove(in->bytes, in->bytes + in->start, in->end - in->start);", ";", check_golden),
    "a description is an end": ("in->waiting = result == 2 ? in->waiting + taken : 0;", "in->waiting = 0;", check_prefixes),
    "a message need not be whole": ("if (n > left(&from))\n        return 0;", "", check_prefixes),
    "a number goes on behind the message": ("if (n > left(from))\n        return wrong(from, cut_off);", "", check_flips),
    "a text goes on behind the message": ("if (u > left(from))", "if (0)", check_flips),
    "a field without a description": ("if (delta > count - *next)", "if (0)", check_flips),
    "a name without an end": ("if (text.len > GOB_NAME_MAX)", "if (0)", check_refused),
    "more fields than there is room for": ("if (count > GOB_FIELDS_MAX)", "if (0)", check_refused),
    "more elements than there is room for": ("if (count > GOB_ITEMS_MAX - in->used)", "if (0)", check_refused),
    "more types than there is room for": ("if (in->described == GOB_TYPES_MAX)", "if (0)", check_refused),
    "bytes left over": ("if (left(&from) > 0)", "if (0)", check_refused),
    "a type described twice": ("if (find(in, id) < in->described)", "if (0)", check_refused),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_in_the_codec_is_seen(tmp_path, tmp_path_factory, monkeypatch, name):
    monkeypatch.setenv("ASAN_OPTIONS", "symbolize=0")       # where it is, nobody asks here, and to find that takes long
    old, new, check = MUTANTS[name]
    source = CODEC.read_text()
    assert source.count(old) == 1, old
    (tmp_path / "gob.c").write_text(source.replace(old, new))
    (tmp_path / "gob.h").write_text(CODEC.with_suffix(".h").read_text())
    fast = ("-w", "-O0")
    check_c = once(tmp_path_factory, "gob-check", lambda folder: compiled("gcc-sanitizers", *fast, "-c", CHECK, "-o", folder / "gob_check.o")) / "gob_check.o"
    codec = build(tmp_path, "gcc-sanitizers", tmp_path / "gob.c", *fast, check=check_c)
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        check(codec)
