"""Links against the real kernel."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest

from netnsmgr.core.item import Ref
from netnsmgr.errors import KernelError
from netnsmgr.items.link import Bridge, ExternalLink, ExternalNetns, LinkUp, Tap, Veth
from tests.kernel.stage import sh, stage
from tests.lab import isolated

BRIDGE = Bridge("bn0", 1400, "02:00:00:00:00:01", alias="ni1")
APP = ExternalNetns("app1", "/run/netns/app1")
VETH = Veth(
    "app1.eth0",
    1400,
    master="bn0",
    alias="app1/eth0",
    far_netns="app1",
    far_path="/run/netns/app1",
    far_name="eth0",
    far_mac="02:16:3e:00:00:01",
)
tun = pytest.mark.skipif(
    not os.access("/dev/net/tun", os.R_OK | os.W_OK), reason="/dev/net/tun is not there, or not for us"
)
TAP = Tap("vm.tap0", 1400, master="bn0", alias="vm/tap0")


def link(name: str, netns: str = "") -> dict[str, Any]:
    """What ``ip`` says of a link."""
    (found,) = json.loads(sh(f"ip {f'-n {netns}' if netns else ''} -d -j link show dev {name}"))
    assert isinstance(found, dict)
    return found


def names() -> list[str]:
    return sorted(os.listdir("/sys/class/net"))


class TestBridge:
    @isolated
    async def test_is_there_as_intended(self) -> None:
        """A bridge is made up, with its MTU, MAC and alias, and the second plan is empty."""
        async with stage() as agent:
            assert await agent.bring(BRIDGE) == ["create link/bn0"]
            found = link("bn0")
            assert (found["mtu"], found["address"], found["ifalias"]) == (1400, BRIDGE.mac, "netnsmgr:ni1")
            assert "UP" in found["flags"]

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        """Making a bridge twice, changing it twice and removing it twice is fine."""
        async with stage() as agent:
            await agent.verbs(BRIDGE, old=replace(BRIDGE, mtu=1500))
            assert names() == ["lo"]

    @isolated
    async def test_is_changed_in_place(self) -> None:
        """MTU, MAC and alias of a bridge change without a new link; one set down by hand is set up again."""
        async with stage() as agent:
            await agent.bring(BRIDGE)
            index = link("bn0")["ifindex"]
            other = replace(BRIDGE, mtu=1300, mac="02:00:00:00:00:02", alias="other")
            assert await agent.bring(other) == ["modify link/bn0"]
            sh("ip link set bn0 down mtu 1280")
            assert await agent.bring(other) == ["modify link/bn0"]
            assert link("bn0")["ifindex"] == index

    @tun
    @isolated
    async def test_keeps_its_mtu_and_mac_while_ports_come_and_go(self) -> None:
        """A bridge's MTU and MAC do not follow its ports."""
        async with stage() as agent:
            await agent.bring(BRIDGE)
            await agent.bring(BRIDGE, TAP)
            assert await agent.bring(BRIDGE) == ["delete link/vm.tap0"]

    @tun
    @isolated
    async def test_deleted_by_hand_comes_back_with_its_ports(self) -> None:
        """A bridge that somebody deletes is made again and its ports join it, without being made anew."""
        async with stage() as agent:
            await agent.bring(BRIDGE, TAP)
            index = link("vm.tap0")["ifindex"]
            sh("ip link del bn0")
            assert await agent.bring(BRIDGE, TAP) == ["create link/bn0", "modify link/vm.tap0"]
            assert link("vm.tap0")["ifindex"] == index

    @isolated
    async def test_something_else_in_its_place_is_replaced(self) -> None:
        """Another kind of link under the name of a wanted one goes."""
        async with stage() as agent:
            sh("ip link add bn0 type veth peer name x")
            assert await agent.bring(BRIDGE) == ["delete link/bn0", "create link/bn0"]


class TestVeth:
    @isolated
    async def test_is_there_as_intended(self) -> None:
        """A pair is made in one go: our end a port of the bridge, the far end born in its namespace,
        with its name, MAC and MTU, down; and the second plan is empty."""
        sh("ip netns add app1")
        async with stage() as agent:
            assert await agent.bring(BRIDGE, APP, VETH) == ["create link/bn0", "create link/app1.eth0"]
            near, far = link("app1.eth0"), link("eth0", "app1")
            assert (near["mtu"], near["master"]) == (1400, "bn0")
            assert near["ifalias"] == "netnsmgr:app1/eth0|eth0|02:16:3e:00:00:01"
            assert (far["mtu"], far["address"]) == (1400, "02:16:3e:00:00:01")
            assert "UP" in near["flags"]
            assert "UP" not in far["flags"]

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        """Making a pair twice, changing it twice and removing it twice is fine."""
        sh("ip netns add app1")
        async with stage() as agent:
            await agent.bring(BRIDGE)
            await agent.verbs(VETH, BRIDGE, APP, old=replace(VETH, mtu=1500))
            assert names() == ["bn0", "lo"]

    @isolated
    async def test_is_changed_in_place(self) -> None:
        """MTU and bridge of our end change without a new pair: the application does not lose its link."""
        sh("ip netns add app1")
        async with stage() as agent:
            await agent.bring(BRIDGE, APP, VETH)
            index = link("app1.eth0")["ifindex"]
            free = replace(VETH, mtu=1300, master="")
            assert await agent.bring(BRIDGE, APP, free) == ["modify link/app1.eth0"]
            assert await agent.bring(BRIDGE, APP, VETH) == ["modify link/app1.eth0"]
            assert link("app1.eth0")["ifindex"] == index

    @pytest.mark.parametrize("change", [{"far_name": "eth1"}, {"far_mac": "02:16:3e:00:00:02"}])
    @isolated
    async def test_what_the_far_end_is_cannot_be_changed(self, change: dict[str, Any]) -> None:
        """Another name or MAC of the far end takes a new pair."""
        sh("ip netns add app1")
        async with stage() as agent:
            await agent.bring(BRIDGE, APP, VETH)
            other = replace(VETH, **change)
            assert await agent.bring(BRIDGE, APP, other) == [
                "delete link/app1.eth0",
                "create link/app1.eth0",
            ]
            assert link(other.far_name, "app1")["address"] == other.far_mac

    @isolated
    async def test_waits_for_its_namespace(self) -> None:
        """Without the far namespace nothing is made, and the pair is reported to lack it."""
        async with stage() as agent:
            await agent.bring(BRIDGE)
            todo = await agent.plan(BRIDGE, APP, VETH)
            assert str(todo) == ""
            assert todo.blocked[VETH.ref] == {Ref("netns", "app1")}

    @isolated
    async def test_a_file_that_is_no_namespace_is_none(self) -> None:
        """An unmounted pin, which an interrupted ``ip netns add`` leaves, does not count as a namespace."""
        async with stage() as agent:
            sh("touch /run/netns/app1")
            assert VETH.ref in (await agent.plan(BRIDGE, APP, VETH)).blocked

    @isolated
    async def test_follows_the_name_to_a_new_namespace(self) -> None:
        """A restarted application, whose namespace of the same name is another one now, gets its link again."""
        sh("ip netns add app1")
        async with stage() as agent:
            await agent.bring(BRIDGE, APP, VETH)
            # The first namespace lives on, as it does with a process left in it.
            sh("mkdir /run/old; touch /run/old/app1; mount --bind /run/netns/app1 /run/old/app1")
            sh("ip netns del app1; ip netns add app1")
            assert await agent.bring(BRIDGE, APP, VETH) == ["delete link/app1.eth0", "create link/app1.eth0"]
            assert link("eth0", "app1")["address"] == VETH.far_mac

    @isolated
    async def test_a_far_end_that_was_moved_away_is_noticed(self) -> None:
        """A far end that somebody moved into another namespace does not count."""
        sh("ip netns add app1; ip netns add other")
        async with stage() as agent:
            await agent.bring(BRIDGE, APP, VETH)
            sh("ip -n app1 link set eth0 netns other")
            assert await agent.bring(BRIDGE, APP, VETH) == ["delete link/app1.eth0", "create link/app1.eth0"]

    @isolated
    async def test_interrupted_half_way_is_made_anew(self) -> None:
        """A pair without the alias that says what its far end is, as an interruption leaves it, is replaced."""
        sh("ip netns add app1; ip link add app1.eth0 type veth peer name eth0 netns app1")
        async with stage() as agent:
            assert await agent.bring(BRIDGE, APP, VETH) == [
                "create link/bn0",
                "delete link/app1.eth0",
                "create link/app1.eth0",
            ]

    @isolated
    async def test_a_name_that_is_taken_over_there_is_told(self) -> None:
        """When the application has a link of that name already, the error says so, and what to do."""
        sh("ip netns add app1; ip -n app1 link add eth0 type bridge")
        async with stage() as agent:
            with pytest.raises(
                KernelError, match=r"app1 has an interface eth0 already.*: rename or remove it there"
            ):
                await agent.once(BRIDGE, APP, VETH)
            assert "app1.eth0" not in names()


@tun
class TestTap:
    @isolated
    async def test_is_there_as_intended(self) -> None:
        """A TAP is persistent, up, a port of the bridge, and the second plan is empty; MTU changes in place."""
        async with stage() as agent:
            assert await agent.bring(BRIDGE, TAP) == ["create link/bn0", "create link/vm.tap0"]
            found = link("vm.tap0")
            assert found["linkinfo"]["info_data"]["type"] == "tap"
            assert found["linkinfo"]["info_data"]["persist"]
            assert found["master"] == "bn0"
            assert await agent.bring(BRIDGE, replace(TAP, mtu=1300)) == ["modify link/vm.tap0"]
            assert link("vm.tap0")["ifindex"] == found["ifindex"]

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        """Making a TAP twice, changing it twice and removing it twice is fine."""
        async with stage() as agent:
            await agent.bring(BRIDGE)
            await agent.verbs(TAP, BRIDGE, old=replace(TAP, mtu=1500))
            assert names() == ["bn0", "lo"]


class TestOwnership:
    @pytest.mark.parametrize("owns_namespace", [True, False])
    @isolated
    async def test_links_of_others_are_not_reported(self, *, owns_namespace: bool) -> None:
        """A link without our alias that nobody wants is not ours, not even in an instance's own namespace."""
        async with stage(owns_namespace=owns_namespace) as agent:
            sh("ip link add br-user type bridge; ip link set br-user alias 'somebody netnsmgr:'")
            assert await agent.once() == []

    @tun
    @isolated
    async def test_a_restarted_agent_knows_its_own_links(self) -> None:
        """Links with our alias that nobody wants any more are removed, by an agent that has not made them."""
        sh("ip netns add app1")
        async with stage(owns_namespace=False) as agent:
            await agent.bring(BRIDGE, APP, VETH, TAP)
        async with stage(owns_namespace=False) as agent:
            assert await agent.bring(BRIDGE, APP, VETH, TAP) == []
            assert await agent.bring() == ["delete link/app1.eth0", "delete link/vm.tap0", "delete link/bn0"]

    @isolated
    async def test_a_wanted_fact_is_not_a_link_of_ours(self) -> None:
        """A port that is a fact is neither made nor changed nor removed, whatever its alias."""
        async with stage(owns_namespace=False) as agent:
            port = ExternalLink("eth9")
            assert not await port.holds(agent.system)
            sh("ip link add eth9 type veth peer name far; ip link set eth9 alias netnsmgr:mine")
            assert await agent.once(port) == []
            assert await port.holds(agent.system)


class TestLinkUp:
    @isolated
    async def test_sets_a_link_of_somebody_else_up(self) -> None:
        """The link is set up with our MTU, once; set down or changed by hand, it is mended; and it is left
        as it is when nobody wants it up any more."""
        async with stage() as agent:
            sh("ip link add uplink type veth peer name far")
            port, up = ExternalLink("uplink"), LinkUp("uplink", 1400)
            assert await agent.bring(port, up) == ["create link-up/uplink"]
            sh("ip link set uplink mtu 1500")
            assert await agent.bring(port, up) == ["modify link-up/uplink"]
            sh("ip link set uplink down")
            assert await agent.bring(port, up) == ["create link-up/uplink"]
            assert await agent.bring(port) == []
            assert "UP" in link("uplink")["flags"]
            await agent.verbs(up, port, old=up)

    @isolated
    async def test_without_an_mtu_any_is_right(self) -> None:
        """Where no MTU is asked for, the link keeps its own."""
        async with stage() as agent:
            sh("ip link add uplink mtu 1432 type veth peer name far")
            assert await agent.bring(ExternalLink("uplink"), LinkUp("uplink")) == ["create link-up/uplink"]
            assert link("uplink")["mtu"] == 1432
