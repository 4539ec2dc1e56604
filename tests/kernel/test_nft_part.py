"""Parts of tables of nftables against the real kernel."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.nft_part import NftPart
from netnsmgr.items.nft_set import NftSet
from tests.kernel.nft_parts import (
    FAMILY,
    OTHER,
    PART,
    PREF,
    SECOND,
    TABLE,
    TABLE_ITEM,
    TREF,
    WHERE,
    brought,
    listed,
    part,
)
from tests.kernel.stage import DIRECTORY, sh, stage
from tests.lab import isolated


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


@isolated
async def test_a_flushed_ruleset_comes_back() -> None:
    """``nft flush ruleset`` is repaired."""
    async with stage() as agent:
        await brought(agent)
        sh("nft flush ruleset")
        await brought(agent)


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
