"""nftables against the real kernel."""

from __future__ import annotations

import json
import select
import subprocess
from pathlib import Path

import pytest

from netnsmgr.errors import KernelError
from netnsmgr.items.nft import NftTable
from tests.kernel.stage import DIRECTORY, sh, stage
from tests.lab import isolated

BODY = """
set blocked {
    type ipv4_addr; flags interval;
    elements = { 192.0.2.0/24, 198.51.100.7 }
}
chain forward {
    type filter hook forward priority filter; policy accept;
    ip daddr @blocked counter drop
    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
}
chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "uplink" ip saddr != 169.254.100.1 snat ip to 169.254.100.1
}"""
TABLE = NftTable.of("inet", "nat", BODY)
OTHER = NftTable.of("inet", "nat", BODY.replace("7", "8"))
REF = "nft-table/inet netnsmgr_nat"


def count(table: str = "inet netnsmgr_nat") -> int:
    """Rules in a table."""
    listed = json.loads(sh(f"nft -j list table {table}"))["nftables"]
    return sum("rule" in entry for entry in listed)


@isolated
async def test_is_there_as_intended() -> None:
    """A table is loaded, known again by its fingerprint, and the second plan is empty; verbs can be repeated."""
    async with stage() as agent:
        assert await agent.bring(TABLE) == [f"create {REF}"]
        assert count() == 3
        assert await agent.bring() == [f"delete {REF}"]
        await agent.verbs(TABLE, old=OTHER)
        assert sh("nft list tables") == ""


@isolated
async def test_is_replaced_in_one_transaction() -> None:
    """A new text replaces the table in one generation of the rules: the old goes and the new comes at once."""
    async with stage() as agent:
        await agent.bring(TABLE)
        with subprocess.Popen(["nft", "monitor"], stdout=subprocess.PIPE, text=True, bufsize=1) as monitor:
            assert monitor.stdout is not None
            while not select.select([monitor.stdout], [], [], 0.02)[0]:  # until it listens
                sh("nft add table ip first")
                sh("nft delete table ip first")
            assert await agent.once(OTHER) == [f"modify {REF}"]
            sh("nft add table ip last")
            said = list(iter(monitor.stdout.readline, "add table ip last\n"))
            monitor.kill()
        generations = "".join(said).split("# new generation")
        (ours,) = [text for text in generations if "netnsmgr_nat" in text]
        assert "delete table inet netnsmgr_nat" in ours
        assert "add table inet netnsmgr_nat" in ours
        assert ours.count("add rule inet netnsmgr_nat") == 3


@isolated
async def test_a_text_that_is_refused_changes_nothing() -> None:
    """A table whose new text nftables refuses stays as it was, and the error says why."""
    async with stage() as agent:
        await agent.bring(TABLE)
        with pytest.raises(KernelError, match=r"nftables: .*syntax error"):
            await agent.once(NftTable.of("inet", "nat", "chain x { nonsense }"))
        assert await agent.once(TABLE) == []


@pytest.mark.parametrize(
    "by_hand",
    [
        "nft flush chain inet netnsmgr_nat forward",
        "nft flush table inet netnsmgr_nat",
        "nft add rule inet netnsmgr_nat forward accept",
        "nft delete element inet netnsmgr_nat blocked '{ 198.51.100.7 }'",
        "nft add chain inet netnsmgr_nat mine",
        "nft 'delete chain inet netnsmgr_nat postrouting'",
    ],
)
@isolated
async def test_a_change_by_hand_is_seen_and_repaired(by_hand: str) -> None:
    """Rules, elements and chains that somebody flushed, added or removed are noticed, and the table is loaded anew."""
    async with stage() as agent:
        await agent.bring(TABLE)
        sh(by_hand)
        assert await agent.bring(TABLE) == [f"modify {REF}"]
        assert count() == 3


@isolated
async def test_counters_are_no_change() -> None:
    """That packets are counted changes nothing."""
    async with stage() as agent:
        table = NftTable.of(
            "inet",
            "nat",
            "chain out { type filter hook output priority filter; policy accept; counter accept; }",
        )
        await agent.bring(table)
        sh("ping -c 1 -W 1 127.0.0.1")
        assert await agent.once(table) == []
        assert "packets 0" not in sh("nft list table inet netnsmgr_nat")


@isolated
async def test_deleted_or_flushed_altogether_it_comes_back() -> None:
    """``nft flush ruleset`` is repaired."""
    async with stage() as agent:
        await agent.bring(TABLE)
        sh("nft flush ruleset")
        assert await agent.bring(TABLE) == [f"create {REF}"]


@isolated
async def test_a_restarted_agent_knows_its_tables() -> None:
    """A new agent with the old one's memory finds its tables intact; without the memory it loads them once,
    and then they are settled."""
    async with stage() as agent:
        await agent.bring(TABLE)
    async with stage() as restarted:
        assert await restarted.once(TABLE) == []
    for lost in ("", "{"):
        Path(DIRECTORY, "nft.json").write_text(lost)
        async with stage() as forgetful:
            assert await forgetful.bring(TABLE) == [f"modify {REF}"]
    async with stage() as restarted:
        assert await restarted.bring() == [f"delete {REF}"]


@isolated
async def test_of_others_are_untouched() -> None:
    """Tables without our prefix are neither reported nor touched, not even where they look like ours."""
    async with stage() as agent:
        sh(
            "nft 'table inet filter { chain input { type filter hook input priority 0; accept; }; }';"
            "nft 'table ip nat { chain fingerprint_00 { }; }'"
        )
        before = sh("nft list ruleset")
        assert await agent.found() == []
        await agent.bring(TABLE)
        await agent.bring()
        assert sh("nft list ruleset") == before


@isolated
async def test_a_strange_table_with_our_prefix_goes() -> None:
    """What has our prefix is ours in an instance's namespace: a table that nothing describes any more is removed, whoever made it."""
    async with stage() as agent:
        sh("nft add table ip netnsmgr_old")
        assert await agent.bring() == ["delete nft-table/ip netnsmgr_old"]


@isolated
async def test_a_strange_table_with_our_prefix_stays_in_the_root_namespace() -> None:
    """There it is ours by what it was loaded from, not by its name alone."""
    async with stage(owns_namespace=False) as agent:
        await agent.bring(TABLE)
        sh("nft add table ip netnsmgr_old")
        assert await agent.bring() == [f"delete {TABLE.ref}"]
        assert sh("nft list tables") == "table ip netnsmgr_old"


def test_same_name_in_another_family_is_another_table() -> None:
    """Family and name together name a table."""
    assert NftTable.of("ip", "nat", "").ref != NftTable.of("inet", "nat", "").ref
