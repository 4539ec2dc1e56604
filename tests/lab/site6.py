"""IPv6 beside IPv4 in the lab: what ``Site`` adds to its script for ``ipv6=True``, as lines of ``ip -batch``.

The n-th port lies in 2001:db8:n::/64, whose router is ::1 and, on each port, fe80::1.  The internet is 2001:db8:ffff::/64.
Addresses of the site are there at once (``nodad``): nobody but the lab gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv6Network

#: Names with an IPv6 address; github.com and google.com have an IPv4 address, too.
NAMES6: Mapping[str, str] = {
    "github.com": "2001:db8:ffff::80",
    "google.com": "2001:db8:ffff::81",
    "v6only.example": "2001:db8:ffff::86",
}
#: Names with an IPv4 address alone, which only this lab has.
V4_ONLY: Mapping[str, str] = {"v4only.example": "203.0.113.30"}

ROUTER_LINK_LOCAL = "fe80::1"
FORWARD = "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding"


def subnet(number: int) -> IPv6Network:
    """The site's IPv6 subnet at the device's n-th port."""
    return IPv6Network(f"2001:db8:{number:x}::/64")


HASTE = (
    "cd /proc/sys/net/ipv6; echo 100 >neigh/{0}/retrans_time_ms; echo 0 >conf/{0}/router_solicitation_delay"
)
"""How long a link waits for an answer in duplicate address detection, and before it asks for routers: a second otherwise."""


def internet() -> list[str]:
    return [
        *(f"address add {address}/64 dev eth0 nodad" for address in NAMES6.values()),
        "route add default via 2001:db8:ffff::1",
    ]


def router() -> list[str]:
    return ["address add 2001:db8:ffff::1/64 dev internet nodad"]


def router_port(number: int, port: str) -> list[str]:
    return [
        # Its link-local address is the one below and no other.
        f"link set {port} addrgenmode none",
        f"address add {ROUTER_LINK_LOCAL}/64 dev {port} nodad",
        f"address add {subnet(number)[1]}/64 dev {port} nodad",
    ]


def device_port(number: int, port: str) -> list[str]:
    return [f"address add {subnet(number)[2]}/64 dev {port} nodad"]


def device_default(ports: Sequence[str]) -> list[str]:
    return [f"route add default via {subnet(0)[1]}"] if ports else []
