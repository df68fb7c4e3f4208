"""What do the conveniences of common/ cost? Ratios of times that were measured in one run; exits 1 if a target is missed.

The variants of a table take turns, ROUNDS times, and the best time of each counts: what else the machine did can only
have made a run longer. A ratio's noise is how much longer the median of its two variants was than their best, at most
NOISE_MAX; a target counts as missed only if it is missed by more than that.

The exchange runs on one processor. So it measures what the program's own work takes, and every log line delays the
answer; on two, waking the other processor takes many times as long as all of it, and differs from run to run.
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

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = ROOT / "tests/bench"
FLAGS = "-std=c11 -D_POSIX_C_SOURCE=200809L -O2 -Wall -Wextra -pthread -Icommon".split()
ROUNDS = int(os.environ.get("ROUNDS", "9"))
LINE = b"This is a message\n"
LINES = (256 << 20) // len(LINE)
EXCHANGES = int(os.environ.get("EXCHANGES", "20000"))
NOISE_MAX = 0.10


@dataclass(frozen=True)
class Claim:
    """slow's time is at most limit times fast's."""
    slow: str
    fast: str
    limit: float


def compile_c(name, folder):
    program = folder / name
    sources = [str(HERE / f"{name}.c"), *map(str, sorted((ROOT / "common").glob("*.c")))]
    subprocess.run([os.environ.get("CC", "cc"), *FLAGS, *sources, "-o", str(program)], cwd=ROOT, check=True)
    return str(program)


def clean_environment():
    return {name: value for name, value in os.environ.items() if not name.startswith("TCPLAB_")}


def measure(variants):
    """{name: function that returns seconds} -> {name: list of ROUNDS seconds}, the variants taking turns."""
    times = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, run in variants.items():
            times[name].append(run())
    return times


def noise(times, claim):
    spread = [statistics.median(times[name]) / min(times[name]) - 1 for name in (claim.slow, claim.fast)]
    return min(max(spread), NOISE_MAX)


def report(title, times, claims, show):
    """Prints one table; returns the sentences about the targets that were missed."""
    print(f"\n{title}")
    for name, seconds in times.items():
        print(f"  {name:42} {show(min(seconds))}")
    missed = []
    for claim in claims:
        ratio, blur = min(times[claim.slow]) / min(times[claim.fast]), noise(times, claim)
        verdict = "reached" if ratio <= claim.limit else "missed, within the noise"
        if ratio > claim.limit * (1 + blur):
            verdict = "MISSED"
            missed.append(f"{claim.slow} took {ratio:.2f} times as long as {claim.fast}; target {claim.limit:.2f}")
        print(f"  {claim.slow} / {claim.fast}: {ratio:.2f}  (target at most {claim.limit:.2f}, noise {blur:.2f})  {verdict}")
    return missed


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
    names = {"reader": "reader", "getline(3)": "getline", "read(2) and memchr(3), the limit": "limit"}
    commands = {name: [program, way] for name, way in names.items()}
    claims = [Claim("reader", "read(2) and memchr(3), the limit", 1.3), Claim("reader", "getline(3)", 1.0)]
    if shutil.which("go"):
        subprocess.run(["go", "build", "-o", str(folder / "lines-go"), str(HERE / "lines.go")], check=True)
        commands["Go's bufio.ReadString"] = [str(folder / "lines-go")]
        claims.append(Claim("reader", "Go's bufio.ReadString", 1.0))
    times = measure({name: lambda c=command: read_lines(c, path) for name, command in commands.items()})
    title = f"{LINES * len(LINE) >> 20} MiB of lines of {len(LINE)} bytes, from a file in the page cache; best of {ROUNDS}"
    return report(title, times, claims, lambda seconds: f"{seconds * 1e9 / LINES:7.1f} ns a line")


# --- exchange -------------------------------------------------------------------------------------------------------

def on_one_processor():
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def exchange(program, way, **env):
    with open(os.devnull, "w") as null:
        return float(subprocess.check_output([program, way, str(EXCHANGES)], env={**clean_environment(), **env},
                                             stderr=null, preexec_fn=on_one_processor, text=True))


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


def bench_exchange(folder):
    program, drain = compile_c("exchange", folder), Drain()
    bare, off, null = "read(2) and write(2)", "the lab, events off", "the lab, events to /dev/null"
    conducted = "the lab, events to a conductor"
    times = measure({bare: lambda: exchange(program, "bare"),
                     off: lambda: exchange(program, "lab", TCPLAB_EVENTS="off"),
                     null: lambda: exchange(program, "lab"),
                     conducted: lambda: exchange(program, "lab", TCPLAB_CONDUCTOR="@" + drain.name)})
    if drain.count < 6 * EXCHANGES * ROUNDS:
        sys.exit(f"the conductor received {drain.count} lines; 6 in each of {EXCHANGES * ROUNDS} exchanges were due")
    claims = [Claim(off, bare, 1 / 0.9), Claim(null, bare, 1 / 0.9)]
    title = f"Scenario 3's exchange, {EXCHANGES} times over one connection, 6 log lines each; best of {ROUNDS}"
    missed = report(title, times, claims, lambda seconds: f"{EXCHANGES / seconds:7.0f} exchanges a second")
    print(f"  {conducted} / {bare}: {min(times[conducted]) / min(times[bare]):.2f}  (no target: the conductor's time, too)")
    return missed


def main():
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="bench-") as name:
        missed = bench_lines(Path(name)) + bench_exchange(Path(name))
    for sentence in missed:
        print(f"\nmissed: {sentence}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
