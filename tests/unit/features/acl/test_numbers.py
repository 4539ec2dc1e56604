"""Numbers of interfaces, rules and epochs: what has one keeps it, and nothing is given twice."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.features.acl.numbers import EPOCHS, FIRST, Numbers

HELD = 64
"""Instead of thousands."""

Lists = dict[str, tuple[str, tuple[int | None, ...]]]


def lists(**found: tuple[str, int]) -> Lists:
    return {f"{app}/eth0": (digest, tuple(range(1, size + 1))) for app, (digest, size) in found.items()}


def test_what_has_a_number_keeps_it() -> None:
    first = Numbers.none().assign(lists(a=("x", 3), b=("y", 2)))
    second = first.assign(lists(b=("y", 2), c=("z", 1)))
    assert second.vifs["b/eth0"] == first.vifs["b/eth0"]
    assert second.blocks["b/eth0"] == first.blocks["b/eth0"]
    assert second.vifs["c/eth0"] not in {second.vifs["b/eth0"], 0}


def test_the_epoch_changes_with_a_list_and_only_then() -> None:
    first = Numbers.none().assign(lists(a=("x", 3)))
    assert first.epoch == 1
    assert first.assign(lists(a=("x", 3))) == first
    assert first.assign(lists(a=("other", 3))).epoch == 2
    assert first.assign(lists(a=("x", 3), b=("y", 1))).epoch == 2


def test_the_epoch_is_never_zero() -> None:
    numbers = replace(Numbers.none(), epoch=EPOCHS - 1)
    found = []
    for n in range(3):
        numbers = numbers.assign(lists(a=(str(n), 1)))
        found.append(numbers.epoch)
    assert found == [EPOCHS, 1, 2]


def test_a_replaced_list_is_remembered_with_its_rules() -> None:
    first = Numbers.none().assign(lists(a=("x", 3)))
    second = first.assign(lists(a=("changed", 1)))
    index = json.loads(second.index_text())["blocks"]
    assert {"base": FIRST, "app": "a", "interface": "eth0", "ids": [1, 2, 3]} in index
    assert {"base": FIRST + 4, "app": "a", "interface": "eth0", "ids": [1]} in index


def test_a_restarted_agent_reads_what_it_kept() -> None:
    numbers = Numbers.none().assign(lists(a=("x", 3), b=("y", 2))).assign(lists(b=("z", 2)))
    assert Numbers.of(json.loads(json.dumps(numbers.record()))) == numbers


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("abcdef"),
            st.tuples(st.sampled_from("uvwxyz"), st.integers(0, 20_000)),
            max_size=6,
        ),
        max_size=12,
    )
)
def test_blocks_and_ids_never_overlap(history: list[dict[str, tuple[str, int]]]) -> None:
    numbers = Numbers.none()
    for step in history:
        numbers = numbers.assign({app: (digest, (None,) * size) for app, (digest, size) in step.items()})
        taken = sorted([*numbers.blocks.values(), *numbers.retired], key=lambda block: block.base)
        assert all(block.base >= FIRST for block in taken)
        assert all(one.end <= other.base for one, other in pairwise(taken))
        assert len(set(numbers.vifs.values())) == len(numbers.vifs) == len(step)


def test_the_epoch_changes_when_an_address_moves_and_not_before() -> None:
    """Flows to the address have been allowed by the list of the one who had it."""
    lists = {"app1/eth0": ("open", (None,)), "app2/eth0": ("open", (None,))}
    one, two = IPv4Address("10.10.1.50"), IPv4Address("10.10.1.51")
    first = Numbers.none().assign(lists)
    leased = first.assign(lists, {one: "app1/eth0"}).assign(lists, {one: "app1/eth0", two: "app2/eth0"})
    assert leased.epoch == first.epoch
    gone = Numbers.of(json.loads(json.dumps(leased.assign(lists, {two: "app2/eth0"}).record())))
    assert gone.epoch == first.epoch
    moved = gone.assign(lists, {one: "app2/eth0", two: "app2/eth0"})
    assert moved.epoch == first.epoch + 1
    assert moved.assign(lists, {one: "app2/eth0", two: "app2/eth0"}) == moved


def test_addresses_that_were_left_are_forgotten_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, and all flows are decided again: of what is forgotten nobody would notice that it moves."""
    monkeypatch.setattr("netnsmgr.features.acl.numbers.HELD", HELD)
    lists = {"app1/eth0": ("digest", (1,))}
    numbers = Numbers.none().assign(lists)
    epochs = []
    for number in range(2 * HELD):
        numbers = numbers.assign(lists, {IPv6Address(number): "app1/eth0"})
        epochs.append(numbers.epoch)
    assert len(numbers.held) <= HELD + 1
    assert str(IPv6Address(2 * HELD - 1)) in numbers.held
    assert str(IPv6Address(0)) not in numbers.held
    assert epochs[HELD - 1] == epochs[0]
    assert epochs[-1] - epochs[0] == 2
