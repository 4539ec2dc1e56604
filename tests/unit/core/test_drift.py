"""Drift, told from everything else that makes a difference."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest

from netnsmgr.core.drift import Drift, Look, Seen, drifts, foundations, hold
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.core.plan import plan


@dataclass(frozen=True)
class Thing(Item):
    """An item of any kind."""

    kind: str  # type: ignore[misc]
    name: str
    value: int = 0
    on: frozenset[Ref] = field(default=frozenset(), compare=False)

    def key(self) -> str:
        return self.name

    def deps(self) -> frozenset[Ref]:
        return self.on

    def must_replace(self, old: Item) -> bool:
        return False


@dataclass(frozen=True)
class Fact(Item):
    kind: str  # type: ignore[misc]
    name: str
    external: ClassVar[bool] = True

    def key(self) -> str:
        return self.name


def thing(kind: str, name: str, *on: Item, value: int = 0) -> Thing:
    return Thing(kind, name, value, frozenset(item.ref for item in on))


BRIDGE = thing("link", "bn0")
ADDRESS = thing("address", "10.0.0.1/24 dev bn0", BRIDGE)
ROUTE = thing("route", "10.9.0.0/16", BRIDGE)
TABLE = thing("nft-table", "inet netnsmgr_nat")
SET = thing("nft-set", "inet netnsmgr_nat maps", TABLE)
HELPER = thing("process", "dnsmasq", ADDRESS)
LEASE = thing("lease", "10.0.0.7")
APP = Fact("netns", "app1")
VIF = thing("link", "app1.eth0", APP, BRIDGE)
PORT = Fact("link", "eth0")
UP = thing("link-up", "eth0", PORT)
OUT = thing("route", "default", PORT)
PORTS = thing("address", "192.168.0.2/24 dev eth0", PORT)
FACTS = {APP.ref: 100, PORT.ref: 7, BRIDGE.ref: 3, VIF.ref: 4}
ALL: list[Item] = [BRIDGE, ADDRESS, ROUTE, TABLE, SET, HELPER, LEASE, APP, VIF, PORT, UP, OUT, PORTS]


def at_rest(*items: Item) -> Seen:
    """What an agent has seen that is at rest."""
    stood = state(item for item in items or ALL if not item.external)
    return Seen(stood, FACTS, stood.keys())


def found(
    now: list[Item],
    *,
    wanted: list[Item] = ALL,
    before: Seen | None = None,
    identities: dict[Ref, int] | None = None,
    facts: tuple[Item, ...] = (APP, PORT),
) -> list[Drift]:
    """Drift as the next pass finds it, by the plan that it makes."""
    current = state(item for item in now if not item.external)
    todo = plan(current, state(wanted), frozenset(item.ref for item in facts))
    look = Look(current, FACTS if identities is None else identities)
    ops = {op.ref for op in todo.after}
    return drifts(before or at_rest(), look, state(wanted), todo.blocked, ops)


def without(*gone: Item) -> list[Item]:
    return [item for item in ALL if item not in gone]


def named(*items: Item) -> list[tuple[Ref, tuple[Ref, ...]]]:
    """One root, and what went along with it."""
    root, *along = items
    return [(root.ref, tuple(sorted(item.ref for item in along)))]


def refs(drifted: list[Drift]) -> list[tuple[Ref, tuple[Ref, ...]]]:
    return [(drift.ref, drift.along) for drift in drifted]


def test_nothing_drifts_where_nothing_differs() -> None:
    assert found(ALL) == []


@pytest.mark.parametrize("item", [ADDRESS, ROUTE, TABLE, HELPER, UP, VIF], ids=lambda item: str(item.ref))
def test_what_is_missing_has_drifted(item: Item) -> None:
    """One that was seen in place, and is gone, with what is expected and that nothing is found."""
    (drift,) = [each for each in found(without(item)) if each.ref == item.ref]
    assert (drift.expected, drift.found) == (item, None)


def test_what_is_changed_has_drifted() -> None:
    other = replace(TABLE, value=1)
    assert found([*without(TABLE), other]) == [Drift(TABLE.ref, TABLE, other)]


def test_what_went_along_is_told_with_its_cause() -> None:
    """The kernel removes addresses and routes with their link; so does a table its sets."""
    assert refs(found(without(BRIDGE, ADDRESS, ROUTE))) == named(BRIDGE, ADDRESS, ROUTE)
    assert refs(found(without(TABLE, SET))) == named(TABLE, SET)


def test_a_link_that_is_set_down_takes_its_routes() -> None:
    """They stand on the link and not on its being up, and are gone all the same."""
    assert refs(found(without(UP, OUT))) == named(UP, OUT)


def test_the_last_address_takes_the_routes_of_its_link() -> None:
    """fib_disable_ip(): with the last IPv4 address of a link go all its routes."""
    assert refs(found(without(PORTS, OUT))) == named(PORTS, OUT)
    assert refs(found(without(ADDRESS, OUT))) == named(ADDRESS) + named(OUT)  # of two links


def test_what_only_we_put_in_an_order_does_not_go_along() -> None:
    """A route that waits for its translation stays when that is changed, or goes: who removed it did so himself."""
    behind = thing("route", "behind", TABLE)
    before, wanted = at_rest(*ALL, behind), [*ALL, behind]
    for now in (without(TABLE), [*without(TABLE), replace(TABLE, value=1)]):
        assert refs(found(now, before=before, wanted=wanted)) == named(TABLE) + named(behind)


def test_a_parameter_takes_nothing_along_but_ipv6() -> None:
    """Nobody loses an address to another parameter of its link."""
    for name, alone in (("net/ipv6/conf/bn0/disable_ipv6", False), ("net/ipv4/conf/bn0/rp_filter", True)):
        parameter = thing("sysctl", name, BRIDGE)
        wanted = [*ALL, parameter]
        drifted = refs(found(without(ADDRESS), before=at_rest(*wanted), wanted=wanted))
        assert drifted == (named(ADDRESS) + named(parameter) if alone else named(parameter, ADDRESS))


def test_what_nobody_has_seen_in_place_has_not_drifted() -> None:
    """A first pass, and an item that never came to stand."""
    assert found([], before=Seen()) == []
    assert found(without(ROUTE), before=at_rest(*without(ROUTE))) == []


def test_intent_explains() -> None:
    """What is wanted otherwise, or not any more, or new."""
    other = replace(ROUTE, value=5)
    assert found(ALL, wanted=[*without(ROUTE), other]) == []
    assert found(ALL, wanted=without(TABLE, SET)) == []
    assert found(ALL, wanted=[*ALL, thing("route", "new", BRIDGE)]) == []


def test_leases_come_and_go() -> None:
    assert found(without(LEASE)) == []


def test_a_port_that_is_pulled_takes_what_is_on_it() -> None:
    """Its items are blocked then, whether or not its number is asked."""
    rest = without(PORT, UP, OUT, PORTS)
    assert found(rest, facts=(APP,), identities={**FACTS, PORT.ref: 0}) == []


def test_a_port_that_was_pulled_and_is_back_is_another_one() -> None:
    """Within one burst of notifications: a link of that name is there, under another number."""
    rest = without(UP, OUT, PORTS)
    assert refs(found(rest, identities={**FACTS, PORT.ref: 8})) == []


def test_an_application_that_went_took_its_interface() -> None:
    """Also where the next one has a namespace of the same name already."""
    assert found(without(APP, VIF), facts=(PORT,)) == []
    assert found(without(VIF), identities={**FACTS, APP.ref: 101}) == []


def test_what_an_agent_does_itself_is_no_drift() -> None:
    """Operations since the last look excuse what stands on their items, and what they share a link with."""
    before = at_rest()
    for own in (BRIDGE, ADDRESS):
        assert refs(found(without(ROUTE), before=replace(before, touched={own.ref}))) == []
    assert refs(found(without(SET), before=replace(before, touched={TABLE.ref}))) == []
    assert refs(found(without(ADDRESS), before=replace(before, touched={ADDRESS.ref}))) == []
    assert refs(found(without(OUT), before=replace(before, touched={ADDRESS.ref}))) == named(OUT)


def test_what_was_repaired_drifts_again() -> None:
    """The operation that put it back is no excuse for its being gone again."""
    before = replace(at_rest(), touched={ROUTE.ref}, repaired={ROUTE.ref})
    assert refs(found(without(ROUTE), before=before)) == named(ROUTE)


STRAY = thing("address", "10.0.0.99/24 dev bn0", BRIDGE)


def test_what_is_added_has_drifted() -> None:
    """Once: when it was there before it is no news, and before anybody has looked nothing is."""
    assert found([*ALL, STRAY]) == [Drift(STRAY.ref, None, STRAY)]
    known = {*at_rest().items, STRAY.ref}
    assert found([*ALL, STRAY], before=replace(at_rest(), known=known)) == []
    assert found([*ALL, STRAY], before=replace(at_rest(), known=None)) == []
    assert found([*ALL, STRAY], before=replace(at_rest(), touched={STRAY.ref})) == []


def test_what_came_with_a_link_is_its_makers_affair() -> None:
    """A link that is new, or another one than before, may bring addresses."""
    assert found([*ALL, STRAY], identities={**FACTS, BRIDGE.ref: 9}) == []
    elsewhere = thing("address", "10.7.7.7/24 dev new", thing("link", "new"))
    assert found([*ALL, elsewhere], identities={**FACTS, Ref("link", "new"): 11}) == []


def test_kinds_that_come_by_themselves_are_not_added_by_hand() -> None:
    assert (
        found([*ALL, thing("lease", "10.0.0.8"), thing("process", "old"), thing("port", "eth1 as found")])
        == []
    )


def test_what_is_held_stays_and_what_stands_on_it_waits() -> None:
    """A plan with held items has no operation for them, nor for what would have to be made upon them."""
    new = thing("route", "new", BRIDGE)
    rest = thing("route", "elsewhere")
    wanted = state([*ALL, new, rest])
    current = state(item for item in [*without(BRIDGE, ADDRESS, ROUTE), STRAY] if not item.external)
    facts = frozenset({APP.ref, PORT.ref})
    ops = {op.ref for op in plan(current, wanted, facts).after}
    held = {BRIDGE.ref, ADDRESS.ref, ROUTE.ref, STRAY.ref}
    shown, waits = hold(current, wanted, held, ops)
    assert new.ref in waits
    assert rest.ref not in waits
    assert {str(op) for op in plan(shown, wanted, facts).after} == {"create route/elsewhere"}


def test_foundations_reach_to_the_ground() -> None:
    assert foundations(HELPER, state(ALL)) == {ADDRESS.ref, BRIDGE.ref}
