"""Asks a DNS server for names, one question every 12.5 ms, as many as an application may, until SIGINT: ``asker.py SERVER NAME …`` (python -I -S).

A server with an IPv6 address is asked for AAAA instead of A; ``%`` in a name is the number of the question, so that no cache
knows it.  It does not wait for an answer before it asks again; at the end it waits for what is missing, a second at most.
Prints ``asked N unanswered N refused N``; refused are answers without an address.
"""

import select
import signal
import socket
import struct
import sys
import time

PAUSE = 0.0125


def question(number: int, name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def main() -> None:
    server, *names = sys.argv[1:]
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGINT, end)
    family, kind = (socket.AF_INET6, 28) if ":" in server else (socket.AF_INET, 1)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((server, 53))
    print("asking", flush=True)
    asked = refused = 0
    waiting: set[int] = set()
    due = time.monotonic()
    last = None
    while last is None or (waiting and time.monotonic() < last + 1.0):
        now = time.monotonic()
        if ended:
            last = last or now
        elif now >= due:
            due += PAUSE
            number = asked % 65536
            try:
                name = names[asked % len(names)].replace("%", str(asked))
                sock.send(question(number, name, kind))
            except ConnectionRefusedError:  # of an earlier question, which stays unanswered
                pass
            waiting.add(number)
            asked += 1
        if not select.select([sock], [], [], 0.05 if ended else max(0.0, due - time.monotonic()))[0]:
            continue
        try:
            answer = sock.recv(2048)
        except ConnectionRefusedError:
            continue
        number, flags, _, answers, _, _ = struct.unpack("!6H", answer[:12])
        waiting.discard(number)
        refused += flags & 15 != 0 or answers == 0
    print(f"asked {asked} unanswered {len(waiting)} refused {refused}", flush=True)


main()
