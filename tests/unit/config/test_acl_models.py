"""Access rules by themselves: what is written, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from pydantic import ValidationError

from netnsmgr.config import App, NetworkInstance, parse_document
from netnsmgr.config.acl import AclMatch, AclRule, Limit, Portmap, PortRange, Rate

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
Lines = Callable[[str], list[str]]


def rule(**fields: Any) -> AclRule:
    return AclRule.model_validate({"id": 1, **fields}, by_alias=True, by_name=False)


def test_defaults(app: Make, network: Make) -> None:
    """Without a list everything is allowed; a rule alone allows everything both ways."""
    found = parse_document(app())
    assert isinstance(found, App)
    interface = found.spec.interfaces[0]
    assert (interface.acl, interface.anti_spoofing, found.spec.metadata) == (None, True, None)
    assert rule() == AclRule(id=1, match=AclMatch(), action="allow", direction=None)
    ni = parse_document(network())
    assert isinstance(ni, NetworkInstance)
    assert ni.spec.flow_log is False


def test_other_fields(app: Make, network: Make) -> None:
    """Flow log, spoofing and metadata are read."""
    ni = parse_document(network(flowLog=True))
    assert isinstance(ni, NetworkInstance)
    assert ni.spec.flow_log is True
    document = app("app1", {"antiSpoofing": False})
    document["spec"]["metadata"] = {"userData": "#cloud-config\n", "metaData": {"site": "north"}}
    found = parse_document(document)
    assert isinstance(found, App)
    assert found.spec.metadata is not None
    assert (found.spec.metadata.user_data, found.spec.metadata.meta_data) == (
        "#cloud-config\n",
        {"site": "north"},
    )
    assert found.spec.interfaces[0].anti_spoofing is False
    assert parse_document(found.model_dump(mode="json", by_alias=True)) == found


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({"ip": "10.0.0.1"}, AclMatch(ip=(IPv4Network("10.0.0.1/32"),))),
        (
            {"ip": ["10.0.0.0/8", "2001:db8::/32"]},
            AclMatch(ip=(IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32"))),
        ),
        ({"host": "Example.com"}, AclMatch(host="example.com")),
        ({"eidset": True}, AclMatch(eidset=True)),
        (
            {"protocol": "tcp", "lport": 80, "fport": ["1-9", 443]},
            AclMatch(protocol=6, lport=(PortRange(80, 80),), fport=(PortRange(1, 9), PortRange(443, 443))),
        ),
        ({"icmp": "echo-request"}, AclMatch(protocol=1, icmp=(8,))),
        ({"icmp": [8, "timestamp-request"], "protocol": "icmp"}, AclMatch(protocol=1, icmp=(8, 13))),
        ({"icmp": "echo-request", "protocol": "icmpv6"}, AclMatch(protocol=58, icmp=(128,))),
    ],
)
def test_match(match: dict[str, Any], expected: AclMatch) -> None:
    """What is written, singly or in lists, by name or number, comes in one form."""
    assert rule(match=match).match == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("drop", "drop"),
        ("reject", "reject"),
        ({"limit": {"rate": "5/second"}}, Limit(rate=Rate(5, "packets", "second"), burst=5, per="rule")),
        (
            {"limit": {"rate": "100 kbytes/second", "per": "connection"}},
            Limit(rate=Rate(102400, "bytes", "second"), burst=102400, per="connection"),
        ),
        (
            {"limit": {"rate": "100 kbytes/minute", "burst": "200 kbytes"}},
            Limit(rate=Rate(102400, "bytes", "minute"), burst=204800),
        ),
        ({"limit": {"rate": "10 bytes/hour"}}, Limit(rate=Rate(10, "bytes", "hour"), burst=1)),
    ],
)
def test_action(action: object, expected: object) -> None:
    """An action is a word, or a mapping that says by its key what it is."""
    assert rule(action=action).action == expected


def test_port_map() -> None:
    """A port map has the device's port in its match and the application's in its action."""
    found = rule(
        match={"protocol": "udp", "lport": 53, "adapter": "eth0", "ip": "10.0.0.0/8"},
        action={"portmap": 5353},
    )
    assert found.action == Portmap(portmap=5353)
    assert found == AclRule(
        id=1,
        match=AclMatch(
            protocol=17, lport=(PortRange(53, 53),), adapter="eth0", ip=(IPv4Network("10.0.0.0/8"),)
        ),
        action=Portmap(portmap=5353),
    )


def test_python_is_checked_too() -> None:
    """Code that makes a rule that cannot be gets an error as well."""
    with pytest.raises(ValidationError, match="a port map is of one protocol"):
        AclRule(id=1, action=Portmap(portmap=80))


def test_user_data_that_yaml_takes_for_a_comment(lines: Lines) -> None:
    """`userData: #cloud-config` is nothing at all to YAML; it is refused, not taken for "none"."""
    text = """
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: a}
spec:
  attach: {netns: a}
  interfaces: [{name: eth0, network: n}]
  metadata:
    userData: #cloud-config
"""
    assert any("YAML takes '#' for a comment" in line for line in lines(text))
