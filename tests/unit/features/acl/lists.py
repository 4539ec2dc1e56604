"""Random access lists and flows out of a small world, so that rules overlap and flows hit them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from hypothesis import strategies as st

from netnsmgr.config.acl import AclMatch, AclRule, Limit, Portmap, PortRange, Rate
from netnsmgr.features.acl.verdict import Address, Direction, Flow

APP = {4: ip_address("10.9.0.2"), 6: ip_address("fd09::2")}
DEVICE = {4: ip_address("10.9.0.100"), 6: ip_address("fd09::100")}
"""What a port map translates to the application."""
MAPPED = {8080: 80, 8081: 80, 8082: 81, 81: 81}
"""Device port → application port, for TCP and UDP."""
REMOTES: tuple[Address, ...] = tuple(
    map(
        ip_address,
        ("10.1.0.1", "10.1.0.2", "10.1.1.1", "10.2.0.1", "fd01::1", "fd01::2", "fd01:1::1", "fd02::1"),
    )
)
EIDS: frozenset[Address] = frozenset(map(ip_address, ("10.1.0.2", "10.2.0.1", "fd01::2")))
NAMES: dict[str, frozenset[Address]] = {
    "one.example": frozenset(map(ip_address, ("10.1.0.1", "fd01::1"))),
    "two.example": frozenset(map(ip_address, ("10.1.0.1", "10.1.1.1", "fd02::1"))),
}
STATIC: dict[str, tuple[Address, ...]] = {"two.example": (ip_address("10.2.0.1"), ip_address("fd01:1::1"))}
ALL_NAMES = {domain: addresses | set(STATIC.get(domain, ())) for domain, addresses in NAMES.items()}
"""With those that are fixed."""
PREFIXES = tuple(
    ip_network(text)
    for text in (
        *(
            "0.0.0.0/0",
            "10.1.0.0/16",
            "10.1.0.0/24",
            "10.1.0.0/31",
            "10.1.0.1/32",
            "10.2.0.0/16",
            "10.0.0.0/14",
        ),
        *("::/0", "fd01::/16", "fd01::/32", "fd01::/64", "fd01::1/128", "fd00::/14"),
    )
)
PORTS = (79, 80, 81, 8080)
RANGES = tuple(
    PortRange(*pair)
    for pair in ((80, 80), (80, 81), (81, 81), (79, 80), (79, 8080), (8080, 8080), (1, 65535))
)
TYPES = (0, 8, 9, 13, 128)


def rule(number: int = 1, **fields: Any) -> AclRule:
    """Make a rule as it is written."""
    return AclRule.model_validate({"id": number, **fields})


def _match(**fields: Any) -> AclMatch:
    return AclMatch(**{name: value for name, value in fields.items() if value})


LIMITS = st.sampled_from([
    Limit(rate=Rate(1_000_000, "packets", "second"), burst=1_000_000, per="rule"),
    Limit(rate=Rate(100_000_000, "bytes", "second"), burst=100_000_000, per="connection"),
])  # fmt: skip
ACTIONS = st.one_of(st.sampled_from(["allow", "drop", "reject"]), LIMITS)
DIRECTIONS = st.sampled_from([None, "in", "out"])
SOME_PREFIXES = st.lists(st.sampled_from(PREFIXES), max_size=2).map(tuple)
SOME_RANGES = st.lists(st.sampled_from(RANGES), max_size=2).map(tuple)


@st.composite
def rules(draw: st.DrawFn) -> AclRule:
    """One rule of any kind; its id is no matter."""
    kind = draw(st.sampled_from(["ip", "ip", "ip", "ip", "icmp", "host", "eidset", "portmap"]))
    protocol = draw(st.sampled_from([None, 6, 6, 6, 17, 47, 132]))
    match: dict[str, Any] = {"ip": draw(SOME_PREFIXES), "protocol": protocol}
    if protocol in {6, 17, 132}:
        match |= {"fport": draw(SOME_RANGES), "lport": draw(SOME_RANGES)}
    action: Any = draw(ACTIONS)
    direction = draw(DIRECTIONS)
    if kind == "icmp":
        types = tuple(draw(st.lists(st.sampled_from(TYPES), max_size=2)))
        match = {"ip": match["ip"], "protocol": draw(st.sampled_from([1, 58])), "icmp": types}
    elif kind == "host":
        match |= {"host": draw(st.sampled_from(sorted(NAMES))), "ip": ()}
    elif kind == "eidset":
        match |= {"eidset": True, "ip": ()}
    elif kind == "portmap":
        device = draw(st.sampled_from(sorted(MAPPED)))
        ports = (PortRange(device, device),)
        match = {"ip": match["ip"], "protocol": draw(st.sampled_from([6, 17])), "lport": ports}
        action = Portmap(portmap=draw(st.sampled_from([80, 81])))
        direction = None
    return AclRule(id=1, match=_match(**match), action=action, direction=direction)


LISTS = st.lists(rules(), min_size=1, max_size=12).map(
    lambda found: tuple(r.model_copy(update={"id": i}) for i, r in enumerate(found, 1))
)


@st.composite
def flows(draw: st.DrawFn, direction: Direction, protocols: tuple[int, ...], *, odd: bool = False) -> Flow:
    """A flow of the application: to somebody else (out), or from somebody else to it, perhaps through a port map.

    ``odd``: also ICMP of the other version of IP.
    """
    remote = draw(st.sampled_from(REMOTES))
    v = remote.version
    wrong = () if odd else (58,) if v == 4 else (1,)
    protocol = draw(st.sampled_from([p for p in protocols if p not in wrong]))
    sport, dport, mapped = draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS)), None
    if protocol in {1, 58}:
        sport, dport = 0, draw(st.sampled_from((8, 13) if v == 4 else (128,))) << 8
    elif protocol == 47:
        sport = dport = 0
    if direction == "out":
        return Flow(APP[v], remote, protocol, sport, dport)
    responder: IPv4Address | IPv6Address = APP[v]
    if protocol in {6, 17} and draw(st.booleans()):
        responder, dport = DEVICE[v], draw(st.sampled_from(sorted(MAPPED)))
        mapped = (APP[v], MAPPED[dport])
    return Flow(remote, responder, protocol, sport, dport, mapped)
