"""Rules of WireGuard tunnels: names, keys, whose each address is, and where others can call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.acl import Portmap
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.config.vpn import Vpn
from netnsmgr.config.wireguard import WireguardTunnel
from netnsmgr.core.ip import IPNetwork
from netnsmgr.core.linkname import short_name
from netnsmgr.core.protocols import UDP
from netnsmgr.errors import Problem

OWN = {
    "uplink": "the way to the device's ports",
    "bn0": "the instance's bridge",
    "nat64": "the translator of NAT64",
    "metadata": "the way to the metadata service",
    "to-metadata": "the way to the metadata service",
    "ipsec0": "what IPsec carries",
}
"""Links of an instance's namespace, and what they are."""
_KERNELS = frozenset(
    {"tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"}
)
"""Links that the kernel makes in each namespace by itself (``fb_tunnels_only_for_init_net``)."""
_WORDS = frozenset({"interfaces", "help"})
"""What ``wg show`` takes for something else than an interface."""


def wireguard_rules(scope: Scope, ni: NetworkInstance, vpn: Vpn) -> Iterator[Problem]:
    """Yield what is wrong with an instance's WireGuard tunnels."""
    names: dict[str, int] = {}
    networks: dict[IPNetwork, str] = {}
    vifs = {
        short_name("", f"{app.name}.{interface.name}"): app.name
        for app, interface in (scope.config.members.get(ni.name, ()) if vpn.tunnels else ())
    }
    for n, tunnel in enumerate(vpn.tunnels):
        if names.setdefault(tunnel.name, n) != n:
            what = f"tunnel '{tunnel.name}' is there twice; rename one"
            yield scope.problem(_spot(ni, n, "name"), what)
        elif what := _taken(tunnel.name, vifs):
            yield scope.problem(_spot(ni, n, "name"), f"'{tunnel.name}' {what}; choose another, such as wg0")
        yield from _addresses(scope, ni, n, tunnel, networks)
        yield from _peers(scope, ni, n, tunnel)
        yield from _overlaps(scope, ni, n, tunnel)
        yield from _family(scope, ni, n, tunnel)


def _spot(ni: NetworkInstance, tunnel: int, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, ("spec", "vpn", "wireguard", "tunnels", tunnel, *where))


def _taken(name: str, vifs: dict[str, str]) -> str:
    if name in OWN:
        return f"is a link that the instance has itself ({OWN[name]})"
    if name in _KERNELS:
        return "is a link that the kernel makes in each namespace"
    if name in _WORDS or name.startswith("-"):
        return "is no name for a program such as wg(8), to which it means something else"
    return f"is the link of app '{vifs[name]}' in the instance" if name in vifs else ""


def _addresses(
    scope: Scope, ni: NetworkInstance, n: int, tunnel: WireguardTunnel, networks: dict[IPNetwork, str]
) -> Iterator[Problem]:
    seen = set()
    for k, address in enumerate(tunnel.addresses):
        spot = _spot(ni, n, "addresses", k)
        network = address.network
        subnet = next((each for each in ni.spec.subnets if each.version == address.version), None)
        if address.ip in seen:
            yield scope.problem(spot, f"{address.ip} is there twice; keep one")
        elif subnet is not None and (address.ip in subnet or network == subnet):
            what = f"{address} is in the instance's own subnet {subnet}, which is on its bridge"
            yield scope.problem(spot, f"{what}; use an address of the tunnel's network, or change the subnet")
        elif network.prefixlen < network.max_prefixlen:
            other = networks.setdefault(network, tunnel.name)
            if other != tunnel.name:
                what = f"{network} is also the network of tunnel '{other}', and a packet goes into one tunnel"
                yield scope.problem(spot, f"{what}; write {address.ip}/{network.max_prefixlen} here")
        seen.add(address.ip)


def _peers(scope: Scope, ni: NetworkInstance, n: int, tunnel: WireguardTunnel) -> Iterator[Problem]:
    names: dict[str, int] = {}
    keys: dict[str, str] = {}
    own = {address.ip for address in tunnel.addresses}
    waiting = -1
    for m, peer in enumerate(tunnel.peers):
        if names.setdefault(peer.name, m) != m:
            what = f"peer '{peer.name}' is there twice in tunnel '{tunnel.name}'; rename one"
            yield scope.problem(_spot(ni, n, "peers", m, "name"), what)
        if peer.public_key in keys:
            what = f"the key is that of peer '{keys[peer.public_key]}' already, and a tunnel knows its peers by their keys"
            yield scope.problem(
                _spot(ni, n, "peers", m, "publicKey"), f"{what}; give each its own, or remove one"
            )
        keys.setdefault(peer.public_key, peer.name)
        if peer.endpoint is None and waiting < 0:
            waiting = m
        for k, network in enumerate(peer.allowed_ips):
            if network.prefixlen == network.max_prefixlen and network.network_address in own:
                what = f"{network.network_address} is our own address in the tunnel; give the peer's, or leave it out"
                yield scope.problem(_spot(ni, n, "peers", m, "allowedIps", k), what)
    if waiting >= 0 and tunnel.listen_port is None:
        peer = tunnel.peers[waiting]
        what = (
            f"peer '{peer.name}' has no endpoint, so that it has to call, and nobody can know at which port"
        )
        yield scope.problem(
            _spot(ni, n, "peers", waiting), f"{what}; add 'endpoint', or 'listenPort' to the tunnel"
        )


def _overlaps(scope: Scope, ni: NetworkInstance, n: int, tunnel: WireguardTunnel) -> Iterator[Problem]:
    """Check that each address belongs to one peer; sorted, a network comes right after those that hold it."""
    entries = sorted(
        (network.version, int(network.network_address), network.prefixlen, m, k)
        for m, peer in enumerate(tunnel.peers)
        for k, network in enumerate(peer.allowed_ips)
    )
    holders: list[tuple[IPNetwork, int]] = []
    for _, _, _, m, k in entries:
        network = tunnel.peers[m].allowed_ips[k]
        while holders and not _holds(holders[-1][0], network):
            holders.pop()
        if (clash := next(((wide, p) for wide, p in reversed(holders) if p != m), None)) is not None:
            wide, other = clash
            relation = "is" if wide == network else f"overlaps {wide}"
            what = f"{network} {relation} of peer '{tunnel.peers[other].name}'"
            if wide == network:
                what += " already"
            what += ", and an address of a tunnel belongs to one peer"
            remedy = "make them apart, or give one of the peers a tunnel of its own"
            yield scope.problem(_spot(ni, n, "peers", m, "allowedIps", k), f"{what}; {remedy}")
        holders.append((network, m))


def _holds(wide: IPNetwork, network: IPNetwork) -> bool:
    return wide.version == network.version and network.network_address in wide


def _family(scope: Scope, ni: NetworkInstance, n: int, tunnel: WireguardTunnel) -> Iterator[Problem]:
    """Check that apps can use the tunnel; where it carries both versions, one of them may be of no use."""
    mine = {subnet.version for subnet in ni.spec.subnets}
    led = {network.version for network in tunnel.networks}
    if mine and led and not mine & led:
        version = min(led)
        what = f"tunnel '{tunnel.name}' carries IPv{version} alone, and the instance has no subnet of it"
        yield scope.problem(
            _spot(ni, n, "peers", 0, "allowedIps"),
            f"{what}; add one to 'subnets', or networks of the other version",
        )


class _Ends:
    """Finds tunnels that one and the same other end would take for one: they would take the flow from each other."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._calls = Unique(scope)
        self._names: dict[Spot, str] = {}

    def claim(self, ni: NetworkInstance, n: int, tunnel: WireguardTunnel) -> Iterator[Problem]:
        """Yield peers that another tunnel with the same key calls at the same place."""
        for m, peer in enumerate(tunnel.peers if tunnel.private_key is not None else ()):
            if tunnel.private_key is None or peer.endpoint is None:
                continue
            spot = _spot(ni, n, "peers", m, "publicKey")
            self._names[spot] = f"tunnel '{tunnel.name}' of network '{ni.name}'"
            if clash := self._calls.claim((tunnel.private_key.file, peer.public_key, peer.endpoint), spot):
                at, other = clash
                what = f"{self._names[other]} calls this peer already, with the same private key, and it would take the two "
                yield self._scope.problem(at, f"{what}for one; give each tunnel a key of its own")


class _Listener(NamedTuple):
    ni: NetworkInstance
    tunnel: str


def outside_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what tunnels of all instances cannot have in common outside.

    Their sockets are in the device's root namespace, so that two cannot listen at one port.
    """
    ports = Unique(scope)
    ends = _Ends(scope)
    users: dict[Spot, _Listener] = {}
    listening: dict[int, Spot] = {}
    for ni in scope.config.instances.values():
        for n, tunnel in enumerate(
            ni.spec.vpn.tunnels if ni.spec.vpn is not None and not ni.is_switch else ()
        ):
            yield from ends.claim(ni, n, tunnel)
            if tunnel.listen_port is None:
                continue
            spot = _spot(ni, n, "listenPort")
            users[spot] = _Listener(ni, tunnel.name)
            listening.setdefault(tunnel.listen_port, spot)
            if clash := ports.claim(tunnel.listen_port, spot):
                at, other = clash
                what = f"udp port {tunnel.listen_port} of the device is already that of tunnel '{users[other].tunnel}' "
                what += f"of network '{users[other].ni.name}'; choose another"
                yield scope.problem(at, what)
    if listening:
        yield from _port_maps(scope, listening, users)


def _port_maps(scope: Scope, listening: dict[int, Spot], users: dict[Spot, _Listener]) -> Iterator[Problem]:
    """Check that no port map leads away what is for a tunnel."""
    for app in scope.config.apps.values():
        for number, interface in enumerate(app.spec.interfaces):
            for k, rule in enumerate(interface.acl or ()):
                if not isinstance(rule.action, Portmap) or rule.match.protocol != UDP:
                    continue
                spot = listening.get(rule.match.lport[0].first)
                if spot is None:
                    continue
                at = Spot("App", app.name, ("spec", "interfaces", number, "acl", k, "match", "lport"))
                port, user = rule.match.lport[0].first, users[spot]
                if scope.is_new("NetworkInstance", user.ni.name) and not scope.is_new("App", app.name):
                    what = f"udp port {port} of the device is mapped by rule {rule.id} of app '{app.name}' in network "
                    yield scope.problem(spot, f"{what}'{interface.network}'; choose another port")
                else:
                    what = f"at udp port {port} of the device listens tunnel '{user.tunnel}' of network '{user.ni.name}'"
                    yield scope.problem(at, f"{what}; choose another port")
