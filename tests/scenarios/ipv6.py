"""What the scenarios of IPv6 share: their documents, and how they look."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from tests.lab import AppHost
from tests.scenarios.documents import Document, instance, port
from tests.scenarios.world import World

GITHUB, GITHUB6 = "203.0.113.10", "2001:db8:ffff::80"
GOOGLE6 = "2001:db8:ffff::81"
NET6 = "fd00:10:1"


def port6(number: int = 0, **spec: Any) -> dict[str, Any]:
    """The port of the n-th link with both families, as the lab's site has it."""
    net = IPv6Address(f"2001:db8:{number:x}::")
    both: dict[str, Any] = {
        "addresses": [f"192.168.{number}.2/24", f"{net + 2}/64"],
        "gateways": [f"192.168.{number}.1", f"{net + 1}"],
    }
    return port(number, **(both | spec))


def dual(name: str = "ni1", prefix: str = "10.10.1", prefix6: str = NET6, **spec: Any) -> Document:
    """A /24 and a /64 on eth0, with DHCP."""
    return instance(name, prefix, **({"subnets": [f"{prefix}.0/24", f"{prefix6}::/64"]} | spec))


def only6(name: str = "ni1", prefix6: str = NET6, **spec: Any) -> Document:
    """A /64 alone, with DHCP."""
    return instance(name, **({"subnets": [f"{prefix6}::/64"], "dhcp": {}} | spec))


def told(w: World, network: str, app: str, address: IPv6Address | None) -> None:
    """Wait until the daemon says that an application's interface has this IPv6 address."""

    def seen() -> bool:
        return str(address) in [a["address"] for a in w.interface(network, app).get("addresses", ())]

    w.until(seen, f"{app} in {network} has {address}")


def settled(w: World, network: str, app: str, interface: str = "eth0") -> IPv6Address:
    """The application makes itself an address, and the instance's agent has done all that follows from it."""
    since = w.mark()
    address = w.lab.apps[app].slaac(interface)
    told(w, network, app, address)
    w.looked(network, since)
    return address


def fetched(app: AppHost, name: str, family: int, interface: str | None = None) -> str:
    """Whom a server saw: ``you are 2001:db8::2``."""
    said = app.http(f"http://{name}", family=family, interface=interface)
    return said.strip().partition(", ")[2]


def by_hand(w: World, app: str, address: str, gateway: str = f"{NET6}::1", interface: str = "eth0") -> None:
    """Give an application its IPv6 address and default route, and no ear for advertisements; then wait for its port."""
    host = w.lab.apps[app]
    host.wait_link(interface)
    host.run(["sh", "-ec", f"echo 0 >/proc/sys/net/ipv6/conf/{interface}/accept_ra"])
    commands = (
        f"link set {interface} up",
        f"address add {address}/64 dev {interface} nodad",
        f"route add default via {gateway} dev {interface}",
    )
    host.run(["ip", "-batch", "-"], text="\n".join(commands) + "\n")
    # A port asks for duplicates of its address first, which takes the kernel one to two seconds.
    w.lab.device.wait_address6("eth0")
