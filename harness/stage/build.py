"""Has make build the programs of a scenario's cast."""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import resource
import signal
import stat
import subprocess
from pathlib import Path
from typing import Iterator

from . import sources
from .scenarios import ROOT, Scenario

LONGEST = 120               # seconds that make may take
MEMORY = 4 << 30            # bytes of address space of each process that builds
FILE_SIZE = 256 << 20       # bytes of each file that such a process writes


class DoesNotBuild(Exception):
    """The programs can't be built. The text is the compiler's own, or says what is wrong."""


def build(scenarios: "list[Scenario]", only: str = "") -> str:
    """Builds what has changed; with `only`, just the program of that name. Returns the compiler's warnings, "" if there are none.
    Raises DoesNotBuild, and StageError if a stage.txt is wrong."""
    for scenario in scenarios:
        _refuse_odd_files(scenario.folder)
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")}
    passed = [f"{name}={env[name]}" for name in ("BUILD", "SCENARIOS", "SANITIZE", "WERROR", "CC") if env.get(name)]
    prefix = env.get("BUILD") or "build"
    files = {scenario.name: [only] if only else _files(scenario) for scenario in scenarios}
    targets = [f"{prefix}/{name}/{file}" for name in files for file in files[name]]
    command = [env.get("MAKE") or "make", "--no-print-directory", "-s", *passed, *targets]
    programs = [ROOT / target for target in targets]
    with _alone(ROOT / prefix):
        _take_away_strangers(programs)
        builds = [sources.Build(one.folder, one.build, [one.program(file) for file in files[one.name]]) for one in scenarios]
        said = _make(command, env)
        for one in builds:
            one.built(said)
        _remember(programs)
    return said


def warnings(scenario: Scenario) -> str:
    """Returns what the compiler says about the present text of a scenario that builds: "" if it has nothing to say. If its words
    about a file were not recorded when make built that file, the file is compiled again. Raises what build() raises."""
    record, now = sources.load(scenario.build), sources.sums(scenario.folder)
    if any(name not in record.said or record.sums.get(name) != number for name, number in now.items() if name.endswith(".c")):
        with _alone(scenario.build.parent):
            sources.forget(scenario.folder, scenario.build)
        build([scenario])
        record = sources.load(scenario.build)
    return "\n".join(text for _, text in sorted(record.said.items()) if text)


def _make(command: "list[str]", env: "dict[str, str]") -> str:
    old = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)      # until the process exists that a signal handler would have to kill
    try:
        made = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", start_new_session=True, preexec_fn=_limit)
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        raise DoesNotBuild(f"can't run make: {error.strerror}; install make and a C compiler") from None
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
        said = made.communicate(timeout=LONGEST)[0].rstrip()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(made.pid, signal.SIGKILL)
        made.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise DoesNotBuild(f"the build was ended: it took more than {LONGEST} s") from None
        raise
    if made.returncode != 0:
        limits = f"\n(a build may use {MEMORY >> 30} GiB of memory, and write files of {FILE_SIZE >> 20} MiB)"
        ended = f"make was ended by a signal ({signal.Signals(-made.returncode).name})" if made.returncode < 0 else ""
        raise DoesNotBuild((_its_own(said) or ended) + (limits if any(words in said for words in _OF_A_LIMIT) else ""))
    return said


def _its_own(said: str) -> str:
    """Leaves out make's remark that a command failed, because the command itself has said why. Errors come first, and each
    message comes once."""
    kept = [line for line in said.splitlines() if not re.match(r"make(\[\d+\])?: \*\*\* \[.*\] Error \d+$", line)]
    messages = list(dict.fromkeys(sources.blocks("\n".join(kept))))
    messages.sort(key=lambda one: re.search(r"^[^:\s][^:]*:\d+:(\d+:)? warning: ", one, re.MULTILINE) is not None)
    return "\n".join(messages) or said


_OF_A_LIMIT = ("File size limit exceeded", "out of memory", "virtual memory exhausted", "Cannot allocate memory", "File too large")


_ENDINGS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def _limit() -> None:
    for number in _ENDINGS:     # a signal that has come meanwhile is to end the process here, and not to raise in Python
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDINGS)
    for which, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE_SIZE), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Makes sure that only one command builds in a folder at a time. (In a folder that can't be written nobody builds.)"""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "w", encoding="ascii")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_odd_files(folder: Path) -> None:
    """Raises DoesNotBuild for anything in the folder that is not a regular file or a folder, and for a link that leads out of the
    folder. make, the compiler or the harness would wait for ever for a FIFO, and a link could show files from elsewhere."""
    for path in sorted(folder.rglob("*")):
        link = path.is_symlink() and folder.resolve() not in path.resolve().parents
        if link or path.exists() and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            raise DoesNotBuild(f"{path}: {'a link to something outside of its folder' if link else 'not a regular file'}; take it away")


def _sums(folder: Path) -> Path:
    return folder / ".built"


def _sum(program: Path) -> str:
    return hashlib.sha256(program.read_bytes()).hexdigest()


def _known(folder: Path) -> "dict[str, str]":
    """Returns by name the checksum that each program had when it was built."""
    try:
        words = [line.split(" ", 1) for line in _sums(folder).read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return {}
    return {pair[1]: pair[0] for pair in words if len(pair) == 2}


def _take_away_strangers(programs: "list[Path]") -> None:
    """Has a program built again that is not as make built it. A run may have overwritten it."""
    for program in programs:
        known = _known(program.parent).get(program.name)
        if known is not None and program.is_file() and _sum(program) != known:
            sources.outdate(program)


def _remember(programs: "list[Path]") -> None:
    for folder in dict.fromkeys(program.parent for program in programs):
        sums = _known(folder)
        new = {**sums, **{program.name: _sum(program) for program in programs if program.parent == folder}}
        if new != sums:
            with contextlib.suppress(OSError):      # the folder can't be written
                _sums(folder).write_text("".join(f"{one} {name}\n" for name, one in new.items()), encoding="utf-8")


def _files(scenario: Scenario) -> list[str]:
    """Returns the stems of the .c files of the cast, each once. Raises DoesNotBuild if one is missing: without a stage.txt nobody
    has checked that before."""
    files = list(dict.fromkeys(program.file for program in scenario.stage.programs))
    for file in files:
        if not (scenario.folder / f"{file}.c").is_file():
            raise DoesNotBuild(f"{scenario.name}: there is no {file}.c in {scenario.folder}; write it, or say in a stage.txt there "
                               "which programs the scenario has (harness/STAGE.md)")
    return files
