"""A client that is ready before the clock starts: ``python -I -S client.py LINK NAME`` in an application's namespace.

For each line of input it takes a lease and then asks the lease's name server for NAME, and says "answered".  Real
clients spend more than 0.1 s in this (udhcpc closes several packet sockets, each of which waits for all processors),
which would hide what is measured.
"""

import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, SIOCGIFHWADDR = (
    0x8913,
    0x8914,
    0x8916,
    0x891C,
    0x8927,
)
IFF_UP = 1
PATIENCE = 0.005  # seconds until a question is repeated
TRIES = 2000
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def set_address(control: socket.socket, link: bytes, address: bytes) -> None:
    for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, b"\xff\xff\xff\x00")):
        fcntl.ioctl(control, request, struct.pack("16sHH4s8x", link, socket.AF_INET, 0, value))


def up(control: socket.socket, link: bytes) -> bytes:
    """Set the link up; its hardware address."""
    flags = struct.unpack("16sH14x", fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16s16x", link)))[1]
    fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", link, flags | IFF_UP))
    return fcntl.ioctl(control, SIOCGIFHWADDR, struct.pack("16s24x", link))[18:24]


def options(data: bytes) -> dict[int, bytes]:
    found, at = {}, 240
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        found[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def ask(wire: socket.socket, mac: bytes, kind: int, extra: bytes, answer: int) -> bytes:
    """Broadcast until the answer of that kind comes."""
    number = os.urandom(4)
    # The broadcast flag: an answer to an address that we don't have yet wouldn't be delivered to this socket.
    head = b"\x01\x01\x06\x00" + number + struct.pack("!HH", 0, 0x8000) + bytes(16) + mac + bytes(10 + 192)
    packet = head + b"\x63\x82\x53\x63" + bytes((53, 1, kind)) + extra + b"\xff"
    for _ in range(TRIES):
        try:
            wire.sendto(packet.ljust(300, b"\0"), ("255.255.255.255", 67))
            data = wire.recv(2000)
        except OSError:  # also: the link has no carrier yet
            continue
        if data[4:8] == number and options(data).get(53) == bytes((answer,)):
            return data
    raise TimeoutError(f"no answer to DHCP message {kind}")


def lease(link: str) -> bytes:
    """Take a lease and configure its address; the name server's address."""
    name = link.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        mac = up(wire, name)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        wire.bind(("", 68))
        wire.settimeout(PATIENCE)
        offer = ask(wire, mac, DISCOVER, b"\x37\x02\x06\x03", OFFER)
        server = options(offer)[54]
        wish = b"\x32\x04" + offer[16:20] + b"\x36\x04" + server
        ack = ask(wire, mac, REQUEST, wish + b"\x37\x02\x06\x03", ACK)
        set_address(wire, name, ack[16:20])
        return options(ack)[6][:4]


def resolve(server: bytes, name: str) -> None:
    question = (
        b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0\0\x01\0\x01"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(PATIENCE)
        wire.connect((socket.inet_ntoa(server), 53))
        for _ in range(TRIES):
            try:
                wire.send(os.urandom(2) + b"\x01\0\0\x01\0\0\0\0\0\0" + question)
                if struct.unpack("!H", wire.recv(2000)[6:8])[0] > 0:
                    return
            except OSError:
                continue
    raise TimeoutError(f"{name} isn't resolved")


def main() -> None:
    print("waiting", flush=True)
    for _ in sys.stdin:
        resolve(lease(sys.argv[1]), sys.argv[2])
        print("answered", flush=True)


if __name__ == "__main__":
    main()
