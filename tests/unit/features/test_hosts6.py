"""What applications are told of IPv6: advertisements, leases, name servers, the metadata service.  Without a kernel."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pytest

from netnsmgr.core.item import Ref
from netnsmgr.features import dnsmasq, leases, metadata, radvd
from netnsmgr.features.bridge import bridge_mac
from netnsmgr.features.dhcp6 import reserved
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.upstream import servers
from netnsmgr.items.file import File
from netnsmgr.items.lease import Lease, mac_of, parse
from netnsmgr.items.process import Process
from netnsmgr.kernel.radvd import is_recent
from tests.kernel.netstage import PREFIX, app, scope

SERVER = Ref("process", "dnsmasq")
STATEFUL = {"ipv6": {"addressing": "stateful"}}
DELEGATED = {"subnets": [], "ipv6": {"uplink": "delegated"}}
NEW, OLD = "2001:db8:7::/64", "2001:db8:6::/64"


def text(of: InstanceScope, feature: Any, name: str) -> str:
    """The text of the one file whose name begins so."""
    (found,) = [
        i for i in feature.items(of) if isinstance(i, File) and i.path.split("/")[-1].startswith(name)
    ]
    return str(found.text)


def processes(of: InstanceScope) -> list[tuple[str, ...]]:
    return [i.argv for i in (*radvd.items(of), *dnsmasq.items(of)) if isinstance(i, Process)]


class TestAdvertisements:
    def test_none_without_ipv6(self) -> None:
        """An instance of IPv4 alone has no radvd, nor has one that waits for its first prefix."""
        assert radvd.items(scope(spec={"subnets": ["10.10.1.0/24"]})) == []
        assert radvd.items(scope(spec=DELEGATED)) == []

    @pytest.mark.parametrize(
        ("spec", "managed", "other", "autonomous"),
        [
            ({"ipv6": {"addressing": "slaac"}}, "off", "off", "on"),
            ({}, "off", "on", "on"),
            (STATEFUL, "on", "on", "off"),
        ],
    )
    def test_how_addresses_are_made(
        self, spec: dict[str, Any], managed: str, other: str, autonomous: str
    ) -> None:
        """The flags M, O and A."""
        said = text(scope(spec=spec), radvd, "radvd")
        for name, value in (("Managed", managed), ("OtherConfig", other)):
            assert f"Adv{name}Flag {value};" in said
        assert f"AdvAutonomous {autonomous};" in said

    def test_no_way_out_of_an_air_gapped_instance(self) -> None:
        """No default router, and a route to the metadata service."""
        said = text(scope(spec={"ports": []}), radvd, "radvd")
        assert "AdvDefaultLifetime 0;" in said
        assert "route fd00:ec2::254/128 {" in said

    def test_a_delegated_prefix_that_changes_restarts_nothing(self) -> None:
        """Neither radvd nor dnsmasq; another written one is taken back by the radvd that ends."""
        first, second = (scope(spec=DELEGATED, delegated=each) for each in ((OLD,), (NEW, OLD)))
        assert processes(first) == processes(second)
        assert "    prefix 2001:db8:6::/64 {\n        AdvOnLink off;" in text(second, radvd, "radvd")
        written = scope(spec={"subnets": ["fd00:10:2::/64"], "ports": ["eth0"]})
        assert processes(written)[0] != processes(scope())[0]

    def test_the_prefix_of_nat64_where_radvd_can(self) -> None:
        """2.20 is the first that can (RFC 8781)."""
        spec: dict[str, Any] = {"nat64": {}}
        assert "nat64prefix" not in text(scope(spec=spec), radvd, "radvd")
        assert "nat64prefix fd6e:6d64::/96 {" in text(scope(spec=spec, pref64=True), radvd, "radvd")
        assert [is_recent(f"Version: {v}\n\nCompiled in settings:") for v in ("2.19", "2.20", "3.0", "?")] == [
            False, True, True, False,
        ]  # fmt: skip

    def test_the_router_has_one_address(self) -> None:
        """The link-local one that the kernel makes of the bridge's MAC (RFC 4291, appendix A)."""
        mac = bridge_mac("agent").split(":")
        assert mac[0] == "02"
        made = f"fe80::{mac[1]}:{mac[2]}ff:fe{mac[3]}:{mac[4]}{mac[5]}"
        assert radvd.router_address("agent") == IPv6Address(made)


class TestLeases:
    DUID = "00:01:00:01:32:94:4e:8e:02:16:3e:00:00:01"

    def lease(self, address: str, name: str = "app1", duid: str = DUID) -> Lease:
        line = f"duid 00:01:aa\n1999999999 77 {address} {name or '*'} {duid}\n"
        (found,) = parse(line, "bn0", SERVER)
        return found

    def test_of_dhcpv6(self) -> None:
        """Both versions lie in one file, those of IPv6 after a line with the server's own identifier."""
        first, second = parse(
            "1999999999 02:16:3e:00:00:01 10.10.1.50 app1 *\nduid 00:01:aa\n"
            f"1999999999 1040187393 {PREFIX}::20 app2 {self.DUID}\n",
            "bn0",
            SERVER,
        )
        assert (first.mac, first.duid) == ("02:16:3e:00:00:01", "")
        assert second.key() == f"{PREFIX}::20 {self.DUID} 1040187393"
        assert (second.mac, second.hostname, second.server_duid) == ("02:16:3e:00:00:01", "app2", "00:01:aa")

    def test_a_mac_in_a_duid(self) -> None:
        """With a time or without; other kinds of identifiers hold none."""
        assert mac_of("00:03:00:01:02:16:3E:00:00:01") == "02:16:3e:00:00:01"
        assert mac_of("00:02:00:00:ab:11:01:02:03:04") == mac_of("00:03:00:06:02:16:3e:00:00:01") == ""

    def test_whose_it_is(self) -> None:
        """By the name of the host entry, before what its DUID says; by the DUID that is written; else by its MAC."""
        apps = (app("app1"), app("app2", duid="00:04:AA"), app("app3", mac="02:16:3e:00:00:01"))
        found = [self.lease("fd00::1"), self.lease("fd00::2", "", "00:04:aa"), self.lease("fd00::3", "")]
        of = scope(*apps, leases=tuple(found))
        macs = {interface.mac_for(a.name): a.name for a, interface in of.interfaces}
        assert [macs[lease.mac] for lease in of.leases_now] == ["app1", "app2", "app3"]
        assert of.leases_now == tuple(found)  # the same leases, for all that compare them

    def test_which_may_stay(self) -> None:
        """Of one's own, at the address that is written; of a replaced prefix until it is forgotten; a stranger's never."""
        fixed, free = app("app1", address6=f"{PREFIX}::20"), app("app2")
        given = [
            self.lease(f"{PREFIX}::20"), self.lease(f"{PREFIX}::1001"), self.lease(f"{PREFIX}::1002", "app2"),
            self.lease(f"{PREFIX}::1003", "gone"), self.lease("fd00:99::1", "app2"),
        ]  # fmt: skip
        of = scope(fixed, free, spec=STATEFUL, leases=tuple(given))
        assert leases.items(of) == [given[0], given[2]]
        spec = DELEGATED | {"ipv6": {"uplink": "delegated", "addressing": "stateful"}}
        moved = tuple(self.lease(f"2001:db8:{n}::1") for n in (5, 6, 7))
        of = scope(app("app1"), spec=spec, delegated=(NEW, OLD), leases=moved)
        assert leases.items(of) == list(moved[1:])

    def test_nobody_could_take_it_back(self) -> None:
        """Where dnsmasq gives no addresses of the version it is not asked to forget them."""
        given = self.lease(f"{PREFIX}::1001", "gone")
        of = scope(spec={"ipv6": {"addressing": "slaac"}}, leases=(given,))
        assert leases.items(of) == [given]


class TestKeptAddresses:
    def test_four_for_each(self) -> None:
        """Of the range, nobody's twice, and the same each time; none where the address is fixed."""
        apps = [app(f"app{n}") for n in range(200)]
        found = reserved(scope(*apps, app("fixed", address6=f"{PREFIX}::20"), spec=STATEFUL))
        blocks = list(found.values())
        assert len({*blocks}) == len(blocks) == 200
        first, last = IPv6Address(f"{PREFIX}::1000"), IPv6Address(f"{PREFIX}::1fff")
        assert all(block.prefixlen == 126 and first <= block[0] and block[3] <= last for block in blocks)
        assert reserved(scope(*apps, spec=STATEFUL)) == found

    def test_a_small_range(self) -> None:
        """One for each; who comes last gets none."""
        spec = {"subnets": [f"{PREFIX}::/124"], "dhcp": {"range6": f"{PREFIX}::5-{PREFIX}::6"}, **STATEFUL}
        found = reserved(scope(*(app(f"app{n}") for n in range(3)), spec=spec))
        assert sorted(map(str, found.values())) == [f"{PREFIX}::5/128", f"{PREFIX}::6/128"]
        assert text(scope(app("app0"), spec=spec), dnsmasq, "dhcp-hosts").count("/128") == 0

    def test_who_holds_one_stays(self) -> None:
        """Also where another's turn would be first."""
        free = reserved(scope(app("app1"), spec=STATEFUL))["app1", "eth0"]
        line = f"1999999999 77 {free[1]} app2 {TestLeases.DUID}\n"
        leases_now = tuple(parse(f"duid 00:01:aa\n{line}", "bn0", SERVER))
        found = reserved(scope(app("app1"), app("app2"), spec=STATEFUL, leases=leases_now))
        assert found["app2", "eth0"] == free != found["app1", "eth0"]

    def test_of_a_prefix_that_may_change(self) -> None:
        """The lower half of the addresses, whichever prefix it is."""
        spec = DELEGATED | {"ipv6": {"uplink": "delegated", "addressing": "stateful"}}
        waiting, there = (scope(app("app1"), spec=spec, delegated=each) for each in ((), (NEW, OLD)))
        assert reserved(waiting) == reserved(there)
        assert reserved(waiting)["app1", "eth0"].subnet_of(IPv6Network("::1000/116"))


class TestNames:
    def test_servers_that_can_be_asked(self) -> None:
        """Of IPv6 where there is a link of it; a link-local one never; one with our own address at another port."""
        asked = {"dns": {"servers": ["192.0.2.53", "2001:db8::53", f"{PREFIX}::1"]}}
        assert servers(scope(spec=asked)).splitlines() == [
            "server=192.0.2.53@uplink", "server=2001:db8::53@uplink", f"server={PREFIX}::1#5300@uplink",
        ]  # fmt: skip
        assert servers(scope(spec=asked | {"subnets": ["10.10.1.0/24"]})) == "server=192.0.2.53@uplink\n"

    def test_a_new_link_is_another_text(self) -> None:
        """Of the same name: dnsmasq has forgotten servers whose link was away when it read of them."""
        old, new = (servers(replace(scope(), uplink_index=index)) for index in (4, 9))
        assert old != new
        assert old.splitlines()[1:] == new.splitlines()[1:]

    @pytest.mark.parametrize(
        ("subnet", "zones"),
        [
            ("2001:db8:5::/64", ["0.0.0.0.5.0.0.0.8.b.d.0.1.0.0.2"]),
            ("2001:db8:5:8::/63", ["8.0.0.0.5.0.0.0.8.b.d.0.1.0.0.2", "9.0.0.0.5.0.0.0.8.b.d.0.1.0.0.2"]),
        ],
    )
    def test_reverse_zones(self, subnet: str, zones: list[str]) -> None:
        """The subnet's own are asked of nobody; where it does not end at a digit there are several."""
        said = text(scope(spec={"subnets": [subnet]} | STATEFUL), dnsmasq, "servers")
        assert [line for line in said.splitlines() if "arpa" in line] == [
            f"server=/{z}.ip6.arpa/" for z in zones
        ]

    def test_an_instance_of_ipv6_alone(self) -> None:
        """Nothing of IPv4 in what dnsmasq is told."""
        said = text(scope(app("app1")), dnsmasq, "dnsmasq")
        assert not [line for line in said.splitlines() if line.startswith("dhcp-") and "option:" in line]
        assert f"dhcp-range={PREFIX}::,static,64,3600\n" in said
        assert text(scope(), dnsmasq, "resolv") == f"nameserver {PREFIX}::1\nsearch internal\n"


class TestMetadata:
    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ({"ipv6": {"addressing": "slaac"}}, {"type": "ipv6_slaac"}),
            (STATEFUL, {"type": "ipv6_dhcpv6-stateful"}),
        ],
    )
    def test_how_to_set_up_a_link(self, spec: dict[str, Any], expected: dict[str, str]) -> None:
        """In OpenStack's words."""
        of = scope(app("app1"), spec=spec)
        (record,) = json.loads(text(of, metadata, "metadata.json"))["vifs"].values()
        assert record["network"]["networks"] == [{"id": "network0", "link": "eth0"} | expected]

    def test_a_fixed_address_that_nobody_tells(self) -> None:
        """Both versions, each with its way out."""
        spec = {"subnets": ["10.10.1.0/24", f"{PREFIX}::/64"], "dhcp": None}
        of = scope(app("app1", address="10.10.1.20", address6=f"{PREFIX}::20"), spec=spec)
        (record,) = json.loads(text(of, metadata, "metadata.json"))["vifs"].values()
        four, six = record["network"]["networks"]
        assert (four["type"], four["ip_address"]) == ("ipv4", "10.10.1.20")
        assert six == {
            "id": "network1", "link": "eth0", "type": "ipv6", "ip_address": f"{PREFIX}::20",
            "netmask": "ffff:ffff:ffff:ffff::",
            "routes": [{"network": "::", "netmask": "::", "gateway": f"{PREFIX}::1"}],
        }  # fmt: skip
        assert [each["address"] for each in record["network"]["services"]] == ["10.10.1.1", f"{PREFIX}::1"]

    def test_where_it_listens(self) -> None:
        """At the addresses of the versions that applications have."""
        for subnets, expected in (
            (["10.10.1.0/24"], "169.254.169.254"),
            ([f"{PREFIX}::/64"], "fe80::a9fe:a9fe%bn0,fd00:ec2::254"),
            (["10.10.1.0/24", f"{PREFIX}::/64"], "169.254.169.254,fe80::a9fe:a9fe%bn0,fd00:ec2::254"),
        ):
            of = scope(app("app1"), spec={"subnets": subnets})
            (main,) = [i for i in metadata.items(of) if isinstance(i, File) and i.path.endswith(".conf")]
            assert f"address={expected}\n" in main.text
