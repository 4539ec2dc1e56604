"""Lists as text of nft, by example."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.features.acl.text import part
from netnsmgr.features.names import host_sets
from tests.unit.features.acl.lists import rule

TCP: dict[str, Any] = {"protocol": "tcp"}


def lines(*rules: Any, direction: str = "out") -> list[str]:
    """The rules of a direction's chain."""
    body, _ = part(5, 16, rules)
    chain = body.split(f"chain @@_{direction} {{\n")[1].split("}\n")[0]
    return [line.strip() for line in chain.splitlines()]


def test_a_whole_part() -> None:
    """Maps, the two chains with the default at their ends, and the links; what says the same of both is there once."""
    body, links = part(
        5,
        16,
        [
            rule(n, match=TCP | {"ip": f"192.0.2.{n}", "fport": 443}, action=a)
            for n, a in ((7, "allow"), (8, "drop"))
        ],
    )
    assert (
        body
        == """\
map @@_out_0 { type ipv4_addr . inet_service : mark; elements = {
192.0.2.7 . 443 : 0x00000011,
192.0.2.8 . 443 : 0x00040012
}; }
chain @@_out {
    meta nfproto ipv4 meta l4proto 6 ct mark set ct original ip daddr . ct original proto-dst map @@@_out_0 goto decided_out
    ct mark set 0x00040010 goto decided_out
}
chain @@_in {
    meta nfproto ipv4 meta l4proto 6 meta mark set ct original ip saddr . ct original proto-src map @@@_out_0 goto decided_in
    meta mark set 0x00040010 goto decided_in
}
"""
    )
    assert links == (("out_lists", "5", "goto @@_out"), ("in_lists", "327680", "goto @@_in"))


def test_no_list() -> None:
    """Everything is allowed, by position 1."""
    body, links = part(5, 16, None)
    assert "chain @@_out {\n    ct mark set 0x00000011 goto decided_out\n}" in body
    assert "chain @@_in {\n    meta mark set 0x00000011 goto decided_in\n}" in body
    assert len(links) == 2


def test_a_single_element_needs_no_map() -> None:
    """It is asked for in the rule itself."""
    match = TCP | {"ip": "2001:db8::/32", "fport": "80-90", "lport": 1024}
    assert lines(rule(match=match, action="reject"), direction="in")[0] == (
        "meta nfproto ipv6 meta l4proto 6 ct original ip6 saddr 2001:db8::/32 ct original proto-src 80-90"
        " ct reply proto-src 1024 meta mark set 0x00080011 goto decided_in"
    )
    assert lines(rule())[0] == "ct mark set 0x00000011 goto decided_out"


def test_intervals_only_where_needed() -> None:
    """Exact keys are found in a hash."""
    exact = [rule(n, match={"ip": f"10.0.0.{n}"}) for n in (1, 2)]
    assert "flags interval" not in part(5, 16, exact)[0]
    assert "flags interval" in part(5, 16, [*exact, rule(3, match={"ip": "10.1.0.0/16"})])[0]


def test_icmp_is_type_and_code() -> None:
    """A type is a range of codes; in either direction it is what the first packet asks."""
    for direction in ("out", "in"):
        found = lines(rule(match={"icmp": "echo-request"}), direction=direction)[0]
        assert "meta nfproto ipv4 meta l4proto 1 ct original proto-dst 2048-2303 " in found


def test_a_name() -> None:
    """Its set for each family, and for flows that are not new what it meant lately; several ports are a set."""
    now, past = host_sets("example.com", 4)
    found = lines(rule(match=TCP | {"host": "example.com", "fport": [80, 443]}))
    start, end = (
        "meta nfproto ipv4 meta l4proto 6",
        "ct original proto-dst @@@_out_0 ct mark set 0x00000011 goto decided_out",
    )
    assert found[:2] == [
        f"{start} ct original ip daddr @{now} {end}",
        f"{start} ct state != new ct original ip daddr @{past} {end}",
    ]
    assert len(found) == 5


def test_applications_and_port_maps() -> None:
    """Ports change places for a rule about all applications; a port map counts coming in only."""
    web = rule(match=TCP | {"eidset": True, "fport": 80})
    assert "ct original ip daddr @eids4 ct original proto-dst 80 " in lines(web)[0]
    assert "ct original ip saddr @eids4 ct reply proto-src 80 " in lines(web, direction="in")[0]
    mapping = rule(match=TCP | {"lport": 8080, "ip": "192.0.2.0/24"}, action={"portmap": 80})
    assert len(lines(mapping)) == 1
    assert lines(mapping, direction="in")[0] == (
        "meta nfproto ipv4 meta l4proto 6 ct status dnat ct original proto-dst 8080 ct original ip saddr 192.0.2.0/24"
        " ct reply proto-src 80 meta mark set 0x00000011 goto decided_in"
    )


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"rate": "5/second"}, "limit rate over 5/second burst 5 packets"),
        ({"rate": "100/minute", "burst": 20}, "limit rate over 100/minute burst 20 packets"),
        (
            {"rate": "100 kbytes/second", "burst": "1 mbytes"},
            "limit rate over 102400 bytes/second burst 946176 bytes",
        ),
        ({"rate": "100 kbytes/second"}, "limit rate over 102400 bytes/second burst 0 bytes"),
    ],
)
def test_limits(limit: dict[str, Any], expected: str) -> None:
    """A chain for each rule that limits, for both directions, led to by the rule's index."""
    body, links = part(5, 16, [rule(1, match=TCP), rule(2, action={"limit": limit})])
    assert f"chain @@_limit_2 {{\n    {expected} goto limited\n}}" in body
    assert links[2:] == (("limiters", "18", "jump @@_limit_2"),)
    assert "ct mark set 0x000c0012 goto" in body
    body, _ = part(5, 16, [rule(action={"limit": limit | {"per": "connection"}})])
    assert "set @@_conn_1 { typeof ct id; size 65536; flags dynamic,timeout; timeout 10m; }" in body
    within = expected.replace("rate over", "rate")
    assert f"update @@@_conn_1 {{ ct id {within} }} return\n    goto limited\n" in body
