"""An instance with IPv6 in the test's own namespace, and applications in others, without its agent."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network
from typing import Any

from netnsmgr.config.check import check
from netnsmgr.features.nets import Delegated
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope, LinkFacts
from netnsmgr.items.lease import Lease
from netnsmgr.kernel.namespace import inode
from netnsmgr.pubsub.tables import APP_CONFIG, DEVICE_CONFIG, INSTANCE_CONFIG
from netnsmgr.supervisor.slices import Slicer
from tests.kernel.stage import ETC

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
    user: str = "root",
    **more: Any,
) -> InstanceScope:
    """What an instance of IPv6 alone is told; ``spec`` says what is different."""
    wanted = {"subnets": [f"{PREFIX}::/64"], "ports": ["eth0"], "dhcp": {}} | (spec or {})
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "agent"}, "spec": wanted}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": "eth0"}]}}
    config, problems = check([device, instance, *apps], {})
    assert not problems, problems
    rows = {
        DEVICE_CONFIG: {"edge": device},
        INSTANCE_CONFIG: {"agent": instance},
        APP_CONFIG: {a["metadata"]["name"]: a for a in apps},
    }
    row = Slicer().cut(config, rows, {"agent": 0}, 1)["agent"]
    link = LinkFacts(delegated=tuple(Delegated(IPv6Network(prefix)) for prefix in delegated))
    made = instance_scope(
        row, link, run_dir="/run", state_dir="/run/state", netns_inode=inode() or 0, helper_user=user,
        leases=leases, **more,
    )  # fmt: skip
    return replace(made, etc=ETC)
