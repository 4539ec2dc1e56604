"""A child in an application's namespace that sends one packet: ``python -I -m netnsmgr.services.send NETNS``.

It is told what to send, opens its socket and says from which port (or with which identifier), sends when it is told to, and
says what came back.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from netnsmgr.core.protocols import ICMP, ICMPV6, TCP, UDP
from netnsmgr.kernel.inside import answer, asked, serve


def main(netns: str) -> None:
    """Send a packet."""
    serve(netns)
    with suppress(EOFError):
        what = asked()
        try:
            door, number = _open(what)
        except OSError as error:
            answer({"error": f"cannot send from {what['interface'] or 'here'}: {error.strerror}"})
            return
        with door:
            answer({"number": number})
            asked()
            try:
                said = SENDERS[what["protocol"]](door, what, number)
            except OSError as error:
                said = f"not sent: {error.strerror or error}"
            answer({"said": said})


def _open(what: dict[str, Any]) -> tuple[socket.socket, int]:
    """Return the socket, bound to the interface, with the port or identifier that tells its packets from others."""
    protocol = what["protocol"]
    kind = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM}.get(protocol, socket.SOCK_RAW)
    raw = kind == socket.SOCK_RAW
    family = socket.AF_INET6 if ":" in what["dst"] else socket.AF_INET
    door = socket.socket(family, kind, protocol if raw else 0)
    try:
        if what["interface"]:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, what["interface"].encode())
        anything = "::" if family == socket.AF_INET6 else "0.0.0.0"
        port = 0 if raw else what["port"] or 0
        door.bind(_end(what, what["source"] or anything, port))
        number = os.getpid() & 0xFFFF if raw else door.getsockname()[1]
        return door, number
    except OSError:
        door.close()
        raise


def _end(what: dict[str, Any], address: str, port: int) -> tuple[Any, ...]:
    """Return an address as sockets want it: a link-local one of IPv6 with its link."""
    if ":" not in address:
        return address, port
    local = address.lower().startswith("fe80:") and what["interface"]
    return address, port, 0, socket.if_nametoindex(what["interface"]) if local else 0


def _tcp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    door.settimeout(what["timeout"])
    try:
        door.connect(_end(what, what["dst"], what["dport"]))
    except TimeoutError:
        return "no answer"
    except ConnectionRefusedError:
        return "refused (a TCP reset came back)"
    return "connected"


def _udp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    door.settimeout(what["timeout"] / 2)
    door.connect(_end(what, what["dst"], what["dport"]))
    door.send(b"")
    try:
        door.recv(2048)
    except TimeoutError:
        return "no answer (many services do not answer an empty datagram)"
    except ConnectionRefusedError:
        return "refused (ICMP came back)"
    return "answered"


def _icmp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    six = what["protocol"] == ICMPV6
    # Of ICMPv6 the kernel writes the checksum (RFC 3542, 3.1).
    request, reply, unreachable = (128, 129, 1) if six else (8, 0, 3)
    body = struct.pack("!BBHHH", request, 0, 0, number, 1)
    checksum = sum(struct.unpack("!4H", body))
    checksum = ~((checksum >> 16) + (checksum & 0xFFFF)) & 0xFFFF
    door.sendto(
        struct.pack("!BBHHH", request, 0, 0 if six else checksum, number, 1), _end(what, what["dst"], 0)
    )
    end = time.monotonic() + what["timeout"]
    while (left := end - time.monotonic()) > 0 and select.select([door], [], [], left)[0]:
        data = door.recv(2048)
        start = 0 if six else (data[0] & 0xF) * 4
        kind, _, _, ident, _ = struct.unpack_from("!BBHHH", data, start)
        if kind == reply and ident == number:
            return "answered"
        # Behind the error's header the packet that it is about, whose own header is 20 or 40 bytes.
        asked = data[start + 8 + (40 if six else 20) :]
        if kind == unreachable and asked[4:6] == struct.pack("!H", number):
            return "unreachable (ICMP came back)"
    return "no answer"


SENDERS: dict[int, Callable[[socket.socket, dict[str, Any], int], str]] = {
    TCP: _tcp,
    UDP: _udp,
    ICMP: _icmp,
    ICMPV6: _icmp,
}


if __name__ == "__main__":
    main(sys.argv[1])
