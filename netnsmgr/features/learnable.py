"""Which IPv6 addresses an application may have just by taking them: the ground that an instance's agent learns on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.core.ip import IPAddress
from netnsmgr.features import vif
from netnsmgr.features.acl.lists import LINK, holders, instances_own, made6, subnets
from netnsmgr.features.scope import InstanceScope


@dataclass(frozen=True)
class Ground:
    """What may be learned now: of these interfaces (MAC addresses by id), in these prefixes, and not what is given out."""

    macs: Mapping[int, str] = field(default_factory=dict)
    prefixes: frozenset[IPv6Network] = frozenset()
    leaving: frozenset[IPv6Network] = frozenset()
    """Of the prefixes those that were replaced."""
    given: Mapping[IPv6Address, int | None] = field(default_factory=dict)
    """The instance's own (None), fixed and leased addresses, and who has them."""
    made: Mapping[IPv6Address, int] = field(default_factory=dict)
    """Those that hosts make of their MAC addresses, and whose they so are before anybody has taken them."""

    def covers(self, address: IPv6Address) -> bool:
        """Say whether it is an address of the instance at all."""
        return address in LINK or any(address in prefix for prefix in self.prefixes)

    def fits(self, vif: int, address: IPv6Address) -> bool:
        """Say whether the interface may have the address by taking it."""
        return self.covers(address) and address not in self.given and self.made.get(address, vif) == vif


def ground(scope: InstanceScope, present: Collection[str]) -> Ground | None:
    """Return the ground of an instance of which these links are there; None where there is no IPv6."""
    if not scope.instance.has_ipv6:
        return None
    nobodys, numbers = replace(scope, learned=()), scope.numbers.vifs
    # Where the instance gives all others, only link-local ones are made.
    free = scope.instance.addressing != "stateful"
    return Ground(
        macs={
            numbers[vif.group(app, interface)]: interface.mac_for(app.name)
            for app, interface in scope.interfaces
            if vif.vif_name(app, interface) in present
        },
        prefixes=frozenset(each for each in subnets(scope) if free and isinstance(each, IPv6Network)),
        leaving=frozenset(each.prefix for each in scope.old_prefixes),
        given=dict.fromkeys(each for each in instances_own(scope) if isinstance(each, IPv6Address))
        | {address: numbers[group] for address, group in _only6(holders(nobodys)).items()},
        made={address: numbers[group] for address, group in _only6(made6(nobodys)).items()},
    )


def _only6(found: Mapping[IPAddress, str]) -> dict[IPv6Address, str]:
    return {address: group for address, group in found.items() if isinstance(address, IPv6Address)}
