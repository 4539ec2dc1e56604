"""Whose an IPv6 address is: who is known to hold it, and where nobody is, who came first."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

from netnsmgr.core.agreed import ND_GROUP
from netnsmgr.kernel.nflog import PacketLog
from tests.kernel.frames6 import (
    ALL_NODES,
    HOP,
    NONCE,
    SLLAO,
    TLLAO,
    UDP,
    advertise,
    option,
    packet,
    solicit,
    udp,
)
from tests.kernel.guardstage import GATEWAY, LOCAL, MACS, Bridge
from tests.kernel.test_guard6 import FREE, HIM, LEFT, ME, ONE, TWO, dad, nd, on_a_bridge
from tests.lab import isolated


@isolated
def test_who_comes_first_is_served() -> None:
    """An address that nobody holds is his who takes it, by detection or by using it, and then nobody else's."""

    async def run(bridge: Bridge) -> None:
        uses = {
            "detection": lambda n: dad(FREE),
            "packet": lambda n: packet(FREE, ALL_NODES, UDP, udp(1, 2)),
            "advertisement": lambda n: nd(FREE, advertise(FREE, option(TLLAO, MACS[n])), ALL_NODES),
        }
        for take, (then, steal) in product(uses.values(), uses.items()):
            bridge.forget()
            assert bridge.passes(1, take(1), to=2)
            # Whoever holds an address answers a detection: so that is to be heard, and the answer of others is not.
            # While he is asking himself, he would not answer but give it up.
            heard = then == "detection" and take is not uses["detection"]
            assert bridge.passes(2, steal(2), to=1) == heard
            assert bridge.passes(1, nd(FREE, advertise(FREE, option(TLLAO, ME)), ALL_NODES))
            assert bridge.passes(1, packet(FREE, TWO, UDP, udp(1, 2)))
            assert not bridge.passes(2, packet(FREE, ONE, UDP, udp(1, 2)), to=1)
            assert not bridge.passes(2, nd(TWO, advertise(FREE, option(TLLAO, HIM)), ALL_NODES), to=1)

    on_a_bridge(run)


@isolated
def test_nobody_disturbs_a_detection() -> None:
    """Who asks for an address that another is just asking for, or makes of his MAC address, is not heard."""

    async def run(bridge: Bridge) -> None:
        assert not bridge.passes(2, dad(LOCAL[1]), to=1)
        for address in (FREE, "fe80::77", ONE):
            assert bridge.passes(1, dad(address), to=2)
            assert not bridge.passes(2, dad(address, option(NONCE, b"123456")), to=1)
        bridge.nft._run("flush set bridge netnsmgr_vif asking6\n")
        for address in (FREE, "fe80::77", ONE):
            assert bridge.passes(2, dad(address), to=1)

    on_a_bridge(run)


@isolated
def test_what_becomes_known_is_its_holder_s() -> None:
    """Known addresses are a holder's at once, whoever came first; and free again when nobody holds them."""

    async def run(bridge: Bridge) -> None:
        taken = packet(FREE, ONE, UDP, udp(1, 2))
        assert bridge.passes(3, taken, to=1)
        await bridge.know({**bridge.held, ip_address(FREE): 2})
        assert not bridge.passes(3, taken, to=1)
        assert bridge.passes(2, taken, to=1)
        await bridge.know(bridge.held)
        bridge.forget()
        assert bridge.passes(3, taken, to=1)

    on_a_bridge(run)


@isolated
def test_where_addresses_are_given() -> None:
    """Who has been given one uses no other but those of the link; before, one that nobody holds, as his lease may be new."""

    async def run(bridge: Bridge) -> None:
        assert bridge.passes(1, packet(ONE, TWO, UDP, udp(1, 2)))
        assert bridge.passes(1, packet("fe80::77", TWO, UDP, udp(1, 2)))
        assert not bridge.passes(1, packet(FREE, TWO, UDP, udp(1, 2)))
        assert not bridge.passes(1, nd(ONE, advertise(FREE, option(TLLAO, ME)), ALL_NODES))
        assert bridge.passes(3, packet(FREE, TWO, UDP, udp(1, 2)))
        await bridge.know({**bridge.held, ip_address(LEFT): 3})
        bridge.forget()
        assert not bridge.passes(3, packet(FREE, TWO, UDP, udp(1, 2)))

    on_a_bridge(run, given=True)


@isolated
def test_a_router_s_addresses_are_told() -> None:
    """Without `antiSpoofing` an interface sends for others; what it takes is known all the same."""

    async def run(bridge: Bridge) -> None:
        log = PacketLog(ND_GROUP, 128)
        assert bridge.passes(1, packet("2001:db8::1", TWO, UDP, udp(1, 2)))
        assert bridge.passes(1, dad(FREE))
        assert [(each.mark, each.payload[48:64]) for each in log.receive()] == [(1, ip_address(FREE).packed)]
        assert not bridge.passes(2, packet(FREE, ONE, UDP, udp(1, 2)), to=1)

    on_a_bridge(run, unguarded=1)


@isolated
def test_detections_are_told() -> None:
    """Copies of honest ones, with who it was, also of an address that another is known to hold; not more than can be read."""

    async def run(bridge: Bridge) -> None:
        log = PacketLog(ND_GROUP, 128)

        def told() -> list[tuple[int, str]]:
            return [(each.mark, str(ip_address(each.payload[48:64]))) for each in log.receive()]

        cases = [dad(FREE), dad("fe80::77", option(NONCE, b"123456")), dad(ONE), dad(TWO), dad(GATEWAY)]
        cases += [nd(ONE, solicit(FREE, option(SLLAO, ME))), dad(FREE, hops=254), dad(LEFT, headers=(HOP,))]
        for case in cases:
            bridge.passes(1, case)
        bridge.passes(2, dad(FREE), to=1)
        # Who holds one may have gone, and so may who came first a moment ago.
        assert told() == [(1, FREE), (1, "fe80::77"), (1, ONE), (1, TWO), (1, GATEWAY), (2, FREE)]
        for number in range(500):
            bridge.passes(1, dad(f"fd00:10:1::{number:x}:1"))
        assert 90 <= len(told()) < 200
        bridge.passes(2, dad("fd00:10:1::5"), to=1)
        assert told() == [(2, "fd00:10:1::5")]

    on_a_bridge(run)


@isolated
def test_the_first_use_of_an_address_is_told() -> None:
    """Once, where nobody announced it; not of one that is known, or another's."""

    async def run(bridge: Bridge) -> None:
        log = PacketLog(ND_GROUP, 128)

        def told() -> list[tuple[int, str]]:
            return [(each.mark, str(ip_address(each.payload[8:24]))) for each in log.receive()]

        for source in (FREE, FREE, ONE, TWO, GATEWAY, "2001:db8::1"):
            bridge.passes(1, packet(source, TWO, UDP, udp(1, 2)))
        assert told() == [(1, FREE)]
        assert not bridge.passes(2, packet(FREE, ONE, UDP, udp(1, 2)), to=1)
        assert told() == []

    on_a_bridge(run)


@isolated
def test_uses_are_told_while_it_is_not_known_whose_the_address_is() -> None:
    """After a detection that nobody heard, too: who does not stop using the address would be unknown for ever."""

    async def run(bridge: Bridge) -> None:
        bridge.passes(1, dad(FREE))
        log = PacketLog(ND_GROUP, 128)
        uses = packet(FREE, TWO, UDP, udp(1, 2))
        for _ in range(2):
            for _ in range(5):
                assert bridge.passes(1, uses)
            assert [(each.mark, each.payload[8:24]) for each in log.receive()] == [
                (1, ip_address(FREE).packed)
            ]
            bridge.nft._run("flush set bridge netnsmgr_vif used6\n")  # as after some seconds
        await bridge.know({**bridge.held, ip_address(FREE): 1})
        assert bridge.passes(1, uses)
        assert list(log.receive()) == []

    on_a_bridge(run)
