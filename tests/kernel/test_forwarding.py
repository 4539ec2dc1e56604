"""Forwarding by links against the real kernel."""

from __future__ import annotations

from pathlib import Path

from netnsmgr.items.forwarding import Forwarding
from netnsmgr.items.link import ExternalLink
from tests.kernel.stage import sh, stage
from tests.lab import isolated


@isolated
async def test_a_link_forwards_and_again_when_somebody_stops_it() -> None:
    """Forwarding is set for one link by netlink, the others stay; it waits for its link, and its verbs can be repeated."""
    async with stage() as agent:
        link, forwarding = ExternalLink("wan"), Forwarding("wan")
        assert forwarding.ref in (await agent.plan(link, forwarding)).blocked
        sh("ip link add wan type veth peer name lan")
        path = Path("/proc/sys/net/ipv4/conf/wan/forwarding")
        path.write_text("0")
        Path("/proc/sys/net/ipv4/conf/lan/forwarding").write_text("0")
        assert await agent.bring(link, forwarding) == ["create forwarding/wan"]
        assert path.read_text() == "1\n"
        assert Path("/proc/sys/net/ipv4/conf/lan/forwarding").read_text() == "0\n"
        path.write_text("0")
        assert await agent.bring(link, forwarding) == ["create forwarding/wan"]
        await agent.verbs(forwarding, link)
        assert path.read_text() == "1\n"
