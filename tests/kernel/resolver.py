"""A client that resolves names and sends to their addresses at once; run within an application's namespace.

``resolver.py connect COUNT 4|6 [tcp]``: for each of that many names ask, and send to the address in the same moment.
``resolver.py ask COUNT NAME...``: ask only, and measure; with COUNT 0 until killed, as fast as it goes.
Says what came of it as one JSON object.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Callable

SERVERS = {4: "10.20.0.2", 6: "fd00:20::2"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def question(name: str, kind: int, ident: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return ident.to_bytes(2) + b"\x01\x00\x00\x01" + bytes(6) + labels + b"\0" + kind.to_bytes(2) + b"\0\1"


def resolve(sock: socket.socket, name: str, version: int) -> str:
    """Ask for the one address of a name; raises ``TimeoutError``."""
    ident = random.randrange(1 << 16)
    sock.send(question(name, 1 if version == 4 else 28, ident))
    while True:
        answer = sock.recv(4096)
        if int.from_bytes(answer[:2]) == ident:
            break
    return socket.inet_ntop(FAMILIES[version], answer[-4 if version == 4 else -16 :])


def resolve_by_tcp(sock: socket.socket, name: str, version: int) -> str:
    asked = question(name, 1 if version == 4 else 28, 7)
    sock.sendall(len(asked).to_bytes(2) + asked)
    answer = b""
    while len(answer) < 2 or len(answer) < 2 + int.from_bytes(answer[:2]):
        answer += sock.recv(4096)
    return socket.inet_ntop(FAMILIES[version], answer[-4 if version == 4 else -16 :])


def asking(version: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
    sock = socket.socket(FAMILIES[version], kind)
    sock.settimeout(10)  # the machine may be busy
    sock.connect((SERVERS[version], 53))
    return sock


def connect(
    count: int, version: int, kind: int, find: Callable[[socket.socket, str, int], str]
) -> dict[str, float]:
    slowest = slowest_name = 0.0
    for n in range(count):
        with asking(version, kind) as sock:
            begin = time.monotonic()
            address = find(sock, f"n{n}.github.com", version)
            answered = time.monotonic()
        with socket.socket(FAMILIES[version]) as there:
            there.settimeout(5)
            # Nobody listens: a reset comes back, unless the first packet was lost.
            try:
                there.connect((address, 80))
            except ConnectionRefusedError:
                pass
        slowest = max(slowest, time.monotonic() - answered)
        slowest_name = max(slowest_name, answered - begin)
    return {"done": count, "slowest_connect": slowest, "slowest_name": slowest_name}


def ask(count: int, names: list[str]) -> dict[str, float]:
    times = []
    lost = 0
    with asking(4) as sock:
        for n in range(count):
            begin = time.monotonic()
            try:
                resolve(sock, names[n % len(names)].replace("@", str(n % 250)), 4)
            except TimeoutError:
                lost += 1
            else:
                times.append(time.monotonic() - begin)
    times.sort()
    return {
        "median": times[len(times) // 2] if times else 0.0,
        "p99": times[len(times) * 99 // 100] if times else 0.0,
        "slowest": times[-1] if times else 0.0,
        "lost": lost,
    }


def flood(names: list[str]) -> None:
    """Ask without listening, until killed."""
    with asking(4) as sock:
        n = 0
        while True:
            n += 1
            try:
                sock.send(question(names[0].replace("@", str(n % 250)), 1, n & 0xFFFF))
            except OSError:
                pass


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["connect", count, version]:
            print(json.dumps(connect(int(count), int(version), socket.SOCK_DGRAM, resolve)))
        case ["connect", count, version, "tcp"]:
            print(json.dumps(connect(int(count), int(version), socket.SOCK_STREAM, resolve_by_tcp)))
        case ["ask", "0", *names]:
            flood(names)
        case ["ask", count, *names]:
            print(json.dumps(ask(int(count), names)))
