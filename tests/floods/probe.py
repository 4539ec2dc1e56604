"""How an application is served: ``python -I -S probe.py SECONDS GATEWAY WEB``; prints JSON, milliseconds of each kind.

``dns``: a name that the gateway has to ask its servers for, each time another one; ``metadata``: a request; ``connect``: a
new connection to a server outside (``WEB``); ``ping``: the gateway.  An answer that does not come in a second is lost.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

TIMEOUT = 1.0


def dns(gateway: str, n: int) -> None:
    name = (
        b"".join(bytes([len(part)]) + part for part in (b"p%d-%d" % (os.getpid(), n), b"github", b"com"))
        + b"\0"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.settimeout(TIMEOUT)
        door.connect((gateway, 53))
        door.send(struct.pack("!HHHHHH", n, 0x0100, 1, 0, 0, 0) + name + b"\0\1\0\1")
        answer = door.recv(512)
        if answer[3] & 15 or not answer[7]:
            raise OSError("no address")


def metadata(_: str, n: int) -> None:
    with socket.create_connection(("169.254.169.254", 80), TIMEOUT) as door:
        door.sendall(b"GET /eve/v1/hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if b" 200 " not in door.recv(4096):
            raise OSError("refused")


def connect(web: str, n: int) -> None:
    socket.create_connection((web, 80), TIMEOUT).close()


def repeat(
    what: Callable[[str, int], None], target: str, pause: float, seconds: float, found: list[float | None]
) -> None:
    end, n = time.monotonic() + seconds, 0
    while (begun := time.monotonic()) < end:
        n += 1
        try:
            what(target, n)
            found.append((time.monotonic() - begun) * 1000)
        except OSError:
            found.append(None)
        time.sleep(max(0.0, pause - (time.monotonic() - begun)))


def summary(found: Sequence[float | None]) -> dict[str, float | None]:
    good = sorted(each for each in found if each is not None)
    lost = len(found) - len(good)
    return {
        "asked": len(found),
        "lost": lost,
        "median": round(good[len(good) // 2], 2) if good else None,
        "p95": round(good[len(good) * 95 // 100], 2) if good else None,
        "max": round(good[-1], 2) if good else None,
    }


seconds, gateway, web = float(sys.argv[1]), sys.argv[2], sys.argv[3]
ping = subprocess.Popen(
    ["ping", "-n", "-i", "0.01", "-w", str(int(seconds)), gateway], stdout=subprocess.PIPE, text=True
)
kinds = {"dns": (dns, gateway, 0.03), "metadata": (metadata, "", 0.1), "connect": (connect, web, 0.05)}
results: dict[str, list[float | None]] = {name: [] for name in kinds}
threads = [
    threading.Thread(target=repeat, args=(*kinds[name], seconds, results[name]), daemon=True)
    for name in kinds
]
for thread in threads:
    thread.start()
said = ping.communicate()[0]
for thread in threads:
    thread.join()
rtts = [float(each) for each in re.findall(r"time=([0-9.]+)", said)]
sent = re.search(r"(\d+) packets transmitted", said)
lost = int(sent[1]) - len(rtts) if sent else 0
# One may be under way when ping ends.
print(
    json.dumps(
        {name: summary(found) for name, found in results.items()}
        | {"ping": summary([*rtts, *[None] * max(0, lost - 1)])}
    )
)
