"""An instance with IPv6 in the test's own namespace, and applications in others, without its agent."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Any

from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Delegated
from netnsmgr.features.scope import InstanceScope
from netnsmgr.items.lease import Lease
from tests.kernel.told import told

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
PREFIX = "fd00:10:1"


def app(name: str, **interface: Any) -> Document:
    spec = {"attach": {"netns": name}, "interfaces": [{"name": "eth0", "network": "agent", **interface}]}
    return HEAD | {"kind": "App", "metadata": {"name": name}, "spec": spec}


def scope(
    *apps: Document,
    spec: Document | None = None,
    delegated: tuple[str, ...] = (),
    leases: tuple[Lease, ...] = (),
    **more: Any,
) -> InstanceScope:
    """What an instance of IPv6 alone is told; ``spec`` says what is different."""
    wanted = {"subnets": [f"{PREFIX}::/64"], "ports": ["eth0"], "dhcp": {}} | (spec or {})
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": wanted}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    link = LinkFacts(delegated=tuple(Delegated(IPv6Network(prefix)) for prefix in delegated))
    return told(device, instance, *apps, link=link, leases=leases, **more)
