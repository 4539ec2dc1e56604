"""The device's half of WireGuard tunnels: interfaces are born here, so that their UDP sockets stay here, and moved.

What they send carries a mark, and a rule by which it takes the ports of the instance, with their costs and fail-over.
"""

from __future__ import annotations

from netnsmgr.core.ip import Version, any_network
from netnsmgr.core.item import Item
from netnsmgr.core.linkname import birth_name
from netnsmgr.features.forwarding import TABLE
from netnsmgr.features.ports import routes_over
from netnsmgr.features.scope import LinkedInstance, UplinkScope, place
from netnsmgr.features.uplink_links import INSTANCE_TABLE, LAST_METRIC, ONLY6
from netnsmgr.features.vpn.marks import WIREGUARD_MARK_BASE, WIREGUARD_PRIORITY
from netnsmgr.items.link import link_ref
from netnsmgr.items.process import Listens, Process, Rights
from netnsmgr.items.route import Route
from netnsmgr.items.rule import Rule
from netnsmgr.items.tunnel import GO, Tunnel

PROGRAM = "wireguard-go"
SOCKETS = "/var/run/wireguard"
"""Where it makes the socket by which it is driven, whatever it is told."""
QUIET = (("WG_PROCESS_FOREGROUND", "1"), ("LOG_LEVEL", "error"))
"""Without the first it says at length that other kernels do not need it."""

LISTENING_PRIORITY = 61
"""Of the rules for tunnels that peers call: after those by which an answer leaves by the port whose address was asked."""


def items(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return an instance's tunnels, and the rule by which their packets take the instance's ports."""
    vpn = linked.instance.spec.vpn
    if vpn is None or not vpn.tunnels or not scope.wireguard:
        return []
    rules = _rules(scope, linked, listening=any(tunnel.listen_port for tunnel in vpn.tunnels))
    found: list[Item] = [*rules, *_routes6(scope, linked)]
    for tunnel in vpn.tunnels:
        found += _tunnel(scope, linked, tunnel.name, rules)
    return found


def tunnel_names(scope: UplinkScope) -> frozenset[str]:
    """Return what tunnels are called in their instances."""
    vpns = filter(None, (linked.instance.spec.vpn for linked in scope.instances))
    return frozenset(tunnel.name for vpn in vpns for tunnel in vpn.tunnels)


def _tunnel(scope: UplinkScope, linked: LinkedInstance, name: str, rules: list[Rule]) -> list[Item]:
    instance = linked.instance.name
    birth = birth_name(instance, name)
    after = frozenset(rule.ref for rule in rules)
    found: list[Item] = [Tunnel(birth, instance, f"/run/netns/{instance}", name, scope.wireguard, after)]
    if scope.wireguard == GO:
        own = f"{scope.etc}/{birth}.{scope.netns_inode}.1.conf"
        # NET_ADMIN makes the TUN and marks packets; it listens at a port below 1024 where somebody chooses one.
        rights = Rights(
            ("CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"),
            writes=(place(scope.etc, PROGRAM), SOCKETS, "/dev/net/tun"),
            unix=True,
            listens=Listens(f"{SOCKETS}/{birth}.sock", linked.number, "WG_UAPI_FD"),
        )
        found.append(
            Process(birth, (own, "-f", birth), stays=True, executable=PROGRAM, env=QUIET, rights=rights)
        )
    return found


def _rules(scope: UplinkScope, linked: LinkedInstance, *, listening: bool) -> list[Rule]:
    mark, table = WIREGUARD_MARK_BASE + linked.number, INSTANCE_TABLE + linked.number
    priority = LISTENING_PRIORITY if listening else WIREGUARD_PRIORITY
    versions: tuple[Version, ...] = (4, 6) if _outside6(scope, linked) else (4,)
    return [Rule(priority, table, mark=mark, version=version) for version in versions]


def _outside6(scope: UplinkScope, linked: LinkedInstance) -> bool:
    """Say whether IPv6 carries tunnels, whether or not applications have it."""
    return any(facts.addresses_of(6) for _, facts in scope.ports_of(linked.instance))


def _routes6(scope: UplinkScope, linked: LinkedInstance) -> list[Item]:
    """Return the ways out by IPv6 of an instance without it."""
    if not _outside6(scope, linked) or any(ends.version == 6 for ends in linked.links):
        return []
    table, after = INSTANCE_TABLE + linked.number, frozenset({link_ref(linked.link)})
    found: list[Item] = [Route(any_network(6), table, LAST_METRIC, type="unreachable", after=after)]
    for number, (port, facts) in enumerate(scope.ports_of(linked.instance)):
        found += routes_over(table, port, facts, 100 * number, frozenset({TABLE}), ONLY6)
    return found
