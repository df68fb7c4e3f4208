"""Exploring finds exactly the outcomes that there are, the same ones every time; stepping obeys each key."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

import runs
from harness.cli import step
from harness.explore import schedules as explore
from harness.explore.schedules import Place
from harness.judge import comparison as judge
from harness.judge import contract
from harness.stage.conductor import Conductor, VirtualClock
from harness.tell import explored
from harness.stage.scenarios import ROOT, find, find_all
from harness.trace import Socket
from explorations import explored as explored_once
from pairs import lent, pair
import started
from started import left, under
from terminal import Terminal

SERVER = "listen; accept; read 1; closelistener"


def scenario_of(folder, client, server=SERVER, text="others allowed\n"):
    made = pair(folder, client, server)
    (folder / "contract.txt").write_text(text)
    return made


def lines_of(tried, who):
    return dict(tried.outcome.lines)[who]


def test_a_lost_update_through_a_file_is_found_and_nothing_else(tmp_path):
    counter = tmp_path / "counter"
    twice = f"thread; load {counter}; store {counter}; end"
    made = scenario_of(tmp_path / "pair", f"{twice}; {twice}; join; show {counter}; connect; close")
    ends = {lines_of(one, "client")[-3] for one in tries_of(made, counter)}
    assert ends == {"it is 1", "it is 2"}


def tries_of(made, counter):
    """Each one-delay schedule, with a counter that starts at nothing."""
    counter.unlink(missing_ok=True)
    job = explore.Job(made, contract.load(made.contract), skip=False, isolate=True)
    first = job.attempt((), lent())
    for place in sorted({place for place, _ in first.turns}):
        counter.unlink(missing_ok=True)
        yield job.attempt((place,), lent())


def test_a_message_race_has_its_two_outcomes(tmp_path):
    made = scenario_of(tmp_path / "pair", "connect; thread; event one; write 1; end; thread; event other; write 2; end; join; close",
                       "listen; accept; read 1; read 2; read 1; closelistener")
    found = explore.explore(made, delays=2)
    assert {lines_of(group[0], "server")[2:] for group in found.groups} == {("read 1", "read 2", "read 0"), ("read 1", "read 1", "read 1")}


def test_a_pair_without_a_race_has_one_outcome(tmp_path):
    found = explore.explore(scenario_of(tmp_path / "pair", "connect; event a; write 5; event b; read 1; close",
                                        "listen; accept; event c; read 5; event d; write 1; close; closelistener"), delays=2)
    assert len(found.groups) == 1
    assert found.count > 20


def test_a_contract_that_only_luck_keeps_is_refused(tmp_path):
    lucky = "client: connected\nclient: ready\nclient: first\nclient: second\nserver others allowed\n"
    made = scenario_of(tmp_path / "pair", "connect; thread; poll-ms 500; event second; exit 0; end; event ready; event first; pause-for-ever",
                       "listen; accept; read 1; closelistener", text=lucky)
    plain = Conductor(made, VirtualClock(), keeper=lent()).run()
    assert judge.judge(plain, contract.load(made.contract)).status == 0
    found = explore.explore(made)
    assert found.broken and found.status == 1
    told = "\n".join(explored.report(found, made, False))
    assert "SCHEDULE=nobody make check-99" in told      # which is not the run that a plain check shows


def test_a_contract_that_is_kept_in_some_schedules_only_is_told_with_their_number(tmp_path):
    lucky = "client others allowed\nserver: listening\nserver: accepted\nserver: read 1\nserver: read 2\n"
    made = scenario_of(tmp_path / "pair", "connect; thread; event one; write 1; end; thread; event other; write 2; end; join; event joined; close",
                       "listen; accept; read 1; read 2; closelistener", text=lucky)
    found = explore.explore(made)
    assert 0 < len(found.broken) < found.count
    assert f"broken in {len(found.broken)} of {found.count} schedules. In the others luck kept it." in "\n".join(explored.report(found, made, False))


def test_a_contract_that_nothing_keeps_is_not_said_to_be_luck(tmp_path):
    made = scenario_of(tmp_path / "pair", "connect; close", "listen; accept; closelistener", text="client: hello\nserver others allowed\n")
    told = "\n".join(explored.report(explore.explore(made), made, False))
    assert "The contract was broken in every schedule:" in told


def test_without_its_pause_scenario_1_ends_in_eof_or_in_a_reset_and_in_nothing_else(tmp_path_factory):
    found = explored_once(tmp_path_factory, "1", skip=True)
    assert {lines_of(group[0], "client")[-2] for group in found.groups} == {"EOF", "Error reading: ECONNRESET"}
    assert {lines_of(group[0], "client")[-4] for group in found.groups} == {r'Received message: "Message received.\n"'}


def test_without_its_pause_scenario_5_reads_three_writes_in_each_of_the_four_ways(tmp_path_factory):
    found = explored_once(tmp_path_factory, "5", skip=True)
    texts = ["\n".join(lines_of(group[0], "server")) for group in found.groups]
    assert [re.findall(r"Received (\d+) bytes", text) for text in texts] == [["8", "7"], ["4", "11"], ["4", "4", "7"], ["15"]]
    assert "8 and 7; 4 and 11; 4, 4 and 7; 15." in " ".join((ROOT / "lessons/05-glued-writes.md").read_text().split())


def test_a_schedule_gives_the_same_run_a_hundred_times():
    schedule = (Place("client", "pausing 5 s", 1),)
    job = explore.Job(find("1"), contract.load(find("1").contract), skip=True, isolate=True)
    runs = [job.attempt(schedule, lent()) for _ in range(100)]
    assert len({one.outcome for one in runs}) == 1
    assert len({one.turns for one in runs}) == 1
    assert "EOF" in lines_of(runs[0], "client")


@pytest.mark.parametrize("number", ["1", "3", "4"])
def test_a_schedule_that_is_not_run_would_have_given_what_is_said_of_it(number, tmp_path_factory):
    found = explored_once(tmp_path_factory, number)
    spared = [one for group in found.groups for one in group if not one.ran]
    assert spared
    job = explore.Job(find(number), contract.load(find(number).contract), skip=False, isolate=True)
    for one in spared:
        again = job.attempt(one.schedule, lent())
        assert (again.outcome, again.turns) == (one.outcome, one.turns)


def test_outcomes_that_part_at_the_same_line_have_headings_of_their_own(tmp_path_factory):
    report = explored.report(explored_once(tmp_path_factory, "5", skip=True), find("5"), False)
    headings = [line.partition(": ")[2] for line in report if line.startswith("outcome ")]
    assert len(headings) > 2 and len(set(headings)) == len(headings)


def test_a_bound_is_told_when_it_is_reached(tmp_path_factory):
    found = explore.explore(find("3"), limit=5)
    assert found.ran == 5 and found.left == explored_once(tmp_path_factory, "3").count - found.count > 5
    assert f"not run: {found.left} schedules more" in "\n".join(explored.report(found, find("3"), False))


def test_orders_that_always_held_are_listed_on_request_and_rightly(tmp_path_factory):
    found = explored_once(tmp_path_factory, "4")
    orders = {(str(a), str(b)) for a, b in found.always}
    assert any(a.startswith("client: shutting down") for a, _ in orders)
    assert "These orders held" in "\n".join(explored.report(found, find("4"), True))
    assert "These orders held" not in "\n".join(explored.report(found, find("4"), False))


@pytest.mark.parametrize("text", ["server: reading data #1", r'client: sending "This is a message 2\n test" #1; server: closing #2', ""])
def test_a_schedule_is_read_back_as_it_was_written(text):
    assert "; ".join(map(str, explore.parse(text))) == text


@pytest.mark.parametrize("text", ["reading data", "server: reading data", "sever: x #1", "server: a #1 server: b #2 x"])
def test_a_schedule_that_can_not_be_read_is_refused(text):
    with pytest.raises(explore.BadSchedule):
        explore.parse(text)


def test_the_command_that_a_report_gives_reproduces_its_outcome():
    told = started.run("explore", "1", NOPAUSE="1").stdout
    command = re.search(r"NOPAUSE=1 SCHEDULE=.* make step-1", told)[0].replace("make step-1", f"{sys.executable} -m harness run 1")
    shown = subprocess.run(["sh", "-c", command], cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout
    assert re.search(r"^ +[\d.]+  EOF$", shown, re.MULTILINE)


EXPLORED = [(page.name, pauses, number, shown) for page in sorted(ROOT.glob("lessons/*.md"))
            for pauses, number, shown in re.findall(r"```\n\$ (NOPAUSE=1 )?make explore-(\d+)\n(.*?)```", page.read_text(), re.DOTALL)]


def test_lessons_show_explorations():
    assert {page[:2] for page, *_ in EXPLORED} >= {"02", "03", "04"}


@pytest.mark.parametrize("number", [scenario.number for scenario in find_all()])
def test_each_scenario_keeps_its_contract_in_every_schedule_with_one_delay_as_its_lesson_says(number, tmp_path_factory):
    found = explored_once(tmp_path_factory, number)
    report = explored.report(found, find(number), False)
    assert found.status == 0, "\n".join(report)
    assert (found.count == 1) == ("no line and no sleep at which the lab could hold a program" in report[0]) == (number == "0")
    assert len({group[0].outcome.stop for group in found.groups}) == 1
    assert [shown for _, pauses, of, shown in EXPLORED if of == number and not pauses and shown.splitlines() != report] == []


@pytest.mark.parametrize("page, pauses, number, shown", [one for one in EXPLORED if one[1]])
def test_what_a_lesson_shows_of_an_exploration_without_pauses_is_what_it_says(page, pauses, number, shown, tmp_path_factory):
    assert shown.splitlines() == explored.report(explored_once(tmp_path_factory, number, skip=True), find(number), False)


# --- step, through a terminal ----------------------------------------------------------------------------------------

def held(said):
    """The lines that are offered, as (number, who)."""
    return re.findall(r"^  [> ] (\d)  (client|server)", said.replace("\r", ""), re.MULTILINE)


def test_enter_goes_on_to_the_end():
    terminal = Terminal("1")
    said = terminal.until_asked()
    assert held(said) == [("1", "client"), ("2", "server")] and "listening" in said
    steps = 0
    while terminal.child.poll() is None and steps < 60:
        new = terminal.key("")
        said += new
        steps += 1
        if not new.endswith(step.KEYS):
            break
    seen = "client -> server   SYN" in said
    assert ("the server's kernel answered with a reset (RST)" in " ".join(said.split())) == seen
    assert seen or "can't be captured" in said or "no network of its own" in said
    assert "CLOSE-WAIT" in said
    assert 10 < steps < 40
    assert terminal.status() == 0


def test_where_the_wire_can_not_be_seen_it_is_said():
    terminal = Terminal("1", TCPLAB_ISOLATION="none")
    said = terminal.until_asked() + terminal.key("c")
    assert "note: no network of its own" in said and "on the wire" not in said and "(RST)" not in said
    assert terminal.status() == 0


def test_who_is_blocked_is_shown_and_what_the_schedule_holds():
    terminal = Terminal("2", SCHEDULE="client: connected #1")
    said = new = terminal.until_asked()
    for _ in range(6):
        new = terminal.key("")
        said += new
    terminal.key("q")
    assert "SCHEDULE: client: connected #1" in said and re.search(r"connected .*\(SCHEDULE\)", said)
    assert "    server  waits in read, on connection 1" in said.replace("\r", "").splitlines()
    assert max(map(len, said.replace("\r", "").splitlines())) <= 80
    assert terminal.status() == 0


def test_a_socket_that_has_no_connection_yet_is_not_told_as_connection_0():
    held = step.Step((), False, -1)._kernel((Socket(0, "server", 1, 3, 0, "CLOSED", "", "", 0, 0, 0), Socket(0, "client", 2, 3, 1, "ESTABLISHED", "a:1", "b:2", 7, 0, 0)))
    assert held[1].split() == ["server", "CLOSED", *"a socket without a connection".split()] and held[2].endswith("7 unread      0 not acknowledged   connection 1")


def test_a_number_lets_that_one_go_on():
    terminal = Terminal("3")
    said = terminal.until_asked()
    while len(held(said)) < 2:
        said = terminal.key("")
    first, second = offered(said)[:2]
    after = offered(terminal.key("2"))
    assert first in after and second not in after
    terminal.key("q")
    assert terminal.status() == 0


def offered(said):
    """The lines that are offered, without their numbers."""
    return [line[6:] for line in said.replace("\r", "").splitlines() if re.match(r"  [> ] \d  ", line)]


def test_threads_and_forked_children_are_stepped_too(tmp_path):
    env = {"SCENARIOS": str(tmp_path / "scenarios"), "BUILD": str(tmp_path / "build")}
    folder = tmp_path / "scenarios/90-acts"
    folder.mkdir(parents=True)
    for role in ("client", "server"):
        (folder / f"{role}.c").write_text((ROOT / "tests/harness/acts.c").read_text())
    (folder / "contract.txt").write_text("client others allowed\nserver others allowed\n")
    flags = "CFLAGS=-O1 -g -D_GNU_SOURCE -w"
    subprocess.run(["make", "-s", *(f"{name}={value}" for name, value in env.items()), flags], cwd=ROOT, check=True)
    for role, acts in (("client", "connect\nthread\nevent in a thread\nend\njoin\nclose"),
                       ("server", "listen\naccept\nfork\nevent in a child\nend\nwait\ncloselistener")):
        (tmp_path / f"build/90-acts/{role}.acts").write_text(acts + "\n")
    terminal = Terminal("90", MAKEFLAGS=f"-- {flags.replace(' ', chr(92) + ' ')}", **env)
    said = new = terminal.until_asked()
    while new.endswith(step.KEYS):
        new = terminal.key("")
        said += new
    assert terminal.status() == 0
    assert any("in a thread" in line for line in offered(said)) and any("in a child" in line for line in offered(said))


def test_ctrl_c_at_the_prompt_ends_it_and_leaves_nothing():
    terminal = Terminal("1")
    terminal.until_asked()
    processes = under(terminal.child.pid)
    terminal.child.send_signal(signal.SIGINT)
    assert terminal.status() == 130 and processes and left(processes) == []


def test_a_signal_that_comes_a_moment_before_the_wait_for_a_key_ends_that_wait(monkeypatch):
    """It is noted by then, and read(2) would go on waiting."""
    (keys, no_key), (waker, wake) = os.pipe(), os.pipe()
    os.write(wake, b"\2")
    os.close(no_key)    # who reads all the same finds an end, and does not wait
    with open(keys) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(KeyboardInterrupt):
            step.Step([], False, waker)._ask([])
    for fd in (waker, wake):
        os.close(fd)


def test_c_runs_on_and_q_quits_and_r_starts_again():
    terminal = Terminal("4")
    terminal.until_asked()
    terminal.key("")
    again = terminal.key("r")
    assert "one line at a time" in again and held(again) == [("1", "client"), ("2", "server")]
    assert "none of the keys" in terminal.key("x")
    assert "The client ended with exit 0" in terminal.key("c")
    assert terminal.status() == 0


def test_the_end_of_the_input_is_told_and_ends_with_2():
    terminal = Terminal("2")
    terminal.until_asked()
    os.write(terminal.end, b"\x04")
    assert "the input has ended" in terminal.until_asked()
    assert terminal.status() == 2


def test_without_a_terminal_it_says_so_and_ends_with_2():
    done = started.run("step", "1")
    assert done.returncode == 2
    assert "needs a terminal" in done.stderr


@pytest.mark.parametrize("words, told", [("", "a deadlock, proven"), ("a timer would not be seen", "a deadlock, as far as this system shows")])
def test_a_deadlock_is_called_proven_where_nothing_else_could_end_it(words, told):
    made = runs.run("client@1: a\nserver@2: b", stop=replace(runs.deadlock(), words=words))
    assert explored.how_it_ended(explore.outcome_of(made, {})).endswith(f"; {told}")
