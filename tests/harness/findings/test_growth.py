"""The work of each finding grows with the length of a run, and not with its square: a program that spins makes 100,000 calls."""
from __future__ import annotations

import functools
from typing import Iterator

import pytest
import runs
from harness.judge.findings import FAMILIES, Facts
from harness.trace import Run, Stop, Waiting
from work import grows

WAITS = (Waiting("server", 200, 200, "read", 4, 1, "client", "server.c:9"), Waiting("client", 101, 101, "read", 4, 1, "server", "client.c:9"))
STOPS = {"runaway": Stop("runaway", "the server spins"), "deadlock": Stop("deadlock", waiting=WAITS, cycle=("client", "server")), "over": Stop("over", waiting=WAITS[:1])}

# What is done again and again: calls ("server read 9 = EAGAIN"; #0 is no connection), and the segments that go with them.
TURNS = {
    "a loop at EAGAIN": (["server#1 read 9 = EAGAIN"], []),
    "a loop at EOF": (["server#1 read 9 = 0"], []),
    "interrupted reads": (["server#1 read 9 = EINTR"], []),
    "an alarm for each read": (["server#0 alarm 1 = 0", "server#1 read 9 = EINTR"], []),
    "polls": (["server#0 poll 1 = 1", "server#1 read 5 = EAGAIN"], []),
    "messages both ways": (["client#1 write 5 = 5", "server#1 read 9 = 5", "server#1 write 3 = 3", "client#1 read 9 = 3"], ["client PA 5", "server PA 3"]),
    "writes that nobody reads": (["client#1 write 5 = 5"], ["client PA 5"]),
    "short writes": (["client#1 write 9 = 5"], ["client PA 5"]),
    "reads that get less than they ask for": (["client#1 write 5 = 5", "server#1 read 900 = 5"], ["client PA 5"]),
    "refused connects": (["client#0 connect 0 = ECONNREFUSED"], []),
    "closes of nothing": (["server#0 close 0 = EBADF", "server#0 read 9 = EBADF"], []),
    "accepts": (["server#0 accept 0 = EAGAIN"], []),
    "connects to nowhere": (["client#0 socket 1 = 4", "client#0 connect 0 = ENETUNREACH", "client#0 close 0 = 0"], []),
    "binds": (["server#0 socket 1 = 4", "server#0 bind 0 = EADDRINUSE", "server#0 close 0 = 0"], []),
    "writes that fail": (["client#1 write 5 = EPIPE", "client#0 write 5 = EBADF"], []),
    "connections": (["client#0 socket 1 = 4", "client#1 connect 0 = 0", "server#1 accept 0 = 5", "client#1 write 5 = 5", "client#1 close 0 = 0", "server#1 close 0 = 0"], []),
    "lines": ([], []),
    "reads of an accepted connection": (["server#1 read 9 = EAGAIN"], []),
    "writes on a connection that was asked for": (["client#1 write 5 = 5"], ["client PA 5"]),
}
# What made the descriptor, once. Then the calls on it are the life of one socket.
BIRTHS = {"reads of an accepted connection": "server#1 accept 0 = 4", "writes on a connection that was asked for": "client#0 socket 1 = 4"}
PIDS = {"client": 101, "server": 200}


@functools.lru_cache(maxsize=8)
def made(turn: str, stop: str, n: int) -> Run:
    """Returns a run in which that is done n times. The findings of one test share it."""
    calls, segments = TURNS[turn]

    def entries() -> "Iterator[str]":
        for place, words in enumerate([*filter(None, [BIRTHS.get(turn)]), *calls * n], 5):
            who, rest = words.split("#", 1)
            yield f"{2 * place}-{2 * place + 1} {who}@{PIDS[who]}#{rest}"
    reached = {"client": 1, "server": 1}
    wire = []
    for words in segments * n:
        who, flags, size = words.split()
        wire.append(f"{who} {flags} {reached[who]}+{size}")
        reached[who] += int(size)
    log = "client@101#1: connecting\nserver@200#1: accepted\n" + 'client@101#1: sending "hello"\nserver@200#1: received "hello"\n' * (n if turn == "lines" else 1)
    run = runs.run(log, ends="client@101: waiting in read, server@200: waiting in read", wire=", ".join(wire), stop=STOPS[stop])
    return runs.facts(run, (runs.end("client", 101, (101, 1, -1, "", 0)), runs.end("server", 200, (200, 2, -1, "", 0))), calls="\n".join(entries()))


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("turn", TURNS)
def test_the_work_of_no_finding_grows_with_the_square(turn: str, stop: str) -> None:
    for ask in [ask for family in FAMILIES for ask in family.FINDINGS]:
        assert grows(lambda facts: list(ask(facts)), lambda n: Facts(made(turn, stop, n)), 30) < 2.3, ask.__name__
