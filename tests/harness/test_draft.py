"""A draft is a contract that the programs keep at once, in the plain run and in every schedule; and it is no more than they did."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.explore import drafts, schedules
from harness.judge import comparison, contract
from harness.judge.contract import Bytes, Ends, Free, Line, Open
from harness.stage.build import build
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import Scenario, find, find_all
from explorations import explored
from pairs import lent, pair
import runs
import test_stages

built = test_stages.built       # the fixture
SERVER = "listen; accept; read 1; closelistener"


def kept(made: Scenario, tmp_path: Path, explore: bool = True) -> contract.Contract:
    """The scenario's draft; it is kept at once. With `explore` it is kept in an exploration of its own, too."""
    text = drafts.draft(made)
    (tmp_path / "draft.txt").write_text(text)
    made = replace(made, rules=tmp_path / "draft.txt")
    loaded = made.load_contract()
    verdict = comparison.judge(Conductor(made, VirtualClock(), keeper=lent()).run(), loaded)
    assert verdict.word == "as expected", (text, verdict.differences)
    if explore:
        found = schedules.explore(made)
        assert found.status == 0 and found.judged, text
    return loaded


@pytest.mark.parametrize("name", [one.name for one in find_all()])
def test_a_draft_of_each_scenario_is_kept_at_once(name, tmp_path, tmp_path_factory, monkeypatch):
    made, shared = find(name), explored(tmp_path_factory, name)
    monkeypatch.setattr(schedules, "explore", lambda scenario, **more: shared)
    if "signal" in made.contract.read_text():       # programs that die are not drafted: one is meant to
        with pytest.raises(drafts.NoDraft, match="mend the programs first"):
            drafts.draft(made)
        return
    drafted, written = kept(made, tmp_path, explore=False), made.load_contract()
    assert [one.schedule for group in shared.groups for one in group if comparison.judge(one.run, drafted).status] == []
    some = {one.who for one in drafted.plans[0].of(Open)}      # of these some lines came in no order that holds in each run
    for who in set(written.whos) - some if set(drafted.whos) == set(written.whos) else ():
        assert [line.text for line in drafted.plans[0].lines_of(who)] == [line.text for line in written.plans[0].lines_of(who)]
    assert {role: lines for role, lines in texts(drafted).items() if role not in some} == {role: lines for role, lines in texts(written).items() if role not in some}


def texts(said: contract.Contract) -> "dict[str, list[str]]":
    """All lines of a program, however they are divided among its threads: `server`, `server[1]`."""
    return {role: sorted(line.text for who in said.whos if contract.role_of(who) == role for line in said.plans[0].lines_of(who))
            for role in map(contract.role_of, said.whos)}


def test_a_draft_finds_the_orders_that_a_person_wrote(tmp_path):
    made = find("1")
    build([made])
    def orders(said: contract.Contract) -> "set[tuple[str, str]]":
        return {(str(line), f"{'clock ' if ref.clock else ''}{ref}") for line in said.plans[0].of(Line) for ref in line.after}
    assert orders(kept(made, tmp_path)) == orders(made.load_contract())


@pytest.mark.parametrize("name", ["three-in-turn", "two-ports"])
def test_a_draft_of_a_larger_cast_is_kept_at_once(name, tmp_path, built):
    assert kept(test_stages.scenario(built, name), tmp_path, explore=name == "two-ports").whos


def test_each_outcome_of_a_race_has_its_branch(tmp_path):
    made = pair(tmp_path / "pair", "connect; say 1; say 2; event on; event off; close", "listen; accept; hear 3; hear 3; hear 3; closelistener")
    assert len(kept(made, tmp_path).blocks) == 1


def test_of_threads_that_nothing_orders_the_first_ones_lines_are_written_and_others_are_allowed():
    run = runs.run("client@101.101: a\nclient@101.5: one\nclient@101.6: other\nclient@101.101: b", ends="client@101: exit 0")
    turned = runs.run("client@101.101: a\nclient@101.6: other\nclient@101.101: b\nclient@101.5: one", ends="client@101: exit 0")
    loaded = contract.parse(drafts.write("90-threads", [run, run], [run, turned]))
    assert [line.text for line in loaded.plans[0].of(Line)] == ["a", "b"] and loaded.is_open("client") and not loaded.is_open("server")


def test_a_number_that_is_another_one_in_each_run_is_left_open(tmp_path):
    made = find("0")
    build([made])
    run = Conductor(made, VirtualClock(), keeper=lent()).run()
    def with_port(port: int):
        return replace(run, outputs=tuple(replace(o, text=f"accepted 127.0.0.1:{port}\n") if o.text.startswith("accepted") else o for o in run.outputs))
    text = drafts.write(made.name, [with_port(40001), with_port(50002)], [with_port(41111)])
    assert "server: accepted 127.0.0.1:...\n" in text


def test_of_too_many_outcomes_only_what_they_share_is_written():
    many = [runs.run("\n".join(f"client: {n}" for n in ["a", *("x" * (n + 1) for _ in range(2))])) for n in range(drafts.BRANCHES_MAX + 1)]
    loaded = contract.parse(drafts.write("90-many", many[:2], many))
    assert [line.text for line in loaded.plans[0].of(Line)] == ["a"] and loaded.plans[0].of(Open) and loaded.plans[0].of(Ends)


def test_what_one_run_only_shows_is_not_in_the_draft():
    one = runs.run("client: a\nserver: b")
    other = runs.run("client: a\nserver: b", ends="client: exit 1, server: waiting in accept")
    loaded = contract.parse(drafts.write("90-two", [one, one], [one, other]))
    assert len(loaded.blocks) == 1 and not any(isinstance(said, (Bytes, Free)) for said in loaded.statements)
    assert comparison.judge(other, loaded).word == comparison.judge(one, loaded).word == "as expected"
    third = runs.run("client: a\nserver: c")
    assert comparison.judge(third, loaded).word == "differs"


@pytest.mark.parametrize("act, kind", [("flood", "runaway"), ("crash", "crash")])
def test_runs_that_nobody_can_mean_give_no_draft(tmp_path, act, kind):
    with pytest.raises(drafts.NoDraft, match=f"ended as {kind} "):
        drafts.draft(pair(tmp_path / "pair", f"connect; {act}", SERVER))


def test_lines_that_look_like_the_notation_can_be_drafted(tmp_path):
    made = pair(tmp_path / "pair", "connect; event read after close and before / between; event got *; event `x` after server: y; write 1; close", SERVER)
    texts = [line.text for line in kept(made, tmp_path).plans[0].lines_of("client")]
    assert texts[1:4] == ["read after close and before / between", "got *", "...x... after server: y"]
