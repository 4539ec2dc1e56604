"""Fields that only one type of network has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("subnets", ["10.0.0.0/24"], "its apps have addresses of the segment that its ports extend"),
        ("subnets", [], "its apps have addresses of the segment that its ports extend"),
        ("gateways", ["10.0.0.1"], "its apps use the router of the segment that its ports extend"),
        ("ipv6", {"addressing": "slaac"}, "it carries IPv6 as it is"),
        ("nat64", {}, "nothing is translated in it"),
        (
            "dhcp",
            {},
            "the DHCP server is on the segment that its ports extend, or an app with 'antiSpoofing: false'",
        ),
        ("tcpMssClamp", True, "it changes no packet"),
    ],
)
def test_not_of_a_switch(
    device: Make, switch: Make, faults: Faults, field: str, value: Any, why: str
) -> None:
    """A switch has nothing above layer 2 to give; even a default that is written is refused, as it would not be true."""
    what = f"a switch has no '{field}': {why}; leave it out, or write type: local"
    assert faults(device(), switch("sw1", "eth0", **{field: value})) == [f"1 spec.{field}: {what}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("vlans", {"eth0": {"access": 5}}), ("stp", {"priority": 4096}), ("forward", ["lldp"]), ("vlans", {})],
)
def test_only_of_a_switch(network: Make, faults: Faults, field: str, value: Any) -> None:
    """A local instance is no part of the segment of its ports."""
    what = f"only a switch has '{field}'; leave it out, or write type: switch"
    assert faults(network(ports=["eth0"], **{field: value})) == [f"0 spec.{field}: {what}"]


@pytest.mark.parametrize(
    ("field", "value"), [("address", "10.0.0.5"), ("address6", "fd00::5"), ("duid", "00:03:00:01:02:16")]
)
def test_given_addresses(switch: Make, app: Make, faults: Faults, field: str, value: str) -> None:
    """A switch gives no addresses."""
    assert faults(switch(), app("app1", {"network": "sw1", field: value})) == [
        (
            f"1 spec.interfaces[0].{field}: network 'sw1' is a switch, which gives no addresses; leave '{field}' out, "
            "and set it inside the app"
        )
    ]


@pytest.mark.parametrize(
    ("field", "value"), [("vlan", {"access": 5}), ("etherTypes", ["profinet"]), ("etherTypes", [])]
)
def test_frames_of_a_local(network: Make, app: Make, faults: Faults, field: str, value: Any) -> None:
    """A local instance carries IP alone."""
    what = f"network 'ni1' is no switch, so that it carries IP alone; leave '{field}' out"
    if field == "vlan":
        what = "network 'ni1' is a local one, and only switches have VLANs; leave 'vlan' out, or name a network of "
        what += "'type: switch'"
    assert faults(network(), app("app1", {field: value})) == [f"1 spec.interfaces[0].{field}: {what}"]


@pytest.mark.parametrize(
    ("field", "default"),
    [("vlan", "all VLANs of the network"), ("etherTypes", "all protocols, and with 'acl' none")],
)
def test_without_value(switch: Make, app: Make, faults: Faults, field: str, default: str) -> None:
    """A key that somebody began to write does not count as left out."""
    assert faults(switch(), app("app1", {"network": "sw1", field: None})) == [
        f"1 spec.interfaces[0].{field}: has no value; give one, or leave the line out, which means {default}"
    ]


def test_port_map(device: Make, switch: Make, app: Make, faults: Faults) -> None:
    """Nothing is translated: whoever is on the segment asks the app itself; an adapter is then none of its affair."""
    match = {"protocol": "tcp", "lport": 8080, "adapter": "nix"}
    rule = {"id": 1, "match": match, "action": {"portmap": 80}}
    assert faults(device(), switch("sw1", "eth0"), app("app1", {"network": "sw1", "acl": [rule]})) == [
        (
            "2 spec.interfaces[0].acl[0].action.portmap: network 'sw1' is a switch, whose apps are reached at their own "
            "addresses; write action: allow with direction: in and lport: 80"
        )
    ]


def test_names(switch: Make, app: Make, faults: Faults) -> None:
    """A switch has no DNS in which names of apps could meet."""
    hosts = {"app1": ["10.0.0.5"]}
    assert faults(switch("sw1", dns={"hosts": hosts}), app("app1", {"network": "sw1"})) == []


OTHER_TYPES = (
    "write a number from 0x0600 to 0xffff, or one of profinet, ethercat, powerlink, goose, sv, ptp, hsr, "
    "pppoe-discovery, pppoe, lldp, eapol"
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("profnet", f"'profnet' is no EtherType; {OTHER_TYPES}"),
        (0x5FF, f"1535 is no EtherType; {OTHER_TYPES}"),
        (True, f"true is no EtherType; {OTHER_TYPES}"),
        ("0x8892", "'0x8892' is text; write the number without quotes: 0x8892"),
        ("arp", "'arp': ARP always passes; leave it out"),
        (0x0800, "2048: IPv4 always passes as far as the access list lets it; leave it out"),
        ("ipv6", "'ipv6': IPv6 always passes as far as the access list lets it; leave it out"),
        (0x8100, "33024: tags of VLANs are the affair of 'vlan'; leave it out"),
    ],
)
def test_ether_types(switch: Make, app: Make, faults: Faults, value: Any, expected: str) -> None:
    """Protocols are named, or given as the number that frames have."""
    found = faults(switch(), app("app1", {"network": "sw1", "etherTypes": ["ptp", value]}))
    assert found == [f"1 spec.interfaces[0].etherTypes[1]: {expected}"]


FORWARDED = "is no protocol that a bridge can forward; write lldp, eapol, or a number from 3 to 15"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("cdp", f"'cdp' {FORWARDED}"),
        (16, f"16 {FORWARDED}"),
        (False, f"false {FORWARDED}"),
        (
            "stp",
            (
                "'stp' is the spanning tree: it passes where the switch does not speak it itself, and never where it does; "
                "leave it out"
            ),
        ),
        (1, "1 is pause frames, which the kernel never forwards; leave it out"),
        ("lacp", "'lacp' is link aggregation, which the kernel never forwards; leave it out"),
    ],
)
def test_forward(switch: Make, faults: Faults, value: Any, expected: str) -> None:
    """Of the groups that a bridge keeps, some can be forwarded."""
    assert faults(switch(forward=["lldp", value])) == [f"0 spec.forward[1]: {expected}"]


@pytest.mark.parametrize(
    ("stp", "expected"),
    [
        ({"priority": 5}, "spec.stp.priority: 5 is no multiple of 4096; write for example 4096"),
        ({"priority": 65536}, "spec.stp.priority: 65536 is too large; the most is 61440"),
        ({"forwardDelay": 3}, "spec.stp.forwardDelay: 3 is too small; the least is 4"),
        ({"forwardDelay": 31}, "spec.stp.forwardDelay: 31 is too large; the most is 30"),
        ({"guard": ["eth0"]}, "spec.stp.guard: unknown field 'guard'; did you mean 'bpduGuard'?"),
    ],
)
def test_stp(switch: Make, faults: Faults, stp: Any, expected: str) -> None:
    """Numbers of IEEE 802.1D, in its steps."""
    assert faults(switch(stp=stp)) == [f"0 {expected}"]
