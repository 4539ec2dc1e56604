"""Access lists in a real kernel: packet by packet the rule that the list itself gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from netnsmgr.config.acl import AclRule
from netnsmgr.core.agreed import ACTION_SHIFT, Action
from netnsmgr.features.acl.text import part
from netnsmgr.features.acl.verdict import Address, Direction, Flow, decide
from netnsmgr.features.names import host_sets
from netnsmgr.items.nft_part import NftPart
from netnsmgr.kernel.nft import KernelNft
from tests.kernel.packets import Tun, first_packet
from tests.kernel.stage import sh
from tests.lab import isolated
from tests.unit.features.acl.lists import (
    ALL_NAMES,
    APP,
    DEVICE,
    EIDS,
    LISTS,
    MAPPED,
    NAMES,
    STATIC,
    flows,
    rule,
)

TABLE = "inet netnsmgr_acl"
VIF, BASE = 5, 4711
OUT: Direction = "out"
IN: Direction = "in"
PROTOCOLS = (1, 6, 17, 47, 58, 132)


def a_set(name: str, addresses: Iterable[Address], family: int) -> str:
    """The text of a set with those of the addresses that are of the family."""
    found = ", ".join(str(a) for a in addresses if a.version == family)
    return f"set {name} {{ type ipv{family}_addr; {f'elements = {{ {found} }};' if found else ''} }}\n"


def known() -> str:
    """The sets that the frame has for lists."""
    text = ""
    for family in (4, 6):
        text += a_set(f"eids{family}", EIDS, family)
        for domain, addresses in NAMES.items():
            now, past = host_sets(domain, family)
            text += a_set(now, addresses, family) + a_set(past, (), family)
    return text


MAP = ", ".join(f"{device} : {own}" for device, own in MAPPED.items())
FRAME = f"""
map out_lists {{ type mark : verdict; }}
map in_lists {{ type mark : verdict; }}
map limiters {{ type mark : verdict; }}
set said4 {{ typeof ip id . ct mark; size 65535; flags dynamic; }}
set said6 {{ typeof ip6 flowlabel . ct mark; size 65535; flags dynamic; }}
set over4 {{ typeof ip id; size 65535; flags dynamic; }}
{known()}
chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "app" meta mark set {VIF}
    iifname "far" meta mark set {VIF << 16}
    meta mark and 0x0000ffff vmap @out_lists
    meta mark and 0xffff0000 vmap @in_lists
}}
chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "far" meta l4proto {{ tcp, udp }} ip daddr {DEVICE[4]} dnat ip to {APP[4]} : th dport map {{ {MAP} }}
    iifname "far" meta l4proto {{ tcp, udp }} ip6 daddr {DEVICE[6]} dnat ip6 to {APP[6]} : th dport map {{ {MAP} }}
}}
chain decided_out {{
    meta nfproto ipv4 update @said4 {{ ip id . ct mark }}
    meta nfproto ipv6 update @said6 {{ ip6 flowlabel . ct mark }}
    ct mark and 0x0003ffff vmap @limiters
    goto end
}}
chain decided_in {{
    meta nfproto ipv4 update @said4 {{ ip id . meta mark }}
    meta nfproto ipv6 update @said6 {{ ip6 flowlabel . meta mark }}
    meta mark and 0x0003ffff vmap @limiters
    goto end
}}
chain limited {{
    update @over4 {{ ip id }}
    drop
}}
"""


class Router:
    """An application on one side, everybody else on the other, and between them its list."""

    def __init__(self) -> None:
        self.nft = KernelNft("/run/nft.json")
        self.app, self.far = Tun("app"), Tun("far")
        sh("""
        ip link set app up; ip address add 10.9.0.1/24 dev app; ip address add fd09::1/64 dev app nodad
        ip link set far up; ip route add 10.0.0.0/8 dev far; ip route add fd00::/8 dev far
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
        nft 'table inet t { chain c { ct state new; }; }'
        sysctl -qw net.netfilter.nf_conntrack_checksum=0
        """)

    def load(self, rules: Sequence[AclRule] | None, end: str = "drop") -> None:
        """Have this list and nothing else; dropped, a packet leaves no flow behind and may come again."""
        made = NftPart("inet", "netnsmgr_acl", "list_x", *part(VIF, BASE, rules, STATIC))
        text = f"flush ruleset\ntable {TABLE} {{\n{FRAME}\nchain end {{ {end}; }}\n{made.text()}\n}}\n"
        for map_, key, verdict in made.elements():
            text += f"add element {TABLE} {map_} {{ {key} : {verdict} }}\n"
        self.nft._run(text)

    def ask(self, asked: Sequence[tuple[Direction, Flow]]) -> list[list[tuple[int, int]]]:
        """Send the first packet of each flow; for each the decisions on it, as position and action."""
        for number, (direction, flow) in enumerate(asked, 1):
            self.send(direction, flow, number)
        said = self.said()
        return [said.get((flow.family, number), []) for number, (_, flow) in enumerate(asked, 1)]

    def send(self, direction: Direction, flow: Flow, number: int) -> None:
        (self.app if direction == "out" else self.far).send(first_packet(flow, number))

    def said(self) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """The decisions on each packet, by family and number, as position and action."""
        found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for family in (4, 6):
            for number, mark in self.elements(f"said{family}"):
                index = mark & (1 << ACTION_SHIFT) - 1
                found.setdefault((family, number), []).append((index - BASE, mark >> ACTION_SHIFT))
        return found

    def elements(self, name: str) -> list[Any]:
        (listed,) = [e for e in self.nft._listed(f"list set {TABLE} {name}") if "set" in e]
        return [e["concat"] if isinstance(e, dict) else e for e in listed["set"].get("elem", [])]


BATCH = st.lists(
    st.one_of(
        st.tuples(st.just("out"), flows("out", PROTOCOLS)), st.tuples(st.just("in"), flows("in", PROTOCOLS))
    ),
    min_size=20,
    max_size=40,
)


def same_as_the_list() -> None:
    router = Router()

    # Nothing is made smaller: each example takes a moment, and what went wrong is said packet by packet.
    @given(LISTS, BATCH)
    @settings(
        max_examples=250,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(rules: tuple[AclRule, ...], asked: list[tuple[Direction, Flow]]) -> None:
        router.load(rules)
        for (direction, flow), said in zip(asked, router.ask(asked), strict=True):
            expected = [decide(rules, direction, flow, ALL_NAMES, EIDS)]
            assert said == expected, f"{direction} {flow}: {said}, not {expected}, by {rules}"

    check()


def test_random_lists_say_the_same_to_packets() -> None:
    """For each packet of random flows the kernel finds the rule that the list gives, once, in either direction."""
    isolated(same_as_the_list, timeout=120)()


def udp(responder: str, dport: int = 53, sport: int = 4000, *, initiator: Address = APP[4]) -> Flow:
    return Flow(initiator, ip_address(responder), 17, sport, dport)


@isolated
def test_without_a_list_everything_is_allowed() -> None:
    """Either direction says so by the one rule that stands for no list."""
    router = Router()
    router.load(None)
    back = udp("10.9.0.2", initiator=ip_address("10.1.0.1"))
    assert router.ask([("out", udp("10.1.0.1")), ("in", back)]) == [[(1, Action.ALLOW)]] * 2


@isolated
def test_a_port_map_allows_what_it_brought() -> None:
    """A rule that maps a port allows what came through it, from the senders that it names; not the same port asked for
    directly, nor what another rule maps there."""
    router = Router()
    maps = {"protocol": "tcp", "ip": "10.1.0.0/16"}
    router.load([rule(1, match=maps | {"lport": 81}, action={"portmap": 81})])
    sender, stranger = ip_address("10.1.0.1"), ip_address("10.2.0.1")
    mapped = (APP[4], 81)
    assert router.ask(
        [
            ("in", Flow(sender, DEVICE[4], 6, 1000, 81, mapped)),
            ("in", Flow(stranger, DEVICE[4], 6, 1000, 81, mapped)),
            ("in", Flow(sender, APP[4], 6, 1000, 81)),
            ("in", Flow(sender, DEVICE[4], 6, 1000, 8082, mapped)),
        ]
    ) == [[(1, Action.ALLOW)], [(0, Action.DROP)], [(0, Action.DROP)], [(0, Action.DROP)]]


@pytest.mark.parametrize(("per", "passed"), [("rule", {1, 2}), ("connection", {1, 2, 4, 5})])
@pytest.mark.parametrize(
    ("rate", "burst"), [("1/hour", 2), ("28 bytes/hour", "56 bytes")], ids=["packets", "bytes"]
)
@isolated
def test_a_limit_lets_its_burst_pass(per: str, passed: set[int], rate: str, burst: int | str) -> None:
    """What is above a limit is limited: of all packets of a rule, whatever their direction, or of each connection."""
    router = Router()
    limit = {"limit": {"rate": rate, "burst": burst, "per": per}}
    router.load([rule(match={"protocol": "udp"}, action=limit)], end="accept")
    there, here = udp("10.1.0.1"), udp("10.9.0.2", initiator=ip_address("10.1.0.2"))
    sent = [*[(OUT, there)] * 3, *[(IN, here)] * 3]
    assert router.ask(sent) == [[(1, Action.LIMIT)]] * 6
    assert set(router.elements("over4")) == {1, 2, 3, 4, 5, 6} - passed


@isolated
def test_what_a_name_meant_holds_for_flows_that_are_there() -> None:
    """An address that a name had lately is as good for a flow that is asked about once more, and not for a new one."""
    router = Router()
    router.load([rule(match={"host": "one.example"})], end="accept")
    old, new = udp("10.2.0.1"), udp("10.2.0.1", sport=4001)
    sh(f"nft add element {TABLE} {host_sets('one.example', 4)[1]} '{{ 10.2.0.1 }}'")
    router.send("out", old, 1)
    router.send("in", udp(str(APP[4]), 4000, 53, initiator=old.responder), 2)
    router.send("out", old, 3)
    router.send("out", new, 4)
    said = router.said()
    assert said[4, 1] == said[4, 4] == [(0, Action.DROP)]
    assert said[4, 3] == [(1, Action.ALLOW)]


@isolated
def test_a_list_of_20_000_rules() -> None:
    """The longest list is loaded, and finds its last rule as well as its first."""
    router = Router()
    many = [
        rule(n, match={"ip": str(ip_address(10 << 24 | n << 4)), "protocol": "udp"}) for n in range(1, 20_001)
    ]
    router.load(many)
    asked = [udp(str(ip_address(10 << 24 | n << 4))) for n in (1, 10_000, 20_000, 20_001)]
    found = router.ask([("out", flow) for flow in asked])
    assert found == [[(n, Action.ALLOW)] for n in (1, 10_000, 20_000)] + [[(0, Action.DROP)]]
