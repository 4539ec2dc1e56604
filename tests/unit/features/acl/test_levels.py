"""Lists as few lookups: the same answers as rule by rule, and few of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.config.acl import AclRule
from netnsmgr.features.acl.elements import Element, elements
from netnsmgr.features.acl.levels import Level, levels
from netnsmgr.features.acl.verdict import Direction, Flow, decide
from tests.unit.features.acl.lists import ALL_NAMES, EIDS, LISTS, NAMES, STATIC, flows, rule

PROTOCOLS = (1, 6, 17, 47, 58, 132)


def plan(rules: Sequence[AclRule], direction: Direction = "out") -> list[Level]:
    return levels(elements(rules, direction, STATIC))


def holds(element: Element, direction: Direction, flow: Flow) -> bool:
    """What the kernel's lookup of one element asks."""
    shape = element.shape
    remote = flow.responder if direction == "out" else flow.initiator
    far, near = (flow.dport, flow.sport) if direction == "out" else (flow.sport, flow.own_port)
    if flow.protocol in {1, 58}:
        far = flow.dport
    kind, _, value = shape.known.partition(" ")
    conditions = {
        "": True,
        "host": remote in NAMES.get(value, ()),
        "eids": remote in EIDS,
        "mapped": flow.mapped is not None and value == str(flow.dport),
    }
    address, length = element.net
    below = remote.max_prefixlen - length
    return (
        conditions[kind]
        and shape.family in {None, flow.family}
        and shape.protocol in {None, flow.protocol}
        and (not shape.net or int(remote) >> below == address >> below)
        and (not shape.fport or element.fport[0] <= far <= element.fport[1])
        and (not shape.lport or element.lport[0] <= near <= element.lport[1])
    )


def asked(found: Sequence[Level], direction: Direction, flow: Flow) -> int:
    """The position that the lookups find, in their order; 0 if none does."""
    for level in found:
        hits = [element for element in level.elements if holds(element, direction, flow)]
        assert len(hits) <= 1, "a lookup has one answer"
        if hits:
            return hits[0].position
    return 0


@given(st.data(), LISTS, st.sampled_from(["in", "out"]))
@settings(max_examples=400, deadline=None)
def test_lookups_find_the_first_rule_that_matches(
    data: st.DataObject, rules: tuple[AclRule, ...], direction: Direction
) -> None:
    """Whatever the list and the flow, the levels give the rule that the list itself gives."""
    found = plan(rules, direction)
    for flow in data.draw(st.lists(flows(direction, PROTOCOLS, odd=True), min_size=1, max_size=12)):
        assert asked(found, direction, flow) == decide(rules, direction, flow, ALL_NAMES, EIDS)[0]
    assert all(element.shape == level.shape for level in found for element in level.elements)


def test_rules_that_do_not_meet_are_one_lookup() -> None:
    """Addresses with a port each, prefixes beside each other, ports of one address: one level each."""
    for rules in (
        [rule(n, match={"ip": f"10.0.{n}.1", "protocol": "tcp", "fport": 443}) for n in range(1, 101)],
        [rule(n, match={"ip": f"10.0.{n}.0/24", "protocol": "tcp", "fport": "80-90"}) for n in range(1, 101)],
        [rule(n, match={"ip": "10.0.0.1", "protocol": "udp", "lport": n}) for n in range(1, 101)],
    ):
        (level,) = plan(rules)
        assert [element.position for element in level.elements] == list(range(1, 101))


@pytest.mark.parametrize(
    ("matches", "expected"),
    [
        # Exceptions, the networks that they are from, and all else.
        (["10.0.0.5", "10.0.1.5", "10.0.0.0/24", "10.0.1.0/24", "0.0.0.0/0"], [[1, 2], [3, 4], [5]]),
        # An exception may come between: it is put beside the others.
        (["10.0.0.5", "10.0.0.0/24", "10.0.1.5", "10.0.1.0/24"], [[1, 3], [2, 4]]),
        # What is within an earlier one is never reached.
        (["10.0.0.0/24", "10.0.0.5", "10.0.0.0/16", "10.0.0.0/24"], [[1], [3]]),
        (["0.0.0.0/0", "10.0.0.5", "fd00::/8"], [[1], [3]]),
    ],
)
def test_prefixes(matches: list[str], expected: list[list[int]]) -> None:
    """The earliest level after all that a rule meets."""
    found = plan([rule(n, match={"ip": ip}) for n, ip in enumerate(matches, 1)])
    assert [[element.position for element in level.elements] for level in found] == expected


def test_shapes_part_and_meet() -> None:
    """Another shape is another level; rules go back to an earlier level if nothing stands between."""
    tcp = {"protocol": "tcp"}
    rules = [
        rule(1, match=tcp | {"ip": "10.0.0.1", "fport": 80}),
        rule(2, match={"ip": "10.0.0.2"}),
        rule(3, match=tcp | {"ip": "10.0.0.3", "fport": 80}),
        rule(4, match=tcp | {"ip": "10.0.0.2", "fport": 80}),  # never reached
        rule(5, match=tcp | {"fport": 80}),
        rule(6, match=tcp | {"ip": "10.0.0.4", "fport": "80-81"}),  # after 5, which it meets
    ]
    found = [[element.position for element in level.elements] for level in plan(rules)]
    assert found == [[1, 3], [2], [5], [6]]


def test_several_values_of_a_rule_are_joined() -> None:
    """Prefixes and ports that touch or overlap are one element; the others are elements of one level."""
    match = {
        "ip": ["10.0.0.0/25", "10.0.0.128/25", "10.0.0.7"],
        "protocol": "tcp",
        "fport": ["80-90", 85, 91, 443],
    }
    (level,) = plan([rule(match=match)])
    assert [(e.net, e.fport) for e in level.elements] == [
        ((10 << 24, 24), (80, 91)),
        ((10 << 24, 24), (443, 443)),
    ]


def test_a_name_is_a_lookup_for_each_family() -> None:
    """The addresses of a name are not known here, so nothing that may meet them passes by; fixed ones are boxes."""
    rules = [
        rule(1, match={"ip": "10.0.0.1"}),
        rule(2, match={"host": "two.example"}),
        rule(3, match={"ip": "10.0.0.2"}),
    ]
    shapes = [(level.shape.family, level.shape.known) for level in plan(rules)]
    assert shapes == [(4, ""), (6, ""), (4, "host two.example"), (6, "host two.example"), (4, "")]
    positions = [[element.position for element in level.elements] for level in plan(rules)]
    assert positions == [[1, 2], [2], [2], [2], [3]]


def test_long_lists_are_quick() -> None:
    """5,000 rules take well below a second, whether they are one level or as many as there are rules."""
    for rules in (
        [rule(n, match={"ip": f"10.{n >> 8}.{n & 255}.0/24"}) for n in range(1, 5001)],
        [
            rule(n, match={"ip": f"10.{n >> 8}.{n & 255}.1"} if n & 1 else {"protocol": "tcp", "fport": n})
            for n in range(1, 5001)
        ],
    ):
        begin = time.process_time()
        found = plan(rules)
        assert time.process_time() - begin < 1
        assert sum(len(level.elements) for level in found) == 5000
