"""A switch's bridge, its ports and its VLANs as items, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netnsmgr.config.check import check
from netnsmgr.features.instance import intent
from netnsmgr.features.link_facts import LinkFacts
from netnsmgr.features.rows import instance_scope
from netnsmgr.features.scope import InstanceScope
from netnsmgr.features.switch import status, vlans
from netnsmgr.features.switch.status import SHUT, Seen
from netnsmgr.items.bridge_port import BridgePort
from netnsmgr.items.bridges import PortInfo, PortVlan
from netnsmgr.items.link import Veth
from netnsmgr.items.nft import NftTable
from netnsmgr.items.switch_bridge import SwitchBridge, timers
from netnsmgr.items.system import LinkInfo
from netnsmgr.pubsub.tables import APP_CONFIG, DEVICE_CONFIG, INSTANCE_CONFIG
from netnsmgr.supervisor.slices import Slicer
from tests.scenarios.documents import Document, app, bare, device, switch

UNTAGGED = PortVlan(1, pvid=True, untagged=True)


def scope(
    *apps: Document,
    ports: tuple[str, ...] = ("eth3",),
    labels: dict[str, list[str]] | None = None,
    link: LinkFacts | None = None,
    **spec: Any,
) -> InstanceScope:
    """What the agent of a switch is told."""
    root = device(*(bare(name, labels=(labels or {}).get(name, [])) for name in ("eth2", "eth3", "eth4")))
    instance = switch("ni6", *ports, **spec)
    config, problems = check([root, instance, *apps], {})
    assert not problems, problems
    rows = {
        DEVICE_CONFIG: {root["metadata"]["name"]: root},
        INSTANCE_CONFIG: {"ni6": instance},
        APP_CONFIG: {each["metadata"]["name"]: each for each in apps},
    }
    row = Slicer().cut(config, rows, {"ni6": 0}, 1)["ni6"]
    told = link or LinkFacts(1, "ready")
    return instance_scope(row, told, run_dir="/run", state_dir="/var/lib", netns_inode=1, port_mtus=())


def found(made: InstanceScope, name: str) -> BridgePort:
    items = [item for group in intent(made).values() for item in group]
    (port,) = (item for item in items if isinstance(item, BridgePort) and item.link == name)
    return port


def bridge(made: InstanceScope) -> SwitchBridge:
    (item,) = (item for item in intent(made)[""] if isinstance(item, SwitchBridge))
    return item


class TestBridge:
    @pytest.mark.parametrize("delay", range(4, 31))
    def test_times_are_legal(self, delay: int) -> None:
        """2 x (forward delay - 1) >= longest age >= 2 x (hello + 1), each as the kernel takes it (br_private_stp.h)."""
        hello, age = timers(delay)
        assert 2 * (delay - 1) >= age >= 2 * (hello + 1)
        assert 1 <= hello <= 10
        assert 6 <= age <= 40

    def test_spanning_tree_counts_configured_ports(self) -> None:
        """Not those that are there: a port that comes back finds it running."""
        assert not bridge(scope(ports=())).stp
        assert not bridge(scope(ports=("eth3",))).stp
        several = bridge(scope(ports=("eth2", "eth3"), stp={"priority": 4096, "forwardDelay": 9}))
        assert (several.stp, several.priority, several.forward_delay) == (True, 4096, 9)

    def test_groups(self) -> None:
        """The mask has a bit for each group; ports among each other get none, which needs a rule."""
        one = scope(forward=["lldp", "eapol", 3, 15])
        assert bridge(one).groups == 1 << 14 | 1 << 3 | 1 << 15
        name = "netnsmgr_groups"
        assert not [item for item in intent(one)[""] if isinstance(item, NftTable) and item.name == name]
        two = scope(ports=("eth2", "eth3"), forward=["lldp"])
        (table,) = (item for item in intent(two)[""] if isinstance(item, NftTable) and item.name == name)
        assert 'iifname { "eth2", "eth3" } oifname { "eth2", "eth3" } drop' in table.body

    def test_mtu(self) -> None:
        """What is written, else the smallest of the ports, else what an instance without any has."""
        assert scope(mtu=1400).mtu == 1400
        assert replace(scope(), port_mtus=(9000, 1500)).mtu == 1500
        assert scope(ports=()).mtu == 1500


class TestPorts:
    def test_guard(self) -> None:
        """Ports by name and by label, and every application."""
        made = scope(
            app("app6", "ni6"),
            ports=("eth2", "eth3", "sensors"),
            labels={"eth4": ["sensors"]},
            stp={"bpduGuard": ["eth2", "sensors"]},
        )
        guards = {name: found(made, name).guard for name in ("eth2", "eth3", "eth4", "app6.eth0")}
        assert guards == {"eth2": True, "eth3": False, "eth4": True, "app6.eth0": True}

    def test_application_joins_when_it_is_filtered(self) -> None:
        """Its link comes without a bridge; the port waits for the interface's own rules."""
        made = scope(app("app6", "ni6"))
        (link,) = (item for item in intent(made)["app6/eth0"] if isinstance(item, Veth))
        assert (link.master, link.joins) == ("", True)
        parts = {str(ref) for ref in found(made, "app6.eth0").follows()}
        assert "nft-part/netdev netnsmgr_vif vif_app6.eth0" in parts

    def test_own_address(self) -> None:
        """With `antiSpoofing`, the default, the bridge takes only frames of the interface's address."""
        made = scope(app("app6", "ni6"), app("app7", "ni6", antiSpoofing=False))
        assert found(made, "app6.eth0").mac.startswith("02:16:3e:")
        assert found(made, "app7.eth0").mac == ""
        assert found(made, "eth3").mac == ""


class TestVlans:
    APPS = (
        app("a", "ni6", vlan={"access": 100}),
        app("b", "ni6", vlan={"access": 200}),
        app("t", "ni6", vlan={"trunk": [100]}),
        app("u", "ni6"),
    )

    def test_none(self) -> None:
        """Where nobody names a VLAN, tags are nobody's affair."""
        made = scope(app("u", "ni6"))
        assert (bridge(made).vlans, found(made, "eth3").vlans, found(made, "u.eth0").vlans) == (
            False, frozenset(), frozenset(),
        )  # fmt: skip
        assert vlans.words(made, found(made, "eth3").vlans) == ""

    def test_of_each(self) -> None:
        """Access is one VLAN alone, a trunk its list, everything else all; both beside frames without tag."""
        made = scope(*self.APPS)
        assert bridge(made).vlans
        assert found(made, "a.eth0").vlans == {PortVlan(100, pvid=True, untagged=True)}
        assert found(made, "t.eth0").vlans == {UNTAGGED, PortVlan(100)}
        both = {UNTAGGED, PortVlan(100), PortVlan(200)}
        assert found(made, "u.eth0").vlans == found(made, "eth3").vlans == both
        assert vlans.words(made, found(made, "eth3").vlans) == "trunk 100,200"
        assert vlans.words(made, found(made, "a.eth0").vlans) == "access 100"

    def test_of_a_port_by_its_label(self) -> None:
        made = scope(
            app("u", "ni6"), ports=("field",), labels={"eth4": ["field"]}, vlans={"field": {"access": 7}}
        )
        assert found(made, "eth4").vlans == {PortVlan(7, pvid=True, untagged=True)}
        assert found(made, "u.eth0").vlans == {UNTAGGED, PortVlan(7)}

    def test_the_one_of_frames_without_tag(self) -> None:
        """`access: 1` is that of frames without tag: nobody carries it with one."""
        made = scope(app("a", "ni6", vlan={"access": 1}), app("u", "ni6"))
        assert found(made, "a.eth0").vlans == found(made, "u.eth0").vlans == {UNTAGGED}


def link(name: str, *, running: bool = True, mtu: int = 1500) -> LinkInfo:
    return LinkInfo(name, 7, "veth", True, running, mtu, "", "bn0", "", None, running=running)


def seen(
    made: InstanceScope, stp: str, *, guard: bool = False, running: bool = True, mtu: int = 1500
) -> Seen:
    names = [port.ifname for port in made.ports]
    ports = {name: PortInfo(stp, guard, False, frozenset()) for name in names}
    return Seen({name: link(name, running=running, mtu=mtu) for name in names}, ports, 4)


class TestStatus:
    MADE = scope(ports=("eth2", "eth3"))

    @pytest.mark.parametrize(
        ("stp", "reasons"),
        [
            ("forwarding", []),
            ("listening", ["spanning tree: listening, frames pass within 8 s"]),
            ("learning", ["spanning tree: learning, frames pass within 4 s"]),
            ("blocking", ["spanning tree: blocked, another port leads to the same network"]),
        ],
    )
    def test_spanning_tree(self, stp: str, reasons: list[str]) -> None:
        row = status.port_row(self.MADE, self.MADE.ports[0], seen(self.MADE, stp))
        assert (row["state"], row["stp"], row["reasons"]) == ("up", stp, reasons)

    def test_shut(self) -> None:
        """Only a guard shuts a link that has its carrier; one without is just down."""
        shut = seen(self.MADE, "disabled", guard=True)
        assert status.port_row(self.MADE, self.MADE.ports[0], shut)["reasons"] == [SHUT]
        assert status.troubled(self.MADE, shut)
        down = seen(self.MADE, "disabled", guard=True, running=False)
        row = status.port_row(self.MADE, self.MADE.ports[0], down)
        assert (row["state"], row["reasons"]) == (
            "down", ["no carrier: there is no cable, or nothing on its other end"],
        )  # fmt: skip
        assert not status.troubled(self.MADE, down)

    def test_unplugged_but_shared(self) -> None:
        """The link here leads to a bridge and has a carrier always: what counts is told of the port."""
        port = self.MADE.ports[0]
        told = replace(seen(self.MADE, "forwarding"), carriers={port.name: False})
        row = status.port_row(self.MADE, port, told)
        assert (row["state"], row["reasons"]) == (
            "down", ["no carrier: there is no cable, or nothing on its other end"],
        )  # fmt: skip

    def test_not_brought_up(self) -> None:
        """Without its bridge, and where that is down, nobody says that a cable is missing or that a BPDU came."""
        port = self.MADE.ports[0]
        down = LinkInfo(port.ifname, 7, "veth", False, False, 1500, "", "", "", None)
        assert status.port_row(self.MADE, port, Seen({port.ifname: down}, {}))["reasons"] == []
        closed = replace(seen(self.MADE, "disabled", guard=True), up=False)
        assert status.port_row(self.MADE, port, closed)["reasons"] == []
        assert not status.troubled(self.MADE, closed)

    def test_missing(self) -> None:
        row = status.port_row(self.MADE, self.MADE.ports[0], Seen({}, {}))
        assert (row["state"], row["mtu"], row["stp"]) == ("missing", None, "disabled")
        assert status.reasons(self.MADE, Seen({}, {})) == []

    def test_smaller_mtu(self) -> None:
        made = scope(mtu=4000)
        (reason,) = status.reasons(made, seen(made, "forwarding"))
        assert reason.startswith(
            "port eth3: packets of more than 1500 bytes do not pass: the instance's MTU is 4000"
        )

    def test_mtus(self) -> None:
        """Of links as they are; of those that are not here as it was told; of those that nobody knows, none."""
        ports = [{"name": "a", "interface": "eth2"}, {"name": "eth3"}, {"name": "c"}]
        told = (("a", 1300), ("c", 1200))
        links = {"eth2": link("eth2", mtu=9000)}
        assert status.mtus(links, ports, told) == (9000, 1200)
