"""Which ports a switch gets, and in which words it is told that it gets none."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netnsmgr.config.device import Device, Port
from netnsmgr.config.instance import NetworkInstance
from netnsmgr.features import port_links, shared_port
from netnsmgr.features.rows import uplink_scope
from netnsmgr.features.scope import LinkedInstance, PortFacts, UplinkScope
from netnsmgr.items.link import ExternalLink, ExternalNetns, Veth
from netnsmgr.items.port import LentPort, port_link
from netnsmgr.items.port_record import ALIAS_BYTES, RECORD, Record, fits
from netnsmgr.items.shared_port import SharedBridge
from netnsmgr.items.system import LinkInfo
from netnsmgr.items.vlan import VlanLink

HEAD = {"apiVersion": "netnsmgr/v1alpha1"}
KEY = b"the device's own"
INFO = LinkInfo("eth3", 3, "", True, True, 1500, "02:00:00:00:00:03", "", "", None)


def port(**fields: object) -> Port:
    return Port.model_validate({"name": "eth3"} | fields)


def why(info: LinkInfo, *addresses: str, wireless: bool = False, above: str = "", **fields: object) -> str:
    links = {info.name: info} | ({above: INFO._replace(name=above, lower=info.name)} if above else {})
    return port_links.obstacle(
        port(**fields),
        info,
        links,
        [*map(ip_interface, addresses)],
        instance="ni6",
        wireless=wireless,
        key=KEY,
    )


def scope(*names: str, facts: PortFacts | None = None, **fields: object) -> UplinkScope:
    ports = [{"name": "eth0"}, {"name": "eth3", "labels": ["out"]} | fields]
    device = Device.model_validate(
        HEAD | {"kind": "Device", "metadata": {"name": "d"}, "spec": {"ports": ports}}
    )
    switches = [
        LinkedInstance(
            NetworkInstance.model_validate(
                HEAD
                | {
                    "kind": "NetworkInstance",
                    "metadata": {"name": name},
                    "spec": {"type": "switch", "ports": ["out"]},
                }
            ),
            number,
            (),
        )
        for number, name in enumerate(names)
    ]
    known = facts or PortFacts("eth3", device.spec.ports[1].l3, present=True, mac="02:00:00:00:00:03")
    return uplink_scope(device, [PortFacts("eth0", "eth0", present=True), known], switches, "/run", 1)


class TestObstacle:
    def test_a_bare_port(self) -> None:
        """Nothing is in the way of an Ethernet port with nothing but a link-local address."""
        assert why(INFO, "fe80::1/64") == ""

    def test_no_ethernet(self) -> None:
        """A TUN, a modem of point-to-point IP."""
        assert why(INFO._replace(hardware=65534)) == "is not Ethernet: no switch can use it"

    def test_wireless(self) -> None:
        """A station cannot send frames of others; sharing changes nothing of that."""
        assert why(INFO, wireless=True).startswith("is wireless: ")
        assert why(INFO, wireless=True, shared=True, dhcp=True).endswith("no switch can share it")

    @pytest.mark.parametrize("kind", sorted(port_links.ROOTED))
    def test_what_cannot_leave(self, kind: str) -> None:
        """The kernel leaves bridges and bonds where they are; a bond can be shared."""
        instead = " port, shared or not: list its member" if kind == "bridge" else ": write shared: true"
        assert why(INFO._replace(kind=kind)).startswith(f"is a {kind}, which cannot be a switch's{instead}")
        assert bool(why(INFO._replace(kind=kind), shared=True, dhcp=True)) == (kind == "bridge")

    def test_somebody_elses_bridge(self) -> None:
        """It is not taken out of that; the bridge of the shared port itself is none of somebody else."""
        assert why(INFO._replace(master="br0")).startswith("belongs to br0: take it out")
        assert why(INFO._replace(master="br-eth3"), shared=True, dhcp=True) == ""
        assert why(INFO._replace(master="br-eth3")) != ""

    def test_links_that_stand_on_it(self) -> None:
        """They would be lost; on a shared port they stay."""
        assert why(INFO, above="eth3.7").startswith("carries eth3.7, which would be lost")
        assert why(INFO, above="eth3.7", shared=True, dhcp=True) == ""

    def test_addresses(self) -> None:
        """Those of somebody else are in the way; of a shared port not those that are written for it."""
        assert "has the address 10.0.0.1/8, 2001:db8::1/64 of somebody else" in why(
            INFO, "10.0.0.1/8", "2001:db8::1/64", "fe80::1/64"
        )
        own: dict[str, Any] = {"shared": True, "addresses": ["10.0.0.1/8"]}
        assert why(INFO, "10.0.0.1/8", **own) == ""
        assert why(INFO, "10.0.0.2/8", **own).endswith("write it under addresses")

    def test_an_alias_that_is_too_long(self) -> None:
        """With the record it would not fit: refused, not cut off."""
        assert "has an alias of 200 bytes" in why(INFO._replace(alias="x" * 200))
        lent = Record.found(INFO._replace(alias="x" * 20), "ni6", ipv6=True)
        assert why(INFO._replace(alias=lent.sealed(INFO, KEY))) == ""


class TestRecord:
    @given(
        st.builds(
            Record,
            instance=st.text(max_size=20),
            name=st.text(max_size=15),
            up=st.booleans(),
            mtu=st.integers(68, 65535),
            mac=st.just("02:00:00:00:00:03"),
            ipv6=st.booleans(),
            alias=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        )
    )
    def test_is_read_as_written(self, record: Record) -> None:
        """Whatever names and aliases there are."""
        alias = record.sealed(INFO, KEY)
        assert Record.of(INFO._replace(alias=alias), KEY) == record
        assert fits(record) == (len(alias.encode()) <= ALIAS_BYTES)

    @pytest.mark.parametrize("rest", ["", "{", "[]", "null", '{"name":"x"}', '{"name":1,"up":2}', "\udcff"])
    def test_a_mutilated_one(self, rest: str) -> None:
        """It is nobody's, and in the way of a switch that wants the port."""
        info = INFO._replace(alias=RECORD + rest)
        assert Record.of(info, KEY) is None
        assert "has a record of a port in its alias that this device's netnsmgr did not write" in why(info)

    def test_is_of_one_link_one_content_and_one_device(self) -> None:
        """Who has read one cannot use it for anything else."""
        record = Record.found(INFO, "ni6")
        here = INFO._replace(kind="", permanent="02:00:00:00:00:03")
        known = here._replace(alias=record.sealed(here, KEY))
        assert (
            Record.of(known._replace(name="dev0", mac="02:00:00:00:00:99", mtu=1300, ifindex=9), KEY)
            == record
        )
        assert Record.of(known, b"another device's") is None
        assert Record.of(known._replace(permanent="02:00:00:00:00:04"), KEY) is None
        assert Record.of(known._replace(kind="veth"), KEY) is None
        assert Record.of(known._replace(alias=known.alias.replace("ni6", "ni7")), KEY) is None
        assert Record.of(known._replace(alias=known.alias.replace("1500", "1501")), KEY) is None

    def test_none(self) -> None:
        """Another alias is nobody's record, ours of links that we made neither."""
        assert Record.of(INFO, KEY) is None
        assert Record.of(INFO._replace(alias="netnsmgr:ni6"), KEY) is None

    def test_the_link_of_a_port(self) -> None:
        """By its name, else by what is on record."""
        away = INFO._replace(name="dev0", alias=Record.found(INFO, "ni6").sealed(INFO, KEY))
        assert port_link({"dev0": away, "eth0": INFO._replace(name="eth0")}, "eth3", KEY) == away
        assert port_link({"dev0": away, "eth3": INFO}, "eth3", KEY) == INFO
        assert port_link({}, "eth3", KEY) is None


SWITCH = ExternalNetns("ni6", "/run/netns/ni6", "/run/netns/ni6")


class TestItems:
    def test_a_port_that_can_move(self) -> None:
        """It is lent, and nothing else of ours touches it in the root namespace."""
        there = scope("ni6")
        found = port_links.items(there, there.switches[0])
        assert found == [SWITCH, LentPort("eth3", "ni6", "/run/netns/ni6")]
        assert port_links.moved(there) == {"eth3"}

    def test_of_two_switches_the_first(self) -> None:
        """Whatever the check let pass, a port is in one place, and the other switch says where."""
        there = scope("ni6", "ni7")
        assert [type(each) for each in port_links.items(there, there.switches[1])] == [ExternalNetns]
        assert port_links.hindrances(there, there.switches[1]) == ["port eth3, which the switch ni6 has"]

    def test_a_port_that_is_there_already(self) -> None:
        """Lent to this switch it counts; to another one, and missing, it is waited for."""
        lent = PortFacts("eth3", "eth3", lent="ni6")
        assert port_links.hindrances(scope("ni6", facts=lent), scope("ni6").switches[0]) == []
        away = scope("ni6", facts=replace(lent, lent=""))
        assert port_links.hindrances(away, away.switches[0]) == ["port eth3"]

    def test_a_shared_port(self) -> None:
        """A veth pair from its bridge; the other end has the port's name."""
        there = scope("ni6", shared=True, dhcp=True)
        found = port_links.items(there, there.switches[0])
        (veth,) = (each for each in found if isinstance(each, Veth))
        assert (veth.name, veth.master, veth.far_name) == ("sw-eth3", "br-eth3", "eth3")
        assert any(isinstance(each, SharedBridge) for each in found)
        assert port_links.moved(there) == frozenset()

    def test_a_vlan(self) -> None:
        """It is made before it moves, and not made again when it has."""
        vlan = {"parent": "eth0", "id": 7}
        there = scope("ni6", facts=PortFacts("eth3", "eth3"), vlan=vlan)
        assert [type(each) for each in port_links.items(there, there.switches[0])] == [
            ExternalNetns,
            VlanLink,
        ]
        lent = scope("ni6", facts=PortFacts("eth3", "eth3", lent="ni6"), vlan=vlan)
        assert [type(each) for each in port_links.items(lent, lent.switches[0])] == [ExternalNetns, LentPort]


class TestShared:
    def test_without_the_port_there_is_no_bridge(self) -> None:
        """What stands on the bridge waits for the port, whose link is told to be missing."""
        away = scope(shared=True, dhcp=True, facts=PortFacts("eth3", "br-eth3"))
        given, facts = away.ports[1]
        assert shared_port.link(away, given, facts) == ExternalLink("eth3")
        assert shared_port.port_items(away, given, facts) == [ExternalLink("eth3")]

    def test_nothing_of_it_without_shared_ports(self) -> None:
        """Tables of devices without shared ports are what they were."""
        assert shared_port.passing(scope("ni6")) == ""
        assert shared_port.untouched(scope("ni6"), "ip saddr 169.254.0.0/16") == ""

    def test_bridged_frames_pass(self) -> None:
        """They are known by another receiver's MAC; what is routed is for the bridge's own."""
        there = scope(shared=True, dhcp=True)
        assert shared_port.passing(there) == (
            'iifname "br-eth3" oifname "br-eth3" ether daddr != 02:00:00:00:00:03 accept\n    '
        )
        assert 'iifname { "br-eth3" } ip saddr 169.254.0.0/16 notrack' in shared_port.untouched(
            there, "ip saddr 169.254.0.0/16"
        )
