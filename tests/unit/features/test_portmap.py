"""Port maps as sets and rules: who gets in where, and what becomes of flows that are under way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, ip_network
from typing import Any, ClassVar

import pytest

from netnsmgr.config.device import Device
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.core.ip import IPInterface
from netnsmgr.core.item import Item
from netnsmgr.features import portmap
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.nets import Learned, LinkEnds
from netnsmgr.features.portmap_inside import address_of, rows
from netnsmgr.features.rows import uplink_scope
from netnsmgr.features.scope import LinkedInstance, PortFacts, PortMap, UplinkScope, senders
from netnsmgr.items.flows import Fate, Flow, Mapped, MappedFlows, fate
from netnsmgr.items.lease import Lease
from netnsmgr.items.nft_set import NftSet
from netnsmgr.items.rule import Rule
from tests.unit.features.test_intent import app, scope

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}


def linked(
    number: int, *maps: PortMap, ports: tuple[str, ...] = ("eth0",), six: bool = False
) -> LinkedInstance:
    subnets = [f"10.0.{number}.0/24", *(["fd00::/64"] if six else [])]
    spec = {"subnets": subnets, "ports": list(ports)}
    instance = NetworkInstance.model_validate(
        HEAD | {"kind": "NetworkInstance", "metadata": {"name": f"ni{number}"}, "spec": spec}
    )
    outer = IPv4Address("169.254.100.0") + 2 * number
    outer6 = IPv6Address("fd6e:6d00::") + 2 * number
    links = (LinkEnds(outer, outer + 1), *([LinkEnds(outer6, outer6 + 1)] if six else []))
    return LinkedInstance(instance, number, links, 1, maps)


def device(*instances: LinkedInstance, twins: bool = False, six: bool = False) -> UplinkScope:
    """Two ports, of which eth1 has a label; ``twins``: with the same address, each in a site of its own; ``six``: eth0
    has an IPv6 address, too.
    """
    own: list[IPInterface] = [IPv4Interface("192.168.0.2/24")]
    if six:
        own.append(IPv6Interface("2001:db8::2/64"))
    ports = [{"name": "eth0"}, {"name": "eth1", "labels": ["wan"]}, {"name": "eth2"}]
    found = Device.model_validate(
        HEAD | {"kind": "Device", "metadata": {"name": "d"}, "spec": {"ports": ports}}
    )
    facts = [
        PortFacts("eth0", "eth0", present=True, addresses=tuple(own)),
        PortFacts(
            "eth1",
            "eth1",
            present=True,
            addresses=(IPv4Interface("192.168.0.2/24" if twins else "192.168.1.2/24"),),
        ),
        PortFacts("eth2", "eth2", present=True),
    ]
    return uplink_scope(found, facts, instances, "/run/n", 1)


def elements(items: list[Item], name: str) -> set[str]:
    (found,) = [item for item in items if isinstance(item, NftSet) and item.name == name]
    return set(found.elements or ())


class TestInTheRootNamespace:
    def test_a_map_is_open_where_its_adapter_says(self) -> None:
        """Without an adapter at all ports that have an address; by name or label at those; eth2 has none."""
        maps = PortMap("tcp", 80), PortMap("tcp", 81, "eth0"), PortMap("udp", 82, "wan")
        made = device(linked(0, *maps))
        assert [(m.port, on) for m, on in portmap.exposed(made)["ni0"]] == [
            (80, ["192.168.0.2", "192.168.1.2"]),
            (81, ["192.168.0.2"]),
            (82, ["192.168.1.2"]),
        ]
        items = portmap.items(made)
        assert elements(items, "portmap_0") == {
            "tcp . 80 . 0.0.0.0/0 : 169.254.100.1 . 80",
            "tcp . 81 . 0.0.0.0/0 : 169.254.100.1 . 81",
        }
        assert elements(items, "portmap_1") == {
            "tcp . 80 . 0.0.0.0/0 : 169.254.100.1 . 80",
            "udp . 82 . 0.0.0.0/0 : 169.254.100.1 . 82",
        }
        assert elements(items, "portmap_2") == set()

    def test_an_instance_comes_in_by_the_doors_of_its_own_ports_only(self) -> None:
        """ni1 uses eth1: to the address of eth0 it leaves and comes back from outside."""
        items = portmap.items(device(linked(0, PortMap("tcp", 80)), linked(1, ports=("eth1",))))
        assert elements(items, "doors") == {
            "eth0 . 192.168.0.2 : goto port_0",
            "lo . 192.168.0.2 : goto port_0",
            "nm-ni0 . 192.168.0.2 : goto port_0",
            "eth1 . 192.168.1.2 : goto port_1",
            "lo . 192.168.1.2 : goto port_1",
            "nm-ni1 . 192.168.1.2 : goto port_1",
        }
        assert elements(items, "near") == {"nm-ni0 . 10.0.0.0/24", "nm-ni0 . 169.254.100.1"}

    def test_ports_with_the_same_address_are_told_apart(self) -> None:
        """Each leads to its own instance, and the device itself means the first."""
        maps = PortMap("tcp", 80, "eth0"), PortMap("tcp", 80, "eth1")
        items = portmap.items(device(linked(0, maps[0]), linked(1, maps[1], ports=("eth1",)), twins=True))
        assert elements(items, "portmap_0") == {"tcp . 80 . 0.0.0.0/0 : 169.254.100.1 . 80"}
        assert elements(items, "portmap_1") == {"tcp . 80 . 0.0.0.0/0 : 169.254.100.3 . 80"}
        assert {e for e in elements(items, "doors") if not e.startswith("eth")} == {
            "lo . 192.168.0.2 : goto port_0",
            "nm-ni0 . 192.168.0.2 : goto port_0",
            "nm-ni1 . 192.168.0.2 : goto port_1",
        }

    def test_without_maps_the_sets_are_empty_and_no_rule_is_there(self) -> None:
        """What port maps need of rules comes with the first; the table's text is the same with them and without."""
        with_, without = device(linked(0, PortMap("tcp", 80))), device(linked(0))
        assert portmap.chains(with_) == portmap.chains(without)
        items = portmap.items(without)
        assert {type(item) for item in items} == {NftSet, MappedFlows, Rule}
        # With several ports the device's own answers need the way to the links.
        assert [item.key()[:2] for item in items if isinstance(item, Rule)] == ["40", "41"]
        assert all(item.elements == frozenset() for item in items if isinstance(item, NftSet))
        rules = [item for item in portmap.items(with_) if isinstance(item, Rule)]
        assert [rule.key() for rule in rules] == [
            "40 from all to 169.254.100.0/22 lookup 255",
            "41 from all to 169.254.100.0/22 lookup 254",
            "45 from all fwmark 0x6e000000 lookup 500",
            "45 from all fwmark 0x6e000001 lookup 501",
        ]

    def test_both_versions_by_one_rule(self) -> None:
        """Each version has its sets and rules where an instance and a port have it; prefixes are for their own."""
        narrow = PortMap("udp", 81, senders=senders([ip_network("2001:db8::/32")]))
        made = device(
            linked(0, PortMap("tcp", 80), narrow, six=True),
            linked(1, PortMap("tcp", 82), ports=("eth1",)),
            six=True,
        )
        assert [(m.port, on) for m, on in portmap.exposed(made)["ni0"]] == [
            (80, ["192.168.0.2", "2001:db8::2", "192.168.1.2"]),
            (81, ["2001:db8::2"]),
        ]
        items = portmap.items(made)
        assert elements(items, "portmap_0_6") == {
            "tcp . 80 . ::/0 : fd6e:6d00::1 . 80",
            "udp . 81 . 2001:db8::/32 : fd6e:6d00::1 . 81",
        }
        assert elements(items, "portmap_1_6") == set()
        assert "udp . 81" not in str(elements(items, "portmap_0"))
        assert elements(items, "doors6") == {
            f"{link} . 2001:db8::2 : goto port_0" for link in ("eth0", "lo", "nm-ni0")
        }
        assert elements(items, "near6") == {"nm-ni0 . fd00::/64", "nm-ni0 . fd6e:6d00::1"}
        assert elements(items, "own6") == {f"2001:db8::2 : {portmap.MARK}"}
        rules = [item.key() for item in items if isinstance(item, Rule) and item.version == 6]
        assert rules == [
            "-6 40 from all to fd6e:6d00::/112 lookup 255",
            "-6 41 from all to fd6e:6d00::/112 lookup 254",
            "-6 45 from all fwmark 0x6e000000 lookup 500",
        ]
        (flows,) = [item for item in items if isinstance(item, MappedFlows)]
        assert {(m.protocol, m.port) for m in flows.maps if m.address.version == 6} == {
            ("tcp", 80),
            ("udp", 81),
        }

    def test_without_an_instance_of_ipv6_nothing_of_it_is_there(self) -> None:
        """Also where the ports have addresses of it."""
        with_, without = (
            device(linked(0, PortMap("tcp", 80)), six=True),
            device(linked(0, PortMap("tcp", 80))),
        )
        assert portmap.items(with_) == portmap.items(without)
        assert portmap.chains(with_) == portmap.chains(without)

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ([], None),
            (["10.0.0.0/8", "10.1.0.0/16", "10.0.0.1"], ["10.0.0.0/8"]),
            (["192.0.2.0/25", "192.0.2.128/25"], ["192.0.2.0/24"]),
            (["2001:db8::/32"], ["2001:db8::/32"]),
            (["2001:db8::1", "192.0.2.1", "2001:db8::/64"], ["192.0.2.1/32", "2001:db8::/64"]),
        ],
    )
    def test_senders(self, written: list[str], read: list[str] | None) -> None:
        """None is everybody; prefixes are joined, since intervals may not overlap."""
        found = senders(map(ip_network, written))
        assert (None if found is None else list(map(str, found))) == read


class TestInTheInstance:
    MAP: ClassVar[dict[str, Any]] = {
        "id": 1,
        "match": {"protocol": "tcp", "lport": 8080},
        "action": {"portmap": 80},
    }

    def lease(self, address: str, mac: str, expires: int = 5) -> Lease:
        return Lease(mac, IPv4Address(address), expires=expires)

    def test_the_address_is_the_fixed_one_or_that_of_the_newest_lease(self) -> None:
        """A lease outside the subnet or of somebody else does not count; one without an end is the newest."""
        mac = "02:00:00:00:00:01"
        leases = [
            self.lease("10.10.1.51", mac),
            self.lease("10.10.1.52", mac, 0),
            self.lease("10.10.1.53", mac, 9),
            self.lease("10.9.9.9", mac, 10),
            self.lease("10.10.1.54", "02:00:00:00:00:02", 10),
        ]
        for given, expected in (leases, "10.10.1.52"), ([leases[0], leases[2]], "10.10.1.53"), ([], None):
            found = scope(app("x", mac=mac), leases=given)
            address = address_of(found, *found.interfaces[0])
            assert (str(address) if address else None) == expected
        fixed = scope(app("x", mac=mac, address="10.10.1.9"), leases=leases)
        assert address_of(fixed, *fixed.interfaces[0]) == IPv4Address("10.10.1.9")

    def test_what_is_told_of_a_map(self) -> None:
        """It waits for a port of the device that has an address, then for the application's."""
        document = app("x", acl=[self.MAP])
        base = {"protocol": "tcp", "port": 8080, "appPort": 80}
        open_ = LinkFacts(port_maps=(("tcp", 8080, ("192.168.0.2",)),))

        def told(link: LinkFacts, leases: list[Lease]) -> dict[str, Any]:
            found = scope(document, leases=leases, link=link)
            (row,) = rows(found, *found.interfaces[0])
            return row

        made = scope(document)
        mac = made.interfaces[0][1].mac_for("x")
        assert told(LinkFacts(), []) == base | {
            "on": [],
            "state": "pending",
            "reason": "pending: a port of the device that has an address",
        }
        assert told(open_, []) == base | {
            "on": ["192.168.0.2"],
            "state": "pending",
            "reason": "pending: address of x",
        }
        assert told(open_, [self.lease("10.10.1.51", mac)]) == base | {
            "on": ["192.168.0.2"],
            "state": "ready",
        }

    def test_in_both_versions(self) -> None:
        """The address is the fixed one, that of a lease, one that the MAC makes, or another that was taken; a map is told as
        open where the application has an address, and nothing of senders that it is not for."""
        mac = "02:16:3e:00:00:01"
        made_of = IPv6Address("fd00:10:1::16:3eff:fe00:1")
        six = self.MAP | {"id": 2, "match": {"protocol": "tcp", "lport": 81, "ip": "2001:db8::/32"}}
        first = scope(app("x", mac=mac, acl=[self.MAP, six]), six=True)
        number = first.numbers.vifs["x/eth0"]
        open_ = ("192.168.0.2", "2001:db8::2")
        link = LinkFacts(port_maps=(("tcp", 8080, open_), ("tcp", 81, open_[1:])))

        def told(*learned: str, leases: tuple[Lease, ...] = ()) -> tuple[str | None, list[dict[str, Any]]]:
            taken = tuple(Learned(number, IPv6Address(each)) for each in learned)
            found = replace(first, learned=taken, leases_now=leases, link=link)
            address = address_of(found, *found.interfaces[0], 6)
            return str(address) if address else None, rows(found, *found.interfaces[0])

        address, (both, only6) = told()
        assert (address, both["state"], only6["state"]) == (None, "pending", "pending")
        address, (both, only6) = told("fe80::1", "fd00:10:1::77", str(made_of))
        assert (address, both["on"], both["state"]) == (str(made_of), ["2001:db8::2"], "ready")
        assert (only6["on"], only6["state"]) == (["2001:db8::2"], "ready")
        assert told("fd00:10:1::77", "fd00:10:1::78")[0] == "fd00:10:1::77"
        lease6 = Lease(mac, IPv6Address("fd00:10:1::1000"), expires=5)
        assert told(str(made_of), leases=(lease6,))[0] == "fd00:10:1::1000"
        address, (both, only6) = told(leases=(self.lease("10.10.1.51", mac),))
        assert (address, both["on"]) == (None, ["192.168.0.2"])
        assert only6["reason"] == "pending: IPv6 address of x"


DEVICE, APP, OTHER, ASKER = (IPv4Address(f"192.0.2.{n}") for n in (1, 2, 3, 4))
BY_MAP = Flow("udp", ASKER, DEVICE, 80, APP, 8080, source_changed=False)
PAST = BY_MAP._replace(to=DEVICE, to_port=80)
MAP = Mapped(DEVICE, "udp", 80, APP, 8080)
NOT_HIM = MAP._replace(senders=(IPv4Network("10.0.0.0/8"),))
HIM = MAP._replace(senders=(IPv4Network("192.0.2.0/28"),))


@pytest.mark.parametrize(
    ("flow", "before", "now", "expected"),
    [
        (BY_MAP, [MAP], [MAP], Fate.KEEP),
        (BY_MAP, [MAP], [HIM], Fate.KEEP),
        (BY_MAP, [], [MAP], Fate.KEEP),
        (BY_MAP, [MAP], [], Fate.END),
        (BY_MAP, [MAP], [NOT_HIM], Fate.END),
        (BY_MAP, [], [NOT_HIM], Fate.END),
        (BY_MAP, [MAP], [MAP._replace(to=OTHER)], Fate.FORGET),
        (BY_MAP, [], [MAP._replace(to_port=81)], Fate.FORGET),
        (BY_MAP, [MAP._replace(to=OTHER)], [], Fate.KEEP),  # by a rule of somebody else
        (BY_MAP._replace(ended=True), [], [MAP], Fate.RESUME),
        (BY_MAP._replace(ended=True), [], [MAP._replace(to=OTHER)], Fate.FORGET),
        (PAST, [], [MAP], Fate.FORGET),
        (PAST, [], [NOT_HIM], Fate.KEEP),
        (PAST, [MAP], [], Fate.KEEP),
        (PAST._replace(protocol="tcp"), [], [MAP._replace(protocol="tcp")], Fate.KEEP),
        (PAST._replace(source_changed=True), [], [MAP], Fate.KEEP),  # out by another port, as in row 13
    ],
)
def test_fate(flow: Flow, before: list[Mapped], now: list[Mapped], expected: Fate) -> None:
    """A flow goes on where a new one would go the same way; ends where none would; else begins anew."""
    assert fate(flow, before, now) is expected
