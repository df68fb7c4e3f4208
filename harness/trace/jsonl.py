"""Writes a run as JSON Lines, and reads it back. TRACE.md is the format's reference.

Every line is ASCII: other characters are written as JSON's escapes. So no reader can take a part of a character for the end of a
line.
"""
from __future__ import annotations

import dataclasses
import json
from typing import Any, Union

from .records import Call, Connection, End, Ending, Event, Exec, Holder, Listener, Output, Record, Role, Run, Segment, Socket, Start, Stop, Waiting

VERSION = 2
_KINDS: "dict[str, type]" = {"start": Start, "exec": Exec, "event": Event, "call": Call, "output": Output, "segment": Segment, "socket": Socket, "exit": Ending}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def lines(run: Run, reproduce: str, verdict: "dict[str, Any]") -> "list[str]":
    """Returns the lines of a trace file, without line ends: the header, every record in the run's order, the connections, the
    listeners, why the run stopped, the verdict."""
    header = {"record": "header", "format": "tcplab trace", "version": VERSION, "scenario": run.name, "mode": run.mode,
              "isolated": run.isolated, "wire": run.wire, "missing": run.missing, "observed": run.observed,
              "cast": [dataclasses.asdict(role) for role in run.cast], "notes": list(run.notes), "reproduce": reproduce,
              "began": run.began, "sources": run.sources, **run.versions}
    records: "list[Record]" = [*run.starts, *run.execs, *run.events, *run.calls, *run.outputs, *run.segments, *run.sockets, *run.stop.sockets, *run.endings, *run.children]
    stop = dataclasses.asdict(run.stop)
    stop["sockets"] = [one.seq for one in run.stop.sockets]
    told: "list[dict[str, Any]]" = [header]
    told += [{"record": _NAMES[type(one)], **vars(one)} for one in sorted(records, key=lambda one: one.seq)]     # they hold nothing that asdict() would go into
    told += [{"record": "connection", **dataclasses.asdict(one)} for one in run.connections]
    told += [{"record": "listener", **dataclasses.asdict(one)} for one in run.listeners]
    told += [{"record": "stop", **stop}, {"record": "verdict", **verdict}]
    return [json.dumps(record) for record in told]


def is_trace(first_line: str) -> bool:
    """Does a file that begins with this line hold a trace?"""
    try:
        header = json.loads(first_line)
    except ValueError:
        return False
    return isinstance(header, dict) and header.get("format") == "tcplab trace"


def load(text: str) -> "tuple[Run, dict[str, Any]]":
    """Reads back what lines() wrote. Returns the run and its verdict. Raises ValueError if a line is no record of a trace, or if
    the trace has another version; the error names the line."""
    found: "dict[str, list[Any]]" = {name: [] for name in (*_KINDS, "connection", "listener")}
    single: "dict[str, dict[str, Any]]" = {"header": {}, "stop": {}, "verdict": {}}
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        try:
            record = json.loads(line)
            name = record.pop("record")
            if name == "start":
                record["after"] = tuple(record["after"])
            if name in _KINDS:
                found[name].append(_KINDS[name](**record))
            elif name == "connection":
                found[name].append(Connection(record["number"], _end(record["opener"]), _end(record["acceptor"])))
            elif name == "listener":
                found[name].append(Listener(holders=_holders(record), **record))
            else:
                single[name].update(record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} is no record of a trace ({error})") from None
        if name == "header" and record.get("version") != VERSION:
            raise ValueError(f"line {number}: a trace of version {record.get('version')}; this lab reads version {VERSION}: make the run again")
    return _run(found, single["header"], single["stop"]), single["verdict"]


def _run(found: "dict[str, list[Any]]", header: "dict[str, Any]", stop: "dict[str, Any]") -> Run:
    last = set(stop.pop("sockets", ()))
    stopped = Stop(waiting=tuple(Waiting(**one) for one in stop.pop("waiting", ())), cycle=tuple(stop.pop("cycle", ())),
                   sockets=tuple(one for one in found["socket"] if one.seq in last), **stop)
    name = str(header["scenario"])
    return Run(name.split("-")[0], name, header["mode"], header["isolated"], header["wire"], tuple(found["event"]), tuple(found["output"]),
               tuple(found["segment"]), tuple(one for one in found["exit"] if not one.child), stopped,
               sockets=tuple(one for one in found["socket"] if one.seq not in last),
               starts=tuple(found["start"]), execs=tuple(found["exec"]), children=tuple(one for one in found["exit"] if one.child), calls=tuple(found["call"]), observed=header["observed"],
               connections=tuple(found["connection"]), listeners=tuple(found["listener"]), cast=tuple(Role(**one) for one in header["cast"]), missing=header["missing"],
               notes=tuple(header["notes"]), versions={"system": header["system"]} if "system" in header else {},
               began=str(header.get("began", "")), sources={str(name): str(value) for name, value in header.get("sources", {}).items()})


def _end(told: "Union[None, dict[str, Any]]") -> "Union[None, End]":
    if told is None:
        return None
    return End(holders=_holders(told), **told)


def _holders(told: "dict[str, Any]") -> "tuple[Holder, ...]":
    return tuple(Holder(**one) for one in told.pop("holders"))
