"""The bridge of a switch and its ports against the real kernel."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.features.switch import guard
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.link import Bridge, ExternalLink, Tap
from netnsmgr.items.switch_bridge import SwitchBridge
from tests.kernel.stage import sh, stage
from tests.lab import isolated

BRIDGE = SwitchBridge("bn0", 1400, "02:00:00:00:00:01", alias="ni6")
STP = replace(BRIDGE, stp=True, priority=4096, forward_delay=4, groups=1 << 14)
LINK = ExternalLink("eth3")
PORT = BridgePort("eth3", "bn0")
FAR = "ip link add eth3 type veth peer name site; ip link set site up"


def bridge(name: str = "bn0") -> dict[str, Any]:
    (found,) = json.loads(sh(f"ip -d -j link show dev {name}"))
    return dict(found)


def port(name: str = "eth3") -> dict[str, Any]:
    (found,) = json.loads(sh(f"ip -d -j link show dev {name}"))
    return dict(found)


def data(link: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = link["linkinfo"]["info_data"]
    return found


class TestBridge:
    @isolated
    async def test_is_there_as_intended(self) -> None:
        """A bridge without spanning tree, without groups to snoop on, and no VLAN for ports by itself."""
        async with stage() as agent:
            assert await agent.bring(BRIDGE) == ["create link/bn0"]
            found = data(bridge())
            assert (found["stp_state"], found["mcast_snooping"], found["group_fwd_mask"]) == (0, 0, "0")
            assert found["no_linklocal_learn"] == 1
            assert bridge()["ifalias"] == "netnsmgr:ni6|switch|15"
            assert bridge()["mtu"] == 1400

    @isolated
    async def test_spanning_tree_with_legal_times(self) -> None:
        """A short forward delay brings the longest age that IEEE 802.1D allows with it."""
        async with stage() as agent:
            await agent.bring(STP)
            found = data(bridge())
            times = [
                found[name] for name in ("stp_state", "forward_delay", "max_age", "hello_time", "priority")
            ]
            assert times == [1, 400, 600, 200, 4096]
            assert found["group_fwd_mask"] == "0x4000"

    @isolated
    async def test_is_changed_in_place(self) -> None:
        """Spanning tree on and off, its times, and groups: the link stays; what somebody else changed is repaired."""
        async with stage() as agent:
            await agent.bring(BRIDGE)
            before = bridge()["ifindex"]
            for other in (STP, replace(STP, forward_delay=20), BRIDGE):
                assert await agent.bring(other) == ["modify link/bn0"]
            sh("ip link set bn0 type bridge mcast_snooping 1 stp_state 1")
            assert await agent.bring(BRIDGE) == ["modify link/bn0"]
            assert bridge()["ifindex"] == before

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        async with stage() as agent:
            await agent.verbs(STP, old=BRIDGE)

    @isolated
    async def test_of_another_type_is_replaced(self) -> None:
        """The bridge of a local instance is not made a switch's, nor the other way round."""
        local = Bridge("bn0", 1400, "02:00:00:00:00:01", alias="ni6")
        async with stage() as agent:
            await agent.bring(local)
            assert await agent.bring(BRIDGE) == ["delete link/bn0", "create link/bn0"]
            assert await agent.bring(local) == ["delete link/bn0", "create link/bn0"]

    @isolated
    async def test_half_made_or_renamed_is_kept(self) -> None:
        """A bridge without our alias, as one is whose maker was cut off, is completed in place."""
        async with stage() as agent:
            for alias in ("", "another"):
                await agent.bring(BRIDGE)
                sh(f"ip link set bn0 alias '{alias}'")
                assert await agent.bring(BRIDGE) == ["modify link/bn0"]

    @isolated
    async def test_keeps_its_times_under_another_root(self) -> None:
        """While another bridge is the root the kernel shows that one's times: nothing is to be repaired."""
        sh("ip link add other type bridge stp_state 1 priority 0 forward_delay 500; ip link set other up")
        sh("ip link add eth3 type veth peer name site; ip link set site master other up")
        async with stage() as agent:
            wanted = (replace(BRIDGE, stp=True), LINK, PORT)
            await agent.once(*wanted)
            for _ in range(100):
                if data(bridge())["forward_delay"] == 500:
                    break
                sh("sleep 0.1")
            assert data(bridge())["forward_delay"] == 500
            assert await agent.once(*wanted) == []

    @isolated
    async def test_vlans_where_the_kernel_has_none(self) -> None:
        """A kernel without VLANs is named as such, and nothing is made that would mix them."""
        async with stage() as agent:
            if not vlans_known():
                with pytest.raises(KernelError, match="bridges know no VLANs"):
                    await agent.once(replace(BRIDGE, vlans=True))


def vlans_known() -> bool:
    try:
        sh("ip link add probe type bridge vlan_filtering 1; ip link del probe")
    except AssertionError:
        return False
    return True


class TestPort:
    @isolated
    async def test_joins_the_bridge(self) -> None:
        """A port is enslaved, guarded and up; a second plan is empty; one that was released is taken again."""
        sh(FAR)
        async with stage() as agent:
            guarded = replace(PORT, guard=True)
            assert await agent.bring(BRIDGE, LINK, guarded) == ["create link/bn0", "create bridge-port/eth3"]
            found = port()
            assert (found["master"], "UP" in found["flags"]) == ("bn0", True)
            assert found["linkinfo"]["info_slave_data"]["guard"] is True
            sh("ip link set eth3 nomaster")
            assert await agent.bring(BRIDGE, LINK, guarded) == ["create bridge-port/eth3"]
            sh("ip link set eth3 down")
            assert await agent.bring(BRIDGE, LINK, PORT) == ["modify bridge-port/eth3"]
            assert port()["linkinfo"]["info_slave_data"]["guard"] is False

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        sh(FAR)
        async with stage() as agent:
            await agent.bring(BRIDGE)
            await agent.verbs(replace(PORT, guard=True), BRIDGE, LINK, old=PORT)

    @isolated
    async def test_that_was_given_back_is_gone(self) -> None:
        """A port waits for its link; when it has left, nothing of it is there, and it is no failure."""
        async with stage() as agent:
            assert await agent.bring(BRIDGE, LINK, PORT) == ["create link/bn0"]
            sh(FAR)
            assert await agent.bring(BRIDGE, LINK, PORT) == ["create bridge-port/eth3"]
            sh("ip link del eth3")
            assert await agent.bring(BRIDGE, LINK, PORT) == []
            assert await agent.bring(BRIDGE) == []

    @isolated
    async def test_survives_a_new_bridge(self) -> None:
        """When the bridge was removed, it is made again with its port."""
        sh(FAR)
        async with stage() as agent:
            await agent.bring(BRIDGE, LINK, PORT)
            sh("ip link del bn0")
            await agent.bring(BRIDGE, LINK, PORT)
            assert port()["master"] == "bn0"


class TestOwnAddress:
    """A port behind which there is one MAC address."""

    MAC = "02:16:3e:00:00:07"

    @isolated
    async def test_is_known_without_learning(self) -> None:
        sh(FAR)
        async with stage() as agent:
            locked = replace(PORT, guard=True, mac=self.MAC)
            await agent.bring(BRIDGE, LINK, locked)
            slave = port()["linkinfo"]["info_slave_data"]
            assert (slave["learning"], slave["flood"], slave["locked"]) == (False, False, True)
            assert f"{self.MAC} sticky master bn0 static" in " ".join(sh("bridge fdb show dev eth3").split())
            sh(f"bridge fdb del {self.MAC} dev eth3 master")
            assert await agent.bring(BRIDGE, LINK, locked) == ["modify bridge-port/eth3"]
            await agent.bring(BRIDGE, LINK, PORT)
            assert port()["linkinfo"]["info_slave_data"]["locked"] is False

    @isolated
    async def test_others_do_not_pass(self) -> None:
        """Frames of another sender are dropped, and so are frames for a receiver who is not there."""
        sh(FAR)
        sh("ip link add eth4 type veth peer name other; ip link set other up")
        async with stage() as agent:
            open_port = BridgePort("eth4", "bn0")
            await agent.bring(BRIDGE, LINK, replace(PORT, mac=self.MAC), ExternalLink("eth4"), open_port)
            arrived = crossing("site", "other", self.MAC, "02:16:3e:00:00:08")
            assert arrived == {self.MAC}
            arrived = crossing("other", "site", "02:00:00:00:00:aa", to=("02:00:00:00:00:bb", self.MAC))
            assert arrived == {"02:00:00:00:00:aa"}


def crossing(out: str, into: str, *senders: str, to: tuple[str, ...] = ("ff:ff:ff:ff:ff:ff",)) -> set[str]:
    """Send frames by one link; whose of them arrive at another one, the last one given for the end of waiting."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as there:
        there.bind((into, 0x88B5))
        there.settimeout(0.5)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as here:
            here.bind((out, 0x88B5))
            for sender in senders:
                for target in to:
                    here.send(packed(target) + packed(sender) + b"\x88\xb5" + packed(target) + bytes(50))
        found = []
        with suppress(TimeoutError):
            while True:
                found.append(there.recv(2000))
    assert all(frame[:6] == packed(to[-1]) for frame in found)
    return {frame[6:12].hex(":") for frame in found}


def packed(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def states() -> dict[str, str]:
    return {
        each["ifname"]: each["state"] for each in json.loads(sh("bridge -j link show")) if each.get("master")
    }


class TestSecondPort:
    """A port that comes to a switch with one, and goes again."""

    OTHER = (ExternalLink("eth4"), BridgePort("eth4", "bn0"))

    @isolated
    async def test_who_forwards_goes_on(self) -> None:
        """With the second port the spanning tree begins: the first goes on, the second waits; without it nobody waits."""
        sh(FAR)
        sh("ip link add eth4 type veth peer name site4; ip link set site4 up")
        async with stage() as agent:
            await agent.bring(BRIDGE, LINK, PORT)
            assert states() == {"eth3": "forwarding"}
            await agent.bring(STP, LINK, PORT, *self.OTHER)
            assert states() == {"eth3": "forwarding", "eth4": "listening"}
            sh("ip link set eth4 nomaster")
            await agent.bring(BRIDGE, LINK, PORT)
            assert states() == {"eth3": "forwarding"}

    @isolated
    async def test_the_blocked_one_alone(self) -> None:
        """Of two ways the one in use is taken away, and the spanning tree with it: the blocked one forwards."""
        sh("ip link add loop type bridge; ip link set loop up")
        for name, far in (("eth3", "site"), ("eth4", "site4")):
            sh(f"ip link add {name} type veth peer name {far}; ip link set {far} master loop up")
        async with stage() as agent:
            await agent.once(STP, LINK, PORT, *self.OTHER)
            await until(
                lambda: sorted(states().values()) == ["blocking", "forwarding", "forwarding", "forwarding"]
            )
            used = next(name for name in ("eth3", "eth4") if states()[name] == "forwarding")
            sh(f"ip link set {used} nomaster")
            left = self.OTHER if used == "eth3" else (LINK, PORT)
            await agent.once(BRIDGE, *left)
            await until(lambda: states()[left[0].name] == "forwarding")


async def until(seen: Callable[[], bool], timeout: float = 30.0) -> None:
    end = asyncio.get_running_loop().time() + timeout
    while not seen():
        assert asyncio.get_running_loop().time() < end, states()
        await asyncio.sleep(0.1)


@isolated
async def test_leaves_before_its_guard() -> None:
    """The port of an application that nobody wants any more, found by an agent that knows nothing: it goes first."""
    vif = Tap("app.eth0", 1400, alias="app/eth0", joins=True)
    table = guard.items()
    part = guard.part(guard.Vif("app.eth0", 1, "02:00:00:00:00:0a"))
    joined = BridgePort("app.eth0", "bn0", guard=True, mac="02:00:00:00:00:0a", needs=frozenset({part.ref}))
    async with stage() as agent:
        await agent.bring(BRIDGE, LINK, vif, *table, part, joined)
        assert port("app.eth0")["master"] == "bn0"
    async with stage() as agent:
        assert await agent.found(BRIDGE, LINK, vif, *table, part) >= ["bridge-port/app.eth0"]
        left = [op for op in await agent.once(BRIDGE) if "nft-table" not in op]
        assert left == ["delete bridge-port/app.eth0", f"delete {part.ref}", "delete link/app.eth0"]
    # Without its guard it is none, either, until that is there again.
    async with stage() as agent:
        await agent.bring(BRIDGE, vif, *table, part, joined)
        sh("nft delete table netdev netnsmgr_vif")
        done = await agent.bring(BRIDGE, vif, *table, part, joined)
        assert "delete bridge-port/app.eth0" in done
        assert done[-1] == "create bridge-port/app.eth0"
