"""Reads the contract notation: what must be observed when a scenario runs, as typed statements. Nothing here knows of runs.

A contract is read line by line. A line is split at its first colon, at ` after ` (outside of quotes) and at its first word. A
text between backquotes is taken as it stands. Each kind of line is a frozen dataclass.

Statements may stand in a branch of an `either:` block. A **plan** is the contract with one branch of every block chosen. So the
modules that judge a run see plain lists. References (`after server: closing #2`) are checked here for each plan when the contract
is loaded. A contract that loads names only lines that exist, and no line has to come before itself.
"""
from __future__ import annotations

import difflib
import errno
import functools
import itertools
import os
import re
import signal
import stat
import typing
from dataclasses import dataclass, field, replace
from typing import Callable, Collection, Iterable, Iterator, Mapping, Optional, Sequence, TypeVar, Union

from ..observe.kernel import PLAIN

NAMES = ("client", "server")    # of the default cast
WHO = re.compile(r"([a-z][a-z0-9-]*)(?:\[([1-9][0-9]*)\])?")
CALLS = ("accept", "read", "write", "connect", "poll", "select", "epoll_wait", "sleep", "pause", "wait4", "futex",
         "rt_sigsuspend", "rt_sigtimedwait")
CODED = re.compile(r"(M[0-9]{2}): \S")     # a hint about a misconception of lessons/misconceptions.md begins so
WHERE = re.compile(r"\[((?:[^]\\]|\\.)+)\]\s+")     # the condition in front of a hint: [EOF... | waiting in read]
DELIVERIES = ("bytes", "coalesced", "split", "reset")      # the ways of delivery that may stand behind `holds under`
FACTS = re.compile(r"SYN|FIN|RST|zero window|byte [1-9][0-9]*")
KEYWORDS = ("never", "free", "either", "bytes", "wire", "call", "deadlock")
MADE = ("accept", "bind", "close", "connect", "empty", "fork", "look", "poll", "read", "shutdown", "write")     # calls that a contract may ask for; look: made.py
HALVES = ("SHUT_RD", "SHUT_WR", "SHUT_RDWR")
BEGINNINGS = "never, free, either, or, others allowed, holds under, bytes, wire, call, deadlock, ? or #"
SPLITTERS = (" after ", " before ", " and ", " / ")     # words of the notation that may stand behind a text
PLANS_MAX = 256
SIZE_MAX, LINE_MAX = 1 << 18, 4096      # bytes of a contract, characters of a line


class ContractError(Exception):
    """A contract that can't be used. `path` and `number` say where (number 0: the whole file). `words` say what is wrong and what
    to do."""

    def __init__(self, path: str, number: int, words: str) -> None:
        self.path, self.number, self.words = path, number, words
        super().__init__(f"{path}:{number}: {words}" if number else f"{path}: {words}")


@dataclass(frozen=True)
class After:
    """One reference behind `after` (or in `free`, `never`): a WHO, a TEXT, and which one of several such lines (`nth`; 0: not
    said)."""

    who: str
    text: str
    nth: int = 0
    clock: bool = False

    def __str__(self) -> str:
        return f"{self.who}: {self.text}" + (f" #{self.nth}" if self.nth else "")


@dataclass(frozen=True)
class Statement:
    """What every kind of line has: its number in the file, its words, its branch (number of the block, number of the branch;
    None: in no block) and its hints."""

    number: int
    written: str
    branch: Optional[tuple[int, int]] = None
    hints: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Line(Statement):
    """`WHO: TEXT`: the line that WHO logs next. `many`: WHO logs one such line or several."""

    who: str = ""
    text: str = ""
    many: bool = False
    after: tuple[After, ...] = ()

    def __str__(self) -> str:
        return f"{self.who}: {self.text}"


@dataclass(frozen=True)
class Never(Statement):
    """WHO: TEXT must not be logged at all, or not after (before) another line."""

    who: str = ""
    text: str = ""
    where: str = ""                 # "", after, before
    other: Optional[After] = None


@dataclass(frozen=True)
class Free(Statement):
    """Two lines that may come in either order."""

    first: After = After("", "")
    second: After = After("", "")


@dataclass(frozen=True)
class Ends(Statement):
    """How WHO ends: "exit 0", "signal PIPE", "waiting in read"."""

    who: str = ""
    how: str = ""


@dataclass(frozen=True)
class Deadlock(Statement):
    """The run is to end in a proven deadlock, in which these programs wait for each other."""

    whos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bytes(Statement):
    """How many bytes go from the sender to the receiver, over all their connections."""

    sender: str = ""
    receiver: str = ""
    count: int = 0


@dataclass(frozen=True)
class Wire(Statement):
    """`who` sends a segment that shows `what`. `after` names the facts that were sent earlier, as "client byte 19"."""

    who: str = ""
    what: str = ""
    after: tuple[str, ...] = ()

    @property
    def fact(self) -> str:
        return f"{self.who} {self.what}"


@dataclass(frozen=True)
class Made(Statement):
    """WHO makes this call, on a connection if it is not "bind", "empty", "fork", "look" or "poll". `name` is one of MADE. `half` is the direction of a
    shutdown, "SHUT_WR", the address of a connect, "::1", or the option that the socket of a bind has, "SO_REUSEADDR"; "" for any.
    `count` is what a read or a write returns, in bytes; -1 for any number. With `error` ("EPIPE") the call fails so; else it does not fail.
    `times` says how many such reads or writes are asked for."""

    who: str = ""
    name: str = ""
    half: str = ""
    error: str = ""
    count: int = -1
    times: int = 1

    def __str__(self) -> str:
        if self.name in ("empty", "fork", "look", "poll"):
            return self.name
        half = {"connect": f" to {self.half}", "bind": f" with {self.half} set,"}.get(self.name, f"({self.half})") if self.half else ""
        what = f"{self.name}{half}" if self.name in ("bind", "connect") else f"{self.name}{half} on a connection"
        result = f" with the result {self.count}{' (EOF)' if self.name == 'read' and self.count == 0 else ''}" if self.count >= 0 else ""
        return what + (f" with the error {self.error}" if self.error else result) + (f" {self.times} times" if self.times > 1 else "")


@dataclass(frozen=True)
class Holds(Statement):
    """The contract also holds if the same bytes reach the reads of the programs in these other ways (DELIVERY)."""

    under: tuple[str, ...] = ()


@dataclass(frozen=True)
class Open(Statement):
    """WHO may log other lines between those of the contract. who "": every program may."""

    who: str = ""


Any = Union[Line, Never, Free, Ends, Deadlock, Bytes, Wire, Made, Open, Holds]
Kind = TypeVar("Kind", bound=Statement)


@dataclass(frozen=True)
class Plan:
    """The contract with one branch of each block chosen. `choice` has the number of the chosen branch of each block, counted from
    0."""

    choice: tuple[int, ...]
    statements: tuple[Any, ...]

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        found: Optional[tuple[Kind, ...]] = self._by_kind.get(kind)
        if found is None:
            found = self._by_kind[kind] = tuple(s for s in self.statements if isinstance(s, kind))
        return found

    def has(self, statement: Any) -> bool:
        """Is the statement outside of all branches, or in a chosen one?"""
        return statement.branch is None or self.choice[statement.branch[0]] == statement.branch[1]

    def lines_of(self, who: str) -> tuple[Line, ...]:
        found = self._by_who.get(who)
        if found is None:
            found = self._by_who[who] = tuple(line for line in self.of(Line) if line.who == who)
        return found

    @functools.cached_property
    def _by_who(self) -> "dict[str, tuple[Line, ...]]":
        return {}

    @functools.cached_property
    def _by_kind(self) -> "dict[type, typing.Any]":
        return {}

    def named(self, ref: After) -> Optional[Line]:
        """Returns the line that a reference names in this plan; None if that line stands in a branch that was not chosen."""
        found = self._same(ref)
        if ref.nth:
            return found[ref.nth - 1] if len(found) >= ref.nth else None
        return found[0] if found else None

    def _same(self, ref: After) -> list[Line]:
        lines = self.lines_of(ref.who)
        return [x for x in lines if x.text == ref.text] or [x for x in lines if fits(x.text, ref.text)]


@dataclass(frozen=True)
class Contract:
    """A loaded contract. `blocks` has, for each either block, the first line of each branch in words: the branch's name."""

    path: str
    statements: tuple[Any, ...]
    blocks: tuple[tuple[str, ...], ...] = ()
    plans: tuple[Plan, ...] = ()

    @property
    def whos(self) -> tuple[str, ...]:
        """Every WHO that has a line or an `others allowed`, in the order of the file."""
        named = [s.who for s in self.statements if isinstance(s, (Line, Open)) and s.who]
        return tuple(dict.fromkeys(named))

    @property
    def deliveries(self) -> tuple[str, ...]:
        """The other ways of delivery under which the contract also holds."""
        return tuple(way for s in self.statements if isinstance(s, Holds) for way in s.under)

    def plan(self, choice: tuple[int, ...]) -> Plan:
        return next(plan for plan in self.plans if plan.choice == choice)

    def is_open(self, who: str) -> bool:
        """May WHO log lines that the contract does not list?"""
        return any(s.who in ("", who, role_of(who)) for s in self.statements if isinstance(s, Open))


def code_of(hints: Iterable[str]) -> str:
    """Returns the code of the first hint about a misconception, as "M05"; "" if no hint is about one."""
    return next((found[1] for found in (CODED.match(WHERE.sub("", hint, count=1)) for hint in hints) if found), "")


def fitting(hints: Iterable[str], seen: str, otherwise: bool = False, others: Iterable[str] = ()) -> tuple[str, ...]:
    """Returns the hints whose conditions fit what was seen in place of the line, without the conditions. If there is none, returns
    those that fit the first of `others` that has one: lines that the contract allows. If there is still none, and `otherwise` is true,
    returns the hints that have no condition."""
    found = [(WHERE.match(hint), hint) for hint in hints]
    for text in (seen, *others):
        chosen = tuple(hint[where.end():] for where, hint in found if where and any(fits(one.strip(), text) for one in where[1].split(" | ")))
        if chosen:
            return chosen
    return tuple(hint for where, hint in found if where is None and otherwise)


def role_of(who: str) -> str:
    """Returns the name without the number: "client" for "client[2]"."""
    return who.partition("[")[0]


def index_of(who: str) -> int:
    """Returns the number behind the name: 2 for "client[2]", 0 for "client"."""
    return int(who.partition("[")[2].rstrip("]") or 0)


@functools.lru_cache(maxsize=None)
def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text.split("..."))


def fits(text: str, logged: str) -> bool:
    """Does the logged text fit the contract's text, in which `...` stands for any characters?

    The pieces between the dots are looked for in turn, each as early as possible. If they fit in any way, they fit in this way.
    """
    first, *middle = _pieces(text)
    if not middle:
        return text == logged
    last = middle.pop()
    end = len(logged) - len(last)
    if len(first) > end or not logged.startswith(first) or not logged.endswith(last):
        return False
    at = len(first)
    for piece in middle:
        at = logged.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def misspelt(text: str, logged: str) -> bool:
    """Returns whether the two texts are so nearly the same that one may be a misspelling of the other. Numbers and quoted texts
    are left out of the comparison. Texts with different words in capitals are never misspellings: such words, as SHUT_WR, have a
    meaning."""
    def plain(words: str) -> str:
        return re.sub(r'"(?:[^"\\]|\\.)*"|[0-9]+', "", words)
    one, other = plain(text), plain(logged)
    capitals = [re.findall(r"\b[A-Z_]{2,}\b", words) for words in (one, other)]
    return one != other and capitals[0] == capitals[1] and difflib.SequenceMatcher(None, one, other).ratio() > 0.85


def load(path: Union[str, "os.PathLike[str]"], names: Sequence[str] = NAMES, codes: Optional[Collection[str]] = None) -> Contract:
    """Reads a contract from a file. `names` are the names of the cast. `codes` are the misconceptions that exist ("M05"); None:
    any code may stand in a hint. Raises ContractError with the file, the line, what is wrong and what to do."""
    shown = _shown(os.fspath(path))
    return parse(_read(os.fspath(path), shown), shown, names, codes)


def _shown(path: str) -> str:
    parts = path.split(os.sep)
    return os.sep.join(parts[parts.index("scenarios"):]) if "scenarios" in parts else path


def _read(path: str, shown: str) -> str:
    """Returns the text of a contract. Checks that it is a regular file before it opens it, because opening a FIFO would wait for
    a writer."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ContractError(shown, 0, "no regular file; a contract is a text file")
        with open(path, "rb") as file:
            data = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise ContractError(shown, 0, f"can't be read ({error.strerror}); mend the file, or name another one") from None
    if len(data) > SIZE_MAX:
        raise ContractError(shown, 0, f"more than {SIZE_MAX} bytes; a contract is a page of lines")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data[:error.start].count(b"\n") + 1
        raise ContractError(shown, number, "not UTF-8; save the file as UTF-8") from None


def parse(text: str, path: str = "contract.txt", names: Sequence[str] = NAMES, codes: Optional[Collection[str]] = None) -> Contract:
    """Reads a contract from a text. `path` is its name in messages. The other arguments and the error are those of load()."""
    reader = _Reader(path, tuple(sorted(names)), codes)
    for number, raw in enumerate(text.split("\n"), 1):
        reader.take(number, raw)
    return reader.contract()


def quoted(text: str) -> str:
    """Returns a logged text as a contract can hold it. It stands between backquotes if the notation would take a part of it for
    something else. Characters that can't be printed become `...`."""
    if not text.isprintable():
        text = "...".join("".join(c if c.isprintable() else "\n" for c in text).split("\n"))
    plain = (text and text == text.strip() and not text.endswith(" *") and text != "*" and not text.startswith("`")
             and not _open_quote(text) and not any(len(_split(text, word)) > 1 for word in SPLITTERS)
             and not re.search(r"\s#[1-9][0-9]*$", text))
    return text if plain else f"`{text.replace('`', '...')}`"


# --- reading, a line at a time --------------------------------------------------------------------------------------

class _Reader:
    def __init__(self, path: str, names: tuple[str, ...], codes: Optional[Collection[str]]) -> None:
        self.path, self.names, self.codes = path, names, codes
        self.statements: list[Any] = []
        self.blocks: list[list[str]] = []       # the branches' names, "" while a branch is empty
        self.block_lines: list[int] = []
        self.inside = False                     # whether an either block is open
        self.number = 0
        self.hintable = False

    def fail(self, words: str, number: int = 0) -> ContractError:
        return ContractError(self.path, number or self.number, words)

    def take(self, number: int, raw: str) -> None:
        self.number = number
        line = raw.strip()
        if len(line) > LINE_MAX:
            raise self.fail(f"a line of more than {LINE_MAX} characters; put ... in place of a part of it")
        if not line or line.startswith("#"):
            return
        if line.startswith("?"):
            self.hint(line[1:].strip())
        elif re.match(r"(either|or)\s*:", line):
            self.branch(line, indented=raw[0].isspace())
        else:
            self.statement(line, indented=raw[0].isspace())

    def hint(self, words: str) -> None:
        if not self.hintable:
            raise self.fail("a hint (?) with no line above; put it below the line that it explains")
        if not words or WHERE.fullmatch(words + " "):
            raise self.fail("an empty hint; write the question behind the ?")
        asked = WHERE.sub("", words, count=1)
        if re.match(r"[Mm]\d+\s*:|M\d\d\b", asked) and not CODED.match(asked):
            raise self.fail(f'"{asked.split()[0]}" is no code of a misconception; '
                            "write M, two digits, a colon and the question: ? M05: ...")
        code = code_of([words])
        if code and self.codes is not None and code not in self.codes:
            raise self.fail(f"lessons/misconceptions.md has no {code}; it has {', '.join(sorted(self.codes)) or 'none'}. Name one of these, "
                            "or write the question without a code")
        last = self.statements[-1]
        self.statements[-1] = replace(last, hints=last.hints + (words,))

    def branch(self, line: str, indented: bool) -> None:
        word, _, rest = line.partition(":")
        if indented:
            raise self.fail(f'"{word.strip()}:" is indented; blocks do not stand inside blocks, begin it at the margin')
        if word.strip() == "either":
            self.close_block()
            self.blocks.append([])
            self.block_lines.append(self.number)
        elif not self.inside:
            raise self.fail('"or:" with no "either:" above; begin the block with either:')
        else:
            self.check_branch()
        self.inside = True
        self.blocks[-1].append("")
        self.hintable = False
        if rest.strip():
            self.statement(rest.strip(), indented=True)

    def check_branch(self) -> None:
        if not self.blocks[-1][-1]:
            raise self.fail("the branch above is empty; write its lines below it, indented")

    def close_block(self) -> None:
        if self.inside:
            self.check_branch()
            if len(self.blocks[-1]) < 2:
                raise self.fail('"either:" without "or:"; a block has two branches or more', self.block_lines[-1])
        self.inside = False

    def statement(self, line: str, indented: bool) -> None:
        if not indented:
            self.close_block()
        elif not self.inside:
            raise self.fail("an indented line outside a block; only hints (?) and lines below either: or or: are indented")
        branch = (len(self.blocks) - 1, len(self.blocks[-1]) - 1) if self.inside else None
        said = _At(self.path, self.number, branch, self.names).statement(line)
        if branch and isinstance(said, Holds):
            raise self.fail('"holds under" inside a block; it is said of the whole contract, write it at the margin')
        if branch and isinstance(said, Open):
            raise self.fail('"others allowed" inside a block; it holds for the whole contract, write it at the margin')
        if branch and not self.blocks[-1][-1]:
            self.blocks[-1][-1] = str(said) if isinstance(said, Line) else said.written
        self.statements.append(said)
        self.hintable = True

    def contract(self) -> Contract:
        self.close_block()
        contract = Contract(self.path, tuple(self.statements), tuple(map(tuple, self.blocks)))
        if not any(isinstance(s, (Line, Open, Never)) for s in self.statements):
            raise self.fail("nothing in it; say what the programs log, a line each: server: listening", 1)
        choices = 1
        for block in contract.blocks:
            choices *= len(block)
        if choices > PLANS_MAX:
            raise self.fail(f"{choices} combinations of branches; at most {PLANS_MAX} are tried, leave some blocks out")
        contract = replace(contract, plans=tuple(_plans(contract)))
        _check(contract, self.fail)
        return contract


Base = tuple[int, str, Optional[tuple[int, int]]]      # the first fields of each statement: number, written, branch


@dataclass(frozen=True)
class _At:
    """Reads one line of a contract. It knows the line's place and the names that the line may use."""

    path: str
    number: int
    branch: Optional[tuple[int, int]]
    names: tuple[str, ...]

    def fail(self, words: str) -> ContractError:
        return ContractError(self.path, self.number, words)

    def statement(self, line: str) -> Any:
        base = self.number, _written(line), self.branch
        allowed = re.fullmatch(r"(?:(\S+?):?\s+)?others\s+allowed", line)
        if allowed:
            return Open(*base, who=self.who(allowed[1]) if allowed[1] else "")
        if line.count('"') and _open_quote(line):
            raise self.fail('a quoted text is not closed; end it with ", or put the whole text between backquotes: `...`')
        head, colon, rest = line.partition(":")
        words, rest = head.split(), rest.strip()
        if not colon:
            raise self.fail(f'no colon in "{line}"; a line is WHO: TEXT, or begins with {self.beginnings}')
        if words == ["holds", "under"]:
            return Holds(*base, under=self.deliveries(rest))
        if len(words) == 2 and self.is_who(words[0]):
            if words[1] != "ends":
                raise self.fail(f'unknown word "{words[1]}"; write "{words[0]} ends: HOW" or "{words[0]}: TEXT"')
            return Ends(*base, who=words[0], how=self.how(rest))
        special: dict[str, Callable[[str, Base], Any]] = {
            "never": self.never, "free": self.free, "bytes": self.bytes, "wire": self.wire, "call": self.made, "deadlock": self.deadlock}
        if head.strip() in special:
            return special[head.strip()](rest, base)
        if len(words) == 1:
            return self.line(self.who(words[0]), rest, base)
        if len(words) == 2 and words[1] == "ends":
            self.who(words[0])
        word = words[0] if words else ":"
        raise self.fail(f'unknown word "{word}"; a line begins with {self.beginnings}{self.near(word)}')

    def deliveries(self, rest: str) -> tuple[str, ...]:
        ways = tuple(word.strip() for word in rest.split(","))
        wrong = next((way for way in ways if way not in DELIVERIES), None)
        if wrong is not None:
            raise self.fail(f'unknown delivery "{wrong}"; there are {", ".join(DELIVERIES)}: holds under: bytes, split')
        return ways

    @property
    def beginnings(self) -> str:
        return ", ".join((*self.names, BEGINNINGS))

    def is_who(self, word: str) -> bool:
        found = WHO.fullmatch(word)
        return found is not None and found[1] in self.names

    def who(self, word: str) -> str:
        if not self.is_who(word or ""):
            raise self.fail(f'unknown participant "{word}"; a line begins with {self.beginnings}{self.near(role_of(word))}')
        return word

    def near(self, word: str) -> str:
        """Returns a question, ". Did you mean server?", for the name that may have been meant; "" if no name is near."""
        found = difflib.get_close_matches(word.lower(), (*self.names, *KEYWORDS), 1)
        return f". Did you mean {found[0]}?" if found and found[0] != word else ""

    def line(self, who: str, rest: str, base: Base) -> Line:
        text, *refs = _split(rest, " after ")
        if len(refs) > 1:
            raise self.fail('"after" twice; join several with "and": after WHO: TEXT and WHO: TEXT')
        text = text.strip()
        many = text.endswith(" *")
        text = text[:-2].rstrip() if many else text
        if not text or text == "*":
            raise self.fail(f'nothing behind "{who}:"; write the text of the line that it logs')
        return Line(*base, who=who, text=_unquoted(text), many=many, after=self.refs(refs[0]) if refs else ())

    def refs(self, words: str) -> tuple[After, ...]:
        found = []
        for part in _split(words, " and "):
            clock = re.match(r"\s*clock\s*:\s*(.*)", part, re.DOTALL)
            found.append(self.ref(clock[1] if clock else part, clock=bool(clock)))
        return tuple(found)

    def ref(self, words: str, clock: bool = False) -> After:
        head, colon, text = words.strip().partition(":")
        if head.strip() == "wire":
            raise self.fail('a log line after a wire line; "after wire:" stands in wire: lines only')
        if not colon:
            raise self.fail(f'"{words.strip()}" names no line; write after WHO: TEXT; a text that has the word "after" or "and" '
                            "in it stands between backquotes: `...`")
        who, text = self.who(head.strip()), text.strip()
        nth = re.search(r"\s+#([1-9][0-9]*)$", text)
        text = text[:nth.start()] if nth else text
        text = text[:-2].rstrip() if text.endswith(" *") else text
        if not text:
            raise self.fail(f'nothing behind "{who}:"; write the text of the line that is meant')
        return After(who, _unquoted(text), int(nth[1]) if nth else 0, clock)

    def never(self, rest: str, base: Base) -> Never:
        for where in ("after", "before"):
            text, *others = _split(rest, f" {where} ")
            if others:
                said = self.ref(text)
                return Never(*base, who=said.who, text=said.text, where=where, other=self.ref(others[0]))
        said = self.ref(rest)
        return Never(*base, who=said.who, text=said.text)

    def free(self, rest: str, base: Base) -> Free:
        both = _split(rest, " / ")
        if len(both) != 2:
            raise self.fail('"free" takes two lines; write free: WHO: TEXT / WHO: TEXT')
        return Free(*base, first=self.ref(both[0]), second=self.ref(both[1]))

    def bytes(self, rest: str, base: Base) -> Bytes:
        found = re.fullmatch(r"(\S+)\s*->\s*(\S+)\s*=\s*(\d+)", rest)
        if not found:
            raise self.fail(f'"{rest}" is no count; write bytes: {" -> ".join(self.two)} = 43')
        sender, receiver = self.who(found[1]), self.who(found[2])
        if role_of(sender) == role_of(receiver):
            raise self.fail(f"from {sender} to {receiver} there is no stream; name two programs, as {self.two[0]} and {self.two[1]}")
        return Bytes(*base, sender=sender, receiver=receiver, count=int(found[3]))

    def wire(self, rest: str, base: Base) -> Wire:
        fact, *refs = _split(rest, " after ")
        who, what = self.fact(fact)
        after = []
        for ref in (_split(refs[0], " and ") if refs else ()):
            found = re.match(r"\s*(?:wire\s*:)\s*(.*)", ref)
            if not found:
                raise self.fail(f'"after {ref.strip()}" in a wire line; write after wire: WHO WHAT')
            after.append(" ".join(self.fact(found[1])))
        return Wire(*base, who=who, what=what, after=tuple(after))

    def fact(self, words: str) -> tuple[str, str]:
        who, _, what = words.strip().partition(" ")
        what = " ".join(what.split())
        if not FACTS.fullmatch(what):
            raise self.fail(f'unknown word "{what or who}"; the wire knows SYN, FIN, RST, byte N, zero window: wire: {self.two[0]} byte 1')
        return self.who(who), what

    def made(self, rest: str, base: Base) -> Made:
        who, *words = rest.split() or [""]
        name = PLAIN.get(words[0], words[0]) if words else ""
        if name not in MADE:
            near = difflib.get_close_matches(name, MADE, 1)
            raise self.fail(f'unknown call "{name}"; a contract may ask for {", ".join(MADE)}: call: {self.two[0]} shutdown'
                            + (f". Did you mean {near[0]}?" if near else ""))
        times = int(words.pop()[1:]) if name in ("read", "write") and re.fullmatch("#[1-9][0-9]?", words[-1]) else 1
        error = words.pop() if words[-1] in errno.errorcode.values() else ""
        count = int(words.pop()) if name in ("read", "write") and not error and re.fullmatch("[0-9]{1,9}", words[-1]) else -1
        may = {"shutdown": "|".join(HALVES), "connect": "[0-9a-f]*[.:][0-9a-f.:]+", "bind": "SO_REUSEADDR"}.get(name, "")
        if len(words) > 2 or words[1:] and not re.fullmatch(may, words[1]):
            raise self.fail(f'unknown word "{words[-1]}"; a line that asks for a call is call: WHO NAME; behind shutdown may stand {", ".join(HALVES)}, '
                            "behind connect an address (::1), behind bind SO_REUSEADDR, behind read and write the number of bytes that it returns, "
                            "then an error with which it fails, EPIPE, and behind read and write at the end how many such calls there are: #2")
        return Made(*base, who=self.who(who), name=name, half=(words[1:] or [""])[0], error=error, count=count, times=times)

    def deadlock(self, rest: str, base: Base) -> Deadlock:
        whos = tuple(self.who(word.strip()) for word in rest.split(","))
        if len(set(whos)) < 2:
            raise self.fail(f"a wait cycle has two participants or more; write deadlock: {', '.join(self.two)}")
        return Deadlock(*base, whos=whos)

    def how(self, words: str) -> str:
        words = " ".join(words.split())
        kind, _, rest = words.rpartition(" ")
        if kind == "exit" and rest.isdecimal() and int(rest) < 256:
            return f"exit {int(rest)}"
        if kind == "waiting in" and PLAIN.get(rest, rest) in CALLS:
            return f"waiting in {PLAIN.get(rest, rest)}"
        name = rest if not rest.startswith("SIG") else rest[3:]
        if kind == "signal" and hasattr(signal, "SIG" + name):
            return f"signal {name}"
        raise self.fail(f'unknown ending "{words}"; write exit N (0 to 255), signal NAME, or waiting in one of {", ".join(CALLS)}')

    @property
    def two(self) -> tuple[str, str]:
        """Two names of the cast, for an example in a message."""
        first, *others = self.names
        return first, (others or [first + "[2]"])[0]


def _quoted_part(text: str) -> Iterator[tuple[int, bool]]:
    """Yields each place of the text, and whether it is inside quotes. Inside double quotes a backslash also covers the character
    behind it. A backquote begins a quotation at the start of a text, if another backquote follows."""
    until, inside, escaped = -1, False, False
    for place, c in enumerate(text):
        if place <= until:
            yield place, True
            continue
        yield place, inside
        if escaped:
            escaped = False
        elif inside and c == "\\":
            escaped = True
        elif c == '"':
            inside = not inside
        elif c == "`" and not inside and text[:place].rstrip()[-1:] in ("", ":"):
            until = text.find("`", place + 1)


def _unquoted(text: str) -> str:
    """Returns what stands between backquotes; a text without backquotes stays as it is."""
    return text[1:-1] if re.fullmatch("`[^`]*`", text) else text


def _written(line: str) -> str:
    """Returns a line as it is shown, with one blank before `after` or `before`."""
    if not re.search(_BLANKS, line):
        return line
    inside = dict(_quoted_part(line))
    return re.sub(_BLANKS, lambda found: found[0] if inside[found.start()] else " ", line)


_BLANKS = r"\s{2,}(?=after |before )"


def _open_quote(text: str) -> bool:
    return list(_quoted_part(text + " "))[-1][1]


def _split(text: str, at: str) -> list[str]:
    """Splits the text at each `at` that stands outside of quotes."""
    if at not in text:
        return [text]
    pieces, begin = [], 0
    for place, inside in _quoted_part(text):
        if not inside and place >= begin and text.startswith(at, place):
            pieces.append(text[begin:place])
            begin = place + len(at)
    return pieces + [text[begin:]]


# --- plans, and what is refused once all lines are known -----------------------------------------------------------

Fail = Callable[[str, int], ContractError]      # takes the words and the number of the line, and returns the error

def _plans(contract: Contract) -> Iterator[Plan]:
    for choice in itertools.product(*(range(len(block)) for block in contract.blocks)):
        yield Plan(choice, tuple(s for s in contract.statements if s.branch is None or choice[s.branch[0]] == s.branch[1]))


def _check(contract: Contract, fail: Fail) -> None:
    _check_names(contract, fail)
    for plan in contract.plans:
        _check_once(plan, fail)
        _check_unambiguous(plan, fail)
        _check_acyclic(plan, fail)


def _references(statement: Any) -> tuple[After, ...]:
    if isinstance(statement, Line):
        return statement.after
    return (statement.first, statement.second) if isinstance(statement, Free) else ()


def _check_names(contract: Contract, fail: Fail) -> None:
    """Raises if a reference names no line in any plan that has the referring line."""
    for said in contract.statements:
        plans = [plan for plan in contract.plans if plan.has(said)]
        for ref in _references(said):
            if not any(plan.named(ref) for plan in plans):
                raise fail(f'"{ref}" names no line of the contract{_nearest(contract, ref)}', said.number)
        for fact in (said.after if isinstance(said, Wire) else ()):
            if not any(fact == wire.fact for plan in plans for wire in plan.of(Wire)):
                raise fail(f'"after wire: {fact}" names no line of the contract; add "wire: {fact}"', said.number)


def _nearest(contract: Contract, ref: After) -> str:
    lines = [line for line in contract.statements if isinstance(line, Line)]
    same = [line for line in lines if fits(line.text, ref.text)]
    if same and all(line.who != ref.who for line in same):
        return f"; did you mean {same[0].who}?"
    if same:
        return f"; there are {len([x for x in same if x.who == ref.who])} such lines, or they stand in another branch"
    mine = {line.text: line for line in lines if line.who == ref.who}
    near = difflib.get_close_matches(ref.text, mine, 1)
    if near:
        return f"; did you mean line {mine[near[0]].number}: {mine[near[0]]}?"
    return "; write the line's text as it stands there" if mine else f"; the contract has no line of {ref.who}"


def _check_once(plan: Plan, fail: Fail) -> None:
    seen: dict[str, int] = {}
    for said in plan.statements:
        name = _once(said)
        if name and name in seen:
            raise fail(f'"{name}" twice; line {seen[name]} says it already, keep one', said.number)
        seen[name] = said.number


def _once(said: Any) -> str:
    """Returns a key for a statement that a contract may have only once; "" for one that it may repeat."""
    if isinstance(said, Ends):
        return f"{said.who} ends"
    if isinstance(said, Bytes):
        return f"bytes: {said.sender} -> {said.receiver}"
    if isinstance(said, Wire):
        return f"wire: {said.fact}"
    if isinstance(said, Made):
        return " ".join(word for word in ("call:", said.who, said.name, said.half, str(said.count) if said.count >= 0 else "", said.error, f"#{said.times}" if said.times > 1 else "") if word)
    return "deadlock" if isinstance(said, Deadlock) else ""


def _check_unambiguous(plan: Plan, fail: Fail) -> None:
    for said in plan.statements:
        for ref in _references(said):
            same = plan._same(ref)
            if not ref.nth and len(same) > 1:
                where = ", ".join(str(line.number) for line in same)
                choice = " or ".join(f"#{n + 1}" for n in range(len(same)))
                raise fail(f'"{ref}" stands in lines {where}; say which one with {choice}', said.number)


def _check_acyclic(plan: Plan, fail: Fail) -> None:
    before = _before(plan)
    _refuse_circle({number: [line.number for line in earlier] for number, earlier in before.items()},
                   {line.number for line in plan.of(Line) if line.after}, fail)
    for free in plan.of(Free):
        first, second = plan.named(free.first), plan.named(free.second)
        if first and second and (_reaches(first, second, before) or _reaches(second, first, before)):
            raise fail("the contract itself orders these two lines; leave out the free, or the after", free.number)
    facts = {wire.fact: wire for wire in plan.of(Wire)}
    _refuse_circle({wire.number: [facts[fact].number for fact in wire.after if fact in facts] for wire in facts.values()},
                   {wire.number for wire in facts.values() if wire.after}, fail)


def _before(plan: Plan) -> dict[int, list[Line]]:
    """Returns, by line number, the lines that come before it: the line of the same WHO above it, and the lines that its `after`
    names."""
    found: dict[int, list[Line]] = {}
    last: dict[str, Line] = {}
    for line in plan.of(Line):
        found[line.number] = [last[line.who]] if line.who in last else []
        found[line.number] += [named for named in map(plan.named, line.after) if named]
        last[line.who] = line
    return found


def _refuse_circle(before: Mapping[int, Sequence[int]], have_after: set[int], fail: Fail) -> None:
    """Raises if a line would have to come before itself. `before` has, by line number, the numbers of the lines that come before
    it."""
    done: set[int] = set()
    for start in before:
        path, ways = [start], [iter(before[start])]
        while path:
            number = next(ways[-1], None)
            if number is None:
                done.add(path.pop())
                ways.pop()
            elif number in path:
                circle = path[path.index(number):]
                some = ", ".join(map(str, circle[:10])) + (f", ... ({len(circle)} of them)" if len(circle) > 10 else "")
                raise fail(f"a circle: lines {some} each wait for the next; take one after away",
                           next((one for one in circle if one in have_after), number))
            elif number not in done:
                path.append(number)
                ways.append(iter(before[number]))


def _reaches(end: Line, start: Line, before: dict[int, list[Line]]) -> bool:
    """Does the contract force the line `start` to come before the line `end`?"""
    todo, seen = [end], {end.number}
    while todo:
        line = todo.pop()
        if line == start:
            return True
        fresh = [earlier for earlier in before[line.number] if earlier.number not in seen]
        seen.update(earlier.number for earlier in fresh)
        todo += fresh
    return False
