"""Which tunnel leads where, and what an instance's routes, rules and servers make of it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network

from netnsmgr.features import link, nat, upstream
from netnsmgr.features.vpn import guard, routes
from netnsmgr.features.vpn.facts import VpnFacts
from netnsmgr.features.vpn.lanes import apart, lane_to, lanes, links
from netnsmgr.items.nft import NftTable
from netnsmgr.items.route import Route
from tests.kernel.vpnstage import HEAD, KEY, document, scope

TWO = [
    {"name": "wg0", "addresses": ["10.9.0.2/24", "10.9.0.3/24"], "peers": [{"name": "a", "publicKey": KEY, "allowedIps": ["0.0.0.0/0", "::/0"]}]},
    {"name": "wg1", "nat": False, "peers": [{"name": "b", "publicKey": KEY, "allowedIps": ["10.20.0.0/16"]}]},
]  # fmt: skip


def two(**vpn: object) -> dict[str, object]:
    made = document()
    for tunnel in TWO:
        tunnel["peers"][0]["endpoint"] = "203.0.113.1:51820"  # type: ignore[index]
    made["spec"]["vpn"] = {"wireguard": {"tunnels": TWO}, **vpn}
    return made


def text(table: str, *items: object) -> str:
    return next(each.body for each in items if isinstance(each, NftTable) and each.name == table)


def test_the_longest_network_leads() -> None:
    """As the routes do; each lane knows whether applications are seen as its address."""
    of = scope(two())
    wg0, wg1 = lanes(of)
    assert links(of) == ("wg0", "wg1")
    assert lane_to(of, ip_address("10.20.3.4")) == wg1
    assert lane_to(of, ip_address("10.21.0.1")) == wg0
    assert (wg0.source(4), wg1.source(4), wg0.source(6)) == (IPv4Address("10.9.0.2"), None, None)


def test_a_network_has_its_tunnel_and_behind_it_nothing() -> None:
    """Never the device's port; a default way by the port is only there where no tunnel has it, and `rest` lets it."""
    of = scope(two(rest="direct"))
    found = {
        each.key(): each.link for each in (*routes.items(of), *link.items(of)) if isinstance(each, Route)
    }
    assert found == {
        "default metric 0": "wg0",
        "unreachable default metric 4278190080": "",
        "10.20.0.0/16 metric 0": "wg1",
        "unreachable 10.20.0.0/16 metric 4278190080": "",
        "default table 700 metric 0": "uplink",
        "unreachable default table 700 metric 4278190080": "",
    }
    assert "default metric 0" not in {
        each.key() for each in link.items(scope(document())) if isinstance(each, Route)
    }
    (way,) = [each for each in link.items(scope(document(rest="direct"))) if isinstance(each, Route)]
    assert way.link == "uplink"
    assert link.VPN_GUARD in way.deps()


def test_instances_without_tunnels_have_nothing_of_them() -> None:
    """No item, and no word in the tables that all have."""
    of = scope(document(()))
    assert not guard.items(of)
    assert not routes.items(of)
    assert not lanes(of)
    assert "wg0" not in text("netnsmgr_nat", *nat.items(of))


def test_dns_servers_are_those_behind_tunnels() -> None:
    """Bound to no link; asked from the gateway where the instance has no address in the tunnel; the other end's, if told."""
    behind = two()
    behind["spec"]["dns"] = {"servers": ["10.20.0.53", "10.30.0.53"]}  # type: ignore[index]
    assert upstream.servers(scope(behind)) == "server=10.20.0.53@10.11.12.1\nserver=10.30.0.53\n"
    assert upstream.servers(scope(two())) == ""
    told = replace(scope(two()), vpn=VpnFacts(dns=(ip_address("10.20.0.9"),)))
    assert upstream.servers(told) == "server=10.20.0.9@10.11.12.1\n"
    assert (
        upstream.servers(scope(two(dns="direct"), servers=("203.0.113.80",)))
        == "server=203.0.113.80@uplink\n"
    )


def test_virtual_addresses_and_narrow_ways() -> None:
    """Of IPsec, where connections share one link, the address is that of what its connection leads."""
    made = HEAD | {
        "kind": "NetworkInstance",
        "metadata": {"name": "agent"},
        "spec": {
            "ports": ["eth0"],
            "subnets": ["10.11.12.0/24"],
            "vpn": {
                "ipsec": {
                    "connections": [
                        {
                            "name": "cloud",
                            "remote": "203.0.113.1",
                            "virtualIp": True,
                            "localAuth": {"psk": {"file": "/etc/psk"}},
                            "children": [{"name": "net", "remote": ["10.20.0.0/16", "10.20.1.0/24"]}],
                        }
                    ]
                }
            },
        },
    }
    of = replace(scope(made), vpn=VpnFacts(esp="libipsec", virtual=(ip_address("10.66.0.5"),)))
    assert 'oifname "ipsec0" ip daddr { 10.20.0.0/16 } ip saddr != 10.66.0.5 snat ip to 10.66.0.5' in text(
        "netnsmgr_nat", *nat.items(of)
    )
    assert "meta mark 0x4e4d0001 udp sport { 500, 4500 } accept" in text("netnsmgr_vpn", *guard.items(of))
    assert "sport" not in text("netnsmgr_vpn", *guard.items(scope(document())))


def test_networks_of_a_set_do_not_overlap() -> None:
    """Of nested ones the widest stays."""
    given = [
        ip_network(each)
        for each in ("10.20.1.0/24", "10.20.0.0/16", "fd00::/8", "10.20.0.0/16", "fd00:1::/64")
    ]
    assert list(map(str, apart(given))) == ["fd00::/8", "10.20.0.0/16"]
