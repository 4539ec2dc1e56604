"""UDP that goes on (python -I -S): ``serve NAME PORT [ADDRESS]`` answers with its name and who asked, and greets that one again
every 50 ms, and says ``asked by ADDRESS`` once for each; ``ask ADDRESS PORT [SOURCE]`` asks every 20 ms from one port, and says ``#N heard ANSWER`` or ``#N silence``
when that changes.

The greetings are what an application sends without being asked: its own packets must not keep a flow alive, either.
"""

import socket
import sys
import time
from contextlib import suppress

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75
PAUSE, GREETING, SILENCE = 0.02, 0.05, 0.5


def serve(name: str, port: str, address: str = "0.0.0.0") -> None:
    # Of one that is bound to no address the answers are not from the one that was asked.
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((address, int(port)))
    sock.settimeout(GREETING)
    print("listening", flush=True)
    asker, known = None, set()
    while True:
        try:
            _, asker = sock.recvfrom(100)
        except TimeoutError:
            if asker is None:
                continue
        except OSError:  # an ICMP error of an earlier answer
            continue
        if asker[0] not in known:
            known.add(asker[0])
            print(f"asked by {asker[0]}", flush=True)
        with suppress(OSError):  # no address or no route at the moment
            sock.sendto(f"{name} to {asker[0]}".encode(), asker)


def ask(address: str, port: str, source: str = "") -> None:
    six = ":" in address
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if source and six:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    elif source:
        sock.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)  # any address, also of somebody else
    sock.bind((source, 0))
    sock.connect((address, int(port)))
    sock.settimeout(PAUSE)
    said, number, last = "", 0, time.monotonic()
    while True:
        heard = ""
        try:
            sock.send(b"?")
            heard = "heard " + sock.recv(100).decode()
            last = time.monotonic()
        except OSError:  # nothing yet, or ICMP says that nobody listens
            time.sleep(PAUSE)
            if time.monotonic() > last + SILENCE:
                heard = "silence"
        if heard and heard != said:
            said, number = heard, number + 1
            print(f"#{number} {said}", flush=True)


if sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    ask(*sys.argv[2:])
