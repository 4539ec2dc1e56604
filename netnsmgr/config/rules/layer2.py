"""Rules of what only one type of network has: a switch gives no addresses, a local instance knows no frames."""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.config.acl import Portmap
from netnsmgr.config.app import App
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.scope import Scope, Spot
from netnsmgr.errors import Problem

_OF_A_SWITCH = ("vlans", "stp", "forward")
_OF_A_LOCAL = {
    "subnets": "its apps have addresses of the segment that its ports extend",
    "gateways": "its apps use the router of the segment that its ports extend",
    "ipv6": "it carries IPv6 as it is",
    "nat64": "nothing is translated in it",
    "dhcp": "the DHCP server is on the segment that its ports extend, or an app with 'antiSpoofing: false'",
    "tcp_mss_clamp": "it changes no packet",
    "vpn": "its apps use the router of the segment that its ports extend",
}
_GIVEN = ("address", "address6", "duid")


def layer2_rules(scope: Scope) -> Iterator[Problem]:
    """Yield fields that mean nothing in a network of that type, or have no value where leaving them out means much."""
    for ni in scope.config.instances.values():
        yield from _instance(scope, ni)
    for app in scope.config.apps.values():
        yield from _app(scope, app)


def _instance(scope: Scope, ni: NetworkInstance) -> Iterator[Problem]:
    written = ni.spec.model_fields_set
    if ni.is_switch:
        for field, why in _OF_A_LOCAL.items():
            if field in written:
                name = _alias(ni, field)
                what = f"a switch has no '{name}': {why}; leave it out, or write type: local"
                yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", name)), what)
        return
    for field in _OF_A_SWITCH:
        if field in written:
            what = f"only a switch has '{field}'; leave it out, or write type: switch"
            yield scope.problem(Spot("NetworkInstance", ni.name, ("spec", field)), what)


def _alias(ni: NetworkInstance, field: str) -> str:
    return type(ni.spec).model_fields[field].alias or field


def _app(scope: Scope, app: App) -> Iterator[Problem]:
    for number, interface in enumerate(app.spec.interfaces):
        here = ("spec", "interfaces", number)
        ni = scope.config.instances.get(interface.network)
        for field, name, default in (
            ("vlan", "vlan", "all VLANs of the network"),
            ("ether_types", "etherTypes", "all protocols, and with 'acl' none"),
        ):
            spot = Spot("App", app.name, (*here, name))
            if field not in interface.model_fields_set:
                continue
            if getattr(interface, field) is None:
                # To read it as "left out" would let more pass than somebody who began to write meant.
                yield scope.problem(
                    spot, f"has no value; give one, or leave the line out, which means {default}"
                )
            elif ni is not None and not ni.is_switch:
                what = f"network '{ni.name}' is no switch, so that it carries IP alone; leave '{name}' out"
                if field == "vlan":
                    what = f"network '{ni.name}' is a local one, and only switches have VLANs; leave 'vlan' out, "
                    what += "or name a network of 'type: switch'"
                yield scope.problem(spot, what)
        if ni is None or not ni.is_switch:
            continue
        for field in _GIVEN:
            if getattr(interface, field) is not None:
                what = f"network '{ni.name}' is a switch, which gives no addresses; leave '{field}' out"
                yield scope.problem(
                    Spot("App", app.name, (*here, field)), f"{what}, and set it inside the app"
                )
        for n, rule in enumerate(interface.acl or ()):
            if isinstance(rule.action, Portmap):
                what = (
                    f"network '{ni.name}' is a switch, whose apps are reached at their own addresses; write "
                    f"action: allow with direction: in and lport: {rule.action.portmap}"
                )
                yield scope.problem(Spot("App", app.name, (*here, "acl", n, "action", "portmap")), what)
