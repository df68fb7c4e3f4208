"""The question of a lesson, scenarios/NN-name/question.txt: four answers, of which one is right.

    # a comment
    question: What does the client see when it reads?
    A: The write fails: the connection is closed.
        M10: The client's kernel knows of the server's FIN, but a FIN says "I send no more".
    B: ...

A text may go on in further lines that begin with the same word and a colon (`question:` twice). Below each answer stands, indented,
why it is wrong, behind the code of the misconception that it comes from (lessons/misconceptions.md), or why it is right, behind `right:`.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Collection, Optional

LETTERS = "ABCD"
SIZE_MAX = 1 << 16      # bytes


class QuestionError(Exception):
    """A question that can't be asked. The text has the file, the line (if there is one), what is wrong and what to do."""

    def __init__(self, path: str, number: int, words: str) -> None:
        super().__init__(f"{path}:{number}: {words}" if number else f"{path}: {words}")


@dataclass(frozen=True)
class Answer:
    """One of the four answers. `code` is the misconception from which it comes, "" for the right answer."""

    letter: str
    text: str
    code: str
    why: str


@dataclass(frozen=True)
class Question:
    text: str
    answers: "tuple[Answer, ...]"

    @property
    def right(self) -> Answer:
        return next(one for one in self.answers if not one.code)

    def answer(self, letter: str) -> Answer:
        return next(one for one in self.answers if one.letter == letter)


def load(folder: Path, codes: "Optional[Collection[str]]" = None) -> Optional[Question]:
    """Returns the question of a scenario's folder; None if it has none. `codes` are the misconceptions that exist; None: any code
    may be named. Raises QuestionError."""
    path = folder / "question.txt"
    shown = f"scenarios/{folder.name}/question.txt"
    if not path.exists():
        return None
    if not path.is_file():      # opening a FIFO would wait for a writer
        raise QuestionError(shown, 0, "no regular file; a question is a text file")
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise QuestionError(shown, 0, f"can't be read ({error.strerror}); mend the file, or remove it") from None
    except UnicodeDecodeError as error:
        raise QuestionError(shown, data[:error.start].count(b"\n") + 1, "not UTF-8; save the file as UTF-8") from None
    if len(data) > SIZE_MAX:
        raise QuestionError(shown, 0, f"more than {SIZE_MAX} bytes; a question is half a page")
    return parse(text, shown, codes)


def parse(text: str, path: str = "question.txt", codes: "Optional[Collection[str]]" = None) -> Question:
    """Returns the question that a text describes. `path` is the text's name in messages. Raises QuestionError."""
    reader = _Reader(path, codes)
    for number, line in enumerate(text.split("\n"), 1):
        reader.take(number, line)
    return reader.question()


class _Reader:
    def __init__(self, path: str, codes: "Optional[Collection[str]]") -> None:
        self.path, self.codes = path, codes
        self.asked: "list[str]" = []
        self.texts: "dict[str, list[str]]" = {}
        self.whys: "dict[str, tuple[str, list[str]]]" = {}      # by letter: "right" or a code, and the words
        self.numbers: "dict[str, int]" = {}
        self.letter = ""

    def take(self, number: int, line: str) -> None:
        if not line.strip() or line.lstrip().startswith("#"):
            return
        word, colon, words = (part.strip() for part in line.partition(":"))
        if not colon or not words:
            raise QuestionError(self.path, number, "a line is a word, a colon and a text: question: ..., A: ..., M10: ..., right: ...")
        if line[0].isspace():
            self._why(number, word, words)
        elif word == "question" and not self.letter:
            self.asked.append(words)
        elif word in tuple(LETTERS) and word == self.letter and word not in self.whys:
            self.texts[word].append(words)
        elif len(self.texts) < len(LETTERS) and word == LETTERS[len(self.texts)]:
            self._next(number, word, words)
        else:
            raise QuestionError(self.path, number, f'"{word}:" is not what may come here; first come the lines question:, then A:, B:, C: and D: in this order, '
                                                   "with a reason below each, indented")

    def _next(self, number: int, letter: str, words: str) -> None:
        if not self.asked:
            raise QuestionError(self.path, number, "an answer before the question; begin with question: ...")
        if self.letter and self.letter not in self.whys:
            raise QuestionError(self.path, number, f"answer {self.letter} has no reason; write it below, indented: right: ... or M10: ...")
        self.letter, self.texts[letter], self.numbers[letter] = letter, [words], number

    def _why(self, number: int, word: str, words: str) -> None:
        if not self.letter:
            raise QuestionError(self.path, number, "a reason before any answer; put it below the answer that it is about")
        if word != "right" and not re.fullmatch(r"M[0-9]{2}", word):
            raise QuestionError(self.path, number, f'"{word}" is neither "right" nor the code of a misconception; write right: ... or M10: ...')
        if word != "right" and self.codes is not None and word not in self.codes:
            raise QuestionError(self.path, number, f"lessons/misconceptions.md has no {word}; it has {', '.join(sorted(self.codes)) or 'none'}. Name one of these")
        if self.whys.setdefault(self.letter, (word, []))[0] != word:
            raise QuestionError(self.path, number, f"answer {self.letter} has two sorts of reasons; one answer has one")
        self.whys[self.letter][1].append(words)

    def question(self) -> Question:
        missing = [letter for letter in LETTERS if letter not in self.texts]
        if missing or LETTERS[-1] not in self.whys:
            raise QuestionError(self.path, 0, f"no answer {missing[0]}; a question has the four answers A to D" if missing else
                                "answer D has no reason; write it below, indented: right: ... or M10: ...")
        right = [letter for letter in LETTERS if self.whys[letter][0] == "right"]
        if len(right) != 1:
            raise QuestionError(self.path, self.numbers[right[1]] if right else 0,
                                f"{len(right) or 'no'} answers are right; exactly one has a reason that begins with right:")
        return Question(" ".join(self.asked), tuple(
            Answer(letter, " ".join(self.texts[letter]), "" if letter in right else self.whys[letter][0], " ".join(self.whys[letter][1]))
            for letter in LETTERS))
