"""Tables that carry parts: what happens to the parts when the skeleton changes."""

from __future__ import annotations

import pytest

from netnsmgr.items.nft import NftTable
from tests.kernel.nft_parts import (
    BODY,
    FAMILY,
    LINKS,
    OTHER_SKELETON,
    PART,
    PREF,
    SKELETON,
    TABLE_ITEM,
    TREF,
    WHERE,
    brought,
    listed,
    part,
)
from tests.kernel.stage import sh, stage
from tests.lab import isolated


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


@isolated
async def test_the_skeleton_changes_around_a_counter_of_its_parts() -> None:
    """A counter that it still has stays, as parts use it, and so does its count: the next pass has nothing to do."""
    counting = "counter lost { }" + SKELETON
    using = part(body=BODY.replace("    drop", '    counter name "lost" drop'))
    async with stage() as agent:
        await agent.bring(NftTable.of(FAMILY, "acl", counting, carries=True), using)
        changed = NftTable.of(FAMILY, "acl", counting.replace("chain old", "chain new"), carries=True)
        assert await agent.bring(changed, using) == [f"modify {TREF}"]
        assert await agent.bring(changed, using) == []


@pytest.mark.parametrize(
    "skeleton",
    [
        SKELETON.replace("priority filter", "priority 10"),
        SKELETON.replace("type mark", "type ifname"),
        SKELETON.replace("type mark : verdict;", "type mark : verdict; elements = { 1 : drop };"),
    ],
)
@isolated
async def test_what_cannot_change_in_place_has_all_made_again(skeleton: str) -> None:
    """A hook's priority or a map's type: table and parts are made anew."""
    changed = NftTable.of(FAMILY, "acl", skeleton, carries=True)
    async with stage() as agent:
        await brought(agent)
        assert await agent.bring(changed, part(links=LINKS[:1])) == [f"modify {TREF}", f"modify {PREF}"]


@isolated
async def test_what_parts_lead_to_goes_after_they_have_changed() -> None:
    """A chain that the skeleton has no longer, but parts jump to, stays until they do so no longer; links never break."""
    changed = NftTable.of(FAMILY, "acl", SKELETON.replace("decided", "done"), carries=True)
    new = part(body=BODY.replace("decided", "done"))
    async with stage() as agent:
        await brought(agent)
        assert await agent.once(changed, PART) == [f"modify {TREF}"]
        assert PART.prefix in sh(f"nft list map {WHERE} ports")
        assert "chain decided" in listed()
        assert await agent.once(changed, new) == [f"modify {TREF}", f"modify {PREF}"]
        assert await agent.bring(changed, new) == [f"modify {TREF}"]
        assert "chain decided" not in listed()


@isolated
async def test_a_mark_that_is_gone() -> None:
    """Objects of a part that nothing marks as one any more count as the skeleton's, and go when nothing leads there."""
    async with stage() as agent:
        await brought(agent)
        sh(f"nft delete chain {WHERE} {PART.prefix}_part")
        assert sorted(await agent.once(TABLE_ITEM, PART)) == [f"create {PREF}", f"modify {TREF}"]
        assert await agent.bring(TABLE_ITEM, PART) == [f"modify {TREF}"]
