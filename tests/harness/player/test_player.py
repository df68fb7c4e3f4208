"""The player's page, in a real browser: every control, the lit lines against the trace, both sizes, and nothing that a program says as markup."""
from __future__ import annotations

import dataclasses
import json
import os
import re
from pathlib import Path
from typing import Any, Iterator

import harness.tell.player
import pytest
import runs
from browser import Browser, need
from changes import ask
from harness.cli.play import sources
from harness.judge import comparison, findings
from harness.stage import sources as built_of
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import Scenario, find_all
from harness.tell import story
from harness.tell.player import Played, Source, page
from harness.tell.player.data import data, in_words, returned_in_words
from harness.trace import Call, Run, plain

EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">\u202e\x1b[31m"


def run_of(scenario: Scenario) -> Run:
    conductor = Conductor(scenario, VirtualClock())
    run = conductor.run()
    return dataclasses.replace(run, calls=conductor.intake.with_sources(run.calls), sources=built_of.load(scenario.build).sums)


def played(scenario: Scenario, heading: str = "") -> Played:
    run = run_of(scenario)
    verdict = comparison.judge(run, scenario.load_contract())
    return Played(run, heading or verdict.word, tuple(story.happened(run, verdict)), f"make check-{scenario.number}", findings.find(run), sources(scenario, run), {"client": "client.c", "server": "server.c"})


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    need()
    one = Browser(str(tmp_path_factory.mktemp("profile")))
    yield one
    one.close()


@pytest.fixture(scope="module")
def scenarios() -> "dict[str, Scenario]":
    build(find_all())
    return {scenario.number: scenario for scenario in find_all()}


def put(folder: Path, *those: Played, title: str = "tcplab: a test") -> str:
    file = folder / "page.html"
    file.write_text(page(title, list(those)), encoding="utf-8")
    return f"file://{file}"


def there(browser: Browser) -> "dict[str, Any]":
    """What the page shows now."""
    found: "dict[str, Any]" = browser.run("""
        const text = (selector) => [...document.querySelectorAll(selector)].map((one) => one.textContent);
        return {now: text('.now')[0], place: text('output')[0], hash: location.hash, files: text('.panel .row .mono'),
                lit: [...document.querySelectorAll('.source')].map((list) => [...list.children].findIndex((line) => line.className === 'lit') + 1),
                moment: text('.moments .lit')[0], queues: text('.queue'), states: text('.state'), calls: [...document.querySelectorAll('.grid .calls')].map((list) => [...list.children].map((one) => one.textContent)), parts: text('.parts'),
                pressed: text('[aria-pressed=true]'), panels: [...document.querySelectorAll('.source')].map((one) => one.closest('section').hidden)}""")
    return found


def test_the_lit_lines_are_those_of_the_trace_at_each_moment(browser, scenarios, tmp_path):
    one = played(scenarios["2"])
    address = put(tmp_path, one)
    browser.open(f"{address}#step=0")
    steps = data(one)["steps"]
    expected = {"client": 0, "server": 0}
    for n, step in enumerate(steps):
        who = ("client", "server")[step["w"]]
        if "s" in step:
            file, line = step["s"].split(":")
            assert file == f"{who}.c"
            expected[who] = int(line)
        shown = there(browser)
        assert shown["lit"] == [expected["client"], expected["server"]], step
        assert shown["place"] == f"{n + 1} of {len(steps)}" and shown["now"].startswith(f"e{step['e']}, ") and shown["hash"] == f"#step={step['e']}"
        browser.press("Right")
    assert browser.complaints() == []


def test_scenario_2_shows_the_two_blocked_reads_and_the_five_bytes(browser, scenarios, tmp_path):
    """At once, on a screen's first page: a run in which somebody is stuck opens at its end."""
    browser.size(1600, 900)
    try:
        browser.open(put(tmp_path, played(scenarios["2"])))
        shown = there(browser)
        bytes_, = [queue for queue in shown["queues"] if '" test"' in queue and "5 bytes" in queue]
        assert bytes_ == 'no line of the server\'s log tells of the last 5 bytes of these: " test"'
        assert [[re.search(r"in (read)\(.*on connection 1; it never returned", line) is not None for line in lines] for lines in shown["calls"]] == [[True], [False, True]]
        assert [line.partition(" is ")[0] for line in shown["calls"][1]] == ["thread 1", "thread 2"]
        assert sorted(shown["states"]) == ["client's end: ESTABLISHED", "server's end: ESTABLISHED"]
        seen = browser.run("return [...document.querySelectorAll('.calls .ever, .queue.full')].map((one) => one.getBoundingClientRect().bottom)")
        assert len(seen) == 5 and max(seen) <= 900
    finally:
        browser.size(1200, 900)


def test_the_page_says_how_many_processes_have_a_connection(browser, scenarios, tmp_path):
    one = played(scenarios["11"])
    end, = [made.acceptor for made in one.run.connections]
    child, parent = max(end.holders, key=lambda holder: holder.since), min(end.holders, key=lambda holder: holder.since)
    address, places = put(tmp_path, one), [step["e"] for step in data(one)["steps"]]
    for place, words in ((parent.since, ""), (child.since, "; 2 processes have the connection"), (parent.until, "; 1 process keeps the connection"), (child.until, "")):
        browser.open(f"{address}#step={min(e for e in places if e >= place)}")
        shown = there(browser)
        assert [re.sub(r"[A-Z][A-Z0-9]+(-[A-Z0-9]+)*", "STATE", state) for state in shown["states"]] == ["client's end: STATE", f"server's end: STATE{words}"], place


def test_the_page_says_that_a_connection_is_not_accepted_yet(browser, scenarios, tmp_path):
    one = played(scenarios["14"])
    call, = (call for call in one.run.calls if call.name.startswith("accept") and call.connection == 1)
    address, places = put(tmp_path, one), [step["e"] for step in data(one)["steps"]]
    for place, waits in ((one.run.segments[0].seq, True), (max(e for e in places if e < call.returned), True), (call.returned, False)):
        browser.open(f"{address}#step={place}")
        assert [state.endswith("; not accepted yet") for state in there(browser)["states"]] == [False, waits], place


def test_the_page_says_what_the_rows_below_the_slider_are_and_what_the_verdict_is(browser, explored, tmp_path):
    file = tmp_path / "page.html"
    assert ask("play", "2", "-o", str(file))[0] == 0
    browser.open(f"file://{file}")
    keys = "return [...document.querySelectorAll('.legend span')].map((one) => one.textContent)"
    assert browser.run(keys) == ["top: client", "middle: the wire", "bottom: server", "upright line: explained at the end"]
    assert "as expected: 13 lines, 4 orders that TCP forced, a deadlock, proven, as the contract says" in browser.run("return [...document.querySelectorAll('main > p')].map((one) => one.textContent)")
    browser.open(f"file://{explored['file']}")
    assert browser.run(keys)[-1] == "curve: how many of the schedules that go like this one up to there end like it"


def test_a_program_without_a_pane_has_its_calls_too(browser, scenarios, tmp_path):
    browser.open(put(tmp_path, played(scenarios["15"])))
    browser.press("End")
    titles = browser.run("return [...document.querySelectorAll('.grid h2')].map((one) => one.textContent)")
    assert titles == ["client", "moments", "server"]
    apart = "const list = [...document.querySelectorAll('section > .calls')].find((one) => one.previousSibling.textContent === 'second' && !one.closest('.grid')); return list && list.textContent"
    assert browser.run(apart) == "its process has ended"
    browser.run("const choice = document.querySelector('select'); choice.value = 1; choice.dispatchEvent(new Event('change'))")
    assert browser.run(apart) is None


def test_the_page_counts_bytes_as_the_picture_does(scenarios):
    one = played(scenarios["4"])
    words = [step["x"] for step in data(one)["steps"] if step["k"] == "segment"]
    assert "bytes 1 to 18 \"This is a message\\n\"" in words and any(word.startswith("FIN ACK") for word in words) and any("and the FIN" in word for word in words)


def test_a_finding_leads_to_a_moment_that_the_page_has(scenarios):
    for number in ("2", "10"):
        shown = data(played(scenarios[number]))
        assert shown["marks"] and {mark["e"] for mark in shown["marks"]} <= {step["e"] for step in shown["steps"]}


def test_processes_and_threads_are_told_apart(scenarios):
    names = set(data(played(scenarios["11"]))["threadNames"].values())
    assert names == {"process 1, thread 1", "process 1, thread 2", "process 2", ""}


def test_every_control(browser, scenarios, tmp_path):
    browser.open(put(tmp_path, played(scenarios["1"], "one"), played(scenarios["1"], "two"), played(scenarios["2"], "three")) + "#step=0")
    last = browser.run("return document.querySelector('input').max | 0")

    def at() -> int:
        return int(there(browser)["place"].split()[0]) - 1
    for selector, where in (("[title^=last]", last), ("[title^='one moment back']", last - 1), ("[title^=first]", 0), ("[title^='one moment on']", 1)):
        browser.click(selector)
        assert at() == where, selector
    for key, where in (("End", last), ("Left", last - 1), ("Home", 0), ("Right", 1), ("Right", 2)):
        browser.press(key)
        assert at() == where, key
    browser.run("const slider = document.querySelector('input'); slider.value = 5; slider.dispatchEvent(new Event('input'))")
    assert at() == 5
    browser.run("document.querySelectorAll('.moments button')[7].click()")
    assert at() == 7
    browser.run("[...document.querySelectorAll('[role=group] button')].find((one) => one.textContent.startsWith('c:')).click()")
    assert there(browser)["pressed"] == ["c: three"] and "run=c" in there(browser)["hash"]
    browser.run("const other = document.querySelector('[aria-label^=\"the run to\"]'); other.value = 0; other.dispatchEvent(new Event('change'))")
    assert len(there(browser)["parts"]) == 2 and "with=a" in there(browser)["hash"]
    before = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.click("[title^=light]")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") != before
    browser.run("document.activeElement.blur()")
    browser.press("Home", "Space")
    assert browser.run("return [...document.querySelectorAll('button')].some((one) => one.textContent === 'stop')")
    browser.press("Space")
    assert browser.run("return [...document.querySelectorAll('button')].some((one) => one.textContent === 'play')")
    assert browser.complaints() == []


def test_a_control_that_is_used_keeps_the_keyboard_s_focus(browser, scenarios, tmp_path):
    """The page makes some controls anew when they are used: the moments, the runs, the choice of a run to compare with."""
    browser.open(put(tmp_path, played(scenarios["1"], "one"), played(scenarios["2"], "two")) + "#step=0")
    focused = "return document.activeElement.textContent.trim() || document.activeElement.tagName"
    browser.run("document.querySelector('.moments .lit button').focus()")
    browser.press("Right", "Right")
    assert browser.run("return document.activeElement === document.querySelector('.moments .lit button')") and there(browser)["place"].startswith("3 of")
    assert browser.run("return [...document.querySelectorAll('.moments [tabindex=\"0\"]')].length") == 1
    browser.run("document.querySelectorAll('[role=group] button')[1].focus()")
    browser.press("Enter")
    assert there(browser)["pressed"] == ["b: two"] and browser.run(focused) == "b: two"
    browser.run("const other = document.querySelector('[aria-label^=\"the run to\"]'); other.focus(); other.value = 0; other.dispatchEvent(new Event('change'))")
    assert browser.run("return document.activeElement.ariaLabel") == "the run to compare with" and "with=a" in there(browser)["hash"]


def test_a_program_that_has_ended_is_not_said_to_run(browser, scenarios, tmp_path):
    browser.open(put(tmp_path, played(scenarios["9"])))
    browser.press("End")
    assert there(browser)["calls"][0] == ["its process has ended"]


def test_a_page_says_that_pauses_took_no_time(browser, scenarios, tmp_path):
    for number, said in (("2", True), ("3", False)):
        browser.open(put(tmp_path, played(scenarios[number])))
        assert ("its pauses took no time" in browser.run("return document.querySelector('p.faint').textContent")) is said


def test_a_finding_leads_to_a_moment_of_its_program(scenarios):
    one = played(scenarios["2"])
    whose = {step["e"]: data(one)["names"][step["w"]] for step in data(one)["steps"]}
    moved = [dataclasses.replace(finding, at=place + 1, who=who) for finding in one.findings[:1] for place in list(whose)[:-1] for who in ("client", "server")]
    for finding, mark in zip(moved, data(dataclasses.replace(one, findings=tuple(moved)))["marks"]):
        mine = [place for place in whose if whose[place] == finding.who]
        assert mark["e"] == next((place for place in mine if place >= finding.at), mine[-1])


def test_a_program_without_source_has_no_empty_box(browser, scenarios, tmp_path):
    one = played(scenarios["1"])
    bare = dataclasses.replace(one.run, calls=tuple(dataclasses.replace(call, source="") for call in one.run.calls), events=tuple(dataclasses.replace(e, source="") for e in one.run.events))
    browser.open(put(tmp_path, dataclasses.replace(one, run=bare, sources={}, main={})))
    browser.press("End")
    assert there(browser)["files"][:2] == ["no place in its source is known"] * 2
    assert browser.run("return [...document.querySelectorAll('.source')].every((one) => one.hidden)")
    browser.open(put(tmp_path, one))
    assert not browser.run("return [...document.querySelectorAll('.source')].some((one) => one.hidden)")


def test_a_run_of_which_nothing_is_told_has_no_empty_story(browser, scenarios, tmp_path):
    one = played(scenarios["3"])
    panels = "return [...document.querySelectorAll('section h2')].filter((one) => one.offsetParent).map((one) => one.textContent)"
    browser.open(put(tmp_path, one))
    assert "what happened, and why" in browser.run(panels)
    browser.open(put(tmp_path, dataclasses.replace(one, sentences=(), findings=())))
    assert "what happened, and why" not in browser.run(panels) and "where the bytes are" in browser.run(panels)


def test_scroll_bars_have_the_colours_of_the_page_s_theme(browser, scenarios, tmp_path):
    browser.open(put(tmp_path, played(scenarios["1"])))
    schemes = set()
    for _ in range(2):
        schemes.add(browser.run("const style = getComputedStyle(document.documentElement); return `${style.colorScheme} ${getComputedStyle(document.body).backgroundColor}`"))
        browser.click("[title^=light]")
    assert schemes == {"light rgb(255, 255, 255)", "dark rgb(21, 24, 28)"}


def test_a_call_with_many_odd_bytes_is_shown_shortly():
    many = Call(1, 0, "client", 100, 100, "write", 3, 1, 300000, "\0" * 64, returned=2, returned_ns=0, result=300000)
    assert in_words(many) == 'write(3, "' + "\\x00" * 18 + '"..., 300000)'
    assert len(returned_in_words(dataclasses.replace(many, name="read"))) < 120


def test_where_the_wire_was_not_seen_no_segment_is_waited_for(browser, scenarios, tmp_path):
    conductor = Conductor(scenarios["2"], VirtualClock(), isolate=False)
    browser.open(put(tmp_path, Played(conductor.run(), "told", (), "make check-2")))
    browser.press("End")
    shown = there(browser)
    assert "client's end: state not known" in shown["states"] and not any("no segment" in one for one in shown["states"])
    assert "acknowledged: not known; 43 written." in browser.run("return document.querySelector('.ways').textContent")


def test_a_source_has_as_many_lines_as_its_file(scenarios):
    one = played(scenarios["1"])
    for name, source in data(one)["sources"].items():
        assert len(source["lines"]) == len(one.sources[name].text.splitlines()), name


def test_on_paper_the_page_is_light(browser, scenarios, tmp_path):
    style = (Path(harness.tell.player.__file__).parent / "page.css").read_text()
    dark = [before for before, block in re.findall(r"(@media[^{]*)\{\s*:root[^{]*\{([^}]*)\}", style) if "--page: #15181c" in block]
    assert len(dark) == style.count("--page: #15181c") == 2 and all("screen" in one for one in dark)


def test_an_address_leads_to_a_moment_a_run_a_program(browser, scenarios, tmp_path):
    one = played(scenarios["1"])
    address = put(tmp_path, one, dataclasses.replace(one, heading="the same again"))
    write = next(call for call in one.run.calls if call.who == "client" and call.name in ("write", "sendto"))
    browser.open(f"{address}#step={write.seq}&run=b&focus=client")
    shown = there(browser)
    assert shown["now"].startswith(f"e{write.seq}, ") and shown["pressed"] == ["b: the same again"] and shown["panels"] == [False, True]
    browser.open(f"{address}#step=rubbish&run=%22&focus=nobody&with=zz")
    assert there(browser)["place"].startswith("1 of") and browser.complaints() == []


def test_what_an_address_may_say_is_documented():
    program = (Path(harness.tell.player.__file__).parent / "page.js").read_text()
    asked = set(re.findall(r'asked\.get\("(\w+)"\)', program))
    assert asked == set(re.findall(r"`#(\w+)=\w+`", (Path(harness.__file__).parent / "TRACE.md").read_text())) and asked


@pytest.mark.parametrize("width", [360, 1600])
def test_it_fits_a_phone_and_a_wide_screen(browser, scenarios, tmp_path, width):
    browser.open(put(tmp_path, played(scenarios["20"])))
    browser.size(width, 900)
    try:
        for key in ("Home", "End"):
            browser.press(key)
            assert browser.run("return document.documentElement.scrollWidth") <= width
    finally:
        browser.size(1200, 900)


@pytest.fixture
def shaped(browser) -> Iterator[Browser]:
    """The browser, for a test that changes its size or its medium."""
    yield browser
    browser.size(1200, 900)
    browser.media()


def test_no_line_of_a_source_is_beyond_its_box(shaped, scenarios, tmp_path):
    """The arrow keys move the run, so nobody could reach such a line without a mouse."""
    shaped.open(put(tmp_path, played(scenarios["20"])))
    for width in (320, 800, 1600):
        shaped.size(width, 900)
        for key in ("Home", "End"):
            shaped.press(key)
            assert shaped.run("return [...document.querySelectorAll('.source')].map((one) => one.scrollWidth - one.clientWidth)") == [0, 0]


def test_both_programs_stand_side_by_side_before_the_moments_where_three_columns_have_no_room(shaped, scenarios, tmp_path):
    shaped.size(800, 1000)
    shaped.open(put(tmp_path, played(scenarios["2"])))
    (client, left), (moments, _), (server, right) = shaped.run("return [...document.querySelectorAll('.grid section')].map((one) => [one.getBoundingClientRect().top, one.getBoundingClientRect().left])")
    assert client == server < moments and left < right
    shaped.size(360, 740)
    assert max(shaped.run("return [...document.querySelectorAll('.calls .ever')].map((one) => one.getBoundingClientRect().top)")) < 800      # nearly one screen


def test_the_controls_leave_room_on_a_low_screen(shaped, scenarios, tmp_path):
    """A page at 400 % of 1280 x 1024 pixels."""
    shaped.open(put(tmp_path, played(scenarios["2"])))
    stays = "window.scrollTo(0, 400); return document.querySelector('.controls').getBoundingClientRect().bottom > 0"
    shaped.size(320, 256)
    assert not shaped.run(stays)
    shaped.size(1200, 900)
    assert shaped.run(stays)


def test_paper_has_whole_sources_and_no_controls(shaped, scenarios, tmp_path):
    shaped.open(put(tmp_path, played(scenarios["2"])))
    hidden = "return [...document.querySelectorAll('button:not(.moments button), input')].filter((one) => one.offsetParent).length"
    cut = "return [...document.querySelectorAll('.source, .moments')].filter((one) => one.scrollHeight > one.clientHeight + 1).length"
    assert shaped.run(hidden) > 5 and shaped.run(cut) == 3
    shaped.media("print")
    assert shaped.run(hidden) == 0 and shaped.run(cut) == 0


def test_with_forced_colours_the_present_place_has_an_outline(shaped, scenarios, tmp_path):
    shaped.open(put(tmp_path, played(scenarios["2"])))
    outlines = "return [...document.querySelectorAll('.source .lit, .moments .lit button')].map((one) => getComputedStyle(one).outlineStyle)"
    assert shaped.run(outlines) == ["none"] * 3
    shaped.media(forced_colors="active")
    assert shaped.run(outlines) == ["solid"] * 3


def test_all_is_reached_by_the_keyboard_and_has_a_name(browser, scenarios, tmp_path):
    browser.open(put(tmp_path, played(scenarios["1"], "one"), played(scenarios["1"], "two")))
    nameless = browser.run("""return [...document.querySelectorAll('button, select, input, [role=img], [role=group]')]
        .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim())).map((one) => one.outerHTML)""")
    assert nameless == []
    small = browser.run("""return [...document.querySelectorAll('button, select')].filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24).length""")
    assert small == 0       # WCAG 2.2, 2.5.8
    unlike = browser.run("""return [...document.querySelectorAll('button[aria-label]')].map((one) => [one.textContent, one.getAttribute('aria-label')])
        .filter(([seen, said]) => /[a-z]/.test(seen) && !said.includes(seen))""")
    assert unlike == []     # WCAG 2.1, 2.5.3
    # Of the moments Tab reaches the present one. The arrow keys lead from it to the others.
    wanted = browser.run("""return [...document.querySelectorAll('button, select, input, [tabindex]')]
        .filter((one) => one.offsetParent && (one.tabIndex >= 0 || !one.closest('.moments'))).length""")
    reached = set()
    for _ in range(wanted + 5):
        browser.press("Tab")
        reached.add(browser.run("return [...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(reached - {-1}) >= wanted
    levels = browser.run("return [...document.querySelectorAll('h1, h2, h3')].map((one) => one.tagName)")
    assert levels[0] == "H1" and levels.count("H1") == 1 and browser.run("return document.documentElement.lang") == "en"
    assert browser.run("const ids = [...document.querySelectorAll('[id]')].map((one) => one.id); return ids.length === new Set(ids).size")


def test_nothing_that_a_program_says_becomes_markup(browser, tmp_path):
    run = runs.run("server: listening\nclient: connecting")
    run = dataclasses.replace(run, name=EVIL, events=tuple(dataclasses.replace(event, text=EVIL, source="client.c:1") for event in run.events))
    one = Played(run, EVIL, (EVIL,), EVIL, (), {"client.c": Source(EVIL), EVIL: Source(EVIL)}, {EVIL: EVIL}, (EVIL,), ((1, (1,)),), EVIL, 0)
    browser.open(put(tmp_path, one, one, title=EVIL))
    browser.press("End")
    assert browser.run("return document.title") == plain(EVIL)
    assert browser.run("return document.querySelectorAll('script').length") == 2 and browser.run("return document.querySelectorAll('img').length") == 0
    assert "\\u202e" in browser.run("return document.querySelector('.source').textContent")
    assert browser.complaints() == []


def test_a_page_is_small_and_holds_nothing_from_elsewhere(scenarios):
    for number, scenario in scenarios.items():
        text = page("a page", [played(scenario)])
        assert len(text.encode()) < 300_000, number
        assert not re.search(r"(src|href)=|url\(|@import|fetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)", text.replace(json.dumps("http://www.w3.org/2000/svg"), "")), number


def _luminance(colour: str) -> float:
    parts = [int(colour[n:n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_can_be_read_in_both_themes():
    style = (Path(harness.tell.player.__file__).parent / "page.css").read_text()
    themes = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r"\{([^{}]*--page:[^{}]*)\}", style)]
    assert len(themes) == 3 and themes[1] == themes[2]
    for theme in themes[:2]:
        for text in ("text", "faint", "first", "second", "wire", "mark"):
            for behind in ("page", "box", "lit", "other"):
                assert _contrast(theme[text], theme[behind]) >= 4.5, (text, behind)
        assert _contrast(theme["edge"], theme["page"]) >= 3 and _contrast(theme["focus"], theme["page"]) >= 3


def test_a_run_of_which_less_was_seen_says_less(scenarios):
    conductor = Conductor(scenarios["1"], VirtualClock(), isolate=False, observe=False)
    shown = data(Played(conductor.run(), "told", (), "make check-1"))
    assert len(shown["unseen"]) == 2 and all(change[2] is None and change[3] is None for way in shown["ways"] for change in way["changes"])


def test_the_page_knows_what_the_run_knew(scenarios):
    """Moments are the run's records, each once, in its order; a way's bytes are those that were written."""
    one = played(scenarios["8"])
    shown = data(one)
    places = [step["e"] for step in shown["steps"]]
    assert places == sorted(set(places))
    records = {e.seq for e in one.run.events} | {s.seq for s in one.run.segments} | {e.seq for e in (*one.run.endings, *one.run.children)}
    assert records <= set(places)
    way = next(way for way in shown["ways"] if shown["names"][way["from"]] == "client")
    written = "".join(call.data for call in one.run.calls if call.who == "client" and call.connection and call.name in ("write", "sendto"))
    assert way["bytes"] == written and way["changes"][-1][2] == len(written)



def test_a_page_says_whether_its_sources_are_those_that_were_run(browser, scenarios, tmp_path):
    one = played(scenarios["1"])
    assert {source.state for source in one.sources.values()} == {"run"}
    browser.open(put(tmp_path, one))
    assert [re.sub(r"[0-9a-f]{12}", "#", file) for file in there(browser)["files"][:2]] == ["client.c: as it was run (sha256 #)", "server.c: as it was run (sha256 #)"]
    assert re.search(r"run at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", browser.run("return document.querySelector('p.faint').textContent"))
    other = dataclasses.replace(one, sources={"client.c": dataclasses.replace(one.sources["client.c"], state="changed"), "server.c": dataclasses.replace(one.sources["server.c"], state="")})
    browser.open(put(tmp_path, other))
    assert there(browser)["files"][:2] == ["client.c: has changed since this run: its text is not shown", "server.c: as it was when this page was made"]
    assert [len(lines) > 1 for lines in browser.run("return [...document.querySelectorAll('.source')].map((list) => [...list.children].map((one) => one.textContent))")] == [False, True]


def test_a_page_is_made_of_a_trace_and_names_what_has_changed_since(scenarios, tmp_path):
    record, page_file = tmp_path / "run.jsonl", tmp_path / "page.html"
    assert ask("check", "1", "--trace", str(record))[0] == 0
    assert ask("play", str(record), "-o", str(page_file)) == (0, f"the run as a page: {page_file}\n", "")
    whole = page_file.read_text()
    assert "as expected" in whole and "This is a message" in whole and "reader_open" in whole
    header, rest = record.read_text().split("\n", 1)
    told = json.loads(header)
    told["sources"]["client.c"] = "0" * 64
    record.write_text(json.dumps(told) + "\n" + rest)
    status, out, err = ask("play", str(record), "-o", str(page_file))
    assert status == 0 and err == "note: client.c has changed since this run: its text is not on the page\n"
    assert len(page_file.read_text()) < len(whole) and ask("play", str(tmp_path / "page.html"))[0] == 2 and ask("play", "nothing")[0] == 2


def test_bytes_that_nobody_can_read_any_more_are_not_called_unread(browser, scenarios, tmp_path):
    """Of scenario 9 the kernel refused them, of scenario 10 they went with the socket that was closed."""
    for number, words in (("9", "sent, and refused by the server's kernel: 5 bytes"), ("10", "never read: gone with the server's socket: 25 bytes")):
        browser.open(put(tmp_path, played(scenarios[number])))
        browser.press("End")
        queues = there(browser)["queues"]
        assert any(queue.startswith(words) for queue in queues), queues
        assert not any("not read yet, in the server's kernel" in queue and ": 0 bytes" not in queue for queue in queues)


def test_play_writes_a_page_and_says_where(tmp_path, scenarios):
    file = tmp_path / "page.html"
    status, out, _ = ask("play", "1", "-o", str(file))
    assert (status, out) == (0, f"the run as a page: {file}\n") and file.read_text().startswith("<!DOCTYPE html>")
    assert ask("play", "1", "-o", str(file))[0] == 0        # a page may be drawn again


@pytest.mark.parametrize("file, words", [("notes.txt", "exists and is no page; it stays as it is"), ("nowhere/page.html", "name a file in a folder that exists")])
def test_play_never_takes_the_place_of_another_file(tmp_path, file, words):
    (tmp_path / "notes.txt").write_text("mine")
    status, _, err = ask("play", "1", "-o", str(tmp_path / file))
    assert status == 2 and words in err and (tmp_path / "notes.txt").read_text() == "mine"


def test_explain_writes_a_page_of_foreign_programs(tmp_path):
    (tmp_path / "srv.py").write_text("import socket\ns = socket.create_server(('', 9000))\nc = s.accept()[0]\nc.recv(9)\n")
    (tmp_path / "cli.py").write_text("import socket\nc = socket.create_connection(('127.0.0.1', 9000))\nc.send(b'hello\\n')\nc.recv(1)\n")
    file = tmp_path / "page.html"
    status, out, _ = ask("explain", "--server", f"python3 {tmp_path}/srv.py", "--client", f"python3 {tmp_path}/cli.py", "--play", str(file))
    text = file.read_text()
    assert status == 0 and str(file) in out and "<title>tcplab: your programs</title>" in text and "sending 6 bytes" in text and "create_server" in text
    assert '"heading":"told: the run is over"' in text
    (tmp_path / "srv.py").write_text("import socket\ns = socket.create_server(('', 9000))\nc = s.accept()[0]\nc.recv(9)\nc.recv(9)\n")
    ask("explain", "--server", f"python3 {tmp_path}/srv.py", "--client", f"python3 {tmp_path}/cli.py", "--play", str(file))
    text = file.read_text()
    assert '"heading":"deadlock: Proven: ' in text and '"The client waits in read on connection 1, for the server."' in text
    (tmp_path / "notes.txt").write_text("mine")
    status, _, err = ask("explain", "--server", f"python3 {tmp_path}/srv.py", "--client", f"python3 {tmp_path}/cli.py", "--play", str(tmp_path / "notes.txt"))
    assert status == 2 and "is no page" in err


@pytest.fixture(scope="module")
def explored(scenarios, tmp_path_factory) -> "dict[str, Any]":
    """The page of scenario 1's outcomes without its pause, and the report about where each was decided."""
    file = tmp_path_factory.mktemp("outcomes") / "page.html"
    os.environ["NOPAUSE"] = "1"
    try:
        status, out, err = ask("play", "1", "--where", "-o", str(file))
        report = ask("explore", "1", "--where")
    finally:
        del os.environ["NOPAUSE"]
    return {"status": status, "out": out, "file": file, "report": report[1]}


def test_each_outcome_is_a_run_of_the_page(browser, explored):
    assert explored["status"] == 0
    browser.open(f"file://{explored['file']}#run=b&with=a")
    assert browser.run("return document.querySelectorAll('[role=group] button').length") == 2
    browser.press("End")
    shown = there(browser)
    assert "The ending is certain once the server comes to" in browser.run("return document.querySelector('p.mark').textContent")
    assert browser.run("return document.querySelectorAll('.strip polyline').length") == 1
    assert len(shown["parts"]) == 2 and shown["parts"][0] != shown["parts"][1]
    assert browser.complaints() == []


def test_explore_says_where_each_ending_was_decided(explored):
    said = " ".join(explored["report"].split())
    assert re.search(r"outcome 1: The ending is certain once the client comes to `[^`]+` \(client\.c:\d+\)\. Until then \d+ schedules go like this one", said)
    assert re.search(r"outcome 2: The ending is certain once the server comes to `[^`]+` \(server\.c:\d+\)\.", said)
