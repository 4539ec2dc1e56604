"""Which tunnel a packet of an application takes, or comes out of, as who, and which way the encrypted one goes.

It tells of the same routes and translations that the other features make; nothing is looked up in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from netnsmgr.config.ipsec import IpsecChild, IpsecConnection
from netnsmgr.config.tunnel import endpoint as read_endpoint
from netnsmgr.config.wireguard import WireguardPeer, WireguardTunnel
from netnsmgr.core.ip import IPAddress, IPNetwork, endpoint
from netnsmgr.core.protocols import UDP
from netnsmgr.features.link import UPLINK
from netnsmgr.features.scope import InstanceScope, LinkedInstance, UplinkScope
from netnsmgr.features.uplink_links import INSTANCE_TABLE
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.lanes import Lane, lane_to, lanes
from netnsmgr.features.vpn.marks import WIREGUARD_PRIORITY
from netnsmgr.features.ways import Hop, Way, port_state, route_of, through_device

Row = Mapping[str, Any]
NATT = 4500
"""UDP port of ESP behind address translation (RFC 3948)."""


@dataclass(frozen=True)
class Into:
    """A tunnel with that other end, or child, whose network an address lies in."""

    lane: Lane
    tunnel: WireguardTunnel | IpsecConnection
    part: WireguardPeer | IpsecChild
    network: IPNetwork

    @property
    def words(self) -> str:
        """How people are told of it."""
        if isinstance(self.tunnel, WireguardTunnel):
            return f"tunnel {self.lane.link} (peer {self.part.name})"
        return f"tunnel {self.lane.link} (connection {self.tunnel.name}, child {self.part.name})"


def told(facts: VpnFacts, row: Row) -> VpnFacts:
    """Return the facts with what an instance's status says of its tunnels."""
    wireguard, ipsec = row.get("wireguard") or (), row.get("ipsec") or ()
    return replace(
        facts,
        wireguard=next((each["backend"] for each in wireguard if each.get("backend")), facts.wireguard),
        esp=next((each["backend"] for each in ipsec if each.get("backend")), facts.esp),
        virtual=tuple(ip_address(one) for each in ipsec for one in each.get("virtual") or ()),
        dns=tuple(ip_address(one) for each in ipsec for one in each.get("dns") or ()),
    )


def into(scope: InstanceScope, address: IPAddress) -> Into | None:
    """Return the tunnel for an address: by the longest network, and of equal ones the first, as the routes have it."""
    vpn = scope.instance.spec.vpn
    if vpn is None:
        return None
    tunnels: tuple[WireguardTunnel | IpsecConnection, ...] = (*vpn.tunnels, *vpn.connections)
    fitting = [
        Into(lane, tunnel, part, network)
        for lane, tunnel in zip(lanes(scope), tunnels, strict=True)
        for part, networks in _parts(tunnel)
        for network in networks
        if address in network
    ]
    return max(fitting, key=lambda each: each.network.prefixlen, default=None)


def _parts(
    tunnel: WireguardTunnel | IpsecConnection,
) -> Iterator[tuple[WireguardPeer | IpsecChild, tuple[IPNetwork, ...]]]:
    if isinstance(tunnel, WireguardTunnel):
        yield from ((peer, peer.allowed_ips) for peer in tunnel.peers)
    else:
        yield from ((child, child.led) for child in tunnel.children)


def enters(scope: InstanceScope, found: Into, own: IPAddress | None) -> Way:
    """Return the step into a tunnel of a packet that an application sends from ``own``."""
    version = found.network.version
    seen = found.lane.source(version)
    becomes = f"source address becomes {seen}" if seen else "source address stays as it is"
    what = f"led into {found.words}, which has {found.network}; {becomes}"
    source = seen or own
    facts = {
        "tunnel": found.tunnel.name,
        "link": found.lane.link,
        "peer" if isinstance(found.tunnel, WireguardTunnel) else "child": found.part.name,
        "source": str(source) if source else None,
    }
    hop = Hop(f"instance {scope.instance.name}", what, facts)
    if found.lane.translates and seen is None and isinstance(found.tunnel, IpsecConnection):
        return Way((hop,), f"the other end of {found.tunnel.name} has given no IPv{version} address yet")
    ours = selectors(scope, found)
    if ours is not None and source is not None and not any(source in network for network in ours):
        carried = ", ".join(map(str, ours)) or "nothing of this version"
        reason = f"{found.words} carries only what comes from {carried}, and this comes from {source}: it is dropped"
        return Way((hop,), reason)
    return Way((hop,))


def selectors(scope: InstanceScope, found: Into) -> list[IPNetwork] | None:
    """Return our networks that a child carries (traffic selectors); None of WireGuard, where the other end decides."""
    if not isinstance(found.part, IpsecChild) or found.lane.translates:
        return None
    return list(found.part.local) or [
        net.subnet for net in scope.nets if net.version == found.network.version
    ]


def troubles(found: Into, row: Row) -> tuple[str, str]:
    """Return why a tunnel carries nothing now, and else what is to be known of it; both may be empty."""
    kind = "wireguard" if isinstance(found.tunnel, WireguardTunnel) else "ipsec"
    said = _named(row.get(kind), found.tunnel.name)
    state = said.get("state")
    if state is None:
        return "", f"the state of {found.words} is not known"
    if isinstance(found.tunnel, WireguardTunnel):
        return _wireguard_troubles(found, said)
    child = _named(said.get("children"), found.part.name).get("state") or state
    if child == "up":
        return "", ""
    if child == "waiting":
        return "", f"{found.words} begins with this packet"
    why = f": {said['error']}" if said.get("error") else ""
    return f"{found.words} is {child}{why}; until it is up, this is dropped", ""


def _wireguard_troubles(found: Into, said: Row) -> tuple[str, str]:
    reasons = [str(each).removeprefix(f"tunnel {found.tunnel.name}: ") for each in said.get("reasons") or ()]
    peer = _named(said.get("peers"), found.part.name).get("state")
    own = [
        each for each in reasons if f"peer {found.part.name} " in each or f"peer {found.part.name})" in each
    ]
    # Other peers' silence is theirs; what is said of none is of the interface.
    general = [each for each in reasons if "peer " not in each] if said.get("state") == "down" else []
    if peer == "down" or general:
        return (
            f"{found.words} is down: {'; '.join(general or own) or 'no answer'}; until it is up, this is dropped",
            "",
        )
    return "", "; ".join(own) if peer == "connecting" else ""


def carried(uplink: UplinkScope, linked: LinkedInstance, scope: InstanceScope, found: Into, row: Row) -> Way:
    """Return which way the encrypted packet goes."""
    place, why = _other_end(scope, found, row)
    if place is None:
        return Way((), why)
    host, port = place
    if isinstance(found.tunnel, WireguardTunnel):
        return _by_socket(uplink, linked, found, host, port)
    inner = next((link.inner for link in scope.links if link.version == host.version), None)
    if inner is None:
        return Way(
            (), f"the other end of {found.tunnel.name} has no address of a version that the instance has"
        )
    what = f"encrypted, ESP in UDP from {inner} to {endpoint(host, port)}, routed to {UPLINK}"
    way = through_device(uplink, linked, inner, host, UDP, port)
    return replace(way, hops=(Hop(f"instance {scope.instance.name}", what, {"link": UPLINK}), *way.hops))


def _by_socket(uplink: UplinkScope, linked: LinkedInstance, found: Into, host: IPAddress, port: int) -> Way:
    """Follow what WireGuard sends from its socket, which is in the device's root namespace."""
    table = INSTANCE_TABLE + linked.number
    ports = uplink.ports_of(linked.instance)
    listed = [port_state(each, facts, host.version) for each, facts in ports]
    what = f"encrypted for peer {found.part.name} at {endpoint(host, port)}/udp; rule {WIREGUARD_PRIORITY}: by its mark, table {table}"
    chosen = route_of(ports, host)
    if chosen is None:
        hop = Hop("device", f"{what}: unreachable", {"table": table, "ports": listed})
        return Way((hop,), f"no port of the instance leads to {host}: {'; '.join(listed) or 'it has none'}")
    name, interface, via, source = chosen
    way = f"by port {name}{f', via {via}' if via else ', on its own network'}, from {source}"
    facts = {"table": table, "port": name, "interface": interface, "via": str(via) if via else None}
    return Way((Hop("device", f"{what}: {way}", facts | {"source": str(source), "ports": listed}),))


def _other_end(scope: InstanceScope, found: Into, row: Row) -> tuple[tuple[IPAddress, int] | None, str]:
    """Return address and port of the other end, where it was heard of last or as it is written; else why they are not known."""
    if isinstance(found.tunnel, IpsecConnection):
        heard = _named(row.get("ipsec"), found.tunnel.name).get("remoteAddress")
        addresses = (ip_address(heard),) if heard else scope.vpn.endpoints.get(found.tunnel.remote, ())
        there = next(iter(addresses), None) or _literal(found.tunnel.remote)
        return (there, NATT) if there else None, f"{found.tunnel.remote} is not resolved yet"
    assert isinstance(found.part, WireguardPeer)
    peer = _named(_named(row.get("wireguard"), found.tunnel.name).get("peers"), found.part.name)
    if peer.get("endpoint"):
        host, port = read_endpoint(peer["endpoint"])
        if (address := _literal(host)) is not None:
            return (address, port), ""
    written = found.part.endpoint
    if written is None:
        return (
            None,
            f"peer {found.part.name} has no endpoint and has not called yet, so nobody knows where it is",
        )
    addresses = scope.vpn.endpoints.get(written.host, ())
    there = next(iter(addresses), None) or _literal(written.host)
    return (there, written.port) if there else None, f"{written.host} is not resolved yet"


def names_asked(scope: InstanceScope) -> str:
    """Say whom the DNS server of an instance with tunnels asks for foreign names, and by which way."""
    vpn, network = scope.instance.spec.vpn, scope.instance.name
    assert vpn is not None
    servers = [ip_address(each) for each in scope.dns_servers]
    if vpn.dns == "direct":
        listed = ", ".join(map(str, servers)) or "nobody, as no port has one"
        return f"the DNS server of {network} asks {listed}, in clear (vpn.dns: direct)"
    asked = [
        f"{server} through tunnel {lane.link}"
        for server in servers
        if (lane := lane_to(scope, server)) is not None
    ]
    if not asked:
        return f"the DNS server of {network} asks nobody for foreign names: no server of its dns.servers lies behind a tunnel"
    return f"the DNS server of {network} asks {', '.join(asked)}"


def _named(rows: Any, name: str) -> Row:
    return next((row for row in rows or () if row.get("name") == name), {})


def _literal(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
