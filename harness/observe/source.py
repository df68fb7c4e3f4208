"""Finds where in a program's source a call was made. It takes the addresses that the tracer found on the stack, and asks
addr2line(1).

addr2line comes with the C compiler's tools. Without it, and for a program that was built without -g, nothing is known.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Iterable


_said: "dict[str, tuple[tuple[int, ...], dict[int, list[str]]]]" = {}      # by program: which file that was, and what addr2line said


def lines_of(program: str, addresses: "Iterable[int]") -> "dict[int, list[str]]":
    """Returns for each return address in a program the line of the call, "client.c:38". If that line is in an inline function,
    the lines that called it follow, the innermost first. Addresses of which nothing is known are left out. All addresses are
    asked for at once, and each one only once, because starting addr2line takes some milliseconds."""
    asked = set(addresses)
    try:
        file = os.stat(program)
    except OSError:
        return {}
    is_now = (file.st_dev, file.st_ino, file.st_mtime_ns, file.st_size)
    was, known = _said.get(program, ((), {}))
    if was != is_now:
        known = {}
        _said[program] = is_now, known
    known.update(_ask(program, sorted(asked - known.keys())))
    return {address: known[address] for address in asked if known.get(address)}


def _ask(program: str, wanted: "list[int]") -> "dict[int, list[str]]":
    """Returns for each address what addr2line says of it: no line if it knows none."""
    found: "dict[int, list[str]]" = {address: [] for address in wanted}
    if not wanted or shutil.which("addr2line") is None:
        return {}
    asked = "\n".join(hex(place) for address in wanted for place in (address - 1, address))     # the call is before the address to which it returns
    try:
        done = subprocess.run(["addr2line", "-a", "-f", "-i", "-e", program], input=asked, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return {}
    # With -a the address itself comes first. Then come two rows for each function that is inlined there, the innermost first: its name, its line.
    told = [part.splitlines()[1:] for part in re.split(r"^(?=0x)", done.stdout, flags=re.M)[1:]]
    for address, call, then in zip(wanted, told[::2], told[1::2]):
        if then[-2:-1] != call[-2:-1] and then[0] != "??":
            continue            # the first address of a function: a pointer to it, as libc keeps one to main, and no address to return to
        for row in call[1::2]:
            path, _, number = row.partition(" ")[0].rpartition(":")
            if number.isdecimal() and int(number) > 0 and not path.startswith("?"):
                found[address].append(f"{path}:{number}")
    return found


def of_call(callers: "list[int]", known: "dict[int, list[str]]") -> str:
    """Returns the line in the program itself, and not in the library (common/) through which it called; "" if none is known."""
    lines = [line for address in callers for line in known.get(address, ())]
    own = [line for line in lines if os.path.basename(os.path.dirname(line)) != "common"]
    return os.path.basename((own or lines or [""])[0])
