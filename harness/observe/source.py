"""Where in a program's source a call was made: by the addresses on its stack that the tracer found, and addr2line(1).

addr2line comes with the C compiler's tools. Without it, and for a program that was built without -g, nothing is known.
"""
from __future__ import annotations

import os
import shutil
import subprocess
from typing import Iterable


def lines_of(program: str, addresses: "Iterable[int]") -> "dict[int, list[str]]":
    """For each return address in a program: the line of the call, "client.c:38", and where that stands in an inline function, the lines
    that called this one, the innermost first. Addresses of which nothing is known are left out. All are asked for at once: starting
    addr2line takes some milliseconds."""
    wanted = sorted(set(addresses))
    if not wanted or shutil.which("addr2line") is None:
        return {}
    asked = "\n".join(hex(address - 1) for address in wanted)       # the call is before the address to which it returns
    try:
        done = subprocess.run(["addr2line", "-a", "-i", "-e", program], input=asked, capture_output=True, text=True, errors="replace", check=False)
    except OSError:
        return {}
    found: "dict[int, list[str]]" = {}
    left = iter(wanted)
    for line in done.stdout.splitlines():
        if line.startswith("0x"):           # what -a says before the lines of each address
            address = next(left, 0)
            continue
        path, _, number = line.partition(" ")[0].rpartition(":")
        if number.isdecimal() and int(number) > 0 and not path.startswith("?"):
            found.setdefault(address, []).append(f"{path}:{number}")
    return found


def of_call(callers: "list[int]", known: "dict[int, list[str]]") -> str:
    """The line of the program itself, and not of the library that it called through (common/); "" if none is known."""
    lines = [line for address in callers for line in known.get(address, ())]
    own = [line for line in lines if os.path.basename(os.path.dirname(line)) != "common"]
    return os.path.basename((own or lines or [""])[0])
