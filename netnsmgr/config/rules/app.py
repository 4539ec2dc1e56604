"""Rules of an App: its interfaces among each other, in their networks, and in the namespace they go to."""

from __future__ import annotations

from collections.abc import Iterator

from netnsmgr.config.app import App, AppInterface
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.config.rules.instance import not_a_host
from netnsmgr.config.rules.scope import Scope, Spot, Unique
from netnsmgr.core.ip import IPAddress
from netnsmgr.errors import Problem


def app_rules(scope: Scope) -> Iterator[Problem]:
    """Yield what is wrong with each app."""
    networks = scope.names["NetworkInstance"]
    far_ends, macs, addresses = Unique(scope), Unique(scope), Unique(scope)
    for app in scope.config.apps.values():
        attach = app.spec.attach
        if attach.netns is not None and attach.netns in networks:
            yield scope.problem(
                Spot("App", app.name, ("spec", "attach", "netns")),
                f"'{attach.netns}' is the namespace of the network instance of that name; "
                "attach the app to a namespace of its own",
            )
        is_new = scope.is_new("App", app.name)
        if not is_new:
            # It had its networks when it was applied, so those that are missing are being deleted.
            for network in dict.fromkeys(interface.network for interface in app.spec.interfaces):
                if network not in networks:
                    yield Problem(
                        f"App '{app.name}' uses network instance '{network}': delete the app first, "
                        "or both in one call (netnsmgr delete -f FILE)",
                        document=-1,
                    )
        own_names = Unique(scope)
        for number, interface in enumerate(app.spec.interfaces):
            spot = _spot(app, number, "name")
            twice = own_names.claim(interface.name, spot) is not None
            if twice:
                what = f"duplicate interface name '{interface.name}' in this app; rename one"
                yield scope.problem(spot, what)
            elif not attach.tap and (clash := far_ends.claim((attach, interface.name), spot)):
                at, other = clash
                yield scope.problem(
                    at,
                    f"interface '{interface.name}' of app '{other.name}' goes to the same namespace "
                    f"({attach.netns or attach.container or attach.pid}); "
                    "rename one of the interfaces",
                )
            if is_new and interface.network not in networks:
                yield scope.problem(
                    _spot(app, number, "network"),
                    scope.unknown("network", interface.network, networks)
                    if networks
                    else f"unknown network '{interface.network}'; there is none: add a NetworkInstance document",
                )
            # Of two interfaces with one name, the made MAC addresses are equal too: said once is enough.
            if not twice or interface.mac is not None:
                yield from _mac(scope, macs, app, number, interface)
            yield from _addresses(scope, addresses, app, number, interface)


def _spot(app: App, number: int, *field: str) -> Spot:
    return Spot("App", app.name, ("spec", "interfaces", number, *field))


def _mac(scope: Scope, macs: Unique, app: App, number: int, interface: AppInterface) -> Iterator[Problem]:
    mac = interface.mac_for(app.name)
    if clash := macs.claim((interface.network, mac), _spot(app, number, "mac")):
        at, other = clash
        what = f"MAC address {mac} is already in network '{interface.network}', in app '{other.name}'; give another"
        yield scope.problem(at, what)


def _addresses(
    scope: Scope, addresses: Unique, app: App, number: int, interface: AppInterface
) -> Iterator[Problem]:
    for field, address in (("address", interface.address), ("address6", interface.address6)):
        if address is None:
            continue
        spot = _spot(app, number, field)
        if clash := addresses.claim((interface.network, address), spot):
            at, other = clash
            what = f"address {address} is already in network '{interface.network}', in app '{other.name}'; give another"
            yield scope.problem(at, what)
        ni = scope.config.instances.get(interface.network)
        if ni is not None and not ni.is_switch and (fault := _unfit(ni, address)):
            yield scope.problem(spot, f"address {address} {fault}")


def _unfit(ni: NetworkInstance, address: IPAddress) -> str:
    """Say why a static address does not fit the network; empty if it does."""
    subnet = ni.subnet4 if address.version == 4 else ni.subnet6
    if subnet is None:
        why = "its prefix is delegated" if address.version == 6 and ni.delegated else "it has no such subnet"
        return f"is IPv{address.version}, and network '{ni.name}' cannot hold it: {why}; leave it out"
    if fault := not_a_host(address, subnet):
        return f"{fault} (network '{ni.name}')"
    if address == ni.gateway_in(subnet):
        return f"is the gateway of network '{ni.name}'; give another"
    # A range that nobody wrote is the whole subnet; there the DHCP server keeps the address for this app.
    dhcp = ni.spec.dhcp
    written = None if dhcp is None else dhcp.range if address.version == 4 else dhcp.range6
    if written is not None and address in written:
        return f"is inside the DHCP range {written} of network '{ni.name}'; give one outside, or narrow the range"
    return ""
