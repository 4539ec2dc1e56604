"""A port shared by a bridge, against the real kernel."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.link import ExternalLink
from netnsmgr.items.port_record import RECORD
from netnsmgr.items.shared_port import SharedBridge, SharedPort
from tests.kernel.stage import sh, stage
from tests.lab import isolated

MAC = "02:00:00:00:00:01"
OWN = ExternalLink("eth0")
BRIDGE = SharedBridge("br-eth0", 1500, MAC, alias="port eth0", groups=0xFFF8)
PORT = SharedPort("eth0", "br-eth0")


def link(name: str) -> dict[str, Any]:
    (found,) = json.loads(sh(f"ip -d -j addr show dev {name}"))
    assert isinstance(found, dict)
    return found


def port(script: str = "") -> None:
    sh(
        f"ip link add eth0 address {MAC} type veth peer name far; ip link set far up; ip link set eth0 up; {script}"
    )


@isolated
async def test_is_there_as_intended_and_goes_without_a_trace() -> None:
    """The bridge has the port's MAC and forwards link-local groups; the port has none of the addresses that the bridge has
    now, and is afterwards as found."""
    port("ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 alias mine")
    taken = replace(PORT, taken=(ip_interface("10.0.0.1/24"),))
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(OWN, BRIDGE, taken) == ["create link/br-eth0", "create port/eth0"]
        found, own = link("br-eth0"), link("eth0")
        assert (found["address"], found["linkinfo"]["info_data"]["group_fwd_mask"]) == (MAC, "0xfff8")
        assert (own["master"], own["addr_info"], own["ifalias"].startswith(RECORD)) == ("br-eth0", [], True)
        await agent.once(OWN)
        assert await agent.bring(OWN) == []
        own = link("eth0")
        assert (own.get("master"), own["ifalias"], "UP" in own["flags"]) == (None, "mine", True)
        assert [each["scope"] for each in own["addr_info"]] == ["link"], "IPv6 is on again"
        with pytest.raises(AssertionError):
            link("br-eth0")


@isolated
async def test_verbs_can_be_repeated() -> None:
    """Twice each, and after a change by hand."""
    port()
    async with stage(owns_namespace=False) as agent:
        await agent.bring(OWN, BRIDGE, PORT)
        for _ in range(2):
            agent.system.refresh()
            await BRIDGE.create(agent.system)
            await PORT.create(agent.system)
        assert await agent.bring(OWN, BRIDGE, PORT) == []
        sh("ip link set eth0 nomaster; ip addr add 10.0.0.9/24 dev eth0")
        assert await agent.bring(OWN, BRIDGE, PORT) == ["modify port/eth0"]
        assert [each["local"] for each in link("eth0")["addr_info"]] == ["10.0.0.9"], (
            "somebody else's is left"
        )
        sh("echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        assert await agent.bring(OWN, BRIDGE, PORT) == ["modify port/eth0"]


@isolated
async def test_ipv6_that_was_off_stays_off() -> None:
    """What the port was like is restored, not what most ports are like."""
    port("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(OWN, BRIDGE, PORT)
        await agent.once(OWN)
        assert await agent.bring(OWN) == []
        assert link("eth0")["addr_info"] == []


@isolated
async def test_a_bridge_that_was_cut_off_before_it_had_its_alias() -> None:
    """Of the port's MAC and without ports: it is taken for ours, and finished."""
    port(f"ip link add br-eth0 address {MAC} type bridge")
    async with stage(owns_namespace=False) as agent:
        assert await agent.bring(OWN, BRIDGE, PORT) == ["create link/br-eth0", "create port/eth0"]


@isolated
@pytest.mark.parametrize(
    "made",
    [
        "ip link add br-eth0 type bridge",
        f"ip link add br-eth0 address {MAC} type bridge; ip link set far master br-eth0",
        f"ip link add br-eth0 address {MAC} type bridge; ip link set br-eth0 alias theirs",
        "ip link add br-eth0 type veth peer name other",
    ],
)
async def test_a_link_of_somebody_else_in_the_bridge_s_place(made: str) -> None:
    """It stays what it is, and is told."""
    port(made)
    async with stage(owns_namespace=False) as agent:
        before = link("br-eth0")
        with pytest.raises(KernelError, match="another link is called br-eth0"):
            await agent.once(OWN, BRIDGE, PORT)
        now = link("br-eth0")
        assert [now.get(key) for key in ("ifalias", "address", "flags")] == [
            before.get(key) for key in ("ifalias", "address", "flags")
        ]
        assert "master" not in link("eth0")


@isolated
@pytest.mark.parametrize("gap", ["record", "enslaved", "bridge gone"])
async def test_cut_off_in_every_gap(gap: str) -> None:
    """Whatever was done before the end: it can be finished, and it can be undone."""
    port("ip link set eth0 alias mine")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(OWN, BRIDGE, PORT)
        if gap == "record":
            sh(
                "ip link set eth0 nomaster; echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip link del br-eth0"
            )
        elif gap == "enslaved":
            sh("echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        else:
            sh("ip link del br-eth0")
        if gap != "enslaved":
            await agent.bring(OWN, BRIDGE, PORT)
            sh("ip link del br-eth0")
        await agent.once(OWN)
        assert await agent.bring(OWN) == []
        assert link("eth0")["ifalias"] == "mine"
