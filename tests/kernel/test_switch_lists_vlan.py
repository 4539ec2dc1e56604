"""Access lists where a switch tells VLANs apart: a tag hides nothing, and the same addresses in two VLANs are two flows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.kernel.stage import sh
from tests.kernel.switchstage import MACS, PORT, Switch, app
from tests.kernel.test_switch_lists import CLIENT, SERVER, WEB, frame, ip
from tests.lab import isolated

pytestmark = pytest.mark.fullkernel

SSH = [{"id": 1, "match": {"protocol": "tcp", "fport": 22}, "direction": "out"}]


def tagged(vid: int, whole: bytes) -> bytes:
    return whole[:12] + b"\x81\x00" + vid.to_bytes(2, "big") + whole[12:]


def with_vlans() -> None:
    """As the items of the bridge have it: a is a trunk, b in 100, c in 200."""
    sh(f"""
    ip link set bn0 type bridge vlan_filtering 1 vlan_default_pvid 0
    for vid in 100 200; do
        bridge vlan add dev {PORT} vid $vid
        bridge vlan add dev a.eth0 vid $vid
        bridge fdb replace {MACS["a"]} dev a.eth0 vlan $vid master static sticky
    done
    bridge vlan add dev b.eth0 vid 100 pvid untagged
    bridge fdb replace {MACS["b"]} dev b.eth0 vlan 100 master static sticky
    bridge vlan add dev c.eth0 vid 200 pvid untagged
    bridge fdb replace {MACS["c"]} dev c.eth0 vlan 200 master static sticky
    sysctl -qw net.netfilter.nf_conntrack_checksum=0""")


def reach(switch: Switch, vid: int | None, ends: tuple[str, str], packet: bytes) -> set[str]:
    """Who hears a packet that is sent with this tag; a socket is told of a tag beside the frame."""
    whole = frame(ends, packet)
    for name in switch.sockets:
        switch.heard(name)
    switch.send(ends[0], whole if vid is None else tagged(vid, whole))
    return {name for name in switch.sockets if whole in switch.heard(name)}


@isolated
def test_a_tag_hides_nothing_from_a_list() -> None:
    """A trunk's list is asked about what is in its VLANs, out and in, and a link without tags about what comes with one."""

    async def run() -> None:
        vlans: Any = {"eth3": {"trunk": [100, 200]}}
        lists = {"a": {"trunk": [100, 200]}, "b": {"access": 100}}
        apps = [app(name, acl=WEB, vlan=vlan) for name, vlan in lists.items()]
        async with Switch(*apps, app("c", acl=SSH, vlan={"access": 200}), vlans=vlans) as switch:
            with_vlans()
            web, other = ip(CLIENT, 4000, SERVER, 80), ip(CLIENT, 4000, SERVER, 81)
            back, asks = ip(SERVER, 80, CLIENT, 4000), ip(SERVER, 4000, CLIENT, 80)
            out, to = ("a", "site"), ("site", "a")
            assert reach(switch, 100, out, other) == set()
            assert reach(switch, 100, to, asks) == set()
            assert reach(switch, 100, out, web) >= {"site"}
            assert reach(switch, 100, to, back) == {"a"}
            # The same addresses in another VLAN, of others: each by its own list, and none in the other's way.
            assert reach(switch, None, ("b", "site"), web) >= {"site"}
            assert reach(switch, None, ("c", "site"), web) == set(), "port 80, whatever b was allowed"
            assert reach(switch, 100, ("site", "b"), back) == {"b"}
            assert reach(switch, 200, ("site", "c"), back) == set()

    asyncio.run(run())
