"""Lists as people read them, counted by what the kernel decided."""

from __future__ import annotations

from typing import Any

from netnsmgr.core.agreed import ACTION_SHIFT, Action
from netnsmgr.pubsub.tables import KIND_TABLE
from netnsmgr.supervisor.lists import access_list
from netnsmgr.supervisor.site import Site

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
BASE = 64


def listed(*rules: dict[str, Any], hits: dict[int, tuple[int, int]]) -> list[dict[str, Any]]:
    """The list of an application behind NAT64; ``hits`` by position."""
    spec = {"ports": ["eth0"], "subnets": ["fd00:10:1::/64"], "nat64": {}}
    interface = {
        "name": "eth0",
        "network": "ni1",
        "acl": [{"id": n, **rule} for n, rule in enumerate(rules, 1)],
    }
    documents: list[dict[str, Any]] = [
        {**HEAD, "kind": "NetworkInstance", "metadata": {"name": "ni1"}, "spec": spec},
        {
            **HEAD,
            "kind": "App",
            "metadata": {"name": "app1"},
            "spec": {"attach": {"tap": True}, "interfaces": [interface]},
        },
    ]
    site = Site({KIND_TABLE[d["kind"]]: {d["metadata"]["name"]: d} for d in documents}, "/run")
    app = site.config.apps["app1"]
    marks = {str(Action.ALLOW << ACTION_SHIFT | BASE + position): count for position, count in hits.items()}
    return access_list(
        site, app, app.spec.interfaces[0], {"blocks": [{"group": "app1/eth0", "base": BASE}]}, marks
    )


def test_a_rule_that_is_two_is_counted_as_one() -> None:
    """With NAT64 a rule about ICMP is a second one about ICMPv6: both count for it, and what follows counts for itself."""
    icmp = {"match": {"protocol": "icmp", "ip": "192.0.2.0/24"}}
    found = listed(
        icmp, {"match": {"protocol": "tcp"}}, hits={1: (1, 10), 2: (2, 20), 3: (5, 50), 0: (7, 70)}
    )
    assert [(row["rule"], row["packets"], row["bytes"]) for row in found] == [
        (1, 3, 30),
        (2, 5, 50),
        (0, 7, 70),
    ]


def test_what_is_never_reached() -> None:
    """A rule that is two is never reached only if neither is, and each other is told once."""
    icmp = {"match": {"protocol": "icmp", "ip": "192.0.2.0/24"}}
    assert listed({}, icmp, hits={})[1]["covered"] == [1]
    only6 = {"match": {"protocol": "icmpv6"}}
    assert "covered" not in listed(only6, icmp, hits={})[1]


def test_what_matches_nothing() -> None:
    """A rule whose protocol and prefix are of different versions of IP, as older versions took it; behind NAT64 not
    where the prefix is of IPv4.
    """
    icmp, icmp6 = (
        {"match": {"protocol": "icmp", "ip": "2001:db8::/32"}},
        {"match": {"protocol": "icmpv6", "ip": "192.0.2.0/24"}},
    )
    row, other, _ = listed(icmp, icmp6, hits={})
    assert row["covered"] == []
    assert row["nothing"] == "'icmp' is of IPv4, and 2001:db8::/32 is IPv6"
    assert "covered" not in other
