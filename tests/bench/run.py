"""Measures what the conveniences of common/ cost, and what the formats of a message cost. It prints ratios, measured in one run,
and exits with 1 if a target is missed.

The variants of a table take turns, ROUNDS times. A ratio is that of two times of one round, and the median of the ratios counts.
So what else the machine did in a round slowed both. A ratio's noise is half the distance between its quartiles. A target counts
as missed only if it is missed by more than that.

The exchange is measured on two processors, as two programs mostly run, and on one. On one processor all that a program does
delays the answer, so nothing is hidden. But there a system call for each of the six lines takes a tenth of such an exchange by
itself. So the log lines are compared with ready-made ones, written by write(2).
"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/bench"
FLAGS = "-std=c11 -D_POSIX_C_SOURCE=200809L -O2 -Wall -Wextra -pthread -Icommon".split()
ROUNDS = int(os.environ.get("ROUNDS", "11"))
LINE = b"This is a message\n"
LINES = (256 << 20) // len(LINE)
EXCHANGES = int(os.environ.get("EXCHANGES", "5000"))  # in each of the rounds
MESSAGES = int(os.environ.get("MESSAGES", "200000"))    # of each format, in each of the rounds
FORMATS = ["line", "length", "memory", "json", "gob"]
FORMAT_SOURCES = ["tests/bench/json_line.c", "scenarios/08-length-prefix/frame.c", "scenarios/20-gob-stream/gob/gob.c"]
LIMIT = "read(2) and memchr(3)"


@dataclass(frozen=True)
class Claim:
    """slow's time is to be at most limit times fast's time. limit None: there is no target, and the ratio is only shown."""
    slow: str
    fast: str
    limit: Optional[float]


def compile_c(name, folder, *more):
    """Builds a program of this folder with common/, and returns its path. `more` are further source files; their headers are in
    their folders."""
    program = folder / name
    sources = [str(HERE / f"{name}.c"), *more, *map(str, sorted((ROOT / "common").glob("*.c")))]
    include = [f"-I{Path(source).parent}" for source in more]
    subprocess.run([os.environ.get("CC", "cc"), *FLAGS, *include, *sources, "-o", str(program)], cwd=ROOT, check=True)
    return str(program)


def compile_go(name, folder):
    program = str(folder / f"{name}-go")
    env = {**os.environ, "GO111MODULE": "off", "GOTOOLCHAIN": "local", "GOCACHE": str(folder / "go-cache")}
    subprocess.run(["go", "build", "-o", program, str(HERE / f"{name}.go")], env=env, check=True)
    return program


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("TCPLAB_")}


def measure(variants):
    """Takes {name: function that returns seconds}, and returns {name: list of ROUNDS seconds}. The variants take turns."""
    times = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, run in variants.items():
            times[name].append(run())
    return times


def judge(times, claim):
    """Returns the sentence about a claim, and whether the claim is missed."""
    ratios = [slow / fast for slow, fast in zip(times[claim.slow], times[claim.fast])]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    noise = (high - low) / 2
    said = f"{claim.slow} / {claim.fast}: {ratio:.2f} times the time, noise {noise:.2f}"
    if claim.limit is None:
        return said, False
    missed = ratio > claim.limit + noise
    verdict = "reached" if ratio <= claim.limit else "MISSED" if missed else "missed, but by less than the noise"
    return f"{said}; target at most {claim.limit:.2f}: {verdict}", missed


def report(title, times, claims, show):
    """Prints one table. Returns the sentences about the targets that were missed."""
    print(f"\n{title}\nmedian of {ROUNDS} rounds (and the best)")
    for name, seconds in times.items():
        print(f"  {name:34} {show(statistics.median(seconds))} ({show(min(seconds)).strip()})")
    judged = [judge(times, claim) for claim in claims]
    for said, _ in judged:
        print(f"  {said}")
    return [said for said, missed in judged if missed]


# --- lines ----------------------------------------------------------------------------------------------------------

def write_lines(path):
    block = LINE * 65536
    with open(path, "wb") as file:
        for done in range(0, LINES, 65536):
            file.write(block[:(LINES - done) * len(LINE)])


def read_lines(command, path):
    with open(path, "rb") as source:
        seconds, lines, size = subprocess.check_output(command, stdin=source, text=True).split()
    if (int(lines), int(size)) != (LINES, LINES * len(LINE)):
        sys.exit(f"{command}: {lines} lines, {size} bytes; there are {LINES} lines, {LINES * len(LINE)} bytes")
    return float(seconds)


def bench_lines(folder):
    program, path = compile_c("lines", folder), folder / "lines.txt"
    write_lines(path)
    names = {"reader": "reader", "getline(3)": "getline", LIMIT: "limit"}
    commands = {name: [program, way] for name, way in names.items()}
    claims = [Claim("reader", LIMIT, 1.3), Claim("reader", "getline(3)", 1.0)]
    if shutil.which("go"):
        commands["Go's bufio.ReadString"] = [compile_go("lines", folder)]
        claims.append(Claim("reader", "Go's bufio.ReadString", 1.0))
    times = measure({name: lambda c=command: read_lines(c, path) for name, command in commands.items()})
    title = f"{LINES * len(LINE) >> 20} MiB of lines of {len(LINE)} bytes, from a file in the page cache"
    return report(title, times, claims, lambda seconds: f"{seconds * 1e9 / LINES:6.1f} ns a line")


# --- formats --------------------------------------------------------------------------------------------------------

def messages(command, sizes, name):
    seconds, size = subprocess.check_output([*command, str(MESSAGES)], text=True).split()
    sizes[name] = int(size)
    return float(seconds)


def compile_formats(folder):
    return compile_c("formats", folder, *(str(ROOT / path) for path in FORMAT_SOURCES))


def bench_formats(folder):
    """Scenario 20's struct, in batches that stay in the cache: encoded by one end of a stream, decoded by the other."""
    program, sizes, variants = compile_formats(folder), {}, {}
    go = compile_go("gob", folder) if shutil.which("go") else None
    for half in ("encode", "decode"):
        commands = {f"{half} {name}": [program, "time", name, half] for name in FORMATS}
        if go:
            commands[f"{half} gob, Go's encoding/gob"] = [go, half]
        variants |= {name: lambda c=command, n=name: messages(c, sizes, n) for name, command in commands.items()}
    times = measure(variants)
    claims = [Claim(f"{half} gob", f"{half} {other}", limit) for half in ("encode", "decode")
              for other, limit in (("line", None), ("json", None), ("gob, Go's encoding/gob", 0.5)) if f"{half} {other}" in variants]
    if len({size for name, size in sizes.items() if "gob" in name}) != 1:
        sys.exit(f"the streams of gobs differ in length: {sizes}")
    title = f"{{Seq, Text}} in {len(FORMATS)} formats, {MESSAGES} messages, Text of 17 bytes"
    missed = report(title, times, claims, lambda seconds: f"{seconds * 1e9 / MESSAGES:6.1f} ns a message, "
                                                          f"{MESSAGES / seconds / 1e6:6.1f} million a second")
    print("  bytes a message: " + ", ".join(f"{name} {sizes[f'encode {name}'] / MESSAGES:.1f}" for name in FORMATS))
    return missed


# --- exchange -------------------------------------------------------------------------------------------------------

def exchange(program, way, cpus, **env):
    with open(os.devnull, "w") as null:
        return float(subprocess.check_output([program, way, str(EXCHANGES), *map(str, cpus)],
                                             env={**clean_environment(), **env}, stderr=null, text=True))


class Drain:
    """A conductor that takes every datagram and does nothing with it."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.name = f"tcplab-bench-{os.getpid()}"
        self.socket.bind("\0" + self.name)
        self.count = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        buf = bytearray(4096)
        while self.socket.recv_into(buf):
            self.count += 1


BARE, OFF, READY = "read(2) and write(2)", "the lab, events off", "ready-made lines to /dev/null"
ON, CONDUCTED = "the lab, events to /dev/null", "the lab, events to a conductor"


def bench_exchange(program, drain, title, cpus, claims):
    before = drain.count
    times = measure({BARE: lambda: exchange(program, "bare", cpus), READY: lambda: exchange(program, "ready", cpus),
                     OFF: lambda: exchange(program, "lab", cpus, TCPLAB_EVENTS="off"),
                     ON: lambda: exchange(program, "lab", cpus),
                     CONDUCTED: lambda: exchange(program, "lab", cpus, TCPLAB_CONDUCTOR="@" + drain.name)})
    if drain.count - before < 6 * EXCHANGES * ROUNDS:
        sys.exit(f"the conductor received {drain.count - before} lines; {6 * EXCHANGES * ROUNDS} were due")
    title = f"Scenario 3's exchange on {title}: {EXCHANGES} times over one connection, 6 log lines each"
    return report(title, times, claims, lambda seconds: f"{seconds * 1e6 / EXCHANGES:6.1f} us an exchange")


def bench_exchanges(folder):
    program, drain, cpus = compile_c("exchange", folder), Drain(), sorted(os.sched_getaffinity(0))
    missed = []
    tenth = 1 / 0.9  # nine tenths of the exchanges in the same time
    if len(cpus) > 1:
        claims = [Claim(OFF, BARE, tenth), Claim(ON, BARE, tenth), Claim(CONDUCTED, BARE, None)]
        missed += bench_exchange(program, drain, "two processors", (cpus[0], cpus[-1]), claims)
    else:
        print("\nThere is one processor only; the exchange on two is left out.")
    claims = [Claim(OFF, BARE, tenth), Claim(ON, READY, tenth), Claim(ON, BARE, None), Claim(CONDUCTED, BARE, None)]
    return missed + bench_exchange(program, drain, "one processor", (cpus[-1], cpus[-1]), claims)


def main():
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="bench-") as name:
        missed = bench_lines(Path(name)) + bench_formats(Path(name)) + bench_exchanges(Path(name))
    for sentence in missed:
        print(f"\nmissed: {sentence}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
