"""A TUN that waits for the helper that opens it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from netnsmgr.items.link import Tun
from tests.kernel.stage import sh, stage
from tests.lab import isolated

pytestmark = pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun is not there, or not for us"
)
TUN = Tun("nat64", 1400, alias="ni1")


def found() -> dict[str, Any]:
    (link,) = json.loads(sh("ip -d -j link show dev nat64"))
    return dict(link)


@isolated
async def test_is_there_as_intended() -> None:
    """A TUN is persistent and up, with its MTU and alias; the second plan is empty, and the MTU changes in place."""
    async with stage() as agent:
        assert await agent.bring(TUN) == ["create link/nat64"]
        link = found()
        data = link["linkinfo"]["info_data"]
        assert (data["type"], data["persist"], link["mtu"], link["ifalias"]) == (
            "tun",
            True,
            1400,
            "netnsmgr:ni1",
        )
        assert await agent.bring(replace(TUN, mtu=1300)) == ["modify link/nat64"]
        assert found()["ifindex"] == link["ifindex"]
    async with stage(fresh=False) as restarted:
        assert await restarted.bring() == ["delete link/nat64"]


@isolated
async def test_a_tap_is_another_link() -> None:
    """A TAP in its place is replaced: a packet's first bytes would be taken for an Ethernet header."""
    async with stage() as agent:
        sh("ip tuntap add nat64 mode tap")
        assert await agent.bring(TUN) == ["delete link/nat64", "create link/nat64"]


@isolated
async def test_verbs_can_be_repeated() -> None:
    """Making a TUN twice, changing it twice and removing it twice is fine."""
    async with stage() as agent:
        await agent.verbs(TUN, old=replace(TUN, mtu=1500))
        assert os.listdir("/sys/class/net") == ["lo"]
