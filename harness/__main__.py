"""The command line: python3 -m harness COMMAND. Each command is a file in cli/.

Exit statuses of check: 0 as expected, or told (there is no contract). 1 the run left the contract, or is suspicious. 2 it does
not build, its contract or stage is wrong, or wrong usage. 3 the lab itself failed. 130 ended by Ctrl-C. With several scenarios,
the highest one counts. run ends with 0 whatever the programs did; it uses 2, 3 and 130 as check does.
"""
from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import os
import signal
import sys
from typing import Optional

from .tell import terminal

# The files in cli/ that are commands, in the order in which the help lists them.
_COMMANDS = ("run", "check", "predict", "quiz", "watch", "step", "hint", "explore", "play", "draft", "wire", "diagram", "explain", "exercise", "solution",
             "start", "reset", "diff", "progress", "list")
_EPILOG = """\
exit status of check:
  0    as expected; told (there is no contract)
  1    differs, deadlock, crash, runaway, no progress
  2    does not build, contract error, stage error, wrong usage
  3    the lab itself failed
  130  Ctrl-C

environment:
  PAUSE=0                 run: pauses take no time, as in check
  SCHEDULE='...'          hold programs at these places, as explore prints it
  DELIVERY=WAY            what reads bring: bytes, coalesced, split, reset
                          (harness/CONTRACT.md)
  NOPAUSE=1               pauses are nothing at all: shows what they hide
  ALL=1                   a verdict tells each difference, not only the first
  TCPLAB_ISOLATION=none   no private network: a free port of this machine, and
                          no look at the wire
  TCPLAB_CALLS=off        system calls are not looked at (then gdb and strace
                          can attach)
  NO_COLOR=1              no colours
  BUILD=DIR SCENARIOS=DIR SANITIZE=1
                          as in make: other folders, other programs
"""


def _arguments(argv: "list[str]") -> argparse.Namespace:
    """Reads the arguments. Only the command that they name is loaded: to load all of them takes longer than a run."""
    parser = argparse.ArgumentParser(prog="python3 -m harness", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Runs a scenario's client and server, watches them, and says what happened.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    gc.disable()        # modules are no garbage, and to look for some in them takes a twentieth of the start
    for command in argv[:1] if argv[:1] and argv[0] in _COMMANDS else _COMMANDS:
        importlib.import_module(f".cli.{command}", __package__).add(commands)
    gc.enable()
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    """Runs one command. Returns its exit status."""
    args = _arguments(sys.argv[1:] if argv is None else argv)
    from .cli import outcome, shared
    try:
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)    # from here on Ctrl-C cleans up
        shared.find_room()
        return int(args.go(args))
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        told = outcome.failed("", error)
        if told.status == 3 and os.environ.get("TCPLAB_DEBUG"):
            raise
        if not getattr(args, "json", False):
            return told.complain()
        asked = getattr(args, "scenario", "")
        for name in [asked] if isinstance(asked, str) else asked or [""]:
            print(outcome.failed(name, error).json())
        return told.status


def _open_what_is_closed() -> None:
    """Opens /dev/null in place of a standard stream that is closed (`check 1 >&-`). Else the first file that is opened would take
    its place."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", encoding="utf-8"))


def _leave() -> None:
    """Ends the process, after what else was to be done at its end. Its memory goes with it: Python would free each object before, which takes a
    sixth of a short command's time."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    status = 1
    atexit.register(_leave)     # what is registered first comes last
    _open_what_is_closed()
    sys.stdout, sys.stderr = terminal.Stream(sys.stdout), terminal.Stream(sys.stderr)     # type: ignore[assignment]
    try:
        status = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)    # the command has ended, and cleans up
        sys.stdout.flush()
    except SystemExit as ended:     # argparse has printed the help, or what is wrong with the arguments
        status = int(ended.code or 0)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:     # the reader has gone, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)
