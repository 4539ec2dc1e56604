"""Rules of a NetworkInstance with tunnels: whether it can have them, what they lead, and how names are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.ipsec import ipsec_rules, not_asked
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.config.rules.wireguard import outside_rules, wireguard_rules
from netnsmgr.config.vpn import Vpn
from netnsmgr.core.agreed import METADATA, METADATA6
from netnsmgr.core.ip import IPNetwork
from netnsmgr.errors import Problem

_NOT_ROUTED = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::/127", "fe80::/10", "ff00::/8"),
    )
)
"""What no packet of an app that a router forwards is for: nobody, loopback, link-local, groups."""
_SERVICES = tuple(map(ip_address, (METADATA, *METADATA6)))
_WIDE = 1
"""A network with a shorter prefix than this, or this, is "everything" (0.0.0.0/0, or its two halves)."""


class _Led(NamedTuple):
    """A network that is led into a tunnel, and where that is written."""

    network: IPNetwork
    where: tuple[str | int, ...]
    tunnel: str


def vpn_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with each instance's tunnels."""
    for ni in scope.config.instances.values():
        if "vpn" not in ni.spec.model_fields_set or ni.is_switch:
            continue  # that a switch has none is said among the rules of layer 2
        vpn, here = ni.spec.vpn, _spot(ni)
        forms = "write 'wireguard' or 'ipsec' below it"
        if vpn is None:
            # To read it as "left out" would let leave in clear what somebody began to protect.
            yield scope.problem(here, f"has no value; {forms}, or leave the line out, which means no VPN")
        elif not vpn.tunnels and not vpn.connections:
            yield scope.problem(here, f"is empty; {forms}, or leave 'vpn' out")
        else:
            yield from _instance(scope, ni, vpn)
    yield from outside_rules(scope)


def _spot(ni: NetworkInstance, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, ("spec", "vpn", *where))


def _instance(scope: Scope, ni: NetworkInstance, vpn: Vpn) -> Iterator[Problem]:
    if vpn.tunnels and vpn.connections:
        what = (
            "'wireguard' and 'ipsec' exclude each other; keep one, and make a second instance for the other"
        )
        yield scope.problem(_spot(ni, "ipsec"), what)
    if ni.air_gapped:
        what = "tunnels need a port to the outside; add 'ports', or leave 'vpn' out"
        yield scope.problem(_spot(ni), what)
    if ni.spec.nat64 is not None:
        what = "'nat64' and 'vpn' exclude each other; give the instance a subnet of IPv4, or leave one of them out"
        yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", "nat64")), what)
    if ni.spec.ipv6.uplink != "nat66":
        what = f"'{ni.spec.ipv6.uplink}' and 'vpn' exclude each other: what leaves by a tunnel is known outside by no "
        what += "address of a port; leave 'uplink' out"
        yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", "ipv6", "uplink")), what)
    yield from wireguard_rules(scope, ni, vpn)
    yield from ipsec_rules(scope, ni, vpn)
    led = list(_led(vpn))
    yield from _networks(scope, ni, led)
    yield from _dns(scope, ni, vpn, led)


def _led(vpn: Vpn) -> Iterator[_Led]:
    for n, tunnel in enumerate(vpn.tunnels):
        for m, peer in enumerate(tunnel.peers):
            for k, network in enumerate(peer.allowed_ips):
                where = ("wireguard", "tunnels", n, "peers", m, "allowedIps", k)
                yield _Led(network, where, f"tunnel '{tunnel.name}'")
    for n, connection in enumerate(vpn.connections):
        for m, child in enumerate(connection.children):
            field = "remote" if child.routes is None else "routes"
            for k, network in enumerate(child.led):
                where = ("ipsec", "connections", n, "children", m, field, k)
                yield _Led(network, where, f"connection '{connection.name}'")


def _networks(scope: Scope, ni: NetworkInstance, led: list[_Led]) -> Iterator[Problem]:
    """Check that what is led into a tunnel can be: it is nobody else's, and in one tunnel."""
    tunnels: dict[IPNetwork, str] = {}
    for each in led:
        spot = _spot(ni, *each.where)
        if what := _held(scope, ni, each.network):
            yield scope.problem(spot, f"{each.network} {what}")
        elif (other := tunnels.setdefault(each.network, each.tunnel)) != each.tunnel and ni.spec.vpn:
            if ni.spec.vpn.connections:
                continue  # all have one link, and selectors tell them apart
            what = f"{each.network} is led into {other} already, and a packet goes into one tunnel"
            yield scope.problem(spot, f"{what}; make them apart, or use an instance for each")


def _held(scope: Scope, ni: NetworkInstance, network: IPNetwork) -> str:
    """Say why a network cannot be behind a tunnel; empty if it can.  A wider one can: the instance's own go first."""
    subnets = (("the instance's own subnet", each) for each in ni.spec.subnets)
    pools = (
        (f"the device's {name}", pool)
        for name, pool in (("linkPool", scope.config.link_pool), ("linkPool6", scope.config.link_pool6))
    )
    for whose, own in (*subnets, *pools):
        if _within(network, own):
            is_all = "is" if network == own else f"is part of {own},"
            remedy = "set the Device's" if "Pool" in whose else "change the"
            return f"{is_all} {whose}, which is not behind a tunnel; {remedy} {whose.split()[-1]}, or leave it out"
    if network.prefixlen == network.max_prefixlen and network.network_address in _SERVICES:
        return "is the metadata service, which every instance has itself; leave it out"
    for special in _NOT_ROUTED:
        if _within(network, special):
            return f"is part of {special}, which no packet goes to by way of a router (loopback, link-local, multicast); leave it out"
    return ""


def _within(network: IPNetwork, other: IPNetwork) -> bool:
    return (
        network.version == other.version
        and network.prefixlen >= other.prefixlen
        and network.network_address in other
    )


def _dns(scope: Scope, ni: NetworkInstance, vpn: Vpn, led: list[_Led]) -> Iterator[Problem]:
    """Check that each server is asked as `dns` says: through a tunnel, or not."""
    for n, server in enumerate(ni.spec.dns.servers):
        spot = Spot("NetworkInstance", ni.name, ("spec", "dns", "servers", n))
        inside = [each for each in led if server in each.network]
        if vpn.dns == "tunnel" and not inside:
            what = f"DNS server {server} is in no network of the tunnels, and with 'vpn.dns: tunnel' it is asked through one"
            field = "'allowedIps'" if vpn.tunnels else "'remote'"
            yield scope.problem(
                spot,
                f"{what}; name a server behind a tunnel, add it to {field}, or write 'vpn.dns: direct' to ask in clear",
            )
        elif vpn.dns == "direct" and (narrow := [e for e in inside if e.network.prefixlen > _WIDE]):
            what = f"DNS server {server} is behind {narrow[0].tunnel} ({narrow[0].network}), and with 'vpn.dns: direct' it"
            yield scope.problem(
                spot, f"{what} would be asked in clear; write 'vpn.dns: tunnel', or leave it out"
            )
        elif vpn.dns == "tunnel" and vpn.connections and (what := not_asked(ni, vpn, server)):
            yield scope.problem(spot, f"DNS server {server} {what}")
