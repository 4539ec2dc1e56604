"""Why a flow of IPv6 passes and where it goes: what differs from IPv4."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from netnsmgr.features.acl.why import Known
from netnsmgr.pubsub import tables
from netnsmgr.supervisor.site import Site
from netnsmgr.supervisor.why import in_order, outbound
from netnsmgr.supervisor.why_answer import Asked
from netnsmgr.supervisor.why_in import between, from_device, inbound
from tests.unit.supervisor.test_why import Document, app, document, way

MAP = {"match": {"protocol": "tcp", "lport": 8080}, "action": {"portmap": 80}}
SIX = {"match": {"protocol": "tcp", "lport": 9090, "ip": "2001:db8:9::/48"}, "action": {"portmap": 90}}
OWN, PEER = "fd00:1::50", "fd00:1::51"
PORT = {"name": "eth0", "interface": "eth0", "state": "up", "gateways": ["192.168.0.1", "fe80::1"]}
BOTH = ["192.168.0.2/24", "2001:db8::2/64"]


def site(
    uplink: str = "nat66",
    addresses: list[str] = BOTH,
    *,
    subnets: tuple[str, ...] = ("10.1.0.0/24", "fd00:1::/64"),
    delegated: str = "",
    more: Document | None = None,
) -> Site:
    """app1 and app2 with port maps in ni1; each has a lease of IPv4 and has taken an IPv6 address."""
    spec: Document = {"ports": ["eth0"], "subnets": list(subnets), "ipv6": {"uplink": uplink, **(more or {})}}
    apps = [app("app1", ni1=None), app("app2", ni1=[{"match": {"protocol": "icmpv6"}}, MAP, SIX])]
    prefix = delegated.removesuffix("::/64") or "fd00:1"
    held = {
        f"ni1/app{n}/eth0": {
            "addresses": [
                {"address": f"10.1.0.{49 + n}", "expires": 0, "source": "dhcp"},
                {"address": f"{prefix}::{49 + n}", "source": "slaac"},
                {"address": f"fe80::{n}", "source": "link-local"},
            ]
        }
        for n in (1, 2)
    }
    links = {"ports": [], "revision": 1, "state": "ready", "reasons": []}
    parts = [{"prefix": delegated, "preferredUntil": 0, "validUntil": 0}] if delegated else []
    return Site(
        {
            tables.DEVICE_CONFIG: {"edge": document("Device", "edge", {"ports": [{"name": "eth0"}]})},
            tables.INSTANCE_CONFIG: {"ni1": document("NetworkInstance", "ni1", spec)},
            tables.APP_CONFIG: {each["metadata"]["name"]: each for each in apps},
            tables.DEVICE_STATUS: {"edge": {"ports": [PORT | {"addresses": addresses}]}},
            tables.INSTANCE_STATUS: {"ni1": {"number": 0}},
            tables.APP_STATUS: held,
            tables.link_status("ni1"): {"link": links | {"prefixes": parts}},
        },
        "/run/netnsmgr",
    )


def ask(where: Site, to: str, port: int = 80, protocol: int = 6) -> Document:
    (member,) = where.members(where.config.apps["app1"])
    return outbound(where, member, Asked(ip_address(to), protocol, port), Known({}))


def reached(where: Site, sender: str, port: int = 80, protocol: int = 6) -> Document:
    (member,) = where.members(where.config.apps["app2"])
    asked = Asked(ip_address("::"), protocol, port)
    return inbound(where, member, asked, ip_address(sender), Known({}))


@pytest.mark.parametrize(
    ("uplink", "more", "words"),
    [
        ("nat66", {}, ["becomes fd6e:6d00::1 (nat66)", "via fe80::1; masqueraded as 2001:db8::2"]),
        (
            "npt",
            {"prefix": "2001:db8:5::/64"},
            ["fd00:1::/64 of the source becomes 2001:db8:5::/64", "not masqueraded"],
        ),
        (
            "routed",
            {},
            ["source address stays as it is (routed)", "the site has to route the subnet to 2001:db8::2"],
        ),
        ("ndpProxy", {}, ["stays as it is (ndpProxy)", "the device answers neighbour solicitations"]),
    ],
)
def test_ways_out(uplink: str, more: Document, words: list[str]) -> None:
    found = ask(site(uplink, more=more), "2001:db8:ffff::80")
    assert found["allowed"]
    assert all(each in way(found) for each in words), way(found)
    # To the device they come by their link, whatever they are outside: answers of port maps find them so.
    mapped = ask(site(uplink, more=more), "2001:db8::2", 8080)
    assert "sender fd6e:6d00::1 becomes fd6e:6d00::" in way(mapped)


def test_ipv4_of_an_instance_without() -> None:
    """What the list says is not all: another rule would not help, but translation would."""
    alone = site(subnets=("fd00:1::/64",))
    lacks = "ni1 has no IPv4: none of its subnets is of that version; with 'nat64: {}' beneath its spec"
    allowed = ask(alone, "203.0.113.10")
    assert allowed["reason"].startswith(lacks)
    assert not any("nat64" in note for note in allowed["notes"])
    (member,) = alone.members(alone.config.apps["app2"])
    denied = outbound(alone, member, Asked(ip_address("203.0.113.10"), 6, 80), Known({}))
    assert (denied["verdict"], denied["reason"]) == ("drop", None)
    assert denied["notes"][-1].startswith(lacks)


def test_a_delegated_subnet() -> None:
    """Without a prefix there is no IPv6 yet; with one its addresses are used as they are."""
    assert (
        "waits for one by delegation"
        in ask(site("delegated", subnets=("10.1.0.0/24",)), "2001:db8::1")["reason"]
    )
    found = ask(
        site("delegated", subnets=("10.1.0.0/24",), delegated="2001:db8:77::/64"), "2001:db8:ffff::80"
    )
    assert (found["flow"]["src"], found["allowed"]) == ("2001:db8:77::50", True)
    assert "delegated to port eth0" in way(found)


def test_what_leads_nowhere() -> None:
    four = site(subnets=("10.1.0.0/24",))
    assert ask(four, "2001:db8::1")["reason"] == "ni1 has no IPv6: none of its subnets is of that version"
    nowhere = site(addresses=["192.168.0.2/24"])
    assert "no port of the instance has a global IPv6 address" in ask(nowhere, "2001:db8:1::1")["reason"]
    assert "eth0 (cost 0): no IPv6 address" in ask(nowhere, "2001:db8:1::1")["reason"]
    assert "no further than its bridge" in ask(site(), "fe80::77")["reason"]
    assert "no application of ni1 is known to hold fd00:1::99" in ask(site(), "fd00:1::99")["reason"]
    assert "no way leads from one instance to another" in ask(site(), "fd6e:6d00::5")["reason"]
    assert "is not one host" in ask(site(), "ff02::1")["reason"]


def test_neighbours() -> None:
    """By either address the list of who has it is asked; from the link-local one to the link-local one."""
    for to, source in ((PEER, OWN), ("fe80::2", "fe80::1")):
        found = ask(site(), to, 128 << 8, 58)
        assert (found["allowed"], found["flow"]["src"], found["flow"]["type"]) == (
            True,
            source,
            "echo-request",
        )
        assert [said["app"] for said in found["lists"]] == ["app1", "app2"]
    assert ask(site(), "fd00:1::1", 53, 17)["service"]
    assert ask(site(), "ff02::1:2", 547, 17)["service"]


def test_from_outside() -> None:
    """The family of the sender chooses the doors; applications that the site can route to need none."""
    found = reached(site(), "2001:db8:1::9")
    assert (found["allowed"], found["flow"]["dst"]) == (True, "2001:db8::2")
    assert "port map tcp [2001:db8::2]:8080 → [fd6e:6d00::1]:8080" in way(found)
    assert reached(site(), "192.0.2.9")["flow"]["dst"] == "192.168.0.2"
    assert (
        "only for 2001:db8:9::/48: 192.0.2.9 is not among them" in reached(site(), "192.0.2.9", 90)["reason"]
    )
    assert reached(site(), "2001:db8:9::9", 90)["allowed"]
    assert "has an IPv6 address" in reached(site(addresses=["192.168.0.2/24"]), "2001:db8:1::9")["reason"]
    assert "nothing leads in" in reached(site(), "2001:db8:1::9", 81)["reason"]
    directly = reached(site("routed"), "2001:db8:1::9", 128 << 8, 58)
    assert (directly["allowed"], directly["flow"]["dst"]) == (True, PEER)
    outer = reached(site("npt", more={"prefix": "2001:db8:5::/64"}), "2001:db8:1::9", 128 << 8, 58)
    assert (outer["allowed"], outer["flow"]["dst"]) == (True, "2001:db8:5::51")


def test_from_the_device_and_a_neighbour() -> None:
    where = site()
    (one,), (two,) = (where.members(where.config.apps[name]) for name in ("app1", "app2"))
    asked = Asked(ip_address("::"), 58, 128 << 8)
    device = from_device(where, two, asked)
    assert (device["allowed"], device["flow"]["src"], device["flow"]["dst"]) == (True, "fd6e:6d00::", PEER)
    near = between(where, one, two, asked, Known({}))
    assert (near["allowed"], near["flow"]["src"]) == (True, OWN)


def test_the_order_of_a_name_s_addresses() -> None:
    """RFC 6724: who has an address that nobody routes tries IPv4 first, but for neighbours of that kind."""
    addresses: list[Any] = [ip_address(each) for each in ("192.0.2.1", "2001:db8:ffff::80", "fd00:9::1")]

    def order(where: Site) -> list[int]:
        (member,) = where.members(where.config.apps["app1"])
        return [addresses.index(each) for each in in_order(where, member, addresses)]

    assert order(site()) == [0, 2, 1]
    routed = site("delegated", subnets=("10.1.0.0/24",), delegated="2001:db8:77::/64")
    assert order(routed) == [1, 2, 0]
    assert order(site(subnets=("10.1.0.0/24",))) == [0]
