"""What an access list says of a flow, by example."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netnsmgr.config.acl import AclRule
from netnsmgr.core.agreed import Action
from netnsmgr.features.acl.verdict import Direction, Flow, decide
from tests.unit.features.acl.lists import rule

APP, PEER, WEB = map(ip_address, ("10.9.0.2", "10.9.0.3", "192.0.2.1"))
DEVICE = ip_address("203.0.113.1")
APP6, WEB6 = map(ip_address, ("fd09::2", "2001:db8::1"))
NAMES = {"example.com": {WEB, WEB6}}
EIDS = {APP, PEER}
ALLOWED, DENIED = (1, Action.ALLOW), (0, Action.DROP)

TO_WEB = Flow(APP, WEB, 6, 40000, 443)
TO_WEB6 = Flow(APP6, WEB6, 6, 40000, 443)
FROM_WEB = Flow(WEB, APP, 6, 40000, 443)
MAPPED = Flow(WEB, DEVICE, 6, 40000, 8080, (APP, 80))
PING = Flow(APP, WEB, 1, 0, 8 << 8)
PING6 = Flow(APP6, WEB6, 58, 0, 128 << 8)


def says(direction: Direction, flow: Flow, *rules: AclRule) -> tuple[int, Action]:
    return decide(rules, direction, flow, NAMES, EIDS)


def test_the_first_match_decides() -> None:
    """Rules are asked in order, and what none matches is dropped."""
    rules = [rule(7, match={"ip": "192.0.2.1"}, action="reject"), rule(3, match={"ip": "192.0.2.0/24"})]
    assert says("out", TO_WEB, *rules) == (1, Action.REJECT)
    assert says("out", TO_WEB, *reversed(rules)) == ALLOWED
    assert says("out", Flow(APP, PEER, 6, 1, 2), *rules) == DENIED


def test_without_a_list_everything_is_allowed() -> None:
    """The rule that stands for no list has position 1."""
    assert decide(None, "in", FROM_WEB, {}, ()) == ALLOWED


@pytest.mark.parametrize(
    ("match", "out", "in_"),
    [
        ({}, True, True),
        ({"ip": "192.0.2.0/24"}, True, True),
        ({"ip": ["198.51.100.1", "192.0.2.1"]}, True, True),
        ({"ip": "10.9.0.2"}, False, False),
        ({"ip": "::/0"}, False, False),
        ({"host": "example.com"}, True, True),
        ({"eidset": True}, False, False),
        ({"protocol": "tcp"}, True, True),
        ({"protocol": "udp"}, False, False),
        ({"protocol": "tcp", "fport": 443}, True, False),
        ({"protocol": "tcp", "lport": 443}, False, True),
        ({"protocol": "tcp", "fport": ["80", "400-450"]}, True, False),
        ({"protocol": "tcp", "fport": 443, "lport": "30000-50000"}, True, False),
        ({"protocol": "tcp", "fport": "30000-50000", "lport": 443}, False, True),
    ],
)
def test_matches(match: dict[str, Any], out: bool, in_: bool) -> None:
    """The remote side is the responder going out and the initiator coming in; its port is `fport`, the own `lport`."""
    assert says("out", TO_WEB, rule(match=match)) == (ALLOWED if out else DENIED)
    assert says("in", FROM_WEB, rule(match=match)) == (ALLOWED if in_ else DENIED)


def test_a_direction_is_the_only_one() -> None:
    """A rule with a direction is silent about the other."""
    assert says("out", TO_WEB, rule(direction="in")) == DENIED
    assert says("in", FROM_WEB, rule(direction="in")) == ALLOWED


@pytest.mark.parametrize(
    ("match", "ping", "ping6"),
    [
        ({"icmp": "echo-request"}, True, False),
        ({"icmp": [0, 8]}, True, False),
        ({"icmp": "timestamp-request"}, False, False),
        ({"protocol": "icmp"}, True, False),
        ({"protocol": "icmpv6"}, False, True),
        ({"protocol": "icmpv6", "icmp": "echo-request"}, False, True),
        ({"ip": "2001:db8::/32"}, False, True),
        ({"host": "example.com"}, True, True),
        ({}, True, True),
    ],
)
def test_icmp_and_families(match: dict[str, Any], ping: bool, ping6: bool) -> None:
    """ICMP is of IPv4 and ICMPv6 of IPv6; what says nothing of addresses is about both."""
    assert says("out", PING, rule(match=match)) == (ALLOWED if ping else DENIED)
    assert says("out", PING6, rule(match=match)) == (ALLOWED if ping6 else DENIED)


def test_icmp_of_the_wrong_family() -> None:
    """A packet of IPv6 that carries ICMP is none that a rule for ICMP knows."""
    odd = Flow(APP6, WEB6, 1, 0, 8 << 8)
    assert says("out", odd, rule(match={"protocol": "icmp"})) == DENIED
    assert says("out", odd, rule()) == ALLOWED


def test_applications_reach_each_others_port() -> None:
    """A rule for all applications means the asked port on either side; with a direction it means what it says."""
    asked, back = Flow(APP, PEER, 6, 40000, 80), Flow(PEER, APP, 6, 40000, 80)
    web = {"eidset": True, "protocol": "tcp", "fport": 80}
    assert says("out", asked, rule(match=web)) == ALLOWED
    assert says("in", back, rule(match=web)) == ALLOWED
    assert says("in", back, rule(match=web, direction="in")) == DENIED
    assert says("in", Flow(PEER, APP, 6, 80, 22), rule(match=web)) == DENIED


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"lport": 8080}, ALLOWED),
        ({"lport": 8080, "ip": "192.0.2.0/24"}, ALLOWED),
        ({"lport": 8080, "ip": "198.51.100.0/24"}, DENIED),
        ({"lport": 8081}, DENIED),
    ],
)
def test_a_port_map_allows_its_own(match: dict[str, Any], expected: tuple[int, Action]) -> None:
    """What came through the mapping, from the senders that may; coming in only."""
    mapping = rule(match={"protocol": "tcp"} | match, action={"portmap": 80})
    assert says("in", MAPPED, mapping) == expected
    assert says("in", Flow(WEB, APP, 6, 40000, 80), mapping) == DENIED
    assert says("in", Flow(WEB, APP, 6, 40000, 8080), mapping) == DENIED
    assert says("out", Flow(APP, WEB, 6, 8080, 80), mapping) == DENIED


def test_behind_a_port_map_the_own_port_counts() -> None:
    """Other rules see a mapped flow with the application's port."""
    assert says("in", MAPPED, rule(match={"protocol": "tcp", "lport": 80})) == ALLOWED
    assert says("in", MAPPED, rule(match={"protocol": "tcp", "lport": 8080})) == DENIED


def test_actions() -> None:
    """Each action as the marks have it; a port map allows."""
    assert says("out", TO_WEB, rule(action="drop")) == (1, Action.DROP)
    assert says("out", TO_WEB, rule(action={"limit": {"rate": "5/second"}})) == (1, Action.LIMIT)
