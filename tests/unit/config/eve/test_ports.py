"""System adapters, and what they stand on, as ports of the Device."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config.eve.written import (
    Json,
    accepted,
    converted,
    device,
    device_port,
    faults,
    instance,
    network,
    notes,
    port,
    spec,
    switch,
)


def test_a_static_port() -> None:
    ip: Json = {"dhcp": 1, "subnet": "192.168.0.9/24", "gateway": "192.168.0.1", "dns": ["9.9.9.9"],
          "ntp": "192.168.0.4", "moreNtp": ["192.168.0.5"]}  # fmt: skip
    found = accepted(device(networks=[network(**ip) | {"mtu": 1400}]))
    assert device_port(found) == {
        "name": "eth0",
        "labels": ["uplink"],
        "mtu": 1400,
        "addresses": ["192.168.0.2/24"],
        "gateways": ["192.168.0.1"],
        "dns": ["9.9.9.9"],
        "ntp": ["192.168.0.4", "192.168.0.5"],
    }
    assert found.notes == ()


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [(4, {"dhcp": True}), (7, {"dhcp": True}), (6, {"dhcp": True}), ("V6Only", {"slaac": True}), (9, {"dhcp": True})],
)  # fmt: skip
def test_a_port_that_asks(kind: Any, wanted: dict[str, bool]) -> None:
    found = accepted(device(ports=(port(addr=None),), networks=[network(dhcp=4) | {"type": kind}]))
    assert device_port(found) == {"name": "eth0", "labels": ["uplink"]} | wanted
    assert ("IPv6" in notes(found) or "dhcp6" in notes(found)) == (kind in {6, 9, "V6Only"})


def test_what_is_written_beside_dhcp() -> None:
    """As in EVE gateway and DNS take the place of those of DHCP; an address beside it is not had here."""
    ip: Json = {"dhcp": "Client", "subnet": "192.168.0.0/24", "gateway": "192.168.0.1", "dns": ["9.9.9.9"]}
    found = accepted(device(networks=[network(**ip)]))
    assert device_port(found) == {
        "name": "eth0",
        "labels": ["uplink"],
        "dhcp": True,
        "gateways": ["192.168.0.1"],
        "dns": ["9.9.9.9"],
    }
    assert "addr: not carried over" in notes(found)
    alone: Json = {**ip, "dhcpOptionsIgnore": {"ipAddressesExclusively": True}}
    assert device_port(accepted(device(networks=[network(**alone)])))["addresses"] == ["192.168.0.2/24"]
    without = converted(device(networks=[network(dhcp=4, gateway="0.0.0.0")]))
    assert "gateways" not in device_port(without)
    assert "the default route is the one that DHCP says" in notes(without)


def test_an_address_is_not_taken_from_a_range() -> None:
    """Nor is one by EVE: a port that asks by DHCP asks."""
    ip: Json = {"dhcp": 4, "gw": "192.168.0.1", "dhcpRange": {"start": "192.168.0.2", "end": "192.168.0.2"}}
    found = accepted(device(ports=(port(addr=None),), networks=[network(**ip)]))
    assert device_port(found) == {"name": "eth0", "labels": ["uplink"], "dhcp": True}
    assert "networks[0].ip.dhcpRange: not carried over" in notes(found)
    assert "networks[].ip.gw (unknown field" in notes(found)


def test_no_network() -> None:
    """A port without one, or without DHCP, is of layer 2: it is used as it is found."""
    found = accepted(device(ports=(port(), port("eth1", uplink=None, networkUUID=None, addr=None))))
    assert device_port(found, "eth1") == {"name": "eth1"}
    nil = "00000000-0000-0000-0000-000000000000"
    found = accepted(device(ports=(port(), port("eth1", uplink=None, networkUUID=nil, addr=None))))
    assert device_port(found, "eth1") == {"name": "eth1"}


@pytest.mark.parametrize(
    ("adapters", "free", "wanted"),
    [
        ([{"cost": 3}, {"cost": 999}], [0, 0], [3, 255]),
        ([{}, {"freeUplink": True}], [0, 1], [1, 0]),
        ([{"cost": 7}, {}], [1, 1], [7, 0]),
        ([{"uplink": None, "cost": 7}, {"uplink": None}], [0, 0], [0, 0]),
    ],
)
def test_costs(adapters: list[dict[str, Any]], free: list[int], wanted: list[int]) -> None:
    """Also as controllers say them that know but free ports, or no management ports (parseOneSystemAdapterConfig)."""
    ports = tuple(port(f"eth{n}", addr=f"192.168.0.{n + 2}", **more) for n, more in enumerate(adapters))
    for (_, hardware), is_free in zip(ports, free, strict=True):
        hardware["usagePolicy"] = {"freeUplink": bool(is_free)}
    found = converted(device(ports=ports))
    assert [device_port(found, f"eth{n}").get("cost", 0) for n in range(2)] == wanted
    assert device_port(found)["labels"] == ["uplink"]


def test_labels() -> None:
    """Those of EVE's own that are not for management are there when somebody names them."""
    ports = (
        port("eth0", sharedLabels=["Site A", "uplink"], addr="192.168.0.2"),
        port("eth1", sharedLabels=["Site A"], addr="192.168.0.3", uplink=False),
        port("eth2", uplink=None, addr="192.168.0.4", cost=5),
    )
    found = accepted(device(ports=ports))
    assert [device_port(found, f"eth{n}").get("labels") for n in range(3)] == [
        ["Site-A", "uplink"],
        ["Site-A"],
        None,
    ]
    found = accepted(
        device(instance(port={"name": "Site A"}), instance("ni2", port={"name": "all"}),
               instance("ni3", port={"name": "freeuplink"}), ports=ports)
    )  # fmt: skip
    assert [spec(found, f"ni{n}")["ports"] for n in (1, 2, 3)] == [["Site-A"], ["all"], ["freeuplink"]]
    assert device_port(found)["labels"] == ["Site-A", "all", "uplink", "freeuplink"]
    assert device_port(found, "eth2")["labels"] == ["all"]


def test_a_label_that_is_a_port_s_name_too() -> None:
    """EVE finds both by it; here a name and a label are apart, so the ports are named."""
    ports = (port("eth0"), port("eth1", sharedLabels=["eth0"], addr="192.168.0.3"))
    found = accepted(device(instance(), ports=ports))
    assert spec(found, "ni1")["ports"] == ["eth0", "eth1"]
    assert device_port(found, "eth1")["labels"] == ["eth0-2", "uplink"]


def test_names_that_we_do_not_have() -> None:
    (adapter, hardware) = port("Büro/LAN 1")
    hardware["phyaddrs"] = {"IFNAME": "enp1s0"}
    found = accepted(device(instance(port={"name": "Büro/LAN 1"}), ports=((adapter, hardware),)))
    assert device_port(found, "Buro-LAN-1")["interface"] == "enp1s0"
    assert spec(found, "ni1")["ports"] == ["Buro-LAN-1"]
    assert "port 'Büro/LAN 1' is called Buro-LAN-1 here" in notes(found)


def test_vlans_and_what_they_stand_on() -> None:
    """A parent that is no port of EVE's is a port without addresses here."""
    vlan = {"logicallabel": "vlan5", "interfaceName": "eth0.5", "lowerLayerName": "eth0", "vlanId": 5}
    (_, hardware) = port()
    adapter = {"name": "office", "lowerLayerName": "vlan5", "uplink": True, "networkUUID": "net0", "addr": "192.168.0.2"}  # fmt: skip
    found = accepted(device(vlans=[vlan], systemAdapterList=[adapter], deviceIoList=[hardware]))
    assert device_port(found, "office") == {
        "name": "office",
        "interface": "eth0.5",
        "labels": ["uplink"],
        "vlan": {"parent": "eth0", "id": 5},
        "addresses": ["192.168.0.2/24"],
        "gateways": ["192.168.0.1"],
    }
    assert device_port(found, "eth0") == {"name": "eth0"}
    with_adapter = accepted(device(vlans=[vlan], systemAdapterList=[adapter, {"name": "LAN", "lowerLayerName": "eth0"}],
                                   deviceIoList=[hardware]))  # fmt: skip
    assert device_port(with_adapter, "office")["vlan"] == {"parent": "LAN", "id": 5}


def test_bonds_are_used_as_found() -> None:
    bond = {"logicallabel": "bond0", "lowerLayerNames": ["eth0"], "bondMode": 1}
    (_, hardware) = port()
    found = accepted(device(bonds=[bond], deviceIoList=[hardware],
                            systemAdapterList=[{"name": "bond0", "networkUUID": "net0", "addr": "192.168.0.2"}]))  # fmt: skip
    assert [each["name"] for each in found.documents[0]["spec"]["ports"]] == ["bond0"]
    assert "netnsmgr makes no bonds" in notes(found)


def test_wireless_ports() -> None:
    """Their settings hold secrets, of which nothing is said; a modem may have no name yet."""
    (adapter, hardware) = port("wwan", addr=None)
    hardware |= {"ptype": "PhyIoNetWWAN", "phyaddrs": {"UsbAddr": "1:2"}}
    ip = network(dhcp=4) | {"wireless": {"type": 1, "wifiCfg": [{"password": "topsecret"}]}}
    found = accepted(device(ports=((adapter, hardware),), networks=[ip]))
    assert "interface" not in device_port(found, "wwan")
    assert "EVE finds this modem by its place on a bus" in notes(found)
    assert "networks[].wireless (settings of WLAN" in notes(found)
    assert "topsecret" not in notes(found)


def test_a_port_that_is_a_switch_s_and_the_device_s() -> None:
    """Is shared; without addresses it is the switch's alone."""
    assert device_port(accepted(device(switch())))["shared"] is True
    bare = port("eth1", uplink=None, networkUUID=None, addr=None)
    found = accepted(device(switch(port={"name": "eth1"}), ports=(port(), bare)))
    assert device_port(found, "eth1") == {"name": "eth1"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"networks": []}, "systemAdapterList[0].networkUUID: there is no network 'net0'"),
        ({"deviceIoList": []}, "systemAdapterList[0].name: 'eth0' is no PhysicalIO, VLAN or bond of this device"),
        ({"networks": [network(), network()]}, "networks[1].id: duplicate id 'net0'"),
        ({"ports": (port(), port())}, "systemAdapterList[1].name: duplicate name 'eth0'"),
        ({"ports": (port(addr=None),)}, "addr: a port with static addresses needs one (EVE refuses it, too)"),
        ({"ports": (port(addr="192.168.0"),)}, "addr: '192.168.0' is not an IP address"),
        ({"ports": (port(addr="fd00::2"),)}, "addr: is of another version of IP"),
        ({"networks": [network(dhcp=1)]}, "subnet: a port with static addresses needs it"),
        ({"networks": [network(dhcp=3)]}, "dhcp: is none of this enumeration"),
        ({"networks": [network(dhcp="client")]}, "dhcp: 'client' is none of this enumeration: DHCPNoop, Static"),
        ({"networks": [network() | {"mtu": 576}]}, "mtu: must be at least 1280"),
        ({"vlans": [{"logicallabel": "v", "vlanId": 5, "lowerLayerName": "x"}]}, "there is no physical port or bond 'x'"),
        ({"vlans": [{"logicallabel": "v", "vlanId": 4095, "lowerLayerName": "eth0"}]}, "vlanId: must be from 1 to 4094"),
        ({"systemAdapterList": [{"name": ""}]}, "systemAdapterList[0].name: is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong(more: dict[str, Any], said: str) -> None:
    found = faults(device(**more))
    assert any(said in each for each in found), found
    assert all(each.startswith("eve.json:") for each in found)
