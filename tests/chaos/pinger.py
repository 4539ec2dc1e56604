"""Pings at a steady rate (python -I -S) until SIGINT: ``ADDRESS RATE``.

Says ``answered`` at the first answer, and at the end one line of JSON: how many were ``sent`` and ``answered``, and ``lost``:
runs of unanswered ones as [when the first was sent, when the last, how many], by the machine's monotonic clock.
"""

import json
import signal
import socket
import struct
import sys
import time

PATIENCE = 2.0
"""Seconds after the end for which answers are still waited for."""
BURST = 10
"""How many are sent at once by one who was not let run; what more is due is left out, as queues are short."""
RUN = 0.1
"""Seconds between two lost ones that are still of one run."""
SOL_RAW, ICMP_FILTER, ICMP6_FILTER, ECHO_REPLY, ECHO_REPLY6 = 255, 1, 1, 0, 129
HEADER = struct.Struct("!BBHHHQ")
ended = False


def end(*_: object) -> None:
    global ended
    ended = True


def opened(address: str) -> socket.socket:
    if ":" in address:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        passed = bytearray(b"\xff" * 32)
        passed[ECHO_REPLY6 // 8] = 0xFF & ~(1 << ECHO_REPLY6 % 8)
        # Words of 32 bits in the machine's order, a bit set for what is not let through.
        words = struct.unpack("<8I", bytes(passed))
        sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *words))
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xFFFFFFFF & ~(1 << ECHO_REPLY)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setblocking(False)
    sock.connect((address, 0))
    return sock


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def request(identity: int, number: int, *, six: bool) -> bytes:
    kind = 128 if six else 8
    packet = HEADER.pack(kind, 0, 0, identity, number & 0xFFFF, number)
    return packet if six else HEADER.pack(kind, 0, checksum(packet), identity, number & 0xFFFF, number)


def main(address: str, rate: str) -> None:
    signal.signal(signal.SIGINT, end)
    six, sock, pause = ":" in address, opened(address), 1 / float(rate)
    identity = hash((address, time.monotonic_ns())) & 0xFFFF
    pending: dict[int, float] = {}
    sent = answered = 0
    due = time.monotonic()
    until = None
    while True:
        now = time.monotonic()
        if ended:
            until = until or now + PATIENCE
            if now > until or not pending:
                break
        else:
            due = max(due, now - BURST * pause)
            while due <= now:
                due += pause
                sent += 1
                pending[sent] = now
                try:
                    sock.send(request(identity, sent, six=six))
                except OSError:  # it counts as lost: what was lost on the way is told by errors like this one
                    pass
        # Not woken by answers: they are counted with the next one that is sent, at half the processor time.
        time.sleep(0.05 if ended else max(0.0, due - time.monotonic()))
        while True:
            try:
                data = sock.recv(2048)
            except BlockingIOError:
                break
            except OSError:
                continue
            header = data if six else data[(data[0] & 15) * 4 :]
            _, _, _, of, _, number = HEADER.unpack_from(header)
            if of == identity and pending.pop(number, None) is not None:
                answered += 1
                if answered == 1:
                    print("answered", flush=True)
    lost: list[list[float]] = []
    for moment in pending.values():
        if lost and moment - lost[-1][1] < RUN:
            lost[-1][1:] = [moment, lost[-1][2] + 1]
        else:
            lost.append([moment, moment, 1])
    print(json.dumps({"sent": sent, "answered": answered, "lost": lost}), flush=True)


main(*sys.argv[1:])
