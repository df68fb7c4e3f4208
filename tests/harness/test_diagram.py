"""The picture of a run: is everything in it, readable, and where it belongs?"""
from __future__ import annotations

import dataclasses
import functools
import itertools
import re
import time
import xml.etree.ElementTree as xml

import pytest

import runs
from harness.judge.states import Waits, arrivals, changes
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import find_all
from harness.tell import story
from harness.tell.diagram import draw, svg
from harness.tell.diagram.layout import Layout
from harness.tell.diagram.scene import MOST, Row, Scene, _kind
from harness.tell.player.data import Played, data
from harness.trace import Call, Event, Run, Segment, Start
from pairs import lent, run
from test_captures import ACK, FIN, HELLO, PSH, RST, spoken

SCENARIOS = {scenario.name: scenario for scenario in find_all() if int(scenario.number) < 90}
SPACE = "{http://www.w3.org/2000/svg}"


@functools.lru_cache(maxsize=None)
def made(name: str) -> Run:
    build([SCENARIOS[name]])
    conductor = Conductor(SCENARIOS[name], VirtualClock(), keeper=lent())
    found = conductor.run()
    return dataclasses.replace(found, calls=conductor.intake.with_sources(found.calls))


def overlaps(picture: svg.Picture) -> "list[str]":
    """Texts of which one lies on another, or beyond the picture's edge."""
    placed = sorted(((text.box(), text.words) for text in picture.texts() if text.words.strip()), key=lambda one: one[0][1])
    found = [f"beyond the edge: {words!r}" for (left, top, right, bottom), words in placed
             if left < 0 or top < 0 or right > picture.wide or bottom > picture.high]
    for n, (one, words) in enumerate(placed):
        for other, more in itertools.takewhile(lambda next: next[0][1] < one[3], placed[n + 1:]):
            if one[0] < other[2] and other[0] < one[2]:
                found.append(f"{words!r} and {more!r}")
    return found


def crowd(count: int, text: str = "says something", names: "tuple[str, ...]" = ("server listens", "client 3 times")) -> Run:
    """A run of a server and three clients on a connection each, in turn: lines, and segments with data."""
    pids = {100: "server", 101: "client", 102: "client", 103: "client"}
    events, segments = [], []
    for n in range(count):
        pid = 100 + n % 4
        client = 101 + n % 3
        events.append(Event(2 * n, n * 1000, pids[pid], pid, pid, "note", f"{text} {n}", f"{pids[pid]}.c:{n}"))
        own, peer = f"127.0.0.1:{client}", "127.0.0.1:80"
        segments.append(Segment(2 * n + 1, n * 1000, client - 100, "client", "PA", 1 + n // 3, 1, 1, 500, own, peer, "x"))
    ends = [(runs.end("client", pid, (pid, 0, -1, "", 0), address=f"127.0.0.1:{pid}"), runs.end("server", 100, (100, 0, -1, "", 0), address="127.0.0.1:80"))
            for pid in (101, 102, 103)]
    base = dataclasses.replace(runs.run("", ""), events=tuple(events), segments=tuple(segments), wire=True, cast=runs.cast(*names),
                               starts=tuple(Start(-1, 0, who, pid) for pid, who in pids.items()))
    return runs.facts(base, *ends)


LONG = "sending " + '"' + "a" * 900 + ' and words ' * 40 + '"'
STRANGE = ["\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd " * 8, "\u0645\u0631\u062d\u0628\u0627 " * 12, "\u6f22\u5b57\u304b\u306a" * 20, "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467" * 12,
           "e\u0301" * 70, "\u202eabc\u202c", "\x1b[31mred\x07", "W" * 200, "a  b   c    d" * 9, " ", "", "\ud800"]
CROWDS = {"3 clients": crowd(60), "200 events, all different": crowd(200), "long": crowd(24, LONG), "6000": crowd(3000),
          **{f"strange {n}": crowd(8, text) for n, text in enumerate(STRANGE)},
          "12 clients": dataclasses.replace(crowd(20), cast=runs.cast("server listens", "client 12 times"), starts=tuple(Start(-1, 0, "client", n) for n in range(300, 312))),
          "one program": dataclasses.replace(crowd(6), cast=runs.cast("server listens"), starts=()), "nobody is known": dataclasses.replace(crowd(6), connections=(), cast=(), starts=()),
          "a relay": crowd(30, names=("server listens", "relay listens", "client")), "nothing": runs.run("", ""), "deadlock": runs.stuck()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_text_of_a_scenario_s_picture_overlaps_another_and_the_file_is_small(name):
    picture = draw(made(name))
    assert overlaps(picture) == []
    assert len(picture.svg().encode()) < 60_000


@pytest.mark.parametrize("name", CROWDS)
def test_no_text_overlaps_whatever_runs_say(name):
    picture = draw(CROWDS[name])
    assert overlaps(picture) == []
    xml.fromstring(picture.svg())


def test_texts_that_overlap_are_found():
    picture = draw(CROWDS["3 clients"])
    first = next(picture.texts())
    picture.groups.append(svg.Group("", "", [dataclasses.replace(first, x=first.x + 3, y=first.y + 2)]))
    assert len(overlaps(picture)) == 1
    picture.groups.append(svg.Group("", "", [svg.Text(picture.wide - 5, 50, "beyond")]))
    assert any("beyond the edge" in one for one in overlaps(picture))


@pytest.mark.parametrize("name", SCENARIOS)
def test_each_record_has_its_number_and_its_whole_text(name):
    found = made(name)
    root = xml.fromstring(draw(found).svg())
    titles = {one.get("id"): one.findtext(f"{SPACE}title") for one in root.iter(f"{SPACE}g") if one.get("id")}
    folded = [re.match(r"e(\d+) to e(\d+):", title or "") for title in titles.values()]
    hidden = [(int(one[1]), int(one[2])) for one in folded if one]
    for record in (*found.events, *found.segments, *found.endings):
        name = f"e{record.seq}"
        assert name in titles or any(first <= record.seq <= last for first, last in hidden), name
    for event in found.events:
        if f"e{event.seq}" in titles and not any(first == event.seq for first, _ in hidden):
            assert event.text in titles[f"e{event.seq}"]


def test_the_title_and_the_story_are_there_for_who_can_not_see_the_picture():
    found = made("02-no-break-deadlock")
    root = xml.fromstring(draw(found).svg())
    assert root.get("role") == "graphics-document document"
    assert root.findtext(f"{SPACE}title") == "scenario 02-no-break-deadlock: what the programs, their kernels and the wire did"
    wanted = "\n".join(f"{n}. {words}" for n, words in enumerate(story.happened(found), 1))
    assert root.findtext(f"{SPACE}desc") == wanted


def test_nothing_that_a_program_says_becomes_markup():
    evil = '</text></g><script>alert(1)</script>" onload="x" & \' <!-- ]]> &amp;'
    found = crowd(8, evil)
    found = dataclasses.replace(found, name=evil, notes=(evil,), segments=tuple(dataclasses.replace(one, data=evil, length=len(evil)) for one in found.segments),
                                events=tuple(dataclasses.replace(one, source=evil) for one in found.events))
    text = draw(found).svg()
    root = xml.fromstring(text)
    assert {one.tag.removeprefix(SPACE) for one in root.iter()} <= {"svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "g", "text"}
    assert all(not name.lower().startswith("on") and "href" not in name for one in root.iter() for name in one.attrib)
    assert "<script" not in text and any(evil in (one.text or "") for one in root.iter(f"{SPACE}title"))


def test_states_and_lines_stand_out_from_the_ground_in_both_themes():
    for theme in (svg.LIGHT, svg.DARK):
        assert all(contrast(theme[name], theme["ground"]) >= 4.5 for name in svg.WORDS)
        assert all(contrast(theme[name], theme["ground"]) >= 3 for name in svg.LINES)
    used = {name for name in re.findall(r"var\(--(\w+)\)", svg.style())}
    assert used <= {*svg.WORDS, *svg.LINES, "ground"}
    assert contrast("#ffffff", "#000000") == pytest.approx(21) and contrast("#dddddd", "#ffffff") < 3


def contrast(one: str, other: str) -> float:
    """WCAG 2.1, "contrast ratio"."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n:n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_names_stand_again_after_thirty_rows():
    texts = [text for text in draw(crowd(50, "x")).texts()]
    heads = sorted(text.y for text in texts if text.words == "client[3]")
    numbers = sorted(text.y for text in texts if re.fullmatch(r"e\d+", text.words))
    assert len(heads) == -(-len(numbers) // 30)
    for above, below in zip(heads, [*heads[1:], 1e9]):
        assert sum(above < y < below for y in numbers) <= 30


def test_a_deadlock_shows_who_waits_for_whom_and_waits_to_the_end():
    picture = draw(made("02-no-break-deadlock"))
    assert {"the client waits for the server (in read)", "the server waits for the client (in read)"} <= {group.title.removeprefix("deadlock: ") for group in picture.groups}
    waits = [piece for group in picture.groups for piece in group.pieces if isinstance(piece, svg.Bar) and "has not returned" in piece.title]
    assert {re.match(r"the (\w+) is in (\w+)", one.title)[1] for one in waits} == {"client", "server"}
    assert max(one.y + one.high for one in waits) > max(text.y for group in picture.groups if "deadlock: " in group.title for text in group.pieces if isinstance(text, svg.Text))


def test_what_a_reset_answers_ends_in_a_cross_and_what_was_read_in_an_arrow():
    frames = ((0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 106, ACK, 0, 1000), (1, 501, 106, FIN | ACK, 0, 1000), (0, 106, 502, PSH | ACK, 3, 1000), (1, 502, 0, RST, 0, 0))
    found = spoken(*HELLO, *frames)
    assert [one.lost for one in (arrivals(found)[n] for n in (3, 5, 6, 7))] == ["", "", "refused", ""]
    pieces = {group.name: [piece.kind for piece in group.pieces if isinstance(piece, svg.Path)] for group in draw(found).groups}
    assert "ink x" in pieces["e6"] and "ink x" not in pieces["e3"]


def test_what_had_not_arrived_and_is_sent_again_ends_on_its_way():
    data, old = (0, 101, 501, PSH | ACK, 5, 1000), (1, 501, 101, ACK, 0, 1000)
    found = spoken(*HELLO, data, old, data, (1, 501, 106, ACK, 0, 1000))
    assert [arrivals(found)[n].lost for n in (3, 5)] == ["again", ""]
    assert any("ends on its way" in text.words for text in draw(found).texts())


def test_what_is_sent_again_because_its_acknowledgement_was_delayed_had_arrived():
    fin = (0, 101, 501, FIN | ACK, 0, 1000)
    found = spoken(*HELLO, fin, fin, (1, 501, 102, ACK, 0, 1000))
    assert [arrivals(found)[n].lost for n in (3, 4)] == ["", ""] and arrivals(found)[3].other == 4
    assert [one.place for one in changes(found) if one.state == "CLOSE-WAIT"] == [3]
    assert not any("ends on its way" in text.words for text in draw(found).texts())


def test_an_acknowledgement_of_a_fin_does_not_look_like_a_fin():
    fin = (0, 101, 501, FIN | ACK, 0, 1000)
    found = spoken(*HELLO, fin, (1, 501, 102, ACK, 0, 1000), (1, 501, 102, PSH | ACK, 5, 1000), (0, 102, 506, ACK, 0, 1000), (1, 506, 102, FIN | ACK, 0, 1000))
    words = [text.words for text in draw(found).texts()]
    assert {"FIN ACK", "ACK of the FIN, 50 ms late", "bytes 1 to 5, ACK of the FIN", "ACK 5, 50 ms late", "FIN ACK of the FIN"} <= set(words)


def test_a_bar_stands_beside_a_call_that_waits_and_beside_no_other(tmp_path):
    """A write of few bytes does not wait for what its segment brings about; nor does a read of bytes that are there. The server pauses until
    the client waits in its read."""
    found = run(tmp_path / "pair", "connect; event go; write 5; write 4; readall 1", "listen; event up; polllistener; accept; read 5; read 4; pause 1; write 1; pause-for-ever")
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    bars = [piece.title for group in draw(found).groups for piece in group.pieces if isinstance(piece, svg.Bar) and piece.kind == "wait"]
    assert any("the client is in read" in title for title in bars) and not any(" in write" in title or "sendto" in title for title in bars)
    waits, calls = Waits(found, changes(found)), found.calls
    there = [call for call in calls if call.who == "server" and call.name == "accept4" or call.name == "accept"]
    assert all(waits.at_once(call) for call in there) and not waits.at_once(next(call for call in calls if call.who == "client" and call.name == "read"))


def test_a_write_that_waits_for_room_has_a_bar(tmp_path):
    found = run(tmp_path / "pair", "sndbuf 4096; connect; writeall 400000; readall 1", "rcvbuf 4096; listen; accept; pause 1; readall 400000; pause-for-ever")
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    waits = Waits(found, changes(found))
    assert not all(waits.at_once(call) for call in found.calls if call.who == "client" and call.name in ("write", "sendto"))


@pytest.mark.parametrize("client, server, call", [
    ("sndbuf 4096; rcvbuf 4096; connect; event up; writeall 300000", "sndbuf 4096; rcvbuf 4096; listen; accept; event up; writeall 300000", "write"),
    ("connect; event up; write 3; readall 1", "listen; accept; event up; waitall 8", "recvfrom")])
def test_a_call_that_the_end_of_the_run_made_return_is_shown_as_one_that_waits(tmp_path, client, server, call):
    found = run(tmp_path / "pair", client, server)
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    bars = [piece.title for group in draw(found).groups for piece in group.pieces if isinstance(piece, svg.Bar) and piece.kind == "wait"]
    assert any(f"the server is in {call}" in title and "it has not returned" in title for title in bars), bars
    steps = [step for step in data(Played(found, "", (), ""))["steps"] if step["w"] == 1 and step["k"] in ("call", "return")]
    assert steps[-1]["k"] == "call" and steps[-1]["x"].startswith(f"{call}(")


def test_bytes_that_are_not_acknowledged_have_a_strip():
    data = (0, 101, 501, PSH | ACK, 5, 1000)
    found = spoken(*HELLO, data, (1, 501, 106, ACK, 0, 1000), (0, 106, 501, PSH | ACK, 3, 1000), (1, 501, 0, RST, 0, 0))
    assert [(one.place, one.unacked) for one in changes(found) if one.unacked >= 0] == [(3, 5), (4, 0), (5, 3), (6, 0)]
    titles = [piece.title for group in draw(found).groups for piece in group.pieces if isinstance(piece, svg.Bar) and piece.kind == "sent"]
    assert [title.rpartition(": ")[2] for title in titles] == ["5 bytes sent and not acknowledged", "3 bytes sent and not acknowledged"]


def test_the_picture_of_a_deadlock_shows_the_bytes_that_were_read_and_not_told_of():
    texts = " ".join(text.words for text in draw(made("02-no-break-deadlock")).texts())
    assert 'has read 5 bytes that its lines do not tell of: " test"' in texts
    found = made("02-no-break-deadlock")
    held = dataclasses.replace(found.stop, sockets=found.stop.sockets * 2)      # as if a child held them, too
    assert len([row for row in Scene(dataclasses.replace(found, stop=held)).rows if row.kind == "kept"]) == 1
    assert all("do not tell of" not in text.words for name in ("04-half-close", "12-silent-peer") for text in draw(made(name)).texts())


def test_the_story_stands_below_the_rows_and_each_sentence_leads_to_its_row():
    found = made("10-unread-data-reset")
    picture = draw(found)
    told = story.happened(found)
    rest = [number for number, words in enumerate(told, 1) if "25 bytes lay unread" in words]
    marks = {group.name: text.words.split() for group in picture.groups for text in group.pieces if isinstance(text, svg.Text) and text.kind == "s b"}
    reset = next(one for one in found.segments if "R" in one.flags)
    assert rest and str(rest[0]) in marks[f"e{reset.seq}"] + marks.get(f"e{next(e.seq for e in found.events if e.who == 'server' and e.text == 'closing')}", [])
    below = [text for group in picture.groups if not group.name for text in group.pieces if isinstance(text, svg.Text) and not text.kind]
    assert " ".join(told).split() == " ".join(text.words for text in below if text.x > 12 and text.y > max(text.y for group in picture.groups if group.name for text in group.pieces if isinstance(text, svg.Text))).split()


def test_programs_that_were_brought_are_no_scenario():
    brought = dataclasses.replace(crowd(6), name="explain")
    assert draw(brought).title.startswith("your programs: ") and any(text.words == "your programs" for text in draw(brought).texts())


def test_segments_that_cross_on_their_way_are_drawn_so():
    found = spoken(*HELLO, (0, 101, 501, FIN | ACK, 0, 1000), (1, 501, 101, FIN | ACK, 0, 1000), (0, 102, 502, ACK, 0, 1000), (1, 502, 102, ACK, 0, 1000))
    assert arrivals(found)[3].behind == 4
    states = [(one.side[1], one.state) for one in changes(found) if one.state]
    assert ("client", "CLOSING") in states and ("server", "CLOSING") in states and states[-1][1] == "TIME-WAIT"
    ends = {}
    for group in draw(found).groups:
        for path in (piece for piece in group.pieces if isinstance(piece, svg.Path) and group.name):
            ends[group.name] = [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.data)]
    assert ends["e3"][0] < ends["e4"][0] < ends["e3"][1]


def test_bytes_that_nobody_reads_stay_to_the_end(tmp_path):
    found = run(tmp_path / "pair", "connect; write 9; read 1", "listen; accept; read 2; event so much; polllistener")
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    assert [one.unread for one in changes(found) if one.unread >= 0][-1] == 7
    picture = draw(found)
    strips = [piece for group in picture.groups for piece in group.pieces if isinstance(piece, svg.Bar) and piece.kind == "queue"]
    lowest = max(text.y for group in picture.groups if group.name for text in group.pieces if isinstance(text, svg.Text))
    assert strips[-1].title.endswith("7 bytes unread") and strips[-1].y + strips[-1].high > lowest


def test_bytes_of_a_connection_that_nobody_accepts_stay_to_the_end(tmp_path):
    found = run(tmp_path / "pair", "connect; write 9; read 1", "listen; event up; polllistener; pause-for-ever")
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    assert [one.unread for one in changes(found) if one.unread >= 0] == [9]
    assert any(isinstance(piece, svg.Bar) and piece.kind == "queue" and piece.title.endswith("9 bytes unread") for group in draw(found).groups for piece in group.pieces)
    way, = (one for one in data(Played(found, "", (), ""))["ways"] if one["from"] == 1)
    assert [words for _, words in way["held"]] == ["not accepted yet"]


def test_the_words_of_folded_rows_lie_on_no_words_of_a_kernel(tmp_path):
    found = run(tmp_path / "pair", "rcvbuf 4096; connect; pause 1; " + "; ".join(["read 2000; event took"] * 90), "sndbuf 4096; listen; accept; writeall 180000; pause-for-ever")
    if not found.wire or not found.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    layout = Layout(Scene(found), [], [])
    assert any(placed.above and placed.notes for placed in layout.rows), "no row of this run can show it"
    assert overlaps(layout.picture()) == []


@pytest.mark.parametrize("title, source, kind", [
    ('e5 client: \u00b7 received 65,536 bytes "\\x00\\"\\x00"... (client.c:32)', "client.c:32", "client: \u00b7 received # bytes"),
    ("e5 client: took 3 (of 7)", "", "client: took # (of #)")])
def test_a_folded_row_is_named_without_numbers_bytes_and_places(title, source, kind):
    assert _kind(Row(5, 0, "line", "", title, source)) == kind
    assert _kind(Row(5, 0, "segment", "ACK 290816, window 95232")) == "ACK #, window #"


def copies(found: Run) -> "list[str]":
    return [row.words for row in Scene(found).rows if row.kind == "copies"]


def test_the_picture_says_where_a_child_has_the_connection_too():
    found = made("11-leftover-descriptor")
    if not found.observed:
        pytest.skip("calls can't be seen here")
    rows = [row.words for row in Scene(found).rows]
    assert copies(found) == ["(2 processes have the connection)", "(1 process keeps the connection)"]
    assert rows.index("closing") < rows.index("(1 process keeps the connection)") < rows.index("helper ends")
    assert {"(2 processes have the connection)", "(1 process keeps the connection)"} <= {text.words for text in draw(found).texts()}
    assert not copies(made("02-no-break-deadlock"))


@pytest.mark.parametrize("holders, words", [
    ([(100, 3, 7, "close", 100), (200, 3, -1, "", 0)], ["(2 processes have the connection)", "(1 process keeps the connection)"]),
    ([(200, 1, 9, "exit", 0), (100, 3, 9, "exit", 0)], ["(2 processes have the connection)"]),      # the child was there before the connection was
    ([(100, 3, -1, "", 0), (200, 4, 8, "exec", 0), (201, 5, 8, "exec", 0)],
     ["(2 processes have the connection)", "(3 processes have the connection)", "(1 process keeps the connection)"]),
    ([(100, 3, 8, "close", 100), (-1, 5, -1, "", 0)], ["(a copy was sent to another process)"]),
    ([(100, 3, 5, "close", 100), (200, 7, -1, "", 0)], []),     # it had been closed, and came back: nobody else had it
])
def test_how_many_processes_have_a_connection_is_said_where_it_changes(holders, words):
    end = runs.end("server", 100, *holders, address="127.0.0.1:80")
    assert copies(runs.facts(crowd(6), (None, end))) == words
    assert copies(runs.facts(crowd(6), (None, None), (None, end))) == [f"[2] {one}" for one in words]


def test_a_call_that_waits_for_a_child_or_a_signal_has_a_bar():
    for name, call in (("11-leftover-descriptor", "wait4"), ("12-silent-peer", "pause")):
        if not made(name).observed:
            pytest.skip("calls can't be seen here")
        assert any(isinstance(piece, svg.Bar) and f"the server is in {call} " in f"{piece.title} ".replace(",", " ") for group in draw(made(name)).groups for piece in group.pieces), name


def test_the_names_do_not_stand_again_above_a_few_last_rows():
    picture = draw(crowd(16, "x"))
    numbers = [text for text in picture.texts() if re.fullmatch(r"e\d+", text.words)]
    assert 30 < len(numbers) < 36 and sum(text.words == "server" for text in picture.texts()) == 1


def test_a_long_pause_is_a_gap_with_its_length():
    found = made("02-no-break-deadlock")
    gaps = [row.words for row in Scene(found).rows if row.kind == "gap"]
    assert gaps == ["5 s"]
    live = runs.run("server: listening\nclient: connecting\nclient: connected", "")
    live = dataclasses.replace(live, events=tuple(dataclasses.replace(e, ns=e.ns + (5_000_000_000 if e.text == "connected" else 0)) for e in live.events))
    assert [row.words for row in Scene(live).rows if row.kind == "gap"] == ["5 s"]


def test_of_a_pause_that_began_within_another_one_only_the_rest_is_a_gap():
    found = runs.run("server: listening\nclient: pausing 5 s\nserver: pausing 5 s\nclient: connecting\nserver: accepted")
    long = [dataclasses.replace(e, count=8 * 10**9) if e.who == "server" and e.kind == "pause" else e for e in found.events]
    assert [row.words for row in Scene(dataclasses.replace(found, events=tuple(long))).rows if row.kind == "gap"] == ["5 s", "3 s"]


def test_what_happens_within_a_pause_is_no_part_of_the_gap():
    found = runs.run("server: listening\nclient: pausing 5 s\nserver: reading data\nclient: connecting")
    later = [dataclasses.replace(e, ns=e.ns + (1_500_000_000 if e.text in ("reading data", "connecting") else 0)) for e in found.events]
    assert [row.words for row in Scene(dataclasses.replace(found, events=tuple(later))).rows if row.kind == "gap"] == ["1.5 s", "3.5 s"]


def test_of_a_long_run_of_equal_rows_the_picture_says_how_many_it_leaves_out():
    found = crowd(3000)
    scene = Scene(found)
    assert len(scene.rows) < MOST
    counted = [int(re.match(r"x (\d+)", row.words)[1]) for row in scene.rows if row.kind == "more"]
    assert len(draw(crowd(5000)).svg().encode()) < 60_000
    assert sum(counted) == scene.folded == 6000 - sum(row.kind in ("line", "segment") for row in scene.rows)
    assert any(f"Folded: {scene.folded} rows" in text.words for text in draw(found).texts())
    assert any("x client: says something #" in row.words for row in scene.rows) and any(row.words.endswith("; and 1 kind more") for row in scene.rows)


def test_the_words_of_folded_segments_stand_on_the_wire():
    frames = [(0, 101 + n, 501, PSH | ACK, 1, 1000) for n in range(MOST)]
    found = spoken(*HELLO, *frames)
    picture = draw(found)
    words = [text for group in picture.groups if " to e" in group.title for text in group.pieces if isinstance(text, svg.Text) and text.kind == "b"]
    bands = [piece for group in picture.groups for piece in group.pieces if isinstance(piece, svg.Bar)]
    left, right = sorted({(bar.x, bar.x + bar.wide) for bar in bands if bar.kind == "made"})
    assert words and all(left[1] < text.box()[0] and text.box()[2] < right[0] for text in words)


def test_the_lines_below_the_names_touch_no_bar_of_a_call():
    picture = draw(made("03-ack-per-packet"))
    rules = [tuple(map(float, one)) for group in picture.groups for path in group.pieces if isinstance(path, svg.Path) and path.kind == "w" and not group.name
             for one in re.findall(r"M([\d.]+) [\d.]+h([\d.]+)", path.data)]
    bars = [piece for group in picture.groups for piece in group.pieces if isinstance(piece, svg.Bar) and piece.kind == "wait"]
    assert len(rules) >= 2 and bars and not any(bar.x < x + wide and x < bar.x + bar.wide for x, wide in rules for bar in bars)


def with_reads(found: Run) -> Run:
    """The same, and each of its lines is followed by a read of one byte."""
    apart = {name: tuple(dataclasses.replace(one, seq=4 * one.seq) for one in getattr(found, name)) for name in ("events", "segments")}
    calls = [Call(e.seq + 1, e.ns, e.who, e.pid, e.tid, "read", 4, max(e.pid - 100, 1), 65536, "x", returned=e.seq + 2, returned_ns=e.ns, result=1) for e in apart["events"]]
    return dataclasses.replace(found, calls=tuple(calls), observed=True, **apart)


def test_a_run_of_ten_thousand_events_is_drawn_in_two_seconds():
    equal, different = crowd(5000), crowd(5000)
    different = dataclasses.replace(different, events=tuple(dataclasses.replace(e, text="".join(chr(97 + int(d)) for d in str(e.seq))) for e in different.events))
    for found in (equal, different, with_reads(equal)):
        began = time.process_time()
        draw(found).svg()
        assert time.process_time() - began < 2


def test_a_picture_is_the_same_each_time():
    found = made("04-half-close")
    assert draw(found).svg() == draw(found).svg()
