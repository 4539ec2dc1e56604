"""Named sets and maps of nftables against the real kernel."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_set import NftSet
from netnsmgr.kernel.nft_elements import elements
from tests.kernel.stage import DIRECTORY, sh, stage
from tests.lab import isolated

FAMILY, TABLE = "inet", "netnsmgr_acl"
WHERE = f"{FAMILY} {TABLE}"
SKELETON = "chain yes { accept; }\nchain no { drop; }\nset own { type ipv4_addr; }"
TABLE_ITEM = NftTable.of(FAMILY, "acl", SKELETON, carries=True)
TREF = f"nft-table/{WHERE}"
REF = f"nft-set/{WHERE} peers"


def peers(spec: str, *elements: str) -> NftSet:
    return NftSet(FAMILY, TABLE, "peers", spec, frozenset(elements))


def listed() -> frozenset[str]:
    """What an agent would read."""
    objects = json.loads(sh(f"nft -j -n list ruleset {FAMILY}"))["nftables"]
    (body,) = [
        entry[kind]
        for entry in objects
        for kind in ("set", "map")
        if kind in entry and entry[kind]["name"] == "peers"
    ]
    return elements(body)


CONTENTS = [
    ("type ipv4_addr", ("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.3")),
    (
        "type ipv4_addr; flags interval",
        ("10.0.0.0/24", "10.1.0.5-10.1.0.9"),
        ("10.0.0.0/16", "10.2.0.1", "192.168.0.0/16"),
    ),
    ("type ipv6_addr; flags interval;", ("fe80::/64", "2001:db8::1"), ("fe80::/64", "::1")),
    ("type ether_addr", ("02:00:00:00:00:01",), ("02:00:00:00:00:02",)),
    ("type ifname", ("eth0", "bn0"), ("eth0", "uplink")),
    ("type ifname", ("3cx.eth0", "mark", "7.eth0"), ("3cx.eth0", "vlan", "8-a.eth0")),
    ("type ifname . ipv4_addr", ("3cx.eth0 . 10.0.0.1",), ("ip . 10.0.0.1", "3cx.eth0 . 10.0.0.2")),
    ("type ifname : mark", ("3cx.eth0 : 5", "mark : 6"), ("3cx.eth0 : 6",)),
    ("type mark", ("5", "4294967295"), ("5", "6")),
    ("type inet_proto", ("tcp", "udp", "132"), ("1", "58", "tcp")),
    ("type icmp_type", ("8", "0"), ("8", "13")),
    ("type inet_service; flags interval", ("80", "1000-2000"), ("80", "1000-1999")),
    ("typeof ct id", ("1234",), ("1234", "4000000000")),
    (
        "type ipv4_addr . inet_proto . inet_service; flags interval",
        ("10.0.0.0/8 . tcp . 80-90", "10.0.0.1 . 47 . 1"),
        ("10.0.0.0/8 . udp . 80-90", "11.0.0.1-11.0.0.9 . 47 . 1"),
    ),
    (
        "type mark : verdict",
        ("5 : jump yes", "6 : goto no", "7 : drop"),
        ("5 : jump no", "6 : goto no", "8 : accept"),
    ),
    (
        "type ipv4_addr . inet_service : mark; flags interval",
        ("10.0.0.0/8 . 80 : 262149",),
        ("10.0.0.0/8 . 80 : 1",),
    ),
    (
        "type mark : ipv4_addr . inet_service",
        ("5 : 10.0.0.1 . 80",),
        ("5 : 10.0.0.1 . 81", "6 : 10.0.0.1 . 80"),
    ),
    ("type ipv6_addr : mark", ("2001:db8::1 : 5", "::1 : 6"), ("2001:db8::1 : 6",)),
    ("type ipv4_addr; counter", ("10.0.0.1",), ("10.0.0.2",)),
]


@pytest.mark.parametrize(("spec", "one", "two"), CONTENTS)
@isolated
async def test_elements_are_kept(spec: str, one: tuple[str, ...], two: tuple[str, ...]) -> None:
    """Elements of all kinds are read back as they were written; other content is reached by difference."""
    async with stage() as agent:
        assert await agent.bring(TABLE_ITEM, peers(spec, *one)) == [f"create {TREF}", f"create {REF}"]
        assert listed() == set(one)
        assert await agent.bring(TABLE_ITEM, peers(spec, *two)) == [f"modify {REF}"]
        assert listed() == set(two)
        assert await agent.bring(TABLE_ITEM, peers(spec)) == [f"modify {REF}"]
        assert listed() == set()
        await agent.verbs(peers(spec, *one), TABLE_ITEM, old=peers(spec, *two))
        assert await agent.bring(TABLE_ITEM) == []


@isolated
async def test_content_of_others_is_left_alone() -> None:
    """A set without wanted elements is made once; what is in it, with timeouts, is somebody else's."""
    host = NftSet(FAMILY, TABLE, "host_12345678_4", "type ipv4_addr; flags timeout; timeout 1h")
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, host)
        sh(f"nft add element {WHERE} host_12345678_4 '{{ 10.0.0.1, 10.0.0.2 timeout 5m }}'")
        assert await agent.once(TABLE_ITEM, host) == []
        await host.create(agent.system)
    async with stage() as restarted:
        assert await restarted.once(TABLE_ITEM, host) == []
        changed = NftTable.of(FAMILY, "acl", SKELETON + "\nchain more { }", carries=True)
        assert await restarted.bring(changed, host) == [f"modify {TREF}"]
        assert "10.0.0.2 timeout 5m" in sh(f"nft list set {WHERE} host_12345678_4")
        assert await restarted.bring(changed) == [f"delete {host.ref}"]


@pytest.mark.parametrize(
    "by_hand",
    [
        f"nft flush set {WHERE} peers",
        f"nft delete element {WHERE} peers '{{ 10.0.0.1 }}'",
        f"nft add element {WHERE} peers '{{ 10.0.0.9 }}'",
    ],
)
@isolated
async def test_a_change_by_hand_is_seen_and_repaired(by_hand: str) -> None:
    """Elements that somebody added or removed are noticed; a set that was removed is made again."""
    wanted = peers("type ipv4_addr", "10.0.0.1", "10.0.0.2")
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, wanted)
        sh(by_hand)
        assert await agent.bring(TABLE_ITEM, wanted) == [f"modify {REF}"]
        assert listed() == {"10.0.0.1", "10.0.0.2"}
        sh(f"nft delete set {WHERE} peers")
        assert await agent.bring(TABLE_ITEM, wanted) == [f"create {REF}"]


@isolated
async def test_another_specification_has_it_replaced() -> None:
    """Another type is another set: delete and create."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, peers("type ipv4_addr", "10.0.0.1"))
    async with stage() as restarted:
        new = peers("type ipv6_addr : mark", "::1 : 1")
        assert await restarted.bring(TABLE_ITEM, new) == [f"delete {REF}", f"create {REF}"]
        assert listed() == {"::1 : 1"}


@isolated
async def test_a_refused_element_changes_nothing() -> None:
    """An element that nftables refuses leaves the others as they were."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, peers("type ipv4_addr", "10.0.0.1"))
        with pytest.raises(KernelError, match="nftables: "):
            await agent.once(TABLE_ITEM, peers("type ipv4_addr", "10.0.0.2", "10.0.0.777"))
        assert listed() == {"10.0.0.1"}
        with pytest.raises(KernelError, match="nftables: "):
            await agent.once(TABLE_ITEM, peers("type nonsense"))


@isolated
async def test_a_restarted_agent_knows_its_sets() -> None:
    """With the old one's memory and without, it knows which sets are its own, and what is in them stays."""
    wanted = peers("type ipv4_addr", "10.0.0.1")
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, wanted)
    async with stage() as restarted:
        assert await restarted.once(TABLE_ITEM, wanted) == []
    Path(DIRECTORY, "nft.json").write_text("{")
    async with stage() as forgetful:
        assert await forgetful.bring(TABLE_ITEM, wanted) == [f"modify {TREF}"]
        assert await forgetful.found() == [REF, TREF]
        sh(f"nft delete table {WHERE}")
        await wanted.delete(forgetful.system)


@isolated
async def test_a_skeleton_that_asks_a_set_declares_it() -> None:
    """A set that the skeleton's own rules ask is declared there, and outlives the skeleton's changes."""
    wanted = peers("type ipv4_addr; flags interval", "10.0.0.0/8")
    skeletons = [
        NftTable.of(
            FAMILY, "acl", f"{wanted.declaration()}\nchain x {{ ip saddr @peers {verdict}; }}", carries=True
        )
        for verdict in ("accept", "drop")
    ]
    async with stage() as agent:
        assert await agent.bring(skeletons[0], wanted) == [f"create {TREF}", f"create {REF}"]
        assert await agent.bring(skeletons[1], wanted) == [f"modify {TREF}"]
        assert listed() == {"10.0.0.0/8"}


def test_a_table_of_others_is_refused() -> None:
    """A set lives in a table with our prefix, or nobody would ever see it again."""
    with pytest.raises(ValueError, match="netnsmgr_"):
        NftSet("inet", "acl", "peers", "type ipv4_addr").deps()


@isolated
async def test_a_long_set_changes_at_the_cost_of_the_difference() -> None:
    """One of 20,000 elements is replaced without loading the others anew."""
    many = [f"10.0.{i >> 8}.{i & 255}" for i in range(20000)]
    async with stage() as agent:
        begun = time.monotonic()
        await agent.bring(TABLE_ITEM, peers("type ipv4_addr", *many[1:]))
        print("loaded and observed:", time.monotonic() - begun)
        begun = time.monotonic()
        await agent.observe(TABLE_ITEM, peers("type ipv4_addr", *many[1:]))
        print("observed unchanged:", time.monotonic() - begun)
        begun = time.monotonic()
        assert await agent.bring(TABLE_ITEM, peers("type ipv4_addr", *many[:-1])) == [f"modify {REF}"]
        print("changed:", time.monotonic() - begun)
        assert listed() == set(many[:-1])
