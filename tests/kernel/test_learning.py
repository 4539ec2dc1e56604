"""Learning addresses from the kernel's own duplicate address detection, on a bridge with two applications."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest

from netnsmgr.agent.learning import Learning
from netnsmgr.core.agreed import ND_GROUP
from netnsmgr.core.ip import mac_made
from netnsmgr.errors import KernelError
from netnsmgr.features.acl.lists import LINK
from netnsmgr.features.learnable import Ground
from netnsmgr.features.nets import Learned
from netnsmgr.kernel.neighbours import ask, neighbours
from netnsmgr.kernel.solicitations import Solicitations
from tests.kernel.stage import sh
from tests.lab import isolated

pytestmark = pytest.mark.root

MACS = {1: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}
NET = IPv6Network("fd00:1::/64")
GROUND = Ground(
    MACS, frozenset({NET}), given=dict.fromkeys([NET[0], NET[1], mac_made(LINK, "02:00:00:00:00:99")])
)
PATH = Path("/run/learned.json")


def bridge() -> None:
    """The instance with two applications whose interfaces are down; one rule copies what announces an address."""
    sh("""
        ip link add bn0 type bridge
        ip link set bn0 address 02:00:00:00:00:99 up
        ip address add fd00:1::1/64 dev bn0 nodad
    """)
    for vif, mac in MACS.items():
        sh(f"""
            ip netns add app{vif}
            ip link add app{vif}.eth0 type veth peer name eth0 netns app{vif} address {mac}
            ip link set app{vif}.eth0 master bn0 up
        """)
    sh(f"""nft -f - <<-END
        table bridge netnsmgr_vif {{
            chain prerouting {{
                type filter hook prerouting priority -300
                iifname app1.eth0 meta mark set 0x00070001
                iifname app2.eth0 meta mark set 0x00070002
                ip6 saddr :: icmpv6 type nd-neighbor-solicit log prefix "nd" group {ND_GROUP}
            }}
        }}
END""")


def app(vif: int, script: str) -> str:
    return sh(f"ip netns exec app{vif} sh -ec '{script}'")


def up(vif: int) -> None:
    app(vif, "ip link set eth0 up")


async def settled(vif: int) -> None:
    """Wait until all detection is over: till then an application does not defend an address."""
    async with asyncio.timeout(20):
        while "tentative" in app(vif, "ip -6 address show dev eth0"):
            await asyncio.sleep(0.05)


class Waiting:
    """Calls itself what the agent does when it is woken."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.learning = Learning("/run", self.woken.set)
        self.learning.keep(GROUND)

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not seen():
                await self.woken.wait()
                self.woken.clear()
                self.learning.keep(GROUND)

    @property
    def learned(self) -> tuple[Learned, ...]:
        return self.learning.learned


@isolated
async def test_an_application_takes_addresses() -> None:
    """Its link-local address when its interface comes up, and each other; they are on record, also for a successor."""
    bridge()
    w = Waiting()
    assert w.learning.learned == ()
    before = time.monotonic()
    up(1)
    await w.until(lambda: Learned(1, mac_made(LINK, MACS[1])) in w.learned)
    app(1, "ip address add fd00:1::5/64 dev eth0; ip address add fd00:2::5/64 dev eth0")
    await w.until(lambda: Learned(1, NET[5]) in w.learned)
    assert time.monotonic() - before < 5
    assert {found.address for found in w.learned} == {mac_made(LINK, MACS[1]), NET[5]}
    assert len(json.loads(PATH.read_text())) == 2
    w.learning.close()
    successor = Waiting()
    assert set(successor.learned) == set(w.learned)
    successor.learning.close()


@isolated
async def test_nobody_takes_the_gateway_or_what_is_held() -> None:
    """The gateway's addresses are nobody's, and who holds one and answers keeps it."""
    bridge()
    w = Waiting()
    up(1)
    app(1, "ip address add fd00:1::5/64 dev eth0")
    await w.until(lambda: Learned(1, NET[5]) in w.learned)
    await settled(1)
    up(2)
    app(2, "for a in fd00:1::1 fd00:1:: fe80::ff:fe00:99 fd00:1::5; do ip address add $a/64 dev eth0; done")
    app(2, "ip address add fd00:1::6/64 dev eth0")
    await w.until(lambda: Learned(2, NET[6]) in w.learned)
    # The question is answered at once; that it was, is read when all three might have been.
    assert w.learning._book.next_look() is not None
    await asyncio.sleep(5)
    w.learning.keep(GROUND)
    own = {Learned(vif, mac_made(LINK, mac)) for vif, mac in MACS.items()}
    assert set(w.learned) == own | {Learned(1, NET[5]), Learned(2, NET[6])}
    w.learning.close()


@isolated
async def test_who_has_left_leaves_the_address() -> None:
    """Another gets it within seconds."""
    bridge()
    w = Waiting()
    up(1)
    app(1, "ip address add fd00:1::5/64 dev eth0")
    await w.until(lambda: Learned(1, NET[5]) in w.learned)
    app(1, "ip address del fd00:1::5/64 dev eth0")
    up(2)
    app(2, "ip address add fd00:1::5/64 dev eth0")
    await w.until(lambda: Learned(2, NET[5]) in w.learned)
    assert Learned(1, NET[5]) not in w.learned
    w.learning.close()


@isolated
async def test_without_ground_there_is_no_socket() -> None:
    """Nor a file, a timer, or a descriptor that is left."""
    bridge()
    before = len(list(Path("/proc/self/fd").iterdir()))
    learning = Learning("/run")
    assert learning.keep(None) == ()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    learning.keep(GROUND)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 1
    learning.keep(None)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert not PATH.exists()


@isolated
async def test_an_overrun_is_counted_and_ends_nothing() -> None:
    bridge()
    source = Solicitations()
    up(1)
    app(1, 'for n in $(seq 600); do echo "address add fd00:1::1:$n/64 dev eth0"; done | ip -batch -')
    await settled(1)
    found = {said.address for said in source.receive(10_000)}
    assert 20 < len(found) < 600
    app(1, "ip address add fd00:1::9/64 dev eth0")
    async with asyncio.timeout(5):
        while NET[9] not in (said.address for said in source.receive(100)):
            await asyncio.sleep(0.05)
    assert source.overruns() > 0
    source.close()


@isolated
async def test_who_answers() -> None:
    """The kernel asks; who answers was there just now, and who does not is not among the neighbours."""
    bridge()
    up(1)
    app(1, "ip address add fd00:1::5/64 dev eth0 nodad")
    await settled(1)
    asked = time.clock_gettime(time.CLOCK_BOOTTIME)
    ask("bn0", [(NET[5], MACS[1]), (NET[6], MACS[1])])
    await asyncio.sleep(4)
    found = neighbours("bn0")
    assert found[NET[5]].mac == MACS[1]
    assert asked < found[NET[5]].confirmed < asked + 3
    assert NET[6] not in found
    asked = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert found[NET[5]].confirmed < asked
    ask("bn0", [(NET[5], MACS[1])])
    async with asyncio.timeout(2):
        while neighbours("bn0")[NET[5]].confirmed < asked:
            await asyncio.sleep(0.05)
    with pytest.raises(KernelError, match="neighbours of none"):
        neighbours("none")
    with pytest.raises(KernelError, match="neighbours of none"):
        ask("none", [(IPv6Address("fd00::1"), MACS[1])])
