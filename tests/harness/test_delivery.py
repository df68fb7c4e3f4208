"""The same bytes in other reads: one by one, all at once, split inside a message, cut off by a reset. What is promised holds, and no more."""
from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

import changes
import pairs
import scripts
from harness.judge import comparison, contract
from harness.stage import scenarios
from harness.stage.build import build
from harness.stage.conductor import Conductor
from harness.stage.delivery import Delivery
from harness.stage.scenarios import ROOT, Scenario
from harness.trace import Run

ALL = scenarios.find_all()


def perform(scenario: Scenario, way: str, isolate: bool = True) -> Run:
    policy = Delivery(way)
    policy.conductor = Conductor(scenario, policy, keeper=pairs.lent(isolate))
    return policy.conductor.run()


def between(folder: Path, way: str, client: str, server: str) -> Run:
    """A run of two small Python programs."""
    for name, text in (("client", client), ("server", server)):
        (folder / name).write_text(scripts.HEAD + text)
        (folder / name).chmod(0o755)
        (folder / f"{name}.c").write_text("int main(void);\n")
    return perform(Scenario("99-pair", folder, folder), way)


def reads(run: Run, who: str = "server") -> "list[int | str]":
    return [call.error or call.result for call in run.calls if call.who == who and call.name in ("read", "recvfrom") and call.connection and call.returned >= 0]


THREE = "s = dial()\ns.send(b'aaaa')\ns.send(b'bbbb')\ns.send(b'cc')\ns.shutdown(1)\ns.recv(9)\n"
ALL_OF_IT = "c = listen().accept()[0]\nwhile c.recv(100):\n    pass\nc.send(b'x')\n"


@pytest.mark.parametrize("way, wanted", [("bytes", [1] * 10 + [0]), ("coalesced", [10, 0]), ("split", [5, 2, 2, 1, 0])])
def test_reads_bring_what_the_way_says(tmp_path, way, wanted):
    assert reads(between(tmp_path, way, THREE, ALL_OF_IT)) == wanted


def test_a_split_does_not_end_where_a_write_ended(tmp_path):
    two = THREE.replace("s.send(b'cc')\n", "")
    assert reads(between(tmp_path, "split", two, ALL_OF_IT))[0] not in (4, 8)


def test_a_reset_comes_to_both_ends_behind_half_of_the_bytes(tmp_path):
    client = "s = dial()\ns.send(b'aaaa')\ntry:\n    s.recv(9)\nexcept ConnectionResetError:\n    sys.exit(3)\n"
    server = "c = listen().accept()[0]\nc.recv(100)\ntry:\n    c.recv(100)\nexcept ConnectionResetError:\n    sys.exit(4)\n"
    run = between(tmp_path, "reset", client, server)
    assert reads(run) == [2, "ECONNRESET"] and {(e.who, e.how) for e in run.endings} == {("client", "exit 3"), ("server", "exit 4")}
    assert any("R" in s.flags for s in run.segments) and run.mode == "reset"


def test_no_program_is_blamed_for_a_reset_of_the_labs(tmp_path):
    from harness.judge import findings
    client = "s = dial()\ns.send(b'aaaa')\ntry:\n    s.recv(9)\nexcept OSError:\n    pass\ns.close()\n"
    server = "c = listen().accept()[0]\nc.recv(100)\ntry:\n    c.recv(100)\nexcept OSError:\n    pass\nc.close()\n"
    assert not {one.code for one in findings.find(between(tmp_path, "reset", client, server))} & {"reset-by-unread", "written-after-close"}


@pytest.mark.usefixtures("soon")
def test_a_read_that_its_time_limit_ends_again_and_again_is_no_progress(tmp_path):
    from harness.judge import findings
    client = "s = dial()\ns.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('qq', 0, 5000))\nwhile True:\n    try:\n        s.recv(9)\n    except OSError:\n        pass\n"
    run = between(tmp_path, "bytes", "import struct\n" + client, "c = listen().accept()[0]\nsignal.pause()\n".replace("signal.pause()", "__import__('signal').pause()"))
    assert run.stop.kind == "no progress" and "does not block" not in " ".join(one.words for one in findings.find(run)), run.stop


@pytest.mark.usefixtures("soon")
def test_a_read_that_the_lab_still_holds_at_the_end_was_called(tmp_path):
    from harness.judge import findings
    run = between(tmp_path, "bytes", "s = dial()\ns.recv(9)\n", "c = listen().accept()[0]\nc.send(b'x')\nwhile True:\n    pass\n")
    assert run.stop.kind == "runaway" and "called no read" not in " ".join(one.words for one in findings.find(run))


@pytest.mark.parametrize("flag, first", [("socket.MSG_WAITALL", 4), ("socket.MSG_PEEK", 10)])
def test_reads_that_insist_or_only_look_are_not_cut(tmp_path, flag, first):
    server = f"c = listen().accept()[0]\nc.recv({4 if 'WAITALL' in flag else 100}, {flag})\nwhile c.recv(100):\n    pass\nc.send(b'x')\n"
    assert reads(between(tmp_path, "bytes", THREE, server))[:2] == [first, 1]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="written for x86-64")
def test_a_program_finds_its_registers_as_they_were(tmp_path):
    code = """
#include <arpa/inet.h>
#include <stdlib.h>
#include <unistd.h>
int main(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bind(s, (struct sockaddr *)&a, sizeof a);
    listen(s, 5);
    int c = accept(s, 0, 0);
    char buf[100];
    long n = 0, length = 100;
    __asm__ volatile("syscall" : "=a"(n), "+d"(length) : "a"(n), "D"((long)c), "S"(buf) : "rcx", "r11", "memory");
    return n == 1 && length == 100 ? 7 : 8;
}
"""
    (tmp_path / "s.c").write_text(code)
    subprocess.run([os.environ.get("CC", "cc"), "-O1", "-o", str(tmp_path / "server"), str(tmp_path / "s.c")], check=True)
    (tmp_path / "client").write_text(scripts.HEAD + THREE.replace("s.recv(9)", ""))
    (tmp_path / "client").chmod(0o755)
    for name in ("client", "server"):
        (tmp_path / f"{name}.c").write_text("int main(void);\n")
    run = perform(Scenario("99-pair", tmp_path, tmp_path), "bytes")
    assert {end.how for end in run.endings if end.who == "server"} == {"exit 7"}


def judged(number: str, way: str) -> comparison.Verdict:
    scenario = next(one for one in ALL if one.number == number)
    build([scenario])
    return comparison.judge(perform(scenario, way), scenario.load_contract())


def promises() -> "list[tuple[str, str]]":
    loaded = [(one.number, one.load_contract()) for one in ALL if int(one.number) < 90]
    return [(number, way) for number, rules in loaded if rules is not None for way in rules.deliveries]


@pytest.mark.parametrize("number, way", promises())
def test_a_contract_holds_in_the_ways_that_it_names(number, way):
    verdict = judged(number, way)
    assert verdict.word == "as expected", verdict.differences[:1]


# Lessons 0, 5 and 6 log each read, so a read that is cut is another line. In lesson 25 a pause is longer than the time limit of a read; a read that
# is held has not begun, so the pause ends first.
@pytest.mark.parametrize("number, way", sorted({(one.number, way) for one in ALL if int(one.number) < 90 for way in ("bytes", "coalesced", "split")} - set(promises())))
def test_a_contract_names_each_way_in_which_it_holds(number, way):
    assert number in ("0", "5", "6", "25") and judged(number, way).word != "as expected"


def test_without_a_network_of_its_own_too():
    scenario = next(one for one in ALL if one.number == "8")
    build([scenario])
    assert comparison.judge(perform(scenario, "bytes", isolate=False), scenario.load_contract()).word == "as expected"


@pytest.fixture
def lab(tmp_path, monkeypatch) -> changes.Lab:
    made = changes.Lab(tmp_path, tmp_path / "build", ["05-glued-writes", "08-length-prefix"])
    for name, value in (("SCENARIOS", str(made.scenarios)), ("BUILD", str(made.build)), ("PAUSE", "0")):
        monkeypatch.setenv(name, value)
    return made


def test_a_program_that_works_by_luck_fails_where_its_contract_promises_more(lab, monkeypatch):
    monkeypatch.setenv("DELIVERY", "bytes")
    assert changes.ask("check", "8")[0] == 0
    changes.apply((ROOT / "scenarios/08-length-prefix/mutants/one-read.diff").read_text(), lab.scenarios)
    status, out, _ = changes.ask("check", "8")
    assert status == 1 and "DELIVERY=bytes: the lab lets each read" in out and "reproduce:" in out and "DELIVERY=bytes" in out.split("reproduce:")[1]


def test_what_the_contract_does_not_promise_is_told_and_not_judged(lab, monkeypatch):
    monkeypatch.setenv("DELIVERY", "split")
    status, out, _ = changes.ask("check", "5")
    assert status == 0 and "told" in out and "the contract promises nothing under DELIVERY=split" in out


@pytest.mark.parametrize("more, words", [({"DELIVERY": "slow"}, "there are bytes, coalesced, split, reset"),
                                         ({"DELIVERY": "bytes", "SCHEDULE": "nobody"}, "take one"), ({"DELIVERY": "bytes", "TCPLAB_CALLS": "off"}, "TCPLAB_CALLS")])
def test_what_can_not_be_delivered_is_refused(lab, monkeypatch, more, words):
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    status, out, err = changes.ask("check", "5")
    assert status == 2 and words in out + err


@pytest.mark.parametrize("line, words", [("holds under: slowly", 'unknown delivery "slowly"'), ("holds under:", "unknown delivery"),
                                         ("either:\n    holds under: bytes\nor:\n    client: b", "write it at the margin")])
def test_a_contract_that_promises_something_else_is_refused(line, words):
    with pytest.raises(contract.ContractError, match=words):
        contract.parse(f"client: a\n{line}\n")
