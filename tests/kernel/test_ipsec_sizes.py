"""That `overhead.esp_mtu` is exact: the packets outside, of a packet of just that size and of one byte more."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from netnsmgr.core.ip import Version
from netnsmgr.features.vpn.overhead import esp_mtu
from tests.kernel.ipsecstage import (
    BEHIND,
    CLOUD,
    CLOUD6,
    FAR,
    GATEWAY,
    NEAR,
    Document,
    Door,
    Sizes,
    accepts,
    bring,
    child,
    far_child,
    scope,
    surroundings,
    tunnel,
    until,
)
from tests.kernel.stage import sh, stage
from tests.lab import isolated

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(shutil.which("charon-systemd") is None, reason="charon-systemd is not installed"),
]
SUITES = (
    "aes256gcm16",
    "aes128gcm8",
    "aes256ccm12",
    "chacha20poly1305",
    "aes256-sha256",
    "aes128-sha384",
    "aes256-sha512",
)
OUTER = 1300


async def outside(sizes: Sizes, inner: int) -> int:
    """Of how many bytes the packet outside is for one of ``inner`` bytes that may not be fragmented."""
    before = len(sizes.seen)
    sh(f"ping -c 1 -W 5 -M do -s {inner - 28} -I {GATEWAY} {BEHIND}")
    await asyncio.to_thread(until, lambda: len(sizes.seen) > before + 1)
    asked, answered = sizes.seen[before:]
    assert asked == answered
    return asked


@pytest.mark.parametrize("remote", [CLOUD, CLOUD6])
@isolated
async def test_sizes_of_each_suite(remote: str) -> None:
    """Of each suite the largest packet that fits does, and one more byte does not, over IPv4 and over IPv6."""
    version: Version = 6 if ":" in remote else 4
    more: Document = {"subnets": [NEAR, "fd00:10:11::/64"]} if version == 6 else {}
    with surroundings(accepts(far_child(esp=",".join(SUITES))), mtu=9000):
        async with stage() as agent:
            await bring(agent, scope(tunnel(remote=remote), mtu=9000, **more))
            sh(f"ip route replace {FAR} dev ipsec0 src {GATEWAY}")
            found = {}
            for suite in SUITES:
                door = Door(scope(tunnel(child(proposals=[suite]), remote=remote), mtu=9000, **more))
                door.load()
                door.initiate()
                fits = esp_mtu(OUTER, [suite], version)
                with Sizes("device", "nm-agent") as sizes:
                    found[suite] = await outside(sizes, fits) <= OUTER < await outside(sizes, fits + 1)
                list(door.session.terminate({"ike": "cloud1"}))
            assert found == dict.fromkeys(SUITES, True)


@pytest.mark.bothkernels
@isolated
async def test_the_links_mtu() -> None:
    """Over ports of 1380 bytes `ipsec0` takes what just fits in one packet outside, and refuses one more byte."""
    wanted = scope(mtu=1380)
    with surroundings(accepts(far_child(esp="aes256-sha256")), mtu=1380):
        async with stage() as agent:
            await bring(agent, wanted)
            sh(f"ip route replace {FAR} dev ipsec0 src {GATEWAY}")
            door = Door(wanted)
            door.load()
            door.initiate()
            fits = esp_mtu(1380, ["aes256-sha256"], 4)
            with Sizes("device", "nm-agent") as sizes:
                assert 1380 - 16 < await outside(sizes, fits) <= 1380
            said = sh(f"ping -c 1 -W 2 -M do -s {fits - 27} -I {GATEWAY} {BEHIND} 2>&1 || true")
            assert f"mtu={fits}" in said, said
