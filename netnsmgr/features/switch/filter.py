"""The access lists of a switch as items, and what is there without any: who is who, and that the switch keeps quiet.

Lists make bridged packets pass the hooks of IP and connection tracking.  A switch without `acl` and `flowLog` has nothing
of that, because it would take a third of its packets a second.
"""

from __future__ import annotations

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.item import Item
from netnsmgr.features import vif
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import guard, metadata, observe
from netnsmgr.items.nft import NftTable
from netnsmgr.items.sysctl import Sysctl

HOOKS = ("net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")
"""Whether bridged packets pass the hooks of IP (ip-sysctl); a new namespace begins with 1."""
_OWN = f"""
chain input {{
    type filter hook input priority filter; policy drop;
    iifname {{ "lo", "{metadata.LINK}" }} accept
}}
chain output {{
    type filter hook output priority filter; policy drop;
    oifname {{ "lo", "{metadata.LINK}" }} accept
}}"""
_QUIET = """
chain output {
    type filter hook output priority filter; policy drop;
    ether daddr 01:80:c2:00:00:00 accept
}"""
"""What the bridge itself sends, other than for the spanning tree: it would speak for the instance on a foreign segment."""


def wanted(scope: InstanceScope) -> bool:
    """Say whether packets are to be asked about."""
    return scope.instance.spec.flow_log or any(each.acl is not None for _, each in scope.interfaces)


def items(scope: InstanceScope) -> list[Item]:
    """Return what all lists of the switch share."""
    found: list[Item] = [
        NftTable.of("inet", "own", _OWN),
        NftTable.of("bridge", "own", _QUIET),
        Sysctl("net/bridge/bridge-nf-call-arptables", "0"),
        *guard.items(observe.body(bridge_mac(scope.instance.name))),
    ]
    found += [Sysctl(name, "0") for name in HOOKS]
    return found


def frames(scope: InstanceScope) -> list[Item]:
    """Return what lets nothing pass by itself: while an instance goes, it outlives the links that it filters."""
    return items(scope)


def app_items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the parts of one interface."""
    asked = metadata.watched(scope, app, interface, _watched(app, interface))
    return [guard.part(_vif(scope, app, interface), asked)]


def _vif(scope: InstanceScope, app: App, interface: AppInterface) -> guard.Vif:
    listed = interface.acl is not None
    aware = bool(scope.instance.spec.vlans) or any(each.vlan is not None for _, each in scope.interfaces)
    trunk = aware and (interface.vlan is None or interface.vlan.access is None)
    types = interface.ether_types
    return guard.Vif(
        vif.vif_name(app, interface),
        scope.numbers.vifs[vif.group(app, interface)],
        interface.mac_for(app.name),
        guarded=interface.anti_spoofing,
        ether_types=frozenset(types or ()) if listed or types is not None else None,
        groups=scope.instance.spec.forward,
        # Behind a tag that the bridge does not look at a packet would pass by the list.
        tags=trunk or not listed,
        locked=True,
        listed=wanted(scope),
    )


def _watched(app: App, interface: AppInterface) -> guard.Watched:
    return guard.Watched(
        arp=f"jump {observe.FROM_ARP}",
        dhcp=f"jump {observe.FROM_DHCP}",
        ip6=f"jump {observe.FROM_IP6}",
        going=observe.going(interface.mac_for(app.name)),
    )
