"""Ports of the device that go to a switch's namespace and come back, against the real kernel."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.link import ExternalLink, ExternalNetns
from netnsmgr.items.port import BorrowedPort, LentPort
from netnsmgr.items.port_record import RECORD, Record
from netnsmgr.kernel.namespace import enter, open_own
from tests.kernel.stage import sh, stage
from tests.lab import isolated

SWITCH = ExternalNetns("ni6", "/run/netns/ni6")
PORT = LentPort("eth3", "ni6", "/run/netns/ni6")


def link(name: str, netns: str = "") -> dict[str, Any]:
    """What ``ip`` says of a link."""
    (found,) = json.loads(sh(f"ip {f'-n {netns}' if netns else ''} -d -j link show dev {name}"))
    assert isinstance(found, dict)
    return found


def world(port: str = "") -> None:
    """A namespace for the switch, and a port as somebody may leave it."""
    sh("ip netns add ni6; ip link add eth3 mtu 1480 address 02:00:00:00:03:01 type veth peer name far")
    sh(port or "ip link set eth3 up; ip link set far up; ip link set eth3 alias 'the \"blue\" cable'")


def as_found() -> tuple[Any, ...]:
    found = link("eth3")
    return found["address"], found["mtu"], "UP" in found["flags"], found.get("ifalias")


class TestLent:
    @isolated
    async def test_goes_and_the_second_plan_is_empty(self) -> None:
        """A wanted port is in the other namespace, with its name, its MAC and what it was like in its alias."""
        world()
        async with stage(owns_namespace=False) as agent:
            assert await agent.bring(SWITCH, PORT) == ["create port/eth3"]
            there = link("eth3", "ni6")
            assert there["address"] == "02:00:00:00:03:01"
            record = json.loads(there["ifalias"].removeprefix(RECORD).partition(":")[2])
            assert record == {
                "instance": "ni6",
                "name": "eth3",
                "up": True,
                "mtu": 1480,
                "mac": "02:00:00:00:03:01",
                "ipv6": True,
                "alias": 'the "blue" cable',
            }

    @isolated
    async def test_comes_back_as_found(self) -> None:
        """What the switch made of it is undone: name, MAC, MTU, state and alias are those of before."""
        world()
        before = as_found()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            sh(
                "ip -n ni6 link set eth3 down mtu 1300 address 02:00:00:00:03:99; ip -n ni6 link set eth3 netns 1"
            )
            assert await agent.bring(SWITCH) == ["delete port/eth3 as found"]
            assert as_found() == before

    @isolated
    @pytest.mark.parametrize("state", ["up", "down"])
    async def test_comes_back_under_another_name(self, state: str) -> None:
        """The kernel calls it dev0 where its name was taken meanwhile; it has its name again when that is free."""
        world(f"ip link set eth3 {state}")
        before = as_found()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            sh(
                "ip link add eth3 type bridge; ip -n ni6 link set eth3 name dev7; ip -n ni6 link set dev7 netns 1"
            )
            with pytest.raises(KernelError, match="port eth3 has come back as dev7 and cannot have its name"):
                await agent.once(SWITCH)
            assert link("dev7")["ifalias"].startswith(RECORD)
            sh("ip link del eth3")
            assert await agent.bring(SWITCH) == ["delete port/dev7 as found"]
            assert as_found() == before

    @isolated
    async def test_goes_again_when_it_comes_back_while_it_is_wanted(self) -> None:
        """One that comes back under another name goes again, and its record still tells what was found first."""
        world()
        before = as_found()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            sh(
                "ip -n ni6 link set eth3 mtu 1300 name dev7; ip -n ni6 link set dev7 netns 1; ip link set dev7 up"
            )
            assert await agent.bring(SWITCH, PORT) == ["create port/eth3"]
            sh("ip -n ni6 link set eth3 netns 1")
            await agent.bring(SWITCH)
            assert as_found() == before

    @isolated
    async def test_verbs_can_be_repeated(self) -> None:
        """Lent twice, and restored when only the record was written: nothing has changed."""
        world()
        before = as_found()
        async with stage(owns_namespace=False) as agent:
            info = (await agent.system.rtnl.links())["eth3"]
            record = Record.found(info, "ni6").sealed(info, agent.system.port_key)
            await agent.system.rtnl.set_link("eth3", alias=record)
            assert await agent.bring(SWITCH) == ["delete port/eth3 as found"]
            assert as_found() == before
            for _ in range(2):
                agent.system.refresh()
                await PORT.create(agent.system)
            assert await agent.once(SWITCH, PORT) == []

    @isolated
    async def test_a_name_that_is_taken_there(self) -> None:
        """The port stays where it is, and the error says where the name is taken."""
        world()
        sh("ip -n ni6 link add eth3 type bridge")
        async with stage(owns_namespace=False) as agent:
            with pytest.raises(KernelError, match="eth3"):
                await agent.once(SWITCH, PORT)
            assert link("eth3")["mtu"] == 1480

    @isolated
    async def test_another_link_of_its_name_while_it_is_away(self) -> None:
        """That one is somebody else's, and not touched; the port is where it is."""
        world()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            sh("ip link add eth3 type veth peer name other")
            assert await agent.once(SWITCH, PORT) == []
            assert "ifalias" not in link("eth3")

    @isolated
    @pytest.mark.parametrize("forger", ["nobody", "another key", "another kind of link", "another content"])
    async def test_a_record_that_is_not_ours(self, forger: str) -> None:
        """Whoever wrote it, and whatever it says: the link is somebody else's, under its own name and under another."""
        world()
        async with stage(owns_namespace=False) as agent:
            key = agent.system.port_key
            info = (await agent.system.rtnl.links())["eth3"]
            says = Record("", "eth9", False, 1300, "02:00:00:00:00:99", False, "netnsmgr:x")
            true = says.sealed(info, key)
            alias = {
                "nobody": f"{RECORD}{says.content}",
                "another key": says.sealed(info, bytes(64)),
                "another kind of link": says.sealed(info._replace(kind="dummy"), key),
                "another content": true.replace("eth9", "eth8"),
            }[forger]
            await agent.system.rtnl.set_link("eth3", alias=alias)
            before = as_found()
            for name in ("eth9", "eth8"):
                with pytest.raises(KernelError, match=f"port {name} has gone"):
                    await agent.once(SWITCH, LentPort(name, "ni6", "/run/netns/ni6"))
            assert await agent.once(SWITCH) == []
            assert await agent.once() == []
            assert as_found() == before
            sh("ip link set eth3 netns ni6")
            enter("/run/netns/ni6")
        async with stage() as there:
            assert await there.bring() == []
            with pytest.raises(KernelError, match="not the device's port eth3"):
                await there.once(ExternalLink("eth3"), BorrowedPort("eth3"))
            assert link("eth3")["ifalias"] == alias

    @isolated
    async def test_only_into_the_namespace_of_its_switch(self, tmp_path: Path) -> None:
        """One that has the switch's name and is not its agent's gets nothing of the device's."""
        world()
        mark = tmp_path / "netns"
        switch = ExternalNetns("ni6", "/run/netns/ni6", str(mark))
        async with stage(owns_namespace=False) as agent:
            for said in (None, "1"):
                if said is not None:
                    mark.write_text(said)
                await agent.once(switch, PORT)
                assert "eth3" in sh("ip -br link")
            mark.write_text(str(os.stat("/run/netns/ni6").st_ino))
            assert await agent.bring(switch, PORT) == ["create port/eth3"]


class TestBorrowed:
    @isolated
    async def test_is_given_back_when_it_is_not_wanted(self) -> None:
        """The agent of a switch leaves a wanted port alone, and sends one home that is not."""
        world()
        before = as_found()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            at_home = inside()
            async with stage(home=at_home) as there:
                assert await there.bring(ExternalLink("eth3"), BorrowedPort("eth3")) == []
                wide = BorrowedPort("eth3", 2000)
                assert await there.bring(ExternalLink("eth3"), wide) == ["modify port/eth3"]
                assert link("eth3")["mtu"] == 2000
                assert await there.bring(ExternalLink("eth3"), BorrowedPort("eth3")) == ["modify port/eth3"]
                assert link("eth3")["mtu"] == 1480
                await there.bring(ExternalLink("eth3"), wide)
                assert await there.bring() == ["delete port/eth3"]
            enter("/run/netns/home")
            assert await agent.bring() == ["delete port/eth3 as found"]
            assert as_found() == before

    @isolated
    async def test_is_given_back_where_its_name_is_taken(self) -> None:
        """The port gets a name of the kernel's; another link of its name at home stays what it is."""
        world()
        async with stage(owns_namespace=False) as agent:
            await agent.bring(SWITCH, PORT)
            sh("ip link add eth3 type bridge")
            at_home = inside()
            async with stage(home=at_home) as there:
                await there.bring()
            enter("/run/netns/home")
            (name,) = (each for each in os.listdir("/proc/sys/net/ipv4/conf") if each.startswith("dev"))
            assert link(name)["address"] == "02:00:00:00:03:01"
            assert link("eth3")["linkinfo"]["info_kind"] == "bridge"

    @isolated
    async def test_another_link_in_its_place(self) -> None:
        """A link of the port's name that is no port of the device is told, and not sent anywhere."""
        sh("ip link add eth3 type bridge")
        async with stage() as agent:
            with pytest.raises(KernelError, match="not the device's port eth3"):
                await agent.once(ExternalLink("eth3"), BorrowedPort("eth3"))
            assert await agent.bring() == []


def inside() -> int:
    """Go into the switch's namespace; an open file of the one that was ours."""
    sh(f"ip netns attach home {os.getpid()}")
    at_home = open_own()
    enter("/run/netns/ni6")
    return at_home
