"""Parts of tables of nftables under traffic, and of great size."""

from __future__ import annotations

import asyncio
import socket
import sys
import time

from netnsmgr.items.nft import NftTable
from tests.kernel.nft_parts import (
    FAMILY,
    PREF,
    TABLE_ITEM,
    part,
)
from tests.kernel.stage import sh, stage
from tests.lab import isolated

STREAM = """
import signal, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.9.0.1", 9000))
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
n = 0
while going:
    s.send(b"%d" % n)
    n += 1
    time.sleep(0.00005)
print(n)
"""
"""A sender: UDP at several thousand packets a second; at its end prints how many it sent."""


@isolated
async def test_no_packet_meets_a_gap() -> None:
    """A part that lets a stream pass is modified 50 times, and the skeleton with it: nothing is lost.

    Both what has no link and what no rule of the part allows is dropped, so that any gap would show.
    """
    skeleton = """
map ports { type inet_service : verdict; }
chain input {
    type filter hook input priority filter; policy accept;
    udp dport vmap @ports
    meta l4proto udp drop
}"""
    body = "%s\nchain @@_in { ip saddr . udp dport @@@_peers accept; drop; }\nset @@_peers { %s elements = { %s }; }"
    links = (("ports", "9000", "jump @@_in"),)
    elements = ", ".join(f"10.{i // 250}.{i % 250}.2 . 9000" for i in range(2400))
    parts = [
        part(
            body=body % (f"chain @@_x{i} {{ }}", f"type ipv4_addr . inet_service; {flags}", elements),
            links=links,
        )
        for i in range(25)
        for flags in ("", "flags interval;")
    ]
    skeletons = [NftTable.of(FAMILY, "acl", skeleton + f"\nchain x{i} {{ }}", carries=True) for i in range(2)]
    sh(
        "ip netns add peer; ip link add near type veth peer name far netns peer; ip addr add 10.9.0.1/24 dev near;"
        "ip link set near up; ip -n peer addr add 10.9.0.2/24 dev far; ip -n peer link set far up"
    )
    async with stage(owns_namespace=False) as agent:
        await agent.bring(skeletons[0], parts[-1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(
                socket.SOL_SOCKET, 33, 64 << 20
            )  # SO_RCVBUFFORCE: what is not read is not lost
            receiver.bind(("10.9.0.1", 9000))
            receiver.setblocking(False)
            sh("ping -c 1 -w 5 10.9.0.2")
            sender = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", "peer", sys.executable, "-c", STREAM), stdout=asyncio.subprocess.PIPE
            )
            await asyncio.get_running_loop().sock_recv(receiver, 64)
            got = 1
            for number, new in enumerate(parts):
                assert f"modify {PREF}" in await agent.once(skeletons[number % 2], new)
                got += drained(receiver)
            sender.terminate()
            assert sender.stdout is not None
            sent = int(await sender.stdout.read())
            got += drained(receiver)
        print(f"{sent} sent")
        assert got == sent > 1000


def drained(receiver: socket.socket) -> int:
    """How many datagrams were waiting."""
    count = 0
    while True:
        try:
            receiver.recv(64)
        except BlockingIOError:
            return count
        count += 1


@isolated
async def test_many_long_lists_are_observed_fast() -> None:
    """20 parts with 5,000 elements each do not slow an observation: their elements are not listed."""
    peers = [
        ", ".join(f"10.{i >> 8}.{i & 255}.{p} . {i + 1}-{i + 2}" for i in range(5000)) for p in range(20)
    ]
    text = (
        "set @@_peers { type ipv4_addr . inet_service; flags interval; elements = { %s }; }\n"
        "chain @@_out { ip daddr . udp dport @@@_peers accept; tcp dport { 80, 443 } accept; drop; }"
    )
    parts = [
        part(
            f"app{p}",
            text % peers[p],
            (("ports", str(p + 1), "goto @@_out"), ("marks", str(p), "jump @@_out")),
        )
        for p in range(20)
    ]
    async with stage() as agent:
        begun = time.monotonic()
        await agent.bring(TABLE_ITEM, *parts)
        print("load 20 parts:", time.monotonic() - begun)
    async with stage() as restarted:
        begun = time.monotonic()
        await restarted.observe(TABLE_ITEM, *parts)
        print("first observation:", time.monotonic() - begun)
        times = []
        for _ in range(5):
            sh("nft add table ip other; nft delete table ip other")
            begun = time.monotonic()
            assert len(await restarted.system.nft.parts()) == 20
            times.append(time.monotonic() - begun)
        print("after a change elsewhere:", times)
        begun = time.monotonic()
        assert len(await restarted.system.nft.parts()) == 20
        print("unchanged:", time.monotonic() - begun)
        assert await restarted.once(TABLE_ITEM, *parts) == []
        assert min(times) < 0.1
