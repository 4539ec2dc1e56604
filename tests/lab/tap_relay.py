"""Carry frames between two TAPs of different namespaces: ``tap_relay.py NETNS TAP NETNS TAP MAC``.

The first is opened as a hypervisor would open it (it exists); the second is the guest's network card.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF = 0x400454CA
SIOCSIFHWADDR = 0x8924
IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x0002, 0x1000, 0x0100
ARPHRD_ETHER = 1
CLONE_NEWNET = 0x40000000


def enter(netns: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(netns, os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"can't enter {netns}")
    os.close(fd)


def attach(name: str) -> int:
    """Attach to a TAP, whichever way its maker meant it to be opened."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def copy(source: int, target: int) -> None:
    for _ in range(64):
        try:
            frame = os.read(source, 65536)
        except BlockingIOError:
            return
        try:
            os.write(target, frame)
        except OSError:  # the other side is down or full: a wire drops, too
            pass


def main() -> None:
    outer_netns, outer_name, guest_netns, guest_name, mac = sys.argv[1:]
    enter(outer_netns)
    outer = attach(outer_name)
    enter(guest_netns)
    guest = attach(guest_name)
    if mac:
        address = bytes.fromhex(mac.replace(":", ""))
        fcntl.ioctl(
            guest, SIOCSIFHWADDR, struct.pack("16sH14s8x", guest_name.encode(), ARPHRD_ETHER, address)
        )
    print("relaying", flush=True)
    poll = select.poll()
    poll.register(outer, select.POLLIN)
    poll.register(guest, select.POLLIN)
    other = {outer: guest, guest: outer}
    while True:
        for fd, _ in poll.poll():
            copy(fd, other[fd])


if __name__ == "__main__":
    main()
