"""Access rules by themselves: what they are refused for, and at which line and column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
Lines = Callable[[str], list[str]]

HEAD = """\
apiVersion: netnsmgr/v1alpha1
kind: NetworkInstance
metadata: {name: ni1}
spec: {subnets: [10.10.1.0/24], ports: [eth0]}
---
apiVersion: netnsmgr/v1alpha1
kind: App
metadata: {name: app1}
spec:
  attach: {netns: app1}
  interfaces:
    - name: eth0
      network: ni1
      acl:
"""
PATH = "spec.interfaces[0].acl"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{match: {}}", "11: [0].id: required field 'id' is missing; for example id: 10"),
        ("{id: 0}", "16: [0].id: 0 is too small; the least is 1"),
        ("{id: 16777216}", "16: [0].id: 16777216 is too large; the most is 16777215"),
        ("{id: a}", "16: [0].id: must be a whole number, not 'a'"),
        ("{id: 1, mach: {}}", "19: [0].mach: unknown field 'mach'; did you mean 'match'?"),
        ("{id: 1, match: {hots: x}}", "27: [0].match.hots: unknown field 'hots'; did you mean 'host'?"),
        ("{id: 1, match: }", "19: [0].match: has no value; give one, or leave the line out, for example"),
        ("{id: 1, match: {ip: }}", "27: [0].match.ip: has no value; write for example 10.0.0.0/8"),
        ("{id: 1, match: {ip: []}}", "27: [0].match.ip: the list is empty; give at least 1"),
        ("{id: 1, match: {ip: 10.0.0.1/8}}", "31: [0].match.ip: '10.0.0.1/8' has host bits set"),
        ("{id: 1, match: {ip: [10.0.0.1, x]}}", "42: [0].match.ip[1]: 'x' is no prefix such as"),
        ("{id: 1, match: {host: '*.x'}}", "33: [0].match.host: '*.x' has a wildcard; write x: everything"),
        ("{id: 1, match: {host: }}", "27: [0].match.host: has no value; "),
        ("{id: 1, match: {protocol: }}", "27: [0].match.protocol: has no value; "),
        (
            "{id: 1, match: {eidset: true, host: x, ip: 10.0.0.1}}",
            "35: [0].match.eidset: eidset names the remote addresses already; leave out ip and host, or eidset",
        ),
        (
            "{id: 1, match: {ip: 10.0.0.1, eidset: true}}",
            "49: [0].match.eidset: eidset names the remote addresses",
        ),
        (
            "{id: 1, match: {protocol: tpc}}",
            "37: [0].match.protocol: unknown protocol 'tpc'; did you mean 'tcp'?",
        ),
        (
            "{id: 1, match: {lport: 80}}",
            "34: [0].match.lport: needs a protocol; write protocol: tcp, udp, sctp, dccp, udplite",
        ),
        (
            "{id: 1, match: {protocol: gre, fport: 80}}",
            "49: [0].match.fport: protocol gre has no ports; write",
        ),
        ("{id: 1, match: {protocol: 99, fport: 80}}", "48: [0].match.fport: protocol 99 has no ports; write"),
        ("{id: 1, match: {protocol: tcp, lport: 0}}", "49: [0].match.lport: port 0 must be from 1 to 65535"),
        (
            "{id: 1, match: {protocol: tcp, lport: [1, 9-8]}}",
            "53: [0].match.lport[1]: '9-8' is reversed; write 8-9",
        ),
        (
            "{id: 1, match: {protocol: tcp, icmp: 8}}",
            "48: [0].match.icmp: protocol tcp has no ICMP types; write protocol: icmp or icmpv6, or leave it out",
        ),
        (
            "{id: 1, match: {icmp: ping}}",
            "33: [0].match.icmp: unknown ICMP type 'ping'; known are: echo-reply,",
        ),
        ("{id: 1, match: {icmp: [8, 256]}}", "37: [0].match.icmp[1]: ICMP type 256 must be from 0 to 255"),
        ("{id: 1, match: {icmp: []}}", "27: [0].match.icmp: the list is empty; give at least 1"),
        ("{id: 1, match: {icmp: }}", "27: [0].match.icmp: has no value; write for example echo-request"),
        (
            "{id: 1, match: {adapter: eth0}}",
            "36: [0].match.adapter: only a port map has an adapter; leave it out, or write action: {portmap: 8080}",
        ),
        (
            "{id: 1, action: accept}",
            "27: [0].action: unknown action 'accept'; write allow, drop, reject, {limit: {rate: 5/second}} or",
        ),
        ("{id: 1, action: [drop]}", "19: [0].action: a list is no action; write allow, drop, reject,"),
        ("{id: 1, action: }", "19: [0].action: has no value; write allow, drop, reject,"),
        (
            "{id: 1, action: {}}",
            "19: [0].action: is empty; write exactly one of limit: {rate: 5/second}, portmap",
        ),
        ("{id: 1, action: {limt: {}}}", "28: [0].action.limt: unknown field 'limt'; did you mean 'limit'?"),
        (
            "{id: 1, action: {limit: {rate: 5/hour}, portmap: 80}}",
            "19: [0].action: limit and portmap exclude each other; write exactly one of",
        ),
        (
            "{id: 1, action: {limit: {}}}",
            "28: [0].action.limit.rate: required field 'rate' is missing; for example",
        ),
        (
            "{id: 1, action: {limit: {rate: 0/hour}}}",
            "42: [0].action.limit.rate: '0/hour' lets nothing through",
        ),
        (
            "{id: 1, action: {limit: {rate: 5/hour, burst: 0}}}",
            "57: [0].action.limit.burst: '0' must be from 1 to 4294967295 packets or bytes",
        ),
        (
            "{id: 1, action: {limit: {rate: 5/hour, burst: 5 kbytes}}}",
            "57: [0].action.limit.burst: '5 kbytes' is in bytes, but the rate counts packets; write a number alone",
        ),
        (
            "{id: 1, action: {limit: {rate: 5 bytes/hour, burst: 5}}}",
            "63: [0].action.limit.burst: 5 needs a unit, because the rate counts bytes; write for example 5 kbytes",
        ),
        (
            "{id: 1, action: {limit: {rate: 5/hour, burst: x}}}",
            "57: [0].action.limit.burst: 'x' must be a number of packets, such as 5, or of bytes",
        ),
        (
            "{id: 1, action: {limit: {rate: 9 mbytes/hour}}}",
            (
                "42: [0].action.limit.rate: '9437184 bytes/hour' with a burst of 2621 bytes is more than the kernel can "
                "count: both together at most 5124095 bytes per hour; write it per second"
            ),
        ),
        (
            "{id: 1, action: {limit: {rate: 5/hour, per: app}}}",
            "55: [0].action.limit.per: 'app' must be 'rule' or 'connection'",
        ),
        ("{id: 1, direction: both}", "30: [0].direction: 'both' must be 'in' or 'out'"),
        (
            "{id: 1, direction: }",
            "19: [0].direction: has no value; give one, or leave the line out, which means any",
        ),
    ],
)
def test_refused(lines: Lines, text: str, expected: str) -> None:
    """What is wrong with a rule is said once, at the value that is wrong."""
    column, _, what = expected.partition(": ")
    (line,) = lines(f"{HEAD}        - {text}\n")
    assert line.startswith(f"f.yaml:15:{column}: {PATH}{what}")


PORT_MAP = "protocol: tcp, lport: 80"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{id: 1, match: {lport: 80}, action: {portmap: 80}}", ["34: [0].match.lport: needs a protocol"]),
        (
            "{id: 1, match: {protocol: sctp, lport: 80}, action: {portmap: 80}}",
            ["37: [0].match.protocol: a port map is"],
        ),
        (
            "{id: 1, action: {portmap: 80}}",
            [
                "11: [0].match.protocol: a port map is of one protocol",
                "11: [0].match.lport: a port map is of one port",
            ],
        ),
        (
            "{id: 1, match: {protocol: tcp, lport: 1-2}, action: {portmap: 80}}",
            ["49: [0].match.lport: a port map is of one"],
        ),
        (
            "{id: 1, match: {protocol: tcp, lport: [1, 2]}, action: {portmap: 80}}",
            ["42: [0].match.lport: a port map is"],
        ),
        (
            "{id: 1, match: {icmp: 8}, action: {portmap: 80}}",
            ["33: [0].match.icmp: a port map has no ICMP", "19: [0].match.lport: a port map is of one port"],
        ),
        (
            f"{{id: 1, match: {{{PORT_MAP}, fport: 1, host: x}}, action: {{portmap: 80}}, direction: in}}",
            [
                "60: [0].match.fport: a port map takes any port of the senders; leave fport out",
                "69: [0].match.host: the senders to a port map are restricted by ip only; leave host out",
                "107: [0].direction: a port map is for flows that come in, by nature; leave direction out",
            ],
        ),
        (
            f"{{id: 1, match: {{{PORT_MAP}, eidset: true}}, action: {{portmap: 80}}}}",
            ["61: [0].match.eidset: a port map is for the outside of the device; leave eidset out"],
        ),
        (
            f"{{id: 1, match: {{{PORT_MAP}}}, action: {{portmap: 80-90}}}}",
            ["72: [0].action.portmap: '80-90' must be a single"],
        ),
        (
            f"{{id: 1, match: {{{PORT_MAP}}}, action: {{portmap: 0}}}}",
            ["72: [0].action.portmap: port 0 must be from 1 to"],
        ),
    ],
)
def test_port_map_refused(lines: Lines, text: str, expected: list[str]) -> None:
    """A port map is one port of the device to one of the application; all that is wrong is said, each at its place."""
    found = lines(f"{HEAD}        - {text}\n")
    assert len(found) == len(expected)
    wanted = {
        f"f.yaml:15:{column}: {PATH}{what}" for column, _, what in (each.partition(": ") for each in expected)
    }
    assert {want for want in wanted if any(line.startswith(want) for line in found)} == wanted


def test_all_at_once(lines: Lines) -> None:
    """Rules that are wrong in different ways are all reported, in the order of the text."""
    found = lines(
        f"""{HEAD}\
        - {{id: 0}}
        - {{id: 2, match: {{lport: 80}}}}
        - {{id: 3, match: {{protocol: tcp}}, action: {{portmap: 80}}}}
        - {{id: 4, direction: up}}
"""
    )
    assert [line.split(":")[1] for line in found] == ["15", "16", "17", "18"]


def test_length(app: Make, network: Make, faults: Faults) -> None:
    """A list of no rule is ambiguous, and of very many refused; a key without a value is no wish for either."""
    assert faults(network(), app("app1", {"acl": []})) == [
        (
            f"1 {PATH}: an empty list is ambiguous: leave acl out to allow everything, or write rules; "
            "a list denies what it does not name (all: [{id: 1, action: drop}])"
        )
    ]
    assert faults(network(), app("app1", {"acl": None})) == [
        f"1 {PATH}: has no value; leave acl out to allow everything, or write rules"
    ]
    assert faults(network(), app("app1", {"acl": [{"id": n + 1} for n in range(20_000)]})) == []
    assert faults(network(), app("app1", {"acl": [{"id": n + 1} for n in range(20_001)]})) == [
        f"1 {PATH}: 20001 rules are more than 20000; join rules by lists of prefixes and ports"
    ]
    assert faults(network(), app("app1", {"acl": {"id": 1}})) == [f"1 {PATH}: must be a list"]
