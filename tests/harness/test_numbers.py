"""Numbers in bytes: what the verdict says of an order of bytes that is not the contract's, and that it says nothing of other numbers."""
from __future__ import annotations

import pytest

from harness.tell import numbers

TAKEN = {   # the contract's line, the program's, the bytes that came, and what is told
    "no ntohl": ("length 5", "length 83886080 refused", b"\0\0\0\5hello", "With the highest byte first they are 5 (ntohl), and with the lowest byte first 83,886,080."),
    "ntohs for ntohl": ("length 5", "length 0", b"\0\0\0\5hello", "The first 2 of them alone are 0: ntohs makes a number of 2 bytes."),
    "no ntohs": ("port 258", "port 513", b"\1\2", "The 2 bytes that came are 1 2. With the highest byte first they are 258 (ntohs), and with the lowest byte first 513."),
    "another number": ("length 5", "length 6", b"\0\0\0\5hello", ""),
    "another text": ("length 5", "size 0", b"\0\0\0\5hello", ""),
    "the number is right": ("length 5", "length 5 refused", b"\0\0\0\5hello", ""),
    "too few bytes": ("length 5", "length 0", b"\0\0\5", ""),
}
PUT = {     # the contract's line, the program's, and what is told
    "no htonl": (r'sending "\0\0\0\5hello"', r'sending "\5\0\0\0hello"', "In its first 4 bytes it has 5 0 0 0, and the contract 0 0 0 5: the same bytes in reverse."),
    "htons for htonl": (r'sending "\0\0\0\5hello"', r'sending "\0\5\0\0hello"', "In its first 4 bytes it has 0 5 0 0, and the contract 0 0 0 5. htons puts"),
    "behind a text": (r'sending "n=\0\7"', r'sending "n=\7\0"', "In its bytes 3 to 4 it has 7 0, and the contract 0 7: the same bytes in reverse. htons puts"),
    "another number": (r'sending "\0\0\0\5hello"', r'sending "\0\0\0\6hello"', ""),
    "it counts itself": (r'sending "\0\0\0\5hello"', r'sending "\0\0\0\thello"', "Its first 4 bytes are the number 9. The contract has 5 there, for the bytes that follow. 9 counts these 4 bytes, too."),
    "a length of another text": (r'sending "\0\0\0\5hello"', r'sending "\0\0\0\thullo"', ""),
    "letters": ('sending "ab"', 'sending "ba"', ""),
    "another act": (r'sending "\0\5"', r'received "\5\0"', ""),
}


@pytest.mark.parametrize("expected, observed, came, words", TAKEN.values(), ids=TAKEN)
def test_the_bytes_of_a_number_that_was_taken_otherwise(expected: str, observed: str, came: bytes, words: str) -> None:
    told = list(numbers.taken(expected, observed, [b"GET /", came]))
    assert len(told) == bool(words) and all(words in one for one in told), told


@pytest.mark.parametrize("expected, observed, words", PUT.values(), ids=PUT)
def test_the_bytes_of_a_number_that_was_put_otherwise(expected: str, observed: str, words: str) -> None:
    told = list(numbers.put(expected, observed))
    assert len(told) == bool(words) and all(words in one for one in told), told
