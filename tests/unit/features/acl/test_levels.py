"""Lists as few lookups: the same answers as rule by rule, and few of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from netnsmgr.config.acl import AclRule
from netnsmgr.features.acl.elements import Element, elements
from netnsmgr.features.acl.levels import Level, levels
from netnsmgr.features.acl.verdict import Direction, Flow, decide
from tests.unit.features.acl.lists import ALL_NAMES, EIDS, LISTS, NAMES, STATIC, flows

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
