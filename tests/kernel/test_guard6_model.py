"""Random packets of IPv6 on a real bridge pass or not as the rules say that stand here in plain words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netnsmgr.core.agreed import METADATA6
from tests.kernel.frames6 import (
    AH,
    ALL_NODES,
    FRAGMENT,
    HOP,
    ICMP6,
    NA,
    NONCE,
    NS,
    OPTIONS,
    ROUTING,
    RS,
    SLLAO,
    TCP,
    TLLAO,
    UDP,
    icmp,
    option,
    packet,
    solicited,
    udp,
)  # fmt: skip
from tests.kernel.guardstage import BRIDGE, GATEWAY, LINK, LOCAL, MACS, NET, OLD, Bridge
from tests.lab import isolated

HELD = {"fd00:10:1::11": 1, "fd00:10:1::22": 2, "fd00:10:1::33": 3, "fd00:10:2::11": 1}
HOLDERS = HELD | {address: number for number, address in LOCAL.items()}
NOBODY_S = ("fd00:10:1::91", "fd00:10:1::92", "fd00:10:2::91", "fe80::91")
INSTANCE_S = (GATEWAY, BRIDGE, str(NET[0]), *METADATA6)
ELSEWHERE = ("2001:db8::1", "::1", "ff02::1", "fe80:1::1", "fd00:10:3::1")
ADDRESSES = (*HOLDERS, *NOBODY_S, *INSTANCE_S, *ELSEWHERE)


@dataclass(frozen=True)
class Said:
    """A packet as it is made: ``kind`` is the type of ICMPv6, or the port that UDP comes from."""

    sender: int
    source: str
    protocol: int
    kind: int
    target: str
    """What neighbour discovery speaks of."""
    options: tuple[tuple[int, int], ...]
    """Kind, and whose MAC address it tells."""
    headers: tuple[int, ...]
    hops: int
    code: int
    many: bool

    def packet(self) -> bytes:
        to = "fd00:10:1::22" if self.sender != 2 else "fd00:10:1::33"
        if self.many:
            to = solicited(self.target) if self.protocol == ICMP6 and self.kind == NS else ALL_NODES
        if self.protocol == UDP:
            body = udp(self.kind, 5000, b"data")
        elif self.protocol == TCP:
            body = bytes(20)
        else:
            told = b"".join(option(kind, MACS[whose]) for kind, whose in self.options)
            rest = ip_address(self.target).packed if self.kind in {NS, NA} else b""
            body = icmp(self.kind, rest, told, code=self.code)
        return packet(self.source, to, self.protocol, body, self.headers, self.hops)


@dataclass
class Rules:
    """What the guard knows, and what it says of a packet."""

    first: dict[str, int] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    given: frozenset[int] = frozenset()

    def passes(self, said: Said) -> bool:
        if said.protocol == ICMP6:
            return self._icmp(said)
        if said.protocol == UDP and said.kind == 547:
            return False
        return FRAGMENT not in said.headers[:-1] and self._sends(said)

    def _icmp(self, said: Said) -> bool:
        if AH in said.headers:
            return False
        if FRAGMENT in said.headers:
            return FRAGMENT not in said.headers[:-1] and said.kind in {128, 129} and self._sends(said)
        if said.kind in {131, 132, 143}:
            local = ip_address(said.source) in LINK
            return said.hops == 1 and (said.source == "::" or (local and self._sends(said)))
        if said.kind not in {NS, NA, RS}:
            known = 1 <= said.kind < 130 or said.kind in {139, 140, *range(144, 151), *range(154, 256)}
            return known and self._sends(said)
        if said.headers or said.hops != 255 or said.code:
            return False
        return self._discovery(said)

    def _discovery(self, said: Said) -> bool:
        if said.source == "::" and said.kind != NA:
            if said.kind == NS:
                nonce = [kind for kind, _ in said.options]
                right = said.many and nonce in ([], [NONCE])
                if not right:
                    return False
                if self._may(said.sender, said.target):
                    self._take(said.sender, said.target)
                    self.asking.add(said.target)
                    return True
                return said.target not in self.asking and said.target not in LOCAL.values()
            return said.kind == RS and not said.options
        own = (TLLAO if said.kind == NA else SLLAO, said.sender)
        if said.options not in {(), (own,)}:
            return False
        if said.kind == NA:
            if not self._may(said.sender, said.target):
                return False
            self._take(said.sender, said.target)
        return self._sends(said)

    def _sends(self, said: Said) -> bool:
        address = IPv6Address(said.source)
        if said.source not in HOLDERS and not any(address in net for net in (LINK, NET, OLD)):
            return False
        if not self._may(said.sender, said.source):
            return False
        self._take(said.sender, said.source)
        return True

    def _take(self, sender: int, address: str) -> None:
        if address not in HOLDERS:
            self.first.setdefault(address, sender)

    def _may(self, sender: int, address: str) -> bool:
        if address in HOLDERS:
            return HOLDERS[address] == sender
        if address in INSTANCE_S:
            return False
        if address in self.first:
            return self.first[address] == sender
        return sender not in self.given or ip_address(address).is_link_local


# What is right is not found by chance.
SAID = st.builds(
    Said,
    sender=st.sampled_from(list(MACS)),
    source=st.sampled_from(["::", *ADDRESSES, *NOBODY_S]),
    protocol=st.sampled_from([ICMP6, ICMP6, ICMP6, UDP, TCP]),
    kind=st.one_of(st.sampled_from([NS, NA, RS, NS, NA, 128, 143, 547]), st.integers(0, 255)),
    target=st.sampled_from(ADDRESSES),
    options=st.one_of(
        st.just(()),
        st.lists(
            st.tuples(st.sampled_from([SLLAO, TLLAO, NONCE, 5]), st.sampled_from(list(MACS))),
            min_size=1,
            max_size=2,
        ).map(tuple),
    ),
    headers=st.one_of(
        st.just(()),
        st.just(()),
        st.lists(st.sampled_from([HOP, OPTIONS, ROUTING, FRAGMENT, AH]), min_size=1, max_size=3).map(tuple),
    ),
    hops=st.sampled_from([255, 255, 255, 1, 64]),
    code=st.sampled_from([0, 0, 0, 1]),
    many=st.booleans(),
)


def possible(said: Said) -> bool:
    """Whether a receiver's kernel and the bridge's own take the packet for one at all."""
    if AH in said.headers and said.protocol != ICMP6:
        return False
    return HOP not in said.headers[1:] and (said.kind < 256 or said.protocol == UDP)


def same_as_the_rules(given_addresses: bool) -> None:
    async def run() -> None:
        async with Bridge(HELD, given=given_addresses) as bridge:

            @given(st.lists(SAID.filter(possible), min_size=10, max_size=30))
            @settings(
                max_examples=150, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def check(packets: list[Said]) -> None:
                bridge.forget()
                rules = Rules(given=frozenset(HELD.values()) if given_addresses else frozenset())
                for said in packets:
                    expected = rules.passes(said)
                    heard = bridge.passes(said.sender, said.packet(), to=3 if said.sender == 2 else 2)
                    assert heard == expected, (
                        f"{said}: {'passed' if heard else 'dropped'}, after {rules.first}"
                    )

            check()

    asyncio.run(run())


def test_where_they_make_themselves_addresses() -> None:
    isolated(same_as_the_rules, timeout=120)(False)


def test_where_they_are_given_addresses() -> None:
    isolated(same_as_the_rules, timeout=120)(True)
