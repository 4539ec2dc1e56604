"""Tags in a switch that tells VLANs apart: none leads from one VLAN into another, here or at the next switch."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from tests.kernel.stage import sh
from tests.kernel.switchstage import MACS, PORT, Switch, app
from tests.lab import isolated
from tests.lab.patience import patient
from tests.scenarios.frames import BROADCAST, ethernet

pytestmark = pytest.mark.fullkernel
Q, AD = 0x8100, 0x88A8
KIND = 0x88B5


def with_vlans() -> None:
    """As the items of the bridge have it: a is a trunk, b in 100, c among those without tag."""
    sh(f"""
    ip link set bn0 type bridge vlan_filtering 1 vlan_default_pvid 0
    for vid in 100 200; do bridge vlan add dev {PORT} vid $vid; bridge vlan add dev a.eth0 vid $vid; done
    for link in {PORT} a.eth0 c.eth0; do bridge vlan add dev $link vid 1 pvid untagged; done
    bridge vlan del dev b.eth0 vid 1
    bridge vlan add dev b.eth0 vid 100 pvid untagged
    bridge fdb replace {MACS["a"]} dev a.eth0 vlan 1 master static sticky
    bridge fdb replace {MACS["a"]} dev a.eth0 vlan 100 master static sticky
    bridge fdb replace {MACS["b"]} dev b.eth0 vlan 100 master static sticky
    bridge fdb replace {MACS["c"]} dev c.eth0 vlan 1 master static sticky""")


def arrives(switch: Switch, sender: str, *tags: tuple[int, int]) -> bool:
    """Whether the site gets a broadcast with these tags, the first outermost, with whatever is left of them."""
    word = f"{sender} {tags}".encode()
    frame = ethernet(BROADCAST, MACS[sender], KIND, word)
    frame = frame[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + frame[12:]
    switch.send(sender, frame)
    end = time.monotonic() + patient(0.05)
    while time.monotonic() < end:
        if any(word in each for each in switch.heard("site")):
            return True
    return False


@isolated
def test_one_tag_is_all_that_a_trunk_may_send() -> None:
    async def run() -> None:
        apps = [
            app("a", vlan={"trunk": [100, 200]}),
            app("b", vlan={"access": 100}),
            app("c", vlan={"access": 1}),
        ]
        async with Switch(*apps, vlans={PORT: {"trunk": [100, 200]}}) as switch:
            with_vlans()
            found = {
                (sender, tags)
                for sender in ("a", "b", "c")
                for tags in (
                    (),
                    ((Q, 100),),
                    ((Q, 0), (Q, 200)),
                    ((Q, 1), (Q, 200)),
                    ((Q, 100), (Q, 200)),
                    ((Q, 100), (AD, 200)),
                    ((AD, 200),),
                    ((AD, 100), (Q, 200)),
                )
                if arrives(switch, sender, *tags)
            }
            assert found == {("a", ()), ("a", ((Q, 100),)), ("b", ()), ("c", ())}

    asyncio.run(run())
