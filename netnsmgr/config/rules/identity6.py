"""Rules of what makes an interface known in IPv6: DHCPv6 identifiers, and addresses that are made of MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import SLAAC_LENGTH, NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.core.ip import IPAddress, mac_made
from netnsmgr.errors import Problem

_LINK_LAYER = {("00:03:00:01:", 29): 12, ("00:01:00:01:", 41): 24}
"""DUIDs that hold an Ethernet address, by how they begin and how long their text is: where it begins.

DUID-LL, and DUID-LLT with a time before it (RFC 8415, 11.4 and 11.2)."""


class _Member(NamedTuple):
    """An interface in a network."""

    app: App
    interface: AppInterface

    def spot(self, field: str) -> Spot:
        number = next(n for n, each in enumerate(self.app.spec.interfaces) if each is self.interface)
        return Spot("App", self.app.name, ("spec", "interfaces", number, field))

    def __str__(self) -> str:
        return f"interface '{self.interface.name}' of app '{self.app.name}'"


def identity6_rules(scope: Scope) -> Iterator[Problem]:
    """Yield interfaces that would be taken for others of their network."""
    for network, found in scope.config.members.items():
        members = [_Member(*each) for each in found]
        if any(each.interface.duid is not None for each in members):
            yield from _duids(scope, network, members)
        ni = scope.config.instances.get(network)
        if ni is not None and any(each.interface.address6 is not None for each in members):
            yield from _made(scope, ni, members)


def _duids(scope: Scope, network: str, members: list[_Member]) -> Iterator[Problem]:
    macs = _macs(members)
    unique = Unique(scope)
    for member in members:
        duid = member.interface.duid
        if duid is None:
            continue
        if clash := unique.claim(duid, member.spot("duid")):
            at, other = clash
            yield scope.problem(
                at,
                f"duid {duid} is already in network '{network}', in app '{other.name}'; give each interface its own, or "
                "leave it out where the client's MAC address is enough",
            )
            continue
        mac = _mac_in(duid)
        owner = macs.get(mac, member) if mac is not None else member
        if owner.interface is not member.interface and member.interface.mac_for(member.app.name) != mac:
            yield scope.problem(
                _at(scope, member.spot("duid"), owner.spot("mac")),
                f"duid {duid} of {member} holds the MAC address {mac}, which is that of {owner} in network '{network}'; "
                "give the client's own duid, or leave it out",
            )


def _mac_in(duid: str) -> str | None:
    """Return the Ethernet address in a DHCP unique identifier; None if there is none in it."""
    begin = _LINK_LAYER.get((duid[:12], len(duid)))
    return None if begin is None else duid[begin:]


def _macs(members: list[_Member]) -> dict[str, _Member]:
    found: dict[str, _Member] = {}
    for member in members:
        found.setdefault(member.interface.mac_for(member.app.name), member)
    return found


def _made(scope: Scope, ni: NetworkInstance, members: list[_Member]) -> Iterator[Problem]:
    """Check fixed addresses against those that other interfaces make by themselves (SLAAC)."""
    subnet = ni.subnet6
    if subnet is None or subnet.prefixlen != SLAAC_LENGTH or ni.addressing == "stateful":
        return
    made: dict[IPAddress, tuple[str, _Member]] = {
        mac_made(subnet, mac): (mac, member) for mac, member in _macs(members).items()
    }
    for member in members:
        address = member.interface.address6
        if address is None or address not in made:
            continue
        mac, owner = made[address]
        if owner.interface is member.interface or member.interface.mac_for(member.app.name) == mac:
            continue
        yield scope.problem(
            _at(scope, member.spot("address6"), owner.spot("mac")),
            f"address {address} of {member} is what {owner} makes of its MAC address {mac} in network '{ni.name}' "
            "(SLAAC); give another",
        )


def _at(scope: Scope, mine: Spot, other: Spot) -> Spot:
    """Return where to report two that meet: of a new document and one applied before, at the new one."""
    return other if scope.is_new(other.kind, other.name) and not scope.is_new(mine.kind, mine.name) else mine
