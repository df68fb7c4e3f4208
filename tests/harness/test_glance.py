"""A glance says no more than a full look at the same moment, and it is used where that is enough."""
from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
from typing import Optional

import pytest

from harness.explore import schedules
from harness.explore.schedules import Delays
from harness.observe import diag, kernel, sockets
from harness.observe.glance import Glances, Seen
from harness.stage.conductor import Conductor, VirtualClock
from harness.stage.scenarios import find
from harness.trace import Run
from pairs import lent, pair

pytestmark = pytest.mark.skipif(not kernel.tells(), reason="this system does not tell what a thread waits for")


class Checked(Conductor):
    """After a calm glance nobody goes on by itself: looks that go on until one is calm bring neither a line nor a call. (The kernel may
    wake a thread in vain meanwhile, as when its FIN is acknowledged.)"""

    def run(self) -> Run:
        self.said: "list[Seen]" = []
        return super().run()

    def _glance(self, distance: float) -> Optional[float]:
        glance = self.glances.glance
        self.calm = False

        def noted(*asked: object) -> Seen:
            self.said.append(glance(*asked))
            self.calm = self.said[-1] is Seen.CALM
            return self.said[-1]
        self.glances.glance = noted
        try:
            return super()._glance(distance)
        finally:
            self.glances.glance = glance

    def _go_on(self) -> bool:
        if self.calm:
            while self.look().busy:
                pass
            assert not select.select([self.keeper.events], [], [], 0)[0], "somebody has gone on by itself"
            self.calm = False
        return super()._go_on()


def explored(scenario, delays=()):
    conductor = Checked(scenario, Delays(delays), keeper=lent())
    made = conductor.run()
    if not made.observed:
        pytest.skip(f"system calls can't be looked at here: {made.notes}")
    return conductor, made


@pytest.mark.parametrize("number", ["1", "4", "6"])
def test_a_calm_glance_is_a_calm_look_in_every_schedule_with_one_delay(number):
    scenario = find(number)
    job = schedules.Job(scenario, scenario.load_contract(), False, True)
    for place, _ in job.attempt((), lent()).turns:
        conductor, made = explored(scenario, (place,))
        calm = sum(one is Seen.CALM for one in conductor.said)
        assert calm >= len(made.events) / 2, "the quick way is not taken"


@pytest.mark.parametrize("client, server", [
    ("connect; say 5; hear 5; write 5; write 5; event sent; close", "listen; accept; hear 5; say 5; readall 10; closelistener"),   # Nagle: 40 ms
    ("connect; rcvtimeo 300; hear 9; event after; close", "listen; accept; hear 9; event on; closelistener"),
    ("connect; thread; itimer 200; hear 3; end; event beside; event it; join; close", "listen; accept; event a; event b; hear 9; closelistener"),
    ("connect; thread; event one; write 1; end; thread; event other; write 2; end; join; close", "listen; accept; read 1; read 2; read 1; closelistener"),
    ("connect; say 5; hear 9; close", "listen; accept; fork; hear 5; event in; end; event by; close; closelistener"),
    ("rcvbuf 4096; sndbuf 65536; connect; writeall 300000; event done; close", "rcvbuf 4096; listen; accept; event slow; event slower; slow 300000; closelistener"),
])
def test_a_calm_glance_is_a_calm_look_whatever_ends_the_waits(client, server, tmp_path):
    scenario = pair(tmp_path / "pair", client, server)
    _, made = explored(scenario)
    for event in made.events[1::3]:
        explored(scenario, (schedules.Place(event.who, event.text, 1),))


def waiting_threads(pid: int, but: int = 0) -> "list[int]":
    """The two threads of a process, when both wait in read(2) and neither of them is `but`."""
    while True:
        tids = kernel.thread_ids(pid)
        if len(tids) == 2 and but not in tids and all(one is not None and one.call == "read" for one in [kernel.waiting_in(pid, tid) for tid in tids]):
            return tids


def test_a_thread_that_takes_the_place_of_another_one_is_looked_at():
    """The process has as many threads as before."""
    code = """
import os, threading
first, second = os.pipe(), os.pipe()
one = threading.Thread(target=os.read, args=(first[0], 1))
one.start()
os.read(0, 1)
os.write(first[1], b"x")
one.join()
threading.Thread(target=os.read, args=(second[0], 1), daemon=True).start()
os.read(0, 1)
os._exit(0)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    glances = Glances(sockets.Network())
    before = waiting_threads(process.pid)
    assert glances.glance([process.pid], (), set(), 0) is Seen.CALM and sorted(glances.waiting) == before
    process.stdin.write(b"x")
    process.stdin.flush()
    after = waiting_threads(process.pid, before[1])
    said = [glances.glance([process.pid], (), set(), 0) for _ in range(3)]      # it waited; it has gone; the other one waits
    assert said == [Seen.MOVES, Seen.MOVES, Seen.CALM] and sorted(glances.waiting) == after
    glances.close()
    process.communicate(b"x")


def test_no_pause_ends_by_a_glance():
    """What comes before the end of a pause is told as forced by it."""
    conductor = Checked(find("2"), VirtualClock(), keeper=lent())
    conductor.run()
    assert conductor.said == []
    delayed, made = explored(find("2"))
    assert any(e.kind == "pause" for e in made.events) and Seen.CALM in delayed.said


def test_the_pairs_of_the_wire_lead_to_all_sockets_that_a_dump_shows():
    """What no program holds any more, or nobody has accepted, is found by the addresses of its connection, too."""
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        pairs = set()
        ones = []
        for _ in range(3):
            one = open_ones.enter_context(socket.create_connection(listener.getsockname()))
            pairs.add(("%s:%d" % one.getsockname(), "%s:%d" % one.getpeername()))
            ones.append(one)
        ones[0].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ones[0].send(bytes(65536))
        ones[0].close()                 # its bytes stand behind a closed window
        closed = ("%s:%d" % ones[1].getsockname())
        ones[1].close()
        network = sockets.Network(open_ones.enter_context(diag.open_socket()))
        files = {os.getpid(): kernel.descriptors(os.getpid())}
        while (closed, "FIN-WAIT-2") not in {(sock.local, sock.state) for sock in network.now(files, whole=True).sockets}:
            os.sched_yield()            # its FIN is still on its way
        by_pairs, whole = network.now(files, pairs=pairs), network.now(files, whole=True)
        assert whole.whole and not by_pairs.whole, "the quick way is not taken"
        ends = {end for pair in pairs for end in (pair, pair[::-1])}

        def of(seen: sockets.Snapshot) -> "set[tuple[str, str, str, int]]":
            return {(sock.local, sock.peer, sock.state, sock.inode) for sock in seen.sockets if (sock.local, sock.peer) in ends}
        assert of(by_pairs) == of(whole) and len(of(whole)) == 6, "three connections, and both ends of each"
        assert ("FIN-WAIT-1", 0) in {(state, inode) for _, _, state, inode in of(whole)}
