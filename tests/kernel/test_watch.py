"""What says "look again", against the real kernel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from netnsmgr.kernel.watch import DirectoryWatch, MountWatch, NamespaceWatch, NetlinkWatch
from tests.kernel.stage import sh
from tests.lab import isolated


async def hears(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), 5)
    event.clear()


async def hears_nothing(event: asyncio.Event) -> None:
    for _ in range(20):
        await asyncio.sleep(0)
    assert not event.is_set()


@pytest.mark.parametrize(
    "change",
    [
        "ip link add v0 type veth peer name v1",
        "ip address add 127.0.0.2/8 dev lo",
        "ip route add 10.9.0.0/24 dev lo table 7",
        "ip rule add pref 7 lookup 7",
        "ip link set lo down",
        "nft add table inet t",
    ],
)
@isolated
async def test_netlink(change: str) -> None:
    """A change of a link, an address, a route, a rule or of nftables wakes us; what is drained is forgotten."""
    changed = asyncio.Event()
    watch = NetlinkWatch(changed.set)
    assert not watch.drain()
    sh(change)
    await hears(changed)
    sh("ip link set lo mtu 60000")
    assert watch.drain()
    await hears_nothing(changed)
    watch.close()


@isolated
async def test_netlink_overrun() -> None:
    """More messages than the socket holds are lost, and wake us all the same."""
    changed = asyncio.Event()
    watch = NetlinkWatch(changed.set)
    watch._sockets[0].setsockopt(1, 8, 2048)  # SOL_SOCKET, SO_RCVBUF
    Path("/run/batch").write_text("".join(f"route add 10.9.{n}.0/24 dev lo\n" for n in range(200)))
    sh("ip -batch /run/batch")
    await hears(changed)
    assert not watch.drain()
    sh("ip link set lo mtu 60000")
    await hears(changed)
    watch.close()


@isolated
async def test_mounts() -> None:
    """While it is enabled, a named namespace that appears or goes wakes us; enabling looks once at once,
    and enabling twice or disabling twice is fine."""
    changed = asyncio.Event()
    watch = MountWatch(changed.set)
    sh("ip netns add before")
    await hears_nothing(changed)
    for _ in range(2):
        watch.enable(True)
        watch.enable(True)
        await hears(changed)
        sh("ip netns add app1")
        await hears(changed)
        sh("ip netns del app1")
        await hears(changed)
        await hears_nothing(changed)
        watch.enable(False)
        watch.enable(False)
        sh("ip netns add app2; ip netns del app2")
        await hears_nothing(changed)


@isolated
async def test_namespaces() -> None:
    """A named namespace that appears, goes or is replaced wakes us, also between our look and our watching; no other."""
    changed = asyncio.Event()
    watch = NamespaceWatch(changed.set)
    one = "/run/netns/one"
    sh("ip netns add other")
    watch.watch({one: False})
    await hears_nothing(changed)
    sh("ip netns add one")
    await hears(changed)
    watch.watch(
        {one: False}
    )  # told already; or there is one that is not wanted: nobody looks again and again
    await hears_nothing(changed)
    sh("ip netns add two")
    watch.watch({one: True, "/run/netns/two": False})  # we looked before it was there
    await hears(changed)
    watch.watch({one: True})
    await hears_nothing(changed)
    sh("ip netns del other; ip netns add another")
    await asyncio.sleep(0.3)
    await hears_nothing(changed)
    sh("exec 3</run/netns/one; ip netns del one; ip netns add one")  # the old one lives a moment longer
    await hears(changed)
    watch.watch({one: True})
    sh("exec 3</run/netns/one; ip netns del one; ip netns add one")  # the old one lives a moment longer
    watch.watch({one: True})
    await hears(changed)
    sh("ip netns del one")
    await hears(changed)
    watch.close()


@isolated
async def test_directories() -> None:
    """A file that is made, written or renamed into a directory wakes us; reading does not."""
    Path("/run/leases").mkdir()
    changed = asyncio.Event()
    watch = DirectoryWatch("/run/leases", changed.set)
    for change in (
        "echo 1 >/run/leases/a",
        "echo 2 >>/run/leases/a",
        "mv /run/leases/a /run/leases/b",
        "rm /run/leases/b",
    ):
        sh(change)
        await hears(changed)
    sh("ls /run/leases")
    await hears_nothing(changed)
    watch.close()
