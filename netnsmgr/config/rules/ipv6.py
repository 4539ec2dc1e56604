"""Rules of IPv6 in a NetworkInstance: how addresses are made, how they leave, and NAT64."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from netnsmgr.config.instance import SLAAC_LENGTH, NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.errors import Problem

_UNHIDDEN = frozenset({"npt", "routed", "ndpProxy"})


def ipv6_rules(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    """Yield what is wrong with an instance's IPv6."""
    yield from _uplink(scope, ni)
    yield from _addressing(scope, ni)
    yield from _dhcp6(scope, ni)
    yield from _nat64(scope, ni)


def _spot(ni: NetworkInstance, *where: str | int) -> Spot:
    return Spot("NetworkInstance", ni.name, where)


def _subnet_spot(ni: NetworkInstance) -> Spot:
    number = next(n for n, subnet in enumerate(ni.spec.subnets) if subnet.version == 6)
    return _spot(ni, "spec", "subnets", number)


def _uplink(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    ipv6, subnet = ni.spec.ipv6, ni.subnet6
    at_uplink = _spot(ni, "spec", "ipv6", "uplink")
    if ni.delegated and subnet is not None:
        what = f"with 'uplink: delegated' the network behind the port gives the prefix; leave {subnet} out of 'subnets'"
        yield scope.problem(_subnet_spot(ni), what)
    if ni.delegated and ni.air_gapped:
        what = "'delegated' needs a port whose network gives the prefix; add 'ports', or write a subnet"
        yield scope.problem(at_uplink, what)
    if subnet is not None and ipv6.uplink in _UNHIDDEN and ni.air_gapped:
        what = f"'{ipv6.uplink}' needs a port to the outside; add 'ports', or leave 'uplink' out"
        yield scope.problem(at_uplink, what)
    if ni.subnet4 is not None and subnet is None and not ni.delegated and "ipv6" in ni.spec.model_fields_set:
        what = "the instance has no subnet of IPv6; add one to 'subnets', such as fd00:10:1::/64"
        yield scope.problem(_spot(ni, "spec", "ipv6"), what)
    if ipv6.prefix is None:
        return
    at_prefix = _spot(ni, "spec", "ipv6", "prefix")
    if ipv6.uplink != "npt":
        yield scope.problem(
            at_prefix, "only 'uplink: npt' has a prefix outside; set that, or leave 'prefix' out"
        )
    elif subnet is not None and ipv6.prefix.prefixlen != subnet.prefixlen:
        what = f"prefix {ipv6.prefix} must be as long as the subnet {subnet}: /{subnet.prefixlen}"
        yield scope.problem(at_prefix, what)


def _addressing(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    subnet, how = ni.subnet6, ni.addressing
    written = ni.spec.ipv6.addressing
    at_addressing = _spot(ni, "spec", "ipv6", "addressing")
    if how in {"stateful", "stateless"} and written is not None and ni.spec.dhcp is None:
        yield scope.problem(at_addressing, f"'{how}' needs a DHCP server; add 'dhcp: {{}}'")
    if subnet is not None and how != "stateful" and subnet.prefixlen != SLAAC_LENGTH:
        what = (
            f"{subnet} is no /{SLAAC_LENGTH}, so that apps cannot make their own addresses (SLAAC); "
            f"use a /{SLAAC_LENGTH}, or 'ipv6: {{addressing: stateful}}' with 'dhcp: {{}}'"
        )
        yield scope.problem(_subnet_spot(ni), what)
    if ni.has_ipv6 and how != "stateful" and ni.spec.dhcp is not None and ni.spec.dhcp.range6 is not None:
        what = f"only 'ipv6.addressing: stateful' gives addresses, and here it is '{how}'; set that, or leave it out"
        yield scope.problem(_spot(ni, "spec", "dhcp", "range6"), what)


def _dhcp6(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    """Check that the DHCPv6 range is where dnsmasq gives addresses: it knows no larger subnets than /64."""
    subnet, dhcp = ni.subnet6, ni.spec.dhcp
    if subnet is None or dhcp is None or ni.addressing != "stateful" or subnet.prefixlen >= SLAAC_LENGTH:
        return
    near = IPv6Network((ni.gateway_in(subnet), SLAAC_LENGTH), strict=False)
    given = ni.dhcp_range(subnet)
    if any(end in subnet and end not in near for end in given):
        what = f"DHCPv6 gives addresses of {near} alone, where the gateway is; {given} is elsewhere"
        at = _spot(ni, "spec", "dhcp", "range6") if dhcp.range6 is not None else _subnet_spot(ni)
        yield scope.problem(at, f"{what}: move 'gateways' or 'dhcp.range6'")


def _nat64(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    prefix = ni.nat64_prefix
    if prefix is None:
        return
    spot = _spot(ni, "spec", "nat64")
    if ni.subnet4 is not None:
        what = f"NAT64 is for instances without IPv4, and this one has {ni.subnet4}; remove one of them"
        yield scope.problem(spot, what)
    elif not ni.has_ipv6:
        yield scope.problem(
            spot, "NAT64 needs a subnet of IPv6; add one to 'subnets', such as fd00:10:1::/64"
        )
    if ni.air_gapped:
        yield scope.problem(spot, "NAT64 needs a port to the outside; add 'ports', or remove 'nat64'")
    if ni.subnet6 is not None and prefix.overlaps(ni.subnet6):
        at_prefix = _spot(ni, "spec", "nat64", "prefix") if ni.spec.nat64 and ni.spec.nat64.prefix else spot
        what = f"prefix {prefix} overlaps the subnet {ni.subnet6}; give another in 'nat64.prefix'"
        yield scope.problem(at_prefix, what)
