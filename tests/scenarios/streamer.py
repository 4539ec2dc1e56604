"""Numbered messages at a steady rate (python -I -S), until SIGINT; each carries its number and when it was sent.

``udp-send ADDRESS PORT RATE [SIZE]``, ``udp-receive PORT``: a stream with no packet back.
``udp-pour PORT RATE``, ``udp-drink ADDRESS PORT``: the stream is the answer to one datagram.
``tcp-send ADDRESS PORT RATE``, ``tcp-receive PORT``; ``tcp-pour PORT RATE``, ``tcp-drink ADDRESS PORT``: the same by TCP.
A receiver or pourer whose PORT is written ``:9000`` is asked by IPv6.

Says ``ready``, the receiving side ``first`` at the first message, and at the end one line of JSON: ``sent`` messages;
``received`` messages and bytes (``size``), ``last`` and ``until``: when the last one was sent and received (monotonic clock of the machine),
``disordered`` segments of TCP: such as came after a lost one.
"""

import json
import signal
import socket
import struct
import sys
import time

SIZE = 100
TCP_RCV_OOOPACK = 224
"""Where struct tcp_info has tcpi_rcv_ooopack (linux/tcp.h)."""
ended = False


def end(*_: object) -> None:
    global ended
    ended = True


def say(**found: object) -> None:
    print(json.dumps(found), flush=True)


def send(sock: socket.socket, rate: str, size: str = str(SIZE)) -> None:
    pause, number, due = 1 / float(rate), 0, time.monotonic()
    filling = bytes(int(size) - 16)
    while not ended:
        now = time.monotonic()
        if now < due:
            time.sleep(due - now)
            continue
        due += pause
        try:
            sock.send(struct.pack("!Qd", number, now) + filling)
        except (ConnectionRefusedError, PermissionError, OSError) as error:
            if isinstance(error, TimeoutError) or sock.type == socket.SOCK_STREAM:
                break
        number += 1
    say(sent=number)


def receive(sock: socket.socket) -> None:
    sock.settimeout(0.05)
    received, size, last, until, pending = 0, 0, 0.0, 0.0, b""
    stopped = None
    while True:
        if ended:
            # What is under way may still come.
            stopped = stopped or time.monotonic()
            if time.monotonic() > max(stopped, until) + 0.3:
                break
        try:
            data = sock.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            if sock.type == socket.SOCK_STREAM:
                break
            continue
        if not data and sock.type == socket.SOCK_STREAM:
            break
        if not received:
            print("first", flush=True)
        until = time.monotonic()
        size += len(data)
        if sock.type == socket.SOCK_STREAM:
            pending += data
            while len(pending) >= SIZE:
                received, (_, last), pending = (
                    received + 1,
                    struct.unpack("!Qd", pending[:16]),
                    pending[SIZE:],
                )
        else:
            received, (_, last) = received + 1, struct.unpack("!Qd", data[:16])
    disordered = 0
    if sock.type == socket.SOCK_STREAM:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        disordered = struct.unpack_from("I", info, TCP_RCV_OOOPACK)[0]
    say(received=received, size=size, last=last, until=until, disordered=disordered)


def opened(kind: str, *where: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    if kind == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if len(where) == 2:
        sock.connect((where[0], int(where[1])))
        return sock
    sock.bind(("", int(where[0].removeprefix(":"))))
    return sock


def asked(sock: socket.socket, kind: str) -> socket.socket:
    """Wait for somebody who wants to hear."""
    sock.settimeout(0.05)
    while not ended:
        try:
            if kind == "tcp":
                connected, _ = sock.accept()
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connected.settimeout(None)
                return connected
            sock.connect(sock.recvfrom(100)[1])
            sock.settimeout(None)
            return sock
        except TimeoutError:
            continue
    return sock


def main() -> None:
    signal.signal(signal.SIGINT, end)
    mode, *arguments = sys.argv[1:]
    kind, role = mode.split("-")
    where = arguments[:2] if role in {"send", "drink"} else arguments[:1]
    rest = arguments[len(where) :]
    sock = opened(kind, *where)
    if kind == "tcp" and role in {"receive", "pour"}:
        sock.listen()
    print("ready", flush=True)
    if role == "drink" and kind == "udp":
        sock.send(b"more")
    if role == "pour" or (role == "receive" and kind == "tcp"):
        sock = asked(sock, kind)
    if role in {"send", "pour"}:
        send(sock, *rest)
    else:
        receive(sock)


main()
