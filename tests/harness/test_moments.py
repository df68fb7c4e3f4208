"""What is derived of the kernels' state, against what the kernel itself says of its sockets when the run is frozen."""
from __future__ import annotations

import dataclasses
import random

import pairs
import pytest
from harness.explore.schedules import Delays
from harness.judge.moments import last, moments
from harness.judge.sides import WRITES, Sides
from harness.judge.states import changes
from harness.stage.build import build
from harness.stage.conductor import Conductor
from harness.stage.scenarios import find_all
from harness.trace import Run

PAIRS = [
    ("connect; write 5; readall 1", "listen; accept; read 3; hear-nothing", True),                 # 2 bytes unread
    ("connect; write 5; write 7; shut; readall 1", "listen; accept; pause-for-ever", True),        # FIN-WAIT-2, CLOSE-WAIT, 12 bytes unread
    ("connect; hear-nothing", "listen; accept; shut; pause-for-ever", True),
    ("connect; close; pause-for-ever", "listen; accept; read 1; pause-for-ever", False),           # an end that nobody holds
    ("connect; write 3; readall 1", "listen; polllistener; pause-for-ever", True),                 # in the accept queue
    ("rcvbuf 4096; connect; pause-for-ever", "sndbuf 4096; listen; accept; writeall 300000", True),     # a write that waits
    ("connect; write 3; readall 1", "listen; accept; waitall 8; pause-for-ever", True),             # a read that takes bytes, and waits for more
    ("connect; write 5; shut; read 3; pause-for-ever", "listen; accept; readall 1; write 3; pause-for-ever", True),     # acknowledgements behind a FIN
    ("connect; readall 1", "listen; accept; abort; pause-for-ever", False),
    ("connect; read 1; shut; pause-for-ever", "listen; accept; write 1; shut; pause-for-ever", False),     # TIME-WAIT, CLOSED
]


@pytest.mark.parametrize("client, server, held", PAIRS)
def test_the_derived_state_is_the_kernels_own(tmp_path, client, server, held):
    run = pairs.run(tmp_path / "pair", client, server)
    sides, then, told = Sides(run), last(dataclasses.replace(run, stop=dataclasses.replace(run.stop, sockets=()))), last(run)
    seen = 0
    for socket in run.stop.sockets:
        side = sides.of(socket)
        if not socket.connection or side is None:
            continue
        here, there = then[side], then[sides.other(side)]
        states = {one.replace("FIN-WAIT-2", "FIN-WAIT-1") for one in (here.state, socket.state)}      # a timer decides when a FIN is acknowledged
        assert len(states) == 1 and there.way.unread == socket.unread, side
        assert told[side].way.unsent == socket.unsent and told[side].way.written - told[side].way.acked == socket.unacked, side
        if here.way.written is None:        # a write has not returned: only the kernel can tell
            assert any(wait.call in WRITES for wait in run.stop.waiting)
        else:
            assert here.way.written - here.way.acked == socket.unacked, side
        seen += 1
    assert seen or not held


class Looks(Delays):
    """Each call is held, and before one goes on the kernel is asked what its sockets hold."""

    name, hold_calls = "step", "all"
    conductor: Conductor

    def quiet(self, held):
        if held:
            self.conductor.moment()
        return super().quiet(held)


class LooksAnywhere(Looks):
    """The same, and dice say who goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(1)

    def quiet(self, held):
        if not held:
            return None
        self.conductor.moment()
        return self.let_go(self.dice.choice(self.order(held)))


def looked_at(scenario, policy=None) -> Run:
    policy = policy or Looks()
    policy.conductor = Conductor(scenario, policy, keeper=pairs.lent())
    run = policy.conductor.run()
    if not run.wire or not run.observed:
        pytest.skip("packets can't be captured, or calls not be seen, here")
    return run


def differ(run: Run) -> "list[tuple[int, str, str]]":
    """(place, what the kernel has, what is derived) where they are not the same: states, and how many bytes are unread. A timer may acknowledge a FIN in the middle of a look."""
    ends = {(made.number, end.address): (made.number, which) for made in run.connections for which, end in (("opener", made.opener), ("acceptor", made.acceptor)) if end}
    sides, told = Sides(run), moments(dataclasses.replace(run, sockets=(), stop=dataclasses.replace(run.stop, sockets=())))
    found, seen, derived = [], 0, [one for one in changes(run) if one.state]
    for socket in (*run.sockets, *run.stop.sockets):
        side = ends.get((socket.connection, socket.local))
        if side is not None:
            seen += 1
            state = next((one.state for one in reversed(derived) if one.side == side and one.place <= socket.seq), "CLOSED")
            if state != socket.state and (state, socket.state) != ("FIN-WAIT-1", "FIN-WAIT-2"):
                found.append((socket.seq, socket.state, state))
            held = [moment.way for moment in told if moment.seq <= socket.seq and moment.side == sides.other(side)]
            if held and socket.state != "CLOSED" and held[-1].unread != socket.unread:
                found.append((socket.seq, f"{socket.unread} unread", str(held[-1])))
    assert seen
    return found


@pytest.mark.parametrize("scenario", [one for one in find_all() if int(one.number) < 90], ids=lambda one: one.name)
def test_at_each_call_of_a_scenario_the_states_are_the_kernels_own(scenario):
    build([scenario])
    assert differ(looked_at(scenario)) == [] == differ(looked_at(scenario, LooksAnywhere()))


@pytest.mark.parametrize("client, server", [
    ("connect; read 1; shut; readall 70000; pause-for-ever", "listen; accept; write 1; writeall 200000; shut; pause-for-ever"),   # the FIN waits behind bytes
    ("connect; write 70000; write 70000; readall 1; shut; pause-for-ever", "listen; accept; write 1; read 5; pause-for-ever"),
    ("connect; write 70000; write 70000; write 70000; close; pause-for-ever", "listen; accept; read 5; pause-for-ever"),
    ("connect; read 1; shut; readall 1; close", "listen; accept; write 1; readall 1; close; accept"),
    ("connect; shut; readall 1; close", "listen; accept; shut; readall 1; close; accept"),
    ("connect; write 5; abort", "listen; accept; readall 9; shut; close; accept"),
])
def test_at_each_call_of_a_pair_the_states_are_the_kernels_own(tmp_path, client, server):
    assert differ(looked_at(pairs.pair(tmp_path / "pair", client, server))) == []


@pytest.mark.parametrize("isolate, observe", [(True, False), (False, True)])
def test_what_was_not_seen_is_not_derived(tmp_path, isolate, observe):
    run = pairs.run(tmp_path / "pair", "connect; write 5; close", "listen; accept; read 5; close; accept", isolate=isolate, observe=observe)
    ways = [moment.way for moment in moments(run)]
    assert all((way.written is not None, way.read is not None) == (observe, observe) for way in ways[1:])      # before the first, a write has begun
    assert all((way.arrived is not None, way.unread is not None) == (isolate, isolate and observe) for way in ways)


def test_a_moment_says_from_which_record_on_it_is_so(tmp_path):
    run = pairs.run(tmp_path / "pair", "connect; write 5; close", "listen; accept; read 5; readall 1; close; accept")
    read = next(call for call in run.calls if call.name == "read" and call.result == 5)
    opener = (1, "opener")
    before = [moment for moment in moments(run) if moment.side == opener and moment.seq < read.returned][-1]
    at = next(moment for moment in moments(run) if moment.side == opener and moment.seq == read.returned)
    assert (before.way.unread, at.way.unread) == (5, 0) and at.way.written == 5
    states = list(dict.fromkeys(moment.state for moment in moments(run) if moment.side == opener))
    assert states[:3] == ["SYN-SENT", "ESTABLISHED", "FIN-WAIT-1"] and states[-1] == "TIME-WAIT"


def test_a_fin_is_no_byte(tmp_path):
    """What an end sends behind its FIN stands one place behind its last byte."""
    run = pairs.run(tmp_path / "pair", "connect; write 5; shut; readall 1; close", "listen; accept; read 5; readall 1; write 3; close; accept")
    assert {(way.written, way.arrived, way.read) for way in (last(run)[1, end].way for end in ("opener", "acceptor"))} == {(5, 5, 5), (3, 3, 3)}
