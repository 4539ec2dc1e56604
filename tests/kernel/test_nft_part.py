"""Parts of tables of nftables against the real kernel."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from tests.kernel.stage import DIRECTORY, Stage, sh, stage
from tests.lab import isolated

FAMILY, TABLE = "inet", "netnsmgr_acl"
WHERE = f"{FAMILY} {TABLE}"
SKELETON = """
map ports { type inet_service : verdict; }
map marks { type mark : verdict; }
chain decided { accept; }
chain old { }
chain output {
    type filter hook output priority filter; policy accept;
    meta l4proto udp udp dport vmap @ports
}"""
TABLE_ITEM = NftTable.of(FAMILY, "acl", SKELETON, carries=True)
OTHER_SKELETON = NftTable.of(
    FAMILY, "acl", SKELETON.replace("chain old { }", "chain new { counter; }"), carries=True
)
TREF = f"nft-table/{WHERE}"
PREF = f"nft-part/{WHERE} app1"

BODY = """
set @@_peers { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 80, 127.0.0.0/8 . 1-60000 }; }
map @@_inner { type mark : verdict; elements = { 7 : jump @@_sub }; }
chain @@_sub { counter return; }
chain @@_out {
    meta mark vmap @@@_inner
    ip daddr . udp dport @@@_peers counter goto decided
    tcp dport { 80, 443 } accept
    drop
}"""
LINKS = (("ports", "9000", "goto @@_out"), ("marks", "5", "jump @@_out"))


def part(name: str = "app1", body: str = BODY, links: tuple[tuple[str, str, str], ...] = LINKS) -> NftPart:
    return NftPart(FAMILY, TABLE, name, body, links)


PART = part()
OTHER = part(body=BODY.replace("443", "8443"))
SECOND = part("host_12345678_4", links=(("ports", "9001", "goto @@_out"),))


def listed() -> str:
    return sh(f"nft list table {WHERE}")


async def brought(agent: Stage) -> None:
    """The table and one part are there."""
    assert await agent.bring(TABLE_ITEM, PART) == [f"create {TREF}", f"create {PREF}"]


@isolated
async def test_is_there_as_intended() -> None:
    """A part is loaded, known again, and the second plan is empty; nothing is left of it afterwards."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM)
        empty = listed()
        await agent.verbs(PART, TABLE_ITEM, old=OTHER)
        assert listed() == empty
        await agent.bring(TABLE_ITEM, PART, SECOND)
        assert "goto app1_" in listed()
        assert "goto host_12345678_4_" in listed()
        assert await agent.bring(TABLE_ITEM, SECOND) == [f"delete {PREF}"]
        assert "app1_" not in listed()
        assert await agent.bring(TABLE_ITEM) == [f"delete nft-part/{WHERE} host_12345678_4"]
        assert listed() == empty


@isolated
async def test_deleting_what_is_gone_is_fine() -> None:
    """A part whose table is gone already, or was never there, can be deleted."""
    async with stage() as agent:
        await PART.delete(agent.system)
        await brought(agent)
        sh(f"nft delete table {WHERE}")
        await PART.delete(agent.system)
        await brought(agent)
        assert await agent.bring() == [f"delete {PREF}", f"delete {TREF}"]


@pytest.mark.parametrize(
    "new",
    [
        OTHER,
        part(links=(("ports", "9002", "goto @@_out"),)),
        part(links=()),
        part(links=(("ports", "9000", "jump @@_sub"), ("marks", "5", "drop"))),
        part(body="chain @@_other { accept; }", links=(("ports", "9000", "goto @@_other"),)),
    ],
)
@isolated
async def test_is_modified_as_a_whole(new: NftPart) -> None:
    """Another text or other links replace the part; nothing of the old one stays."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, new)
        clean = sh(f"nft -s list table {WHERE}")
        assert await agent.bring(TABLE_ITEM, PART) == [f"modify {PREF}"]
        assert await agent.bring(TABLE_ITEM, new) == [f"modify {PREF}"]
        assert sorted(sh(f"nft -s list table {WHERE}").split()) == sorted(clean.split())


@isolated
async def test_links_that_others_made_are_replaced() -> None:
    """An element that stands where a link has to be gives way."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM)
        sh(f"nft add element {WHERE} ports '{{ 9000 : drop }}'")
        assert await agent.bring(TABLE_ITEM, PART) == [f"create {PREF}"]
        assert "drop" not in sh(f"nft list map {WHERE} ports")


@isolated
async def test_a_text_that_is_refused_changes_nothing() -> None:
    """What nftables refuses leaves part and links as they were, and the error has nft's words."""
    async with stage() as agent:
        await brought(agent)
        before = listed()
        for wrong in ("chain @@_out { nonsense }", "chain @@_out { jump nowhere; }"):
            with pytest.raises(KernelError, match=r"nftables: .*(syntax error|No such file)"):
                await agent.once(TABLE_ITEM, part(body=wrong))
        with pytest.raises(KernelError, match=r"nftables: .*No such file"):
            await agent.once(TABLE_ITEM, part(links=(("nomap", "9000", "goto @@_out"),)))
        assert listed() == before
        assert await agent.once(TABLE_ITEM, PART) == []


@pytest.mark.parametrize(
    "by_hand",
    [
        f"nft flush chain {WHERE} {PART.prefix}_out",
        f"nft add rule {WHERE} {PART.prefix}_sub accept",
        f"nft insert rule {WHERE} {PART.prefix}_out tcp dport '{{ 80, 444 }}' accept",
        f"nft delete element {WHERE} ports '{{ 9000 }}'",
        f"nft delete element {WHERE} ports '{{ 9000 }}'; nft add element {WHERE} ports '{{ 9000 : drop }}'",
        f"nft flush map {WHERE} marks",
        f"nft add element {WHERE} marks '{{ 6 : jump {PART.prefix}_out }}'",
        f"nft add chain {WHERE} {PART.prefix}_mine",
    ],
)
@isolated
async def test_a_change_by_hand_is_seen_and_repaired(by_hand: str) -> None:
    """Rules and links that somebody changed are noticed; only this part is loaded anew."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, PART, SECOND)
        before = sorted(sh(f"nft -s list table {WHERE}").split())
        sh(by_hand)
        assert await agent.bring(TABLE_ITEM, PART, SECOND) == [f"modify {PREF}"]
        assert sorted(sh(f"nft -s list table {WHERE}").split()) == before


@isolated
async def test_an_anonymous_set_is_part_of_the_rule() -> None:
    """A rule that was replaced by one which differs in an anonymous set alone is noticed."""
    async with stage() as agent:
        await brought(agent)
        chain = sh(f"nft -a list chain {WHERE} {PART.prefix}_out")
        (handle,) = [line.split()[-1] for line in chain.splitlines() if "tcp dport" in line]
        sh(f"nft replace rule {WHERE} {PART.prefix}_out handle {handle} tcp dport '{{ 80, 444 }}' accept")
        assert await agent.bring(TABLE_ITEM, PART) == [f"modify {PREF}"]


@pytest.mark.parametrize(
    "by_hand",
    [f"nft flush chain {WHERE} output", f"nft delete chain {WHERE} old", f"nft add chain {WHERE} x"],
)
@isolated
async def test_the_skeleton_is_repaired_beneath_its_parts(by_hand: str) -> None:
    """A skeleton that was changed by hand is loaded anew in place: its parts stay."""
    async with stage() as agent:
        await brought(agent)
        sh(by_hand)
        assert await agent.bring(TABLE_ITEM, PART) == [f"modify {TREF}"]


@isolated
async def test_the_skeleton_changes_beneath_its_parts() -> None:
    """A new skeleton takes the place of the old one, of which nothing stays; parts and links are untouched."""
    async with stage() as agent:
        await brought(agent)
        assert await agent.bring(OTHER_SKELETON, PART) == [f"modify {TREF}"]
        assert "chain old" not in listed()
        assert "chain new" in listed()
        assert PART.prefix in sh(f"nft list map {WHERE} ports")


@pytest.mark.parametrize(
    "skeleton",
    [
        SKELETON.replace("priority filter", "priority 10"),
        SKELETON.replace("type mark", "type ifname"),
        SKELETON.replace("type mark : verdict;", "type mark : verdict; elements = { 1 : drop };"),
        SKELETON.replace("decided", "done"),
    ],
)
@isolated
async def test_what_cannot_change_in_place_has_all_made_again(skeleton: str) -> None:
    """A hook's priority, a map's type or a chain that parts jump to: table and parts are made anew."""
    changed = NftTable.of(FAMILY, "acl", skeleton, carries=True)
    new = part(body=BODY.replace("decided", "done" if "done" in skeleton else "decided"), links=LINKS[:1])
    async with stage() as agent:
        await brought(agent)
        assert await agent.bring(changed, new) == [f"modify {TREF}", f"modify {PREF}"]


@isolated
async def test_a_flushed_ruleset_comes_back() -> None:
    """``nft flush ruleset`` is repaired."""
    async with stage() as agent:
        await brought(agent)
        sh("nft flush ruleset")
        await brought(agent)


@isolated
async def test_a_mark_that_is_gone() -> None:
    """Objects of a part that nothing marks as one any more count as the skeleton's, and go with its next loading."""
    async with stage() as agent:
        await brought(agent)
        sh(f"nft delete chain {WHERE} {PART.prefix}_part")
        assert sorted(await agent.bring(TABLE_ITEM, PART)) == [f"create {PREF}", f"modify {TREF}"]


@isolated
async def test_a_restarted_agent_knows_its_parts() -> None:
    """With the old one's memory a new agent finds all intact; without it everything is loaded once more."""
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, PART, SECOND)
    async with stage() as restarted:
        assert await restarted.once(TABLE_ITEM, PART, SECOND) == []
        assert await restarted.bring(TABLE_ITEM, OTHER, SECOND) == [f"modify {PREF}"]
    Path(DIRECTORY, "nft.json").write_text("{")
    async with stage() as forgetful:
        assert len(await forgetful.bring(TABLE_ITEM, OTHER, SECOND)) == 3
    async with stage() as restarted:
        assert len(await restarted.bring(TABLE_ITEM)) == 2


@isolated
async def test_an_agent_that_was_ended_halfway() -> None:
    """Between the making of the new part and the removal of the old one an agent may end: the next one carries on."""
    async with stage() as agent:
        await brought(agent)
        await agent.bring(TABLE_ITEM, OTHER)
        clean = sorted(sh(f"nft -s list table {WHERE}").split())
        await agent.bring(TABLE_ITEM, PART)
        sh(f"nft 'table {WHERE} {{ chain {OTHER.prefix}_part {{ }}\n{OTHER.text()}\n}}'")
    for wanted in (OTHER, PART):
        async with stage() as next_:
            assert await next_.bring(TABLE_ITEM, wanted) == [f"modify {PREF}"]
            if wanted is OTHER:
                assert sorted(sh(f"nft -s list table {WHERE}").split()) == clean


@isolated
async def test_sets_outlive_the_parts_that_ask_them() -> None:
    """Even an agent that was restarted removes a set only after the part which asked it."""
    peers = NftSet(FAMILY, TABLE, "peers", "type ipv4_addr", frozenset({"10.0.0.1"}))
    asking = NftPart(
        FAMILY, TABLE, "app1", "chain @@_out { ip daddr @peers accept; }", (), frozenset({peers.ref})
    )
    silent = NftPart(FAMILY, TABLE, "app1", "chain @@_out { accept; }")
    async with stage() as agent:
        await agent.bring(TABLE_ITEM, peers, asking)
    async with stage() as restarted:
        assert await restarted.bring(TABLE_ITEM, silent) == [f"modify {PREF}", f"delete {peers.ref}"]
        await restarted.bring(TABLE_ITEM, peers, asking)
        other = NftSet(FAMILY, TABLE, "peers", "type ipv4_addr; flags interval", frozenset({"10.0.0.0/8"}))
        assert await restarted.bring(TABLE_ITEM, other, asking) == [
            f"delete {PREF}",
            f"delete {peers.ref}",
            f"create {peers.ref}",
            f"create {PREF}",
        ]


@isolated
async def test_counters_and_traffic_are_no_change() -> None:
    """That packets are counted changes nothing."""
    async with stage() as agent:
        await brought(agent)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sh("ip link set lo up")
            sender.sendto(b"", ("127.0.0.1", 9000))
        assert "counter packets 1 " in listed()
        sh("nft add table ip other")
        assert await agent.once(TABLE_ITEM, PART) == []


STREAM = """
import signal, socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.9.0.1", 9000))
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
n = 0
while going:
    s.send(b"%d" % n)
    n += 1
    time.sleep(0.00005)
print(n)
"""
"""A sender: UDP at several thousand packets a second; at its end prints how many it sent."""


@isolated
async def test_no_packet_meets_a_gap() -> None:
    """A part that lets a stream pass is modified 50 times, and the skeleton with it: nothing is lost.

    Both what has no link and what no rule of the part allows is dropped, so that any gap would show.
    """
    skeleton = """
map ports { type inet_service : verdict; }
chain input {
    type filter hook input priority filter; policy accept;
    udp dport vmap @ports
    meta l4proto udp drop
}"""
    body = "%s\nchain @@_in { ip saddr . udp dport @@@_peers accept; drop; }\nset @@_peers { %s elements = { %s }; }"
    links = (("ports", "9000", "jump @@_in"),)
    elements = ", ".join(f"10.{i // 250}.{i % 250}.2 . 9000" for i in range(2400))
    parts = [
        part(
            body=body % (f"chain @@_x{i} {{ }}", f"type ipv4_addr . inet_service; {flags}", elements),
            links=links,
        )
        for i in range(25)
        for flags in ("", "flags interval;")
    ]
    skeletons = [NftTable.of(FAMILY, "acl", skeleton + f"\nchain x{i} {{ }}", carries=True) for i in range(2)]
    sh(
        "ip netns add peer; ip link add near type veth peer name far netns peer; ip addr add 10.9.0.1/24 dev near;"
        "ip link set near up; ip -n peer addr add 10.9.0.2/24 dev far; ip -n peer link set far up"
    )
    async with stage(owns_namespace=False) as agent:
        await agent.bring(skeletons[0], parts[-1])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.setsockopt(
                socket.SOL_SOCKET, 33, 64 << 20
            )  # SO_RCVBUFFORCE: what is not read is not lost
            receiver.bind(("10.9.0.1", 9000))
            receiver.setblocking(False)
            sh("ping -c 1 -w 5 10.9.0.2")
            sender = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", "peer", sys.executable, "-c", STREAM), stdout=asyncio.subprocess.PIPE
            )
            await asyncio.get_running_loop().sock_recv(receiver, 64)
            got = 1
            for number, new in enumerate(parts):
                assert f"modify {PREF}" in await agent.once(skeletons[number % 2], new)
                got += drained(receiver)
            sender.terminate()
            assert sender.stdout is not None
            sent = int(await sender.stdout.read())
            got += drained(receiver)
        print(f"{sent} sent")
        assert got == sent > 1000


def drained(receiver: socket.socket) -> int:
    """How many datagrams were waiting."""
    count = 0
    while True:
        try:
            receiver.recv(64)
        except BlockingIOError:
            return count
        count += 1


@isolated
async def test_many_long_lists_are_observed_fast() -> None:
    """20 parts with 5,000 elements each do not slow an observation: their elements are not listed."""
    peers = [
        ", ".join(f"10.{i >> 8}.{i & 255}.{p} . {i + 1}-{i + 2}" for i in range(5000)) for p in range(20)
    ]
    text = (
        "set @@_peers { type ipv4_addr . inet_service; flags interval; elements = { %s }; }\n"
        "chain @@_out { ip daddr . udp dport @@@_peers accept; tcp dport { 80, 443 } accept; drop; }"
    )
    parts = [
        part(
            f"app{p}",
            text % peers[p],
            (("ports", str(p + 1), "goto @@_out"), ("marks", str(p), "jump @@_out")),
        )
        for p in range(20)
    ]
    async with stage() as agent:
        begun = time.monotonic()
        await agent.bring(TABLE_ITEM, *parts)
        print("load 20 parts:", time.monotonic() - begun)
    async with stage() as restarted:
        begun = time.monotonic()
        await restarted.observe(TABLE_ITEM, *parts)
        print("first observation:", time.monotonic() - begun)
        times = []
        for _ in range(5):
            sh("nft add table ip other; nft delete table ip other")
            begun = time.monotonic()
            assert len(await restarted.system.nft.parts()) == 20
            times.append(time.monotonic() - begun)
        print("after a change elsewhere:", times)
        begun = time.monotonic()
        assert len(await restarted.system.nft.parts()) == 20
        print("unchanged:", time.monotonic() - begun)
        assert await restarted.once(TABLE_ITEM, *parts) == []
        assert min(times) < 0.1
