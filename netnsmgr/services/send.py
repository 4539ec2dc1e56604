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

from netnsmgr.core.protocols import ICMP, TCP, UDP
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
    kind = {TCP: socket.SOCK_STREAM, UDP: socket.SOCK_DGRAM, ICMP: socket.SOCK_RAW}[what["protocol"]]
    door = socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP if what["protocol"] == ICMP else 0)
    try:
        if what["interface"]:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, what["interface"].encode())
        door.bind((what["source"] or "0.0.0.0", 0 if what["protocol"] == ICMP else what["port"] or 0))
        number = os.getpid() & 0xFFFF if what["protocol"] == ICMP else door.getsockname()[1]
        return door, number
    except OSError:
        door.close()
        raise


def _tcp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    door.settimeout(what["timeout"])
    try:
        door.connect((what["dst"], what["dport"]))
    except TimeoutError:
        return "no answer"
    except ConnectionRefusedError:
        return "refused (a TCP reset came back)"
    return "connected"


def _udp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    door.settimeout(what["timeout"] / 2)
    door.connect((what["dst"], what["dport"]))
    door.send(b"")
    try:
        door.recv(2048)
    except TimeoutError:
        return "no answer (many services do not answer an empty datagram)"
    except ConnectionRefusedError:
        return "refused (ICMP came back)"
    return "answered"


def _icmp(door: socket.socket, what: dict[str, Any], number: int) -> str:
    body = struct.pack("!BBHHH", 8, 0, 0, number, 1)
    checksum = sum(struct.unpack("!4H", body))
    checksum = ~((checksum >> 16) + (checksum & 0xFFFF)) & 0xFFFF
    door.sendto(struct.pack("!BBHHH", 8, 0, checksum, number, 1), (what["dst"], 0))
    end = time.monotonic() + what["timeout"]
    while (left := end - time.monotonic()) > 0 and select.select([door], [], [], left)[0]:
        data = door.recv(2048)
        start = (data[0] & 0xF) * 4
        kind, _, _, ident, _ = struct.unpack_from("!BBHHH", data, start)
        if kind == 0 and ident == number:
            return "answered"
        if kind == 3 and data[start + 28 : start + 36][4:6] == struct.pack("!H", number):
            return "unreachable (ICMP came back)"
    return "no answer"


SENDERS: dict[int, Callable[[socket.socket, dict[str, Any], int], str]] = {TCP: _tcp, UDP: _udp, ICMP: _icmp}


if __name__ == "__main__":
    main(sys.argv[1])
