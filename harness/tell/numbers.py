"""A number that was read from a stream's bytes, or put into bytes, in another order than the contract has it.

Each sentence is about the bytes of the run, so it is true of every program.
"""
from __future__ import annotations

import re
from typing import Iterator

from ..judge.deeds import quoted_bytes

_SIZES = {2: "ntohs", 4: "ntohl", 8: "be64toh"}         # bytes of a number, and what gives it if its highest byte comes first
_ORDERS = {2: "htons", 4: "htonl", 8: "htobe64"}


def taken(expected: str, observed: str, came: "list[bytes]") -> Iterator[str]:
    """Yields what the bytes are of which a program has made another number than the contract has. The two lines are alike up to that
    number. `came` has the bytes from each place in the stream at which the number may stand."""
    texts = [re.split(r"(\d+)", text) for text in (expected, observed)]
    other = next((n for n, (one, two) in enumerate(zip(*texts)) if one != two), 0)
    if not other % 2:
        return
    wanted, said = (int(text[other]) for text in texts)
    for bytes_ in came:
        for size, function in _SIZES.items():
            raw = bytes_[:size]
            if wanted == 0 or len(raw) < size or int.from_bytes(raw, "big") != wanted:
                continue
            if said == int.from_bytes(raw, "little"):
                yield f"The {size} bytes that came are {_listed(raw)}. With the highest byte first they are {wanted:,} ({function}), and with the lowest byte first {said:,}."
                return
            part = next((n for n in _SIZES if n < size and said in (int.from_bytes(raw[:n], "big"), int.from_bytes(raw[:n], "little"))), 0)
            if part:
                yield (f"The {size} bytes that came are {_listed(raw)}. With the highest byte first they are {wanted:,} ({function}). The first {part} of them alone are {said:,}: "
                       f"{_SIZES[part]} makes a number of {part} bytes.")
                return


def put(expected: str, observed: str) -> Iterator[str]:
    """Yields how the bytes that a line quotes differ from those of the contract, if both have the bytes of one number in another order, or if
    a length at the beginning counts itself."""
    wanted, said = (quoted_bytes(text).encode("latin-1") for text in (expected, observed))
    if expected.partition('"')[0] != observed.partition('"')[0] or len(wanted) != len(said) or wanted == said:
        return
    other = [n for n, (one, two) in enumerate(zip(wanted, said)) if one != two]
    if sorted(wanted) != sorted(said):
        for size in _ORDERS:
            behind = len(wanted) - size
            if other[-1] < size and int.from_bytes(wanted[:size], "big") == behind and int.from_bytes(said[:size], "big") == size + behind:
                yield f"Its first {size} bytes are the number {size + behind:,}. The contract has {behind:,} there, for the bytes that follow. {size + behind:,} counts these {size} bytes, too."
                return
        return
    for size, function in _ORDERS.items():
        begin = next((n for n in range(max(0, other[-1] - size + 1), other[0] + 1) if n + size <= len(wanted) and 0 in wanted[n:n + size]), -1)
        if begin < 0:
            continue
        one, two = wanted[begin:begin + size], said[begin:begin + size]
        if two == one[::-1]:
            yield f"{_begins(begin, size)} it has {_listed(two)}, and the contract {_listed(one)}: the same bytes in reverse. {function} puts the highest of {size} bytes first."
            return
        part = next((n for n in _ORDERS if n < size and not any(one[:size - n]) and two == one[size - n:] + bytes(size - n)), 0)
        if part:
            yield (f"{_begins(begin, size)} it has {_listed(two)}, and the contract {_listed(one)}. {_ORDERS[part]} puts the highest of {part} bytes first, and {function} the highest of "
                   f"{size}.")
            return


def _begins(begin: int, size: int) -> str:
    return f"In its first {size} bytes" if begin == 0 else f"In its bytes {begin + 1} to {begin + size}"


def _listed(raw: bytes) -> str:
    return " ".join(map(str, raw))
