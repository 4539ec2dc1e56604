"""Access rules in words."""

from __future__ import annotations

from typing import Any

import pytest

from netnsmgr.config.acl import AclRule
from netnsmgr.config.acl_words import rule_words


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "everything: allow"),
        ({"match": {"host": "github.com"}, "direction": "out"}, "host github.com: allow (out only)"),
        (
            {"match": {"eidset": True, "protocol": "tcp", "fport": [80, "90-99"]}, "action": "reject"},
            "tcp, applications of the network, remote port 80, 90-99: reject",
        ),
        (
            {"match": {"ip": ["10.0.0.1", "2001:db8::1"], "protocol": 200}},
            "protocol 200, remote 10.0.0.1, 2001:db8::1: allow",
        ),
        ({"match": {"ip": ["2001:db8::/32", "10.0.0.1/32"]}}, "remote 2001:db8::/32, 10.0.0.1: allow"),
        ({"match": {"icmp": ["echo-request", 42]}}, "icmp, echo-request, type 42: allow"),
        (
            {"match": {"ip": [f"10.{n}.0.0/16" for n in range(6)]}},
            "remote 10.0.0.0/16, 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16 and 2 more: allow",
        ),
        (
            {
                "match": {"protocol": "udp", "lport": 53, "adapter": "eth0", "ip": "10.0.0.0/8"},
                "action": {"portmap": 5353},
            },
            "udp, device port 53 of eth0, from 10.0.0.0/8: port map to 5353 (in only)",
        ),
        (
            {"action": {"limit": {"rate": "100 kbytes/second", "burst": "1 mbytes", "per": "connection"}}},
            "everything: limit to 102400 bytes/second, burst 1048576 bytes for each connection",
        ),
    ],
)
def test_words(fields: dict[str, Any], words: str) -> None:
    assert rule_words(AclRule.model_validate({"id": 1, **fields})) == words
