"""The command line: python3 -m harness run|check|step|explore|list.

Exit statuses of check: 0 as expected; 1 the run left the contract; 2 it does not build, or wrong usage; 3 the lab itself
failed. Of several scenarios, the highest. run shows, and ends with 0 whatever the programs did (2, 3 as above).
130: ended by Ctrl-C.
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import Optional

from .cli import check, explore, run, shared, step
from .cli import list as listing
from .explore.schedules import BadSchedule
from .judge.contract import ContractError
from .stage.build import DoesNotBuild
from .stage.cast import StageError
from .stage.keeper import KeeperError
from .stage.scenarios import UnknownScenario

_COMMANDS = (run, check, step, explore, listing)
_EPILOG = """\
exit status of check:  0 as expected   1 differs, deadlock, crash, runaway, no progress
                       2 does not build, wrong usage   3 the lab itself failed   130 Ctrl-C

environment:
  PAUSE=0                 run: pauses take no time (the virtual clock), as in check
  SCHEDULE='...'          hold programs at the named places, as explore prints it
  NOPAUSE=1               pauses are nothing at all: shows what they hide
  TCPLAB_ISOLATION=none   no private network: a free port of this machine, no look at the wire
  TCPLAB_CALLS=off        system calls are not looked at (gdb and strace can attach then)
  NO_COLOR=1              no colours
  BUILD=DIR SCENARIOS=DIR SANITIZE=1   as in make: other folders, other programs
"""


def _arguments(argv: Optional[list[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m harness", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Runs a scenario's client and server, watches them and the kernel, says what happened.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser.parse_args(argv)


def main(argv: Optional[list[str]] = None) -> int:
    """Runs one command; returns its exit status."""
    args = _arguments(argv)
    try:
        shared.find_room()
        return int(args.go(args))
    except (UnknownScenario, shared.Usage, BadSchedule, step.NoTerminal) as error:
        return shared.complain(str(error), 2)
    except StageError as error:
        return shared.complain(str(error), 2)
    except DoesNotBuild as error:
        return shared.complain(f"{error}\ndoes not build", 2)
    except BrokenPipeError:
        raise
    except (ContractError, KeeperError, OSError) as error:
        if os.environ.get("TCPLAB_DEBUG"):
            raise
        return shared.complain(f"lab error: {error}", 3)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # whatever it is, it is the lab's fault and not the learner's
        if os.environ.get("TCPLAB_DEBUG"):
            raise
        return shared.complain(f"lab error: {type(error).__name__}: {error} (TCPLAB_DEBUG=1 shows where)", 3)


def _open_what_is_closed() -> None:
    """`check 1 >&-`: else the first thing that is opened would take the place of standard output."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", encoding="utf-8"))


if __name__ == "__main__":
    _open_what_is_closed()
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:     # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 141
    sys.exit(status)
