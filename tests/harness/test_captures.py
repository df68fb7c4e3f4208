"""Does a capture file say what we say? tshark reads it, and its reading of every segment is compared with ours."""
from __future__ import annotations

import base64
import dataclasses
import functools
import re
import struct
import subprocess

import pytest

import runs
import shark
from harness.judge.wire import readings
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import find_all
from harness.tell import wire
from harness.tell.rows import rows
from harness.trace import Run, Segment
from pairs import lent, run
from test_wire import frame, parsed

# What tshark calls our marks. Its "retransmission" has finer kinds, each of which is a retransmission for us.
ANALYSIS = {"again": ("retransmission", "fast_retransmission", "spurious_retransmission", "out_of_order"), "gap": ("lost_segment",),
            "zero window": ("zero_window",), "probe": ("zero_window_probe",), "probe answer": ("zero_window_probe_ack",), "keep-alive": ("keep_alive",),
            "keep-alive answer": ("keep_alive_ack",), "window full": ("window_full",), "window update": ("window_update",), "same again": ("duplicate_ack",)}
FIELDS = ["frame.protocols", "tcp.srcport", "tcp.seq", "tcp.ack", "tcp.len", "tcp.window_size", "tcp.flags", "tcp.payload", "frame.comment",
          "systemd_journal.message", "systemd_journal.comm", "frame.time_epoch", "frame.len", *(f"tcp.analysis.{name}" for names in ANALYSIS.values() for name in names)]
NAMES = [scenario.name for scenario in find_all() if int(scenario.number) < 90]


@functools.lru_cache(maxsize=None)
def made(name: str) -> Run:
    scenario = next(one for one in find_all() if one.name == name)
    build([scenario])
    conductor = Conductor(scenario, VirtualClock(), keeper=lent())
    run = conductor.run()
    return dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls))


def complaints(folder, *those: Run) -> "list[str]":
    """Where tshark reads something else than we do. It starts once for all of these runs, and each of them has a server's port of its own."""
    file = folder / "run.pcapng"
    file.write_bytes(b"".join(wire.capture(one, "told", "make check-4") for one in those))
    theirs = shark.rows(file, FIELDS)
    ours = [(one, mine) for one in those for mine in sorted([*readings(one), *rows(one)], key=lambda row: getattr(row, "segment", row).seq)]
    found = [] if len(ours) == len(theirs) else [f"{len(ours)} rows of ours, {len(theirs)} of tshark's"]
    told = {id(one): wire.Told(one) for one in those}
    for (one, mine), row in zip(ours, theirs):
        pairs = _segment(told[id(one)], mine, row) if hasattr(mine, "segment") else _line(mine, row)
        found += [f"{one.name} e{getattr(mine, 'segment', mine).seq}: {what}: {a!r} is {b!r} for tshark" for what, a, b in pairs if a != b]
    return found


def served_at(run: Run, port: int) -> Run:
    """The run as if its server had listened on another port than 8080."""
    def there(segment: Segment) -> Segment:
        raw = bytearray(base64.b64decode(segment.frame))
        at = 14 + (40 if raw[14] >> 4 == 6 else 20)
        ports = [port if one == 8080 else one for one in struct.unpack_from("!HH", raw, at)]
        struct.pack_into("!HH", raw, at, *ports)
        ends = (re.sub(r":8080$", f":{port}", end) for end in (segment.source, segment.target))
        return dataclasses.replace(segment, frame=base64.b64encode(raw).decode(), **dict(zip(("source", "target"), ends)))
    return dataclasses.replace(run, segments=tuple(map(there, run.segments)))


def _line(row, theirs):
    yield "protocol", True, "systemd_journal" in theirs["frame.protocols"]
    yield "text", row.text.replace("\\", "\\\\"), theirs["systemd_journal.message"].replace("\\", "\\\\")
    yield "program", row.who, theirs["systemd_journal.comm"]


def _segment(told, mine, theirs):
    s = mine.segment
    yield "protocol", True, "tcp" in theirs["frame.protocols"]
    yield "port", s.source.rpartition(":")[2], theirs["tcp.srcport"]
    yield "length", str(s.length), theirs["tcp.len"]
    if s.connection or "R" not in s.flags:      # a reset that refuses a SYN is a part of no stream: its number is 0, and tshark shows 1
        yield "offset", str(s.first), theirs["tcp.seq"]
    if "A" in s.flags:
        yield "acknowledged", str(s.ack), theirs["tcp.ack"]
    yield "window", str(s.window), theirs["tcp.window_size"]
    bits = int(theirs["tcp.flags"] or "0", 16)
    yield "flags", s.flags, "".join(letter for bit, letter in ((2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "A")) if bits & bit)
    payload = bytes.fromhex(theirs["tcp.payload"])[:64]
    yield "payload", s.data, payload.decode("latin-1")
    yield "comments", "\x1f".join(wire.comments(told, mine)), theirs["frame.comment"]
    yield "time", f"{s.ns / 1e9:.9f}", theirs["frame.time_epoch"]
    for mark, names in ANALYSIS.items():
        yield mark, mark in mine.marks, any(theirs[f"tcp.analysis.{name}"] for name in names)


def test_tshark_reads_each_segment_and_each_line_as_we_do(tmp_path):
    shark.need("tshark")
    those = [served_at(made(name), 21100 + n) for n, name in enumerate(NAMES)]
    if not all(one.wire for one in those):
        pytest.skip("packets can't be captured here")
    assert all(one.segments and rows(one) for one in those)
    assert all(f":{21100 + n}" in segment.source + segment.target for n, one in enumerate(those) for segment in one.segments)     # a conversation of its own
    assert complaints(tmp_path, *those) == []


def test_a_line_that_stands_elsewhere_in_the_capture_is_found(tmp_path, monkeypatch):
    shark.need("tshark")
    run = made(NAMES[1])
    real = wire.pcapng.write
    monkeypatch.setattr(wire.pcapng, "write", lambda run, lines, *more: real(run, [dataclasses.replace(lines[0], seq=lines[4].seq), *lines[1:]], *more))
    assert complaints(tmp_path, run)


def test_a_capture_that_says_something_else_is_found(tmp_path):
    shark.need("tshark")
    run = made(NAMES[1])
    if not run.wire:
        pytest.skip("packets can't be captured here")
    data = next(one for one in run.segments if one.length)
    wrong = {"offset": {"first": data.first + 1}, "acknowledged": {"ack": data.ack + 1}, "flags": {"flags": "FA"}, "window": {"window": 5}, "payload": {"data": "x"}}
    others = [dataclasses.replace(served_at(dataclasses.replace(run, segments=tuple(dataclasses.replace(one, **change) if one is data else one for one in run.segments)),
                                            21100 + n), name=what) for n, (what, change) in enumerate(wrong.items())]
    found = complaints(tmp_path, *others)
    assert [what for what in wrong if not any(line.startswith(f"{what} e{data.seq}: {what}: ") for line in found)] == []


# --- what scenarios do not show: frames of our own making ------------------------------------------------------------------

SYN, ACK, PSH, FIN, RST = 2, 16, 8, 1, 4


def spoken(*frames: "tuple[int, ...]", port: int = 80) -> Run:
    """A run with these segments. A frame: from side 0 or 1, sequence number, acknowledgement, bits, payload bytes, window."""
    raw = []
    for side, sequence, ack, bits, length, window in frames:
        ports = (5, port) if side == 0 else (port, 5)
        data = frame(*ports, sequence, ack, bits, length, data=bytes(length))
        at = 14 + 20 + 14
        raw.append(data[:at] + struct.pack("!H", window) + data[at + 2:])
    segments = tuple(Segment(n, n * 50_000_000, 1, ("client", "server")[seen.source.endswith(f":{port}")], seen.flags, seen.first, seen.length, seen.ack, seen.window,
                             seen.source, seen.target, seen.data.decode("latin-1"), base64.b64encode(seen.frame).decode()) for n, seen in enumerate(parsed(*raw)))
    return dataclasses.replace(runs.run(""), events=(), endings=(), segments=segments, wire=True)


HELLO = ((0, 100, 0, SYN, 0, 1000), (1, 500, 101, SYN | ACK, 0, 1000), (0, 101, 501, ACK, 0, 1000))


SPOKEN = [
    ("syn, syn-ack, made", ((0, 101, 501, PSH | ACK, 5, 1000),)),
    ("again", ((0, 101, 501, PSH | ACK, 5, 1000), (0, 101, 501, PSH | ACK, 5, 1000))),
    ("gap", ((0, 111, 501, PSH | ACK, 5, 1000),)),
    ("zero window, probe, probe answer, window update", ((0, 101, 501, PSH | ACK, 900, 1000), (1, 501, 1001, ACK, 0, 0), (0, 1001, 501, ACK, 1, 1000),
                                                         (1, 501, 1001, ACK, 0, 0), (1, 501, 1001, ACK, 0, 800))),
    ("window full", ((0, 101, 501, PSH | ACK, 1000, 1000), (1, 501, 1101, ACK, 0, 0))),
    ("keep-alive, keep-alive answer", ((0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 106, ACK, 0, 1000), (0, 105, 501, ACK, 0, 1000), (1, 501, 106, ACK, 0, 1000))),
    ("same again", ((0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 106, ACK, 0, 1000), (1, 501, 106, ACK, 0, 1000), (1, 501, 106, ACK, 0, 1000))),
    ("fin", ((0, 101, 501, FIN | ACK, 0, 1000), (1, 501, 102, ACK, 0, 1000), (1, 501, 102, FIN | ACK, 0, 1000), (0, 102, 502, ACK, 0, 1000))),
    ("again, fin", ((0, 101, 501, FIN | PSH | ACK, 3, 1000), (0, 101, 501, FIN | PSH | ACK, 3, 1000), (1, 501, 105, ACK, 0, 1000))),
    ("reset", ((0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 0, RST, 0, 0)))]


def test_what_no_scenario_shows_is_read_as_tshark_reads_it(tmp_path):
    shark.need("tshark")
    assert complaints(tmp_path, *(spoken(*HELLO, *frames, port=21200 + n) for n, (_, frames) in enumerate(SPOKEN))) == []


@pytest.mark.parametrize("wanted, frames", SPOKEN)
def test_what_no_scenario_shows_has_its_marks(wanted, frames):
    assert set(wanted.split(", ")) <= {mark for one in readings(spoken(*HELLO, *frames)) for mark in one.marks}


def test_behind_a_zero_window_what_looks_like_a_keep_alive_may_be_a_probe():
    """Linux probes a zero window with the same segment. Wireshark calls both a keep-alive."""
    frames = ((0, 101, 501, PSH | ACK, 1000, 1000), (1, 501, 1101, ACK, 0, 0), (0, 1100, 501, ACK, 0, 1000), (1, 501, 1101, ACK, 0, 0))
    run = spoken(*HELLO, *frames)
    asks = readings(run)[5]
    assert "keep-alive" in asks.marks and asks.closed and not readings(run)[3].closed
    assert wire.brief(asks).endswith("probe or keep-alive")
    assert wire.Told(run).word("keep-alive", asks) == "is the server's kernel still there, and has it room again? (a probe, or a keep-alive)"
    open_ = spoken(*HELLO, (0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 106, ACK, 0, 1000), (0, 105, 501, ACK, 0, 1000))
    assert wire.Told(open_).word("keep-alive", readings(open_)[5]) == "is the server's kernel still there? (keep-alive)"


def test_a_late_acknowledgement_is_called_so_and_one_that_acknowledges_nothing_new_is_not():
    frames = (*HELLO, (0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 106, ACK, 0, 1000), (1, 501, 106, ACK, 0, 900))
    found = readings(spoken(*frames))
    assert (found[4].late, "late" in found[4].marks, "late" in found[5].marks) == (50_000_000, True, False)


def test_every_mark_has_a_word_and_a_filter_that_tshark_takes(tmp_path):
    from harness.judge.wire import MARKS
    assert set(MARKS) == set(wire.WIRESHARK) == set(wire._CLAUSES)
    run = spoken(*HELLO)
    file = tmp_path / "run.pcapng"
    file.write_bytes(wire.capture(run, "told", "make check-4"))
    filters = [name for name, _ in wire.WIRESHARK.values() if name]
    shark.rows(file, ["frame.number"], " || ".join(f"({one})" for one in filters))
    assert [row["tcp.seq"] for row in shark.rows(file, ["tcp.seq"], wire.WIRESHARK["syn"][0])] == ["0"]


def test_tcpdump_reads_the_segments_and_passes_over_the_lines(tmp_path):
    run = made(NAMES[2])
    if not run.wire:
        pytest.skip("packets can't be captured here")
    file = tmp_path / "run.pcapng"
    file.write_bytes(wire.capture(run, "told", "make check-4"))
    done = subprocess.run([shark.need("tcpdump"), "-n", "-r", str(file)], capture_output=True, text=True, check=False)
    found = [re.search(r"seq (\d+):(\d+), ", line) for line in done.stdout.splitlines()]
    assert len(found) == len(run.segments)
    # The second number is the one behind the last byte.
    assert [(int(one[1]), int(one[2]) - int(one[1])) for one in found if one] == [(s.first, s.length) for s in run.segments if s.length]


def test_text_of_others_makes_no_field_of_its_own_in_a_capture(tmp_path):
    evil = "a\n_PID=1\nMESSAGE=b\x1b[31m\u202e"
    run = made(NAMES[1])
    run = dataclasses.replace(run, events=tuple(dataclasses.replace(one, text=evil) for one in run.events[:1]))
    file = tmp_path / "run.pcapng"
    file.write_bytes(wire.capture(run, "told", "make check-4"))
    row = shark.rows(file, ["systemd_journal.message", "systemd_journal.pid"], f"systemd_journal.comm == \"{run.events[0].who}\"")[0]
    assert row["systemd_journal.pid"] == str(run.events[0].pid)
    assert "\\x1b[31m\\u202e" in row["systemd_journal.message"] and "\n" not in row["systemd_journal.message"]


def test_segments_whose_frame_was_not_kept_are_counted_in_the_file():
    run = made(NAMES[1])
    if not run.wire:
        pytest.skip("packets can't be captured here")
    less = dataclasses.replace(run, segments=tuple(dataclasses.replace(one, frame="") for one in run.segments[:2]) + run.segments[2:])
    assert b"2 segments of this run are not in this file" in wire.capture(less, "told", "make check-4")


def test_a_segment_names_the_calls_that_wrote_its_bytes(tmp_path):
    made = run(tmp_path / "pair", "connect; write 5; write 7; close", "listen; accept; readall 12; close; closelistener", sources=True)
    if not made.wire or not made.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    told = wire.Told(made)
    calls = [call for call in made.calls if call.who == "client" and call.name in ("write", "sendto") and call.connection]
    found = [call for one in made.segments if one.sender == "client" for call in told.written_at(one)]
    assert found == calls and [call.result for call in calls] == [5, 7]
