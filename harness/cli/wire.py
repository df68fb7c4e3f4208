"""wire: shows the segments of a run between the lines of its programs, and writes them as a capture file."""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ..stage.scenarios import lesson
from ..tell import screen, wire
from ..tell.phrases import titled
from . import recorded

_MAGIC = b"\x0a\x0d\x0d\x0a"        # a section header block: the first bytes of a pcapng file
_ABOUT = ("In front of each row stand its place in the order of all that the lab saw (e10), and the seconds since the start. Offsets count each "
          "side's bytes from 1, as in tcpdump's `seq 1:19`, which is bytes 1 to 18. Behind a filter for Wireshark you get all segments of that kind.")
_HELD = "What the kernels held when the run was over, as `ss -tan` shows it (on a LISTEN row Recv-Q counts connections that wait):"


def add(commands: Any) -> None:
    text = "the segments of a run, between the lines of its programs"
    command = commands.add_parser("wire", help=text, description=text)
    recorded.add(command)
    command.add_argument("--pcap", metavar="FILE", default=os.environ.get("PCAP", ""),
                         help="write a capture file for Wireshark, with the lines of the programs in it (make wire-N PCAP=FILE)")
    command.set_defaults(go=go)


def go(args: argparse.Namespace) -> int:
    if args.pcap:
        recorded.may_write(Path(args.pcap), "capture file (pcapng)", _MAGIC)
    got = recorded.get(args)
    if got is None:
        return 130
    run, width = got.run, screen.width_of(sys.stdout)
    page = lesson(run.name)
    print(screen.heading(titled(run.name), page, sys.stdout))
    print("\n".join(wire.table(run, width)))
    if run.stop.sockets:
        print()
        print("\n".join(screen.fitted([_HELD], sys.stdout)))
        print("\n".join(wire.held(run.stop.sockets)))
    if not run.wire:
        print("\nno segment was seen: packets can't be captured here")
    elif run.missing:
        print(f"\n{run.missing} frames are missing: the capture lost them, or there were too many to keep")
    if args.pcap:
        recorded.write(Path(args.pcap), wire.capture(run, got.verdict.word, got.reproduce))
        print(f"\n{args.pcap} written; open it with one of these:\n    wireshark {args.pcap}\n    tshark -r {args.pcap}\n    tcpdump -r {args.pcap}")
    else:
        print()
        print("\n".join(screen.fitted([_ABOUT], sys.stdout)))
    return 0
