"""ptrace(2) and a seccomp filter, called through ctypes: only what observe/calls.py needs of the kernel.

Sources: ptrace(2), seccomp(2), linux/ptrace.h, linux/seccomp.h, linux/filter.h, process_vm_readv(2). All numbers are those of
x86-64, and of aarch64 where they differ. On another machine SUPPORTED is False.
"""
from __future__ import annotations

import ctypes
import os
import struct
from typing import Optional

MACHINE = os.uname().machine
SUPPORTED = MACHINE in ("x86_64", "aarch64")

# The kinds of stops: the event in a status (status >> 16).
FORK, VFORK, CLONE, EXEC, EXIT, SECCOMP, STOP = 1, 2, 3, 4, 6, 7, 128
SYSCALL_STOP = 0x85             # the signal in the status of a stop at a call's exit: SIGTRAP | 0x80
_OPTIONS = 1 | 2 | 4 | 8 | 0x10 | 0x40 | 0x80 | 0x100000    # SYSGOOD FORK VFORK CLONE EXEC EXIT SECCOMP EXITKILL
_CONT, _SYSCALL, _SEIZE, _INTERRUPT, _LISTEN, _EVENT_MESSAGE, _CALL_INFO = 7, 24, 0x4206, 0x4207, 0x4208, 0x4201, 0x420E
_GETREGS, _SETREGS, _GETREGSET, _SETREGSET, _GETSIGINFO = 12, 13, 0x4204, 0x4205, 0x4202
_NT_PRSTATUS, _NT_ARM_SYSTEM_CALL = 1, 0x404
WALL = 0x40000000               # a flag of waitpid: wait for threads, too

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_readv = _libc.process_vm_readv
_readv.restype = ctypes.c_ssize_t


class _Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


_info = ctypes.create_string_buffer(88)
_siginfo = ctypes.create_string_buffer(128)
_message = ctypes.c_ulong()
_memory = ctypes.create_string_buffer(65536)
_here, _there = _Piece(ctypes.addressof(_memory), 0), _Piece(0, 0)


def seize(pid: int) -> None:
    """Begins to trace a process and all that it starts. Raises OSError if the system does not allow it."""
    if _ptrace(_SEIZE, pid, None, _OPTIONS) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace: {os.strerror(ctypes.get_errno())}")


def go_on(tid: int, to_exit: bool = False, signal: int = 0) -> bool:
    """Restarts a stopped thread. With `to_exit` it stops again when its call returns. Returns False if the thread has gone."""
    return bool(_ptrace(_SYSCALL if to_exit else _CONT, tid, None, signal) == 0)


def listen(tid: int) -> None:
    """Leaves a thread in a stop of its group. SIGCONT ends that stop."""
    _ptrace(_LISTEN, tid, None, None)


def interrupt(tid: int) -> None:
    """Makes a running thread stop."""
    _ptrace(_INTERRUPT, tid, None, None)


def event_message(tid: int) -> int:
    """Returns the number that belongs to an event: the new thread's id, or the wait status of a thread that ends."""
    _ptrace(_EVENT_MESSAGE, tid, None, ctypes.addressof(_message))
    return _message.value


def call_info(tid: int) -> "Optional[tuple[int, int, tuple[int, ...]]]":
    """Returns at a call's entry its number, the stack pointer and its six arguments; at its exit -1, 0 and (result,); None if the
    thread has gone."""
    if _ptrace(_CALL_INFO, tid, len(_info), ctypes.addressof(_info)) <= 0:
        return None
    raw = _info.raw
    if raw[0] == 2:
        return -1, 0, struct.unpack_from("=q", raw, 24)
    stack, number, *args = struct.unpack_from("=QQ6Q", raw, 16)
    return number, stack, tuple(args)


def signal_info(tid: int) -> "Optional[tuple[int, int]]":
    """Returns why a signal came to a thread that it has stopped: si_code, and si_pid, which means a process for some of these codes only
    (sigaction(2)). None if the thread has gone."""
    if _ptrace(_GETSIGINFO, tid, None, ctypes.addressof(_siginfo)) != 0:
        return None
    code, pid = struct.unpack_from("=i4xi", _siginfo.raw, 8)
    return code, pid


def skip_call(tid: int, result: int) -> None:
    """Makes a thread that is stopped at a call's entry skip the call. The call returns `result`."""
    if MACHINE == "x86_64":
        registers = (ctypes.c_ulong * 27)()
        if _ptrace(_GETREGS, tid, None, ctypes.addressof(registers)) == 0:
            registers[15], registers[10] = 2 ** 64 - 1, result % 2 ** 64    # orig_rax, rax
            _ptrace(_SETREGS, tid, None, ctypes.addressof(registers))
        return
    number = ctypes.c_int(-1)
    _ptrace(_SETREGSET, tid, _NT_ARM_SYSTEM_CALL, ctypes.addressof(_Piece(ctypes.addressof(number), 4)))
    registers = (ctypes.c_ulong * 34)()
    piece = _Piece(ctypes.addressof(registers), ctypes.sizeof(registers))
    if _ptrace(_GETREGSET, tid, _NT_PRSTATUS, ctypes.addressof(piece)) == 0:
        registers[0] = result % 2 ** 64
        _ptrace(_SETREGSET, tid, _NT_PRSTATUS, ctypes.addressof(piece))


def set_length(tid: int, length: int) -> None:
    """Sets the third argument of the call that a thread is in. At the entry of a read, that is how many bytes it asks for."""
    registers = (ctypes.c_ulong * 34)()
    if MACHINE == "x86_64":
        if _ptrace(_GETREGS, tid, None, ctypes.addressof(registers)) == 0:
            registers[12] = length      # rdx
            _ptrace(_SETREGS, tid, None, ctypes.addressof(registers))
        return
    piece = _Piece(ctypes.addressof(registers), ctypes.sizeof(registers))
    if _ptrace(_GETREGSET, tid, _NT_PRSTATUS, ctypes.addressof(piece)) == 0:
        registers[2] = length           # x2
        _ptrace(_SETREGSET, tid, _NT_PRSTATUS, ctypes.addressof(piece))


def memory(pid: int, address: int, size: int) -> bytes:
    """Returns a piece of a process's memory, at most 64 KiB. It is shorter if less can be read, and b"" if nothing can."""
    _here.size = _there.size = min(size, len(_memory))
    _there.base = address
    got = _readv(pid, ctypes.byref(_here), 1, ctypes.byref(_there), 1, 0) if address else 0
    if got < 0 and _there.size > 1:     # the piece may reach into the next page, which may not exist
        _here.size = _there.size = min(_there.size, 4096 - address % 4096)
        got = _readv(pid, ctypes.byref(_here), 1, ctypes.byref(_there), 1, 0)
    return ctypes.string_at(_memory, got) if got > 0 else b""


# -- the filter -----------------------------------------------------------------------------------------------------------

_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBER, _ARCHITECTURE, _ARGS = 0, 4, 16


def build_filter(with_descriptor: "list[int]", on_sockets: "list[int]", always: "list[int]", low: int, high: int,
                 but: "list[tuple[int, int, int, int]]") -> bytes:
    """Returns the program of a filter that stops at these calls. The calls in `with_descriptor` stop only for descriptors (their
    first argument) from `low` to `high` - 1, and for -1. The calls in `on_sockets` stop for those below `low`, too. Everything
    else is allowed without a stop. `but`: so is the call with this number, if its argument at this place (from 0) is at least the
    first value and less than the second one."""
    lines: "list[tuple[int, int, int, int]]" = [
        (_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _ARCH[MACHINE]), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _NUMBER)]
    for number, argument, first, end in but:
        lines += [(_EQUAL, 0, 5, number), (_LOAD, 0, 0, _ARGS + 8 * argument), (_AT_LEAST, 0, 2, first), (_AT_LEAST, 1, 0, end),
                  (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _NUMBER)]
    calls = [*((number, 0) for number in with_descriptor), *((number, 2) for number in on_sockets), *((number, 5) for number in always)]
    for n, (number, where) in enumerate(calls):
        lines.append((_EQUAL, len(calls) - n + where, 0, number))   # jumps to the test for low or for high descriptors, or to the stop
    lines.append((_RETURN, 0, 0, _ALLOW))
    lines += [(_LOAD, 0, 0, _ARGS), (_AT_LEAST, 0, 4, low), (_LOAD, 0, 0, _ARGS), (_EQUAL, 1, 0, 0xFFFFFFFF), (_AT_LEAST, 1, 0, high),
              (_RETURN, 0, 0, _TRACE), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def install_filter(program: bytes) -> None:
    """Installs the filter for this process and for all that it starts. Raises OSError if the system does not allow it."""
    buffer = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(buffer)), 16)
    number = {"x86_64": 317, "aarch64": 277}[MACHINE]
    if _libc.prctl(38, 1, 0, 0, 0) != 0 or _libc.syscall(number, 1, 0, ctypes.byref(head)) != 0:   # NO_NEW_PRIVS; SET_MODE_FILTER
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
