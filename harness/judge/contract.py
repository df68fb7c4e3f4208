"""The contract notation: what must be observed when a scenario runs, as typed statements.

A contract is read line by line: a line splits at its first colon, at ` after ` (outside double quotes) and at its first
word. Each kind of line is a frozen dataclass. Statements may stand in a branch of an `either:` block; a **plan** is the
contract with one branch of every block chosen, so whoever judges sees plain lists. References (`after server: closing
#2`) are resolved for each plan, once, here: a contract that loads names only lines that exist, and orders no line
before itself. Nothing here knows of runs.
"""
from __future__ import annotations

import functools
import itertools
import os
import re
import signal
from dataclasses import dataclass, field, replace
from typing import Callable, Iterable, Iterator, Mapping, Optional, Sequence, TypeVar, Union

NAMES = ("client", "server")    # of the default cast
WHO = re.compile(r"([a-z][a-z0-9-]*)(?:\[([1-9][0-9]*)\])?")
CALLS = ("accept", "read", "write", "connect", "poll", "select", "epoll_wait", "pause", "wait4", "futex")
CODED = re.compile(r"(M[0-9]{2}): \S")     # a hint that answers a misconception of lessons/misconceptions.md
FACTS = re.compile(r"SYN|FIN|RST|zero window|byte [1-9][0-9]*")
BEGINNINGS = "never, free, either, or, others allowed, bytes, wire, deadlock, ? or #"
PLANS_MAX = 256


class ContractError(Exception):
    """A contract that says nothing: where, what is wrong, what to do."""


@dataclass(frozen=True)
class After:
    """One reference behind `after` (or in `free`, `never`): WHO: TEXT, perhaps the nth of its kind (0: not said)."""

    who: str
    text: str
    nth: int = 0
    clock: bool = False

    def __str__(self) -> str:
        return f"{self.who}: {self.text}" + (f" #{self.nth}" if self.nth else "")


@dataclass(frozen=True)
class Statement:
    """What every kind of line has: its number in the file, its words, its branch (block, branch) and its hints."""

    number: int
    written: str
    branch: Optional[tuple[int, int]] = None
    hints: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Line(Statement):
    """WHO: TEXT, what WHO logs next; `many`: one or more such lines."""

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
    """Two lines of which either may come first."""

    first: After = After("", "")
    second: After = After("", "")


@dataclass(frozen=True)
class Ends(Statement):
    """How WHO ends: "exit 0", "signal PIPE", "waiting in read"."""

    who: str = ""
    how: str = ""


@dataclass(frozen=True)
class Deadlock(Statement):
    """The run ends in a proven wait cycle of these, and that is right."""

    whos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bytes(Statement):
    """The stream's total from sender to receiver, in bytes."""

    sender: str = ""
    receiver: str = ""
    count: int = 0


@dataclass(frozen=True)
class Wire(Statement):
    """The first segment of `who` that is `what`; after: other such facts, as "client byte 19"."""

    who: str = ""
    what: str = ""
    after: tuple[str, ...] = ()

    @property
    def fact(self) -> str:
        return f"{self.who} {self.what}"


@dataclass(frozen=True)
class Open(Statement):
    """Other lines of WHO may come between; who "": of everybody."""

    who: str = ""


Any = Union[Line, Never, Free, Ends, Deadlock, Bytes, Wire, Open]
Kind = TypeVar("Kind", bound=Statement)


@dataclass(frozen=True)
class Plan:
    """The contract with one branch of each block chosen. `choice` counts branches from 0."""

    choice: tuple[int, ...]
    statements: tuple[Any, ...]

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        return tuple(s for s in self.statements if isinstance(s, kind))

    def lines_of(self, who: str) -> tuple[Line, ...]:
        return tuple(line for line in self.of(Line) if line.who == who)

    def named(self, ref: After) -> Optional[Line]:
        """The line that a reference names in this plan, None if its branch was not chosen."""
        found = self._same(ref)
        if ref.nth:
            return found[ref.nth - 1] if len(found) >= ref.nth else None
        return found[0] if found else None

    def _same(self, ref: After) -> list[Line]:
        lines = self.lines_of(ref.who)
        return [x for x in lines if x.text == ref.text] or [x for x in lines if fits(x.text, ref.text)]


@dataclass(frozen=True)
class Contract:
    """A loaded contract. `blocks`: for each either block the branches' first lines in words, to name a branch by."""

    path: str
    statements: tuple[Any, ...]
    blocks: tuple[tuple[str, ...], ...] = ()
    plans: tuple[Plan, ...] = ()

    @property
    def whos(self) -> tuple[str, ...]:
        """Whose lines the contract tells: every WHO that has a line or an `others allowed`, in file order."""
        named = [s.who for s in self.statements if isinstance(s, (Line, Open)) and s.who]
        return tuple(dict.fromkeys(named))

    def plan(self, choice: tuple[int, ...]) -> Plan:
        return next(plan for plan in self.plans if plan.choice == choice)

    def is_open(self, who: str) -> bool:
        """May WHO log lines that the contract does not list?"""
        return any(s.who in ("", who, role_of(who)) for s in self.statements if isinstance(s, Open))


def code_of(hints: Iterable[str]) -> str:
    """M05 of the first hint that answers a misconception, "" if none does."""
    return next((found[1] for found in map(CODED.match, hints) if found), "")


def role_of(who: str) -> str:
    """client[2] is a client."""
    return who.partition("[")[0]


def index_of(who: str) -> int:
    """2 of client[2]; 0 of client."""
    return int(who.partition("[")[2].rstrip("]") or 0)


@functools.lru_cache(maxsize=None)
def _pieces(text: str) -> tuple[str, ...]:
    return tuple(text.split("..."))


def fits(text: str, logged: str) -> bool:
    """Is the logged text what the contract's text says, `...` standing for any characters?

    The pieces between the dots are looked for in turn, each as early as possible: if they fit in any way, they fit so.
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


def load(path: Union[str, "os.PathLike[str]"], names: Sequence[str] = NAMES) -> Contract:
    """Reads a contract. `names`: those of the cast. Raises ContractError: file, line, what is wrong, what to do."""
    with open(path, encoding="utf-8") as file:
        return parse(file.read(), _shown(os.fspath(path)), names)


def _shown(path: str) -> str:
    parts = path.split(os.sep)
    return os.sep.join(parts[parts.index("scenarios"):]) if "scenarios" in parts else path


def parse(text: str, path: str = "contract.txt", names: Sequence[str] = NAMES) -> Contract:
    """The same for a contract that is at hand as text."""
    reader = _Reader(path, tuple(sorted(names)))
    for number, raw in enumerate(text.splitlines(), 1):
        reader.take(number, raw)
    return reader.contract()


# --- reading, a line at a time --------------------------------------------------------------------------------------

class _Reader:
    def __init__(self, path: str, names: tuple[str, ...]) -> None:
        self.path, self.names = path, names
        self.statements: list[Any] = []
        self.blocks: list[list[str]] = []       # the branches' names, "" while a branch is empty
        self.block_lines: list[int] = []
        self.inside = False                     # an either block is open
        self.number = 0
        self.hintable = False

    def fail(self, words: str, number: int = 0) -> ContractError:
        return ContractError(f"{self.path}:{number or self.number}: {words}")

    def take(self, number: int, raw: str) -> None:
        self.number = number
        line = raw.strip()
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
        if not words:
            raise self.fail("an empty hint; write the question behind the ?")
        if re.match(r"[Mm]\d+\s*:|M\d\d\b", words) and not CODED.match(words):
            raise self.fail(f'"{words.split()[0]}" is no code of a misconception; '
                            "write M, two digits, a colon and the question: ? M05: ...")
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


Base = tuple[int, str, Optional[tuple[int, int]]]      # what each statement has first: number, written, branch


@dataclass(frozen=True)
class _At:
    """One line of a contract: where it stands, and whom it may name."""

    path: str
    number: int
    branch: Optional[tuple[int, int]]
    names: tuple[str, ...]

    def fail(self, words: str) -> ContractError:
        return ContractError(f"{self.path}:{self.number}: {words}")

    def statement(self, line: str) -> Any:
        base = self.number, re.sub(r"\s{2,}(?=after |before )", " ", line), self.branch
        allowed = re.fullmatch(r"(?:(\S+?):?\s+)?others\s+allowed", line)
        if allowed:
            return Open(*base, who=self.who(allowed[1]) if allowed[1] else "")
        if line.count('"') and _open_quote(line):
            raise self.fail('a quoted text is not closed; end it with "')
        head, colon, rest = line.partition(":")
        words, rest = head.split(), rest.strip()
        if not colon:
            raise self.fail(f'no colon in "{line}"; a line is WHO: TEXT, or begins with {self.beginnings}')
        if len(words) == 2 and self.is_who(words[0]):
            if words[1] != "ends":
                raise self.fail(f'unknown word "{words[1]}"; write "{words[0]} ends: HOW" or "{words[0]}: TEXT"')
            return Ends(*base, who=words[0], how=self.how(rest))
        special: dict[str, Callable[[str, Base], Any]] = {
            "never": self.never, "free": self.free, "bytes": self.bytes, "wire": self.wire, "deadlock": self.deadlock}
        if head.strip() in special:
            return special[head.strip()](rest, base)
        if len(words) == 1:
            return self.line(self.who(words[0]), rest, base)
        if len(words) == 2 and words[1] == "ends":
            self.who(words[0])
        raise self.fail(f'unknown word "{words[0] if words else ":"}"; a line begins with {self.beginnings}')

    @property
    def beginnings(self) -> str:
        return ", ".join((*self.names, BEGINNINGS))

    def is_who(self, word: str) -> bool:
        found = WHO.fullmatch(word)
        return found is not None and found[1] in self.names

    def who(self, word: str) -> str:
        if not self.is_who(word or ""):
            raise self.fail(f'unknown participant "{word}"; a line begins with {self.beginnings}')
        return word

    def line(self, who: str, rest: str, base: Base) -> Line:
        text, *refs = _split(rest, " after ")
        if len(refs) > 1:
            raise self.fail('"after" twice; join several with "and": after WHO: TEXT and WHO: TEXT')
        text = text.strip()
        many = text.endswith(" *")
        text = text[:-2].rstrip() if many else text
        if not text or text == "*":
            raise self.fail(f'nothing behind "{who}:"; write the text of the line that it logs')
        return Line(*base, who=who, text=text, many=many, after=self.refs(refs[0]) if refs else ())

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
            raise self.fail(f'"{words.strip()}" names no line; write after WHO: TEXT, or put ... for the word "after" or "and" of a text')
        who, text = self.who(head.strip()), text.strip()
        nth = re.search(r"\s+#([1-9][0-9]*)$", text)
        text = text[:nth.start()] if nth else text
        text = text[:-2].rstrip() if text.endswith(" *") else text
        if not text:
            raise self.fail(f'nothing behind "{who}:"; write the text of the line that is meant')
        return After(who, text, int(nth[1]) if nth else 0, clock)

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

    def deadlock(self, rest: str, base: Base) -> Deadlock:
        whos = tuple(self.who(word.strip()) for word in rest.split(","))
        if len(set(whos)) < 2:
            raise self.fail(f"a wait cycle has two participants or more; write deadlock: {', '.join(self.two)}")
        return Deadlock(*base, whos=whos)

    def how(self, words: str) -> str:
        words = " ".join(words.split())
        kind, _, rest = words.rpartition(" ")
        if kind == "exit" and rest.isdigit() and int(rest) < 256 or kind == "waiting in" and rest in CALLS:
            return words
        name = rest if not rest.startswith("SIG") else rest[3:]
        if kind == "signal" and hasattr(signal, "SIG" + name):
            return f"signal {name}"
        raise self.fail(f'unknown ending "{words}"; write exit N, signal NAME, waiting in accept, waiting in read or waiting in write')

    @property
    def two(self) -> tuple[str, str]:
        """Two names for an example."""
        first, *others = self.names
        return first, (others or [first + "[2]"])[0]


def _quoted_part(text: str) -> Iterator[tuple[int, bool]]:
    """For each place, whether it is inside double quotes; inside, a backslash takes the next character along."""
    inside = escaped = False
    for place, c in enumerate(text):
        yield place, inside
        if escaped:
            escaped = False
        elif inside and c == "\\":
            escaped = True
        elif c == '"':
            inside = not inside


def _open_quote(text: str) -> bool:
    return list(_quoted_part(text + " "))[-1][1]


def _split(text: str, at: str) -> list[str]:
    """Splits at a word that stands outside double quotes."""
    pieces, begin = [], 0
    for place, inside in _quoted_part(text):
        if not inside and place >= begin and text.startswith(at, place):
            pieces.append(text[begin:place])
            begin = place + len(at)
    return pieces + [text[begin:]]


# --- plans, and what is refused once all lines are known -----------------------------------------------------------

Fail = Callable[[str, int], ContractError]      # makes the error from its words and the number of its line

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
    """Each reference names a line in at least one plan in which the line that refers stands too."""
    for said in contract.statements:
        plans = [plan for plan in contract.plans if said in plan.statements]
        for ref in _references(said):
            if not any(plan.named(ref) for plan in plans):
                raise fail(f'"{ref}" names no line of the contract{_nearest(contract, ref)}', said.number)
        for fact in (said.after if isinstance(said, Wire) else ()):
            if not any(fact == wire.fact for plan in plans for wire in plan.of(Wire)):
                raise fail(f'"after wire: {fact}" names no line of the contract; add "wire: {fact}"', said.number)


def _nearest(contract: Contract, ref: After) -> str:
    same = [line for line in contract.statements if isinstance(line, Line) and fits(line.text, ref.text)]
    if not same:
        return "; write the line's text as it stands there"
    if all(line.who != ref.who for line in same):
        return f"; did you mean {same[0].who}?"
    return f"; there are {len([x for x in same if x.who == ref.who])} such lines, or they stand in another branch"


def _check_once(plan: Plan, fail: Fail) -> None:
    seen: dict[str, int] = {}
    for said in plan.statements:
        name = _once(said)
        if name and name in seen:
            raise fail(f'"{name}" twice; line {seen[name]} says it already, keep one', said.number)
        seen[name] = said.number


def _once(said: Any) -> str:
    """What a contract says once at most, "" for what it may say again."""
    if isinstance(said, Ends):
        return f"{said.who} ends"
    if isinstance(said, Bytes):
        return f"bytes: {said.sender} -> {said.receiver}"
    if isinstance(said, Wire):
        return f"wire: {said.fact}"
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
    """By line number: the line of the same WHO above it, and the lines that its `after` names."""
    found: dict[int, list[Line]] = {}
    last: dict[str, Line] = {}
    for line in plan.of(Line):
        found[line.number] = [last[line.who]] if line.who in last else []
        found[line.number] += [named for named in map(plan.named, line.after) if named]
        last[line.who] = line
    return found


def _refuse_circle(before: Mapping[int, Sequence[int]], have_after: set[int], fail: Fail) -> None:
    """`before`: by line number, the lines that come before it. Raises if following them leads back to a line."""
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
    """Does the contract put start before end?"""
    todo, seen = [end], {end.number}
    while todo:
        line = todo.pop()
        if line == start:
            return True
        fresh = [earlier for earlier in before[line.number] if earlier.number not in seen]
        seen.update(earlier.number for earlier in fresh)
        todo += fresh
    return False
