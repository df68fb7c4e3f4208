"""The notation of stage.txt: which programs a run has, with which arguments, and when each of them starts (harness/STAGE.md).

A file is read line by line: `NAME: WHAT`, or `network:` or `limit:`. A line says one thing and leaves the rest of the default
cast as it is. What needs the whole file (who is there, who waits for whom) is checked after the last line. A stage that loads
names only programs and files that exist, and at least one of its programs can start. Nothing here knows of runs.
"""
from __future__ import annotations

import difflib
import os
import re
import shlex
import signal
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional

from ..trace import Role

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
RESERVED = ("never", "free", "either", "or", "others", "bytes", "wire", "call", "deadlock", "clock", "network", "limit", "host", "nobody")
SETTINGS = "listens on, connects to, starts, program, arguments, input, environment, signal"
STARTS = ("starts at once, starts when NAME listens, starts after NAME: LINE, starts after NAME ends, "
          "or how often: starts 3 times, one after the other, or starts 3 times, at once")
PORT = 8080                 # where `server` listens unless stage.txt says another port
PROCESSES_MAX = 100         # processes that a stage starts in one run
LIMIT, LIMIT_MAX = 10, 3600     # seconds without progress before a run is given up: the default, and the most
SIZE_MAX, LINE_MAX = 1 << 16, 1024      # bytes of a stage.txt, characters of a line
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9-]*)\}")
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|(?<=\s)#(?:\s+(.*))?$')      # not `#2`, and not inside double quotes
_WHO = re.compile(r"([a-z][a-z0-9-]*)(?:\[[1-9][0-9]{0,4}\])?")


class StageError(Exception):
    """A stage.txt that can't be used. The text says where the mistake is, what is wrong, and what to do."""


@dataclass(frozen=True)
class Start:
    """When a program starts. `kind`:
    at once     when the run begins
    listens     when all programs in `who` listen
    connected   when all programs in `who` have made a connection (or tried to), or have ended
    line        when `who` has logged `text` (`...` stands for any characters, as in a contract) for the `nth` time
    ended       when all processes of all programs in `who` have ended
    """

    kind: str = "at once"
    who: tuple[str, ...] = ()   # names of the cast; for the kind `line` exactly one, perhaps with a number: "server[2]"
    text: str = ""
    nth: int = 1


@dataclass(frozen=True)
class Signal:
    """A signal that each running process of the name `who` gets when `after` has logged `text` for the `nth` time."""

    who: str
    number: int
    after: str                  # a name of the cast, perhaps with a number: "server[2]"
    text: str
    nth: int = 1


@dataclass(frozen=True)
class Program:
    """One program of the cast. `words` are its arguments. In them {NAME} stands for the port of NAME, and {host} for the host."""

    name: str
    file: str                   # the stem of its .c file, and the name of what make builds of it
    starts: Start = Start()
    times: int = 1              # how many processes of it are started
    in_turn: bool = False       # each process starts when the one before has ended; else all start at the same moment
    listens: Optional[int] = None   # the port that stage.txt gives it; None: it does not listen
    connects: tuple[str, ...] = ()  # the programs to which it connects; each of them listens
    words: tuple[str, ...] = ()
    numbers: tuple[tuple[str, int], ...] = ()   # the ports in stage.txt of itself and of the programs to which it connects
    input: str = ""             # its standard input, a file of the scenario's folder; "": /dev/null
    environment: tuple[tuple[str, str], ...] = ()   # added to the environment that the harness sets
    terminal: str = ""          # "own": a terminal that the harness reads is its standard input and output; "ours": the harness's is; "": none
    as_written: bool = False    # `words` have no placeholders, and its memory is limited by what it uses, not by what it reserves

    @property
    def given(self) -> int:
        """The port in stage.txt, if it is among the program's arguments; else 0."""
        return self.listens if self.listens is not None and any(f"{{{self.name}}}" in word for word in self.words) else 0

    def arguments(self, ports: Mapping[str, int], isolated: bool) -> list[str]:
        """Returns the arguments of one process, without the program's own name. `ports` has, by name, the ports on which the
        programs were found to listen to which this one connects.

        In a private network (`isolated`) `ports` may lack some of them; for these the port in stage.txt is used. Without a
        private network it must have all of `connects` (else KeyError), and the program's own port is 0, so that the kernel
        chooses a free one.
        """
        if self.as_written:
            return list(self.words)
        known: dict[str, str] = {"host": "localhost"}
        for name, number in self.numbers:
            if name == self.name:
                known[name] = str(number if isolated else 0)
            else:
                known[name] = str(ports.get(name, number) if isolated else ports[name])
        return [_PLACEHOLDER.sub(lambda found: known[found[1]], word) for word in self.words]


@dataclass(frozen=True)
class Stage:
    """Who takes part in a run, and what happens to them. `limit`: after so many seconds without progress the run is given up."""

    path: str                   # the path of the stage.txt as it is shown; "" if there is none
    programs: tuple[Program, ...]   # programs that start at the same moment start in this order
    signals: tuple[Signal, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()       # ("net.ipv4.tcp_retries2", "3")
    limit: float = float(LIMIT)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(program.name for program in self.programs)

    def program(self, name: str) -> Program:
        """Returns the program of that name. Raises KeyError if the cast has none."""
        for program in self.programs:
            if program.name == name:
                return program
        raise KeyError(name)

    def roles(self, isolated: bool = False) -> tuple[Role, ...]:
        """Returns the cast as a trace has it. In a private network (`isolated`) each program is given the port that stage.txt
        says."""
        return tuple(Role(program.name, program.listens is not None, program.times, program.given if isolated else 0) for program in self.programs)


def load(folder: Path) -> Stage:
    """Returns the stage of a scenario's folder; the default stage if the folder has no stage.txt. Raises StageError."""
    path = folder / "stage.txt"
    if not os.path.lexists(path):
        return _Reader("", folder).stage(("server", "client"))
    return parse(_read(path), folder, _shown(path))


def parse(text: str, folder: Path, path: str = "stage.txt") -> Stage:
    """Returns the stage that a text describes. The files of its programs are looked for in `folder`; `path` is the text's name in
    messages. Raises StageError."""
    reader = _Reader(path, folder)
    for number, line in enumerate(text.split("\n"), 1):
        reader.take(number, line)
    return reader.stage(tuple(name for name in ("server", "client") if os.path.isfile(folder / f"{name}.c")))


def _shown(path: Path) -> str:
    parts = path.parts
    return os.sep.join(parts[parts.index("scenarios"):]) if "scenarios" in parts else str(path)


def _read(path: Path) -> str:
    """Returns the text of a stage.txt. Checks that it is a regular file before it opens it, because opening a FIFO would wait for
    a writer."""
    shown = _shown(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StageError(f"{shown}: no regular file; put a text file there, or remove it")
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise StageError(f"{shown}: can't be read ({error.strerror}); mend the file, or remove it") from None
    if len(data) > SIZE_MAX:
        raise StageError(f"{shown}: more than {SIZE_MAX} bytes; a stage is a few lines")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[:error.start].count(b"\n") + 1
        raise StageError(f"{shown}:{number}: not UTF-8; save the file as UTF-8") from None


# --- reading, a line at a time --------------------------------------------------------------------------------------

@dataclass
class _Lines:
    """What the lines of one name say. `said` has, by setting, the number of the first line that says it."""

    first: int                  # the number of its first line; 0: it has no line, and is in the cast by default
    said: dict[str, int] = field(default_factory=dict)
    file: str = ""
    starts: Optional[Start] = None
    times: int = 1
    in_turn: bool = False
    listens: Optional[int] = None
    connects: dict[str, int] = field(default_factory=dict)      # by name of a program to which it connects: the number of the line
    words: Optional[tuple[str, ...]] = None
    input: str = ""
    environment: dict[str, str] = field(default_factory=dict)


class _Reader:
    def __init__(self, path: str, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.number = 0
        self.cast: dict[str, _Lines] = {}
        self.signals: list[tuple[int, Signal]] = []
        self.sysctls: dict[str, str] = {}
        self.limit = 0

    def fail(self, words: str, number: int = 0) -> StageError:
        return StageError(f"{self.path}:{number or self.number}: {words}")

    def take(self, number: int, raw: str) -> None:
        self.number = number
        if len(raw) > LINE_MAX:
            raise self.fail(f"a line of more than {LINE_MAX} characters; make it shorter")
        line = self._without_comment(raw.strip())
        if not line:
            return
        unseen = next((c for c in line if c != "\t" and not c.isprintable()), "")
        if unseen:
            raise self.fail(f"the character {ascii(unseen)} can't be seen; write visible characters and blanks only")
        name, colon, what = (part.strip() for part in line.partition(":"))
        if not colon:
            raise self.fail(f'no colon in "{line}"; a line is NAME: WHAT, and WHAT begins with one of: {SETTINGS}')
        if not what:
            raise self.fail(f'nothing behind "{name}:"; write one of: {SETTINGS}')
        if name == "network":
            self._network(what)
        elif name == "limit":
            self._limit(what)
        else:
            self._setting(name, what)

    def _without_comment(self, line: str) -> str:
        if line.startswith("#"):
            return ""
        for found in _COMMENT.finditer(line):
            if found[1] is None:
                if re.fullmatch(r"[0-9]+", found[2] or ""):
                    raise self.fail(f'"# {found[2]}" is a comment; write #{found[2]}, without a blank, if you mean which of several lines')
                return line[:found.start()].rstrip()
        return line

    def _network(self, what: str) -> None:
        found = re.fullmatch(r"(\S+)\s*=\s*(\S.*)", what)
        if not found:
            raise self.fail(f'"{what}" sets nothing; write network: net.ipv4.tcp_retries2 = 3')
        if not re.fullmatch(r"net(\.[A-Za-z0-9_-]+)+", found[1]):
            raise self.fail(f'"{found[1]}" is no setting of a network; its name begins with net. as in net.ipv4.tcp_retries2')
        if found[1] in self.sysctls:
            raise self.fail(f"{found[1]} twice; keep one of the lines")
        self.sysctls[found[1]] = found[2]

    def _limit(self, what: str) -> None:
        found = re.fullmatch(r"([0-9]{1,9})\s*s", what)
        if not found or not 1 <= int(found[1]) <= LIMIT_MAX:
            raise self.fail(f'"{what}" is no limit; write seconds from 1 to {LIMIT_MAX}: limit: 60 s')
        if self.limit:
            raise self.fail("limit twice; keep one of the lines")
        self.limit = int(found[1])

    # -- NAME: WHAT ---------------------------------------------------------------------------------------------------

    def _setting(self, name: str, what: str) -> None:
        if name in RESERVED:
            raise self.fail(f'"{name}" is a word of the notation (here or in contract.txt); give the program another name')
        if not NAME.fullmatch(name):
            raise self.fail(f'"{name}" is no name for a program; a name has small letters, digits and -, and begins with a letter')
        lines = self.cast.setdefault(name, _Lines(self.number))
        takes = {"listens": self._listens, "connects": self._connects, "starts": self._starts, "program": self._program,
                 "arguments": self._arguments, "input": self._input, "environment": self._environment, "signal": self._signal}
        word, *rest = what.split(None, 1)
        if word not in takes:
            raise self.fail(f'unknown word "{word}"; behind "{name}:" write one of: {SETTINGS}')
        if not rest:
            raise self.fail(f'nothing behind "{word}"; leave the line out for what is so by default')
        takes[word](lines, name, rest[0])

    def _once(self, lines: _Lines, name: str, setting: str) -> None:
        if setting in lines.said:
            raise self.fail(f'"{name}: {setting}" twice; line {lines.said[setting]} says it already, keep one of them')
        lines.said[setting] = self.number

    def _listens(self, lines: _Lines, name: str, rest: str) -> None:
        found = re.fullmatch(r"on\s+([0-9]{1,5})", rest)
        if not found or not 1 <= int(found[1]) <= 65535:
            raise self.fail(f'"listens {rest}" names no port; write a number from 1 to 65535: listens on {PORT}')
        self._once(lines, name, "listens on")
        lines.listens = int(found[1])

    def _connects(self, lines: _Lines, name: str, rest: str) -> None:
        found = re.fullmatch(r"to\s+(.+)", rest)
        if not found:
            raise self.fail(f'"connects {rest}" names no program; write connects to NAME')
        for whom in self._names(found[1]):
            self._once(lines, name, f"connects to {whom}")
            lines.connects[whom] = self.number

    def _names(self, words: str) -> list[str]:
        """Returns the names in "relay", "relay and server" or "a, b and c"."""
        found = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", words)
        for name in found:
            if not NAME.fullmatch(name):
                raise self.fail(f'"{name}" is no name of a program; join several names with "and"')
        return found

    def _starts(self, lines: _Lines, name: str, rest: str) -> None:
        times = re.fullmatch(r"([0-9]+)\s+times?(?:\s*,\s*(one after the other|at once))?", rest)
        if times:
            self._once(lines, name, "starts ... times")
            if not times[2]:
                raise self.fail(f'"starts {rest}" does not say how; add ", one after the other" or ", at once"')
            lines.times, lines.in_turn = int(times[1]), times[2] != "at once"
            if not 1 <= lines.times <= PROCESSES_MAX:
                raise self.fail(f"{times[1]} times; a program starts 1 to {PROCESSES_MAX} times")
            return
        self._once(lines, name, "starts")
        listen = re.fullmatch(r"when\s+(.+?)\s+listens?", rest)
        ended = re.fullmatch(r"after\s+([^:]+?)\s+ends?", rest)
        if rest == "at once":
            lines.starts = Start()
        elif listen:
            lines.starts = Start("listens", tuple(self._names(listen[1])))
        elif ended:
            lines.starts = Start("ended", tuple(self._names(ended[1])))
        elif rest.startswith("after "):
            who, text, nth = self._line(rest)
            lines.starts = Start("line", (who,), text, nth)
        else:
            raise self.fail(f'"starts {rest}" is no condition; write one of: {STARTS}')

    def _line(self, words: str) -> tuple[str, str, int]:
        """Returns WHO, TEXT and the number of the occurrence from "after WHO: TEXT #2"."""
        found = re.fullmatch(r"after\s+([^:]+?)\s*:(.*?)(?:\s+#([1-9][0-9]{0,4}))?", words)
        if not found or not _WHO.fullmatch(found[1]):
            raise self.fail(f'"{words}" names no line; write after NAME: TEXT, with the text as the program logs it')
        if not found[2].strip():
            raise self.fail(f'nothing behind "{found[1]}:"; write the text of the line that is meant')
        return found[1], found[2].strip(), int(found[3] or 1)

    def _program(self, lines: _Lines, name: str, rest: str) -> None:
        self._once(lines, name, "program")
        lines.file = rest[:-2] if rest.endswith(".c") else rest
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", lines.file):
            raise self.fail(f'"{rest}" is no program; write the name of a .c file of this folder, without folders: program client')

    def _arguments(self, lines: _Lines, name: str, rest: str) -> None:
        self._once(lines, name, "arguments")
        lines.words = tuple(self._split(rest))

    def _input(self, lines: _Lines, name: str, rest: str) -> None:
        self._once(lines, name, "input")
        folder, path = os.path.realpath(self.folder), os.path.realpath(self.folder / rest)
        if not path.startswith(os.path.join(folder, "")) or not os.path.isfile(path):
            raise self.fail(f'"{rest}" is no file in the scenario\'s folder; put it there')
        lines.input = rest

    def _environment(self, lines: _Lines, name: str, rest: str) -> None:
        for word in self._split(rest):
            variable, equals, value = word.partition("=")
            if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
                raise self.fail(f'"{word}" sets no variable; write environment NAME=VALUE, and double quotes around a value with blanks')
            if variable.startswith("TCPLAB_"):
                raise self.fail(f"{variable} is the harness's own; choose a name that does not begin with TCPLAB_")
            self._once(lines, name, f"environment {variable}")
            lines.environment[variable] = value

    def _signal(self, lines: _Lines, name: str, rest: str) -> None:
        word, *after = rest.split(None, 1)
        try:
            number = signal.Signals[word if word.startswith("SIG") else f"SIG{word}"]
        except KeyError:
            raise self.fail(f'there is no signal "{word}"; write its name as in kill -l: signal TERM after client: closing') from None
        if not after:
            raise self.fail(f'"signal {word}" does not say when; write the line behind it: signal {word} after client: closing')
        who, text, nth = self._line(after[0])
        self.signals.append((self.number, Signal(name, int(number), who, text, nth)))

    def _split(self, words: str) -> list[str]:
        """Splits a text into words at blanks. Double quotes hold a word together, and a backslash takes the next character as it
        is."""
        reader = shlex.shlex(words, posix=True)
        reader.whitespace_split, reader.commenters, reader.quotes = True, "", '"'
        try:
            return list(reader)
        except ValueError:
            raise self.fail('a double quote is not closed, or a backslash stands at the end; '
                            'write \\" or \\\\ for the character itself') from None

    # -- what needs the whole file ------------------------------------------------------------------------------------

    def stage(self, by_default: tuple[str, ...]) -> Stage:
        """Returns the stage. `by_default` has the names that are in the cast without a line of their own."""
        self.cast = {name: self.cast.get(name, _Lines(0)) for name in self._order(by_default)}
        if not self.cast:
            raise self.fail("no program to run; write a server.c and a client.c, or a line for each program", 1)
        if sum(lines.times for lines in self.cast.values()) > PROCESSES_MAX:
            raise self.fail(f"more than {PROCESSES_MAX} processes in all; start fewer")
        self._check_files()
        if "server" in self.cast and self.cast["server"].listens is None:
            self.cast["server"].listens = PORT
        self._check_ports()
        programs = tuple(self._finished(name, lines) for name, lines in self.cast.items())
        self._check_starts(programs)
        for number, one in self.signals:
            self._check_known(_role(one.after), number)
        return Stage(self.path, programs, tuple(one for _, one in self.signals), tuple(self.sysctls.items()), float(self.limit or LIMIT))

    def _order(self, by_default: tuple[str, ...]) -> list[str]:
        """Returns the names in the order of their lines. A server without a line comes first, and a client without a line comes
        after the server."""
        names = list(self.cast)
        for name in by_default:
            if name not in names:
                names.insert(names.index("server") + 1 if name == "client" and "server" in names else 0, name)
        return names

    def _check_files(self) -> None:
        for name, lines in self.cast.items():
            lines.file = lines.file or name
            if lines.first and not os.path.isfile(self.folder / f"{lines.file}.c"):
                near = difflib.get_close_matches(name, [other for other in self.cast if other != name], 1)
                also = f" Did you mean {near[0]}?" if near else ""
                raise self.fail(f"there is no {lines.file}.c in the scenario's folder; write it, or name another file: "
                                f"{name}: program FILE.{also}", lines.said.get("program", lines.first))

    def _check_ports(self) -> None:
        seen: dict[int, str] = {}
        for name, lines in self.cast.items():
            if lines.listens is None:
                continue
            if lines.listens in seen:
                other = seen[lines.listens]
                number = max(self.cast[one].said.get("listens on", 0) for one in (name, other))
                raise self.fail(f"{other} and {name} both listen on {lines.listens}; give one of them another port", number)
            seen[lines.listens] = name

    def _check_known(self, name: str, number: int) -> None:
        if name not in self.cast:
            near = difflib.get_close_matches(name, self.cast, 1)
            also = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(self.cast)}"
            raise self.fail(f'there is no program "{name}" in the cast{also}', number)

    def _check_listens(self, name: str, number: int) -> None:
        self._check_known(name, number)
        if self.cast[name].listens is None:
            raise self.fail(f"{name} does not listen; write {name}: listens on PORT, or name another program", number)

    def _finished(self, name: str, lines: _Lines) -> Program:
        connects = dict(lines.connects)
        for word in lines.words or ():
            for whom in _PLACEHOLDER.findall(word):
                if whom not in ("host", name):
                    connects.setdefault(whom, lines.said["arguments"])
                elif whom == name:
                    self._check_listens(name, lines.said["arguments"])
        for whom, number in connects.items():
            if whom == name:
                raise self.fail(f"{name} connects to itself; name another program", number)
            self._check_listens(whom, number)
        if not connects and lines.listens is None and "server" in self.cast:
            connects["server"] = 0
        whom = tuple(connects)
        own = () if lines.listens is None else ((name, lines.listens),)
        return Program(name, lines.file, lines.starts or (Start("listens", whom) if whom else Start()), lines.times, lines.in_turn,
                       lines.listens, whom, self._words(name, lines, whom), own + tuple((one, self._port_of(one)) for one in whom),
                       lines.input, tuple(lines.environment.items()))

    def _words(self, name: str, lines: _Lines, whom: tuple[str, ...]) -> tuple[str, ...]:
        if lines.words is not None:
            return lines.words
        ports = (() if lines.listens is None else (name,)) + whom
        return tuple(word for one in ports for word in ("{host}", f"{{{one}}}"))

    def _port_of(self, name: str) -> int:
        port = self.cast[name].listens
        assert port is not None
        return port

    def _check_starts(self, programs: tuple[Program, ...]) -> None:
        waits = {program.name: tuple(map(_role, program.starts.who)) for program in programs}
        for program in programs:
            number = self._number_of_start(program)
            for whom in waits[program.name]:
                (self._check_listens if program.starts.kind == "listens" else self._check_known)(whom, number)
                if whom == program.name:
                    raise self.fail(f"{program.name} waits for itself before it starts; name another program", number)
        for program in programs:
            circle = _circle(program.name, waits)
            if circle:
                raise self.fail(f"{' and '.join(circle)} would wait for one another before they start; let one of them start at once",
                                max(self._number_of_start(one) for one in programs if one.name in circle))

    def _number_of_start(self, program: Program) -> int:
        lines = self.cast[program.name]
        return lines.said.get("starts") or max(lines.connects.values(), default=0) or lines.said.get("arguments") or lines.first or 1


def _role(who: str) -> str:
    """Returns the name without a number: "server" for "server[2]"."""
    return who.partition("[")[0]


def _circle(name: str, waits: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Returns the programs of a circle that begins with `name`, in which each one waits for the next one and the last one for
    `name`; [] if there is no such circle."""
    behind: dict[str, str] = {}     # by name: the program from which it was reached first
    reached = [name]
    for one in reached:
        for whom in waits[one]:
            if whom not in behind:
                behind[whom] = one
                reached.append(whom)
    if name not in behind:
        return []
    circle = [behind[name]]
    while circle[0] != name:
        circle.insert(0, behind[circle[0]])
    return circle
