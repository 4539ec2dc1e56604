"""UDP packets at the rate that the kernel takes them: ``python -I -S sender.py`` in an application's namespace.

For each line ``ADDRESS PORT new|same COUNT`` of input it sends that many datagrams (26 bytes of UDP) by sendmmsg, each
from another source port (``new``: 20,000 of them in turns) or all from one, and says how much processor time that took,
in seconds.  What a packet costs in all namespaces on its way is paid within its sendmmsg, whatever else the machine does.
``establish ADDRESS PORT``: has a first one answered, so that the flow of ``same`` is established.
``probe ADDRESS PORT``: a datagram each millisecond until the next line.
``flush NAMESPACE``: the entries of connection tracking are forgotten, here and in that namespace.
"""

import ctypes
import select
import socket
import struct
import sys
import time

BATCH = 1000
PORTS, FIRST_PORT = 20_000, 2000
HEAD = 28
"""An IP header without options, and UDP's."""
PACKET = HEAD + 18


class IoVec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class Message(ctypes.Structure):
    """struct mmsghdr of linux/socket.h"""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_size_t),  # an int, and what fills struct msghdr up
        ("sent", ctypes.c_size_t),
    )


class Packets:
    """Messages for sendmmsg, made before the clock starts."""

    def __init__(self, address: str, port: int, *, new: bool) -> None:
        count, self._at = PORTS if new else BATCH, 0
        remote = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 0) + socket.inet_aton(address)
        self._remote = ctypes.create_string_buffer(remote.ljust(16, b"\0"))
        head = b"\x45\0" + struct.pack("!H", PACKET) + bytes(4) + b"\x40\x11" + bytes(6)
        head += socket.inet_aton(address)
        content = bytearray()
        for n in range(count):
            source = FIRST_PORT + 1 + n if new else FIRST_PORT
            # No checksum, which IPv4 allows.
            content += head + struct.pack("!HHHH", source, port, PACKET - 20, 0) + bytes(PACKET - HEAD)
        self._content = (ctypes.c_char * len(content)).from_buffer(content)
        self._vectors, self._messages = (IoVec * count)(), (Message * count)()
        start, vectors = ctypes.addressof(self._content), ctypes.addressof(self._vectors)
        for n in range(count):
            self._vectors[n] = IoVec(start + n * PACKET, PACKET)
            at = vectors + n * ctypes.sizeof(IoVec)
            self._messages[n] = Message(ctypes.addressof(self._remote), 16, at, 1, None, 0, 0, 0)

    def send(self, wire: socket.socket, count: int) -> float:
        """Send the next ones; the seconds of processor time that it took."""
        libc = ctypes.CDLL(None, use_errno=True)
        start = time.process_time()
        while count:
            self._at %= len(self._messages)
            first = ctypes.byref(self._messages, self._at * ctypes.sizeof(Message))
            sent = libc.sendmmsg(wire.fileno(), first, min(BATCH, count, len(self._messages) - self._at), 0)
            if sent <= 0:
                raise OSError(ctypes.get_errno(), "sendmmsg")
            self._at += sent
            count -= sent
        return time.process_time() - start


def flush() -> None:
    """Delete all entries: IPCTNL_MSG_CT_DELETE without a tuple (linux/netfilter/nfnetlink_conntrack.h)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:  # NETLINK_NETFILTER
        netlink.send(struct.pack("=IHHII4x", 20, 1 << 8 | 2, 1 | 4, 1, 0))  # REQUEST | ACK
        error = struct.unpack("=i", netlink.recv(1000)[16:20])[0]
        if error:
            raise OSError(-error, "conntrack's entries are not deleted")


def flush_both(other: str) -> None:
    flush()
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open(other) as there:
        for namespace in (there, home):
            if libc.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), other)
            if namespace is there:
                flush()


def establish(address: str, port: int) -> None:
    """Have one datagram answered, so that what follows is of an established flow."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("", FIRST_PORT))
        first.settimeout(0.5)
        for _ in range(10):
            try:
                first.sendto(b"anybody?", (address, port))
                first.recv(100)
                return
            except TimeoutError:
                continue
    raise TimeoutError(f"{address} port {port} does not answer")


def probe(address: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        while not select.select([sys.stdin], [], [], 0.001)[0]:
            stream.sendto(b"?", (address, port))


def main() -> None:
    wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    made: dict[str, Packets] = {}
    print("waiting", flush=True)
    for line in sys.stdin:
        match line.split():
            case ["flush", namespace]:
                flush_both(namespace)
                print("flushed", flush=True)
            case ["probe", address, port]:
                probe(address, int(port))
            case ["establish", address, port]:
                establish(address, int(port))
                print("established", flush=True)
            case ["stop"]:
                print("stopped", flush=True)
            case [address, port, kind, count]:
                key = f"{address} {port} {kind}"
                if key not in made:
                    made[key] = Packets(address, int(port), new=kind == "new")
                print(f"{made[key].send(wire, int(count)):.9f}", flush=True)


if __name__ == "__main__":
    main()
