"""The applications' interfaces: one bridge port each, whose other end is the application's."""

from __future__ import annotations

from collections.abc import Mapping

from netnsmgr.config.app import App, AppInterface
from netnsmgr.core.agreed import FILTER
from netnsmgr.core.item import Item, Ref
from netnsmgr.core.linkname import short_name
from netnsmgr.features.acl import guard
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.link import ExternalNetns, Tap, Veth, netns_ref

FILTERED = frozenset(
    {
        guard.TABLE.ref,
        Ref("nft-table", f"inet {FILTER}"),
        Ref("sysctl", "net/bridge/bridge-nf-call-iptables"),
        Ref("sysctl", "net/bridge/bridge-nf-call-ip6tables"),
    }
)
"""Without them an interface would speak to all others: with them, and without its own parts, to nobody."""


def group(app: App, interface: AppInterface) -> str:
    """Name the group of items that belong to one application interface."""
    return f"{app.name}/{interface.name}"


def vif_name(app: App, interface: AppInterface) -> str:
    """Return the name of the bridge port: ``app1.eth0``, shortened where it has to be."""
    return short_name("", f"{app.name}.{interface.name}")


def far_end(app: App, run_dir: str) -> ExternalNetns | None:
    """Return the namespace that gets the interface; None for a virtual machine, which opens a TAP."""
    attach = app.spec.attach
    path = attach.path(run_dir)
    return ExternalNetns(attach.whose, path) if path is not None else None


def far_words(app: App, containers: Mapping[str, str]) -> dict[Ref, str]:
    """Say in words why the namespace is not there, as far as the supervisor has told it of containers."""
    if (reason := containers.get(app.spec.attach.container or "")) is None:
        return {}
    return {netns_ref(app.spec.attach.whose): reason}


def items(scope: InstanceScope, app: App, interface: AppInterface) -> list[Item]:
    """Return the interface's items: a veth pair or a TAP, as port of the bridge."""
    name, alias = vif_name(app, interface), group(app, interface)
    far = far_end(app, scope.run_dir)
    parts = (f"bridge {guard.TABLE.name} vif_{name}", f"inet {FILTER} list_{name}")
    after = FILTERED | {Ref("nft-part", part) for part in parts}
    if far is None:
        return [Tap(name, scope.mtu, master=BRIDGE, alias=alias, after=after)]
    veth = Veth(
        name,
        scope.mtu,
        master=BRIDGE,
        alias=alias,
        after=after,
        far_netns=far.name,
        far_path=far.path,
        far_name=interface.name,
        far_mac=interface.mac_for(app.name),
    )
    return [far, veth]
