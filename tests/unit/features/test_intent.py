"""Which items the features make: what has to hold for every configuration, beyond the golden examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest

from netnsmgr.config.app import App
from netnsmgr.config.device import Device
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.item import Item, Ref, state
from netnsmgr.features import dnsmasq, leases, link, uplink
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import LinkEnds
from netnsmgr.features.rows import instance_scope, uplink_scope
from netnsmgr.features.scope import InstanceScope, LinkedInstance, PortFacts, UplinkScope
from netnsmgr.features.vif import vif_name
from netnsmgr.items.file import File
from netnsmgr.items.lease import Lease, parse
from netnsmgr.items.route import Route
from netnsmgr.items.sysctl import Sysctl

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}


def instance(name: str = "ni1", **spec: object) -> dict[str, object]:
    return HEAD | {
        "kind": "NetworkInstance",
        "metadata": {"name": name},
        "spec": {"subnets": ["10.10.1.0/24"], "ports": ["uplink"], **spec},
    }


def app(name: str, **interface: object) -> dict[str, object]:
    interfaces = [{"name": "eth0", "network": "ni1", **interface}]
    return HEAD | {
        "kind": "App",
        "metadata": {"name": name},
        "spec": {"attach": {"netns": name}, "interfaces": interfaces},
    }


def scope(
    *apps: dict[str, object],
    leases: Iterable[Lease] = (),
    link: LinkFacts | None = None,
    six: bool = False,
) -> InstanceScope:
    subnets = ["10.10.1.0/24", "fd00:10:1::/64"] if six else ["10.10.1.0/24"]
    row = {
        "instance": instance(dhcp={}, subnets=subnets),
        "apps": list(apps),
        "number": 0,
        "links": [["169.254.100.0", "169.254.100.1"], *([["fd6e:6d00::", "fd6e:6d00::1"]] if six else [])],
        "hostnames": [[App.model_validate(a).name, "eth0", App.model_validate(a).name] for a in apps],
    }
    return instance_scope(
        row, link or LinkFacts(), run_dir="/run/n", state_dir="/state", netns_inode=1,
        leases=tuple(leases),
    )  # fmt: skip


def ports(*found: PortFacts) -> UplinkScope:
    """A device with these ports, as found, and one instance that uses them all."""
    spec = {"ports": [{"name": facts.name, "labels": ["uplink"]} for facts in found]}
    device = Device.model_validate(HEAD | {"kind": "Device", "metadata": {"name": "d"}, "spec": spec})
    ni = NetworkInstance.model_validate(instance())
    linked = LinkedInstance(ni, 0, (LinkEnds(IPv4Address("169.254.100.0"), IPv4Address("169.254.100.1")),))
    return uplink_scope(device, found, [linked], "/run/n", 1)


def port(name: str, *addresses: str, gateway: str = "192.168.0.1") -> PortFacts:
    return PortFacts(
        name, name, present=True, up=True, carrier=True,
        addresses=tuple(map(IPv4Interface, addresses)), gateways=(IPv4Address(gateway),),
    )  # fmt: skip


def all_items(of: UplinkScope) -> dict[Ref, Item]:
    return state(item for group in uplink.intent(of).values() for item in group)


class TestUplink:
    def test_ports_found_with_the_same_address(self) -> None:
        """Two ports in two sites that look alike, each with the same address and gateway, are two ways out."""
        same = [port(name, "192.168.0.2/24") for name in ("eth0", "eth1")]
        routes = [item for item in all_items(ports(*same)).values() if isinstance(item, Route)]
        table = sorted((r.metric, r.link) for r in routes if r.table == 800 and r.dst.prefixlen == 24)
        assert table == [(0, "eth0"), (100, "eth1")]

    def test_two_addresses_in_one_network(self) -> None:
        """A port with two addresses in a network has one route to it, by the first of them."""
        items = all_items(ports(port("eth0", "192.168.0.2/24", "192.168.0.3/24")))
        route = items[Ref("route", "192.168.0.0/24 table 500 metric 0")]
        assert isinstance(route, Route)
        assert route.src == IPv4Address("192.168.0.2")

    @pytest.mark.parametrize("facts", [PortFacts("eth0", "eth0"), replace(port("eth0"), addresses=())])
    def test_a_port_that_is_not_usable(self, facts: PortFacts) -> None:
        """Without the port or its address the instance has its link and no way out: its packets are refused at
        the end of its own table, and never take the device's routes."""
        routes = [i for i in all_items(ports(facts)).values() if isinstance(i, Route) and i.table == 800]
        assert [route.type for route in routes if route.dst.prefixlen == 0] == ["unreachable"]

    def test_without_instances_the_device_is_left_alone(self) -> None:
        """As long as no instance exists, nothing is forwarded and no table of rules exists."""
        bare = replace(ports(port("eth0", "192.168.0.2/24")), instances=())
        kinds = {ref.kind for ref in all_items(bare)}
        assert kinds.isdisjoint({"nft-table", "local-rule"})

    def test_the_shared_table_does_not_depend_on_the_instances(self) -> None:
        """One more instance does not load the rules of the others anew."""
        one = ports(port("eth0", "192.168.0.2/24"))
        two = replace(one, instances=(*one.instances, replace(one.instances[0], number=1)))
        assert uplink.intent(one)[""] == uplink.intent(two)[""]


class TestLeases:
    LEASE = Lease("02:16:3e:00:00:01", IPv4Address("10.10.1.50"), server=Ref("process", "dnsmasq"))

    def test_of_a_known_interface_stays(self) -> None:
        """The lease of an application's MAC is wanted, one of an unknown MAC is not."""
        stranger = replace(self.LEASE, mac="02:00:00:00:00:09", address=IPv4Address("10.10.1.51"))
        wanted = leases.items(scope(app("a", mac=self.LEASE.mac), leases=[self.LEASE, stranger]))
        assert wanted == [self.LEASE]

    def test_beside_a_fixed_address_goes(self) -> None:
        """When an interface gets a fixed address, its lease of another one is not wanted any more."""
        assert (
            leases.items(scope(app("a", mac=self.LEASE.mac, address="10.10.1.20"), leases=[self.LEASE])) == []
        )

    def test_of_a_damaged_file_what_can_be_read_is_read(self) -> None:
        """Half a line, a lease of IPv6 and rubbish are passed over."""
        text = (
            "1999999999 02:16:3e:00:00:01 10.10.1.50 app1 *\n1999999999 02:16:3e:00:00:02 10.10.1 app2 *\n"
            "duid 00:01:00:01\n1999999999 1 fd00::1 app1\n\0\0 \0 10.10.1.51 \0\n1999999999 02:16:3e:00:00:03 10.10"
        )
        assert [lease.key() for lease in parse(text, "bn0", Ref("process", "dnsmasq"))] == [
            "10.10.1.50 02:16:3e:00:00:01"
        ]

    def test_stands_on_nothing(self) -> None:
        """A lease does not go down with dnsmasq."""
        assert self.LEASE.deps() == frozenset()


class TestInstance:
    def test_the_mtu(self) -> None:
        """What the user says counts, else the smallest of the ports."""
        assert scope(link=LinkFacts(mtu=1430)).mtu == 1430

    def test_dnsmasq_starts_anew_only_for_its_own_configuration(self) -> None:
        """Applications and upstream servers are in files that are read again; the process stays the same."""

        def process(of: InstanceScope) -> Item:
            return state(dnsmasq.items(of))[Ref("process", "dnsmasq")]

        bare = process(scope())
        assert process(scope(app("a"), app("b", address="10.10.1.20"))) == bare
        assert process(scope(link=LinkFacts(dns=("9.9.9.9",)))) == bare
        assert process(scope(link=LinkFacts(mtu=1400))) != bare

    @pytest.mark.parametrize("name", ["ignore", "infinite", "1d", "5"])
    def test_an_application_may_be_called_as_dnsmasq_s_words(self, name: str) -> None:
        """Its host entry names it, and does not say that it gets no lease, or for how long."""
        hosts = state(dnsmasq.items(scope(app(name))))[Ref("file", "/run/n/instances/ni1/etc/dhcp-hosts")]
        assert isinstance(hosts, File)
        assert hosts.text.strip().split(",")[-1] == f"{name}.internal"

    def test_answers_come_in_whatever_the_device_filters(self) -> None:
        """A device that filters strictly on all links hands that down to each new namespace."""
        items = state(link.items(scope()))
        values = [items[Ref("sysctl", f"net/ipv4/conf/{name}/rp_filter")] for name in ("all", link.UPLINK)]
        assert [item.value for item in values if isinstance(item, Sysctl)] == ["0", "0"]

    def test_interfaces_have_links_of_their_own(self) -> None:
        """Long names that differ only at the end get different bridge ports."""
        with_apps = scope(*(app(f"programmable-logic-controller-{n}") for n in range(50)))
        names = {vif_name(*pair) for pair in with_apps.interfaces}
        assert len(names) == 50
        assert all(len(name) <= 15 for name in names)
