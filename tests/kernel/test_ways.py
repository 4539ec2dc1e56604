"""The device as a router, with the rules that it really loads: who reaches whom."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address

from netnsmgr.config.instance import NetworkInstance
from netnsmgr.features import forwarding, portmap
from netnsmgr.features.nets import LinkEnds
from netnsmgr.features.scope import LinkedInstance, UplinkScope
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_set import NftSet
from tests.kernel.stage import sh, stage
from tests.lab import isolated

PLACE = """
for host in site ni1; do ip netns add $host; ip -n $host link set lo up; done
ip link add eth0 type veth peer name port netns site
ip link add nm-ni1 type veth peer name uplink netns ni1
ip address add 192.168.0.2/24 dev eth0; ip link set eth0 up
ip address add 169.254.100.0/31 dev nm-ni1; ip link set nm-ni1 up
ip -n site address add 192.168.0.1/24 dev port; ip -n site link set port up
ip -n ni1 address add 169.254.100.1/31 dev uplink; ip -n ni1 link set uplink up
ip -n ni1 address add 10.10.1.1/24 dev lo
ip -n ni1 route add default via 169.254.100.0
ip route add 10.10.1.0/24 via 169.254.100.1 dev nm-ni1
ip -n site route add 10.10.1.0/24 via 192.168.0.2
ip -n site route add 169.254.100.0/22 via 192.168.0.2
echo 1 >/proc/sys/net/ipv4/ip_forward
"""
DOCUMENT = {"metadata": {"name": "ni1"}, "spec": {"subnets": ["10.10.1.0/24"]}}


def answers(host: str, address: str) -> bool:
    """Whether an address answers a question of a host."""
    command = ["ip", "netns", "exec", host, "ping", "-c1", "-W1", address]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@isolated
async def test_an_instance_reaches_the_site_and_the_site_does_not_reach_the_instance() -> None:
    """A neighbour of a port that routes an instance's subnet, or its link, by the device gets no further."""
    sh(PLACE)
    ni1 = LinkedInstance(
        NetworkInstance.model_validate(DOCUMENT),
        0,
        (LinkEnds(IPv4Address("169.254.100.0"), IPv4Address("169.254.100.1")),),
    )
    scope = UplinkScope(None, (), (ni1,), "/run/etc", "/run/leases", 1)
    found = [*forwarding.items(scope), *portmap.items(scope)]
    rules = [item for item in found if isinstance(item, NftTable | NftSet)]
    assert answers("site", "10.10.1.1")
    async with stage(owns_namespace=False) as agent:
        await agent.bring(*rules)
    assert answers("ni1", "192.168.0.1")
    assert not answers("site", "10.10.1.1")
    assert not answers("site", "169.254.100.1")
