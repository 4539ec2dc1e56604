"""Network instances: local ones, switches, and those with a VPN."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netnsmgr.config.check import check
from tests.unit.config.eve.written import (
    Json,
    accepted,
    app,
    converted,
    device,
    faults,
    instance,
    interface,
    network,
    notes,
    port,
    spec,
    switch,
)


def test_all_of_a_local_one() -> None:
    ip = {"subnet": "10.10.1.7/24", "gateway": "10.10.1.254", "domain": "plant.example", "ntp": "10.10.1.3",
          "dns": ["10.10.1.254", "9.9.9.9"], "dhcpRange": {"start": "10.10.1.20", "end": "10.10.1.30"}}  # fmt: skip
    dns = [
        {"HostName": "printer", "Address": ["10.10.1.9"]},
        {"HostName": "printer", "Address": ["10.10.1.8"]},
    ]
    found = accepted(device(instance(ip=ip, dns=dns, mtu=1400, disableFlowlog=False)))
    assert spec(found, "ni1") == {
        "type": "local",
        "ports": ["eth0"],
        "subnets": ["10.10.1.0/24"],
        "gateways": ["10.10.1.254"],
        "dhcp": {"range": "10.10.1.20-10.10.1.30", "ntp": ["10.10.1.3"], "domain": "plant.example"},
        "dns": {"hosts": {"printer": ["10.10.1.9", "10.10.1.8"]}, "servers": ["9.9.9.9"]},
        "mtu": 1400,
        "flowLog": True,
    }
    assert notes(found) == (
        f"{places(found, 0)}: networkInstances[0].ip.dns: EVE tells applications to ask these; here they ask the "
        "instance, which asks these"
    )


def places(found: Any, number: int) -> str:
    note = found.notes[number]
    assert note.line > 1
    return f"eve.json:{note.line}:{note.column}"


def test_all_of_ipv6() -> None:
    """EVE's radvd and dnsmasq give managed addresses alone."""
    ip = {"subnet": "fd00:10:1::/64", "dhcpRange": {"start": "fd00:10:1::10", "end": "fd00:10:1::1f"}}
    found = accepted(device(instance(ip=ip, ipType=2)))
    assert spec(found, "ni1") == {
        "type": "local",
        "ports": ["eth0"],
        "subnets": ["fd00:10:1::/64"],
        "ipv6": {"addressing": "stateful"},
        "dhcp": {"range6": "fd00:10:1::10-fd00:10:1::1f"},
    }


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ("10.10.1.0", "10.10.1.255", "10.10.1.2-10.10.1.254"),
        ("10.10.1.1", "10.10.1.9", "10.10.1.2-10.10.1.9"),
        ("10.10.1.9", "", "10.10.1.9-10.10.1.254"),
        ("", "10.10.1.9", None),
        ("", "", None),
    ],
)
def test_ranges_are_corrected_as_eve_does(start: str, end: str, wanted: str | None) -> None:
    found = accepted(
        device(instance(ip={"subnet": "10.10.1.0/24", "dhcpRange": {"start": start, "end": end}}))
    )
    assert spec(found, "ni1")["dhcp"].get("range") == wanted


def test_ports_of_a_local_one() -> None:
    """EVE takes those that have addresses; a label that names others, too, is written as names."""
    ports = (
        port("eth0"),
        port("eth1", addr="192.168.0.3"),
        port("eth2", uplink=True, networkUUID=None, addr=None),
    )
    found = accepted(device(instance(port={"name": "uplink"}), ports=ports))
    assert spec(found, "ni1")["ports"] == ["eth0", "eth1"]
    assert "without eth2, which EVE does not use in a local network" in notes(found)


@pytest.mark.parametrize("said", ["", "eth7"])
def test_no_port_is_air_gapped(said: str) -> None:
    found = accepted(device(instance(port={"name": said})))
    assert "ports" not in spec(found, "ni1")
    assert ("no port has the name or label 'eth7'" in notes(found)) == bool(said)


def test_all_of_a_switch() -> None:
    bare = {"uplink": None, "networkUUID": None, "addr": None}
    ports = tuple(port(f"eth{n}", sharedLabels=labels, **bare) for n, labels in
                  enumerate([["lan"], ["lan", "ends"], ["lan", "ends"]]))  # fmt: skip
    found = accepted(
        device(
            switch(
                port={"name": "lan"},
                stp={"portsWithBpduGuard": "ends"},
                vlanAccessPorts=[
                    {"vlanId": 100, "accessPort": "eth1"},
                    {"vlanId": 200, "accessPort": "eth2"},
                ],
                forwardLldp=True,
            ),
            ports=ports,
        )
    )
    assert spec(found, "sw1") == {
        "type": "switch",
        "ports": ["lan"],
        "stp": {"bpduGuard": ["ends"]},
        "vlans": {"eth1": {"access": 100}, "eth2": {"access": 200}},
        "forward": ["lldp"],
    }
    assert found.notes == ()


def test_ports_of_a_switch() -> None:
    """EVE leaves out those that the device uses, where there are several, and wireless ones."""
    bare = {"uplink": None, "networkUUID": None, "addr": None}
    (wlan, radio) = port("wlan0", **bare)
    radio["ptype"] = 5
    ports = (port("eth0"), port("eth1", **bare), (wlan, radio))
    found = accepted(device(switch(port={"name": "all"}), ports=ports))
    assert spec(found, "sw1")["ports"] == ["eth1"]
    assert "without eth0, wlan0, which EVE does not use in a switch" in notes(found)


def test_what_is_not_active_is_not_there() -> None:
    """Nor are the applications that are in no other network."""
    found = accepted(device(instance(activate=False), instance("ni2"), app("app1"),
                            app("app2", interface(), interface("ni2"))))  # fmt: skip
    assert [each["metadata"]["name"] for each in found.documents] == ["device", "ni2", "app2"]
    assert [each["network"] for each in spec(found, "app2")["interfaces"]] == ["ni2"]
    assert "networkInstances[0].activate: not carried over: it is not active" in notes(found)
    assert "its network ni1 is not (also apps[1].interfaces[0])" in notes(found)


def test_kinds_that_eve_has_not() -> None:
    found = accepted(device(instance(instType="ZnetInstMesh"), instance("ni2", instType=77)))
    assert len(found.documents) == 1
    assert "EVE has no such network instances (also networkInstances[1].instType)" in notes(found)


def test_names() -> None:
    """Labels of DNS, each once; who has the name first keeps it, and the others are told apart by what does not change."""
    names = ["Line 1", "line-1", "LINE_1", "Übergabe", "", "uplink", "x" * 80]
    found = converted(
        device(*(instance(name, uuidandversion={"uuid": f"{n}2345678-90ab"}) for n, name in enumerate(names)))
    )
    assert [each["metadata"]["name"] for each in found.documents[1:]] == [
        "line-1",
        "line-1-12345678",
        "line-1-22345678",
        "ubergabe",
        "ni-42345678",
        "uplink-52345678",
        "x" * 63,
    ]
    assert found.documents[2]["metadata"]["labels"] == {"eve-uuid": "12345678-90ab"}
    assert "networkInstances[1].displayname: 'line-1' is called line-1-12345678 here" in notes(found)


def test_routes_and_the_like_are_told() -> None:
    more: Json = {"propagateConnectedRoutes": True, "staticRoutes": [{"destinationNetwork": "10.0.0.0/8", "gateway": "10.10.1.2"}], "forwardLldp": True}  # fmt: skip
    found = accepted(device(instance(**more)))
    for name in more:
        assert f"networkInstances[0].{name}" in notes(found)


OPAQUE = {
    "VpnRole": "onPremClient",
    "vpnGatewayIpAddr": "198.51.100.1",
    "vpnSubnetBlock": "192.168.0.0/24",
    "preSharedKey": "topsecret",
}


def cloud(opaque: object, **more: Any) -> Json:
    text = opaque if isinstance(opaque, str) else json.dumps(opaque)
    return instance("ni4", instType=3, cfg={"oconfig": text}, **more)


@pytest.mark.parametrize("role", ["onPremClient", "ONPREMCLIENT", "azureClient"])
def test_a_vpn_as_eve_had_it(role: str) -> None:
    found = converted(device(cloud(OPAQUE | {"VpnRole": role, "localSubnetBlock": "appNet"})))
    assert spec(found, "ni4")["vpn"] == {
        "ipsec": {
            "connections": [
                {
                    "name": "ni4",
                    "remote": "198.51.100.1",
                    "auth": {"psk": {"file": "/s/ni4.psk"}},
                    "children": [{"name": "net", "local": ["10.10.1.0/24"], "remote": ["192.168.0.0/24"]}],
                }
            ]
        }
    }
    assert found.secrets == {"/s/ni4.psk": "topsecret\n"}
    assert "topsecret" not in notes(found) + str(found.documents)
    assert "here it is IKEv2" in notes(found)


@pytest.mark.parametrize(
    "opaque",
    [
        "TODO - topsecret",
        "",
        "[]",
        "[" * 10_000,
        OPAQUE | {"VpnRole": "awsClient"},
        OPAQUE | {"VpnRole": "onPremServer"},
        OPAQUE | {"vpnGatewayIpAddr": "%any topsecret"},
        OPAQUE | {"vpnSubnetBlock": "topsecret"},
        OPAQUE | {"localSubnetBlock": "topsecret"},
        OPAQUE | {"clientConfigList": [{"preSharedKey": "topsecret"}]},
        {key: value for key, value in OPAQUE.items() if key != "vpnGatewayIpAddr"},
    ],
)
def test_a_vpn_that_is_not_understood_leads_nowhere(opaque: object) -> None:
    """It is no local network that sends in clear: apply refuses it until somebody has filled it in."""
    found = converted(device(cloud(opaque), instance("ni1"), app("app4", interface("ni4")), app("app1")))
    assert spec(found, "ni4")["vpn"] == {}
    assert found.secrets == {}
    assert "topsecret" not in notes(found) + str(found.documents)
    assert "its tunnels are not carried over" in notes(found)
    assert any(
        "is empty; write 'wireguard' or 'ipsec'" in str(each) for each in check(found.documents, {})[1]
    )
    assert [each["metadata"]["name"] for each in found.complete] == ["device", "ni1", "app1"]
    assert check(found.complete, {})[1] == []


def test_a_vpn_without_its_secret() -> None:
    found = converted(device(cloud({key: value for key, value in OPAQUE.items() if key != "preSharedKey"})))
    assert spec(found, "ni4")["vpn"]["ipsec"]["connections"][0]["auth"] == {"psk": {"file": "/s/ni4.psk"}}
    assert found.secrets == {}
    assert "has no preSharedKey: write it to /s/ni4.psk" in notes(found)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ip": {}}, "ip: a local network needs a subnet (EVE refuses it, too)"),
        ({"ip": {"subnet": "10.10.1.0"}}, "ip.subnet: must be a network such as 10.10.1.0/24"),
        ({"ip": {"subnet": "10.10.1.0/24", "gateway": "10.10.2.1"}}, "gateway: 10.10.2.1 is not in the subnet 10.10.1.0/24"),
        ({"ip": {"subnet": "10.10.1.0/24", "gateway": "10.10.1.5", "dhcpRange": {"start": "10.10.1.2"}}}, "the gateway 10.10.1.5 is in the range"),
        ({"ip": {"subnet": "10.10.1.0/24", "dhcpRange": {"start": "10.10.1.9", "end": "10.10.1.8"}}}, "no address is left"),
        ({"ip": {"subnet": "10.10.1.0/24", "dhcpRange": {"start": "10.10.2.9"}}}, "start: 10.10.2.9 is not in the subnet"),
        ({"ip": {"subnet": "10.10.1.0/24", "dns": ["9.9.9.9", "x"]}}, "ip.dns[1]: 'x' is not an IP address"),
        ({"dns": [{"HostName": "a b", "Address": ["10.10.1.1"]}]}, "HostName: 'a b' must be a host name"),
        ({"uuidandversion": None}, "networkInstances[0].uuidandversion: the uuid is missing"),
        ({"instType": "local"}, "instType: 'local' is none of this enumeration"),
        ({"mtu": 100}, "mtu: must be at least 1280"),
    ],
)  # fmt: skip
def test_what_is_wrong(more: Json, said: str) -> None:
    found = faults(device(instance(**more)))
    assert any(said in each for each in found), found


def test_a_uuid_twice() -> None:
    assert (
        "networkInstances[1].uuidandversion: duplicate uuid 'uuid-ni1'"
        in faults(device(instance(), instance()))[0]
    )


def test_a_network_of_ports_that_nobody_uses_is_read_too() -> None:
    """Faults of all that is there are told at once."""
    found = faults(device(instance(ip={}), instance("ni2", ip={}), networks=[network(), network()]))
    assert len(found) == 3
