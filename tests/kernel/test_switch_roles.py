"""Who began a flow on a switch, and with whom, cannot be made up: neither by a forged first packet nor by another's address."""

from __future__ import annotations

import asyncio
import struct
from ipaddress import ip_address

from netnsmgr.config.acl import AclRule
from netnsmgr.features.acl.verdict import Address, Flow
from tests.kernel.packets import first_packet, packet
from tests.kernel.stage import sh
from tests.kernel.switchstage import MACS, Switch, app
from tests.kernel.test_switch_lists import forget, frame, listed
from tests.lab import isolated

ATT, VIC, SITE, FAR = map(ip_address, ("192.168.3.10", "192.168.3.11", "192.168.3.1", "203.0.113.9"))
ANY = [{"id": 1, "match": {"ip": ["0.0.0.0/0", "::/0"]}}]
EIDS = [{"id": 1, "match": {"eidset": True}}]
TIME = [{"id": 1, "match": {"protocol": "udp", "fport": 123}, "direction": "out"}]
NOTHING = [{"id": 1, "match": {"ip": ["0.0.0.0/0", "::/0"]}, "action": "drop"}]


def udp(source: Address, sport: int, target: Address, dport: int) -> bytes:
    return first_packet(Flow(source, target, 17, sport, dport), 7)


def tcp(
    source: Address, sport: int, target: Address, dport: int, flags: int, seq: int = 1, ack: int = 0
) -> bytes:
    head = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 1024, 0, 0)
    return packet(Flow(source, target, 6), 7, head)


def igmp(source: Address, target: Address, ttl: int) -> bytes:
    whole = packet(Flow(source, target, 2), 7, bytes(8))
    summed = struct.unpack(">H", whole[10:12])[0] + ((64 - ttl) << 8)
    return whole[:8] + bytes([ttl]) + whole[9:10] + struct.pack(">H", summed % 0xFFFF) + whole[12:]


def prepared(switch: Switch) -> None:
    sh("sysctl -qw net.netfilter.nf_conntrack_checksum=0")
    assert "site" in switch.sockets


def passes(switch: Switch, sender: str, receiver: str, sent: bytes) -> bool:
    return receiver in switch.hears(sender, frame((sender, receiver), sent))


@isolated
def test_a_flow_with_an_application_is_none_with_the_site() -> None:
    """`eidset` alone: what may go to an application goes to nobody else, whatever its flow was allowed before."""

    async def run() -> None:
        async with Switch(app("a", acl=EIDS), app("b", acl=EIDS), app("c")) as switch:
            prepared(switch)
            asked = tcp(ATT, 4000, SITE, 80, 0x02)
            assert not passes(switch, "a", "site", asked)
            for _ in range(2):
                assert passes(switch, "a", "b", asked)
                assert not passes(switch, "a", "site", asked)
            answer = tcp(SITE, 80, ATT, 4000, 0x12, 9, 2)
            assert not passes(switch, "site", "a", answer)
            assert passes(switch, "b", "a", answer)
            for _ in range(2):
                assert passes(switch, "a", "b", tcp(ATT, 4000, SITE, 80, 0x10, 2, 10))
                assert not passes(switch, "a", "site", tcp(ATT, 4000, SITE, 80, 0x10, 2, 10))
                assert not passes(switch, "site", "a", tcp(SITE, 80, ATT, 4000, 0x10, 10, 2))
            # Who has no list may bring the flow to the site; a's part in it stays what it was.
            assert passes(switch, "c", "site", tcp(ATT, 4000, SITE, 80, 0x10, 2, 10))
            assert not passes(switch, "a", "site", tcp(ATT, 4000, SITE, 80, 0x10, 2, 10))
            assert not passes(switch, "site", "a", tcp(SITE, 80, ATT, 4000, 0x10, 10, 2))
            assert passes(switch, "a", "b", tcp(ATT, 4000, SITE, 80, 0x10, 2, 10))

    asyncio.run(run())


@isolated
def test_a_flow_that_went_elsewhere_is_asked_about_by_the_next_receiver() -> None:
    async def run() -> None:
        async with Switch(app("a"), app("b", acl=TIME), app("c")) as switch:
            prepared(switch)
            asked = udp(ATT, 5002, VIC, 5000)
            assert not passes(switch, "a", "b", asked)
            for other in ("site", "c", "site"):
                for _ in range(2):
                    assert passes(switch, "a", other, asked), other
                    assert not passes(switch, "a", "b", asked), other
                    assert not passes(switch, "site", "b", asked), other

    asyncio.run(run())


@isolated
def test_a_forged_first_packet_turns_no_roles_round() -> None:
    """What may go out does not let in, whoever says in its name that it began."""

    async def run() -> None:
        async with Switch(app("a"), app("b", acl=TIME), app("c")) as switch:
            prepared(switch)
            for forger, through in ("a", "site"), ("site", "a"), ("a", "c"):
                forget()
                assert passes(switch, forger, through, udp(VIC, 161, ATT, 123))
                question = udp(ATT, 123, VIC, 161)
                for sender in ("a", "site", "c"):
                    assert not passes(switch, sender, "b", question), (forger, sender)

    asyncio.run(run())


@isolated
def test_an_answer_is_known_when_the_list_has_changed() -> None:
    """Also when another has made a packet of the same flow in the meantime."""

    async def run() -> None:
        async with Switch(app("a"), app("b", acl=TIME)) as switch:
            prepared(switch)
            assert passes(switch, "b", "site", udp(VIC, 4000, SITE, 123))
            for number in range(2, 5):
                for _ in range(2):
                    assert passes(switch, "site", "b", udp(SITE, 123, VIC, 4000))
                assert passes(switch, "a", "site", udp(VIC, 4000, SITE, 123))
                assert passes(switch, "site", "b", udp(SITE, 123, VIC, 4000))
                changed = tuple(AclRule.model_validate(rule | {"id": number}) for rule in TIME)
                await switch.know(listed(switch.scope, {"a": None, "b": changed}))

    asyncio.run(run())


@isolated
def test_who_is_asked_by_its_own_words_may_still_ask() -> None:
    """Who has no list, or may ask for it, is not kept from a server by a flow that another made in the server's name."""

    async def run() -> None:
        async with Switch(app("a"), app("b", acl=TIME), app("c")) as switch:
            prepared(switch)
            assert passes(switch, "a", "c", udp(SITE, 123, VIC, 123))
            assert passes(switch, "b", "site", udp(VIC, 123, SITE, 123))
            assert passes(switch, "a", "c", udp(SITE, 80, VIC, 80))
            assert not passes(switch, "b", "site", udp(VIC, 80, SITE, 80))
            assert passes(switch, "c", "site", udp(VIC, 80, SITE, 80))

    asyncio.run(run())


@isolated
def test_an_application_gives_answers_only_where_it_was_asked() -> None:
    """An `in` rule lets out nothing of a flow that did not come to the application."""

    async def run() -> None:
        served = [{"id": 1, "match": {"protocol": "udp", "lport": 161}, "direction": "in"}]
        async with Switch(app("a"), app("b", acl=served)) as switch:
            prepared(switch)
            assert passes(switch, "a", "site", udp(SITE, 443, VIC, 161))
            for _ in range(2):
                assert not passes(switch, "b", "site", udp(VIC, 161, SITE, 443))
            assert passes(switch, "site", "b", udp(SITE, 443, VIC, 161))
            for _ in range(2):
                assert passes(switch, "b", "site", udp(VIC, 161, SITE, 443))
                assert not passes(switch, "b", "a", udp(VIC, 161, SITE, 444))

    asyncio.run(run())


@isolated
def test_what_is_always_allowed_stays_on_the_segment() -> None:
    """IGMP, DHCP, neighbours and listeners are no way out of a list, nor in."""

    async def run() -> None:
        async with Switch(app("a", acl=NOTHING)) as switch:
            prepared(switch)
            group = ip_address("224.0.0.22")
            assert passes(switch, "a", "site", igmp(ATT, group, 1))
            assert not passes(switch, "a", "site", igmp(ATT, group, 64))
            for one, other, sender, receiver in (ATT, FAR, "a", "site"), (FAR, ATT, "site", "a"):
                assert not passes(switch, sender, receiver, igmp(one, other, 1))
            local, global_, many = map(ip_address, ("fe80::1", "2001:db8::9", "ff02::16"))
            for target, hop, there in (
                (many, 1, True),
                (many, 255, False),
                (global_, 255, False),
                (global_, 1, False),
            ):
                listener = packet(Flow(local, target, 58), 7, struct.pack(">BBHHH", 143, 0, 0, 0, 0))
                assert passes(switch, "a", "site", listener[:7] + bytes([hop]) + listener[8:]) == there
            for target, there in (
                (global_, False),
                (ip_address("ff02::1:2"), True),
                (ip_address("fe80::9"), True),
            ):
                assert passes(switch, "a", "site", udp(local, 546, target, 547)) == there, target
            own = bytes.fromhex(MACS["a"].replace(":", ""))
            boot = b"\x01\x01\x06\x00" + bytes(24) + own + bytes(206)

            def client(target: Address, more: int = 0) -> bytes:
                body = boot + bytes(more)
                return packet(Flow(ATT, target, 17), 7, struct.pack(">HHHH", 68, 67, 8 + len(body), 0) + body)

            assert passes(switch, "a", "site", client(ip_address("255.255.255.255"), 900))
            assert not passes(switch, "a", "site", client(FAR, 900))
            renewed = sum(passes(switch, "a", "site", client(FAR)) for _ in range(20))
            assert 1 <= renewed <= 7
            assert not passes(switch, "site", "a", client(ATT)), "who asks an application for an address"

    asyncio.run(run())


@isolated
def test_nothing_hides_behind_a_tag() -> None:
    """Of one that the bridge does not look at, neither from an interface with a list nor to it; others' pass."""

    async def run() -> None:
        async with Switch(app("a", acl=ANY), app("b")) as switch:
            prepared(switch)
            for kinds in ("8100",), ("88a8",), ("8100", "8100"), ("88a8", "8100"):
                tags = b"".join(bytes.fromhex(kind) + b"\0\5" for kind in kinds)

                def through(sender: str, receiver: str, tags: bytes = tags) -> bool:
                    whole = frame((sender, receiver), udp(ATT, 5000, SITE, 5000))
                    switch.heard(receiver)
                    switch.send(sender, whole[:12] + tags + whole[12:])
                    return any(whole[-30:] in each for each in switch.heard(receiver))

                assert not through("a", "site"), kinds
                assert not through("site", "a"), kinds
                assert not through("b", "a"), kinds
                assert not through("a", "b"), kinds
                assert through("b", "site") or kinds != ("8100",), kinds
            assert passes(switch, "a", "site", udp(ATT, 5000, SITE, 5000))

    asyncio.run(run())


@isolated
def test_what_both_ends_know_is_not_asked_about_again() -> None:
    """Of a flow the first packet is asked about, and between applications none of the answers but the first."""

    async def run() -> None:
        async with Switch(app("a", acl=ANY), app("b", acl=ANY)) as switch:
            prepared(switch)
            for sender, receiver in ("a", "site"), ("site", "a"), ("a", "b"):
                forget()
                asked, answer = udp(ATT, 6000, VIC, 6001), udp(VIC, 6001, ATT, 6000)
                for _ in range(2):
                    assert passes(switch, sender, receiver, asked)
                    assert passes(switch, receiver, sender, answer)
                before = sh("nft list set inet netnsmgr_acl hits")
                for _ in range(20):
                    assert passes(switch, sender, receiver, asked)
                    assert passes(switch, receiver, sender, answer)
                assert sh("nft list set inet netnsmgr_acl hits") == before, (sender, receiver)

    asyncio.run(run())
