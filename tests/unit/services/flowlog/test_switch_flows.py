"""Flows of a switch: which end an application is, from decisions first and addresses last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netnsmgr.kernel.conntrack import Flow, Tuple
from netnsmgr.kernel.nflog import Packet
from netnsmgr.services.flowlog.flows import Flows
from tests.unit.services.flowlog.test_flows import OUTSIDE, OWNERS, SCOPE, flow, udp

SWITCH = replace(SCOPE, switch=True, gateways=(), nat64="")
APP1, APP2 = "10.10.1.10", "10.10.1.11"


def of(source: str, target: str, mark: int, port: int = 443) -> Flow:
    original = Tuple(17, source, 4000, target, port)
    return flow(original, Tuple(17, target, port, source, 4000), mark)


def decided(flows: Flows, source: str, target: str, mark: int) -> Flows:
    flows.decided(Packet(3, "in", mark, 0, 0, 0, 0, udp(source, 4000, target, 443)))
    return flows


def told(one: Flow, flows: Flows | None = None, *, known: bool = True) -> list[tuple[Any, ...]]:
    owner = OWNERS.get if known else lambda _: None
    found = (flows or Flows()).entries(one, SWITCH, owner, 99.0)
    return [(app, r["direction"], r["rule"], r.get("peer"), r.get("service")) for app, _, r in found]


def test_decisions_tell_the_ends_without_any_address() -> None:
    """Out; in from outside, where the same decision was made of a flow inwards; and between applications."""
    assert told(of(APP1, OUTSIDE, 17), known=False) == [("app1", "out", 1, None, None)]
    inward = decided(Flows(), OUTSIDE, APP1, 18)
    assert told(of(OUTSIDE, APP1, 18), inward, known=False) == [("app1", "in", 2, None, None)]
    both = decided(Flows(), APP1, APP2, 33)
    assert told(of(APP1, APP2, 17), both, known=False) == [
        ("app1", "out", 1, "app2", None),
        ("app2", "in", 7, "app1", None),
    ]


def test_of_an_older_flow_addresses_tell() -> None:
    """One that began while nobody listened; an application without any known address began it, then."""
    assert told(of(OUTSIDE, APP1, 18)) == [("app1", "in", 2, None, None)]
    assert told(of(APP1, OUTSIDE, 17)) == [("app1", "out", 1, None, None)]
    assert told(of(OUTSIDE, APP1, 18), known=False) == [("app1", "out", 2, None, None)]


def test_what_a_list_lets_pass_by_no_rule_is_dns() -> None:
    assert told(of(APP1, OUTSIDE, 16, 53)) == [("app1", "out", 0, None, "dns")]
    assert told(of(APP1, OUTSIDE, 17, 53)) == [("app1", "out", 1, None, None)]
    assert told(of(APP1, OUTSIDE, 17, 67)) == [("app1", "out", 1, None, None)]
