"""A skeleton and parts of it, for the tests of ``NftPart``."""

from __future__ import annotations

from netnsmgr.items.nft import NftTable
from netnsmgr.items.nft_part import NftPart
from tests.kernel.stage import Stage, sh

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
