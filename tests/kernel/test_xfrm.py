"""The link behind which the kernel encrypts, and that trying tells whether it can."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from netnsmgr.items.xfrm import XfrmLink
from netnsmgr.kernel import backends
from tests.kernel.stage import sh, stage
from tests.lab import isolated

LINK = XfrmLink.of("ipsec0", 1400, "ni1", 8)


@pytest.mark.fullkernel
@isolated
async def test_is_there_as_intended() -> None:
    """Up, with its MTU and number; the MTU changes in place, another number makes it anew; a restarted agent knows it."""
    async with stage() as agent:
        assert await agent.bring(LINK) == ["create link/ipsec0"]
        (link,) = json.loads(sh("ip -d -j link show dev ipsec0"))
        assert (link["linkinfo"]["info_kind"], link["mtu"]) == ("xfrm", 1400)
        assert link["linkinfo"]["info_data"]["if_id"] in (8, "0x8")
        assert await agent.bring(replace(LINK, mtu=1300)) == ["modify link/ipsec0"]
        other = XfrmLink.of("ipsec0", 1300, "ni1", 9)
        assert await agent.bring(other) == ["delete link/ipsec0", "create link/ipsec0"]
    async with stage(fresh=False) as restarted:
        assert await restarted.bring(other) == []
        assert await restarted.bring() == ["delete link/ipsec0"]


@pytest.mark.fullkernel
@isolated
async def test_verbs_can_be_repeated() -> None:
    """Making it twice, changing it twice and removing it twice is fine."""
    async with stage() as agent:
        await agent.verbs(LINK, old=replace(LINK, mtu=1500))
        assert os.listdir("/sys/class/net") == ["lo"]


@pytest.mark.fullkernel
@isolated
def test_the_kernel_encrypts() -> None:
    """Where the kernel has all, it is chosen for both."""
    assert backends.probe() == {"esp": "kernel", "wireguard": "kernel"}


@pytest.mark.root
@isolated
def test_trying_leaves_nothing() -> None:
    """All backends are tried elsewhere: no link or state is left here, and each that fails says why."""
    outcomes = backends.attempts()
    assert os.listdir("/sys/class/net") == ["lo"]
    assert sh("ip xfrm state") == ""
    assert all(ok or why for ok, why in outcomes.values())
    assert set(outcomes) == set(backends.BACKENDS)
