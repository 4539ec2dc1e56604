"""Documents and statuses as a topology: what is drawn is what the agents do."""

from __future__ import annotations

from typing import Any

from netnsmgr.features.portmap import exposed
from netnsmgr.topology.read import Statuses
from tests.golden.intent import Agents
from tests.unit.topology.site import KEY, SCENARIO, app, device, drawn, ipsec, network

ETH0 = "name: eth0, addresses: [192.168.0.2/24], gateways: [192.168.0.1]"
LOCAL = network("ni1", "ports: [eth0], subnets: [10.10.1.0/24], dhcp: {}")


def statuses(**given: dict[str, Any]) -> Statuses:
    empty: dict[str, dict[str, Any]] = {"devices": {}, "instances": {}, "apps": {}, "agents": {}}
    return Statuses(**(empty | given))


def test_links_and_port_maps_are_the_agents() -> None:
    """Names and addresses of links, ports of instances and open ports, as the device's agent makes them."""
    scope = Agents(SCENARIO.read_text())._uplink
    shown = drawn()
    linked = {each.instance.name: each for each in scope.instances}
    found = {ni.name: ni for ni in shown.instances}
    for name, each in linked.items():
        link = found[name].link
        assert link is not None
        assert (link.name, link.addresses) == (each.link, (str(each.links[0].iface(each.outer)),))
        assert list(found[name].ports) == [port.name for port, _ in scope.ports_of(each.instance)]
    maps = {
        (name, f"{each.port}/{each.protocol}"): len(addresses)
        for name, leads in exposed(scope).items()
        for each, addresses in leads
    }
    assert {(each.instance, each.what): len(each.ports) for each in shown.port_maps} == maps
    assert found["ni6"].link is None
    assert {port.name: port.switch for port in shown.ports} == {
        "eth0": "",
        "eth1": "",
        "eth2": "",
        "eth3": "ni6",
    }


def test_words() -> None:
    """Access lists, services and attachments in few words."""
    shown = drawn()
    rules = {(each.name, i.name): i.rules for each in shown.apps for i in each.interfaces}
    assert rules["app1", "eth0"] == ("github.com", "192.168.0.0/16")
    assert rules["app2", "eth0"] == ("apps of its network tcp 80", "device port 8080/tcp → 80")
    assert rules["app3", "tap0"] == ("any",)
    assert rules["app6", "eth0"] == ("192.168.0.0/16, ≤ 5 packets/second",)
    assert [each.attach for each in shown.apps][:3] == ["container", "container", "virtual machine (TAP)"]
    (ni4,) = [ni for ni in shown.instances if ni.name == "ni4"]
    assert ni4.services == ("DHCP .50 to .150", "DNS, metadata", "other traffic: blocked")
    (tunnel,) = ni4.tunnels
    assert tunnel.ends[0].selectors == (("net", "10.10.10.0/24 === 192.168.0.0/24"),)


def test_ipv6_and_air_gapped() -> None:
    """What an instance does for IPv6, with NAT64, delegated, and without a way out."""
    port = device("name: eth0, dhcp: true, dhcp6: true")
    six = network("six", "ports: [eth0], subnets: ['fd00::/64'], nat64: {}")
    given = network("given", "ports: [eth0], ipv6: {uplink: delegated}")
    alone = network("alone", "subnets: [10.0.0.0/24, 'fd01::/64']")
    shown = {ni.name: ni for ni in drawn(port, six, given, alone).instances}
    assert shown["six"].services == ("RA, SLAAC, NAT66", "DNS64 and NAT64, metadata")
    assert shown["given"].services == ("RA, SLAAC, delegated prefix", "DNS, metadata")
    assert shown["given"].subnets == ()
    assert shown["alone"].services == ("RA, SLAAC", "DNS, metadata")
    assert shown["alone"].ports == ()
    told = statuses(instances={"given": {"subnets": ["2001:db8::/64"], "gateways": ["2001:db8::1"]}})
    (ni,) = drawn(port, given, statuses=told).instances
    assert [(str(net), gateway) for net, gateway in ni.subnets] == [("2001:db8::/64", "2001:db8::1")]


def test_switches() -> None:
    """Moved and shared ports, and what they and the applications carry."""
    shown = drawn(
        device("name: eth3", f"{ETH0}, shared: true", "name: eth4, labels: [field]", "name: v, vlan: {parent: eth9, id: 7}", "name: eth9"),
        network("sw", "type: switch, ports: [eth3, eth0, field], vlans: {field: {access: 100}, eth3: {trunk: [100, 200]}}"),
        app("plc", "name: e0, network: sw, vlan: {access: 100}, etherTypes: [profinet, 4660], antiSpoofing: false"),
    )  # fmt: skip
    notes = {port.name: port.notes for port in shown.ports}
    assert notes == {
        "eth3": ("VLANs 100, 200 tagged",),
        "eth0": ("shared by the bridge br-eth0",),
        "eth4": ("labels field", "VLAN 100"),
        "v": ("addresses as found", "VLAN 7 of eth9"),
        "eth9": ("addresses as found",),
    }
    assert [port.switch for port in shown.ports] == ["sw", "", "sw", "", ""]
    assert shown.instances[0].services == ("spanning tree",)
    interface = shown.apps[0].interfaces[0]
    assert interface.notes == ("VLAN 100", "beside IP: profinet, 0x1234", "may send with any address")
    assert interface.rules == ("everything allowed",)


def test_without_a_device() -> None:
    """Ports that nobody describes are named by who wants them."""
    (ni,) = drawn(LOCAL).instances
    assert (ni.lacks, ni.described) == (("eth0",), False)


def test_running() -> None:
    """Addresses that applications have, and the states of everything; what says nothing yet is pending."""
    peer = f"{{name: hub, publicKey: {KEY}, allowedIps: [10.0.0.0/8], endpoint: '192.0.2.1:51820'}}"
    told = statuses(
        devices={"edge": {"ports": [{"name": "eth0", "state": "up", "addresses": ["192.0.2.9/24"], "gateways": ["192.0.2.1"]}]}},
        instances={
            "ni1": {"state": "ready", "number": 4},
            "vpn": {"state": "degraded", "reasons": ["no key"], "vpn": {
                "wireguard": [{"name": "wg0", "state": "connecting", "peers": [{"name": "hub", "state": "down", "endpoint": "[2001:db8::1]:51820"}]}]}},
            "gone": {"state": "deleting"},
        },
        apps={"ni1/a/e0": {"state": "ready", "addresses": [{"address": "10.10.1.7"}, {"address": "fe80::1"}]}},
        agents={"vpn": {"state": "backing-off", "cause": "signal 9"}},
    )  # fmt: skip
    shown = drawn(
        device("name: eth0, dhcp: true"), LOCAL,
        network("vpn", f"ports: [eth0], subnets: [10.9.0.0/24], vpn: {{wireguard: {{tunnels: [{{name: wg0, peers: [{peer}]}}]}}}}"),
        app("a", "name: e0, network: ni1", "name: e1, network: vpn"),
        statuses=told,
    )  # fmt: skip
    (port,) = shown.ports
    assert (port.addresses, port.gateways, port.health.state) == (("192.0.2.9/24",), ("192.0.2.1",), "ok")
    ni1, vpn = shown.instances
    assert ni1.health.state == "ok"
    assert vpn.health.state == "failed"
    assert vpn.health.reasons == ("its agent is backing-off: signal 9", "no key")
    (tunnel,) = vpn.tunnels
    assert (tunnel.health.state, tunnel.ends[0].health.state) == ("pending", "down")
    assert tunnel.ends[0].where == "[2001:db8::1]:51820"
    first, second = shown.apps[0].interfaces
    assert (first.addresses, first.health.state) == (("10.10.1.7", "fe80::1"), "ok")
    assert (second.addresses, second.health.state) == ((), "pending")


def test_ipsec_running() -> None:
    """A connection's address, and what keeps it down."""
    row = {"name": "cloud", "state": "down", "remoteAddress": "203.0.113.9", "error": "no answer"}
    told = statuses(instances={"ni1": {"state": "degraded", "vpn": {"ipsec": [row]}}})
    shown = drawn(
        device(ETH0),
        network("ni1", f"ports: [eth0], subnets: [10.1.0.0/24], {ipsec('10.2.0.0/24')}"),
        statuses=told,
    )
    (tunnel,) = shown.instances[0].tunnels
    assert (tunnel.health.state, tunnel.health.reasons) == ("down", ("no answer",))
    assert tunnel.ends[0].where == "198.51.100.1 (203.0.113.9)"
    # Without a word of it, it is on its way.
    told = statuses(instances={"ni1": {"state": "reconciling"}})
    shown = drawn(
        device(ETH0),
        network("ni1", f"ports: [eth0], subnets: [10.1.0.0/24], {ipsec('10.2.0.0/24')}"),
        statuses=told,
    )
    assert shown.instances[0].tunnels[0].health.state == "pending"
