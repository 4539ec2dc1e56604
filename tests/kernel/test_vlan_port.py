"""Ports that are VLANs of other ports, against kernels with and without them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.link import ExternalLink, ExternalNetns, link_ref
from netnsmgr.items.port import LentPort
from netnsmgr.items.shared_port import SharedBridge, SharedPort
from netnsmgr.items.vlan import VlanLink
from tests.kernel.stage import sh, stage
from tests.lab import isolated

PARENT = ExternalLink("eth0")
VLAN = VlanLink.of("eth0.100", "eth0", 100, 1500)
SWITCH = ExternalNetns("ni6", "/run/netns/ni6")


def world() -> None:
    """A port whose other end is the site's, which has VLAN 100."""
    sh(
        "ip netns add site; ip netns add ni6; ip link add eth0 type veth peer name port netns site; ip link set eth0 up"
    )
    sh(
        "ip -n site link add port.100 link port type vlan id 100; ip -n site addr add 10.9.0.1/24 dev port.100"
    )
    sh("ip -n site link set port up; ip -n site link set port.100 up")


def link(name: str) -> dict[str, Any]:
    (found,) = json.loads(sh(f"ip -d -j link show dev {name}"))
    assert isinstance(found, dict)
    return found


@isolated
async def test_a_kernel_without_vlans() -> None:
    """What is missing is said with what to do."""
    sh("ip link add eth0 type bridge")
    async with stage(owns_namespace=False) as agent:
        with suppress(KernelError):
            await agent.once(PARENT, VLAN)
            pytest.skip("this kernel has VLANs")
        with pytest.raises(
            KernelError, match=r"VLAN 100 of eth0: this kernel makes no VLAN links \(module 8021q"
        ):
            await agent.once(PARENT, VLAN)


@pytest.mark.fullkernel
@isolated
async def test_is_made_changed_and_removed() -> None:
    """The link carries the tag to the site; another tag makes another link; without the port it goes."""
    world()
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(PARENT, VLAN) == ["create link/eth0.100"]
        sh("ip addr add 10.9.0.2/24 dev eth0.100; ping -c 1 -W 5 10.9.0.1")
        other = VlanLink.of("eth0.100", "eth0", 200, 1500)
        assert await agent.bring(PARENT, other) == ["delete link/eth0.100", "create link/eth0.100"]
        assert link("eth0.100")["linkinfo"]["info_data"]["id"] == 200
        assert await agent.bring(PARENT) == ["delete link/eth0.100"]
        await agent.verbs(VLAN, PARENT)


@pytest.mark.fullkernel
@isolated
async def test_goes_to_a_switch_and_comes_back() -> None:
    """Moved, its frames still have their tag in its parent's network; back, it is the same link, and removed if unwanted."""
    world()
    async with stage(owns_namespace=False) as agent:
        await agent.bring(PARENT, VLAN)
        lent = LentPort("eth0.100", "ni6", "/run/netns/ni6")
        assert await agent.once(PARENT, VLAN, SWITCH, lent) == ["create port/eth0.100"]
        assert await agent.bring(PARENT, SWITCH, lent) == []
        sh("ip -n ni6 addr add 10.9.0.2/24 dev eth0.100; ip -n ni6 link set eth0.100 up")
        sh("ip netns exec ni6 ping -c 1 -W 5 10.9.0.1; ip -n ni6 link set eth0.100 netns 1")
        done = await agent.once(PARENT, VLAN)
        assert done == ["delete port/eth0.100 as found"]
        assert await agent.bring(PARENT, VLAN) == []
        await agent.once(PARENT, VLAN, SWITCH, lent)
        sh("ip -n ni6 link set eth0.100 netns 1")
        await agent.once(PARENT)
        assert await agent.bring(PARENT) == ["delete link/eth0.100"]


@pytest.mark.fullkernel
@isolated
async def test_is_shared() -> None:
    """A VLAN is a bridge's port like another, and itself again afterwards."""
    world()
    async with stage(owns_namespace=False) as agent:
        await agent.bring(PARENT, VLAN)
        mac = link("eth0.100")["address"]
        bridge = SharedBridge("br-eth0.100", 1500, mac, alias="port eth0.100", groups=0xFFF8)
        await agent.bring(PARENT, VLAN, bridge, SharedPort("eth0.100", "br-eth0.100"))
        sh("ip addr add 10.9.0.2/24 dev br-eth0.100; ping -c 1 -W 5 10.9.0.1")
        await agent.once(PARENT, VLAN)
        assert await agent.bring(PARENT, VLAN) == []
        assert link_ref("eth0.100") in await agent.observe(PARENT, VLAN)


@pytest.mark.fullkernel
@isolated
async def test_a_vlan_of_somebody_else_stays() -> None:
    """One of the same name that is in use is told, not taken."""
    world()
    sh("ip link add eth0.100 link eth0 type vlan id 100; ip link set eth0.100 up")
    async with stage(owns_namespace=False) as agent:
        with pytest.raises(KernelError, match="VLAN 100 of eth0: File exists"):
            await agent.once(PARENT, VLAN)
        assert await agent.once(PARENT) == []
        assert "ifalias" not in link("eth0.100")
