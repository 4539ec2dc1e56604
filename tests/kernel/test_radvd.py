"""radvd with the configuration that an instance gives it: applications find their way, and leave what is no more."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest

from netnsmgr.core.item import Item
from netnsmgr.features import bridge, radvd, vif
from netnsmgr.features.scope import InstanceScope
from tests.kernel.netstage import PREFIX, app, scope
from tests.kernel.stage import Stage, sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.root  # radvd changes its user

NEW, OLD = "2001:db8:7::/64", "2001:db8:6::/64"
DELEGATED = {"subnets": [], "ipv6": {"uplink": "delegated"}}


def items(of: InstanceScope) -> list[Item]:
    far = [item for name, interface in of.interfaces for item in vif.items(of, name, interface)]
    return [*bridge.items(of), *far, *radvd.items(of)]


async def begin(agent: Stage, **more: Any) -> InstanceScope:
    """An application whose interface comes up."""
    os.chmod("/run", 0o755)  # a helper of another user has to get there
    sh("ip netns add app1; ip -n app1 link set lo up")
    of = scope(app("app1"), **more)
    await agent.bring(*items(of))
    # Its own question whether somebody has its address takes two seconds, twice; it is not what is measured here.
    sh(
        "ip netns exec app1 sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.accept_ra_rt_info_max_plen=128"
    )
    sh("ip -n app1 link set eth0 up")
    return of


def until(wanted: str, *unwanted: str, what: str = "address show dev eth0", seconds: float = 20.0) -> str:
    """Wait until the application's addresses, or routes, have what matches.

    For less long than radvd waits until it advertises what nobody asked for.
    """
    end = time.monotonic() + seconds
    while True:
        found = sh(f"ip -6 -n app1 {what}")
        if re.search(wanted, found) and not any(re.search(each, found) for each in unwanted):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.02)


def asked() -> str:
    """What a router says to an application that asks."""
    return re.sub(" +", " ", sh("ip netns exec app1 rdisc6 -1 -r 3 -w 2000 eth0"))


@isolated
async def test_an_application_gets_its_address_and_its_way() -> None:
    """By the kernel's own SLAAC, from the instance's MAC, as an answer to its question."""
    async with stage() as agent:
        await begin(
            agent,
            spec={"mtu": 1400, "ipv6": {"routes": ["fd00:20::/48"]}, "dhcp": {"domain": "plant.example"}},
        )
        until(rf"inet6 {PREFIX}:.*scope global dynamic")
        router = radvd.router_address("agent")
        until(rf"default via {router} dev eth0 proto ra", what="route")
        until(rf"fd00:20::/48 via {router} dev eth0", what="route")
        said = asked()
        for line in (
            "Stateful address conf. : No", "Stateful other conf. : Yes", "Router lifetime : 900",
            f"Prefix : {PREFIX}::/64", "On-link : Yes", "Autonomous address conf.: Yes", "MTU : 1400",
            f"Recursive DNS server : {PREFIX}::1", "DNS search list : plant.example", f"from {router}",
        ):  # fmt: skip
            assert line in said, (line, said)


@isolated
async def test_where_dhcp_gives_the_addresses_nobody_makes_one() -> None:
    """ "stateful": the flags M and O, the prefix on the link and no addresses of it."""
    async with stage() as agent:
        await begin(agent, spec={"ipv6": {"addressing": "stateful"}})
        until(rf"{PREFIX}::/64 dev eth0", what="route")
        said = asked()
        for line in (
            "Stateful address conf. : Yes",
            "Stateful other conf. : Yes",
            "Autonomous address conf.: No",
        ):
            assert line in said, (line, said)
        assert PREFIX not in sh("ip -6 -n app1 address show dev eth0 scope global")


@isolated
async def test_without_a_port_it_is_no_way_out() -> None:
    """An air-gapped instance is nobody's default router, and says where the metadata service is."""
    async with stage() as agent:
        await begin(agent, spec={"ports": []})
        until("fd00:ec2::254 via fe80:", "default", what="route")
        until(rf"inet6 {PREFIX}:")


@isolated
async def test_another_delegated_prefix_takes_the_place_of_the_old_one() -> None:
    """The old one is deprecated and gets no longer life, the new one is used, and radvd stays the same process."""
    async with stage() as agent:
        await begin(agent, spec=DELEGATED, delegated=(OLD,))
        until("inet6 2001:db8:6:.*scope global dynamic")
        (before,) = agent.system.processes.running()
        done = await agent.bring(*items(scope(app("app1"), spec=DELEGATED, delegated=(NEW, OLD))))
        assert any(op.startswith("modify file/") for op in done), done
        found = until("inet6 2001:db8:7:.*scope global dynamic", "inet6 2001:db8:6:.*scope global dynamic")
        assert re.search("inet6 2001:db8:6:.*deprecated", found), found
        assert 0 < int(re.findall(r"db8:6:.*\n +valid_lft (\d+)sec", found)[0]) <= 5400
        assert list(agent.system.processes.running()) == [before]
        # Again and again: what is left becomes less.
        asked()
        until(r"db8:6:.*\n +valid_lft 53\d\dsec")


@isolated
async def test_another_written_prefix_takes_the_place_of_the_old_one() -> None:
    """radvd takes its leave of the old one; and of everything, when IPv6 goes."""
    async with stage() as agent:
        await begin(agent)
        until(rf"inet6 {PREFIX}:.*scope global dynamic")
        await agent.bring(*items(scope(app("app1"), spec={"subnets": ["fd00:10:2::/64"]})))
        until(rf"inet6 {PREFIX}:.*scope global deprecated")
        until("inet6 fd00:10:2:.*scope global dynamic")
        until("default", what="route")
        await agent.bring(*items(scope(app("app1"), spec={"subnets": ["10.10.1.0/24"]})))
        until("inet6 fd00:10:2:.*scope global deprecated")
        until("", "default", what="route")
        assert not agent.system.processes.running()


@isolated
async def test_a_restarted_agent_finds_it() -> None:
    """The same process, and nothing to do."""
    async with stage() as agent:
        of = await begin(agent)
        until(rf"inet6 {PREFIX}:")
        (before,) = agent.system.processes.running()
    async with stage(fresh=False) as restarted:
        assert await restarted.bring(*items(of)) == []
        assert list(restarted.system.processes.running()) == [before]
