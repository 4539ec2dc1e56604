"""A switch in the test's own namespace, with the test in the place of its applications and of the site behind its port."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from typing import Any, Self

from netnsmgr.config.check import check
from netnsmgr.core.item import Item
from netnsmgr.features import vif
from netnsmgr.features.acl.numbers import Numbers
from netnsmgr.features.bridge import BRIDGE
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import filter as switch_filter
from netnsmgr.features.switch import metadata, observe
from netnsmgr.items.link import ExternalLink
from netnsmgr.kernel.namespace import inode
from netnsmgr.kernel.nft import KernelNft
from netnsmgr.pubsub.tables import APP_CONFIG, DEVICE_CONFIG, INSTANCE_CONFIG
from netnsmgr.supervisor.slices import Slicer
from tests.kernel.stage import sh, stage

Document = dict[str, Any]
HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
MACS = {name: f"02:00:00:00:00:0{number}" for number, name in enumerate(("site", "a", "b", "c"), 1)}
"""Of the site behind the port, and of the applications."""
PORT = "eth3"
ENTRIES = ("hits",)


def app(name: str, **interface: Any) -> Document:
    spec = {
        "attach": {"netns": name},
        "interfaces": [{"name": "eth0", "network": "sw", "mac": MACS[name], **interface}],
    }
    return HEAD | {"kind": "App", "metadata": {"name": name}, "spec": spec}


def scope(*apps: Document, known: Numbers | None = None, **spec: Any) -> InstanceScope:
    """What the agent of a switch with these applications is told; ``spec`` is what is not by default."""
    wanted = {"type": "switch", "ports": [PORT]} | spec
    instance = HEAD | {"kind": "NetworkInstance", "metadata": {"name": "sw"}, "spec": wanted}
    device = HEAD | {"kind": "Device", "metadata": {"name": "edge"}, "spec": {"ports": [{"name": PORT}]}}
    config, problems = check([device, instance, *apps], {})
    assert not problems, problems
    rows = {
        DEVICE_CONFIG: {"edge": device},
        INSTANCE_CONFIG: {"sw": instance},
        APP_CONFIG: {a["metadata"]["name"]: a for a in apps},
    }
    row = Slicer().cut(config, rows, {"sw": 0}, 1)["sw"]
    return instance_scope(
        row, LinkFacts(), run_dir="/run", state_dir="/run/state", netns_inode=inode() or 0,
        known=known,
    )  # fmt: skip


def filtered(found: InstanceScope) -> list[Item]:
    """All items by which a switch filters."""
    apps = [item for each in found.interfaces for item in switch_filter.app_items(found, *each)]
    return [*switch_filter.items(found), *observe.items(found), *metadata.pair(found), *apps]


class Switch:
    """``async with``.  What is sent and heard at ``site`` and at applications goes by their names."""

    def __init__(self, *apps: Document, **spec: Any) -> None:
        self.scope = scope(*apps, **spec)
        self._stack = AsyncExitStack()
        self.sockets: dict[str, socket.socket] = {}

    async def __aenter__(self) -> Self:
        sh(f"""
        sysctl -qw net.ipv6.conf.default.disable_ipv6=1
        ip link set lo up
        ip link add {BRIDGE} type bridge mcast_snooping 0
        ip link set {BRIDGE} address 02:00:00:00:00:0f up""")
        sh(f"ip link add {PORT} type veth peer name site address {MACS['site']}")
        for each, interface in self.scope.interfaces:
            link = vif.vif_name(each, interface)
            sh(f"ip link add {link} type veth peer name {each.name} address {MACS[each.name]}")
        # As the item BridgePort has them; up only when all that filters is there.
        self.stage = await self._stack.enter_async_context(stage())
        self.nft = KernelNft("/run/nft.json")
        sh(f"ip link set {PORT} master {BRIDGE} up; ip link set site up")
        await self.know(self.scope)
        for each, interface in self.scope.interfaces:
            link, locked = vif.vif_name(each, interface), "on" if interface.anti_spoofing else "off"
            sh(f"""
            ip link set {link} master {BRIDGE}
            bridge link set dev {link} guard on locked {locked}""")
            if interface.anti_spoofing:
                sh(f"""
                bridge link set dev {link} learning off flood off
                bridge fdb replace {MACS[each.name]} dev {link} master static sticky""")
            sh(f"ip link set dev {each.name} up; ip link set dev {link} up")
        for name in ("site", *(each.name for each, _ in self.scope.interfaces)):
            found = self.sockets[name] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            found.bind((name, 0))
            found.setblocking(False)
            self._stack.callback(found.close)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def know(self, found: InstanceScope) -> list[str]:
        """Have other lists; what was done."""
        self.scope = found
        links = [ExternalLink(PORT), *(ExternalLink(vif.vif_name(*each)) for each in found.interfaces)]
        return await self.stage.bring(*links, *filtered(found))

    def send(self, name: str, *frames: bytes) -> None:
        for frame in frames:
            self.sockets[name].send(frame)

    def heard(self, name: str) -> list[bytes]:
        """What has come to somebody since the last call."""
        found: list[bytes] = []
        while True:
            try:
                data, address = self.sockets[name].recvfrom(65536)
            except BlockingIOError:
                return found
            if address[2] != socket.PACKET_OUTGOING:
                found.append(data)

    def hears(self, sender: str, frame: bytes) -> set[str]:
        """Who hears a frame that somebody sends: within a machine it is delivered before the call returns."""
        for name in self.sockets:
            self.heard(name)
        self.send(sender, frame)
        return {name for name in self.sockets if frame in self.heard(name)}
