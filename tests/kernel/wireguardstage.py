"""WireGuard interfaces in the test's own namespace whose sockets are outside, and other ends that plain ``wg`` has made.

``outer`` stands for the device's root namespace, ``far`` for where the other ends are; a wire joins them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.core.item import Item
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink, LinkUp
from netnsmgr.items.wireguard import Peer, Wireguard
from tests.kernel.stage import sh
from tests.lab.patience import patient

KERNEL = subprocess.run(
    ["unshare", "-n", "ip", "link", "add", "wgx", "type", "wireguard"], capture_output=True, check=False
).returncode == 0  # fmt: skip
"""Whether the running kernel has WireGuard."""
needed = [
    pytest.mark.root,
    pytest.mark.skipif(
        not KERNEL and not os.access("/dev/net/tun", os.R_OK | os.W_OK),
        reason="neither WireGuard nor /dev/net/tun",
    ),
]
OUTER4, FAR4 = "192.0.2.1", "192.0.2.2"
OUTER6, FAR6 = "2001:db8::1", "2001:db8::2"
KEYS = Path("/run/keys")


@contextmanager
def wire() -> Iterator[None]:
    """Both ends' namespaces and what is between them."""
    sh(
        f"""ip netns add outer; ip netns add far
        ip link add wire0 netns outer type veth peer name wire1 netns far
        ip -n outer addr add {OUTER4}/24 dev wire0; ip -n far addr add {FAR4}/24 dev wire1
        ip -n outer addr add {OUTER6}/64 dev wire0 nodad; ip -n far addr add {FAR6}/64 dev wire1 nodad
        ip -n outer link set wire0 up; ip -n far link set wire1 up; ip -n outer link set lo up; ip -n far link set lo up"""
    )
    KEYS.mkdir(mode=0o700, exist_ok=True)
    yield


def born(birth: str, netns: str = "outer") -> None:
    """Make an interface in a namespace; its socket stays there."""
    if KERNEL:
        sh(f"ip -n {netns} link add {birth} type wireguard")
        return
    subprocess.Popen(
        ["ip", "netns", "exec", netns, "wireguard-go", "-f", birth],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "LOG_LEVEL": "silent"},
    )  # fmt: skip
    until(lambda: _listens(f"/run/wireguard/{birth}.sock"))


def _listens(path: str) -> bool:
    """Not only is there: ``wg`` removes a socket at which nobody listens yet."""
    with socket.socket(socket.AF_UNIX) as asker, suppress(OSError):
        asker.connect(path)
        return True
    return False


def moved(birth: str, name: str, netns: str = "outer") -> str:
    """Move one into the test's own namespace; the name by which ``wg`` knows it there."""
    sh(f"ip -n {netns} link set {birth} netns {os.getpid()} name {name}")
    return name if KERNEL else birth


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + patient(seconds)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def key(name: str) -> str:
    """A private key in a file of that name; its public key."""
    path = KEYS / name
    return sh(f"umask 077; wg genkey >{path}; wg pubkey <{path}")


def preshared(name: str) -> str:
    """A preshared key in a file of that name; the file."""
    sh(f"umask 077; wg genpsk >{KEYS / name}")
    return str(KEYS / name)


def far(name: str, address: str, *, port: int, peers: str, private: str = "") -> str:
    """An interface of somebody else in ``far``, by a file as ``wg setconf`` reads it; its public key."""
    public = (
        key(private or name)
        if not (KEYS / (private or name)).exists()
        else sh(f"wg pubkey <{KEYS / (private or name)}")
    )
    born(name, "far")
    conf = f"[Interface]\nPrivateKey = {(KEYS / (private or name)).read_text().strip()}\nListenPort = {port}\n{peers}\n"
    Path(f"/run/{name}.conf").write_text(conf)
    sh(f"ip netns exec far wg setconf {name} /run/{name}.conf")
    for each in address.split():
        sh(f"ip -n far addr add {each} dev {name}{' nodad' if ':' in each else ''}")
    sh(f"ip -n far link set {name} mtu 1420 up")
    return public


def tunnel(name: str, door: str, *peers: Peer, addresses: str = "", **more: Any) -> list[Item]:
    """The items of an interface."""
    by_key = tuple(sorted(peers, key=lambda each: each.public_key))
    made = Wireguard(name, more.pop("private_key", str(KEYS / name)), peers=by_key, door=door, **more)
    up = LinkUp(name, 1420, needs=frozenset({made.ref}))
    return [ExternalLink(name), made, up, *(Address(name, ip_interface(each)) for each in addresses.split())]


def peer(public: str, allowed: str, **more: Any) -> Peer:
    return Peer(public, tuple(map(ip_network, allowed.split(","))), **more)
