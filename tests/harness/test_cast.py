"""What does the notation of stage.txt accept, and what does it refuse, where, and with which advice?"""
from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from harness.stage import build, cast
from harness.stage.cast import Program, Signal, Stage, StageError, Start
from harness.stage.scenarios import ROOT, Scenario, find_all
from harness.trace import Role
from ready import ready

STAGES = sorted((ROOT / "tests/harness/stages").glob("*/stage.txt"))
RELAY = "server: listens on 8080\nrelay: listens on 8081\nrelay: connects to server\nclient: connects to relay\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scenario's folder with the programs that the stages below name."""
    scenario = tmp_path / "scenario"
    scenario.mkdir()
    for name in ("server.c", "client.c", "relay.c", "names.txt"):
        (scenario / name).touch()
    return scenario


def load(folder: Path, text: str) -> Stage:
    (folder / "stage.txt").write_text(text, encoding="utf-8")
    return cast.load(folder)


def refusal(folder: Path, text: str) -> str:
    """What is said of a stage that can't be right: "LINE: what is wrong, what to do"."""
    with pytest.raises(StageError) as error:
        load(folder, text)
    said = str(error.value)
    assert said.startswith(f"{folder / 'stage.txt'}:") and re.search(r"[;?]", said), said
    return said[len(str(folder / "stage.txt")) + 1:]


# -- the cast ---------------------------------------------------------------------------------------------------------

def test_without_a_stage_there_are_a_server_and_a_client_that_starts_when_it_listens(tmp_path):
    stage = cast.load(tmp_path)
    server, client = stage.programs
    assert (server.name, server.file, server.listens, server.starts) == ("server", "server", 8080, Start("at once"))
    assert (client.name, client.file, client.connects, client.starts) == ("client", "client", ("server",), Start("listens", ("server",)))
    assert server.arguments({}, True) == client.arguments({}, True) == ["localhost", "8080"]
    assert stage.roles() == (Role("server", True), Role("client", False))
    assert (stage.path, stage.signals, stage.sysctls, stage.limit) == ("", (), (), 10.0)


def test_an_empty_stage_is_the_default_one(folder):
    assert load(folder, "# nothing to say\n\n").programs == cast.load(folder.parent).programs


def test_a_line_says_one_thing_and_the_rest_of_the_default_cast_stays(folder):
    stage = load(folder, "client: starts 3 times, at once")
    assert stage.names == ("server", "client")
    assert stage.program("client") == Program("client", "client", Start("listens", ("server",)), 3, False, None, ("server",),
                                              ("{host}", "{server}"), (("server", 8080),))
    assert stage.roles()[1] == Role("client", False, 3)


def test_a_relay_that_is_named_comes_to_the_default_cast(folder):
    stage = load(folder, "relay: listens on 8081\nrelay: connects to server")
    assert stage.names == ("server", "client", "relay")
    assert stage.program("client").connects == ("server",)


def test_who_has_no_file_and_no_line_is_not_in_the_cast(folder):
    (folder / "client.c").unlink()
    assert load(folder, "relay: listens on 8081").names == ("server", "relay")
    (folder / "server.c").unlink()
    stage = load(folder, "relay: listens on 8081")
    assert stage.names == ("relay",) and stage.program("relay").connects == ()


@pytest.mark.parametrize("text, names", [
    ("client: starts at once\nserver: listens on 1", ("client", "server")), ("server: listens on 1", ("server", "client")),
    ("relay: listens on 1\nserver: listens on 2", ("relay", "server", "client")),
    ("relay: listens on 1\nclient: starts at once", ("server", "relay", "client"))])
def test_the_cast_stands_in_the_order_of_its_lines(folder, text, names):
    assert load(folder, text).names == names


def test_a_chain_of_three_starts_from_its_end(folder):
    stage = load(folder, RELAY)
    assert {program.name: program.starts for program in stage.programs} == {
        "server": Start("at once"), "relay": Start("listens", ("server",)), "client": Start("listens", ("relay",))}


def test_one_file_may_be_run_under_several_names(folder):
    for file in ("client", "client.c"):
        late = load(folder, f"late: program {file}").program("late")
        assert (late.name, late.file, late.connects) == ("late", "client", ("server",))


def test_a_program_that_neither_listens_nor_says_to_whom_connects_to_the_server(folder):
    assert load(folder, "late: program client").program("late").starts == Start("listens", ("server",))


# -- when, how often --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, start", [
    ("at once", Start("at once")), ("when server listens", Start("listens", ("server",))),
    ("when server and relay listen", Start("listens", ("server", "relay"))), ("after client ends", Start("ended", ("client",))),
    ("after client, relay and server end", Start("ended", ("client", "relay", "server"))),
    ("after client: closing", Start("line", ("client",), "closing")),
    ("after client: closing #2", Start("line", ("client",), "closing", 2)),
    ("after server[2]: Received ... \"a: # b\\n\"  # a comment", Start("line", ("server[2]",), 'Received ... "a: # b\\n"')),
    ("after client: the client ends", Start("line", ("client",), "the client ends"))])
def test_a_program_starts(folder, words, start):
    stage = load(folder, f"relay: listens on 8081\nlate: program client\nlate: starts {words}")
    assert stage.program("late").starts == start


@pytest.mark.parametrize("words, times, in_turn", [
    ("3 times, one after the other", 3, True), ("3 times, at once", 3, False), ("1 time, at once", 1, False)])
def test_a_program_starts_several_times(folder, words, times, in_turn):
    client = load(folder, f"client: starts {words}\nclient: starts when server listens").program("client")
    assert (client.times, client.in_turn, client.starts.kind) == (times, in_turn, "listens")


# -- arguments, input, environment ------------------------------------------------------------------------------------

def test_the_arguments_are_where_it_listens_and_then_to_whom_it_connects(folder):
    stage = load(folder, RELAY + "client: connects to server")
    assert stage.program("relay").arguments({}, isolated=True) == ["localhost", "8081", "localhost", "8080"]
    assert stage.program("client").arguments({}, isolated=True) == ["localhost", "8081", "localhost", "8080"]
    assert stage.program("relay").arguments({"server": 41000}, isolated=False) == ["localhost", "0", "localhost", "41000"]
    assert stage.program("relay").arguments({"server": 41000}, isolated=True) == ["localhost", "8081", "localhost", "41000"]


def test_without_a_network_of_its_own_a_port_that_is_not_known_is_no_guess(folder):
    with pytest.raises(KeyError):
        load(folder, RELAY).program("relay").arguments({}, isolated=False)


def test_arguments_are_words_and_ports_by_name(folder):
    relay = RELAY.replace("client: connects to relay\n", "")
    client = load(folder, relay + r'client: arguments --to {host}:{relay} "two words" # \" it\'s').program("client")
    assert client.arguments({}, True) == ["--to", "localhost:8081", "two words"]
    assert client.connects == ("relay",) and client.starts == Start("listens", ("relay",))
    client = load(folder, r'client: arguments "say \"#1\"" it\'s {server} {"a":1} #2 \\').program("client")
    assert client.arguments({"server": 7}, False) == ['say "#1"', "it's", "7", '{a:1}', "#2", "\\"]


def test_a_program_may_be_told_its_own_port_in_words_of_its_own(folder):
    relay = load(folder, "relay: listens on 8081\nrelay: arguments --listen {relay}").program("relay")
    assert relay.connects == ()
    assert relay.arguments({}, True) == ["--listen", "8081"] and relay.arguments({}, False) == ["--listen", "0"]


def test_input_and_environment(folder):
    (folder / "more lines.txt").touch()
    client = load(folder, 'client: input more lines.txt\nclient: environment GREETING="hello, you" EMPTY=\n'
                          "client: environment A=b=c").program("client")
    assert client.input == "more lines.txt"
    assert client.environment == (("GREETING", "hello, you"), ("EMPTY", ""), ("A", "b=c"))


# -- what happens to them ---------------------------------------------------------------------------------------------

def test_signals_sysctls_and_a_limit(folder):
    stage = load(folder, "server: signal TERM after client: closing #2\nserver: signal SIGKILL after client[3]: closing\n"
                         "network: net.ipv4.tcp_rmem = 4096 8192 16384\nnetwork: net.ipv4.tcp_retries2=3\nlimit: 60 s")
    assert stage.signals == (Signal("server", signal.SIGTERM, "client", "closing", 2),
                             Signal("server", signal.SIGKILL, "client[3]", "closing", 1))
    assert stage.sysctls == (("net.ipv4.tcp_rmem", "4096 8192 16384"), ("net.ipv4.tcp_retries2", "3"))
    assert stage.limit == 60.0


# -- its page ---------------------------------------------------------------------------------------------------------

def test_the_example_of_the_notations_page_loads_and_its_words_are_the_harnesss(folder):
    page = (ROOT / "harness/STAGE.md").read_text(encoding="utf-8")
    example = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    assert load(folder, example).program("client") == Program("client", "client", Start("listens", ("relay",)), 3, True, None, ("relay",),
                                                              ("{host}", "{relay}"), (("relay", 8081),))
    listed = re.search(r"\[CONTRACT.md\]\(CONTRACT.md\): ([a-z, \n]+);", page)
    assert listed and tuple(re.split(r",\s+", listed[1])) == cast.RESERVED
    assert len(TABLE) == 15     # each is a test of its own below


TABLE = re.findall(r"^\| `((?:NAME|network|limit):? .*?)` \|", (ROOT / "harness/STAGE.md").read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("line", TABLE)
def test_each_line_of_its_table_is_understood(folder, line):
    line = line.replace("NAME", "relay", 1).replace("NAME", "server").replace("program FILE", "program client")
    for word, instead in (("FILE", "names.txt"), ("PORT", "8081"), ("TEXT", "closing ... #2")):
        line = line.replace(word, instead)
    load(folder, line)


# -- what is refused --------------------------------------------------------------------------------------------------

REFUSED = [
    ("server listens on 8080", '1: no colon in "server listens on 8080"; a line is NAME: WHAT'),
    ("server:", '1: nothing behind "server:"; write one of: listens on'),
    ("server: serves on 8080", '1: unknown word "serves"; behind "server:" write one of: listens on, connects to, starts'),
    ("server: listens", '1: nothing behind "listens"'),
    ("server: listens at 8080", '1: "listens at 8080" names no port; write a number from 1 to 65535: listens on 8080'),
    ("# a\nserver: listens on 0", '2: "listens on 0" names no port'),
    ("server: listens on 65536", '1: "listens on 65536" names no port'),
    ("server: listens on 8080 and 8081", '1: "listens on 8080 and 8081" names no port'),
    ("client: connects server", '1: "connects server" names no program; write connects to NAME'),
    ("client: connects to Server", '1: "Server" is no name of a program'),
    ("client: connects to server relay", '1: "server relay" is no name of a program; join several names with "and"'),
    # names
    *((f"{word}: listens on 1", f'1: "{word}" is a word of the notation')
      for word in "never free either or others bytes wire deadlock clock host nobody".split()),
    ("Server: listens on 1", '1: "Server" is no name for a program; a name has small letters, digits and -'),
    ("2nd: program client", '1: "2nd" is no name for a program'),
    ("client[2]: program client", '1: "client[2]" is no name for a program'),
    ("a" * 32 + ": program client", '1: "aaaa'),
    ("clinet: starts at once", "1: there is no clinet.c in the scenario's folder; write it, or name another file: "
                               "clinet: program FILE. Did you mean client?"),
    ("late: starts at once\nlate: program tardy", "2: there is no tardy.c in the scenario's folder"),
    ("late: program ../client", '1: "../client" is no program; write the name of a .c file of this folder'),
    ("client: connects to relai\nrelay: listens on 1", '1: there is no program "relai" in the cast; did you mean relay?'),
    ("client: connects to zz", '1: there is no program "zz" in the cast; there are server, client'),
    ("client: arguments {zz}", '1: there is no program "zz" in the cast'),
    ("\nclient: starts after zz: closing", '2: there is no program "zz" in the cast'),
    ("client: starts after server and zz end", '1: there is no program "zz" in the cast'),
    ("client: starts when zz listens", '1: there is no program "zz" in the cast'),
    ("client: signal TERM after zz: closing", '1: there is no program "zz" in the cast'),
    # twice
    ("server: listens on 1\nserver: listens on 2", '2: "server: listens on" twice; line 1 says it already, keep one of them'),
    ("client: starts at once\nclient: starts after server: x", '2: "client: starts" twice'),
    ("client: starts 2 times, at once\nclient: starts 3 times, at once", '2: "client: starts ... times" twice'),
    ("client: connects to server\nclient: connects to server", '2: "client: connects to server" twice'),
    ("client: program client\nclient: program relay", '2: "client: program" twice'),
    ("client: arguments a\nclient: arguments b", '2: "client: arguments" twice'),
    ("client: input names.txt\nclient: input names.txt", '2: "client: input" twice'),
    ("client: environment A=1 A=2", '1: "client: environment A" twice'),
    ("network: net.a = 1\nnetwork: net.a = 1", "2: net.a twice"),
    ("limit: 5 s\nlimit: 5 s", "2: limit twice"),
    # when and how often
    ("client: starts soon", '1: "starts soon" is no condition; write one of: starts at once, starts when NAME listens'),
    ("client: starts after closing", '1: "after closing" names no line; write after NAME: TEXT'),
    ("client: starts after server:", '1: nothing behind "server:"; write the text of the line that is meant'),
    ("client: starts after server: #2", '1: nothing behind "server:"'),
    ("client: starts after server: x # 2", '1: "# 2" is a comment; write #2, without a blank'),
    ("client: starts after server[0]: x", '1: "after server[0]: x" names no line'),
    ("client: starts 3 times", '1: "starts 3 times" does not say how; add ", one after the other" or ", at once"'),
    ("client: starts 0 times, at once", "1: 0 times; a program starts 1 to 100 times"),
    ("client: starts 101 times, at once", "1: 101 times; a program starts 1 to 100 times"),
    ("client: starts 99 times, at once\nserver: starts 2 times, at once", "2: more than 100 processes in all; start fewer"),
    ("client: starts after client: closing", "1: client waits for itself before it starts; name another program"),
    ("client: starts after client ends", "1: client waits for itself before it starts"),
    ("relay: listens on 1\nrelay: starts when relay listens", "2: relay waits for itself before it starts"),
    ("relay: listens on 1\nrelay: connects to relay", "2: relay connects to itself"),
    ("server: starts after client: closing",
     "1: server and client would wait for one another before they start; let one of them start at once"),
    ("client: starts at once\nlate: program client\nlate: starts after relay ends\nrelay: listens on 1\nrelay: starts after late: x",
     "5: late and relay would wait for one another before they start"),
    ("late: program client\nclient: connects to late", "2: late does not listen; write late: listens on PORT, or name another program"),
    ("late: program client\nclient: arguments {late}", "2: late does not listen"),
    ("client: arguments {client}", "1: client does not listen"),
    ("late: program client\nlate: starts when client listens", "2: client does not listen"),
    ("server: listens on 8081\n\nrelay: listens on 8081", "3: server and relay both listen on 8081; give one of them another port"),
    ("relay: listens on 8080", "1: server and relay both listen on 8080"),
    # input, environment, arguments
    *((f"client: input {file}", f"1: \"{file}\" is no file in the scenario's folder; put it there")
      for file in ("none.txt", ".", "fifo", "../outside.txt", "/etc/passwd", "link.txt", "loop.txt", "a" * 300, "client.c/x")),
    ("client: environment GREETING", '1: "GREETING" sets no variable; write environment NAME=VALUE'),
    ("client: environment 1=2", '1: "1=2" sets no variable'),
    ("client: environment TCPLAB_HOLD=all", "1: TCPLAB_HOLD is the harness's own; choose a name that does not begin with TCPLAB_"),
    ('client: arguments "a b', "1: a double quote is not closed"),
    # signals, network, limit
    ("server: signal TREM after client: closing",
     '1: there is no signal "TREM"; write its name as in kill -l: signal TERM after client: closing'),
    ("server: signal 15 after client: closing", '1: there is no signal "15"'),
    ("server: signal BLOCK after client: closing", '1: there is no signal "BLOCK"'),
    ("server: signal TERM", '1: "signal TERM" does not say when'),
    ("server: signal TERM after client ends", '1: "after client ends" names no line'),
    ("network: kernel.hostname = x", '1: "kernel.hostname" is no setting of a network; its name begins with net.'),
    ("network: net.../../kernel/hostname = x", '1: "net.../../kernel/hostname" is no setting of a network'),
    ("network: net.ipv4.tcp_retries2", '1: "net.ipv4.tcp_retries2" sets nothing; write network: net.ipv4.tcp_retries2 = 3'),
    ("network: net.ipv4.tcp_retries2 =", '1: "net.ipv4.tcp_retries2 =" sets nothing'),
    ("limit: 0 s", '1: "0 s" is no limit; write seconds from 1 to 3600: limit: 60 s'),
    ("limit: 3601 s", '1: "3601 s" is no limit'),
    ("limit: 60", '1: "60" is no limit'),
    # the file
    ("client: arguments a\0b", "1: the character '\\x00' can't be seen; write visible characters and blanks only"),
    ("server: listens on\u00a08080", "1: the character '\\xa0' can't be seen"),
    ("client: arguments " + "a" * 1024, "1: a line of more than 1024 characters; make it shorter"),
]


@pytest.mark.parametrize("text, expected", REFUSED, ids=lambda value: value[:40].replace("\0", "NUL") if isinstance(value, str) else None)
def test_it_is_refused(folder, text, expected):
    (folder.parent / "outside.txt").touch()
    (folder / "link.txt").symlink_to("../outside.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(folder / "fifo")
    assert refusal(folder, text).startswith(expected)


@pytest.mark.parametrize("make, words", [
    (os.mkfifo, "no regular file; put a text file there, or remove it"), (os.mkdir, "no regular file"),
    (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    (lambda path: path.symlink_to("nowhere"), "can't be read (No such file or directory)"),
    (lambda path: path.symlink_to("stage.txt"), "can't be read (Too many levels of symbolic links)"),
    (lambda path: path.write_bytes(b"# \xe4\n" * 20000), "more than 65536 bytes; a stage is a few lines"),
    (lambda path: path.write_bytes(b"# fine\nserver: \xff"), "2: not UTF-8; save the file as UTF-8")],
    ids=("fifo", "folder", "device", "dangling link", "loop", "too large", "not UTF-8"))
def test_a_stage_that_is_no_text_file_is_refused_and_never_waited_for(folder, make, words):
    path = folder / "stage.txt"
    make(path)
    with pytest.raises(StageError, match=re.escape(str(path)) + ": ?" + re.escape(words)):
        cast.load(folder)


def test_a_stage_for_nobody_is_refused(tmp_path):
    assert refusal(tmp_path, "limit: 60 s").startswith("1: no program to run; write a server.c and a client.c")


def test_other_editors_ways_to_end_lines_and_to_begin_files_are_fine(folder):
    (folder / "stage.txt").write_bytes(b"\xef\xbb\xbfserver: listens on 81\r\n\tclient:  starts\t3  times,at once \r\n#no blank\r\n")
    stage = cast.load(folder)
    assert (stage.program("server").listens, stage.program("client").times) == (81, 3)


def test_a_stage_of_one_long_quoted_line_after_the_other_is_read_quickly(folder):
    """A line with many quotes that are not closed must not keep the reader busy: the test's own time limit would end it."""
    line = "client: arguments " + '"\\' * 500
    assert "a double quote is not closed" in refusal(folder, line)


# -- scenarios and building -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.parent.name)
def test_the_stages_of_the_other_tests_load(path):
    assert cast.load(path.parent).path == str(path)


def test_a_scenario_is_found_by_its_programs_or_by_what_it_says_of_them(tmp_path, monkeypatch):
    for file in ("90-a/client.c", "91-b/stage.txt", "92-c/contract.txt", "93-d/server.c", "94-E/client.c", "95-e/other.c"):
        (tmp_path / file).parent.mkdir()
        (tmp_path / file).touch()
    monkeypatch.setenv("SCENARIOS", str(tmp_path))
    assert [scenario.name for scenario in find_all()] == ["90-a", "91-b", "92-c", "93-d"]


def test_a_scenario_reads_its_stage_when_it_is_asked_for(folder):
    (folder / "stage.txt").write_text("nonsense")
    scenario = Scenario("90-a", folder, folder / "b")
    with pytest.raises(StageError):
        scenario.stage
    assert scenario.program("relay") == folder / "b/relay"


def test_a_program_that_nobody_has_written_is_named(folder):
    (folder / "server.c").unlink()
    with pytest.raises(build.DoesNotBuild, match="90-a: there is no server.c in .*; write it"):
        build.build([Scenario("90-a", folder, folder)])


MAIN = 'int helper(void);\nint main(void)\n{\n    return helper();\n}\n'


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """A scenario with a third program, and a file for all of its programs."""
    folder = tmp_path / "scenarios/90-a"
    folder.mkdir(parents=True)
    for name, text in (("client.c", MAIN), ("talker.c", MAIN), ("helper.c", "int helper(void);\nint helper(void)\n{\n    return 7;\n}\n"),
                       ("stage.txt", "client: starts at once\ntalker: starts at once\n")):
        (folder / name).write_text(text)
    monkeypatch.setenv("SCENARIOS", str(folder.parent))
    monkeypatch.setenv("BUILD", str(ready(tmp_path / "b")))
    return Scenario("90-a", folder, tmp_path / "b/90-a")


def test_what_the_cast_needs_is_built_and_a_further_file_goes_into_all_of_it(scenario):
    (scenario.folder / "unused.c").write_text(MAIN)
    assert build.build([scenario]) == ""
    for file in ("client", "talker"):
        assert os.spawnv(os.P_WAIT, scenario.program(file), [file]) == 7
    assert not scenario.program("unused").exists() and not scenario.program("server").exists()


@pytest.mark.parametrize("text, words", [
    (MAIN.replace("helper();", "helper()"), "talker.c:.*error: "), (MAIN.replace("main", "mian"), "undefined .*main")])
def test_a_third_program_that_is_broken_ends_in_the_compilers_own_words(scenario, text, words):
    (scenario.folder / "talker.c").write_text(text)
    with pytest.raises(build.DoesNotBuild, match=words):
        build.build([scenario])


def test_exercises_and_mutants_go_into_no_program(scenario):
    for name in ("exercises", "mutants"):
        (scenario.folder / name).mkdir()
        (scenario.folder / name / "client.c").write_text("this is no C")
    assert build.build([scenario]) == ""
