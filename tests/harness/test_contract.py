"""What does the contract notation accept, and what does it refuse, where, and with which advice?"""
from __future__ import annotations

import os
import random
import re

import pytest

from harness.judge import contract
from harness.stage.scenarios import find_all
from harness.judge.contract import After, Bytes, ContractError, Deadlock, Ends, Free, Line, Made, Never, Open, Wire, code_of, fits, parse
from work import grows



def only(text: str):
    return parse(text).statements[-1]


@pytest.mark.parametrize("scenario", find_all(), ids=lambda one: one.name)
def test_every_scenario_has_a_contract_that_loads(scenario):
    assert scenario.load_contract().path.startswith("scenarios/")


def test_a_line_is_who_and_text():
    assert only("server: listening") == Line(1, "server: listening", who="server", text="listening")


def test_after_splits_outside_quotes_only():
    line = only('client: go\nserver: got "day after day: 1" after client: go')
    assert (line.text, line.after) == ('got "day after day: 1"', (After("client", "go"),))


def test_an_escaped_quote_does_not_end_the_quoted_text():
    line = only('client: go\nserver: got "a\\" after b"   after client: go')
    assert line.text == 'got "a\\" after b"'


def test_several_afters_are_joined_with_and():
    line = only('client: a\nclient: "b and c"\nserver: x after client: a and clock: client: "b and c"')
    assert line.after == (After("client", "a"), After("client", '"b and c"', clock=True))


def test_a_number_names_the_second_of_its_kind():
    loaded = parse("server: read\nserver: read\nclient: x after server: read #2")
    assert loaded.plans[0].named(loaded.statements[-1].after[0]).number == 2


def test_a_reference_may_stand_earlier_in_the_file_than_its_line():
    assert parse("server: x after client: y\nclient: y").statements[0].after == (After("client", "y"),)


def test_a_reference_may_spell_out_the_text_behind_dots():
    assert parse("client: got ...\nserver: x after client: got 5 bytes")
    assert parse("client: got ...\nserver: x after client: got ...")


def test_a_star_means_one_or_more():
    assert only("client: got ... *").many and only("client: got ... *").text == "got ..."


def test_hints_belong_to_the_line_above():
    assert only("client: x\n    ? one\n    ? two").hints == ("one", "two")


@pytest.mark.parametrize("words", ["M5: Who?", "m05: Who?", "M005: Who?", "M05:Who?", "M05 Who?", "M05:"])
def test_a_hint_that_begins_like_a_code_and_is_none_is_refused(words):
    with pytest.raises(ContractError, match=r'^contract.txt:2: ".*" is no code of a misconception'):
        parse(f"client: x\n    ? {words}")


@pytest.mark.parametrize("words, code", [("M05: Who?", "M05"), ("Who is M05: she?", ""), ("m1 came. Who sent it?", "")])
def test_a_hints_code_is_what_it_begins_with(words, code):
    assert code_of(only(f"client: x\n    ? {words}").hints) == code


CODES = ("M04", "M05")


def test_a_code_that_the_list_of_misconceptions_does_not_have_is_refused():
    assert code_of(parse("client: x\n    ? M05: Who?", codes=CODES).statements[0].hints) == "M05"
    assert parse("client: x\n    ? M77: Who?")            # there is no list
    with pytest.raises(ContractError, match=r"^contract.txt:2: lessons/misconceptions.md has no M77; it has M04, M05\."):
        parse("client: x\n    ? M77: Who?", codes=CODES)


@pytest.mark.parametrize("text", ["read after close", "one and two", "before that, once / twice", 'a disk of 5" and more', " indented", "got *",
                                  "the answer is #2", "", "*", "plain", 'say "x after y"', 'server: "odd', "`", "a ` b after c", "x after server: y"])
def test_any_text_can_be_written_as_a_line_and_named_behind_after(text):
    written = contract.quoted(text)
    loaded = parse(f"server: {written}\nclient: {written}  after server: {written}\nnever: client: {written} before server: {written}\n"
                   f"client: last  after server: {written} and client: {written}")
    server, client, never, last = loaded.statements
    assert server.who == "server" and fits(server.text, text) and fits(client.text, text)
    assert client.after == (After("server", server.text),)
    assert last.after == (After("server", server.text), After("client", server.text)) and last.text == "last"
    assert (never.text, never.where, never.other) == (server.text, "before", After("server", server.text))


def test_a_text_between_backquotes_can_have_a_number_or_a_star_behind_it():
    loaded = parse("server: `a and b` *\nserver: `a and b`\nclient: x after server: `a and b` #2")
    assert loaded.statements[0].many and loaded.plans[0].named(loaded.statements[2].after[0]).number == 2


def test_backquotes_that_do_not_hold_the_whole_text_are_characters_like_others():
    assert only("client: gcc: `x' undeclared").text == "gcc: `x' undeclared"
    line = only("client: go\nserver: `a` b `c` after client: go")
    assert (line.text, line.after) == ("`a` b `c`", (After("client", "go"),))


def test_comments_and_empty_lines_say_nothing():
    assert len(parse("# server: x\n\n   # y\nclient: a # b\n").statements) == 1
    assert only("client: a # b").text == "a # b"


def test_numbered_participants_are_participants():
    assert only("server[2]: accepted").who == "server[2]"


@pytest.mark.parametrize("text, kind", [
    ("server: x\nnever: server: y", Never), ("never: server: y after client: z", Never),
    ("server: x\nclient: y\nfree: server: x / client: y", Free), ("server: x\nserver ends: exit 0", Ends),
    ("server: x\nserver ends: signal SIGPIPE", Ends), ("server: x\ndeadlock: client, server", Deadlock),
    ("server: x\nbytes: client -> server = 43", Bytes), ("server: x\nwire: client zero window", Wire),
    ("server: x\ncall: client close", Made), ("server: x\ncall: client[2] shutdown SHUT_WR", Made), ("server: x\ncall: server recvmsg", Made), ("server: x\ncall: server read 0", Made),
    ("others allowed", Open), ("client others allowed", Open)])
def test_each_other_kind_of_line_is_known(text, kind):
    assert isinstance(only(text), kind)


def test_signals_are_named_with_or_without_sig():
    assert only("server: x\nserver ends: signal SIGPIPE").how == "signal PIPE"


@pytest.mark.parametrize("written, meant", [
    ("poll", "poll"), ("ppoll", "poll"), ("pselect6", "select"), ("select", "select"), ("epoll_pwait", "epoll_wait"), ("recvfrom", "read"),
    ("wait4", "wait4"), ("waitid", "wait4"), ("futex", "futex"), ("pause", "pause"), ("clock_nanosleep", "sleep"), ("sleep", "sleep"),
    ("rt_sigtimedwait", "rt_sigtimedwait"), ("accept4", "accept"), ("connect", "connect")])
def test_a_program_may_wait_in_any_call_that_the_kernel_names(written, meant):
    assert only(f"server: x\nserver ends: waiting in {written}").how == f"waiting in {meant}"


def test_a_never_line_keeps_the_side_on_which_it_is_forbidden():
    never = only("never: server: writing ... before client: closing")
    assert (never.where, never.other) == ("before", After("client", "closing"))


EITHER = """
client: x
either:
    client: EOF
        ? hint
    client ends: exit 0
or:
    client: ECONNRESET
    client ends: exit 1
client: closing
"""


def test_an_either_block_gives_a_plan_for_each_branch():
    plans = parse(EITHER).plans
    assert [[line.text for line in plan.of(Line)] for plan in plans] == [["x", "EOF", "closing"], ["x", "ECONNRESET", "closing"]]
    assert [plan.of(Ends)[0].how for plan in plans] == ["exit 0", "exit 1"]


def test_two_either_blocks_give_every_combination():
    assert len(parse(EITHER + EITHER.replace("    client ends: exit 0\n", "").replace("    client ends: exit 1\n", "")).plans) == 4


def test_a_branch_may_stand_on_the_line_of_either():
    assert parse("either: client: EOF\nor: client: ECONNRESET\n").blocks == (("client: EOF", "client: ECONNRESET"),)


def test_a_reference_into_a_branch_counts_only_where_that_branch_is_chosen():
    loaded = parse(EITHER + "server: y after client: EOF")
    assert [plan.named(After("client", "EOF")) is not None for plan in loaded.plans] == [True, False]


NAMES = ("server", "relay", "late-client")


@pytest.mark.parametrize("text", [
    "relay: x", "relay[2]: x after late-client[3]: y\nlate-client[3]: y", "late-client ends: exit 0\nothers allowed", "relay others allowed",
    "never: relay: x", "relay: x\nserver: y\nfree: relay: x / server: y", "relay: x\nbytes: relay -> server[1] = 4",
    "relay: x\nwire: relay FIN", "relay: x\ndeadlock: relay, server"])
def test_a_contract_names_whom_the_cast_names(text):
    assert parse(text, names=NAMES)
    with pytest.raises(ContractError, match="(relay|late-client)"):
        parse(text)


@pytest.mark.parametrize("text", ["client: x", "server: x after client: y", "client ends: exit 0", "never: client: x",
                                  "server: x\nwire: client FIN", "server: x\nbytes: client -> server = 4", "server: x\ndeadlock: client, server", "client others allowed",
                                  "client[1]: x", "Relay: x", "relay[0]: x"])
def test_whom_the_cast_does_not_name_is_refused_with_the_names_that_there_are(text):
    with pytest.raises(ContractError, match='unknown participant ".*"; a line begins with late-client, relay, server, never'):
        parse(text, names=NAMES)


def test_an_example_in_an_error_names_programs_of_the_cast():
    with pytest.raises(ContractError, match="write bytes: late-client -> relay = 43"):
        parse("relay: x\nbytes: relay", names=NAMES)


def test_dots_fit_as_the_pattern_that_they_are():
    chooser = random.Random(3)
    for _ in range(5000):
        text = "".join(chooser.choice(("a", "b", "...", "."))  for _ in range(chooser.randint(1, 7)))
        logged = "".join(chooser.choice("ab.") for _ in range(chooser.randint(0, 8)))
        pattern = ".*".join(map(re.escape, text.split("...")))
        assert fits(text, logged) == (re.fullmatch(pattern, logged) is not None), (text, logged)


def test_many_dots_that_do_not_fit_are_no_more_work_than_their_number():
    assert grows(lambda text: fits(text, "a" * 400 + "b"), lambda n: "a..." * n + "c...b", 20) < 2.6


def chain(last: str) -> str:
    return "\n".join(f"p{n}: x after p{n + 1}: x" for n in range(1100)) + f"\np1100: x{last}"


def test_a_long_chain_of_references_loads_and_a_long_circle_is_refused():
    names = [f"p{n}" for n in range(1101)]
    assert len(parse(chain(""), names=names).statements) == 1101
    with pytest.raises(ContractError, match=r"a circle: lines 1, 2, .*, \.\.\. \(1101 of them\) each wait") as error:
        parse(chain(" after p0: x"), names=names)
    assert len(str(error.value)) < 200


def test_what_is_no_text_file_is_refused_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "latin").write_bytes(b"server: x\nclient: gr\xfc\xdfe\n")
    for name, words in (("fifo", "no regular file"), ("nothing", r"can't be read \(No such file"), ("latin", "2: not UTF-8"), (".", "no regular file")):
        with pytest.raises(ContractError, match=words):
            contract.load(tmp_path / name)


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(tmp_path):
    (tmp_path / "c").write_bytes(b"\xef\xbb\xbfserver: x\r\n    ? why\r\n")
    assert contract.load(tmp_path / "c").statements[0].text == "x"


def test_dots_stand_for_any_characters_and_nothing_else_does():
    assert fits("got ... bytes", "got 5 bytes") and fits("a.b*", "a.b*")
    assert not fits("got ... bytes", "got 5 byte") and not fits("a.b", "axb")


@pytest.mark.parametrize("text, line, words", [
    ("sever: listening", 1, 'unknown participant "sever"; a line begins with client, server'),
    ("server: x\n\nclient end: exit 0", 3, 'unknown word "end"'),
    ("server: x\nserver listens", 2, "no colon"),
    ("sever: listening", 1, "Did you mean server?"),
    ("server: x\nnevr: client: y", 2, "Did you mean never?"),
    ('server: Received "a"\nclient: x after server: Recieved "a"', 2, 'did you mean line 1: server: Received "a"?'),
    ("client: x after server: y", 1, "the contract has no line of server"),
    ("server: x\nserver ends: exit 256", 2, "exit N (0 to 255)"),
    ("server: " + "x" * 5000, 1, "more than 4096 characters"),
    ("server:", 1, "nothing behind"),
    ("server[0]: x", 1, "unknown participant"),
    ('server: "x', 1, "quoted text is not closed"),
    ("server: x after closing", 1, "names no line"),
    ("server: x after client: y", 1, '"client: y" names no line of the contract'),
    ("client: y\nserver: x after server: y", 2, "did you mean client?"),
    ("client: y\nserver: x after client: y #2", 2, '"client: y #2" names no line'),
    ("server: y\nserver: y\nclient: x after server: y", 3, "lines 1, 2; say which one with #1 or #2"),
    ("server: x after client: y\nclient: y after server: x", 1, "a circle"),
    ("server: a after client: d\nserver: b\nclient: c after server: b\nclient: d", 1, "a circle"),
    ("server: x after server: x", 1, "a circle"),
    ("server: x after client: y after client: z", 1, '"after" twice'),
    ("server: x after wire: client FIN", 1, "in wire: lines only"),
    ("server: x\nserver ends: exit 0\nserver ends: exit 1", 3, '"server ends" twice; line 2'),
    ("server: x\nserver ends: exit", 2, "unknown ending"),
    ("server: x\nserver ends: waiting in line", 2, "unknown ending"),
    ("server: x\nserver ends: signal PIP", 2, "unknown ending"),
    ("? why", 1, "no line above"),
    ("either:\n    ? why", 2, "no line above"),
    ("or:\n    client: x", 1, 'no "either:" above'),
    ("either:\n    client: x\nserver: y", 1, 'without "or:"'),
    ("either:\n    client: x\nor:\nserver: y", 4, "branch above is empty"),
    ("either:\n    client: x\n    either:", 3, "blocks do not stand inside blocks"),
    ("server: x\n    client: y", 2, "indented line outside a block"),
    ("either:\n    client: EOF\nor:\n    server: x after client: EOF", 4, "another branch"),
    ("server: x\nbytes: client = 4", 2, "no count"),
    ("server: x\nbytes: client -> client[2] = 4", 2, "no stream"),
    ("server: x\nwire: client HELLO", 2, 'unknown word "HELLO"'),
    ("server: x\nwire: client FIN after wire: server FIN", 2, 'add "wire: server FIN"'),
    ("server: x\nwire: client FIN after server: x", 2, "after wire: WHO WHAT"),
    ("server: x\nwire: client FIN after wire: server FIN\nwire: server FIN after wire: client FIN", 2, "a circle"),
    ("server: x\ndeadlock: client", 2, "two participants"),
    ("server: x\ncall: client shutdwn", 2, 'unknown call "shutdwn"; a contract may ask for accept, bind, close, connect, empty, fork, look, poll, read, shutdown, write: '
                                           "call: client shutdown. Did you mean shutdown?"),
    ("server: x\ncall: clint shutdown", 2, 'unknown participant "clint"'),
    ("server: x\ncall:", 2, 'unknown call ""'),
    ("server: x\ncall: client", 2, 'unknown call ""'),
    ("server: x\ncall: client shutdown SHUT_RW", 2, 'unknown word "SHUT_RW"; a line that asks for a call is call: WHO NAME'),
    ("server: x\ncall: client close SHUT_WR", 2, 'unknown word "SHUT_WR"'),
    ("server: x\ncall: client close 0", 2, 'unknown word "0"'), ("server: x\ncall: client write 34 35", 2, 'unknown word "34"'),
    ("server: x\ncall: client shutdown SHUT_WR now", 2, 'unknown word "now"'),
    ("server: x\ncall: client close\ncall: client close", 3, '"call: client close" twice; line 2'),
    ("server: x\ncal: client close", 2, 'Did you mean call?'),
    ("server: x\nfree: server: x", 2, "two lines"),
    ("server: x\nclient: y after server: x\nfree: server: x / client: y", 3, "orders these two"),
    ("server: x\nfree: server: x / client: z", 2, "names no line"),
    ("# nothing", 1, "nothing in it"),
])
def test_what_says_nothing_is_refused_with_its_place_and_advice(text, line, words):
    with pytest.raises(ContractError) as error:
        parse(text, "scenarios/x/contract.txt")
    assert str(error.value).startswith(f"scenarios/x/contract.txt:{line}: ") and words in str(error.value)
