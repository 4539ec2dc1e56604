"""The ports that switches use: moved into the switch's namespace, or shared by a bridge of the root namespace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from netnsmgr.config.device import Port
from netnsmgr.core.ip import LINK_LOCAL, IPInterface
from netnsmgr.core.item import Item
from netnsmgr.features import shared_port
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.features.vlan_port import own_link
from netnsmgr.items.link import ExternalNetns
from netnsmgr.items.port import LentPort
from netnsmgr.items.port_record import ALIAS_BYTES, Record, claims, fits
from netnsmgr.items.system import LinkInfo

ETHERNET = 1
"""``ARPHRD_ETHER`` of linux/if_arp.h."""
ROOTED = frozenset({"bridge", "bond", "team", "vrf"})
"""Kinds of links that the kernel leaves where they were made (``netns_immutable``)."""
SHARED = "write shared: true at the port, with how it gets its addresses"


def items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return what brings the ports of one switch into its namespace."""
    name = linked.instance.name
    far = ExternalNetns(name, f"/run/netns/{name}", scope.mark_of(name))
    found: list[Item] = [far]
    for port, facts in scope.ports_of(linked.instance):
        if port.vlan is not None and not port.shared and facts.lent != name:
            found.append(own_link(scope, port))
        if hindrance(scope, linked, port, facts):
            continue
        if port.shared:
            found += [
                shared_port.link(scope, port, facts),
                *shared_port.switch_items(port, facts, linked, far),
            ]
        else:
            found.append(LentPort(port.ifname, far.name, far.path))
    return found


def hindrance(scope: UplinkScope, linked: LinkedInstance, port: Port, facts: PortFacts) -> str:
    """Return why a port cannot be in the switch's namespace, and what to do; empty: nothing is in the way."""
    name = linked.instance.name
    if (holder := holders(scope.ports, scope.switches).get(port.name)) not in (None, name):
        return f"port {port.name}, which the switch {holder} has"
    if facts.lent == name:
        return ""
    if facts.obstacle:
        return f"port {port.name} {facts.obstacle}"
    return "" if facts.present else f"port {port.name}"


def hindrances(scope: UplinkScope, linked: LinkedInstance) -> list[str]:
    """Return why ports of a switch are not there; nothing for a local instance."""
    if not linked.instance.is_switch:
        return []
    each = (hindrance(scope, linked, port, facts) for port, facts in scope.ports_of(linked.instance))
    return [words for words in each if words]


def holders(ports: Iterable[tuple[Port, object]], switches: Sequence[LinkedInstance]) -> dict[str, str]:
    """Return which switch gets which port, by their names: of several that ask for one, the first."""
    found: dict[str, str] = {}
    for port, _ in ports:
        words = {port.name, *port.labels}
        for linked in switches:
            if linked.instance.spec.ports and words & set(linked.instance.spec.ports):
                found.setdefault(port.name, linked.instance.name)
    return found


def moved(scope: UplinkScope) -> frozenset[str]:
    """Return the names of the ports that are, or shall be, in a switch's namespace: nothing here may use them."""
    taken = holders(scope.ports, scope.switches)
    alone = (port.name for port, facts in scope.ports if not port.shared and not facts.unshared)
    return scope.awaited.union(name for name in alone if name in taken)


def foreign(port: Port, addresses: Iterable[IPInterface]) -> list[IPInterface]:
    """Return those of somebody else's addresses that a port cannot take to a switch, or to its bridge."""
    left = (each for each in addresses if each.ip not in LINK_LOCAL and each not in port.addresses)
    return sorted(left, key=str)


def remark(port: Port, addresses: Iterable[IPInterface]) -> str:
    """Return what to say of somebody else's addresses on a port that is shared already; as the words after its name."""
    used = ", ".join(map(str, foreign(port, addresses)))
    return f"has the address {used} of somebody else, while {port.l3} has its own: remove it" if used else ""


def obstacle(
    port: Port,
    info: LinkInfo,
    links: Mapping[str, LinkInfo],
    addresses: Collection[IPInterface],
    *,
    instance: str,
    wireless: bool,
    key: bytes,
) -> str:
    """Return what keeps a port's link from being moved to ``instance``, or from being shared; as the words after its name.

    ``addresses`` are those of somebody else that it has now; ``key`` is that of our records of ports.
    """
    name = info.name
    what = "share it" if port.shared else "use it"
    if info.hardware != ETHERNET:
        return f"is not Ethernet: no switch can {what}"
    if wireless:
        return (
            f"is wireless: an access point takes frames of its own station only, so that no switch can {what}"
        )
    if info.kind == "bridge":
        members = sorted(other.name for other in links.values() if other.master == name)
        which = f" ({', '.join(members)})" if members else ""
        return (
            f"is a bridge, which cannot be a switch's port, shared or not: list its member{which} in the Device and name "
            f"that instead, and take it out of the bridge (ip link set {members[0] if members else 'MEMBER'} nomaster)"
        )
    if info.kind in ROOTED and not port.shared:
        return f"is a {info.kind}, which cannot be a switch's: {SHARED}"
    if info.master and not (port.shared and info.master == port.l3):
        return f"belongs to {info.master}: take it out of that (ip link set {name} nomaster)"
    above = sorted(other.name for other in links.values() if other.lower == name)
    if above and not port.shared:
        return f"carries {', '.join(above)}, which would be lost with it: remove that, or {SHARED}"
    if used := ", ".join(map(str, foreign(port, addresses))):
        moved_with = "write it under addresses" if port.shared else SHARED
        return f"has the address {used} of somebody else: remove it, or {moved_with}"
    record = Record.of(info, key)
    if record is None and claims(info):
        return (
            f"has a record of a port in its alias that this device's netnsmgr did not write: if the port is as it "
            f"shall be, take that away (ip link set {name} alias '')"
        )
    record = record or Record.found(info, instance)
    if not fits(record._replace(instance="" if port.shared else instance)):
        return (
            f"has an alias of {len(info.alias.encode())} bytes: with what has to be noted of the port it is longer "
            f"than the {ALIAS_BYTES} that the kernel keeps; shorten it (ip link set {name} alias …)"
        )
    return ""
