"""Addresses against the real kernel."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface

from netnsmgr.core.item import Item
from netnsmgr.items.address import Address
from netnsmgr.items.link import ExternalLink, LinkUp
from tests.kernel.stage import sh, stage
from tests.lab import isolated

PORT: tuple[Item, ...] = (ExternalLink("eth0"), LinkUp("eth0"))


def address(text: str, link: str = "eth0") -> Address:
    return Address(link, IPv4Interface(text))


def port() -> None:
    sh("ip link add eth0 type veth peer name far; ip link set eth0 up; ip link set far up")


@isolated
async def test_is_there_as_intended() -> None:
    """An address is made with our mark and a second plan is empty, also for a /31 and a /32; verbs repeat."""
    port()
    async with stage() as agent:
        for text in ("10.1.0.1/24", "169.254.100.0/31", "10.9.9.9/32"):
            wanted = address(text)
            assert await agent.bring(*PORT, wanted) == [f"create {wanted.ref}"]
            (ours,) = [mine for found, mine in await agent.system.rtnl.addresses() if found == wanted]
            assert ours
            assert await agent.bring(*PORT) == [f"delete {wanted.ref}"]
            await agent.verbs(wanted, *PORT)


@isolated
async def test_another_address_of_the_same_subnet_arrives() -> None:
    """Although the kernel removes the other addresses of a subnet with its first one, a change settles."""
    port()
    async with stage() as agent:
        for before, after in (("10.1.0.1/24", "10.1.0.254/24"), ("10.1.0.1/24", "10.1.0.1/25")):
            await agent.bring(*PORT, address(before))
            for _ in range(3):
                if not await agent.once(*PORT, address(after)):
                    break
            assert await agent.found(*PORT, address(after)) == [
                f"address/{after} dev eth0",
                "link-up/eth0",
            ]
            await agent.bring(*PORT)


@isolated
async def test_in_a_namespace_of_our_own_strays_go() -> None:
    """An address that somebody added in an instance's namespace is removed; those of ``lo`` stay."""
    port()
    async with stage() as agent:
        sh("ip address add 10.1.0.9/24 dev eth0")
        assert await agent.bring(*PORT) == ["delete address/10.1.0.9/24 dev eth0"]
        assert "127.0.0.1/8" in sh("ip address show dev lo")


@isolated
async def test_in_the_device_s_namespace_others_addresses_are_not_reported() -> None:
    """In the device's namespace only addresses with our mark are removed; one that is wanted and was there
    before us is accepted as it is, and stays when it is no longer wanted."""
    port()
    async with stage(owns_namespace=False) as agent:
        sh("ip address add 192.168.0.2/24 dev eth0; ip address add 192.168.0.3/24 dev eth0")
        assert await agent.found() == []
        assert await agent.bring(*PORT, address("192.168.0.2/24")) == []
        ours = address("10.1.0.1/24")
        assert await agent.bring(*PORT, ours) == [f"create {ours.ref}"]
    async with stage(owns_namespace=False) as restarted:
        assert await restarted.bring(*PORT) == [f"delete {ours.ref}"]
        assert await restarted.found() == []
    assert "192.168.0.2/24" in sh("ip address show dev eth0")


@isolated
async def test_a_link_that_is_gone_takes_its_addresses_along() -> None:
    """Removing an address of a link that has gone is done already."""
    port()
    async with stage() as agent:
        ours = address("10.1.0.1/24")
        await agent.bring(*PORT, ours)
        sh("ip link del eth0")
        await ours.delete(agent.system)
        assert str(await agent.plan(*PORT, ours)) == ""


@isolated
async def test_an_address_is_deprecated_and_used_again() -> None:
    """It stays on its link all the time, and with it the route that came with it."""
    port()
    async with stage() as agent:
        agent.system.rtnl.ipv6 = True
        ours = Address("eth0", IPv6Interface("2001:db8::1/64"))
        old = replace(ours, deprecated=True)
        await agent.bring(*PORT, ours)
        assert await agent.bring(*PORT, old) == [f"modify {ours.ref}"]
        assert "nodad deprecated" in sh("ip address show dev eth0")
        await agent.verbs(old, *PORT, old=ours)
        await agent.bring(*PORT, old)
        assert await agent.bring(*PORT, ours) == [f"modify {ours.ref}"]
        assert "deprecated" not in sh("ip address show dev eth0")
