"""Drift: what stood as intended, is still wanted exactly so, and is different now.  Pure.

A difference alone is no drift: most of them are changes of intent, an agent's own operations under way, or ordinary
life.  What tells drift from these:

1. Only what a look has found as intended can drift.  What is blocked, or wanted otherwise by now, cannot.
2. What the agent itself has changed since that look excuses all that stands on it or shares a link with it: the kernel
   removes the routes with the last address of their link, and nobody else had a hand in it.
3. A link or namespace that is another one than at that look (by its number, its inode) excuses what stands on it: it
   belongs to somebody else, who may take it away and bring it back.
4. What is missing because of other drift is told with that, and not by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from netnsmgr.core.item import Item, Ref, State
from netnsmgr.core.linkname import BIRTH_PREFIX

LIFE = frozenset({"lease", "flows", "led-flows", "led-flows-end"})
"""Kinds that come and go by themselves, or that only remember what was done: none of them is changed by hand."""

STRAYS = frozenset(
    {"address", "route", "rule", "link", "nft-table", "nft-set", "nft-part", "file", "directory"}
)
"""Kinds of which one that nobody wants, and that was not there before, has been added by hand."""

GROUND = frozenset({"link", "netns", "tunnel", "port", "process", "directory"})
"""Kinds that, when they go, take along what stands on them.  On others things stand by our order alone: the kernel keeps
a route whose translation is gone."""

RANK = {"link": 0, "tunnel": 0, "port": 0, "link-up": 1, "sysctl": 1, "address": 2}
"""Of items on one link: what a lower one loses takes those above it along (a link that is down has no routes)."""
HIGHEST = 3


@dataclass(frozen=True)
class Look:
    """What is there at one moment: items, and the identities of the links and namespaces on which items stand."""

    items: State
    identities: Mapping[Ref, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the last look and the operations after it leave to compare with."""

    items: State = field(default_factory=dict)
    """What stood as intended."""
    identities: Mapping[Ref, object] = field(default_factory=dict)
    known: Collection[Ref] | None = None
    """All that was there, wanted or not; None: nobody has looked yet."""
    touched: Collection[Ref] = ()
    """What the agent has operated on since."""
    repaired: Collection[Ref] = ()
    """What of that had drifted: it stands where the operation ended well, and may drift again."""


@dataclass(frozen=True)
class Drift:
    """One thing changed by somebody else: removed where ``found`` is None, added where ``expected`` is."""

    ref: Ref
    expected: Item | None
    found: Item | None
    along: tuple[Ref, ...] = ()
    """What went along with it."""

    @property
    def refs(self) -> frozenset[Ref]:
        """All that it concerns."""
        return frozenset({self.ref, *self.along})


def drifts(
    before: Seen, look: Look, wanted: State, blocked: Collection[Ref], ops: Iterable[Ref]
) -> list[Drift]:
    """Return what has drifted among the refs of a plan's operations (what needs none has not)."""
    touched = frozenset(before.touched) - frozenset(before.repaired)
    other = {ref for ref, was in before.identities.items() if look.identities.get(ref) != was}
    changed: dict[Ref, frozenset[Ref]] = {}
    strays: list[Drift] = []
    for ref in sorted(set(ops)):
        item, now = before.items.get(ref), look.items.get(ref)
        if ref in touched or ref.kind in LIFE:
            continue
        if item is not None:
            if wanted.get(ref) == item and ref not in blocked and now != item:
                changed[ref] = foundations(item, wanted)
        elif now is not None and _stray(now, ref, before, other, wanted):
            strays.append(Drift(ref, None, now))
    takers: dict[str, list[Ref]] = {}
    for ref in changed:
        for link in _taken_links(ref, wanted):
            takers.setdefault(link, []).append(ref)
    causes = {
        ref: {root for root in below & changed.keys() if _takes(root, ref, gone=root not in look.items)}
        | {root for link in _links(ref, below) for root in takers.get(link, ()) if _lower(root, ref)}
        for ref, below in changed.items()
    }
    near = _near(touched, {**before.items, **wanted}) if touched and changed else {}
    excused = {
        ref
        for ref, below in changed.items()
        if below & (other - changed.keys())
        or below & touched
        or any(near.get(link, HIGHEST) < RANK.get(ref.kind, HIGHEST) for link in _links(ref, below))
    }
    # What is missing with something that is excused is excused with it.
    excused |= {ref for ref in changed if causes[ref] & excused}
    roots = [ref for ref in changed if not causes[ref] and ref not in excused]
    along: dict[Ref, list[Ref]] = {root: [] for root in roots}
    for ref in changed.keys() - excused - set(roots):
        above = _all_causes(ref, causes)
        if (root := next((each for each in roots if each in above), None)) is not None:
            along[root].append(ref)
    return [
        Drift(root, before.items[root], look.items.get(root), tuple(sorted(along[root]))) for root in roots
    ] + strays


def foundations(item: Item, items: State) -> frozenset[Ref]:
    """Return all that an item stands on, and what that stands on."""
    found: set[Ref] = set()
    ahead = list(item.deps())
    while ahead:
        ref = ahead.pop()
        if ref not in found:
            found.add(ref)
            if (below := items.get(ref)) is not None:
                ahead += below.deps()
    return frozenset(found)


def shared(ref: Ref) -> bool:
    """Say whether another agent may take it away, as it is wanted: a port, a tunnel with the process that is its link."""
    return ref.kind in {"port", "tunnel"} or (ref.kind == "process" and ref.key.startswith(BIRTH_PREFIX))


def hold(
    current: State, wanted: State, held: Collection[Ref], ops: Iterable[Ref]
) -> tuple[dict[Ref, Item], set[Ref]]:
    """Leave the held items as they are: return what a plan has to take for present, and what waits for them.

    What stands on a held item and would have to be made or changed waits: its foundation may be missing.
    """
    waits = {
        ref
        for ref in ops
        if ref not in held
        and (item := wanted.get(ref)) is not None
        and not foundations(item, wanted).isdisjoint(held)
    }
    shown = {ref: item for ref, item in current.items() if ref not in held or ref in wanted}
    shown |= {ref: wanted[ref] for ref in waits.union(held) if ref in wanted}
    return shown, waits


def _links(ref: Ref, below: Iterable[Ref]) -> set[str]:
    own = {ref.key} if ref.kind in {"link", "link-up", "bridge-port", "port"} else set()
    return own | {each.key for each in below if each.kind == "link"}


def _takes(root: Ref, ref: Ref, *, gone: bool) -> bool:
    """Say whether what stands on ``root`` goes when that goes, or is changed."""
    if root.kind.startswith("nft-"):
        return gone and ref.kind.startswith("nft-")
    return root.kind == "link" or (gone and root.kind in GROUND)


def _taken_links(root: Ref, items: State) -> set[str]:
    """Return the links of which it takes along what is on them."""
    if root.kind not in RANK or (root.kind == "sysctl" and not root.key.endswith("/disable_ipv6")):
        return set()  # that is the one parameter that takes anything away
    item = items.get(root)
    direct = _links(root, item.deps() if item is not None else ())
    return direct or ({root.key.rpartition(" ")[2]} if root.kind == "address" else set())


def _lower(root: Ref, ref: Ref) -> bool:
    return RANK.get(root.kind, HIGHEST) < RANK.get(ref.kind, HIGHEST)


def _all_causes(ref: Ref, causes: Mapping[Ref, set[Ref]]) -> set[Ref]:
    found: set[Ref] = set()
    ahead = [ref]
    while ahead:
        new = causes[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def _near(touched: Iterable[Ref], items: State) -> dict[str, int]:
    """Return the links of which the agent's own operations may have taken something along, and from which rank on."""
    found: dict[str, int] = {}
    for ref in touched:
        for link in _taken_links(ref, items):
            found[link] = min(found.get(link, HIGHEST), RANK[ref.kind])
    return found


def _stray(item: Item, ref: Ref, before: Seen, other: Collection[Ref], wanted: State) -> bool:
    if before.known is None or ref in before.known or ref in wanted or ref.kind not in STRAYS:
        return False
    # What came with a link or namespace that came is its maker's affair.
    came = (each for each in item.deps() if each.kind in {"link", "netns"})
    return all(each in before.identities and each not in other for each in came)
