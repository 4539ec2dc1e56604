"""UDP that goes on (python -I -S): ``serve NAME PORT`` answers with its name and who asked, and greets that one again
every 50 ms; ``ask ADDRESS PORT`` asks every 20 ms from one port, and says ``heard ANSWER`` or ``silence`` when that changes.

The greetings are what an application sends without being asked: its own packets must not keep a flow alive, either.
"""

import socket
import sys
import time

PAUSE, GREETING, SILENCE = 0.02, 0.05, 0.5


def serve(name: str, port: str) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", int(port)))
    sock.settimeout(GREETING)
    print("listening", flush=True)
    asker = None
    while True:
        try:
            _, asker = sock.recvfrom(100)
        except TimeoutError:
            if asker is None:
                continue
        except OSError:  # an ICMP error of an earlier answer
            continue
        sock.sendto(f"{name} to {asker[0]}".encode(), asker)


def ask(address: str, port: str) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, int(port)))
    sock.settimeout(PAUSE)
    said, last = "", time.monotonic()
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
            said = heard
            print(said, flush=True)


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
