"""Addresses that are somebody else's, or nobody's: refused where they are written, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., dict[str, Any]]
Faults = Callable[..., list[str]]
SIX = "fd00:10:1::/64"
NOT_FOR_HOSTS = "is not for hosts (loopback, link-local, multicast, IPv4-mapped); use such as"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (
            "::/0",
            "'::/0' is the default route, which apps are told anyway; leave it out, or give such as fd00:20::/48",
        ),
        *(
            (
                each,
                (
                    f"'{each}' is not routed (loopback, link-local, multicast, IPv4 written as IPv6); leave it out, or give "
                    "such as fd00:20::/48"
                ),
            )
            for each in ("ff00::/8", "ff05::/64", "fe80::/64", "fe80::/10", "::1/128", "::ffff:0:0/96")
        ),
        *((each, "") for each in ("2000::/3", "64:ff9b::/96", "fd00:20::/48", "8000::/1")),
    ],
)
def test_routes(network: Make, faults: Faults, routes: str, expected: str) -> None:
    """What is told anyway, and what no router passes on."""
    said = faults(network(subnets=[SIX], ipv6={"routes": ["fd00:30::/48", routes]}))
    assert said == ([f"0 spec.ipv6.routes[1]: {expected}"] if expected else [])


@pytest.mark.parametrize("prefix", ["ff05::/64", "fe80::/64", "::/64", "64:ff9b::/64"])
def test_an_outer_prefix_is_for_hosts(network: Make, faults: Faults, prefix: str) -> None:
    """Applications have its addresses outside."""
    npt = {"uplink": "npt", "prefix": prefix}
    assert faults(network(ports=["eth0"], subnets=[SIX], ipv6=npt)) == [
        f"0 spec.ipv6.prefix: '{prefix}' {NOT_FOR_HOSTS} 2001:db8:5::/64"
    ]


@pytest.mark.parametrize(
    ("field", "pool", "expected"),
    [
        *(
            ("linkPool6", pool, f"{NOT_FOR_HOSTS} fd6e:6d00::/112")
            for pool in ("ff05::/112", "fe80::/112", "::/112")
        ),
        *(
            (
                "linkPool",
                pool,
                "is not for hosts (loopback, multicast, reserved); use such as 169.254.100.0/22",
            )
            for pool in ("127.0.0.0/24", "224.0.0.0/24", "0.0.0.0/24", "240.0.0.0/24")
        ),
    ],
)
def test_a_pool_is_for_hosts(device: Make, faults: Faults, field: str, pool: str, expected: str) -> None:
    """Both ends of a link are hosts."""
    assert faults(device(**{field: pool})) == [f"0 spec.{field}: '{pool}' {expected}"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (
            "fe80::1",
            (
                "is link-local, and instances are on another link than the server; give an address of the server that "
                "they reach, such as 2001:db8::53"
            ),
        ),
        ("::ffff:9.9.9.9", "is an IPv4 address written as IPv6; write 9.9.9.9"),
        ("::1", "is no server's address (loopback, multicast); give such as 2001:db8::53"),
        ("ff02::fb", "is no server's address (loopback, multicast); give such as 2001:db8::53"),
    ],
)
def test_dns_servers(device: Make, network: Make, faults: Faults, server: str, expected: str) -> None:
    """Of a port and of an instance; 2001:db8::53 and 64:ff9b::9.9.9.9 can be asked."""
    can = ["2001:db8::53", "64:ff9b::9.9.9.9", "9.9.9.9"]
    (said,) = faults(device({"name": "eth0", "dns": [*can, server]}))
    assert said.startswith("0 spec.ports[0].dns[3]: '")
    assert said.endswith(f"' {expected}")
    (said,) = faults(network(ports=["eth0"], dns={"servers": [*can, server]}))
    assert said.startswith("0 spec.dns.servers[3]: '")
    assert said.endswith(f"' {expected}")


@pytest.mark.parametrize(
    ("written", "better"),
    [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::ffff:a00:1/128", "10.0.0.1"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
    ],
)
def test_ipv4_written_as_ipv6(network: Make, app: Make, faults: Faults, written: str, better: str) -> None:
    """A rule of an access list with such a prefix would match nothing."""
    rule = {"id": 1, "match": {"ip": written}}
    (said,) = faults(network(), app("app1", {"acl": [rule]}))
    assert said == (
        f"1 spec.interfaces[0].acl[0].match.ip: '{written}' is IPv4 written as IPv6, which no packet carries; "
        f"write {better}"
    )


PORT = {"name": "eth0", "addresses": ["192.168.0.2/24", "2001:db8::2/56"], "gateways": ["2001:db8:0:1::1"]}
OWN = "fd6e:6d64:0:1::/64"


@pytest.mark.parametrize(
    ("prefix", "held"),
    [
        ("fd6e:6d00::/96", "the device's linkPool6 fd6e:6d00::/112"),
        ("fd00:ec2::/96", "fd00:ec2::254, the metadata service"),
        ("fd6e:6d64:0:1::/96", f"{OWN}, which is the translator's own"),
        ("2001:db8:0:9:64::/96", "2001:db8::/56, the network of port 'eth0'"),
    ],
)
def test_a_prefix_of_nat64(device: Make, network: Make, faults: Faults, prefix: str, held: str) -> None:
    """Where it stands for IPv4, nobody of IPv6 may be."""
    behind = network(ports=["eth0"], subnets=[SIX], nat64={"prefix": prefix})
    assert faults(device(PORT), behind) == [
        (
            f"1 spec.nat64.prefix: prefix {prefix} stands for IPv4 addresses, and overlaps {held}; "
            "give another in 'nat64.prefix'"
        )
    ]
    fine = network(ports=["eth0"], subnets=[SIX], nat64={"prefix": "2001:db8:1::/96"})
    assert faults(device(PORT, {"name": "eth1", "addresses": ["2001:db8:1::2/64"]}), fine) == []


def test_the_prefix_that_nat64_has_by_itself(device: Make, network: Make, faults: Faults) -> None:
    """A pool of links that lies there, or where the translator is, is told of."""
    behind = network(ports=["eth0"], subnets=[SIX], nat64={})
    assert faults(device(), behind) == []
    assert faults(device(linkPool6="fd6e:6d64::/112"), behind) == [
        (
            "1 spec.nat64: prefix fd6e:6d64::/96 stands for IPv4 addresses, and overlaps the device's linkPool6 "
            "fd6e:6d64::/112; give another in 'nat64.prefix'"
        )
    ]
    pool = device(linkPool6="fd6e:6d64:0:1::/112")
    assert faults(pool, behind) == [
        (
            f"0 spec.linkPool6: linkPool6 fd6e:6d64:0:1::/112 overlaps {OWN}, which is the translator's own in networks "
            "with NAT64 ('ni1'); use another range"
        )
    ]
    assert faults(pool, network(ports=["eth0"], subnets=[SIX])) == []


def test_the_metadata_service(device: Make, network: Make, faults: Faults) -> None:
    """A subnet or a pool that holds it would hide it."""
    assert faults(network(subnets=["10.10.1.0/24", "fd00:ec2::/64"])) == [
        "0 spec.subnets[1]: subnet fd00:ec2::/64 holds fd00:ec2::254, the metadata service; use another"
    ]
    assert faults(network(subnets=["fd00:ec2:0:1::/64"])) == []
    assert faults(device(linkPool6="fd00:ec2::/112")) == [
        "0 spec.linkPool6: linkPool6 fd00:ec2::/112 holds fd00:ec2::254, the metadata service; use another range"
    ]


def test_a_subnet_where_the_translator_is(device: Make, network: Make, faults: Faults) -> None:
    """Only with NAT64, and not where the subnet merely has the prefix that another instance has by itself."""
    said = "1 spec.subnets[0]: subnet {} overlaps {}, which is the NAT64 translator's own; use another"
    for subnet in (OWN, "fd6e:6d64::/48"):
        more: dict[str, Any] = {"ports": ["eth0"], "subnets": [subnet], "dhcp": {}}
        more["ipv6"] = {"addressing": "stateful"}
        behind = network(**more, nat64={"prefix": "fd00:64::/96"})
        assert faults(device(), behind) == [said.format(subnet, OWN)]
        assert faults(device(), network(**more)) == []
    apart = network(ports=["eth0"], subnets=["fd6e:6d64::/64"], nat64={"prefix": "fd00:64::/96"})
    assert faults(device(), apart) == []
    (fault,) = faults(device(), network(ports=["eth0"], subnets=["fd6e:6d64::/64"], nat64={}))
    assert "prefix fd6e:6d64::/96 overlaps the subnet" in fault


@pytest.mark.parametrize(
    ("address", "prefix", "why"),
    [
        ("2001:db8::2/64", "2001:db8::/64", "is the network of port 'eth0' itself"),
        ("2001:db8::2/56", "2001:db8::/64", "holds 2001:db8::2, the address of port 'eth0' itself"),
        ("2001:db8::2/56", "2001:db8:0:1::/64", "holds 2001:db8:0:1::1, the gateway of port 'eth0'"),
        ("2001:db8::2/56", "2001:db8:0:2::/64", ""),
        ("2001:db8::2/56", "2001:db9::/64", ""),
    ],
)
def test_an_outer_prefix_and_the_port(
    device: Make, network: Make, faults: Faults, address: str, prefix: str, why: str
) -> None:
    """Its addresses are the applications': neither the device nor its router may be there; a free part is fine."""
    gateway = "2001:db8:0:1::1" if address.endswith("56") else "fe80::1"
    port = {"name": "eth0", "addresses": [address], "gateways": [gateway]}
    npt = network(ports=["eth0"], subnets=[SIX], ipv6={"uplink": "npt", "prefix": prefix})
    more = "use one that the site routes to the device, or leave 'prefix' out to get one by delegation"
    assert faults(device(port), npt) == (
        [f"1 spec.ipv6.prefix: prefix {prefix} {why}; {more}"] if why else []
    )
    other = network(ports=["eth1"], subnets=[SIX], ipv6={"uplink": "npt", "prefix": prefix})
    assert faults(device(port, {"name": "eth1"}), other) == []


def test_an_outer_prefix_and_the_links(network: Make, faults: Faults) -> None:
    """What comes for an end of a link may not go to an application."""
    npt = {"uplink": "npt", "prefix": "fd6e:6d00::/64"}
    assert faults(network(ports=["eth0"], subnets=[SIX], ipv6=npt)) == [
        (
            "0 spec.ipv6.prefix: prefix fd6e:6d00::/64 overlaps the device's linkPool6 fd6e:6d00::/112; "
            "use another, or set the Device's linkPool6"
        )
    ]


MAC, OTHER = "02:16:3e:00:00:01", "02:16:3e:00:00:02"
LINK_LAYER = f"00:03:00:01:{MAC}"
WITH_TIME = f"00:01:00:01:2c:33:44:55:{MAC}"


def test_a_duid_is_one_interfaces(network: Make, app: Make, faults: Faults) -> None:
    """By it the server knows who asks; in another network it may be another's."""
    both = network("ni1", subnets=[SIX], dhcp={}), network("ni2", subnets=[SIX], dhcp={})
    one, two = app("app1", {"duid": "00:02:00:00:ab:11"}), app("app2", {"duid": "00-02-00-00-AB-11"})
    what = (
        "spec.interfaces[0].duid: duid 00:02:00:00:ab:11 is already in network 'ni1', in app '{}'; give each interface "
        "its own, or leave it out where the client's MAC address is enough"
    )
    assert faults(*both, one, two) == ["3 " + what.format("app1")]
    assert faults(one, before=(*both, two)) == ["0 " + what.format("app2")]
    assert faults(*both, one, app("app2", {"duid": "00:02:00:00:ab:11", "network": "ni2"})) == []


@pytest.mark.parametrize("duid", [LINK_LAYER, WITH_TIME])
def test_a_duid_of_another_ones_mac(network: Make, app: Make, faults: Faults, duid: str) -> None:
    """Said at the new one of two documents; of its own MAC, of nobody's, or of no MAC at all it is fine."""
    ni = network(subnets=[SIX], dhcp={})
    owner, asks = app("app1", {"mac": MAC}), app("app2", {"mac": OTHER, "duid": duid})
    what = (
        f"duid {duid} of interface 'eth0' of app 'app2' holds the MAC address {MAC}, which is that of interface 'eth0' of "
        "app 'app1' in network 'ni1'; give the client's own duid, or leave it out"
    )
    assert faults(ni, owner, asks) == [f"2 spec.interfaces[0].duid: {what}"]
    assert faults(ni, asks, owner) == [f"1 spec.interfaces[0].duid: {what}"]
    assert faults(owner, before=(ni, asks)) == [f"0 spec.interfaces[0].mac: {what}"]
    assert faults(ni, app("app1", {"mac": MAC, "duid": duid})) == []
    assert faults(ni, asks) == []
    assert faults(ni, owner, app("app2", {"duid": f"00:04:00:01:{MAC}"})) == []


def test_a_fixed_address_that_another_makes(network: Make, app: Make, faults: Faults) -> None:
    """Of its MAC, in the subnet; where DHCPv6 gives the addresses, nobody makes any."""
    made = "fd00:10:1:0:16:3eff:fe00:1"
    ni = network(subnets=[SIX], dhcp={})
    owner, takes = app("app1", {"mac": MAC}), app("app2", {"address6": made})
    what = (
        f"address {made} of interface 'eth0' of app 'app2' is what interface 'eth0' of app 'app1' makes of its MAC "
        f"address {MAC} in network 'ni1' (SLAAC); give another"
    )
    assert faults(ni, owner, takes) == [f"2 spec.interfaces[0].address6: {what}"]
    assert faults(owner, before=(ni, takes)) == [f"0 spec.interfaces[0].mac: {what}"]
    assert faults(ni, app("app1", {"mac": MAC, "address6": made})) == []
    stateful = network(subnets=[SIX], dhcp={}, ipv6={"addressing": "stateful"})
    assert faults(stateful, owner, takes) == []
