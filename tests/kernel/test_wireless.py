"""Wireless ports, told by what the kernel says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from netnsmgr.agent.lent_ports import at_switch
from netnsmgr.config.device import Port
from netnsmgr.features.scope import PortFacts
from netnsmgr.kernel.system import KernelSystem
from tests.kernel.stage import sh

pytestmark = pytest.mark.fullkernel


@pytest.fixture
def wlan0() -> Iterator[str]:
    """A simulated radio; it is in the virtual machine's own namespace, and nowhere else can it be."""
    sh("modprobe mac80211_hwsim radios=1; udevadm settle 2>/dev/null || true")
    yield "wlan0"
    sh("rmmod mac80211_hwsim")


def test_a_wireless_port_is_refused_in_words(wlan0: str, tmp_path: Path) -> None:
    """It is Ethernet by its hardware type, and still no switch can have it."""

    async def facts() -> PortFacts:
        port = Port.model_validate({"name": wlan0})
        system = KernelSystem(
            str(tmp_path), lambda: None, owns_namespace=False, fresh=True, port_key=b"0" * 64
        )
        async with system:
            return await at_switch(PortFacts(wlan0, wlan0, present=True), port, {wlan0: "ni6"}, system)

    said = asyncio.run(facts()).obstacle
    assert said.startswith("is wireless: an access point takes frames of its own station only")
