"""Addresses as text, in one form for all of the harness: "127.0.0.1:8080", "[::1]:8080".

A socket of IPv6 may speak IPv4. Then the kernel and getsockname(2) write its address as ::ffff:127.0.0.1 (RFC 4291, 2.5.5.2), and
the other end of the same connection writes 127.0.0.1. Here both are 127.0.0.1, so that the two ends can be compared.
"""
from __future__ import annotations

import functools
import socket
import sys
from typing import Any, Callable

_MAPPED = bytes(10) + b"\xff\xff"


def unmapped(host: bytes) -> bytes:
    """Takes an address of 4 or 16 bytes in network order. Returns the 4 bytes of IPv4 if it is IPv4 in IPv6, else the address
    unchanged."""
    return host[12:] if len(host) == 16 and host.startswith(_MAPPED) else host


@functools.lru_cache(maxsize=4096)
def text(host: bytes, port: int) -> str:
    """Returns the text of an address of 4 or 16 bytes in network order."""
    raw = unmapped(host)
    if len(raw) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, raw)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, raw)}]:{port}"


@functools.lru_cache(maxsize=4096)
def packed(address: str) -> "tuple[bytes, int]":
    """Returns the host of such a text, 4 or 16 bytes in network order, and the port."""
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        return socket.inet_pton(socket.AF_INET6, host.strip("[]")), int(port)
    return socket.inet_pton(socket.AF_INET, host), int(port)


def of_struct(raw: bytes) -> str:
    """Returns the text of a struct sockaddr; "" if it is neither of IPv4 nor of IPv6."""
    family, port = int.from_bytes(raw[:2], sys.byteorder), int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET and len(raw) >= 8:
        return text(raw[4:8], port)
    return text(raw[8:24], port) if family == socket.AF_INET6 and len(raw) >= 24 else ""


def of_name(ask: "Callable[[], tuple[Any, ...]]") -> str:
    """Calls a socket's getsockname() or getpeername(). Returns the text of the address, "" if the socket has none."""
    try:
        host, port = ask()[:2]
    except (OSError, ValueError):
        return ""
    return plain(f"[{host}]:{port}")


def plain(address: str) -> str:
    """Returns an address that a program wrote in this form: "127.0.0.1:80" for "[::ffff:127.0.0.1]:80". An interface's name (%lo)
    is left out. A text that is no address stays as it is."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]").partition("%")[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return text(socket.inet_pton(family, host), int(port))
        except (OSError, ValueError):
            continue
    return address


def port_of(address: str) -> int:
    """Returns the port of an address in this form."""
    return int(address.rpartition(":")[2])
