"""Which IPv6 addresses an application may have just by taking them: the ground that an instance's agent learns on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address, IPv6Network

from netnsmgr.config.addresses import AddressRange
from netnsmgr.core.ip import LINK_LOCAL
from netnsmgr.features import vif
from netnsmgr.features.acl.lists import holders
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.scope import InstanceScope


@dataclass(frozen=True)
class Ground:
    """What may be learned now: of these interfaces (MAC addresses by id), in these prefixes, and not what is given out."""

    macs: Mapping[int, str] = field(default_factory=dict)
    prefixes: frozenset[IPv6Network] = frozenset()
    leaving: frozenset[IPv6Network] = frozenset()
    """Of the prefixes those that were replaced."""
    given: frozenset[IPv6Address] = frozenset()
    """The instance's own, fixed and leased addresses."""
    range: AddressRange | None = None
    """The addresses that the DHCP server alone gives out."""

    def covers(self, address: IPv6Address) -> bool:
        """Say whether it is an address of the instance at all."""
        return address in LINK_LOCAL or any(address in prefix for prefix in self.prefixes)

    def fits(self, address: IPv6Address) -> bool:
        """Say whether anybody may have it by taking it."""
        if address in self.given or (self.range is not None and address in self.range):
            return False
        # RFC 4291, 2.6.1: a subnet's first address is its routers'.
        return self.covers(address) and all(address != prefix[0] for prefix in self.prefixes)


def link_local(mac: str) -> IPv6Address:
    """Return the address that a link with this MAC address makes for itself (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]])
    return IPv6Address(LINK_LOCAL.network_address.packed[:8] + identifier)


def ground(scope: InstanceScope, present: Collection[str]) -> Ground | None:
    """Return the ground of an instance of which these links are there; None where there is no IPv6."""
    instance = scope.instance
    if not instance.has_ipv6:
        return None
    leaving = frozenset(each.prefix for each in scope.old_prefixes)
    net = scope.net6
    current = frozenset([net.subnet] if net is not None and isinstance(net.subnet, IPv6Network) else ())
    own = {link_local(bridge_mac(instance.name)), *([net.gateway] if net is not None else ())}
    stateful = net is not None and instance.addressing == "stateful"
    return Ground(
        macs={
            scope.numbers.vifs[vif.group(app, interface)]: interface.mac_for(app.name)
            for app, interface in scope.interfaces
            if vif.vif_name(app, interface) in present
        },
        prefixes=current | leaving,
        leaving=leaving,
        given=frozenset(
            address
            for address in (*holders(replace(scope, learned=())), *own)
            if isinstance(address, IPv6Address)
        ),
        range=instance.dhcp_range(net.subnet) if stateful and net is not None else None,
    )
