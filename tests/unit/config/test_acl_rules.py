"""Access lists among everything else: ids, networks, the device's ports, and port maps against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]

ACL = "spec.interfaces[0].acl"


def mapped(number: int, port: int = 80, protocol: str = "tcp", **match: Any) -> dict[str, Any]:
    return {
        "id": number,
        "match": {"protocol": protocol, "lport": port, **match},
        "action": {"portmap": 8080},
    }


def listed(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"acl": list(rules), **more}


@pytest.fixture
def wan(network: Make) -> Callable[..., dict[str, Any]]:
    """Make a network with a way out."""

    def make(name: str = "ni1", **spec: Any) -> dict[str, Any]:
        return network(name, **{"ports": ["eth0"], **spec})

    return make


@pytest.fixture
def edge(device: Make) -> dict[str, Any]:
    """A Device with three ports, two of them labelled."""
    return device({"name": "eth0", "labels": ["up"]}, {"name": "eth1", "labels": ["up"]}, {"name": "eth2"})


def test_fine(edge: Any, wan: Make, app: Make, faults: Faults) -> None:
    """Rules of every sort, of hosts, applications and port maps, are fine in a local network."""
    rules = (
        {"id": 7, "match": {"host": "example.com"}},
        {"id": 3, "match": {"eidset": True, "protocol": "tcp", "fport": 80}, "direction": "in"},
        mapped(5, adapter="up", ip="10.0.0.0/8"),
        mapped(6, protocol="udp"),
        {"id": 8, "match": {"ip": ["10.0.0.0/8", "2001:db8::/32"]}},
        {"id": 9, "match": {"ip": "10.0.0.0/9"}, "action": "drop"},
    )
    assert faults(edge, wan(type="local"), app("app1", listed(*rules))) == []


def test_duplicate_id(wan: Make, app: Make, faults: Faults) -> None:
    """An id is given once in a list; the next list may use it again."""
    interfaces = (listed({"id": 1}, {"id": 2}, {"id": 1}, {"id": 1}), listed({"id": 1}, name="eth1"))
    assert faults(wan(), app("app1", *interfaces)) == [
        f"1 {ACL}[{n}].id: id 1 is already that of acl[0]; give each rule its own" for n in (2, 3)
    ]


def test_adapter(edge: Any, device: Make, wan: Make, app: Make, faults: Faults) -> None:
    """An adapter is a port's name or label, if a Device is known."""
    document = app(
        "app1", listed(mapped(1, adapter="eth3"), mapped(2, 81, adapter="zzz"), mapped(3, 82, adapter="up"))
    )
    assert faults(edge, wan(), document) == [
        f"2 {ACL}[0].match.adapter: unknown port or label 'eth3'; did you mean 'eth2'?",
        f"2 {ACL}[1].match.adapter: unknown port or label 'zzz'; known are: eth0, eth1, eth2, up",
    ]
    assert faults(wan(), document) == []


def test_air_gapped(network: Make, wan: Make, app: Make, faults: Faults) -> None:
    """Nothing of the device leads into an air-gapped network; that also holds when it becomes one."""
    document = app("app1", listed(mapped(1)))
    what = (
        "network 'ni1' is air-gapped, so no port of the device leads to it; "
        "remove the port map, or give the network ports"
    )
    assert faults(network(), document) == [f"1 {ACL}[0].action.portmap: {what}"]
    assert faults(network(), before=(wan(), document)) == [
        f"-1 {ACL}[0].action.portmap: App 'app1', applied before: {what}"
    ]


@pytest.mark.parametrize(
    "host", ["app1", "app1.internal", "internal", "app1-eth1", "p", "p.x", "x", "p.x.internal"]
)
def test_known_host(network: Make, app: Make, faults: Faults, host: str) -> None:
    """The names of an air-gapped network's own DNS are its applications' and its static ones."""
    rule = {"id": 1, "match": {"host": host}}
    ni = network(dns={"hosts": {"P.x": ["10.10.1.9"], "p": ["10.10.1.8"]}})
    assert faults(ni, app("app1", listed(rule), {"name": "eth1"})) == []


def test_unknown_host(network: Make, wan: Make, app: Make, faults: Faults) -> None:
    """A name of the outside can never be known in an air-gapped network without DNS servers."""
    document = app("app1", listed({"id": 1}, {"id": 2, "match": {"host": "example.com"}, "action": "drop"}))
    assert faults(network(), document) == [
        (
            f"1 {ACL}[1].match.host: no address of 'example.com' can become known: network 'ni1' is air-gapped and has "
            "no dns.servers, so that its DNS knows its own applications and dns.hosts only; write ip instead, or give "
            "the network dns.servers"
        )
    ]
    assert faults(network(dns={"servers": ["10.10.1.9"]}), document) == []
    assert faults(wan(), document) == []
    (fault,) = faults(network(), app("app1", listed({"id": 1, "match": {"host": "app11"}})))
    assert "no address of 'app11' can become known" in fault


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (
            {"ip": "2001:db8:ffff::/64", "protocol": "icmp"},
            "'icmp' is of IPv4, and 2001:db8:ffff::/64 is IPv6; write protocol: icmpv6",
        ),
        (
            {"ip": ["2001:db8::1", "fd00::/8"], "icmp": "echo-request"},
            "'icmp' is of IPv4, and all of ip (2001:db8::1 …) is IPv6; write protocol: icmpv6",
        ),
        (
            {"ip": "10.0.0.0/8", "protocol": 58},
            "'icmpv6' is of IPv6, and 10.0.0.0/8 is IPv4; write protocol: icmp",
        ),
        ({"ip": ["10.0.0.0/8", "2001:db8::/32"], "protocol": "icmp"}, ""),
        ({"ip": ["10.0.0.0/8", "2001:db8::/32"], "protocol": "icmpv6"}, ""),
        ({"ip": "10.0.0.0/8", "protocol": "icmp"}, ""),
        ({"ip": "2001:db8::/32", "protocol": 0}, ""),
        ({"ip": "2001:db8::/32"}, ""),
        ({"protocol": "icmpv6"}, ""),
    ],
)
def test_a_protocol_and_prefixes_of_different_versions(
    wan: Make, app: Make, faults: Faults, match: dict[str, Any], expected: str
) -> None:
    """Such a rule matches nothing; the other way round it does so behind NAT64, where IPv4 is addressed by IPv6."""
    document = app("app1", listed({"id": 3, "match": match}))
    said = [f"1 {ACL}[0].match.protocol: {expected}"] if expected else []
    assert faults(wan(), document) == said
    behind = wan(subnets=["fd00:10:1::/64"], nat64={})
    assert faults(behind, document) == (said if "write protocol: icmpv6" in expected else [])


TAKEN = "tcp port 80 of the device is already mapped by rule {} of app '{}' in network '{}'{}"


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ({}, {}, "; choose another port, or other adapters"),
        ({"adapter": "eth1"}, {}, ", at port 'eth1' too; choose another port, or other adapters"),
        ({}, {"adapter": "up"}, ", at port 'eth0' too; choose another port, or other adapters"),
        (
            {"adapter": "up"},
            {"adapter": "eth1"},
            ", at port 'eth1' too; choose another port, or other adapters",
        ),
        ({"adapter": "eth0"}, {"adapter": "eth1"}, ""),
        ({"adapter": "up"}, {"adapter": "eth2"}, ""),
    ],
)
def test_other_network(
    edge: Any, wan: Make, app: Make, faults: Faults, one: dict[str, Any], other: dict[str, Any], why: str
) -> None:
    """Two networks may map one port of the device only at different ports."""
    documents = (
        edge,
        wan("ni1"),
        wan("ni2", subnets=["10.10.2.0/24"]),
        app("app1", listed(mapped(4, **one))),
        app("app2", listed({"id": 1}, mapped(2, **other), network="ni2")),
    )
    expected = f"4 {ACL}[1].match.lport: " + TAKEN.format(4, "app1", "ni1", why)
    assert faults(*documents) == ([expected] if why else [])


def test_same_network(edge: Any, wan: Make, app: Make, faults: Faults) -> None:
    """Within one network not even different adapters part two maps of one port; other ports and protocols do."""
    one = app("app1", listed(mapped(1, adapter="eth0")))
    two = app("app2", listed(mapped(2, adapter="eth1"), mapped(3, 81), mapped(4, protocol="udp")))
    assert faults(edge, wan(), one, two) == [
        f"3 {ACL}[0].match.lport: "
        + TAKEN.format(
            1,
            "app1",
            "ni1",
            (
                " at another adapter: the network has one address towards the device, where both would arrive at one "
                "port; choose another port"
            ),
        )
    ]
    three = app("app1", listed(mapped(1, ip="10.0.0.0/8"), mapped(2, ip="11.0.0.0/8")))
    assert faults(edge, wan(), three) == [
        f"2 {ACL}[1].match.lport: " + TAKEN.format(1, "app1", "ni1", "; choose another port")
    ]


def test_the_new_one_is_at_fault(edge: Any, wan: Make, app: Make, faults: Faults) -> None:
    """Of a port map that was applied before and a new one, the new one is refused, whatever their order."""
    names = ("app1", "app2")
    for new, old in (names, names[::-1]):
        found = faults(app(new, listed(mapped(1))), before=(edge, wan(), app(old, listed(mapped(2)))))
        assert found == [f"0 {ACL}[0].match.lport: " + TAKEN.format(2, old, "ni1", "; choose another port")]


def test_adapters_without_device(wan: Make, app: Make, faults: Faults) -> None:
    """While no Device is known, different words are taken for different ports."""
    documents = [wan("ni1"), wan("ni2", subnets=["10.10.2.0/24"])]
    one = app("app1", listed(mapped(1, adapter="a")))
    assert faults(*documents, one, app("app2", listed(mapped(1, adapter="b"), network="ni2"))) == []
    assert faults(*documents, one, app("app2", listed(mapped(1, adapter="a"), network="ni2"))) == [
        f"3 {ACL}[0].match.lport: "
        + TAKEN.format(1, "app1", "ni1", ", at port 'a' too; choose another port, or other adapters")
    ]
