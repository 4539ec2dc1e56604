"""Floods one link: ``python -I -S sender.py LINK SECONDS FRAMES…``, frames as hexadecimal digits.

Each frame is sent again and again, as fast as it goes, its two bytes at each place of ``@N`` counted up, those of ``@-N``
down, so that a sum with the first stays as it is; prints how many were sent.  ``tcp ADDRESS PORT SECONDS`` instead opens connections, holds some, and asks nonsense on others.
"""

from __future__ import annotations

import os
import socket
import sys
import time


def frames(link: str, seconds: float, *written: str) -> None:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((link, 0))
    ready = [
        (
            bytearray.fromhex(frame),
            [(abs(int(place)), place[0] == "-", number) for number, place in enumerate(places)],
        )
        for frame, *places in (one.split("@") for one in written)
    ]
    end, sent, n = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        for _ in range(64):
            for frame, places in ready:
                n += 1
                for place, down, number in places:
                    value = (0x10000 - n if down else n >> 8 * number) & 0xFFFF
                    frame[place : place + 2] = value.to_bytes(2, "big")
                try:
                    sock.send(frame)
                    sent += 1
                except OSError:
                    pass
    print(sent)


def tcp(address: str, port: str, seconds: float) -> None:
    end, sent, held = time.monotonic() + seconds, 0, list[socket.socket]()
    while time.monotonic() < end:
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex((address, int(port)))
        held.append(one)
        sent += 1
        if len(held) > 200:
            old = held.pop(0)
            try:
                old.send(b"GET /user-data HTTP/1.1\r\n" * 20)
            except OSError:
                pass
            old.close()
    print(sent)


os.nice(10)
if sys.argv[1] == "tcp":
    tcp(sys.argv[2], sys.argv[3], float(sys.argv[4]))
else:
    frames(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
