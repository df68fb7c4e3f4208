"""Tortures the lab: kills at random moments, hostile programs, many commands at once, random proofs; and looks for what is left after each.

    make torture [MINUTES=10] [SEED=1]
    python3 tests/torture/torture.py [--minutes 10] [--seed 1] [--rounds N] [--only KIND]

A round has a number and a kind. The seed and the number decide what it does. A bad round says how to make it again. (The moment at which
a signal comes depends on the machine, too.) After each round nothing may be left: no process, no file in /tmp or /dev/shm, no
abstract socket, no mount, no half-made file where programs are built. And the lab must still work: a scenario is checked.
"""
from __future__ import annotations

import argparse
import collections
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterable, Optional

sys.path[:0] = [str(Path(__file__).resolve().parent)]

import proofs                               # noqa: E402  (found by the path above; it finds the harness)
from harness.observe import kernel          # noqa: E402

ROOT = proofs.ROOT
HANG = 90.0                 # seconds after which a command hangs: the slowest takes a third of it
GRACE = 10.0                # seconds in which what is on its way out must be gone
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGHUP, signal.SIGINT)
NUMBERS = ("0", "1", "2", "3", "4", "5", "6", "7", "8")
ACTS = ("kill-up 1 {signal}", "kill-up 2 {signal}", "kill-up 3 {signal}", "forge {text}", "forge-gate file", "forge-gate listener", "forge-gate full", "leave-main",
        "memory-files", "nested-epoll {ms}", "shm /tcplab-torture-{number}")
TEXTS = ("x", "{{", "1@1@1@client@conn@3@0@a>b>c@x:1@text", "1@1@1@nobody@note@3@0@-@x:1@\x1b[31m", "@@@@@@@@@", "1@1@1@client@pause@-1@99999999999999@-@x:1@long")


class Torture:
    """The torture of one command. `work` is a folder for everything that it makes."""

    def __init__(self, work: Path, seed: int) -> None:
        self.work, self.seed = work, seed
        self.counts: "collections.Counter[str]" = collections.Counter()
        self.faults: "list[str]" = []
        self.token = f"{os.getpid()}-{seed}"
        self.tmp, self.build, self.hostile = work / "tmp", work / "build", work / "scenarios"
        self.tmp.mkdir()
        (self.hostile / "99-hostile").mkdir(parents=True)
        for name, source in (("client", "hostile"), ("server", "server")):
            shutil.copy(ROOT / f"tests/hostile/{source}.c", self.hostile / f"99-hostile/{name}.c")

    # -- rounds -------------------------------------------------------------------------------------------------------

    def round(self, number: int, only: str = "") -> None:
        """Makes one round, and looks at what it left."""
        dice = random.Random(f"{self.seed} {number}")
        kind = dice.choices(("kill", "hostile", "many", "beside", "proofs"), (60, 20, 4, 8, 8))[0]
        kind = only or kind
        before = self._outside()
        self.counts["rounds"] += 1
        self.counts[kind] += 1
        self.bad: "list[str]" = []
        self.killed = False             # the harness could not clean up
        what = getattr(self, f"_{kind}")(dice)
        self._look_for_what_is_left(before)
        if kind in ("kill", "hostile"):
            status, said = self._command(["check", dice.choice(NUMBERS)])
            if status != 0:
                self.bad.append(f"a check after it ended with {status}: {said}")
        for words in self.bad:
            self.faults.append(words)
            print(f"BAD: round {number} (seed {self.seed}, {kind}: {what}): {words}", flush=True)

    def _kill(self, dice: random.Random) -> str:
        """Starts a command, and sends a signal to one of its processes at a random moment."""
        verb = dice.choices(("check", "run", "explore", "step", "explain", "draft"), (5, 3, 2, 2, 2, 1))[0]
        scenario = dice.choice(NUMBERS)
        number = dice.choice(SIGNALS)
        who = dice.choice(("harness", "keeper", "spawner", "program", "any"))
        programs = [str(self.build / f"04-half-close/{name}") for name in ("server", "client")]
        arguments = ["explain", "--server", programs[0], "--client", programs[1]] if verb == "explain" else [verb, scenario]
        env = {"PAUSE": dice.choice(("0", "1")), "TCPLAB_ISOLATION": dice.choice(("", "", "none")), "TCPLAB_CALLS": dice.choice(("", "", "off"))}
        what = f"{' '.join(arguments[:2])} {' '.join(f'{name}={value}' for name, value in env.items() if value)}, {number.name} to the {who}"
        command = self._start(arguments, env, terminal=verb == "step")
        victim = self._victim(dice, command.pid, who)
        self._wait(command, dice.random() ** 2)
        if victim and not kernel.process_state(victim) in ("", "Z", "X"):
            kernel.send_signal(victim, number)
            self.counts[f"{number.name} to the {who}"] += 1
            self.killed = number == signal.SIGKILL and victim == command.pid
            if number == signal.SIGSTOP:
                self._wait(command, dice.random() * 3)
                if victim == command.pid or dice.random() < 0.8:
                    kernel.send_signal(victim, signal.SIGCONT)      # nobody but a shell wakes the harness
        allowed = {0, 1, 3, 130, 2 if verb == "step" else 0} | ({-number} if victim == command.pid else set())
        status, said = self._end(command)
        if status not in allowed and "make was ended by a signal" not in said:     # that may have been the one, too
            self.bad.append(f"status {status}: {said}")
        return what

    def _victim(self, dice: random.Random, pid: int, who: str) -> int:
        """Returns the id of a process of the command, as soon as there is one of that kind; 0 if there never is."""
        until = time.monotonic() + 3
        while time.monotonic() < until and kernel.process_state(pid) not in ("", "Z"):
            if who == "harness":
                return pid
            keepers = [one for one in kernel.children(pid) if _is_keeper(one)]
            below = [one for keeper in keepers for one in kernel.descendants(keeper)]
            found = {"keeper": keepers, "spawner": [one for one in below if _is_python(one)], "any": [pid, *kernel.descendants(pid)],
                     "program": [one for one in below if not _is_python(one)]}[who]
            if found and (who != "any" or dice.random() < 0.1):
                return dice.choice(found)
            self._breathe()
        return 0

    def _hostile(self, dice: random.Random) -> str:
        act = dice.choice(ACTS).format(signal=dice.choice((1, 2, 9, 15, 19, 10, 20, 23)), text=dice.choice(TEXTS), ms=dice.choice((1, 300)), number=dice.randrange(10))
        env = {"SCENARIOS": str(self.hostile), "BUILD": str(self.work / "hostile"), "TCPLAB_ISOLATION": dice.choice(("", "", "none")), "TCPLAB_CALLS": dice.choice(("", "", "off"))}
        folder = self.work / "hostile/99-hostile"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "client.act").write_text(act + "\n")
        command = self._start([dice.choice(("check", "run")), "99"], env)
        if act.endswith((" 19", " 20")):
            self._wait(command, 5)
            kernel.send_signal(command.pid, signal.SIGCONT)     # the harness may have been stopped, and nobody but a shell wakes it
        status, said = self._end(command)
        to_harness = act.startswith("kill-up 3") or act.startswith("kill-up 2") and env["TCPLAB_CALLS"] == "off"
        if status < 0 and to_harness:
            self.killed = status == -signal.SIGKILL
        elif status not in (0, 1, 3, 130):
            self.bad.append(f"status {status}: {said}")
        return f"{act!r} {env['TCPLAB_ISOLATION']} {env['TCPLAB_CALLS']}"

    def _many(self, dice: random.Random) -> str:
        """Starts twenty checks at once, in a build folder that is empty."""
        folder = self.work / "many"
        commands = [self._start(["check", dice.choice(NUMBERS)], {"BUILD": str(folder)}) for _ in range(20)]
        for command in commands:
            status, said = self._end(command)
            if status != 0:
                self.bad.append(f"status {status}: {said}")
        self._half_made(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return "20 checks"

    def _beside(self, dice: random.Random) -> str:
        """Starts commands and make, side by side, on the same build folder."""
        verbs = [dice.choice(("check", "run", "explore")) for _ in range(3)]
        (self.build / "common/net.o").unlink(missing_ok=True)
        make = subprocess.Popen(["make", "-s", f"BUILD={self.build}"], cwd=ROOT, env=self._env({}), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        commands = [self._start([verb, dice.choice(NUMBERS)], {"PAUSE": "0"}) for verb in verbs]
        for command in commands:
            status, said = self._end(command)
            if status != 0:
                self.bad.append(f"status {status}: {said}")
        if make.wait(HANG) != 0:
            self.bad.append(f"make ended with {make.returncode}: {make.stderr.read() if make.stderr else ''}")
        if make.stderr:
            make.stderr.close()
        return " ".join(verbs)

    def _proofs(self, dice: random.Random) -> str:
        first = dice.randrange(10 ** 6)
        for told in proofs.run_all(list(range(first, first + 6)), 2):
            self.counts["proofs"] += told.proven
            if told.moved or told.kind in proofs.FAULTS:
                self.bad.append(f"pair {told.number}: {told.kind} {told.words} {'; '.join(told.moved)}")
        return f"pairs from {first} on"

    # -- commands -----------------------------------------------------------------------------------------------------

    def _env(self, more: "dict[str, str]") -> "dict[str, str]":
        return {**os.environ, "BUILD": str(self.build), "TMPDIR": str(self.tmp), "TORTURE": self.token, **more}

    def _start(self, arguments: "list[str]", more: "dict[str, str]", terminal: bool = False) -> "subprocess.Popen[bytes]":
        stdin = subprocess.DEVNULL
        if terminal:
            self._end_of_terminal, stdin = pty.openpty()
        made = subprocess.Popen([sys.executable, "-m", "harness", *arguments], cwd=ROOT, env=self._env(more), stdin=stdin, start_new_session=True,
                                stdout=(self.work / "out").open("wb"), stderr=subprocess.PIPE)
        if terminal:
            os.close(stdin)
            os.write(self._end_of_terminal, b"c\n" * 3)
        made.terminal = terminal        # type: ignore[attr-defined]
        return made

    def _command(self, arguments: "list[str]") -> "tuple[int, str]":
        return self._end(self._start(arguments, {}))

    def _wait(self, command: "subprocess.Popen[bytes]", seconds: float) -> None:
        """Waits until the command ends, but at most so many seconds."""
        try:
            command.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def _end(self, command: "subprocess.Popen[bytes]") -> "tuple[int, str]":
        """Waits for its end. Returns its status, and what it said on standard error."""
        try:
            said = command.communicate(timeout=HANG)[1].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            tree = " ".join(f"{pid}:{kernel.process_state(pid)}" for pid in (command.pid, *kernel.descendants(command.pid)))
            self.bad.append(f"hangs ({tree})")
            self._kill_all()
            said = command.communicate()[1].decode("utf-8", "replace")
        if command.terminal:        # type: ignore[attr-defined]
            os.close(self._end_of_terminal)
        if "Traceback" in said or "Exception ignored" in said:
            if f"{ROOT}/harness" in said or "Exception ignored" in said:
                self.bad.append(f"a traceback: {said}")
            else:
                self.counts["Python's own start was interrupted"] += 1
                return 130, said
        return command.returncode, said.strip()[-500:]

    # -- what is left -------------------------------------------------------------------------------------------------

    def _ours(self) -> "list[int]":
        """Returns the ids of the living processes that came from this torture's commands, by their environment."""
        wanted = f"TORTURE={self.token}"
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc")))
                if wanted in kernel.environment(pid) and kernel.process_state(pid) not in ("", "Z", "X")]

    def _kill_all(self) -> None:
        while found := self._ours():
            for pid in found:
                kernel.send_signal(pid, signal.SIGKILL)

    def _breathe(self) -> None:
        try:
            os.waitid(os.P_PID, os.getpid(), os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            os.sched_yield()

    def _outside(self) -> "dict[str, set[str]]":
        """Returns what a run may leave outside of its folder."""
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
            mounts = set(file)
        return {"mount": mounts, "file in /dev/shm": set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()}

    def _look_for_what_is_left(self, before: "dict[str, set[str]]") -> None:
        until = time.monotonic() + GRACE
        while (left := self._ours()) and time.monotonic() < until:
            os.sched_yield()
        for pid in left:
            self.bad.append(f"process {pid} is left ({kernel.process_state(pid)}, {_words(pid)})")
        self._kill_all()
        for kind, names in self._outside().items():
            for name in names - before[kind]:
                if kind == "mount" or "tcplab" in name and "torture" not in name or not self._free(name):
                    self.bad.append(f"{kind}: {name.strip()}")
        held = {link for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) for link in kernel.descriptors(pid).values() if link.startswith("socket:")}
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if words[-1].startswith("@tcplab-") and f"socket:[{words[6]}]" not in held:
                    self.counts["sockets of nobody seen"] += 1
        for path in self.tmp.iterdir():
            if not self.killed:
                self.bad.append(f"left in /tmp: {path.name}")
            self.counts["files left by kill -9"] += self.killed
            shutil.rmtree(path, ignore_errors=True)
        self._half_made(self.build)

    def _free(self, name: str) -> bool:
        """Removes a file in /dev/shm that a hostile program made. It can do so if the run has no /dev/shm of its own (as README
        says)."""
        if name.startswith("tcplab-torture-"):
            (Path("/dev/shm") / name).unlink(missing_ok=True)
            self.counts["files in /dev/shm, without a network of its own"] += 1
        return True

    def _half_made(self, folder: Path) -> None:
        for path in folder.rglob("*") if folder.is_dir() else ():
            if re.search(r"\.\d+$", path.name):
                self.bad.append(f"half made: {path}")
                path.unlink()

    def line(self, began: float) -> str:
        """Returns the result in one line."""
        minutes = (time.monotonic() - began) / 60
        kinds = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()) if what != "rounds")
        return f"torture, seed {self.seed}: {self.counts['rounds']} rounds in {minutes:.1f} minutes ({kinds}): {len(self.faults)} faults"


def _is_python(pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/exe") == os.readlink("/proc/self/exe")
    except OSError:
        return False


def _is_keeper(pid: int) -> bool:
    """A process that is about to become make is still Python, too. A keeper waits by a signalfd."""
    try:
        return _is_python(pid) and any("signalfd" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return False


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def torture(seed: int, rounds: Iterable[int], minutes: Optional[float] = None, only: str = "") -> Torture:
    """Makes rounds until the minutes are over. Prints each fault, and one line at the end."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tcplab-torture-") as folder:
        made = Torture(Path(folder), seed)
        subprocess.run(["make", "-s", f"BUILD={made.build}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        try:
            for number in rounds:
                if minutes is not None and time.monotonic() - began > minutes * 60:
                    break
                made.round(number, only)
        finally:
            made._kill_all()
    print(made.line(began), flush=True)
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="another one each time, unless told")
    parser.add_argument("--first", type=int, default=1, help="the number of the first round")
    parser.add_argument("--rounds", type=int, default=10 ** 6)
    parser.add_argument("--only", default="", choices=("", "kill", "hostile", "many", "beside", "proofs"))
    args = parser.parse_args()
    seed = args.seed or time.time_ns() % 10 ** 6
    print(f"seed {seed}", flush=True)
    return 1 if torture(seed, range(args.first, args.first + args.rounds), args.minutes, args.only).faults else 0


if __name__ == "__main__":
    sys.exit(main())
